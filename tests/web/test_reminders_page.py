"""The page of what ends soon: in words, by day, with ways to what is looked after."""

from __future__ import annotations

from tests.web.conftest import add, signed_in

from askfirst.server import approvals, requestregister
from askfirst.server.access import UserRole
from askfirst.server.clock import utc_now
from askfirst.server.database import transaction
from askfirst.server.requestregister import RequestKind
from askfirst.server.subjectrights import Who
from askfirst.web.visit import Site


def test_what_ends_is_listed_and_leads_only_where_one_may_go(ready: Site) -> None:
    person = add(ready, UserRole.COMPLIANCE)
    officer, auditor = signed_in(ready, person), signed_in(ready, add(ready, UserRole.AUDITOR))
    assert "Nothing ends within 30 days." in officer.get("/compliance/reminders").text

    now = utc_now()
    with transaction(ready.store.engine) as connection:
        asked = requestregister.receive(
            ready.store,
            connection,
            RequestKind.ACCESS,
            Who(numbers=("+4721000101",)),
            person.id,
            now,
        )
        approvals.propose(ready.store, connection, "settings", person.id, {}, {"beeps": True}, now)

    page = officer.get("/compliance/reminders").text
    for words in (
        f"/compliance/requests/{asked.id}",
        "Request of a person",
        "7 days",
        "neither mail",
    ):
        assert words in page
    assert "+4721000101" not in page
    assert f"/compliance/requests/{asked.id}" not in auditor.get("/compliance/reminders").text
