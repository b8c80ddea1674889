"""Checklists: off by default, only where persons may be reviewed, read by whom they are about."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from tests.server import coachrig, rig
from tests.server.coachrig import Office
from tests.server.rig import AT

from askfirst.errors import InvalidRequest, NotFound, Refused
from askfirst.rules import packaged
from askfirst.server import account, audit, checklists, coaching, erasure
from askfirst.server.checklists import Reply
from askfirst.server.coachingtables import checklist_templates
from askfirst.server.coachingtables import checklists as rows
from askfirst.server.database import calls, reading, transaction
from askfirst.server.emptydisk import everything

QUESTIONS = ("Was the price named?", "Was a next step agreed?")
REPLIES = ((Reply.YES, "at the quokka"), (Reply.NOT_APPLICABLE, ""))
GROUND = {"checklists": True, "person_figures_basis": "agreed in the works council, 3 May"}


@pytest.fixture
def office(recorded: rig.Recorded) -> Office:
    made = coachrig.office(recorded)
    settle(made, **GROUND)
    return made


def settle(office: Office, **wanted: Any) -> None:
    with transaction(office.store.engine) as connection:
        account.change(connection, wanted, None, AT)


def template(office: Office, by: str = "supervisor") -> str:
    who = getattr(office, by).person
    return checklists.make_template(office.store, who, "Openings", QUESTIONS, AT)


def fill(office: Office, by: str = "supervisor", questions: str = "") -> str:
    who = getattr(office, by).person
    asked = questions or template(office, by)
    return checklists.fill(office.store, packaged(), who, office.call, asked, REPLIES, AT)


def about(office: Office, by: str = "agent") -> list[checklists.Checklist]:
    with reading(office.store.engine) as connection:
        return checklists.about(office.store, connection, getattr(office, by).id)


@pytest.mark.parametrize("by", ["supervisor", "officer"])
def test_the_employee_reads_all_of_a_checklist_about_them(office: Office, by: str) -> None:
    made = fill(office, by)

    (found,) = about(office)
    assert (found.id, found.person, found.name) == (made, getattr(office, by).id, "Openings")
    assert [(each.question, each.reply, each.words) for each in found.answered] == [
        (QUESTIONS[0], Reply.YES, "at the quokka"),
        (QUESTIONS[1], Reply.NOT_APPLICABLE, ""),
    ]
    assert about(office, "other") == []


def test_they_read_and_answer_it_whatever_their_role_is(office: Office) -> None:
    made = fill(office)
    coachrig.demoted(office.store, office.agent)
    rig.change(office.store, office.recording, state="quarantined")

    checklists.answer(office.store, office.agent.id, made, "It was named twice", AT)
    checklists.answer(office.store, office.agent.id, made, "It was named at once", AT)

    assert [each.answer for each in about(office)] == ["It was named at once"]
    with pytest.raises(NotFound):
        checklists.answer(office.store, office.other.id, made, "not mine", AT)


@pytest.mark.parametrize("by", ["agent", "other", "far"])
def test_nobody_else_fills_one_in(office: Office, by: str) -> None:
    asked = template(office)

    with pytest.raises(Refused):
        fill(office, by, asked)
    assert about(office) == []


@pytest.mark.parametrize("by", ["other", "far"])
def test_nobody_else_reads_one(office: Office, by: str) -> None:
    fill(office)

    with pytest.raises(Refused):
        checklists.of_call(office.store, getattr(office, by).person, office.call)


def test_there_are_none_until_they_are_switched_on(office: Office) -> None:
    asked = template(office)
    settle(office, checklists=False)

    with pytest.raises(Refused, match="switched off"):
        fill(office, questions=asked)
    with pytest.raises(Refused, match="switched off"):
        template(office)
    assert account.Account().checklists is False


def test_without_an_agreement_or_a_basis_nobody_is_reviewed(office: Office) -> None:
    asked = template(office)
    settle(office, person_figures_basis=None)

    with pytest.raises(Refused, match="works agreement or a stated basis"):
        fill(office, questions=asked)


def test_a_call_of_several_people_is_not_reviewed(office: Office) -> None:
    asked = template(office)
    with transaction(office.store.engine) as connection:
        detail = {"to": office.agent.id}
        audit.note(connection, AT, office.other.id, "call.handed", office.call, detail)

    with pytest.raises(Refused, match="several people"):
        fill(office, questions=asked)


def test_nobody_reviews_their_own_call(office: Office) -> None:
    with transaction(office.store.engine) as connection:
        connection.execute(calls.update().values(agent=office.supervisor.id))

    with pytest.raises(Refused, match="yours"):
        fill(office)


def test_questions_of_another_team_are_not_asked(office: Office) -> None:
    theirs = template(office, "far")

    with pytest.raises(Refused, match="another team"):
        fill(office, questions=theirs)
    fill(office, questions=template(office, "officer"))


def test_questions_that_ended_are_asked_no_more_and_what_was_answered_stays(
    office: Office,
) -> None:
    asked = template(office)
    fill(office, questions=asked)
    checklists.end_template(office.store, office.supervisor.person, asked, AT)

    with pytest.raises(Refused, match="asked no more"):
        fill(office, questions=asked)
    assert len(about(office)) == 1


@pytest.mark.parametrize("replies", [(), REPLIES[:1], REPLIES * 2])
def test_every_question_is_answered_once(office: Office, replies: Any) -> None:
    who, asked = office.supervisor.person, template(office)

    with pytest.raises(InvalidRequest):
        checklists.fill(office.store, packaged(), who, office.call, asked, replies, AT)


@pytest.mark.parametrize(("name", "lines"), [("", ["a?"]), ("x", []), ("x", [" "] * 3)])
def test_questions_that_ask_nothing_are_refused(office: Office, name: str, lines: Any) -> None:
    with pytest.raises(InvalidRequest):
        checklists.make_template(office.store, office.supervisor.person, name, lines, AT)
    assert rig.rows(office.store, sa.select(checklist_templates)) == []


def test_only_whoever_filled_one_in_removes_it(office: Office) -> None:
    made = fill(office)
    (row,) = rig.rows(office.store, sa.select(rows))
    with pytest.raises(Refused):
        checklists.remove(office.store, office.officer.person, office.call, made, AT)

    checklists.remove(office.store, office.supervisor.person, office.call, made, AT)

    assert about(office) == []
    assert coaching.words_of(office.store, row.text) is None


def test_an_erasure_leaves_nothing_of_it(office: Office) -> None:
    made = fill(office)
    checklists.answer(office.store, office.agent.id, made, "at the quokka, truly", AT)
    (row,) = rig.rows(office.store, sa.select(rows))
    with transaction(office.store.engine) as connection:
        erasure.intend(office.store, connection, office.recording, "request", AT)
    erasure.erase(office.store, office.recording, AT)

    assert rig.rows(office.store, sa.select(rows)) == []
    assert {row.text, row.answer}.isdisjoint(rig.key_ids(office.store))
    whole: list[Path] = [office.store.folder]
    assert not any(b"quokka" in data for _, data in everything(office.store, whole))
