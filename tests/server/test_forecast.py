"""Forecasts: every contact counted once, with who decides and why, and none of them kept."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator

import pytest
from tests.server import people, rig
from tests.server.people import KARI, LONDON, NORDIC, OLA, ON, TOLL_FREE, draft, meet

from askfirst.model import Party
from askfirst.policy import Policy
from askfirst.rules import packaged
from askfirst.server import contacts
from askfirst.server.contactsearch import prospects
from askfirst.server.database import reading, transaction
from askfirst.server.forecast import Answer, Outlook, Prospect, answer_of, forecast
from askfirst.server.store import Store


@pytest.fixture(autouse=True)
def _users(store: Store) -> None:
    people.employ(store)


def test_a_forecast_counts_every_contact_once_and_says_who_decides_and_why(store: Store) -> None:
    numbers = ("+12125550118", "+12125550119", NORDIC, rig.CALIFORNIA, TOLL_FREE, LONDON)
    made = [meet(store, draft(f"At {number}", number)) for number in numbers]
    gone = meet(store, draft("Gone", "+4790000001"))
    with transaction(store.engine) as writing:
        contacts.never_record(writing, made[-1], KARI, rig.AT)
        contacts.archive(writing, gone, rig.AT)

    with reading(store.engine) as connection:
        seen = forecast(prospects(connection), "US-TX", Policy(), packaged(), ON)

    assert seen.total == len(numbers)
    assert sum(share.count for share in seen.answers.values()) == len(numbers)
    assert set(seen.answers) == set(Answer)
    forbidden = seen.answers[Answer.FORBIDDEN]
    assert (forbidden.count, [place.code for place in forbidden.places]) == (1, ["POLICY"])
    assert forbidden.places[0].reason is not None
    assert forbidden.places[0].reason.rule == "POLICY.contact_objected"
    asked = {place.code: place for place in seen.answers[Answer.ASKED].places}
    assert asked["UNKNOWN"].count == 1
    assert all(place.reason and place.reason.jurisdiction == code for code, place in asked.items())
    loose = seen.answers[Answer.AT_ONCE].count + seen.answers[Answer.TOLD].count
    assert loose == 2


def test_a_forecast_of_groups_is_that_of_its_single_contacts(store: Store) -> None:
    numbers = [NORDIC, LONDON, TOLL_FREE, *(f"+1212555{n:04d}" for n in range(100, 120))]
    for number in numbers:
        meet(store, draft(number, number))
    outlook = ("NO", Policy(always_ask=False, lawful_basis=None), None, ON)

    with reading(store.engine) as connection:
        grouped = forecast(prospects(connection), *outlook)
    single = forecast((Prospect(Party.contact(number)) for number in numbers), *outlook)

    assert grouped == single


def test_the_scope_of_a_forecast_leaves_other_teams_out(store: Store) -> None:
    meet(store, draft("Anna", NORDIC, owner=KARI))
    meet(store, draft("Berit", LONDON, owner=OLA))

    with reading(store.engine) as connection:
        seen = forecast(prospects(connection, frozenset({OLA})), "NO", Policy(), None, ON)

    assert seen.total == 1


def test_answers_are_read_off_decisions_in_doubt_the_stricter() -> None:
    wishes = {
        Answer.FORBIDDEN: Policy(recording_enabled=False),
        Answer.ASKED: Policy(always_ask=True),
        Answer.TOLD: Policy(mandatory_recording="mifid2"),
        Answer.AT_ONCE: Policy(),
    }
    someone = Prospect(Party.contact("+12125550118"))

    for answer, policy in wishes.items():
        assert answer_of(Outlook("US-TX", policy, ON).decision(someone)) is answer


def test_a_forecast_keeps_no_contact() -> None:
    def many(number: int) -> Iterator[Prospect]:
        return (Prospect(Party.contact(f"+1212555{n % 10_000:04d}")) for n in range(number))

    forecast(many(100), "NO", Policy(), None, ON)
    tracemalloc.start()
    forecast(many(200), "NO", Policy(), None, ON)
    few = tracemalloc.get_traced_memory()[1]
    tracemalloc.reset_peak()
    forecast(many(4_000), "NO", Policy(), None, ON)
    lots = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert lots < few + 50_000
