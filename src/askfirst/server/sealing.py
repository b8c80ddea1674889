"""From spool to recording: one encrypted stereo file under a new key, then no spool.

Channel 1 is the caller's side, channel 2 the called side. Silence between stretches is not
kept; the segment list says which call time each part of the file is.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from askfirst.audio.container import encode_ogg_opus
from askfirst.audio.tone import find_key_tones
from askfirst.errors import NotFound, Refused, Unverified
from askfirst.ledger import Kind
from askfirst.model import FRAME_MS, SAMPLE_RATE_HZ, RecordingState
from askfirst.server.blobs import disk_trouble
from askfirst.server.database import assets, calls, reading, recordings, segments, transaction
from askfirst.server.recorder import RECORD, SPOOL_SEGMENT_BYTES, remove_folder
from askfirst.server.store import Store
from askfirst.server.vault import BytesSource, associated_data, open_sealed, recover, seal

ASSET_SEGMENT_BYTES = 65_536
_SAMPLES_PER_MS = SAMPLE_RATE_HZ // 1000
_UNSEALED = {
    RecordingState.SPOOL.value: RecordingState.SEALED.value,
    RecordingState.QUARANTINED.value: RecordingState.QUARANTINED.value,
}


@dataclass(frozen=True, slots=True)
class SpoolFile:
    """What one spool file still holds: whose side, which stretch, frames by capture time."""

    side: str
    kind: str
    position: int
    permit: int
    frames: tuple[tuple[int, bytes], ...]
    is_complete: bool


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of the final file: call time `from_ms` to `to_ms`, starting at `file_ms`."""

    position: int
    kind: str
    permit: int
    from_ms: int
    to_ms: int
    file_ms: int


def read_spool(store: Store, recording: str) -> list[SpoolFile]:
    """Every committed spool file of a recording, as far as it is authentic."""
    folder = store.spool / recording
    paths = sorted(folder.glob("*.part")) if folder.is_dir() else []
    return [parsed for path in paths if (parsed := _read_part(store, recording, path))]


def _read_part(store: Store, recording: str, path: Path) -> SpoolFile | None:
    token = path.name.split("-")[1]
    key = store.keys.get(f"{recording}/spool/{token}")
    try:
        sealed = path.read_bytes()
    except OSError as error:
        raise disk_trouble(f"read the spool file {path.name} of {recording}", error) from error
    found = recover(
        BytesSource(sealed),
        key,
        associated_data(1, recording, "spool"),
        SPOOL_SEGMENT_BYTES,
    )
    if found.discarded_bytes >= SPOOL_SEGMENT_BYTES:
        raise Unverified(
            f"the spool file {path.name} of {recording} is damaged in its middle; it is kept as "
            "it is. Restore it from a backup, or erase the recording"
        )
    records = _records(found.plaintext)
    if not records:
        return None
    header = json.loads(records[0][1])
    return SpoolFile(
        side=header["side"],
        kind=header["kind"],
        position=header["position"],
        permit=header["permit"],
        frames=tuple(records[1:]),
        is_complete=found.complete,
    )


def _records(plain: bytes) -> list[tuple[int, bytes]]:
    """The header, under its length, and then frames under their capture times."""
    if len(plain) < RECORD.size:
        return []
    (length,) = RECORD.unpack_from(plain)
    at = RECORD.size + length
    if len(plain) < at:
        return []
    found = [(0, plain[RECORD.size : at])]
    step = RECORD.size + FRAME_MS * _SAMPLES_PER_MS * 2
    while at + step <= len(plain):
        (start_ms,) = RECORD.unpack_from(plain, at)
        found.append((start_ms, plain[at + RECORD.size : at + step]))
        at += step
    return found


