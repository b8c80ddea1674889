"""Live calls over HTTP: placing one, what its agent does in it, and its state as a stream.

Only the agent of a call acts in it. Supervisors see state and people of their team's calls; nobody
listens in.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends
from pydantic import Field
from starlette.responses import Response, StreamingResponse

from askfirst.errors import InvalidInput, InvalidRequest, NotFound, Refused
from askfirst.ports import AgentLeg
from askfirst.server import accounts
from askfirst.server.access import Permission
from askfirst.server.callreader import ensure_reaches
from askfirst.server.database import reading
from askfirst.server.livecall import LiveCall
from askfirst.server.privatecall import as_others_see
from askfirst.telephony.agentsound import WAY_MS
from askfirst.telephony.fileleg import FileLeg
from askfirst.telephony.memoryleg import MemoryLeg
from askfirst.telephony.movingleg import MovingLeg
from askfirst.web.api_external import place_external
from askfirst.web.bodies import Body
from askfirst.web.visit import Visit, permitted, present_user

router = APIRouter(tags=["live calls"])

Caller = Annotated[Visit, Depends(permitted(Permission.CALLS_MAKE))]
Pauser = Annotated[Visit, Depends(permitted(Permission.CALLS_PAUSE))]
Watcher = Annotated[Visit, Depends(permitted(Permission.CALLS_READ))]

State = dict[str, object]

ALIVE_SECONDS = 1.0
"""A stream with nothing to tell says at least this often that it is alive."""


class NewCall(Body):
    """Whom to call. `browser`: the agent's sound comes by `leg` or `sound` within 30 s; `script`:
    the agent speaks by choosing sentences. `external`: somebody else's dialer makes the call and
    sends its frames, each captured `capture_lag_ms` before it comes at the fastest. Without a
    provider demo contacts are called by the simulator and everybody else over the trunk, where one
    of the account's own numbers may be shown as `caller_id`. Of a `private` call nothing is kept.
    """

    to: str
    persona: str | None = None
    provider: Literal["simulator", "sip", "twilio", "external"] | None = None
    capture_lag_ms: int = Field(default=WAY_MS, ge=0, le=2_000)
    agent_audio: Literal["browser", "file", "script"] = "script"
    caller_id: str | None = Field(default=None, max_length=40)
    private: bool = False


class Consent(Body):
    """What the agent reports that somebody said."""

    kind: str
    how: str = "agent"
    party: int | None = None
    past: str | None = None


class MadePrivate(Body):
    """What becomes of what was recorded before the call was private."""

    past: Literal["erase", "keep"] = "erase"


class LearntPlace(Body):
    """Where somebody turned out to be."""

    party: int
    code: str
    source: Literal["stated", "address", "given"] = "stated"


class Joined(Body):
    """Who joined: somebody with the other side, or the user of a colleague."""

    role: Literal["contact", "agent"] = "contact"
    number: str | None = Field(default=None, max_length=40)
    user: str | None = None


class Hold(Body):
    """Why the recording pauses."""

    reason: str = "private"


class Keys(Body):
    """Keys to press."""

    digits: str


class Said(Body):
    """A sentence of those that are offered."""

    sentence: str


@router.post("/calls", status_code=201)
async def place(visit: Caller, wanted: NewCall) -> State:
    """Place a call; the answer is its first state."""
    if wanted.provider == "external":
        return await place_external(visit, wanted, wanted.capture_lag_ms)
    desk = visit.site.carrier.desk
    if wanted.agent_audio == "script" and desk.outside is not None and not desk.callee(wanted.to):
        raise InvalidInput(
            "found agent_audio 'script', with which sentences are chosen in simulated calls; "
            "speak on a telephone by 'browser' or 'file'"
        )
    leg: AgentLeg
    match wanted.agent_audio:
        case "browser":
            leg = MovingLeg()
        case "file":
            leg = FileLeg(desk.clock)
        case "script":
            leg = MemoryLeg()
    has_browser = wanted.agent_audio == "browser"
    live = await desk.place(
        visit.who,
        wanted.to,
        leg,
        persona=wanted.persona,
        provider=wanted.provider,
        has_browser=has_browser,
        caller_id=wanted.caller_id,
        is_private=wanted.private,
    )
    return live.state()


@router.get("/phone")
async def phone(visit: Caller) -> dict[str, object]:
    """The call that you are on, if any, and whom the simulator can call.

    `away` is whether you take no calls.
    """
    desk = visit.site.carrier.desk
    live = desk.of(visit.who.id)
    return {
        "call": None if live is None else live.state(),
        "away": visit.who.is_away,
        "contacts": [
            {"to": each.number, "name": each.summary.get(visit.language, each.summary["en"])}
            for each in desk.personas.values()
        ],
    }


@router.get("/calls/{call}/events")
async def events(visit: Watcher, call: str) -> Response:
    """The state of a live call now and after every change, as server-sent events.

    Whose call it was hears last to whom it was handed. A call that is over answers 204, by which an
    `EventSource` ends without an error (HTML, 9.2.3): whoever heard of a call a moment ago has done
    nothing wrong.
    """
    try:
        live = _seen(visit, call)
    except NotFound:
        await asyncio.to_thread(_ensure_past, visit, call)
        return Response(status_code=204)
    is_own = live.user_id == visit.who.id
    return StreamingResponse(
        told(
            _while_theirs(live, visit.who.id) if is_own else _as_others_see(live),
            lambda: _may_still_see(visit, live, is_own=is_own),
        ),
        media_type="text/event-stream",
        headers={"x-accel-buffering": "no"},
    )


@router.get("/calls/{call}/live")
async def live_state(visit: Watcher, call: str) -> State:
    """The state of a live call now."""
    live = _seen(visit, call)
    state = live.state()
    return state if live.user_id == visit.who.id else as_others_see(state)


@router.post("/calls/{call}/record")
async def record(visit: Caller, call: str) -> State:
    """The agent wants a recording."""
    live = own(visit, call)
    live.record()
    return live.state()


@router.delete("/calls/{call}/record")
async def stop(visit: Caller, call: str, past: Literal["keep", "erase"] = "keep") -> State:
    """The agent wants no recording any more; with `past` erase, what was recorded goes too."""
    live = own(visit, call)
    if past == "erase":
        live.undo()
    else:
        live.stop()
    return live.state()


@router.post("/calls/{call}/private")
async def make_private(visit: Caller, call: str, wanted: MadePrivate) -> State:
    """The call is private from here to its end: nothing is kept, and nobody else sees with whom."""
    live = own(visit, call)
    live.make_private(wanted.past)
    return live.state()


@router.post("/calls/{call}/telling")
async def telling(visit: Caller, call: str) -> State:
    """The agent is telling them now."""
    live = own(visit, call)
    live.telling()
    return live.state()


@router.post("/calls/{call}/announcement")
async def announce(visit: Caller, call: str) -> State:
    """Have the announcement played; where a yes is owed it asks for a key."""
    live = own(visit, call)
    live.announce()
    return live.state()


@router.post("/calls/{call}/consents", status_code=201)
async def consent(visit: Caller, call: str, wanted: Consent) -> State:
    """Somebody was told, agreed, refused or took it back."""
    live = own(visit, call)
    live.consent(wanted.kind, wanted.how, wanted.party, wanted.past)
    return live.state()


@router.post("/calls/{call}/parties", status_code=201)
async def join(visit: Caller, call: str, wanted: Joined) -> State:
    """Somebody else is on the line; `party` is the number that the person has in the call."""
    live = own(visit, call)
    if wanted.role == "agent":
        if wanted.user is None or wanted.number is not None:
            raise InvalidInput("found an agent without user or with a number; name the user only")
        joining = await asyncio.to_thread(colleague, visit, wanted.user)
        party = await visit.site.carrier.desk.bring(live, joining)
        return {"party": party, **live.state()}
    if wanted.user is not None:
        raise InvalidInput("found a contact with a user; give a number, or nothing")
    return {"party": live.join(wanted.number), **live.state()}


@router.delete("/calls/{call}/parties/{party}")
async def leave(visit: Caller, call: str, party: int) -> State:
    """Somebody who had joined has left."""
    live = own(visit, call)
    live.leave(party)
    return live.state()


@router.post("/calls/{call}/places", status_code=201)
async def learn_place(visit: Caller, call: str, wanted: LearntPlace) -> State:
    """Somebody turned out to be in a place; the law is decided again."""
    live = own(visit, call)
    live.learn_place(wanted.party, wanted.code, wanted.source)
    return live.state()


@router.post("/calls/{call}/holds", status_code=201)
async def hold(visit: Pauser, call: str, wanted: Hold) -> State:
    """Pause every use; `hold` is what ends it. Who may only pause reads nothing of the call."""
    live = own(visit, call)
    made = live.hold(wanted.reason)
    return {"hold": made, **_told_of(visit, live)}


@router.delete("/calls/{call}/holds/{made}")
async def release(visit: Pauser, call: str, made: str) -> State:
    """End a pause."""
    live = own(visit, call)
    live.release(made)
    return _told_of(visit, live)


@router.post("/calls/{call}/mute")
async def mute(visit: Caller, call: str) -> State:
    """Make the agent inaudible."""
    live = own(visit, call)
    live.mute(True)
    return live.state()


@router.delete("/calls/{call}/mute")
async def unmute(visit: Caller, call: str) -> State:
    """Make the agent audible again."""
    live = own(visit, call)
    live.mute(False)
    return live.state()


@router.post("/calls/{call}/on-hold")
async def put_on_hold(visit: Caller, call: str) -> State:
    """Let the contact wait; nothing is captured meanwhile."""
    live = own(visit, call)
    await live.put_on_hold(True)
    return live.state()


@router.delete("/calls/{call}/on-hold")
async def take_back(visit: Caller, call: str) -> State:
    """Take the contact back."""
    live = own(visit, call)
    await live.put_on_hold(False)
    return live.state()


@router.post("/calls/{call}/dtmf")
async def press(visit: Caller, call: str, wanted: Keys) -> State:
    """Press keys."""
    live = own(visit, call)
    await live.keypad(wanted.digits)
    return live.state()


@router.post("/calls/{call}/sentences")
async def say(visit: Caller, call: str, wanted: Said) -> State:
    """Have a sentence said for the agent; answers when it is over, `said` is whether to its end."""
    live = own(visit, call)
    done = await live.say(wanted.sentence)
    return {"said": done, **live.state()}


@router.post("/calls/{call}/hangup")
async def hang_up(visit: Caller, call: str) -> State:
    """End the call."""
    live = own(visit, call)
    await live.hangup()
    return live.state()


def _told_of(visit: Visit, live: LiveCall) -> State:
    """The state of a call for who may act in it; its pauses alone for who may only pause it."""
    state = live.state()
    return state if visit.may(Permission.CALLS_MAKE) else {"holds": state["holds"]}


def own(visit: Visit, call: str) -> LiveCall:
    """A live call of whoever asks. Raises NotFound, Refused for somebody else's."""
    live = visit.site.carrier.desk.get(call)
    if live.user_id != visit.who.id:
        raise Refused(f"call {call} is another agent's; only its agent acts in it")
    return live


