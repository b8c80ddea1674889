"""Live calls that somebody else's dialer carries: placed, connected, reported, and shut when lost.

The dialer sends frames over one connection at a time and follows the gate's states. What it reports
counts as what a provider reports, except a key: that is written down as reported, because we did
not hear it, and is a key's proof from a program only. While the dialer is not connected the gate is
closed, and opens again only by a decision that is made after it has come back.
"""

from __future__ import annotations

import logging
import unicodedata
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar

from askfirst import events as ev
from askfirst.errors import InvalidInput, Refused
from askfirst.ledger import Datum
from askfirst.model import Party, Proof, Role
from askfirst.notice import NoticeFacts
from askfirst.ports import EndCause
from askfirst.server.accounts import User
from askfirst.server.callbook import Also
from askfirst.server.contactcard import plain, standard
from askfirst.server.desk import Desk
from askfirst.server.livecall import LiveCall
from askfirst.server.node import Node
from askfirst.server.prompts import no_prompt
from askfirst.server.reportingcall import ReportingCall
from askfirst.telephony.externalline import AgentElsewhere, ExternalLine

log = logging.getLogger(__name__)

PROVIDER = "external"
REPORTED = "reported"
"""How a consent came that rests on a key which the dialer says it heard."""

LONGEST_NUMBER = 64
MOST_DIGITS = 4
"""Digits that a text may have which is no telephone number, such as that of a desk."""

MOST_CALLS = 100
"""Live calls of one user; a dialer may carry those of many agents under one token."""

Value = TypeVar("Value")

REPORTS = ("answered", "machine", "joined", "left", "dtmf", "ended")


class CarriedCall(ReportingCall):
    """A call whose media path may be lost and come back.

    `is_by_token` is whether a program placed it: a key that a person's browser reports is no more
    than that person's word.
    """

    def __init__(self, *given: Any, is_by_token: bool = False, **more: Any) -> None:
        super().__init__(*given, **more)
        self._is_by_token = is_by_token
        self._is_cut_off = False
        self._durable_meanwhile: list[int] = []

    def cut_off(self) -> None:
        """Frames come no more: the gate closes now, and stays closed until `reconnect`."""
        if not self.facts.has_ended and not self._is_cut_off:
            self._is_cut_off = True
            if self.facts.parties:
                self._lose()

    def reconnect(self) -> None:
        """Frames come again: the law is decided anew, and only that may open the gate."""
        if not self._is_cut_off:
            return
        self._is_cut_off = False
        if self.facts.has_ended:
            return
        durable, self._durable_meanwhile = self._durable_meanwhile, []
        for serial in durable:
            self._durable(serial)
        if self.facts.parties:
            self._decided(self._decide())

    def _lose(self) -> None:
        self.report(ev.Failed(self.now_ms()), data={"why": "connection-lost"})

    def _answer(self, legs: tuple[str, str]) -> None:
        if self._is_cut_off:  # while the report of the answer was under way
            self._lose()
        super()._answer(legs)

    def _key_how(self) -> str:
        return REPORTED

    def give(
        self,
        evidence: ev.Evidence,
        how: str,
        more: Mapping[str, Datum] | None = None,
        also: Also | None = None,
    ) -> None:
        """As `Call.give`; what a person reports who is no dialer is the agent's word."""
        if how == REPORTED and not self._is_by_token:
            evidence = replace(evidence, proof=Proof.AGENT_WORD)
        super().give(evidence, how, more, also)

    def _durable(self, serial: int) -> None:
        # What is sealed heals a fault; this fault is not the disk's.
        if self._is_cut_off:
            self._unwritten.pop(serial, None)
            self._durable_meanwhile.append(serial)
        else:
            super()._durable(serial)


