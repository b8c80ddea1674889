"""Messages between the process that carries calls and the one that speaks SIP."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from askfirst.errors import PeerError
from askfirst.model import FRAME_BYTES
from askfirst.telephony.sipwire import LARGEST, Message, Sound, pack, read

SOUNDS = st.builds(
    Sound,
    st.integers(0, 2**32 - 1),
    st.integers(-(2**63), 2**63 - 1),
    st.binary(min_size=FRAME_BYTES, max_size=FRAME_BYTES),
)
SOUND_LISTS = st.lists(SOUNDS, min_size=1, max_size=4)
OBJECTS = st.dictionaries(st.text(max_size=9), st.integers() | st.text(max_size=20) | st.booleans())


def read_all(content: bytes) -> list[Message]:
    async def main() -> list[Message]:
        reader = asyncio.StreamReader()
        reader.feed_data(content)
        reader.feed_eof()
        found = []
        while (message := await read(reader)) is not None:
            found.append(message)
        return found

    return asyncio.run(main())


@given(st.lists(SOUND_LISTS | OBJECTS, max_size=5))
def test_what_is_packed_is_read_in_order(messages: list[Message]) -> None:
    assert read_all(b"".join(pack(each) for each in messages)) == messages


@given(st.lists(SOUND_LISTS | OBJECTS, min_size=1, max_size=3), st.data())
def test_a_pipe_that_breaks_in_a_message_ends_before_it(
    messages: list[Message], data: st.DataObject
) -> None:
    whole = b"".join(pack(each) for each in messages)
    cut = data.draw(st.integers(1, len(pack(messages[-1]))))
    assert read_all(whole[:-cut]) == messages[:-1]


@given(st.binary(max_size=200))
def test_bytes_that_are_no_message_raise_one_error_and_nothing_else(content: bytes) -> None:
    try:
        read_all(content)
    except PeerError:
        return


@pytest.mark.parametrize(
    "content",
    [
        b"\1" + (LARGEST + 1).to_bytes(4, "big"),
        b"\1\0\0\0\2[]",
        b"\1\0\0\0\1{",
        b"\2\0\0\0\1x",
        b"\2\0\0\0\0",
        b"\7\0\0\0\0",
    ],
)
def test_what_is_too_long_or_of_no_kind_is_refused(content: bytes) -> None:
    with pytest.raises(PeerError):
        read_all(content)
