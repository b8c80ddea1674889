from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.unit.conversing import (
    ANNOUNCED,
    ASK,
    KEYS,
    SAY,
    SILENCE,
    Seen,
    Talk,
    by_sentences,
    by_voice,
    converse,
    is_sound,
    lines_of,
    lines_said,
    nothing,
    persona,
    run,
    voice,
)

from askfirst.audio.mixing import level_dbfs, mix_frames, to_samples
from askfirst.clock import LoopClock, run_virtual
from askfirst.errors import InvalidInput, NotFound, Refused
from askfirst.model import FRAME_MS
from askfirst.ports import CallEvent, CallEventKind, EndCause
from askfirst.telephony.conversation import (
    HOLD_LIMIT_MS,
    PATIENCE_MS,
    ConversationProvider,
    Sentence,
)
from askfirst.telephony.memoryleg import MemoryLeg
from askfirst.telephony.persona import (
    audio_frames,
    packaged_persona,
    packaged_personas,
)
from askfirst.telephony.progress import RING_MS, WAIT_MS
from askfirst.telephony.turns import QUIET_MS, SPEECH_MS, TALK_LIMIT_MS


@pytest.mark.parametrize("name", ANNOUNCED)
def test_a_persona_can_be_talked_through_with_a_microphone(name: str) -> None:
    callee = packaged_persona(name)
    seen = run(callee, by_voice(ANNOUNCED[name]))
    assert lines_said(callee, seen, "contact") == lines_of(callee, "contact")
    assert seen.keys == KEYS.get(name, "")
    assert seen.cause is EndCause.REMOTE_HANGUP
    assert is_sound(seen)


@pytest.mark.parametrize("name", ANNOUNCED)
def test_a_persona_can_be_talked_through_by_choosing_sentences(name: str) -> None:
    callee = packaged_persona(name)
    seen = run(callee, by_sentences(set(ANNOUNCED[name])))
    assert lines_said(callee, seen, "contact") == lines_of(callee, "contact")
    assert lines_said(callee, seen, "agent") == lines_of(callee, "agent")
    assert seen.keys == KEYS.get(name, "")
    assert seen.cause is EndCause.REMOTE_HANGUP
    assert is_sound(seen)


@pytest.mark.parametrize("name", sorted(packaged_personas()))
def test_a_call_with_a_silent_agent_ends(name: str) -> None:
    callee = packaged_persona(name)
    seen = run(callee, nothing)
    assert seen.cause is EndCause.REMOTE_HANGUP
    assert seen.keys == ""
    assert is_sound(seen)


@pytest.mark.parametrize("name", sorted(packaged_personas()))
def test_a_call_with_an_agent_who_never_stops_talking_ends(name: str) -> None:
    async def act(talk: Talk) -> None:
        while not talk.is_over:
            await talk.leg.speak(talk.clock, voice(1_000))

    seen = run(packaged_persona(name), act)
    assert seen.cause is EndCause.REMOTE_HANGUP
    assert seen.keys == ""
    assert is_sound(seen)


def test_a_leg_that_closes_ends_the_call_as_ours() -> None:
    async def act(talk: Talk) -> None:
        await talk.at(5_000)
        await talk.leg.close()

    seen = run(packaged_persona("agrees"), act)
    assert seen.cause is EndCause.LOCAL_HANGUP
    assert 5_000 <= seen.events[-1].at_ms <= 5_020


def test_a_leg_that_closes_while_it_rings_ends_the_call_unanswered() -> None:
    async def main() -> Seen:
        leg = MemoryLeg()
        await leg.close()
        return await converse(packaged_persona("agrees"), nothing, leg)

    seen = run_virtual(main())
    assert seen.cause is EndCause.LOCAL_HANGUP
    assert seen.events[-1].at_ms < 0
    assert not seen.times(CallEventKind.ANSWERED)


def test_a_leg_that_is_only_not_connected_keeps_the_call(tmp_path: Path) -> None:
    async def act(talk: Talk) -> None:
        talk.leg.is_connected = False

    seen = run(persona(tmp_path, SAY, "pause_ms=2000", 'hangup="contact"'), act)
    assert seen.cause is EndCause.REMOTE_HANGUP


def test_a_call_rings_for_a_second_and_is_answered_at_zero(tmp_path: Path) -> None:
    seen = run(persona(tmp_path, SAY, 'hangup="contact"'), nothing)
    kinds = [event.kind for event in seen.events]
    assert kinds == [CallEventKind.RINGING, CallEventKind.ANSWERED, CallEventKind.ENDED]
    assert [event.at_ms for event in seen.events] == [-RING_MS, 0, 1_000]


