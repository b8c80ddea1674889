"""Recorded announcements: only what can have said the exact text is kept and found again."""

from __future__ import annotations

import numpy as np
import pytest
import sqlalchemy as sa
from numpy.typing import NDArray
from tests.server import rig
from tests.server.rig import AT

from askfirst.audio.container import decode, encode_flac, encode_ogg_opus, encode_wav
from askfirst.audio.mixing import to_samples
from askfirst.audio.tone import tone
from askfirst.errors import InvalidInput, NotFound
from askfirst.server import accounts, audit, ownprompts
from askfirst.server.access import UserRole
from askfirst.server.database import reading, transaction
from askfirst.server.ownprompts import OwnPrompts, digest_of
from askfirst.server.prompttables import prompts
from askfirst.server.request import Voice
from askfirst.server.store import Store

TEXT = "Hello, this call is recorded for training our staff. Please say so if you do not want it."
SECONDS = 7
"""About what reading `TEXT` takes."""


def voice(seconds: float, level: float = -20.0) -> NDArray[np.int16]:
    """Something as loud as a voice."""
    return tone((300.0,), round(seconds * 1000), level)


def wav(samples: NDArray[np.int16]) -> bytes:
    return encode_wav(np.atleast_2d(samples))


def silence(seconds: float) -> NDArray[np.int16]:
    return np.zeros(round(seconds * 16_000), dtype=np.int16)


@pytest.fixture
def user(store: Store) -> str:
    with transaction(store.engine) as connection:
        return accounts.add_user(connection, "a@example.org", "Ada", [UserRole.ADMIN], AT).id


def keep(store: Store, user: str, content: bytes, text: str = TEXT, language: str = "en") -> None:
    with transaction(store.engine) as connection:
        ownprompts.keep(connection, language, text, content, user, AT)


def unspoken(_text: str, _language: str) -> None:
    """A machine without the placeholder's voice."""


# What is refused


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "found no file"),
        (b"a text and no sound at all", "expected Ogg, WAV, FLAC or MP3"),
        (b"RIFF\x00\x00\x00\x00WAVEfmt ", "cannot be decoded|without"),
        (wav(voice(SECONDS))[:200], "too short|seconds of speech|hardly any"),
        (wav(silence(SECONDS)), "hardly any sound"),
        (wav(voice(SECONDS, -60.0)), "hardly any sound"),
        (wav(voice(61)), "found 61 seconds"),
        (wav(voice(1)), "found 1 seconds of speech"),
        (wav(np.concatenate((voice(1), silence(20), voice(0.5)))), "found 2 seconds of speech"),
        (encode_flac(np.atleast_2d(silence(3_600))), "longer than 120 seconds"),
        (b"\0" * (ownprompts.LARGEST_BYTES + 1), "over 20 MB"),
    ],
    ids=[
        "empty", "text", "header", "cut", "silent", "faint", "long", "short", "mostly-silence",
        "an-hour", "large",
    ],
)  # fmt: skip
def test_what_cannot_have_said_the_text_is_refused_and_nothing_is_kept(
    store: Store, user: str, content: bytes, why: str
) -> None:
    with pytest.raises(InvalidInput, match=why):
        keep(store, user, content)

    assert rig.rows(store, sa.select(prompts)) == []


@pytest.mark.parametrize(("text", "language"), [("", "en"), (" ", "nb"), (TEXT, "da")])
def test_there_is_no_recording_of_nothing_and_none_in_a_language_without_notices(
    store: Store, user: str, text: str, language: str
) -> None:
    with pytest.raises(InvalidInput, match="no announcement"):
        keep(store, user, wav(voice(SECONDS)), text, language)


def test_a_refused_recording_leaves_the_one_before_in_place(store: Store, user: str) -> None:
    keep(store, user, wav(voice(SECONDS)))

    with pytest.raises(InvalidInput):
        keep(store, user, wav(voice(1)))

    (row,) = rig.rows(store, sa.select(prompts.c.length_ms))
    assert row.length_ms == SECONDS * 1000


# What is found


