"""What the phone must not do when answers are late, windows are many and lines are lost."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import APIResponse, Page, Route, expect
from tests.e2e.browsing import Window
from tests.e2e.conftest import Open
from tests.e2e.installation import Installation
from tests.e2e.line import line_to
from tests.e2e.phone import CALL_SECONDS, Phone

pytestmark = pytest.mark.full

NORWAY = "+4748750101"
CALIFORNIA = "+16285550142"

_NO_WEBRTC = "delete window.RTCPeerConnection;"
_ASK_FIRST = """const real = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
navigator.mediaDevices.getUserMedia = (wanted) => new Promise((resolve) => {
  window.letIn = async () => { window.lent = await real(wanted); resolve(window.lent); };
});"""
_IS_GIVEN_BACK = """() => window.lent?.getTracks().every((each) => each.readyState === "ended")"""
_TOLD = """async () => {
  const { PhoneCore } = await import("/static/js/phone-core.js");
  const leader = new PhoneCore();
  leader.leads = true;
  leader.state = { call: "call_1", settled: false, light: "recording" };
  const follower = new BroadcastChannel("askfirst-phone");
  const told = [];
  const heard = new Promise((resolve) => {
    follower.onmessage = ({ data }) => {
      told.push(data.state.light);
      if (data.state.light === "waiting") resolve(told);
    };
  });
  follower.postMessage({ kind: "hello" });
  await new Promise((resolve) => {
    const last = new BroadcastChannel("askfirst-phone");
    last.onmessage = () => { last.close(); resolve(); };
    follower.postMessage({ kind: "hello" });
  });
  leader.state.light = "waiting";
  leader.isKnown = true;
  follower.postMessage({ kind: "hello" });
  return heard;
}"""
_STREAMS = """async () => {
  const { showCaptions } = await import("/static/js/captions.js");
  let opened = 0;
  window.EventSource = class extends EventTarget {
    constructor() {
      super();
      opened += 1;
      if (opened > 20) return;
      const line = { sequence: 7, party: 1, speaker: "contact", start_ms: 0, text: "kept" };
      const data = JSON.stringify(line);
      setTimeout(() => this.dispatchEvent(new MessageEvent("message", { data })));
    }
    close() {}
  };
  const place = document.createElement("div");
  showCaptions(place, "call_1", { title: "", read_aloud: "", follow: "", empty: "" });
  while (!place.querySelector("li") && opened < 20) await new Promise((go) => setTimeout(go));
  return [opened, place.querySelectorAll("li").length];
}"""


class Held:
    """Requests to an address whose answers are there and are not given yet."""

    def __init__(self, page: Page, address: str) -> None:
        self.page = page
        self.is_holding = True
        self.answers: list[tuple[Route, APIResponse]] = []
        page.route(address, self._take)

    def _take(self, route: Route) -> None:
        if self.is_holding:
            self.answers.append((route, route.fetch()))
        else:
            route.continue_()

    def let_go(self) -> None:
        """Give the page every answer, and return when it has them."""
        for route, answer in self.answers:
            with self.page.expect_response(route.request.url) as arrived:
                route.fulfill(response=answer)
            arrived.value.finished()


def opened(window: Open, person: str = "agent", **more: Any) -> tuple[Window, Phone]:
    """A window of somebody with the phone beside a page."""
    seen = window(person, **more)
    seen.go("/contacts")
    return seen, Phone(seen.page)


def state_of(seen: Window) -> dict[str, Any]:
    """The state of the call that somebody is on."""
    answer = seen.context.request.get(f"{seen.installation.origin}/api/v1/phone").json()
    found: dict[str, Any] = answer["call"]
    return found


def test_an_answer_from_before_the_call_does_not_end_it_on_the_screen(window: Open) -> None:
    seen = window("agent")
    held = Held(seen.page, "**/api/v1/phone")
    seen.go("/contacts")
    phone = Phone(seen.page)
    phone.speak_by("script")
    phone.prepare(NORWAY)
    assert held.answers
    held.is_holding = False
    phone.place(NORWAY).click()
    phone.expect_talking()
    phone.log_light()

    held.let_go()

    phone.control("mute").click()
    expect(phone.control("mute")).to_have_attribute("aria-pressed", "true")
    assert "off" not in [each["light"] for each in phone.lights()][1:]
    phone.expect_talking()
    phone.hang_up()


@pytest.mark.parametrize("way", ["webrtc", "socket"])
def test_two_devices_of_one_person_do_not_fight_for_the_sound(window: Open, way: str) -> None:
    seen = window("agent")
    other = window("agent")
    if way == "socket":
        for each in (seen, other):
            each.context.add_init_script(_NO_WEBRTC)
    seen.go("/contacts")
    first, second = Phone(seen.page), Phone(other.page)
    seen.expect_error("409")
    other.expect_error("409")
    first.call(NORWAY, "browser")
    expect(first.part("notice-panel")).to_be_hidden()

    other.go("/contacts")
    second.act("take-over").click()

    expect(second.part("notice-panel")).to_be_hidden(timeout=CALL_SECONDS * 1000)
    expect(first.act("take-over")).to_be_visible(timeout=CALL_SECONDS * 1000)
    expect(first.part("notice-text")).to_contain_text("another device")
    assert state_of(other)["connected"]

    first.act("take-over").click()
    expect(first.part("notice-panel")).to_be_hidden(timeout=CALL_SECONDS * 1000)
    expect(second.act("take-over")).to_be_visible(timeout=CALL_SECONDS * 1000)
    first.hang_up()
    second.expect_no_call()


def test_a_microphone_that_comes_after_the_end_of_the_call_is_given_back(window: Open) -> None:
    _, first = opened(window)
    first.call(NORWAY, "browser")
    late = window("agent")
    late.context.add_init_script(_ASK_FIRST)
    late.go("/contacts")
    phone = Phone(late.page)
    phone.act("take-over").click()
    late.page.wait_for_function("() => window.letIn !== undefined")
    first.hang_up()
    phone.expect_no_call()

    late.page.evaluate("() => window.letIn()")

    late.page.wait_for_function(_IS_GIVEN_BACK)


def test_words_about_a_call_are_kept_though_the_next_one_has_begun(window: Open) -> None:
    seen, phone = opened(window)
    seen.expect_error("net::ERR")
    phone.call(NORWAY)
    earlier = state_of(seen)["call"]
    seen.page.route(f"**/api/v1/calls/{earlier}/notes", lambda route: route.abort())
    phone.part("notes").fill("about the earlier one")
    phone.hang_up()
    phone.call(NORWAY)
    expect(phone.part("notes")).to_have_value("")
    expect(phone.part("notes-state")).to_contain_text("call before")

    with seen.page.expect_response(
        lambda answer: f"{earlier}/notes" in answer.url and answer.request.method == "PUT"
    ):
        seen.page.unroute(f"**/api/v1/calls/{earlier}/notes")

    address = f"{seen.installation.origin}/api/v1/calls/{earlier}/notes"
    assert seen.context.request.get(address).json()["notes"] == "about the earlier one"
    expect(phone.part("notes-state")).not_to_contain_text("call before")
    expect(phone.part("notes")).to_have_value("")
    phone.hang_up()


def test_a_window_that_does_not_know_the_state_tells_none(window: Open) -> None:
    seen = window(None)
    seen.go("/sign-in")
    assert seen.page.evaluate(_TOLD) == ["waiting"]


def test_a_light_without_a_call_is_unknown_when_nobody_answers(
    window: Open, installation: Installation
) -> None:
    with line_to(installation.port) as line:
        seen, phone = opened(window, origin=line.origin)
        phone.expect_light("off")
        seen.expect_error("net::ERR")

        line.cut()

        phone.expect_light("unknown")
        line.mend()
        phone.expect_light("off")


def test_names_of_places_that_did_not_come_are_asked_for_again(window: Open) -> None:
    seen = window("agent")
    seen.expect_error("net::ERR")
    seen.page.route("**/phone/places*", lambda route: route.abort(), times=1)
    with seen.page.expect_response("**/phone/places*") as answer:
        seen.go("/contacts")
    assert answer.value.ok


def test_only_the_window_that_has_the_phone_listens_to_captions(window: Open) -> None:
    first, phone = opened(window)
    phone.call(CALIFORNIA)
    second = window("agent", sharing=first)
    asked: list[str] = []
    second.page.on("request", lambda request: asked.append(request.url))
    second.go("/contacts")
    behind = Phone(second.page)
    behind.expect_talking()

    phone.answer("agreed").click()
    behind.expect_light("recording")
    expect(phone.part("captions-part")).to_be_visible()
    expect(behind.part("captions-part")).to_be_hidden()
    assert [each for each in asked if "/captions/stream" in each] == []

    behind.act("take-over").click()

    expect(behind.part("captions-part")).to_be_visible()
    expect(phone.part("captions-part")).to_be_hidden()
    behind.hang_up()


def test_captions_whose_beginning_is_gone_are_asked_for_once(window: Open) -> None:
    seen = window(None)
    seen.go("/sign-in")
    assert seen.page.evaluate(_STREAMS) == [1, 1]


def test_a_place_is_said_of_the_person_who_is_there(window: Open) -> None:
    seen, phone = opened(window)
    phone.call(NORWAY)
    phone.part("people").locator("summary").first.click()
    expect(phone.part("whom-part")).to_be_hidden()
    phone.act("join").click()
    expect(phone.part("whom-part")).to_be_visible()
    expect(phone.part("whom")).to_have_value("1")

    phone.part("whom").select_option(label="Person who joined")
    phone.part("place").select_option("DE")
    phone.act("place").click()

    expect(phone.part("parties").locator("li").last).to_contain_text("Germany")
    places = {each["party"]: each["places"] for each in state_of(seen)["parties"]}
    assert "DE" in places[2]
    assert "DE" not in places[1]
    phone.hang_up()
