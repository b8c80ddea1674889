"""The register: what can be filed, how it is kept, withdrawn, found, forgotten and restored."""

from __future__ import annotations

import io
import json
import shutil
import zipfile
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from tests.server.people import NOBODY, draft, meet
from tests.server.rig import NORWAY
from tests.server.standingrig import GERMANY, PDF, filing, signed, taken_back, today

from askfirst.errors import InvalidRequest, KeyUnreadable, NotFound, Refused
from askfirst.ledger import Kind
from askfirst.model import Element, Use
from askfirst.server import (
    contacts,
    copies,
    copypackage,
    erasurereplay,
    forgetting,
    objections,
    standingconsents,
    standingdocument,
)
from askfirst.server.access import UserRole
from askfirst.server.accounts import User, add_user
from askfirst.server.accounttables import audit
from askfirst.server.backup import make as make_backup
from askfirst.server.clock import utc_now
from askfirst.server.database import ledger_entries, reading, transaction
from askfirst.server.emptydisk import everything
from askfirst.server.node import Node
from askfirst.server.requestregister import RequestKind, receive
from askfirst.server.standingconsents import MOST_DAYS, USUAL_DAYS, Standing, Why
from askfirst.server.standingtables import standing_consents
from askfirst.server.store import Store
from askfirst.server.subjectrights import Who, erase_person, found_of

SIGNED = b"quetzal of Vaduz"
PLACE = "cabinet of the axolotl, third drawer"
DAY = timedelta(days=1)


def entries(store: Store, kind: Kind) -> list[dict[str, Any]]:
    with reading(store.engine) as connection:
        found = connection.execute(sa.select(ledger_entries.c.entry)).scalars()
        every = [json.loads(each) for each in found]
    return [each for each in every if each["kind"] == kind]


def on_file(store: Store, contact: str) -> list[standingconsents.StandingConsent]:
    with reading(store.engine) as connection:
        return list(standingconsents.of_contact(store.erasures, connection, contact))


WRONG: dict[str, tuple[str, dict[str, Any]]] = {
    "no purpose": ("purposes", {"purposes": frozenset()}),
    "no use": ("uses", {"uses": frozenset()}),
    "listening for an answer": ("uses", {"uses": frozenset({Use.ANSWER})}),
    "no element": ("elements", {"elements": frozenset()}),
    "a beep": ("elements", {"elements": frozenset({Element.BEEP})}),
    "a language that there is not": ("language", {"language": "tlh"}),
    "a signature to come": ("given_on", {"given_on": today() + 2 * DAY}),
    "a day that is over": ("ends_on", {"given_on": today() - 9 * DAY, "ends_on": today() - DAY}),
    "an end before the beginning": ("ends_on", {"given_on": today() + DAY, "ends_on": today()}),
    "too long": ("ends_on", {"ends_on": today() + (MOST_DAYS + 1) * DAY}),
    "a number of somebody else": ("numbers", {"numbers": (NORWAY,)}),
    "neither document nor place": ("document", {"document": None}),
    "document and place": ("document", {"filed_at": PLACE}),
    "a program": ("document", {"document": b"MZ\x90\x00"}),
    "a page": ("document", {"document": b"GIF89a\x00\x01"}),
    "too large": ("document", {"document": b"%PDF-" + bytes(standingdocument.LARGEST)}),
    "a long place": ("filed_at", {"document": None, "filed_at": "x" * 301}),
}


@pytest.mark.parametrize(("key", "changes"), WRONG.values(), ids=WRONG)
def test_what_cannot_be_kept_is_refused_by_its_field_and_nothing_is_left(
    node: Node, kari: User, key: str, changes: dict[str, Any]
) -> None:
    with pytest.raises(InvalidRequest) as refused:
        signed(node.store, kari, GERMANY, **changes)
    assert refused.value.key == key
    with reading(node.store.engine) as connection:
        assert connection.execute(sa.select(standing_consents)).all() == []
    assert node.store.blobs.names() == []


@pytest.mark.parametrize(
    ("content", "form"),
    [
        (PDF, "pdf"),
        (b"\x89PNG\r\n\x1a\n\x00", "png"),
        (b"\xff\xd8\xff\xe0\x00", "jpeg"),
        ("Eg, Åse, seier ja.\r\n".encode(), "text"),
    ],
)
def test_what_a_document_is_its_own_bytes_say(
    node: Node, kari: User, content: bytes, form: str
) -> None:
    consent = signed(node.store, kari, GERMANY, document=content)
    assert consent.form == form
    assert standingconsents.read_document(node.store, consent.id) == content


def test_without_an_end_it_holds_for_the_usual_time(node: Node, kari: User) -> None:
    scope = signed(node.store, kari, GERMANY, ends_on=None).scope
    assert scope.ends_on - scope.given_on == USUAL_DAYS * DAY
    assert scope.holds(scope.ends_on)
    assert not scope.holds(scope.ends_on + DAY)
    assert not scope.holds(scope.given_on - DAY)


