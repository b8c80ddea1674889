"""What is said of how long recordings are kept: reasons of a period, and of staying longer."""

from __future__ import annotations

from collections.abc import Mapping

from askfirst.model import Purpose
from askfirst.retention import Because
from askfirst.server.retentionlist import Line, Stays
from askfirst.web import words
from askfirst.web.recordingview import DUTIES
from askfirst.web.visit import Visit

STAYS: Mapping[Stays, str] = {
    Stays.HOLD: words.mark("Legal hold"),
    Stays.MANDATORY: words.mark("Duty to record"),
    Stays.RULE: words.mark("A rule wants it kept"),
    Stays.CALL_RUNS: words.mark("The call is not over"),
    Stays.ERASURE_WAITS: words.mark("Its erasure is ordered and not done"),
    Stays.NO_PERIOD: words.mark("It has no period"),
    Stays.NEXT_SWEEP: words.mark("The next sweep takes it"),
}
PURPOSES: Mapping[str, str] = {
    Purpose.TRAINING.value: words.mark("Training of staff"),
    Purpose.QUALITY.value: words.mark("Quality of service"),
    Purpose.BUSINESS_PROOF.value: words.mark("Proof of what was agreed"),
    Purpose.ORDER_RESERVATION.value: words.mark("Orders and bookings"),
    Purpose.COACHING.value: words.mark("Coaching of single people"),
    Purpose.TRANSCRIPTION.value: words.mark("Written notes"),
}


def period(visit: Visit, line: Line, places: Mapping[str, str]) -> str:
    """Why a recording is kept so long, in words; a dash where that was not written down."""
    by, days = line.by or "", line.days
    match line.because:
        case Because.DEFAULT:
            return visit.say("%(days)s days: the account’s period", days=days)
        case Because.PURPOSE:
            named = visit.say(PURPOSES[by]) if by in PURPOSES else by
            return visit.say("%(days)s days: the period for %(purpose)s", days=days, purpose=named)
        case Because.PLACE:
            named = places.get(by, by)
            return visit.say("%(days)s days: the period for %(place)s", days=days, place=named)
        case Because.LONGEST:
            return visit.say("%(days)s days: the rule %(rule)s allows no more", days=days, rule=by)
        case Because.SHORTEST:
            return visit.say("%(days)s days: the rule %(rule)s wants no less", days=days, rule=by)
        case _:
            return "–"


def staying(visit: Visit, line: Line) -> str:
    """Why a recording stays longer than its period, in words."""
    said = visit.say(STAYS[line.stays or Stays.NEXT_SWEEP])
    if line.stays is Stays.MANDATORY and line.keeper is not None and line.keeper in DUTIES:
        return f"{said}: {visit.say(DUTIES[line.keeper])}"
    return f"{said}: {line.keeper}" if line.keeper else said
