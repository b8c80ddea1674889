"""Keys that are pressed in a call are written nowhere: card numbers and secret ones are typed."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.server.deskrig import called, has, until
from tests.server.rig import BYE, HELLO, NORWAY, WAIT, YES, pause

from askfirst.errors import InvalidInput
from askfirst.server.accounts import User
from askfirst.server.database import calls, consents, outbox, reading, timeline
from askfirst.server.desk import Desk
from askfirst.server.emptydisk import everything
from askfirst.server.export import vcon_of
from askfirst.server.node import Node
from askfirst.telephony.memoryleg import MemoryLeg

SENT = "86419753286*#"
"""What the agent sends in one go; stands nowhere by chance."""

WRONG = "97531864286x"
KEYED = tuple(f'key="{digit}"' for digit in "DDADBDDC")
"""What the contact presses while the recording goes on."""

PRESSING = (HELLO, WAIT, pause(500), YES, pause(2_000), HELLO, *KEYED, pause(2_000), BYE)


def test_keys_are_in_nothing_that_is_stored_streamed_handed_out_or_logged(
    node: Node, kari: User, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    told = list[str]()

    async def scenario(desk: Desk) -> None:
        live = await desk.place(kari, NORWAY, MemoryLeg())
        live.record()
        told.append(json.dumps(await until(live, has(light="recording"))))
        await live.keypad(SENT)
        with pytest.raises(InvalidInput) as refused:
            await live.keypad(WRONG)
        told.append(str(refused.value))
        told.extend([json.dumps(shown) async for shown in live.events()])

    called(node, tmp_path, PRESSING, scenario)
    node.jobs.wait()

    (call,) = _rows(node, calls)
    entries = [json.dumps(entry) for _, entry in node.store.ledger.entries(call[0])]
    lines = [row for table in (timeline, consents, outbox, calls) for row in _rows(node, table)]
    told += [
        json.dumps(vcon_of(node, call[0])),
        *(record.getMessage() for record in caplog.records),
    ]
    found = dict(everything(node.store, [node.store.folder]))
    assert any(call[0].encode() in data for data in found.values()), "the call itself is written"
    assert any('"keypad"' in entry for entry in entries), "the key of consent counted"
    for digits in (SENT, SENT[:11], WRONG[:-1], "DDAD", "DADB"):
        assert [name for name, data in found.items() if digits.encode() in data] == []
        assert [text for text in told if digits in text] == []
    for text in [*told, *entries, *map(json.dumps, lines)]:
        assert not any(f'"{digit}"' in text for digit in "DABC")
        assert '"digit"' not in text


def _rows(node: Node, table: sa.Table) -> list[list[str]]:
    with reading(node.store.engine) as connection:
        return [[str(each) for each in row] for row in connection.execute(sa.select(table))]
