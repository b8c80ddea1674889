"""Stamps whose certificates are not in the order of DER: taken as they are, checked as strictly."""

from __future__ import annotations

import itertools
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st
from rfc3161_client import decode_timestamp_response
from tests.server import rig
from tests.server.authority import Listener, listening
from tests.server.chain import ChainedAuthority

from askfirst.errors import Refused, Unverified
from askfirst.ledger import Kind
from askfirst.server import dailycheckpoints, stamping, stamporder
from askfirst.server.checkpointsettings import CheckpointSettings
from askfirst.server.database import calls, transaction
from askfirst.server.store import Store
from askfirst.verify import VerificationError, verify

NOTE = "a note\n"
ECDSA_WITH_SHA256 = bytes.fromhex("2a8648ce3d040302")
CALL = "call_" + "3" * 32


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> ChainedAuthority:
    return ChainedAuthority(tmp_path_factory.mktemp("authority") / "chain")


@pytest.fixture
def at(authority: ChainedAuthority) -> Iterator[Listener]:
    with listening(lambda query: (200, authority.reply(query))) as listener:
        yield listener


@pytest.fixture(scope="module")
def answer(authority: ChainedAuthority) -> bytes:
    with listening(lambda query: (200, authority.reply(query))) as listener:
        return stamping.stamp(NOTE, listener.url, authority.root).answer


def embedded(answer: bytes) -> list[bytes]:
    """The certificates of an answer as they stand in it."""
    start, end = stamporder.certificates(answer)
    return stamporder.elements(answer[start:end])


def test_openssl_gives_the_certificates_in_an_order_that_the_library_refuses(
    answer: bytes,
) -> None:
    found = embedded(answer)

    assert len(found) == 3
    assert found != sorted(found)
    with pytest.raises(ValueError, match=r".*"):
        _ = decode_timestamp_response(answer).signed_data.certificates


def test_a_stamp_with_certificates_in_another_order_holds_and_is_kept_as_it_came(
    authority: ChainedAuthority, at: Listener, tmp_path: Path
) -> None:
    made = stamping.stamp(NOTE, at.url, authority.root)

    assert made.answer == (authority.folder / "reply.tsr").read_bytes()
    (tmp_path / "note.txt").write_text(NOTE, encoding="utf-8")
    (tmp_path / "stamp.tsr").write_bytes(made.answer)
    assert "OK" in authority.verify(tmp_path / "stamp.tsr", tmp_path / "note.txt")


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_every_order_of_the_certificates_is_the_same_stamp(
    authority: ChainedAuthority, answer: bytes, order: tuple[int, ...]
) -> None:
    trusted = stamping.read_certificates(authority.root)
    start, end = stamporder.certificates(answer)
    found = embedded(answer)

    other = answer[:start] + b"".join(found[each] for each in order) + answer[end:]

    expected = stamping.verified(answer, NOTE.encode(), trusted)
    assert stamping.verified(other, NOTE.encode(), trusted) == expected
    assert stamporder.in_order(other) == stamporder.in_order(answer)


def test_only_the_place_of_certificates_is_changed(answer: bytes) -> None:
    start, end = stamporder.certificates(answer)

    ordered = stamporder.in_order(answer)

    assert (ordered[:start], ordered[end:]) == (answer[:start], answer[end:])
    assert embedded(ordered) == sorted(embedded(answer))
    assert stamporder.in_order(ordered) == ordered


def test_a_stamp_over_something_else_is_refused(authority: ChainedAuthority, answer: bytes) -> None:
    trusted = stamping.read_certificates(authority.root)

    with pytest.raises(Unverified, match="Mismatch between messages"):
        stamping.verified(answer, b"b note\n", trusted)


def test_a_token_that_was_altered_is_refused_wherever_it_was(
    authority: ChainedAuthority, answer: bytes
) -> None:
    """Every byte but those of the certificates, which their own issuers signed."""
    trusted = stamping.read_certificates(authority.root)
    start, end = stamporder.certificates(answer)
    accepted = []
    for place in [*range(start), *range(end, len(answer))]:
        changed = answer[:place] + bytes([answer[place] ^ 1]) + answer[place + 1 :]
        try:
            stamping.verified(changed, NOTE.encode(), trusted)
        except (Unverified, Refused):
            continue
        accepted.append(place)

    # What nothing signs and OpenSSL does not read: the two versions of the syntax (RFC 5652, 5.1
    # and 5.3), and the name of the signature's algorithm, which follows from key and digest.
    name = answer.rindex(ECDSA_WITH_SHA256)
    versions = {answer.index(b"\x02\x01\x03\x31") + 2, answer.index(b"\x02\x01\x01\x30", end) + 2}
    assert set(accepted) <= versions | set(range(name, name + len(ECDSA_WITH_SHA256)))


