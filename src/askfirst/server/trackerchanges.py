"""Making, changing and ending trackers; calls that were before are looked through again.

The order for that stands in the transaction of the change. Names and phrases are the team's own
words and stand in the table alone: the audit log has ids and versions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import sqlalchemy as sa

from askfirst.errors import InvalidInput, InvalidRequest, Refused
from askfirst.server import audit, study, trackerlist
from askfirst.server.access import Permission, Person
from askfirst.server.analysistables import tracker_hits, trackers
from askfirst.server.callnotes import Conflict
from askfirst.server.contactcard import aware
from askfirst.server.ids import new_id
from askfirst.server.stemming import LANGUAGES
from askfirst.server.trackerlist import KeptTracker, concerned, languages, may_manage
from askfirst.trackers import LONGEST_NAME, MOST_BETWEEN, SaidBy, Tracker

MOST = 200
"""Trackers in force, at most."""

MOST_PHRASES = 100
"""Phrases of a tracker in one language, at most."""

LONGEST_PHRASE = 160
"""Characters of a phrase, at most; how many words it may have says the tracker."""

LONGEST_TEAM = 80


@dataclass(frozen=True, slots=True)
class Draft:
    """A tracker as somebody wrote it. `team` None: everybody's; phrases by language code."""

    name: str = ""
    team: str | None = None
    phrases: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    said_by: str = SaidBy.BOTH.value
    between: int = 0


def make(connection: sa.Connection, person: Person, draft: Draft, at: datetime) -> KeptTracker:
    """Keep a new tracker, and order that calls from before are looked through.

    Raises Refused for a team whose trackers the person does not manage, InvalidRequest whose `key`
    is what cannot be used.
    """
    aware(at)
    made, team = checked(draft), _team(draft)
    _ensure_may(person, team)
    _ensure_name_is_free(connection, made.name, team, None)
    kept = sa.select(sa.func.count()).select_from(trackers).where(trackers.c.ended_at.is_(None))
    if connection.execute(kept).scalar_one() >= MOST:
        raise InvalidRequest(f"there are {MOST} trackers; end one first", key="name")
    identity = new_id("trk")
    connection.execute(
        trackers.insert().values(
            id=identity,
            **_values(made, team),
            version=1,
            made_by=person.id,
            made_at=at,
            applies_from=at,
        )
    )
    audit.note(connection, at, person.id, "tracker.made", identity, {"version": 1})
    study.order_where(connection, concerned(team, languages(made)), at)
    return trackerlist.get(connection, person, identity)


def change(
    connection: sa.Connection,
    person: Person,
    tracker: str,
    version: int,
    draft: Draft,
    at: datetime,
) -> KeptTracker:
    """Keep a tracker as it is written now; `version` is the one that was read.

    Calls of the team that had it and of the team that has it are looked through again, unless
    only its name is another. Raises NotFound, Refused, Conflict where somebody has changed it
    since, and InvalidRequest as `make`.
    """
    aware(at)
    before = trackerlist.get(connection, person, tracker)
    _ensure_may(person, before.team)
    new, team = checked(draft), _team(draft)
    _ensure_may(person, team)
    if version == before.version and (new, team) == (before.tracker, before.team):
        return before
    _ensure_name_is_free(connection, new.name, team, tracker)
    is_other = _looks_for(new, team) != _looks_for(before.tracker, before.team)
    done = connection.execute(
        trackers.update()
        .where(_is_version(tracker, version))
        .values(
            **_values(new, team),
            version=version + 1,
            changed_by=person.id,
            changed_at=at,
            **({"applies_from": at} if is_other else {}),
        )
    )
    _ensure_done(done.rowcount, version, before)
    audit.note(connection, at, person.id, "tracker.changed", tracker, {"version": version + 1})
    if is_other:
        theirs = sa.or_(
            concerned(before.team, languages(before.tracker)), concerned(team, languages(new))
        )
        study.order_where(connection, theirs, at)
    return trackerlist.get(connection, person, tracker)


def end(
    connection: sa.Connection, person: Person, tracker: str, version: int, at: datetime
) -> None:
    """Look for a tracker no longer; its hits go with it. Raises as `change`."""
    aware(at)
    before = trackerlist.get(connection, person, tracker)
    _ensure_may(person, before.team)
    done = connection.execute(
        trackers.update()
        .where(_is_version(tracker, version))
        .values(ended_at=at, changed_by=person.id, changed_at=at)
    )
    _ensure_done(done.rowcount, version, before)
    connection.execute(tracker_hits.delete().where(tracker_hits.c.tracker == tracker))
    audit.note(connection, at, person.id, "tracker.ended", tracker, {"version": version})


