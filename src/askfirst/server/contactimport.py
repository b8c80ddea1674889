"""Contacts from a table and back: read, weighed against who is there, written only when asked.

A file is read outside of any transaction; rows are then written some hundreds at a time, so that
no consent of a running call has to wait. A bad line costs nothing but itself. Importing the same
file again changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa

from askfirst.errors import InvalidInput, InvalidRequest
from askfirst.model import Source
from askfirst.server import contacts
from askfirst.server.contactcard import (
    Contact,
    Draft,
    KnownPlace,
    Number,
    aware,
    checked,
    countries,
    folded,
    standard,
)
from askfirst.server.csvlines import Fault, Row, Sheet, kept_text, read_sheet, written
from askfirst.server.database import reading, transaction
from askfirst.server.placenames import codes_of_names

_BATCH = 200


class Column(StrEnum):
    """What a column of a table is to a contact."""

    NAME = "name"
    FIRST = "first_name"
    LAST = "last_name"
    PHONE = "phone"
    COMPANY = "company"
    EMAIL = "email"
    PLACE = "place"
    STATE = "state"
    NOTES = "notes"


# Header names, English then Norwegian, without case, accents, blanks and digits at the end.
_NAMES: Mapping[Column, str] = {
    Column.NAME: "name fullname contact contactname navn fulltnavn kontakt kontaktperson",
    Column.FIRST: "firstname givenname fornavn",
    Column.LAST: "lastname surname familyname etternavn",
    Column.PHONE: "phone phonenumber telephone tel mobile mobilephone cell cellphone number"
    " workphone homephone telefon telefonnummer tlf tlfnr mobil mobiltelefon mobilnummer nummer"
    " jobbtelefon",
    Column.COMPANY: "company companyname organization organisation account firma firmanavn"
    " bedrift selskap organisasjon",
    Column.EMAIL: "email emailaddress mail epost epostadresse",
    Column.PLACE: "place location country countryregion countrycode sted land landkode",
    Column.STATE: "state stateregion region province statecode delstat provins",
    Column.NOTES: "notes note comment comments notat notater merknad kommentar",
}
_COLUMNS = {name: column for column, names in _NAMES.items() for name in names.split()}
_SEVERAL = frozenset({Column.PHONE, Column.PLACE, Column.STATE})
_NOT_LETTER = re.compile(r"[^a-z]")


@dataclass(frozen=True, slots=True)
class Remark:
    """A line and what is to be said of it: `code` for programs, `message` in English.

    Codes of skipped lines: encoding, control, too-long, quotes, cells, no-number, archived,
    two-contacts, or the field that cannot be kept. Codes of lines that were taken without
    something: number, place.
    """

    line: int
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Report:
    """What an import did, or would do: line numbers from 1, the header's line included.

    `updated` lines gave something new to a contact with the same number, `unchanged` ones
    nothing. `remarks` tell of lines that were taken without something. `ignored` are positions,
    from 1, of columns with a name that means nothing here.
    """

    is_written: bool
    encoding: str
    delimiter: str
    added: tuple[int, ...]
    updated: tuple[int, ...]
    unchanged: tuple[int, ...]
    skipped: tuple[Remark, ...]
    remarks: tuple[Remark, ...]
    ignored: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Entry:
    """One line that can be taken, its numbers in E.164; the first number is the primary one."""

    line: int
    draft: Draft
    codes: tuple[str, ...]

    @property
    def numbers(self) -> tuple[str, ...]:
        return tuple(each.number for each in self.draft.numbers)


@dataclass(slots=True)
class _Tally:
    """What becomes of the lines."""

    added: list[int] = field(default_factory=list)
    updated: list[int] = field(default_factory=list)
    unchanged: list[int] = field(default_factory=list)
    skipped: list[Remark] = field(default_factory=list)
    remarks: list[Remark] = field(default_factory=list)


def import_contacts(
    engine: sa.Engine,
    content: bytes,
    at: datetime,
    *,
    by: str,
    owner: str | None = None,
    default_region: str | None = None,
    write: bool = False,
) -> Report:
    """Take the contacts of a CSV file in; without `write` only say what would happen.

    `by` is the user who imports, `owner` whose the new contacts are; `default_region` (ISO
    3166-1) completes numbers without +. A contact with a number of the line is updated: words
    that the line has win, its notes only where there are none, numbers and places are added.

    Raises InvalidInput for a file that is no such table, a region that there is not or a naive
    time, before anything is written; Unavailable when the database refuses, and then the rows
    before stay written: import again.
    """
    aware(at)
    if default_region is not None and default_region not in countries():
        raise InvalidInput("the default region is no country; expected a code such as NO")
    sheet = read_sheet(content, _is_known, _runs_over)
    tally = _Tally()
    columns = _columns(sheet)
    entries = list(_entries(sheet, columns, default_region, tally))
    who = _Importer(at, by, owner, tally)
    with reading(engine) as connection:
        contacts.users_exist(connection, {by, owner})
        if not write:
            known: dict[str, _Held] = {}
            for batch in _batches(entries):
                who.weigh(connection, batch, known)
    if write:
        for batch in _batches(entries):
            with transaction(engine) as connection:
                who.write(connection, who.weigh(connection, batch, {}))
    return Report(
        is_written=write,
        encoding=sheet.encoding,
        delimiter=sheet.delimiter,
        added=tuple(tally.added),
        updated=tuple(tally.updated),
        unchanged=tuple(tally.unchanged),
        skipped=tuple(sorted(tally.skipped, key=lambda each: each.line)),
        remarks=tuple(tally.remarks),
        ignored=tuple(
            position
            for position, name in enumerate(sheet.header, 1)
            if name.strip() and not _is_known(name)
        ),
    )


def exported(people: Iterable[Contact]) -> Iterator[str]:
    """Contacts as lines of CSV that `import_contacts` reads back; formulas are neutralised."""
    people = list(people)
    most = max((len(each.numbers) for each in people), default=1) or 1
    places = max((len(each.places) for each in people), default=1) or 1
    yield from written(
        [
            [
                "name",
                "company",
                "email",
                *(f"phone {n}" for n in range(1, most + 1)),
                *(f"place {n}" for n in range(1, places + 1)),
                "notes",
            ],
            *(
                [
                    each.name,
                    each.company,
                    each.email,
                    *_filled([number.number for number in _primary_first(each.numbers)], most),
                    *_filled([place.code for place in each.places], places),
                    each.notes,
                ]
                for each in people
            ),
        ]
    )


def _primary_first(numbers: Iterable[Number]) -> list[Number]:
    return sorted(numbers, key=lambda each: not each.is_primary)


def _filled(cells: list[str], width: int) -> list[str]:
    return cells + [""] * (width - len(cells))


# From cells to drafts


def _is_known(name: str) -> bool:
    return _column(name) is not None


def _runs_over(name: str) -> bool:
    # Columns that nobody reads may be addresses, which have several lines.
    return _column(name) in (None, Column.NOTES)


def _column(name: str) -> Column | None:
    return _COLUMNS.get(_NOT_LETTER.sub("", folded(name))) if len(name) <= 80 else None


def _columns(sheet: Sheet) -> list[tuple[int, Column]]:
    found = [
        (position, column)
        for position, name in enumerate(sheet.header)
        if (column := _column(name)) is not None
    ]
    kinds = [column for _, column in found]
    if Column.PHONE not in kinds:
        raise InvalidInput("no column with numbers; expected one named phone, mobile or telefon")
    for column in Column:
        if column not in _SEVERAL and kinds.count(column) > 1:
            raise InvalidInput(f"two columns are the {column.value}; rename or remove one")
    return found


def _entries(
    sheet: Sheet, columns: Sequence[tuple[int, Column]], region: str | None, tally: _Tally
) -> Iterator[_Entry]:
    for row in sheet.rows:
        if isinstance(row, Fault):
            tally.skipped.append(Remark(row.line, row.code, row.message))
            continue
        if any(each.strip() for each in row.cells[len(sheet.header) :]):
            # Everything behind a stray delimiter stands in the wrong column.
            why = "more cells than the header has names; put the text with the delimiter in quotes"
            tally.skipped.append(Remark(row.line, "cells", why))
            continue
        entry = _entry(row, columns, sheet.header, region, tally)
        if entry is not None:
            yield entry


def _entry(
    row: Row,
    columns: Sequence[tuple[int, Column]],
    header: Sequence[str],
    region: str | None,
    tally: _Tally,
) -> _Entry | None:
    cells: dict[Column, list[str]] = {column: [] for column in Column}
    numbers: dict[str, Number] = {}
    lost = 0
    for position, column in columns:
        cell = kept_text(row.cells[position].strip()) if position < len(row.cells) else ""
        if not cell:
            continue
        if column is not Column.PHONE:
            cells[column].append(cell)
            continue
        number = standard(cell, region)
        if number is None:
            lost += 1
        else:
            label = " ".join(header[position].split())[:40]
            numbers.setdefault(number, Number(number, label, not numbers))
    if not numbers:
        why = "no telephone number" + ("" if region else "; give it with +, or a default country")
        tally.skipped.append(Remark(row.line, "no-number", why))
        return None
    if lost:
        tally.remarks.append(Remark(row.line, "number", "a cell that is no number was left out"))
    codes = codes_of_names(cells[Column.PLACE], cells[Column.STATE])
    if not codes and (cells[Column.PLACE] or cells[Column.STATE]):
        tally.remarks.append(Remark(row.line, "place", "no such country or state; left out"))
    one = {column: next(iter(found), "") for column, found in cells.items()}
    draft = Draft(
        name=one[Column.NAME] or f"{one[Column.FIRST]} {one[Column.LAST]}".strip(),
        company=one[Column.COMPANY],
        email=one[Column.EMAIL],
        notes=one[Column.NOTES],
        numbers=tuple(numbers.values()),
    )
    try:
        return _Entry(row.line, checked(draft), codes)
    except InvalidRequest as error:
        tally.skipped.append(Remark(row.line, error.key, str(error)))
        return None


# From drafts to contacts


def _batches(entries: Sequence[_Entry]) -> Iterator[Sequence[_Entry]]:
    for start in range(0, len(entries), _BATCH):
        yield entries[start : start + _BATCH]


@dataclass(slots=True)
class _Held:
    """A contact that has numbers: in the database, or so far only in the file (no id)."""

    draft: Draft
    id: str | None = None
    is_archived: bool = False
    is_new: bool = False


@dataclass(frozen=True, slots=True)
class _Importer:
    """Who imports when, and what becomes of the lines."""

    at: datetime
    by: str
    owner: str | None
    tally: _Tally

    def weigh(
        self, connection: sa.Connection, batch: Sequence[_Entry], known: dict[str, _Held]
    ) -> list[_Held]:
        """Decide on each line and give the contacts that are to be written, each once.

        `known` are contacts by number that the file has met so far.
        """
        _meet(connection, batch, known)
        owed: dict[int, _Held] = {}
        for entry in batch:
            held = {id(known[each]): known[each] for each in entry.numbers if each in known}
            try:
                if len(held) > 1:
                    self._skip(entry, "two-contacts", "its numbers belong to several contacts")
                    continue
                one = self._taken(entry, next(iter(held.values()), None))
            except InvalidRequest as error:
                self._skip(entry, error.key, str(error))
                continue
            if one is not None:
                owed[id(one)] = one
                known.update(dict.fromkeys(entry.numbers, one))
        return list(owed.values())

    def write(self, connection: sa.Connection, owed: Sequence[_Held]) -> None:
        """Write what `weigh` gave, in the same transaction."""
        contacts.add_all(connection, [each.draft for each in owed if each.is_new], self.at)
        for each in owed:
            if each.id is not None:
                contacts.change(connection, each.id, each.draft, self.at)

    def _taken(self, entry: _Entry, held: _Held | None) -> _Held | None:
        """The contact with what the line says, None where nothing is to be written."""
        if held is None:
            draft = replace(entry.draft, owner=self.owner, places=self._places(entry))
            held = _Held(checked(draft), is_new=True)
            self.tally.added.append(entry.line)
            return held
        if held.is_archived:
            self._skip(entry, "archived", "the contact with this number is archived; restore it")
            return None
        draft = checked(self._merged(held.draft, entry))
        if draft == held.draft:
            self.tally.unchanged.append(entry.line)
            return None
        held.draft = draft
        self.tally.updated.append(entry.line)
        return held

    def _skip(self, entry: _Entry, code: str, why: str) -> None:
        self.tally.skipped.append(Remark(entry.line, code, why))

    def _merged(self, old: Draft, entry: _Entry) -> Draft:
        new = entry.draft
        own = {each.number for each in old.numbers}
        more = [replace(each, is_primary=False) for each in new.numbers if each.number not in own]
        return replace(
            old,
            name=new.name or old.name,
            company=new.company or old.company,
            email=new.email or old.email,
            notes=old.notes or new.notes,
            numbers=(*old.numbers, *more),
            places=(*old.places, *self._places(entry, {each.code for each in old.places})),
        )

    def _places(self, entry: _Entry, but: Collection[str] = ()) -> tuple[KnownPlace, ...]:
        return tuple(
            KnownPlace(code, Source.ADDRESS, self.at, self.by)
            for code in entry.codes
            if code not in but
        )


def _meet(connection: sa.Connection, batch: Sequence[_Entry], known: dict[str, _Held]) -> None:
    """Add to `known` the contacts of the database who have a number of the batch."""
    wanted = {each for entry in batch for each in entry.numbers} - known.keys()
    found = contacts.holders(connection, wanted)
    for contact in contacts.get_all(connection, sorted(set(found.values()))):
        held = _Held(contact.draft, contact.id, contact.archived_at is not None)
        for each in contact.numbers:
            known.setdefault(each.number, held)
