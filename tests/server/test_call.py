"""A call from the answer to the end: what is kept, when, and what happens when parts fail."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.server import rig
from tests.server.rig import AGENT, BYE, HELLO, KEYED, NO, RECORD, WAIT, YES, Watched, pause

from askfirst.audio.mixing import to_samples
from askfirst.audio.tone import MARKER_HZ, find_tone
from askfirst.clock import LoopClock, run_virtual
from askfirst.gate import Because, State
from askfirst.model import SAMPLE_RATE_HZ
from askfirst.policy import Policy
from askfirst.ports import CallEvent, CallEventKind
from askfirst.server import legalholds
from askfirst.server.database import consents, erasures
from askfirst.server.sealing import SpoolFile, read_spool
from askfirst.server.simulation import request_for
from askfirst.server.store import Store
from askfirst.telephony.network import Network
from askfirst.telephony.simulator import SimulatedCall

LOSSY = Network(loss=0.03, delay_ms=180, jitter_ms=140, reorder=0.1, seed=4)


# Capture time


def test_the_first_contact_frame_is_at_most_40_ms_of_media_time_behind_the_permit(
    store: Store, tmp_path: Path
) -> None:
    call = rig.virtually(store, rig.callee(tmp_path / "callee", *KEYED, BYE))

    (opened_ms,) = rig.openings(store, call.id)
    first_ms = rig.starts(rig.spool(store, call), "contact")[0]
    assert 0 <= first_ms - opened_ms <= 40


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_no_frame_captured_before_the_permit_is_kept_however_late_it_arrives(
    store: Store, tmp_path: Path, seed: int
) -> None:
    steps = (RECORD, WAIT, pause(500), HELLO, YES, HELLO, HELLO, BYE)
    network = replace(LOSSY, seed=seed)

    call = rig.virtually(store, rig.callee(tmp_path / "callee", *steps), network=network)

    (opened_ms,) = rig.openings(store, call.id)
    kept = rig.spool(store, call)
    assert rig.starts(kept, "contact")[0] >= opened_ms
    assert rig.starts(kept, "own")[0] >= opened_ms
    assert rig.starts(kept, "contact")
    sound = b"".join(
        pcm for part in kept if part.side == "contact" for _, pcm in sorted(part.frames)
    )
    assert not find_tone(to_samples(sound), SAMPLE_RATE_HZ, MARKER_HZ)


def test_a_pause_is_a_gap_and_late_frames_of_it_are_not_kept(store: Store, tmp_path: Path) -> None:
    steps = (*KEYED, 'do="pause"', HELLO, HELLO, 'do="resume"', HELLO, HELLO, BYE)

    call = rig.virtually(store, rig.callee(tmp_path / "callee", *steps), network=LOSSY)

    first, again = rig.openings(store, call.id)
    (paused,) = (at_ms for at_ms, state in rig.states(store, call.id) if state == "held")
    kept = rig.starts(rig.spool(store, call), "contact")
    assert first <= kept[0]
    assert [at_ms for at_ms in kept if paused <= at_ms < again] == []
    assert [at_ms for at_ms in kept if at_ms < paused], "what was there before stays"
    assert [at_ms for at_ms in kept if at_ms >= again]
    assert {"pause.started", "pause.ended"} <= set(rig.kinds(store, call.id))


def test_frames_between_two_permits_are_not_kept_when_the_place_changes(
    store: Store, tmp_path: Path
) -> None:
    moved = ('do="place"\ncode="FR"', WAIT, pause(300), HELLO, YES, HELLO, HELLO, BYE)

    call = rig.virtually(store, rig.callee(tmp_path / "callee", *KEYED, *moved), network=LOSSY)

    first, again = rig.openings(store, call.id)
    closed = next(at_ms for at_ms, state in rig.states(store, call.id) if at_ms > first)
    kept = rig.starts(rig.spool(store, call), "contact")
    assert [at_ms for at_ms in kept if closed <= at_ms < again] == []
    assert min(kept) >= first
    assert max(kept) > again


# Somebody joins


def test_the_gate_is_shut_before_a_joiners_first_frame_and_stays_shut_without_an_answer(
    store: Store, tmp_path: Path
) -> None:
    joins = ('join="+493023125018"', WAIT, 'say="joiner"\naudio="joiner.wav"', AGENT, BYE)

    call = rig.virtually(store, rig.callee(tmp_path / "callee", *KEYED, *joins))

    joined = next(f.now_ms for f in call.seen if len(f.parties) == 3)
    kept = rig.spool(store, call)
    assert max(rig.starts(kept, "contact")) < joined
    assert len(rig.openings(store, call.id)) == 1
    legs = {party.leg for party in call.facts.parties}
    assert len(legs) == 3


def test_the_gate_opens_again_when_everybody_has_agreed(store: Store, tmp_path: Path) -> None:
    async def agreed(call: Watched, _leg: SimulatedCall, clock: LoopClock) -> None:
        await rig.until(call, clock, lambda f: len(f.parties) == 3 and f.told_ms is not None)
        call._key("joiner", "1")

    joins = ('join="+4748750101"', WAIT, pause(1000), 'say="joiner"\naudio="joiner.wav"', HELLO)

    call = rig.virtually(store, rig.callee(tmp_path / "callee", *KEYED, *joins, BYE), act=agreed)

    assert len(rig.openings(store, call.id)) == 2
    again = rig.openings(store, call.id)[1]
    later = [part for part in rig.spool(store, call) if part.frames[0][0] >= again]
    assert sum(part.side == "contact" for part in later) == 2, "both contacts, a file each"


# Keypad


def test_a_yes_before_the_notice_has_ended_is_discarded(store: Store, tmp_path: Path) -> None:
    async def early(call: Watched, leg: SimulatedCall, clock: LoopClock) -> None:
        await rig.until(call, clock, lambda f: f.state is State.TELLING)
        call._key(leg.contact_leg, "1")

    steps = (HELLO, RECORD, WAIT, pause(500), HELLO, BYE)

    call = rig.virtually(store, rig.callee(tmp_path / "callee", *steps), act=early)

    assert rig.openings(store, call.id) == []
    assert "notice.ended" in rig.kinds(store, call.id), "the prompt goes on"
    assert "consent.given" not in rig.kinds(store, call.id)
    assert rig.call_row(store, call.id).outcome == "silent"


def test_a_no_in_the_middle_of_the_prompt_counts_at_once_and_stops_it(
    store: Store, tmp_path: Path
) -> None:
    said: list[int] = []
    heard: list[int] = []

    async def early(call: Watched, leg: SimulatedCall, clock: LoopClock) -> None:
        await rig.until(call, clock, lambda f: f.state is State.TELLING)
        await clock.sleep_until(clock.now_ms() + 400)
        said.append(call.now_ms())
        call._key(leg.contact_leg, "2")
        assert call.facts.state is State.BLOCKED
        while leg._announcements.is_sounding:
            await clock.sleep_until(clock.now_ms() + 20)
        heard.append(call.now_ms())

    steps = (HELLO, RECORD, WAIT, HELLO, AGENT, HELLO, BYE)

    call = rig.virtually(store, rig.callee(tmp_path / "callee", *steps), act=early)

    assert heard[0] - said[0] <= 40
    assert "notice.ended" not in rig.kinds(store, call.id)
    assert rig.call_row(store, call.id).outcome == "refused"
    assert call.facts.now_ms > said[0] + 2000, "the call goes on"
    assert rig.spool_files(store) == []
    assert rig.key_ids(store) == []


# No


def test_an_agent_reports_a_no_with_one_click_and_the_call_goes_on(
    store: Store, tmp_path: Path
) -> None:
    steps = (HELLO, RECORD, WAIT, pause(300), 'do="refused"', HELLO, AGENT, HELLO, YES, HELLO, BYE)

    call = rig.virtually(store, rig.callee(tmp_path / "callee", *steps))

    row = rig.call_row(store, call.id)
    assert row.outcome == "refused"
    refused = next(f.now_ms for f in call.seen if f.because is Because.REFUSED)
    assert call.facts.now_ms >= refused + 3000
    assert rig.openings(store, call.id) == [], "a later key is no answer to a notice any more"
    assert rig.recording_rows(store) == []
    assert rig.spool_files(store) == []
    assert rig.key_ids(store) == []


def test_a_withdrawal_stops_within_200_ms_and_erases_what_was_recorded(
    store: Store, tmp_path: Path
) -> None:
    moments: list[int] = []

    async def objects(call: Watched, _leg: SimulatedCall, clock: LoopClock) -> None:
        await rig.until(call, clock, lambda f: f.state is State.OPEN)
        await clock.sleep_until(clock.now_ms() + 1500)
        recorder = call._recorder
        assert recorder is not None
        call.withdraw()
        moments.append(call.now_ms())
        await clock.sleep_until(clock.now_ms() + 200)
        moments.append(recorder.counts.kept)
        await clock.sleep_until(clock.now_ms() + 1000)
        moments.append(recorder.counts.kept)

    call = rig.virtually(
        store, rig.callee(tmp_path / "callee", *KEYED, HELLO, HELLO, BYE), act=objects
    )

    assert moments[1] == moments[2]
    assert rig.openings(store, call.id)
    assert [f for f in call.seen if f.state is State.OPEN and f.now_ms > moments[0]] == []
    found = rig.kinds(store, call.id)
    assert found.index("consent.withdrawn") < found.index("erasure.intended")
    assert rig.call_row(store, call.id).outcome == "erased"


def test_a_withdrawal_silences_the_announcement_that_is_playing(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped: list[int] = []
    stop = SimulatedCall.stop_playing

    async def noted(leg: SimulatedCall) -> None:
        stopped.append(1)
        await stop(leg)

    async def objects(call: Watched, _leg: SimulatedCall, clock: LoopClock) -> None:
        await rig.until(call, clock, lambda f: f.state is State.TELLING)
        await clock.sleep_until(clock.now_ms() + 600)
        assert not stopped
        call.withdraw()
        await clock.sleep_until(clock.now_ms() + 200)
        assert stopped

    monkeypatch.setattr(SimulatedCall, "stop_playing", noted)

    call = rig.virtually(store, rig.callee(tmp_path / "callee", *KEYED, BYE), act=objects)

    assert rig.openings(store, call.id) == []


def test_a_no_of_somebody_who_is_being_recorded_takes_back_what_was_recorded(
    store: Store, tmp_path: Path
) -> None:
    steps = (HELLO, RECORD, WAIT, pause(300), HELLO, 'do="refused"', HELLO, AGENT, BYE)
    persona = rig.callee(tmp_path / "callee", *steps, number=rig.CALIFORNIA)

    call = rig.virtually(store, persona)

    assert rig.openings(store, call.id), "an announcement was enough to begin"
    assert rig.call_row(store, call.id).outcome == "erased"
    assert [row.reason for row in rig.rows(store, sa.select(erasures))] == ["withdrawn"]


def test_a_withdrawal_that_keeps_the_past_leaves_it_recorded(store: Store, tmp_path: Path) -> None:
    async def objects(call: Watched, _leg: SimulatedCall, clock: LoopClock) -> None:
        await rig.until(call, clock, lambda f: f.state is State.OPEN)
        await clock.sleep_until(clock.now_ms() + 1500)
        call.withdraw(past="keep")

    call = rig.virtually(store, rig.callee(tmp_path / "callee", *KEYED, HELLO, BYE), act=objects)

    assert rig.call_row(store, call.id).outcome == "recorded"
    assert rig.starts(rig.spool(store, call), "contact")
    assert rig.rows(store, sa.select(erasures)) == []


def test_what_must_be_kept_by_duty_is_quarantined_at_a_withdrawal_and_not_lost(
    store: Store, tmp_path: Path
) -> None:
    persona = rig.callee(tmp_path / "callee", *KEYED, 'do="objects"', HELLO, BYE)
    request = replace(request_for(persona), policy=Policy(mandatory_recording="mifid2"))

    call = rig.virtually(store, persona, request=request)

    assert rig.openings(store, call.id)
    assert rig.call_row(store, call.id).outcome == "quarantined"
    (row,) = rig.recording_rows(store)
    assert row.state == "quarantined"
    assert rig.starts(read_spool(store, row.id), "contact")


def test_what_the_agent_undoes_stops_at_once_and_is_erased_without_a_no_of_anybody(
    store: Store, tmp_path: Path
) -> None:
    moments: list[int] = []

    async def undoes(call: Watched, _leg: SimulatedCall, clock: LoopClock) -> None:
        await rig.until(call, clock, lambda f: f.state is State.OPEN)
        await clock.sleep_until(clock.now_ms() + 1500)
        recorder = call._recorder
        assert recorder is not None
        call.undo()
        assert call.facts.because is Because.NOT_WANTED
        moments.append(recorder.counts.kept)
        await clock.sleep_until(clock.now_ms() + 1000)
        moments.append(recorder.counts.kept)

    call = rig.virtually(
        store, rig.callee(tmp_path / "callee", *KEYED, HELLO, HELLO, BYE), act=undoes
    )

    assert moments[0] == moments[1]
    found = rig.kinds(store, call.id)
    assert found.index("recording.unwanted") < found.index("erasure.intended")
    assert {"consent.refused", "consent.withdrawn"}.isdisjoint(found)
    entries = [entry for _, entry in store.ledger.entries(call.id)]
    (told,) = [entry["data"] for entry in entries if entry["kind"] == "recording.unwanted"]
    assert isinstance(told, dict)
    assert (told["by"], told["past"]) == ("agent", "erase")
    assert [row.reason for row in rig.rows(store, sa.select(erasures))] == ["undone"]
    assert rig.call_row(store, call.id).outcome == "erased"


def test_after_an_undoing_the_agent_may_record_again_and_keeps_only_that(
    store: Store, tmp_path: Path
) -> None:
    asked_ms: list[int] = []

    async def undoes(call: Watched, _leg: SimulatedCall, clock: LoopClock) -> None:
        await rig.until(call, clock, lambda f: f.state is State.OPEN)
        await clock.sleep_until(clock.now_ms() + 500)
        call.undo()
        call.undo()
        await clock.sleep_until(clock.now_ms() + 500)
        asked_ms.append(call.now_ms())
        call.want()

    steps = (*KEYED, HELLO, HELLO, HELLO, BYE)
    call = rig.virtually(store, rig.callee(tmp_path / "callee", *steps), act=undoes)

    assert rig.call_row(store, call.id).outcome == "recorded"
    assert min(rig.starts(read_spool(store, call.recordings[-1]), "contact")) >= asked_ms[0]
    assert len(rig.rows(store, sa.select(erasures))) == 1


@pytest.mark.parametrize("reason", ["duty", "hold"])
def test_what_must_be_kept_is_locked_away_when_it_is_undone(
    store: Store, tmp_path: Path, reason: str
) -> None:
    async def undoes(call: Watched, _leg: SimulatedCall, clock: LoopClock) -> None:
        await rig.until(call, clock, lambda f: f.state is State.OPEN)
        await clock.sleep_until(clock.now_ms() + 1000)
        if reason == "hold":
            legalholds.place(store, call.recordings[-1], "usr_x", "a lawsuit", rig.AT)
        call.undo()

    persona = rig.callee(tmp_path / "callee", *KEYED, HELLO, HELLO, BYE)
    duty = Policy(mandatory_recording="mifid2") if reason == "duty" else Policy()
    request = replace(request_for(persona), policy=duty)

    call = rig.virtually(store, persona, act=undoes, request=request)

    assert rig.call_row(store, call.id).outcome == "quarantined"
    (row,) = rig.recording_rows(store)
    assert row.state == "quarantined"
    assert rig.starts(read_spool(store, row.id), "contact")


# Telling


def test_nothing_of_a_contact_is_kept_while_the_agent_tells(store: Store, tmp_path: Path) -> None:
    steps = (HELLO, 'do="telling"', HELLO, AGENT, HELLO, 'do="informed"', AGENT, HELLO, BYE)
    persona = rig.callee(tmp_path / "callee", *steps, number=rig.CALIFORNIA, announces=False)

    call = rig.virtually(store, persona)

    kept = rig.spool(store, call)
    assert starts_of(kept, "contact", "notice") == []
    assert starts_of(kept, "own", "notice")
    assert starts_of(kept, "contact", "open")


def starts_of(parts: Sequence[SpoolFile], side: str, kind: str) -> list[int]:
    return rig.starts(parts, side, kind)


def test_our_own_side_is_dropped_while_the_contact_speaks_and_shortly_after(
    store: Store, tmp_path: Path
) -> None:
    overlapping = 'say="contact"\naudio="contact.wav"\nover=true'
    steps = ('do="telling"', pause(500), overlapping, AGENT, AGENT, 'do="informed"', HELLO, BYE)
    persona = rig.callee(tmp_path / "callee", *steps, number=rig.CALIFORNIA, announces=False)

    call = rig.virtually(store, persona)

    told = next(f.now_ms for f in call.seen if f.state is State.TELLING)
    spoke_ms = told + 500
    own = starts_of(rig.spool(store, call), "own", "notice")
    assert [at_ms for at_ms in own if spoke_ms + 60 <= at_ms < spoke_ms + 1000 + 300] == []
    assert [at_ms for at_ms in own if at_ms < spoke_ms]
    assert [at_ms for at_ms in own if at_ms >= spoke_ms + 1000 + 400]


@pytest.mark.parametrize(
    ("name", "steps"),
    [
        ("refusal", (HELLO, RECORD, WAIT, pause(200), NO, HELLO, BYE)),
        ("silence", (HELLO, RECORD, WAIT, pause(16_000), AGENT, BYE)),
        ("hang-up", (HELLO, RECORD, pause(1500), BYE)),
        ("refusal reported by the agent", (HELLO, 'do="telling"', AGENT, 'do="refused"', BYE)),
    ],
)
def test_a_notice_that_did_not_reach_its_purpose_is_erased_with_its_key(
    store: Store, tmp_path: Path, name: str, steps: tuple[str, ...]
) -> None:
    had: list[list[str]] = []

    async def look(call: Watched, _leg: SimulatedCall, clock: LoopClock) -> None:
        await rig.until(call, clock, lambda f: f.state is State.TELLING)
        await clock.sleep_until(clock.now_ms() + 600)
        had.append(rig.spool_files(store))

    call = rig.virtually(store, rig.callee(tmp_path / "callee", *steps), act=look)

    assert [path for path in had[0] if path.endswith(".tell")], "it was there"
    assert rig.spool_files(store) == []
    assert rig.key_ids(store) == []
    assert rig.recording_rows(store, call.id) == []
    assert "notice.started" in rig.kinds(store, call.id), f"the entry stays after {name}"


def test_a_prompt_that_was_cut_is_no_notice(store: Store, tmp_path: Path) -> None:
    async def cut(call: Watched, leg: SimulatedCall, clock: LoopClock) -> None:
        await rig.until(call, clock, lambda f: f.state is State.TELLING)
        await clock.sleep_until(clock.now_ms() + 1900)
        await leg.stop_playing()

    steps = (HELLO, RECORD, WAIT, pause(500), YES, HELLO, BYE)

    call = rig.virtually(store, rig.callee(tmp_path / "callee", *steps), act=cut)

    assert rig.call_row(store, call.id).outcome == "notice-cut"
    assert rig.openings(store, call.id) == []
    assert rig.spool_files(store) == []


def test_a_notice_that_succeeded_is_the_first_part_of_the_recording(
    store: Store, tmp_path: Path
) -> None:
    call = rig.virtually(store, rig.callee(tmp_path / "callee", *KEYED, BYE))

    parts = sorted(rig.spool(store, call), key=lambda part: part.position)
    assert parts[0].kind == "notice"
    assert len(parts[0].frames) == rig.PROMPT_MS // 20
    assert {part.kind for part in parts[1:]} <= {"open", "notice"}


# The ledger, fail closed


def test_a_call_nobody_answers_says_so(store: Store, tmp_path: Path) -> None:
    call = rig.virtually(store, rig.callee(tmp_path / "callee", 'ring="no-answer"'))

    row = rig.call_row(store, call.id)
    assert (row.outcome, row.answered_at) == ("not-asked", None)
    assert "not answered" in row.outcome_reason


@pytest.mark.parametrize(
    ("change", "word"),
    [("recording_switch", "switched off"), ("is_acknowledged", "not settled with an agent")],
)
def test_switch_and_acknowledgement_block_and_are_named(
    store: Store, tmp_path: Path, change: str, word: str
) -> None:
    persona = rig.callee(tmp_path / "callee", *KEYED, BYE)

    request = replace(
        request_for(persona),
        recording_switch=change != "recording_switch",
        is_acknowledged=change != "is_acknowledged",
    )

    call = rig.virtually(store, persona, request=request)

    row = rig.call_row(store, call.id)
    assert row.outcome == "blocked"
    assert word in row.outcome_reason
    assert rig.spool_files(store) == []


# Several calls


def test_two_calls_at_once_do_not_mix(store: Store, tmp_path: Path) -> None:
    one = rig.callee(tmp_path / "one", *KEYED, BYE)
    two = rig.callee(tmp_path / "two", *KEYED, 'do="objects"', HELLO, BYE, number="+4748750101")
    three = rig.callee(tmp_path / "three", HELLO, RECORD, WAIT, NO, HELLO, BYE)

    async def both() -> list[Watched]:
        return list(
            await asyncio.gather(*(rig.carry(store, person) for person in (one, two, three)))
        )

    kept, erased, refused = run_virtual(both())

    outcomes = [rig.call_row(store, call.id).outcome for call in (kept, erased, refused)]
    assert outcomes == ["recorded", "erased", "refused"]
    assert {row.call for row in rig.recording_rows(store)} == {kept.id, erased.id}
    assert all(
        row.call == call.id
        for call in (kept, erased, refused)
        for row in rig.rows(store, sa.select(consents).where(consents.c.call == call.id))
    )
    assert rig.starts(rig.spool(store, kept), "contact")
    assert "erasure.intended" not in rig.kinds(store, kept.id)
    assert store.ledger.verify().size == len(rig.kinds(store))


def test_whoever_comes_back_from_the_other_sides_hold_is_asked_first(
    store: Store, tmp_path: Path
) -> None:
    async def held(call: Watched, leg: SimulatedCall, clock: LoopClock) -> None:
        await rig.until(call, clock, lambda f: f.state is State.OPEN)
        for kind in (CallEventKind.HELD_BY_PEER, CallEventKind.RESUMED_BY_PEER):
            await clock.sleep_until(clock.now_ms() + 500)
            call._on_provider(CallEvent(kind, call.now_ms(), leg.contact_leg), leg)

    call = rig.virtually(store, rig.callee(tmp_path / "callee", *KEYED, HELLO, BYE), act=held)

    (opened_ms,) = rig.openings(store, call.id)
    kept = rig.starts(rig.spool(store, call), "contact")
    assert opened_ms <= min(kept)
    assert max(kept) < opened_ms + 540
    assert len(call.facts.parties) == 3
