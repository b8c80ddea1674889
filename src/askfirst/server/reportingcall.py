"""A call that tells of each report, and that can lose what it was decided under."""

from __future__ import annotations

from collections.abc import Callable, Container
from dataclasses import replace
from typing import Any

from askfirst import events as ev
from askfirst.override import digest
from askfirst.server.call import Call


class ReportingCall(Call):
    """A call that says when it has taken a report."""

    on_report: Callable[[], None] = staticmethod(lambda: None)

    def report(self, event: ev.Event, *args: Any, **more: Any) -> None:
        super().report(event, *args, **more)
        self.on_report()

    def keep_overrides(self, counting: Container[str]) -> None:
        """Overrides were ended: decide again at once without those that count (by hash) no more.

        None is ever added: what loosens counts for calls that begin after it.
        """
        kept = tuple(each for each in self.request.overrides if digest(each) in counting)
        if kept == self.request.overrides:
            return
        self.request = replace(self.request, overrides=kept)
        if self._people and not self.facts.has_ended:
            self._decided(self._decide())
