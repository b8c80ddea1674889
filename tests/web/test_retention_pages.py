"""What goes and what stays, over HTTP and as pages; holds placed and released together."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient
from tests.server import rig
from tests.server.test_finishing import TOLD, Listening, finished
from tests.server.test_queuecheck import UNTOLD
from tests.web.conftest import add, signed_in

from askfirst.server import account
from askfirst.server.access import UserRole
from askfirst.server.clock import utc_now
from askfirst.server.database import calls, erasures, recordings, transaction
from askfirst.web.visit import Site

API = "/api/v1/retention"
HOLDS = "/compliance/holds"
CLAIM = "Claim by Nora Lie of 3 May"
DAY = timedelta(days=1)


@dataclass
class Office:
    """A set-up installation with one recording, and people at their browsers."""

    site: Site
    call: str
    recording: str
    officer: TestClient
    auditor: TestClient

    def change(self, **values: object) -> None:
        with transaction(self.site.store.engine) as connection:
            connection.execute(recordings.update().values(**values))

    def row(self) -> Any:
        (found,) = rig.rows(self.site.store, sa.select(recordings))
        return found

    def stays(self) -> list[tuple[str, str | None]]:
        found = self.officer.get(API, params={"show": "staying"}).json()
        return [(each["stays"] or "next-sweep", each["keeper"]) for each in found["recordings"]]


@pytest.fixture
def office(ready: Site, tmp_path: Path) -> Office:
    call = finished(ready.store, tmp_path, Listening(UNTOLD), *TOLD)
    (row,) = rig.rows(ready.store, sa.select(recordings))
    officer = signed_in(ready, add(ready, UserRole.COMPLIANCE))
    return Office(ready, call.id, row.id, officer, signed_in(ready, add(ready, UserRole.AUDITOR)))


def test_what_goes_is_counted_for_7_and_30_days(office: Office) -> None:
    office.change(expires_at=utc_now() + 8 * DAY)

    found = office.officer.get(API).json()

    assert found["within_7_days"]["count"] == 0
    assert found["within_30_days"]["count"] == 1
    assert found["recordings"][0]["id"] == office.recording
    assert found["recordings"][0]["period"]["because"] == "default"
    assert found["next_sweep_at"].endswith("T03:17:00.000Z") or "03:17" in found["next_sweep_at"]


@pytest.mark.parametrize(
    ("kept", "why"),
    [
        ({"legal_hold": True}, ("hold", None)),
        ({"mandatory": "mifid2"}, ("mandatory", "mifid2")),
        ({"mandatory": "nobody-knows"}, ("mandatory", "nobody-knows")),
        ({"kept_until": utc_now() + 99 * DAY, "kept_by": "HU.x"}, ("rule", "HU.x")),
        ({}, ("next-sweep", None)),
    ],
)
def test_what_stays_says_why(
    office: Office, kept: dict[str, object], why: tuple[str, str | None]
) -> None:
    office.change(expires_at=utc_now() - DAY, **kept)

    assert office.stays() == [why]
    page = office.officer.get("/compliance/retention", params={"show": "staying"})
    assert f"/calls/{office.call}" in page.text
    assert office.officer.get(API).json()["recordings"] == []


def test_a_recording_without_a_period_stays_and_says_so(office: Office) -> None:
    office.change(expires_at=None)

    assert office.stays() == [("no-period", None)]


def test_the_call_that_runs_keeps_its_recording(office: Office) -> None:
    office.change(expires_at=utc_now() - DAY)
    with transaction(office.site.store.engine) as connection:
        connection.execute(calls.update().values(ended_at=None))

    assert office.stays() == [("call-runs", None)]


def test_an_erasure_that_is_ordered_and_not_done_is_shown(office: Office) -> None:
    with transaction(office.site.store.engine) as connection:
        connection.execute(
            erasures.insert().values(
                recording=office.recording, reason="request", intended_at=utc_now()
            )
        )

    assert office.stays() == [("erasure-waits", None)]


def test_seven_years_that_an_authority_asked_for_keep_a_recording(office: Office) -> None:
    office.change(expires_at=utc_now() - DAY, mandatory="mifid2")
    with transaction(office.site.store.engine) as connection:
        connection.execute(calls.update().values(ended_at=utc_now() - 6 * 366 * DAY))
    assert office.stays() == [("next-sweep", None)]

    asked = {"mifid2": {"years": 7, "asked_by": "Finanstilsynet, letter of 3 May"}}
    with transaction(office.site.store.engine) as connection:
        account.change(connection, {"mandatory_years": asked}, None, utc_now())

    assert office.stays() == [("mandatory", "mifid2")]


def test_the_sweep_is_run_by_hand_and_says_who_ran_it(office: Office) -> None:
    office.change(expires_at=utc_now() - DAY)

    answer = office.officer.post("/compliance/retention/sweep", follow_redirects=False)

    assert answer.status_code == 303
    last = office.officer.get(API).json()["last_sweep"]
    assert (last["intended"], last["failed"]) == (1, 0)
    ordered = rig.rows(office.site.store, sa.select(erasures))
    assert [each.reason for each in ordered] == ["retention"]
    assert "retention.sweep" in office.officer.get("/audit").text
    assert office.auditor.post("/compliance/retention/sweep").status_code == 403


def test_several_holds_are_placed_and_released_each_with_its_own_entry(office: Office) -> None:
    form = {"recording": [office.recording], "reason": CLAIM}
    assert office.officer.post(HOLDS, data=form, follow_redirects=False).status_code == 303

    row = office.row()
    assert row.legal_hold
    assert row.held_by is not None
    assert CLAIM in office.officer.get(HOLDS).text
    assert CLAIM not in office.auditor.get(HOLDS).text
    table = office.auditor.get(f"{HOLDS}.csv").text
    assert office.recording in table
    assert CLAIM not in table

    form = {"recording": [office.recording], "reason": "settled"}
    office.officer.post(f"{HOLDS}/release", data=form)
    assert not office.row().legal_hold
    kinds = rig.kinds(office.site.store)
    assert [kinds.count(f"legal-hold.{each}") for each in ("placed", "released")] == [1, 1]


def test_all_calls_of_a_number_are_held(office: Office) -> None:
    (number,) = rig.rows(
        office.site.store, sa.text("SELECT number FROM parties WHERE number IS NOT NULL")
    )
    form = {"number": number.number, "hold_reason": CLAIM}

    answer = office.officer.post(f"{HOLDS}/person", data=form, follow_redirects=False)

    assert answer.status_code == 303
    assert office.row().legal_hold


@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("", {"reason": CLAIM}),
        ("/release", {"reason": CLAIM}),
        ("", {"recording": ["rec_1"], "reason": "x"}),
        ("", {"recording": ["rec_1"], "reason": CLAIM, "until": "2020-01-01"}),
        ("/person", {"number": "nonsense", "hold_reason": CLAIM}),
        ("/person", {"number": "+4722222222", "hold_reason": CLAIM}),
    ],
)
def test_what_is_wrong_with_a_hold_is_said_and_nothing_is_held(
    office: Office, path: str, form: dict[str, object]
) -> None:
    answer = office.officer.post(f"{HOLDS}{path}", data=form)

    assert answer.status_code == 422
    assert not office.row().legal_hold


def test_a_hold_of_a_recording_that_is_not_there_stops_no_other(office: Office) -> None:
    form = {"recording": ["rec_none", office.recording], "reason": CLAIM}

    answer = office.officer.post(HOLDS, data=form, follow_redirects=False)

    assert "changed=1&waiting=0&failed=1" in answer.headers["location"]
    assert office.row().legal_hold


def test_thousands_of_holds_are_shown_in_pages(office: Office) -> None:
    row = dict(office.row()._mapping)
    many = [{**row, "id": f"rec_{n:032x}", "legal_hold": True} for n in range(3_000)]
    with transaction(office.site.store.engine) as connection:
        connection.execute(recordings.insert(), many)

    shown = office.auditor.get(HOLDS)

    assert shown.text.count('<tr role="row">') == 51
    assert "after=" in shown.text
    assert len(office.auditor.get(f"{HOLDS}.csv").text.splitlines()) == 3_001
    assert office.officer.get(API, params={"show": "going"}).status_code == 200
