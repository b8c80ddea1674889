"""The only writer of audio: a recorder keeps what the gate allows and nothing else.

While a call runs, each stretch of permission gets spool files of its own, one for each leg,
under a key of its own. A notice that is being given is kept provisionally and erased unless its
purpose is reached. `askfirst.server.sealing` makes the recording out of what is left.
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from askfirst.audio.mixing import level_dbfs, to_samples
from askfirst.errors import AskfirstError, Unavailable
from askfirst.gate import ANNOUNCEMENT_LEG, Facts, State
from askfirst.model import FRAME_BYTES, FRAME_MS, Frame, Role, Use
from askfirst.server.store import Store
from askfirst.server.vault import SealingWriter, associated_data

SPOOL_SEGMENT_BYTES = 4096
RECORD = struct.Struct("<I")
RECORD_BYTES = RECORD.size + FRAME_BYTES

SPEECH_DBFS = -42.0
ECHO_TAIL_MS = 300

Defer = Callable[[Callable[[], object]], None]


@dataclass(slots=True)
class Counts:
    """What happened to the frames of one call."""

    kept: int = 0
    kept_contact: int = 0
    refused: int = 0
    echo: int = 0
    lost: int = 0
    first_contact_ms: int | None = None


@dataclass(slots=True)
class _Stretch:
    """One stretch of permission: a key and a spool file for each leg that spoke."""

    position: int
    kind: str
    permit: int
    key_id: str
    key: bytes
    writers: dict[str, SealingWriter] = field(default_factory=dict)
    files: dict[str, int] = field(default_factory=dict)
    paths: dict[str, Path] = field(default_factory=dict)
    last_ms: dict[str, int] = field(default_factory=dict)


def _at_once(chore: Callable[[], object]) -> None:
    chore()


class _Sink:
    """An unbuffered file that a sealing writer appends to."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self._descriptor, view) :]


