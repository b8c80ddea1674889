"""The reference of telephone calls: rtpengine, which relays and records in C and decides nothing.

It is told of calls by its control protocol (bencode over UDP), then sent sound for both sides.
"""

from __future__ import annotations

import contextlib
import secrets
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from tests.sip.peer import free_port

from askfirst.errors import Unavailable
from bench.usage import cores_of

HOST = "127.0.0.1"
PACKET_S = 0.02
READY_S = 10.0
_SDP = (
    "v=0\r\no=- 1 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\n"
    "m=audio {port} RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\n"
)

Value = str | int | list["Value"] | dict[str, "Value"]


def cores_per_call(calls: int, seconds: float) -> float:
    """Cores that one call takes which is relayed and recorded. Raises Unavailable."""
    with tempfile.TemporaryDirectory() as folder, _running(Path(folder)) as (process, control):
        sides = [_relayed(control, str(call)) for call in range(calls)]
        stop = threading.Event()
        talking = threading.Thread(target=_talk, args=(sides, stop))
        talking.start()
        try:
            time.sleep(1.0)
            return cores_of([process.pid], seconds) / calls
        finally:
            stop.set()
            talking.join()
            for pair in sides:
                for mine, _ in pair:
                    mine.close()


@contextlib.contextmanager
def _running(folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    program = shutil.which("rtpengine")
    if program is None:
        raise Unavailable(
            "rtpengine is missing; apt-get install --no-install-recommends rtpengine-daemon"
        )
    for name in ("pcaps", "metadata", "tmp"):
        (folder / name).mkdir()
    control = free_port()
    command = [
        program, "--config-file=none", "--table=-1", f"--interface={HOST}",
        f"--listen-ng={HOST}:{control}", "--foreground", "--log-stderr", "--log-level=2",
        "--port-min=42000", "--port-max=46000", f"--recording-dir={folder}",
        "--recording-method=pcap", "--recording-format=eth",
    ]  # fmt: skip
    process = subprocess.Popen(  # noqa: S603 - the reference, as Debian has it
        command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        _await_answer(control)
        yield process, control
    finally:
        process.terminate()
        process.wait()


def _relayed(control: int, call: str) -> list[tuple[socket.socket, int]]:
    """Both sides of one call: the socket of each, and the port to which it sends."""
    mine = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
    for each in mine:
        each.bind((HOST, 0))
    ports = [each.getsockname()[1] for each in mine]
    common: dict[str, Value] = {"call-id": call, "from-tag": "a", "record call": "on"}
    to_second = _asked(control, {**common, "command": "offer", "sdp": _sdp(ports[0])})
    to_first = _asked(
        control, {**common, "command": "answer", "to-tag": "b", "sdp": _sdp(ports[1])}
    )
    return [(mine[0], _port_in(to_first)), (mine[1], _port_in(to_second))]


def _talk(sides: list[list[tuple[socket.socket, int]]], stop: threading.Event) -> None:
    """Send a packet of sound to every side each 20 ms; what comes back is dropped unread."""
    due = time.monotonic()
    number = 0
    while not stop.is_set():
        head = b"\x80\x08" + number.to_bytes(2, "big") + (number * 160).to_bytes(4, "big") + b"test"
        for pair in sides:
            for mine, port in pair:
                mine.sendto(head + bytes([0xD5]) * 160, (HOST, port))
        number = (number + 1) % 65_536
        due += PACKET_S
        time.sleep(max(0.0, due - time.monotonic()))


def _asked(control: int, question: dict[str, Value]) -> bytes:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.settimeout(READY_S)
        cookie = secrets.token_hex(
            8
        ).encode()  # a question of the same cookie is answered as before
        asking.sendto(cookie + b" " + _bencoded(question), (HOST, control))
        answer = asking.recv(65_536)
    if b"6:result2:ok" not in answer:
        raise Unavailable(f"rtpengine answered {answer[:200]!r}, expected ok")
    return answer


def _await_answer(control: int) -> None:
    until = time.monotonic() + READY_S
    while True:
        try:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
                asking.settimeout(0.2)
                asking.sendto(b"ready " + _bencoded({"command": "ping"}), (HOST, control))
                asking.recv(1_024)
                return
        except OSError:
            if time.monotonic() > until:
                raise Unavailable("rtpengine does not start") from None


def _bencoded(value: Value) -> bytes:
    match value:
        case int():
            return b"i%de" % value
        case str():
            return b"%d:" % len(value.encode()) + value.encode()
        case list():
            return b"l" + b"".join(map(_bencoded, value)) + b"e"
        case _:
            pairs = (_bencoded(name) + _bencoded(each) for name, each in value.items())
            return b"d" + b"".join(pairs) + b"e"


def _sdp(port: int) -> str:
    return _SDP.format(host=HOST, port=port)


def _port_in(answer: bytes) -> int:
    return int(answer.split(b"m=audio ")[1].split(b" ")[0])
