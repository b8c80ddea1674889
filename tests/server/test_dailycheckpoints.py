"""Each day's checkpoint: stamped by a real authority, published, and nothing keeps another back."""

from __future__ import annotations

import base64
import io
import json
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from tests.server import rig
from tests.server.authority import Authority, listening

from askfirst.errors import Misconfigured, Refused, Unavailable, Unverified
from askfirst.ledger import Kind, split_notes
from askfirst.server import dailycheckpoints, publishing, stamping
from askfirst.server.checkpointsettings import CheckpointSettings
from askfirst.server.database import calls, reading, transaction
from askfirst.server.store import Store
from askfirst.verify import VerificationError, verify

CALL = "call_" + "3" * 32
SECRET = b"s" * 32
CLOSED = "http://127.0.0.1:1/"
"""An address at which nobody listens."""


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority") / "one")


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("stranger") / "two", "Another")


def granted(authority: Authority) -> Callable[[bytes], tuple[int, bytes]]:
    return lambda query: (200, authority.reply(query))


def grow(store: Store) -> None:
    with transaction(store.engine) as connection:
        store.ledger.append(connection, Kind.RETENTION_SWEPT, rig.AT, data={"erased_count": 0})


@pytest.fixture
def grown(store: Store) -> Store:
    grow(store)
    return store


def dailies(store: Store) -> list[dailycheckpoints.Daily]:
    with reading(store.engine) as connection:
        return dailycheckpoints.dailies(connection)


def states(store: Store) -> dict[str, str | None]:
    """The problem of each channel of the newest day; None where it worked."""
    found = {}
    for each in dailies(store)[0].deliveries:
        assert (each.done_at is None) is (each.problem is not None)
        found[each.channel] = each.problem
    return found


# Stamps


def test_a_stamp_of_a_real_authority_holds_for_us_and_for_openssl(
    authority: Authority, grown: Store, tmp_path: Path
) -> None:
    note = grown.ledger.checkpoint(rig.AT)

    with listening(granted(authority)) as at:
        made = stamping.stamp(note, at.url, authority.root)

    (tmp_path / "note.txt").write_text(note, encoding="utf-8")
    (tmp_path / "stamp.tsr").write_bytes(made.answer)
    assert "OK" in authority.verify(tmp_path / "stamp.tsr", tmp_path / "note.txt")
    assert made.at.utcoffset() == timedelta(0)
    assert at.got[0][0]["content-type"] == "application/timestamp-query"
    assert note.encode() not in at.got[0][1]


def test_a_stamp_of_another_message_is_refused(authority: Authority) -> None:
    with listening(granted(authority)) as at:
        made = stamping.stamp("a note\n", at.url, authority.root)
    trusted = stamping.read_certificates(authority.root)

    assert stamping.verified(made.answer, b"a note\n", trusted) == made.at
    with pytest.raises(Unverified):
        stamping.verified(made.answer, b"b note\n", trusted)


def test_a_stamp_that_answers_another_request_is_refused(authority: Authority) -> None:
    with listening(granted(authority)) as at:
        kept = stamping.stamp("a note\n", at.url, authority.root).answer
    with listening(lambda _: (200, kept)) as at, pytest.raises(Unverified, match="Nonce"):
        stamping.stamp("a note\n", at.url, authority.root)


def test_a_stamp_of_a_stranger_is_refused(authority: Authority, stranger: Authority) -> None:
    with listening(granted(stranger)) as at, pytest.raises(Unverified):
        stamping.stamp("a note\n", at.url, authority.root)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ((200, b""), Unverified),
        ((200, b"<html>sign in</html>"), Unverified),
        ((200, b"\x30\x82\xff\xff" + b"\x00" * 100), Unverified),
        ((200, b"x" * 100_000), Unverified),
        ((200, b"\x30\x05\x30\x03\x02\x01\x02"), Refused),  # PKIStatus rejection, no token
        ((503, b""), Refused),
        ((302, b""), Refused),
    ],
)
def test_what_is_no_stamp_is_refused(
    authority: Authority, answer: tuple[int, bytes], error: type[Exception]
) -> None:
    with listening(lambda _: answer) as at, pytest.raises(error):
        stamping.stamp("a note\n", at.url, authority.root)


def test_every_changed_byte_of_a_stamp_is_noticed_or_harmless(authority: Authority) -> None:
    with listening(granted(authority)) as at:
        made = stamping.stamp("a note\n", at.url, authority.root)
    trusted = stamping.read_certificates(authority.root)
    place = made.answer.index(b"a note") if b"a note" in made.answer else len(made.answer) - 20

    damaged = made.answer[:place] + bytes([made.answer[place] ^ 1]) + made.answer[place + 1 :]

    with pytest.raises(Unverified):
        stamping.verified(damaged, b"a note\n", trusted)


def test_nobody_at_the_address_is_unavailable(authority: Authority) -> None:
    with pytest.raises(Unavailable):
        stamping.stamp("a note\n", CLOSED, authority.root)


