"""Transcripts of other programs: read as they are meant, refused where they are not whole."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.talking import MODEST

from askfirst.errors import InvalidInput
from askfirst.model import Utterance, Word
from askfirst.subtitleread import read_srt, read_webvtt
from askfirst.transcriptread import read_json, read_transcript

VTT = """\ufeffWEBVTT - a call
Kind: captions
Language: en-GB

NOTE made by hand
with two lines

STYLE
::cue { color: red }

1
00:01.000 --> 00:02.000 line:0 position:20%
<v.loud Anna Berg>Good <b>morning</b> &amp; hello</v>

second
01:00:02.500-->01:00:03.000
<v Anna>Fine?</v> <v Bo>Yes, <00:00:02.800>fine &lt;3

01:00:04.000 --> 01:00:05.000
[music]
"""


def test_webvtt_of_others_is_read_with_voices_and_without_markup() -> None:
    found = read_webvtt(VTT)
    assert found.language == "en-GB"
    assert found.utterances == (
        Utterance("Anna Berg", 1_000, 2_000, "Good morning & hello"),
        Utterance("Anna", 3_602_500, 3_603_000, "Fine?"),
        Utterance("Bo", 3_602_500, 3_603_000, "Yes, fine <3"),
    )
    assert read_webvtt(VTT.replace("\n", "\r\n")) == found
    assert read_webvtt(VTT.replace("\n", "\r")) == found


def test_what_follows_the_end_of_a_voice_has_no_speaker() -> None:
    text = "WEBVTT\n\n00:01.000 --> 00:02.000\n<v Anna>Hello</v> somebody else\n"
    assert read_webvtt(text).utterances == (
        Utterance("Anna", 1_000, 2_000, "Hello"),
        Utterance("", 1_000, 2_000, "somebody else"),
    )


def test_a_name_before_a_colon_is_the_speaker_where_there_are_no_voices() -> None:
    text = "WEBVTT\n\n00:01.000 --> 00:02.000\nAnna Berg: Note: it is 10:30\n"
    assert read_webvtt(text).utterances == (
        Utterance("Anna Berg", 1_000, 2_000, "Note: it is 10:30"),
    )
    assert read_webvtt(text, ["Bo"]).utterances[0].speaker == ""


SRT = """1
00:00:01,000 --> 00:00:02,000
{\\an8}<i>Anna:</i> Hello
there

2
00:00:02,500 --> 00:00:03.000
it is 10:30

