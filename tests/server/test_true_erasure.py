"""Erasing somebody is true: no byte, no tone and no key of theirs is left in the data folder.

Everything that a call can leave is planted first, and a copy taken before the erasure shows that
the same search finds each of it. Then the person is erased while the installation runs.
"""

from __future__ import annotations

import base64
import json
import logging
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest
from tests.server import rig
from tests.server.deskrig import ASKED, SETTINGS, agent, called, has, until
from tests.server.people import draft, meet
from tests.server.rig import AT, NORWAY

from askfirst.audio.container import encode_wav
from askfirst.audio.tone import find_tone, tone
from askfirst.canonical import canonical
from askfirst.ledger import parse_note
from askfirst.merkle import leaf_hash, unhex, verify_inclusion
from askfirst.server import callnotes, corrections, followups, legalholds, objections, subjectrights
from askfirst.server.account import change
from askfirst.server.callnotes import Written
from askfirst.server.clock import utc_now
from askfirst.server.database import reading, transaction
from askfirst.server.desk import Desk
from askfirst.server.emptydisk import as_sound, everything
from askfirst.server.export import vcon_of
from askfirst.server.ledger import Ledger
from askfirst.server.node import Node
from askfirst.server.once import Answer, Once
from askfirst.server.playback import Playback
from askfirst.server.searchtokens import Tokens
from askfirst.server.store import Store
from askfirst.server.transcripts import from_bytes
from askfirst.speech.scripted import Scripted
from askfirst.telephony.memoryleg import MemoryLeg

TONE_HZ = (440.0, 1000.0)
NAME, COMPANY, MAIL = "Zæbra Ødegård", "Quokka Fjærland", "zaebra.odegard@example.org"
SAID, WRITTEN, PROMISED = "marmalade wombat", "owes us a pelican", "ask about the pangolin"
HELD = "quarrel over the axolotl"
CORRECTED = "marmalade numbat"
SPELLED = (NORWAY, "004748750103", "48750103", "48 75 01 03", "+47 487 50 103")
TEXTS = {
    "name": (NAME,),
    "company": (COMPANY,),
    "mail": (MAIL,),
    "words": (SAID,),
    "note": (WRITTEN,),
    "follow-up": (PROMISED,),
    "hold": (HELD,),
    "corrected": (CORRECTED,),
    "number": SPELLED,
}


@dataclass
class Planted:
    """An installation that holds everything, and what to look for beside texts and tones."""

    node: Node
    call: str
    recording: str
    keys: dict[str, bytes] = field(default_factory=dict)
    tokens: dict[str, bytes] = field(default_factory=dict)

    @property
    def store(self) -> Store:
        return self.node.store


def forms(text: str) -> Iterator[bytes]:
    """A text as it may lie in a file."""
    for encoding in ("utf-8", "utf-16-le", "utf-16-be", "latin-1"):
        yield text.encode(encoding)
    yield json.dumps(text)[1:-1].encode()
    yield text.casefold().encode()
    yield text.encode().hex().encode()
    yield text.encode().hex().upper().encode()
    # In base64 a text looks different at each of three places; its ends are shared with others.
    for before in range(3):
        coded = base64.b64encode(b"\0" * before + text.encode())
        yield coded[4 if before else 0 : -4]


def found_in(store: Store, planted: Planted, *, spectral: bool = True) -> set[str]:
    """What of everything planted is in a data folder, or in what its keys still open."""
    needles = {
        **{text: list(forms(text)) for texts in TEXTS.values() for text in texts},
        **{f"key {name}": [key, key.hex().encode()] for name, key in planted.keys.items()},
        **{name: [token, token.hex().encode()] for name, token in planted.tokens.items()},
    }
    found: set[str] = set()
    for _, data in everything(store, [store.folder]):
        folded = data.lower()
        found |= {
            what
            for what, sought in needles.items()
            if any(form in data or form in folded for form in sought)
        }
        if spectral and "tone" not in found:
            heard = (find_tone(samples, rate, TONE_HZ) for samples, rate in as_sound(data))
            found |= {"tone"} if any(heard) else set()
    return found


def wrapped_keys(folder: Path) -> dict[str, bytes]:
    with closing(sqlite3.connect(folder / "keys" / "keys.db")) as opened:
        return {
            str(name): bytes(key) for name, key in opened.execute("SELECT id, wrapped FROM keys")
        }


