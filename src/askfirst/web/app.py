"""The application: every route, and what stands before them all."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from importlib import resources
from importlib.metadata import version

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from askfirst.server.twilioevents import Intake
from askfirst.web import (
    api_account,
    api_approvals,
    api_callnotes,
    api_calls,
    api_captions,
    api_clips,
    api_comments,
    api_consulting,
    api_contacts,
    api_dashboards,
    api_decisions,
    api_erasures,
    api_external,
    api_health,
    api_jurisdictions,
    api_ledger,
    api_live,
    api_metrics,
    api_originals,
    api_playlists,
    api_queue,
    api_reception,
    api_recordings,
    api_requests,
    api_retention,
    api_search,
    api_sound,
    api_soundfile,
    api_standing,
    api_tokens,
    api_trackers,
    api_transcripts,
    api_twilio,
    api_workers,
    pages_account,
    pages_agreement,
    pages_approvals,
    pages_assurance,
    pages_calllist,
    pages_callnotes,
    pages_calls,
    pages_certificate,
    pages_checklists,
    pages_coached,
    pages_coaching,
    pages_contactedit,
    pages_contacts,
    pages_dashboards,
    pages_demo,
    pages_holds,
    pages_keys,
    pages_ledger,
    pages_live,
    pages_me,
    pages_numbers,
    pages_overrides,
    pages_owndata,
    pages_papers,
    pages_passkeys,
    pages_phone,
    pages_playlists,
    pages_policies,
    pages_prompts,
    pages_providers,
    pages_queue,
    pages_recordings,
    pages_reminders,
    pages_requests,
    pages_retention,
    pages_reviews,
    pages_rules,
    pages_search,
    pages_security,
    pages_settings,
    pages_setup,
    pages_shares,
    pages_signin,
    pages_signinpolicy,
    pages_signon,
    pages_sites,
    pages_standing,
    pages_texts,
    pages_trackers,
    pages_transcripts,
    pages_twilio,
    pages_twiliotest,
    pages_users,
    pages_usersignin,
    pages_workers,
)
from askfirst.web.guard import Guard
from askfirst.web.problems import add_handlers
from askfirst.web.relay import Relay
from askfirst.web.repeats import Repeats
from askfirst.web.visit import Site

API = "/api/v1"
APIS = (
    api_decisions.router,
    api_jurisdictions.router,
    api_account.router,
    api_calls.router,
    api_contacts.router,
    api_standing.router,
    api_live.router,
    api_reception.router,
    api_callnotes.router,
    api_erasures.router,
    api_requests.router,
    api_ledger.router,
    api_search.router,
    api_captions.router,
    api_originals.router,
    api_recordings.router,
    api_transcripts.router,
    api_sound.router,
    api_soundfile.router,
    api_consulting.router,
    api_external.router,
    api_tokens.router,
    api_workers.router,
    api_twilio.router,
    api_queue.router,
    api_approvals.router,
    api_retention.router,
    api_trackers.router,
    api_comments.router,
    api_clips.router,
    api_playlists.router,
    api_dashboards.router,
)
PAGES = (
    api_health.router,
    api_metrics.router,
    pages_signin.router,
    pages_signon.router,
    pages_passkeys.router,
    pages_security.router,
    pages_setup.router,
    pages_rules.router,
    pages_account.router,
    pages_agreement.router,
    pages_calllist.router,
    pages_calls.router,
    pages_search.router,
    pages_certificate.router,
    pages_callnotes.router,
    pages_me.router,
    pages_keys.router,
    pages_ledger.router,
    pages_live.router,
    pages_contacts.router,
    pages_contactedit.router,
    pages_standing.router,
    pages_settings.router,
    pages_policies.router,
    pages_providers.router,
    pages_twilio.router,
    pages_twiliotest.router,
    pages_texts.router,
    pages_numbers.router,
    pages_overrides.router,
    pages_papers.router,
    pages_prompts.router,
    pages_trackers.router,
    pages_users.router,
    pages_usersignin.router,
    pages_signinpolicy.router,
    pages_reviews.router,
    pages_demo.router,
    pages_phone.router,
    pages_recordings.router,
    pages_transcripts.router,
    pages_reminders.router,
    pages_shares.router,
    pages_sites.router,
    pages_workers.router,
    pages_queue.router,
    # Before the requests, whose addresses would take one of its own for an id.
    pages_owndata.router,
    pages_requests.router,
    pages_approvals.router,
    pages_assurance.router,
    pages_retention.router,
    pages_holds.router,
    pages_coaching.router,
    pages_coached.router,
    pages_playlists.router,
    pages_dashboards.router,
    pages_checklists.router,
)
HEALTH = (api_health.router, api_metrics.router)
"""What a process shows that has no pages."""


def create_app(site: Site) -> FastAPI:
    """The application of an installation; the caller closes the store when it has ended."""
    app = FastAPI(
        title="askfirst",
        version=version("askfirst"),
        description="Calls that ask first. Nothing here is legal advice.",
        openapi_url=f"{API}/openapi.json",
        docs_url=None,
        redoc_url=None,
        lifespan=_running,
    )
    app.state.site = site
    app.state.twilio = Intake(site.store, lambda: site.carrier.twilio)
    has_pages = "web" in site.settings.roles
    for router in APIS if has_pages else ():
        app.include_router(router, prefix=API)
    for router in PAGES if has_pages else HEALTH:
        app.include_router(router, include_in_schema=router in HEALTH)
    folder = resources.files("askfirst") / "web" / "static"
    app.mount("/static", _Static(directory=str(folder)), name="static")
    add_handlers(app)
    app.add_middleware(Relay)
    app.add_middleware(Repeats)
    app.add_middleware(GZipMiddleware, minimum_size=1_000)
    app.add_middleware(Guard, origin=site.settings.origin)
    return app


@asynccontextmanager
async def _running(app: FastAPI) -> AsyncIterator[None]:
    """Carry calls, and take what is told of them."""
    async with app.state.site.carrier.running():
        if "web" not in app.state.site.settings.roles:
            yield
            return
        async with app.state.twilio.running():
            yield


def routes() -> Iterator[tuple[str, str]]:
    """Method and path of every route, static files left out."""
    for routers, prefix in ((APIS, API), (PAGES, "")):
        for router in routers:
            for route in router.routes:
                if isinstance(route, APIRoute):
                    yield from ((method, prefix + route.path) for method in route.methods or ())


class _Static(StaticFiles):
    """Files that browsers keep for good where their address names the content."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """The file, or 404."""
        response = await super().get_response(path, scope)
        named = b"v=" in scope.get("query_string", b"")
        response.headers["cache-control"] = (
            "public, max-age=31536000, immutable" if named else "no-cache"
        )
        return response
