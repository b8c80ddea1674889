"""A server with media workers and the people who use it over HTTP, for tests."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
from tests.e2e.conftest import running
from tests.e2e.furnish import PASSWORD, email
from tests.e2e.installation import Installation

ANNA = "+4748750101"
OLA = "+4748750102"
WITHIN_S = 30.0
"""How long anything here may take on a busy machine."""

LOOK_S = 0.05
"""How often another process is asked whether something holds."""


class OpenPhone:
    """The stream of somebody's phone, read in a thread until its end."""

    def __init__(self, client: httpx.Client) -> None:
        self.shown: list[dict[str, Any]] = []
        self._client = client
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        until(lambda: bool(self.shown))

    def join(self) -> None:
        """Return when the stream has ended."""
        self._thread.join(WITHIN_S)

    def ringing(self) -> list[dict[str, Any]]:
        """What rings there now."""
        found: list[dict[str, Any]] = self.shown[-1]["ringing"]
        return found

    def _read(self) -> None:
        path = "/api/v1/phone/events"
        try:
            with self._client.stream("GET", path, timeout=None) as stream:
                for line in stream.iter_lines():
                    found = line.removeprefix("data: ")
                    if found != line and found != "{}":
                        self.shown.append(httpx.Response(200, text=found).json())
        except httpx.HTTPError:
            return  # the server has ended


class House:
    """A server with media workers, and the people who sign in to it, until `after` it has ended."""

    def __init__(self, installation: Installation, after: ExitStack) -> None:
        self.installation = installation
        self._after = after
        self._people: dict[str, httpx.Client] = {}

    def anew(self) -> House:
        """The same after a restart, whose people sign in again."""
        return House(self.installation, self._after)

    def who(self, person: str) -> httpx.Client:
        """Somebody who is signed in."""
        if person not in self._people:
            origin = self.installation.origin
            headers = {"origin": origin}
            found = httpx.Client(base_url=origin, headers=headers, timeout=WITHIN_S)
            self._after.enter_context(found)
            form = {"email": email(person), "password": PASSWORD}
            assert found.post("/sign-in", data=form).status_code == 303
            self._people[person] = found
        return self._people[person]

    def expected(self) -> str:
        """What the log has said until now, all of which was expected."""
        log = self.installation.folder / "server.log"
        said = log.read_text()
        log.write_text("")
        return said

    def open_phone(self, person: str) -> OpenPhone:
        """Somebody's open phone."""
        found = OpenPhone(self.who(person))
        self._after.callback(found.join)
        return found

    def workers(self) -> list[dict[str, Any]]:
        """What the administrator sees of the workers."""
        found: list[dict[str, Any]] = self.who("admin").get("/api/v1/workers").json()["workers"]
        return found

    def ready(self) -> list[dict[str, Any]]:
        """The workers that take calls."""
        return [each for each in self.workers() if each["state"] == "ready"]

    def place(self, person: str, to: str, **wanted: object) -> httpx.Response:
        """Have somebody call a number."""
        return self.who(person).post("/api/v1/calls", json={"to": to, **wanted})

    def call(self, person: str, to: str = ANNA) -> str:
        """The path of a call of somebody that was answered."""
        placed = self.place(person, to)
        assert placed.status_code == 201, placed.text
        path = f"/api/v1/calls/{placed.json()['call']}"
        until(lambda: bool(self.state(person, path)["answered"]))
        return path

    def state(self, person: str, path: str) -> dict[str, Any]:
        """A call as its agent sees it."""
        answer = self.who(person).get(f"{path}/live")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def record(self, person: str, path: str) -> None:
        """Tell the truth about a yes, and return when the call is recorded."""
        said = {"kind": "agreed", "how": "agent"}
        self.who(person).post(f"{path}/record")
        until(lambda: not self.state(person, path)["needs_key"])
        self.who(person).post(f"{path}/consents", json=said)
        until(lambda: self.state(person, path)["light"] == "recording")

    def finished(self, path: str) -> dict[str, Any]:
        """The recording of a call once everything was made of it, {} before."""
        found: dict[str, Any] = self.who("compliance").get(path).json()["recording"] or {}
        return found if found.get("state") in ("ready", "quarantined") else {}

    def begins_none(self, person: str) -> bool:
        """Whether somebody hears that the program is ending; a call that begins is ended."""
        placed = self.place(person, OLA)
        if placed.status_code == 201:
            self.who(person).post(f"/api/v1/calls/{placed.json()['call']}/hangup")
        return "the program is ending" in placed.text

    def carrier(self, number_of_calls: int = 1) -> dict[str, Any]:
        """The one worker that has calls."""
        found = [each for each in self.workers() if each["calls"] == number_of_calls]
        assert len(found) == 1, self.workers()
        return found[0]


def until(holds: Callable[[], bool]) -> None:
    """Return when something holds."""
    ends = time.monotonic() + WITHIN_S
    while not holds():
        assert time.monotonic() < ends, "it never came to that"
        time.sleep(LOOK_S)


@contextmanager
def a_house(
    furnished: Path, folder: Path, settings: str, prepare: Callable[[Path], object] = lambda _: None
) -> Iterator[House]:
    """A server with two workers until the end, in whose data `prepare` may do something first."""
    shutil.copytree(furnished, folder)
    prepare(folder / "data")
    (folder / "askfirst.toml").write_text(f"media_workers = 2\n{settings}")
    with ExitStack() as after, running(folder) as found:
        yield House(found, after)
