"""The page of the providers: who tests, what is refused, what the report says, and no password."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient
from tests.server.trunkrig import Exchange
from tests.web.conftest import ORIGIN, OWN
from tests.web.live import live_site, sign_in

from askfirst.server import audit
from askfirst.server.access import UserRole
from askfirst.server.database import reading
from askfirst.telephony.siptrunk import Trunk
from askfirst.web.app import create_app
from askfirst.web.visit import Site

PAGE, TEST = "/settings/providers", "/settings/providers/test"
NUMBER = "+4722222222"


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Site]:
    yield from live_site(tmp_path)


@pytest.fixture
def running(live: Site) -> Iterator[TestClient]:
    """A browser at a server that carries calls; nobody is signed in."""
    with TestClient(create_app(live), base_url=ORIGIN, headers=OWN, follow_redirects=False) as made:
        yield made


def at_trunk(site: Site, does: str = "echoes", **trunk: Any) -> Exchange:
    """Let the desk call over an exchange that does as it is told."""
    exchange = Exchange(does, **trunk)
    site.carrier.desk.providers.connect(exchange)
    return exchange


def finish(client: TestClient, site: Site) -> None:
    """Wait for the end of a test call, on the server's loop."""
    assert client.portal is not None
    client.portal.call(site.carrier.tester.finished)


def shown(page: str) -> str:
    """What a page says, without its markup."""
    body = page[page.index('<main id="main"') :]
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", body))


# What is refused


@pytest.mark.parametrize("role", [UserRole.AUDITOR, UserRole.COMPLIANCE])
def test_who_may_only_read_sees_how_it_stands_and_calls_nobody(
    running: TestClient, live: Site, role: UserRole
) -> None:
    exchange = at_trunk(live)
    sign_in(running, live, role, "reader")

    page = running.get(PAGE)
    assert page.status_code == 200
    assert "Registered" in page.text
    assert TEST not in page.text
    assert running.post(TEST, data={"number": NUMBER}).status_code == 403
    assert exchange.calls == []


@pytest.mark.parametrize(
    "number", ["", "112", "911", "+4782012345", "hello", "+4748750103", "+47<script>"]
)
def test_a_number_that_is_not_called_is_said_beside_its_field_and_calls_nobody(
    running: TestClient, live: Site, number: str
) -> None:
    exchange = at_trunk(live)
    sign_in(running, live, UserRole.ADMIN, "boss")

    answer = running.post(TEST, data={"number": number})

    assert answer.status_code == 422
    assert 'id="number-error"' in answer.text
    assert "<script>" not in answer.text.replace("<script src", "").replace("<script type", "")
    assert exchange.calls == []


def test_while_all_lines_are_busy_no_test_call_is_made(running: TestClient, live: Site) -> None:
    exchange = at_trunk(live, most_calls=2)
    exchange.link.occupy(2)
    sign_in(running, live, UserRole.ADMIN, "boss")

    answer = running.post(TEST, data={"number": NUMBER})

    assert answer.status_code == 409
    assert "no line is free" in answer.text
    assert "2 of 2" in shown(answer.text)
    assert exchange.calls == []


def test_without_a_trunk_the_page_says_how_to_set_one_up_and_tests_nothing(
    running: TestClient, live: Site
) -> None:
    sign_in(running, live, UserRole.ADMIN, "boss")

    page = running.get(PAGE)

    assert "Not set up" in page.text
    assert "docs/how-to/telephone.md" in page.text
    assert "[sip]" in page.text
    assert TEST not in page.text
    assert running.post(TEST, data={"number": NUMBER}).status_code == 409


def test_a_process_that_carries_no_calls_shows_what_is_set_and_tests_nothing(
    tmp_path: Path,
) -> None:
    for site in live_site(tmp_path):
        trunk = Trunk(server="pbx.example", password="s3cret")  # noqa: S106 - of nobody
        pages = replace(site, settings=replace(site.settings, sip=trunk))
        client = TestClient(create_app(pages), base_url=ORIGIN, headers=OWN, follow_redirects=False)
        sign_in(client, pages, UserRole.ADMIN, "boss")
        page = client.get(PAGE)
        assert "This process carries no calls" in page.text
        assert "pbx.example:5060" in page.text
        assert TEST not in page.text
        assert client.post(TEST, data={"number": NUMBER}).status_code == 409


# What is shown


