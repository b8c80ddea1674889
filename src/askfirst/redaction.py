"""Finds what must not be kept or shown of what was said: card numbers, account and national ids.

A number counts from ten digits on, read out in any grouping, in digits or in words, with
hesitation in it, over several utterances and the other side's "yes" between. No checksum is asked
for: recognisers lose digits. So some telephone numbers count as well; what is found and what is
not, with figures, stands in docs/explanation/redaction.md. Times are call time in milliseconds.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from askfirst import identifiers
from askfirst.digitwords import LANGUAGES
from askfirst.model import Utterance, Word
from askfirst.numberruns import (
    Chunk,
    Speech,
    chunks,
    cues,
    heard,
    is_birth_number,
    is_social_security,
    lines,
    long_runs,
)
from askfirst.spoken import Span, merged, plain, words_of

VERSION = 1
"""Changes whenever another set of words could be found in the same transcript."""

MASK = "••••"
"""Stands for words that were taken out."""

PADDING_MS = 200
"""What is muted before and after the words: recognisers are that far off."""

_CODE_AFTER_MS = 25_000
_NEAR_CARD_MS = 120_000
_ID_AFTER_MS = 20_000


class FindingKind(StrEnum):
    """What was found."""

    CARD = "card"
    CARD_DETAIL = "card-detail"
    IBAN = "iban"
    NATIONAL_ID = "national-id"
    EMAIL = "email"


CARDS = frozenset({FindingKind.CARD, FindingKind.CARD_DETAIL, FindingKind.IBAN})
"""What somebody could be charged with."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Words of one utterance: `first_word` to `last_word` (included) of `words_of` it.

    `span` covers them with `PADDING_MS` around, and all of the utterance where its words have no
    times of their own.
    """

    kind: FindingKind
    speaker: str
    span: Span
    utterance: int
    first_word: int
    last_word: int


def card_spans(said: Sequence[Utterance], language: str) -> tuple[Span, ...]:
    """When card numbers and the like are spoken, in order and apart from each other."""
    spans = [each.span for each in find(said, language) if each.kind in CARDS]
    return tuple(merged(spans))


def find(said: Sequence[Utterance], language: str) -> tuple[Finding, ...]:
    """Everything found, by utterance and word; words may be found as more than one kind.

    `language` is a BCP 47 tag; numbers spoken in another known language are found as well.
    """
    return _all([_agreeing(each) for each in said], language)


def redacted(
    said: Sequence[Utterance],
    language: str,
    kinds: Collection[FindingKind] = tuple(FindingKind),
) -> list[Utterance]:
    """The same utterances with `MASK` for what was found of some kinds; twice is as once.

    An utterance whose text says something else than its words loses the words.
    """
    hidden: dict[int, set[int]] = {}
    agreeing = [_agreeing(each) for each in said]
    for finding in _all(agreeing, language):
        if finding.kind in kinds:
            words = range(finding.first_word, finding.last_word + 1)
            hidden.setdefault(finding.utterance, set()).update(words)
    return [_masked(each, hidden.get(number, set())) for number, each in enumerate(agreeing)]


def _all(said: Sequence[Utterance], language: str) -> tuple[Finding, ...]:
    """Everything in utterances whose words are what their text says."""
    found: dict[Finding, None] = {}
    every, asked = lines(said, MASK), cues(said)
    speeches: Sequence[Speech] = ()
    for each in _order(language):
        speeches = heard(every, each, is_own=each == _primary(language))
        found.update(dict.fromkeys(_find(said, speeches, asked)))
    for speech in speeches:  # an address is spelled the same in every language
        for first, last in identifiers.addresses(speech.words):
            found.update(dict.fromkeys(_found(FindingKind.EMAIL, said, speech, first, last)))
    return tuple(sorted(found, key=_by_place))


def _by_place(finding: Finding) -> tuple[int, int, int, str]:
    return finding.utterance, finding.first_word, finding.last_word, finding.kind.value


def _primary(language: str) -> str:
    primary = language.replace("_", "-").partition("-")[0].casefold()
    return {"no": "nb", "nn": "nb"}.get(primary, primary)


def _order(language: str) -> list[str]:
    return sorted(LANGUAGES, key=lambda each: (each != _primary(language), each))


def _agreeing(utterance: Utterance) -> Utterance:
    """The utterance, without its words where they are not what its text says."""
    if not utterance.words:
        return utterance
    listed = [part for word in words_of(utterance) for part in word.plain]
    return utterance if tuple(listed) == plain(utterance.text) else replace(utterance, words=())


def _find(
    said: Sequence[Utterance], speeches: Sequence[Speech], asked: Mapping[str, Sequence[int]]
) -> Iterator[Finding]:
    by_speaker = {each.speaker: chunks(each, speeches) for each in speeches}
    taken: dict[str, list[tuple[int, int]]] = {each.speaker: [] for each in speeches}
    cards: list[Span] = []
    for speech in speeches:
        for run in long_runs(by_speaker[speech.speaker], asked["card"]):
            for chunk in run:
                taken[speech.speaker].append((chunk.first_word, chunk.last_word))
                cards.append(Span(chunk.start_ms, chunk.end_ms))
                yield from _found(FindingKind.CARD, said, speech, chunk.first_word, chunk.last_word)
        yield from _identified(said, speech, by_speaker[speech.speaker])
    for kind, ranges in (("code", (3, 4)), ("expiry", (2, 6)), ("national", (5, 13))):
        for cue_ms in asked[kind]:
            if kind != "national" and not _is_near(cue_ms, cards):
                continue
            chosen = _next_chunk(by_speaker, taken, cue_ms, kind, ranges)
            if chosen is not None:
                speech = next(each for each in speeches if each.speaker == chosen[0])
                named = FindingKind.NATIONAL_ID if kind == "national" else FindingKind.CARD_DETAIL
                chunk = chosen[1]
                yield from _found(named, said, speech, chunk.first_word, chunk.last_word)


def _identified(
    said: Sequence[Utterance], speech: Speech, every: Sequence[Chunk]
) -> Iterator[Finding]:
    """What tells by itself what it is."""
    for chunk in every:
        if is_birth_number(chunk.digits) or is_social_security(chunk):
            yield from _found(
                FindingKind.NATIONAL_ID, said, speech, chunk.first_word, chunk.last_word
            )
    raw = [speech.words[atom.word].text for atom in speech.atoms]
    codes = identifiers.codes(speech.atoms, speech.pieces, raw)
    for kind, spans in (
        (FindingKind.IBAN, identifiers.ibans(codes)),
        (FindingKind.NATIONAL_ID, identifiers.insurances(codes)),
    ):
        for span in spans:
            first, last = speech.atoms[span[0]].word, speech.atoms[span[-1]].word
            yield from _found(kind, said, speech, first, last)


def _is_near(cue_ms: int, cards: Sequence[Span]) -> bool:
    return any(
        card.from_ms - _NEAR_CARD_MS <= cue_ms <= card.to_ms + _NEAR_CARD_MS for card in cards
    )


def _next_chunk(
    by_speaker: dict[str, list[Chunk]],
    taken: dict[str, list[tuple[int, int]]],
    cue_ms: int,
    kind: str,
    ranges: tuple[int, int],
) -> tuple[str, Chunk] | None:
    """The first digits after a cue that are as many as was asked for, whoever says them."""
    within_ms = _ID_AFTER_MS if kind == "national" else _CODE_AFTER_MS
    fitting = [
        (chunk.start_ms, speaker, chunk)
        for speaker, every in by_speaker.items()
        for chunk in every
        if cue_ms <= chunk.start_ms <= cue_ms + within_ms
        and ranges[0] <= len(chunk.digits) <= ranges[1]
        and (kind == "national" or (chunk.first_word, chunk.last_word) not in taken[speaker])
    ]
    first = min(fitting, key=lambda each: each[:2], default=None)
    return None if first is None else first[1:]


def _found(
    kind: FindingKind, said: Sequence[Utterance], speech: Speech, first: int, last: int
) -> Iterator[Finding]:
    """One finding for each utterance that words `first` to `last` of a speaker lie in."""
    at = first
    while at <= last:
        utterance = speech.places[at][0]
        end = at
        while end < last and speech.places[end + 1][0] == utterance:
            end += 1
        yield Finding(
            kind,
            speech.speaker,
            _span(said[utterance], speech, at, end),
            utterance,
            speech.places[at][1],
            speech.places[end][1],
        )
        at = end + 1


def _span(utterance: Utterance, speech: Speech, first: int, last: int) -> Span:
    words = speech.words[first : last + 1]
    from_ms, to_ms = words[0].start_ms, max(word.end_ms for word in words)
    if not utterance.words:
        from_ms, to_ms = utterance.start_ms, max(utterance.start_ms, utterance.end_ms)
    return Span(max(0, from_ms - PADDING_MS), to_ms + PADDING_MS)


def _masked(utterance: Utterance, hidden: set[int]) -> Utterance:
    if not hidden:
        return utterance
    words = words_of(utterance)
    confidences = [each.confidence for each in utterance.words if each.text.strip()]
    kept: list[Word] = []
    for at, word in enumerate(words):
        sure = confidences[at] if confidences else 1.0
        if at not in hidden:
            kept.append(Word(word.text, word.start_ms, word.end_ms, sure))
        elif at - 1 in hidden:
            before = kept[-1]
            kept[-1] = replace(
                before,
                end_ms=max(before.end_ms, word.end_ms),
                confidence=min(before.confidence, sure),
            )
        else:
            kept.append(Word(MASK, word.start_ms, word.end_ms, sure))
    text = " ".join(each.text for each in kept)
    return replace(utterance, text=text, words=tuple(kept) if utterance.words else ())
