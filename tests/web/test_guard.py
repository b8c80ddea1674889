"""What stands before every route: our own pages only, and headers that a browser enforces."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.web.conftest import ORIGIN, browser

from askfirst.web.guard import RateLimit, headers_of
from askfirst.web.visit import Site

FORM = {"email": "a@b.c", "password": "wrong"}


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": ""},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": f"{ORIGIN}.evil.example"},
        {},
        {"authorization": "Bearer stolen", "cookie": "askfirst=token"},
    ],
)
def test_what_does_not_come_from_our_own_pages_changes_nothing(
    site: Site, headers: dict[str, str]
) -> None:
    client = browser(site)
    del client.headers["sec-fetch-site"]

    answer = client.post("/sign-in", data=FORM, headers=headers)

    assert answer.status_code == 403
    assert "not carried out" in answer.text
    assert "content-security-policy" in answer.headers


@pytest.mark.parametrize(
    "headers", [{"sec-fetch-site": "same-origin"}, {"sec-fetch-site": "none"}, {"origin": ORIGIN}]
)
def test_our_own_pages_are_answered(site: Site, headers: dict[str, str]) -> None:
    client = browser(site)
    del client.headers["sec-fetch-site"]

    assert client.post("/sign-in", data=FORM, headers=headers).status_code == 401


def test_every_document_allows_no_script_and_no_style_but_ours(site: Site) -> None:
    first, second = browser(site).get("/rules"), browser(site).get("/rules")
    policy = first.headers["content-security-policy"]

    assert "script-src 'self';" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert first.headers["x-content-type-options"] == "nosniff"
    assert first.headers["cache-control"] == "no-store"
    assert policy != second.headers["content-security-policy"]


def test_only_https_promises_https() -> None:
    assert "strict-transport-security" in headers_of("n", is_secure=True, host="a")
    assert "strict-transport-security" not in headers_of("n", is_secure=False, host="a")


@pytest.mark.parametrize("host", ["evil'; script-src *", "a b", "", "x\ty", "é"])
def test_a_strange_host_does_not_get_into_the_policy(site: Site, host: str) -> None:
    answer = browser(site).get("/rules", headers={b"host": host.encode("latin-1")})

    assert "script-src *" not in answer.headers["content-security-policy"]
    assert answer.headers["content-security-policy"].count("script-src") == 1


def test_a_limit_lets_so_many_through_and_opens_again() -> None:
    now = [0.0]
    limit = RateLimit(most=3, seconds=60, clock=lambda: now[0], addresses=2)

    assert [limit.allows("a") for _ in range(5)] == [True, True, True, False, False]
    assert limit.allows("b")
    now[0] = 60.0
    assert limit.allows("a")


@given(st.lists(st.text(max_size=3), max_size=60))
def test_a_limit_never_remembers_more_addresses_than_it_may(addresses: list[str]) -> None:
    limit = RateLimit(most=1, seconds=60, clock=lambda: 0.0, addresses=5)
    for address in addresses:
        limit.allows(address)

    assert len(limit._seen) <= 5
