"""What we write to Twilio and what it tells: documents from a closed list, causes in our words."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from askfirst.errors import InvalidInput, Refused
from askfirst.ports import EndCause
from askfirst.telephony import twimlwriter
from askfirst.telephony.twiliocauses import FINAL, end_cause
from askfirst.telephony.twilioline import TwilioLine
from askfirst.telephony.twilioprovider import number_in

ANYTHING = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=40)
LINE: dict[str, Any] = {
    "sender": "+17135550100",
    "stream_url": "wss://calls.example.org/twilio/stream",
    "status_url": "https://calls.example.org/twilio/status",
}


def read(document: str) -> ElementTree.Element:
    return ElementTree.fromstring(document)  # noqa: S314 - we have written it


@given(ANYTHING, ANYTHING)
def test_whatever_a_value_holds_it_stays_a_value(url: str, token: str) -> None:
    root = read(twimlwriter.talk(url, token))
    (stream,) = root.findall("./Connect/Stream")
    (parameter,) = stream.findall("Parameter")
    assert stream.attrib == {"url": url}
    assert parameter.attrib == {"name": "token", "value": token}


@given(ANYTHING, ANYTHING, st.integers(1, 600))
def test_no_document_of_ours_records_forks_or_transcribes(
    number: str, shown: str, ring: int
) -> None:
    for document in (
        twimlwriter.talk(number, shown),
        twimlwriter.busy(),
        twimlwriter.hand_on(number, shown, ring),
        twimlwriter.meet(number),
    ):
        for element in read(document).iter():
            assert element.tag in twimlwriter.ALLOWED
            assert set(element.attrib) <= twimlwriter.ALLOWED[element.tag]
            assert element.attrib.get("record", "do-not-record") == "do-not-record"
            if element.tag in ("Dial", "Conference"):
                assert element.attrib["record"] == "do-not-record"


def test_an_element_that_is_not_in_the_list_cannot_be_written() -> None:
    for name, attributes in (
        ("Record", {}),
        ("Start", {}),
        ("Dial", {"trim": "do-not-trim"}),
        ("Dial", {"record": "record-from-answer"}),
        ("Stream", {"track": "both_tracks"}),
    ):
        with pytest.raises(Refused):
            twimlwriter._element(name, **attributes)


@pytest.mark.parametrize(
    ("fields", "cause"),
    [
        ({"CallStatus": "busy"}, EndCause.BUSY),
        ({"CallStatus": "busy", "SipResponseCode": "603"}, EndCause.DECLINED),
        ({"CallStatus": "no-answer"}, EndCause.NO_ANSWER),
        ({"CallStatus": "canceled"}, EndCause.NO_ANSWER),
        ({"CallStatus": "failed"}, EndCause.PROVIDER_ERROR),
        ({"CallStatus": "failed", "SipResponseCode": "404"}, EndCause.NOT_FOUND),
        ({"CallStatus": "failed", "SipResponseCode": "503"}, EndCause.UNREACHABLE),
        ({"CallStatus": "failed", "ErrorCode": "13224"}, EndCause.NOT_FOUND),
        ({"CallStatus": "completed", "SipResponseCode": "200"}, EndCause.PROVIDER_ERROR),
        ({"CallStatus": "completed", "ErrorCode": "31921"}, EndCause.MEDIA_TIMEOUT),
        ({"CallStatus": "ringing"}, None),
        ({"CallStatus": "in-progress"}, None),
        ({}, None),
    ],
)
def test_the_end_of_a_call_is_told_in_our_words(
    fields: dict[str, str], cause: EndCause | None
) -> None:
    assert end_cause(fields, answered=False) is cause


@given(
    st.dictionaries(
        st.sampled_from(["CallStatus", "SipResponseCode", "ErrorCode"]),
        st.text(max_size=6) | st.sampled_from(sorted(FINAL)),
    ),
    st.booleans(),
)
def test_whatever_is_told_a_call_is_over_only_by_a_final_word(
    fields: dict[str, str], answered: bool
) -> None:
    cause = end_cause(fields, answered=answered)
    assert (cause is not None) == (fields.get("CallStatus") in FINAL)
    if cause is not None and answered:
        assert cause is EndCause.REMOTE_HANGUP


@pytest.mark.parametrize(
    "wrong",
    [
        {"sender": "17135550100"},
        {"sender": ""},
        {"stream_url": "ws://calls.example.org/s"},
        {"stream_url": "https://calls.example.org/s"},
        {"stream_url": "wss://calls.example.org/s?token=x"},
        {"stream_url": "wss://user@calls.example.org/s"},
        {"stream_url": "wss://[x"},
        {"status_url": "http://calls.example.org/s"},
        {"status_url": "http://10.0.0.1/s"},
        {"ring": 0},
        {"silence": 121},
        {"longest_call": 14_401},
        {"most_calls": 0},
        {"way_ms": 2_001},
    ],
)
def test_a_line_that_cannot_be_used_names_its_field(wrong: dict[str, Any]) -> None:
    (field,) = wrong
    with pytest.raises(InvalidInput, match=field):
        TwilioLine(**{**LINE, **wrong})


def test_a_line_of_this_machine_needs_no_encryption() -> None:
    TwilioLine(**LINE)
    here = {"stream_url": "ws://127.0.0.1:80/s", "status_url": "http://localhost/s"}
    TwilioLine(**{**LINE, **here})


@pytest.mark.parametrize(
    ("told", "number"),
    [
        ("+4748750103", "+4748750103"),
        ("+266696687", ""),
        ("+7378742833", ""),
        ("Anonymous", ""),
        ("client:kari", ""),
        ("sip:kari@example.org", ""),
        ("", ""),
    ],
)
def test_a_number_that_twilio_does_not_tell_is_none(told: str, number: str) -> None:
    assert number_in(told) == number
