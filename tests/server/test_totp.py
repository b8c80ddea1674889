"""Codes of an authenticator app and recovery codes: each counts once, and for its person alone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import pyotp
import pytest
import sqlalchemy as sa
from tests.server.rig import AT

from askfirst.errors import KeyUnreadable
from askfirst.server import accounts, factors, recoverycodes, totp
from askfirst.server.access import UserRole
from askfirst.server.accountkeys import SECOND_FACTOR
from askfirst.server.keys import KeyStore
from askfirst.server.signintables import authenticators, recovery_codes
from askfirst.server.store import Store

STEP = timedelta(seconds=totp.STEP_SECONDS)


@pytest.fixture
def connection(store: Store) -> Iterator[sa.Connection]:
    with store.engine.begin() as opened:
        yield opened


def person(connection: sa.Connection, name: str) -> str:
    return accounts.add_user(connection, f"{name}@e.org", name, [UserRole.AGENT], AT).id


@pytest.fixture
def kari(connection: sa.Connection) -> str:
    return person(connection, "kari")


@pytest.fixture
def keys(store: Store) -> KeyStore:
    return store.keys


def secret_of(connection: sa.Connection, keys: KeyStore, user: str) -> str:
    assert totp.begin(connection, keys, user, AT)
    begun = totp.begun(connection, keys, user, "kari@e.org", "askfirst Nordlys")
    assert begun is not None
    return begun.secret


def code(secret: str, at: datetime) -> str:
    return pyotp.TOTP(secret).at(at)


@pytest.fixture
def secret(connection: sa.Connection, keys: KeyStore, kari: str) -> str:
    """The secret of Kari's app, confirmed a while ago."""
    found = secret_of(connection, keys, kari)
    before = AT - 10 * STEP
    assert totp.confirm(connection, keys, kari, code(found, before), before)
    return found


# What is refused


def test_a_code_is_never_accepted_twice(
    connection: sa.Connection, keys: KeyStore, kari: str, secret: str
) -> None:
    shown = code(secret, AT)

    assert totp.accept(connection, keys, kari, shown, AT)
    assert not totp.accept(connection, keys, kari, shown, AT)
    assert not totp.accept(connection, keys, kari, shown, AT + STEP)
    assert not totp.accept(connection, keys, kari, code(secret, AT - STEP), AT), "an earlier one"


@pytest.mark.parametrize(("steps", "counts"), [(-2, False), (-1, True), (1, True), (2, False)])
def test_a_clock_may_be_wrong_by_one_step_and_no_more(
    connection: sa.Connection, keys: KeyStore, kari: str, secret: str, steps: int, counts: bool
) -> None:
    assert totp.accept(connection, keys, kari, code(secret, AT + steps * STEP), AT) is counts


@pytest.mark.parametrize("wrong", ["", "12345", "1234567", "abcdef", "１２３４５６", "-12345"])
def test_what_is_no_code_is_none(
    connection: sa.Connection, keys: KeyStore, kari: str, secret: str, wrong: str
) -> None:
    assert not totp.accept(connection, keys, kari, wrong, AT)


def test_a_secret_that_no_code_has_confirmed_opens_nothing(
    connection: sa.Connection, keys: KeyStore, kari: str
) -> None:
    secret = secret_of(connection, keys, kari)

    assert not totp.accept(connection, keys, kari, code(secret, AT), AT)
    assert not factors.of_user(connection, kari).has_any


def test_the_code_that_confirmed_an_app_does_not_sign_in_as_well(
    connection: sa.Connection, keys: KeyStore, kari: str
) -> None:
    secret = secret_of(connection, keys, kari)
    assert totp.confirm(connection, keys, kari, code(secret, AT), AT)

    assert not totp.accept(connection, keys, kari, code(secret, AT), AT)


def test_a_secret_does_not_open_as_that_of_somebody_else(
    connection: sa.Connection, keys: KeyStore, kari: str, secret: str
) -> None:
    ola = person(connection, "ola")
    row = connection.execute(sa.select(authenticators)).one()
    stolen = {**row._mapping, "user": ola}
    connection.execute(authenticators.insert().values(stolen))

    with pytest.raises(KeyUnreadable, match="second factor"):
        totp.accept(connection, keys, ola, code(secret, AT), AT)


def test_a_confirmed_secret_is_shown_to_nobody_and_not_replaced(
    connection: sa.Connection, keys: KeyStore, kari: str, secret: str
) -> None:
    assert not totp.begin(connection, keys, kari, AT)
    assert totp.begun(connection, keys, kari, "k", "i") is None
    assert totp.accept(connection, keys, kari, code(secret, AT), AT)


def test_neither_secret_nor_recovery_codes_are_in_the_database(
    connection: sa.Connection, keys: KeyStore, kari: str, secret: str
) -> None:
    codes = recoverycodes.make(connection, keys, kari)
    kept = repr(
        [connection.execute(sa.select(each)).all() for each in (authenticators, recovery_codes)]
    )

    assert secret not in kept
    assert not any(each in kept or each.replace("-", "") in kept for each in codes)


# Recovery codes


def test_a_recovery_code_opens_once_and_for_its_person_alone(
    connection: sa.Connection, keys: KeyStore, kari: str
) -> None:
    ola = person(connection, "ola")
    codes = recoverycodes.make(connection, keys, kari)
    assert len(set(codes)) == recoverycodes.NUMBER

    assert not recoverycodes.use(connection, keys, ola, codes[0])
    assert recoverycodes.use(connection, keys, kari, f" {codes[0].upper()} ")
    assert not recoverycodes.use(connection, keys, kari, codes[0])
    assert not recoverycodes.use(connection, keys, kari, "")
    assert recoverycodes.left(connection, kari) == recoverycodes.NUMBER - 1


def test_new_recovery_codes_void_the_old_ones(
    connection: sa.Connection, keys: KeyStore, kari: str
) -> None:
    old = recoverycodes.make(connection, keys, kari)
    recoverycodes.make(connection, keys, kari)

    assert not recoverycodes.use(connection, keys, kari, old[0])


def test_a_recovery_code_is_no_factor_of_its_own(
    connection: sa.Connection, keys: KeyStore, kari: str
) -> None:
    codes = recoverycodes.make(connection, keys, kari)

    assert factors.accept(connection, keys, kari, codes[0], AT) is None


# Who needs one


@pytest.mark.parametrize("role", UserRole)
def test_who_needs_a_second_factor_goes_by_role_and_in_doubt_everybody(role: UserRole) -> None:
    is_officer = role in (UserRole.ADMIN, UserRole.COMPLIANCE)

    found = [factors.is_needed(wanted, [role]) for wanted in (*SECOND_FACTOR, "unheard of")]

    assert found == [False, is_officer, True, True]


def test_an_address_for_the_app_says_for_whom_and_where(
    connection: sa.Connection, keys: KeyStore, kari: str
) -> None:
    assert totp.begin(connection, keys, kari, AT)
    begun = totp.begun(connection, keys, kari, "kari@e.org", "askfirst A/S & Co")
    assert begun is not None

    read = pyotp.parse_uri(begun.address)

    assert (read.name, read.issuer) == ("kari@e.org", "askfirst A/S & Co")
    assert read.secret == begun.secret
