"""The certificate of an ordinary call is one page, with an annex behind it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from starlette.testclient import TestClient
from tests.server import rig
from tests.web.test_certificate import auditor as auditor
from tests.web.test_certificate import site as site

from askfirst.web.visit import ZONE_COOKIE, Site

GERMANY = "+4915550100007"


@pytest.mark.parametrize("language", ["en", "nb"])
@pytest.mark.parametrize("number", [rig.NORWAY, rig.CALIFORNIA, GERMANY])
@pytest.mark.parametrize("zone", ["UTC", "Europe/Oslo"])
def test_the_certificate_of_an_ordinary_call_is_one_page_and_its_annex(
    site: Site, auditor: TestClient, tmp_path: Path, language: str, number: str, zone: str
) -> None:
    node = site.carrier.node
    assert node is not None
    call = rig.record(node, tmp_path / "callee", number=number).call
    auditor.cookies.set(ZONE_COOKIE, zone)

    made = auditor.get(f"/calls/{call}/certificate.pdf", params={"lang": language}).content

    assert len(re.findall(rb"/Type\s*/Page\b", made)) == 2
    assert b"/StructTreeRoot" in made
    assert b"/MarkInfo" in made
