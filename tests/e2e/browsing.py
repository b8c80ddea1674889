"""Windows of a real browser, each with what went wrong in it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request
from tests.e2e.furnish import PASSWORD, email
from tests.e2e.installation import Installation

ARGUMENTS = (
    "--no-sandbox",
    "--use-fake-device-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
)
"""How the browser is started, besides the microphone."""

WATCH = """
addEventListener("securitypolicyviolation", (event) =>
  console.error("policy", event.effectiveDirective, event.blockedURI, event.sample));
"""

KEEP_PEERS = """const Real = RTCPeerConnection;
window.peers = [];
window.RTCPeerConnection = class extends Real {
  constructor(...given) { super(...given); window.peers.push(this); }
};"""
"""A script for windows: `window.peers` are the connections of sound that a page makes."""


@dataclass
class Window:
    """One window of somebody. `documents` are the addresses of the documents that it loaded."""

    installation: Installation
    person: str | None
    origin: str
    context: BrowserContext
    page: Page
    documents: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)

    def expect_error(self, pattern: str) -> None:
        """Say that an error of this kind belongs to what is tried here."""
        self.expected.append(pattern)

    def faults(self) -> list[str]:
        """Errors of scripts, refusals of the policy and failed loads that nobody expected."""
        return [
            error
            for error in self.errors
            if not any(re.search(pattern, error) for pattern in self.expected)
        ]

    def go(self, path: str) -> None:
        """Load a document; it has to be there."""
        answer = self.page.goto(self.origin + path)
        assert answer is not None
        assert answer.ok, (path, answer.status)

    def _note_request(self, request: Request) -> None:
        if request.is_navigation_request() and request.frame == self.page.main_frame:
            self.documents.append(request.url)

    def _note_console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.errors.append(f"{message.text} ({message.location.get('url', '')})")

    def watch(self) -> None:
        """Begin to note documents and errors."""
        self.page.on("request", self._note_request)
        self.page.on("console", self._note_console)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))


def open_window(
    browser: Browser,
    installation: Installation,
    person: str | None,
    *,
    language: str = "en",
    theme: str = "light",
    width: int = 1280,
    height: int = 800,
    zone: str = "UTC",
    origin: str | None = None,
    sharing: Window | None = None,
) -> Window:
    """A window in which somebody is signed in, nobody for None.

    `origin` is the way to the server, where it is not the usual one; `sharing` opens another tab
    of that window's browser and person, where the other wishes do not count.
    """
    origin = origin or installation.origin
    if sharing is not None:
        context = sharing.context
    else:
        scheme: Any = theme
        context = browser.new_context(
            color_scheme=scheme,
            viewport={"width": width, "height": height},
            locale="nb-NO" if language == "nb" else "en-GB",
            timezone_id=zone,
            base_url=origin,
            reduced_motion="reduce",
        )
        context.set_default_timeout(15_000)
        context.add_init_script(WATCH)
        context.add_cookies([{"name": "language", "value": language, "url": origin}])
        if person is not None:
            sign_in(context, origin, person)
    window = Window(installation, person, origin, context, context.new_page())
    window.watch()
    return window


def sign_in(context: BrowserContext, origin: str, person: str) -> None:
    """Give a window somebody's session."""
    answer = context.request.post(
        f"{origin}/sign-in",
        form={"email": email(person), "password": PASSWORD},
        headers={"origin": origin},
        max_redirects=0,
    )
    assert answer.status == 303, answer.text()
