"""What pages say for the codes of the compliance queue, of proposals and of the report."""

from __future__ import annotations

from collections.abc import Mapping

from askfirst.server.assurance import Figure
from askfirst.server.personfigures import GroupKind
from askfirst.server.queue import Item, Reason
from askfirst.server.queuedecision import Decision
from askfirst.server.queuetexts import TextKind
from askfirst.web import words
from askfirst.web.recordingview import clock
from askfirst.web.visit import Visit

REASONS: Mapping[str, str] = {
    Reason.NOT_HEARD: words.mark("Not verified"),
    Reason.REFUSED_BUT_AUDIO: words.mark("Refused but recorded"),
    Reason.OBJECTION_HEARD: words.mark("Objection heard"),
    Reason.OBJECTION_POSSIBLE: words.mark("Perhaps an objection"),
    Reason.PLACE_NAMED: words.mark("Place changed"),
    Reason.JOINED_UNANSWERED: words.mark("Joined and never asked"),
    Reason.COMPLAINT: words.mark("Complaints"),
    Reason.HOLD_EXPIRING: words.mark("Expiring holds"),
    Reason.UNPLAYABLE: words.mark("Does not open"),
    Reason.EXPECTED_ABSENT: words.mark("Expected and missing"),
    Reason.UNEXPECTED: words.mark("Not expected"),
    Reason.ELSEWHERE: words.mark("Recorded elsewhere"),
    Reason.NO_CALL: words.mark("At Twilio, and of no call of ours"),
    Reason.IMPORTED: words.mark("Brought over, and not shown to be allowed"),
}
_WHY: Mapping[str, str] = {
    Reason.NOT_HEARD: words.mark("Attested, but no notice found %(begin)s–%(end)s"),
    Reason.REFUSED_BUT_AUDIO: words.mark("They said no, and sound was kept after %(begin)s"),
    Reason.OBJECTION_HEARD: words.mark(
        "They objected before %(end)s, and nobody noted it or asked again"
    ),
    Reason.OBJECTION_POSSIBLE: words.mark("They may have objected before %(end)s"),
    Reason.PLACE_NAMED: words.mark("They said that they are in %(place)s, before %(end)s"),
    Reason.JOINED_UNANSWERED: words.mark("Somebody joined at %(begin)s and never answered"),
    Reason.COMPLAINT: words.mark("Somebody complained"),
    Reason.HOLD_EXPIRING: words.mark("The legal hold is to be looked at soon"),
    Reason.UNPLAYABLE: words.mark("The recording is ready and its file does not open"),
    Reason.EXPECTED_ABSENT: words.mark("The gate opened, and there is no recording"),
    Reason.UNEXPECTED: words.mark("There is sound from %(begin)s on that no opening allowed"),
    Reason.ELSEWHERE: words.mark(
        "Twilio keeps the recording %(subject)s of this call, and nobody here asked for it"
    ),
    Reason.NO_CALL: words.mark(
        "Twilio keeps the recording %(subject)s, which belongs to none of our calls and which "
        "nobody here asked for"
    ),
    Reason.IMPORTED: words.mark(
        "It was brought over from elsewhere, and what the law asks is not heard in it"
    ),
}
SUGGESTIONS: Mapping[str, str] = {
    Reason.NOT_HEARD: words.mark("Listen. Where no notice is heard: erase, and tell the agent."),
    Reason.REFUSED_BUT_AUDIO: words.mark("Erase, unless they agreed again. Report the fault."),
    Reason.OBJECTION_HEARD: words.mark(
        "Listen. Where they object: erase, and mark the contact as never to be recorded."
    ),
    Reason.OBJECTION_POSSIBLE: words.mark("Listen. Where they object: erase, else close it."),
    Reason.PLACE_NAMED: words.mark("Cut everything up to where they were asked anew, or erase."),
    Reason.JOINED_UNANSWERED: words.mark("Cut everything from before they agreed, or erase."),
    Reason.COMPLAINT: words.mark("Answer the person, then close it here."),
    Reason.HOLD_EXPIRING: words.mark("Renew or release the hold on the page of the call."),
    Reason.UNPLAYABLE: words.mark("Restore the file from a backup, then close it here."),
    Reason.EXPECTED_ABSENT: words.mark("Find out what failed; nothing can be restored."),
    Reason.UNEXPECTED: words.mark("Erase, and report the fault."),
    Reason.ELSEWHERE: words.mark(
        "Delete it at Twilio, and find out what started it: no setting of ours does."
    ),
    Reason.NO_CALL: words.mark(
        "Find out at Twilio who started it. Where it is not yours to keep, delete it there; where "
        "another program of yours made it, say which and why."
    ),
    Reason.IMPORTED: words.mark("Erase, unless you can show that recording was allowed."),
}
DECISIONS: Mapping[str, str] = {
    Decision.GIVEN: words.mark("The notice was given: let it go"),
    Decision.NOT_GIVEN: words.mark("Not given: erase the sound, keep the rest"),
    Decision.KEEP_FROM: words.mark("Keep from a place on, destroy what is before"),
    Decision.ASK_AGENT: words.mark("Ask the agent"),
    Decision.DISMISS: words.mark("Nothing to be done: close it"),
    Decision.DELETED_THERE: words.mark("It was deleted at Twilio"),
    Decision.KNOWN: words.mark("It is ours and known: do not ask again"),
}
DECIDED: Mapping[str, str] = {
    Decision.GIVEN: words.mark("let go"),
    Decision.NOT_GIVEN: words.mark("erased"),
    Decision.KEEP_FROM: words.mark("cut"),
    Decision.DISMISS: words.mark("closed"),
    Decision.DELETED_THERE: words.mark("deleted at Twilio"),
    Decision.KNOWN: words.mark("ours, and known"),
    "gone": words.mark("closed, for Twilio tells of it no more"),
    "brought-over": words.mark("closed, for it was brought over and has a call now"),
    "aged": words.mark("erased, for nobody verified it in time"),
    "erased": words.mark("closed, for the recording is erased"),
}
STATES: Mapping[str, str] = {
    "open": words.mark("Waits for a decision"),
    "asked": words.mark("The agent was asked"),
    "proposed": words.mark("Waits for a second person"),
    "decided": words.mark("Decided"),
}
TEXTS: Mapping[str, str] = {
    TextKind.COMPLAINT: words.mark("Complaint"),
    TextKind.COMMENT: words.mark("Comment"),
    TextKind.QUESTION: words.mark("Question to the agent"),
    TextKind.ANSWER: words.mark("Answer of the agent"),
}
KINDS: Mapping[str, str] = {
    "queue-erase": words.mark("Erase or cut a recording of the queue"),
    "queue-keep": words.mark("Let a recording of the queue go"),
    "settings": words.mark("Change settings"),
    "hold-release": words.mark("Release a legal hold"),
    "overrides": words.mark("Let an override count"),
}
PROPOSAL_STATES: Mapping[str, str] = {
    "approved": words.mark("approved"),
    "declined": words.mark("declined"),
    "expired": words.mark("ran out"),
}
FIGURES: Mapping[str, str] = {
    Figure.CALLS: words.mark("Calls"),
    Figure.OPENED: words.mark("Calls whose gate opened"),
    Figure.PRESENT: words.mark("Recordings expected and there"),
    Figure.ERASED: words.mark("Recordings made and erased since"),
    Figure.ABSENT: words.mark("Recordings expected and missing"),
    Figure.UNEXPECTED: words.mark("Recordings there and not expected"),
    Figure.REFUSED_SILENT: words.mark("Refused, and no sound kept (proven by the ledger)"),
    Figure.REFUSED_KEPT: words.mark("Refused, and sound kept"),
    Figure.DEGRADED: words.mark("Recorded with gaps"),
    Figure.UNPLAYABLE: words.mark("Recordings that do not open"),
}


GROUPS: Mapping[str, str] = {
    GroupKind.PERSON: words.mark("One person"),
    GroupKind.TEAM: words.mark("A team"),
    GroupKind.OTHERS: words.mark("Several teams"),
}
"""What a figure by group is about."""


def why(visit: Visit, found: Item, place: str) -> str:
    """Why an item is in the queue, in a sentence; `place` is the name of the place it is about."""
    begin, end = clock(found.from_ms or 0), clock(found.to_ms or 0)
    return visit.say(_WHY[found.reason]) % {
        "begin": begin,
        "end": end,
        "place": place,
        "subject": found.subject,
    }
