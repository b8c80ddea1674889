"""The ledger on the database: appends in the caller's transaction, signs, proves, verifies.

The tree, the proofs and the note format are `askfirst.ledger`; here is where they are kept.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from typing import Any

import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from askfirst import ledger, merkle
from askfirst.errors import InvalidInput, NotFound
from askfirst.server import ledgercheck
from askfirst.server.database import checkpoints, ledger_entries, ledger_head, reading, transaction
from askfirst.server.keys import KeyStore
from askfirst.server.stamps import stamps

KEY_NAME = "askfirst.local/ledger"
"""Origin of the log and name of its key, as C2SP checkpoints want one."""


@dataclass(frozen=True, slots=True)
class Verified:
    """A ledger whose every entry was hashed again and whose every checkpoint holds.

    `pinned` counts the checkpoints kept elsewhere that it continues.
    """

    size: int
    root: str
    checkpoints: int
    pinned: int = 0


class Ledger:
    """The one ledger of an installation. Stateless: several processes may use one database."""

    def __init__(self, engine: sa.Engine, keys: KeyStore) -> None:
        self._engine = engine
        self._private = Ed25519PrivateKey.from_private_bytes(keys.signing_seed())
        self._public = self._private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    @property
    def verifier_key(self) -> str:
        """The public key in C2SP form, to be kept by whoever wants to check without us."""
        return ledger.verifier_key(KEY_NAME, self._public)

    def append(
        self,
        connection: sa.Connection,
        kind: ledger.Kind,
        at: datetime,
        *,
        call: str | None = None,
        recording: str | None = None,
        party: int | None = None,
        data: Mapping[str, ledger.Datum | Sequence[ledger.Datum]] | None = None,
        commits: Mapping[str, str] | None = None,
    ) -> int:
        """Append one entry inside the caller's transaction; gives its position, from 0.

        The head row is locked first, so positions have neither gaps nor forks.
        """
        entry = ledger.entry(
            kind, at, call=call, recording=recording, party=party, data=data, commits=commits
        )
        head = connection.execute(sa.select(ledger_head).with_for_update()).one_or_none()
        frontier = merkle.Frontier() if head is None else merkle.Frontier.from_list(head.frontier)
        leaf = merkle.leaf_hash(entry)
        grown = frontier.append(leaf)
        connection.execute(
            ledger_entries.insert().values(
                position=frontier.size, call=call, leaf=leaf, entry=entry.decode()
            )
        )
        values = {"size": grown.size, "frontier": grown.to_list()}
        if head is None:
            connection.execute(ledger_head.insert().values(id=1, **values))
        else:
            connection.execute(ledger_head.update().values(**values))
        return frontier.size

    def checkpoint(self, at: datetime) -> str:
        """Sign the present head as a checkpoint note; the same head is signed only once."""
        with transaction(self._engine) as connection:
            return self.sign_head(connection, at)

    def sign_head(self, connection: sa.Connection, at: datetime) -> str:
        """As `checkpoint`, inside the caller's transaction."""
        head = connection.execute(sa.select(ledger_head).with_for_update()).one_or_none()
        frontier = merkle.Frontier() if head is None else merkle.Frontier.from_list(head.frontier)
        known = connection.execute(
            sa.select(checkpoints.c.note).where(checkpoints.c.size == frontier.size)
        ).scalar_one_or_none()
        if known is not None:
            return str(known)
        note = ledger.sign_note(
            ledger.Checkpoint(KEY_NAME, frontier.size, frontier.root),
            KEY_NAME,
            self._public,
            self._private.sign,
        )
        connection.execute(checkpoints.insert().values(size=frontier.size, at=at, note=note))
        return note

    def verify(self, pinned: Sequence[str] = ()) -> Verified:
        """Hash every entry again and check every checkpoint against what was hashed.

        `pinned` are checkpoints (notes) that were kept elsewhere. Raises Unverified naming what
        does not hold, and where; InvalidInput for a pinned text that is no checkpoint.
        """
        with reading(self._engine) as connection:
            rows = connection.execute(
                sa.select(ledger_entries).order_by(ledger_entries.c.position)
            ).all()
            notes = connection.execute(sa.select(checkpoints).order_by(checkpoints.c.size)).all()
            head = connection.execute(sa.select(ledger_head)).one_or_none()
        written = ledgercheck.Written(
            entries=[(row.position, row.entry, bytes(row.leaf)) for row in rows],
            notes=[(row.size, row.note) for row in notes],
            head=None if head is None else (head.size, head.frontier),
        )
        root = ledgercheck.check(written, KEY_NAME, self._public, pinned)
        return Verified(len(rows), root.hex(), len(notes), len(pinned))

    def consistency(self, older: int, newer: int) -> dict[str, Any]:
        """A proof that the ledger of one size continues that of a smaller one, as JSON.

        Raises InvalidInput for sizes that are not in order, NotFound for more than there is.
        """
        leaves = self._leaves()
        if newer > len(leaves):
            raise NotFound(f"no ledger of {newer} entries; it has {len(leaves)}")
        if not 0 < older <= newer:
            raise InvalidInput(
                f"found sizes {older} and {newer}; expected two from 1, the smaller one first"
            )
        tree = merkle.Tree(leaves)
        return {
            "from": older,
            "to": newer,
            "from_root": tree.root(older).hex(),
            "to_root": tree.root(newer).hex(),
            "proof": [node.hex() for node in tree.consistency(older, newer)],
        }

    def entries(self, call: str | None = None) -> list[tuple[int, dict[str, object]]]:
        """Entries with their positions, of one call or all."""
        query = sa.select(ledger_entries).order_by(ledger_entries.c.position)
        if call is not None:
            query = query.where(ledger_entries.c.call == call)
        with reading(self._engine) as connection:
            return [(row.position, json.loads(row.entry)) for row in connection.execute(query)]

    def entry(self, position: int) -> dict[str, object]:
        """One entry by its position, from 0. Raises NotFound."""
        query = sa.select(ledger_entries.c.entry).where(ledger_entries.c.position == position)
        with reading(self._engine) as connection:
            found = connection.execute(query).scalar()
        if found is None:
            raise NotFound(f"no ledger entry {position}")
        entry: dict[str, object] = json.loads(found)
        return entry

    def prove(self, position: int, at: datetime) -> dict[str, Any]:
        """An inclusion proof of one entry against a fresh checkpoint, as JSON."""
        note = self.checkpoint(at)
        size = ledger.parse_note(note)[0].size
        leaves = self._leaves()[:size]
        if not 0 <= position < size:
            raise NotFound(f"no ledger entry {position}; the ledger has {size} entries")
        return {
            "position": position,
            "size": size,
            "proof": [node.hex() for node in merkle.inclusion_proof(leaves, position, size)],
            "checkpoint": note,
        }

    def bundle(self, call: str, at: datetime, extra: Mapping[str, bytes] | None = None) -> bytes:
        """The evidence bundle of one call: entries, proofs, checkpoints, stamps, key, verifier."""
        self.checkpoint(at)
        with reading(self._engine) as connection:
            rows = connection.execute(
                sa.select(ledger_entries)
                .where(ledger_entries.c.call == call)
                .order_by(ledger_entries.c.position)
            ).all()
            notes = [
                row.note
                for row in connection.execute(sa.select(checkpoints).order_by(checkpoints.c.size))
            ]
            stamped = stamps(connection)
        if not rows:
            raise NotFound(f"the ledger has no entries of the call {call}")
        return ledger.bundle(
            {row.position: row.entry.encode() for row in rows},
            self._leaves(),
            notes,
            self.verifier_key,
            files("askfirst").joinpath("verify.py").read_text(encoding="utf-8"),
            extra={**stamped, **(extra or {})},
        )

    def _leaves(self) -> list[bytes]:
        query = sa.select(ledger_entries.c.leaf).order_by(ledger_entries.c.position)
        with reading(self._engine) as connection:
            return [bytes(leaf) for leaf in connection.execute(query).scalars()]
