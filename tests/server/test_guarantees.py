"""The guarantee against everything that would break it: links, processors, engines, systems."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.server import rig

from askfirst.errors import Refused, Unavailable
from askfirst.policy import Policy
from askfirst.server import account
from askfirst.server.database import calls, reading, recordings, transaction
from askfirst.server.finishing import Finishing
from askfirst.server.guarantees import Outside, allows, ensure_may_leave, may_leave
from askfirst.server.store import Store
from askfirst.speech.scripted import Scripted

CALL, RECORDING = "call_" + "3" * 32, "rec_" + "4" * 32
NAME = "crm.example"
LINKS = {"external_share_links": True}
NAMED = {"external_processors": [NAME]}
OPEN: Mapping[Outside, dict[str, Any]] = {
    Outside.SHARE_LINK: LINKS,
    Outside.PROCESSOR: NAMED,
    Outside.ENGINE: NAMED,
    Outside.CRM_SYNC: NAMED,
}
"""What lets each way be gone; a new way has to say so here."""


def keep(store: Store, then: dict[str, Any], now: dict[str, Any]) -> None:
    """A recording of a call that was decided by a policy, in an account with another one."""
    row = {"provider": "t", "direction": "outbound", "language": "en", "policy": then, "proof": 0}
    with transaction(store.engine) as connection:
        connection.execute(calls.insert().values(id=CALL, created_at=rig.AT, **row))
        connection.execute(
            recordings.insert().values(
                id=RECORDING, call=CALL, created_at=rig.AT, state="ready", purpose="training",
                expires_at=rig.AT,
            )
        )  # fmt: skip
        account.change(connection, {"wishes": now}, None, rig.AT)


def leaves(store: Store, way: Outside, name: str = NAME) -> bool:
    with reading(store.engine) as connection:
        return may_leave(connection, RECORDING, way, name)


@pytest.mark.parametrize("way", Outside)
def test_nothing_leaves_unless_the_account_allows_it(store: Store, way: Outside) -> None:
    keep(store, {}, {})

    assert not leaves(store, way)
    with reading(store.engine) as connection, pytest.raises(Refused, match="outside"):
        ensure_may_leave(connection, RECORDING, way, NAME)


@pytest.mark.parametrize("way", Outside)
def test_what_was_recorded_under_the_guarantee_stays_when_it_is_taken_back(
    store: Store, way: Outside
) -> None:
    keep(store, {"no_third_party_guarantee": True}, OPEN[way])

    assert not leaves(store, way)


@pytest.mark.parametrize("way", Outside)
def test_nothing_leaves_while_the_guarantee_is_given_again(store: Store, way: Outside) -> None:
    keep(store, OPEN[way], {"no_third_party_guarantee": True})

    assert not leaves(store, way)


@pytest.mark.parametrize("way", Outside)
def test_what_was_decided_without_it_does_not_leave_later(store: Store, way: Outside) -> None:
    keep(store, {}, OPEN[way])

    assert not leaves(store, way)


@pytest.mark.parametrize("way", Outside)
def test_it_leaves_where_the_call_and_the_account_say_so(store: Store, way: Outside) -> None:
    keep(store, OPEN[way], OPEN[way])

    assert leaves(store, way)
    if way is not Outside.SHARE_LINK:
        assert not leaves(store, way, "another.example")
    with reading(store.engine) as connection:
        ensure_may_leave(connection, RECORDING, way, NAME)
        assert not may_leave(connection, "rec_" + "0" * 32, way, NAME)


@given(
    way=st.sampled_from(Outside), links=st.booleans(), names=st.lists(st.sampled_from([NAME, ""]))
)
def test_no_policy_with_the_guarantee_lets_anything_out(
    way: Outside, links: bool, names: list[str]
) -> None:
    policy = Policy(
        no_third_party_guarantee=True, external_share_links=links, external_processors=tuple(names)
    )

    assert not any(allows(policy, way, name) for name in (NAME, ""))


class Elsewhere(Scripted):
    """A recogniser on another machine."""

    capabilities = replace(Scripted.capabilities, external=True)


def test_an_engine_outside_hears_nothing_that_it_was_not_named_for(recorded: rig.Recorded) -> None:
    store = recorded.store
    elsewhere = Elsewhere()

    with pytest.raises(Unavailable, match="outside"):
        Finishing(store, elsewhere)._heard(recorded.id, "again", "agent", own_side=True)

    named = {"external_processors": [elsewhere.name]}
    with transaction(store.engine) as connection:
        connection.execute(calls.update().values(policy=named))
        account.change(connection, {"wishes": named}, None, rig.AT)
    Finishing(store, elsewhere)._heard(recorded.id, "again", "agent", own_side=True)
