"""One call as a vCon: who spoke, what may be done with it and why, and what may be handed on.

vCon core 0.4.0 with lawful_basis attachments. What no grant covers is left out: the audio unless
every contact has granted recording, the transcript unless every contact has granted transcription,
both for an erased or quarantined call. Checking is in `vconcheck`, signing and reading in
`vconread`; their public names stand here as well.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from askfirst.canonical import canonical
from askfirst.errors import InvalidInput, Unverified
from askfirst.ledger import timestamp
from askfirst.model import Outcome, OutcomeCode, Proof, Role, Use
from askfirst.vconcheck import LAWFUL_BASIS, VERSION, base64url, check
from askfirst.vconread import Imported, PartyGrants, form, read, sign, verify_signed

__all__ = [
    "Answer",
    "Audio",
    "CallRecord",
    "Grant",
    "Imported",
    "LawfulBasis",
    "LedgerReference",
    "NoticeRecord",
    "PartyConsent",
    "PartyEvent",
    "PartyGrants",
    "PartyRecord",
    "SpokenLine",
    "Transcript",
    "build",
    "check",
    "check_content",
    "content_hash",
    "form",
    "read",
    "sign",
    "verify_signed",
]

TRANSCRIPT_SCHEMA = "askfirst-transcript-1"
PEOPLE = "people"
"""In place of an engine: people corrected these words, or brought them from elsewhere."""


PURPOSES = {
    Use.RECORD: "recording",
    Use.TRANSCRIBE: "transcription",
    Use.ANALYSE: "analysis",
    Use.SHARE: "sharing",
    Use.LISTEN: "listening",
}
"""The word that vCon has for each use; listening for an answer leaves nothing to grant."""


class LawfulBasis(StrEnum):
    """Why processing is lawful, as the account's operator has documented it (GDPR art. 6(1))."""

    CONSENT = "consent"
    CONTRACT = "contract"
    LEGAL_OBLIGATION = "legal_obligation"
    VITAL_INTERESTS = "vital_interests"
    PUBLIC_TASK = "public_task"
    LEGITIMATE_INTERESTS = "legitimate_interests"


class Answer(StrEnum):
    """What a person said to being recorded; the draft does not tell a no from silence."""

    GIVEN = "given"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    SILENT = "silent"
    NOT_ASKED = "not-asked"
    NOT_REQUIRED = "not-required"


@dataclass(frozen=True, slots=True)
class PartyRecord:
    """A party; `number` is E.164, None when withheld or erased. `uuid` names the person to us."""

    role: Role
    number: str | None = None
    uuid: str | None = None


@dataclass(frozen=True, slots=True)
class PartyEvent:
    """Something that happened to a party's line; `button` only for keydown and keyup."""

    party: int
    at: datetime
    event: str
    button: str | None = None


@dataclass(frozen=True, slots=True)
class Audio:
    """The recording: either its bytes, or an https address with the hash of what lies there.

    `channels` names the parties heard on each channel, channel 1 first.
    """

    start: datetime
    duration_ms: int
    channels: tuple[tuple[int, ...], ...]
    mediatype: str
    filename: str
    body: bytes | None = None
    url: str | None = None
    content_hash: str | None = None


@dataclass(frozen=True, slots=True)
class Grant:
    """One use allowed or denied, and since when."""

    use: Use
    granted: bool
    at: datetime


@dataclass(frozen=True, slots=True)
class NoticeRecord:
    """The notice as it was given: hash of its text, how much was played, whether to its end."""

    text_hash: str
    language: str
    played_ms: int
    completed: bool


@dataclass(frozen=True, slots=True)
class LedgerReference:
    """Where the evidence stands in the ledger, with the proof of it (hexadecimal hashes)."""

    origin: str
    index: int
    size: int
    root: str
    proof: tuple[str, ...]
    url: str | None = None


