"""The employee notice: who has read which words, and that new words are read again."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
import sqlalchemy as sa
from tests.server.rig import AT

from askfirst.errors import InvalidInput, InvalidRequest
from askfirst.rules import packaged
from askfirst.server import accounts
from askfirst.server import employeenotice as notices
from askfirst.server.access import UserRole
from askfirst.server.account import account, change
from askfirst.server.store import Store

LATER = AT + timedelta(hours=1)
OWN = {"en": "We record calls.", "nb": "Vi tar opp samtaler."}


@pytest.fixture
def connection(store: Store) -> Iterator[sa.Connection]:
    with store.engine.begin() as opened:
        stated = {"company": "Nordlys AS", "retention_days": 90, "purpose": "training"}
        change(opened, stated, None, AT)
        yield opened


def employ(connection: sa.Connection, name: str = "ola", place: str | None = None) -> str:
    roles = [UserRole.AGENT]
    return accounts.add_user(connection, f"{name}@e.org", name, roles, AT, place=place).id


def test_another_version_or_other_words_than_those_in_force_are_not_read(
    connection: sa.Connection,
) -> None:
    ola, shown = employ(connection), notices.present(connection)
    change(connection, {"retention_days": 365}, None, LATER)

    for number, digest in ((2, None), (0, None), (1, shown.digest)):
        with pytest.raises(InvalidInput, match="changed since"):
            notices.read(connection, ola, number, LATER, digest)

    assert notices.readings(connection) == []
    assert accounts.user(connection, ola).notice_version is None


def test_the_packaged_notice_says_company_purpose_readers_and_period(
    connection: sa.Connection,
) -> None:
    shown = notices.present(connection)

    assert shown.texts == {
        "en": "Nordlys AS records calls for training our staff. These people can open them: "
        "your supervisor and compliance officers. They are kept for 90 days. You can always see "
        "who has opened your calls under My page.",
        "nb": "Nordlys AS tar opp samtaler for opplæring av våre ansatte. Disse kan åpne dem: "
        "lederen din og personvernansvarlige. De lagres i 90 dager. Du kan alltid se hvem som "
        "har åpnet samtalene dine, under Min side.",
    }
    assert (shown.number, shown.by, shown.at) == (1, None, None)


def test_what_was_read_stays_as_it_was_read(connection: sa.Connection) -> None:
    ola, shown = employ(connection), notices.present(connection)
    notices.read(connection, ola, 1, AT, shown.digest)
    change(connection, {"retention_days": 365}, None, LATER)

    now = notices.present(connection)
    assert (now.number, now.texts, now.at) == (1, shown.texts, AT)
    assert notices.proposed(account(connection)) != now.texts
    assert accounts.user(connection, ola).notice_version == account(connection).notice_version


def test_a_new_text_is_a_new_version_that_everybody_reads_again(connection: sa.Connection) -> None:
    ola, kari = employ(connection), employ(connection, "kari")
    notices.read(connection, ola, 1, AT)
    made = notices.publish(connection, OWN, kari, LATER)

    assert (made.number, made.texts, made.by, made.at) == (2, OWN, kari, LATER)
    assert accounts.user(connection, ola).notice_version != account(connection).notice_version
    notices.read(connection, ola, 2, LATER, made.digest)
    notices.read(connection, ola, 2, LATER + timedelta(days=1))

    read = [(each.user, each.version, each.at) for each in notices.readings(connection)]
    assert read == [(ola, 2, LATER), (ola, 1, AT)]
    assert [each.number for each in notices.versions(connection)] == [1, 2]


def test_the_text_in_force_is_not_published_again_and_nothing_is_unread(
    connection: sa.Connection,
) -> None:
    ola = employ(connection)
    notices.publish(connection, OWN, ola, AT)

    with pytest.raises(InvalidInput, match="in force"):
        notices.publish(connection, OWN, ola, LATER)
    with pytest.raises(InvalidRequest) as caught:
        change(connection, {"notice_version": 1}, ola, LATER)
    assert caught.value.key == "notice_version"
    assert notices.present(connection).number == 2


def test_a_notice_out_of_force_cannot_be_read_and_its_number_is_not_used_again(
    connection: sa.Connection,
) -> None:
    ola = employ(connection)
    notices.read(connection, ola, 1, AT)
    change(connection, {"notice_version": 0}, ola, LATER)

    with pytest.raises(InvalidInput, match="changed since"):
        notices.read(connection, ola, 0, LATER)
    made = notices.publish(connection, OWN, ola, LATER)

    assert made.number == 2
    assert accounts.user(connection, ola).notice_version != account(connection).notice_version


@pytest.mark.parametrize("texts", [{"en": "Only English."}, {**OWN, "nb": ""}, {**OWN, "de": "x"}])
def test_a_notice_that_somebody_could_not_read_is_not_published(
    connection: sa.Connection, texts: dict[str, str]
) -> None:
    with pytest.raises(InvalidRequest):
        notices.publish(connection, texts, employ(connection), LATER)

    assert notices.present(connection).number == 1


@pytest.mark.parametrize(
    ("place", "days", "current"),
    [("US-ME", 364, True), ("US-ME", 365, False), ("US-TX", 10_000, True), (None, 10_000, True)],
)
def test_where_the_law_wants_the_notice_every_year_a_reading_holds_for_a_year(
    connection: sa.Connection, place: str | None, days: int, current: bool
) -> None:
    ola, shown = employ(connection, place=place), notices.present(connection)
    notices.read(connection, ola, 1, AT, shown.digest)

    person, wants = accounts.user(connection, ola), account(connection)
    on = AT.date() + timedelta(days=days)

    assert notices.is_current(person, wants, packaged(), on) is current


def test_the_accounts_own_place_counts_for_who_has_none(connection: sa.Connection) -> None:
    ola = employ(connection)
    change(connection, {"home_place": "US-ME"}, None, AT)
    notices.read(connection, ola, 1, AT)
    person, wants = accounts.user(connection, ola), account(connection)

    assert notices.is_current(person, wants, packaged(), AT.date())
    assert not notices.is_current(person, wants, packaged(), AT.date() + timedelta(days=400))


def test_reading_the_same_words_again_renews_the_year(connection: sa.Connection) -> None:
    ola = employ(connection, place="US-ME")
    notices.read(connection, ola, 1, AT)
    again = AT + timedelta(days=400)
    notices.read(connection, ola, 1, again)
    person, wants = accounts.user(connection, ola), account(connection)

    assert notices.is_current(person, wants, packaged(), again.date())
