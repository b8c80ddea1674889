"""The verbs of the command line that need the server: parsed arguments in, exit status out."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import timedelta
from pathlib import Path

import sqlalchemy as sa

from askfirst.audio.container import decode, encode_wav
from askfirst.clock import LoopClock, run_scaled
from askfirst.errors import InvalidInput, NotFound, Unverified
from askfirst.ledger import Kind, split_notes
from askfirst.policy import PLACE_CODE, Policy
from askfirst.server import accounts, legalholds, subjectrights, tokens
from askfirst.server import demo as demonstration
from askfirst.server.account import account
from askfirst.server.clock import utc_now
from askfirst.server.database import calls, reading, recordings, transaction
from askfirst.server.erasurereplay import replay
from askfirst.server.export import vcon_of
from askfirst.server.node import Node
from askfirst.server.playback import Playback
from askfirst.server.searchindex import Damaged
from askfirst.server.searchupkeep import rebuild
from askfirst.server.settings import FILE, read_settings
from askfirst.server.signing import VconSigner
from askfirst.server.simulation import request_for, simulate
from askfirst.server.store import Store
from askfirst.telephony.persona import packaged_persona

YES, NO = 0, 1
OPERATOR = "operator"
"""Who acts on the command line, in the ledger."""


def demo(chosen: argparse.Namespace) -> int:
    """Call the eight personas; 0 if every check held."""
    logging.getLogger("askfirst").propagate = False
    told = (lambda _: None) if chosen.json else _tell
    shown = demonstration.run(chosen.out, told)
    if chosen.json:
        _print(shown.document)
    else:
        print(demonstration.table(shown))
    for fault in shown.faults:
        print(f"askfirst: {fault}", file=sys.stderr)
    return NO if shown.faults else YES


def _tell(step: str) -> None:
    print(f"  {step} …", file=sys.stderr, flush=True)


def call(chosen: argparse.Namespace) -> int:
    """Call one simulated person and say what became of it."""
    persona = packaged_persona(chosen.persona)
    if chosen.agent is not None and not PLACE_CODE.fullmatch(chosen.agent):
        raise InvalidInput(
            f"--agent is {chosen.agent!r}; expected an ISO 3166 code such as NO or US-CA"
        )
    request = request_for(persona, chosen.agent)
    if chosen.policy is not None:
        try:
            wishes = tomllib.loads(chosen.policy.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise InvalidInput(
                f"the policy file {chosen.policy} cannot be used: {error}"
            ) from error
        request = replace(request, policy=Policy.parse(wishes))
    node = Node.open(chosen.out)
    try:
        made = run_scaled(simulate(node, LoopClock(), persona, request), demonstration.SPEED)
        node.jobs.wait()
        with reading(node.store.engine) as connection:
            row = connection.execute(sa.select(calls).where(calls.c.id == made.id)).one()
    finally:
        node.close()
    found = {
        "call": made.id,
        "outcome": {"code": row.outcome, "reason": row.outcome_reason},
        "proof": row.proof,
        "notice_check": {"verdict": row.verdict or "not-needed", "at_ms": row.verdict_at_ms},
        "decision": row.decision,
    }
    if chosen.json:
        _print(found)
    else:
        print(f"{made.id}  {row.outcome}: {row.outcome_reason}")
    return YES


def checkpoint(chosen: argparse.Namespace) -> int:
    """Sign the ledger's present state."""
    with opened(chosen.data) as store:
        note, key = store.ledger.checkpoint(utc_now()), store.ledger.verifier_key
    if chosen.json:
        _print({"checkpoint": note, "key": key})
    else:
        print(note, end="")
    return YES


def search_rebuild(chosen: argparse.Namespace) -> int:
    """Empty the search index and order every recording that may be searched to be learnt anew."""
    with opened(chosen.data) as store:
        try:
            store.search.empty()
        except Damaged:
            store.search.remake()
        count = rebuild(store, utc_now())
    if chosen.json:
        _print({"recordings": count})
    else:
        print(f"{count} recordings are learnt anew by the process that runs the installation,")
        print("within the hour, or as soon as one is started")
    return YES


def verify(chosen: argparse.Namespace) -> int:
    """Hash every entry again; 1 with the reason when something does not hold."""
    pinned = [note for path in chosen.checkpoint for note in _notes(path)]
    with opened(chosen.data) as store:
        try:
            found = store.ledger.verify(pinned)
        except Unverified as error:
            if chosen.json:
                _print({"verified": False, "error": str(error)})
            else:
                print(f"NOT VERIFIED: {error}")
            return NO
    if chosen.json:
        _print({"verified": True, **asdict(found)})
    else:
        elsewhere = f", continues {found.pinned} kept elsewhere" if pinned else ""
        print(
            f"{found.size} entries, {found.checkpoints} checkpoints, root {found.root}: "
            f"holds{elsewhere}"
        )
    return YES


def _notes(path: Path) -> tuple[str, ...]:
    """The checkpoints in a file."""
    try:
        return split_notes(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeError, InvalidInput) as error:
        raise InvalidInput(f"--checkpoint {path} cannot be read: {error}") from error


def prove(chosen: argparse.Namespace) -> int:
    """Prove that an entry is in the ledger; a proof is JSON with and without ``--json``."""
    with opened(chosen.data) as store:
        _print(store.ledger.prove(chosen.entry, utc_now()))
    return YES


