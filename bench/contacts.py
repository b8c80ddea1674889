"""Lists, searches and forecasts over 10,000 contacts on SQLite, beside the 100 ms of a page.

Half of the numbers are American, the others of the whole world, as in `batch`. `cold` is the
first time on a day, when no decision is remembered yet.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import phonenumbers
import sqlalchemy as sa

from askfirst.model import Mode
from askfirst.policy import Policy
from askfirst.server.accounttables import users
from askfirst.server.contactimport import import_contacts
from askfirst.server.contacts import consent_history
from askfirst.server.contactsearch import Page, Search, count, find, prospects
from askfirst.server.contacttables import contacts
from askfirst.server.database import calls, parties, reading, transaction
from askfirst.server.forecast import Outlook, forecast
from askfirst.server.reviews import first_call
from askfirst.server.store import Store
from bench.batch import AREAS
from bench.measure import REPEATS, Line, compared

CONTACTS = CALLS = 10_000
PAGE_MS = 100.0
AT = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
ON = date(2026, 11, 24)
USER = "usr_" + "1" * 32
FIRST = ("Nora", "Ole", "Åse", "Bjørn", "Ingrid", "Jakob", "Emma", "Lucas", "Zoë", "María")
LAST = ("Lie", "Berg", "Hansen", "Smith", "García", "Müller", "Okafor", "Sato", "Rossi", "Novák")
OUTLOOK = Outlook("NO", Policy(), ON)


def _numbers() -> list[str]:
    chance = random.Random(7)  # noqa: S311 - the same numbers every time
    world = [
        phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164)
        for region in sorted(phonenumbers.SUPPORTED_REGIONS)
        if (example := phonenumbers.example_number(region)) is not None
    ]
    found: dict[str, None] = {}
    while len(found) < CONTACTS:
        last = f"{chance.randrange(10_000):04d}"
        abroad = chance.choice(world)[:-4] + last
        home = f"+1{chance.choice(AREAS)}{chance.randrange(200, 1_000)}{last}"
        found[chance.choice((home, abroad))] = None
    return list(found)


def _table(numbers: list[str]) -> bytes:
    lines = [
        f"{FIRST[n % 10]} {LAST[n // 10 % 10]} {n},{number},Firm {n % 700},p{n}@example.org"
        for n, number in enumerate(numbers)
    ]
    return ("name,phone,company,email\n" + "\n".join(lines) + "\n").encode()


def _fill(store: Store, numbers: list[str]) -> None:
    """One user, and a call for each number; the contacts come by import."""
    with transaction(store.engine) as connection:
        connection.execute(
            users.insert().values(
                id=USER,
                email="kari@example.org",
                name="Kari",
                roles=["agent"],
                language="en",
                theme="system",
                created_at=AT,
                failures=0,
            )
        )
        ids = [f"call_{n:032x}" for n in range(CALLS)]
        row = {"provider": "sip", "direction": "outbound", "language": "en", "policy": {}}
        connection.execute(
            calls.insert(),
            [{"id": each, "created_at": AT, "answered_at": AT, "proof": 0, **row} for each in ids],
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


def _searches(store: Store) -> dict[str, Callable[[], object]]:
    def page(search: Search, after: str | None = None) -> Callable[[], Page]:
        def work() -> Page:
            with reading(store.engine) as connection:
                return find(connection, search, after=after, outlook=OUTLOOK)

        return work

    def counted(search: Search) -> Callable[[], int]:
        def work() -> int:
            with reading(store.engine) as connection:
                return count(connection, search, OUTLOOK)

        return work

    def foreseen() -> object:
        with reading(store.engine) as connection:
            return forecast(prospects(connection), "NO", Policy(), None, ON)

    def person() -> object:
        with reading(store.engine) as connection:
            return consent_history(connection, last), first_call(connection, "MN")

    with reading(store.engine) as connection:
        order = sa.select(contacts.c.id).order_by(contacts.c.sort_key.desc())
        last = connection.execute(order.limit(1).offset(60)).scalar_one()
    return {
        "first page": page(Search()),
        "last page": page(Search(), last),
        "search word": page(Search("berg")),
        "search nothing fits": page(Search("nobody has this name")),
        "search part of a number": page(Search("555 01")),
        "filter place": page(Search(place="US")),
        "filter mode": page(Search(mode=Mode.AUTO)),
        "filter mode that nobody has": page(Search(mode=Mode.FORBID)),
        "count of a search": counted(Search("berg", mode=Mode.ASK)),
        "forecast": foreseen,
        "person page": person,
    }


def lines() -> Iterator[Line]:
    """Milliseconds for each; the reference of lists is what a whole page may take."""
    numbers = _numbers()
    with tempfile.TemporaryDirectory() as folder:
        store = Store.open(Path(folder))
        try:
            _fill(store, numbers)
            table = _table(numbers)
            for name, write in (("dry run", False), ("import", True)):
                began = time.perf_counter()
                report = import_contacts(store.engine, table, AT, by=USER, write=write)
                taken = (time.perf_counter() - began) * 1e3 / CONTACTS
                counts = f"one run over {len(report.added)} lines; reference: 1,000 lines a second"
                yield Line(f"contacts {name}", taken, "ms a line", 1.0, counts)
            works = _searches(store)
            began = time.perf_counter()
            works["filter mode"]()
            cold = (time.perf_counter() - began) * 1e3
            counts = f"one run, {CONTACTS} contacts"
            yield Line("contacts filter mode, cold", cold, "ms", PAGE_MS, counts)
            counts = f"median of {REPEATS} runs, {CONTACTS} contacts, {CALLS} calls"
            for name, seconds in zip(works, compared(list(works.values()), 1), strict=True):
                yield Line(f"contacts {name}", seconds * 1e3, "ms", PAGE_MS, counts)
        finally:
            store.close()
