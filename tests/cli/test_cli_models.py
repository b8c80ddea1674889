"""`askfirst models`: what is here, fetching one more, and whether they are whole."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.conftest import Command
from tests.server.modelhub import Hub, in_toml, model, serving


@pytest.fixture
def hub() -> Iterator[Hub]:
    with serving() as made:
        yield made


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    monkeypatch.chdir(tmp_path)
    catalogue = tmp_path / "mine.toml"
    catalogue.write_text(in_toml(model()))
    return "--catalogue", str(catalogue), "--data", str(tmp_path / "data")


def test_a_model_is_listed_fetched_used_and_verified(
    command: Command, hub: Hub, places: tuple[str, ...]
) -> None:
    before = json.loads(command("models", "list", *places, "--json").out)["models"]
    states = {each["name"]: (each["state"], each["is_used"]) for each in before}
    assert states["packaged"] == ("packaged", True)
    assert states["fake"] == states["small"] == ("can be fetched", False)

    got = command("models", "get", "fake", "--from", hub.address, *places, "--json")
    assert (got.status, json.loads(got.out)["verified"]) == (0, True)

    after = json.loads(command("models", "list", *places, "--json").out)["models"]
    (fetched,) = [each for each in after if each["name"] == "fake"]
    assert (fetched["state"], fetched["is_used"], fetched["licence"]) == ("fetched", True, "MIT")
    shown = command("models", "list", *places).out
    assert "* fake" in shown

    whole = command("models", "verify", *places[2:], "--json")
    assert whole.status == 0
    assert {each["name"] for each in json.loads(whole.out)["models"]} == {"packaged", "fake"}
    (Path(fetched["where"]) / "model.bin").write_bytes(b"changed")
    broken = command("models", "verify", "fake", *places[2:])
    assert (broken.status, "model.bin" in broken.out) == (1, True)


def test_a_model_that_nobody_pinned_is_misuse(
    command: Command, hub: Hub, places: tuple[str, ...]
) -> None:
    for words in (
        ("get", "other", "--from", hub.address, *places),
        ("verify", "other", *places[2:]),
    ):
        done = command("models", *words)
        assert (done.status, done.out) == (2, "")
        assert "no model other" in done.err
    assert hub.ranges == {}


def test_a_wrong_file_is_a_fault_and_leaves_no_model(
    command: Command, hub: Hub, places: tuple[str, ...], tmp_path: Path
) -> None:
    hub.files["model.bin"] = b"x" * 128_000
    done = command("models", "get", "fake", "--from", hub.address, *places)
    assert (done.status, "thrown away" in done.err) == (3, True)
    assert not (tmp_path / "data" / "models" / "fake").exists()


def test_the_doctor_names_the_model_that_is_used(
    command: Command, hub: Hub, places: tuple[str, ...], tmp_path: Path
) -> None:
    def said() -> str:
        found = json.loads(command("doctor", "--data", str(tmp_path / "data"), "--json").out)
        return next(str(each["says"]) for each in found if each["name"] == "recogniser")

    assert "English model that its package carries" in said()
    command("models", "get", "fake", "--from", hub.address, *places)
    assert "fetched model fake" in said()
    (tmp_path / "askfirst.toml").write_text('model = "gone"\n')
    assert "its model is not" in said()
