"""Calls in several processes: each in one of them, what is said in it goes there, and none of them
takes more than its own calls along when it dies."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa
from playwright.sync_api import expect
from tests.e2e.beside import Beside
from tests.e2e.conftest import Open
from tests.e2e.house import ANNA, OLA, WITHIN_S, House, a_house, until
from tests.e2e.phone import at_phone
from tests.sip.peer import LOOPBACK, free_port

from askfirst.model import RecordingState
from askfirst.server.database import calls, reading, recordings

pytestmark = pytest.mark.full

OSLO = "+4722222222"


@pytest.fixture
def house(furnished: Path, tmp_path: Path) -> Iterator[House]:
    """A server with two workers of one call each. No fault is in its log at the end."""
    with a_house(furnished, tmp_path / "house", "calls_per_worker = 1\n") as found:
        yield found


@pytest.fixture
def roomy(furnished: Path, tmp_path: Path) -> Iterator[House]:
    """A server with two workers of many calls each."""
    with a_house(furnished, tmp_path / "house", "") as found:
        yield found


def test_each_call_is_in_one_worker_and_whoever_has_none_hears_that_all_lines_are_busy(
    house: House,
) -> None:
    kari, per = house.call("agent"), house.call("other", OLA)
    assert [each["calls"] for each in house.workers()] == [1, 1]

    third = house.place("supervisor", ANNA)
    assert third.status_code == 403
    assert third.json()["detail"] == "all 2 lines are busy; try again in a moment"
    house.record("agent", kari)
    assert house.state("other", per)["light"] == "off"
    assert house.who("other").post(f"{kari}/hangup").status_code == 403
    live = house.who("supervisor").get("/live").text
    assert "Anna Nilsen" in live
    assert "Ola Nordmann" not in live, "Per is of another team"
    assert 'askfirst_calls_live{state="open"} 1' in house.who("admin").get("/metrics").text

    house.who("agent").post(f"{kari}/hangup")
    until(lambda: house.place("supervisor", ANNA).status_code == 201)


def test_nobody_begins_two_calls_though_another_worker_has_room(house: House) -> None:
    house.who("agent")
    with ThreadPoolExecutor(4) as threads:
        placed = list(threads.map(lambda to: house.place("agent", to), [ANNA, OLA, ANNA, OLA]))

    assert sorted(each.status_code for each in placed) == [201, 403, 403, 403]
    assert sum(each["calls"] for each in house.workers()) == 1
    mine = house.who("agent").get("/api/v1/phone").json()["call"]
    assert mine["call"] == next(each for each in placed if each.status_code == 201).json()["call"]


def test_a_call_is_handed_to_a_colleague_whose_phone_is_open_elsewhere(house: House) -> None:
    per = house.open_phone("other")
    colleague = house.installation.ids["people"]["other"]
    placed = house.place("agent", ANNA, agent_audio="browser").json()
    path = f"/api/v1/calls/{placed['call']}"
    until(lambda: bool(house.state("agent", path)["answered"]))
    offered = house.who("agent").post(f"{path}/transfer", json={"user": colleague})
    assert offered.status_code == 202, offered.text
    until(lambda: bool(per.ringing()))
    (shown,) = per.ringing()
    assert (shown["by"], shown["number"]) == ("Kari Berg", ANNA)

    taken = house.who("other").post(f"/api/v1/phone/ringing/{shown['id']}/answer", json={})

    assert (taken.status_code, taken.json()["call"]) == (201, placed["call"]), taken.text
    assert house.who("agent").get("/api/v1/phone").json()["call"] is None
    assert house.who("other").get("/api/v1/phone").json()["call"]["agent"] == colleague
    assert house.who("agent").post(f"{path}/hangup").status_code == 403
    assert sum(each["calls"] for each in house.workers()) == 1, "it stays where it is"
    assert house.who("other").post(f"{path}/hangup").status_code == 200
    until(lambda: per.shown[-1]["call"] is None and not per.ringing())


def test_nobody_is_offered_a_call_who_is_on_one_in_another_worker(house: House) -> None:
    per = house.open_phone("other")
    colleague = house.installation.ids["people"]["other"]
    house.call("other", OLA)
    placed = house.place("agent", ANNA, agent_audio="browser").json()
    path = f"/api/v1/calls/{placed['call']}"
    until(lambda: bool(house.state("agent", path)["answered"]))

    house.who("agent").post(f"{path}/transfer", json={"user": colleague})

    until(lambda: house.state("agent", path)["offer"]["stage"] == "not-taken")
    assert per.ringing() == []
    house.who("agent").post(f"{path}/hangup")


def test_switching_recording_off_ends_recordings_in_every_worker(house: House) -> None:
    paths = {"agent": house.call("agent"), "other": house.call("other", OLA)}
    for person, path in paths.items():
        house.record(person, path)

    wanted = {"recording_enabled": False}
    assert house.who("compliance").patch("/api/v1/settings", json=wanted).status_code == 200

    for person, path in paths.items():
        until(lambda person=person, path=path: house.state(person, path)["light"] == "off")  # type: ignore[misc]


def test_an_agreement_that_is_taken_back_ends_that_agents_recording_in_its_worker(
    house: House,
) -> None:
    """California protects the agent's own words; the other agent is in Norway."""
    agent = house.installation.ids["people"]["agent"]
    moved = house.who("admin").patch(f"/api/v1/users/{agent}", json={"place": "US-CA"})
    assert moved.status_code == 200, moved.text
    shown = house.who("agent").get("/me/agreement").text
    (digest,) = set(re.findall(r'name="digest" value="([^"]+)"', shown))
    agreed = house.who("agent").post("/me/agreement", data={"digest": digest, "language": "en"})
    assert agreed.status_code == 303
    paths = {"agent": house.call("agent"), "other": house.call("other", OLA)}
    for person, path in paths.items():
        house.record(person, path)

    assert house.who("agent").post("/me/agreement/revoke").status_code == 303

    until(lambda: house.state("agent", paths["agent"])["light"] == "off")
    assert house.state("other", paths["other"])["light"] == "recording"


