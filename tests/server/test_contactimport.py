"""Importing contacts: hostile files first, then every usual one; nothing is written unasked."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.server import people, rig
from tests.server.people import KARI, OLA, draft, known, meet

from askfirst.errors import InvalidInput, NotFound
from askfirst.model import Source
from askfirst.server import contacts
from askfirst.server.contactcard import Contact, KnownPlace, Number
from askfirst.server.contactimport import Report, exported, import_contacts
from askfirst.server.contacttables import contacts as table
from askfirst.server.csvlines import MOST_BYTES, MOST_LINES, kept_text, neutralised, read_sheet
from askfirst.server.database import reading, transaction
from askfirst.server.placenames import codes_of_names
from askfirst.server.store import Store

NORA = "Nora,+4748750103"
OLE = "Ole,+442079460018"


@pytest.fixture(autouse=True)
def _users(store: Store) -> None:
    people.employ(store)


def take(
    store: Store, content: str | bytes, *, write: bool = True, region: str | None = "NO"
) -> Report:
    raw = content if isinstance(content, bytes) else content.encode("utf-8")
    return import_contacts(
        store.engine, raw, rig.AT, by=KARI, owner=OLA, default_region=region, write=write
    )


def everyone(store: Store) -> list[Contact]:
    with reading(store.engine) as connection:
        ids = connection.execute(sa.select(table.c.id)).scalars().all()
        return contacts.get_all(connection, ids)


def names(store: Store) -> list[str]:
    return [each.name for each in everyone(store)]


def skipped(report: Report) -> list[tuple[int, str]]:
    return [(each.line, each.code) for each in report.skipped]


# Files that are refused as a whole, before anything is written


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "names no known column"),
        (b"\n\n  \n", "names no known column"),
        (b"\x00\x00\x00", "names no known column"),
        (b"Nora,+4748750103\nOle,+442079460018\n", "names no known column"),
        (b"x" * 40_000 + b",name,phone\nNora,+4748750103\n", "names no known column"),
        (b'"name,phone\nNora,+4748750103\n', "names no known column"),
        (b"name,company\nNora,Lie AS\n", "no column with numbers"),
        (b"name,navn,phone\nNora,Nora,+4748750103\n", "two columns are the name"),
        ("name,phone\nNora,+4748750103\n".encode("utf-16"), "UTF-16"),
        (b"phone\n" + b"1\n" * (MOST_LINES + 1), "split the file"),
        (b"phone\n" + b"1" * MOST_BYTES, "at most"),
    ],
)
def test_what_is_no_table_of_contacts_is_refused(
    store: Store, content: bytes, message: str
) -> None:
    with pytest.raises(InvalidInput, match=message) as caught:
        take(store, content)

    assert "4875" not in str(caught.value)
    assert everyone(store) == []


def test_a_naive_time_an_unknown_user_and_an_unknown_region_are_refused(store: Store) -> None:
    content = f"name,phone\n{NORA}\n".encode()
    naive = rig.AT.replace(tzinfo=None)
    with pytest.raises(InvalidInput, match="time zone"):
        import_contacts(store.engine, content, naive, by=KARI, write=True)
    with pytest.raises(InvalidInput, match="no country"):
        import_contacts(store.engine, content, rig.AT, by=KARI, default_region="UK", write=True)
    for by, owner in (("usr_9", None), (KARI, "usr_9")):
        with pytest.raises(NotFound):
            import_contacts(store.engine, content, rig.AT, by=by, owner=owner, write=True)

    assert everyone(store) == []


def test_as_many_lines_as_are_allowed_are_read() -> None:
    content = b"phone\n" + b"1\n" * MOST_LINES
    sheet = read_sheet(content, lambda name: name == "phone", lambda _: False)

    assert sum(1 for _ in sheet.rows) == MOST_LINES


# Lines that are skipped, and lose nothing but themselves


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"Bad,", "no-number"),
        (b"Bad", "no-number"),
        (b"Bad,not a number", "no-number"),
        (b"Bad,4.74875E+10", "no-number"),
        (b"Bad\x00,+4790000001", "control"),
        (b"Bad,+4790000001\x1b[2J", "control"),
        (b"Bad," + b"9" * 40_000, "too-long"),
        (b"B" * 201 + b",+4790000001", "name"),
        (b'"Bad,+4790000001', "quotes"),
        (b'"Bad" man,+4790000001', "quotes"),
        (b"Bad, the,+4790000001", "cells"),
        (b"Bad,+4790000001,,x", "cells"),
        (b"Bad\x81,+4790000001", "encoding"),
    ],
)
def test_a_bad_line_is_reported_with_its_number_and_its_neighbours_are_taken(
    store: Store, line: bytes, code: str
) -> None:
    content = f"name,phone\n{NORA}\n".encode() + line + f"\n{OLE}\n".encode()

    report = take(store, content)

    assert skipped(report) == [(3, code)]
    assert report.added == (2, 4)
    assert names(store) == ["Nora", "Ole"]
    assert "Bad" not in report.skipped[0].message


def test_marks_that_are_never_closed_swallow_nothing(store: Store) -> None:
    bad = '"' + "never closed,+4790000001"
    content = "name,phone\n" + "\n".join([bad, NORA, bad, bad, OLE, bad]) + "\n"

    report = take(store, content)

    assert skipped(report) == [(line, "quotes") for line in (2, 4, 5, 7)]
    assert report.added == (3, 6)


@pytest.mark.parametrize("between", [1, 5, 30])
@pytest.mark.parametrize(
    ("header", "opens", "closes"),
    [
        ("name,phone", '"Bad,1', 'x",2'),
        ("name,phone,notes", 'Bad,1,"note', 'x",2,3'),
        ("name,phone,fax", 'Bad,1,"', '",2,3'),
    ],
)
def test_an_open_mark_that_a_later_line_closes_swallows_nobody_between(
    store: Store, header: str, opens: str, closes: str, between: int
) -> None:
    good = [f"Good,+44207946{n:04d}" for n in range(between)]

    report = take(store, "\n".join([header, opens, *good, closes]) + "\n", write=False)

    assert (2, "quotes") in skipped(report)
    assert report.added == tuple(range(3, 3 + between))


def test_a_cell_of_many_lines_is_no_cell(store: Store) -> None:
    good = "\n".join(f"Good,+44207946{n:04d}," for n in range(30))

    report = take(store, f'name,phone,notes\nBad,1,"\n{good}\n"\n', write=False)

    assert (2, "quotes") in skipped(report)
    assert len(report.added) == 30


def test_a_file_of_unclosed_marks_is_read_in_a_moment(store: Store) -> None:
    content = 'name,phone\n"a,1\n' + "b,1\n" * 30 + '"c,1\n' * 2_000

    report = take(store, content, write=False)

    assert len(report.skipped) == 2_031


def test_a_file_that_is_joined_from_two_encodings_is_read_line_by_line(store: Store) -> None:
    content = "navn,telefon\nBjørn,+4748750103\n".encode("cp1252") + "Åse,+442079460018\n".encode()

    report = take(store, content)

    assert report.encoding == "mixed"
    assert sorted(names(store)) == ["Bjørn", "Åse"]


def test_formulas_are_kept_as_text_and_neutralised_on_the_way_out(store: Store) -> None:
    formula = '=HYPERLINK("https://example.org";"x")'
    quoted = formula.replace('"', '""')
    take(store, f'name,phone,company\n"{quoted}",+4748750103,@SUM(A1)\n')

    (one,) = everyone(store)
    lines = list(exported([one]))

    assert (one.name, one.company) == (formula, "@SUM(A1)")
    assert f'"\'{quoted}"' in lines[1]
    assert ",'@SUM(A1)," in lines[1]
    assert ",'+4748750103," in lines[1]


@settings(deadline=None)
@given(st.text(max_size=12) | st.from_regex(r"'*[=+\-@\t].*", fullmatch=True))
def test_what_is_neutralised_is_no_formula_and_comes_back(cell: str) -> None:
    safe = neutralised(cell)

    assert not safe.startswith(("=", "+", "-", "@", "\t", "\r"))
    assert kept_text(safe) == (kept_text(cell) if safe == cell else cell)


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.lists(st.binary(max_size=30) | st.sampled_from([b'"', b'a,"', b',,"x""'])))
def test_no_bytes_break_the_import_and_every_good_line_after_them_is_found(
    store: Store, junk: list[bytes]
) -> None:
    tail = b"\n".join(b"Good,+44207946%04d" % n for n in range(25))
    content = b"name,phone\n" + b"\n".join(junk) + b"\n" + tail + b"\n"

    report = take(store, content, write=False)

    lines = content.replace(b"\r\n", b"\n").replace(b"\r", b"\n").count(b"\n")
    # A mark that is left open may take what follows into one cell, but not for ever.
    assert set(range(lines - 4, lines + 1)) <= set(report.added)


# Files that are taken


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize(
    "header", [("Name", "Phone", "Company", "E-mail"), ("Navn", "Mobil", "Firma", "E-post")]
)
def test_every_usual_file_is_understood(
    store: Store, delimiter: str, encoding: str, end: str, header: tuple[str, ...]
) -> None:
    rows = (header, ("Bjørn Åsen", "487 50 103", "Lys & Ære AS", "bjorn@example.org"))
    content = end.join(delimiter.join(row) for row in rows) + end

    report = take(store, content.encode(encoding))

    (one,) = everyone(store)
    assert (one.name, one.company, one.email) == (
        "Bjørn Åsen",
        "Lys & Ære AS",
        "bjorn@example.org",
    )
    assert one.numbers == (Number("+4748750103", header[1], True),)
    assert one.owner == OLA
    assert (report.delimiter, report.added, report.skipped) == (delimiter, (2,), ())
    assert report.encoding == ("cp1252" if encoding == "cp1252" else "utf-8")


def test_nothing_is_written_unless_asked_and_the_dry_run_tells_the_same(store: Store) -> None:
    meet(store, draft("Old", "+4790000001"))
    content = (
        "name,phone,mobile\n"
        f"{NORA}\n{OLE}\nNora Lie,48750103\nOld,90000001\nOld,90000001,+442079460018\nBad,1\n"
    )

    dry = take(store, content, write=False)
    assert names(store) == ["Old"]
    wet = take(store, content)

    assert not dry.is_written
    assert wet == replace(dry, is_written=True)
    assert (wet.added, wet.updated, wet.unchanged) == ((2, 3), (4,), (5,))
    assert skipped(wet) == [(6, "two-contacts"), (7, "no-number")]
    assert names(store) == ["Nora Lie", "Old", "Ole"]


def test_importing_again_changes_nothing(store: Store) -> None:
    content = f"name,phone,place\n{NORA},Norway\n{OLE},GB\n"
    take(store, content)
    before = everyone(store)

    again = take(store, content)

    assert (again.added, again.updated, again.unchanged) == ((), (), (2, 3))
    assert everyone(store) == before


def test_more_lines_than_one_transaction_takes_are_all_taken(store: Store) -> None:
    lines = [f"Person {n},+44207946{n:04d}" for n in range(450)]
    content = "name,phone\n" + "\n".join([*lines, *lines[:50]]) + "\n"

    report = take(store, content)

    assert len(report.added) == 450
    assert len(report.unchanged) == 50
    assert len(everyone(store)) == 450


def test_an_update_adds_and_never_takes_away(store: Store) -> None:
    place = KnownPlace("FR", Source.STATED, rig.AT - timedelta(days=9), OLA)
    old = replace(
        draft("Nora", "+4748750103", company="Lie AS", email="n@example.org", notes="kind"),
        owner=KARI,
        places=(place,),
    )
    contact = meet(store, old)
    with transaction(store.engine) as writing:
        contacts.never_record(writing, contact, KARI, rig.AT)

    report = take(
        store, "name,phone,work phone,place,notes\nNora Lie,48750103,+442079460018,SE,rude\n"
    )

    one = known(store, contact)
    assert report.updated == (2,)
    assert (one.name, one.company, one.email, one.notes) == (
        "Nora Lie",
        "Lie AS",
        "n@example.org",
        "kind",
    )
    assert [(each.number, each.is_primary) for each in one.numbers] == [
        ("+4748750103", True),
        ("+442079460018", False),
    ]
    assert one.places == (place, KnownPlace("SE", Source.ADDRESS, rig.AT, KARI))
    assert (one.owner, one.never_record) == (KARI, True)


def test_an_archived_contact_is_left_alone(store: Store) -> None:
    contact = meet(store, draft("Nora", "+4748750103"))
    with transaction(store.engine) as writing:
        contacts.archive(writing, contact, rig.AT)
    before = known(store, contact)

    report = take(store, f"name,phone\nNora Lie,+4748750103\n{OLE}\n")

    assert skipped(report) == [(2, "archived")]
    assert report.added == (3,)
    assert known(store, contact) == before


def test_national_numbers_need_a_country(store: Store) -> None:
    content = "name,phone\nNora,487 50 103\nOle,+44 20 7946 0018\n"

    without = take(store, content, write=False, region=None)
    norwegian = take(store, content, write=False, region="NO")

    assert skipped(without) == [(2, "no-number")]
    assert "default country" in without.skipped[0].message
    assert norwegian.added == (2, 3)


def test_a_bad_cell_beside_a_good_number_is_left_out_and_told(store: Store) -> None:
    report = take(store, "name,phone,mobile,place\nNora,ask her,48750103,Atlantis\n")

    (one,) = everyone(store)
    assert [(each.line, each.code) for each in report.remarks] == [(2, "number"), (2, "place")]
    assert [(each.number, each.is_primary) for each in one.numbers] == [("+4748750103", True)]
    assert one.places == ()


def test_cells_in_quotes_may_hold_delimiters_marks_and_line_ends(store: Store) -> None:
    content = (
        'sep=;\nnavn;telefon;notat\n"Lie; ""Nora""";48750103;"line one\nline two"\n\n'
        "Ole;+442079460018;\n"
    )

    report = take(store, content)

    assert report.added == (3, 6)
    assert [(each.name, each.notes) for each in everyone(store)] == [
        ('Lie; "Nora"', "line one\nline two"),
        ("Ole", ""),
    ]


