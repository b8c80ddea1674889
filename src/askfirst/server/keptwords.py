"""Words that people write about a recording: kept encrypted with it, and gone with it.

Why somebody listened, or who outside got it, may name people; so it stands in no table and in no
ledger entry. What is kept is named by the id of what it is about.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime

from askfirst.errors import AskfirstError, InvalidRequest
from askfirst.server.playback import Playback
from askfirst.server.sealing import write_asset
from askfirst.server.store import Store

SHORTEST, LONGEST = 3, 500


def tidied(text: str, key: str) -> str:
    """The text on one line. Raises InvalidRequest, `key` is whose, where it says too little or
    too much.
    """
    found = " ".join(text.split())
    if not SHORTEST <= len(found) <= LONGEST:
        raise InvalidRequest(
            f"found {len(found)} characters; expected {SHORTEST} to {LONGEST}", key=key
        )
    return found


def keep(store: Store, recording: str, about: str, words: Mapping[str, str], at: datetime) -> None:
    """Keep words about something that has an id, once."""
    content = json.dumps(words, ensure_ascii=False).encode()
    write_asset(store, recording, _kind(about), content, at)


def kept(store: Store, recording: str, about: str) -> Mapping[str, str]:
    """The words about something; empty where there are none, or none any more."""
    try:
        found = Playback(store).asset(recording, _kind(about))
    except AskfirstError:  # what they were about is known without them
        return {}
    return {} if found is None else dict(json.loads(found))


def _kind(about: str) -> str:
    """An id as the kind of an asset, which is shorter: its prefix, and its end that is random."""
    prefix, _, rest = about.partition("_")
    return f"{prefix}-{rest[-20:]}"
