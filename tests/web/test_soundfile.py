"""The agent's sound as files over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from starlette.testclient import TestClient
from tests.server import rig
from tests.web.conftest import problem
from tests.web.live import live_site, sign_in

from askfirst.audio.container import encode_ogg_opus, encode_wav
from askfirst.audio.tone import tone
from askfirst.server.access import UserRole
from askfirst.telephony.fileleg import FileLeg
from askfirst.web import api_soundfile
from askfirst.web.visit import Site


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """An installation that carries calls."""
    yield from live_site(tmp_path)


@pytest.fixture
def agent(running: TestClient, site: Site) -> TestClient:
    """An agent who is signed in."""
    sign_in(running, site, UserRole.AGENT, "kari")
    return running


def placed(agent: TestClient, audio: str) -> str:
    wanted = {"to": rig.CALIFORNIA, "agent_audio": audio}
    answer = agent.post("/api/v1/calls", json=wanted)
    assert answer.status_code == 201, answer.text
    return f"/api/v1/calls/{answer.json()['call']}"


def test_files_of_any_kind_and_channels_become_the_agents_voice(
    agent: TestClient, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[int] = []
    plain = FileLeg.say

    def say(leg: FileLeg, frames: list[bytes]) -> int:
        said.append(len(frames))
        return plain(leg, frames)

    monkeypatch.setattr(FileLeg, "say", say)
    call = placed(agent, "file")
    both = np.stack([tone([440], 400, rate=8_000)] * 2)

    first = agent.post(f"{call}/agent-audio", content=encode_wav(both, 8_000))
    second = agent.post(f"{call}/agent-audio", content=encode_ogg_opus(tone([440], 1_000)[None]))

    assert (first.status_code, second.status_code) == (202, 202), first.text
    assert said[0] == 20
    assert said[1] == pytest.approx(50, abs=1)
    assert first.json()["ends_in_ms"] <= 400 < second.json()["ends_in_ms"] <= 1_420


def test_what_is_no_sound_or_too_long_is_not_said(
    agent: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = placed(agent, "file")
    monkeypatch.setattr(api_soundfile, "LONGEST_SECONDS", 1)
    monkeypatch.setattr(api_soundfile, "LARGEST_SOUND", 100_000)

    for content in (
        b"",
        b"RIFF\0\0\0\0WAVE",
        b"#EXTM3U\nhttp://localhost/",
        encode_wav(tone([440], 1_100)[None]),
        bytes(100_001),
    ):
        answer = agent.post(f"{call}/agent-audio", content=content)
        assert (answer.status_code, problem(answer)) == (422, "urn:askfirst:problem:invalid-input")


def test_only_a_call_that_was_placed_so_takes_files(agent: TestClient) -> None:
    call = placed(agent, "script")
    answer = agent.post(f"{call}/agent-audio", content=encode_wav(tone([440], 100)[None]))
    assert (answer.status_code, problem(answer)) == (403, "urn:askfirst:problem:refused")
