"""A team's own telephone exchange or provider, as SIP reaches it: one frozen value, checked whole.

Why a call over it ended is said here, too, in the words that all providers share.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from askfirst.errors import InvalidInput
from askfirst.ports import EndCause

TRANSPORTS = ("udp", "tcp", "tls")
CODECS: Mapping[str, str] = {
    "pcmu": "pcmu",
    "pcma": "pcma",
    "g722": "g722/16000/1",
    "opus": "opus/48000/2",
}
"""Codecs by our names, and as the stack is told of them."""

SECURITIES: Mapping[str, str | None] = {"none": None, "srtp": "srtp-mand", "dtls": "dtls_srtp"}
"""How sound is encrypted on its way to the exchange, and the stack's word for it."""

JITTER_MS = (20, 120)
"""The least and the most that the stack's jitter buffer holds back."""

READ_MS = 20
"""How long received sound may lie before it is read: its decoder works in packets of so much."""

BUFFERED_MS = JITTER_MS[1] + 60
"""Upper bound of what the stack holds back, its decoder and player included. The library gives
bytes without their RTP time, so every frame counts as old as it can be."""

CA_FILE = "/etc/ssl/certs/ca-certificates.crt"
"""Authorities whom the machine trusts, as Debian keeps them."""

TRANSFERRED = "Call transfered"
"""With these words the stack closes a call whose other side talks to somebody else by now."""

_HOST = re.compile(r"[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\]")
_USER = re.compile(r"[A-Za-z0-9._+~-]{1,64}")
_ADDRESS = re.compile(r"(?:sips?|tel):([^@;>:\s]{1,64})(?=[@;>\s]|$)", re.IGNORECASE)
_DIGITS = re.compile(r"\+?[0-9]{2,15}")
_ERRNO = re.compile(r"\[(\d{1,3})\]\s*$")
_STATUS = re.compile(r"([3-6]\d\d)(?: |$)")

_BY_STATUS: Mapping[int, EndCause] = {
    403: EndCause.DECLINED,
    404: EndCause.NOT_FOUND,
    405: EndCause.UNSUPPORTED,
    408: EndCause.NO_ANSWER,
    410: EndCause.NOT_FOUND,
    420: EndCause.UNSUPPORTED,
    480: EndCause.NO_ANSWER,
    484: EndCause.NOT_FOUND,
    486: EndCause.BUSY,
    487: EndCause.NO_ANSWER,
    501: EndCause.UNSUPPORTED,
    600: EndCause.BUSY,
    603: EndCause.DECLINED,
    604: EndCause.NOT_FOUND,
    607: EndCause.DECLINED,
    608: EndCause.DECLINED,
}
"""RFC 3261, 21, and for 607 and 608 RFC 8197 and 8688."""

