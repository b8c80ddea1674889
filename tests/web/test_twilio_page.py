"""The page of Twilio: who may change it, that no secret is shown, and what the checks say.

Twilio is the emulator, asked over HTTP.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from starlette.testclient import TestClient
from tests.server import twiliorig
from tests.twilio.onlooker import onlooker as onlooker
from tests.twilio.serving import serving
from tests.web.conftest import add, browser, signed_in
from tests.web.test_providers import shown

from askfirst.server import account, audit
from askfirst.server.access import UserRole
from askfirst.server.clock import utc_now
from askfirst.server.database import reading, transaction
from askfirst.server.twilioaccount import TwilioAccount, in_force
from askfirst.server.twiliocheck import REGION_URLS, Addresses, client, look
from askfirst.twilioemulator.kept import Account, Fault, KeptNumber, KeptRecording
from askfirst.twilioemulator.resources import Resources
from askfirst.web.carrying import Carrier
from askfirst.web.twiliopaths import FALLBACK, PROGRESS, VOICE
from askfirst.web.visit import Site

PAGE = "/settings/providers/twilio"
OURS, OTHER, BOUND, MUTE = (f"PN{n:032x}" for n in range(4))
SECRETS = ("auth_token", "api_secret", "signing_secret")


@pytest.fixture
def there() -> Account:
    """What Twilio has: three numbers, no recordings, two countries."""
    numbers = {
        OURS: KeptNumber(OURS, "+4721000001"),
        OTHER: KeptNumber(OTHER, "+4721000002", "https://else.example/"),
        BOUND: KeptNumber(BOUND, "+4721000003", trunk_sid="TK" + "0" * 32),
    }
    countries = {"NO": (True, False), "US": (True, True), "KP": (False, False)}
    return Account(twiliorig.SID, twiliorig.TOKEN, numbers=numbers, countries=countries)


@pytest.fixture
def site(site: Site, there: Account) -> Iterator[Site]:
    """An installation at a public address whose Twilio is the emulator."""
    with serving(Resources(there).routes()) as url:
        settings = replace(site.settings, public_url="http://127.0.0.1:8470")
        yield replace(site, settings=settings, carrier=Carrier(twilio_url=url))


@pytest.fixture
def https(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the address of the test were encrypted."""
    monkeypatch.setattr(Addresses, "is_https", property(lambda _: True))


@pytest.fixture
def boss(ready: Site) -> TestClient:
    """A browser of an administrator."""
    return signed_in(ready, add(ready, UserRole.ADMIN, name="boss"))


def texts(client: TestClient) -> str:
    return shown(client.get(PAGE).text)


def audited(site: Site) -> list[str]:
    with reading(site.store.engine) as connection:
        return [line.action for line in audit.lines(connection)]


# What is refused


@pytest.mark.parametrize("role", [UserRole.AUDITOR, UserRole.COMPLIANCE])
def test_who_may_only_read_sees_no_form_and_changes_nothing(ready: Site, role: UserRole) -> None:
    twiliorig.set_up(ready.store)
    reader = signed_in(ready, add(ready, role, name="reader"))

    page = reader.get(PAGE)
    assert page.status_code == 200
    assert twiliorig.SID in page.text
    assert "<form" not in page.text[page.text.index("<main") : page.text.index("</main")]
    for path in ("", "/remove", "/check", f"/numbers/{OURS}"):
        assert reader.post(PAGE + path, data=twiliorig.GIVEN).status_code == 403


def test_what_cannot_be_used_is_said_beside_its_field_and_no_secret_comes_back(
    ready: Site, boss: TestClient
) -> None:
    answer = boss.post(PAGE, data={**twiliorig.GIVEN, "account_sid": "AC1"})
    assert answer.status_code == 422
    assert 'id="account_sid-error"' in answer.text
    for secret in (twiliorig.TOKEN, twiliorig.SIGNING):
        assert secret not in answer.text
    with reading(ready.store.engine) as connection:
        assert in_force(connection, ready.store.keys) is None


