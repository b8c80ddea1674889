"""Peaks: what the picture shows is what was recorded, and it goes with the recording."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.server import rig
from tests.server.rig import BYE, HELLO

from askfirst.audio.container import decode
from askfirst.audio.tone import tone
from askfirst.errors import KeyUnreadable, NotFound, Refused, Unavailable
from askfirst.server import erasure
from askfirst.server.database import assets, transaction
from askfirst.server.peaks import FULL, POINTS, Peaks, measure, peaks_of, prepare
from askfirst.server.playback import decryptable
from askfirst.server.store import Store

RATE = 8_000


def quiet(seconds: float) -> NDArray[np.int16]:
    return np.zeros(int(seconds * RATE), np.int16)


def voice(seconds: float, dbfs: float = -20.0) -> NDArray[np.int16]:
    made: NDArray[np.int16] = tone((440,), int(seconds * 1000), dbfs)[:: 16_000 // RATE]
    return made


def both(first: list[NDArray[np.int16]], second: list[NDArray[np.int16]]) -> NDArray[np.int16]:
    return np.stack([np.concatenate(first), np.concatenate(second)])


@pytest.mark.parametrize(
    ("first", "second", "silences"),
    [
        ([voice(2), quiet(3), voice(1)], [quiet(6)], [(2200, 4800)]),
        ([voice(2), quiet(4)], [quiet(3), voice(3)], []),
        ([quiet(2), voice(1), quiet(3)], [quiet(6)], [(200, 1800), (3200, 6000)]),
        ([voice(1, -60.0), voice(5)], [quiet(6)], []),
        ([voice(2, -60.0), voice(4)], [quiet(6)], [(200, 1800)]),
        ([voice(2, -38.0), voice(4)], [quiet(6)], []),
    ],
    ids=["a break", "too short", "both ends", "one second", "room noise", "quiet talking"],
)
def test_only_what_is_quiet_in_both_lanes_for_more_than_a_second_may_be_skipped(
    first: list[NDArray[np.int16]],
    second: list[NDArray[np.int16]],
    silences: list[tuple[int, int]],
) -> None:
    found = measure(both(first, second), RATE).silences

    assert len(found) == len(silences)
    for at, wanted in zip(found, silences, strict=True):
        assert at == pytest.approx(wanted, abs=40)


def kept(store: Store, recording: str) -> list[str]:
    """The objects that peaks of a recording lie in."""
    return [name for name in store.blobs.names() if name.startswith(f"{recording}/peaks-")]


@pytest.mark.parametrize("state", ["spool", "sealed", "checking", "quarantined", "erased"])
def test_only_a_ready_recording_shows_its_peaks(recorded: rig.Recorded, state: str) -> None:
    assert kept(recorded.store, recorded.id), "there are some"
    rig.change(recorded.store, recorded.id, state=state)

    with pytest.raises(Refused, match=state):
        peaks_of(recorded.store, recorded.id)


def test_a_recording_that_is_held_back_has_no_peaks(recorded: rig.Recorded, tmp_path: Path) -> None:
    untold = ('do="telling"', 'do="informed"', HELLO, 'say="agent"\naudio="agent.wav"', HELLO, BYE)
    persona = rig.callee(
        tmp_path / "untold", *untold, number=rig.CALIFORNIA, agent="US-TX", announces=False
    )
    node = recorded.node
    call = rig.virtually(node.store, persona, on_outbox=node.jobs.dispatch)
    node.jobs.wait()

    (row,) = rig.recording_rows(node.store, call.id)
    assert row.state == "quarantined"
    assert kept(node.store, row.id) == []
    prepare(node.store, row.id)
    assert kept(node.store, row.id) == []


def test_erasing_a_recording_erases_its_peaks_and_none_come_again(recorded: rig.Recorded) -> None:
    store = recorded.store
    (name,) = kept(store, recorded.id)
    sealed = store.blobs.read(name)

    with transaction(store.engine) as connection:
        erasure.intend(store, connection, recorded.id, "request", rig.AT)
    erasure.erase(store, recorded.id, rig.AT)

    assert store.blobs.names() == []
    assert [key for key in rig.key_ids(store) if "peaks" in key] == []
    with pytest.raises(Refused):
        peaks_of(store, recorded.id)
    store.blobs.put_new(name, sealed)  # as a backup would bring it back
    with pytest.raises(KeyUnreadable):
        store.keys.get(name)


def test_peaks_are_made_when_the_recording_is_ready_and_lie_encrypted(
    recorded: rig.Recorded,
) -> None:
    store = recorded.store
    (name,) = kept(store, recorded.id)

    assert b"channels" not in store.blobs.read(name)
    opened = dict(decryptable(store))["peaks (decrypted)"]
    assert Peaks.from_bytes(opened) == peaks_of(store, recorded.id)


def test_peaks_are_those_of_the_sound_that_is_played(recorded: rig.Recorded) -> None:
    found = peaks_of(recorded.store, recorded.id)
    samples, rate = decode(recorded.node.playback.replay(recorded.id), RATE)

    assert found.duration_ms == recorded.row.duration_ms
    sound = np.abs(samples[:, : found.duration_ms * rate // 1000].astype(np.int32))
    for channel, shown in zip(sound, found.channels, strict=True):
        edges = np.arange(len(shown) + 1) * len(channel) // len(shown)
        for number in (0, len(shown) // 3, len(shown) // 2, len(shown) - 1):
            part = channel[edges[number] : edges[number + 1]]
            assert shown[number] == part.max() * FULL // 32_768
        assert max(shown) > 50
    assert len(found.channels[0]) == len(found.channels[1]) <= POINTS


def test_an_older_recording_gets_its_peaks_when_it_is_opened(recorded: rig.Recorded) -> None:
    store = recorded.store
    made = peaks_of(store, recorded.id)
    (name,) = kept(store, recorded.id)
    with transaction(store.engine) as connection:
        connection.execute(assets.delete().where(assets.c.id == name))
    store.blobs.delete(name)

    assert peaks_of(store, recorded.id) == made
    assert len(kept(store, recorded.id)) == 1
    assert peaks_of(store, recorded.id) == made
    assert len(kept(store, recorded.id)) == 1


def test_a_disk_that_refuses_costs_the_peaks_and_not_the_recording(recorded: rig.Recorded) -> None:
    store = recorded.store
    (name,) = kept(store, recorded.id)
    with transaction(store.engine) as connection:
        connection.execute(assets.delete().where(assets.c.id == name))

    with rig.unwritable(store):
        with pytest.raises(Unavailable):
            peaks_of(store, recorded.id)
        prepare(store, recorded.id)

    assert recorded.row.state == "ready"
    assert len(peaks_of(store, recorded.id).channels) == 2


def test_nobody_has_a_recording_that_is_not_there(store: Store) -> None:
    with pytest.raises(NotFound):
        peaks_of(store, "rec_" + "0" * 32)


def test_a_value_is_the_largest_sample_of_its_part_whichever_its_sign() -> None:
    samples = np.zeros((2, RATE), np.int16)
    samples[0, 10], samples[1, RATE - 1] = -32_768, 16_384

    found = measure(samples, RATE)

    assert found.channels[0][0] == FULL
    assert sum(found.channels[0][1:]) == 0
    assert found.channels[1][-1] == FULL // 2
    assert sum(found.channels[1][:-1]) == 0


@pytest.mark.parametrize("seconds", [0.02, 1, 39.99, 40, 75.5])
def test_a_long_recording_has_as_many_values_as_a_picture_needs(seconds: float) -> None:
    found = measure(np.stack([quiet(seconds), quiet(seconds)]), RATE)

    frames = int(seconds * RATE) // (RATE // 50)
    assert [len(channel) for channel in found.channels] == [min(POINTS, frames)] * 2
    assert found.duration_ms == int(seconds * RATE) * 1000 // RATE


def test_talking_is_shared_out_and_with_silence_makes_the_whole() -> None:
    # 4 s the first alone, 2 s both, 3 s the second alone, 1 s nobody
    samples = both([voice(6), quiet(4)], [quiet(4), voice(5), quiet(1)])

    found = measure(samples, RATE)

    assert found.shares == (50, 40, 10)
    assert sum(found.talk_ms) + found.silence_ms == found.duration_ms == 10_000


def test_a_breath_belongs_to_the_talking_and_noise_does_not() -> None:
    breath = both([voice(1), quiet(0.2), voice(1)], [voice(2.2, -60.0)])
    pause = both([voice(1), quiet(1), voice(1)], [quiet(3)])

    assert measure(breath, RATE).talk_ms == (2_200, 0)
    assert measure(pause, RATE).talk_ms == (2_000, 0)


def test_peaks_read_back_as_they_were_kept() -> None:
    found = measure(both([voice(1)], [quiet(1)]), RATE)

    assert Peaks.from_bytes(found.to_bytes()) == found
    assert set(json.loads(found.to_bytes())) == {
        "duration_ms",
        "channels",
        "talk_ms",
        "silence_ms",
    }
