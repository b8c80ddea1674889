"""The words of a recording as files: written in four formats, and read from any that we know.

Times in a file are either call time, since the answer, as everywhere, or file time, since the start
of the sound file, in which gaps of the recording take no time. Speakers in files are `agent` and
`contact`. Nothing is ever read in for a moment of which no sound was kept: nobody agreed to that.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from enum import StrEnum

from askfirst.errors import InvalidInput, InvalidRequest
from askfirst.model import Role, Utterance, Word
from askfirst.server.sealing import Stretch
from askfirst.spoken import Span, merged, recorded
from askfirst.subtitles import to_document, to_srt, to_text, to_webvtt
from askfirst.transcriptread import read_transcript

MOST_BYTES = 10 * 1024 * 1024
"""Largest file that is read in."""

MOST_LINES = 20_000
"""Most utterances that are read in: several times what people say in a long call."""

TOLERANCE_MS = 1_000
"""How much of an utterance may lie outside of what was recorded; it is cut off."""

SPEAKERS = (Role.AGENT.value, Role.CONTACT.value)


class Format(StrEnum):
    """As what words are written."""

    JSON = "json"
    WEBVTT = "vtt"
    SRT = "srt"
    TEXT = "text"


class Times(StrEnum):
    """From when times count: the answer of the call, or the start of the sound file."""

    CALL = "call"
    FILE = "file"


MEDIA_TYPES = {
    Format.JSON: "application/json",
    Format.WEBVTT: "text/vtt; charset=utf-8",
    Format.SRT: "application/x-subrip; charset=utf-8",
    Format.TEXT: "text/plain; charset=utf-8",
}
ENDINGS = {Format.JSON: "json", Format.WEBVTT: "vtt", Format.SRT: "srt", Format.TEXT: "txt"}


def document(
    said: Sequence[Utterance], stretches: Sequence[Stretch], language: str, times: Times
) -> dict[str, object]:
    """Words in our own JSON format, with the gaps of the recording where times are call time."""
    timed, gaps = _timed(said, stretches, times)
    return to_document(timed, gaps, language=language)


def written(
    said: Sequence[Utterance],
    stretches: Sequence[Stretch],
    language: str,
    format_: Format,
    times: Times,
    *,
    gap_text: str = "not recorded",
) -> bytes:
    """Words as a file in UTF-8; `gap_text` is what stands where the recording has a gap."""
    timed, gaps = _timed(said, stretches, times)
    match format_:
        case Format.WEBVTT:
            text = to_webvtt(timed, gaps, gap_text=gap_text, language=language)
        case Format.SRT:
            text = to_srt(timed, gaps, gap_text=gap_text)
        case Format.TEXT:
            text = to_text(timed, gaps, gap_text=gap_text)
        case Format.JSON:
            text = json.dumps(document(said, stretches, language, times), ensure_ascii=False)
    return text.encode()


def read(
    raw: bytes, stretches: Sequence[Stretch], times: Times, ours: str | None = None
) -> list[Utterance]:
    """A file in any format of `transcriptread` as utterances in call time, in order.

    `ours` is what the file calls our side; everybody else in it is the contact. Without it the
    file has no speakers but `agent` and `contact`. Raises InvalidInput for what is no transcript or
    has nothing in it, InvalidRequest (`ours`) where it is not known who speaks, InvalidInput for
    words of a time that was not recorded, the contact's during a notice too.
    """
    if len(raw) > MOST_BYTES:
        raise InvalidInput(f"found {len(raw)} bytes; a transcript has at most {MOST_BYTES}")
    found = [each for each in read_transcript(raw).utterances if each.text.strip()]
    if not found:
        raise InvalidInput("found no words in this file; choose another one")
    if len(found) > MOST_LINES:
        raise InvalidInput(f"found {len(found)} lines; a transcript has at most {MOST_LINES}")
    roles = _roles({each.speaker for each in found}, ours)
    at = _call_time(stretches) if times is Times.FILE else None
    heard = {
        role: merged(
            Span(each.from_ms, each.to_ms)
            for each in stretches
            if each.kind == "open" or role == Role.AGENT.value
        )
        for role in SPEAKERS
    }
    placed = []
    for number, each in enumerate(found, 1):
        role = roles[each.speaker]
        utterance = replace(each, speaker=role, text=" ".join(each.text.split()))
        placed.append(_cut(_moved(utterance, at) if at else utterance, heard[role], number))
    return sorted(placed, key=lambda each: (each.start_ms, each.end_ms))


def _roles(names: set[str], ours: str | None) -> dict[str, str]:
    if ours is not None and ours.strip():
        wanted = " ".join(ours.split()).casefold()
        found = {
            name: SPEAKERS[0 if " ".join(name.split()).casefold() == wanted else 1]
            for name in names
        }
        if SPEAKERS[0] not in found.values():
            raise InvalidRequest(
                "ours: nobody in this file has that name; write it as it stands there", key="ours"
            )
    else:
        found = {name: name.strip().casefold() for name in names}
    if "" in map(str.strip, names) or not set(found.values()) <= set(SPEAKERS):
        raise InvalidRequest(
            f"ours: found {len(names)} speakers that are not called agent and contact, or words "
            "without a speaker; name the one who is on your side as the file names them",
            key="ours",
        )
    return found


def _cut(utterance: Utterance, heard: Sequence[Span], number: int) -> Utterance:
    """The utterance within what was heard of its speaker, to `TOLERANCE_MS`."""
    inside = [
        Span(max(span.from_ms, utterance.start_ms), min(span.to_ms, utterance.end_ms))
        for span in heard
        if span.from_ms <= utterance.end_ms and utterance.start_ms <= span.to_ms
    ]
    kept_ms = sum(span.length_ms for span in inside)
    if not inside or utterance.end_ms - utterance.start_ms - kept_ms > TOLERANCE_MS:
        raise InvalidInput(
            f"line {number} lies at {utterance.start_ms} to {utterance.end_ms} ms of the call, "
            "where nothing of its speaker was recorded; look at from when its times count"
        )
    first, last = inside[0].from_ms, inside[-1].to_ms
    words = tuple(
        Word(
            word.text,
            min(max(word.start_ms, first), last),
            min(max(word.end_ms, first), last),
            word.confidence,
        )
        for word in utterance.words
    )
    return replace(utterance, start_ms=first, end_ms=last, words=words)


def _timed(
    said: Sequence[Utterance], stretches: Sequence[Stretch], times: Times
) -> tuple[list[Utterance], list[Span]]:
    """Utterances on a clock, and the gaps that there are on it."""
    if times is Times.FILE:
        at = _file_time(stretches)
        return [_moved(each, at) for each in said], []
    if not stretches:
        return list(said), []
    kept = [Span(each.from_ms, each.to_ms) for each in stretches]
    whole = (min(span.from_ms for span in kept), max(span.to_ms for span in kept))
    return list(said), list(recorded(*whole, kept))


def _moved(utterance: Utterance, at: Callable[[int], int]) -> Utterance:
    words = tuple(
        Word(word.text, at(word.start_ms), at(word.end_ms), word.confidence)
        for word in utterance.words
    )
    start_ms, end_ms = at(utterance.start_ms), at(utterance.end_ms)
    return replace(utterance, start_ms=start_ms, end_ms=end_ms, words=words)


def _file_time(stretches: Sequence[Stretch]) -> Callable[[int], int]:
    def at(call_ms: int) -> int:
        ended = 0
        for each in stretches:
            if call_ms < each.from_ms:
                return each.file_ms
            if call_ms < each.to_ms:
                return each.file_ms + call_ms - each.from_ms
            ended = each.file_ms + each.to_ms - each.from_ms
        return ended

    return at


def _call_time(stretches: Sequence[Stretch]) -> Callable[[int], int]:
    def at(file_ms: int) -> int:
        found = file_ms
        for each in stretches:
            if file_ms >= each.file_ms:
                found = each.from_ms + file_ms - each.file_ms
        return found

    return at