def test_nothing_is_filed_of_nobody_of_the_archived_and_of_who_said_never(
    node: Node, kari: User
) -> None:
    store, now = node.store, utc_now()
    with pytest.raises(NotFound):
        standingconsents.file(store, NOBODY, filing(), kari.id, now)
    contact = meet(store, draft("Ada", GERMANY))
    with transaction(store.engine) as connection:
        contacts.archive(connection, contact, now)
    with pytest.raises(Refused):
        standingconsents.file(store, contact, filing(), kari.id, now)
    with transaction(store.engine) as connection:
        contacts.restore(connection, contact, now)
        objections.never(store, connection, contact, kari.id, now)
    with pytest.raises(Refused):
        standingconsents.file(store, contact, filing(), kari.id, now)


def test_filing_withdrawing_and_opening_are_in_the_ledger_and_name_nobody(
    node: Node, kari: User
) -> None:
    consent = signed(node.store, kari, GERMANY)
    found, content = standingconsents.open_document(node.store, consent.id, kari.id, utc_now())
    assert (found, content) == (consent, PDF)
    assert taken_back(node.store, consent.id)
    (filed,) = entries(node.store, Kind.STANDING_FILED)
    assert filed["data"]["standing"] == consent.id
    assert filed["data"]["ends_on"] == consent.scope.ends_on.isoformat()
    assert set(filed["commits"]) == {"document"}
    (opened,) = entries(node.store, Kind.STANDING_OPENED)
    assert opened["data"] == {"standing": consent.id, "person": kari.id}
    (withdrawn,) = entries(node.store, Kind.STANDING_WITHDRAWN)
    assert withdrawn["data"] == {"standing": consent.id, "reason": "asked"}
    with reading(node.store.engine) as connection:
        actions = connection.execute(sa.select(audit.c.action, audit.c.object)).all()
    done = [action for action, what in actions if what == consent.id]
    assert done == [f"standing-consent.{each}" for each in ("filed", "opened", "withdrawn")]


def test_withdrawn_twice_at_once_it_is_withdrawn_once(node: Node, kari: User) -> None:
    consent = signed(node.store, kari, GERMANY)
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda _: taken_back(node.store, consent.id), range(4)))
    assert sorted(done) == [False, False, False, True]
    assert len(entries(node.store, Kind.STANDING_WITHDRAWN)) == 1
    (found,) = on_file(node.store, consent.contact)
    assert (found.standing(today()), found.withdrawn_why) == (Standing.WITHDRAWN, Why.ASKED)