class ExternalLive(LiveCall):
    """A live call with what its dialer may do; `holder` is the session or token that placed it."""

    def __init__(
        self,
        user: User,
        call: CarriedCall,
        line: ExternalLine,
        facts: NoticeFacts,
        holder: str,
        region: str | None = None,
    ) -> None:
        super().__init__(user, call, line, AgentElsewhere(line), facts, region=region)
        self.line = line
        self.holder = holder
        self._carried = call
        self._joins = 1
        self._connection: object | None = None

    def connect(self) -> object:
        """The dialer's one connection stands; gives what stands for it.

        Raises Refused for a second one and after the end.
        """
        if self.has_ended:
            raise Refused("the call is over; no frames are taken any more")
        if self.line.is_connected:
            raise Refused("the frames of this call come by another connection; close that first")
        self._connection = object()
        self.line.is_connected = True
        self.line.renew()
        self._carried.reconnect()
        self.look()
        return self._connection

    def disconnect(self, connection: object) -> None:
        """A connection is lost or closed; the gate closes with it. Nothing happens twice."""
        if connection is self._connection:
            self._connection = None
            self.line.is_connected = False
            self._carried.cut_off()
            self.look()

    def receive(self, connection: object, message: bytes) -> None:
        """Take a message of the dialer's one connection, as `ExternalLine.receive`."""
        if connection is self._connection:
            self.line.receive(message)

    def announce(self) -> None:
        """Raises Refused: nothing of ours is heard in this call."""
        self.ensure_live()
        raise Refused(
            "the dialer that carries this call plays its own announcement; report telling, play "
            "it, then report informed"
        )

    def report(
        self,
        what: str,
        *,
        party: int | None = None,
        digit: str | None = None,
        number: str | None = None,
        cause: str | None = None,
    ) -> int | None:
        """What the dialer saw; gives the party that joined. Raises InvalidInput, Refused.

        `what` is one of `REPORTS`: `joined` takes a number, `left` and `dtmf` a party, `dtmf` one
        digit, `ended` a cause of `ports.EndCause`.
        """
        if self.has_ended:
            raise Refused("the call is over; nothing can be reported about it any more")
        match what:
            case "answered":
                if not self.line.is_connected:
                    raise Refused("no frames can come yet; connect to frames, then report it")
                self.line.answer()
            case "machine":
                self.line.machine()
            case "joined":
                return self._joined(number)
            case "left":
                self.leave(_given("party", party))
            case "dtmf":
                self.line.press(_given("party", party), _given("digit", digit))
            case "ended":
                self.line.end(_cause(cause))
            case _:
                raise InvalidInput(f"found the report {what[:40]!r}; expected {', '.join(REPORTS)}")
        return None

    def _joined(self, number: str | None) -> int:
        """Reported to the gate before a frame of the new leg can come."""
        self.ensure_live()
        person = Party(Role.CONTACT, self._number(number))
        self._joins += 1
        leg = f"{self.line.contact_leg}-{self._joins}"
        party = self.call.join(leg, person)
        self.line.add_leg(party, leg)
        return party

    def _number(self, written: str | None) -> str | None:
        return number_of(written, self._region) if written else None


def number_of(text: str, region: str | None) -> str:
    """A telephone number as E.164, and any other text as it is: a desk, a name, an address.

    `region` (ISO 3166-1) is used for numbers without +. Raises InvalidInput for what may be a
    number and cannot be told: one that is kept in another form is found by no erasure.
    """
    tidied = _tidied(text)
    number = standard(tidied, region)
    if number is None and sum(each.isdigit() for each in tidied) > MOST_DIGITS:
        raise InvalidInput(
            "found digits that are no telephone number; give + and 7 to 15 digits, a number of "
            "the account's country, or a name"
        )
    return number or tidied


def _tidied(text: str) -> str:
    if len(text) > LONGEST_NUMBER:
        raise InvalidInput(f"found {len(text)} characters; expected 1 to {LONGEST_NUMBER}")
    # Cc are control characters, NUL among them; Cs are halves of characters.
    if any(unicodedata.category(each) in ("Cc", "Cs") for each in text):
        raise InvalidInput("found a control character; give a number or a name")
    tidied = " ".join(plain(text).split())
    if not tidied:
        raise InvalidInput(f"found nothing; expected 1 to {LONGEST_NUMBER} characters")
    return tidied


async def place(
    desk: Desk,
    node: Node,
    user: User,
    holder: str,
    to: str,
    capture_lag_ms: int,
    *,
    is_by_token: bool = False,
    is_private: bool = False,
) -> ExternalLive:
    """A call that a dialer makes for a user, to be connected by the dialer afterwards.

    `holder` is the session or token that places it, `is_by_token` which of the two. Raises
    InvalidInput for a number or lag that cannot be, Refused while the desk closes, for a user with
    too many calls, and where the rules of the number's country have to be read first.
    """
    tidied = _tidied(to)
    mine = [live for live in desk.all() if live.user_id == user.id and not live.has_ended]
    if len(mine) >= MOST_CALLS:
        raise Refused(f"found {MOST_CALLS} live calls of this user; end one first")
    beginning = await desk.begin(user, tidied, is_private)
    start = beginning.start
    number = number_of(start.number, start.account.region)
    if desk.callee(number) is not None:
        raise InvalidInput("found a demo number; only the simulator calls those")
    line = ExternalLine(desk.clock, number, capture_lag_ms)
    call = CarriedCall(
        desk.store_for(start),
        desk.clock,
        desk.request(
            user,
            start,
            provider=PROVIDER,
            language=start.account.language,
            # Nothing can be played: the dialer tells, and says so.
            announces=False,
            beeps=False,
            hears_answers=False,
        ),
        start.account.notice_facts(),
        no_prompt,
        separate_legs=line.capabilities.separate_legs,
        on_outbox=node.jobs.dispatch,
        is_by_token=is_by_token,
    )
    line.call_ms = call.now_ms
    facts, region = start.account.notice_facts(), start.account.region
    live = ExternalLive(user, call, line, facts, holder, region)
    await desk.enter(live, line, beginning)
    return live


def _given(key: str, value: Value | None) -> Value:
    if value is None:
        raise InvalidInput(f"{key} is missing; name it")
    return value


def _cause(word: str | None) -> EndCause:
    try:
        return EndCause.REMOTE_HANGUP if word is None else EndCause(word)
    except ValueError:
        known = ", ".join(EndCause)
        raise InvalidInput(f"found the cause {word!r:.40}; expected one of {known}") from None