_UNREACHABLE = frozenset({408, 502, 503, 504})
_NO_WAY = frozenset({2, 71, 101, 110, 111, 113})
"""errno of names, networks and hosts out of reach; 71 is a certificate that nobody vouches for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trunk:
    """Where calls go out. `repr` shows no password.

    `server` is a host and `port` its port; `user` is who we are there, and `password` proves it.
    `caller_id` is the number that is shown, by default the account's own. `address` is the local
    address to use (loopback has to be named), `listen` the port there to which an exchange without
    registration sends calls, `ca_file` the authorities that vouch for the exchange over TLS.
    Seconds: `ring` until nobody takes it, `silence` without a packet until the call is given up,
    `longest_hold` of a call that waits. `most_calls` at one time. Raises InvalidInput naming the
    field.
    """

    server: str
    port: int = 5060
    user: str = "askfirst"
    password: str = ""
    transport: str = "udp"
    registers: bool = False
    caller_id: str | None = None
    codecs: tuple[str, ...] = ("pcma", "pcmu")
    security: str = "none"
    address: str | None = None
    listen: int | None = None
    ca_file: str = CA_FILE
    ring: int = 60
    silence: int = 10
    longest_hold: int = 600
    most_calls: int = 20

    def __post_init__(self) -> None:
        _ensure(_HOST.fullmatch(self.server), "server", "a host name or address")
        _ensure(0 < self.port < 65_536, "port", "1 to 65535")
        _ensure(_USER.fullmatch(self.user), "user", "letters, digits and . _ + ~ -")
        _ensure(
            len(self.password) <= 128
            and self.password.isprintable()
            and not set('"\\') & set(self.password),
            "password",
            'up to 128 characters without " and \\',
        )
        _ensure(self.transport in TRANSPORTS, "transport", ", ".join(TRANSPORTS))
        _ensure(
            self.codecs and set(self.codecs) <= set(CODECS),
            "codecs",
            f"some of {', '.join(CODECS)}",
        )
        _ensure(self.security in SECURITIES, "security", ", ".join(SECURITIES))
        _ensure(
            self.caller_id is None or re.fullmatch(r"\+\d{4,15}", self.caller_id),
            "caller_id",
            "a number that starts with +",
        )
        _ensure(
            self.address is None or re.fullmatch(r"[0-9A-Za-z:.]{1,45}", self.address),
            "address",
            "an address of this machine",
        )
        _ensure(re.fullmatch(r"/[\w/.+-]{1,255}", self.ca_file), "ca_file", "a path from / on")
        _ensure(self.listen is None or 0 < self.listen < 65_536, "listen", "1 to 65535")
        for name, most in (
            ("ring", 300), ("silence", 120), ("longest_hold", 7_200), ("most_calls", 200),
        ):  # fmt: skip
            _ensure(1 <= getattr(self, name) <= most, name, f"1 to {most}")

    def __repr__(self) -> str:
        return f"Trunk({self.user}@{self.server}:{self.port})"

    def uri(self, number: str) -> str:
        """The address of a number at this exchange. Raises InvalidInput for what is no number."""
        if not re.fullmatch(r"\+?[0-9]{3,15}", number):
            raise InvalidInput("found what is no telephone number; start with +, then digits")
        return f"sip:{number}@{self.server}:{self.port};transport={self.transport}"

    def to_json(self) -> dict[str, Any]:
        """What `from_json` reads; with the password, for the pipe to our own process only."""
        return asdict(self)

    @classmethod
    def from_json(cls, stated: Mapping[str, Any]) -> Trunk:
        """The trunk of `to_json`, or of a table that somebody wrote.

        Raises InvalidInput naming a field that cannot be used, TypeError for one of another type.
        """
        codecs = stated.get("codecs")
        if codecs is not None and not isinstance(codecs, list | tuple):
            raise TypeError("codecs is no list")
        return cls(**{**stated, **({} if codecs is None else {"codecs": tuple(codecs)})})


def end_cause(text: str, *, answered: bool, rang: bool) -> EndCause:
    """Why a call ended, from the words with which the stack closed it.

    `rang` says that the other side had been reached.
    """
    if text == TRANSFERRED:
        return EndCause.TRANSFERRED
    if "rtp stream" in text.lower():
        return EndCause.MEDIA_TIMEOUT
    if answered:
        return EndCause.REMOTE_HANGUP
    status = _STATUS.match(text)
    if status is not None:
        code = int(status[1])
        if code in _UNREACHABLE and not rang:
            return EndCause.UNREACHABLE
        if code < 400:
            return EndCause.REDIRECTED
        return _BY_STATUS.get(code, EndCause.PROVIDER_ERROR)
    errno = _ERRNO.search(text)
    if errno is not None and int(errno[1]) in _NO_WAY and not rang:
        return EndCause.UNREACHABLE
    return EndCause.NO_ANSWER if rang else EndCause.PROVIDER_ERROR


def number_in(address: str) -> str | None:
    """The digits of a caller as an exchange writes them, None where it tells none.

    ``"Kari" <sip:+4748750103@exchange;user=phone>`` and ``tel:+47-48750103`` give +4748750103;
    names and ``anonymous`` (RFC 3323, 4.1.1.3) are no numbers. It is what the other side claims.
    """
    found = _ADDRESS.search(address)
    if found is None:
        return None
    digits = re.sub(r"[-.()]", "", found[1])
    return digits if _DIGITS.fullmatch(digits) else None


def _ensure(holds: object, field: str, expected: str) -> None:
    if not holds:
        raise InvalidInput(f"{field} of the trunk cannot be used, expected {expected}")
