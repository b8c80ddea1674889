"""What is on record about the sites where employees work: postings and works agreements.

Where the rules of a site want such a thing, calls of its agents are not recorded until it is on
record here and in force. Whether the employees have read the notice is kept with each of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa

from askfirst.errors import InvalidRequest, NotFound
from askfirst.policy import Policy
from askfirst.rules import Rulebook
from askfirst.scene import lineage
from askfirst.server import audit
from askfirst.server.accounts import all_users
from askfirst.server.ids import new_id
from askfirst.server.sitetables import site_records

POSTING, WORKS_AGREEMENT = "posting", "works_agreement"
GATES = (POSTING, WORKS_AGREEMENT)
"""Gates of the workplace (`askfirst.model.WorkplaceGate`) that are a site's and no person's."""

SHORTEST_NOTE, LONGEST_NOTE = 3, 300

Gate = tuple[str, str]
"""A jurisdiction and what its rule wants settled at sites there."""


@dataclass(frozen=True, slots=True)
class SiteRecord:
    """That something is settled at the sites of a jurisdiction, from a day and until another.

    Both days count. `note` says what was agreed or posted, and with whom; `until` None: for good.
    """

    id: str
    jurisdiction: str
    gate: str
    note: str
    since: date
    until: date | None
    recorded_by: str
    recorded_at: datetime
    ended_by: str | None
    ended_at: datetime | None

    def holds(self, on: date) -> bool:
        """Whether it is in force on a day."""
        is_over = self.until is not None and on > self.until
        return self.ended_at is None and self.since <= on and not is_over


def wanted(rules: Rulebook, places: Iterable[str]) -> list[Gate]:
    """What the rules of these places (codes), and of what they belong to, want of their sites."""
    codes = {file.code for place in places for file in lineage(place, rules)}
    return [gate for gate in _gates(rules) if gate[0] in codes]


def settled(
    kept: Iterable[SiteRecord], rules: Rulebook, policy: Policy, on: date
) -> frozenset[Gate]:
    """What is settled at sites anywhere on a day, by what is on record.

    The policy `works_agreement_on_file` stands for a works agreement at every site.
    """
    gates = {(each.jurisdiction, each.gate) for each in kept if each.holds(on)}
    if policy.works_agreement_on_file:
        gates |= {gate for gate in _gates(rules) if gate[1] == WORKS_AGREEMENT}
    return frozenset(gates)


def records(connection: sa.Connection) -> list[SiteRecord]:
    """Everything that ever was on record, by jurisdiction, the newest first."""
    order = (site_records.c.jurisdiction, site_records.c.id.desc())
    rows = connection.execute(sa.select(site_records).order_by(*order))
    return [SiteRecord(**row._mapping) for row in rows]


def record(
    connection: sa.Connection,
    rules: Rulebook,
    gate: Gate,
    note: str,
    days: tuple[date, date | None],
    by: str,
    at: datetime,
) -> str:
    """Put something on record, for the days from and until; gives its id.

    Raises InvalidRequest, `key` is what cannot be used.
    """
    if gate not in _gates(rules):
        raise InvalidRequest(
            "found something that no rule wants of that place; choose one of the list", key="gate"
        )
    note = " ".join(note.split())
    if not SHORTEST_NOTE <= len(note) <= LONGEST_NOTE:
        raise InvalidRequest(
            f"found a note of {len(note)} characters; expected {SHORTEST_NOTE} to {LONGEST_NOTE}: "
            "what was agreed or posted, and with whom",
            key="note",
        )
    since, until = days
    if until is not None and until < since:
        raise InvalidRequest("found a last day before the first; change one of them", key="until")
    values: dict[str, Any] = {
        "id": new_id("site"),
        "jurisdiction": gate[0],
        "gate": gate[1],
        "note": note,
        "since": since,
        "until": until,
        "recorded_by": by,
        "recorded_at": at,
    }
    connection.execute(site_records.insert().values(**values))
    detail: audit.Detail = {"jurisdiction": gate[0], "gate": gate[1]}
    audit.note(connection, at, by, "site.recorded", values["id"], detail)
    return str(values["id"])


def end(connection: sa.Connection, identity: str, by: str, at: datetime) -> None:
    """Let a record hold no more; one that has ended stays as it is. Raises NotFound."""
    mine = site_records.c.id == identity
    if connection.execute(sa.select(site_records.c.id).where(mine)).first() is None:
        raise NotFound(f"nothing is on record as {identity}")
    done = connection.execute(
        site_records.update()
        .where(mine, site_records.c.ended_at.is_(None))
        .values(ended_by=by, ended_at=at)
    )
    if done.rowcount:
        audit.note(connection, at, by, "site.ended", identity)


def places_of(connection: sa.Connection, home: str | None) -> Sequence[str]:
    """The places where people of the account work who may sign in, and the account's own."""
    theirs = {each.place for each in all_users(connection) if each.place and not each.is_disabled}
    return sorted(theirs | ({home} if home else set()))


def _gates(rules: Rulebook) -> list[Gate]:
    return [
        (code, gate)
        for code, file in sorted(rules.jurisdictions.items())
        for gate in (file.workplace.gates if file.workplace else ())
        if gate in GATES
    ]
