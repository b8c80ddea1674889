"""The empty-disk proof finds what is there, wherever it hides, and says where."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.server import rig
from tests.server.rig import BYE, HELLO, KEYED

from askfirst.audio.container import encode_ogg_opus, encode_wav
from askfirst.audio.mixing import to_pcm
from askfirst.audio.tone import CONTROL_HZ, MARKER_HZ, tone
from askfirst.server.emptydisk import search
from askfirst.server.sealing import write_asset
from askfirst.server.store import Store

MARKER = tone(MARKER_HZ, 1_000, -22.0)
CONTROL = 'tone="control"\nms=500'


def test_a_kept_call_has_the_control_tone_and_no_marker(store: Store, tmp_path: Path) -> None:
    persona = rig.callee(tmp_path / "callee", *KEYED, CONTROL, HELLO, BYE)
    call = rig.virtually(store, persona)
    from askfirst.server.sealing import seal_recording

    seal_recording(store, call.recordings[0], rig.AT)

    found = search(store, [store.folder], ["words that nobody said"])

    assert (found.marker_found, found.control_found, found.where) == (False, True, ())
    assert found.files_searched > 4
    assert found.bytes_searched > 100_000


def test_an_empty_store_has_nothing_and_proves_nothing(store: Store) -> None:
    found = search(store, [store.folder], [])

    assert (found.marker_found, found.control_found) == (False, False)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("raw", to_pcm(MARKER)),
        ("raw at an odd place", b"x" + to_pcm(MARKER)),
        ("wav", encode_wav(MARKER.reshape(1, -1))),
        ("opus", encode_ogg_opus(MARKER.reshape(1, -1))),
        ("raw at 8 kHz", to_pcm(MARKER[::2])),
        ("behind four megabytes", bytes(4 * 1024 * 1024) + to_pcm(MARKER)),
    ],
)
def test_the_marker_is_found_in_any_usual_form(store: Store, name: str, data: bytes) -> None:
    (store.folder / "left-behind").write_bytes(data)

    found = search(store, [store.folder], [])

    assert found.where == ("left-behind",), name


def test_the_marker_is_found_under_speech(store: Store) -> None:
    noise = np.random.default_rng(1).integers(-2000, 2000, MARKER.shape, dtype=np.int16)
    (store.folder / "left-behind").write_bytes(to_pcm((MARKER + noise).astype(np.int16)))

    assert search(store, [store.folder], []).marker_found


def test_the_marker_is_found_in_what_only_our_keys_open(recorded: rig.Recorded) -> None:
    write_asset(recorded.store, recorded.id, "sample", to_pcm(MARKER), rig.AT)

    found = search(recorded.store, [recorded.store.folder], [])

    assert found.where == ("sample (decrypted)",)


def test_the_marker_is_found_in_a_spool_that_was_not_cleared(store: Store) -> None:
    recorder = rig.recorder(store, "rec_" + "b" * 32)
    from tests.server.test_recorder import opened

    recorder.follow(opened())
    for index in range(50):
        pcm = to_pcm(MARKER[index * 320 : (index + 1) * 320])
        recorder.push(rig.Frame("contact", index * 20, pcm))
    recorder.close()

    found = search(store, [store.folder], [])

    assert found.where == ("spool (decrypted)",)


def test_words_are_found_in_a_database_and_in_its_log(store: Store) -> None:
    with store.engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE slip (said TEXT)")
        connection.exec_driver_sql("INSERT INTO slip VALUES ('I would rather not.')")

    found = search(store, [store.folder], ["I would rather not."])

    assert found.marker_found
    assert any(name.startswith("askfirst.db") for name in found.where)


def test_the_control_tone_is_not_the_marker(store: Store) -> None:
    sound = encode_wav(tone(CONTROL_HZ, 1_000, -22.0).reshape(1, -1))
    (store.folder / "control").write_bytes(sound)

    found = search(store, [store.folder], [])

    assert (found.marker_found, found.control_found) == (False, True)
