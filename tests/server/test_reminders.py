"""What ends soon is found, and told of once at each stage: by kind and id, and nothing more."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from dbos import DBOS
from tests.server import rig
from tests.server.authority import listening
from tests.server.people import KARI, OLA, draft, employ, meet
from tests.server.standingrig import GERMANY, filing
from tests.server.test_call_law import overridden
from tests.server.test_dailycheckpoints import SECRET, Mailbox, mailbox

from askfirst.rules import packaged
from askfirst.server import (
    approvals,
    publishing,
    reminders,
    reminding,
    sites,
    standingconsents,
)
from askfirst.server.account import change
from askfirst.server.accounttables import users
from askfirst.server.checkpointsettings import CheckpointSettings
from askfirst.server.database import calls, reading, recordings, transaction
from askfirst.server.linktables import shares
from askfirst.server.node import Node
from askfirst.server.overridetables import reminders_sent
from askfirst.server.reminders import Ending, Ends, ending_soon
from askfirst.server.requestregister import RequestKind, receive
from askfirst.server.signing import VconSigner
from askfirst.server.store import Store
from askfirst.server.subjectrights import Who
from askfirst.server.tokentables import api_tokens
from askfirst.speech.scripted import Scripted

RULES = packaged()
TODAY = rig.AT.date()
CALL, RECORDING = "call_" + "3" * 32, "rec_" + "4" * 32
__all__ = ["mailbox"]


def days(count: int) -> timedelta:
    return timedelta(days=count)


@pytest.fixture
def office(store: Store) -> Store:
    """An installation in which something of every kind ends within a month."""
    employ(store)
    standingconsents.file(
        store,
        meet(store, draft("Ada Lovelace", GERMANY)),
        filing(given_on=TODAY - days(10), ends_on=TODAY + days(20)),
        KARI,
        rig.AT,
    )
    with transaction(store.engine) as connection:
        row = {"provider": "t", "direction": "outbound", "language": "en", "policy": {}, "proof": 0}
        connection.execute(calls.insert().values(id=CALL, created_at=rig.AT, **row))
        connection.execute(
            recordings.insert().values(
                id=RECORDING, call=CALL, created_at=rig.AT, state="ready", purpose="training",
                legal_hold=True, hold_until=rig.AT + days(3), expires_at=rig.AT + days(90),
            )
        )  # fmt: skip
        common = {"recording": RECORDING, "made_by": KARI, "purpose": "training", "failures": 0}
        for name, end, revoked in (("a", 5, None), ("b", 6, rig.AT), ("c", -1, None)):
            connection.execute(
                shares.insert().values(
                    id=f"shr_{name}", digest=name, created_at=rig.AT, given=[],
                    expires_at=rig.AT + days(end), revoked_at=revoked, **common,
                )
            )  # fmt: skip
        connection.execute(
            api_tokens.insert().values(
                id="tok_a", digest="a", user=KARI, name="crm", scopes=[], created_at=rig.AT,
                expires_at=rig.AT + days(29),
            )
        )  # fmt: skip
        sites.record(
            connection, RULES, ("DE", "works_agreement"), "With the works council",
            (TODAY, TODAY + days(7)), KARI, rig.AT,
        )  # fmt: skip
        receive(
            store, connection, RequestKind.ACCESS, Who(numbers=(rig.NORWAY,)), KARI, rig.AT,
            rig.AT - days(40),
        )  # fmt: skip
        approvals.propose(store, connection, "settings", KARI, {}, {"beeps": True}, rig.AT)
        change(connection, {"home_place": "US-ME"}, KARI, rig.AT)
        connection.execute(
            users.update()
            .where(users.c.id == OLA)
            .values(notice_version=1, notice_read_at=rig.AT - days(360))
        )
    return store


def found(store: Store, on: date = TODAY) -> list[Ending]:
    here = reminders.around(store, RULES, CheckpointSettings())
    with reading(store.engine) as connection:
        return ending_soon(here, connection, on)


def test_everything_that_ends_within_a_month_is_in_one_list_by_day(office: Store) -> None:
    listed = found(office)

    assert {each.kind for each in listed} == {
        Ends.HOLD, Ends.SHARE, Ends.TOKEN, Ends.SITE, Ends.REQUEST, Ends.PROPOSAL, Ends.NOTICE,
        Ends.STANDING,
    }  # fmt: skip
    assert listed == sorted(listed)
    assert [each.ref for each in listed if each.kind == Ends.SHARE] == ["shr_a"]


def test_what_is_overdue_stays_and_what_is_over_goes(office: Store) -> None:
    later = {each.kind for each in found(office, TODAY + days(400))}

    assert later >= {Ends.REQUEST, Ends.HOLD, Ends.NOTICE, Ends.RULES}
    assert not later & {Ends.SHARE, Ends.TOKEN, Ends.SITE, Ends.STANDING}


def test_an_override_and_a_certificate_are_known_by_their_files(store: Store) -> None:
    path = overridden(store.folder)
    path.write_text("not toml at all [", encoding="utf-8")
    VconSigner(store.folder / "keys", store.keys, rig.AT)
    assert found(store) == []

    path.unlink()
    (path.parent).rmdir()
    with_end = overridden(store.folder.parent / "other" / "data")
    (store.folder / "overrides").mkdir()
    (store.folder / "overrides" / "desk.toml").write_text(with_end.read_text())
    (store.folder / "signers.toml").write_text(
        (store.folder.parent / "other" / "data" / "signers.toml").read_text()
    )
    (override,) = [each for each in found(store, date(2098, 12, 20)) if each.kind == Ends.OVERRIDE]
    assert override.on == date(2099, 1, 1)
    (certificate,) = [
        each for each in found(store, TODAY + days(1_800)) if each.kind == Ends.CERTIFICATE
    ]
    assert certificate.ref == "vcon-signing.crt-1"


@pytest.mark.parametrize(("left", "stage"), [(30, 30), (8, 30), (7, 7), (1, 7), (0, 0), (-3, 0)])
def test_the_stage_is_the_last_one_that_was_reached(left: int, stage: int) -> None:
    assert Ending(TODAY + days(left), Ends.TOKEN, "tok_a").stage(TODAY) == stage


def test_each_stage_is_mailed_once_and_says_kinds_and_ids_only(
    office: Store, mailbox: tuple[Mailbox, CheckpointSettings]
) -> None:
    box, wanted = mailbox

    assert reminding.run(office, RULES, wanted, rig.AT) == 1
    assert reminding.run(office, RULES, wanted, rig.AT + timedelta(hours=1)) == 0
    assert reminding.run(office, RULES, wanted, rig.AT + days(1)) == 0
    text = box.got[0].content.decode()
    assert f"legal-hold  {RECORDING}" in text
    for secret in ("kari", "ola", "crm", rig.NORWAY, "works council", "training"):
        assert secret not in text.lower()

    assert reminding.run(office, RULES, wanted, rig.AT + days(3)) == 1
    second = box.got[1].content.decode()
    assert RECORDING in second
    assert "  today" in second
    assert "tok_a" not in second


def test_what_could_not_be_sent_is_sent_later(
    office: Store, mailbox: tuple[Mailbox, CheckpointSettings]
) -> None:
    box, wanted = mailbox
    box.refuses = True
    assert reminding.run(office, RULES, wanted, rig.AT) == 0
    with reading(office.engine) as connection:
        assert connection.execute(sa.select(reminders_sent)).all() == []

    box.refuses = False
    assert reminding.run(office, RULES, wanted, rig.AT) == 1
    assert reminding.run(office, RULES, replace(wanted, mail_to=()), rig.AT + days(3)) == 0


def test_a_webhook_gets_the_endings_as_a_signed_event(office: Store) -> None:
    with listening(lambda _body: (204, b"")) as at:
        wanted = CheckpointSettings(webhook_url=at.url, webhook_secret=SECRET)
        assert reminding.run(office, RULES, wanted, rig.AT) == 1
        assert reminding.run(office, RULES, wanted, rig.AT) == 0

    ((headers, body),) = at.got
    event = json.loads(body)
    assert event["type"] == "reminders.due"
    hold = {"kind": "legal-hold", "id": RECORDING, "on": "2026-11-27", "stage_days": 7}
    assert hold in event["data"]["endings"]
    seconds = headers["webhook-timestamp"]
    expected = publishing.signature(SECRET, headers["webhook-id"], seconds, body)
    assert headers["webhook-signature"] == expected


def test_reminders_go_out_by_schedule(
    tmp_path: Path, mailbox: tuple[Mailbox, CheckpointSettings]
) -> None:
    box, wanted = mailbox
    node = Node.open(tmp_path / "data", Scripted(), checkpoints=wanted)
    try:
        employ(node.store)
        with transaction(node.store.engine) as connection:
            approvals.propose(node.store, connection, "settings", KARI, {}, {"beeps": True}, rig.AT)
        DBOS.trigger_schedule("remind").get_result()
    finally:
        node.close()

    (mail,) = box.got
    assert "proposal  prop_" in mail.content.decode()
