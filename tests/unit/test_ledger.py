"""Entries let nothing personal in, notes and bundles are exact."""

from __future__ import annotations

import base64
import hashlib
import hmac
import io
import json
import re
import zipfile
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from askfirst import ledger
from askfirst.errors import InvalidInput, Unverified
from askfirst.ledger import Checkpoint, Kind, commit, entry

VECTORS: dict[str, Any] = json.loads(
    (Path(__file__).parent / "vectors" / "notes.json").read_text(encoding="utf-8")
)
GO = VECTORS["go"]
AT = datetime(2026, 11, 24, 9, 30, 1, 234_567, tzinfo=UTC)
CALL = "call_0193584f2c7a7b3e8d1f0a1b2c3d4e5f"
RECORDING = "rec_0193584f2c7a7b3e8d1f0a1b2c3d4e60"
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = KEY.public_key().public_bytes_raw()
NAME = "askfirst.example/ledger"
VKEY = ledger.verifier_key(NAME, PUBLIC)


def refuse_forgery(public_key: bytes, signature: bytes, message: bytes) -> None:
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except InvalidSignature as error:
        raise Unverified("the signature does not hold") from error


def opened(note: str, vkey: str) -> Checkpoint:
    name, key = ledger.parse_verifier_key(vkey)
    return ledger.verify_note(note, name, key, lambda s, m: refuse_forgery(key, s, m))


# Entries


def test_an_entry_has_exactly_these_bytes() -> None:
    found = entry(
        Kind.CONSENT_GIVEN,
        AT.astimezone(timezone(timedelta(hours=1))),
        call=CALL,
        recording=RECORDING,
        party=1,
        data={"how": "keypad", "uses": ["record", "transcribe"], "at_ms": 12_345_678, "ok": True},
        commits={"number": "ab" * 32},
    )
    assert found == (
        b'{"at":"2026-11-24T09:30:01.234Z","call":"' + CALL.encode() + b'",'
        b'"commits":{"number":"' + b"ab" * 32 + b'"},'
        b'"data":{"at_ms":12345678,"how":"keypad","ok":true,"uses":["record","transcribe"]},'
        b'"kind":"consent.given","party":1,"recording":"' + RECORDING.encode() + b'","v":1}'
    )


def test_an_entry_without_a_call_says_so_and_omits_the_rest() -> None:
    assert json.loads(entry(Kind.RULEBOOK_LOADED, AT)) == {
        "v": 1,
        "at": "2026-11-24T09:30:01.234Z",
        "kind": "rulebook.loaded",
        "call": None,
        "data": {},
        "commits": {},
    }


@pytest.mark.parametrize(
    "value",
    [
        "keypad",
        "notice-cut",
        "intent_to_record",
        "hubspot-2023",
        "whisper.base-en",
        "US-CA",
        "US-CA.632",
        "NO.participant",
        "EEA.gdpr",
        "UNKNOWN",
        "POLICY",
        CALL,
        "sha256:" + "0123456789abcdef" * 4,
        "2026-11-24",
        "2026-11-24T09:30:01.234Z",
        "2026.11.2",
        "1.12.3",
        0,
        -1,
        999_999,
        False,
        [],
        ["NO", "US-CA"],
    ],
    ids=repr,
)
def test_codes_ids_and_small_numbers_may_stand_in_an_entry(value: Any) -> None:
    found = json.loads(entry(Kind.DECISION_MADE, AT, data={"value": value}))
    assert found["data"] == {"value": value}


PERSONAL = [
    "Kari",
    "Kari Nordmann",
    "kari nordmann",
    "KARI",
    "kari@example.com",
    "Åse",
    "åse",
    "+16285550142",
    "16285550142",
    "47-22-12-34-56",
    "tel-22123456",
    "a22.12.34.56",
    "NO.22123456",
    "22.12.34.56",
    "2212.34.56",
    "2090.34.56",
    "call_4722123456",
    "yes, that is fine",
    "ja\n",
    "",
    "x" * 129,
    16_285_550_142,
    22_123_456,
    -4_722_123_456,
    1.5,
    None,
    b"bytes",
    {"nested": "dict"},
    ["record", "Kari"],
    [22_123_456],
    [["record"]],
    ["a"] * 257,
]


@pytest.mark.parametrize("value", PERSONAL, ids=repr)
def test_names_numbers_and_spoken_words_are_refused(value: Any) -> None:
    with pytest.raises(InvalidInput, match="ledger entry: value") as caught:
        entry(Kind.DECISION_MADE, AT, data={"value": value})
    assert "22123456" not in str(caught.value)
    assert "Kari" not in str(caught.value)


