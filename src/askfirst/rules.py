"""The rulebook: read rule files, look rules up, fingerprint what was read.

One file is `rulefile`, whether files are sound is `rulesound`, whether their cases hold is
`rulecheck`. Here stands what many files are together; no jurisdiction is known by name but
UNKNOWN, the one that answers where nothing is written.
"""

from __future__ import annotations

import codecs
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from importlib.util import find_spec
from pathlib import Path

from askfirst.errors import InvalidRules
from askfirst.model import UNKNOWN
from askfirst.rulefile import (
    BASES,
    CHANNELS,
    CONDITIONS,
    CONSENTS,
    DUTY_KINDS,
    FILE_NAME,
    FORMS,
    KINDS,
    LAYERS,
    MODES,
    PURPOSES,
    SECTORS,
    SOURCE_KINDS,
    ConsentRule,
    Eased,
    Jurisdiction,
    RuleDuty,
    RuleSource,
    Text,
    When,
    Workplace,
    parse_jurisdiction,
)
from askfirst.ruleform import plain
from askfirst.rulesound import ancestors, unsound

__all__ = [
    "BASES",
    "CHANNELS",
    "CONDITIONS",
    "CONSENTS",
    "DUTY_KINDS",
    "FORM",
    "FORMS",
    "KINDS",
    "LAYERS",
    "MANIFEST",
    "MODES",
    "NOT_JURISDICTIONS",
    "PURPOSES",
    "SECTORS",
    "SEPARATE",
    "SOURCE_KINDS",
    "ConsentRule",
    "Eased",
    "Jurisdiction",
    "Manifest",
    "RuleDuty",
    "RuleSource",
    "Rulebook",
    "Text",
    "When",
    "Workplace",
    "assemble",
    "content_hash",
    "fingerprint",
    "load",
    "manifest_of",
    "packaged",
    "packaged_directory",
    "parse_jurisdiction",
    "read_files",
    "template",
]

NOT_JURISDICTIONS = frozenset({"template.toml"})
"""Files of a rule directory that are not read as jurisdictions."""

MAX_FILES = 2_000
"""Rule files in all directories of one rulebook; the world has about 4,000 subdivisions."""

MAX_FILE_BYTES = 256 * 1024
"""Size of one rule file; the largest packaged one is below 10 KiB."""


@dataclass(frozen=True, slots=True, eq=False)
class Rulebook:
    """Every jurisdiction by code, with the version and fingerprint that name the set.

    One is equal only to itself: comparing contents would cost too much, and fingerprints do it.

    `fingerprint` is ``sha256:`` and the hash of the canonical content: the same rules give the
    same fingerprint whatever the order of keys, files or white space.
    """

    jurisdictions: Mapping[str, Jurisdiction]
    version: str
    fingerprint: str

    def applicable(self, code: str, on: date) -> tuple[tuple[Jurisdiction, ConsentRule], ...]:
        """Rules in force on a date for a place: its own and those of all its parents.

        What nobody has written down asks, so the rules of UNKNOWN are added wherever the
        place's own file does not settle it: no file (a subdivision without one also gets the
        rules of its country), a layer instead of a place, or no rule of its own in force.
        """
        settled = code in self.jurisdictions
        start = code if settled else code.partition("-")[0]
        found: list[tuple[Jurisdiction, ConsentRule]] = []
        for jurisdiction in self._lineage(start):
            current = [rule for rule in jurisdiction.rules if rule.in_force(on)]
            found += [(jurisdiction, rule) for rule in current]
            if jurisdiction.kind == "layer":
                settled = settled and jurisdiction.code != code
            elif jurisdiction.code == code and jurisdiction.rules and not current:
                settled = False
        if not (settled and found):
            unknown = self.jurisdictions[UNKNOWN]
            found += [(unknown, rule) for rule in unknown.rules if start != UNKNOWN]
        return tuple(found)

    def duties(self, code: str, on: date) -> tuple[RuleDuty, ...]:
        """Duties in force on a date at a place: its own and those of all its parents.

        A subdivision without a file has those of its country.
        """
        return tuple(duty for _, duty in self.stated_duties(code, on))

    def stated_duties(self, code: str, on: date) -> tuple[tuple[Jurisdiction, RuleDuty], ...]:
        """The `duties` at a place, each with the jurisdiction whose file states it."""
        start = code if code in self.jurisdictions else code.partition("-")[0]
        files = self._lineage(start)
        return tuple((file, duty) for file in files for duty in file.duties if duty.in_force(on))

    def _lineage(self, code: str) -> Iterator[Jurisdiction]:
        """The jurisdiction and all its ancestors, each once, the nearest first."""
        waiting, seen = [code], set[str]()
        while waiting:
            current = waiting.pop(0)
            if current in seen or current not in self.jurisdictions:
                continue
            seen.add(current)
            yield self.jurisdictions[current]
            waiting += self.jurisdictions[current].parents


