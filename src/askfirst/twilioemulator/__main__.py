"""The emulator as a program: one account with one number, whose calls reach packaged personas.

    python -m askfirst.twilioemulator --callee +4722222222=presses-one

An installation uses it with ``twilio_url``, and with the account and token that it says. Beside
Twilio's own addresses, `/emulator` tells what it was asked for, and a POST of From, To and Persona
to `/emulator/calls` has somebody call the number.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from askfirst.clock import LoopClock
from askfirst.telephony import twiliosignature
from askfirst.telephony.persona import Persona, packaged_persona
from askfirst.twilioemulator.app import LOOPBACK, TwilioEmulator, posted, served
from askfirst.twilioemulator.asked import Form
from askfirst.twilioemulator.kept import Account, KeptCall, KeptNumber
from askfirst.twilioemulator.resources import Resources

NUMBER = "+4721000000"
TOKEN = "e0" * 16  # of the emulator, as long as a real one; opens nothing else


@dataclass(frozen=True, slots=True)
class Signing:
    """Posts and opens what an account signs with its token."""

    token: str

    async def post(self, url: str, fields: Form) -> str:
        """Post a form as Twilio does."""
        return await posted(url, fields, self.headers(url, fields))

    def headers(self, url: str, fields: Form = ()) -> Mapping[str, str]:
        """The signature of a request."""
        return {twiliosignature.HEADER: twiliosignature.make(self.token, url, fields)}


class Program:
    """An emulated account with a number, and what stands beside it for whoever runs it."""

    def __init__(self, number: str, callees: Mapping[str, Persona]) -> None:
        self.account = Account(secret=TOKEN)
        self.account.numbers["PN" + "0" * 32] = KeptNumber("PN" + "0" * 32, number)
        signing = Signing(self.account.secret)
        self.emulator = TwilioEmulator(
            LoopClock(),
            callees.get,
            account=self.account.sid,
            secret=self.account.secret,
            more=[
                Route("/emulator", self._told),
                Route("/emulator/calls", self._call_in, methods=["POST"]),
                *Resources(self.account, self._carried).routes(),
            ],
            post=signing.post,
        )
        self.emulator.exchange.headers = signing.headers

    def _carried(self) -> Iterator[KeptCall]:
        for call in self.emulator.exchange.calls.values():
            parent = None if call.parent is None else call.parent.sid
            yield KeptCall(
                call.sid, call.sender, call.to, call.made_at, call.direction, call.status, parent
            )

    async def _told(self, _: Request) -> Response:
        asked = self.emulator.asked
        return JSONResponse(
            {
                "calls": len(self.emulator.exchange.calls),
                "captures": [*asked.captures(), *self.account.captures],
                "streams": sorted(asked.streams()),
                "recordings": len(self.account.recordings),
            }
        )

    async def _call_in(self, request: Request) -> Response:
        async with request.form() as form:
            caller, called, who = (str(form.get(name, "")) for name in ("From", "To", "Persona"))
        number = next((n for n in self.account.numbers.values() if n.number == called), None)
        if number is None or not number.voice_url:
            return JSONResponse({"problem": "this number is not configured"}, 409)
        call = self.emulator.exchange.call_in(
            caller, called, packaged_persona(who), number.voice_url, number.status_callback
        )
        return JSONResponse({"sid": call.sid}, 201)


async def run(port: int, number: str, callees: Mapping[str, Persona]) -> None:
    """Serve until a signal ends it."""
    program, ended = Program(number, callees), asyncio.Event()
    loop = asyncio.get_running_loop()
    for each in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(each, ended.set)
    async with served(program.emulator.app, port) as at:
        told = f"http://{LOOPBACK}:{at} {program.account.sid} {program.account.secret}"
        sys.stdout.write(f"{told}\n")
        sys.stdout.flush()
        await ended.wait()
        await program.emulator.close()


def main(arguments: list[str]) -> int:
    """Run the program."""
    parser = argparse.ArgumentParser(prog="python -m askfirst.twilioemulator")
    parser.add_argument("--port", type=int, default=0, help="any free one by default")
    parser.add_argument("--number", default=NUMBER, help=f"that the account owns ({NUMBER})")
    parser.add_argument(
        "--callee", action="append", default=[], metavar="NUMBER=PERSONA", help="may be repeated"
    )
    chosen = parser.parse_args(arguments)
    callees = {}
    for each in chosen.callee:
        to, _, persona = each.partition("=")
        callees[to] = packaged_persona(persona)
    asyncio.run(run(chosen.port, chosen.number, callees))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
