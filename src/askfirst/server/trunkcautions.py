"""What to be careful with about a trunk: sound or signalling in plain, and TLS that is out of date.

Codes only; pages and the command line say them in words.
"""

from __future__ import annotations

import ipaddress
import re
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, files

from askfirst.telephony.siptrunk import Trunk

LIBRARY = "baresip-python"
"""The package that speaks SIP."""

_INSIDE = (".local", ".localhost", ".lan", ".internal", ".home.arpa")
_LIBSSL = re.compile(r"libssl.*\.so\.(\d[0-9A-Za-z.]*)$")


class Caution(StrEnum):
    """Something that an administrator should know."""

    PLAIN_SIGNALLING = "plain-signalling"
    PLAIN_SOUND = "plain-sound"
    OLD_TLS = "old-tls"


def cautions(trunk: Trunk) -> tuple[Caution, ...]:
    """What a trunk calls for; nothing towards an exchange in the own network.

    A name that does not say where it leads counts as outside.
    """
    if is_inside(trunk.server):
        return ()
    found = []
    if trunk.transport != "tls":
        found.append(Caution.PLAIN_SIGNALLING)
    if trunk.security == "none":
        found.append(Caution.PLAIN_SOUND)
    if is_encrypting(trunk) and old_openssl() is not None:
        found.append(Caution.OLD_TLS)
    return tuple(found)


def is_encrypting(trunk: Trunk) -> bool:
    """Whether signalling or sound is encrypted by us."""
    return trunk.transport == "tls" or trunk.security != "none"


def is_inside(server: str) -> bool:
    """Whether a host is this machine or in a network of one's own, by its name alone."""
    try:
        address = ipaddress.ip_address(server.strip("[]"))
    except ValueError:
        name = server.lower().rstrip(".")
        return "." not in name or name.endswith(_INSIDE)
    return address.is_private or address.is_loopback or address.is_link_local


def old_openssl() -> str | None:
    """The release of OpenSSL in the wheel of the SIP library, where its makers have given it up.

    None where the library has none of its own, as one that was built from source.
    """
    try:
        shipped = files(LIBRARY) or ()
    except PackageNotFoundError:
        return None
    releases = (match[1] for each in shipped if (match := _LIBSSL.search(each.name)))
    return next((each for each in releases if each.startswith(("0.", "1."))), None)
