"""Canonical JSON against RFC 8785's own examples, and what it refuses."""

from __future__ import annotations

import json
from enum import Enum, IntEnum, StrEnum
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from askfirst.canonical import MAX_INT, canonical
from askfirst.errors import InvalidInput

VECTORS: dict[str, Any] = json.loads(
    (Path(__file__).parent / "vectors" / "canonical.json").read_text(encoding="utf-8")
)

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-MAX_INT, MAX_INT) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)


def test_keys_are_in_the_published_order() -> None:
    value = json.loads(VECTORS["sorting"]["input"])
    found = json.loads(canonical(value))
    assert list(found.values()) == VECTORS["sorting"]["order_of_values"]


@pytest.mark.parametrize("name", ["string", "literals"])
def test_bytes_are_the_published_ones(name: str) -> None:
    assert canonical(json.loads(VECTORS[name]["input"])).hex() == VECTORS[name]["bytes"]


@given(JSON)
def test_what_is_written_reads_back_and_is_written_the_same_again(value: object) -> None:
    written = canonical(value)
    assert json.loads(written) == value
    assert canonical(json.loads(written)) == written


@given(st.dictionaries(TEXT, st.integers(0, 9), min_size=2))
def test_order_of_keys_in_the_input_does_not_matter(value: dict[str, int]) -> None:
    assert canonical(dict(reversed(value.items()))) == canonical(value)


def test_members_of_enumerations_are_written_as_their_values() -> None:
    class Word(StrEnum):
        A = "a"

    class Old(str, Enum):  # noqa: UP042 - the kind whose str() is its name
        B = "b"

    class Count(IntEnum):
        TWO = 2

    assert canonical([Word.A, Old.B, Count.TWO, True]) == b'["a","b",2,true]'


@pytest.mark.parametrize(
    "value",
    [
        1.0,
        float("nan"),
        MAX_INT + 1,
        -MAX_INT - 1,
        b"bytes",
        {1: "a key that is a number"},
        {"\ud800": 1},
        ["\udc00"],
        {"a": {"b": {1, 2}}},
        pytest.param(object(), id="object"),
    ],
    ids=repr,
)
def test_what_has_no_canonical_form_is_refused(value: object) -> None:
    with pytest.raises(InvalidInput, match="canonical JSON"):
        canonical(value)


def test_nesting_without_end_is_refused() -> None:
    value: list[object] = []
    value.append(value)
    with pytest.raises(InvalidInput, match="nesting"):
        canonical(value)


def test_the_largest_whole_numbers_are_taken() -> None:
    assert canonical([MAX_INT, -MAX_INT]) == b"[9007199254740992,-9007199254740992]"
