"""Every error that askfirst raises on purpose.

A message says what was found, what was expected and what to do. The tree:

    AskfirstError
    ├── InvalidInput            a caller gave something that cannot be used
    │   ├── InvalidRequest      an unknown key or value in a decision request or policy
    │   └── InvalidRules        rule files with faults; carries every fault at once
    ├── Refused                 the gate, a permission or a state does not allow this
    ├── NotFound                no such jurisdiction, persona, recording, entry
    ├── Unverified              a proof, signature, hash or ciphertext does not hold
    ├── NotInstalled            an optional part is missing; carries the command to run
    ├── Misconfigured           a setting is missing or contradicts another
    ├── Unavailable             a device, disk, key or process does not answer
    │   └── KeyUnreadable       a recording's key cannot be unwrapped or is gone
    └── PeerError               the other side of a call or protocol misbehaved
"""

from __future__ import annotations

from collections.abc import Iterable


class AskfirstError(Exception):
    """Root of everything that askfirst raises on purpose."""


class InvalidInput(AskfirstError):
    """A caller gave something that cannot be used; nothing was changed."""


class InvalidRequest(InvalidInput):
    """An unknown key or value in a decision request or a policy.

    `key` is the offending key, for problem documents and command-line messages.
    """

    def __init__(self, message: str, *, key: str) -> None:
        super().__init__(message)
        self.key = key


class InvalidRules(InvalidInput):
    """Rule files with faults; `faults` holds one line for each, in file order."""

    def __init__(self, faults: Iterable[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(self.faults))


class Refused(AskfirstError):
    """The gate, a permission or a state does not allow this."""


class NotFound(AskfirstError):
    """There is nothing under this name."""


class Unverified(AskfirstError):
    """A proof, signature, hash or ciphertext does not hold."""


class NotInstalled(AskfirstError):
    """An optional part is missing; the message ends with the command that installs it."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} is not installed. Run: pip install 'askfirst[{extra}]'")
        self.extra = extra


class Misconfigured(AskfirstError):
    """A setting is missing or contradicts another."""


class Unavailable(AskfirstError):
    """A device, disk, key store or process does not answer; trying again may help."""


class KeyUnreadable(Unavailable):
    """A recording's key cannot be unwrapped or no longer exists."""


class PeerError(AskfirstError):
    """The other side of a call or protocol misbehaved."""
