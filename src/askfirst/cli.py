"""The command line. Every verb is a few lines over the core or, where it needs one, the server.

Exit status: 0 yes, 1 no, 2 misuse, 3 fault; `decide` gives 0 for any decision. With `--json`
standard output is only the document.
"""

from __future__ import annotations

import argparse
import json
import sys
import tomllib
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime
from importlib import import_module
from pathlib import Path
from typing import Any, TextIO

from askfirst.decide import request
from askfirst.errors import AskfirstError, InvalidInput, InvalidRules, NotFound, NotInstalled
from askfirst.explain import text, to_json
from askfirst.model import Decision, Purpose
from askfirst.notice import LANGUAGES as NOTICE_LANGUAGES
from askfirst.rules import load, packaged, packaged_directory, template
from askfirst.wording import LANGUAGES, pick

YES, NO, MISUSE, FAULT = 0, 1, 2, 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and give its exit status."""
    parser = _parser()
    chosen = parser.parse_args(arguments)
    try:
        status: int = chosen.run(chosen)
    except (InvalidInput, NotFound) as error:
        _complain(error)
        return MISUSE
    except AskfirstError as error:
        _complain(error)
        return FAULT
    except BrokenPipeError:
        # Whoever read our output has seen enough; the interpreter must not flush into it again.
        sys.stdout = None
        return YES
    return status


def _complain(error: AskfirstError) -> None:
    print(f"askfirst: {error}", file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="askfirst", description="Calls that ask first. Nothing here is legal advice."
    )
    verbs = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_decide(verbs)
    _add_rules(verbs)
    _add_ledger(verbs)
    for add in _SERVER_VERBS:
        add(verbs)
    return parser


def _verb(verbs: Any, name: str, run: Callable[[argparse.Namespace], int], told: str) -> Any:
    verb = verbs.add_parser(name, help=told, description=told)
    verb.set_defaults(run=run)
    verb.add_argument("--json", action="store_true", help="print only the JSON document")
    return verb


def _today() -> date:
    return datetime.now(UTC).date()


# decide


def _add_decide(verbs: Any) -> None:
    verb = _verb(verbs, "decide", _decide, "Say whether a call may be recorded, and why.")
    verb.add_argument("--agent", metavar="PLACE", help="where the agent is, such as NO or US-TX")
    verb.add_argument("--agent-number", metavar="NUMBER", help="the agent's own number")
    verb.add_argument("--contact", metavar="NUMBER", nargs="+", action="extend", default=[])
    verb.add_argument("--contact-place", metavar="PLACE", nargs="+", action="extend", default=[])
    verb.add_argument("--recorder", metavar="PLACE", help="where the recorder runs")
    verb.add_argument("--policy", metavar="FILE.toml", type=Path, help="the account's policy")
    verb.add_argument("--purpose", choices=[purpose.value for purpose in Purpose])
    verb.add_argument("--on", metavar="DATE", help="decide with the rules of this day")
    verb.add_argument("--lang", choices=LANGUAGES, default="en")
    verb.add_argument("--notice-lang", choices=NOTICE_LANGUAGES, default=None)
    verb.add_argument("--batch", metavar="FILE.jsonl", help="one request a line; - reads stdin")


def _decide(chosen: argparse.Namespace) -> int:
    if chosen.batch is not None:
        return _decide_batch(chosen)
    asked: dict[str, object] = {
        "agent_location": chosen.agent,
        "agent_number": chosen.agent_number,
        "contact_numbers": chosen.contact,
        "contact_known_location": chosen.contact_place or None,
        "recording_location": chosen.recorder,
        "language": chosen.lang,
        "policy": {} if chosen.policy is None else _read_toml(chosen.policy),
    }
    asked |= {
        key: value
        for key, value in (("purpose", chosen.purpose), ("on", chosen.on))
        if value is not None
    }
    decision = request(asked, _today())
    if chosen.json:
        _print_json(to_json(decision, chosen.notice_lang))
    else:
        print(text(decision, chosen.lang))
    return YES


def _read_toml(path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidInput(
            f"the policy file {path} cannot be read: {error.strerror}; name a file that can"
        ) from error
    except ValueError as error:
        raise InvalidInput(f"the policy file {path} is not TOML: {error}; mend it") from error


def _decide_batch(chosen: argparse.Namespace) -> int:
    if chosen.batch == "-":
        return _answer_lines(sys.stdin, chosen)
    try:
        with Path(chosen.batch).open(encoding="utf-8", errors="replace") as lines:
            return _answer_lines(lines, chosen)
    except OSError as error:
        raise InvalidInput(
            f"the batch file {chosen.batch} cannot be read: {error.strerror}"
        ) from error


def _answer_lines(lines: TextIO, chosen: argparse.Namespace) -> int:
    """One decision for each line, in order, however many there are."""
    status = YES
    today = _today()
    for line in lines:
        if not line.strip():
            continue
        answer = _answer_line(line, chosen, today)
        if "error" in answer:
            status = MISUSE
        print(json.dumps(answer, ensure_ascii=False))
    return status


def _answer_line(line: str, chosen: argparse.Namespace, today: date) -> dict[str, object]:
    asked_id: object = None
    try:
        asked = json.loads(line)
        if not isinstance(asked, dict):
            raise InvalidInput("found something else than an object; expected one request a line")
        asked_id = asked.get("id")
        return to_json(request(asked, today), chosen.notice_lang)
    except (ValueError, RecursionError):
        return {"id": None, "error": "this line is not JSON; expected one request object a line"}
    except AskfirstError as error:
        return {"id": asked_id, "error": str(error)}


# rules


def _add_rules(verbs: Any) -> None:
    rules = verbs.add_parser("rules", help="Read, check and compare the rule files.")
    inner = rules.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _verb(inner, "list", _rules_list, "List every jurisdiction.")
    show = _verb(inner, "show", _rules_show, "Show what one jurisdiction says.")
    show.add_argument("code")
    check = _verb(inner, "check", _rules_check, "Find every fault in the rule files.")
    check.add_argument("directory", nargs="*", type=Path, metavar="DIR")
    diff = _verb(inner, "diff", _rules_diff, "Show the cases whose outcome changed.")
    diff.add_argument("old", type=Path)
    diff.add_argument("new", type=Path)
    new = _verb(inner, "new", _rules_new, "Print a new rule file to fill in.")
    new.add_argument("code")


def _rules_list(chosen: argparse.Namespace) -> int:
    rulebook = packaged()
    rows = [
        {
            "code": code,
            "name": pick("en", found.name),
            "mode": found.treatment.word,
            "standing": found.standing.value,
            "reviewed": found.reviewed.isoformat(),
        }
        for code, found in sorted(rulebook.jurisdictions.items())
    ]
    if chosen.json:
        _print_json(
            {
                "version": rulebook.version,
                "fingerprint": rulebook.fingerprint,
                "jurisdictions": rows,
            }
        )
    else:
        for row in rows:
            print("{code:<9}{mode:<8}{standing:<18}{reviewed}  {name}".format(**row))
        print(f"version {rulebook.version}, {rulebook.fingerprint}; not legal advice")
    return YES


def _rules_show(chosen: argparse.Namespace) -> int:
    found = packaged().jurisdictions.get(chosen.code)
    if found is None:
        raise NotFound(f"no rule file {chosen.code}; see: askfirst rules list")
    if chosen.json:
        _print_json(found.raw)
        return YES
    print(f"{found.code}  {pick('en', found.name)}: {found.treatment.word}")
    print(f"standing {found.standing.value}, reviewed {found.reviewed}; not legal advice")
    for rule in found.rules:
        print(f"\n{rule.id}  {rule.mode.word}, since {rule.applies_from}\n  {rule.summary['en']}")
        for source in rule.sources:
            print(f"  - {source.title}" + (f" <{source.url}>" if source.url else ""))
    return YES


def _rules_check(chosen: argparse.Namespace) -> int:
    check = import_module("askfirst.rulecheck").check
    directories = chosen.directory or [packaged_directory()]
    faults: list[str] = check(directories[0], *directories[1:], today=_today())
    if chosen.json:
        _print_json({"faults": faults})
    else:
        print("\n".join(faults) if faults else "no faults")
    return NO if faults else YES


def _rules_diff(chosen: argparse.Namespace) -> int:
    diff = import_module("askfirst.rulecheck").diff
    try:
        changes: list[str] = diff(load(chosen.old), load(chosen.new))
    except InvalidRules as error:
        raise InvalidInput(f"one of the folders has faults:\n{error}") from error
    if chosen.json:
        _print_json({"changes": changes})
    else:
        print("\n".join(changes) if changes else "no case changed")
    return NO if changes else YES


def _rules_new(chosen: argparse.Namespace) -> int:
    filled = template(chosen.code)
    if chosen.json:
        _print_json({"code": chosen.code, "file": filled})
    else:
        print(filled, end="")
    return YES


# ledger


def _add_ledger(verbs: Any) -> None:
    ledger = verbs.add_parser("ledger", help="Sign, check and prove what was entered.")
    inner = ledger.add_subparsers(title="commands", metavar="COMMAND", required=True)
    verify = _verb(inner, "verify", _ledger_verify, "Check a bundle, or the whole ledger.")
    verify.add_argument("bundle", nargs="?", type=Path, metavar="BUNDLE.zip")
    verify.add_argument("--key", help="the ledger's public key, known from elsewhere")
    _data(verify)
    _data(_verb(inner, "checkpoint", _server("checkpoint"), "Sign the ledger's present state."))
    prove = _verb(inner, "prove", _server("prove"), "Prove that an entry is in the ledger.")
    prove.add_argument("entry", type=int)
    _data(prove)


def _ledger_verify(chosen: argparse.Namespace) -> int:
    if chosen.bundle is None:
        return _server("verify")(chosen)
    try:
        verifier = import_module("askfirst.verify")
    except ImportError as error:
        raise NotInstalled("the verifier of bundles (cryptography)", "verify") from error
    arguments = [str(chosen.bundle), *(["--key", chosen.key] if chosen.key else [])]
    status: int = verifier.main(arguments)
    return status


# verbs of the server


def _server(name: str) -> Callable[[argparse.Namespace], int]:
    """A verb of `askfirst.server.commands`, imported only when it is used."""

    def run(chosen: argparse.Namespace) -> int:
        try:
            commands = import_module("askfirst.server.commands")
        except ImportError as error:
            raise NotInstalled(f"the server ({error.name})", "all") from error
        status: int = getattr(commands, name)(chosen)
        return status

    return run


def _data(verb: Any) -> None:
    verb.add_argument(
        "--data", type=Path, default=Path("askfirst-data"), help="the installation's folder"
    )


def _add_call(verbs: Any) -> None:
    verb = _verb(verbs, "call", _server("call"), "Call a simulated person.")
    verb.add_argument("persona")
    verb.add_argument("--agent", metavar="PLACE", help="where the agent is")
    verb.add_argument("--policy", metavar="FILE.toml", type=Path)
    verb.add_argument("--out", type=Path, default=Path("askfirst-data"), help="data folder")


def _add_demo(verbs: Any) -> None:
    verb = _verb(verbs, "demo", _server("demo"), "Call the eight personas and prove the claims.")
    verb.add_argument("--out", type=Path, default=Path("demo-out"))


def _add_recordings(verbs: Any) -> None:
    recordings = verbs.add_parser("recordings", help="List, export, hold and release recordings.")
    inner = recordings.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _data(_verb(inner, "list", _server("recordings_list"), "List recordings."))
    export = _verb(inner, "export", _server("recordings_export"), "Export one recording.")
    export.add_argument("id")
    export.add_argument("--format", choices=("vcon", "wav", "bundle"), required=True)
    export.add_argument("--out", type=Path)
    _data(export)
    for name, told in (
        ("hold", "Keep a recording whatever its period says."),
        ("release", "End a legal hold."),
    ):
        verb = _verb(inner, name, _server(f"recordings_{name}"), told)
        verb.add_argument("id")
        _data(verb)


def _add_erase(verbs: Any) -> None:
    verb = _verb(verbs, "erase", _server("erase"), "Erase recordings, their words and their keys.")
    which = verb.add_mutually_exclusive_group(required=True)
    which.add_argument("--recording", metavar="ID")
    which.add_argument("--number", metavar="NUMBER")
    verb.add_argument("--dry-run", action="store_true", help="say what would be erased")
    _data(verb)


_SERVER_VERBS: Iterable[Callable[[Any], None]] = (
    _add_call,
    _add_demo,
    _add_recordings,
    _add_erase,
)


def _print_json(document: object) -> None:
    print(json.dumps(document, ensure_ascii=False, indent=1, default=_plain))


def _plain(value: object) -> object:
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decision):
        return to_json(value)
    raise TypeError(f"{type(value).__name__} has no place in a document")


if __name__ == "__main__":
    sys.exit(main())
