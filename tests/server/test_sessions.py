"""Sessions and rounds: until when they hold, and what ends them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
import sqlalchemy as sa
from tests.server.rig import AT

from askfirst.server import accounts, rounds, sessions
from askfirst.server.access import UserRole
from askfirst.server.rounds import RoundKind
from askfirst.server.signintables import rounds as rows
from askfirst.server.store import Store

HOUR, IDLE, SECOND = timedelta(hours=1), timedelta(minutes=10), timedelta(seconds=1)


@pytest.fixture
def connection(store: Store) -> Iterator[sa.Connection]:
    with store.engine.begin() as opened:
        yield opened


@pytest.fixture
def kari(connection: sa.Connection) -> str:
    return accounts.add_user(connection, "kari@e.org", "Kari", [UserRole.AGENT], AT).id


def begin(connection: sa.Connection, user: str, factors: int = 1) -> str:
    return sessions.begin(connection, user, AT, HOUR, "browser", idle=IDLE, factors=factors)


def test_a_session_in_which_nothing_is_done_ends(connection: sa.Connection, kari: str) -> None:
    token = begin(connection, kari)

    assert sessions.holder(connection, token, AT + IDLE - SECOND) is not None
    assert sessions.holder(connection, token, AT + IDLE) is None
    assert sessions.present(connection, kari, AT + IDLE) is None
    assert sessions.of_user(connection, kari, AT + IDLE) == []


def test_a_session_that_is_used_goes_on_to_its_end_and_no_further(
    connection: sa.Connection, kari: str
) -> None:
    token, at = begin(connection, kari), AT
    while at + IDLE < AT + HOUR:
        at += IDLE - SECOND
        sessions.touch(connection, token, at, IDLE)

    assert sessions.holder(connection, token, AT + HOUR - SECOND) is not None
    assert sessions.holder(connection, token, AT + HOUR) is None


def test_a_session_that_has_ended_is_not_woken(connection: sa.Connection, kari: str) -> None:
    token = begin(connection, kari)
    sessions.touch(connection, token, AT + IDLE, IDLE)

    assert sessions.holder(connection, token, AT + IDLE) is None


def test_a_renewed_session_has_another_token_and_the_same_end(
    connection: sa.Connection, kari: str
) -> None:
    old = begin(connection, kari)
    new = sessions.renew(connection, old, 2)

    assert sessions.holder(connection, old, AT) is None
    found = sessions.find(connection, new, AT)
    assert found is not None
    assert (found[1].factors, found[1].expires_at) == (2, AT + HOUR)


def test_ending_all_but_one_leaves_that_one(connection: sa.Connection, kari: str) -> None:
    mine, other = begin(connection, kari), begin(connection, kari)

    assert sessions.end_all(connection, kari, but=mine) == 1
    assert sessions.holder(connection, other, AT) is None
    assert [each.name for each in sessions.of_user(connection, kari, AT)] == [
        sessions.name_of(mine)
    ]


def test_nobody_ends_a_session_of_somebody_else_by_its_name(
    connection: sa.Connection, kari: str
) -> None:
    ola = accounts.add_user(connection, "ola@e.org", "Ola", [UserRole.AGENT], AT).id
    token = begin(connection, kari)

    assert not sessions.end_named(connection, ola, sessions.name_of(token))
    assert sessions.holder(connection, token, AT) is not None
    assert sessions.end_named(connection, kari, sessions.name_of(token))
    assert sessions.holder(connection, token, AT) is None


def test_the_name_of_a_session_opens_nothing(connection: sa.Connection, kari: str) -> None:
    assert sessions.holder(connection, sessions.name_of(begin(connection, kari)), AT) is None


# Rounds


def test_a_round_is_used_once_for_its_purpose_and_for_minutes(
    connection: sa.Connection, kari: str
) -> None:
    token = rounds.begin(connection, RoundKind.SIGN_IN, AT, user=kari)

    assert rounds.look(connection, token, RoundKind.PASSKEY, AT) is None
    assert rounds.look(connection, token, RoundKind.SIGN_IN, AT + rounds.LASTS) is None
    assert rounds.take(connection, token, RoundKind.SIGN_IN, AT) is not None
    assert rounds.take(connection, token, RoundKind.SIGN_IN, AT) is None


def test_a_round_is_no_session(connection: sa.Connection, kari: str) -> None:
    token = rounds.begin(connection, RoundKind.SIGN_IN, AT, user=kari)

    assert sessions.holder(connection, token, AT) is None


def test_a_round_is_spent_after_so_many_tries(connection: sa.Connection, kari: str) -> None:
    token = rounds.begin(connection, RoundKind.SIGN_IN, AT, user=kari)
    for _ in range(rounds.MOST_TRIES):
        assert rounds.look(connection, token, RoundKind.SIGN_IN, AT) is not None
        rounds.count_try(connection, token)

    assert rounds.look(connection, token, RoundKind.SIGN_IN, AT) is None


def test_the_token_of_a_round_is_not_in_the_database(connection: sa.Connection, kari: str) -> None:
    token = rounds.begin(connection, RoundKind.SIGN_IN, AT, user=kari)

    assert token not in repr(connection.execute(sa.select(rows)).all())


def test_a_change_of_factors_ends_what_was_begun(connection: sa.Connection, kari: str) -> None:
    token = rounds.begin(connection, RoundKind.SIGN_IN, AT, user=kari)
    rounds.end_all(connection, kari)

    assert rounds.look(connection, token, RoundKind.SIGN_IN, AT) is None
