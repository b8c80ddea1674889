"""Parts for tests of the server: callees made of tones, calls on the virtual clock, what is kept.

Words do not matter here, so voices are tones and the recorded notice is one, too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from tests.callees import NORWAY as NORWAY
from tests.callees import VOICES as VOICES
from tests.callees import callee as callee

from askfirst.audio.mixing import in_frames, to_pcm
from askfirst.audio.tone import tone
from askfirst.clock import LoopClock, run_virtual
from askfirst.gate import Facts
from askfirst.ledger import Kind as Kind
from askfirst.model import FRAME_BYTES
from askfirst.model import Frame as Frame
from askfirst.server.call import Call
from askfirst.server.database import calls, recordings, timeline
from askfirst.server.node import Node
from askfirst.server.recorder import Recorder
from askfirst.server.request import CallRequest, Prompt, Prompts
from askfirst.server.sealing import SpoolFile, read_spool
from askfirst.server.simulation import DEMO_FACTS, request_for
from askfirst.server.store import Store
from askfirst.telephony.network import Network
from askfirst.telephony.persona import Persona
from askfirst.telephony.simulator import AgentAction, SimulatedCall, Simulator

AT = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
CALIFORNIA = "+16285550142"
PROMPT_MS = 2_000

HELLO = 'say="contact"\naudio="contact.wav"'
AGENT = 'say="agent"\naudio="agent.wav"'
RECORD = 'do="record"'
WAIT = 'wait="announcement"'
YES = 'key="1"\nconsent=true'
NO = 'key="2"'
BYE = 'hangup="contact"'


def pause(ms: int) -> str:
    return f"pause_ms={ms}"


KEYED = (HELLO, AGENT, RECORD, WAIT, pause(500), YES, pause(300), HELLO, AGENT, HELLO)
"""Everything up to a running recording with a keyed yes; put what follows, then `BYE`."""


def prompt(_text: str, _language: str) -> Prompt:
    """A recorded notice: two seconds of a tone, whatever its text."""
    return Prompt(in_frames(to_pcm(tone((300,), PROMPT_MS, -20.0))))


@dataclass(frozen=True)
class Recorded:
    """A recording that is ready, and where it came from."""

    node: Node
    call: str
    id: str

    @property
    def store(self) -> Store:
        return self.node.store

    @property
    def row(self) -> Any:
        (row,) = [row for row in recording_rows(self.store) if row.id == self.id]
        return row


class Watched(Call):
    """A call that remembers every state it was in."""

    seen: list[Facts]

    def report(self, *args: Any, **kwargs: Any) -> None:
        super().report(*args, **kwargs)
        self.seen.append(self.facts)


Act = Callable[[Watched, SimulatedCall, LoopClock], Awaitable[None]]


async def carry(
    store: Store,
    persona: Persona,
    *,
    act: Act | None = None,
    network: Network | None = None,
    prompts: Prompts = prompt,
    request: CallRequest | None = None,
    on_outbox: Callable[[], object] = lambda: None,
) -> Watched:
    """Carry a call to its end; `act` runs beside it, from before the answer."""
    clock = LoopClock()
    simulator = Simulator(clock, persona, network, markers=True)
    call = Watched(
        store,
        clock,
        request or request_for(persona),
        DEMO_FACTS,
        prompts,
        on_outbox=on_outbox,
    )
    call.seen = []
    leg = await simulator.dial(persona.number)
    beside = [clicking(call, leg)]
    if act is not None:
        beside.append(asyncio.ensure_future(_act(act, call, leg, clock)))
    await call.run(leg)
    for task in beside:
        await task
    return call


async def _act(act: Act, call: Watched, leg: SimulatedCall, clock: LoopClock) -> None:
    await act(call, leg, clock)


def clicking(call: Call, leg: SimulatedCall) -> asyncio.Task[None]:
    """What does the clicks of the scripted agent, until the end of the call."""

    async def click() -> None:
        async for action in leg.actions():
            clicks(call, action)

    return asyncio.create_task(click())


def clicks(call: Call, action: AgentAction) -> None:
    """What a click of the scripted agent does."""
    acts: dict[str, Callable[[], object]] = {
        "record": call.want,
        "telling": call.tell,
        "informed": call.informed,
        "agreed": call.agreed,
        "refused": call.refused,
        "objects": call.withdraw,
        "pause": call.pause,
        "resume": call.resume,
        "place": lambda: call.learn_place(1, action.code or ""),
    }
    acts[action.kind]()


def virtually(store: Store, persona: Persona, **how: Any) -> Watched:
    """`carry` on a virtual clock of its own."""
    return run_virtual(carry(store, persona, **how))


async def until(call: Watched, clock: LoopClock, holds: Callable[[Facts], bool]) -> None:
    """Return at the first step of 20 ms at which the facts hold."""
    for _ in range(60_000):
        if holds(call.facts):
            return
        await clock.sleep_until(clock.now_ms() + 20)
    raise AssertionError("the call never came to the state that the test waits for")


def record(node: Node, folder: Path, *steps: str, number: str = NORWAY) -> Recorded:
    """Call somebody who agrees by key, record, and finish the jobs."""
    persona = callee(folder, *KEYED, *steps, BYE, number=number)
    call = virtually(node.store, persona, on_outbox=node.jobs.dispatch)
    node.jobs.wait()
    (row,) = recording_rows(node.store, call.id)
    return Recorded(node, call.id, row.id)


def change(store: Store, recording: str, **values: object) -> None:
    """Change the row of a recording."""
    with store.engine.begin() as connection:
        connection.execute(recordings.update().where(recordings.c.id == recording).values(**values))


# What is written


def states(store: Store, call: str) -> list[tuple[int, str]]:
    """(call time, state) of every line of the timeline."""
    return [
        (row.at_ms, row.state)
        for row in rows(
            store,
            sa.select(timeline).where(timeline.c.call == call).order_by(timeline.c.position),
        )
    ]


def openings(store: Store, call: str) -> list[int]:
    """Call times at which the gate opened."""
    return [at_ms for at_ms, state in states(store, call) if state == "open"]


def call_row(store: Store, call: str) -> Any:
    (row,) = rows(store, sa.select(calls).where(calls.c.id == call))
    return row


def call_rows(store: Store) -> list[Any]:
    return rows(store, sa.select(calls).order_by(calls.c.created_at))


def recording_rows(store: Store, call: str | None = None) -> list[Any]:
    query = sa.select(recordings).order_by(recordings.c.id)
    return rows(store, query if call is None else query.where(recordings.c.call == call))


def rows(store: Store, query: sa.Select[Any] | sa.TextClause) -> list[Any]:
    with store.engine.connect() as connection:
        return list(connection.execute(query).all())


def kinds(store: Store, call: str | None = None) -> list[str]:
    """The kinds of the ledger's entries, in order."""
    return [str(entry["kind"]) for _, entry in store.ledger.entries(call)]


