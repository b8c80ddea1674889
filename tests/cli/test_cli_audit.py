"""`askfirst audit` over recordings of another system: real speech, or a recogniser that notes."""

from __future__ import annotations

import csv
import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.cli.conftest import Command, in_a_process
from tests.server.existing import HZ, mono, same_on_both, spoken, stereo, written

from askfirst.audio.container import encode_wav
from askfirst.errors import InvalidInput, Unavailable
from askfirst.model import Word
from askfirst.ports import RecognizerCapabilities
from askfirst.server import models
from askfirst.server.auditnumbers import BadRow, Listed, read_numbers
from askfirst.speech.transcribe import spread

CALL = ("--contact", "+14155550163", "--agent", "US-TX")
KEYS = {
    "file", "seconds", "channels", "decision", "notice_check", "answer", "answer_at_ms",
    "objection_at_ms", "places_named", "cards", "transcript", "error",
}  # fmt: skip


class Noting:
    """Notes what it is given; says `line` for whatever sounds, or fails where it is None."""

    name = "noting"
    capabilities = RecognizerCapabilities(frozenset({"en"}), word_times=True, external=False)

    def __init__(self, line: str | None) -> None:
        self.line = line
        self.given: list[bytes] = []

    def transcribe(self, pcm: bytes, language: str) -> list[Word]:
        self.given.append(pcm)
        if language not in self.capabilities.languages:
            raise InvalidInput(f"noting does not know {language}")
        if self.line is None:
            raise Unavailable("the speech process ended")
        return spread(self.line, 0, len(pcm) // 32, 1.0)

    def close(self) -> None:
        pass


@pytest.fixture
def noting(monkeypatch: pytest.MonkeyPatch) -> Noting:
    made = Noting("This call is recorded and transcribed.")
    monkeypatch.setattr(models, "recognizer", lambda _name, _data: made)
    return made


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What a command says of four real calls; one run, because a model takes seconds to load."""
    made = tmp_path_factory.mktemp("recordings")
    (made / "agrees.wav").write_bytes(stereo("agrees"))
    (made / "not-told.wav").write_bytes(stereo("not-told"))
    (made / "mono.wav").write_bytes(mono("agrees"))
    written(made / "refuses.mp3", spoken("refuses")[0], "libmp3lame")
    names = ("agrees.wav", "not-told.wav", "mono.wav", "refuses.mp3")
    files = [str(made / name) for name in names]
    done = in_a_process("audit", *files, *CALL, "--both", "--basis", "a complaint", "--json")
    assert (done.status, done.err) == (1, "")
    return files_of(done.out)


def two_tones(seconds: float = 1) -> Any:
    at = np.arange(int(seconds * HZ)) / HZ
    return np.stack([(9_000 * np.sin(2 * np.pi * hz * at)).astype(np.int16) for hz in (440, 1000)])


def pitches(given: list[bytes]) -> list[int]:
    found = []
    for pcm in given:
        samples = np.frombuffer(pcm, "<i2")
        found.append(
            round(int(np.argmax(np.abs(np.fft.rfft(samples)))) * HZ / len(samples) / 10) * 10
        )
    return found


@pytest.fixture
def tones(tmp_path: Path) -> Path:
    """A recording with 440 Hz on the caller's channel, 1000 Hz on that of the called."""
    path = tmp_path / "call.wav"
    path.write_bytes(encode_wav(two_tones()))
    return path


def files_of(out: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(out)["files"]
    return found


# Real speech


def begin(persona: str, words: str) -> int:
    """When a line of a persona's call begins, in milliseconds."""
    return next(at for text, at in spoken(persona)[1].items() if words in text)


@pytest.mark.slow
def test_a_notice_that_was_given_is_heard_when_it_was_given(real: list[dict[str, Any]]) -> None:
    given_ms = begin("agrees", "recorded and transcribed")
    for each in (real[0], real[2]):
        assert each.keys() >= KEYS
        assert each["decision"]["governing"] == ["US-CA"]
        assert each["notice_check"]["verdict"] == "heard"
        assert each["notice_check"]["at_ms"] == pytest.approx(given_ms, abs=1_000)
        assert "recorded" in each["notice_check"]["words"]
        assert (each["answer"], each["objection_at_ms"]) == ("consent", None)
        assert (each["basis"], each["error"]) == ("a complaint", None)
    assert {line["speaker"] for line in real[0]["transcript"]} == {"agent", "contact"}
    assert {line["speaker"] for line in real[2]["transcript"]} == {"mixed"}


@pytest.mark.slow
def test_a_yes_is_heard_when_it_was_said(real: list[dict[str, Any]]) -> None:
    said_ms = begin("agrees", "Yes, that is fine with me.")
    assert real[0]["answer_at_ms"] == pytest.approx(said_ms, abs=1_000)


@pytest.mark.slow
def test_a_notice_that_was_not_given_is_not_heard(real: list[dict[str, Any]]) -> None:
    assert real[1]["notice_check"]["verdict"] == "not-heard"
    assert (real[1]["answer"], real[1]["notice_check"]["at_ms"]) == ("none", None)


@pytest.mark.slow
def test_a_refusal_is_heard_in_a_compressed_file(real: list[dict[str, Any]]) -> None:
    said_ms = begin("refuses", "No, thank you.")
    assert real[3]["answer"] == "objection"
    assert real[3]["answer_at_ms"] == pytest.approx(said_ms, abs=1_000)
    assert real[3]["objection_at_ms"] == real[3]["answer_at_ms"]


# Whose words are read


def test_without_a_basis_only_the_agents_channel_is_ever_given_away(
    command: Command, noting: Noting, tones: Path
) -> None:
    done = command("audit", str(tones), *CALL, "--json")
    (found,) = files_of(done.out)
    assert (found["read"], found["basis"], done.status) == (["agent"], None, 0)
    assert pitches(noting.given) == [440]
    assert {line["speaker"] for line in found["transcript"]} == {"agent"}


def test_of_an_inbound_call_the_agents_channel_is_the_other(
    command: Command, noting: Noting, tones: Path
) -> None:
    command("audit", str(tones), *CALL, "--inbound", "--json")
    assert pitches(noting.given) == [1000]


def test_a_basis_alone_does_not_read_a_contact_who_has_a_channel(
    command: Command, noting: Noting, tones: Path
) -> None:
    done = command("audit", str(tones), *CALL, "--basis", "a complaint", "--json")
    (found,) = files_of(done.out)
    assert (pitches(noting.given), found["basis"]) == ([440], None)


def test_with_both_and_a_basis_the_agent_is_read_first(
    command: Command, noting: Noting, tones: Path
) -> None:
    done = command("audit", str(tones), *CALL, "--both", "--basis", "a complaint", "--json")
    (found,) = files_of(done.out)
    assert pitches(noting.given) == [440, 1000]
    assert (found["read"], found["basis"]) == (["agent", "contact"], "a complaint")


@pytest.mark.parametrize("words", [("--both",), ("--basis", " "), ("--both", "--basis", "x" * 501)])
def test_both_without_a_usable_basis_is_misuse_and_reads_nothing(
    command: Command, noting: Noting, tones: Path, words: tuple[str, ...]
) -> None:
    done = command("audit", str(tones), *CALL, *words, "--json")
    assert (done.status, done.out, noting.given) == (2, "", [])
    assert "basis" in done.err


@pytest.mark.parametrize("make", [mono, same_on_both])
def test_a_mix_without_a_basis_is_an_error_that_says_what_is_needed(
    command: Command, noting: Noting, tmp_path: Path, make: Any
) -> None:
    path = tmp_path / "call.wav"
    path.write_bytes(make("told"))
    done = command("audit", str(path), *CALL, "--json")
    (found,) = files_of(done.out)
    assert (done.status, noting.given, found["transcript"]) == (2, [], [])
    assert "--basis" in found["error"]
    assert found["decision"]["governing"] == ["US-CA"]


# Faults in their place


def test_a_broken_file_has_its_error_in_its_place_and_the_others_go_on(
    command: Command, noting: Noting, tones: Path, tmp_path: Path
) -> None:
    for name, data in (
        ("empty.wav", b""),
        ("garbage.mp3", b"x"),
        ("cut.wav", tones.read_bytes()[:-9]),
    ):
        (tmp_path / name).write_bytes(data)
    names = ["empty.wav", "garbage.mp3", "gone.wav", "call.wav", "cut.wav"]
    done = command("audit", *(str(tmp_path / name) for name in names), *CALL, "--json")
    found = files_of(done.out)
    assert [Path(each["file"]).name for each in found] == names
    assert [each["error"] is None for each in found] == [False, False, False, True, False]
    assert done.status == 2
    assert len(noting.given) == 1


def test_a_recogniser_that_fails_is_a_fault_and_no_verdict(
    command: Command, noting: Noting, tones: Path
) -> None:
    noting.line = None
    done = command("audit", str(tones), *CALL, "--json")
    (found,) = files_of(done.out)
    assert (done.status, found["notice_check"]) == (3, None)
    assert "speech process" in found["error"]


def test_a_language_that_no_model_knows_is_an_error(
    command: Command, noting: Noting, tones: Path
) -> None:
    done = command("audit", str(tones), *CALL, "--language", "nb", "--json")
    (found,) = files_of(done.out)
    assert (done.status, "does not know" in found["error"]) == (2, True)


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("--contact", "+14155550163"),
        (*CALL, "--agent", "norway"),
        (*CALL, "--on", "today"),
        (*CALL, "--language", "xx"),
        (*CALL, "--numbers", "gone.csv"),
        (*CALL, "--page", "no/p.html"),
    ],
)
def test_arguments_that_cannot_be_used_are_misuse(
    command: Command, noting: Noting, tones: Path, words: tuple[str, ...]
) -> None:
    done = command("audit", str(tones), *words)
    assert (done.status, done.out, noting.given) == (2, "", [])


