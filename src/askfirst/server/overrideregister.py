"""The overrides of an installation: which count, who let them count, and how one comes and goes.

An override loosens the law, so it counts only while every one of these holds: its file lies in
the installation's folder, its signature is of somebody on the list, nobody has ended it, and,
where the account wants a second person, the ledger says that one has approved exactly what was
signed. What fails any of them is shown with why, and the law counts as if it were not there.
Nothing is remembered between calls: each begins with what holds at that moment.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from askfirst.errors import AskfirstError, NotFound
from askfirst.ledger import Kind
from askfirst.override import Override, digest, ensure_rules_exist, parse_override
from askfirst.rules import Rulebook
from askfirst.server import approvals
from askfirst.server.approvals import Proposal, ProposalState
from askfirst.server.database import ledger_entries, reading
from askfirst.server.overrides import FOLDER, SIGNERS, read_signers, signed_by, text_of
from askfirst.server.overridetables import signed_overrides
from askfirst.server.queuetables import proposals
from askfirst.server.store import Store

log = logging.getLogger(__name__)

KIND = "overrides"
"""The word of the setting `second_person`, and the kind of the proposals."""

OVERRIDE = "override"
"""The key under which proposals and the ledger name what was signed."""

NAMELESS = "the file"
"""How a text is called in messages that lies in no folder."""

Signers = Mapping[str, Ed25519PublicKey]


class Standing(StrEnum):
    """What has become of an override; only the first counts."""

    IN_FORCE = "in-force"
    COMING = "coming"
    OVER = "over"
    ENDED = "ended"
    PROPOSED = "proposed"
    UNAPPROVED = "unapproved"
    MISSING = "missing"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Kept:
    """An override as it stands on a day. Times are in UTC.

    `counts` is whether decisions are given it; whether the day is one of its own they see
    themselves. `override` None and `digest` "" are those of a file that cannot be read, and
    `fault` says why one is broken, `text` is the whole file. `file` is its name in the folder, ""
    where it is not there. Names and times are None of a file that was put there by hand.
    """

    digest: str
    override: Override | None
    standing: Standing
    counts: bool
    file: str
    text: str = ""
    fault: AskfirstError | None = None
    proposal: str | None = None
    brought_by: str | None = None
    brought_at: datetime | None = None
    approved_by: str | None = None
    ended_by: str | None = None
    ended_at: datetime | None = None

    @property
    def may_end(self) -> bool:
        """Whether there is something left to end."""
        open_ones = (Standing.IN_FORCE, Standing.COMING, Standing.UNAPPROVED, Standing.MISSING)
        return self.standing in open_ones

    @property
    def may_propose(self) -> bool:
        """Whether it could count if somebody approved it."""
        return self.standing in (Standing.UNAPPROVED, Standing.MISSING)


@dataclass(frozen=True, slots=True)
class _File:
    """A file of the folder, or a text that was kept: what it states, or what is wrong with it."""

    name: str
    text: str
    override: Override | None
    fault: AskfirstError | None = None


def counting(store: Store, rules: Rulebook) -> tuple[Override, ...]:
    """The overrides that a decision may be made under now.

    Days are left to each decision. A file that does not hold is left out here; with it, no
    installation starts.
    """
    if not _paths(store.folder):
        return ()
    with reading(store.engine) as connection:
        found = kept(store.folder, connection, rules, date.min)
    if broken := sum(each.standing is Standing.BROKEN for each in found):
        log.error("override.broken count=%d", broken)
    return tuple(each.override for each in found if each.override and each.counts)


def kept(folder: Path, connection: sa.Connection, rules: Rulebook, on: date) -> list[Kept]:
    """Every override of the installation, those in the folder first, as it stands on a day."""
    signers = _signers(folder)
    wanted = approvals.is_wanted(connection, KIND)
    rows = {row.digest: row for row in connection.execute(sa.select(signed_overrides))}
    waiting = _waiting(connection)
    found: dict[str, Kept] = {}
    broken: list[Kept] = []
    for path in _paths(folder):
        file = _read(path, signers, rules)
        if file.override is None:
            broken.append(Kept("", None, Standing.BROKEN, False, file.name, fault=file.fault))
            continue
        mark = digest(file.override)
        found.setdefault(mark, _kept(connection, file, rows.get(mark), waiting, wanted, on))
    for mark, row in rows.items():
        if mark not in found:
            file = _stated("", row.text, signers, rules)
            found[mark] = _kept(connection, file, row, waiting, wanted, on)
    return [*broken, *found.values()]


def one(folder: Path, connection: sa.Connection, rules: Rulebook, mark: str, on: date) -> Kept:
    """An override by the hash of what was signed. Raises NotFound."""
    for each in kept(folder, connection, rules, on):
        if mark and each.digest == mark:
            return each
    raise NotFound("there is no such override; open the list again")


def lies_in(folder: Path, mark: str) -> bool:
    """Whether a file of an installation's folder states what was signed under this hash."""
    for path in _paths(folder):
        try:
            override = parse_override(text_of(path), path.name).override
        except AskfirstError:
            continue  # it is broken, and shown so
        if digest(override) == mark:
            return True
    return False


