"""One installation with one of everything, and people of every role around it.

Everything is the owner's, an agent of the team north: a recorded call, a live one, a note, a
follow-up, a view, a token. Whoever asks stands in a relation to the owner.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import StrEnum
from http import HTTPStatus
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from starlette.testclient import TestClient, WebSocketTestSession
from starlette.types import Message
from starlette.websockets import WebSocketDisconnect
from tests.server import rig
from tests.server.standingrig import filing
from tests.web.conftest import ORIGIN, OWN, add

from askfirst.audio.container import encode_wav
from askfirst.audio.tone import tone
from askfirst.errors import NotFound
from askfirst.rules import packaged
from askfirst.server import (
    account,
    accounts,
    approvals,
    callnotes,
    clips,
    comments,
    contacts,
    externalcall,
    followups,
    ownprompts,
    playlists,
    savedviews,
    sessions,
    standingconsents,
    tokens,
    trackerchanges,
)
from askfirst.server.access import Person, UserRole
from askfirst.server.accounttables import users
from askfirst.server.analysistables import trackers
from askfirst.server.callnotes import Written
from askfirst.server.clock import utc_now
from askfirst.server.coachingtables import checklist_templates
from askfirst.server.contactcard import Draft, Number
from askfirst.server.contacttables import contacts as contact_rows
from askfirst.server.contacttables import follow_ups
from askfirst.server.database import calls, ledger_entries, reading, recordings, transaction
from askfirst.server.externalcall import ExternalLive
from askfirst.server.ids import new_id
from askfirst.server.listening import Listening
from askfirst.server.livecall import LiveCall
from askfirst.server.node import Node
from askfirst.server.notetables import call_notes, saved_views
from askfirst.server.queue import Finding, Reason, raise_item
from askfirst.server.queuetables import proposals, queue_items
from askfirst.server.recordingreader import ledger_size
from askfirst.server.requestregister import RequestKind, receive
from askfirst.server.requesttables import subject_requests
from askfirst.server.settings import Settings
from askfirst.server.signintables import passkeys
from askfirst.server.store import Store
from askfirst.server.subjectrights import Who
from askfirst.server.tokentables import api_tokens
from askfirst.speech.scripted import Scripted
from askfirst.telephony.movingleg import MovingLeg
from askfirst.web.app import create_app
from askfirst.web.carrying import Carrier
from askfirst.web.visit import Site

NORTH, SOUTH = "north", "south"
ELSEWHERE = "+4722334455"
SPOKEN, NOTED, PROMISED = "plover", "heron", "bittern"
"""Words of the transcript, of the note and of the follow-up; whoever is refused sees none."""

ACTED = ("wanted", "holds", "on_hold", "muted", "parties")
"""What of a live call's state changes by acts only; the gate goes on by itself."""

TURNS = 20_000
"""Turns of the loop in which a live call has taken a report, at most."""


class Relation(StrEnum):
    """How somebody stands to the owner; the owner last, who may end what the others ask for."""

    NO_TEAM = "without a team"
    OTHER_TEAM = "of another team"
    SAME_TEAM = "of the same team"
    OWNER = "the owner"


LASTS = timedelta(hours=1)
TEAMS = {Relation.NO_TEAM: None, Relation.OTHER_TEAM: SOUTH, Relation.SAME_TEAM: NORTH}


@dataclass(frozen=True)
class Reader:
    """Somebody who is signed in."""

    user: accounts.User
    session: str

    @property
    def headers(self) -> dict[str, str]:
        return {"cookie": f"askfirst={self.session}"}


