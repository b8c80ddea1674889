"""What doctor says of overrides; it changes nothing."""

from __future__ import annotations

from tests.server import rig
from tests.server.people import KARI, employ
from tests.server.test_call_law import overridden

from askfirst.server.account import change
from askfirst.server.checkup import State
from askfirst.server.database import transaction
from askfirst.server.overridereport import overrides
from askfirst.server.store import Store


def said(store: Store) -> list[tuple[State, str]]:
    return [(each.state, each.says) for each in overrides(store.folder, rig.AT)]


def test_doctor_says_which_overrides_count_for_nothing_and_why(store: Store) -> None:
    assert said(store) == []
    path = overridden(store.folder)
    assert said(store) == [(State.OK, "1 in the folder count on their days")]

    employ(store)
    with transaction(store.engine) as connection:
        change(connection, {"second_person": ["overrides"]}, KARI, rig.AT)
    ((state, says),) = said(store)
    assert state is State.WARNING
    assert "desk.toml: nobody else has approved" in says

    path.write_text(path.read_text().replace("2 October", "3 October"), encoding="utf-8")
    ((state, says),) = said(store)
    assert state is State.MISSING
    assert "desk.toml: the signature does not hold" in says


def test_a_database_without_its_tables_is_told(store: Store) -> None:
    overridden(store.folder)
    with transaction(store.engine) as connection:
        connection.exec_driver_sql("DROP TABLE signed_overrides")

    assert said(store) == [(State.WARNING, "cannot be told yet")]
