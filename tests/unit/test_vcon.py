"""What a vCon of ours holds, and above all what it does not."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib import resources
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # it ships no types
import pytest
from hypothesis import given
from hypothesis import strategies as st

from askfirst import vcon
from askfirst.errors import InvalidInput, Unverified
from askfirst.model import Outcome, OutcomeCode, Proof, Role, Use
from askfirst.vcon import (
    Answer,
    Audio,
    CallRecord,
    Grant,
    LawfulBasis,
    LedgerReference,
    NoticeRecord,
    PartyConsent,
    PartyEvent,
    PartyRecord,
    SpokenLine,
    Transcript,
)
from askfirst.vconcheck import base64url, unbase64url

SCHEMA = json.loads(
    (resources.files("askfirst") / "schemas" / "vcon-0.4.0.json").read_text(encoding="utf-8")
)
UUID = "0193584f-2c7a-8b3e-8d1f-0a1b2c3d4e5f"
OLDER = "0193584f-2c7a-8b3e-8d1f-0a1b2c3d4e60"
AT = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
AUDIO = b"OggS the sound of two people"
WORDS = "the contact's own words"
NUMBER = "+4722123456"
DECISION: dict[str, object] = {
    "id": None,
    "mode": "ask",
    "governing": ["NO"],
    "primary": ["NO"],
    "parties": [
        {"role": "agent", "number": None, "places": [{"code": "NO"}], "unknown": None},
        {"role": "contact", "number": NUMBER, "places": [{"code": "NO"}], "unknown": None},
    ],
    "requirements": [{"party": 1, "form": "agreed", "proof": 4}],
    "notice": {"text": "This call is recorded."},
    "duties": [{"text": "keep a record"}],
    "reasons": [{"rule": "NO.participant", "why": "because"}, {"rule": "EEA.gdpr"}],
    "rulebook": {"version": "1", "fingerprint": "sha256:00"},
}
YES = (
    Grant(Use.RECORD, True, AT),
    Grant(Use.TRANSCRIBE, True, AT),
    Grant(Use.ANALYSE, True, AT),
    Grant(Use.SHARE, False, AT),
)
NO = tuple(Grant(grant.use, False, AT) for grant in YES)
CONSENT = PartyConsent(
    party=1,
    basis=LawfulBasis.CONSENT,
    answer=Answer.GIVEN,
    at=AT,
    grants=YES,
    how="keypad",
    proof=Proof.KEY,
    evidence={"button": "1", "time_offset_ms": 9000},
    notice=NoticeRecord("sha256:" + "0" * 64, "nb", 8000, True),
    ledger=LedgerReference("askfirst.example/ledger", 4, 6, "00" * 32, ("11" * 32,)),
)
CALL = CallRecord(
    uuid=UUID,
    created_at=AT + timedelta(minutes=5),
    start=AT,
    duration_ms=61_500,
    parties=(PartyRecord(Role.AGENT, uuid=OLDER), PartyRecord(Role.CONTACT, NUMBER)),
    decision=DECISION,
    outcome=Outcome(OutcomeCode.RECORDED, "consent was given"),
    consents=(CONSENT,),
    audio=Audio(
        AT + timedelta(seconds=9), 52_000, ((0,), (1,)), "audio/ogg", "call.ogg", body=AUDIO
    ),
    transcript=Transcript("nb", "whisper", (SpokenLine(1, 9500, 11_000, WORDS),)),
    session=("a@local", "b@remote"),
    history=(PartyEvent(1, AT + timedelta(seconds=9), "keydown", "1"),),
)


def built(**changes: Any) -> dict[str, Any]:
    document = vcon.build(replace(CALL, **changes))
    jsonschema.Draft202012Validator(SCHEMA).validate(document)
    # Only plain JSON, and no name of an older version anywhere.
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    for old in ("mimetype", "appended", "must_support", "schema_version", '"alg"', 'base64"'):
        assert old not in json.dumps(document)
    return document


def consent(**changes: Any) -> dict[str, Any]:
    """The lawful_basis body of the contact."""
    attachment = built(consents=(replace(CONSENT, **changes),))["attachments"][0]
    assert (attachment["party"], attachment["dialog"]) == (1, 0)
    body: dict[str, Any] = attachment["body"]
    return body


def assert_without_content(document: dict[str, Any]) -> None:
    text = json.dumps(document)
    (dialog,) = document["dialog"]
    assert (dialog["type"], dialog["recordings"]) == ("recording-set", [])
    assert "body" not in dialog
    assert "url" not in dialog
    assert "analysis" not in document
    assert WORDS not in text
    assert base64url(AUDIO) not in text


def test_a_recorded_call_has_its_recording_consent_and_transcript() -> None:
    document = built()
    assert document["vcon"] == "0.4.0"
    assert document["uuid"] == UUID
    assert document["created_at"] == "2026-11-24T09:35:00.000Z"
    assert document["extensions"] == ["lawful_basis"]
    assert document["parties"] == [
        {"type": "person", "uuid": OLDER},
        {"type": "person", "tel": NUMBER},
    ]
    (dialog,) = document["dialog"]
    assert dialog == {
        "type": "recording",
        "start": "2026-11-24T09:30:09.000Z",
        "duration": 52,
        "parties": [0, 1],
        "mediatype": "audio/ogg",
        "filename": "call.ogg",
        "body": base64url(AUDIO),
        "encoding": "base64url",
        "session_id": {"local": "a@local", "remote": "b@remote"},
        "party_history": [
            {"party": 1, "time": "2026-11-24T09:30:09.000Z", "event": "keydown", "button": "1"}
        ],
    }
    (analysis,) = document["analysis"]
    assert (analysis["type"], analysis["vendor"], analysis["product"]) == (
        "transcript",
        "askfirst",
        "whisper",
    )
    assert analysis["body"]["utterances"] == [
        {"party": 1, "start_ms": 9500, "end_ms": 11_000, "text": WORDS}
    ]


def test_each_contact_has_one_attachment_with_grants_in_the_standard_words() -> None:
    body = consent(grants=(*YES, Grant(Use.LISTEN, True, AT), Grant(Use.ANSWER, True, AT)))
    assert body["lawful_basis"] == "consent"
    assert body["expiration"] is None
    assert {item["purpose"]: item["granted"] for item in body["purpose_grants"]} == {
        "recording": True,
        "transcription": True,
        "analysis": True,
        "sharing": False,
        "listening": True,
    }
    assert all(item["granted_at"] == "2026-11-24T09:30:00.000Z" for item in body["purpose_grants"])


def test_the_attachment_says_what_the_consent_rests_on() -> None:
    metadata = consent()["metadata"]
    assert metadata["answer"] == "given"
    assert metadata["proof"] == 4
    assert metadata["outcome"] == {"code": "recorded", "reason": "consent was given"}
    assert metadata["notice"]["played_ms"] == 8000
    assert metadata["ledger"] == {
        "origin": "askfirst.example/ledger",
        "index": 4,
        "size": 6,
        "root": "00" * 32,
        "proof": ["11" * 32],
    }


def test_the_decision_stands_there_without_the_numbers() -> None:
    decision = consent()["metadata"]["decision"]
    assert decision["rules"] == ["NO.participant", "EEA.gdpr"]
    assert decision["parties"][1] == {
        "role": "contact",
        "places": [{"code": "NO"}],
        "unknown": None,
    }
    assert decision["rulebook"] == DECISION["rulebook"]
    assert NUMBER not in json.dumps(decision)


def test_a_decision_that_is_not_plain_json_is_refused() -> None:
    with pytest.raises(InvalidInput, match="canonical JSON"):
        built(decision={"mode": 1.5})


@pytest.mark.parametrize(
    ("how", "proof", "kind", "method"),
    [
        ("keypad", Proof.KEY, "external_system", "dtmf"),
        ("reported", Proof.KEY, "external_system", "dtmf_reported"),
        ("spoken", Proof.SPOKEN, "verbal_confirmation", "spoken"),
        ("written", Proof.WRITTEN, "signed_document", "written"),
        ("agent", Proof.AGENT_WORD, "external_system", "agent_attestation"),
    ],
)
def test_each_way_of_agreeing_has_its_proof(how: str, proof: Proof, kind: str, method: str) -> None:
    (found,) = consent(how=how, proof=proof)["proof_mechanisms"]
    assert found["proof_type"] == kind
    assert found["proof_data"]["method"] == method
    assert found["proof_data"]["button"] == "1"


@pytest.mark.parametrize(("verified", "word"), [(None, "unknown"), (True, True), (False, False)])
def test_the_agents_word_is_marked_as_checked_or_not(verified: bool | None, word: object) -> None:
    body = consent(how="agent", proof=Proof.AGENT_WORD, verified=verified, evidence={})
    assert body["proof_mechanisms"][0]["proof_data"]["verified"] == word


def test_where_nothing_was_required_consent_is_never_written() -> None:
    body = consent(
        basis=LawfulBasis.LEGITIMATE_INTERESTS,
        answer=Answer.NOT_REQUIRED,
        how="announcement",
        proof=Proof.ANNOUNCED,
    )
    assert body["lawful_basis"] == "legitimate_interests"
    with pytest.raises(InvalidInput, match="was not required"):
        consent(answer=Answer.NOT_REQUIRED)


def test_without_any_proof_none_is_invented() -> None:
    body = consent(how=None, basis=LawfulBasis.CONTRACT, answer=Answer.NOT_REQUIRED)
    assert "proof_mechanisms" not in body
    assert "registry" not in body


def test_an_end_and_a_ledger_address_are_passed_on() -> None:
    assert CONSENT.ledger is not None
    reference = replace(CONSENT.ledger, url="https://askfirst.example/ledger")
    body = consent(expires_at=AT + timedelta(days=30), ledger=reference, notice=None)
    assert body["expiration"] == "2026-12-24T09:30:00.000Z"
    assert body["registry"] == {"type": "askfirst-ledger", "url": "https://askfirst.example/ledger"}
    assert "notice" not in body["metadata"]


REFUSALS = [Answer.REFUSED, Answer.WITHDRAWN, Answer.SILENT, Answer.NOT_ASKED]


@pytest.mark.parametrize("answer", REFUSALS)
def test_without_a_yes_nothing_of_the_conversation_is_passed_on(answer: Answer) -> None:
    document = built(consents=(replace(CONSENT, answer=answer, grants=NO),))
    assert_without_content(document)
    body = document["attachments"][0]["body"]
    assert not any(item["granted"] for item in body["purpose_grants"])
    assert body["metadata"]["answer"] == answer.value
    assert document["dialog"][0]["duration"] == 61.5
    assert document["dialog"][0]["parties"] == [0, 1]


@pytest.mark.parametrize("code", [OutcomeCode.ERASED, OutcomeCode.QUARANTINED])
def test_an_erased_or_quarantined_call_has_no_content(code: OutcomeCode) -> None:
    assert_without_content(built(outcome=Outcome(code, "because")))


def test_an_erased_person_has_no_number() -> None:
    document = built(outcome=Outcome(OutcomeCode.ERASED, "asked for it"))
    assert NUMBER not in json.dumps(document)
    assert document["parties"][1] == {"type": "person", "name": "anonymous"}


def test_without_a_grant_to_transcribe_there_is_no_transcript() -> None:
    for denied in ((YES[0],), (YES[0], Grant(Use.TRANSCRIBE, False, AT))):
        document = built(consents=(replace(CONSENT, grants=denied),))
        assert document["dialog"][0]["type"] == "recording"
        assert "analysis" not in document
        assert WORDS not in json.dumps(document)


def test_of_two_answers_to_one_use_the_no_counts() -> None:
    later_no = Grant(Use.RECORD, False, AT + timedelta(minutes=1))
    document = built(consents=(replace(CONSENT, grants=(*YES, later_no)),))
    assert_without_content(document)


def test_one_contact_who_refuses_is_enough() -> None:
    parties = (*CALL.parties, PartyRecord(Role.CONTACT, "+4722123457"))
    other = replace(CONSENT, party=2, answer=Answer.REFUSED, grants=NO)
    document = built(parties=parties, consents=(CONSENT, other))
    assert_without_content(document)
    assert [item["party"] for item in document["attachments"]] == [1, 2]


@given(st.lists(st.sampled_from(list(Use)), max_size=6), st.sampled_from(list(OutcomeCode)))
def test_content_never_goes_beyond_the_grants(denied: list[Use], code: OutcomeCode) -> None:
    grants = tuple(Grant(use, use not in denied, AT) for use in Use)
    document = built(consents=(replace(CONSENT, grants=grants),), outcome=Outcome(code, "because"))
    gone = code in (OutcomeCode.ERASED, OutcomeCode.QUARANTINED)
    recorded = document["dialog"][0]["type"] == "recording"
    assert recorded == (Use.RECORD not in denied and not gone)
    assert ("analysis" in document) == (recorded and Use.TRANSCRIBE not in denied)


@pytest.mark.parametrize("proof", [Proof.NONE, Proof.ANNOUNCED])
def test_a_consent_that_rests_on_nothing_the_person_did_is_refused(proof: Proof) -> None:
    with pytest.raises(InvalidInput, match="rests on nothing"):
        consent(proof=proof)


@pytest.mark.parametrize("answer", REFUSALS)
def test_a_grant_after_a_no_is_refused(answer: Answer) -> None:
    with pytest.raises(InvalidInput, match="grants something although"):
        consent(answer=answer)


@pytest.mark.parametrize(
    "consents",
    [(), (CONSENT, CONSENT), (replace(CONSENT, party=0),), (CONSENT, replace(CONSENT, party=0))],
    ids=range(4),
)
def test_every_contact_needs_exactly_one_consent(consents: tuple[PartyConsent, ...]) -> None:
    with pytest.raises(InvalidInput, match="exactly one consent for each contact"):
        built(consents=consents)


def test_a_consent_that_says_nothing_is_refused() -> None:
    with pytest.raises(InvalidInput, match="says nothing"):
        consent(grants=())


def test_spoken_words_are_no_evidence_field() -> None:
    with pytest.raises(InvalidInput, match="evidence fields"):
        consent(evidence={"confirmation_text": WORDS})


def test_an_unknown_way_of_agreeing_is_refused() -> None:
    with pytest.raises(InvalidInput, match="how is one of"):
        consent(how="telepathy")


def test_a_call_among_agents_alone_has_no_content_and_no_consent() -> None:
    document = built(parties=CALL.parties[:1], consents=(), history=())
    assert "extensions" not in document
    assert document["dialog"][0]["type"] == "recording-set"


def test_channels_may_be_shared_or_unused() -> None:
    assert CALL.audio is not None
    parties = (*CALL.parties, PartyRecord(Role.AGENT))
    audio = replace(CALL.audio, channels=((0, 2), (), (1,)))
    (dialog,) = built(parties=parties, audio=audio)["dialog"]
    assert dialog["parties"] == [[0, 2], None, 1]
    assert dialog["originator"] == 0


def test_who_began_is_said_only_when_it_is_not_the_first() -> None:
    assert built(originator=1)["dialog"][0]["originator"] == 1
    assert "originator" not in built()["dialog"][0]


def test_audio_elsewhere_is_named_by_address_and_hash() -> None:
    assert CALL.audio is not None
    outside = replace(
        CALL.audio,
        body=None,
        url="https://askfirst.example/rec",
        content_hash=vcon.content_hash(AUDIO),
    )
    (dialog,) = built(audio=outside)["dialog"]
    assert dialog["url"] == "https://askfirst.example/rec"
    assert "body" not in dialog
    vcon.check_content(dialog["content_hash"], AUDIO)
    vcon.check_content(["sha512-other", dialog["content_hash"]], AUDIO)
    for place in range(len(AUDIO)):
        changed = AUDIO[:place] + bytes([AUDIO[place] ^ 1]) + AUDIO[place + 1 :]
        with pytest.raises(Unverified, match="content_hash: expected"):
            vcon.check_content(dialog["content_hash"], changed)
    with pytest.raises(InvalidInput, match="an https address"):
        built(audio=replace(outside, url="http://askfirst.example/rec"))
    with pytest.raises(InvalidInput, match="sha512"):
        built(audio=replace(outside, content_hash="sha512-nonsense"))
    for wrong in (replace(outside, body=AUDIO), replace(outside, url=None)):
        with pytest.raises(InvalidInput, match="either its bytes or an address"):
            built(audio=wrong)


def test_a_content_hash_has_the_published_form() -> None:
    found = vcon.content_hash(b"abc")
    assert unbase64url(found.removeprefix("sha512-")) == hashlib.sha512(b"abc").digest()
    assert len(found) == 7 + 86


def test_a_later_version_names_the_one_before() -> None:
    assert built(replaces=OLDER)["amended"] == {"uuid": OLDER}
    removed = built(
        replaces=OLDER,
        content_removed=True,
        consents=(replace(CONSENT, answer=Answer.WITHDRAWN, grants=NO),),
    )
    assert removed["redacted"] == {"uuid": OLDER, "type": "consent-withdrawn-or-erased"}
    assert "amended" not in removed


@pytest.mark.parametrize(
    "changes",
    [
        {"uuid": "not-a-uuid"},
        {"parties": (CALL.parties[0], PartyRecord(Role.CONTACT, "22 12 34 56"))},
        {"originator": 7},
        {"history": (PartyEvent(1, AT, "keydown"),)},
        {"history": (PartyEvent(1, AT, "join", "1"),)},
        {"history": (PartyEvent(1, AT, "sneezed"),)},
        {"created_at": AT.replace(tzinfo=None)},
        {"replaces": "x"},
    ],
    ids=str,
)
def test_a_record_that_cannot_be_written_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        built(**changes)
