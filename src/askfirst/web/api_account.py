"""Settings and people of the account over HTTP."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import Field
from starlette.responses import Response

from askfirst.server import account, accounts, audit, guardedsettings, periods, study
from askfirst.server.access import Permission, UserRole
from askfirst.server.clock import utc_now
from askfirst.server.database import calls, reading, transaction
from askfirst.server.guardedsettings import Changed
from askfirst.web.bodies import Body, Keys
from askfirst.web.visit import InPerson, SignedIn, Visit, permitted

router = APIRouter(tags=["account"])

Reader = Annotated[Visit, Depends(permitted(Permission.SETTINGS_READ))]
Manager = Annotated[Visit, Depends(permitted(Permission.USERS_MANAGE))]


def managing(visit: InPerson) -> Visit:
    """The visit of somebody who manages people in person; raises Refused for others.

    A program that may add people could give itself every right by adding one.
    """
    visit.who.person.ensure(Permission.USERS_MANAGE)
    return visit


ManagerInPerson = Annotated[Visit, Depends(managing)]

RECORDING = "recording_enabled"
PERIODS = frozenset({"retention", "retention_days"})


@router.get("/settings")
def settings(visit: Reader) -> dict[str, object]:
    """Every setting of the account."""
    return asdict(visit.account)


@router.patch("/settings")
def change_settings(visit: SignedIn, wanted: Keys, response: Response) -> dict[str, object]:
    """Change settings, all or none; the recording switch needs its own permission.

    What the account wants a second person for is not changed yet: the answer then is 202 with the
    settings as they are and the `proposal` that waits.
    """
    done = changed(visit, wanted)
    if done.proposal is None:
        return asdict(done.account)
    response.status_code = 202
    return {**asdict(done.account), "proposal": done.proposal}


def changed(visit: Visit, wanted: dict[str, Any]) -> Changed:
    """The account's settings after a change by the visit's person, with what waits for a second
    one; raises Refused.
    """
    if wanted.keys() - {RECORDING} or not wanted:
        visit.who.person.ensure(Permission.SETTINGS_WRITE)
    if RECORDING in wanted:
        visit.who.person.ensure(Permission.RECORDING_MANAGE)
    with transaction(visit.site.store.engine) as connection:
        if PERIODS & wanted.keys():
            before = account.account(connection)
            wants = account.wanted(before, wanted)
            periods.ensure_lawful(visit.site.rules, wants, utc_now().date())
        done = guardedsettings.change(visit.site.store, connection, wanted, visit.who.id, utc_now())
    if RECORDING in wanted:
        visit.site.carrier.switch_recording(done.account.recording_enabled)
    return done


class NewUser(Body):
    """Somebody to be added."""

    email: str
    name: str
    roles: list[UserRole]
    team: str | None = None
    place: str | None = None
    language: str = "en"


class ChangedUser(Body):
    """What is to be different about somebody; what the body does not name stays."""

    name: str = ""
    roles: list[UserRole] = Field(default_factory=list)
    team: str | None = None
    place: str | None = None
    language: str = ""
    disabled: bool = False


@router.get("/users")
def users(visit: Manager) -> list[dict[str, object]]:
    """Everybody, by name."""
    with reading(visit.site.store.engine) as connection:
        return [_shown(each) for each in accounts.all_users(connection)]


@router.post("/users", status_code=201)
def add_user(visit: ManagerInPerson, wanted: NewUser) -> dict[str, object]:
    """Add somebody; gives the person with a one-time link to sign in by."""
    user, link = added(visit, wanted)
    return {**_shown(user), "sign_in_link": link}


@router.patch("/users/{identity}")
def change_user(visit: ManagerInPerson, identity: str, wanted: ChangedUser) -> dict[str, object]:
    """Change somebody, or let them sign in no more; somebody stays administrator."""
    values = {key: getattr(wanted, key) for key in wanted.model_fields_set}
    return _shown(user_changed(visit, identity, values))


def user_changed(visit: Visit, identity: str, values: dict[str, Any]) -> accounts.User:
    """Somebody after a change by the visit's person, all or none; raises as `change_user`."""
    now, by = utc_now(), visit.who.id
    own = {key: value for key, value in values.items() if key != "disabled"}
    with transaction(visit.site.store.engine) as connection:
        before = accounts.user(connection, identity)
        if own:
            after = accounts.change_user(connection, identity, **own)
            roles = {"roles": sorted(role.value for role in after.roles)} if "roles" in own else {}
            detail = {"fields": sorted(own), **roles}
            audit.note(connection, now, by, "user.changed", identity, detail)
            if after.team != before.team:  # other trackers are looked for in their calls
                study.order_where(connection, calls.c.agent == identity, now)
        if values.get("disabled", before.is_disabled) != before.is_disabled:
            if values["disabled"]:
                accounts.disable(connection, identity, now)
            else:
                accounts.enable(connection, identity)
            action = "user.disabled" if values["disabled"] else "user.enabled"
            audit.note(connection, now, by, action, identity)
        return accounts.user(connection, identity)


def added(visit: Visit, wanted: NewUser) -> tuple[accounts.User, str]:
    """A new person, added by the visit's, and the address of a one-time sign-in link."""
    now = utc_now()
    with transaction(visit.site.store.engine) as connection:
        user = accounts.add_user(
            connection,
            wanted.email,
            wanted.name,
            wanted.roles,
            now,
            team=wanted.team,
            place=wanted.place,
            language=wanted.language,
        )
        roles = {"roles": [role.value for role in sorted(user.roles)]}
        audit.note(connection, now, visit.who.id, "user.added", user.id, roles)
        token = accounts.make_link(connection, user.id, now)
    return user, f"{visit.site.settings.origin}/welcome/{token}"


def _shown(user: accounts.User) -> dict[str, object]:
    return {
        "id": user.id,
        "email": user.email,
        "name": user.name,
        "roles": sorted(user.roles),
        "team": user.team,
        "place": user.place,
        "language": user.language,
        "disabled": user.is_disabled,
    }
