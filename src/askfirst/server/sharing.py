"""Shares: a recording for one named person outside, by a link and a code that travels apart.

Only what was decided with sharing in mind is shared: the call's policy allowed links for people
outside, the account allows them still, and no guarantee forbids them. The code works once and ties
the share to the browser that brought it. Who the person is stands with the recording, encrypted.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from askfirst.errors import InvalidInput, NotFound, Refused
from askfirst.ledger import Kind
from askfirst.server import keptwords
from askfirst.server.access import Permission, Person
from askfirst.server.database import reading, recordings, transaction
from askfirst.server.digests import of_secret
from askfirst.server.guarantees import Outside, ensure_may_leave, may_leave
from askfirst.server.ids import new_id
from askfirst.server.linktables import shares
from askfirst.server.listening import Given, Listening, Sound
from askfirst.server.playback import Playback
from askfirst.server.purposes import ListeningPurpose
from askfirst.server.refusals import Why
from askfirst.server.restrictions import STAY_OPEN, is_restricted
from askfirst.server.store import Store

LONGEST = timedelta(days=14)
CODE_DIGITS = 8
GUESSES = 5
"""Wrong codes after which a share is void."""

_SECRET = "shares"  # noqa: S105 - the name under which the key store keeps it


@dataclass(frozen=True, slots=True)
class Made:
    """A new share. `token` and `code` are shown once and kept nowhere; `expires_at` is in UTC."""

    id: str
    token: str
    code: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Share:
    """A share as those see it who may share; `recipient` is empty once the recording is erased."""

    id: str
    recipient: str
    purpose: str
    made_by: str
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    is_opened: bool


@dataclass(slots=True)
class Sharing:
    """Makes shares, and opens recordings by them."""

    store: Store
    listening: Listening
    _playback: Playback = field(init=False)

    def __post_init__(self) -> None:
        self._playback = Playback(self.store)

    def make(
        self,
        person: Person,
        recording: str,
        recipient: str,
        purpose: ListeningPurpose,
        lasts: timedelta,
        now: datetime,
    ) -> Made:
        """A share for a named person. Raises NotFound, InvalidRequest for no usable name,
        InvalidInput for a time out of range, Refused where sharing is off, the person does not
        reach the recording, or its parties were told another purpose.
        """
        if not timedelta(hours=1) <= lasts <= LONGEST:
            raise InvalidInput(
                f"found a share for {lasts.total_seconds() / 3600:.0f} hours; expected 1 to "
                f"{LONGEST.total_seconds() / 3600:.0f}"
            )
        call = self.listening.reach(person, Permission.RECORDINGS_EXPORT, recording, now)
        name = keptwords.tidied(recipient, "recipient")
        self.listening.ensure_purpose(person, recording, purpose, now)
        self._ensure_on(recording)
        self._playback.replay(recording)  # raises Refused where it cannot be heard
        made = Made(
            new_id("shr"),
            secrets.token_urlsafe(32),
            f"{secrets.randbelow(10**CODE_DIGITS):0{CODE_DIGITS}d}",
            now + lasts,
        )
        # First the name: a share nobody knows the holder of could not be answered for.
        keptwords.keep(self.store, recording, made.id, {"recipient": name}, now)
        with transaction(self.store.engine) as connection:
            connection.execute(
                shares.insert().values(
                    id=made.id,
                    digest=of_secret(made.token),
                    recording=recording,
                    made_by=person.id,
                    purpose=purpose.value,
                    created_at=now,
                    expires_at=made.expires_at,
                    code=self._sealed(made.id, made.code),
                    failures=0,
                    given=[],
                )
            )
            self.store.ledger.append(
                connection,
                Kind.ACCESS_SHARED,
                now,
                call=call,
                recording=recording,
                data={
                    "person": person.id,
                    "share": made.id,
                    "purpose": purpose.value,
                    "hours_count": round(lasts.total_seconds() / 3600),
                },
            )
        return made

    def revoke(self, person: Person, recording: str, share: str, now: datetime) -> None:
        """Let a share open nothing any more. Raises NotFound, Refused as `make` does."""
        call = self.listening.reach(person, Permission.RECORDINGS_EXPORT, recording, now)
        mine = (shares.c.id == share) & (shares.c.recording == recording)
        with transaction(self.store.engine) as connection:
            if connection.execute(sa.select(shares.c.id).where(mine)).first() is None:
                raise NotFound(f"no share {share} of {recording}")
            done = connection.execute(
                shares.update().where(mine, shares.c.revoked_at.is_(None)).values(revoked_at=now)
            )
            if done.rowcount:
                self.store.ledger.append(
                    connection,
                    Kind.ACCESS_UNSHARED,
                    now,
                    call=call,
                    recording=recording,
                    data={"person": person.id, "share": share},
                )

    def of_recording(self, recording: str) -> Sequence[Share]:
        """The shares of a recording, the newest first, whatever became of them."""
        query = (
            sa.select(shares).where(shares.c.recording == recording).order_by(shares.c.id.desc())
        )
        with reading(self.store.engine) as connection:
            rows = connection.execute(query).all()
        return [
            Share(
                row.id,
                keptwords.kept(self.store, recording, row.id).get("recipient", ""),
                row.purpose,
                row.made_by,
                row.created_at,
                row.expires_at,
                row.revoked_at,
                row.browser is not None,
            )
            for row in rows
        ]

    def is_on(self, recording: str) -> bool:
        """Whether a recording may be shared: its call was decided so, and the account wants it."""
        with reading(self.store.engine) as connection:
            return may_leave(connection, recording, Outside.SHARE_LINK)

    # What the person outside does

    def asks_code(self, token: str, now: datetime) -> bool:
        """Whether a share waits for its code. Raises Refused for one that opens nothing."""
        return self._row(token, now).browser is None

    def open(self, token: str, code: str, now: datetime) -> str:
        """The secret of the browser that brought the right code; works once.

        Raises Refused for a wrong one, and for a share that opens nothing. The caller must have
        no transaction open: wrong codes are counted.
        """
        row = self._row(token, now)
        given = self._sealed(row.id, "".join(code.split()))
        mine = (shares.c.id == row.id) & shares.c.browser.is_(None)
        secret = secrets.token_urlsafe(32)
        with transaction(self.store.engine) as connection:
            present = connection.execute(
                sa.select(shares.c.code, shares.c.failures).where(mine).with_for_update()
            ).one_or_none()
            kept = present.code if present is not None and present.code is not None else ""
            fits = hmac.compare_digest(kept, given)
            if fits:
                values: dict[str, Any] = {"browser": of_secret(secret), "code": None}
            else:
                failures = 0 if present is None else present.failures + 1
                values = {"failures": failures, "code": kept if failures < GUESSES else None}
            connection.execute(shares.update().where(mine).values(**values))
        if not fits:
            self.listening.refusals.note(row.id, row.recording, Why.WRONG_CODE, now)
            raise Refused("this is not the code, or it was used already; ask whoever sent the link")
        return secret

    def knows(self, token: str, browser: str, now: datetime) -> bool:
        """Whether a browser has brought the code. Raises Refused for a share that opens nothing."""
        return _is_browser(self._row(token, now), browser)

    def sound(self, token: str, browser: str, now: datetime) -> Sound:
        """The recording for the browser that has brought the code. Raises Refused."""
        row = self._row(token, now)
        if not _is_browser(row, browser):
            self.listening.refusals.note(row.id, row.recording, Why.OTHER_SESSION, now)
            raise _nothing()
        try:
            content = self._playback.replay(row.recording)
        except Refused as error:
            self.listening.refusals.note(row.id, row.recording, Why.NOT_READY, now)
            raise _nothing() from error
        said = {"share": str(row.id), "purpose": str(row.purpose)}
        given = Given(self.store, shares, row.id, row.recording, row.call, said)
        return Sound(content, given, now)

    def _row(self, token: str, now: datetime) -> Any:
        query = (
            sa.select(shares, recordings.c.call)
            .join(recordings, recordings.c.id == shares.c.recording)
            .where(shares.c.digest == of_secret(token))
        )
        with reading(self.store.engine) as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            raise _nothing()
        why = self._fault(row, now)
        if why is not None:
            self.listening.refusals.note(row.id, row.recording, why, now)
            raise _nothing()
        return row

    def _fault(self, row: Any, now: datetime) -> Why | None:
        if row.revoked_at is not None:
            return Why.REVOKED
        if now >= row.expires_at:
            return Why.EXPIRED
        if row.browser is None and row.code is None:
            return Why.WRONG_CODE
        if not self._is_open(row.recording, row.purpose):
            return Why.OTHER_PURPOSE
        return None if self.is_on(row.recording) else Why.SHARING_OFF

    def _is_open(self, recording: str, purpose: str) -> bool:
        """Whether no restriction has come between."""
        with reading(self.store.engine) as connection:
            return purpose in STAY_OPEN or not is_restricted(connection, recording)

    def _ensure_on(self, recording: str) -> None:
        with reading(self.store.engine) as connection:
            ensure_may_leave(connection, recording, Outside.SHARE_LINK)

    def _sealed(self, share: str, code: str) -> str:
        content = f"{share}\n{code}".encode("utf-8", "surrogatepass")
        return hmac.new(self.store.keys.salt(_SECRET), content, hashlib.sha256).hexdigest()


def _nothing() -> Refused:
    """The same whatever is wrong: it tells nobody what there is."""
    return Refused("this link opens nothing, or nothing any more; ask whoever sent it to you")


def _is_browser(row: Any, browser: str) -> bool:
    return row.browser is not None and hmac.compare_digest(row.browser, of_secret(browser))
