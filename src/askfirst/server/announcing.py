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
from askfirst.errors import AskfirstError, InvalidInput
from askfirst.gate import Facts, State
from askfirst.ledger import Datum
from askfirst.model import Decision, Form, Proof
from askfirst.notice import NoticeFacts, announcement
from askfirst.ports import Clock, TelephonyCall
from askfirst.server.answers import covering
from askfirst.server.request import Prompt, Prompts

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

    def give(self, evidence: ev.Evidence, how: str) -> None: ...


class Announcer:
    """Plays the notice of the newest decision once, and lets one announcement run at a time.

    `was_cut` says whether the last one did not reach its end, `was_told` whether any did, and
    `is_prompt_missing` whether a notice could not be said. With `message` it says what a caller
    hears who may leave a message; `hears` is whether the answer to a notice may be spoken.
    """

    def __init__(
        self,
        call: Announced,
        clock: Clock,
        notice_facts: NoticeFacts,
        prompts: Prompts,
        start: Callable[[Coroutine[object, object, None]], asyncio.Task[None]],
        *,
        message: bool = False,
        hears: Callable[[Decision], bool] = lambda _: False,
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
        self._message = message
        self._hears = hears
        self._announced_for: Decision | None = None
        self._looked_up: tuple[str, str] | None = None  # text and language
        self._looking: asyncio.Task[None] | None = None
        self._prompt: Prompt | None = None
        self._running: asyncio.Task[None] | None = None
        self._own_quiet_since_ms = 0

    @property
    def lacks_prompt(self) -> bool:
        """Whether it is known that nothing can be played for what is owed now."""
        is_known = self._looking is not None and self._looking.done()
        return is_known and self._prompt is None and bool(self._call.facts.unmet())

    def look_up(self) -> None:
        """Find out what can be played for the present decision, before anybody asks for it."""
        decision = self._call.facts.decision
        if decision is not None and self._call.facts.unmet():
            self._look_up_text(decision)

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
        if self._running is not None and self._call.facts.telling is None:
            self._running.cancel()  # it was still waiting, and would begin after the agent's words

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

    async def greet(self) -> bool:
        """Play the notice where nothing is owed; True only if it was heard to its end."""
        decision = self._call.facts.decision
        if decision is None or self.leg is None:
            return False
        _, looking = self._look_up_text(decision)
        await asyncio.wait((looking,))
        if self._prompt is None:
            self.is_prompt_missing = True
            return False
        return await self.leg.play(self.leg.contact_leg, self._prompt.frames)

    def stop(self) -> None:
        """Stop what is being played."""
        if self.leg is not None and self._call.facts.state is State.TELLING:
            self._start(self.leg.stop_playing())

    async def _announce(self, decision: Decision) -> None:
        """Play the notice to its end, or it does not count; then wait for the answer."""
        call = self._call
        text, looking = self._look_up_text(decision)
        await asyncio.wait((looking,))
        if call.facts.decision is not decision:
            return
        prompt = self._prompt
        if prompt is None:
            self.is_prompt_missing = True
            log.warning("call.no-prompt call=%s", call.id)
            return
        await self._own_side_is_quiet()
        if self.leg is None or call.facts.decision is not decision:
            return
        if call.facts.telling is not None:
            return  # the agent has begun to tell in person
        digest = hashlib.sha256(text.encode()).hexdigest()
        call.report(
            ev.TellingStarted(call.now_ms(), ev.Teller.ANNOUNCEMENT),
            data={
                "by": "announcement",
                "notice": f"sha256:{digest}",
                "voice": prompt.voice.value,
            },
        )
        if call.facts.state is not State.TELLING:
            self._announced_for = None  # something came between; it is still owed
            return
        self.was_cut = True
        played = await self.leg.play(self.leg.contact_leg, prompt.frames)
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

    def _credit(self, decision: Decision) -> None:
        """Where people only have to be told, they were."""
        for owed in self._call.facts.unmet():
            if owed.form is Form.TOLD:
                told = covering(owed, Form.TOLD, Proof.ANNOUNCED, decision.elements)
                self._call.give(told, "announcement")

    def _is_waiting_since(self, told_ms: int | None) -> bool:
        facts = self._call.facts
        return facts.state is State.ASKING and facts.told_ms == told_ms

    def _look_up_text(self, decision: Decision) -> tuple[str, asyncio.Task[None]]:
        """The notice of a decision, and the task in which its prompt is looked up."""
        text, language = self._text(decision), decision.language
        if self._looking is None or self._looked_up != (text, language):
            self._looked_up, self._prompt = (text, language), None
            if self._looking is not None:
                self._looking.cancel()
            self._looking = self._start(self._look(text, language))
        return text, self._looking

    def _text(self, decision: Decision) -> str:
        """The notice of a decision; one that cannot be said is as good as none."""
        wants_yes = any(item.form > Form.TOLD for item in self._call.facts.unmet())
        try:
            return announcement(
                decision.elements,
                decision.language,
                self._notice_facts,
                keys=wants_yes,
                message=self._message,
                spoken=self._hears(decision),
            )
        except InvalidInput:
            return ""

    async def _look(self, text: str, language: str) -> None:
        """Look up a prompt in a thread: a database is read, sound decoded, perhaps made."""
        found = None if not text else await asyncio.to_thread(self._found, text, language)
        if self._looked_up == (text, language):
            self._prompt = found

    def _found(self, text: str, language: str) -> Prompt | None:
        """The prompt of a text; one that is broken or without a frame is as good as none."""
        try:
            prompt = self._prompts(text, language)
        except AskfirstError:
            return None
        return prompt if prompt is not None and prompt.frames else None

    async def _own_side_is_quiet(self) -> None:
        """Wait until the agent has stopped speaking, so that both are understood."""
        latest_ms = self._clock.now_ms() + QUIET_LIMIT_MS
        while self._clock.now_ms() < latest_ms:
            quiet_ms = self._call.now_ms() - self._own_quiet_since_ms
            if quiet_ms >= QUIET_MS:
                return
            await self._clock.sleep_until(self._clock.now_ms() + QUIET_MS - quiet_ms)
