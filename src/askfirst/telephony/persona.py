"""Simulated callees as data: a folder with `script.toml` and the audio files that it names.

This module reads and checks scripts; the simulator acts them out. What a script may say is
the list of steps below, and nothing else: an unknown key is an error, not a surprise.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np

from askfirst.audio.container import decode
from askfirst.audio.mixing import in_frames, mix, to_pcm
from askfirst.audio.resample import resample
from askfirst.errors import InvalidInput, NotFound
from askfirst.model import SAMPLE_RATE_HZ, OutcomeCode, Proof, Verdict


class StepKind(StrEnum):
    """What a step does; the key that names it in the script."""

    SAY = "say"
    DO = "do"
    WAIT = "wait"
    KEY = "key"
    PAUSE = "pause_ms"
    TONE = "tone"
    HANGUP = "hangup"
    JOIN = "join"
    LEAVE = "leave"
    ANSWER = "answer"
    RING = "ring"


ACTIONS = frozenset(
    {"record", "telling", "informed", "agreed", "refused", "objects", "pause", "resume", "place"}
)
"""What a scripted agent may click."""

_VALUES: Mapping[StepKind, frozenset[str]] = {
    StepKind.SAY: frozenset({"contact", "agent", "joiner"}),
    StepKind.DO: ACTIONS,
    StepKind.WAIT: frozenset({"announcement"}),
    StepKind.KEY: frozenset("0123456789*#ABCD"),
    StepKind.TONE: frozenset({"control", "marker"}),
    StepKind.HANGUP: frozenset({"contact", "agent"}),
    StepKind.LEAVE: frozenset({"joiner"}),
    StepKind.ANSWER: frozenset({"machine", "person"}),
    StepKind.RING: frozenset({"busy", "declined", "no-answer"}),
}

_MAX_MS = 600_000


@dataclass(frozen=True, slots=True)
class Step:
    """One line of a script.

    `value` is who speaks, what is clicked, which key and so on; `ms` the length of a pause or
    tone. `consent` tells whether from the start of this step on the contact has agreed (None:
    as before). `over` lets the next step begin while this one still speaks.
    """

    kind: StepKind
    value: str = ""
    ms: int = 0
    audio: Path | None = None
    text: str = ""
    code: str | None = None
    over: bool = False
    consent: bool | None = None


@dataclass(frozen=True, slots=True)
class Expected:
    """What the script's author says should come of the call."""

    outcome: OutcomeCode
    proof: Proof
    notice: Verdict


@dataclass(frozen=True, slots=True)
class Persona:
    """A simulated callee. `number` is the number to dial, from a block that is nobody's.

    `contact_place` is a place known beforehand, None when only the number speaks.
    `announcement` says whether the account announces when the agent presses Record. `policy`
    holds policy keys for calls to this persona. `summary` is one sentence by language.
    """

    name: str
    summary: Mapping[str, str]
    number: str
    agent_place: str
    contact_place: str | None
    announcement: bool
    policy: Mapping[str, object]
    expect: Expected | None
    steps: tuple[Step, ...] = field(repr=False)


def load_persona(folder: Path) -> Persona:
    """The persona in a folder; its audio files must be there, and are read when it is called.

    InvalidInput names what is wrong in the script, or the audio file that is missing.
    """
    path = folder / "script.toml"
    try:
        script = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as fault:
        raise InvalidInput(f"no script at {path} ({fault}). Add script.toml.") from fault
    except (ValueError, RecursionError) as fault:  # not UTF-8, not TOML, or nested too deep
        raise InvalidInput(f"{path} is not TOML ({fault}). Mend the script.") from fault
    return _Reader(str(path), folder).persona(script)


def voices(persona: Persona) -> dict[int, tuple[bytes, ...]]:
    """The 20 ms frames of every step that speaks, by index of the step.

    InvalidInput names an audio file that is missing or broken.
    """
    return {
        index: audio_frames(step.audio)
        for index, step in enumerate(persona.steps)
        if step.audio is not None
    }


