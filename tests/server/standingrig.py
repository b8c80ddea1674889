"""Parts for tests of standing consents: a contact, what they signed, and where they are called."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

from tests.server.people import draft, meet

from askfirst.model import Purpose
from askfirst.server import standingconsents
from askfirst.server.accounts import User
from askfirst.server.clock import utc_now
from askfirst.server.database import transaction
from askfirst.server.standingconsents import Filing, StandingConsent, Why
from askfirst.server.standingscope import PAPER_ELEMENTS, PAPER_USES
from askfirst.server.store import Store

GERMANY = "+493023125017"
PDF = b"%PDF-1.7\nsigned by the quetzal of Vaduz\n%%EOF\n"


def today() -> date:
    return utc_now().date()


def filing(**changes: Any) -> Filing:
    """A consent to everything, given yesterday and in force for a month."""
    given_on = today() - timedelta(days=1)
    whole = Filing(
        purposes=frozenset(Purpose),
        uses=frozenset(PAPER_USES),
        elements=frozenset(PAPER_ELEMENTS),
        language="en",
        given_on=given_on,
        ends_on=given_on + timedelta(days=30),
        document=PDF,
    )
    return replace(whole, **changes)


def signed(store: Store, user: User, number: str, **changes: Any) -> StandingConsent:
    """What a new contact with a number has signed."""
    contact = meet(store, draft("Ada Lovelace", number))
    return standingconsents.file(store, contact, filing(**changes), user.id, utc_now())


def taken_back(store: Store, consent: str, why: Why = Why.ASKED) -> bool:
    """Withdraw a consent as a page does."""
    with transaction(store.engine) as connection:
        return standingconsents.withdraw(store, connection, consent, why, None, utc_now())
