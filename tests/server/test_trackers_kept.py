"""Trackers that are kept: in whose calls they are looked for, and what becomes of their hits."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.server import rig
from tests.server.learntrig import (
    NORTH,
    OFFICER,
    SOUTH,
    add,
    hits,
    learn,
    lines,
    said,
    tracked,
)
from tests.server.rig import AT
from tests.server.test_erasurereplay import back
from tests.server.test_finishing import NOTICE, TOLD, Listening, finished
from tests.server.test_jobs import record

from askfirst.errors import InvalidRequest, NotFound, Refused
from askfirst.model import RecordingState
from askfirst.server import audit, erasure, study, trackerchanges, trackerhits, trackerlist
from askfirst.server.access import Person, UserRole
from askfirst.server.analysistables import call_figures, tracker_hits
from askfirst.server.callnotes import Conflict
from askfirst.server.clock import utc_now
from askfirst.server.database import outbox, reading, transaction
from askfirst.server.node import Node
from askfirst.server.store import Store
from askfirst.server.trackerchanges import LONGEST_PHRASE, MOST_PHRASES, Draft, checked
from askfirst.trackers import LONGEST_NAME

LATER = AT + timedelta(hours=1)
ASKED = lines(("contact", "What do these prices include?"), ("agent", "The price is fine."))


def ordered(store: Store) -> list[str]:
    """The calls that wait to be learnt anew."""
    query = sa.select(outbox.c.ref).where(outbox.c.kind == study.ORDER)
    return sorted(row.ref for row in rig.rows(store, query))


def test_a_hit_is_kept_with_speaker_and_times_and_without_its_words(store: Store) -> None:
    agent = add(store, UserRole.AGENT, NORTH, "kari")
    tracker = tracked(store, "price", said_by="contact")
    found = said(store, agent.id, ASKED)

    learn(store, found)

    (hit,) = hits(store, tracker)
    assert (hit.call, hit.speaker) == (found.call, "contact")
    assert 0 <= hit.start_ms < hit.end_ms <= 1_500
    assert not [value for value in hit if isinstance(value, str) and "price" in value.casefold()]


@pytest.mark.parametrize(
    ("language", "phrase", "words"),
    [
        ("nb", "avtale", "Jeg har ikke fått avtalene deres."),
        ("nb", "oppsigelse", "Hva med oppsigelsen da?"),
        ("de", "Kündigung", "Ich habe zwei Kündigungen geschickt."),
        ("de", "Preis", "Mit den Preisen bin ich zufrieden."),
        ("en", "cancel", "We cancelled it."),
    ],
)
def test_an_inflection_is_the_same_word(
    store: Store, language: str, phrase: str, words: str
) -> None:
    tracker = tracked(store, phrases={language: (phrase,)})

    learn(store, said(store, None, lines(("contact", words)), language))

    assert len(hits(store, tracker)) == 1


def test_phrases_of_another_language_hit_nothing(store: Store) -> None:
    tracker = tracked(store, phrases={"de": ("price",)})

    learn(store, said(store, None, ASKED))

    assert hits(store, tracker) == []


def test_a_tracker_of_another_team_is_not_looked_for(store: Store) -> None:
    north = add(store, UserRole.AGENT, NORTH, "kari")
    alone = add(store, UserRole.AGENT, None, "ola")
    everybody = tracked(store, "price")
    own = tracked(store, "price", team=NORTH)
    other = tracked(store, "price", team=SOUTH)

    for agent in (north.id, alone.id, None):
        learn(store, said(store, agent, ASKED))

    assert [len(hits(store, each)) for each in (everybody, own, other)] == [6, 2, 0]


def test_a_person_of_another_team_has_its_trackers_and_not_the_former_ones(store: Store) -> None:
    agent = add(store, UserRole.AGENT, NORTH, "kari")
    old = tracked(store, "price", team=NORTH)
    new = tracked(store, "price", team=SOUTH)
    found = said(store, agent.id, ASKED)
    learn(store, found)
    officer = replace(OFFICER, id="usr_other")
    with transaction(store.engine) as connection:
        assert trackerhits.first_names(connection, officer, [found.call])
        connection.execute(sa.text("UPDATE users SET team = 'south'"))
        assert not trackerhits.first_names(connection, officer, [found.call]), "hidden at once"

    learn(store, found)

    assert (len(hits(store, old)), len(hits(store, new))) == (0, 2)


def test_a_change_orders_the_calls_of_both_teams_that_speak_its_language(store: Store) -> None:
    people = {team: add(store, UserRole.AGENT, team, team) for team in (NORTH, SOUTH, "west")}
    made = {team: said(store, user.id, ASKED).call for team, user in people.items()}
    said(store, people[NORTH].id, ASKED, "de")
    tracker = tracked(store, "price", team=NORTH)
    assert ordered(store) == [made[NORTH]]

    with transaction(store.engine) as connection:
        connection.execute(outbox.delete())
        draft = Draft("Price", SOUTH, {"en": ("price",)})
        trackerchanges.change(connection, OFFICER, tracker.id, 1, draft, LATER)

    assert ordered(store) == sorted([made[NORTH], made[SOUTH]])


def test_another_name_alone_needs_no_other_look_at_calls(store: Store) -> None:
    found = said(store, None, ASKED)
    tracker = tracked(store, "price")
    learn(store, found)
    with transaction(store.engine) as connection:
        connection.execute(outbox.delete())
        draft = Draft("What it costs", None, {"en": ("price",)})
        changed = trackerchanges.change(connection, OFFICER, tracker.id, 1, draft, LATER)
        names = trackerhits.first_names(connection, OFFICER, [found.call])

    assert (ordered(store), names) == ([], {found.call: "What it costs"})
    assert (changed.version, changed.applies_from) == (2, tracker.applies_from)


def test_of_two_who_change_it_at_once_the_second_is_told(store: Store) -> None:
    tracker = tracked(store, "price")
    draft = Draft("Price", None, {"en": ("price", "cost")})
    with transaction(store.engine) as connection:
        trackerchanges.change(connection, OFFICER, tracker.id, 1, draft, LATER)

    for second in (replace(draft, between=1), draft):
        with transaction(store.engine) as connection, pytest.raises(Conflict, match="version 1"):
            trackerchanges.change(connection, OFFICER, tracker.id, 1, second, LATER)
    with transaction(store.engine) as connection, pytest.raises(Conflict, match="version 1"):
        trackerchanges.end(connection, OFFICER, tracker.id, 1, LATER)


def test_an_ended_tracker_is_gone_with_its_hits(store: Store) -> None:
    tracker = tracked(store, "price")
    found = said(store, None, ASKED)
    learn(store, found)
    assert hits(store, tracker)

    with transaction(store.engine) as connection:
        trackerchanges.end(connection, OFFICER, tracker.id, 1, LATER)

    assert hits(store, tracker) == []
    learn(store, found)
    assert hits(store, tracker) == []
    with reading(store.engine) as connection, pytest.raises(NotFound):
        trackerlist.get(connection, OFFICER, tracker.id)


def test_a_tracker_that_is_changed_while_a_call_is_learnt_is_looked_for_as_it_is(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracker = tracked(store, "price")
    times = []

    def found(*given: object) -> object:
        times.append(given)
        if len(times) == 1:
            draft = Draft("Price", None, {"en": ("fine",)})
            with transaction(store.engine) as connection:
                trackerchanges.change(connection, OFFICER, tracker.id, 1, draft, LATER)
        return looked(*given)  # type: ignore[arg-type]  # passed on

    looked = trackerhits.found
    monkeypatch.setattr(trackerhits, "found", found)

    learn(store, said(store, None, ASKED))

    (hit,) = hits(store, tracker)
    assert (hit.speaker, len(times)) == ("agent", 2)


@pytest.mark.parametrize("fault", ["erased", "quarantined", "not-analysed"])
def test_nothing_is_kept_of_what_became_forbidden_while_it_was_learnt(
    store: Store, fault: str
) -> None:
    tracker = tracked(store, "price")
    found = said(store, None, ASKED)
    learn(store, found)
    match fault:
        case "erased":
            with transaction(store.engine) as connection:
                connection.execute(sa.text("UPDATE calls SET ended_at = created_at"))
                erasure.intend(store, connection, found.recording, "asked", AT)
        case "quarantined":
            rig.change(store, found.recording, state=RecordingState.QUARANTINED.value)
        case _:
            rig.change(store, found.recording, may_analyse=False)
    with reading(store.engine) as connection:
        assert trackerhits.places(connection, OFFICER, found.call) == []

    learn(store, found)

    assert hits(store, tracker) == []


def test_a_supervisor_manages_the_trackers_of_their_own_team_alone(store: Store) -> None:
    lead = Person("usr_lead", frozenset({UserRole.SUPERVISOR}), NORTH)
    own = tracked(store, "price", by=lead, team=NORTH)
    everybody = tracked(store, "price")
    other = tracked(store, "price", team=SOUTH)

    with reading(store.engine) as connection:
        assert {each.id for each in trackerlist.listed(connection, lead)} == {own.id, everybody.id}
    for team in (None, SOUTH):
        with pytest.raises(Refused):
            tracked(store, "cost", by=lead, team=team)
    same = Draft("Price", NORTH, {"en": ("price",)})
    with transaction(store.engine) as connection, pytest.raises(Refused):
        trackerchanges.change(connection, lead, everybody.id, 1, same, LATER)
    with transaction(store.engine) as connection, pytest.raises(Refused):
        trackerchanges.change(connection, lead, own.id, 1, replace(same, team=None), LATER)
    with transaction(store.engine) as connection, pytest.raises(Refused):
        trackerchanges.end(connection, lead, other.id, 1, LATER)


@pytest.mark.parametrize("role", [UserRole.AGENT, UserRole.AUDITOR])
def test_who_may_not_manage_trackers_sees_and_makes_none(store: Store, role: UserRole) -> None:
    tracked(store, "price")
    person = Person("usr_x", frozenset({role}), NORTH)

    with reading(store.engine) as connection:
        assert trackerlist.listed(connection, person) == []
    with pytest.raises(Refused):
        tracked(store, "cost", by=person, team=NORTH)


def test_the_audit_log_says_who_did_what_and_no_words(store: Store) -> None:
    tracker = tracked(store, "price", name="Secret name")
    draft = Draft("Another", None, {"en": ("another phrase",)})
    with transaction(store.engine) as connection:
        trackerchanges.change(connection, OFFICER, tracker.id, 1, draft, LATER)
        trackerchanges.end(connection, OFFICER, tracker.id, 2, LATER)
        found = audit.lines(connection)

    assert [(each.action, each.object, each.actor) for each in reversed(found)] == [
        (f"tracker.{done}", tracker.id, OFFICER.id) for done in ("made", "changed", "ended")
    ]
    assert [dict(each.detail) for each in reversed(found)] == [
        {"version": 1},
        {"version": 2},
        {"version": 2},
    ]


GOOD = Draft("Price", None, {"en": ("price",)})


@pytest.mark.parametrize(
    ("draft", "key"),
    [
        (replace(GOOD, name=" "), "name"),
        (replace(GOOD, name="x" * (LONGEST_NAME + 1)), "name"),
        (replace(GOOD, between=6), "between"),
        (replace(GOOD, between=-1), "between"),
        (replace(GOOD, said_by="nobody"), "said_by"),
        (replace(GOOD, phrases={}), "phrases"),
        (replace(GOOD, phrases={"en": (" ", "")}), "phrases"),
        (replace(GOOD, phrases={"xx": ("price",)}), "phrases"),
        (replace(GOOD, phrases={"nb": ("en to tre fire fem seks syv åtte ni",)}), "phrases.nb"),
        (replace(GOOD, phrases={"en": ("?!",)}), "phrases.en"),
        (replace(GOOD, phrases={"en": ("x" * (LONGEST_PHRASE + 1),)}), "phrases.en"),
        (
            replace(GOOD, phrases={"en": tuple(f"w{n}" for n in range(MOST_PHRASES + 1))}),
            "phrases.en",
        ),
        (replace(GOOD, team="x" * 81), "team"),
    ],
)
def test_what_cannot_be_a_tracker_is_refused_by_its_field(
    store: Store, draft: Draft, key: str
) -> None:
    with transaction(store.engine) as connection, pytest.raises(InvalidRequest) as refused:
        trackerchanges.make(connection, OFFICER, draft, AT)
    assert refused.value.key == key


def test_a_name_is_one_tracker_s_in_a_team(store: Store) -> None:
    tracked(store, "price", team=NORTH)
    tracked(store, "price")

    with pytest.raises(InvalidRequest, match="already"):
        tracked(store, "cost", team=NORTH)


@settings(max_examples=50)
@given(st.lists(st.text(st.characters(codec="utf-8", categories=("L", "Zs")), max_size=30)))
def test_what_is_taken_is_a_tracker_with_each_phrase_once_and_tidy(phrases: list[str]) -> None:
    try:
        made = checked(replace(GOOD, phrases={"en": tuple(phrases)}))
    except InvalidRequest:
        return
    kept = made.phrases["en"]
    assert kept
    assert len(set(kept)) == len(kept)
    assert all(phrase == " ".join(phrase.split()) for phrase in kept)
    assert checked(replace(GOOD, phrases=dict(made.phrases))) == made


def test_calls_from_before_are_looked_through_by_the_job_and_the_progress_says_how_far(
    tmp_path: Path,
) -> None:
    node = Node.open(tmp_path / "data", Listening(NOTICE))
    try:
        call = record(node, tmp_path / "callee")
        assert rig.rows(node.store, sa.select(tracker_hits)) == []

        made = tracked(node.store, "very much", said_by="contact", at=utc_now())
        with reading(node.store.engine) as connection:
            before = trackerlist.progress(connection, made)
        node.jobs.wait()

        with reading(node.store.engine) as connection:
            after = trackerlist.progress(connection, made)
        assert (before.done, before.total, before.is_over) == (0, 1, False)
        assert (after.done, after.total, after.is_over) == (1, 1, True)
        assert {hit.call for hit in hits(node.store, made)} == {call.id}
        assert {hit.speaker for hit in hits(node.store, made)} == {"contact"}
    finally:
        node.close()


def test_an_erased_recording_has_neither_figures_nor_hits(store: Store, tmp_path: Path) -> None:
    tracker = tracked(store, "very much")
    call = finished(store, tmp_path, Listening(NOTICE), *TOLD)
    study.study(store, call.id, utc_now())
    assert hits(store, tracker)
    (recording,) = call.recordings
    figures = sa.text("SELECT * FROM call_figures")
    assert len(rig.rows(store, figures)) == 1

    with transaction(store.engine) as connection:
        erasure.intend(store, connection, recording, "asked", utc_now())
    erasure.carry_out(store, utc_now())

    assert (hits(store, tracker), rig.rows(store, figures)) == ([], [])


def test_a_backup_that_is_restored_brings_neither_figures_nor_hits_back(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    learnt = (tracker_hits, call_figures)
    node = Node.open(folder, Listening(NOTICE))
    tracked(node.store, "very much", at=utc_now())
    call = record(node, tmp_path / "callee")
    assert [len(rig.rows(node.store, sa.select(table))) for table in learnt] == [1, 1]
    node.close()

    def erase() -> None:
        with closing(Node.open(folder, Listening(NOTICE))) as opened:
            with transaction(opened.store.engine) as connection:
                erasure.intend(opened.store, connection, call.recordings[0], "asked", utc_now())
            erasure.carry_out(opened.store, utc_now())
            opened.jobs.wait()

    back(folder, ("askfirst.db",), erase)

    with closing(Node.open(folder, Listening(NOTICE))) as again:
        again.jobs.wait()
        assert [rig.rows(again.store, sa.select(table)) for table in learnt] == [[], []]