def colleague(visit: Visit, user: str) -> accounts.User:
    """Somebody else who works here. Raises NotFound, InvalidRequest."""
    if user == visit.who.id:
        raise InvalidRequest("user: found yourself; name a colleague", key="user")
    with reading(visit.site.store.engine) as connection:
        found = accounts.user(connection, user)
    if found.is_disabled:
        raise InvalidRequest("user: found somebody who is locked out", key="user")
    return found


def _seen(visit: Visit, call: str) -> LiveCall:
    live = visit.site.carrier.desk.get(call)
    if not visit.who.person.reaches(Permission.CALLS_READ, live.user_id, live.team):
        raise Refused(f"call {call} is not among those that you reach with calls.read")
    return live


def _ensure_past(visit: Visit, call: str) -> None:
    with reading(visit.site.store.engine) as connection:
        ensure_reaches(connection, visit.who.person, Permission.CALLS_READ, call)


def _may_still_see(visit: Visit, live: LiveCall, *, is_own: bool) -> bool:
    """Whether the session or token of a stream still holds, and still reaches the call.

    A stream of one's own call ends by itself when it is a colleague's.
    """
    user = present_user(visit)
    if user is None or is_own:
        return user is not None and user.person.may(Permission.CALLS_READ)
    return user.person.reaches(Permission.CALLS_READ, live.user_id, live.team)


