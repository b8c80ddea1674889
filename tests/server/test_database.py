"""The tables: aware times only, all or nothing, consent durable, migrations complete."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from tests.server import rig

from askfirst.errors import InvalidInput, KeyUnreadable, Misconfigured, Unavailable
from askfirst.server import (  # noqa: F401 - their tables count, too
    accounttables,
    agreementtables,
    analysistables,
    backuptables,
    boardtables,
    checkpointtables,
    coachingtables,
    contacttables,
    elsewheretables,
    hearingtables,
    importtables,
    linktables,
    noticetables,
    overridetables,
    prompttables,
    queuetables,
    redactiontables,
    requesttables,
    signintables,
    sitetables,
    standingtables,
    tokentables,
    twiliotables,
)
from askfirst.server.database import calls, metadata, migrate, open_engine, reading, transaction
from askfirst.server.store import Store

ROW = {"provider": "t", "direction": "outbound", "language": "en", "policy": {}, "proof": 0}


def put(store: Store, name: str, at: datetime = rig.AT) -> None:
    with transaction(store.engine) as connection:
        connection.execute(calls.insert().values(id=name, created_at=at, **ROW))


def test_a_naive_time_is_refused(store: Store) -> None:
    naive = rig.AT.replace(tzinfo=None)

    with pytest.raises(InvalidInput, match="time zone"):
        put(store, "call_1", naive)

    assert rig.rows(store, sa.select(calls)) == []


def test_times_come_back_aware_and_in_utc(store: Store) -> None:
    put(store, "call_1", rig.AT.astimezone(timezone(timedelta(hours=5, minutes=30))))

    (row,) = rig.rows(store, sa.select(calls))
    assert row.created_at == rig.AT
    assert row.created_at.tzinfo is UTC


def test_a_transaction_is_all_or_nothing(store: Store) -> None:
    def two() -> None:
        with transaction(store.engine) as connection:
            connection.execute(calls.insert().values(id="a", created_at=rig.AT, **ROW))
            connection.execute(calls.insert().values(id="a", created_at=rig.AT, **ROW))

    with pytest.raises(Unavailable, match="nothing was changed"):
        two()

    assert rig.rows(store, sa.select(calls)) == []


@pytest.mark.usefixtures("waits_for_disk")
def test_consent_is_written_through_to_the_disk(tmp_path: Path) -> None:
    with closing(Store.open(tmp_path / "data")) as store, store.engine.connect() as connection:
        pragmas = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "secure_delete")
        }

    assert pragmas == {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "secure_delete": 1,
    }


def test_a_reader_does_not_wait_for_a_writer(store: Store) -> None:
    put(store, "call_1")
    with transaction(store.engine) as writer:
        writer.execute(calls.insert().values(id="call_2", created_at=rig.AT, **ROW))
        with reading(store.engine) as reader:
            found = reader.execute(sa.select(calls.c.id)).scalars().all()

    assert found == ["call_1"]


def test_a_database_that_another_holds_is_unavailable_and_unchanged(store: Store) -> None:
    with store.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA busy_timeout=1")
    other = sqlite3.connect(store.folder / "askfirst.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    with pytest.raises(Unavailable, match="locked"):
        put(store, "call_1")

    other.execute("ROLLBACK")
    other.close()
    assert rig.rows(store, sa.select(calls)) == []


def test_no_message_shows_what_was_to_be_written(store: Store) -> None:
    put(store, "call_1")

    with pytest.raises(Unavailable) as caught, transaction(store.engine) as connection:
        connection.execute(
            calls.insert().values(id="call_1", created_at=rig.AT, persona="+4748750101", **ROW)
        )

    shown = str(caught.value) + str(caught.value.__cause__)
    assert "4748750101" not in shown


def test_the_migrations_make_exactly_the_tables_of_the_code(store: Store) -> None:
    with store.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"render_as_batch": True})
        differences = compare_metadata(context, metadata)

    assert differences == []


def test_migrating_again_changes_nothing(store: Store) -> None:
    put(store, "call_1")

    migrate(store.engine)

    assert len(rig.rows(store, sa.select(calls))) == 1


def test_a_file_that_is_no_database_is_unavailable(tmp_path: Path) -> None:
    path = tmp_path / "askfirst.db"
    path.write_bytes(b"not a database, certainly not one" * 50)
    engine = open_engine(f"sqlite:///{path}")

    with pytest.raises(Unavailable), transaction(engine):
        pass
    engine.dispose()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")

    with pytest.raises(Unavailable, match="data folder"):
        Store.open(tmp_path / "file" / "data")


def test_a_missing_master_key_is_named_and_none_is_made_in_its_place(tmp_path: Path) -> None:
    Store.open(tmp_path).close()
    master = tmp_path / "keys" / "master.key"
    kept = master.read_bytes()
    master.unlink()

    with pytest.raises(KeyUnreadable, match=r"master\.key"):
        Store.open(tmp_path)
    assert not master.exists()

    descriptor = os.open(master, os.O_WRONLY | os.O_CREAT, 0o600)
    os.write(descriptor, kept)
    os.close(descriptor)
    Store.open(tmp_path).close()


def test_another_master_key_is_refused_and_destroys_nothing(tmp_path: Path) -> None:
    Store.open(tmp_path).close()
    master = tmp_path / "keys" / "master.key"
    kept = master.read_bytes()
    master.chmod(0o600)
    master.write_bytes(bytes(32))

    with pytest.raises(KeyUnreadable):
        Store.open(tmp_path)

    master.write_bytes(kept)
    Store.open(tmp_path).close()


def test_a_master_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    Store.open(tmp_path).close()
    (tmp_path / "keys" / "master.key").chmod(0o644)

    with pytest.raises(Misconfigured, match="chmod 600"):
        Store.open(tmp_path)


def test_an_empty_store_and_one_with_500_calls_both_answer(store: Store) -> None:
    assert store.ledger.verify().size == 0
    with transaction(store.engine) as connection:
        for number in range(500):
            name = f"call_{number:032x}"
            connection.execute(calls.insert().values(id=name, created_at=rig.AT, **ROW))
            store.ledger.append(
                connection, rig.Kind.CALL_STARTED, rig.AT, call=name, data={"provider": "test"}
            )

    store.ledger.checkpoint(rig.AT)

    assert store.ledger.verify().size == 500
    assert len(rig.rows(store, sa.select(calls))) == 500
    assert store.ledger.prove(250, rig.AT)["size"] == 500
