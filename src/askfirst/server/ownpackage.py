"""The package of an employee's own data: readable pages, the same as JSON, and their own voice.

Their voice goes through playback and only where whoever makes the package may hear the recording:
each is an access in the ledger before a second of it is read. The contact's channel is silent in
it, and so is our side outside of the employee's own time.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import sqlalchemy as sa

from askfirst.audio.container import decode, encode_ogg_opus
from askfirst.errors import KeyUnreadable, NotFound, Refused
from askfirst.ledger import Kind
from askfirst.model import SAMPLE_RATE_HZ, RecordingState
from askfirst.rules import Rulebook
from askfirst.server import accounts, audit, copies, transcripts
from askfirst.server.access import Permission, Person
from askfirst.server.callreader import reaches
from askfirst.server.carriedcalls import Carried, CarriedCalls, carried_by
from askfirst.server.copies import Copy, CopyState
from askfirst.server.copyconcerns import standing
from askfirst.server.database import reading, recordings, transaction
from askfirst.server.manifestzip import ManifestZip
from askfirst.server.owndata import own_data
from askfirst.server.ownpage import page
from askfirst.server.playback import Playback
from askfirst.server.request import INBOUND
from askfirst.server.requestregister import SubjectRequest, answer, get, receive_of_employee
from askfirst.server.requesttables import subject_requests
from askfirst.server.restrictions import RESTRICTED
from askfirst.server.store import Store

PURPOSE = "own-data"
"""As what the accesses stand in the ledger."""

MADE, TAKEN = "own-data.made", "own-data.downloaded"
"""As what making and downloading stand in the audit log."""


@dataclass(frozen=True, slots=True)
class Voice:
    """A recording of a call, and why it is not in the package; empty: it is.

    `left_out` is the state of a recording that is not ready, ``restricted``, or ``no-right``.
    """

    recording: str
    call: str
    left_out: str = ""


def make(
    store: Store,
    rules: Rulebook,
    request: str,
    by: Person,
    at: datetime,
    *,
    with_voice: bool,
    language: str,
) -> Copy:
    """Make the package of a request, in place of one from before.

    Raises NotFound for a request that is not for an employee's own data, or of somebody else who
    may sign in: nobody but they themselves gets it then.
    """
    with reading(store.engine) as connection:
        user = _whose(connection, get(connection, request), by.id)
        own = carried_by(store, connection, user)
        data = own_data(store, connection, own, rules, at)
        voices = _voices(connection, own, by) if with_voice else []
        within = {
            each.recording: standing(store, connection, each.recording)
            for each in voices
            if not each.left_out
        }

    def write(archive: zipfile.ZipFile) -> None:
        package = ManifestZip(archive)
        for name, rows in data.items():
            package.put_json(f"{name}.json", rows)
        heard = [_put_voice(store, package, own.calls[each.call], each, by.id) for each in voices]
        package.put_json("voice.json", [_told(each) for each in heard])
        shown = {**data, "voice": [_told(each) for each in heard]}
        package.finish(page(shown, language, at, has_voice=with_voice))

    copy = copies.make_now(store, request, within, write, at, language=language)
    with transaction(store.engine) as connection:
        said: audit.Detail = {"user": user, "with_voice": with_voice, "sha256": copy.sha256}
        audit.note(connection, at, by.id, MADE, request, said)
    return copy


def make_own(
    store: Store, rules: Rulebook, person: Person, at: datetime, *, with_voice: bool, language: str
) -> Copy:
    """Make somebody's own package, in place of every one from before.

    It is a request in the register, received and answered by themselves; where making it fails it
    stays open, and somebody sees that.
    """
    with transaction(store.engine) as connection:
        earlier = packages_of(store, connection, person.id, at)
        made = receive_of_employee(store, connection, person.id, person.id, at)
    for each in earlier:
        copies.destroy(store, each.request)
    copy = make(store, rules, made.id, person, at, with_voice=with_voice, language=language)
    with transaction(store.engine) as connection:
        answer(store, connection, made.id, person.id, at)
    return copy


def packages_of(store: Store, connection: sa.Connection, user: str, at: datetime) -> list[Copy]:
    """The packages about somebody that can be downloaded at a moment, the newest first."""
    query = sa.select(subject_requests.c.id).where(subject_requests.c.user == user)
    found = (
        copies.copy_of(store, connection, request, at)
        for request in connection.execute(query.order_by(subject_requests.c.id.desc())).scalars()
    )
    return [each for each in found if each is not None and each.state is CopyState.READY]


def download(store: Store, request: str, by: Person, at: datetime) -> Iterator[bytes]:
    """The package of a request, part by part; accesses and audit are written when this returns.

    Raises NotFound as `make` and where there is none any more, and Refused where something came up
    against a recording in it since: it has to be made again.
    """
    with reading(store.engine) as connection:
        user = _whose(connection, get(connection, request), by.id)
    parts = copies.download(store, request, by.id, at, PURPOSE)
    with transaction(store.engine) as connection:
        audit.note(connection, at, by.id, TAKEN, request, {"user": user})
    return parts


def _whose(connection: sa.Connection, found: SubjectRequest, by: str) -> str:
    if found.user is not None and (
        found.user == by or accounts.user(connection, found.user).is_disabled
    ):
        return found.user
    raise NotFound(f"no request {found.id} for data of your own, or of somebody who has left")


def _voices(connection: sa.Connection, own: CarriedCalls, by: Person) -> list[Voice]:
    """Every recording of the calls, each with why it stays out."""
    restricted = set(connection.execute(RESTRICTED).scalars())
    query = (
        sa.select(recordings.c.id, recordings.c.call, recordings.c.state)
        .where(recordings.c.call.in_(own.ids))
        .order_by(recordings.c.id)
    )
    found = []
    for row in connection.execute(query).all():
        left_out = ""
        if not reaches(connection, by, Permission.RECORDINGS_LISTEN, row.call):
            left_out = "no-right"
        elif row.state != RecordingState.READY.value:
            left_out = row.state
        elif row.id in restricted:
            left_out = "restricted"
        found.append(Voice(row.id, row.call, left_out))
    return found


def _put_voice(
    store: Store, package: ManifestZip, carried: Carried, voice: Voice, by: str
) -> Voice:
    """Put the employee's side of a recording in; gives it with why it stayed out, if it did."""
    if voice.left_out:
        return voice
    playback, folder = Playback(store), f"voice/{voice.call}/{voice.recording}"
    try:
        sound = playback.play(
            voice.recording, person=by, purpose=PURPOSE, kind=Kind.ACCESS_EXPORTED
        )
    except (Refused, KeyUnreadable, NotFound):  # it was locked or erased since it was looked at
        return Voice(voice.recording, voice.call, "locked")
    parts = playback.call_time(voice.recording)
    package.put(f"{folder}.ogg", _own_side(sound, carried, parts))
    said = transcripts.current(store, voice.recording)
    if said is not None:
        package.put_json(f"{folder}.json", _own_words(transcripts.plain(said), carried))
    return voice


