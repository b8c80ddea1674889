"""The certificates of a time stamp in the order that DER asks for (X.690, 11.6).

Authorities that use OpenSSL give them in another one, which our verifier does not read. Their order
means nothing, and no signature covers it: what is signed is the stamp and the signed attributes
(RFC 5652, 5.4). So a copy is put in order to be verified; the answer is kept as it came.
"""

from __future__ import annotations

from collections.abc import Iterator

_INTEGER, _OID, _SEQUENCE, _SET, _FIRST = 0x02, 0x06, 0x30, 0x31, 0xA0


def in_order(answer: bytes) -> bytes:
    """A whole answer (RFC 3161, 2.4.2) with its certificates in order; no other byte is touched.

    What cannot be read as one is given back as it is, for the verifier to refuse.
    """
    try:
        start, end = certificates(answer)
        ordered = b"".join(sorted(elements(answer[start:end])))
    except ValueError:
        return answer
    return answer[:start] + ordered + answer[end:]


def certificates(answer: bytes) -> tuple[int, int]:
    """From where to where the certificates stand in an answer. Raises ValueError where not."""
    whole = 0, len(answer)
    response = _inside(answer, whole, _SEQUENCE)
    _status, token = _first(answer, response, 2)
    content = _inside(answer, token, _SEQUENCE)
    kind, wrapped = _first(answer, content, 2)
    _inside(answer, kind, _OID)
    signed = _inside(answer, _inside(answer, wrapped, _FIRST), _SEQUENCE)
    version, digests, stamped, found = _first(answer, signed, 4)
    for part, tag in ((version, _INTEGER), (digests, _SET), (stamped, _SEQUENCE)):
        _inside(answer, part, tag)
    return _inside(answer, found, _FIRST)


def elements(raw: bytes) -> list[bytes]:
    """The elements that stand one behind the other. Raises ValueError where something is left."""
    return [raw[start:end] for start, end in _elements(raw, (0, len(raw)))]


def _first(raw: bytes, within: tuple[int, int], count: int) -> list[tuple[int, int]]:
    found = [place for place, _ in zip(_elements(raw, within), range(count), strict=False)]
    if len(found) < count:
        raise ValueError("parts are missing")
    return found


def _elements(raw: bytes, within: tuple[int, int]) -> Iterator[tuple[int, int]]:
    place, end = within
    while place < end:
        _, behind = _header(raw, place, end)
        yield place, behind
        place = behind


def _inside(raw: bytes, element: tuple[int, int], tag: int) -> tuple[int, int]:
    start, end = element
    content, behind = _header(raw, start, end)
    if raw[start] != tag or behind != end:
        raise ValueError("another element")
    return content, end


def _header(raw: bytes, start: int, end: int) -> tuple[int, int]:
    """Where the content of an element begins and ends; definite lengths of up to four bytes."""
    if end - start < 2:
        raise ValueError("cut short")
    length, content = raw[start + 1], start + 2
    if length & 0x80:
        size = length & 0x7F
        if not 1 <= size <= 4 or content + size > end:
            raise ValueError("no definite length")
        length, content = int.from_bytes(raw[content : content + size], "big"), content + size
    if content + length > end:
        raise ValueError("cut short")
    return content, content + length
