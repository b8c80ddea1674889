"""Which calls a search looks through: what lists of calls know, and what was said by whom.

Like the filter of a list it holds ids and codes only, so that it may be kept under a name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, tzinfo
from enum import StrEnum

import sqlalchemy as sa

from askfirst.errors import InvalidRequest
from askfirst.policy import PLACE_CODE
from askfirst.server.analysistables import call_figures, tracker_hits
from askfirst.server.callfilter import CallFilter
from askfirst.server.database import calls, parties, recordings
from askfirst.server.searchtokens import SPEAKERS

_LONGEST = 80
_OF_CALLS = ("since", "until", "agent", "contact", "proof")


class Talk(StrEnum):
    """Who has spoken for most of a call: more than three fifths of all talk, or nobody."""

    AGENT = "agent"
    CONTACT = "contact"
    EVEN = "even"


@dataclass(frozen=True, slots=True)
class SearchFilter:
    """What a call, and who speaks, must be to be found; empty fields do not narrow.

    The first five are those of `CallFilter`; `place` is a code of where anybody on the call may
    have been, a country with all its parts; `tracker` is the id of one that was hit in the call.
    """

    since: str = ""
    until: str = ""
    agent: str = ""
    contact: str = ""
    proof: str = ""
    speaker: str = ""
    place: str = ""
    tracker: str = ""
    talk: str = ""

    def __post_init__(self) -> None:
        _ = self.calls  # raises for what is wrong with these
        for name, known in (("speaker", SPEAKERS), ("talk", tuple(each.value for each in Talk))):
            if (given := getattr(self, name)) and given not in known:
                raise InvalidRequest(
                    f"{name}: found {given[:20]!r}; expected {', '.join(known)}", key=name
                )
        if self.place and not PLACE_CODE.fullmatch(self.place):
            raise InvalidRequest(
                f"place: found {self.place[:20]!r}; expected a code such as NO or US-CA",
                key="place",
            )
        if len(self.tracker) > _LONGEST:
            raise InvalidRequest("tracker: expected an id", key="tracker")

    @property
    def calls(self) -> CallFilter:
        """What narrows the calls as in their list."""
        return CallFilter(**{name: getattr(self, name) for name in _OF_CALLS})

    def parameters(self) -> dict[str, str]:
        """What narrows, to be kept."""
        return {
            each.name: value for each in fields(self) if (value := str(getattr(self, each.name)))
        }

    def conditions(self, zone: tzinfo = UTC) -> Iterator[sa.ColumnElement[bool]]:
        """What a query over recordings with their calls must ask for; days are a zone's."""
        yield from self.calls.conditions(zone)
        if self.place:
            written = sa.type_coerce(parties.c.places, sa.Text)
            named = sa.or_(written.contains(f'"{self.place}"'), written.contains(f'"{self.place}-'))
            yield calls.c.id.in_(sa.select(parties.c.call).where(named))
        if self.tracker:
            hit = sa.select(tracker_hits.c.recording).where(tracker_hits.c.tracker == self.tracker)
            yield recordings.c.id.in_(hit)
        if self.talk:
            yield recordings.c.id.in_(sa.select(call_figures.c.recording).where(_talks(self.talk)))


def search_filter_of(given: Mapping[str, str]) -> SearchFilter:
    """The filter of what a form sends; raises InvalidRequest naming the first wrong field."""
    return SearchFilter(
        **{each.name: given.get(each.name, "").strip() for each in fields(SearchFilter)}
    )


def _talks(who: str) -> sa.ColumnElement[bool]:
    ours, theirs = call_figures.c.agent_talk_ms, call_figures.c.contact_talk_ms
    most = {
        Talk.AGENT: 5 * ours > 3 * (ours + theirs),
        Talk.CONTACT: 5 * theirs > 3 * (ours + theirs),
    }
    if who != Talk.EVEN:
        return most[Talk(who)]
    return sa.and_(ours + theirs > 0, *(sa.not_(each) for each in most.values()))