@pytest.fixture
def planted(tmp_path: Path) -> Iterator[Planted]:
    """A call with everything in it, recorded through the desk, finished, read and exported."""
    node = Node.open(tmp_path / "data", Scripted([SAID] * 20))
    store = node.store
    with transaction(store.engine) as connection:
        change(connection, {**SETTINGS, "home_place": "NO"}, None, AT)
    kari = agent(node, "kari")
    contact = meet(
        store, draft(NAME, NORWAY, company=COMPANY, email=MAIL, notes=f"{NAME}: {WRITTEN}")
    )
    made: list[str] = []

    async def scenario(desk: Desk) -> None:
        live = await desk.place(kari, NORWAY, MemoryLeg())
        made.append(live.id)
        live.record()
        await until(live, has(light="recording"))
        await until(live, has(settled=True))

    folder = tmp_path / "callee"
    folder.mkdir()
    steps = ('say="contact"\naudio="planted.wav"',) * 6
    sound = tone(TONE_HZ, 1_000, -20.0)
    (folder / "planted.wav").write_bytes(encode_wav(sound.reshape(1, -1)))
    called(node, tmp_path, (*ASKED[:4], *steps, rig.BYE), scenario)
    node.jobs.wait()
    (call,) = made
    (row,) = rig.recording_rows(store, call)
    person = kari.person
    with transaction(store.engine) as connection:
        callnotes.save(
            connection, person, call, 0, Written(None, f"{NAME} {WRITTEN} {SPELLED}"), utc_now()
        )
        followups.promise(
            connection, contact, (AT + timedelta(days=3)).date(), note=PROMISED, call=call
        )
        once = Once(store.keys, "token_1", "a request")
        once.begin(connection, f"to {NORWAY}".encode(), utc_now())
        once.end(connection, Answer(200, "application/json", f'{{"to": "{NORWAY}"}}'.encode()))
    legalholds.place(store, row.id, kari.id, HELD, utc_now())
    legalholds.release(store, row.id, kari.id, f"{HELD}, settled", utc_now())
    corrections.correct(store, row.id, 0, {0: CORRECTED}, kari.id, utc_now())
    Playback(store).play(row.id, person=kari.id, purpose="training")
    vcon_of(node, call, person=kari.id, purpose="export")
    wrapped = {
        name: key
        for name, key in wrapped_keys(store.folder).items()
        if row.id in name or name == f"salt:{call}/1"
    }
    keys = {f"wrapped {name}": key for name, key in wrapped.items()}
    keys |= {name: store.keys.get(name) for name in wrapped if ":" not in name}
    keys["the salt"] = store.keys.salt(f"{call}/1")
    language = rig.call_row(store, call).language
    made_of = Tokens(store.keys.search_key())
    tokens = {f"token of {word}": made_of.said(language, [word]) for word in SAID.split()}
    yield Planted(node, call, row.id, keys, tokens)
    node.close()


def erased(planted: Planted) -> subjectrights.Erased:
    with reading(planted.store.engine) as connection:
        person = subjectrights.who(connection, number=NORWAY)
    return subjectrights.erase_person(planted.store, person, None, utc_now(), dry_run=False)


def copied(planted: Planted, folder: Path) -> Store:
    """The installation as it is now, in a folder of its own."""
    shutil.copytree(planted.store.folder, folder)
    return Store.open(folder)


def test_the_search_finds_everything_before_and_nothing_after(
    planted: Planted, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    before = copied(planted, tmp_path / "before")
    words = from_bytes(Playback(before).asset(planted.recording, "transcript") or b"[]")
    assert SAID in " ".join(each.text for each in words)
    unwrapped = {f"key {name}" for name in planted.keys if not name.startswith("wrapped ")}
    assert (
        found_in(before, planted)
        == (
            {*(text for texts in TEXTS.values() for text in texts), "tone"}
            | {f"key {name}" for name in planted.keys}
            | set(planted.tokens)
        )
        - unwrapped
    ), "every planted thing is there, no key in clear"
    before.close()

    assert erased(planted)["traces_left"] is False

    assert found_in(planted.store, planted) == set(), "while the installation runs"
    planted.node.jobs.wait()
    assert found_in(planted.store, planted) == set(), "after its jobs"
    for texts in TEXTS.values():
        assert not [text for text in texts if text in caplog.text]


def test_nothing_is_left_after_the_installation_was_closed_and_opened_again(
    planted: Planted,
) -> None:
    erased(planted)
    folder = planted.store.folder
    planted.node.close()

    store = Store.open(folder)

    assert found_in(store, planted) == set()
    with reading(store.engine) as connection:
        assert not objections.objected(store.erasures, connection, NORWAY)
    store.close()
    planted.node = Node.open(folder, Scripted())


def test_the_ledger_still_verifies_and_proves_the_erasure(planted: Planted) -> None:
    erased(planted)
    ledger: Ledger = planted.store.ledger

    ledger.verify()

    of_call = dict(ledger.entries(planted.call))
    shown = {entry["kind"]: position for position, entry in of_call.items()}
    assert {"consent.given", "erasure.intended", "recording.erased"} <= set(shown)
    for kind in ("erasure.intended", "recording.erased"):
        proof = ledger.prove(shown[kind], utc_now())
        point = parse_note(proof["checkpoint"])[0]
        verify_inclusion(
            leaf_hash(canonical(of_call[shown[kind]])),
            shown[kind],
            proof["size"],
            [unhex("proof", node) for node in proof["proof"]],
            point.root,
        )
    (row,) = rig.recording_rows(planted.store, planted.call)
    assert (row.state, row.duration_ms) == ("erased", None)
    assert rig.call_row(planted.store, planted.call).outcome == "erased"
