"""Passkeys (WebAuthn level 2): a key in a phone, a computer or a stick that proves who somebody is.

The authenticator checks its person itself (a finger, a face, a PIN), so that a passkey counts as
both factors. Passkeys belong to a host name: of an installation that is reached by an IP address
there are none. The database has public keys only. Every function works inside the caller's
transaction and takes the time as an argument.
"""

from __future__ import annotations

import ipaddress
import json
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

import sqlalchemy as sa
import webauthn
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from askfirst.errors import InvalidInput, InvalidRequest, NotFound, Refused, Unverified
from askfirst.server.accounts import User
from askfirst.server.ids import new_id
from askfirst.server.signintables import passkeys

LONGEST_NAME = 80
MOST = 20
LONGEST_ANSWER = 20_000
"""Characters of what a browser sends; more is none of its answers."""

_PRESENT = UserVerificationRequirement.REQUIRED


@dataclass(frozen=True, slots=True)
class Passkey:
    """What is known of a passkey; the key itself never leaves its authenticator."""

    id: str
    name: str
    created_at: datetime
    used_at: datetime | None


@dataclass(frozen=True, slots=True)
class Place:
    """Where passkeys are good for: the origin of our pages and the name that they belong to."""

    origin: str
    name: str


def place(origin: str) -> Place | None:
    """Where an installation's passkeys are good for; None where a browser makes none.

    Browsers want a host name, and https except on localhost.
    """
    parts = urlsplit(origin)
    host = parts.hostname or ""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        is_local = host == "localhost" or host.endswith(".localhost")
        return Place(origin, host) if parts.scheme == "https" or is_local else None
    return None


def ask_new(connection: sa.Connection, where: Place, user: User) -> tuple[str, str]:
    """What a browser is asked to make a passkey with, as JSON, and the challenge in it.

    Raises Refused for a person who has `MOST` of them.
    """
    known = connection.execute(sa.select(passkeys.c.credential).filter_by(user=user.id)).scalars()
    have = [PublicKeyCredentialDescriptor(id=each) for each in known]
    if len(have) >= MOST:
        raise Refused(f"found {MOST} passkeys of yours; remove one that is not used")
    options = webauthn.generate_registration_options(
        rp_id=where.name,
        rp_name="askfirst",
        user_id=user.id.encode(),
        user_name=user.email,
        user_display_name=user.name,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED, user_verification=_PRESENT
        ),
        exclude_credentials=have,
    )
    return webauthn.options_to_json(options), bytes_to_base64url(options.challenge)


def add(
    connection: sa.Connection,
    where: Place,
    user: str,
    challenge: str,
    answer: str,
    name: str,
    now: datetime,
) -> Passkey:
    """Keep the passkey that a browser made for a challenge.

    Raises InvalidRequest for a name that is empty or over 80 characters, Unverified for an answer
    that does not hold, and Refused for a passkey that is known already.
    """
    name = _name(name)
    try:
        made = webauthn.verify_registration_response(
            credential=_document(answer),
            expected_challenge=base64url_to_bytes(challenge),
            expected_rp_id=where.name,
            expected_origin=where.origin,
            require_user_verification=True,
        )
    except WebAuthnException as error:
        raise Unverified(
            "the answer of this device does not hold; try again, or take another one"
        ) from error
    taken = sa.select(passkeys.c.id).filter_by(credential=made.credential_id)
    if connection.execute(taken).first() is not None:
        raise Refused("this passkey is known already; sign in with it")
    kept = Passkey(new_id("pkey"), name, now, None)
    connection.execute(
        passkeys.insert().values(
            id=kept.id,
            credential=made.credential_id,
            user=user,
            public_key=made.credential_public_key,
            sign_count=made.sign_count,
            name=name,
            created_at=now,
        )
    )
    return kept


def ask(where: Place) -> tuple[str, str]:
    """What a browser is asked to sign somebody in with, as JSON, and the challenge in it.

    No passkey is named: the browser shows its person those that it has, and we tell nobody which
    ones there are.
    """
    options = webauthn.generate_authentication_options(rp_id=where.name, user_verification=_PRESENT)
    return webauthn.options_to_json(options), bytes_to_base64url(options.challenge)


def holder(
    connection: sa.Connection, where: Place, challenge: str, answer: str, now: datetime
) -> str | None:
    """Whose passkey answered a challenge; None for an answer that does not hold, for any reason.

    A counter that did not go on tells of a copy, and such an answer does not hold.
    """
    try:
        document = _document(answer)
        credential = base64url_to_bytes(str(document.get("id", "")))
        row = connection.execute(sa.select(passkeys).filter_by(credential=credential)).one_or_none()
        if row is None:
            return None
        found = webauthn.verify_authentication_response(
            credential=document,
            expected_challenge=base64url_to_bytes(challenge),
            expected_rp_id=where.name,
            expected_origin=where.origin,
            credential_public_key=row.public_key,
            credential_current_sign_count=row.sign_count,
            require_user_verification=True,
        )
    except (WebAuthnException, InvalidInput, ValueError):
        return None
    changed = connection.execute(
        passkeys.update()
        .where(passkeys.c.id == row.id, passkeys.c.sign_count == row.sign_count)
        .values(sign_count=found.new_sign_count, used_at=now)
    )
    user: str = row.user
    return user if changed.rowcount else None


def of_user(connection: sa.Connection, user: str) -> list[Passkey]:
    """A person's passkeys, the oldest first."""
    rows = connection.execute(
        sa.select(passkeys).filter_by(user=user).order_by(passkeys.c.created_at, passkeys.c.id)
    )
    return [Passkey(row.id, row.name, row.created_at, row.used_at) for row in rows]


def ensure_own(connection: sa.Connection, user: str, identity: str) -> None:
    """Raise NotFound for a passkey that there is not, or that is somebody else's."""
    its = (passkeys.c.id == identity) & (passkeys.c.user == user)
    if connection.execute(sa.select(passkeys.c.id).where(its)).first() is None:
        raise NotFound("none of your passkeys has this id")


def rename(connection: sa.Connection, user: str, identity: str, name: str) -> None:
    """Give a person's passkey another name; raises InvalidRequest as `add`, and NotFound."""
    ensure_own(connection, user, identity)
    its = passkeys.c.id == identity
    connection.execute(passkeys.update().where(its).values(name=_name(name)))


def remove(connection: sa.Connection, user: str, identity: str) -> None:
    """Let a person's passkey open nothing any more; raises NotFound for one of somebody else."""
    ensure_own(connection, user, identity)
    connection.execute(passkeys.delete().where(passkeys.c.id == identity))


def remove_all(connection: sa.Connection, user: str) -> int:
    """Let none of a person's passkeys open anything; says how many there were."""
    return connection.execute(passkeys.delete().where(passkeys.c.user == user)).rowcount


def _name(name: str) -> str:
    name = " ".join(name.split())
    if not name or len(name) > LONGEST_NAME:
        raise InvalidRequest(
            f"found a name of {len(name)} characters; expected 1 to {LONGEST_NAME}", key="name"
        )
    return name


def _document(answer: str) -> dict[str, object]:
    try:
        found = json.loads(answer) if len(answer) <= LONGEST_ANSWER else None
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise InvalidInput("found no answer of a browser; expected one as JSON")
    return found
