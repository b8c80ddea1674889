"""The verb ``import``: recordings that another system keeps are brought over, and judged.

Only the arguments are here; what fetches, recognises and stores is imported when it is used.
Credentials come from the environment alone: arguments are seen by everybody on a machine.
"""

from __future__ import annotations

import argparse
import asyncio
import fcntl
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, date, datetime, time
from importlib import import_module
from pathlib import Path
from typing import Any

from askfirst.auditing import Law
from askfirst.console import FAULT, NO, YES, add_verb, heard_language, place_named, print_json
from askfirst.errors import InvalidInput, Misconfigured, NotInstalled, Refused

ACCOUNT, TOKEN = "TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN"
KEY, SECRET = "TWILIO_API_KEY", "TWILIO_API_SECRET"
ADDRESS = "TWILIO_BASE_URL"
LOCK = "import.lock"


def add(verbs: Any) -> None:
    """Add ``import`` to the command line."""
    told = "Bring recordings over that another system keeps."
    sources = verbs.add_parser("import", help=told, description=told).add_subparsers(
        title="sources", metavar="SOURCE", required=True
    )
    verb = add_verb(sources, "twilio", _twilio, "Bring over what an account of Twilio keeps.")
    _add_common(verb)
    verb.add_argument("--since", metavar="DATE", help="only what was made on that day or later")
    verb.add_argument(
        "--ours", metavar="NUMBER", action="append", default=[], help="a number of our side"
    )
    verb.add_argument(
        "--dry-run", action="store_true", help="say what the law would have asked; fetch nothing"
    )
    verb.add_argument(
        "--delete-at-source",
        action="store_true",
        help="delete at Twilio what is here, encrypted, and was read again",
    )
    verb = add_verb(sources, "hubspot", _hubspot, "Bring over calls that HubSpot has exported.")
    _add_common(verb)
    verb.add_argument("--export", metavar="FILE", type=Path, required=True, help="CSV or JSON")
    verb.add_argument(
        "--audio", metavar="DIR", type=Path, required=True, help="files named by the ids of calls"
    )
    verb.add_argument("--dry-run", action="store_true", help="say what the law would have asked")


def _add_common(verb: Any) -> None:
    """What every source asks for."""
    verb.add_argument("--data", type=Path, default=Path("askfirst-data"), help="the installation")
    verb.add_argument(
        "--agent", metavar="PLACE", required=True, help="where the agents were, such as NO or US-TX"
    )
    verb.add_argument("--recorder", metavar="PLACE", help="where the recorder ran")
    verb.add_argument("--both", action="store_true", help="read the contact's channel too")
    verb.add_argument("--basis", metavar="TEXT", help="on what basis the contact's words are read")
    verb.add_argument("--language", default="en", help="the language that is spoken: en, nb, de")
    verb.add_argument("--model", metavar="NAME", help="a fetched model, or the folder of one")
    verb.add_argument("--csv", metavar="FILE", type=Path, help="write the report as CSV")


def _twilio(chosen: argparse.Namespace) -> int:
    if chosen.dry_run and chosen.delete_at_source:
        raise InvalidInput("found --dry-run with --delete-at-source; a dry run deletes nothing")
    client = _client(os.environ)
    twilioimport, report = _part("twilioimport"), _part("importreport")
    wish = twilioimport.Wish(
        agent=place_named("agent", chosen.agent),
        since=_since(chosen.since),
        ours=frozenset(chosen.ours),
        language=heard_language(chosen.language),
        is_dry=chosen.dry_run,
        deletes=chosen.delete_at_source,
    )
    with _importing(chosen) as (store, law, importer):

        async def main() -> list[Any]:
            lines = []
            async with client:
                run = twilioimport.run(client, wish, law, store, importer, _now)
                async for line in run:
                    lines.append(line)
                    print(report.progress(line), file=sys.stderr)
            return lines

        lines = asyncio.run(main())
    return _tell(chosen, lines, report, "twilio")


