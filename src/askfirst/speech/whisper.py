"""Whisper through faster-whisper, in a process of its own.

The class is the parent's side and imports no engine; `engine` runs in the child. The model is a
configured CTranslate2 directory, else the packaged English one; `whispermodels` knows about those.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from askfirst.errors import Misconfigured, NotInstalled
from askfirst.model import SAMPLE_RATE_HZ, Word
from askfirst.ports import RecognizerCapabilities
from askfirst.speech.whispermodels import (
    OWN_NAME,
    PACKAGED_SHA256,
    languages_of,
    packaged_model,
    verify,
)
from askfirst.speech.worker import Engine, EngineProcess, check

if TYPE_CHECKING:  # end-pointing loads numpy, which only the child needs
    from askfirst.speech.endpointing import Span, Window

BATCH_NICENESS = 10
"""By how much the transcribing of recordings gives way to calls that go on and their captions."""

_NO_SPEECH = 0.6
_LOW_LOG_PROBABILITY = -1.0
_MOST_REPEATS = 4
_LONGEST_REPEAT_WORDS = 8
_PAUSE_MS = 2000
_WHOLE_WORD_MS = 1000
_TIMELESS_WORDS = 3
_LONG_MS = 6000
_BEFORE_A_WORD, _AFTER_A_WORD = "\"'“¿([{-", "\"'.。,，!！?？:：”)]}、"
_FRAMES_PER_S = 100
_SHORTEST_FRAMES = 10 * _FRAMES_PER_S
_SILENT_FRAMES = 150
_LONGEST_FRAMES = 30 * _FRAMES_PER_S
_MOST_TOKENS_PER_S = 10


class Whisper:
    """Whisper recogniser: batch, word times, languages as the model has them.

    `model_dir` is a CTranslate2 Whisper directory; None takes the packaged English model. Its
    files, and those of a directory with `sums`, are compared with the known SHA-256 sums when the
    process starts. The process starts at the first use, ends itself after `idle_s` seconds
    without work (None: never) and may take 30 s and `pace` seconds for each second of audio.
    `is_brief` is for live speech: stretches of a few seconds are read as they are and not as
    30 s, which is several times quicker and now and then costs a word. Safe to use from several
    threads. Close it.
    Raises NotInstalled without faster-whisper or a model, Misconfigured for a directory that
    holds no such model; Unverified comes from the first use.
    """

    name = "whisper"

    def __init__(
        self,
        model_dir: Path | None = None,
        threads: int = 2,
        idle_s: float | None = 300.0,
        pace: float = 8.0,
        *,
        is_brief: bool = False,
        sums: Mapping[str, str] | None = None,
    ) -> None:
        if find_spec("faster_whisper") is None:
            raise NotInstalled("faster-whisper", "speech")
        folder = model_dir or packaged_model()
        self.capabilities = RecognizerCapabilities(
            languages=languages_of(folder),
            word_times=True,
            external=False,
            vocabulary=not is_brief,
        )
        self._process = EngineProcess(
            "askfirst.speech.whisper:engine",
            {
                "folder": str(folder.resolve()),
                "sums": dict(PACKAGED_SHA256 if model_dir is None else sums or {}),
                "threads": threads,
                "brief": is_brief,
            },
            threads=threads,
            idle_s=idle_s,
            pace=pace,
            niceness=0 if is_brief else BATCH_NICENESS,
        )

    @property
    def pid(self) -> int | None:
        """Process id of the engine, None while it does not run."""
        return self._process.pid

    @property
    def notes(self) -> tuple[str, ...]:
        """What the running engine wants known, such as an end-pointing rule of second choice."""
        return self._process.notes

    def transcribe(self, pcm: bytes, language: str) -> list[Word]:
        """Words of up to six hours of one channel: mono s16le at 16 kHz, times from its start.

        Stretches without speech are not recognised. `confidence` is the model's own probability
        of the word, 0 to 1. Raises InvalidInput for half a sample or an unknown language,
        Unavailable when the engine died or took too long (the next call starts another) and
        Unverified when the model's files are not those that are known.
        """
        check(pcm, language, self.capabilities.languages, self.name)
        if not pcm:
            return []
        return self._process.transcribe(pcm, OWN_NAME.get(language, language))

    def transcribe_knowing(
        self, pcm: bytes, language: str, vocabulary: Sequence[str]
    ) -> list[Word]:
        """As `transcribe`, with names and terms before every stretch that it reads.

        As many count as half of its context holds; live speech is read without them.
        """
        check(pcm, language, self.capabilities.languages, self.name)
        if not pcm:
            return []
        return self._process.transcribe(pcm, OWN_NAME.get(language, language), vocabulary)

    def close(self) -> None:
        """End the process and release its memory; safe to call again."""
        self._process.close()


def without_loops(words: Sequence[Word]) -> list[Word]:
    """Words with every phrase of up to eight words that repeats more than four times cut to four.

    A recogniser that hears no words may repeat itself until its memory is full; people seldom
    say the same more than four times on end. What is said again after a pause of two seconds is
    no repetition.
    """
    kept: list[Word] = []
    said: list[str] = []
    last_end_ms = 0
    for word in words:
        if word.start_ms - last_end_ms >= _PAUSE_MS:
            said.clear()
        last_end_ms = word.end_ms
        kept.append(word)
        said.append(word.text.casefold().strip(".,!?;:…"))
        for size in range(1, _LONGEST_REPEAT_WORDS + 1):
            tail = said[-size:]
            times = _MOST_REPEATS + 1
            if len(said) >= size * times and said[-size * times :] == tail * times:
                del kept[-size:], said[-size:]
                break
    return kept


def is_out_of_step(words: Sequence[Word], spans: Sequence[Span]) -> bool:
    """Whether words of joined stretches were laid over the wrong ones.

    A model that loses its place, as it may where people repeat themselves, leaves one word over a
    whole stretch of a second or more, or three words on end that take no time.
    """
    over_all = {(low, high) for low, high in spans if high - low >= _WHOLE_WORD_MS}
    if any((word.start_ms, word.end_ms) in over_all for word in words):
        return True
    run = 0
    for word in words:
        run = run + 1 if word.start_ms == word.end_ms else 0
        if run >= _TIMELESS_WORDS:
            return True
    return False


def more_of(
    span: Span, words: Sequence[Word], hear: Callable[[Span], Iterable[Word]]
) -> Sequence[Word]:
    """Words of a channel, with more of one stretch where the model ended before its speech did.

    It may take the end of a sentence for the end of all, and spread the words that it has over the
    rest. People say two or three words a second; a long stretch with less than one is heard again
    by `hear`.
    """
    low, high = span
    others = [word for word in words if not low <= word.start_ms <= high]
    there = len(words) - len(others)
    if high - low < _LONG_MS or there * 1000 >= high - low:
        return words
    again = list(hear(span))
    return [*others, *again] if len(again) > there else words


def hear_briefly(model: Any, audio: Any, language: str) -> Iterator[Word]:
    """Words of a few seconds of audio (floats from -1 to 1), times from its start.

    The encoder is by far the dearest part and takes time by the length that it is given. Below
    ten seconds it loses its place and repeats itself, so silence fills up to there.
    """
    import numpy as np
    from faster_whisper.tokenizer import Tokenizer
    from faster_whisper.transcribe import merge_punctuations

    features = model.feature_extractor(audio)
    spoken = min(features.shape[-1], _LONGEST_FRAMES)
    wanted = max(_SHORTEST_FRAMES, spoken + _SILENT_FRAMES)
    wanted = min(wanted + wanted % 2, _LONGEST_FRAMES)
    features = np.pad(features[:, :spoken], ((0, 0), (0, wanted - spoken)))
    encoded = model.encode(features)
    tokenizer = Tokenizer(
        model.hf_tokenizer, model.model.is_multilingual, task="transcribe", language=language
    )
    seconds = len(audio) / SAMPLE_RATE_HZ
    (found,) = model.model.generate(
        encoded,
        [[*tokenizer.sot_sequence, tokenizer.no_timestamps]],
        beam_size=1,
        max_length=20 + round(seconds * _MOST_TOKENS_PER_S),
        return_scores=True,
        return_no_speech_prob=True,
    )
    tokens = [token for token in found.sequences_ids[0] if token < tokenizer.eot]
    if not tokens or (found.no_speech_prob > _NO_SPEECH and found.scores[0] < _LOW_LOG_PROBABILITY):
        return
    (aligned,) = model.find_alignment(tokenizer, [tokens], encoded, spoken)
    merge_punctuations(aligned, _BEFORE_A_WORD, _AFTER_A_WORD)
    for word in aligned:
        if text := word["word"].strip():
            times = round(float(word["start"]) * 1000), round(float(word["end"]) * 1000)
            yield Word(text, *times, round(float(word["probability"]), 3))


def _spoken(segments: Iterable[Any], window: Window) -> Iterator[Word]:
    """Words of the engine's segments on a channel, without those that it doubts itself."""
    for segment in segments:
        if segment.no_speech_prob > _NO_SPEECH and segment.avg_logprob < _LOW_LOG_PROBABILITY:
            continue
        for heard in segment.words or ():
            start, end = window.on_channel(round(heard.start * 1000), round(heard.end * 1000))
            if text := heard.word.strip():
                yield Word(text, start, end, round(float(heard.probability), 3))


