"""Times of a call as people write them: 4:11, and 1:04:11 from an hour on."""

from __future__ import annotations

import re

from askfirst.errors import InvalidRequest

_WRITTEN = re.compile(r"(?:([0-9]{1,2}):)?([0-9]{1,3}):([0-5][0-9])")


def call_time(text: str, key: str) -> int:
    """Call time in ms. Raises InvalidRequest, `key` is whose, for anything else."""
    found = _WRITTEN.fullmatch(text.strip())
    if found is None:
        raise InvalidRequest(
            "found no time of a call; expected minutes and seconds such as 4:11", key=key
        )
    hours, minutes, seconds = (int(each or 0) for each in found.groups())
    return ((hours * 60 + minutes) * 60 + seconds) * 1000
