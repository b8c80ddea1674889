"""The only reader of recordings. What may be read depends on the recording's state.

While a recording is being checked, only our own side may be read, and only by the check. The
contact's side opens when the recording is ready. A person's access is written down first.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from askfirst.audio.container import decode, encode_ogg_opus
from askfirst.audio.mixing import to_pcm
from askfirst.audio.resample import resample
from askfirst.errors import InvalidInput, KeyUnreadable, NotFound, Refused, Unverified
from askfirst.ledger import Kind
from askfirst.model import SAMPLE_RATE_HZ, RecordingState
from askfirst.server import redactions
from askfirst.server.clock import utc_now
from askfirst.server.database import assets, calls, reading, recordings, segments, transaction
from askfirst.server.recorder import SPOOL_SEGMENT_BYTES
from askfirst.server.restrictions import ensure_open
from askfirst.server.sealing import ASSET_SEGMENT_BYTES
from askfirst.server.standingtables import standing_consents
from askfirst.server.store import Store
from askfirst.server.vault import BytesSource, associated_data, open_sealed, recover

_OWN_SIDE_STATES = (
    RecordingState.SEALED.value,
    RecordingState.CHECKING.value,
    RecordingState.READY.value,
)


class Playback:
    """Reads recordings of one installation."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def own_side(self, recording: str) -> bytes:
        """Our own side as mono s16le at 16 kHz, in file time; for the check of the notice."""
        state, direction = self._about(recording)
        if state not in _OWN_SIDE_STATES:
            raise Refused(f"recording {recording} is {state}; its own side cannot be read")
        return self._channel(recording, 0 if direction == "outbound" else 1)

    def contact_side(self, recording: str) -> bytes:
        """The contact's side as mono s16le at 16 kHz, in file time; only once it is ready."""
        state, direction = self._about(recording)
        if state != RecordingState.READY.value:
            raise Refused(
                f"recording {recording} is {state}; the contact's side can be read once it is ready"
            )
        return self._channel(recording, 1 if direction == "outbound" else 0)

    def play(
        self,
        recording: str,
        *,
        person: str,
        purpose: str,
        kind: Kind = Kind.ACCESS_PLAYED,
        link: str | None = None,
    ) -> bytes:
        """The whole recording as Ogg/Opus for a person; the access is in the ledger first.

        `link` is the id under which the reason of the access is kept, if there is one.

        Raises Refused unless the recording is ready and not restricted, KeyUnreadable after an
        erasure.
        """
        with transaction(self._store.engine) as connection:
            row = connection.execute(
                sa.select(recordings.c.state, recordings.c.call).where(recordings.c.id == recording)
            ).one_or_none()
            if row is None:
                raise NotFound(f"no recording {recording}")
            if row.state != RecordingState.READY.value:
                raise Refused(f"recording {recording} is {row.state} and cannot be played")
            ensure_open(connection, recording, purpose)
            given = redactions.sound(connection, recording)
            self._store.ledger.append(
                connection,
                kind,
                utc_now(),
                call=row.call,
                recording=recording,
                data={
                    "person": person,
                    "purpose": purpose,
                    **({} if link is None else {"link": link}),
                },
            )
        return self._asset(recording, given)

    def replay(self, recording: str, *, is_original: bool = False) -> bytes:
        """More of a recording whose playing `play` has written down; Refused unless it is ready.

        `is_original` gives it with nothing silent in it: for who may open originals.
        """
        state, _ = self._about(recording)
        if state != RecordingState.READY.value:
            raise Refused(f"recording {recording} is {state} and cannot be played")
        if is_original:
            return self._asset(recording, redactions.ORIGINAL)
        with reading(self._store.engine) as connection:
            given = redactions.sound(connection, recording)
        return self._asset(recording, given)

    def excerpt(
        self,
        recording: str,
        from_ms: int,
        to_ms: int,
        *,
        person: str,
        purpose: str,
        about: Mapping[str, str],
        states: Collection[str],
        is_own: bool,
        at: datetime,
        is_original: bool = False,
    ) -> bytes:
        """A range of call time as Ogg/Opus, for `excerpts` and `clips`; with `is_own` our side
        alone.

        The access with its range, and the ids in `about`, is in the ledger before anything is
        read. Raises Refused unless the recording is in one of `states` with a file that can be
        read, InvalidInput where nothing of the range was kept. `is_original` is for who may open
        originals.
        """
        with transaction(self._store.engine) as connection:
            row = connection.execute(
                sa.select(recordings, calls.c.direction)
                .join(calls)
                .where(recordings.c.id == recording)
            ).one_or_none()
            if row is None:
                raise NotFound(f"no recording {recording}")
            if row.state not in states or row.failure is not None:
                raise Refused(f"recording {recording} is {row.state} or cannot be read")
            ensure_open(connection, recording, purpose)
            given = redactions.ORIGINAL if is_original else redactions.sound(connection, recording)
            self._store.ledger.append(
                connection,
                Kind.ACCESS_PLAYED,
                at,
                call=row.call,
                recording=recording,
                data={
                    "person": person,
                    "purpose": purpose,
                    **about,
                    "from_ms": from_ms,
                    "to_ms": to_ms,
                },
            )
        parts = [
            (file_ms + max(from_ms, start) - start, file_ms + min(to_ms, end) - start)
            for file_ms, start, end in self.call_time(recording)
            if start < to_ms and end > from_ms
        ]
        if not parts:
            raise InvalidInput(f"nothing of {from_ms} to {to_ms} ms was kept")
        samples, _ = decode(self._asset(recording, given), SAMPLE_RATE_HZ)
        if is_own:
            own = 0 if row.direction == "outbound" else 1
            samples = samples[own : own + 1]
        ms = SAMPLE_RATE_HZ // 1000
        return encode_ogg_opus(
            np.concatenate([samples[:, first * ms : last * ms] for first, last in parts], axis=1)
        )

    def asset(self, recording: str, kind: str) -> bytes | None:
        """Something derived from a recording, such as its transcript; None while there is none."""
        try:
            return self._asset(recording, kind)
        except NotFound:
            return None

    def note(self, identity: str) -> bytes:
        """What somebody wrote about a recording or a call, by the id of the object.

        Raises KeyUnreadable once that was erased.
        """
        subject = identity.partition("/")[0]
        return open_sealed(
            self._store.blobs.read(identity),
            self._store.keys.get(identity),
            associated_data(1, subject, "note"),
            ASSET_SEGMENT_BYTES,
        )

    def part(self, identity: str) -> bytes:
        """A part of a copy for a person, by the id of the object.

        Raises KeyUnreadable once the copy has run out or was erased.
        """
        return open_sealed(
            self._store.blobs.read(identity),
            self._store.keys.get(identity),
            associated_data(1, identity.partition("/")[0], "copy"),
            ASSET_SEGMENT_BYTES,
        )

    def for_cutting(self, recording: str) -> NDArray[np.int16]:
        """Both sides at 16 kHz in file time, (channels, n), for making a shorter file of them.

        Raises Refused for a recording that is neither ready nor quarantined.
        """
        state, _ = self._about(recording)
        if state not in (RecordingState.READY.value, RecordingState.QUARANTINED.value):
            raise Refused(f"recording {recording} is {state} and cannot be cut")
        return decode(self._asset(recording, "audio"), SAMPLE_RATE_HZ)[0]

    def ensure_opens(self, recording: str) -> None:
        """Open the file of a recording and hear nothing of it; for the check.

        Raises KeyUnreadable, Unverified or NotFound where it does not open, InvalidInput where
        it is no sound.
        """
        decode(self._asset(recording, "audio"), SAMPLE_RATE_HZ)

    def call_time(self, recording: str) -> list[tuple[int, int, int]]:
        """Segments as (file_ms, from_ms, to_ms), in file order: file time to call time."""
        with reading(self._store.engine) as connection:
            rows = connection.execute(
                sa.select(segments)
                .where(segments.c.recording == recording)
                .order_by(segments.c.file_ms)
            ).all()
        return [(row.file_ms, row.from_ms, row.to_ms) for row in rows]

    def _about(self, recording: str) -> tuple[str, str]:
        with reading(self._store.engine) as connection:
            row = connection.execute(
                sa.select(recordings.c.state, calls.c.direction)
                .join(calls)
                .where(recordings.c.id == recording)
            ).one_or_none()
        if row is None:
            raise NotFound(f"no recording {recording}")
        return row.state, row.direction

    def _channel(self, recording: str, channel: int) -> bytes:
        samples, rate = decode(self._asset(recording, "audio"))
        return to_pcm(resample(samples[channel], rate, SAMPLE_RATE_HZ))

    def _asset(self, recording: str, kind: str) -> bytes:
        with reading(self._store.engine) as connection:
            row = connection.execute(
                sa.select(assets).where(assets.c.recording == recording, assets.c.kind == kind)
            ).one_or_none()
        if row is None:
            raise NotFound(f"recording {recording} has no {kind}")
        key = self._store.keys.get(row.id)
        return open_sealed(
            self._store.blobs.read(row.blob),
            key,
            associated_data(1, recording, kind),
            ASSET_SEGMENT_BYTES,
        )


