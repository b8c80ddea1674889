"""Who of the account has read the rules of a place, and saying so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.responses import RedirectResponse, Response

from askfirst.errors import InvalidRequest
from askfirst.server import accounts, audit, reviews
from askfirst.server.access import Permission
from askfirst.server.accountkeys import REVIEW
from askfirst.server.clock import utc_now
from askfirst.server.contactcard import place_code
from askfirst.server.database import reading, transaction
from askfirst.web.visit import Visit, permitted

router = APIRouter()

Reviewer = Annotated[Visit, Depends(permitted(Permission.RULES_REVIEW))]


@dataclass(frozen=True, slots=True)
class PlaceReview:
    """What a page says about reviews of a place in this account.

    `is_due`: nobody there was called yet and nobody has read its rules, which the account wants.
    `fingerprint` is that of the rules as they are now.
    """

    found: tuple[reviews.Review, ...]
    names: dict[str, str]
    is_new: bool
    is_due: bool
    may_review: bool
    fingerprint: str


def review_of(visit: Visit, code: str) -> PlaceReview | None:
    """Reviews of a place for people of the account; None for others and for what is no place."""
    if visit.user is None:
        return None
    try:
        place_code(code)
    except InvalidRequest:
        return None
    with reading(visit.site.store.engine) as connection:
        found = reviews.reviews_of(connection, code)
        names = accounts.names(connection)
        is_new = not reviews.has_called(connection, code)
    return PlaceReview(
        found=found,
        names=names,
        is_new=is_new,
        is_due=is_new and not found and visit.account.first_country == REVIEW,
        may_review=visit.may(Permission.RULES_REVIEW),
        fingerprint=visit.site.rules.fingerprint,
    )


@router.post("/rules/{code}/review")
def review(visit: Reviewer, code: str) -> Response:
    """Somebody says that they have read the rules of a place, as they are now."""
    now, rules = utc_now(), visit.site.rules
    with transaction(visit.site.store.engine) as connection:
        reviews.review(connection, code, visit.who.id, now, fingerprint=rules.fingerprint)
        audit.note(connection, now, visit.who.id, "rules.reviewed", code)
    return RedirectResponse(f"/rules/{code}#reviewed", status_code=303)
