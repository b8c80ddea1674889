"""What people write about items of the queue: complaints, comments, questions and answers.

They may name people, so they stay out of the ledger and out of the tables: each is an object
encrypted under a key that goes with the recording or, where there is none, with the call; of what
belongs to no call, with the item.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa

from askfirst.errors import AskfirstError, InvalidInput
from askfirst.server.database import reading
from askfirst.server.playback import Playback
from askfirst.server.queuetables import queue_items, queue_texts
from askfirst.server.sealing import write_note
from askfirst.server.store import Store

SHORTEST, LONGEST = 3, 2_000
"""Characters of a text, at least and at most."""


class TextKind(StrEnum):
    """What a text is."""

    COMPLAINT = "complaint"
    COMMENT = "comment"
    QUESTION = "question"
    ANSWER = "answer"


@dataclass(frozen=True, slots=True)
class Written:
    """A text, who wrote it, and when (UTC). `text` None: it does not open any more."""

    kind: TextKind
    text: str | None
    person: str
    at: datetime


def checked(text: str) -> str:
    """A text with its spaces in order. Raises InvalidInput where it is too short or too long."""
    found = " ".join(text.split())
    if not SHORTEST <= len(found) <= LONGEST:
        raise InvalidInput(
            f"found a text of {len(found)} characters; expected {SHORTEST} to {LONGEST}: write it "
            "so that others understand it later"
        )
    return found


def seal(store: Store, subject: str, text: str) -> str:
    """Keep a checked text before what it belongs to is written; gives the object's id."""
    return write_note(store, subject, json.dumps({"text": text}, ensure_ascii=False).encode())


def note(
    connection: sa.Connection, item: str, kind: TextKind, sealed: str, person: str, at: datetime
) -> None:
    """Tie a text that was sealed to an item, in the caller's transaction."""
    connection.execute(
        queue_texts.insert().values(id=sealed, item=item, kind=kind.value, person=person, at=at)
    )


def texts_of(store: Store, item: str) -> list[Written]:
    """Everything that was written about an item, in order."""
    with reading(store.engine) as connection:
        rows = connection.execute(
            sa.select(queue_texts)
            .where(queue_texts.c.item == item)
            .order_by(queue_texts.c.at, queue_texts.c.id)
        ).all()
    return [Written(TextKind(row.kind), _text(store, row.id), row.person, row.at) for row in rows]


def forget(store: Store, connection: sa.Connection, call: str) -> None:
    """Destroy every text about a call, for whoever asked to be forgotten: keys first."""
    ids = connection.execute(
        sa.select(queue_texts.c.id).join(queue_items).where(queue_items.c.call == call)
    ).scalars()
    for identity in ids:
        store.destroy_object(identity)


def _text(store: Store, identity: str) -> str | None:
    try:
        return str(json.loads(Playback(store).note(identity))["text"])
    except AskfirstError:  # erased with its recording: that something was written is all that stays
        return None
