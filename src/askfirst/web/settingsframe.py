"""What every page of the settings shares: the menu, who may change it, and the last change."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import Depends
from starlette.responses import Response

from askfirst.server import account, accounts
from askfirst.server.access import TABLE, Permission
from askfirst.server.approvals import open_proposals
from askfirst.server.database import reading
from askfirst.web import words
from askfirst.web.page import render
from askfirst.web.settingwords import ROLES
from askfirst.web.visit import Visit, permitted

Reader = Annotated[Visit, Depends(permitted(Permission.SETTINGS_READ))]
Writer = Annotated[Visit, Depends(permitted(Permission.SETTINGS_WRITE))]
Switcher = Annotated[Visit, Depends(permitted(Permission.RECORDING_MANAGE))]

MENU: tuple[tuple[str, str, Permission], ...] = (
    ("/settings", words.mark("Company and purpose"), Permission.SETTINGS_READ),
    ("/settings/recording", words.mark("Call recording"), Permission.SETTINGS_READ),
    ("/settings/policies", words.mark("Policies"), Permission.SETTINGS_READ),
    ("/settings/overrides", words.mark("Overrides"), Permission.SETTINGS_READ),
    ("/settings/providers", words.mark("Providers"), Permission.SETTINGS_READ),
    ("/settings/workers", words.mark("Media workers"), Permission.SETTINGS_READ),
    ("/settings/numbers", words.mark("Numbers"), Permission.SETTINGS_READ),
    ("/settings/texts", words.mark("Texts"), Permission.SETTINGS_READ),
    ("/settings/prompts", words.mark("Announcements"), Permission.SETTINGS_READ),
    ("/settings/trackers", words.mark("Trackers"), Permission.TRACKERS_MANAGE),
    ("/settings/retention", words.mark("Retention"), Permission.SETTINGS_READ),
    ("/settings/keys", words.mark("Keys"), Permission.SETTINGS_READ),
    ("/settings/notice", words.mark("Employee notice"), Permission.SETTINGS_READ),
    ("/settings/sites", words.mark("Sites"), Permission.SETTINGS_READ),
    ("/settings/papers", words.mark("Papers"), Permission.SETTINGS_READ),
    ("/settings/sign-in", words.mark("Sign-in"), Permission.SETTINGS_READ),
    ("/users", words.mark("Users"), Permission.USERS_MANAGE),
    ("/audit", words.mark("Audit log"), Permission.AUDIT_READ),
)


def menu(visit: Visit) -> list[tuple[str, str, bool]]:
    """The pages of the settings that the visit's person may open: address, words, whether here."""
    return [
        (href, visit.say(label), _is_here(visit.path, href))
        for href, label, permission in MENU
        if visit.may(permission)
    ]


def who_may(visit: Visit, permission: Permission) -> str:
    """Names of the roles that have a permission."""
    roles = [role for role, permissions in TABLE.items() if permission in permissions]
    return ", ".join(visit.say(ROLES[role]) for role in roles)


def setting(
    visit: Visit,
    template: str,
    keys: Iterable[str],
    permission: Permission = Permission.SETTINGS_WRITE,
    *,
    status: int = 200,
    saved: bool = False,
    **context: Any,
) -> Response:
    """A page of the settings; `keys` are those whose last change it tells."""
    with reading(visit.site.store.engine) as connection:
        changes = account.last_changes(connection)
        names = accounts.names(connection)
        wants = account.account(connection)
        waits = _waiting(connection, keys)
    own = [changes[key] for key in keys if key in changes]
    return render(
        visit,
        template,
        status=status,
        menu=menu(visit),
        wants=wants,
        names=names,
        last=max(own, key=lambda change: change.at, default=None),
        who_may=who_may(visit, permission),
        permission=permission.value,
        may_change=visit.may(permission),
        saved=saved and not waits,
        waits=waits,
        **context,
    )


def _waiting(connection: sa.Connection, keys: Iterable[str]) -> bool:
    """Whether a change of one of these settings waits for a second person."""
    wanted = set(keys)
    return any(
        key.partition(".")[0] in wanted
        for each in open_proposals(connection)
        if each.kind == "settings"
        for key in each.after
    )


def _is_here(path: str, href: str) -> bool:
    return path == href or (href != "/settings" and path.startswith(f"{href}/"))
