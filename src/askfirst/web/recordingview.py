"""A recording as its page shows it: what the player draws, the transcript in rows, what to hear.

Times are call time, as everywhere on the page; the map to file time goes to the player. Nothing
here opens a recording: the transcript and the peaks are given to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from askfirst.server.callreader import CallRecord
from askfirst.server.gaps import Gap
from askfirst.server.peaks import FULL, Peaks
from askfirst.server.recordingreader import file_time
from askfirst.server.sealing import Stretch
from askfirst.web import callwords, words
from askfirst.web.calltranscript import ShownLine
from askfirst.web.visit import Visit

TOLD_OF_MS = 1_000
"""A shorter gap is drawn and not told of in words."""

PAUSES: Mapping[str, str] = {
    "card-number": words.mark("paused: card number"),
    "payment": words.mark("paused: a payment"),
    "health-data": words.mark("paused: health data"),
    "private": words.mark("paused: something private"),
    "peer": words.mark("paused: they put the call on hold"),
}
ERASURES: Mapping[str, str] = {
    "withdrawn": words.mark("they took their consent back"),
    "undone": words.mark("the agent undid it"),
    "private": words.mark("the agent marked the call as private"),
    "retention": words.mark("its time was over"),
    "request": words.mark("somebody asked for it"),
    "not-given": words.mark("the notice was not given"),
    "unverified": words.mark("nobody verified the notice in time"),
}
DUTIES: Mapping[str, str] = {
    "mifid2": words.mark("MiFID II wants it kept"),
    "fca": words.mark("the FCA wants it kept"),
    "cftc": words.mark("the CFTC wants it kept"),
}


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of a recording without opening it. `own` is our side's channel, 0 or 1."""

    stretches: Sequence[Stretch]
    gaps: Sequence[Gap]
    own: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the transcript: a line that was said, or something that happened, in words."""

    at_ms: int
    text: str = ""
    line: ShownLine | None = None


@dataclass(frozen=True, slots=True)
class Hearable:
    """Something that proves consent; `is_kept` is whether it can be heard in the recording."""

    text: str
    at_ms: int
    is_kept: bool


@dataclass(frozen=True, slots=True)
class Legend:
    """Something drawn over the lanes, in words; `until_ms` 0: a moment, else a gap."""

    at_ms: int
    text: str
    kind: str
    until_ms: int = 0


def clock(at_ms: int) -> str:
    """Milliseconds as a player shows them: 04:11, and 1:04:11 from an hour on."""
    minutes, seconds = divmod(max(0, at_ms) // 1000, 60)
    hours, rest = divmod(minutes, 60)
    return f"{hours}:{rest:02d}:{seconds:02d}" if hours else f"{minutes:02d}:{seconds:02d}"


def lanes(visit: Visit, record: CallRecord, seen: Seen) -> list[str]:
    """The names of both channels, the caller's first."""
    is_mine = record.line.agent is not None and record.line.agent == visit.who.id
    ours = visit.say("You") if is_mine else record.line.agent_name or visit.say("Agent")
    both = [ours, visit.say("They")]
    return both if seen.own == 0 else both[::-1]


def picture(visit: Visit, record: CallRecord, seen: Seen, peaks: Peaks) -> dict[str, object]:
    """What the player draws, as JSON."""
    return {
        "end_ms": seen.end_ms,
        "duration_ms": peaks.duration_ms,
        "channels": [list(channel) for channel in peaks.channels],
        "full": FULL,
        "own": seen.own,
        "lanes": lanes(visit, record, seen),
        "stretches": [
            {
                "file_ms": each.file_ms,
                "from_ms": each.from_ms,
                "to_ms": each.to_ms,
                "kind": each.kind,
            }
            for each in seen.stretches
        ],
        "silences": [list(each) for each in peaks.silences],
        "gaps": [{"from_ms": each.from_ms, "to_ms": each.to_ms} for each in seen.gaps],
        "marks": [
            {"at_ms": at_ms, "kind": kind, "text": text}
            for at_ms, kind, text in _marks(visit, record, seen)
        ],
        "texts": {
            "play": visit.say("Play"),
            "pause": visit.say("Pause"),
            "back": visit.say("Back 10 seconds"),
            "on": visit.say("On 10 seconds"),
            "speed": visit.say("Speed"),
            "skip": visit.say("Skip silence"),
            "position": visit.say("Position"),
            "of": visit.say("of"),
            "failed": visit.say(
                "The sound could not be loaded. The permission to listen may have run out: open "
                "the recording again."
            ),
            "jump": visit.say("Go to"),
            "found": visit.say("found"),
        },
    }


