"""Messages that came to harm."""

from __future__ import annotations

import random


def damaged(message: bytes, chance: random.Random) -> bytes:
    """A message with bytes lost, doubled and changed; nothing may be left of it."""
    made = bytearray(message)
    for _ in range(chance.randint(1, 12)):
        at = chance.randrange(len(made))
        match chance.randrange(3):
            case 0:
                del made[at : at + chance.randint(1, 40)]
            case 1:
                made[at:at] = made[at : at + chance.randint(1, 40)]
            case _:
                made[at] = chance.randrange(256)
        if not made:
            break
    return bytes(made)
