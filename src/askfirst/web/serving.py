"""``askfirst serve``: the application on a port, with the link that begins the first run."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import ipaddress
import os
import socket
import ssl
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from types import FrameType

import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from askfirst.clock import run
from askfirst.errors import InvalidInput, Misconfigured, Unavailable
from askfirst.server import accounts, demodata
from askfirst.server.clock import utc_now
from askfirst.server.database import transaction
from askfirst.server.listening import Listening
from askfirst.server.node import Node
from askfirst.server.settings import FILE, ROLES, Settings, read_settings
from askfirst.web.app import create_app
from askfirst.web.carrying import Carrier
from askfirst.web.relay import ask
from askfirst.web.visit import Site

ENDS_WITHIN_SECONDS = 3
"""How long connections may last once the program is to end and its calls have ended."""

LARGEST_SOCKET_MESSAGE = 65_536
"""Bytes; what comes over a socket is single frames of sound."""

CERTIFICATE_LASTS = timedelta(days=30)


def serve(chosen: argparse.Namespace) -> int:
    """Run until a signal ends it, and the process with it."""
    flags = {
        "host": chosen.host,
        "port": chosen.port,
        "data": chosen.data,
        "public_url": chosen.public_url,
        "tls_cert": chosen.tls_cert,
        "tls_key": chosen.tls_key,
        "self_signed": chosen.self_signed or None,
        "roles": chosen.roles,
        "media_workers": chosen.media_workers,
    }
    settings = read_settings(chosen.settings or Path(FILE), os.environ, flags)
    if chosen.demo and settings.roles != ROLES:
        raise InvalidInput("found --demo with fewer roles; a demonstration needs all of them")
    node = Node.open(
        settings.data,
        works="worker" in settings.roles,
        model=settings.model,
        transit=settings.openbao,
        checkpoints=settings.checkpoints,
        search=settings.search_database,
    )
    try:
        store = node.store
        carries = node if "media" in settings.roles else None
        carrier = Carrier(carries, settings.sip, settings.calls_per_worker, settings, ask)
        site = Site(store, settings, node.rules, Listening(store), carrier)
        with _listening(settings) as listener, contextlib.ExitStack() as at_end:
            demonstration = _Demonstration(node) if chosen.demo else None
            if demonstration is not None:
                at_end.callback(demonstration.end)
            _tell(site, () if demonstration is None else demonstration.people)
            config = uvicorn.Config(
                create_app(site),
                log_level="warning",
                access_log=False,
                proxy_headers=False,
                server_header=False,
                ws_max_size=LARGEST_SOCKET_MESSAGE,
                timeout_graceful_shutdown=ENDS_WITHIN_SECONDS,
                **_tls(settings),  # type: ignore[arg-type]  # names of uvicorn's own parameters
            )
            begin = (lambda: None) if demonstration is None else demonstration.begin
            run(_Server(config, site, begin).serve(sockets=[listener]))
    finally:
        node.close()
    return 0


class _Server(uvicorn.Server):
    """A server whose calls end first: streams about them would keep it waiting.

    `on_started` is called when it answers.
    """

    def __init__(self, config: uvicorn.Config, site: Site, on_started: Callable[[], None]) -> None:
        super().__init__(config)
        self._site = site
        self._on_started = on_started
        self._hurry = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer."""
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)
        self._on_started()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """End; whoever says so twice does not want to wait for calls."""
        if self.should_exit and self._loop is not None:
            self._loop.call_soon_threadsafe(self._hurry.set)
        super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the calls, or let them end, then the connections."""
        await self._drain()
        await self._site.carrier.close()
        await super().shutdown(sockets)

    async def _drain(self) -> None:
        """Let calls go on for as long as the settings say, and begin none."""
        carrier, seconds = self._site.carrier, self._site.settings.drain_seconds
        if not seconds or not carrier.busy:
            return
        print(
            f"askfirst: {carrier.busy} calls go on and no more begin. It ends when they have "
            f"ended, in {seconds} s at the latest, or when it is told to end once more",
            flush=True,
        )
        ends = asyncio.create_task(carrier.drained())
        hurry = asyncio.create_task(self._hurry.wait())
        await asyncio.wait((ends, hurry), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        ends.cancel()
        hurry.cancel()


@contextlib.contextmanager
def _listening(settings: Settings) -> Iterator[socket.socket]:
    """The port, taken before anything is promised about it. Raises Unavailable."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise Unavailable(
            f"cannot listen on {settings.host} port {settings.port}: {error.strerror}; name "
            "another with --host and --port"
        ) from error
    try:
        yield listener
    finally:
        listener.close()


