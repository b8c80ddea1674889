"""Clips and playlists: nobody hears more by them, and they go with their recording."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from tests.server import coachrig, rig
from tests.server.coachrig import Office
from tests.server.rig import AT

from askfirst.audio.container import decode
from askfirst.errors import InvalidInput, InvalidRequest, NotFound, Refused
from askfirst.server import account, clips, cutting, erasure, playlists
from askfirst.server.callnotes import Conflict
from askfirst.server.coachingtables import clips as clip_rows
from askfirst.server.coachingtables import playlist_clips
from askfirst.server.database import calls, reading, segments, transaction
from askfirst.server.emptydisk import everything
from askfirst.server.playlists import Audience, Wanted

WORDS = "how she answers the wombat"


@pytest.fixture
def office(recorded: rig.Recorded) -> Office:
    return coachrig.office(recorded)


def kept(office: Office) -> Any:
    """The stretch that was recorded of both sides."""
    (row,) = [each for each in rig.rows(office.store, sa.select(segments)) if each.kind == "open"]
    return row


def make(office: Office, by: str = "supervisor", **more: int) -> str:
    row = kept(office)
    given = {"from_ms": row.from_ms, "to_ms": row.from_ms + 1_000, **more}
    who = getattr(office, by).person
    return clips.make(office.store, who, office.call, text=WORDS, at=AT, **given)


def played(office: Office) -> list[dict[str, Any]]:
    entries = [entry for _, entry in office.store.ledger.entries(office.call)]
    return [json.loads(json.dumps(each)) for each in entries if each["kind"] == "access.played"]


def erase(office: Office) -> None:
    with transaction(office.store.engine) as connection:
        erasure.intend(office.store, connection, office.recording, "request", AT)
    erasure.erase(office.store, office.recording, AT)


@pytest.mark.parametrize("by", ["agent", "supervisor", "officer"])
def test_playing_a_clip_gives_its_range_alone_and_is_an_access_with_it(
    office: Office, by: str
) -> None:
    made = make(office)

    sound = clips.play(office.store, getattr(office, by).person, made, AT)

    samples, rate = decode(sound)
    assert samples.shape[1] / rate == pytest.approx(1.0, abs=0.05)
    (entry,) = played(office)
    assert entry["data"] == {
        "person": getattr(office, by).id,
        "purpose": "training",
        "clip": made,
        "from_ms": kept(office).from_ms,
        "to_ms": kept(office).from_ms + 1_000,
    }


@pytest.mark.parametrize("by", ["other", "far"])
def test_whoever_may_not_listen_to_the_call_hears_no_clip_of_it(office: Office, by: str) -> None:
    made = make(office)

    with pytest.raises(Refused):
        clips.play(office.store, getattr(office, by).person, made, AT)
    with pytest.raises(Refused):
        clips.clips_of(office.store, getattr(office, by).person, office.call)
    with pytest.raises(Refused):
        make(office, by)
    assert played(office) == []


def test_a_right_that_went_is_missed_at_the_next_play(office: Office) -> None:
    made = make(office, "supervisor")
    clips.play(office.store, office.supervisor.person, made, AT)
    who = coachrig.demoted(office.store, office.supervisor)

    with pytest.raises(Refused):
        clips.play(office.store, who, made, AT)


@pytest.mark.parametrize("state", ["quarantined", "erased", "checking"])
def test_a_clip_of_a_recording_that_is_not_open_is_silent(office: Office, state: str) -> None:
    made = make(office)
    rig.change(office.store, office.recording, state=state)

    with pytest.raises(Refused):
        clips.play(office.store, office.agent.person, made, AT)
    assert played(office) == []


@pytest.mark.parametrize(("told", "heard"), [("coaching", True), ("order_reservation", False)])
def test_a_clip_is_played_only_for_a_purpose_that_people_were_told(
    office: Office, told: str, heard: bool
) -> None:
    made = make(office)
    with transaction(office.store.engine) as connection:
        connection.execute(calls.update().values(policy={"purpose": told}))

    if heard:
        assert clips.play(office.store, office.agent.person, made, AT)
        assert played(office)[0]["data"]["purpose"] == told
    else:
        with pytest.raises(Refused, match="another purpose"):
            clips.play(office.store, office.agent.person, made, AT)
        with pytest.raises(Refused, match="another purpose"):
            make(office)


def test_where_a_reason_is_wanted_a_clip_does_not_go_round_it(office: Office) -> None:
    made = make(office)
    with transaction(office.store.engine) as connection:
        account.change(connection, {"asks_reason": True}, None, AT)

    with pytest.raises(Refused, match="reason"):
        clips.play(office.store, office.supervisor.person, made, AT)
    assert clips.play(office.store, office.agent.person, made, AT), "nobody asks of one's own call"


def test_a_clip_of_what_was_not_recorded_is_refused(office: Office) -> None:
    first = min(each.from_ms for each in rig.rows(office.store, sa.select(segments)))
    assert first >= 1_000

    with pytest.raises(InvalidInput, match="nothing was recorded"):
        make(office, from_ms=0, to_ms=1_000)


def test_a_clip_over_a_gap_holds_what_was_recorded_of_it(office: Office) -> None:
    row = kept(office)
    before = min(each.from_ms for each in rig.rows(office.store, sa.select(segments)))
    made = make(office, from_ms=0, to_ms=before + 1_000)

    samples, rate = decode(clips.play(office.store, office.agent.person, made, AT))
    assert samples.shape[1] / rate == pytest.approx(1.0, abs=0.05)
    assert row.to_ms > before


@pytest.mark.parametrize("length", [0, 999, clips.LONGEST_MS + 1])
def test_a_clip_is_neither_too_short_nor_too_long(office: Office, length: int) -> None:
    with pytest.raises(InvalidInput):
        make(office, from_ms=0, to_ms=length)


def test_only_whoever_made_a_clip_removes_it(office: Office) -> None:
    made = make(office)
    with pytest.raises(Refused):
        clips.remove(office.store, office.agent.person, made, AT)

    clips.remove(office.store, office.supervisor.person, made, AT)

    assert rig.rows(office.store, sa.select(clip_rows)) == []
    with pytest.raises(NotFound):
        clips.play(office.store, office.supervisor.person, made, AT)


def listed(office: Office, audience: Audience = Audience.OWNER, by: str = "supervisor") -> str:
    wanted = Wanted("Objections", "How to meet them", audience)
    return playlists.make(office.store, getattr(office, by).person, wanted, AT)


SEES = {
    Audience.OWNER: {"supervisor"},
    Audience.TEAM: {"supervisor", "agent", "other"},
    Audience.EVERYBODY: {"supervisor", "agent", "other", "far", "officer"},
}


@pytest.mark.parametrize("audience", list(Audience))
def test_a_playlist_is_seen_by_whom_it_is_for_and_by_nobody_else(
    office: Office, audience: Audience
) -> None:
    made = listed(office, audience)

    for by in ("supervisor", "agent", "other", "far", "officer"):
        who = getattr(office, by).person
        with reading(office.store.engine) as connection:
            found = [each.id for each in playlists.playlists_of(connection, who)]
        assert (made in found) == (by in SEES[audience])
        if by not in SEES[audience]:
            with pytest.raises(NotFound):
                playlists.content_of(office.store, who, made)


def test_a_playlist_gives_nobody_a_right_and_says_how_much_is_left_out(office: Office) -> None:
    made, clip = listed(office, Audience.EVERYBODY), make(office)
    playlists.add(office.store, office.supervisor.person, made, clip, AT)

    for by in ("supervisor", "agent", "officer"):
        found = playlists.content_of(office.store, getattr(office, by).person, made)
        assert found.hidden == 0
        assert [each.clip and each.clip.text for each in found.listed] == [WORDS]
    for by in ("other", "far"):
        found = playlists.content_of(office.store, getattr(office, by).person, made)
        assert (list(found.listed), found.hidden) == ([], 1)


def test_only_its_owner_changes_a_playlist(office: Office) -> None:
    made, clip = listed(office, Audience.EVERYBODY), make(office)
    store = office.store
    for who in (office.agent.person, office.officer.person):
        with pytest.raises(Refused):
            playlists.add(store, who, made, clip, AT)
        with pytest.raises(Refused):
            playlists.change(store, who, made, 1, Wanted("Mine"), AT)
        with pytest.raises(Refused):
            playlists.remove(store, who, made, AT)
    with pytest.raises(Refused):
        playlists.add(store, office.far.person, listed(office, by="far"), clip, AT)


def test_the_second_of_two_windows_does_not_overwrite_a_playlist(office: Office) -> None:
    made, who = listed(office), office.supervisor.person
    playlists.change(office.store, who, made, 1, Wanted("First"), AT)

    with pytest.raises(Conflict):
        playlists.change(office.store, who, made, 1, Wanted("Second"), AT)

    assert playlists.content_of(office.store, who, made).playlist.name == "First"


def test_clips_move_one_place_and_stop_at_the_ends(office: Office) -> None:
    made, who = listed(office), office.supervisor.person
    three = [make(office, to_ms=kept(office).from_ms + 1_000 + each) for each in range(3)]
    for each in three:
        playlists.add(office.store, who, made, each, AT)
        playlists.add(office.store, who, made, each, AT)

    def order() -> list[int]:
        found = playlists.content_of(office.store, who, made)
        return [three.index(each.clip_id) for each in found.listed]

    assert order() == [0, 1, 2]
    playlists.move(office.store, who, made, three[2], up=True)
    assert order() == [0, 2, 1]
    playlists.move(office.store, who, made, three[0], up=True)
    assert order() == [0, 2, 1]
    playlists.move(office.store, who, made, three[0], up=False)
    assert order() == [2, 0, 1]
    playlists.take_out(office.store, who, made, three[0], AT)
    assert order() == [2, 1]


@pytest.mark.parametrize(
    "wanted",
    [Wanted(" "), Wanted("x" * 81), Wanted("x", "y" * 301)],
)
def test_a_playlist_that_cannot_be_kept_is_refused(office: Office, wanted: Wanted) -> None:
    with pytest.raises(InvalidRequest):
        playlists.make(office.store, office.agent.person, wanted, AT)
    with pytest.raises(InvalidRequest):
        playlists.make(office.store, office.officer.person, Wanted("x", "", Audience.TEAM), AT)


def test_long_lists_come_in_pages(office: Office) -> None:
    made = [listed(office) for _ in range(3)]
    who = office.supervisor.person
    with reading(office.store.engine) as connection:
        first = playlists.playlists_of(connection, who, None, 2)
        rest = playlists.playlists_of(connection, who, first[-1].id, 2)
    # Ids of one millisecond are in no order of their making.
    assert [each.id for each in (*first, *rest)] == sorted(made, reverse=True)


def test_an_erasure_leaves_of_a_clip_only_that_and_when_it_was_removed(office: Office) -> None:
    made, clip = listed(office), make(office)
    playlists.add(office.store, office.supervisor.person, made, clip, AT - timedelta(days=1))
    (sealed,) = [each.text for each in rig.rows(office.store, sa.select(clip_rows))]

    erase(office)

    assert rig.rows(office.store, sa.select(clip_rows)) == []
    assert sealed not in set(office.store.blobs.names()) | set(rig.key_ids(office.store))
    found = playlists.content_of(office.store, office.supervisor.person, made)
    assert [(each.clip, each.removed_at) for each in found.listed] == [(None, AT)]
    assert found.playlist.size == 0
    whole = everything(office.store, [office.store.folder])
    assert not any(WORDS.encode() in data for _, data in whole)


def test_what_is_cut_off_takes_its_clips_with_it(office: Office) -> None:
    made, clip = listed(office), make(office)
    playlists.add(office.store, office.supervisor.person, made, clip, AT)
    (sealed,) = [each.text for each in rig.rows(office.store, sa.select(clip_rows))]
    shorter = cutting.prepare(office.store, office.recording, kept(office).from_ms + 500)

    with transaction(office.store.engine) as connection:
        cutting.put_in_place(office.store, connection, shorter, "usr_1", AT)
    cutting.carry_out(office.store)

    assert rig.rows(office.store, sa.select(clip_rows)) == []
    assert sealed not in set(rig.key_ids(office.store))
    assert [row.removed_at for row in rig.rows(office.store, sa.select(playlist_clips))] == [AT]
