"""What pages say of standing consents: how they stand, why they ended, uses, kinds of document."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from askfirst.ledger import Kind
from askfirst.model import Use
from askfirst.server.standingconsents import Standing, Why
from askfirst.server.standingdocument import DocumentForm
from askfirst.web import words

STANDINGS: Mapping[str, str] = {
    Standing.COMING: words.mark("Holds later"),
    Standing.HOLDS: words.mark("In force"),
    Standing.EXPIRED: words.mark("Expired"),
    Standing.WITHDRAWN: words.mark("Withdrawn"),
}
WHYS: Mapping[str, str] = {
    Why.ASKED: words.mark("they asked for it"),
    Why.REPLACED: words.mark("another one takes its place"),
    Why.MISTAKE: words.mark("it was filed by mistake"),
    Why.OBJECTED: words.mark("they are never to be recorded"),
    Why.SAID_NO: words.mark("they said no in a call"),
}
USES: Mapping[str, str] = {
    Use.RECORD: words.mark("recording"),
    Use.TRANSCRIBE: words.mark("writing down what is said"),
    Use.ANALYSE: words.mark("analysis"),
    Use.LISTEN: words.mark("others listening in"),
    Use.SHARE: words.mark("handing it on"),
}
FORMS: Mapping[str, str] = {
    DocumentForm.PDF: words.mark("PDF"),
    DocumentForm.PNG: words.mark("picture (PNG)"),
    DocumentForm.JPEG: words.mark("picture (JPEG)"),
    DocumentForm.TEXT: words.mark("text"),
    DocumentForm.FILED: words.mark("a note of where it is filed"),
}


def on_file(entries: Iterable[Mapping[str, Any]]) -> list[tuple[str, str, str]]:
    """Id, first and last day of each standing consent that a call's entries name, once each."""
    given = (each["data"] for each in entries if each["kind"] == Kind.CONSENT_GIVEN)
    found = [
        (str(data["standing"]), str(data["given_on"]), str(data["ends_on"]))
        for data in given
        if "standing" in data
    ]
    return list(dict.fromkeys(found))
