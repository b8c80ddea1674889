"""Signatures of Twilio: a published vector, what may vary and what may not, and any bytes at all.

The vector is that of Twilio's documentation of webhook security, whose form its own library signs
alike; it is kept here with its origin and nothing of it is real.
"""

from __future__ import annotations

import base64
import hmac
from hashlib import sha256
from random import Random
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from askfirst.errors import AskfirstError, InvalidInput, Unverified
from askfirst.telephony import twiliosignature
from askfirst.telephony.twiliosignature import SigningSecrets, check, make, variants, with_body_hash

URL = "https://example.com/myapp?foo=1&bar=2"
FIELDS = (
    ("CallSid", "CA1234567890ABCDE"),
    ("Caller", "+12349013030"),
    ("Digits", "1234"),
    ("From", "+12349013030"),
    ("To", "+18005551212"),
)
VECTOR = "t64uZ3SEiU2fbBEHppByBXZpZL8="
BODY = (
    b"CallSid=CA1234567890ABCDE&Caller=%2B12349013030&Digits=1234"
    b"&From=%2B12349013030&To=%2B18005551212"
)
SECRETS = SigningSecrets("12345")
KEYS = SigningSecrets("12345", {"SKone": "another secret"})
FORM = {"content-type": twiliosignature.FORM}
JSON = {"content-type": "application/json"}
SETTINGS = {"x-twilio-webhooks-signature-settings": "key=SKone,algorithm=HMAC_SHA256"}

names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8)
fields = st.lists(st.tuples(names, names), max_size=6)


def signed(signature: str, **more: str) -> dict[str, str]:
    """Headers of a form with a signature."""
    return {**FORM, "x-twilio-signature": signature, **more}


def form(pairs: list[tuple[str, str]]) -> bytes:
    """A form's body as it is sent."""
    return urlencode(pairs).encode()


# What is refused


@pytest.mark.parametrize(
    ("url", "body"),
    [
        (URL, BODY + b"&Extra=1"),
        (URL, BODY + b"&Digits=9"),
        (URL, BODY.replace(b"1234&From", b"1235&From")),
        (URL, BODY.replace(b"&Digits=1234", b"")),
        (URL, BODY + b"&Digits="),
        (URL, b""),
        (URL.replace("https", "http"), BODY),
        (URL.replace("example.com", "example.com:8443"), BODY.replace(b"Digits", b"digits")),
        (URL.replace("example.com", "example.net"), BODY),
        (URL.replace("myapp?", "myapp/?"), BODY),
        (URL.replace("&bar=2", ""), BODY),
        (URL.replace("foo=1&bar=2", "bar=2&foo=1"), BODY),
        ("http://example.com:443/myapp?foo=1&bar=2", BODY),
        ("https://example.com:80/myapp?foo=1&bar=1", BODY),
    ],
)
def test_whatever_was_changed_the_signature_does_not_hold(url: str, body: bytes) -> None:
    with pytest.raises(Unverified):
        check(SECRETS, url, signed(VECTOR), body)


@pytest.mark.parametrize("signature", ["", "x", VECTOR.rstrip("="), VECTOR.lower(), "é" * 28])
def test_no_signature_and_another_one_are_refused(signature: str) -> None:
    with pytest.raises(Unverified):
        check(SECRETS, URL, signed(signature), BODY)


def test_without_a_secret_nothing_holds_not_even_what_is_signed_with_none() -> None:
    with pytest.raises(Unverified, match="no secret"):
        check(SigningSecrets(""), URL, signed(make("", URL, FIELDS)), BODY)


def test_another_secret_is_refused_and_no_secret_is_told() -> None:
    with pytest.raises(Unverified) as caught:
        check(SigningSecrets("12346", {"SKone": "hidden"}), URL, signed(VECTOR), BODY)
    assert "1234" not in str(caught.value)
    assert "hidden" not in repr(KEYS) + repr(SigningSecrets("hidden", {"a": "hidden"}))


@pytest.mark.parametrize(
    "body", [b"\xff=1", b"a=%ff", b"&".join(b"a%d=1" % n for n in range(300)), "å=1".encode()]
)
def test_a_form_that_cannot_be_read_is_refused_before_anything_is_compared(body: bytes) -> None:
    with pytest.raises(InvalidInput):
        check(SECRETS, URL, signed(VECTOR), body)


def test_a_body_that_the_query_does_not_cover_is_refused() -> None:
    body = b'{"a": 1}'
    covered = with_body_hash(URL, body)
    for url in (URL, covered, f"{covered}&bodySHA256={sha256(b'x').hexdigest()}"):
        other = body if url is not covered else b'{"a": 2}'
        with pytest.raises(Unverified):
            check(SECRETS, url, {**JSON, "x-twilio-signature": make("12345", url)}, other)


def test_a_form_passed_off_as_something_else_is_refused() -> None:
    headers = {"x-twilio-signature": make("12345", URL), "content-type": "text/plain"}
    with pytest.raises(Unverified):
        check(SECRETS, URL, headers, BODY)