def test_what_is_withdrawn_while_it_is_being_filed_never_holds(
    node: Node, kari: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, contact = node.store, meet(node.store, draft("Ada", GERMANY))
    seal = standingdocument.seal

    def meanwhile(*given: Any) -> str:
        with transaction(store.engine) as connection:
            objections.never(store, connection, contact, kari.id, utc_now())
        return seal(*given)

    monkeypatch.setattr(standingdocument, "seal", meanwhile)
    made = standingconsents.file(store, contact, filing(), kari.id, utc_now())
    assert made.standing(today()) is Standing.WITHDRAWN


def test_whoever_is_forgotten_while_a_consent_is_filed_leaves_nothing_of_it(
    node: Node, kari: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, contact = node.store, meet(node.store, draft("Ada", GERMANY))
    seal = standingdocument.seal

    def after(*given: Any) -> str:
        sealed = seal(*given)
        forgetting.forget(store, [GERMANY], contact)
        return sealed

    monkeypatch.setattr(standingdocument, "seal", after)
    with pytest.raises(Refused):
        standingconsents.file(store, contact, filing(), kari.id, utc_now())
    assert store.blobs.names() == []
    assert not [scope for scope in store.keys.scopes() if scope.startswith("stc_")]


def test_a_crash_in_the_middle_of_filing_leaves_nothing_that_counts_and_goes_with_the_person(
    node: Node, kari: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, contact = node.store, meet(node.store, draft("Ada", GERMANY))
    seal = standingdocument.seal

    def crashes(*given: Any) -> str:
        seal(*given)
        raise KeyboardInterrupt

    monkeypatch.setattr(standingdocument, "seal", crashes)
    with pytest.raises(KeyboardInterrupt):
        standingconsents.file(store, contact, filing(), kari.id, utc_now())
    assert on_file(store, contact) == []
    with reading(store.engine) as connection:
        assert standingconsents.scopes_for(store.erasures, connection, GERMANY) == ()
    assert len(store.blobs.names()) == 1
    forgetting.forget(store, [GERMANY], contact)
    assert store.blobs.names() == []


def test_those_that_end_soon_are_listed_until_their_last_day(node: Node, kari: User) -> None:
    consent = signed(node.store, kari, GERMANY)
    gone = signed(node.store, kari, NORWAY)
    taken_back(node.store, gone.id)
    last = consent.scope.ends_on
    with reading(node.store.engine) as connection:
        for days, within, is_there in (
            (31, 30, False), (30, 30, True), (29, 30, True), (7, 7, True), (8, 7, False),
            (0, 7, True), (-1, 7, False),
        ):  # fmt: skip
            found = standingconsents.ending(
                node.store.erasures, connection, last - days * DAY, within
            )
            expected = [consent.id] if is_there else []
            assert [each.id for each in found] == expected, (days, within)


def test_it_is_in_the_preview_of_rights_and_in_the_copy(node: Node, kari: User) -> None:
    store, consent = node.store, signed(node.store, kari, GERMANY)
    person = Who(consent.contact, (GERMANY,))
    with transaction(store.engine) as connection:
        assert found_of(connection, person)["standing"] == 1
        request = receive(store, connection, RequestKind.ACCESS, person, kari.id, utc_now())
    now = utc_now()
    ordered = copies.order(store, request.id, now, is_masked=True, language="en")
    copypackage.make(node.jobs.finishing, ordered.making, now)
    content = b"".join(copies.download(store, request.id, kari.id, utc_now()))
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        (said,) = json.loads(archive.read("standing-consents.json"))
        assert (said["id"], said["is_withdrawn"]) == (consent.id, False)
        assert archive.read(f"standing-consents/{consent.id}.pdf") == PDF
        assert f"standing-consents/{consent.id}.pdf" in archive.read("index.html").decode()
    (opened,) = entries(store, Kind.STANDING_OPENED)
    assert opened["data"]["request"] == request.id
    erase_person(store, person, kari.id, utc_now(), dry_run=False)
    with reading(store.engine) as connection:
        left = copies.copy_of(store, connection, request.id, utc_now())
    assert left is None or left.state is copies.CopyState.WITHDRAWN


def traces(store: Store) -> set[str]:
    """Where something of the document, of its place or of a number is, in whatever opens."""
    needles = (SIGNED, PLACE.encode(), GERMANY.encode(), b"Ada Lovelace")
    return {
        name for name, data in everything(store, [store.folder]) if any(n in data for n in needles)
    }


@pytest.mark.parametrize("changes", [{}, {"document": None, "filed_at": PLACE}])
def test_erasing_the_person_leaves_no_byte_of_it(
    node: Node, kari: User, tmp_path: Path, changes: dict[str, Any]
) -> None:
    store, consent = node.store, signed(node.store, kari, GERMANY, **changes)
    assert "standing consent (decrypted)" in traces(store)
    person = Who(consent.contact, (GERMANY,))
    done = erase_person(store, person, kari.id, utc_now(), dry_run=False)
    assert done["traces_left"] is False
    assert traces(store) == set()
    assert store.blobs.names() == []
    assert not [scope for scope in store.keys.scopes() if scope.startswith("stc_")]
    with pytest.raises(NotFound):
        standingconsents.open_document(store, consent.id, kari.id, utc_now())
    store.ledger.verify()
    assert entries(store, Kind.STANDING_FILED)


def test_a_restored_backup_brings_back_neither_who_was_erased_nor_what_was_withdrawn(
    store: Store, tmp_path: Path
) -> None:
    with transaction(store.engine) as connection:
        kari = add_user(connection, "k@example.org", "kari", [UserRole.AGENT], utc_now())
    erased, withdrawn = signed(store, kari, GERMANY), signed(store, kari, NORWAY)
    before = tmp_path / "before"
    shutil.copytree(store.folder, before)
    erase_person(store, Who(erased.contact, (GERMANY,)), kari.id, utc_now(), dry_run=False)
    taken_back(store, withdrawn.id)
    for name in ("askfirst.db", "keys", "objects"):
        target = store.folder / name
        if target.is_dir():
            shutil.rmtree(target)
            shutil.copytree(before / name, target)
    store.engine.dispose()
    for path in store.folder.glob("askfirst.db*"):
        path.unlink()
    for path in before.glob("askfirst.db*"):
        shutil.copy(path, store.folder / path.name)
    again = Store.open(store.folder)
    try:
        found = erasurereplay.replay(again, utc_now())
        assert found.standing == (erased.id,)
        assert not erasurereplay.returned(again)
        assert not [name for name in again.blobs.names() if name.startswith(erased.id)]
        with reading(again.engine) as connection:
            assert standingconsents.ids_of(connection, erased.contact) == []
            assert standingconsents.scopes_for(again.erasures, connection, NORWAY) == ()
            shown = standingconsents.get(again.erasures, connection, withdrawn.id)
        assert shown.standing(today()) is Standing.WITHDRAWN
        with pytest.raises(KeyUnreadable):
            again.keys.get(f"{erased.id}/none")
    finally:
        again.close()


def test_a_backup_holds_what_was_signed(node: Node, kari: User, tmp_path: Path) -> None:
    consent = signed(node.store, kari, GERMANY)
    made = make_backup(node.store, tmp_path / "backup", utc_now(), with_key=True)
    assert any(name.startswith(f"objects/{consent.id}/") for name in made.files)


def test_it_holds_after_the_installation_was_closed_and_opened_again(
    node: Node, kari: User
) -> None:
    consent = signed(node.store, kari, GERMANY)
    again = Store.open(node.store.folder)
    with reading(again.engine) as connection:
        assert standingconsents.scopes_for(again.erasures, connection, GERMANY) == (consent.scope,)
    assert standingconsents.read_document(again, consent.id) == PDF
    again.close()
