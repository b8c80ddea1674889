"""A test call of an administrator's own telephone over Twilio: one at a time, kept nowhere.

No gate, no recorder and no row: nothing of such a call is stored, so nobody has to be asked. Its
frames are counted and measured as they come and are gone. It is no call of the account's; the audit
log alone says that there was one, and how it came out.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, Required, TypedDict, cast

import sqlalchemy as sa

from askfirst.errors import AskfirstError, InvalidInput, Refused, Unavailable
from askfirst.ports import Clock
from askfirst.server import audit
from askfirst.server.clock import utc_now
from askfirst.server.contactcard import standard
from askfirst.server.database import transaction
from askfirst.server.desk import Desk
from askfirst.server.lines import Outside, ensure_dialable
from askfirst.server.livecall import Line
from askfirst.server.testcall import ANSWERED, CUT_SHORT, NO_LINE, Seen, drop_frames, first
from askfirst.telephony.siptest import LISTENS_MS, SENDS_MS, Heard, TestLeg
from askfirst.telephony.twilioerrors import knows_us
from askfirst.telephony.twilioleg import MARK_S, TwilioLeg
from askfirst.telephony.twiliolink import TwilioLink

log = logging.getLogger(__name__)

DIALS_MS = 20_000
"""Longest wait until Twilio takes the call."""

RINGS_MS = 25_000
"""Longest wait for an answer, also where the line lets it ring for longer."""

MEASURES_MS = LISTENS_MS + round(MARK_S * 1000)
"""A call whose sound stands still is given up all the same."""

HANGS_UP_MS = 5_000
"""Longest wait until Twilio says that it has hung up."""

STOPPED = "stopped"
UNHEARD = "unheard"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a test call found; never the number.

    `outcome` is ``answered`` where everything was measured, ``cut-short`` where the call ended
    before, ``stopped`` where a person did that, ``no-line`` where Twilio did not take it,
    ``unheard`` where nothing was heard of it after that, or why nobody answered, as `EndCause` has
    it. `refusal` is why it was not taken, in plain English, and
    `is_known` whether Twilio took the credentials, None where it did not say.

    Milliseconds since it was dialled, None where it never came to that: `taken_ms` Twilio took it,
    `told_ms` its first webhook came, `picked_up_ms` a webhook said that it was answered,
    `stream_ms` its stream came with the token. `refused` counts streams without one. `frames` came,
    unevenly by `jitter_ms`. `mark_ms` is how long our tone took to be played there and told back,
    `hang_up_ms` how long hanging up took, `talked_ms` how long the call was answered.
    """

    at: datetime
    by: str
    outcome: str
    refusal: str = ""
    is_known: bool | None = None
    taken_ms: int | None = None
    told_ms: int | None = None
    ringing_ms: int | None = None
    picked_up_ms: int | None = None
    stream_ms: int | None = None
    refused: int = 0
    heard: Heard | None = None
    frames: int = 0
    jitter_ms: float | None = None
    mark_ms: int | None = None
    hang_up_ms: int | None = None
    talked_ms: int | None = None


class _Found(TypedDict, total=False):
    """What of a report the call itself gives."""

    outcome: Required[str]
    refusal: str
    is_known: bool | None
    taken_ms: int | None
    told_ms: int | None
    ringing_ms: int | None
    picked_up_ms: int | None
    stream_ms: int | None
    refused: int
    heard: Heard | None
    frames: int
    jitter_ms: float | None
    mark_ms: int | None
    hang_up_ms: int | None
    talked_ms: int | None


class Telephoned(Protocol):
    """A call over Twilio, whose telephone can be looked at."""

    contact: TwilioLeg


def over_twilio(desk: Desk) -> Callable[[], Outside | None]:
    """What gives a desk's provider of calls over Twilio, None while there is none."""
    return lambda: desk.providers.get("twilio")