@given(st.from_regex(r"\+?[0-9][0-9 ()./-]{5,18}[0-9]", fullmatch=True))
def test_no_telephone_number_enters(number: str) -> None:
    digits = sum(character.isdigit() for character in number)
    if digits < 7:
        return
    # A date and a telephone number can look alike; only the form of a date is let through.
    if re.fullmatch(r"20[0-9]{2}([-.])[01]?[0-9]\1[0-3]?[0-9]", number):
        return
    with pytest.raises(InvalidInput):
        entry(Kind.PARTY_JOINED, AT, data={"value": number})


@pytest.mark.parametrize("key", ["at_ms", "ms", "size_bytes", "index", "ledger_index", "count"])
def test_long_numbers_stand_only_under_a_key_that_says_what_they_measure(key: str) -> None:
    assert json.loads(entry(Kind.RECORDING_SEALED, AT, data={key: 22_123_456}))["data"][key]


@pytest.mark.parametrize("key", ["", "Name", "a-b", "a b", "1a", "x" * 41])
def test_keys_are_plain_words(key: str) -> None:
    with pytest.raises(InvalidInput, match="key"):
        entry(Kind.DECISION_MADE, AT, data={key: "word"})
    with pytest.raises(InvalidInput, match="key"):
        entry(Kind.DECISION_MADE, AT, commits={key: "00" * 32})


@pytest.mark.parametrize("value", ["", "ab" * 31, "AB" * 32, "+16285550142", "xy" * 32])
def test_a_commitment_must_be_one(value: str) -> None:
    with pytest.raises(InvalidInput, match="commitment number"):
        entry(Kind.PARTY_JOINED, AT, commits={"number": value})


@pytest.mark.parametrize("value", ["", "call_1", "+16285550142", "Kari", CALL + "0", CALL.upper()])
def test_a_call_or_recording_must_be_an_id(value: str) -> None:
    with pytest.raises(InvalidInput, match="call is not an id"):
        entry(Kind.CALL_STARTED, AT, call=value)
    with pytest.raises(InvalidInput, match="recording is not an id"):
        entry(Kind.CALL_STARTED, AT, recording=value)


@pytest.mark.parametrize("value", [-1, 1000, True])
def test_a_party_must_be_its_number_in_the_call(value: int) -> None:
    with pytest.raises(InvalidInput, match="party"):
        entry(Kind.PARTY_JOINED, AT, party=value)


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(InvalidInput, match="zone"):
        entry(Kind.CALL_STARTED, AT.replace(tzinfo=None))


def test_there_is_a_closed_list_of_kinds() -> None:
    assert len(Kind) == 78
    assert all(kind.value == kind.value.lower() and "." in kind.value for kind in Kind)


def test_a_commitment_is_an_hmac_that_needs_its_salt() -> None:
    salt = bytes(range(16))
    number = "+16285550142"
    assert commit(salt, number) == hmac.digest(salt, number.encode(), "sha256").hex()
    assert commit(bytes(16), number) != commit(salt, number)
    with pytest.raises(InvalidInput, match="salt of 15 bytes"):
        commit(salt[:15], number)
    with pytest.raises(InvalidInput, match="surrogate"):
        commit(salt, "\ud800")


# Checkpoints and notes


def test_the_published_key_has_the_published_id() -> None:
    name, key = ledger.parse_verifier_key(GO["verifier_key"])
    assert name == "PeterNeumann"
    assert ledger.verifier_key(name, key) == GO["verifier_key"]
    seed = base64.b64decode(GO["seed"])
    assert Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw() == key


def test_every_part_and_every_changed_character_of_a_key_is_refused() -> None:
    good = GO["verifier_key"]
    parts = {good[i:j] for i in range(len(good)) for j in range(i, len(good) + 1)} - {good}
    changed = {good[:i] + chr(ord(good[i]) + 1) + good[i + 1 :] for i in range(len(good))}
    for bad in [*parts, *changed, *GO["wrong_keys"]]:
        with pytest.raises(InvalidInput):
            ledger.parse_verifier_key(bad)


def test_the_published_signature_is_made_and_verified() -> None:
    name, key = ledger.parse_verifier_key(GO["verifier_key"])
    signature = Ed25519PrivateKey.from_private_bytes(base64.b64decode(GO["seed"])).sign(
        GO["text"].encode()
    )
    line = base64.b64encode(ledger.key_id(name, key) + signature).decode()
    assert f"— {name} {line}" == GO["signature"]
    # That text is no checkpoint, and we read nothing else.
    with pytest.raises(InvalidInput, match="2 lines"):
        ledger.parse_note(f"{GO['text']}\n{GO['signature']}\n")


