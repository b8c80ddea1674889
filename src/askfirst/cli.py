"""The command line. Every verb is a few lines over the core or, where it needs one, the server.

Exit status: 0 yes, 1 no, 2 misuse, 3 fault; `decide` gives 0 for any decision. With `--json`
standard output is only the document. Nothing that a caller types or pipes in ends in a traceback.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NoReturn, TextIO

from askfirst import auditverbs, importverbs, modelverbs, ruleverbs
from askfirst.console import (
    FAULT,
    MISUSE,
    NO,
    YES,
    add_verb,
    can_print,
    in_json,
    print_json,
    read_toml,
    today,
)
from askfirst.decide import request
from askfirst.errors import (
    AskfirstError,
    InvalidInput,
    NotFound,
    NotInstalled,
    Unavailable,
)
from askfirst.explain import text, to_json, to_json_line
from askfirst.model import Decision, Purpose
from askfirst.notice import LANGUAGES as NOTICE_LANGUAGES
from askfirst.wording import LANGUAGES


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
    ruleverbs.add(verbs)
    auditverbs.add(verbs)
    importverbs.add(verbs)
    modelverbs.add(verbs)
    _add_ledger(verbs)
    for add in _SERVER_VERBS:
        add(verbs)
    return parser


# decide


def _add_decide(verbs: Any) -> None:
    verb = add_verb(verbs, "decide", _decide, "Say whether a call may be recorded, and why.")
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
    ruleverbs.add_rulebook_options(verb)


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
        "policy": {} if chosen.policy is None else read_toml(chosen.policy, "policy file"),
    }
    asked |= {
        key: value
        for key, value in (("purpose", chosen.purpose), ("on", chosen.on))
        if value is not None
    }
    rules = ruleverbs.rulebook(chosen)
    decision = request(asked, today(), rules, ruleverbs.overrides(chosen, rules))
    if chosen.json:
        print_json(to_json(decision, chosen.notice_lang))
    else:
        print(text(decision, chosen.lang))
    return YES


STDIN = "-"
NO_REASON = "no reason was given on the command line"
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
    if name == STDIN:
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
    on, rules = today(), ruleverbs.rulebook(chosen)
    overrides = ruleverbs.overrides(chosen, rules)

    def decided(asked: Mapping[str, object]) -> Decision:
        return request({"language": chosen.lang, **asked}, on, rules, overrides)

    for line in lines:
        if not line.strip():
            continue
        answer, is_decision = _answer_line(line, decided, chosen.notice_lang)
        if not is_decision:
            status = MISUSE
        # At once, for whoever waits for each answer before asking on; a file waits for nobody.
        print(answer, flush=chosen.batch == STDIN)
    return status


def _answer_line(
    line: str, decided: Callable[[Mapping[str, object]], Decision], notice_language: str | None
) -> tuple[str, bool]:
    """The answer as JSON, and whether it is a decision."""
    asked_id: object = None
    try:
        asked = _REQUESTS.decode(line)
        if not isinstance(asked, dict):
            raise InvalidInput("found something else than an object; expected one request a line")
        if isinstance(asked.get("id"), str | int):
            asked_id = asked["id"]
        decision = decided(asked)
        written = to_json_line(decision, notice_language)
        plain = can_print(written)
        return written if plain else in_json(to_json(decision, notice_language)), True
    except (ValueError, RecursionError):
        what = "this line is not JSON; expected one request object a line"
        return in_json({"id": None, "error": what}), False
    except AskfirstError as error:
        return in_json({"id": asked_id, "error": str(error)}), False


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is not JSON")


_REQUESTS = json.JSONDecoder(parse_constant=_no_number)


# ledger


def _add_ledger(verbs: Any) -> None:
    ledger = verbs.add_parser("ledger", help="Sign, check and prove what was entered.")
    inner = ledger.add_subparsers(title="commands", metavar="COMMAND", required=True)
    verify = add_verb(inner, "verify", _ledger_verify, "Check a bundle, or the whole ledger.")
    verify.add_argument("bundle", nargs="?", type=Path, metavar="BUNDLE.zip")
    verify.add_argument("--key", help="the ledger's public key, known from elsewhere")
    verify.add_argument(
        "--checkpoint",
        nargs="+",
        action="extend",
        default=[],
        type=Path,
        metavar="FILE",
        help="checkpoints of the whole ledger that were kept elsewhere",
    )
    _data(verify)
    _data(add_verb(inner, "checkpoint", _server("checkpoint"), "Sign the ledger's present state."))
    prove = add_verb(inner, "prove", _server("prove"), "Prove that an entry is in the ledger.")
    prove.add_argument("entry", type=int)
    _data(prove)


def _ledger_verify(chosen: argparse.Namespace) -> int:
    if chosen.bundle is None:
        return _server("verify")(chosen)
    if chosen.checkpoint:
        raise InvalidInput(
            "--checkpoint is for the whole ledger; a bundle has the proofs for its own. Leave "
            "either out"
        )
    if find_spec("cryptography") is None:
        raise NotInstalled("the verifier of bundles (cryptography)", "verify")
    if not chosen.bundle.is_file():
        raise InvalidInput(f"there is no bundle {chosen.bundle}; name a zip file")
    verifier = import_module("askfirst.verify")
    try:
        report = verifier.verify(chosen.bundle, chosen.key)
    except verifier.VerificationError as error:
        if chosen.json:
            print_json({"verified": False, "error": str(error)})
        else:
            print(f"NOT VERIFIED: {error}")
        return NO
    except verifier.CannotRun as error:
        raise Unavailable(str(error)) from error
    if chosen.json:
        print_json({"verified": True, **asdict(report)})
    else:
        print(report.text(), end="")
    return YES


# verbs of the server

_KEY_VERBS = "askfirst.server.keyverbs"


def _server(
    name: str, module: str = "askfirst.server.commands"
) -> Callable[[argparse.Namespace], int]:
    """A verb of the server, whose module is imported only when it is used."""

    def run(chosen: argparse.Namespace) -> int:
        try:
            commands = import_module(module)
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
    verb = add_verb(verbs, "call", _server("call"), "Call a simulated person.")
    verb.add_argument("persona")
    verb.add_argument("--agent", metavar="PLACE", help="where the agent is")
    verb.add_argument("--policy", metavar="FILE.toml", type=Path)
    verb.add_argument("--out", type=Path, default=Path("askfirst-data"), help="data folder")


def _add_demo(verbs: Any) -> None:
    verb = add_verb(verbs, "demo", _server("demo"), "Call the eight personas and prove the claims.")
    verb.add_argument("--out", type=Path, default=Path("demo-out"))


def _add_recordings(verbs: Any) -> None:
    recordings = verbs.add_parser("recordings", help="List, export, hold and release recordings.")
    inner = recordings.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _data(add_verb(inner, "list", _server("recordings_list"), "List recordings."))
    export = add_verb(inner, "export", _server("recordings_export"), "Export one recording.")
    export.add_argument("id")
    export.add_argument("--format", choices=("vcon", "wav", "bundle"), required=True)
    export.add_argument("--out", type=Path)
    export.add_argument("--signed", action="store_true", help="sign the vCon")
    _data(export)
    for name, told in (
        ("hold", "Keep a recording whatever its period says."),
        ("release", "End a legal hold."),
    ):
        verb = add_verb(inner, name, _server(f"recordings_{name}"), told)
        verb.add_argument("id")
        verb.add_argument("--reason", default=NO_REASON, help="why; kept with the recording")
        _data(verb)


def _add_erase(verbs: Any) -> None:
    verb = add_verb(
        verbs, "erase", _server("erase"), "Erase recordings, their words and their keys."
    )
    which = verb.add_mutually_exclusive_group(required=True)
    which.add_argument("--recording", metavar="ID")
    which.add_argument("--number", metavar="NUMBER")
    verb.add_argument("--dry-run", action="store_true", help="say what would be erased")
    _data(verb)


def _add_backup(verbs: Any) -> None:
    inner = verbs.add_parser("backup", help="Back an installation up while it runs.")
    inner = inner.add_subparsers(title="commands", metavar="COMMAND", required=True)
    make = add_verb(inner, "make", _server("backup_make", _KEY_VERBS), "Copy it into a new folder.")
    make.add_argument("folder", type=Path, metavar="FOLDER")
    make.add_argument(
        "--with-key", action="store_true", help="with the file that wraps the keys; opens them all"
    )
    _data(make)
    sweep = add_verb(
        inner, "sweep", _server("backup_sweep", _KEY_VERBS), "Take the keys of what was erased out."
    )
    sweep.add_argument("folder", nargs="*", type=Path, metavar="FOLDER", help="further backups")
    _data(sweep)


def _add_restore(verbs: Any) -> None:
    verb = add_verb(
        verbs, "restore", _server("restore", _KEY_VERBS), "Restore a backup, or try if that works."
    )
    verb.add_argument(
        "folder",
        nargs="+",
        metavar="[check] FOLDER",
        help="the backup; with check it is only tried",
    )
    verb.add_argument("--key", type=Path, metavar="FILE", help="the file that wraps its keys")
    verb.add_argument(
        "--erasures", type=Path, metavar="FILE", action="append", default=[],
        help="a further erasure list, such as that of a lost installation",
    )  # fmt: skip
    _data(verb)


def _add_keys(verbs: Any) -> None:
    keys = verbs.add_parser("keys", help="What wraps the keys: see, rotate and move it.")
    inner = keys.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _data(add_verb(inner, "status", _server("keys_status", _KEY_VERBS), "Say how keys are kept."))
    rotate = _server("keys_rotate", _KEY_VERBS)
    _data(add_verb(inner, "rotate", rotate, "Wrap all keys with a new one; destroy the old one."))
    move = add_verb(
        inner, "move", _server("keys_move", _KEY_VERBS), "Wrap all keys with one elsewhere."
    )
    move.add_argument("to", choices=("file", "openbao"))
    move.add_argument("--settings", type=Path, metavar="FILE.toml", help="askfirst.toml if there")
    _data(move)


def _add_serve(verbs: Any) -> None:
    serve = _server("serve", "askfirst.web.serving")
    verb = add_verb(verbs, "serve", serve, "Serve the pages and the HTTP interface.")
    verb.add_argument("--settings", type=Path, metavar="FILE.toml", help="askfirst.toml if there")
    verb.add_argument("--host", help="the address to listen on, 127.0.0.1 by default")
    verb.add_argument("--port", type=int, help="8470 by default")
    verb.add_argument("--data", type=Path, help="the installation's folder, askfirst-data")
    verb.add_argument("--public-url", metavar="URL", help="the address that people type")
    verb.add_argument("--tls-cert", type=Path, metavar="FILE", help="certificate chain, PEM")
    verb.add_argument("--tls-key", type=Path, metavar="FILE", help="its private key, PEM")
    verb.add_argument("--self-signed", action="store_true", help="https for a trial")
    verb.add_argument(
        "--media-workers", type=int, help="processes that carry calls; 0 (default): this one"
    )
    verb.add_argument("--roles", help="web,worker,media: what this process does; all by default")
    verb.add_argument("--demo", action="store_true", help="with made-up people, contacts and calls")


def _add_search(verbs: Any) -> None:
    search = verbs.add_parser("search", help="The index of what was said.")
    inner = search.add_subparsers(title="commands", metavar="COMMAND", required=True)
    anew = _server("search_rebuild")
    _data(add_verb(inner, "rebuild", anew, "Make the index anew from the transcripts."))


def _add_doctor(verbs: Any) -> None:
    verb = add_verb(verbs, "doctor", _doctor, "Say what this machine lacks, and what to do.")
    verb.add_argument("--settings", type=Path, metavar="FILE.toml", help="askfirst.toml if there")
    verb.add_argument("--data", type=Path, help="the installation's folder, askfirst-data")


def _doctor(chosen: argparse.Namespace) -> int:
    doctor = import_module("askfirst.server.doctor")
    if chosen.settings is not None and not chosen.settings.is_file():
        raise InvalidInput(f"there are no settings {chosen.settings}; name a file that is there")
    found = doctor.examine(
        chosen.settings or Path("askfirst.toml"), os.environ, {"data": chosen.data}
    )
    if chosen.json:
        print_json([asdict(each) for each in found])
    else:
        for each in found:
            print(f"{each.state:<9}{each.name:<13}{each.says}")
            if each.do:
                print(f"{'':<22}→ {each.do}")
    return NO if any(each.state == "missing" for each in found) else YES


def _add_user(verbs: Any) -> None:
    user = verbs.add_parser("user", help="People of the account, and programs that act for them.")
    inner = user.add_subparsers(title="commands", metavar="COMMAND", required=True)
    token = add_verb(
        inner,
        "token",
        _server("user_token"),
        "Make a token with which a program acts for somebody.",
    )
    token.add_argument("email", help="whom the program acts for")
    token.add_argument(
        "--scopes", required=True, metavar="LIST", help="what it may do, such as calls.read"
    )
    token.add_argument("--name", default="command line", help="what the token is called")
    token.add_argument("--days", type=int, default=90, help="how long it lasts, 90 by default")
    _data(token)


_SERVER_VERBS: Iterable[Callable[[Any], None]] = (
    _add_serve,
    _add_call,
    _add_demo,
    _add_recordings,
    _add_erase,
    _add_backup,
    _add_restore,
    _add_keys,
    _add_search,
    _add_user,
    _add_doctor,
)


if __name__ == "__main__":
    sys.exit(main())
