"""The stand-alone verifier accepts what holds, and nothing else, without ever falling over."""

from __future__ import annotations

import ast
import functools
import hashlib
import io
import json
import re
import subprocess
import sys
import zipfile
from base64 import b64encode
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from askfirst import ledger, verify
from askfirst.ledger import Checkpoint, Kind
from askfirst.verify import CannotRun, VerificationError

VECTORS: dict[str, Any] = json.loads(
    (Path(__file__).parent / "vectors" / "merkle.json").read_text(encoding="utf-8")
)
SOURCE = Path(verify.__file__)
AT = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
CALL = "call_0193584f2c7a7b3e8d1f0a1b2c3d4e5f"
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = KEY.public_key().public_bytes_raw()
NAME = "askfirst.example/ledger"
VKEY = ledger.verifier_key(NAME, PUBLIC)
ENTRIES = [
    ledger.entry(Kind.DECISION_MADE, AT, call=CALL, data={"serial": number}) for number in range(7)
]
LEAVES = [ledger.leaf_hash(item) for item in ENTRIES]
NEWEST = "checkpoints/0000000000000006.txt"


def note(checkpoint: Checkpoint, key: Ed25519PrivateKey = KEY) -> str:
    public = key.public_key().public_bytes_raw()
    return ledger.sign_note(checkpoint, NAME, public, key.sign)


def checkpoint(size: int) -> Checkpoint:
    return Checkpoint(NAME, size, ledger.root(LEAVES[:size]))


@functools.cache
def good() -> bytes:
    return ledger.bundle(
        {1: ENTRIES[1], 4: ENTRIES[4], 5: ENTRIES[5]},
        LEAVES,
        [note(checkpoint(size)) for size in (2, 3, 6)],
        VKEY,
        SOURCE.read_text(encoding="utf-8"),
        extra={"stamps/6.tsr": b"stamp"},
    )