def test_first_and_last_names_make_a_name_and_unknown_columns_are_named(store: Store) -> None:
    report = take(store, "Fornavn,Etternavn,Skostørrelse,Tlf.\nNora,Lie,38,48750103\n")

    assert names(store) == ["Nora Lie"]
    assert report.ignored == (3,)


def test_what_is_exported_is_read_back_unchanged(store: Store) -> None:
    place = KnownPlace("US-CA", Source.ADDRESS, rig.AT, KARI)
    one = replace(
        draft('=Nora, "N"', company="'-x", email="n@example.org", notes="a\nb"),
        owner=OLA,
        numbers=(Number("+442079460018"), Number("+4748750103", "", True)),
        places=(place,),
    )
    meet(store, one)
    meet(store, draft("Ole", "+4790000001", owner=OLA))
    content = "".join(exported(everyone(store)))
    before = everyone(store)

    again = take(store, content)
    assert (again.unchanged, again.skipped) == ((2, 4), ())
    assert everyone(store) == before


@pytest.mark.parametrize(
    ("places", "states", "codes"),
    [
        (["NO"], [], ("NO",)),
        (["no"], [], ("NO",)),
        (["Norway"], [], ("NO",)),
        (["Norge"], [], ("NO",)),
        (["TYSKLAND"], [], ("DE",)),
        (["Østerrike"], [], ("AT",)),
        (["California"], [], ("US-CA",)),
        (["US", "California"], [], ("US-CA",)),
        (["US", "CA"], [], ("US-CA",)),
        (["US"], ["CA"], ("US-CA",)),
        (["CA"], [], ("CA",)),
        (["Canada"], ["ON"], ("CA-ON",)),
        ([], ["WA"], ("AU-WA", "US-WA")),
        (["Australia"], ["WA"], ("AU-WA",)),
        (["Georgia"], [], ("GE", "US-GA")),
        (["USA"], [], ("US",)),
        (["Oslo"], [], ()),
        (["UK"], [], ("GB",)),
        (["ZZ"], [], ()),
        (["Norway"], ["Viken"], ("NO",)),
        ([], [], ()),
    ],
)
def test_places_are_read_as_people_write_them_and_never_guessed(
    places: list[str], states: list[str], codes: tuple[str, ...]
) -> None:
    assert codes_of_names(places, states) == codes
