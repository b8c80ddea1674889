"""Telephones over TLS, and with encrypted sound."""

from __future__ import annotations

import asyncio
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.server.deskrig import has, until
from tests.sip.oversip import talking
from tests.sip.peer import LOOPBACK, needed, telephone
from tests.sip.test_calls import CONTACT_HZ, NEW_YORK, causes, desk_to, played, share_of, sound_of

from askfirst.server.accounts import User
from askfirst.server.node import Node
from askfirst.telephony.memoryleg import MemoryLeg

pytestmark = pytest.mark.full

ACCOUNTS = {"none": "", "srtp": ";mediaenc=srtp-mand", "dtls": ";mediaenc=dtls_srtp"}


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and a certificate for this machine that nobody vouches for, in one file."""
    folder = tmp_path_factory.mktemp("certificate")
    key, made, both = folder / "key.pem", folder / "made.pem", folder / "both.pem"
    command = [
        needed("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
        "-subj", f"/CN={LOOPBACK}", "-keyout", str(key), "-out", str(made),
    ]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True)  # noqa: S603 - our own arguments
    both.write_bytes(key.read_bytes() + made.read_bytes())
    return both


def called(
    node: Node, kari: User, folder: Path, certificate: Path, security: str, **trunk: object
) -> tuple[str, dict[str, Any]]:
    """A call to a telephone that has TLS: its id, and its state once it is answered or over."""
    more = f"module dtls_srtp.so\nsip_certificate {certificate}\n"

    async def scenario() -> tuple[str, dict[str, Any]]:
        voice = talking(30_000, CONTACT_HZ)
        async with (
            telephone(folder / "bob", voice, account=ACCOUNTS[security], number=NEW_YORK,
                      config=more) as bob,
            desk_to(node, bob.port + ("transport" in trunk), security=security, **trunk) as desk,
        ):  # fmt: skip
            live = await desk.place(kari, NEW_YORK, MemoryLeg())
            shown = await until(live, lambda now: now["light"] == "recording" or now["settled"])
            if not shown["settled"]:
                await asyncio.sleep(1.5)
                await live.hangup()
                await until(live, has(settled=True))
            return live.id, shown

    return played(scenario())


@pytest.mark.parametrize("security", ["none", "srtp", "dtls"])
def test_a_call_over_tls_is_carried_where_its_certificate_is_vouched_for(
    node: Node, kari: User, tmp_path: Path, certificate: Path, security: str
) -> None:
    call, shown = called(
        node, kari, tmp_path, certificate, security, transport="tls", ca_file=str(certificate)
    )
    assert shown["light"] == "recording"
    _, contact = sound_of(node, call)
    assert share_of(contact, CONTACT_HZ) > 0.9


def test_an_exchange_that_nobody_vouches_for_is_told_nothing(
    node: Node, kari: User, tmp_path: Path, certificate: Path
) -> None:
    call, shown = called(node, kari, tmp_path, certificate, "srtp", transport="tls")
    assert shown["settled"]
    assert causes(node, call) == ["unreachable"]