def test_a_restriction_ends_the_captions_of_a_call_in_its_worker_and_it_is_stored_on(
    house: House,
) -> None:
    path = house.call("agent")
    house.record("agent", path)
    officer, ends = house.who("compliance"), time.monotonic() + WITHIN_S
    with house.who("agent").stream("GET", f"{path}/captions/stream") as captions:
        lines = captions.iter_lines()
        assert next(lines) == "event: alive"

        wanted = {"kind": "restriction", "number": ANNA}
        made = officer.post("/api/v1/subject-requests", json=wanted)
        assert made.status_code in (200, 201), made.text
        address = f"/api/v1/subject-requests/{made.json()['id']}"
        assert officer.patch(address, json={"step": "restrict"}).status_code == 200

        for _ in lines:
            assert time.monotonic() < ends, "the captions went on"
    assert house.state("agent", path)["light"] == "recording"


def test_a_worker_that_is_killed_takes_its_calls_along_and_no_others_and_another_one_starts(
    roomy: House,
) -> None:
    path = roomy.call("agent")
    roomy.record("agent", path)
    process = roomy.carrier()["process"]
    other = roomy.call("other", OLA)
    until(lambda: roomy.state("agent", path)["at_ms"] > 8_000)

    os.kill(process, signal.SIGKILL)
    said = roomy.who("agent").post(f"{path}/consents", json={"kind": "agreed"})
    assert said.status_code in (404, 503), said.text
    until(lambda: roomy.who("agent").get(f"{path}/events").status_code == 204)

    roomy.record("other", other)
    kept = roomy.who("compliance").get(path).json()
    assert kept["outcome"]["code"] == "degraded"
    assert kept["timeline"][-1]["state"] == "ended"
    until(lambda: bool(roomy.finished(path)))
    assert roomy.finished(path)["seconds"] >= 6
    until(lambda: len(roomy.ready()) == 2)
    assert "died" in roomy.expected()
    assert roomy.place("agent", ANNA).status_code == 201


def test_an_agent_whose_worker_dies_is_told_in_the_phone_and_calls_again(
    roomy: House, window: Open
) -> None:
    seen = window("agent", at=roomy.installation)
    seen.expect_error("net::ERR|503|404.*/events")
    phone = at_phone(seen)
    phone.call(ANNA, "browser")

    os.kill(roomy.carrier()["process"], signal.SIGKILL)

    phone.expect_no_call()
    phone.expect_light("off")
    expect(phone.part("last")).to_contain_text("our process failed")
    phone.call(ANNA, "browser")
    phone.hang_up()
    assert "died" in roomy.expected()


