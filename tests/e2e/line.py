"""A line to a server that can be cut: no answer, no error, nothing, as when a cable is pulled.

The browser's own offline switch leaves streams alone that are open already.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
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
        self._thread = threading.Thread(target=self._relay, daemon=True)
        self._thread.start()

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
                for each in () if was_cut else (self._listener, *self._ways):
                    ready.register(each, selectors.EVENT_READ)
                for key, _ in ready.select():
                    found = key.fileobj
                    assert isinstance(found, socket.socket)
                    self._serve(found)

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
        try:
            data = ready.recv(65_536)
            self._ways[ready].sendall(data)
        except OSError:
            data = b""
        if not data:
            for each in (ready, self._ways.pop(ready)):
                self._ways.pop(each, None)
                each.close()

    def _drop_all(self) -> None:
        for each in self._ways:
            each.close()
        self._ways.clear()


@contextlib.contextmanager
def line_to(port: int) -> Iterator[Line]:
    """A line that is closed at the end."""
    line = Line(port)
    try:
        yield line
    finally:
        line.close()