def packaged_personas() -> dict[str, Persona]:
    """Every persona that is packaged, by name, in order of name; empty where none is."""
    found = {}
    with as_file(files("askfirst.telephony") / "personas") as root:
        for path in sorted(root.glob("*/script.toml")):
            persona = load_persona(path.parent)
            found[persona.name] = persona
    return found


def packaged_persona(name: str) -> Persona:
    """The packaged persona of this name; NotFound lists the names that exist."""
    personas = packaged_personas()
    if name not in personas:
        raise NotFound(f"no persona {name!r}. There are: {', '.join(personas) or 'none'}.")
    return personas[name]


def by_number(personas: Mapping[str, Persona]) -> Callable[[str], Persona | None]:
    """A look-up for the simulator: the persona whose number is dialled, else None."""
    numbers = {persona.number: persona for persona in personas.values()}
    return numbers.get


def audio_frames(path: Path) -> tuple[bytes, ...]:
    """An audio file as 20 ms frames of 16 kHz mono; decoded once for each state of the file.

    InvalidInput names the file when it is missing or cannot be decoded.
    """
    try:
        state = path.stat()
        return _decoded(path, state.st_mtime_ns, state.st_size)
    except OSError as fault:
        raise InvalidInput(f"no audio at {path} ({fault}). Render or copy it there.") from fault
    except InvalidInput as fault:
        raise InvalidInput(f"{path}: {fault}") from fault


