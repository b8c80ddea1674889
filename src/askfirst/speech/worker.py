"""Both ends of the pipe to an engine that runs in a process of its own.

Here belongs how audio goes to a child process and words come back, and what the child may not
do. What an engine does with the audio is the business of its adapter. A message is two lengths
(header, body; four bytes each, big-endian), a JSON header and raw samples as the body. Audio
exists in memory only: the child can write no file, dumps no core and opens no connection.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import signal
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from askfirst.errors import AskfirstError, InvalidInput, Misconfigured, Unavailable, Unverified
from askfirst.model import SAMPLE_RATE_HZ, Word

type_of_error = {kind.__name__: kind for kind in (InvalidInput, Misconfigured, Unverified)}
"""Errors that a child reports by name; any other fault ends the child."""

LONGEST_S = 6 * 3600
"""Longest audio in one request, in seconds; one channel of that length is 691 MB."""

_LENGTHS = struct.Struct(">II")
_LARGEST_BODY = LONGEST_S * SAMPLE_RATE_HZ * 2
_LARGEST_HEADER = 64 * 1024 * 1024
_START_LIMIT_S = 120.0
_REQUEST_LIMIT_S = 30.0
_KEPT_ENVIRONMENT = ("HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PATH", "PYTHONPATH")
_PR_SET_DUMPABLE = 4


def check(pcm: bytes, language: str, languages: Collection[str], name: str) -> None:
    """Refuse what no recogniser can use, before any process is started.

    Raises InvalidInput for half a sample, too much audio, or a language not in `languages`.
    """
    if len(pcm) % 2:
        raise InvalidInput(
            f"the audio has {len(pcm)} bytes; 16-bit samples need an even number. "
            "Give mono signed 16-bit little-endian samples at 16 kHz."
        )
    if len(pcm) > _LARGEST_BODY:
        raise InvalidInput(
            f"the audio lasts {len(pcm) // 2 // SAMPLE_RATE_HZ} s; at most {LONGEST_S} s are "
            "recognised at once. Cut it at a pause."
        )
    if language not in languages:
        raise InvalidInput(
            f"{name} does not know the language {language!r}; it knows "
            f"{', '.join(sorted(languages))}. Choose one of these or configure another model."
        )


@dataclass(frozen=True, slots=True)
class Engine:
    """What an adapter's function gives in the child.

    `transcribe` takes samples and a language and gives words; `notes` say what the operator
    should know, such as a rule of second choice. `transcribe_knowing` also takes a vocabulary;
    an engine without it ignores one.
    """

    transcribe: Callable[[bytes, str], list[Word]]
    notes: tuple[str, ...] = ()
    transcribe_knowing: Callable[[bytes, str, Sequence[str]], list[Word]] | None = None


class EngineProcess:
    """The parent's end: one child that is started when needed and replaced after a fault.

    `engine` is ``module:function``; the function gets `options` in the child and gives an
    Engine. The child ends itself after `idle_s` seconds without work (None: never). A request
    may take 30 s and `pace` seconds for each second of audio. `niceness` is by how much the child
    gives way to others (0 to 19, as nice(1) has it). Safe to use from several threads; one request
    runs at a time. Whoever makes it has to close it.
    """

    def __init__(
        self,
        engine: str,
        options: Mapping[str, object],
        *,
        threads: int,
        idle_s: float | None = 300.0,
        pace: float = 8.0,
        niceness: int = 0,
    ) -> None:
        self._engine = engine
        self._niceness = niceness
        self._options = dict(options)
        self._threads = threads
        self._idle_s = idle_s
        self._pace = pace
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._closed = False
        self.notes: tuple[str, ...] = ()

    @property
    def pid(self) -> int | None:
        """Process id of the child, None while there is none."""
        child = self._child
        return child.pid if child else None

    def transcribe(self, pcm: bytes, language: str, vocabulary: Sequence[str] = ()) -> list[Word]:
        """Words of `pcm` (mono s16le, 16 kHz), times in milliseconds from its start.

        Raises Unavailable when the child died or took too long; the next call starts another.
        """
        limit_s = _REQUEST_LIMIT_S + self._pace * len(pcm) / (2 * SAMPLE_RATE_HZ)
        header = {"language": language, "vocabulary": list(vocabulary)}
        with self._lock:
            for _ in range(2):
                child = self._running_child()
                answer = self._exchange(child, header, pcm, limit_s)
                if answer is not None:
                    return [Word(*fields) for fields in answer["words"]]
                # A child that left by itself had no work: it went idle as we were about to ask.
                if self._let_go() != 0:
                    break
            raise Unavailable(
                "the speech process ended before it answered; words were expected. "
                "The audio is unharmed: try again."
            )

    def close(self) -> None:
        """End the child at once, also in the middle of a request; safe to call again."""
        self._closed = True
        child = self._child
        if child is not None:
            child.kill()
        with self._lock:
            self._let_go()

    def _running_child(self) -> subprocess.Popen[bytes]:
        if self._closed:
            raise Unavailable("this recogniser was closed; expected an open one. Make a new one.")
        if self._child is not None and self._child.poll() is not None:
            code = self._let_go()
            if code != 0:
                raise Unavailable(
                    f"the speech process had ended with code {code}; it was expected to wait for "
                    "work. The audio is unharmed: try again."
                )
        if self._child is None:
            self._start()
        assert self._child is not None  # noqa: S101 - for the type checker only
        return self._child

    def _start(self) -> None:
        # -P keeps the working directory off the import path, -B writes no byte code.
        command = [sys.executable, "-P", "-B", "-m", "askfirst.speech.worker"]
        idle = "" if self._idle_s is None else str(self._idle_s)
        # The child gets no secret that the parent's environment may hold.
        environment = {key: os.environ[key] for key in _KEPT_ENVIRONMENT if key in os.environ}
        environment |= {
            "HF_HUB_OFFLINE": "1",
            "MALLOC_ARENA_MAX": "2",
            "OMP_NUM_THREADS": str(self._threads),
            "TOKENIZERS_PARALLELISM": "false",
        }
        self._child = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [*command, self._engine, json.dumps(self._options), idle, str(self._niceness)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            env=environment,
        )
        try:
            ready = self._exchange(self._child, None, b"", _START_LIMIT_S)
        except AskfirstError:
            self._let_go()
            raise
        if ready is None:
            code = self._let_go()
            raise Unavailable(
                f"the speech process ended with code {code} while it started; it was expected to "
                "load its engine. Check free memory, then try again."
            )
        self.notes = tuple(ready["notes"])

    def _exchange(
        self,
        child: subprocess.Popen[bytes],
        header: Mapping[str, object] | None,
        body: bytes,
        limit_s: float,
    ) -> dict[str, Any] | None:
        """Send, unless `header` is None, and give the answer's header; None if the child ended."""
        assert child.stdin is not None  # noqa: S101 - for the type checker only
        assert child.stdout is not None  # noqa: S101 - for the type checker only
        late = threading.Event()

        def stop() -> None:
            late.set()
            child.kill()

        # Killing the child ends a blocked write as well as a blocked read.
        watch = threading.Timer(limit_s, stop)
        watch.daemon = True
        watch.start()
        message, settled = None, False
        try:
            if header is not None:
                send(child.stdin.fileno(), header, body)
            message = receive(child.stdout.fileno())
            settled = True
        except BrokenPipeError:
            settled = True
        finally:
            watch.cancel()
            if not settled:
                # An interrupted exchange leaves an answer behind that the next one would take.
                child.kill()
                self._let_go()
        if message is None:
            if late.is_set():
                self._let_go()
                raise Unavailable(
                    f"the speech process gave no answer within {limit_s:.0f} s and was ended. "
                    "Try again, or configure a smaller model or more threads."
                )
            return None
        answer = message[0]
        if "error" in answer:
            raise type_of_error[answer["error"]](answer["message"])
        return answer

    def _let_go(self) -> int | None:
        child, self._child = self._child, None
        if child is None:
            return None
        for stream in (child.stdin, child.stdout):
            if stream is not None:
                stream.close()
        try:
            # With its pipes closed a healthy child leaves by itself.
            return child.wait(timeout=2)
        except subprocess.TimeoutExpired:
            child.kill()
            return child.wait()


