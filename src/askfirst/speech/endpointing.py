"""Where somebody speaks, and how stretches of speech are joined for a recogniser.

The Silero model that faster-whisper carries decides; without it an energy rule does, and
`detector` says why. Nothing here recognises words. Imported in speech processes and tests only,
because the runtime of the model is large. Audio is mono s16le at 16 kHz, spans are milliseconds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from askfirst.errors import InvalidInput
from askfirst.model import SAMPLE_RATE_HZ

Span = tuple[int, int]

STEP_SAMPLES = 512
"""Samples that are judged together: 32 ms, as the model was trained."""

STEP_MS = STEP_SAMPLES * 1000 // SAMPLE_RATE_HZ
LONGEST_WINDOW_MS = 28_000
"""Longest window for Whisper, which reads 30 s at a time."""

# The usual 0.5 and 0.35 lose a third of the words of a narrow-band telephone line.
SPEECH = 0.3
"""Likelihood at which speech begins."""

STILL_SPEECH = 0.15
"""Likelihood down to which it goes on."""

SHORTEST_STEPS = 2
"""Fewer steps than these are no speech."""

_CONTEXT_SAMPLES = 64
_STEPS_AT_ONCE = 512  # bounds the model's memory, about 16 s
# Over a telephone line the model notices soft first sounds late: "No" was heard as "Oh".
_LEAD_MS = 400
_TAIL_MS = 200
_GAP_MS = 300
_BYTES_PER_MS = SAMPLE_RATE_HZ * 2 // 1000


@dataclass(frozen=True, slots=True)
class Detector:
    """What decides whether there is speech: `name` silero or energy; `reason` why not silero."""

    name: str
    reason: str | None = None
    session: Any = None  # an onnxruntime session; that package ships no types


@cache
def detector() -> Detector:
    """The best detector that is installed here; loaded once in a process."""
    try:
        import onnxruntime  # type: ignore[import-untyped]
    except ImportError:
        return Detector("energy", "onnxruntime is not installed")
    package = find_spec("faster_whisper")
    if package is None or not package.submodule_search_locations:
        return Detector("energy", "faster-whisper, which carries the speech model, is missing")
    models = sorted(Path(package.submodule_search_locations[0], "assets").glob("silero_vad*.onnx"))
    if not models:
        return Detector("energy", "faster-whisper carries no Silero model")
    options = onnxruntime.SessionOptions()
    options.inter_op_num_threads = 1
    options.intra_op_num_threads = 1
    options.enable_cpu_mem_arena = False
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(
        str(models[-1]), providers=["CPUExecutionProvider"], sess_options=options
    )
    if {item.name for item in session.get_inputs()} != {"input", "h", "c"}:
        return Detector("energy", f"{models[-1].name} has other inputs than this code knows")
    return Detector("silero", session=session)


def speech_spans(
    pcm: bytes,
    *,
    hang_over_ms: int = 500,
    longest_ms: int = LONGEST_WINDOW_MS,
    using: Detector | None = None,
) -> list[Span]:
    """Stretches with speech as (start, end) in milliseconds, in order, none overlapping another.

    A pause shorter than `hang_over_ms` does not end a stretch; 400 ms before and 200 ms
    after are added. A stretch longer than `longest_ms` is cut where speech is least likely.
    `using` is for tests.
    Raises InvalidInput for half a sample.
    """
    if len(pcm) % 2:
        raise InvalidInput(
            f"the audio has {len(pcm)} bytes; 16-bit samples need an even number. "
            "Give mono signed 16-bit little-endian samples at 16 kHz."
        )
    if len(pcm) < 2 * STEP_SAMPLES:
        return []
    chosen = using or detector()
    likely = _by_model(pcm, chosen) if chosen.session is not None else _by_energy(_levels(pcm))
    total_ms = len(pcm) // _BYTES_PER_MS
    spans: list[Span] = []
    for first, last in _runs(likely, max(1, hang_over_ms // STEP_MS)):
        start = max(0, first * STEP_MS - _LEAD_MS)
        end = min(total_ms, last * STEP_MS + _TAIL_MS)
        if spans and start <= spans[-1][1]:
            # Two paddings that meet are shared in the middle, so that no sample is heard twice.
            middle = (start + spans[-1][1]) // 2
            spans[-1] = (spans[-1][0], middle - 1)
            start = middle
        spans.append((start, end))
    return [piece for span in spans for piece in _cut(span, likely, longest_ms)]


def pieces(pcm: bytes, longest_ms: int) -> list[Span]:
    """All of `pcm` as adjoining spans of at most `longest_ms`, cut where it is quietest."""
    total_ms = len(pcm) // _BYTES_PER_MS
    return list(_cut((0, total_ms), _levels(pcm), longest_ms)) if total_ms else []


def cut_out(pcm: bytes, span: Span) -> bytes:
    """The samples of one span."""
    return pcm[span[0] * _BYTES_PER_MS : span[1] * _BYTES_PER_MS]


def samples(pcm: bytes) -> NDArray[np.float32]:
    """Samples as floats from -1 to 1, as engines want them."""
    return np.frombuffer(pcm, "<i2").astype(np.float32) / np.float32(32768)


@dataclass(frozen=True, slots=True)
class Window:
    """Spans that are recognised together, joined by 300 ms of silence."""

    spans: tuple[Span, ...]

    def pcm(self, channel: bytes) -> bytes:
        """The joined audio, taken from the whole channel."""
        return bytes(_GAP_MS * _BYTES_PER_MS).join(cut_out(channel, span) for span in self.spans)

    def on_channel(self, start_ms: int, end_ms: int) -> Span:
        """Times within the joined audio as times on the channel's clock.

        What reaches into the silence between spans belongs to the span that holds its middle,
        or to the nearer one, and is cut to it; so no word lies where nobody spoke.
        """
        middle = (start_ms + end_ms) / 2
        offset = 0
        best: tuple[float, int, Span] | None = None
        for span in self.spans:
            length = span[1] - span[0]
            distance = max(offset - middle, middle - offset - length, 0)
            if best is None or distance < best[0]:
                best = (distance, span[0] - offset, span)
            offset += length + _GAP_MS
        if best is None:
            raise InvalidInput("a window without spans was given; expected at least one span.")
        _, shift, (low, high) = best
        start = min(max(start_ms + shift, low), high)
        return start, min(max(end_ms + shift, start), high)


def windows(spans: Sequence[Span], longest_ms: int = LONGEST_WINDOW_MS) -> list[Window]:
    """Spans packed in order into as few windows of at most `longest_ms` as that allows."""
    packed: list[list[Span]] = []
    length = 0
    for span in spans:
        more = span[1] - span[0]
        if packed and length + _GAP_MS + more <= longest_ms:
            packed[-1].append(span)
            length += _GAP_MS + more
        else:
            packed.append([span])
            length = more
    return [Window(tuple(together)) for together in packed]


class Likelihood:
    """How likely somebody speaks in audio that comes bit by bit; one for each stream.

    It remembers what came before. `using` is for tests. Not for several threads at a time.
    """

    def __init__(self, using: Detector | None = None) -> None:
        self._session = (using or detector()).session
        self._state = np.zeros((1, 1, 128), np.float32), np.zeros((1, 1, 128), np.float32)
        self._context = np.zeros(_CONTEXT_SAMPLES, np.float32)
        self._before = np.empty(0, np.float32)

    def of(self, pcm: bytes) -> NDArray[np.float32]:
        """From 0 to 1 for each step of what comes next; silence fills up the last one."""
        return self._by_energy(pcm) if self._session is None else self._by_model(pcm)

    def _by_model(self, pcm: bytes) -> NDArray[np.float32]:
        part = samples(pcm)
        part = np.pad(part, (0, -len(part) % STEP_SAMPLES))
        steps = part.reshape(-1, STEP_SAMPLES)
        # Each step is read together with the last samples of the one before.
        before = np.vstack([self._context, steps[:-1, -_CONTEXT_SAMPLES:]])
        self._context = steps[-1, -_CONTEXT_SAMPLES:]
        h, c = self._state
        out, h, c = self._session.run(None, {"input": np.hstack([before, steps]), "h": h, "c": c})
        self._state = h, c
        return np.asarray(out, np.float32).reshape(-1)

    def _by_energy(self, pcm: bytes) -> NDArray[np.float32]:
        levels = _levels(pcm)
        self._before = np.concatenate([self._before, levels])[-_STEPS_AT_ONCE:]
        return _by_energy(self._before)[-len(levels) :]


def _by_model(pcm: bytes, using: Detector) -> NDArray[np.float32]:
    heard = Likelihood(using)
    at_once = 2 * STEP_SAMPLES * _STEPS_AT_ONCE
    return np.concatenate(
        [heard.of(pcm[offset : offset + at_once]) for offset in range(0, len(pcm), at_once)]
    )


def _levels(pcm: bytes) -> NDArray[np.float32]:
    """Level of each step in dB below full scale; silence is -120."""
    values = np.frombuffer(pcm, "<i2")
    steps = np.pad(values, (0, -len(values) % STEP_SAMPLES)).reshape(-1, STEP_SAMPLES)
    power = np.array([np.mean(np.square(step, dtype=np.float64)) for step in steps])
    decibels: NDArray[np.float64] = 10 * np.log10(np.maximum(power / 32768**2, 1e-12))
    return decibels.astype(np.float32)


def _by_energy(levels: NDArray[np.float32]) -> NDArray[np.float32]:
    """1 where a step is 12 dB above the quietest tenth and above -50 dB, else 0."""
    floor = float(np.percentile(levels, 10))
    return (levels > max(floor + 12, -50)).astype(np.float32)


def _runs(likely: NDArray[np.float32], hang_over: int) -> Iterator[tuple[int, int]]:
    """Runs of speech in steps: begun at 0.3, kept from 0.15 on, ended after `hang_over` steps."""
    first: int | None = None
    last = spoken = 0
    for step, value in enumerate(likely.tolist()):
        if first is None:
            if value < SPEECH:
                continue
            first, spoken = step, 0
        if value >= STILL_SPEECH:
            last, spoken = step + 1, spoken + 1
        elif step - last >= hang_over:
            if spoken >= SHORTEST_STEPS:
                yield first, last
            first = None
    if first is not None and spoken >= SHORTEST_STEPS:
        yield first, last


def _cut(span: Span, quiet: NDArray[np.float32], longest_ms: int) -> Iterator[Span]:
    start, end = span
    while end - start > longest_ms:
        # Look for the quietest step in the last third; steps there are whole numbers of STEP_MS.
        low = (start + longest_ms * 2 // 3) // STEP_MS
        high = max(low + 1, (start + longest_ms) // STEP_MS)
        at = (low + int(np.argmin(quiet[low:high]))) * STEP_MS
        yield start, at
        start = at
    yield start, end
