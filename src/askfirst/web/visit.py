"""One request: who asks, in which language, and with which rights.

Routes take a `Visit` and ask it; they read no cookie themselves. Somebody who is not signed in is
sent to the sign-in page, or told so where a program or a part of a page asks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request

from askfirst.errors import Refused
from askfirst.rules import Rulebook
from askfirst.server import accounts
from askfirst.server.access import Permission
from askfirst.server.account import Account, account
from askfirst.server.accounts import THEMES
from askfirst.server.clock import utc_now
from askfirst.server.database import reading
from askfirst.server.listening import Listening
from askfirst.server.settings import Settings
from askfirst.server.store import Store
from askfirst.web import words
from askfirst.web.carrying import Carrier

LANGUAGE_COOKIE = "language"
THEME_COOKIE = "theme"


class SignedOut(Refused):
    """Nobody is signed in, or no longer; `wanted` is the page that was asked for."""

    def __init__(self, wanted: str) -> None:
        super().__init__("nobody is signed in; sign in and try again")
        self.wanted = wanted


class NotSetUp(Refused):
    """The first run has not been finished."""


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


@dataclass(frozen=True, slots=True)
class Visit:
    """Who asks for what. `user` None: nobody is signed in."""

    site: Site
    account: Account
    user: accounts.User | None
    language: str
    theme: str
    path: str
    nonce: str
    session: str | None

    @property
    def who(self) -> accounts.User:
        """Who is signed in. Raises SignedOut for nobody."""
        if self.user is None:
            raise SignedOut(self.path)
        return self.user

    def may(self, permission: Permission) -> bool:
        """Whether somebody with this permission is signed in."""
        return self.user is not None and self.user.person.may(permission)

    def say(self, message: str, **values: object) -> str:
        """A message in the visit's language, filled in."""
        said = words.gettext(self.language, message)
        return said % values if values else said

    def said(self, texts: Mapping[str, str]) -> dict[str, str]:
        """Messages in the visit's language, by their keys."""
        return {key: self.say(text) for key, text in texts.items()}


def site_of(request: Request) -> Site:
    """The installation that a request is for."""
    site: Site = request.app.state.site
    return site


def visit(request: Request) -> Visit:
    """The visit of a request, signed in or not."""
    site = site_of(request)
    with reading(site.store.engine) as connection:
        wants = account(connection)
        token = request.cookies.get(site.cookie)
        user = accounts.session_user(connection, token, utc_now()) if token else None
    asked = request.query_params.get("lang") or request.cookies.get(LANGUAGE_COOKIE)
    language = words.chosen(
        asked or (user.language if user else None),
        request.headers.get("accept-language", ""),
        wants.language,
    )
    theme = user.theme if user else request.cookies.get(THEME_COOKIE, THEMES[0])
    return Visit(
        site=site,
        account=wants,
        user=user,
        language=language,
        theme=theme if theme in THEMES else THEMES[0],
        path=request.url.path,
        nonce=request.scope["state"]["nonce"],
        session=token if user else None,
    )


AnyVisit = Annotated[Visit, Depends(visit)]


def signed_in(visit: AnyVisit, request: Request) -> Visit:
    """The visit of somebody who is signed in; raises SignedOut or NotSetUp."""
    if visit.user is None:
        query = f"?{request.url.query}" if request.url.query else ""
        raise SignedOut(request.url.path + query if request.method == "GET" else "/")
    if not visit.account.is_set_up and not visit.path.startswith(("/setup", "/api/")):
        raise NotSetUp("the first run has not been finished; an administrator finishes it")
    return visit


SignedIn = Annotated[Visit, Depends(signed_in)]


def permitted(permission: Permission) -> Callable[..., Visit]:
    """A dependency that lets in who has a permission; raises Refused for others."""

    def let_in(visit: SignedIn) -> Visit:
        visit.who.person.ensure(permission)
        return visit

    return let_in
