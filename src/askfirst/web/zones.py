"""Time zones of readers, as their browsers name them.

What law and evidence go by is UTC everywhere; a reader's zone only changes how a page says it.
"""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

_NO_PLACES = frozenset({"Factory", "localtime"})
"""Names that stand for a machine nobody has set, and for the server's own zone."""


@cache
def known() -> frozenset[str]:
    """Names of zones that a browser may give."""
    return frozenset(available_timezones() - _NO_PLACES)


def zone_of(name: str | None) -> tzinfo:
    """The zone of this name; UTC for any other word."""
    # `ZoneInfo` makes a path of what it is given; only names that were found before reach it.
    return ZoneInfo(name) if name is not None and name in known() else UTC


def short_name(value: datetime) -> str:
    """What people call the zone of an aware moment at that moment, such as CET, CEST or UTC+3."""
    name = value.tzname() or ""
    if name[:1] not in ("+", "-"):
        return name
    # The database has no letters for most zones, and writes +03, -0930 or, for no offset, -00.
    hours, minutes = name[1:3].lstrip("0"), name[3:]
    if not hours and not minutes:
        return "UTC"
    sign = "−" if name[0] == "-" else "+"
    return f"UTC{sign}{hours or '0'}" + (f":{minutes}" if minutes else "")