def test_a_secret_that_is_left_empty_is_kept_for_the_same_account_alone(
    ready: Site, boss: TestClient
) -> None:
    twiliorig.set_up(ready.store)
    given = {**twiliorig.GIVEN, "auth_token": "", "signing_secret": "", "sender": "+4721000001"}
    assert boss.post(PAGE, data=given).status_code == 303
    with reading(ready.store.engine) as connection:
        found = in_force(connection, ready.store.keys)
    assert found is not None
    assert (found.auth_token, found.sender) == (twiliorig.TOKEN, "+4721000001")
    assert found.signing_secret == twiliorig.SIGNING

    other = boss.post(PAGE, data={**given, "account_sid": "AC" + "e" * 32})
    assert other.status_code == 422
    named = boss.post(PAGE, data={**given, "signing_key": "SKother"})
    assert named.status_code == 422


def test_without_https_or_an_account_no_number_is_configured(
    ready: Site, boss: TestClient, there: Account
) -> None:
    assert boss.post(f"{PAGE}/numbers/{OURS}").status_code == 404
    twiliorig.set_up(ready.store)
    assert boss.post(f"{PAGE}/numbers/{OURS}").status_code == 409
    assert there.numbers[OURS].voice_url == ""
    assert "Answer its calls here" not in texts(boss)


@pytest.mark.usefixtures("https")
def test_a_number_that_a_trunk_answers_is_said_to_be_so(
    ready: Site, boss: TestClient, there: Account
) -> None:
    twiliorig.set_up(ready.store)
    answer = boss.post(f"{PAGE}/numbers/{BOUND}")
    assert answer.status_code == 409
    assert "application or trunk" in answer.text
    assert "provider.number-configured" not in audited(ready)


# What holds


def test_credentials_are_kept_and_shown_by_their_ids_only(ready: Site, boss: TestClient) -> None:
    assert "Not set up" in shown(boss.get("/settings/providers").text)
    assert boss.post(PAGE, data=twiliorig.GIVEN).headers["location"] == f"{PAGE}?saved=1"

    page = boss.get(f"{PAGE}?saved=1").text
    assert twiliorig.SID in page
    assert "SKhooks" in page
    for secret in (twiliorig.TOKEN, twiliorig.SIGNING):
        assert secret not in page
        assert secret not in boss.get("/audit").text
        assert secret not in boss.get("/api/v1/settings").text
    assert "not asked" in shown(boss.get("/settings/providers").text)
    assert "settings.changed" in audited(ready)


def test_a_change_that_waits_for_a_second_person_says_so(ready: Site, boss: TestClient) -> None:
    with transaction(ready.store.engine) as connection:
        account.change(connection, {"second_person": ["settings"]}, None, utc_now())
    boss.post(PAGE, data=twiliorig.GIVEN)
    assert "waits for a second person" in texts(boss)
    with reading(ready.store.engine) as connection:
        assert in_force(connection, ready.store.keys) is None


def test_the_checks_say_what_twilio_says(ready: Site, boss: TestClient, there: Account) -> None:
    twiliorig.set_up(ready.store)
    assert boss.post(f"{PAGE}/check").status_code == 303

    said = texts(boss)
    for words in ("do not go over Twilio", "the credentials work", "public_url is not https",
                  "no recording there",
                  "+4721000001", "not answered", "answered elsewhere", "application or trunk there",
                  "Norway", "ordinary numbers", "United States", "often misused"):  # fmt: skip
        assert words in said, words
    assert "Korea" not in said
    row = said[said.index("United States") :]
    assert "Ask first the strictest of its parts" in row, "some states ask for consent"
    assert "the credentials work" in shown(boss.get("/settings/providers").text)
    assert "provider.checked" in audited(ready)
    assert there.captures == []


