"""Which key wraps all others, and how it is changed: rotated, or moved to OpenBao and back.

A change is written down first (``next.json``), then everything is wrapped anew in one transaction,
then the old key is destroyed. A crash at any point leaves an installation that opens: whoever
opens it next tries which of the two keys fits, finishes the change or takes it back.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from askfirst.errors import KeyUnreadable, Misconfigured, Refused
from askfirst.server.blobs import disk_trouble
from askfirst.server.durable import replace_file, sync_folder
from askfirst.server.keys import KeyFile, KeyStore, KeyWrapper
from askfirst.server.openbao import Transit, TransitWrapper

log = logging.getLogger(__name__)

STORE, MASTER = "keys.db", "master.key"
NEW_MASTER, WRAPPER, NEXT = "master.key.next", "wrapper.json", "next.json"
"""Files of the folder ``keys``; without `WRAPPER` the key that wraps is the file `MASTER`."""

CHANGING, IN_USE = "changing.lock", "in-use.lock"
"""Locks: held while the key that wraps is changed or looked for, and by all who use the store."""

Place = Transit | None
"""Where the key that wraps is; None: in the file."""


def open_keys(folder: Path, wanted: Place = None) -> KeyStore:
    """The key store of a folder with the key that fits; made at the first start, where `wanted`.

    Waits for a change that another process makes, and ends one that was cut off. Raises
    KeyUnreadable where no key fits, and as the wrapper does.
    """
    with _changing(folder):
        _end_cut_off(folder)
        in_use = _lock(folder / IN_USE, fcntl.LOCK_SH)
        try:
            if (folder / STORE).exists():
                wrapper = _wrapper(folder, place_of(folder))
            else:
                wrapper = _first(folder, wanted)
            return KeyStore(folder / STORE, wrapper, held=in_use)
        except BaseException:
            with suppress(OSError):  # the store may have closed it already
                os.close(in_use)
            raise


def place_of(folder: Path) -> Place:
    """Where the key that wraps an installation's keys is. Raises Misconfigured."""
    told = _read(folder / WRAPPER)
    return None if told is None else Transit.from_json(told)


def rotate(folder: Path, keys: KeyStore) -> int:
    """Wrap everything with a new key and destroy the old one; says how many keys that were.

    For a process that has the installation alone. Backups of the key store made before become
    void, unless they hold the old key. Raises Unavailable; call it again then.
    """
    place = place_of(folder)
    if place is None:
        return _change(folder, keys, None)
    wrapper = TransitWrapper(place)
    try:
        with _changing(folder):
            keys.ensure_alone()
            wrapper.rotate()
            count = keys.rewrap(wrapper)
            wrapper.retire()
    finally:
        wrapper.close()
    return count


def move(folder: Path, keys: KeyStore, to: Place) -> int:
    """Wrap everything with a key elsewhere, and destroy a key file that is left behind.

    Raises Refused where it is there already, and as `rotate`.
    """
    if place_of(folder) == to:
        raise Refused(f"the keys are wrapped there already: {keys.wrapped_by()}; nothing was done")
    if to is not None:
        wrapper = TransitWrapper(to)
        try:
            wrapper.make()
        finally:
            wrapper.close()
    return _change(folder, keys, to)


def _first(folder: Path, wanted: Place) -> KeyWrapper:
    """What wraps the keys of a new store; a key is made for it where there is none."""
    place = place_of(folder) or wanted
    if place is None:
        return KeyFile.open_or_create(folder / MASTER)
    wrapper = TransitWrapper(place)
    try:
        wrapper.make()
    except BaseException:
        wrapper.close()
        raise
    _write(folder / WRAPPER, place.to_json())
    return wrapper


def _change(folder: Path, keys: KeyStore, to: Place) -> int:
    try:
        with _changing(folder):
            keys.ensure_alone()
            _destroy(folder / NEW_MASTER)
            fresh = folder / NEW_MASTER
            new: KeyWrapper = KeyFile.create(fresh) if to is None else TransitWrapper(to)
            _write(folder / NEXT, {} if to is None else to.to_json())
            count = keys.rewrap(new)
            _finish(folder, to)
    except OSError as error:
        raise disk_trouble(f"change the key that wraps in {folder}", error) from error
    return count


