"""Signed vCons against an independent reader, foreign ones in every known shape."""

from __future__ import annotations

import base64
import copy
import functools
import gzip
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws
from joserfc.jwk import RSAKey
from joserfc.registry import HeaderParameter

from askfirst import vcon, vconread
from askfirst.errors import InvalidInput, Unverified
from askfirst.model import Outcome, OutcomeCode, Proof, Role, Use
from askfirst.vconcheck import base64url, unbase64url
from askfirst.vconread import Form, form, read, sign, verify_signed

UUID = "0193584f-2c7a-8b3e-8d1f-0a1b2c3d4e5f"
AT = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
WHEN = "2026-11-24T09:30:00Z"
DOCUMENT: dict[str, Any] = {
    "vcon": "0.4.0",
    "uuid": UUID,
    "created_at": WHEN,
    "parties": [{"tel": "+4722123456"}, {"tel": "tel:+4722123457"}, {"name": "anonymous"}],
    "note": "øre",
}


@functools.cache
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65_537, key_size=2048)


@functools.cache
def certificate() -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "askfirst.example")])
    builder = x509.CertificateBuilder(
        issuer_name=name,
        subject_name=name,
        public_key=key().public_key(),
        serial_number=1,
        not_valid_before=AT,
        not_valid_after=AT + timedelta(days=365),
    )
    return builder.sign(key(), hashes.SHA256()).public_bytes(Encoding.DER)


def rs256(message: bytes) -> bytes:
    return key().sign(message, padding.PKCS1v15(), hashes.SHA256())


