"""What is hidden is hidden for everybody, and the original opens to few, with a reason."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.server import rig
from tests.server.test_redacting import NUMBER, Reading
from tests.web.conftest import add, problem, set_up, signed_in

from askfirst.redaction import MASK
from askfirst.rules import packaged
from askfirst.server import redacting
from askfirst.server.access import UserRole
from askfirst.server.clock import utc_now
from askfirst.server.database import transaction
from askfirst.server.listening import Listening
from askfirst.server.node import Node
from askfirst.server.redactiontables import redactions
from askfirst.server.settings import Settings
from askfirst.web.carrying import Carrier
from askfirst.web.visit import Site

WHY = {"purpose": "dispute", "reason": "the customer says that we charged another card"}


@dataclass(frozen=True)
class Office:
    """An installation with a recording in which a card number is read out."""

    site: Site
    recorded: rig.Recorded

    @property
    def api(self) -> str:
        return f"/api/v1/recordings/{self.recorded.id}"

    @property
    def kinds(self) -> list[str]:
        entries = self.site.store.ledger.entries(self.recorded.call)
        return [str(entry["kind"]) for _, entry in entries]


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    folder: Path = tmp_path_factory.mktemp("originals")
    node = Node.open(folder / "data", Reading(""))
    recorded = rig.record(node, folder / "callee")
    carrier = Carrier(node)
    site = Site(
        node.store, Settings(data=folder / "data"), packaged(), Listening(node.store), carrier
    )
    yield Office(set_up(site), recorded)
    node.close()


def test_everybody_reads_hears_and_exports_it_without_the_number(office: Office) -> None:
    officer = signed_in(office.site, add(office.site, UserRole.COMPLIANCE, name="first"))
    link = officer.post(f"{office.api}/links", json={"purpose": "dispute", "seconds": 60}).json()

    words = officer.get(f"{office.api}/transcript").text
    page = officer.post(f"/calls/{office.recorded.call}/listen", data=WHY).text
    vcon = officer.get(f"{office.api}/vcon?link={link['url'].rpartition('=')[2]}").text

    for text in (words, page, vcon):
        assert "4242" not in text
    assert MASK in page
    assert "What is hidden" in page
    heard = officer.get(link["url"]).content
    original = officer.post(f"{office.api}/originals", json=WHY).json()
    assert officer.get(original["url"]).content != heard


def test_the_original_opens_to_compliance_with_a_reason_and_is_entered(office: Office) -> None:
    officer = signed_in(office.site, add(office.site, UserRole.COMPLIANCE, name="second"))
    unsaid = officer.post(f"{office.api}/originals", json={"purpose": "dispute", "reason": " "})
    assert unsaid.status_code == 422
    before = office.kinds.count("access.original")

    opened = officer.post(f"{office.api}/originals", json=WHY)

    assert opened.status_code == 201
    assert "4242" in json.dumps(opened.json()["transcript"])
    assert officer.get(opened.json()["url"]).status_code == 200
    assert office.kinds.count("access.original") == before + 1
    (*_, played) = office.site.store.ledger.entries(office.recorded.call)
    assert played[1]["data"]["sound"] == "original"  # type: ignore[index]
    page = officer.post(f"/calls/{office.recorded.call}/original", data=WHY).text
    assert NUMBER in page
    entries = [json.dumps(entry) for _, entry in office.site.store.ledger.entries()]
    assert not any("4242" in each or "charged" in each for each in entries)


@pytest.mark.parametrize("role", [UserRole.SUPERVISOR, UserRole.ADMIN, UserRole.AUDITOR])
def test_nobody_else_opens_it(office: Office, role: UserRole) -> None:
    client = signed_in(office.site, add(office.site, role, "north", name=f"{role.value}-2"))
    before = office.kinds.count("access.original")

    refused = client.post(f"{office.api}/originals", json=WHY)

    assert (refused.status_code, problem(refused)) == (403, "urn:askfirst:problem:refused")
    assert client.post(f"/calls/{office.recorded.call}/original", data=WHY).status_code == 403
    assert office.kinds.count("access.original") == before


def test_in_doubt_only_the_original_is_there_and_only_for_compliance(office: Office) -> None:
    officer = signed_in(office.site, add(office.site, UserRole.COMPLIANCE, name="third"))
    link = officer.post(f"{office.api}/links", json={"purpose": "dispute", "seconds": 60}).json()
    with transaction(office.site.store.engine) as connection:
        connection.execute(redactions.delete())
    try:
        assert officer.get(link["url"]).status_code == 403
        assert "is being looked through" in officer.get(f"/calls/{office.recorded.call}").text
        opened = officer.post(f"{office.api}/originals", json=WHY).json()
        assert officer.get(opened["url"]).status_code == 200
    finally:
        redacting.redact_every(office.site.store, utc_now())
    assert officer.get(link["url"]).status_code == 200


def test_what_is_hidden_is_a_setting_of_administrators(office: Office) -> None:
    admin = signed_in(office.site, add(office.site, UserRole.ADMIN, name="keeper"))
    agent = signed_in(office.site, add(office.site, UserRole.AGENT, name="kari"))
    form = {"redacts_cards": "on", "redacts_ids": "on", "redacts_emails": "on"}

    assert agent.post("/settings/redaction", data=form).status_code == 403
    assert admin.post("/settings/redaction", data=form).status_code == 303
    settings = admin.get("/api/v1/settings").json()

    assert settings["redacts_emails"] is True
