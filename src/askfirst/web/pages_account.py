"""Pages of the account: where one starts, settings, people, the employee notice, the audit log."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Request
from starlette.responses import RedirectResponse, Response

from askfirst.errors import InvalidInput, InvalidRequest
from askfirst.model import Purpose
from askfirst.server import account, accounts, audit
from askfirst.server.access import Permission, UserRole
from askfirst.server.clock import utc_now
from askfirst.server.database import reading, transaction
from askfirst.web.api_account import NewUser, added, changed
from askfirst.web.page import render
from askfirst.web.pages_setup import PERIODS
from askfirst.web.visit import SignedIn, Visit, permitted

router = APIRouter()

Reader = Annotated[Visit, Depends(permitted(Permission.SETTINGS_READ))]
Manager = Annotated[Visit, Depends(permitted(Permission.USERS_MANAGE))]
Auditor = Annotated[Visit, Depends(permitted(Permission.AUDIT_READ))]

TEXT_SETTINGS = (
    "company", "home_place", "language", "lawful_basis", "lawful_basis_owner", "purpose",
    "purpose_sentence", "purpose_owner", "privacy_url",
)  # fmt: skip


@router.get("/")
def home(visit: SignedIn) -> Response:
    """Where somebody starts who has just signed in."""
    return render(visit, "home.html", has_read=_has_read(visit))


@router.get("/settings")
def settings_page(visit: Reader) -> Response:
    """The account's settings, each with who changed it last."""
    return _settings(visit)


@router.post("/settings")
async def change_settings(visit: SignedIn, request: Request) -> Response:
    """Change the settings of one form, all or none."""
    form = await request.form()
    wanted: dict[str, Any] = {
        key: str(form[key]).strip() or None for key in TEXT_SETTINGS if key in form
    }
    if "retention_days" in form:
        days = str(form["retention_days"]).strip()
        wanted["retention_days"] = int(days) if days.isascii() and days.isdigit() else days
    if "recording" in form:
        wanted["recording_enabled"] = form["recording"] == "on"
    try:
        changed(visit, wanted)
    except InvalidInput as error:
        key = error.key if isinstance(error, InvalidRequest) else None
        return _settings(visit, error=str(error), wrong=key, status=422)
    return RedirectResponse("/settings?saved=1", status_code=303)


@router.get("/users")
def users_page(visit: Manager) -> Response:
    """Everybody, and a form to add somebody."""
    return _users(visit)


@router.post("/users")
async def add_user(visit: Manager, request: Request) -> Response:
    """Add somebody, and show the one-time link to give them."""
    form = await request.form()
    roles = {role.value for role in UserRole}.intersection(map(str, form.getlist("roles")))
    try:
        wanted = NewUser(
            email=str(form.get("email", "")),
            name=str(form.get("name", "")),
            roles=[UserRole(role) for role in sorted(roles)],
            team=str(form.get("team", "")).strip() or None,
            language=str(form.get("language", "en")),
        )
        user, link = added(visit, wanted)
    except InvalidInput as error:
        return _users(visit, error=str(error), status=422)
    return _users(visit, new=user, link=link, status=201)


@router.post("/users/{identity}/disable")
def disable_user(visit: Manager, identity: str) -> Response:
    """Let somebody sign in no more."""
    now = utc_now()
    with transaction(visit.site.store.engine) as connection:
        accounts.disable(connection, identity, now)
        audit.note(connection, now, visit.who.id, "user.disabled", identity)
    return RedirectResponse("/users", status_code=303)


@router.post("/users/{identity}/enable")
def enable_user(visit: Manager, identity: str) -> Response:
    """Let somebody sign in again."""
    now = utc_now()
    with transaction(visit.site.store.engine) as connection:
        accounts.enable(connection, identity)
        audit.note(connection, now, visit.who.id, "user.enabled", identity)
    return RedirectResponse("/users", status_code=303)


@router.post("/users/{identity}/link")
def new_link(visit: Manager, identity: str) -> Response:
    """A fresh one-time link for somebody who cannot sign in."""
    now = utc_now()
    with transaction(visit.site.store.engine) as connection:
        user = accounts.user(connection, identity)
        token = accounts.make_link(connection, identity, now)
        audit.note(connection, now, visit.who.id, "user.link-made", identity)
    return _users(visit, new=user, link=f"{visit.site.settings.origin}/welcome/{token}")


@router.post("/notice")
def read_notice(visit: SignedIn, version: Annotated[int, Form()]) -> Response:
    """Somebody has read the employee notice; only the version that is in force counts."""
    if version != visit.account.notice_version:
        raise InvalidInput("the notice has changed since; read the present one")
    now = utc_now()
    with transaction(visit.site.store.engine) as connection:
        accounts.acknowledge(connection, visit.who.id, version, now)
        audit.note(connection, now, visit.who.id, "notice.read", detail={"version": version})
    return RedirectResponse("/", status_code=303)


@router.get("/audit")
def audit_page(visit: Auditor, before: int | None = None) -> Response:
    """What people did, the newest first."""
    with reading(visit.site.store.engine) as connection:
        lines = audit.lines(connection, before=before)
        names = accounts.names(connection)
    return render(visit, "audit.html", lines=lines, names=names)


def _settings(
    visit: Visit, *, error: str | None = None, wrong: str | None = None, status: int = 200
) -> Response:
    with reading(visit.site.store.engine) as connection:
        changes = account.last_changes(connection)
        names = accounts.names(connection)
        now = account.account(connection)
    return render(
        visit,
        "settings.html",
        status=status,
        wants=now,
        changes=changes,
        names=names,
        error=error,
        wrong=wrong,
        purposes=list(Purpose),
        periods=PERIODS,
        may_write=visit.may(Permission.SETTINGS_WRITE),
        may_record=visit.may(Permission.RECORDING_MANAGE),
    )


def _users(
    visit: Visit,
    *,
    error: str | None = None,
    new: accounts.User | None = None,
    link: str | None = None,
    status: int = 200,
) -> Response:
    with reading(visit.site.store.engine) as connection:
        everybody = accounts.all_users(connection)
    return render(
        visit,
        "users.html",
        status=status,
        everybody=everybody,
        roles=list(UserRole),
        error=error,
        new=new,
        link=link,
    )


def _has_read(visit: Visit) -> bool:
    return visit.who.notice_version == visit.account.notice_version
