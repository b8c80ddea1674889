"""The Merkle tree under the ledger: hashes, appending, proofs and their verification.

RFC 6962 §2.1 for the tree, RFC 9162 §2.1.3 and §2.1.4 for checking proofs. A leaf is always given
as its hash; what an entry says is the business of `ledger`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from askfirst.errors import InvalidInput, Unverified

HASH_BYTES = 32


def leaf_hash(entry: bytes) -> bytes:
    """The 32-byte leaf hash of an entry: SHA-256 over 0x00 and the bytes."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The 32-byte hash of an inner node: SHA-256 over 0x01, left and right."""
    return hashlib.sha256(b"\x01" + left + right).digest()


EMPTY_ROOT = hashlib.sha256(b"").digest()
"""Root of a tree without leaves."""


@dataclass(frozen=True, slots=True)
class Frontier:
    """All that is needed to append: the size and the roots of the full subtrees, largest first."""

    size: int = 0
    nodes: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        if self.size < 0 or len(self.nodes) != self.size.bit_count():
            raise InvalidInput(
                f"frontier of size {self.size} with {len(self.nodes)} nodes; "
                "expected one node for each set bit of the size"
            )
        check_hashes("frontier", self.nodes)

    def append(self, leaf: bytes) -> Frontier:
        """The frontier after one more leaf hash."""
        check_hashes("leaf", (leaf,))
        nodes = [*self.nodes, leaf]
        size = self.size
        while size & 1:
            right = nodes.pop()
            nodes.append(node_hash(nodes.pop(), right))
            size >>= 1
        return Frontier(self.size + 1, tuple(nodes))

    @property
    def root(self) -> bytes:
        """The root hash of the whole tree."""
        return _bag(self.nodes)

    def to_list(self) -> list[int | str]:
        """JSON form: the size, then the nodes in hexadecimal."""
        return [self.size, *(node.hex() for node in self.nodes)]

    @classmethod
    def from_list(cls, items: Sequence[object]) -> Frontier:
        """Read what `to_list` gave; raises InvalidInput for anything else."""
        size, *nodes = items or [None]
        if not isinstance(size, int) or isinstance(size, bool):
            raise InvalidInput("frontier: the first item must be the size; the row is damaged")
        return cls(size, tuple(unhex("frontier", node) for node in nodes))


class Tree:
    """Roots and proofs over a fixed list of leaf hashes; O(n) to build, O(log² n) a proof."""

    def __init__(self, leaves: Sequence[bytes]) -> None:
        check_hashes("leaf", leaves)
        self.size = len(leaves)
        # Level k holds the roots of all full subtrees of 2**k leaves, left to right.
        self._levels: list[list[bytes]] = [list(leaves)]
        while len(self._levels[-1]) > 1:
            below = self._levels[-1]
            pairs = zip(below[::2], below[1::2], strict=False)
            self._levels.append([node_hash(left, right) for left, right in pairs])

    def root(self, size: int | None = None) -> bytes:
        """Root of the first `size` leaves, of all of them when None."""
        size = self.size if size is None else size
        self._check(0 <= size <= self.size, f"a tree of size {size}")
        return self._range(0, size)

    def inclusion(self, index: int, size: int | None = None) -> list[bytes]:
        """Audit path of leaf `index` in the tree of the first `size` leaves (RFC 6962 §2.1.1)."""
        size = self.size if size is None else size
        self._check(0 <= index < size <= self.size, f"leaf {index} of size {size}")
        path = []
        start, end = 0, size
        while end - start > 1:
            middle = start + _split(end - start)
            if index < middle:
                path.append(self._range(middle, end))
                end = middle
            else:
                path.append(self._range(start, middle))
                start = middle
        return path[::-1]

    def consistency(self, old: int, new: int | None = None) -> list[bytes]:
        """Proof that the first `new` leaves begin with the first `old` (RFC 6962 §2.1.2)."""
        new = self.size if new is None else new
        self._check(0 < old <= new <= self.size, f"consistency of sizes {old} and {new}")
        path = []
        start, end = 0, new
        while old not in (start, end):
            middle = start + _split(end - start)
            if old <= middle:
                path.append(self._range(middle, end))
                end = middle
            else:
                path.append(self._range(start, middle))
                start = middle
        # The old root itself is known to the verifier and stays out of the proof.
        if start != 0:
            path.append(self._range(start, end))
        return path[::-1]

    def _check(self, good: bool, what: str) -> None:
        if not good:
            raise InvalidInput(f"{what} asked of a ledger with {self.size} entries")

    def _range(self, start: int, end: int) -> bytes:
        """Root of leaves start..end, where start is a multiple of a power of two ≥ end - start."""
        nodes = []
        for level in reversed(range((end - start).bit_length())):
            if (end - start) >> level & 1:
                nodes.append(self._levels[level][start >> level])
                start += 1 << level
        return _bag(nodes)


