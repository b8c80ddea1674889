"""What is there and what is missing on this machine, each with what to do.

Only the standard library is imported before a part was looked for, so that this works where parts
are missing. Nothing is changed, and nothing is asked of a network but whether our port is free.
"""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime
from importlib import resources
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec
from pathlib import Path

from askfirst.errors import InvalidInput, Misconfigured, NotInstalled
from askfirst.rules import packaged
from askfirst.server import custodyreport, elsewherereport, models, overridereport, twilioreport
from askfirst.server.checkup import Finding, missing, ok, warning
from askfirst.server.listener import certificate, microphone, port
from askfirst.server.settings import Settings, read_settings
from askfirst.server.trunkcautions import LIBRARY, Caution, cautions, is_encrypting, old_openssl

OLDEST = (3, 11)
FREE_BYTES = 200 * 1024**2
"""Below this there is no room for recordings of a day; five times as much is comfortable."""

SERVER_PARTS = (
    "aiortc", "alembic", "argon2", "av", "babel", "cryptography", "dbos", "fastapi", "jinja2",
    "numpy", "obstore", "sqlalchemy", "uvicorn", "websockets",
)  # fmt: skip
INSTALL_ALL = "pip install 'askfirst[all]'"


def examine(
    file: Path | None, environment: Mapping[str, str], flags: Mapping[str, object]
) -> list[Finding]:
    """Everything that was looked at, in the order in which one needs it.

    `file`, `environment` and `flags` are those of `read_settings`; settings that cannot be used are
    a finding, and the rest is examined as if there were none.
    """
    found = [python(), server_parts()]
    try:
        settings = read_settings(file, environment, flags)
        stated = file is not None and file.is_file()
        found.append(ok("settings", f"{file} can be used" if stated else "none but the defaults"))
    except Misconfigured as error:
        found.append(missing("settings", "cannot be used", str(error)))
        settings = read_settings(None, {}, flags)
    now = datetime.now(UTC)
    return [
        *found,
        folder(settings.data),
        space(settings.data),
        *custodyreport.keys(settings, environment),
        *custodyreport.erasures(settings.data),
        *custodyreport.backups(settings.data, now),
        database(settings.data),
        *overridereport.overrides(settings.data, now),
        *elsewherereport.elsewhere(settings.data, now),
        clock(settings.data, now),
        recogniser(settings),
        codecs(),
        *telephones(settings),
        *twilioreport.twilio(settings, now),
        placeholder(),
        *certificate(settings, now),
        port(settings),
        *microphone(settings),
    ]


def python() -> Finding:
    """The interpreter."""
    says = f"Python {'.'.join(map(str, sys.version_info[:3]))}"
    if sys.version_info[:2] >= OLDEST:
        return ok("python", says)
    return missing("python", says, "install Python 3.11 or newer")


def server_parts() -> Finding:
    """The packages that the pages, the recorder and the jobs need."""
    gone = [name for name in SERVER_PARTS if not _is_there(name)]
    if not gone:
        return ok("server", "every package of the server is installed")
    return missing("server", f"not installed: {', '.join(gone)}", INSTALL_ALL)


def folder(data: Path) -> Finding:
    """Whether the data folder can be written, or made."""
    near = data
    while not near.exists() and near != near.parent:
        near = near.parent
    if not near.is_dir() or not os.access(near, os.W_OK | os.X_OK):
        return missing(
            "data", f"{data} cannot be written", "name another folder with --data, or give rights"
        )
    says = f"{data} can be written" if near == data else f"{data} is made at the first start"
    return ok("data", says)


def space(data: Path) -> Finding:
    """The free space where the data are, or will be."""
    near = next(each for each in (data, *data.absolute().parents) if each.exists())
    free = shutil.disk_usage(near).free
    says = f"{free / 1024**3:.1f} GiB free"
    if free < FREE_BYTES:
        return missing("space", says, "make room; an hour of a call takes up to 250 MB meanwhile")
    if free < FREE_BYTES * 5:
        return warning("space", says, "make room soon")
    return ok("space", says)


def database(data: Path) -> Finding:
    """Whether the tables are those of this program."""
    file, newest = data / "askfirst.db", _newest_tables()
    if not file.is_file():
        return ok("database", "is made at the first start")
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as opened:
            (held,) = opened.execute("SELECT version_num FROM alembic_version").fetchone()
    except (sqlite3.Error, TypeError):
        return missing(
            "database", f"{file} cannot be read", "restore it from a backup, or mend its rights"
        )
    if held == newest:
        return ok("database", f"tables of version {held}, as this program has them")
    if str(held) > newest:
        return missing(
            "database",
            f"tables of version {held} are newer than this program's {newest}",
            "install the version of askfirst that made them",
        )
    return ok("database", f"tables of version {held}; the next start brings them to {newest}")


