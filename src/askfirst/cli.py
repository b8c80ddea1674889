"""The command line. Every verb is a few lines over the core or, where it needs one, the server.

Exit status: 0 yes, 1 no, 2 misuse, 3 fault; `decide` gives 0 for any decision. With `--json`
standard output is only the document. Nothing that a caller types or pipes in ends in a traceback.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
import tomllib
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import asdict
from datetime import UTC, date, datetime
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NoReturn, TextIO

from askfirst.decide import request
from askfirst.errors import (
    AskfirstError,
    InvalidInput,
    InvalidRules,
    NotFound,
    NotInstalled,
    Unavailable,
)
from askfirst.explain import text, to_json, to_json_line
from askfirst.model import Decision, Purpose
from askfirst.notice import LANGUAGES as NOTICE_LANGUAGES
from askfirst.policy import AREA_CODE
from askfirst.rules import load, packaged, packaged_directory, template
from askfirst.wording import LANGUAGES, pick

YES, NO, MISUSE, FAULT = 0, 1, 2, 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and give its exit status."""
    _speak_plainly()
    parser = _parser()
    chosen = parser.parse_args(arguments)
    try:
        status: int = chosen.run(chosen)
        if sys.stdout is not None:
            sys.stdout.flush()  # a full disk is told here, not after the exit status is fixed
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
    except OSError as error:
        _complain(f"{error.filename or 'standard output'}: {error.strerror}; nothing more was done")
        sys.stdout = None
        return FAULT
    return status


def _speak_plainly() -> None:
    """Read UTF-8, and write what the terminal cannot show as escapes instead of failing."""
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(encoding="utf-8", errors="replace")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _complain(error: AskfirstError | str) -> None:
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
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"the policy file {path} is not TOML: {error}; mend it") from error


_ONE_CALL = (
    "agent",
    "agent_number",
    "contact",
    "contact_place",
    "recorder",
    "policy",
    "purpose",
    "on",
)
"""Options that speak of one call; a batch line says these things itself."""


def _decide_batch(chosen: argparse.Namespace) -> int:
    given = [name.replace("_", "-") for name in _ONE_CALL if getattr(chosen, name)]
    if given:
        raise InvalidInput(
            f"found --{given[0]} beside --batch; each line of a batch says this itself. "
            "Put it into the lines"
        )
    with _batch_lines(chosen.batch) as lines:
        return _answer_lines(lines, chosen)


def _batch_lines(name: str) -> Any:
    if name == "-":
        if sys.stdin is None:
            raise InvalidInput("standard input is closed; pipe requests in, or name a file")
        return nullcontext(sys.stdin)
    try:
        return Path(name).open(encoding="utf-8", errors="replace")
    except (OSError, ValueError) as error:
        raise InvalidInput(f"the batch file {name} cannot be read: {error}") from error


def _answer_lines(lines: TextIO, chosen: argparse.Namespace) -> int:
    """One decision for each line, in order, however many there are."""
    status = YES
    today = _today()
    for line in lines:
        if not line.strip():
            continue
        answer, is_decision = _answer_line(line, chosen, today)
        if not is_decision:
            status = MISUSE
        # At once, for whoever waits for each answer before asking on.
        print(answer, flush=True)
    return status


def _answer_line(line: str, chosen: argparse.Namespace, today: date) -> tuple[str, bool]:
    """The answer as JSON, and whether it is a decision."""
    asked_id: object = None
    try:
        asked = _REQUESTS.decode(line)
        if not isinstance(asked, dict):
            raise InvalidInput("found something else than an object; expected one request a line")
        if isinstance(asked.get("id"), str | int):
            asked_id = asked["id"]
        decision = request({"language": chosen.lang, **asked}, today)
        written = to_json_line(decision, chosen.notice_lang)
        return written if _can_print(written) else _in_json(
            to_json(decision, chosen.notice_lang)
        ), True
    except (ValueError, RecursionError):
        what = "this line is not JSON; expected one request object a line"
        return _in_json({"id": None, "error": what}), False
    except AskfirstError as error:
        return _in_json({"id": asked_id, "error": str(error)}), False


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is not JSON")


_REQUESTS = json.JSONDecoder(parse_constant=_no_number)


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
    export = _verb(inner, "export", _rules_export, "Print every rule file as one table.")
    export.add_argument("--format", choices=("csv", "json"), default="csv")
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
    for directory in chosen.directory:
        if not directory.is_dir():
            raise InvalidInput(f"{directory} is no folder; name folders of rule files")
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


def _rules_export(chosen: argparse.Namespace) -> int:
    rulesheet = import_module("askfirst.rulesheet")
    if chosen.json or chosen.format == "json":
        _print_json(rulesheet.to_json(packaged()))
    else:
        sys.stdout.write(rulesheet.to_csv(packaged()))
    return YES


def _rules_new(chosen: argparse.Namespace) -> int:
    if not AREA_CODE.fullmatch(chosen.code):
        raise InvalidInput(
            f"{chosen.code!r} is no place; expected an ISO 3166 code such as NO or US-CA"
        )
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
    if find_spec("cryptography") is None:
        raise NotInstalled("the verifier of bundles (cryptography)", "verify")
    if not chosen.bundle.is_file():
        raise InvalidInput(f"there is no bundle {chosen.bundle}; name a zip file")
    verifier = import_module("askfirst.verify")
    try:
        report = verifier.verify(chosen.bundle, chosen.key)
    except verifier.VerificationError as error:
        if chosen.json:
            _print_json({"verified": False, "error": str(error)})
        else:
            print(f"NOT VERIFIED: {error}")
        return NO
    except verifier.CannotRun as error:
        raise Unavailable(str(error)) from error
    if chosen.json:
        _print_json({"verified": True, **asdict(report)})
    else:
        print(report.text(), end="")
    return YES


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
    export.add_argument("--signed", action="store_true", help="sign the vCon")
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
    print(_in_json(document, indent=1))


def _in_json(document: object, indent: int | None = None) -> str:
    """JSON in letters that standard output takes, in plain escapes where it does not take them."""
    written = json.dumps(document, ensure_ascii=False, indent=indent, default=_plain)
    return written if _can_print(written) else json.dumps(document, indent=indent, default=_plain)


def _can_print(written: str) -> bool:
    """Whether standard output takes every letter of a text."""
    try:
        written.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _plain(value: object) -> object:
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decision):
        return to_json(value)
    raise TypeError(f"{type(value).__name__} has no place in a document")


if __name__ == "__main__":
    sys.exit(main())
