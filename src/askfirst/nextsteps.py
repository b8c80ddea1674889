"""Next steps: sentences in which somebody takes something on, quoted as they were said.

Patterns of words find them (`texts/talkwords.toml`); nothing is rephrased, completed or assigned.
A sentence that asks, doubts or refuses is none. What the patterns do not know is not found: the
list helps to read a call, it does not replace that.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from askfirst.model import Utterance
from askfirst.spoken import Quotation, Span, SpokenWord, quote, runs
from askfirst.talkwords import TalkWords, is_question, sentences, talkwords

_CLAUSE_END = re.compile(r"[,;:][\"'”“»«)\]]*$")


class StepKind(StrEnum):
    """Whether one person takes it on, or both will do it together."""

    PROMISE = "promise"
    APPOINTMENT = "appointment"


@dataclass(frozen=True, slots=True)
class NextStep:
    """A sentence that says what will be done, with who said it and when."""

    kind: StepKind
    quotation: Quotation


def next_steps(
    said: Iterable[Utterance], stretches: Sequence[Span], language: str
) -> tuple[NextStep, ...]:
    """Every next step, by time; each sentence at most once, as a promise before an appointment.

    `stretches` is what was recorded. Empty for a language without lists: `talkwords` tells that
    apart from nothing found. Where nothing is punctuated the sentence is the whole run.
    """
    known = talkwords(language)
    return () if known is None else tuple(_steps(said, stretches, known))


def _steps(
    said: Iterable[Utterance], stretches: Sequence[Span], known: TalkWords
) -> Iterator[NextStep]:
    for run in runs(said, stretches):
        for sentence in sentences(run, known):
            if is_question(sentence, known):
                continue
            kind = _kind(_clauses(sentence), known)
            if kind is not None:
                yield NextStep(kind, quote(run.speaker, sentence))


def _kind(text: str, known: TalkWords) -> StepKind | None:
    refused = [match.span() for match in known.no_promise.finditer(text)]
    for kind, pattern in (
        (StepKind.PROMISE, known.promises),
        (StepKind.APPOINTMENT, known.appointments),
    ):
        for match in pattern.finditer(text):
            before = text[: match.start()].split()
            doubted = bool(before) and before[-1] in known.doubts
            if not doubted and not any(
                start < match.end() and match.start() < end for start, end in refused
            ):
                return kind
    return None


def _clauses(sentence: Sequence[SpokenWord]) -> str:
    """Plain words with one space between them, and a comma as a word where a clause ends."""
    found: list[str] = []
    for word in sentence:
        found += word.plain
        if _CLAUSE_END.search(word.text):
            found.append(",")
    return " ".join(found)