def lay_out(parts: list[SpoolFile]) -> list[Stretch]:
    """The stretches in call order, each placed behind the one before it."""
    laid: list[Stretch] = []
    file_ms = 0
    for position in sorted({part.position for part in parts}):
        own = [part for part in parts if part.position == position]
        times = [start_ms for part in own for start_ms, _ in part.frames]
        if not times:
            continue
        from_ms, to_ms = min(times), max(times) + FRAME_MS
        laid.append(Stretch(position, own[0].kind, own[0].permit, from_ms, to_ms, file_ms))
        file_ms += to_ms - from_ms
    return laid


def mix(
    parts: list[SpoolFile], laid: list[Stretch], own_channel: int
) -> tuple[npt.NDArray[np.int16], int]:
    """Stereo samples at 16 kHz: each frame where it was captured, each side on its channel.

    Tones of keys are silence in it, whoever pressed them: card numbers and secret ones are typed.
    Also says how many there were.
    """
    total_ms = laid[-1].file_ms + laid[-1].to_ms - laid[-1].from_ms if laid else 0
    mixed = np.zeros((2, total_ms * _SAMPLES_PER_MS), dtype=np.int32)
    by_position = {stretch.position: stretch for stretch in laid}
    muted = 0
    for part in parts:
        stretch = by_position.get(part.position)
        if stretch is None:
            continue
        channel = own_channel if part.side == "own" else 1 - own_channel
        side, keys = _without_keys(part, stretch)
        muted += keys
        at = stretch.file_ms * _SAMPLES_PER_MS
        mixed[channel, at : at + len(side)] += side
    return np.clip(mixed, -32768, 32767).astype(np.int16), muted


def _without_keys(part: SpoolFile, stretch: Stretch) -> tuple[npt.NDArray[np.int16], int]:
    """What one leg said in a stretch, without tones of keys, and how many those were."""
    side = np.zeros((stretch.to_ms - stretch.from_ms) * _SAMPLES_PER_MS, dtype=np.int32)
    for start_ms, pcm in part.frames:
        at = (start_ms - stretch.from_ms) * _SAMPLES_PER_MS
        samples = np.frombuffer(pcm, dtype="<i2")
        side[at : at + len(samples)] += samples
    said = np.clip(side, -32768, 32767).astype(np.int16)
    tones = find_key_tones(said, SAMPLE_RATE_HZ)
    for from_ms, to_ms in tones:
        said[from_ms * _SAMPLES_PER_MS : to_ms * _SAMPLES_PER_MS] = 0
    return said, len(tones)


def seal_recording(store: Store, recording: str, at: datetime) -> bool:
    """Make the final file of a recording, once; says whether there was anything to make.

    Safe to repeat after a crash at any point. Raises Unavailable or KeyUnreadable when disk or
    key fail; the spool stays then.
    """
    with reading(store.engine) as connection:
        row = connection.execute(
            sa.select(
                recordings.c.state, recordings.c.call, calls.c.direction, assets.c.id.label("asset")
            )
            .join(calls)
            .outerjoin(assets, (assets.c.recording == recordings.c.id) & (assets.c.kind == "audio"))
            .where(recordings.c.id == recording)
        ).one_or_none()
    if row is None:
        raise NotFound(f"no recording {recording}")
    if row.state not in _UNSEALED or row.asset is not None:
        _clear_spool(store, recording)
        return bool(row.state != RecordingState.ERASED.value)
    parts = read_spool(store, recording)
    laid = lay_out(parts)
    if not any(stretch.kind == "open" for stretch in laid):
        return False
    own_channel = 0 if row.direction == "outbound" else 1
    samples, keys = mix(parts, laid, own_channel)
    is_truncated = not all(part.is_complete for part in parts)
    asset = _put_asset(store, recording, "audio", encode_ogg_opus(samples))
    with transaction(store.engine) as connection:
        changed = connection.execute(
            recordings.update()
            .where(recordings.c.id == recording, recordings.c.state == row.state)
            .values(state=_UNSEALED[row.state])
        )
        if changed.rowcount != 1:
            raise Refused(f"recording {recording} was {row.state} and is something else by now")
        connection.execute(assets.insert().values(**asset, created_at=at))
        for stretch in laid:
            connection.execute(
                segments.insert().values(
                    recording=recording,
                    position=stretch.position,
                    kind=stretch.kind,
                    permit=stretch.permit,
                    from_ms=stretch.from_ms,
                    to_ms=stretch.to_ms,
                    file_ms=stretch.file_ms,
                )
            )
        duration_ms = samples.shape[1] // _SAMPLES_PER_MS
        contact_ms = [
            start_ms for part in parts if part.side == "contact" for start_ms, _ in part.frames
        ]
        connection.execute(
            recordings.update()
            .where(recordings.c.id == recording)
            .values(
                duration_ms=duration_ms,
                is_truncated=is_truncated,
                first_contact_ms=min(contact_ms, default=None),
            )
        )
        store.ledger.append(
            connection,
            Kind.RECORDING_RECOVERED if is_truncated else Kind.RECORDING_SEALED,
            at,
            call=row.call,
            recording=recording,
            data={
                "sha256": f"sha256:{asset['sha256']}",
                "duration_ms": duration_ms,
                "segments": len(laid),
                "truncated": is_truncated,
                "keys_muted": keys,
            },
        )
    _clear_spool(store, recording)
    return True


