"""What recognising a telephone call costs with the packaged model, beside real time."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

from askfirst.model import FRAME_BYTES, FRAME_MS
from askfirst.server.plugins import SPEECH, load
from askfirst.telephony.persona import audio_frames, packaged_persona
from bench.measure import Line

RUNS = 3
PERSONAS = ("agrees", "presses-one", "told")
PAUSE_FRAMES = 25


def _speech() -> bytes:
    """What both sides of some calls say, with half a second between the sentences."""
    parts: list[bytes] = []
    for name in PERSONAS:
        for step in packaged_persona(name).steps:
            if step.audio is not None:
                parts += [*audio_frames(step.audio), *[bytes(FRAME_BYTES)] * PAUSE_FRAMES]
    return b"".join(parts)


def _cpu_seconds(pid: int) -> float:
    """User and system time of a process so far (proc(5), fields 14 and 15 of stat)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def lines() -> Iterator[Line]:
    """Seconds for each second of audio, on the wall and of the processor."""
    recognizer = load(SPEECH, "whisper")()
    pcm = _speech()
    audio_s = len(pcm) / FRAME_BYTES * FRAME_MS / 1000
    wall, cpu = [], []
    try:
        recognizer.transcribe(pcm, "en")
        for _ in range(RUNS):
            used, began = _cpu_seconds(recognizer.pid), time.perf_counter()
            recognizer.transcribe(pcm, "en")
            wall.append(time.perf_counter() - began)
            cpu.append(_cpu_seconds(recognizer.pid) - used)
    finally:
        recognizer.close()
    counts = f"median of {RUNS} runs over {audio_s:.0f} s of speech, model loaded before"
    yield Line("transcribe wall", statistics.median(wall) / audio_s, "s/s", 1.0, counts)
    yield Line("transcribe cpu", statistics.median(cpu) / audio_s, "s/s", 1.0, counts)
