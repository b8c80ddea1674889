"""What is written about a call: its rows, its timeline and its ledger entries.

Every function writes inside the caller's transaction. Entries hold codes, ids and counts; a
telephone number appears only as a commitment under the salt of that party of that call.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from askfirst import events as ev
from askfirst.errors import NotFound
from askfirst.explain import to_json
from askfirst.gate import Because, Facts, State
from askfirst.ledger import Datum, Kind, commit
from askfirst.model import Decision, Outcome, Purpose, RecordingState, Role, Use
from askfirst.override import Override, digest
from askfirst.policy import Policy
from askfirst.rules import packaged
from askfirst.server import erasure, periods, restrictions, standingconsents
from askfirst.server.contacttables import follow_ups
from askfirst.server.database import calls, consents, outbox, parties, recordings, timeline
from askfirst.server.ids import new_id
from askfirst.server.request import CallRequest
from askfirst.server.store import Store

ON_FILE = "on-file"
"""How somebody withdraws whose standing consent was taken back: not by a word in the call."""

Also = Callable[[sa.Connection, int], None]
Data = Mapping[str, Datum | Sequence[Datum]]

_KINDS: Mapping[type, Kind] = {
    ev.Decided: Kind.DECISION_MADE,
    ev.PartyJoined: Kind.PARTY_JOINED,
    ev.PlaceLearned: Kind.PLACE_LEARNED,
    ev.PartyLeft: Kind.PARTY_LEFT,
    ev.Wanted: Kind.RECORDING_WANTED,
    ev.Unwanted: Kind.RECORDING_UNWANTED,
    ev.TellingStarted: Kind.NOTICE_STARTED,
    ev.TellingEnded: Kind.NOTICE_ENDED,
    ev.TellingCancelled: Kind.NOTICE_CUT,
    ev.Met: Kind.CONSENT_GIVEN,
    ev.Refused: Kind.CONSENT_REFUSED,
    ev.Withdrawn: Kind.CONSENT_WITHDRAWN,
    ev.Held: Kind.PAUSE_STARTED,
    ev.Released: Kind.PAUSE_ENDED,
    ev.SwitchChanged: Kind.SWITCH_CHANGED,
    ev.AcknowledgementChanged: Kind.ACKNOWLEDGEMENT_CHANGED,
    ev.MadePrivate: Kind.CALL_PRIVATE,
    ev.Failed: Kind.GATE_FAILED,
    ev.HungUp: Kind.CALL_ENDED,
}


def both(first: Also, then: Also | None) -> Also:
    """Two changes of rows that belong to one entry."""

    def written(connection: sa.Connection, position: int) -> None:
        first(connection, position)
        if then is not None:
            then(connection, position)

    return written


def in_codes(decision: Decision) -> dict[str, Datum | Sequence[Datum]]:
    """A decision as its ledger entry has it."""
    return {
        "mode": decision.mode.word,
        "governing": list(decision.governing),
        "rules": sorted({reason.rule for reason in decision.reasons}),
        "rulebook": decision.rulebook_fingerprint,
        "owed": [f"{item.form.word}.{int(item.proof)}" for item in decision.requirements],
    }


def evidence_in_codes(evidence: ev.Evidence, how: str) -> dict[str, Datum | Sequence[Datum]]:
    """What somebody was told or agreed to, as its ledger entry has it."""
    return {
        "form": evidence.form.word,
        "proof": int(evidence.proof),
        "how": how,
        "uses": sorted(evidence.uses),
        "elements": sorted(evidence.elements),
    }


def joined_in_codes(event: ev.PartyJoined) -> dict[str, Datum | Sequence[Datum]]:
    """Who joined, as the ledger entry has it."""
    return {
        "role": event.role.value,
        "places": sorted(event.places),
        "machine": event.is_machine,
    }


class CallBook:
    """The written side of one call."""

    def __init__(self, store: Store, call: str) -> None:
        self._store = store
        self._call = call
        self._rules = packaged()
        self._policy = Policy()
        self._newest: int | None = None
        self._is_private = False
        self._lines = 0

    def entry(
        self,
        event: ev.Event,
        at: datetime,
        data: Data,
        secrets: Mapping[str, str],
        also: Also | None,
    ) -> Callable[[sa.Connection], None] | None:
        """The write that an event owes to the ledger, None where it owes none.

        `secrets` enter as commitments only, under the salt of the event's party.
        """
        kind = _KINDS.get(type(event))
        if kind is None:
            return None
        party: int | None = getattr(event, "party", None)
        if isinstance(event, ev.Met):
            party = event.evidence.party

        def write(connection: sa.Connection) -> None:
            commits = {
                name: commit(self._store.keys.salt(f"{self._call}/{party}"), value)
                for name, value in secrets.items()
            }
            position = self._append(
                connection,
                kind,
                at,
                {"at_ms": event.at_ms, **data},
                party=party,
                commits=commits,
            )
            if also is not None:
                also(connection, position)

        return write

    def started(self, request: CallRequest, at: datetime, connection: sa.Connection) -> None:
        """A call is being placed, or has come in."""
        self._rules = request.rules or self._rules
        connection.execute(
            calls.insert().values(
                id=self._call,
                created_at=at,
                provider=request.provider,
                direction=request.direction,
                own_number=request.own_number,
                persona=request.persona,
                agent=request.agent,
                worker=self._store.worker,
                language=request.language,
                policy=asdict(request.policy),
                proof=0,
            )
        )
        # Whoever does not answer was called all the same; the places are known when it joins.
        connection.execute(
            parties.insert().values(
                call=self._call,
                number_in_call=1,
                role=Role.CONTACT.value,
                number=request.number or None,
                places=[],
            )
        )
        self._append(connection, Kind.CALL_STARTED, at, {"provider": request.provider})

    def answered(self, at: datetime, connection: sa.Connection) -> None:
        """The other side answered; call time starts here."""
        self._update_call(connection, answered_at=at)
        self._append(connection, Kind.CALL_ANSWERED, at, {})

    def joined(
        self, event: ev.PartyJoined, number: str | None, connection: sa.Connection, _: int
    ) -> None:
        """A party is on the call, or its places or nature changed."""
        is_hidden = self._is_private and event.role is Role.CONTACT
        places = [] if is_hidden else sorted(event.places)
        key = (parties.c.call == self._call) & (parties.c.number_in_call == event.party)
        if connection.execute(sa.select(parties.c.call).where(key)).one_or_none() is None:
            connection.execute(
                parties.insert().values(
                    call=self._call,
                    number_in_call=event.party,
                    role=event.role.value,
                    number=None if self._is_private else number,
                    places=places,
                )
            )
        else:
            connection.execute(parties.update().where(key).values(places=places))

    def decided(self, decision: Decision, connection: sa.Connection, _: int) -> None:
        """The newest decision stands with the call; a private one names no place."""
        if self._is_private:
            return
        self._update_call(connection, decision=to_json(decision), mode=decision.mode.word)

    def overridden(self, used: Sequence[Override], at: datetime, connection: sa.Connection) -> None:
        """The newest decision rests on overrides: named, with the hash of what was signed."""
        for each in used:
            data = {"override": each.name, "content": digest(each)}
            self._append(connection, Kind.OVERRIDE_USED, at, data)

    def given(
        self, event: ev.Met, how: str, at: datetime, connection: sa.Connection, position: int
    ) -> None:
        """Somebody was told or agreed."""
        evidence = event.evidence
        kind = "informed" if evidence.form.word == "told" else "agreed"
        self._consent(
            connection,
            position,
            party=evidence.party,
            kind=kind,
            how=how,
            proof=int(evidence.proof),
            uses=sorted(evidence.uses),
            elements=sorted(evidence.elements),
            at=at,
            at_ms=event.at_ms,
        )

    def said_no(
        self,
        event: ev.Refused | ev.Withdrawn,
        how: str,
        erased: str | None,
        at: datetime,
        connection: sa.Connection,
        position: int,
    ) -> None:
        """Somebody refused or withdrew; `erased` names the recording that goes with it.

        The no, the end of what they had signed, the intention to erase and the order to do it are
        one transaction.
        """
        self._consent(
            connection,
            position,
            party=event.party,
            kind="withdrawn" if isinstance(event, ev.Withdrawn) else "refused",
            how=how,
            proof=0,
            uses=[],
            elements=[],
            at=at,
            at_ms=event.at_ms,
        )
        if how != ON_FILE:
            standingconsents.said_no(self._store, connection, self._call, event.party, at)
        if erased is not None:
            erasure.intend(self._store, connection, erased, erasure.WITHDRAWN, at)

    def undone(
        self, erased: str | None, connection: sa.Connection, _: int, *, at: datetime
    ) -> None:
        """The agent takes a recording back; the intention to erase is one transaction with that."""
        if erased is None:
            return
        erasure.intend(self._store, connection, erased, erasure.UNDONE, at)

    def made_private(
        self,
        erased: str | None,
        connection: sa.Connection,
        _: int,
        *,
        keeps: bool,
        at: datetime,
    ) -> None:
        """The call is private from now on; `erased` names the recording that goes with that.

        With whom it was is known to its agent alone from here: neither the people nor the persona
        tell it any more. What was decided stays, without numbers, where a recording rests on it.
        """
        self._is_private = True
        theirs = (parties.c.call == self._call) & (parties.c.role == Role.CONTACT.value)
        first = sa.select(parties.c.number).where(theirs).order_by(parties.c.number_in_call)
        number = connection.execute(first.limit(1)).scalar()
        connection.execute(parties.update().where(theirs).values(number=None, places=[]))
        promised = follow_ups.update().where(follow_ups.c.call == self._call)
        connection.execute(promised.values(call=None))
        decision = None
        if keeps:
            mine = sa.select(calls.c.decision).where(calls.c.id == self._call)
            decision = _without_numbers(connection.execute(mine).scalar())
        self._update_call(
            connection, private_at=at, private_number=number, persona=None, decision=decision
        )
        if erased is not None:
            erasure.intend(self._store, connection, erased, erasure.MADE_PRIVATE, at)

    def line(self, facts: Facts, at: datetime, connection: sa.Connection) -> None:
        """One more line of the timeline: the gate's state changed."""
        connection.execute(
            timeline.insert().values(
                call=self._call,
                position=self._lines,
                at=at,
                at_ms=facts.now_ms,
                state=facts.state.value,
                because=facts.because.value,
                ledger=self._newest,
            )
        )
        self._lines += 1

    def cut_off(self, at: datetime, connection: sa.Connection) -> None:
        """A crash ended the call: the timeline ends too, and not with an open gate."""
        last = connection.execute(
            sa.select(timeline.c.position, timeline.c.at_ms)
            .where(timeline.c.call == self._call)
            .order_by(timeline.c.position.desc())
        ).first()
        position, at_ms = (0, 0) if last is None else (last.position + 1, last.at_ms)
        connection.execute(
            timeline.insert().values(
                call=self._call,
                position=position,
                at=at,
                at_ms=at_ms,
                state=State.ENDED.value,
                because=Because.FAILED.value,
                ledger=self._append(connection, Kind.GATE_FAILED, at, {"why": "restart"}),
            )
        )

    def opened(
        self,
        facts: Facts,
        recording: str,
        at: datetime,
        by_word: bool,
        connection: sa.Connection,
    ) -> None:
        """The gate opened; what the recording may be used for is fixed here.

        `by_word`: that everybody was told rests on the agent's word, and is checked afterwards.
        """
        self._append(
            connection,
            Kind.RECORDING_OPENED,
            at,
            {
                "at_ms": facts.now_ms,
                "permit_serial": facts.serial,
                "proof": int(facts.proof),
                "by_word": by_word,
            },
            recording=recording,
        )
        self._update_call(connection, proof=int(facts.proof))
        connection.execute(
            recordings.update()
            .where(recordings.c.id == recording)
            .values(
                may_transcribe=facts.grants(Use.TRANSCRIBE), may_analyse=facts.grants(Use.ANALYSE)
            )
        )
        # Now it is known who is on the call, and where.
        self._keep_for(recording, connection)
        restrictions.take_in(self._store, connection, self._call, at)

    def closed(self, facts: Facts, at: datetime, connection: sa.Connection) -> None:
        """The gate closed."""
        self._append(
            connection,
            Kind.RECORDING_CLOSED,
            at,
            {"at_ms": facts.now_ms, "because": facts.because.value},
        )

    def recording_begun(
        self, recording: str, policy: Policy, at: datetime, connection: sa.Connection
    ) -> None:
        """A recording may come; its row stands before its first frame, for recovery."""
        connection.execute(
            recordings.insert().values(
                id=recording,
                call=self._call,
                created_at=at,
                state=RecordingState.SPOOL.value,
                purpose=(policy.purpose or Purpose.QUALITY).value,
                mandatory=policy.mandatory_recording,
                may_transcribe=False,
                may_analyse=False,
                is_truncated=False,
                legal_hold=False,
                lost_frames=0,
                expires_at=at + self._store.retention,
            )
        )
        self._policy = policy
        self._keep_for(recording, connection)
        restrictions.take_in(self._store, connection, self._call, at)

    def still_owed(
        self, erased: Iterable[tuple[str, str]], at: datetime, connection: sa.Connection
    ) -> None:
        """Erasures (recording, reason) that could not be written when due: they are owed."""
        for recording, reason in erased:
            with suppress(NotFound):  # its row was never written either
                erasure.intend(self._store, connection, recording, reason, at)

    def is_withheld(self, connection: sa.Connection) -> bool:
        """Whether a recording of the call should go and may not, by hold or by duty."""
        query = sa.select(recordings.c.id).where(
            recordings.c.call == self._call,
            recordings.c.state == RecordingState.QUARANTINED.value,
        )
        return connection.execute(query).first() is not None

    def recording_ended(self, recording: str, lost: int, connection: sa.Connection) -> None:
        """The recorder is closed; what was lost on the way is known."""
        connection.execute(
            recordings.update().where(recordings.c.id == recording).values(lost_frames=lost)
        )

    def recording_dropped(self, recording: str, connection: sa.Connection) -> None:
        """Nothing was kept: the row goes, so that nothing points to a file that is not there."""
        if erasure.is_intended(connection, recording):
            return
        erasure.drop(connection, recording)

    def settled(
        self, connection: sa.Connection, outcome: Outcome, at: datetime, *, finish: bool
    ) -> None:
        """The call is over with an outcome; `finish` orders the work on its recording."""
        self._update_call(
            connection, ended_at=at, outcome=outcome.code.value, outcome_reason=outcome.reason
        )
        self._append(connection, Kind.OUTCOME_SETTLED, at, {"outcome": outcome.code.value})
        if finish:
            connection.execute(
                outbox.insert().values(
                    id=f"finish:{self._call}", kind="finish", ref=self._call, created_at=at
                )
            )

    def _keep_for(self, recording: str, connection: sa.Connection) -> None:
        default = self._store.retention
        periods.settle(connection, recording, self._rules, self._policy, default)

    def _consent(self, connection: sa.Connection, position: int, **values: object) -> None:
        connection.execute(
            consents.insert().values(id=new_id("con"), call=self._call, ledger=position, **values)
        )

    def _update_call(self, connection: sa.Connection, **values: object) -> None:
        connection.execute(calls.update().where(calls.c.id == self._call).values(**values))

    def _append(
        self,
        connection: sa.Connection,
        kind: Kind,
        at: datetime,
        data: Data,
        *,
        recording: str | None = None,
        party: int | None = None,
        commits: Mapping[str, str] | None = None,
    ) -> int:
        self._newest = self._store.ledger.append(
            connection,
            kind,
            at,
            call=self._call,
            recording=recording,
            party=party,
            data=data,
            commits=commits,
        )
        return self._newest


def _without_numbers(decision: dict[str, Any] | None) -> dict[str, Any] | None:
    if decision is None:
        return None
    people = [{**each, "number": None} for each in decision.get("parties", ())]
    return {**decision, "parties": people}