3
00:00:04,000 --> 00:00:05,000
(one two three four five: six)
"""


def test_srt_of_others_is_read() -> None:
    found = read_srt(SRT)
    assert found.language is None
    assert found.utterances == (
        Utterance("Anna", 1_000, 2_000, "Hello there"),
        Utterance("", 2_500, 3_000, "it is 10:30"),
        Utterance("", 4_000, 5_000, "(one two three four five: six)"),
    )


WTF: dict[str, Any] = {
    "transcript": {"text": "Hi. Yes", "language": "en-US", "duration": 3.0, "confidence": 0.9},
    "segments": [
        {
            "id": 0,
            "start": 0.5,
            "end": 1.25,
            "text": " Hi. ",
            "confidence": 0.9,
            "speaker": 0,
            "words": [0, 1],
        },
        {"id": 1, "start": 2, "end": 3, "text": "Yes", "confidence": 0.9, "speaker": "B"},
        {"id": 2, "start": 3, "end": 3, "text": "…", "confidence": 0.1},
    ],
    "metadata": {"created_at": "2026-01-02T12:00:00Z", "provider": "whisper", "model": "base"},
    "words": [
        {"id": 0, "start": 0.5, "end": 1.2, "text": "Hi", "confidence": 0.8, "speaker": 0},
        {"id": 1, "start": 1.2, "end": 1.25, "text": ".", "is_punctuation": True},
    ],
    "speakers": {"0": {"id": 0, "label": "Agent", "segments": [0], "total_time": 0.75}},
}


def test_world_transcription_format_is_read_alone_and_in_a_vcon() -> None:
    found = read_json(WTF)
    assert found.language == "en-US"
    assert found.utterances == (
        Utterance("Agent", 500, 1_250, "Hi."),
        Utterance("B", 2_000, 3_000, "Yes"),
        Utterance("", 3_000, 3_000, "…"),
    )
    assert found.utterances[0].words == (Word("Hi.", 500, 1_200, 0.8),)
    analysis = {"type": "wtf_transcription", "encoding": "json", "body": WTF}
    assert read_json(analysis) == found
    assert read_json(analysis | {"body": json.dumps(WTF)}) == found
    assert read_json({"uuid": "x", "analysis": [{"type": "summary"}, analysis]}) == found


HUBSPOT: dict[str, Any] = {
    "engagementId": 21,
    "transcriptCreateUtterances": [
        {
            "speaker": {"id": 11, "name": "Anna", "email": "anna@example.com"},
            "text": "Hello.  How are you?",
            "languageCode": "en-US",
            "startTimeMillis": 1980,
            "endTimeMillis": 2090,
        },
        {
            "speaker": {"id": "12"},
            "text": "Good",
            "languageCode": "en-US",
            "startTimeMillis": 2090,
            "endTimeMillis": 3450,
        },
    ],
}


def test_hubspots_transcripts_are_read_both_ways() -> None:
    found = read_json(HUBSPOT)
    assert found.language == "en-US"
    assert found.utterances == (
        Utterance("Anna", 1_980, 2_090, "Hello. How are you?"),
        Utterance("12", 2_090, 3_450, "Good"),
    )
    back = {
        "id": "9",
        "transcriptSource": "HUBSPOT_GENERATED",
        "transcriptUtterances": [
            each | {"id": "u", "speaker": "AGENT"} for each in HUBSPOT["transcriptCreateUtterances"]
        ],
    }
    assert [each.speaker for each in read_json(back).utterances] == ["AGENT", "AGENT"]
    mixed = json.loads(json.dumps(HUBSPOT))
    del mixed["transcriptCreateUtterances"][0]["languageCode"]
    assert read_json(mixed).language is None


def test_the_format_is_told_from_the_content() -> None:
    assert read_transcript(VTT.encode()) == read_webvtt(VTT)
    assert read_transcript(SRT.encode()) == read_srt(SRT)
    assert read_transcript(json.dumps(WTF).encode()) == read_json(WTF)
    assert read_transcript(json.dumps(HUBSPOT).encode("utf-8-sig")) == read_json(HUBSPOT)


def changed(document: dict[str, Any], *path: Any, to: Any) -> bytes:
    copy = json.loads(json.dumps(document))
    inner = copy
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = to
    return json.dumps(copy).encode()


CUES = "WEBVTT\n\n"
UTTERANCES = "transcriptCreateUtterances"


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"", "found no transcript"),
        (b"just some words", "found no transcript"),
        (b"\xff\xfe", "not UTF-8"),
        (b"{", "begins like JSON"),
        (b"[" * 100_000, "begins like JSON"),
        (b"[]", "document: expected an object"),
        (b"{}", "none of the keys"),
        (b'{"format": "askfirst-transcript", "version": 2}', "version 1"),
        (b'{"format": "askfirst-transcript", "version": 1}', "utterances: expected a list"),
        (b"WEBVTTX", "line 1: expected WEBVTT"),
        (b"WEBVTT\n00:01.000 --> 00:02.000\nx", "line 2: expected an empty line"),
        (f"{CUES}00:01.000 --> 00:02.000 x\nx\n00:03.000 --> 00:04.000\ny".encode(), "line 3"),
        (f"{CUES}lost words".encode(), "line 3: expected a cue with times"),
        (f"{CUES}a\nb\n00:01.000 --> 00:02.000".encode(), "line 3: expected a cue"),
        (f"{CUES}00:02.000 --> 00:01.000\nx".encode(), "line 3: the cue ends before"),
        (f"{CUES}00:61.000 --> 00:62.000\nx".encode(), "line 3"),
        (b"1\n00:00:01 --> 00:00:02\nx", "SRT: line 1: expected a cue"),
        (b"1\n00:00:01,000 --> 00:00:02,000\nx\n\ny --> z", "SRT: line 5"),
        (changed(WTF, "segments", to=None), "segments: expected a list"),
        (changed(WTF, "segments", to=["x"]), r"segments\[0\]: expected an object"),
        (changed(WTF, "transcript", to=[]), "transcript: expected an object"),
        (changed(WTF, "transcript", "language", to="not a tag"), "transcript.language"),
        (changed(WTF, "segments", 0, "start", to="0"), r"segments\[0\].start: expected a number"),
        (changed(WTF, "segments", 0, "start", to=True), r"segments\[0\].start: expected a number"),
        (changed(WTF, "segments", 0, "start", to=-1), r"segments\[0\].start: expected a time"),
        (changed(WTF, "segments", 0, "end", to=10**400), r"segments\[0\].end: expected a time"),
        (changed(WTF, "segments", 0, "end", to=float("nan")), r"segments\[0\].end"),
        (changed(WTF, "segments", 0, "end", to=float("inf")), r"segments\[0\].end"),
        (changed(WTF, "segments", 0, "end", to=0.1), r"segments\[0\]: it ends before"),
        (changed(WTF, "segments", 0, "text", to=5), r"segments\[0\].text: expected a text"),
        (changed(WTF, "segments", 0, "text", to="\ud800"), "surrogate"),
        (changed(WTF, "segments", 0, "words", to=[7]), "a number that no word has"),
        (changed(WTF, "segments", 0, "words", to={}), r"words: expected a list"),
        (changed(WTF, "segments", 0, "speaker", to=[]), r"segments\[0\].speaker"),
        (changed(WTF, "words", 0, "id", to="0"), r"words\[0\].id: expected a whole number"),
        (changed(WTF, "words", 0, "confidence", to=2), r"confidence: expected a number from 0"),
        (changed(WTF, "speakers", to=[]), "speakers: expected an object"),
        (b'{"analysis": []}', "found 0 analyses"),
        (changed(HUBSPOT, UTTERANCES, to={}), "expected a list"),
        (changed(HUBSPOT, UTTERANCES, 0, "speaker", to=None), "speaker: expected an object"),
        (changed(HUBSPOT, UTTERANCES, 1, "speaker", to={}), "speaker.id: expected a whole number"),
        (changed(HUBSPOT, UTTERANCES, 0, "endTimeMillis", to=0), "ends before it begins"),
        (changed(HUBSPOT, UTTERANCES, 0, "languageCode", to="!"), "languageCode"),
    ],
    ids=range(43),
)
def test_what_is_not_whole_is_refused_with_its_place(raw: bytes, says: str) -> None:
    with pytest.raises(InvalidInput, match=says):
        read_transcript(raw)


def test_no_message_repeats_what_was_said() -> None:
    for raw in (
        f"{CUES}secretword".encode(),
        b"1\nsecretword --> secretword",
        changed(WTF, "segments", 0, "words", to=["secretword"]),
        changed(WTF, "transcript", "language", to="secretword!"),
    ):
        with pytest.raises(InvalidInput) as refused:
            read_transcript(raw)
        assert "secretword" not in str(refused.value)


pieces = st.sampled_from(
    [
        *(
            "WEBVTT",
            "\n",
            "\n\n",
            "\r\n",
            "\ufeff",
            "\0",
            "1",
            "00:00:01.000",
            "00:02,000",
            " --> ",
        ),
        *("<v Anna>", "<v", "</v>", "<", ">", "&amp;", "&#0;", "&#xD800;", "&", "NOTE", "STYLE"),
        *("Language: en", "Anna: ", "[x]", "{\\an8}", "<i>", "99999:00:00.000", "hello", "-->"),
        *("{", "}", "[", "]", '"', ":", ",", "\u2028", "é", "1e999", "null", "segments"),
    ]
)


@settings(MODEST, max_examples=400)
@given(st.one_of(st.lists(pieces, max_size=30).map("".join), st.text(max_size=200)))
def test_any_text_is_a_transcript_or_refused(text: str) -> None:
    raw = text.encode("utf-8", "surrogatepass")
    for read in (read_webvtt, read_srt):
        try:
            found = read(text)
        except InvalidInput:
            continue
        assert all(0 <= each.start_ms <= each.end_ms for each in found.utterances)
    for whole in (raw, b"WEBVTT\n\n" + raw, b"1\n00:00:01,000 --> 00:00:02,000\n" + raw):
        try:
            read_transcript(whole)
        except InvalidInput:
            continue


@settings(MODEST, max_examples=300)
@given(st.binary(max_size=200))
def test_any_bytes_are_a_transcript_or_refused(raw: bytes) -> None:
    try:
        read_transcript(raw)
    except InvalidInput:
        return


odd = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
OWN: dict[str, Any] = {
    "format": "askfirst-transcript",
    "version": 1,
    "language": "en",
    "utterances": [
        {
            "speaker": "agent",
            "start_ms": 0,
            "end_ms": 5,
            "text": "Hi",
            "words": [{"text": "Hi", "start_ms": 0, "end_ms": 5, "confidence": 1.0}],
        }
    ],
    "gaps": [{"from_ms": 5, "to_ms": 9}],
}


def places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where something stands in a document."""
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    found = [at] if at else []
    if isinstance(value, dict | list):
        for key, each in inner:
            found += places(each, (*at, key)) if isinstance(each, dict | list) else [(*at, key)]
    return found


@settings(MODEST, max_examples=400)
@given(st.data())
def test_a_document_with_any_part_changed_is_read_or_refused(data: st.DataObject) -> None:
    document = data.draw(st.sampled_from([WTF, HUBSPOT, OWN]))
    path = data.draw(st.sampled_from(places(document)))
    copy = json.loads(changed(document, *path, to=None))
    inner = copy
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = data.draw(odd)
    try:
        found = read_json(copy)
    except InvalidInput:
        return
    for each in found.utterances:
        assert 0 <= each.start_ms <= each.end_ms
        each.text.encode()
        each.speaker.encode()
