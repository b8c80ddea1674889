"""One broken document for each rule, and every fault named at once."""

from __future__ import annotations

import copy
import json
from importlib import resources
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # it ships no types
import pytest
from hypothesis import given
from hypothesis import strategies as st

from askfirst.errors import InvalidInput
from askfirst.vconcheck import base64url, check, unbase64url

SCHEMA = jsonschema.Draft202012Validator(
    json.loads(
        (resources.files("askfirst") / "schemas" / "vcon-0.4.0.json").read_text(encoding="utf-8")
    )
)
UUID = "0193584f-2c7a-8b3e-8d1f-0a1b2c3d4e5f"
AT = "2026-11-24T09:30:00.000Z"
HASH = "sha512-" + base64url(bytes(64))
GOOD: dict[str, Any] = {
    "vcon": "0.4.0",
    "uuid": UUID,
    "created_at": AT,
    "extensions": ["lawful_basis"],
    "parties": [{"tel": "+4722123456", "type": "person"}, {"name": "anonymous"}],
    "dialog": [
        {
            "type": "recording",
            "start": AT,
            "duration": 1.5,
            "parties": [0, 1],
            "mediatype": "audio/ogg",
            "body": "T2dnUw",
            "encoding": "base64url",
            "party_history": [{"party": 0, "time": AT, "event": "keydown", "button": "1"}],
        },
        {"type": "recording-set", "start": AT, "recordings": [0]},
        {"type": "incomplete", "start": AT, "disposition": "busy"},
        {
            "type": "text",
            "start": "2026-11-24T10:30:00+01:00",
            "parties": 0,
            "mediatype": "text/plain; charset=utf-8",
            "body": "hello",
            "encoding": "none",
        },
        {"type": "transfer", "start": AT, "transferor": 0, "transferee": 1, "original": 0},
    ],
    "analysis": [
        {
            "type": "transcript",
            "vendor": "askfirst",
            "dialog": [0, 1],
            "mediatype": "application/json",
            "url": "https://askfirst.example/t",
            "content_hash": [HASH],
        }
    ],
    "attachments": [
        {
            "purpose": "lawful_basis",
            "start": AT,
            "party": 0,
            "dialog": 0,
            "mediatype": "application/json",
            "encoding": "json",
            "body": {
                "lawful_basis": "consent",
                "expiration": None,
                "purpose_grants": [
                    {"purpose": "recording", "granted": True, "granted_at": AT},
                    {"purpose": "transcription", "granted": True, "granted_at": AT},
                ],
                "status_interval": "30d",
                "proof_mechanisms": [
                    {"proof_type": "external_system", "timestamp": AT, "proof_data": {}}
                ],
            },
        },
        {
            "purpose": "other",
            "start": AT,
            "party": 1,
            "dialog": 0,
            "mediatype": "text/plain",
            "encoding": "none",
            "body": "x",
        },
    ],
}
MISSING: Any = object()


def changed(path: str, value: Any) -> dict[str, Any]:
    """The good document with one place set, or removed when the value is MISSING."""
    document = copy.deepcopy(GOOD)
    *way, last = [int(step) if step.isdigit() else step for step in path.split("/")]
    place: Any = document
    for step in way:
        place = place[step]
    if value is MISSING:
        del place[last]
    else:
        place[last] = value
    return document


def test_a_right_document_passes_both_the_rules_and_the_schema() -> None:
    check(GOOD)
    SCHEMA.validate(GOOD)


