"""Checklists of calls: questions of a team, answered about one call, and nothing counted.

They are off until the account switches them on. A question is answered by yes, no or not
applicable, with words beside it; there are no points and no totals. A filled checklist is about a
person, so it is written only where a works agreement or a basis is on file for that
(`personfigures`). The employee reads all of it, always, and may answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from askfirst.errors import InvalidRequest, NotFound, Refused
from askfirst.rules import Rulebook
from askfirst.server import audit, coaching, personfigures
from askfirst.server.access import Permission, Person, Reach
from askfirst.server.account import account
from askfirst.server.accounttables import audit as audit_lines
from askfirst.server.callreader import ensure_reaches
from askfirst.server.carriedcalls import HANDED
from askfirst.server.coachingtables import checklist_templates, checklists
from askfirst.server.database import calls, reading, transaction
from askfirst.server.ids import new_id
from askfirst.server.store import Store

LONGEST_NAME, LONGEST_QUESTION = 80, 200
MOST_QUESTIONS = 20


class Reply(StrEnum):
    """What is answered to a question."""

    YES = "yes"
    NO = "no"
    NOT_APPLICABLE = "not-applicable"


@dataclass(frozen=True, slots=True)
class Template:
    """The questions of a team; `team` None: everybody's."""

    id: str
    name: str
    team: str | None
    questions: Sequence[str]


@dataclass(frozen=True, slots=True)
class Answered:
    """A question as it was asked, its answer, and words beside it, perhaps none."""

    question: str
    reply: Reply
    words: str = ""


@dataclass(frozen=True, slots=True)
class Checklist:
    """A checklist that was filled in about a call; moments in UTC.

    `answer` is what the employee wrote to it, None where they did not.
    """

    id: str
    call: str
    person: str
    name: str
    answered: Sequence[Answered]
    at: datetime
    answer: str | None
    answered_at: datetime | None


def make_template(
    store: Store, person: Person, name: str, questions: Sequence[str], at: datetime
) -> str:
    """Make the questions of one's team, or of everybody for who reviews everybody; gives the id.

    Raises Refused while there are no checklists, and InvalidRequest naming what is wrong.
    """
    person.ensure(Permission.CHECKLISTS_WRITE)
    name = " ".join(name.split())
    asked = [each for line in questions if (each := " ".join(line.split()))]
    if not 1 <= len(name) <= LONGEST_NAME:
        raise InvalidRequest(
            f"found a name of {len(name)} characters; expected 1 to {LONGEST_NAME}", key="name"
        )
    if not 1 <= len(asked) <= MOST_QUESTIONS or any(len(each) > LONGEST_QUESTION for each in asked):
        raise InvalidRequest(
            f"found {len(asked)} questions; expected 1 to {MOST_QUESTIONS} of at most "
            f"{LONGEST_QUESTION} characters, each on a line",
            key="questions",
        )
    made = new_id("quest")
    team = None if person.reach(Permission.CHECKLISTS_WRITE) is Reach.ALL else _team(person)
    with transaction(store.engine) as connection:
        _ensure_on(connection)
        connection.execute(
            checklist_templates.insert().values(
                id=made, name=name, team=team, questions=asked, made_by=person.id, made_at=at
            )
        )
        audit.note(connection, at, person.id, "checklist.template-made", made)
    return made


def end_template(store: Store, person: Person, template: str, at: datetime) -> None:
    """Ask these questions no more; what was answered stays. Raises NotFound, Refused."""
    with transaction(store.engine) as connection:
        _template(connection, person, template)
        mine = checklist_templates.c.id == template
        connection.execute(checklist_templates.update().where(mine).values(ended_at=at))
        audit.note(connection, at, person.id, "checklist.template-ended", template)


def templates_of(connection: sa.Connection, person: Person) -> list[Template]:
    """The questions that somebody may ask, by name; none while there are no checklists."""
    if not person.may(Permission.CHECKLISTS_WRITE) or not account(connection).checklists:
        return []
    query = sa.select(checklist_templates).where(_usable(person))
    rows = connection.execute(query.order_by(checklist_templates.c.name, checklist_templates.c.id))
    return [Template(row.id, row.name, row.team, tuple(row.questions)) for row in rows]


