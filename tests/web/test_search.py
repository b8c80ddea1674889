"""The search over HTTP: what is found and shown, and that nobody reads a word unwritten."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient
from tests.server.searchrig import Made, index_of, spoken
from tests.web.conftest import add, opened, problem, set_up, signed_in

from askfirst.server import account, accounts, tokens
from askfirst.server.access import Permission, UserRole
from askfirst.server.clock import utc_now
from askfirst.server.database import transaction
from askfirst.server.searchupkeep import keep_up
from askfirst.server.store import Store
from askfirst.web.visit import Site

SAID = [
    ("agent", "Good morning, this is Harbor Supply."),
    ("contact", "The wombat marmalade is too expensive for us."),
    ("agent", "Marmalade is cheaper in June."),
]


@dataclass(frozen=True)
class Office:
    """An agent with two calls, and a supervisor of their team."""

    site: Site
    user: accounts.User
    agent: TestClient
    lead: TestClient
    first: Made
    second: Made

    @property
    def store(self) -> Store:
        return self.site.store

    def opened(self, made: Made) -> list[object]:
        """Purposes of the accesses to a call, in order."""
        entries: list[Any] = [entry for _, entry in self.store.ledger.entries(made.call)]
        return [each["data"]["purpose"] for each in entries if each["kind"] == "access.read"]


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    for site in opened(tmp_path):
        set_up(site)
        keep_up(site.store, utc_now())
        user = add(site, UserRole.AGENT, "north")
        lead = add(site, UserRole.SUPERVISOR, "north")
        first = spoken(site.store, 1, SAID, agent=user.id)
        second = spoken(site.store, 2, [("contact", "No marmalade today.")], agent=user.id)
        yield Office(site, user, signed_in(site, user), signed_in(site, lead), first, second)


def test_hits_are_shown_by_call_with_their_words_marked_and_a_way_to_them(office: Office) -> None:
    page = office.lead.post("/search", data={"q": "marmalade"})

    assert page.status_code == 200
    marked = re.findall(r"<mark>([^<]+)</mark>", page.text)
    assert marked == ["marmalade", "marmalade", "Marmalade"]
    assert page.text.index(office.second.call) < page.text.index(office.first.call)
    assert f'href="/calls/{office.first.call}?found=1&amp;at_ms=1250"' in page.text


def test_each_call_that_is_shown_is_written_down_once_before_its_words_are_read(
    office: Office,
) -> None:
    office.lead.post("/search", data={"q": "wombat marmalade"})

    assert office.opened(office.first) == ["search"]
    assert office.opened(office.second) == []

    office.lead.post("/search", data={"q": "marmalade"})

    assert office.opened(office.first) == ["search", "search"]
    assert office.opened(office.second) == ["search"]
    assert "A search for words" in office.agent.get(f"/calls/{office.first.call}").text


def test_a_ledger_that_takes_no_entry_lets_nothing_be_shown(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise RuntimeError("disk full")

    monkeypatch.setattr(type(office.store.ledger), "append", full)

    with pytest.raises(RuntimeError):
        office.lead.post("/search", data={"q": "marmalade"})


def test_a_link_to_the_search_fills_the_field_in_and_searches_nothing(office: Office) -> None:
    page = office.lead.get("/search", params={"q": "marmalade", "speaker": "contact"})

    assert (page.status_code, office.opened(office.first)) == (200, [])
    assert 'value="marmalade"' in page.text
    assert "<mark>" not in page.text


def test_every_page_brings_the_search_as_a_form_that_is_posted(office: Office) -> None:
    form = re.search(r'<form class="search"[^>]*>', office.agent.get("/calls").text)

    assert form is not None
    assert 'method="post"' in form[0]
    assert 'action="/search"' in form[0]


def test_where_a_reason_is_wanted_words_of_others_calls_are_held_back(office: Office) -> None:
    with transaction(office.store.engine) as connection:
        account.change(connection, {"asks_reason": True}, None, utc_now())

    others = office.lead.post("/search", data={"q": "wombat"})
    own = office.agent.post("/search", data={"q": "wombat"})
    (hit,) = office.lead.get("/api/v1/search", params={"q": "wombat"}).json()["calls"]

    assert "<mark>" not in others.text
    assert "marmalade is too" not in others.text
    assert "once you open the call and say why" in others.text
    assert "<mark>wombat</mark>" in own.text
    assert (hit["hidden_because"], hit["snippet"], hit["text"]) == ("reason-wanted", None, None)
    assert office.opened(office.first) == ["search"] * 3, "a hit is an access, too"


def test_over_http_a_hit_has_speaker_time_and_words(office: Office) -> None:
    found = office.agent.get("/api/v1/search", params={"q": "marmalade", "speaker": "contact"})

    later, earlier = found.json()["calls"]
    assert earlier["found_in"] == later["found_in"] == "transcript"
    assert (earlier["id"], earlier["speaker"], earlier["at_ms"]) == (
        office.first.call, "contact", 1_250,
    )  # fmt: skip
    assert earlier["snippet"] == "The wombat marmalade is too expensive for us."
    assert [earlier["snippet"][a:b] for a, b in earlier["marks"]] == ["marmalade"]
    assert earlier["url"] == f"/calls/{office.first.call}?found=1&at_ms=1250"
    assert (earlier["more"], len(earlier["hits"])) == (0, 1)


def test_over_http_pages_go_on_behind_next(office: Office) -> None:
    first = office.agent.get("/api/v1/search", params={"q": "marmalade", "limit": 1}).json()
    then = office.agent.get(
        "/api/v1/search", params={"q": "marmalade", "limit": 1, "before": first["next"]}
    ).json()

    assert [each["id"] for each in first["calls"]] == [office.second.call]
    assert [each["id"] for each in then["calls"]] == [office.first.call]
    assert then["next"] is None


def test_a_program_without_the_scope_to_listen_finds_nothing_that_was_said(
    office: Office,
) -> None:
    def ask(*scopes: Permission) -> list[object]:
        with transaction(office.store.engine) as connection:
            _, secret = tokens.make(connection, office.user, "program", scopes, utc_now())
        headers = {"authorization": f"Bearer {secret}"}
        answer = office.agent.get("/api/v1/search", params={"q": "marmalade"}, headers=headers)
        found: list[object] = answer.json()["calls"]
        return found

    assert ask(Permission.CALLS_READ) == []
    assert len(ask(Permission.CALLS_READ, Permission.RECORDINGS_LISTEN)) == 2


def test_a_wrong_filter_or_text_is_said_and_finds_nothing(office: Office) -> None:
    for sent in ({"q": "-marmalade", "talk": "even"}, {"q": "marmalade", "place": "Norway"}):
        page = office.lead.post("/search", data=sent)
        assert page.status_code == 422
        assert "<mark>" not in page.text
    answer = office.lead.get("/api/v1/search", params={"q": "marmalade", "talk": "much"})
    assert (answer.status_code, problem(answer)) == (422, "urn:askfirst:problem:invalid-request")
    assert office.opened(office.first) == []


def test_a_hit_opens_where_it_was_said_after_the_purpose_is_stated(office: Office) -> None:
    call = f"/calls/{office.first.call}"
    looked = office.lead.get(call, params={"found": 1, "at_ms": 2_500}).text

    assert '<input type="hidden" name="at_ms" value="2500">' in looked
    assert f'action="{call}/listen#here"' in looked
    assert "<askfirst-player" not in looked

    listened = office.lead.post(f"{call}/listen", data={"purpose": "quality", "at_ms": "2500"})

    assert 'data-at="2500"' in listened.text
    assert re.search(r'data-from="2500"[^>]*><time id="here">', listened.text)


def test_a_search_is_kept_used_and_deleted_by_its_owner_alone(office: Office) -> None:
    kept = office.lead.post(
        "/search/views", data={"q": "marmalade", "speaker": "contact", "name": "Sweet"}
    )
    page = office.lead.get("/search").text
    (view,) = re.findall(r'name="view" value="([^"]+)"', page)
    used = office.lead.post("/search", data={"view": view})

    assert kept.status_code == 303
    assert "Sweet" not in office.lead.get("/calls").text, "it is no view of the list"
    assert used.text.count("<mark>") == 2
    assert 'value="contact" selected' in used.text
    assert office.agent.post("/search", data={"view": view}).status_code == 404
    assert office.agent.post(f"/search/views/{view}/delete").status_code == 404
    assert office.lead.post(f"/search/views/{view}/delete").status_code == 303
    assert "Sweet" not in office.lead.get("/search").text


def test_a_search_that_looks_for_nothing_is_not_kept(office: Office) -> None:
    page = office.lead.post("/search/views", data={"q": " ", "name": "Nothing"})

    assert page.status_code == 422


def test_while_the_index_is_built_the_page_says_so(office: Office) -> None:
    office.store.search.expect([office.first.recording])

    page = office.lead.post("/search", data={"q": "marmalade"})

    assert "2 of 3 recordings can be searched" in page.text
    assert office.lead.get("/api/v1/search", params={"q": "x"}).json()["index"] == "building"


def test_an_index_that_cannot_be_read_is_said_and_the_rest_is_found(office: Office) -> None:
    office.store.search.close()
    index_of(office.store).path.write_bytes(b"no database at all" * 1_000)

    page = office.lead.post("/search", data={"q": "marmalade"})
    answer = office.lead.get("/api/v1/search", params={"q": "marmalade"})

    assert page.status_code == 503
    assert "cannot be searched now" in page.text
    assert (answer.status_code, answer.json()["index"]) == (200, "unavailable")


def test_what_was_looked_for_stands_in_no_log(
    office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    office.lead.post("/search", data={"q": "wombat"})
    office.lead.get("/api/v1/search", params={"q": "wombat"})

    own = [each for each in caplog.records if not each.name.startswith("httpx")]
    assert not [each for each in own if "wombat" in each.getMessage()]