def root(leaves: Sequence[bytes]) -> bytes:
    """Root hash of a list of leaf hashes."""
    return Tree(leaves).root()


def inclusion_proof(leaves: Sequence[bytes], index: int, size: int) -> list[bytes]:
    """Audit path of one leaf in the tree of the first `size` leaf hashes."""
    return Tree(leaves).inclusion(index, size)


def consistency_proof(leaves: Sequence[bytes], old: int, new: int) -> list[bytes]:
    """Proof that the tree of `new` leaf hashes extends the tree of `old`."""
    return Tree(leaves).consistency(old, new)


def verify_inclusion(
    leaf: bytes, index: int, size: int, proof: Sequence[bytes], expected_root: bytes
) -> None:
    """Return only if `leaf` is leaf `index` of the tree with that root (RFC 9162 §2.1.3.2).

    Raises Unverified saying what was expected and what was found.
    """
    what = f"inclusion of entry {index} in {size}"
    if not 0 <= index < size:
        raise Unverified(f"{what}: expected an index below the size")
    _check_proof(what, (leaf, *proof))
    at, last, found = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            raise Unverified(f"{what}: the proof is longer than the tree is high")
        if at & 1 or at == last:
            found = node_hash(sibling, found)
            while at and not at & 1:
                at, last = at >> 1, last >> 1
        else:
            found = node_hash(found, sibling)
        at, last = at >> 1, last >> 1
    if last:
        raise Unverified(f"{what}: the proof is shorter than the tree is high")
    check_root(what, expected_root, found)


def verify_consistency(
    old: int, new: int, proof: Sequence[bytes], old_root: bytes, new_root: bytes
) -> None:
    """Return only if the new tree begins with the old one (RFC 9162 §2.1.4.2).

    Raises Unverified saying what was expected and what was found.
    """
    what = f"consistency of {old} with {new}"
    if not 0 <= old <= new or (old == 0 and new != 0):
        # Every tree begins with the empty one; accepting that would vouch for any new root.
        raise Unverified(f"{what}: expected sizes of at least 1, the newer not the smaller")
    _check_proof(what, proof)
    if old == new:
        if proof:
            raise Unverified(f"{what}: expected an empty proof, found {len(proof)} hashes")
        check_root(what, new_root, old_root)
        if old == 0:
            check_root(what, EMPTY_ROOT, old_root)
        return
    # The root of a full subtree is the old root itself, which the proof therefore leaves out.
    path = [old_root, *proof] if old & (old - 1) == 0 else list(proof)
    if not path:
        raise Unverified(f"{what}: expected hashes, found an empty proof")
    at, last = old - 1, new - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    found_old = found_new = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise Unverified(f"{what}: the proof is longer than the tree is high")
        if at & 1 or at == last:
            found_old = node_hash(sibling, found_old)
            found_new = node_hash(sibling, found_new)
            while at and not at & 1:
                at, last = at >> 1, last >> 1
        else:
            found_new = node_hash(found_new, sibling)
        at, last = at >> 1, last >> 1
    if last:
        raise Unverified(f"{what}: the proof is shorter than the tree is high")
    check_root(f"{what}, older root", old_root, found_old)
    check_root(f"{what}, newer root", new_root, found_new)


def _split(size: int) -> int:
    """Largest power of two smaller than size (size > 1)."""
    return 1 << (size - 1).bit_length() - 1


def _bag(nodes: Sequence[bytes]) -> bytes:
    """One root over the roots of full subtrees, given largest first."""
    if not nodes:
        return EMPTY_ROOT
    found = nodes[-1]
    for node in reversed(nodes[:-1]):
        found = node_hash(node, found)
    return found


def check_hashes(what: str, hashes: Iterable[bytes]) -> None:
    """Return only if every hash has 32 bytes; raises InvalidInput."""
    for item in hashes:
        if len(item) != HASH_BYTES:
            raise InvalidInput(f"{what}: a hash of {len(item)} bytes; expected {HASH_BYTES}")


def _check_proof(what: str, hashes: Iterable[bytes]) -> None:
    for item in hashes:
        if len(item) != HASH_BYTES:
            raise Unverified(f"{what}: a hash of {len(item)} bytes; expected {HASH_BYTES}")


def check_root(what: str, expected: bytes, found: bytes) -> None:
    """Return only if both are equal; raises Unverified with both."""
    if expected != found:
        raise Unverified(f"{what}: expected {expected.hex()}, found {found.hex()}")


def unhex(what: str, text: object) -> bytes:
    """A hash from its 64 lower-case hexadecimal digits; raises InvalidInput for anything else."""
    if not isinstance(text, str) or not re.fullmatch(r"[0-9a-f]{64}", text):
        raise InvalidInput(f"{what}: expected 64 hexadecimal digits; the row is damaged")
    return bytes.fromhex(text)
