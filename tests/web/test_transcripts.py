"""The words of a recording over HTTP and on its page: read, exported, corrected, brought in."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient
from tests.server import rig
from tests.web.conftest import add, problem, signed_in

from askfirst.model import Utterance
from askfirst.rules import packaged
from askfirst.server import account, accounts, contacts, transcripts
from askfirst.server.access import UserRole
from askfirst.server.clock import utc_now
from askfirst.server.contactcard import Draft, Number
from askfirst.server.database import calls, parties, reading, transaction
from askfirst.server.listening import Listening
from askfirst.server.node import Node
from askfirst.server.recordingreader import stretches_of
from askfirst.server.settings import Settings
from askfirst.server.wordfiles import TOLERANCE_MS
from askfirst.speech.scripted import Scripted
from askfirst.transcriptread import read_transcript
from askfirst.web.visit import Site

WRONG, RIGHT = "the wombat are ticked", "the wombat attacked"


@dataclass(frozen=True)
class Office:
    """One recorded call with words, its agent, and an officer."""

    node: Node
    site: Site
    recorded: rig.Recorded
    agent: TestClient
    officer: TestClient

    @property
    def path(self) -> str:
        return f"/api/v1/recordings/{self.recorded.id}/transcript"

    @property
    def page(self) -> str:
        return f"/calls/{self.recorded.call}"

    def link(self, client: TestClient) -> str:
        wanted = {"purpose": "training", "seconds": 60}
        made = client.post(f"/api/v1/recordings/{self.recorded.id}/links", json=wanted)
        return str(made.json()["url"]).rpartition("link=")[2]

    def words(self) -> list[str]:
        return [each.text for each in transcripts.current(self.site.store, self.recorded.id) or []]

    def entries(self, kind: str) -> list[dict[str, Any]]:
        every = self.site.store.ledger.entries(self.recorded.call)
        return [cast("dict[str, Any]", each["data"]) for _, each in every if each["kind"] == kind]

    @property
    def kept(self) -> tuple[int, int]:
        """From and to when everybody was recorded, in call time."""
        with reading(self.site.store.engine) as connection:
            found = [
                each for each in stretches_of(connection, self.recorded.id) if each.kind == "open"
            ]
        return found[0].from_ms, found[-1].to_ms


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    yield from opened(tmp_path)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """One for tests that change nothing."""
    yield from opened(tmp_path_factory.mktemp("shared"))


def opened(folder: Path) -> Iterator[Office]:
    node = Node.open(folder / "data", Scripted([WRONG] * 20))
    recorded = rig.record(node, folder / "callee")
    site = Site(node.store, Settings(data=folder / "data"), packaged(), Listening(node.store))
    with transaction(node.store.engine) as connection:
        stated = {"company": "Nordlys AS", "retention_days": 90}
        account.change(connection, stated, None, utc_now())
    agent = add(site, UserRole.AGENT, "north")
    with transaction(node.store.engine) as connection:
        connection.execute(calls.update().values(agent=agent.id))
    officer: accounts.User = add(site, UserRole.COMPLIANCE)
    yield Office(node, site, recorded, signed_in(site, agent), signed_in(site, officer))
    node.close()


def form(revision: int = 0, lines: Mapping[str, str] | None = None, **more: str) -> dict[str, str]:
    stated = {"purpose": "training", "reason": "", "revision": str(revision)}
    return {**stated, **more, **(lines or {})}


# Reading and export


def test_the_words_can_be_read_as_json_that_reads_in_again(shared: Office) -> None:
    answer = shared.agent.get(shared.path)

    document = answer.json()
    assert (document["revision"], document["origin"], document["times"]) == (0, "machine", "call")
    assert document["utterances"][0]["text"] == WRONG
    assert read_transcript(answer.content).utterances == tuple(
        transcripts.current(shared.site.store, shared.recorded.id) or ()
    )
    assert shared.entries("access.read")[-1]["purpose"] == "transcript"


@pytest.mark.parametrize(
    ("wanted", "begins", "media"),
    [
        ("vtt", "WEBVTT\nLanguage: ", "text/vtt"),
        ("srt", "1\n00:00:", "application/x-subrip"),
        ("text", "00:00:", "text/plain"),
    ],
)
def test_a_file_needs_a_link_and_the_right_to_hand_on_and_is_written_down(
    shared: Office, wanted: str, begins: str, media: str
) -> None:
    query = {"format": wanted, "times": "file"}
    before = len(shared.entries("access.exported"))

    assert shared.officer.get(shared.path, params=query).status_code == 403
    own = {**query, "link": shared.link(shared.agent)}
    assert shared.agent.get(shared.path, params=own).status_code == 403
    assert len(shared.entries("access.exported")) == before

    answer = shared.officer.get(shared.path, params={**query, "link": shared.link(shared.officer)})

    assert answer.status_code == 200
    assert answer.text.startswith(begins)
    assert answer.headers["content-type"].startswith(media)
    assert re.fullmatch(
        r'attachment; filename="rec_\w+\.\w+"', answer.headers["content-disposition"]
    )
    assert shared.entries("access.exported")[-1]["purpose"] == "training"


def test_file_time_begins_with_the_sound_and_call_time_with_the_answer(shared: Office) -> None:
    call = shared.agent.get(shared.path).json()["utterances"]
    file = shared.agent.get(shared.path, params={"times": "file"}).json()["utterances"]
    with reading(shared.site.store.engine) as connection:
        (first, *_) = stretches_of(connection, shared.recorded.id)

    assert first.from_ms > 0
    assert file[0]["start_ms"] == call[0]["start_ms"] - first.from_ms


def test_the_page_hands_the_words_on_for_a_purpose(shared: Office) -> None:
    answer = shared.officer.post(
        f"{shared.page}/export", data={"purpose": "training", "wanted": "vtt"}
    )

    assert answer.text.startswith("WEBVTT")
    assert shared.entries("access.exported")[-1]["purpose"] == "training"


# Correcting


def test_an_agent_corrects_the_words_of_their_own_call_over_http(office: Office) -> None:
    wanted = {"revision": 0, "lines": [{"line": 0, "text": RIGHT}]}

    answer = office.agent.put(office.path, json=wanted)

    assert answer.status_code == 200, answer.text
    assert (answer.json()["revision"], answer.json()["changed_by"]["name"]) == (1, "Agent")
    assert office.words()[0] == RIGHT
    machine = office.agent.get(office.path, params={"machine": "true"}).json()
    assert machine["utterances"][0]["text"] == WRONG
    other = {"revision": 0, "lines": [{"line": 0, "text": "mine"}]}
    late = office.officer.put(office.path, json=other)
    assert (late.status_code, problem(late)) == (409, "urn:askfirst:problem:conflict")
    back = office.officer.put(office.path, json={"revision": 1, "machine": True})
    assert (back.json()["revision"], office.words()[0]) == (2, WRONG)


def test_nobody_corrects_what_they_may_not_hear(office: Office) -> None:
    wanted = {"revision": 0, "lines": [{"line": 0, "text": RIGHT}]}
    for role, team in ((UserRole.AGENT, "north"), (UserRole.SUPERVISOR, "south")):
        other = signed_in(office.site, add(office.site, role, team, name=f"other.{role.value}"))
        assert other.put(office.path, json=wanted).status_code == 403
        assert other.post(office.path, content=b"WEBVTT").status_code == 403
        assert other.post(f"{office.page}/transcript", data=form()).status_code == 403
        assert other.post(f"{office.page}/transcript/machine", data=form()).status_code == 403
    assert office.words()[0] == WRONG


def test_the_page_corrects_shows_who_did_and_what_the_recogniser_wrote(office: Office) -> None:
    edit = office.agent.post(f"{office.page}/listen", data=form(show="edit"))
    assert 'name="line-0"' in edit.text
    assert WRONG in edit.text

    saved = office.agent.post(f"{office.page}/transcript", data=form(lines={"line-0": RIGHT}))

    assert saved.status_code == 200
    assert "Corrected by Agent on" in saved.text
    assert RIGHT in saved.text
    machine = office.officer.post(f"{office.page}/listen", data=form(show="machine"))
    assert "This is what the recogniser wrote" in machine.text
    assert WRONG in machine.text
    again = office.agent.post(f"{office.page}/listen", data=form(show="edit"))
    assert f"The recogniser wrote: {WRONG}" in again.text
    back = office.agent.post(f"{office.page}/transcript/machine", data=form(1))
    assert "Put back to what the recogniser wrote by Agent" in back.text
    assert office.words()[0] == WRONG


def test_what_a_second_editor_typed_is_not_lost(office: Office) -> None:
    office.agent.post(f"{office.page}/transcript", data=form(lines={"line-0": RIGHT}))

    late = office.officer.post(f"{office.page}/transcript", data=form(lines={"line-0": "a wombat"}))

    assert late.status_code == 409
    assert "Somebody has changed these words" in late.text
    assert ">a wombat</textarea>" in late.text
    assert f"Stands now: {RIGHT}" in late.text
    assert office.words()[0] == RIGHT
    kept = office.officer.post(f"{office.page}/transcript", data=form(1, {"line-0": "a wombat"}))
    assert (kept.status_code, office.words()[0]) == (200, "a wombat")


def test_lines_that_are_not_there_any_more_are_shown_to_whoever_wrote_them(office: Office) -> None:
    said = srt(office, "agent: brought along")
    office.agent.post(office.path, content=said)

    late = office.officer.post(
        f"{office.page}/transcript", data=form(lines={"line-0": "my own text"})
    )

    assert late.status_code == 409
    assert "lines that are not there any more" in late.text
    assert "my own text" in late.text


def test_a_form_of_a_long_call_is_read_whole(office: Office) -> None:
    lines = {f"line-{number}": "x" for number in range(1, 1_500)}

    answer = office.agent.post(f"{office.page}/transcript", data=form(lines=lines))

    assert answer.status_code == 422, "lines that are not there"
    assert office.words()[0] == WRONG


@pytest.mark.parametrize(
    "broken", [{"purpose": "x"}, {"revision": "x"}, {"revision": "-1"}, {"line-0": "a\0b"}]
)
def test_a_broken_form_changes_nothing(shared: Office, broken: dict[str, str]) -> None:
    answer = shared.agent.post(f"{shared.page}/transcript", data={**form(), **broken})

    assert answer.status_code == 422
    assert shared.words()[0] == WRONG


def test_words_that_the_recogniser_was_unsure_of_are_marked_until_corrected(
    office: Office,
) -> None:
    from_ms, _ = office.kept
    words = [("clear", 0.9), ("mumbled", 0.2)]
    utterance = {
        "speaker": "agent",
        "start_ms": from_ms,
        "end_ms": from_ms + 200,
        "text": "clear mumbled",
        "words": [
            {"text": text, "start_ms": from_ms, "end_ms": from_ms + 200, "confidence": confidence}
            for text, confidence in words
        ],
    }
    document = {"format": "askfirst-transcript", "version": 1, "utterances": [utterance]}
    office.agent.post(office.path, json={**document, "gaps": []})

    page = office.agent.post(f"{office.page}/listen", data=form()).text
    assert 'clear <span class="unsure">mumbled</span>' in page
    assert "the recogniser was not sure of this word" in page

    saved = office.agent.post(f"{office.page}/transcript", data=form(1, {"line-0": "clear words"}))
    assert 'class="unsure"' not in saved.text


# Bringing in


def srt(office: Office, line: str, offset_ms: int = 0) -> bytes:
    from_ms = office.kept[0] + offset_ms
    seconds, ms = divmod(from_ms, 1000)
    return f"1\n00:00:{seconds:02},{ms:03} --> 00:00:{seconds:02},{ms:03}\n{line}\n".encode()


def test_a_file_stands_beside_the_machine_text(office: Office) -> None:
    answer = office.agent.post(office.path, content=srt(office, "agent: brought along"))

    assert answer.status_code == 201, answer.text
    assert (answer.json()["revision"], answer.json()["origin"]) == (1, "imported")
    assert office.words() == ["brought along"]
    machine = transcripts.machine(office.site.store, office.recorded.id)
    assert machine is not None
    assert machine[0].text == WRONG
    assert office.entries("transcript.changed")[-1]["origin"] == "imported"
    again = office.agent.post(office.path, content=srt(office, "agent: once more"))
    assert again.status_code == 409


def test_our_side_is_named_as_the_file_names_it(office: Office) -> None:
    content = (
        srt(office, "Kari Berg: hello") + b"\n" + srt(office, "Jane: hi").replace(b"1\n", b"2\n")
    )

    assert office.agent.post(office.path, content=content).json()["key"] == "ours"
    wrong = office.agent.post(office.path, content=content, params={"ours": "Ola"})
    assert wrong.json()["key"] == "ours"
    found = office.agent.post(office.path, content=content, params={"ours": "kari berg"})

    assert found.status_code == 201
    said = transcripts.current(office.site.store, office.recorded.id)
    assert said is not None
    assert [(each.speaker, each.text) for each in said] == [("agent", "hello"), ("contact", "hi")]


def test_words_of_a_time_that_was_not_recorded_are_never_taken_in(office: Office) -> None:
    from_ms, to_ms = office.kept
    for at_ms in (to_ms + TOLERANCE_MS + 5_000, to_ms + 30_000):
        content = srt(office, "contact: behind our back", at_ms - from_ms)
        answer = office.agent.post(office.path, content=content)
        assert answer.status_code == 422
        assert "nothing of its speaker was recorded" in answer.json()["detail"]
    assert office.words()[0] == WRONG


def test_times_of_the_sound_file_become_call_time(office: Office) -> None:
    content = b"WEBVTT\n\n00:00.100 --> 00:00.200\n<v agent>early\n"
    with reading(office.site.store.engine) as connection:
        (first, *_) = stretches_of(connection, office.recorded.id)

    answer = office.agent.post(office.path, content=content, params={"times": "file"})

    assert answer.status_code == 201, answer.text
    said = transcripts.current(office.site.store, office.recorded.id)
    assert said == [Utterance("agent", first.from_ms + 100, first.from_ms + 200, "early")]


def test_the_page_takes_a_file_and_says_why_it_takes_another_one_not(office: Office) -> None:
    path, stated = f"{office.page}/transcript/file", form(times="call", ours="")

    bad = office.agent.post(path, data=stated, files={"file": ("a.vtt", b"no transcript")})
    assert bad.status_code == 422
    assert "found no transcript" in bad.text
    large = office.agent.post(path, data=stated, files={"file": ("a.vtt", b"x" * 1_100_000)})
    assert large.status_code == 422
    good = office.agent.post(
        path, data=stated, files={"file": ("a.srt", srt(office, "agent: brought along"))}
    )

    assert good.status_code == 200
    assert "Brought in from a file by Agent" in good.text
    assert office.words() == ["brought along"]


JUNK = st.one_of(
    st.binary(max_size=200),
    st.text(st.characters(codec="utf-8"), max_size=200).map(str.encode),
    st.binary(max_size=60).map(lambda tail: b"WEBVTT\n\n00:01.000 --> 00:02.000\n" + tail),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
        max_leaves=6,
    ).map(
        lambda inner: json.dumps(
            {"format": "askfirst-transcript", "version": 1, "utterances": inner}
        ).encode()
    ),
)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(JUNK)
def test_garbage_is_refused_and_never_breaks_anything(shared: Office, content: bytes) -> None:
    answer = shared.agent.post(shared.path, content=content, params={"ours": "x"})

    assert answer.status_code in (403, 422)
    assert shared.words()[0] == WRONG


@pytest.mark.parametrize(
    ("spoken", "said"),
    [
        ("", "Heard as English. That the contact speaks it is written down nowhere."),
        ("nb", "Heard as English. That the contact speaks it is written down nowhere."),
        ("en", "Heard as English, which the contact speaks."),
    ],
)
def test_the_page_says_as_which_language_it_was_heard_and_whether_that_is_known(
    office: Office, spoken: str, said: str
) -> None:
    with transaction(office.site.store.engine) as connection:
        number = connection.execute(
            sa.select(parties.c.number).where(parties.c.call == office.recorded.call)
            .where(parties.c.role == "contact")
        ).scalar_one()  # fmt: skip
        draft = Draft("Ola", language=spoken, numbers=(Number(number),))
        contacts.add(connection, draft, utc_now())

    page = office.agent.post(f"{office.page}/listen", data=form())

    assert said in page.text