@dataclass(frozen=True, slots=True)
class PartyConsent:
    """Everything about one contact's consent. `how` is agent, announcement, keypad, reported
    (a key, on a dialer's word), spoken, written or None; `verified` says whether the agent's word
    was found in what was said, None when nobody looked. `evidence` takes only the fields of
    `EVIDENCE`, never spoken words.
    """

    party: int
    basis: LawfulBasis
    answer: Answer
    at: datetime
    grants: tuple[Grant, ...]
    how: str | None = None
    proof: Proof = Proof.NONE
    verified: bool | None = None
    expires_at: datetime | None = None
    evidence: Mapping[str, str | int] = field(default_factory=dict)
    notice: NoticeRecord | None = None
    ledger: LedgerReference | None = None


EVIDENCE = frozenset(
    [
        "button",
        "label",
        "rule",
        "language",
        "engine",
        "time_offset_ms",
        "agent",
        "document",
        "confidence_percent",
    ]
)


@dataclass(frozen=True, slots=True)
class SpokenLine:
    """One stretch of speech of one party, None where nobody can say whose it is; times in
    milliseconds since the answer.
    """

    party: int | None
    start_ms: int
    end_ms: int
    text: str


@dataclass(frozen=True, slots=True)
class Transcript:
    """What was said, and what wrote it down: the name of an engine, or `PEOPLE`."""

    language: str
    engine: str
    lines: tuple[SpokenLine, ...]


@dataclass(frozen=True, slots=True)
class CallRecord:
    """One call, ready to be handed on.

    `uuid` names this vCon and is chosen by the caller, a new one for each version. `decision` is
    the decision's JSON. `consents` has exactly one item for each contact. `history` carries the
    keys of consent alone: other digits may be a card number. `replaces` is the uuid of the version
    before; `content_removed` says that this one lacks content which that one had.
    `corrected` stands beside the words of the engine, never in their place.
    """

    uuid: str
    created_at: datetime
    start: datetime
    duration_ms: int
    parties: tuple[PartyRecord, ...]
    decision: Mapping[str, object]
    outcome: Outcome
    consents: tuple[PartyConsent, ...]
    originator: int = 0
    audio: Audio | None = None
    transcript: Transcript | None = None
    corrected: Transcript | None = None
    session: tuple[str, str] | None = None
    history: tuple[PartyEvent, ...] = ()
    replaces: str | None = None
    content_removed: bool = False


def build(call: CallRecord) -> dict[str, object]:
    """The vCon of a call, checked; what no grant covers is left out.

    Raises InvalidInput when the record contradicts itself: no or two consents of a contact, a
    grant after a refusal, a consent that rests on nothing.
    """
    _check_consents(call)
    document: dict[str, object] = {
        "vcon": VERSION,
        "uuid": call.uuid,
        "created_at": timestamp(call.created_at),
        "parties": [_party(party, call.outcome.code) for party in call.parties],
        "dialog": [_dialog(call)],
        "attachments": [_lawful_basis(call, consent) for consent in call.consents],
    }
    if call.consents:
        document["extensions"] = [LAWFUL_BASIS]
    written = [each for each in (call.transcript, call.corrected) if each is not None]
    if written and _may(call, Use.RECORD) and _may(call, Use.TRANSCRIBE):
        document["analysis"] = [_transcript(each) for each in written]
    if call.replaces is not None:
        if call.content_removed:
            document["redacted"] = {"uuid": call.replaces, "type": "consent-withdrawn-or-erased"}
        else:
            document["amended"] = {"uuid": call.replaces}
    check(document)
    return document


def content_hash(raw: bytes) -> str:
    """``sha512-`` and the base64url of the SHA-512 of a file, as vCon writes it."""
    return "sha512-" + base64url(hashlib.sha512(raw).digest())


def check_content(expected: str | Sequence[str], raw: bytes) -> None:
    """Return only if a file has a content_hash, or one of a list; raises Unverified with both."""
    found = content_hash(raw)
    wanted = [expected] if isinstance(expected, str) else list(expected)
    if found not in wanted:
        raise Unverified(f"content_hash: expected {' or '.join(wanted)}, found {found}")


