"""What recognises live speech for all calls of one node: an engine in processes of its own.

Calls queue phrases here and get lines back. Phrases of one leg that wait are recognised together,
because an engine takes about as long for many words as for few; so falling behind makes it faster.
Everything is called on one event loop; audio is in memory only.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Collection, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from inspect import signature
from typing import Protocol

from askfirst.errors import AskfirstError, Misconfigured, NotInstalled
from askfirst.model import SAMPLE_RATE_HZ, Utterance
from askfirst.ports import Recognizer
from askfirst.server.plugins import SPEECH, load
from askfirst.speech.endpointing import Detector
from askfirst.speech.phrases import Phrase
from askfirst.speech.transcribe import utterances

log = logging.getLogger(__name__)

THREADS = 1
"""Threads of a captioning engine: the media path has its cores to itself."""

PROCESSES = min(2, os.cpu_count() or 1)
"""Engines at once. With a single one, phrases of four calls wait for each other longer than they
take; more than two would take the cores of the media path."""

TOGETHER_MS = 20_000
"""Longest audio that is recognised together; the engines read up to 30 s at a time."""

GAP_MS = 300
"""Silence between two phrases that are recognised together."""

_BYTES_PER_MS = SAMPLE_RATE_HZ * 2 // 1000


class Waiting(Protocol):
    """A phrase that waits for its words. `is_over`: it must not be heard any more."""

    @property
    def phrase(self) -> Phrase:
        """What was said."""
        ...

    @property
    def source(self) -> object:
        """Whose phrases may be heard together: one leg for as long as it may be transcribed."""
        ...

    @property
    def speaker(self) -> str:
        """Role of whoever speaks."""
        ...

    @property
    def language(self) -> str:
        """In which language."""
        ...

    @property
    def is_over(self) -> bool:
        """Whether the permission that the phrase was taken under has ended."""
        ...

    def done(self, heard: Sequence[Utterance]) -> None:
        """Take the utterances of this phrase and of those of its source that follow."""
        ...

    def failed(self) -> None:
        """There will be no words."""
        ...


class Captioning:
    """Engines for live captions, shared by the calls of a node. Whoever makes it closes it.

    Each recogniser does one thing at a time. `reason` is a code for why there are none:
    ``not-running``, ``not-installed``, ``misconfigured``, ``external``, ``failed``. `using` is for
    tests.
    """

    def __init__(
        self,
        recognizers: Sequence[Recognizer] = (),
        reason: str | None = None,
        *,
        using: Detector | None = None,
    ) -> None:
        self.using = using
        self._all = tuple(recognizers)
        if any(each.capabilities.external for each in self._all):
            # What is said would leave this machine without anybody having been told so.
            self._all, reason = (), "external"
        self.reason = reason if self._all else reason or "not-running"
        self.ears = ThreadPoolExecutor(1, "captions-ears")
        self._voices = ThreadPoolExecutor(max(1, len(self._all)), "captions")
        self._idle = list(self._all)
        self._waiting: list[Waiting] = []
        self._tasks: set[asyncio.Task[None]] = set()

    @classmethod
    def open(cls, engine: str, processes: int = PROCESSES) -> Captioning:
        """Captioning by a registered engine; `reason` says why where that cannot be had."""
        try:
            kind = load(SPEECH, engine)
            # An engine that knows a quicker way for a few seconds of speech takes this word.
            more = {"is_brief": True} if "is_brief" in signature(kind).parameters else {}
            made = [kind(threads=THREADS, **more) for _ in range(processes)]
        except (NotInstalled, Misconfigured) as error:
            missing = isinstance(error, NotInstalled)
            log.warning("captions.no-engine", exc_info=error)
            return cls((), "not-installed" if missing else "misconfigured")
        return cls(made)

    @property
    def engine(self) -> str:
        """The name of the engine, "" without one."""
        return self._all[0].name if self._all else ""

    def knows(self, language: str) -> bool:
        """Whether there is an engine that knows a language."""
        return any(language in each.capabilities.languages for each in self._all)

    def warm(self, language: str) -> None:
        """Start the engines ahead of the first phrase, for their models take seconds to load."""
        for _ in range(len(self._idle)):
            self._start(self._warm(self._idle.pop(), language))

    def put(self, waiting: Waiting) -> None:
        """Queue a phrase; the caller bounds how much of one call waits."""
        self._waiting.append(waiting)
        self._go_on()

    def drop(self, gone: Collection[Waiting]) -> int:
        """Forget phrases that wait and say how many did; what is being heard comes back."""
        kept = [each for each in self._waiting if each not in gone]
        dropped, self._waiting = len(self._waiting) - len(kept), kept
        return dropped

    def forget(self, source: object) -> None:
        """Forget what waits of a source, at once."""
        self._waiting = [each for each in self._waiting if each.source is not source]

    def close(self) -> None:
        """End the engines at once; safe to call again."""
        self._waiting.clear()
        for each in self._all:
            each.close()
        self.ears.shutdown(wait=False, cancel_futures=True)
        self._voices.shutdown(wait=False, cancel_futures=True)

    def _go_on(self) -> None:
        while self._idle and (together := self._together()):
            self._start(self._recognise(self._idle.pop(), together))

    def _together(self) -> list[Waiting]:
        """The phrase that waits longest with those after it that may be heard with it."""
        self._waiting = [each for each in self._waiting if not each.is_over]
        taken: list[Waiting] = []
        length_ms = 0
        for each in self._waiting:
            if taken and each.source is not taken[0].source:
                continue
            length_ms += len(each.phrase.pcm) // _BYTES_PER_MS + GAP_MS
            if taken and length_ms > TOGETHER_MS:
                break
            taken.append(each)
        self._waiting = [each for each in self._waiting if each not in taken]
        return taken

    async def _recognise(self, recognizer: Recognizer, together: Sequence[Waiting]) -> None:
        first = together[0]
        pcm, at = joined([each.phrase for each in together])
        loop = asyncio.get_running_loop()
        try:
            words = await loop.run_in_executor(
                self._voices, recognizer.transcribe, pcm, first.language
            )
        except Exception:  # whatever an engine does, the others go on
            log.exception("captions.engine-failed engine=%s", recognizer.name)
            self.reason = "failed"
            for each in together:
                each.failed()
        else:
            self.reason = None
            first.done(utterances(words, first.speaker, at=at))
            for each in together[1:]:
                each.done(())
        finally:
            self._idle.append(recognizer)
        self._go_on()

    async def _warm(self, recognizer: Recognizer, language: str) -> None:
        loop = asyncio.get_running_loop()
        try:
            with suppress(AskfirstError, RuntimeError):  # the first phrase will tell
                await loop.run_in_executor(self._voices, recognizer.transcribe, bytes(2), language)
        finally:
            self._idle.append(recognizer)
        self._go_on()

    def _start(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def joined(phrases: Sequence[Phrase]) -> tuple[bytes, Callable[[int], int]]:
    """Phrases as one piece of audio with silence between, and from its times to theirs."""
    parts: list[bytes] = []
    begins: list[tuple[int, Phrase]] = []
    length_ms = 0
    for phrase in phrases:
        begins.append((length_ms, phrase))
        parts += [phrase.pcm, bytes(GAP_MS * _BYTES_PER_MS)]
        length_ms += len(phrase.pcm) // _BYTES_PER_MS + GAP_MS

    def at(ms: int) -> int:
        begin_ms, phrase = next(each for each in reversed(begins) if each[0] <= max(0, ms))
        return min(phrase.start_ms + max(0, ms) - begin_ms, phrase.end_ms)

    return b"".join(parts[:-1]), at
