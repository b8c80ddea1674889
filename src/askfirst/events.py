"""What may be reported to the gate: one frozen value for each kind of event.

Times are milliseconds on the call clock (0 = answer). Events report what happened; what follows
from them is for `askfirst.gate` alone to say.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from askfirst.model import (
    UNKNOWN,
    USES_OF_A_RECORDING,
    Decision,
    Element,
    Form,
    Proof,
    Requirement,
    Role,
    Use,
)

_PROOFS_OF = {
    Form.TOLD: frozenset({Proof.AGENT_WORD, Proof.ANNOUNCED}),
    Form.AGREED: frozenset({Proof.AGENT_WORD, Proof.KEY, Proof.SPOKEN}),
    Form.WRITTEN: frozenset({Proof.WRITTEN}),
}


class Teller(StrEnum):
    """Who gives a notice."""

    AGENT = "agent"
    ANNOUNCEMENT = "announcement"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one party was told or answered, for which uses, covering which notice elements."""

    party: int
    form: Form
    proof: Proof
    uses: frozenset[Use] = frozenset(USES_OF_A_RECORDING)
    elements: frozenset[Element] = frozenset()

    @property
    def is_sound(self) -> bool:
        """Whether form and proof can go together.

        An announcement is never an agreement, and proof 2 only comes from a later check.
        """
        return self.proof in _PROOFS_OF[self.form]

    def meets(self, requirement: Requirement) -> bool:
        """Whether this covers form, proof, uses and every element of a requirement."""
        return (
            self.party == requirement.party
            and self.form >= requirement.form
            and self.proof >= requirement.proof
            and self.uses >= requirement.uses
            and self.elements >= requirement.elements
        )


@dataclass(frozen=True, slots=True)
class Decided:
    """A decision was made; it counts only for exactly the parties and places it names."""

    at_ms: int
    decision: Decision


@dataclass(frozen=True, slots=True)
class PartyJoined:
    """A party is about to be connected. Report it before its media flows.

    Reported again for a party already known, it adds places and may turn it into a machine.
    """

    at_ms: int
    party: int
    role: Role
    leg: str
    places: frozenset[str] = frozenset({UNKNOWN})
    is_machine: bool = False


@dataclass(frozen=True, slots=True)
class PlaceLearned:
    """A party turns out to be, perhaps, in one more place."""

    at_ms: int
    party: int
    code: str


@dataclass(frozen=True, slots=True)
class PartyLeft:
    """A party left. Its leg may not be kept any more; nothing loosens by that."""

    at_ms: int
    party: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """The agent, or an automatic start, wants this call recorded."""

    at_ms: int


@dataclass(frozen=True, slots=True)
class Unwanted:
    """Recording is no longer wanted."""

    at_ms: int


@dataclass(frozen=True, slots=True)
class TellingStarted:
    """The agent begins to tell, or the first sample of the announcement plays."""

    at_ms: int
    by: Teller


@dataclass(frozen=True, slots=True)
class TellingEnded:
    """The notice was given to its end; an answer may follow."""

    at_ms: int


@dataclass(frozen=True, slots=True)
class TellingCancelled:
    """The notice was broken off; it does not count."""

    at_ms: int


@dataclass(frozen=True, slots=True)
class Met:
    """A party was told, agreed, or agreed in writing."""

    at_ms: int
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Refused:
    """A party said no."""

    at_ms: int
    party: int


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """A party took its yes back."""

    at_ms: int
    party: int


@dataclass(frozen=True, slots=True)
class Held:
    """A pause begins; several may overlap, each under its own name."""

    at_ms: int
    hold: str


@dataclass(frozen=True, slots=True)
class Released:
    """A pause ends."""

    at_ms: int
    hold: str


@dataclass(frozen=True, slots=True)
class SwitchChanged:
    """The account's recording switch is on or off; off until reported."""

    at_ms: int
    is_on: bool


@dataclass(frozen=True, slots=True)
class AcknowledgementChanged:
    """An agent has, or no longer has, acknowledged the employee notice; not until reported."""

    at_ms: int
    party: int
    is_given: bool


@dataclass(frozen=True, slots=True)
class MadePrivate:
    """The agent says that the call is private: nothing of it is kept from here to its end."""

    at_ms: int


@dataclass(frozen=True, slots=True)
class Sealed:
    """The event that took this serial is durable, in the ledger and on disk."""

    at_ms: int
    serial: int


@dataclass(frozen=True, slots=True)
class Failed:
    """Something in the media path, the key store or the ledger failed."""

    at_ms: int


@dataclass(frozen=True, slots=True)
class HungUp:
    """The call is over."""

    at_ms: int


Event = (
    Decided
    | PartyJoined
    | PlaceLearned
    | PartyLeft
    | Wanted
    | Unwanted
    | TellingStarted
    | TellingEnded
    | TellingCancelled
    | Met
    | Refused
    | Withdrawn
    | Held
    | Released
    | SwitchChanged
    | AcknowledgementChanged
    | MadePrivate
    | Sealed
    | Failed
    | HungUp
)

NEEDS_SEAL = (
    Decided,
    PartyJoined,
    PlaceLearned,
    Met,
    Refused,
    Withdrawn,
    SwitchChanged,
    AcknowledgementChanged,
)
"""Events that a permit rests on: each takes the next serial and must be durable before OPEN."""