def trust(alg: str, chain: Sequence[bytes], signature: bytes, message: bytes) -> None:
    """Trust exactly our certificate."""
    if (alg, list(chain)) != ("RS256", [certificate()]):
        raise Unverified("a certificate that nobody trusts")
    public = x509.load_der_x509_certificate(chain[0]).public_key()
    assert isinstance(public, rsa.RSAPublicKey)
    try:
        public.verify(signature, message, padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature as error:
        raise Unverified("the signature does not hold") from error


def signed(document: dict[str, Any] = DOCUMENT) -> dict[str, Any]:
    return sign(document, [certificate()], rs256)


def test_a_signed_vcon_opens_again() -> None:
    document = signed()
    assert form(document) is Form.SIGNED
    assert verify_signed(json.loads(json.dumps(document)), trust) == DOCUMENT


def test_an_independent_reader_verifies_it() -> None:
    document = signed()
    protected = json.loads(unbase64url(document["signatures"][0]["protected"]) or b"")
    assert protected["uuid"] == UUID
    assert base64.b64decode(protected["x5c"][0]) == certificate()
    public = x509.load_der_x509_certificate(certificate()).public_key()
    assert isinstance(public, rsa.RSAPublicKey)
    registry = jws.JWSRegistry(
        header_registry={"uuid": HeaderParameter("the vCon", "str")},
        algorithms=["RS256"],
        strict_check_header=False,
    )
    # Its limit of 512 bytes has no room for a certificate.
    registry.max_header_length = 16_384
    general: jws.GeneralJSONSerialization = {
        "payload": document["payload"],
        "signatures": document["signatures"],
    }
    found = jws.deserialize_json(general, RSAKey.import_key(public), registry=registry)
    assert json.loads(found.payload) == DOCUMENT


def test_every_changed_character_of_the_signed_form_is_noticed() -> None:
    document = signed()
    for field in ("payload", "protected", "signature"):
        whole = document["payload"] if field == "payload" else document["signatures"][0][field]
        for place in range(0, len(whole), 1 if len(whole) < 400 else 7):
            other = "A" if whole[place] != "A" else "B"
            text = whole[:place] + other + whole[place + 1 :]
            wrong = copy.deepcopy(document)
            if field == "payload":
                wrong["payload"] = text
            else:
                wrong["signatures"][0][field] = text
            with pytest.raises((Unverified, InvalidInput)):
                verify_signed(wrong, trust)


def forged(header: dict[str, Any], payload: bytes = b'{"uuid": "x"}') -> dict[str, Any]:
    """Anything at all, correctly signed."""
    protected = base64url(json.dumps(header).encode())
    content = base64url(payload)
    signature = base64url(rs256(f"{protected}.{content}".encode()))
    return {"payload": content, "signatures": [{"protected": protected, "signature": signature}]}


def header(**changes: Any) -> dict[str, Any]:
    chain = [base64.b64encode(certificate()).decode()]
    return {"alg": "RS256", "x5c": chain} | changes


def test_the_uuid_of_the_header_is_optional_and_must_be_true() -> None:
    assert verify_signed(forged(header()), trust) == {"uuid": "x"}
    assert verify_signed(forged(header(uuid="x")), trust) == {"uuid": "x"}
    with pytest.raises(Unverified, match="uuid"):
        verify_signed(forged(header(uuid="y")), trust)


@pytest.mark.parametrize(
    ("document", "says"),
    [
        (lambda: forged(header(alg="none")), "algorithm"),
        (lambda: forged(header(alg="HS256")), "algorithm"),
        (lambda: forged(header(alg=5)), "algorithm"),
        (lambda: forged(header(crit=["b64"])), "critical"),
        (lambda: forged(header(x5c=[])), "no x5c"),
        (lambda: forged({"alg": "RS256"}), "no x5c"),
        (lambda: forged(header(x5c=["!"])), "certificate that is not base64"),
        (lambda: forged(header(x5c=[5])), "certificate that is not base64"),
        (lambda: forged(header(), b"[]"), "expected an object"),
        (lambda: forged(header(), b"\xff"), "not JSON"),
        (lambda: forged(header(), b'{"uuid":1,"uuid":2}'), "each name once"),
        (lambda: forged(header(), b"[" * 100_000), "not JSON"),
        (lambda: signed() | {"payload": "a="}, "payload is not base64url"),
        (lambda: signed() | {"payload": None}, "payload is not base64url"),
        (lambda: signed() | {"signatures": []}, "no signatures"),
        (lambda: signed() | {"signatures": {}}, "no signatures"),
        (lambda: signed() | {"signatures": ["x"]}, "not an object"),
        (lambda: signed() | {"signatures": [{}]}, "no protected header"),
        (
            lambda: (
                signed() | {"signatures": [{"protected": signed()["signatures"][0]["protected"]}]}
            ),
            "signature that is not base64url",
        ),
        (lambda: signed() | {"signatures": [{"protected": "e30"}]}, "algorithm"),
    ],
    ids=range(20),
)
def test_a_malformed_signed_vcon_is_refused(
    document: Callable[[], dict[str, Any]], says: str
) -> None:
    with pytest.raises(InvalidInput, match=says):
        verify_signed(document(), trust)


def test_a_certificate_beside_the_protected_header_is_read() -> None:
    content, protected = base64url(b'{"uuid": "x"}'), base64url(b'{"alg": "RS256"}')
    signature = base64url(rs256(f"{protected}.{content}".encode()))
    line = {"protected": protected, "signature": signature}
    beside = {"x5c": header()["x5c"], "alg": "RS256", "uuid": "x"}
    document = {"payload": content, "signatures": [line | {"header": beside}]}
    assert verify_signed(document, trust) == {"uuid": "x"}
    for wrong, says in ((beside | {"alg": "RS512"}, "contradict"), ([], "not an object")):
        with pytest.raises(InvalidInput, match=says):
            verify_signed(document | {"signatures": [line | {"header": wrong}]}, trust)
    misnamed = line | {"header": beside | {"uuid": "y"}}
    with pytest.raises(Unverified, match="uuid"):
        verify_signed(document | {"signatures": [misnamed]}, trust)


def test_a_compressed_payload_is_read_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    packed = gzip.compress(json.dumps(DOCUMENT).encode(), mtime=0)
    assert verify_signed(forged(header(uuid=UUID), packed), trust) == DOCUMENT
    for broken in (packed[:-9], packed[:12] + b"\xff" * 20):
        with pytest.raises(InvalidInput, match="gzip payload"):
            verify_signed(forged(header(), broken), trust)
    monkeypatch.setattr(vconread, "MAX_BYTES", 1000)
    with pytest.raises(InvalidInput, match="beyond 1000 bytes"):
        verify_signed(forged(header(), gzip.compress(b" " * 100_000 + b"{}")), trust)


def test_one_false_signature_among_true_ones_is_enough() -> None:
    document = signed()
    false = document["signatures"][0] | {"signature": base64url(bytes(256))}
    with pytest.raises(Unverified, match="does not hold"):
        verify_signed(document | {"signatures": [document["signatures"][0], false]}, trust)


def test_what_cannot_be_signed_is_refused() -> None:
    with pytest.raises(InvalidInput, match="algorithm"):
        sign(DOCUMENT, [certificate()], rs256, alg="none")
    with pytest.raises(InvalidInput, match="no certificate"):
        sign(DOCUMENT, [], rs256)
    with pytest.raises(InvalidInput, match="no uuid"):
        sign({}, [certificate()], rs256)


def test_the_form_is_told_from_the_keys() -> None:
    assert form(DOCUMENT) is Form.UNSIGNED
    assert form({"ciphertext": "", "recipients": []}) is Form.ENCRYPTED
    for closed in (signed(), {"ciphertext": "", "recipients": []}):
        with pytest.raises(InvalidInput, match="open it first"):
            read(closed)


# Reading


def lawful(party: int = 0, **changes: Any) -> dict[str, Any]:
    body = {
        "lawful_basis": "consent",
        "expiration": None,
        "purpose_grants": [{"purpose": "recording", "granted": True, "granted_at": WHEN}],
    } | changes
    return {
        "purpose": "lawful_basis",
        "party": party,
        "dialog": 0,
        "encoding": "json",
        "body": body,
    }


def permits(*attachments: dict[str, Any], on: datetime = AT, purpose: str = "recording") -> bool:
    return read(DOCUMENT | {"attachments": list(attachments)}).permits(purpose, on)


def test_what_we_wrote_is_read_back_unchanged() -> None:
    decision = {"mode": "ask", "governing": ["NO"], "rules": ["NO.participant"]}
    audio = b"OggS"
    consent = vcon.PartyConsent(
        1,
        vcon.LawfulBasis.CONSENT,
        vcon.Answer.GIVEN,
        AT,
        (vcon.Grant(Use.RECORD, True, AT), vcon.Grant(Use.SHARE, False, AT)),
        how="spoken",
        proof=Proof.SPOKEN,
        expires_at=AT + timedelta(days=1),
    )
    written = vcon.build(
        vcon.CallRecord(
            uuid=UUID,
            created_at=AT,
            start=AT,
            duration_ms=1000,
            parties=(
                vcon.PartyRecord(Role.AGENT),
                vcon.PartyRecord(Role.CONTACT, "+4722123456"),
            ),
            decision={"mode": "ask", "governing": ["NO"], "reasons": [{"rule": "NO.participant"}]},
            outcome=Outcome(OutcomeCode.RECORDED, "yes"),
            consents=(consent,),
            audio=vcon.Audio(
                AT,
                1000,
                ((0,), (1,)),
                "audio/ogg",
                "a.ogg",
                url="https://askfirst.example/a",
                content_hash=vcon.content_hash(audio),
            ),
        )
    )
    found = read(json.loads(json.dumps(written)))
    assert (found.uuid, found.created_at) == (UUID, AT)
    assert found.numbers == (None, "+4722123456")
    assert found.decision == decision
    assert found.content_hashes == (vcon.content_hash(audio),)
    assert (found.has_recording, found.has_transcript) == (True, False)
    (grants,) = found.consents
    assert (grants.party, grants.basis, grants.expires_at) == (1, "consent", consent.expires_at)
    assert grants.grants == (("recording", True, AT), ("sharing", False, AT))
    assert found.permits("recording", AT)
    assert not found.permits("sharing", AT)
    assert not found.permits("transcription", AT)


def test_numbers_are_read_with_and_without_a_scheme() -> None:
    assert read(DOCUMENT).numbers == ("+4722123456", "+4722123457", None)


def test_nothing_said_means_no() -> None:
    assert not permits()
    assert not permits(lawful(), purpose="transcription")
    assert not permits(lawful(purpose_grants=[]))


def test_the_more_restrictive_of_two_answers_wins() -> None:
    yes = {"purpose": "recording", "granted": True, "granted_at": WHEN}
    no = yes | {"granted": False}
    assert permits(lawful(0), lawful(1))
    assert not permits(lawful(purpose_grants=[yes, no]))
    assert not permits(lawful(), lawful(purpose_grants=[no]))
    assert not permits(lawful(0), lawful(1, purpose_grants=[no]))
    assert not permits(lawful(0), lawful(1, purpose_grants=[]))
    assert permits(lawful(0), lawful(0, purpose_grants=[]))


@pytest.mark.parametrize(
    ("seconds", "expected"), [(-299, True), (-301, False), (0, True), (299, True), (301, False)]
)
def test_clocks_may_differ_by_five_minutes(seconds: int, expected: bool) -> None:
    assert permits(lawful(expiration=WHEN), on=AT + timedelta(seconds=seconds)) == expected


@pytest.mark.parametrize(
    ("interval", "seconds", "expected"),
    [
        ("30d", 30 * 86_400 + 299, True),
        ("30d", 30 * 86_400 + 301, False),
        ("90s", 389, True),
        ("90s", 391, False),
        ("2h", 7499, True),
        ("2h", 7501, False),
        ("1w", 7 * 86_400, True),
        ("5m", 599, True),
        ("5m", 601, False),
        ("whenever", 301, False),
        (7, 301, False),
    ],
)
def test_a_grant_without_an_end_lasts_to_the_next_check(
    interval: object, seconds: int, expected: bool
) -> None:
    found = permits(lawful(status_interval=interval), on=AT + timedelta(seconds=seconds))
    assert found == expected


def test_a_denial_outlives_its_end() -> None:
    no = [{"purpose": "recording", "granted": False, "granted_at": WHEN}]
    later = AT + timedelta(days=1)
    assert not permits(lawful(), lawful(expiration=WHEN, purpose_grants=no), on=later)


@pytest.mark.parametrize(
    "changes",
    [
        {"lawful_basis": "because"},
        {"lawful_basis": None},
        {"expiration": "never"},
        {"expiration": 5},
        {"purpose_grants": None},
        {"purpose_grants": ["recording"]},
        {"purpose_grants": [{"purpose": "recording", "granted": "true", "granted_at": WHEN}]},
        {"purpose_grants": [{"purpose": "recording", "granted": True}]},
        {"purpose_grants": [{"purpose": 5, "granted": True, "granted_at": WHEN}]},
    ],
    ids=str,
)
def test_what_is_not_clearly_granted_is_denied(changes: dict[str, Any]) -> None:
    assert not permits(lawful(**changes))


def test_json_inside_a_string_is_read() -> None:
    attachment = lawful()
    assert permits(attachment | {"body": json.dumps(attachment["body"])})
    assert not permits(attachment | {"body": "{"})
    assert not permits(attachment | {"body": "[" * 100_000})
    assert not permits(attachment | {"body": None})


def test_an_older_name_a_missing_dialog_and_a_missing_party_are_read() -> None:
    attachment = lawful()
    attachment["type"] = attachment.pop("purpose")
    del attachment["dialog"]
    assert permits(attachment)
    del attachment["party"]
    found = read(DOCUMENT | {"vcon": "0.0.1", "attachments": [attachment, 5], "must_support": []})
    assert found.consents[0].party == -1
    assert found.permits("recording", AT)


OLD_SHAPES = [
    [{"purpose": "recording", "status": "granted", "timestamp": WHEN}],
    [{"consent": "recording", "value": True}],
]


@pytest.mark.parametrize("consents", OLD_SHAPES, ids=["status", "value"])
def test_the_expired_consent_attachment_is_read_in_both_shapes(consents: object) -> None:
    attachment = {"type": "consent", "body": {"expiration": None, "party": 1, "consents": consents}}
    assert permits(attachment)
    found = read(DOCUMENT | {"attachments": [attachment]})
    assert (found.consents[0].party, found.consents[0].basis) == (1, "consent")


@pytest.mark.parametrize(
    "item",
    [
        {"purpose": "recording", "status": "denied", "timestamp": WHEN},
        {"purpose": "recording", "status": "revoked", "timestamp": WHEN},
        {"purpose": "recording", "status": "expired", "timestamp": WHEN},
        {"consent": "recording", "value": False},
        {"consent": "recording", "value": "true"},
        {"value": True},
    ],
    ids=str,
)
def test_the_expired_consent_attachment_denies(item: dict[str, Any]) -> None:
    body = {"expiration": None, "party": 1, "consents": [item]}
    assert not permits({"type": "consent", "body": body})


def test_an_old_consent_without_a_time_is_overdue_for_its_check() -> None:
    body = {"expiration": None, "status_interval": "90d", "consents": OLD_SHAPES[1]}
    assert not permits({"type": "consent", "body": body})


@pytest.mark.parametrize("name", ["critical", "must_support"])
def test_an_unknown_critical_extension_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput, match="critical extension"):
        read(DOCUMENT | {name: ["lawful_basis", "unheard-of"]})
    assert read(DOCUMENT | {name: ["lawful_basis"]}).uuid == UUID


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(InvalidInput, match="zone"):
        permits(lawful(), on=AT.replace(tzinfo=None))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "parties",
                    "dialog",
                    "analysis",
                    "attachments",
                    "purpose",
                    "type",
                    "body",
                    "party",
                    "expiration",
                    "consents",
                    "purpose_grants",
                    "status_interval",
                    "metadata",
                    "tel",
                    "content_hash",
                    "created_at",
                    "uuid",
                ]
            )
            | st.text(max_size=3),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from([*DOCUMENT, "dialog", "analysis"]), JSON), JSON, JSON)
def test_no_document_makes_the_reader_fall_over(
    document: dict[str, Any], attachment: object, body: object
) -> None:
    attachments = [attachment, {"purpose": "lawful_basis", "body": body}]
    assert not read(document | {"attachments": attachments}).permits("recording", AT)
