"""The ledger's page: what it holds, what is wrong with it, its checkpoints, entries and exports."""

from __future__ import annotations

import io
import json
import re
import zipfile
from dataclasses import replace
from datetime import timedelta
from html import unescape
from pathlib import Path

import pytest
from starlette.testclient import TestClient
from tests.server import rig
from tests.web.conftest import add, signed_in

from askfirst.ledger import Kind
from askfirst.server import dailycheckpoints
from askfirst.server.access import UserRole
from askfirst.server.checkpointsettings import CheckpointSettings
from askfirst.server.clock import utc_now
from askfirst.server.database import calls, transaction
from askfirst.verify import verify
from askfirst.web.visit import Site

PAGE = "/compliance/ledger"
CALL = "call_" + "5" * 32
OLDER = rig.AT - timedelta(days=40)


@pytest.fixture
def filled(ready: Site) -> Site:
    """A ledger with sixty sweeps and two entries of a call."""
    store = ready.store
    row = {"provider": "t", "direction": "outbound", "language": "en", "policy": {}, "proof": 0}
    with transaction(store.engine) as connection:
        connection.execute(calls.insert().values(id=CALL, created_at=OLDER, **row))
        for kind in (Kind.CALL_STARTED, Kind.CALL_ANSWERED):
            store.ledger.append(connection, kind, OLDER, call=CALL)
        for number in range(60):
            store.ledger.append(
                connection, Kind.RETENTION_SWEPT, rig.AT, data={"erased_count": number}
            )
    return ready


@pytest.fixture
def auditor(filled: Site) -> TestClient:
    return signed_in(filled, add(filled, UserRole.AUDITOR))


def text(client: TestClient, **query: str) -> str:
    answer = client.get(PAGE, params=query)
    assert answer.status_code == 200
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.text)))


def positions(client: TestClient, **query: str) -> list[int]:
    """The positions of the entries on a page."""
    found = client.get(PAGE, params=query).text
    return [int(each) for each in re.findall(r'data-label="Entry"[^>]*><div>(\d+)<', found)]


def test_it_says_how_much_there_is_and_shows_the_key(filled: Site, auditor: TestClient) -> None:
    answer = auditor.get(PAGE).text

    assert "62" in answer
    assert filled.store.ledger.verifier_key in unescape(answer)
    assert "never checked" in answer


def test_a_check_that_holds_is_kept_with_who_and_when(auditor: TestClient) -> None:
    assert auditor.post(f"{PAGE}/check").status_code == 303

    said = text(auditor)

    assert "The ledger holds" in said
    assert "by Auditor, 62 entries" in said


def test_a_check_says_exactly_what_is_wrong_where(filled: Site, auditor: TestClient) -> None:
    with filled.store.engine.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE ledger_entries SET entry = replace(entry, '2026', '2027') WHERE position = 7"
        )

    auditor.post(f"{PAGE}/check")

    assert "ledger entry 7 was changed after it was written" in text(auditor)
    assert "ledger entry 7 was changed" not in text(auditor, lang="nb")
    assert "7" in text(auditor, lang="nb")


def test_a_check_looks_at_the_published_file_too(filled: Site, tmp_path: Path) -> None:
    wanted = CheckpointSettings(file=tmp_path / "notes.txt")
    site = replace(filled, settings=replace(filled.settings, checkpoints=wanted))
    client = signed_in(site, add(site, UserRole.COMPLIANCE))
    dailycheckpoints.run(site.store, wanted, utc_now())
    client.post(f"{PAGE}/check")
    assert "The ledger holds" in text(client)

    with site.store.engine.begin() as connection:
        for table in ("checkpoint_deliveries", "daily_checkpoints", "checkpoints"):
            connection.exec_driver_sql(f"DELETE FROM {table}")  # noqa: S608 - our own words
        for table in ("ledger_entries", "ledger_head"):
            connection.exec_driver_sql(f"DELETE FROM {table}")  # noqa: S608 - our own words
    client.post(f"{PAGE}/check")

    assert "an older copy was put back" in text(client)


