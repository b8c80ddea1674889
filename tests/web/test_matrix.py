"""Every route that names a thing, asked by every role near and far from its owner.

What must happen follows from the permission table. Whoever is refused changes nothing, sees nothing
and leaves no access in the ledger; whoever opens a recording leaves exactly one, with their name.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from fastapi.routing import APIRoute, iter_route_contexts
from starlette.routing import WebSocketRoute
from tests.web.conftest import problem
from tests.web.matrix import NOTED, PROMISED, SPOKEN, Office, Reader, Relation, furnished
from tests.web.matrixcases import API, CASES, SIGNED_SOCKETS, SOCKETS, Route, Rule, reaches
from tests.web.test_rights import GUARDED, NEEDED, SIGNED_IN

from askfirst.server.access import INCLUDED, TABLE, Permission, UserRole
from askfirst.web.api_sound import POLICY_VIOLATION
from askfirst.web.app import create_app, routes

P = Permission
ROLES = list(UserRole)
ORDERED = sorted(CASES)
PUBLIC = [route for route in ORDERED if CASES[route].rule is Rule.PUBLIC]
NOT_PUBLIC = [route for route in ORDERED if route not in PUBLIC]
SECRETS = (SPOKEN, NOTED, PROMISED)
ENDLESS = "/api/v1/phone/events"
"""A stream of one's own phone; `test_reception` reads it."""

LISTS = sorted(
    path for method, path in GUARDED if method == "GET" and "{" not in path and path != ENDLESS
)
"""Pages and lists that name nothing."""

QUEUE = (
    "/compliance",
    "/compliance/assurance",
    "/compliance/retention",
    "/compliance/holds",
    "/compliance/holds.csv",
    "/api/v1/retention",
    "/compliance/assurance.csv",
    "/api/v1/queue",
    "/api/v1/assurance",
)
"""Lists that name calls to auditors, too."""


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    yield from furnished(tmp_path_factory.mktemp("matrix"))


def named(routes: Iterable[Route]) -> list[str]:
    return [f"{method} {path}" for method, path in routes]


def ask(office: Office, reader: Reader | None, route: Route, path: str) -> Any:
    """The answer to somebody; by a link of their own where the route needs one."""
    case, query = CASES[route], {}
    if case.by_link:
        query["link"] = office.link(reader or office.owner, office.things["recording"])
    return office.ask(reader, route[0], path, **case.body(), params=query)


def status_of(office: Office, reader: Reader | None, route: Route, path: str) -> int:
    """The status for somebody who is to be refused; such an answer gives nothing away."""
    if CASES[route].is_stream:
        return office.stream(reader, path)
    answer = ask(office, reader, route, path)
    for secret in (*SECRETS, "Nora"):
        assert secret not in answer.text, f"{route} shows {secret} to who is refused"
    return int(answer.status_code)


def filled(office: Office, route: Route) -> str:
    """The path with what is there; the owner has a live call where one is needed."""
    case = CASES[route]
    return office.fill(case.path or route[1], live=case.is_live, browser=case.has_browser)


def test_every_route_that_names_a_thing_is_asked() -> None:
    assert {route for route in routes() if "{" in route[1]} == set(CASES)


def test_every_route_and_socket_of_the_application_is_known(office: Office) -> None:
    found, sockets = set(), set()
    for each in iter_route_contexts(create_app(office.site).routes):
        if isinstance(each.original_route, APIRoute):
            found |= {(method, str(each.path)) for method in each.methods or ()}
        elif isinstance(each.original_route, WebSocketRoute):
            sockets.add(str(each.path))

    assert found == set(routes())
    assert sockets == set(SOCKETS) | SIGNED_SOCKETS


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("route", NOT_PUBLIC, ids=named(NOT_PUBLIC))
def test_somebody_reaches_what_the_table_lets_them(
    office: Office, role: UserRole, route: Route
) -> None:
    case = CASES[route]
    path, before, written = filled(office, route), office.state(), office.size()
    refused = [each for each in Relation if not case.may(role, each)]

    for relation in refused:
        reader = office.reader(role, relation)
        assert status_of(office, reader, route, path) == case.refusal(role), relation

    assert office.accesses(written) == [], "a refused request is no access"
    assert office.state() == before, "a refused request changed something"
    for relation in Relation:
        if relation not in refused:
            expect_reached(office, role, relation, route)


