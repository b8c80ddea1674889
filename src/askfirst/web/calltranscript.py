"""The words of an opened recording as the page of its call shows, marks and lets correct them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from askfirst.model import Utterance
from askfirst.server import accounts, contacts, corrections, transcripts
from askfirst.server.access import Permission
from askfirst.server.callreader import language_of, reaches
from askfirst.server.database import reading
from askfirst.server.transcripts import Origin, Revision
from askfirst.web import words as marks
from askfirst.web.settingwords import NOTICE_LANGUAGES
from askfirst.web.visit import Visit

FAULTS: Mapping[str, str] = {
    "recogniser": marks.mark("The recogniser did not answer."),
    "language": marks.mark(
        "The recogniser does not know the language of this call; another model may."
    ),
    "key": marks.mark("Its key cannot be read."),
    "spool": marks.mark("The recording could not be put together."),
    "program": marks.mark("Something is wrong with the program."),
}
"""Why a recording has no words, by what failed."""

UNSURE_BELOW = 0.5
"""A word of less confidence is marked. An engine that gives none says 0.5 and marks nothing."""


class Show(StrEnum):
    """What of the words is shown: as they stand, as the recogniser wrote them, or to correct."""

    WORDS = "words"
    MACHINE = "machine"
    EDIT = "edit"


@dataclass(frozen=True, slots=True)
class Draft:
    """What somebody typed that was not kept, by line, against revision `seen`, and why."""

    seen: int
    texts: Mapping[int, str]
    is_conflict: bool = False
    error: str = ""


@dataclass(frozen=True, slots=True)
class ShownLine:
    """Something said. `parts` are its text in pieces, each with whether the recogniser was unsure.

    `before` is what stood there before people corrected it, "" where that is the same; `typed` is
    what somebody typed and was not kept; `is_unlike` is whether it differs from what stands.
    """

    number: int
    said: Utterance
    parts: Sequence[tuple[str, bool]]
    before: str
    typed: str
    is_unlike: bool

    @property
    def timed(self) -> list[list[object]]:
        """Word, start and end for the player, and a 1 where the recogniser was unsure."""
        return [
            [word.text, word.start_ms, word.end_ms, *([1] if _is_unsure(word.confidence) else [])]
            for word in self.said.words
        ]

    @property
    def rows(self) -> int:
        """Rows of a field for it; browsers that can, fit it better."""
        return 1 + len(self.typed) // 60


@dataclass(frozen=True, slots=True)
class Words:
    """What is shown of the words of a recording, and what the person may do with them.

    `revision` is the newest; `lost` are lines that somebody typed and for which there is no place
    any more. `language` is what it was heard as, by its own name; `is_assumed` is whether nobody
    had written down that the contact speaks it.
    """

    show: Show
    revision: int
    origin: Origin
    by: str
    at: datetime | None
    lines: Sequence[ShownLine]
    has_machine: bool
    may_write: bool
    draft: Draft | None = None
    lost: Sequence[str] = field(default=())
    language: str = ""
    is_assumed: bool = False

    @property
    def is_unsure(self) -> bool:
        """Whether any word is marked."""
        return any(unsure for line in self.lines for _, unsure in line.parts)


def words(visit: Visit, call: str, recording: str, show: Show, draft: Draft | None = None) -> Words:
    """The words for an access that is already written down; no lines where there are none."""
    store = visit.site.store
    newest = transcripts.newest(store, recording)
    with reading(store.engine) as connection:
        may_write = reaches(
            connection, visit.who.person, Permission.TRANSCRIPTS_WRITE, call
        ) and corrections.may_change(connection, recording)
        name = accounts.names(connection).get(newest.person or "", "") if newest else ""
        language = language_of(connection, call)
        is_assumed = language not in contacts.languages(connection, call)
    if newest is None:
        return Words(Show.WORDS, 0, Origin.MACHINE, "", None, (), False, may_write, draft)
    machine = newest if newest.number == 0 else transcripts.revision(store, recording, 0)
    base = _base(visit, recording, newest, machine)
    show = Show.WORDS if show is Show.EDIT and not may_write else show
    said = machine.said if show is Show.MACHINE and machine is not None else newest.said
    typed = dict(draft.texts) if draft is not None else {}
    is_same = draft is None or _has_same_lines(visit, recording, draft.seen, newest)
    lines = [
        _line(number, each, base, show, typed if is_same else {})
        for number, each in enumerate(said)
    ]
    return Words(
        show=show,
        revision=newest.number,
        origin=newest.origin,
        by=name,
        at=newest.at,
        lines=lines,
        has_machine=machine is not None,
        may_write=may_write,
        draft=draft,
        lost=() if is_same else list(typed.values()),
        language=NOTICE_LANGUAGES.get(language, language),
        is_assumed=is_assumed,
    )


def as_said(said: Sequence[Utterance]) -> Words:
    """The words with nothing hidden, to read only, for an access that is already written down."""
    lines = [_line(number, each, said, Show.MACHINE, {}) for number, each in enumerate(said)]
    return Words(Show.WORDS, 0, Origin.MACHINE, "", None, lines, has_machine=False, may_write=False)


def changed_lines(visit: Visit, recording: str, seen: int, texts: Mapping[int, str]) -> Draft:
    """Of what a form brought, the lines that differ from the revision that it was made of."""
    before = transcripts.revision(visit.site.store, recording, seen)
    said = () if before is None else before.said
    changed = {
        number: text
        for number, text in texts.items()
        if number >= len(said) or " ".join(text.split()) != said[number].text
    }
    return Draft(seen, changed)


def _line(
    number: int, said: Utterance, base: Sequence[Utterance], show: Show, typed: Mapping[int, str]
) -> ShownLine:
    before = base[number].text if show is not Show.MACHINE and number < len(base) else said.text
    text = typed.get(number, said.text)
    return ShownLine(
        number=number,
        said=said,
        parts=_parts(said),
        before="" if before == said.text else before,
        typed=text,
        is_unlike=number in typed and text != said.text,
    )


def _parts(said: Utterance) -> list[tuple[str, bool]]:
    """The text in as few pieces as its marks need; spaces between words belong to no mark."""
    if " ".join(word.text for word in said.words) != said.text:
        return [(said.text, False)]
    parts: list[tuple[str, bool]] = []
    for at, word in enumerate(said.words):
        space = " " if at else ""
        if _is_unsure(word.confidence):
            parts += [*([(space, False)] if space else []), (word.text, True)]
        elif parts and not parts[-1][1]:
            parts[-1] = (f"{parts[-1][0]}{space}{word.text}", False)
        else:
            parts.append((f"{space}{word.text}", False))
    return parts


def _is_unsure(confidence: float) -> bool:
    return confidence < UNSURE_BELOW


def _base(
    visit: Visit, recording: str, newest: Revision, machine: Revision | None
) -> Sequence[Utterance]:
    """The lines before people corrected them."""
    if newest.base == newest.number:
        return newest.said
    if newest.base == 0:
        return () if machine is None else machine.said
    found = transcripts.revision(visit.site.store, recording, newest.base)
    return () if found is None else found.said


def _has_same_lines(visit: Visit, recording: str, seen: int, newest: Revision) -> bool:
    """Whether a revision has the newest one's lines, so that what was typed still has its place."""
    before = transcripts.revision(visit.site.store, recording, seen)
    return before is not None and (before.base, len(before.said)) == (newest.base, len(newest.said))
