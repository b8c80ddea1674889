"""A process that is killed at a known moment: it says where it is and goes no further.

Run as `python -m tests.server.crashing DATA CALLEE WHERE`. It prints a line for each contact
frame that was kept while it records, and `HERE` when it has come to the place named by WHERE.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.server import rig

from askfirst.clock import run_scaled, run_virtual
from askfirst.model import Frame
from askfirst.server import accounts, copies, erasure, recorder, sealing
from askfirst.server.access import UserRole
from askfirst.server.clock import utc_now
from askfirst.server.database import transaction
from askfirst.server.keys import KeyStore
from askfirst.server.node import Node
from askfirst.server.recorder import Recorder
from askfirst.server.requestregister import RequestKind, receive
from askfirst.server.subjectrights import who
from askfirst.speech.scripted import Scripted
from askfirst.telephony.persona import load_persona


def stop_here(*_: object, **__: object) -> None:
    sys.stdout.write("HERE\n")
    sys.stdout.flush()
    while True:
        signal.pause()


def behind(owner: Any, name: str) -> None:
    """Stop behind the call of a function."""
    real: Callable[..., Any] = getattr(owner, name)

    def call(*args: Any, **kwargs: Any) -> None:
        real(*args, **kwargs)
        stop_here()

    setattr(owner, name, call)


def tell_frames() -> None:
    push = Recorder.push

    def told(self: Recorder, frame: Frame) -> bool:
        kept = push(self, frame)
        if kept and frame.leg == "contact":
            sys.stdout.write(f"{frame.start_ms}\n")
            sys.stdout.flush()
        return kept

    Recorder.push = told  # type: ignore[method-assign]


def main(data: Path, folder: Path, where: str) -> None:
    node = Node.open(data, Scripted())
    persona = load_persona(folder)
    match where:
        case "recording":
            tell_frames()
            run_scaled(rig.carry(node.store, persona), 20)
            return
        case "object-stored":
            behind(sealing, "_put_asset")
        case "sealed":
            sealing._clear_spool = stop_here
        case "keys-destroyed":
            behind(KeyStore, "destroy_recording")
        case "erase-begins":
            erasure.destroy = stop_here
        case "bytes-destroyed":
            behind(erasure, "destroy")
        case "spool-open":
            recorder._sync_and_close = stop_here
    run_virtual(rig.carry(node.store, persona, on_outbox=node.jobs.dispatch))
    node.jobs.wait()
    if where in ("copy-part-kept", "copy-whole"):
        copy(node, where)


def copy(node: Node, where: str) -> None:
    """Stop where a part of a copy is stored, or where all are and nobody knows yet."""
    copies.PART_BYTES = 2_000
    if where == "copy-part-kept":
        behind(copies, "write_part")
    else:
        copies._Parts.finish = stop_here  # type: ignore[method-assign,assignment]
    with transaction(node.store.engine) as connection:
        officer = accounts.add_user(
            connection, "o@example.org", "O", [UserRole.COMPLIANCE], utc_now()
        )
        person = who(connection, number=rig.NORWAY)
        asked = receive(node.store, connection, RequestKind.ACCESS, person, officer.id, utc_now())
    copies.order(node.store, asked.id, utc_now(), is_masked=True, language="en")
    node.jobs.wait()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
