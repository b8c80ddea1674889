"""Puts the words of recordings into the search index and takes them out again."""

from __future__ import annotations

import logging
from datetime import datetime

from askfirst.server.searchindex import Damaged, Learnt, Spoken
from askfirst.server.store import Store
from askfirst.server.studied import Studied
from askfirst.spoken import words_of

log = logging.getLogger(__name__)


class SearchLearner:
    """Learns which words were said where (`study.LEARNERS`)."""

    def learn(self, store: Store, studied: Studied, at: datetime) -> None:
        """Put a recording into the index, in place of what was there of it."""
        store.search.learn([learnt(studied)])

    def forget(self, store: Store, recording: str) -> None:
        """Take a recording out of the index. A damaged one is thrown away: no erasure waits."""
        try:
            store.search.forget(recording)
        except Damaged as error:
            log.error("search.damaged error=%s", type(error.__cause__).__name__)
            store.search.remake()


def learnt(studied: Studied) -> Learnt:
    """A recording as the index is given it: its utterances by time, without those of no word."""
    said = [
        Spoken(
            each.speaker, each.start_ms, [part for word in words_of(each) for part in word.plain]
        )
        for each in sorted(studied.said, key=lambda one: (one.start_ms, one.end_ms, one.speaker))
    ]
    return Learnt(
        studied.recording,
        studied.agent,
        studied.created_at,
        studied.language,
        [each for each in said if each.words],
    )


LEARNER = SearchLearner()
