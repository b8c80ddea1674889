"""Gate and record a call of a dialer of your own: python examples/own_dialer.py FOLDER"""

import sys
from collections.abc import Iterator
from pathlib import Path

from askfirst import Party, decide, gate
from askfirst.audio.container import decode, encode_wav
from askfirst.errors import AskfirstError
from askfirst.model import Form, Frame, Proof
from askfirst.server import clock, external, node, request

TONE = (b"\0\x10" * 16 + b"\0\xf0" * 16) * 10  # 20 ms of 500 Hz, mono s16le at 16 kHz
TELLING, TOLD = gate.TellingStarted(1000, gate.Teller.AGENT), gate.TellingEnded(4000)


def dialer() -> Iterator[Frame | gate.Event | str]:  # yours: media, who tells what, keys
    between: dict[int, tuple[gate.Event | str]] = {50: (TELLING,), 200: (TOLD,), 250: ("1",)}
    for n in range(500):
        yield from between.get(n, ())
        yield Frame("agent", n * 20, TONE)
        yield Frame("contact", n * 20, TONE if n >= 250 else bytes(len(TONE)))


def take(event: gate.Event) -> None:
    global facts
    facts = gate.after(facts, event)
    call.follow(facts)


def report(event: gate.Event) -> None:
    before = facts.serial
    take(event)  # what closes the gate closes it now
    call.append(event)  # into the ledger; raises when that fails
    if facts.serial > before:
        take(gate.Sealed(event.at_ms, facts.serial))  # only now may the gate open


here, facts = node.Node.open(Path(sys.argv[1])), gate.Facts()
asked = request.CallRequest("+16285550142", ("NO",), provider="own")
decision = decide([Party.agent("NO"), Party.contact(asked.number)], clock.utc_now().date())
call = external.ExternalCall(here.store, asked, decision)  # begins with who joins, then media
for item in (*call.beginning(), gate.Wanted(0), *dialer(), gate.HungUp(10_000)):
    try:
        if isinstance(item, Frame):
            call.recorder.push(item)  # keeps it only if the gate allows that
        elif not isinstance(item, str):
            report(item)
        elif facts.told_ms is not None:  # a yes before the whole notice is none
            for owed in facts.unmet():
                yes = gate.Evidence(1, Form.AGREED, Proof.KEY, owed.uses, owed.elements)
                report(gate.Met(facts.now_ms, yes))
    except (AskfirstError, OSError):
        take(gate.Failed(facts.now_ms))
print(call.settle().code, call.recorder.counts)
here.jobs.wait()  # sealed, checked, transcribed
audio = here.playback.play(call.recording, person="operator", purpose="export")
Path(sys.argv[1], "call.wav").write_bytes(encode_wav(*decode(audio)))
here.close()