def expect_reached(office: Office, role: UserRole, relation: Relation, route: Route) -> None:
    """Ask as somebody who may, and look at what is written down about it."""
    case, path, written = CASES[route], filled(office, route), office.size()
    reader = office.reader(role, relation)
    if case.is_stream:
        assert office.stream(reader, path) == case.good, relation
        return
    answer = ask(office, reader, route, path)
    if case.says:
        assert answer.status_code == 403, relation
        assert case.says in answer.text, "another refusal than that of who may ask"
    else:
        assert answer.status_code == case.good, f"{relation}: {answer.text[:400]}"
    opened = [(case.opens, reader.user.id)] if case.opens else []
    assert office.accesses(written) == opened, relation


@pytest.mark.parametrize("route", NOT_PUBLIC, ids=named(NOT_PUBLIC))
def test_nobody_reaches_anything_that_is_not_public(office: Office, route: Route) -> None:
    path, before, written = filled(office, route), office.state(), office.size()

    status = status_of(office, None, route, path)

    assert status == (401 if path.startswith("/api/") else 303)
    assert (office.accesses(written), office.state()) == ([], before)


@pytest.mark.parametrize("route", PUBLIC, ids=named(PUBLIC))
def test_what_is_public_is_the_same_for_everybody(office: Office, route: Route) -> None:
    case, path, before = CASES[route], filled(office, route), office.state()
    readers = [None, *(office.reader(role, Relation.SAME_TEAM) for role in ROLES)]

    answers = [office.ask(each, route[0], path, **case.body()) for each in readers]

    assert {answer.status_code for answer in answers} == {case.good}
    assert office.state() == before


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("path", sorted(SOCKETS))
def test_a_socket_is_taken_from_the_agent_of_the_call_alone(
    office: Office, role: UserRole, path: str
) -> None:
    case = SOCKETS[path]
    office.give(UserRole.AGENT)
    where = office.fill(path, live=True, browser=case.has_browser)
    readers = {each: office.reader(role, each) for each in Relation}

    closed = {each: office.socket(reader, where) for each, reader in readers.items()}
    closed_to_nobody = office.socket(None, where)

    assert closed == {each: None if case.may(role, each) else POLICY_VIOLATION for each in Relation}
    assert closed_to_nobody == POLICY_VIOLATION


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("path", LISTS)
def test_no_list_shows_what_its_reader_does_not_reach(
    office: Office, role: UserRole, path: str
) -> None:
    live, view, things = office.live().id, office.fill("{view}"), office.things
    needed = NEEDED["GET", path]
    may_enter = needed == SIGNED_IN or reaches(role, Relation.OWNER, Permission(needed))
    for relation in Relation if may_enter else (Relation.OWNER,):
        reader = office.reader(role, relation)
        asked = (
            {"q": NOTED} if path == "/api/v1/search" else {}
        )  # the page says again what is asked
        answer = office.ask(reader, "GET", path, params=asked)
        is_read = reaches(role, relation, P.CALLS_READ)
        is_own = relation is Relation.OWNER
        # Who reads the audit log or the queue sees which calls it is about, and nothing of them.
        is_audited = path in ("/audit", "/api/v1/access-events", *QUEUE)
        is_named = is_read or (is_audited and reaches(role, relation, P.AUDIT_READ))
        if path.startswith("/compliance/ledger"):  # the ids of all calls, and nothing of them
            is_named = reaches(role, relation, P.LEDGER_READ)
        if path in (
            "/me",
            "/me/coaching",
        ):  # who opened one's own calls, whatever one's role is now
            is_named = is_own
        secret = {
            **dict.fromkeys((things["call"], things["recording"]), is_named),
            things["spare"]: is_named,
            live: is_named,
            things["follow_up"]: is_read or is_audited,
            view: is_own and is_read,
            things["token"]: is_own or is_audited,
            SPOKEN: False,
            NOTED: is_read,
            PROMISED: is_read,
        }
        shown = [each for each, may in secret.items() if not may and each in answer.text]
        assert shown == [], f"{relation}: {path} shows what is not reached"


