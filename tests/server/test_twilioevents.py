"""What is made of any fields of a request: an event whose key is bounded, or an error of ours."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.server.twiliorig import call_sid

from askfirst.errors import InvalidInput
from askfirst.server.store import Store
from askfirst.server.twilioevents import Intake
from askfirst.server.twilioorder import KEPT_FIELDS
from askfirst.telephony.twiliosignature import Signed

NAMES = st.sampled_from([*sorted(KEPT_FIELDS), "From", "To", "Digits", "RecordingUrl"])


@pytest.fixture(scope="module")
def intake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Intake]:
    store = Store.open(tmp_path_factory.mktemp("intake"))
    yield Intake(store, lambda: None)
    store.close()


@given(fields=st.dictionaries(NAMES, st.text(max_size=40)), is_of_call=st.booleans())
def test_any_fields_give_an_event_with_a_bounded_key_or_an_error_of_ours(
    intake: Intake, fields: dict[str, str], is_of_call: bool
) -> None:
    if is_of_call:
        fields = {**fields, "CallSid": call_sid(1)}
    try:
        event = intake._event(Signed(tuple(fields.items()), "f" * 64))
    except InvalidInput:
        return
    assert len(event.key) <= 120
    assert event.number is None or 0 <= event.number < 1_000_000
    assert len(event.status) <= 24
    assert set(event.fields) <= KEPT_FIELDS


@pytest.mark.parametrize("number", ["", "-1", "1.0", "1 ", "٣", "9999999"])
def test_a_number_that_is_none_puts_an_event_in_no_order(intake: Intake, number: str) -> None:
    fields = {"CallSid": call_sid(1), "SequenceNumber": number}
    event = intake._event(Signed(tuple(fields.items()), "a" * 64))
    assert event.number is None
    assert event.key == f"other/{'a' * 64}"


def test_events_of_one_call_and_number_are_one_event(intake: Intake) -> None:
    fields = {"CallSid": call_sid(1), "SequenceNumber": "2"}
    first = intake._event(Signed(tuple(fields.items()), "a" * 64))
    second = intake._event(Signed((*fields.items(), ("Timestamp", "later")), "b" * 64))
    assert first.key == second.key
