"""How somebody else signs in, as an administrator looks after it; nothing secret is shown."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import RedirectResponse, Response

from askfirst.server import accounts, audit, factors, sessions, signonpeople
from askfirst.server.clock import utc_now
from askfirst.server.database import transaction
from askfirst.web.api_account import ManagerInPerson

router = APIRouter()


@router.post("/users/{identity}/sessions/end")
def end_sessions(visit: ManagerInPerson, identity: str) -> Response:
    """End every session of somebody, at once."""
    now = utc_now()
    with transaction(visit.site.store.engine) as connection:
        accounts.user(connection, identity)
        ended = sessions.end_all(connection, identity)
        detail = {"number": ended}
        audit.note(connection, now, visit.who.id, "sessions.ended", identity, detail)
    return RedirectResponse(f"/users/{identity}", status_code=303)


@router.post("/users/{identity}/factor/reset")
def reset_factor(visit: ManagerInPerson, identity: str) -> Response:
    """Take away the second factor, passkeys and recovery codes of somebody who has lost them."""
    with transaction(visit.site.store.engine) as connection:
        accounts.user(connection, identity)
        factors.reset(connection, identity, visit.who.id, utc_now())
    return RedirectResponse(f"/users/{identity}", status_code=303)


@router.post("/users/{identity}/identity/forget")
def forget_identity(visit: ManagerInPerson, identity: str) -> Response:
    """Forget who the provider says somebody is; the next sign-in by their address binds anew."""
    with transaction(visit.site.store.engine) as connection:
        accounts.user(connection, identity)
        if signonpeople.unbind(connection, identity):
            sessions.end_all(connection, identity)
            audit.note(connection, utc_now(), visit.who.id, "identity.forgotten", identity)
    return RedirectResponse(f"/users/{identity}", status_code=303)