class Recorder:
    """Keeps the frames of one call that its facts allow, in capture order of each leg.

    `follow(facts)` comes first and after every event; `push(frame)` then asks those facts. The
    caller owns the recorder, pushes from one thread and calls `close()` at the end. `defer`
    runs slow chores (keys, deletions) elsewhere; by default they run at once.
    """

    def __init__(self, store: Store, call: str, recording: str, defer: Defer = _at_once) -> None:
        self.call = call
        self.recording = recording
        self.counts = Counts()
        self._store = store
        self._defer = defer
        self._facts = Facts()
        self._contacts: frozenset[str] = frozenset()
        self._folder = store.spool / recording
        self._stretch: _Stretch | None = None
        self._notice: _Stretch | None = None
        self._spare: tuple[str, bytes] | None = None
        self._position = 0
        self._guard_ms = -1
        self._own_ms = 0
        self._has_kept = False

    @property
    def has_audio(self) -> bool:
        """Whether anything is kept for good: a stretch while OPEN, with or without its notice."""
        return self._has_kept

    def prepare(self) -> None:
        """Make folder and key for the next stretch ahead of time; may block on the disk."""
        if self._spare is None:
            self._spare = self._new_key()

    def follow(self, facts: Facts) -> None:
        """Take the newest facts; opens and closes stretches as the state asks."""
        old, self._facts = self._facts, facts
        self._contacts = frozenset(
            party.leg for party in facts.parties if party.role is Role.CONTACT
        )
        if old.state is not facts.state or old.opened_ms != facts.opened_ms:
            if self._stretch is not None:
                self._end_stretch()
            self._settle_notice(facts)
        elif facts.state is State.ASKING and facts.told_ms is None:
            self._settle_notice(facts)

    def push(self, frame: Frame) -> bool:
        """Keep a frame if the gate allows it now and for its capture time; says whether.

        Raises Unavailable when disk or key fails; the stretch is then closed for good and the
        caller must report `Failed` to the gate.
        """
        facts = self._facts
        if facts.state is State.TELLING:
            self._watch_echo(frame)
        if not facts.allows(frame.leg, Use.RECORD, frame.start_ms):
            self.counts.refused += 1
            return False
        if facts.state is State.TELLING and self._is_echo(frame):
            self.counts.echo += 1
            return False
        if len(frame.pcm) != FRAME_BYTES:
            raise Unavailable(
                f"a frame of {len(frame.pcm)} bytes came in, expected {FRAME_BYTES} "
                f"({FRAME_MS} ms mono s16le at 16 kHz); the provider must resample"
            )
        try:
            self._keep(frame)
        except OSError as error:
            self._abandon()
            raise Unavailable(
                f"the spool cannot be written: {error.strerror}. Recording has stopped; "
                "free space in the data folder"
            ) from error
        except AskfirstError:
            self._abandon()
            raise
        return True

    def sync(self) -> None:
        """Order what is written onto the disk; called each second."""
        if self._stretch is not None:
            for descriptor in self._stretch.files.values():
                self._defer(partial(os.fdatasync, descriptor))

    def close(self) -> None:
        """End the recording; what was told without reaching its purpose is erased."""
        if self._stretch is not None:
            self._end_stretch()
        self._drop_notice()
        spare, self._spare = self._spare, None
        if spare is not None:
            self._defer(partial(self._store.keys.destroy, spare[0]))
        self._facts = Facts()

    def discard(self) -> None:
        """End the recording and erase everything of it from the spool, its keys included."""
        self.close()
        folder, keys, recording = self._folder, self._store.keys, self.recording
        self._has_kept = False

        def erase() -> None:
            keys.destroy_recording(recording)
            remove_folder(folder)

        self._defer(erase)

    def _watch_echo(self, frame: Frame) -> None:
        """Only the level of a contact's frame is looked at here; the frame itself is dropped.

        Its echo comes when it is heard, not when it was captured: a long way adds to the guard.
        """
        if frame.leg not in self._contacts:
            self._own_ms = max(self._own_ms, frame.start_ms)
        elif level_dbfs(to_samples(frame.pcm)) > SPEECH_DBFS:
            heard_ms = max(frame.start_ms, self._own_ms) + FRAME_MS
            self._guard_ms = max(self._guard_ms, heard_ms + ECHO_TAIL_MS)

    def _is_echo(self, frame: Frame) -> bool:
        return frame.leg != ANNOUNCEMENT_LEG and frame.start_ms < self._guard_ms

    def _keep(self, frame: Frame) -> None:
        stretch = self._stretch
        if stretch is None:
            kind = "notice" if self._facts.state is State.TELLING else "open"
            stretch = self._stretch = self._begin_stretch(kind)
        writer = stretch.writers.get(frame.leg) or self._begin_leg(stretch, frame.leg)
        writer.write(RECORD.pack(frame.start_ms) + frame.pcm)
        self.counts.kept += 1
        if stretch.kind == "open":
            self._has_kept = True
            if frame.leg in self._contacts:
                self._count_contact(stretch, frame)

    def _count_contact(self, stretch: _Stretch, frame: Frame) -> None:
        self.counts.kept_contact += 1
        if self.counts.first_contact_ms is None:
            self.counts.first_contact_ms = frame.start_ms
        last_ms = stretch.last_ms.get(frame.leg)
        if last_ms is not None and frame.start_ms > last_ms:
            self.counts.lost += (frame.start_ms - last_ms) // FRAME_MS - 1
        elif last_ms is not None and self.counts.lost:
            self.counts.lost -= 1
        stretch.last_ms[frame.leg] = max(frame.start_ms, last_ms or 0)

    def _begin_stretch(self, kind: str) -> _Stretch:
        key_id, key = self._spare or self._new_key()
        self._spare = None
        self._position += 1
        return _Stretch(self._position, kind, self._facts.serial, key_id, key)

    def _new_key(self) -> tuple[str, bytes]:
        self._folder.mkdir(exist_ok=True, mode=0o700)
        key_id = f"{self.recording}/spool/{os.urandom(6).hex()}"
        key = self._store.keys.create(
            key_id, recording=self.recording, kind="spool", segment_bytes=SPOOL_SEGMENT_BYTES
        )
        return key_id, key

    def _begin_leg(self, stretch: _Stretch, leg: str) -> SealingWriter:
        suffix = "tell" if stretch.kind == "notice" else "part"
        token = stretch.key_id.rsplit("/", 1)[1]
        path = self._folder / f"{stretch.position:04d}-{token}-{len(stretch.paths)}.{suffix}"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        stretch.files[leg] = descriptor
        stretch.paths[leg] = path
        writer = SealingWriter(
            _Sink(descriptor),
            stretch.key,
            associated_data(1, self.recording, "spool"),
            SPOOL_SEGMENT_BYTES,
        )
        stretch.writers[leg] = writer
        header = {
            "call": self.call,
            "leg": leg,
            "side": "contact" if leg in self._contacts else "own",
            "kind": stretch.kind,
            "position": stretch.position,
            "permit": stretch.permit,
        }
        line = json.dumps(header, separators=(",", ":")).encode()
        writer.write(RECORD.pack(len(line)) + line)
        return writer

    def _end_stretch(self) -> None:
        stretch, self._stretch = self._stretch, None
        if stretch is None:
            return
        for leg, writer in stretch.writers.items():
            # A full disk here costs the last segment only: sealing finds the file unfinished,
            # keeps its authenticated part and marks the recording truncated.
            with suppress(Unavailable):
                writer.close()
            # In its place behind every sync that was ordered for this file.
            self._defer(partial(_sync_and_close, stretch.files[leg]))
        if stretch.kind == "notice":
            self._drop_notice()
            self._notice = stretch

    def _abandon(self) -> None:
        """Close files without a final segment: what is complete so far can be recovered."""
        stretch, self._stretch = self._stretch, None
        if stretch is not None:
            for descriptor in stretch.files.values():
                self._defer(partial(os.close, descriptor))
            if stretch.kind == "notice":
                self._erase(stretch)

    def _settle_notice(self, facts: Facts) -> None:
        """Keep a finished notice once its purpose is reached, erase it once it cannot be."""
        if self._notice is None:
            return
        if facts.state in (State.SEALING, State.HELD, State.OPEN):
            for path in self._notice.paths.values():
                path.rename(path.with_suffix(".part"))
            self._notice = None
        elif facts.state is not State.ASKING or facts.told_ms is None:
            self._drop_notice()

    def _drop_notice(self) -> None:
        notice, self._notice = self._notice, None
        if notice is not None:
            self._erase(notice)

    def _erase(self, stretch: _Stretch) -> None:
        paths, key_id, keys = tuple(stretch.paths.values()), stretch.key_id, self._store.keys

        def erase() -> None:
            keys.destroy(key_id)
            for path in paths:
                path.unlink(missing_ok=True)

        self._defer(erase)


def _sync_and_close(descriptor: int) -> None:
    try:
        os.fdatasync(descriptor)
    finally:
        os.close(descriptor)


def remove_folder(folder: Path) -> None:
    """Remove a spool folder with its files; one that is not there is fine."""
    if folder.is_dir():
        for path in folder.iterdir():
            path.unlink(missing_ok=True)
        folder.rmdir()
