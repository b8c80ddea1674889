"""Errors as responses: problem documents for programs (RFC 9457), pages for people.

The program's error tree knows no status codes; the table here gives each its own, and a stable
type that programs may rely on.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from urllib.parse import quote

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, RedirectResponse, Response

from askfirst.errors import (
    AskfirstError,
    InvalidInput,
    InvalidRequest,
    Misconfigured,
    NotFound,
    NotInstalled,
    Refused,
    Unavailable,
    Unverified,
)
from askfirst.server.callnotes import Conflict
from askfirst.web.page import render
from askfirst.web.visit import API, NeedsFactor, NotSetUp, SignedOut, site_of, visit

STATUSES: Mapping[type[AskfirstError], tuple[int, str]] = {
    SignedOut: (401, "signed-out"),
    NotSetUp: (409, "not-set-up"),
    NeedsFactor: (403, "second-factor-needed"),
    Conflict: (409, "conflict"),
    InvalidRequest: (422, "invalid-request"),
    InvalidInput: (422, "invalid-input"),
    Refused: (403, "refused"),
    NotFound: (404, "not-found"),
    Unverified: (409, "unverified"),
    NotInstalled: (501, "not-installed"),
    Misconfigured: (500, "misconfigured"),
    Unavailable: (503, "unavailable"),
}
"""The status and the type of each error; what has no line of its own has that of its parent."""

SIGNED_OUT_EVENT = "askfirst:signed-out"


def add_handlers(app: FastAPI) -> None:
    """Let the application answer errors in the form that the request asks for."""
    app.add_exception_handler(AskfirstError, answer_to)
    app.add_exception_handler(HTTPException, _of_http)
    app.add_exception_handler(RequestValidationError, _of_validation)


def answer_to(request: Request, error: Exception) -> Response:
    """The answer to a request that ended in an error of our own."""
    assert isinstance(error, AskfirstError)  # noqa: S101 - registered for nothing else
    status, kind = next(STATUSES[each] for each in type(error).__mro__ if each in STATUSES)
    if isinstance(error, SignedOut) and _is_page(request):
        if "hx-request" in request.headers:
            return Response(status_code=401, headers={"HX-Trigger": SIGNED_OUT_EVENT})
        return RedirectResponse(f"/sign-in?next={quote(error.wanted)}", status_code=303)
    if isinstance(error, NeedsFactor) and _is_page(request):
        return RedirectResponse("/me/security", status_code=303)
    if isinstance(error, NotSetUp) and _is_page(request):
        return RedirectResponse("/setup", status_code=303)
    extra = {"key": error.key} if isinstance(error, InvalidRequest) else {}
    answer = problem(request, status, kind, _told(request, str(error)), extra)
    if status == HTTPStatus.UNAUTHORIZED:
        answer.headers["www-authenticate"] = "Bearer"
    return answer


def _of_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for nothing else
    phrase = HTTPStatus(error.status_code).phrase
    kind = phrase.lower().replace(" ", "-")
    return problem(request, error.status_code, kind, _told(request, error.detail))


def _of_validation(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for nothing else
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"] if part != "body") or "the request"
    detail = _told(request, f"{where}: {first['msg']}")
    return problem(request, 422, "invalid-request", detail, {"key": where})


def _told(request: Request, detail: str) -> str:
    """What went wrong, in the language of whoever looks at a page or has the phone open.

    Programs get English: whoever brings a token, and whoever is not signed in by a session.
    """
    is_session = site_of(request).cookie in request.cookies
    is_phone = is_session and request.url.path.startswith(API)
    if not _is_page(request) and ("authorization" in request.headers or not is_phone):
        return detail
    try:
        asks = visit(request)
    except AskfirstError:
        # A fault that keeps even the session from being read.
        return detail
    return asks.told(detail) if _is_page(request) or asks.user is not None else detail


def problem(
    request: Request, status: int, kind: str, detail: str, extra: Mapping[str, str] | None = None
) -> Response:
    """An error as a problem document, or as a page where a person is looking."""
    if _is_page(request):
        return render(
            visit(request), "problem.html", status=status, status_code=status, detail=detail
        )
    document = {
        "type": f"urn:askfirst:problem:{kind}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        **(extra or {}),
    }
    return JSONResponse(document, status_code=status, media_type="application/problem+json")


def _is_page(request: Request) -> bool:
    return not request.url.path.startswith(("/api/", "/healthz", "/readyz", "/metrics"))
