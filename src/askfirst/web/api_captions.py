"""Live captions over HTTP: the words of a call that goes on, for its own agent and nobody else."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query
from starlette.responses import StreamingResponse

from askfirst.errors import Refused
from askfirst.server.access import Permission
from askfirst.server.captions import Captions, Wiped
from askfirst.server.livecall import LiveCall
from askfirst.web.visit import Visit, permitted, present_user

router = APIRouter(tags=["live calls"])

Caller = Annotated[Visit, Depends(permitted(Permission.CALLS_MAKE))]
After = Annotated[int, Query(ge=0)]

ALIVE_SECONDS = 1.0
"""How often at least a stream says that it is alive, and asks whether it still may speak."""


@router.get("/calls/{call}/captions")
async def captions(visit: Caller, call: str, after: After = 0) -> dict[str, object]:
    """The lines after a sequence; those up to `wiped` are gone and must not be shown."""
    live = _own(visit, call)
    found = live.call.captions
    return {
        "lines": [asdict(line) for line in found.lines(after)],
        "last": found.sequence,
        "wiped": found.wiped,
        **_condition(found),
    }


@router.get("/calls/{call}/captions/stream")
async def captions_stream(
    visit: Caller,
    call: str,
    after: After = 0,
    last_event_id: Annotated[str | None, Header()] = None,
) -> StreamingResponse:
    """The lines as server-sent events; `Last-Event-ID` goes on where a broken stream ended."""
    live = _own(visit, call)
    if last_event_id is not None and last_event_id.isascii() and last_event_id.isdigit():
        after = int(last_event_id[:9])
    return StreamingResponse(
        stream(live.call.captions, after, lambda: _may_still_read(visit, live)),
        media_type="text/event-stream",
        headers={"x-accel-buffering": "no", "cache-control": "no-store"},
    )


async def stream(
    captions: Captions, after: int, may_go_on: Callable[[], bool]
) -> AsyncIterator[str]:
    """Lines and wipes as server-sent events with their sequence as id, until the call is over.

    `may_go_on` is asked in a thread, at least once in `ALIVE_SECONDS` and before anything is told
    later than that; the stream ends where it says no.
    """
    now = asyncio.get_running_loop().time
    due = now() + ALIVE_SECONDS
    after = min(after, captions.sequence)
    yield _alive(captions)
    while True:
        if now() >= due:
            if not await asyncio.to_thread(may_go_on):
                return
            due = now() + ALIVE_SECONDS
            yield _alive(captions)
        for each in captions.since(after):
            after = each.sequence
            kind = "event: wiped\n" if isinstance(each, Wiped) else ""
            said = json.dumps(asdict(each), ensure_ascii=False)
            yield f"id: {after}\n{kind}data: {said}\n\n"
        if captions.is_closed:
            yield "event: ended\ndata: {}\n\n"
            return
        await captions.change(after, due - now())


def _alive(captions: Captions) -> str:
    return f"event: alive\ndata: {json.dumps(_condition(captions))}\n\n"


def _condition(captions: Captions) -> dict[str, object]:
    return {
        "available": captions.reason is None,
        "reason": captions.reason,
        "language": captions.language,
        "behind_ms": captions.behind_ms,
        "skipped_ms": captions.skipped_ms,
    }


def _own(visit: Visit, call: str) -> LiveCall:
    live = visit.site.carrier.desk.get(call)
    if live.user_id != visit.who.id:
        raise Refused(f"call {call} is another agent's; only its agent reads its captions")
    return live


def _may_still_read(visit: Visit, live: LiveCall) -> bool:
    """Whether the session of a stream still holds, and is still that of the call's agent."""
    user = present_user(visit)
    return user is not None and user.id == live.user_id and user.person.may(Permission.CALLS_MAKE)
