"""From spool to recording: laid out by capture time, encrypted anew, spool destroyed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.server import rig
from tests.server.rig import AGENT, BYE, HELLO, KEYED

from askfirst.audio.container import decode
from askfirst.audio.mixing import in_frames, level_dbfs, to_pcm
from askfirst.audio.tone import dtmf, find_dtmf, find_tone, tone
from askfirst.errors import KeyUnreadable, NotFound, Unavailable, Unverified
from askfirst.model import SAMPLE_RATE_HZ
from askfirst.server import sealing
from askfirst.server.sealing import SpoolFile, lay_out, mix, seal_recording, write_asset
from askfirst.server.store import Store

LEVEL = 1000


def part(
    side: str, position: int, *times: int, kind: str = "open", level: int = LEVEL
) -> SpoolFile:
    frames = tuple((at_ms, rig.frame("x", at_ms, level).pcm) for at_ms in times)
    return SpoolFile(side, kind, position, 7, frames, is_complete=True)


def spooled(store: Store, tmp_path: Path, *steps: str) -> str:
    """A recording whose call is over and whose spool is not yet sealed."""
    call = rig.virtually(store, rig.callee(tmp_path / "callee", *(steps or (*KEYED, BYE))))
    return call.recordings[0]


def test_stretches_follow_each_other_without_the_gap_between_them() -> None:
    laid = lay_out([part("own", 2, 5000, 5020), part("contact", 1, 100, 140), part("own", 1, 120)])

    assert [(item.position, item.from_ms, item.to_ms, item.file_ms) for item in laid] == [
        (1, 100, 160, 0),
        (2, 5000, 5040, 60),
    ]


def test_a_file_without_frames_takes_no_room() -> None:
    assert lay_out([part("own", 1), part("contact", 2, 40)])[0].file_ms == 0
    assert lay_out([]) == []


@pytest.mark.parametrize("own_channel", [0, 1])
def test_each_side_is_on_its_channel_and_at_its_capture_time(own_channel: int) -> None:
    parts = [part("own", 1, 0, 20, level=111), part("contact", 1, 40, level=222)]

    mixed, _ = mix(parts, lay_out(parts), own_channel)

    assert mixed.shape == (2, 60 * 16)
    assert set(mixed[own_channel, : 40 * 16]) == {111}
    assert set(mixed[own_channel, 40 * 16 :]) == {0}
    assert set(mixed[1 - own_channel, 40 * 16 :]) == {222}
    assert set(mixed[1 - own_channel, : 40 * 16]) == {0}


def test_two_contacts_are_mixed_and_never_wrap_around() -> None:
    parts = [part("contact", 1, 0, level=30_000), part("contact", 1, 0, level=30_000)]

    mixed, _ = mix(parts, lay_out(parts), 0)

    assert set(mixed[1]) == {32767}
    assert mixed.dtype == np.int16


def test_tones_of_keys_are_silence_in_the_recording_and_what_is_said_around_them_is_not() -> None:
    said = [*in_frames(to_pcm(tone((300.0,), 400))), *in_frames(to_pcm(dtmf("4929", 80, 120)))]
    said += in_frames(to_pcm(tone((300.0,), 400)))
    frames = tuple((at * 20, pcm) for at, pcm in enumerate(said))
    parts = [
        SpoolFile("contact", "open", 1, 1, frames, True),
        SpoolFile("own", "open", 1, 1, frames, True),
    ]

    mixed, keys = mix(parts, lay_out(parts), 0)

    assert keys == 8
    for channel in mixed:
        assert find_dtmf(channel, 16_000) == []
        keyed = channel[400 * 16 : 1_200 * 16]
        assert level_dbfs(keyed) < -60
        assert level_dbfs(channel[: 360 * 16]) > -25
        assert level_dbfs(channel[-380 * 16 :]) > -25


def test_a_recording_is_sealed_once_and_its_spool_is_gone(store: Store, tmp_path: Path) -> None:
    recording = spooled(store, tmp_path)
    assert rig.spool_files(store)

    assert seal_recording(store, recording, rig.AT)
    assert seal_recording(store, recording, rig.AT)

    assert rig.spool_files(store) == []
    assert not (store.spool / recording).exists()
    assert len([name for name in store.blobs.names() if name.startswith(recording)]) == 1
    assert [key for key in rig.key_ids(store) if "/spool/" in key] == []
    assert rig.kinds(store).count("recording.sealed") == 1
    (row,) = rig.recording_rows(store)
    assert (row.state, row.is_truncated) == ("sealed", False)
    assert row.duration_ms > 2000


def test_the_file_is_stereo_with_the_caller_first(store: Store, tmp_path: Path) -> None:
    recording = spooled(store, tmp_path)
    seal_recording(store, recording, rig.AT)
    rig.change(store, recording, state="ready")

    from askfirst.server.playback import Playback

    samples, rate = decode(Playback(store).replay(recording, is_original=True))
    assert samples.shape[0] == 2
    ours, theirs = samples[0], samples[1]
    assert find_tone(ours, rate, (rig.VOICES["agent"],))
    assert not find_tone(theirs, rate, (rig.VOICES["agent"],))
    assert find_tone(theirs, rate, (rig.VOICES["contact"],))
    assert not find_tone(ours, rate, (rig.VOICES["contact"],))
    assert rate >= SAMPLE_RATE_HZ


def test_no_bytes_of_the_audio_are_stored_in_clear(store: Store, tmp_path: Path) -> None:
    recording = spooled(store, tmp_path)
    spool = [path.read_bytes() for path in (store.spool / recording).iterdir()]
    seal_recording(store, recording, rig.AT)
    (name,) = store.blobs.names()

    assert all(b"RIFF" not in data and b'"leg"' not in data for data in spool)
    assert not store.blobs.read(name).startswith(b"OggS")


def test_a_key_that_is_gone_leaves_the_spool(store: Store, tmp_path: Path) -> None:
    recording = spooled(store, tmp_path)
    before = rig.spool_files(store)
    for key in rig.key_ids(store):
        store.keys.destroy(key)

    with pytest.raises(KeyUnreadable):
        seal_recording(store, recording, rig.AT)

    assert rig.spool_files(store) == before
    assert rig.recording_rows(store)[0].state == "spool"


def test_damage_in_the_middle_is_refused_and_nothing_is_destroyed(
    store: Store, tmp_path: Path
) -> None:
    recording = spooled(store, tmp_path, *KEYED, *(HELLO, AGENT) * 3, BYE)
    path = max((store.spool / recording).iterdir(), key=lambda item: item.stat().st_size)
    data = bytearray(path.read_bytes())
    data[5000] ^= 0x40
    path.write_bytes(data)

    with pytest.raises(Unverified, match=path.name):
        seal_recording(store, recording, rig.AT)

    assert path.exists()
    assert store.blobs.names() == []


def test_a_file_that_cannot_be_read_is_unavailable(store: Store, tmp_path: Path) -> None:
    recording = spooled(store, tmp_path)
    path = next((store.spool / recording).iterdir())
    path.unlink()
    path.mkdir()

    with pytest.raises(Unavailable, match="spool file"):
        seal_recording(store, recording, rig.AT)


def test_a_torn_end_is_sealed_as_far_as_it_goes_and_marked(store: Store, tmp_path: Path) -> None:
    recording = spooled(store, tmp_path)
    path = max((store.spool / recording).iterdir(), key=lambda item: item.stat().st_size)
    path.write_bytes(path.read_bytes()[:-100])

    assert seal_recording(store, recording, rig.AT)

    assert rig.recording_rows(store)[0].is_truncated
    assert "recording.recovered" in rig.kinds(store)


def test_a_spool_with_a_notice_only_makes_no_recording(store: Store, tmp_path: Path) -> None:
    recording = spooled(store, tmp_path)
    for path in (store.spool / recording).iterdir():
        if not path.name.startswith("0001"):
            path.unlink()

    assert not seal_recording(store, recording, rig.AT)
    assert store.blobs.names() == []


def test_an_object_that_reads_back_differently_is_refused(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = spooled(store, tmp_path)
    monkeypatch.setattr(sealing, "open_sealed", lambda *_: b"something else")

    with pytest.raises(Unverified, match="reads back"):
        seal_recording(store, recording, rig.AT)

    assert rig.spool_files(store), "the spool stays"


def test_a_recording_that_is_not_there_is_not_found(store: Store) -> None:
    with pytest.raises(NotFound):
        seal_recording(store, "rec_" + "0" * 32, rig.AT)


def test_an_asset_is_written_once(recorded: rig.Recorded) -> None:
    write_asset(recorded.store, recorded.id, "notes", b"one", rig.AT)
    write_asset(recorded.store, recorded.id, "notes", b"two", rig.AT)

    assert recorded.node.playback.asset(recorded.id, "notes") == b"one"
