"""The reference pages say what the rule files say, and nothing older."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from tools import rule_pages

from askfirst import rules
from askfirst.model import Standing

BOOK = rules.packaged()
PAGES = rule_pages.pages(BOOK)
REFERENCE = Path(__file__).parent.parent.parent / "docs" / "reference"
LINK = re.compile(r"\]\((?!<)([^)#]+)(?:#[^)]*)?\)")


def test_the_pages_are_in_step_with_the_rules() -> None:
    stale = rule_pages.out_of_step(PAGES, REFERENCE)

    assert stale == [], "run: ./run rules"


def test_a_page_that_differs_is_missing_or_is_left_over_is_out_of_step(tmp_path: Path) -> None:
    assert rule_pages.main(["--to", str(tmp_path)]) == 0
    assert rule_pages.main(["--to", str(tmp_path), "--check"]) == 0
    folder = tmp_path / "jurisdictions"
    (folder / "XX.md").write_text("left over", encoding="utf-8")
    (folder / "NO.md").unlink()
    with (folder / "SE.md").open("a", encoding="utf-8") as page:
        page.write("by hand")

    assert rule_pages.out_of_step(PAGES, tmp_path) == [
        "jurisdictions/NO.md",
        "jurisdictions/SE.md",
        "jurisdictions/XX.md",
    ]
    assert rule_pages.main(["--to", str(tmp_path), "--check"]) == 1
    assert rule_pages.main(["--to", str(tmp_path)]) == 0
    assert rule_pages.out_of_step(PAGES, tmp_path) == []


@pytest.mark.parametrize("code", BOOK.jurisdictions)
def test_every_page_has_the_same_form(code: str) -> None:
    page = PAGES[f"jurisdictions/{code}.md"]
    jurisdiction = BOOK.jurisdictions[code]

    headings = [line for line in page.splitlines() if line.startswith("## ")]
    assert headings == [
        "## Two layers",
        "## What must be said",
        "## Rules",
        "## Duties",
        "## Employees",
        "## Sources",
        "## Cases",
    ]
    assert "**not legal advice**" in page
    assert f"Reviewed {jurisdiction.reviewed}" in page
    assert ("**Unreviewed**" in page) is (jurisdiction.standing is Standing.UNREVIEWED)
    assert all(f"### {rule.id}\n" in page for rule in jurisdiction.rules)


def test_every_page_is_in_the_index_and_every_link_leads_to_a_page_or_the_documentation() -> None:
    index = PAGES["jurisdictions/README.md"]
    outside = {"../coverage.md", "../notice-elements.md", "../../explanation/proof-levels.md"}
    outside |= {"../../how-to/correct-a-rule.md"}

    assert all(f"]({code}.md)" in index for code in BOOK.jurisdictions)
    for name, page in PAGES.items():
        folder = f"{name.rpartition('/')[0]}/".lstrip("/")
        for target in LINK.findall(page):
            assert target in outside or f"{folder}{target}" in PAGES, (name, target)
    for target in outside:
        assert (REFERENCE / "jurisdictions" / target).resolve().is_file()


def test_the_coverage_page_counts_every_file_once() -> None:
    page = PAGES["coverage.md"]
    rows = [line.split("|")[2:6] for line in page.splitlines() if re.match(r"\| .+\| \d", line)]
    counts = [[int(cell) for cell in row] for row in rows]

    assert counts[-1][0] == len(BOOK.jurisdictions)
    assert [sum(column) for column in zip(*counts[:-1], strict=True)] == counts[-1]
    assert all(row[0] == sum(row[1:]) for row in counts)


def test_the_coverage_page_names_what_was_read_and_what_was_not_to_be_had() -> None:
    read, _, missing = PAGES["coverage.md"].partition("## Not available")

    for regulator in ("Office of the Privacy Commissioner", "Data Protection Commission"):
        assert regulator in read
    for name in ("Irish Data Protection Commission", "OrecX", "Digital Media Law Project"):
        assert name in missing


def test_a_source_that_nobody_read_says_so() -> None:
    page = PAGES["jurisdictions/NO.md"]

    assert "regulator, read 2026-11-23" in page
    assert ", not read)" in page


def test_a_text_of_a_file_cannot_write_markup_into_a_page() -> None:
    norway = replace(BOOK.jurisdictions["NO"], name={"en": "<b>|[x](y)\n# A", "nb": "x"})
    book = replace(BOOK, jurisdictions={**BOOK.jurisdictions, "NO": norway})
    pages = rule_pages.pages(book)

    assert pages["jurisdictions/NO.md"].startswith("# \\<b>\\|\\[x\\](y) # A (NO)\n")
    assert "| \\<b>\\|\\[x\\](y) # A |" in pages["jurisdictions/README.md"]
