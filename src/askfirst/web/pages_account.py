"""Pages of the account for everybody: where one starts, the employee notice; and the audit log."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Form
from starlette.responses import RedirectResponse, Response

from askfirst.errors import InvalidInput
from askfirst.server import accounts, agreements, audit, employeenotice
from askfirst.server.access import Permission, UserRole
from askfirst.server.clock import utc_now
from askfirst.server.database import reading, transaction
from askfirst.web.bodies import Before
from askfirst.web.page import render
from askfirst.web.settingsframe import menu
from askfirst.web.visit import SignedIn, Visit, permitted

router = APIRouter()

Auditor = Annotated[Visit, Depends(permitted(Permission.AUDIT_READ))]


@router.get("/")
def home(visit: SignedIn) -> Response:
    """Where somebody starts who has just signed in."""
    return _home(visit)


@router.post("/notice")
def read_notice(
    visit: SignedIn, version: Annotated[int, Form()], digest: Annotated[str, Form()] = ""
) -> Response:
    """Somebody has read the employee notice; only the words that are in force count."""
    now = utc_now()
    try:
        with transaction(visit.site.store.engine) as connection:
            employeenotice.read(connection, visit.who.id, version, now, digest or None)
    except InvalidInput:
        return _home(visit, error=visit.say("The notice has changed since. Read the present one."))
    return RedirectResponse("/", status_code=303)


@router.get("/audit")
def audit_page(visit: Auditor, before: Before = None) -> Response:
    """What people did, the newest first."""
    with reading(visit.site.store.engine) as connection:
        lines = audit.lines(connection, before=before)
        names = accounts.names(connection)
    return render(visit, "audit.html", lines=lines, names=names, menu=menu(visit))


def _home(visit: Visit, *, error: str | None = None) -> Response:
    with reading(visit.site.store.engine) as connection:
        present = employeenotice.present(connection)
        everybody = accounts.all_users(connection)
        agreement = agreements.in_force(connection, visit.who.id, visit.account)
    return render(
        visit,
        "home.html",
        status=422 if error else 200,
        error=error,
        notice=present,
        has_read=employeenotice.is_current(
            visit.who, visit.account, visit.site.rules, utc_now().date()
        ),
        lacks_agreement=agreement is None
        and agreements.is_wanted(visit.who, visit.account, visit.site.rules),
        asked=_asked(visit, everybody),
    )


def _asked(visit: Visit, everybody: list[accounts.User]) -> tuple[str, str]:
    """Name and address of whom questions about the notice go to; the address may be empty.

    Whoever answers for the purpose or the basis; where nobody was named, an administrator.
    """
    named = visit.account.purpose_owner or visit.account.lawful_basis_owner
    there = [each for each in everybody if not each.is_disabled]
    if named:
        return named, next((each.email for each in there if each.name == named), "")
    admins = [each for each in there if UserRole.ADMIN in each.roles]
    return (admins[0].name, admins[0].email) if admins else ("", "")
