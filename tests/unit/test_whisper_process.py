"""The process an engine runs in, and what the Whisper adapter checks around it."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from askfirst.errors import InvalidInput, Misconfigured, NotInstalled, Unavailable, Unverified
from askfirst.model import Word
from askfirst.speech import moonshine, whisper, whispermodels
from askfirst.speech.moonshine import Moonshine
from askfirst.speech.whisper import Whisper, is_out_of_step, more_of, without_loops
from askfirst.speech.whispermodels import languages_of, packaged_model, verify
from askfirst.speech.worker import EngineProcess, receive, send

ENGINE = """
import os, resource, socket, sys, threading
from pathlib import Path
from askfirst.errors import InvalidInput, Misconfigured
from askfirst.model import Word
from askfirst.speech.worker import Engine

def work(options):
    if options.get("faulty"):
        raise Misconfigured("this engine has a fault, a good one was expected")
    if options.get("crash"):
        os._exit(7)
    def run(pcm, language):
        print("a library that prints")
        if language == "hang":
            threading.Event().wait()
        if language == "die":
            os._exit(9)
        if language == "refuse":
            raise InvalidInput("the engine does not want this")
        if language == "write":
            try:
                with open(options["file"], "wb") as file:
                    file.write(pcm)
            except OSError as error:
                return [Word(type(error).__name__, 0, 0, 1.0)]
        if language == "connect":
            try:
                socket.create_connection(("127.0.0.1", 9))
            except OSError as error:
                return [Word(type(error).__name__, 0, 0, 1.0)]
        if language == "limits":
            return [Word(str(resource.getrlimit(resource.RLIMIT_CORE)), 0, 0, 1.0)]
        if language == "environment":
            return [Word(key, 0, 0, 1.0) for key in sorted(os.environ)]
        return [Word(f"{len(pcm)}-{pcm[:1].hex()}", os.getpid(), len(pcm), 1.0)]
    return Engine(run, ("a note",))