def test_certificates_without_a_root_are_a_fault_of_the_settings(
    authority: Authority, tmp_path: Path
) -> None:
    for path in (authority.folder / "tsa.pem", authority.folder / "ts.cnf", tmp_path / "none"):
        with pytest.raises(Misconfigured):
            stamping.read_certificates(path)


# Days


def test_a_day_is_signed_once_and_delivered_once(grown: Store, tmp_path: Path) -> None:
    wanted = CheckpointSettings(file=tmp_path / "notes.txt")

    for hours in (0, 1, 5):
        dailycheckpoints.run(grown, wanted, rig.AT + timedelta(hours=hours))
        grow(grown)

    (daily,) = dailies(grown)
    assert daily.size == 1
    assert split_notes((tmp_path / "notes.txt").read_text(encoding="utf-8")) == (daily.note,)


def test_every_day_is_appended_behind_the_ones_before(grown: Store, tmp_path: Path) -> None:
    wanted = CheckpointSettings(file=tmp_path / "notes.txt")

    for days in range(3):
        grow(grown)
        dailycheckpoints.run(grown, wanted, rig.AT + timedelta(days=days))

    notes = split_notes((tmp_path / "notes.txt").read_text(encoding="utf-8"))
    assert [each.note for each in dailies(grown)] == list(notes[::-1])
    assert grown.ledger.verify(notes).pinned == 3


def test_a_ledger_without_entries_is_not_signed(store: Store) -> None:
    dailycheckpoints.run(store, CheckpointSettings(), rig.AT)

    assert dailies(store) == []


def test_days_without_a_checkpoint_are_gaps(grown: Store) -> None:
    for days in (0, 1, 5):
        dailycheckpoints.sign(grown, CheckpointSettings(), rig.AT + timedelta(days=days))
    start = rig.AT.date()

    with reading(grown.engine) as connection:
        found = dailycheckpoints.missed(connection, start + timedelta(days=7))

    one = timedelta(days=1)
    assert found == [(start + 2 * one, start + 4 * one), (start + 6 * one, start + 6 * one)]


def test_an_authority_that_is_down_is_noted_and_asked_again(
    authority: Authority, grown: Store
) -> None:
    wanted = CheckpointSettings(stamp_url=CLOSED, stamp_certificates=authority.root)
    dailycheckpoints.run(grown, wanted, rig.AT)
    assert states(grown) == {"stamp": "unreachable"}

    with listening(granted(authority)) as at:
        again = replace(wanted, stamp_url=at.url)
        dailycheckpoints.run(grown, again, rig.AT + timedelta(days=1, hours=1))

    today, yesterday = dailies(grown)
    assert [each.deliveries[0].problem for each in (today, yesterday)] == [None, None]
    assert yesterday.deliveries[0].attempts == 2
    assert yesterday.deliveries[0].stamped_at is not None


def test_a_failing_channel_keeps_no_other_back(grown: Store, tmp_path: Path) -> None:
    wanted = CheckpointSettings(
        stamp_url=CLOSED,
        stamp_certificates=tmp_path / "none.pem",
        file=tmp_path / "notes.txt",
        webhook_url=CLOSED,
        webhook_secret=SECRET,
        mail_to=("auditor@example.org",),
        mail_from="askfirst@example.org",
        smtp_host="127.0.0.1",
        smtp_port=1,
    )

    dailycheckpoints.run(grown, wanted, rig.AT)

    assert states(grown) == {
        "stamp": "misconfigured", "file": None, "mail": "unreachable", "webhook": "unreachable"
    }  # fmt: skip


# Bundles


def test_a_stamp_travels_in_the_bundle_and_the_verifier_compares_it(
    authority: Authority, store: Store
) -> None:
    _call(store)
    with listening(granted(authority)) as at:
        wanted = CheckpointSettings(stamp_url=at.url, stamp_certificates=authority.root)
        dailycheckpoints.run(store, wanted, rig.AT)

    data = store.ledger.bundle(CALL, rig.AT)

    name = f"extra/stamps/{1:016d}-2026-11-24.tsr"
    assert name in zipfile.ZipFile(io.BytesIO(data)).namelist()
    (stamp,) = verify(data).stamps
    assert (stamp.path, stamp.size) == (name, 1)
    text = verify(data).text()
    assert f"time stamp over the checkpoint of size 1: {stamp.at}" in text
    assert "openssl ts -verify" in text


@pytest.mark.parametrize("place", [0, 5, 40, 80])
def test_a_stamp_in_a_bundle_that_is_none_does_not_verify(
    authority: Authority, store: Store, place: int
) -> None:
    _call(store)
    with listening(granted(authority)) as at:
        made = stamping.stamp("another note\n", at.url, authority.root)
    name = f"stamps/{1:016d}-2026-11-24.tsr"

    for answer in (made.answer, made.answer[:place], b"\x30\x80" + b"\xff" * place):
        with pytest.raises(VerificationError, match="stamps"):
            verify(store.ledger.bundle(CALL, rig.AT, {name: answer}))
    with pytest.raises(VerificationError, match="no checkpoint of its size"):
        verify(store.ledger.bundle(CALL, rig.AT, {name.replace("01-", "09-"): made.answer}))


