"""One's own page: who one is here, the notice that was read, and who has opened one's calls."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from askfirst.server import accounts
from askfirst.server.accesslog import notice_read_at, openings_of
from askfirst.server.database import reading
from askfirst.web import callwords
from askfirst.web.bodies import Before
from askfirst.web.page import render
from askfirst.web.visit import SignedIn

router = APIRouter()


@router.get("/me")
def me(visit: SignedIn, seen: Before = None) -> Response:
    """Name, language, look, notice, and every access to one's calls.

    An open page asks again with the newest access that it has `seen`, and gets nothing while that
    is still the newest.
    """
    with reading(visit.site.store.engine) as connection:
        openings = openings_of(connection, visit.who.id)
        newest = openings[0].position if openings else -1
        if newest == seen:
            return Response(status_code=204)
        read_at = notice_read_at(connection, visit.who.id)
        names = accounts.names(connection)
    return render(
        visit,
        "me.html",
        read_at=read_at,
        openings=openings,
        newest=newest,
        names=names,
        kinds=visit.said(callwords.OPENINGS),
        purposes=visit.said(callwords.PURPOSES),
    )
