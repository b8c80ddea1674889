"""Overrides of an installation: what makes one count, and that nothing less does."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.server import rig
from tests.server.people import KARI, OLA, employ
from tests.server.test_call_law import OVERRIDE

from askfirst.errors import InvalidInput, InvalidRules, NotFound, Refused, Unverified
from askfirst.override import digest
from askfirst.rules import packaged
from askfirst.server import approvals, audit, backup, overridechanges, restoring
from askfirst.server.access import Person, UserRole
from askfirst.server.account import change
from askfirst.server.approvalkinds import KINDS
from askfirst.server.database import ledger_entries, reading, transaction
from askfirst.server.node import Node
from askfirst.server.overrideregister import Kept, Standing, counting, kept
from askfirst.server.overrides import FOLDER, SIGNERS, new_key, sign_file
from askfirst.server.overridetables import signed_overrides
from askfirst.server.store import Store
from askfirst.speech.scripted import Scripted

RULES = packaged()
LATER = rig.AT + timedelta(days=8)


@dataclass
class Desk:
    """An installation with a signer, and signed files that nobody has brought yet."""

    store: Store
    key: Path

    def signed(self, text: str = OVERRIDE) -> str:
        path = self.key.with_suffix(".toml")
        path.write_text(text, encoding="utf-8")
        sign_file(path, self.key)
        return path.read_text(encoding="utf-8")

    def put(self, text: str = OVERRIDE) -> Path:
        """Put a signed file into the folder by hand."""
        folder = self.store.folder / FOLDER
        folder.mkdir(exist_ok=True)
        path = folder / "desk.toml"
        path.write_text(self.signed(text), encoding="utf-8")
        return path

    def want_second(self, *kinds: str) -> None:
        with transaction(self.store.engine) as connection:
            change(connection, {"second_person": list(kinds)}, KARI, rig.AT)

    def bring(self, text: str = "") -> overridechanges.Brought:
        return overridechanges.bring(self.store, RULES, text or self.signed(), KARI, rig.AT)

    def approve(self, proposal: str | None, person: str = OLA) -> None:
        approvals.approve(self.store, KINDS, proposal or "", admin(person), rig.AT)

    def names(self) -> list[str]:
        return [each.name for each in counting(self.store, RULES)]

    def one(self) -> Kept:
        with reading(self.store.engine) as connection:
            (found,) = kept(self.store.folder, connection, RULES, rig.AT.date())
        return found

    def files(self) -> list[str]:
        return sorted(path.name for path in (self.store.folder / FOLDER).glob("*"))


@pytest.fixture
def desk(store: Store, tmp_path: Path) -> Desk:
    employ(store)
    key = tmp_path / "kari.pem"
    public = new_key(key)
    (store.folder / SIGNERS).write_text(f'[signers]\n"Kari Nordmann" = "{public}"\n')
    return Desk(store, key)


def admin(identity: str) -> Person:
    return Person(identity, frozenset({UserRole.ADMIN}), None)


def test_a_file_in_the_folder_counts_as_ever_where_no_second_person_is_wanted(desk: Desk) -> None:
    desk.put()

    assert desk.names() == ["california-desk"]
    assert desk.one().standing is Standing.IN_FORCE


def test_a_file_in_the_folder_counts_for_nothing_without_an_approval(desk: Desk) -> None:
    desk.put()
    desk.want_second("overrides")

    assert desk.names() == []
    assert desk.one().standing is Standing.UNAPPROVED


def test_what_was_brought_does_nothing_before_somebody_else_approves_it(desk: Desk) -> None:
    desk.want_second("overrides")
    brought = desk.bring()

    assert (desk.names(), desk.files()) == ([], [])
    assert desk.one().standing is Standing.PROPOSED
    with pytest.raises(Refused, match="your own"):
        desk.approve(brought.proposal, KARI)
    assert (desk.names(), desk.files()) == ([], [])

    desk.approve(brought.proposal)

    assert desk.names() == ["california-desk"]
    assert desk.one().standing is Standing.IN_FORCE
    assert desk.one().approved_by == OLA
    entries = [entry for _, entry in desk.store.ledger.entries()]
    assert [entry["kind"] for entry in entries] == [
        "approval.asked",
        "approval.given",
        "override.admitted",
    ]
    assert entries[-1]["data"] == {
        "override": brought.digest,
        "person": KARI,
        "approver": OLA,
        "proposal": brought.proposal,
    }
    assert "Nordmann" not in json.dumps(entries)


@pytest.mark.parametrize(
    ("spoil", "error"),
    [
        (lambda text: text.replace("2 October", "3 October"), Unverified),
        (lambda text: OVERRIDE, Unverified),
        (lambda text: text.replace('who = "Kari', 'who = "Ola'), Unverified),
        (lambda text: text.replace("mode = ", "mood = "), InvalidRules),
        (lambda text: "", InvalidRules),
    ],
)
def test_a_file_that_does_not_hold_is_refused_and_never_a_proposal(
    desk: Desk, spoil: object, error: type[Exception]
) -> None:
    desk.want_second("overrides")
    assert callable(spoil)
    with pytest.raises(error):
        overridechanges.bring(desk.store, RULES, spoil(desk.signed()), KARI, rig.AT)

    with reading(desk.store.engine) as connection:
        assert approvals.open_proposals(connection) == []


def test_a_rule_that_there_is_not_or_days_that_are_over_are_refused(desk: Desk) -> None:
    with pytest.raises(InvalidInput, match=r"US-CA\.999"):
        desk.bring(desk.signed(OVERRIDE.replace("US-CA.632", "US-CA.999")))
    with pytest.raises(Refused, match="ended on 2026-11-20"):
        desk.bring(desk.signed(OVERRIDE.replace("2099-01-01", "2026-11-20")))


def test_a_row_alone_proves_no_approval(desk: Desk) -> None:
    """Whoever can write the table still has to forge the ledger, which everybody can check."""
    desk.want_second("overrides")
    desk.put()
    mark = desk.one().digest
    with transaction(desk.store.engine) as connection:
        asked = desk.store.ledger.append(
            connection, rig.Kind.OVERRIDE_ENDED, rig.AT, data={"override": mark, "person": KARI}
        )
        connection.execute(
            signed_overrides.insert().values(
                digest=mark, text="", brought_by=KARI, brought_at=rig.AT, entry=asked
            )
        )

    assert desk.names() == []
    with transaction(desk.store.engine) as connection:
        connection.execute(signed_overrides.update().values(entry=4_000))
    assert desk.names() == []


def test_an_approval_of_oneself_in_the_ledger_is_none(desk: Desk) -> None:
    desk.want_second("overrides")
    brought = desk.bring()
    desk.approve(brought.proposal)
    with transaction(desk.store.engine) as connection:
        newest = sa.select(sa.func.max(ledger_entries.c.position)).scalar_subquery()
        row = connection.execute(
            sa.select(ledger_entries).where(ledger_entries.c.position == newest)
        ).one()
        connection.execute(
            ledger_entries.update()
            .where(ledger_entries.c.position == row.position)
            .values(entry=row.entry.replace(OLA, KARI))
        )

    assert desk.names() == []


def test_what_was_changed_or_whose_signer_left_the_list_counts_no_more(desk: Desk) -> None:
    desk.want_second("overrides")
    desk.approve(desk.bring().proposal)
    (name,) = desk.files()
    path = desk.store.folder / FOLDER / name
    whole = path.read_text(encoding="utf-8")
    path.write_text(whole.replace('"auto"', '"ask"'), encoding="utf-8")
    assert desk.names() == []

    path.write_text(whole, encoding="utf-8")
    assert desk.names() == ["california-desk"]
    (desk.store.folder / SIGNERS).write_text("[signers]\n")
    assert desk.names() == []
    assert desk.one().standing is Standing.BROKEN
    (desk.store.folder / SIGNERS).unlink()
    assert desk.names() == []


def test_what_was_approved_and_is_gone_from_the_folder_counts_no_more(desk: Desk) -> None:
    desk.want_second("overrides")
    desk.approve(desk.bring().proposal)
    (name,) = desk.files()
    (desk.store.folder / FOLDER / name).unlink()

    assert desk.names() == []
    assert desk.one().standing is Standing.MISSING


def test_ending_counts_at_once_and_for_good(desk: Desk) -> None:
    desk.want_second("overrides")
    brought = desk.bring()
    desk.approve(brought.proposal)

    overridechanges.end(desk.store, RULES, brought.digest, OLA, rig.AT)

    assert desk.names() == []
    assert desk.one().standing is Standing.ENDED
    assert rig.kinds(desk.store)[-1] == "override.ended"
    with pytest.raises(Refused, match="for good"):
        desk.bring()
    with pytest.raises(Refused):
        overridechanges.end(desk.store, RULES, brought.digest, OLA, rig.AT)
    desk.want_second()
    assert desk.names() == []


def test_a_file_that_was_put_there_by_hand_can_be_ended_and_proposed(desk: Desk) -> None:
    path = desk.put()
    desk.want_second("overrides")
    mark = desk.one().digest

    proposal = overridechanges.propose(desk.store, RULES, mark, KARI, rig.AT)
    assert desk.names() == []
    desk.approve(proposal)

    assert desk.names() == ["california-desk"]
    assert desk.files() == [path.name]
    overridechanges.end(desk.store, RULES, mark, KARI, rig.AT)
    assert desk.names() == []
    with pytest.raises(NotFound):
        overridechanges.end(desk.store, RULES, "sha256:" + "0" * 64, KARI, rig.AT)


def test_what_is_declined_or_runs_out_is_forgotten(desk: Desk) -> None:
    desk.want_second("overrides")
    approvals.decline(desk.store, KINDS, desk.bring().proposal or "", admin(OLA), rig.AT)
    with reading(desk.store.engine) as connection:
        assert kept(desk.store.folder, connection, RULES, rig.AT.date()) == []

    desk.bring()
    assert approvals.expire(desk.store, KINDS, LATER) == 1
    assert desk.names() == []
    with reading(desk.store.engine) as connection:
        assert kept(desk.store.folder, connection, RULES, rig.AT.date()) == []


def test_a_failure_after_the_file_was_written_takes_it_out_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise Refused("no")

    monkeypatch.setattr(audit, "note", fail)
    with pytest.raises(Refused):
        desk.bring()

    assert (desk.names(), desk.files()) == ([], [])


def test_two_of_one_name_are_never_there_on_the_same_days(desk: Desk) -> None:
    desk.bring()

    with pytest.raises(Refused, match="end it first"):
        desk.bring(desk.signed(OVERRIDE.replace("letter", "second letter")))
    with pytest.raises(Refused, match="already"):
        desk.bring()


def test_the_hash_is_that_of_the_ledger_of_calls(desk: Desk) -> None:
    brought = desk.bring()
    (override,) = counting(desk.store, RULES)

    assert digest(override) == brought.digest


def test_a_restored_backup_has_what_was_approved_and_starts_with_it(
    desk: Desk, tmp_path: Path
) -> None:
    desk.want_second("overrides")
    desk.approve(desk.bring().proposal)
    backup.make(desk.store, tmp_path / "backup", rig.AT, with_key=True)

    restoring.restore(tmp_path / "backup", tmp_path / "again", rig.AT)

    node = Node.open(tmp_path / "again", Scripted())
    names = [each.name for each in node.overrides]
    node.close()
    assert names == ["california-desk"]
