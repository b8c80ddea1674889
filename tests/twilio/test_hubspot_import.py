"""Calls that HubSpot has exported: read whatever is in the file, and brought over like others."""

from __future__ import annotations

import json
from datetime import UTC, datetime
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
    Hearing,
    sound,
)

from askfirst.audio.mixing import to_samples
from askfirst.audio.tone import find_tone
from askfirst.auditing import Law
from askfirst.cli import main
from askfirst.errors import InvalidInput
from askfirst.rules import packaged
from askfirst.server import models
from askfirst.server.auditrun import Reach
from askfirst.server.hubspotimport import BadCall, HubSpotCall, read_export, run
from askfirst.server.importing import Importer, Line
from askfirst.server.playback import Playback
from askfirst.server.store import Store

HEADER = "Record ID,Activity date,Call direction,From number,To number"


def table(*rows: str) -> bytes:
    return "\n".join((HEADER, *rows)).encode()


def row(number: int, contact: str = CALIFORNIA, direction: str = "OUTBOUND") -> str:
    sides = f"{contact},{OURS}" if direction == "INBOUND" else f"{OURS},{contact}"
    return f"{number},2026-11-20 14:05,{direction},{sides}"


@pytest.mark.parametrize(
    "content",
    [b"", b"name,colour\n1,red\n", b"{", b'{"results": 7}', b"From number\n+16285550142\n"],
)
def test_what_is_no_export_is_refused_before_its_first_row(content: bytes) -> None:
    with pytest.raises(InvalidInput):
        list(read_export(content))


def test_a_bad_row_says_why_without_its_content_and_the_others_are_read() -> None:
    rows = (
        row(1),
        f"none,2026-11-20,OUTBOUND,{OURS},{CALIFORNIA}",
        f"3,someday,OUTBOUND,{OURS},{CALIFORNIA}",
        f"4,2026-11-20,SIDEWAYS,{OURS},{CALIFORNIA}",
        row(1),
        row(6),
    )
    found = list(read_export(table(*rows)))
    assert [isinstance(each, BadCall) for each in found] == [False, True, True, True, True, False]
    assert CALIFORNIA not in "".join(e.message for e in found if isinstance(e, BadCall))


def test_a_number_that_is_not_told_is_somebody_anywhere() -> None:
    found = list(read_export(table(row(1, ""), row(2, "withheld"), row(3, "+1 (628) 555-0142"))))
    assert [each.contact for each in found if isinstance(each, HubSpotCall)] == [
        None,
        None,
        CALIFORNIA,
    ]


def test_the_objects_of_the_interface_say_the_same_as_the_table() -> None:
    properties = {
        "hs_timestamp": "2026-11-20T14:05:00Z",
        "hs_call_direction": "INBOUND",
        "hs_call_from_number": BERLIN,
        "hs_call_to_number": OURS,
    }
    content = json.dumps({"results": [{"id": "17", "properties": properties}, 5]}).encode()
    found = list(read_export(content))
    assert found[0] == HubSpotCall("17", datetime(2026, 11, 20, 14, 5, tzinfo=UTC), True, BERLIN)
    assert isinstance(found[1], BadCall)


@given(st.binary(max_size=200))
def test_no_bytes_make_it_fail_otherwise(content: bytes) -> None:
    for begin in (b"", table() + b"\n", b'{"results": ['):
        try:
            list(read_export(begin + content))
        except InvalidInput:
            continue


@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(["id", "hs_timestamp", "hs_call_direction", "properties"]),
            st.none() | st.integers() | st.text(max_size=20) | st.lists(st.none(), max_size=2),
        ),
        max_size=4,
    )
)
def test_no_json_makes_it_fail_otherwise(rows: list[object]) -> None:
    for each in read_export(json.dumps(rows).encode()):
        assert isinstance(each, BadCall | HubSpotCall)


def bring(store: Store, content: bytes, folder: Path, hearing: Hearing) -> list[Line]:
    law = Law(packaged())

    def importer() -> Importer:
        return Importer(store, law, Reach(), hearing)

    return list(run(content, folder, "US-TX", "en", law, store, importer, lambda: NOW))


def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "other.wav").write_bytes(sound())
    folder = tmp_path / "audio"
    folder.mkdir()
    (folder / "1.wav").symlink_to(tmp_path / "other.wav")
    law, store = Law(packaged()), Store.open(tmp_path / "data")
    assert list(run(table(row(1)), folder, "US-TX", "en", law, store, None, lambda: NOW)) == []
    store.close()


def test_recordings_are_judged_and_brought_once(tmp_path: Path) -> None:
    folder = tmp_path / "audio"
    folder.mkdir()
    (folder / "1.wav").write_bytes(sound())
    (folder / "2.wav").write_bytes(sound(CONTACT_HZ, AGENT_HZ))
    (folder / "3.wav").write_bytes(b"RIFF no sound")
    content = table(row(1), row(2, direction="INBOUND"), row(3), row(4), "x,,,,")
    store, hearing = Store.open(tmp_path / "data"), Hearing()
    lines = bring(store, content, folder, hearing)
    assert [each.outcome for each in lines] == ["ready", "ready", "error", "error"]
    assert hearing.given == [AGENT_HZ, AGENT_HZ]
    assert lines[1].recording is not None
    own = to_samples(Playback(store).own_side(lines[1].recording))
    assert find_tone(own, 16_000, [AGENT_HZ])
    lines = bring(store, content, folder, hearing)
    assert [each.outcome for each in lines] == ["known", "known", "error", "error"]
    store.close()


def test_the_command_plans_without_storing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(models, "recognizer", lambda _name, _data: Hearing())
    folder = tmp_path / "audio"
    folder.mkdir()
    (folder / "1.wav").write_bytes(sound())
    export = tmp_path / "calls.csv"
    export.write_bytes(table(row(1, BERLIN)))
    Store.open(tmp_path / "data").close()
    words = ["import", "hubspot", "--agent", "US-TX", "--data", str(tmp_path / "data"), "--json"]
    words += ["--export", str(export), "--audio", str(folder)]
    assert main([*words, "--dry-run"]) == 0
    (planned,) = json.loads(capsys.readouterr().out)["recordings"]
    assert (planned["outcome"], planned["asked"]) == ("planned", "agreed")
    assert main(words) == 1
    (kept,) = json.loads(capsys.readouterr().out)["recordings"]
    assert kept["outcome"] == "quarantined"