@pytest.mark.parametrize(
    ("text", "language"),
    [(TEXT + " ", "en"), (TEXT.replace("training", "quality"), "en"), (TEXT, "nb"), ("", "en")],
)
def test_a_recording_speaks_for_its_exact_text_and_language_only(
    store: Store, user: str, text: str, language: str
) -> None:
    keep(store, user, wav(voice(SECONDS)))

    assert OwnPrompts(store.engine, unspoken)(text, language) is None


def test_an_own_recording_is_played_and_not_the_placeholder(store: Store, user: str) -> None:
    keep(store, user, wav(voice(SECONDS)))

    found = OwnPrompts(store.engine, lambda _text, _language: silence(1))(TEXT, "en")

    assert found is not None
    assert found.voice is Voice.RECORDED
    assert len(found.frames) == pytest.approx(SECONDS * 50, abs=2)
    heard = to_samples(b"".join(found.frames))
    power = np.abs(np.fft.rfft(heard.astype(float)))
    assert np.argmax(power) * 16_000 / len(heard) == pytest.approx(300, abs=2)


def test_without_a_recording_the_placeholder_speaks_and_says_that_it_is_one(store: Store) -> None:
    found = OwnPrompts(store.engine, lambda _text, _language: voice(2))(TEXT, "en")

    assert found is not None
    assert (found.voice, len(found.frames)) == (Voice.PLACEHOLDER, 100)


def test_a_stored_sound_that_is_broken_is_not_played(store: Store, user: str) -> None:
    keep(store, user, wav(voice(SECONDS)))
    with store.engine.begin() as connection:
        connection.execute(prompts.update().values(sound=b"OggS and nothing"))

    with pytest.raises(InvalidInput):
        OwnPrompts(store.engine, lambda _text, _language: voice(2))(TEXT, "en")


@pytest.mark.parametrize("encode", [encode_wav, encode_flac, encode_ogg_opus])
def test_usual_files_are_kept_as_one_channel_of_opus(
    store: Store, user: str, encode: object
) -> None:
    assert callable(encode)
    keep(store, user, encode(np.stack((voice(SECONDS), voice(SECONDS)))))

    with reading(store.engine) as connection:
        samples, _ = decode(ownprompts.sound_of(connection, "en", digest_of(TEXT)), 16_000)
    assert samples.shape[0] == 1
    assert samples.shape[1] == pytest.approx(SECONDS * 16_000, abs=1_600)


def test_a_later_recording_takes_the_place_of_the_earlier_one(store: Store, user: str) -> None:
    keep(store, user, wav(voice(SECONDS)))
    keep(store, user, wav(voice(SECONDS + 2)))

    with reading(store.engine) as connection:
        (kept,) = ownprompts.all_of(connection, "en")
        assert ownprompts.all_of(connection, "nb") == []
    assert (kept.length_ms, kept.text, kept.by, kept.at) == (9_000, TEXT, user, AT)


def test_what_is_removed_is_gone_and_cannot_be_removed_again(store: Store, user: str) -> None:
    keep(store, user, wav(voice(SECONDS)))

    with transaction(store.engine) as connection:
        ownprompts.remove(connection, "en", digest_of(TEXT), user, AT)

    assert OwnPrompts(store.engine, unspoken)(TEXT, "en") is None
    with pytest.raises(NotFound), transaction(store.engine) as connection:
        ownprompts.remove(connection, "en", digest_of(TEXT), user, AT)
    with pytest.raises(NotFound), reading(store.engine) as connection:
        ownprompts.sound_of(connection, "en", digest_of(TEXT))


def test_the_audit_log_has_who_recorded_and_removed_and_no_words(store: Store, user: str) -> None:
    keep(store, user, wav(voice(SECONDS)))
    with transaction(store.engine) as connection:
        ownprompts.remove(connection, "en", digest_of(TEXT), user, AT)

    with reading(store.engine) as connection:
        removed, recorded = audit.lines(connection)[:2]
    assert (recorded.action, removed.action) == ("prompt.recorded", "prompt.removed")
    for line in (recorded, removed):
        assert (line.actor, line.object, line.detail) == (user, digest_of(TEXT), {"language": "en"})
