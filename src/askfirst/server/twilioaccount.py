"""The account at Twilio: its ids, and its secrets, sealed under a key of the key store.

Each set of credentials is a row that never changes, and the setting ``twilio`` names the one in
force, so that exchanging credentials is guarded, and written down, as any other guarded setting is:
by its id. Secrets of rows that nothing names any more are wiped, but for those that calls which go
on began under (`twilioexchange`). Nothing here shows or logs one.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from askfirst.errors import InvalidRequest, KeyUnreadable
from askfirst.server import twilioexchange
from askfirst.server.accounttables import settings
from askfirst.server.approvals import open_proposals
from askfirst.server.ids import new_id
from askfirst.server.keys import KeyStore
from askfirst.server.twiliotables import twilio_accounts
from askfirst.telephony.twiliosignature import SigningSecrets

SETTING = "twilio"
"""The account's setting that names the credentials in force."""

REGIONS = ("us1", "ie1", "au1")
"""Twilio's regions; without one it is us1."""

SCOPE = "twilio-account"
"""Of the salt in the key store under which the secrets are sealed."""

_NONCE_BYTES = 12
_ACCOUNT = re.compile(r"AC[0-9a-f]{32}")
_API_KEY = re.compile(r"SK[0-9a-f]{32}")
_KEY_NAME = re.compile(r"[A-Za-z0-9_-]{1,80}")
_NUMBER = re.compile(r"\+[1-9][0-9]{6,14}")
_SECRET = re.compile(r"[!-~]{16,128}")


@dataclass(frozen=True, slots=True)
class TwilioAccount:
    """Credentials at Twilio. `repr` shows ids only.

    `auth_token` signs webhooks; requests of ours are signed in with `api_key` and its secret where
    there is one, else with the token. `signing_key` names a key of its own for webhooks. `region`
    None is Twilio's own choice. `sender` is the number (E.164) that calls show, None until chosen.
    """

    id: str
    account_sid: str
    auth_token: str = field(repr=False)
    api_key: str | None = None
    api_secret: str = field(default="", repr=False)
    signing_key: str | None = None
    signing_secret: str = field(default="", repr=False)
    region: str | None = None
    sender: str | None = None

    @property
    def login(self) -> tuple[str, str]:
        """User and password of requests to Twilio."""
        if self.api_key is not None:
            return self.api_key, self.api_secret
        return self.account_sid, self.auth_token

    @property
    def signing(self) -> SigningSecrets:
        """What its webhooks are signed with."""
        keys = {} if self.signing_key is None else {self.signing_key: self.signing_secret}
        return SigningSecrets(self.auth_token, keys)


def read(given: Mapping[str, str]) -> TwilioAccount:
    """Credentials as somebody typed them, with an id of their own.

    Keys: `account_sid`, `auth_token`, `api_key`, `api_secret`, `signing_key`, `signing_secret`,
    `region`, `sender`. Raises InvalidRequest, whose `key` is the field; no message shows what was
    typed.
    """
    typed = {key: value.strip() for key, value in given.items()}
    api_key, signing_key = typed.get("api_key") or None, typed.get("signing_key") or None
    region = typed.get("region") or None
    _ensure(_ACCOUNT, typed, "account_sid", "an account SID: AC and 32 digits or letters a to f")
    _ensure(_SECRET, typed, "auth_token", "the account's auth token")
    if api_key is not None:
        _ensure(_API_KEY, typed, "api_key", "the SID of an API key: SK and 32 digits or a to f")
        _ensure(_SECRET, typed, "api_secret", "the secret of the API key")
    elif typed.get("api_secret"):
        raise InvalidRequest("found a secret without its API key; give both", key="api_key")
    if signing_key is not None:
        _ensure(_KEY_NAME, typed, "signing_key", "the name of the key that signs webhooks")
        _ensure(_SECRET, typed, "signing_secret", "the secret of the key that signs webhooks")
    elif typed.get("signing_secret"):
        raise InvalidRequest("found a secret without its key; give both", key="signing_key")
    sender = typed.get("sender") or None
    if sender is not None and not _NUMBER.fullmatch(sender):
        raise InvalidRequest("found no number; expected + and 7 to 15 digits", key="sender")
    if region is not None and region not in REGIONS:
        raise InvalidRequest(f"found no region; expected {', '.join(REGIONS)}", key="region")
    return TwilioAccount(
        id=new_id("twa"),
        account_sid=typed["account_sid"],
        auth_token=typed["auth_token"],
        api_key=api_key,
        api_secret=typed.get("api_secret", ""),
        signing_key=signing_key,
        signing_secret=typed.get("signing_secret", ""),
        region=region,
        sender=sender,
    )


def keep(
    connection: sa.Connection, keys: KeyStore, made: TwilioAccount, by: str, at: datetime
) -> None:
    """Keep credentials, not yet in force; secrets of those that nothing names are wiped."""
    wipe(connection, at)
    connection.execute(
        twilio_accounts.insert().values(
            id=made.id,
            account_sid=made.account_sid,
            api_key=made.api_key,
            signing_key=made.signing_key,
            region=made.region,
            sender=made.sender,
            sealed=_sealed(keys, made),
            made_by=by,
            made_at=at,
        )
    )


