"""A media worker: a process that carries calls and answers what is said in them.

Whoever shows the pages starts it, with a pipe, and hands it the requests about its calls. It has a
desk, and where there is a trunk a process that speaks SIP. When the pipe ends it hangs up and goes.
Run as a program with the pipe's descriptor as its argument.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import signal
import socket
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from askfirst.clock import run
from askfirst.errors import AskfirstError
from askfirst.server.listening import Listening
from askfirst.server.node import Node
from askfirst.server.settings import Settings
from askfirst.server.trunktest import standing
from askfirst.server.workerlink import LONGEST, Message, line_of, next_message
from askfirst.web.api_worker import Doorman
from askfirst.web.api_worker import router as worker_router
from askfirst.web.app import API, APIS, PAGES
from askfirst.web.asgiwire import answer
from askfirst.web.carrying import Carrier
from askfirst.web.problems import add_handlers
from askfirst.web.visit import Site

log = logging.getLogger(__name__)

LOOK_S = 0.1
"""How often what is carried is looked at; who asks for something hears it with the answer."""

ALIVE_S = 1.0


class Worker:
    """One worker on its loop. `run` it once; it ends with the pipe."""

    def __init__(self, node: Node, settings: Settings, start: Message) -> None:
        trunk = settings.sip
        if trunk is not None and not start["receives"]:
            # Calls from outside come in at one place.
            trunk = replace(trunk, registers=False, listen=None)
        self._carrier = Carrier(
            node,
            trunk,
            settings.calls_per_worker,
            settings,
            twilio_url=settings.twilio_url,
            worker=start["name"],
        )
        self._site = Site(node.store, settings, node.rules, Listening(node.store), self._carrier)
        self._path = Path(start["path"])
        self._writer: asyncio.StreamWriter | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._sequence = 0

    def order(self) -> None:
        """There is work to do for the master; from any thread."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(partial(self._tell, orders=True))

    async def run(self, pipe: socket.socket) -> None:
        """Carry calls until the pipe ends, or the master says so."""
        reader, self._writer = await asyncio.open_connection(sock=pipe, limit=LONGEST)
        self._loop = asyncio.get_running_loop()
        async with self._carrier.running():
            doorman = Doorman(self._carrier.desk, self._tell)
            self._carrier.desk.on_offer = doorman.offer
            self._carrier.desk.providers.on_call = doorman.arrive
            app = create_worker_app(self._site, doorman)
            respond = partial(answer, app, board=partial(self._board, doorman))
            async with self._serving(respond), self._reporting(doorman):
                self._tell(ready=True)
                while (message := await next_message(reader)) is not None:
                    if "end" in message:
                        break
                    self._do(message, doorman)
                # Streams about calls end with them, before anybody waits for streams.
                await self._carrier.close()
        self._loop = None
        with contextlib.suppress(ConnectionError):
            await self._writer.drain()
        self._writer.close()

    @contextlib.asynccontextmanager
    async def _serving(self, respond: Any) -> AsyncIterator[None]:
        server = await asyncio.start_unix_server(respond, self._path)
        self._path.chmod(0o600)
        try:
            yield
        finally:
            server.close()
            await asyncio.to_thread(self._path.unlink, missing_ok=True)

    @contextlib.asynccontextmanager
    async def _reporting(self, doorman: Doorman) -> AsyncIterator[None]:
        reporting = asyncio.create_task(self._report(doorman))
        try:
            yield
        finally:
            reporting.cancel()
            await asyncio.gather(reporting, return_exceptions=True)

    async def _report(self, doorman: Doorman) -> None:
        told: dict[str, Any] = {}
        rounds = 0
        while True:
            board = self._board(doorman)
            if {**board, "sequence": 0} != {**told, "sequence": 0}:
                self._tell(**board)
                told = board
            if rounds % round(ALIVE_S / LOOK_S) == 0:
                self._tell(alive=True)
            rounds += 1
            await asyncio.sleep(LOOK_S)

    def _board(self, doorman: Doorman) -> dict[str, Any]:
        """What is carried here; a user who has hung up is on no call, settled or not."""
        self._sequence += 1
        desk = doorman.desk  # also while the carrier closes it
        stands = standing(desk.providers)
        return {
            "sequence": self._sequence,
            "calls": [[each.id, "" if each.has_ended else each.user_id] for each in desk.all()],
            "busy": desk.busy + doorman.ringing,
            "lines": doorman.lines(),
            "trunk": None if stands is None else stands.state,
        }

    def _do(self, message: Message, doorman: Doorman) -> None:
        match message:
            case {"switch": bool(enabled)}:
                self._carrier.desk.switch_recording(enabled)
            case {"disagree": str(user)}:
                self._carrier.desk.disagree(user)
            case {"overrides": _}:
                self._carrier.desk.review_overrides()
            case {"restrict": list(calls)}:
                self._carrier.desk.restrict(calls)
            case {"elsewhere": dict(lines)}:
                doorman.share(lines)
            case {"twilio": str(sid), "fields": dict(fields)}:
                if self._carrier.twilio is not None:
                    self._carrier.twilio.status(sid, fields)
            case {"decline": str(line)}:
                doorman.decline(line)
            case {"refuse": str(line)}:
                doorman.refuse(line)
            case {"hangup": str(line)}:
                doorman.hang_up(line)
            case _:
                log.error("media.message-unknown")

    def _tell(self, **message: object) -> None:
        if self._writer is not None and not self._writer.is_closing():
            self._writer.write(line_of(message))


def create_worker_app(site: Site, doorman: Doorman) -> FastAPI:
    """The routes of a worker: all of them, because the master chooses which it hands over.

    What stands before routes elsewhere stands in the master.
    """
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    app.state.site, app.state.doorman = site, doorman
    for router in APIS:
        app.include_router(router, prefix=API)
    for router in (*PAGES, worker_router):
        app.include_router(router)
    add_handlers(app)
    return app


def main() -> int:
    """Run until the pipe ends."""
    # Signals of a terminal or a service manager go to the master, which ends us in its own time.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    pipe = socket.socket(fileno=int(sys.argv[1]))
    start = json.loads(_first_line(pipe))
    workers: list[Worker] = []

    def order() -> None:
        for worker in workers:
            worker.order()

    try:
        settings = Settings.from_json(start["settings"])
        node = Node.join(settings.data, start["name"], order, model=settings.model)
    except AskfirstError:
        log.exception("media.worker-not-started")
        return 3
    try:
        workers.append(Worker(node, settings, start))
        run(workers[0].run(pipe))
    finally:
        node.close()
    return 0


def _first_line(pipe: socket.socket) -> bytes:
    """The first line and not a byte more, which would be lost for the loop."""
    line = bytearray()
    while not line.endswith(b"\n") and (byte := pipe.recv(1)):
        line += byte
    return bytes(line)


if __name__ == "__main__":
    sys.exit(main())
