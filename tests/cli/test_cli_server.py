"""The verbs that need an installation: call, recordings, erase."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from askfirst.audio.container import decode


def only_recording(folder: Path) -> str:
    with closing(sqlite3.connect(folder / "askfirst.db")) as connection:
        ((found,),) = connection.execute("SELECT id FROM recordings").fetchall()
    return str(found)


@pytest.fixture
def recording(called: tuple[Path, Any]) -> str:
    return only_recording(called[0])


def contact_number(folder: Path) -> str:
    with closing(sqlite3.connect(folder / "askfirst.db")) as connection:
        ((found,),) = connection.execute("SELECT number FROM parties WHERE role = 'contact'")
    return str(found)


def test_a_call_says_what_became_of_it(called: tuple[Path, Any]) -> None:
    done = called[1]
    assert (done.status, done.err) == (0, "")
    document = json.loads(done.out)
    assert list(document) == ["call", "outcome", "proof", "notice_check", "decision"]
    assert (document["outcome"]["code"], document["proof"]) == ("recorded", 4)
    assert document["notice_check"]["verdict"] == "heard"
    assert "NO" in document["decision"]["governing"]


def test_a_persona_that_is_not_there_is_misuse_and_makes_nothing(
    process: Callable[..., Any], tmp_path: Path
) -> None:
    done = process("call", "nobody", "--out", str(tmp_path / "data"), "--json")
    assert (done.status, done.out) == (2, "")
    assert "presses-one" in done.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "words", [("--agent", "norway"), ("--policy", "nowhere.toml"), ("--policy", ".")]
)
def test_a_call_with_a_wrong_wish_is_misuse_and_makes_nothing(
    words: tuple[str, str], process: Callable[..., Any], tmp_path: Path
) -> None:
    done = process("call", "told", *words, "--out", str(tmp_path / "data"))
    assert (done.status, done.out) == (2, "")
    assert words[1] in done.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "words",
    [
        ("recordings", "list"),
        ("recordings", "export", "rec_0", "--format", "wav"),
        ("recordings", "export", "rec_0", "--format", "bundle"),
        ("recordings", "export", "rec_0", "--format", "vcon"),
        ("recordings", "hold", "rec_0"),
        ("recordings", "release", "rec_0"),
        ("erase", "--recording", "rec_0"),
        ("erase", "--number", "+4791234567", "--dry-run"),
        ("ledger", "verify"),
        ("ledger", "prove", "0"),
        ("ledger", "checkpoint"),
    ],
)
def test_a_folder_without_an_installation_is_misuse_and_stays_empty(
    words: tuple[str, ...], command: Callable[..., Any], tmp_path: Path
) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        done = command(*words, "--data", str(folder), "--json")
        assert (done.status, done.out) == (2, "")
        assert str(folder) in done.err
    assert list(tmp_path.iterdir()) == []


def test_recordings_are_listed(
    called: tuple[Path, Any], recording: str, command: Callable[..., Any]
) -> None:
    (row,) = json.loads(command("recordings", "list", "--data", str(called[0]), "--json").out)
    text = command("recordings", "list", "--data", str(called[0]))
    assert list(row) == ["id", "call", "state", "seconds", "legal_hold"]
    assert (row["id"], row["state"], row["legal_hold"]) == (recording, "ready", False)
    assert text.out.startswith(f"{recording}  ready ")
    assert text.out.endswith("\n1 recordings\n")


def test_a_wav_has_two_channels_and_its_export_is_in_the_ledger(
    installation: Path, recording: str, command: Callable[..., Any], tmp_path: Path
) -> None:
    data, out = ("--data", str(installation)), tmp_path / "call.wav"
    (row,) = json.loads(command("recordings", "list", *data, "--json").out)
    done = command(
        "recordings", "export", recording, "--format", "wav", "--out", str(out), *data, "--json"
    )
    assert done.status == 0
    assert json.loads(done.out) == {"file": str(out), "bytes": out.stat().st_size}
    samples, rate = decode(out.read_bytes())
    assert len(samples) == 2
    assert abs(samples.shape[1] / rate - row["seconds"]) < 0.1
    with closing(sqlite3.connect(installation / "askfirst.db")) as connection:
        ((last,),) = connection.execute(
            "SELECT entry FROM ledger_entries ORDER BY position DESC LIMIT 1"
        )
    assert json.loads(last)["kind"] == "access.exported"


def test_a_vcon_holds_the_lawful_basis_and_can_be_signed(
    called: tuple[Path, Any], recording: str, process: Callable[..., Any], tmp_path: Path
) -> None:
    plain, signed = tmp_path / "call.vcon", tmp_path / "signed.vcon"
    words = ("recordings", "export", recording, "--format", "vcon", "--data", str(called[0]))
    assert process(*words, "--out", str(plain)).status == 0
    assert process(*words, "--signed", "--out", str(signed)).status == 0
    document = json.loads(plain.read_text())
    assert document["vcon"] == "0.4.0"
    assert "lawful_basis" in {each["purpose"] for each in document["attachments"]}
    assert {"payload", "signatures"} <= set(json.loads(signed.read_text()))


def test_only_a_vcon_is_signed(
    called: tuple[Path, Any], recording: str, command: Callable[..., Any], tmp_path: Path
) -> None:
    out = tmp_path / "call.wav"
    done = command(
        *("recordings", "export", recording, "--format", "wav", "--signed"),
        *("--data", str(called[0]), "--out", str(out)),
    )
    assert (done.status, out.exists()) == (2, False)


def test_an_export_that_cannot_be_written_is_misuse(
    called: tuple[Path, Any], recording: str, command: Callable[..., Any], tmp_path: Path
) -> None:
    out = tmp_path / "nowhere" / "call.zip"
    done = command(
        *("recordings", "export", recording, "--format", "bundle"),
        *("--data", str(called[0]), "--out", str(out)),
    )
    assert (done.status, done.out) == (2, "")
    assert str(out) in done.err


@pytest.mark.parametrize("words", [("export", "--format", "wav"), ("hold",), ("release",)])
@pytest.mark.parametrize("name", ["rec_0", "", "../x"])
def test_a_recording_that_is_not_there_is_misuse(
    words: tuple[str, ...], name: str, called: tuple[Path, Any], command: Callable[..., Any]
) -> None:
    done = command("recordings", words[0], name, *words[1:], "--data", str(called[0]))
    assert (done.status, done.out) == (2, "")
    assert "askfirst recordings list" in done.err


def test_a_hold_keeps_a_recording_from_erasure_until_it_is_released(
    installation: Path, recording: str, command: Callable[..., Any]
) -> None:
    data = ("--data", str(installation))
    held = command("recordings", "hold", recording, *data, "--json")
    assert (held.status, json.loads(held.out)) == (0, {"id": recording, "legal_hold": True})
    kept = command("erase", "--recording", recording, *data, "--json")
    assert json.loads(kept.out)["items"] == [{"id": recording, "outcome": "held"}]
    assert list((installation / "objects").rglob(f"*{recording}*"))
    released = command("recordings", "release", recording, *data, "--json")
    assert json.loads(released.out) == {"id": recording, "legal_hold": False}
    gone = command("erase", "--recording", recording, *data, "--json")
    erased = json.loads(gone.out)
    assert erased["items"] == [{"id": recording, "outcome": "erased"}]
    assert datetime.fromisoformat(erased["backups_void_at"]) > datetime.now(UTC) + timedelta(13)


def test_a_mandatory_period_keeps_a_recording_from_erasure(
    installation: Path, recording: str, command: Callable[..., Any]
) -> None:
    with closing(sqlite3.connect(installation / "askfirst.db")) as connection, connection:
        connection.execute("UPDATE recordings SET mandatory = 'mifid2'")
    done = command("erase", "--recording", recording, "--data", str(installation), "--json")
    (row,) = json.loads(command("recordings", "list", "--data", str(installation), "--json").out)
    assert (done.status, json.loads(done.out)["items"][0]["outcome"]) == (0, "mandatory")
    assert row["state"] == "quarantined"


def test_a_dry_run_says_what_would_go_and_changes_nothing(
    installation: Path, recording: str, command: Callable[..., Any]
) -> None:
    data = ("--data", str(installation))
    before = command("recordings", "list", *data, "--json").out
    done = command("erase", "--number", contact_number(installation), "--dry-run", *data, "--json")
    assert done.status == 0
    assert json.loads(done.out) == {
        "items": [{"id": recording, "outcome": "would-erase"}],
        "calls": 1,
        "forgotten_in": 0,
    }
    assert command("recordings", "list", *data, "--json").out == before


def test_erasing_a_number_takes_audio_words_and_keys_and_leaves_the_proof(
    installation: Path, recording: str, command: Callable[..., Any], tmp_path: Path
) -> None:
    data = ("--data", str(installation))
    number = contact_number(installation)
    done = command("erase", "--number", number, *data)
    told = "the number stands in 1 calls and was forgotten in 1"
    void = f"{datetime.now(UTC) + timedelta(days=14):%Y-%m-%d}"
    assert (done.status, done.out) == (
        0, f"{recording}  erased\n{told}\nunreadable in backups by {void}\n",
    )  # fmt: skip
    for path in installation.rglob("*"):
        assert path.is_dir() or number.encode() not in path.read_bytes(), path.name
    left = [path.name for path in (installation / "objects").rglob("*") if path.is_file()]
    assert left == ["lock"]
    with closing(sqlite3.connect(installation / "keys" / "keys.db")) as connection:
        names = [str(row) for row in connection.execute("SELECT * FROM keys")]
    assert [name for name in names if recording in name] == []
    (row,) = json.loads(command("recordings", "list", *data, "--json").out)
    assert (row["state"], row["seconds"]) == ("erased", None)
    out = tmp_path / "call.wav"
    export = ("recordings", "export", recording, "--format", "wav", "--out", str(out), *data)
    played = command(*export)
    assert (played.status, out.exists()) == (3, False)
    assert command("ledger", "verify", *data).status == 0
    again = command("erase", "--recording", recording, *data, "--json")
    assert json.loads(again.out)["items"] == [{"id": recording, "outcome": "erased"}]


def test_erasing_what_is_not_there_is_misuse(
    called: tuple[Path, Any], command: Callable[..., Any]
) -> None:
    for words in (("--number", "+4700000000"), ("--recording", "rec_0")):
        done = command("erase", *words, "--data", str(called[0]))
        assert (done.status, done.out) == (2, "")
        assert "nothing was erased" in done.err
    both = command("erase", "--number", "1", "--recording", "2", "--data", str(called[0]))
    assert both.status == 2
