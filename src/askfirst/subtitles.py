"""A transcript as subtitles and as a document: WebVTT, SubRip (SRT), plain text and JSON.

Subtitles have at most `LINES` lines of `LINE` characters. Their times are those of the words:
nothing is shown longer than it was said. Gaps of the recording are marked, because silence there
means something else. What these write, `subtitleread` and `transcriptread` read.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from askfirst.errors import InvalidInput
from askfirst.model import Utterance
from askfirst.spoken import Span, SpokenWord, merged, words_of

LINE = 42
"""Most characters of a line (the usual limit for subtitles in Latin script)."""

LINES = 2
"""Most lines of a cue."""

LONGEST_MS = 7_000
"""A cue is parted where its next word would end later than this after its start."""

LONGEST_NAME = 20
"""Characters of a speaker's name in SRT, where it takes room from the words; the rest is cut."""

FORMAT = "askfirst-transcript"
VERSION = 1

_SENTENCE_ENDS = (".", "?", "!", "…")


@dataclass(frozen=True, slots=True)
class Cue:
    """What is shown from `start_ms` to `end_ms`; `speaker` is None for a gap."""

    start_ms: int
    end_ms: int
    speaker: str | None
    lines: tuple[str, ...]


def cues(
    said: Iterable[Utterance],
    gaps: Iterable[Span] = (),
    *,
    gap_text: str = "not recorded",
    indent: Mapping[str, int] | None = None,
) -> list[Cue]:
    """A transcript in cues, by time; those of two speakers may overlap as their words do.

    `gap_text` stands in brackets. `indent` keeps characters of the first line free for a speaker.
    A cue ends at least a millisecond after its start. Raises InvalidInput for a time below 0.
    """
    found = []
    for utterance in said:
        first = LINE - (indent or {}).get(utterance.speaker, 0)
        for words in _parted(_fitting(utterance, first), first):
            found.append(_cue(utterance.speaker, words, first))
    for gap in merged(gaps):
        lines = _broken([f"[{_clean(gap_text)}]"], LINE)[:LINES]
        found.append(Cue(gap.from_ms, gap.to_ms, None, tuple(lines)))
    for cue in found:
        if cue.start_ms < 0:
            raise InvalidInput(f"found words at {cue.start_ms} ms; subtitles begin at 0")
    return sorted(found, key=lambda cue: (cue.start_ms, cue.end_ms, cue.speaker or ""))


def to_webvtt(
    said: Iterable[Utterance],
    gaps: Iterable[Span] = (),
    *,
    names: Mapping[str, str] | None = None,
    gap_text: str = "not recorded",
    language: str | None = None,
) -> str:
    """A transcript as WebVTT (W3C), speakers as voices; `names` says what to call them.

    Raises InvalidInput as `cues`.
    """
    head = ["WEBVTT"] if language is None else ["WEBVTT", f"Language: {_clean(language)}"]
    blocks = ["\n".join(head)]
    for cue in cues(said, gaps, gap_text=gap_text):
        times = f"{_clock(cue.start_ms, '.')} --> {_clock(cue.end_ms, '.')}"
        text = "\n".join(_escaped(line) for line in cue.lines)
        voice = _name(cue, names)
        blocks.append(f"{times}\n<v {_escaped(voice)}>{text}" if voice else f"{times}\n{text}")
    return "\n\n".join(blocks) + "\n"


def to_srt(
    said: Iterable[Utterance],
    gaps: Iterable[Span] = (),
    *,
    names: Mapping[str, str] | None = None,
    gap_text: str = "not recorded",
) -> str:
    """A transcript as SubRip, each cue with its speaker before the words.

    SRT cannot escape: angle brackets, which players take for markup, become ‹ and ›. A name has
    no colon and at most `LONGEST_NAME` characters. Raises InvalidInput as `cues`.
    """
    utterances = list(said)
    prefixes = {each.speaker: _prefix(each.speaker, names) for each in utterances}
    indent = {speaker: len(prefix) for speaker, prefix in prefixes.items()}
    blocks = []
    for number, cue in enumerate(cues(utterances, gaps, gap_text=gap_text, indent=indent), 1):
        prefix = "" if cue.speaker is None else prefixes[cue.speaker]
        text = _unbracketed(prefix + "\n".join(cue.lines))
        times = f"{_clock(cue.start_ms, ',')} --> {_clock(cue.end_ms, ',')}"
        blocks.append(f"{number}\n{times}\n{text}\n")
    return "\n".join(blocks)


def to_text(
    said: Iterable[Utterance],
    gaps: Iterable[Span] = (),
    *,
    names: Mapping[str, str] | None = None,
    gap_text: str = "not recorded",
) -> str:
    """A transcript to read: a line for each utterance with its start, and one for each gap."""
    found = [
        (each.start_ms, f"{_name_of(each.speaker, names)}: {text}".removeprefix(": "))
        for each in said
        if (text := " ".join(word.text for word in _words(each)))
    ]
    found += [
        (gap.from_ms, f"[{_clean(gap_text)}, {_seconds(gap.length_ms)}]") for gap in merged(gaps)
    ]
    return "".join(f"{_seconds(at)} {line}\n" for at, line in sorted(found))


