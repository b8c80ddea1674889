"""Render the speech that the package ships: the personas' lines and the announcements.

A maintainer's act, never part of an installation or a test run; `README.md` beside this file
says how to run it. What is already rendered from the same text and the same voice is left alone,
so a second run changes nothing. Files that nothing names any more are removed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt

from askfirst.decide import decide
from askfirst.model import Form, Party, Place, Purpose, Role, Source
from askfirst.notice import NoticeFacts, announcement
from askfirst.policy import Policy

Samples = npt.NDArray[np.float32]

ROOT = Path(__file__).resolve().parent.parent
PERSONAS = ROOT / "src/askfirst/telephony/personas"
PROMPTS = ROOT / "src/askfirst/telephony/prompts"
VOICES = ROOT / "tools/voices.toml"

ENGINE = "hibari-tts 0.2.1, voice heart, seed 0"
CHAIN = "render 1, Opus 24 kbit/s"
"""Names the steps from synthesis to file; a change of the steps changes the number."""

RATE_HZ = 16_000
BIT_RATE = 24_000
SPEECH_LEVEL = 0.085  # about -21 dB below full scale, the usual level of telephone speech
PEAK = 0.9
LEAD_MS = 60
TAIL_MS = 200  # with the lead of the next line an unhurried change of speaker
COMPANY = "Harbor Supply"
PURPOSE = Purpose.TRAINING
"""Who the announcements speak for; simulated calls are made for the same account."""
LANGUAGE = "en"  # the only one that the voice speaks


@dataclass(frozen=True, slots=True)
class Voice:
    """How the synthesiser's voice is changed; meanings and ranges stand in `voices.toml`."""

    name: str
    speed: float
    pitch: float
    formant: float
    intonation: float

    def rendered_with(self) -> str:
        """Everything besides the text that decides how a line sounds, in words."""
        changes = {key: value for key, value in asdict(self).items() if key != "name"}
        return "; ".join(
            [ENGINE, ", ".join(f"{key} {value:g}" for key, value in changes.items()), CHAIN]
        )


@dataclass(frozen=True, slots=True)
class Casting:
    """The voices by name, who speaks with which, and the voice of the announcements."""

    voices: Mapping[str, Voice]
    parts: Mapping[str, Mapping[str, str]]
    announcer: Voice

    def voice_of(self, persona: str, speaker: str) -> Voice:
        """The voice of one speaker in one persona's call."""
        return self.voices[self.parts[persona][speaker]]


@dataclass(frozen=True, slots=True)
class Job:
    """One text to be spoken into one file; `entry` is what the manifest says besides."""

    file: str
    text: str
    voice: Voice
    entry: Mapping[str, str]


def casting() -> Casting:
    """Read `voices.toml`."""
    read = tomllib.loads(VOICES.read_text(encoding="utf-8"))
    voices = {name: Voice(name=name, **numbers) for name, numbers in read["voice"].items()}
    return Casting(voices, read["cast"], voices[read["announcement"]["voice"]])


def persona_jobs(cast: Casting) -> Iterator[Job]:
    """Every spoken line of every persona, in the order of the scripts."""
    for path in sorted(PERSONAS.glob("*/script.toml")):
        script = tomllib.loads(path.read_text(encoding="utf-8"))
        name = script["persona"]
        for step in script["step"]:
            if "say" in step:
                yield Job(
                    file=f"{name}/{step['audio']}",
                    text=step["text"],
                    voice=cast.voice_of(name, step["say"]),
                    entry={"persona": name, "speaker": step["say"]},
                )


