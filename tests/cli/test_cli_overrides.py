"""``askfirst override``, and rules and overrides of one's own beside the installed rules."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from askfirst.rules import template

Command = Callable[..., Any]
VERMONT = ("decide", "--agent", "US-TX", "--contact", "+18025550142")


def written(folder: Path, until: str = "2099-01-01", who: str = "Kari Nordmann") -> Path:
    path = folder / "desk.toml"
    path.write_text(
        f"""name = "vermont-desk"
who = "{who}"
why = "Counsel's letter of 2 October 2026."
since = 2026-11-01
until = {until}

[[replace]]
rule = "US-VT.ask"
mode = "auto"
""",
        encoding="utf-8",
    )
    return path


@pytest.fixture
def signers(command: Command, tmp_path: Path) -> Path:
    """A list with one signer, whose private key is in ``kari.pem`` beside it."""
    made = command("override", "key", "--out", str(tmp_path / "kari.pem"), "--json")
    path = tmp_path / "signers.toml"
    key = json.loads(made.out)["key"]
    path.write_text(f'[signers]\n"Kari Nordmann" = "{key}"\n', encoding="utf-8")
    return path


def signed(command: Command, folder: Path, **words: str) -> Path:
    path = written(folder, **words)
    done = command("override", "sign", str(path), "--key", str(folder / "kari.pem"))
    assert (done.status, done.err) == (0, "")
    return path


def test_a_key_is_of_its_owner_only_and_never_overwritten(
    command: Command, signers: Path, tmp_path: Path
) -> None:
    key = tmp_path / "kari.pem"
    before = key.read_bytes()
    again = command("override", "key", "--out", str(key))

    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert (again.status, again.out) == (2, "")
    assert "name a new file" in again.err
    assert key.read_bytes() == before


def test_a_signed_override_counts_and_every_decision_says_so(
    command: Command, signers: Path, tmp_path: Path
) -> None:
    path = signed(command, tmp_path)
    checked = command("override", "check", str(path), "--signers", str(signers))
    without = json.loads(command(*VERMONT, "--json").out)
    done = command(*VERMONT, "--override", str(path), "--signers", str(signers), "--json")
    document = json.loads(done.out)

    assert checked.status == 0
    assert "vermont-desk: counts until 2099-01-01, signed by Kari Nordmann" in checked.out
    assert (without["mode"], document["mode"]) == ("ask", "auto")
    assert "OVERRIDE.vermont-desk" in {each["rule"] for each in document["reasons"]}
    assert any("vermont-desk" in each for each in document["policy_notes"])


def test_signing_again_replaces_the_signature(
    command: Command, signers: Path, tmp_path: Path
) -> None:
    path = signed(command, tmp_path)
    path.write_text(path.read_text().replace("2 October", "3 October"), encoding="utf-8")
    spoiled = command("override", "check", str(path), "--signers", str(signers))
    command("override", "sign", str(path), "--key", str(tmp_path / "kari.pem"))
    mended = command("override", "check", str(path), "--signers", str(signers))

    assert (spoiled.status, mended.status) == (1, 0)
    assert "REFUSED" in spoiled.out
    assert path.read_text().count("signature") == 1


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ({"until": "2026-11-02"}, "ended on 2026-11-02"),
        ({"who": "Ola Nordmann"}, "not on the list"),
    ],
)
def test_what_does_not_hold_is_refused_and_nothing_is_decided(
    command: Command, signers: Path, tmp_path: Path, words: dict[str, str], why: str
) -> None:
    path = signed(command, tmp_path, **words)
    done = command(*VERMONT, "--override", str(path), "--signers", str(signers))

    assert done.status == 3
    assert done.out == ""
    assert why in done.err


def test_an_override_without_a_list_of_signers_is_misuse(command: Command, tmp_path: Path) -> None:
    done = command(*VERMONT, "--override", str(written(tmp_path)))

    assert (done.status, done.out) == (2, "")
    assert "--signers" in done.err


@pytest.mark.parametrize(
    "text", ["", "[signers]\nKari = 5\n", "other = 1\n", '[signers]\nKari = "short"\n', "\x00"]
)
def test_a_list_of_signers_that_is_none_is_refused(
    command: Command, tmp_path: Path, text: str
) -> None:
    path = tmp_path / "signers.toml"
    path.write_text(text, encoding="utf-8")
    file = written(tmp_path)
    done = command("override", "check", str(file), "--signers", str(path))

    assert done.status == 2
    assert "Traceback" not in done.err
    assert "expected" in done.err or "mend" in done.err


def test_something_else_than_a_key_signs_nothing(command: Command, tmp_path: Path) -> None:
    path = written(tmp_path)
    before = path.read_text()
    done = command("override", "sign", str(path), "--key", str(path))

    assert done.status == 2
    assert path.read_text() == before


def test_a_batch_is_decided_under_the_override(
    command: Command, signers: Path, tmp_path: Path
) -> None:
    path = signed(command, tmp_path)
    batch = tmp_path / "batch.jsonl"
    batch.write_text('{"agent_location": "US-TX", "contact_numbers": ["+18025550142"]}\n')
    done = command(
        "decide", "--batch", str(batch), "--override", str(path), "--signers", str(signers)
    )

    assert json.loads(done.out)["mode"] == "auto"


def test_rules_of_ones_own_count_beside_the_installed_ones(
    command: Command, tmp_path: Path
) -> None:
    (tmp_path / "AQ.toml").write_text(template("AQ"), encoding="utf-8")
    own = ("--rules", str(tmp_path))
    asked = ("decide", "--agent", "US-TX", "--contact-place", "AQ", "--contact", "+12125550142")
    before = json.loads(command(*asked, "--json").out)
    after = json.loads(command(*asked, *own, "--json").out)
    listed = json.loads(command("rules", "list", *own, "--json").out)

    assert "UNKNOWN.ask" in {each["rule"] for each in before["reasons"]}
    assert "AQ.short-name" in {each["rule"] for each in after["reasons"]}
    assert after["rulebook"]["fingerprint"] == listed["fingerprint"]
    assert after["rulebook"] != before["rulebook"]
    assert "AQ" in {row["code"] for row in listed["jurisdictions"]}
    assert command("rules", "show", "AQ", *own).status == 0
    assert "AQ," in command("rules", "export", *own).out


def test_rules_of_ones_own_never_replace_installed_ones(command: Command, tmp_path: Path) -> None:
    (tmp_path / "NO.toml").write_text(template("NO"), encoding="utf-8")
    done = command(*VERMONT, "--rules", str(tmp_path))

    assert (done.status, done.out) == (2, "")
    assert "NO is written twice" in done.err
