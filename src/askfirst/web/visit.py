"""One request: who asks, in which language, and with which rights.

Routes take a `Visit` and ask it; they read no cookie themselves. Somebody who is not signed in is
sent to the sign-in page, or told so where a program or a part of a page asks. A program may bring
a token in place of a session, below ``/api/`` only: it opens no page.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta, tzinfo
from typing import Annotated

from fastapi import Depends, Request
from starlette.requests import HTTPConnection

from askfirst.errors import Refused
from askfirst.rules import Rulebook
from askfirst.server import accounts, factors, sessions, tokens
from askfirst.server.access import Permission, Reach
from askfirst.server.account import Account, account
from askfirst.server.accounts import THEMES
from askfirst.server.clock import utc_now
from askfirst.server.database import reading, transaction
from askfirst.server.listening import Listening
from askfirst.server.refusals import Why
from askfirst.server.rounds import RoundKind
from askfirst.server.settings import Settings
from askfirst.server.store import Store
from askfirst.web import errorwords, words, zones
from askfirst.web.carrying import Carrier
from askfirst.web.guard import SAFE

API = "/api/"
LANGUAGE_COOKIE = "language"
THEME_COOKIE = "theme"
ZONE_COOKIE = "time_zone"
"""Written by the browser itself (js/shell.js), for it alone knows."""


class SignedOut(Refused):
    """Nobody is signed in, or no longer; `wanted` is the page that was asked for."""

    def __init__(
        self, wanted: str, why: str = "nobody is signed in; sign in and try again"
    ) -> None:
        super().__init__(why)
        self.wanted = wanted


class NotSetUp(Refused):
    """The first run has not been finished."""


class NeedsFactor(Refused):
    """The account wants a second factor of somebody who has none; they may set one up, no more."""

    def __init__(
        self, why: str = "a second factor is needed here; set one up on your page Signing in"
    ) -> None:
        super().__init__(why)


@dataclass(frozen=True, slots=True)
class Site:
    """What every route needs of the installation."""

    store: Store
    settings: Settings
    rules: Rulebook
    listening: Listening
    carrier: Carrier = field(default_factory=Carrier)

    @property
    def cookie(self) -> str:
        """The session cookie's name; the prefix makes browsers insist on https and our host."""
        return "__Host-askfirst" if self.settings.is_secure else "askfirst"

    def round_cookie(self, purpose: RoundKind) -> str:
        """The name of the cookie of what a browser has begun and not finished (`rounds`)."""
        return f"{self.cookie}-{purpose}"

    @property
    def session_lasts(self) -> timedelta:
        """How long a session lasts at most."""
        return timedelta(hours=self.settings.session_hours)

    def idle_minutes(self, user: accounts.User) -> int:
        """After how long a session of somebody ends in which nothing is done."""
        hears_others = user.person.reach(Permission.RECORDINGS_LISTEN) > Reach.OWN
        longest = self.settings.idle_minutes
        return min(longest, self.settings.listener_idle_minutes) if hears_others else longest

    def idles(self, user: accounts.User) -> timedelta:
        """As `idle_minutes`."""
        return timedelta(minutes=self.idle_minutes(user))


@dataclass(frozen=True, slots=True)
class Visit:
    """Who asks for what. `user` None: nobody is signed in.

    `session` is what links and calls are bound to: the session's token or, where a program asks by
    the token whose id is `token`, that id. `zone` is the reader's, for what pages show and ask.
    `enrolling` is who has signed in by one factor where two are needed: to every route but those
    that set one up, nobody is signed in then.
    """

    site: Site
    account: Account
    user: accounts.User | None
    language: str
    theme: str
    zone: tzinfo
    path: str
    nonce: str
    session: str | None
    token: str | None = None
    enrolling: accounts.User | None = None

    @property
    def who(self) -> accounts.User:
        """Who is signed in. Raises SignedOut for nobody, NeedsFactor for who has yet to enrol."""
        if self.enrolling is not None:
            raise NeedsFactor
        if self.user is None:
            raise SignedOut(self.path)
        return self.user

    def may(self, permission: Permission) -> bool:
        """Whether somebody with this permission is signed in."""
        return self.user is not None and self.user.person.may(permission)

    def today(self) -> date:
        """The day that it is for the reader; law and evidence go by the day in UTC."""
        return utc_now().astimezone(self.zone).date()

    def say(self, message: str, **values: object) -> str:
        """A message in the visit's language, filled in."""
        said = words.gettext(self.language, message)
        return said % values if values else said

    def told(self, error: Exception | str) -> str:
        """What an error says, in the visit's language."""
        return errorwords.in_words(error, self.language)

    def said(self, texts: Mapping[str, str]) -> dict[str, str]:
        """Messages in the visit's language, by their keys."""
        return {key: self.say(text) for key, text in texts.items()}


def site_of(request: HTTPConnection) -> Site:
    """The installation that a request is for."""
    site: Site = request.app.state.site
    return site


def visit(request: Request) -> Visit:
    """The visit of a request, signed in or not. Raises SignedOut for a token that opens nothing."""
    return visit_of(request)


