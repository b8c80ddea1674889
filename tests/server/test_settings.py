"""How the program runs: what comes later wins, and every fault is told at once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from askfirst.errors import Misconfigured
from askfirst.server.openbao import Transit
from askfirst.server.settings import Settings, read_settings


def test_flags_win_over_the_environment_and_that_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "askfirst.toml"
    file.write_text(
        'host = "10.0.0.1"\nport = 1\nsession_hours = 3\nmodel = "small"\n', encoding="utf-8"
    )
    found = read_settings(file, {"ASKFIRST_PORT": "2", "ASKFIRST_HOST": "::1"}, {"host": "h"})

    assert (found.host, found.port, found.session_hours, found.model) == ("h", 2, 3, "small")
    assert found.sources["host"] == "the command line (--host)"
    assert found.sources["port"] == "the environment (ASKFIRST_PORT)"
    assert found.sources["session_hours"] == str(file)
    assert found.sources["data"] == "default"


def test_without_anything_the_defaults_hold() -> None:
    assert read_settings(None, {"HOME": "/"}, {"port": None}) == Settings()


def test_every_fault_is_told_at_once_with_where_it_stands() -> None:
    with pytest.raises(Misconfigured) as caught:
        read_settings(None, {"ASKFIRST_PORT": "0", "ASKFIRST_COLOUR": "red"}, {"roles": "boss"})

    for part in ("ASKFIRST_PORT", "1 to 65535", "colour", "is no setting", "--roles"):
        assert part in str(caught.value)


@pytest.mark.parametrize(
    "flags",
    [
        {"tls_cert": Path("c.pem")},
        {"tls_key": Path("k.pem")},
        {"tls_cert": Path("c.pem"), "tls_key": Path("k.pem"), "self_signed": True},
    ],
)
def test_what_contradicts_itself_is_refused(flags: dict[str, object]) -> None:
    with pytest.raises(Misconfigured, match=r"tls_cert"):
        read_settings(None, {}, flags)


@pytest.mark.parametrize(
    ("flags", "origin", "secure"),
    [
        ({}, "http://127.0.0.1:8470", False),
        ({"host": "::1", "port": 9}, "http://[::1]:9", False),
        ({"self_signed": True}, "https://127.0.0.1:8470", True),
        ({"public_url": "https://phone.example/"}, "https://phone.example", True),
    ],
)
def test_the_origin_is_what_browsers_see(
    flags: dict[str, object], origin: str, secure: bool
) -> None:
    found = read_settings(None, {}, flags)

    assert (found.origin, found.is_secure) == (origin, secure)


@pytest.mark.parametrize("text", ["port = ", "\x00", "a = " + "[" * 5_000])
def test_a_file_that_is_none_is_told_and_not_ignored(tmp_path: Path, text: str) -> None:
    file = tmp_path / "askfirst.toml"
    file.write_text(text, encoding="utf-8")

    with pytest.raises(Misconfigured, match="mend the file"):
        read_settings(file, {}, {})


def test_a_trunk_is_stated_in_the_file_and_its_password_in_a_file_of_its_own(
    tmp_path: Path,
) -> None:
    (tmp_path / "password").write_text("open sesame\n", encoding="utf-8")
    file = tmp_path / "askfirst.toml"
    file.write_text(
        f'[sip]\nserver = "pbx.example"\npassword_file = "{tmp_path / "password"}"\n'
        'codecs = ["opus"]\n',
        encoding="utf-8",
    )

    found = read_settings(file, {}, {}).sip

    assert found is not None
    assert (found.server, found.password, found.codecs) == (
        "pbx.example",
        "open sesame",
        ("opus",),
    )


@pytest.mark.parametrize(
    ("table", "fault"),
    [
        ('server = ""', "server"),
        ("", "server"),
        ('server = "pbx.example"\nport = "x"', "trunk"),
        ('server = "pbx.example"\ncodecs = "opus"', "codecs"),
        ('server = "pbx.example"\nring = "long"', "trunk"),
        ('server = "pbx.example"\nproxy = "x"', "not proxy"),
        ('server = "pbx.example"\npassword_file = "/nowhere/at all"', "/nowhere"),
        ('server = "pbx.example"\npassword = "open\\"sesame"', "password"),
    ],
)
def test_a_trunk_that_cannot_be_used_is_told_without_its_password(
    tmp_path: Path, table: str, fault: str
) -> None:
    file = tmp_path / "askfirst.toml"
    file.write_text(f"[sip]\n{table}\n", encoding="utf-8")

    with pytest.raises(Misconfigured, match=fault) as error:
        read_settings(file, {}, {})
    assert "sesame" not in str(error.value)


@given(st.sampled_from(["host", "port", "public_url", "self_signed", "roles"]), st.text())
def test_no_text_raises_anything_else(key: str, text: str) -> None:
    try:
        read_settings(None, {f"ASKFIRST_{key.upper()}": text}, {})
    except Misconfigured as error:
        assert key in str(error)  # noqa: PT017 - most texts are refused, some are not


def test_a_process_of_our_own_gets_the_same_settings(tmp_path: Path) -> None:
    file = tmp_path / "askfirst.toml"
    file.write_text('media_workers = 2\n[sip]\nserver = "pbx.example.org"\npassword = "secret"\n')
    flags = {"data": tmp_path, "roles": "web,media", "calls_per_worker": 3, "drain_seconds": "60"}
    stated = read_settings(file, {}, flags)

    told = json.loads(json.dumps(stated.to_json()))

    assert Settings.from_json(told) == stated
    assert stated.sip is not None
    assert (stated.media_workers, stated.calls_per_worker, stated.drain_seconds) == (2, 3, 60)


def test_openbao_is_stated_in_the_file_and_passed_on_without_its_token(tmp_path: Path) -> None:
    file = tmp_path / "askfirst.toml"
    file.write_text('[openbao]\naddress = "https://bao.example:8200/"\nkey = "calls"\n')

    found = read_settings(file, {}, {})

    assert found.openbao == Transit("https://bao.example:8200", key="calls")
    assert Settings.from_json(found.to_json()) == found


@pytest.mark.parametrize("table", ['token = "s3cret"', 'address = "bao"', "address = 1"])
def test_a_place_of_openbao_that_cannot_be_used_is_named(tmp_path: Path, table: str) -> None:
    file = tmp_path / "askfirst.toml"
    file.write_text(f"[openbao]\n{table}\n")

    with pytest.raises(Misconfigured, match="openbao") as error:
        read_settings(file, {}, {})
    assert "s3cret" not in str(error.value)
