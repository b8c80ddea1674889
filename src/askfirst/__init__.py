"""Askfirst: decide from the law of every party's place whether a call may be recorded."""

from __future__ import annotations

from askfirst.decide import decide
from askfirst.model import Decision, Mode, Party

__all__ = ["Decision", "Mode", "Party", "decide"]
