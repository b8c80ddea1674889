"""Overrides on their page and over HTTP: brought, refused, approved by somebody else, ended."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient
from tests.server.test_call_law import OVERRIDE
from tests.web.conftest import add, problem, signed_in
from tests.web.test_tokens import make, program

from askfirst.server import account
from askfirst.server.access import UserRole
from askfirst.server.clock import utc_now
from askfirst.server.database import transaction
from askfirst.server.overrideregister import counting
from askfirst.server.overrides import SIGNERS, new_key, sign_file
from askfirst.web.visit import Site

API = "/api/v1/approvals"
Sign = Callable[..., bytes]


@pytest.fixture
def sign(ready: Site, tmp_path: Path) -> Sign:
    """Signs a text as somebody whom the installation lets sign."""
    key = tmp_path / "kari.pem"
    public = new_key(key)
    (ready.store.folder / SIGNERS).write_text(f'[signers]\n"Kari Nordmann" = "{public}"\n')

    def signed(text: str = OVERRIDE) -> bytes:
        path = tmp_path / "desk.toml"
        path.write_text(text, encoding="utf-8")
        sign_file(path, key)
        return path.read_bytes()

    return signed


def want_second(site: Site, *kinds: str) -> None:
    with transaction(site.store.engine) as connection:
        account.change(connection, {"second_person": list(kinds)}, None, utc_now())


def officer(site: Site, name: str = "") -> TestClient:
    return signed_in(site, add(site, UserRole.COMPLIANCE, name=name))


def send(browser: TestClient, content: bytes, reason: str = "Counsel agrees") -> Any:
    return browser.post(
        "/settings/overrides", files={"file": ("desk.toml", content)}, data={"reason": reason}
    )


def test_a_second_person_sees_in_words_what_would_change_and_approves(
    ready: Site, sign: Sign
) -> None:
    want_second(ready, "overrides")
    kari, ola = officer(ready, "kari"), officer(ready, "ola")

    assert send(kari, sign()).status_code == 303
    assert counting(ready.store, ready.rules) == ()
    page = ola.get("/compliance/approvals").text
    for words in ("US-CA.632", "everybody is told", "nothing", "Counsel&#39;s letter", "sha256:"):
        assert words in page
    (waiting,) = ola.get(API).json()["waiting"]
    assert waiting["kind"] == "overrides"
    assert (waiting["may_approve"], waiting["reason"]) == (True, "Counsel agrees")
    (own,) = kari.get(API).json()["waiting"]
    assert own["may_approve"] is False

    refused = kari.post(f"{API}/{waiting['id']}/approve")
    assert (refused.status_code, problem(refused).rpartition(":")[2]) == (403, "refused")
    assert counting(ready.store, ready.rules) == ()

    done = ola.post(f"{API}/{waiting['id']}/approve").json()
    assert (done["state"], done["may_approve"]) == ("approved", False)
    assert [each.name for each in counting(ready.store, ready.rules)] == ["california-desk"]
    assert "In force" in kari.get("/settings/overrides").text
    assert ola.post(f"{API}/{waiting['id']}/approve").status_code == 403


def test_what_does_not_hold_is_refused_with_why(ready: Site, sign: Sign) -> None:
    kari = officer(ready)

    for content, why in (
        (OVERRIDE.encode(), "found no signature"),
        (sign().replace(b"2 October", b"3 October"), "does not fit the content"),
        (b"\xff\xfe", "no text in UTF-8"),
        (b"x" * 200_000, "over 64 kB"),
    ):
        answer = send(kari, content)
        assert answer.status_code == 422
        assert why in answer.text
    assert counting(ready.store, ready.rules) == ()


def test_ending_needs_nobody_else_and_counts_at_once(ready: Site, sign: Sign) -> None:
    kari = officer(ready)
    send(kari, sign())
    (override,) = counting(ready.store, ready.rules)
    want_second(ready, "overrides")

    page = kari.get("/settings/overrides").text
    assert counting(ready.store, ready.rules) == ()
    assert "Not approved" in page
    mark = page.split('/propose"')[0].rpartition("/")[2]
    assert override.name in page
    assert kari.post(f"/settings/overrides/{mark}/propose").status_code == 303
    assert "Waits for a second person" in kari.get("/settings/overrides").text
    assert kari.post(f"/settings/overrides/{mark}/propose").status_code == 422

    (waiting,) = kari.get(API).json()["waiting"]
    assert kari.post(f"{API}/{waiting['id']}/decline").json()["state"] == "declined"
    assert kari.post(f"/settings/overrides/{mark}/end").status_code == 303
    assert "Ended by Compliance" in kari.get("/settings/overrides").text
    want_second(ready)
    assert counting(ready.store, ready.rules) == ()


def test_whoever_reads_settings_reads_overrides_and_changes_none(ready: Site, sign: Sign) -> None:
    send(officer(ready), sign())
    auditor = signed_in(ready, add(ready, UserRole.AUDITOR))

    page = auditor.get("/settings/overrides").text
    assert "california-desk" in page
    assert "Bring a signed file" not in page
    assert send(auditor, sign()).status_code == 403
    assert auditor.get(API).json() == {"waiting": [], "decided": []}


def test_a_program_approves_only_with_the_scope_of_the_change(ready: Site, sign: Sign) -> None:
    want_second(ready, "overrides")
    send(officer(ready, "kari"), sign())
    ola = add(ready, UserRole.COMPLIANCE, name="ola")
    (waiting,) = signed_in(ready, ola).get(API).json()["waiting"]
    _, narrow = make(ready, ola, "queue.decide")
    _, wide = make(ready, ola, "recording.manage")

    assert program(ready, narrow).get(API).json()["waiting"] == []
    refused = program(ready, narrow).post(f"{API}/{waiting['id']}/approve")
    assert refused.status_code == 403
    assert counting(ready.store, ready.rules) == ()
    assert program(ready, wide).post(f"{API}/{waiting['id']}/approve").status_code == 200
    assert len(counting(ready.store, ready.rules)) == 1
