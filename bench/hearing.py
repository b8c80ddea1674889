"""How much of what people say about recording is heard, and how much of that is right."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from askfirst.hearing import LANGUAGES, Heard, classify
from bench.measure import Line

PHRASES = Path(__file__).parents[1] / "tests" / "unit" / "data" / "hearing"
PARTS = ("development", "held-out", "last")
GOALS = {"notice": 0.8, "consent": 0.8, "objection": 0.8}
CONSENT_PRECISION = 0.95
_MARKS = {
    "I": "notice",
    "A": "notice",
    "C": "consent",
    "O": "objection",
    "W": "objection",
    "N": "neutral",
    "Q": "neutral",
}


@dataclass(frozen=True, slots=True)
class Said:
    """A phrase, the other party's words before it, and what it means."""

    text: str
    language: str
    before: str | None
    label: str

    def heard(self) -> Heard:
        """What is heard in it."""
        return classify(self.text, self.language, before=self.before)


def phrases(part: str, languages: Sequence[str] = LANGUAGES) -> list[Said]:
    """Read the phrases of a part; the head of each file says how its lines are written."""
    found = []
    for language in languages:
        before: str | None = None
        lines = (PHRASES / f"{language}-{part}.txt").read_text(encoding="utf-8").splitlines()
        for line in lines:
            mark, _, text = line.partition(" ")
            if mark == ">":
                before = text or None
            elif mark in _MARKS:
                found.append(Said(text, language, before, _MARKS[mark]))
    return found


@dataclass(frozen=True, slots=True)
class Score:
    """How often a label was given, was due, and was both."""

    given: int
    due: int
    right: int

    @property
    def precision(self) -> float:
        """Which part of what was given was due; 1 where nothing was given."""
        return self.right / self.given if self.given else 1.0

    @property
    def recall(self) -> float:
        """Which part of what was due was given; 1 where nothing was due."""
        return self.right / self.due if self.due else 1.0


def scores(said: Sequence[Said]) -> dict[str, Score]:
    """Score each label over phrases."""
    pairs = Counter((each.heard().label, each.label) for each in said)
    return {
        label: Score(
            given=sum(count for (heard, _), count in pairs.items() if heard == label),
            due=sum(count for (_, due), count in pairs.items() if due == label),
            right=pairs[label, label],
        )
        for label in ("notice", "consent", "objection", "neutral")
    }


def lines() -> Iterator[Line]:
    """Recall of each label beside its goal, and precision of consent, by part and language."""
    for part in PARTS:
        for language in (*LANGUAGES, "all"):
            chosen = LANGUAGES if language == "all" else (language,)
            scored = scores(phrases(part, chosen))
            for label, goal in GOALS.items():
                name = f"hearing {part} {language} {label}"
                counts = f"{scored[label].due} phrases"
                yield Line(f"{name} recall", scored[label].recall, "of 1", goal, counts)
            precise = scored["consent"].precision
            name = f"hearing {part} {language} consent precision"
            counts = f"{scored['consent'].given} heard"
            yield Line(name, precise, "of 1", CONSENT_PRECISION, counts)
