"""A call that rests on a standing consent says so: before it, on its page, in its certificate."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.server import rig
from tests.server.standingrig import GERMANY, signed
from tests.web.conftest import add, signed_in
from tests.web.live import live_site

from askfirst.model import Purpose
from askfirst.policy import Policy
from askfirst.server import account
from askfirst.server.access import UserRole
from askfirst.server.clock import utc_now
from askfirst.server.database import reading
from askfirst.server.precall import prepare
from askfirst.server.simulation import request_for
from askfirst.web.visit import Site


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """An installation that carries calls."""
    yield from live_site(tmp_path)


def test_the_page_and_the_certificate_of_a_call_name_the_consent(
    site: Site, tmp_path: Path
) -> None:
    node, officer = site.carrier.node, add(site, UserRole.COMPLIANCE)
    assert node is not None
    consent = signed(site.store, officer, GERMANY)
    steps = (rig.HELLO, rig.RECORD, rig.pause(300), *[rig.HELLO] * 5, rig.BYE)
    persona = rig.callee(tmp_path / "callee", *steps, number=GERMANY)
    asked = request_for(persona)
    policy = replace(asked.policy, purpose=Purpose.TRAINING)
    request = replace(asked, policy=policy, standing=(consent.scope,))
    call = rig.virtually(site.store, persona, request=request)
    assert rig.call_row(site.store, call.id).proof == 6
    client = signed_in(site, officer)
    page = client.get(f"/calls/{call.id}").text
    certificate = client.get(f"/calls/{call.id}/certificate").text
    last = consent.scope.ends_on.isoformat()
    for shown in (page, certificate):
        assert "In writing, on file" in shown
        assert consent.id in shown
        assert last in shown
    (answer,) = client.get(f"/api/v1/calls/{call.id}").json()["consents"]
    assert (answer["how"], answer["standing"]) == ("written", consent.id)


@pytest.mark.parametrize("purpose", [Purpose.TRAINING, Purpose.COACHING])
def test_what_is_on_file_is_known_before_the_call(site: Site, purpose: Purpose) -> None:
    user = add(site, UserRole.SUPERVISOR)
    consent = signed(site.store, user, GERMANY, purposes=frozenset({Purpose.TRAINING}))
    with site.store.engine.begin() as connection:
        account.change(connection, {"home_place": "US-TX"}, None, utc_now())
    with reading(site.store.engine) as connection:
        start = prepare(site.store, connection, user, GERMANY)
    start = replace(start, policy=Policy(purpose=purpose))
    today = utc_now().date()
    found = start.on_file(start.decide(today, site.rules), today)
    assert found == (consent.scope, purpose is Purpose.TRAINING)
