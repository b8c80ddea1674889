"""What is written about a call, as a page shows it: a form for its agent, words for others."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from pydantic import BaseModel

from askfirst.errors import InvalidRequest
from askfirst.server import callnotes, contacts
from askfirst.server.callnotes import AnyoneElse, CallNote, Disposition, Written
from askfirst.server.database import reading
from askfirst.web import words
from askfirst.web.visit import Visit

DISPOSITIONS: Mapping[str, str] = {
    Disposition.REACHED: words.mark("We talked"),
    Disposition.ARRANGED: words.mark("We agreed on something"),
    Disposition.CALL_BACK: words.mark("Call back"),
    Disposition.LEFT_MESSAGE: words.mark("Left a message"),
    Disposition.NOT_INTERESTED: words.mark("Not interested"),
    Disposition.NO_ANSWER: words.mark("Nobody answered"),
    Disposition.WRONG_NUMBER: words.mark("Wrong number"),
}
ANYONE: Mapping[str, str] = {
    AnyoneElse.YES: words.mark("Yes"),
    AnyoneElse.NO: words.mark("No"),
    AnyoneElse.UNSURE: words.mark("Not sure"),
}


class NoteForm(BaseModel):
    """The form as it was filled in."""

    version: str = "0"
    disposition: str = ""
    notes: str = ""
    anyone_else: str = ""
    follow_up_on: str = ""

    @property
    def read_version(self) -> int:
        """The version that the form was made from; one that is no number fits nothing."""
        return int(self.version) if self.version.isdecimal() and len(self.version) < 9 else -1

    def written(self) -> Written:
        """What is to be written. Raises InvalidRequest naming the field that cannot be used."""
        if self.disposition and self.disposition not in DISPOSITIONS:
            raise InvalidRequest("disposition: choose one of the list", key="disposition")
        if self.anyone_else and self.anyone_else not in ANYONE:
            raise InvalidRequest("anyone_else: choose one of the list", key="anyone_else")
        return Written(
            Disposition(self.disposition) if self.disposition else None,
            self.notes,
            AnyoneElse(self.anyone_else) if self.anyone_else else None,
            _day(self.follow_up_on),
        )


def after_call(
    visit: Visit,
    call: str,
    *,
    filled: NoteForm | None = None,
    error: str | None = None,
    wrong: str | None = None,
    is_conflict: bool = False,
) -> dict[str, object]:
    """What `after_call.html` needs as its `after`, for a visit that reaches the call.

    `filled` is what somebody typed and could not be written: it is shown instead of what is.
    """
    region = visit.account.region
    with reading(visit.site.store.engine) as connection:
        kept = callnotes.read(connection, visit.who.person, call)
        may_write = callnotes.may_write(connection, visit.who.person, call)
        number, contact = callnotes.contact_of(connection, call, region)
        known = contacts.get(connection, contact) if contact is not None else None
    return {
        "call": call,
        "note": kept,
        "form": filled or _form(kept),
        # Once both texts are shown, sending is a choice; before that what was read still counts.
        "version": kept.version if filled is None or is_conflict else filled.version,
        "may_write": may_write and not kept.is_forgotten,
        "may_promise": number is not None and (known is None or known.archived_at is None),
        "contact": known,
        "dispositions": visit.said(DISPOSITIONS),
        "anyone": visit.said(ANYONE),
        "error": error,
        "wrong": wrong,
        "is_conflict": is_conflict,
    }


def _form(kept: CallNote) -> NoteForm:
    written = kept.written
    due = written.follow_up_on
    return NoteForm(
        version=str(kept.version),
        disposition=written.disposition or "",
        notes=written.notes,
        anyone_else=written.anyone_else or "",
        follow_up_on=due.isoformat() if due is not None else "",
    )


def _day(given: str) -> date | None:
    if not given.strip():
        return None
    try:
        return date.fromisoformat(given.strip())
    except ValueError:
        raise InvalidRequest(
            "follow_up_on: expected a day such as 2026-11-30", key="follow_up_on"
        ) from None
