"""Where sealed bytes lie: objects under a name, written once, read whole or in part.

Everything that comes in here is already encrypted; names carry no personal data. What is inside
an object, and who may read it, is decided elsewhere.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import from_url

from askfirst.errors import InvalidInput, Misconfigured, NotFound, Refused, Unavailable
from askfirst.server.durable import create_file, sync_folder

if TYPE_CHECKING:
    # These names exist for type checkers only; importing them at run time fails.
    from obstore.store import ClientConfig, ObjectStore, RetryConfig

# Lower case only: on a file system that ignores case, `A` and `a` would be one object. No part
# begins with a dot, so `..` and our own temporary files can never be names.
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}(?:/[a-z0-9][a-z0-9._-]{0,99}){0,7}")

_NEW = ".new"  # folder of unfinished writes inside a root

RETRY: RetryConfig = {
    "max_retries": 4,
    "retry_timeout": timedelta(seconds=20),
    "backoff": {
        "init_backoff": timedelta(milliseconds=100),
        "max_backoff": timedelta(seconds=2),
        "base": 2,
    },
}
"""Retries of a remote store. The library's own default waits 3 minutes: longer than a request."""

CLIENT: ClientConfig = {
    "connect_timeout": timedelta(seconds=5),
    "read_timeout": timedelta(seconds=15),
    "timeout": timedelta(seconds=60),
}
"""Timeouts of one request to a remote store; 60 s carries an hour of audio over a slow line."""

_ADVICE = {
    errno.ENOSPC: "Free space on that disk and try again",
    errno.EDQUOT: "Raise the disk quota or free space, and try again",
    errno.EFBIG: "Raise the limit on file sizes (ulimit -f) and try again",
    errno.EACCES: "Give the service's user access to that folder",
    errno.EPERM: "Give the service's user access, on a file system that has hard links",
    errno.EROFS: "Mount that file system writable",
    errno.EMFILE: "Raise the limit on open files (ulimit -n)",
    errno.EIO: "Check the disk: it reports damage",
}


def disk_trouble(doing: str, error: OSError) -> Unavailable:
    """An Unavailable that says what was being done, what the system answered and what to do."""
    advice = _ADVICE.get(error.errno or 0, "Check the disk and its mount, then try again")
    return Unavailable(f"Could not {doing}: {error.strerror or error}. {advice}.")


class Blobs(Protocol):
    """Objects under names; each is written once and never changed.

    A name is one to eight parts joined by `/`; a part has at most 100 of `a-z 0-9 . _ -` and
    begins with a letter or digit; anything else raises InvalidInput. A name must not be both an
    object and the beginning of another (`a` and `a/b`). Every method may raise Unavailable.
    """

    def put_new(self, name: str, data: bytes) -> None:
        """Store `data`, durable on return, whole or not at all.

        Raises Refused if the name is taken. A remote store can have taken the first try and lost
        its answer: who repeats a put compares what is there before believing in a stranger.
        """
        ...

    def read(self, name: str) -> bytes:
        """The whole object. Raises NotFound."""
        ...

    def read_range(self, name: str, offset: int, length: int) -> bytes:
        """Up to `length` bytes from `offset`, clipped at the end. Raises NotFound."""
        ...

    def size(self, name: str) -> int:
        """Size in bytes. Raises NotFound."""
        ...

    def delete(self, name: str) -> None:
        """Take the object away; fine if there is none."""
        ...

    def names(self) -> list[str]:
        """Every name, sorted."""
        ...


class BlobSource:
    """One object as something to read from at any place; `size` is taken once, when made."""

    def __init__(self, blobs: Blobs, name: str) -> None:
        self._blobs = blobs
        self._name = name
        self.size = blobs.size(name)

    def read_at(self, offset: int, length: int) -> bytes:
        """Up to `length` bytes from `offset`, clipped at the end. Raises NotFound, Unavailable."""
        return self._blobs.read_range(self._name, offset, length)


