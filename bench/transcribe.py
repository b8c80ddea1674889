"""What recognising a telephone call costs with the packaged model, and how much of it is wrong.

Beside real time, and beside faster-whisper called directly with the same model in the same run.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from faster_whisper import WhisperModel

from askfirst.model import FRAME_BYTES, FRAME_MS, SAMPLE_RATE_HZ
from askfirst.ports import Recognizer
from askfirst.server.plugins import SPEECH, load
from askfirst.speech.whispermodels import packaged_model
from askfirst.telephony.persona import audio_frames, packaged_persona
from bench.measure import Line
from bench.prompts import are_there, channel, prompts
from bench.worderrors import word_errors

RUNS = 3
PROMPTS = 176
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
    """Seconds for each second of audio, on the wall and of the processor; words that are wrong."""
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
        counts = f"median of {RUNS} runs over {audio_s:.0f} s of speech, model loaded before"
        yield Line("transcribe wall", statistics.median(wall) / audio_s, "s/s", 1.0, counts)
        yield Line("transcribe cpu", statistics.median(cpu) / audio_s, "s/s", 1.0, counts)
        if are_there():
            yield from _beside_the_engine(recognizer)
    finally:
        recognizer.close()


def _beside_the_engine(recognizer: Recognizer) -> Iterator[Line]:
    """One side of a call of known words, by us and by faster-whisper itself, in turns."""
    spoken = list(prompts(PROMPTS))
    pcm, said = channel(spoken), " ".join(each.text for each in spoken)
    audio = np.frombuffer(pcm, "<i2").astype(np.float32) / 32768
    audio_s = len(audio) / SAMPLE_RATE_HZ
    model = WhisperModel(str(packaged_model()), device="cpu", compute_type="int8", cpu_threads=2)
    wall: dict[str, list[float]] = {"ours": [], "direct": []}
    texts: dict[str, str] = {}
    for _ in range(RUNS):
        began = time.perf_counter()
        texts["ours"] = " ".join(word.text for word in recognizer.transcribe(pcm, "en"))
        wall["ours"].append(time.perf_counter() - began)
        began = time.perf_counter()
        segments, _about = model.transcribe(
            audio,
            language="en",
            beam_size=1,
            condition_on_previous_text=False,
            word_timestamps=True,
        )
        texts["direct"] = " ".join(segment.text for segment in segments)
        wall["direct"].append(time.perf_counter() - began)
    (ours, words), (direct, _) = (word_errors(said, texts[each]) for each in ("ours", "direct"))
    counts = f"{words} words in {audio_s:.0f} s of telephone prompts; reference: the engine itself"
    yield Line("transcribe words wrong", 100 * ours / words, "%", 100 * direct / words, counts)
    times = [statistics.median(wall[each]) / audio_s for each in ("ours", "direct")]
    yield Line("transcribe beside the engine", times[0], "s/s", times[1], counts)
