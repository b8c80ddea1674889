"""People of the account: who they are, their passwords, and one-time links.

Passwords are kept as argon2id and one-time links only as digests, so that whoever reads the
database cannot sign in. Sessions are in `sessions`, second factors in `factors`. Every function
works inside the caller's transaction and takes the time as an argument.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from askfirst.errors import InvalidInput, InvalidRequest, NotFound, Refused
from askfirst.policy import PLACE_CODE
from askfirst.server.access import Permission, Person, UserRole, roles_of
from askfirst.server.accounttables import audit, notice_readings, sessions, sign_in_links, users
from askfirst.server.commonpasswords import is_common
from askfirst.server.digests import of_secret
from askfirst.server.ids import new_id

SHORTEST_PASSWORD = 12
LONGEST_PASSWORD = 256
FAILURES_ALLOWED = 5
LOCKED_FOR = timedelta(minutes=15)
LINK_LASTS = timedelta(minutes=30)
LONGEST_NAME = 120
LONGEST_TEAM = 80
LANGUAGES = ("en", "nb")
THEMES = ("system", "light", "dark")

TIME_FACTORS = (1, 3, 10)
"""How many times as long as usual a person may be given; tenfold is what WCAG 2.2.1 asks for."""

# OWASP's minimum for argon2id; about 50 ms, which is all that a guess should cost us.
_hasher = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
_NOBODY = _hasher.hash("nobody has this password")
_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s]{1,189}", re.ASCII)


@dataclass(frozen=True, slots=True)
class User:
    """A person of the account. `password` is never part of it.

    `scopes` are what a program may do that acts for the person; None: the person acts. The person
    is given `time_factor` times as long as usual where the phone waits for an answer, and takes no
    calls from outside while `is_away`.
    """

    id: str
    email: str
    name: str
    roles: frozenset[UserRole]
    team: str | None
    place: str | None
    language: str
    theme: str
    is_disabled: bool
    notice_version: int | None
    notice_read_at: datetime | None = None
    time_factor: int = 1
    is_away: bool = False
    scopes: frozenset[Permission] | None = None

    @property
    def person(self) -> Person:
        """The user as access sees one."""
        return Person(self.id, self.roles, self.team, self.scopes)


def add_user(
    connection: sa.Connection,
    email: str,
    name: str,
    roles: Iterable[UserRole],
    now: datetime,
    *,
    password: str | None = None,
    team: str | None = None,
    place: str | None = None,
    language: str = "en",
) -> User:
    """A new person; without a password somebody who can only sign in by link.

    Raises InvalidInput for an address, password or anything else that cannot be used, or an
    address that somebody has already.
    """
    email = email.strip().lower()
    kept = _checked(
        {"name": name, "roles": list(roles), "team": team, "place": place, "language": language}
    )
    if not _EMAIL.fullmatch(email):
        raise InvalidInput(
            f"found {email[:80]!r}; expected an e-mail address such as kari@example.org"
        )
    if connection.execute(sa.select(users.c.id).where(users.c.email == email)).first():
        raise InvalidInput(f"somebody has the address {email} already; change that person instead")
    values = {
        "id": new_id("usr"),
        "email": email,
        "password": None if password is None else _hashed(password),
        **kept,
        "theme": THEMES[0],
        "created_at": now,
        "failures": 0,
    }
    connection.execute(users.insert().values(**values))
    return user(connection, str(values["id"]))


def user(connection: sa.Connection, identity: str) -> User:
    """The person of an id; raises NotFound."""
    row = connection.execute(sa.select(users).where(users.c.id == identity)).one_or_none()
    if row is None:
        raise NotFound(f"nobody has the id {identity}")
    return user_of(row)


def all_users(connection: sa.Connection) -> list[User]:
    """Everybody, by name."""
    return [user_of(row) for row in connection.execute(sa.select(users).order_by(users.c.name))]


def names(connection: sa.Connection) -> dict[str, str]:
    """The name of everybody by id, of those who are locked out too."""
    return {row.id: row.name for row in connection.execute(sa.select(users.c.id, users.c.name))}


def has_users(connection: sa.Connection) -> bool:
    """Whether anybody is there; before that the first run makes the administrator."""
    return connection.execute(sa.select(users.c.id).limit(1)).first() is not None


def change_user(connection: sa.Connection, identity: str, **values: object) -> User:
    """Change name, roles, team, place, language, theme or time factor of a person.

    Raises NotFound, InvalidRequest whose `key` is what cannot be used, and Refused when nobody
    would be left who may manage users.
    """
    kept = _checked(values)
    user(connection, identity)
    connection.execute(users.update().where(users.c.id == identity).values(**kept))
    _ensure_administrator(connection)
    return user(connection, identity)


def set_away(connection: sa.Connection, identity: str, away: bool) -> None:
    """Let a person take no calls from outside, or take them again; it lasts until it is changed."""
    connection.execute(users.update().where(users.c.id == identity).values(is_away=away))


def last_sign_ins(connection: sa.Connection) -> dict[str, datetime]:
    """When everybody last signed in, by id, as far as the audit log goes back."""
    began = audit.c.action.in_(("session.begun", "password.set", "account.begun"))
    rows = connection.execute(
        sa.select(audit.c.actor, sa.func.max(audit.c.at).label("at"))
        .where(began, audit.c.actor.is_not(None))
        .group_by(audit.c.actor)
    )
    return {row.actor: row.at for row in rows}


def disable(connection: sa.Connection, identity: str, now: datetime) -> None:
    """Let nobody sign in as this person any more, and end every session; calls lose their sound.

    Raises NotFound, and Refused when nobody would be left who may manage users.
    """
    user(connection, identity)
    connection.execute(users.update().where(users.c.id == identity).values(disabled_at=now))
    _ensure_administrator(connection)
    connection.execute(sessions.delete().where(sessions.c.user == identity))
    void_links(connection, identity)


def enable(connection: sa.Connection, identity: str) -> None:
    """Let a person sign in again."""
    user(connection, identity)
    connection.execute(users.update().where(users.c.id == identity).values(disabled_at=None))


def set_password(connection: sa.Connection, identity: str, password: str) -> None:
    """A new password; every session of the person ends. Raises InvalidInput for a weak one."""
    user(connection, identity)
    connection.execute(
        users.update()
        .where(users.c.id == identity)
        .values(password=_hashed(password), failures=0, locked_until=None)
    )
    connection.execute(sessions.delete().where(sessions.c.user == identity))


def acknowledge(connection: sa.Connection, identity: str, version: int, now: datetime) -> None:
    """A person has read a version of the employee notice; the first time of each one counts."""
    connection.execute(
        users.update()
        .where(users.c.id == identity)
        .values(notice_version=version, notice_read_at=now)
    )
    key = (notice_readings.c.user == identity) & (notice_readings.c.version == version)
    if connection.execute(sa.select(notice_readings.c.at).where(key)).first() is None:
        connection.execute(notice_readings.insert().values(user=identity, version=version, at=now))


@dataclass(frozen=True, slots=True)
class Tried:
    """What a try to sign in came to: `user` is who got it right, `of` whose address it was."""

    user: User | None
    of: str | None = None
    why: str = ""


def authenticate(connection: sa.Connection, email: str, password: str, now: datetime) -> Tried:
    """Whose address and password these are; nobody for anything else, with why as a code.

    After `FAILURES_ALLOWED` failures on end nobody gets in for `LOCKED_FOR`, right password or
    not. An address that nobody has takes as long as a wrong password. The caller commits, so that
    failures are counted; a right password forgives none before `forgive`, for a second factor may
    follow and be guessed at.
    """
    row = connection.execute(
        sa.select(users).where(users.c.email == email.strip().lower())
    ).one_or_none()
    kept = row.password if row is not None and row.password is not None else _NOBODY
    fits = _fits(kept, password) and row is not None and row.password is not None
    if row is None:
        return Tried(None, None, "unknown")
    if row.locked_until is not None and now < row.locked_until:
        return Tried(None, row.id, "locked")
    if not fits:
        count_failure(connection, row.id, now)
        return Tried(None, row.id, "password")
    if row.disabled_at is not None:
        return Tried(None, row.id, "disabled")
    if _hasher.check_needs_rehash(kept):
        renewed = _hasher.hash(password)
        connection.execute(users.update().where(users.c.id == row.id).values(password=renewed))
    return Tried(user_of(row), row.id)


def is_password(connection: sa.Connection, identity: str, password: str) -> bool:
    """Whether a password is somebody's, who is signed in; it counts no failure."""
    kept = connection.execute(
        sa.select(users.c.password).where(users.c.id == identity)
    ).scalar_one_or_none()
    return _fits(kept or _NOBODY, password) and kept is not None


