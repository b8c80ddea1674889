"""What is planned for a recording before any of its sound is fetched: known, refused, or to come.

A dry run ends here, and so both kinds of run say the same.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from askfirst.auditing import Law
from askfirst.server import importbars
from askfirst.server.auditrun import Existing
from askfirst.server.database import reading
from askfirst.server.importing import Line, Origin, asked, brought_before
from askfirst.server.store import Store


def planned(
    store: Store, law: Law, existing: Existing, origin: Origin, call_ref: str | None, now: datetime
) -> Line:
    """The line of a recording: of outcome planned, refused with why, or known from before."""
    known = brought_before(store, origin.source, origin.ref)
    with reading(store.engine) as connection:
        found = importbars.bar(store, connection, law, existing, origin.at, now)
    decision = importbars.decided(law, existing, found)
    outcome = "planned" if found is None else "refused"
    line = Line(origin.ref, call_ref, origin.at, outcome, decision, asked(decision), refused=found)
    if known is not None:  # what is here already is kept and erased as everything is
        return replace(line, outcome="known", recording=known.recording, refused=None)
    return line
