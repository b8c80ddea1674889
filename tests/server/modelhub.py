"""A hub of models on this machine: real HTTP, with the faults that a network has."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from askfirst.server.modelcatalogue import PinnedFile, PinnedModel

REVISION = "0123456789abcdef0123456789abcdef01234567"
FILES = {
    "config.json": b"{}",
    "model.bin": bytes(range(256)) * 500,
    "tokenizer.json": b'{"version": "1.0"}',
    "vocabulary.txt": b"\n".join(b"word" for _ in range(51_865)),
}


def model(files: dict[str, bytes] | None = None, name: str = "fake") -> PinnedModel:
    """A model whose files are pinned as they are given."""
    return PinnedModel(
        name=name,
        repository="somebody/fake-model",
        revision=REVISION,
        licence="MIT",
        is_english_only=False,
        files=tuple(
            PinnedFile(each, len(data), hashlib.sha256(data).hexdigest())
            for each, data in (files or FILES).items()
        ),
    )


def in_toml(wanted: PinnedModel) -> str:
    """A catalogue with this model alone."""
    files = "\n".join(
        f'"{each.name}" = {{ bytes = {each.bytes}, sha256 = "{each.sha256}" }}'
        for each in wanted.files
    )
    return (
        f'[{wanted.name}]\nrepository = "{wanted.repository}"\nrevision = "{wanted.revision}"\n'
        f'licence = "{wanted.licence}"\n[{wanted.name}.files]\n{files}\n'
    )


@dataclass
class Hub:
    """What the hub has and does. `breaks_at`: bytes after which an answer to a request breaks off.

    `ranges` are those that were asked for, by file; `moves` are redirects from paths to addresses.
    """

    address: str = ""
    files: dict[str, bytes] = field(default_factory=lambda: dict(FILES))
    breaks_at: dict[str, int] = field(default_factory=dict)
    knows_ranges: bool = True
    moves: dict[str, str] = field(default_factory=dict)
    ranges: dict[str, list[str | None]] = field(default_factory=dict)


@contextmanager
def serving() -> Iterator[Hub]:
    """A hub that answers until the end."""
    hub = Hub()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self.path.rpartition("/")[2]
            asked = self.headers.get("range")
            hub.ranges.setdefault(name, []).append(asked)
            if self.path in hub.moves:
                self.send_response(302)
                self.send_header("location", hub.moves[self.path])
                self.send_header("content-length", "0")
                self.end_headers()
                return
            data = hub.files.get(name)
            if data is None:
                self.send_error(404)
                return
            start = 0
            if asked is not None and hub.knows_ranges:
                start = int(asked.removeprefix("bytes=").partition("-")[0])
                self.send_response(206)
                self.send_header("content-range", f"bytes {start}-{len(data) - 1}/{len(data)}")
            else:
                self.send_response(200)
            self.send_header("content-length", str(len(data) - start))
            self.end_headers()
            self.wfile.write(data[start : hub.breaks_at.pop(name, len(data))])

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
