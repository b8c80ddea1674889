"""What every search index keeps to, and that all of them find the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tests.server.postgresrig import postgres

from askfirst.errors import Misconfigured, Unavailable
from askfirst.server import searchpostgres
from askfirst.server.searchindex import (
    NEWEST,
    Damaged,
    Hit,
    Learnt,
    SearchIndex,
    Spoken,
    first_of,
)
from askfirst.server.searchpostgres import PostgresIndex
from askfirst.server.searchquery import Query, query_of
from askfirst.server.searchsqlite import SqliteIndex

pytestmark = pytest.mark.full

AT = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
KEY, OTHER_KEY = b"k" * 32, b"o" * 32
NAMES = ("sqlite", "postgres")

Make = Callable[[bytes], SearchIndex]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with postgres() as made:
        yield made


@pytest.fixture(scope="module")
def made(address: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Make]]:
    """How each index is opened; again and under another key, too."""
    path = tmp_path_factory.mktemp("index") / "search.db"
    with ExitStack() as undo:

        def opened(index: SearchIndex) -> SearchIndex:
            undo.callback(index.close)
            return index

        yield {
            "sqlite": lambda key: opened(SqliteIndex(path, lambda: key)),
            "postgres": lambda key: opened(PostgresIndex(address, lambda: key)),
        }


@pytest.fixture(params=NAMES)
def make(request: pytest.FixtureRequest, made: dict[str, Make]) -> Make:
    found = made[request.param]
    found(KEY).remake()
    return found


@pytest.fixture
def index(make: Make) -> SearchIndex:
    return make(KEY)


def learnt(
    recording: str,
    *said: str,
    hour: int = 0,
    language: str = "en",
    agent: str | None = "usr_1",
) -> Learnt:
    """A recording whose utterances are those of our side and of the contact in turn."""
    speakers = ("agent", "contact", "colleague")
    spoken = [
        Spoken(speakers[at % 3], at * 1_000, text.split()) for at, text in enumerate(said)
    ]  # fmt: skip
    return Learnt(recording, agent, AT + timedelta(hours=hour), language, spoken)


def found(index: SearchIndex, text: str, *rest: object) -> list[str]:
    """Recording and time of every hit, the newest first."""
    expression = index.expression(query_of(text), *rest)  # type: ignore[arg-type]
    return [f"{hit.recording}@{hit.start_ms}" for hit in index.hits(expression, 0, NEWEST, 1_000)]


def test_words_stand_in_any_order_and_phrases_in_theirs(index: SearchIndex) -> None:
    index.learn([learnt("rec1", "we record this call", "this call we record not")])

    assert found(index, "call record") == ["rec1@1000", "rec1@0"]
    assert found(index, '"this call"') == ["rec1@1000", "rec1@0"]
    assert found(index, '"record this call"') == ["rec1@0"]
    assert found(index, "record -not") == ["rec1@0"]
    assert found(index, 'record -"this call"') == []
    assert found(index, '"call call"') == []


def test_stems_decide_in_each_language(index: SearchIndex) -> None:
    index.learn(
        [
            learnt("rec1", "samtalene ble tatt opp", language="nb"),
            learnt("rec2", "die gespräche werden aufgezeichnet", language="de", hour=1),
            learnt("rec3", "recordings were made", language="en", hour=2),
        ]
    )

    assert found(index, "samtale") == ["rec1@0"]
    assert found(index, "gespräch") == ["rec2@0"]
    assert found(index, "recording") == ["rec3@0"]
    assert found(index, "absent") == []


def test_the_newest_comes_first_and_pages_go_on_where_they_ended(index: SearchIndex) -> None:
    index.learn([learnt(f"rec{n}", "wombat", "wombat", hour=n) for n in range(3)])
    expression = index.expression(query_of("wombat"))

    first = index.hits(expression, 0, NEWEST, 4)
    rest = index.hits(expression, 0, first[-1].id, 4)

    assert [hit.recording for hit in [*first, *rest]] == [f"rec{n}" for n in (2, 2, 1, 1, 0, 0)]
    assert [hit.id for hit in [*first, *rest]] == sorted(
        {hit.id for hit in [*first, *rest]}, reverse=True
    )
    since = first_of(AT + timedelta(hours=1))
    assert [hit.recording for hit in index.hits(expression, since, NEWEST, 9)][-1] == "rec1"


def test_a_speaker_and_an_agent_narrow(index: SearchIndex) -> None:
    index.learn([learnt("rec1", "wombat", "wombat", "wombat"), learnt("rec2", "wombat", hour=1)])
    index.learn([learnt("rec3", "wombat", hour=2, agent=None)])

    assert found(index, "wombat", "agent") == ["rec3@0", "rec2@0", "rec1@0"]
    assert found(index, "wombat", "contact") == ["rec1@2000", "rec1@1000"]
    assert found(index, "wombat", "", {"usr_1"}) == ["rec2@0", "rec1@2000", "rec1@1000", "rec1@0"]
    assert found(index, "wombat", "", {None}) == ["rec3@0"]
    assert found(index, "wombat", "", {"usr_2"}) == []
    assert found(index, "wombat", "", set()) == []


def test_what_is_learnt_again_replaces_and_what_is_forgotten_is_gone(index: SearchIndex) -> None:
    index.learn([learnt("rec1", "marmalade"), learnt("rec2", "marmalade")])
    index.learn([learnt("rec1", "wombat")])

    assert found(index, "marmalade") == ["rec2@0"]
    assert found(index, "wombat") == ["rec1@0"]
    assert (index.forget("rec2"), index.forget("rec2")) == (True, False)
    assert found(index, "marmalade") == []
    assert index.recordings() == {"rec1"}
    index.tidy(whole=False)
    index.tidy(whole=True)
    assert found(index, "wombat") == ["rec1@0"]


def test_a_batch_that_fails_leaves_nothing_of_itself(index: SearchIndex) -> None:
    index.learn([learnt("rec1", "wombat")])
    broken = Learnt("rec2", None, AT, "en", [Spoken("agent", 2**80, ["wombat"])])

    with pytest.raises((Unavailable, OverflowError, sa.exc.DBAPIError)):
        index.learn([learnt("rec1", "marmalade"), broken])

    assert found(index, "wombat") == ["rec1@0"]
    assert index.recordings() == {"rec1"}


def test_what_is_awaited_is_crossed_off(index: SearchIndex) -> None:
    assert not index.is_ordered()
    assert index.is_awaiting()
    index.expect(["rec1", "rec2", "rec3"])
    index.note_ordered()
    assert (index.is_ordered(), index.is_awaiting(), index.progress()) == (True, True, (0, 3))

    index.learn([learnt("rec1", "wombat")])
    index.forget("rec2")
    assert index.progress() == (1, 1)
    index.expect(["rec4"])
    index.learn([learnt("rec4")])

    assert not index.is_awaiting()
    assert index.progress() == (2, 0)


def test_an_emptied_index_has_nothing_and_was_not_ordered(index: SearchIndex) -> None:
    index.learn([learnt("rec1", "wombat")])
    index.note_ordered()

    index.empty()

    assert (found(index, "wombat"), index.recordings()) == ([], frozenset())
    assert not index.is_ordered()
    index.learn([learnt("rec1", "wombat")])
    assert found(index, "wombat") == ["rec1@0"]


def test_an_index_under_another_key_has_to_be_made_anew(make: Make) -> None:
    make(KEY).learn([learnt("rec1", "wombat")])
    other = make(OTHER_KEY)

    with pytest.raises(Damaged, match="another key"):
        other.recordings()

    other.remake()
    assert (other.recordings(), other.is_ordered()) == (frozenset(), False)


def test_another_process_sees_what_one_has_learnt(make: Make) -> None:
    make(KEY).learn([learnt("rec1", "wombat")])

    assert found(make(KEY), "wombat") == ["rec1@0"]


def test_what_is_said_seldom_is_found_behind_the_newest_rows(
    index: SearchIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searchpostgres, "_ROWS", 2)
    index.learn([learnt("old", "wombat"), *(learnt(f"rec{n}", "call", hour=n) for n in (1, 2, 3))])

    assert found(index, "wombat") == ["old@0"]
    assert found(index, "call") == ["rec3@0", "rec2@0", "rec1@0"]


WORDS = ("record", "recording", "call", "calls", "samtale", "samtalen", "gespräch", "x", "42")
texts = st.lists(st.sampled_from(WORDS), min_size=1, max_size=6).map(" ".join)
recordings = st.lists(
    st.tuples(
        st.lists(texts, max_size=4),
        st.sampled_from(["en", "nb", "de"]),
        st.sampled_from(["usr_1", "usr_2", None]),
        st.integers(0, 2),
    ),
    max_size=6,
)
terms = st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=3).map(tuple), max_size=3)
queries = st.builds(
    lambda wanted, without: Query(tuple(wanted), tuple(without)), terms.filter(bool), terms
)
people = st.none() | st.sets(st.sampled_from(["usr_1", "usr_2", None]))


@given(
    said=recordings,
    query=queries,
    speaker=st.sampled_from(["", "agent", "contact"]),
    agents=people,
    gone=st.integers(0, 5),
)
@example(
    said=[(["call call"], "en", "usr_1", 0)],
    query=Query((("call", "call"),), (("call", "call", "call"),)),
    speaker="",
    agents={None, "usr_1"},
    gone=5,
)
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_all_indexes_find_the_same(
    made: dict[str, Make],
    said: Sequence[tuple[list[str], str, str | None, int]],
    query: Query,
    speaker: str,
    agents: set[str | None] | None,
    gone: int,
) -> None:
    batch = [
        learnt(f"rec{n}", *texts, language=language, agent=agent, hour=hour)
        for n, (texts, language, agent, hour) in enumerate(said)
    ]
    results: list[list[Hit]] = []
    for name in NAMES:
        index = made[name](KEY)
        index.empty()
        index.learn(batch)
        index.forget(f"rec{gone}")
        expression = index.expression(query, speaker, agents)
        results.append(index.hits(expression, 0, NEWEST, 1_000))

    assert results[0] == results[1]


def test_a_database_that_is_not_there_is_told_without_its_password(tmp_path: Path) -> None:
    index = PostgresIndex(f"postgresql://kari:geheim@/none?host={tmp_path}", lambda: KEY)

    with pytest.raises(Unavailable) as told:
        index.recordings()

    assert "geheim" not in str(told.value)


@pytest.mark.parametrize("address", ["sqlite:///geheim", "postgresql:geheim", ""])
def test_what_is_no_address_of_a_database_is_refused_unsaid(address: str) -> None:
    with pytest.raises(Misconfigured) as told:
        PostgresIndex(address, lambda: KEY)

    assert "geheim" not in str(told.value)


def test_the_database_holds_tokens_and_no_word(address: str, made: dict[str, Make]) -> None:
    made["postgres"](KEY).remake()
    made["postgres"](KEY).learn([learnt("rec1", "marmalade for a wombat")])
    engine = sa.create_engine(address.replace("postgresql:", "postgresql+psycopg:"))
    with engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT * FROM askfirst_search.segments").all()
    engine.dispose()

    assert len(rows) == 1
    assert "marmalad" not in str(rows)
    assert "wombat" not in str(rows)