def sha256(content: bytes) -> str:
    """The hash as it stands in the manifests: 64 hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def prompt_job(text: str, language: str, voice: Voice) -> Job:
    """The job for one announcement; its file is found by the hash of its text."""
    digest = sha256(text.encode())
    return Job(
        file=f"{language}/{digest[:16]}.opus",
        text=text,
        voice=voice,
        entry={"language": language, "sha256": digest},
    )


class Synthesiser:
    """The bundled voice with its pitch and resonances moved apart from each other.

    The model gives a spectral envelope and a pitch curve for every 12.5 ms; both are changed
    before they become a waveform, which costs no quality the way resampling would.
    """

    def __init__(self) -> None:
        # Imported here: the tests read this module where no synthesiser is installed.
        hibari = import_module("hibari")
        self._dsp: Any = hibari.dsp
        self._model: Any = hibari.Hibari()

    def speak(self, text: str, voice: Voice) -> Samples:
        """One text as mono samples at 16 kHz, levelled and trimmed."""
        noise = np.random.default_rng(0)
        parts = [self._sentence(phonemes, voice, noise) for phonemes in self._model.phonemize(text)]
        return finished(np.concatenate(parts), self._dsp.SR)

    def _sentence(self, phonemes: str, voice: Voice, noise: np.random.Generator) -> Samples:
        outputs = self._model.sess.run(
            None,
            {
                "ids": np.asarray([self._model.ids(phonemes)], np.int64),
                "speed": np.asarray([voice.speed], np.float32),
            },
        )
        harmonic, rotation, noisy, free, phase, pitch = (output[0] for output in outputs)
        harmonic, noisy, free = (_warped(part, voice.formant) for part in (harmonic, noisy, free))
        rotation, phase = (_moved(part, voice.formant) for part in (rotation, phase))
        pitch = _intoned(pitch, voice.intonation) * voice.pitch
        spoken: Samples = self._dsp.synth(
            harmonic, rotation, noisy, free, phase, pitch.astype(np.float32), noise
        )
        return spoken


def _warped(envelope: Samples, factor: float) -> Samples:
    """Log magnitudes [bins, frames] with every resonance moved by a factor."""
    bins = len(envelope)
    source = np.clip(np.arange(bins) / factor, 0, bins - 1.001)
    below = source.astype(int)
    share = (source - below)[:, None].astype(np.float32)
    moved: Samples = envelope[below] * (1 - share) + envelope[below + 1] * share
    return moved


def _moved(phase: Samples, factor: float) -> Samples:
    """As `_warped` for phases, which cannot be averaged: the nearest bin."""
    bins = len(phase)
    nearest: Samples = phase[np.clip(np.rint(np.arange(bins) / factor).astype(int), 0, bins - 1)]
    return nearest


def _intoned(pitch: Samples, intonation: float) -> Samples:
    """The pitch curve with its movement around the mean widened or narrowed."""
    voiced = pitch > 40  # below that the model means: not voiced
    if not voiced.any():
        return pitch
    mean = np.exp(np.log(pitch[voiced]).mean())
    changed = pitch.copy()
    changed[voiced] = mean * (pitch[voiced] / mean) ** intonation
    return changed


def finished(spoken: Samples, rate_hz: int) -> Samples:
    """Speech at 16 kHz with the level and the silences that every shipped line has."""
    samples = _resampled(spoken, rate_hz)
    size = RATE_HZ // 100
    frames = samples[: len(samples) // size * size].reshape(-1, size)
    level = np.sqrt((frames**2).mean(axis=1))
    loud = np.flatnonzero(level > 0.02 * level.max())
    first, last = max(int(loud[0]) - 2, 0), int(loud[-1]) + 4
    active = level[level > 0.1 * level.max()]
    samples = samples[first * size : last * size] * (SPEECH_LEVEL / np.sqrt((active**2).mean()))
    peak = np.abs(samples).max()
    if peak > PEAK:
        samples = samples * (PEAK / peak)
    ramp = np.linspace(0, 1, size)
    samples[:size] *= ramp
    samples[-size:] *= ramp[::-1]
    lead, tail = (np.zeros(RATE_HZ * ms // 1000) for ms in (LEAD_MS, TAIL_MS))
    joined: Samples = np.concatenate([lead, samples, tail]).astype(np.float32)
    return joined


def _resampled(samples: Samples, rate_hz: int) -> npt.NDArray[np.float64]:
    """The same sound at 16 kHz, cut off in the frequency domain: lines are short."""
    length = round(len(samples) * RATE_HZ / rate_hz)
    spectrum = np.fft.rfft(samples)[: length // 2 + 1]
    return np.fft.irfft(spectrum, length) * (length / len(samples))


def encode(samples: Samples, path: Path) -> None:
    """Write Ogg/Opus, mono; the same samples give the same bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # bitexact: otherwise the stream's serial number is random.
    with av.open(str(path), "w", format="ogg", options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream("libopus", rate=RATE_HZ)
        stream.bit_rate = BIT_RATE
        stream.layout = "mono"
        stream.options = {"application": "voip"}
        pcm = (np.clip(samples, -1, 1) * 32767).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(pcm[None, :], format="s16", layout="mono")
        frame.sample_rate = RATE_HZ
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)


