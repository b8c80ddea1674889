"""Pages over 10,000 contacts and 10,000 calls, through the whole application, on SQLite.

Server time is from the request to the last byte of the answer, compressed as browsers get it. The
first page is weighed with every file that it loads.
"""

from __future__ import annotations

import asyncio
import gzip
import re
import tempfile
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from askfirst.decide import decide
from askfirst.explain import to_json
from askfirst.model import Party
from askfirst.rules import packaged
from askfirst.server import account, accounts, sessions
from askfirst.server.access import UserRole
from askfirst.server.contactimport import import_contacts
from askfirst.server.contacttables import contacts, follow_ups
from askfirst.server.database import calls, parties, recordings, transaction
from askfirst.server.listening import Listening
from askfirst.server.settings import Settings
from askfirst.server.store import Store
from askfirst.web.app import create_app
from askfirst.web.visit import Site
from bench.contacts import AT, CALLS, CONTACTS, PAGE_MS, _numbers, _table
from bench.measure import REPEATS, Line, compared

FIRST_PAGE_KB = 120.0
SESSION = timedelta(days=3650)
FOLLOW_UPS = 300
_LOADS = re.compile(r"""(?:src|href)="(/static/[^"#]+)|from "(\./[^"]+)\"""")

App = Callable[..., Awaitable[None]]


