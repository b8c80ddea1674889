"""A time-stamping authority made with `openssl ts`, behind a small HTTP server."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

CONFIG = """
[req]
distinguished_name = dn
prompt = no
[dn]
CN = {name}
[root]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
subjectKeyIdentifier = hash
[tsa]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = critical, timeStamping
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[ts]
default_tsa = one
[one]
serial = serial
signer_cert = tsa.pem
certs = tsa.pem
signer_key = tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
ess_cert_id_alg = sha256
"""


def openssl(folder: Path, *words: str) -> str:
    """What the command says; fails with what it complains of."""
    done = subprocess.run(  # noqa: S603 - our own words
        ["openssl", *words],  # noqa: S607 - as the system has it
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


class Authority:
    """An authority in a folder: a root and a certificate that may only stamp."""

    def __init__(self, folder: Path, name: str = "Test authority") -> None:
        folder.mkdir(parents=True)
        self.folder = folder
        (folder / "ts.cnf").write_text(CONFIG.format(name=name))
        (folder / "serial").write_text("01\n")
        for key, section in (("root", "root"), ("tsa", "tsa")):
            openssl(
                folder, "req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{key}.key",
                "-out", f"{key}.csr", "-config", "ts.cnf", "-subj", f"/CN={name} {section}",
            )  # fmt: skip
        signing = ("-extfile", "ts.cnf", "-days", "30", "-sha256")
        openssl(folder, "x509", "-req", "-in", "root.csr", "-signkey", "root.key",
                "-out", "root.pem", "-extensions", "root", *signing)  # fmt: skip
        openssl(folder, "x509", "-req", "-in", "tsa.csr", "-CA", "root.pem", "-CAkey", "root.key",
                "-CAcreateserial", "-out", "tsa.pem", "-extensions", "tsa", *signing)  # fmt: skip

    @property
    def root(self) -> Path:
        """The certificate to trust."""
        return self.folder / "root.pem"

    def reply(self, query: bytes) -> bytes:
        """The answer to a request."""
        (self.folder / "query.tsq").write_bytes(query)
        openssl(self.folder, "ts", "-reply", "-config", "ts.cnf", "-section", "one",
                "-queryfile", "query.tsq", "-out", "reply.tsr")  # fmt: skip
        return (self.folder / "reply.tsr").read_bytes()

    def verify(self, answer: Path, message: Path) -> str:
        """What `openssl ts -verify` says of a stamp."""
        return openssl(self.folder, "ts", "-verify", "-in", str(answer), "-data", str(message),
                       "-CAfile", str(self.root))  # fmt: skip


@dataclass
class Listener:
    """A server that answers every POST by a function, and keeps what it was sent."""

    answers: Callable[[bytes], tuple[int, bytes]]
    url: str = ""
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)


@contextmanager
def listening(answers: Callable[[bytes], tuple[int, bytes]]) -> Iterator[Listener]:
    """A listener on a free port of this machine."""
    listener = Listener(answers)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            listener.got.append(({key.lower(): value for key, value in self.headers.items()}, body))
            status, content = listener.answers(body)
            self.send_response(status)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    listener.url = f"http://127.0.0.1:{server.server_address[1]}/"
    try:
        yield listener
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
