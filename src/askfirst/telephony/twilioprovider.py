"""Calls over Twilio: it carries the call, the sound comes to us, and nothing is kept there.

What Twilio is asked for is to call, to connect a media stream to us, to hand a call on and to hang
up. It is never asked to record, fork, transcribe or detect anything.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Collection, Mapping

from askfirst.errors import InvalidInput, Refused
from askfirst.model import FRAME_MS
from askfirst.ports import AgentLeg, Clock, EndCause, TelephonyCapabilities
from askfirst.telephony.framegrid import GAP_MS
from askfirst.telephony.phonecall import PhoneCall
from askfirst.telephony.phoneleg import HANDLED_MS
from askfirst.telephony.progress import ringback
from askfirst.telephony.twilioleg import MediaSocket, TwilioLeg
from askfirst.telephony.twilioline import TwilioLine
from askfirst.telephony.twiliolink import Requests, TwilioLink

PASSING_MS = 60
"""From the socket to whoever reads the frames, on a machine that keeps up."""

LONGER_S = 5
"""How much longer than Twilio we wait for an answer, so that its reason comes first."""

_NUMBER = re.compile(r"\+[1-9][0-9]{6,14}")
_WITHHELD = frozenset({"+7378742833", "+2562533", "+8656696", "+266696687", "+86282452253"})
"""RESTRICTED, BLOCKED, UNKNOWN, ANONYMOUS and UNAVAILABLE in letters of a keypad: callers whose
number Twilio does not tell."""


class TwilioProvider:
    """Calls over one line at Twilio. Make it on the loop that carries the calls, `close` it there.

    `on_call` is told of each call from outside and says whether it is to ring; none does before it
    is set. `numbers` are what the account owns beside the line's sender. Whoever serves Twilio's
    webhooks checks their signatures and calls `incoming`, `status` and `stream`.
    """

    name = "twilio"

    def __init__(self, clock: Clock, requests: Requests, line: TwilioLine) -> None:
        self._clock = clock
        self.link = TwilioLink(clock, requests, line)
        self.link.on_incoming = self._incoming
        self.on_call: Callable[[IncomingTwilioCall], bool] = lambda _: False
        self.numbers: Collection[str] = ()
        self.capabilities = TelephonyCapabilities(
            separate_legs=True,
            records_elsewhere=False,
            capture_lag_ms=line.way_ms + FRAME_MS + GAP_MS + PASSING_MS + HANDLED_MS,
            dtmf=True,
            early_media=False,
        )

    async def dial(self, number: str, leg: AgentLeg, caller_id: str | None = None) -> TwilioCall:
        """Start a call of an agent, whose leg stays the caller's; `caller_id` is shown instead of
        the line's.

        Raises InvalidInput for what is no number, Refused when all lines are busy or Twilio does
        not call there, Unavailable where it does not answer, Misconfigured where it does not know
        us.
        """
        call = TwilioCall(self._clock, self.link, number, caller_id=caller_id)
        await call.begin(leg)
        return call

    def shows(self, number: str) -> bool:
        """Whether a number is the account's own."""
        return number == self.link.line.sender or number in self.numbers

    def incoming(self, fields: Mapping[str, str]) -> str:
        """What Twilio is to do with a call (TwiML): one from outside, or one that was handed on."""
        return self.link.incoming(fields)

    def status(self, call_sid: str, fields: Mapping[str, str]) -> None:
        """Take a report of a call's progress; late, repeated and reordered ones do no harm."""
        self.link.status(call_sid, fields)

    async def stream(self, socket: MediaSocket) -> None:
        """Carry a media stream until it is over and close its socket.

        Without a call's token the socket is closed before any sound is read.
        """
        await self.link.stream(socket)

    async def close(self) -> None:
        """End every call; safe to call more than once."""
        await self.link.close()

    def _incoming(self, _sid: str, caller: str, called: str) -> TwilioLeg | None:
        found = IncomingTwilioCall(self._clock, self.link, number_in(caller), number_in(called))
        if self.on_call(found):
            return found.contact
        found.decline()
        return None


