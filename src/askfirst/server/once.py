"""Requests that are carried out once, however often a program sends them.

A program names a request by a key of its own. What was answered is kept for a day, encrypted under
that name, which itself is kept nowhere: without it nobody reads the answer, and whoever was
forgotten meanwhile is not remembered here.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from askfirst.errors import InvalidInput
from askfirst.server.keys import KeyStore
from askfirst.server.tokentables import answers_once

LASTS = timedelta(hours=24)
MOST_ANSWERS = 1_000
"""Of one holder; beyond it the oldest are forgotten."""

LONGEST_KEY = 200
_SECRET = "answers"  # noqa: S105 - the name under which the key store keeps it
_NONCE_BYTES = 12


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered to a request."""

    status: int
    media_type: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Known:
    """A request that was sent before. `answer` None: it was begun, and no answer is kept."""

    is_same: bool
    answer: Answer | None


class Once:
    """The requests of one holder (a person's session or token), each under a key of its own.

    Raises InvalidInput for a key that is not 1 to 200 printable ASCII characters. Every method
    works inside the caller's transaction.
    """

    def __init__(self, keys: KeyStore, holder: str, key: str) -> None:
        if not 1 <= len(key) <= LONGEST_KEY or not (key.isascii() and key.isprintable()):
            raise InvalidInput(
                f"found an Idempotency-Key of {len(key)} characters; expected 1 to {LONGEST_KEY} "
                "printable ASCII characters, such as a UUID"
            )
        self._holder = hashlib.sha256(holder.encode()).hexdigest()
        secret = keys.salt(_SECRET)
        name = f"{self._holder}\n{key}".encode()
        self._key = hmac.new(secret, b"name\n" + name, hashlib.sha256).hexdigest()
        self._secret = hmac.new(secret, b"key\n" + name, hashlib.sha256).digest()
        self._cipher = AESGCM(self._secret)

    def begin(self, connection: sa.Connection, request: bytes, now: datetime) -> Known | None:
        """None for a request that is new, and from now on is not; what is known of any other."""
        table = answers_once
        connection.execute(table.delete().where(table.c.created_at <= now - LASTS))
        row = connection.execute(sa.select(table).where(self._here)).one_or_none()
        digest = self._digest(request)
        if row is not None:
            answer = None
            if row.status is not None:
                answer = Answer(row.status, row.media_type, self._open(row.body))
            return Known(hmac.compare_digest(row.request, digest), answer)
        self._make_room(connection)
        values = {"holder": self._holder, "key": self._key}
        connection.execute(table.insert().values(**values, created_at=now, request=digest))
        return None

    def end(self, connection: sa.Connection, answer: Answer) -> None:
        """Keep what was answered."""
        nonce = os.urandom(_NONCE_BYTES)
        body = nonce + self._cipher.encrypt(nonce, answer.body, None)
        values = {"status": answer.status, "media_type": answer.media_type, "body": body}
        connection.execute(answers_once.update().where(self._here).values(**values))

    def forget(self, connection: sa.Connection) -> None:
        """Nothing was done: the request may be sent again."""
        connection.execute(answers_once.delete().where(self._here))

    @property
    def _here(self) -> sa.ColumnElement[bool]:
        return (answers_once.c.holder == self._holder) & (answers_once.c.key == self._key)

    def _make_room(self, connection: sa.Connection) -> None:
        own = answers_once.c.holder == self._holder
        newest = (
            sa.select(answers_once.c.key)
            .where(own)
            .order_by(answers_once.c.created_at.desc())
            .limit(MOST_ANSWERS - 1)
        )
        kept = list(connection.execute(newest).scalars())
        if len(kept) == MOST_ANSWERS - 1:
            connection.execute(answers_once.delete().where(own, answers_once.c.key.not_in(kept)))

    def _digest(self, request: bytes) -> str:
        """Of the request, keyed as well: a number in it could be guessed from a plain hash."""
        return hmac.new(self._secret, request, hashlib.sha256).hexdigest()

    def _open(self, body: bytes) -> bytes:
        try:
            return self._cipher.decrypt(body[:_NONCE_BYTES], body[_NONCE_BYTES:], None)
        except InvalidTag:  # the key store was replaced under it
            return b""
