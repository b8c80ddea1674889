"""What the pages of compliance share: their menu."""

from __future__ import annotations

from askfirst.server.access import Permission
from askfirst.web import words
from askfirst.web.visit import Visit

MENU: tuple[tuple[str, str, Permission], ...] = (
    ("/compliance/ledger", words.mark("Ledger"), Permission.LEDGER_READ),
)


def menu(visit: Visit) -> list[tuple[str, str, bool]]:
    """The pages that the visit's person may open: address, words, whether here."""
    return [
        (href, visit.say(label), visit.path == href)
        for href, label, permission in MENU
        if visit.may(permission)
    ]
