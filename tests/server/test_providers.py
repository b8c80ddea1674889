"""Providers of one desk beside each other: who calls, and over whom a call came in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from typing import Any

import pytest

from askfirst.errors import Unavailable
from askfirst.ports import AgentLeg, TelephonyCapabilities
from askfirst.server.providers import Providers

OURS, OTHER = "+4721000000", "+4721000001"


class Carrier:
    """A provider that calls nobody. `closed` once it is."""

    capabilities = TelephonyCapabilities(
        separate_legs=True, records_elsewhere=False, capture_lag_ms=0, dtmf=True, early_media=False
    )

    def __init__(self, name: str, numbers: Collection[str] = ()) -> None:
        self.name = name
        self.closed = False
        self.on_call: Callable[[Any], bool] = lambda _: False
        self._numbers = numbers

    async def dial(self, number: str, leg: AgentLeg, caller_id: str | None = None) -> Any:
        raise AssertionError("nobody is called here")

    def shows(self, number: str) -> bool:
        return number in self._numbers

    async def close(self) -> None:
        self.closed = True


class Ringing:
    """A call from outside."""


def both() -> tuple[Providers, Carrier, Carrier]:
    trunk, twilio = Carrier("sip"), Carrier("twilio", {OURS})
    providers = Providers(trunk)
    providers.connect(twilio)
    return providers, trunk, twilio


def test_the_first_calls_unless_another_is_named_or_only_it_may_show_the_number() -> None:
    providers, trunk, twilio = both()
    assert providers.choose(None, None) is trunk
    assert providers.choose(None, OTHER) is trunk
    assert providers.choose(None, OURS) is twilio
    assert providers.choose("twilio", None) is twilio
    assert providers.choose("sip", OURS) is trunk


def test_nobody_calls_where_nobody_is_connected_or_who_is_named_is_not() -> None:
    with pytest.raises(Unavailable, match="no line to telephones"):
        Providers().choose(None, None)
    providers, _, _ = both()
    providers.disconnect("twilio")
    with pytest.raises(Unavailable):
        providers.choose("twilio", None)
    providers.disconnect("twilio")
    assert providers.usual is providers.get("sip")


def test_a_call_that_came_in_is_of_whom_it_came_over_also_when_that_one_has_left() -> None:
    providers, trunk, twilio = both()
    heard: list[object] = []
    providers.on_call = lambda line: not heard.append(line)  # type: ignore[func-returns-value]
    here, there = Ringing(), Ringing()

    assert trunk.on_call(here)
    assert twilio.on_call(there)
    providers.disconnect("twilio")

    assert heard == [here, there]
    assert providers.of(here) is trunk
    assert providers.of(there) is twilio
    assert providers.of(Ringing()) is trunk
    with pytest.raises(Unavailable, match="not set up any more"):
        Providers().of(there)


def test_no_call_rings_before_somebody_takes_calls() -> None:
    _, trunk, _ = both()
    assert not trunk.on_call(Ringing())


def test_one_of_the_same_name_takes_the_place_and_closing_closes_all_that_are_connected() -> None:
    providers, trunk, before = both()
    after = Carrier("twilio")
    providers.connect(after)

    asyncio.run(providers.close())

    assert providers.all() == (trunk, after)
    assert (trunk.closed, before.closed, after.closed) == (True, False, True)