async def _while_theirs(live: LiveCall, user: str) -> AsyncGenerator[State, None]:
    """The states of a live call as long as it is a user's; then who has it, and nothing more."""
    async with aclosing(live.events()) as states:
        async for state in states:
            if live.user_id != user:
                name = "" if live.offer is None else live.offer.to_name
                last = {key: state[key] for key in ("call", "sequence", "at_ms", "agent")}
                yield {**last, "light": "off", "settled": True, "handed_to": name}
                return
            yield state


async def _as_others_see(live: LiveCall) -> AsyncGenerator[State, None]:
    async with aclosing(live.events()) as states:
        async for state in states:
            yield as_others_see(state)


async def told(
    states: AsyncGenerator[State, None], may_go_on: Callable[[], bool]
) -> AsyncIterator[str]:
    """States as server-sent events, until there are no more.

    `may_go_on` is asked in a thread before a state is told, at most once in `ALIVE_SECONDS`; the
    stream ends where it says no. That it is alive is said meanwhile: it tells nobody anything, and
    a slow disk must not look like a lost line.
    """
    now = asyncio.get_running_loop().time
    asked = now()
    following = asyncio.ensure_future(anext(states, None))
    asking: asyncio.Task[bool] | None = None
    try:
        while True:
            await asyncio.wait((asking or following,), timeout=ALIVE_SECONDS)
            if asking is not None and asking.done():
                if not asking.result():
                    return
                asking, asked = None, now()
            elif asking is None and now() - asked >= ALIVE_SECONDS:
                asking = asyncio.create_task(asyncio.to_thread(may_go_on))
            if asking is not None or not following.done():
                # Lets the browser tell a quiet call from a lost one.
                yield "event: alive\ndata: {}\n\n"
                continue
            state = following.result()
            if state is None:
                return
            number = f"id: {state['sequence']}\n" if "sequence" in state else ""
            yield f"{number}data: {json.dumps(state, ensure_ascii=False)}\n\n"
            following = asyncio.ensure_future(anext(states, None))
    finally:
        following.cancel()
        if asking is not None:
            asking.cancel()
        # Nothing can be awaited here where the reader has gone; what the states hold on to is
        # let go of all the same, and not when somebody collects them.
        closing = asyncio.create_task(_close(following, states))
        _closing.add(closing)
        closing.add_done_callback(_closing.discard)


_closing: set[asyncio.Task[None]] = set()


async def _close(following: asyncio.Future[Any], states: AsyncGenerator[State, None]) -> None:
    await asyncio.gather(following, return_exceptions=True)
    await states.aclose()
