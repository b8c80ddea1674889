"""Reads WebVTT and SubRip (SRT) files as transcripts, strictly: what cannot be read is an error.

A player may skip a block that it does not understand; a transcript with a hole that nobody knows
of is worse than none. Messages name lines, never words. What stands in square brackets alone and
has no speaker ("[music]", our own mark of a gap) describes and is not speech: it is left out.
"""

from __future__ import annotations

import html
import re
from collections.abc import Collection, Iterator

from askfirst.errors import InvalidInput
from askfirst.model import Utterance
from askfirst.spoken import ReadTranscript

MOST_UTTERANCES = 100_000
"""Most utterances of a transcript that are read."""

_TIME = r"(?:(\d{2,4}):)?([0-5]\d):([0-5]\d)[.,](\d{3})"
_TIMES = re.compile(rf"{_TIME}[ \t]*-->[ \t]*{_TIME}(?:[ \t]+\S.*)?[ \t]*", re.ASCII)
_VTT_TAG = re.compile(r"<([^>]*)(?:>|$)")
_VOICE = re.compile(r"v(?:\.\S*)?(?:\s+(.*))?", re.DOTALL)
_SRT_TAG = re.compile(r"</?[a-zA-Z][^<>]*>|\{\\[^{}]*\}")
_NAME = re.compile(r"([^\W\d_][^:<>\[\]]{0,39}):\s+(?=\S)")
_MOST_NAME_WORDS = 4
_DESCRIPTION = re.compile(r"\[[^\[\]]*\]")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{1,8})*")

Block = tuple[int, list[str]]
"""The number of a block's first line, from 1, and its lines."""


def read_webvtt(text: str, speakers: Collection[str] | None = None) -> ReadTranscript:
    """The transcript of a WebVTT file; speakers are its voices.

    In a file without voices a short name before a colon is the speaker, with `speakers` only one
    of these. Raises InvalidInput with the number of the line for anything that is no header,
    comment, style, region or cue.
    """
    blocks = _blocks(text)
    first, head = next(blocks, (1, [""]))
    if first != 1 or not re.fullmatch(r"WEBVTT(?:[ \t].*)?", head[0]):
        raise InvalidInput("WebVTT: line 1: expected WEBVTT")
    language = next(filter(None, map(_language, head[1:])), None)
    if any("-->" in line for line in head):
        raise InvalidInput("WebVTT: line 2: expected an empty line before the first cue")
    has_voices = re.search(r"<v[.\s]", text) is not None
    found: list[Utterance] = []
    for number, lines in blocks:
        if "-->" not in "".join(lines[:2]) and re.match(r"(?:NOTE|STYLE|REGION)(?:\s|$)", lines[0]):
            continue
        start_ms, end_ms, payload = _timed(number, lines, "WebVTT")
        for speaker, said in _voices(payload):
            if not has_voices:
                speaker, said = _named(said, speakers)
            _add(found, speaker, start_ms, end_ms, said)
    return ReadTranscript(language, tuple(found))


def read_srt(text: str, speakers: Collection[str] | None = None) -> ReadTranscript:
    """The transcript of an SRT file; a short name before a colon is the speaker.

    With `speakers` only one of these is. Raises InvalidInput with the number of the line for a
    block that has no times.
    """
    found: list[Utterance] = []
    for number, lines in _blocks(text):
        start_ms, end_ms, payload = _timed(number, lines, "SRT")
        speaker, said = _named(" ".join(_SRT_TAG.sub("", payload).split()), speakers)
        _add(found, speaker, start_ms, end_ms, said)
    return ReadTranscript(None, tuple(found))


def _blocks(text: str) -> Iterator[Block]:
    """Lines between empty lines."""
    plain = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    first, lines = 1, list[str]()
    for number, line in enumerate(plain.replace("\0", "\ufffd").split("\n"), 1):
        if line.strip(" \t"):
            if not lines:
                first = number
            lines.append(line)
        elif lines:
            yield first, lines
            lines = []
    if lines:
        yield first, lines


def _timed(number: int, lines: list[str], kind: str) -> tuple[int, int, str]:
    """Start, end and payload of a cue, whose first line may be its name or number."""
    at = 0 if "-->" in lines[0] else 1
    match = _TIMES.fullmatch(lines[at].strip(" \t")) if len(lines) > at else None
    if match is None:
        raise InvalidInput(
            f"{kind}: line {number}: expected a cue with times such as {_example(kind)}"
        )
    if any("-->" in line for line in lines[at + 1 :]):
        raise InvalidInput(f"{kind}: line {number}: expected an empty line before the next cue")
    hours, minutes, seconds, thousandths, *end = match.groups()
    start_ms = _ms(hours, minutes, seconds, thousandths)
    end_ms = _ms(*end)
    if end_ms < start_ms:
        raise InvalidInput(f"{kind}: line {number + at}: the cue ends before it begins")
    return start_ms, end_ms, "\n".join(lines[at + 1 :])


def _example(kind: str) -> str:
    point = "." if kind == "WebVTT" else ","
    return f"00:00:01{point}000 --> 00:00:02{point}500"


def _ms(hours: str | None, minutes: str, seconds: str, thousandths: str) -> int:
    whole = (int(hours or 0) * 60 + int(minutes)) * 60 + int(seconds)
    return whole * 1000 + int(thousandths)


def _voices(payload: str) -> Iterator[tuple[str, str]]:
    """Speakers and texts of a cue in order; tags other than voices are left out."""
    speaker, at, text = "", 0, ""
    for tag in _VTT_TAG.finditer(payload):
        text += payload[at : tag.start()]
        at = tag.end()
        voice = _VOICE.fullmatch(tag[1])
        if voice is not None or tag[1] == "/v":
            yield speaker, _unescaped(text)
            speaker, text = _unescaped((voice[1] or "") if voice else ""), ""
    yield speaker, _unescaped(text + payload[at:])


def _unescaped(text: str) -> str:
    return " ".join(html.unescape(text).split())


def _named(said: str, speakers: Collection[str] | None) -> tuple[str, str]:
    """The speaker that a text names before a colon, and the text without."""
    match = _NAME.match(said)
    if match is None:
        return "", said
    name = match[1].strip()
    fits = len(name.split()) <= _MOST_NAME_WORDS if speakers is None else name in speakers
    return (name, said[match.end() :]) if fits else ("", said)


def _add(found: list[Utterance], speaker: str, start_ms: int, end_ms: int, said: str) -> None:
    if not said or (not speaker and _DESCRIPTION.fullmatch(said)):
        return
    if len(found) == MOST_UTTERANCES:
        raise InvalidInput(f"found more than {MOST_UTTERANCES} utterances; part the transcript")
    found.append(Utterance(speaker, start_ms, end_ms, said))


def _language(line: str) -> str | None:
    name, _, value = line.partition(":")
    value = value.strip()
    return value if name == "Language" and _LANGUAGE.fullmatch(value) else None
