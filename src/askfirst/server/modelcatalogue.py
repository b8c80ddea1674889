"""Models by name: from where, at which revision, and what every file of them must hash to.

The packaged catalogue is `speech/models.toml`; an operator may name one of their own, in the same
form, for models that nobody here has pinned.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from askfirst.errors import InvalidInput, NotFound

MOST_BYTES = 16 * 1024**3
"""More than any file of a model has."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}/[A-Za-z0-9][A-Za-z0-9._-]{0,95}")
_REVISION = re.compile(r"[0-9a-f]{40}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_KEYS = {"repository", "revision", "licence", "english_only", "files"}


@dataclass(frozen=True, slots=True)
class PinnedFile:
    """A file of a model: its exact size, and its SHA-256 in hexadecimal."""

    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class PinnedModel:
    """A model that can be fetched: a commit of a repository, and its files."""

    name: str
    repository: str
    revision: str
    licence: str
    is_english_only: bool
    files: tuple[PinnedFile, ...]

    @property
    def bytes(self) -> int:
        """What all its files take."""
        return sum(each.bytes for each in self.files)

    @property
    def sums(self) -> Mapping[str, str]:
        """The SHA-256 of each file by its name."""
        return {each.name: each.sha256 for each in self.files}


def catalogue(own: Path | None = None) -> Mapping[str, PinnedModel]:
    """The packaged models by name, and those of an operator's `own` catalogue over them.

    Raises InvalidInput for a catalogue that cannot be used, naming what is wrong in it.
    """
    packaged = resources.files("askfirst") / "speech" / "models.toml"
    known = read(packaged.read_text(encoding="utf-8"), "the packaged catalogue")
    if own is None:
        return known
    try:
        return {**known, **read(own.read_text(encoding="utf-8"), str(own))}
    except (OSError, UnicodeError) as error:
        raise InvalidInput(
            f"the catalogue {own} cannot be read ({error}); name a TOML file"
        ) from error


def pinned(name: str, own: Path | None = None) -> PinnedModel:
    """A model of the catalogue. Raises NotFound, and as `catalogue`."""
    known = catalogue(own)
    if name not in known:
        raise NotFound(f"no model {name}; known: {', '.join(sorted(known))}")
    return known[name]


def read(text: str, where: str) -> Mapping[str, PinnedModel]:
    """The models of a catalogue. Raises InvalidInput naming the first fault in `where`."""
    try:
        tables = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"{where} is not TOML: {error}; mend it") from error
    return {name: model_of(name, table, where) for name, table in tables.items()}


def model_of(name: str, table: object, where: str) -> PinnedModel:
    """The model of a table. Raises InvalidInput naming the first fault in `where`."""

    def ensure(holds: bool, what: str) -> None:
        if not holds:
            raise InvalidInput(f"{where}, model {name!r}: expected {what}")

    ensure(_NAME.fullmatch(name) is not None, "a name of letters, digits, dots and dashes")
    if not isinstance(table, Mapping) or not table.keys() <= _KEYS:
        raise InvalidInput(f"{where}, model {name!r}: expected {', '.join(sorted(_KEYS))} alone")
    repository, revision = str(table.get("repository")), str(table.get("revision"))
    ensure(_REPOSITORY.fullmatch(repository) is not None, "repository = 'owner/name'")
    ensure(_REVISION.fullmatch(revision) is not None, "revision = a whole commit, 40 hex digits")
    files = table.get("files")
    if not isinstance(files, Mapping) or not files:
        raise InvalidInput(f"{where}, model {name!r}: expected a table of files")
    return PinnedModel(
        name=name,
        repository=repository,
        revision=revision,
        licence=str(table.get("licence", "not stated")),
        is_english_only=table.get("english_only") is True,
        files=tuple(_file(each, files[each], where) for each in sorted(files)),
    )


def _file(name: str, table: object, where: str) -> PinnedFile:
    held = table if isinstance(table, Mapping) else {}
    size, sha256 = held.get("bytes"), held.get("sha256")
    # A name becomes a path and a part of an address: it is one plain word.
    if _NAME.fullmatch(name) is None:
        raise InvalidInput(f"{where}: {name!r} is no plain file name; take it out")
    if isinstance(size, bool) or not isinstance(size, int) or not 0 < size <= MOST_BYTES:
        raise InvalidInput(f"{where}, {name}: expected bytes = its exact size")
    if not isinstance(sha256, str) or _SHA256.fullmatch(sha256) is None:
        raise InvalidInput(f"{where}, {name}: expected sha256 = 64 hex digits")
    return PinnedFile(name, size, sha256)