def test_a_number_that_nobody_has_is_not_found() -> None:
    async def main() -> list[CallEvent]:
        call = await ConversationProvider(LoopClock()).dial("+4748750199", MemoryLeg())
        frames = [frame async for frame in call.frames()]
        assert not frames
        assert not call.sentences()
        return [event async for event in call.events()]

    (event,) = run_virtual(main())
    assert (event.kind, event.cause) == (CallEventKind.ENDED, EndCause.NOT_FOUND)


def test_the_packaged_personas_answer_at_their_numbers() -> None:
    async def main() -> list[str]:
        provider = ConversationProvider(LoopClock())
        answered = []
        for name in ANNOUNCED:
            call = await provider.dial(packaged_persona(name).number, MemoryLeg())
            async for event in call.events():
                if event.kind is CallEventKind.ANSWERED:
                    answered.append(name)
                    await call.hangup()
        return answered

    assert run_virtual(main()) == list(ANNOUNCED)


def test_the_contact_answers_after_the_agent_has_spoken_and_paused(tmp_path: Path) -> None:
    async def act(talk: Talk) -> None:
        await talk.at(3_000)
        await talk.leg.speak(talk.clock, voice(500))

    seen = run(persona(tmp_path, SAY, ASK, SAY, 'hangup="contact"'), act)
    second = [start for start in seen.sounds("contact") if start > 1_000]
    assert 3_500 + QUIET_MS <= second[0] <= 3_600 + QUIET_MS


def test_a_pause_shorter_than_a_turn_does_not_give_the_contact_the_word(tmp_path: Path) -> None:
    async def act(talk: Talk) -> None:
        await talk.at(3_000)
        for _ in range(4):
            await talk.leg.speak(talk.clock, [*voice(500), *[SILENCE] * 30])

    seen = run(persona(tmp_path, SAY, ASK, SAY, 'hangup="contact"'), act)
    spoken_ms = 3_000 + 3 * 1_100 + 500
    second = [start for start in seen.sounds("contact") if start > 1_000]
    assert spoken_ms + QUIET_MS <= second[0] <= spoken_ms + QUIET_MS + 100


def test_a_cough_is_no_turn(tmp_path: Path) -> None:
    async def act(talk: Talk) -> None:
        for _ in range(3):
            await talk.later(2_000)
            await talk.leg.speak(talk.clock, voice(SPEECH_MS - FRAME_MS))

    seen = run(persona(tmp_path, SAY, ASK, SAY, 'hangup="contact"'), act)
    second = [start for start in seen.sounds("contact") if start > 1_000]
    assert second[0] >= 6_000 + PATIENCE_MS


def test_what_the_agent_says_over_the_contact_is_no_answer_to_it(tmp_path: Path) -> None:
    async def act(talk: Talk) -> None:
        await talk.leg.speak(talk.clock, voice(500))

    seen = run(persona(tmp_path, SAY, ASK, SAY, 'hangup="contact"'), act)
    assert not [start for start in seen.sounds("contact") if 1_000 < start < PATIENCE_MS]


def test_who_talks_without_end_is_interrupted(tmp_path: Path) -> None:
    async def act(talk: Talk) -> None:
        await talk.at(1_500)
        await talk.leg.speak(talk.clock, voice(TALK_LIMIT_MS + 5_000))

    seen = run(persona(tmp_path, SAY, ASK, SAY, 'hangup="contact"'), act)
    second = [start for start in seen.sounds("contact") if start > 1_000]
    assert 1_500 + TALK_LIMIT_MS <= second[0] <= 1_600 + TALK_LIMIT_MS


def test_a_persona_greets_again_before_it_goes_on_by_itself(tmp_path: Path) -> None:
    callee = persona(tmp_path, SAY, ASK, 'say="contact"\naudio="joiner.wav"')
    seen = run(callee, nothing)
    starts = seen.sounds("contact")
    begun = [start for start in starts if start - FRAME_MS not in starts]
    assert begun == [0, 1_000 + PATIENCE_MS, 2_000 + 2 * PATIENCE_MS]
    sound = {f.start_ms: f.pcm for f in seen.frames("contact")}
    assert sound[begun[1]] == sound[begun[0]] != sound[begun[2]]