class _Demonstration:
    """A demonstration's people with their links, and its calls, which are made beside the server.

    Raises InvalidInput where other people are in the installation.
    """

    def __init__(self, node: Node) -> None:
        self.people = demodata.prepare(node.store, utc_now())
        self._node = node
        self._stopping = threading.Event()
        self._calling = threading.Thread(target=self._call, name="demonstration")

    def begin(self) -> None:
        """Make the calls that are missing, if any are."""
        if missing := len(demodata.missing(self._node.store)):
            print(f"askfirst: demo: making {missing} calls to simulated people", flush=True)
            self._calling.start()

    def end(self) -> None:
        """Return when the call that is being made, if any, has ended."""
        self._stopping.set()
        if self._calling.is_alive():
            print("askfirst: demo: waiting for the end of a call", flush=True)
            self._calling.join()

    def _call(self) -> None:
        made = demodata.call_all(self._node, self._stopping)
        print(f"askfirst: demo: {made} calls were made; they are under Calls", flush=True)


def _tell(site: Site, people: Sequence[tuple[accounts.User, str]]) -> None:
    """Say where the application is, and how to get in before anybody can sign in."""
    now = utc_now()
    with transaction(site.store.engine) as connection:
        is_begun = accounts.has_users(connection) or "web" not in site.settings.roles
        token = None if is_begun else accounts.make_link(connection, None, now)
    print(f"askfirst: {site.settings.origin}/", flush=True)
    if token is not None:
        print(f"askfirst: begin here (once, for 30 minutes): {site.settings.origin}/setup/{token}")
    if "web" not in site.settings.roles:
        print("askfirst: this process only works; it shows /healthz, /readyz and /metrics")
    for user, link in people:
        roles = ", ".join(role.value for role in sorted(user.roles))
        print(f"askfirst: sign in as {user.name} ({roles}): {site.settings.origin}/demo/{link}")
    if not site.settings.is_secure and site.settings.host not in ("127.0.0.1", "localhost", "::1"):
        print(
            "askfirst: browsers give a microphone only to https; use --tls-cert and --tls-key, a "
            "proxy with --public-url, or --self-signed for a trial",
            file=sys.stderr,
        )
    sys.stdout.flush()


def _tls(settings: Settings) -> dict[str, object]:
    if settings.self_signed:
        certificate, key = self_signed(settings.data / "keys", settings.host)
    elif settings.tls_cert is not None and settings.tls_key is not None:
        certificate, key = settings.tls_cert, settings.tls_key
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
        except (OSError, ssl.SSLError) as error:
            raise Misconfigured(
                f"the certificate {certificate} and key {key} cannot be used ({error}); give a PEM "
                "certificate chain and its private key"
            ) from error
    else:
        return {}
    return {"ssl_certfile": str(certificate), "ssl_keyfile": str(key)}


def self_signed(folder: Path, host: str) -> tuple[Path, Path]:
    """A certificate and key for a trial in a local network, made anew at each start.

    Browsers warn of it, rightly: nobody vouches for it. The key is readable by its owner only.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "askfirst trial")])
    now = utc_now()
    names: list[x509.GeneralName] = [x509.DNSName("localhost"), x509.DNSName(socket.gethostname())]
    addresses = ["127.0.0.1"] if host in ("", "0.0.0.0", "::") else ["127.0.0.1", host]  # noqa: S104 - compared, not bound
    for address in addresses:
        with contextlib.suppress(ValueError):
            names.append(x509.IPAddress(ipaddress.ip_address(address)))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + CERTIFICATE_LASTS)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "trial.crt", folder / "trial.key"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for path, content in zip(paths, (certificate.public_bytes(Encoding.PEM), private), strict=True):
        path.unlink(missing_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
    return paths
