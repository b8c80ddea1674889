"""What an account had before its history was kept is the beginning of that history."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import as_file, files
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from tests.server.people import KARI
from tests.server.rig import AT

from askfirst.server import account, contacts, employeenotice, reviews
from askfirst.server.database import migrate, open_engine, reading, transaction

WHEN = AT.replace(tzinfo=None).isoformat(sep=" ", timespec="microseconds")


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[sa.Engine]:
    opened = open_engine(f"sqlite:///{tmp_path / 'old.db'}")
    yield opened
    opened.dispose()


@contextmanager
def alembic(engine: sa.Engine) -> Iterator[Config]:
    with as_file(files("askfirst.server").joinpath("migrations")) as folder:
        config = Config()
        config.set_main_option("script_location", str(folder))
        config.attributes["engine"] = engine
        yield config


def old(engine: sa.Engine) -> None:
    """A database of before, with one user, settings, a review and a contact."""
    with alembic(engine) as config:
        command.upgrade(config, "0004")
    rows = (
        "INSERT INTO users (id, email, name, roles, language, theme, created_at, failures, "
        "notice_version, notice_read_at) VALUES (:who, 'k@e.org', 'Kari', '[\"agent\"]', 'en', "
        "'system', :at, 0, 1, :at)",
        "INSERT INTO settings VALUES ('company', '\"Nordlys AS\"', :who, :at)",
        "INSERT INTO reviewed_countries VALUES ('DE', :who, :at)",
        "INSERT INTO contacts (id, name, company, email, notes, never_record, created_at, "
        "updated_at, sort_key, searched, seat) VALUES "
        "('pers_1', 'Ola', '', '', '', 1, :at, :at, 'ola', 'ola', '')",
    )
    with engine.begin() as connection:
        for row in rows:
            connection.exec_driver_sql(row, {"who": KARI, "at": WHEN})


def test_what_stood_before_is_carried_over(engine: sa.Engine) -> None:
    old(engine)
    migrate(engine)

    with reading(engine) as connection:
        (past,) = account.history(connection, ["company"])
        (read,) = employeenotice.readings(connection)
        (review,) = reviews.reviews_of(connection, "DE")
        contact = contacts.get(connection, "pers_1")
    assert (past.value, past.by, past.at) == ("Nordlys AS", KARI, AT)
    assert (read.user, read.version, read.at) == (KARI, 1, AT)
    assert (review.by, review.at, review.fingerprint) == (KARI, AT, None)
    assert (contact.never_record, contact.never_record_why, contact.language) == (True, "", "")


def test_a_step_back_keeps_reviews_of_countries(engine: sa.Engine) -> None:
    old(engine)
    migrate(engine)
    with transaction(engine) as connection:
        reviews.review(connection, "US-CA", KARI, AT)

    with alembic(engine) as config:
        command.downgrade(config, "0004")

    with engine.connect() as connection:
        kept = connection.exec_driver_sql("SELECT code FROM reviewed_countries").scalars().all()
    assert kept == ["DE"]
