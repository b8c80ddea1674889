"""A trunk is checked whole, shows no password, and says in our words why a call ended."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from askfirst.errors import InvalidInput
from askfirst.ports import EndCause
from askfirst.telephony.siptrunk import Trunk, end_cause


@pytest.mark.parametrize(
    "wrong",
    [
        {"server": ""},
        {"server": "a b"},
        {"server": "pbx;transport=tcp"},
        {"server": "pbx>"},
        {"port": 0},
        {"user": "a@b"},
        {"password": 'a"b'},
        {"password": "a\nb"},
        {"transport": "ws"},
        {"codecs": ()},
        {"codecs": ("gsm",)},
        {"security": "zrtp"},
        {"caller_id": "4712345678"},
        {"address": "eth0 x"},
        {"ring": 0},
        {"silence": 121},
        {"most_calls": 0},
    ],
)
def test_a_trunk_that_cannot_be_used_names_its_field(wrong: dict[str, Any]) -> None:
    (field,) = wrong
    with pytest.raises(InvalidInput, match=field):
        Trunk(**{"server": "pbx.example", **wrong})


def test_a_trunk_shows_no_password_and_comes_back_from_json() -> None:
    secret = "; ".join(("open", "sesame"))
    trunk = Trunk(server="pbx.example", password=secret, codecs=("opus", "pcma"))
    assert secret not in f"{trunk!r} {trunk}"
    assert Trunk.from_json(trunk.to_json()) == trunk


@given(st.text(max_size=20))
def test_only_a_telephone_number_becomes_an_address(number: str) -> None:
    trunk = Trunk(server="pbx.example")
    try:
        uri = trunk.uri(number)
    except InvalidInput:
        return
    assert uri == f"sip:{number}@pbx.example:5060;transport=udp"
    assert number.removeprefix("+").isascii()
    assert number.removeprefix("+").isdigit()


@pytest.mark.parametrize(
    ("text", "rang", "cause"),
    [
        ("486 Busy Here", True, EndCause.BUSY),
        ("600 Busy Everywhere", False, EndCause.BUSY),
        ("603 Decline", True, EndCause.DECLINED),
        ("403 Forbidden", False, EndCause.DECLINED),
        ("404 Not Found", False, EndCause.NOT_FOUND),
        ("484 Address Incomplete", False, EndCause.NOT_FOUND),
        ("480 Temporarily Unavailable", True, EndCause.NO_ANSWER),
        ("408 Request Timeout", True, EndCause.NO_ANSWER),
        ("408 Request Timeout", False, EndCause.UNREACHABLE),
        ("503 Service Unavailable", False, EndCause.UNREACHABLE),
        ("302 Moved Temporarily", False, EndCause.REDIRECTED),
        ("500 Server Internal Error", True, EndCause.PROVIDER_ERROR),
        ("Connection refused [111]", False, EndCause.UNREACHABLE),
        ("Connection timed out [110]", False, EndCause.UNREACHABLE),
        ("something new", False, EndCause.PROVIDER_ERROR),
        ("", True, EndCause.NO_ANSWER),
    ],
)
def test_a_call_that_nobody_took_ends_for_its_reason(
    text: str, rang: bool, cause: EndCause
) -> None:
    assert end_cause(text, answered=False, rang=rang) is cause


@given(st.text(max_size=80))
def test_an_answered_call_ends_by_the_other_side_or_by_its_line(text: str) -> None:
    theirs = end_cause(text, answered=True, rang=True)
    assert theirs in (EndCause.REMOTE_HANGUP, EndCause.MEDIA_TIMEOUT)


def test_a_call_that_was_handed_on_is_told_from_a_hangup() -> None:
    assert end_cause("Call transfered", answered=True, rang=True) is EndCause.TRANSFERRED


def test_a_line_that_fell_silent_is_told_from_a_hangup() -> None:
    assert end_cause("rtp stream error", answered=True, rang=True) is EndCause.MEDIA_TIMEOUT


@pytest.mark.parametrize("path", ["", "ca.pem", "/ca.pem\nsip_verify_server no", "/a b"])
def test_authorities_are_named_by_a_whole_path_and_nothing_else(path: str) -> None:
    with pytest.raises(InvalidInput, match="ca_file"):
        Trunk(server="pbx.example.org", ca_file=path)
