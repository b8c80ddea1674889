"""Recordings as they were said, over HTTP: for compliance, with a reason, entered each time."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends

from askfirst.ledger import timestamp
from askfirst.server import originals, transcripts
from askfirst.server.access import Permission
from askfirst.server.clock import utc_now
from askfirst.server.purposes import ListeningPurpose
from askfirst.web.api_calls import address_of
from askfirst.web.bodies import Body
from askfirst.web.visit import Visit, permitted

router = APIRouter(tags=["recordings"])

Officer = Annotated[Visit, Depends(permitted(Permission.ORIGINALS_OPEN))]


class Opened(Body):
    """Why an original is opened; the reason is kept with the recording, never in the ledger."""

    purpose: ListeningPurpose
    reason: str


@router.post("/recordings/{recording}/originals", status_code=201)
def open_original(visit: Officer, recording: str, wanted: Opened) -> dict[str, object]:
    """What opens the sound with nothing silent in it, and the words with nothing covered."""
    opened = originals.open_original(
        visit.site.listening,
        visit.who.person,
        visit.session or "",
        recording,
        wanted.purpose,
        wanted.reason,
        utc_now(),
    )
    return {
        "url": address_of(recording, opened.link),
        "expires_at": timestamp(opened.link.expires_at),
        "transcript": transcripts.plain(opened.said),
    }
