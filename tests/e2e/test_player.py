"""The player in a browser: nothing is loaded before Play, and it is where the call was."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.e2e.browsing import Window
from tests.e2e.checks import overflows, violations
from tests.e2e.conftest import Open
from tests.e2e.installation import Installation

pytestmark = pytest.mark.full

OPENED = "() => document.querySelector('askfirst-player .player-time') !== null"
IS_PLAYING = "() => document.querySelector('askfirst-player audio').currentTime > 0.3"
STATIC = Path(__file__).parents[2] / "src/askfirst/web/static/js/player.js"


def opened(window: Open, installation: Installation, **how: object) -> Window:
    """A window in which the agent has opened the recording of a keyed call."""
    found = window("agent", **how)
    found.go(f"/calls/{installation.ids['calls']['presses-one']}")
    found.page.locator("form[action$=listen] button").click()
    found.page.wait_for_function(OPENED)
    return found


def sound(seen: list[str]) -> list[str]:
    return [url for url in seen if "/audio" in url]


def at(found: Window) -> str:
    return found.page.locator(".player-time").inner_text().partition(" / ")[0]


def accesses(installation: Installation) -> list[str]:
    call = installation.ids["calls"]["presses-one"]
    with installation.store() as store:
        kinds = [str(entry["kind"]) for _, entry in store.ledger.entries(call)]
    return [kind for kind in kinds if kind.startswith("access.")]


def test_no_sound_is_loaded_before_play_and_then_it_is_written_down(
    window: Open, installation: Installation
) -> None:
    found = window("agent")
    seen: list[str] = []
    found.page.on("request", lambda request: seen.append(request.url))
    found.go(f"/calls/{installation.ids['calls']['presses-one']}")
    found.page.locator("form[action$=listen] button").click()
    found.page.wait_for_function(OPENED)
    found.page.locator("[role=slider]").press("ArrowRight")
    found.page.locator(".player-jump").last.click()
    assert sound(seen) == []
    before = accesses(installation).count("access.played")

    found.page.locator(".player-play").click()
    found.page.wait_for_function(IS_PLAYING)

    assert sound(seen)
    assert accesses(installation).count("access.played") == before + 1


def test_the_slider_moves_by_keys_and_says_where_it_is(
    window: Open, installation: Installation
) -> None:
    found = opened(window, installation)
    slider = found.page.locator("[role=slider]")
    first = found.page.locator(".player-jump").all_text_contents()[0]

    slider.press("ArrowRight")
    assert at(found) == first, "what comes before the recording is skipped"
    slider.press("End")
    slider.press("ArrowLeft")
    spoken = slider.get_attribute("aria-valuetext") or ""
    assert spoken.startswith(at(found))
    slider.press("Shift+ArrowLeft")
    assert found.page.locator("li[aria-current]").count() == 1
    slider.press("+")
    assert (
        found.page.evaluate("() => document.querySelector('askfirst-player audio').playbackRate")
        == 1.25
    )
    slider.press("Home")
    assert at(found) == first


def test_keys_typed_into_a_field_are_not_the_players(
    window: Open, installation: Installation
) -> None:
    found = opened(window, installation)
    field = found.page.locator("#find")

    field.fill("phones")
    field.press("Space")
    field.press("+")

    assert field.input_value() == "phones +"
    assert found.page.evaluate("() => document.querySelector('askfirst-player audio').paused")


def test_what_is_searched_for_is_marked_and_counted(
    window: Open, installation: Installation
) -> None:
    found = opened(window, installation)
    word = found.page.locator(".line-text").all_text_contents()[0].split()[0].strip(".,")

    found.page.locator("#find").fill(word.upper())

    marked = found.page.locator(".player mark")
    assert marked.count() >= 1
    assert found.page.locator("[data-found]").inner_text().startswith(f"{marked.count()} ")
    found.page.locator("#find").fill("")
    assert marked.count() == 0


def test_what_was_found_is_scrolled_to_inside_the_transcript(
    window: Open, installation: Installation
) -> None:
    found = opened(window, installation, height=420)
    lines = found.page.locator(".line-text").all_text_contents()
    late = max(
        line for line in lines[-3:] if sum(line.lower() in each.lower() for each in lines) == 1
    )

    found.page.locator("#find").fill(late)

    found.page.wait_for_function(
        """() => {
          const box = document.querySelector(".player-text").getBoundingClientRect();
          const line = document.querySelector(".player mark").getBoundingClientRect();
          return line.top >= box.top - 1 && line.bottom <= box.bottom + 1;
        }"""
    )
    assert found.page.evaluate("() => document.querySelector('.player-text').scrollTop") > 0


def test_hearing_the_notice_plays_from_where_it_was_given(
    window: Open, installation: Installation
) -> None:
    found = opened(window, installation)
    hear = found.page.locator("[data-hear]").first
    wanted_ms = int(hear.get_attribute("data-hear") or "0")

    hear.click()
    found.page.wait_for_function("() => !document.querySelector('askfirst-player audio').paused")

    minutes, seconds = map(int, at(found).split(":"))
    assert 0 <= (minutes * 60 + seconds) - wanted_ms // 1000 <= 20


def test_leaving_the_page_ends_the_sound(window: Open, installation: Installation) -> None:
    found = opened(window, installation)
    found.page.locator(".player-play").click()
    found.page.wait_for_function(IS_PLAYING)
    found.page.evaluate("() => { window.left = document.querySelector('askfirst-player audio'); }")

    found.page.locator("nav a[href='/rules']").first.click()
    found.page.wait_for_url("**/rules")
    found.page.wait_for_function("() => document.querySelector('askfirst-player') === null")

    assert found.page.evaluate("() => window.left.paused && !window.left.hasAttribute('src')")


SILENCE = """() => {
  const player = document.querySelector("askfirst-player");
  player.picture.silences = [[500, 9000]];
}"""
IS_PAST_SILENCE = "() => document.querySelector('askfirst-player audio').currentTime >= 8.9"


def test_silence_is_skipped_where_somebody_wants_that_and_remembered(
    window: Open, installation: Installation
) -> None:
    found = opened(window, installation)
    before = accesses(installation).count("access.played")
    skip = found.page.get_by_role("button", name="Skip silence")
    assert skip.get_attribute("aria-pressed") == "false"
    found.page.evaluate(SILENCE)
    found.page.locator(".player-play").click()
    found.page.wait_for_function(
        "() => document.querySelector('askfirst-player audio').currentTime > 1"
    )
    assert not found.page.evaluate(IS_PAST_SILENCE), "nobody asked for that"

    skip.focus()
    skip.press("Space")

    found.page.wait_for_function(IS_PAST_SILENCE, timeout=4_000)
    assert skip.get_attribute("aria-pressed") == "true"
    assert not found.page.evaluate("() => document.querySelector('askfirst-player audio').paused")
    assert accesses(installation).count("access.played") == before + 1
    found.page.reload()
    again = opened(lambda *_args, **_how: found, installation)
    assert again.page.get_by_role("button", name="Skip silence", pressed=True).is_visible()


def test_what_share_each_side_talked_is_told_in_words(
    window: Open, installation: Installation
) -> None:
    found = opened(window, installation)

    told = found.page.locator(".player-talk").inner_text()

    shares = re.fullmatch(r"You (\d+) % · They (\d+) % · silence (\d+) %", told)
    assert shares is not None, told
    assert sum(map(int, shares.groups())) == 100


def test_call_time_and_file_time_fit_each_other(window: Open, installation: Installation) -> None:
    found = opened(window, installation)
    source = found.page.locator(f"script[src*='{STATIC.name}']").get_attribute("src")
    stretches = [
        {"file_ms": 0, "from_ms": 1000, "to_ms": 2000, "kind": "notice"},
        {"file_ms": 1000, "from_ms": 5000, "to_ms": 6000, "kind": "open"},
    ]

    results = found.page.evaluate(
        """async ([source, stretches]) => {
          const { clock, fileTime, callTime } = await import(source);
          return {
            file: [0, 1500, 3000, 5500, 9000].map((at) => fileTime(stretches, at)),
            back: [500, 3000].map((at) => fileTime(stretches, at, true)),
            call: [0, 999, 1000, 1500, 9000].map((at) => callTime(stretches, at)),
            clock: [0, 251999, 3600000].map(clock),
          };
        }""",
        [source, stretches],
    )

    assert results == {
        "file": [0, 500, 1000, 1500, 1999],
        "back": [0, 999],
        "call": [1000, 1999, 5000, 5500, 6000],
        "clock": ["00:00", "04:11", "1:00:00"],
    }


@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("dark", 1280), ("dark", 375)])
def test_the_opened_recording_fits_and_is_accessible(
    theme: str, width: int, window: Open, installation: Installation
) -> None:
    found = opened(window, installation, theme=theme, width=width)

    assert overflows(found.page) == []
    assert violations(found.page) == []
