"""The first run: the administrator, the company, and what the account wants from the first call."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from starlette.responses import Response

from askfirst.errors import InvalidInput, InvalidRequest, Refused
from askfirst.model import Purpose
from askfirst.server import account, accounts, audit, periods
from askfirst.server.access import UserRole
from askfirst.server.clock import utc_now
from askfirst.server.database import reading, transaction
from askfirst.web.bodies import Filled
from askfirst.web.page import render
from askfirst.web.placewords import by_name, ruled_places
from askfirst.web.signingin import begin_session, signed_in
from askfirst.web.visit import AnyVisit, Visit

router = APIRouter()

Field = Annotated[str, Form()]
PERIODS = (30, 90, 180, 365, 730)
"""Days that the form offers; any other may be set later."""

_FIELDS = (
    "name", "email", "language", "company", "home_place", "recording_enabled", "lawful_basis",
    "lawful_basis_owner", "purpose", "purpose_sentence", "purpose_owner", "retention_days",
)  # fmt: skip


@router.get("/setup/{token}")
def setup_page(visit: AnyVisit, token: str) -> Response:
    """The form of the first run, behind the link that the program printed."""
    _ensure_open(visit, token)
    return _form(visit, token, {"language": visit.language, "recording_enabled": "on"})


@router.post("/setup/{token}")
def setup(visit: AnyVisit, request: Request, form: Filled, token: str) -> Response:
    """Make the administrator and the account's settings, all or none, and sign in."""
    stated = {key: str(form.get(key, "")).strip() for key in (*_FIELDS, "password")}
    try:
        session = _carry_out(visit, request, token, stated)
    except InvalidInput as error:
        key = error.key if isinstance(error, InvalidRequest) else None
        return _form(visit, token, stated, error=visit.told(error), wrong=key, status=422)
    return signed_in(visit.site, session, "/")


def _carry_out(visit: Visit, request: Request, token: str, stated: dict[str, str]) -> str:
    now = utc_now()
    with transaction(visit.site.store.engine) as connection:
        if accounts.has_users(connection):
            raise Refused("the first run has been done; sign in")
        if accounts.use_link(connection, token, now) is not None:
            raise Refused("this link is for somebody else")
        user = accounts.add_user(
            connection,
            stated["email"],
            stated["name"],
            [UserRole.ADMIN, UserRole.COMPLIANCE],
            now,
            password=stated["password"],
            place=stated["home_place"] or None,
            language=stated["language"],
        )
        audit.note(connection, now, user.id, "account.begun")
        wants = account.change(connection, _settings(stated), user.id, now)
        periods.ensure_lawful(visit.site.rules, wants, now.date())
        return begin_session(visit, request, connection, user, now, by="link")


def _settings(stated: dict[str, str]) -> dict[str, Any]:
    wanted: dict[str, Any] = {
        key: stated[key]
        for key in ("company", "home_place", "language", "lawful_basis", "lawful_basis_owner",
                    "purpose", "purpose_sentence", "purpose_owner")
    }  # fmt: skip
    if not wanted["company"]:
        raise InvalidRequest("company is missing; write the name that a notice says", key="company")
    days = stated["retention_days"]
    if not (days.isascii() and days.isdigit() and len(days) <= 5):
        raise InvalidRequest(
            "retention_days is missing; choose how long recordings are kept", key="retention_days"
        )
    wanted["retention_days"] = int(days)
    wanted["recording_enabled"] = stated["recording_enabled"] == "on"
    return wanted


def _ensure_open(visit: Visit, token: str) -> None:
    with reading(visit.site.store.engine) as connection:
        if accounts.has_users(connection):
            raise Refused("the first run has been done; sign in")
        if not accounts.is_link(connection, token, utc_now()):
            raise Refused("this link was used or is too old; start the program again for another")


def _form(
    visit: Visit,
    token: str,
    values: dict[str, str],
    *,
    error: str | None = None,
    wrong: str | None = None,
    status: int = 200,
) -> Response:
    kept = {key: values.get(key, "") for key in _FIELDS}
    return render(
        visit,
        "setup.html",
        status=status,
        token=token,
        values=kept,
        error=error,
        wrong=wrong,
        purposes=list(Purpose),
        periods=PERIODS,
        places=by_name(ruled_places(visit.site.rules, visit.language)),
    )
