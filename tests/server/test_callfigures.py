"""The figures of a recording: what is kept, who sees them, and what hides them."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
import sqlalchemy as sa
from tests.server import rig
from tests.server.learntrig import NORTH, OFFICER, Said, add, learn, lines, said, tracked
from tests.server.rig import AT

from askfirst.analysis import analyse, to_json
from askfirst.errors import InvalidRequest
from askfirst.model import Role
from askfirst.rules import packaged
from askfirst.server import account, learntfilter
from askfirst.server.access import Person, UserRole
from askfirst.server.accounttables import users
from askfirst.server.callfigures import Hidden, sight
from askfirst.server.callfilter import CallFilter
from askfirst.server.callreader import Wanted, call_lines
from askfirst.server.database import calls, reading, transaction
from askfirst.server.store import Store

RULES = packaged()
ON = date(2026, 11, 24)
TALK = lines(
    ("agent", "Good morning, what can I do for you today, is it the lamps again?"),
    ("contact", "Yes."),
    ("agent", "Then I will send you the offer for those lamps."),
)


def seen(store: Store, found: Said, viewer: str | None) -> tuple[bool, Hidden | None, str]:
    with reading(store.engine) as connection:
        shown = sight(connection, RULES, viewer, found.call, ON)
    return shown.figures is not None, shown.hidden, shown.place


def talked(store: Store, agent: str | None, language: str = "en") -> Said:
    found = said(store, agent, TALK, language)
    learn(store, found)
    return found


def with_basis(store: Store) -> None:
    with transaction(store.engine) as connection:
        account.change(connection, {"person_figures_basis": "agreed on 1 May"}, None, AT)


def test_the_figures_are_those_of_the_analysis(store: Store) -> None:
    found = talked(store, None)
    whole = analyse(found.studied.said, found.studied.open_, "en")
    expected = to_json(whole)

    with reading(store.engine) as connection:
        kept = sight(connection, RULES, None, found.call, ON).figures

    assert kept is not None
    assert kept.learnt_at == AT
    for name in ("recorded_ms", "overlap_ms", "silence_ms"):
        assert getattr(kept, name) == expected[name]
    assert round(kept.silence_share, 3) == expected["silence_share"]
    assert kept.turns_per_minute == whole.turns_per_minute
    for role, side, of in (
        (Role.AGENT, kept.agent, whole.agent),
        (Role.CONTACT, kept.contact, whole.contact),
    ):
        assert (side.talk_ms, side.turns, side.words) == (of.talk_ms, of.turns, of.words)
        assert side.longest_ms == (of.longest.talk_ms if of.longest else None)
        assert side.response_ms == of.response_ms
        assert side.questions == len(of.questions or ())
        assert side.words_per_minute == of.words_per_minute
        assert kept.talk_share(role) == whole.talk_share(role)


def test_what_needs_word_lists_is_missing_in_another_language_and_not_none(store: Store) -> None:
    found = talked(store, None, "fr")

    with reading(store.engine) as connection:
        kept = sight(connection, RULES, None, found.call, ON).figures

    assert kept is not None
    assert (kept.agent.questions, kept.contact.questions) == (None, None)
    assert kept.agent.words > 0


def test_an_agent_sees_their_own_figures_and_nobody_else_does_without_a_ground(
    store: Store,
) -> None:
    agent = add(store, UserRole.AGENT, NORTH, "kari")
    lead = add(store, UserRole.SUPERVISOR, NORTH, "liv")
    with transaction(store.engine) as connection:
        connection.execute(users.update().where(users.c.id == agent.id).values(place="DE"))
    found = talked(store, agent.id)

    assert seen(store, found, agent.id) == (True, None, "")
    assert seen(store, found, lead.id) == (False, Hidden.NO_GROUND, "DE")
    with_basis(store)
    assert seen(store, found, lead.id) == (True, None, "")


def test_a_call_that_nobody_of_us_had_tells_nothing_of_one_of_us(store: Store) -> None:
    lead = add(store, UserRole.SUPERVISOR, NORTH, "liv")

    assert seen(store, talked(store, None), lead.id)[0]


@pytest.mark.parametrize(
    "change", [{"state": "quarantined"}, {"may_analyse": False}, {"failure": "spool"}]
)
def test_what_may_not_be_analysed_any_more_has_no_figures(
    store: Store, change: dict[str, object]
) -> None:
    agent = add(store, UserRole.AGENT, NORTH, "kari")
    found = talked(store, agent.id)

    rig.change(store, found.recording, **change)

    assert seen(store, found, agent.id) == (False, Hidden.NOT_ANALYSED, "")


def test_a_private_call_has_figures_for_its_agent_alone(store: Store) -> None:
    agent = add(store, UserRole.AGENT, NORTH, "kari")
    lead = add(store, UserRole.SUPERVISOR, NORTH, "liv")
    found = talked(store, agent.id)
    with_basis(store)
    with transaction(store.engine) as connection:
        connection.execute(calls.update().values(private_at=AT))

    assert seen(store, found, agent.id)[0]
    assert seen(store, found, lead.id) == (False, Hidden.NOT_ANALYSED, "")


def test_learning_again_replaces_the_figures(store: Store) -> None:
    found = talked(store, None)

    learn(store, found, AT + timedelta(days=1))

    rows = rig.rows(store, sa.text("SELECT recording, learnt_at FROM call_figures"))
    assert len(rows) == 1
    with reading(store.engine) as connection:
        kept = sight(connection, RULES, None, found.call, ON).figures
    assert kept is not None
    assert kept.learnt_at == AT + timedelta(days=1)


def listed(store: Store, person: Person, wanted: CallFilter) -> set[str]:
    with reading(store.engine) as connection:
        fits = learntfilter.conditions(connection, RULES, person, wanted, ON)
        return {each.id for each in call_lines(connection, person, Wanted(fits=fits))}


def test_calls_are_found_by_the_share_of_talk_where_figures_may_be_shown(store: Store) -> None:
    agent = add(store, UserRole.AGENT, NORTH, "kari")
    lead = add(store, UserRole.SUPERVISOR, NORTH, "liv")
    mine, theirs = talked(store, agent.id).call, talked(store, lead.id).call
    silent = said(store, agent.id, ())
    learn(store, silent)
    much, little = CallFilter(talk_from="60"), CallFilter(talk_to="40")

    assert listed(store, agent.person, much) == {mine}
    assert listed(store, agent.person, little) == set()
    with pytest.raises(InvalidRequest, match="about one person"):
        listed(store, lead.person, much)
    with_basis(store)
    assert listed(store, lead.person, much) == {mine, theirs}
    assert listed(store, lead.person, CallFilter(talk_from="60", talk_to="66")) == set()


def test_of_people_without_a_ground_no_call_is_found_by_the_share_of_talk(store: Store) -> None:
    lead = add(store, UserRole.SUPERVISOR, NORTH, "liv")
    add(store, UserRole.AGENT, NORTH, "kari")
    hidden = add(store, UserRole.AGENT, NORTH, "hans")
    with transaction(store.engine) as connection:
        connection.execute(users.update().where(users.c.id == hidden.id).values(place="DE"))
    talked(store, hidden.id)

    with reading(store.engine) as connection:
        found = learntfilter.talk_filter(connection, RULES, lead.person, ON)
    assert (found.may_use, found.missing) == (False, ["", "DE"])


def test_who_has_no_right_to_all_trackers_finds_calls_only_that_they_may_listen_to(
    store: Store,
) -> None:
    tracker = tracked(store, "lamps")
    agent = add(store, UserRole.AGENT, NORTH, "kari")
    other = add(store, UserRole.AGENT, NORTH, "per")
    mine, theirs = talked(store, agent.id).call, talked(store, other.id).call
    by = CallFilter(tracker=tracker.id)

    assert listed(store, agent.person, by) == {mine}
    assert listed(store, OFFICER, by) == {mine, theirs}
    assert listed(store, OFFICER, CallFilter(tracker="trk_none")) == set()