@dataclass
class Office:
    """The installation, with a server that runs."""

    site: Site
    client: TestClient
    recorded: rig.Recorded
    owner: Reader
    others: dict[tuple[UserRole, Relation], Reader]
    things: dict[str, str]
    _live: LiveCall | None = None
    _tokens: dict[tuple[str, frozenset[str]], str] = field(default_factory=dict)

    # People

    def reader(self, role: UserRole, relation: Relation) -> Reader:
        """Somebody of a role; the owner is given it."""
        if relation is Relation.OWNER:
            self.give(role)
            return self.owner
        return self.others[role, relation]

    def give(self, role: UserRole) -> None:
        """Let the owner have this role and no other."""
        with transaction(self.site.store.engine) as connection:
            if accounts.user(connection, self.owner.user.id).roles != {role}:
                accounts.change_user(connection, self.owner.user.id, roles=[role])

    def sign_in(self, user: accounts.User) -> Reader:
        """Somebody in a new session."""
        with transaction(self.site.store.engine) as connection:
            # Not by the page: its second step would have to be made as well.
            session = sessions.begin(connection, user.id, utc_now(), LASTS, "", factors=2)
        return Reader(user, session)

    def token(self, user: accounts.User, scopes: frozenset[str]) -> dict[str, str]:
        """Headers of a program that acts for somebody, as they are now, with these scopes."""
        if (user.id, scopes) not in self._tokens:
            with transaction(self.site.store.engine) as connection:
                present = accounts.user(connection, user.id)
                _, secret = tokens.make(connection, present, "program", scopes, utc_now())
            self._tokens[user.id, scopes] = secret
        return {"authorization": f"Bearer {self._tokens[user.id, scopes]}"}

    # Asking

    def ask(
        self,
        reader: Reader | None,
        method: str,
        path: str,
        *,
        extra: Mapping[str, str] | None = None,
        **content: Any,
    ) -> Any:
        """The answer to somebody, or to nobody; `extra` are further headers."""
        headers = {**(reader.headers if reader is not None else {}), **(extra or {})}
        answer = self.client.request(method, path, headers=headers, **content)
        self.client.cookies.clear()
        return answer

    def stream(self, reader: Reader | None, path: str) -> int:
        """The status of an endless answer, which is left as soon as it begins."""
        assert self.client.portal is not None
        return self.client.portal.call(self._begin, reader, path)

    async def _begin(self, reader: Reader | None, path: str) -> int:
        given = {"host": "127.0.0.1:8470", **OWN, **(reader.headers if reader else {})}
        began, statuses = asyncio.Event(), list[int]()
        asked = iter([{"type": "http.request", "body": b"", "more_body": False}])

        async def receive() -> Message:
            for message in asked:
                return message
            await began.wait()
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])
                began.set()

        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": [(key.encode(), value.encode()) for key, value in given.items()],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 8470),
        }
        await self.client.app(scope, receive, send)
        return statuses[0]

    def socket(self, reader: Reader | None, path: str) -> int | None:
        """Why the server closes a socket before it takes it; None where it takes it."""
        headers = {**OWN, **(reader.headers if reader else {})}
        url = ORIGIN.replace("http", "ws") + path
        socket: WebSocketTestSession = self.client.websocket_connect(url, headers=headers)
        try:
            with socket:
                return None
        except WebSocketDisconnect as closed:
            return closed.code

    def link(self, reader: Reader, recording: str) -> str:
        """A link of somebody to a recording; of the owner as agent for who may make none."""
        path, wanted = f"/api/v1/recordings/{recording}/links", {"purpose": "dispute"}
        made = self.ask(reader, "POST", path, json=wanted)
        if made.status_code != HTTPStatus.CREATED:
            role = self.roles
            self.give(UserRole.AGENT)
            made = self.ask(self.owner, "POST", path, json=wanted)
            self.give(role)
        return str(made.json()["url"]).partition("link=")[2]

    @property
    def roles(self) -> UserRole:
        """The one role that the owner has."""
        with reading(self.site.store.engine) as connection:
            (role,) = accounts.user(connection, self.owner.user.id).roles
        return role

    # Things

    def fill(self, path: str, *, browser: bool = False, live: bool = False) -> str:
        """A path with the ids of things that are there. KeyError for what is not known."""
        filled = path
        for name in names_of(path):
            filled = filled.replace("{" + name + "}", self._thing(name, live=live, browser=browser))
        return filled

    def _thing(self, name: str, *, live: bool, browser: bool) -> str:
        match name:
            case "call" if live:
                return self.live(browser=browser).id
            case "party":
                return str(self._on_loop(self.live().join, rig.CALIFORNIA))
            case "made":
                return str(self._on_loop(self.live().hold))
            case "view":
                return self._view()
            case "item":
                with transaction(self.site.store.engine) as connection:
                    connection.execute(queue_items.update().values(state="asked"))
            case "template":
                self.things[name] = self._template()
            case "comment":
                self.things[name] = comments.write(*self._writing(), "x", utc_now(), from_ms=3_000)
            case "clip":
                self.things[name] = self._clip()
            case "playlist":
                store, person, _ = self._writing()
                wanted = playlists.Wanted("Objections")
                self.things[name] = playlists.make(store, person, wanted, utc_now())
            case "contact":
                with transaction(self.site.store.engine) as connection:
                    now, whose = utc_now(), self.things["contact"]
                    contacts.restore(connection, whose, now)
                    contacts.may_record_again(connection, whose, self.owner.user.id, now)
        return self.things[name]

    def _writing(self) -> tuple[Store, Person, str]:
        """The owner as somebody who may write about their call, whatever their role is."""
        roles, team = frozenset({UserRole.AGENT}), self.owner.user.team
        person = Person(self.owner.user.id, roles, team)
        return self.site.store, person, self.things["call"]

    def _template(self) -> str:
        """Questions of the owner's team."""
        made, by = new_id("quest"), self.owner.user.id
        values = {"id": made, "name": "x", "team": NORTH, "questions": ["y"], "made_by": by}
        with transaction(self.site.store.engine) as connection:
            row = checklist_templates.insert().values(**values, made_at=utc_now())
            connection.execute(row)
        return made

    def _clip(self) -> str:
        """A clip of the owner's, in the playlist that was made last, if any was and is there."""
        store, person, call = self._writing()
        made = clips.make(store, person, call, 3_000, 5_000, "", utc_now())
        with suppress(KeyError, NotFound):
            playlists.add(store, person, self.things["playlist"], made, utc_now())
        return made

    def _view(self) -> str:
        with transaction(self.site.store.engine) as connection:
            return savedviews.keep(
                connection, self.owner.user.id, "Mine", {"outcome": "recorded"}, utc_now()
            )

    def live(self, *, browser: bool = False) -> LiveCall:
        """The owner's call that goes on: a dialer's that was answered, or a browser's."""
        assert self.client.portal is not None
        now = self._live
        if now is None or now.has_ended or now.has_browser is not browser:
            if now is not None:
                self.client.portal.call(now.hangup)
            now = self._live = self.client.portal.call(self._place, browser)
        return now

    async def _place(self, browser: bool) -> LiveCall:
        desk, node = self.site.carrier.desk, self.site.carrier.node
        assert node is not None
        owner = self.owner
        if browser:
            return await desk.place(owner.user, rig.CALIFORNIA, MovingLeg(), has_browser=True)
        live = await externalcall.place(desk, node, owner.user, owner.session, ELSEWHERE, 100)
        connection = live.connect()
        live.report("answered")
        for _ in range(TURNS):
            if live.call.facts.parties:
                break
            await asyncio.sleep(0)
        live.disconnect(connection)
        assert isinstance(live, ExternalLive)
        return live

    def _on_loop(self, act: Any, *given: Any) -> Any:
        async def acted() -> Any:
            return act(*given)

        assert self.client.portal is not None
        return self.client.portal.call(acted)

    # What is written

    def size(self) -> int:
        """How many entries the ledger has."""
        with reading(self.site.store.engine) as connection:
            return ledger_size(connection)

    def accesses(self, since: int) -> list[tuple[str, str]]:
        """Kind and person of accesses that succeeded, from a size of the ledger on, in order."""
        query = (
            sa.select(ledger_entries.c.entry)
            .where(ledger_entries.c.position >= since)
            .order_by(ledger_entries.c.position)
        )
        entries = [json.loads(row.entry) for row in rig.rows(self.site.store, query)]
        return [
            (str(each["kind"]), str(each["data"]["person"]))
            for each in entries
            if each["kind"].startswith("access.") and each["kind"] != "access.refused"
        ]

    def state(self) -> list[object]:
        """Everything that a refused request might have changed."""
        tables = (contact_rows, users, api_tokens, saved_views, call_notes, follow_ups, trackers)
        kept = [self.things["recording"], self.things["spare_recording"]]
        queries = [sa.select(recordings).where(recordings.c.id.in_(kept))]
        for table in (*tables, subject_requests):
            # The owner's role is what the test itself changes.
            columns = [each for each in table.c if each.name not in ("roles", "used_at")]
            queries.append(sa.select(*columns))
        with reading(self.site.store.engine) as connection:
            found: list[object] = [tuple(connection.execute(each).all()) for each in queries]
        if self._live is not None and not self._live.has_browser:  # a persona acts by itself
            shown = self._on_loop(self._live.state)
            found.append((self._live.has_ended, *(shown[each] for each in ACTED)))
        return found


