"""Comments on calls over HTTP."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from askfirst.ledger import timestamp
from askfirst.server import comments
from askfirst.server.access import Permission
from askfirst.server.clock import utc_now
from askfirst.server.comments import Comment
from askfirst.web.bodies import Body
from askfirst.web.visit import Visit, permitted

router = APIRouter(tags=["coaching"])

Listener = Annotated[Visit, Depends(permitted(Permission.RECORDINGS_LISTEN))]
Writer = Annotated[Visit, Depends(permitted(Permission.COACHING_WRITE))]
Limit = Annotated[int, Query(ge=1, le=comments.MOST)]


class WantedComment(Body):
    """A comment at a time of the call in ms, to `to_ms` where it is about a range; or an answer to
    `parent`, which has its time.
    """

    text: str
    from_ms: int = 0
    to_ms: int | None = None
    parent: str | None = None


class ChangedComment(Body):
    """What is to be changed: one's own `text`, which was read as `version`, or whether the thread
    is done with.
    """

    text: str | None = None
    version: int = 0
    resolved: bool | None = None


@router.get("/calls/{call}/comments")
def list_comments(
    visit: Listener, call: str, after: str | None = None, limit: Limit = comments.MOST
) -> dict[str, object]:
    """The threads of a call in its order; `next` is the `after` of the next page."""
    found = comments.comments_of(visit.site.store, visit.who.person, call, after, limit)
    following = found[-1].id if len(found) == limit else None
    return {"comments": [_shown(each) for each in found], "next": following}


@router.post("/calls/{call}/comments", status_code=201)
def write(visit: Writer, call: str, wanted: WantedComment) -> dict[str, object]:
    """Write a comment; ``@`` with a name or mail address mentions who may listen to the call."""
    made = comments.write(
        visit.site.store,
        visit.who.person,
        call,
        wanted.text,
        utc_now(),
        from_ms=wanted.from_ms,
        to_ms=wanted.to_ms,
        parent=wanted.parent,
    )
    return {"id": made}


@router.patch("/calls/{call}/comments/{comment}")
def change(visit: Writer, call: str, comment: str, wanted: ChangedComment) -> dict[str, object]:
    """Change one's own comment, 409 where it has changed since; or say that it is done with."""
    store, person, now = visit.site.store, visit.who.person, utc_now()
    if wanted.text is not None:
        comments.change(store, person, call, comment, wanted.version, wanted.text, now)
    if wanted.resolved is not None:
        comments.resolve(store, person, call, comment, now, is_done=wanted.resolved)
    return {"id": comment}


@router.delete("/calls/{call}/comments/{comment}", status_code=204)
def delete(visit: Writer, call: str, comment: str) -> Response:
    """Delete one's own comment; its words go at once."""
    comments.remove(visit.site.store, visit.who.person, call, comment, utc_now())
    return Response(status_code=204)


def _shown(comment: Comment) -> dict[str, object]:
    return {
        "id": comment.id,
        "person": comment.person,
        "text": comment.text,
        "version": comment.version,
        "from_ms": comment.from_ms,
        "to_ms": comment.to_ms,
        "at": timestamp(comment.at),
        "edited_at": None if comment.edited_at is None else timestamp(comment.edited_at),
        "resolved_at": None if comment.resolved_at is None else timestamp(comment.resolved_at),
        "answers": [_shown(each) for each in comment.answers],
    }
