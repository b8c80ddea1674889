"""Pages from templates: one environment for each language, everything escaped, nothing undefined.

Addresses of static files carry a hash of their content, so that browsers may keep them for good.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import date, datetime
from functools import cache, partial
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from starlette.responses import HTMLResponse

from askfirst.server import queue
from askfirst.server.access import Permission
from askfirst.server.database import reading
from askfirst.web import callwords, captionwords, phonewords, words
from askfirst.web.visit import Visit
from askfirst.web.words import LANGUAGES

_NAVIGATION: tuple[tuple[str, str, Permission | None], ...] = (
    ("/contacts", words.mark("Contacts"), Permission.CONTACTS_READ),
    ("/forecast", words.mark("Forecast"), Permission.CONTACTS_READ),
    ("/calls", words.mark("Calls"), Permission.CALLS_READ),
    ("/live", words.mark("Live calls"), Permission.CALLS_WATCH),
    ("/follow-ups", words.mark("Follow-ups"), Permission.CALLS_READ),
    ("/settings/trackers", words.mark("Trackers"), Permission.TRACKERS_MANAGE),
    ("/playlists", words.mark("Playlists"), Permission.RECORDINGS_LISTEN),
    ("/dashboards", words.mark("Dashboards"), None),
    ("/compliance", words.mark("Compliance"), Permission.LEDGER_READ),
    ("/rules", words.mark("Rules"), None),
    ("/settings", words.mark("Settings"), Permission.SETTINGS_READ),
    ("/users", words.mark("Users"), Permission.USERS_MANAGE),
    ("/audit", words.mark("Audit log"), Permission.AUDIT_READ),
)


def render(
    visit: Visit,
    template: str,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    **context: object,
) -> HTMLResponse:
    """A template as a response, in the visit's language and time zone."""
    shown = {
        "language": visit.language,
        "zone": visit.zone,
        "languages": LANGUAGES,
        "path": visit.path,
        "user": visit.user,
        "theme": visit.theme,
        "nonce": visit.nonce,
        "account": visit.account,
        "demo": visit.account.is_demo,
        "may": visit.may,
        "navigation": [
            (
                href,
                _labelled(visit, href, label),
                visit.path == href or visit.path.startswith(f"{href}/"),
            )
            for href, label, permission in _NAVIGATION
            if _is_shown(visit, href, permission)
        ],
        "search_href": "/search" if visit.may(Permission.CALLS_READ) else "",
        "has_phone": visit.may(Permission.CALLS_MAKE),
        "causes": visit.said(callwords.CAUSES),
        "ends": visit.said(callwords.ENDS),
        "pauses": visit.said(phonewords.PAUSES),
        "phone_words": visit.said(phonewords.PHONE),
        "shortcuts": [(keys, visit.say(does)) for keys, does in phonewords.SHORTCUTS],
        "captions": visit.said(captionwords.CAPTIONS),
        "shell": "base.html" if visit.user is not None else "plain.html",
    }
    text = _environment(visit.language).get_template(template).render({**shown, **context})
    return HTMLResponse(text, status_code=status, headers=dict(headers or {}))


def _is_shown(visit: Visit, href: str, permission: Permission | None) -> bool:
    """Whether somebody has an entry: that of the dashboards who may see any of them, one below the
    settings who does not find it in their menu.
    """
    if href == "/dashboards":
        return visit.may(Permission.DASHBOARDS_READ) or visit.may(Permission.SYSTEM_READ)
    if href.startswith("/settings/") and visit.may(Permission.SETTINGS_READ):
        return False
    return permission is None or visit.may(permission)


def _labelled(visit: Visit, href: str, label: str) -> str:
    """The words of an entry; that of compliance says how much waits there."""
    said = visit.say(label)
    if href != "/compliance":
        return said
    with reading(visit.site.store.engine) as connection:
        waiting = sum(queue.counts(connection).values())
    return f"{said} ({waiting})" if waiting else said


@cache
def _environment(language: str) -> Environment:
    environment = Environment(
        loader=PackageLoader("askfirst.web", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n"],
        trim_blocks=True,
        lstrip_blocks=True,
    )
    installed: Any = environment
    installed.install_gettext_callables(
        partial(words.gettext, language), partial(_plural, language), newstyle=True
    )
    environment.globals["static"] = static
    environment.filters["day"] = _day
    environment.filters["moment"] = _moment
    return environment


# Of the context and not of the environment, which would otherwise be one for each zone as well. In
# a macro that is imported without its context these fail, and never show another zone's time.


@pass_context
def _day(context: Context, value: date) -> str:
    return words.day(context["language"], value, context["zone"])


@pass_context
def _moment(context: Context, value: datetime) -> str:
    return words.moment(context["language"], value, context["zone"])


def _plural(language: str, one: str, many: str, number: int) -> str:
    return words.gettext(language, one if number == 1 else many)


@cache
def static(path: str) -> str:
    """The address of a static file, with a hash of its content.

    Own modules have none: they import one another by name, and a second address would be a second
    module with a state of its own. Browsers ask again whether they have changed.
    """
    if path.startswith("js/"):
        return f"/static/{path}"
    content = (resources.files("askfirst") / "web" / "static" / path).read_bytes()
    return f"/static/{path}?v={hashlib.sha256(content).hexdigest()[:12]}"
