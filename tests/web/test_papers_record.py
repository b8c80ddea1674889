"""Papers say what is on record about sites, and whether figures about single persons are shown."""

from __future__ import annotations

from datetime import date

import pytest
from tests.web.test_papers import change, made, texts_of
from tests.web.test_papers import full as full

from askfirst.server import accounts, sites
from askfirst.server.clock import utc_now
from askfirst.server.database import transaction
from askfirst.server.paperfacts import grounds
from askfirst.server.papers import LANGUAGES, PaperKind
from askfirst.web.visit import Site

NOTE = "Agreement of 3 May with the works council, {dpo} folder 12"
BASIS = "Decision of 4 May, <b>minutes</b> 17"
WITH_FIGURES = (PaperKind.AGREEMENT, PaperKind.ASSESSMENT, PaperKind.NOTICE, PaperKind.RECORD)


def agree(site: Site, until: date | None = None) -> None:
    with transaction(site.store.engine) as connection:
        by = accounts.all_users(connection)[0].id
        sites.record(
            connection,
            site.rules,
            ("DE", sites.WORKS_AGREEMENT),
            NOTE,
            (date(2026, 5, 3), until),
            by,
            utc_now(),
        )


def said(site: Site, kind: PaperKind, language: str = "en") -> str:
    return "\n".join(texts_of(made(site, kind, language)))


@pytest.mark.parametrize(
    ("language", "missing", "dated"),
    [("en", "missing", "May 3, 2026"), ("nb", "mangler", "3. mai 2026"), ("de", "fehlt", "3. Mai")],
)
def test_an_agreement_is_missing_until_it_is_on_record(
    full: Site, language: str, missing: str, dated: str
) -> None:
    before = said(full, PaperKind.AGREEMENT, language)
    agree(full)
    after = said(full, PaperKind.AGREEMENT, language)

    assert missing in before.split()
    assert NOTE not in before
    assert NOTE in after
    assert dated in after
    assert missing not in after.split()


def test_an_agreement_that_has_run_out_is_missing_again(full: Site) -> None:
    agree(full, until=date(2026, 5, 4))

    assert NOTE not in said(full, PaperKind.AGREEMENT)


@pytest.mark.parametrize("kind", WITH_FIGURES)
@pytest.mark.parametrize("language", LANGUAGES)
def test_papers_say_of_figures_what_is_so(full: Site, kind: PaperKind, language: str) -> None:
    off = said(full, kind, language)
    agree(full)
    agreed = said(full, kind, language)
    change(full, person_figures_basis=BASIS)
    based = said(full, kind, language)

    assert len({off, agreed, based}) == 3
    assert BASIS not in off + agreed
    assert BASIS in based


def test_figures_of_one_site_are_not_said_to_be_shown_at_another(full: Site) -> None:
    agree(full)

    text = said(full, PaperKind.NOTICE)

    assert "because a works agreement is on record there: Germany." in text


def test_what_is_put_on_record_changes_the_fingerprint(full: Site) -> None:
    before = grounds(full.store, full.settings, full.rules, utc_now()).fingerprint

    agree(full)

    assert grounds(full.store, full.settings, full.rules, utc_now()).fingerprint != before
