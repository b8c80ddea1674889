"""Moonshine, a lighter English recogniser, in a process of its own; optional.

The class is the parent's side and imports no engine; `engine` runs in the child. Only the English
model inside the package is used: models of other languages have another licence. The package
needs the system library libportaudio2, although no sound device is touched here.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec

from askfirst.errors import Misconfigured, NotInstalled
from askfirst.model import SAMPLE_RATE_HZ, Word
from askfirst.ports import RecognizerCapabilities
from askfirst.speech.transcribe import spread
from askfirst.speech.worker import Engine, EngineProcess, check

_LONGEST_PIECE_MS = 60_000
_UNKNOWN_CONFIDENCE = 0.5


class Moonshine:
    """Moonshine tiny English: batch, one line at a time, word times estimated within a line.

    The process starts at the first use, ends itself after `idle_s` seconds without work (None:
    never) and may take 30 s and `pace` seconds for each second of audio. Safe to use from several
    threads. Close it. Raises NotInstalled without moonshine-voice.
    """

    name = "moonshine"
    capabilities = RecognizerCapabilities(
        languages=frozenset({"en"}), word_times=False, external=False
    )

    def __init__(self, threads: int = 2, idle_s: float | None = 300.0, pace: float = 8.0) -> None:
        if find_spec("moonshine_voice") is None:
            raise NotInstalled("moonshine-voice", "moonshine")
        self._process = EngineProcess(
            "askfirst.speech.moonshine:engine", {}, threads=threads, idle_s=idle_s, pace=pace
        )

    @property
    def pid(self) -> int | None:
        """Process id of the engine, None while it does not run."""
        return self._process.pid

    def transcribe(self, pcm: bytes, language: str) -> list[Word]:
        """Words of one channel: mono s16le at 16 kHz, times in milliseconds from its start.

        `confidence` is always 0.5, because the engine gives none. Raises InvalidInput for half a
        sample or a language other than English, Unavailable when the engine died or took too
        long (the next call starts another) and Misconfigured when its library cannot be loaded.
        """
        check(pcm, language, self.capabilities.languages, self.name)
        return self._process.transcribe(pcm, language) if pcm else []

    def close(self) -> None:
        """End the process and release its memory; safe to call again."""
        self._process.close()


def engine(_options: Mapping[str, str | int | bool]) -> Engine:
    """The child's side: load the model, give what recognises one channel.

    Raises Misconfigured when the package or a system library cannot be loaded.
    """
    from askfirst.speech import endpointing

    try:
        from moonshine_voice import ModelArch, get_model_path
        from moonshine_voice.errors import MoonshineError
        from moonshine_voice.transcriber import Transcriber
    except (ImportError, OSError) as error:
        raise Misconfigured(
            f"moonshine-voice is installed but cannot be loaded ({error}); it needs a system "
            "library. Run: apt-get install libportaudio2"
        ) from error
    try:
        # The engine would hand every line's audio back to us; nobody here wants a copy.
        transcriber = Transcriber(
            get_model_path("tiny-en"),
            ModelArch.TINY,
            options={"return_audio_data": "false"},
        )
    except MoonshineError as error:
        raise Misconfigured(
            f"the model inside moonshine-voice cannot be loaded ({error}); version 0.0.73 was "
            "expected. Run: pip install 'askfirst[moonshine]'"
        ) from error

    quiet = [0.0] * SAMPLE_RATE_HZ

    def recognise(pcm: bytes, _language: str) -> list[Word]:
        words: list[Word] = []
        # It finds the speech in a piece itself; pieces bound the memory of a long call.
        for start, end in endpointing.pieces(pcm, _LONGEST_PIECE_MS):
            # Its speech detector remembers the audio before, also of another channel.
            transcriber.transcribe_without_streaming(quiet, SAMPLE_RATE_HZ)
            audio = endpointing.samples(endpointing.cut_out(pcm, (start, end)))
            heard = transcriber.transcribe_without_streaming(audio.tolist(), SAMPLE_RATE_HZ)
            for line in heard.lines:
                first = min(start + round(line.start_time * 1000), end)
                last = min(first + round(line.duration * 1000), end)
                words.extend(spread(line.text, first, last, _UNKNOWN_CONFIDENCE))
        return words

    return Engine(recognise)