def test_the_day_of_the_call_decides_with_the_rules_of_that_day(
    command: Command, noting: Noting, tones: Path
) -> None:
    done = command("audit", str(tones), *CALL, "--on", "2026-11-01", "--json")
    assert files_of(done.out)[0]["decision"]["rulebook"] is not None
    assert noting.given


def test_results_never_replace_a_recording(command: Command, noting: Noting, tones: Path) -> None:
    before = tones.read_bytes()
    done = command("audit", str(tones), *CALL, "--csv", str(tones))
    assert (done.status, tones.read_bytes(), noting.given) == (2, before, [])


# A folder with its table


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    made = tmp_path / "recordings"
    (made / "2026").mkdir(parents=True)
    for name in ("a.wav", "2026/b.wav", "unlisted.wav"):
        (made / name).write_bytes(encode_wav(two_tones()))
    (made / "notes.txt").write_text("not a recording")
    return made


def audit_folder(command: Command, made: Path, table: str, *words: str) -> Any:
    numbers = made.parent / "calls.csv"
    numbers.write_text(table, encoding="utf-8")
    return command("audit", str(made), "--numbers", str(numbers), *words, "--json")


def test_a_table_gives_each_recording_its_own_call(
    command: Command, noting: Noting, recordings: Path
) -> None:
    done = audit_folder(
        command,
        recordings,
        "file;contact;agent;date;direction\n"
        "a.wav;+14155550163;US-TX;2026-11-03;inbound\n"
        "2026\\b.wav;+64209001234;NZ;;\n",
    )
    first, second, unlisted = files_of(done.out)
    assert [each["file"] for each in (first, second, unlisted)] == [
        "a.wav",
        "2026/b.wav",
        "unlisted.wav",
    ]
    assert first["decision"]["governing"] == ["US-CA"]
    assert "NZ" in second["decision"]["governing"]
    assert pitches(noting.given) == [1000, 440]
    assert "no row" in unlisted["error"]
    assert done.status == 2


