"""What the settings say for codes: roles, elements of a notice, sectors, names of languages."""

from __future__ import annotations

from collections.abc import Mapping

from askfirst.model import Element
from askfirst.server.access import UserRole
from askfirst.web import words

ROLES: Mapping[str, str] = {
    UserRole.AGENT: words.mark("Agent"),
    UserRole.SUPERVISOR: words.mark("Supervisor"),
    UserRole.COMPLIANCE: words.mark("Compliance"),
    UserRole.ADMIN: words.mark("Administrator"),
    UserRole.AUDITOR: words.mark("Auditor"),
}
NOTICE_LANGUAGES: Mapping[str, str] = {
    "en": "English",
    "nb": "Norsk bokmål",
    "de": "Deutsch",
    "fr": "Français",
    "es": "Español",
    "sv": "Svenska",
}
"""Languages that notices are written in, each by its own name."""

SECTORS: Mapping[str, str] = {
    "finance": words.mark("Finance"),
    "public_utility": words.mark("Public utility"),
}
REGIMES: Mapping[str, str] = {
    "mifid2": words.mark("MiFID II (investment firms in the EEA)"),
    "fca": words.mark("FCA (investment firms in the United Kingdom)"),
    "cftc": words.mark("CFTC (swap dealers in the United States)"),
}
PROOFS: Mapping[int, str] = {
    3: words.mark("3 Announcement played to its end"),
    4: words.mark("4 Key pressed"),
    5: words.mark("5 Spoken yes"),
    6: words.mark("6 In writing, on file"),
}
ELEMENTS: Mapping[str, str] = {
    Element.INTENT_TO_RECORD: words.mark("that the call is recorded"),
    Element.PURPOSE: words.mark("what it is for"),
    Element.PURPOSE_DETAILED: words.mark("every purpose, spelled out"),
    Element.CONTROLLER_IDENTITY: words.mark("which company records"),
    Element.CONSENT_REQUEST: words.mark("a question that needs a yes"),
    Element.CONSENT_EACH_PERSON: words.mark("that everybody has to agree"),
    Element.RIGHT_TO_OBJECT: words.mark("that they may say no"),
    Element.NO_DETRIMENT: words.mark("that a no costs nothing"),
    Element.ALTERNATIVE_CHANNEL: words.mark("another way that is not recorded"),
    Element.WITHDRAWAL: words.mark("that a yes may be taken back"),
    Element.RETENTION: words.mark("how long it is kept"),
    Element.RECIPIENTS_THIRD_PARTIES: words.mark("who else gets it"),
    Element.TRANSCRIPTION_AI: words.mark("that software writes and analyses"),
    Element.LEGAL_BASIS: words.mark("the lawful basis"),
    Element.RIGHTS: words.mark("copy, erasure and complaint"),
    Element.FULL_NOTICE_POINTER: words.mark("where the full notice is"),
    Element.CROSS_BORDER_TRANSFER: words.mark("that it leaves the country"),
    Element.VOLUNTARINESS: words.mark("whether it is voluntary"),
    Element.COPY_AVAILABLE: words.mark("that a copy can be had"),
    Element.UNIQUE_ID: words.mark("the number of the call"),
    Element.MANDATORY_RECORDING: words.mark("that the law requires it"),
    Element.EMOTION_RECOGNITION: words.mark("that emotions are estimated"),
    Element.LANGUAGE_OF_CONTACT: words.mark("that another language can be had"),
    Element.BEEP: words.mark("that a tone is heard"),
}