IN_THE_SCHEMA_TOO = [
    ("vcon", "0.0.1"),
    ("uuid", MISSING),
    ("uuid", UUID.upper()),
    ("created_at", "2026-11-24"),
    ("created_at", "2026-11-24T09:30:00"),
    ("created_at", 5),
    ("parties", MISSING),
    ("parties", {}),
    ("parties/0", []),
    ("parties/0/tel", "22123456"),
    ("parties/0/tel", "tel:+4722123456"),
    ("parties/0/type", "robot"),
    ("parties/0/role", "agent"),
    ("parties/1/name", ""),
    ("group", []),
    ("must_support", []),
    ("appended", {}),
    ("critical", ["unheard-of"]),
    ("extensions", []),
    ("extensions", MISSING),
    ("subject", 1),
    ("redacted", {"uuid": UUID}),
    ("redacted", {"uuid": UUID, "type": "x", "url": "https://x.example"}),
    ("amended", {"uuid": "x"}),
    ("amended", {"url": "https://x.example"}),
    ("dialog/0/type", "video"),
    ("dialog/0/start", MISSING),
    ("dialog/0/duration", 0),
    ("dialog/0/duration", -1),
    ("dialog/0/duration", "52"),
    ("dialog/0/duration", True),
    ("dialog/0/parties", MISSING),
    ("dialog/0/parties", []),
    ("dialog/0/parties", [0, "1"]),
    ("dialog/0/parties", [[], 1]),
    ("dialog/0/mimetype", "audio/ogg"),
    ("dialog/0/mediatype", MISSING),
    ("dialog/0/mediatype", "ogg"),
    ("dialog/0/encoding", "base64"),
    ("dialog/0/encoding", MISSING),
    ("dialog/0/body", MISSING),
    ("dialog/0/body", "T2dnUw=="),
    ("dialog/0/url", "https://x.example/a"),
    ("dialog/0/alg", "sha512"),
    ("dialog/0/session_id", "a"),
    ("dialog/0/session_id", {"local": "a"}),
    ("dialog/0/session_id", {"local": "a", "remote": ""}),
    ("dialog/0/party_history", {}),
    ("dialog/0/party_history/0/event", "sneeze"),
    ("dialog/0/party_history/0/event", "join"),
    ("dialog/0/party_history/0/button", MISSING),
    ("dialog/0/party_history/0/button", "12"),
    ("dialog/0/party_history/0/time", MISSING),
    ("dialog/0/disposition", "busy"),
    ("dialog/0/recordings", [0]),
    ("dialog/1/recordings", MISSING),
    ("dialog/1/recordings", 0),
    ("dialog/1/body", "x"),
    ("dialog/2/disposition", MISSING),
    ("dialog/2/disposition", "refused recording"),
    ("dialog/3/body", 5),
    ("dialog/4/transferor", "0"),
    ("analysis/0/url", "http://askfirst.example/t"),
    ("analysis/0/content_hash", MISSING),
    ("analysis/0/content_hash", "sha512-nonsense"),
    ("analysis/0/content_hash", []),
    ("analysis/0/vendor", MISSING),
    ("analysis/0/schema_version", "1"),
    ("analysis/0/url", MISSING),
    ("attachments/0/purpose", MISSING),
    ("attachments/0/type", "lawful_basis"),
    ("attachments/0/party", MISSING),
    ("attachments/0/dialog", MISSING),
    ("attachments/0/encoding", "none"),
    ("attachments/0/body", "{}"),
    ("attachments/0/body/lawful_basis", "because"),
    ("attachments/0/body/expiration", MISSING),
    ("attachments/0/body/expiration", "never"),
    ("attachments/0/body/purpose_grants", []),
    ("attachments/0/body/purpose_grants/0/granted", "true"),
    ("attachments/0/body/purpose_grants/0/granted_at", MISSING),
    ("attachments/0/body/purpose_grants/0/status", "granted"),
    ("attachments/0/body/purpose_grants/0/conditions", [""]),
    ("attachments/0/body/status_interval", "monthly"),
    ("attachments/0/body/terms_of_service", "http://x.example"),
    ("attachments/0/body/proof_mechanisms/0/proof_type", "hearsay"),
    ("attachments/0/body/proof_mechanisms/0/proof_data", "x"),
    ("attachments/0/body/consents", []),
]
ONLY_IN_THE_RULES = [
    ("created_at", "2026-13-24T09:30:00Z"),
    ("dialog/0/parties", [0, 2]),
    ("dialog/0/parties", 2),
    ("dialog/0/originator", 2),
    ("dialog/0/body", "T2dnU"),
    ("dialog/0/party_history/0/party", 2),
    ("dialog/1/recordings", [9]),
    ("dialog/1/recordings", [2]),
    ("dialog/4/original", 9),
    ("analysis/0/dialog", 9),
    ("attachments/0/party", 2),
    ("attachments/0/dialog", 9),
    ("attachments/0/body/purpose_grants/0/granted", False),
    ("attachments/0/body/purpose_grants/1/granted", False),
    ("attachments/0/body/purpose_grants/0/purpose", "sharing"),
]