def has_password(connection: sa.Connection, identity: str) -> bool:
    """Whether somebody can sign in by a password."""
    kept = sa.select(users.c.password).where(users.c.id == identity)
    return connection.execute(kept).scalar_one_or_none() is not None


def count_failure(connection: sa.Connection, identity: str, now: datetime) -> None:
    """Count a wrong password or code; the last one that is allowed locks the person out."""
    failures = connection.execute(
        sa.select(users.c.failures).where(users.c.id == identity)
    ).scalar_one()
    locked = now + LOCKED_FOR if failures + 1 >= FAILURES_ALLOWED else None
    connection.execute(
        users.update()
        .where(users.c.id == identity)
        .values(failures=0 if locked else failures + 1, locked_until=locked)
    )


def is_locked(connection: sa.Connection, identity: str, now: datetime) -> bool:
    """Whether somebody has failed too often a while ago."""
    until = connection.execute(
        sa.select(users.c.locked_until).where(users.c.id == identity)
    ).scalar_one_or_none()
    return until is not None and now < until


def forgive(connection: sa.Connection, identity: str) -> None:
    """Forget earlier failures of somebody who has signed in."""
    connection.execute(
        users.update().where(users.c.id == identity).values(failures=0, locked_until=None)
    )


# One-time links


def make_link(connection: sa.Connection, identity: str | None, now: datetime) -> str:
    """A one-time link's token; for nobody it opens the first run. Older ones are void."""
    token = secrets.token_urlsafe(32)
    same = sign_in_links.c.user == identity if identity else sign_in_links.c.user.is_(None)
    connection.execute(sign_in_links.delete().where(same))
    connection.execute(
        sign_in_links.insert().values(
            digest=of_secret(token), user=identity, created_at=now, expires_at=now + LINK_LASTS
        )
    )
    return token