def names_of(path: str) -> list[str]:
    """The names of the things in a path."""
    return [part.partition("}")[0] for part in path.split("{")[1:]]


def furnished(folder: Path) -> Iterator[Office]:
    """The installation; closed when exhausted."""
    node = Node.open(folder / "data", Scripted([SPOKEN] * 100))
    recorded = rig.record(node, folder / "callee")
    store = node.store
    settings = Settings(data=folder / "data")
    site = Site(store, settings, packaged(), Listening(store), Carrier(node))
    stated = {"company": "Harbor Supply", "home_place": "US-TX", "retention_days": 90}
    add(site, UserRole.ADMIN, name="first")
    people = {
        (role, relation): add(site, role, team, f"{role.value}-{relation.name.lower()}")
        for role in UserRole
        for relation, team in TEAMS.items()
    }
    agent = add(site, UserRole.AGENT, NORTH, "owner")
    with transaction(store.engine) as connection:
        account.change(connection, stated, None, utc_now())
        for each in (agent, *people.values()):
            accounts.acknowledge(connection, each.id, 1, utc_now())
    things = _things(site, recorded, agent)
    app = create_app(site)
    with TestClient(app, base_url=ORIGIN, headers=OWN, follow_redirects=False) as client:
        office = Office(site, client, recorded, Reader(agent, ""), {}, things)
        office.owner = office.sign_in(agent)
        office.others = {key: office.sign_in(user) for key, user in people.items()}
        yield office
    node.close()


