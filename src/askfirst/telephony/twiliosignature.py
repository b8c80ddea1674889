"""Signatures of Twilio's webhooks: made and checked over an address and a form, nothing else.

The signed text is the address as Twilio called it, query included, and then, for each name in
order, the name with each of its distinct values in order, nothing between them (Twilio, Webhooks
security). Its HMAC with the account's auth token in SHA-1, or with a key of its own in SHA-256,
stands in a header as base64. Whoever checks gives the address from the settings: what a proxy says
in headers is nobody's word.

The signed text has no separators, so that one signature fits forms which divide it otherwise. What
counts as the same request is therefore the signature itself (`Signed.mark`) and never the body.
"""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from urllib.parse import parse_qsl

from askfirst.errors import InvalidInput, Unverified

HEADER = "x-twilio-signature"
SETTINGS_HEADER = "x-twilio-webhooks-signature-settings"
BODY_HASH = "bodySHA256"
SHA256 = "HMAC_SHA256"
FORM = "application/x-www-form-urlencoded"
MOST_FIELDS = 200
"""Fields of one form, at most; Twilio sends some forty."""

_DEFAULT_PORTS = {"http": 80, "https": 443}
_ADDRESS = re.compile(
    r"(https?)://((?:[^/?#@]*@)?(?:\[[^]/?#]*\]|[^/?#:@]*))(:[0-9]+)?((?:[/?#].*)?)",
    re.IGNORECASE | re.DOTALL,
)
_SETTING = re.compile(r"\s*([a-z]+)\s*=\s*([A-Za-z0-9_-]{1,80})\s*")
_HEX = re.compile(r"[0-9A-Fa-f]{64}")

Fields = Iterable[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class SigningSecrets:
    """What an account's webhooks are signed with: its auth token, and keys by their ids.

    `keys` are there only where an operator has set them. `repr` shows neither.
    """

    token: str = field(repr=False)
    keys: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Signed:
    """A request whose signature holds. `mark` is the same for everything with that signature.

    `fields` are those of the form, without what was said twice alike.
    """

    fields: tuple[tuple[str, str], ...]
    mark: str

    def as_map(self) -> dict[str, str]:
        """The fields by name. Raises InvalidInput where one name has several values."""
        found = dict(self.fields)
        if len(found) != len(self.fields):
            raise InvalidInput("a field has several values; expected each name once")
        return found


def make(secret: str, url: str, fields: Fields = (), *, is_sha256: bool = False) -> str:
    """The signature of a request, as its header carries it: base64 of an HMAC."""
    text = _signed_text(url, fields).encode()
    made = hmac.digest(secret.encode(), text, "sha256" if is_sha256 else "sha1")
    return base64.b64encode(made).decode()


def with_body_hash(url: str, body: bytes) -> str:
    """The address that is called, and signed, for a body that is no form (JSON)."""
    added = f"{BODY_HASH}={sha256(body).hexdigest()}"
    return f"{url}{'&' if '?' in url else '?'}{added}"


def check(
    secrets: SigningSecrets,
    url: str,
    headers: Mapping[str, str],
    body: bytes = b"",
) -> Signed:
    """What a request says, once its signature is known to hold; `url` is from the settings.

    `headers` are found by their names in lower case. The body is a form, or bytes whose hash the
    query carries. Raises Unverified for a signature that is missing or wrong, or a body that it
    does not cover, InvalidInput for a form that cannot be read.
    """
    given = headers.get(HEADER, "")
    if not given:
        raise Unverified("found no signature; Twilio signs every request")
    is_form = headers.get("content-type", "").partition(";")[0].strip().lower() == FORM
    fields = tuple(dict.fromkeys(read_form(body))) if is_form else ()
    if body and not is_form:
        _ensure_body(url, body)
    key = _chosen_key(secrets, headers.get(SETTINGS_HEADER, ""))
    secret = secrets.token if key is None else key
    if not secret:
        raise Unverified("no secret is known to check this signature with; set the auth token")
    holds = False
    for each in variants(url):  # every one, so that the time taken does not say which it was
        wanted = make(secret, each, fields, is_sha256=key is not None)
        holds |= hmac.compare_digest(wanted.encode(), given.encode())
    if not holds:
        raise Unverified(
            "the signature does not hold for this address and these fields; check public_url and "
            "the auth token"
        )
    return Signed(fields, sha256(given.encode()).hexdigest())


def variants(url: str) -> Iterator[str]:
    """An address as it is and with its port said otherwise: without one, and with the default.

    Twilio's own libraries accept both, because it has signed either. Another port is not tried.
    """
    yield url
    found = _ADDRESS.fullmatch(url)
    if found is None:
        return
    scheme, host, port, rest = found.groups()
    other = f":{_DEFAULT_PORTS[scheme.lower()]}" if port is None else ""
    yield f"{scheme}://{host}{other}{rest}"


def read_form(body: bytes) -> list[tuple[str, str]]:
    """The fields of a form, empty values too. Raises InvalidInput for what is none."""
    try:
        return parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=MOST_FIELDS,
        )
    except ValueError as error:  # UnicodeError is one
        raise InvalidInput(
            f"found no form that can be read; expected at most {MOST_FIELDS} fields in UTF-8, "
            "percent-encoded"
        ) from error


def _signed_text(url: str, fields: Fields) -> str:
    return url + "".join(name + value for name, value in sorted(set(fields)))


def _ensure_body(url: str, body: bytes) -> None:
    """Raise Unverified unless the query carries the hash of a body."""
    query = url.partition("?")[2].split("&")
    stated = [each.partition("=")[2] for each in query if each.partition("=")[0] == BODY_HASH]
    if len(stated) != 1 or not _HEX.fullmatch(stated[0]):
        raise Unverified(f"the body is no form, and {BODY_HASH} in the query does not cover it")
    if not hmac.compare_digest(sha256(body).hexdigest(), stated[0].lower()):
        raise Unverified(f"the body is another than {BODY_HASH} in the query says")


def _chosen_key(secrets: SigningSecrets, settings: str) -> str | None:
    """The key that a header names, where an operator has set it; None: the auth token.

    Raises Unverified where it is to be used in a way that there is not.
    """
    if not secrets.keys or not settings:
        return None
    parts = (_SETTING.fullmatch(part) for part in settings.split(","))
    found = {match[1]: match[2] for match in parts if match is not None}
    secret = secrets.keys.get(found.get("key", ""))
    if secret is not None and found.get("algorithm") != SHA256:
        raise Unverified(f"found an unknown way of signing with a key; expected {SHA256}")
    return secret
