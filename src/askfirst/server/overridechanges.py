"""How an override comes and goes: brought, approved by somebody else, ended before its day.

What loosens waits where a second person is wanted; to end an override tightens and needs nobody.
The file is written only once it may count. A crash between the file and the ledger leaves a file
without an approval, which counts for nothing and is shown so.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa

from askfirst.errors import Refused, Unavailable
from askfirst.ledger import Kind
from askfirst.override import Override, digest, ensure_rules_exist
from askfirst.rules import Rulebook
from askfirst.server import approvals, audit
from askfirst.server.access import Permission, Person
from askfirst.server.approvals import Effect, Proposal
from askfirst.server.database import reading, transaction
from askfirst.server.overrideregister import (
    KIND,
    NAMELESS,
    OVERRIDE,
    Kept,
    Standing,
    kept,
    lies_in,
    one,
)
from askfirst.server.overrides import FOLDER, SIGNERS, read_signers, signed_by
from askfirst.server.overridetables import signed_overrides
from askfirst.server.store import Store


@dataclass(frozen=True, slots=True)
class Brought:
    """An override that was brought: what was signed, and the proposal that waits, if one does."""

    digest: str
    proposal: str | None = None


def bring(
    store: Store, rules: Rulebook, text: str, person: str, at: datetime, reason: str = ""
) -> Brought:
    """Take in a signed file: it counts, or waits for a second person where one is wanted.

    Raises InvalidRules, Unverified and InvalidInput for a file that does not hold, and Refused for
    one that is over, is here already, was ended, or has the name of another one of its days.
    """
    override = signed_by(text, NAMELESS, read_signers(store.folder / SIGNERS))
    ensure_rules_exist(override, rules)
    if at.date() >= override.until:
        raise Refused(f"this override ended on {override.until}; have a new one signed")
    mark = digest(override)
    with transaction(store.engine) as connection:
        for each in kept(store.folder, connection, rules, at.date()):
            _ensure_fits(override, mark, each)
        _keep(connection, mark, text, person, at)
        if approvals.is_wanted(connection, KIND):
            return Brought(mark, _propose(store, connection, mark, person, at, reason))
        placing = _Placing(store.folder, override, text)
        try:
            placing.place()
            _admit(store, connection, mark, at, {"person": person})
        except BaseException:
            placing.undo()
            raise
    return Brought(mark)


def propose(store: Store, rules: Rulebook, mark: str, person: str, at: datetime) -> str:
    """Ask for the approval of an override that lies in the folder without one; gives the proposal.

    Raises NotFound, and Refused where there is nothing to approve.
    """
    with transaction(store.engine) as connection:
        found = one(store.folder, connection, rules, mark, at.date())
        if not found.may_propose:
            raise Refused("this override needs no approval, or waits for one; open the list again")
        _keep(connection, mark, found.text, person, at)
        return _propose(store, connection, mark, person, at, "")


def end(store: Store, rules: Rulebook, mark: str, person: str, at: datetime) -> None:
    """Let an override count no more, at once and for good. Raises NotFound, Refused."""
    with transaction(store.engine) as connection:
        found = one(store.folder, connection, rules, mark, at.date())
        if not found.may_end:
            raise Refused("this override has ended, or waits for approval; open the list again")
        ended = {"ended_by": person, "ended_at": at}
        done = connection.execute(
            signed_overrides.update().where(signed_overrides.c.digest == mark).values(**ended)
        )
        if not done.rowcount:
            _keep(connection, mark, found.text, person, at, **ended)
        data = {OVERRIDE: mark, "person": person}
        store.ledger.append(connection, Kind.OVERRIDE_ENDED, at, data=data)
        audit.note(connection, at, person, "override.ended", detail={OVERRIDE: mark})


def permission(_proposal: Proposal) -> Permission:
    """Who may approve an override: whoever may bring one."""
    return Permission.RECORDING_MANAGE


def approval(store: Store, found: Proposal, person: Person, at: datetime) -> Effect:
    """What an approval does: the file is written into the folder, and counts.

    Raises Unverified where its signature holds no more, Refused where it is over, gone or ended.
    """
    mark = str(found.after.get(OVERRIDE))
    with reading(store.engine) as connection:
        row = connection.execute(
            sa.select(signed_overrides).where(signed_overrides.c.digest == mark)
        ).one_or_none()
    if row is None or row.ended_at is not None:
        raise Refused("this override was ended meanwhile; decline the proposal")
    override = signed_by(row.text, NAMELESS, read_signers(store.folder / SIGNERS))
    if digest(override) != mark:
        raise Refused("this is not what was proposed; decline it and bring the file again")
    if at.date() >= override.until:
        raise Refused(f"this override ended on {override.until}; decline the proposal")
    placing = _Placing(store.folder, override, row.text)

    def write(connection: sa.Connection) -> None:
        placing.place()
        said = {"person": row.brought_by, "approver": str(person.id), "proposal": found.id}
        _admit(store, connection, mark, at, said)

    return Effect(write, undo=placing.undo)


def dropped(connection: sa.Connection, found: Proposal) -> None:
    """A proposal came to nothing: what was only proposed is forgotten, a file in the folder not."""
    mine = signed_overrides.c.digest == str(found.after.get(OVERRIDE))
    connection.execute(
        signed_overrides.delete().where(
            mine, signed_overrides.c.entry.is_(None), signed_overrides.c.ended_at.is_(None)
        )
    )


def _ensure_fits(override: Override, mark: str, other: Kept) -> None:
    """Raise Refused where what is here leaves no room for an override that is brought."""
    if other.digest == mark:
        if other.standing is Standing.ENDED:
            raise Refused("this override was ended here, for good; have a new one signed")
        if not other.may_propose:
            raise Refused("this override is here already; look for it in the list")
        return
    theirs = other.override
    is_live = other.may_end or other.standing is Standing.PROPOSED
    if theirs is None or not is_live or theirs.name != override.name:
        return
    if theirs.since < override.until and override.since < theirs.until:
        raise Refused(
            f"another override is called {override.name!r} on the same days; end it first, or "
            "have this one signed under another name"
        )


def _keep(
    connection: sa.Connection, mark: str, text: str, person: str, at: datetime, **ended: object
) -> None:
    """Keep what was signed, in place of what was kept of it before."""
    connection.execute(signed_overrides.delete().where(signed_overrides.c.digest == mark))
    connection.execute(
        signed_overrides.insert().values(
            digest=mark, text=text, brought_by=person, brought_at=at, **ended
        )
    )


def _propose(
    store: Store, connection: sa.Connection, mark: str, person: str, at: datetime, reason: str
) -> str:
    before, after = {OVERRIDE: None}, {OVERRIDE: mark}
    proposal = approvals.propose(store, connection, KIND, person, before, after, at, reason=reason)
    connection.execute(
        signed_overrides.update().where(signed_overrides.c.digest == mark).values(proposal=proposal)
    )
    return proposal


def _admit(
    store: Store, connection: sa.Connection, mark: str, at: datetime, said: Mapping[str, str]
) -> None:
    data = {OVERRIDE: mark, **said}
    entry = store.ledger.append(connection, Kind.OVERRIDE_ADMITTED, at, data=data)
    done = connection.execute(
        signed_overrides.update()
        .where(signed_overrides.c.digest == mark, signed_overrides.c.ended_at.is_(None))
        .values(entry=entry)
    )
    if done.rowcount != 1:
        raise Refused("this override was ended meanwhile; decline the proposal")
    person = said.get("approver", said["person"])
    audit.note(connection, at, person, "override.admitted", detail={OVERRIDE: mark})


class _Placing:
    """A file on its way into the folder; what fails afterwards takes it out again."""

    def __init__(self, folder: Path, override: Override, text: str) -> None:
        self._folder, self._mark = folder, digest(override)
        short = self._mark.removeprefix("sha256:")[:12]
        self._path = folder / FOLDER / f"{override.name}-{short}.toml"
        self._text = text
        self._is_new = False

    def place(self) -> None:
        """Write the file whole, or not at all, unless one lies there. Raises Unavailable."""
        if lies_in(self._folder, self._mark):
            return
        unfinished = self._path.with_suffix(".new")
        self._is_new = not self._path.exists()
        try:
            self._path.parent.mkdir(mode=0o700, exist_ok=True)
            with unfinished.open("w", encoding="utf-8") as file:
                file.write(self._text)
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(self._path)
        except OSError as error:
            raise Unavailable(
                f"the folder {FOLDER} cannot be written: {error.strerror}; mend its rights"
            ) from error

    def undo(self) -> None:
        """Take out what was put in."""
        if self._is_new:
            self._path.unlink(missing_ok=True)