def test_a_worker_that_hangs_is_ended_and_what_was_said_to_it_meanwhile_counts_for_nothing(
    roomy: House,
) -> None:
    path = roomy.call("agent")
    roomy.who("agent").post(f"{path}/record")
    process = roomy.carrier()["process"]

    os.kill(process, signal.SIGSTOP)
    said = roomy.who("agent").post(f"{path}/consents", json={"kind": "agreed"})

    assert said.status_code == 503, said.text
    assert "nothing is recorded without it" in said.json()["detail"]
    until(lambda: roomy.who("agent").get(f"{path}/events").status_code == 204)
    kept = roomy.who("compliance").get(path).json()
    assert kept["recording"] is None
    assert "open" not in {each["state"] for each in kept["timeline"]}
    assert not Path(f"/proc/{process}").exists()
    assert "hangs" in roomy.expected()


def test_a_worker_that_is_let_go_keeps_its_call_begins_none_and_is_replaced(house: House) -> None:
    path = house.call("agent")
    first = house.carrier()

    drained = house.who("admin").post(f"/api/v1/workers/{first['id']}/drain")

    assert drained.json()["state"] == "draining"
    until(lambda: len(house.ready()) == 2)
    house.call("other", OLA)
    house.record("agent", path)
    assert {each["state"] for each in house.workers() if each["id"] == first["id"]} == {"draining"}
    page = house.who("admin").get("/settings/workers").text
    assert "Begins no more calls" in page
    house.who("agent").post(f"{path}/hangup")
    until(lambda: first["id"] not in {each["id"] for each in house.workers()})
    until(lambda: len(house.ready()) == 2)
    assert sum(each["receives"] for each in house.ready()) == 1
    assert house.who("agent").post(f"/api/v1/workers/{first['id']}/drain").status_code == 403


def test_workers_of_a_server_that_is_killed_hang_up_and_the_next_server_waits_for_them(
    roomy: House,
) -> None:
    path = roomy.call("agent")
    roomy.record("agent", path)
    processes = [each["process"] for each in roomy.workers()]

    roomy.installation.end(signal.SIGKILL)
    roomy.installation.start()

    assert not any(Path(f"/proc/{each}").exists() for each in processes)
    kept = roomy.anew().who("compliance").get(path).json()
    assert kept["timeline"][-1]["state"] == "ended"
    with roomy.installation.store() as store, reading(store.engine) as connection:
        unended = sa.select(calls.c.id).where(calls.c.ended_at.is_(None))
        assert connection.execute(unended).all() == []
        states = connection.execute(
            sa.select(recordings.c.state).where(recordings.c.call == path.rpartition("/")[2])
        ).scalars()
        assert set(states) <= {each.value for each in RecordingState}


@pytest.mark.parametrize("workers", [0, 2])
def test_a_server_that_is_asked_to_end_lets_calls_go_on_and_begins_none(
    furnished: Path, tmp_path: Path, workers: int
) -> None:
    settings = "drain_seconds = 60\n"
    with a_house(furnished, tmp_path / "house", settings) as house:
        if not workers:
            house.installation.end()
            (tmp_path / "house" / "askfirst.toml").write_text(settings)
            house.installation.start()
        path = house.call("agent")
        house.record("agent", path)
        house.who("other")

        house.installation.send(signal.SIGTERM)
        until(lambda: house.begins_none("other"))
        assert house.state("agent", path)["light"] == "recording"
        house.who("agent").post(f"{path}/hangup")

        assert house.installation.wait() == -signal.SIGTERM
        house.installation.start()
        again = house.anew()
        until(lambda: bool(again.finished(path)))


def test_a_server_that_is_told_twice_to_end_waits_for_no_call(
    furnished: Path, tmp_path: Path
) -> None:
    with a_house(furnished, tmp_path / "house", "drain_seconds = 600\n") as house:
        path = house.call("agent")
        house.who("other")
        house.installation.send(signal.SIGTERM)
        until(lambda: house.begins_none("other"))

        house.installation.send(signal.SIGTERM)

        assert house.installation.wait() == -signal.SIGTERM
        house.installation.start()
        kept = house.anew().who("compliance").get(path).json()
        assert kept["timeline"][-1]["state"] == "ended"


