"""The page of test calls over Twilio: who tests, what is refused, what each failing step says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient
from tests.web.conftest import ORIGIN, OWN
from tests.web.live import live_site, sign_in
from tests.web.test_providers import shown

from askfirst.clock import LoopClock
from askfirst.errors import AskfirstError
from askfirst.server import audit
from askfirst.server.access import UserRole
from askfirst.server.clock import utc_now
from askfirst.server.database import reading
from askfirst.server.twiliotest import Report
from askfirst.telephony.siptest import Heard
from askfirst.telephony.twilioerrors import meaning
from askfirst.telephony.twilioline import TwilioLine
from askfirst.telephony.twilioprovider import TwilioProvider
from askfirst.web.app import create_app
from askfirst.web.twiliopaths import PROGRESS, STREAM
from askfirst.web.visit import Site

PAGE = "/settings/providers/twilio/test"
NUMBER = "+4722222222"
LINE = TwilioLine(sender="+4721000000", stream_url="wss://x.test/s", status_url="https://x.test/c")
ALL_WELL = Report(
    at=utc_now(),
    by="usr_nobody",
    outcome="answered",
    is_known=True,
    taken_ms=210,
    told_ms=340,
    ringing_ms=1_900,
    picked_up_ms=6_400,
    stream_ms=6_600,
    heard=Heard(
        listened_ms=7_200, sounding_ms=3_100, level_dbfs=-31.4, round_trip_ms=None, echo_dbfs=None
    ),
    frames=361,
    jitter_ms=2.4,
    mark_ms=180,
    hang_up_ms=230,
    talked_ms=7_900,
)
UNANSWERED = replace(
    ALL_WELL, outcome="no-answer", picked_up_ms=None, stream_ms=None, heard=None, frames=0,
    jitter_ms=None, mark_ms=None, talked_ms=None,
)  # fmt: skip
NOT_TAKEN = Report(at=utc_now(), by="usr_nobody", outcome="no-line")


class Ringing:
    """What is asked of Twilio: it takes every call, which then rings, or refuses it."""

    def __init__(self, error: AskfirstError | None = None) -> None:
        self.called: list[str] = []
        self.ended: list[str] = []
        self._error = error

    async def place(self, to: str, *_: object, **__: object) -> str:
        """Take a call."""
        if self._error is not None:
            raise self._error
        self.called.append(to)
        return f"CA{len(self.called):032x}"

    async def redirect(self, sid: str, twiml: str) -> None:
        """Not asked for in a test call."""
        raise AssertionError

    async def end(self, sid: str) -> None:
        """Hang up."""
        self.ended.append(sid)


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Site]:
    yield from live_site(tmp_path)


@pytest.fixture
def running(live: Site) -> Iterator[TestClient]:
    """A browser at a server that carries calls; nobody is signed in."""
    with TestClient(create_app(live), base_url=ORIGIN, headers=OWN, follow_redirects=False) as made:
        yield made


@pytest.fixture
def boss(running: TestClient, live: Site) -> TestClient:
    """A browser of an administrator."""
    sign_in(running, live, UserRole.ADMIN, "boss")
    return running


def at_twilio(site: Site, error: AskfirstError | None = None) -> Ringing:
    """Let the desk call over a Twilio at which every call rings, or is refused."""
    asked = Ringing(error)
    site.carrier.desk.providers.connect(TwilioProvider(LoopClock(), asked, LINE))
    return asked


def finish(client: TestClient, site: Site) -> None:
    assert client.portal is not None
    client.portal.call(site.carrier.twilio_tester.finished)


def said(client: TestClient, site: Site, report: Report, **query: str) -> str:
    """What the page says of a report."""
    site.carrier.twilio_tester.last = report
    return shown(client.get(PAGE, params=query).text)


# What is refused


@pytest.mark.parametrize("role", [UserRole.AUDITOR, UserRole.COMPLIANCE])
def test_who_may_only_read_sees_the_report_and_calls_nobody(
    running: TestClient, live: Site, role: UserRole
) -> None:
    asked = at_twilio(live)
    sign_in(running, live, role, "reader")

    assert "Every step went well" in said(running, live, ALL_WELL)
    assert f'action="{PAGE}"' not in running.get(PAGE).text
    assert running.post(PAGE, data={"number": NUMBER}).status_code == 403
    assert running.post(PAGE, data={"act": "stop"}).status_code == 403
    assert asked.called == []


@pytest.mark.parametrize(
    "number", ["", "112", "911", "+4782012345", "hello", "+4748750103", "+47<script>"]
)
def test_a_number_that_is_not_called_is_said_beside_its_field_and_calls_nobody(
    boss: TestClient, live: Site, number: str
) -> None:
    asked = at_twilio(live)

    answer = boss.post(PAGE, data={"number": number})

    assert answer.status_code == 422
    assert 'id="number-error"' in answer.text
    assert "+47<script>" not in answer.text
    assert asked.called == []


def test_where_no_calls_go_over_twilio_the_page_says_so_and_tests_nothing(boss: TestClient) -> None:
    page = boss.get(PAGE)

    assert "No calls go over Twilio at the moment" in shown(page.text)
    assert f'action="{PAGE}"' not in page.text
    assert boss.post(PAGE, data={"number": NUMBER}).status_code == 409


def test_a_process_that_carries_no_calls_tests_nothing(tmp_path: Path) -> None:
    for site in live_site(tmp_path):
        client = TestClient(create_app(site), base_url=ORIGIN, headers=OWN, follow_redirects=False)
        sign_in(client, site, UserRole.ADMIN, "boss")
        assert client.get(PAGE).status_code == 200
        for data in ({"number": NUMBER}, {"act": "stop"}):
            assert client.post(PAGE, data=data).status_code == 409


def test_a_refused_country_is_said_in_words_and_the_number_is_nowhere(
    boss: TestClient, live: Site
) -> None:
    at_twilio(live, meaning(400, 21215))
    assert boss.post(PAGE, data={"number": NUMBER}).status_code == 303
    finish(boss, live)

    page = boss.get(PAGE).text

    assert "Twilio did not take the call" in shown(page)
    assert "calls to this country are switched off at Twilio; allow it under Voice" in shown(page)
    assert NUMBER not in page
    with reading(live.store.engine) as connection:
        lines = [(each.action, each.object, each.detail) for each in audit.lines(connection)]
    assert lines[0] == ("provider.tested", "no-line", {"provider": "twilio"})
    assert NUMBER not in str(lines)


# One at a time


def test_while_it_is_under_way_the_page_offers_to_stop_it_and_no_second_one(
    boss: TestClient, live: Site
) -> None:
    asked = at_twilio(live)
    answer = boss.post(PAGE, data={"number": "+47 22 22 22 22"})
    assert (answer.status_code, answer.headers["location"]) == (303, f"{PAGE}#test-call")

    page = boss.get(PAGE).text
    assert "A test call is under way" in page
    assert 'hx-trigger="every 2s"' in page
    assert 'name="number"' not in page
    assert boss.post(PAGE, data={"number": NUMBER}).status_code == 409

    assert boss.post(PAGE, data={"act": "stop"}).status_code == 303
    page = shown(boss.get(PAGE).text)
    assert "The call was stopped" in page
    assert asked.called == [NUMBER]
    assert asked.ended == [f"CA{1:032x}"]
    assert boss.post(PAGE, data={"act": "stop"}).status_code == 303, "nothing is left to stop"


# What it says


def test_a_call_that_went_well_is_told_step_by_step(boss: TestClient, live: Site) -> None:
    at_twilio(live)

    page = said(boss, live, ALL_WELL)

    for words in ("Every step went well", "accepted", "after 210 ms", "after 340 ms", "after 1.9 s",
                  "after 6.4 s", "after 6.6 s", "3.1 s of 7.2 s, -31.4 dBFS",
                  "told back 180 ms after its end", "361 frames, 2.4 ms of jitter",
                  "after 230 ms", "7.9 s of a call and of a stream",
                  "Nothing of what is said there is recorded, stored or passed on"):  # fmt: skip
        assert words in page, words
    assert "Expected" not in page


@pytest.mark.parametrize(
    ("report", "words"),
    [
        (replace(NOT_TAKEN, is_known=False, refusal=str(meaning(401, 20003))), "compare the accou"),
        (replace(NOT_TAKEN, is_known=True, refusal=str(meaning(400, 21219))), "trial account"),
        (replace(NOT_TAKEN, refusal=str(meaning(429, 20429))), "too many requests"),
        (NOT_TAKEN, "reaches api.twilio.com over https"),
        (replace(ALL_WELL, told_ms=None, ringing_ms=6_600, picked_up_ms=None), PROGRESS),
        (replace(UNANSWERED, outcome="unheard", told_ms=None, ringing_ms=None), PROGRESS),
        (UNANSWERED, "Nobody took it for 25 seconds"),
        (replace(UNANSWERED, outcome="busy", ringing_ms=None), "It was busy there"),
        (replace(UNANSWERED, outcome="declined"), "The call was turned down there"),
        (replace(UNANSWERED, outcome="not-found", ringing_ms=None), "found no telephone"),
        (replace(UNANSWERED, outcome="unreachable"), "could not be reached"),
        (replace(UNANSWERED, outcome="unsupported"), "cannot talk with Twilio"),
        (replace(UNANSWERED, outcome="provider-error"), "Twilio gave the call up"),
        (replace(UNANSWERED, outcome="provider-error", picked_up_ms=9, refused=1), "came without"),
        (replace(UNANSWERED, outcome="media-timeout", picked_up_ms=9), STREAM),
        (replace(ALL_WELL, frames=0, jitter_ms=None), "brought no sound"),
        (replace(ALL_WELL, mark_ms=None), "did not tell within 5 seconds that it had played"),
        (replace(ALL_WELL, jitter_ms=48.0), "voices break off"),
        (replace(ALL_WELL, hang_up_ms=None), "it costs as long as it goes on"),
    ],
)  # fmt: skip
def test_each_failing_step_says_what_was_found_and_what_to_do(
    boss: TestClient, live: Site, report: Report, words: str
) -> None:
    at_twilio(live)

    page = said(boss, live, report)

    assert words in page
    assert "Every step went well" not in page
    assert "chip-no" in boss.get(PAGE).text


def test_a_silent_telephone_is_no_fault_of_the_line(boss: TestClient, live: Site) -> None:
    at_twilio(live)
    assert ALL_WELL.heard is not None
    silent = replace(ALL_WELL.heard, sounding_ms=0, level_dbfs=None)

    page = said(boss, live, replace(ALL_WELL, heard=silent))

    assert "all of it was silence" in page
    assert "Every step went well" in page


def test_an_end_before_everything_was_measured_is_told_as_that(
    boss: TestClient, live: Site
) -> None:
    at_twilio(live)

    page = said(boss, live, replace(ALL_WELL, outcome="cut-short", mark_ms=None))

    assert "The call ended before everything was measured" in page
    assert "it did not come to that" in page
    assert "chip-no" not in boss.get(PAGE).text


def test_the_page_speaks_norwegian(boss: TestClient, live: Site) -> None:
    at_twilio(live)
    found: list[Any] = [
        said(boss, live, each, lang="nb")
        for each in (ALL_WELL, UNANSWERED, replace(UNANSWERED, outcome="unheard", told_ms=None))
    ]

    for words in ("Prøvesamtale", "etter 1,9 s", "2,4 ms"):
        assert words in found[0], words
    for page in found:
        for words in ("Test call", "Expected", "after", "Nobody", "stream", "Webhooks reach"):
            assert words not in page, words
