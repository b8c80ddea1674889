"""What every way of signing in shares: the session at its end, cookies, and what is noted of tries.

Whatever is wrong, the same is said of it: a wrong address, a wrong password and a missing factor
are told apart in the audit log alone, and there by codes and ids, never by what was typed.
"""

from __future__ import annotations

import ipaddress
from datetime import datetime
from urllib.parse import urlsplit

import sqlalchemy as sa
from fastapi import Request
from starlette.responses import RedirectResponse, Response

from askfirst.server import accounts, addressfailures, audit, factors, rounds, sessions
from askfirst.server.accounts import User
from askfirst.server.clock import utc_now
from askfirst.server.database import reading
from askfirst.server.rounds import RoundKind
from askfirst.web.visit import Site, Visit


def begin_session(
    visit: Visit,
    request: Request,
    connection: sa.Connection,
    user: User,
    now: datetime,
    *,
    by: str,
    proved: int = 1,
) -> str:
    """A session for somebody who has proved who they are; `by` is how, `proved` how many factors.

    Gives its token. What the browser had before ends, and earlier failures are forgotten.
    """
    site = visit.site
    before = request.cookies.get(site.cookie)
    if before:
        sessions.end(connection, before)
    accounts.forgive(connection, user.id)
    agent = request.headers.get("user-agent", "")
    audit.note(connection, now, user.id, "session.begun", detail={"by": by})
    return sessions.begin(
        connection,
        user.id,
        now,
        site.session_lasts,
        agent,
        idle=site.idles(user),
        factors=proved,
    )


def go_on(
    visit: Visit,
    request: Request,
    connection: sa.Connection,
    user: User,
    now: datetime,
    *,
    by: str,
    next: str,
) -> Response:
    """The way on after one factor: to the second where the person has one, else signed in."""
    if factors.of_user(connection, user.id).has_any:
        detail = {"by": by, "next": next}
        token = rounds.begin(connection, RoundKind.SIGN_IN, now, user=user.id, detail=detail)
        response = RedirectResponse("/sign-in/code", status_code=303)
        give_round(visit.site, response, RoundKind.SIGN_IN, token)
        return response
    token = begin_session(visit, request, connection, user, now, by=by)
    return signed_in(visit.site, token, next)


def signed_in(site: Site, token: str, next: str) -> Response:
    """The answer that gives a browser its session and leads on."""
    response = RedirectResponse(next, status_code=303)
    give_session(site, response, token)
    return response


def note_failure(
    visit: Visit,
    request: Request,
    connection: sa.Connection,
    now: datetime,
    user: str | None,
    why: str,
) -> None:
    """Count a try that failed, for the address that it came from, and write it down."""
    keys = visit.site.store.keys
    addressfailures.count(connection, keys, address_of(visit.site, request), now)
    audit.note(connection, now, None, "sign-in.failed", user, {"why": why})


def may_try(visit: Visit, request: Request) -> bool:
    """Whether the address of a request has not failed too often of late."""
    store, address = visit.site.store, address_of(visit.site, request)
    with reading(store.engine) as connection:
        return addressfailures.has_left(connection, store.keys, address, utc_now())


def address_of(site: Site, request: Request) -> str:
    """Where a request comes from; behind our own proxy, where the proxy says it comes from.

    Only the last entry counts: the proxy wrote it itself. It is believed only where the settings
    name a public address, and from a neighbour alone.
    """
    peer = request.client.host if request.client else ""
    said = request.headers.get("x-forwarded-for", "").rpartition(",")[2].strip()
    return said if said and site.settings.public_url is not None and _is_near(peer) else peer


def give_session(site: Site, response: Response, token: str) -> None:
    """Give a browser its session."""
    _set(site, response, site.cookie, token, int(site.session_lasts.total_seconds()))


def give_round(site: Site, response: Response, purpose: RoundKind, token: str) -> None:
    """Let a browser remember what it has begun."""
    _set(
        site,
        response,
        site.round_cookie(purpose),
        token,
        int(rounds.LASTS.total_seconds()),
    )


def round_of(site: Site, request: Request, purpose: RoundKind) -> str:
    """The token of what a browser has begun; empty without."""
    return request.cookies.get(site.round_cookie(purpose), "")


def forget_round(site: Site, response: Response, purpose: RoundKind) -> None:
    """Let a browser forget what it has begun."""
    name = site.round_cookie(purpose)
    response.delete_cookie(name, path="/", secure=site.settings.is_secure, httponly=True)


def own_page(address: str) -> str:
    """A page of our own to go on to; nothing that leads elsewhere."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return "/"
    is_own = not parts.scheme and not parts.netloc and address.startswith("/")
    plain = is_own and not address.startswith(("//", "/\\")) and address.isprintable()
    return address if plain and "\\" not in address else "/"


def _set(site: Site, response: Response, name: str, token: str, seconds: int) -> None:
    response.set_cookie(
        name,
        token,
        max_age=seconds,
        path="/",
        secure=site.settings.is_secure,
        httponly=True,
        samesite="lax",
    )


def _is_near(peer: str) -> bool:
    try:
        found = ipaddress.ip_address(peer)
    except ValueError:
        return False
    return found.is_loopback or found.is_private
