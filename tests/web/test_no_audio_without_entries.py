"""Whatever an agent sends, in any order: nothing of a contact exists that the ledger does not say.

Time is the calls' own and jumps; the application is whole, from its middleware to its disk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    rule,
    run_state_machine_as_test,
)
from tests.web.virtualphone import API, Hearing, Phone, opened

from askfirst.gate import Facts, State
from askfirst.model import Use, Word
from askfirst.server import sealing
from askfirst.server.callbook import CallBook
from askfirst.server.keys import KeyStore

pytestmark = pytest.mark.slow

PEOPLE = (
    "texan",
    "californian",
    "kiwi",
    "norwegian",
    "signer",
    "german",
    "agrees",
    "late-joiner",
    "notice-inside",
    "presses-one",
    "refuses",
    "voicemail",
    "withdraws",
)
WAITS_MS = (0, 20, 700, 3_000, 9_000)
PLACES = ("NO", "US-CA", "US-TX", "FR", "DE", "XX", "nowhere")
DIGITS = ("1", "2", "12#", "", "x")

parties = st.sampled_from([1, 0, 2, 3, None, -1])
waits = st.sampled_from(WAITS_MS)
keys = st.sampled_from([None, None, "one", "two"])


class AnyActs(RuleBasedStateMachine):
    """An agent who does anything, and what must hold once the calls are over."""

    phone: Phone

    def __init__(self) -> None:
        super().__init__()
        self.holds: list[str] = []

    @initialize(
        who=st.sampled_from(PEOPLE),
        wants=st.booleans(),
        then=st.sampled_from([0, 24_000]),
        takes_back=st.booleans(),
    )
    def begin(self, who: str, wants: bool, then: int, takes_back: bool) -> None:
        self.phone.switch(True)
        self.phone.place(self.phone.personas[who])
        self.phone.wait(1_500)
        if wants:
            self.phone.act("POST", "record")
            self.phone.wait(then)
        if takes_back:
            self.phone.act("POST", "consents", {"kind": "withdrawn", "party": 1})
            self.phone.wait(700)

    @rule(who=st.sampled_from(PEOPLE), key=keys, then=waits)
    def place(self, who: str, key: str | None, then: int) -> None:
        self.phone.place(self.phone.personas[who], key)
        self.phone.wait(then)

    @rule(key=keys, then=waits)
    def record(self, key: str | None, then: int) -> None:
        self.phone.act("POST", "record", key=key)
        self.phone.wait(then)

    @rule(past=st.sampled_from(["", "?past=erase", "?past=keep", "?past=sell"]), then=waits)
    def unrecord(self, past: str, then: int) -> None:
        self.phone.act("DELETE", f"record{past}")
        self.phone.wait(then)

    @rule(act=st.sampled_from(["telling", "announcement"]), key=keys, then=waits)
    def tell(self, act: str, key: str | None, then: int) -> None:
        self.phone.act("POST", act, key=key)
        self.phone.wait(then)

    @rule(kind=st.sampled_from(["informed", "agreed"]), key=keys, then=waits)
    def attest(self, kind: str, key: str | None, then: int) -> None:
        self.phone.act("POST", "consents", {"kind": kind}, key=key)
        self.phone.wait(then)

    @rule(
        kind=st.sampled_from(["informed", "agreed", "refused", "withdrawn", "sold"]),
        how=st.sampled_from(["agent", "announcement", "keypad", "spoken", "written", "guess"]),
        party=parties,
        past=st.sampled_from([None, "erase", "keep", "sell"]),
        then=waits,
    )
    def consent(self, kind: str, how: str, party: int | None, past: str | None, then: int) -> None:
        body = {"kind": kind, "how": how, "party": party, "past": past}
        self.phone.act("POST", "consents", body)
        self.phone.wait(then)

    @rule(past=st.sampled_from([None, "erase", "keep"]), then=waits)
    def withdraw(self, past: str | None, then: int) -> None:
        self.phone.act("POST", "consents", {"kind": "withdrawn", "party": 1, "past": past})
        self.phone.wait(then)

    @rule(past=st.sampled_from(["erase", "keep", "sell"]), then=waits)
    def make_private(self, past: str, then: int) -> None:
        self.phone.act("POST", "private", {"past": past})
        self.phone.wait(then)

    @rule(how=st.sampled_from(["agent", "spoken", "written"]), then=waits)
    def refuse(self, how: str, then: int) -> None:
        self.phone.act("POST", "consents", {"kind": "refused", "how": how, "party": 1})
        self.phone.wait(then)

    @rule(
        number=st.sampled_from([None, "+4722222222", "+14155550100", "+12145550100", "nobody"]),
        is_colleague=st.booleans(),
        then=waits,
    )
    def join(self, number: str | None, is_colleague: bool, then: int) -> None:
        ours = {"role": "agent", "user": self.phone.colleague}
        body = ours if is_colleague else {"role": "contact", "number": number}
        self.phone.act("POST", "parties", body)
        self.phone.wait(then)

    @rule(party=st.sampled_from([2, 3, 1, None]), then=waits)
    def leave(self, party: int | None, then: int) -> None:
        self.phone.act("DELETE", f"parties/{party}")
        self.phone.wait(then)

    @rule(
        party=parties,
        code=st.sampled_from(PLACES),
        source=st.sampled_from(["stated", "address", "given", "recorder"]),
        then=waits,
    )
    def learn(self, party: int | None, code: str, source: str, then: int) -> None:
        self.phone.act("POST", "places", {"party": party, "code": code, "source": source})
        self.phone.wait(then)

    @rule(code=st.sampled_from(PLACES[:5]), then=waits)
    def move(self, code: str, then: int) -> None:
        self.phone.act("POST", "places", {"party": 1, "code": code})
        self.phone.wait(then)

    @rule(reason=st.sampled_from(["private", "card-number", "other", "boredom"]), then=waits)
    def hold(self, reason: str, then: int) -> None:
        told = self.phone.act("POST", "holds", {"reason": reason})
        self.holds.append(told.get("hold", "hold_none"))
        self.phone.wait(then)

    @rule(which=st.integers(0, 3), then=waits)
    def release(self, which: int, then: int) -> None:
        made = [*reversed(self.holds), "agent", "on-hold", "none", "hold_1"][which]
        self.phone.act("DELETE", f"holds/{made}")
        self.phone.wait(then)

    @rule(
        method=st.sampled_from(["POST", "DELETE"]),
        what=st.sampled_from(["on-hold", "mute"]),
        then=waits,
    )
    def let_wait(self, method: str, what: str, then: int) -> None:
        self.phone.act(method, what)
        self.phone.wait(then)

    @rule(digits=st.sampled_from(DIGITS), key=keys)
    def press(self, digits: str, key: str | None) -> None:
        self.phone.act("POST", "dtmf", {"digits": digits}, key=key)

    @rule(which=st.integers(0, 2), then=waits)
    def say(self, which: int, then: int) -> None:
        offered = self.phone.act("GET", "live").get("sentences", [])
        self.phone.say([*[each["id"] for each in offered], "0", "one", "none"][which])
        self.phone.wait(then)

    @rule(on=st.booleans(), then=waits)
    def switch(self, on: bool, then: int) -> None:
        self.phone.switch(on)
        self.phone.wait(then)

    @rule(then=waits)
    def hang_up(self, then: int) -> None:
        self.phone.act("POST", "hangup")
        self.phone.wait(then)

    @rule(key=keys)
    def read(self, key: str | None) -> None:
        found = self.phone.ask("GET", f"{API}/recordings")["recordings"]
        for recording in [each["id"] for each in found[:2]]:
            about = f"{API}/recordings/{recording}"
            wanted = {"purpose": "dispute", "seconds": 60}
            link = self.phone.ask("POST", f"{about}/links", wanted, key=key)
            self.phone.ask("GET", link.get("url", f"{about}/audio"))
            for what in ("transcript", "peaks", "vcon", "bundle"):
                self.phone.ask("GET", f"{about}/{what}")
            self.phone.ask("PUT", f"{about}/hold", {"reason": "mine"})
            self.phone.ask("POST", f"{API}/erasures", {"recording": recording})

    def teardown(self) -> None:
        assert self.phone.settle() == []


@pytest.fixture
def phone(tmp_path: Path) -> Iterator[Phone]:
    """An agent at the phone."""
    with opened(tmp_path) as made:
        yield made


def any_acts(phone: Phone, examples: int, steps: int, *, is_same: bool) -> None:
    """Try sequences of acts; `is_same`: those of every other run."""

    class Acts(AnyActs):
        pass

    Acts.phone = phone
    run_state_machine_as_test(
        Acts,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            derandomize=is_same,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.generate, Phase.shrink],
        ),
    )


REACHED = (
    "recording.opened",
    "recording.closed",
    "recording.erased",
    "recording.ready",
    "notice.ended",
    "consent.given",
    "consent.refused",
    "consent.withdrawn",
    "place.learned",
    "pause.started",
    "switch.changed",
    "call.private",
)
"""What must have happened somewhere, or the acts tried nothing."""


def test_no_acts_of_an_agent_make_sound_of_a_contact_without_its_entries(phone: Phone) -> None:
    any_acts(phone, 30, 22, is_same=True)

    assert [kind for kind in REACHED if not phone.seen[kind]] == []


@pytest.mark.full
def test_no_long_acts_of_an_agent_make_sound_of_a_contact_without_its_entries(
    phone: Phone,
) -> None:
    any_acts(phone, 50, 45, is_same=False)


def test_a_link_to_a_recording_that_keeps_nothing_stops_no_entry(phone: Phone) -> None:
    phone.place(phone.personas["californian"])
    phone.wait(2_000)
    (begun,) = phone.ask("GET", f"{API}/recordings")["recordings"]
    wanted = {"purpose": "dispute", "seconds": 60}
    assert "url" in phone.ask("POST", f"{API}/recordings/{begun['id']}/links", wanted)

    phone.act("POST", "consents", {"kind": "withdrawn", "past": "keep"})
    phone.wait(2_000)
    phone.act("POST", "consents", {"kind": "refused"})
    phone.wait(2_000)

    assert phone.settle() == []
    assert (phone.seen["consent.withdrawn"], phone.seen["consent.refused"]) == (1, 1)
    assert phone.seen["gate.failed"] == 0


def test_a_word_across_a_gate_that_shuts_and_opens_again_is_accounted_for(phone: Phone) -> None:
    phone.place(phone.personas["texan"])
    phone.wait(1_500)
    phone.act("POST", "consents", {"kind": "informed", "how": "agent", "party": 1})
    phone.act("POST", "places", {"party": 1, "code": "US-TX", "source": "stated"})
    phone.wait(700)

    assert phone.settle() == []
    assert (phone.seen["recording.opened"], phone.seen["recording.ready"]) == (2, 1)


def recorded(phone: Phone, past: str) -> list[str]:
    """A Norwegian presses 1, takes it back and goes on talking; what is wrong with it."""
    phone.place(phone.personas["norwegian"])
    phone.wait(3_000)
    phone.act("POST", "record")
    phone.wait(24_000)
    phone.act("POST", "consents", {"kind": "withdrawn", "past": past})
    phone.wait(1_500)
    return phone.settle()


Fault = Callable[[pytest.MonkeyPatch], None]


def _also_while(*states: State) -> Fault:
    allows = Facts.allows

    def wrong(facts: Facts, leg: str, use: Use, at_ms: int | None = None) -> bool:
        return facts.state in states or allows(facts, leg, use, at_ms)

    return lambda patch: patch.setattr(Facts, "allows", wrong)


def _nobody_is_asked(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Facts, "unmet", lambda _: ())


def _an_opening_is_not_entered(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(CallBook, "opened", lambda *_: None)


def _keys_stay(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(KeyStore, "destroy_recording", lambda *_: 0)


def _the_file_is_laid_out_wrongly(patch: pytest.MonkeyPatch) -> None:
    mix = sealing.mix

    def wrong(*given: Any) -> Any:
        samples, keys = mix(*given)
        return np.ascontiguousarray(samples[:, ::-1]), keys

    patch.setattr(sealing, "mix", wrong)


def _words_come_from_nowhere(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Hearing, "transcribe", lambda *_: [Word("sound", 100, 300, 1.0)])


def test_a_call_that_rests_on_a_standing_consent_is_accounted_for(phone: Phone) -> None:
    phone.place(phone.personas["signer"])
    phone.wait(1_500)
    phone.act("POST", "record")
    phone.wait(3_000)

    assert phone.settle() == []
    assert (phone.seen["consent.given"], phone.seen["recording.opened"]) == (1, 1)
    assert phone.seen["notice.ended"] == 0


def test_a_call_that_became_private_is_accounted_for(phone: Phone) -> None:
    for past, erased in (("erase", 1), ("keep", 0)):
        phone.place(phone.personas["texan"])
        phone.wait(3_000)
        phone.act("POST", "private", {"past": past})
        phone.wait(3_000)
        phone.act("POST", "record")
        phone.wait(3_000)

        assert phone.settle() == []
        assert phone.seen["recording.erased"] == erased
        phone.seen.clear()


@pytest.mark.parametrize("past", ["keep", "erase"])
def test_a_call_without_a_fault_is_accounted_for(phone: Phone, past: str) -> None:
    assert recorded(phone, past) == []
    assert phone.seen["recording.opened"] == 1
    assert phone.seen["recording.erased"] == (past == "erase")


@pytest.mark.parametrize(
    ("fault", "past", "reported"),
    [
        pytest.param(_also_while(State.ASKING), "keep", "frames of contact", id="asking"),
        pytest.param(_also_while(State.BLOCKED), "keep", "frames of contact", id="blocked"),
        pytest.param(_nobody_is_asked, "keep", "opened without", id="unasked"),
        pytest.param(_an_opening_is_not_entered, "keep", "frames of contact", id="unentered"),
        pytest.param(_keys_stay, "erase", "keys left", id="keys"),
        pytest.param(_the_file_is_laid_out_wrongly, "keep", "is heard at", id="laid-out"),
        pytest.param(_words_come_from_nowhere, "keep", "a word of the contact", id="words"),
    ],
)
def test_a_planted_fault_is_reported(
    phone: Phone, monkeypatch: pytest.MonkeyPatch, fault: Fault, past: str, reported: str
) -> None:
    fault(monkeypatch)

    found = recorded(phone, past)

    assert any(reported in each for each in found), found
