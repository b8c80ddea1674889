"""Asking a provider who somebody is: OpenID Connect Core 1.0, code flow with PKCE (RFC 7636).

Everything that comes back is checked: state, signature, issuer, audience, times and nonce. Whom the
answer lets in is decided by `signonpeople`.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import httpx2
from authlib.integrations.base_client import OAuthError  # type: ignore[import-untyped]
from authlib.integrations.httpx_client import OAuth2Client  # type: ignore[import-untyped]
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from askfirst.errors import Unavailable, Unverified
from askfirst.server.signon import SignOn

TIMEOUT_SECONDS = 10.0
LEEWAY_SECONDS = 60
"""How wrong the clocks of the provider and of us may be."""

ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA"]
"""Signatures of identity tokens; nothing symmetric, and never none."""

SCOPE = "openid email profile"


@dataclass(frozen=True, slots=True)
class Begun:
    """A way to the provider: the address to send a browser to, and what must come back."""

    address: str
    state: str
    nonce: str
    verifier: str


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a provider says somebody is. `email` is None unless the provider has verified it."""

    issuer: str
    subject: str
    email: str | None
    name: str
    claims: Mapping[str, object] = field(repr=False)


def begin(wants: SignOn, back: str) -> Begun:
    """Begin to ask; the browser comes back to the address `back`. Raises Unavailable."""
    state, nonce, verifier = (secrets.token_urlsafe(48) for _ in range(3))
    with _client(wants, back) as client:
        metadata = _metadata(wants, client)
        address, _ = client.create_authorization_url(
            _endpoint(metadata, "authorization_endpoint"),
            state=state,
            nonce=nonce,
            code_verifier=verifier,
        )
    return Begun(address, state, nonce, verifier)


def finish(
    wants: SignOn, begun: Mapping[str, str], back: str, given: Mapping[str, str], now: datetime
) -> Identity:
    """Who came back. `begun` has state, nonce and verifier, `given` is the query that came.

    Raises Unverified where anything does not hold, Unavailable where the provider does not answer.
    """
    if not hmac.compare_digest(given.get("state", "").encode(), begun["state"].encode()):
        raise Unverified("found another state than the one that was sent; begin again")
    if "iss" in given and given["iss"] != wants.issuer:
        raise Unverified("found the answer of another provider (RFC 9207); begin again")
    if not given.get("code"):
        raise Unverified("the provider gave no code; begin again, or ask who runs it")
    with _client(wants, back) as client:
        metadata = _metadata(wants, client)
        try:
            token = client.fetch_token(
                _endpoint(metadata, "token_endpoint"),
                grant_type="authorization_code",
                code=given["code"],
                code_verifier=begun["verifier"],
            )
        except OAuthError as error:
            raise Unverified("the provider did not take its code back; begin again") from error
        keys = _json(client, _endpoint(metadata, "jwks_uri"))
        claims = _claims(wants, token.get("id_token"), keys, begun["nonce"], now)
        if "email" not in claims and "userinfo_endpoint" in metadata:
            claims = {**_more(client, metadata, claims), **claims}
    return _identity(wants, claims)


@contextmanager
def _client(wants: SignOn, back: str) -> Iterator[Any]:
    try:
        with OAuth2Client(
            wants.client_id,
            wants.client_secret,
            scope=SCOPE,
            redirect_uri=back,
            code_challenge_method="S256",
            timeout=TIMEOUT_SECONDS,
            follow_redirects=False,
            trust_env=False,
        ) as client:
            yield client
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise Unavailable(
            "the provider of single sign-on does not answer; try again, or sign in another way"
        ) from error


def _metadata(wants: SignOn, client: Any) -> Mapping[str, Any]:
    """What the provider says of itself (OpenID Connect Discovery 1.0, section 4)."""
    found = _json(client, f"{wants.issuer.rstrip('/')}/.well-known/openid-configuration")
    if found.get("issuer") != wants.issuer:
        raise Unavailable(
            "the provider of single sign-on calls itself by another name than the settings do; "
            "mend issuer in the settings"
        )
    return found


def _endpoint(metadata: Mapping[str, Any], name: str) -> str:
    found = metadata.get(name)
    if not isinstance(found, str) or not found.startswith(("https://", "http://")):
        raise Unavailable(f"the provider of single sign-on names no {name}; ask who runs it")
    return found


def _json(client: Any, address: str) -> dict[str, Any]:
    answer = client.request("GET", address, withhold_token=True)
    try:
        found = answer.json() if answer.status_code == 200 else None
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise Unavailable(
            "the provider of single sign-on does not answer; try again, or sign in another way"
        )
    return found


def _claims(
    wants: SignOn, token: object, keys: dict[str, Any], nonce: str, now: datetime
) -> dict[str, Any]:
    """What a token says, if it is the provider's, for us, of now and of this way (3.1.3.7)."""
    expected = jwt.JWTClaimsRegistry(
        now=int(now.timestamp()),
        leeway=LEEWAY_SECONDS,
        iss={"essential": True, "value": wants.issuer},
        aud={"essential": True, "value": wants.client_id},
        sub={"essential": True},
        exp={"essential": True},
        iat={"essential": True},
        nonce={"essential": True, "value": nonce},
    )
    try:
        found = jwt.decode(str(token), KeySet.import_key_set(keys), algorithms=ALGORITHMS)  # type: ignore[arg-type]  # a document of the provider's
        expected.validate(found.claims)
    except (JoseError, ValueError, KeyError, TypeError) as error:
        raise Unverified("the identity token of the provider does not hold; begin again") from error
    claims = found.claims
    if claims.get("azp", wants.client_id) != wants.client_id:
        raise Unverified("the identity token is for somebody else; begin again")
    return dict(claims)


def _more(client: Any, metadata: Mapping[str, Any], claims: Mapping[str, Any]) -> dict[str, Any]:
    """What the provider says of the same person besides the token (section 5.3)."""
    answer = client.get(_endpoint(metadata, "userinfo_endpoint"))
    try:
        found = answer.json() if answer.status_code == 200 else {}
    except ValueError:
        found = {}
    if not isinstance(found, dict) or found.get("sub") != claims["sub"]:
        return {}
    return found


def _identity(wants: SignOn, claims: Mapping[str, Any]) -> Identity:
    subject, email = claims["sub"], claims.get("email")
    if not isinstance(subject, str) or not 1 <= len(subject) <= 255:
        raise Unverified("found no subject in the identity token; ask who runs the provider")
    is_verified = claims.get("email_verified") is True and isinstance(email, str)
    name = claims.get("name")
    return Identity(
        issuer=wants.issuer,
        subject=subject,
        email=str(email).strip().lower() if is_verified else None,
        name=name if isinstance(name, str) else "",
        claims=claims,
    )