def test_bad_rows_have_their_errors_and_the_others_go_on(
    command: Command, noting: Noting, recordings: Path
) -> None:
    (recordings.parent / "secret.wav").write_bytes(encode_wav(two_tones()))
    done = audit_folder(
        command,
        recordings,
        "file,contact,agent,date,direction,language\n"
        "../secret.wav,+14155550163,US-TX,,,\n"
        "gone.wav,+14155550163,US-TX,,,\n"
        "a.wav,,US-TX,,,\n"
        "2026/b.wav,+14155550163,Texas,,,\n"
        "unlisted.wav,+14155550163,US-TX,2026-11-03 10:00,utgående,en\n"
        "unlisted.wav,+14155550163,US-TX,,,\n"
        "/etc/passwd,+14155550163,US-TX,,,\n"
        "x.wav,+14155550163,US-TX,yesterday,,\n"
        "y.wav,+14155550163,US-TX,,sideways,\n"
        "z.wav,+14155550163,US-TX,,,xx\n",
    )
    found = files_of(done.out)
    assert [each["file"] for each in found if each["error"] is None] == ["unlisted.wav"]
    assert len(found) == 10
    assert len(noting.given) == 1
    assert done.status == 2
    said = " ".join(each["error"] or "" for each in found)
    for words in ("outside", "not in", "no contact", "no code", "already", "date", "direction"):
        assert words in said


