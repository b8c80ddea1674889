"""Who is at the other end, as messages of the exchange tell it, and who only claims so."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from askfirst.telephony.sipidentity import MOST, Identities, Told, is_same
from askfirst.telephony.sipmessage import parsed

KARI, OLA = "+4748750103", "+4733333333"
US = "<sip:askfirst@pbx.example>;tag=1"
THEM = f"<sip:{KARI}@pbx.example>;tag=2"
RX, TX = "RX UDP 192.0.2.1:5060 -> 192.0.2.2:5060", "TX UDP 192.0.2.2:5060 -> 192.0.2.1:5060"


def message(way: str, start: str, sequence: str, **more: str) -> str:
    """A message of a call; `more` are headers by their names, with ``_`` for ``-``."""
    headers = {"From": THEM, "To": US, "Call_ID": "abc", "CSeq": sequence, **more}
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join((way, start, *lines, "", "v=0"))


def invite(way: str, sequence: str = "1 INVITE", **more: str) -> str:
    return message(way, "INVITE sip:x@pbx.example SIP/2.0", sequence, **more)


def agreed(way: str, sequence: str = "1 INVITE", **more: str) -> str:
    return message(way, "SIP/2.0 200 OK", sequence, **more)


def asserted(number: str) -> str:
    return f'"Somebody" <sip:{number}@pbx.example;user=phone>'


def seen(*messages: str) -> list[Told]:
    identities = Identities()
    return [told for each in messages if (told := identities.see(parsed(each))) is not None]


OUR_CALL = (
    invite(TX, From=US, To=f"<sip:{KARI}@pbx.example>"),
    agreed(RX, From=US, To=THEM),
)


def test_an_answer_tells_who_gives_it() -> None:
    told = seen(OUR_CALL[0], agreed(RX, From=US, To=THEM, P_Asserted_Identity=asserted(OLA)))
    assert told == [Told("abc", OLA)]
    assert seen(*OUR_CALL) == []


def test_the_answer_to_our_call_is_known_once_it_is_seen() -> None:
    identities = Identities()
    identities.see(parsed(OUR_CALL[0]))
    assert not identities.has_answer("abc")
    identities.see(parsed(OUR_CALL[1]))
    assert identities.has_answer("abc")


@pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
@pytest.mark.parametrize(
    ("header", "value", "number"),
    [
        ("P_Asserted_Identity", asserted(OLA), OLA),
        ("p_asserted_identity", f"<tel:{OLA}>", OLA),
        ("Remote_Party_ID", f"{asserted(OLA)};party=calling;privacy=off", OLA),
        ("Remote_Party_ID", f"{asserted(OLA)};privacy=full", ""),
        ("P_Asserted_Identity", "<sip:anonymous@anonymous.invalid>", ""),
        ("From", f"<sip:{OLA}@pbx.example>;tag=2", OLA),
    ],
)
def test_another_person_is_told_of_once_we_have_agreed(
    method: str, header: str, value: str, number: str
) -> None:
    ours = f"7 {method}"
    asked = message(RX, f"{method} sip:x@pbx.example SIP/2.0", ours, **{header: value})
    assert seen(*OUR_CALL, asked) == []
    assert seen(*OUR_CALL, asked, agreed(TX, "8 INVITE")) == []
    assert seen(*OUR_CALL, asked, agreed(TX, ours)) == [Told("abc", number)]


def test_who_withholds_the_number_is_nobody_we_know() -> None:
    asked = invite(RX, "7 INVITE", P_Asserted_Identity=asserted(OLA), Privacy="id")
    assert seen(*OUR_CALL, asked, agreed(TX, "7 INVITE")) == [Told("abc", "")]


def test_a_refresh_of_the_call_tells_nothing() -> None:
    assert seen(*OUR_CALL, invite(RX, "7 INVITE"), agreed(TX, "7 INVITE")) == []


def test_a_call_from_outside_tells_of_its_caller_elsewhere_and_of_the_next_one_here() -> None:
    call = invite(RX, To="<sip:x@pbx.example>", P_Asserted_Identity=asserted(KARI))
    assert seen(call, agreed(TX)) == []
    next_one = invite(RX, "2 INVITE", From=f"<sip:{OLA}@pbx.example>;tag=2")
    assert seen(call, agreed(TX), next_one, agreed(TX, "2 INVITE")) == [Told("abc", OLA)]


def test_an_answer_to_a_call_that_is_not_ours_tells_nothing() -> None:
    assert seen(agreed(RX, P_Asserted_Identity=asserted(OLA))) == []


def test_strangers_who_ask_often_push_nobody_out() -> None:
    flood = [
        invite(RX, Call_ID=f"stranger-{each}", To="<sip:x@pbx.example>") for each in range(MOST + 1)
    ]
    asked = invite(RX, "7 INVITE", From=f"<sip:{OLA}@pbx.example>;tag=2")
    assert seen(*OUR_CALL, *flood, asked, agreed(TX, "7 INVITE")) == [Told("abc", OLA)]


def test_short_names_and_broken_lines_are_headers_too() -> None:
    asked = "\r\n".join(
        (
            RX, "UPDATE sip:x@pbx.example SIP/2.0", f"f: {THEM}", f"t: {US}", "i: abc",
            "CSeq: 9 UPDATE", "P-Asserted-Identity:", f"  {asserted(OLA)}", "",
        )
    )  # fmt: skip
    assert seen(*OUR_CALL, asked, agreed(TX, "9 UPDATE")) == [Told("abc", OLA)]


@given(st.lists(st.text(max_size=80) | st.sampled_from([*OUR_CALL, agreed(TX)]), max_size=8))
def test_no_message_is_too_strange(messages: list[str]) -> None:
    seen(*messages)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (KARI, KARI, True),
        (KARI, "48750103", True),
        (KARI, "004748750103", True),
        (KARI, OLA, False),
        ("+148750103", KARI, False),
        (KARI, "103", False),
        (KARI, "", False),
    ],
)
def test_numbers_that_end_alike_are_one_unless_both_are_whole(
    one: str, other: str, same: bool
) -> None:
    assert is_same(one, other) is same
    assert is_same(other, one) is same
