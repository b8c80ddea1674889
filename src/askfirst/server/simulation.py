"""One simulated call: a persona on the other end, its scripted agent on ours."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any, Protocol

from askfirst.errors import Misconfigured
from askfirst.model import Purpose
from askfirst.notice import NoticeFacts
from askfirst.policy import Policy
from askfirst.ports import Clock, TelephonyCall
from askfirst.server import objections
from askfirst.server.call import Call
from askfirst.server.database import reading
from askfirst.server.node import Node
from askfirst.server.plugins import TELEPHONY, load
from askfirst.server.prompts import packaged_prompt
from askfirst.server.request import CallRequest
from askfirst.telephony.persona import Persona

DEMO_FACTS = NoticeFacts(company="Harbor Supply", purpose=Purpose.TRAINING)
"""The account that simulated calls are made for; the packaged announcements speak for it."""


class _ScriptedCall(TelephonyCall, Protocol):
    def actions(self) -> AsyncIterator[Any]: ...


def request_for(persona: Persona, agent_place: str | None = None) -> CallRequest:
    """What a call to a persona starts from: the script's places and policy."""
    return CallRequest(
        number=persona.number,
        agent_places=(agent_place or persona.agent_place,),
        policy=Policy.parse({"purpose": Purpose.TRAINING.value, **persona.policy}),
        contact_places=(persona.contact_place,) if persona.contact_place else (),
        announces=persona.announcement,
        persona=persona.name,
    )


async def simulate(
    node: Node,
    clock: Clock,
    persona: Persona,
    request: CallRequest | None = None,
    *,
    markers: bool = True,
) -> Call:
    """Call a persona from ringing to the end and give the settled call.

    With `markers` a tone sounds under everything a contact says before consent, and another at
    set moments after it, so that what was kept can be searched for both.
    """
    simulator = load(TELEPHONY, "simulator")(clock, persona, markers=markers)
    wanted = request or request_for(persona)
    with reading(node.store.engine) as connection:
        policy = objections.policy_for(
            node.store.erasures, connection, wanted.number, wanted.policy
        )
    call = Call(
        node.store,
        clock,
        replace(wanted, policy=policy, rules=node.rules, overrides=node.overrides),
        DEMO_FACTS,
        packaged_prompt,
        separate_legs=simulator.capabilities.separate_legs,
        on_outbox=node.jobs.dispatch,
    )
    leg: _ScriptedCall = await simulator.dial(call.request.number)
    clicking = asyncio.create_task(_click(call, leg.actions()))
    await call.run(leg)
    await clicking
    return call


async def _click(call: Call, actions: AsyncIterator[Any]) -> None:
    async for action in actions:
        match action.kind:
            case "record":
                call.want()
            case "telling":
                call.tell()
            case "informed":
                call.informed()
            case "agreed":
                call.agreed()
            case "refused":
                call.refused()
            case "objects":
                call.withdraw()
            case "pause":
                call.pause()
            case "resume":
                call.resume()
            case "place":
                call.learn_place(1, action.code)
            case unknown:
                raise Misconfigured(f"found the click {unknown!r} in a script; nothing does that")
