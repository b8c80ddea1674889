"""Private calls: when a call may be one, and what others are shown of it.

An agent says that a call is private, before it or in it: then nothing of it is kept, written out or
announced, which nobody takes back, and with whom it was is shown to that agent alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from askfirst.errors import Refused
from askfirst.server.database import calls, parties

if TYPE_CHECKING:
    from askfirst.policy import Policy
    from askfirst.server.access import Person


FIRST_CONTACT = 1
"""The party whose number a private call keeps for its agent."""


def may_be_private(is_allowed: bool, policy: Policy) -> bool:
    """Whether a call may be private: where the account allows it and no duty to record is owed."""
    return is_allowed and policy.mandatory_recording is None


def ensure_may_be_private(is_allowed: bool, policy: Policy) -> None:
    """Raise Refused where a call may not be private; `is_allowed` is the account's own wish."""
    if duty := policy.mandatory_recording:
        raise Refused(
            f"calls of this account must be recorded ({duty}), so none is private; use another "
            "telephone"
        )
    if not is_allowed:
        raise Refused("private calls are switched off in this account; use another telephone")


def number_of_party() -> sa.ColumnElement[str | None]:
    """The number of a row of parties, joined with its call; also that of a private call."""
    is_first = parties.c.number_in_call == FIRST_CONTACT
    return sa.func.coalesce(parties.c.number, sa.case((is_first, calls.c.private_number)))


def readable(person: Person) -> sa.ColumnElement[bool]:
    """Which calls show a person with whom they are: their own private ones, and all others."""
    return sa.or_(calls.c.private_at.is_(None), calls.c.agent == person.id)


def as_others_see(state: Mapping[str, Any]) -> dict[str, Any]:
    """The state of a live call (`LiveCall.state`) for anybody but its agent."""
    if not state["private"]:
        return dict(state)
    people = [{**each, "places": [], "name": ""} for each in state["parties"]]
    hidden: dict[str, Any] = {"to": "", "name": "", "decision": None, "consultation": None}
    return {**state, **hidden, "sentences": [], "parties": people}
