"""Coaching over pages and HTTP: words stay words, and the employee reads what is about them."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from starlette.testclient import TestClient
from tests.server import rig
from tests.web.conftest import add, problem, signed_in

from askfirst.rules import packaged
from askfirst.server import account, accounts, erasure
from askfirst.server.access import UserRole
from askfirst.server.accounts import User
from askfirst.server.clock import utc_now
from askfirst.server.database import calls, transaction
from askfirst.server.listening import Listening
from askfirst.server.node import Node
from askfirst.server.settings import Settings
from askfirst.speech.scripted import Scripted
from askfirst.web.visit import Site

RUDE = "<script>alert('heron')</script> & more"
ESCAPED = "&lt;script&gt;alert(&#39;heron&#39;)&lt;/script&gt; &amp; more"
API = "/api/v1"


@dataclass(frozen=True)
class Office:
    """A recorded call of an agent, their supervisor, and somebody who may not listen to it."""

    site: Site
    call: str
    recording: str
    agent: User
    mine: TestClient
    lead: TestClient
    far: TestClient

    def comment(self, text: str = RUDE, **more: object) -> str:
        wanted = {"text": text, "from_ms": 3_000, **more}
        answer = self.lead.post(f"{API}/calls/{self.call}/comments", json=wanted)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def clip(self, text: str = RUDE) -> str:
        wanted = {"text": text, "from_ms": 3_000, "to_ms": 5_000}
        answer = self.lead.post(f"{API}/calls/{self.call}/clips", json=wanted)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def playlist(self, clip: str, **more: object) -> str:
        wanted = {"name": RUDE, "description": RUDE, "audience": "everybody", **more}
        made = str(self.lead.post(f"{API}/playlists", json=wanted).json()["id"])
        put = self.lead.post(f"{API}/playlists/{made}/clips", json={"clip": clip})
        assert put.status_code == 201, put.text
        return made

    def become(self, role: UserRole) -> None:
        """Let the agent have another role."""
        with transaction(self.site.store.engine) as connection:
            accounts.change_user(connection, self.agent.id, roles=[role])


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    node = Node.open(tmp_path / "data", Scripted())
    recorded = rig.record(node, tmp_path / "callee")
    site = Site(node.store, Settings(data=tmp_path / "data"), packaged(), Listening(node.store))
    stated = {"company": "Nordlys AS", "retention_days": 90}
    with transaction(node.store.engine) as connection:
        account.change(connection, stated, None, utc_now())
    add(site, UserRole.ADMIN)
    agent = add(site, UserRole.AGENT, "north", "kari")
    lead, far = add(site, UserRole.SUPERVISOR, "north"), add(site, UserRole.AGENT, "south", "far")
    with transaction(node.store.engine) as connection:
        connection.execute(calls.update().values(agent=agent.id))
    people = [signed_in(site, each) for each in (agent, lead, far)]
    yield Office(site, recorded.call, recorded.id, agent, *people)
    node.close()


def test_hostile_words_are_text_on_every_page(office: Office) -> None:
    clip = office.clip()
    office.comment()
    made = office.playlist(clip)

    pages = {
        f"/calls/{office.call}/coaching": office.mine,
        "/me": office.mine,
        "/me/coaching": office.mine,
        "/playlists": office.lead,
        f"/playlists/{made}": office.lead,
    }
    for path, client in pages.items():
        text = client.get(path).text
        assert "<script>alert" not in text, path
        assert ESCAPED in text, path


def test_the_opened_call_shows_comments_and_the_closed_one_no_word_of_them(office: Office) -> None:
    office.comment("slow down")

    closed = office.mine.get(f"/calls/{office.call}").text
    opened = office.mine.post(f"/calls/{office.call}/listen", data={"purpose": "training"})

    assert "slow down" not in closed
    assert "slow down" in opened.text


def test_the_employee_reads_every_word_about_them_whatever_their_role_is(office: Office) -> None:
    office.comment("slow down")
    office.clip("well opened")
    office.become(UserRole.ADMIN)

    assert office.mine.get(f"/calls/{office.call}/coaching").status_code == 403
    for path in ("/me", "/me/coaching"):
        text = office.mine.get(path).text
        assert "slow down" in text, path
        assert "well opened" in text, path


@pytest.mark.parametrize("state", ["quarantined", "checking"])
def test_the_employee_reads_them_also_while_nobody_may_hear_the_call(
    office: Office, state: str
) -> None:
    office.comment("slow down")
    rig.change(office.site.store, office.recording, state=state)

    assert office.lead.get(f"/calls/{office.call}/coaching").status_code == 403
    assert "slow down" in office.mine.get("/me/coaching").text


def test_nobody_else_finds_them_on_their_own_page(office: Office) -> None:
    office.comment("slow down")

    for client in (office.far, office.lead):
        assert "slow down" not in client.get("/me").text
        assert "slow down" not in client.get("/me/coaching").text


def test_after_an_erasure_nothing_is_left_but_when_a_clip_was_removed(office: Office) -> None:
    office.comment("slow down")
    made = office.playlist(office.clip("well opened"), name="Openings", description="")
    with transaction(office.site.store.engine) as connection:
        erasure.intend(office.site.store, connection, office.recording, "request", utc_now())
    erasure.erase(office.site.store, office.recording, utc_now())

    assert "slow down" not in office.mine.get("/me/coaching").text
    page = office.lead.get(f"/playlists/{made}").text
    assert "Removed on" in page
    assert "well opened" not in page
    (place,) = office.lead.get(f"{API}/playlists/{made}").json()["clips"]
    assert set(place) == {"id", "removed_at"}


def test_somebody_far_away_is_told_only_how_much_they_do_not_hear(office: Office) -> None:
    made = office.playlist(office.clip("well opened"), name="Openings", description="")

    page = office.far.get(f"/playlists/{made}").text

    assert "1 clip that you may not hear" in page
    assert "well opened" not in page
    assert office.call not in page


def test_a_mention_leads_to_the_call_and_is_over_when_it_was_opened(office: Office) -> None:
    office.comment("look @Kari")
    assert "mentioned you in a comment" in office.mine.get("/me").text

    office.mine.post(f"/calls/{office.call}/listen", data={"purpose": "training"})

    assert "mentioned you in a comment" not in office.mine.get("/me").text


def test_a_mention_of_somebody_far_away_is_a_problem(office: Office) -> None:
    wanted = {"text": "@Far look", "from_ms": 3_000}
    answer = office.lead.post(f"{API}/calls/{office.call}/comments", json=wanted)

    assert (answer.status_code, problem(answer)) == (422, "urn:askfirst:problem:invalid-request")


def test_what_was_typed_stays_where_it_cannot_be_kept(office: Office) -> None:
    form = {"text": "slow down", "at": "early"}
    answer = office.lead.post(f"/calls/{office.call}/comments", data=form)

    assert answer.status_code == 422
    assert "slow down" in answer.text
    assert "such as 4:11" in answer.text


def test_a_comment_that_was_changed_meanwhile_is_a_conflict(office: Office) -> None:
    path = f"{API}/calls/{office.call}/comments/{office.comment('first')}"
    assert office.lead.patch(path, json={"text": "second", "version": 1}).status_code == 200

    answer = office.lead.patch(path, json={"text": "third", "version": 1})

    assert (answer.status_code, problem(answer)) == (409, "urn:askfirst:problem:conflict")


def test_a_request_that_is_sent_twice_writes_one_comment(office: Office) -> None:
    path, wanted = f"{API}/calls/{office.call}/comments", {"text": "once", "from_ms": 3_000}
    named = {"idempotency-key": "5c0e"}

    first, second = (office.lead.post(path, json=wanted, headers=named) for _ in range(2))

    assert first.json() == second.json()
    assert len(office.lead.get(path).json()["comments"]) == 1


def test_lists_are_paged_over_http(office: Office) -> None:
    made = [office.comment(f"number {each}") for each in range(3)]
    path = f"{API}/calls/{office.call}/comments"

    first = office.lead.get(path, params={"limit": 2}).json()
    rest = office.lead.get(path, params={"limit": 2, "after": first["next"]}).json()

    assert [each["id"] for each in (*first["comments"], *rest["comments"])] == made
    assert rest["next"] is None


def test_their_own_data_holds_what_is_written_about_them_and_goes_with_it(office: Office) -> None:
    office.comment("slow down")
    office.mine.post("/me/data", data={"language": "en"})
    address = office.mine.get("/me/data").text.partition('href="/me/data/')[2].partition('"')[0]
    package = office.mine.get(f"/me/data/{address}")

    with zipfile.ZipFile(io.BytesIO(package.content)) as archive:
        (row,) = json.loads(archive.read("coaching.json"))
    assert (row["text"], row["kind"], row["by"]) == ("slow down", "comment", "somebody-else")

    with transaction(office.site.store.engine) as connection:
        erasure.intend(office.site.store, connection, office.recording, "request", utc_now())
    erasure.erase(office.site.store, office.recording, utc_now())
    assert office.mine.get(f"/me/data/{address}").status_code == 403