def test_the_page_says_how_the_trunk_stands_and_never_the_password(
    running: TestClient, live: Site
) -> None:
    at_trunk(live, caller_id="+4721000000", codecs=("opus", "pcma"), most_calls=7, user="team")
    sign_in(running, live, UserRole.ADMIN, "boss")

    page = running.get(PAGE).text

    said = shown(page)
    for words in ("pbx.example:5060", "team", "+4721000000", "Opus, PCMA (G.711)", "0 of 7",
                  "Registered", "200 OK", "UDP, not encrypted", "presses-one"):  # fmt: skip
        assert words in said, words
    assert "s3cret" not in page


@pytest.mark.parametrize(
    ("trunk", "warns"),
    [
        ({"server": "pbx.example"}, True),
        ({"server": "93.184.216.34"}, True),
        ({"server": "127.0.0.1"}, False),
        ({"server": "[fd00::1]"}, False),
        ({"server": "pbx"}, False),
    ],
)
def test_what_goes_in_plain_to_the_outside_is_warned_of(
    running: TestClient, live: Site, trunk: dict[str, Any], warns: bool
) -> None:
    at_trunk(live, **trunk)
    sign_in(running, live, UserRole.ADMIN, "boss")

    page = running.get(PAGE).text

    assert ("Signalling is not encrypted" in page) is warns
    assert ("whoever carries it can listen" in page) is warns


def test_a_trunk_that_encrypts_is_warned_of_the_librarys_age_alone(
    running: TestClient, live: Site
) -> None:
    at_trunk(live, transport="tls", security="srtp")
    sign_in(running, live, UserRole.ADMIN, "boss")

    page = running.get(PAGE).text

    assert "OpenSSL" in page
    assert "Signalling is not encrypted" not in page


# The test call


def test_a_test_call_works_without_script_and_its_report_is_on_the_page(
    running: TestClient, live: Site
) -> None:
    exchange = at_trunk(live)
    boss = sign_in(running, live, UserRole.ADMIN, "boss")

    answer = running.post(TEST, data={"number": "+47 22 22 22 22"})
    assert (answer.status_code, answer.headers["location"]) == (303, f"{PAGE}#test-call")
    finish(running, live)
    page = running.get(PAGE).text

    said = shown(page)
    for words in ("our own tone came back", "came back after 240 ms", "360 sent, 355 received, 5",
                  "2.5 ms", "not reported in that time", "PCMA (G.711)", "18 ms",
                  "Boss"):  # fmt: skip
        assert words in said, words
    assert [number for number, _ in exchange.calls] == [NUMBER]
    assert NUMBER not in page
    assert "22 22 22 22" not in page
    with reading(live.store.engine) as connection:
        lines = [(each.actor, each.action, each.object, each.detail)
                 for each in audit.lines(connection)]  # fmt: skip
    assert lines[0] == (boss.id, "provider.tested", "answered", {})
    assert NUMBER not in str(lines)


def test_while_a_test_call_is_under_way_the_page_asks_again_and_offers_no_second_one(
    running: TestClient, live: Site
) -> None:
    exchange = at_trunk(live, "rings")
    sign_in(running, live, UserRole.ADMIN, "boss")
    assert running.post(TEST, data={"number": NUMBER}).status_code == 303

    page = running.get(PAGE).text

    assert "A test call is under way" in page
    assert 'hx-trigger="every 2s"' in page
    assert f'action="{TEST}"' not in page
    assert running.post(TEST, data={"number": NUMBER}).status_code == 409
    assert len(exchange.calls) == 1


@pytest.mark.parametrize(
    ("does", "kind", "words"),
    [
        ("is silent", "is-warning", "the other side was silent"),
        ("busy", "is-warning", "It was busy"),
        ("is down", "is-warning", "no line was there"),
    ],
)
def test_other_ends_are_said_in_words(
    running: TestClient, live: Site, does: str, kind: str, words: str
) -> None:
    at_trunk(live, does)
    sign_in(running, live, UserRole.ADMIN, "boss")
    running.post(TEST, data={"number": NUMBER})
    finish(running, live)

    page = running.get(PAGE).text

    assert kind in page
    assert words in shown(page)


def test_the_page_speaks_norwegian(running: TestClient, live: Site) -> None:
    at_trunk(live)
    sign_in(running, live, UserRole.ADMIN, "boss")
    running.post(TEST, data={"number": NUMBER})
    finish(running, live)

    said = shown(running.get(PAGE, params={"lang": "nb"}).text)

    for words in ("Registrert", "Prøvesamtale", "2,5 ms", "Simulator"):
        assert words in said, words
    for words in ("Registered", "Test call", "came back"):
        assert words not in said, words
