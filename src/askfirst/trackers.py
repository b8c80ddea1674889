"""Trackers: terms that an account looks for in what was said, and by whom; quoted with times.

A tracker finds whole words. Inflections ("price", "prices") are one word to it when a `Stem` is
given for the language; the library has none of its own. A hit is always words of one speaker in
one stretch of the recording without a longer pause: it never joins words across a gap or across
speakers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from askfirst.errors import InvalidInput
from askfirst.model import Utterance
from askfirst.spoken import Quotation, Run, Span, plain, quote, runs

LONGEST_PHRASE = 8
"""Most words of a phrase."""

MOST_BETWEEN = 5
"""Most further words that may be allowed within a phrase."""

LONGEST_NAME = 80
"""Most characters of a tracker's name."""

Stem = Callable[[str], str]
"""The stem of a plain word, such as a Snowball stemmer's; must be the same for the same word."""


class SaidBy(StrEnum):
    """Whose words count."""

    AGENT = "agent"
    CONTACT = "contact"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class Tracker:
    """A term under its name: phrases by language code, and whose words count.

    The words of a phrase must follow each other; up to `between` further words may stand
    somewhere in it. Phrases have 1 to `LONGEST_PHRASE` words. Raises InvalidInput on anything
    else.
    """

    name: str
    phrases: Mapping[str, tuple[str, ...]]
    said_by: SaidBy = SaidBy.BOTH
    between: int = 0

    def __post_init__(self) -> None:
        if not self.name.strip() or len(self.name) > LONGEST_NAME:
            raise InvalidInput(
                f"found a tracker's name of {len(self.name)} characters; "
                f"expected 1 to {LONGEST_NAME}, not only spaces"
            )
        if not 0 <= self.between <= MOST_BETWEEN:
            raise InvalidInput(
                f"tracker {self.name!r}: found {self.between} words between; "
                f"expected 0 to {MOST_BETWEEN}"
            )
        if not any(self.phrases.values()):
            raise InvalidInput(f"tracker {self.name!r}: no phrase; give at least one")
        for phrases in self.phrases.values():
            for phrase in phrases:
                if not 1 <= len(plain(phrase)) <= LONGEST_PHRASE:
                    raise InvalidInput(
                        f"tracker {self.name!r}: found the phrase {phrase!r}; "
                        f"expected 1 to {LONGEST_PHRASE} words"
                    )


@dataclass(frozen=True, slots=True)
class Hit:
    """Where a tracker's phrase was said; the quotation holds the words as they fell."""

    tracker: str
    phrase: str
    quotation: Quotation


@dataclass(frozen=True, slots=True)
class _Phrase:
    text: str
    stems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Match:
    """A phrase that begins and ends at parts of a run; the end is not included."""

    first: int
    end: int
    phrase: _Phrase


def track(
    said: Iterable[Utterance],
    stretches: Sequence[Span],
    trackers: Iterable[Tracker],
    language: str,
    stem: Stem | None = None,
) -> tuple[Hit, ...]:
    """Every hit of the trackers, by time, then by tracker.

    `stretches` is what was recorded. Hits of one tracker never overlap: the one that begins first
    counts, of those the phrase with most words, then the tightest, then the first by letters.
    Different trackers may quote the same words. A tracker without phrases in the language hits
    nothing. The order of utterances, trackers and phrases does not matter.
    """
    bare = stem if stem is not None else _itself
    found = []
    spoken_runs = [(run, _parts(run, bare)) for run in runs(said, stretches)]
    for tracker in trackers:
        phrases = _by_first(tracker, language, bare)
        if not phrases:
            continue
        for run, parts in spoken_runs:
            if tracker.said_by in (SaidBy.BOTH, run.speaker):
                found += [
                    _hit(tracker, run, parts, match)
                    for match in _apart(_matches(parts, phrases, tracker.between))
                ]
    return tuple(sorted(found, key=_by_time))


def _itself(word: str) -> str:
    return word


def _by_time(hit: Hit) -> tuple[int, int, str, str, str]:
    said = hit.quotation
    return said.start_ms, said.end_ms, hit.tracker, said.speaker, hit.phrase


def _parts(run: Run, stem: Stem) -> list[tuple[str, int]]:
    """The stems of a run's words in order, each with the place of its word."""
    return [(stem(part), at) for at, word in enumerate(run.words) for part in word.plain]


def _by_first(tracker: Tracker, language: str, stem: Stem) -> dict[str, list[_Phrase]]:
    """A tracker's phrases by the stem of their first word."""
    found: dict[str, list[_Phrase]] = {}
    for text in sorted(set(tracker.phrases.get(language, ()))):
        phrase = _Phrase(text, tuple(stem(part) for part in plain(text)))
        found.setdefault(phrase.stems[0], []).append(phrase)
    return found


def _matches(
    parts: Sequence[tuple[str, int]], phrases: Mapping[str, Sequence[_Phrase]], between: int
) -> Iterator[_Match]:
    for first, (said, _) in enumerate(parts):
        for phrase in phrases.get(said, ()):
            end = _end(parts, first, phrase.stems, between)
            if end is not None:
                yield _Match(first, end, phrase)


def _end(
    parts: Sequence[tuple[str, int]], first: int, stems: Sequence[str], between: int
) -> int | None:
    """Where a phrase that begins at `first` has ended at the earliest; None where it is not."""
    at, last = first, first + len(stems) + between
    for stem in stems:
        while at < min(last, len(parts)) and parts[at][0] != stem:
            at += 1
        if at >= min(last, len(parts)):
            return None
        at += 1
    return at


def _apart(matches: Iterable[_Match]) -> Iterator[_Match]:
    """The matches of one tracker in one run that are kept; none overlaps another."""
    until = 0
    for match in sorted(matches, key=_preference):
        if match.first >= until:
            yield match
            until = match.end


def _preference(match: _Match) -> tuple[int, int, int, str]:
    return match.first, -len(match.phrase.stems), match.end, match.phrase.text


def _hit(tracker: Tracker, run: Run, parts: Sequence[tuple[str, int]], match: _Match) -> Hit:
    first, last = parts[match.first][1], parts[match.end - 1][1]
    return Hit(tracker.name, match.phrase.text, quote(run.speaker, run.words[first : last + 1]))
