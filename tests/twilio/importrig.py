"""An account at the emulator with recordings, and an installation that they are brought to."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import sqlalchemy as sa

from askfirst.audio.container import encode_wav
from askfirst.audio.mixing import to_samples
from askfirst.audio.tone import find_tone, tone
from askfirst.auditing import Law
from askfirst.model import Word
from askfirst.policy import Policy
from askfirst.ports import RecognizerCapabilities
from askfirst.rules import packaged
from askfirst.server.auditrun import Reach
from askfirst.server.blobs import LocalBlobs, disk_trouble
from askfirst.server.database import reading
from askfirst.server.importing import Importer, Line
from askfirst.server.store import Store
from askfirst.server.twilioimport import Wish, run
from askfirst.speech.transcribe import spread
from askfirst.telephony.twilioclient import TwilioClient
from askfirst.telephony.twiliovalues import TwilioCredentials
from askfirst.twilioemulator.kept import (
    ACCOUNT_SID,
    SECRET,
    Account,
    KeptCall,
    KeptRecording,
)

NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
OURS, CALIFORNIA, BERLIN = "+15125550100", "+16285550142", "+4930901820"
NOTICE = "This call is recorded for training and quality, and transcribed."
QUESTION = (
    "Harbor Supply would like to record this call for the purposes named on our privacy page, but "
    "only if you agree. You can say no, now or later, and get the same help, and take back a yes "
    "at any time. You can find all details on our privacy page. Do you agree to the recording?"
)
AGENT_HZ, CONTACT_HZ = 440, 1000


class Hearing:
    """Hears a line for each of the two tones, and notes whose it was given."""

    name = "hearing"
    capabilities = RecognizerCapabilities(frozenset({"en"}), word_times=True, external=False)

    def __init__(self, agent: str = NOTICE, contact: str = "") -> None:
        self.lines = {AGENT_HZ: agent, CONTACT_HZ: contact}
        self.given: list[int] = []

    def transcribe(self, pcm: bytes, language: str) -> list[Word]:
        length_ms = len(pcm) // 32
        for hz, line in self.lines.items():
            if find_tone(to_samples(pcm), 16_000, [hz]):
                self.given.append(hz)
                # The contact answers when the agent has said it.
                begin = 0 if hz == AGENT_HZ else length_ms // 2
                return spread(line, begin, length_ms, 1.0) if line else []
        return []

    def close(self) -> None:
        pass


def sound(first: int = AGENT_HZ, second: int = CONTACT_HZ, ms: int = 4_000) -> bytes:
    return encode_wav(
        np.stack([tone([first], ms, rate=8_000), tone([second], ms, rate=8_000)]), 8_000
    )


def mono() -> bytes:
    return encode_wav(tone([AGENT_HZ], 4_000, rate=8_000)[None, :], 8_000)


class Full(LocalBlobs):
    """A disk with no room left for a second object."""

    room = 1

    def put_new(self, name: str, data: bytes) -> None:
        if not self.room:
            raise disk_trouble("write", OSError(28, "No space left on device"))
        self.room -= 1
        super().put_new(name, data)


@dataclass
class Case:
    """An account at the emulator, an installation, and what brings the one into the other."""

    account: Account
    store: Store
    base: str
    hearing: Hearing = field(default_factory=Hearing)
    policy: Policy = field(default_factory=Policy)
    reach: Reach = field(default_factory=Reach)

    def add(self, number: int, contact: str, wav: bytes | None = None, **call: Any) -> str:
        """A recording of a call that an agent's program made to somebody."""
        parent, child = f"CA{number:032x}", f"CA{number + 1000:032x}"
        at = NOW - timedelta(days=10 - number)
        self.account.calls[parent] = KeptCall(
            parent, **{"sender": "client:agent", "to": OURS, "direction": "inbound", **call}, at=at
        )
        self.account.calls[child] = KeptCall(
            child, OURS, contact, at, direction="outbound-dial", parent=parent
        )
        sid = f"RE{number:032x}"
        content = sound() if wav is None else wav
        self.account.recordings[sid] = KeptRecording(
            sid, parent, at, {1: content, 2: content}, channels=1 if wav == mono() else 2
        )
        return sid

    def run(self, secret: str = SECRET, **wish: Any) -> list[Line]:
        def importer() -> Importer:
            law = Law(packaged(), self.policy)
            return Importer(self.store, law, self.reach, self.hearing)

        async def main() -> list[Line]:
            credentials = TwilioCredentials(ACCOUNT_SID, secret)
            async with TwilioClient(credentials, self.base, pause=at_once) as client:
                lines = run(
                    client,
                    Wish(agent="US-TX", **wish),
                    Law(packaged(), self.policy),
                    self.store,
                    importer,
                    lambda: NOW,
                )
                return [each async for each in lines]

        return asyncio.run(main())

    def rows(self, table: sa.Table) -> list[Any]:
        with reading(self.store.engine) as connection:
            return list(connection.execute(sa.select(table)))

    def fetched(self) -> int:
        return sum(each.path.endswith(".wav") for each in self.account.seen)

    def there(self, sid: str) -> bool:
        return self.account.recordings[sid].status != "deleted"


async def at_once(_: float) -> None:
    return None
