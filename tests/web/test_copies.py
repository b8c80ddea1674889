"""Copies for people: what is in them, what is masked, how long they last, and who took them."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from dbos import DBOS
from tests.server import rig
from tests.web.conftest import add, problem, signed_in
from tests.web.test_rights_of_people import Office
from tests.web.test_rights_of_people import office as office

from askfirst.audio.container import decode
from askfirst.errors import Unavailable
from askfirst.server import copies, erasure, restrictions
from askfirst.server.access import UserRole
from askfirst.server.clock import utc_now
from askfirst.server.copies import KEPT_FOR
from askfirst.server.database import outbox, transaction
from askfirst.server.store import Store
from askfirst.server.sweep import sweep
from askfirst.web.carrying import Carrier


@pytest.fixture
def carrying(office: Office) -> Office:
    """The office in a process that carries calls."""
    site = replace(office.site, carrier=Carrier(office.recorded.node))
    officer = add(office.site, UserRole.COMPLIANCE, name="carries")
    return replace(office, site=site, officer=signed_in(site, officer))


def made(office: Office, **wanted: object) -> str:
    """The address of a new copy for the person of the recorded call."""
    asked = {"kind": "access", "number": rig.NORWAY}
    request = office.officer.post("/api/v1/subject-requests", json=asked).json()["id"]
    address = f"/api/v1/subject-requests/{request}/copy"
    answer = office.officer.post(address, json=wanted)
    assert answer.status_code == 202, answer.text
    office.recorded.node.jobs.wait()
    assert office.officer.get(f"{address}/state").json()["state"] == "ready"
    return address


def opened(office: Office, address: str) -> dict[str, bytes]:
    """The files of a copy by name, without their folder."""
    answer = office.officer.get(address)
    assert answer.status_code == 200, answer.text
    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    assert archive.testzip() is None
    return {Path(name).name: archive.read(name) for name in archive.namelist()}


def test_a_copy_holds_everything_and_masks_our_side(carrying: Office) -> None:
    files = opened(carrying, made(carrying))

    recording = carrying.recorded.id
    samples, _ = decode(files[f"{recording}.ogg"], 16_000)
    ours, theirs = (int(np.abs(channel.astype(int)).max()) for channel in samples)
    assert ours < 100 < theirs
    about = json.loads(files["about.json"])
    assert [each["kind"] for each in about["consents"]] == ["agreed"]
    assert about["decision"]
    for line in json.loads(files[f"{recording}.json"]):
        assert line["speaker"] == "contact" or line["left_out"] is True
    assert b"<script" not in files["index.html"]
    assert b"http" not in files["index.html"]
    manifest = json.loads(files["manifest.json"])
    for name, digest in manifest.items():
        assert hashlib.sha256(files[Path(name).name]).hexdigest() == digest
    assert len(manifest) == len(files) - 1


def test_a_copy_is_made_and_taken_on_the_page(carrying: Office) -> None:
    asked = {"kind": "access", "number": rig.NORWAY}
    request = carrying.officer.post("/api/v1/subject-requests", json=asked).json()["id"]
    page = f"/compliance/requests/{request}"

    made = carrying.officer.post(f"{page}/copy", data={"mask": "yes"}, follow_redirects=False)
    carrying.recorded.node.jobs.wait()

    assert made.status_code == 303
    assert f"{page}/copy.zip" in carrying.officer.get(page).text
    assert "index.html" in opened(carrying, f"{page}/copy.zip")


def test_our_side_is_heard_where_nobody_masks_it(carrying: Office) -> None:
    files = opened(carrying, made(carrying, mask=False))

    samples, _ = decode(files[f"{carrying.recorded.id}.ogg"], 16_000)
    assert int(np.abs(samples[0].astype(int)).max()) > 100


def test_each_download_is_an_access_and_making_is_none(carrying: Office) -> None:
    address = made(carrying)
    store = carrying.site.store
    assert "access.exported" not in rig.kinds(store)

    for _ in range(2):
        opened(carrying, address)

    assert rig.kinds(store).count("access.exported") == 2


def test_a_copy_is_kept_in_no_clear_byte(carrying: Office) -> None:
    made(carrying)

    for path in carrying.site.store.folder.rglob("*"):
        if path.is_file():
            assert b"index.html" not in path.read_bytes(), path.name


def test_what_may_not_be_heard_is_not_in_a_copy(carrying: Office) -> None:
    rig.change(carrying.site.store, carrying.recorded.id, state="quarantined")

    files = opened(carrying, made(carrying))

    assert f"{carrying.recorded.id}.ogg" not in files
    assert b"quarantined" in files["index.html"]


@pytest.mark.parametrize("how", ["time", "person"])
def test_a_copy_goes_with_its_time_and_its_person(carrying: Office, how: str) -> None:
    address, store = made(carrying), carrying.site.store

    if how == "time":
        sweep(store, utc_now() + KEPT_FOR + timedelta(minutes=1))
    else:
        carrying.erase(number=rig.NORWAY)

    assert carrying.officer.get(address).status_code in (403, 404)
    assert parts(store) == []


def test_a_copy_of_an_erased_recording_is_destroyed_and_says_why(carrying: Office) -> None:
    address = made(carrying)

    carrying.erase(recording=carrying.recorded.id)

    refused = carrying.officer.get(address)
    assert (refused.status_code, problem(refused)) == (403, "urn:askfirst:problem:refused")
    assert parts(carrying.site.store) == []
    state = carrying.officer.get(f"{address}/state").json()
    assert (state["state"], state["fault"], state["sha256"]) == ("withdrawn", "erased", None)


def restrict(office: Office) -> None:
    asked = {"kind": "restriction", "number": rig.NORWAY}
    request = office.officer.post("/api/v1/subject-requests", json=asked).json()["id"]
    step = {"step": "restrict"}
    done = office.officer.patch(f"/api/v1/subject-requests/{request}", json=step)
    assert done.status_code == 200, done.text


def object_to(office: Office) -> None:
    asked = {"kind": "objection", "number": rig.NORWAY}
    assert office.officer.post("/api/v1/subject-requests", json=asked).status_code == 201


def quarantine(office: Office) -> None:
    rig.change(office.site.store, office.recorded.id, state="quarantined")


def intend_erasure(office: Office) -> None:
    with transaction(office.site.store.engine) as connection:
        erasure.intend(office.site.store, connection, office.recorded.id, "request", utc_now())


@pytest.mark.parametrize(
    ("since", "fault"),
    [
        (quarantine, "quarantined"),
        (restrict, "restricted"),
        (object_to, "objected"),
        (intend_erasure, "erased"),
    ],
)
def test_what_comes_up_against_a_recording_closes_the_copies_with_it(
    carrying: Office, since: Callable[[Office], None], fault: str
) -> None:
    address, store = made(carrying), carrying.site.store
    page = f"/compliance/requests/{address.split('/')[-2]}"
    before = len(rig.kinds(store))

    since(carrying)
    written = len(rig.kinds(store)) - before

    for path in (address, f"{page}/copy.zip"):
        answer = carrying.officer.get(path)
        assert answer.status_code in (403, 409), path
        assert not answer.content.startswith(b"PK")
    assert len(rig.kinds(store)) == before + written, "nothing was given, nothing is an access"
    assert carrying.officer.get(f"{address}/state").json()["fault"] == fault
    shown = carrying.officer.get(page).text
    assert "The copy cannot be given any more" in shown
    assert "Make a new copy" in shown
    assert "copy.zip" not in shown


@pytest.mark.parametrize("since", [restrict, object_to])
def test_a_new_copy_can_be_made_after_the_persons_own_wish(
    carrying: Office, since: Callable[[Office], None]
) -> None:
    address = made(carrying)
    since(carrying)

    carrying.officer.post(address, json={})
    carrying.recorded.node.jobs.wait()

    assert f"{carrying.recorded.id}.ogg" in opened(carrying, address)


def test_what_is_restricted_for_somebody_else_is_left_out(carrying: Office) -> None:
    other = carrying.officer.post(
        "/api/v1/subject-requests", json={"kind": "restriction", "number": "+4721000009"}
    ).json()["id"]
    with transaction(carrying.site.store.engine) as connection:
        wanted = [carrying.recorded.id]
        placed = restrictions.place(
            carrying.site.store, connection, other, wanted, carrying.agent.id, utc_now()
        )
    assert placed == 1

    files = opened(carrying, made(carrying))

    assert f"{carrying.recorded.id}.ogg" not in files
    assert b"restricted" in files["index.html"]


def test_a_copy_that_is_being_made_is_not_there_yet(carrying: Office) -> None:
    asked = {"kind": "access", "number": rig.NORWAY}
    request = carrying.officer.post("/api/v1/subject-requests", json=asked).json()["id"]
    store = carrying.site.store
    ordered = copies.order(store, request, utc_now(), is_masked=True, language="en")
    copies.begin(store, ordered.making, {carrying.recorded.id: []}, 3)
    copies.go_on(store, ordered.making, 2)

    page = carrying.officer.get(f"/compliance/requests/{request}").text

    assert "2 of 3 calls are in it." in page
    assert "copy.zip" not in page
    assert carrying.officer.get(f"/api/v1/subject-requests/{request}/copy").status_code == 404


def test_the_newest_order_wins_and_the_other_leaves_nothing(carrying: Office) -> None:
    address, store = made(carrying), carrying.site.store
    request = address.split("/")[-2]
    old = copies.order(store, request, utc_now(), is_masked=False, language="en")
    copies.begin(store, old.making, {}, 1)
    copyparts = copies.order(store, request, utc_now(), is_masked=True, language="nb")

    with pytest.raises(copies.Superseded):
        copies.fill(store, old.making, lambda archive: archive.writestr("a", bytes(100)), utc_now())

    assert parts(store) == []
    carrying.recorded.node.jobs.wait()
    assert {name.split("/")[0] for name in parts(store)} == {copyparts.making}
    assert b"Kopi av" in opened(carrying, address)["index.html"]


def test_copies_of_two_people_are_made_at_once(carrying: Office) -> None:
    requests = [
        carrying.officer.post("/api/v1/subject-requests", json=asked).json()["id"]
        for asked in (
            {"kind": "access", "number": rig.NORWAY},
            {"kind": "access", "contact": carrying.contact},
        )
    ]

    for request in requests:
        carrying.officer.post(f"/api/v1/subject-requests/{request}/copy", json={})
    carrying.recorded.node.jobs.wait()

    for request in requests:
        files = opened(carrying, f"/api/v1/subject-requests/{request}/copy")
        assert f"{carrying.recorded.id}.ogg" in files


def test_a_copy_that_fails_says_so_and_can_be_tried_again(
    carrying: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = {"kind": "access", "number": rig.NORWAY}
    request = carrying.officer.post("/api/v1/subject-requests", json=asked).json()["id"]
    address = f"/api/v1/subject-requests/{request}/copy"
    store = carrying.site.store
    with monkeypatch.context() as broken:
        broken.setattr(copies, "write_part", fail_to_write)
        carrying.officer.post(address, json={})
        carrying.recorded.node.jobs.wait()

    state = carrying.officer.get(f"{address}/state").json()
    assert (state["state"], state["fault"]) == ("failed", "store")
    assert carrying.officer.get(address).status_code == 404
    assert parts(store) == []
    page = carrying.officer.get(f"/compliance/requests/{request}").text
    assert "The copy could not be made" in page
    assert "Try again" in page

    carrying.officer.post(f"/compliance/requests/{request}/copy", data={"mask": "yes"})
    carrying.recorded.node.jobs.wait()
    assert "index.html" in opened(carrying, address)


def fail_to_write(_store: Store, _making: str, _data: bytes) -> str:
    raise Unavailable("the disk is full")


def parts(store: Store) -> list[str]:
    """The objects of copies that are there."""
    return [name for name in store.blobs.names() if "/copy-" in name]


def test_the_job_of_a_copy_is_told_ids_only(carrying: Office) -> None:
    made(carrying)

    orders = rig.rows(carrying.site.store, sa.select(outbox).where(outbox.c.kind == copies.ORDER))
    assert [each.ref.partition("_")[0] for each in orders] == ["cpy"]
    told = [each.input for each in DBOS.list_workflows(name="copy")]
    assert told == [{"args": (orders[0].ref,), "kwargs": {}}]
