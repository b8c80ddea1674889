"""The question in the phone: nothing is kept before the yes, and a no costs one click."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from tests.e2e.checks import overflows, violations
from tests.e2e.conftest import Open
from tests.e2e.installation import Installation
from tests.e2e.phone import Phone

from askfirst.server import accounts
from askfirst.server.database import transaction

pytestmark = pytest.mark.full

NORWAY = "+4748750101"
CALIFORNIA = "+16285550142"
NEW_ZEALAND = "+64209001234"

LIVE_CALL = "async () => (await (await fetch('/api/v1/phone')).json()).call.call"

_COUNT_CLICKS = """() => {
  window.clicks = 0;
  document.addEventListener("click", (event) => { window.clicks += event.isTrusted; }, true);
}"""


def phone_of(window: Open, person: str = "agent", **more: object) -> Phone:
    seen = window(person, **more)
    seen.go("/contacts")
    phone = Phone(seen.page)
    phone.arrive()
    return phone


def ring(phone: Phone, number: str) -> None:
    """Let it ring, and count clicks from then on."""
    phone.speak_by("script")
    phone.prepare(number)
    phone.place(number).click()
    expect(phone.control("hangup")).to_be_visible()
    phone.page.evaluate(_COUNT_CLICKS)


def clicks(page: Page) -> int:
    return int(page.evaluate("() => window.clicks"))


def kept(installation: Installation) -> set[Path]:
    """What holds sound: files of calls that are being recorded, and recordings that were made.

    Of a recording its folder: texts of an earlier one may still be on their way into it.
    """
    spool, objects = installation.data / "spool", installation.data / "objects"
    files = {path for path in spool.rglob("*") if path.is_file()}
    return files | {path.parent for path in objects.rglob("*") if path.is_file()}


def written(phone: Phone, installation: Installation, before: set[Path]) -> bool:
    """Whether sound comes to be kept besides what was; the first of it follows the light."""
    for _ in range(200):
        if kept(installation) > before:
            return True
        phone.page.wait_for_timeout(50)
    return False


def test_until_the_yes_nothing_is_on_disk_and_the_light_is_never_red(
    window: Open, installation: Installation
) -> None:
    phone = phone_of(window)
    before = kept(installation)
    phone.log_light()
    phone.call(NORWAY)
    expect(phone.part("consent")).to_be_visible()
    expect(phone.part("sentences").locator("button").first).to_be_visible()
    phone.part("sentences").locator("button").first.click()

    assert kept(installation) == before
    assert "recording" not in phone.shades()
    phone.answer("agreed").click()
    phone.expect_light("recording")

    assert written(phone, installation, before)
    phone.hang_up()
    assert phone.shades()[-2:] == ["recording", "off"]


def test_from_ringing_to_they_said_no_takes_two_clicks_at_most_and_the_call_goes_on(
    window: Open, installation: Installation
) -> None:
    phone = phone_of(window)
    before = kept(installation)
    ring(phone, NORWAY)
    phone.log_light()

    phone.answer("refused").click()
    expect(phone.part("rule")).to_have_text("They said no")

    assert clicks(phone.page) <= 2
    phone.expect_talking()
    assert "recording" not in phone.shades()
    phone.hang_up()
    assert kept(installation) == before


def test_from_ringing_to_they_agreed_takes_two_clicks_at_most(window: Open) -> None:
    phone = phone_of(window)
    ring(phone, NORWAY)

    phone.answer("agreed").click()
    phone.expect_light("recording")

    assert clicks(phone.page) <= 2
    phone.hang_up()


def test_yes_and_no_weigh_the_same(window: Open) -> None:
    phone = phone_of(window)
    phone.call(NORWAY)

    sizes = [phone.answer(kind).bounding_box() for kind in ("agreed", "refused")]

    assert sizes[0] is not None
    assert sizes[1] is not None
    assert abs(sizes[0]["height"] - sizes[1]["height"]) < 1
    assert abs(sizes[0]["width"] - sizes[1]["width"]) < 1
    phone.hang_up()


def test_an_objection_stops_the_recording_and_erases_it(
    window: Open, installation: Installation
) -> None:
    phone = phone_of(window)
    phone.call(NORWAY)
    phone.answer("agreed").click()
    phone.expect_light("recording")

    phone.act("object").click()
    erase = phone.root.locator('[data-past="erase"]')
    expect(erase).to_be_focused()
    erase.click()

    phone.expect_light("off")
    expect(phone.part("rule")).to_have_text("They said no")
    phone.expect_talking()
    phone.hang_up()


@pytest.fixture
def by_itself(window: Open, installation: Installation) -> Callable[..., Phone]:
    """Opens the phone of an agent in New Zealand, where being told is enough, in a call there."""
    with installation.store() as store, transaction(store.engine) as connection:
        accounts.change_user(connection, installation.ids["people"]["other"], place="NZ")

    def make(*, is_small: bool = False, **more: object) -> Phone:
        phone = phone_of(window, "other", **more)
        if is_small:
            phone.root.locator(".dock-toggle-sheet").click()
        phone.call(NEW_ZEALAND)
        if is_small:
            phone.root.locator(".dock-toggle-sheet").click()
        return phone

    return make


def test_a_recording_that_started_by_itself_is_undone_and_erased_without_a_no(
    by_itself: Callable[..., Phone], installation: Installation
) -> None:
    before = kept(installation)
    phone = by_itself()
    phone.expect_light("recording")
    undo = phone.part("undo")
    expect(undo).to_contain_text("Recording started.")
    phone.page.keyboard.press("Alt+Shift+R")
    expect(undo.get_by_role("button", name="Undo and erase")).to_be_focused()
    assert violations(phone.page) == []
    phone.page.keyboard.press("Enter")

    phone.expect_light("off")
    expect(undo).to_be_hidden()
    expect(phone.part("rule")).to_have_text("May record")
    phone.expect_talking()
    call = str(phone.page.evaluate(LIVE_CALL))
    phone.hang_up()
    phone.page.wait_for_timeout(1000)
    assert kept(installation) == before
    with installation.store() as store:
        kinds = [str(entry["kind"]) for _, entry in store.ledger.entries(call)]
    assert {"recording.unwanted", "erasure.intended", "recording.erased"} <= set(kinds)
    assert {"consent.withdrawn", "consent.refused"}.isdisjoint(kinds)


def test_undoing_is_offered_for_three_seconds_and_for_as_long_as_somebody_is_at_it(
    by_itself: Callable[..., Phone],
) -> None:
    phone = by_itself()
    phone.expect_light("recording")
    undo = phone.part("undo")
    button = undo.get_by_role("button")
    button.focus()
    phone.page.wait_for_timeout(3_500)
    expect(button).to_be_focused()

    button.blur()
    expect(undo).to_be_visible()
    expect(undo).to_be_hidden(timeout=4_000)
    phone.expect_light("recording")
    phone.hang_up()


def test_whoever_needs_more_time_to_undo_takes_it_on_their_own_page(
    by_itself: Callable[..., Phone], window: Open
) -> None:
    own = window("other", language="nb").page

    def take(times: str) -> None:
        own.goto("/me")
        own.get_by_label(times).check()
        own.locator('form[action="/me"] button').click()
        expect(own.get_by_text("Lagret.", exact=True)).to_be_visible()

    take("Tre ganger så lenge")
    phone = by_itself()
    phone.expect_light("recording")
    undo = phone.part("undo")
    phone.page.wait_for_timeout(6_000)
    expect(undo).to_be_visible()
    expect(undo).to_be_hidden(timeout=5_000)
    expect(phone.page.locator("#announce")).to_contain_text("Undoing is over")
    phone.hang_up()
    take("Som vanlig")


def test_a_recording_that_was_asked_for_is_not_offered_to_be_undone(window: Open) -> None:
    phone = phone_of(window)
    phone.call(NORWAY)
    phone.answer("agreed").click()
    phone.expect_light("recording")

    expect(phone.act("object")).to_be_visible()
    expect(phone.part("undo")).to_be_hidden()
    phone.hang_up()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_undoing_is_in_reach_on_a_small_screen_whose_phone_is_closed(
    by_itself: Callable[..., Phone], theme: str
) -> None:
    phone = by_itself(is_small=True, language="nb", theme=theme, width=375, height=667)
    phone.expect_light("recording")
    undo = phone.part("undo")
    button = undo.get_by_role("button", name="Angre og slett")

    button.focus()
    expect(undo).to_contain_text("Opptak startet.")
    expect(button).to_be_in_viewport(ratio=1)
    assert overflows(phone.page, "#phone") + violations(phone.page) == []
    button.click()
    phone.expect_light("off")
    phone.root.locator(".dock-toggle-sheet").click()
    phone.hang_up()


@pytest.mark.parametrize("language", ["en", "nb"])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_question_fits_a_small_screen_without_scrolling(
    window: Open, language: str, theme: str
) -> None:
    phone = phone_of(window, language=language, theme=theme, width=375, height=667)
    phone.root.locator(".dock-toggle-sheet").click()
    phone.call(NORWAY)

    for kind in ("agreed", "refused"):
        expect(phone.answer(kind)).to_be_in_viewport(ratio=1)
    assert overflows(phone.page, "#phone") + violations(phone.page) == []
    phone.hang_up()
