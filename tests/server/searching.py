"""A process that learns recordings into a search index, again and again, until it is killed.

Run as `python -m tests.server.searching PATH FIRST`. It prints a line when it has learnt the first.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

from askfirst.server.searchindex import Learnt, Spoken
from askfirst.server.searchsqlite import SqliteIndex

KEY = b"k" * 32
AT = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
EACH = 40
"""Utterances of a recording."""


def learnt(recording: str, word: str = "marmalade", agent: str = "usr_1") -> Learnt:
    """A recording in which a word is said in each utterance."""
    said = [Spoken("agent", at * 1_000, [word, f"number{at}", recording]) for at in range(EACH)]
    return Learnt(recording, agent, AT, "en", said)


def main(path: Path, first: int) -> None:
    index = SqliteIndex(path, lambda: KEY)
    for round_ in count():
        for number in range(first, first + 4):
            index.learn([learnt(f"rec{number}", f"word{round_ % 3}")])
            if round_ == 0 and number == first:
                sys.stdout.write("LEARNT\n")
                sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
