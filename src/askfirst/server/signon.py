"""Single sign-on as an operator states it: whom we ask who somebody is, and what we make of it.

How it is asked is in `oidc`. The client's secret is shown nowhere and goes to no other process.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from urllib.parse import urlsplit

from askfirst.server.access import UserRole

LONGEST_NAME = 40


@dataclass(frozen=True, slots=True)
class SignOn:
    """An OpenID Connect provider, and whom it lets in.

    `name` stands on the button. Only addresses of `domains` sign in, all where there are none.
    `makes_users` lets a first sign-in add an agent. `roles` gives the role of each value of
    `roles_claim`. `has_second_factor` says that the provider asks for one, so that we do not.
    """

    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    name: str = "SSO"
    domains: tuple[str, ...] = ()
    makes_users: bool = False
    roles_claim: str | None = None
    roles: Mapping[str, UserRole] = field(default_factory=dict)
    has_second_factor: bool = False


def read(value: object) -> SignOn:
    """The table ``[oidc]``; ``client_secret_file`` names a file whose first line is the secret.

    Raises ValueError saying what was expected; it never quotes the secret.
    """
    if not isinstance(value, Mapping):
        raise ValueError("a table [oidc] in the settings file")
    stated = dict(value)
    file = stated.pop("client_secret_file", None)
    known = {each.name for each in fields(SignOn)}
    if unknown := sorted(set(stated) - known):
        wanted = ", ".join(sorted(known | {"client_secret_file"}))
        raise ValueError(f"keys of {wanted}; not {unknown[0]}")
    if file is not None:
        stated["client_secret"] = _first_line(file)
    domains = _domains(stated.get("domains", ()))
    makes_users = _flag("makes_users", stated.get("makes_users", False))
    if makes_users and not domains:
        raise ValueError("domains with makes_users: whose addresses may be added")
    roles = _roles(stated.get("roles", {}))
    claim = _text("roles_claim", stated["roles_claim"]) if "roles_claim" in stated else None
    if bool(roles) != (claim is not None):
        raise ValueError("roles and roles_claim together")
    name = _text("name", stated.get("name", "SSO"))
    if len(name) > LONGEST_NAME:
        raise ValueError(f"a name of at most {LONGEST_NAME} characters")
    return SignOn(
        issuer=_issuer(stated.get("issuer")),
        client_id=_text("client_id", stated.get("client_id")),
        client_secret=_text("client_secret", stated.get("client_secret")),
        name=name,
        domains=domains,
        makes_users=makes_users,
        roles_claim=claim,
        roles=roles,
        has_second_factor=_flag("has_second_factor", stated.get("has_second_factor", False)),
    )


def _first_line(file: object) -> str:
    try:
        lines = Path(_text("client_secret_file", file)).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError("a client_secret_file that can be read") from error
    return lines[0].strip() if lines else ""


def _text(key: str, value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{key} as text")
    return value.strip()


def _issuer(value: object) -> str:
    issuer = _text("issuer", value)
    parts = urlsplit(issuer)
    is_local = parts.hostname in ("localhost", "127.0.0.1", "::1")
    if not parts.netloc or parts.query or parts.fragment:
        raise ValueError("issuer as an address such as https://login.example")
    if parts.scheme != "https" and not (parts.scheme == "http" and is_local):
        raise ValueError("issuer with https")
    return issuer


def _flag(key: str, value: object) -> bool:
    words = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    if isinstance(value, str) and value.lower() in words:
        return words[value.lower()]
    if not isinstance(value, bool):
        raise ValueError(f"{key} true or false")
    return value


def _domains(value: object) -> tuple[str, ...]:
    given = value.split(",") if isinstance(value, str) else value
    if not isinstance(given, list | tuple):
        raise ValueError("domains as a list")
    found = tuple(_text("domains", each).lower().removeprefix("@") for each in given)
    if any("." not in each or "@" in each for each in found):
        raise ValueError("domains such as example.org")
    return found


def _roles(value: object) -> dict[str, UserRole]:
    if not isinstance(value, Mapping):
        raise ValueError("roles as a table of values and roles")
    try:
        return {_text("roles", key): UserRole(str(role)) for key, role in value.items()}
    except ValueError as error:
        raise ValueError(f"roles of {', '.join(UserRole)}") from error