def _fill(store: Store) -> tuple[str, str, dict[str, str]]:
    """Fill an installation; gives the session of somebody who reaches all, and ids to look at."""
    numbers = _numbers()
    with transaction(store.engine) as connection:
        account.change(connection, {"company": "Bench", "retention_days": 90}, None, AT)
        roles = [UserRole.AGENT, UserRole.SUPERVISOR, UserRole.COMPLIANCE]
        user = accounts.add_user(connection, "kari@example.org", "Kari", roles, AT, team="north")
        session = sessions.begin(connection, user.id, AT, SESSION, "bench")
    import_contacts(store.engine, _table(numbers), AT, by=user.id, owner=user.id, write=True)
    # Decisions of one country are alike, and the list reads but their modes.
    some = [
        to_json(decide([Party.agent("NO"), Party.contact(number)], on=AT.date()))
        for number in numbers[:100]
    ]
    ids = [f"call_{n:032x}" for n in range(CALLS)]
    row = {"provider": "sip", "direction": "outbound", "language": "en", "policy": {}}
    with transaction(store.engine) as connection:
        connection.execute(
            calls.insert(),
            [
                {
                    **row,
                    "id": each,
                    "created_at": AT + timedelta(minutes=n),
                    "answered_at": AT + timedelta(minutes=n),
                    "ended_at": AT + timedelta(minutes=n + 3),
                    "agent": user.id,
                    "decision": some[n % len(some)],
                    "outcome": "recorded" if n % 2 else "refused",
                    "proof": n % 7,
                    "verdict": "heard",
                }
                for n, each in enumerate(ids)
            ],
        )
        connection.execute(
            parties.insert(),
            [
                {"call": each, "number_in_call": n, "role": role, "number": number, "places": place}
                for each, number in zip(ids, numbers, strict=True)
                for n, role, number, place in (
                    (0, "agent", "+4721000000", ["NO"]),
                    (1, "contact", number, ["US-NY"]),
                )
            ],
        )
        connection.execute(
            recordings.insert(),
            [
                {
                    "id": f"rec_{n:032x}",
                    "call": each,
                    "created_at": AT,
                    "state": "ready",
                    "purpose": "training",
                    "duration_ms": 120_000,
                }
                for n, each in enumerate(ids)
                if n % 2
            ],
        )
        people = list(connection.execute(sa.select(contacts.c.id).limit(FOLLOW_UPS)).scalars())
        connection.execute(
            follow_ups.insert(),
            [
                {
                    "id": f"fol_{n:032x}",
                    "contact": each,
                    "due": AT.date() + timedelta(days=n % 30 - 10),
                    "note": "",
                    "owner": user.id,
                }
                for n, each in enumerate(people)
            ],
        )
    return session, user.id, {"call": ids[CALLS // 2], "contact": people[0]}


def _asked(app: App, loop: asyncio.AbstractEventLoop, cookie: str) -> Callable[[str], bytes]:
    """What gives the bytes of an answer as they go over the wire. Raises for all but 200."""

    async def ask(address: str) -> bytes:
        path, _, query = address.partition("?")
        body, status = bytearray(), 0
        scope: dict[str, Any] = {
            "type": "http", "http_version": "1.1", "method": "GET", "scheme": "http",
            "path": path, "raw_path": path.encode(), "query_string": query.encode(),
            "root_path": "", "server": ("127.0.0.1", 8470), "client": ("127.0.0.1", 1),
            "headers": [
                (b"host", b"127.0.0.1:8470"), (b"accept-encoding", b"gzip"),
                (b"cookie", f"askfirst={cookie}".encode()),
            ],
        }  # fmt: skip
        sent = False

        async def receive() -> dict[str, object]:
            nonlocal sent
            if sent:
                await asyncio.sleep(3600)
            sent = True
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: MutableMapping[str, Any]) -> None:
            nonlocal status
            status = message.get("status", status)
            body.extend(message.get("body", b""))

        await app(scope, receive, send)
        if status != 200:
            raise RuntimeError(f"{address} answered {status}")
        return bytes(body)

    return lambda address: loop.run_until_complete(ask(address))


def _weight(ask: Callable[[str], bytes], first: str) -> tuple[int, int]:
    """Bytes of a page with every file that it loads, and how many files those are."""

    def plain(content: bytes) -> str:
        packed = content.startswith(b"\x1f\x8b")
        return (gzip.decompress(content) if packed else content).decode("utf-8", "replace")

    seen, waiting, weight = {first}, [first], 0
    while waiting:
        address = waiting.pop()
        content = ask(address)
        weight += len(content)
        if not address.endswith((".svg", ".css")) and (address == first or ".js" in address):
            for whole, near in _LOADS.findall(plain(content)):
                found = whole or f"/static/js/{near.removeprefix('./')}"
                if found not in seen:
                    seen.add(found)
                    waiting.append(found)
    return weight, len(seen) - 1


def lines() -> Iterator[Line]:
    """Milliseconds for each page beside what a page may take, and the weight of the first."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store.open(Path(folder))
        loop = asyncio.new_event_loop()
        try:
            session, user, ids = _fill(store)
            site = Site(store, Settings(data=Path(folder)), packaged(), Listening(store))
            ask = _asked(create_app(site), loop, session)
            pages = {
                "contacts": "/contacts",
                "contacts search": "/contacts?q=berg",
                "calls": "/calls",
                "calls of a rule": "/calls?mode=forbid",
                "calls of an agent, recorded, proof": f"/calls?agent={user}&recorded=yes&proof=4",
                "calls under hold (none)": "/calls?hold=yes",
                "calls of a contact": f"/calls?contact={ids['contact']}",
                "one call": f"/calls/{ids['call']}",
                "one contact": f"/contacts/{ids['contact']}",
                "follow-ups": "/follow-ups",
                "forecast": "/forecast",
                "rules": "/rules",
                "my page": "/me",
            }
            works = [lambda address=address: ask(address) for address in pages.values()]
            counts = f"median of {REPEATS} runs, {CONTACTS} contacts, {CALLS} calls"
            for name, seconds in zip(pages, compared(works, 1), strict=True):
                yield Line(f"page {name}", seconds * 1e3, "ms", PAGE_MS, counts)
            weight, files = _weight(ask, "/contacts")
            counts = f"compressed, with {files} files"
            yield Line("first page", weight / 1024, "kB", FIRST_PAGE_KB, counts)
        finally:
            loop.close()
            store.close()
