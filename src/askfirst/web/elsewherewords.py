"""What pages say of the checks for recordings that Twilio keeps, and of why one failed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from askfirst.server import recordingselsewhere
from askfirst.server.access import Permission
from askfirst.server.clock import utc_now
from askfirst.server.database import reading
from askfirst.server.recordingselsewhere import Elsewhere, Standing
from askfirst.web import words
from askfirst.web.visit import Visit

STANDINGS: Mapping[str, str] = {
    Standing.NEVER: words.mark("Not known: never checked"),
    Standing.CREDENTIALS: words.mark("Not known: Twilio does not take the credentials"),
    Standing.REFUSED: words.mark("Not known: the key may not list recordings"),
    Standing.UNREACHABLE: words.mark("Not known: Twilio did not answer"),
    Standing.ANSWER: words.mark("Not known: Twilio’s answer could not be read"),
    Standing.STALE: words.mark("Not known: the last check is too old"),
    Standing.FOUND: words.mark("Recordings are kept there"),
    Standing.NOTHING: words.mark("Nothing is kept there"),
}
REMEDIES: Mapping[str, str] = {
    Standing.NEVER: words.mark("It is checked at the next start of askfirst serve."),
    Standing.CREDENTIALS: words.mark("Mend the credentials of Twilio."),
    Standing.REFUSED: words.mark("Give the API key the right to read recordings, at Twilio."),
    Standing.UNREACHABLE: words.mark("Look whether this machine reaches api.twilio.com."),
    Standing.ANSWER: words.mark("Look for an update of askfirst."),
    Standing.STALE: words.mark("Look whether a process with the jobs runs; it checks daily."),
    Standing.FOUND: words.mark("Each that nobody here asked for is in the compliance queue."),
    Standing.NOTHING: "",
}
_ICONS: Mapping[str, tuple[str, str]] = {
    Standing.NOTHING: ("may", "circle-check"),
    Standing.NEVER: ("plain", "circle-dashed"),
}


@dataclass(frozen=True, slots=True)
class Told:
    """What is said: a chip, what to do, how many there are (None: not known), and the times."""

    kind: str
    icon: str
    text: str
    remedy: str
    count: int | None
    tried_at: datetime | None
    done_at: datetime | None
    leads_to_queue: bool


def told(visit: Visit) -> Told:
    """What the checks say now, as the template `twilio_elsewhere.html` shows it."""
    with reading(visit.site.store.engine) as connection:
        found = recordingselsewhere.state(connection)
    now = utc_now()
    standing = found.standing(now)
    kind, icon = _ICONS.get(standing, ("no", "triangle-alert"))
    return Told(
        kind,
        icon,
        visit.say(STANDINGS[standing]),
        visit.say(REMEDIES[standing]) if REMEDIES[standing] else "",
        found.count(now),
        found.tried_at,
        found.done_at,
        standing is Standing.FOUND and visit.may(Permission.QUEUE_READ),
    )


def why(visit: Visit, found: Elsewhere) -> str:
    """Why the last check failed, and what to do, in words."""
    standing = found.standing(utc_now())
    return f"{visit.say(STANDINGS[standing])}. {visit.say(REMEDIES[standing])}"
