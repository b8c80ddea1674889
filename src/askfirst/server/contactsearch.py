"""Looking for contacts: words, numbers in any usual spelling, places, modes, owners, page by page.

Which mode a contact has is never stored, because law, policy and agent change it. Contacts who
are alike to a decision share a seat; modes are worked out for each seat, not for each contact.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

import sqlalchemy as sa

from askfirst.errors import InvalidInput, InvalidRequest
from askfirst.model import UNKNOWN, Mode, Party, Place, Role, Source
from askfirst.policy import AREA_CODE
from askfirst.server.contactcard import Contact, codes_of, folded, plain, seat, standard
from askfirst.server.contacts import get_all
from askfirst.server.contacttables import contact_numbers, contact_places, contacts
from askfirst.server.forecast import Outlook, Prospect

MOST_ON_A_PAGE = 200
LONGEST_SEARCH = 200
_MOST_WORDS = 12
_FEWEST_DIGITS = 3
_AT_ONCE = 500
_DIGITS = re.compile(r"[+(]?\d[\d ()./\-]*", re.ASCII)
_TRUNK = re.compile(r"\(0\)")
_NOT_DIGIT = re.compile(r"\D", re.ASCII)


@dataclass(frozen=True, slots=True)
class Search:
    """What to look for; empty fields do not narrow.

    `place` is a code or UNKNOWN; a country also finds its states. `owner` is a user's id, and
    `scope` the owners whose contacts may be seen at all (contacts of nobody always may).
    `default_region` completes national numbers. `mode` needs an `Outlook`.
    """

    text: str = ""
    place: str | None = None
    mode: Mode | None = None
    owner: str | None = None
    scope: frozenset[str] | None = None
    archived: bool = False
    default_region: str | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Some contacts in the order of lists; `after` is the cursor of the next page, None at the end.

    A cursor is the id of the last contact, so that no address carries a name.
    """

    contacts: tuple[Contact, ...]
    after: str | None


def find(
    connection: sa.Connection,
    search: Search,
    *,
    after: str | None = None,
    limit: int = 50,
    outlook: Outlook | None = None,
) -> Page:
    """One page of the contacts who fit, by name.

    Over all pages every contact who fits from first to last comes once, whoever is added
    meanwhile. `limit` is from 1 to 200. Raises InvalidRequest for a search, place or limit that
    cannot be used, and for a cursor whose contact is gone.
    """
    if not 1 <= limit <= MOST_ON_A_PAGE:
        raise InvalidRequest(f"limit {limit}; expected 1 to {MOST_ON_A_PAGE}", key="limit")
    query = (
        sa.select(contacts.c.id)
        .where(*_conditions(connection, search, outlook))
        .order_by(contacts.c.sort_key, contacts.c.id)
        .limit(limit + 1)
    )
    if after is not None:
        last = connection.execute(
            sa.select(contacts.c.sort_key, contacts.c.id).where(contacts.c.id == after)
        ).one_or_none()
        if last is None:
            raise InvalidRequest(
                "the cursor's contact is gone; begin at the first page", key="after"
            )
        order = sa.tuple_(contacts.c.sort_key, contacts.c.id)
        query = query.where(order > sa.tuple_(last.sort_key, last.id))
    ids = list(connection.execute(query).scalars())
    return Page(
        tuple(get_all(connection, ids[:limit])), ids[limit - 1] if len(ids) > limit else None
    )


def count(connection: sa.Connection, search: Search, outlook: Outlook | None = None) -> int:
    """How many contacts fit over all pages; raises as `find`."""
    query = sa.select(sa.func.count(contacts.c.id))
    found = connection.execute(query.where(*_conditions(connection, search, outlook)))
    return found.scalar_one()


def prospects(connection: sa.Connection, scope: frozenset[str] | None = None) -> Iterator[Prospect]:
    """Contacts for a forecast, those who are alike together; archived ones are left out.

    `scope` as in `Search`. Rows are read as they are asked for; the connection must stay open.
    """
    query = (
        sa.select(
            contacts.c.never_record,
            sa.func.min(contacts.c.id).label("one"),
            sa.func.count(contacts.c.id).label("number"),
        )
        .where(contacts.c.archived_at.is_(None), *_within(scope))
        .group_by(contacts.c.seat, contacts.c.never_record)
    )
    result = connection.execution_options(yield_per=_AT_ONCE).execute(query)
    for rows in result.partitions():
        known = _parties(connection, [row.one for row in rows])
        for row in rows:
            yield Prospect(known[row.one], row.never_record, row.number)


def reseat(connection: sa.Connection) -> int:
    """Work out again what decisions see of each contact; says how many had changed.

    Needed when the number tables were updated: until then lists and forecasts may count a
    contact with others who are no longer alike. Calls are decided afresh and never look here.
    """
    changed, last = 0, ""
    while True:
        query = sa.select(contacts.c.id, contacts.c.seat).where(contacts.c.id > last)
        rows = connection.execute(query.order_by(contacts.c.id).limit(_AT_ONCE)).all()
        if not rows:
            return changed
        before = {row.id: row.seat for row in rows}
        for each in get_all(connection, list(before)):
            now = seat(each.draft)
            if now != before[each.id]:
                connection.execute(
                    contacts.update().where(contacts.c.id == each.id).values(seat=now)
                )
                changed += 1
        last = rows[-1].id