def test_a_checkpoint_of_the_go_checksum_database_verifies() -> None:
    found = opened(VECTORS["sum.golang.org"]["note"], VECTORS["sum.golang.org"]["verifier_key"])
    assert (found.origin, found.size) == ("go.sum database tree", 63_096_908)


def test_the_specifications_example_parses() -> None:
    checkpoint, (signature,) = ledger.parse_note(VECTORS["c2sp_example"]["note"])
    assert (checkpoint.origin, checkpoint.size) == ("example.com/behind-the-sofa", 20_852_163)
    assert signature.name == checkpoint.origin
    assert signature.key_id.hex() == VECTORS["c2sp_example"]["key_id"]


def test_a_note_that_we_sign_verifies_and_has_the_specified_form() -> None:
    checkpoint = Checkpoint(NAME, 3, bytes(range(32)))
    note = ledger.sign_note(checkpoint, NAME, PUBLIC, KEY.sign)
    assert note.startswith(f"{NAME}\n3\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n\n— {NAME} ")
    assert opened(note, VKEY) == checkpoint


def test_every_changed_character_of_a_note_is_noticed() -> None:
    note = ledger.sign_note(Checkpoint(NAME, 3, bytes(32)), NAME, PUBLIC, KEY.sign)
    for place in range(len(note)):
        for other in (chr(ord(note[place]) ^ 1), "A", "=", "\n", "\r", " ", ""):
            changed = note[:place] + other + note[place + 1 :]
            if changed != note:
                with pytest.raises((InvalidInput, Unverified)):
                    opened(changed, VKEY)


def test_lines_of_unknown_keys_are_ignored_and_a_false_line_of_ours_is_not() -> None:
    checkpoint = Checkpoint(NAME, 3, bytes(32))
    note = ledger.sign_note(checkpoint, NAME, PUBLIC, KEY.sign)
    witness = "— witness.example " + base64.b64encode(bytes(68)).decode() + "\n"
    assert opened(note + witness, VKEY) == checkpoint
    forged = ledger.sign_note(checkpoint, NAME, PUBLIC, lambda _: bytes(64)).rpartition("\n\n")[2]
    with pytest.raises(Unverified, match="does not hold"):
        opened(note + forged, VKEY)
    with pytest.raises(Unverified, match="no signature of"):
        opened(note.split("—")[0] + witness, VKEY)


@pytest.mark.parametrize(
    "note",
    [
        "",
        "a\n1\n" + "A" * 44 + "\n",
        "no signature\n\n",
        f"{NAME}\n01\n{'A' * 43}=\n\n— a AAAAAAAA\n",
        f"{NAME}\n-1\n{'A' * 43}=\n\n— a AAAAAAAA\n",
        f"{NAME}\n1\n{'A' * 44}\n\n— a AAAAAAAA\n",
        f"{NAME}\n1\n{'A' * 43}=\nextension\n\n— a AAAAAAAA\n",
        f"\n1\n{'A' * 43}=\n\n— a AAAAAAAA\n",
        f"{NAME}\n1\n{'A' * 43}=\n\n- a AAAAAAAA\n",
        f"{NAME}\n1\n{'A' * 43}=\n\n— a  AAAAAAAA\n",
        f"{NAME}\n1\n{'A' * 43}=\n\n— a+b AAAAAAAA\n",
        f"{NAME}\n1\n{'A' * 43}=\n\n—  AAAAAAAA\n",
        f"{NAME}\n1\n{'A' * 43}=\n\n— a AAAA\n",
        f"{NAME}\n1\n{'A' * 43}=\n\n— a AAAAAAAB=\n",
        f"{NAME}\n1\n{'A' * 43}=\n\n— a AAAAAAAA",
        f"{NAME}\n1\n{'A' * 43}=\n\n" + "— a AAAAAAAA\n" * 101,
        f"{NAME}\r\n1\n{'A' * 43}=\n\n— a AAAAAAAA\n",
        f"{NAME}\ud800\n1\n{'A' * 43}=\n\n— a AAAAAAAA\n",
        f"{NAME}\n99999999999999999\n{'A' * 43}=\n\n— a AAAAAAAA\n",
        f"{NAME}\n9999999999999999\n{'A' * 43}=\n\n— a AAAAAAAA\n",
        "x" * 70_000,
    ],
    ids=range(21),
)
def test_a_malformed_note_is_refused(note: str) -> None:
    with pytest.raises(InvalidInput):
        ledger.parse_note(note)


