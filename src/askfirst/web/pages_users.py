"""People of the account: who is there, what they may do, where they work, how they get in."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.datastructures import FormData
from starlette.responses import RedirectResponse, Response

from askfirst.errors import InvalidInput, InvalidRequest, Refused
from askfirst.server import accounts, audit, factors, requestregister, sessions, signonpeople
from askfirst.server.access import Permission, UserRole
from askfirst.server.clock import utc_now
from askfirst.server.database import reading, transaction
from askfirst.web import words
from askfirst.web.api_account import NewUser, added, user_changed
from askfirst.web.bodies import Filled
from askfirst.web.page import render
from askfirst.web.placewords import by_name, every_place
from askfirst.web.settingsframe import menu
from askfirst.web.settingwords import ROLES
from askfirst.web.visit import Visit, permitted

router = APIRouter()

Manager = Annotated[Visit, Depends(permitted(Permission.USERS_MANAGE))]

_EMPTY: dict[str, object] = {
    "name": "", "email": "", "team": "", "place": "", "language": "", "roles": []
}  # fmt: skip


@router.get("/users")
def users_page(visit: Manager) -> Response:
    """Everybody, and a form to add somebody."""
    return _users(visit)


@router.post("/users")
def add_user(visit: Manager, form: Filled) -> Response:
    """Add somebody, and show the one-time link to give them."""
    values = _filled_in(form)
    try:
        wanted = NewUser(
            email=str(values["email"]),
            name=str(values["name"]),
            roles=_roles(values),
            team=str(values["team"]) or None,
            place=_place(visit, values),
            language=str(values["language"]) or visit.language,
        )
        user, link = added(visit, wanted)
    except InvalidInput as error:
        return _users(visit, values=values, error=visit.told(error), wrong=_key(error))
    return _users(visit, new=user, link=link, status=201)


@router.get("/users/{identity}")
def user_page(visit: Manager, identity: str) -> Response:
    """One person, and a form to change what they are and may do."""
    return _user(visit, identity)


@router.post("/users/{identity}")
def change_user(visit: Manager, identity: str, form: Filled) -> Response:
    """Change name, roles, team, place and language of somebody, all or none."""
    values = _filled_in(form)
    try:
        user_changed(
            visit,
            identity,
            {
                "name": values["name"],
                "roles": _roles(values),
                "team": values["team"],
                "place": _place(visit, values),
                "language": values["language"],
            },
        )
    except InvalidInput as error:
        return _user(visit, identity, values=values, error=visit.told(error), wrong=_key(error))
    except Refused:
        said = visit.say("Somebody has to be administrator. Make another one first.")
        return _user(visit, identity, values=values, error=said, wrong="roles")
    return RedirectResponse("/users", status_code=303)


@router.post("/users/{identity}/disable")
def disable_user(visit: Manager, identity: str) -> Response:
    """Let somebody sign in no more."""
    now = utc_now()
    try:
        with transaction(visit.site.store.engine) as connection:
            accounts.disable(connection, identity, now)
            audit.note(connection, now, visit.who.id, "user.disabled", identity)
    except Refused:
        said = visit.say("Somebody has to be administrator. Make another one first.")
        return _users(visit, error=said)
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


def _filled_in(form: FormData) -> dict[str, object]:
    values: dict[str, object] = {
        key: str(form.get(key, "")).strip() for key in _EMPTY if key != "roles"
    }
    return {**values, "roles": [str(each) for each in form.getlist("roles")]}


def _roles(values: dict[str, object]) -> list[UserRole]:
    chosen = values["roles"] if isinstance(values["roles"], list) else []
    return [role for role in UserRole if role.value in chosen]


def _place(visit: Visit, values: dict[str, object]) -> str | None:
    """The place that was chosen; raises InvalidRequest for one that there is not."""
    code = str(values["place"])
    if code and code not in every_place(visit.site.rules, visit.language):
        raise InvalidRequest(f"found the place {code[:40]!r}; choose one of the list", key="place")
    return code or None


def _key(error: InvalidInput) -> str:
    # Only an address can be wrong without a key: it is none, or somebody has it.
    return error.key if isinstance(error, InvalidRequest) else "email"


def _users(
    visit: Visit,
    *,
    values: dict[str, object] | None = None,
    error: str | None = None,
    wrong: str | None = None,
    new: accounts.User | None = None,
    link: str | None = None,
    status: int = 200,
) -> Response:
    with reading(visit.site.store.engine) as connection:
        everybody = accounts.all_users(connection)
        signed_in = accounts.last_sign_ins(connection)
    places = every_place(visit.site.rules, visit.language)
    return render(
        visit,
        "users.html",
        status=422 if error else status,
        menu=menu(visit),
        everybody=everybody,
        signed_in=signed_in,
        values={**_EMPTY, "language": visit.account.language, **(values or {})},
        roles=visit.said(ROLES),
        places=by_name(places),
        place_name=lambda code: places.get(code, code),
        home=visit.account.home_place,
        error=error,
        wrong=wrong,
        new=new,
        link=link,
        own_names=words.LANGUAGES,
    )


def _user(
    visit: Visit,
    identity: str,
    *,
    values: dict[str, object] | None = None,
    error: str | None = None,
    wrong: str | None = None,
) -> Response:
    with reading(visit.site.store.engine) as connection:
        found = accounts.user(connection, identity)
        signed_in = accounts.last_sign_ins(connection).get(identity)
        has = factors.of_user(connection, identity)
        held = sessions.of_user(connection, identity, utc_now())
        is_bound = signonpeople.is_bound(connection, identity)
        asked = requestregister.open_of_employee(connection, identity)
    present: dict[str, object] = {
        "name": found.name,
        "email": found.email,
        "team": found.team or "",
        "place": found.place or "",
        "language": found.language,
        "roles": sorted(found.roles),
    }
    return render(
        visit,
        "user_edit.html",
        status=422 if error else 200,
        menu=menu(visit),
        person=found,
        signed_in=signed_in,
        has=has,
        session_count=len(held),
        is_bound=is_bound,
        data_due=None if asked is None else asked.due_at,
        values={**present, **(values or {}), "email": found.email},
        roles=visit.said(ROLES),
        places=by_name(every_place(visit.site.rules, visit.language)),
        error=error,
        wrong=wrong,
        own_names=words.LANGUAGES,
    )
