"""Tokens over HTTP: whoever is signed in makes, lists and revokes the own ones.

In person only: a program cannot make itself another token with its token.
"""

from __future__ import annotations

from datetime import timedelta

from fastapi import APIRouter

from askfirst.ledger import timestamp
from askfirst.server import tokens
from askfirst.server.clock import utc_now
from askfirst.server.database import reading, transaction
from askfirst.web.bodies import Body
from askfirst.web.visit import InPerson

router = APIRouter(tags=["tokens"])


class NewToken(Body):
    """What a token is called, what it may do, and for how many days."""

    name: str
    scopes: list[str]
    days: int = tokens.USUAL.days


@router.get("/tokens")
def list_tokens(visit: InPerson) -> dict[str, object]:
    """Your tokens, the newest first; their secrets are kept nowhere."""
    with reading(visit.site.store.engine) as connection:
        return {"tokens": [_shown(each) for each in tokens.of_user(connection, visit.who.id)]}


@router.post("/tokens", status_code=201)
def make_token(visit: InPerson, wanted: NewToken) -> dict[str, object]:
    """A new token; `token` is its secret and is shown this once."""
    lasts = timedelta(days=max(0, min(wanted.days, 10_000)))
    with transaction(visit.site.store.engine) as connection:
        made, secret = tokens.make(
            connection, visit.who, wanted.name, wanted.scopes, utc_now(), lasts
        )
    return {**_shown(made), "token": secret}


@router.delete("/tokens/{token}", status_code=204)
def revoke_token(visit: InPerson, token: str) -> None:
    """Let one of your tokens open nothing any more."""
    with transaction(visit.site.store.engine) as connection:
        tokens.revoke(connection, visit.who.id, token, utc_now())


def _shown(token: tokens.Token) -> dict[str, object]:
    moments = {
        "created_at": token.created_at,
        "expires_at": token.expires_at,
        "used_at": token.used_at,
        "revoked_at": token.revoked_at,
    }
    return {
        "id": token.id,
        "name": token.name,
        "scopes": sorted(token.scopes),
        **{key: None if at is None else timestamp(at) for key, at in moments.items()},
    }
