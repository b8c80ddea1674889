"""The main job: call the eight personas, record what the law lets, prove every claim.

`run` does the work and gives the document of the public contract; `table` prints it for people.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from askfirst.clock import LoopClock, run_scaled
from askfirst.errors import InvalidInput
from askfirst.ledger import timestamp
from askfirst.model import UNKNOWN
from askfirst.rules import packaged
from askfirst.server import redactions, transcripts
from askfirst.server.call import Call
from askfirst.server.clock import utc_now
from askfirst.server.database import calls, reading, recordings, timeline
from askfirst.server.emptydisk import EmptyDisk, search
from askfirst.server.export import vcon_of
from askfirst.server.node import Node
from askfirst.server.simulation import simulate
from askfirst.telephony.persona import Persona, StepKind, packaged_personas

PERSONAS = (
    "agrees",
    "presses-one",
    "refuses",
    "told",
    "moves",
    "notice-inside",
    "withdraws",
    "not-told",
)
SPEED = 60.0

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Demonstration:
    """The document of the contract, and whether every check held."""

    document: Mapping[str, Any]
    faults: tuple[str, ...]


def run(out: Path, progress: Progress = lambda _: None) -> Demonstration:
    """Make the demonstration in a folder, which must be empty or an earlier demonstration's.

    Raises InvalidInput for a folder with other things in it; nothing is touched then.
    """
    began = time.monotonic()
    data = _prepared(out)
    logging.getLogger("askfirst").addHandler(_log_file(out))
    packaged()
    personas = packaged_personas()
    node = Node.open(data)
    try:
        made: list[tuple[Persona, Call]] = []
        for name in PERSONAS:
            progress(name)
            made.append((personas[name], run_scaled(_one(node, personas[name]), SPEED)))
        progress("transcripts")
        node.jobs.wait()
        node.store.ledger.checkpoint(utc_now())
        documents = [_call_document(node, persona, call, out) for persona, call in made]
        progress("proofs")
        verified = node.store.ledger.verify()
        texts = _only_before_consent([persona for persona, _ in made])
        disk = search(node.store, [out], texts)
    finally:
        node.close()
    document = {
        "calls": documents,
        "ledger": {"size": verified.size, "root": verified.root, "verified": True},
        "empty_disk": {
            "files_searched": disk.files_searched,
            "bytes_searched": disk.bytes_searched,
            "marker_found": disk.marker_found,
            "control_found": disk.control_found,
        },
        "seconds": round(time.monotonic() - began, 1),
    }
    (out / "demo.json").write_text(json.dumps(document, ensure_ascii=False, indent=1))
    return Demonstration(document, tuple(_faults(documents, personas, disk)))


async def _one(node: Node, persona: Persona) -> Call:
    return await simulate(node, LoopClock(), persona)


def _prepared(out: Path) -> Path:
    data = out / "data"
    if out.exists() and any(out.iterdir()):
        if not (out / "demo.json").is_file() and not (data / "askfirst.db").is_file():
            raise InvalidInput(
                f"the folder {out} holds something else than a demonstration. "
                "Name an empty folder with --out"
            )
        _clear(out)
    data.mkdir(parents=True, exist_ok=True)
    return data


def _clear(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            _clear(path)
            path.rmdir()
        else:
            path.unlink()


def _log_file(out: Path) -> logging.Handler:
    handler = logging.FileHandler(out / "askfirst.log", encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    return handler


def _only_before_consent(called: list[Persona]) -> list[str]:
    """What contacts say before consent and nobody says when it may be kept, by the scripts."""
    before, other = set(), ""
    for persona in called:
        agreed = False
        for step in persona.steps:
            agreed = agreed if step.consent is None else step.consent
            if step.kind is StepKind.SAY and step.value != "agent" and not agreed:
                before.add(step.text)
            elif step.kind is StepKind.SAY:
                other += step.text
    return sorted(text for text in before if text not in other)


def _call_document(node: Node, persona: Persona, call: Call, out: Path) -> dict[str, Any]:
    with reading(node.store.engine) as connection:
        row = connection.execute(sa.select(calls).where(calls.c.id == call.id)).one()
        lines = connection.execute(
            sa.select(timeline).where(timeline.c.call == call.id).order_by(timeline.c.position)
        ).all()
        kept = connection.execute(
            sa.select(recordings)
            .where(recordings.c.call == call.id, recordings.c.duration_ms.is_not(None))
            .order_by(recordings.c.id)
        ).first()
    path = out / "vcon" / f"{persona.name}.vcon"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(vcon_of(node, call.id), ensure_ascii=False, indent=1))
    return {
        "persona": persona.name,
        "decision": row.decision,
        "timeline": [
            {
                "at": timestamp(line.at),
                "call": call.id,
                "state": line.state,
                "because": line.because,
                "ledger": line.ledger,
            }
            for line in lines
        ],
        "outcome": {"code": row.outcome, "reason": row.outcome_reason},
        "recording": None
        if kept is None
        else {
            "id": kept.id,
            "seconds": round(kept.duration_ms / 1000, 2),
            "channels": 2,
            "first_contact_audio_ms": kept.first_contact_ms,
        },
        "transcript": [] if kept is None else _transcript(node, kept.id),
        "notice_check": {
            "verdict": row.verdict or "not-needed",
            "at_ms": row.verdict_at_ms,
        },
        "proof": row.proof,
        "vcon": str(path),
    }


def _transcript(node: Node, recording: str) -> list[dict[str, Any]]:
    """Both sides where that is allowed, else what the check heard of the agent."""
    said = transcripts.current(node.store, recording)
    if said is None:
        kept = node.playback.asset(recording, "own-transcript") or b"[]"
        said = redactions.shown(node.store, recording, transcripts.from_bytes(kept))
    return transcripts.plain(said)


def _faults(
    documents: list[dict[str, Any]], personas: Mapping[str, Persona], disk: EmptyDisk
) -> list[str]:
    """What did not come out as the scripts and the promises say."""
    faults = []
    for document in documents:
        name, expect = document["persona"], personas[document["persona"]].expect
        if expect is None:
            continue
        if document["outcome"]["code"] != expect.outcome.value:
            faults.append(
                f"{name}: outcome {document['outcome']['code']}, expected {expect.outcome.value}"
            )
        if document["recording"] is not None and document["proof"] != int(expect.proof):
            faults.append(f"{name}: proof {document['proof']}, expected {int(expect.proof)}")
        verdict = document["notice_check"]["verdict"]
        if document["recording"] is not None and verdict != expect.notice.value:
            faults.append(f"{name}: notice {verdict}, expected {expect.notice.value}")
    if disk.marker_found:
        faults.append(f"words or tones from before consent were found in {', '.join(disk.where)}")
    if not disk.control_found:
        faults.append("the control tone was not found: the search proves nothing")
    return faults


def table(shown: Demonstration) -> str:
    """The demonstration for people: one line for each call, then the proofs."""
    document = shown.document
    head = (
        f"{'persona':<15}{'place':<10}{'law':<8}{'outcome':<13}{'notice':<12}{'proof':<7}recorded"
    )
    lines = [head, "-" * len(head)]
    for call in document["calls"]:
        decision, recording = call["decision"], call["recording"]
        contact = decision["parties"][1]
        known = [item["code"] for item in contact["places"] if item["code"] != UNKNOWN]
        is_unknown = contact["unknown"] or len(known) < len(contact["places"])
        place = "+".join(["?", *known] if is_unknown and known else known) or "unknown"
        kept = "nothing" if recording is None else f"{recording['seconds']:.1f} s"
        lines.append(
            f"{call['persona']:<15}{place:<10}{decision['mode']:<8}{call['outcome']['code']:<13}"
            f"{call['notice_check']['verdict']:<12}{call['proof']:<7}{kept}"
        )
    ledger, disk = document["ledger"], document["empty_disk"]
    lines += [
        "",
        f"ledger      {ledger['size']} entries, root {ledger['root'][:16]}…, verified",
        f"empty disk  {disk['files_searched']} files, {disk['bytes_searched']:,} bytes: "
        + ("FOUND" if disk["marker_found"] else "nothing")
        + " of what was said before consent; control "
        + ("found" if disk["control_found"] else "NOT FOUND"),
        f"took        {document['seconds']} s",
    ]
    lines += [f"FAULT       {fault}" for fault in shown.faults]
    return "\n".join(lines)
