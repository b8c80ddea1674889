"""People with telephones at the emulated Twilio, and desks that call them over our provider."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tests.twilio.lines import Lines, in_memory

from askfirst.audio.container import encode_wav
from askfirst.audio.tone import tone
from askfirst.clock import LoopClock
from askfirst.server.desk import Desk
from askfirst.server.node import Node
from askfirst.telephony.persona import Persona, by_number, load_persona
from askfirst.twilioemulator.exchange import Call

NEW_YORK = "+12125550143"
"""With an agent in Texas, nobody has to be told or asked."""

OSLO = "+4722222222"
HOUSTON = "+17135550166"
WELLINGTON = "+6448315040"
"""With an agent in Texas, they have to be told and nobody has to agree."""

AGENT_HZ, CONTACT_HZ, ADDED_HZ = 440.0, 1_000.0, 2_000.0
TALKS = 'say="contact"\naudio="voice.wav"'
PRESSES = 'key="1"'
HANGS_UP = 'hangup="contact"'


def pause(ms: int) -> str:
    return f"pause_ms={ms}"


def person(
    folder: Path, number: str, *steps: str, hz: float = CONTACT_HZ, ms: int = 30_000
) -> Persona:
    """Somebody whose voice is a tone."""
    return voiced(folder / number[1:], number, tone((hz,), ms), *steps or (TALKS,))


def voiced(folder: Path, number: str, voice: NDArray[np.int16], *steps: str) -> Persona:
    """Somebody with a voice of their own."""
    folder.mkdir(parents=True)
    (folder / "voice.wav").write_bytes(encode_wav(np.atleast_2d(voice)))
    (folder / "script.toml").write_text(
        f'persona="somebody"\nnumber="{number}"\nagent_place="US-TX"\n'
        'summary={en="Somebody.", nb="Noen."}\n' + "".join(f"[[step]]\n{step}\n" for step in steps)
    )
    return load_persona(folder)


@dataclass
class Office:
    """A desk whose calls go out over Twilio."""

    desk: Desk
    lines: Lines

    def theirs(self, number: str) -> Call:
        """The newest call to a number, as Twilio has it."""
        calls = self.lines.emulator.exchange.calls.values()
        return [each for each in calls if number in (each.to, each.sender)][-1]


@asynccontextmanager
async def office(
    node: Node,
    *people: Persona,
    join: Callable[..., AbstractAsyncContextManager[Lines]] = in_memory,
    **line: Any,
) -> AsyncIterator[Office]:
    """A desk, and people with telephones; nothing may have been captured at Twilio at its end."""
    found = by_number({each.number: each for each in people})
    async with join(found, **line) as lines:
        # Nobody is a demo contact here: whom the simulator would call has a telephone, too.
        desk = Desk(node, LoopClock(), personas={}, outside=lines.provider)
        try:
            yield Office(desk, lines)
        finally:
            await desk.close()
        asked = lines.emulator.asked
        assert asked.captures() == []
        assert asked.streams() <= {lines.stream}


def causes(node: Node, call: str) -> list[str]:
    """Why a call ended, as the ledger has it."""
    entries = [entry for _, entry in node.store.ledger.entries(call)]
    data = [entry["data"] for entry in entries if entry["kind"] == "call.ended"]
    return [str(each["cause"]) for each in data if isinstance(each, dict)]