def _call(store: Store) -> None:
    row = {"provider": "t", "direction": "outbound", "language": "en", "policy": {}, "proof": 0}
    with transaction(store.engine) as connection:
        connection.execute(calls.insert().values(id=CALL, created_at=rig.AT, **row))
        store.ledger.append(connection, Kind.CALL_STARTED, rig.AT, call=CALL)


# Publications


@dataclass
class Mailbox:
    """What a mail server was given; `refuses` makes it say no."""

    refuses: bool = False
    got: list[Any] = field(default_factory=list)

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        if self.refuses:
            return "550 no"
        self.got.append(envelope)
        return "250 OK"


class OnFreePort(Controller):
    """A mail server on a port that the system chooses."""

    def _trigger_server(self) -> None:
        listening_on: Any = self.server
        self.port = listening_on.sockets[0].getsockname()[1]
        super()._trigger_server()  # type: ignore[no-untyped-call]  # of aiosmtpd


@pytest.fixture
def mailbox() -> Iterator[tuple[Mailbox, CheckpointSettings]]:
    box = Mailbox()
    controller = OnFreePort(box, hostname="127.0.0.1", port=0)
    controller.start()
    yield (
        box,
        CheckpointSettings(
            mail_to=("auditor@example.org", "second@example.org"),
            mail_from="askfirst@example.org",
            smtp_host="127.0.0.1",
            smtp_port=controller.port,
            smtp_security="none",
        ),
    )
    controller.stop()


def test_a_mail_holds_the_note_and_nothing_else(
    grown: Store, mailbox: tuple[Mailbox, CheckpointSettings]
) -> None:
    box, wanted = mailbox

    dailycheckpoints.run(grown, wanted, rig.AT)

    assert states(grown) == {"mail": None}
    (envelope,) = box.got
    assert envelope.rcpt_tos == list(wanted.mail_to)
    mail = message_from_bytes(envelope.content, policy=policy.default)
    note = grown.ledger.checkpoint(rig.AT)
    body, attached = mail.iter_parts()
    assert body.get_content().replace("\r\n", "\n") == note
    assert attached.get_content().replace("\r\n", "\n") == note


def test_a_mail_server_that_says_no_is_noted(
    grown: Store, mailbox: tuple[Mailbox, CheckpointSettings]
) -> None:
    box, wanted = mailbox
    box.refuses = True

    dailycheckpoints.run(grown, wanted, rig.AT)

    assert states(grown) == {"mail": "refused"}


def test_a_mail_is_never_sent_in_clear_where_encryption_is_wanted(
    grown: Store, mailbox: tuple[Mailbox, CheckpointSettings]
) -> None:
    box, wanted = mailbox

    dailycheckpoints.run(grown, replace(wanted, smtp_security="starttls"), rig.AT)

    assert states(grown) == {"mail": "unreachable"}
    assert box.got == []


def test_a_webhook_gets_a_signed_event_with_the_note_only(grown: Store) -> None:
    with listening(lambda _: (204, b"")) as at:
        wanted = CheckpointSettings(webhook_url=at.url, webhook_secret=SECRET)
        dailycheckpoints.run(grown, wanted, rig.AT)

    ((headers, body),) = at.got
    note = grown.ledger.checkpoint(rig.AT)
    assert json.loads(body) == {
        "type": "ledger.checkpoint",
        "timestamp": "2026-11-24T12:00:00.000Z",
        "data": {"checkpoint": note},
    }
    assert headers["webhook-id"] == "checkpoint-2026-11-24"
    seconds = headers["webhook-timestamp"]
    assert int(seconds) == rig.AT.timestamp()
    expected = publishing.signature(SECRET, headers["webhook-id"], seconds, body)
    assert headers["webhook-signature"] == expected
    assert states(grown) == {"webhook": None}


def test_the_signature_is_that_of_standard_webhooks() -> None:
    # The example of the specification's own libraries.
    secret = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")

    made = publishing.signature(
        secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", b'{"test": 2432232314}'
    )

    assert made == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize("status", [301, 400, 410, 500])
def test_a_webhook_that_does_not_take_it_is_asked_again(grown: Store, status: int) -> None:
    with listening(lambda _: (status, b"")) as at:
        wanted = CheckpointSettings(webhook_url=at.url, webhook_secret=SECRET)
        dailycheckpoints.run(grown, wanted, rig.AT)
        assert states(grown) == {"webhook": "refused"}
        at.answers = lambda _: (200, b"")
        dailycheckpoints.run(grown, wanted, rig.AT + timedelta(hours=1))

    assert states(grown) == {"webhook": None}
    assert len({headers["webhook-id"] for headers, _ in at.got}) == 1
