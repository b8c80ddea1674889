"""How long after a phrase its line comes, with calls over HTTP on a running server."""

from __future__ import annotations

import json
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx

from askfirst.errors import Unavailable
from askfirst.server import account, accounts
from askfirst.server.access import UserRole
from askfirst.server.clock import utc_now
from askfirst.server.store import Store
from bench.measure import Line

AT_ONCE = (1, 4)
CALLEE = "+16285550142"  # the persona `agrees`
PASSWORD = "a sentence is easy to remember"  # noqa: S105 - of nobody
TARGET_S = 1.2
LONGEST_S = 150.0


def lines() -> Iterator[Line]:
    """Median and ninetieth percentile in seconds, for one call and for four at once."""
    for calls in AT_ONCE:
        late, behind_s = _measured(calls)
        counts = f"{len(late)} lines of {calls} calls at once, at most {behind_s:.1f} s behind"
        yield Line(f"captions p50 of {calls}", statistics.median(late), "s", TARGET_S, counts)
        ninety = statistics.quantiles(late, n=10)[-1]
        yield Line(f"captions p90 of {calls}", ninety, "s", TARGET_S, counts)


def _measured(calls: int) -> tuple[list[float], float]:
    with tempfile.TemporaryDirectory() as folder:
        emails = _people(Path(folder), calls)
        port = str(_free_port())
        address = f"http://127.0.0.1:{port}"
        command = [sys.executable, "-m", "askfirst.cli", "serve", "--data", folder, "--port", port]
        server = subprocess.Popen(  # noqa: S603 - our own program, nothing from outside
            command, stdout=subprocess.DEVNULL
        )
        try:
            _await_server(address)
            late: list[float] = []
            behind_s: list[float] = []
            agents = [
                threading.Thread(target=_call, args=(address, email, late, behind_s))
                for email in emails
            ]
            for agent in agents:
                agent.start()
                time.sleep(1.7)  # nobody begins exactly together
            for agent in agents:
                agent.join()
        finally:
            server.terminate()
            server.wait()
    if len(late) < 2:
        raise Unavailable(f"{len(late)} lines came of {calls} calls; expected one for each phrase")
    return late, max(behind_s, default=0.0)


def _people(folder: Path, count: int) -> list[str]:
    store = Store.open(folder)
    try:
        with store.engine.begin() as connection:
            stated = {"company": "Harbor Supply", "home_place": "US-TX", "retention_days": 30}
            account.change(connection, stated, None, utc_now())
            emails = [f"agent{index}@example.org" for index in range(count)]
            for email in emails:
                user = accounts.add_user(
                    connection, email, email, [UserRole.AGENT], utc_now(), password=PASSWORD
                )
                accounts.acknowledge(connection, user.id, 1, utc_now())
    finally:
        store.close()
    return emails


def _free_port() -> int:
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        return int(asked.getsockname()[1])


def _await_server(address: str) -> None:
    for _ in range(200):
        try:
            if httpx.get(f"{address}/readyz", timeout=2).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.3)
    raise Unavailable("the server did not start")


def _call(address: str, email: str, late: list[float], behind_s: list[float]) -> None:
    """One agent: agree, say every sentence, and time the lines as they come."""
    with httpx.Client(
        base_url=address, headers={"sec-fetch-site": "same-origin"}, timeout=60
    ) as client:
        client.post("/sign-in", data={"email": email, "password": PASSWORD})
        placed = client.post("/api/v1/calls", json={"to": CALLEE})
        call = f"/api/v1/calls/{placed.raise_for_status().json()['call']}"
        zero: list[float] = []
        reader = threading.Thread(target=_read, args=(client, call, zero, late, behind_s))
        is_asked = False
        until = time.monotonic() + LONGEST_S
        while time.monotonic() < until:
            answer = client.get(f"{call}/live")
            if answer.status_code != 200:
                break
            state = answer.json()
            if state["answered"]:
                zero.append(time.monotonic() - state["at_ms"] / 1000)
                if not is_asked:
                    is_asked = True
                    client.post(f"{call}/telling")
                    client.post(f"{call}/consents", json={"kind": "agreed"})
                    reader.start()
            if state["sentences"]:
                said = {"sentence": state["sentences"][0]["id"]}
                client.post(f"{call}/sentences", json=said)
            time.sleep(0.2)
        client.post(f"{call}/hangup")
        if is_asked:
            reader.join()


def _read(
    client: httpx.Client, call: str, zero: list[float], late: list[float], behind_s: list[float]
) -> None:
    with client.stream("GET", f"{call}/captions/stream", timeout=None) as events:
        for said in events.iter_lines():
            if not said.startswith("data: "):
                continue
            now, told = time.monotonic(), json.loads(said.removeprefix("data: "))
            if "text" in told:
                # The least of what was seen: an answer cannot come before it was given.
                late.append(now - min(zero) - told["end_ms"] / 1000)
            elif "behind_ms" in told:
                behind_s.append(told["behind_ms"] / 1000)
