"""A test call of an administrator's own telephone over the trunk: one at a time, kept nowhere.

No gate, no recorder and no row: nothing of such a call is stored, so nobody has to be asked. It is
no call of the account's; the audit log alone says that there was one, and how it came out.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, Required, TypedDict, runtime_checkable

import sqlalchemy as sa

from askfirst.errors import InvalidInput, PeerError, Refused, Unavailable
from askfirst.ports import Clock
from askfirst.server import audit
from askfirst.server.clock import utc_now
from askfirst.server.contactcard import standard
from askfirst.server.database import transaction
from askfirst.server.desk import Desk
from askfirst.server.lines import Outside, ensure_dialable
from askfirst.server.livecall import Line
from askfirst.server.providers import Providers
from askfirst.server.testcall import ANSWERED, CUT_SHORT, NO_LINE, Seen, drop_frames, first
from askfirst.telephony.siplink import SipLink
from askfirst.telephony.siptest import LISTENS_MS, Counted, Heard, TestLeg, counted
from askfirst.telephony.siptrunk import Trunk

log = logging.getLogger(__name__)

RINGS_MS = 30_000
"""Longest wait for an answer, also where the trunk lets it ring for longer."""

GIVES_UP_MS = 500
"""How much longer than the trunk lets it ring the line has to say that nobody took it."""

COUNTED_MS = 2_000
"""How long the stack's own figures are waited for after the end."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How a trunk stands now: its state in one word, what the exchange said, and its lines.

    `calls` are those of every process that uses it.
    """

    trunk: Trunk
    state: str
    text: str
    restarts: int
    calls: int
    is_busy: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a test call found; never the number.

    `outcome` is ``answered`` where our side heard it to its end, ``cut-short`` where the other side
    ended it before, ``no-line`` where nothing could be dialled, or why nobody answered, as
    `EndCause` has it. Times in milliseconds since it was dialled; None: it never came to that.
    """

    at: datetime
    by: str
    state: str
    outcome: str
    ringing_ms: int | None = None
    answer_ms: int | None = None
    heard: Heard | None = None
    counted: Counted | None = None


class _Found(TypedDict, total=False):
    """What of a report the call itself gives."""

    outcome: Required[str]
    ringing_ms: int | None
    answer_ms: int | None
    heard: Heard | None
    counted: Counted | None


@runtime_checkable
class Counting(Protocol):
    """A line whose provider counts what it carries."""

    async def counted(self) -> Mapping[str, Any]:
        """The figures, once they are there."""
        ...


def standing(providers: Providers) -> Standing | None:
    """How the trunk stands; None where there is none. On the loop only."""
    link = getattr(providers.get("sip"), "link", None)
    if not isinstance(link, SipLink):
        return None
    used = link.calls + link.elsewhere
    return Standing(
        link.trunk, link.trunk_state, link.trunk_text, link.restarts, used, link.is_busy
    )


class TrunkTester:
    """Places test calls on a desk's trunk; belongs to the desk's loop. `close` it before the desk.

    `last` is the newest report since the program began. Every one is in the audit log.
    """

    def __init__(self, desk: Desk, clock: Clock, engine: sa.Engine) -> None:
        self.last: Report | None = None
        self._desk = desk
        self._clock = clock
        self._engine = engine
        self._task: asyncio.Task[None] | None = None

    @property
    def is_running(self) -> bool:
        """Whether a test call is under way."""
        return self._task is not None

    def start(self, by: str, to: str, region: str | None) -> None:
        """Call a number, in the spelling of a region, for a user; the report comes later.

        Raises InvalidInput for what cannot be called from here, Unavailable without a trunk,
        Refused while another test call is under way or all lines are busy.
        """
        providers = self._desk.providers
        stands, outside = standing(providers), providers.get("sip")
        if stands is None or outside is None:
            raise Unavailable("no trunk is set up; put a table [sip] into askfirst.toml")
        number = standard(to, region) or to
        if self._desk.callee(number) is not None:
            raise InvalidInput("found the number of a demo contact, which only the simulator calls")
        ensure_dialable(number)
        if self.is_running:
            raise Refused("a test call is under way; wait for its report")
        if stands.is_busy:
            raise Refused("all lines are busy; try again in a moment")
        self._task = asyncio.create_task(self._test(outside, stands, by, number))
        self._task.add_done_callback(self._done)

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
            log.error("trunk.test-failed", exc_info=task.exception())

    async def _test(self, outside: Outside, stands: Standing, by: str, number: str) -> None:
        leg = TestLeg(self._clock)
        at, found = utc_now(), _Found(outcome=CUT_SHORT)
        try:
            line = await outside.dial(number, leg)
            found = await self._watch(line, leg, stands.trunk)
        except (Refused, Unavailable, PeerError):
            found = _Found(outcome=NO_LINE)
        finally:  # written down also where the program ends meanwhile
            await leg.close()
            state = (
                standing(self._desk.providers) or stands
            ).state  # by now a registration has been answered
            self.last = Report(at=at, by=by, state=state, **found)
            await asyncio.to_thread(self._note, self.last)

    def _note(self, report: Report) -> None:
        with transaction(self._engine) as connection:
            audit.note(connection, report.at, report.by, "provider.tested", report.outcome)

    async def _watch(self, line: Line, leg: TestLeg, trunk: Trunk) -> _Found:
        """Carry a call to its end, and say what came of it."""
        seen = Seen(self._clock, line)
        following = [asyncio.create_task(seen.follow()), asyncio.create_task(drop_frames(line))]
        try:
            # A line that gives up by itself knows why.
            rings_ms = min(RINGS_MS, trunk.ring * 1000 + GIVES_UP_MS)
            await first(self._clock, rings_ms, seen.answered.wait(), seen.ended.wait())
            if seen.answer_ms is not None:
                # A line whose sound stands still is given up all the same.
                await first(self._clock, LISTENS_MS * 2, leg.done.wait(), seen.ended.wait())
            is_cut = seen.ended.is_set()
            await line.hangup()
            await first(self._clock, COUNTED_MS, seen.ended.wait())
            figures = await self._figures(line)
        finally:
            await line.hangup()
            for task in following:
                task.cancel()
            await asyncio.gather(*following, return_exceptions=True)
        outcome = seen.cause
        if seen.answer_ms is not None:
            outcome = CUT_SHORT if is_cut else ANSWERED
        return _Found(
            outcome=outcome,
            ringing_ms=seen.ringing_ms,
            answer_ms=seen.answer_ms,
            heard=None if seen.answer_ms is None else leg.heard(),
            counted=counted(figures),
        )

    async def _figures(self, line: Line) -> Mapping[str, Any]:
        if not isinstance(line, Counting):
            return {}
        asking = asyncio.ensure_future(line.counted())
        await first(self._clock, COUNTED_MS, asking)
        return asking.result() if asking.done() and not asking.cancelled() else {}
