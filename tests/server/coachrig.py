"""An office around one recorded call: its agent, those who may listen to it, and others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from tests.server import rig
from tests.server.rig import AT

from askfirst.server import accounts
from askfirst.server.access import Person, UserRole
from askfirst.server.accounts import User
from askfirst.server.coachingtables import comments
from askfirst.server.database import calls, transaction
from askfirst.server.node import Node
from askfirst.server.store import Store
from askfirst.speech.scripted import Scripted

NORTH, SOUTH = "north", "south"


@dataclass(frozen=True)
class Office:
    """A recorded call of `agent`, in the team north; `other` is an agent beside them."""

    recorded: rig.Recorded
    agent: User
    other: User
    supervisor: User
    far: User
    officer: User

    @property
    def store(self) -> Store:
        return self.recorded.store

    @property
    def call(self) -> str:
        return self.recorded.call

    @property
    def recording(self) -> str:
        return self.recorded.id

    @property
    def everybody(self) -> list[User]:
        return [self.agent, self.other, self.supervisor, self.far, self.officer]


def office(recorded: rig.Recorded) -> Office:
    """People around a recording; the call is the agent's from now on."""
    store = recorded.store
    wanted = (
        ("Kari Berg", UserRole.AGENT, NORTH),
        ("Ola Lie", UserRole.AGENT, NORTH),
        ("Siri Lund", UserRole.SUPERVISOR, NORTH),
        ("Far Away", UserRole.SUPERVISOR, SOUTH),
        ("Cato Moe", UserRole.COMPLIANCE, None),
    )
    with transaction(store.engine) as connection:
        people = [
            accounts.add_user(
                connection, f"{name.split()[0].lower()}@example.org", name, [role], AT, team=team
            )
            for name, role, team in wanted
        ]
        accounts.add_user(connection, "admin@example.org", "Admin", [UserRole.ADMIN], AT)
        mine = calls.update().where(calls.c.id == recorded.call)
        connection.execute(mine.values(agent=people[0].id))
    return Office(recorded, *people)


@contextmanager
def furnished(folder: Path) -> Iterator[Office]:
    """An office in a folder, for tests that share it."""
    node = Node.open(folder / "data", Scripted())
    try:
        yield office(rig.record(node, folder / "callee"))
    finally:
        node.close()


def person(user: User) -> Person:
    return user.person


def demoted(store: Store, user: User) -> Person:
    """Somebody who does something else from now on and hears no calls."""
    with transaction(store.engine) as connection:
        return accounts.change_user(connection, user.id, roles=[UserRole.AUDITOR]).person


def comment_rows(store: Store) -> list[Any]:
    return rig.rows(store, sa.select(comments).order_by(comments.c.id))
