"""What pages say for the codes of people's requests."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from askfirst.server import keepers
from askfirst.server.copies import CopyFault
from askfirst.server.copyconcerns import Concern
from askfirst.server.personfile import KeptCall
from askfirst.server.requestregister import Delay, Ground, RequestKind, RequestState
from askfirst.server.subjectrights import ErasedItem
from askfirst.web import words
from askfirst.web.visit import Visit

KINDS: Mapping[str, str] = {
    RequestKind.ACCESS: words.mark("A copy"),
    RequestKind.ERASURE: words.mark("Erasure"),
    RequestKind.OBJECTION: words.mark("Never record"),
    RequestKind.RESTRICTION: words.mark("Restriction"),
}
STATES: Mapping[str, str] = {
    RequestState.OPEN: words.mark("open"),
    RequestState.EXTENDED: words.mark("extended"),
    RequestState.ANSWERED: words.mark("answered"),
    RequestState.REFUSED: words.mark("refused"),
}
REASONS: Mapping[str, str] = {
    Delay.COMPLEX: words.mark("the request is complex"),
    Delay.MANY: words.mark("there are many requests"),
    Ground.NOT_IDENTIFIED: words.mark("the person is not identified"),
    Ground.UNFOUNDED: words.mark("it is manifestly unfounded"),
    Ground.EXCESSIVE: words.mark("it is excessive"),
    Ground.RIGHTS_OF_OTHERS: words.mark("it would harm the rights of others"),
    Ground.LEGAL_DUTY: words.mark("the law makes us keep it"),
    Ground.LEGAL_CLAIMS: words.mark("it is needed for legal claims"),
}
OUTCOMES: Mapping[str, str] = {
    "erased": words.mark("erased"),
    "would-erase": words.mark("will be erased"),
    "held": words.mark("stays: legal hold"),
    "mandatory": words.mark("stays: a duty to keep it"),
    "restricted": words.mark("stays: restricted"),
    "running": words.mark("stays: the call goes on"),
}
COPY_FAULTS: Mapping[str, str] = {
    CopyFault.STORE: words.mark("A disk or a store did not answer. Try again in a while."),
    CopyFault.KEY: words.mark(
        "The key of a recording cannot be read. Ask whoever runs the server."
    ),
    CopyFault.NOBODY: words.mark("Nothing is kept any more by which this person could be found."),
    CopyFault.PROGRAM: words.mark("The program failed; its log says where. Try again."),
    Concern.ERASED: words.mark("A recording in it was erased since it was made."),
    Concern.QUARANTINED: words.mark("A recording in it was held back since it was made."),
    Concern.UNFINISHED: words.mark("A recording in it is being checked anew since it was made."),
    Concern.RESTRICTED: words.mark("A recording in it was restricted since it was made."),
    Concern.OBJECTED: words.mark(
        "Somebody on a call in it has objected to being recorded since it was made."
    ),
}
"""Why a copy could not be made, or may not be given any more."""

_COUNTED: Mapping[str, tuple[str, str]] = {
    "calls": (words.mark("%(num)s call"), words.mark("%(num)s calls")),
    "recordings": (words.mark("%(num)s recording"), words.mark("%(num)s recordings")),
    "transcripts": (words.mark("%(num)s transcript"), words.mark("%(num)s transcripts")),
    "notes": (words.mark("%(num)s comment"), words.mark("%(num)s comments")),
    "consents": (
        words.mark("%(num)s consent or refusal"),
        words.mark("%(num)s consents and refusals"),
    ),
    "standing": (
        words.mark("%(num)s consent in writing"),
        words.mark("%(num)s consents in writing"),
    ),
    "follow_ups": (words.mark("%(num)s follow-up"), words.mark("%(num)s follow-ups")),
}
_UNTIL: Mapping[str, str] = {
    "held": words.mark("Legal hold until %(date)s: %(reason)s"),
    "mandatory": words.mark("%(rule)s wants it kept until %(date)s"),
}
_STAYS: Mapping[str, str] = {
    "held": words.mark("Legal hold, until it is released: %(reason)s"),
    "mandatory": words.mark("%(rule)s wants it kept"),
    "restricted": words.mark("Restricted, until that is lifted"),
    "running": words.mark("The call goes on"),
}


def counted(visit: Visit, counts: Mapping[str, int]) -> dict[str, str]:
    """How much of everything there is, in words."""
    return {
        # Requests from before something was counted lack it.
        key: visit.say(one if counts.get(key, 0) == 1 else many, num=counts.get(key, 0))
        for key, (one, many) in _COUNTED.items()
    }


def rule(visit: Visit, named: str) -> str:
    """A duty or a rule with what it says and where that stands."""
    said = keepers.statute(visit.site.rules, named, visit.today(), visit.language)
    return f"{named} ({said})" if said else named


def kept_by_law(visit: Visit, item: ErasedItem) -> str:
    """Which rule keeps a recording whose erasure was asked for, and until when; "" for none."""
    law = rule(visit, item.get("rule", ""))
    if not law:
        return ""
    until = item.get("until")
    if until is None:
        return visit.say(_STAYS["mandatory"], rule=law)
    date = words.day(visit.language, datetime.fromisoformat(until), visit.zone)
    return visit.say(_UNTIL["mandatory"], date=date, rule=law)


def stays(visit: Visit, kept: KeptCall) -> str:
    """Why an erasure leaves a recording, and until when."""
    reason, law = kept.why or "–", rule(visit, kept.rule)
    if kept.until is None:
        return visit.say(_STAYS[kept.stays], reason=reason, rule=law)
    date = words.day(visit.language, kept.until, visit.zone)
    return visit.say(_UNTIL[kept.stays], date=date, reason=reason, rule=law)
