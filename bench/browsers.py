"""Browsers of agents in a process of their own, whose work is not the server's.

Reads a line for each answer, writes a line for each offer; ends with its input.
"""

from __future__ import annotations

import asyncio
import fractions
import json
import sys

import numpy as np
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from av import AudioFrame

RATE = 48_000
SAMPLES = RATE // 50


class Voice(MediaStreamTrack):
    """A hum that comes every 20 ms."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        at = np.arange(SAMPLES) / RATE
        self._hum = (3_000 * np.sin(2 * np.pi * 450 * at)).astype(np.int16).reshape(1, -1)
        self._began = asyncio.get_running_loop().time()
        self._count = 0

    async def recv(self) -> AudioFrame:
        """The next 20 ms."""
        now = asyncio.get_running_loop().time()
        await asyncio.sleep(max(0.0, self._began + self._count * 0.02 - now))
        frame = AudioFrame.from_ndarray(self._hum, format="s16", layout="mono")
        frame.sample_rate, frame.pts = RATE, self._count * SAMPLES
        frame.time_base = fractions.Fraction(1, RATE)
        self._count += 1
        return frame


async def main(count: int) -> None:
    """Offer so many connections, one after the other, and hold them."""
    loop = asyncio.get_running_loop()
    held = []
    for _ in range(count):
        connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        connection.addTrack(Voice())
        await connection.setLocalDescription(await connection.createOffer())
        print(json.dumps(connection.localDescription.sdp), flush=True)
        answer = json.loads(await loop.run_in_executor(None, sys.stdin.readline))
        await connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        held.append(connection)
    await loop.run_in_executor(None, sys.stdin.read)
    for connection in held:
        await connection.close()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
