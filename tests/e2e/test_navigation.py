"""A call goes on whatever happens to the page beside it."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Request, expect
from tests.e2e.browsing import KEEP_PEERS
from tests.e2e.conftest import Open
from tests.e2e.phone import Phone, at_phone

pytestmark = pytest.mark.full

PAGES = (
    "/contacts/new", "/contacts", "/contacts/import", "/forecast", "/calls", "/rules", "/rules/NO",
    "/rules", "/rules/check", "/contacts",
)  # fmt: skip
"""Ten pages, each with a link on the one before."""

_AWAIT_RESTORE = """() => {
  window.restored = new Promise((done) =>
    document.addEventListener("htmx:historyRestore", () => done(), { once: true }));
}"""

_PACKETS = """async () => {
  const found = {received: 0, sent: 0, lost: 0, lost_there: 0, reports: 0};
  for (const peer of window.peers)
    for (const each of (await peer.getStats()).values()) {
      if (each.type === "inbound-rtp") {
        found.received += each.packetsReceived;
        found.lost += each.packetsLost;
      }
      if (each.type === "outbound-rtp") found.sent += each.packetsSent;
      if (each.type === "remote-inbound-rtp") {
        found.lost_there += each.packetsLost;
        found.reports += each.roundTripTimeMeasurements ?? 0;
      }
    }
  return found;
}"""


def streams_of(page: Page) -> list[str]:
    """The addresses of calls whose events are asked for from now on."""
    found: list[str] = []

    def note(request: Request) -> None:
        if request.url.endswith("/events"):
            found.append(request.url)

    page.on("request", note)
    return found


def travel(page: Page, go: Callable[..., object]) -> None:
    """Go through the history by one page and return when that is shown.

    A step that overtakes the one before makes Chromium stop whatever the document loads, streams
    included, as its stop button does.
    """
    page.evaluate(_AWAIT_RESTORE)
    go(wait_until="commit")
    page.evaluate("() => window.restored")


def test_a_call_outlives_ten_pages_back_forward_a_form_and_an_error(window: Open) -> None:
    seen = window("agent")
    page, phone = seen.page, Phone(seen.page)
    seen.go("/contacts")
    phone.arrive()
    phone.mark()
    phone.call("+4748750101")
    streams = streams_of(page)

    for path in PAGES:
        follow(page, path)
        expect(page.locator("#main h1")).to_be_focused()
    for _ in range(3):
        travel(page, page.go_back)
    travel(page, page.go_forward)

    follow(page, "/contacts")
    follow(page, "/contacts/new")
    form = page.locator("#main form")
    form.get_by_label("Name").fill("Nina Holm")
    form.get_by_label("Number").fill("+4791234599")
    form.get_by_role("button", name="Add").click()
    expect(page.locator("#main h1")).to_have_text("Nina Holm")
    assert re.search("/contacts/pers_", page.url)

    seen.expect_error("404")
    plant(page, "/calls/call_nowhere")
    follow(page, "/calls/call_nowhere")
    expect(page.locator("#main h1")).not_to_have_text("Nina Holm")

    assert phone.is_marked()
    assert len(seen.documents) == 1, seen.documents
    # The stream that the call began with goes on; it was never opened anew.
    assert streams == []
    phone.expect_known_light()
    phone.expect_talking()
    phone.hang_up()


def test_twelve_pages_cost_no_packet_of_sound_either_way(window: Open) -> None:
    seen = window("agent")
    seen.context.add_init_script(KEEP_PEERS)
    page, phone = seen.page, Phone(seen.page)
    seen.go("/contacts")
    phone.arrive()
    phone.call("+4748750101", "browser")
    before = page.evaluate(_PACKETS)

    for path in (*PAGES, "/contacts/new", "/contacts"):
        follow(page, path)
        expect(page.locator("#main h1")).to_be_focused()
    # The other side reports now and then what it has missed (RFC 3550, 6.4).
    page.wait_for_function(f"async (reports) => (await ({_PACKETS})()).reports > reports",
                           arg=before["reports"], timeout=30_000)  # fmt: skip
    after = page.evaluate(_PACKETS)
    phone.hang_up()

    assert after["received"] > before["received"]
    assert after["sent"] > before["sent"]
    assert (after["lost"], after["lost_there"]) == (0, 0)
    assert len(seen.documents) == 1, seen.documents


def test_links_of_the_phone_keep_the_call_and_the_document(window: Open) -> None:
    seen = window("agent")
    phone = at_phone(seen)
    phone.call("+4748750101")

    phone.part("why").click()
    seen.page.wait_for_url("**/rules/NO", wait_until="commit")
    expect(seen.page.locator("#main h1")).to_contain_text("Norway")
    phone.expect_talking()
    phone.hang_up()
    phone.part("last").get_by_role("link").click()
    seen.page.wait_for_url("**/calls/call_*", wait_until="commit")
    expect(seen.page.locator("#after-call")).to_be_visible()

    assert len(seen.documents) == 1, seen.documents


def test_a_step_back_after_the_end_of_the_session_asks_to_sign_in(window: Open) -> None:
    seen = window("other")
    seen.go("/contacts")
    Phone(seen.page).arrive()
    follow(seen.page, "/calls")
    expect(seen.page.locator("#main h1")).to_have_text("Calls")
    seen.expect_error("401|historyCacheMissLoadError")
    seen.context.clear_cookies(name="askfirst")

    seen.page.go_back(wait_until="commit")

    expect(seen.page.locator("#signin")).to_be_visible()
    assert len(seen.documents) == 1


def follow(page: Page, path: str) -> None:
    """Follow a link of the page, and return when the page has come."""
    page.locator(f'a[href="{path}"]:visible').first.click()
    page.wait_for_url(f"**{path}", wait_until="commit")


def plant(page: Page, path: str) -> None:
    """Put a link into the page that leads to something that is not there."""
    page.locator("#main").evaluate(
        """(main, path) => {
          const link = document.createElement("a");
          link.href = path;
          link.textContent = "nowhere";
          main.prepend(link);
          globalThis.htmx.process(main);
        }""",
        path,
    )