def send(descriptor: int, header: Mapping[str, object], body: bytes = b"") -> None:
    """Write one message; raises BrokenPipeError when the other end is gone."""
    head = json.dumps(header).encode()
    for part in (_LENGTHS.pack(len(head), len(body)) + head, body):
        rest = memoryview(part)
        while rest:
            rest = rest[os.write(descriptor, rest) :]


def receive(descriptor: int) -> tuple[dict[str, Any], bytes] | None:
    """Read one message; None when the other end is gone, also in mid-message.

    Raises Unavailable when what arrives is no message of ours.
    """
    lengths = _read(descriptor, _LENGTHS.size)
    if lengths is None:
        return None
    head_bytes, body_bytes = _LENGTHS.unpack(lengths)
    if head_bytes > _LARGEST_HEADER or body_bytes > _LARGEST_BODY:
        raise Unavailable(
            f"the speech process announced {head_bytes} and {body_bytes} bytes, more than any "
            "message has. Close this recogniser and make a new one."
        )
    head, body = _read(descriptor, head_bytes), _read(descriptor, body_bytes)
    if head is None or body is None:
        return None
    try:
        return json.loads(head), bytes(body)
    except ValueError as error:
        raise Unavailable(
            "the speech process sent a header that is not JSON. Try again."
        ) from error


