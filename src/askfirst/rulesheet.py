"""The rulebook as a table: one row for each jurisdiction, for spreadsheets and for programs.

A row shows what a call with everybody in that place gets under the default policy on the day of
the file's review, its parents included. It is an overview and no answer for a real call, whose
parties are in several places: that is `decide`.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields

from askfirst.decide import decide
from askfirst.model import Element, Form, Party, Place, Proof, Role
from askfirst.rules import Jurisdiction, Rulebook

_ORDER = {element: place for place, element in enumerate(Element)}
# A spreadsheet reads a cell that begins like this as a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class RulebookRow:
    """What a call inside one place gets; for a layer, what its own rules ask for.

    `form` is ``told``, ``agreed``, ``written`` or None for nothing; `proof` 0 to 6; `elements`
    words of the notice vocabulary; `reviewed` an ISO date; `spoken_answer` whether an answer may
    be listened for before consent; `sources` the titles that the file itself cites.
    """

    code: str
    name: str
    mode: str
    consent: str
    criminal: bool
    form: str | None
    proof: int
    elements: tuple[str, ...]
    inside_recording: bool
    spoken_answer: bool
    standing: str
    reviewed: str
    sources: tuple[str, ...]


COLUMNS = tuple(field.name for field in fields(RulebookRow))
"""Column names in their order."""


def rulebook_rows(rulebook: Rulebook) -> tuple[RulebookRow, ...]:
    """One row for each jurisdiction, ordered by code; names and sources in English."""
    return tuple(
        _row(rulebook.jurisdictions[code], rulebook) for code in sorted(rulebook.jurisdictions)
    )


def to_csv(rulebook: Rulebook) -> str:
    """The rows as CSV (RFC 4180: CRLF, quotes where needed), the first line names the columns.

    Lists are joined with `` | ``; truth is ``true`` or ``false``; nothing owed is empty. A cell
    that a spreadsheet would take for a formula begins with an apostrophe.
    """
    text = io.StringIO(newline="")
    sheet = csv.writer(text, lineterminator="\r\n")
    sheet.writerow(COLUMNS)
    for row in rulebook_rows(rulebook):
        sheet.writerow(_cell(value) for value in asdict(row).values())
    return text.getvalue()


def to_json(rulebook: Rulebook) -> dict[str, object]:
    """The rows as a JSON document with the version and fingerprint of the rulebook."""
    return {
        "rulebook": {"version": rulebook.version, "fingerprint": rulebook.fingerprint},
        "not_legal_advice": True,
        "jurisdictions": [
            {**asdict(row), "elements": list(row.elements), "sources": list(row.sources)}
            for row in rulebook_rows(rulebook)
        ],
    }


def to_json_text(rulebook: Rulebook) -> str:
    """`to_json` as text: UTF-8 characters as they are, two spaces, a line end."""
    return json.dumps(to_json(rulebook), ensure_ascii=False, indent=2) + "\n"


def _row(jurisdiction: Jurisdiction, rulebook: Rulebook) -> RulebookRow:
    form, proof, elements, inside, spoken = _owed(jurisdiction, rulebook)
    sources = dict.fromkeys(source.title for rule in jurisdiction.rules for source in rule.sources)
    return RulebookRow(
        code=jurisdiction.code,
        name=jurisdiction.name["en"],
        mode=jurisdiction.treatment.word,
        consent=jurisdiction.consent,
        criminal=jurisdiction.criminal,
        form=form.word if form else None,
        proof=int(proof),
        elements=tuple(each.value for each in sorted(elements, key=_ORDER.__getitem__)),
        inside_recording=inside,
        spoken_answer=spoken,
        standing=jurisdiction.standing.value,
        reviewed=jurisdiction.reviewed.isoformat(),
        sources=tuple(sources),
    )


def _owed(
    jurisdiction: Jurisdiction, rulebook: Rulebook
) -> tuple[Form | None, Proof, Iterable[Element], bool, bool]:
    """Form, proof, elements, whether inside the recording, whether an answer may be heard."""
    if jurisdiction.kind == "layer":  # nobody is merely there
        rules = [rule for rule in jurisdiction.rules if rule.in_force(jurisdiction.reviewed)]
        return (
            max((rule.form for rule in rules if rule.form), default=None),
            max((rule.proof for rule in rules), default=Proof.NONE),
            {element for rule in rules for element in rule.elements},
            any(rule.inside_recording for rule in rules),
            all(rule.spoken_answer for rule in rules),
        )
    here = () if jurisdiction.kind == "pseudo" else (Place(jurisdiction.code),)
    inside = [Party(Role.AGENT, None, here), Party(Role.CONTACT, None, here)]
    decision = decide(inside, jurisdiction.reviewed, rulebook)
    return (
        max((owed.form for owed in decision.requirements), default=None),
        max((owed.proof for owed in decision.requirements), default=Proof.NONE),
        decision.elements,
        decision.inside_recording,
        decision.spoken_answer,
    )


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        value = " | ".join(value)
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text