def clock(data: Path, now: datetime) -> Finding:
    """Whether the time can be right: evidence and periods rest on it."""
    released = datetime.strptime(packaged().version, "%Y.%m.%d").replace(tzinfo=UTC)
    file = data / "askfirst.db"
    written = datetime.fromtimestamp(file.stat().st_mtime, UTC) if file.is_file() else released
    says = f"it is {now:%Y-%m-%d %H:%M} UTC"
    if now < released or now < written.replace(second=0, microsecond=0):
        return missing(
            "clock",
            f"{says}, which is before the last thing that was written here",
            "set the clock, and let it follow a time server",
        )
    return ok("clock", says)


def recogniser(settings: Settings) -> Finding:
    """Who turns speech into words, and with which model."""
    do = "pip install 'askfirst[speech]'"
    if not _is_there("faster_whisper"):
        return missing("recogniser", "none; nothing can be transcribed or checked", do)
    try:
        model = models.chosen(settings.model, settings.data)
        knows = "English" if model.languages == {"en"} else f"{len(model.languages)} languages"
        others = len(models.fetched(settings.data))
    except NotInstalled:
        return missing("recogniser", "whisper is there, its English model is not", do)
    except (InvalidInput, Misconfigured) as error:
        return missing("recogniser", "whisper is there, its model is not", str(error))
    if model.origin == "packaged":
        says = "whisper, with the English model that its package carries"
        if others > 1 and settings.model is None:
            return warning(
                "recogniser",
                f"{says}, though {others} models are fetched",
                'say which one counts: model = "NAME" in askfirst.toml',
            )
        return ok("recogniser", says)
    return ok("recogniser", f"whisper, with the {model.origin} model {model.name}: {knows}")


def codecs() -> Finding:
    """What finished recordings are written with."""
    if not _is_there("av"):
        return missing("codecs", "PyAV is not installed", INSTALL_ALL)
    import av

    if "libopus" in av.codecs_available:
        return ok("codecs", f"Opus, in the FFmpeg that PyAV {version('av')} carries")
    return missing("codecs", "FFmpeg has no libopus", "install PyAV's own wheel: pip install av")


def telephones(settings: Settings) -> Iterator[Finding]:
    """The SIP library and the trunk."""
    trunk, gap = settings.sip, warning if settings.sip is None else missing
    held, pinned = _release(LIBRARY), pin(LIBRARY)
    do = "pip install 'askfirst[sip]' (Linux only)"
    if not _is_there("baresip") or held is None:
        yield gap("sip", "the SIP library is not installed; no telephone can be called", do)
    elif pinned is not None and held != pinned:
        yield gap("sip", f"{LIBRARY} {held}, where {pinned} was tested", do)
    else:
        yield ok("sip", f"{LIBRARY} {held}")
        yield from _library_tls(settings)
    if trunk is None:
        yield warning(
            "trunk",
            "none is set; without Twilio only demo contacts can be called",
            "put a table [sip] into askfirst.toml: docs/how-to/telephone.md",
        )
        return
    plain = [each for each in cautions(trunk) if each is not Caution.OLD_TLS]
    if plain:
        yield warning(
            "trunk",
            f"{trunk.server} is outside, and in plain go: {', '.join(_PLAIN[e] for e in plain)}",
            "set transport and security, or put a session border controller in front",
        )
    else:
        yield ok("trunk", f"{trunk.server}, port {trunk.port}, by {trunk.transport}")


_PLAIN = {Caution.PLAIN_SIGNALLING: "signalling", Caution.PLAIN_SOUND: "sound"}


def _library_tls(settings: Settings) -> Iterator[Finding]:
    release = old_openssl()
    if release is None:
        return
    says = f"the SIP library carries OpenSSL {release}, which is maintained no more"
    if settings.sip is not None and is_encrypting(settings.sip):
        yield warning(
            "sip-tls",
            says,
            "let kamailio, rtpengine or a session border controller speak TLS and SRTP with the "
            "internet, or build the library from its source",
        )
    else:
        yield ok("sip-tls", f"{says}; no trunk uses it")


def placeholder() -> Finding:
    """The voice for announcements that nobody has recorded."""
    if shutil.which("espeak-ng"):
        return ok("espeak-ng", "speaks announcements that nobody has recorded")
    return warning(
        "espeak-ng",
        "is not installed; announcements that nobody has recorded stay silent",
        "apt-get install espeak-ng, or record them",
    )


def pin(package: str) -> str | None:
    """The one release of a package that our own extras ask for, None where they leave it open."""
    try:
        asked = requires("askfirst") or []
    except PackageNotFoundError:
        return None
    found = (re.match(rf"{re.escape(package)}==([^;\s]+)", each) for each in asked)
    return next((match[1] for match in found if match), None)


def _release(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _is_there(module: str) -> bool:
    return find_spec(module) is not None


def _newest_tables() -> str:
    """The newest revision of the tables, by the names of the files that make them."""
    made = resources.files("askfirst.server") / "migrations" / "versions"
    return max(each.name[:4] for each in made.iterdir() if re.match(r"\d{4}_", each.name))