def _read(descriptor: int, length: int) -> bytearray | None:
    data = bytearray(length)
    rest = memoryview(data)
    while rest:
        got = os.readv(descriptor, [rest])
        if not got:
            return None
        rest = rest[got:]
    return data


def main(arguments: list[str]) -> int:
    """The child's end: ``MODULE:FUNCTION OPTIONS IDLE_SECONDS NICENESS``; 0 when it had nothing
    to do.
    """
    os.nice(int(arguments[3]))
    _shut_in()
    requests, answers = os.dup(0), os.dup(1)
    # A library that prints must not write into our messages.
    with open(os.devnull, "r+b") as nothing:  # noqa: PTH123 - a device, not a path to work with
        os.dup2(nothing.fileno(), 0)
        os.dup2(nothing.fileno(), 1)
    module, _, function = arguments[0].partition(":")
    try:
        engine: Engine = getattr(import_module(module), function)(json.loads(arguments[1]))
    except tuple(type_of_error.values()) as error:
        send(answers, {"error": type(error).__name__, "message": str(error)})
        return 1
    send(answers, {"notes": engine.notes})
    idle_s = float(arguments[2]) if arguments[2] else None
    while select.select([requests], [], [], idle_s)[0]:
        message = receive(requests)
        if message is None:
            return 0
        header, pcm = message
        answer: dict[str, object]
        try:
            if header["vocabulary"] and engine.transcribe_knowing is not None:
                words = engine.transcribe_knowing(pcm, header["language"], header["vocabulary"])
            else:
                words = engine.transcribe(pcm, header["language"])
            answer = {"words": [[w.text, w.start_ms, w.end_ms, w.confidence] for w in words]}
        except tuple(type_of_error.values()) as error:
            answer = {"error": type(error).__name__, "message": str(error)}
        del message, pcm
        _give_memory_back()
        send(answers, answer)
    return 0


def _shut_in() -> None:
    # The terminal's interrupt is for the parent, who then closes our pipe.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(ImportError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        # No file can grow beyond nothing, whatever a library tries; pipes are not concerned.
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    sys.addaudithook(_refuse_network)


def _refuse_network(event: str, _details: tuple[object, ...]) -> None:
    if event in ("socket.connect", "socket.bind", "socket.getaddrinfo"):
        raise PermissionError("a speech process opens no connection")


def _give_memory_back() -> None:
    # Without this the allocator keeps the largest call's memory for good.
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