@pytest.mark.parametrize(("path", "value"), IN_THE_SCHEMA_TOO)
def test_what_the_schema_refuses_the_rules_refuse(path: str, value: Any) -> None:
    document = changed(path, value)
    assert not SCHEMA.is_valid(document)
    with pytest.raises(InvalidInput, match="vCon with faults"):
        check(document)


@pytest.mark.parametrize(("path", "value"), ONLY_IN_THE_RULES)
def test_what_only_code_can_see_is_refused_too(path: str, value: Any) -> None:
    document = changed(path, value)
    assert SCHEMA.is_valid(document)
    with pytest.raises(InvalidInput, match="vCon with faults"):
        check(document)


def test_redacted_and_amended_exclude_each_other() -> None:
    document = GOOD | {"redacted": {"uuid": UUID, "type": "x"}, "amended": {"uuid": UUID}}
    assert not SCHEMA.is_valid(document)
    with pytest.raises(InvalidInput, match="exclude each other"):
        check(document)


def test_a_recording_may_lack_content_only_in_a_redacted_document() -> None:
    document = copy.deepcopy(GOOD)
    for name in ("body", "encoding", "mediatype"):
        del document["dialog"][0][name]
    with pytest.raises(InvalidInput, match="no content"):
        check(document)
    check(document | {"redacted": {"uuid": UUID, "type": "consent-withdrawn-or-erased"}})


def test_a_recording_needs_the_yes_of_everybody_who_speaks_of_consent() -> None:
    document = copy.deepcopy(GOOD)
    second = copy.deepcopy(document["attachments"][0])
    second["party"] = 1
    document["attachments"].append(second)
    check(document)
    second["body"]["purpose_grants"].append(
        {"purpose": "recording", "granted": False, "granted_at": AT}
    )
    with pytest.raises(InvalidInput, match="recording that not every party"):
        check(document)


def test_every_fault_is_named_at_once_with_its_place() -> None:
    document = changed("dialog/0/mimetype", "x") | {"created_at": "yesterday"}
    with pytest.raises(InvalidInput) as caught:
        check(document)
    lines = str(caught.value).splitlines()
    assert "vcon.created_at: expected an RFC 3339 time with its zone" in lines
    assert "dialog[0].mimetype: an old name, write mediatype" in lines


def test_no_fault_repeats_what_the_document_says() -> None:
    with pytest.raises(InvalidInput) as caught:
        check(changed("parties/0/tel", "22 12 34 56"))
    assert "22 12" not in str(caught.value)


@pytest.mark.parametrize("document", [None, [], "vcon", 7], ids=repr)
def test_what_is_no_object_is_no_vcon(document: object) -> None:
    with pytest.raises(InvalidInput, match="expected an object"):
        check(document)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


def places(value: object, path: str = "") -> list[str]:
    found = [path] if path else []
    items = value.items() if isinstance(value, dict) else enumerate(
        value if isinstance(value, list) else []
    )  # fmt: skip
    for key, item in items:
        found += places(item, f"{path}/{key}" if path else str(key))
    return found


@given(st.sampled_from(places(GOOD)), JSON)
def test_no_value_anywhere_makes_the_check_fall_over(path: str, value: object) -> None:
    document = changed(path, value)
    try:
        check(document)
    except InvalidInput:
        return
    SCHEMA.validate(document)


@given(st.binary())
def test_base64url_is_read_back_and_has_one_form(raw: bytes) -> None:
    assert unbase64url(base64url(raw)) == raw
    assert unbase64url(base64url(raw) + "=") is None


@pytest.mark.parametrize("value", ["A", "AB", "a b", "é", 5, None])
def test_what_is_not_base64url_is_not_read(value: object) -> None:
    assert unbase64url(value) is None
