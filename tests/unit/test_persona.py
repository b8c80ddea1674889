from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from askfirst.audio.container import encode_ogg_opus, encode_wav
from askfirst.audio.mixing import level_dbfs, to_samples
from askfirst.audio.tone import tone
from askfirst.errors import InvalidInput, NotFound
from askfirst.model import FRAME_BYTES, OutcomeCode, Proof, Verdict
from askfirst.telephony.persona import (
    Persona,
    StepKind,
    audio_frames,
    by_number,
    load_persona,
    packaged_persona,
)

HEAD = """persona = "callee"
number = "+4748750103"
agent_place = "US-TX"
contact_place = "NO"
announcement = true
policy = { minimum_proof = 4 }
expect = { outcome = "recorded", proof = 4, notice = "heard" }
summary = { en = "A callee.", nb = "En person." }
"""
BARE = """persona = "callee"
number = "+4748750103"
agent_place = "US-TX"
summary = { en = "A callee.", nb = "En person." }
"""


def load(folder: Path, script: str) -> Persona:
    (folder / "voice.wav").write_bytes(encode_wav(tone((500,), 100).reshape(1, -1)))
    (folder / "script.toml").write_text(script, encoding="utf-8")
    return load_persona(folder)


def steps(*lines: str) -> str:
    return BARE + "".join(f"[[step]]\n{line}\n" for line in lines)


def test_a_script_is_read_with_everything_it_says(tmp_path: Path) -> None:
    persona = load(
        tmp_path,
        HEAD + '[[step]]\nsay="contact"\naudio="voice.wav"\ntext="Hello."\nover=true\n'
        '[[step]]\ndo="place"\ncode="FR"\nconsent=false\n'
        '[[step]]\ntone="control"\nms=500\n[[step]]\npause_ms=400\n',
    )
    assert (persona.name, persona.number, persona.agent_place) == ("callee", "+4748750103", "US-TX")
    assert (persona.contact_place, persona.announcement) == ("NO", True)
    assert persona.policy == {"minimum_proof": 4}
    assert persona.summary == {"en": "A callee.", "nb": "En person."}
    assert persona.expect is not None
    assert persona.expect.outcome is OutcomeCode.RECORDED
    assert (persona.expect.proof, persona.expect.notice) == (Proof.KEY, Verdict.HEARD)
    say, place, sound, pause = persona.steps
    assert (say.value, say.text, say.over, say.audio) == (
        "contact",
        "Hello.",
        True,
        tmp_path / "voice.wav",
    )
    assert (place.value, place.code, place.consent) == ("place", "FR", False)
    assert (sound.kind, sound.ms, pause.ms) == (StepKind.TONE, 500, 400)


def test_what_a_script_leaves_out_has_defaults(tmp_path: Path) -> None:
    persona = load(tmp_path, BARE)
    assert persona.contact_place is None
    assert persona.announcement is False
    assert persona.policy == {}
    assert persona.expect is None
    assert persona.steps == ()


@pytest.mark.parametrize(
    ("script", "named"),
    [
        (BARE + "colour = 1", "colour"),
        (BARE.replace('"+4748750103"', '"4748"'), "number '4748'"),
        (BARE.replace(", nb", ", sv"), "nb"),
        (BARE.replace('persona = "callee"', ""), "persona"),
        (BARE + "announcement = 1", "announcement"),
        (BARE + "policy = 3", "policy"),
        (BARE + 'step = "x"', "step"),
        (BARE + 'expect = { outcome = "fine", proof = 1, notice = "heard" }', "fine"),
        (BARE + 'expect = { outcome = "recorded", proof = 9, notice = "heard" }', "proof"),
        (steps('shout="contact"'), "step 1"),
        (steps('say="contact"\nkey="1"'), "step 1"),
        (steps('say="nobody"\naudio="voice.wav"'), "nobody"),
        (steps('say="contact"'), "audio"),
        (steps('say="contact"\naudio="../voice.wav"'), "../voice.wav"),
        (steps('say="contact"\naudio=".."'), "beside the script"),
        (steps('say="contact"\naudio="gone.opus"'), "gone.opus"),
        (steps('say="contact"\naudio="a\\u0000b"'), "beside the script"),
        (steps(f'say="contact"\naudio="{"a" * 300}"'), "missing"),
        (steps('say="joiner"\naudio="voice.wav"'), "join before"),
        (steps('do="place"'), "code"),
        (steps('do="record"\ncode="FR"'), "code"),
        (steps('do="dance"'), "dance"),
        (steps('key="12"'), "12"),
        (steps("pause_ms=-1"), "pause_ms"),
        (steps("pause_ms=true"), "pause_ms"),
        (steps('tone="control"'), "ms"),
        (steps('wait="answer"'), "answer"),
        (steps('key="1"\nconsent=1'), "consent"),
        (steps("pause_ms=1", 'answer="machine"'), "step 2"),
        (steps('ring="busy"', "pause_ms=1"), "nobody answers"),
        (steps('join="+1"', 'join="+2"'), "second joiner"),
        (steps('leave="joiner"'), "join before"),
        (steps('join="+1"', 'leave="joiner"', 'leave="joiner"'), "join before"),
    ],
)
def test_a_faulty_script_is_refused_and_the_fault_named(
    tmp_path: Path, script: str, named: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        load(tmp_path, script)
    assert named in str(caught.value)
    assert "script.toml" in str(caught.value)


@pytest.mark.parametrize("content", [b"persona = ", b"\xff\xfe", b"a=" + b"[" * 5_000, b"a=1\na=2"])
def test_what_is_not_toml_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "script.toml").write_bytes(content)
    with pytest.raises(InvalidInput, match="is not TOML"):
        load_persona(tmp_path)