def decryptable(store: Store) -> Iterator[tuple[str, bytes]]:
    """Everything that the keys of this installation still open, in clear, for self-checks.

    Names and bytes of every object and every spool file, in memory only.
    """
    with reading(store.engine) as connection:
        kept = connection.execute(sa.select(assets)).all()
        documents = sa.select(standing_consents.c.document)
        signed = [each for each in connection.execute(documents).scalars() if each is not None]
    for row in kept:
        sealed = store.blobs.read(row.blob)
        bound = associated_data(1, row.recording, row.kind)
        yield (
            f"{row.kind} (decrypted)",
            open_sealed(sealed, store.keys.get(row.id), bound, ASSET_SEGMENT_BYTES),
        )
    for identity in signed:
        yield "standing consent (decrypted)", Playback(store).note(identity)
    for folder in sorted(store.spool.iterdir()):
        for path in sorted(folder.iterdir()):
            token = path.name.split("-")[1]
            try:
                key = store.keys.get(f"{folder.name}/spool/{token}")
            except KeyUnreadable:
                continue
            try:
                found = recover(
                    BytesSource(path.read_bytes()),
                    key,
                    associated_data(1, folder.name, "spool"),
                    SPOOL_SEGMENT_BYTES,
                )
            except Unverified:  # damaged: no key opens it, and as it lies it is searched anyway
                continue
            yield "spool (decrypted)", found.plaintext
