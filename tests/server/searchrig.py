"""Calls of which words can be searched: rows as a finished call leaves them, words as they lie."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from askfirst.model import Utterance
from askfirst.server import study
from askfirst.server.access import Person, UserRole
from askfirst.server.accounttables import users
from askfirst.server.database import calls, parties, recordings, transaction
from askfirst.server.sealing import write_asset
from askfirst.server.searchfilter import SearchFilter
from askfirst.server.searchquery import query_of
from askfirst.server.searchsqlite import SqliteIndex
from askfirst.server.store import Store
from askfirst.server.transcripts import MACHINE, to_bytes
from askfirst.server.transcriptsearch import Found, Wanted, search_transcripts

AT = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
KARI, OLA, EVA = "usr_kari", "usr_ola", "usr_eva"
TEAMS = {KARI: "north", OLA: "north", EVA: "south"}
OFFICER = Person("usr_officer", frozenset({UserRole.COMPLIANCE}), None)
LEADER = Person("usr_leader", frozenset({UserRole.SUPERVISOR}), "north")
ADMIN = Person("usr_admin", frozenset({UserRole.ADMIN}), None)

Said = Sequence[tuple[str, str]]


def agent(user: str) -> Person:
    """An agent who reaches their own calls."""
    return Person(user, frozenset({UserRole.AGENT}), TEAMS[user])


@dataclass(frozen=True)
class Made:
    """A call that was made for a test."""

    call: str
    recording: str


def index_of(store: Store) -> SqliteIndex:
    """The index of an installation that keeps it in a file."""
    assert isinstance(store.search, SqliteIndex)
    return store.search


def employ(store: Store) -> None:
    """Agents of two teams."""
    with transaction(store.engine) as connection:
        connection.execute(
            users.insert(),
            [
                {
                    "id": user, "email": f"{user}@example.org", "name": user, "team": team,
                    "roles": ["agent"], "language": "en", "theme": "system", "created_at": AT,
                    "failures": 0,
                }
                for user, team in TEAMS.items()
            ],
        )  # fmt: skip


def utterances(said: Said) -> list[Utterance]:
    """A second and a pause of a quarter for each."""
    return [
        Utterance(speaker, at * 1_250, at * 1_250 + 1_000, text)
        for at, (speaker, text) in enumerate(said)
    ]


def spoken(
    store: Store,
    number: int,
    said: Said,
    *,
    agent: str | None = KARI,
    language: str = "en",
    places: Collection[str] = ("NO",),
    learns: bool = True,
    **recording: object,
) -> Made:
    """A call of the hour of its number, with its transcript, learnt."""
    made = Made(f"call_{number:032x}", f"rec_{number:032x}")
    at = AT + timedelta(hours=number)
    with transaction(store.engine) as connection:
        connection.execute(
            calls.insert().values(
                id=made.call, created_at=at, answered_at=at, ended_at=at + timedelta(minutes=1),
                provider="simulator", direction="outbound", agent=agent, language=language,
                policy={}, proof=4,
            )
        )  # fmt: skip
        connection.execute(
            parties.insert().values(
                call=made.call, number_in_call=1, role="contact", number="+4790000000",
                places=list(places),
            )
        )  # fmt: skip
        connection.execute(
            recordings.insert().values(
                id=made.recording, call=made.call, created_at=at, purpose="training",
                duration_ms=4_000,
                **{"state": "ready", "may_analyse": True, **recording},
            )
        )  # fmt: skip
    write_asset(store, made.recording, MACHINE, to_bytes(utterances(said)), at)
    if learns:
        study.study(store, made.call, at)
    return made


def found(store: Store, text: str, person: Person = OFFICER, **filters: str) -> Found:
    """The first page of a search."""
    wanted = Wanted(query_of(text), SearchFilter(**filters), most=50)
    return search_transcripts(store, person, wanted)


def hits(store: Store, text: str, person: Person = OFFICER, **filters: str) -> list[str]:
    """Where something was found: the call's number and the utterance's, newest call first."""
    return [
        f"{int(call.call[5:], 16)}/{hit.start_ms // 1_250}"
        for call in found(store, text, person, **filters).calls
        for hit in call.hits
    ]