class TwilioCall(PhoneCall[TwilioLeg]):
    """`ports.ConsultingCall` over Twilio; made by `TwilioProvider` only.

    Handing on to a number succeeds when somebody answers there, and to whoever was called beside
    when Twilio has taken both over.
    """

    waits = False

    def __init__(
        self, clock: Clock, link: TwilioLink, number: str, *, caller_id: str | None = None
    ) -> None:
        self._link = link
        super().__init__(
            clock,
            number,
            ring=link.line.ring + LONGER_S,
            longest_hold=link.line.longest_hold,
            caller_id=caller_id,
        )

    @property
    def sids(self) -> frozenset[str]:
        """The calls at Twilio that it has now, one for each telephone."""
        legs = [self.contact, *self._legs, *((self._beside,) if self._beside else ())]
        return frozenset(each.sid for each in legs if each.sid is not None)

    async def begin(self, leg: AgentLeg) -> None:
        """Dial. Raises what `TwilioProvider.dial` does; nothing has begun then."""
        self._ensure_number(self.contact.number)
        await self._dial(self.contact)
        self._carry(leg)

    def _new_leg(self, name: str, number: str, *, hears_early: bool) -> TwilioLeg:
        link, waits = self._link, self.waits and name == self.contact_leg
        return TwilioLeg(self._clock, link, link.line, self, name, number, waits=waits)

    async def _dial(self, leg: TwilioLeg) -> None:
        await self._link.place(leg, leg.number, self._caller_id)

    def _ensure_number(self, number: str) -> None:
        if not _NUMBER.fullmatch(number):
            raise InvalidInput("found what is no telephone number; start with +, then digits")

    def _hand_on(self, leg: TwilioLeg, number: str) -> None:
        self._link.hand_on(leg, number, self._caller_id)

    def _hand_to(self, leg: TwilioLeg, other: TwilioLeg) -> None:
        self._link.join(leg, other)

    def _go_on(self, leg: TwilioLeg) -> None:
        """Nothing: its stream has gone on."""


class IncomingTwilioCall(TwilioCall):
    """A call from outside: it rings until it is taken or declined, or the caller gives up.

    `caller` and `called` are numbers as Twilio writes them, "" where it tells none. Twilio has
    taken the call before anybody here does, so the caller hears our ringing tone; what comes from
    there is dropped unread until then.
    """

    waits = True

    def __init__(self, clock: Clock, link: TwilioLink, caller: str, called: str) -> None:
        super().__init__(clock, link, caller)
        self.caller, self.called = caller, called
        self._is_taken = False
        self.contact.ring()
        self._tasks.append(asyncio.create_task(self._sound_ringing()))

    async def take(self, leg: AgentLeg) -> None:
        """Answer it for an agent, whose leg stays the caller's.

        Raises Refused where it is over or taken already.
        """
        if self._cause is not None:
            raise Refused("the caller has hung up")
        if self._is_taken:
            raise Refused("a colleague has taken the call")
        self._is_taken = True
        self._tasks.pop().cancel()
        self._carry(leg)
        self.contact.drop_sent()
        self.contact.take()

    def decline(self) -> None:
        """Do not take it: the caller is hung up on."""
        if not self._is_taken and self._cause is None:
            self._end(EndCause.DECLINED)

    async def _sound_ringing(self) -> None:
        """Let the caller hear that it rings here."""
        sound, at = ringback(), 0
        tick_ms = self._clock.now_ms()
        while self._cause is None:
            self.contact.send(sound[at % len(sound)])
            tick_ms, at = max(tick_ms + FRAME_MS, self._clock.now_ms() - GAP_MS), at + 1
            await self._clock.sleep_until(tick_ms)


def number_in(told: str) -> str:
    """A number as Twilio tells it, "" for none: callers may withhold it, and software has names."""
    return told if _NUMBER.fullmatch(told) and told not in _WITHHELD else ""