def recordings_list(chosen: argparse.Namespace) -> int:
    """List recordings, newest last."""
    with opened(chosen.data) as store, reading(store.engine) as connection:
        rows = connection.execute(sa.select(recordings).order_by(recordings.c.id)).all()
    if chosen.json:
        _print(
            [
                {
                    "id": row.id,
                    "call": row.call,
                    "state": row.state,
                    "seconds": None if row.duration_ms is None else row.duration_ms / 1000,
                    "legal_hold": row.legal_hold,
                }
                for row in rows
            ]
        )
    else:
        for row in rows:
            length = "" if row.duration_ms is None else f"{row.duration_ms / 1000:.1f} s"
            print(f"{row.id}  {row.state:<12}{length}{'  held' if row.legal_hold else ''}")
        print(f"{len(rows)} recordings")
    return YES


def recordings_export(chosen: argparse.Namespace) -> int:
    """Export one recording as a vCon, a WAV file or an evidence bundle; the access is entered."""
    if chosen.signed and chosen.format != "vcon":
        raise InvalidInput(f"--signed is for vCons; a {chosen.format} is not signed this way")
    with opened(chosen.data) as store:
        with reading(store.engine) as connection:
            of_call = connection.execute(
                sa.select(recordings.c.call).where(recordings.c.id == chosen.id)
            ).scalar_one_or_none()
        if of_call is None:
            raise NotFound(f"no recording {chosen.id}; see: askfirst recordings list")
        # Neither of these needs the jobs of a node, whose start ends the calls of a crash.
        if chosen.format == "wav":
            audio = Playback(store).play(
                chosen.id, person=OPERATOR, purpose="export", kind=Kind.ACCESS_EXPORTED
            )
            data = encode_wav(*decode(audio))
        elif chosen.format == "bundle":
            data = store.ledger.bundle(of_call, utc_now())
    if chosen.format == "vcon":
        node = Node.open(chosen.data)
        try:
            document = vcon_of(node, of_call, person=OPERATOR, purpose="export")
            if chosen.signed:
                signer = VconSigner(node.store.folder / "keys", node.store.keys, utc_now())
                document = signer.sign(document)
        finally:
            node.close()
        data = json.dumps(document, ensure_ascii=False).encode()
    # The name is built from an id that was found, never from what was typed.
    out: Path = chosen.out or Path(f"{chosen.id}.{_ENDINGS[chosen.format]}")
    try:
        out.write_bytes(data)
    except OSError as error:
        raise InvalidInput(
            f"{out} cannot be written: {error.strerror}; name another file with --out"
        ) from error
    if chosen.json:
        _print({"file": str(out), "bytes": len(data)})
    else:
        print(f"{out}: {len(data)} bytes")
    return YES


_ENDINGS = {"vcon": "vcon", "wav": "wav", "bundle": "zip"}


def recordings_hold(chosen: argparse.Namespace) -> int:
    """Place a legal hold."""
    return _hold(chosen, held=True)


def recordings_release(chosen: argparse.Namespace) -> int:
    """Release a legal hold."""
    return _hold(chosen, held=False)


def _hold(chosen: argparse.Namespace, *, held: bool) -> int:
    change = legalholds.place if held else legalholds.release
    with opened(chosen.data) as store:
        try:
            change(store, chosen.id, OPERATOR, chosen.reason, utc_now())
        except NotFound as error:
            raise NotFound(f"{error}; see: askfirst recordings list") from error
    print(json.dumps({"id": chosen.id, "legal_hold": held}) if chosen.json else "done")
    return YES


def erase(chosen: argparse.Namespace) -> int:
    """Erase one recording, or all of a person by number; --dry-run only says which."""
    with opened(chosen.data) as store:
        with reading(store.engine) as connection:
            person = subjectrights.who(
                connection,
                number=chosen.number,
                recording=chosen.recording,
                default_region=account(connection).region,
            )
        done = subjectrights.erase_person(store, person, None, utc_now(), dry_run=chosen.dry_run)
    if chosen.json:
        person_too = {"calls": done["calls"], "forgotten_in": done["forgotten_in"]}
        void = {} if chosen.dry_run else {"backups_void_at": done["backups_void_at"]}
        _print({"items": done["items"], **(person_too if chosen.number else {}), **void})
    else:
        for item in done["items"]:
            print(f"{item['id']}  {item['outcome']}")
        if chosen.number:
            print(
                f"the number stands in {done['calls']} calls and was forgotten in "
                f"{done['forgotten_in']}"
            )
        if not chosen.dry_run:
            print(f"unreadable in backups by {done['backups_void_at'][:10]}")
    if done["traces_left"]:
        print("askfirst: the database is in use; its log is emptied later", file=sys.stderr)
    return YES


def user_token(chosen: argparse.Namespace) -> int:
    """Make a token with which a program acts for somebody; its secret is printed this once."""
    scopes = [word.strip() for word in chosen.scopes.split(",") if word.strip()]
    lasts = timedelta(days=max(0, min(chosen.days, 10_000)))
    wanted = chosen.email.strip().lower()
    with opened(chosen.data) as store, transaction(store.engine) as connection:
        people = {each.email: each for each in accounts.all_users(connection)}
        if wanted not in people or people[wanted].is_disabled:
            raise NotFound("nobody who may sign in has this address; see the page Users")
        made, secret = tokens.make(
            connection, people[wanted], chosen.name, scopes, utc_now(), lasts
        )
    if chosen.json:
        _print({"id": made.id, "scopes": sorted(made.scopes), "token": secret})
    else:
        print(secret)
    return YES


@contextmanager
def opened(folder: Path) -> Iterator[Store]:
    """An installation that is there already; a mistyped folder does not make another."""
    if not (folder / "askfirst.db").is_file():
        raise NotFound(f"no installation in {folder}; name its folder with --data")
    stated = read_settings(Path(FILE), os.environ, {})
    store = Store.open(folder, search=stated.search_database)
    try:
        replay(store, utc_now())
        yield store
    finally:
        store.close()


def _print(document: object) -> None:
    print(json.dumps(document, ensure_ascii=False, indent=1))
