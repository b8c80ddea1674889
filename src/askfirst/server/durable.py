"""Small files that are on the disk when a function returns: whole, or not there at all."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def create_file(path: Path, data: bytes, *, unfinished_in: Path) -> None:
    """Make a new file of mode 0600 that is whole and durable, or does not exist at all.

    `unfinished_in` is a folder of the same file system for the bytes until they are complete; a
    killed process leaves at most a file `*.part` there. Raises FileExistsError and other OSErrors.
    """
    part = unfinished_in / f"{secrets.token_hex(8)}.part"
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        # A link fails if the name exists; a rename would silently replace what is there.
        path.hardlink_to(part)
    finally:
        part.unlink(missing_ok=True)
    sync_folder(path.parent)


def replace_file(path: Path, data: bytes) -> None:
    """Put a file of mode 0600 in place of another one. Raises OSErrors; the old one stays then."""
    # Always under one name: what a kill left behind is written over by the next attempt.
    part = path.with_name(f"{path.name}.part")
    part.unlink(missing_ok=True)
    part.touch(mode=0o600, exist_ok=False)
    with part.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Have the names in a folder on the disk."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
