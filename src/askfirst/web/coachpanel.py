"""What the page of a call shows of coaching: comments, clips, and what may be written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from askfirst.errors import Refused
from askfirst.server import accounts, clips, comments, mentions, playlists
from askfirst.server.access import Permission
from askfirst.server.callreader import reaches
from askfirst.server.clips import Clip
from askfirst.server.clock import utc_now
from askfirst.server.comments import Comment
from askfirst.server.database import reading, transaction
from askfirst.server.playlists import Playlist
from askfirst.web.visit import Visit

MOST_NAMES = 12
"""People who are named as those who can be mentioned; others can be, too."""


@dataclass(frozen=True, slots=True)
class Typed:
    """What somebody typed that could not be kept: in which form, why not, and the fields."""

    form: str
    error: str
    fields: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Panel:
    """Comments and clips of a call, one page of each; `more` is the address of the next."""

    call: str
    threads: Sequence[Comment]
    clips: Sequence[Clip]
    playlists: Sequence[Playlist]
    names: Mapping[str, str]
    can_be_mentioned: Sequence[str]
    may_write: bool
    more: str
    typed: Typed


def panel(
    visit: Visit, call: str, after: str = "", after_clip: str = "", typed: Typed | None = None
) -> Panel:
    """What the visit's person sees; who is mentioned has seen it now.

    Raises NotFound and Refused as `comments.comments_of`.
    """
    store, person = visit.site.store, visit.who.person
    threads = comments.comments_of(store, person, call, after or None)
    made = clips.clips_of(store, person, call, after_clip or None)
    with reading(store.engine) as connection:
        may_write = reaches(connection, person, Permission.COACHING_WRITE, call)
        names = accounts.names(connection)
        known = mentions.listeners(connection, call)
        lists = playlists.own_playlists(connection, person) if may_write else []
        waits = any(each.call == call for each in mentions.waiting(connection, person))
    if waits:
        with transaction(store.engine) as connection:
            mentions.seen(connection, visit.who.id, call, utc_now())
    others = sorted(each.name for each in known if each.id != visit.who.id)
    return Panel(
        call=call,
        threads=threads,
        clips=made,
        playlists=lists,
        names=names,
        can_be_mentioned=others[:MOST_NAMES],
        may_write=may_write,
        more=_more(call, threads, made, after, after_clip),
        typed=typed or Typed("", ""),
    )


def panel_if_open(visit: Visit, call: str) -> Panel | None:
    """As `panel`; None where nothing is shown of the call now."""
    try:
        return panel(visit, call)
    except Refused:
        return None


def _more(
    call: str, threads: Sequence[Comment], made: Sequence[Clip], after: str, after_clip: str
) -> str:
    """Where the next page is, if there may be one; a list that has ended stays behind its end."""
    has_more = len(threads) == comments.MOST or len(made) == clips.MOST
    if not has_more:
        return ""
    last = threads[-1].id if threads else after
    last_clip = made[-1].id if made else after_clip
    return f"/calls/{call}/coaching?after={last}&after_clip={last_clip}"
