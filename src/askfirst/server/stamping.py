"""Time stamps of an authority over checkpoints (RFC 3161), asked for and verified.

The stamped message is the checkpoint note, byte for byte, so that anybody can check it with
``openssl ts -verify``. What does not verify against the given certificates is not kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx2
from cryptography import x509
from rfc3161_client import (
    HashAlgorithm,
    TimestampRequestBuilder,
    TimeStampResponse,
    VerificationError,
    VerifierBuilder,
    decode_timestamp_response,
)

from askfirst.errors import Misconfigured, Refused, Unavailable, Unverified
from askfirst.server.stamporder import in_order

TIMEOUT_S = 20.0
MOST_BYTES = 65_536
"""Of an answer; real ones have some thousands."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """An authority's answer as it came, and the time that it states."""

    at: datetime
    answer: bytes


def stamp(note: str, url: str, certificates: Path) -> Stamp:
    """Have a note stamped by the authority at an address.

    Raises Unavailable where it does not answer, Refused where it answers without a stamp,
    Unverified for a stamp of another message, request or chain, Misconfigured for certificates
    that cannot be read.
    """
    trusted = read_certificates(certificates)
    message = note.encode()
    asked = (
        TimestampRequestBuilder()
        .data(message)
        .hash_algorithm(HashAlgorithm.SHA256)
        .nonce(nonce=True)
        .cert_request(cert_request=True)
        .build()
    )
    answer = _post(url, asked.as_bytes())
    return Stamp(verified(answer, message, trusted, asked.nonce), answer)


def verified(
    answer: bytes,
    message: bytes,
    trusted: tuple[x509.Certificate, ...],
    nonce: int | None = None,
) -> datetime:
    """The time of a stamp that was shown to be the authority's, over exactly this message.

    `trusted` are roots and, not self-signed, what stands between. Raises Unverified.
    """
    response = _decoded(answer)
    builder = VerifierBuilder(
        nonce=nonce,
        roots=[each for each in trusted if each.subject == each.issuer],
        intermediates=[each for each in trusted if each.subject != each.issuer],
    )
    try:
        builder.build().verify_message(response, message)
    except (VerificationError, ValueError) as error:
        raise Unverified(
            f"a time stamp does not hold ({error}); compare the authority's certificates"
        ) from error
    return response.tst_info.gen_time.astimezone(UTC)


def read_certificates(path: Path) -> tuple[x509.Certificate, ...]:
    """The certificates of a PEM file, one of them a root. Raises Misconfigured."""
    try:
        found = tuple(x509.load_pem_x509_certificates(path.read_bytes()))
    except (OSError, ValueError) as error:
        raise Misconfigured(
            f"the certificates {path} of the time-stamping authority cannot be read ({error}); "
            "give a PEM file with its root"
        ) from error
    if not any(each.subject == each.issuer for each in found):
        raise Misconfigured(f"the certificates {path} hold no root; add the self-signed one")
    return found


def _post(url: str, body: bytes) -> bytes:
    kind = {"content-type": "application/timestamp-query"}
    try:
        with (
            httpx2.Client(timeout=TIMEOUT_S, follow_redirects=False) as client,
            client.stream("POST", url, content=body, headers=kind) as answer,
        ):
            if answer.status_code != httpx2.codes.OK:
                raise Refused(f"the time-stamping authority answered {answer.status_code}")
            found = b""
            for part in answer.iter_bytes():
                found += part
                if len(found) > MOST_BYTES:
                    raise Unverified("the time-stamping authority answered too much for a stamp")
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise Unavailable(
            f"the time-stamping authority does not answer ({type(error).__name__})"
        ) from error
    return found


def _decoded(answer: bytes) -> TimeStampResponse:
    try:
        response = decode_timestamp_response(in_order(answer))
        # Reading a part that is not there fails only here.
        status, _ = response.status, response.tst_info if response.status == 0 else None
    except ValueError as error:
        raise Unverified("what the authority answered is no time stamp (RFC 3161)") from error
    if status != 0:
        raise Refused(f"the time-stamping authority gave no stamp (status {status})")
    return response