def _hubspot(chosen: argparse.Namespace) -> int:
    hubspotimport, report = _part("hubspotimport"), _part("importreport")
    agent, spoken = place_named("agent", chosen.agent), heard_language(chosen.language)
    if not chosen.audio.is_dir():
        raise InvalidInput(f"--audio is {chosen.audio}; expected the folder with the recordings")
    try:
        content = chosen.export.read_bytes()
    except OSError as error:
        raise InvalidInput(
            f"the export {chosen.export} cannot be read: {error.strerror}; name a file that can"
        ) from error
    lines = []
    with _importing(chosen) as (store, law, importer):
        made = None if chosen.dry_run else importer
        run = hubspotimport.run(content, chosen.audio, agent, spoken, law, store, made, _now)
        for line in run:
            lines.append(line)
            print(report.progress(line), file=sys.stderr)
    return _tell(chosen, lines, report, "hubspot")


@contextmanager
def _importing(chosen: argparse.Namespace) -> Iterator[tuple[Any, Law, Any]]:
    """An installation, its law, and what makes an `Importer` into it when one is needed.

    Raises NotFound without an installation, Refused while another import runs.
    """
    commands, auditrun = _part("commands"), _part("auditrun")
    reach = auditrun.Reach(chosen.both, chosen.basis)
    with ExitStack() as stack:
        store = stack.enter_context(commands.opened(chosen.data))
        stack.enter_context(_alone(chosen.data / LOCK))
        rules = _part("node").rules_of(chosen.data)
        with _part("database").reading(store.engine) as connection:
            policy = _part("account").account(connection).policy()
        recorder = None if chosen.recorder is None else place_named("recorder", chosen.recorder)
        overrides = _part("overrideregister").counting(store, rules)
        law = Law(rules, policy, overrides, recorder)

        def importer() -> Any:
            recognizer = _part("models").recognizer(chosen.model, chosen.data)
            stack.callback(recognizer.close)
            return _part("importing").Importer(store, law, reach, recognizer)

        yield store, law, importer


def _tell(chosen: argparse.Namespace, lines: Sequence[Any], report: Any, source: str) -> int:
    """Give the report, and the status: 0 where all is in order, 1 where something is locked or
    refused."""
    if chosen.csv is not None:
        _part("durable").replace_file(chosen.csv, "".join(report.csv_lines(lines)).encode())
    if chosen.json:
        print_json(report.to_json(lines, source))
    else:
        sys.stdout.write(report.summary(lines, source) + "\n")
    if any(each.error or each.deletion not in ("", "deleted") for each in lines):
        return FAULT
    return NO if any(each.outcome in ("quarantined", "refused") for each in lines) else YES


def _client(environment: Any) -> Any:
    account = environment.get(ACCOUNT, "")
    key, secret = environment.get(KEY, ""), environment.get(SECRET, "")
    if not account or not (environment.get(TOKEN) or (key and secret)):
        raise Misconfigured(
            f"the credentials of Twilio are not there; set {ACCOUNT}, and {TOKEN} or {KEY} with "
            f"{SECRET}, in the environment"
        )
    values = _part("twiliovalues", "telephony")
    twilio = _part("twilioclient", "telephony")
    credentials = (
        values.TwilioCredentials(account, secret, key)
        if key and secret
        else values.TwilioCredentials(account, environment[TOKEN])
    )
    return twilio.TwilioClient(credentials, environment.get(ADDRESS) or twilio.BASE_URL)


def _part(name: str, folder: str = "server") -> Any:
    try:
        return import_module(f"askfirst.{folder}.{name}")
    except ImportError as error:
        raise NotInstalled(f"what stores recordings ({error.name})", "all") from error


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise Refused("another import runs in this installation; wait for it") from error
    finally:
        os.close(handle)


def _since(text: str | None) -> datetime | None:
    try:
        day = None if text is None else date.fromisoformat(text)
    except ValueError as error:
        raise InvalidInput(f"--since is {text!r}; expected a day such as 2026-11-23") from error
    return None if day is None else datetime.combine(day, time(), UTC)


def _now() -> datetime:
    return datetime.now(UTC)
