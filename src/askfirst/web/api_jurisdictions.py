"""The rulebook over HTTP: every jurisdiction, and one in full."""

from __future__ import annotations

from fastapi import APIRouter

from askfirst.errors import NotFound
from askfirst.rulesheet import rulebook_rows
from askfirst.web.visit import AnyVisit

router = APIRouter(tags=["jurisdictions"])


@router.get("/jurisdictions")
def jurisdictions(visit: AnyVisit) -> dict[str, object]:
    """One row for each jurisdiction, by code; not legal advice."""
    rules = visit.site.rules
    return {
        "rulebook": {"version": rules.version, "fingerprint": rules.fingerprint},
        "jurisdictions": rulebook_rows(rules),
    }


@router.get("/jurisdictions/{code}")
def jurisdiction(visit: AnyVisit, code: str) -> dict[str, object]:
    """The whole rule file of a code."""
    found = visit.site.rules.jurisdictions.get(code)
    if found is None:
        raise NotFound(f"no rule file {code}; see /api/v1/jurisdictions")
    return dict(found.raw)
