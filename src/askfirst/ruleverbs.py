"""The verbs about rules: reading, checking and comparing rule files, and signed overrides.

Also the options by which other verbs take rules and overrides that an account keeps itself.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from askfirst.console import NO, YES, add_verb, print_json, today
from askfirst.errors import (
    InvalidInput,
    InvalidRules,
    NotFound,
    NotInstalled,
    Refused,
    Unverified,
)
from askfirst.override import Override
from askfirst.policy import AREA_CODE
from askfirst.rules import Rulebook, load, packaged, packaged_directory, template
from askfirst.wording import pick


def add(verbs: Any) -> None:
    """Add ``rules`` and ``override`` to the command line."""
    _add_rules(verbs)
    _add_override(verbs)


def add_rulebook_options(verb: Any) -> None:
    """Let a verb take rules and overrides besides the installed rules."""
    _add_folders(verb)
    verb.add_argument(
        "--override", metavar="FILE.toml", nargs="+", action="extend", default=[], type=Path
    )
    verb.add_argument("--signers", metavar="FILE.toml", type=Path, help="who may sign overrides")


def rulebook(chosen: argparse.Namespace) -> Rulebook:
    """The installed rules, with those of ``--rules`` beside them.

    Raises InvalidInput with every fault of files that cannot be used.
    """
    if not chosen.rules:
        return packaged()
    _ensure_folders(chosen.rules)
    try:
        return load(packaged_directory(), *chosen.rules)
    except InvalidRules as error:
        raise InvalidInput(f"the rules cannot be used:\n{error}") from error


def overrides(chosen: argparse.Namespace, rules: Rulebook) -> tuple[Override, ...]:
    """The overrides of ``--override``, verified for today; raises what says why one is refused."""
    if not chosen.override:
        return ()
    if chosen.signers is None:
        raise InvalidInput(
            "found --override without --signers; name the list of people who may sign overrides"
        )
    signed = _signed_overrides()
    signers = signed.read_signers(chosen.signers)
    return tuple(signed.read_verified(path, signers, today(), rules) for path in chosen.override)


def _signed_overrides() -> Any:
    if find_spec("cryptography") is None:
        raise NotInstalled("the check of signatures (cryptography)", "verify")
    return import_module("askfirst.server.overrides")


def _add_folders(verb: Any) -> None:
    verb.add_argument(
        "--rules",
        metavar="DIR",
        nargs="+",
        action="extend",
        default=[],
        type=Path,
        help="folders of rules that count beside the installed ones",
    )


def _ensure_folders(folders: Iterable[Path]) -> None:
    for folder in folders:
        if not folder.is_dir():
            raise InvalidInput(f"{folder} is no folder; name folders of rule files")


# rules


def _add_rules(verbs: Any) -> None:
    rules = verbs.add_parser("rules", help="Read, check and compare the rule files.")
    inner = rules.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_folders(add_verb(inner, "list", _list, "List every jurisdiction."))
    show = add_verb(inner, "show", _show, "Show what one jurisdiction says.")
    show.add_argument("code")
    _add_folders(show)
    check = add_verb(inner, "check", _check, "Find every fault in the rule files.")
    check.add_argument("directory", nargs="*", type=Path, metavar="DIR")
    diff = add_verb(inner, "diff", _diff, "Show the cases whose outcome changed.")
    diff.add_argument("old", type=Path)
    diff.add_argument("new", type=Path)
    export = add_verb(inner, "export", _export, "Print every rule file as one table.")
    export.add_argument("--format", choices=("csv", "json"), default="csv")
    _add_folders(export)
    new = add_verb(inner, "new", _new, "Print a new rule file to fill in.")
    new.add_argument("code")


def _list(chosen: argparse.Namespace) -> int:
    book = rulebook(chosen)
    rows = [
        {
            "code": code,
            "name": pick("en", found.name),
            "mode": found.treatment.word,
            "standing": found.standing.value,
            "reviewed": found.reviewed.isoformat(),
        }
        for code, found in sorted(book.jurisdictions.items())
    ]
    if chosen.json:
        print_json(
            {"version": book.version, "fingerprint": book.fingerprint, "jurisdictions": rows}
        )
    else:
        for row in rows:
            print("{code:<9}{mode:<8}{standing:<18}{reviewed}  {name}".format(**row))
        print(f"version {book.version}, {book.fingerprint}; not legal advice")
    return YES


def _show(chosen: argparse.Namespace) -> int:
    found = rulebook(chosen).jurisdictions.get(chosen.code)
    if found is None:
        raise NotFound(f"no rule file {chosen.code}; see: askfirst rules list")
    if chosen.json:
        print_json(found.raw)
        return YES
    print(f"{found.code}  {pick('en', found.name)}: {found.treatment.word}")
    print(f"standing {found.standing.value}, reviewed {found.reviewed}; not legal advice")
    for rule in found.rules:
        print(f"\n{rule.id}  {rule.mode.word}, since {rule.applies_from}\n  {rule.summary['en']}")
        for source in rule.sources:
            print(f"  - {source.title}" + (f" <{source.url}>" if source.url else ""))
    return YES


def _check(chosen: argparse.Namespace) -> int:
    """Faults decide the exit status; a review that will soon be too old is only told."""
    rulecheck = import_module("askfirst.rulecheck")
    _ensure_folders(chosen.directory)
    directories = chosen.directory or [packaged_directory()]
    faults: list[str] = rulecheck.check(directories[0], *directories[1:], today=today())
    warnings: list[str] = []
    if not faults:
        warnings = rulecheck.review_warnings(load(*directories), today())
    if chosen.json:
        print_json({"faults": faults, "warnings": warnings})
        return NO if faults else YES
    for warning in warnings:
        print(f"warning: {warning}")
    print("\n".join(faults) if faults else "no faults")
    return NO if faults else YES


def _diff(chosen: argparse.Namespace) -> int:
    diff = import_module("askfirst.rulecheck").diff
    try:
        changes: list[str] = diff(load(chosen.old), load(chosen.new))
    except InvalidRules as error:
        raise InvalidInput(f"one of the folders has faults:\n{error}") from error
    if chosen.json:
        print_json({"changes": changes})
    else:
        print("\n".join(changes) if changes else "no case changed")
    return NO if changes else YES


def _export(chosen: argparse.Namespace) -> int:
    rulesheet = import_module("askfirst.rulesheet")
    book = rulebook(chosen)
    if chosen.json or chosen.format == "json":
        print_json(rulesheet.to_json(book))
    else:
        sys.stdout.write(rulesheet.to_csv(book))
    return YES


def _new(chosen: argparse.Namespace) -> int:
    if not AREA_CODE.fullmatch(chosen.code):
        raise InvalidInput(
            f"{chosen.code!r} is no place; expected an ISO 3166 code such as NO or US-CA"
        )
    filled = template(chosen.code)
    if chosen.json:
        print_json({"code": chosen.code, "file": filled})
    else:
        print(filled, end="")
    return YES


# override


def _add_override(verbs: Any) -> None:
    override = verbs.add_parser("override", help="Sign and check deviations from named rules.")
    inner = override.add_subparsers(title="commands", metavar="COMMAND", required=True)
    key = add_verb(inner, "key", _key, "Make a signer's key, and print its public half.")
    key.add_argument("--out", type=Path, required=True, metavar="FILE", help="the private half")
    sign = add_verb(inner, "sign", _sign, "Write a signature into an override file.")
    sign.add_argument("file", type=Path)
    sign.add_argument("--key", type=Path, required=True, metavar="FILE")
    check = add_verb(inner, "check", _check_override, "Say whether an override counts today.")
    check.add_argument("file", type=Path)
    check.add_argument("--signers", type=Path, required=True, metavar="FILE.toml")
    _add_folders(check)


def _key(chosen: argparse.Namespace) -> int:
    public = _signed_overrides().new_key(chosen.out)
    if chosen.json:
        print_json({"key": public})
    else:
        print(public)
    return YES


def _sign(chosen: argparse.Namespace) -> int:
    try:
        signature = _signed_overrides().sign_file(chosen.file, chosen.key)
    except InvalidRules as error:
        raise InvalidInput(f"the override cannot be signed:\n{error}") from error
    if chosen.json:
        print_json({"signature": signature})
    else:
        print(f"{chosen.file}: signed")
    return YES


def _check_override(chosen: argparse.Namespace) -> int:
    signed = _signed_overrides()
    signers = signed.read_signers(chosen.signers)
    try:
        found = signed.read_verified(chosen.file, signers, today(), rulebook(chosen))
        refused = None
    except (InvalidRules, Unverified, Refused) as error:
        found, refused = None, str(error)
    if chosen.json:
        print_json({"counts": found is not None, "error": refused})
    elif found is None:
        print(f"REFUSED: {refused}")
    else:
        rules = ", ".join(each.rule for each in found.replaces)
        print(f"{found.name}: counts until {found.until}, signed by {found.who}; replaces {rules}")
    return YES if found is not None else NO
