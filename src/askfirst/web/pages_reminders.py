"""What ends or is due soon, in one list, for those who look after the account."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.responses import Response

from askfirst.server.access import Permission
from askfirst.server.clock import utc_now
from askfirst.server.database import reading
from askfirst.server.reminders import Ending, Ends, around, ending_soon
from askfirst.web import words
from askfirst.web.complianceframe import tabs
from askfirst.web.page import render
from askfirst.web.visit import Visit, permitted

router = APIRouter()

Viewer = Annotated[Visit, Depends(permitted(Permission.QUEUE_READ))]

KINDS: Mapping[str, tuple[str, str, Permission]] = {
    Ends.HOLD: (words.mark("Legal hold"), "/compliance/holds", Permission.QUEUE_READ),
    Ends.OVERRIDE: (words.mark("Override"), "/settings/overrides", Permission.SETTINGS_READ),
    Ends.SITE: (words.mark("Record of a site"), "/settings/sites", Permission.SETTINGS_READ),
    Ends.SHARE: (words.mark("Share with somebody outside"), "", Permission.QUEUE_READ),
    Ends.REQUEST: (
        words.mark("Request of a person"), "/compliance/requests/{ref}", Permission.ERASURE_MANAGE
    ),
    Ends.TOKEN: (words.mark("Token of a program"), "", Permission.QUEUE_READ),
    Ends.PROPOSAL: (
        words.mark("Waits for a second person"), "/compliance/approvals", Permission.QUEUE_READ
    ),
    Ends.NOTICE: (
        words.mark("Yearly reading of the employee notice"), "/settings/notice",
        Permission.SETTINGS_READ,
    ),
    Ends.RULES: (words.mark("Rule files read a year ago"), "/rules", Permission.QUEUE_READ),
    Ends.CERTIFICATE: (words.mark("Certificate"), "", Permission.QUEUE_READ),
    Ends.STANDING: (words.mark("Standing consent"), "", Permission.QUEUE_READ),
}  # fmt: skip
"""What a kind is called, where it is looked after, and what that page needs."""


@router.get("/compliance/reminders")
def reminders_page(visit: Viewer) -> Response:
    """What ends within thirty days, and what is overdue."""
    site, today = visit.site, utc_now().date()
    wanted = site.settings.checkpoints
    here = around(site.store, site.rules, wanted, site.settings.tls_cert)
    with reading(site.store.engine) as connection:
        found = ending_soon(here, connection, today)
    return render(
        visit,
        "compliance_reminders.html",
        tabs=tabs(visit),
        endings=[_shown(visit, each) for each in found],
        today=today,
        is_mailed="mail" in wanted.channels,
        is_posted="webhook" in wanted.channels,
    )


def _shown(visit: Visit, ending: Ending) -> dict[str, object]:
    name, href, permission = KINDS[ending.kind]
    return {
        "name": visit.say(name),
        "ref": ending.ref,
        "on": ending.on,
        "href": href.format(ref=ending.ref) if visit.may(permission) else "",
        "left": (ending.on - utc_now().date()).days,
    }
