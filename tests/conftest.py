"""What makes tests with a database quicker and changes nothing of what they try.

A fresh database is a copy of one that the migrations made in this process; one that has tables
already is migrated as always. Databases do not wait for the disk: only a machine that loses power
would lose anything by that, and no test takes its power. What FastAPI works out about the routes is
worked out once for all applications. Passwords are hashed as argon2id at its cheapest, and the
engine of the jobs looks more often whether it shall end. Programs that a test starts run as they
are.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from argon2 import PasswordHasher
from fastapi import APIRouter, FastAPI
from starlette.routing import BaseRoute

from askfirst.server import accounts, jobs, store
from askfirst.server.database import migrate, open_engine


@pytest.fixture(scope="session", autouse=True)
def _quicker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    made = tmp_path_factory.mktemp("migrated") / "askfirst.db"

    def copied(engine: sa.Engine) -> None:
        path = engine.url.database
        if engine.dialect.name == "sqlite" and path is not None and is_fresh(Path(path)):
            if not made.exists():
                make(made)
            with closing(sqlite3.connect(made)) as kept, closing(sqlite3.connect(path)) as fresh:
                kept.backup(fresh)
        else:
            migrate(engine)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "migrate", copied)
        patch.setattr(accounts, "_hasher", PasswordHasher(1, 8, 1))
        patch.setattr(jobs, "LISTEN_S", 0.02)
        patch.setattr(FastAPI, "include_router", remembering(FastAPI.include_router))
        sa.event.listen(sa.pool.Pool, "checkout", do_not_wait)
        yield
        sa.event.remove(sa.pool.Pool, "checkout", do_not_wait)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let files that take long begin first, so that nothing waits for one of them at the end."""
    long = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in long)


@pytest.fixture
def waits_for_disk() -> Iterator[None]:
    """Databases that a test opens after this wait for their disks, as they do elsewhere."""
    sa.event.remove(sa.pool.Pool, "checkout", do_not_wait)
    yield
    sa.event.listen(sa.pool.Pool, "checkout", do_not_wait)


def do_not_wait(connection: Any, *_: object) -> None:
    """A database that does not wait for its disk, from now on."""
    if isinstance(connection, sqlite3.Connection):
        connection.execute("PRAGMA synchronous=OFF")


def remembering(include: Callable[..., None]) -> Callable[..., None]:
    """A way to include routers that gives every application the same routes, made once."""
    made: dict[tuple[object, ...], list[BaseRoute]] = {}

    def included(app: FastAPI, router: APIRouter, **how: Any) -> None:
        key = (id(router), *sorted(how.items()))
        if key in made:
            app.router.routes.extend(made[key])
        else:
            before = len(app.router.routes)
            include(app, router, **how)
            made[key] = app.router.routes[before:]

    return included


def is_fresh(database: Path) -> bool:
    """Whether a database is not there or has nothing in it."""
    return not database.exists() or not database.stat().st_size


def make(database: Path) -> None:
    """An empty database with all tables."""
    engine = open_engine(f"sqlite:///{database}")
    migrate(engine)
    engine.dispose()
