"""Checking a whole ledger, and saying precisely what is wrong where."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from askfirst import ledger, merkle
from askfirst.errors import InvalidInput, Unverified

_Roots = Mapping[int, bytes]


@dataclass(frozen=True, slots=True)
class Written:
    """A ledger as it stands in the database, in order.

    `entries` are position, text and leaf hash; `notes` size and checkpoint; `head` the size and
    the frontier that the next entry builds on, None before the first.
    """

    entries: Sequence[tuple[int, str, bytes]]
    notes: Sequence[tuple[int, str]]
    head: tuple[int, Sequence[object]] | None


def check(written: Written, name: str, public_key: bytes, pinned: Sequence[str] = ()) -> bytes:
    """The root of a ledger whose every entry, checkpoint and head hold, and every pinned note.

    `name` and `public_key` are the ledger's own. Raises Unverified naming what does not hold,
    and where; InvalidInput for a pinned text that is no checkpoint.
    """
    frontier = merkle.Frontier()
    roots = {0: frontier.root}
    for leaf in _leaves(written.entries):
        frontier = frontier.append(leaf)
        roots[frontier.size] = frontier.root
    good = 0
    for size, note in written.notes:
        _check_note(size, note, name, public_key, roots, good)
        good = size
    _check_head(written.head, frontier, good)
    for note in pinned:
        _check_pinned(note, name, public_key, roots)
    return frontier.root


def _leaves(entries: Sequence[tuple[int, str, bytes]]) -> Iterator[bytes]:
    known: dict[bytes, int] | None = None
    for expected, (position, text, kept) in enumerate(entries):
        if position != expected:
            raise Unverified(
                f"found ledger entry {position}, expected {expected}: "
                "an entry is missing. Compare with a checkpoint kept elsewhere"
            )
        leaf = merkle.leaf_hash(text.encode())
        if leaf != kept:
            known = known or {bytes(each): where for where, _, each in entries}
            other = known.get(leaf)
            if other is None:
                raise Unverified(f"ledger entry {position} was changed after it was written")
            raise Unverified(
                f"ledger entry {position} was changed after it was written: it has the text of "
                f"entry {other}"
            )
        yield leaf


def _check_note(
    size: int, note: str, name: str, public_key: bytes, roots: _Roots, good: int
) -> None:
    """One of the ledger's own checkpoints; up to size `good` everything holds."""
    try:
        point = _opened(note, name, public_key)
    except (InvalidInput, Unverified) as error:
        raise Unverified(f"the checkpoint at size {size} does not hold: {error}") from error
    if point.size != size:
        raise Unverified(
            f"the checkpoint at size {size} does not fit the entries: it was signed for "
            f"{point.size}"
        )
    last = max(roots)
    if size > last:
        raise Unverified(
            f"the checkpoint at size {size} does not fit the entries: there are {last}, so "
            f"entries {last} to {size - 1} were removed"
        )
    if roots[size] != point.root:
        raise Unverified(
            f"the checkpoint at size {size} does not fit the entries: something in entries "
            f"{good} to {size - 1} was changed or exchanged after it was signed"
        )


def _check_head(
    head: tuple[int, Sequence[object]] | None, frontier: merkle.Frontier, good: int
) -> None:
    size, kept = (0, merkle.Frontier().to_list()) if head is None else head
    if size != frontier.size:
        raise Unverified(f"the ledger's head says size {size}, its entries give {frontier.size}")
    if list(kept) != frontier.to_list():
        raise Unverified(
            f"the ledger's head does not fit the entries: something in entries {good} to "
            f"{size - 1} was changed or exchanged, or the head was"
        )


def _check_pinned(note: str, name: str, public_key: bytes, roots: _Roots) -> None:
    """A checkpoint that was kept elsewhere."""
    point = ledger.parse_note(note)[0]
    try:
        _opened(note, name, public_key)
    except Unverified as error:
        raise Unverified(
            f"the checkpoint kept elsewhere, of size {point.size}, is not of this ledger: {error}"
        ) from error
    last = max(roots)
    if point.size > last:
        raise Unverified(
            f"the checkpoint kept elsewhere has {point.size} entries and the ledger {last}: "
            f"entries {last} to {point.size - 1} were removed, or an older copy was put back"
        )
    if roots[point.size] != point.root:
        raise Unverified(
            f"the checkpoint kept elsewhere, of size {point.size}, has another root than these "
            f"entries: the history before entry {point.size} was rewritten"
        )


def _opened(note: str, name: str, public_key: bytes) -> ledger.Checkpoint:
    def verify(signature: bytes, message: bytes) -> None:
        try:
            Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
        except InvalidSignature as error:
            raise Unverified("the signature under a checkpoint is not the ledger's") from error

    return ledger.verify_note(note, name, public_key, verify)
