"""How this program runs: one frozen value from a file, the environment and flags, checked whole.

`askfirst.toml` first, then ``ASKFIRST_…``, then flags; what comes later wins. What an account wants
(recording, purposes, periods) is no concern of this module: that is `server.account`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from urllib.parse import urlsplit

from askfirst.errors import InvalidInput, Misconfigured
from askfirst.server import signon
from askfirst.server.checkpointsettings import CheckpointSettings
from askfirst.server.openbao import Transit
from askfirst.server.signon import SignOn
from askfirst.telephony.siptrunk import Trunk

FILE = "askfirst.toml"
PREFIX = "ASKFIRST_"
ROLES = ("web", "worker", "media")


SECRET = ("sip", "openbao", "checkpoints", "oidc", "search_database")
"""Settings that may hold passwords; no message shows them."""

_OF_THE_PAGES = ("sources", "checkpoints", "oidc", "search_database")


@dataclass(frozen=True, slots=True)
class Settings:
    """Where to listen, what to keep things in, and how browsers reach us.

    `public_url` is the address that people type, when a proxy stands before us; it decides the
    cookie's name and what counts as our own origin. `tls_cert` and `tls_key` are PEM files;
    `self_signed` makes a pair for a trial. `model` is what hears recordings, a fetched model or a
    folder (`server.models`). `public_checker` lets people ask about numbers without
    signing in. `open_metrics` shows the counts of ``/metrics`` to other machines, too. `sip` is the
    telephone exchange for calls out of the house, stated in the file alone; so is `openbao`, where
    the keys of a new installation are wrapped, and to where ``askfirst keys move`` moves them.
    `media_workers` are the processes that carry calls, 0 for this one itself, and
    `calls_per_worker` how many each takes at one time. A program that is asked to end lets calls
    go on for `drain_seconds`. `checkpoints` is where each day's checkpoint goes, stated in the
    file alone, and `oidc` whom we ask who somebody is. A session ends after `session_hours`, and
    earlier when nobody has done anything for `idle_minutes`, or for
    `listener_idle_minutes` where they may hear recordings of others. `search_database` is the
    address of a PostgreSQL with the search index, which is a file otherwise. `sources` says where
    each value came from.
    """

    host: str = "127.0.0.1"
    port: int = 8470
    data: Path = Path("askfirst-data")
    public_url: str | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    self_signed: bool = False
    model: str | None = None
    public_checker: bool = True
    session_hours: int = 12
    idle_minutes: int = 120
    listener_idle_minutes: int = 30
    oidc: SignOn | None = None
    roles: tuple[str, ...] = ROLES
    open_metrics: bool = False
    sip: Trunk | None = None
    openbao: Transit | None = None
    media_workers: int = 0
    calls_per_worker: int = 16
    drain_seconds: int = 0
    checkpoints: CheckpointSettings = field(default_factory=CheckpointSettings)
    search_database: str | None = field(default=None, repr=False)
    sources: Mapping[str, str] = field(default_factory=dict, compare=False)

    @property
    def is_tls(self) -> bool:
        """Whether we speak TLS ourselves."""
        return self.tls_cert is not None or self.self_signed

    @property
    def origin(self) -> str:
        """The origin that browsers see, such as ``https://phone.example``."""
        if self.public_url is not None:
            parts = urlsplit(self.public_url)
            return f"{parts.scheme}://{parts.netloc}"
        scheme = "https" if self.is_tls else "http"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{scheme}://{host}:{self.port}"

    @property
    def is_secure(self) -> bool:
        """Whether browsers reach us by https."""
        return self.origin.startswith("https:")

    def to_json(self) -> dict[str, object]:
        """What `from_json` reads; with passwords, for the pipe to our own processes only.

        Without what only pages and jobs need: those processes have none.
        """
        told: dict[str, object] = {}
        for each in fields(self):
            value = getattr(self, each.name)
            if value is not None and each.name not in _OF_THE_PAGES:
                told[each.name] = str(value) if isinstance(value, Path) else value
        for name, table in (("sip", self.sip), ("openbao", self.openbao)):
            if table is not None:
                told[name] = table.to_json()
        return told

    @classmethod
    def from_json(cls, told: Mapping[str, object]) -> Settings:
        """The settings of `to_json`. Raises Misconfigured."""
        return read_settings(None, {}, told)


def read_settings(
    file: Path | None, environment: Mapping[str, str], flags: Mapping[str, object]
) -> Settings:
    """The settings, checked whole. A missing `file` is an empty one; a flag None is not given.

    Raises Misconfigured naming every value that cannot be used, where it stands, and what would do.
    """
    stated: dict[str, tuple[object, str]] = {}
    for key, value in _of_file(file).items():
        stated[key] = value, str(file)
    for name, text in environment.items():
        if name.startswith(f"{PREFIX}OIDC_"):
            stated["oidc"] = _with(stated.get("oidc"), name, text)
        elif name.startswith(PREFIX):
            stated[name.removeprefix(PREFIX).lower()] = text, f"the environment ({name})"
    for key, value in flags.items():
        if value is not None:
            stated[key] = value, f"the command line (--{key.replace('_', '-')})"
    faults: list[str] = []
    values: dict[str, object] = {}
    for key, (value, where) in stated.items():
        if key not in _READERS:
            faults.append(f"{key} in {where} is no setting; known: {', '.join(sorted(_READERS))}")
            continue
        try:
            values[key] = _READERS[key](value)
        except ValueError as error:
            shown = "what it is" if key in SECRET else repr(value)  # it may hold a password
            faults.append(f"{key} in {where} is {shown}; expected {error}")
    if not faults:
        faults += _contradictions(values)
    if faults:
        raise Misconfigured("; ".join(faults))
    sources = {each.name: "default" for each in fields(Settings) if each.name != "sources"}
    sources |= {key: where for key, (_, where) in stated.items()}
    return Settings(**values, sources=sources)  # type: ignore[arg-type]  # readers give the types