def why_not(
    connection: sa.Connection, rules: Rulebook, person: Person, call: str, at: datetime
) -> str | None:
    """Why no checklist may be filled in about a call: ``off``, ``own``, ``shared`` (several people
    had it) or ``no-ground``; or None.

    Raises NotFound, Refused as `coaching.to_read`.
    """
    subject = coaching.to_read(connection, person, call)
    if not account(connection).checklists:
        return "off"
    if subject.agent is None or subject.agent == person.id:
        return "own"
    handed = sa.select(audit_lines.c.position).where(
        audit_lines.c.action == HANDED, audit_lines.c.object == call
    )
    if connection.execute(handed.limit(1)).first() is not None:
        return "shared"
    shown = personfigures.shown_to(connection, rules, person.id, at.date())
    return None if subject.agent in shown.persons else "no-ground"


def fill(
    store: Store,
    rules: Rulebook,
    person: Person,
    call: str,
    template: str,
    replies: Sequence[tuple[Reply, str]],
    at: datetime,
) -> str:
    """Answer the questions of a template about a call, in their order; gives the checklist's id.

    Raises NotFound, Refused where there are none, the call is one's own or nobody's, or nothing on
    file lets persons be reviewed, and InvalidRequest for answers that do not fit the questions.
    """
    with reading(store.engine) as connection:
        subject, asked = _allowed(connection, rules, person, call, template, at)
    if len(replies) != len(asked.questions):
        raise InvalidRequest(
            f"found {len(replies)} answers; expected {len(asked.questions)}", key="replies"
        )
    answered = [
        {
            "question": question,
            "reply": reply.value,
            "words": coaching.checked(words, "words") if words.strip() else "",
        }
        for question, (reply, words) in zip(asked.questions, replies, strict=True)
    ]
    words = {"name": asked.name, "answered": answered}
    made = new_id("check")
    with (
        coaching.kept(store, subject.recording, words) as sealed,
        transaction(store.engine) as connection,
    ):
        _allowed(connection, rules, person, call, template, at)
        connection.execute(
            checklists.insert().values(
                id=made,
                recording=subject.recording,
                call=call,
                template=template,
                person=person.id,
                text=sealed,
                at=at,
            )
        )
        audit.note(connection, at, person.id, "checklist.filled", made, {"call": call})
    return made


def remove(store: Store, person: Person, call: str, checklist: str, at: datetime) -> None:
    """Remove a checklist that one has filled in, and its answer, words first. Raises Refused."""
    with reading(store.engine) as connection:
        coaching.to_read(connection, person, call)
        ensure_reaches(connection, person, Permission.CHECKLISTS_WRITE, call)
        row = _row(connection, checklist)
        if row.call != call or row.person != person.id:
            raise Refused("only whoever filled in a checklist removes it")
    coaching.destroy(store, [row.text, row.answer])
    with transaction(store.engine) as connection:
        connection.execute(checklists.delete().where(checklists.c.id == checklist))
        audit.note(connection, at, person.id, "checklist.removed", checklist, {"call": call})


def answer(store: Store, user: str, checklist: str, text: str, at: datetime) -> None:
    """Write, or write anew, what the employee of the call says to a checklist about them.

    They need no other right to the call. Raises NotFound for one that is not about them.
    """
    words = coaching.checked(text)
    with reading(store.engine) as connection:
        row = _about(connection, user, checklist)
    with (
        coaching.kept(store, row.recording, {"text": words}) as sealed,
        transaction(store.engine) as connection,
    ):
        before = _about(connection, user, checklist).answer
        connection.execute(
            checklists.update()
            .where(checklists.c.id == checklist)
            .values(answer=sealed, answered_at=at)
        )
    coaching.destroy(store, [before])


