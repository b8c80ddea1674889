"""What may not be brought over at all: its sound is not even fetched, and the report says why."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from tests.server.people import KARI, draft, employ, meet
from tests.twilio.importrig import (
    BERLIN,
    CALIFORNIA,
    NOW,
    OURS,
    Case,
    Hearing,
    sound,
)
from tests.twilio.serving import serving

from askfirst.auditing import Law
from askfirst.errors import Refused
from askfirst.model import Word
from askfirst.rules import packaged
from askfirst.server import account, contacts, hubspotimport, importreport
from askfirst.server.auditrun import Existing, Reach
from askfirst.server.database import recordings, transaction
from askfirst.server.importbars import Bar
from askfirst.server.importing import Importer, Origin
from askfirst.server.importtables import imports
from askfirst.server.store import Store
from askfirst.twilioemulator.kept import Account, KeptNumber
from askfirst.twilioemulator.resources import Resources


@pytest.fixture
def case(tmp_path: Path) -> Iterator[Case]:
    there = Account()
    there.numbers["PN1"] = KeptNumber(f"PN{1:032x}", OURS)
    store = Store.open(tmp_path / "data")
    employ(store)
    with serving(Resources(there).routes()) as base:
        yield Case(there, store, base)
    store.close()


def never(store: Store, number: str) -> str:
    """A contact with a number who is never to be recorded."""
    made = meet(store, draft("Ada", number))
    with transaction(store.engine) as connection:
        contacts.never_record(connection, made, KARI, NOW)
    return made


def test_whoever_is_never_to_be_recorded_stays_out_and_no_sound_is_fetched(case: Case) -> None:
    sid = case.add(1, CALIFORNIA)
    case.add(2, BERLIN)
    never(case.store, CALIFORNIA)
    for is_dry, deletes in ((True, False), (False, False), (False, True)):
        line, other = case.run(is_dry=is_dry, deletes=deletes)
        assert (line.ref, line.outcome, line.asked) == (sid, "refused", "forbidden")
        assert (line.refused, line.deletion, line.recording) == (Bar.NEVER, "", None)
        assert other.refused is None
    assert case.there(sid)
    assert not any(each.path.endswith(f"{sid}.wav") for each in case.account.seen)
    assert [row.ref for row in case.rows(imports)] == [other.ref]


def test_the_report_says_who_was_refused_and_that_it_is_still_there(case: Case) -> None:
    case.add(1, CALIFORNIA)
    never(case.store, CALIFORNIA)
    lines = case.run(is_dry=True)
    assert "Refused, and still at the source: never-record 1." in importreport.summary(
        lines, "twilio"
    )
    assert "never to be recorded" in importreport.progress(lines[0])
    (told,) = json.loads(json.dumps(importreport.to_json(lines, "twilio")))["recordings"]
    assert (told["outcome"], told["refused"]) == ("refused", "never-record")
    assert CALIFORNIA[1:] not in "".join(importreport.csv_lines(lines))


def test_whoever_was_forgotten_and_said_never_stays_out(case: Case) -> None:
    case.add(1, CALIFORNIA)
    case.store.erasures.say_never([CALIFORNIA], NOW)
    assert case.run()[0].refused is Bar.NEVER
    case.store.erasures.say_again([CALIFORNIA], NOW + timedelta(seconds=1))
    assert case.run()[0].refused is None


def test_a_call_from_before_somebody_was_forgotten_stays_out_and_a_later_one_comes(
    case: Case,
) -> None:
    case.add(1, CALIFORNIA)
    case.add(8, CALIFORNIA)
    case.store.erasures.add_people([CALIFORNIA], [], NOW - timedelta(days=5))
    first, second = case.run()
    assert (first.refused, second.refused) == (Bar.FORGOTTEN, None)
    assert (first.asked, second.outcome) == ("told", "ready")


def test_what_was_brought_before_stays_known(case: Case) -> None:
    case.add(1, CALIFORNIA)
    (line,) = case.run()
    never(case.store, CALIFORNIA)
    (again,) = case.run(deletes=True)
    assert (again.outcome, again.recording, again.deletion) == ("known", line.recording, "deleted")


def test_whoever_says_no_while_it_is_listened_to_stays_out(case: Case) -> None:
    class Slow(Hearing):
        def transcribe(self, pcm: bytes, language: str) -> list[Word]:
            never(case.store, CALIFORNIA)
            return super().transcribe(pcm, language)

    case.add(1, CALIFORNIA)
    case.hearing = Slow()
    (line,) = case.run(deletes=True)
    assert (line.outcome, line.deletion) == ("error", "")
    assert case.rows(recordings) == []


def test_nothing_that_is_refused_is_brought_by_another_way(case: Case, tmp_path: Path) -> None:
    never(case.store, CALIFORNIA)
    path = tmp_path / "1.wav"
    path.write_bytes(sound())
    importer = Importer(case.store, Law(packaged()), Reach(), case.hearing)
    existing = Existing("1", path, (BERLIN, CALIFORNIA), "US-TX", NOW.date())
    origin = Origin("twilio", "RE1", "twilio_1", NOW, "outbound")
    with pytest.raises(Refused, match="never to be recorded"):
        importer.bring(existing, origin, NOW)
    assert case.hearing.given == []
    assert case.rows(imports) == []


@pytest.mark.parametrize("written", ["+16285550142", "16285550142", "(628) 555-0142"])
def test_an_export_may_write_the_number_otherwise(case: Case, tmp_path: Path, written: str) -> None:
    with transaction(case.store.engine) as connection:
        account.change(connection, {"home_place": "US-TX"}, None, NOW)
    never(case.store, CALIFORNIA)
    (tmp_path / "7.wav").write_bytes(sound())
    content = (
        "Record ID,Activity date,Call direction,From number,To number\n"
        f'7,2026-11-20 10:00,OUTBOUND,+15125550100,"{written}"\n'
    )
    for importer in (None, lambda: Importer(case.store, Law(packaged()), Reach(), case.hearing)):
        run = hubspotimport.run(
            content.encode(),
            tmp_path,
            "US-TX",
            "en",
            Law(packaged()),
            case.store,
            importer,
            lambda: NOW,
        )
        (line,) = run
        assert (line.outcome, line.refused) == ("refused", Bar.NEVER)
    assert case.rows(imports) == []


def test_a_withheld_number_is_nobody_who_could_be_looked_up(case: Case) -> None:
    case.add(1, "anonymous")
    never(case.store, CALIFORNIA)
    (line,) = case.run(is_dry=True)
    assert (line.outcome, line.asked) == ("planned", "agreed")
