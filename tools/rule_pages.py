"""Write the reference pages of the rule files: one page each, an index, and what is covered.

    python tools/rule_pages.py [--to docs/reference] [--check]

Everything on a page comes from the rulebook; nothing is looked up and no date of today is in it,
so the same rules give the same pages. `tests/rules/test_rule_pages.py` fails when they differ.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

from askfirst import rulecheck, rules
from askfirst.model import Element, Mode, Party, Role, Standing
from askfirst.rules import (
    ConsentRule,
    Eased,
    Jurisdiction,
    Rulebook,
    RuleDuty,
    RuleSource,
    When,
)
from askfirst.rulesheet import RulebookRow, rulebook_rows

FOLDER = "jurisdictions"
HERE = Path(__file__).parent.parent / "docs" / "reference"

MODES = {
    "auto": "Recording may start by itself.",
    "ask": "Ask first.",
    "forbid": "Do not record.",
}
CONSENTS = {
    "one_party": "the consent of one party is enough",
    "mixed": "it turns on facts of the call",
    "all_party": "everybody on the call has a say",
}
FORMS = {
    None: "nothing is owed before recording",
    "told": "everybody is told before recording",
    "agreed": "everybody agrees before recording",
    "written": "everybody agrees in writing before recording",
}
STANDINGS = {
    Standing.PRIMARY: "Primary source: the decisive rule was read in the law, in a court's "
    "holding, on a regulator's page or in two independent legal texts.",
    Standing.SECONDARY: "Secondary source: only part of the rule was read, or only a guide or a "
    "quotation.",
    Standing.UNREVIEWED: "**Unreviewed**: general knowledge. The law itself was not read.",
}
LAYERS = {
    "secrecy": "secrecy",
    "data_protection": "data protection",
    "product": "a choice of this product, not of the law",
}
GATES = {
    "notice": "notice",
    "yearly_notice": "notice every year",
    "acknowledgement": "acknowledgement",
    "posting": "posting in plain sight",
    "works_agreement": "an agreement with the staff",
    "agreement": "the agreement of each agent",
}
NOT_ADVICE = (
    "This page is made from the rule file and is working knowledge, **not legal advice**. "
    "Penalties are indicative."
)
REGIONS = (
    ("United States", "US"),
    ("European Economic Area", "EEA"),
    ("Canada", "CA"),
    ("Australia", "AU"),
)
_ORDER = {element: place for place, element in enumerate(Element)}


def pages(book: Rulebook) -> dict[str, str]:
    """Every page by its path below the reference folder."""
    rows = {row.code: row for row in rulebook_rows(book)}
    found = {
        f"{FOLDER}/{code}.md": page(jurisdiction, rows[code], book)
        for code, jurisdiction in book.jurisdictions.items()
    }
    found[f"{FOLDER}/README.md"] = index(book, rows)
    found["coverage.md"] = coverage(book)
    return found


def page(jurisdiction: Jurisdiction, row: RulebookRow, book: Rulebook) -> str:
    """The page of one jurisdiction, always with the same headings."""
    parts = [
        f"# {_plain(jurisdiction.name['en'])} ({jurisdiction.code})",
        *_answer(jurisdiction, row, book),
        "## Two layers",
        *_layers(jurisdiction),
        "## What must be said",
        *_said(row),
        "## Rules",
        *(_rule(rule) for rule in jurisdiction.rules),
        "## Duties",
        *_duties(jurisdiction),
        "## Employees",
        *_employees(jurisdiction),
        "## Sources",
        *_sources(jurisdiction),
        "## Cases",
        _cases(jurisdiction),
        NOT_ADVICE + " [How to correct it](../../how-to/correct-a-rule.md).",
    ]
    return "\n\n".join(parts) + "\n"


def index(book: Rulebook, rows: Mapping[str, RulebookRow]) -> str:
    """The table of all pages."""
    lines = [
        f"| [{code}]({code}.md) | {_plain(row.name)} | {row.mode} | {row.form or 'nothing'} "
        f"| {row.proof} | {row.standing} | {row.reviewed} |"
        for code, row in rows.items()
    ]
    return "\n".join(
        [
            "# Jurisdictions",
            "",
            f"{len(rows)} rule files, one page each; "
            "[how well they are sourced](../coverage.md). "
            "A row says what a call with everybody there gets under the default policy; a real "
            "call takes the strictest of all its places. *Proof* is the least that opens the "
            "gate ([levels](../../explanation/proof-levels.md)).",
            "",
            "| Code | Name | Mode | Owed | Proof | Standing | Reviewed |",
            "| --- | --- | --- | --- | --- | --- | --- |",
            *lines,
            "",
            NOT_ADVICE,
            "",
        ]
    )


def coverage(book: Rulebook) -> str:
    """How many files are sourced how well, and which regulators were read."""
    counted: dict[str, Counter[Standing]] = {}
    for jurisdiction in book.jurisdictions.values():
        counted.setdefault(_region(jurisdiction), Counter())[jurisdiction.standing] += 1
    total: Counter[Standing] = sum(counted.values(), Counter())
    asking = sum(
        each.standing is Standing.UNREVIEWED and each.treatment is not Mode.AUTO
        for each in book.jurisdictions.values()
    )
    order = [name for name, _ in REGIONS] + ["Everywhere else"]
    lines = [_coverage_line(name, counted[name]) for name in order if name in counted]
    return "\n".join(
        [
            "# Coverage",
            "",
            f"{total.total()} rule files. {STANDINGS[Standing.PRIMARY]} "
            f"{STANDINGS[Standing.SECONDARY]} {STANDINGS[Standing.UNREVIEWED]}",
            "",
            "| Region | Files | Primary | Secondary | Unreviewed |",
            "| --- | --- | --- | --- | --- |",
            *lines,
            _coverage_line("**All**", total),
            "",
            "The standing is that of the file's decisive rule. Section numbers beside it and "
            "penalties may still rest on memory; a source that was read carries the day on which "
            "it was.",
            "",
            "## Unreviewed files",
            "",
            _asking(asking, total[Standing.UNREVIEWED]),
            "",
            _unreviewed(book),
            "",
            "## Regulators' pages that were read",
            "",
            *_regulators(book),
            "",
            "## Not available",
            "",
            *_missing(book),
            "",
            NOT_ADVICE,
            "",
        ]
    )


def _asking(asking: int, unreviewed: int) -> str:
    if asking == unreviewed:
        return (
            "Nobody has read the law for these. All of them ask, so that an error costs a question "
            "and no crime."
        )
    return (
        f"Nobody has read the law for these. {asking} of {unreviewed} ask, so that an error "
        "costs a question and no crime; those that may start by themselves are set in bold and are "
        "the first to read."
    )


def _answer(jurisdiction: Jurisdiction, row: RulebookRow, book: Rulebook) -> list[str]:
    criminal = "Recording without that is a crime." if row.criminal else ""
    where = (
        "By its own rules" if jurisdiction.kind == "layer" else "With everybody on the call there"
    )
    owed = f"{FORMS[row.form]}; {CONSENTS[row.consent]}."
    reviewer = _plain(jurisdiction.reviewer)
    found = [
        f"**{MODES[row.mode]}** {where}: {owed} {criminal}".strip(),
        f"{STANDINGS[jurisdiction.standing]} Reviewed {row.reviewed} by {reviewer}.",
    ]
    if jurisdiction.kind == "layer":
        found.append("This is a layer of law above places: nobody is merely there.")
    if jurisdiction.kind == "pseudo":
        found.append("This is no place: it answers where nothing else does.")
    if jurisdiction.parents:
        above = ", ".join(f"[{code}]({code}.md)" for code in jurisdiction.parents)
        found.append(f"The rules of {above} apply as well.")
    below = [each.code for each in book.jurisdictions.values() if jurisdiction.code in each.parents]
    if below:
        found.append("Applies in " + ", ".join(f"[{code}]({code}.md)" for code in below) + ".")
    return found


def _layers(jurisdiction: Jurisdiction) -> Iterator[str]:
    secrecy, protection = _table(jurisdiction, "secrecy"), _table(jurisdiction, "data_protection")
    if secrecy:
        crime = "a crime" if secrecy["criminal"] else "not a crime of a party"
        yield (
            f"**Secrecy** (may this recording be made at all?): "
            f"{CONSENTS[str(secrecy['consent'])]}; secret recording is {crime}. "
            f"{_english(secrecy['summary'])}"
        )
        if "penalties" in secrecy:
            yield _english(secrecy["penalties"])
    else:
        yield "**Secrecy**: the file says nothing of its own."
    if protection:
        yield (
            f"**Data protection** (on which ground, with which duties?): basis "
            f"`{protection['basis']}`. {_english(protection['summary'])}"
        )
        for key in ("retention", "storage"):
            if key in protection:
                yield f"{_words(key)}: {_english(protection[key])}"
        if second := protection.get("notice_second_layer"):
            yield "The full notice also has: " + _code(map(str, _items(second))) + "."
    else:
        yield "**Data protection**: the file says nothing of its own."


def _said(row: RulebookRow) -> Iterator[str]:
    if not row.elements:
        yield "Nothing is owed to the other parties."
        return
    yield (
        f"[Elements](../notice-elements.md) of the notice for a call with everybody there: "
        f"{_code(row.elements)}."
    )
    if row.inside_recording:
        yield "The notice itself must stand at the beginning of the recording."
    heard = "may" if row.spoken_answer else "may not"
    yield (
        f"Proof: at least {row.proof} "
        f"([levels](../../explanation/proof-levels.md)). A spoken answer {heard} be listened for "
        "before consent."
    )


def _rule(rule: ConsentRule) -> str:
    until = f" until {rule.applies_until} (exclusive)" if rule.applies_until else ""
    lines = [
        f"### {rule.id}",
        "",
        f"{_plain(rule.summary['en'])}",
        "",
        f"- Layer: {LAYERS[rule.layer]}; applies from {rule.applies_from}{until}",
        *(f"- {limit.capitalize()}" for limit in _limits(rule.when)),
        f"- {_owed(rule)}",
    ]
    if rule.inside_recording:
        lines.append("- The notice must be inside the recording")
    if rule.eased is not None:
        lines.append(f"- Eased while {_and(rule.eased.conditions)}: {_owed(rule.eased)}")
        lines.append(f"  {_plain(rule.eased.summary['en'])}")
        if rule.eased.lifts:
            lines.append(f"  Then {_and(rule.eased.lifts)} does not apply here.")
    return "\n".join(lines)


def _limits(when: When) -> Iterator[str]:
    for name, words in (
        ("purpose", when.purposes),
        ("channel", when.channels),
        ("sector", when.sectors),
    ):
        if words:
            yield f"only for {name} {' or '.join(sorted(words))}"


def _owed(owed: ConsentRule | Eased) -> str:
    form = FORMS[owed.form.word if owed.form else None]
    elements = [each.value for each in sorted(owed.elements, key=_ORDER.__getitem__)]
    said = f"; proof {int(owed.proof)}; {_code(elements)}" if elements else ""
    return f"`{owed.mode.word}`: {form}{said}"


def _duties(jurisdiction: Jurisdiction) -> Iterator[str]:
    yield _list(_duty(duty) for duty in jurisdiction.duties)
    if jurisdiction.parents:
        above = ", ".join(f"[{code}]({code}.md#duties)" for code in jurisdiction.parents)
        yield f"Those of {above} as well."


def _duty(duty: RuleDuty) -> str:
    limits = list(_limits(duty.when))
    if duty.applies_from:
        limits.append(f"from {duty.applies_from}")
    if duty.applies_until:
        limits.append(f"until {duty.applies_until} (exclusive)")
    shown = f" ({'; '.join(limits)})" if limits else ""
    sources = "".join(f"\n  - {_source(source)}" for source in duty.sources)
    return f"{_words(duty.kind)}{shown}: {_plain(duty.text['en'])}{sources}"


def _employees(jurisdiction: Jurisdiction) -> Iterator[str]:
    workplace = jurisdiction.workplace
    if workplace is None:
        yield "The file says nothing of its own. Tell agents that calls are recorded in any case."
        return
    owed = ", ".join(GATES[gate] for gate in workplace.gates)
    yield (f"Owed: {owed}. " if owed else "") + _plain(workplace.summary["en"])


def _sources(jurisdiction: Jurisdiction) -> Iterator[str]:
    for rule in jurisdiction.rules:
        yield f"For {rule.id} (from {rule.applies_from}):"
        yield _list(_source(source) for source in rule.sources)
    yield (
        f"Standing of the file: `{jurisdiction.standing.value}`. "
        "A source without a date was not read."
    )


def _source(source: RuleSource) -> str:
    title = _plain(source.title)
    shown = f"[{title}](<{_address(source.url)}>)" if source.url else title
    read = f"read {source.accessed}" if source.accessed else "not read"
    return f"{shown} ({source.kind}, {read})"


def _cases(jurisdiction: Jurisdiction) -> str:
    lines = ["| Call | On | Parties | Answer | Because |", "| --- | --- | --- | --- | --- |"]
    for case in rulecheck.read_cases(jurisdiction, []):
        parties = "; ".join(_party(party) for party in case.parties)
        form = f", {case.expect.form.word}" if case.expect.form else ""
        lines.append(
            f"| {_plain(case.name)} | {case.on} | {parties} | {case.expect.mode.word}{form} "
            f"| {', '.join(case.expect.because)} |"
        )
    return "\n".join(lines)


def _party(party: Party) -> str:
    places = "/".join(place.code for place in party.places)
    role = "agent" if party.role is Role.AGENT else "contact"
    return f"{role} {places or _plain(party.number or 'anywhere')}"


def _region(jurisdiction: Jurisdiction) -> str:
    for name, code in REGIONS:
        own = jurisdiction.code.partition("-")[0]
        if code in (own, *jurisdiction.parents):
            return name
    return "Everywhere else"


def _coverage_line(name: str, counted: Counter[Standing]) -> str:
    numbers = " | ".join(str(counted[standing]) for standing in STANDINGS)
    return f"| {name} | {counted.total()} | {numbers} |"


def _unreviewed(book: Rulebook) -> str:
    return ", ".join(
        f"**[{code}]({FOLDER}/{code}.md)**"
        if each.treatment is Mode.AUTO
        else f"[{code}]({FOLDER}/{code}.md)"
        for code, each in book.jurisdictions.items()
        if each.standing is Standing.UNREVIEWED
    )


def _regulators(book: Rulebook) -> Iterator[str]:
    for code, jurisdiction in book.jurisdictions.items():
        for source in dict.fromkeys(s for rule in jurisdiction.rules for s in rule.sources):
            if source.kind == "regulator" and source.accessed:
                where = f"{_plain(jurisdiction.name['en'])} ([{code}]({FOLDER}/{code}.md))"
                yield f"- {where}: {_source(source)}"


def _missing(book: Rulebook) -> Iterator[str]:
    yield (
        "- Irish Data Protection Commission, the page of questions and answers that speaks of "
        "recording calls: not available; what of its was read stands with "
        "[Ireland](jurisdictions/IE.md#sources)."
    )
    canada = book.jurisdictions.get("CA")
    sources = [source for rule in canada.rules for source in rule.sources] if canada else []
    if not any(source.kind == "regulator" and source.accessed for source in sources):
        yield "- Canada's Privacy Commissioner: the guideline on customer calls could not be read."
    yield (
        "- OrecX, list of recording laws: commercial page, not available; nothing is claimed "
        "about it."
    )
    yield (
        "- Digital Media Law Project, recording phone calls and conversations: not available in "
        "the original; nothing is claimed about it."
    )


def _table(jurisdiction: Jurisdiction, key: str) -> Mapping[str, object]:
    found = jurisdiction.raw.get(key)
    return found if isinstance(found, dict) else {}


def _items(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _english(texts: object) -> str:
    return _plain(str(texts["en"])) if isinstance(texts, dict) else ""


def _list(items: Iterable[str]) -> str:
    return "\n".join(f"- {item}" for item in items) or "None in the file."


def _code(words: Iterable[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)


def _and(words: Iterable[str]) -> str:
    return " and ".join(f"`{word}`" for word in sorted(words))


def _words(key: str) -> str:
    return key.replace("_", " ").capitalize()


def _plain(text: str) -> str:
    """Text of a file as Markdown shows it: one line, no markup, no cell end."""
    one = " ".join(text.split())
    for mark in ("\\", "|", "<", "*", "_", "`", "[", "]"):
        one = one.replace(mark, f"\\{mark}")
    return one


def _address(url: str) -> str:
    return quote(url, safe=":/?#[]@!$&'()*+,;=%~")


def main(arguments: list[str] | None = None) -> int:
    """Write the pages, or with ``--check`` name those out of step; 0 when all is in step."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--to", type=Path, default=HERE)
    parser.add_argument("--check", action="store_true")
    chosen = parser.parse_args(arguments)
    wanted = pages(rules.packaged())
    stale = out_of_step(wanted, chosen.to)
    if chosen.check:
        for name in stale:
            sys.stdout.write(f"{name}: out of step; run: ./run rules\n")
        return 1 if stale else 0
    for name in stale:
        file = chosen.to / name
        if name not in wanted:
            file.unlink()
            continue
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(wanted[name], encoding="utf-8")
    return 0


def out_of_step(wanted: Mapping[str, str], folder: Path) -> list[str]:
    """Names of pages that are missing, differ, or are no longer wanted."""
    there = {f"{FOLDER}/{file.name}" for file in (folder / FOLDER).glob("*.md")}
    return sorted(
        name
        for name in {*wanted, *there}
        if name not in wanted
        or not (folder / name).is_file()
        or (folder / name).read_text(encoding="utf-8") != wanted[name]
    )


if __name__ == "__main__":
    raise SystemExit(main())
