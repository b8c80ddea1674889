"""No day's checkpoint is lost on its way out: killed processes, targets that are down, both."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from hypothesis import given
from hypothesis import strategies as st
from tests.server import rig
from tests.server.authority import Listener, listening
from tests.server.test_dailycheckpoints import CLOSED, Mailbox, OnFreePort, dailies, grow

from askfirst.ledger import split_notes
from askfirst.server import dailycheckpoints
from askfirst.server.checkpointsettings import CheckpointSettings
from askfirst.server.store import Store

ROOT = Path(__file__).resolve().parents[2]
LATER = dailycheckpoints.LONGEST_PAUSE
NEXT_DAY = rig.AT + timedelta(days=1)


@contextmanager
def mailing(port: int = 0) -> Iterator[tuple[Mailbox, Controller]]:
    box = Mailbox()
    controller = OnFreePort(box, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield box, controller
    finally:
        controller.stop()


@pytest.fixture
def stated(tmp_path: Path) -> dict[str, Any]:
    """Every channel but the stamp, at addresses at which nobody listens yet."""
    secret = tmp_path / "webhook.secret"
    secret.write_text("whsec_" + base64.b64encode(b"s" * 32).decode() + "\n")
    return {
        "file": str(tmp_path / "notes.txt"),
        "webhook_url": CLOSED,
        "webhook_secret_file": str(secret),
        "mail_to": ["auditor@example.org"],
        "mail_from": "askfirst@example.org",
        "smtp_host": "127.0.0.1",
        "smtp_port": 1,
        "smtp_security": "none",
    }


def killed(data: Path, stated: dict[str, Any], where: str) -> None:
    """Publish in a process of its own, and kill it when it has come there."""
    words = ["-m", "tests.server.crashingday", str(data), json.dumps(stated), where]
    with subprocess.Popen(  # noqa: S603 - our own interpreter and module
        [sys.executable, *words], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        said = child.stdout.readline()
        child.kill()
    assert said == "HERE\n", f"the process ended before it came to {where}"


def published(stated: dict[str, Any]) -> tuple[str, ...]:
    path = Path(stated["file"])
    return split_notes(path.read_text(encoding="utf-8")) if path.exists() else ()


def identities(at: Listener) -> list[str]:
    return [headers["webhook-id"] for headers, _ in at.got]


def messages(box: Mailbox) -> list[str]:
    mails = [message_from_bytes(each.content, policy=policy.default) for each in box.got]
    return [mail["Message-ID"] for mail in mails]


@pytest.mark.parametrize("where", ["signed", "claimed"])
def test_a_process_killed_between_signing_and_delivery_loses_no_publication(
    tmp_path: Path, stated: dict[str, Any], where: str
) -> None:
    data = tmp_path / "data"
    store = Store.open(data)
    grow(store)
    store.close()
    with listening(lambda _: (204, b"")) as at, mailing() as (box, server):
        stated |= {"webhook_url": at.url, "smtp_port": server.port}
        killed(data, stated, where)
        assert (published(stated), at.got, box.got) == ((), [], [])

        store = Store.open(data)
        # The next look is on another day, on which the first one's checkpoint is still due.
        dailycheckpoints.run(store, CheckpointSettings.parse(stated), NEXT_DAY)
        yesterday = dailies(store)[1]
        store.close()

        assert published(stated)[0] == yesterday.note
        assert identities(at)[0] == "checkpoint-2026-11-24"
        assert messages(box)[0].startswith("<checkpoint-2026-11-24.")
        assert all(each.done_at and not each.due_at for each in yesterday.deliveries)


@pytest.mark.parametrize("where", ["to_file", "to_mail", "to_webhook"])
def test_a_process_killed_behind_a_delivery_makes_it_again_under_the_same_name(
    tmp_path: Path, stated: dict[str, Any], where: str
) -> None:
    data = tmp_path / "data"
    store = Store.open(data)
    grow(store)
    store.close()
    with listening(lambda _: (204, b"")) as at, mailing() as (box, server):
        stated |= {"webhook_url": at.url, "smtp_port": server.port}
        killed(data, stated, where)

        store = Store.open(data)
        dailycheckpoints.run(store, CheckpointSettings.parse(stated), rig.AT + LATER)
        (daily,) = dailies(store)
        store.close()

        assert published(stated) == (daily.note,), "a file that holds it gets it no second time"
        assert len(set(identities(at))) == 1
        assert len(at.got) == (2 if where == "to_webhook" else 1)
        assert len({body for _, body in at.got}) == 1
        assert len(set(messages(box))) == 1
        assert all(each.done_at for each in daily.deliveries)


def test_targets_that_were_down_for_days_get_every_checkpoint_in_order(
    store: Store, stated: dict[str, Any], tmp_path: Path
) -> None:
    gone = CheckpointSettings.parse(stated | {"file": str(tmp_path / "none" / "notes.txt")})
    for days in range(40):
        grow(store)
        dailycheckpoints.run(store, gone, rig.AT + timedelta(days=days))
    expected = [(rig.AT + timedelta(days=days)).date() for days in range(40)]

    with listening(lambda _: (204, b"")) as at, mailing() as (box, server):
        back = stated | {"webhook_url": at.url, "smtp_port": server.port}
        dailycheckpoints.run(
            store, CheckpointSettings.parse(back), rig.AT + timedelta(days=39) + LATER
        )

    assert identities(at) == [f"checkpoint-{day}" for day in expected]
    sizes = [json.loads(body)["data"]["checkpoint"].splitlines()[1] for _, body in at.got]
    assert sizes == [str(size) for size in range(1, 41)]
    assert [each.split(".")[0] for each in messages(box)] == [f"<{each}" for each in identities(at)]
    assert store.ledger.verify(published(stated)).pinned == 40


def test_nothing_overtakes_a_checkpoint_that_was_not_taken(
    store: Store, stated: dict[str, Any]
) -> None:
    def first_fails(body: bytes) -> tuple[int, bytes]:
        return (503 if b"\\n1\\n" in body else 204, b"")

    with listening(first_fails) as at:
        wanted = CheckpointSettings.parse(stated | {"webhook_url": at.url})
        for days in range(3):
            grow(store)
            dailycheckpoints.run(store, wanted, rig.AT + timedelta(days=days))
        assert set(identities(at)) == {"checkpoint-2026-11-24"}

        at.answers = lambda _: (204, b"")
        dailycheckpoints.run(store, wanted, rig.AT + timedelta(days=2) + LATER)

    assert identities(at)[-3:] == [f"checkpoint-2026-11-{day}" for day in (24, 25, 26)]


def test_attempts_are_made_when_they_are_due_and_not_before(
    store: Store, stated: dict[str, Any]
) -> None:
    grow(store)
    minute = timedelta(minutes=1)
    tried: list[int] = []
    with listening(lambda _: (503, b"")) as at:
        wanted = CheckpointSettings.parse(stated | {"webhook_url": at.url})
        for minutes in range(0, 160, 5):
            dailycheckpoints.run(store, wanted, rig.AT + minutes * minute)
            if len(at.got) > len(tried):
                tried.append(minutes)

    assert tried == [0, 10, 30, 70, 150]


@given(st.integers(1, 10_000))
def test_pauses_grow_to_a_bound(attempts: int) -> None:
    pauses = [dailycheckpoints.pause(each) for each in (attempts, attempts + 1)]

    assert dailycheckpoints.FIRST_PAUSE <= pauses[0] <= pauses[1] <= dailycheckpoints.LONGEST_PAUSE


def test_a_channel_that_is_new_gets_the_days_checkpoint_and_none_before(
    store: Store, stated: dict[str, Any]
) -> None:
    grow(store)
    dailycheckpoints.run(store, CheckpointSettings(), rig.AT)
    grow(store)
    dailycheckpoints.run(store, CheckpointSettings(), NEXT_DAY)

    wanted = CheckpointSettings(file=Path(stated["file"]))
    dailycheckpoints.run(store, wanted, NEXT_DAY + timedelta(hours=1))

    assert published(stated) == (dailies(store)[0].note,)


def test_a_checkpoint_is_not_signed_where_its_deliveries_cannot_be_written(
    store: Store, stated: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    grow(store)

    def refuse(*_: object) -> None:
        raise OSError("no space")

    monkeypatch.setattr(dailycheckpoints, "_intend", refuse)
    with pytest.raises(OSError, match="no space"):
        dailycheckpoints.sign(store, CheckpointSettings.parse(stated), rig.AT)

    assert dailies(store) == []
    assert store.ledger.verify().checkpoints == 0
