"""What this process carries while it runs: its live calls and what rings, on the server's loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from askfirst.clock import LoopClock
from askfirst.errors import Unavailable
from askfirst.server.desk import Desk
from askfirst.server.node import Node
from askfirst.server.plugins import TELEPHONY, load
from askfirst.server.reception import Reception
from askfirst.server.trunktest import TrunkTester
from askfirst.telephony.siptrunk import Trunk


@dataclass(slots=True)
class Carrier:
    """The desk of a node. `node` None: this process shows pages and carries no calls.

    `trunk` is the exchange over which telephones are called.
    """

    node: Node | None = None
    trunk: Trunk | None = None
    _desk: Desk | None = None
    _reception: Reception | None = None
    _tester: TrunkTester | None = None
    _loop: asyncio.AbstractEventLoop | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Open the desk, and at the end hang up every call and wait until each is settled."""
        if self.node is None:
            yield
            return
        self._loop = asyncio.get_running_loop()
        clock = LoopClock()
        outside = None if self.trunk is None else load(TELEPHONY, "sip")(clock, self.trunk)
        self._desk = Desk(self.node, clock, outside=outside)
        self._reception = Reception(self._desk)
        if outside is not None:
            outside.on_call = self._reception.arrive
        self._tester = TrunkTester(self._desk, clock, self.node.store.engine)
        try:
            yield
        finally:
            await self.close()

    async def close(self) -> None:
        """Hang up every call and wait until each is settled; safe to call more than once."""
        tester, self._tester = self._tester, None
        if tester is not None:
            await tester.close()
        reception, self._reception = self._reception, None
        if reception is not None:
            await reception.close()
        desk, self._desk = self._desk, None
        if desk is not None:
            await desk.close()

    @property
    def desk(self) -> Desk:
        """The desk, on the server's loop only. Raises Unavailable where no calls are carried."""
        if self._desk is None:
            raise Unavailable("this process carries no calls; ask one that does")
        return self._desk

    @property
    def tester(self) -> TrunkTester:
        """Who places test calls, on the server's loop only. Raises Unavailable as `desk`."""
        if self._tester is None:
            raise Unavailable("this process carries no calls; ask one that does")
        return self._tester

    @property
    def reception(self) -> Reception:
        """What rings, on the server's loop only. Raises Unavailable where no calls are carried."""
        if self._reception is None:
            raise Unavailable("this process carries no calls; ask one that does")
        return self._reception

    def switch_recording(self, enabled: bool) -> None:
        """The account's switch was changed; from any thread. Running recordings end."""
        desk, loop = self._desk, self._loop
        if desk is not None and loop is not None:
            loop.call_soon_threadsafe(desk.switch_recording, enabled)
