"""Changes to the words of a recording: corrected, taken back to the machine text, or brought in.

Each change is a new revision, encrypted under a key that goes with the recording. The revision
that somebody read is named with the change: where another one stands by now nothing is changed.
The ledger says who, when and which; what was learnt of the call is ordered anew with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import sqlalchemy as sa

from askfirst.errors import InvalidRequest, NotFound, Refused
from askfirst.ledger import Kind
from askfirst.model import RecordingState, Utterance
from askfirst.server import erasure, redactions, sealing, study, transcripts
from askfirst.server.callnotes import Conflict
from askfirst.server.database import assets, reading, recordings, transaction
from askfirst.server.restrictions import is_restricted
from askfirst.server.store import Store
from askfirst.server.transcripts import Origin, Revision
from askfirst.speech.rewording import reworded

LONGEST_LINE = 10_000
"""Characters of a corrected line, at most."""


def correct(
    store: Store,
    recording: str,
    seen: int,
    texts: Mapping[int, str],
    person: str,
    at: datetime,
) -> Revision:
    """Give lines, counted from 0, other words; what is written so already changes nothing.

    `seen` is the number of the revision that was read. Raises Conflict where another one stands by
    now, NotFound without words, Refused where a recording may not be changed, and InvalidRequest
    for a line that there is not or that is too long.
    """
    found = _standing(store, recording)
    new, shown = list(found.said), redactions.shown(store, recording, found.said)
    for line, text in texts.items():
        if not 0 <= line < len(new):
            raise InvalidRequest(
                f"lines: found line {line}; expected 0 to {len(new) - 1}", key="lines"
            )
        if len(text) > LONGEST_LINE:
            raise InvalidRequest(
                f"lines: found {len(text)} characters in line {line}; expected at most "
                f"{LONGEST_LINE}",
                key="lines",
            )
        # A line that comes back as it was shown keeps what is hidden in it.
        if " ".join(text.split()) not in (new[line].text, shown[line].text):
            new[line] = reworded(new[line], text)
    changed = sum(now is not before for now, before in zip(new, found.said, strict=True))
    if not changed:
        return found
    _ensure_seen(found.number, seen)
    return _put(store, recording, found, Origin.CORRECTED, found.base, new, changed, person, at)


def take_back(store: Store, recording: str, seen: int, person: str, at: datetime) -> Revision:
    """Let the machine text stand again; what was corrected stays as an older revision.

    Raises as `correct`, NotFound also where no recogniser has heard the recording.
    """
    found = _standing(store, recording)
    machine = transcripts.original(store, recording, 0)
    if machine is None:
        raise NotFound(f"recording {recording} has no machine text")
    said = machine.said
    if found.origin is Origin.MACHINE:
        return found
    _ensure_seen(found.number, seen)
    return _put(store, recording, found, Origin.MACHINE, 0, said, len(said), person, at)


def bring_in(
    store: Store,
    recording: str,
    seen: int,
    said: Sequence[Utterance],
    person: str,
    at: datetime,
) -> Revision:
    """Let a transcript from elsewhere stand, beside the machine text where there is one.

    It may be brought in where nothing stands, too. Raises as `correct`; what `said` holds is
    checked by whoever read it (`importing`).
    """
    found = transcripts.newest_original(store, recording)
    number = 0 if found is None else found.number
    _ensure_seen(number, seen)
    before = found or Revision(0, Origin.MACHINE, (), 0)
    base = number + 1
    return _put(store, recording, before, Origin.IMPORTED, base, said, len(said), person, at)


def may_change(connection: sa.Connection, recording: str) -> bool:
    """Whether the words of a recording may be changed now, as far as the recording goes."""
    try:
        _ensure_may_change(connection, recording)
    except Refused:
        return False
    return True


def _standing(store: Store, recording: str) -> Revision:
    with reading(store.engine) as connection:
        _ensure_may_change(connection, recording)
    found = transcripts.newest_original(store, recording)
    if found is None:
        raise NotFound(f"recording {recording} has no transcript that could be corrected")
    return found


def _ensure_seen(number: int, seen: int) -> None:
    if seen != number:
        raise Conflict(
            f"found revision {seen}, expected {number}: somebody has changed these words since. "
            "Read them again, then correct once more"
        )


def _put(
    store: Store,
    recording: str,
    before: Revision,
    origin: Origin,
    base: int,
    said: Sequence[Utterance],
    changed: int,
    person: str,
    at: datetime,
) -> Revision:
    """Seal the words first, then let them stand if everything is still as it was."""
    with reading(store.engine) as connection:
        _ensure_may_change(connection, recording)
    number = before.number + 1
    data = transcripts.revised_bytes(said, origin, base, person, at)
    asset = sealing.put_beside(store, recording, transcripts.kind_of(number), data)
    stands = False
    try:
        with transaction(store.engine) as connection:
            call = _ensure_may_change(connection, recording)
            _ensure_seen(transcripts.newest_number(connection, recording), before.number)
            connection.execute(assets.insert().values(**asset, created_at=at))
            store.ledger.append(
                connection,
                Kind.TRANSCRIPT_CHANGED,
                at,
                call=call,
                recording=recording,
                data={
                    "person": person,
                    "revision": number,
                    "origin": origin.value,
                    "lines_count": changed,
                    "sha256": f"sha256:{asset['sha256']}",
                },
            )
            study.order(connection, [call], at)
        stands = True
    finally:
        if not stands:  # whatever it was, no words are left that nobody knows of
            store.destroy_object(str(asset["id"]))
    return Revision(number, origin, said, base, person, at)


def _ensure_may_change(connection: sa.Connection, recording: str) -> str:
    """The call of a recording whose words may be changed; holds its row until the end."""
    row = connection.execute(
        sa.select(recordings).where(recordings.c.id == recording).with_for_update()
    ).one_or_none()
    if row is None:
        raise NotFound(f"no recording {recording}")
    if row.state != RecordingState.READY.value or row.failure is not None:
        raise Refused(
            f"recording {recording} is {row.state}; its words can be changed once it is ready and "
            "can be read"
        )
    if not row.may_transcribe:
        raise Refused("not everybody on this call has agreed to a transcript; it gets no words")
    if is_restricted(connection, recording):
        raise Refused(
            f"recording {recording} is restricted because a person asked for it; its words stay "
            "as they are"
        )
    if erasure.is_intended(connection, recording):
        raise Refused(
            f"the erasure of recording {recording} is ordered; its words stay as they are"
        )
    return str(row.call)
