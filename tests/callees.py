"""People to be called in tests: made of steps, with tones for voices, since words do not matter."""

from __future__ import annotations

from pathlib import Path

from askfirst.audio.container import encode_wav
from askfirst.audio.tone import tone
from askfirst.telephony.persona import Persona, load_persona

VOICES = {"contact": 500, "agent": 700, "joiner": 900}
NORWAY = "+4748750103"


def callee(
    folder: Path, *steps: str, number: str = NORWAY, agent: str = "US-TX", announces: bool = True
) -> Persona:
    """A person whose voices are tones of one second."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, pitch in VOICES.items():
        (folder / f"{name}.wav").write_bytes(
            encode_wav(tone((pitch,), 1_000, -20.0).reshape(1, -1))
        )
    (folder / "script.toml").write_text(
        f'persona="callee"\nnumber="{number}"\nagent_place="{agent}"\n'
        f"announcement={str(announces).lower()}\n"
        'summary={en="A callee.", nb="En person."}\n'
        + "".join(f"[[step]]\n{step}\n" for step in steps)
    )
    return load_persona(folder)