def unpacked(bundle: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(bundle)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(files: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", compression) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return target.getvalue()


def mended(files: dict[str, bytes], **manifest: object) -> bytes:
    """Pack with a manifest that fits: what a forger would do."""
    content = json.loads(files["manifest.json"]) | manifest
    content["files"] = {
        name: hashlib.sha256(data).hexdigest()
        for name, data in files.items()
        if name != "manifest.json"
    }
    return packed(files | {"manifest.json": json.dumps(content).encode()})


def forged(name: str, change: Callable[[str], str], **manifest: object) -> bytes:
    files = unpacked(good())
    return mended(files | {name: change(files[name].decode()).encode()}, **manifest)


# What holds


def test_a_good_bundle_is_verified_with_a_key_from_outside() -> None:
    report = verify.verify(good(), VKEY + "\n")
    assert report.origin == NAME
    assert report.sizes == (2, 3, 6)
    assert report.root == ledger.root(LEAVES[:6]).hex()
    assert [(item.index, item.kind, item.call) for item in report.entries] == [
        (index, "decision.made", CALL) for index in (1, 4, 5)
    ]
    assert report.key_from_outside
    assert report.extra == ("extra/stamps/6.tsr",)
    assert "no key was given" not in report.text()
    assert "not examined here: extra/stamps/6.tsr" in report.text()


def test_without_a_key_the_report_says_how_little_that_shows() -> None:
    text = verify.verify(good()).text()
    assert "VERIFIED: 3 entries" in text
    assert "only proves" in text
    assert "two ledgers" in text


@pytest.mark.parametrize("size", range(1, 8))
def test_every_entry_of_every_size_is_verified(size: int) -> None:
    bundle = ledger.bundle(
        dict(enumerate(ENTRIES[:size])),
        LEAVES,
        [note(checkpoint(part)) for part in range(1, size + 1)],
        VKEY,
        "",
    )
    assert len(verify.verify(bundle, VKEY).entries) == size


def test_a_bundle_that_somebody_packed_again_is_verified() -> None:
    again = packed(dict(reversed(unpacked(good()).items())), zipfile.ZIP_DEFLATED)
    assert verify.verify(again, VKEY) == verify.verify(good(), VKEY)


@pytest.mark.parametrize("case", VECTORS["inclusion"], ids=str)
def test_its_own_tree_gives_the_published_roots(case: dict[str, Any]) -> None:
    leaf = ledger.leaf_hash(bytes.fromhex(VECTORS["leaves"][case["index"]]))
    path = [bytes.fromhex(item) for item in case["proof"]]
    found = verify._root(leaf, case["index"], case["size"], path)
    assert found.hex() == VECTORS["roots"][case["size"]]


@pytest.mark.parametrize("case", VECTORS["consistency"], ids=str)
def test_its_own_tree_follows_the_published_consistency_proofs(case: dict[str, Any]) -> None:
    old, new = case["old"], case["new"]
    path = [bytes.fromhex(item) for item in case["proof"]]
    claimed = bytes.fromhex(VECTORS["roots"][old])
    found = verify._both_roots(old, new, path, claimed, whole=True)
    assert [item.hex() for item in found] == [VECTORS["roots"][old], VECTORS["roots"][new]]


# What does not hold


@pytest.mark.parametrize(
    "name",
    ["entries.jsonl", "proofs.jsonl", "consistency.json", "key.txt", "checkpoints/"],
)
def test_every_changed_byte_is_noticed_even_when_the_manifest_is_mended(name: str) -> None:
    files = unpacked(good())
    for path in [path for path in files if path.startswith(name)]:
        for place in range(len(files[path])):
            for bit in (0x01, 0x20):
                changed = bytearray(files[path])
                changed[place] ^= bit
                with pytest.raises(VerificationError):
                    verify.verify(mended(files | {path: bytes(changed)}), VKEY)


def test_every_changed_file_is_noticed_by_the_manifest() -> None:
    files = unpacked(good())
    for path in files:
        with pytest.raises(VerificationError, match="manifest" if "man" in path else path):
            verify.verify(packed(files | {path: files[path] + b" x"}), VKEY)


def test_no_changed_byte_of_the_zip_file_makes_the_verifier_fall_over() -> None:
    bundle, expected = good(), verify.verify(good(), VKEY)
    # The verifier's own source is most of the file and adds nothing here.
    start = bundle.index(SOURCE.read_bytes())
    skip = range(start + 64, start + len(SOURCE.read_bytes()) - 64)
    for place in [place for place in range(len(bundle)) if place not in skip]:
        changed = bytearray(bundle)
        changed[place] ^= 0xFF
        try:
            # Dates and attributes inside the zip file mean nothing and may differ.
            assert verify.verify(bytes(changed), VKEY) == expected
        except VerificationError:
            continue


@given(st.integers(0, 2**20), st.binary(max_size=40))
def test_no_cut_or_filled_file_makes_the_verifier_fall_over(place: int, filling: bytes) -> None:
    bundle = good()
    place %= len(bundle)
    for changed in (bundle[:place] + filling, bundle[:place] + filling + bundle[place + 20 :]):
        if changed != bundle:
            try:
                verify.verify(changed, VKEY)
            except VerificationError:
                continue


@given(st.binary(max_size=200))
def test_no_bytes_pass_for_a_bundle(raw: bytes) -> None:
    with pytest.raises(VerificationError):
        verify.verify(raw)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["index", "entry", "proof", "from", "to", "v", "at", "kind", "files"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


@given(
    st.sampled_from(["entries.jsonl", "proofs.jsonl", "consistency.json", "manifest.json"]), JSON
)
def test_no_json_makes_the_verifier_fall_over(name: str, value: object) -> None:
    files = unpacked(good()) | {name: json.dumps(value).encode() + b"\n"}
    for bundle in (packed(files), packed(files) if name == "manifest.json" else mended(files)):
        with pytest.raises(VerificationError):
            verify.verify(bundle, VKEY)


def other_key() -> bytes:
    other = Ed25519PrivateKey.from_private_bytes(bytes(32))
    vkey = ledger.verifier_key(NAME, other.public_key().public_bytes_raw())
    notes = [note(checkpoint(6), other)]
    return ledger.bundle({1: ENTRIES[1]}, LEAVES, notes, vkey, "")


def test_another_key_agrees_with_itself_and_not_with_ours() -> None:
    assert not verify.verify(other_key()).key_from_outside
    with pytest.raises(VerificationError, match="key: expected"):
        verify.verify(other_key(), VKEY)


def test_a_checkpoint_of_another_key_is_refused_under_our_key() -> None:
    files = unpacked(other_key()) | {"key.txt": f"{VKEY}\n".encode()}
    with pytest.raises(VerificationError, match="expected a signature"):
        verify.verify(mended(files), VKEY)


def test_checkpoints_of_two_histories_are_refused() -> None:
    split = Checkpoint(NAME, 3, ledger.root(LEAVES[::-1][:3]))
    files = unpacked(good()) | {"checkpoints/0000000000000003.txt": note(split).encode()}
    with pytest.raises(VerificationError, match="consistency of 2 with 3"):
        verify.verify(mended(files), VKEY)


def test_checkpoints_of_two_ledgers_are_refused() -> None:
    other = Checkpoint("other.example", 3, ledger.root(LEAVES[:3]))
    files = unpacked(good()) | {"checkpoints/0000000000000003.txt": note(other).encode()}
    with pytest.raises(VerificationError, match="more than one ledger"):
        verify.verify(mended(files), VKEY)


def test_an_entry_moved_to_another_place_is_refused() -> None:
    with pytest.raises(VerificationError, match="not the same entries"):
        verify.verify(forged("entries.jsonl", lambda t: t.replace('"index":1', '"index":2')))
    files = unpacked(good())
    for name in ("entries.jsonl", "proofs.jsonl"):
        files[name] = files[name].replace(b'"index":1', b'"index":2')
    with pytest.raises(VerificationError, match="entry 2, root"):
        verify.verify(mended(files))


def hash_list(number: int) -> str:
    return json.dumps(["00" * 32] * number)


@pytest.mark.parametrize(
    ("name", "change", "says"),
    [
        ("entries.jsonl", lambda t: t.removesuffix("\n"), "whole lines"),
        ("entries.jsonl", lambda t: t + "7\n", "expected an object"),
        ("entries.jsonl", lambda t: t + "{\n", "not JSON"),
        ("entries.jsonl", lambda t: t + '{"index":6,"index":7,"entry":""}\n', "stands twice"),
        ("entries.jsonl", lambda t: t + '{"index":true,"entry":""}\n', "expected index"),
        ("entries.jsonl", lambda t: t + '{"index":6}\n', "expected index"),
        ("entries.jsonl", lambda t: t + "[" * 100_000 + "\n", "not JSON"),
        ("entries.jsonl", lambda t: t + "9" * 5000 + "\n", "not JSON"),
        ("proofs.jsonl", lambda t: t.replace('"proof":[', '"proof":["00",', 1), "not a hash"),
        ("proofs.jsonl", lambda t: t.replace('"proof":[', '"proof":[7,', 1), "not a hash"),
        ("proofs.jsonl", lambda t: t.replace("[", "{").replace("]", "}"), "not JSON"),
        ("entries.jsonl", lambda t: re.sub(r'"entry":".*",', '"entry":5,', t), "expected the text"),
        ("proofs.jsonl", lambda t: re.sub(r"\[.*\]", '"00"', t), "not a list"),
        ("proofs.jsonl", lambda t: re.sub(r"\[.*\]", hash_list(129), t), "not a list"),
        ("proofs.jsonl", lambda t: re.sub(r"\[.*\]", "[]", t), "shorter than"),
        (NEWEST, lambda t: re.sub(r".=\n$", "B=\n", t), "stray bits|not base64"),
        ("proofs.jsonl", lambda t: t.replace("[", f'["{"0" * 64}",', 1), "longer than"),
        ("consistency.json", lambda t: "[]", "expected 2 steps"),
        ("consistency.json", lambda t: "{}", "expected 2 steps"),
        ("consistency.json", lambda t: "[1,2]", "malformed step"),
        ("consistency.json", lambda t: t.replace('"to":3', '"to":4'), "other checkpoints"),
        ("consistency.json", lambda t: t.replace("[", f'["{"0" * 64}",', 2)[67:], "not JSON"),
        ("key.txt", lambda t: "nonsense\n", "expected one line"),
        ("key.txt", lambda t: t.replace("+", "+0", 1), "expected one line"),
        ("key.txt", lambda t: f"{NAME}+00000000+{t.split('+', 2)[2]}", "id does not belong"),
        ("key.txt", lambda t: f"{NAME}+00000000+AQID", "not an Ed25519 key"),
        ("key.txt", lambda t: f"{NAME}+00000000+AQI", "not base64"),
        (NEWEST, lambda t: t.replace("\n\n", "\n"), "not a signed note"),
        (NEWEST, lambda t: t + "trailing\n", "malformed signature line"),
        (NEWEST, lambda t: t.replace("—", "-"), "malformed signature line"),
        (NEWEST, lambda t: t.replace(NAME, NAME + "\x1b", 1), "not a signed note"),
        (NEWEST, lambda t: t + "— other.example AAAAAAAA\n" * 101, "expected a signature"),
        (NEWEST, lambda t: note(checkpoint(5)), "another size"),
        ("manifest.json", lambda t: t.replace("askfirst-evidence", "other"), "not a bundle"),
        ("manifest.json", lambda t: t.replace('"version":1', '"version":2'), "not a bundle"),
        ("manifest.json", lambda t: t.replace('"version":1', '"version":true'), "not a bundle"),
        ("manifest.json", lambda t: t.replace(NAME, "x"), "origin does not say"),
        ("manifest.json", lambda t: t.replace('"size":6', '"size":7'), "size does not say"),
        ("manifest.json", lambda t: t.replace('"entries":3', '"entries":4'), "entries does not"),
    ],
    ids=range(39),
)
def test_what_is_wrong_is_said(name: str, change: Callable[[str], str], says: str) -> None:
    with pytest.raises(VerificationError, match=says):
        verify.verify(forged(name, change), None)


@pytest.mark.parametrize(
    "text",
    [
        f"{NAME}\n6\n",
        f"\n6\n{'A' * 43}=\n",
        f"{NAME}\n06\n{'A' * 43}=\n",
        f"{NAME}\n6\n{'A' * 44}\n",
        f"{NAME}\n9999999999999999\n{'A' * 43}=\n",
    ],
    ids=range(5),
)
def test_a_signed_text_that_is_no_checkpoint_is_refused(text: str) -> None:
    line = b64encode(ledger.key_id(NAME, PUBLIC) + KEY.sign(text.encode())).decode()
    files = unpacked(good()) | {NEWEST: f"{text}\n— {NAME} {line}\n".encode()}
    with pytest.raises(VerificationError, match=r"expected origin, size|no root"):
        verify.verify(mended(files), VKEY)


def test_entries_out_of_order_or_beyond_the_checkpoint_are_refused() -> None:
    files = unpacked(good())
    for name in ("entries.jsonl", "proofs.jsonl"):
        files[name] = b"".join(reversed(files[name].splitlines(keepends=True)))
    with pytest.raises(VerificationError, match="out of order"):
        verify.verify(mended(files), VKEY)
    files = unpacked(good())
    for name in ("entries.jsonl", "proofs.jsonl"):
        files[name] = files[name].replace(b'"index":5', b'"index":6')
    with pytest.raises(VerificationError, match="newer than the newest"):
        verify.verify(mended(files), VKEY)


@pytest.mark.parametrize(
    ("old", "new", "hashes", "says"),
    [
        (2, 4, 2, "too long"),
        (2, 4, 0, "too short"),
        (3, 4, 1, "too short|wrong length"),
        (3, 4, 2, "wrong length"),
        (2, 4, 1, "newer root"),
        (3, 4, 3, "older root"),
    ],
)
def test_a_consistency_proof_of_the_wrong_length_is_refused(
    old: int, new: int, hashes: int, says: str
) -> None:
    notes = [note(checkpoint(old)), note(checkpoint(new))]
    files = unpacked(ledger.bundle({1: ENTRIES[1]}, LEAVES, notes, VKEY, ""))
    step = f'[{{"from":{old},"to":{new},"proof":{hash_list(hashes)}}}]'
    with pytest.raises(VerificationError, match=says):
        verify.verify(mended(files | {"consistency.json": step.encode()}), VKEY)


def signed_but_strange(text: str) -> bytes:
    """A bundle that is right in every hash but whose only entry is `text`."""
    files = unpacked(good())
    leaf = hashlib.sha256(b"\x00" + text.encode()).digest()
    for name in [name for name in files if name.startswith("checkpoints/")]:
        del files[name]
    files["checkpoints/0000000000000001.txt"] = note(Checkpoint(NAME, 1, leaf)).encode()
    files["consistency.json"] = b"[]"
    files["entries.jsonl"] = json.dumps({"index": 0, "entry": text}).encode() + b"\n"
    files["proofs.jsonl"] = b'{"index":0,"proof":[]}\n'
    return mended(files, size=1, entries=1)


ODD: dict[str, object] = {"v": 1, "at": "2026-11-24T09:30:00.000Z", "kind": "a.b", "call": None}


def test_an_entry_of_the_right_form_is_shown() -> None:
    (found,) = verify.verify(signed_but_strange(json.dumps(ODD)), VKEY).entries
    assert (found.index, found.kind, found.call) == (0, "a.b", None)


@pytest.mark.parametrize(
    "change",
    [
        {"v": 2},
        {"v": True},
        {"at": "yesterday"},
        {"at": 5},
        {"kind": "\x1b[2J"},
        {"kind": None},
        {"call": "\x1b[2J"},
        {"call": 5},
    ],
    ids=str,
)
def test_an_entry_that_would_deceive_its_reader_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(VerificationError, match="entry 0"):
        verify.verify(signed_but_strange(json.dumps(ODD | change)), VKEY)


def test_a_missing_or_added_file_is_noticed() -> None:
    files = unpacked(good())
    for name in files:
        rest = {other: content for other, content in files.items() if other != name}
        with pytest.raises(VerificationError):
            verify.verify(packed(rest))
    with pytest.raises(VerificationError, match="exactly the files"):
        verify.verify(packed(files | {"extra/more.txt": b""}))
    without = {name: content for name, content in files.items() if "checkpoints/" not in name}
    with pytest.raises(VerificationError, match="0 checkpoints"):
        verify.verify(mended(without))
    with pytest.raises(VerificationError, match="not the name of a checkpoint"):
        verify.verify(mended(files | {"checkpoints/7.txt": b""}))


@pytest.mark.parametrize("name", ["../up", "/root", "a\x1b[2J", "a b", "dir/"])
def test_a_file_with_a_dangerous_name_is_refused(name: str) -> None:
    with pytest.raises(VerificationError, match="not a name"):
        verify.verify(mended(unpacked(good()) | {name: b""}))


def test_a_text_that_is_not_utf_8_is_refused() -> None:
    with pytest.raises(VerificationError, match="not UTF-8"):
        verify.verify(mended(unpacked(good()) | {"entries.jsonl": b"\xff\n"}))


def test_half_a_character_in_an_entry_is_refused() -> None:
    with pytest.raises(VerificationError, match="half a character"):
        verify.verify(forged("entries.jsonl", lambda t: t.replace('"{', '"\\ud800{', 1)))


# Limits


def test_a_zip_bomb_is_refused_without_being_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "MAX_BYTES", 10_000)
    bomb = packed({"manifest.json": bytes(20_000)}, zipfile.ZIP_DEFLATED)
    assert len(bomb) < 1000
    with pytest.raises(VerificationError, match="unpacks to more than"):
        verify.verify(bomb)


def test_too_many_files_entries_or_checkpoints_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for limit, value in (("MAX_FILES", 5), ("MAX_ENTRIES", 2), ("MAX_CHECKPOINTS", 2)):
        with monkeypatch.context() as patch:
            patch.setattr(verify, limit, value)
            with pytest.raises(VerificationError):
                verify.verify(good())


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_stands_twice_is_refused() -> None:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("manifest.json", b"{}")
        archive.writestr("manifest.json", b"{}")
    with pytest.raises(VerificationError, match="twice"):
        verify.verify(target.getvalue())


def test_an_unusual_or_encrypted_packing_is_refused() -> None:
    with pytest.raises(VerificationError, match="unknown way"):
        verify.verify(packed(unpacked(good()), zipfile.ZIP_BZIP2))
    locked = bytearray(packed({"manifest.json": b"{}"}))
    locked[6] |= 1
    locked[locked.index(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(VerificationError, match="not a readable zip"):
        verify.verify(bytes(locked))


# As a program


def test_it_uses_nothing_but_the_standard_library_and_cryptography() -> None:
    tree = ast.parse(SOURCE.read_text(encoding="utf-8"))
    names = set()
    for item in ast.walk(tree):
        if isinstance(item, ast.Import):
            names |= {alias.name.split(".")[0] for alias in item.names}
        if isinstance(item, ast.ImportFrom):
            assert item.level == 0
            names.add((item.module or "").split(".")[0])
    assert names - set(sys.stdlib_module_names) == {"cryptography"}


def test_the_copy_in_the_bundle_checks_the_bundle(tmp_path: Path) -> None:
    (tmp_path / "bundle.zip").write_bytes(good())
    (tmp_path / "verify.py").write_bytes(unpacked(good())["verify.py"])
    command = [sys.executable, "-I", "verify.py", "bundle.zip", "--key", VKEY]
    found = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)  # noqa: S603 - our own file
    assert (found.returncode, found.stderr) == (0, b"")
    assert found.stdout.startswith(b"VERIFIED: 3 entries")


def test_exit_codes_tell_good_bad_and_misuse_apart(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bundle.zip"
    path.write_bytes(good())
    assert verify.main([str(path)]) == 0
    assert "VERIFIED" in capsys.readouterr().out
    assert verify.main([str(path), "--key", "other"]) == 1
    assert "NOT VERIFIED: key: expected other" in capsys.readouterr().out
    assert verify.main([str(tmp_path / "nothing.zip")]) == 2
    assert "cannot be read" in capsys.readouterr().err
    assert verify.main([]) == 2
    assert verify.main(["--help"]) == 0


def test_a_file_beyond_the_limit_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "bundle.zip"
    path.write_bytes(good())
    monkeypatch.setattr(verify, "MAX_BYTES", 1000)
    with pytest.raises(VerificationError, match="larger than 1000 bytes"):
        verify.verify(path)


def test_a_machine_without_cryptography_is_told_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.exceptions", None)
    with pytest.raises(CannotRun, match="pip install cryptography"):
        verify.verify(good())


def test_a_public_key_that_is_no_point_is_refused() -> None:
    bad = bytes([2]) + bytes(31)
    signed = ledger.sign_note(checkpoint(6), NAME, bad, lambda _: bytes(64))
    vkey = ledger.verifier_key(NAME, bad)
    with pytest.raises(VerificationError, match="the signature does not hold"):
        verify.verify(ledger.bundle({1: ENTRIES[1]}, LEAVES, [signed], vkey, ""))