def _end_cut_off(folder: Path) -> None:
    """Finish a change that was cut off where its new key fits, or else take it back."""
    try:
        for part in folder.glob("*.part"):
            _destroy(part)
        told = _read(folder / NEXT)
        if told is None:
            _destroy(folder / NEW_MASTER)
            return
        to = Transit.from_json(told) if told else None
        fresh = folder / (NEW_MASTER if (folder / NEW_MASTER).exists() else MASTER)
        if _fits(folder, lambda: _wrapper(folder, place_of(folder))):
            is_through = place_of(folder) == to and not (folder / NEW_MASTER).exists()
            _tell("finished" if is_through else "taken-back")
            _tidy(folder)
        elif _fits(folder, lambda: KeyFile(fresh) if to is None else TransitWrapper(to)):
            _tell("finished")
            _finish(folder, to)
        else:
            raise KeyUnreadable(
                f"neither the key in use before nor the new one opens {folder / STORE}, after a "
                "change of keys that was cut off. Restore the folder keys from a backup"
            )
    except OSError as error:
        raise disk_trouble(f"end the change of keys in {folder}", error) from error


def _tell(ended: str) -> None:
    """Name how a change was ended that was cut off: finished, or taken back."""
    log.warning("keys.change_cut_off ended=%s", ended)


def _fits(folder: Path, wrapper: Callable[[], KeyWrapper]) -> bool:
    """Whether what wraps opens the store; all its keys are wrapped by one."""
    try:
        store = KeyStore(folder / STORE, wrapper())
    except KeyUnreadable:
        return False
    try:
        store.signing_seed()
    except KeyUnreadable:
        return False
    finally:
        store.close()
    return True


def _finish(folder: Path, to: Place) -> None:
    """Make the new key the one in use and destroy the old one; safe to repeat."""
    if to is None:
        if (folder / NEW_MASTER).exists():
            _overwrite(folder / MASTER)
            (folder / NEW_MASTER).replace(folder / MASTER)
        (folder / WRAPPER).unlink(missing_ok=True)
    else:
        _write(folder / WRAPPER, to.to_json())
    sync_folder(folder)
    _tidy(folder)


def _tidy(folder: Path) -> None:
    """Take away what a change leaves: the file of a key that is no longer in use, and its note."""
    if (folder / WRAPPER).exists():
        _destroy(folder / MASTER)
    _destroy(folder / NEW_MASTER)
    (folder / NEXT).unlink(missing_ok=True)
    sync_folder(folder)


def _destroy(path: Path) -> None:
    _overwrite(path)
    path.unlink(missing_ok=True)


def _overwrite(path: Path) -> None:
    """Write zeros over a key; flash storage may keep old blocks all the same."""
    with suppress(FileNotFoundError), path.open("r+b") as file:
        file.write(bytes(path.stat().st_size))
        file.flush()
        os.fsync(file.fileno())


def _wrapper(folder: Path, place: Place) -> KeyWrapper:
    return KeyFile(folder / MASTER) if place is None else TransitWrapper(place)


def _read(path: Path) -> Mapping[str, object] | None:
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise Misconfigured(
            f"{path} cannot be read; it says where the key is that wraps all others. Restore it "
            "from a backup"
        ) from error
    if not isinstance(told, dict):
        raise Misconfigured(f"{path} holds no object; restore it from a backup")
    return told


def _write(path: Path, told: Mapping[str, object]) -> None:
    replace_file(path, json.dumps(told).encode())


@contextmanager
def _changing(folder: Path) -> Iterator[None]:
    """Nobody else looks for the key that wraps meanwhile, or changes it."""
    held = _lock(folder / CHANGING, fcntl.LOCK_EX)
    try:
        yield
    finally:
        os.close(held)


def _lock(path: Path, kind: int) -> int:
    try:
        held = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(held, kind)
    except OSError as error:
        raise disk_trouble(f"lock {path}", error) from error
    return held
