"""The tree against published values and against its definition, written down naively."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from askfirst.errors import InvalidInput, Unverified
from askfirst.merkle import (
    EMPTY_ROOT,
    Frontier,
    Tree,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    root,
    verify_consistency,
    verify_inclusion,
)

VECTORS: dict[str, Any] = json.loads(
    (Path(__file__).parent / "vectors" / "merkle.json").read_text(encoding="utf-8")
)
LEAVES = [leaf_hash(bytes.fromhex(item)) for item in VECTORS["leaves"]]
ROOTS = [bytes.fromhex(item) for item in VECTORS["roots"]]
SIZES = range(1, 41)
MANY = [leaf_hash(f"entry {number}".encode()) for number in range(max(SIZES))]


def hashes(items: list[str]) -> list[bytes]:
    return [bytes.fromhex(item) for item in items]


def naive_root(leaves: list[bytes]) -> bytes:
    """RFC 6962 §2.1, word for word."""
    if not leaves:
        return EMPTY_ROOT
    if len(leaves) == 1:
        return leaves[0]
    k = naive_split(len(leaves))
    return node_hash(naive_root(leaves[:k]), naive_root(leaves[k:]))


def naive_split(n: int) -> int:
    return max(1 << power for power in range(64) if 1 << power < n)


def naive_path(index: int, leaves: list[bytes]) -> list[bytes]:
    """RFC 6962 §2.1.1, word for word."""
    if len(leaves) == 1:
        return []
    k = naive_split(len(leaves))
    if index < k:
        return [*naive_path(index, leaves[:k]), naive_root(leaves[k:])]
    return [*naive_path(index - k, leaves[k:]), naive_root(leaves[:k])]


def naive_subproof(old: int, leaves: list[bytes], whole: bool) -> list[bytes]:
    """RFC 6962 §2.1.2, word for word."""
    if old == len(leaves):
        return [] if whole else [naive_root(leaves)]
    k = naive_split(len(leaves))
    if old <= k:
        return [*naive_subproof(old, leaves[:k], whole), naive_root(leaves[k:])]
    return [*naive_subproof(old - k, leaves[k:], False), naive_root(leaves[:k])]


def flipped(value: bytes, bit: int) -> bytes:
    changed = bytearray(value)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def test_leaf_and_node_hashes_are_the_published_ones() -> None:
    for content, expected in VECTORS["leaf_hashes_of"].items():
        assert leaf_hash(bytes.fromhex(content)).hex() == expected
    node = VECTORS["node"]
    assert node_hash(*hashes([node["left"], node["right"]])).hex() == node["hash"]


def test_roots_are_the_published_ones() -> None:
    assert [root(LEAVES[:size]) for size in range(9)] == ROOTS


@pytest.mark.parametrize("case", VECTORS["inclusion"], ids=str)
def test_audit_paths_are_the_published_ones(case: dict[str, Any]) -> None:
    proof = hashes(case["proof"])
    assert inclusion_proof(LEAVES, case["index"], case["size"]) == proof
    verify_inclusion(LEAVES[case["index"]], case["index"], case["size"], proof, ROOTS[case["size"]])


@pytest.mark.parametrize("case", VECTORS["consistency"], ids=str)
def test_consistency_proofs_are_the_published_ones(case: dict[str, Any]) -> None:
    old, new, proof = case["old"], case["new"], hashes(case["proof"])
    assert consistency_proof(LEAVES, old, new) == proof
    verify_consistency(old, new, proof, ROOTS[old], ROOTS[new])


@pytest.mark.parametrize("size", SIZES)
def test_roots_and_audit_paths_follow_the_definition(size: int) -> None:
    tree = Tree(MANY)
    expected = naive_root(MANY[:size])
    assert tree.root(size) == expected
    for index in range(size):
        proof = naive_path(index, MANY[:size])
        assert tree.inclusion(index, size) == proof
        verify_inclusion(MANY[index], index, size, proof, expected)


@pytest.mark.parametrize("new", SIZES)
def test_consistency_proofs_follow_the_definition(new: int) -> None:
    tree = Tree(MANY)
    for old in range(1, new + 1):
        proof = naive_subproof(old, MANY[:new], True)
        assert tree.consistency(old, new) == proof
        verify_consistency(old, new, proof, tree.root(old), tree.root(new))


def test_a_frontier_has_the_root_of_the_tree_at_every_size() -> None:
    frontier = Frontier()
    assert frontier.root == EMPTY_ROOT
    for size, leaf in enumerate(MANY, 1):
        frontier = Frontier.from_list(json.loads(json.dumps(frontier.append(leaf).to_list())))
        assert (frontier.size, frontier.root) == (size, naive_root(MANY[:size]))


@given(st.data())
def test_a_changed_inclusion_is_refused(data: st.DataObject) -> None:
    size = data.draw(st.integers(2, 40))
    index = data.draw(st.integers(0, size - 1))
    proof = naive_path(index, MANY[:size])
    bit = data.draw(st.integers(0, 255))
    place = data.draw(st.integers(0, len(proof) - 1))
    changed = [*proof[:place], flipped(proof[place], bit), *proof[place + 1 :]]
    top = naive_root(MANY[:size])
    other = data.draw(st.integers(0, size - 1).filter(lambda other: other != index))
    for attempt in (
        (flipped(MANY[index], bit), index, size, proof, top),
        (MANY[index], other, size, proof, top),
        (MANY[index], index, size, changed, top),
        (MANY[index], index, size, proof[:-1], top),
        (MANY[index], index, size, [*proof, MANY[0]], top),
        (MANY[index], index, size, proof, flipped(top, bit)),
        (MANY[index], size, size, proof, top),
        (MANY[index], -1, size, proof, top),
    ):
        with pytest.raises(Unverified, match="inclusion of entry"):
            verify_inclusion(*attempt)


@given(st.data())
def test_a_changed_consistency_is_refused(data: st.DataObject) -> None:
    new = data.draw(st.integers(2, 40))
    old = data.draw(st.integers(1, new - 1))
    proof = naive_subproof(old, MANY[:new], True)
    bit = data.draw(st.integers(0, 255))
    place = data.draw(st.integers(0, len(proof) - 1))
    changed = [*proof[:place], flipped(proof[place], bit), *proof[place + 1 :]]
    before, after = naive_root(MANY[:old]), naive_root(MANY[:new])
    for attempt in (
        (old, new, changed, before, after),
        (old, new, proof[:-1], before, after),
        (old, new, [*proof, MANY[0]], before, after),
        (old, new, proof, flipped(before, bit), after),
        (old, new, proof, before, flipped(after, bit)),
        (old, new, proof, after, before),
        (new, old, proof, before, after),
        (0, new, [], EMPTY_ROOT, after),
        (new, new, proof, after, after),
    ):
        with pytest.raises(Unverified, match="consistency of"):
            verify_consistency(*attempt)


def test_an_empty_proof_shows_no_consistency_of_different_sizes() -> None:
    for old in range(1, 8):
        with pytest.raises(Unverified, match=f"consistency of {old} with 8"):
            verify_consistency(old, 8, [], ROOTS[old], ROOTS[8])


def test_a_proof_that_goes_on_above_the_root_is_refused() -> None:
    above = node_hash(ROOTS[2], LEAVES[2])
    with pytest.raises(Unverified, match="longer than"):
        verify_inclusion(LEAVES[0], 0, 2, [LEAVES[1], LEAVES[2]], above)
    with pytest.raises(Unverified, match="longer than"):
        verify_consistency(1, 2, [LEAVES[1], LEAVES[2]], ROOTS[1], above)


def test_equal_trees_are_consistent_only_with_equal_roots() -> None:
    verify_consistency(0, 0, [], EMPTY_ROOT, EMPTY_ROOT)
    verify_consistency(3, 3, [], ROOTS[3], ROOTS[3])
    for size, before, after in ((3, ROOTS[3], ROOTS[4]), (0, ROOTS[1], ROOTS[1])):
        with pytest.raises(Unverified, match="expected"):
            verify_consistency(size, size, [], before, after)


def test_a_refusal_says_what_was_expected_and_what_was_found() -> None:
    with pytest.raises(Unverified) as caught:
        verify_inclusion(LEAVES[0], 0, 1, [], ROOTS[2])
    assert ROOTS[2].hex() in str(caught.value)
    assert LEAVES[0].hex() in str(caught.value)


def test_a_proof_with_a_short_hash_is_refused() -> None:
    with pytest.raises(Unverified, match="31 bytes"):
        verify_inclusion(LEAVES[0], 0, 2, [LEAVES[1][:31]], ROOTS[2])
    with pytest.raises(Unverified, match="31 bytes"):
        verify_consistency(1, 2, [LEAVES[1][:31]], ROOTS[1], ROOTS[2])


@pytest.mark.parametrize(
    "ask",
    [
        lambda: Tree(LEAVES).root(9),
        lambda: Tree(LEAVES).root(-1),
        lambda: Tree(LEAVES).inclusion(8),
        lambda: Tree(LEAVES).inclusion(-1),
        lambda: Tree(LEAVES).inclusion(3, 3),
        lambda: Tree(LEAVES).inclusion(3, 9),
        lambda: Tree(LEAVES).consistency(0),
        lambda: Tree(LEAVES).consistency(5, 4),
        lambda: Tree(LEAVES).consistency(5, 9),
        lambda: Tree([b"short"]),
        lambda: Frontier().append(b"short"),
        lambda: Frontier(1, ()),
        lambda: Frontier(-1, ()),
        lambda: Frontier.from_list([]),
        lambda: Frontier.from_list([True, "00" * 32]),
        lambda: Frontier.from_list([1, "00" * 31]),
        lambda: Frontier.from_list([1, "GG" * 32]),
        lambda: Frontier.from_list([1, 7]),
    ],
)
def test_what_the_tree_does_not_have_is_refused(ask: Callable[[], object]) -> None:
    with pytest.raises(InvalidInput):
        ask()
