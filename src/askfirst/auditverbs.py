"""The verb ``audit``: what the law asked of existing recordings, and what is heard in them.

Only the arguments are here; what reads and recognises is imported when the verb is used.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

from askfirst import ruleverbs
from askfirst.auditing import Audited, Law, to_json
from askfirst.console import (
    FAULT,
    MISUSE,
    NO,
    YES,
    add_verb,
    heard_language,
    place_named,
    print_json,
    read_toml,
    today,
)
from askfirst.errors import InvalidInput, NotInstalled
from askfirst.policy import Policy
from askfirst.wording import LANGUAGES


def add(verbs: Any) -> None:
    """Add ``audit`` to the command line."""
    verb = add_verb(verbs, "audit", _audit, "Say what existing recordings show of the notice.")
    verb.add_argument(
        "file", nargs="+", type=Path, metavar="FILE", help="recordings, or a folder of them"
    )
    verb.add_argument("--contact", metavar="NUMBER", action="append", default=[])
    verb.add_argument("--agent", metavar="PLACE", help="where the agent was, such as NO or US-TX")
    verb.add_argument("--contact-place", metavar="PLACE", action="append", default=[])
    verb.add_argument("--recorder", metavar="PLACE", help="where the recorder ran")
    verb.add_argument(
        "--numbers", metavar="FILE.csv", type=Path, help="whose calls those of the folder are"
    )
    verb.add_argument("--inbound", action="store_true", help="the contact called: channel 1")
    verb.add_argument("--both", action="store_true", help="read the contact's channel too")
    verb.add_argument("--basis", metavar="TEXT", help="on what basis the contact's words are read")
    verb.add_argument("--language", default="en", help="the language that is spoken: en, nb, de")
    verb.add_argument("--on", metavar="DATE", help="the day of the call; today by default")
    verb.add_argument("--policy", metavar="FILE.toml", type=Path, help="the account's policy")
    verb.add_argument("--model", metavar="NAME", help="a fetched model, or the folder of one")
    verb.add_argument(
        "--data", type=Path, default=Path("askfirst-data"), help="where fetched models are"
    )
    verb.add_argument("--lang", choices=LANGUAGES, default="en")
    verb.add_argument("--csv", metavar="FILE", type=Path, help="write the results as CSV")
    verb.add_argument("--page", metavar="FILE.html", type=Path, help="write them as a page")
    ruleverbs.add_rulebook_options(verb)


def _audit(chosen: argparse.Namespace) -> int:
    rules = ruleverbs.rulebook(chosen)
    policy = {} if chosen.policy is None else read_toml(chosen.policy, "policy file")
    law = Law(
        rules,
        Policy.parse(policy),
        ruleverbs.overrides(chosen, rules),
        None if chosen.recorder is None else place_named("recorder", chosen.recorder),
        chosen.lang,
    )
    try:
        auditrun = import_module("askfirst.server.auditrun")
        models = import_module("askfirst.server.models")
    except ImportError as error:
        raise NotInstalled(f"what reads recordings ({error.name})", "all") from error
    reach = auditrun.Reach(chosen.both, chosen.basis)
    wanted = list(_wanted(chosen, auditrun))
    _ensure_writable(chosen)
    results: list[Audited] = []
    is_fault = False
    with closing(models.recognizer(chosen.model, chosen.data)) as recognizer:
        for audited, failed in auditrun.run(wanted, law, reach, recognizer):
            results.append(audited)
            is_fault = is_fault or failed
    _tell(chosen, results, rules.version)
    if is_fault:
        return FAULT
    if any(each.error is not None for each in results):
        return MISUSE
    return YES if all(each.is_in_order for each in results) else NO


def _wanted(chosen: argparse.Namespace, auditrun: Any) -> Iterator[Any]:
    """The recordings, in order; raises InvalidInput for arguments that contradict each other."""
    folders = [each for each in chosen.file if each.is_dir()]
    common = auditrun.Existing(
        name="",
        path=Path(),
        numbers=tuple(chosen.contact),
        agent=None if chosen.agent is None else place_named("agent", chosen.agent),
        on=_day(chosen.on),
        language=heard_language(chosen.language),
        is_inbound=chosen.inbound,
        contact_places=tuple(place_named("contact-place", each) for each in chosen.contact_place),
    )
    if folders or chosen.numbers is not None:
        yield from _of_folder(chosen, auditrun, common)
        return
    if not chosen.contact or common.agent is None:
        raise InvalidInput(
            "a recording needs --contact NUMBER and --agent PLACE: what the law asked follows "
            "from where people were. For a folder name a table with --numbers"
        )
    for path in chosen.file:
        yield replace(common, name=str(path), path=path)


def _of_folder(chosen: argparse.Namespace, auditrun: Any, common: Any) -> Iterator[Any]:
    if len(chosen.file) != 1 or not chosen.file[0].is_dir() or chosen.numbers is None:
        raise InvalidInput(
            "a folder is audited alone and with --numbers FILE.csv, whose columns are file, "
            "contact and agent, and if wanted date, direction and language"
        )
    if chosen.contact:
        raise InvalidInput("found --contact beside --numbers; the table says whom each call was to")
    table = chosen.numbers
    try:
        content = table.read_bytes()
    except OSError as error:
        raise InvalidInput(
            f"the table {table} cannot be read: {error.strerror}; name a file that can"
        ) from error
    numbers = import_module("askfirst.server.auditnumbers")
    yield from auditrun.listed(chosen.file[0], numbers.read_numbers(content), common)


def _day(text: str | None) -> date:
    try:
        return today() if text is None else date.fromisoformat(text)
    except ValueError as error:
        raise InvalidInput(f"--on is {text!r}; expected a day such as 2026-11-23") from error


def _ensure_writable(chosen: argparse.Namespace) -> None:
    """Refuse, before hours of work, a place for the results that cannot be used."""
    sources = {each.resolve() for each in chosen.file} | (
        {chosen.numbers.resolve()} if chosen.numbers is not None else set()
    )
    for path in (chosen.csv, chosen.page):
        if path is None:
            continue
        if path.is_dir() or not path.absolute().parent.is_dir() or path.resolve() in sources:
            raise InvalidInput(
                f"{path} is no place for results; name a file in a folder that is there"
            )
    if chosen.csv is not None and chosen.page is not None and chosen.csv == chosen.page:
        raise InvalidInput("--csv and --page name one file; name two")


def _tell(chosen: argparse.Namespace, results: Sequence[Audited], version: str) -> None:
    report = import_module("askfirst.server.auditreport")
    if chosen.csv is not None:
        _write(chosen.csv, "".join(report.csv_lines(results)))
    if chosen.page is not None:
        made = import_module("askfirst.server.auditpage").page(
            results, chosen.lang, datetime.now(UTC), version
        )
        _write(chosen.page, made)
    if chosen.json:
        print_json({"files": [to_json(each) for each in results]})
    else:
        sys.stdout.write(report.table(results, chosen.lang) + "\n")


def _write(path: Path, text: str) -> None:
    # Only who asked may read it: it holds what people said.
    replace_file = import_module("askfirst.server.durable").replace_file
    replace_file(path, text.encode("utf-8", errors="replace"))