@given(st.text())
def test_no_text_makes_the_note_parser_fail_otherwise(text: str) -> None:
    with pytest.raises(InvalidInput):
        ledger.parse_note(text)


def test_checkpoints_and_keys_that_cannot_be_written_are_refused() -> None:
    with pytest.raises(InvalidInput, match="origin"):
        Checkpoint("two\nlines", 1, bytes(32))
    with pytest.raises(InvalidInput, match="size"):
        Checkpoint(NAME, -1, bytes(32))
    with pytest.raises(InvalidInput, match="31 bytes"):
        Checkpoint(NAME, 1, bytes(31))
    with pytest.raises(InvalidInput, match="key name"):
        ledger.verifier_key("two words", PUBLIC)
    with pytest.raises(InvalidInput, match="31 bytes"):
        ledger.verifier_key(NAME, PUBLIC[:31])


# Bundles

ENTRIES = [
    entry(Kind.DECISION_MADE, AT, call=CALL, data={"mode": "ask", "serial": n}) for n in range(7)
]
LEAVES = [ledger.leaf_hash(item) for item in ENTRIES]


def note(size: int, *, origin: str = NAME, leaves: list[bytes] = LEAVES) -> str:
    checkpoint = Checkpoint(origin, size, ledger.root(leaves[:size]))
    return ledger.sign_note(checkpoint, NAME, PUBLIC, KEY.sign)


def made(**changes: Any) -> bytes:
    given: dict[str, Any] = {
        "entries": {1: ENTRIES[1], 4: ENTRIES[4]},
        "leaves": LEAVES,
        "notes": [note(3), note(6)],
        "vkey": VKEY,
        "verifier": "# the verifier\n",
    }
    return ledger.bundle(**(given | changes))


def test_a_bundle_holds_every_part_and_a_manifest_of_them() -> None:
    with zipfile.ZipFile(io.BytesIO(made(extra={"stamps/6.tsr": b"stamp"}))) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    manifest = json.loads(files["manifest.json"])
    assert sorted(files) == [
        "README.txt",
        "checkpoints/0000000000000003.txt",
        "checkpoints/0000000000000006.txt",
        "consistency.json",
        "entries.jsonl",
        "extra/stamps/6.tsr",
        "key.txt",
        "manifest.json",
        "proofs.jsonl",
        "verify.py",
    ]
    assert (manifest["origin"], manifest["size"], manifest["entries"]) == (NAME, 6, 2)
    assert manifest["files"] == {
        name: hashlib.sha256(content).hexdigest()
        for name, content in files.items()
        if name != "manifest.json"
    }
    rows = [json.loads(line) for line in files["entries.jsonl"].splitlines()]
    assert rows == [{"index": i, "entry": ENTRIES[i].decode()} for i in (1, 4)]


def test_equal_input_gives_equal_bytes() -> None:
    assert made() == made(
        entries={4: ENTRIES[4], 1: ENTRIES[1]}, notes=iter([note(6), note(3), note(3)])
    )


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"notes": []}, InvalidInput),
        ({"notes": [ledger.sign_note(Checkpoint(NAME, 0, ledger.EMPTY_ROOT), NAME, PUBLIC,
                                     KEY.sign)]}, InvalidInput),
        ({"notes": [note(3), note(6, origin="other.example")]}, InvalidInput),
        ({"notes": [note(6)], "entries": {6: ENTRIES[6]}}, InvalidInput),
        ({"notes": [note(7)], "leaves": LEAVES[:6]}, InvalidInput),
        ({"entries": {0: ENTRIES[1]}}, Unverified),
        ({"notes": [note(6, leaves=LEAVES[::-1])]}, Unverified),
        ({"vkey": ledger.verifier_key(NAME + "2", PUBLIC)}, Unverified),
        ({"vkey": "nonsense"}, InvalidInput),
        ({"extra": {"../up": b""}}, InvalidInput),
        ({"extra": {"/root": b""}}, InvalidInput),
        ({"extra": {"A B": b""}}, InvalidInput),
    ],
    ids=range(12),
)  # fmt: skip
def test_a_bundle_that_would_not_verify_is_not_made(
    changes: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        made(**changes)


def test_a_bundle_beyond_the_limits_is_not_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "MAX_BUNDLE_BYTES", 1000)
    with pytest.raises(InvalidInput, match="1000 bytes"):
        made()
    monkeypatch.setattr(ledger, "MAX_BUNDLE_ENTRIES", 1)
    with pytest.raises(InvalidInput, match="1 entries"):
        made()
