"""What `askfirst doctor` finds where browsers reach us: the port, the certificate, https."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import ssl
from collections.abc import Iterator
from datetime import datetime, timedelta
from importlib.util import find_spec
from pathlib import Path

from askfirst.server.checkup import Finding, missing, ok, warning
from askfirst.server.settings import Settings

SOON = timedelta(days=14)
"""Before its end a certificate should be replaced by then."""

LOOPBACK = ("127.0.0.1", "localhost", "::1")


def port(settings: Settings) -> Finding:
    """Whether the port is free, or ours already."""
    where = f"{settings.host} port {settings.port}"
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((settings.host, settings.port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE and is_running(settings.data):
                return ok("port", f"{where} is in use, and askfirst runs with this data folder")
            return missing(
                "port",
                f"{where} cannot be had: {error.strerror}",
                "end what uses it, or name another with --host and --port",
            )
    return ok("port", f"{where} is free")


def is_running(data: Path) -> bool:
    """Whether a process carries the installation in a folder."""
    try:
        claim = os.open(data / "node.lock", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(claim, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(claim)  # and with it a lock that we got
    return False


def certificate(settings: Settings, now: datetime) -> Iterator[Finding]:
    """Whether the certificate of https is there, fits its key, and holds for a while."""
    chain, key = settings.tls_cert, settings.tls_key
    if chain is None or key is None:
        return
    do = "give a PEM certificate chain and its private key with --tls-cert and --tls-key"
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(chain, key)
        ends = _end(chain)
    except (OSError, ValueError) as error:  # an SSLError is an OSError
        says = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        yield missing("certificate", f"{chain} with {key} cannot be used: {says}", do)
        return
    if ends is None:
        yield ok("certificate", f"{chain} fits its key")
    elif ends <= now:
        yield missing("certificate", f"ended on {ends:%Y-%m-%d}", "get a new one")
    elif ends - now < SOON:
        yield warning("certificate", f"ends on {ends:%Y-%m-%d}", "get a new one before that")
    else:
        yield ok("certificate", f"holds until {ends:%Y-%m-%d}")


def _end(chain: Path) -> datetime | None:
    """When a certificate ends, None where nothing here reads that; ValueError for what is none."""
    if find_spec("cryptography") is None:
        return None
    from cryptography import x509

    return x509.load_pem_x509_certificate(chain.read_bytes()).not_valid_after_utc


def microphone(settings: Settings) -> Iterator[Finding]:
    """Whether browsers on other machines will give their microphone."""
    if not settings.is_secure and settings.host not in LOOPBACK:
        yield warning(
            "https",
            "browsers on other machines give no microphone to plain http",
            "use --tls-cert and --tls-key, a proxy with --public-url, or --self-signed for a trial",
        )
