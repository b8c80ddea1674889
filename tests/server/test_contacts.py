"""Contacts: what cannot be kept, who agreed, who is never recorded."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa
from tests.server import people, rig
from tests.server.people import (
    KARI,
    LATER,
    LONDON,
    NAIVE,
    NOBODY,
    NORDIC,
    OLA,
    ON,
    TOLL_FREE,
    draft,
    found,
    known,
    meet,
)

from askfirst.errors import InvalidInput, InvalidRequest, NotFound, Refused
from askfirst.model import Source
from askfirst.policy import Policy
from askfirst.server import contacts, followups, reviews
from askfirst.server.contactcard import KnownPlace, Number
from askfirst.server.contacttables import contact_numbers, follow_ups
from askfirst.server.contacttables import contacts as table
from askfirst.server.database import reading, transaction
from askfirst.server.objections import policy_for
from askfirst.server.store import Store


@pytest.fixture(autouse=True)
def _users(store: Store) -> None:
    people.employ(store)


# What cannot be kept


def test_a_naive_time_is_refused_wherever_a_time_is_taken(writing: sa.Connection) -> None:
    known_place = KnownPlace("NO", Source.STATED, NAIVE)
    attempts = (
        lambda: contacts.add(writing, draft(), NAIVE),
        lambda: contacts.add(writing, replace(draft(), places=(known_place,)), rig.AT),
        lambda: contacts.change(writing, NOBODY, draft(), NAIVE),
        lambda: contacts.archive(writing, NOBODY, NAIVE),
        lambda: contacts.restore(writing, NOBODY, NAIVE),
        lambda: contacts.never_record(writing, NOBODY, KARI, NAIVE),
        lambda: contacts.may_record_again(writing, NOBODY, KARI, NAIVE),
        lambda: reviews.review(writing, "NO", KARI, NAIVE),
        lambda: followups.done(writing, "fol_1", NAIVE),
    )
    for attempt in attempts:
        with pytest.raises(InvalidInput, match="time zone"):
            attempt()


def test_an_unknown_id_is_not_found_wherever_an_id_is_taken(store: Store) -> None:
    contact = meet(store, draft())
    stranger = "usr_" + "f" * 32
    with transaction(store.engine) as writing:
        attempts = (
            lambda: contacts.get(writing, NOBODY),
            lambda: contacts.change(writing, NOBODY, draft(), rig.AT),
            lambda: contacts.archive(writing, NOBODY, rig.AT),
            lambda: contacts.restore(writing, NOBODY, rig.AT),
            lambda: contacts.never_record(writing, NOBODY, KARI, rig.AT),
            lambda: contacts.never_record(writing, contact, stranger, rig.AT),
            lambda: contacts.may_record_again(writing, NOBODY, KARI, rig.AT),
            lambda: contacts.consent_history(writing, NOBODY),
            lambda: contacts.learn_place(writing, NOBODY, "NO", Source.STATED, KARI, rig.AT),
            lambda: contacts.learn_place(writing, contact, "NO", Source.STATED, stranger, rig.AT),
            lambda: contacts.add(writing, draft("A", owner=stranger), rig.AT),
            lambda: reviews.review(writing, "NO", stranger, rig.AT),
            lambda: followups.promise(writing, NOBODY, ON),
            lambda: followups.promise(writing, contact, ON, owner=stranger),
            lambda: followups.promise(writing, contact, ON, call="call_1"),
            lambda: followups.done(writing, "fol_1", rig.AT),
            lambda: followups.follow_ups_of(writing, NOBODY),
        )
        for attempt in attempts:
            with pytest.raises(NotFound):
                attempt()

    assert known(store, contact).places == ()


@pytest.mark.parametrize("code", ["UK", "no", "NOR", "ZZ", "EU", "", "NO-", "USA", "X\x00", "🇳🇴"])
def test_a_wrong_code_is_refused(writing: sa.Connection, code: str) -> None:
    place = KnownPlace(code, Source.ADDRESS, rig.AT)

    with pytest.raises(InvalidRequest, match="expected the code of a place") as caught:
        contacts.add(writing, replace(draft(), places=(place,)), rig.AT)
    with pytest.raises(InvalidRequest):
        reviews.first_call(writing, code)
    with pytest.raises(InvalidRequest):
        reviews.review(writing, code, KARI, rig.AT)

    assert caught.value.key == "places"


@pytest.mark.parametrize("source", [Source.NUMBER, Source.RECORDER])
def test_a_place_of_the_number_or_recorder_is_not_written_down(
    writing: sa.Connection, source: Source
) -> None:
    with pytest.raises(InvalidRequest, match="address, stated or given"):
        contacts.add(writing, replace(draft(), places=(KnownPlace("NO", source, rig.AT),)), rig.AT)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "N" * 201),
        ("name", "N\x00ora"),
        ("name", "N\ud800ora"),
        ("company", "C" * 201),
        ("email", "nora"),
        ("email", "nora lie@example.org"),
        ("email", "n" * 250 + "@example.org"),
        ("notes", "n" * 10_001),
        ("notes", "\x1b[2J"),
    ],
)
def test_a_field_that_cannot_be_kept_is_named(
    writing: sa.Connection, field: str, value: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        contacts.add(writing, replace(draft(), **{field: value}), rig.AT)  # type: ignore[arg-type]  # a field's own type

    assert caught.value.key == field
    assert value not in str(caught.value)


@pytest.mark.parametrize(
    "number", ["", "911", "sip:kari@example.org", "48750103", "+47 nothing", "+4748750103" * 4]
)
def test_what_is_no_number_is_refused_without_repeating_it(
    writing: sa.Connection, number: str
) -> None:
    with pytest.raises(InvalidRequest, match="number 1 is no telephone number") as caught:
        contacts.add(writing, draft("Nora", number), rig.AT)

    assert caught.value.key == "numbers"
    assert not number or number not in str(caught.value)


def test_a_contact_of_nothing_is_refused(writing: sa.Connection) -> None:
    with pytest.raises(InvalidRequest, match="at least one"):
        contacts.add(writing, draft("  "), rig.AT)


def test_two_primary_numbers_are_refused(writing: sa.Connection) -> None:
    two = (Number(NORDIC, "work", True), Number(LONDON, "home", True))

    with pytest.raises(InvalidRequest, match="2 primary numbers"):
        contacts.add(writing, replace(draft(), numbers=two), rig.AT)


def test_one_number_twice_is_refused(writing: sa.Connection) -> None:
    with pytest.raises(InvalidRequest, match="stands twice"):
        contacts.add(writing, draft("Nora", NORDIC, "+47 487 50 103"), rig.AT)


def test_a_number_that_another_contact_has_is_refused_naming_that_contact(store: Store) -> None:
    first = meet(store, draft("Nora", NORDIC))
    second = meet(store, draft("Ola", LONDON))

    with pytest.raises(Refused, match=f"number 2 belongs to contact {first}") as adding:
        meet(store, draft("Per", "+4790000001", "+47 487 50 103"))
    with transaction(store.engine) as writing, pytest.raises(Refused, match=first):
        contacts.change(writing, second, draft("Ola", NORDIC), LATER)

    assert "487" not in str(adding.value).replace(first, "")
    assert found(store) == ["Nora", "Ola"]
    assert [each.number for each in known(store, second).numbers] == [LONDON]


def test_the_number_of_an_archived_contact_is_refused_and_the_way_out_is_told(
    store: Store,
) -> None:
    first = meet(store, draft("Nora", NORDIC))
    with transaction(store.engine) as writing:
        contacts.archive(writing, first, LATER)

    with pytest.raises(Refused, match=f"{first} already, which is archived; restore it"):
        meet(store, draft("Nora again", NORDIC))


def test_an_archived_contact_is_not_changed_and_nothing_is_promised_to_it(store: Store) -> None:
    contact = meet(store, draft("Nora", NORDIC))
    with transaction(store.engine) as writing:
        contacts.archive(writing, contact, LATER)
        with pytest.raises(Refused, match="restore it before"):
            contacts.change(writing, contact, draft("Eva"), LATER)
        with pytest.raises(Refused, match="restore it before"):
            contacts.learn_place(writing, contact, "SE", Source.STATED, KARI, LATER)
        with pytest.raises(Refused, match="restore it before"):
            followups.promise(writing, contact, ON)

    assert known(store, contact).name == "Nora"
    assert known(store, contact).places == ()


# Written and read


def test_a_contact_comes_back_as_it_was_written(store: Store) -> None:
    place = KnownPlace("US-CA", Source.ADDRESS, rig.AT, KARI)
    given_ = replace(
        draft("  Nora   Lie ", company="Lie AS", email="nora@example.org", notes=" calls back\n"),
        owner=OLA,
        numbers=(Number("+44 (0)20 7946 0018", "work"), Number("+47 487 50 103", "mobile", True)),
        places=(place,),
    )

    contact = known(store, meet(store, given_))

    assert contact.id.startswith("pers_")
    assert (contact.name, contact.notes, contact.owner) == ("Nora Lie", "calls back", OLA)
    assert contact.numbers == (Number(LONDON, "work"), Number(NORDIC, "mobile", True))
    assert contact.places == (place,)
    assert (contact.created_at, contact.updated_at) == (rig.AT, rig.AT)
    assert contact.archived_at is None
    assert not contact.never_record


def test_a_change_replaces_everything_and_frees_the_numbers(store: Store) -> None:
    contact = meet(store, draft("Nora", NORDIC))
    with transaction(store.engine) as writing:
        changed = contacts.change(writing, contact, draft("Nora Lie", LONDON), LATER)

    other = meet(store, draft("Ola", NORDIC))

    assert (changed.name, changed.updated_at, changed.created_at) == ("Nora Lie", LATER, rig.AT)
    assert changed.numbers == (Number(LONDON, "", True),)
    assert known(store, other).numbers[0].number == NORDIC
    assert found(store, "48750103") == ["Ola"]


def test_archiving_takes_a_contact_out_of_lists_and_restoring_puts_it_back(store: Store) -> None:
    contact = meet(store, draft("Nora", NORDIC))
    with transaction(store.engine) as writing:
        contacts.archive(writing, contact, LATER)
        contacts.archive(writing, contact, LATER + timedelta(days=1))

    assert known(store, contact).archived_at == LATER
    assert (found(store), found(store, archived=True)) == ([], ["Nora"])

    with transaction(store.engine) as writing:
        contacts.restore(writing, contact, LATER)
    assert (found(store), found(store, archived=True)) == (["Nora"], [])


def test_a_place_that_is_learned_adds_to_the_others(store: Store) -> None:
    contact = meet(store, draft("Nora", NORDIC))
    with transaction(store.engine) as writing:
        contacts.learn_place(writing, contact, "FR", Source.STATED, KARI, rig.AT)
        contacts.learn_place(writing, contact, "FR", Source.STATED, OLA, LATER)
        contacts.learn_place(writing, contact, "DE", Source.ADDRESS, OLA, LATER)

    places = known(store, contact).places

    assert [(each.code, each.by, each.since) for each in places] == [
        ("DE", OLA, LATER),
        ("FR", KARI, rig.AT),
    ]
    assert found(store, place="DE") == ["Nora"]


def test_a_forgotten_contact_leaves_nothing(store: Store) -> None:
    contact = meet(store, draft("Nora", NORDIC, LONDON))
    other = meet(store, draft("Ola"))
    with transaction(store.engine) as writing:
        contacts.learn_place(writing, contact, "FR", Source.STATED, KARI, rig.AT)
        followups.promise(writing, contact, ON)
        assert contacts.forget(writing, "+47 487 50 103") == 1
        assert contacts.forget(writing, NORDIC) == 0

    with reading(store.engine) as connection:
        left = [
            connection.execute(sa.select(sa.func.count()).select_from(each)).scalar_one()
            for each in (contact_numbers, follow_ups, table)
        ]
    assert left == [0, 0, 1]
    assert known(store, other).name == "Ola"


# Never record


def test_a_contact_who_is_never_recorded_forbids_every_call_to_its_numbers(store: Store) -> None:
    contact = meet(store, draft("Nora", NORDIC, LONDON))
    with transaction(store.engine) as writing:
        contacts.never_record(writing, contact, KARI, rig.AT)
        contacts.never_record(writing, contact, OLA, LATER)

    flagged = known(store, contact)
    with reading(store.engine) as connection:
        objecting = [
            policy_for(store.erasures, connection, number, Policy(), "NO").contact_objected
            for number in ("48 75 01 03", LONDON, TOLL_FREE, "no number")
        ]

    assert (flagged.never_record_by, flagged.never_record_at) == (KARI, rig.AT)
    assert objecting == [True, True, False, False]


def test_an_objection_outlives_archiving_and_every_change(store: Store) -> None:
    contact = meet(store, draft("Nora", NORDIC))
    with transaction(store.engine) as writing:
        contacts.never_record(writing, contact, KARI, rig.AT)
        contacts.change(writing, contact, draft("Nora", NORDIC, LONDON), LATER)
        contacts.archive(writing, contact, LATER)

        assert contacts.objected(writing, NORDIC)
        assert contacts.objected(writing, LONDON)


def test_only_lifting_ends_an_objection_and_says_by_whom(store: Store) -> None:
    contact = meet(store, draft("Nora", NORDIC))
    with transaction(store.engine) as writing:
        contacts.may_record_again(writing, contact, OLA, rig.AT)
        assert contacts.get(writing, contact).never_record_by is None
        contacts.never_record(writing, contact, KARI, rig.AT)
        contacts.may_record_again(writing, contact, OLA, LATER)

        lifted = contacts.get(writing, contact)
        assert not contacts.objected(writing, NORDIC)
    assert (lifted.never_record_by, lifted.never_record_at) == (OLA, LATER)


def test_an_objection_of_the_account_itself_is_kept(store: Store, writing: sa.Connection) -> None:
    policy = Policy(contact_objected=True)

    assert policy_for(store.erasures, writing, NORDIC, policy) is policy


# Consents


def test_the_consent_history_is_that_of_all_numbers_newest_first(store: Store) -> None:
    early = people.called(store, NORDIC, "informed", "agreed", ledger=10)
    late = people.called(store, LONDON, "withdrawn", at=LATER, ledger=20)
    people.called(store, "+4790000001", "refused", at=LATER, ledger=30)
    contact = meet(store, draft("Nora", NORDIC, LONDON))

    with reading(store.engine) as connection:
        history = contacts.consent_history(connection, contact)
        newest = contacts.last_consent(connection, contact)
        one = contacts.consent_history(connection, contact, 1)

    assert [(each.call, each.kind, each.ledger) for each in history] == [
        (late, "withdrawn", 20),
        (early, "agreed", 11),
        (early, "informed", 10),
    ]
    assert newest == history[0]
    assert one == history[:1]


def test_who_never_was_on_the_phone_has_no_last_consent(store: Store) -> None:
    contact = meet(store, draft("Nora", NORDIC))
    unreachable = meet(store, draft("Ola"))
    with reading(store.engine) as connection:
        assert contacts.last_consent(connection, contact) is None
        assert contacts.last_consent(connection, unreachable) is None


def test_the_agents_own_consents_are_nobody_elses_history(store: Store) -> None:
    people.called(store, NORDIC, "agreed", party=0)
    agents = meet(store, draft("The switchboard", "+4721000000"))

    with reading(store.engine) as connection:
        assert contacts.consent_history(connection, agents) == ()


# Tables


def test_the_history_of_a_number_is_looked_up_not_searched_for(store: Store) -> None:
    with store.engine.connect() as connection:
        plan = connection.exec_driver_sql(
            "EXPLAIN QUERY PLAN SELECT call FROM parties WHERE number = '+4748750103'"
        ).all()

    assert "ix_parties_number" in str(plan)
