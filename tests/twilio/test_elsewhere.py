"""Recordings that Twilio keeps: looked for, told, and never taken for absent when unknown."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from tests.server.rig import AT
from tests.twilio.serving import serving

from askfirst.errors import InvalidRequest
from askfirst.ledger import Kind
from askfirst.server import elsewherereport, queue, queuedecision, queuetexts, recordingselsewhere
from askfirst.server.access import Person, UserRole
from askfirst.server.boards import Period
from askfirst.server.checkup import State
from askfirst.server.database import calls, open_engine, reading, transaction
from askfirst.server.elsewherereport import elsewhere
from askfirst.server.finishing import Finishing
from askfirst.server.jobs import Jobs
from askfirst.server.queue import ItemState, Reason, Wanted
from askfirst.server.queuedecision import Decision, Wish
from askfirst.server.recordingselsewhere import FRESH, Watch, run, state
from askfirst.server.store import Store
from askfirst.server.systemboard import Lines, system
from askfirst.speech.scripted import Scripted
from askfirst.telephony.twilioclient import TwilioClient
from askfirst.telephony.twiliovalues import TwilioCredentials
from askfirst.twilioemulator.kept import ACCOUNT_SID, SECRET, Account, Fault, KeptRecording
from askfirst.twilioemulator.resources import Resources

OURS, THEIRS = "CA" + "1" * 32, "CA" + "2" * 32
CALL = "call_" + "a" * 32
PERSON = Person("usr_" + "1" * 32, frozenset({UserRole.COMPLIANCE}), None)


async def _at_once(_: float) -> None:
    return None


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store.open(tmp_path)
    with transaction(made.engine) as connection:
        connection.execute(
            calls.insert().values(
                id=CALL,
                created_at=AT,
                provider="twilio",
                direction="outbound",
                language="en",
                policy={},
                proof=0,
            )
        )
    yield made
    made.close()


@pytest.fixture
def account() -> Account:
    return Account()


@pytest.fixture
def watch(account: Account) -> Iterator[Watch]:
    with serving(Resources(account).routes()) as base:

        def client() -> TwilioClient:
            return TwilioClient(TwilioCredentials(ACCOUNT_SID, SECRET), base, None, _at_once)

        yield Watch(client, lambda sid: CALL if sid == OURS else None)


def keep(account: Account, number: int, call: str) -> str:
    sid = f"RE{number:032x}"
    account.recordings[sid] = KeptRecording(sid, call, AT + timedelta(minutes=number))
    return sid


def items(store: Store, reason: Reason = Reason.ELSEWHERE) -> list[queue.Item]:
    with reading(store.engine) as connection:
        return queue.items(connection, Wanted(reason=reason))


def one(store: Store, identity: str) -> queue.Item:
    with reading(store.engine) as connection:
        return queue.item(connection, identity)


def decide(store: Store, item: queue.Item, decision: Decision, at: datetime = AT) -> None:
    wish = Wish(decision, "the other program made it, as agreed in 2024")
    queuedecision.decide(store, PERSON, item.id, wish, at)


def told(store: Store) -> recordingselsewhere.Elsewhere:
    with reading(store.engine) as connection:
        return state(connection)


@pytest.mark.parametrize(
    ("fault", "problem"),
    [(Fault.NONSENSE, "answer"), (Fault.CUT, "unreachable"), (Fault.BROKEN, "unreachable")],
)
def test_a_check_that_fails_is_told_and_takes_nothing_for_absent(
    store: Store, account: Account, watch: Watch, fault: Fault, problem: str
) -> None:
    keep(account, 1, THEIRS)
    assert run(store, watch, AT) == 1
    account.faults = [("Recordings", fault)] * 8
    assert run(store, watch, AT + timedelta(days=1)) is None
    found = told(store)
    assert (found.problem, found.done_at, found.strangers) == (problem, AT, 1)


def test_without_any_whole_check_nothing_is_known(
    store: Store, account: Account, watch: Watch
) -> None:
    account.secret = "another"  # noqa: S105 - of the emulator
    assert run(store, watch, AT) is None
    found = told(store)
    assert (found.problem, found.done_at) == ("credentials", None)
    (finding,) = elsewhere(store.folder, AT)
    assert finding.state is State.WARNING
    assert "not known" in finding.says


def test_without_an_account_nothing_is_asked_and_nothing_said(store: Store) -> None:
    assert run(store, Watch(lambda: None), AT) is None
    assert told(store).tried_at is None
    assert list(elsewhere(store.folder, AT)) == []


def test_a_page_that_expires_in_between_is_read_again(
    store: Store, account: Account, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recordingselsewhere, "PAGE_SIZE", 1)
    keep(account, 1, THEIRS)
    keep(account, 2, THEIRS)
    expiring = [True]

    def expire() -> None:
        if expiring and expiring.pop():
            account.page_generation += 1

    account.on_listed = expire
    assert run(store, watch, AT) == 2


def test_a_recording_of_our_call_is_an_item_once(
    store: Store, account: Account, watch: Watch
) -> None:
    sids = [keep(account, 1, OURS), keep(account, 2, OURS)]
    keep(account, 3, THEIRS)
    assert run(store, watch, AT) == 3
    assert run(store, watch, AT) == 0
    assert sorted(each.subject for each in items(store)) == sids
    assert {each.call for each in items(store)} == {CALL}
    raised = [
        entry for _, entry in store.ledger.entries(CALL) if entry["kind"] == Kind.QUEUE_RAISED.value
    ]
    # The newest comes first in Twilio's list.
    for each, sid in zip(raised, reversed(sids), strict=True):
        assert f'"elsewhere": "twilio_{sid[2:]}"' in json.dumps(each)
    found = told(store)
    assert (found.ours, found.strangers) == (2, 1)


def test_a_decided_item_does_not_come_again(store: Store, account: Account, watch: Watch) -> None:
    keep(account, 1, OURS)
    run(store, watch, AT)
    (item,) = items(store)
    wish = Wish(Decision.DISMISS, "deleted at Twilio")
    assert queuedecision.decide(store, PERSON, item.id, wish, AT).state is ItemState.DECIDED
    assert run(store, watch, AT) == 0
    assert items(store) == []


def test_what_is_deleted_there_is_told_no_more(
    store: Store, account: Account, watch: Watch
) -> None:
    sid = keep(account, 1, THEIRS)
    run(store, watch, AT)
    (finding,) = elsewhere(store.folder, AT)
    assert "asked for: 1" in finding.says
    account.recordings[sid].status = "deleted"
    run(store, watch, AT)
    assert told(store).strangers == 0
    (finding,) = elsewhere(store.folder, AT)
    assert finding.state is State.OK
    (finding,) = elsewhere(store.folder, AT + timedelta(days=3))
    assert finding.state is State.WARNING


# What may be said of it


@pytest.mark.parametrize("fault", [Fault.NONSENSE, Fault.BROKEN])
def test_the_dashboard_has_no_number_after_a_check_that_failed(
    store: Store, account: Account, watch: Watch, fault: Fault
) -> None:
    assert board(store, AT) == ["never", None, None, None]
    run(store, watch, AT)
    assert board(store, AT) == ["nothing", 0, AT, AT]
    later = AT + timedelta(days=1)
    account.faults = [("Recordings", fault)] * 8
    run(store, watch, later)
    state, *others = board(store, later)
    assert state in ("answer", "unreachable")
    assert others == [None, later, AT]


def test_the_dashboard_has_no_number_of_a_check_that_is_too_old(
    store: Store, account: Account, watch: Watch
) -> None:
    keep(account, 1, THEIRS)
    run(store, watch, AT)
    assert board(store, AT + FRESH) == ["found", 1, AT, AT]
    assert board(store, AT + FRESH + timedelta(minutes=1)) == ["stale", None, AT, AT]
    assert elsewherereport.FRESH == FRESH


def board(store: Store, now: datetime) -> Sequence[object]:
    with reading(store.engine) as connection:
        shown = system(connection, store.folder, Lines(), Period(AT.date(), AT.date()), now)
    (table,) = [each for each in shown.tables if each.key == "elsewhere"]
    ((what, *cells),) = table.rows
    assert what == "twilio"
    return cells


# What belongs to none of our calls


def test_a_recording_of_no_call_of_ours_is_an_alarm_in_the_queue(
    store: Store, account: Account, watch: Watch
) -> None:
    sid = keep(account, 1, THEIRS)
    run(store, watch, AT)
    run(store, watch, AT + timedelta(days=1))
    (item,) = items(store, Reason.NO_CALL)
    made = AT + timedelta(minutes=1)
    assert (item.call, item.subject, item.called_at, item.raised_at) == (None, sid, made, AT)
    assert queuedecision.allowed(item) == (Decision.DELETED_THERE, Decision.KNOWN)
    (raised,) = entries(store, Kind.QUEUE_RAISED)
    assert raised["data"] == {
        "item": item.id,
        "reason": "elsewhere-no-call",
        "elsewhere": f"twilio_{sid[2:]}",
    }
    assert items(store) == []


def test_a_check_that_fails_ends_no_item(store: Store, account: Account, watch: Watch) -> None:
    sid = keep(account, 1, THEIRS)
    run(store, watch, AT)
    account.recordings[sid].status = "deleted"
    account.faults = [("Recordings", Fault.BROKEN)] * 8
    assert run(store, watch, AT + timedelta(days=1)) is None
    assert len(items(store, Reason.NO_CALL)) == 1


def test_it_ends_by_itself_when_it_is_not_there_any_more_and_comes_again_with_it(
    store: Store, account: Account, watch: Watch
) -> None:
    sid = keep(account, 1, THEIRS)
    run(store, watch, AT)
    (item,) = items(store, Reason.NO_CALL)
    account.recordings[sid].status = "deleted"
    later = AT + timedelta(days=1)
    run(store, watch, later)
    ended = one(store, item.id)
    assert (ended.decision, ended.decided_at, ended.decided_by) == ("gone", later, None)
    (entry,) = entries(store, Kind.QUEUE_DECIDED)
    assert entry["data"]["decision"] == "gone"
    assert "person" not in entry["data"]
    account.recordings[sid].status = "completed"
    run(store, watch, later + timedelta(days=1))
    assert one(store, item.id).state is ItemState.OPEN


def test_who_says_that_it_was_deleted_is_asked_again_while_it_is_there(
    store: Store, account: Account, watch: Watch
) -> None:
    keep(account, 1, THEIRS)
    run(store, watch, AT)
    (item,) = items(store, Reason.NO_CALL)
    decide(store, item, Decision.DELETED_THERE)
    (entry,) = entries(store, Kind.QUEUE_DECIDED)
    assert (entry["data"]["decision"], entry["data"]["person"]) == ("deleted-there", PERSON.id)
    run(store, watch, AT + timedelta(days=1))
    assert one(store, item.id).state is ItemState.OPEN


def test_what_is_ours_and_known_does_not_come_again_and_warns_nobody(
    store: Store, account: Account, watch: Watch
) -> None:
    keep(account, 1, THEIRS)
    run(store, watch, AT)
    (item,) = items(store, Reason.NO_CALL)
    decide(store, item, Decision.KNOWN)
    run(store, watch, AT + timedelta(days=1))
    assert one(store, item.id).decision == "known"
    (said,) = queuetexts.texts_of(store, item.id)
    assert said.text == "the other program made it, as agreed in 2024"
    assert "agreed in 2024" not in str(entries(store, *Kind))
    (finding,) = elsewhere(store.folder, AT + timedelta(days=1))
    assert finding.state is State.OK
    assert "but 1 that somebody here knows of" in finding.says


@pytest.mark.parametrize("decision", [Decision.DISMISS, Decision.GIVEN, Decision.ASK_AGENT])
def test_no_other_decision_ends_it(
    store: Store, account: Account, watch: Watch, decision: Decision
) -> None:
    keep(account, 1, THEIRS)
    run(store, watch, AT)
    (item,) = items(store, Reason.NO_CALL)
    with pytest.raises(InvalidRequest):
        decide(store, item, decision)
    assert one(store, item.id).state is ItemState.OPEN


def test_what_was_brought_over_meanwhile_becomes_an_item_of_its_call(
    store: Store, account: Account, watch: Watch
) -> None:
    sid = keep(account, 1, THEIRS)
    run(store, watch, AT)
    (item,) = items(store, Reason.NO_CALL)
    run(store, Watch(watch.client, lambda _: CALL), AT + timedelta(days=1))
    assert one(store, item.id).decision == "brought-over"
    (ours,) = items(store)
    assert (ours.call, ours.subject) == (CALL, sid)


def test_the_older_database_keeps_its_items_and_what_was_written(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path / 'old.db'}")
    with as_file(files("askfirst.server").joinpath("migrations")) as folder:
        config = Config()
        config.set_main_option("script_location", str(folder))
        config.attributes["engine"] = engine
        command.upgrade(config, "0038")
        with engine.begin() as connection:
            for table, values in OLDER.items():
                marks = ", ".join(f":{name}" for name in values)
                insert = f"INSERT INTO {table} ({', '.join(values)}) VALUES ({marks})"  # noqa: S608
                connection.execute(sa.text(insert), values)
        command.upgrade(config, "head")
        assert counted(engine) == (1, 1)
        command.downgrade(config, "0038")
        assert counted(engine) == (1, 1)
    engine.dispose()


def counted(engine: sa.Engine) -> tuple[int, ...]:
    with engine.connect() as connection:
        return tuple(
            connection.execute(sa.text(f"SELECT count(*) FROM {table}")).scalar_one()  # noqa: S608
            for table in ("queue_items", "queue_texts")
        )


OLDER: dict[str, dict[str, Any]] = {
    "calls": {"id": CALL, "created_at": AT.isoformat(), "provider": "twilio",
              "direction": "outbound", "language": "en", "policy": "{}", "proof": 0},
    "queue_items": {"id": "que_1", "call": CALL, "subject": CALL, "reason": "complaint",
                    "state": "open", "raised_at": AT.isoformat()},
    "queue_texts": {"id": f"{CALL}/note-1", "item": "que_1", "kind": "complaint",
                    "person": PERSON.id, "at": AT.isoformat()},
}  # fmt: skip


def entries(store: Store, *kinds: Kind) -> list[dict[str, Any]]:
    wanted = {kind.value for kind in kinds}
    return [entry for _, entry in store.ledger.entries() if entry["kind"] in wanted]


def test_no_number_is_kept_or_entered(store: Store, account: Account, watch: Watch) -> None:
    keep(account, 1, OURS)
    run(store, watch, AT)
    with reading(store.engine) as connection:
        names = [
            each["name"] for each in sa.inspect(connection).get_columns("recordings_elsewhere")
        ]
    assert names == ["sid", "call_sid", "call", "source", "made_at", "found_at", "gone_at"]


def test_the_jobs_check_when_they_start(store: Store, account: Account, watch: Watch) -> None:
    keep(account, 1, OURS)
    jobs = Jobs(store, Finishing(store, Scripted()), watch=watch)
    jobs.start()
    try:
        jobs.wait()
    finally:
        jobs.stop()
    assert told(store).done_at is not None
    assert len(items(store)) == 1
