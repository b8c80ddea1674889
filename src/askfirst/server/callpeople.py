"""People of a call as its gate and its decisions know them."""

from __future__ import annotations

from dataclasses import replace

from askfirst import events as ev
from askfirst.gate import Facts
from askfirst.model import UNKNOWN, LocatedParty, Party, Place
from askfirst.server.request import CallRequest, Known


def joining(index: int, leg: str, located: LocatedParty, at_ms: int) -> ev.PartyJoined:
    """The event of somebody who joins on a leg, wherever a decision has found them to be."""
    codes = {place.code for place in located.places}
    if located.unknown is not None:
        codes.add(UNKNOWN)
    return ev.PartyJoined(at_ms, index, located.role, leg, frozenset(codes))


def with_place(person: Party, index: int, place: Place, facts: Facts) -> Party:
    """A person with one more place; a place that was unknown stays unknown beside it."""
    known = {each.code for each in person.places}
    was_unknown = any(UNKNOWN in each.places for each in facts.parties if each.index == index)
    unknown = (Place(UNKNOWN),) if was_unknown and UNKNOWN not in known else ()
    return replace(person, places=(*person.places, *unknown, place))


def with_known(request: CallRequest, known: Known) -> CallRequest:
    """What a call goes on from once it is known who has joined."""
    if not known.has_objected:
        return request
    return replace(request, policy=replace(request.policy, contact_objected=True))


def peer_hold(leg: str) -> str:
    """The hold of a call by the other side of a leg: each side may hold it, and alone ends that."""
    return f"peer-{leg}"
