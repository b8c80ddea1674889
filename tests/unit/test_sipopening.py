"""What the first messages of a call tell: how soon the exchange speaks, and the codec it chose."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.test_sipidentity import RX, TX, agreed, invite, message

from askfirst.telephony.sipmessage import parsed
from askfirst.telephony.sipopening import MOST, Opening, Openings, chosen

OFFER = "m=audio 4000 RTP/AVP 8 0 9\r\n"


def seen(*messages: tuple[str, int]) -> Opening | None:
    openings = Openings()
    for text, at_ms in messages:
        openings.see(parsed(text), at_ms)
    return openings.of("abc")


def with_sdp(text: str, sdp: str) -> str:
    return text.removesuffix("v=0") + "v=0\r\n" + sdp


def test_the_exchange_takes_from_our_invitation_to_its_first_word() -> None:
    trying = message(RX, "SIP/2.0 100 Trying", "1 INVITE")
    opening = seen((invite(TX), 100), (trying, 118), (agreed(RX), 5_000))
    assert opening is not None
    assert opening.exchange_ms == 18


def test_a_demand_for_a_password_is_a_first_word_too() -> None:
    demand = message(RX, "SIP/2.0 407 Proxy Authentication Required", "1 INVITE")
    again = invite(TX, "2 INVITE")
    opening = seen((invite(TX), 100), (demand, 130), (again, 131), (agreed(RX, "2 INVITE"), 900))
    assert opening is not None
    assert opening.exchange_ms == 30


def test_an_invitation_that_is_sent_again_counts_from_the_first() -> None:
    opening = seen((invite(TX), 100), (invite(TX), 600), (agreed(RX), 700))
    assert opening is not None
    assert opening.exchange_ms == 600


def test_of_a_call_that_nobody_answers_nothing_is_known() -> None:
    assert seen((invite(TX), 100)) == Opening(100, "1 INVITE", None, None)


def test_a_call_from_outside_is_none_of_ours() -> None:
    assert seen((invite(RX), 100), (with_sdp(agreed(TX), OFFER), 120)) is None


def test_the_last_answer_says_the_codec_and_one_without_a_description_takes_nothing_away() -> None:
    ringing = with_sdp(message(RX, "SIP/2.0 183 Session Progress", "1 INVITE"), OFFER)
    answer = with_sdp(agreed(RX), "m=audio 4000 RTP/AVP 0\r\n")
    update = with_sdp(agreed(RX, "2 UPDATE"), "m=audio 4000 RTP/AVP 9\r\n")
    opening = seen((invite(TX), 0), (ringing, 10), (answer, 20), (update, 30), (agreed(RX), 40))
    assert opening is not None
    assert opening.codec == "pcmu"


@pytest.mark.parametrize(
    ("answer", "codec"),
    [
        ("m=audio 4000 RTP/AVP 8 0", "pcma"),
        ("m=audio 4000 RTP/AVP 0 101\na=rtpmap:101 telephone-event/8000", "pcmu"),
        ("m=audio 4000 RTP/SAVP 9\na=rtpmap:9 G722/8000", "g722"),
        ("m=audio 4000 RTP/AVP 96\na=rtpmap:96 opus/48000/2", "opus"),
        ("m=audio 4000 RTP/AVP 96", None),
        ("m=video 4000 RTP/AVP 0", None),
        ("", None),
    ],
)
def test_the_first_codec_of_an_answer_is_the_chosen_one(answer: str, codec: str | None) -> None:
    assert chosen(answer) == codec


def test_no_more_than_so_many_calls_are_remembered() -> None:
    openings = Openings()
    for number in range(MOST + 1):
        openings.see(parsed(invite(TX, Call_ID=f"call-{number}")), number)
    assert openings.of("call-0") is None
    assert openings.of(f"call-{MOST}") is not None


@given(st.lists(st.text(max_size=80) | st.sampled_from([invite(TX), agreed(RX)]), max_size=8))
def test_no_message_is_too_strange(messages: list[str]) -> None:
    seen(*((each, number) for number, each in enumerate(messages)))
