"""A telephone for tests: Debian's baresip as a program of its own, and what it is told to do."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import shutil
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from askfirst.audio.container import encode_wav

LOOPBACK = "127.0.0.1"
RATE = 8_000
NUMBER = "+4748750103"
MODULES = Path("/usr/lib/baresip/modules")

_CONFIG = """\
sip_listen {host}:{sip}
net_interface {address}
call_max_calls 50
rtp_ports {rtp}-{last}
module_path {modules}
module g711.so
module g722.so
module opus.so
module srtp.so
module aufile.so
module sndfile.so
snd_path {folder}/
audio_source aufile,{folder}/voice.wav
audio_player aufile,none
module_tmp uuid.so
module_tmp account.so
module_app menu.so
module_app ctrl_tcp.so
ctrl_tcp_listen {control}
"""


def needed(program: str) -> str:
    """The path of a program; a test that needs one which is missing is skipped, and fails in CI."""
    found = shutil.which(program)
    if found is None:
        if os.environ.get("CI") == "true":
            pytest.fail(f"{program} is missing; ./run test --all installs it")
        pytest.skip(f"{program} is missing; ./run test --all installs it")
    return found


_PORTS = range(16_000, 32_000)
"""Below those that the kernel gives to whoever asks for any (`ip_local_port_range`)."""

_CHANCE = random.SystemRandom()


def free_port() -> int:
    """A port that was free a moment ago: a telephone has it for UDP and TCP alike."""
    while True:
        port = _CHANCE.choice(_PORTS)
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
                probe = stack.enter_context(socket.socket(socket.AF_INET, kind))
                probe.bind((LOOPBACK, port))
            return port


def free_range(ports: int) -> int:
    """The first of so many free ports for sound, an even one."""
    while True:
        first = free_port() // 2 * 2
        with contextlib.suppress(OSError, OverflowError), contextlib.ExitStack() as stack:
            for port in range(first, first + ports):
                probe = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
                probe.bind((LOOPBACK, port))
            return first


class Telephone:
    """One telephone at its number. `mode` is auto (answers), manual or early.

    `loopback` is this machine by IPv4 or, as ``::1``, by IPv6.
    """

    def __init__(
        self,
        folder: Path,
        mode: str,
        account: str,
        number: str,
        rate: int,
        calls: int,
        config: str,
        loopback: str,
    ) -> None:
        self.folder = folder
        self._loopback = loopback
        self._host = f"[{loopback}]" if ":" in loopback else loopback
        self.port = free_port()
        self._mode = mode
        self._account = account
        self._number = number
        self._rate = rate
        self._ports = 2 * calls
        self._more_config = config
        self._control = free_port()
        self._process: asyncio.subprocess.Process | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._seen: list[dict[str, Any]] = []
        self._more = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def address(self) -> str:
        """Who it is."""
        return f"sip:{self._number}@{self._host}:{self.port}"

    async def start(self, voice: NDArray[np.int16]) -> None:
        """Start it with a voice (samples at 8 kHz) and return when it can be called."""
        program = needed("baresip")
        self._write(voice)
        self._process = await asyncio.create_subprocess_exec(
            program, "-6" if ":" in self._loopback else "-4", "-f", str(self.folder),
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        assert self._process.stdout is not None
        said = b""
        while b"baresip is ready" not in said:
            line = await asyncio.wait_for(self._process.stdout.readline(), 10)
            assert line, said.decode(errors="replace")
            said += line
        reader, self._writer = await asyncio.open_connection(LOOPBACK, self._control)
        self._tasks = [
            asyncio.create_task(self._drain(self._process.stdout)),
            asyncio.create_task(self._hear(reader)),
        ]

    def _write(self, voice: NDArray[np.int16]) -> None:
        """The folder that it starts from."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "voice.wav").write_bytes(encode_wav(np.atleast_2d(voice), self._rate))
        first = free_range(self._ports)
        config = _CONFIG.format(
            address=self._loopback,
            host=self._host,
            sip=self.port,
            rtp=first,
            last=first + self._ports - 1,
            modules=MODULES,
            folder=self.folder,
            control=f"{LOOPBACK}:{self._control}",
        )
        (self.folder / "config").write_text(config + self._more_config)
        account = f"<{self.address}>;regint=0;answermode={self._mode}{self._account}\n"
        (self.folder / "accounts").write_text(account)
        (self.folder / "contacts").touch()

    async def tell(self, command: str, params: str = "") -> None:
        """Give it a command of its own."""
        assert self._writer is not None
        content = json.dumps({"command": command, "params": params}).encode()
        self._writer.write(str(len(content)).encode() + b":" + content + b",")
        await self._writer.drain()

    async def until(self, kind: str) -> dict[str, Any]:
        """The first event of a kind, now or later."""
        at = 0
        while True:
            for event in self._seen[at:]:
                at += 1
                if event.get("type") == kind:
                    return event
            self._more.clear()
            await asyncio.wait_for(self._more.wait(), 20)

    def heard(self) -> Path:
        """The file of what it heard, complete after its end."""
        (found,) = self.folder.glob("dump-*-dec.wav")
        return found

    def kill(self) -> None:
        """Let it vanish without a word."""
        assert self._process is not None
        self._process.kill()

    async def close(self) -> None:
        """End it."""
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), 5)
            if self._process.returncode is None:
                self._process.kill()
                await self._process.wait()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._writer is not None:
            self._writer.close()

    async def _drain(self, output: asyncio.StreamReader) -> None:
        while await output.read(65_536):
            pass

    async def _hear(self, reader: asyncio.StreamReader) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                length = int((await reader.readuntil(b":"))[:-1])
                content = await reader.readexactly(length + 1)
                self._seen.append(json.loads(content[:-1]))
                self._more.set()


