"""Looking for contacts: spellings, filters, pages without gaps, seats that decisions share."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.server import people, rig
from tests.server.people import KARI, LONDON, NOBODY, NORDIC, OLA, ON, TOLL_FREE, draft, found, meet

from askfirst.errors import InvalidInput, InvalidRequest
from askfirst.model import Mode, Party, Source
from askfirst.places import locate
from askfirst.policy import Policy
from askfirst.server import contacts
from askfirst.server.contactcard import KnownPlace, Number, codes_of, seat
from askfirst.server.contactsearch import Search, count, find, reseat
from askfirst.server.contacttables import contacts as table
from askfirst.server.database import reading, transaction
from askfirst.server.forecast import Outlook, Prospect
from askfirst.server.store import Store


@pytest.fixture(autouse=True)
def _users(store: Store) -> None:
    people.employ(store)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("+4748750103", ["Bjørn Åsen"]),
        ("48750103", ["Bjørn Åsen"]),
        ("487 50 103", ["Bjørn Åsen"]),
        ("0047 487 50 103", ["Bjørn Åsen"]),
        ("004748750103", ["Bjørn Åsen"]),
        ("+47 487\u00a050\u2011103", ["Bjørn Åsen"]),
        ("\u202a+47 48 75 01 03\u202c", ["Bjørn Åsen"]),
        ("４８７５０１０３", ["Bjørn Åsen"]),
        ("875 01", ["Bjørn Åsen"]),
        ("+47", ["Bjørn Åsen"]),
        ("+44 (0)20 7946 0018", ["Jane Roe"]),
        ("020 7946 0018", ["Jane Roe"]),
        ("(020) 7946-0018", ["Jane Roe"]),
        ("020 7946", ["Jane Roe"]),
        ("(800) 555-0199", ["Ola 100% Nordmann"]),
        ("1-800-555-0199", ["Ola 100% Nordmann"]),
        ("800.555.0199", ["Ola 100% Nordmann"]),
        ("jane 7946", ["Jane Roe"]),
        ("jane 8005", []),
        ("bjorn", ["Bjørn Åsen"]),
        ("BJØRN asen", ["Bjørn Åsen"]),
        ("åsen bjørn", ["Bjørn Åsen"]),
        ("rema 1000", ["Jane Roe"]),
        ("nordlys", ["Bjørn Åsen"]),
        ("JANE@example", ["Jane Roe"]),
        ("100%", ["Ola 100% Nordmann"]),
        ("%", ["Ola 100% Nordmann"]),
        ("_", []),
        ("'; drop table contacts --", []),
        ("", ["Bjørn Åsen", "Jane Roe", "Ola 100% Nordmann"]),
    ],
)
def test_contacts_are_found_in_every_usual_spelling(
    store: Store, text: str, expected: list[str]
) -> None:
    meet(store, draft("Bjørn Åsen", NORDIC, company="Nordlys AS"))
    meet(store, draft("Jane Roe", LONDON, company="Rema 1000", email="jane@example.org"))
    meet(store, draft("Ola 100% Nordmann", TOLL_FREE))

    assert found(store, text) == expected


@pytest.mark.parametrize("text", ["x" * 201, "a\x00b", "a b c d e f g h i j k l m"])
def test_a_search_that_cannot_be_used_is_refused(store: Store, text: str) -> None:
    with pytest.raises(InvalidRequest, match="search"):
        found(store, text)


def test_a_wrong_limit_place_or_cursor_is_refused(store: Store) -> None:
    with reading(store.engine) as connection:
        for limit in (0, -1, 201):
            with pytest.raises(InvalidRequest, match="limit"):
                find(connection, Search(), limit=limit)
        with pytest.raises(InvalidRequest, match="place"):
            find(connection, Search(place="norway"))
        with pytest.raises(InvalidRequest, match="begin at the first page"):
            find(connection, Search(), after=NOBODY)
        with pytest.raises(InvalidInput, match="outlook"):
            find(connection, Search(mode=Mode.ASK))


def test_places_are_found_from_number_and_address_a_state_with_its_country(store: Store) -> None:
    address = KnownPlace("FR", Source.ADDRESS, rig.AT)
    meet(store, draft("Anna", rig.CALIFORNIA))
    meet(store, replace(draft("Berit", NORDIC), places=(address,)))
    meet(store, draft("Cecilie", TOLL_FREE))

    assert found(store, place="US-CA") == ["Anna"]
    assert found(store, place="US") == ["Anna"]
    assert found(store, place="FR") == ["Berit"]
    assert found(store, place="NO") == ["Berit"]
    assert found(store, place="UNKNOWN") == ["Cecilie"]
    assert found(store, place="SE") == []


def test_the_owner_and_the_scope_narrow(store: Store) -> None:
    meet(store, draft("Anna", owner=KARI))
    meet(store, draft("Berit", owner=OLA))
    meet(store, draft("Cecilie"))

    assert found(store, owner=KARI) == ["Anna"]
    assert found(store, scope=frozenset({OLA})) == ["Berit", "Cecilie"]
    assert found(store, owner=KARI, scope=frozenset({OLA})) == []


def test_the_mode_filter_gives_what_each_decision_gives(store: Store) -> None:
    numbers = (NORDIC, LONDON, TOLL_FREE, rig.CALIFORNIA, "+12125550118", "+493023125017")
    made = {number: meet(store, draft(f"At {number}", number)) for number in numbers}
    with transaction(store.engine) as writing:
        contacts.never_record(writing, made[LONDON], KARI, rig.AT)
    outlook = Outlook("US-TX", Policy(), ON)

    with reading(store.engine) as connection:
        listed = {
            mode: {
                each.id for each in find(connection, Search(mode=mode), outlook=outlook).contacts
            }
            for mode in Mode
        }
        counted = {mode: count(connection, Search(mode=mode), outlook) for mode in Mode}

    single = {
        mode: {
            contact
            for number, contact in made.items()
            if outlook.decision(Prospect(Party.contact(number), number == LONDON)).mode is mode
        }
        for mode in Mode
    }
    assert listed == single
    assert counted == {mode: len(ids) for mode, ids in single.items()}
    assert single[Mode.FORBID] == {made[LONDON]}
    assert made["+12125550118"] in single[Mode.AUTO]


def test_lists_are_in_the_order_of_names_and_nobody_is_without_one(store: Store) -> None:
    meet(store, draft("", TOLL_FREE))
    meet(store, draft("øyvind"))
    meet(store, draft("Anna"))
    meet(store, draft("", company="Mellom AS"))

    assert found(store) == ["", "Anna", "", "øyvind"]


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    before=st.lists(st.sampled_from("abcdef"), min_size=1, max_size=12),
    meanwhile=st.lists(st.lists(st.sampled_from("abcdef"), max_size=3), max_size=6),
    limit=st.integers(1, 4),
)
def test_pages_have_no_gaps_and_no_repeats_while_contacts_are_added(
    before: list[str], meanwhile: list[list[str]], limit: int
) -> None:
    with TemporaryDirectory() as folder:
        store = Store.open(Path(folder))
        try:
            there = {meet(store, draft(name)) for name in before}
            late = iter(meanwhile)
            seen: list[tuple[str, str]] = []
            after: str | None = None
            while True:
                with reading(store.engine) as connection:
                    page = find(connection, Search(), after=after, limit=limit)
                assert 1 <= len(page.contacts) <= limit
                seen += [(each.name, each.id) for each in page.contacts]
                assert len(seen) == len(set(seen))
                after = page.after
                if after is None:
                    break
                for name in next(late, []):
                    meet(store, draft(name))
        finally:
            store.close()

    assert seen == sorted(seen)
    assert there <= {contact for _, contact in seen}


def test_reseating_mends_what_older_number_tables_said(store: Store) -> None:
    contact = meet(store, draft("Nora", NORDIC))
    meet(store, draft("Ola", LONDON))
    with transaction(store.engine) as writing:
        writing.execute(table.update().where(table.c.id == contact).values(seat="SE/number/likely"))
    assert found(store, place="SE") == ["Nora"]

    with transaction(store.engine) as writing:
        assert reseat(writing) == 1
        assert reseat(writing) == 0

    assert (found(store, place="SE"), found(store, place="NO")) == ([], ["Nora"])


@settings(deadline=None)
@given(
    st.sampled_from([NORDIC, LONDON, TOLL_FREE, rig.CALIFORNIA, "+390549123456", None]),
    st.lists(st.sampled_from(["NO", "US-CA", "FR"]), max_size=3),
)
def test_a_seat_holds_the_places_that_a_decision_sees(number: str | None, codes: list[str]) -> None:
    one = replace(
        draft("Nora"),
        numbers=(Number(number, "", True),) if number else (),
        places=tuple(KnownPlace(code, Source.STATED, rig.AT) for code in codes),
    )
    located = locate(Party.contact(*([number] if number else []), *codes))

    assert codes_of(seat(one)) == (
        frozenset(place.code for place in located.places),
        located.unknown is not None,
    )
