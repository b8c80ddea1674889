"""What a certificate of a call rests on: its entries with their hashes, and the notice's words."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from askfirst.errors import InvalidInput
from askfirst.ledger import Kind, parse_note
from askfirst.model import Element
from askfirst.notice import NoticeFacts, announcement
from askfirst.server.callreader import CallRecord
from askfirst.server.database import ledger_entries, reading, transaction
from askfirst.server.store import Store

MASKED, WHOLE = "masked", "whole"
"""How numbers stand in a certificate; the word is in the ledger's entry of it."""


@dataclass(frozen=True, slots=True)
class Told:
    """A notice that was given. `text` is None where its words are known by their digest alone.

    `by` is agent or announcement; `digest` is SHA-256 as hexadecimal, of an announcement only.
    """

    at_ms: int
    by: str
    digest: str | None
    text: str | None


@dataclass(frozen=True, slots=True)
class Standing:
    """An entry of the call: its position, what it states, and its leaf hash (hexadecimal)."""

    position: int
    entry: Mapping[str, Any]
    leaf: str

    @property
    def kind(self) -> str:
        """What the entry states."""
        return str(self.entry["kind"])

    @property
    def data(self) -> Mapping[str, Any]:
        """Its codes and counts."""
        found: Mapping[str, Any] = self.entry["data"]
        return found


@dataclass(frozen=True, slots=True)
class Grounds:
    """What a certificate rests on. `size` and `root` are those of the checkpoint `note`.

    `standings` leave out who opened the recording, for that proves nothing about consent.
    """

    standings: Sequence[Standing]
    told: Sequence[Told]
    size: int
    root: str
    note: str
    key: str


def enter(store: Store, call: str, person: str, numbers: str, at: datetime) -> None:
    """Write down that a person makes a certificate, before anything of it is shown."""
    with transaction(store.engine) as connection:
        store.ledger.append(
            connection,
            Kind.ACCESS_CERTIFIED,
            at,
            call=call,
            data={"person": person, "purpose": numbers},
        )


def grounds(store: Store, record: CallRecord, facts: NoticeFacts, at: datetime) -> Grounds:
    """Everything of the ledger that a certificate names, under a checkpoint of this moment.

    `facts` are the account's own, in the language of the call's notice: the words of an
    announcement are made again from them, and count only where they have the digest entered then.
    """
    note = store.ledger.checkpoint(at)
    point = parse_note(note)[0]
    query = (
        sa.select(ledger_entries)
        .where(ledger_entries.c.call == record.line.id, ledger_entries.c.position < point.size)
        .order_by(ledger_entries.c.position)
    )
    with reading(store.engine) as connection:
        every = [
            Standing(row.position, json.loads(row.entry), bytes(row.leaf).hex())
            for row in connection.execute(query)
        ]
    standings = [each for each in every if not each.kind.startswith("access.")]
    return Grounds(
        standings,
        told([each.entry for each in standings], record.decision, facts),
        point.size,
        point.root.hex(),
        note,
        store.ledger.verifier_key,
    )


def masked(number: str) -> str:
    """A number by which its owner knows it and nobody else finds it: +47••••••01."""
    shown = 3 if number.startswith("+") else 0
    if len(number) < shown + 6:
        return "•" * len(number)
    return number[:shown] + "•" * (len(number) - shown - 2) + number[-2:]


def told(
    entries: Iterable[Mapping[str, Any]], decision: Mapping[str, Any] | None, facts: NoticeFacts
) -> list[Told]:
    """The notices that a call's entries name; `facts` as in `grounds`."""
    known = _announcements(decision, facts)
    found = []
    for each in entries:
        if each["kind"] != Kind.NOTICE_STARTED.value:
            continue
        data = each["data"]
        digest = str(data.get("notice", "")).partition(":")[2] or None
        by = str(data.get("by", "agent"))
        found.append(Told(int(data["at_ms"]), by, digest, known.get(digest or "")))
    return found


def _announcements(decision: Mapping[str, Any] | None, facts: NoticeFacts) -> dict[str, str]:
    """What an announcement of a decision may have said, by the digest of its words."""
    if not decision or not decision.get("notice"):
        return {}
    notice = decision["notice"]
    elements = [Element(each) for each in notice["elements"]]
    found = {}
    for keys, message, spoken in itertools.product((False, True), repeat=3):
        try:
            text = announcement(
                elements, notice["language"], facts, keys=keys, message=message, spoken=spoken
            )
        except InvalidInput:
            continue  # the account says less today than it did; then the words are not known
        found[hashlib.sha256(text.encode()).hexdigest()] = text
    return found
