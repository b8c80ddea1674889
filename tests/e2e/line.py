"""A line to a server that can be slow or cut: no answer, no error, nothing, as without a cable.

The browser's own offline switch leaves streams alone that are open already.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Iterator


class Line:
    """Relays connections to a port of this machine, until it is cut."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.origin = f"http://127.0.0.1:{self.port}"
        self._waker, self._woken = socket.socketpair()
        self._ways: dict[socket.socket, socket.socket] = {}
        self._is_cut = False
        self._is_closed = False
        self._delay_s = 0.0
        self._on_the_way: deque[tuple[float, socket.socket, bytes]] = deque()
        self._ended: set[socket.socket] = set()
        self._thread = threading.Thread(target=self._relay, daemon=True)
        self._thread.start()

    def slow(self, seconds: float) -> None:
        """Let everything from now on take so long to arrive, each way."""
        self._delay_s = seconds

    def cut(self) -> None:
        """Let nothing pass any more, and tell nobody."""
        self._is_cut = True
        self._waker.send(b"!")

    def mend(self) -> None:
        """End what was cut off, and let new connections through."""
        self._is_cut = False
        self._waker.send(b"!")

    def close(self) -> None:
        """End everything."""
        self._is_closed = True
        self._waker.send(b"!")
        self._thread.join()
        for each in (*self._ways, self._listener, self._waker, self._woken):
            each.close()

    def _relay(self) -> None:
        was_cut = False
        while not self._is_closed:
            if was_cut and not self._is_cut:
                self._drop_all()
            was_cut = self._is_cut
            with selectors.DefaultSelector() as ready:
                ready.register(self._woken, selectors.EVENT_READ)
                open_ways = self._ways.keys() - self._ended
                for each in () if was_cut else (self._listener, *open_ways):
                    ready.register(each, selectors.EVENT_READ)
                for key, _ in ready.select(self._wait_s()):
                    found = key.fileobj
                    assert isinstance(found, socket.socket)
                    self._serve(found)
            if not self._is_cut:
                self._deliver()

    def _serve(self, ready: socket.socket) -> None:
        if ready is self._woken:
            ready.recv(100)
        elif ready is self._listener:
            near, _ = ready.accept()
            try:
                far = socket.create_connection(("127.0.0.1", self._port))
            except OSError:
                near.close()
                return
            self._ways |= {near: far, far: near}
        elif ready in self._ways:
            self._pass_on(ready)

    def _pass_on(self, ready: socket.socket) -> None:
        """Put on the way what came; nothing, at the end of a connection, is on the way too."""
        try:
            data = ready.recv(65_536)
        except OSError:
            data = b""
        if not data:
            self._ended.add(ready)
        self._on_the_way.append((time.monotonic() + self._delay_s, ready, data))

    def _wait_s(self) -> float | None:
        """How long until something arrives; None: nothing is on the way."""
        if not self._on_the_way or self._is_cut:
            return None
        return max(self._on_the_way[0][0] - time.monotonic(), 0.0)

    def _deliver(self) -> None:
        while self._on_the_way and self._on_the_way[0][0] <= time.monotonic():
            _, near, data = self._on_the_way.popleft()
            if near not in self._ways:
                continue
            try:
                self._ways[near].sendall(data)
            except OSError:
                data = b""
            if not data:
                self._end(near)

    def _end(self, near: socket.socket) -> None:
        for each in (near, self._ways[near]):
            del self._ways[each]
            self._ended.discard(each)
            each.close()

    def _drop_all(self) -> None:
        for each in tuple(self._ways):
            if each in self._ways:
                self._end(each)
        self._on_the_way.clear()


@contextlib.contextmanager
def line_to(port: int) -> Iterator[Line]:
    """A line that is closed at the end."""
    line = Line(port)
    try:
        yield line
    finally:
        line.close()
