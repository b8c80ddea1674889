"""The verbs of the command line that need the server: parsed arguments in, exit status out."""

from __future__ import annotations

import argparse
import json
import logging
import sys
import tomllib
from dataclasses import replace
from pathlib import Path

import sqlalchemy as sa

from askfirst.audio.container import decode, encode_wav
from askfirst.clock import LoopClock, run_scaled
from askfirst.errors import InvalidInput, NotFound
from askfirst.ledger import Kind
from askfirst.policy import Policy
from askfirst.server import demo as demonstration
from askfirst.server import erasure
from askfirst.server.clock import utc_now
from askfirst.server.database import calls, parties, reading, recordings, transaction
from askfirst.server.export import bundle_of, vcon_of
from askfirst.server.node import Node
from askfirst.server.simulation import request_for, simulate
from askfirst.server.store import Store
from askfirst.telephony.persona import packaged_persona

YES, NO = 0, 1


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
    request = request_for(persona, chosen.agent)
    if chosen.policy is not None:
        try:
            wishes = tomllib.loads(chosen.policy.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
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
    store = _store(chosen.data)
    note = store.ledger.checkpoint(utc_now())
    if chosen.json:
        _print({"checkpoint": note, "key": store.ledger.verifier_key})
    else:
        print(note, end="")
    store.close()
    return YES


def verify(chosen: argparse.Namespace) -> int:
    """Hash every entry again; 3 with the reason when something does not hold."""
    store = _store(chosen.data)
    found = store.ledger.verify()
    if chosen.json:
        _print({"size": found.size, "root": found.root, "checkpoints": found.checkpoints})
    else:
        print(f"{found.size} entries, {found.checkpoints} checkpoints, root {found.root}: holds")
    store.close()
    return YES


def prove(chosen: argparse.Namespace) -> int:
    """Prove that an entry is in the ledger."""
    store = _store(chosen.data)
    _print(store.ledger.prove(chosen.entry, utc_now()))
    store.close()
    return YES


def recordings_list(chosen: argparse.Namespace) -> int:
    """List recordings, newest last."""
    store = _store(chosen.data)
    with reading(store.engine) as connection:
        rows = connection.execute(sa.select(recordings).order_by(recordings.c.id)).all()
    store.close()
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
    out: Path = chosen.out or Path(f"{chosen.id}.{_ENDINGS[chosen.format]}")
    node = Node.open(chosen.data)
    try:
        with reading(node.store.engine) as connection:
            of_call = connection.execute(
                sa.select(recordings.c.call).where(recordings.c.id == chosen.id)
            ).scalar_one_or_none()
        if of_call is None:
            raise NotFound(f"no recording {chosen.id}; see: askfirst recordings list")
        if chosen.format == "vcon":
            document = vcon_of(node, of_call, person="operator", purpose="export")
            data = json.dumps(document, ensure_ascii=False).encode()
        elif chosen.format == "bundle":
            data = bundle_of(node, of_call)
        else:
            audio = node.playback.play(
                chosen.id, person="operator", purpose="export", kind=Kind.ACCESS_EXPORTED
            )
            data = encode_wav(*decode(audio))
    finally:
        node.close()
    out.write_bytes(data)
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
    store = _store(chosen.data)
    with transaction(store.engine) as connection:
        changed = connection.execute(
            recordings.update().where(recordings.c.id == chosen.id).values(legal_hold=held)
        )
        if changed.rowcount == 0:
            raise NotFound(f"no recording {chosen.id}; see: askfirst recordings list")
        kind = Kind.LEGAL_HOLD_PLACED if held else Kind.LEGAL_HOLD_RELEASED
        store.ledger.append(connection, kind, utc_now(), recording=chosen.id)
    store.close()
    print(json.dumps({"id": chosen.id, "legal_hold": held}) if chosen.json else "done")
    return YES


def erase(chosen: argparse.Namespace) -> int:
    """Erase one recording, or all of a number; with --dry-run only say which."""
    store = _store(chosen.data)
    with reading(store.engine) as connection:
        query = sa.select(recordings.c.id, recordings.c.state, recordings.c.legal_hold)
        if chosen.recording is not None:
            query = query.where(recordings.c.id == chosen.recording)
        else:
            query = query.join(parties, parties.c.call == recordings.c.call).where(
                parties.c.number == chosen.number
            )
        found = connection.execute(query).all()
    if not found:
        raise NotFound("no recording fits; nothing was erased")
    items = []
    for row in found:
        if not chosen.dry_run and row.state != "erased":
            with transaction(store.engine) as connection:
                erasure.intend(store, connection, row.id, "request", utc_now())
            if not row.legal_hold:
                erasure.erase(store, row.id, utc_now())
        outcome = "held" if row.legal_hold else "would-erase" if chosen.dry_run else "erased"
        items.append({"id": row.id, "outcome": outcome})
    store.close()
    if chosen.json:
        _print({"items": items})
    else:
        for item in items:
            print(f"{item['id']}  {item['outcome']}")
    return YES


def _store(folder: Path) -> Store:
    if not (folder / "askfirst.db").is_file():
        raise NotFound(f"no installation in {folder}; name its folder with --data")
    return Store.open(folder)


def _print(document: object) -> None:
    print(json.dumps(document, ensure_ascii=False, indent=1))
