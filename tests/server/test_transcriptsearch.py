"""What a search over transcripts finds: what was said, in calls that the person may hear."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.server import rig
from tests.server.searchrig import (
    ADMIN,
    AT,
    EVA,
    KARI,
    LEADER,
    OFFICER,
    OLA,
    agent,
    employ,
    found,
    hits,
    spoken,
    utterances,
)  # fmt: skip

from askfirst.errors import InvalidRequest, Refused
from askfirst.server import erasure, study, transcripts, transcriptsearch
from askfirst.server.access import Person
from askfirst.server.analysistables import call_figures
from askfirst.server.database import calls, recordings, transaction
from askfirst.server.searchfilter import SearchFilter
from askfirst.server.searchquery import Query, places_of, query_of
from askfirst.server.snippets import Snippet, snippets_of
from askfirst.server.stemming import stemmer
from askfirst.server.store import Store
from askfirst.server.transcriptsearch import Wanted, search_transcripts
from askfirst.spoken import words_of

PRICES = [("agent", "Our prices went up in May."), ("contact", "That price is too high for us!")]


@pytest.fixture
def staffed(store: Store) -> Store:
    employ(store)
    return store


def snippets(store: Store, text: str) -> list[Snippet]:
    (call,) = found(store, text).calls
    return snippets_of(store, call, query_of(text))


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("price", ["1/0", "1/1"]),
        ("PRICING", ["1/0", "1/1"]),
        ("price high", ["1/1"]),
        ('"price is"', ["1/1"]),
        ('"is price"', []),
        ('"prices went up" May', ["1/0"]),
        ("price -may", ["1/1"]),
        ('price -"too high"', ["1/0"]),
        ("too-high", ["1/1"]),
        ('"too high', ["1/1"]),
        ("cost", []),
    ],
)
def test_words_phrases_and_words_that_must_not_be_there(
    staffed: Store, text: str, where: list[str]
) -> None:
    spoken(staffed, 1, PRICES)

    assert hits(staffed, text) == where


@pytest.mark.parametrize("text", ["", "  ", "!?", "-price", '""', "x" * 201, "a\0b"])
def test_a_search_for_no_word_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest):
        query_of(text)


def test_each_language_has_its_own_stems_and_no_other(staffed: Store) -> None:
    spoken(staffed, 1, [("contact", "Jeg vil snakke om prisene.")], language="nb")
    spoken(staffed, 2, [("contact", "Die Preise sind gut.")], language="de")
    spoken(staffed, 3, [("contact", "The pris is a gift.")])
    spoken(staffed, 4, [("contact", "Das Gift wirkt.")], language="de")

    assert hits(staffed, "preis") == ["2/0"]
    assert hits(staffed, "gift") == ["4/0", "3/0"], "a word of both is found in both"
    assert hits(staffed, "pris") == ["3/0", "1/0"]
    assert hits(staffed, "prisen") == ["1/0"], "no inflection of an English word"


def test_people_find_what_they_may_hear_and_nothing_else(staffed: Store) -> None:
    for number, user in enumerate((KARI, OLA, EVA), 1):
        spoken(staffed, number, PRICES, agent=user)

    def reached(person: Person) -> set[int]:
        return {int(each.call[5:], 16) for each in found(staffed, "price", person).calls}

    assert reached(OFFICER) == {1, 2, 3}
    assert reached(LEADER) == {1, 2}
    assert reached(agent(EVA)) == {3}
    assert reached(Person(LEADER.id, LEADER.roles, None)) == set(), "who has no team shares none"
    with pytest.raises(Refused):
        found(staffed, "price", ADMIN)


@pytest.mark.parametrize(
    "change",
    [{"state": "quarantined"}, {"may_analyse": False}, {"failure": "no key"}, {"state": "erased"}],
)
def test_what_may_not_be_analysed_now_is_not_found_although_it_is_indexed(
    staffed: Store, change: dict[str, object]
) -> None:
    made = spoken(staffed, 1, PRICES)
    assert hits(staffed, "price")

    rig.change(staffed, made.recording, **change)

    assert hits(staffed, "price") == []
    assert staffed.search.recordings() == {made.recording}, "nothing has learnt it anew"


def test_what_is_to_be_erased_is_not_found_before_it_is_erased(staffed: Store) -> None:
    made = spoken(staffed, 1, PRICES)
    with transaction(staffed.engine) as connection:
        erasure.intend(staffed, connection, made.recording, "asked", AT + timedelta(days=1))

    assert hits(staffed, "price") == []


def test_a_private_call_is_found_by_its_agent_alone(staffed: Store) -> None:
    made = spoken(staffed, 1, PRICES)
    with transaction(staffed.engine) as connection:
        connection.execute(calls.update().where(calls.c.id == made.call).values(private_at=AT))

    assert hits(staffed, "price", OFFICER) == []
    assert hits(staffed, "price", agent(KARI)) == ["1/0", "1/1"]


def test_filters_narrow_by_day_speaker_agent_place_and_proof(staffed: Store) -> None:
    spoken(staffed, 1, PRICES, places=["US-CA"])
    later = spoken(staffed, 30, PRICES, agent=EVA, places=["NO", "SE"])
    with transaction(staffed.engine) as connection:
        connection.execute(calls.update().where(calls.c.id == later.call).values(proof=2))

    assert hits(staffed, "price", speaker="contact") == ["30/1", "1/1"]
    assert hits(staffed, "price", since="2026-11-25") == ["30/0", "30/1"]
    assert hits(staffed, "price", until="2026-11-24") == ["1/0", "1/1"]
    assert hits(staffed, "price", agent=EVA, speaker="agent") == ["30/0"]
    assert hits(staffed, "may", place="US") == ["1/0"]
    assert hits(staffed, "may", place="US-CA") == ["1/0"]
    assert hits(staffed, "may", place="US-C") == []
    assert hits(staffed, "may", place="SE") == ["30/0"]
    assert hits(staffed, "may", proof="4") == ["1/0"]


def test_the_share_of_talk_narrows_by_the_figures_of_the_call(staffed: Store) -> None:
    for number, ours, theirs in ((1, 90, 10), (2, 10, 90), (3, 50, 50)):
        made = spoken(staffed, number, PRICES)
        mine = call_figures.c.recording == made.recording
        with transaction(staffed.engine) as connection:
            changed = connection.execute(
                call_figures.update().where(mine).values(agent_talk_ms=ours, contact_talk_ms=theirs)
            )
        assert changed.rowcount == 1

    assert hits(staffed, "may", talk="agent") == ["1/0"]
    assert hits(staffed, "may", talk="contact") == ["2/0"]
    assert hits(staffed, "may", talk="even") == ["3/0"]


def test_pages_go_on_where_the_last_one_ended(staffed: Store) -> None:
    for number in range(1, 8):
        spoken(staffed, number, PRICES, agent=EVA if number % 2 else KARI)
    seen: list[str] = []
    before: int | None = None
    while True:
        page = search_transcripts(
            staffed, OFFICER, Wanted(query_of("price"), before=before, most=2)
        )
        assert len(page.calls) <= 2
        seen += [each.call for each in page.calls]
        before = page.next
        if before is None:
            break

    assert [int(each[5:], 16) for each in seen] == [7, 6, 5, 4, 3, 2, 1]


def test_a_search_that_looks_at_too_much_stops_and_goes_on_when_asked(
    staffed: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transcriptsearch, "MOST_LOOKED_AT", 2)
    monkeypatch.setattr(transcriptsearch, "_FIRST_BATCH", 2)
    made = spoken(staffed, 1, PRICES, places=["US-CA"])
    spoken(staffed, 2, PRICES)

    first = found(staffed, "price", place="US-CA")
    then = search_transcripts(
        staffed,
        OFFICER,
        Wanted(query_of("price"), SearchFilter(place="US-CA"), before=first.next),
    )

    assert (first.calls, first.is_cut) == ((), True)
    assert [each.call for each in then.calls] == [made.call]


def test_a_recording_that_was_followed_by_another_is_not_found(staffed: Store) -> None:
    made = spoken(staffed, 1, PRICES)
    with transaction(staffed.engine) as connection:
        connection.execute(
            recordings.insert().values(
                id="rec_" + "f" * 32,
                call=made.call,
                created_at=AT,
                state="quarantined",
                purpose="x",
            )
        )

    assert hits(staffed, "price") == [], "its page opens the newer one"


def test_a_snippet_shows_the_words_around_with_those_that_were_found_marked(
    staffed: Store,
) -> None:
    long = " ".join(f"before{n}" for n in range(30)) + " the price-list, then " + "after " * 30
    spoken(staffed, 1, [("contact", long)])

    (shown,) = snippets(staffed, '"price list"')

    assert [each.text for each in shown.pieces if each.is_found] == ["price-list,"]
    assert shown.text.startswith("… before")
    assert shown.text.endswith("after …")
    assert [shown.text[begin:end] for begin, end in shown.marks] == ["price-list,"]
    assert len(shown.text.split()) <= 30


def test_words_that_were_changed_since_are_not_shown(
    staffed: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoken(staffed, 1, PRICES)
    other = utterances([("agent", "Something else."), ("contact", "Entirely.")])
    monkeypatch.setattr(transcripts, "current", lambda *_: other)

    assert snippets(staffed, "price") == []


# Against an oracle that reads every transcript

VOICES = ("price", "prices", "high", "too", "call", "calling", "not", "may", "Preis", "Preise")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    store = Store.open(tmp_path_factory.mktemp("corpus") / "data")
    employ(store)
    chance = random.Random(5)  # noqa: S311 - the same every time
    for number in range(18):
        said = [
            (chance.choice(("agent", "contact")), " ".join(chance.choices(VOICES, k=4)))
            for _ in range(4)
        ]
        made = spoken(
            store, number, said,
            agent=chance.choice((KARI, OLA, EVA, None)), language=chance.choice(("en", "de")),
        )  # fmt: skip
        if number % 6 == 5:
            rig.change(store, made.recording, state="quarantined")
    yield store
    store.close()


def says(text: str, query: Query, language: str) -> bool:
    stem = stemmer(language)
    said = [
        stem(part) for word in words_of(utterances([("agent", text)])[0]) for part in word.plain
    ]
    wanted = query.stemmed(stem)
    return all(places_of(term, said) for term in wanted.terms) and not any(
        places_of(term, said) for term in wanted.without
    )


def by_reading(store: Store, query: Query, person: Person) -> set[tuple[str, int]]:
    """What a person may hear that fits, from the transcripts themselves."""
    reached: dict[str, set[str | None]] = {
        OFFICER.id: {KARI, OLA, EVA, None},
        LEADER.id: {KARI, OLA},
        KARI: {KARI},
        EVA: {EVA},
    }
    whose = reached[person.id]
    expected = set()
    for row in rig.recording_rows(store):
        call = rig.call_row(store, row.call)
        if row.state != "ready" or call.agent not in whose:
            continue
        expected |= {
            (row.call, each.start_ms)
            for each in transcripts.current(store, row.id) or []
            if says(each.text, query, call.language)
        }
    return expected


TERMS = st.lists(
    st.one_of(
        st.sampled_from(VOICES),
        st.tuples(st.sampled_from(VOICES), st.sampled_from(VOICES)).map(
            lambda both: f'"{both[0]} {both[1]}"'
        ),
        st.sampled_from(VOICES).map(lambda word: f"-{word}"),
    ),
    min_size=1,
    max_size=3,
).filter(lambda terms: any(not term.startswith("-") for term in terms))


@settings(max_examples=30, deadline=None)
@given(
    terms=TERMS,
    person=st.sampled_from([OFFICER, LEADER, agent(KARI), agent(EVA)]),
    most=st.integers(1, 9),
)
def test_a_search_finds_exactly_what_reading_every_transcript_would(
    corpus: Store, terms: list[str], person: Person, most: int
) -> None:
    query = query_of(" ".join(terms))
    seen: set[tuple[str, int]] = set()
    before: int | None = None
    while True:
        page = search_transcripts(corpus, person, Wanted(query, before=before, most=most))
        seen |= {(each.call, hit.start_ms) for each in page.calls for hit in each.hits}
        before = page.next
        if before is None:
            break

    assert seen == by_reading(corpus, query, person)


def test_learning_a_call_anew_changes_nothing_that_is_found(staffed: Store) -> None:
    made = spoken(staffed, 1, PRICES)
    before = hits(staffed, "price")

    study.study(staffed, made.call, AT)
    study.study(staffed, made.call, AT)

    assert hits(staffed, "price") == before
