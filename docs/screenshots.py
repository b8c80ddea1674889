"""Make the pictures of the pages in docs/images: python -m docs.screenshots [FOLDER]

From a server of its own with made-up people, contacts and calls, in Debian's Chromium.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Browser, expect, sync_playwright
from tests.e2e.browsing import ARGUMENTS, Window, open_window
from tests.e2e.installation import Installation
from tests.e2e.phone import Phone

ROOT = Path(__file__).parents[1]
CALIFORNIA = "+16285550142"
LOOKS = [(language, theme) for language in ("en", "nb") for theme in ("light", "dark")]
SIZE = (1280, 800)
SMALL = (375, 667)


def contacts(seen: Window) -> None:
    """Contacts, and beside them what the law asks of a call to one of them."""
    Phone(seen.page).prepare(CALIFORNIA)


def asking(seen: Window) -> None:
    """A call in which the question is due."""
    phone = Phone(seen.page)
    if seen.page.viewport_size and seen.page.viewport_size["width"] < 860:
        phone.root.locator(".dock-toggle-sheet").click()
    phone.call(CALIFORNIA)
    expect(phone.part("consent")).to_be_visible()


def nothing(seen: Window) -> None:
    """The page as it comes."""


def opened(seen: Window) -> None:
    """The first map, unfolded."""
    seen.page.locator("#main summary").first.click()


SCREENS: dict[str, tuple[str, Callable[[Window], None]]] = {
    "contacts": ("/contacts", contacts),
    "asking": ("/contacts", asking),
    "calls": ("/calls", nothing),
    "call": ("/calls/{call}", nothing),
    "rules": ("/rules", opened),
}
"""Name, page, and what is done before the picture is taken."""


def take(
    browser: Browser,
    installation: Installation,
    name: str,
    look: tuple[str, str],
    size: tuple[int, int],
    out: Path,
) -> None:
    """One picture."""
    path, act = SCREENS[name]
    language, theme = look
    seen = open_window(
        browser, installation, "agent",
        language=language, theme=theme, width=size[0], height=size[1],
    )  # fmt: skip
    seen.go(path.replace("{call}", installation.ids["calls"]["presses-one"]))
    phone = Phone(seen.page)
    phone.arrive()
    act(seen)
    end = "-small" if size == SMALL else ""
    seen.page.screenshot(path=out / f"{name}-{language}-{theme}{end}.png")
    if phone.control("hangup").is_visible():
        phone.hang_up()
    seen.context.close()
    if seen.faults():
        raise SystemExit(f"{path}: {seen.faults()}")


def main(out: Path) -> None:
    """Every screen in every look, and one of them small."""
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as made, sync_playwright() as playwright:
        folder = Path(made)
        subprocess.run(  # noqa: S603 - our own module
            [sys.executable, "-m", "tests.e2e.furnish", folder / "data"], cwd=ROOT, check=True
        )
        installation = Installation(folder)
        installation.start()
        try:
            browser = playwright.chromium.launch(
                executable_path="/usr/bin/chromium", args=[*ARGUMENTS]
            )
            for look in LOOKS:
                for name in SCREENS:
                    take(browser, installation, name, look, SIZE, out)
            take(browser, installation, "asking", ("en", "light"), SMALL, out)
            browser.close()
        finally:
            installation.end()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if sys.argv[1:] else ROOT / "docs" / "images")
