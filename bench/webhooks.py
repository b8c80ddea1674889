"""Twilio's webhooks at 200 events a second, through the whole application, while others write.

Three connections write to the same database without a pause, as calls do that begin and end. An
answer is timed from the request to its last byte; each event is signed, new, and of one of many
calls. What is written and handed on afterwards is counted, so that no answer was bought by a loss.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlencode

import sqlalchemy as sa
from fastapi import FastAPI

from askfirst.rules import packaged
from askfirst.server import account, audit, twilioaccount
from askfirst.server.clock import utc_now
from askfirst.server.database import reading, transaction
from askfirst.server.listening import Listening
from askfirst.server.settings import Settings
from askfirst.server.store import Store
from askfirst.server.twilioevents import StreamSocket
from askfirst.server.twiliotables import twilio_events
from askfirst.telephony import twiliosignature
from askfirst.web.app import create_app
from askfirst.web.carrying import Carrier
from askfirst.web.overtwilio import OverTwilio
from askfirst.web.twiliopaths import PROGRESS
from askfirst.web.visit import Site
from bench.measure import Line

A_SECOND = 200
SECONDS = 10
WRITERS = 3
ROWS = 40
"""Rows of one transaction of somebody else."""
P99_MS = 50.0
ORIGIN = "https://phone.example"
SID, TOKEN = "AC" + "0" * 32, "a-token-of-nobody"
STATES = ("initiated", "ringing", "in-progress", "completed")


class _Counting:
    """Who carries calls: counts what is handed on."""

    carries = True

    def __init__(self) -> None:
        self.events = 0

    def status(self, call_sid: str, fields: Mapping[str, str]) -> None:
        """Count one."""
        self.events += 1

    async def incoming(self, fields: Mapping[str, str], worker: str | None = None) -> str:
        """No call comes in here."""
        return "<Response/>"

    async def stream(self, socket: StreamSocket) -> None:
        """No stream comes in here."""
        await socket.close()


class _Writers:
    """Others who write to the database all the time; a context."""

    def __init__(self, store: Store) -> None:
        self.count = 0
        self._store = store
        self._ends = threading.Event()
        self._threads = [threading.Thread(target=self._write) for _ in range(WRITERS)]

    def __enter__(self) -> _Writers:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        for thread in self._threads:
            thread.join()

    def _write(self) -> None:
        while not self._ends.is_set():
            with transaction(self._store.engine) as connection:
                for _ in range(ROWS):
                    audit.note(connection, utc_now(), None, "bench.written")
            self.count += 1


def _request(number: int) -> tuple[dict[str, Any], bytes]:
    """One event as it comes: its ASGI scope and its body."""
    call, place = divmod(number, len(STATES))
    fields = {
        "AccountSid": SID,
        "CallSid": f"CA{call:032x}",
        "CallStatus": STATES[place],
        "SequenceNumber": str(place),
    }
    signature = twiliosignature.make(TOKEN, ORIGIN + PROGRESS, fields.items())
    scope = {
        "type": "http", "http_version": "1.1", "method": "POST", "scheme": "http",
        "path": PROGRESS, "raw_path": PROGRESS.encode(), "query_string": b"", "root_path": "",
        "server": ("127.0.0.1", 8470), "client": ("127.0.0.1", 1),
        "headers": [
            (b"host", b"phone.example"),
            (b"content-type", twiliosignature.FORM.encode()),
            (twiliosignature.HEADER.encode(), signature.encode()),
        ],
    }  # fmt: skip
    return scope, urlencode(fields).encode()


async def _answered(app: FastAPI, scope: dict[str, Any], body: bytes) -> float:
    """Milliseconds until an event was answered. Raises for all but 204."""
    status = 0

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        nonlocal status
        status = message.get("status", status)

    began = time.perf_counter()
    await app(scope, receive, send)
    if status != 204:
        raise RuntimeError(f"an event was answered with {status}")
    return (time.perf_counter() - began) * 1e3


async def _play(app: FastAPI, first: int) -> list[float]:
    """Send events at their moments, whatever the answers do; milliseconds of each answer."""
    requests = [_request(first + n) for n in range(A_SECOND * SECONDS)]
    loop = asyncio.get_running_loop()
    began, asked = loop.time(), []
    for n, (scope, body) in enumerate(requests):
        await asyncio.sleep(max(0.0, began + n / A_SECOND - loop.time()))
        asked.append(asyncio.create_task(_answered(app, scope, body)))
    return list(await asyncio.gather(*asked))


def _set_up(store: Store) -> None:
    made = twilioaccount.read({"account_sid": SID, "auth_token": TOKEN})
    with transaction(store.engine) as connection:
        twilioaccount.keep(connection, store.keys, made, "usr_bench", utc_now())
        account.change(connection, {twilioaccount.SETTING: made.id}, None, utc_now())


def _p99(times: Sequence[float]) -> float:
    return statistics.quantiles(times, n=100)[-1]


async def _measured(store: Store, calls: _Counting) -> tuple[list[float], list[float], int]:
    """Answers beside nobody, answers beside others who write, and how often those wrote."""
    settings = Settings(data=store.folder, public_url=ORIGIN)
    carrier = Carrier()
    carrier._over_twilio = cast("OverTwilio", calls)
    site = Site(store, settings, packaged(), Listening(store), carrier)
    app = create_app(site)
    async with app.state.twilio.running():
        await _play(app, 10_000_000)
        alone = await _play(app, 0)
        with _Writers(store) as writers:
            busy = await _play(app, 1_000_000)
        return alone, busy, writers.count


def lines() -> Iterator[Line]:
    """Milliseconds until an event is answered, beside nobody and beside others who write."""
    with tempfile.TemporaryDirectory() as folder:
        store, calls = Store.open(Path(folder)), _Counting()
        try:
            _set_up(store)
            alone, busy, written = asyncio.run(_measured(store, calls))
            with reading(store.engine) as connection:
                kept = connection.execute(sa.select(sa.func.count()).select_from(twilio_events))
                rows = int(kept.scalar_one())
        finally:
            store.close()
    events = A_SECOND * SECONDS
    counts = f"{events} events in {SECONDS} s, beside {written} transactions of {WRITERS} others"
    yield Line("webhook p99, database busy", _p99(busy), "ms", P99_MS, counts)
    yield Line("webhook p50, database busy", statistics.median(busy), "ms", P99_MS, counts)
    counts = f"{events} events in {SECONDS} s, the database idle, in the same run"
    yield Line("webhook p99, database busy, against idle", _p99(busy), "ms", _p99(alone), counts)
    counts = "written and handed on, of all that were answered"
    yield Line("webhook events written", rows, "events", 3 * events, counts)
    yield Line("webhook events handed on", calls.events, "events", 3 * events, counts)
