"""What an import says: a line for each recording, a sum, JSON and CSV. No numbers, no words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from askfirst.auditing import Findings, missing
from askfirst.server.csvlines import written
from askfirst.server.importbars import SAID
from askfirst.server.importing import METADATA_DAYS, Line

COLUMNS = (
    "recording", "call", "date", "outcome", "law", "asked", "governing", "read", "basis", "notice",
    "not_heard", "answer", "objection_at_ms", "kept_as", "deletion", "error", "refused",
)  # fmt: skip


def progress(line: Line) -> str:
    """One recording in a line."""
    said = line.error or (f"the law asked: {line.asked}" if line.asked else "")
    if line.refused is not None:
        said = SAID[line.refused]
    gone = f"; at the source: {line.deletion}" if line.deletion else ""
    return f"{line.ref or '–'}  {line.outcome}  {said}{gone}"


def summary(lines: Sequence[Line], source: str) -> str:
    """How many there are of each outcome, and what stays at the source."""
    counts = Counter(each.outcome for each in lines)
    told = ", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items()))
    asked = Counter(each.asked for each in lines if each.asked)
    law = ", ".join(f"{word} {count}" for word, count in sorted(asked.items()))
    parts = [f"{len(lines)} recordings: {told or 'none'}.", f"The law asked: {law or 'nothing'}."]
    refused = Counter(each.refused.value for each in lines if each.refused is not None)
    if refused:
        why = ", ".join(f"{word} {count}" for word, count in sorted(refused.items()))
        parts.append(f"Refused, and still at the source: {why}.")
    deleted = sum(each.deletion == "deleted" for each in lines)
    if deleted:
        parts.append(f"Deleted at the source: {deleted}.{_stays(source)}")
    return " ".join(parts)


def to_json(lines: Sequence[Line], source: str) -> dict[str, object]:
    """The document of an import."""
    return {
        "source": source,
        "metadata_days_at_source": METADATA_DAYS if source == "twilio" else None,
        "recordings": [dict(zip(COLUMNS, _row(each), strict=True)) for each in lines],
    }


def csv_lines(lines: Sequence[Line]) -> Iterator[str]:
    """The report as CSV with `COLUMNS`."""
    yield from written([COLUMNS, *(_row(each) for each in lines)])


def _row(line: Line) -> list[str]:
    audited = None if line.brought is None else line.brought.audited
    found: Findings | None = None if audited is None else audited.findings
    objection = None if found is None else found.objection_at_ms
    return [
        line.ref,
        line.call_ref or "",
        line.at.date().isoformat(),
        line.outcome,
        "" if line.decision is None else line.decision.mode.word,
        line.asked,
        "" if line.decision is None else " ".join(line.decision.governing),
        "" if audited is None else " ".join(audited.read),
        "" if audited is None else audited.basis or "",
        "" if found is None else found.check.verdict.value,
        "" if found is None else " ".join(missing(found)),
        "" if found is None else found.answer,
        "" if objection is None else str(objection),
        line.recording or "",
        line.deletion,
        line.error or ("" if audited is None else audited.error or ""),
        "" if line.refused is None else line.refused.value,
    ]


def _stays(source: str) -> str:
    if source != "twilio":
        return ""
    return f" What Twilio tells of them, without sound, stays there for {METADATA_DAYS} days."