def visit_of(request: HTTPConnection) -> Visit:
    """The visit of a request or socket, as `visit`."""
    site = site_of(request)
    secret = _bearer(request)
    now = utc_now()
    with reading(site.store.engine) as connection:
        wants = account(connection)
        session = None if secret is not None else request.cookies.get(site.cookie)
        found = sessions.find(connection, session, now) if session else None
    user = enrolling = token = None
    if found is not None and session:
        user, held = found
        if held.is_touch_due(now) and _is_by_hand(request):
            with transaction(site.store.engine) as connection:
                sessions.touch(connection, session, now, site.idles(user))
        if _lacks_factor(wants, user, held):
            user, enrolling = None, user
    if secret is not None:
        user, token = _program(site, secret, request.url.path)
    asked = request.query_params.get("lang") or request.cookies.get(LANGUAGE_COOKIE)
    known = user or enrolling
    language = words.chosen(
        asked or (known.language if known else None),
        request.headers.get("accept-language", ""),
        wants.language,
    )
    theme = known.theme if known else request.cookies.get(THEME_COOKIE, THEMES[0])
    return Visit(
        site=site,
        account=wants,
        user=user,
        language=language,
        theme=theme if theme in THEMES else THEMES[0],
        zone=zones.zone_of(request.cookies.get(ZONE_COOKIE)),
        path=request.url.path,
        nonce=request.scope["state"]["nonce"],
        session=token or (session if known else None),
        token=token,
        enrolling=enrolling,
    )


def _lacks_factor(wants: Account, user: accounts.User, held: sessions.Session) -> bool:
    return held.factors < 2 and factors.is_needed(wants.second_factor, user.roles)


def _is_by_hand(request: HTTPConnection) -> bool:
    """Whether a person did this: what an open page asks for by itself keeps no session alive."""
    if request.scope["type"] != "http":
        return False
    if request.scope["method"] not in SAFE:
        return True
    is_part = "hx-request" in request.headers and "hx-boosted" not in request.headers
    return not is_part and not request.url.path.startswith(API)


def _bearer(request: HTTPConnection) -> str | None:
    """The token that a program brings; pages look at none."""
    kind, _, secret = request.headers.get("authorization", "").partition(" ")
    is_asked = kind.lower() == "bearer" and request.url.path.startswith(API)
    return secret.strip() if is_asked else None


def _program(site: Site, secret: str, path: str) -> tuple[accounts.User, str]:
    now = utc_now()
    with reading(site.store.engine) as connection:
        found = tokens.holder(connection, secret, now)
    if found is None:
        # Never a session in its place: whoever brings a token means to act by it.
        raise SignedOut(path, "this token is unknown, has expired or was revoked; make another one")
    user, token = found
    if tokens.is_use_due(token, now):
        with transaction(site.store.engine) as connection:
            tokens.note_use(connection, token.id, now)
    return user, token.id


def keep_alive(visit: Visit) -> None:
    """Let the session of a visit go on, whose person speaks on the phone and touches nothing."""
    now = utc_now()
    with reading(visit.site.store.engine) as connection:
        found = sessions.find(connection, visit.session or "", now)
    if found is not None and found[1].is_touch_due(now):
        with transaction(visit.site.store.engine) as connection:
            sessions.touch(connection, visit.session or "", now, visit.site.idles(found[0]))


def present_user(visit: Visit) -> accounts.User | None:
    """Who a visit's session or token stands for now; None once it has ended."""
    now = utc_now()
    with reading(visit.site.store.engine) as connection:
        if visit.token is not None:
            return tokens.present(connection, visit.token, now)
        found = sessions.find(connection, visit.session or "", now)
        if found is None or _lacks_factor(account(connection), *found):
            return None
        return found[0]


AnyVisit = Annotated[Visit, Depends(visit)]


def signed_in(visit: AnyVisit, request: Request) -> Visit:
    """The visit of somebody who is signed in; raises SignedOut, NeedsFactor or NotSetUp."""
    if visit.enrolling is not None:
        raise NeedsFactor
    if visit.user is None:
        query = f"?{request.url.query}" if request.url.query else ""
        raise SignedOut(request.url.path + query if request.method == "GET" else "/")
    if not visit.account.is_set_up and not visit.path.startswith(("/setup", "/api/")):
        raise NotSetUp("the first run has not been finished; an administrator finishes it")
    return visit


SignedIn = Annotated[Visit, Depends(signed_in)]


def enrolling(visit: AnyVisit, request: Request) -> Visit:
    """The visit of somebody who looks after how they sign in, a second factor or none.

    Raises SignedOut for nobody, and Refused for a program with a token.
    """
    if visit.user is None and visit.enrolling is None:
        raise SignedOut(request.url.path if request.method == "GET" else "/")
    if visit.token is not None:
        raise Refused("found a token; this is done in person: sign in with a browser")
    return visit


Enrolling = Annotated[Visit, Depends(enrolling)]


def in_person(visit: SignedIn) -> Visit:
    """The visit of somebody who asks in person; raises Refused for a program with a token."""
    if visit.token is not None:
        raise Refused("found a token; this is done in person: sign in with a browser")
    return visit


InPerson = Annotated[Visit, Depends(in_person)]


_OPENING = (Permission.CALLS_READ, Permission.RECORDINGS_LISTEN, Permission.RECORDINGS_EXPORT)


def _note_attempt(visit: Visit, request: Request, permission: Permission) -> None:
    """Write down that somebody without the permission tried to open a call or recording."""
    thing = request.path_params.get("recording") or request.path_params.get("call")
    if thing is not None and permission in _OPENING:
        visit.site.listening.refusals.note(visit.who.id, thing, Why.NO_RIGHT, utc_now())


def permitted(permission: Permission) -> Callable[..., Visit]:
    """A dependency that lets in who has a permission; raises Refused for others."""

    def let_in(visit: SignedIn, request: Request) -> Visit:
        try:
            visit.who.person.ensure(permission)
        except Refused:
            _note_attempt(visit, request, permission)
            raise
        return visit

    return let_in