def _clear_spool(store: Store, recording: str) -> None:
    """Destroy the spool of a sealed recording, keys first; a crash may have left some of it."""
    for key in store.keys.of_recording(recording):
        if key.kind == "spool":
            store.keys.destroy(key.id)
    remove_folder(store.spool / recording)


def write_asset(store: Store, recording: str, kind: str, data: bytes, at: datetime) -> None:
    """Keep something derived from a recording, encrypted under a key of its own, once."""
    with reading(store.engine) as connection:
        known = connection.execute(
            sa.select(assets.c.id).where(assets.c.recording == recording, assets.c.kind == kind)
        ).one_or_none()
    if known is not None:
        return
    asset = _put_asset(store, recording, kind, data)
    with transaction(store.engine) as connection:
        connection.execute(assets.insert().values(**asset, created_at=at))


def write_note(store: Store, subject: str, data: bytes) -> str:
    """Keep what somebody wrote about a recording or a call, encrypted; gives the object's id.

    Its key goes with that of the subject.
    """
    return str(_put_asset(store, subject, "note", data)["id"])


def write_part(store: Store, subject: str, data: bytes) -> str:
    """Keep a part of a copy for a person, encrypted; gives the object's id."""
    return str(_put_asset(store, subject, "copy", data)["id"])


def put_redacted(store: Store, recording: str, data: bytes) -> dict[str, object]:
    """Keep the redacted sound of a recording, encrypted, before it stands anywhere; gives its
    row.
    """
    return _put_asset(store, recording, "redacted-audio", data)


def replace_audio(store: Store, recording: str, data: bytes) -> dict[str, object]:
    """Keep another final file of a recording beside the first; gives the row that is to stand
    in place of the first one's.
    """
    return _put_asset(store, recording, "audio", data)


def _put_asset(store: Store, recording: str, kind: str, data: bytes) -> dict[str, object]:
    """Encrypt, store create-only, read back and compare; gives the row to insert."""
    asset_id = f"{recording}/{kind}-{os.urandom(6).hex()}"
    key = store.keys.create(
        asset_id, recording=recording, kind=kind, segment_bytes=ASSET_SEGMENT_BYTES
    )
    bound = associated_data(1, recording, kind)
    sealed = seal(data, key, bound, ASSET_SEGMENT_BYTES)
    store.blobs.put_new(asset_id, sealed)
    kept = store.blobs.read(asset_id)
    if open_sealed(kept, key, bound, ASSET_SEGMENT_BYTES) != data:
        raise Unverified(f"the object {asset_id} reads back differently from what was written")
    return {
        "id": asset_id,
        "recording": recording,
        "kind": kind,
        "blob": asset_id,
        "bytes": len(data),
        "sha256": hashlib.sha256(sealed).hexdigest(),
    }
