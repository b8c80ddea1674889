"""Models: fetched whole or not at all, known by their sums, and the one that is used."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.server.modelhub import FILES, REVISION, Hub, in_toml, model, serving

from askfirst.errors import InvalidInput, Misconfigured, Refused, Unavailable, Unverified
from askfirst.server import models
from askfirst.server.modelcatalogue import catalogue, read
from askfirst.server.modelfetch import get
from askfirst.server.node import Node
from askfirst.speech.scripted import Scripted
from askfirst.speech.whispermodels import MULTILINGUAL_TOKENS

PLACE = f"/somebody/fake-model/resolve/{REVISION}/"


@pytest.fixture
def hub() -> Iterator[Hub]:
    with serving() as made:
        yield made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data" / "models"


def names(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


# Fetching


def test_a_model_is_fetched_whole_and_known_afterwards(hub: Hub, folder: Path) -> None:
    place = get(model(), folder, hub.address)
    assert names(place) == sorted([*FILES, "model.json"])
    assert names(folder) == ["fake"]
    (found,) = models.fetched(folder.parent)
    found.verify()
    assert (found.name, found.origin, found.licence) == ("fake", "fetched", "MIT")
    assert {"en", "nb", "de"} <= found.languages
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_model_that_is_there_is_not_fetched_again(hub: Hub, folder: Path) -> None:
    get(model(), folder, hub.address)
    asked = {name: len(each) for name, each in hub.ranges.items()}
    assert get(model(), folder, hub.address) == folder / "fake"
    assert {name: len(each) for name, each in hub.ranges.items()} == asked
    (folder / "fake" / "model.bin").write_bytes(b"changed")
    with pytest.raises(Unverified, match="not the file"):
        get(model(), folder, hub.address)


def test_what_broke_off_goes_on_where_it_broke_off(hub: Hub, folder: Path) -> None:
    hub.breaks_at["model.bin"] = 70_000
    with pytest.raises(Unavailable, match="run this again"):
        get(model(), folder, hub.address)
    assert not (folder / "fake").exists()
    place = get(model(), folder, hub.address)
    assert (place / "model.bin").read_bytes() == FILES["model.bin"]
    assert hub.ranges["model.bin"] == [None, "bytes=70000-"]
    # A file that was whole is not asked for again.
    assert hub.ranges["config.json"] == [None]


def test_a_server_without_ranges_is_read_from_the_start(hub: Hub, folder: Path) -> None:
    hub.breaks_at["model.bin"], hub.knows_ranges = 70_000, False
    with pytest.raises(Unavailable):
        get(model(), folder, hub.address)
    place = get(model(), folder, hub.address)
    assert (place / "model.bin").read_bytes() == FILES["model.bin"]


@pytest.mark.parametrize("more", [b"", b"more"])
def test_a_file_that_is_not_the_known_one_is_thrown_away(
    hub: Hub, folder: Path, more: bytes
) -> None:
    hub.files["model.bin"] = b"x" * len(FILES["model.bin"]) + more
    with pytest.raises(Unverified, match="thrown away"):
        get(model(), folder, hub.address)
    assert names(folder) == [".fake.part"]
    assert not [name for name in names(folder / ".fake.part") if name.startswith("model.bin")]
    assert models.fetched(folder.parent) == []
    hub.files["model.bin"] = FILES["model.bin"]
    assert get(model(), folder, hub.address).is_dir()


def test_a_rest_that_makes_a_wrong_file_is_thrown_away(hub: Hub, folder: Path) -> None:
    hub.breaks_at["model.bin"] = 70_000
    with pytest.raises(Unavailable):
        get(model(), folder, hub.address)
    (folder / ".fake.part" / "model.bin.part").write_bytes(b"y" * 70_000)
    with pytest.raises(Unverified, match="thrown away"):
        get(model(), folder, hub.address)
    assert get(model(), folder, hub.address).is_dir()


def test_a_redirect_within_the_scheme_is_followed(hub: Hub, folder: Path) -> None:
    hub.moves[f"{PLACE}model.bin"] = "/elsewhere/model.bin"
    assert get(model(), folder, hub.address).is_dir()


@pytest.mark.parametrize(
    "address", ["https://127.0.0.1:1/model.bin", "file:///etc/passwd", "ftp://127.0.0.1/model.bin"]
)
def test_a_redirect_to_another_scheme_is_refused(hub: Hub, folder: Path, address: str) -> None:
    hub.moves[f"{PLACE}model.bin"] = address
    with pytest.raises(Refused, match="redirect"):
        get(model(), folder, hub.address)
    assert not (folder / "fake").exists()


def test_redirects_without_an_end_end(hub: Hub, folder: Path) -> None:
    hub.moves[f"{PLACE}model.bin"] = f"{PLACE}model.bin"
    with pytest.raises(Exception, match="without an end"):
        get(model(), folder, hub.address)


def test_a_missing_file_is_told_with_the_answer(hub: Hub, folder: Path) -> None:
    del hub.files["tokenizer.json"]
    with pytest.raises(Unavailable, match="answered 404"):
        get(model(), folder, hub.address)


@pytest.mark.parametrize(
    "source",
    ["http://example.org", "ftp://127.0.0.1", "file:///models", "https://", "https://u:p@h", "hub"],
)
def test_a_source_that_is_not_safe_is_refused_before_anything(folder: Path, source: str) -> None:
    with pytest.raises(InvalidInput, match="--from"):
        get(model(), folder, source)
    assert not folder.exists()


def test_two_at_a_time_do_not_mix(hub: Hub, folder: Path) -> None:
    part = folder / ".fake.part"
    part.mkdir(parents=True)
    handle = os.open(part / ".lock", os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        with pytest.raises(Refused, match="another process"):
            get(model(), folder, hub.address)
    finally:
        os.close(handle)
    assert get(model(), folder, hub.address).is_dir()


# The catalogue


def test_the_packaged_catalogue_pins_whole_models() -> None:
    known = catalogue()
    assert {"tiny", "base", "small", "medium", "large-v3"} <= set(known)
    for each in known.values():
        assert {"config.json", "model.bin", "tokenizer.json"} <= set(each.sums)
        assert each.licence == "MIT"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (REVISION, "main"),
        ("somebody/fake-model", "../../other"),
        ('"model.bin"', '"../model.bin"'),
        ('"model.bin"', '"/model.bin"'),
        ('"model.bin"', '".lock"'),
        ("bytes = 2,", "bytes = 0,"),
        ("bytes = 2,", "bytes = 99999999999999,"),
        ('sha256 = "', 'sha256 = "0'),
        ("licence", "license"),
        ("[fake]", "[fake"),
        ("fake.files", "fake.things"),
    ],
)
def test_a_catalogue_that_cannot_be_trusted_is_refused(old: str, new: str) -> None:
    good = in_toml(model())
    assert read(good, "mine")["fake"].sums == model().sums
    assert old in good
    with pytest.raises(InvalidInput, match="mine"):
        read(good.replace(old, new, 1), "mine")


# Which is used


def test_without_any_fetched_model_the_packaged_one_is_used(tmp_path: Path) -> None:
    found = models.chosen(None, tmp_path)
    assert (found.origin, set(found.languages)) == ("packaged", {"en"})
    found.verify()


def test_the_only_fetched_model_is_used_and_of_several_the_named_one(
    hub: Hub, folder: Path
) -> None:
    data = folder.parent
    get(model(), folder, hub.address)
    assert models.chosen(None, data).name == "fake"
    get(model(name="second"), folder, hub.address)
    assert models.chosen(None, data).origin == "packaged"
    assert models.chosen("second", data).name == "second"
    assert models.chosen("packaged", data).origin == "packaged"
    with pytest.raises(InvalidInput, match="no model third"):
        models.chosen("third", data)


def test_a_folder_may_be_named_but_nobody_knows_its_sums(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    with pytest.raises(Misconfigured, match=r"model\.bin"):
        models.chosen(str(own), tmp_path)
    for name, data in FILES.items():
        (own / name).write_bytes(data)
    found = models.chosen(str(own), tmp_path)
    assert found.origin == "folder"
    with pytest.raises(Unverified, match="nobody knows"):
        found.verify()


def test_a_changed_file_of_a_fetched_model_stops_the_recogniser(hub: Hub, folder: Path) -> None:
    place = get(model(), folder, hub.address)
    (place / "config.json").write_bytes(b"{ }")
    recognizer = models.recognizer("fake", folder.parent)
    try:
        with pytest.raises(Unverified, match=r"config\.json"):
            recognizer.transcribe(bytes(64_000), "en")
    finally:
        recognizer.close()


def test_a_manifest_cannot_lower_what_the_catalogue_asks(
    hub: Hub, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    get(model(), folder, hub.address)
    stricter = model({**FILES, "model.bin": b"the real one"})
    monkeypatch.setattr(models, "catalogue", lambda: {"fake": stricter})
    (found,) = models.fetched(folder.parent)
    with pytest.raises(Unverified, match=r"model\.bin"):
        found.verify()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"files": {"../x": {}}}', "[" * 10_000])
def test_a_manifest_that_is_none_is_told(tmp_path: Path, text: str) -> None:
    place = tmp_path / "models" / "fake"
    place.mkdir(parents=True)
    (place / "model.json").write_text(text)
    with pytest.raises(Misconfigured, match="no manifest"):
        models.fetched(tmp_path)


def test_the_made_up_vocabulary_is_that_of_a_multilingual_model() -> None:
    assert len(FILES["vocabulary.txt"].splitlines()) == MULTILINGUAL_TOKENS


def test_an_installation_does_not_start_with_a_model_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="no model gone"):
        Node.open(tmp_path / "data", model="gone")
    # Nothing is held of the failed start.
    node = Node.open(tmp_path / "data", Scripted())
    node.close()
