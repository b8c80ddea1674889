"""How a call was spread over its two sides, in numbers with one definition each.

Everything is measured in what was recorded: gaps (pauses, holds, refusals) are taken out first and
are no silence, and nothing is measured across one. Nobody is scored: there is no mark, no emotion
and no judgement of who interrupted whom. Definitions for readers: docs/reference/analysis.md.

For each side, in milliseconds of call time:

- A *piece* is speech without a hole of more than `BREATH_MS`; talk is the time in pieces.
- *Listening* is a run of nothing but words such as "mhm", unless it follows a question of the
  other side: then it is an answer. It is talk, and no turn.
- A *turn* goes on until a piece of the other side begins, or the recording has a gap. A piece that
  lies wholly inside one of the other side, and listening, neither take nor end a turn.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from statistics import median

from askfirst.errors import InvalidInput
from askfirst.model import Role, Utterance
from askfirst.spoken import Quotation, Run, Span, quote, runs, shared_ms, total_ms
from askfirst.talkwords import TalkWords, is_question, sentences, talkwords

BREATH_MS = 200
"""Holes up to this long belong to speaking: closures of consonants and the recogniser's edges
(Heldner and Edlund 2010, Journal of Phonetics 38, take 180 ms)."""

PACE_FROM_MS = 5_000
"""Own speech from which on a pace is given; a few words have none."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A turn: from its first piece to the end of its last; `talk_ms` is its speech alone.

    `stretch` numbers the stretch of the recording in which it lies, from 0.
    """

    side: Role
    stretch: int
    start_ms: int
    end_ms: int
    talk_ms: int


@dataclass(frozen=True, slots=True)
class SideAnalysis:
    """One side of a call. What has no basis is None, never 0.

    `longest` is its turn with the most speech, the earliest of equals, None without a turn.
    `response_ms` is the median time from the end of the other side's turn to its own, 0 where it
    began before that end, None where it never answered. `questions` are quoted, `hesitations`
    counted; both None for a language without lists. `words` have a letter or a digit.
    """

    side: Role
    talk_ms: int
    words: int
    turns: int
    listening: int
    longest: Turn | None
    response_ms: int | None
    questions: tuple[Quotation, ...] | None
    hesitations: int | None

    @property
    def words_per_minute(self) -> float | None:
        """Words for each minute of own speech; None below `PACE_FROM_MS`."""
        return None if self.talk_ms < PACE_FROM_MS else self.words * 60_000 / self.talk_ms


@dataclass(frozen=True, slots=True)
class Analysis:
    """Both sides of a call. Always: both sides' talk − `overlap_ms` + `silence_ms` = `recorded_ms`.

    `overlap_ms` is the time in which both spoke, listening included; `silence_ms` that in which
    nobody did.
    """

    recorded_ms: int
    agent: SideAnalysis
    contact: SideAnalysis
    overlap_ms: int
    silence_ms: int
    turns: tuple[Turn, ...]

    def talk_share(self, side: Role) -> float:
        """A side's part of all talk, 0 to 1; the two add up to 1, or to 0 when nobody spoke."""
        talk_ms = self.agent.talk_ms + self.contact.talk_ms
        own = self.agent if side is Role.AGENT else self.contact
        return own.talk_ms / talk_ms if talk_ms else 0.0

    @property
    def silence_share(self) -> float:
        """The part of the recorded time in which nobody spoke, 0 to 1; 0 of nothing."""
        return self.silence_ms / self.recorded_ms if self.recorded_ms else 0.0

    @property
    def overlap_share(self) -> float:
        """The part of the recorded time in which both spoke, 0 to 1; 0 of nothing."""
        return self.overlap_ms / self.recorded_ms if self.recorded_ms else 0.0

    @property
    def turns_per_minute(self) -> float | None:
        """Turns of both sides for each recorded minute; None where nothing was recorded."""
        return len(self.turns) * 60_000 / self.recorded_ms if self.recorded_ms else None


@dataclass(frozen=True, slots=True)
class _Piece:
    start_ms: int
    end_ms: int
    stretch: int


def analyse(said: Iterable[Utterance], stretches: Sequence[Span], language: str) -> Analysis:
    """The analysis of what two sides said; speakers are `agent` and `contact`.

    `stretches` is what was recorded (`askfirst.spoken.recorded`). Order and cuts of the utterances
    do not matter. Words outside the stretches are left out, words across an edge are cut; an
    utterance without timed words counts as speech from its start to its end, a run without any
    word ("...") as none. Raises InvalidInput for another speaker.
    """
    known = talkwords(language)
    by_side: dict[Role, list[Run]] = {Role.AGENT: [], Role.CONTACT: []}
    for run in runs(said, stretches):
        own = by_side[_side(run.speaker)]
        if any(word.plain for word in run.words):
            own.append(run)
    taking = {
        side: own if known is None else _taking(own, by_side[_other(side)], known)
        for side, own in by_side.items()
    }
    turns = _turns({side: _pieces(own) for side, own in taking.items()})
    talk = {side: _spans(own) for side, own in by_side.items()}
    recorded_ms = total_ms(stretches)
    agent, contact = (
        _one_side(side, by_side[side], taking[side], talk[side], turns, known)
        for side in (Role.AGENT, Role.CONTACT)
    )
    return Analysis(
        recorded_ms=recorded_ms,
        agent=agent,
        contact=contact,
        overlap_ms=shared_ms(talk[Role.AGENT], talk[Role.CONTACT]),
        silence_ms=recorded_ms - total_ms([*talk[Role.AGENT], *talk[Role.CONTACT]]),
        turns=tuple(turns),
    )


