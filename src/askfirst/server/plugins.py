"""Adapters by name: telephony providers and recognisers are entry points, never imports."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Any

from askfirst.errors import Misconfigured, NotInstalled

TELEPHONY = "askfirst.telephony"
SPEECH = "askfirst.speech"

_EXTRAS = {TELEPHONY: "server", SPEECH: "speech"}


def load(group: str, name: str) -> Any:
    """The class that an entry point of a group names.

    Raises Misconfigured for a name nobody registered, NotInstalled when its packages are missing.
    """
    known = {point.name: point for point in entry_points(group=group)}
    if name not in known:
        raise Misconfigured(
            f"found {name!r} as an adapter of {group}; known: {', '.join(sorted(known))}"
        )
    try:
        return known[name].load()
    except ImportError as error:
        raise NotInstalled(f"{name} ({error.name})", _EXTRAS[group]) from error
