"""What was said as words on one clock, and the runs and sentences that they form.

Analysis, trackers, topics and next steps all stand on these. A word belongs to the stretch of the
recording in which it begins to be heard; nothing here ever joins words across a gap or across
speakers. Times are call time in milliseconds.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from askfirst.errors import InvalidInput
from askfirst.model import Utterance

PAUSE_MS = 700
"""Silence of a speaker that parts two runs; the same that parts utterances in transcribing."""

_PLAIN = re.compile(r"[^\W_]+(?:'[^\W_]+)*")
_APOSTROPHES = str.maketrans("’‘ʼ`´", "'''''")


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """Time from `from_ms` to `to_ms`, the end not included."""

    from_ms: int
    to_ms: int

    @property
    def length_ms(self) -> int:
        """How long it is; never negative."""
        return max(0, self.to_ms - self.from_ms)


@dataclass(frozen=True, slots=True)
class SpokenWord:
    """A word as it was recognised and as it is compared: `plain` is lower case, without
    punctuation, in parts where it has a hyphen; empty for a word without letter and digit.
    """

    text: str
    plain: tuple[str, ...]
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class Run:
    """Words of one speaker in one stretch of the recording, with no pause of `PAUSE_MS` in them."""

    speaker: str
    stretch: int
    words: tuple[SpokenWord, ...]

    @property
    def start_ms(self) -> int:
        """When its first word begins."""
        return self.words[0].start_ms

    @property
    def end_ms(self) -> int:
        """When its last word has ended."""
        return max(word.end_ms for word in self.words)


@dataclass(frozen=True, slots=True)
class Quotation:
    """Words as they were said, by whom and when; nothing in it is rephrased."""

    speaker: str
    start_ms: int
    end_ms: int
    text: str


@dataclass(frozen=True, slots=True)
class ReadTranscript:
    """A transcript from elsewhere: speakers are named as there, "" where nobody is named.

    `language` is a BCP 47 tag, None where none is stated or there are several; `gaps` are known
    only to our own format. Times in milliseconds from the start of what was transcribed.
    """

    language: str | None
    utterances: tuple[Utterance, ...]
    gaps: tuple[Span, ...] = ()


def quote(speaker: str, words: Sequence[SpokenWord]) -> Quotation:
    """The quotation of at least one word."""
    return Quotation(
        speaker,
        words[0].start_ms,
        max(word.end_ms for word in words),
        " ".join(word.text for word in words),
    )


def recorded(from_ms: int, to_ms: int, gaps: Iterable[Span] = ()) -> tuple[Span, ...]:
    """What gaps (pauses, holds, refusals) leave of a recording; gaps may overlap and lie outside.

    Raises InvalidInput where the recording ends before it begins.
    """
    if to_ms < from_ms:
        raise InvalidInput(f"found a recording from {from_ms} to {to_ms} ms; it ends too early")
    found, at = [], from_ms
    for gap in merged(gaps):
        if gap.from_ms > at:
            found.append(Span(at, min(gap.from_ms, to_ms)))
        at = max(at, gap.to_ms)
        if at >= to_ms:
            break
    if at < to_ms:
        found.append(Span(at, to_ms))
    return tuple(found)


def merged(spans: Iterable[Span], hole_ms: int = 0) -> list[Span]:
    """Spans in order and apart from each other; what lies at most `hole_ms` apart becomes one.

    Spans without length are left out.
    """
    found: list[Span] = []
    for span in sorted(span for span in spans if span.length_ms):
        if found and span.from_ms - found[-1].to_ms <= hole_ms:
            found[-1] = Span(found[-1].from_ms, max(found[-1].to_ms, span.to_ms))
        else:
            found.append(span)
    return found


def total_ms(spans: Iterable[Span]) -> int:
    """How much time lies in at least one of the spans."""
    return sum(span.length_ms for span in merged(spans))


def shared_ms(first: Iterable[Span], second: Iterable[Span]) -> int:
    """How much time lies in spans of both."""
    one, other = merged(first), merged(second)
    return total_ms(one) + total_ms(other) - total_ms([*one, *other])


def plain(text: str) -> tuple[str, ...]:
    """The parts of a text as they are compared: NFKC, case folded, without punctuation."""
    if text.isascii():  # most words: there is nothing to normalise
        return tuple(_PLAIN.findall(text.replace("`", "'").lower()))
    same = unicodedata.normalize("NFKC", text).translate(_APOSTROPHES).casefold()
    return tuple(_PLAIN.findall(unicodedata.normalize("NFC", same)))


def words_of(utterance: Utterance) -> list[SpokenWord]:
    """The words of an utterance; without times of their own they share its time by letters.

    An end before its start counts as the start.
    """
    if utterance.words:
        return [
            _word(word.text.strip(), word.start_ms, word.end_ms)
            for word in utterance.words
            if word.text.strip()
        ]
    texts = utterance.text.split()
    letters, passed = sum(map(len, texts)), 0
    length = max(0, utterance.end_ms - utterance.start_ms)
    found = []
    for text in texts:
        start_ms = utterance.start_ms + length * passed // letters
        passed += len(text)
        found.append(_word(text, start_ms, utterance.start_ms + length * passed // letters))
    return found


def runs(said: Iterable[Utterance], stretches: Sequence[Span]) -> list[Run]:
    """The runs of every speaker, by start; the order of `said` and its cuts do not matter.

    `stretches` is what was recorded; those that touch are one. A word is cut to the first stretch
    that it touches; a word outside all of them is left out.
    """
    apart = merged(stretches)
    placed: dict[tuple[str, int], list[tuple[tuple[int, ...], SpokenWord]]] = {}
    for utterance in said:
        for position, word in enumerate(words_of(utterance)):
            at = _stretch(word, apart)
            if at is None:
                continue
            kept = _cut(word, apart[at])
            order = (kept.start_ms, kept.end_ms, utterance.start_ms, utterance.end_ms, position)
            placed.setdefault((utterance.speaker, at), []).append((order, kept))
    found = [
        Run(speaker, at, tuple(group))
        for (speaker, at), words in placed.items()
        for group in _groups([word for _, word in sorted(words, key=_by_time)])
    ]
    return sorted(found, key=lambda run: (run.start_ms, run.end_ms, run.speaker))


def _by_time(item: tuple[tuple[int, ...], SpokenWord]) -> tuple[tuple[int, ...], str]:
    return item[0], item[1].text


def _word(text: str, start_ms: int, end_ms: int) -> SpokenWord:
    return SpokenWord(text, plain(text), start_ms, max(start_ms, end_ms))


def _stretch(word: SpokenWord, stretches: Sequence[Span]) -> int | None:
    for number, span in enumerate(stretches):
        if word.start_ms == word.end_ms:
            if span.from_ms <= word.start_ms <= span.to_ms:
                return number
        elif word.start_ms < span.to_ms and word.end_ms > span.from_ms:
            return number
    return None


def _cut(word: SpokenWord, span: Span) -> SpokenWord:
    if span.from_ms <= word.start_ms and word.end_ms <= span.to_ms:
        return word
    start_ms, end_ms = max(word.start_ms, span.from_ms), min(word.end_ms, span.to_ms)
    return SpokenWord(word.text, word.plain, start_ms, end_ms)


def _groups(words: Sequence[SpokenWord]) -> list[list[SpokenWord]]:
    found: list[list[SpokenWord]] = []
    until = 0
    for word in words:
        if found and word.start_ms - until < PAUSE_MS:
            found[-1].append(word)
            until = max(until, word.end_ms)
        else:
            found.append([word])
            until = word.end_ms
    return found