def test_a_certificate_of_somebody_else_is_not_taken_for_the_authoritys(
    authority: ChainedAuthority, answer: bytes, tmp_path: Path
) -> None:
    stranger = ChainedAuthority(tmp_path / "stranger")

    with pytest.raises(Unverified):
        stamping.verified(answer, NOTE.encode(), stamping.read_certificates(stranger.root))


@pytest.mark.parametrize("days", [(-20, -10), (10, 20)])
def test_a_stamp_at_a_time_at_which_its_certificate_does_not_hold_is_refused(
    tmp_path: Path, days: tuple[int, int]
) -> None:
    expired = ChainedAuthority(tmp_path / "expired", days)

    with (
        listening(lambda query: (200, expired.reply(query))) as at,
        pytest.raises(Unverified, match="does not hold"),
    ):
        stamping.stamp(NOTE, at.url, expired.root)


def test_a_stamp_with_a_certificate_left_out_is_refused(
    authority: ChainedAuthority, answer: bytes
) -> None:
    trusted = stamping.read_certificates(authority.root)
    start, end = stamporder.certificates(answer)
    leaf = authority.leaf.public_bytes(Encoding.DER)
    found = [each if each != leaf else b"\x30" + each[1:] for each in embedded(answer)]
    damaged = [bytes([*each[:-1], each[-1] ^ 1]) if each == leaf else each for each in found]

    with pytest.raises(Unverified):
        stamping.verified(answer[:start] + b"".join(damaged) + answer[end:], NOTE.encode(), trusted)


@given(st.binary(max_size=200), st.integers(0, 200))
def test_what_is_no_stamp_is_left_as_it_is(rest: bytes, cut: int) -> None:
    for raw in (rest, b"\x30\x80" + rest, b"\x30\x82" + rest, rest[:cut]):
        assert sorted(stamporder.in_order(raw)) == sorted(raw)


@given(st.data())
def test_an_answer_cut_short_is_no_stamp(answer: bytes, data: st.DataObject) -> None:
    cut = answer[: data.draw(st.integers(0, len(answer) - 1))]

    assert stamporder.in_order(cut) == cut


def test_a_bundle_with_such_a_stamp_verifies_as_it_came(
    authority: ChainedAuthority, at: Listener, store: Store
) -> None:
    row = {"provider": "t", "direction": "outbound", "language": "en", "policy": {}, "proof": 0}
    with transaction(store.engine) as connection:
        connection.execute(calls.insert().values(id=CALL, created_at=rig.AT, **row))
        store.ledger.append(connection, Kind.CALL_STARTED, rig.AT, call=CALL)
    wanted = CheckpointSettings(stamp_url=at.url, stamp_certificates=authority.root)
    dailycheckpoints.run(store, wanted, rig.AT)
    came = (authority.folder / "reply.tsr").read_bytes()

    (stamp,) = verify(store.ledger.bundle(CALL, rig.AT)).stamps

    assert stamp.size == 1
    name = f"stamps/{1:016d}-2026-11-24.tsr"
    assert verify(store.ledger.bundle(CALL, rig.AT, {name: came})).stamps == (stamp,)
    imprint = came.index(bytes.fromhex("0420"))
    altered = came[: imprint + 2] + bytes([came[imprint + 2] ^ 1]) + came[imprint + 3 :]
    with pytest.raises(VerificationError, match="hash of the checkpoint"):
        verify(store.ledger.bundle(CALL, rig.AT, {name: altered}))


def test_openssl_refuses_what_we_refuse(
    authority: ChainedAuthority, answer: bytes, tmp_path: Path
) -> None:
    (tmp_path / "stamp.tsr").write_bytes(stamporder.in_order(answer))
    (tmp_path / "note.txt").write_text(NOTE, encoding="utf-8")
    (tmp_path / "other.txt").write_text("b note\n", encoding="utf-8")
    words = ["openssl", "ts", "-verify", "-in", str(tmp_path / "stamp.tsr")]
    said = [
        subprocess.run(  # noqa: S603 - our own words
            [*words, "-data", str(tmp_path / name), "-CAfile", str(authority.root)],
            capture_output=True,
            check=False,
        ).returncode
        for name in ("note.txt", "other.txt")
    ]

    assert said == [0, 1]