def test_a_key_is_used_only_where_an_operator_has_set_it_and_only_with_its_algorithm() -> None:
    by_key = make("another secret", URL, FIELDS, is_sha256=True)
    named = SETTINGS["x-twilio-webhooks-signature-settings"]
    for secrets, settings in (
        (SECRETS, named),
        (KEYS, ""),
        (KEYS, named.replace("SKone", "SKtwo")),
        (KEYS, named.replace("SHA256", "SHA1")),
        (KEYS, "key=SKone"),
        (KEYS, "SKone"),
    ):
        headers = signed(by_key, **{twiliosignature.SETTINGS_HEADER: settings})
        with pytest.raises(Unverified):
            check(secrets, URL, headers, BODY)
    with pytest.raises(Unverified):  # the token does not stand in for a key that is named
        check(KEYS, URL, signed(VECTOR, **SETTINGS), BODY)


def test_a_name_with_several_values_is_no_map() -> None:
    url, pairs = URL, [("a", "1"), ("a", "2")]
    found = check(SECRETS, url, signed(make("12345", url, pairs)), b"a=1&a=2")
    with pytest.raises(InvalidInput, match="several"):
        found.as_map()


# What holds


def test_the_vector_holds_whatever_the_order_and_however_often_alike() -> None:
    assert make("12345", URL, FIELDS) == VECTOR
    turned = b"&".join(reversed(BODY.split(b"&")))
    for body in (BODY, turned, BODY + b"&Digits=1234"):
        found = check(SECRETS, URL, signed(VECTOR), body)
        assert set(found.fields) == set(FIELDS)
        assert found.as_map() == dict(FIELDS)
        assert found.mark == check(SECRETS, URL, signed(VECTOR), BODY).mark


def test_the_vector_is_what_the_rule_says_worked_out_by_hand() -> None:
    text = URL + "".join(name + value for name, value in FIELDS)
    assert base64.b64encode(hmac.digest(b"12345", text.encode(), "sha1")).decode() == VECTOR


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("https://example.com/a?b=1", "https://example.com:443/a?b=1"),
        ("https://example.com:443/a?b=1", "https://example.com/a?b=1"),
        ("http://example.com/a", "http://example.com:80/a"),
        ("https://example.com:8443/a", "https://example.com/a"),
        ("https://[2001:db8::1]/a", "https://[2001:db8::1]:443/a"),
        ("https://[2001:db8::1]:443/a", "https://[2001:db8::1]/a"),
        ("https://user:pass@example.com/a", "https://user:pass@example.com:443/a"),
        ("https://example.com", "https://example.com:443"),
    ],
)
def test_a_port_may_be_said_or_left_out(ours: str, theirs: str) -> None:
    signature = make("12345", theirs, FIELDS)
    assert check(SECRETS, ours, signed(signature), BODY).as_map() == dict(FIELDS)


def test_a_body_that_is_no_form_is_covered_by_its_hash() -> None:
    body = b'{"CallSid": "CA1"}'
    for address in (URL, "https://example.com/myapp"):
        url = with_body_hash(address, body)
        headers = {**JSON, "x-twilio-signature": make("12345", url)}
        assert check(SECRETS, url, headers, body).fields == ()
        assert check(SECRETS, url.replace(".com/", ".com:443/"), headers, body).fields == ()


def test_a_key_that_an_operator_has_set_signs_in_the_newer_way_and_the_token_in_the_older() -> None:
    by_key = make("another secret", URL, FIELDS, is_sha256=True)
    assert check(KEYS, URL, signed(by_key, **SETTINGS), BODY).as_map() == dict(FIELDS)
    assert check(KEYS, URL, signed(VECTOR), BODY).as_map() == dict(FIELDS)
    # Who has set no key pays no heed to the header.
    assert check(SECRETS, URL, signed(VECTOR, **SETTINGS), BODY).as_map() == dict(FIELDS)


@given(pairs=fields, seed=st.randoms(use_true_random=False))
def test_order_and_repetition_make_no_difference(
    pairs: list[tuple[str, str]], seed: Random
) -> None:
    mixed = pairs + pairs[:2]
    seed.shuffle(mixed)
    signature = make("12345", URL, pairs)
    assert make("12345", URL, mixed) == signature
    found = check(SECRETS, URL, signed(signature), form(mixed))
    assert set(found.fields) == set(pairs)


@given(pairs=fields, added=st.tuples(names, names))
def test_one_more_field_never_holds(pairs: list[tuple[str, str]], added: tuple[str, str]) -> None:
    more = [*pairs, added]
    ours = "".join(a + b for a, b in sorted(set(pairs)))
    if "".join(a + b for a, b in sorted(set(more))) == ours:
        return
    with pytest.raises(Unverified):
        check(SECRETS, URL, signed(make("12345", URL, pairs)), form(more))


@given(
    url=st.text(max_size=60),
    body=st.binary(max_size=60),
    kind=st.sampled_from([FORM, JSON, {}]),
    signature=st.text(max_size=40),
    settings=st.text(max_size=40),
)
def test_any_bytes_are_refused_with_an_error_of_ours(
    url: str, body: bytes, kind: dict[str, str], signature: str, settings: str
) -> None:
    headers = {**kind, "x-twilio-signature": signature, twiliosignature.SETTINGS_HEADER: settings}
    for address in (url, f"https://example.com/{url}"):
        with pytest.raises(AskfirstError):
            check(KEYS, address.encode(errors="replace").decode(), headers, body)


@given(st.text(max_size=60))
def test_no_more_than_two_addresses_are_tried_and_the_first_is_the_one_given(url: str) -> None:
    found = list(variants(url))
    assert found[0] == url
    assert len(found) <= 2
