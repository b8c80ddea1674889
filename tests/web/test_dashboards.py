"""The pages of the dashboards: who sees which, files that equal the tables, one's own figures."""

from __future__ import annotations

import csv
import io
from datetime import timedelta

import pytest
from tests.server.boardrig import Made, put, track
from tests.web.conftest import add, signed_in

from askfirst.server import account
from askfirst.server.access import UserRole
from askfirst.server.audit import lines as audit_lines
from askfirst.server.clock import utc_now
from askfirst.server.database import reading, transaction
from askfirst.web.visit import Site

ABOUT_CALLS = ("activity", "consent", "quality")
FORMULA = "=HYPERLINK(1)"


def furnish(site: Site) -> list[str]:
    """Ten people in two teams, one with a name that a spreadsheet would run, and calls of each."""
    ids = []
    at = utc_now() - timedelta(minutes=5)
    with transaction(site.store.engine) as connection:
        account.change(connection, {"home_place": "NO"}, None, at)
    for team in (FORMULA, "south"):
        ids += [add(site, UserRole.AGENT, team, f"a{team[1]}{n}").id for n in range(5)]
    hits = [track(site.store, "@price", ids[0], at)]
    put(
        site.store,
        [
            Made(
                at,
                each,
                direction="inbound" if n % 2 else "outbound",
                lasts_s=60.0 + n,
                verdict="heard",
                places=(("US-CA",) if n % 3 else ("NO",),),
                consents=[("agreed", "keypad", 1_500 * n)],
                told_ms=0,
                figures=(10 + n, 90 - n, 60_000, 6, 1_000),
                hits=hits if n < 4 else (),
            )
            for n, each in enumerate(ids)
        ],
    )
    return ids


@pytest.mark.parametrize("name", [*ABOUT_CALLS, "system"])
def test_a_file_is_the_table_of_the_interface_and_stands_in_the_audit_log(
    ready: Site, name: str
) -> None:
    furnish(ready)
    officer = add(ready, UserRole.COMPLIANCE)
    client = signed_in(ready, officer)

    board = client.get(f"/api/v1/dashboards/{name}").json()

    for table in board["tables"]:
        answer = client.get(f"/dashboards/{name}.csv?table={table['key']}")
        assert answer.headers["content-type"].startswith("text/csv")
        head, *rows = csv.reader(io.StringIO(answer.text, newline=""))
        assert len(head) == len(table["columns"])
        assert len(rows) == len(table["rows"])
        for shown, row in zip(rows, table["rows"], strict=True):
            for text, cell, column in zip(shown, row, table["columns"], strict=True):
                if cell is None:
                    assert text == ""
                elif column["unit"] in ("count", "share", "rate", "bytes"):
                    # The disk goes on filling between the two questions.
                    if column["unit"] != "bytes":
                        assert float(text) == pytest.approx(cell, abs=5e-5)
                elif column["unit"] == "ms" and name != "system":
                    assert float(text) == pytest.approx(cell / 1_000)
                elif column["unit"] == "day":
                    assert text == cell
                assert not text.startswith(("=", "@", "+", "-"))
    with reading(ready.store.engine) as connection:
        noted = [each for each in audit_lines(connection) if each.action == "dashboard.exported"]
    assert len(noted) == len(board["tables"])
    assert {each.object for each in noted} == {name}
    assert {each.actor for each in noted} == {officer.id}
    assert not any(FORMULA in str(each.detail) for each in noted)


def test_names_that_a_spreadsheet_would_run_are_neutralised(ready: Site) -> None:
    furnish(ready)
    client = signed_in(ready, add(ready, UserRole.COMPLIANCE))

    groups = client.get("/dashboards/activity.csv?table=groups").text
    tracked = client.get("/dashboards/quality.csv?table=trackers").text

    assert f"'{FORMULA}" in groups
    assert "'@price" in tracked


def test_every_role_finds_its_own_dashboard(ready: Site) -> None:
    first = {
        UserRole.AGENT: "/me/figures",
        UserRole.SUPERVISOR: "/dashboards/activity",
        UserRole.COMPLIANCE: "/dashboards/activity",
        UserRole.ADMIN: "/dashboards/system",
        UserRole.AUDITOR: "/dashboards/system",
    }
    for role, expected in first.items():
        client = signed_in(ready, add(ready, role, "north", f"{role.value}-too"))
        assert client.get("/dashboards").headers["location"] == expected
        assert client.get(expected).status_code == 200
        has_entry = 'href="/dashboards"' in client.get("/me").text
        assert has_entry is (role is not UserRole.AGENT)


