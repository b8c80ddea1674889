"""Trackers and the figures of a call over HTTP.

Names and phrases come and go in bodies; addresses, messages and the audit log carry ids only.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import Field

from askfirst.ledger import timestamp
from askfirst.model import Role
from askfirst.server import trackerchanges, trackerhits, trackerlist
from askfirst.server.access import Permission
from askfirst.server.callfigures import CallFigures, SideFigures, sight
from askfirst.server.clock import utc_now
from askfirst.server.database import reading, transaction
from askfirst.server.trackerchanges import Draft
from askfirst.server.trackerlist import KeptTracker, Progress
from askfirst.trackers import SaidBy
from askfirst.web.api_calls import found_call
from askfirst.web.api_queue import dispatch
from askfirst.web.bodies import Body
from askfirst.web.visit import Visit, permitted

router = APIRouter(tags=["analysis"])

Reader = Annotated[Visit, Depends(permitted(Permission.CALLS_READ))]
Manager = Annotated[Visit, Depends(permitted(Permission.TRACKERS_MANAGE))]


class NewTracker(Body):
    """A tracker: `phrases` by language code; without `team` it is everybody's."""

    name: str
    phrases: dict[str, list[str]]
    team: str | None = None
    said_by: SaidBy = SaidBy.BOTH
    between: int = 0


class ChangedTracker(Body):
    """What a tracker is from now on; what the body does not name stays. `version` is the one read.

    `phrases` takes the place of all phrases of all languages.
    """

    version: int
    name: str = ""
    phrases: dict[str, list[str]] = Field(default_factory=dict)
    team: str | None = None
    said_by: SaidBy = SaidBy.BOTH
    between: int = 0


class EndedTracker(Body):
    """Which version of a tracker is ended."""

    version: int


@router.get("/trackers")
def list_trackers(visit: Manager) -> dict[str, object]:
    """The trackers for calls that you manage, by name, with how far older calls are done."""
    with reading(visit.site.store.engine) as connection:
        found = trackerlist.listed(connection, visit.who.person)
        return {
            "trackers": [_shown(each, trackerlist.progress(connection, each)) for each in found]
        }


@router.post("/trackers", status_code=201)
def make_tracker(visit: Manager, wanted: NewTracker) -> dict[str, object]:
    """Keep a tracker; calls from before are looked through by a job."""
    draft = Draft(**{**wanted.model_dump(), "phrases": _phrases(wanted.phrases)})
    with transaction(visit.site.store.engine) as connection:
        made = trackerchanges.make(connection, visit.who.person, draft, utc_now())
        progress = trackerlist.progress(connection, made)
    dispatch(visit)
    return _shown(made, progress)


@router.patch("/trackers/{tracker}")
def change_tracker(visit: Manager, tracker: str, wanted: ChangedTracker) -> dict[str, object]:
    """Change a tracker; 409 where somebody has changed it since."""
    person = visit.who.person
    with transaction(visit.site.store.engine) as connection:
        kept = trackerlist.get(connection, person, tracker)
        given = {
            name: getattr(wanted, name) for name in wanted.model_fields_set if name != "version"
        }
        if "phrases" in given:
            given["phrases"] = _phrases(wanted.phrases)
        draft = replace(draft_of(kept), **given)
        changed = trackerchanges.change(
            connection, person, tracker, wanted.version, draft, utc_now()
        )
        progress = trackerlist.progress(connection, changed)
    dispatch(visit)
    return _shown(changed, progress)


@router.delete("/trackers/{tracker}", status_code=204)
def end_tracker(visit: Manager, tracker: str, ended: EndedTracker) -> None:
    """Look for a tracker no longer; where it was said goes with it. 409 as for a change."""
    with transaction(visit.site.store.engine) as connection:
        trackerchanges.end(connection, visit.who.person, tracker, ended.version, utc_now())


@router.get("/calls/{call}/figures")
def call_figures(visit: Reader, call: str) -> dict[str, object]:
    """The figures of a call, or why they are `hidden`, and where trackers were said.

    Figures are shown as on its page; trackers to who may listen to the call, without any words.
    """
    found_call(visit, call)
    with reading(visit.site.store.engine) as connection:
        seen = sight(connection, visit.site.rules, visit.who.id, call, utc_now().date())
        places = trackerhits.places(connection, visit.who.person, call)
    return {
        "call": call,
        "figures": None if seen.figures is None else _figures(seen.figures),
        "hidden": seen.hidden,
        "trackers": [asdict(each) for each in places],
    }


def draft_of(kept: KeptTracker) -> Draft:
    """A tracker as somebody would write it."""
    tracker = kept.tracker
    return Draft(tracker.name, kept.team, tracker.phrases, tracker.said_by.value, tracker.between)


def _phrases(given: dict[str, list[str]]) -> dict[str, tuple[str, ...]]:
    return {language: tuple(said) for language, said in given.items()}


def _shown(kept: KeptTracker, progress: Progress) -> dict[str, object]:
    return {
        "id": kept.id,
        "version": kept.version,
        **asdict(draft_of(kept)),
        "changed_by": kept.changed_by,
        "changed_at": timestamp(kept.changed_at),
        "calls_done": progress.done,
        "calls": progress.total,
    }


def _figures(found: CallFigures) -> dict[str, object]:
    return {
        "recording": found.recording,
        "recorded_ms": found.recorded_ms,
        "overlap_ms": found.overlap_ms,
        "silence_ms": found.silence_ms,
        "silence_share": round(found.silence_share, 3),
        "turns_per_minute": _rounded(found.turns_per_minute),
        "sides": {
            role.value: {**_side(side), "talk_share": round(found.talk_share(role), 3)}
            for role, side in ((Role.AGENT, found.agent), (Role.CONTACT, found.contact))
        },
        "learnt_at": timestamp(found.learnt_at),
    }


def _side(side: SideFigures) -> dict[str, object]:
    return {**asdict(side), "words_per_minute": _rounded(side.words_per_minute)}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
