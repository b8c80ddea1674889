"""Dashboards over 100,000 calls of a year, through the whole application, on SQLite.

Server time is from the request to the last byte of the answer, for an officer who reaches every
call. A page of 30 days counts those and the 30 before; one of 90 days half of all calls.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from askfirst.clock import shorten_pauses
from askfirst.decide import decide
from askfirst.explain import to_json
from askfirst.model import Party
from askfirst.rules import packaged
from askfirst.server import account, accounts, sessions
from askfirst.server.access import UserRole
from askfirst.server.analysistables import call_figures, tracker_hits, trackers
from askfirst.server.clock import utc_now
from askfirst.server.database import (
    assets,
    calls,
    consents,
    erasures,
    parties,
    recordings,
    timeline,
    transaction,
)
from askfirst.server.listening import Listening
from askfirst.server.settings import Settings
from askfirst.server.store import Store
from askfirst.web.app import create_app
from askfirst.web.visit import Site
from bench.measure import Line
from bench.pages import SESSION, App, _asked

CALLS, YEAR_DAYS, BATCH = 100_000, 365, 5_000
TEAMS, PEOPLE, TRACKERS = 6, 60, 8
BOARD_MS = 300.0
ROUNDS = 20
PLACES: tuple[list[str], ...] = (
    ["NO"],
    ["SE"],
    ["DE"],
    ["US-CA"],
    ["US-NY", "US-CA"],
    ["GB"],
    ["FR"],
    [],
)
STATES = ("closed", "asking", "telling", "asking", "open", "ended")


def _staff(store: Store, now: datetime) -> tuple[str, Sequence[str], Sequence[str]]:
    """A session of an officer, the agents, and the trackers."""
    with transaction(store.engine) as connection:
        account.change(connection, {"company": "Bench", "retention_days": 90}, None, now)
        officer = accounts.add_user(
            connection, "kari@example.org", "Kari", [UserRole.COMPLIANCE], now
        )
        agents = [
            accounts.add_user(
                connection,
                f"a{n}@example.org",
                f"Agent {n}",
                [UserRole.AGENT],
                now,
                team=f"team {n % TEAMS}",
            ).id
            for n in range(PEOPLE)
        ]
        found = [f"trk_{n:032x}" for n in range(TRACKERS)]
        row: dict[str, Any] = {"phrases": {}, "said_by": "both", "between": 0, "version": 1}
        connection.execute(
            trackers.insert(),
            [
                {"id": each, "name": each, "made_by": officer.id, "made_at": now, **row}
                for each in found
            ],
        )
        return sessions.begin(connection, officer.id, now, SESSION, "bench"), agents, found


def _fill(store: Store, now: datetime, agents: Sequence[str], tracked: Sequence[str]) -> None:
    """Calls with everything that a dashboard reads; decisions are as large as real ones."""
    chance = random.Random(7)  # noqa: S311 - the same calls every time
    decision = to_json(decide([Party.agent("NO"), Party.contact("+4791234567")], on=now.date()))
    step = timedelta(days=YEAR_DAYS) / CALLS
    for first in range(0, CALLS, BATCH):
        rows: dict[sa.Table, list[dict[str, Any]]] = {
            table: []
            for table in (
                calls, parties, timeline, consents, recordings, assets, erasures, call_figures,
                tracker_hits,
            )
        }  # fmt: skip
        for n in range(first, first + BATCH):
            _call(rows, n, now - step * (CALLS - n), decision, chance, agents, tracked)
        with transaction(store.engine) as connection:
            for table, values in rows.items():
                connection.execute(table.insert(), values)


def _call(
    rows: dict[sa.Table, list[dict[str, Any]]],
    n: int,
    at: datetime,
    decision: dict[str, Any],
    chance: random.Random,
    agents: Sequence[str],
    tracked: Sequence[str],
) -> None:
    call, recording = f"call_{n:032x}", f"rec_{n:032x}"
    answered = chance.random() < 0.8
    inbound = chance.random() < 0.4
    begun = at + timedelta(seconds=6)
    ended = begun + timedelta(seconds=chance.randrange(5, 1_800))
    agreed = answered and chance.random() < 0.75
    rows[calls].append(
        {
            "id": call, "created_at": at, "answered_at": begun if answered else None,
            "ended_at": ended, "provider": "sip", "direction": "inbound" if inbound else "outbound",
            "agent": chance.choice(agents) if answered or not inbound else None, "language": "en",
            "policy": {}, "decision": decision, "mode": chance.choice(("ask", "ask", "auto")),
            "outcome": "recorded" if agreed else chance.choice(("refused", "not-asked", "silent")),
            "proof": chance.randrange(1, 7) if agreed else 0,
            "verdict": chance.choice(("heard", "partly", "not-heard")) if agreed else None,
            "private_at": at if chance.random() < 0.01 else None,
        }
    )  # fmt: skip
    rows[parties] += [
        {"call": call, "number_in_call": k, "role": role, "number": f"+47{n:08d}", "places": codes}
        for k, role, codes in ((0, "agent", ["NO"]), (1, "contact", chance.choice(PLACES)))
    ]
    rows[timeline] += [
        {
            "call": call, "position": k, "at": at, "at_ms": 900 * k, "state": state,
            "because": "met", "ledger": n,
        }
        for k, state in enumerate(STATES)
    ]  # fmt: skip
    if not agreed:
        return
    rows[consents].append(
        {
            "id": f"con_{n:032x}", "call": call, "party": 1, "kind": "agreed",
            "how": chance.choice(("agent", "keypad", "spoken", "announcement")), "proof": 4,
            "uses": ["record", "transcribe", "analyse"], "elements": ["intent_to_record"],
            "at": at, "at_ms": chance.randrange(2_000, 40_000), "ledger": n,
        }
    )  # fmt: skip
    erased = n % 10 == 0
    rows[recordings].append(
        {
            "id": recording, "call": call, "created_at": at, "purpose": "training",
            "state": "erased" if erased else "ready", "may_transcribe": True,
            "may_analyse": n % 5 > 0, "lost_frames": 0, "is_truncated": False, "legal_hold": False,
        }
    )  # fmt: skip
    if erased:
        rows[erasures].append(
            {"recording": recording, "reason": "retention", "intended_at": at, "done_at": at}
        )
        return
    rows[assets] += [
        {
            "id": f"{recording}-{kind}", "recording": recording, "kind": kind, "blob": recording,
            "bytes": size, "sha256": "0" * 64, "created_at": ended + timedelta(seconds=40),
        }
        for kind, size in (("audio", 2_000_000), ("transcript", 40_000), ("peaks", 8_000))
    ]  # fmt: skip
    rows[call_figures].append(
        {
            "recording": recording, "call": call, "recorded_ms": chance.randrange(9_000, 900_000),
            "overlap_ms": 9, "silence_ms": 9, "learnt_at": ended,
            **{
                f"{side}_{name}": chance.randrange(1, most)
                for side in ("agent", "contact")
                for name, most in (
                    ("talk_ms", 400_000), ("turns", 60), ("words", 900), ("longest_ms", 90_000),
                    ("response_ms", 3_000), ("questions", 12),
                )
            },
        }
    )  # fmt: skip
    rows[tracker_hits] += [
        {
            "recording": recording, "tracker": each, "position": 0, "call": call,
            "speaker": "agent", "start_ms": 1, "end_ms": 2,
        }
        for each in chance.sample(list(tracked), chance.randrange(0, 3))
    ]  # fmt: skip


def _timed(ask: Any, address: str) -> list[float]:
    """Milliseconds of each round, from the fastest to the slowest."""
    ask(address)
    found = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        ask(address)
        found.append((time.perf_counter() - began) * 1e3)
    return sorted(found)


def lines() -> Iterator[Line]:
    """Median and 95th percentile of the milliseconds of each dashboard, for two periods."""
    with tempfile.TemporaryDirectory() as folder:
        store, now = Store.open(Path(folder)), utc_now()
        loop = asyncio.new_event_loop()
        try:
            session, agents, tracked = _staff(store, now)
            _fill(store, now, agents, tracked)
            site = Site(store, Settings(data=Path(folder)), packaged(), Listening(store))
            app: App = create_app(site)
            ask = _asked(app, loop, session)
            shorten_pauses()  # as every server does
            for name in ("activity", "consent", "quality", "system"):
                for days in (30, 90):
                    took = _timed(ask, f"/dashboards/{name}?days={days}")
                    counts = f"{ROUNDS} runs, {CALLS} calls in {YEAR_DAYS} days"
                    for share in (50, 95):
                        yield Line(
                            f"dashboard {name}, {days} days, p{share}",
                            took[-(-share * len(took) // 100) - 1],
                            "ms",
                            BOARD_MS,
                            counts,
                        )
        finally:
            loop.close()
            store.close()