def _with(stated: tuple[object, str] | None, name: str, text: str) -> tuple[object, str]:
    """The table ``[oidc]`` with one more key, which the environment gives."""
    table = stated[0] if stated is not None and isinstance(stated[0], Mapping) else {}
    key = name.removeprefix(f"{PREFIX}OIDC_").lower()
    return {**table, key: text}, f"the environment ({name})"


def _of_file(file: Path | None) -> Mapping[str, object]:
    if file is None or not file.is_file():
        return {}
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise Misconfigured(
            f"the settings {file} cannot be read ({error}); mend the file"
        ) from error


def _contradictions(values: Mapping[str, object]) -> list[str]:
    faults = []
    if (values.get("tls_cert") is None) != (values.get("tls_key") is None):
        faults.append("tls_cert and tls_key belong together; give both or neither")
    if values.get("self_signed") and values.get("tls_cert") is not None:
        faults.append("self_signed and tls_cert exclude each other; give one")
    roles = values.get("roles", ROLES)
    if isinstance(roles, tuple) and "media" in roles and "web" not in roles:
        faults.append(
            "roles: found media without web; calls are placed by the pages and the interface of "
            "the process that carries them, so give web,media"
        )
    if values.get("media_workers") and isinstance(roles, tuple) and "media" not in roles:
        faults.append(
            "roles: found media_workers without the role media; give the role, or leave them out"
        )
    return faults


def _text(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("text")
    return value.strip()


def _path(value: object) -> Path:
    return value if isinstance(value, Path) else Path(_text(value))


def _number(low: int, high: int) -> Callable[[object], int]:
    def read(value: object) -> int:
        wanted = f"a whole number from {low} to {high}"
        if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 9:
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise ValueError(wanted)
        return value

    return read


def _flag(value: object) -> bool:
    words = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    if isinstance(value, str) and value.lower() in words:
        return words[value.lower()]
    if not isinstance(value, bool):
        raise ValueError("true or false")
    return value


def _address(value: object) -> str:
    parts = urlsplit(_text(value))
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.path.strip("/"):
        raise ValueError("an address such as https://phone.example, without a path")
    return f"{parts.scheme}://{parts.netloc}"


def _roles(value: object) -> tuple[str, ...]:
    words = value.split(",") if isinstance(value, str) else value
    if not isinstance(words, list | tuple) or not words or not set(words) <= set(ROLES):
        raise ValueError(f"one or more of {', '.join(ROLES)}")
    return tuple(role for role in ROLES if role in words)


def _trunk(value: object) -> Trunk:
    """The table `sip`; `password_file` names a file whose first line is the password."""
    if not isinstance(value, Mapping):
        raise ValueError("a table [sip] in the settings file")
    stated = dict(value)
    file = stated.pop("password_file", None)
    known = {each.name for each in fields(Trunk)}
    if unknown := sorted(set(stated) - known):
        raise ValueError(f"of {', '.join(sorted(known | {'password_file'}))}; not {unknown[0]}")
    try:
        if file is not None:
            lines = _path(file).read_text(encoding="utf-8").splitlines()
            stated["password"] = lines[0].strip() if lines else ""
        return Trunk.from_json(stated)
    except (OSError, TypeError, InvalidInput) as error:
        raise ValueError(f"a trunk that can be used: {error}") from error


def _transit(value: object) -> Transit:
    """The table `openbao`; its token is in the environment or in the file that it names."""
    if not isinstance(value, Mapping):
        raise ValueError("a table [openbao] in the settings file")
    try:
        return Transit.from_json(value)
    except Misconfigured as error:
        raise ValueError(f"a place that can be used: {error}") from error


def _checkpoints(value: object) -> CheckpointSettings:
    if not isinstance(value, Mapping):
        raise ValueError("a table [checkpoints] in the settings file")
    try:
        return CheckpointSettings.parse(value)
    except (OSError, UnicodeError, InvalidInput) as error:
        raise ValueError(f"places for checkpoints that can be used: {error}") from error


_READERS: Mapping[str, Callable[[object], object]] = {
    "host": _text,
    "port": _number(1, 65_535),
    "data": _path,
    "public_url": _address,
    "tls_cert": _path,
    "tls_key": _path,
    "self_signed": _flag,
    "model": _text,
    "public_checker": _flag,
    "session_hours": _number(1, 720),
    "idle_minutes": _number(5, 43_200),
    "listener_idle_minutes": _number(5, 43_200),
    "oidc": signon.read,
    "roles": _roles,
    "open_metrics": _flag,
    "sip": _trunk,
    "openbao": _transit,
    "media_workers": _number(0, 64),
    "calls_per_worker": _number(1, 500),
    "drain_seconds": _number(0, 86_400),
    "checkpoints": _checkpoints,
    "search_database": _text,
}
