"""Whatever Twilio and the agent do, in whatever order: a call ends once, and keeps what it may."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.twilio.lines import InMemory
from tests.twilio.test_streams import CALL, Rig, dialled, tick

from askfirst.clock import LoopClock, run_virtual
from askfirst.model import FRAME_MS
from askfirst.ports import CallEventKind
from askfirst.telephony.twiliocauses import FINAL

STATUSES = ("queued", "initiated", "ringing", "in-progress", *sorted(FINAL))
ACTS = st.one_of(
    st.sampled_from(
        ["stream", "thief", "stop", "break off", "hold", "resume", "hang up", "stop playing"]
    ),
    st.sampled_from(STATUSES),
    st.tuples(st.just("sound"), st.integers(1, 60)),
    st.tuples(st.just("old sound"), st.integers(1, 5)),
    st.tuples(st.just("quiet"), st.sampled_from([20, 500, 3_000, 12_000])),
    st.sampled_from(["{}", "no JSON", '{"event":"media"}', '{"event":"mark","mark":{"name":"x"}}']),
)
Act = str | tuple[str, int]


@dataclass
class Play:
    """Acts on a call, and what each found."""

    rig: Rig
    sockets: list[InMemory] = field(default_factory=list)
    opened_ms: int = 0
    was_told_final: bool = False
    held: bool = False

    async def act(self, act: Act) -> None:
        call, provider = self.rig.call, self.rig.provider
        match act:
            case "stream":
                self.opened_ms = LoopClock().now_ms()
                self.sockets.append(await self.rig.open())
            case "thief":
                thief = InMemory()
                await thief.send('{"event":"connected"}')
                await thief.send(self.rig.start(customParameters={"token": "0.0"}))
                await provider.stream(thief.other)
            case "stop":
                await self.send('{"event":"stop"}')
            case "break off":
                for socket in self.sockets:
                    await socket.close()
            case "hold":
                await call.hold()
                self.held = True
            case "resume":
                await call.resume()
                self.held = False
            case "hang up":
                await call.hangup()
            case "stop playing":
                await call.stop_playing()
            case ("sound", int(frames)):
                await self.speak(frames)
            case ("old sound", int(frames)):
                for _ in range(frames):
                    await self.send(self.rig.media(0))
            case ("quiet", int(ms)):
                await tick(ms)
            case str() if act in STATUSES:
                self.was_told_final |= act in FINAL
                provider.status(CALL, {"CallSid": CALL, "CallStatus": act})
            case str():
                await self.send(act)
        await tick()

    async def speak(self, frames: int) -> None:
        before = len(self.rig.frames)
        for _ in range(frames):
            await tick(FRAME_MS)
            at_ms = LoopClock().now_ms() - self.opened_ms - FRAME_MS
            await self.send(self.rig.media(max(0, at_ms)))
        await tick()
        if self.held:
            assert len(self.rig.frames) == before

    async def send(self, text: str) -> None:
        for socket in self.sockets:
            if not socket.is_closed and not socket.other.is_closed:
                await socket.send(text)


@example(["stream", ("sound", 50), "hold", ("sound", 50), "resume", ("sound", 50), "completed"])
@example(["in-progress", ("quiet", 12_000), "stream", ("sound", 60)])
@example(["completed", "stream", ("sound", 60)])
@settings(max_examples=60, deadline=None)
@given(st.lists(ACTS, max_size=12))
def test_a_call_ends_once_and_nothing_is_captured_before_after_or_on_hold(
    acts: Sequence[Act],
) -> None:
    async def scenario() -> None:
        async with dialled(silence=5, ring=30) as rig:
            play = Play(rig)
            for act in acts:
                await play.act(act)
            was_answered = rig.call.zero_ms is not None
            assert was_answered or not rig.frames
            await rig.call.hangup()
            await tick(10)
            kept = len(rig.frames)
            await play.act(("sound", 5))
            assert len(rig.frames) == kept  # nothing after the end
            kinds = [event.kind async for event in rig.call.events()]
            assert kinds.count(CallEventKind.ENDED) == 1
            assert kinds[-1] is CallEventKind.ENDED
            assert kinds.count(CallEventKind.ANSWERED) == was_answered
            starts = [frame.start_ms for frame in rig.frames]
            assert starts == sorted(set(starts))
            assert not starts or starts[0] >= 0
            assert rig.provider.link.calls == 0
            assert play.was_told_final or rig.requests.ended == [CALL]
            assert all(socket.other.is_closed for socket in play.sockets)

    run_virtual(scenario())
