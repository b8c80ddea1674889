"""Fetching a model: into a folder beside, resumed where it broke off, in place when it is whole.

What is trusted is the catalogue's SHA-256 of every file, not the network: whoever delivers the
bytes can withhold them, but not change them. A model folder exists only when every file held.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import httpx2

from askfirst.errors import InvalidInput, PeerError, Refused, Unavailable, Unverified
from askfirst.server.durable import create_file, sync_folder
from askfirst.server.modelcatalogue import PinnedFile, PinnedModel
from askfirst.speech.whispermodels import languages_of

HUB = "https://huggingface.co"
MANIFEST = "model.json"
"""The file in a fetched model that says what it is and what its files hash to."""

TIMEOUT_S = 30.0
_MOST_REDIRECTS = 5
_OK, _PARTIAL = 200, 206
_SPARE_BYTES = 50 * 1024**2


def get(
    model: PinnedModel,
    folder: Path,
    source: str = HUB,
    tell: Callable[[str], None] = lambda _: None,
) -> Path:
    """The folder of a model below `folder`, fetched from `source` if it is not there yet.

    `tell` gets a line for each file. Raises InvalidInput for a source that is not https (http
    only on this machine), Refused for a redirect to another scheme and while another process
    fetches the same, Unavailable where the network, the server or the disk fails (asking again
    goes on from there), PeerError for an answer that makes no sense, and Unverified for a file
    that is not the one that is known; such a file is thrown away.
    """
    source = _checked(source)
    place = folder / model.name
    if place.exists():
        ensure_whole(place, model)
        return place
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = folder / f".{model.name}.part"
    part.mkdir(mode=0o700, exist_ok=True)
    with _alone(part):
        if place.exists():  # another process was quicker
            return place
        _ensure_room(folder, model, part)
        with httpx2.Client(timeout=TIMEOUT_S, follow_redirects=False) as client:
            for each in model.files:
                address = f"{source}/{model.repository}/resolve/{model.revision}/{each.name}"
                tell(f"{each.name}, {each.bytes / 1024**2:.1f} MiB")
                _get_file(client, address, each, part)
        languages_of(part)
        (part / MANIFEST).unlink(missing_ok=True)
        create_file(part / MANIFEST, _manifest(model), unfinished_in=part)
        (part / _LOCK).unlink()
        sync_folder(part)
        part.rename(place)
        sync_folder(folder)
    return place


def ensure_whole(place: Path, model: PinnedModel) -> None:
    """Raise Unverified unless every file of a model is the one that is known."""
    for each in model.files:
        if _sha256(place / each.name) != each.sha256:
            raise Unverified(
                f"{place / each.name} is not the file of {model.name} that is known; delete "
                f"{place} and run: askfirst models get {model.name}"
            )


_LOCK = ".lock"


@contextmanager
def _alone(part: Path) -> Iterator[None]:
    handle = os.open(part / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise Refused("another process fetches this model now; wait for it") from error
    finally:
        os.close(handle)


def _ensure_room(folder: Path, model: PinnedModel, part: Path) -> None:
    held = sum(each.stat().st_size for each in part.iterdir())
    wanted, free = model.bytes - held + _SPARE_BYTES, shutil.disk_usage(folder).free
    if free < wanted:
        raise Unavailable(
            f"{free / 1024**2:.0f} MiB are free in {folder}, {wanted / 1024**2:.0f} are needed; "
            "make room"
        )


def _get_file(client: httpx2.Client, address: str, wanted: PinnedFile, part: Path) -> None:
    done, growing = part / wanted.name, part / f"{wanted.name}.part"
    if _sha256(done) == wanted.sha256:
        return
    done.unlink(missing_ok=True)
    held = growing.stat().st_size if growing.is_file() else 0
    if held > wanted.bytes:
        growing.unlink()
        held = 0
    if held < wanted.bytes:
        _receive(client, address, wanted, growing, held)
    found = _sha256(growing)
    if found != wanted.sha256:
        growing.unlink()
        raise Unverified(
            f"{wanted.name} has SHA-256 {found}; {wanted.sha256} was expected, so it was thrown "
            "away. Try again, or find out who delivers something else"
        )
    growing.rename(done)


def _receive(
    client: httpx2.Client, address: str, wanted: PinnedFile, growing: Path, held: int
) -> None:
    try:
        with _answer(client, address, held) as answer:
            is_rest = answer.status_code == _PARTIAL
            if is_rest and not answer.headers.get("content-range", "").startswith(f"bytes {held}-"):
                raise PeerError(f"{_host(address)} sent another part of {wanted.name}; try again")
            size = held if is_rest else 0
            with growing.open("ab" if is_rest else "wb") as file:
                # As it arrives: a chunk that waits to be full is lost where the line breaks off.
                for chunk in answer.iter_raw():
                    size += len(chunk)
                    if size > wanted.bytes:
                        break
                    file.write(chunk)
                file.flush()
                os.fsync(file.fileno())
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise Unavailable(
            f"{_host(address)} cannot be reached or broke off ({type(error).__name__}); "
            "run this again to go on"
        ) from error
    if size > wanted.bytes:
        growing.unlink()
        raise Unverified(
            f"{wanted.name} is longer than the {wanted.bytes} bytes that are known, so it was "
            "thrown away"
        )
    if size < wanted.bytes:
        raise Unavailable(
            f"{wanted.name} broke off at {size} of {wanted.bytes} bytes; run this again to go on"
        )


@contextmanager
def _answer(client: httpx2.Client, address: str, held: int) -> Iterator[httpx2.Response]:
    """The answer with the bytes, redirects followed as long as they keep to the scheme."""
    headers = {"accept-encoding": "identity"}
    if held:
        headers["range"] = f"bytes={held}-"
    scheme = urlsplit(address).scheme
    for _ in range(_MOST_REDIRECTS + 1):
        with client.stream("GET", address, headers=headers) as answer:
            if not answer.has_redirect_location:
                if answer.status_code != _OK and not (held and answer.status_code == _PARTIAL):
                    raise Unavailable(
                        f"{_host(address)} answered {answer.status_code}; try again later, or "
                        "name a mirror with --from"
                    )
                yield answer
                return
            address = urljoin(address, answer.headers["location"])
        if urlsplit(address).scheme != scheme:
            raise Refused(
                f"found a redirect from {scheme} to {urlsplit(address).scheme}; expected it to "
                "stay. Nothing was fetched from there"
            )
    raise PeerError(f"{_host(address)} redirects without an end; name a mirror with --from")


def _checked(source: str) -> str:
    parts = urlsplit(source)
    is_safe = parts.scheme == "https" or (parts.scheme == "http" and _is_here(parts.hostname))
    if not is_safe or not parts.hostname or parts.username or parts.query or parts.fragment:
        raise InvalidInput(
            f"--from is {source!r}; expected an address such as {HUB} (http on this machine alone)"
        )
    return source.rstrip("/")


def _is_here(host: str | None) -> bool:
    try:
        return host == "localhost" or ip_address(host or "").is_loopback
    except ValueError:
        return False


def _host(address: str) -> str:
    return urlsplit(address).hostname or "the server"


def _sha256(path: Path) -> str | None:
    if path.is_symlink() or not path.is_file():
        return None
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _manifest(model: PinnedModel) -> bytes:
    told = {
        "name": model.name,
        "repository": model.repository,
        "revision": model.revision,
        "licence": model.licence,
        "files": {each.name: {"bytes": each.bytes, "sha256": each.sha256} for each in model.files},
    }
    return json.dumps(told, indent=1).encode()
