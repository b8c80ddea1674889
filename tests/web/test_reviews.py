"""Reviews of rules on their pages: who may say so, who sees it, and what is due."""

from __future__ import annotations

import pytest
from tests.server import people
from tests.web.conftest import add, browser, signed_in

from askfirst.server import account, audit, reviews
from askfirst.server.access import UserRole
from askfirst.server.clock import utc_now
from askfirst.server.database import reading, transaction
from askfirst.web.visit import Site

DUE = "Read these rules before the first call"
NEW = "Nobody of you has called there yet."


@pytest.mark.parametrize("role", [UserRole.AGENT, UserRole.SUPERVISOR, UserRole.ADMIN])
def test_who_may_not_review_sees_who_has_and_no_button(ready: Site, role: UserRole) -> None:
    client = signed_in(ready, add(ready, role, name="other"))

    assert client.post("/rules/DE/review").status_code == 403
    page = client.get("/rules/DE").text
    assert "Nobody has reviewed these rules here." in page
    assert "I have reviewed this rule" not in page


@pytest.mark.parametrize("code", ["EEA", "UNKNOWN", "ZZ", "no"])
def test_what_is_no_place_is_not_reviewed(ready: Site, code: str) -> None:
    officer = signed_in(ready, add(ready, UserRole.COMPLIANCE))

    assert officer.post(f"/rules/{code}/review").status_code == 422
    assert "I have reviewed this rule" not in officer.get(f"/rules/{code}").text


def test_the_public_sees_nothing_of_the_account(ready: Site) -> None:
    assert "In this account" not in browser(ready).get("/rules/DE").text


def test_a_review_is_shown_with_who_and_when_and_whether_the_rules_have_changed(
    ready: Site,
) -> None:
    officer = add(ready, UserRole.COMPLIANCE)
    client = signed_in(ready, officer)
    assert NEW in client.get("/rules/US-CA").text

    done = client.post("/rules/US-CA/review")

    assert (done.status_code, done.headers["location"]) == (303, "/rules/US-CA#reviewed")
    page = client.get("/rules/US-CA").text
    assert "Reviewed by Compliance on" in page
    assert "The rulebook has changed since." not in page
    with transaction(ready.store.engine) as connection:
        (found,) = reviews.reviews_of(connection, "US-CA")
        line = audit.lines(connection, most=1)[0]
        reviews.review(connection, "US", officer.id, utc_now(), fingerprint="sha256:older")
    assert found.fingerprint == ready.rules.fingerprint
    assert (line.action, line.object, line.actor) == ("rules.reviewed", "US-CA", officer.id)
    page = client.get("/rules/US-TX").text
    assert "The rulebook has changed since." in page
    assert "for US" in page


def test_a_review_is_due_only_before_the_first_call_and_where_the_account_wants_it(
    ready: Site,
) -> None:
    client = signed_in(ready, add(ready, UserRole.COMPLIANCE))
    assert DUE not in client.get("/rules/DE").text
    with transaction(ready.store.engine) as connection:
        account.change(connection, {"first_country": "review"}, None, utc_now())
    assert DUE in client.get("/rules/DE").text

    client.post("/rules/DE/review")
    people.called(ready.store, "+33123456789", places=["FR"])

    assert DUE not in client.get("/rules/DE").text
    french = client.get("/rules/FR").text
    assert DUE not in french
    assert NEW not in french
    with reading(ready.store.engine) as connection:
        assert reviews.first_call(connection, "FR") is None
