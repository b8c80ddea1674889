"""Reads transcripts of other programs: our own JSON, World Transcription Format, HubSpot's.

World Transcription Format: draft-howe-vcon-wtf-extension-02, alone or as the analysis of a vCon.
HubSpot: the calling extension's transcripts, as they are sent (`transcriptCreateUtterances`) and
as they come back (`transcriptUtterances`). Messages name fields, never words. A transcript says
what was said; whether it may be kept and analysed is decided elsewhere.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence

from askfirst.errors import InvalidInput
from askfirst.model import Utterance, Word
from askfirst.spoken import ReadTranscript, Span
from askfirst.subtitleread import MOST_UTTERANCES, read_srt, read_webvtt
from askfirst.subtitles import FORMAT, VERSION

MOST_BYTES = 50 * 1024 * 1024
"""Largest file that is read."""

LONGEST_MS = 100 * 24 * 3_600_000
"""Latest time of a word: a hundred days."""

_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{1,8})*")
_WTF = "wtf_transcription"


def read_transcript(raw: bytes) -> ReadTranscript:
    """A transcript in any of the formats, told from its content; text is UTF-8.

    Raises InvalidInput where it is in none of them, too large, or not as its format has it.
    """
    if len(raw) > MOST_BYTES:
        raise InvalidInput(f"found {len(raw)} bytes; a transcript has at most {MOST_BYTES}")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInput("found a file that is not UTF-8; save it as UTF-8") from error
    if text.startswith("WEBVTT"):
        return read_webvtt(text)
    if text.lstrip()[:1] in ("{", "["):
        return read_json(_load(text))
    if "-->" in text:
        return read_srt(text)
    raise InvalidInput(
        "found no transcript; expected WebVTT, SRT, or JSON of askfirst, "
        "World Transcription Format or HubSpot"
    )


def read_json(document: object) -> ReadTranscript:
    """A transcript in one of the JSON formats, told from its keys; raises InvalidInput."""
    found = _object(document, "document")
    if found.get("format") == FORMAT:
        return read_document(found)
    if "transcriptCreateUtterances" in found or "transcriptUtterances" in found:
        return read_hubspot(found)
    if "segments" in found or "analysis" in found or found.get("type") == _WTF:
        return read_wtf(found)
    raise InvalidInput(
        f"found JSON with none of the keys format: {FORMAT}, segments, analysis, "
        "transcriptCreateUtterances, transcriptUtterances"
    )


def read_document(document: object) -> ReadTranscript:
    """A transcript in our own format (`askfirst.subtitles.to_document`); raises InvalidInput."""
    found = _object(document, "document")
    if found.get("format") != FORMAT or found.get("version") != VERSION:
        raise InvalidInput(f"expected format {FORMAT}, version {VERSION}")
    utterances = tuple(
        Utterance(
            _text(each.get("speaker"), f"{where}.speaker"),
            *_times(each, "start_ms", "end_ms", where),
            _text(each.get("text"), f"{where}.text"),
            tuple(
                Word(
                    _text(word.get("text"), f"{inner}.text"),
                    *_times(word, "start_ms", "end_ms", inner),
                    _confidence(word, inner),
                )
                for word, inner in _items(each, "words", where)
            ),
        )
        for each, where in _items(found, "utterances")
    )
    gaps = tuple(
        Span(*_times(each, "from_ms", "to_ms", where)) for each, where in _items(found, "gaps")
    )
    return ReadTranscript(_language(found.get("language"), "language"), utterances, gaps)


def read_wtf(document: object) -> ReadTranscript:
    """A transcript in World Transcription Format: its body, the analysis around it, or a vCon.

    A speaker is called by the label that the document has for it. Words that are punctuation
    join the word before. Raises InvalidInput, also for a vCon with other than one such analysis.
    """
    body = _wtf_body(_object(document, "document"))
    head = _object(body.get("transcript"), "transcript")
    labels = _labels(body.get("speakers"))
    words = {
        _number(word.get("id", at), f"{where}.id"): (word, where)
        for at, (word, where) in enumerate(_items(body, "words", missing=True))
    }
    utterances = []
    for each, where in _items(body, "segments"):
        start_ms, end_ms = _times(each, "start", "end", where, unit=1000)
        utterances.append(
            Utterance(
                _speaker(each, labels, where),
                start_ms,
                end_ms,
                _line(each.get("text"), f"{where}.text"),
                _wtf_words(each, words, where),
            )
        )
    return ReadTranscript(_language(head.get("language"), "transcript.language"), tuple(utterances))


def read_hubspot(document: object) -> ReadTranscript:
    """A transcript as HubSpot takes and gives it; a speaker is called by name, else by id.

    Mail addresses are not read. Raises InvalidInput.
    """
    found = _object(document, "document")
    key = next((key for key in _HUBSPOT_KEYS if key in found), _HUBSPOT_KEYS[0])
    utterances, languages = [], set()
    for each, where in _items(found, key):
        utterances.append(
            Utterance(
                _hubspot_speaker(each.get("speaker"), f"{where}.speaker"),
                *_times(each, "startTimeMillis", "endTimeMillis", where),
                _line(each.get("text"), f"{where}.text"),
            )
        )
        languages.add(_language(each.get("languageCode"), f"{where}.languageCode"))
    return ReadTranscript(
        languages.pop() if len(languages) == 1 else None,
        tuple(utterances),
    )


_HUBSPOT_KEYS = ("transcriptCreateUtterances", "transcriptUtterances")


def _load(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidInput("found text that begins like JSON and is none") from error


def _wtf_body(found: Mapping[str, object]) -> Mapping[str, object]:
    if "analysis" in found:
        every = [each for each, _ in _items(found, "analysis") if each.get("type") == _WTF]
        if len(every) != 1:
            raise InvalidInput(f"vCon: found {len(every)} analyses of type {_WTF}; expected one")
        found = every[0]
    if found.get("type") != _WTF:
        return found
    body = found.get("body", found.get("content"))
    return _object(_load(body) if isinstance(body, str) else body, "body")


def _wtf_words(
    segment: Mapping[str, object],
    words: Mapping[int, tuple[Mapping[str, object], str]],
    where: str,
) -> tuple[Word, ...]:
    listed = segment.get("words", [])
    if not isinstance(listed, list):
        raise InvalidInput(f"{where}.words: expected a list of numbers")
    found: list[Word] = []
    for each in listed:
        number = _number(each, f"{where}.words")
        if number not in words:
            raise InvalidInput(f"{where}.words: found a number that no word has")
        word, inner = words[number]
        text = _line(word.get("text"), f"{inner}.text")
        start_ms, end_ms = _times(word, "start", "end", inner, unit=1000)
        if word.get("is_punctuation") is True and found:
            last = found[-1]
            found[-1] = Word(last.text + text, last.start_ms, last.end_ms, last.confidence)
        elif text:
            found.append(Word(text, start_ms, end_ms, _confidence(word, inner)))
    return tuple(found)


def _labels(speakers: object) -> dict[str, str]:
    if speakers is None:
        return {}
    found = {}
    for key, value in _object(speakers, "speakers").items():
        label = _object(value, f"speakers.{key}").get("label")
        if label is not None and (text := _line(label, f"speakers.{key}.label")):
            found[key] = text
    return found


def _speaker(segment: Mapping[str, object], labels: Mapping[str, str], where: str) -> str:
    speaker = segment.get("speaker")
    if speaker is None:
        return ""
    return labels.get(str(speaker)) or _identity(speaker, f"{where}.speaker")


def _hubspot_speaker(speaker: object, where: str) -> str:
    if isinstance(speaker, str):
        return _line(speaker, where)
    found = _object(speaker, where)
    name = found.get("name")
    named = "" if name is None else _line(name, f"{where}.name")
    return named or _identity(found.get("id"), f"{where}.id")


def _identity(value: object, where: str) -> str:
    return _line(value, where) if isinstance(value, str) else str(_number(value, where))


def _object(value: object, where: str) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise InvalidInput(f"{where}: expected an object")
    return value


def _items(
    found: Mapping[str, object], key: str, within: str = "", *, missing: bool = False
) -> Sequence[tuple[Mapping[str, object], str]]:
    """The objects of a list and where each stands; `missing` allows that there is no list."""
    where = f"{within}.{key}" if within else key
    value = found.get(key, [] if missing else None)
    if not isinstance(value, list):
        raise InvalidInput(f"{where}: expected a list")
    if len(value) > MOST_UTTERANCES * (10 if missing else 1):
        raise InvalidInput(f"{where}: found {len(value)} items; part the transcript")
    return [(_object(each, f"{where}[{at}]"), f"{where}[{at}]") for at, each in enumerate(value)]


def _text(value: object, where: str) -> str:
    if not isinstance(value, str):
        raise InvalidInput(f"{where}: expected a text")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise InvalidInput(f"{where}: found half a surrogate pair") from error
    return value


def _line(value: object, where: str) -> str:
    """A text on one line."""
    return " ".join(_text(value, where).split())


def _number(value: object, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidInput(f"{where}: expected a whole number")
    return value


def _times(
    found: Mapping[str, object], first: str, last: str, where: str, *, unit: int = 1
) -> tuple[int, int]:
    """Start and end in milliseconds; `unit` is how many of these the document's unit has."""
    start_ms, end_ms = (_time(found.get(key), f"{where}.{key}", unit) for key in (first, last))
    if end_ms < start_ms:
        raise InvalidInput(f"{where}: it ends before it begins")
    return start_ms, end_ms


def _time(value: object, where: str, unit: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidInput(f"{where}: expected a number")
    if not 0 <= value * unit <= LONGEST_MS:  # neither is what is no number
        raise InvalidInput(f"{where}: expected a time from 0 to a hundred days")
    return round(value * unit)


def _confidence(found: Mapping[str, object], where: str) -> float:
    value = found.get("confidence", 1.0)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise InvalidInput(f"{where}.confidence: expected a number from 0 to 1")
    return float(value)


def _language(value: object, where: str) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not _LANGUAGE.fullmatch(value):
        raise InvalidInput(f"{where}: expected a language tag such as en-US")
    return value