def to_document(
    said: Iterable[Utterance], gaps: Iterable[Span] = (), *, language: str | None = None
) -> dict[str, object]:
    """A transcript as JSON with everything that is known of it; our own format, version 1."""
    return {
        "format": FORMAT,
        "version": VERSION,
        "language": language,
        "utterances": [
            {
                "speaker": each.speaker,
                "start_ms": each.start_ms,
                "end_ms": each.end_ms,
                "text": each.text,
                "words": [
                    {
                        "text": word.text,
                        "start_ms": word.start_ms,
                        "end_ms": word.end_ms,
                        "confidence": round(word.confidence, 3),
                    }
                    for word in each.words
                ],
            }
            for each in said
        ],
        "gaps": [{"from_ms": gap.from_ms, "to_ms": gap.to_ms} for gap in gaps],
    }


def _words(utterance: Utterance) -> list[SpokenWord]:
    """The words of an utterance without what no subtitle can hold."""
    cleaned = ((_clean(word.text), word) for word in words_of(utterance))
    return [
        SpokenWord(text, word.plain, word.start_ms, word.end_ms) for text, word in cleaned if text
    ]


def _fitting(utterance: Utterance, first: int) -> list[SpokenWord]:
    """The same; a word longer than any line is cut, its parts sharing its time by letters."""
    room = min(first, LINE)
    found = []
    for word in _words(utterance):
        length, letters = word.end_ms - word.start_ms, len(word.text)
        for at in range(0, letters, room):
            part = word.text[at : at + room]
            start_ms = word.start_ms + length * at // letters
            end_ms = word.start_ms + length * (at + len(part)) // letters
            found.append(SpokenWord(part, word.plain, start_ms, end_ms))
    return found


def _parted(words: Sequence[SpokenWord], first: int) -> list[list[SpokenWord]]:
    """Words in cues: as many as fit, rather parted after a sentence that fills a line."""
    found: list[list[SpokenWord]] = []
    for word in words:
        if found and _may_join(found[-1], word, first):
            found[-1].append(word)
        else:
            found.append([word])
    return found


def _may_join(shown: Sequence[SpokenWord], word: SpokenWord, first: int) -> bool:
    lines = _broken([each.text for each in shown], first)
    if len(lines) == LINES and shown[-1].text.endswith(_SENTENCE_ENDS):
        return False
    if word.end_ms - shown[0].start_ms > LONGEST_MS:
        return False
    return len(_broken([*(each.text for each in shown), word.text], first)) <= LINES


def _cue(speaker: str, words: Sequence[SpokenWord], first: int) -> Cue:
    start_ms = min(word.start_ms for word in words)
    end_ms = max(start_ms + 1, *(word.end_ms for word in words))
    return Cue(start_ms, end_ms, speaker, tuple(_broken([word.text for word in words], first)))


def _broken(words: Sequence[str], first: int) -> list[str]:
    """Words in lines, the first of at most `first` characters, the others of `LINE`."""
    lines: list[str] = []
    for word in " ".join(words).split(" "):
        room = first if len(lines) == 1 else LINE
        if lines and len(lines[-1]) + 1 + len(word) <= room:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def _clean(text: str) -> str:
    """One line without control characters; half a surrogate pair becomes U+FFFD."""
    kept = []
    for letter in " ".join(text.split()):
        category = unicodedata.category(letter)
        if category == "Cs":
            kept.append("\N{REPLACEMENT CHARACTER}")
        elif category != "Cc":
            kept.append(letter)
    return "".join(kept)


def _name(cue: Cue, names: Mapping[str, str] | None) -> str:
    return "" if cue.speaker is None else _name_of(cue.speaker, names)


def _name_of(speaker: str, names: Mapping[str, str] | None) -> str:
    return _clean((names or {}).get(speaker, speaker))


def _prefix(speaker: str, names: Mapping[str, str] | None) -> str:
    name = " ".join(_name_of(speaker, names).replace(":", " ").split())
    if len(name) > LONGEST_NAME:
        name = name[: LONGEST_NAME - 1].rstrip() + "…"
    return f"{name}: " if name else ""


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _unbracketed(text: str) -> str:
    return text.replace("<", "‹").replace(">", "›")


def _clock(ms: int, separator: str) -> str:
    seconds, thousandths = divmod(ms, 1000)
    return f"{_seconds(seconds * 1000)}{separator}{thousandths:03}"


def _seconds(ms: int) -> str:
    minutes, seconds = divmod(ms // 1000, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}"
