"""The written side of a call that somebody else's dialer carries.

Whoever carries the call owns its facts and its order: tell the gate, `append`, and only then
report `Sealed`. Everything here blocks on the disk; nothing here opens a gate.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext, suppress
from functools import partial

import sqlalchemy as sa

from askfirst import events as ev
from askfirst.errors import Unavailable
from askfirst.gate import Because, Facts, State
from askfirst.model import UNKNOWN, Decision, Outcome, Proof, Role
from askfirst.outcome import CallSummary, Fault, settle
from askfirst.server.callbook import Also, CallBook
from askfirst.server.clock import utc_now
from askfirst.server.database import transaction
from askfirst.server.ids import new_id
from askfirst.server.ourside import first_standing, lacking
from askfirst.server.recorder import Recorder
from askfirst.server.request import CallRequest
from askfirst.server.store import Store

_HOW = {
    Proof.AGENT_WORD: "agent",
    Proof.ANNOUNCED: "announcement",
    Proof.KEY: "reported",  # on the word of whoever carries the call
    Proof.SPOKEN: "spoken",
    Proof.WRITTEN: "written",
}


class ExternalCall:
    """Rows, ledger entries and recorder of one call; make it when the other side has answered.

    `recorder` takes the frames, of the legs ``agent`` and ``contact`` (further parties: role and
    index, such as ``contact-2``). Raises Unavailable when the disk fails, here and in each method;
    the caller must then report `Failed` to the gate.
    """

    def __init__(self, store: Store, request: CallRequest, decision: Decision) -> None:
        self.id, self.recording = new_id("call"), new_id("rec")
        self.recorder = Recorder(store, self.id, self.recording)
        self._store = store
        self._request = request
        self._decision = decision
        self._numbers = [party.number for party in decision.parties]
        self._book = CallBook(store, self.id)
        self._facts = Facts()
        self._because = Because.NOT_DECIDED
        self._was_told = self._has_failed = self._is_erased = False
        with transaction(store.engine) as connection:
            self._book.started(request, utc_now(), connection)
            self._book.answered(utc_now(), connection)
            self._book.recording_begun(self.recording, request.policy, utc_now(), connection)

    def beginning(self) -> list[ev.Event]:
        """What to report first, before any media: what the account says, who joins, the law."""
        request, decision = self._request, self._decision
        told: list[ev.Event] = [ev.SwitchChanged(0, request.recording_switch)]
        for index, party in enumerate(decision.parties):
            if party.role is Role.AGENT:
                settled = not lacking(request, first_standing(request), decision, index)
                told.append(ev.AcknowledgementChanged(0, index, settled))
            codes = {place.code for place in party.places}
            if party.unknown is not None:
                codes.add(UNKNOWN)
            leg = party.role.value if index < 2 else f"{party.role.value}-{index}"
            told.append(ev.PartyJoined(0, index, party.role, leg, frozenset(codes)))
        return [*told, ev.Decided(0, decision)]

    def append(self, event: ev.Event) -> None:
        """Write an event with its ledger entry in one transaction; durable when this returns.

        A withdrawal orders the erasure of what was recorded so far, with the same transaction.
        """
        number = self._numbers[event.party] if isinstance(event, ev.PartyJoined) else None
        secrets = {} if number is None else {"number": number}
        write = self._book.entry(event, utc_now(), {}, secrets, self._also(event))
        if write is not None:
            with self._transaction() as connection:
                write(connection)
        self._is_erased |= isinstance(event, ev.Withdrawn) and self.recorder.has_audio

    def follow(self, facts: Facts) -> None:
        """Give the newest facts to the recorder, and write the timeline where they changed."""
        old, self._facts = self._facts, facts
        self.recorder.follow(facts)
        self._was_told |= facts.told_ms is not None
        self._has_failed |= facts.because is Because.FAILED
        if (old.state, old.because) == (facts.state, facts.because):
            return
        if facts.state is not State.ENDED:
            self._because = facts.because
        # What failed may be the disk itself: then the gate must close all the same.
        may_fail = facts.because is Because.FAILED
        with (
            suppress(Unavailable) if may_fail else nullcontext(),
            self._transaction() as connection,
        ):
            self._book.line(facts, utc_now(), connection)
            if facts.state is State.OPEN:
                self._book.opened(
                    facts,
                    self.recording,
                    utc_now(),
                    facts.proof is Proof.AGENT_WORD,
                    connection,
                )
            elif old.state is State.OPEN:
                self._book.closed(facts, utc_now(), connection)

    def settle(self) -> Outcome:
        """Close the recorder and write the outcome; what was kept is ordered to be finished."""
        kept, lost = self.recorder.has_audio, self.recorder.counts.lost
        summary = CallSummary(
            was_answered=True,
            has_audio=kept,
            mode=self._decision.mode,
            was_wanted=self._facts.is_wanted,
            last_because=self._because,
            was_told=self._was_told,
            fault=Fault.SPOOL if self._has_failed else None,
            kept_frames=self.recorder.counts.kept_contact,
            lost_frames=lost,
            is_erased=self._is_erased,
        )
        outcome = settle(summary, self._request.language)
        if kept:
            self.recorder.close()
        else:
            self.recorder.discard()
        with self._transaction() as connection:
            if kept:
                self._book.recording_ended(self.recording, lost, connection)
            else:
                self._book.recording_dropped(self.recording, connection)
            self._book.settled(connection, outcome, utc_now(), finish=kept and not self._is_erased)
        return outcome

    def _transaction(self) -> AbstractContextManager[sa.Connection]:
        return transaction(self._store.engine)

    def _also(self, event: ev.Event) -> Also | None:
        match event:
            case ev.PartyJoined():
                return partial(self._book.joined, event, self._numbers[event.party])
            case ev.Decided():
                return partial(self._book.decided, event.decision)
            case ev.Met():
                return partial(self._book.given, event, _HOW[event.evidence.proof], utc_now())
            case ev.Refused():
                return partial(self._book.said_no, event, "reported", None, utc_now())
            case ev.Withdrawn():
                erased = self.recording if self.recorder.has_audio else None
                return partial(self._book.said_no, event, "agent", erased, utc_now())
            case _:
                return None