FORM = 1
"""The form of rule files that this code reads; a rulebook of a later form is not for it."""

MANIFEST = "rulebook.json"
SEPARATE = "askfirst_rulebook"
"""The package in which rules are released apart from the code."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a released set of rules says of itself: `content` is the hash of its files' bytes."""

    form: int
    version: str
    fingerprint: str
    content: str


@cache
def packaged_directory() -> Traversable:
    """Where the installed rules are: in the code's own release, or in a later one of their own."""
    own = resources.files("askfirst") / "jurisdictions"
    if find_spec(SEPARATE) is None:
        return own
    other = resources.files(SEPARATE)
    ours, theirs = manifest_of(own), manifest_of(other)
    is_later = theirs is not None and (ours is None or theirs.version > ours.version)
    return other if is_later else own


@cache
def packaged() -> Rulebook:
    """The installed rules, found once for each process.

    Files that are byte for byte those of the manifest were checked when it was written, and each
    is only read when it is asked for; anything else is loaded whole.
    """
    directory = packaged_directory()
    known = manifest_of(directory)
    faults: list[str] = []
    texts = dict(read_files([directory], faults))
    if faults or known is None or known.content != content_hash(texts):
        return load(directory)
    return Rulebook(_Shelf(texts), known.version, known.fingerprint)


class _Shelf(Mapping[str, Jurisdiction]):
    """Rule files by code, each parsed when it is first asked for."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        codes = {name.removesuffix(".toml"): text for name, text in texts.items()}
        self._texts = {code: codes[code] for code in sorted(codes)}
        self._read: dict[str, Jurisdiction] = {}

    def __getitem__(self, code: str) -> Jurisdiction:
        found = self._read.get(code)
        if found is None:
            found = self._read[code] = parse_jurisdiction(self._texts[code], f"{code}.toml")
        return found

    def __contains__(self, code: object) -> bool:
        return code in self._texts

    def __iter__(self) -> Iterator[str]:
        return iter(self._texts)

    def __len__(self) -> int:
        return len(self._texts)


def manifest_of(directory: Traversable) -> Manifest | None:
    """The manifest of a directory of rules; None without one that this code can use."""
    try:
        stated = json.loads((directory / MANIFEST).read_text(encoding="utf-8"))
        found = Manifest(**stated)
    except (OSError, ValueError, TypeError):
        return None
    return found if found.form == FORM else None


def content_hash(texts: Mapping[str, str]) -> str:
    """``sha256:`` and the hash of names and bytes of rule files, whatever their order."""
    digest = hashlib.sha256()
    for name, text in sorted(texts.items()):
        content = text.encode("utf-8")
        digest.update(f"{name} {len(content)}\n".encode("ascii"))
        digest.update(content)
    return "sha256:" + digest.hexdigest()


def template(code: str) -> str:
    """The text of a new rule file for a code, sound in form and to be filled in."""
    text = (packaged_directory() / "template.toml").read_text(encoding="utf-8")
    return text.replace("XX", code)


def load(directory: Traversable, *extra: Traversable) -> Rulebook:
    """A sound rulebook of every ``CODE.toml`` in the directories, subdirectories left out.

    A code may stand in one directory only: rules are never replaced by a later file. Raises
    InvalidRules with every fault of every file's form, or else with every fault of `rulesound`;
    then nothing is loaded. Cases are not run: that is `rulecheck.check`.
    """
    book = assemble(directory, *extra)
    if faults := list(unsound(book.jurisdictions)):
        raise InvalidRules(faults)
    return book


def assemble(directory: Traversable, *extra: Traversable) -> Rulebook:
    """Like `load`, without asking whether the files are sound: for who reports that beside."""
    faults: list[str] = []
    read: dict[str, Jurisdiction] = {}
    for name, text in read_files((directory, *extra), faults):
        try:
            jurisdiction = parse_jurisdiction(text, name)
        except InvalidRules as error:
            faults += error.faults
            continue
        if jurisdiction.code in read:
            faults.append(
                f"{name}: jurisdiction: {jurisdiction.code} is written twice; mend: keep one file"
            )
        read[jurisdiction.code] = jurisdiction
    if not faults:
        faults += _faults_between(read)
    if faults:
        raise InvalidRules(faults)
    ordered = {code: read[code] for code in sorted(read)}
    return Rulebook(ordered, _version(ordered.values()), fingerprint(ordered.values()))


def read_files(directories: Iterable[Traversable], faults: list[str]) -> Iterator[tuple[str, str]]:
    """Name and text of every rule file, by name; what cannot be read is added to `faults`.

    Nothing but regular files of the directory itself is opened, and none beyond `MAX_FILES` and
    `MAX_FILE_BYTES`: a directory of rules may come from anybody.
    """
    left = MAX_FILES
    for directory in directories:
        for file in _rule_files(directory, left, faults):
            left -= 1
            try:
                text = _text_of(file, directory)
            except InvalidRules as error:
                faults += error.faults
            else:
                yield file.name, text


def _rule_files(directory: Traversable, most: int, faults: list[str]) -> list[Traversable]:
    """The directory's rule files by name; none, with a fault, where there are more than `most`."""
    found: list[Traversable] = []
    try:
        for file in directory.iterdir():
            if not file.name.endswith(".toml") or file.name in NOT_JURISDICTIONS:
                continue
            found.append(file)
            if len(found) > most:
                faults.append(
                    f"{plain(directory.name)}: more than {MAX_FILES} rule files; "
                    "mend: name a directory of rules"
                )
                return []
    except OSError:
        faults.append(
            f"{plain(directory.name)}: no such directory; mend: name a directory of rules"
        )
        return []
    return sorted(found, key=lambda file: file.name)