"""


@pytest.fixture
def engine_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "an_engine.py").write_text(ENGINE)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return tmp_path


@pytest.fixture
def process(engine_folder: Path) -> Iterator[EngineProcess]:
    options = {"file": str(engine_folder / "audio.raw")}
    made = EngineProcess("an_engine:work", options, threads=1)
    yield made
    made.close()


def test_words_come_back_from_a_process_that_is_kept(process: EngineProcess) -> None:
    (first,) = process.transcribe(b"\x01\x00" * 400_000, "en")
    (second,) = process.transcribe(b"\x02\x00", "en")
    assert (first.text, second.text) == ("800000-01", "2-02")
    assert first.start_ms == second.start_ms == process.pid
    assert process.notes == ("a note",)


def test_an_engine_that_dies_is_unavailable_and_replaced(process: EngineProcess) -> None:
    with pytest.raises(Unavailable, match="ended before it answered"):
        process.transcribe(b"\x00\x00", "die")
    assert process.transcribe(b"\x01\x00", "en")[0].text == "2-01"


def test_a_process_killed_between_calls_is_unavailable_and_replaced(process: EngineProcess) -> None:
    process.transcribe(b"\x01\x00", "en")
    pid = process.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(Unavailable, match="try again"):
        process.transcribe(b"\x01\x00", "en")
    assert process.transcribe(b"\x01\x00", "en")[0].text == "2-01"


def test_an_engine_that_hangs_is_ended_at_its_limit(
    process: EngineProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    process.transcribe(b"\x01\x00", "en")
    monkeypatch.setattr("askfirst.speech.worker._REQUEST_LIMIT_S", 0.1)
    with pytest.raises(Unavailable, match="no answer within 0 s"):
        process.transcribe(b"\x01\x00", "hang")
    assert process.pid is None


def test_closing_ends_a_running_request_and_is_final(process: EngineProcess) -> None:
    process.transcribe(b"\x01\x00", "en")
    faults: list[str] = []
    begun = threading.Event()

    def ask() -> None:
        begun.set()
        try:
            process.transcribe(b"\x01\x00", "hang")
        except Unavailable as error:
            faults.append(str(error))

    thread = threading.Thread(target=ask)
    thread.start()
    begun.wait()
    process.close()
    process.close()
    thread.join(10)
    assert len(faults) == 1
    with pytest.raises(Unavailable, match="was closed"):
        process.transcribe(b"\x01\x00", "en")


def test_an_idle_process_leaves_and_the_next_call_has_another(engine_folder: Path) -> None:
    process = EngineProcess("an_engine:work", {}, threads=1, idle_s=1.0)
    pids = [process.transcribe(b"\x01\x00", "en")[0].start_ms]
    os.waitid(os.P_PID, pids[0], os.WEXITED | os.WNOWAIT)
    pids.append(process.transcribe(b"\x01\x00", "en")[0].start_ms)
    process.close()
    assert pids[0] != pids[1]


def test_a_refusal_of_the_engine_keeps_its_process(process: EngineProcess) -> None:
    process.transcribe(b"\x01\x00", "en")
    pid = process.pid
    with pytest.raises(InvalidInput, match="does not want this"):
        process.transcribe(b"\x01\x00", "refuse")
    assert process.transcribe(b"\x01\x00", "en")[0].start_ms == pid


def test_an_engine_that_cannot_start_says_why(engine_folder: Path) -> None:
    process = EngineProcess("an_engine:work", {"faulty": True}, threads=1)
    with pytest.raises(Misconfigured, match="has a fault"):
        process.transcribe(b"\x01\x00", "en")
    process.close()


def test_an_engine_that_crashes_at_its_start_is_unavailable(engine_folder: Path) -> None:
    process = EngineProcess("an_engine:work", {"crash": True}, threads=1)
    with pytest.raises(Unavailable, match="ended with code 7"):
        process.transcribe(b"\x01\x00", "en")
    process.close()


def test_the_process_can_write_no_file(process: EngineProcess, engine_folder: Path) -> None:
    (word,) = process.transcribe(b"secret", "write")
    assert word.text == "OSError"
    assert all(b"secret" not in file.read_bytes() for file in engine_folder.glob("*.raw"))


def test_the_process_can_open_no_connection(process: EngineProcess) -> None:
    assert process.transcribe(b"\x01\x00", "connect")[0].text == "PermissionError"


def test_the_process_dumps_no_core(process: EngineProcess) -> None:
    assert process.transcribe(b"\x01\x00", "limits")[0].text == "(0, 0)"


def test_the_process_gives_way_as_far_as_it_was_told(engine_folder: Path) -> None:
    own = os.getpriority(os.PRIO_PROCESS, 0)
    options = {"file": str(engine_folder / "audio.raw")}
    made = EngineProcess("an_engine:work", options, threads=1, niceness=3)
    try:
        made.transcribe(b"\x01\x00", "en")
        assert made.pid is not None
        assert os.getpriority(os.PRIO_PROCESS, made.pid) == min(own + 3, 19)
    finally:
        made.close()


def test_the_process_gets_no_secret_of_the_environment(
    process: EngineProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASKFIRST_MASTER_KEY", "secret")
    names = {word.text for word in process.transcribe(b"\x01\x00", "environment")}
    assert "ASKFIRST_MASTER_KEY" not in names
    assert {"HF_HUB_OFFLINE", "OMP_NUM_THREADS"} <= names


def test_the_parent_stays_small() -> None:
    code = (
        "import sys; from askfirst.speech.whisper import Whisper; Whisper().close(); "
        "print(sorted({'numpy', 'onnxruntime', 'ctranslate2', 'faster_whisper'} & {*sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603
    assert done.stdout.strip() == "[]"


@given(st.dictionaries(st.text(), st.integers()), st.binary(max_size=5000))
def test_a_message_arrives_as_it_was_sent(header: dict[str, int], body: bytes) -> None:
    reading, writing = os.pipe()
    try:
        send(writing, header, body)
        assert receive(reading) == (header, body)
    finally:
        os.close(reading)
        os.close(writing)


@pytest.mark.parametrize("cut", [0, 3, 8, 11, 14])
def test_a_message_that_stops_in_the_middle_is_none(cut: int) -> None:
    reading, writing = os.pipe()
    os.write(writing, b"\x00\x00\x00\x04\x00\x00\x00\x04{  }body"[:cut])
    os.close(writing)
    assert receive(reading) is None
    os.close(reading)


@pytest.mark.parametrize(
    "sent", [b"\xff" * 8, b"\x00\x00\x00\x02\x00\x00\x00\x00{,"], ids=["lengths", "header"]
)
def test_what_is_no_message_is_refused(sent: bytes) -> None:
    reading, writing = os.pipe()
    os.write(writing, sent)
    os.close(writing)
    with pytest.raises(Unavailable):
        receive(reading)
    os.close(reading)


def model_folder(folder: Path, tokens: int, *, as_json: bool) -> Path:
    (folder / "model.bin").write_bytes(b"no model")
    (folder / "tokenizer.json").write_text("{}")
    if as_json:
        (folder / "vocabulary.json").write_text(json.dumps([str(n) for n in range(tokens)]))
    else:
        (folder / "vocabulary.txt").write_text("\n".join(str(n) for n in range(tokens)))
    return folder


@pytest.mark.parametrize("as_json", [True, False])
def test_languages_follow_from_the_vocabulary(tmp_path: Path, *, as_json: bool) -> None:
    assert languages_of(model_folder(tmp_path, 51_864, as_json=as_json)) == {"en"}
    assert {"en", "de", "nb", "no"} <= languages_of(model_folder(tmp_path, 51_865, as_json=as_json))


def test_a_directory_without_a_model_is_misconfigured(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"has no model\.bin"):
        Whisper(tmp_path)
    model_folder(tmp_path, 1, as_json=True)
    (tmp_path / "vocabulary.json").write_text("{")
    with pytest.raises(Misconfigured, match="vocabulary"):
        Whisper(tmp_path)


def test_a_file_that_is_no_model_is_misconfigured_and_harms_nobody(tmp_path: Path) -> None:
    recogniser = Whisper(model_folder(tmp_path, 51_864, as_json=True))
    with pytest.raises(Misconfigured, match="cannot be loaded"):
        recogniser.transcribe(b"\x01\x00", "en")
    recogniser.close()


def test_the_packaged_model_is_the_known_one() -> None:
    verify(packaged_model())


def test_a_changed_or_missing_model_file_is_unverified(tmp_path: Path) -> None:
    known = {"model.bin": hashlib.sha256(b"good").hexdigest()}
    with pytest.raises(Unverified, match="cannot be read"):
        verify(tmp_path, known)
    (tmp_path / "model.bin").write_bytes(b"good")
    verify(tmp_path, known)
    (tmp_path / "model.bin").write_bytes(b"evil")
    with pytest.raises(Unverified, match="was expected"):
        verify(tmp_path, known)


def test_a_missing_package_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    # Neither package is looked for by name in the adapters once it is found missing.
    monkeypatch.setattr(whisper, "find_spec", lambda _name: None)
    monkeypatch.setattr(whispermodels, "find_spec", lambda _name: None)
    monkeypatch.setattr(moonshine, "find_spec", lambda _name: None)
    with pytest.raises(NotInstalled, match="the packaged English model"):
        packaged_model()
    with pytest.raises(NotInstalled, match=r"askfirst\[speech\]"):
        Whisper()
    with pytest.raises(NotInstalled, match=r"askfirst\[moonshine\]"):
        Moonshine()


def test_what_is_said_again_after_a_pause_is_kept() -> None:
    words = [Word("yes", at, at + 300, 0.9) for at in range(0, 30_000, 2_300)]
    assert without_loops(words) == words


def said(text: str) -> list[Word]:
    return [Word(word, i, i + 1, 0.9) for i, word in enumerate(text.split())]


@pytest.mark.parametrize(
    ("heard", "kept"),
    [
        ("no no no no", "no no no no"),
        ("No, no, no. no no no no thanks", "No, no, no. no thanks"),
        ("well " + "thank you very much " * 30, "well " + "thank you very much " * 4),
        ("a b a b a c", "a b a b a c"),
        ("", ""),
    ],
)
def test_absurd_repetition_is_cut_to_four(heard: str, kept: str) -> None:
    assert [word.text for word in without_loops(said(heard))] == kept.split()


@pytest.mark.parametrize(
    ("times", "is_out"),
    [
        ([(0, 400), (400, 900), (5_000, 5_400)], False),
        ([(0, 400), (400, 900), (5_000, 7_000)], True),  # one word over the whole second stretch
        ([(0, 400), (5_100, 5_100), (5_100, 5_100), (5_100, 5_400)], False),
        ([(0, 400), (5_100, 5_100), (5_100, 5_100), (5_100, 5_100)], True),
        ([], False),
    ],
)
def test_words_laid_over_the_wrong_stretch_are_noticed(
    times: list[tuple[int, int]], is_out: bool
) -> None:
    words = [Word("word", start, end, 0.9) for start, end in times]

    assert is_out_of_step(words, [(0, 2_000), (5_000, 7_000)]) is is_out


@pytest.mark.parametrize(
    ("span", "heard", "again", "kept"),
    [
        ((0, 25_000), 7, 40, 40),
        ((0, 25_000), 7, 3, 7),  # no better the second time
        ((0, 25_000), 25, 40, 25),  # enough for a slow speaker
        ((0, 5_900), 1, 9, 1),  # too short to say
    ],
)
def test_where_the_model_ends_before_the_speech_does_it_is_heard_again(
    span: tuple[int, int], heard: int, again: int, kept: int
) -> None:
    step = (span[1] - span[0]) // heard
    words = [Word("first", step * n, step * n + 100, 0.9) for n in range(heard)]
    behind = Word("behind", span[1] + 500, span[1] + 900, 0.9)

    found = more_of(
        span, [*words, behind], lambda _: [Word("second", n, n, 0.9) for n in range(again)]
    )

    assert len(found) == kept + 1
    assert behind in found
