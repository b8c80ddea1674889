"""Links to recordings: short, for one recording, one person's session and one stated purpose.

A link alone opens nothing: whoever uses it must still be signed in to the session that it was made
in, and must still reach the recording. What is heard stands in the ledger with its call times
before it is given; what was refused stands there too.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from askfirst.audio.oggpages import sound_of
from askfirst.errors import InvalidInput, NotFound, Refused
from askfirst.ledger import Kind
from askfirst.server import keptwords
from askfirst.server.access import Permission, Person
from askfirst.server.account import account
from askfirst.server.callreader import call_of, ensure_reaches
from askfirst.server.database import calls, reading, recordings, transaction
from askfirst.server.digests import of_secret
from askfirst.server.ids import new_id
from askfirst.server.linktables import links
from askfirst.server.playback import Playback
from askfirst.server.purposes import ListeningPurpose, ensure_allowed
from askfirst.server.recordingreader import call_span, stretches_of
from askfirst.server.refusals import Refusals, Why
from askfirst.server.store import Store

LONGEST = timedelta(hours=1)
_FORGOTTEN_AFTER = timedelta(days=1)
"""What became of a link that has run out is in the ledger; its row is of no use any more."""


@dataclass(frozen=True, slots=True)
class Link:
    """What opens a recording for a while. `expires_at` is in UTC, to the second."""

    id: str
    token: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Given:
    """By what a recording is heard: a row of `table`, and what stands in the ledger with it."""

    store: Store
    table: sa.Table
    id: str
    recording: str
    call: str
    said: Mapping[str, str]

    def note(self, from_ms: int, to_ms: int, at: datetime) -> None:
        """Write down that this part (file time) is given now; what was given before is not."""
        with transaction(self.store.engine) as connection:
            from_ms, to_ms = call_span(stretches_of(connection, self.recording), from_ms, to_ms)
            mine = self.table.c.id == self.id
            before = connection.execute(
                sa.select(self.table.c.given).where(mine).with_for_update()
            ).scalar_one()
            if _holds(before, from_ms, to_ms):
                return
            self.store.ledger.append(
                connection,
                Kind.ACCESS_PLAYED,
                at,
                call=self.call,
                recording=self.recording,
                data={**self.said, "from_ms": from_ms, "to_ms": to_ms},
            )
            given = _joined([*before, [from_ms, to_ms]])
            connection.execute(self.table.update().where(mine).values(given=given))


class Sound:
    """A recording as Ogg/Opus; every part that is taken of it is written down before."""

    def __init__(self, content: bytes, given: Given, at: datetime) -> None:
        self._content = content
        self._given = given
        self._at = at

    @property
    def size(self) -> int:
        """Bytes of the whole."""
        return len(self._content)

    def part(self, first: int, last: int) -> bytes:
        """The bytes from `first` to `last`, both included and within."""
        from_ms, to_ms = sound_of(self._content, first, last)
        if from_ms < to_ms:  # headers alone are no sound
            self._given.note(from_ms, to_ms, self._at)
        return self._content[first : last + 1]


@dataclass(slots=True)
class Listening:
    """Makes links and opens recordings by them."""

    store: Store
    refusals: Refusals = field(init=False)
    _playback: Playback = field(init=False)

    def __post_init__(self) -> None:
        self.refusals = Refusals(self.store)
        self._playback = Playback(self.store)

    def link(
        self,
        person: Person,
        session: str,
        recording: str,
        purpose: ListeningPurpose,
        lasts: timedelta,
        now: datetime,
        reason: str = "",
        *,
        is_original: bool = False,
    ) -> Link:
        """A link for a session; `is_original`: to the sound with nothing silent in it.

        Raises NotFound, InvalidInput for a time that is out of range, Refused where the person does
        not reach the recording or its parties were told another purpose, and InvalidRequest where
        the account wants a `reason` and there is none.
        """
        if not timedelta(seconds=1) <= lasts <= LONGEST:
            raise InvalidInput(
                f"found a link for {lasts.total_seconds():.0f} seconds; expected 1 to "
                f"{LONGEST.total_seconds():.0f}"
            )
        self.reach(person, Permission.RECORDINGS_LISTEN, recording, now)
        self.ensure_purpose(person, recording, purpose, now)
        reason = self._stated(person, recording, reason)
        made = Link(new_id("lnk"), secrets.token_urlsafe(32), _to_the_second(now + lasts))
        if reason:
            keptwords.keep(self.store, recording, made.id, {"reason": reason}, now)
        with transaction(self.store.engine) as connection:
            # One that kept nothing may have gone since it was reached.
            call_of(connection, recording)
            connection.execute(links.delete().where(links.c.expires_at < now - _FORGOTTEN_AFTER))
            connection.execute(
                links.insert().values(
                    id=made.id,
                    digest=of_secret(made.token),
                    recording=recording,
                    user=person.id,
                    session=of_secret(session),
                    purpose=purpose.value,
                    is_original=is_original,
                    created_at=now,
                    expires_at=made.expires_at,
                    given=[],
                )
            )
        return made

    def state_reason(
        self, person: Person, recording: str, reason: str, now: datetime
    ) -> str | None:
        """Keep why a person hands a recording on; gives the id that its access names as `link`.

        None where no reason was given and none is wanted. Raises InvalidRequest as `link` does.
        """
        stated = self._stated(person, recording, reason)
        if not stated:
            return None
        made = new_id("lnk")
        keptwords.keep(self.store, recording, made, {"reason": stated}, now)
        return made

    def _stated(self, person: Person, recording: str, reason: str) -> str:
        if reason.strip() or self.wants_reason(person, recording):
            return keptwords.tidied(reason, "reason")
        return ""

    def wants_reason(self, person: Person, recording: str) -> bool:
        """Whether a person has to say in words why they open a recording: not of their own call."""
        with reading(self.store.engine) as connection:
            agent = connection.execute(
                sa.select(calls.c.agent).join(recordings).where(recordings.c.id == recording)
            ).scalar()
            return account(connection).asks_reason and agent != person.id

    def sound(
        self, person: Person, session: str, recording: str, token: str, now: datetime
    ) -> Sound:
        """The recording by a link; nothing of it is given yet.

        Raises Refused for a link that does not hold, is another session's, was revoked or has run
        out, and for a recording that is not ready.
        """
        row = self._row(person, session, recording, token, now)
        self.ensure_purpose(person, recording, ListeningPurpose(row.purpose), now)
        call = self.reach(person, Permission.RECORDINGS_LISTEN, recording, now)
        try:
            if row.is_original:  # whoever lost the right meanwhile gets it no more
                person.ensure(Permission.ORIGINALS_OPEN)
            content = self._playback.replay(recording, is_original=row.is_original)
        except Refused:
            self.refusals.note(person.id, recording, Why.NOT_READY, now)
            raise
        said = {"person": person.id, "purpose": str(row.purpose), "link": str(row.id)}
        if row.is_original:
            said["sound"] = "original"
        return Sound(content, Given(self.store, links, row.id, recording, call, said), now)

    def purpose(
        self, person: Person, session: str, recording: str, token: str, now: datetime
    ) -> ListeningPurpose:
        """What a link was made for; opens nothing. Raises Refused as `sound` does."""
        row = self._row(person, session, recording, token, now)
        stated = ListeningPurpose(row.purpose)
        self.ensure_purpose(person, recording, stated, now)  # it may be restricted by now
        return stated

    def revoke(self, person: Person, recording: str, link: str, now: datetime) -> None:
        """Let a link open nothing any more: one's own, or anybody's who holds recordings back.

        Raises NotFound for a link that there is not, or that is somebody else's, and as `reach`.
        """
        self.reach(person, Permission.RECORDINGS_LISTEN, recording, now)
        mine = (links.c.id == link) & (links.c.recording == recording)
        if not person.may(Permission.RECORDINGS_HOLD):
            mine &= links.c.user == person.id
        with transaction(self.store.engine) as connection:
            done = connection.execute(
                links.update().where(mine, links.c.revoked_at.is_(None)).values(revoked_at=now)
            )
            known = connection.execute(sa.select(links.c.id).where(mine)).first()
        if done.rowcount == 0 and known is None:
            raise NotFound(f"no link {link} of yours to {recording}")

    def reach(self, person: Person, permission: Permission, recording: str, now: datetime) -> str:
        """The call of a recording that a permission reaches.

        Raises NotFound, and Refused after having written the attempt down.
        """
        try:
            with reading(self.store.engine) as connection:
                call = call_of(connection, recording)
                ensure_reaches(connection, person, permission, call)
        except Refused:
            self.refusals.note(person.id, recording, Why.NO_RIGHT, now)
            raise
        return call

    def ensure_purpose(
        self, person: Person, recording: str, purpose: ListeningPurpose, now: datetime
    ) -> None:
        """Raise Refused, and write it down, for a purpose that a recording is not opened for."""
        try:
            with reading(self.store.engine) as connection:
                ensure_allowed(connection, person, recording, purpose)
        except Refused:
            self.refusals.note(person.id, recording, Why.OTHER_PURPOSE, now)
            raise

    def _row(self, person: Person, session: str, recording: str, token: str, now: datetime) -> Any:
        """The row of a link that holds. Whatever is wrong, the same is done, so that neither the
        answer nor its time tells whether there is such a recording.
        """
        with reading(self.store.engine) as connection:
            row = connection.execute(
                sa.select(links).where(links.c.digest == of_secret(token))
            ).one_or_none()
        why = _fault(row, person, session, recording, now)
        if why is None:
            return row
        self.refusals.note(person.id, recording, why, now)
        if why is Why.EXPIRED:
            raise Refused("this link has run out; open the call and choose to listen again")
        if why is Why.REVOKED:
            raise Refused("this link was revoked; open the call and choose to listen again")
        raise Refused(
            "this link was not made in this session for this recording; open the call and "
            "choose to listen again"
        )


def _fault(row: Any, person: Person, session: str, recording: str, now: datetime) -> Why | None:
    if row is None:
        return Why.NO_LINK
    if row.session != of_secret(session) or row.user != person.id:
        return Why.OTHER_SESSION
    if row.recording != recording:
        return Why.OTHER_RECORDING
    if row.revoked_at is not None:
        return Why.REVOKED
    return Why.EXPIRED if now >= row.expires_at else None


def _to_the_second(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(microsecond=0)


def _holds(given: Sequence[Sequence[int]], from_ms: int, to_ms: int) -> bool:
    """Whether a part lies within what was given."""
    return any(begun <= from_ms and to_ms <= ended for begun, ended in given)


def _joined(parts: Sequence[Sequence[int]]) -> list[list[int]]:
    """The same times in as few parts as they need."""
    joined: list[list[int]] = []
    for from_ms, to_ms in sorted((part[0], part[1]) for part in parts):
        if joined and from_ms <= joined[-1][1]:
            joined[-1][1] = max(joined[-1][1], to_ms)
        else:
            joined.append([from_ms, to_ms])
    return joined
