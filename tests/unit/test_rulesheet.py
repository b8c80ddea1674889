from __future__ import annotations

import csv
import io
import json
from dataclasses import replace

from askfirst import rules, rulesheet
from askfirst.model import Mode

BOOK = rules.packaged()


def row(code: str) -> rulesheet.RulebookRow:
    return next(each for each in rulesheet.rulebook_rows(BOOK) if each.code == code)


def test_every_jurisdiction_has_one_row_in_the_order_of_its_code() -> None:
    assert [each.code for each in rulesheet.rulebook_rows(BOOK)] == sorted(BOOK.jurisdictions)


def test_a_row_shows_what_a_call_inside_the_place_gets() -> None:
    washington, sweden, texas = row("US-WA"), row("SE"), row("US-TX")

    assert (washington.mode, washington.form, washington.inside_recording) == ("ask", "told", True)
    assert (sweden.mode, sweden.form, sweden.proof) == ("auto", "told", 1)
    assert (texas.mode, texas.form, texas.proof, texas.elements) == ("auto", None, 0, ())


def test_the_rules_of_a_parent_are_in_the_row_and_its_sources_are_not() -> None:
    germany = row("DE")

    assert "full_notice_pointer" in germany.elements
    assert (germany.form, germany.proof, germany.criminal) == ("agreed", 4, True)
    assert not any("GDPR" in source and "4(11)" in source for source in germany.sources)


def test_a_layer_shows_its_own_rules() -> None:
    assert (row("EEA").form, row("EEA").proof) == ("agreed", 1)
    assert (row("US").mode, row("US").form) == ("auto", None)


def test_nobody_listens_for_an_answer_where_nobody_knows() -> None:
    assert row("UNKNOWN").spoken_answer is False
    assert row("UNKNOWN").mode == Mode.ASK.word


def test_the_csv_gives_the_rows_back() -> None:
    table = list(csv.reader(io.StringIO(rulesheet.to_csv(BOOK), newline="")))

    assert tuple(table[0]) == rulesheet.COLUMNS
    assert len(table) == len(BOOK.jurisdictions) + 1
    germany = dict(zip(table[0], next(line for line in table if line[0] == "DE"), strict=True))
    assert germany["criminal"] == "true"
    assert germany["elements"].split(" | ") == list(row("DE").elements)
    assert germany["sources"].split(" | ") == list(row("DE").sources)


def test_every_line_of_the_csv_ends_as_the_standard_says() -> None:
    text = rulesheet.to_csv(BOOK)

    assert text.endswith("\r\n")
    assert text.count("\r\n") == text.count("\n") == len(BOOK.jurisdictions) + 1


def test_no_cell_is_a_formula_to_a_spreadsheet() -> None:
    texas = replace(BOOK.jurisdictions["US-TX"], name={"en": '=HYPERLINK("x")', "nb": "x"})
    book = replace(BOOK, jurisdictions={**BOOK.jurisdictions, "US-TX": texas})

    table = list(csv.reader(io.StringIO(rulesheet.to_csv(book), newline="")))

    assert next(line for line in table if line[0] == "US-TX")[1] == '\'=HYPERLINK("x")'


def test_the_json_names_the_rulebook_and_holds_every_row() -> None:
    document = json.loads(rulesheet.to_json_text(BOOK))

    assert document["rulebook"] == {"version": BOOK.version, "fingerprint": BOOK.fingerprint}
    assert document["not_legal_advice"] is True
    assert len(document["jurisdictions"]) == len(BOOK.jurisdictions)
    assert tuple(document["jurisdictions"][0]) == rulesheet.COLUMNS