@pytest.mark.parametrize("name", KEYS)
def test_keys_come_after_an_announcement_and_never_without_one(name: str) -> None:
    callee = packaged_persona(name)
    seen = run(callee, by_voice(ANNOUNCED[name]))
    starts = set(seen.sounds("announcement"))
    ended = sorted(start + FRAME_MS for start in starts if start + FRAME_MS not in starts)
    keys = seen.times(CallEventKind.DTMF)
    assert len(ended) == len(keys)
    assert all(0 < key - end < 5_000 for end, key in zip(ended, keys, strict=True))
    assert run(callee, by_voice(set())).keys == ""
    assert run(callee, by_sentences(set())).keys == ""


def test_an_announcement_that_is_cut_brings_no_key() -> None:
    async def act(talk: Talk) -> None:
        await talk.at(3_000)
        playing = asyncio.create_task(talk.call.play("contact", voice(3_000)))
        await talk.later(1_000)
        await talk.call.stop_playing()
        assert await playing is False

    assert run(packaged_persona("presses-one"), act).keys == ""


def test_an_announcement_is_replied_to_whenever_it_comes() -> None:
    async def at_once(talk: Talk) -> None:
        assert await talk.call.play("contact", voice(500))

    async def late(talk: Talk) -> None:
        await talk.at(WAIT_MS + 2 * PATIENCE_MS + 10_000)
        assert await talk.call.play("contact", voice(500))

    for act in (at_once, late):
        seen = run(packaged_persona("presses-one"), act)
        (key,) = seen.times(CallEventKind.DTMF)
        assert 0 < key - seen.sounds("announcement")[-1] < 4_000


def test_a_wait_without_an_announcement_ends_by_a_turn_of_the_agent() -> None:
    async def act(talk: Talk) -> None:
        for _ in range(3):
            await talk.later(3_000)
            await talk.leg.speak(talk.clock, voice(500))
        await talk.reply()
        await talk.call.hangup()

    callee = packaged_persona("presses-one")
    seen = run(callee, act)
    assert lines_said(callee, seen, "contact") == lines_of(callee, "contact")[:2]


def test_the_sentences_are_the_lines_that_fit_now() -> None:
    callee = packaged_persona("agrees")
    texts = lines_of(callee, "agent")

    async def act(talk: Talk) -> None:
        first = talk.call.sentences()
        assert [sentence.text for sentence in first] == texts[:2]
        assert await talk.call.say(first[0].id)
        assert [sentence.text for sentence in talk.call.sentences()] == texts[1:2]
        with pytest.raises(Refused):
            await talk.call.say(first[0].id)
        with pytest.raises(NotFound):
            await talk.call.say("0")
        assert await talk.call.say(first[1].id)
        await talk.reply()
        assert [sentence.text for sentence in talk.call.sentences()] == texts[2:3]
        await talk.call.hangup()
        assert talk.call.sentences() == ()

    run(callee, act)


def test_a_chosen_sentence_waits_for_the_contact_and_is_the_agents_channel(
    tmp_path: Path,
) -> None:
    async def act(talk: Talk) -> None:
        (sentence,) = talk.call.sentences()
        assert sentence == Sentence("1", "Hello.")
        assert await talk.call.say(sentence.id)
        assert 2_000 <= talk.now_ms <= 2_020

    seen = run(persona(tmp_path, SAY, ASK, SAY, 'hangup="contact"'), act)
    assert seen.sounds("agent") == list(range(1_000, 2_000, FRAME_MS))
    assert next(start for start in seen.sounds("contact") if start > 1_000) <= 2_040


def test_a_sentence_stands_in_the_place_of_the_microphone(tmp_path: Path) -> None:
    async def act(talk: Talk) -> None:
        speaking = asyncio.create_task(talk.leg.speak(talk.clock, voice(4_000, 300)))
        await talk.at(1_507)
        assert await talk.call.say("1")
        await speaking

    callee = persona(tmp_path, SAY, ASK, 'hangup="contact"')
    seen = run(callee, act)
    assert is_sound(seen)
    chosen = audio_frames(tmp_path / "agent.wav")
    assert [f.pcm for f in seen.frames("agent") if 1_520 <= f.start_ms < 2_520] == list(chosen)


