"""What the page of a call shows of its analysis: figures without opening it, quotations after.

Figures are about one agent, so they follow the rule for figures about single persons. Quotations
are words: they are made from the transcript of a recording that was opened, and kept nowhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from askfirst.analysis import analyse
from askfirst.model import RecordingState, Role, Utterance
from askfirst.nextsteps import StepKind, next_steps
from askfirst.server import trackerhits
from askfirst.server.callfigures import CallFigures, Hidden, SideFigures, Sight, may_see, sight
from askfirst.server.callreader import CallRecord
from askfirst.server.clock import utc_now
from askfirst.server.database import calls, reading
from askfirst.server.recordingreader import stretches_of
from askfirst.server.stemming import stemmer
from askfirst.server.studied import is_allowed
from askfirst.spoken import Quotation, Span
from askfirst.talkwords import talkwords
from askfirst.topics import topics
from askfirst.web import words
from askfirst.web.placewords import every_place
from askfirst.web.recordingview import clock
from askfirst.web.visit import Visit

STEPS: Mapping[StepKind, str] = {
    StepKind.PROMISE: words.mark("Promise"),
    StepKind.APPOINTMENT: words.mark("Appointment"),
}


@dataclass(frozen=True, slots=True)
class Numbers:
    """The figures of a call in words: by side, and of both together.

    Without `sides` the sentence `why` says why not; `leads_to_sites` is whether its reader can
    look there. `has_shares` is whether they may see how much each side talked at all.
    """

    sides: Sequence[tuple[str, str, str]]
    both: Sequence[tuple[str, str]]
    why: str
    has_shares: bool
    leads_to_sites: bool = False


@dataclass(frozen=True, slots=True)
class Quoted:
    """Words of a call with where they stand: `anchor` is the id of their line."""

    text: str
    speaker: str
    start_ms: int
    end_ms: int
    anchor: str


@dataclass(frozen=True, slots=True)
class Quotations:
    """What is quoted of an opened recording; None for what its language has no word lists for.

    `is_allowed` is whether it may be analysed at all; else everything is empty.
    """

    is_allowed: bool
    trackers: Sequence[tuple[str, Sequence[Quoted]]] = ()
    questions: Sequence[Quoted] | None = ()
    topics: Sequence[tuple[str, Sequence[Quoted]]] | None = ()
    steps: Sequence[tuple[str, Quoted]] | None = ()

    def trackers_in(self, said: Utterance) -> list[str]:
        """The names of the trackers that were said in a line of the transcript."""
        return [
            name
            for name, places in self.trackers
            if any(
                each.speaker == said.speaker
                and each.start_ms <= said.end_ms
                and said.start_ms <= each.end_ms
                for each in places
            )
        ]


def numbers(visit: Visit, record: CallRecord) -> Numbers | None:
    """The figures of a call's recording, or why there are none; None where nothing is kept."""
    line, rules, on = record.line, visit.site.rules, utc_now().date()
    if line.recording is None or line.recording_state != RecordingState.READY.value:
        return None
    with reading(visit.site.store.engine) as connection:
        seen = sight(connection, rules, visit.who.id, line.id, on)
        has_shares = may_see(connection, rules, visit.who.id, line.agent, on)
    if seen.figures is None:
        is_named = seen.hidden is Hidden.NO_GROUND
        return Numbers((), (), _why(visit, record, seen), has_shares, leads_to_sites=is_named)
    return Numbers(_sides(visit, seen.figures), _both(visit, seen.figures), "", has_shares)


def quotations(visit: Visit, record: CallRecord, said: Sequence[Utterance]) -> Quotations:
    """What is quoted of a recording whose opening is written down already; `said` are its words."""
    line = record.line
    if line.recording is None or (line.is_private and line.agent != visit.who.id):
        return Quotations(is_allowed=False)
    with reading(visit.site.store.engine) as connection:
        if not is_allowed(connection, line.recording):
            return Quotations(is_allowed=False)
        looked_for = trackerhits.for_call(connection, line.id)
        language = str(
            connection.execute(calls.select().where(calls.c.id == line.id)).one().language
        )
        spans = [
            Span(each.from_ms, each.to_ms)
            for each in stretches_of(connection, line.recording)
            if each.kind == "open"
        ]
    names = {each.id: each.tracker.name for each in looked_for}
    hits = trackerhits.found(said, spans, looked_for, language)
    by_name: dict[str, list[Quoted]] = {}
    for hit in hits:
        by_name.setdefault(names[hit.tracker], []).append(_quoted(hit.quotation, said))
    if talkwords(language) is None:
        return Quotations(True, list(by_name.items()), None, None, None)
    whole = analyse(said, spans, language)
    asked = [*(whole.agent.questions or ()), *(whole.contact.questions or ())]
    return Quotations(
        is_allowed=True,
        trackers=list(by_name.items()),
        questions=_in_order(asked, said),
        topics=[
            (each.text, _in_order(each.places, said))
            for each in topics(said, spans, language, stemmer(language))
        ],
        steps=[
            (visit.say(STEPS[each.kind]), _quoted(each.quotation, said))
            for each in next_steps(said, spans, language)
        ],
    )


