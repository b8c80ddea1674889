"""What an override changes, in words: each rule before and after, and what somebody answers for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from askfirst.model import Element, Form, Mode
from askfirst.override import Override, digest, overridden
from askfirst.rules import ConsentRule, Rulebook
from askfirst.server.overrideregister import Standing
from askfirst.web import words
from askfirst.web.certificatewords import PROOFS
from askfirst.web.settingwords import ELEMENTS
from askfirst.web.visit import Visit

STANDINGS: Mapping[str, tuple[str, str]] = {
    Standing.IN_FORCE: ("circle-check", words.mark("In force")),
    Standing.COMING: ("clock", words.mark("Not begun")),
    Standing.OVER: ("calendar", words.mark("Its days are over")),
    Standing.ENDED: ("square", words.mark("Ended")),
    Standing.PROPOSED: ("clock", words.mark("Waits for a second person")),
    Standing.UNAPPROVED: ("triangle-alert", words.mark("Not approved: counts for nothing")),
    Standing.MISSING: ("file-text", words.mark("Not in the folder: counts for nothing")),
    Standing.BROKEN: ("triangle-alert", words.mark("Does not hold: counts for nothing")),
}
"""The icon of each standing, and its words; in the order in which they are listed."""

MODES: Mapping[Mode, str] = {
    Mode.AUTO: words.mark("may start by itself"),
    Mode.ASK: words.mark("ask first"),
    Mode.FORBID: words.mark("do not record"),
}
FORMS: Mapping[Form | None, str] = {
    None: words.mark("nothing"),
    Form.TOLD: words.mark("everybody is told"),
    Form.AGREED: words.mark("everybody agrees"),
    Form.WRITTEN: words.mark("everybody agrees in writing"),
}
CONDITIONS: Mapping[str, str] = {
    "lawful_basis": words.mark("There is a lawful basis for recording."),
    "no_third_party_guarantee": words.mark(
        "Recordings are not shared with third parties. Outside processors and links make this void."
    ),
}
"""What somebody answers for by signing."""


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that a rule says, before and after."""

    what: str
    before: str
    after: str

    @property
    def differs(self) -> bool:
        """Whether the override changes it."""
        return self.before != self.after


@dataclass(frozen=True, slots=True)
class Changed:
    """A rule that an override replaces; `lines` empty where the rulebook has it no more."""

    rule: str
    code: str
    place: str
    summary: str
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class View:
    """An override as pages show it."""

    override: Override
    digest: str
    changed: tuple[Changed, ...]
    conditions: tuple[str, ...]


def view(visit: Visit, override: Override, on: date) -> View:
    """An override in the visit's language, against the rules of a day."""
    named = sorted(each.rule for each in override.replaces)
    return View(
        override,
        digest(override),
        tuple(_changed(visit, rule, override, on) for rule in named),
        tuple(visit.say(CONDITIONS[each]) for each in sorted(override.conditions)),
    )


def _changed(visit: Visit, identity: str, override: Override, on: date) -> Changed:
    code, rule = _rule(visit.site.rules, identity, on)
    file = visit.site.rules.jurisdictions.get(code)
    if file is None or rule is None:
        return Changed(identity, code, code, "", ())
    place = file.name.get(visit.language, file.name["en"])
    after = overridden(rule, (override,))
    lines = (
        Line(
            visit.say("Start of recording"),
            visit.say(MODES[rule.mode]),
            visit.say(MODES[after.mode]),
        ),
        Line(visit.say("What is owed"), visit.say(FORMS[rule.form]), visit.say(FORMS[after.form])),
        Line(visit.say("Proof"), _proof(visit, rule), _proof(visit, after)),
        Line(visit.say("What is told"), _told(visit, rule), _told(visit, after)),
        Line(visit.say("Asks for less under conditions"), _eased(visit, rule), visit.say("no")),
    )
    summary = rule.summary.get(visit.language, rule.summary["en"])
    return Changed(identity, code, place, summary, lines)


def _rule(rules: Rulebook, identity: str, on: date) -> tuple[str, ConsentRule | None]:
    """The jurisdiction of a rule, and the rule of a day; another of its days where it has none."""
    every = [
        rule for file in rules.jurisdictions.values() for rule in file.rules if rule.id == identity
    ]
    code = identity.partition(".")[0]
    if not every:
        return code, None
    found = next((each for each in every if each.in_force(on)), every[-1])
    return found.jurisdiction, found


def _proof(visit: Visit, rule: ConsentRule) -> str:
    return f"{int(rule.proof)} {visit.say(PROOFS[rule.proof])}"


def _told(visit: Visit, rule: ConsentRule) -> str:
    told = [visit.say(ELEMENTS[each]) for each in Element if each in rule.elements]
    return "; ".join(told) or "–"


def _eased(visit: Visit, rule: ConsentRule) -> str:
    return visit.say("yes") if rule.eased is not None else visit.say("no")