def test_an_administrator_sees_the_system_and_nothing_of_calls(ready: Site) -> None:
    client = signed_in(ready, add(ready, UserRole.ADMIN, name="admin-too"))

    assert client.get("/dashboards/system").status_code == 200
    for name in ABOUT_CALLS:
        assert client.get(f"/dashboards/{name}").status_code == 403
        assert client.get(f"/dashboards/{name}.csv").status_code == 403
        assert client.get(f"/api/v1/dashboards/{name}").status_code == 403
        assert f"/dashboards/{name}" not in client.get("/dashboards/system").text


@pytest.mark.parametrize("name", [*ABOUT_CALLS, "system"])
def test_pages_have_every_table_in_both_languages(ready: Site, name: str) -> None:
    furnish(ready)
    client = signed_in(ready, add(ready, UserRole.COMPLIANCE))

    board = client.get(f"/api/v1/dashboards/{name}").json()
    english = client.get(f"/dashboards/{name}?lang=en").text
    norwegian = client.get(f"/dashboards/{name}?lang=nb").text

    for table in board["tables"]:
        assert f'aria-labelledby="{table["key"]}"' in english
        assert f"{name}.csv" in norwegian
    assert "style=" not in english


def test_a_wrong_period_says_so_and_shows_the_usual_one(ready: Site) -> None:
    client = signed_in(ready, add(ready, UserRole.COMPLIANCE))

    for query in ("days=0", "since=2026-02-30", "since=2026-05-05&until=2026-05-04", "team=none"):
        for path in ("/dashboards/activity", "/dashboards/consent", "/dashboards/quality"):
            answer = client.get(f"{path}?{query}")
            assert answer.status_code == 422
            assert 'role="alert"' in answer.text
        assert client.get(f"/api/v1/dashboards/activity?{query}").status_code == 422
    assert client.get("/me/figures?days=0").status_code == 422
    assert client.get("/dashboards/system?days=0").status_code == 422
    assert client.get("/dashboards/activity.csv?table=users").status_code == 422


def test_without_calls_a_page_says_so(ready: Site) -> None:
    client = signed_in(ready, add(ready, UserRole.COMPLIANCE))

    for name in ABOUT_CALLS:
        assert "No calls in this period." in client.get(f"/dashboards/{name}?lang=en").text
    assert "<table" in client.get("/dashboards/system").text


def test_one_call_makes_a_page(ready: Site) -> None:
    put(ready.store, [Made(utc_now() - timedelta(minutes=3), None, "inbound", answers_s=None)])
    client = signed_in(ready, add(ready, UserRole.COMPLIANCE))

    page = client.get("/dashboards/activity?lang=en&days=7").text

    assert 'class="columns-chart"' in page
    assert "0 outbound, 1 inbound" in page


def test_an_agent_sees_own_figures_and_nobody_elses(ready: Site) -> None:
    me, other = (add(ready, UserRole.AGENT, "north", name) for name in ("me", "other"))
    at = utc_now() - timedelta(minutes=5)
    put(
        ready.store,
        [
            Made(at, me.id, figures=(20, 80, 60_000, 6, 1_000)),
            *(Made(at, other.id, figures=(70, 30, 60_000, 6, 1_000)) for _ in range(40)),
        ],
    )
    client = signed_in(ready, me)

    page = client.get("/me/figures?lang=en").text

    assert "20%" in page
    assert "70%" not in page
    assert "1 outbound, 0 inbound" in page


def test_a_program_needs_the_scope(ready: Site) -> None:
    lead = add(ready, UserRole.SUPERVISOR, "north")
    client = signed_in(ready, lead)
    made = client.post("/api/v1/tokens", json={"name": "board", "scopes": ["calls.read"]})
    token = made.json()["token"]

    headers = {"authorization": f"Bearer {token}"}
    answer = client.get("/api/v1/dashboards/activity", headers=headers)

    assert answer.status_code == 403
