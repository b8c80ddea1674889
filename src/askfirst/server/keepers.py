"""What keeps a recording although its erasure is asked for: the rule, its statute, until when.

Whoever asked to be erased is owed that answer (GDPR art. 12(4), 17(3)).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from askfirst.retention import STATUTES, Mandatory, mandatory_until
from askfirst.rules import Rulebook
from askfirst.server.account import Account
from askfirst.server.retentionlist import years_of


@dataclass(frozen=True, slots=True)
class Keeper:
    """A duty (`Mandatory`) or the id of a rule, and the first instant (UTC) at which it ends.

    `until` None: it runs on, because the call goes on or nobody knows the duty.
    """

    rule: str
    until: datetime | None


def keeper_of(row: Any, wants: Account, at: datetime) -> Keeper | None:
    """What keeps a recording by law at a moment; None where nothing does.

    `row` has `mandatory`, `kept_until`, `kept_by` of the recording and `ended_at` of its call. Of
    several the one that ends last counts.
    """
    found: list[Keeper] = []
    if row.mandatory is not None:
        until = None
        if row.ended_at is not None and row.mandatory in set(Mandatory):
            regime = Mandatory(row.mandatory)
            until = mandatory_until(row.ended_at, regime, years_of(wants, regime))
        found.append(Keeper(row.mandatory, until))
    if row.kept_until is not None and at < row.kept_until:
        found.append(Keeper(row.kept_by or "", row.kept_until))
    return max(found, key=_ends, default=None)


def statute(rules: Rulebook, rule: str, on: date, language: str) -> str:
    """What the law says, with its name, in a language or else English; empty where unknown."""
    if rule in STATUTES:
        return STATUTES[Mandatory(rule)]
    stated = rules.duties(rule.partition(".")[0], on) if rule else ()
    text = next((duty.text for duty in stated if duty.id == rule), {})
    return text.get(language) or text.get("en", "")


def _ends(keeper: Keeper) -> tuple[bool, float]:
    return keeper.until is None, 0.0 if keeper.until is None else keeper.until.timestamp()
