"""What `askfirst doctor` says of overrides: which do not count, and why; nothing is changed.

The register is imported only where its parts are there, so that this works where they are missing.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path

from askfirst.errors import AskfirstError
from askfirst.server.checkup import Finding, missing, ok, warning

NAME = "overrides"


def overrides(data: Path, now: datetime) -> Iterator[Finding]:
    """Whether every override in an installation's folder holds and was approved, where wanted."""
    database = data / "askfirst.db"
    if not database.is_file() or not any((data / "overrides").glob("*.toml")):
        return
    if find_spec("sqlalchemy") is None or find_spec("cryptography") is None:
        return  # the finding about the server's parts says so
    import sqlalchemy as sa

    from askfirst.server.node import rules_of
    from askfirst.server.overrideregister import Standing, kept

    address = f"{database.absolute().as_uri()}?mode=ro"
    engine = sa.create_engine(
        "sqlite://", creator=lambda: sqlite3.connect(address, uri=True), poolclass=sa.pool.NullPool
    )
    try:
        with engine.connect() as connection:
            found = kept(data, connection, rules_of(data), now.date())
    except (sa.exc.OperationalError, AskfirstError):
        yield warning(NAME, "cannot be told yet", "start askfirst once, then ask again")
        return
    finally:
        engine.dispose()
    broken = [each.file for each in found if each.file and each.standing is Standing.BROKEN]
    waiting = [
        each.file
        for each in found
        if each.file and each.standing in (Standing.UNAPPROVED, Standing.PROPOSED)
    ]
    if broken:
        yield missing(
            NAME,
            f"{', '.join(broken)}: the signature does not hold",
            "take them out or have them signed again; askfirst does not start with them",
        )
    if waiting:
        yield warning(
            NAME,
            f"{', '.join(waiting)}: nobody else has approved them, so they count for nothing",
            "propose them under Settings, Overrides",
        )
    if not broken and not waiting:
        count = sum(each.counts for each in found)
        yield ok(NAME, f"{count} in the folder count on their days")
