"""Calls over Twilio in several processes and beside a trunk: each finds who carries it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.e2e.beside import Beside
from tests.e2e.house import House, OpenPhone, a_house, until
from tests.e2e.twilio import OSLO, OURS, Emulator, emulating, look_on
from tests.sip.peer import LOOPBACK
from tests.twilio.onlooker import Onlooker
from tests.twilio.onlooker import onlooker as onlooker

from askfirst.server.database import calls, reading
from askfirst.server.twiliotables import twilio_calls

pytestmark = pytest.mark.full

BERGEN = "+4755555555"
NOBODY = "+4790000000"


@pytest.fixture
def emulator(onlooker: Onlooker) -> Iterator[Emulator]:
    with emulating({OSLO: "agrees", BERGEN: "agrees"}) as found:
        yield found


@pytest.fixture
def house(
    furnished: Path, tmp_path: Path, emulator: Emulator, onlooker: Onlooker
) -> Iterator[House]:
    """A server with two workers and an account at that Twilio."""
    settings = f'twilio_url = "{emulator.address}"\n'
    with a_house(furnished, tmp_path / "house", settings, emulator.know) as found:
        look_on(onlooker, found.installation)
        yield found


@pytest.fixture
def beside(tmp_path: Path) -> Iterator[Beside]:
    """A telephone in Oslo behind an exchange."""
    found = Beside(tmp_path / "bob", [OSLO])
    yield found
    found.end()


def called(house: House, person: str, to: str, **wanted: str) -> str:
    """The path of a call of somebody that was answered."""
    placed = house.place(person, to, agent_audio="file", **wanted)
    assert placed.status_code == 201, placed.text
    path = f"/api/v1/calls/{placed.json()['call']}"
    until(lambda: bool(house.state(person, path)["answered"]))
    return path


def stage_of(house: House, person: str, path: str) -> str:
    """How somebody stands to whom a call is handed on."""
    return str(house.state(person, path)["consultation"]["stage"])


def sid_of(house: House, path: str) -> str:
    """The call at Twilio of a call of ours."""
    found: list[str] = []

    def is_noted() -> bool:
        with house.installation.store() as store, reading(store.engine) as connection:
            query = sa.select(twilio_calls.c.sid)
            query = query.where(twilio_calls.c.call == path.rpartition("/")[2])
            found[:] = connection.execute(query).scalars()
        return bool(found)

    until(is_noted)
    return found[0]


def provider_of(house: House, path: str) -> str:
    """What a call went over."""
    with house.installation.store() as store, reading(store.engine) as connection:
        query = sa.select(calls.c.provider).where(calls.c.id == path.rpartition("/")[2])
        return str(connection.execute(query).scalar_one())


def test_a_worker_that_dies_hangs_up_its_own_calls_at_twilio_and_no_others(
    house: House, emulator: Emulator
) -> None:
    kari, per = called(house, "agent", OSLO), called(house, "other", BERGEN)
    hers, his = sid_of(house, kari), sid_of(house, per)
    assert [each["calls"] for each in house.workers()] == [1, 1]

    os.kill(house.workers()[0]["process"], signal.SIGKILL)

    until(lambda: "completed" in (emulator.state(hers), emulator.state(his)))
    assert "in-progress" in (emulator.state(hers), emulator.state(his))
    until(lambda: len(house.ready()) == 2)
    assert "died" in house.expected()
    assert emulator.told()["captures"] == []


def test_a_call_that_is_handed_on_in_vain_comes_back_to_its_worker(
    house: House, emulator: Emulator
) -> None:
    paths = {"agent": called(house, "agent", OSLO), "other": called(house, "other", BERGEN)}
    for person, path in paths.items():
        handed = house.who(person).post(f"{path}/transfer", json={"number": NOBODY})
        assert handed.status_code == 202, handed.text

    for person, path in paths.items():
        until(lambda p=person, at=path: stage_of(house, p, at) == "over")  # type: ignore[misc]
        assert house.state(person, path)["answered"]
        assert emulator.state(sid_of(house, path)) == "in-progress"


def test_calls_over_twilio_and_over_a_trunk_go_on_beside_each_other(
    furnished: Path, tmp_path: Path, emulator: Emulator, beside: Beside, onlooker: Onlooker
) -> None:
    settings = (
        f'twilio_url = "{emulator.address}"\n'
        f'[sip]\nserver = "{LOOPBACK}"\naddress = "{LOOPBACK}"\nport = {beside.port}\n'
    )
    with a_house(furnished, tmp_path / "both", settings, emulator.know) as house:
        look_on(onlooker, house.installation)
        kept = house.who("admin").post("/settings/numbers", data={"number": OURS, "name": "Sales"})
        assert kept.status_code == 303, kept.text
        usual = called(house, "agent", OSLO)
        assert provider_of(house, usual) == "sip"
        shown = called(house, "other", OSLO, caller_id=OURS)
        assert provider_of(house, shown) == "twilio", "Twilio alone may show its number"
        for person, path in (("agent", usual), ("other", shown)):
            house.who(person).post(f"{path}/hangup")
        until(lambda: not any(each["calls"] for each in house.workers()))
        assert provider_of(house, called(house, "agent", OSLO, provider="twilio")) == "twilio"

        per = house.open_phone("other")
        emulator.configure(house.installation.origin)
        emulator.call_in()
        until(lambda: bool(per.ringing()))
        path = taken(house, per)
        assert provider_of(house, path) == "twilio"


def taken(house: House, phone: OpenPhone) -> str:
    """The path of the call that rings at the other agent, who takes it."""
    rings = phone.ringing()[0]["id"]
    answered = house.who("other").post(
        f"/api/v1/phone/ringing/{rings}/answer", json={"agent_audio": "file"}
    )
    assert answered.status_code == 201, answered.text
    path = f"/api/v1/calls/{answered.json()['call']}"
    until(lambda: bool(house.state("other", path)["answered"]))
    return path
