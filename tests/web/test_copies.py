"""Copies for people: what is in them, what is masked, how long they last, and who took them."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from tests.server import rig
from tests.web.conftest import add, signed_in
from tests.web.test_rights_of_people import Office
from tests.web.test_rights_of_people import office as office

from askfirst.audio.container import decode
from askfirst.server.access import UserRole
from askfirst.server.clock import utc_now
from askfirst.server.copies import KEPT_FOR
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
    assert answer.status_code == 201, answer.text
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


@pytest.mark.parametrize("how", ["time", "recording", "person"])
def test_a_copy_goes_with_its_time_its_recording_and_its_person(carrying: Office, how: str) -> None:
    address, store = made(carrying), carrying.site.store
    request = address.split("/")[-2]

    if how == "time":
        sweep(store, utc_now() + KEPT_FOR + timedelta(minutes=1))
    elif how == "recording":
        carrying.erase(recording=carrying.recorded.id)
    else:
        carrying.erase(number=rig.NORWAY)

    assert carrying.officer.get(address).status_code == 404
    assert [name for name in store.blobs.names() if name.startswith(request)] == []
