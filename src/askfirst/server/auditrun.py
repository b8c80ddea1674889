"""Existing recordings, one after the other: read, recognised as far as that may be, examined.

Nothing is stored, and no words are logged. Of a recording with a party on each channel the agent's
is read, and the contact's only where somebody said on what basis; of a mix nothing is read without
one, because the contact is on it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from askfirst.audio import soundfile
from askfirst.auditing import AGENT, CONTACT, MIXED, Audited, Law, examine, sentences
from askfirst.errors import InvalidInput, Refused, Unavailable
from askfirst.model import Party, Place, Role, Utterance, Word
from askfirst.ports import Recognizer
from askfirst.server.auditnumbers import BadRow, Listed
from askfirst.speech.transcribe import utterances

ENDINGS = (".wav", ".mp3", ".ogg", ".opus", ".oga", ".m4a", ".mp4", ".flac")
"""What a file of a folder is taken for a recording by."""

LONGEST_BASIS = 500


@dataclass(frozen=True, slots=True)
class Existing:
    """A recording that exists, and what is known of its call; `name` is what it is called."""

    name: str
    path: Path
    numbers: tuple[str | None, ...]
    agent: str | None
    on: date
    language: str = "en"
    is_inbound: bool = False
    contact_places: tuple[str, ...] = ()

    @property
    def parties(self) -> tuple[Party, ...]:
        """Who was on the call."""
        agent = Party(Role.AGENT, None, () if self.agent is None else (Place(self.agent),))
        known = tuple(Place(code) for code in self.contact_places)
        return agent, *(Party(Role.CONTACT, number, known) for number in self.numbers)


@dataclass(frozen=True, slots=True)
class Reach:
    """Whose words may be read: the agent's; with a `basis` a mix; with `both` the contact's too.

    Raises InvalidInput for `both` without a basis, a blank basis and a very long one.
    """

    both: bool = False
    basis: str | None = None

    def __post_init__(self) -> None:
        if self.basis is not None and not 0 < len(self.basis.strip()) <= LONGEST_BASIS:
            raise InvalidInput(
                f"the basis has {len(self.basis.strip())} characters; expected 1 to "
                f"{LONGEST_BASIS} that say on what basis the contact's words are read"
            )
        if self.both and self.basis is None:
            raise InvalidInput(
                "found --both without --basis; say on what basis the contact's words are read, "
                "such as --basis 'complaint of 3 November, art. 6(1)(f)'"
            )


def audit(existing: Existing, law: Law, reach: Reach, recognizer: Recognizer) -> Audited:
    """The result for one recording; where it cannot be had, its `error` says why.

    The whole file is decoded before anything of it is recognised. Raises Unavailable where the
    engine died, and what starting an engine raises.
    """
    decision = law.decide(existing.parties, existing.on)
    result = Audited(existing.name, decision=decision, language=existing.language)
    try:
        sound = soundfile.examine(existing.path)
        result = replace(result, seconds=sound.seconds, channels=sound.channels)
        channels = _channels(sound, existing, reach)
        said: list[Utterance] = []
        for speaker, channel in channels:
            said += _heard(existing, speaker, channel, recognizer)
    except (InvalidInput, Refused) as error:
        return replace(result, error=str(error))
    return replace(
        result,
        read=tuple(speaker for speaker, _ in channels),
        basis=None if [speaker for speaker, _ in channels] == [AGENT] else reach.basis,
        findings=examine(said, existing.language, existing.parties, decision, law),
    )


def listed(
    folder: Path, rows: Iterable[Listed | BadRow], common: Existing
) -> Iterator[Existing | Audited]:
    """The recordings of a folder by the rows of a table, then those that have no row.

    What has no usable row, and what is not there, is an `Audited` with its error. `common` says
    what a row does not say.
    """
    there = _files(folder)
    for row in rows:
        if isinstance(row, BadRow):
            there.pop(row.file or "", None)
            name = row.file or f"line {row.line}"
            yield Audited(name, error=f"line {row.line} of the table: {row.message}")
            continue
        path = there.pop(row.file, None) or _named(folder, row.file)
        agent = row.agent or common.agent
        if path is None:
            yield Audited(row.file, error=f"line {row.line} names a file that is not in {folder}")
        elif agent is None:
            yield Audited(
                row.file,
                error=f"line {row.line} does not say where the agent is; fill in the column "
                "agent, or give --agent for all",
            )
        else:
            yield Existing(
                name=row.file,
                path=path,
                numbers=(row.contact,),
                agent=agent,
                on=row.on or common.on,
                language=row.language or common.language,
                is_inbound=common.is_inbound if row.is_inbound is None else row.is_inbound,
                contact_places=common.contact_places,
            )
    for name in sorted(there):
        yield Audited(name, error="no row of the table names this file; add one")


def run(
    wanted: Iterable[Existing | Audited], law: Law, reach: Reach, recognizer: Recognizer
) -> Iterator[tuple[Audited, bool]]:
    """The results in order, each with whether the engine failed on it; the others go on."""
    for each in wanted:
        if isinstance(each, Audited):
            yield each, False
            continue
        try:
            yield audit(each, law, reach, recognizer), False
        except Unavailable as error:
            yield Audited(each.name, language=each.language, error=str(error)), True


def _channels(
    sound: soundfile.Sound, existing: Existing, reach: Reach
) -> Sequence[tuple[str, int]]:
    """Whose words are read from which channel; channel 0 is the caller."""
    if sound.is_mixed:
        if reach.basis is None:
            what = "one channel" if sound.channels == 1 else "the same sound on both channels"
            raise Refused(
                f"the file has {what}, so the contact would be read with the agent; say on what "
                "basis with --basis TEXT, or export the call with a party on each channel"
            )
        return [(MIXED, 0)]
    own = _own(existing)
    return [(AGENT, own), (CONTACT, 1 - own)] if reach.both else [(AGENT, own)]


def _own(existing: Existing) -> int:
    return 1 if existing.is_inbound else 0


def _heard(
    existing: Existing, speaker: str, channel: int, recognizer: Recognizer
) -> list[Utterance]:
    said: list[Utterance] = []
    for start_ms, pcm in soundfile.stretches(existing.path, channel):
        words = [
            Word(word.text, start_ms + word.start_ms, start_ms + word.end_ms, word.confidence)
            for word in recognizer.transcribe(pcm, existing.language)
        ]
        said += utterances(words, speaker)
    return sentences(said) if speaker == MIXED else said


def _named(folder: Path, name: str) -> Path | None:
    """A file that a row names although its ending is none of a recording."""
    path = folder / name
    is_inside = path.resolve().is_relative_to(folder.resolve())
    return path if is_inside and path.is_file() else None


def _files(folder: Path) -> dict[str, Path]:
    """Recordings of a folder and below by their path from it; nothing that leads out of it."""
    return {
        path.relative_to(folder).as_posix(): path
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in ENDINGS
        and not path.is_symlink()
        and path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    }