@pytest.fixture
def listening() -> int:
    """The port at which calls come in."""
    return free_port()


@pytest.fixture
def beside(tmp_path: Path) -> Iterator[Beside]:
    """A telephone in Oslo."""
    found = Beside(tmp_path / "bob", [OSLO])
    yield found
    found.end()


@pytest.fixture
def office(furnished: Path, tmp_path: Path, beside: Beside, listening: int) -> Iterator[House]:
    """A server whose two workers have one trunk with two lines."""
    trunk = (
        f'[sip]\nserver = "{LOOPBACK}"\naddress = "{LOOPBACK}"\nport = {beside.port}\n'
        f"listen = {listening}\nmost_calls = 2\n"
    )
    with a_house(furnished, tmp_path / "office", trunk) as found:
        yield found


def test_a_call_from_outside_rings_wherever_a_phone_is_open_and_is_taken_in_its_worker(
    office: House, beside: Beside, listening: int
) -> None:
    kari, per = office.open_phone("agent"), office.open_phone("other")
    beside.tell("dial", f"sip:+4721000000@{LOOPBACK}:{listening}")
    until(lambda: bool(kari.ringing()) and bool(per.ringing()))
    assert kari.ringing()[0]["number"] == OSLO

    rings = kari.ringing()[0]["id"]
    taken = office.who("agent").post(
        f"/api/v1/phone/ringing/{rings}/answer", json={"agent_audio": "file"}
    )

    assert taken.status_code == 201, taken.text
    until(lambda: not kari.ringing() and not per.ringing())
    path = f"/api/v1/calls/{taken.json()['call']}"
    until(lambda: bool(office.state("agent", path)["answered"]))
    assert kari.shown[-1]["call"] == taken.json()["call"]
    receiver = next(each for each in office.workers() if each["receives"])
    assert receiver["calls"] == 1
    late = office.who("other").post(f"/api/v1/phone/ringing/{rings}/answer", json={})
    assert late.status_code == 404
    second = office.place("agent", OSLO, agent_audio="file")
    assert second.status_code == 403, "on a call already, in whichever worker"
    beside.tell("hangup")
    until(lambda: kari.shown[-1]["call"] is None)


def test_a_call_that_nobody_takes_is_written_down_by_its_worker(
    office: House, beside: Beside, listening: int
) -> None:
    kari, per = office.open_phone("agent"), office.open_phone("other")
    beside.tell("dial", f"sip:+4721000000@{LOOPBACK}:{listening}")
    until(lambda: bool(kari.ringing()) and bool(per.ringing()))
    rings = kari.ringing()[0]["id"]

    for person in ("agent", "other"):
        declined = office.who(person).post(f"/api/v1/phone/ringing/{rings}/decline")
        assert declined.status_code == 200, declined.text

    beside.until("CALL_CLOSED")

    def missed() -> bool:
        found = office.who("compliance").get("/api/v1/calls").json()["calls"]
        return any(each["direction"] == "inbound" and each["to"] == OSLO for each in found)

    until(missed)
    until(lambda: sum(each["calls"] for each in office.workers()) == 0)


def test_the_lines_of_a_trunk_are_counted_over_all_workers(office: House, beside: Beside) -> None:
    first = office.place("agent", OSLO, agent_audio="file")
    second = office.place("other", OSLO, agent_audio="file")
    assert (first.status_code, second.status_code) == (201, 201)
    assert [each["calls"] for each in office.workers()] == [1, 1]

    third = office.place("supervisor", OSLO, agent_audio="file")
    assert third.status_code == 403
    assert third.json()["detail"] == "all 2 lines are busy; try again in a moment"
    beside.tell("hangup")


def test_a_test_call_is_made_by_the_worker_that_has_the_trunk(
    office: House, beside: Beside
) -> None:
    admin = office.who("admin")
    page = admin.get("/settings/providers").text
    assert "Ready (without registration)" in page
    begun = admin.post("/settings/providers/test", data={"number": OSLO})
    assert begun.status_code == 303
    until(lambda: "The newest report" in admin.get("/settings/providers").text)
    assert "sound came from the other side" in admin.get("/settings/providers").text
