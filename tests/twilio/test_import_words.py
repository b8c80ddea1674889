"""What was brought over is heard, found, cut, handed on and erased as calls of our own are."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from starlette.testclient import TestClient
from tests.twilio.importrig import (
    AGENT_HZ,
    BERLIN,
    CALIFORNIA,
    CONTACT_HZ,
    NOW,
    OURS,
    Case,
    Hearing,
    mono,
)
from tests.twilio.serving import serving
from tests.web.conftest import add, opened, set_up, signed_in

from askfirst import vcon
from askfirst.audio.container import decode
from askfirst.model import Utterance
from askfirst.ports import RecognizerCapabilities
from askfirst.rules import packaged
from askfirst.server import transcribing, transcripts
from askfirst.server.access import UserRole
from askfirst.server.analysistables import call_figures
from askfirst.server.auditrun import Reach
from askfirst.server.clock import utc_now
from askfirst.server.database import assets, calls, reading, recordings, transaction
from askfirst.server.export import vcon_of
from askfirst.server.finishing import Finishing
from askfirst.server.jobs import Jobs
from askfirst.server.rechecking import check_again
from askfirst.server.sealing import write_asset
from askfirst.server.searchupkeep import keep_up
from askfirst.server.sweep import sweep
from askfirst.server.transcribing import Progress
from askfirst.twilioemulator.kept import Account, KeptNumber
from askfirst.twilioemulator.resources import Resources
from askfirst.web.visit import Site

API = "/api/v1"
SAID = "The wombat marmalade is too expensive for us."
BASIS = Reach(both=True, basis="art. 6(1)(f), complaint 7")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    for made in opened(tmp_path):
        keep_up(set_up(made).store, utc_now())
        yield made


@pytest.fixture
def case(site: Site) -> Iterator[Case]:
    there = Account()
    there.numbers["PN1"] = KeptNumber(f"PN{1:032x}", OURS)
    with serving(Resources(there).routes()) as base:
        yield Case(there, site.store, base, Hearing(contact=SAID))


@pytest.fixture
def officer(site: Site) -> TestClient:
    return signed_in(site, add(site, UserRole.COMPLIANCE))


def work(case: Case, hearing: Hearing | None = None) -> None:
    """Let the jobs do what was ordered."""
    jobs = Jobs(case.store, Finishing(case.store, hearing or case.hearing))
    jobs.start()
    try:
        jobs.wait()
    finally:
        jobs.stop()


def brought(
    case: Case, number: int = 1, contact: str = CALIFORNIA, wav: bytes | None = None
) -> str:
    case.add(number, contact, wav)
    line = case.run()[-1]
    assert line.recording is not None
    return line.recording


def words(case: Case, recording: str) -> list[tuple[str, str]]:
    said = transcripts.current(case.store, recording) or []
    return [(each.speaker, each.text) for each in said]


def found(client: TestClient, q: str = "marmalade") -> list[Any]:
    hits = client.get(f"{API}/search", params={"q": q}).json()["calls"]
    return [each for each in hits if each["found_in"] == "transcript"]


def row(case: Case, recording: str) -> Any:
    (one,) = [each for each in case.rows(recordings) if each.id == recording]
    return one


def link(client: TestClient, recording: str) -> str:
    answer = client.post(f"{API}/recordings/{recording}/links", json={"purpose": "dispute"})
    return str(parse_qs(urlsplit(answer.json()["url"]).query)["link"][0])


# What is never heard


def test_what_is_locked_is_never_heard_whatever_is_ordered(case: Case, officer: TestClient) -> None:
    recording = brought(case, contact=BERLIN)
    work(case)
    assert case.hearing.given == [AGENT_HZ]
    assert words(case, recording) == []
    assert found(officer) == []
    call = row(case, recording).call
    assert officer.post(f"/calls/{call}/transcript/again").status_code == 403
    with transaction(case.store.engine) as connection:
        transcribing.have_heard(connection, call, utc_now(), is_spoken=True)
    work(case)
    assert case.hearing.given == [AGENT_HZ]


def test_of_a_mix_without_a_basis_nothing_is_heard_even_when_it_was_let_go(
    case: Case, officer: TestClient
) -> None:
    recording = brought(case, wav=mono())
    (item,) = officer.get(f"{API}/queue").json()["items"]
    decided = {"decision": "given", "comment": "a signed consent is on file"}
    officer.post(f"{API}/queue/{item['id']}/decision", json=decided)
    work(case)
    assert row(case, recording).state == "ready"
    assert case.hearing.given == []
    assert words(case, recording) == []


def test_an_engine_outside_that_nobody_was_told_of_hears_nothing(case: Case) -> None:
    class Outside(Hearing):
        capabilities = RecognizerCapabilities(frozenset({"en"}), word_times=True, external=True)

    recording = brought(case)
    outside = Outside(contact=SAID)
    work(case, outside)
    assert outside.given == []
    with reading(case.store.engine) as connection:
        assert transcribing.progress_of(connection, recording).progress is Progress.FAILED


# What is heard


def test_each_side_is_heard_by_itself_and_found_and_the_page_says_how_far_it_is(
    case: Case, officer: TestClient
) -> None:
    recording = brought(case)
    assert case.hearing.given == [AGENT_HZ]
    (call,) = case.rows(calls)
    assert "Being transcribed since" in officer.get(f"/calls/{call.id}").text
    with reading(case.store.engine) as connection:
        assert transcribing.progress_of(connection, recording).progress is Progress.GOES_ON
    work(case)
    assert [speaker for speaker, _ in words(case, recording)] == ["agent", "contact"]
    with reading(case.store.engine) as connection:
        assert transcribing.progress_of(connection, recording).progress is Progress.DONE
    (hit,) = found(officer)
    assert (hit["id"], hit["speaker"], hit["snippet"]) == (call.id, "contact", SAID)
    page = officer.post("/search", data={"q": "marmalade"})
    assert "<mark>marmalade</mark>" in page.text
    assert case.rows(call_figures)[0].recording == recording


def test_what_was_let_go_is_heard_then(case: Case, officer: TestClient) -> None:
    recording = brought(case, contact=BERLIN)
    (item,) = officer.get(f"{API}/queue").json()["items"]
    decided = {"decision": "given", "comment": "a signed consent is on file"}
    officer.post(f"{API}/queue/{item['id']}/decision", json=decided)
    work(case)
    assert [speaker for speaker, _ in words(case, recording)] == ["agent", "contact"]


def test_of_a_mix_with_a_basis_nobody_guesses_who_said_what(
    case: Case, officer: TestClient
) -> None:
    case.reach = BASIS
    recording = brought(case, wav=mono())
    assert row(case, recording).state == "ready"
    work(case)
    assert {speaker for speaker, _ in words(case, recording)} == {"mixed"}
    (hit,) = found(officer, "transcribed")
    assert hit["speaker"] == "mixed"
    assert case.rows(call_figures) == []
    assert "Either side" in officer.post("/search", data={"q": "transcribed"}).text
    assert row(case, recording).state == "ready"
    (call,) = case.rows(calls)
    assert call.verdict == "heard"
    page = officer.get(f"/calls/{call.id}").text
    assert "somebody, with everybody on one channel" in page
    assert "its sides are on one channel" in page
    (checked,) = [
        json.dumps(entry)
        for _, entry in case.store.ledger.entries(call.id)
        if entry["kind"] == "recording.checked"
    ]
    assert '"by": "mixed"' in checked


def test_an_objection_that_only_the_contacts_side_has_locks_it(
    case: Case, officer: TestClient
) -> None:
    case.hearing = Hearing(contact="No, please do not record this call.")
    recording = brought(case)
    assert row(case, recording).state == "ready"
    work(case)
    assert row(case, recording).state == "quarantined"
    (item,) = officer.get(f"{API}/queue").json()["items"]
    assert item["reason"] == "objection-heard"


@pytest.mark.parametrize("is_mixed", [False, True])
def test_a_notice_that_is_not_heard_any_more_locks_it_unless_somebody_let_it_go(
    case: Case, officer: TestClient, is_mixed: bool
) -> None:
    case.reach = BASIS
    recording = brought(case, wav=mono() if is_mixed else None)
    assert row(case, recording).state == "ready"
    deaf = Hearing("Good morning, how are you today.", SAID)
    work(case, deaf)
    assert row(case, recording).state == "quarantined"
    (item,) = officer.get(f"{API}/queue").json()["items"]
    assert item["reason"] == "imported"
    assert (item["evidence"] is None) is is_mixed
    decided = {"decision": "given", "comment": "a signed consent is on file"}
    officer.post(f"{API}/queue/{item['id']}/decision", json=decided)
    work(case, deaf)
    check_again(case.store, packaged(), recording, NOW)
    assert row(case, recording).state == "ready"


def test_a_newer_detector_that_hears_no_notice_locks_it(case: Case) -> None:
    recording = brought(case)
    work(case)
    deaf = Hearing("Good morning, how are you today.", SAID)
    said = [replace(each, text=deaf.lines[AGENT_HZ]) for each in own(case, recording)]
    with transaction(case.store.engine) as connection:
        kept = (assets.c.recording == recording) & (assets.c.kind == transcripts.MACHINE)
        connection.execute(assets.delete().where(kept))
    write_asset(case.store, recording, transcripts.MACHINE, transcripts.to_bytes(said), NOW)
    assert check_again(case.store, packaged(), recording, NOW) == 1
    assert row(case, recording).state == "quarantined"


def own(case: Case, recording: str) -> list[Utterance]:
    said = transcripts.machine(case.store, recording) or []
    return [each for each in said if each.speaker == "agent"]


# What is done with it


def test_erased_means_that_sound_words_keys_and_hits_are_gone(
    case: Case, officer: TestClient
) -> None:
    recording = brought(case)
    work(case)
    assert found(officer)
    names = [each for each in case.store.blobs.names() if each.startswith(recording)]
    assert len(names) >= 4
    officer.post(f"{API}/calls/{row(case, recording).call}/complaint", json={"text": "erase it"})
    (item,) = officer.get(f"{API}/queue").json()["items"]
    decided = {"decision": "not-given", "comment": "they want it erased"}
    assert officer.post(f"{API}/queue/{item['id']}/decision", json=decided).status_code == 200
    assert_gone(case, officer, recording)


def assert_gone(case: Case, officer: TestClient, recording: str) -> None:
    assert row(case, recording).state == "erased"
    left = [each for each in case.store.blobs.names() if each.startswith(recording)]
    assert left == []
    assert case.store.keys.of_recording(recording) == []
    assert found(officer) == []
    assert [each for each in case.rows(assets) if each.recording == recording] == []
    assert "wombat" not in officer.get(f"{API}/recordings/{recording}/transcript").text


def test_the_sweep_takes_it_with_its_words_when_its_time_is_over(
    case: Case, officer: TestClient
) -> None:
    recording = brought(case)
    work(case)
    due = row(case, recording).expires_at
    assert sweep(case.store, due - timedelta(seconds=1)) == 0
    assert sweep(case.store, due) == 1
    work(case)
    assert_gone(case, officer, recording)


def test_it_is_handed_on_with_its_words_and_every_access_is_written_down(
    case: Case, officer: TestClient
) -> None:
    recording = brought(case)
    work(case)
    call = row(case, recording).call
    made = vcon_of(Finishing(case.store, case.hearing), call)
    vcon.check(made)
    assert "wombat" in json.dumps(made)
    assert officer.get(f"{API}/recordings/{recording}/audio").status_code == 403
    params = {"link": link(officer, recording)}
    sound = officer.get(f"{API}/recordings/{recording}/audio", params=params)
    assert sound.status_code == 200
    assert officer.get(f"{API}/recordings/{recording}/transcript").status_code == 200
    kinds = [entry["kind"] for _, entry in case.store.ledger.entries(call)]
    assert {"access.exported", "access.played", "access.read"} <= set(kinds)


def test_of_a_mix_no_line_that_is_handed_on_names_a_party(case: Case) -> None:
    case.reach = BASIS
    recording = brought(case, wav=mono())
    work(case)
    made = vcon_of(Finishing(case.store, case.hearing), row(case, recording).call)
    vcon.check(made)
    (said,) = [each for each in made["analysis"] if each["type"] == "transcript"]
    body = said["body"]
    lines = (json.loads(body) if isinstance(body, str) else body)["utterances"]
    assert lines
    assert all("party" not in each for each in lines)


def test_who_may_not_listen_gets_none_of_it(case: Case, site: Site) -> None:
    recording = brought(case)
    work(case)
    for role in (UserRole.ADMIN, UserRole.AGENT):
        other = signed_in(site, add(site, role, name=f"other-{role.value}"))
        assert other.get(f"{API}/recordings/{recording}/transcript").status_code in (403, 404)
        assert "wombat" not in other.get(f"{API}/search", params={"q": "marmalade"}).text


def test_it_is_cut_as_a_call_of_our_own_and_heard_anew(case: Case, officer: TestClient) -> None:
    recording = brought(case)
    work(case)
    call = row(case, recording).call
    officer.post(f"{API}/calls/{call}/complaint", json={"text": "cut the beginning"})
    (item,) = officer.get(f"{API}/queue").json()["items"]
    wanted = {"decision": "keep-from", "comment": "as they ask", "from_ms": 2_000}
    answer = officer.post(f"{API}/queue/{item['id']}/decision", json=wanted)
    assert answer.status_code == 200, answer.text
    assert row(case, recording).duration_ms == 2_000
    case.hearing.given.clear()
    work(case)
    assert case.hearing.given == [AGENT_HZ, CONTACT_HZ]
    assert row(case, recording).state == "ready"
    (said,) = [
        each for each in transcripts.current(case.store, recording) or [] if each.speaker == "agent"
    ]
    assert said.start_ms >= 2_000


def test_a_clip_of_it_plays(case: Case, site: Site) -> None:
    brought(case)
    work(case)
    (call,) = case.rows(calls)
    officer = signed_in(site, add(site, UserRole.COMPLIANCE, name="listener"))
    wanted = {"from_ms": 500, "to_ms": 2_500, "text": "how it begins"}
    made = officer.post(f"{API}/calls/{call.id}/clips", json=wanted)
    assert made.status_code == 201, made.text
    sound = officer.get(f"{API}/clips/{made.json()['id']}/sound")
    assert sound.status_code == 200, sound.text


@pytest.mark.parametrize("is_mixed", [True, False])
def test_a_masked_copy_for_a_person_has_nothing_of_our_side(
    case: Case, officer: TestClient, is_mixed: bool
) -> None:
    case.reach = BASIS
    recording = brought(case, wav=mono() if is_mixed else None)
    work(case)
    asked = {"kind": "access", "number": CALIFORNIA}
    request = officer.post(f"{API}/subject-requests", json=asked).json()["id"]
    address = f"{API}/subject-requests/{request}/copy"
    assert officer.post(address, json={}).status_code == 202
    work(case)
    archive = zipfile.ZipFile(io.BytesIO(officer.get(address).content))
    files = {Path(name).name: archive.read(name) for name in archive.namelist()}
    samples, _ = decode(files[f"{recording}.ogg"], 16_000)
    ours, theirs = (int(np.abs(channel.astype(int)).max()) for channel in samples)
    assert ours < 100
    assert (theirs < 100) is is_mixed
    lines = json.loads(files[f"{recording}.json"])
    assert all(each["speaker"] == "contact" or each["left_out"] for each in lines)
