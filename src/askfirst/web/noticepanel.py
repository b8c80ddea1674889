"""What pages show of the checks of a recording's notice: in words, with what can be heard of it.

Replies and places are the contact's own and stand only where the person may hear the recording.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from askfirst.model import RecordingState
from askfirst.server.access import Permission
from askfirst.server.callreader import CallRecord, reaches
from askfirst.server.database import reading
from askfirst.server.noticechecks import KeptCheck, history
from askfirst.server.recordingreader import file_time, stretches_of
from askfirst.server.restrictions import is_restricted
from askfirst.web import certificatewords, settingwords, words
from askfirst.web.placewords import every_place
from askfirst.web.recordingview import Hearable, clock
from askfirst.web.visit import Visit

REPLIES: Mapping[tuple[str, str | None], str] = {
    ("consent", None): words.mark("They agreed"),
    ("objection", None): words.mark("They objected"),
    ("objection", "withdraw"): words.mark("They took it back, or wanted it stopped"),
}
SPEAKERS: Mapping[str, str] = {
    "agent": words.mark("the agent"),
    "announcement": words.mark("an announcement"),
    "mixed": words.mark("somebody, with everybody on one channel"),
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """A verdict of the past or of now, in words; `at` is in UTC."""

    at: datetime
    detector: int
    text: str


@dataclass(frozen=True, slots=True)
class NoticePanel:
    """The newest check in words, and every verdict, the newest first.

    `hearables` are replies and places; the notice itself is among those of the proof.
    """

    verdict: str
    who: str
    when: str
    heard: Sequence[str]
    missing: Sequence[str]
    hearables: Sequence[Hearable]
    verdicts: Sequence[Verdict]


def notice_panel(visit: Visit, record: CallRecord) -> NoticePanel | None:
    """What the page of a call shows of its recording's checks; None where there are none."""
    recording = record.line.recording
    if recording is None:
        return None
    with reading(visit.site.store.engine) as connection:
        checks = history(connection, recording)
        if not checks:
            return None
        stretches = stretches_of(connection, recording)
        may_hear = (
            record.line.recording_state == RecordingState.READY.value
            and not is_restricted(connection, recording)
            and reaches(connection, visit.who.person, Permission.RECORDINGS_LISTEN, record.line.id)
        )
    newest = checks[0]
    said: list[tuple[str, int]] = []
    if may_hear:
        said += [(reply_words(visit, each), each["from_ms"]) for each in newest.replies]
        places = every_place(visit.site.rules, visit.language)
        said += [
            (
                visit.say(
                    "They said that they are in %(place)s",
                    place=places.get(each["code"], each["code"]),
                ),
                each["from_ms"],
            )
            for each in newest.places
        ]
    return NoticePanel(
        visit.say(certificatewords.VERDICTS[newest.verdict]),
        visit.say(SPEAKERS[newest.said_by]) if newest.said_by else "",
        when_words(visit, newest.delay_ms),
        elements_words(visit, newest.heard),
        elements_words(visit, newest.missing),
        [
            Hearable(text, at_ms, file_time(stretches, at_ms) is not None)
            for text, at_ms in sorted(said, key=lambda each: each[1])
        ],
        verdicts(visit, checks),
    )


def verdicts(visit: Visit, checks: Sequence[KeptCheck]) -> list[Verdict]:
    """The verdict of each check in words; one that repeats the one before it is left out."""
    told: list[Verdict] = []
    for each in reversed(checks):
        found = visit.say(certificatewords.VERDICTS[each.verdict])
        text = found if each.at_ms is None else f"{found}, {clock(each.at_ms)}"
        if not told or (told[-1].text, told[-1].detector) != (text, each.detector):
            told.append(Verdict(each.at, each.detector, text))
    return told[::-1]


def reply_words(visit: Visit, reply: Mapping[str, Any]) -> str:
    """What a reply was, and that it is not certain where it is not."""
    text = visit.say(REPLIES[reply["label"], reply["kind"]])
    return text if reply["is_certain"] else visit.say("%(what)s (not certain)", what=text)


def when_words(visit: Visit, delay_ms: int | None) -> str:
    """When a notice was begun, beside the first sound of the contact that was kept."""
    if delay_ms is None:
        return ""
    seconds = f"{abs(delay_ms) / 1000:.1f}"
    if visit.language == "nb":
        seconds = seconds.replace(".", ",")
    if delay_ms <= 0:
        return visit.say("%(seconds)s s before their first kept sound", seconds=seconds)
    return visit.say("%(seconds)s s after their first kept sound", seconds=seconds)


def elements_words(visit: Visit, names: Sequence[str]) -> list[str]:
    """What a notice says, in words and in the order of the closed list."""
    return [visit.say(text) for name, text in settingwords.ELEMENTS.items() if name in names]