def proposed(connection: sa.Connection, found: Proposal) -> str | None:
    """The text of the override that a proposal is about; None where it is gone."""
    mine = signed_overrides.c.digest == str(found.after.get(OVERRIDE))
    return connection.execute(sa.select(signed_overrides.c.text).where(mine)).scalar()


def _kept(
    connection: sa.Connection,
    file: _File,
    row: Any,
    waiting: frozenset[str],
    wanted: bool,
    on: date,
) -> Kept:
    approver = None if row is None else _approver(connection, row)
    is_let = approver is not None if wanted else True
    has_ended = row is not None and row.ended_at is not None
    is_waiting = row is not None and row.proposal in waiting
    counts = bool(file.name) and file.fault is None and is_let and not has_ended
    override = file.override
    if has_ended:
        standing = Standing.ENDED
    elif file.fault is not None or override is None:
        standing = Standing.BROKEN
    elif is_waiting and not counts:
        standing = Standing.PROPOSED
    elif on >= override.until:
        standing = Standing.OVER
    elif not file.name:
        standing = Standing.MISSING
    elif not is_let:
        standing = Standing.UNAPPROVED
    else:
        standing = Standing.COMING if on < override.since else Standing.IN_FORCE
    return Kept(
        digest="" if row is None and override is None else _mark(row, override),
        override=override,
        standing=standing,
        counts=counts,
        file=file.name,
        text=file.text,
        fault=file.fault,
        proposal=row.proposal if is_waiting else None,
        brought_by=None if row is None else row.brought_by,
        brought_at=None if row is None else row.brought_at,
        approved_by=approver,
        ended_by=None if row is None else row.ended_by,
        ended_at=None if row is None else row.ended_at,
    )


def _mark(row: Any, override: Override | None) -> str:
    return str(row.digest) if override is None else digest(override)


def _approver(connection: sa.Connection, row: Any) -> str | None:
    """Who approved an override, as the ledger says; the row only knows where to look."""
    if row.entry is None:
        return None
    query = sa.select(ledger_entries.c.entry).where(ledger_entries.c.position == row.entry)
    told = connection.execute(query).scalar()
    if told is None:
        return None
    entry = json.loads(told)
    data = entry.get("data", {})
    is_this = entry.get("kind") == Kind.OVERRIDE_ADMITTED and data.get(OVERRIDE) == row.digest
    approver = data.get("approver")
    return str(approver) if is_this and approver and approver != data.get("person") else None


def _paths(folder: Path) -> list[Path]:
    return sorted((folder / FOLDER).glob("*.toml"))


def _signers(folder: Path) -> Signers | AskfirstError:
    """The list of people who may sign, or what is wrong with it: then nothing counts."""
    try:
        return read_signers(folder / SIGNERS)
    except AskfirstError as error:
        return error


def _read(path: Path, signers: Signers | AskfirstError, rules: Rulebook) -> _File:
    try:
        text = text_of(path)
    except AskfirstError as error:
        return _File(path.name, "", None, error)
    return _stated(path.name, text, signers, rules)


def _stated(name: str, text: str, signers: Signers | AskfirstError, rules: Rulebook) -> _File:
    """What a text states; it counts for nothing unless there is no fault."""
    try:
        override = parse_override(text, name or NAMELESS).override
    except AskfirstError as error:
        return _File(name, text, None, error)
    if isinstance(signers, AskfirstError):
        return _File(name, text, override, signers)
    try:
        signed_by(text, name or NAMELESS, signers)
        ensure_rules_exist(override, rules)
    except AskfirstError as error:
        return _File(name, text, override, error)
    return _File(name, text, override)


def _waiting(connection: sa.Connection) -> frozenset[str]:
    """The proposals about overrides that are open."""
    query = sa.select(proposals.c.id).where(
        proposals.c.kind == KIND, proposals.c.state == ProposalState.OPEN.value
    )
    return frozenset(connection.execute(query).scalars())