class LocalBlobs:
    """Objects as files below `root`, which this class makes and owns.

    Writes are its own, because obstore's local store never calls fsync: a finished object could
    vanish with the power. Reads use plain files too: nothing is gained by a detour through
    another library, and the system's error number stays known.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._new = root / _NEW
        try:
            _make_folders(self._new)
            self._sweep()
        except OSError as error:
            raise disk_trouble(f"prepare the folder {root}", error) from error

    def put_new(self, name: str, data: bytes) -> None:
        """See Blobs."""
        path = self._path(name)
        try:
            _make_folders(path.parent)
            with self._lock(fcntl.LOCK_SH):
                create_file(path, data, unfinished_in=self._new)
        except (FileExistsError, NotADirectoryError) as error:
            raise Refused(
                f"There is already an object in the way of {name!r}. Objects are written once: "
                "take a new name."
            ) from error
        except OSError as error:
            raise disk_trouble(f"store {name!r}; nothing was kept", error) from error

    def read(self, name: str) -> bytes:
        """See Blobs."""
        with self._reading(name) as path:
            return path.read_bytes()

    def read_range(self, name: str, offset: int, length: int) -> bytes:
        """See Blobs."""
        _check_range(offset, length)
        with self._reading(name) as path, path.open("rb") as file:
            file.seek(offset)
            return file.read(length)

    def size(self, name: str) -> int:
        """See Blobs."""
        with self._reading(name) as path:
            if path.is_dir():
                raise IsADirectoryError(errno.EISDIR, "a folder")
            return path.stat().st_size

    def delete(self, name: str) -> None:
        """See Blobs."""
        path = self._path(name)
        try:
            path.unlink()
            sync_folder(path.parent)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return
        except OSError as error:
            raise disk_trouble(f"delete {name!r}", error) from error

    def names(self) -> list[str]:
        """See Blobs."""
        found = []
        for folder, folders, files in os.walk(self._root, onerror=_raise_unavailable):
            if _NEW in folders:
                folders.remove(_NEW)
            found += [(Path(folder) / file).relative_to(self._root).as_posix() for file in files]
        return sorted(name for name in found if _NAME.fullmatch(name))

    def _path(self, name: str) -> Path:
        return self._root / _checked(name)

    @contextmanager
    def _reading(self, name: str) -> Iterator[Path]:
        path = self._path(name)
        try:
            yield path
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
            raise NotFound(f"There is no object {name!r}.") from error
        except OSError as error:
            raise disk_trouble(f"read {name!r}", error) from error

    @contextmanager
    def _lock(self, how: int) -> Iterator[None]:
        # Every call opens the file anew: a flock belongs to the open file, so threads count too.
        handle = os.open(self._new / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, how)
            yield
        finally:
            os.close(handle)

    def _sweep(self) -> None:
        """Remove what killed writers left; skipped while another process is writing."""
        try:
            with self._lock(fcntl.LOCK_EX | fcntl.LOCK_NB):
                for left in self._new.iterdir():
                    if left.name != "lock":
                        left.unlink()
        except BlockingIOError:
            return


class ObjectBlobs:
    """Objects in any obstore store (S3, GCS, Azure, memory); the caller chooses and owns it.

    Make remote stores with `remote_blobs`, or give them RETRY and CLIENT yourself.
    """

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def put_new(self, name: str, data: bytes) -> None:
        """See Blobs."""
        with _remote("store", name):
            try:
                # One request: several parts and create-only do not go together everywhere.
                obstore.put(self._store, _checked(name), data, mode="create", use_multipart=False)
            except AlreadyExistsError as error:
                raise Refused(
                    f"There is already an object {name!r}. Objects are written once: "
                    "take a new name."
                ) from error

    def read(self, name: str) -> bytes:
        """See Blobs."""
        with _remote("read", name):
            return bytes(obstore.get(self._store, _checked(name)).bytes())

    def read_range(self, name: str, offset: int, length: int) -> bytes:
        """See Blobs."""
        _check_range(offset, length)
        with _remote("read", name):
            if length > 0:
                try:
                    found = obstore.get_range(
                        self._store, _checked(name), start=offset, length=length
                    )
                    return bytes(found)
                except BaseError:
                    # Stores answer a range behind the end with an error of no special kind.
                    if self.size(name) > offset:
                        raise
            self.size(name)  # an empty answer must not hide that the object is missing
            return b""

    def size(self, name: str) -> int:
        """See Blobs."""
        with _remote("read", name):
            return obstore.head(self._store, _checked(name))["size"]

    def delete(self, name: str) -> None:
        """See Blobs."""
        with _remote("delete", name):
            try:
                obstore.delete(self._store, _checked(name))
            except FileNotFoundError:
                return

    def names(self) -> list[str]:
        """See Blobs."""
        with _remote("list", "all objects"):
            paths = [meta["path"] for page in obstore.list(self._store) for meta in page]
            return sorted(path for path in paths if _NAME.fullmatch(path))


def remote_blobs(url: str, options: Mapping[str, str] | None = None) -> ObjectBlobs:
    """Objects in a remote store: `s3://bucket/prefix`, `gs://…`, `az://…`.

    `options` are obstore's settings of that store (region, endpoint, access keys); `allow_http`
    set to `true` permits an endpoint without TLS. Without access keys the first use asks the cloud
    machine's own identity service for them. Nothing is contacted yet. Raises Misconfigured.
    """
    config = dict(options or {})
    client: ClientConfig = {**CLIENT, "allow_http": config.pop("allow_http", "") == "true"}
    if not client["allow_http"] and any(value.startswith("http://") for value in config.values()):
        raise Misconfigured(
            "The object store's endpoint has no TLS. Expected https://; where the line is trusted, "
            "set allow_http to true."
        )
    try:
        return ObjectBlobs(
            from_url(url, config=config, client_options=client, retry_config=RETRY)  # type: ignore[call-overload]  # its keys are only known to each store
        )
    except (BaseError, ValueError, TypeError) as error:
        raise Misconfigured(
            f"No object store can be made from this address: {_first_line(error)}. "
            "Expected s3://bucket/prefix, gs://bucket/prefix or az://account/container/prefix, "
            "and options that this store knows."
        ) from error


def _make_folders(path: Path) -> None:
    """Make a folder and its parents, each durable in the one above."""
    if path.is_dir():
        return
    _make_folders(path.parent)
    path.mkdir(mode=0o700, exist_ok=True)
    sync_folder(path.parent)


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise InvalidInput(
            f"{name!r} cannot name an object. Expected one to eight parts of a-z, 0-9, '.', '_', "
            "'-' joined by '/', each beginning with a letter or digit."
        )
    return name


def _check_range(offset: int, length: int) -> None:
    if offset < 0 or length < 0:
        raise InvalidInput(f"A range cannot begin at {offset} or have {length} bytes.")


def _raise_unavailable(error: OSError) -> None:
    raise disk_trouble("list the objects", error) from error


@contextmanager
def _remote(verb: str, name: str) -> Iterator[None]:
    """Turn what obstore raises into our own errors."""
    try:
        yield
    except FileNotFoundError as error:
        raise NotFound(f"There is no object {name!r}.") from error
    except (BaseError, OSError) as error:
        raise Unavailable(
            f"Could not {verb} {name!r}: {_first_line(error)}. Check that the store runs, its "
            "address, its free space and the credentials, then try again."
        ) from error


def _first_line(error: Exception) -> str:
    # Addresses can carry a signature behind the question mark; the other lines repeat the first.
    line = str(error).splitlines()[0] if str(error) else type(error).__name__
    return re.sub(r"\?\S*", "", line).rstrip(". ")