def to_json(found: Analysis) -> dict[str, object]:
    """An analysis as JSON, shares and rates to three decimals.

    Its questions are words of the call: keep it as the transcript is kept.
    """
    return {
        "recorded_ms": found.recorded_ms,
        "overlap_ms": found.overlap_ms,
        "silence_ms": found.silence_ms,
        "silence_share": round(found.silence_share, 3),
        "turns_per_minute": _rounded(found.turns_per_minute),
        "sides": {
            side.side.value: {
                "talk_ms": side.talk_ms,
                "talk_share": round(found.talk_share(side.side), 3),
                "words": side.words,
                "words_per_minute": _rounded(side.words_per_minute),
                "turns": side.turns,
                "listening": side.listening,
                "longest": None if side.longest is None else _place(side.longest),
                "response_ms": side.response_ms,
                "questions": None
                if side.questions is None
                else [_place(each) for each in side.questions],
                "hesitations": side.hesitations,
            }
            for side in (found.agent, found.contact)
        },
    }


def _one_side(
    side: Role,
    own: Sequence[Run],
    taking: Sequence[Run],
    talk: Sequence[Span],
    turns: Sequence[Turn],
    known: TalkWords | None,
) -> SideAnalysis:
    mine = [turn for turn in turns if turn.side is side]
    waits = [
        max(0, turn.start_ms - before.end_ms)
        for before, turn in pairwise(turns)
        if turn.side is side and before.side is not side and before.stretch == turn.stretch
    ]
    return SideAnalysis(
        side=side,
        talk_ms=total_ms(talk),
        words=sum(bool(word.plain) for run in own for word in run.words),
        turns=len(mine),
        listening=len(own) - len(taking),
        longest=max(mine, key=lambda turn: (turn.talk_ms, -turn.start_ms), default=None),
        response_ms=int(median(waits)) if waits else None,
        questions=None if known is None else tuple(_questions(taking, known)),
        hesitations=None
        if known is None
        else sum(
            part in known.hesitations for run in taking for word in run.words for part in word.plain
        ),
    )


def _side(speaker: str) -> Role:
    try:
        return Role(speaker)
    except ValueError as error:
        raise InvalidInput(
            f"found the speaker {speaker!r}; an analysis has two sides, agent and contact"
        ) from error


def _other(side: Role) -> Role:
    return Role.CONTACT if side is Role.AGENT else Role.AGENT


def _taking(own: Sequence[Run], others: Sequence[Run], known: TalkWords) -> list[Run]:
    """The runs of a side without those in which it only listens."""
    heard = sorted(
        (word.start_ms, word.end_ms, run.stretch, place == len(sentence) - 1 and asks)
        for run in others
        for sentence in sentences(run, known)
        for asks in [is_question(sentence, known)]
        for place, word in enumerate(sentence)
    )
    starts = [start_ms for start_ms, *_ in heard]

    def answers(run: Run) -> bool:
        before = bisect_right(starts, run.start_ms) - 1
        return before >= 0 and heard[before][2:] == (run.stretch, True)

    return [run for run in own if not _only_listening(run, known) or answers(run)]


def _only_listening(run: Run, known: TalkWords) -> bool:
    said = " ".join(part for word in run.words for part in word.plain)
    return known.listening.fullmatch(said) is not None


def _questions(own: Iterable[Run], known: TalkWords) -> Iterator[Quotation]:
    for run in own:
        for sentence in sentences(run, known):
            if is_question(sentence, known):
                yield quote(run.speaker, sentence)


def _spans(own: Iterable[Run]) -> list[Span]:
    return [Span(piece.start_ms, piece.end_ms) for piece in _pieces(own)]


def _pieces(own: Iterable[Run]) -> list[_Piece]:
    """The pieces of one side, in order and apart; a word without length is a piece too."""
    found: list[_Piece] = []
    for run in own:
        start_ms, until = run.words[0].start_ms, run.words[0].end_ms
        for word in run.words[1:]:
            if word.start_ms - until > BREATH_MS:
                found.append(_Piece(start_ms, until, run.stretch))
                start_ms = word.start_ms
            until = max(until, word.end_ms)
        found.append(_Piece(start_ms, until, run.stretch))
    return found


def _turns(pieces: Mapping[Role, Sequence[_Piece]]) -> list[Turn]:
    """Turns in order; two pieces of both sides never begin one at the same moment."""
    taking = [
        (piece, side)
        for side, own in pieces.items()
        for piece in own
        if not _inside(piece, pieces[_other(side)])
    ]
    found: list[Turn] = []
    for piece, side in sorted(taking, key=lambda item: item[0].start_ms):
        talk_ms = piece.end_ms - piece.start_ms
        last = found[-1] if found else None
        if last is None or (last.side, last.stretch) != (side, piece.stretch):
            found.append(Turn(side, piece.stretch, piece.start_ms, piece.end_ms, talk_ms))
        else:
            found[-1] = Turn(
                side, last.stretch, last.start_ms, piece.end_ms, last.talk_ms + talk_ms
            )
    return found


def _inside(piece: _Piece, others: Sequence[_Piece]) -> bool:
    """Whether a piece lies wholly in one of the others, which are in order and apart."""
    at = bisect_right(others, piece.start_ms, key=lambda other: other.start_ms) - 1
    return at >= 0 and piece.end_ms <= others[at].end_ms


def _place(found: Turn | Quotation) -> dict[str, object]:
    return {name: value for name, value in asdict(found).items() if name not in ("side", "stretch")}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
