"""Certificates: every call has one, numbers are masked, and making one is an access."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient
from tests.server import rig
from tests.web.conftest import add, signed_in

from askfirst.ledger import commit
from askfirst.notice import NoticeFacts
from askfirst.rules import packaged
from askfirst.server import account
from askfirst.server.access import Permission, Person, UserRole
from askfirst.server.callreader import CallRecord, call_record
from askfirst.server.certificate import grounds
from askfirst.server.clock import utc_now
from askfirst.server.database import calls, ledger_entries, parties, reading
from askfirst.server.listening import Listening
from askfirst.server.node import Node
from askfirst.server.settings import Settings
from askfirst.server.simulation import DEMO_FACTS
from askfirst.speech.scripted import Scripted
from askfirst.web.carrying import Carrier
from askfirst.web.visit import Site

COMPANY = "Nordlys AS"
STATED = {
    "company": COMPANY,
    "home_place": "US-TX",
    "retention_days": 90,
    "lawful_basis": "consent",
    "lawful_basis_owner": "Kari",
    "purpose": "training",
    "purpose_sentence": "to train the people who answer our telephones",
    "purpose_owner": "Kari",
}
FACTS = NoticeFacts("Somebody else", None, 7, None)
MASKED = f"{rig.NORWAY[:3]}{'•' * (len(rig.NORWAY) - 5)}{rig.NORWAY[-2:]}"
REFUSING = (rig.HELLO, rig.AGENT, rig.RECORD, rig.WAIT, rig.pause(500), rig.NO, rig.BYE)
OBJECTS = ('do="objects"', rig.pause(500))


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    node = Node.open(tmp_path / "data", Scripted())
    store = node.store
    with store.engine.begin() as connection:
        account.change(connection, STATED, None, utc_now())
    yield Site(store, Settings(data=tmp_path / "data"), packaged(), Listening(store), Carrier(node))
    node.close()


@pytest.fixture
def auditor(site: Site) -> TestClient:
    return signed_in(site, add(site, UserRole.AUDITOR))


def called(site: Site, folder: Path, *steps: str) -> str:
    """A call of a callee to the end of its jobs."""
    node = site.carrier.node
    assert node is not None
    persona = rig.callee(folder / "callee", *steps)
    call = rig.virtually(node.store, persona, on_outbox=node.jobs.dispatch)
    node.jobs.wait()
    return call.id


def kept(site: Site, folder: Path, *steps: str) -> str:
    """A call that was recorded after a keyed yes."""
    return called(site, folder, *rig.KEYED, *steps, rig.BYE)


def record_of(site: Site, call: str) -> CallRecord:
    auditor = Person("usr_none", frozenset({UserRole.AUDITOR}), None)
    with reading(site.store.engine) as connection:
        return call_record(site.store, connection, auditor, call, Permission.CERTIFICATES_READ)


def page(client: TestClient, call: str, **query: str) -> str:
    answer = client.get(f"/calls/{call}/certificate", params=query)
    assert answer.status_code == 200, answer.text[:400]
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.text)))


def accesses(site: Site, call: str) -> list[Any]:
    found = site.store.ledger.entries(call)
    return [entry["data"] for _, entry in found if entry["kind"] == "access.certified"]


def test_a_recorded_call_says_rule_notice_answer_recording_and_ledger(
    site: Site, auditor: TestClient, tmp_path: Path
) -> None:
    call = kept(site, tmp_path, 'do="pause"', rig.pause(500), 'do="resume"')

    said = page(auditor, call)

    row = rig.call_row(site.store, call)
    for each in (call, COMPANY, "Norway (by the number", "Key pressed", "Paused", "00:0"):
        assert each.lower() in said.lower(), each
    assert row.decision["rulebook"]["fingerprint"] in said
    for reason in row.decision["reasons"]:
        assert reason["rule"] in said
    assert "unreviewed" in said or "read" in said
    assert "Not legal advice." in said
    for position, entry in site.store.ledger.entries(call):
        if not str(entry["kind"]).startswith("access."):
            (stored,) = rig.rows(
                site.store, sa.select(ledger_entries).where(ledger_entries.c.position == position)
            )
            assert stored.leaf.hex() in said


def test_numbers_are_masked_and_an_auditor_gets_no_others(
    site: Site, auditor: TestClient, tmp_path: Path
) -> None:
    call = kept(site, tmp_path)

    assert MASKED in page(auditor, call)
    assert rig.NORWAY not in page(auditor, call)
    refused = auditor.get(f"/calls/{call}/certificate", params={"numbers": "whole"})
    assert refused.status_code == 403
    assert rig.NORWAY not in refused.text
    assert [each["purpose"] for each in accesses(site, call)] == ["masked", "masked"]


def test_whole_numbers_are_for_who_may_export_and_that_is_written_down(
    site: Site, tmp_path: Path
) -> None:
    call = kept(site, tmp_path)
    user = add(site, UserRole.COMPLIANCE)
    client = signed_in(site, user)

    assert rig.NORWAY not in page(client, call)
    assert rig.NORWAY in page(client, call, numbers="whole")

    assert accesses(site, call) == [
        {"person": user.id, "purpose": "masked"},
        {"person": user.id, "purpose": "whole"},
    ]


def test_the_words_of_an_announcement_stand_where_they_have_the_digest_that_was_entered(
    site: Site, auditor: TestClient, tmp_path: Path
) -> None:
    call = kept(site, tmp_path)
    started = [e for _, e in site.store.ledger.entries(call) if e["kind"] == "notice.started"]
    data: Any = started[0]["data"]

    (told,) = grounds(site.store, record_of(site, call), DEMO_FACTS, utc_now()).told

    assert told.digest == str(data["notice"]).partition(":")[2]
    assert told.digest in page(auditor, call)
    assert told.text is not None
    assert hashlib.sha256(told.text.encode()).hexdigest() == told.digest


def test_other_words_than_those_entered_are_not_shown_as_what_was_said(
    site: Site, auditor: TestClient, tmp_path: Path
) -> None:
    call = kept(site, tmp_path)

    assert grounds(site.store, record_of(site, call), FACTS, utc_now()).told[0].text is None
    assert "these words are known by their digest" in page(auditor, call)


@pytest.mark.parametrize("language", ["en", "nb"])
def test_the_pdf_is_a_file_in_the_language_that_was_asked_for(
    site: Site, auditor: TestClient, tmp_path: Path, language: str
) -> None:
    call = kept(site, tmp_path)

    answer = auditor.get(f"/calls/{call}/certificate.pdf", params={"lang": language})

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/pdf"
    assert f"{call}-certificate.pdf" in answer.headers["content-disposition"]
    assert f"/Lang({language})".encode() in answer.content
    assert rig.NORWAY.encode() not in answer.content
    assert len(accesses(site, call)) == 1


def test_the_certificate_of_a_refused_call(site: Site, auditor: TestClient, tmp_path: Path) -> None:
    call = called(site, tmp_path, *REFUSING)

    said = page(auditor, call)

    assert "They said no" in said
    assert "Refused" in said
    assert "Nothing was recorded." in said


def test_the_certificate_of_an_erased_call_says_when_and_why(
    site: Site, auditor: TestClient, tmp_path: Path
) -> None:
    call = kept(site, tmp_path, *OBJECTS)

    said = page(auditor, call)

    assert "Took it back" in said
    assert "they took their consent back" in said
    assert auditor.get(f"/calls/{call}/certificate.pdf").content.startswith(b"%PDF-")


def test_the_certificate_of_a_quarantined_call(
    site: Site, auditor: TestClient, tmp_path: Path
) -> None:
    call = kept(site, tmp_path)
    (row,) = rig.recording_rows(site.store, call)
    rig.change(site.store, row.id, state="quarantined")

    assert "held back for a check" in page(auditor, call)


def test_the_certificate_of_a_call_that_nobody_answered(site: Site, auditor: TestClient) -> None:
    call = "call_" + "7" * 32
    with site.store.engine.begin() as connection:
        connection.execute(
            calls.insert().values(
                id=call,
                created_at=rig.AT,
                provider="test",
                direction="outbound",
                language="en",
                policy={},
                proof=0,
            )
        )
        connection.execute(
            parties.insert().values(
                call=call, number_in_call=1, role="contact", number=rig.NORWAY, places=[]
            )
        )

    said = page(auditor, call)

    assert "No rule was applied" in said
    assert MASKED in said
    assert auditor.get(f"/calls/{call}/certificate.pdf").status_code == 200


def test_a_certificate_names_nobody_in_the_ledger(
    site: Site, auditor: TestClient, tmp_path: Path
) -> None:
    call = kept(site, tmp_path)
    page(auditor, call)

    entries = str([entry for _, entry in site.store.ledger.entries(call)])
    assert rig.NORWAY[1:] not in entries
    assert commit(site.store.keys.salt(f"{call}/1"), rig.NORWAY) in entries


def test_a_failed_entry_gives_no_certificate(
    site: Site, auditor: TestClient, tmp_path: Path
) -> None:
    call = kept(site, tmp_path)

    with rig.unwritable(site.store):
        answer = auditor.get(f"/calls/{call}/certificate")

    assert answer.status_code == 503
    assert "•" not in answer.text
    assert accesses(site, call) == []