def _things(site: Site, recorded: rig.Recorded, agent: accounts.User) -> dict[str, str]:
    """The id of everything that a path may name, by its name there."""
    store, now = site.store, utc_now()
    spare = {"call": new_id("call"), "recording": new_id("rec")}
    target = add(site, UserRole.AGENT, NORTH, "target")
    with transaction(store.engine) as connection:
        connection.execute(calls.update().values(agent=agent.id))
        draft = Draft("Nora Lie", owner=agent.id, numbers=(Number(rig.NORWAY),))
        contact = contacts.add(connection, draft, now)
        written = Written(notes=f"wants the {NOTED}")
        callnotes.save(connection, agent.person, recorded.call, 0, written, now)
        promised = followups.promise(
            connection, contact, date(2026, 12, 1), note=PROMISED, owner=agent.id
        )
        passkey = new_id("pkey")
        connection.execute(
            passkeys.insert().values(
                id=passkey, credential=b"owner's", user=agent.id, public_key=b"", sign_count=0,
                name="Phone", created_at=now,
            )
        )  # fmt: skip
        lead = Person(agent.id, frozenset({UserRole.SUPERVISOR}), NORTH)
        draft_tracker = trackerchanges.Draft("Birds", NORTH, {"en": ("wren",)})
        tracker = trackerchanges.make(connection, lead, draft_tracker, now)
        token, _ = tokens.make(connection, agent, "dialer", ["calls.make"], now)
        voice = encode_wav(tone((300.0,), 2_000).reshape(1, -1))
        prompt = ownprompts.keep(connection, "en", "Hello there.", voice, agent.id, now)
        request = receive(
            store, connection, RequestKind.ACCESS, Who(contact=contact), agent.id, now
        )
        _insert_spare(connection, spare, agent.id, store)
        doubt = Finding(Reason.PLACE_NAMED, recorded.call, recorded.id, from_ms=0, to_ms=60_000)
        item = raise_item(store, connection, doubt, now)
        proposal = approvals.propose(
            store, connection, "settings", agent.id, {"beeps": False}, {"beeps": True}, now
        )
        # Decided already, so that whoever may decide gets the same answer again and again.
        decided = {"state": "declined", "decided_by": agent.id, "decided_at": now}
        connection.execute(proposals.update().where(proposals.c.id == proposal).values(decided))
        # What is in doubt is locked; the other routes are about what is not.
        of_recorded = recordings.c.id == recorded.id
        connection.execute(recordings.update().where(of_recorded).values(state="ready"))
    paper = standingconsents.file(store, contact, filing(), agent.id, now)
    return {
        "item": str(item),
        "tracker": tracker.id,
        "request_id": request.id,
        "proposal": proposal,
        "call": recorded.call,
        "recording": recorded.id,
        "spare": spare["call"],
        "spare_recording": spare["recording"],
        "contact": contact,
        "standing": paper.id,
        "follow_up": promised,
        "identity": target.id,
        "token": token.id,
        "position": "1",
        "code": "NO",
        "worker": "med_none",  # calls are carried by the server itself
        "ringing": "ring_none",  # nothing rings without an exchange
        "passkey": passkey,
        "language": prompt.language,
        "digest": prompt.digest,
    }


def _insert_spare(connection: sa.Connection, spare: dict[str, str], agent: str, store: Any) -> None:
    """A second call, whose recording may be erased."""
    connection.execute(
        calls.insert().values(
            id=spare["call"],
            created_at=rig.AT,
            answered_at=rig.AT,
            ended_at=rig.AT,
            provider="test",
            direction="outbound",
            language="en",
            policy={},
            proof=0,
            agent=agent,
        )
    )
    connection.execute(
        recordings.insert().values(
            id=spare["recording"],
            call=spare["call"],
            created_at=rig.AT,
            state="sealed",
            purpose="training",
            may_transcribe=True,
            may_analyse=True,
            is_truncated=False,
            legal_hold=False,
            lost_frames=0,
            expires_at=rig.AT + store.retention,
        )
    )
