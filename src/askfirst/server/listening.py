"""Links to recordings: short, for one recording, one session and one stated purpose.

A link alone opens nothing: whoever uses it must still be signed in to the session that it was made
in, and must still reach the recording. The first use is an access and stands in the ledger; further
parts of the same playing are not written again.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from askfirst.errors import InvalidInput, Refused
from askfirst.server.access import Permission, Person
from askfirst.server.callreader import call_of, ensure_reaches
from askfirst.server.database import reading
from askfirst.server.playback import Playback
from askfirst.server.store import Store

LONGEST = timedelta(hours=1)
_SECRET = "links"  # noqa: S105 - the name under which the key store keeps it


class ListeningPurpose(StrEnum):
    """Why somebody opens a recording; it stands with the access."""

    QUALITY = "quality"
    TRAINING = "training"
    DISPUTE = "dispute"
    CONSENT_CHECK = "consent-check"
    SUBJECT_REQUEST = "subject-request"


@dataclass(frozen=True, slots=True)
class Link:
    """What opens a recording for a while. `expires_at` is in UTC, to the second."""

    token: str
    expires_at: datetime


@dataclass(slots=True)
class Listening:
    """Makes links and opens recordings by them, for one process.

    Which links have been used is kept in memory: after a restart a link that still holds is written
    down once more, never once less.
    """

    store: Store
    _playback: Playback = field(init=False)
    _used: dict[str, datetime] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._playback = Playback(self.store)

    def link(
        self,
        person: Person,
        session: str,
        recording: str,
        purpose: ListeningPurpose,
        lasts: timedelta,
        now: datetime,
    ) -> Link:
        """A link for a session. Raises NotFound, InvalidInput for a time that is out of range,
        Refused where the person does not reach the recording.
        """
        if not timedelta(seconds=1) <= lasts <= LONGEST:
            raise InvalidInput(
                f"found a link for {lasts.total_seconds():.0f} seconds; expected 1 to "
                f"{LONGEST.total_seconds():.0f}"
            )
        self._ensure(person, recording)
        until = int((now + lasts).timestamp())
        said = f"{until}.{purpose.value}.{secrets.token_hex(8)}"
        token = f"{said}.{self._seal(said, recording, session)}"
        return Link(token, datetime.fromtimestamp(until, UTC))

    def audio(
        self, person: Person, session: str, recording: str, token: str, now: datetime
    ) -> bytes:
        """The recording as Ogg/Opus, by a link. Raises Refused for a link that does not hold, is
        another session's, or has run out; the access is in the ledger before anything is read.
        """
        self._ensure(person, recording)
        said, purpose, expires_at = self._read(session, recording, token, now)
        with self._lock:
            self._used = {key: end for key, end in self._used.items() if end > now}
            is_more = said in self._used
        if is_more:
            return self._playback.replay(recording)
        # Not under the lock: others listen meanwhile. Twice at once is written down twice.
        played = self._playback.play(recording, person=person.id, purpose=purpose)
        with self._lock:
            self._used[said] = expires_at
        return played

    def purpose(self, session: str, recording: str, token: str, now: datetime) -> ListeningPurpose:
        """What a link was made for; opens nothing. Raises Refused as `audio` does."""
        return self._read(session, recording, token, now)[1]

    def _read(
        self, session: str, recording: str, token: str, now: datetime
    ) -> tuple[str, ListeningPurpose, datetime]:
        """What a link says, why, and until when, once it is shown to be ours and to hold."""
        said, _, seal = token.rpartition(".")
        if not hmac.compare_digest(
            seal.encode("utf-8"), self._seal(said, recording, session).encode("utf-8")
        ):
            raise Refused(
                "this link was not made in this session for this recording; open the call and "
                "choose to listen again"
            )
        until, purpose, _ = said.split(".")
        expires_at = datetime.fromtimestamp(int(until), UTC)
        if now >= expires_at:
            raise Refused("this link has run out; open the call and choose to listen again")
        return said, ListeningPurpose(purpose), expires_at

    def _ensure(self, person: Person, recording: str) -> None:
        with reading(self.store.engine) as connection:
            call = call_of(connection, recording)
            ensure_reaches(connection, person, Permission.RECORDINGS_LISTEN, call)

    def _seal(self, said: str, recording: str, session: str) -> str:
        holder = hashlib.sha256(session.encode("utf-8")).hexdigest()
        content = f"{said}\n{recording}\n{holder}".encode()
        return hmac.new(self.store.keys.salt(_SECRET), content, hashlib.sha256).hexdigest()