def engine(options: Mapping[str, Any]) -> Engine:
    """The child's side: load the model, give what recognises one channel.

    Raises Unverified or Misconfigured when the model cannot be used.
    """
    from askfirst.speech import endpointing

    folder = Path(str(options["folder"]))
    verify(folder, options["sums"])
    try:
        from faster_whisper import BatchedInferencePipeline, WhisperModel

        model = WhisperModel(
            str(folder), device="cpu", compute_type="int8", cpu_threads=int(options["threads"])
        )
    except (ImportError, OSError, RuntimeError, ValueError) as error:
        raise Misconfigured(
            f"the model in {folder} cannot be loaded ({error}); a CTranslate2 Whisper model was "
            "expected. Convert or fetch it again, or run: pip install 'askfirst[speech]'"
        ) from error
    pipeline = BatchedInferencePipeline(model)

    def hear(
        pcm: bytes, window: endpointing.Window, language: str, hints: str | None
    ) -> Iterator[Word]:
        audio = endpointing.samples(window.pcm(pcm))
        if options.get("brief"):
            for heard in hear_briefly(model, audio, language):
                start, end = window.on_channel(heard.start_ms, heard.end_ms)
                yield Word(heard.text, start, end, heard.confidence)
            return
        # One clip makes one pass; without it the tail after the last word costs another 30 s
        # pass, in which the model likes to invent.
        segments, _ = pipeline.transcribe(
            audio,
            language=language,
            beam_size=1,
            batch_size=1,
            clip_timestamps=[{"start": 0.0, "end": len(audio) / SAMPLE_RATE_HZ}],
            condition_on_previous_text=False,
            vad_filter=False,
            without_timestamps=True,
            word_timestamps=True,
            hotwords=hints,
        )
        yield from _spoken(segments, window)

    def hear_span(pcm: bytes, language: str, hints: str | None, span: Span) -> Iterator[Word]:
        """With time marks, which take longer: after each the model goes on, up to the end."""
        segments, _ = model.transcribe(
            endpointing.samples(endpointing.cut_out(pcm, span)),
            language=language,
            beam_size=1,
            condition_on_previous_text=False,
            word_timestamps=True,
            hotwords=hints,
        )
        yield from _spoken(segments, endpointing.Window((span,)))

    def recognise(pcm: bytes, language: str, vocabulary: Sequence[str] = ()) -> list[Word]:
        hints = ", ".join(vocabulary) or None
        spans = endpointing.speech_spans(pcm)
        words: Sequence[Word] = []
        for window in endpointing.windows(spans):
            heard = list(hear(pcm, window, language, hints))
            if len(window.spans) > 1 and is_out_of_step(heard, window.spans):
                alone = [endpointing.Window((span,)) for span in window.spans]
                heard = [word for each in alone for word in hear(pcm, each, language, hints)]
            words = [*words, *heard]
        # The model may skip one of the joined stretches, above all one that repeats another;
        # a skipped no would be a lost objection, so these are heard once more by themselves.
        left = [s for s in spans if not any(s[0] <= word.start_ms <= s[1] for word in words)]
        if len(left) < len(spans):
            parts = endpointing.windows(left)
            more = (word for part in parts for word in hear(pcm, part, language, hints))
            words = [*words, *more]
        for span in spans:
            words = more_of(span, words, partial(hear_span, pcm, language, hints))
        return without_loops(sorted(words, key=lambda word: word.start_ms))

    reason = endpointing.detector().reason
    notes = (f"end-pointing by energy: {reason}",) if reason else ()
    return Engine(recognise, notes, recognise)
