"""Every page that the program has, who looks at it, and under which address; from the routes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta

import sqlalchemy as sa
from tests.e2e.furnish import PEOPLE
from tests.e2e.installation import Installation
from tests.web.test_rights import ANYBODY, NEEDED, SIGNED_IN

from askfirst.server import account, accounts, playlists
from askfirst.server.access import Permission, Person
from askfirst.server.clock import utc_now
from askfirst.server.database import calls, reading, recordings, transaction
from askfirst.server.listening import Listening
from askfirst.server.purposes import ListeningPurpose
from askfirst.server.queue import Wanted, items
from askfirst.server.requestacts import take
from askfirst.server.requestregister import RequestKind
from askfirst.server.sharing import Sharing
from askfirst.server.subjectrights import who
from askfirst.web.app import routes

ANSWERS_DATA = re.compile(r"/api/|/healthz|/readyz|/metrics|.*\.(csv|jsonl?|pdf|zip|ics|js|txt)$")
"""Addresses that programs read; they have no page."""

SOUND = "/settings/prompts/{language}/{digest}/sound"
EXCERPT = "/compliance/items/{item}/sound"
SIGNED = "/contacts/{contact}/standing-consents/{standing}/document"
SHARED = "/shared/{token}"
LEADS_ON = (
    "/sign-in/code",
    "/sign-in/provider",
    "/sign-in/provider/back",
    "/me/security/app",
    "/dashboards",
)
NO_PAGE = frozenset(
    {
        "/phone/places",
        "/me/opened",
        "/demo/{token}",
        SOUND,
        EXCERPT,
        "/clips/{clip}/sound",
        SIGNED,
        f"{SHARED}/audio",
        *LEADS_ON,
    }
)
"""What scripts and players ask for, parts of pages, and what only leads on to a page."""

FIRST_RUN = "/setup/{token}"
"""A page of an installation that nobody has set up."""


@dataclass(frozen=True, slots=True)
class Visit:
    """A page and who looks at it; None: nobody signed in."""

    path: str
    person: str | None

    def __str__(self) -> str:
        return f"{self.path} {self.person or 'nobody'}"


def visits() -> list[Visit]:
    """Every page once for the first person who may see it, public ones also for nobody."""
    pages = sorted(path for method, path in routes() if method == "GET")
    return [
        Visit(path, person)
        for path in pages
        if not ANSWERS_DATA.match(path) and path not in NO_PAGE
        for person in _who(path)
    ]


def _who(path: str) -> tuple[str | None, ...]:
    needed = NEEDED["GET", path]
    if needed == SIGNED_IN:
        return ("agent",)
    if needed == ANYBODY:
        return (None, "agent") if path == "/rules/check" else (None,)
    able = (
        key
        for key, (_, role, team) in PEOPLE.items()
        if Person("", frozenset({role}), team).may(Permission(needed))
    )
    return (next(able),)


def address(visit: Visit, installation: Installation) -> str:
    """The address of a page, with something of this installation in the gaps.

    KeyError for a gap that nobody has said what to put into: say it here.
    """
    return re.sub(r"\{(\w+)\}", lambda gap: _filling(gap[1], visit, installation), visit.path)


def _filling(gap: str, visit: Visit, installation: Installation) -> str:
    if visit.path == FIRST_RUN:
        assert installation.setup_path is not None
        return installation.setup_path.rpartition("/")[2]
    if visit.path == SHARED:
        return _share(installation)
    if gap == "token":
        with installation.store() as store, transaction(store.engine) as connection:
            return accounts.make_link(connection, installation.ids["people"]["other"], utc_now())
    if gap == "item":
        with installation.store() as store, reading(store.engine) as connection:
            return items(connection, Wanted())[0].id
    if gap == "request_id":
        with installation.store() as store, reading(store.engine) as connection:
            person = who(connection, contact=installation.ids["contact"])
        by, now = installation.ids["people"]["compliance"], utc_now()
        with installation.store() as store:
            return take(store, RequestKind.ERASURE, person, by, now).id
    if gap == "playlist":
        return _playlist(installation)
    ids = installation.ids
    known = {
        "code": "NO",
        "contact": ids["contact"],
        "call": ids["calls"]["presses-one"],
        "identity": ids["people"]["other"],
        "paper_kind": "assessment",
    }
    return str(known[gap])


def _playlist(installation: Installation) -> str:
    """A playlist of the agent, with nothing in it yet."""
    with installation.store() as store:
        with reading(store.engine) as connection:
            person = accounts.user(connection, installation.ids["people"]["agent"]).person
        return playlists.make(store, person, playlists.Wanted("Objections"), utc_now())


def _share(installation: Installation) -> str:
    """A share that waits for its code, of a call that was decided with sharing in mind."""
    call, officer = (
        installation.ids["calls"]["presses-one"],
        installation.ids["people"]["compliance"],
    )
    now = utc_now()
    with installation.store() as store:
        with transaction(store.engine) as connection:
            wishes = {**(account.account(connection).wishes or {}), "external_share_links": True}
            account.change(connection, {"wishes": wishes}, officer, now)
            its = calls.c.id == call
            policy = connection.execute(sa.select(calls.c.policy).where(its)).scalar_one()
            shared = {**policy, "external_share_links": True}
            connection.execute(calls.update().where(its).values(policy=shared))
            recording = connection.execute(
                sa.select(recordings.c.id).where(recordings.c.call == call)
            ).scalar_one()
            person = accounts.user(connection, officer).person
        sharing = Sharing(store, Listening(store))
        purpose, lasts = ListeningPurpose.DISPUTE, timedelta(days=1)
        return sharing.make(person, recording, "Counsel", purpose, lasts, now).token
