"""A bad line between our stack and a telephone: it loses packets of sound and delays the others.

Both sides speak SIP with the line, which passes every word on and puts its own ports in place of
theirs, so that all sound comes through it. It carries one call.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import re
import time
from collections.abc import AsyncIterator, Callable

from tests.sip.peer import LOOPBACK, free_port, free_range

LOST = 0.02
LATE_S = 0.03
"""A packet takes up to so long, each its own time: some overtake others."""

_CONTACT = re.compile(rb"(?im)^(Contact:[^\r\n]*@)[^:;>\r\n]+(?::\d+)?")
_ADDRESS = re.compile(rb"(?m)^c=IN IP4 [^\r\n]+")
_SOUND = re.compile(rb"(?m)^m=audio (\d+)")
_REPORTS = re.compile(rb"(?m)^a=rtcp:\d+[^\r\n]*")
_LENGTH = re.compile(rb"(?im)^Content-Length: *\d+")
_HERE = LOOPBACK.encode()
_G711 = (0, 8)
"""Payload types of sound (RFC 3551, 6); keys have another one."""

Heard = Callable[[bytes, int], None]


class _End(asyncio.DatagramProtocol):
    """One port of the line, and what is done with what comes there from another port."""

    def __init__(self, heard: Heard) -> None:
        self._heard = heard

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._heard(data, addr[1])


class Line:
    """The line to the port of a telephone; we call `port` instead. Made by `lossy`.

    `carried` and `lost` count packets of sound while it is bad, both ways together; `said_s` are
    the moments, by `time.monotonic`, at which the telephone had said its 20 ms each.
    """

    def __init__(self, telephone: int, seed: int) -> None:
        self.port = free_port()
        self.carried = self.lost = 0
        self.said_s: list[float] = []
        self._is_bad = True
        self._telephone = telephone
        self._us = 0
        self._chance = random.Random(seed)  # noqa: S311 - the same each time
        self._more = asyncio.Event()
        # Sound and its reports; the first two face us, the others the telephone.
        self._first = free_range(4)
        self._sound_of: dict[bool, int] = {}
        self._ends: dict[int, asyncio.DatagramTransport] = {}
        self._beyond = free_port()

    async def open(self) -> None:
        """Listen at every port."""
        await self._listen(self.port, self._from_us)
        await self._listen(self._beyond, self._from_telephone)
        for reports in (0, 1):
            near, far = self._first + reports, self._first + 2 + reports
            await self._listen(near, self._passing(far, reports, faces_us=False))
            await self._listen(far, self._passing(near, reports, faces_us=True))

    def mend(self) -> None:
        """Carry every packet from now on, and at once."""
        self._is_bad = False

    def close(self) -> None:
        """Carry nothing any more."""
        for end in self._ends.values():
            end.close()

    async def until_said(self, packets: int) -> None:
        """Return when the telephone has sent so many packets of sound."""
        while len(self.said_s) < packets:
            self._more.clear()
            await asyncio.wait_for(self._more.wait(), 20)

    async def _listen(self, port: int, heard: Heard) -> None:
        loop = asyncio.get_running_loop()
        end, _ = await loop.create_datagram_endpoint(
            lambda: _End(heard), local_addr=(LOOPBACK, port)
        )
        self._ends[port] = end

    def _from_us(self, message: bytes, port: int) -> None:
        self._us = port
        self._send(self._beyond, self._put(message, self._beyond, from_us=True), self._telephone)

    def _from_telephone(self, message: bytes, _: int) -> None:
        self._send(self.port, self._put(message, self.port, from_us=False), self._us)

    def _put(self, message: bytes, port: int, *, from_us: bool) -> bytes:
        """A message with ports of ours in it."""
        head, gap, body = message.partition(b"\r\n\r\n")
        head = _CONTACT.sub(rb"\g<1>%s:%d" % (_HERE, port), head)
        found = _SOUND.search(body)
        if found is not None:
            self._sound_of[from_us] = int(found[1])
            sound = self._first + (2 if from_us else 0)
            body = _ADDRESS.sub(b"c=IN IP4 " + _HERE, body)
            body = _SOUND.sub(b"m=audio %d" % sound, body)
            body = _REPORTS.sub(b"a=rtcp:%d" % (sound + 1), body)
            head = _LENGTH.sub(b"Content-Length: %d" % len(body), head)
        return head + gap + body

    def _passing(self, out: int, reports: int, *, faces_us: bool) -> Heard:
        """What carries packets on through a port, to us or to the telephone."""

        def passed(packet: bytes, _: int) -> None:
            if faces_us and not reports and packet[1] & 0x7F in _G711:
                self.said_s.append(time.monotonic())
                self._more.set()
            to = self._sound_of[faces_us] + reports
            if not self._is_bad:
                self._send(out, packet, to)
                return
            self.carried += 1
            if self._chance.random() < LOST:
                self.lost += 1
                return
            late_s = self._chance.uniform(0, LATE_S)
            asyncio.get_running_loop().call_later(late_s, self._send, out, packet, to)

        return passed

    def _send(self, through: int, data: bytes, port: int) -> None:
        if not self._ends[through].is_closing():
            self._ends[through].sendto(data, (LOOPBACK, port))


@contextlib.asynccontextmanager
async def lossy(telephone: int, seed: int) -> AsyncIterator[Line]:
    """A line to the port of a telephone, until the end of the block."""
    line = Line(telephone, seed)
    try:
        await line.open()
        yield line
    finally:
        line.close()
