"""Ordered durable writes: nothing is overtaken, nothing hangs, what is lost is known."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import sqlalchemy as sa
from tests.server import rig

from askfirst.clock import LoopClock, run_virtual
from askfirst.errors import Unavailable
from askfirst.server.database import outbox
from askfirst.server.journal import LAST_TRIES, Journal, Write
from askfirst.server.store import Store


@dataclass
class Heard:
    durable: list[int] = field(default_factory=list)
    failures: int = 0

    def fail(self) -> None:
        self.failures += 1


def row(name: str, fails: Callable[[], bool] = lambda: False) -> Write:
    def write(connection: sa.Connection) -> None:
        connection.execute(outbox.insert().values(id=name, kind="x", ref="x", created_at=rig.AT))
        if fails():
            raise Unavailable("the disk does not answer")

    return write


def names(store: Store) -> list[str]:
    query = sa.select(outbox.c.id).order_by(sa.literal_column("rowid"))
    return [item.id for item in rig.rows(store, query)]


def journal(store: Store) -> tuple[Journal, Heard]:
    heard = Heard()
    return Journal(store, LoopClock(), heard.durable.append, heard.fail), heard


def test_writes_and_chores_happen_in_the_order_of_their_reports(store: Store) -> None:
    async def one() -> tuple[list[str], Heard]:
        made, heard = journal(store)
        running = asyncio.create_task(made.run())
        order: list[str] = []
        made.write(row("a"), 1)
        made.chore(lambda: order.append(",".join(names(store))))
        made.write(row("b"), 2)
        made.finish()
        await running
        return order, heard

    order, heard = run_virtual(one())

    assert order == ["a"]
    assert names(store) == ["a", "b"]
    assert heard.durable == [1, 2]


def test_a_failed_write_is_tried_again_before_anything_behind_it(store: Store) -> None:
    tries: list[bool] = []

    def twice() -> bool:
        tries.append(True)
        return len(tries) <= 2

    async def one() -> Heard:
        made, heard = journal(store)
        running = asyncio.create_task(made.run())
        made.write(row("a", twice), 1)
        made.write(row("b"), 2)
        await made.drained()
        made.finish()
        await running
        return heard

    heard = run_virtual(one())

    assert names(store) == ["a", "b"]
    assert heard.durable == [1, 2]
    assert heard.failures == 2


def test_half_a_write_is_no_write(store: Store) -> None:
    async def one() -> None:
        made, _ = journal(store)
        running = asyncio.create_task(made.run())
        made.write(row("a", lambda: True))
        made.finish()
        await running
        assert made.has_lost

    run_virtual(one())

    assert names(store) == []


def test_what_cannot_be_written_at_the_end_is_given_up_and_known(store: Store) -> None:
    async def one() -> tuple[Journal, Heard]:
        made, heard = journal(store)
        running = asyncio.create_task(made.run())
        made.write(row("a", lambda: True), 1)
        made.write(row("b"), 2)
        made.give_up()
        await made.drained()
        await made.last(row("outcome"))
        made.finish()
        await running
        return made, heard

    made, heard = run_virtual(one())

    assert made.has_lost
    assert heard.durable == []
    assert heard.failures == LAST_TRIES
    assert names(store) == ["outcome"], "nothing behind a lost write is written but the outcome"


def test_a_fault_of_the_program_does_not_stop_the_journal(store: Store) -> None:
    def broken(_connection: sa.Connection) -> None:
        raise KeyError("a mistake")

    async def one() -> tuple[Journal, Heard]:
        made, heard = journal(store)
        running = asyncio.create_task(made.run())
        made.write(broken, 1)
        made.write(row("b"), 2)
        await made.drained()
        made.finish()
        await running
        return made, heard

    made, heard = run_virtual(one())

    assert made.has_lost
    assert heard.durable == [2], "the serial of the lost one stays unsealed"
    assert heard.failures == 1


def test_a_chore_that_fails_closes_the_gate_and_is_not_repeated(store: Store) -> None:
    tries: list[bool] = []

    def chore() -> None:
        tries.append(True)
        raise ZeroDivisionError

    async def one() -> Heard:
        made, heard = journal(store)
        running = asyncio.create_task(made.run())
        made.chore(chore)
        made.write(row("a"), 1)
        await made.drained()
        made.finish()
        await running
        return heard

    heard = run_virtual(one())

    assert (len(tries), heard.failures, heard.durable) == (1, 1, [1])
