"""Calls on the pages: who reaches which, and what opens a recording."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.responses import Response
from starlette.testclient import TestClient
from tests.server import rig
from tests.web.conftest import add, browser, problem, signed_in

from askfirst.audio.container import decode
from askfirst.rules import packaged
from askfirst.server import account, accounts
from askfirst.server.access import UserRole
from askfirst.server.clock import utc_now
from askfirst.server.database import calls, reading
from askfirst.server.listening import Listening
from askfirst.server.node import Node
from askfirst.server.purposes import ListeningPurpose
from askfirst.server.recordingreader import stretches_of
from askfirst.server.settings import Settings
from askfirst.speech.scripted import Scripted
from askfirst.web.ranges import ranged
from askfirst.web.visit import Site

NORTH, SOUTH = "north", "south"
OPENED = ("access.played", "access.read", "access.exported")


@dataclass(frozen=True)
class Office:
    """An installation with one recorded call, made by an agent of the team north."""

    site: Site
    recorded: rig.Recorded
    agent: accounts.User

    @property
    def call(self) -> str:
        return f"/api/v1/calls/{self.recorded.call}"

    @property
    def links(self) -> str:
        return f"/api/v1/recordings/{self.recorded.id}/links"

    def link(self, client: TestClient, seconds: int = 60) -> str:
        made = client.post(self.links, json={"purpose": "training", "seconds": seconds})
        assert made.status_code == 201, made.text
        return str(made.json()["url"])

    @property
    def kept(self) -> tuple[int, int]:
        """From and to when, in call time, there is sound."""
        with reading(self.site.store.engine) as connection:
            stretches = stretches_of(connection, self.recorded.id)
        return stretches[0].from_ms, stretches[-1].to_ms

    def accesses(self) -> list[dict[str, object]]:
        entries = self.site.store.ledger.entries(self.recorded.call)
        return [entry for _, entry in entries if str(entry["kind"]) in OPENED]


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    node = Node.open(tmp_path / "data", Scripted())
    recorded = rig.record(node, tmp_path / "callee")
    site = Site(node.store, Settings(data=tmp_path / "data"), packaged(), Listening(node.store))
    with node.store.engine.begin() as connection:
        stated = {"company": "Nordlys AS", "retention_days": 90}
        account.change(connection, stated, None, utc_now())
    agent = add(site, UserRole.AGENT, NORTH)
    with node.store.engine.begin() as connection:
        connection.execute(calls.update().values(agent=agent.id))
    yield Office(site, recorded, agent)
    node.close()


@pytest.mark.parametrize(
    ("role", "team", "reads", "listens"),
    [
        (UserRole.AGENT, NORTH, False, False),
        (UserRole.AGENT, None, False, False),
        (UserRole.SUPERVISOR, SOUTH, False, False),
        (UserRole.SUPERVISOR, None, False, False),
        (UserRole.SUPERVISOR, NORTH, True, True),
        (UserRole.COMPLIANCE, None, True, True),
        (UserRole.ADMIN, NORTH, False, False),
        (UserRole.AUDITOR, NORTH, False, False),
    ],
)
def test_somebody_reaches_calls_as_far_as_their_role_and_team(
    office: Office, role: UserRole, team: str | None, *, reads: bool, listens: bool
) -> None:
    client = signed_in(office.site, add(office.site, role, team, name="other"))
    wanted = {"purpose": "training", "seconds": 60}

    assert (client.get(office.call).status_code == 200) is reads
    assert (client.post(office.links, json=wanted).status_code == 201) is listens
    listed = client.get("/api/v1/calls")
    shown = listed.json()["calls"] if listed.status_code == 200 else []
    assert [each["id"] for each in shown] == ([office.recorded.call] if reads else [])
    transcript = client.get(f"/api/v1/recordings/{office.recorded.id}/transcript")
    assert (transcript.status_code == 200) is listens
    page = client.get(f"/calls/{office.recorded.call}")
    assert (page.status_code == 200) is reads


def test_the_audio_needs_a_session_and_the_link_of_that_session(office: Office) -> None:
    own = signed_in(office.site, office.agent)
    link = office.link(own)
    officer = signed_in(office.site, add(office.site, UserRole.COMPLIANCE))
    second = signed_in(office.site, office.agent)

    assert browser(office.site).get(link).status_code == 401
    for other in (officer, second):
        refused = other.get(link)
        assert (refused.status_code, problem(refused)) == (403, "urn:askfirst:problem:refused")
    assert own.get(link.partition("?")[0]).status_code == 403
    assert own.get(link[:-1] + ("0" if link[-1] != "0" else "1")).status_code == 403
    assert office.accesses() == []

    assert own.get(link).status_code == 200


def test_a_playing_in_parts_is_one_access_and_gives_the_whole(office: Office) -> None:
    client = signed_in(office.site, office.agent)
    link = office.link(client)

    whole = client.get(link)
    first = client.get(link, headers={"range": "bytes=0-99"})
    rest = client.get(link, headers={"range": "bytes=100-"})

    assert (whole.status_code, first.status_code, rest.status_code) == (200, 206, 206)
    assert first.headers["content-range"] == f"bytes 0-99/{len(whole.content)}"
    assert first.content + rest.content == whole.content
    samples, _ = decode(whole.content)
    assert samples.shape[0] == 2
    (access,) = office.accesses()
    assert (access["kind"], access["recording"]) == ("access.played", office.recorded.id)
    said = access["data"]
    assert isinstance(said, dict)
    assert {key: said[key] for key in ("person", "purpose")} == {
        "person": office.agent.id,
        "purpose": "training",
    }
    assert (said["from_ms"], said["to_ms"]) == office.kept


def test_a_link_runs_out(office: Office) -> None:
    now = utc_now()
    person, listening = office.agent.person, office.site.listening
    link = listening.link(
        person, "s", office.recorded.id, ListeningPurpose.DISPUTE, timedelta(seconds=5), now
    )

    with pytest.raises(Exception, match="run out"):
        listening.sound(person, "s", office.recorded.id, link.token, now + timedelta(seconds=6))

    assert office.accesses() == []


@pytest.mark.parametrize("seconds", [0, -5, 3601])
def test_a_link_holds_for_a_second_to_an_hour(office: Office, seconds: int) -> None:
    client = signed_in(office.site, office.agent)

    refused = client.post(office.links, json={"purpose": "training", "seconds": seconds})

    assert (refused.status_code, problem(refused)) == (422, "urn:askfirst:problem:invalid-input")


@pytest.mark.parametrize("link", ["", ".", "....", "1.training.x.y", "å.ø.æ.\u2603", "9" * 5_000])
def test_a_link_of_garbage_opens_nothing(office: Office, link: str) -> None:
    client = signed_in(office.site, office.agent)

    answer = client.get(f"/api/v1/recordings/{office.recorded.id}/audio", params={"link": link})

    assert answer.status_code == 403


def test_the_page_plays_only_for_a_stated_purpose(office: Office) -> None:
    client = signed_in(office.site, office.agent)
    page = client.get(f"/calls/{office.recorded.call}")
    assert page.status_code == 200
    assert "<askfirst-player" not in page.text
    where = f"/calls/{office.recorded.call}/listen"

    assert client.post(where, data={"purpose": "curiosity"}).status_code == 422
    played = client.post(where, data={"purpose": "dispute"})

    assert played.status_code == 200
    assert "<askfirst-player" in played.text
    link = played.text.partition('src="/api/v1/recordings/')[2].partition('"')[0]
    assert client.get(f"/api/v1/recordings/{link}").status_code == 200
    again = client.get(f"/calls/{office.recorded.call}")
    assert f"<strong>{office.agent.name}</strong> listened: A dispute" in again.text


def test_the_page_says_in_norwegian_why_the_call_was_decided_so(office: Office) -> None:
    officer = signed_in(office.site, add(office.site, UserRole.COMPLIANCE))
    english = officer.get(f"/calls/{office.recorded.call}").text
    officer.cookies.set("language", "nb")
    norwegian = officer.get(f"/calls/{office.recorded.call}").text

    assert "going by" in english
    assert "ut fra" in norwegian
    assert "going by" not in norwegian


def test_the_list_goes_on_behind_its_last_call(office: Office) -> None:
    with office.site.store.engine.begin() as connection:
        for number in range(70):
            connection.execute(
                calls.insert().values(
                    id=f"call_{number:032x}",
                    created_at=rig.AT,
                    provider="simulator",
                    direction="outbound",
                    language="en",
                    policy={},
                    proof=0,
                    agent=office.agent.id,
                )
            )
    client = signed_in(office.site, office.agent)

    first = client.get("/api/v1/calls").json()
    second = client.get("/api/v1/calls", params={"before": first["next"]}).json()

    ids = [each["id"] for each in first["calls"] + second["calls"]]
    assert len(ids) == len(set(ids)) == 71
    assert ids == sorted(ids, reverse=True)
    assert second["next"] is None
    assert client.get("/calls").text.count("/calls/call_") == 50
    filtered = client.get("/api/v1/calls", params={"outcome": "recorded"}).json()["calls"]
    assert [each["id"] for each in filtered] == [office.recorded.call]


def parted(content: bytes, header: str) -> Response:
    return ranged(lambda first, last: content[first : last + 1], len(content), header, "audio/ogg")


@given(
    st.binary(min_size=1, max_size=200),
    st.integers(0, 250),
    st.integers(0, 250),
)
def test_a_range_is_exactly_those_bytes(content: bytes, first: int, last: int) -> None:
    answer = parted(content, f"bytes={first}-{last}")

    wanted = content[first : last + 1]
    assert (answer.status_code, bytes(answer.body)) == ((206, wanted) if wanted else (416, b""))


@given(st.text(max_size=40))
def test_no_range_header_breaks_the_answer(header: str) -> None:
    assert parted(b"0123456789", header).status_code in (200, 206, 416)


def test_the_last_bytes_can_be_asked_for() -> None:
    answer = parted(b"0123456789", "bytes=-3")

    assert (answer.status_code, bytes(answer.body)) == (206, b"789")
    assert parted(b"0123456789", "bytes=-0").status_code == 416
