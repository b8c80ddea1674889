"""Between the telephones of our calls and Twilio: who is called, whose a stream is, who hangs up.

A stream of sound is let in by a token that was made for one call, is told to Twilio only, and
counts once. Everything here belongs to one running loop.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import re
import secrets
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Protocol

from askfirst.errors import AskfirstError, PeerError, Refused, Unavailable
from askfirst.ports import Clock, EndCause
from askfirst.telephony import twiliostream as wire
from askfirst.telephony import twimlwriter
from askfirst.telephony.twiliocauses import ANSWERED, end_cause
from askfirst.telephony.twilioleg import STREAM_S, MediaSocket, TwilioLeg
from askfirst.telephony.twilioline import TwilioLine

log = logging.getLogger(__name__)

FIRST_S = 5.0
"""How long a socket may take until it says whose it is."""

LATER_S = 90
"""How much longer than it rings a token counts: placing a call may take its time."""

AGAIN_S = (1.0, 5.0, 15.0)
"""Pauses before Twilio is asked once more to hang up; after the last one its time limit does it."""

ENDS_S = 5.0
"""How long closing waits for Twilio to hang up what is left."""

MOST_EARLY = 100
"""Calls whose progress may be told before Twilio has answered with their id."""

MOST_TOLD = 8
"""Reports of one such call."""

_SID = re.compile(r"CA[0-9a-f]{32}")


class Requests(Protocol):
    """What is asked of Twilio. Each raises an AskfirstError in plain words where it is refused."""

    async def place(
        self,
        to: str,
        sender: str,
        twiml: str,
        status_callback: str,
        *,
        ring_s: int = 60,
        longest_s: int = 14_400,
    ) -> str:
        """Call a number and give the call's id."""
        ...

    async def redirect(self, sid: str, twiml: str) -> None:
        """Have a call go on with another document."""
        ...

    async def end(self, sid: str) -> None:
        """Hang a call up; one that is over is no error."""
        ...


@dataclass(frozen=True, slots=True)
class _Token:
    secret: str
    until_ms: int
    leg: TwilioLeg