def test_muting_silences_the_agent_by_the_time_of_capture(tmp_path: Path) -> None:
    async def act(talk: Talk) -> None:
        await talk.at(2_000)
        speaking = asyncio.create_task(talk.leg.speak(talk.clock, voice(3_000)))
        await talk.at(2_510)
        talk.call.mute(True)
        assert talk.call.sentences() == ()
        with pytest.raises(Refused):
            await talk.call.say("1")
        await talk.at(3_510)
        talk.call.mute(False)
        talk.leg.feed(voice(20)[0], talk.answer_ms + 3_502)  # said while muted, came after
        await speaking

    seen = run(persona(tmp_path, SAY, ASK, SAY, 'hangup="contact"'), act)
    loud = seen.sounds("agent")
    assert [start for start in loud if start < 2_500]
    assert [start for start in loud if start >= 3_510]
    assert not [start for start in loud if 2_500 <= start < 3_510]
    assert [f.start_ms for f in seen.frames("agent") if 2_500 <= f.start_ms < 3_510]


def test_a_muted_agent_is_not_heard_by_the_contact(tmp_path: Path) -> None:
    async def act(talk: Talk) -> None:
        talk.call.mute(True)
        await talk.at(2_000)
        await talk.leg.speak(talk.clock, voice(1_000))

    seen = run(persona(tmp_path, SAY, ASK, SAY, 'hangup="contact"'), act)
    assert not [start for start in seen.sounds("contact") if 1_000 < start < PATIENCE_MS]


def test_muting_cuts_a_sentence(tmp_path: Path) -> None:
    async def act(talk: Talk) -> None:
        saying = asyncio.create_task(talk.call.say("1"))
        await talk.at(1_500)
        talk.call.mute(True)
        assert await saying is False
        talk.call.mute(False)
        assert [sentence.id for sentence in talk.call.sentences()] == ["1"]

    seen = run(persona(tmp_path, SAY, ASK, 'hangup="contact"'), act)
    assert max(seen.sounds("agent")) < 1_500


def test_on_hold_the_contact_is_not_captured_and_goes_on_where_it_was(tmp_path: Path) -> None:
    async def act(talk: Talk) -> None:
        await talk.at(505)
        await talk.call.hold()
        assert talk.call.sentences() == ()
        assert await talk.call.play("contact", voice(100)) is False
        speaking = asyncio.create_task(talk.leg.speak(talk.clock, voice(600)))
        await talk.at(3_005)
        await talk.call.resume()
        await speaking

    callee = persona(tmp_path, SAY, 'hangup="contact"')
    seen = run(callee, act)
    contact = [frame for frame in seen.frames("contact") if frame.start_ms >= 0]
    assert not [f for f in contact if 505 - FRAME_MS < f.start_ms < 3_005]
    assert [f.pcm for f in contact] == list(audio_frames(tmp_path / "contact.wav"))
    assert [start for start in seen.sounds("agent") if 505 < start < 1_100]


def test_what_is_said_on_hold_is_no_turn(tmp_path: Path) -> None:
    async def act(talk: Talk) -> None:
        await talk.at(1_500)
        await talk.call.hold()
        await talk.leg.speak(talk.clock, voice(1_000))
        await talk.call.resume()

    seen = run(persona(tmp_path, SAY, ASK, SAY, 'hangup="contact"'), act)
    assert not [start for start in seen.sounds("contact") if 1_000 < start < PATIENCE_MS]


def test_a_contact_that_is_left_on_hold_hangs_up(tmp_path: Path) -> None:
    async def act(talk: Talk) -> None:
        await talk.at(500)
        await talk.call.hold()

    seen = run(persona(tmp_path, SAY, ASK, SAY), act)
    assert seen.cause is EndCause.REMOTE_HANGUP
    assert 500 + HOLD_LIMIT_MS <= seen.events[-1].at_ms <= 540 + HOLD_LIMIT_MS


def test_the_agent_hears_the_contact_the_announcement_and_its_sentence(tmp_path: Path) -> None:
    leg = MemoryLeg(keeps_all=True)

    async def act(talk: Talk) -> None:
        assert await talk.call.play("contact", voice(500, 1_100))
        assert await talk.call.say("1")

    run(persona(tmp_path, SAY, ASK, 'hangup="contact"'), act, leg)
    contact, agent = (list(audio_frames(tmp_path / f"{n}.wav")) for n in ("contact", "agent"))
    announced = voice(500, 1_100)
    both = [mix_frames(pair) for pair in zip(contact[1:26], announced, strict=True)]
    heard = list(leg.heard)
    assert heard[:26] == [contact[0], *both]
    assert heard[30:50] == contact[30:50]
    assert heard[50:100] == agent


