"""People, passwords, sessions and links: who gets in, and who does not."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
import sqlalchemy as sa
from argon2 import extract_parameters
from tests.server.rig import AT

from askfirst.errors import InvalidInput, NotFound, Refused
from askfirst.server import accounts, sessions
from askfirst.server import accounttables as tables
from askfirst.server.access import UserRole
from askfirst.server.accounts import (
    FAILURES_ALLOWED,
    LINK_LASTS,
    LOCKED_FOR,
    add_user,
    authenticate,
    change_user,
    disable,
    enable,
    make_link,
    set_password,
    use_link,
)
from askfirst.server.store import Store

PASSWORD = "a sentence is easy to remember"  # noqa: S105 - of nobody
HOUR = timedelta(hours=1)


@pytest.fixture
def connection(store: Store) -> Iterator[sa.Connection]:
    with store.engine.begin() as opened:
        yield opened


@pytest.fixture
def kari(connection: sa.Connection) -> accounts.User:
    return add_user(
        connection, " Kari@Example.org ", "Kari  Berg", [UserRole.ADMIN], AT, password=PASSWORD
    )


def test_a_wrong_password_gets_nobody_in(connection: sa.Connection, kari: accounts.User) -> None:
    assert authenticate(connection, "kari@example.org", PASSWORD + ".", AT).user is None
    assert authenticate(connection, "ola@example.org", PASSWORD, AT).user is None
    assert authenticate(connection, "kari@example.org", PASSWORD, AT).user == kari


@pytest.mark.parametrize("password", ["leavemealone", "Password12345!", "qwertyqwerty"])
def test_a_password_that_is_known_from_leaks_is_not_taken(
    connection: sa.Connection, kari: accounts.User, password: str
) -> None:
    with pytest.raises(InvalidInput, match="known from leaks"):
        set_password(connection, kari.id, password)
    with pytest.raises(InvalidInput, match="known from leaks"):
        add_user(connection, "ola@example.org", "Ola", [UserRole.AGENT], AT, password=password)

    assert authenticate(connection, kari.email, PASSWORD, AT).user == kari


def test_too_many_wrong_passwords_lock_even_the_right_one_out_for_a_while(
    connection: sa.Connection, kari: accounts.User
) -> None:
    for _ in range(FAILURES_ALLOWED):
        assert authenticate(connection, kari.email, "wrong", AT).user is None

    assert authenticate(connection, kari.email, PASSWORD, AT).user is None
    just_before = AT + LOCKED_FOR - timedelta(seconds=1)
    assert authenticate(connection, kari.email, PASSWORD, just_before).user is None
    assert authenticate(connection, kari.email, PASSWORD, AT + LOCKED_FOR).user == kari


def test_a_right_password_alone_forgives_no_earlier_failures(
    connection: sa.Connection, kari: accounts.User
) -> None:
    for _ in range(FAILURES_ALLOWED):
        assert authenticate(connection, kari.email, PASSWORD, AT).user == kari
        authenticate(connection, kari.email, "wrong", AT)

    assert accounts.is_locked(connection, kari.id, AT)


def test_whoever_has_signed_in_is_forgiven_earlier_failures(
    connection: sa.Connection, kari: accounts.User
) -> None:
    for _ in range(3):
        for _ in range(FAILURES_ALLOWED - 1):
            authenticate(connection, kari.email, "wrong", AT)
        assert authenticate(connection, kari.email, PASSWORD, AT).user == kari
        accounts.forgive(connection, kari.id)


def test_somebody_disabled_is_out_at_once_and_can_be_let_in_again(
    connection: sa.Connection, kari: accounts.User
) -> None:
    ola = add_user(connection, "o@e.org", "Ola", [UserRole.AGENT], AT, password=PASSWORD)
    token = sessions.begin(connection, ola.id, AT, HOUR, "browser")
    disable(connection, ola.id, AT)

    assert sessions.holder(connection, token, AT) is None
    assert authenticate(connection, ola.email, PASSWORD, AT).user is None
    enable(connection, ola.id)
    assert authenticate(connection, ola.email, PASSWORD, AT).user == ola


@pytest.mark.parametrize("act", ["disable", "demote"])
def test_the_last_administrator_stays(
    connection: sa.Connection, kari: accounts.User, act: str
) -> None:
    def take_away() -> None:
        if act == "disable":
            disable(connection, kari.id, AT)
        else:
            change_user(connection, kari.id, roles=["agent"])

    with pytest.raises(Refused, match="make another one first"):
        take_away()


@pytest.mark.parametrize("password", ["", "short", "x" * 11, "x" * 257])
def test_a_weak_or_endless_password_is_refused(
    connection: sa.Connection, kari: accounts.User, password: str
) -> None:
    with pytest.raises(InvalidInput, match="expected 12 to 256"):
        set_password(connection, kari.id, password)
    assert authenticate(connection, kari.email, PASSWORD, AT).user == kari


def test_a_new_password_ends_every_session(connection: sa.Connection, kari: accounts.User) -> None:
    token = sessions.begin(connection, kari.id, AT, HOUR, "browser")
    set_password(connection, kari.id, PASSWORD + "!")

    assert sessions.holder(connection, token, AT) is None
    assert authenticate(connection, kari.email, PASSWORD, AT).user is None


def test_a_session_ends_at_its_time_and_when_it_is_ended(
    connection: sa.Connection, kari: accounts.User
) -> None:
    first = sessions.begin(connection, kari.id, AT, HOUR, "browser")
    second = sessions.begin(connection, kari.id, AT, HOUR, "x" * 900)

    assert sessions.holder(connection, first, AT + HOUR - timedelta(seconds=1)) == kari
    assert sessions.holder(connection, first, AT + HOUR) is None
    sessions.end(connection, second)
    assert sessions.holder(connection, second, AT) is None
    assert sessions.holder(connection, "", AT) is None
    assert sessions.holder(connection, "\ud800", AT) is None


def test_neither_tokens_nor_passwords_are_in_the_database(
    connection: sa.Connection, kari: accounts.User
) -> None:
    token = sessions.begin(connection, kari.id, AT, HOUR, "browser")
    link = make_link(connection, kari.id, AT)
    kept = repr(
        [
            connection.execute(sa.select(table)).all()
            for table in (tables.users, tables.sessions, tables.sign_in_links)
        ]
    )

    assert token not in kept
    assert link not in kept
    assert PASSWORD not in kept
    assert "argon2id" in kept


def test_a_guess_at_a_password_costs_what_owasp_asks_at_least() -> None:
    cost = extract_parameters(accounts._NOBODY)
    assert (cost.memory_cost, cost.time_cost, cost.parallelism) >= (19_456, 2, 1)


def test_a_link_opens_once_and_for_a_while(connection: sa.Connection, kari: accounts.User) -> None:
    old = make_link(connection, kari.id, AT)
    link = make_link(connection, kari.id, AT)

    with pytest.raises(Refused):
        use_link(connection, old, AT)
    assert accounts.is_link(connection, link, AT)
    assert use_link(connection, link, AT) == kari.id
    with pytest.raises(Refused, match="used or is too old"):
        use_link(connection, link, AT)
    late = make_link(connection, kari.id, AT)
    with pytest.raises(Refused):
        use_link(connection, late, AT + LINK_LASTS)


@pytest.mark.parametrize("email", ["", "kari", "@", "a@", "a b@c", "a@b c", "a" * 65 + "@b"])
def test_what_is_no_address_is_refused(connection: sa.Connection, email: str) -> None:
    with pytest.raises(InvalidInput, match="e-mail"):
        add_user(connection, email, "Kari", [UserRole.AGENT], AT)


def test_an_address_belongs_to_one_person(connection: sa.Connection, kari: accounts.User) -> None:
    with pytest.raises(InvalidInput, match="already"):
        add_user(connection, "KARI@example.org", "Another", [UserRole.AGENT], AT)
    assert (kari.email, kari.name) == ("kari@example.org", "Kari Berg")


def test_nobody_is_nobody(connection: sa.Connection, kari: accounts.User) -> None:
    with pytest.raises(NotFound):
        accounts.user(connection, "usr_0")
    with pytest.raises(NotFound):
        disable(connection, "usr_0", AT)
    with pytest.raises(InvalidInput, match="a person has"):
        change_user(connection, kari.id, failures=0)
