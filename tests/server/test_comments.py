"""Comments: who may write and read them, whom they mention, and that they go with the recording."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from threading import Thread
from typing import Any

import pytest
import sqlalchemy as sa
from tests.server import coachrig, rig
from tests.server.coachrig import Office, comment_rows
from tests.server.rig import AT

from askfirst.errors import AskfirstError, InvalidInput, InvalidRequest, NotFound, Refused
from askfirst.server import coaching, comments, erasure, mentions
from askfirst.server.access import Permission
from askfirst.server.callnotes import Conflict
from askfirst.server.coachingtables import mentions as mention_rows
from askfirst.server.database import reading, transaction
from askfirst.server.emptydisk import everything

WORDS = "slow down before the marmalade"


@pytest.fixture
def office(recorded: rig.Recorded) -> Office:
    return coachrig.office(recorded)


def write(office: Office, by: str = "supervisor", text: str = WORDS, **more: object) -> str:
    who = getattr(office, by).person
    return comments.write(office.store, who, office.call, text, AT, **{"from_ms": 1_000, **more})  # type: ignore[arg-type]  # a parameter's own type


def read(office: Office, by: str = "agent") -> list[comments.Comment]:
    return comments.comments_of(office.store, getattr(office, by).person, office.call)


@pytest.mark.parametrize("by", ["agent", "supervisor", "officer"])
def test_whoever_may_listen_writes_and_everybody_who_may_reads_it(office: Office, by: str) -> None:
    made = write(office, by, from_ms=1_000, to_ms=2_000)

    for reader in ("agent", "supervisor", "officer"):
        (found,) = read(office, reader)
        assert (found.id, found.text, found.from_ms, found.to_ms) == (made, WORDS, 1_000, 2_000)


@pytest.mark.parametrize("by", ["other", "far"])
def test_whoever_may_not_listen_neither_writes_nor_reads(office: Office, by: str) -> None:
    write(office)

    with pytest.raises(Refused):
        write(office, by)
    with pytest.raises(Refused):
        read(office, by)


def test_no_word_stands_on_the_disk_in_clear(office: Office) -> None:
    write(office)

    on_disk = b"".join(data for name, data in everything(office.store, [office.store.folder]))
    assert WORDS.encode() not in on_disk


@pytest.mark.parametrize("state", ["checking", "quarantined", "erased"])
def test_nothing_is_written_or_read_while_the_recording_is_not_open(
    office: Office, state: str
) -> None:
    write(office)
    rig.change(office.store, office.recording, state=state)

    with pytest.raises(Refused):
        write(office)
    with pytest.raises(Refused):
        read(office)


def test_answers_stand_under_what_they_answer_and_nothing_stands_under_them(
    office: Office,
) -> None:
    made = write(office)
    answer = write(office, "agent", "I will", parent=made)

    (found,) = read(office)
    assert [(each.id, each.text, each.from_ms) for each in found.answers] == [
        (answer, "I will", 1_000)
    ]
    with pytest.raises(InvalidInput):
        write(office, "supervisor", "thanks", parent=answer)


@pytest.mark.parametrize("text", ["", "   ", "x" * (coaching.LONGEST + 1)])
def test_a_text_without_words_or_without_end_is_refused(office: Office, text: str) -> None:
    with pytest.raises(InvalidRequest):
        write(office, text=text)
    assert comment_rows(office.store) == []


@pytest.mark.parametrize(("from_ms", "to_ms"), [(-1, None), (10**9, None), (2_000, 1_000), (5, 5)])
def test_a_time_outside_of_the_call_is_refused(
    office: Office, from_ms: int, to_ms: int | None
) -> None:
    with pytest.raises(InvalidInput):
        write(office, from_ms=from_ms, to_ms=to_ms)


def test_only_whoever_wrote_a_comment_changes_or_deletes_it(office: Office) -> None:
    made = write(office)

    for by in (office.agent.person, office.officer.person):
        with pytest.raises(Refused):
            comments.change(office.store, by, office.call, made, 1, "mine now", AT)
        with pytest.raises(Refused):
            comments.remove(office.store, by, office.call, made, AT)
    assert read(office)[0].text == WORDS


def test_a_change_destroys_the_words_before_it(office: Office) -> None:
    made = write(office)
    (before,) = comment_rows(office.store)

    by = office.supervisor.person
    comments.change(office.store, by, office.call, made, 1, "better", AT + timedelta(minutes=1))

    (found,) = read(office)
    assert (found.text, found.version) == ("better", 2)
    assert found.edited_at == AT + timedelta(minutes=1)
    assert coaching.words_of(office.store, before.text) is None


def test_the_second_of_two_windows_overwrites_nothing(office: Office) -> None:
    made = write(office)
    by = office.supervisor.person
    comments.change(office.store, by, office.call, made, 1, "first", AT)

    with pytest.raises(Conflict):
        comments.change(office.store, by, office.call, made, 1, "second", AT)

    assert read(office)[0].text == "first"


def test_two_people_write_at_once_and_both_are_there(office: Office) -> None:
    both = [Thread(target=write, args=(office, by, f"by {by}")) for by in ("agent", "supervisor")]
    for each in both:
        each.start()
    for each in both:
        each.join()

    assert {each.text for each in read(office)} == {"by agent", "by supervisor"}


def test_a_deleted_comment_keeps_its_answers_and_goes_with_the_last_of_them(
    office: Office,
) -> None:
    made = write(office)
    answer = write(office, "agent", "I will", parent=made)

    comments.remove(office.store, office.supervisor.person, office.call, made, AT)
    (found,) = read(office)
    assert found.text is None
    assert [each.text for each in found.answers] == ["I will"]

    comments.remove(office.store, office.agent.person, office.call, answer, AT)
    assert comment_rows(office.store) == []


def test_a_thread_is_done_with_once_and_can_be_opened_again(office: Office) -> None:
    made = write(office)
    store, by = office.store, office.agent.person

    comments.resolve(store, by, office.call, made, AT)
    comments.resolve(store, office.supervisor.person, office.call, made, AT + timedelta(days=1))
    assert (read(office)[0].resolved_by, read(office)[0].resolved_at) == (office.agent.id, AT)

    comments.resolve(store, by, office.call, made, AT, is_done=False)
    assert read(office)[0].resolved_at is None


def test_a_long_list_comes_in_pages_in_the_order_of_the_call(office: Office) -> None:
    times = [3_000, 1_000, 2_000, 1_000, 2_500]
    made = [write(office, text=f"at {at}", from_ms=at) for at in times]

    who = office.agent.person
    seen, after = list[int](), None
    while page := comments.comments_of(office.store, who, office.call, after, 2):
        seen += [each.from_ms for each in page]
        after = page[-1].id
    assert seen == sorted(times)
    assert len(made) == len(seen)


def test_a_comment_of_another_call_is_not_there(office: Office) -> None:
    with pytest.raises(NotFound):
        write(office, parent="cmt_none")
    with pytest.raises(NotFound):
        comments.remove(office.store, office.agent.person, office.call, "cmt_none", AT)


@pytest.mark.parametrize("text", ["look @Kari Berg", "look @kari@example.org.", "@KARI BERG, look"])
def test_a_mention_waits_for_them_until_they_have_opened_the_call(
    office: Office, text: str
) -> None:
    made = write(office, text=text)

    with reading(office.store.engine) as connection:
        (found,) = mentions.waiting(connection, office.agent.person)
    assert (found.comment, found.person, found.from_ms) == (made, office.supervisor.id, 1_000)
    with transaction(office.store.engine) as connection:
        mentions.seen(connection, office.agent.id, office.call, AT)
        assert mentions.waiting(connection, office.agent.person) == []


@pytest.mark.parametrize("name", ["Far Away", "Ola Lie", "far@example.org"])
def test_a_mention_of_somebody_who_may_not_listen_is_refused(office: Office, name: str) -> None:
    with pytest.raises(InvalidRequest, match="may not listen"):
        write(office, text=f"@{name} look at this")

    assert comment_rows(office.store) == []
    assert rig.rows(office.store, sa.select(mention_rows)) == []


@pytest.mark.parametrize("text", ["@nobody here", "kari@example", "@Kari Bergen", "@", "@@@"])
def test_what_is_no_name_mentions_nobody(office: Office, text: str) -> None:
    write(office, text=text)

    assert rig.rows(office.store, sa.select(mention_rows)) == []


def test_a_mention_is_gone_where_the_right_to_listen_is(office: Office) -> None:
    write(office, "agent", "@Siri Lund please")
    who = coachrig.demoted(office.store, office.supervisor)

    with reading(office.store.engine) as connection:
        assert mentions.waiting(connection, who) == []


def test_an_erasure_leaves_no_row_and_no_word(office: Office) -> None:
    made = write(office, text=f"@Kari Berg {WORDS}")
    write(office, "agent", WORDS, parent=made)
    objects = [row.text for row in comment_rows(office.store)]

    _erase(office)

    assert comment_rows(office.store) == []
    assert rig.rows(office.store, sa.select(mention_rows)) == []
    left = set(office.store.blobs.names())
    assert left.isdisjoint(objects)
    assert set(rig.key_ids(office.store)).isdisjoint(objects)
    assert not any(
        WORDS.encode() in data for _, data in everything(office.store, [office.store.folder])
    )


def test_a_crash_between_words_and_row_leaves_nothing_to_read(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = set(office.store.blobs.names())

    monkeypatch.setattr(comments, "transaction", _broken)
    with pytest.raises(SystemExit):
        write(office)

    assert read(office) == []
    (orphan,) = set(office.store.blobs.names()) - before
    _erase(office)
    assert orphan not in set(office.store.blobs.names())
    assert orphan not in set(rig.key_ids(office.store))


def test_words_that_come_too_late_are_destroyed_at_once(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = set(office.store.blobs.names())
    seal = coaching.seal

    def slow(*given: Any) -> str:
        made = seal(*given)
        rig.change(office.store, office.recording, state="quarantined")
        return made

    monkeypatch.setattr(coaching, "seal", slow)
    with pytest.raises(Refused):
        write(office)

    assert set(office.store.blobs.names()) == before
    assert comment_rows(office.store) == []


def test_a_crash_while_deleting_leaves_a_comment_that_says_nothing(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = write(office)
    with monkeypatch.context() as patched:
        patched.setattr(comments, "transaction", _broken)
        with suppress(SystemExit):
            comments.remove(office.store, office.supervisor.person, office.call, made, AT)

    assert read(office)[0].text is None
    comments.remove(office.store, office.supervisor.person, office.call, made, AT)
    assert comment_rows(office.store) == []


def test_a_person_with_a_token_writes_only_with_its_scope(office: Office) -> None:
    scoped = replace(office.supervisor.person, scopes=frozenset({Permission.RECORDINGS_LISTEN}))
    with pytest.raises(Refused):
        comments.write(office.store, scoped, office.call, WORDS, AT)


def _broken(_engine: object) -> Iterator[None]:
    raise SystemExit(1)


def _erase(office: Office) -> None:
    with transaction(office.store.engine) as connection:
        erasure.intend(office.store, connection, office.recording, "request", AT)
    with suppress(AskfirstError):
        comments.comments_of(office.store, office.agent.person, office.call)
    erasure.erase(office.store, office.recording, AT)