def of_call(store: Store, person: Person, call: str) -> list[Checklist]:
    """The checklists of a call, for who fills in such and for its employee, as they were filled."""
    with reading(store.engine) as connection:
        subject = coaching.to_read(connection, person, call)
        if subject.agent != person.id:
            ensure_reaches(connection, person, Permission.CHECKLISTS_WRITE, call)
        rows = connection.execute(
            sa.select(checklists)
            .where(checklists.c.recording == subject.recording)
            .order_by(checklists.c.id)
        ).all()
    return [_checklist(store, row) for row in rows]


def about(store: Store, connection: sa.Connection, user: str) -> list[Checklist]:
    """Every checklist about calls of an employee, the newest first."""
    query = (
        sa.select(checklists)
        .join(calls, calls.c.id == checklists.c.call)
        .where(calls.c.agent == user)
        .order_by(checklists.c.id.desc())
    )
    return [_checklist(store, row) for row in connection.execute(query).all()]


def _allowed(
    connection: sa.Connection,
    rules: Rulebook,
    person: Person,
    call: str,
    template: str,
    at: datetime,
) -> tuple[coaching.Subject, Template]:
    ensure_reaches(connection, person, Permission.CHECKLISTS_WRITE, call)
    match why_not(connection, rules, person, call, at):
        case "off":
            raise Refused("checklists are switched off in this account")
        case "own":
            raise Refused("a checklist is about a call of somebody else; this one is yours")
        case "shared":
            raise Refused("several people had this call; a checklist is about one")
        case "no-ground":
            raise Refused(
                "nothing on file lets single persons be reviewed where this employee works: a "
                "works agreement or a stated basis. See Settings, Sites"
            )
    return coaching.to_read(connection, person, call), _template(connection, person, template)


def _ensure_on(connection: sa.Connection) -> None:
    if not account(connection).checklists:
        raise Refused("checklists are switched off in this account")


def _team(person: Person) -> str:
    if person.team is None:
        raise InvalidRequest("you are in no team; ask an administrator for one", key="name")
    return person.team


def _usable(person: Person) -> sa.ColumnElement[bool]:
    """Which templates somebody may use: everybody's, and their team's or, reaching all, any."""
    present = checklist_templates.c.ended_at.is_(None)
    if person.reach(Permission.CHECKLISTS_WRITE) is Reach.ALL:
        return present
    of_team: sa.ColumnElement[bool] = checklist_templates.c.team.is_(None)
    if person.team is not None:
        of_team = sa.or_(of_team, checklist_templates.c.team == person.team)
    return sa.and_(present, of_team)


def _template(connection: sa.Connection, person: Person, template: str) -> Template:
    person.ensure(Permission.CHECKLISTS_WRITE)
    query = sa.select(checklist_templates, _usable(person).label("is_usable")).where(
        checklist_templates.c.id == template
    )
    row = connection.execute(query).one_or_none()
    if row is None:
        raise NotFound(f"no questions {template}")
    if not row.is_usable:
        raise Refused("these questions are another team's, or are asked no more")
    return Template(row.id, row.name, row.team, tuple(row.questions))


def _row(connection: sa.Connection, checklist: str) -> Any:
    row = connection.execute(
        sa.select(checklists).where(checklists.c.id == checklist)
    ).one_or_none()
    if row is None:
        raise NotFound(f"no checklist {checklist}")
    return row


def _about(connection: sa.Connection, user: str, checklist: str) -> Any:
    query = (
        sa.select(checklists)
        .join(calls, calls.c.id == checklists.c.call)
        .where(checklists.c.id == checklist, calls.c.agent == user)
    )
    row = connection.execute(query).one_or_none()
    if row is None:
        raise NotFound(f"no checklist {checklist} about you")
    return row


def _checklist(store: Store, row: Any) -> Checklist:
    words = coaching.words_of(store, row.text) or {"name": "", "answered": []}
    answered = coaching.words_of(store, row.answer)
    return Checklist(
        row.id,
        row.call,
        row.person,
        str(words["name"]),
        tuple(
            Answered(each["question"], Reply(each["reply"]), each["words"])
            for each in words["answered"]
        ),
        row.at,
        None if answered is None else str(answered["text"]),
        row.answered_at,
    )