def _text_of(file: Traversable, directory: Traversable) -> str:
    """The text of a rule file; InvalidRules for whatever is not one."""
    if not FILE_NAME.fullmatch(file.name):
        raise _refused(file, "not the name of a rule file", "call it by its code, as in NO.toml")
    if _leads_out(file, directory):
        raise _refused(file, "leads out of its directory", "put the file itself there")
    try:
        if not file.is_file():
            raise _refused(file, "not a regular file", "remove it, or write a file of that name")
        with file.open("rb") as opened:
            content = opened.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise _refused(file, "cannot be read", "make it readable for this program") from error
    if len(content) > MAX_FILE_BYTES:
        raise _refused(file, f"larger than {MAX_FILE_BYTES // 1024} KiB", "shorten it")
    if content.startswith(codecs.BOM_UTF8):
        raise _refused(file, "begins with a byte order mark", "save it as UTF-8 without one")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _refused(file, "cannot be read", "save it as UTF-8 text") from error


def _refused(file: Traversable, what: str, mend: str) -> InvalidRules:
    return InvalidRules([f"{plain(file.name)}: {what}; mend: {mend}"])


def _leads_out(file: Traversable, directory: Traversable) -> bool:
    """Whether a link points outside the directory; links within it are how volumes are mounted."""
    if not (isinstance(file, Path) and isinstance(directory, Path) and file.is_symlink()):
        return False
    try:
        return not file.resolve().is_relative_to(directory.resolve())
    except (OSError, RuntimeError):  # a circle of links: RuntimeError before Python 3.13
        return True


def fingerprint(jurisdictions: Iterable[Jurisdiction]) -> str:
    """``sha256:`` and the hash of the content as JSON with sorted keys and ISO dates.

    Cases are left out: they test the rules and decide nothing.
    """
    content = {
        jurisdiction.code: {key: jurisdiction.raw[key] for key in jurisdiction.raw if key != "case"}
        for jurisdiction in jurisdictions
    }
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), default=str)
    return "sha256:" + hashlib.sha256(canonical.encode("ascii")).hexdigest()


def _version(jurisdictions: Iterable[Jurisdiction]) -> str:
    return max(each.reviewed for each in jurisdictions).strftime("%Y.%m.%d")


def _faults_between(read: Mapping[str, Jurisdiction]) -> list[str]:
    """What no file can show alone: missing parents, circles, no answer for the unknown."""
    faults: list[str] = []
    if UNKNOWN not in read or not read[UNKNOWN].rules:
        faults.append(f"{UNKNOWN}.toml: missing or without rules; mend: add it, or load it beside")
    for code, jurisdiction in read.items():
        for parent in jurisdiction.parents:
            if parent not in read:
                name = plain(parent)
                faults.append(f"{code}.toml: parents: {name} has no file; mend: add {name}.toml")
        if code in ancestors(code, read):
            faults.append(f"{code}.toml: parents: lead back to {code}; mend: break the circle")
    return faults
