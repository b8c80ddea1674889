"""Numbers are silent and covered in what people are given, and in doubt nothing is given."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.server import rig
from tests.server.test_finishing import NOTICE, TOLD, Listening, finished

from askfirst.audio.container import decode
from askfirst.errors import Refused, Unavailable
from askfirst.model import SAMPLE_RATE_HZ, Word
from askfirst.redaction import MASK, VERSION, card_spans
from askfirst.server import account, erasure, redacting, redactions, transcripts
from askfirst.server.clock import utc_now
from askfirst.server.database import assets, reading, transaction
from askfirst.server.playback import Playback
from askfirst.server.redactions import Result
from askfirst.server.redactiontables import redactions as table
from askfirst.server.store import Store
from askfirst.speech.transcribe import spread

NUMBER = "4242 4242 4242 4242"


class Reading(Listening):
    """Hears a card number on the contact's side."""

    def transcribe(self, pcm: bytes, language: str) -> list[Word]:
        words = super().transcribe(pcm, language)
        if self.sides[-1] == "own":
            return words
        return spread(f"here is my number now {NUMBER} so thank you", 0, len(pcm) // 32, 1.0)


@dataclass(frozen=True)
class Read:
    """A recording in which a number is read out."""

    store: Store
    id: str

    def samples(self, *, is_original: bool = False) -> NDArray[np.int16]:
        data = Playback(self.store).replay(self.id, is_original=is_original)
        return decode(data, SAMPLE_RATE_HZ)[0]

    def kinds(self) -> list[str]:
        with reading(self.store.engine) as connection:
            rows = connection.execute(assets.select().where(assets.c.recording == self.id))
            return [row.kind for row in rows if "audio" in row.kind]

    def blobs(self) -> int:
        return sum(f"{self.id}/redacted-audio" in each for each in self.store.blobs.names())

    def set(self, **values: object) -> None:
        with transaction(self.store.engine) as connection:
            account.change(connection, values, None, utc_now())


@pytest.fixture
def read(store: Store, tmp_path: Path) -> Read:
    call = finished(store, tmp_path, Reading(NOTICE), *TOLD)
    return Read(store, call.recordings[0])


def test_a_number_is_silent_and_covered_and_stands_in_no_entry(read: Read) -> None:
    kept = transcripts.original(read.store, read.id, 0)
    spans = card_spans(() if kept is None else kept.said, "en")
    assert spans
    shown, original = read.samples(), read.samples(is_original=True)

    for file_ms, from_ms, to_ms in Playback(read.store).call_time(read.id):
        for span in spans:
            first = file_ms + max(span.from_ms, from_ms) - from_ms + 20
            last = file_ms + min(span.to_ms, to_ms) - from_ms - 20
            if first < last:
                part = slice(first * 16, last * 16)
                assert np.abs(shown[:, part]).max() < 60
                assert np.abs(original[:, part]).max() > 600
    assert np.abs(shown).max() > 600
    text = " ".join(line.text for line in transcripts.current(read.store, read.id) or [])
    assert MASK in text
    assert "4242" not in text
    entries = [json.dumps(entry) for _, entry in read.store.ledger.entries()]
    assert any('"recording.redacted"' in entry for entry in entries)
    assert not any("4242" in entry for entry in entries)


def test_nothing_is_given_while_a_recording_was_not_looked_through(read: Read) -> None:
    with transaction(read.store.engine) as connection:
        connection.execute(table.delete())

    with pytest.raises(Refused):
        Playback(read.store).replay(read.id)
    with pytest.raises(Refused):
        Playback(read.store).play(read.id, person="usr_" + "1" * 32, purpose="training")

    assert redacting.redact_every(read.store, utc_now()) == 1
    assert redacting.redact_every(read.store, utc_now()) == 0
    assert np.abs(read.samples()).max() > 600
    assert read.blobs() == 1, "the copy from before is destroyed"


def test_a_newer_finder_looks_again(read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redacting, "VERSION", VERSION + 1)

    assert np.abs(read.samples()).max() > 600, "what the older one found is given meanwhile"
    assert redacting.redact_every(read.store, utc_now()) == 1

    assert read.kinds() == ["audio", "redacted-audio"]
    assert read.blobs() == 1


def test_a_crash_on_the_way_gives_nothing_and_is_made_good(
    read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    with transaction(read.store.engine) as connection:
        connection.execute(table.delete())

    def broken(*_: object) -> None:
        raise Unavailable("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(redacting, "_put_in_place", broken)
        assert redacting.redact_every(read.store, utc_now()) == 0
        with pytest.raises(Refused):
            Playback(read.store).replay(read.id)

    assert redacting.redact_every(read.store, utc_now()) == 1
    assert read.samples().any()


def test_other_wishes_are_carried_out_and_nothing_is_given_before(read: Read) -> None:
    read.set(redacts_cards=False, redacts_ids=False)
    assert np.array_equal(read.samples(), read.samples(is_original=True))
    assert "4242" in str(transcripts.current(read.store, read.id))

    read.set(redacts_cards=True, redacts_emails=True)

    assert "4242" not in str(transcripts.current(read.store, read.id)), "words at once"
    with pytest.raises(Refused):
        Playback(read.store).replay(read.id)
    redacting.redact_every(read.store, utc_now())
    assert not np.array_equal(read.samples(), read.samples(is_original=True))


def test_a_recording_without_numbers_has_no_copy_and_one_without_words_is_given(
    store: Store, tmp_path: Path
) -> None:
    call = finished(store, tmp_path, Listening(NOTICE), *TOLD)
    found = Read(store, call.recordings[0])
    with reading(store.engine) as connection:
        assert redactions.result(connection, found.id) is Result.CLEAN
    assert found.kinds() == ["audio"]

    with transaction(store.engine) as connection:
        connection.execute(table.delete())
        connection.execute(assets.delete().where(assets.c.kind == transcripts.MACHINE))
    assert redacting.redact(store, found.id, utc_now()) is None, "its words are still to come"
    rig.change(store, found.id, may_transcribe=False)
    assert redacting.redact(store, found.id, utc_now()) is Result.UNHEARD
    assert found.samples().any()


def test_an_erasure_takes_the_copy_and_what_was_found(read: Read) -> None:
    with transaction(read.store.engine) as connection:
        erasure.intend(read.store, connection, read.id, "asked", utc_now())
    erasure.carry_out(read.store, utc_now())

    assert not [each for each in read.store.blobs.names() if each.startswith(f"{read.id}/")]
    assert not read.store.keys.of_recording(read.id)
    with reading(read.store.engine) as connection:
        assert redactions.row_of(connection, read.id) is None
    assert redacting.redact_every(read.store, utc_now()) == 0
