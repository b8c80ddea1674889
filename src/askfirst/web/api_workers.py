"""Media workers over HTTP: what each carries, and letting one go before the machine is upgraded."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends

from askfirst.errors import NotFound
from askfirst.ledger import timestamp
from askfirst.server import audit
from askfirst.server.access import Permission
from askfirst.server.clock import utc_now
from askfirst.server.database import transaction
from askfirst.server.mediaworkers import MediaWorker, MediaWorkers
from askfirst.web.visit import Visit, permitted

router = APIRouter(tags=["media workers"])

Reader = Annotated[Visit, Depends(permitted(Permission.SETTINGS_READ))]
Writer = Annotated[Visit, Depends(permitted(Permission.SETTINGS_WRITE))]


@router.get("/workers")
async def workers(visit: Reader) -> dict[str, object]:
    """Every media worker, the oldest first; none where calls are carried by the server itself."""
    found = visit.site.carrier.workers
    return {"workers": [] if found is None else [line(found, each) for each in found.all()]}


@router.post("/workers/{worker}/drain")
async def drain(visit: Writer, worker: str) -> dict[str, object]:
    """Begin no calls in a worker any more; it ends with its last one. Another one takes its place.

    Doing so again changes nothing.
    """
    return line(*await drained(visit, worker))


async def drained(visit: Visit, worker: str) -> tuple[MediaWorkers, MediaWorker]:
    """Drain a worker for whoever asks; it is in the audit log. Raises NotFound."""
    workers = visit.site.carrier.workers
    if workers is None:
        raise NotFound("there are no media workers; calls are carried by the server itself")
    found = workers.get(worker)
    if not found.is_draining:
        await asyncio.to_thread(_note, visit, worker)
        workers.drain(worker)
    return workers, found


def _note(visit: Visit, worker: str) -> None:
    with transaction(visit.site.store.engine) as connection:
        audit.note(connection, utc_now(), visit.who.id, "worker.drained", worker)


def line(workers: MediaWorkers, worker: MediaWorker) -> dict[str, object]:
    """A worker, ready for JSON; `state` is starting, ready, draining or ended.

    `process` is the system's id of it, null while there is none.
    """
    return {
        "id": worker.id,
        "number": worker.number,
        "process": worker.link.process_id,
        "state": state_of(worker),
        "calls": worker.busy,
        "most_calls": workers.most_calls,
        "receives": worker.receives,
        "trunk": worker.trunk,
        "since": timestamp(worker.since),
    }


def state_of(worker: MediaWorker) -> str:
    """How a worker stands, in one word."""
    if worker.is_lost or worker.is_ending:
        return "ended"
    if worker.is_draining:
        return "draining"
    return "ready" if worker.is_ready else "starting"