def _own_side(sound: bytes, carried: Carried, parts: Sequence[tuple[int, int, int]]) -> bytes:
    """A recording in which nothing is heard but our side, in the employee's own time."""
    samples, _ = decode(sound, SAMPLE_RATE_HZ)
    kept, ms = np.zeros_like(samples), SAMPLE_RATE_HZ // 1000
    own = 1 if carried.row.direction == INBOUND else 0
    for file_ms, from_ms, to_ms in parts:
        for start, end in carried.stretches:
            first = file_ms + max(from_ms, start) - from_ms
            last = file_ms + (to_ms if end is None else min(to_ms, end)) - from_ms
            if first < last:
                kept[own, first * ms : last * ms] = samples[own, first * ms : last * ms]
    return encode_ogg_opus(kept)


def _own_words(lines: Sequence[Mapping[str, Any]], carried: Carried) -> list[dict[str, Any]]:
    """The lines that the employee spoke, whole within their own time."""
    return [
        {key: line[key] for key in ("start_ms", "end_ms", "text")}
        for line in lines
        if line["speaker"] == "agent"
        and any(
            line["start_ms"] >= start and (end is None or line["end_ms"] <= end)
            for start, end in carried.stretches
        )
    ]


def _told(voice: Voice) -> dict[str, Any]:
    return {"call": voice.call, "recording": voice.recording, "left_out": voice.left_out}
