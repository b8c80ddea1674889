"""A process that answers events of Twilio while its database is locked, until it is killed."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from tests.server.twiliorig import call_sid

from askfirst.server.database import transaction
from askfirst.server.store import Store
from askfirst.server.twilioevents import Intake
from askfirst.telephony.twiliosignature import Signed

STATES = ("initiated", "ringing", "in-progress", "completed")


async def answer(store: Store) -> None:
    """Take every event of a call, say so, and wait for the end."""
    intake = Intake(store, lambda: None)
    async with intake.running():
        with transaction(store.engine):
            for number, status in enumerate(STATES):
                fields = {
                    "CallSid": call_sid(1),
                    "CallStatus": status,
                    "SequenceNumber": str(number),
                }
                await intake.progress(Signed(tuple(fields.items()), f"{number:064x}"))
            sys.stdout.write("answered\n")
            sys.stdout.flush()
            await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(answer(Store.open(Path(sys.argv[1]))))