def spool(store: Store, call: Watched) -> list[SpoolFile]:
    """Every kept spool file of a call's recordings."""
    return [part for recording in call.recordings for part in read_spool(store, recording)]


def starts(parts: Iterable[SpoolFile], side: str, kind: str = "open") -> list[int]:
    """Capture times of a side's kept frames, in order."""
    return sorted(
        start_ms
        for part in parts
        if part.side == side and part.kind == kind
        for start_ms, _ in part.frames
    )


def spool_files(store: Store) -> list[str]:
    return sorted(path.name for path in store.spool.rglob("*") if path.is_file())


def key_ids(store: Store) -> list[str]:
    """Ids of every key in the key store, salts and seeds left out."""
    engine = sa.create_engine(f"sqlite:///{store.folder / 'keys' / 'keys.db'}")
    try:
        with engine.connect() as connection:
            found = connection.exec_driver_sql("SELECT id FROM keys ORDER BY id").scalars().all()
    finally:
        engine.dispose()
    return [str(item) for item in found if ":" not in item]


# Faults


@contextmanager
def unwritable(store: Store) -> Iterator[None]:
    """The database refuses every write, as one on a read-only disk does."""

    def refuse(connection: sa.Connection) -> None:
        connection.exec_driver_sql("PRAGMA query_only=ON")

    sa.event.listen(store.engine, "begin", refuse)
    try:
        yield
    finally:
        sa.event.remove(store.engine, "begin", refuse)
        store.engine.dispose()  # what was told to refuse is thrown away


# A recorder without a call


def frame(leg: str, start_ms: int, level: int = 1000) -> Frame:
    """20 ms of a constant level."""
    return Frame(leg, start_ms, level.to_bytes(2, "little", signed=True) * (FRAME_BYTES // 2))


def recorder(store: Store, recording: str, call: str = "call_" + "0" * 32) -> Recorder:
    """A recorder whose call and recording stand in the database."""
    with store.engine.begin() as connection:
        connection.execute(
            calls.insert().values(
                id=call,
                created_at=AT,
                provider="test",
                direction="outbound",
                language="en",
                policy={},
                proof=0,
            )
        )
        connection.execute(
            recordings.insert().values(
                id=recording,
                call=call,
                created_at=AT,
                state="spool",
                purpose="training",
                may_transcribe=True,
                may_analyse=True,
                is_truncated=False,
                legal_hold=False,
                lost_frames=0,
                expires_at=AT + store.retention,
            )
        )
    return Recorder(store, call, recording)


def quiet(request: CallRequest) -> CallRequest:
    """The same request of an account that plays no announcements by itself."""
    return replace(request, announces=False)
