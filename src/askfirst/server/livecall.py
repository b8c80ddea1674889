"""One live call as its agent has it: what may be done, what is shown, and a light that is true.

Its methods report to the call; none of them sets a state. The light follows from the gate's facts.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import replace
from typing import Protocol

import sqlalchemy as sa

from askfirst import events as ev
from askfirst.errors import InvalidInput, InvalidRequest, NotFound, Refused
from askfirst.explain import notice
from askfirst.gate import Because, Facts
from askfirst.model import Decision, Form, Party, Place, Proof, Role, Source, Use
from askfirst.notice import NoticeFacts
from askfirst.policy import PLACE_CODE
from askfirst.ports import AgentLeg, Clock, ConsultingCall, TelephonyCall
from askfirst.server.accounts import User
from askfirst.server.call import Call
from askfirst.server.clock import utc_now
from askfirst.server.consulting import Consulting
from askfirst.server.contactcard import standard
from askfirst.server.ids import new_id
from askfirst.server.offer import Offer, moving
from askfirst.server.ourside import Colleague
from askfirst.server.privatecall import ensure_may_be_private, may_be_private
from askfirst.server.reportingcall import ReportingCall
from askfirst.telephony.conversation import Sentence

HOLD_REASONS = ("card-number", "payment", "health-data", "private", "other")
"""Why a recording may be paused; the ledger takes codes and no words of anybody."""

AWAY = "away"
"""The hold of a call whose agent's browser is gone."""

ON_HOLD = "on-hold"
"""The hold of a call whose contact waits."""

REJOIN_MS = 30_000
"""How long a call is kept for a browser that is gone, or that has not come yet."""

UNDO_MS = 3_000
"""How long undoing is offered for a recording that started by itself.

Both are longer for a person who is given more time."""

WATCH_MS = 100
"""How often a call is asked for what changes without a report: sentences, and the agent's link."""

_ANSWERS = ("informed", "agreed", "refused", "withdrawn")
_NO_SAID_BY = ("agent", "spoken", "written")
_PAST = ("erase", "keep")
_WAITING = frozenset(
    {Because.NO_CONTACT, Because.NOT_DECIDED, Because.TELLING, Because.ASKING, Because.SEALING}
)


def light(facts: Facts) -> str:
    """What an agent's recording light shows: `off`, `waiting` or `recording`.

    `recording` exactly while a contact's audio may be kept: a notice being told is not that.
    """
    contacts = (party for party in facts.parties if party.role is Role.CONTACT)
    if any(facts.allows(party.leg, Use.RECORD) for party in contacts):
        return "recording"
    return "waiting" if facts.is_wanted and facts.because in _WAITING else "off"


class Line(TelephonyCall, Protocol):
    """A provider's call, and what its agent can do there by buttons."""

    def mute(self, on: bool) -> None:
        """Make the agent's frames silence, or no longer."""
        ...

    def sentences(self) -> tuple[Sentence, ...]:
        """The lines that the agent can have said now."""
        ...

    async def say(self, id: str) -> bool:
        """Say one of them; whether it was played to its end."""
        ...


