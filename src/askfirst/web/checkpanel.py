"""What the page of a call shows of checklists: those that were filled in, and forms for more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from askfirst.errors import Refused
from askfirst.server import accounts, checklists
from askfirst.server.access import Permission
from askfirst.server.callreader import reaches
from askfirst.server.checklists import Checklist, Reply, Template
from askfirst.server.clock import utc_now
from askfirst.server.database import reading
from askfirst.web import words
from askfirst.web.visit import Visit

REPLIES: Mapping[str, str] = {
    Reply.YES.value: words.mark("Yes"),
    Reply.NO.value: words.mark("No"),
    Reply.NOT_APPLICABLE.value: words.mark("Does not apply"),
}
WHY_NOT: Mapping[str, str] = {
    "shared": words.mark("Several people had this call; a checklist is about one."),
    "no-ground": words.mark(
        "Nothing on file lets single persons be reviewed where this employee works: a works "
        "agreement or a stated basis."
    ),
}


@dataclass(frozen=True, slots=True)
class CheckPanel:
    """Checklists of a call, and what may be asked about it; `why_not` says why nothing may."""

    call: str
    filled: Sequence[Checklist]
    templates: Sequence[Template]
    replies: Mapping[str, str]
    why_not: str
    names: Mapping[str, str]
    error: str


def check_panel(visit: Visit, call: str, error: str = "") -> CheckPanel | None:
    """What the visit's person sees; None where they see nothing, or there are no checklists."""
    store, person = visit.site.store, visit.who.person
    try:
        filled = checklists.of_call(store, person, call)
    except Refused:
        return None
    with reading(store.engine) as connection:
        may_fill = reaches(connection, person, Permission.CHECKLISTS_WRITE, call)
        why = checklists.why_not(connection, visit.site.rules, person, call, utc_now())
        templates = checklists.templates_of(connection, person) if may_fill and not why else []
        names = accounts.names(connection)
    if not filled and (not may_fill or why in ("off", "own")):
        return None
    return CheckPanel(
        call,
        filled,
        templates,
        visit.said(REPLIES),
        visit.say(WHY_NOT.get(why or "", "")) if may_fill and why in WHY_NOT else "",
        names,
        error,
    )
