"""The words of the domain, as frozen values. No behaviour beyond what a value knows of itself.

One word per thing; the same words stand in the database, the API, the pages and the documents.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from enum import Enum, IntEnum, StrEnum

UNKNOWN = "UNKNOWN"
"""Code that stands for: nobody knows where this party is."""

POLICY = "POLICY"
"""Code that stands for: the account's own setting decides."""


class Mode(IntEnum):
    """Whether a recording may start by itself. Ordered: a larger value is stricter."""

    AUTO = 0
    ASK = 1
    FORBID = 2

    @property
    def word(self) -> str:
        """The mode as it stands in JSON: ``auto``, ``ask`` or ``forbid``."""
        return self.name.lower()


class Form(IntEnum):
    """What is owed to a party. Ordered: evidence of a larger form meets a smaller one."""

    TOLD = 1
    AGREED = 2
    WRITTEN = 3

    @property
    def word(self) -> str:
        """The form as it stands in JSON: ``told``, ``agreed`` or ``written``."""
        return self.name.lower()


class Proof(IntEnum):
    """What a consent rests on."""

    NONE = 0
    AGENT_WORD = 1
    NOTICE_HEARD = 2
    ANNOUNCED = 3
    KEY = 4
    SPOKEN = 5
    WRITTEN = 6


class Role(StrEnum):
    """On whose side a party sits. Agents are employees of the account; contacts are not."""

    AGENT = "agent"
    CONTACT = "contact"


class Use(StrEnum):
    """What is done with a person's voice."""

    ANSWER = "answer"
    RECORD = "record"
    TRANSCRIBE = "transcribe"
    ANALYSE = "analyse"
    LISTEN = "listen"
    SHARE = "share"


USES_OF_A_RECORDING = (Use.RECORD, Use.TRANSCRIBE, Use.ANALYSE)
"""The uses that a rule speaks of together; no consent owed means these are allowed."""


class Purpose(StrEnum):
    """Why a call is recorded."""

    TRAINING = "training"
    QUALITY = "quality"
    BUSINESS_PROOF = "business_proof"
    ORDER_RESERVATION = "order_reservation"
    COACHING = "coaching"
    TRANSCRIPTION = "transcription"


class Certainty(StrEnum):
    """How sure it is that a party is in a place."""

    CERTAIN = "certain"
    LIKELY = "likely"
    POSSIBLE = "possible"


class Source(StrEnum):
    """Where the belief about a place comes from."""

    NUMBER = "number"
    GIVEN = "given"
    ADDRESS = "address"
    STATED = "stated"
    RECORDER = "recorder"


class Standing(StrEnum):
    """How well a rule is sourced."""

    PRIMARY = "primary-source"
    SECONDARY = "secondary-source"
    UNREVIEWED = "unreviewed"


class Element(StrEnum):
    """Something that a notice says. Meanings: docs/reference/notice-elements.md."""

    INTENT_TO_RECORD = "intent_to_record"
    PURPOSE = "purpose"
    PURPOSE_DETAILED = "purpose_detailed"
    CONTROLLER_IDENTITY = "controller_identity"
    CONSENT_REQUEST = "consent_request"
    CONSENT_EACH_PERSON = "consent_each_person"
    RIGHT_TO_OBJECT = "right_to_object"
    NO_DETRIMENT = "no_detriment"
    ALTERNATIVE_CHANNEL = "alternative_channel"
    WITHDRAWAL = "withdrawal"
    RETENTION = "retention"
    RECIPIENTS_THIRD_PARTIES = "recipients_third_parties"
    TRANSCRIPTION_AI = "transcription_ai"
    LEGAL_BASIS = "legal_basis"
    RIGHTS = "rights"
    FULL_NOTICE_POINTER = "full_notice_pointer"
    CROSS_BORDER_TRANSFER = "cross_border_transfer"
    VOLUNTARINESS = "voluntariness"
    COPY_AVAILABLE = "copy_available"
    UNIQUE_ID = "unique_id"
    MANDATORY_RECORDING = "mandatory_recording"
    EMOTION_RECOGNITION = "emotion_recognition"
    LANGUAGE_OF_CONTACT = "language_of_contact"
    BEEP = "beep"


@dataclass(frozen=True, slots=True)
class Place:
    """A jurisdiction that a party may be in: ISO 3166-1 alpha-2 or 3166-2 code, with why."""

    code: str
    source: Source = Source.GIVEN
    certainty: Certainty = Certainty.CERTAIN


@dataclass(frozen=True, slots=True)
class Party:
    """A person on the call, as far as the law is concerned.

    `number` is E.164 or whatever the caller gave; None when withheld or not needed.
    `places` are known places; those that follow from the number are added, never replaced.
    """

    role: Role
    number: str | None = None
    places: tuple[Place, ...] = ()

    @classmethod
    def agent(cls, *where: str | Place) -> Party:
        """An agent; each argument is a place code, a `Place`, or one number starting with +."""
        return cls._of(Role.AGENT, where)

    @classmethod
    def contact(cls, *where: str | Place) -> Party:
        """A contact; each argument is a place code, a `Place`, or one number starting with +."""
        return cls._of(Role.CONTACT, where)

    @classmethod
    def _of(cls, role: Role, where: tuple[str | Place, ...]) -> Party:
        number: str | None = None
        places: list[Place] = []
        for item in where:
            if isinstance(item, Place):
                places.append(item)
            elif item[:1] in "+0123456789":
                number = item
            else:
                places.append(Place(item))
        return cls(role, number, tuple(places))