class LiveCall:
    """One call that is going on, and what its agent may do in it.

    Every act but `hangup` raises Refused once the call is over, and those about the other side
    also before the answer. `consulting` is there where people can be called beside the call.
    """

    def __init__(
        self,
        user: User,
        call: ReportingCall,
        line: Line,
        leg: AgentLeg,
        notice_facts: NoticeFacts,
        *,
        has_browser: bool = False,
        name: str = "",
        region: str | None = None,
    ) -> None:
        self.id = call.id
        self.user_id = user.id
        self.team = user.team
        self._undo_ms = UNDO_MS * user.time_factor
        self._rejoin_ms = REJOIN_MS * user.time_factor
        self.call: Call = call
        self.started_at = utc_now()
        self._line = line
        self._notice_facts = notice_facts
        self.leg = leg
        self.has_browser = has_browser
        self.name = name
        self._region = region
        self._agent = 0  # the party whose call it is
        self._colleagues: dict[int, str] = {0: user.id}
        self.offer: Offer | None = None
        self.consulting = (
            Consulting(call, line, self.put_on_hold) if isinstance(line, ConsultingCall) else None
        )
        self._away_since_ms: int | None = None
        self._away_ms: int | None = None
        self._is_hung_up = False
        self._is_muted = False
        self._is_settled = False
        self._has_asked = False
        self._first_opened_ms: int | None = None
        self._sequence = 0
        self._shown: dict[str, object] = {}
        self._changed = asyncio.Event()
        call.on_report = self._reported
        self.look()

    @property
    def has_ended(self) -> bool:
        """Whether the call is over; it may not be settled yet."""
        return self._is_hung_up or self.call.facts.has_ended

    # What the agent does

    def record(self) -> None:
        """Record, please; also before the answer."""
        self.ensure_live(answered=False)
        self._has_asked = True
        self.call.want()

    def stop(self) -> None:
        """Do not record any more."""
        self.ensure_live(answered=False)
        self.call.unwant()

    def undo(self) -> None:
        """Do not record any more, and erase what was recorded; nobody said no.

        Raises Refused where the recording is a duty. What a legal hold keeps is locked away.
        """
        self.ensure_live(answered=False)
        if duty := self.call.request.policy.mandatory_recording:
            raise Refused(f"this call must be recorded ({duty}); nothing was stopped or erased")
        self.call.undo()

    def make_private(self, past: str = "erase") -> None:
        """Nothing of this call is kept any more, for good, and only its agent sees with whom it is.

        `past` is what becomes of what was recorded before: `erase` unless `keep`. Raises Refused
        where the recording is a duty, and where the account has no private calls.
        """
        self.ensure_live(answered=False)
        _ensure_one_of("past", past, _PAST)
        request = self.call.request
        ensure_may_be_private(request.may_be_private, request.policy)
        if not self.call.facts.is_private:
            self.call.make_private(past)

    def telling(self) -> None:
        """The agent is telling them now."""
        self.ensure_live()
        self._has_asked = True
        self.call.tell()

    def announce(self) -> None:
        """Have the announcement played, which asks for a key where a yes is owed."""
        self.ensure_live()
        self._has_asked = True
        self.call.announce()

    def consent(
        self, kind: str, how: str = "agent", party: int | None = None, past: str | None = None
    ) -> None:
        """The agent reports an answer: `informed`, `agreed`, `refused` or `withdrawn`.

        `past` is what becomes of what was recorded before a withdrawal: `erase` unless `keep`.
        Raises InvalidInput for another word, and for a yes that only the call itself can hear.
        """
        self.ensure_live()
        _ensure_one_of("answer", kind, _ANSWERS)
        if past is not None:
            _ensure_one_of("answer that has a past", kind, _ANSWERS[-1:])
            _ensure_one_of("past", past, _PAST)
        if kind in ("informed", "agreed"):
            self._yes(kind, how, party)
            return
        _ensure_one_of("how", how, _NO_SAID_BY)
        person = self._contact(party)
        if kind == "refused":
            self.call.refused(person, how)
        else:
            self.call.withdraw(person, how, past or _PAST[0])

    def _yes(self, kind: str, how: str, party: int | None) -> None:
        # A key or an announcement is evidence because the media path heard it, and not a page.
        _ensure_one_of("how", how, _NO_SAID_BY[:1])
        if party is not None and self._contacts() != [self._contact(party)]:
            raise InvalidInput("the agent's word is about everybody on the call; leave party out")
        self._has_asked = True
        if kind == "informed":
            self.call.informed()
        else:
            self.call.agreed()

    def hold(self, reason: str = "private") -> str:
        """Pause every use and give the hold's id; the gap stays visible.

        Raises InvalidInput for a reason that is not of `HOLD_REASONS`.
        """
        self.ensure_live()
        _ensure_one_of("reason", reason, HOLD_REASONS)
        hold = new_id("hold")
        self.call.pause(reason, hold)
        return hold

    def release(self, hold: str) -> None:
        """End a hold that `hold` began; raises NotFound for any other."""
        self.ensure_live()
        if not hold.startswith("hold_") or hold not in self.call.facts.holds:
            raise NotFound("there is no such hold; it was released, or is of another call")
        self.call.resume(hold)

    def learn_place(self, party: int, code: str, source: str = Source.STATED) -> None:
        """Somebody turns out to be in a place; the law is decided again at once.

        Raises InvalidInput for nobody on the call, and for what is no place code or source.
        """
        self.ensure_live()
        if party not in {known.index for known in self.call.facts.parties}:
            raise InvalidInput(f"found party {party}; nobody on the call has that number")
        if not PLACE_CODE.fullmatch(code):
            raise InvalidInput(f"found the place {code[:40]!r}; expected one such as NO or US-CA")
        _ensure_one_of("source", source, tuple(Source))
        self.call.learn_place(party, code, Source(source))

    @property
    def provider_call(self) -> Line:
        """The call as its provider carries it."""
        return self._line

    def join(self, number: str | None = None, colleague: Colleague | None = None) -> int:
        """Somebody else is on the line: with the other side, or a colleague with the agent.

        Gives the party. The gate closes until the new person is decided about and has agreed.
        Raises InvalidInput for what is no telephone number, InvalidRequest for a colleague who is
        in the call already.
        """
        self.ensure_live()
        if colleague is None:
            return self.call.join(self._line.contact_leg, Party(Role.CONTACT, self._number(number)))
        if self._party_of(colleague.user.id) is not None:
            raise InvalidRequest("user: found somebody who is in the call already", key="user")
        return self._join_us(colleague)

    def _party_of(self, user: str) -> int | None:
        """Who a colleague is in the call, None for one who is not in it."""
        present = {each.index for each in self.call.facts.parties if each.is_present}
        found = (party for party, each in self._colleagues.items() if each == user)
        return next((party for party in found if party in present), None)

    def _join_us(self, colleague: Colleague) -> int:
        person = Party(Role.AGENT, None, tuple(map(Place, colleague.places)))
        party = self.call.join(self._line.agent_leg, person)
        self._colleagues[party] = colleague.user.id
        if (decision := self.call.facts.decision) is not None:
            self.call.ourside.greet(party, decision, colleague.standing)
        return party

    def disagree(self, user: str) -> None:
        """Somebody of us takes their agreement back: nothing goes on where the law wants it."""
        for party, each in self._colleagues.items():
            if each == user:
                self.call.ourside.disagree(party)

    def leave(self, party: int) -> None:
        """Somebody who had joined has left; nothing is loosened by that.

        Whoever was brought in by telephone is hung up on. Raises InvalidInput for the first two
        people, with whom the call itself ends.
        """
        self.ensure_live()
        joined = {each.index for each in self.call.facts.parties[2:] if each.is_present}
        joined.discard(self._agent)
        if party not in joined:
            raise InvalidInput(
                f"found party {party}; expected somebody who joined: {joined or '–'}"
            )
        if self.consulting is None or not self.consulting.drop(party):
            self.call.report(ev.PartyLeft(self.call.now_ms(), party))

    async def let_go(self) -> None:
        """Cut off the agent's browser; nothing is recorded until one has come again."""
        if AWAY not in self.call.facts.holds:
            self.call.pause("agent-away", AWAY)
        await moving(self).release()

    def be_of(self, colleague: Colleague, also: Callable[[sa.Connection, int], None]) -> None:
        """The call is another agent's from now on, who may have been in it before.

        The gate closes until the law of their place is met, and the one before has left. `also`
        changes rows in the transaction that says so.
        """
        self.ensure_live()
        user = colleague.user
        party = self._party_of(user.id)
        if party is None:
            party = self._join_us(colleague)
        former, self._agent = self._agent, party
        self.user_id, self.team = user.id, user.team
        self._undo_ms, self._rejoin_ms = UNDO_MS * user.time_factor, REJOIN_MS * user.time_factor
        self._away_since_ms = None
        self.call.request = replace(self.call.request, agent=user.id)
        self.call.report(ev.PartyLeft(self.call.now_ms(), former), also)
        self.mute(False)

    async def put_on_hold(self, on: bool) -> bool:
        """Let the contact wait, with nothing captured of it; or take it back.

        Says whether that changed anything. Raises Refused to take somebody back while the agent
        talks to somebody beside the call.
        """
        self.ensure_live()
        is_held = ON_HOLD in self.call.facts.holds
        if on and not is_held:
            self.call.pause("on-hold", ON_HOLD)
            await self._line.hold()
        elif is_held and not on:
            if self.consulting is not None:
                await self.consulting.leave_beside()
            await self._line.resume()
            self.call.resume(ON_HOLD)
        return on != is_held

    async def keypad(self, digits: str) -> None:
        """Send digits to the other side; InvalidInput for anything but 0-9 * # A-D."""
        self.ensure_live()
        await self._line.send_dtmf(self._line.contact_leg, digits)

    def mute(self, on: bool) -> None:
        """Make the agent inaudible, or audible again."""
        self.ensure_live(answered=False)
        self._is_muted = on
        self._line.mute(on)
        self.look()

    def sentences(self) -> tuple[Sentence, ...]:
        """The lines that the agent can have said now; none after the end."""
        return self._line.sentences()

    async def say(self, sentence: str) -> bool:
        """Say a line of `sentences()`; whether it was played to its end.

        Raises NotFound for what is no line of the agent, Refused for one that does not fit now.
        """
        self.ensure_live()
        return await self._line.say(sentence)

    async def hangup(self) -> None:
        """End the call; safe to call more than once."""
        self._is_hung_up = True
        await self._line.hangup()

    # What the agent sees

    def state(self) -> dict[str, object]:
        """The call as it is now, ready for JSON; `sequence` grows with every change."""
        self.look()
        facts = self.call.facts
        at_ms = facts.now_ms if facts.has_ended else self.call.now_ms()
        return {"call": self.id, "sequence": self._sequence, "at_ms": at_ms, **self._shown}

    async def events(self) -> AsyncGenerator[dict[str, object], None]:
        """The state now and after every change, until the call is settled; for any number.

        Whoever is slow gets the newest state and not each one between.
        """
        seen = 0
        while True:
            if self._sequence > seen:
                shown = self.state()
                seen = self._sequence
                yield shown
            elif self._is_settled:
                return
            else:
                await self._changed.wait()

    # What the desk does

    async def watch(self, clock: Clock) -> None:
        """Notice what changes without a report, until cancelled."""
        while True:
            await clock.sleep_until(clock.now_ms() + WATCH_MS)
            if self.has_browser and not self.has_ended:
                await self._follow_browser(clock.now_ms())
            self.look()

    def _reported(self) -> None:
        """The call took a report: nobody is recorded while its agent's browser is not there."""
        facts = self.call.facts
        is_away = self.has_browser and not self.leg.is_connected
        if is_away and facts.parties and AWAY not in facts.holds and not self.has_ended:
            self.call.pause("agent-away", AWAY)
        self.look()

    async def _follow_browser(self, now_ms: int) -> None:
        """Pause a call whose agent is away, and end it when nobody comes back in time."""
        is_held = AWAY in self.call.facts.holds
        if self.leg.is_connected:
            self._away_since_ms = self._away_ms = None
            if is_held:
                self.call.resume(AWAY)
            return
        if self._away_since_ms is None:
            self._away_since_ms = now_ms
        # In whole seconds, so that what is shown changes once in each.
        self._away_ms = (now_ms - self._away_since_ms) // 1000 * 1000
        if self.call.facts.parties and not is_held:
            self.call.pause("agent-away", AWAY)
        if now_ms - self._away_since_ms >= self._rejoin_ms:
            await self.hangup()

    def switch(self, on: bool) -> None:
        """The account's switch was set; what is being recorded ends and does not come back."""
        # A call that still rings takes the switch from its request when it is answered.
        self.call.request = replace(self.call.request, recording_switch=on)
        facts = self.call.facts
        if not facts.parties or self.has_ended or facts.switch_is_on == on:
            return
        self.call.report(ev.SwitchChanged(self.call.now_ms(), on), data={"on": on})
        if not on and facts.is_wanted:
            self.call.unwant()

    def fail(self) -> None:
        """The program failed: close the gate for good."""
        self.call.report(ev.Failed(self.call.now_ms()))
        self.call.report(ev.HungUp(self.call.now_ms()))

    def settle(self) -> None:
        """Let everybody who reads `events` end after the last state."""
        self._is_settled = True
        if self.offer is not None:
            self.offer.decline()
        self.look()

    def look(self) -> None:
        """Compare what would be shown with what was, and wake whoever waits for a change."""
        if self._first_opened_ms is None:
            self._first_opened_ms = self.call.facts.opened_ms
        shown = self._to_show()
        if shown != self._shown:
            self._shown = shown
            self._sequence += 1
            self._changed.set()
            self._changed = asyncio.Event()

    def _to_show(self) -> dict[str, object]:
        facts = self.call.facts
        decision, request = facts.decision, self.call.request
        no = facts.refused | facts.withdrawn
        return {
            "state": facts.state.value,
            "because": facts.because.value,
            "light": light(facts),
            "to": self.call.request.number,
            "name": self.name,
            "switch_on": self.call.request.recording_switch,
            "private": facts.is_private,
            "may_be_private": may_be_private(request.may_be_private, request.policy)
            and not facts.is_private,
            "wanted": facts.is_wanted,
            "answered": bool(facts.parties),
            "settled": self._is_settled,
            "ended_by": self.call.ended_by,
            "agent": self.user_id,
            "offer": None if self.offer is None else self.offer.state(),
            "consults": self.consulting is not None,
            "consultation": None if self.consulting is None else self.consulting.state(),
            "telling": None if facts.telling is None else facts.telling.by.value,
            "told": facts.told_ms is not None,
            "holds": sorted(facts.holds),
            "on_hold": ON_HOLD in facts.holds,
            "muted": self._is_muted,
            "connected": self.leg.is_connected,
            "browser": self.has_browser,
            "rejoin_ms": None if self._away_ms is None else self._rejoin_ms - self._away_ms,
            "undo_ms": self._undo_ms,
            "recording_since_ms": facts.opened_ms,
            "by_itself": self._is_by_itself(),
            "lacks": list(self.call.ourside.lacks(self._agent)),
            "others_lack": bool(self.call.ourside.lacking_people() - {self._agent}),
            "owed": sorted({owed.party for owed in facts.unmet()}),
            "no_prompt": self.call.announcer.lacks_prompt,
            "needs_key": any(owed.proof > Proof.AGENT_WORD for owed in facts.unmet()),
            "parties": [
                {
                    "party": party.index,
                    "has_call": party.index == self._agent,
                    "role": party.role.value,
                    "places": sorted(party.places),
                    "present": party.is_present,
                    "machine": party.is_machine,
                    "said_no": party.index in no,
                    "name": self.consulting.name_of(party.index) if self.consulting else "",
                }
                for party in facts.parties
            ],
            "decision": None if decision is None else self._decided(decision),
            "sentences": [{"id": each.id, "text": each.text} for each in self.sentences()],
        }

    def _is_by_itself(self) -> bool:
        """Whether a recording has just begun that the agent did not ask for and may take back."""
        opened_ms = self.call.facts.opened_ms
        is_first = opened_ms is not None and opened_ms == self._first_opened_ms
        is_free = self.call.request.policy.mandatory_recording is None
        return is_first and is_free and not self._has_asked

    def _decided(self, decision: Decision) -> dict[str, object]:
        said = notice(decision, self.call.request.language, self._notice_facts)
        return {
            "id": decision.id,
            "mode": decision.mode.word,
            "governing": list(decision.governing),
            "primary": list(decision.primary),
            "profile": self.call.request.policy.profile,
            "asks": any(owed.form is not Form.TOLD for owed in decision.requirements),
            "say": {"text": said.text, "language": said.language},
        }

    def _number(self, written: str | None) -> str | None:
        """A number of somebody who joined, as it is looked up, kept and erased."""
        if not written:
            return None
        number = standard(written, self._region)
        if number is None:
            raise InvalidInput("found no telephone number; start with +, or leave it out")
        return number

    def _contacts(self) -> list[int]:
        return [each.index for each in self.call.facts.parties if each.role is Role.CONTACT]

    def _contact(self, party: int | None) -> int:
        contacts = self._contacts()
        if party is None and len(contacts) == 1:
            return contacts[0]
        if party not in contacts:
            raise InvalidInput(f"found party {party}; expected one of {contacts}")
        return party

    def ensure_live(self, *, answered: bool = True) -> None:
        """Raise Refused once the call is over, and before the answer where that matters."""
        if self.has_ended:
            raise Refused("the call is over; nothing can be done in it any more")
        if answered and not self.call.facts.parties:
            raise Refused("nobody has answered yet; wait for the answer")


def _ensure_one_of(what: str, found: str, known: Sequence[str]) -> None:
    if found not in known:
        raise InvalidInput(f"found the {what} {found[:40]!r}; expected {', '.join(known)}")