@contextlib.asynccontextmanager
async def telephone(
    folder: Path,
    voice: NDArray[np.int16],
    mode: str = "auto",
    account: str = "",
    number: str = NUMBER,
    rate: int = RATE,
    calls: int = 10,
    config: str = "",
    loopback: str = LOOPBACK,
) -> AsyncIterator[Telephone]:
    """A telephone until the end of the block, for so many calls at once; `config` is more of it."""
    found = Telephone(folder, mode, account, number, rate, calls, config, loopback)
    try:
        await found.start(voice)
        yield found
    finally:
        await found.close()


_SCENARIO = """\
<?xml version="1.0" encoding="ISO-8859-1" ?>
<scenario name="a final answer">
<recv request="INVITE"/>
<send><![CDATA[
SIP/2.0 {answer}
[last_Via:]
[last_From:]
[last_To:];tag=[call_number]
[last_Call-ID:]
[last_CSeq:]
{more}Content-Length: 0

]]></send>
<recv request="ACK" optional="true"/>
</scenario>
"""


GOODBYE = """\
<recv request="BYE"/>
<send><![CDATA[
SIP/2.0 200 OK
[last_Via:]
[last_From:]
[last_To:]
[last_Call-ID:]
[last_CSeq:]
Content-Length: 0

]]></send>
</scenario>
"""
"""The end of a scenario: the other side hangs up."""


@contextlib.asynccontextmanager
async def answering(folder: Path, answer: str, more: str = "") -> AsyncIterator[int]:
    """A port where sipp gives one final answer to every call, such as ``486 Busy Here``."""
    async with acting(folder, _SCENARIO.format(answer=answer, more=more)) as port:
        yield port


@contextlib.asynccontextmanager
async def acting(folder: Path, scenario: str, *options: str) -> AsyncIterator[int]:
    """A port where sipp acts out a scenario with every call."""
    program, port = needed("sipp"), free_port()
    _write(folder, scenario)
    process = await asyncio.create_subprocess_exec(
        program, "-sf", "scenario.xml", "-i", LOOPBACK, "-p", str(port), "-nostdin", *options,
        cwd=folder, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        await port_bound(port)
        yield port
    finally:
        process.kill()
        await process.wait()


def _write(folder: Path, scenario: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "scenario.xml").write_text(scenario)


def _is_bound(port: int) -> bool:
    """Whether somebody has bound a port for datagrams (Linux tells of all of them)."""
    wanted = f":{port:04X} "
    return any(wanted in line for line in Path("/proc/net/udp").read_text().splitlines())


async def port_bound(port: int) -> None:
    for _ in range(500):
        if _is_bound(port):
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"nobody has bound port {port}")
