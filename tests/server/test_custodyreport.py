"""The doctor names what is wrong with keys, erasure list and backups, and what to do."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from askfirst.ledger import Kind
from askfirst.server import custodyreport
from askfirst.server.checkup import Finding, State
from askfirst.server.clock import utc_now
from askfirst.server.database import transaction
from askfirst.server.openbao import Transit
from askfirst.server.settings import Settings
from askfirst.server.store import Store

SOON = utc_now() + timedelta(days=1)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    Store.open(tmp_path / "data").close()
    return tmp_path / "data"


def found(
    data: Path, environment: Mapping[str, str] | None = None, transit: Transit | None = None
) -> dict[str, Finding]:
    settings = Settings(data=data, openbao=transit)
    every = (
        *custodyreport.keys(settings, environment or {}),
        *custodyreport.erasures(data),
        *custodyreport.backups(data, SOON),
    )
    return {each.name: each for each in every}


def entered(data: Path, kind: Kind, age_days: int = 0, **told: bool) -> None:
    store = Store.open(data)
    with transaction(store.engine) as connection:
        store.ledger.append(connection, kind, utc_now() - timedelta(days=age_days), data=told)
    store.close()


def test_a_new_installation_lacks_a_backup_only(data: Path) -> None:
    states = {name: each.state for name, each in found(data).items()}

    assert states == {
        "keys": State.OK,
        "wrapping-key": State.OK,
        "erasures": State.OK,
        "backup": State.WARNING,
    }


def test_nothing_is_said_of_an_installation_that_is_not_there(tmp_path: Path) -> None:
    assert found(tmp_path / "none") == {}


def gone(data: Path) -> None:
    (data / "keys" / "master.key").unlink()


def readable(data: Path) -> None:
    (data / "keys" / "master.key").chmod(0o644)


def short(data: Path) -> None:
    (data / "keys" / "master.key").write_bytes(b"short")


def no_list(data: Path) -> None:
    (data / "erased" / "erased.db").unlink()


def broken_list(data: Path) -> None:
    for path in (data / "erased").iterdir():
        path.write_bytes(b"no database" * 400)


def readable_list(data: Path) -> None:
    (data / "erased" / "erased.db").chmod(0o644)


@pytest.mark.parametrize(
    ("fault", "name", "state", "says"),
    [
        (gone, "wrapping-key", State.MISSING, "is missing"),
        (readable, "wrapping-key", State.MISSING, "others can read"),
        (short, "wrapping-key", State.MISSING, "5 bytes"),
        (no_list, "erasures", State.WARNING, "no erasure list"),
        (broken_list, "erasures", State.MISSING, "cannot be read"),
        (readable_list, "erasures", State.WARNING, "others can read"),
    ],
)
def test_a_fault_is_named_with_what_to_do(
    data: Path, fault: Callable[[Path], None], name: str, state: State, says: str
) -> None:
    fault(data)

    finding = found(data)[name]

    assert finding.state is state
    assert says in finding.says
    assert finding.do


def test_a_change_of_keys_that_was_cut_off_is_named(data: Path) -> None:
    (data / "keys" / "next.json").write_text("{}")

    every = list(custodyreport.keys(Settings(data=data), {}))

    assert any("cut off" in each.says for each in every)


def test_openbao_needs_a_token_and_a_move(data: Path, tmp_path: Path) -> None:
    there = Transit("https://bao.example:8200")
    assert "settings name OpenBao" in found(data, transit=there)["wrapping-key"].says

    wrapper = data / "keys" / "wrapper.json"
    wrapper.write_text(json.dumps(there.to_json()))
    assert found(data)["wrapping-key"].state is State.MISSING
    assert found(data, {"VAULT_TOKEN": "x"})["wrapping-key"].state is State.OK
    wrapper.write_text(json.dumps({**there.to_json(), "token_file": str(tmp_path / "none")}))
    assert "none is missing" in found(data)["wrapping-key"].says


def test_a_backup_that_was_never_tried_lately_or_well_is_named(data: Path) -> None:
    entered(data, Kind.BACKUP_MADE)
    assert "none was ever tried" in found(data)["backup"].says
    entered(data, Kind.BACKUP_CHECKED, age_days=40, holds=True)
    assert found(data)["backup"].state is State.WARNING
    entered(data, Kind.BACKUP_CHECKED, holds=True)
    assert found(data)["backup"].state is State.OK
    entered(data, Kind.BACKUP_CHECKED, holds=False)
    assert "cannot be restored" in found(data)["backup"].says