@dataclass(frozen=True, slots=True)
class LocatedParty:
    """A party with every place that it plausibly is in; `unknown` says why there is none.

    A party may have both places and an `unknown`: a number without a place beside a known
    address is still a number whose owner may be anywhere.
    """

    role: Role
    number: str | None
    places: tuple[Place, ...]
    unknown: str | None = None


@dataclass(frozen=True, slots=True)
class Requirement:
    """One thing owed to one party before the gate can open; `proof` is the minimum."""

    party: int
    form: Form
    proof: Proof
    uses: frozenset[Use]
    elements: frozenset[Element]
    because: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Duty:
    """Something the account owes besides the answer on the phone.

    `cites` are empty where the duty rests on the sources of the jurisdiction's rules.
    """

    jurisdiction: str
    kind: str
    text: str
    cites: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class WorkplaceGate:
    """What must be settled with the employees of a site before their calls are recorded.

    It follows from the rule file of the agent's place and no policy switches it off; `gate` is
    ``notice``, ``yearly_notice``, ``acknowledgement``, ``posting``, ``works_agreement`` or
    ``agreement``: the agent's own, where secrecy law protects their words too. Whether it is
    settled is on record with the account, not in the decision.
    """

    party: int
    jurisdiction: str
    gate: str


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a rule counts in this call: `party` is the index whose place brought it in."""

    rule: str
    jurisdiction: str
    party: int | None
    why: str
    cites: tuple[str, ...] = ()
    since: date | None = None
    reviewed: date | None = None
    standing: Standing = Standing.UNREVIEWED


@dataclass(frozen=True, slots=True)
class Notice:
    """What has to be said; `inside_recording` where the law wants it at the start of the file."""

    elements: tuple[Element, ...]
    inside_recording: bool
    language: str
    text: str


@dataclass(frozen=True, slots=True)
class Decision:
    """What the law of every party's place and the account's policy say together.

    Produced only by `askfirst.decide.decide`. `on` is the date whose rules were applied.
    `spoken_answer` says whether an answer may be listened for before consent. `purpose` is what
    the account records for, None where nobody said.
    """

    mode: Mode
    governing: tuple[str, ...]
    primary: tuple[str, ...]
    parties: tuple[LocatedParty, ...]
    requirements: tuple[Requirement, ...]
    elements: tuple[Element, ...]
    inside_recording: bool
    spoken_answer: bool
    duties: tuple[Duty, ...]
    reasons: tuple[Reason, ...]
    would_change: tuple[str, ...]
    on: date
    rulebook_version: str
    rulebook_fingerprint: str
    language: str = "en"
    policy_notes: tuple[str, ...] = ()
    workplace: tuple[WorkplaceGate, ...] = ()
    purpose: Purpose | None = None
    id: str | None = None


@dataclass(frozen=True, slots=True)
class Frame:
    """20 ms of one leg: mono signed 16-bit little-endian at 16 kHz, 640 bytes.

    `start_ms` is the capture time on the call clock, in milliseconds since the answer; it may
    be negative for audio captured before the answer, and such audio is never stored.
    """

    leg: str
    start_ms: int
    pcm: bytes


FRAME_MS = 20
SAMPLE_RATE_HZ = 16_000
FRAME_BYTES = SAMPLE_RATE_HZ * FRAME_MS // 1000 * 2


class OutcomeCode(StrEnum):
    """What became of recording in a call; exactly one for every call."""

    RECORDED = "recorded"
    NOT_ASKED = "not-asked"
    REFUSED = "refused"
    SILENT = "silent"
    BLOCKED = "blocked"
    NOTICE_CUT = "notice-cut"
    DEGRADED = "degraded"
    FAILED = "failed"
    ERASED = "erased"
    QUARANTINED = "quarantined"


class Verdict(StrEnum):
    """What the check of a recording says about its notice."""

    HEARD = "heard"
    PARTLY = "partly"
    NOT_HEARD = "not-heard"
    CANNOT_TELL = "cannot-tell"
    NOT_NEEDED = "not-needed"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The recording outcome of a call with its reason in words."""

    code: OutcomeCode
    reason: str


@dataclass(frozen=True, slots=True)
class Word:
    """One recognised word; times in milliseconds on the clock of what was recognised."""

    text: str
    start_ms: int
    end_ms: int
    confidence: float


@dataclass(frozen=True, slots=True)
class Utterance:
    """One stretch of speech of one speaker; times in milliseconds since the answer."""

    speaker: str
    start_ms: int
    end_ms: int
    text: str
    words: tuple[Word, ...] = field(default=(), compare=False)


class RecordingState(Enum):
    """Life of a recording (design: spool, sealed, checking, ready or quarantined, erased)."""

    SPOOL = "spool"
    SEALED = "sealed"
    CHECKING = "checking"
    READY = "ready"
    QUARANTINED = "quarantined"
    ERASED = "erased"
