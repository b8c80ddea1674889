"""Counts in Prometheus' text form, for the machine itself unless the settings say otherwise."""

from __future__ import annotations

import asyncio
import ipaddress
from collections import Counter
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

import sqlalchemy as sa
from fastapi import APIRouter, Request
from starlette.responses import PlainTextResponse

from askfirst.errors import Refused, Unavailable
from askfirst.gate import State
from askfirst.server.counts import Counts, count
from askfirst.server.database import reading
from askfirst.web.carrying import Carrier
from askfirst.web.visit import site_of

router = APIRouter(tags=["health"])

FORM = "text/plain; version=0.0.4"
_FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip", "via")


@router.get("/metrics")
async def metrics(request: Request) -> PlainTextResponse:
    """Counts of calls, recordings and work that waits; nothing of anybody."""
    site = site_of(request)
    if not site.settings.open_metrics and not _is_from_here(request):
        raise Refused(
            "the counts are shown to this machine only; set open_metrics to show them to others"
        )
    found = await asyncio.to_thread(_counted, site.store.engine)
    lines = [*_lines(found, await _live(site.carrier))]
    return PlainTextResponse("\n".join(lines) + "\n", media_type=FORM)


def _counted(engine: sa.Engine) -> Counts:
    with reading(engine) as connection:
        return count(connection)


async def _live(carrier: Carrier) -> Mapping[str, int] | None:
    """Live calls by the state of their gate; None where this process carries none."""
    try:
        return Counter(live.state["state"] for live in await carrier.running_calls())
    except Unavailable:
        return None


def _lines(found: Counts, live: Mapping[str, int] | None) -> Iterator[str]:
    if live is not None:
        states = {state.value: live.get(state.value, 0) for state in State}
        yield from _family("askfirst_calls_live", "gauge", "Live calls by state.", "state", states)
    yield from _family(
        "askfirst_calls", "gauge", "Calls on record by outcome.", "outcome", found.calls
    )
    yield from _family(
        "askfirst_recordings", "gauge", "Recordings by state.", "state", found.recordings
    )
    yield from _single("askfirst_jobs_waiting", "Orders that no worker took yet.", found.orders)


def _family(name: str, kind: str, told: str, label: str, values: Mapping[str, int]) -> list[str]:
    head = [f"# HELP {name} {told}", f"# TYPE {name} {kind}"]
    return head + [f'{name}{{{label}="{value}"}} {number}' for value, number in values.items()]


def _single(name: str, told: str, number: int) -> list[str]:
    return [f"# HELP {name} {told}", f"# TYPE {name} gauge", f"{name} {number}"]


def _is_from_here(request: Request) -> bool:
    """Whether a program of this machine asks us directly: by its address, and by no proxy's word.

    The host that it asked for counts as well, or a page elsewhere could ask through a browser here.
    """
    try:
        host = urlsplit(f"//{request.headers.get('host', '')}").hostname or ""
    except ValueError:
        return False
    came_from = request.client.host if request.client is not None else ""
    is_direct = not any(name in request.headers for name in _FORWARDED)
    return is_direct and _is_loopback(came_from) and (host == "localhost" or _is_loopback(host))


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
