"""Signing in as people do: by passkey, by an app's code, and in place while a call goes on."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pyotp
import pytest
from playwright.sync_api import CDPSession, Page, expect
from tests.e2e.conftest import Open, running
from tests.e2e.furnish import PASSWORD, email
from tests.e2e.installation import Installation, free_port
from tests.e2e.phone import Phone
from tests.e2e.test_signed_out import end_sessions

from askfirst.server import factors
from askfirst.server.clock import utc_now
from askfirst.server.database import transaction

pytestmark = pytest.mark.full


@pytest.fixture(scope="module")
def local(
    chromium: str, furnished: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    """A server that browsers reach by a name: a number has no passkeys."""
    folder = tmp_path_factory.mktemp("local") / "furnished"
    shutil.copytree(furnished, folder)
    port = free_port()
    public = f"http://localhost:{port}"
    (folder / "askfirst.toml").write_text(f'public_url = "{public}"\n')
    with running(folder, public, port) as found:
        yield found


def authenticator(page: Page) -> tuple[CDPSession, str]:
    """A device of the browser that makes passkeys and knows its person's finger."""
    device = page.context.new_cdp_session(page)
    device.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    made = device.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    return device, str(made["authenticatorId"])


def add_passkey(page: Page, origin: str, name: str) -> None:
    page.goto(f"{origin}/me/security")
    page.get_by_label("Name of the new passkey").fill(name)
    page.get_by_role("button", name="Add a passkey").click()
    expect(page.locator("#main .flash")).to_contain_text("The passkey is kept.")
    expect(page.get_by_text(name, exact=True)).to_be_visible()


def sign_out(page: Page, origin: str) -> None:
    page.context.clear_cookies()
    page.goto(f"{origin}/sign-in")


@pytest.fixture
def seen(window: Open, local: Installation) -> Iterator[Page]:
    """The agent's window at an address that may have passkeys; in the end there are none."""
    found = window("agent", at=local, origin=local.public)
    found.expect_error("401")
    yield found.page
    with local.store() as store, transaction(store.engine) as connection:
        factors.reset(connection, local.ids["people"]["agent"], local.ids["people"]["admin"],
                      utc_now())  # fmt: skip


def test_a_passkey_signs_in_without_address_or_password(seen: Page, local: Installation) -> None:
    authenticator(seen)
    add_passkey(seen, local.public, "My phone")
    sign_out(seen, local.public)

    seen.get_by_role("button", name="Sign in with a passkey").click()

    expect(seen.locator(".menu-name")).to_have_text("Kari Berg")
    seen.goto(f"{local.public}/me/security")
    expect(seen.get_by_text("last used")).to_be_visible()


def test_a_passkey_stands_in_for_the_code_after_a_password(seen: Page, local: Installation) -> None:
    authenticator(seen)
    add_passkey(seen, local.public, "Stick")
    sign_out(seen, local.public)
    seen.get_by_label("E-mail").fill(email("agent"))
    seen.get_by_label("Password").fill(PASSWORD)
    seen.get_by_role("button", name="Sign in", exact=True).click()
    expect(seen.get_by_role("heading", name="One more step")).to_be_visible()

    seen.get_by_role("button", name="Sign in with a passkey").click()

    expect(seen.locator(".menu-name")).to_have_text("Kari Berg")


def test_a_device_that_does_not_know_its_person_signs_nobody_in(
    seen: Page, local: Installation
) -> None:
    device, identity = authenticator(seen)
    add_passkey(seen, local.public, "Borrowed")
    sign_out(seen, local.public)
    device.send("WebAuthn.setUserVerified", {"authenticatorId": identity, "isUserVerified": False})

    seen.get_by_role("button", name="Sign in with a passkey").click()

    expect(seen.get_by_text("The passkey was not used.")).to_be_visible()
    assert "askfirst" not in {each["name"] for each in seen.context.cookies()}


def test_a_copy_whose_counter_did_not_go_on_signs_nobody_in(
    seen: Page, local: Installation
) -> None:
    device, identity = authenticator(seen)
    add_passkey(seen, local.public, "Copied")
    known = {"authenticatorId": identity}
    (made,) = device.send("WebAuthn.getCredentials", known)["credentials"]
    sign_out(seen, local.public)
    seen.get_by_role("button", name="Sign in with a passkey").click()
    expect(seen.locator(".menu-name")).to_have_text("Kari Berg")

    device.send("WebAuthn.clearCredentials", known)
    device.send("WebAuthn.addCredential", {**known, "credential": {**made, "signCount": 0}})
    sign_out(seen, local.public)
    seen.get_by_role("button", name="Sign in with a passkey").click()

    expect(seen.get_by_text("The address or the password is wrong")).to_be_visible()


def test_a_removed_passkey_signs_nobody_in(seen: Page, local: Installation) -> None:
    authenticator(seen)
    add_passkey(seen, local.public, "Lost")
    seen.get_by_text("Change or remove Lost").click()
    wanted = seen.locator("details", has_text="Change or remove Lost")
    wanted.get_by_label("Password or code").fill(PASSWORD)
    wanted.get_by_role("button", name="Remove").click()
    expect(seen.locator("#main .flash")).to_contain_text("The passkey is removed.")
    sign_out(seen, local.public)

    seen.get_by_role("button", name="Sign in with a passkey").click()

    expect(seen.get_by_text("The address or the password is wrong")).to_be_visible()


def test_an_app_is_set_up_and_asked_for_in_place_while_a_call_goes_on(
    seen: Page, local: Installation
) -> None:
    page, phone = seen, Phone(seen)
    page.goto(f"{local.public}/me/security")
    page.get_by_role("button", name="Set up an app").click()
    secret = page.locator(".secret").inner_text().replace(" ", "")
    code = pyotp.TOTP(secret)
    earlier = utc_now() - timedelta(seconds=30)
    page.get_by_label("2. The code that the app shows").fill(code.at(earlier))
    page.get_by_role("button", name="Turn on").click()
    shown = page.locator(".recovery-codes code")
    expect(shown).to_have_count(10)
    codes = shown.all_inner_texts()
    page.get_by_role("link", name="I have kept them").click()
    expect(page.get_by_text("In use")).to_be_visible()
    phone.arrive()
    phone.call("+4748750101")

    end_sessions(local, "agent")
    place = page.locator("#signin")
    place.get_by_label("E-mail").fill(email("agent"))
    place.get_by_label("Password").fill(PASSWORD)
    place.get_by_role("button", name="Sign in", exact=True).click()
    place.get_by_label("Code").fill(codes[0])
    place.get_by_role("button", name="Sign in", exact=True).click()

    expect(place).to_be_hidden()
    phone.expect_talking()
    phone.hang_up()
