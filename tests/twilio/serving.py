"""A Starlette application on a port of this machine, for as long as a test needs it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import uvicorn
from starlette.applications import Starlette
from starlette.routing import BaseRoute
from tests.twilio.onlooker import looked_on

OURS = ("phone.example", "127.0.0.1:8470")
"""Where installations are said to be whose Twilio this is."""


@contextmanager
def serving(routes: Sequence[BaseRoute]) -> Iterator[str]:
    """The base address of the routes."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        looked_on(Starlette(routes=list(routes)), None, *OURS),
        log_level="critical",
        timeout_graceful_shutdown=1,
        lifespan="off",
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()
