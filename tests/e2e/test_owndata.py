"""An employee gets their own data in the browser, and nobody else does."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import expect
from tests.e2e.conftest import Open

pytestmark = pytest.mark.full


def test_an_agent_makes_a_package_with_their_voice_and_downloads_it(
    window: Open, tmp_path: Path
) -> None:
    mine, other = window("agent"), window("other")
    mine.go("/me")
    mine.page.get_by_role("link", name="My data: everything").click()
    expect(mine.page.get_by_role("heading", name="My data")).to_be_visible()

    mine.page.get_by_label("With recordings of my voice").check()
    mine.page.get_by_role("button", name="Make package").click()
    link = mine.page.get_by_role("link", name="Download")
    expect(link).to_be_visible(timeout=30_000)
    with mine.page.expect_download() as taken:
        link.click()

    kept = tmp_path / "own.zip"
    taken.value.save_as(kept)
    with zipfile.ZipFile(kept) as archive:
        names = archive.namelist()
        calls = json.loads(archive.read("calls.json"))
        assert "What is kept about you" in archive.read("index.html").decode()
    assert calls
    assert any(name.endswith(".ogg") for name in names)
    address = link.get_attribute("href")
    answer = other.page.request.get(f"{mine.page.url.partition('/me')[0]}{address}")
    assert answer.status == 404
