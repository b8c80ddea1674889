"""A real server in a process of its own, on a data folder that tests may look into."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from tests.e2e.furnish import IDS

from askfirst.server.store import Store

PROGRAM = Path(sys.executable).parent / "askfirst"
START_SECONDS = 60.0


class Installation:
    """`askfirst serve` on a free port. `folder` holds `data`, the server's log and the ids.

    `public` is the address that the folder's settings name, where it is another one.
    """

    def __init__(self, folder: Path, public: str | None = None, port: int | None = None) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.port = port or free_port()
        self.origin = f"http://127.0.0.1:{self.port}"
        self.setup_path: str | None = None
        self.public = public or self.origin
        self._log = folder / "server.log"
        self._process: subprocess.Popen[str] | None = None

    @property
    def ids(self) -> dict[str, Any]:
        """Ids of people, calls and a contact, where the folder was furnished."""
        found: dict[str, Any] = json.loads((self.folder / IDS).read_text())
        return found

    def start(self) -> None:
        """Start and return when the server has said that it is ready."""
        with self._log.open("a") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own
                [PROGRAM, "serve", "--data", self.data, "--port", str(self.port)],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                cwd=self.folder,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )
        assert self._process.stdout is not None
        said = self._process.stdout.readline()
        assert said == f"askfirst: {self.public}/\n", self._log.read_text()
        if not (self.folder / IDS).exists():
            self.setup_path = "/setup/" + self._process.stdout.readline().strip().rpartition("/")[2]
        # The port is open already; the answer comes when there is somebody to give it.
        with urlopen(f"{self.origin}/readyz", timeout=START_SECONDS) as answer:  # noqa: S310 - ours
            assert json.load(answer) == {"status": "ready"}

    def send(self, what: signal.Signals) -> None:
        """Send the server a signal, and do not wait for what comes of it."""
        assert self._process is not None
        self._process.send_signal(what)

    def wait(self) -> int:
        """Return the status of a server that was told to end, when it has."""
        assert self._process is not None
        status = self._process.wait(timeout=START_SECONDS)
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._process = None
        return status

    def end(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End the server by a signal and wait until it is gone."""
        if self._process is None:
            return
        self._process.send_signal(how)
        self._process.wait(timeout=START_SECONDS)
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._process = None

    def faults(self) -> list[str]:
        """What the server's log says of errors that nobody expected."""
        lines = self._log.read_text().splitlines()
        return [line for line in lines if "Traceback" in line or "ERROR" in line]

    @contextmanager
    def store(self) -> Iterator[Store]:
        """The installation's databases, beside the server that has them open."""
        found = Store.open(self.data)
        try:
            yield found
        finally:
            found.close()


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port