def checked(draft: Draft) -> Tracker:
    """The tracker of a draft, its spaces tidied. Raises InvalidRequest naming what cannot be used.

    The `key` of phrases is `phrases`, or `phrases.` and their language.
    """
    name = _tidy(draft.name)
    if not 1 <= len(name) <= LONGEST_NAME or not name.isprintable():
        raise InvalidRequest(
            f"found a name of {len(name)} characters; expected 1 to {LONGEST_NAME}", key="name"
        )
    if draft.said_by not in tuple(SaidBy):
        raise InvalidRequest("said_by: expected agent, contact or both", key="said_by")
    if not 0 <= draft.between <= MOST_BETWEEN:
        raise InvalidRequest(
            f"found {draft.between} words between; expected 0 to {MOST_BETWEEN}", key="between"
        )
    phrases = {
        language: said
        for language in sorted(draft.phrases)
        if (said := _phrases(language, draft.phrases[language]))
    }
    if not phrases:
        raise InvalidRequest("found no phrase; write at least one", key="phrases")
    for language, said in phrases.items():
        _ensure_phrases(name, language, said)
    return Tracker(name, phrases, SaidBy(draft.said_by), draft.between)


def _ensure_phrases(name: str, language: str, said: tuple[str, ...]) -> None:
    key = f"phrases.{language}"
    if len(said) > MOST_PHRASES:
        raise InvalidRequest(
            f"found {len(said)} phrases of a language; expected at most {MOST_PHRASES}", key=key
        )
    if any(len(phrase) > LONGEST_PHRASE for phrase in said):
        raise InvalidRequest(
            f"found a phrase of more than {LONGEST_PHRASE} characters; shorten it", key=key
        )
    try:
        Tracker(name, {language: said})
    except InvalidInput as error:
        raise InvalidRequest(str(error), key=key) from error


def _phrases(language: str, given: tuple[str, ...]) -> tuple[str, ...]:
    """The phrases of a language in the order in which they were written, each once."""
    if language not in LANGUAGES:
        raise InvalidRequest(
            f"found phrases of the language {language[:12]!r}; expected {', '.join(LANGUAGES)}",
            key="phrases",
        )
    return tuple(dict.fromkeys(tidied for phrase in given if (tidied := _tidy(phrase))))


def _tidy(text: str) -> str:
    return " ".join(text.split())


def _team(draft: Draft) -> str | None:
    team = _tidy(draft.team or "")
    if len(team) > LONGEST_TEAM:
        raise InvalidRequest(f"team: expected at most {LONGEST_TEAM} characters", key="team")
    return team or None


def _ensure_may(person: Person, team: str | None) -> None:
    person.ensure(Permission.TRACKERS_MANAGE)
    if not may_manage(person, team):
        raise Refused(
            "this tracker is not one of your own team; ask somebody who manages all of them"
        )


def _ensure_name_is_free(
    connection: sa.Connection, name: str, team: str | None, besides: str | None
) -> None:
    same = sa.select(trackers.c.id).where(
        trackers.c.ended_at.is_(None),
        trackers.c.name == name,
        trackers.c.team.is_not_distinct_from(team),
        trackers.c.id != (besides or ""),
    )
    if connection.execute(same).first() is not None:
        raise InvalidRequest("there is a tracker of this name already", key="name")


def _is_version(tracker: str, version: int) -> sa.ColumnElement[bool]:
    return sa.and_(
        trackers.c.id == tracker, trackers.c.version == version, trackers.c.ended_at.is_(None)
    )


def _ensure_done(changed: int, version: int, before: KeptTracker) -> None:
    if not changed:
        raise Conflict(
            f"found version {version}, expected {before.version}: somebody has changed this "
            "tracker since. Read it again, then change it once more"
        )


def _looks_for(tracker: Tracker, team: str | None) -> tuple[object, ...]:
    return dict(tracker.phrases), tracker.said_by, tracker.between, team


def _values(made: Tracker, team: str | None) -> dict[str, object]:
    return {
        "name": made.name,
        "team": team,
        "phrases": {language: list(said) for language, said in made.phrases.items()},
        "said_by": made.said_by.value,
        "between": made.between,
    }
