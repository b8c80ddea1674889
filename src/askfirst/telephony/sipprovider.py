"""Calls over a team's own telephone exchange or provider, by SIP."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from askfirst.errors import Refused
from askfirst.ports import AgentLeg, Clock, EndCause, TelephonyCapabilities
from askfirst.telephony.framegrid import GAP_MS
from askfirst.telephony.phonecall import PhoneCall
from askfirst.telephony.phoneleg import HANDLED_MS
from askfirst.telephony.sipleg import SipLeg
from askfirst.telephony.siplink import SipLink
from askfirst.telephony.siptrunk import BUFFERED_MS, READ_MS, Trunk, number_in

PASSING_MS = 60
"""From the process that hears to whoever reads the frames, on a machine that keeps up."""


class SipProvider:
    """Calls over one trunk. Make it on the loop that carries the calls, and `close` it there.

    `on_call` is told of each call from outside and says whether it is to ring; none does before it
    is set.
    """

    name = "sip"
    capabilities = TelephonyCapabilities(
        separate_legs=True,
        records_elsewhere=False,
        capture_lag_ms=BUFFERED_MS + READ_MS + GAP_MS + PASSING_MS + HANDLED_MS,
        dtmf=True,
        # The agent hears what comes before the answer; it is nobody's to keep.
        early_media=False,
    )

    def __init__(self, clock: Clock, trunk: Trunk) -> None:
        self._clock = clock
        self.link = SipLink(clock, trunk)
        self.link.on_incoming = self._incoming
        self.on_call: Callable[[IncomingSipCall], bool] = lambda _: False

    async def dial(self, number: str, leg: AgentLeg, caller_id: str | None = None) -> SipCall:
        """Start a call of an agent, whose leg stays the caller's; `caller_id` is shown instead of
        the trunk's.

        Raises InvalidInput for what is no number, Refused when all lines are busy, Unavailable
        while the process that speaks SIP is not there.
        """
        call = SipCall(self._clock, self.link, number, caller_id=caller_id)
        await call.begin(*addressed(self.link.trunk, number, caller_id), leg)
        return call

    def shows(self, number: str) -> bool:
        """Whether a number is the trunk's own."""
        return number == self.link.trunk.caller_id

    def _incoming(self, call: int, caller: str, called: str) -> SipLeg | None:
        numbers = number_in(caller) or "", number_in(called) or ""
        found = IncomingSipCall(self._clock, self.link, call, *numbers)
        return found.contact if self.on_call(found) else None

    async def close(self) -> None:
        """End every call and the process; safe to call more than once."""
        await self.link.close()


class SipCall(PhoneCall[SipLeg]):
    """`ports.ConsultingCall` over SIP; made by `SipProvider` only."""

    def __init__(
        self,
        clock: Clock,
        link: SipLink,
        number: str,
        *,
        hears_early: bool = True,
        caller_id: str | None = None,
    ) -> None:
        self._link = link
        super().__init__(
            clock,
            number,
            ring=link.trunk.ring,
            longest_hold=link.trunk.longest_hold,
            hears_early=hears_early,
            caller_id=caller_id,
        )

    async def begin(self, uri: str, headers: Mapping[str, str], leg: AgentLeg) -> None:
        """Dial. Raises what `SipLink.place` does; nothing has begun then."""
        await self.contact.dial(uri, headers)
        self._carry(leg)

    async def counted(self) -> Mapping[str, Any]:
        """What the stack counted of the contact; told a moment after the end."""
        return await self.contact.counted()

    def _new_leg(self, name: str, number: str, *, hears_early: bool) -> SipLeg:
        return SipLeg(self._clock, self._link, self, name, number, hears_early=hears_early)

    async def _dial(self, leg: SipLeg) -> None:
        await leg.dial(*addressed(self._link.trunk, leg.number, self._caller_id))

    def _ensure_number(self, number: str) -> None:
        self._link.trunk.uri(number)

    def _hand_on(self, leg: SipLeg, number: str) -> None:
        leg.transfer(self._link.trunk.uri(number))

    def _hand_to(self, leg: SipLeg, other: SipLeg) -> None:
        leg.hand_to(other)

    def _go_on(self, leg: SipLeg) -> None:
        leg.tell("resume")  # the stack has let both wait for it

    def _next_beat_ms(self) -> int:
        return self._link.beat_ms()


class IncomingSipCall(SipCall):
    """A call from outside: it rings until it is taken or declined, or the caller gives up.

    `caller` and `called` are numbers as the exchange writes them, "" where it tells none. Nothing
    of the call is heard by anybody before it is taken.
    """

    def __init__(self, clock: Clock, link: SipLink, call: int, caller: str, called: str) -> None:
        super().__init__(clock, link, caller, hears_early=False)
        self.caller, self.called = caller, called
        self._is_taken = False
        self.contact.bind(call)
        self.contact.ring()

    async def take(self, leg: AgentLeg) -> None:
        """Answer it for an agent, whose leg stays the caller's.

        Raises Refused where it is over or taken already.
        """
        if self._cause is not None:
            raise Refused("the caller has hung up")
        if self._is_taken:
            raise Refused("a colleague has taken the call")
        self._is_taken = True
        self._carry(leg)
        self.contact.answer()

    def decline(self) -> None:
        """Do not take it: the caller is told that it is busy here."""
        if not self._is_taken and self._cause is None:
            self.contact.reject()
            self._end(EndCause.DECLINED)


def addressed(
    trunk: Trunk, number: str, caller_id: str | None = None
) -> tuple[str, dict[str, str]]:
    """Where a number is called at a trunk, and with which headers; InvalidInput for no number."""
    headers = {}
    shown = caller_id or trunk.caller_id
    if shown is not None:  # RFC 3325, 9.1
        headers["P-Asserted-Identity"] = f"<sip:{shown}@{trunk.server}>"
    return trunk.uri(number), headers
