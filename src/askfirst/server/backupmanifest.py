"""The manifest of a backup: what it holds, with the SHA-256 of every file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from askfirst.errors import InvalidInput, NotFound

MANIFEST, FORMAT = "manifest.json", "askfirst backup 1"
DATABASE, KEYS, OBJECTS = "database", "keys", "objects"
"""Folders of a backup; the erasure list, rules and overrides are called as in an installation."""


@dataclass(frozen=True, slots=True)
class Held:
    """A file of a backup as its manifest has it."""

    sha256: str
    bytes: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup holds. `keys_until` is when its folder `keys` is to be deleted."""

    made_at: datetime
    keys_until: datetime
    wrapped_by: str
    with_key: bool
    ledger_size: int
    files: Mapping[str, Held]

    @property
    def bytes(self) -> int:
        """How large all files are together."""
        return sum(each.bytes for each in self.files.values())


def manifest_of(folder: Path) -> Manifest:
    """What a backup says that it holds. Raises NotFound for half a backup, InvalidInput."""
    path = folder / MANIFEST
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise NotFound(
            f"{folder} has no {MANIFEST}: it is no backup, or one that was not finished. Use "
            "another one"
        ) from error
    except (OSError, ValueError) as error:
        raise InvalidInput(f"{path} cannot be read: {error}; use another backup") from error
    try:
        if told["format"] != FORMAT:
            raise InvalidInput(f"{path} is of format {told['format']!r}, expected {FORMAT!r}")
        return Manifest(
            datetime.fromisoformat(told["made_at"]),
            datetime.fromisoformat(told["keys_until"]),
            str(told["wrapped_by"]),
            bool(told["with_key"]),
            int(told["ledger_size"]),
            {
                _inside(name): Held(str(held["sha256"]), int(held["bytes"]))
                for name, held in told["files"].items()
            },
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InvalidInput(f"{path} is no manifest of a backup; use another backup") from error


def document(manifest: Manifest) -> dict[str, object]:
    """A manifest as it stands in its file."""
    return {
        "format": FORMAT,
        "made_at": manifest.made_at.isoformat(),
        "keys_until": manifest.keys_until.isoformat(),
        "wrapped_by": manifest.wrapped_by,
        "with_key": manifest.with_key,
        "ledger_size": manifest.ledger_size,
        "files": {
            name: {"sha256": held.sha256, "bytes": held.bytes}
            for name, held in manifest.files.items()
        },
    }


def faults_of(folder: Path, manifest: Manifest) -> Iterator[str]:
    """What of a backup is not as its manifest has it, a line for each file."""
    for name, held in sorted(manifest.files.items()):
        path = folder / name
        if not path.is_file():
            yield f"{name} is missing"
        elif path.stat().st_size != held.bytes:
            yield f"{name} has {path.stat().st_size} bytes, expected {held.bytes}"
        elif digest(path) != held.sha256:
            yield f"{name} was changed: its SHA-256 is not that of the manifest"


def digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _inside(name: str) -> str:
    """A file's name in a manifest, which must not lead out of the backup."""
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise ValueError(name)
    return name
