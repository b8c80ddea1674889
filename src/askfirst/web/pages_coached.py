"""What is written about one's own calls, on one's own page and in a list of its own."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from askfirst.server import accounts, checklists, coached, mentions
from askfirst.server.database import reading
from askfirst.web.checkpanel import REPLIES
from askfirst.web.page import render
from askfirst.web.recordingview import clock
from askfirst.web.visit import SignedIn, Visit

router = APIRouter()

SHOWN_AT_ONCE = 3
"""Texts that stand on one's own page."""


@router.get("/me/coaching")
def coached_page(visit: SignedIn, before: str = "") -> Response:
    """Every word that is written about one's calls, the newest first, whatever one may open."""
    store = visit.site.store
    with reading(store.engine) as connection:
        page = coached.about(store, connection, visit.who.id, before)
        names = accounts.names(connection)
        reviewed = [] if before else checklists.about(store, connection, visit.who.id)
    more = f"/me/coaching?before={page.following}" if page.following else ""
    return render(
        visit,
        "me_coaching.html",
        said=page.said,
        reviewed=reviewed,
        replies=visit.said(REPLIES),
        names=names,
        more=more,
        clock=clock,
    )


def on_my_page(visit: Visit) -> dict[str, Any]:
    """Where one is mentioned and has not looked, and the newest that is written about one."""
    store = visit.site.store
    with reading(store.engine) as connection:
        return {
            "mentions": mentions.waiting(connection, visit.who.person),
            "unanswered": [
                each
                for each in checklists.about(store, connection, visit.who.id)
                if each.answer is None
            ],
            "coached": coached.about(store, connection, visit.who.id, most=SHOWN_AT_ONCE).said,
        }
