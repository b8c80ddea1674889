"""A recording is kept as the account and the rules of its places want, and it says why."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from tests.server import rig

from askfirst import rules
from askfirst.errors import InvalidRequest
from askfirst.policy import Policy
from askfirst.server import account, periods
from askfirst.server.database import parties, transaction
from askfirst.server.store import DEFAULT_RETENTION

TODAY = date(2026, 11, 28)


def settled(
    recorded: rig.Recorded, places: list[str], policy: Policy | None = None, **wanted: Any
) -> Any:
    with transaction(recorded.store.engine) as connection:
        account.change(connection, wanted, None, rig.AT)
        connection.execute(
            parties.update().where(parties.c.number_in_call == 1).values(places=places)
        )
        periods.settle(
            connection, recorded.id, rules.packaged(), policy or Policy(), DEFAULT_RETENTION
        )
    return recorded.row


def test_a_new_recording_says_why_it_is_kept_so_long(recorded: rig.Recorded) -> None:
    row = recorded.row

    assert (row.period_days, row.period_because, row.period_by) == (90, "default", None)
    assert row.kept_until is None


def test_a_rule_of_the_place_shortens_it_and_is_named(recorded: rig.Recorded) -> None:
    row = settled(recorded, ["BE"])

    assert row.expires_at == row.created_at + timedelta(days=30)
    assert (row.period_because, row.period_by) == ("longest", "BE.quality-period")


def test_a_period_of_the_place_counts(recorded: rig.Recorded) -> None:
    row = settled(recorded, ["SE"], retention={"places": {"SE": 10}})

    assert (row.period_days, row.period_because, row.period_by) == (10, "place", "SE")


def test_a_rule_that_wants_it_kept_is_written_down_with_its_day(recorded: rig.Recorded) -> None:
    row = settled(recorded, ["HU"], Policy(sector="public_utility"))

    assert row.expires_at == row.kept_until == row.created_at + timedelta(days=1827)
    assert row.kept_by == "HU.service-period"


@pytest.mark.parametrize(
    ("wanted", "rule", "key"),
    [
        ({"retention": {"places": {"FR": 181}}}, "FR.training-period", "retention"),
        (
            {"home_place": "BE", "retention": {"purposes": {"quality": 31}}},
            "BE.quality-period",
            "retention",
        ),
        (
            {"home_place": "PT", "purpose": "quality", "retention_days": 31},
            "PT.quality-period",
            "retention_days",
        ),
    ],
)
def test_a_period_longer_than_a_rule_allows_is_refused_by_its_name(
    wanted: dict[str, object], rule: str, key: str
) -> None:
    wants = account.wanted(account.Account(), wanted)

    with pytest.raises(InvalidRequest, match=rule) as refused:
        periods.ensure_lawful(rules.packaged(), wants, TODAY)
    assert refused.value.key == key


@pytest.mark.parametrize(
    "wanted",
    [
        {"retention": {"places": {"FR": 180, "NO": 3650}}},
        {"home_place": "BE", "purpose": "business_proof", "retention_days": 365},
        {"home_place": "BE", "purpose": "quality", "retention_days": 30},
    ],
)
def test_a_period_that_the_rules_allow_is_taken(wanted: dict[str, object]) -> None:
    wants = account.wanted(account.Account(), wanted)

    periods.ensure_lawful(rules.packaged(), wants, TODAY)


@pytest.mark.parametrize(
    "wrong",
    [
        {"retention": {"purposes": {"fun": 3}}},
        {"retention": {"places": {"Norway": 3}}},
        {"retention": {"places": {"NO": 0}}},
        {"retention": {"places": {"NO": True}}},
        {"retention": {"teams": {}}},
        {"mandatory_years": {"mifid2": {"years": 8, "asked_by": "the authority"}}},
        {"mandatory_years": {"mifid2": {"years": 7}}},
        {"mandatory_years": {"mifid2": {"years": 7, "asked_by": ""}}},
        {"mandatory_years": {"gdpr": {"years": 7, "asked_by": "somebody"}}},
    ],
)
def test_a_period_that_is_none_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(InvalidRequest):
        account.wanted(account.Account(), wrong)


def test_a_notice_never_says_less_than_what_may_be_kept() -> None:
    wants = account.Account(purpose="quality", retention_days=30, retention={"places": {"NO": 90}})

    assert wants.stated_days == 90
