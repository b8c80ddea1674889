"""What the pages of compliance share: their tabs."""

from __future__ import annotations

from askfirst.server.access import Permission
from askfirst.web import words
from askfirst.web.visit import Visit

_TABS: tuple[tuple[str, str, Permission | None], ...] = (
    ("/compliance", words.mark("Queue"), Permission.QUEUE_READ),
    # Whoever may propose a change sees what became of it; the page narrows what it shows.
    ("/compliance/approvals", words.mark("Second person"), None),
    ("/compliance/requests", words.mark("Requests"), Permission.ERASURE_MANAGE),
    ("/compliance/holds", words.mark("Holds"), Permission.QUEUE_READ),
    ("/compliance/reminders", words.mark("What ends soon"), Permission.QUEUE_READ),
    ("/compliance/retention", words.mark("Retention"), Permission.QUEUE_READ),
    ("/compliance/assurance", words.mark("Assurance report"), Permission.QUEUE_READ),
    ("/compliance/ledger", words.mark("Ledger"), Permission.LEDGER_READ),
)


def tabs(visit: Visit) -> list[tuple[str, str, bool]]:
    """The pages that the visit's person may open: address, words, whether here."""
    return [
        (href, visit.say(label), visit.path == href)
        for href, label, permission in _TABS
        if permission is None or visit.may(permission)
    ]
