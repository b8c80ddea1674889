"""Where an installation keeps everything, opened once for each process."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import sqlalchemy as sa

from askfirst.errors import Unavailable
from askfirst.server.blobs import Blobs, LocalBlobs
from askfirst.server.custody import open_keys
from askfirst.server.database import migrate, open_engine
from askfirst.server.erasurelist import FILE, FOLDER, ErasureList
from askfirst.server.keys import KeyStore
from askfirst.server.ledger import Ledger
from askfirst.server.openbao import Transit
from askfirst.server.searchindex import SearchIndex
from askfirst.server.searchpostgres import PostgresIndex
from askfirst.server.searchsqlite import FILE as SEARCH_FILE
from askfirst.server.searchsqlite import SqliteIndex

DEFAULT_RETENTION = timedelta(days=90)
"""How long a recording is kept unless the account says otherwise."""


@dataclass(frozen=True, slots=True)
class Store:
    """Database, key store, objects, ledger, erasure list, spool and index of one installation.

    `worker` is the media worker that has opened it, whose calls are known by that.
    """

    folder: Path
    engine: sa.Engine
    keys: KeyStore
    blobs: Blobs
    ledger: Ledger
    erasures: ErasureList
    spool: Path
    search: SearchIndex
    retention: timedelta = DEFAULT_RETENTION
    worker: str | None = None

    @classmethod
    def open(cls, folder: Path, transit: Transit | None = None, search: str | None = None) -> Store:
        """Open, or make, the installation in a folder; the caller closes it.

        `transit` is where the keys of a new installation are wrapped; one that is there knows.
        `search` is the address of the database with the search index, None for a file. Raises
        Unavailable when the folder cannot be made or written, KeyUnreadable when the key file is
        there but cannot be used, Misconfigured where the erasure list does not fit.
        """
        try:
            for part in ("spool", "objects", "keys"):
                (folder / part).mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise Unavailable(
                f"cannot make the data folder {folder}: {error.strerror}. "
                "Choose a folder that can be written"
            ) from error
        # A new master key beside old wrapped keys would only hide that the old one is missing.
        keys = open_keys(folder / "keys", transit)
        erasures = ErasureList(folder / FOLDER / FILE, keys.list_key())
        engine = open_engine(f"sqlite:///{folder / 'askfirst.db'}")
        migrate(engine)
        return cls(
            folder=folder,
            engine=engine,
            keys=keys,
            blobs=LocalBlobs(folder / "objects"),
            ledger=Ledger(engine, keys),
            erasures=erasures,
            spool=folder / "spool",
            search=SqliteIndex(folder / SEARCH_FILE, keys.search_key)
            if search is None
            else PostgresIndex(search, keys.search_key),
        )

    def destroy_object(self, identity: str) -> None:
        """Destroy an encrypted object for good, its key first; safe to repeat."""
        self.keys.destroy(identity)
        self.blobs.delete(identity)

    def close(self) -> None:
        """Let go of the databases."""
        self.engine.dispose()
        self.search.close()
        self.erasures.close()
        self.keys.close()
