"""Write the release notes of the rulebook: what changed between two directories of rules.

    python tools/rule_release_notes.py OLD NEW

prints Markdown: versions and fingerprints, jurisdictions that came and went, cases whose outcome
changed (`askfirst rules diff`), standings that were raised or lowered, reviews, and other texts
that changed without changing a case.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from askfirst import rulecheck, rules
from askfirst.errors import InvalidRules
from askfirst.rules import Jurisdiction, Rulebook


def notes(old: Rulebook, new: Rulebook) -> str:
    """The release notes as Markdown. Raises InvalidRules when a case cannot be read."""
    lines = [
        f"# Rulebook {new.version}",
        "",
        f"From {old.version} (`{old.fingerprint}`) to {new.version} (`{new.fingerprint}`), "
        f"{len(new.jurisdictions)} jurisdictions.",
    ]
    before, after = old.jurisdictions, new.jurisdictions
    both = [code for code in after if code in before]
    chapters = {
        "Calls that come out differently": rulecheck.diff(old, new),
        "New": [_named(after[code]) for code in after if code not in before],
        "Removed": [_named(before[code]) for code in before if code not in after],
        "Sourcing": [
            f"{_named(after[code])}: {before[code].standing} -> {after[code].standing}"
            for code in both
            if before[code].standing is not after[code].standing
        ],
        "Reviewed again": [
            f"{_named(after[code])}: {before[code].reviewed} -> {after[code].reviewed}"
            for code in both
            if before[code].reviewed != after[code].reviewed
        ],
        "Changed in the file": [
            f"{_named(after[code])}: {', '.join(changed)}"
            for code in both
            if (changed := list(_changed(before[code], after[code])))
        ],
    }
    for title, found in chapters.items():
        if found:
            lines += ["", f"## {title}", "", *(f"- {_one_line(line)}" for line in found)]
    if old.fingerprint == new.fingerprint:
        lines += ["", "The rules are the same."]
    lines += ["", "Working knowledge, not legal advice.", ""]
    return "\n".join(lines)


def _changed(before: Jurisdiction, after: Jurisdiction) -> Iterator[str]:
    """Rules by id and version that came, went or changed, then the other tables that did."""
    old = {(rule.id, rule.applies_from): rule for rule in before.rules}
    new = {(rule.id, rule.applies_from): rule for rule in after.rules}
    for version in sorted({*old, *new}):
        if old.get(version) != new.get(version):
            what = "removed" if version not in new else "changed" if version in old else "added"
            yield f"rule {version[0]} of {version[1]} {what}"
    told = {"rule", "case", "standing", "reviewed"}  # cases are told by their outcome
    for key in sorted({*before.raw, *after.raw} - told):
        if before.raw.get(key) != after.raw.get(key):
            yield key


def _named(jurisdiction: Jurisdiction) -> str:
    return f"{jurisdiction.code} ({jurisdiction.name['en']})"


def _one_line(text: str) -> str:
    return " ".join(text.split())


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the notes; 0, or 2 with every fault when a directory cannot be read."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    chosen = parser.parse_args(arguments)
    try:
        sys.stdout.write(notes(rules.load(chosen.old), rules.load(chosen.new)))
    except InvalidRules as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
