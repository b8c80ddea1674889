"""Users, contacts and calls for tests of contacts, written the way the program writes them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from tests.server import rig

from askfirst.server import contacts
from askfirst.server.accounttables import users
from askfirst.server.contactcard import Contact, Draft, Number
from askfirst.server.contactsearch import Search, find
from askfirst.server.database import calls, consents, parties, reading, transaction
from askfirst.server.store import Store

KARI, OLA = "usr_" + "1" * 32, "usr_" + "2" * 32
NOBODY = "pers_" + "f" * 32
NAIVE = rig.AT.replace(tzinfo=None)
LATER = rig.AT + timedelta(days=1)
ON = rig.AT.date()
NORDIC = rig.NORWAY
LONDON = "+442079460018"
TOLL_FREE = "+18005550199"


def employ(store: Store) -> None:
    """Two users of the account."""
    with transaction(store.engine) as connection:
        for user, name in ((KARI, "kari"), (OLA, "ola")):
            connection.execute(
                users.insert().values(
                    id=user,
                    email=f"{name}@example.org",
                    name=name,
                    roles=["agent"],
                    language="en",
                    theme="system",
                    created_at=rig.AT,
                    failures=0,
                )
            )


def draft(
    name: str = "Nora Lie",
    *numbers: str,
    company: str = "",
    email: str = "",
    notes: str = "",
    owner: str | None = None,
) -> Draft:
    """A draft with these numbers, the first of them primary."""
    return Draft(name, company, email, owner, notes, tuple(Number(each) for each in numbers))


def meet(store: Store, given: Draft, at: datetime = rig.AT) -> str:
    """Add a contact."""
    with transaction(store.engine) as connection:
        return contacts.add(connection, given, at)


def known(store: Store, contact: str) -> Contact:
    with reading(store.engine) as connection:
        return contacts.get(connection, contact)


def found(store: Store, text: str = "", region: str | None = "NO", **more: object) -> list[str]:
    """Names on the first page of a search."""
    with reading(store.engine) as connection:
        search = replace(Search(text, default_region=region), **more)  # type: ignore[arg-type]  # a field's own type
        return [each.name for each in find(connection, search).contacts]


def called(
    store: Store,
    number: str,
    *kinds: str,
    places: Iterable[str] = ("NO",),
    at: datetime = rig.AT,
    provider: str = "sip",
    answered: bool = True,
    ledger: int = 0,
    party: int = 1,
) -> str:
    """A call to a number in which a party did these things, as a call book writes it.

    Party 0 is the agent, party 1 the contact.
    """
    call = f"call_{number.removeprefix('+'):0>20}{ledger:012d}"
    with transaction(store.engine) as connection:
        connection.execute(
            calls.insert().values(
                id=call,
                created_at=at,
                answered_at=at if answered else None,
                provider=provider,
                direction="outbound",
                language="en",
                policy={},
                proof=0,
            )
        )
        for role, place, whose in (("agent", "NO", "+4721000000"), ("contact", None, number)):
            connection.execute(
                parties.insert().values(
                    call=call,
                    number_in_call=0 if role == "agent" else 1,
                    role=role,
                    number=whose,
                    places=[place] if place else sorted(places),
                )
            )
        for step, kind in enumerate(kinds):
            connection.execute(
                consents.insert().values(
                    id=f"con_{call[-20:]}{step:012d}",
                    call=call,
                    party=party,
                    kind=kind,
                    how="keypad",
                    proof=4 if kind == "agreed" else 0,
                    uses=["record"],
                    elements=[],
                    at=at,
                    at_ms=step,
                    ledger=ledger + step,
                )
            )
    return call