@lru_cache(maxsize=256)
def _decoded(path: Path, _modified: int, _size: int) -> tuple[bytes, ...]:
    samples, rate = decode(path.read_bytes())
    mono = samples[0] if len(samples) == 1 else mix(list(samples // np.int16(len(samples))))
    return tuple(in_frames(to_pcm(resample(mono, rate, SAMPLE_RATE_HZ))))


class _Reader:
    """Turns a parsed script into a persona; every fault names the script and the step."""

    def __init__(self, where: str, folder: Path) -> None:
        self.where = where
        self.folder = folder

    def fault(self, found: str, expected: str) -> InvalidInput:
        return InvalidInput(f"{self.where}: {found}, expected {expected}. Mend the script.")

    def persona(self, script: dict[str, object]) -> Persona:
        known = {
            "persona",
            "summary",
            "number",
            "agent_place",
            "contact_place",
            "announcement",
            "policy",
            "expect",
            "step",
        }
        self.only(script, known, "the script")
        summary = self.table(script, "summary")
        if not {"en", "nb"} <= set(summary) or not all(
            isinstance(text, str) for text in summary.values()
        ):
            raise self.fault(f"summary in {sorted(summary)}", "sentences in at least en and nb")
        number = self.text(script, "number")
        if not (number.startswith("+") and number[1:].isascii() and number[1:].isdigit()):
            raise self.fault(f"number {number!r}", "+ and digits")
        raw = script.get("step", [])
        if not isinstance(raw, list) or not all(isinstance(step, dict) for step in raw):
            raise self.fault("step of another form", "a list of [[step]] tables")
        steps = tuple(self.step(index, step) for index, step in enumerate(raw, start=1))
        self.order(steps)
        return Persona(
            name=self.text(script, "persona"),
            summary={language: str(text) for language, text in summary.items()},
            number=number,
            agent_place=self.text(script, "agent_place"),
            contact_place=self.text(script, "contact_place") if "contact_place" in script else None,
            announcement=self.flag(script, "announcement") or False,
            policy=self.table(script, "policy") if "policy" in script else {},
            expect=self.expected(script),
            steps=steps,
        )

    def expected(self, script: dict[str, object]) -> Expected | None:
        if "expect" not in script:
            return None
        expect = self.table(script, "expect")
        self.only(expect, {"outcome", "proof", "notice"}, "expect")
        try:
            return Expected(
                OutcomeCode(str(expect.get("outcome"))),
                Proof(self.number(expect, "proof", 6)),
                Verdict(str(expect.get("notice"))),
            )
        except ValueError as fault:
            raise self.fault(f"expect with {fault}", "an outcome, a proof and a verdict") from fault

    def step(self, index: int, raw: dict[str, object]) -> Step:
        where = f"step {index}"
        kinds = [kind for kind in StepKind if kind.value in raw]
        if len(kinds) != 1:
            raise self.fault(f"{where} with {sorted(raw)}", f"one of {[k.value for k in StepKind]}")
        kind = kinds[0]
        extra = {
            StepKind.SAY: {"audio", "text", "over"},
            StepKind.DO: {"code"},
            StepKind.TONE: {"ms"},
        }.get(kind, set())
        self.only(raw, {kind.value, "consent"} | extra, where)
        consent = self.flag(raw, "consent")
        if kind is StepKind.PAUSE:
            return Step(kind, ms=self.number(raw, kind.value, _MAX_MS), consent=consent)
        value = self.text(raw, kind.value)
        allowed = _VALUES.get(kind)
        if allowed is not None and value not in allowed:
            raise self.fault(f"{where} with {kind.value} = {value!r}", f"one of {sorted(allowed)}")
        if (value == "place") != ("code" in raw) and kind is StepKind.DO:
            raise self.fault(f"{where} do = {value!r}", "a code with place, and only there")
        return Step(
            kind,
            value,
            ms=self.number(raw, "ms", _MAX_MS) if kind is StepKind.TONE else 0,
            audio=self.audio(raw, where) if kind is StepKind.SAY else None,
            text=self.text(raw, "text") if "text" in raw else "",
            code=self.text(raw, "code") if "code" in raw else None,
            over=self.flag(raw, "over") or False,
            consent=consent,
        )

    def audio(self, raw: dict[str, object], where: str) -> Path:
        name = self.text(raw, "audio")
        # A script names files of its own folder; anything else would read the machine's.
        if "/" in name or "\\" in name or "\0" in name or name in (".", ".."):
            raise self.fault(f"{where} with audio {name!r}", "a file beside the script")
        path = self.folder / name
        try:
            present = path.is_file()
        except OSError:  # a name that no file system takes
            present = False
        if not present:
            raise self.fault(f"{where} names {name!r}, which is missing", "an audio file there")
        return path

    def order(self, steps: tuple[Step, ...]) -> None:
        """Check what only makes sense in a place: the answer first, joiners while joined."""
        joined = False
        for index, step in enumerate(steps, start=1):
            if step.kind in (StepKind.ANSWER, StepKind.RING) and index != 1:
                raise self.fault(f"{step.kind.value} in step {index}", "it in step 1")
            if step.kind is StepKind.RING and len(steps) > 1:
                raise self.fault("steps after a call that nobody answers", "none")
            if step.kind is StepKind.JOIN and joined:
                raise self.fault(f"a second joiner in step {index}", "the first to leave before")
            speaks = step.kind is StepKind.SAY and step.value == "joiner"
            if (speaks or step.kind is StepKind.LEAVE) and not joined:
                raise self.fault(f"a joiner in step {index}", "join before it")
            if step.kind in (StepKind.JOIN, StepKind.LEAVE):
                joined = step.kind is StepKind.JOIN

    def only(self, raw: Mapping[str, object], known: set[str], where: str) -> None:
        unknown = sorted(set(raw) - known)
        if unknown:
            raise self.fault(f"unknown key {unknown[0]!r} in {where}", f"some of {sorted(known)}")

    def text(self, raw: Mapping[str, object], key: str) -> str:
        value = raw.get(key)
        if not isinstance(value, str) or not value:
            raise self.fault(f"{key} = {value!r}", "a text")
        return value

    def flag(self, raw: Mapping[str, object], key: str) -> bool | None:
        value = raw.get(key)
        if value is not None and not isinstance(value, bool):
            raise self.fault(f"{key} = {value!r}", "true or false")
        return value

    def number(self, raw: Mapping[str, object], key: str, most: int) -> int:
        value = raw.get(key)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
            raise self.fault(f"{key} = {value!r}", f"a whole number from 0 to {most}")
        return value

    def table(self, raw: Mapping[str, object], key: str) -> dict[str, object]:
        value = raw.get(key)
        if not isinstance(value, dict):
            raise self.fault(f"{key} = {value!r}", "a table")
        return {str(name): content for name, content in value.items()}