def announcements(on: date, facts: NoticeFacts) -> list[str]:
    """Every text that an announcing persona hears: at first, and after each change of parties."""
    texts: dict[str, None] = {}  # each once, in order
    for path in sorted(PERSONAS.glob("*/script.toml")):
        script = tomllib.loads(path.read_text(encoding="utf-8"))
        if script["announcement"]:
            policy = Policy.parse({"purpose": facts.purpose, **script["policy"]})
            for parties in _constellations(script):
                decision = decide(parties, on, policy=policy)
                forms = {requirement.form for requirement in decision.requirements}
                if forms:
                    keys = max(forms) > Form.TOLD
                    texts[announcement(decision.elements, LANGUAGE, facts, keys=keys)] = None
    return list(texts)


def _constellations(script: Mapping[str, Any]) -> Iterator[list[Party]]:
    """The parties at the answer, and again after every place that is learned and every joiner."""
    known = [Place(script["contact_place"])] if "contact_place" in script else []
    parties = [
        Party.agent(script["agent_place"]),
        Party(Role.CONTACT, script["number"], tuple(known)),
    ]
    yield list(parties)
    for step in script["step"]:
        if step.get("do") == "place":
            stated = Place(step["code"], Source.STATED)
            parties[1] = replace(parties[1], places=(*parties[1].places, stated))
        elif "join" in step:
            parties.append(Party(Role.CONTACT, step["join"]))
        else:
            continue
        yield list(parties)


def render(folder: Path, kind: str, jobs: list[Job], synthesiser: list[Synthesiser]) -> int:
    """Bring one folder and its manifest in step with the jobs; the number of files rendered."""
    manifest = folder / "manifest.toml"
    known: dict[str, dict[str, str]] = {}
    if manifest.exists():
        read = tomllib.loads(manifest.read_text(encoding="utf-8"))
        known = {entry["file"]: entry for entry in read.get(kind, [])}
    rendered = 0
    entries = []
    for job in jobs:
        path = folder / job.file
        old = known.get(job.file, {})
        with_voice = job.voice.rendered_with()
        same = old.get("text") == job.text and old.get("rendered_with") == with_voice
        if not (same and path.exists() and sha256(path.read_bytes()) == old.get("audio_sha256")):
            if not synthesiser:
                synthesiser.append(Synthesiser())
            encode(synthesiser[0].speak(job.text, job.voice), path)
            rendered += 1
        entries.append(
            {
                **job.entry,
                "file": job.file,
                "text": job.text,
                "voice": job.voice.name,
                "rendered_with": with_voice,
                "audio_sha256": sha256(path.read_bytes()),
            }
        )
    named = {folder / entry["file"] for entry in entries}
    for path in folder.rglob("*.opus"):
        if path not in named:
            path.unlink()
    manifest.write_text(_toml(kind, entries), encoding="utf-8")
    return rendered


def _toml(kind: str, entries: list[dict[str, str]]) -> str:
    """A manifest; JSON strings are TOML strings."""
    blocks = ["# Written by tools/render_voices.py; do not edit."]
    for entry in entries:
        lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in entry.items()]
        blocks.append("\n".join([f"[[{kind}]]", *lines]))
    return "\n\n".join(blocks) + "\n"


def main() -> int:
    """Render what is out of step and say how much that was."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", choices=["lines", "announcements"])
    parser.add_argument("--company", default=COMPANY, help="who records, in the announcements")
    parser.add_argument(
        "--purpose", type=Purpose, default=PURPOSE, help="what for, in the announcements"
    )
    parser.add_argument(
        "--on",
        type=date.fromisoformat,
        default=datetime.now(UTC).date(),
        help="the day whose rules decide what the announcements say",
    )
    chosen = parser.parse_args()
    cast = casting()
    synthesiser: list[Synthesiser] = []
    if chosen.only != "announcements":
        count = render(PERSONAS, "line", list(persona_jobs(cast)), synthesiser)
        sys.stdout.write(f"lines rendered: {count}\n")
    if chosen.only != "lines":
        texts = announcements(chosen.on, NoticeFacts(chosen.company, chosen.purpose))
        jobs = [prompt_job(text, LANGUAGE, cast.announcer) for text in texts]
        count = render(PROMPTS, "prompt", jobs, synthesiser)
        sys.stdout.write(f"announcements rendered: {count}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