def test_while_it_rings_the_agent_hears_a_tone_that_the_answer_takes_away(
    tmp_path: Path,
) -> None:
    leg = MemoryLeg(keeps_all=True)
    heard: list[bytes] = []

    async def main() -> Seen:
        async def early() -> None:
            clock = LoopClock()
            await clock.sleep_until(clock.now_ms() + 500)
            heard.extend(leg.heard)
            leg.feed(voice(20)[0], clock.now_ms() - FRAME_MS)

        listening = asyncio.create_task(early())
        seen = await converse(persona(tmp_path, "pause_ms=1000"), nothing, leg)
        await listening
        return seen

    seen = run_virtual(main())
    assert level_dbfs(to_samples(heard[5])) > -30
    assert len(leg.heard) == 1_000 // FRAME_MS
    assert not any(map(any, leg.heard))
    assert not seen.frames("agent")
    assert min(frame.start_ms for frame in seen.frames("contact")) == -RING_MS


def test_agent_frames_keep_their_time_of_capture_and_their_order(tmp_path: Path) -> None:
    async def act(talk: Talk) -> None:
        await talk.at(1_000)
        for captured_ms in (700, 720, 719, 720, 741, 990, 5_000, -20):
            talk.leg.feed(voice(20)[0], talk.answer_ms + captured_ms)
        await talk.at(1_100)

    seen = run(persona(tmp_path, SAY, "pause_ms=2000", 'hangup="contact"'), act)
    # 990 and 5000 cannot have been captured by 1000: they count as the newest that can.
    assert [frame.start_ms for frame in seen.frames("agent")] == [700, 720, 741, 980]
    assert is_sound(seen)


def test_two_conversations_at_once_do_not_mix() -> None:
    async def main() -> tuple[Seen, Seen, MemoryLeg]:
        first, second = packaged_persona("agrees"), packaged_persona("presses-one")
        leg = MemoryLeg(keeps_all=True)
        seen = await asyncio.gather(
            converse(first, by_voice(set())), converse(second, by_sentences({1}), leg)
        )
        return (*seen, leg)

    one, two, leg = run_virtual(main())
    first, second = packaged_persona("agrees"), packaged_persona("presses-one")
    assert lines_said(first, one, "contact") == lines_of(first, "contact")
    assert lines_said(second, two, "contact") == lines_of(second, "contact")
    assert (one.keys, two.keys) == ("", "1")
    assert not one.sounds("announcement")
    greeting = audio_frames(first.steps[0].audio or Path())
    foreign = {pcm for pcm in greeting if level_dbfs(to_samples(pcm)) > -40}
    assert foreign
    assert not foreign & set(leg.heard)


def test_a_conversation_is_the_same_in_every_run() -> None:
    runs = [run(packaged_persona("moves"), by_voice({1, 5})) for _ in range(2)]
    assert runs[0] == runs[1]


def test_nobody_hangs_up_in_the_agents_name_at_once() -> None:
    seen = run(packaged_persona("voicemail"), by_voice(set()))
    assert seen.times(CallEventKind.MACHINE) == [0]
    assert seen.cause is EndCause.REMOTE_HANGUP


def test_a_joiner_speaks_on_a_leg_of_its_own(tmp_path: Path) -> None:
    steps = ['join="+493023125018"', 'say="joiner"\naudio="joiner.wav"', 'leave="joiner"']
    seen = run(persona(tmp_path, SAY, *steps, *steps, 'hangup="contact"'), nothing)
    joined = [event.leg for event in seen.events if event.kind is CallEventKind.JOINED]
    assert joined == ["joiner", "joiner-2"]
    assert seen.sounds("joiner") == list(range(1_000, 2_000, FRAME_MS))
    assert seen.sounds("joiner-2") == list(range(2_000, 3_000, FRAME_MS))


def test_a_leg_takes_whole_frames_only_and_keeps_the_newest_sixty_milliseconds() -> None:
    async def main() -> None:
        leg = MemoryLeg()
        with pytest.raises(InvalidInput, match="640"):
            leg.feed(bytes(320), 0)
        frames = voice(200)
        for pcm in frames:
            leg.play(pcm)
        assert list(leg.heard) == frames[-3:]
        leg.feed(frames[0], 0)
        leg.flush()
        leg.feed(frames[1], 20)
        async for sound in leg.sounds():
            assert (sound.captured_ms, sound.pcm) == (20, frames[1])
            await leg.close()
            await leg.close()
        assert not leg.is_connected
        assert [sound async for sound in leg.sounds()] == []

    run_virtual(main())
