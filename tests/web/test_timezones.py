"""Pages in the reader's time zone, which the browser names; what programs get stays UTC."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient
from tests.server import rig
from tests.server.people import called, draft, meet
from tests.web.conftest import add, signed_in

from askfirst.server import followups
from askfirst.server.access import UserRole
from askfirst.server.database import calls, transaction
from askfirst.web import words, zones
from askfirst.web.visit import ZONE_COOKIE, Site

SUMMER = datetime(2026, 7, 1, 22, 5, tzinfo=UTC)
WINTER = datetime(2026, 11, 27, 13, 5, tzinfo=UTC)
AHEAD, BEHIND = "Pacific/Kiritimati", "Etc/GMT+12"
"""Zones 26 hours apart, in which it is never the same day."""

ODD = (
    "",
    ".",
    "..",
    "../Europe/Oslo",
    "Europe/../Europe/Oslo",
    "/usr/share/zoneinfo/Europe/Oslo",
    "/etc/passwd",
    "Europe",
    "Europe/",
    "europe/oslo",
    " Europe/Oslo",
    "Europe/Oslo\0",
    "Europe\\Oslo",
    "Europe%2FOslo",
    "posix/Europe/Oslo",
    "right/Europe/Oslo",
    "posixrules",
    "localtime",
    "Factory",
    "zone.tab",
    "tzdata.zi",
    "+03:00",
    "CET-1CEST",
    "Måne/Krater",
    "Europe/Oslo" * 400,
)


@dataclass(frozen=True)
class Reader:
    """Somebody who reaches every call, with a browser."""

    site: Site
    client: TestClient

    def shown(self, path: str, zone: str | None = None) -> str:
        """A page as it is shown to a browser that names a zone."""
        self.client.cookies.pop(ZONE_COOKIE, None)
        if zone is not None:
            self.client.cookies.set(ZONE_COOKIE, zone)
        answer = self.client.get(path)
        assert answer.status_code == 200, answer.text
        return answer.text

    def lists(self, call: str, query: str, zone: str | None = None) -> bool:
        """Whether the list shows a call."""
        return f'/calls/{call}"' in self.shown(f"/calls?{query}", zone)


@pytest.fixture
def reader(ready: Site) -> Reader:
    return Reader(ready, signed_in(ready, add(ready, UserRole.COMPLIANCE)))


@pytest.mark.parametrize(
    ("zone", "summer", "winter"),
    [
        (None, "1 Jul 2026 22:05 UTC", "27 Nov 2026 13:05 UTC"),
        ("Europe/Oslo", "2 Jul 2026 00:05 CEST", "27 Nov 2026 14:05 CET"),
        ("America/St_Johns", "1 Jul 2026 19:35 NDT", "27 Nov 2026 09:35 NST"),
        ("Asia/Riyadh", "2 Jul 2026 01:05 UTC+3", "27 Nov 2026 16:05 UTC+3"),
        ("Asia/Katmandu", "2 Jul 2026 03:50 UTC+5:45", "27 Nov 2026 18:50 UTC+5:45"),
        ("Pacific/Marquesas", "1 Jul 2026 12:35 UTC−9:30", "27 Nov 2026 03:35 UTC−9:30"),
        ("Antarctica/Troll", "2 Jul 2026 00:05 UTC+2", "27 Nov 2026 13:05 UTC"),
        ("Etc/UTC", "1 Jul 2026 22:05 UTC", "27 Nov 2026 13:05 UTC"),
    ],
)
def test_a_page_shows_moments_in_the_readers_zone_summer_and_winter(
    reader: Reader, zone: str | None, summer: str, winter: str
) -> None:
    called(reader.site.store, rig.NORWAY, at=SUMMER)
    called(reader.site.store, rig.NORWAY, at=WINTER, ledger=1)

    page = reader.shown("/calls", zone)

    assert f">{summer}<" in page
    assert f">{winter}<" in page


def test_a_part_that_is_included_or_comes_alone_is_in_the_readers_zone_too(ready: Site) -> None:
    agent = add(ready, UserRole.AGENT)
    call = called(ready.store, rig.NORWAY, at=WINTER)
    with transaction(ready.store.engine) as connection:
        connection.execute(calls.update().values(agent=agent.id, ended_at=WINTER))
    client = signed_in(ready, agent)
    client.cookies.set(ZONE_COOKIE, "Asia/Riyadh")

    alone = client.post(f"/calls/{call}/notes/draft", data={"version": "0", "notes": "x"}).text
    included = client.get(f"/calls/{call}/notes").text

    for text in (alone, included):
        assert re.search(r"Notes saved [^<]+ UTC\+3<", text)


def test_an_hour_that_comes_twice_says_which_it_is() -> None:
    first = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    oslo = zones.zone_of("Europe/Oslo")

    assert words.moment("en", first, oslo) == "25 Oct 2026 02:30 CEST"
    assert words.moment("en", first + timedelta(hours=1), oslo) == "25 Oct 2026 02:30 CET"


def test_the_day_of_a_moment_is_the_readers_and_a_day_is_no_moment() -> None:
    oslo = zones.zone_of("Europe/Oslo")

    assert words.day("en", SUMMER, oslo) == "Jul 2, 2026"
    assert words.day("en", SUMMER) == "Jul 1, 2026"
    assert words.day("en", date(2026, 7, 1), oslo) == "Jul 1, 2026"


@pytest.mark.parametrize("name", ODD)
def test_an_odd_zone_is_utc_and_no_error(reader: Reader, name: str) -> None:
    called(reader.site.store, rig.NORWAY, at=WINTER)
    cookies = "; ".join(f"{key}={value}" for key, value in reader.client.cookies.items())
    headers = [(b"cookie", f"{cookies}; {ZONE_COOKIE}={name}".encode())]

    answer = reader.client.get("/calls", headers=headers)

    # A space around a cookie's value is no part of it.
    expected = "27 Nov 2026 14:05 CET" if name.strip() == "Europe/Oslo" else "27 Nov 2026 13:05 UTC"
    assert answer.status_code == 200
    assert expected in answer.text


@given(
    st.text()
    | st.sampled_from(ODD)
    | st.sampled_from(sorted(available_timezones())).flatmap(
        lambda name: st.sampled_from(
            (f"../{name}", f"/{name}", f"{name}/", f"posix/{name}", name.swapcase(), f"{name}\n")
        )
    )
)
def test_whatever_is_no_name_of_a_zone_is_utc(name: str) -> None:
    if name not in zones.known():
        assert zones.zone_of(name) is UTC
    else:
        assert zones.zone_of(name) == ZoneInfo(name)


@given(st.sampled_from(sorted(zones.known())), st.integers(0, 4_102_444_800))
def test_every_zone_has_a_short_name_and_the_minutes_are_its_own(name: str, seconds: int) -> None:
    at, zone = datetime.fromtimestamp(seconds, UTC), zones.zone_of(name)

    shown = words.moment("en", at, zone)

    _, _, short = shown.rpartition(" ")
    assert short[0].isalpha(), "a name, or UTC and a difference"
    assert f" {at.astimezone(zone):%H:%M} " in shown


def test_a_machine_without_zones_of_its_own_knows_them_from_the_package() -> None:
    program = "from askfirst.web.zones import zone_of; print(zone_of('Europe/Oslo'))"
    answer = subprocess.run(  # noqa: S603 - our own
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONTZPATH": ""},
        capture_output=True,
        text=True,
        check=True,
    )

    assert answer.stdout == "Europe/Oslo\n"


@pytest.mark.parametrize(
    ("zone", "at", "day"),
    [
        (None, "2026-07-01 22:05", date(2026, 7, 1)),
        ("Europe/Oslo", "2026-07-01 21:59:59", date(2026, 7, 1)),
        ("Europe/Oslo", "2026-07-01 22:00", date(2026, 7, 2)),
        ("Europe/Oslo", "2026-11-26 22:59:59", date(2026, 11, 26)),
        ("Europe/Oslo", "2026-11-26 23:00", date(2026, 11, 27)),
        ("America/Los_Angeles", "2026-11-27 07:59", date(2026, 11, 26)),
        # The clocks skipped midnight: 23:59 was followed by 01:00.
        ("Asia/Beirut", "2022-03-26 21:59", date(2022, 3, 26)),
        ("Asia/Beirut", "2022-03-26 22:00", date(2022, 3, 27)),
        # They struck midnight twice: 00:59 was followed by 00:00.
        ("America/Havana", "2025-11-02 04:00", date(2025, 11, 2)),
        ("America/Havana", "2025-11-02 05:00", date(2025, 11, 2)),
    ],
)
def test_a_day_that_the_list_is_filtered_by_is_the_readers(
    reader: Reader, zone: str | None, at: str, day: date
) -> None:
    call = called(reader.site.store, rig.NORWAY, at=datetime.fromisoformat(f"{at}+00:00"))
    one = timedelta(days=1)

    assert reader.lists(call, f"since={day}&until={day}", zone)
    assert not reader.lists(call, f"since={day + one}", zone)
    assert not reader.lists(call, f"until={day - one}", zone)


@pytest.mark.parametrize("zone", [None, AHEAD, BEHIND])
def test_the_ends_of_the_calendar_leave_nothing_out(reader: Reader, zone: str | None) -> None:
    call = called(reader.site.store, rig.NORWAY, at=WINTER)

    assert reader.lists(call, "since=0001-01-01&until=9999-12-31", zone)
    assert not reader.lists(call, "since=9999-12-31", zone)
    assert not reader.lists(call, "until=0001-01-01", zone)


def test_what_is_due_today_goes_by_the_readers_day(reader: Reader) -> None:
    contact = meet(reader.site.store, draft("Nora Lie", rig.NORWAY))
    ahead: tzinfo = ZoneInfo(AHEAD)
    with transaction(reader.site.store.engine) as connection:
        followups.promise(connection, contact, datetime.now(ahead).date(), note="the promise")

    there, here = reader.shown("/follow-ups", AHEAD), reader.shown("/follow-ups", BEHIND)

    assert there.index("Today") < there.index("the promise")
    assert "Coming" not in there
    assert here.index("Coming") < here.index("the promise")
    assert "Today" not in here


def test_programs_get_utc_whatever_zone_a_browser_names(reader: Reader) -> None:
    called(reader.site.store, rig.NORWAY, at=WINTER)

    plain, zoned = reader.shown("/api/v1/calls"), reader.shown("/api/v1/calls", "Europe/Oslo")

    assert plain == zoned
    assert "2026-11-27T13:05:00.000Z" in zoned
