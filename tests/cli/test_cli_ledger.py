"""``askfirst ledger``: bundle, whole ledger, proof, checkpoint; untouched and tampered with."""

from __future__ import annotations

import json
import sqlite3
import zipfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="module")
def bundle(
    called: tuple[Path, Any], process: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The evidence bundle of a simulated call."""
    path = tmp_path_factory.mktemp("bundle") / "call.zip"
    (row,) = json.loads(process("recordings", "list", "--data", str(called[0]), "--json").out)
    done = process(
        *("recordings", "export", row["id"], "--format", "bundle"),
        *("--data", str(called[0]), "--out", str(path)),
    )
    assert done.status == 0, done.err
    return path


def rewritten(bundle: Path, target: Path, name: str, change: Callable[[bytes], bytes]) -> Path:
    with zipfile.ZipFile(bundle) as old, zipfile.ZipFile(target, "w") as new:
        for info in old.infolist():
            content = old.read(info)
            new.writestr(info, change(content) if info.filename == name else content)
    return target


def one_bit_off(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def test_a_bundle_that_holds_is_a_yes(bundle: Path, command: Callable[..., Any]) -> None:
    done = command("ledger", "verify", str(bundle))
    assert (done.status, done.err) == (0, "")
    assert done.out.startswith("VERIFIED: ")
    assert "consent.given" in done.out


def test_a_bundle_as_json_is_only_the_document(bundle: Path, command: Callable[..., Any]) -> None:
    done = command("ledger", "verify", str(bundle), "--json")
    document = json.loads(done.out)
    assert (done.status, document["verified"], document["key_from_outside"]) == (0, True, False)
    kinds = [entry["kind"] for entry in document["entries"]]
    assert kinds[0] == "call.started"
    assert "recording.opened" in kinds


def test_the_ledgers_own_key_fits_and_another_does_not(
    bundle: Path, called: tuple[Path, Any], process: Callable[..., Any]
) -> None:
    signed = json.loads(process("ledger", "checkpoint", "--data", str(called[0]), "--json").out)
    fits = process("ledger", "verify", str(bundle), "--key", signed["key"], "--json")
    other = process("ledger", "verify", str(bundle), "--key", "a+00000000+AAAA", "--json")
    assert (fits.status, json.loads(fits.out)["key_from_outside"]) == (0, True)
    assert (other.status, json.loads(other.out)["verified"]) == (1, False)


@pytest.mark.parametrize("name", ["entries.jsonl", "proofs.jsonl", "key.txt", "manifest.json"])
def test_a_changed_bundle_is_a_no_with_the_reason(
    name: str, bundle: Path, command: Callable[..., Any], tmp_path: Path
) -> None:
    tampered = rewritten(bundle, tmp_path / "tampered.zip", name, one_bit_off)
    done = command("ledger", "verify", str(tampered))
    as_json = command("ledger", "verify", str(tampered), "--json")
    assert (done.status, as_json.status, as_json.err) == (1, 1, "")
    assert done.out.startswith("NOT VERIFIED: ")
    document = json.loads(as_json.out)
    assert list(document) == ["verified", "error"]
    assert f"NOT VERIFIED: {document['error']}\n" == done.out


def test_what_is_no_bundle_is_a_no(command: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "no.zip"
    path.write_bytes(b"PK\x03\x04 and then nothing")
    assert command("ledger", "verify", str(path)).status == 1


@pytest.mark.parametrize("name", ["nowhere.zip", "."])
def test_a_bundle_that_is_not_there_is_misuse(name: str, command: Callable[..., Any]) -> None:
    done = command("ledger", "verify", name, "--json")
    assert (done.status, done.out) == (2, "")
    assert name in done.err


def test_a_whole_ledger_that_holds_is_a_yes(
    called: tuple[Path, Any], process: Callable[..., Any]
) -> None:
    text = process("ledger", "verify", "--data", str(called[0]))
    done = process("ledger", "verify", "--data", str(called[0]), "--json")
    document = json.loads(done.out)
    assert (text.status, done.status) == (0, 0)
    assert list(document) == ["verified", "size", "root", "checkpoints", "pinned"]
    assert document["verified"] is True
    assert text.out.startswith(f"{document['size']} entries, ")


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE ledger_entries SET entry = replace(entry, 'keypad', 'spoken')",
        "DELETE FROM ledger_entries WHERE position = 3",
        "DELETE FROM ledger_entries WHERE position = (SELECT max(position) FROM ledger_entries)",
        "UPDATE checkpoints SET note = replace(note, '1', '2')",
    ],
)
def test_a_changed_ledger_is_a_no_with_the_reason(
    change: str, installation: Path, process: Callable[..., Any]
) -> None:
    with closing(sqlite3.connect(installation / "askfirst.db")) as connection, connection:
        assert connection.execute(change).rowcount > 0
    text = process("ledger", "verify", "--data", str(installation))
    done = process("ledger", "verify", "--data", str(installation), "--json")
    document = json.loads(done.out)
    assert (text.status, done.status, done.err) == (1, 1, "")
    assert text.out == f"NOT VERIFIED: {document['error']}\n"
    assert document["verified"] is False


def test_a_proof_names_entry_size_and_checkpoint(
    installation: Path, process: Callable[..., Any]
) -> None:
    done = process("ledger", "prove", "3", "--data", str(installation), "--json")
    document = json.loads(done.out)
    assert (done.status, list(document)) == (0, ["position", "size", "proof", "checkpoint"])
    assert document["position"] == 3
    assert f"\n{document['size']}\n" in document["checkpoint"]


@pytest.mark.parametrize("entry", ["999999", "-1", "three"])
def test_a_proof_of_what_is_not_there_is_misuse(
    entry: str, installation: Path, process: Callable[..., Any]
) -> None:
    done = process("ledger", "prove", entry, "--data", str(installation))
    assert (done.status, done.out) == (2, "")
    assert "Traceback" not in done.err


def test_a_checkpoint_is_signed_once_for_one_head(
    installation: Path, process: Callable[..., Any]
) -> None:
    first, again = (process("ledger", "checkpoint", "--data", str(installation)) for _ in range(2))
    assert (first.status, first.out.splitlines()[0]) == (0, "askfirst.local/ledger")
    assert first == again


def test_a_checkpoint_kept_elsewhere_is_continued(
    process: Callable[..., Any], called: tuple[Path, Any], tmp_path: Path
) -> None:
    note = process("ledger", "checkpoint", "--data", str(called[0])).out
    (tmp_path / "one.txt").write_text(note, encoding="utf-8")
    (tmp_path / "several.txt").write_text(f"{note}\n{note}\n", encoding="utf-8")
    files = (str(tmp_path / "one.txt"), str(tmp_path / "several.txt"))

    text = process("ledger", "verify", "--data", str(called[0]), "--checkpoint", *files)
    done = process("ledger", "verify", "--data", str(called[0]), "--checkpoint", *files, "--json")

    assert text.status == 0, text.err
    assert "continues 3 kept elsewhere" in text.out
    assert json.loads(done.out)["pinned"] == 3


def test_a_checkpoint_kept_elsewhere_of_another_ledger_is_a_no(
    process: Callable[..., Any], called: tuple[Path, Any], tmp_path: Path
) -> None:
    note = process("ledger", "checkpoint", "--data", str(called[0])).out
    first, _, rest = note.partition("\n")
    (tmp_path / "other.txt").write_text(f"{first}\n1{rest}", encoding="utf-8")
    wanted = ("--checkpoint", str(tmp_path / "other.txt"))

    done = process("ledger", "verify", "--data", str(called[0]), *wanted)

    assert done.status == 1
    assert "kept elsewhere" in done.out


@pytest.mark.parametrize("content", ["hello", "", None])
def test_a_file_without_checkpoints_is_misuse(
    process: Callable[..., Any], called: tuple[Path, Any], tmp_path: Path, content: str | None
) -> None:
    path = tmp_path / "none.txt"
    if content is not None:
        path.write_text(content, encoding="utf-8")

    done = process("ledger", "verify", "--data", str(called[0]), "--checkpoint", str(path))

    assert done.status == 2
