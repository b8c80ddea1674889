"""What no text and no table can hold is refused where it comes in, and nothing breaks of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import APIRoute
from starlette.testclient import TestClient
from tests.web.conftest import add, problem, signed_in
from tests.web.live import live_site, sign_in

from askfirst.errors import InvalidRequest
from askfirst.server import accounts
from askfirst.server.access import UserRole
from askfirst.web.app import API, APIS
from askfirst.web.bodies import Body, plain
from askfirst.web.visit import Site

HUGE = 10**23
INVALID = "urn:askfirst:problem:invalid-request"
WRITING = [
    (method, route.path)
    for router in APIS
    for route in router.routes
    if isinstance(route, APIRoute) and route.body_field is not None
    for method in route.methods or ()
]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """An installation that carries calls."""
    yield from live_site(tmp_path)


class Kept(Body):
    """A body with one text in it."""

    name: str = ""


@pytest.mark.parametrize(
    ("given", "key"),
    [
        ({"name": "\ud800"}, "name"),
        ({"name": "a\0"}, "name"),
        ({"name": "a\x1b[0m"}, "name"),
        ({"name": "\x85"}, "name"),
        ({"name": [{"deep": ["\udfff"]}]}, "name"),
        ({"name": {"\ud800": 1}}, "name"),
        ({"\ud800": 1}, "body"),
        ({"name": 2**63}, "name"),
        ({"name": -(2**63) - 1}, "name"),
        ({"name": 1e30}, "name"),
        ({"name": float("nan")}, "name"),
        ({"name": float("-inf")}, "name"),
    ],
)
def test_what_nothing_can_hold_is_refused_by_its_name(given: dict[str, Any], key: str) -> None:
    with pytest.raises(InvalidRequest) as found:
        plain(given)

    assert found.value.key == key
    str(found.value).encode()
    with pytest.raises(InvalidRequest):
        Kept(**given)


@pytest.mark.parametrize(
    "given",
    [
        {"name": "Åse Lie 🙂\nline\ttab\r\n"},
        {"name": 2**63 - 1, "more": [-(2**63), 0.5, None, True]},
        {"name": "‎right-to-left and ​ stay"},
    ],
)
def test_what_people_write_passes(given: dict[str, Any]) -> None:
    assert plain(given) is given


def test_a_body_that_is_deep_is_looked_through_to_its_end() -> None:
    deep: Any = "\0"
    for _ in range(100_000):
        deep = [deep]

    with pytest.raises(InvalidRequest):
        plain({"name": deep})


def test_there_are_bodies_to_look_at() -> None:
    assert len(WRITING) > 15


@pytest.mark.parametrize(("method", "path"), WRITING)
@pytest.mark.parametrize("bad", [r'{"\ud800": "x"}', r'{"x": "a\u0000"}'])
def test_every_route_refuses_such_a_body(
    running: TestClient, site: Site, method: str, path: str, bad: str
) -> None:
    user = add(site, UserRole.ADMIN, name="boss")
    with site.store.engine.begin() as connection:
        accounts.change_user(connection, user.id, roles=list(UserRole))
    client = signed_in(site, user)
    headers = {"content-type": "application/json"}

    answer = client.request(method, f"{API}{path}", content=bad, headers=headers)

    assert (answer.status_code, problem(answer)) == (422, INVALID), answer.text
    assert "half a character" in answer.json()["detail"]


@pytest.mark.parametrize(
    "path",
    [
        f"access-events?before={HUGE}",
        f"access-events?before=-{HUGE}",
        f"ledger/entries/{HUGE}",
        f"ledger/entries/-{HUGE}",
        f"ledger/proofs/{HUGE}",
    ],
)
def test_a_number_that_no_table_can_hold_is_refused(
    running: TestClient, site: Site, path: str
) -> None:
    sign_in(running, site, UserRole.COMPLIANCE, "officer")

    answer = running.get(f"{API}/{path}")

    assert (answer.status_code, problem(answer)) == (422, INVALID)


@pytest.mark.parametrize(
    ("role", "path"), [("compliance", "/audit?before="), ("agent", "/me?seen=")]
)
def test_pages_refuse_such_a_number_too(
    running: TestClient, site: Site, role: str, path: str
) -> None:
    sign_in(running, site, UserRole(role), "officer")

    assert running.get(f"{path}{HUGE}").status_code == 422


@pytest.mark.parametrize(
    "path",
    [
        "recordings?before=%00",
        "recordings/%00",
        "calls?before=%00&agent=%ED%A0%80",
        "calls/%00",
        "contacts?q=%00",
        "contacts?before=%00",
        "contacts?place=%00",
        "search?q=%ED%A0%80%00",
        "users",
    ],
)
def test_strange_characters_of_an_address_find_nothing(
    running: TestClient, site: Site, path: str
) -> None:
    sign_in(running, site, UserRole.AGENT, "kari")

    assert running.get(f"{API}/{path}").status_code in (200, 403, 404, 422)


def test_a_time_that_no_calendar_holds_is_out_of_range(running: TestClient, site: Site) -> None:
    sign_in(running, site, UserRole.COMPLIANCE, "officer")
    wanted = {"purpose": "dispute", "seconds": 2**62}

    answer = running.post(f"{API}/recordings/x/links", json=wanted)

    assert answer.status_code == 422


def test_a_call_goes_on_after_a_body_that_is_none(running: TestClient, site: Site) -> None:
    sign_in(running, site, UserRole.AGENT, "kari")
    wanted = {"to": "+14155550100", "provider": "external"}
    call = f"{API}/calls/{running.post(f'{API}/calls', json=wanted).json()['call']}"
    headers = {"content-type": "application/json"}

    for path, content in (
        ("parties", r'{"number": "\ud800"}'),
        ("parties", r'{"role": "agent", "user": "\ud800"}'),
        ("external-events", r'{"event": "joined", "number": "\ud800"}'),
        ("external-events", r'{"event": "ended", "cause": "\u0000"}'),
    ):
        answer = running.post(f"{call}/{path}", content=content, headers=headers)
        assert (answer.status_code, problem(answer)) == (422, INVALID), path

    state = running.get(f"{call}/live").json()
    assert (state["parties"], state["settled"]) == ([], False)


@pytest.mark.parametrize(
    ("role", "path", "form"),
    [
        ("admin", "/users", {"email": "x@example.org", "name": "a\0", "roles": "agent"}),
        ("agent", "/contacts/new", {"name": "a\0"}),
    ],
)
def test_a_form_with_such_a_character_is_refused(
    running: TestClient, site: Site, role: str, path: str, form: dict[str, str]
) -> None:
    sign_in(running, site, UserRole(role), "boss")

    assert running.post(path, data=form).status_code == 422