def wipe(connection: sa.Connection, now: datetime) -> None:
    """Wipe the secrets of credentials that are not in force, that no open proposal names and under
    which no call goes on."""
    exchanged = twilioexchange.kept(connection, now)
    named = {identity(connection), None if exchanged is None else exchanged.id}
    named |= {str(each.after.get(SETTING)) for each in open_proposals(connection)}
    table = twilio_accounts
    connection.execute(
        table.update()
        .where(table.c.id.not_in([each for each in named if each]), table.c.sealed.is_not(None))
        .values(sealed=None)
    )


def wipe_exchanged(connection: sa.Connection, now: datetime) -> None:
    """Wipe the secrets of credentials that went out of force, once no call under them goes on."""
    exchanged, table = twilioexchange.kept(connection, now), twilio_accounts
    named = {identity(connection), None if exchanged is None else exchanged.id}
    connection.execute(
        table.update()
        .where(table.c.ended_at.is_not(None), table.c.sealed.is_not(None))
        .where(table.c.id.not_in([each for each in named if each]))
        .values(sealed=None)
    )


def identity(connection: sa.Connection) -> str | None:
    """The id of the credentials in force."""
    found = connection.execute(
        sa.select(settings.c.value).where(settings.c.key == SETTING)
    ).scalar()
    return None if found is None else str(found)


def in_force(connection: sa.Connection, keys: KeyStore) -> TwilioAccount | None:
    """The credentials in force, with their secrets; None where there are none.

    Raises KeyUnreadable where the key store does not fit.
    """
    named = identity(connection)
    return None if named is None else _read(connection, keys, named)


def earlier(
    connection: sa.Connection, keys: KeyStore, call_sid: str, now: datetime
) -> TwilioAccount | None:
    """The credentials from before, where a call goes on that began under them; else None.

    Raises KeyUnreadable where the key store does not fit.
    """
    found = twilioexchange.kept(connection, now)
    if found is None or not twilioexchange.goes_on(connection, found, call_sid):
        return None
    return _read(connection, keys, found.id)


def _read(connection: sa.Connection, keys: KeyStore, which: str) -> TwilioAccount | None:
    query = sa.select(twilio_accounts).where(twilio_accounts.c.id == which)
    row = connection.execute(query).one_or_none()
    if row is None or row.sealed is None:
        return None
    return TwilioAccount(
        id=row.id,
        account_sid=row.account_sid,
        api_key=row.api_key,
        signing_key=row.signing_key,
        region=row.region,
        sender=row.sender,
        **opened(keys.salt(SCOPE), row.id, row.sealed),
    )


def opened(salt: bytes, which: str, sealed: bytes) -> dict[str, str]:
    """The secrets of credentials by their fields. Raises KeyUnreadable for another salt."""
    nonce, text = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
    try:
        found: dict[str, str] = json.loads(AESGCM(salt).decrypt(nonce, text, which.encode()))
    except InvalidTag as error:
        raise KeyUnreadable(
            "the credentials of Twilio cannot be opened with this key store: restore both from the "
            "same backup, or type them in again under Settings, Providers"
        ) from error
    return found


@dataclass(frozen=True, slots=True)
class Shown:
    """What may be shown of credentials: ids, and what the newest check found, in codes."""

    id: str
    account_sid: str
    api_key: str | None
    signing_key: str | None
    region: str | None
    sender: str | None
    checks: Mapping[str, Any]
    checked_at: datetime | None


def shown(connection: sa.Connection) -> Shown | None:
    """The credentials in force, without any secret."""
    query = sa.select(twilio_accounts).where(twilio_accounts.c.id == identity(connection))
    row = connection.execute(query).one_or_none()
    if row is None:
        return None
    return Shown(
        row.id,
        row.account_sid,
        row.api_key,
        row.signing_key,
        row.region,
        row.sender,
        row.checks or {},
        row.checked_at,
    )


def keep_checks(
    connection: sa.Connection, which: str, found: Mapping[str, Any], at: datetime
) -> None:
    """Keep what a check of credentials found, in place of the one before."""
    connection.execute(
        twilio_accounts.update()
        .where(twilio_accounts.c.id == which)
        .values(checks=dict(found), checked_at=at)
    )


def _sealed(keys: KeyStore, made: TwilioAccount) -> bytes:
    nonce = secrets.token_bytes(_NONCE_BYTES)
    held = {
        "auth_token": made.auth_token,
        "api_secret": made.api_secret,
        "signing_secret": made.signing_secret,
    }
    text = json.dumps(held).encode()
    return nonce + AESGCM(keys.salt(SCOPE)).encrypt(nonce, text, made.id.encode())


def _ensure(form: re.Pattern[str], typed: Mapping[str, str], key: str, expected: str) -> None:
    if not form.fullmatch(typed.get(key, "")):
        raise InvalidRequest(f"found no such thing in {key}; expected {expected}", key=key)