def _conditions(
    connection: sa.Connection, search: Search, outlook: Outlook | None
) -> list[sa.ColumnElement[bool]]:
    stands = contacts.c.archived_at
    found = [stands.is_not(None) if search.archived else stands.is_(None), *_within(search.scope)]
    if search.owner is not None:
        found.append(contacts.c.owner == search.owner)
    found += _words(search)
    if search.place is not None or search.mode is not None:
        found.append(_seated(connection, search, outlook))
    return found


def _within(scope: Collection[str] | None) -> list[sa.ColumnElement[bool]]:
    if scope is None:
        return []
    return [contacts.c.owner.is_(None) | contacts.c.owner.in_(sorted(scope))]


def _words(search: Search) -> Iterator[sa.ColumnElement[bool]]:
    """One condition for each word and each run of digits; all of them must hold."""
    text = plain(search.text)
    if len(text) > LONGEST_SEARCH or "\0" in text:
        raise InvalidRequest(
            f"search: expected plain text of at most {LONGEST_SEARCH} characters", key="text"
        )
    whole = standard(text, search.default_region)
    if whole is not None:
        own = sa.select(contact_numbers.c.contact).where(contact_numbers.c.number == whole)
        yield contacts.c.id.in_(own) | _digits(text)
        return
    words: list[sa.ColumnElement[bool]] = []
    rest = text
    for run in _DIGITS.findall(text):
        if run.startswith("+") or len(_NOT_DIGIT.sub("", run)) >= _FEWEST_DIGITS:
            words.append(_digits(run))
            rest = rest.replace(run, " ", 1)
    words += [contacts.c.searched.contains(each, autoescape=True) for each in folded(rest).split()]
    if len(words) > _MOST_WORDS:
        raise InvalidRequest(f"search: more than {_MOST_WORDS} words; use fewer", key="text")
    yield from words


def _digits(run: str) -> sa.ColumnElement[bool]:
    """A run of digits, as part of a number, with or without the zeros in front, or as written."""
    digits = _NOT_DIGIT.sub("", _TRUNK.sub("", run))
    if run.startswith("+"):  # where a number begins: each stands on a line of its own
        return contacts.c.searched.contains(f"\n{digits}", autoescape=True)
    spellings = {digits, digits.lstrip("0") or digits, folded(run).strip()}
    return sa.or_(
        *(contacts.c.searched.contains(each, autoescape=True) for each in sorted(spellings))
    )


def _seated(
    connection: sa.Connection, search: Search, outlook: Outlook | None
) -> sa.ColumnElement[bool]:
    place, mode = search.place, search.mode
    if place is not None and place != UNKNOWN and not AREA_CODE.fullmatch(place):
        raise InvalidRequest("expected the code of a place, such as NO or US-CA", key="place")
    if mode is not None and outlook is None:
        raise InvalidInput("a mode depends on agent, policy and day; expected an outlook")
    fitting: dict[bool, list[str]] = {False: [], True: []}
    kinds = connection.execute(
        sa.select(
            contacts.c.seat, contacts.c.never_record, sa.func.min(contacts.c.id).label("one")
        ).group_by(contacts.c.seat, contacts.c.never_record)
    ).all()
    kinds = [row for row in kinds if place is None or _lies_in(row.seat, place)]
    if mode is None or outlook is None:
        return contacts.c.seat.in_(sorted({row.seat for row in kinds}))
    ones = _parties(connection, [row.one for row in kinds])
    for row in kinds:
        prospect = Prospect(ones[row.one], row.never_record)
        if outlook.decision(prospect).mode is mode:
            fitting[row.never_record].append(row.seat)
    return sa.or_(
        *(
            contacts.c.never_record.is_(flag) & contacts.c.seat.in_(sorted(seats))
            for flag, seats in fitting.items()
        )
    )


def _parties(connection: sa.Connection, ids: Collection[str]) -> dict[str, Party]:
    """What a decision looks at in each of these contacts, without all else that they have."""
    numbers = sa.select(contact_numbers.c.contact, contact_numbers.c.number)
    numbers = numbers.where(contact_numbers.c.contact.in_(ids), contact_numbers.c.is_primary)
    number = {row.contact: row.number for row in connection.execute(numbers)}
    where: dict[str, list[Place]] = {}
    for row in connection.execute(
        sa.select(contact_places.c.contact, contact_places.c.code, contact_places.c.source)
        .where(contact_places.c.contact.in_(ids))
        .order_by(contact_places.c.code, contact_places.c.source)
    ):
        where.setdefault(row.contact, []).append(Place(row.code, Source(row.source)))
    return {each: Party(Role.CONTACT, number.get(each), tuple(where.get(each, ()))) for each in ids}


def _lies_in(seated: str, place: str) -> bool:
    codes, is_unknown = codes_of(seated)
    if place == UNKNOWN:
        return is_unknown
    return any(code == place or code.startswith(f"{place}-") for code in codes)
