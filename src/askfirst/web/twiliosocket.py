"""The WebSocket of a media stream, as whoever carries calls over Twilio takes it."""

from __future__ import annotations

from contextlib import suppress

from fastapi import WebSocket
from starlette.websockets import WebSocketDisconnect


class TwilioSocket:
    """An accepted WebSocket as `twilioevents.StreamSocket`."""

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket

    async def receive(self) -> str | None:
        """The next text message; None at the end, and for a message of bytes, which Twilio has
        none of."""
        try:
            return await self._socket.receive_text()
        except (WebSocketDisconnect, KeyError):
            return None

    async def send(self, text: str) -> None:
        """Send a message. Raises OSError when the other side is gone."""
        try:
            await self._socket.send_text(text)
        except (WebSocketDisconnect, RuntimeError) as error:
            raise OSError("the stream has ended") from error

    async def close(self) -> None:
        """End the stream, if it has not."""
        with suppress(WebSocketDisconnect, RuntimeError):
            await self._socket.close()
