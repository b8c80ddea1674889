"""What Twilio's refusals mean, in plain words: one table by its error codes, one by HTTP status.

Words of an answer are never repeated: they may hold numbers, addresses and parts of credentials.
"""

from __future__ import annotations

from collections.abc import Mapping

from askfirst.errors import (
    AskfirstError,
    InvalidInput,
    Misconfigured,
    NotFound,
    PeerError,
    Refused,
    Unavailable,
)

NOT_IN_STATE = 21220
"""The call has ended, or has not begun: it cannot be changed."""

Meaning = tuple[type[AskfirstError], str]

_CREDENTIALS = (
    "Twilio does not know these credentials; compare the account SID and the token or key with "
    "Twilio's console"
)
_BAD_TO = "Twilio cannot call this number; write it as + and country code"
_BAD_FROM = (
    "Twilio does not let this account call from this number; choose one that it owns or verified"
)

BY_CODE: Mapping[int, Meaning] = {
    10001: (Refused, "the Twilio account is not active; look at it in Twilio's console"),
    20001: (InvalidInput, "Twilio cannot use a value of the request; look for an update of ours"),
    20003: (Misconfigured, _CREDENTIALS),
    20005: (Refused, "the Twilio account is not active; look at it in Twilio's console"),
    20006: (Refused, "these credentials may not do that at Twilio; use a key that may"),
    20404: (NotFound, "Twilio has nothing under this id (any more)"),
    20409: (Refused, "Twilio is changing the same thing already; try again"),
    20429: (Unavailable, "Twilio got too many requests of this account; try again later"),
    20500: (Unavailable, "Twilio has a fault of its own; try again later"),
    20503: (Unavailable, "Twilio is not available; try again later"),
    21201: (InvalidInput, _BAD_TO),
    21203: (Refused, "Twilio does not connect calls to this kind of number; nothing was called"),
    21205: (Misconfigured, "Twilio cannot use our address; mend the public address in settings"),
    21210: (Misconfigured, "the caller number is not verified at Twilio; verify or change it"),
    21211: (InvalidInput, _BAD_TO),
    21212: (Misconfigured, _BAD_FROM),
    21213: (Misconfigured, _BAD_FROM),
    21214: (InvalidInput, _BAD_TO),
    21215: (
        Refused,
        "calls to this country are switched off at Twilio; allow it under Voice, Geographic "
        "permissions in its console",
    ),
    21216: (Refused, "Twilio does not call this number; it is blocked there"),
    21217: (InvalidInput, _BAD_TO),
    21219: (
        Refused,
        "a trial account of Twilio calls verified numbers only; verify this one or upgrade",
    ),
    NOT_IN_STATE: (Refused, "the call is not in a state that allows this (any more)"),
    21264: (Misconfigured, _BAD_FROM),
    21601: (Misconfigured, "the number at Twilio cannot speak; choose one with voice"),
    21608: (Refused, "a trial account of Twilio reaches verified numbers only; verify or upgrade"),
}
"""What a code of Twilio is to us: the error that is raised, and its words."""

BY_STATUS: Mapping[int, Meaning] = {
    400: (InvalidInput, "Twilio cannot use the request; look for an update of ours"),
    401: (Misconfigured, _CREDENTIALS),
    403: (Refused, "these credentials may not do that at Twilio; use a key that may"),
    404: (NotFound, "Twilio has nothing under this id (any more)"),
    408: (Unavailable, "Twilio did not finish in time; try again"),
    409: (Refused, "Twilio is changing the same thing already; try again"),
    429: (Unavailable, "Twilio got too many requests of this account; try again later"),
}
"""Where an answer brings no code that is known."""


def meaning(status: int, code: int | None = None) -> AskfirstError:
    """The error to raise for an answer that is none of success; its code, where one came, is told.

    Any 5xx is Unavailable, anything else that nobody planned for a PeerError.
    """
    kind, words = _found(status, code)
    told = f"status {status}" if code is None else f"status {status}, code {code}"
    return kind(f"{words} ({told})")


def knows_us(error: AskfirstError) -> bool | None:
    """Whether Twilio took our credentials, by the error of a request; None where it did not say."""
    if isinstance(error, Unavailable | PeerError):
        return None
    return not str(error).startswith(_CREDENTIALS)


def _found(status: int, code: int | None) -> Meaning:
    if code is not None and code in BY_CODE:
        return BY_CODE[code]
    if status in BY_STATUS:
        return BY_STATUS[status]
    if status >= 500:
        return Unavailable, "Twilio has a fault of its own; try again later"
    return PeerError, "Twilio gave an answer that was not expected; look for an update of ours"