class TwilioLink:
    """The telephones of one line at Twilio; `close` it when no calls are wanted any more.

    `on_incoming` gives who is to be told of a call from outside (its id, caller and called
    number), None where nobody takes it. `refused` counts sockets that were sent away; `elsewhere`
    are telephones of the same line in other processes.
    """

    def __init__(self, clock: Clock, requests: Requests, line: TwilioLine) -> None:
        self.line = line
        self.refused = 0
        self.elsewhere = 0
        self.on_incoming: Callable[[str, str, str], TwilioLeg | None] = lambda *_: None
        self._clock = clock
        self._requests = requests
        self._tokens: dict[str, _Token] = {}
        self._legs: set[TwilioLeg] = set()
        self._by_sid: dict[str, TwilioLeg] = {}
        self._answers: dict[str, str] = {}  # documents for calls from outside, asked for again
        self._placing = 0
        self._early: dict[str, list[Mapping[str, str]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_closed = False

    @property
    def calls(self) -> int:
        """How many telephones there are."""
        return len(self._legs)

    @property
    def is_busy(self) -> bool:
        """Whether no more are taken."""
        return self._is_closed or self.calls + self.elsewhere >= self.line.most_calls

    async def place(self, leg: TwilioLeg, number: str, shown: str | None) -> None:
        """Call a number for a telephone, which hears of the outcome.

        Raises Refused when all lines are busy, and what Twilio's client raises; nothing has begun
        then, and a call that Twilio placed all the same is not let in.
        """
        if self.is_busy:
            raise Refused(f"all {self.line.most_calls} lines are busy; try again in a moment")
        twiml = self._document(leg, self.line.ring + LATER_S)
        self._legs.add(leg)
        self._placing += 1
        try:
            sid = await self._requests.place(
                number,
                shown or self.line.sender,
                twiml,
                self.line.status_url,
                ring_s=self.line.ring,
                longest_s=self.line.longest_call,
            )
            if not _SID.fullmatch(sid):
                raise PeerError("Twilio gave a call no id that can be used; look for an update")
        except BaseException:
            leg.hang_up(EndCause.PROVIDER_ERROR)
            leg.is_placed.set()
            raise
        finally:
            self._placing -= 1
            early = self._early if self._placing else self._take_early()
        self.bind(leg, sid)
        if leg.cause is not None:  # it was over before it had begun
            self.release(leg)
            return
        for fields in early.pop(sid, ()):
            asyncio.get_running_loop().call_soon(leg.on_status, fields)

    def bind(self, leg: TwilioLeg, sid: str) -> None:
        """A telephone's call has an id; its stream may come now."""
        leg.sid = sid
        self._legs.add(leg)
        self._by_sid[sid] = leg
        leg.is_placed.set()

    def release(self, leg: TwilioLeg) -> None:
        """A telephone's call is over for us: Twilio hangs up, unless it goes on without us."""
        self._forget(leg)
        if leg.sid is not None and not leg.has_ended_there and not leg.is_leaving:
            self._begin(self._end(leg.sid, leg.is_hung_up))

    def hand_on(self, leg: TwilioLeg, number: str, shown: str | None) -> None:
        """Let a telephone talk to a number instead of us; it comes back where nobody answers."""
        self._begin(self._hand_on(leg, twimlwriter.hand_on(number, self.line, shown)))

    def join(self, leg: TwilioLeg, other: TwilioLeg) -> None:
        """Let two telephones talk to each other instead of us."""
        self._begin(self._join(leg, other))

    # What Twilio tells

    def status(self, sid: str, fields: Mapping[str, str]) -> None:
        """A call's progress, as Twilio posts it: once, more than once, and in any order.

        What is of no call of ours is forgotten. Nothing of it lets a call begin.
        """
        leg = self._by_sid.get(sid)
        parent = self._by_sid.get(fields.get("ParentCallSid", ""))
        if leg is not None:
            leg.on_status(fields)
        elif parent is not None:
            if parent.is_leaving and fields.get("CallStatus") == ANSWERED:
                parent.end(EndCause.TRANSFERRED)
        elif self._placing and (sid in self._early or len(self._early) < MOST_EARLY):
            told = self._early.setdefault(sid, [])
            if len(told) < MOST_TOLD:
                told.append(fields)

    def incoming(self, fields: Mapping[str, str]) -> str:
        """What Twilio is to do with a call from outside; asked again it gets the same answer.

        Also with one that was handed on, once that is over or did not come about.
        """
        sid = fields.get("CallSid", "")
        if "DialCallStatus" in fields:
            return self._came_back(sid, fields)
        if sid in self._answers:
            return self._answers[sid]
        if self.is_busy or not _SID.fullmatch(sid) or sid in self._by_sid:
            return twimlwriter.busy()
        try:
            leg = self.on_incoming(sid, fields.get("From", ""), fields.get("To", ""))
        except Exception:
            # It rings nowhere and its caller hears that it is busy; the calls that go on do.
            log.exception("twilio.incoming-failed")
            leg = None
        if leg is None or leg.cause is not None:
            return twimlwriter.busy()
        self.bind(leg, sid)
        leg.expect_stream()
        self._answers[sid] = self._document(leg, round(STREAM_S))
        return self._answers[sid]

    def _came_back(self, sid: str, fields: Mapping[str, str]) -> str:
        leg = self._by_sid.get(sid)
        if leg is None or not leg.is_leaving:
            return twimlwriter.hang_up()
        told = {**fields, "CallStatus": fields["DialCallStatus"]}
        cause = end_cause(told, answered=False)
        if cause is None or told["CallStatus"] == "completed":
            leg.end(EndCause.TRANSFERRED)
            return twimlwriter.hang_up()
        leg.not_handed_on(cause)
        leg.expect_stream()
        return self._document(leg, round(STREAM_S))

    async def stream(self, socket: MediaSocket) -> None:
        """Carry a media stream until it is over, and close its socket.

        One that does not begin with the token of a call is closed before any sound is read.
        """
        try:
            started = await self._first(socket)
            started_ms = self._clock.now_ms()
            leg = None if started is None else self._admitted(started)
            if started is None or leg is None:
                self.refused += 1
                log.warning("twilio.stream-refused")
                return
            await leg.is_placed.wait()
            if leg.sid == started.call:
                await leg.carry(socket, started, started_ms)
            else:  # Twilio placed it, and did not tell so
                self._begin(self._end(started.call))
        finally:
            await socket.close()

    async def close(self) -> None:
        """End every call; safe to call more than once."""
        self._is_closed = True
        for leg in tuple(self._legs):
            leg.end(EndCause.LOCAL_HANGUP)
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=ENDS_S)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _first(self, socket: MediaSocket) -> wire.Started | None:
        """What a stream begins with; None for anything else."""
        try:
            for _ in range(2):
                text = await asyncio.wait_for(socket.receive(), FIRST_S)
                message = None if text is None else wire.read(text)
                if isinstance(message, wire.Started):
                    return message
                if not isinstance(message, wire.Connected):
                    return None
        except (TimeoutError, PeerError):
            pass
        return None

    def _document(self, leg: TwilioLeg, lives_s: int) -> str:
        name, secret = secrets.token_hex(8), secrets.token_urlsafe(32)
        self._tokens[name] = _Token(secret, self._clock.now_ms() + lives_s * 1000, leg)
        return twimlwriter.talk(self.line.stream_url, f"{name}.{secret}")

    def _admitted(self, started: wire.Started) -> TwilioLeg | None:
        """The telephone that a stream is of; its token does not count again."""
        name, _, secret = started.token.partition(".")
        token = self._tokens.get(name)
        expected = "" if token is None else token.secret
        # Compared also where there is none, so that the time it takes says nothing.
        holds = hmac.compare_digest(secret.encode(), expected.encode())
        if token is None or not holds:
            return None
        del self._tokens[name]
        if self._clock.now_ms() > token.until_ms or token.leg.cause is not None:
            return None
        if token.leg.sid is not None and token.leg.sid != started.call:
            return None
        return token.leg

    def _forget(self, leg: TwilioLeg) -> None:
        self._legs.discard(leg)
        for name in [name for name, token in self._tokens.items() if token.leg is leg]:
            del self._tokens[name]
        if leg.sid is not None:
            self._by_sid.pop(leg.sid, None)
            self._answers.pop(leg.sid, None)

    def _take_early(self) -> dict[str, list[Mapping[str, str]]]:
        early, self._early = self._early, {}
        return early

    def _begin(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _end(self, sid: str, is_done: asyncio.Event | None = None) -> None:
        """Have Twilio hang up; the stream is closed already, which ends the call as well."""
        for pause in (*AGAIN_S, None):
            try:
                await self._requests.end(sid)
                break
            except Unavailable:
                if pause is None:
                    log.error("twilio.not-ended call=%s", sid)
                    return
                await asyncio.sleep(pause)
            except AskfirstError as error:
                log.error("twilio.not-ended call=%s because=%s", sid, error)
                return
        if is_done is not None:
            is_done.set()

    async def _hand_on(self, leg: TwilioLeg, twiml: str) -> None:
        """Let a telephone talk to somebody else, until that person answers or does not."""
        if not await self._moved(leg, twiml):
            self._stay(leg)
            return
        if not await leg.has_parted(self.line.ring + LATER_S):  # nobody said anything
            leg.end(EndCause.TRANSFERRED)

    async def _join(self, leg: TwilioLeg, other: TwilioLeg) -> None:
        """Let two telephones meet; where one of them cannot, the other is no better off."""
        twiml = twimlwriter.meet(secrets.token_hex(16))
        if await self._moved(other, twiml):
            if await self._moved(leg, twiml):
                leg.end(EndCause.TRANSFERRED)
                other.end(EndCause.TRANSFERRED)
                return
            other.is_leaving = False  # and alone
            other.end(EndCause.PROVIDER_ERROR)
        else:
            self._stay(other)
        self._stay(leg)

    async def _moved(self, leg: TwilioLeg, twiml: str) -> bool:
        """Whether a telephone follows a document that is not about us."""
        leg.leave()
        if leg.sid is None or leg.cause is not None:
            return False
        try:
            await self._requests.redirect(leg.sid, twiml)
        except AskfirstError as error:
            log.warning("twilio.not-handed-on because=%s", error)
            return False
        return True

    def _stay(self, leg: TwilioLeg) -> None:
        """Handing on has failed: a telephone stays ours, or is hung up on if it is over here."""
        leg.not_handed_on(EndCause.PROVIDER_ERROR)
        if leg.cause is not None:
            self.release(leg)