def _why(visit: Visit, record: CallRecord, seen: Sight) -> str:
    if seen.hidden is not Hidden.NO_GROUND:
        return visit.say(
            "There are no figures: not everybody on the call allows that it is analysed, it has no "
            "transcript, its sides are on one channel, or it has not been looked through yet."
        )
    agent = record.line.agent_name or visit.say("the agent")
    if not seen.place:
        return visit.say(
            "These figures are about %(agent)s alone. Others see them only where a ground for "
            "figures about single persons is on file, or a works agreement of their place; no "
            "place is known here. An administrator states it under Settings → Sites.",
            agent=agent,
        )
    place = every_place(visit.site.rules, visit.language).get(seen.place, seen.place)
    return visit.say(
        "These figures are about %(agent)s alone. Others see them only where a works agreement for "
        "%(place)s or another ground for figures about single persons is on file. An "
        "administrator puts it on record under Settings → Sites.",
        agent=agent,
        place=place,
    )


def _sides(visit: Visit, found: CallFigures) -> list[tuple[str, str, str]]:
    agent, contact = found.agent, found.contact
    ours = round(found.talk_share(Role.AGENT) * 100)
    theirs = 100 - ours if agent.talk_ms + contact.talk_ms else 0
    labels = (
        visit.say("Share of talk"),
        visit.say("Talk"),
        visit.say("Longest turn"),
        visit.say("Turns"),
        visit.say("Time to answer"),
        visit.say("Words a minute"),
        visit.say("Questions"),
    )
    both = (_side(visit, agent, ours), _side(visit, contact, theirs))
    return list(zip(labels, *both, strict=True))


def _side(visit: Visit, side: SideFigures, share: int) -> tuple[str, ...]:
    return (
        f"{share} %",
        clock(side.talk_ms),
        _length(visit, side.longest_ms),
        str(side.turns),
        _seconds(visit, side.response_ms),
        _pace(visit, side),
        _questions(visit, side),
    )


def _both(visit: Visit, found: CallFigures) -> list[tuple[str, str]]:
    turns = found.turns_per_minute
    return [
        (visit.say("Recorded"), clock(found.recorded_ms)),
        (visit.say("Silence"), f"{round(found.silence_share * 100)} %"),
        (visit.say("Both spoke at once"), _seconds(visit, found.overlap_ms)),
        (
            visit.say("Turns a minute"),
            "–" if turns is None else words.decimal(visit.language, turns),
        ),
    ]


def _seconds(visit: Visit, ms: int | None) -> str:
    return "–" if ms is None else f"{words.decimal(visit.language, ms / 1000)} s"


def _length(visit: Visit, ms: int | None) -> str:
    return _seconds(visit, ms) if ms is None or ms < 60_000 else clock(ms)


def _pace(visit: Visit, side: SideFigures) -> str:
    pace = side.words_per_minute
    return visit.say("too little said") if pace is None else str(round(pace))


def _questions(visit: Visit, side: SideFigures) -> str:
    if side.questions is None:
        return visit.say("not counted in this language")
    return str(side.questions)


def _in_order(places: Iterable[Quotation], said: Sequence[Utterance]) -> list[Quoted]:
    ordered = sorted(places, key=lambda each: (each.start_ms, each.end_ms, each.speaker))
    return [_quoted(each, said) for each in ordered]


def _quoted(found: Quotation, said: Sequence[Utterance]) -> Quoted:
    own = [each.start_ms for each in said if each.speaker == found.speaker]
    line_ms = max((at for at in own if at <= found.start_ms), default=min(own, default=0))
    return Quoted(
        found.text,
        found.speaker,
        found.start_ms,
        found.end_ms,
        anchor(found.speaker, line_ms),
    )


def anchor(speaker: str, at_ms: int) -> str:
    """The id of a line of the transcript."""
    return f"said-{speaker}-{at_ms}"
