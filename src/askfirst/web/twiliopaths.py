"""Where Twilio reaches us: paths below the public address, and what stands at each."""

from __future__ import annotations

from askfirst.web.guard import SIGNED

VOICE = f"{SIGNED}voice"
"""Asked what to do with a call that comes in."""

PROGRESS = f"{SIGNED}progress"
"""Told what became of a call, a stream or a recording."""

FALLBACK = f"{SIGNED}fallback"
"""Asked where the first gave no answer."""

STREAM = f"{SIGNED}stream"
"""The sound of a call, as a WebSocket."""
