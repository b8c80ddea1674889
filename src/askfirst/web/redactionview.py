"""What a call's page says of numbers that are hidden in its recording; it opens nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from askfirst.model import RecordingState
from askfirst.redaction import FindingKind
from askfirst.server import redactions
from askfirst.server.access import Permission
from askfirst.server.callreader import CallLine, reaches
from askfirst.server.database import reading
from askfirst.server.redactions import Result
from askfirst.web import words
from askfirst.web.visit import Visit

HIDDEN: Mapping[str, str] = {
    FindingKind.CARD: words.mark("card numbers"),
    FindingKind.CARD_DETAIL: words.mark("codes and dates of cards"),
    FindingKind.IBAN: words.mark("account numbers"),
    FindingKind.NATIONAL_ID: words.mark("national identity numbers"),
    FindingKind.EMAIL: words.mark("e-mail addresses"),
}


@dataclass(frozen=True, slots=True)
class Hidden:
    """What is hidden in a recording; `is_pending`: it is still being looked through."""

    kinds: Sequence[str]
    is_pending: bool
    may_open: bool


def hidden(visit: Visit, line: CallLine) -> Hidden | None:
    """None where there is nothing to say: no recording that is ready, nothing found."""
    if line.recording is None or line.recording_state != RecordingState.READY.value:
        return None
    with reading(visit.site.store.engine) as connection:
        found = redactions.result(connection, line.recording)
        row = redactions.row_of(connection, line.recording)
        may_open = visit.may(Permission.ORIGINALS_OPEN) and reaches(
            connection, visit.who.person, Permission.RECORDINGS_LISTEN, line.id
        )
    if found not in (None, Result.REDACTED):
        return None
    known = visit.said(HIDDEN)
    kinds = [known[kind] for kind in known if row is not None and kind in row.found]
    return Hidden(kinds, found is None, may_open)
