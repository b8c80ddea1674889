"""The first call to a country, and who of the account has read its rules."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.server import people, rig
from tests.server.people import KARI, LATER, NORDIC, OLA

from askfirst.server import reviews
from askfirst.server.database import reading, transaction
from askfirst.server.store import Store

PRINT = "sha256:" + "a" * 64


@pytest.fixture(autouse=True)
def _users(store: Store) -> None:
    people.employ(store)


def test_the_first_call_to_a_country_is_that_before_which_nobody_there_answered(
    store: Store,
) -> None:
    people.called(store, NORDIC, places=["NO"], answered=False, ledger=1)
    people.called(store, rig.CALIFORNIA, places=["US-CA"], ledger=2)
    people.called(store, "+493023125017", places=["DE"], provider="simulator", ledger=3)
    with reading(store.engine) as connection:
        first = {
            code: reviews.first_call(connection, code) is not None
            for code in ("NO", "US", "US-TX", "CA", "DE")
        }
        simulated = reviews.first_call(connection, "DE", is_simulated=True)

    # The agents of these calls all sat in Norway; that is no call to Norway.
    assert first == {"NO": True, "US": False, "US-TX": False, "CA": True, "DE": True}
    assert simulated is None


def test_a_first_call_says_who_has_read_the_rules(store: Store) -> None:
    with transaction(store.engine) as writing:
        before = reviews.first_call(writing, "US-CA")
        reviews.review(writing, "US-CA", KARI, rig.AT, fingerprint=PRINT)
        after = reviews.first_call(writing, "US-CA")
        elsewhere = reviews.first_call(writing, "US-TX")
        reviews.review(writing, "US", OLA, LATER)
        covered = reviews.first_call(writing, "US-TX")

    assert before is not None
    assert (before.country, before.is_reviewed) == ("US", False)
    assert after is not None
    assert [(each.by, each.fingerprint) for each in after.reviews] == [(KARI, PRINT)]
    # Having read California's rules says nothing of Texas; the country's rules speak for both.
    assert elsewhere is not None
    assert not elsewhere.is_reviewed
    assert covered is not None
    assert [(each.code, each.by) for each in covered.reviews] == [("US", OLA)]


def test_reviews_of_a_place_come_newest_first_and_once_for_each_reviewer(store: Store) -> None:
    with transaction(store.engine) as writing:
        reviews.review(writing, "DE", KARI, rig.AT)
        reviews.review(writing, "DE", OLA, rig.AT + timedelta(hours=1))
        reviews.review(writing, "DE", KARI, LATER, fingerprint=PRINT)

        german = reviews.reviews_of(writing, "DE")
        none = reviews.reviews_of(writing, "FR")

    assert [(each.by, each.at, each.fingerprint) for each in german] == [
        (KARI, LATER, PRINT),
        (OLA, rig.AT + timedelta(hours=1), None),
    ]
    assert none == ()