def _check_consents(call: CallRecord) -> None:
    contacts = [n for n, party in enumerate(call.parties) if party.role is Role.CONTACT]
    if sorted(consent.party for consent in call.consents) != contacts:
        raise InvalidInput(
            "vCon: expected exactly one consent for each contact, and for these only"
        )
    for consent in call.consents:
        who = f"vCon: the consent of party {consent.party}"
        if not consent.grants:
            raise InvalidInput(f"{who} says nothing; give a grant, also for a no")
        granted = any(grant.granted for grant in consent.grants)
        if granted and consent.answer not in (Answer.GIVEN, Answer.NOT_REQUIRED):
            raise InvalidInput(f"{who} grants something although the answer is {consent.answer}")
        by_consent = consent.basis is LawfulBasis.CONSENT
        if consent.answer is Answer.NOT_REQUIRED and by_consent:
            raise InvalidInput(f"{who} was not required; name the basis that the account rests on")
        # An announcement tells; it does not make anybody agree.
        if granted and by_consent and consent.proof in (Proof.NONE, Proof.ANNOUNCED):
            raise InvalidInput(f"{who} rests on nothing that the person did")
        if set(consent.evidence) - EVIDENCE:
            raise InvalidInput(
                f"{who} has evidence fields other than {', '.join(sorted(EVIDENCE))}"
            )


def _may(call: CallRecord, use: Use) -> bool:
    """Whether every contact has granted a use and the call's content may be handed on at all."""
    if call.outcome.code in (OutcomeCode.ERASED, OutcomeCode.QUARANTINED):
        return False
    for consent in call.consents:
        answers = [grant.granted for grant in consent.grants if grant.use is use]
        if not answers or not all(answers):
            return False
    return bool(call.consents)


def _party(party: PartyRecord, outcome: OutcomeCode) -> dict[str, object]:
    found: dict[str, object] = {"type": "person"}
    erased = outcome is OutcomeCode.ERASED and party.role is Role.CONTACT
    if party.number is not None and not erased:
        found["tel"] = party.number
    if party.uuid is not None:
        found["uuid"] = party.uuid
    if len(found) == 1:
        found["name"] = "anonymous"
    return found


def _dialog(call: CallRecord) -> dict[str, object]:
    audio = call.audio if _may(call, Use.RECORD) else None
    dialog: dict[str, object]
    if audio is None:
        # A conversation that was not recorded has no type of its own: a set without recordings.
        everybody: list[object] = list(range(len(call.parties)))
        dialog = {
            "type": "recording-set",
            "start": timestamp(call.start),
            "duration": _seconds(call.duration_ms),
            "parties": everybody,
            "recordings": [],
        }
        first: object = 0
    else:
        channels = [_channel(parties) for parties in audio.channels]
        dialog = {
            "type": "recording",
            "start": timestamp(audio.start),
            "duration": _seconds(audio.duration_ms),
            "parties": channels,
            "mediatype": audio.mediatype,
            "filename": audio.filename,
        }
        dialog |= _audio_content(audio)
        first = channels[0] if channels else None
    if call.originator != first:
        dialog["originator"] = call.originator
    if call.session is not None:
        dialog["session_id"] = {"local": call.session[0], "remote": call.session[1]}
    if call.history:
        dialog["party_history"] = [_event(event) for event in call.history]
    return dialog


def _audio_content(audio: Audio) -> dict[str, object]:
    if (audio.body is None) == (audio.url is None):
        raise InvalidInput("vCon: audio needs either its bytes or an address, and not both")
    if audio.body is not None:
        return {"body": base64url(audio.body), "encoding": "base64url"}
    return {"url": audio.url, "content_hash": audio.content_hash}


def _channel(parties: tuple[int, ...]) -> object:
    if not parties:
        return None
    return parties[0] if len(parties) == 1 else list(parties)


def _seconds(ms: int) -> int | float:
    return ms // 1000 if ms % 1000 == 0 else ms / 1000


def _event(event: PartyEvent) -> dict[str, object]:
    found: dict[str, object] = {
        "party": event.party,
        "time": timestamp(event.at),
        "event": event.event,
    }
    if event.button is not None:
        found["button"] = event.button
    return found