def is_link(connection: sa.Connection, token: str, now: datetime) -> bool:
    """Whether a link would still open; it is not used up by asking."""
    row = connection.execute(
        sa.select(sign_in_links.c.expires_at).where(sign_in_links.c.digest == of_secret(token))
    ).one_or_none()
    return row is not None and now < row.expires_at


def link_holder(connection: sa.Connection, token: str, now: datetime) -> str | None:
    """Whom a link would let in, None for the first run; it is not used up by asking.

    Raises Refused for one that is unknown, used or too old.
    """
    row = connection.execute(
        sa.select(sign_in_links).where(sign_in_links.c.digest == of_secret(token))
    ).one_or_none()
    if row is None or now >= row.expires_at:
        raise Refused("this link was used or is too old; ask for another one")
    identity: str | None = row.user
    return identity


def use_link(connection: sa.Connection, token: str, now: datetime) -> str | None:
    """Use a link up; gives the person's id, None for the first run. Raises as `link_holder`."""
    identity = link_holder(connection, token, now)
    connection.execute(sign_in_links.delete().where(sign_in_links.c.digest == of_secret(token)))
    return identity


def void_links(connection: sa.Connection, identity: str) -> None:
    """Let no link that was made for a person open anything any more."""
    connection.execute(sign_in_links.delete().where(sign_in_links.c.user == identity))


