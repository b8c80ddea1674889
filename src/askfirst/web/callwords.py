"""What pages say for the codes of calls: outcomes, states, causes, consents, accesses."""

from __future__ import annotations

from collections.abc import Mapping

from askfirst.ports import EndCause
from askfirst.server import ownpackage
from askfirst.server.purposes import ListeningPurpose
from askfirst.server.refusals import Why
from askfirst.server.transcriptsearch import PURPOSE as SEARCH_PURPOSE
from askfirst.web import words

ENDS: Mapping[str, str] = {
    EndCause.BUSY: words.mark("It was busy"),
    EndCause.DECLINED: words.mark("The call was declined"),
    EndCause.NO_ANSWER: words.mark("Nobody answered"),
    EndCause.NOT_FOUND: words.mark("The exchange knows no such number"),
    EndCause.UNREACHABLE: words.mark("The exchange could not be reached"),
    EndCause.REDIRECTED: words.mark("The exchange sent the call to another number; it was ended"),
    EndCause.MEDIA_TIMEOUT: words.mark("The sound stopped"),
    EndCause.PROVIDER_ERROR: words.mark("The exchange or our process failed"),
    EndCause.UNSUPPORTED: words.mark("The other side’s telephone or exchange cannot do that"),
    EndCause.TRANSFERRED: words.mark("The call was handed on"),
}
"""Why a call ended; that somebody hung up needs no words."""

OUTCOMES: Mapping[str, str] = {
    "recorded": words.mark("Recorded"),
    "not-asked": words.mark("Nobody asked"),
    "refused": words.mark("They said no"),
    "silent": words.mark("No answer to the question"),
    "blocked": words.mark("Not allowed"),
    "notice-cut": words.mark("The notice was cut short"),
    "degraded": words.mark("Recorded with gaps"),
    "failed": words.mark("Recording failed"),
    "erased": words.mark("Erased"),
    "quarantined": words.mark("Held back for a check"),
}
STATES: Mapping[str, str] = {
    "ended": words.mark("The call ended"),
    "closed": words.mark("Not recording"),
    "blocked": words.mark("Recording is not allowed"),
    "telling": words.mark("They are being told"),
    "asking": words.mark("They are being asked"),
    "sealing": words.mark("Consent is being written down"),
    "held": words.mark("Paused"),
    "open": words.mark("Recording"),
}
CAUSES: Mapping[str, str] = {
    "hung-up": words.mark("somebody hung up"),
    "failed": words.mark("something failed"),
    "no-contact": words.mark("nobody is on the line yet"),
    "not-decided": words.mark("the rules have not been applied yet"),
    "private": words.mark("its agent marked it as private"),
    "forbidden": words.mark("the rules forbid it"),
    "switched-off": words.mark("recording is switched off"),
    "withdrawn": words.mark("they took their consent back"),
    "refused": words.mark("they said no"),
    "not-acknowledged": words.mark(
        "an agent has not read the employee notice or not agreed, or their site is not settled"
    ),
    "machine": words.mark("a machine answered"),
    "telling": words.mark("a notice is owed"),
    "asking": words.mark("consent is owed"),
    "sealing": words.mark("nothing is kept before it is written"),
    "paused": words.mark("paused"),
    "not-wanted": words.mark("nobody asked for recording"),
    "met": words.mark("everything owed was done"),
}
HOWS: Mapping[str, str] = {
    "agent": words.mark("the agent noted it"),
    "announcement": words.mark("an announcement was played"),
    "keypad": words.mark("they pressed a key"),
    "reported": words.mark("the dialer reported a key"),
    "spoken": words.mark("they said it"),
    "written": words.mark("in writing"),
    "on-file": words.mark("the consent on file was withdrawn"),
}
KINDS: Mapping[str, str] = {
    "informed": words.mark("Told"),
    "agreed": words.mark("Agreed"),
    "refused": words.mark("Refused"),
    "withdrawn": words.mark("Took it back"),
}
RECORDING_STATES: Mapping[str, str] = {
    "spool": words.mark("being recorded"),
    "sealed": words.mark("waiting to be checked"),
    "checking": words.mark("being checked"),
    "ready": words.mark("ready"),
    "quarantined": words.mark("held back for a check"),
    "erased": words.mark("erased"),
}
OPENINGS: Mapping[str, str] = {
    "access.played": words.mark("listened"),
    "access.read": words.mark("read the transcript"),
    "access.original": words.mark("opened the original, with nothing hidden"),
    "access.exported": words.mark("exported it"),
    "access.found": words.mark("opened the call from a search"),
    "access.shared": words.mark("shared it with somebody outside"),
    "access.unshared": words.mark("ended a share"),
    "access.refused": words.mark("tried to open it and was refused"),
    "access.certified": words.mark("made a certificate"),
}
REFUSALS: Mapping[str, str] = {
    Why.NO_RIGHT: words.mark("no right to it"),
    Why.NO_LINK: words.mark("a link that nobody made"),
    Why.EXPIRED: words.mark("the link had run out"),
    Why.REVOKED: words.mark("the link was ended before"),
    Why.OTHER_SESSION: words.mark("the link was somebody else’s"),
    Why.OTHER_RECORDING: words.mark("the link was for another recording"),
    Why.OTHER_PURPOSE: words.mark("for a purpose that nobody was told"),
    Why.NOT_READY: words.mark("it is not to be heard now"),
    Why.WRONG_CODE: words.mark("a wrong code"),
    Why.SHARING_OFF: words.mark("sharing is off"),
}
"""Why an attempt to open something was refused."""

PURPOSES: Mapping[str, str] = {
    ListeningPurpose.QUALITY: words.mark("Quality of service"),
    ListeningPurpose.TRAINING: words.mark("Training of staff"),
    ListeningPurpose.COACHING: words.mark("Coaching of the person who called"),
    ListeningPurpose.BUSINESS_PROOF: words.mark("To see what was agreed"),
    ListeningPurpose.ORDER_RESERVATION: words.mark("To check an order or a reservation"),
    ListeningPurpose.TRANSCRIPTION: words.mark("To take notes"),
    ListeningPurpose.DISPUTE: words.mark("A dispute about what was said"),
    ListeningPurpose.CONSENT_CHECK: words.mark("To check the consent"),
    ListeningPurpose.SUBJECT_REQUEST: words.mark("They asked for it"),
    ownpackage.PURPOSE: words.mark("The agent’s own data"),
    SEARCH_PURPOSE: words.mark("A search for words"),
}
