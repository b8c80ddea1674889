"""Recordings brought over from Twilio: judged, encrypted, once; deleted there only when safe."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.twilio.importrig import (
    AGENT_HZ,
    BERLIN,
    CALIFORNIA,
    CONTACT_HZ,
    NOW,
    OURS,
    QUESTION,
    Case,
    Full,
    Hearing,
    at_once,
    mono,
    sound,
)
from tests.twilio.serving import serving

from askfirst.audio.mixing import to_samples
from askfirst.audio.tone import find_tone
from askfirst.auditing import Law
from askfirst.cli import main
from askfirst.errors import InvalidInput, Misconfigured, Refused, Unavailable
from askfirst.ledger import Kind
from askfirst.model import Word
from askfirst.policy import Policy
from askfirst.rules import packaged
from askfirst.server import erasure, importreport, models, recordingselsewhere, twilioimport
from askfirst.server.auditrun import Reach
from askfirst.server.database import assets, calls, parties, reading, recordings, transaction
from askfirst.server.importing import AUDIT, Importer, Line
from askfirst.server.importtables import imports
from askfirst.server.playback import Playback
from askfirst.server.queue import Reason, Wanted, items
from askfirst.server.recordingselsewhere import Watch
from askfirst.server.store import Store
from askfirst.server.twilioimport import sides_of
from askfirst.telephony.twilioclient import TwilioClient
from askfirst.telephony.twiliovalues import TwilioCall, TwilioCredentials
from askfirst.twilioemulator.kept import (
    ACCOUNT_SID,
    SECRET,
    Account,
    Fault,
    KeptNumber,
)
from askfirst.twilioemulator.resources import Resources


@pytest.fixture
def case(tmp_path: Path) -> Iterator[Case]:
    account = Account()
    account.numbers["PN1"] = KeptNumber(f"PN{1:032x}", OURS)
    store = Store.open(tmp_path / "data")
    with serving(Resources(account).routes()) as base:
        yield Case(account, store, base)
    store.close()


# What fails


def test_wrong_credentials_bring_nothing(case: Case) -> None:
    case.add(1, CALIFORNIA)
    with pytest.raises(Misconfigured):
        case.run("wrong")
    assert case.rows(imports) == []


@pytest.mark.parametrize("fault", [Fault.CUT, Fault.NONSENSE])
def test_a_body_that_is_cut_or_none_leaves_nothing_and_the_others_come(
    case: Case, fault: Fault
) -> None:
    case.add(1, CALIFORNIA)
    case.add(2, CALIFORNIA)
    case.account.faults = [(".wav", fault)]
    first, second = case.run(deletes=True)
    assert (first.outcome, first.deletion) == ("error", "")
    assert case.there(first.ref)
    assert (second.outcome, second.deletion) == ("ready", "deleted")
    assert [row.ref for row in case.rows(imports)] == [second.ref]
    assert len(case.rows(recordings)) == 1


def test_a_broken_file_is_not_kept(case: Case) -> None:
    sid = case.add(1, CALIFORNIA, sound()[:5_000])
    (line,) = case.run(deletes=True)
    assert line.outcome == "error"
    assert line.error.startswith(sid)
    assert case.rows(recordings) == []
    assert case.there(sid)


def test_a_full_disk_leaves_nothing_readable_and_the_next_try_begins_anew(case: Case) -> None:
    sid = case.add(1, CALIFORNIA)
    whole = case.store
    case.store = replace(whole, blobs=Full(whole.folder / "objects"))
    (line,) = case.run(deletes=True)
    assert line.outcome == "error"
    assert "No space left" in line.error
    assert case.there(sid)
    assert case.rows(recordings) == []
    (left,) = case.rows(imports)
    assert left.state == "begun"
    case.store = whole
    (line,) = case.run()
    assert line.outcome == "ready"
    assert line.recording != left.recording
    assert whole.keys.of_recording(left.recording) == []
    assert not any(name.startswith(left.recording) for name in whole.blobs.names())
    assert len(case.rows(recordings)) == 1


def test_a_recogniser_that_died_leaves_the_recording_for_the_next_try(case: Case) -> None:
    class Dead(Hearing):
        def transcribe(self, pcm: bytes, language: str) -> list[Word]:
            raise Unavailable("the speech process ended")

    case.add(1, CALIFORNIA)
    case.hearing = Dead()
    assert case.run()[0].outcome == "error"
    case.hearing = Hearing()
    assert case.run()[0].outcome == "ready"


def test_what_was_changed_here_is_not_deleted_there(case: Case) -> None:
    sid = case.add(1, CALIFORNIA)
    (line,) = case.run()
    (path,) = [
        each
        for each in (case.store.folder / "objects").rglob("*")
        if each.is_file() and "audio" in each.name
    ]
    content = bytearray(path.read_bytes())
    content[-40] ^= 1
    path.chmod(0o600)
    path.write_bytes(bytes(content))
    (line,) = case.run(deletes=True)
    assert line.outcome == "known"
    assert line.deletion not in ("", "deleted")
    assert case.there(sid)


def test_what_was_never_verified_is_not_deleted(case: Case) -> None:
    sid = case.add(1, CALIFORNIA)
    case.run()
    with transaction(case.store.engine) as connection:
        connection.execute(imports.update().values(verified_at=None))
    importer = Importer(case.store, Law(packaged()), Reach(), case.hearing)
    for ref in (sid, f"RE{9:032x}"):
        with pytest.raises(Refused, match="before ours was verified"):
            importer.ensure_may_delete("twilio", ref, NOW)
    (line,) = case.run(deletes=True)
    assert (line.outcome, line.deletion) == ("known", "deleted")
    assert case.rows(imports)[0].verified_at == NOW


def test_a_deletion_that_twilio_refuses_is_told_and_tried_again(case: Case) -> None:
    sid = case.add(1, CALIFORNIA)
    case.account.faults = [(f"{sid}.json", Fault.BROKEN)]
    (line,) = case.run(deletes=True)
    assert line.outcome == "ready"
    assert line.deletion not in ("", "deleted")
    (line,) = case.run(deletes=True)
    assert (line.outcome, line.deletion) == ("known", "deleted")


def test_what_is_still_made_or_encrypted_or_of_nobody_is_told(case: Case) -> None:
    made = [case.add(number, CALIFORNIA) for number in (1, 2, 3)]
    case.account.recordings[made[0]].status = "processing"
    case.account.recordings[made[1]].is_encrypted = True
    del case.account.calls[f"CA{3:032x}"]
    lines = case.run()
    assert [each.outcome for each in lines] == ["error"] * 3
    assert case.fetched() == 0


def test_a_page_that_expires_in_between_is_read_again(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(twilioimport, "PAGE_SIZE", 1)
    case.add(1, CALIFORNIA)
    case.add(2, CALIFORNIA)
    left = [True]

    def expire() -> None:
        if left and left.pop():
            case.account.page_generation += 1

    case.account.on_listed = expire
    assert len(case.run(is_dry=True)) == 2


# What the law forbids, or does not show to be allowed


def test_a_recording_that_is_forbidden_is_locked_although_a_notice_is_heard(case: Case) -> None:
    case.add(1, CALIFORNIA)
    case.policy = Policy.parse({"forbid_jurisdictions": ["US-CA"]})
    (line,) = case.run()
    assert (line.outcome, line.asked) == ("quarantined", "forbidden")
    assert_locked(case, line)


def test_a_recording_without_the_notice_is_locked(case: Case) -> None:
    case.add(1, CALIFORNIA)
    case.hearing = Hearing("Good morning, how are you today.")
    (line,) = case.run()
    assert line.outcome == "quarantined"
    assert_locked(case, line)


def test_where_a_yes_is_owed_a_notice_alone_locks(case: Case) -> None:
    case.add(1, BERLIN)
    (line,) = case.run()
    assert (line.outcome, line.asked) == ("quarantined", "agreed")
    assert case.hearing.given == [AGENT_HZ]


def test_a_withheld_number_is_somebody_of_unknown_place(case: Case) -> None:
    case.add(1, "anonymous")
    (line,) = case.run(is_dry=True)
    assert line.asked == "agreed"


def test_who_else_was_in_a_conference_is_not_known(case: Case) -> None:
    sid = case.add(1, CALIFORNIA)
    case.account.recordings[sid].source = "StartConferenceRecordingAPI"
    assert case.run(is_dry=True)[0].asked == "agreed"


def test_a_mix_without_a_basis_is_kept_locked_and_nobody_is_heard(case: Case) -> None:
    case.add(1, CALIFORNIA, mono())
    (line,) = case.run()
    assert line.outcome == "quarantined"
    assert case.hearing.given == []
    assert_locked(case, line)


def test_an_objection_locks(case: Case) -> None:
    case.add(1, CALIFORNIA)
    case.reach = Reach(both=True, basis="art. 6(1)(f), complaint 7")
    case.hearing = Hearing(contact="No, please do not record this call.")
    assert case.run()[0].outcome == "quarantined"


def assert_locked(case: Case, line: Line) -> None:
    assert line.recording is not None
    with reading(case.store.engine) as connection:
        (item,) = items(connection, Wanted(reason=Reason.IMPORTED))
    assert (item.recording, item.recording_state) == (line.recording, "quarantined")
    with pytest.raises(Refused):
        Playback(case.store).play(line.recording, person="usr_" + "1" * 32, purpose="quality")
    with pytest.raises(Refused):
        Playback(case.store).contact_side(line.recording)
    kinds = [entry["kind"] for _, entry in case.store.ledger.entries(item.call)]
    assert Kind.RECORDING_READY.value not in kinds
    assert Kind.RECORDING_QUARANTINED.value in kinds


# What goes well


def test_a_dry_run_says_what_the_law_asked_and_fetches_no_sound(case: Case) -> None:
    case.add(1, CALIFORNIA)
    case.add(2, BERLIN)
    lines = case.run(is_dry=True)
    assert [(each.outcome, each.asked) for each in lines] == [
        ("planned", "told"),
        ("planned", "agreed"),
    ]
    assert case.fetched() == 0
    assert case.rows(imports) == []
    told = json.dumps(importreport.to_json(lines, "twilio")) + "".join(
        importreport.csv_lines(lines)
    )
    assert CALIFORNIA not in told
    assert "4930901820" not in told


def test_a_notice_that_is_heard_opens_it_with_the_agents_channel_alone(case: Case) -> None:
    sid = case.add(1, CALIFORNIA)
    (line,) = case.run(deletes=True)
    assert (line.outcome, line.deletion, line.recording is None) == ("ready", "deleted", False)
    assert case.hearing.given == [AGENT_HZ]
    (row,) = case.rows(recordings)
    assert (row.state, row.may_transcribe, row.may_analyse) == ("ready", True, True)
    assert row.expires_at is not None
    (call,) = case.rows(calls)
    assert (call.provider, call.direction, call.proof) == ("import", "outbound", 2)
    assert [(each.role, each.number) for each in case.rows(parties)] == [
        ("agent", None),
        ("contact", CALIFORNIA),
    ]
    entries = [entry for _, entry in case.store.ledger.entries(call.id)]
    brought, gone = (
        next(entry for entry in entries if entry["kind"] == kind.value)
        for kind in (Kind.RECORDING_IMPORTED, Kind.SOURCE_DELETED)
    )
    for each in (brought, gone):
        assert f'"ref": "twilio_{sid[2:]}"' in json.dumps(each)
    assert CALIFORNIA[1:] not in json.dumps(entries)
    assert "40 days" in importreport.summary([line], "twilio")


def test_a_yes_that_is_heard_opens_it_and_its_basis_is_kept_encrypted(case: Case) -> None:
    case.add(1, BERLIN)
    case.reach = Reach(both=True, basis="art. 6(1)(f), complaint 7")
    case.hearing = Hearing(QUESTION, "Yes, you may record this call.")
    (line,) = case.run()
    assert line.outcome == "ready"
    assert line.recording is not None
    kept = Playback(case.store).asset(line.recording, AUDIT)
    assert kept is not None
    found = json.loads(kept)
    assert found["basis"] == "art. 6(1)(f), complaint 7"
    assert found["read"] == ["agent", "contact"]
    assert b"you may record" not in kept
    everything = b"".join(
        path.read_bytes() for path in case.store.folder.rglob("*") if path.is_file()
    )
    assert b"complaint 7" not in everything
    assert b"RIFF" not in everything


@pytest.mark.parametrize("is_first", [True, False])
def test_the_callers_side_is_first_whatever_leg_twilio_had_first(
    case: Case, is_first: bool
) -> None:
    if is_first:
        case.add(1, CALIFORNIA)
    else:
        # Twilio called the contact first, and then the agent's program.
        case.add(
            1,
            "client:agent",
            sound(CONTACT_HZ, AGENT_HZ),
            sender=OURS,
            to=CALIFORNIA,
            direction="outbound-api",
        )
    (line,) = case.run()
    assert line.recording is not None
    own = to_samples(Playback(case.store).own_side(line.recording))
    other = to_samples(Playback(case.store).contact_side(line.recording))
    assert find_tone(own, 16_000, [AGENT_HZ])
    assert not find_tone(own, 16_000, [CONTACT_HZ])
    assert find_tone(other, 16_000, [CONTACT_HZ])
    assert case.hearing.given == [AGENT_HZ]


def test_it_goes_on_where_it_was_and_makes_no_second_copy(case: Case) -> None:
    case.add(1, CALIFORNIA)
    case.run()
    case.add(2, CALIFORNIA)
    lines = case.run()
    assert [each.outcome for each in lines] == ["known", "ready"]
    assert case.fetched() == 2
    assert len(case.rows(recordings)) == 2
    importer = Importer(case.store, Law(packaged()), Reach(), case.hearing)
    assert importer.known("twilio", lines[0].ref) is not None


def test_what_is_erased_here_takes_its_audit_along(case: Case) -> None:
    case.add(1, CALIFORNIA)
    (line,) = case.run()
    assert line.recording is not None
    assert {row.kind for row in case.rows(assets)} == {"audio", AUDIT}
    with transaction(case.store.engine) as connection:
        erasure.intend(case.store, connection, line.recording, "asked", NOW)
    erasure.carry_out(case.store, NOW)
    assert case.rows(assets) == []
    assert case.store.keys.of_recording(line.recording) == []
    assert case.store.blobs.names() == []
    # It is known still, and does not come again.
    assert case.run()[0].outcome == "known"


def test_what_was_brought_and_is_still_there_is_an_alarm_of_its_call(case: Case) -> None:
    sid = case.add(1, CALIFORNIA)
    case.run()
    watch = Watch(
        lambda: TwilioClient(TwilioCredentials(ACCOUNT_SID, SECRET), case.base, pause=at_once)
    )
    assert recordingselsewhere.run(case.store, watch, NOW) == 1
    with reading(case.store.engine) as connection:
        (item,) = items(connection, Wanted(reason=Reason.ELSEWHERE))
    assert item.subject == sid


# Who is who


def call(sender: str, to: str, direction: str) -> TwilioCall:
    return TwilioCall(f"CA{1:032x}", None, sender, to, direction, "completed", NOW, 10)


def test_two_numbers_that_are_not_known_as_ours_are_not_guessed() -> None:
    first = call(OURS, CALIFORNIA, "outbound-api")
    dialled = [call(OURS, "+15125550199", "outbound-dial")]
    with pytest.raises(InvalidInput, match="--ours"):
        sides_of(first, dialled, frozenset({OURS}))
    found = sides_of(first, dialled, frozenset({OURS, "+15125550199"}))
    assert (found.contacts, found.direction, found.is_own_second) == (
        (CALIFORNIA,), "outbound", True,
    )  # fmt: skip


def test_who_called_in_is_the_caller() -> None:
    found = sides_of(call(CALIFORNIA, OURS, "inbound"), [], frozenset({OURS}))
    assert (found.contacts, found.direction, found.is_own_second) == (
        (CALIFORNIA,), "inbound", True,
    )  # fmt: skip


@given(
    st.sampled_from([OURS, CALIFORNIA, BERLIN, "client:a", "sip:a@b.example", "anonymous", "x"]),
    st.sampled_from([OURS, CALIFORNIA, BERLIN, "client:a", "sip:a@b.example", "anonymous", "x"]),
    st.sampled_from(["inbound", "outbound-api", "outbound-dial", ""]),
    st.lists(st.sampled_from([OURS, CALIFORNIA, "client:a", "anonymous"]), max_size=3),
)
def test_nobody_of_ours_is_ever_a_contact_and_nobody_else_is_left_out(
    sender: str, to: str, direction: str, dialled: list[str]
) -> None:
    children = [call(sender, each, "outbound-dial") for each in dialled]
    try:
        found = sides_of(call(sender, to, direction), children, frozenset({OURS}))
    except InvalidInput:
        return
    assert found.contacts
    assert OURS not in found.contacts
    assert all(each in found.contacts for each in dialled if each == CALIFORNIA)


# The command


@pytest.fixture
def command(
    case: Case, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    monkeypatch.setenv("TWILIO_ACCOUNT_SID", ACCOUNT_SID)
    monkeypatch.setenv("TWILIO_AUTH_TOKEN", SECRET)
    monkeypatch.setenv("TWILIO_BASE_URL", case.base)
    monkeypatch.setattr(models, "recognizer", lambda _name, _data: case.hearing)
    folder = str(case.store.folder)

    def give(*words: str) -> tuple[int, str, str]:
        status = main(["import", "twilio", "--data", folder, "--agent", "US-TX", *words])
        said = capsys.readouterr()
        return status, said.out, said.err

    return give


def test_the_command_takes_credentials_from_the_environment_alone(
    case: Case, command: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TWILIO_AUTH_TOKEN")
    status, out, err = command("--json")
    assert (status, out) == (3, "")
    assert "TWILIO_AUTH_TOKEN" in err
    monkeypatch.setenv("TWILIO_AUTH_TOKEN", "wrong-token")
    status, out, err = command("--json")
    assert (status, out) == (3, "")
    assert "wrong-token" not in err


def test_the_command_plans_and_brings_and_reports(
    case: Case, command: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    case.add(1, CALIFORNIA)
    case.add(2, BERLIN)
    status, out, err = command("--json", "--dry-run")
    found = json.loads(out)
    assert status == 0
    assert [each["asked"] for each in found["recordings"]] == ["told", "agreed"]
    assert case.fetched() == 0
    table = tmp_path / "report.csv"
    status, out, err = command("--json", "--delete-at-source", "--csv", str(table))
    found = json.loads(out)
    assert status == 1
    assert [each["outcome"] for each in found["recordings"]] == ["ready", "quarantined"]
    assert found["metadata_days_at_source"] == 40
    assert not any(case.there(sid) for sid in case.account.recordings)
    assert table.read_text(encoding="utf-8").count("\n") == 3
    for said in (out, err, table.read_text(encoding="utf-8")):
        assert SECRET not in said
        assert CALIFORNIA[1:] not in said
        assert "http" not in said


def test_a_dry_run_never_deletes(command: Callable[..., tuple[int, str, str]]) -> None:
    status, out, err = command("--dry-run", "--delete-at-source")
    assert (status, out) == (2, "")
    assert "deletes nothing" in err