def test_a_row_without_a_place_takes_the_place_for_all_or_is_an_error(
    command: Command, noting: Noting, recordings: Path
) -> None:
    table = "file,contact\na.wav,+14155550163\n"
    without = files_of(audit_folder(command, recordings, table).out)[0]
    assert "--agent" in without["error"]
    assert noting.given == []
    given_one = files_of(audit_folder(command, recordings, table, "--agent", "US-TX").out)[0]
    assert given_one["error"] is None


def test_a_link_that_leads_out_of_the_folder_is_not_followed(
    command: Command, noting: Noting, recordings: Path
) -> None:
    outside = recordings.parent / "secret.wav"
    outside.write_bytes(encode_wav(two_tones()))
    (recordings / "link.wav").symlink_to(outside)
    done = audit_folder(command, recordings, "file,contact,agent\nlink.wav,+14155550163,US-TX\n")
    assert "not in" in files_of(done.out)[0]["error"]
    assert noting.given == []


def test_a_folder_without_a_table_is_misuse(
    command: Command, noting: Noting, recordings: Path
) -> None:
    done = command("audit", str(recordings), *CALL)
    assert (done.status, "--numbers" in done.err, noting.given) == (2, True, [])


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.one_of(
        st.binary(max_size=200),
        st.text(alphabet='file,contact;agent\n"./\\+47 NO\t\0å', max_size=200).map(
            lambda text: f"file,contact,agent\n{text}".encode()
        ),
    )
)
def test_any_table_gives_rows_with_safe_paths_or_faults(content: bytes) -> None:
    try:
        rows = list(read_numbers(content))
    except InvalidInput:
        return
    listed = [row.file for row in rows if isinstance(row, Listed)]
    assert len(listed) == len(set(listed))
    assert all(isinstance(row, Listed | BadRow) for row in rows)
    for name in listed:
        assert not Path(name).is_absolute()
        assert ".." not in Path(name).parts


# What is written


class Page(HTMLParser):
    """Notes the tags and addresses of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("href", "src")]


@pytest.fixture
def hostile(noting: Noting, tmp_path: Path) -> Path:
    noting.line = "This call is recorded <script>alert(1)</script> and transcribed."
    path = tmp_path / "<img src=x onerror=alert(1)>.wav"
    path.write_bytes(encode_wav(two_tones()))
    return path


@pytest.mark.parametrize(
    ("language", "title"), [("en", "Audit of recordings"), ("nb", "Gjennomgang av opptak")]
)
def test_the_page_holds_everything_as_text_and_loads_nothing(
    command: Command, hostile: Path, language: str, title: str
) -> None:
    page = hostile.parent / "result.html"
    words = ("--both", "--basis", "<b>because</b>", "--lang", language, "--page", str(page))
    done = command("audit", str(hostile), *CALL, *words)
    assert done.status == 0, done.err
    text = page.read_text(encoding="utf-8")
    seen = Page()
    seen.feed(text)
    assert f"<h1>{title}</h1>" in text
    assert seen.tags.isdisjoint({"script", "img", "b", "link", "iframe"})
    assert all(each.startswith("#file-") for each in seen.addresses)
    assert "&lt;b&gt;because&lt;/b&gt;" in text
    assert page.stat().st_mode & 0o777 == 0o600


def test_the_csv_holds_no_words_and_no_formulas(
    command: Command, noting: Noting, tmp_path: Path
) -> None:
    path = tmp_path / "=cmd.wav"
    path.write_bytes(encode_wav(two_tones()))
    result = tmp_path / "result.csv"
    command("audit", str(path), *CALL, "--csv", str(result))
    (row,) = csv.DictReader(result.read_text(encoding="utf-8").splitlines())
    assert (row["result"], row["mode"], row["notice"]) == ("order", "ask", "heard")
    assert "transcribed" not in result.read_text(encoding="utf-8")
    assert noting.given


def test_nothing_is_left_behind_but_what_was_asked_for(
    command: Command, noting: Noting, tones: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = command("audit", str(tones), *CALL)
    assert [each.name for each in tmp_path.iterdir()] == ["call.wav"]
    assert "call.wav" in done.out
    assert noting.given
