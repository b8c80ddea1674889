"""The providers that call telephones for a desk: which one calls, and over which one rang."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

from askfirst.errors import Unavailable
from askfirst.server.lines import Outside


class Providers:
    """Providers by name; the one that came first is the usual one. Belongs to the desk's loop.

    `on_call` is told of each `IncomingLine` of any of them, and says whether it is to ring.
    """

    def __init__(self, first: Outside | None = None) -> None:
        self.on_call: Callable[[Any], bool] = lambda _: False
        self._all: dict[str, Outside] = {}
        self._of_line: WeakKeyDictionary[Any, Outside] = WeakKeyDictionary()
        if first is not None:
            self.connect(first)

    @property
    def usual(self) -> Outside | None:
        """Who calls where nothing else is said, None where nobody calls telephones."""
        return next(iter(self._all.values()), None)

    def all(self) -> tuple[Outside, ...]:
        """Every provider, the usual one first."""
        return tuple(self._all.values())

    def get(self, name: str) -> Outside | None:
        """The provider of a name."""
        return self._all.get(name)

    def connect(self, provider: Outside) -> None:
        """Let a provider call, in place of one with the same name; that one stays its owner's."""
        self._all[provider.name] = provider
        provider.on_call = partial(self._arrive, provider)

    def disconnect(self, name: str) -> None:
        """Let a provider call no more, if it did; who made it closes it."""
        self._all.pop(name, None)

    def choose(self, name: str | None, caller_id: str | None) -> Outside:
        """Who is to call: the named one, else the one whose number is to be shown, else the usual.

        Raises Unavailable where there is none.
        """
        if name is not None:
            found = self._all.get(name)
        elif caller_id is not None:
            owners = (each for each in self._all.values() if each.shows(caller_id))
            found = next(owners, self.usual)
        else:
            found = self.usual
        if found is None:
            raise Unavailable("no line to telephones is set up here")
        return found

    def of(self, line: object) -> Outside:
        """Over whom a call came in. Raises Unavailable where nobody calls telephones any more."""
        found = self._of_line.get(line) or self.usual
        if found is None:
            raise Unavailable("the line that this call came in on is not set up any more")
        return found

    async def close(self) -> None:
        """Close every provider."""
        for each in self._all.values():
            await each.close()

    def _arrive(self, provider: Outside, line: Any) -> bool:
        self._of_line[line] = provider
        return self.on_call(line)
