"""One agent, an administrator and the whole application over HTTP, on a clock that tests move.

The application runs on a `VirtualLoop`: time passes only in `wait`, or where a request waits for
something that takes time, and threads take none of it. Calls are carried on between requests.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import anyio.to_thread
import httpx
import numpy as np
import pytest
from tests.callees import callee
from tests.server.standingrig import GERMANY, signed
from tests.web.conftest import ORIGIN, OWN, PASSWORD, add
from tests.web.ledgeroracle import (
    account_of,
    faults_of_erasure,
    faults_of_files,
    faults_of_spool,
    keep_decisions,
)

from askfirst.clock import VirtualLoop
from askfirst.model import Word
from askfirst.ports import RecognizerCapabilities
from askfirst.rules import packaged
from askfirst.server import account, accounts
from askfirst.server.access import UserRole
from askfirst.server.clock import utc_now
from askfirst.server.listening import Listening
from askfirst.server.node import Node
from askfirst.server.settings import Settings
from askfirst.speech.scripted import LANGUAGES
from askfirst.web.app import create_app
from askfirst.web.carrying import Carrier
from askfirst.web.visit import Site

Result = TypeVar("Result")

API = "/api/v1"
HELLO = 'say="contact"\naudio="contact.wav"'
AGENT = 'say="agent"\naudio="agent.wav"'
ASKED = ('wait="announcement"', "pause_ms=500")
YES = (*ASKED, 'key="1"\nconsent=true', "pause_ms=300")
NO = (*ASKED, 'key="2"', "pause_ms=300")
TALKERS = {
    "texan": ("+12145550142", ()),
    "californian": ("+14155550142", ()),
    "kiwi": ("+64209001299", ASKED),
    "norwegian": ("+4748750109", YES),
    "german": ("+493023125019", NO),
    "signer": (GERMANY, NO),
}
"""People who talk on whatever the agent does, and what they do after an announcement; one of them
has signed a standing consent."""


class Hearing:
    """A recogniser that hears a word in each 200 ms of sound."""

    name = "hearing"
    capabilities = RecognizerCapabilities(languages=LANGUAGES, word_times=True, external=False)

    def transcribe(self, pcm: bytes, language: str) -> list[Word]:
        """One word for each stretch of sound, where it is."""
        loud = np.abs(np.frombuffer(pcm, dtype="<i2").astype(np.int32)).reshape(-1, 320).max(1)
        steps = range(0, len(loud) - 10, 10)
        heard = (at for at in steps if loud[at : at + 10].min() > 500)
        return [Word("sound", at * 20, at * 20 + 200, 1.0) for at in heard]

    def close(self) -> None:
        """Nothing to release."""


class Phone:
    """What an agent can send, and an account of each call once it is over."""

    def __init__(self, site: Site, node: Node, runner: asyncio.Runner) -> None:
        self.calls: list[str] = []
        self.colleague = ""
        self.seen: Counter[str] = Counter()
        self._site = site
        self._node = node
        self._runner = runner
        self._clients: dict[str, httpx.AsyncClient] = {}
        self._speaking: set[asyncio.Task[httpx.Response]] = set()
        self._lifespan: Any = None

    # The application

    def start(self, folder: Path) -> None:
        """Begin to carry calls, and sign everybody in."""
        app = create_app(self._site)
        self._lifespan = app.router.lifespan_context(app)
        self.run(self._lifespan.__aenter__())
        desk = self._site.carrier.desk
        talkers = {
            name: callee(folder / name, HELLO, AGENT, *after, *[HELLO, AGENT] * 40, number=number)
            for name, (number, after) in TALKERS.items()
        }
        desk.personas = {**desk.personas, **talkers}
        people = ((UserRole.AGENT, ""), (UserRole.COMPLIANCE, ""), (UserRole.AGENT, "colleague"))
        for role, name in people:
            user = add(self._site, role, "north", name)
            with self._site.store.engine.begin() as connection:
                accounts.acknowledge(connection, user.id, 1, utc_now())
            if name:
                self.colleague = user.id
                continue
            transport = httpx.ASGITransport(app, client=("127.0.0.1", 1))
            client = httpx.AsyncClient(transport=transport, base_url=ORIGIN, headers=OWN)
            self._clients[role.value] = client
            if role is UserRole.COMPLIANCE:
                signed(self._site.store, user, TALKERS["signer"][0])
            form = {"email": user.email, "password": PASSWORD}
            assert self.run(client.post("/sign-in", data=form)).status_code == 303

    def close(self) -> None:
        """Hang up and end."""
        self.run(self._lifespan.__aexit__(None, None, None))
        for client in self._clients.values():
            self.run(client.aclose())

    def run(self, coroutine: Coroutine[Any, Any, Result]) -> Result:
        """The result of a coroutine; calls go on until it is there."""
        return self._runner.run(coroutine)

    def wait(self, ms: int) -> None:
        """Let call time pass."""
        self.run(asyncio.sleep(ms / 1000))

    @property
    def personas(self) -> dict[str, str]:
        """Number of each person who can be called, by name."""
        known = self._site.carrier.desk.personas
        return {name: person.number for name, person in sorted(known.items())}

    # What is sent

    def ask(self, method: str, path: str, body: Any = None, *, key: str | None = None) -> Any:
        """Send something as the agent; the answer's JSON, or None where there is none."""
        return self._told(self.run(self._send("agent", method, path, body, key)))

    def act(self, method: str, path: str, body: Any = None, *, key: str | None = None) -> Any:
        """Send something about the newest call."""
        return self.ask(method, f"{API}/calls/{self.call}/{path}", body, key=key)

    def say(self, sentence: str) -> None:
        """Have a sentence said; what is sent meanwhile comes while it is spoken."""
        path = f"{API}/calls/{self.call}/sentences"

        async def begin() -> None:
            sent = self._send("agent", "POST", path, {"sentence": sentence}, None)
            self._speaking.add(asyncio.create_task(sent))
            await asyncio.sleep(0)

        self.run(begin())

    def switch(self, on: bool) -> None:
        """The account's switch, by somebody who may."""
        wanted = {"recording_enabled": on}
        sent = self._send("compliance", "PATCH", f"{API}/settings", wanted, None)
        assert self.run(sent).status_code == 200

    @property
    def call(self) -> str:
        """The newest call, also one that is over."""
        return self.calls[-1] if self.calls else "call_none"

    def place(self, to: str, key: str | None = None) -> None:
        """Call somebody."""
        told = self.ask("POST", f"{API}/calls", {"to": to}, key=key)
        if "call" in told and told["call"] not in self.calls:
            self.calls.append(told["call"])

    async def _send(
        self, who: str, method: str, path: str, body: Any, key: str | None
    ) -> httpx.Response:
        headers = {} if key is None else {"idempotency-key": key}
        return await self._clients[who].request(method, path, json=body, headers=headers)

    def _told(self, answer: httpx.Response) -> Any:
        assert answer.status_code < 500, answer.text
        is_json = "json" in answer.headers.get("content-type", "")
        return answer.json() if is_json else None

    # What came of it

    def settle(self) -> list[str]:
        """End every call, and give what its ledger does not account for. No call is known after."""
        self.run(self._end())
        ended, self.calls = self.calls, []
        return [each for call in ended for each in self.faults(call)]

    def faults(self, call: str) -> list[str]:
        """What the ledger does not account for in a call that is over; its jobs are done then."""
        store, finishing = self._node.store, self._node.jobs.finishing
        before = account_of(store, call)
        found = before.wrong + faults_of_spool(store, call, before)
        self._node.jobs.dispatch()
        for step in (finishing.seal, finishing.check, finishing.transcribe):
            step(call)
        after = account_of(store, call)
        self.seen.update(after.kinds)
        return [*found, *faults_of_files(store, call, after), *faults_of_erasure(store, after)]

    async def _end(self) -> None:
        desk = self._site.carrier.desk
        for live in desk.all():
            await live.hangup()
        while desk.busy:  # noqa: ASYNC110 - a desk tells nobody that a call is settled
            await asyncio.sleep(0.1)
        for answer in await asyncio.gather(*self._speaking):
            self._told(answer)
        self._speaking.clear()


@contextmanager
def opened(folder: Path) -> Iterator[Phone]:
    """An installation of its own with its agent at the phone."""
    node = Node.open(folder / "data", Hearing(), works=False)
    keep_decisions(node.store)
    stated = {
        "company": "Harbor Supply",
        "home_place": "US-TX",
        "purpose": "training",
        "retention_days": 30,
    }
    with node.store.engine.begin() as connection:
        account.change(connection, stated, None, utc_now())
    settings = Settings(data=folder / "data")
    site = Site(node.store, settings, packaged(), Listening(node.store), Carrier(node))
    with pytest.MonkeyPatch.context() as patch, asyncio.Runner(loop_factory=VirtualLoop) as runner:
        # Its own threads are unknown to the loop, which must not let time pass while one works.
        patch.setattr(anyio.to_thread, "run_sync", _on_loop)
        phone = Phone(site, node, runner)
        phone.start(folder)
        try:
            yield phone
        finally:
            phone.close()
    node.close()


async def _on_loop(work: Callable[..., Any], *given: Any, **_: object) -> Any:
    return await asyncio.to_thread(work, *given)
