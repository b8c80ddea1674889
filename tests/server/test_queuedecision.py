"""Deciding an item: what is let go, erased or cut, who is told, and what a second person does."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.server import rig
from tests.server.people import KARI, OLA, employ
from tests.server.test_finishing import TOLD, Listening, finished
from tests.server.test_queuecheck import UNTOLD, put

from askfirst.audio.container import decode
from askfirst.audio.mixing import to_samples
from askfirst.audio.tone import find_tone
from askfirst.errors import InvalidInput, InvalidRequest, KeyUnreadable, NotFound, Refused
from askfirst.model import SAMPLE_RATE_HZ
from askfirst.server import approvals, copies, cutting, erasure, keptwords, queuetexts
from askfirst.server.access import Person, UserRole
from askfirst.server.account import change
from askfirst.server.approvalkinds import KINDS
from askfirst.server.clock import utc_now
from askfirst.server.database import calls, outbox, reading, segments, transaction
from askfirst.server.excerpts import excerpt
from askfirst.server.finishing import Finishing
from askfirst.server.ids import new_id
from askfirst.server.playback import Playback
from askfirst.server.queue import Finding, Item, Reason, Wanted, item, items
from askfirst.server.queuedecision import Decision, Wish, allowed, answer, complain, decide
from askfirst.server.queuetables import cut_pieces, queue_items
from askfirst.server.requestregister import RequestKind, receive
from askfirst.server.store import Store
from askfirst.server.subjectrights import Who

WHY = "I have heard it"


def officer(identity: str = KARI, *roles: UserRole) -> Person:
    return Person(identity, frozenset(roles or (UserRole.COMPLIANCE,)), None)


@dataclass
class Case:
    """A recording whose notice was attested and is not heard, and its item."""

    store: Store
    call: str
    recording: str

    @property
    def item(self) -> Item:
        with reading(self.store.engine) as connection:
            (found,) = connection.execute(sa.select(queue_items.c.id)).scalars()
            return item(connection, found)

    def decide(self, decision: Decision, from_ms: int | None = None, by: str = KARI) -> str:
        wish = Wish(decision, WHY, from_ms)
        return decide(self.store, officer(by), self.item.id, wish, utc_now()).state.value

    @property
    def state(self) -> str:
        (row,) = rig.recording_rows(self.store)
        return str(row.state)


@pytest.fixture
def case(store: Store, tmp_path: Path) -> Case:
    employ(store)
    call = finished(store, tmp_path, Listening(UNTOLD), *TOLD)
    return Case(store, call.id, call.recordings[0])


def second_person(store: Store, *kinds: str) -> None:
    with transaction(store.engine) as connection:
        change(connection, {"second_person": list(kinds)}, KARI, utc_now())


def test_given_lets_the_recording_go_and_has_the_contact_heard(case: Case) -> None:
    assert case.decide(Decision.GIVEN) == "decided"

    row = rig.call_row(case.store, case.call)
    assert (case.state, row.outcome, row.proof) == ("ready", "recorded", 1)
    (order,) = rig.rows(case.store, sa.select(outbox).where(outbox.c.kind == "hear"))
    assert order.ref == case.call
    Finishing(case.store, Listening(UNTOLD)).transcribe(case.call)
    assert Playback(case.store).asset(case.recording, "contact-transcript")
    assert "queue.decided" in rig.kinds(case.store)


def test_not_given_erases_the_audio_and_keeps_what_is_known(case: Case) -> None:
    assert case.decide(Decision.NOT_GIVEN) == "decided"

    assert case.state == "erased"
    assert not [name for name in case.store.blobs.names() if "/audio-" in name]
    assert rig.call_row(case.store, case.call).outcome == "erased"
    assert case.item.decision == "not-given"


@pytest.mark.parametrize("kept", [{"legal_hold": True}, {"mandatory": "fca"}])
@pytest.mark.parametrize("decision", [Decision.NOT_GIVEN, Decision.KEEP_FROM])
def test_what_a_hold_or_a_duty_keeps_is_not_destroyed_by_a_decision(
    case: Case, kept: dict[str, object], decision: Decision
) -> None:
    rig.change(case.store, case.recording, **kept)
    from_ms = 5_000 if decision is Decision.KEEP_FROM else None

    with pytest.raises(Refused, match="kept by"):
        case.decide(decision, from_ms)

    assert case.state == "quarantined"
    assert case.item.state.value == "open"


def test_what_is_before_the_cut_is_gone_for_good(case: Case) -> None:
    with reading(case.store.engine) as connection:
        before = connection.execute(sa.select(segments)).all()
    opened = next(row for row in before if row.kind == "open")
    from_ms = opened.from_ms + 1_000
    (old,) = [name for name in case.store.blobs.names() if "/audio-" in name]

    assert case.decide(Decision.KEEP_FROM, from_ms) == "decided"

    assert case.state == "ready"
    (new,) = [name for name in case.store.blobs.names() if "/audio-" in name]
    assert new != old
    with pytest.raises(KeyUnreadable):
        case.store.keys.get(old)
    assert not [name for name in case.store.blobs.names() if "transcript" in name]
    assert rig.rows(case.store, sa.select(cut_pieces)) == []
    with reading(case.store.engine) as connection:
        after = connection.execute(sa.select(segments)).all()
    assert min(row.from_ms for row in after) == from_ms
    assert min(row.file_ms for row in after) == 0
    (row,) = rig.recording_rows(case.store)
    with pytest.raises(Refused, match="looked through"):
        Playback(case.store).play(case.recording, person=KARI, purpose="quality")
    samples, _ = decode(Playback(case.store).replay(case.recording, is_original=True))
    assert abs(samples.shape[1] / 48 - row.duration_ms) < 25
    assert row.duration_ms == sum(each.to_ms - each.from_ms for each in after)
    assert row.first_contact_ms >= from_ms
    assert "recording.cut" in rig.kinds(case.store)


def test_a_cut_takes_copies_along_and_leaves_what_was_said_about_it(case: Case) -> None:
    store, at = case.store, utc_now()
    with transaction(store.engine) as connection:
        person = Who(numbers=("+4722334455",))
        request = receive(store, connection, RequestKind.ACCESS, person, KARI, at).id
    keptwords.keep(store, case.recording, new_id("shr"), {"recipient": "Counsel"}, at)
    made = copies.make_now(
        store,
        request,
        {case.recording: []},
        lambda archive: archive.writestr("a", "b"),
        at,
        language="en",
    )
    opened = next(row for row in rig.rows(store, sa.select(segments)) if row.kind == "open")
    assert any(name.startswith(made.making) for name in store.blobs.names())

    case.decide(Decision.KEEP_FROM, opened.from_ms + 1_000)

    assert not any(name.startswith(made.making) for name in store.blobs.names())
    with reading(store.engine) as connection:
        left = copies.copy_of(store, connection, request, at)
    assert left is not None
    assert left.state is copies.CopyState.WITHDRAWN
    assert [name for name in store.blobs.names() if "/shr-" in name]


def test_a_crash_in_the_middle_of_a_cut_leaves_the_old_sound_to_nobody(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = next(row for row in rig.rows(case.store, sa.select(segments)) if row.kind == "open")
    (old,) = [name for name in case.store.blobs.names() if "/audio-" in name]
    monkeypatch.setattr(Store, "destroy_object", _killed)
    with pytest.raises(KeyboardInterrupt):
        case.decide(Decision.KEEP_FROM, opened.from_ms + 1_000)
    monkeypatch.undo()
    assert case.store.keys.get(old)

    assert cutting.carry_out(case.store) >= 2

    with pytest.raises(KeyUnreadable):
        case.store.keys.get(old)
    assert cutting.carry_out(case.store) == 0


def _killed(_store: Store, _identity: str) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("from_ms", [0, 10_000_000])
def test_a_cut_outside_of_the_recording_changes_nothing(case: Case, from_ms: int) -> None:
    objects = case.store.blobs.names()

    with pytest.raises(InvalidInput):
        case.decide(Decision.KEEP_FROM, from_ms)

    assert case.state == "quarantined"
    audio = [name for name in objects if "/audio-" in name]
    assert [name for name in case.store.blobs.names() if "/audio-" in name] == audio


def test_a_recording_that_another_item_locks_stays_locked(case: Case) -> None:
    first = case.item.id
    put(case.store, Finding(Reason.UNEXPECTED, case.call, case.recording))

    decide(case.store, officer(), first, Wish(Decision.GIVEN, WHY), utc_now())

    assert case.state == "quarantined"


def test_the_second_of_two_officers_is_told(case: Case) -> None:
    identity = case.item.id
    case.decide(Decision.GIVEN)

    with pytest.raises(Refused, match="somebody else has decided"):
        decide(case.store, officer(OLA), identity, Wish(Decision.NOT_GIVEN, WHY), utc_now())

    assert case.state == "ready"


def test_who_may_not_decide_decides_nothing(case: Case) -> None:
    for role in (UserRole.AGENT, UserRole.SUPERVISOR, UserRole.ADMIN, UserRole.AUDITOR):
        with pytest.raises(Refused):
            decide(
                case.store, officer(KARI, role), case.item.id, Wish(Decision.GIVEN, WHY), utc_now()
            )
    assert case.state == "quarantined"


@pytest.mark.parametrize(
    ("wish", "key"),
    [
        (Wish(Decision.DISMISS, WHY), "decision"),
        (Wish(Decision.KEEP_FROM, WHY), "from_ms"),
        (Wish(Decision.GIVEN, WHY, 5), "from_ms"),
    ],
)
def test_a_decision_that_does_not_fit_is_refused(case: Case, wish: Wish, key: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        decide(case.store, officer(), case.item.id, wish, utc_now())

    assert caught.value.key == key


def test_a_decision_without_a_comment_is_refused(case: Case) -> None:
    with pytest.raises(InvalidInput):
        decide(case.store, officer(), case.item.id, Wish(Decision.GIVEN, " "), utc_now())


def test_the_agent_is_asked_and_answers_and_nobody_else_does(case: Case) -> None:
    with transaction(case.store.engine) as connection:
        connection.execute(calls.update().values(agent=OLA))

    assert case.decide(Decision.ASK_AGENT) == "asked"
    with pytest.raises(Refused):
        answer(case.store, KARI, case.item.id, "It was I", utc_now())
    answer(case.store, OLA, case.item.id, "I told her before", utc_now())

    assert case.item.state.value == "open"
    written = queuetexts.texts_of(case.store, case.item.id)
    assert [(each.kind.value, each.text) for each in written] == [
        ("question", WHY),
        ("answer", "I told her before"),
    ]
    with pytest.raises(Refused):
        answer(case.store, OLA, case.item.id, "And again", utc_now())


def test_what_is_written_stands_in_no_table_and_goes_with_the_recording(case: Case) -> None:
    words = "Nora Lie never heard it"
    identity = complain(case.store, case.call, case.recording, words, KARI, utc_now())
    assert queuetexts.texts_of(case.store, identity)[0].text == words
    kept = (case.store.folder / "askfirst.db").read_bytes()
    log = case.store.folder / "askfirst.db-wal"
    assert b"Nora Lie" not in kept + (log.read_bytes() if log.exists() else b"")

    with reading(case.store.engine) as connection:
        (first,) = [
            each.id for each in items(connection, Wanted()) if each.reason is Reason.NOT_HEARD
        ]
    decide(case.store, officer(), first, Wish(Decision.NOT_GIVEN, WHY), utc_now())

    assert queuetexts.texts_of(case.store, identity)[0].text is None


def test_a_complaint_about_a_call_without_a_recording_can_only_be_answered(
    case: Case,
) -> None:
    identity = complain(case.store, case.call, None, "They were rude", KARI, utc_now())
    assert complain(case.store, case.call, None, "Twice", KARI, utc_now()) == identity

    with reading(case.store.engine) as connection:
        assert allowed(item(connection, identity)) == (Decision.DISMISS,)
    done = decide(case.store, officer(), identity, Wish(Decision.DISMISS, WHY), utc_now())
    assert done.state.value == "decided"


# Hearing the seconds that an item needs


def test_an_officer_hears_our_own_side_of_the_window_and_it_is_written_down(case: Case) -> None:
    sound = excerpt(case.store, officer(), case.item.id, utc_now())

    samples, _ = decode(sound, SAMPLE_RATE_HZ)
    assert samples.shape[0] == 1
    assert find_tone(to_samples(samples[0].tobytes()), SAMPLE_RATE_HZ, (rig.VOICES["agent"],))
    assert not find_tone(to_samples(samples[0].tobytes()), SAMPLE_RATE_HZ, (rig.VOICES["contact"],))
    entry = case.store.ledger.entries(case.call)[-1][1]
    assert entry["kind"] == "access.played"
    data = entry["data"]
    assert isinstance(data, dict)
    assert (data["person"], data["purpose"]) == (KARI, "consent-check")
    assert (data["from_ms"], data["to_ms"]) == (case.item.from_ms, case.item.to_ms)


def test_nothing_is_heard_where_the_access_cannot_be_written(case: Case) -> None:
    with rig.unwritable(case.store), pytest.raises(Exception, match="database"):
        excerpt(case.store, officer(), case.item.id, utc_now())


@pytest.mark.parametrize("role", [UserRole.AGENT, UserRole.SUPERVISOR, UserRole.AUDITOR])
def test_only_who_decides_hears_it(case: Case, role: UserRole) -> None:
    entries = len(rig.kinds(case.store))

    with pytest.raises(Refused):
        excerpt(case.store, officer(KARI, role), case.item.id, utc_now())

    assert len(rig.kinds(case.store)) == entries


@pytest.mark.parametrize("shift", [(-1, 0), (0, 1), (0, -90_000), (90_000, 90_000)])
def test_no_other_range_is_heard(case: Case, shift: tuple[int, int]) -> None:
    found = case.item
    wanted = ((found.from_ms or 0) + shift[0], (found.to_ms or 0) + shift[1])

    with pytest.raises(Refused):
        excerpt(case.store, officer(), found.id, utc_now(), wanted)


def test_a_decided_item_or_one_whose_recording_is_to_be_erased_is_not_heard(case: Case) -> None:
    identity = case.item.id
    rig.change(case.store, case.recording, legal_hold=True)
    with transaction(case.store.engine) as connection:
        erasure.intend(case.store, connection, case.recording, "request", utc_now())
    with pytest.raises(Refused, match="to be erased"):
        excerpt(case.store, officer(), identity, utc_now())

    with transaction(case.store.engine) as connection:
        connection.execute(queue_items.update().values(state="decided"))
    with pytest.raises(Refused, match="nothing is to be heard"):
        excerpt(case.store, officer(), identity, utc_now())


def test_a_quarantined_recording_is_played_nowhere_else(case: Case) -> None:
    playback = Playback(case.store)

    with pytest.raises(Refused):
        playback.play(case.recording, person=KARI, purpose="quality")
    with pytest.raises(Refused):
        playback.replay(case.recording)
    with pytest.raises(Refused):
        playback.contact_side(case.recording)
    with pytest.raises(Refused):
        playback.own_side(case.recording)


# The second person


def approve(case: Case, identity: str, by: Person) -> None:
    approvals.approve(case.store, KINDS, identity, by, utc_now())


def proposed(case: Case, decision: Decision = Decision.NOT_GIVEN) -> str:
    second_person(case.store, "queue-erase", "queue-keep")
    assert case.decide(decision) == "proposed"
    with reading(case.store.engine) as connection:
        (found,) = approvals.open_proposals(connection)
    return found.id


def test_with_a_second_person_nothing_happens_before_somebody_else_agrees(case: Case) -> None:
    identity = proposed(case)
    assert case.state == "quarantined"

    with pytest.raises(Refused, match="your own"):
        approve(case, identity, officer(KARI))
    with pytest.raises(Refused):
        approve(case, identity, officer(OLA, UserRole.ADMIN))
    assert case.state == "quarantined"

    approve(case, identity, officer(OLA))
    assert case.state == "erased"
    assert case.item.decided_by == KARI
    with pytest.raises(Refused, match="decided by somebody else"):
        approve(case, identity, officer(OLA))


def test_what_waits_for_a_second_person_is_decided_by_nobody_else_meanwhile(case: Case) -> None:
    proposed(case)

    with pytest.raises(Refused, match="second person"):
        case.decide(Decision.GIVEN, by=OLA)


def test_a_declined_proposal_opens_the_item_again(case: Case) -> None:
    identity = proposed(case, Decision.GIVEN)

    approvals.decline(case.store, KINDS, identity, officer(OLA), utc_now())

    assert case.item.state.value == "open"
    assert case.state == "quarantined"


def test_a_proposal_runs_out_and_is_then_approved_by_nobody(case: Case) -> None:
    identity = proposed(case)
    late = utc_now() + approvals.LASTS

    with pytest.raises(Refused, match="run out"):
        approvals.approve(case.store, KINDS, identity, officer(OLA), late)
    assert approvals.expire(case.store, KINDS, late - timedelta(minutes=5)) == 0
    assert approvals.expire(case.store, KINDS, late) == 1
    assert case.item.state.value == "open"
    assert case.state == "quarantined"


def test_an_approval_that_can_no_longer_be_carried_out_leaves_the_proposal_open(
    case: Case,
) -> None:
    identity = proposed(case)
    rig.change(case.store, case.recording, legal_hold=True)

    with pytest.raises(Refused, match="legal hold"):
        approve(case, identity, officer(OLA))

    with reading(case.store.engine) as connection:
        assert approvals.proposal(connection, identity).state.value == "open"
    assert case.item.state.value == "proposed"


def test_an_unknown_proposal_is_not_found(case: Case) -> None:
    with pytest.raises(NotFound):
        approve(case, "prop_" + "0" * 32, officer(OLA))