def _checked(values: Mapping[str, object]) -> dict[str, object]:
    """What may be written about a person, tidied; raises InvalidRequest, `key` is which one."""
    kept: dict[str, object] = {}
    for key, value in values.items():
        if key not in _READERS:
            raise InvalidRequest(
                f"found {key!r}; a person has {', '.join(sorted(_READERS))}", key=key
            )
        kept[key] = _READERS[key](value)
    return kept


def _name(value: object) -> str:
    name = " ".join(value.split()) if isinstance(value, str) else ""
    if not name or len(name) > LONGEST_NAME:
        raise InvalidRequest(
            f"found no name, or one over {LONGEST_NAME} characters; write the person's name",
            key="name",
        )
    return name


def _roles(value: object) -> list[str]:
    given = {str(each) for each in value} if isinstance(value, Collection) else set()
    roles = roles_of(given)
    if not roles or len(roles) != len(given):
        raise InvalidRequest("found no role; choose at least one", key="roles")
    return sorted(role.value for role in roles)


def _team(value: object) -> str | None:
    team = " ".join(value.split()) if isinstance(value, str) else None
    if team is not None and len(team) > LONGEST_TEAM:
        raise InvalidRequest(
            f"found a team of {len(team)} characters; expected at most {LONGEST_TEAM}", key="team"
        )
    return team or None


def _place(value: object) -> str | None:
    if value is None or value == "":
        return None
    if not isinstance(value, str) or not PLACE_CODE.fullmatch(value):
        shown = str(value)[:40]
        raise InvalidRequest(
            f"found the place {shown!r}; expected one such as NO or US-CA", key="place"
        )
    return value


def _one_of(key: str, known: Sequence[str]) -> Callable[[object], str]:
    def read(value: object) -> str:
        if not isinstance(value, str) or value not in known:
            shown = str(value)[:40]
            raise InvalidRequest(
                f"found the {key} {shown!r}; expected {' or '.join(known)}", key=key
            )
        return value

    return read


_read_factor = _one_of("time_factor", tuple(map(str, TIME_FACTORS)))


def _time_factor(value: object) -> int:
    return int(_read_factor(str(value)))


_READERS: Mapping[str, Callable[[object], object]] = {
    "name": _name,
    "roles": _roles,
    "team": _team,
    "place": _place,
    "language": _one_of("language", LANGUAGES),
    "theme": _one_of("theme", THEMES),
    "time_factor": _time_factor,
}


def _ensure_administrator(connection: sa.Connection) -> None:
    left = connection.execute(sa.select(users.c.roles).where(users.c.disabled_at.is_(None)))
    if not any(UserRole.ADMIN.value in row.roles for row in left):
        raise Refused("somebody has to be administrator; make another one first")


def user_of(row: sa.Row[Any]) -> User:
    """The person of a row of `users`."""
    found = row._mapping
    return User(
        id=found["id"],
        email=found["email"],
        name=found["name"],
        roles=roles_of(found["roles"]),
        team=found["team"],
        place=found["place"],
        language=found["language"],
        theme=found["theme"],
        is_disabled=found["disabled_at"] is not None,
        notice_version=found["notice_version"],
        notice_read_at=found["notice_read_at"],
        time_factor=found["time_factor"],
        is_away=found["is_away"],
    )


def _hashed(password: str) -> str:
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        raise InvalidInput(
            f"the password has {len(password)} characters; expected {SHORTEST_PASSWORD} to "
            f"{LONGEST_PASSWORD}. A sentence is easy to remember"
        )
    if is_common(password):
        raise InvalidInput(
            "this password, or what it is made of, is known from leaks and tried first. A sentence "
            "is easy to remember"
        )
    return _hasher.hash(password)


def _fits(kept: str, password: str) -> bool:
    try:
        return _hasher.verify(kept, password[:LONGEST_PASSWORD])
    except (Argon2Error, InvalidHashError):
        return False