def test_daily_checkpoints_say_where_they_went_and_why_not(
    filled: Site, auditor: TestClient, tmp_path: Path
) -> None:
    wanted = CheckpointSettings(
        file=tmp_path / "notes.txt", webhook_url="http://127.0.0.1:1/", webhook_secret=b"x" * 32
    )
    dailycheckpoints.run(filled.store, wanted, utc_now() - timedelta(days=3))
    dailycheckpoints.run(filled.store, wanted, utc_now())

    said = text(auditor)

    assert "File" in said
    assert "Webhook: not reached (2×)" in said
    assert "No checkpoint from" in said
    assert filled.store.ledger.checkpoint(utc_now()).splitlines()[2] in said


def test_entries_come_in_pages_the_newest_first(auditor: TestClient) -> None:
    assert positions(auditor) == list(range(61, 11, -1))
    assert positions(auditor, before="12") == list(range(11, -1, -1))


def test_entries_are_narrowed_by_kind_period_and_call(auditor: TestClient) -> None:
    assert positions(auditor, kind="call.answered") == [1]
    assert positions(auditor, call=CALL) == [1, 0]
    assert positions(auditor, until=OLDER.date().isoformat()) == [1, 0]
    assert positions(auditor, since=rig.AT.date().isoformat(), before="4") == [3, 2]
    assert positions(auditor, since="2026-12-24") == []


@pytest.mark.parametrize(
    "query",
    [
        {"kind": "no.kind"},
        {"since": "yesterday"},
        {"until": "9999-12-31"},
        {"call": "+4722222222"},
        {"call": "%"},
    ],
)
def test_what_is_no_filter_does_not_narrow(auditor: TestClient, query: dict[str, str]) -> None:
    assert positions(auditor, **query) == list(range(61, 11, -1))


def test_the_export_is_every_entry_that_fits_as_json_lines(auditor: TestClient) -> None:
    whole = auditor.get(f"{PAGE}/entries.jsonl").text.splitlines()
    of_call = auditor.get(f"{PAGE}/entries.jsonl", params={"call": CALL}).text.splitlines()

    assert [json.loads(line)["index"] for line in whole] == list(range(62))
    assert [json.loads(json.loads(line)["entry"])["kind"] for line in of_call] == [
        "call.started",
        "call.answered",
    ]


def test_an_auditor_gets_the_evidence_of_a_call_and_that_is_in_it(auditor: TestClient) -> None:
    answer = auditor.post(f"{PAGE}/bundle", data={"evidence_of": CALL})

    assert answer.status_code == 200
    report = verify(answer.content)
    assert [each.kind for each in report.entries][-1] == "access.exported"
    assert "verify.py" in zipfile.ZipFile(io.BytesIO(answer.content)).namelist()


@pytest.mark.parametrize("call", ["", "call_" + "9" * 32, "../etc/passwd"])
def test_there_is_no_evidence_of_a_call_that_is_not_there(auditor: TestClient, call: str) -> None:
    answer = auditor.post(f"{PAGE}/bundle", data={"evidence_of": call})

    assert answer.status_code == 422
    assert "no entry of such a call" in answer.text


def test_consistency_of_two_sizes_is_proven_over_http(filled: Site, auditor: TestClient) -> None:
    answer = auditor.get("/api/v1/ledger/consistency", params={"from": 5, "to": 62})

    found = answer.json()
    assert (found["from"], found["to"]) == (5, 62)
    assert found["to_root"] == filled.store.ledger.verify().root
    for older, newer in ((0, 5), (6, 5)):
        query = {"from": older, "to": newer}
        assert auditor.get("/api/v1/ledger/consistency", params=query).status_code == 422
    query = {"from": 5, "to": 63}
    assert auditor.get("/api/v1/ledger/consistency", params=query).status_code == 404
