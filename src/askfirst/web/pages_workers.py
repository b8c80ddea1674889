"""Settings: the processes that carry calls, and letting one go without cutting anybody off."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.responses import RedirectResponse, Response

from askfirst.errors import NotFound
from askfirst.server.mediaworkers import MediaWorker
from askfirst.web import words
from askfirst.web.api_workers import drained, state_of
from askfirst.web.providerwords import STATES as TRUNK_STATES
from askfirst.web.settingsframe import Reader, Writer, setting
from askfirst.web.visit import SignedIn, Visit

router = APIRouter()

STATES: dict[str, tuple[str, str, str]] = {
    "ready": ("may", "circle-check", words.mark("Takes calls")),
    "starting": ("plain", "clock", words.mark("Starting")),
    "draining": ("plain", "clock", words.mark("Begins no more calls")),
    "ended": ("plain", "circle", words.mark("Ends")),
}


@dataclass(frozen=True, slots=True)
class Shown:
    """One worker on the page: its state as a chip, its trunk in words ("" without one)."""

    worker: MediaWorker
    state: tuple[str, str, str]
    trunk: str
    can_drain: bool


@dataclass(frozen=True, slots=True)
class Now:
    """What belongs to the server's loop, read there once; `workers` None: there are none."""

    workers: tuple[MediaWorker, ...] | None
    most_calls: int
    restarts: int
    own_calls: int | None


async def now(visit: SignedIn) -> Now:
    """How everything stands; asked on the loop, shown in a thread."""
    carrier = visit.site.carrier
    found = carrier.workers
    if found is None:
        own = None if carrier.node is None else carrier.busy
        return Now(None, carrier.most_calls, 0, own)
    return Now(tuple(found.all()), found.most_calls, found.restarts, None)


Standings = Annotated[Now, Depends(now)]


@router.get("/settings/workers")
def workers_page(visit: Reader, now: Standings) -> Response:
    """Every media worker with what it carries."""
    return setting(
        visit,
        "settings_workers.html",
        (),
        now=now,
        shown=[_shown(visit, each) for each in now.workers or ()],
    )


@router.post("/settings/workers/{worker}/drain")
async def drain(visit: Writer, worker: str) -> Response:
    """Begin no more calls in a worker; one that has ended meanwhile is what was wanted."""
    with contextlib.suppress(NotFound):
        await drained(visit, worker)
    return RedirectResponse("/settings/workers", status_code=303)


def _shown(visit: Visit, worker: MediaWorker) -> Shown:
    state = state_of(worker)
    kind, glyph, said = STATES[state]
    trunk = TRUNK_STATES.get(worker.trunk or "")
    return Shown(
        worker,
        (kind, glyph, visit.say(said)),
        "" if trunk is None else visit.say(trunk[2]),
        can_drain=state == "ready",
    )
