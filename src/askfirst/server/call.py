"""One call: reports in, facts, effects out.

A `Call` owns its facts. `report` takes an event at once, so that tightening works before anything
is written, and queues what has to be durable; the gate cannot open before it is. Whoever speaks
for the agent (a page, a script, somebody's dialer) uses the named acts; none of them sets a state.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial

import sqlalchemy as sa

from askfirst import events as ev
from askfirst.audio.mixing import level_dbfs, to_samples
from askfirst.decide import decide
from askfirst.errors import AskfirstError, Refused
from askfirst.gate import Because, Facts, State, after
from askfirst.ledger import Datum
from askfirst.model import (
    Decision,
    Form,
    Frame,
    Mode,
    Party,
    Place,
    Proof,
    Role,
    Source,
)
from askfirst.notice import NoticeFacts
from askfirst.outcome import CallSummary, Fault, settle
from askfirst.override import used_in
from askfirst.ports import CallEvent, CallEventKind, Clock, TelephonyCall
from askfirst.server import erasure
from askfirst.server.announcing import Announcer
from askfirst.server.answers import NO_KEY, YES_KEY, Keys, by_word
from askfirst.server.beep import beep
from askfirst.server.callbook import (
    Also,
    CallBook,
    both,
    evidence_in_codes,
    in_codes,
    joined_in_codes,
)
from askfirst.server.callpeople import joining, peer_hold, with_known, with_place
from askfirst.server.callrecordings import CallRecordings
from askfirst.server.captioning import Captioning
from askfirst.server.captions import Captions
from askfirst.server.clock import utc_now
from askfirst.server.ids import new_id
from askfirst.server.journal import Journal
from askfirst.server.ourside import OurSide
from askfirst.server.recorder import SPEECH_DBFS, Recorder
from askfirst.server.request import CallRequest, Known, Prompts
from askfirst.server.spokenanswer import SpokenAnswers
from askfirst.server.standingcall import StandingConsents
from askfirst.server.store import Store

log = logging.getLogger(__name__)

Taken = Callable[..., None]
"""Writes that the agent took a recording back: its id or None, `at`, connection, position."""

MOST_PEOPLE = 50
"""People of one call, those who left included; each of them is decided about."""


class Call:
    """A call from dialling to its end. Make it, `await run()`, use the acts meanwhile."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        request: CallRequest,
        notice_facts: NoticeFacts,
        prompts: Prompts,
        *,
        separate_legs: bool = True,
        on_outbox: Callable[[], object] = lambda: None,
        captioning: Captioning | None = None,
    ) -> None:
        self.id = new_id("call")
        self.request = request
        self.facts = Facts(separate_legs=separate_legs, hears_answers=request.hears_answers)
        self.begun = asyncio.Event()
        self.ended_by = ""  # a cause of `ports.EndCause`, "" before the end and without a report
        self.ourside = OurSide(self)
        self.captions = Captions(captioning, clock, request.language, self.now_ms)
        self._store = store
        self._clock = clock
        self._on_outbox = on_outbox
        failed = partial(self._fail, Fault.LEDGER)
        self._journal = Journal(store, clock, self._durable, failed)
        self._book = CallBook(store, self.id)
        self._recordings = CallRecordings(store, self.id, self._book, self._journal)
        self.recordings = self._recordings.ids
        self._recorder: Recorder | None = None
        self._leg: TelephonyCall | None = None
        self._keys = Keys()
        self._answers = SpokenAnswers(self, captioning, clock, self._keys)
        self.announcer = Announcer(
            self,
            clock,
            notice_facts,
            prompts,
            self._start,
            message=request.takes_message,
            hears=self._answers.hears,
        )
        self._standing = StandingConsents(self, store, clock, self._start, failed)
        self._people: list[Party] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._answered_ms: int | None = None
        self._answered_at: datetime | None = None
        self._was_told = False
        self._was_wanted = False
        self._last_because = Because.NOT_DECIDED
        self._fault: Fault | None = None
        self._mode: Mode | None = None
        # Recording and reason of each erasure that is owed and not written yet, by its serial.
        self._unwritten: dict[int, tuple[str, str]] = {}
        self._undone = 0
        self._told_by: ev.Teller | None = None
        # Whether a key was pressed after a notice that only the agent vouches for.
        self._is_by_word = False

    # The course of a call

    async def run(self, leg: TelephonyCall) -> None:
        """Carry a dialled call to its end and leave it settled; raises nothing on bad media."""
        self._leg = self.announcer.leg = leg
        writing = asyncio.create_task(self._journal.run())
        self._journal.write(partial(self._book.started, self.request, utc_now()))
        self._journal.chore(
            partial(asyncio.get_running_loop().call_soon_threadsafe, self.begun.set)
        )
        if self.request.is_private:
            self.make_private()
        pumping = asyncio.create_task(self._guarded(self._pump(leg), Fault.MEDIA))
        syncing = asyncio.create_task(self._sync())
        if self.request.beeps:
            self._start(beep(self, leg, self._clock))
        await self._guarded(self._attend(leg), Fault.PROVIDER)
        if not self.facts.has_ended:
            self.report(ev.HungUp(self.now_ms()))
            await self._guarded(leg.hangup(), Fault.PROVIDER)
        await pumping
        for task in (syncing, *self._tasks):
            task.cancel()
        await asyncio.gather(syncing, *self._tasks, return_exceptions=True)
        recorder, self._recorder = self._recorder, None
        if recorder is not None:
            self._recordings.end(recorder)
        self._journal.give_up()
        await self._journal.drained()
        if self._journal.has_lost:
            self._fault = self._fault or Fault.LEDGER
        for recording, _ in self._unwritten.values():
            # What is owed cannot be written: the audio goes all the same.
            self._journal.chore(partial(erasure.destroy, self._store, recording))
        await self._journal.drained()
        await self._journal.last(self._settled)
        self._journal.chore(self._on_outbox)
        self._journal.finish()
        await writing

    async def _attend(self, leg: TelephonyCall) -> None:
        async for event in leg.events():
            self._on_provider(event, leg)

    def now_ms(self) -> int:
        """Milliseconds since the answer; 0 before it."""
        return 0 if self._answered_ms is None else self._clock.now_ms() - self._answered_ms

    def at(self, at_ms: int) -> datetime:
        """The moment of a call time, on the wall as media time runs."""
        return (self._answered_at or utc_now()) + timedelta(milliseconds=at_ms)

    def _on_provider(self, event: CallEvent, leg: TelephonyCall) -> None:
        match event.kind:
            case CallEventKind.ANSWERED:
                self._answer((leg.agent_leg, leg.contact_leg))
            case CallEventKind.MACHINE:
                self._machine()
            case CallEventKind.JOINED:
                self.join(event.leg, Party(Role.CONTACT, event.number), event.at_ms)
            case CallEventKind.LEFT:
                for party in self.facts.parties:
                    if party.leg == event.leg:
                        self.report(ev.PartyLeft(event.at_ms, party.index))
                if peer_hold(event.leg) in self.facts.holds:
                    self.report(ev.Released(event.at_ms, peer_hold(event.leg)))
            case CallEventKind.DTMF:
                self._key(event.leg, event.digit or "")
            case CallEventKind.HELD_BY_PEER:
                self.report(ev.Held(event.at_ms, peer_hold(event.leg)), data={"reason": "peer"})
            case CallEventKind.RESUMED_BY_PEER:
                # Whoever comes back after the other side's hold may be somebody else.
                self.join(event.leg, Party(Role.CONTACT), event.at_ms)
                self.report(ev.Released(event.at_ms, peer_hold(event.leg)))
            case CallEventKind.ENDED:
                cause = self.ended_by = "none" if event.cause is None else event.cause.value
                self.report(ev.HungUp(event.at_ms), data={"cause": cause})

    def _answer(self, legs: tuple[str, str]) -> None:
        self._answered_ms = self._clock.now_ms()
        self._answered_at = utc_now()
        self._journal.write(partial(self._book.answered, self._answered_at))
        request = self.request
        self._people = [
            Party(Role.AGENT, None, tuple(map(Place, request.agent_places))),
            Party(Role.CONTACT, request.number or None, tuple(map(Place, request.contact_places))),
        ]
        self._new_recorder()
        self._standing.know(1, request.standing)
        switch, decision = request.recording_switch, self._decide()
        self.report(ev.SwitchChanged(0, switch), data={"on": switch})
        self.ourside.greet(0, decision)
        for index, leg in enumerate(legs):
            located = decision.parties[index]
            self._joined(joining(index, leg, located, 0), located.number)
        self._decided(decision)
        if decision.mode is Mode.AUTO and not request.takes_message:
            self.want()

    def _machine(self) -> None:
        for party in self.facts.parties:
            if party.role is Role.CONTACT:
                machine = ev.PartyJoined(
                    self.now_ms(), party.index, party.role, party.leg, party.places, True
                )
                self._joined(machine, None)
        self._decided(self._decide())

    def _joined(self, event: ev.PartyJoined, number: str | None) -> None:
        secrets = {} if number is None else {"number": number}
        written = partial(self._book.joined, event, number)
        self.report(event, written, joined_in_codes(event), secrets)

    def join(self, leg: str, person: Party, at_ms: int | None = None) -> int:
        """Somebody joins: the gate closes, the law is decided again. Gives the party's index."""
        if len(self._people) >= MOST_PEOPLE:
            raise Refused(f"found {MOST_PEOPLE} people on this call; nobody more is taken")
        moment = self.now_ms() if at_ms is None else at_ms
        self._people.append(person)
        index = len(self._people) - 1
        decision = self._decide()
        located = decision.parties[index]
        self._joined(joining(index, leg, located, moment), located.number)
        if person.number is None or self.request.look_up is None:
            self._decided(decision)
        else:
            self._start(self._recognise(index, person.number, self.request.look_up))
        return index

    async def _recognise(self, index: int, number: str, look_up: Callable[[str], Known]) -> None:
        """Decide about somebody who joined, once it is known what the account knows of them."""
        known = await asyncio.to_thread(look_up, number)
        self.request = with_known(self.request, known)
        if known.is_restricted:
            self.captions.close()
        self._standing.know(index, known.standing)
        for code in known.places:
            self._people[index] = with_place(self._people[index], index, Place(code), self.facts)
            event = ev.PlaceLearned(self.now_ms(), index, code)
            self.report(event, data={"code": code, "source": Source.GIVEN.value})
        self._decided(self._decide())

    # Acts of the agent

    def want(self) -> None:
        """Record, please. Where something is owed first, the announcement starts by itself."""
        self._was_wanted = True
        self.announcer.renew()
        self.report(ev.Wanted(self.now_ms()))

    def announce(self) -> None:
        """Record, please, and let the announcement ask, also where none starts by itself."""
        self.want()
        if self.facts.state is State.ASKING:
            self.announcer.announce()

    def unwant(self) -> None:
        """Do not record any more."""
        self.report(ev.Unwanted(self.now_ms()))

    def tell(self) -> None:
        """ "I'm telling them now": our own side is kept from here as the notice."""
        self._was_wanted = True
        self.announcer.leave_to_agent()
        self.report(ev.Wanted(self.now_ms()))
        self.report(ev.TellingStarted(self.now_ms(), ev.Teller.AGENT), data={"by": "agent"})

    def informed(self) -> None:
        """ "I have informed them": the agent's word that every contact was told."""
        self._attest(Form.TOLD)

    def agreed(self) -> None:
        """ "They agreed": the agent's word that every contact was told and said yes."""
        self._attest(Form.AGREED)

    def refused(self, party: int = 1, how: str = "agent") -> None:
        """A party said no. Final until that person says yes."""
        recorder = self._recorder
        if recorder and recorder.has_audio and self.facts.state in (State.OPEN, State.HELD):
            return self.withdraw(party, how)  # who is being recorded takes a yes, or silence, back
        self.announcer.stop()
        event = ev.Refused(self.now_ms(), party)
        self.report(
            event, partial(self._book.said_no, event, how, None, self.at(event.at_ms)), {"how": how}
        )

    def withdraw(self, party: int = 1, how: str = "agent", past: str = "erase") -> None:
        """A party takes its yes back; what was recorded so far is erased or kept as it says."""
        self.announcer.stop()
        recorder, self._recorder = self._recorder, None
        event = ev.Withdrawn(self.now_ms(), party)
        erased = recorder.recording if recorder and past == "erase" else None
        written = partial(self._book.said_no, event, how, erased, self.at(event.at_ms))
        self.report(event, written, {"how": how, "past": past})
        if recorder is not None:
            if erased is not None and self.request.policy.mandatory_recording is None:
                self._unwritten[self.facts.serial] = (erased, erasure.WITHDRAWN)
            recorder.follow(self.facts)
            self._recordings.end(recorder, is_erased=erased is not None)
        self._new_recorder()
        self._journal.chore(self._on_outbox)

    def undo(self) -> None:
        """The agent never wanted this: stop, and erase what was recorded; nobody said no."""
        self._take_back(ev.Unwanted(self.now_ms()), erasure.UNDONE, self._book.undone)

    def make_private(self, past: str = "erase") -> None:
        """Nothing is kept, heard or announced from here to the end; `past` as in `withdraw`."""
        self.announcer.stop()
        keeps = past == "keep" and self._recorder is not None and self._recorder.has_audio
        written = partial(self._book.made_private, keeps=keeps)
        self._take_back(ev.MadePrivate(self.now_ms()), erasure.MADE_PRIVATE, written, past)

    def _take_back(
        self, event: ev.Unwanted | ev.MadePrivate, reason: str, written: Taken, past: str = "erase"
    ) -> None:
        """The agent takes back what was recorded so far, and nobody has said no."""
        recorder, erased = self._recorder, None
        self._undone -= 1  # the gate's own serials are positive
        if recorder is not None and recorder.has_audio:
            self._recorder, erased = None, recorder.recording if past == "erase" else None
            if erased is not None and self.request.policy.mandatory_recording is None:
                self._unwritten[self._undone] = (erased, reason)
        also = partial(written, erased, at=self.at(event.at_ms))
        self.report(event, also, {"by": "agent", "past": past}, owed=self._undone)
        self.captions.wipe()
        if recorder is not None and self._recorder is None:
            recorder.follow(self.facts)
            self._recordings.end(recorder, is_erased=erased is not None)
            self._new_recorder()
        self._journal.chore(self._on_outbox)

    def pause(self, reason: str = "private", hold: str = "agent") -> None:
        """Stop every use for a while, with a reason; the gap stays visible."""
        self.report(ev.Held(self.now_ms(), hold), data={"reason": reason})

    def resume(self, hold: str = "agent") -> None:
        """End a pause."""
        self.report(ev.Released(self.now_ms(), hold))

    def learn_place(self, party: int, code: str, source: Source = Source.STATED) -> None:
        """A party says, or an address shows, that it is in a place: decided again at once."""
        self._people[party] = with_place(
            self._people[party], party, Place(code, source), self.facts
        )
        decision = self._decide()
        event = ev.PlaceLearned(self.now_ms(), party, code)
        self.report(event, data={"code": code, "source": source.value})
        self._decided(decision)

    async def hangup(self) -> None:
        """End the call."""
        if self._leg is not None:
            await self._leg.hangup()

    async def written(self) -> None:
        """Return when all that was reported until now is written, or cannot be."""
        await self._journal.drained()

    # Reports and what follows from them

    def report(
        self,
        event: ev.Event,
        also: Also | None = None,
        data: Mapping[str, Datum | Sequence[Datum]] | None = None,
        secrets: Mapping[str, str] | None = None,
        owed: int | None = None,
    ) -> None:
        """Take an event now, act on the new state, and queue what has to be written.

        `also` changes rows in the transaction of the event's ledger entry; it gets the entry's
        position. `data` goes into the entry: codes and counts only; `secrets` as commitments.
        `owed` tells the write apart where the gate gives it no serial.
        """
        before = self.facts
        self.facts = after(before, event)
        if isinstance(event, ev.TellingEnded) and before.telling is not None:
            self._told_by = before.telling.by
        self._follow()
        serial = self.facts.serial if self.facts.serial > before.serial else owed
        write = self._book.entry(event, self.at(self.facts.now_ms), data or {}, secrets or {}, also)
        if write is not None:
            self._journal.write(write, serial)
        if (before.state, before.because) != (self.facts.state, self.facts.because):
            self._state_changed(before)
        self._standing.follow(event)
        if self.facts.state is State.ASKING and self.request.announces:
            self.announcer.announce_if_due()

    def _follow(self) -> None:
        self.captions.follow(self.facts)
        self._answers.follow(self.facts, self._told_by)
        if self._recorder is not None:
            try:
                self._recorder.follow(self.facts)
            except (AskfirstError, OSError):
                log.exception("call.recorder-failed call=%s", self.id)
                self._fail(Fault.SPOOL)

    def _state_changed(self, before: Facts) -> None:
        facts = self.facts
        if facts.state is not State.ENDED:
            self._last_because = facts.because
        self._journal.write(partial(self._book.line, facts, self.at(facts.now_ms)))
        if facts.state is State.OPEN and self._recorder is not None:
            self._journal.write(
                partial(
                    self._book.opened,
                    facts,
                    self._recorder.recording,
                    self.at(facts.now_ms),
                    self._is_by_word or facts.proof is Proof.AGENT_WORD,
                )
            )
        if before.state is State.OPEN:
            self._journal.write(partial(self._book.closed, facts, self.at(facts.now_ms)))
        if facts.state is not State.ENDED:
            self._journal.chore(self._prepare)

    def _key(self, leg: str, digit: str) -> None:
        """A digit of a contact: a no counts at once, a yes only after the whole notice."""
        party = self._keys.presser(self.facts, leg)
        if party is None:
            return
        if digit == NO_KEY and self.facts.state in (State.TELLING, State.ASKING):
            self.refused(party.index, self._key_how())
        elif digit == YES_KEY:
            for given in self._keys.yes(self.facts, leg, party.index):
                self._is_by_word = self._is_by_word or self._told_by is ev.Teller.AGENT
                self.give(given, self._key_how())

    def _key_how(self) -> str:
        """How a key came to us, for the ledger."""
        return "keypad"

    def _attest(self, form: Form) -> None:
        """The agent's word, for every contact who is still owed something."""
        telling = self.facts.telling
        if telling is not None and telling.by is ev.Teller.AGENT:
            # An announcement goes on: it counts at its end and not because somebody says so.
            self.report(ev.TellingEnded(self.now_ms()))
        self._was_told = True
        for given in tuple(by_word(self.facts, form)):
            self.give(given, "agent")

    def give(
        self,
        evidence: ev.Evidence,
        how: str,
        more: Mapping[str, Datum] | None = None,
        also: Also | None = None,
    ) -> None:
        """Somebody was told, or agreed, as this evidence says; `more` and `also` as in `report`."""
        event = ev.Met(self.now_ms(), evidence)
        data = {**evidence_in_codes(evidence, how), **(more or {})}
        written = both(partial(self._book.given, event, how, self.at(event.at_ms)), also)
        self.report(event, written, data)

    def _decide(self) -> Decision:
        return decide(
            self._people,
            self.at(self.now_ms()).date(),
            self.request.rules,
            self.request.policy,
            recorder=self.request.recorder_place,
            language=self.request.language,
            id=self.id,
            overrides=self.request.overrides,
        )

    def _decided(self, decision: Decision) -> None:
        self._mode = decision.mode
        self.ourside.follow(decision)
        event = ev.Decided(self.now_ms(), decision)
        self.report(event, partial(self._book.decided, decision), in_codes(decision))
        self.announcer.look_up()
        if used := used_in(decision, self.request.overrides):
            self._journal.write(partial(self._book.overridden, used, self.at(event.at_ms)))

    # Faults

    def _durable(self, serial: int) -> None:
        self._unwritten.pop(serial, None)
        was_broken = self.facts.because is Because.FAILED
        self.report(ev.Sealed(self.now_ms(), serial))
        if was_broken and self._people and not self.facts.has_ended:
            self._decided(self._decide())

    def _fail(self, fault: Fault) -> None:
        self._fault = self._fault or fault
        if self.facts.because is not Because.FAILED and not self.facts.has_ended:
            self.announcer.stop()
            self.report(ev.Failed(self.now_ms()))

    # Media

    async def _pump(self, leg: TelephonyCall) -> None:
        async for frame in leg.frames():
            self._take(frame, leg)

    def _take(self, frame: Frame, leg: TelephonyCall) -> None:
        if frame.leg == leg.agent_leg and level_dbfs(to_samples(frame.pcm)) > SPEECH_DBFS:
            self.announcer.own_speech()
        self.captions.push(frame)
        self._answers.push(frame)
        if self._recorder is None:
            return
        try:
            self._recorder.push(frame)
        except AskfirstError:
            log.exception("call.recording-failed call=%s", self.id)
            self._fail(Fault.SPOOL)

    async def _sync(self) -> None:
        while True:
            await self._clock.sleep_until(self._clock.now_ms() + 1000)
            if (recorder := self._recorder) is not None:
                recorder.sync()

    def _prepare(self) -> None:
        if (recorder := self._recorder) is not None and not self.facts.has_ended:
            recorder.prepare()

    def _new_recorder(self) -> None:
        self._recorder = self._recordings.begin(self.request.policy)
        self._journal.chore(self._prepare)

    def _settled(self, connection: sa.Connection) -> None:
        self._book.still_owed(self._unwritten.values(), self.at(self.facts.now_ms), connection)
        is_withheld, made = self._book.is_withheld(connection), self._recordings
        summary = CallSummary(
            was_answered=self._answered_ms is not None,
            has_audio=made.has_audio,
            mode=self._mode,
            was_wanted=self._was_wanted,
            last_because=self._last_because,
            notice_was_cut=self.announcer.was_cut,
            was_told=self._was_told or self.announcer.was_told,
            fault=self._fault,
            kept_frames=made.kept,
            lost_frames=made.lost,
            is_erased=made.was_erased and not (made.has_audio or is_withheld or self._unwritten),
            is_withheld=is_withheld,
            is_prompt_missing=self.announcer.is_prompt_missing,
        )
        outcome = settle(summary, self.request.language)
        ended_at = self.at(self.facts.now_ms)
        self._book.settled(connection, outcome, ended_at, finish=made.has_audio or is_withheld)

    async def _guarded(self, coroutine: Coroutine[object, object, None], fault: Fault) -> None:
        try:
            await coroutine
        except Exception:
            log.exception("call.part-failed call=%s part=%s", self.id, fault.value)
            self._fail(fault)

    def _start(self, coroutine: Coroutine[object, object, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(self._guarded(coroutine, Fault.PROGRAM))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda _: coroutine.close())  # one cancelled before it began
        return task
