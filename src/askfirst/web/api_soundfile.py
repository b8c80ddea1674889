"""The agent's sound as files that are sent while a live call goes on."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request

from askfirst.audio.container import decode
from askfirst.audio.mixing import in_frames, mix, to_pcm
from askfirst.errors import InvalidInput, Refused
from askfirst.telephony.fileleg import FileLeg
from askfirst.web.api_live import Caller, own

router = APIRouter(tags=["live calls"])

LARGEST_SOUND = 20_000_000
"""Bytes of one file: ten minutes of uncompressed sound at 16 kHz."""

LONGEST_SECONDS = 600
_RATE = 16_000
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"audio/*": {"schema": {"type": "string", "format": "binary"}}},
    }
}


async def sound_body(request: Request) -> bytes:
    """The body, read no further than a file may be long."""
    content = bytearray()
    async for part in request.stream():
        content += part
        if len(content) > LARGEST_SOUND:
            raise InvalidInput(f"found a file of more than {LARGEST_SOUND} bytes, send it in parts")
    return bytes(content)


@router.post("/calls/{call}/agent-audio", status_code=202, openapi_extra=_BODY)
async def say(
    visit: Caller, call: str, content: Annotated[bytes, Depends(sound_body)]
) -> dict[str, int]:
    """Say an Ogg, WAV, FLAC or MP3 file as the agent, after those that were sent before.

    `ends_in_ms` is when all of it will have been said. Raises Refused for a call that was not
    placed with `agent_audio` file, InvalidInput for what is no sound or too long.
    """
    leg = own(visit, call).leg
    if not isinstance(leg, FileLeg):
        raise Refused("this call was not placed with agent_audio 'file'")
    return {"ends_in_ms": leg.say(await asyncio.to_thread(_frames, content))}


def _frames(content: bytes) -> list[bytes]:
    samples, _ = decode(content, _RATE)
    if samples.shape[1] > LONGEST_SECONDS * _RATE:
        raise InvalidInput(f"found more than {LONGEST_SECONDS} seconds, send it in parts")
    return in_frames(to_pcm(mix(list(samples))))