def test_lists_show_what_is_reached(office: Office) -> None:
    """Without this the test before would hold for a program that shows nothing."""
    owner, live = office.reader(UserRole.AGENT, Relation.OWNER), office.live().id

    def shown(path: str, **query: str) -> str:
        return str(office.ask(owner, "GET", path, params=query).text)

    assert {office.things["call"], office.things["spare"], live} <= set(
        words_of(shown("/api/v1/calls"))
    )
    assert office.things["recording"] in shown("/api/v1/recordings")
    assert office.things["call"] in shown("/calls")
    assert office.fill("{view}") in shown("/calls")
    assert NOTED in shown("/api/v1/search", q=NOTED)
    assert office.things["token"] in shown("/api/v1/tokens")
    lead = office.reader(UserRole.SUPERVISOR, Relation.SAME_TEAM)
    assert live in office.ask(lead, "GET", "/live").text
    said = office.ask(owner, "GET", f"/api/v1/recordings/{office.things['recording']}/transcript")
    assert SPOKEN in said.text


def words_of(text: str) -> list[str]:
    return text.replace('"', " ").split()


SCOPED = [
    (route, each) for route in NOT_PUBLIC for each in CASES[route].needs if route[1].startswith(API)
]


@pytest.mark.parametrize(
    ("route", "lacking"), SCOPED, ids=[f"{' '.join(route)}-{each}" for route, each in SCOPED]
)
def test_a_token_without_the_scope_opens_nothing(
    office: Office, route: Route, lacking: Permission
) -> None:
    role = next(each for each in UserRole if CASES[route].may(each, Relation.OWNER))
    owner = office.reader(role, Relation.OWNER)
    path = filled(office, route)
    query = {"link": office.link(owner, office.things["recording"])} if CASES[route].by_link else {}
    wider = INCLUDED.get(lacking, lacking)
    scopes = frozenset(each.value for each in TABLE[role] if each not in (lacking, wider))
    program = office.token(owner.user, scopes)
    before, written = office.state(), office.size()

    answer = office.client.request(
        route[0], path, headers=program, params=query, **CASES[route].body()
    )

    assert (answer.status_code, problem(answer)) == (403, "urn:askfirst:problem:refused")
    if lacking == CASES[route].needs[0]:
        detail = answer.json()["detail"]
        assert f"no scope {lacking.value}" in detail or "in person" in detail
    assert (office.accesses(written), office.state()) == ([], before)


# What opens a recording

OPENERS = [route for route in ORDERED if CASES[route].opens]
BY_LINK = [route for route in ORDERED if CASES[route].by_link]


def get(office: Office, reader: Reader | None, route: Route, link: str) -> int:
    path = office.fill(route[1])
    return int(office.ask(reader, "GET", path, params={"link": link}).status_code)


def test_what_opens_a_recording_is_known() -> None:
    assert {path.rpartition("/")[2] for _, path in OPENERS} == {
        "listen", "export", "audio", "transcript", "peaks", "vcon", "bundle",
        "certificate", "certificate.pdf", "sound", "machine", "file", "original", "originals",
    }  # fmt: skip
    assert len(BY_LINK) == 3


