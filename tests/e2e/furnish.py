"""Fill an installation with people, contacts and finished calls: python -m tests.e2e.furnish DIR.

In a process of its own, for it runs calls on a virtual clock and a browser test has a loop already.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

from askfirst.clock import LoopClock, run_virtual
from askfirst.server import account, accounts, ownnumbers
from askfirst.server.access import UserRole
from askfirst.server.call import Call
from askfirst.server.clock import utc_now
from askfirst.server.contactimport import import_contacts
from askfirst.server.contacts import holder
from askfirst.server.database import reading, transaction
from askfirst.server.node import Node
from askfirst.server.ownnumbers import OwnNumber
from askfirst.server.simulation import request_for, simulate
from askfirst.server.store import Store
from askfirst.telephony.persona import Persona, packaged_personas

PASSWORD = "a sentence is easy to remember"  # noqa: S105 - of nobody
COMPANY = "Harbor Supply"
IDS = "ids.json"
"""What the tests need to know of an installation, beside its data folder."""

PEOPLE: dict[str, tuple[str, UserRole, str | None]] = {
    "agent": ("Kari Berg", UserRole.AGENT, "sales"),
    "other": ("Per Lie", UserRole.AGENT, "support"),
    "supervisor": ("Liv Moe", UserRole.SUPERVISOR, "sales"),
    "compliance": ("Nora Dahl", UserRole.COMPLIANCE, None),
    "admin": ("Ada Holm", UserRole.ADMIN, None),
    "auditor": ("Tor Vik", UserRole.AUDITOR, None),
}
"""Name, role and team of everybody; their addresses are made of the key."""

CONTACTS = """name,company,phone,place
Anna Nilsen,Nordlys AS,+4748750101,NO
Jane Roe,Bay Parts Inc.,+16285550142,US-CA
Hans Weber,Weber Maschinenbau GmbH,+493023125017,DE
Aroha Ngata,Kauri Timber,+64209001234,NZ
Ola Nordmann,Nordlys AS,+4748750102,NO
John Doe,Golden Gate Hardware,+14155550163,US-CA
Toll-free caller,,+18005550199,
Alexandra-Charlotte von Hohenstaufen,Nordnorsk Redningsselskap og Havneforsyning AS,+4791234567,NO
"""
"""The demo contacts by names of people, and one whose names are long."""

CALLS = ("presses-one", "refuses", "not-told")
"""Personas that the agent has called: recorded, refused and quarantined."""


def email(person: str) -> str:
    """The address that somebody signs in with."""
    return f"{person}@example.org"


def settle_in(store: Store) -> dict[str, str]:
    """Finish the first run and make everybody, each with the notice read; their ids."""
    now = utc_now()
    with transaction(store.engine) as connection:
        made = {
            key: accounts.add_user(
                connection, email(key), name, [role], now, password=PASSWORD, team=team
            ).id
            for key, (name, role, team) in PEOPLE.items()
        }
        stated = {
            "company": COMPANY,
            "home_place": "NO",
            "retention_days": 90,
            "lawful_basis": "legitimate_interests",
            "lawful_basis_owner": "Nora Dahl",
            "purpose": "training",
            "purpose_sentence": "training the people who answer our customers",
            "purpose_owner": "Nora Dahl",
        }
        wants = account.change(connection, stated, made["admin"], now)
        harbor = OwnNumber(
            "+4721000001", "Harbor", "sales", frozenset({made["other"]}), takes_messages=True
        )
        ownnumbers.keep(connection, harbor, made["admin"], now)
        for identity in made.values():
            accounts.acknowledge(connection, identity, wants.notice_version, now)
    return made


def meet(store: Store, by: str) -> str:
    """Import the contacts; the id of one of them."""
    import_contacts(store.engine, CONTACTS.encode(), utc_now(), by=by, owner=by, write=True)
    with reading(store.engine) as connection:
        found = holder(connection, "+4748750101")
    assert found is not None
    return found


def talk(folder: Path, agent: str) -> dict[str, str]:
    """Let an agent call some personas, and finish everything that follows; the calls' ids."""
    node = Node.open(folder)

    async def one(persona: Persona) -> Call:
        request = replace(request_for(persona), agent=agent)
        return await simulate(node, LoopClock(), persona, request)

    try:
        personas = packaged_personas()
        made = {name: run_virtual(one(personas[name])).id for name in CALLS}
        node.jobs.wait()
    finally:
        node.close()
    return made


def furnish(folder: Path) -> None:
    """Everything, with the ids beside the folder."""
    store = Store.open(folder)
    try:
        people = settle_in(store)
        contact = meet(store, people["agent"])
    finally:
        store.close()
    ids = {"people": people, "contact": contact, "calls": talk(folder, people["agent"])}
    (folder.parent / IDS).write_text(json.dumps(ids))


if __name__ == "__main__":
    furnish(Path(sys.argv[1]))
