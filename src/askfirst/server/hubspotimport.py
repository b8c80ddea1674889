"""Brings recordings over whose calls HubSpot has exported: a table or JSON, and a folder of files.

A file is named by the id of its call, such as 1234567.mp3. HubSpot has the caller on channel 1 and
whom they called on channel 2, as we do. Nothing is asked of HubSpot, and nothing deleted there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from askfirst.auditing import Law
from askfirst.errors import AskfirstError, InvalidInput
from askfirst.server.auditrun import ENDINGS, Existing
from askfirst.server.csvlines import MOST_BYTES, Row, kept_text, read_sheet
from askfirst.server.importing import Importer, Line, Origin
from askfirst.server.importplan import planned
from askfirst.server.store import Store

SOURCE = "hubspot"

_NAMES: Mapping[str, str] = {
    "id": "hsobjectid recordid id callid",
    "at": "hstimestamp activitydate calldate date createdate",
    "direction": "hscalldirection calldirection direction",
    "sender": "hscallfromnumber fromnumber from",
    "to": "hscalltonumber tonumber to",
}
_COLUMNS = {name: column for column, names in _NAMES.items() for name in names.split()}
_NOT_LETTER = re.compile(r"[\W\d_]")
_ID = re.compile(r"[0-9]{1,20}")
_NUMBER = re.compile(r"\+?[0-9]{4,15}")
_MILLISECONDS = re.compile(r"[0-9]{12,14}")
_SPACES = re.compile(r"[\s().-]")


@dataclass(frozen=True, slots=True)
class HubSpotCall:
    """A call of the export; `contact` None where its number is not told: somebody, anywhere."""

    id: str
    at: datetime
    is_inbound: bool
    contact: str | None


@dataclass(frozen=True, slots=True)
class BadCall:
    """A row of the export that cannot be used; no content of it in `message`."""

    row: int
    message: str


def read_export(content: bytes) -> Iterator[HubSpotCall | BadCall]:
    """The calls of an export, in their order: CSV with a header, or the JSON of HubSpot's CRM API.

    The columns are hs_object_id, hs_timestamp, hs_call_direction, hs_call_from_number and
    hs_call_to_number, or as HubSpot's pages call them. A time without a zone is taken as UTC.
    Raises InvalidInput for what is neither, or has no ids.
    """
    if content.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"["):
        found = _of_json(content)
    else:
        found = _of_table(content)
    seen: set[str] = set()
    for number, each in enumerate(found, 1):
        read = each if isinstance(each, BadCall) else _call(number, each)
        if isinstance(read, HubSpotCall):
            if read.id in seen:
                read = BadCall(number, "its id stands in the export twice; keep one")
            else:
                seen.add(read.id)
        yield read


def run(
    content: bytes,
    folder: Path,
    agent: str,
    language: str,
    law: Law,
    store: Store,
    importer: Callable[[], Importer] | None,
    now: Callable[[], datetime],
) -> Iterator[Line]:
    """What became of the recording of each call of an export; None for `importer` is a dry run.

    `store` is asked who may not come, in a dry run too. A call without a file has no line. Raises
    InvalidInput as `read_export`.
    """
    made: Importer | None = None
    for each in read_export(content):
        if isinstance(each, BadCall):
            yield Line("", None, now(), "error", error=f"row {each.row}: {each.message}")
            continue
        path = _file(folder, each.id)
        if path is None:
            continue
        existing = Existing(
            each.id, path, (each.contact,), agent, each.at.date(), language, each.is_inbound
        )
        origin = _origin(each)
        line = planned(store, law, existing, origin, each.id, now())
        if importer is None or line.outcome != "planned":
            yield line
            continue
        made = made or importer()
        yield _brought(made, existing, origin, line, now())


def _origin(call: HubSpotCall) -> Origin:
    direction = "inbound" if call.is_inbound else "outbound"
    return Origin(SOURCE, call.id, f"{SOURCE}_{int(call.id):032x}", call.at, direction)


def _brought(
    importer: Importer, existing: Existing, origin: Origin, line: Line, at: datetime
) -> Line:
    try:
        brought = importer.bring(existing, origin, at)
    except AskfirstError as error:
        return replace(line, outcome="error", error=str(error))
    return replace(line, outcome=brought.state, brought=brought, recording=brought.recording)


def _file(folder: Path, call: str) -> Path | None:
    for ending in ENDINGS:
        path = folder / f"{call}{ending}"
        if path.is_file() and not path.is_symlink():
            return path
    return None


def _of_json(content: bytes) -> Iterator[Mapping[str, str] | BadCall]:
    if len(content) > MOST_BYTES:
        raise InvalidInput(f"an export of {len(content)} bytes; expected at most {MOST_BYTES}")
    try:
        told = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise InvalidInput("the export is no JSON; export the calls again, or as CSV") from error
    rows = told.get("results") if isinstance(told, dict) else told
    if not isinstance(rows, list):
        raise InvalidInput("the export has no list of results; expected that of HubSpot's CRM API")
    for number, row in enumerate(rows, 1):
        yield _flat(row) if isinstance(row, dict) else BadCall(number, "it is no call")


def _flat(row: Mapping[str, Any]) -> Mapping[str, str]:
    """The wanted values of an object of the CRM API, whose properties lie one level deeper."""
    properties = row.get("properties")
    found: dict[str, str] = {}
    for held in (properties if isinstance(properties, dict) else {}, row):
        for name, value in held.items():
            column = _COLUMNS.get(_NOT_LETTER.sub("", str(name).casefold()))
            is_plain = isinstance(value, str | int) and not isinstance(value, bool)
            if column is not None and is_plain and column not in found:
                found[column] = str(value)
    return found


def _of_table(content: bytes) -> Iterator[Mapping[str, str] | BadCall]:
    sheet = read_sheet(
        content,
        lambda name: _NOT_LETTER.sub("", name.casefold()) in _COLUMNS,
        lambda _name: True,
        example="Record ID,Activity date,Call direction,From number,To number",
    )
    columns = [_COLUMNS.get(_NOT_LETTER.sub("", name.casefold())) for name in sheet.header]
    if "id" not in columns:
        raise InvalidInput("the export has no column Record ID; export it with the calls")
    for number, row in enumerate(sheet.rows, 1):
        if not isinstance(row, Row):
            yield BadCall(number, f"the line cannot be read: {row.message}")
            continue
        found: dict[str, str] = {}
        for column, cell in zip(columns, row.cells, strict=False):
            if column is not None:
                found.setdefault(column, kept_text(cell).strip())
        yield found


def _call(number: int, told: Mapping[str, str]) -> HubSpotCall | BadCall:
    identity = told.get("id", "").strip()
    if not _ID.fullmatch(identity):
        return BadCall(number, "it has no id; expected the digits of HubSpot's record")
    at = _time(told.get("at", "").strip())
    if at is None:
        return BadCall(number, "its time cannot be read; expected one such as 2026-11-23 14:05")
    direction = told.get("direction", "").strip().casefold()
    if direction not in ("inbound", "outbound"):
        return BadCall(number, "its direction is not told; expected INBOUND or OUTBOUND")
    is_inbound = direction == "inbound"
    contact = _SPACES.sub("", told.get("sender" if is_inbound else "to", ""))
    return HubSpotCall(identity, at, is_inbound, contact if _NUMBER.fullmatch(contact) else None)


def _time(text: str) -> datetime | None:
    try:
        if _MILLISECONDS.fullmatch(text):
            return datetime.fromtimestamp(int(text) / 1000, UTC)
        found = datetime.fromisoformat(text)
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return None