@pytest.mark.parametrize("route", BY_LINK, ids=named(BY_LINK))
def test_a_link_opens_a_recording_in_its_own_session_only(office: Office, route: Route) -> None:
    officer = office.reader(UserRole.COMPLIANCE, Relation.SAME_TEAM)
    recording = office.things["recording"]
    link, written = office.link(officer, recording), office.size()
    second = office.sign_in(officer.user)
    others = [
        office.reader(role, relation)
        for relation in Relation
        for role in (UserRole.COMPLIANCE, UserRole.SUPERVISOR, UserRole.AGENT)
        if (role, relation) != (UserRole.COMPLIANCE, Relation.SAME_TEAM)
    ]

    assert get(office, None, route, link) == 401
    assert get(office, officer, route, "") == 403
    assert get(office, officer, route, link[:-1] + ("0" if link[-1] != "0" else "1")) == 403
    assert [get(office, each, route, link) for each in (second, *others)] == [403] * 12
    program = office.token(officer.user, frozenset({"recordings.listen", "recordings.export"}))
    by_token = office.client.get(office.fill(route[1]), headers=program, params={"link": link})
    assert by_token.status_code == 403
    assert office.accesses(written) == [], "a refused opening is no access"

    assert get(office, officer, route, link) == 200
    assert office.accesses(written) == [(CASES[route].opens, officer.user.id)]


@pytest.mark.parametrize("route", BY_LINK, ids=named(BY_LINK))
def test_a_link_ends_with_its_session(office: Office, route: Route) -> None:
    user = office.reader(UserRole.COMPLIANCE, Relation.NO_TEAM).user
    linking = office.sign_in(user)
    link, written = office.link(linking, office.things["recording"]), office.size()

    assert office.ask(linking, "POST", "/sign-out").status_code == 303

    assert get(office, linking, route, link) == 401
    assert get(office, office.sign_in(user), route, link) == 403
    assert office.accesses(written) == []


@pytest.mark.parametrize("route", BY_LINK, ids=named(BY_LINK))
def test_a_link_ends_with_the_right_to_what_it_opens(office: Office, route: Route) -> None:
    owner = office.reader(UserRole.SUPERVISOR, Relation.OWNER)
    link = office.link(owner, office.things["recording"])
    assert get(office, owner, route, link) == 200
    written = office.size()

    office.give(UserRole.ADMIN)

    assert get(office, owner, route, link) == 403
    assert office.accesses(written) == []


@pytest.mark.parametrize("role", [UserRole.AGENT, UserRole.SUPERVISOR, UserRole.COMPLIANCE])
def test_a_playing_in_parts_is_one_access_and_another_playing_another(
    office: Office, role: UserRole
) -> None:
    owner, written = office.reader(role, Relation.OWNER), office.size()
    path = f"/api/v1/recordings/{office.things['recording']}/audio"
    asked = {"params": {"link": office.link(owner, office.things["recording"])}}

    parts = [
        office.ask(owner, "GET", path, **asked, extra={"range": given}).status_code
        for given in ("bytes=0-99", "bytes=100-", "bytes=-10")
    ]
    again = {"params": {"link": office.link(owner, office.things["recording"])}}

    assert parts == [206] * 3
    assert office.accesses(written) == [("access.played", owner.user.id)]
    assert office.ask(owner, "GET", path, **again).status_code == 200
    assert office.accesses(written) == [("access.played", owner.user.id)] * 2


def test_a_dialer_s_call_is_carried_from_its_own_session_only(office: Office) -> None:
    owner = office.reader(UserRole.AGENT, Relation.OWNER)
    call = office.live().id
    second = office.sign_in(owner.user)
    report = {"event": "dtmf", "party": 1, "digit": "1"}

    refused = office.ask(second, "POST", f"/api/v1/calls/{call}/external-events", json=report)

    assert (refused.status_code, problem(refused)) == (403, "urn:askfirst:problem:refused")
    assert office.socket(second, f"/api/v1/calls/{call}/frames") == POLICY_VIOLATION
    assert office.socket(owner, f"/api/v1/calls/{call}/frames") is None