def test_a_folder_without_a_script_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="no script"):
        load_persona(tmp_path)


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.integers(0, len(HEAD)),
    st.integers(0, 30),
    st.sampled_from(["", "[", "]]", "{", '"', "=", "\n", "0", "true", "[[step]]", "\x00", "é"]),
)
def test_a_damaged_script_is_read_or_refused_and_nothing_else(
    tmp_path: Path, at: int, drop: int, put: str
) -> None:
    whole = HEAD + '[[step]]\nkey = "1"\nconsent = true\n[[step]]\npause_ms = 400\n'
    try:
        persona = load(tmp_path, whole[:at] + put + whole[at + drop :])
    except InvalidInput:
        return
    assert persona.number.startswith("+")


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.sampled_from([*StepKind]),
    st.one_of(
        st.text(max_size=8), st.integers(), st.booleans(), st.lists(st.integers(), max_size=2)
    ),
)
def test_a_step_of_any_value_is_read_or_refused(
    tmp_path: Path, kind: StepKind, value: object
) -> None:
    text = str(value).lower() if isinstance(value, bool) else repr(value)
    try:
        persona = load(tmp_path, steps(f"{kind.value} = {text}"))
    except InvalidInput:
        return
    assert [step.kind for step in persona.steps] == [kind]


def test_audio_becomes_frames_of_sixteen_kilohertz_mono(tmp_path: Path) -> None:
    path = tmp_path / "voice.opus"
    path.write_bytes(encode_ogg_opus(tone((500,), 990, -20.0).reshape(1, -1)))
    frames = audio_frames(path)
    assert len(frames) == 50
    assert {len(frame) for frame in frames} == {FRAME_BYTES}
    assert level_dbfs(to_samples(b"".join(frames[5:45]))) == pytest.approx(-20.0, abs=1.0)


def test_stereo_audio_becomes_the_mean_of_its_channels(tmp_path: Path) -> None:
    path = tmp_path / "voice.wav"
    stereo = np.stack([np.full(320, 1_000, np.int16), np.full(320, 3_000, np.int16)])
    path.write_bytes(encode_wav(stereo))
    assert to_samples(b"".join(audio_frames(path))).tolist() == [2_000] * 320


def test_audio_is_decoded_once_until_the_file_changes(tmp_path: Path) -> None:
    path = tmp_path / "voice.wav"
    path.write_bytes(encode_wav(tone((500,), 100).reshape(1, -1)))
    first = audio_frames(path)
    assert audio_frames(path) is first
    path.write_bytes(encode_wav(tone((500,), 200).reshape(1, -1)))
    os.utime(path, ns=(1, 1))
    assert len(audio_frames(path)) == 10


@pytest.mark.parametrize("content", [None, b"", b"OggS and nothing more"])
def test_audio_that_is_missing_or_broken_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "voice.opus"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InvalidInput, match=r"voice\.opus"):
        audio_frames(path)


def test_a_number_finds_its_persona_and_no_other(tmp_path: Path) -> None:
    persona = load(tmp_path, BARE)
    find = by_number({persona.name: persona})
    assert find("+4748750103") is persona
    assert find("+4748750104") is None


def test_a_persona_that_does_not_exist_is_not_found() -> None:
    with pytest.raises(NotFound, match="no persona 'nobody'"):
        packaged_persona("nobody")