class TwilioTester:
    """Places test calls over Twilio; belongs to the loop of its calls. `close` it before them.

    `provider` gives who carries calls over Twilio, `busy` says whether no more calls are taken, and
    `callee` whom the simulator calls by a number. `last` is the newest report since the program
    began. Every one is in the audit log.
    """

    def __init__(
        self,
        provider: Callable[[], Outside | None],
        busy: Callable[[], bool],
        callee: Callable[[str], object | None],
        clock: Clock,
        engine: sa.Engine,
    ) -> None:
        self.last: Report | None = None
        self._provider, self._busy, self._callee = provider, busy, callee
        self._clock = clock
        self._engine = engine
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def is_running(self) -> bool:
        """Whether a test call is under way."""
        return self._task is not None

    @property
    def is_possible(self) -> bool:
        """Whether calls go over Twilio here."""
        return self._provider() is not None

    def start(self, by: str, to: str, region: str | None) -> None:
        """Call a number, in the spelling of a region, for a user; the report comes later.

        Raises InvalidInput for what cannot be called from here, Unavailable where no calls go over
        Twilio, Refused while another test call is under way or all lines are busy.
        """
        provider = self._provider()
        if provider is None:
            raise Unavailable("no calls go over Twilio here; put credentials in force first")
        number = standard(to, region) or to
        if self._callee(number) is not None:
            raise InvalidInput("found the number of a demo contact, which only the simulator calls")
        ensure_dialable(number)
        if self.is_running:
            raise Refused("a test call is under way; wait for its report")
        if self._busy():
            raise Refused("all lines are busy; try again in a moment")
        self._stopping = asyncio.Event()
        self._task = asyncio.create_task(self._test(provider, by, number))
        self._task.add_done_callback(self._done)

    def stop(self) -> None:
        """End a test call that is under way; its report says how far it came."""
        self._stopping.set()

    async def finished(self) -> None:
        """Return when no test call is under way."""
        if self._task is not None:
            await asyncio.wait([self._task])

    async def close(self) -> None:
        """Hang up a test call that is under way; safe to call more than once."""
        if self._task is not None:
            self._task.cancel()
            await self.finished()

    def _done(self, task: asyncio.Task[None]) -> None:
        self._task = None
        if not task.cancelled() and task.exception() is not None:
            log.error("twilio.test-failed", exc_info=task.exception())

    async def _test(self, provider: Outside, by: str, number: str) -> None:
        leg, began_ms = TestLeg(self._clock), self._clock.now_ms()
        at, found = utc_now(), _Found(outcome=CUT_SHORT)
        try:
            line = await self._dial(provider, leg, number)
            if line is None:
                found = _Found(outcome=STOPPED if self._stopping.is_set() else NO_LINE)
            else:
                link = getattr(provider, "link", None)
                found = await self._watch(line, leg, cast("TwilioLink | None", link), began_ms)
        except AskfirstError as error:
            found = _Found(outcome=NO_LINE, refusal=str(error), is_known=knows_us(error))
        finally:  # written down also where the program ends meanwhile
            await leg.close()
            self.last = Report(at=at, by=by, **found)
            await asyncio.to_thread(self._note, self.last)

    def _note(self, report: Report) -> None:
        with transaction(self._engine) as connection:
            detail: dict[str, Any] = {"provider": "twilio"}
            audit.note(connection, report.at, report.by, "provider.tested", report.outcome, detail)

    async def _dial(self, provider: Outside, leg: TestLeg, number: str) -> Line | None:
        """The call, once Twilio has taken it; None where it was stopped or Twilio said nothing."""
        dialling = asyncio.ensure_future(provider.dial(number, leg))
        await first(self._clock, DIALS_MS, dialling, self._stopping.wait())
        await asyncio.wait([dialling])
        return None if dialling.cancelled() else dialling.result()

    async def _watch(
        self, line: Line, leg: TestLeg, link: TwilioLink | None, began_ms: int
    ) -> _Found:
        """Carry a call to its end, and say what came of it."""
        clock, contact = self._clock, cast("Telephoned", line).contact
        refused = 0 if link is None else link.refused
        taken_ms = clock.now_ms() - began_ms
        seen = Seen(clock, line, began_ms)
        marking = asyncio.create_task(self._mark(contact, seen))
        following = [asyncio.create_task(each) for each in (seen.follow(), drop_frames(line))]
        ended, stopped = seen.ended, self._stopping
        try:
            await first(clock, RINGS_MS, seen.answered.wait(), ended.wait(), stopped.wait())
            if seen.answer_ms is not None:
                measured = asyncio.gather(leg.done.wait(), marking)
                await first(clock, MEASURES_MS, measured, ended.wait(), stopped.wait())
            outcome = self._outcome(seen, contact)
            over_ms = clock.now_ms()
            await line.hangup()
            await first(clock, HANGS_UP_MS, contact.is_hung_up.wait())
            hung_up_ms = clock.now_ms() - over_ms if contact.is_hung_up.is_set() else None
            await first(clock, HANGS_UP_MS, ended.wait())
        finally:
            await line.hangup()
            for task in (marking, *following):
                task.cancel()
            await asyncio.gather(marking, *following, return_exceptions=True)
        heard = None if seen.answer_ms is None else leg.heard()
        frames = contact.arrivals.count
        picked_up_ms = _since(began_ms, contact.picked_up_ms)
        talks_ms = seen.answer_ms if picked_up_ms is None else picked_up_ms
        return _Found(
            outcome=outcome,
            is_known=True,
            taken_ms=taken_ms,
            told_ms=_since(began_ms, contact.told_ms),
            ringing_ms=seen.ringing_ms,
            picked_up_ms=picked_up_ms,
            stream_ms=seen.answer_ms,
            refused=0 if link is None else link.refused - refused,
            heard=heard,
            frames=frames,
            jitter_ms=contact.arrivals.jitter_ms if frames > 1 else None,
            mark_ms=None if marking.cancelled() else marking.result(),
            hang_up_ms=hung_up_ms,
            talked_ms=None if talks_ms is None else max(0, over_ms - began_ms - talks_ms),
        )

    def _outcome(self, seen: Seen, contact: TwilioLeg) -> str:
        """How a call came out that is to be hung up now."""
        if self._stopping.is_set():
            return STOPPED
        if seen.answer_ms is None:
            return UNHEARD if contact.told_ms is None else seen.cause
        return CUT_SHORT if seen.ended.is_set() else ANSWERED

    async def _mark(self, contact: TwilioLeg, seen: Seen) -> int | None:
        """How long after the last of our tone Twilio says that it was played; None: it does not."""
        await seen.answered.wait()
        sent_ms = self._clock.now_ms() + SENDS_MS
        await self._clock.sleep_until(sent_ms)
        is_heard = await contact.sent_was_heard()
        return self._clock.now_ms() - sent_ms if is_heard else None


def _since(began_ms: int, at_ms: int | None) -> int | None:
    return None if at_ms is None else at_ms - began_ms
