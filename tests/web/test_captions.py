"""Live captions over HTTP: their own agent's only, in order, and gone when somebody says no."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient
from tests.server import rig
from tests.server.test_recorder import opened
from tests.web.conftest import problem
from tests.web.live import live_site, sign_in

from askfirst import events as ev
from askfirst.clock import LoopClock, run_virtual
from askfirst.gate import after
from askfirst.server.access import UserRole
from askfirst.server.captions import Captions, Line
from askfirst.web.api_captions import ALIVE_SECONDS, stream
from askfirst.web.app import create_app
from askfirst.web.captionwords import CAPTIONS
from askfirst.web.visit import Site

SCRIPT = Path(__file__).parents[2] / "src/askfirst/web/static/js/captions.js"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """An installation that carries calls."""
    yield from live_site(tmp_path)


@pytest.fixture
def browser(running: TestClient) -> TestClient:
    """A running server with its loop; nobody is signed in."""
    return running


class Said(Captions):
    """Captions whose lines a test says."""

    def __init__(self) -> None:
        super().__init__(None, LoopClock(), "en", lambda: 0)
        self.follow(opened())

    def say(self, text: str) -> None:
        self.sequence += 1
        self._lines.append(Line(self.sequence, 1, "contact", 0, 500, text))
        self._tell()

    def objects(self) -> None:
        self.follow(after(opened(), ev.Withdrawn(0, 1)))


def called(browser: TestClient, site: Site) -> tuple[str, Said]:
    """A call of somebody who is signed in, and its captions."""
    placed = browser.post("/api/v1/calls", json={"to": rig.CALIFORNIA})
    assert placed.status_code == 201, placed.text
    call = placed.json()["call"]
    said = Said()
    site.carrier.desk.get(call).call.captions = said
    return f"/api/v1/calls/{call}/captions", said


def test_only_the_agent_of_a_call_reads_its_words(browser: TestClient, site: Site) -> None:
    sign_in(browser, site, UserRole.AGENT, "kari")
    address, said = called(browser, site)
    said.say("secret words")
    assert browser.get(address).status_code == 200

    for role, name in ((UserRole.AGENT, "other"), (UserRole.SUPERVISOR, "lead")):
        sign_in(browser, site, role, name)
        for path in (address, f"{address}/stream"):
            refused = browser.get(path)
            assert (refused.status_code, problem(refused)) == (403, "urn:askfirst:problem:refused")
            assert "secret" not in refused.text


def test_lines_are_had_from_a_sequence_on_and_a_no_takes_them_away(
    browser: TestClient, site: Site
) -> None:
    sign_in(browser, site, UserRole.AGENT, "kari")
    address, said = called(browser, site)
    said.say("one")
    said.say("two")

    found = browser.get(address, params={"after": 1}).json()
    assert [line["text"] for line in found["lines"]] == ["two"]
    assert (found["last"], found["wiped"], found["available"]) == (2, 0, False)
    assert found["reason"] == "not-running"
    assert {"party", "speaker", "start_ms", "end_ms", "sequence"} < set(found["lines"][0])

    said.objects()
    gone = browser.get(address).json()
    assert (gone["lines"], gone["last"], gone["wiped"]) == ([], 3, 3)


@pytest.mark.parametrize("wanted", ["-1", "x", ""])
def test_a_sequence_that_is_none_is_bad_input(browser: TestClient, site: Site, wanted: str) -> None:
    sign_in(browser, site, UserRole.AGENT, "kari")
    address, _ = called(browser, site)

    assert browser.get(address, params={"after": wanted}).status_code == 422


def test_a_call_that_nobody_carries_has_no_words(browser: TestClient, site: Site) -> None:
    sign_in(browser, site, UserRole.AGENT, "kari")

    missing = browser.get("/api/v1/calls/call_none/captions/stream")

    assert (missing.status_code, problem(missing)) == (404, "urn:askfirst:problem:not-found")


def test_a_broken_stream_goes_on_after_the_last_line_and_tells_of_a_wipe(
    browser: TestClient, site: Site
) -> None:
    sign_in(browser, site, UserRole.AGENT, "kari")
    address, said = called(browser, site)
    for text in ("one", "two", "three"):
        said.say(text)
    said.objects()
    said.say("four")
    said.is_closed = True  # the stream tells what there is, and ends

    whole = parts(browser.get(f"{address}/stream").text)
    resumed = parts(browser.get(f"{address}/stream", headers={"last-event-id": "2"}).text)
    late = parts(browser.get(f"{address}/stream?after=4").text)

    assert [part for part in whole if "id" in part] == [
        {"id": "4", "event": "wiped", "data": {"sequence": 4}},
        {"id": "5", "data": part_of(said)},
    ]
    assert [part["id"] for part in resumed if "id" in part] == ["4", "5"]
    assert [part["id"] for part in late if "id" in part] == ["5"]
    assert whole[-1] == {"event": "ended", "data": {}}


def test_a_stream_tells_each_line_as_it_comes_and_ends_with_the_call() -> None:
    async def told() -> list[dict[str, object]]:
        said = Said()
        found: list[str] = []

        async def read() -> None:
            async for part in stream(said, 0, lambda: True):
                found.append(part)

        reading = asyncio.create_task(read())
        for text in ("one", "two"):
            await asyncio.sleep(3)
            said.say(text)
        await asyncio.sleep(1)
        said.close()
        await reading
        return parts("".join(found))

    found = run_virtual(told())

    assert [part["id"] for part in found if "id" in part] == ["1", "2"]
    assert sum(part.get("event") == "alive" for part in found) >= 5
    assert found[-1]["event"] == "ended"


def test_a_stream_says_nothing_after_its_session_has_ended() -> None:
    async def told() -> str:
        said = Said()
        answers = iter((True, False))
        found: list[str] = []

        async def read() -> None:
            async for part in stream(said, 0, lambda: next(answers)):
                found.append(part)

        reading = asyncio.create_task(read())
        await asyncio.sleep(ALIVE_SECONDS * 1.5)
        said.say("before")
        await asyncio.sleep(ALIVE_SECONDS * 5)
        said.say("after")
        await asyncio.wait_for(reading, 1)
        return "".join(found)

    found = run_virtual(told())

    assert "before" in found
    assert "after" not in found


def test_without_a_desk_there_are_no_captions(site: Site) -> None:
    client = TestClient(create_app(site), base_url="http://127.0.0.1:8470", follow_redirects=False)
    client.headers["sec-fetch-site"] = "same-origin"
    sign_in(client, site, UserRole.AGENT, "kari")

    assert client.get("/api/v1/calls/call_x/captions").status_code == 503


def test_the_script_has_every_text_that_it_asks_for() -> None:
    script = SCRIPT.read_text("utf-8")

    assert {key for key in CAPTIONS if f"texts.{key}" in script} == set(CAPTIONS)
    assert "innerHTML" not in script


def parts(sent: str) -> list[dict[str, object]]:
    """The events of a stream."""
    found: list[dict[str, object]] = []
    for block in sent.strip().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines())
        found.append({**fields, "data": json.loads(fields["data"])})
    return found


def part_of(said: Said) -> dict[str, object]:
    (line,) = said.lines()
    return {
        "sequence": line.sequence,
        "party": line.party,
        "speaker": line.speaker,
        "start_ms": line.start_ms,
        "end_ms": line.end_ms,
        "text": line.text,
    }