def test_a_trial_account_and_open_recordings_are_warned_of(
    ready: Site, boss: TestClient, there: Account
) -> None:
    twiliorig.set_up(ready.store)
    there.kind, there.enforces_media_login = "Trial", False
    sid = "RE" + "0" * 32
    at = datetime(2026, 11, 1, tzinfo=UTC)
    there.recordings[sid] = KeptRecording(sid, "CA" + "0" * 32, at, {1: b"RIFF0000WAVE"})
    boss.post(f"{PAGE}/check")
    said = texts(boss)
    assert "open to anybody who has the link" in said
    assert "anybody with the link can listen" in said
    assert "trial account" in said

    there.enforces_media_login = True
    boss.post(f"{PAGE}/check")
    assert "a login is wanted" in texts(boss)


@pytest.mark.parametrize(
    ("fault", "words"),
    [(Fault.NONSENSE, "something unexpected"), (None, "does not know these credentials")],
)
def test_what_cannot_be_asked_is_said_and_hides_nothing_else(
    ready: Site, boss: TestClient, there: Account, fault: Fault | None, words: str
) -> None:
    twiliorig.set_up(ready.store)
    if fault is None:
        there.secret = "another token of nobody"  # noqa: S105 - of nobody
    else:
        there.faults = [("IncomingPhoneNumbers", fault)]
    boss.post(f"{PAGE}/check")
    said = texts(boss)
    assert words in said
    assert ("Norway" in said) is (fault is not None)


@pytest.mark.usefixtures("https")
def test_one_button_lets_a_number_ask_us(ready: Site, boss: TestClient, there: Account) -> None:
    twiliorig.set_up(ready.store)
    boss.post(f"{PAGE}/check")
    assert "Answer its calls here" in texts(boss)
    assert boss.post(f"{PAGE}/numbers/{OURS}").status_code == 303

    origin, number = "http://127.0.0.1:8470", there.numbers[OURS]
    told = (number.voice_url, number.status_callback, number.fallback)
    assert told == (origin + VOICE, origin + PROGRESS, origin + FALLBACK)
    assert "answered here" in texts(boss)
    assert "provider.number-configured" in audited(ready)


def test_removing_wipes_the_secrets(ready: Site, boss: TestClient) -> None:
    twiliorig.set_up(ready.store)
    assert boss.post(f"{PAGE}/remove").status_code == 303
    assert twiliorig.SID not in boss.get(PAGE).text
    with reading(ready.store.engine) as connection:
        assert in_force(connection, ready.store.keys) is None


def test_webhooks_are_checked_by_new_credentials_at_once(ready: Site) -> None:
    boss = add(ready, UserRole.ADMIN, name="boss")
    client = signed_in(ready, boss)
    client.post(PAGE, data=twiliorig.GIVEN)
    assert browser(ready).get(FALLBACK).status_code == 200


def test_every_region_has_an_address_of_its_own(ready: Site) -> None:
    for region in ("", "us1", "ie1", "au1"):
        made = twiliorig.set_up(ready.store, region=region)
        asks = client(made)
        base = REGION_URLS.get(region, "https://api.twilio.com")
        assert asks._base == base
        asyncio.run(asks.aclose())


@pytest.mark.usefixtures("https")
@pytest.mark.parametrize(
    ("path", "found"), [("/ours", "reached"), ("/else", "another"), ("/away", "unreachable")]
)
def test_our_public_address_is_tried_from_here(path: str, found: str) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await reader.readuntil(b"\r\n\r\n")
        body = b"<Hangup/>" if b"/ours" in asked else b"hello"
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body))
        await writer.drain()
        writer.close()

    async def tried() -> object:
        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            if path == "/away":
                server.close()
            at = Addresses("", "", f"http://127.0.0.1:{port}{path}")
            made = Account(twiliorig.SID, twiliorig.TOKEN)
            with serving(Resources(made).routes()) as url:
                known = TwilioAccount("twa_1", twiliorig.SID, twiliorig.TOKEN)
                async with client(known, url) as asks:
                    return (await look(asks, at))["webhook"]

    assert asyncio.run(tried()) == found