def talk(visit: Visit, record: CallRecord, seen: Seen, peaks: Peaks) -> list[tuple[str, int]]:
    """Who talked for how many per cent of what was kept, our side first, silence last."""
    *talked, silence = peaks.shares
    named = list(zip(lanes(visit, record, seen), talked, strict=True))
    ordered = named if seen.own == 0 else named[::-1]
    return [*ordered, (visit.say("silence"), silence)]


def legend(visit: Visit, record: CallRecord, seen: Seen) -> list[Legend]:
    """What is drawn over the lanes, in words and in order: marks, and gaps worth a word."""
    marks = [Legend(at_ms, text, kind) for at_ms, kind, text in _marks(visit, record, seen)]
    return sorted([*marks, *_told_gaps(visit, seen)], key=lambda each: each.at_ms)


def rows(visit: Visit, record: CallRecord, seen: Seen, lines: Sequence[ShownLine]) -> list[Row]:
    """What was said and what happened meanwhile, in order."""
    found = [Row(at_ms, text) for at_ms, _, text in _marks(visit, record, seen)]
    began = min((each.from_ms for each in seen.stretches), default=seen.end_ms)
    found += [
        Row(gap.at_ms, gap.text)
        for gap in _told_gaps(visit, seen)
        if gap.at_ms > began and gap.until_ms < seen.end_ms
    ]
    found += [Row(each.said.start_ms, line=each) for each in lines]
    return sorted(found, key=lambda row: (row.at_ms, row.line is not None))


def hearables(visit: Visit, record: CallRecord, seen: Seen) -> list[Hearable]:
    """The notice and the answers, each with whether it is in the recording."""
    told = [each.from_ms for each in seen.stretches if each.kind == "notice"]
    heard_at = record.line.verdict_at_ms
    if heard_at is None and told:
        heard_at = told[0]
    items = [] if heard_at is None else [(visit.say("The notice"), heard_at)]
    items += [(_consent(visit, each), each["at_ms"]) for each in record.consents]
    return [
        Hearable(text, at_ms, file_time(seen.stretches, at_ms) is not None) for text, at_ms in items
    ]


def _marks(visit: Visit, record: CallRecord, seen: Seen) -> list[tuple[int, str, str]]:
    """Where recording began and went on, and what was consented to: call time, kind, words."""
    opened = [each.from_ms for each in seen.stretches if each.kind == "open"]
    found = [(each["at_ms"], "consent", _consent(visit, each)) for each in record.consents]
    for number, at_ms in enumerate(opened):
        said = visit.say("recording went on") if number else visit.say("recording began")
        found.append((at_ms, "began", said))
    return sorted(found)


def _told_gaps(visit: Visit, seen: Seen) -> list[Legend]:
    return [
        Legend(gap.from_ms, _why(visit, gap), "gap", gap.to_ms)
        for gap in seen.gaps
        if gap.to_ms - gap.from_ms >= TOLD_OF_MS
    ]


def _consent(visit: Visit, consent: Mapping[str, Any]) -> str:
    kind, how = callwords.KINDS[consent["kind"]], callwords.HOWS[consent["how"]]
    return f"{visit.say(kind)}: {visit.say(how)}"


def _why(visit: Visit, gap: Gap) -> str:
    if gap.reason is not None:
        return visit.say(PAUSES.get(gap.reason, words.mark("paused")))
    cause = callwords.CAUSES.get(gap.because)
    told = visit.say("not recorded")
    return f"{told}: {visit.say(cause)}" if cause else told
