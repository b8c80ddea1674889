"""Cutting a recording: everything before a moment is destroyed, and what follows is a new file.

The new file stands under a key of its own. In one transaction it takes the place of the old one,
and what is to be destroyed is written down; then keys and bytes of the old file, its transcripts
and its peaks go. A crash between the two is made good by `carry_out`.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from askfirst.audio.container import encode_ogg_opus
from askfirst.errors import AskfirstError, InvalidInput, Refused
from askfirst.ledger import Kind
from askfirst.model import SAMPLE_RATE_HZ
from askfirst.server import coaching, copies
from askfirst.server.database import assets, reading, recordings, segments, transaction
from askfirst.server.importtables import SEGMENT
from askfirst.server.playback import Playback
from askfirst.server.queuetables import cut_pieces
from askfirst.server.recordingreader import stretches_of
from askfirst.server.sealing import Stretch, replace_audio
from askfirst.server.store import Store

log = logging.getLogger(__name__)

_SAMPLES_PER_MS = SAMPLE_RATE_HZ // 1000
_STAYS = ("hold-", "lnk-", "shr-")
"""Kinds of assets that are no sound and no words of the call: why it was held, opened or shared."""


@dataclass(frozen=True, slots=True)
class Cut:
    """A shorter file of a recording that is stored and stands in no table yet."""

    recording: str
    from_ms: int
    asset: dict[str, object]
    laid: Sequence[Stretch]
    replaces: str


def after(stretches: Sequence[Stretch], from_ms: int) -> list[Stretch]:
    """The stretches from a call time on, laid one behind the other anew.

    Raises InvalidInput where nothing would be cut, or nothing of a call left.
    """
    begins = min((each.from_ms for each in stretches), default=0)
    ends = max((each.to_ms for each in stretches), default=0)
    laid: list[Stretch] = []
    file_ms = 0
    for each in stretches:
        if each.to_ms > from_ms:
            kept = replace(each, from_ms=max(each.from_ms, from_ms), file_ms=file_ms)
            laid.append(kept)
            file_ms += kept.to_ms - kept.from_ms
    if from_ms <= begins or not any(each.kind in ("open", SEGMENT) for each in laid):
        raise InvalidInput(
            f"found {from_ms} ms as the place to cut; expected one within the recording, which is "
            f"from {begins} to {ends} ms of the call"
        )
    return laid


def prepare(store: Store, recording: str, from_ms: int) -> Cut:
    """Make the shorter file; nothing is changed yet. Raises InvalidInput, Refused, NotFound."""
    with reading(store.engine) as connection:
        stretches = stretches_of(connection, recording)
        laid = after(stretches, from_ms)
        replaces = _audio(connection, recording)
    samples = Playback(store).for_cutting(recording)
    dropped_ms = _length(stretches) - _length(laid)
    kept = samples[:, dropped_ms * _SAMPLES_PER_MS :]
    if not kept.shape[1]:
        raise InvalidInput(f"found no sound of {recording} after {from_ms} ms; erase it instead")
    asset = replace_audio(store, recording, encode_ogg_opus(kept))
    return Cut(recording, from_ms, asset, laid, replaces)


def put_in_place(
    store: Store, connection: sa.Connection, cut: Cut, person: str, at: datetime
) -> None:
    """Let the shorter file be the recording, in the caller's transaction.

    Raises Refused where somebody else has changed the recording since it was prepared.
    """
    if _audio(connection, cut.recording) != cut.replaces:
        raise Refused(f"recording {cut.recording} was changed meanwhile; look at it again")
    goes = sa.and_(
        assets.c.recording == cut.recording,
        *(sa.not_(assets.c.kind.startswith(stays, autoescape=True)) for stays in _STAYS),
    )
    for row in connection.execute(sa.select(assets.c.id).where(goes)).all():
        connection.execute(cut_pieces.insert().values(id=row.id, recording=cut.recording))
    connection.execute(assets.delete().where(goes))
    coaching.cut_off(connection, cut.recording, cut.from_ms, at)
    connection.execute(assets.insert().values(**cut.asset, created_at=at))
    connection.execute(segments.delete().where(segments.c.recording == cut.recording))
    for each in cut.laid:
        connection.execute(
            segments.insert().values(
                recording=cut.recording,
                position=each.position,
                kind=each.kind,
                permit=each.permit,
                from_ms=each.from_ms,
                to_ms=each.to_ms,
                file_ms=each.file_ms,
            )
        )
    row = connection.execute(sa.select(recordings).where(recordings.c.id == cut.recording)).one()
    connection.execute(
        recordings.update()
        .where(recordings.c.id == cut.recording)
        .values(duration_ms=_length(cut.laid), first_contact_ms=_first_contact(row, cut))
    )
    store.ledger.append(
        connection,
        Kind.RECORDING_CUT,
        at,
        call=row.call,
        recording=cut.recording,
        data={
            "from_ms": cut.from_ms,
            "duration_ms": _length(cut.laid),
            "sha256": f"sha256:{cut.asset['sha256']}",
            "person": person,
        },
    )


def give_up(store: Store, cut: Cut) -> None:
    """Destroy a shorter file that did not take its place."""
    store.destroy_object(str(cut.asset["id"]))


def carry_out(store: Store) -> int:
    """Destroy what was cut off and is still there, keys first; says how much. Safe to repeat.

    Copies for people that have it in them go as well.
    """
    with reading(store.engine) as connection:
        pieces = connection.execute(sa.select(cut_pieces)).all()
    done = 0
    for piece in pieces:
        try:
            copies.destroy_with(store, piece.recording)
            store.destroy_object(piece.id)
            with transaction(store.engine) as connection:
                connection.execute(cut_pieces.delete().where(cut_pieces.c.id == piece.id))
            done += 1
        except AskfirstError as error:
            log.error("cutting.waits object=%s error=%s", piece.id, type(error).__name__)
    return done


def _audio(connection: sa.Connection, recording: str) -> str:
    found = connection.execute(
        sa.select(assets.c.id).where(assets.c.recording == recording, assets.c.kind == "audio")
    ).scalar()
    if found is None:
        raise Refused(f"recording {recording} has no finished file that could be cut")
    return str(found)


def _length(stretches: Sequence[Stretch]) -> int:
    return sum(each.to_ms - each.from_ms for each in stretches)


def _first_contact(row: Any, cut: Cut) -> int | None:
    """When the contact may be heard first in what is kept; never earlier than it is."""
    if row.first_contact_ms is None:
        return None
    opened = min(each.from_ms for each in cut.laid if each.kind == "open")
    return max(int(row.first_contact_ms), opened)
