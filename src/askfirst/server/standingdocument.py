"""The signed text of a standing consent: what kinds are taken, how it is kept and opened.

It names a person and bears their hand, so it is an encrypted object under a key that goes with the
consent, as everything that is written about people. So is the word of where a paper is filed.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from askfirst.errors import InvalidRequest
from askfirst.server.playback import Playback
from askfirst.server.sealing import write_note
from askfirst.server.store import Store

LARGEST = 10 * 1024 * 1024
"""Bytes of a document, at most."""

LONGEST_PLACE = 300
"""Characters that say where a paper is filed, at most."""


class DocumentForm(StrEnum):
    """What is kept of the signed text: a file, or the word of where the paper is."""

    PDF = "pdf"
    PNG = "png"
    JPEG = "jpeg"
    TEXT = "text"
    FILED = "filed"

    @property
    def ending(self) -> str:
        """How the name of a file of it ends."""
        return "txt" if self in (DocumentForm.TEXT, DocumentForm.FILED) else self.value

    @property
    def media_type(self) -> str:
        """The type under which a browser is given it."""
        return _MEDIA_TYPES[self]


_MEDIA_TYPES = {
    DocumentForm.PDF: "application/pdf",
    DocumentForm.PNG: "image/png",
    DocumentForm.JPEG: "image/jpeg",
    DocumentForm.TEXT: "text/plain; charset=utf-8",
    DocumentForm.FILED: "text/plain; charset=utf-8",
}
_BEGINNINGS = {
    b"%PDF-": DocumentForm.PDF,
    b"\x89PNG\r\n\x1a\n": DocumentForm.PNG,
    b"\xff\xd8\xff": DocumentForm.JPEG,
}


@dataclass(frozen=True, slots=True)
class Document:
    """A signed text, or where it is, as bytes of a kind that its beginning has shown."""

    form: DocumentForm
    content: bytes


def checked(content: bytes | None, filed_at: str) -> Document:
    """What was given, by its own bytes and not by its name: a file, or where the paper is.

    Raises InvalidRequest unless there is exactly one of both, for a file that is too large and
    for one that is neither PDF, PNG, JPEG nor plain UTF-8 text.
    """
    place = " ".join(filed_at.split())
    if bool(content) == bool(place):
        raise InvalidRequest(
            "document: expected the signed document or where it is filed, and not both",
            key="document",
        )
    if not content:
        if len(place) > LONGEST_PLACE:
            raise InvalidRequest(
                f"filed_at: found {len(place)} characters; expected at most {LONGEST_PLACE}",
                key="filed_at",
            )
        return Document(DocumentForm.FILED, place.encode())
    if len(content) > LARGEST:
        raise InvalidRequest(
            f"document: the file is larger than {LARGEST // 1024 // 1024} MB; scan it with fewer "
            "dots, or write where it is filed",
            key="document",
        )
    for beginning, form in _BEGINNINGS.items():
        if content.startswith(beginning):
            return Document(form, content)
    if not _is_text(content):
        raise InvalidRequest(
            "document: found a file of another kind; expected PDF, PNG, JPEG or plain text",
            key="document",
        )
    return Document(DocumentForm.TEXT, content)


def seal(store: Store, consent: str, document: Document) -> str:
    """Keep a checked document encrypted; gives the object's id.

    Raises Refused where the consent was erased meanwhile.
    """
    return write_note(store, consent, document.content)


def opened(store: Store, identity: str) -> bytes:
    """A document in clear, by the id of its object. Raises KeyUnreadable once it was erased."""
    return Playback(store).note(identity)


def destroy(store: Store, consent: str) -> None:
    """Destroy what is kept of a consent's document, keys first; also what a crash left.

    Nothing more is ever kept for that consent. Raises Unavailable where bytes are left.
    """
    store.keys.destroy_recording(consent)
    for name in store.blobs.names():
        if name.startswith(f"{consent}/"):
            store.blobs.delete(name)


def _is_text(content: bytes) -> bool:
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return all(letter.isprintable() or letter in "\t\r\n\ufeff" for letter in text)
