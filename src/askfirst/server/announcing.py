"""Announcements in a call: when one is due, playing it to its end, and waiting for the answer.

An announcement that is not played to its end does not count. Everything here reports events and
nothing sets a state; the call that it speaks in owns facts, evidence and the journal.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Protocol

from askfirst import events as ev
from askfirst.errors import AskfirstError
from askfirst.gate import Facts, State
from askfirst.ledger import Datum
from askfirst.model import Decision, Form
from askfirst.notice import NoticeFacts, announcement
from askfirst.ports import Clock, TelephonyCall
from askfirst.server.request import Prompts

log = logging.getLogger(__name__)

ANSWER_WAIT_MS = 15_000
QUIET_MS = 400
QUIET_LIMIT_MS = 8_000


class Announced(Protocol):
    """The call that an announcement is played in."""

    id: str
    facts: Facts

    def now_ms(self) -> int: ...

    def report(
        self, event: ev.Event, *, data: Mapping[str, Datum | Sequence[Datum]] | None = None
    ) -> None: ...


class Announcer:
    """Plays the notice of the newest decision once, and lets one announcement run at a time.

    `was_cut` says whether the last one did not reach its end, `was_told` whether any did, and
    `is_prompt_missing` whether a notice could not be said. `credit` is told of a decision whose
    notice was heard to its end.
    """

    def __init__(
        self,
        call: Announced,
        clock: Clock,
        notice_facts: NoticeFacts,
        prompts: Prompts,
        start: Callable[[Coroutine[object, object, None]], asyncio.Task[None]],
        credit: Callable[[Decision], None],
    ) -> None:
        self.leg: TelephonyCall | None = None
        self.was_cut = False
        self.was_told = False
        self.is_prompt_missing = False
        self._call = call
        self._clock = clock
        self._notice_facts = notice_facts
        self._prompts = prompts
        self._start = start
        self._credit = credit
        self._announced_for: Decision | None = None
        self._running: asyncio.Task[None] | None = None
        self._own_quiet_since_ms = 0

    def renew(self) -> None:
        """Let the notice be played again, unless one is running."""
        if self._running is None or self._running.done():
            self._announced_for = None

    def announce(self) -> None:
        """Play the notice of the present decision now, again if it was; unless it is playing."""
        call = self._call
        if call.facts.telling is not None:
            return
        if call.facts.told_ms is not None:
            # An answer to the last one is no longer waited for; it is asked for anew.
            call.report(ev.TellingCancelled(call.now_ms()), data={"why": "asked-again"})
        if self._running is not None:
            self._running.cancel()
        self._announced_for = None
        self.announce_if_due()

    def leave_to_agent(self) -> None:
        """The agent tells in person what the present decision wants told."""
        self._announced_for = self._call.facts.decision

    def own_speech(self) -> None:
        """Our own side is speaking now; an announcement waits until it is quiet."""
        self._own_quiet_since_ms = max(self._own_quiet_since_ms, self._call.now_ms())

    def announce_if_due(self) -> None:
        """Start the announcement of a wanted decision that was not announced yet."""
        facts = self._call.facts
        if (
            facts.is_wanted
            and facts.decision is not None
            and facts.decision is not self._announced_for
            and facts.told_ms is None
            and not facts.holds
        ):
            self._announced_for = facts.decision
            if self._running is not None:
                # It was about an earlier decision; two would cut each other short.
                self._running.cancel()
            self._running = self._start(self._announce(facts.decision))

    def stop(self) -> None:
        """Stop what is being played."""
        if self.leg is not None and self._call.facts.state is State.TELLING:
            self._start(self.leg.stop_playing())

    async def _announce(self, decision: Decision) -> None:
        """Play the notice to its end, or it does not count; then wait for the answer."""
        call = self._call
        text, prompt = self._prompt(decision)
        if not prompt:
            self.is_prompt_missing = True
            log.error("call.no-prompt call=%s", call.id)
            return
        await self._own_side_is_quiet()
        if self.leg is None or call.facts.decision is not decision:
            return
        digest = hashlib.sha256(text.encode()).hexdigest()
        call.report(
            ev.TellingStarted(call.now_ms(), ev.Teller.ANNOUNCEMENT),
            data={"by": "announcement", "notice": f"sha256:{digest}"},
        )
        if call.facts.state is not State.TELLING:
            self._announced_for = None  # something came between; it is still owed
            return
        self.was_cut = True
        played = await self.leg.play(self.leg.contact_leg, prompt)
        if not played or call.facts.state is not State.TELLING:
            call.report(ev.TellingCancelled(call.now_ms()), data={"why": "cut-short"})
            return
        self.was_cut = False
        self.was_told = True
        call.report(ev.TellingEnded(call.now_ms()))
        told_ms = call.facts.told_ms
        self._credit(decision)
        await self._clock.sleep_until(self._clock.now_ms() + ANSWER_WAIT_MS)
        if self._is_waiting_since(told_ms):
            call.report(ev.TellingCancelled(call.now_ms()), data={"why": "no-answer"})

    def _is_waiting_since(self, told_ms: int | None) -> bool:
        facts = self._call.facts
        return facts.state is State.ASKING and facts.told_ms == told_ms

    def _prompt(self, decision: Decision) -> tuple[str, Sequence[bytes] | None]:
        """The notice and its frames; what cannot be said or is broken is as good as none."""
        wants_yes = any(item.form > Form.TOLD for item in self._call.facts.unmet())
        try:
            text = announcement(
                decision.elements, decision.language, self._notice_facts, keys=wants_yes
            )
            return text, self._prompts(text, decision.language)
        except AskfirstError:
            return "", None

    async def _own_side_is_quiet(self) -> None:
        """Wait until the agent has stopped speaking, so that both are understood."""
        latest_ms = self._clock.now_ms() + QUIET_LIMIT_MS
        while self._clock.now_ms() < latest_ms:
            quiet_ms = self._call.now_ms() - self._own_quiet_since_ms
            if quiet_ms >= QUIET_MS:
                return
            await self._clock.sleep_until(self._clock.now_ms() + QUIET_MS - quiet_ms)