def _lawful_basis(call: CallRecord, consent: PartyConsent) -> dict[str, object]:
    at = timestamp(consent.at)
    body: dict[str, object] = {
        "lawful_basis": consent.basis.value,
        "expiration": None if consent.expires_at is None else timestamp(consent.expires_at),
        "purpose_grants": [
            {
                "purpose": PURPOSES[grant.use],
                "granted": grant.granted,
                "granted_at": timestamp(grant.at),
            }
            for grant in consent.grants
            if grant.use in PURPOSES
        ],
        "metadata": _metadata(call, consent),
    }
    if consent.how is not None:
        body["proof_mechanisms"] = [_proof(consent, at)]
    if consent.ledger is not None and consent.ledger.url is not None:
        body["registry"] = {"type": "askfirst-ledger", "url": consent.ledger.url}
    return {
        "purpose": LAWFUL_BASIS,
        "start": at,
        "party": consent.party,
        "dialog": 0,
        "mediatype": "application/json",
        "encoding": "json",
        "body": body,
    }


_METHODS = {
    "agent": ("external_system", "agent_attestation"),
    "announcement": ("external_system", "announcement"),
    "keypad": ("external_system", "dtmf"),
    "reported": ("external_system", "dtmf_reported"),
    "spoken": ("verbal_confirmation", "spoken"),
    "written": ("signed_document", "written"),
    "on-file": ("signed_document", "withdrawn_on_file"),
}


def _proof(consent: PartyConsent, at: str) -> dict[str, object]:
    if consent.how not in _METHODS:
        raise InvalidInput(f"vCon: how is one of {', '.join(_METHODS)}, not {consent.how!r}")
    kind, method = _METHODS[consent.how]
    data: dict[str, object] = {"method": method, "dialog_reference": 0, **consent.evidence}
    if consent.how == "agent":
        data["verified"] = "unknown" if consent.verified is None else consent.verified
    return {"proof_type": kind, "timestamp": at, "proof_data": data}


def _metadata(call: CallRecord, consent: PartyConsent) -> dict[str, object]:
    found: dict[str, object] = {
        "answer": consent.answer.value,
        "proof": int(consent.proof),
        "outcome": {"code": call.outcome.code.value, "reason": call.outcome.reason},
        "decision": _decision(call.decision),
    }
    if consent.notice is not None:
        found["notice"] = {
            "text_hash": consent.notice.text_hash,
            "language": consent.notice.language,
            "played_ms": consent.notice.played_ms,
            "completed": consent.notice.completed,
        }
    if consent.ledger is not None:
        found["ledger"] = {
            "origin": consent.ledger.origin,
            "index": consent.ledger.index,
            "size": consent.ledger.size,
            "root": consent.ledger.root,
            "proof": list(consent.ledger.proof),
        }
    return found


def _decision(decision: Mapping[str, object]) -> dict[str, object]:
    """What the decision rested on, without the numbers, which stand in `parties` if anywhere."""
    parties = decision.get("parties")
    reasons = decision.get("reasons")
    found = {
        name: decision[name]
        for name in ("mode", "governing", "primary", "requirements", "rulebook")
        if name in decision
    }
    if isinstance(parties, list):
        found["parties"] = [
            {name: party[name] for name in ("role", "places", "unknown") if name in party}
            for party in parties
            if isinstance(party, dict)
        ]
    if isinstance(reasons, list):
        found["rules"] = [item["rule"] for item in reasons if isinstance(item, dict)]
    # Refuses here, and not in a reader, what is not plain JSON.
    canonical(found)
    return found


def _transcript(transcript: Transcript) -> dict[str, object]:
    return {
        "type": "transcript",
        "dialog": 0,
        "vendor": "askfirst",
        "product": transcript.engine,
        "schema": TRANSCRIPT_SCHEMA,
        "mediatype": "application/json",
        "encoding": "json",
        "body": {
            "language": transcript.language,
            "utterances": [
                {
                    **({} if line.party is None else {"party": line.party}),
                    "start_ms": line.start_ms,
                    "end_ms": line.end_ms,
                    "text": line.text,
                }
                for line in transcript.lines
            ],
        },
    }
