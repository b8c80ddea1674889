"""What comes with requests: JSON bodies, forms, and whole numbers in addresses.

What no text, no table and no answer can hold is refused where it comes in, as an `InvalidRequest`:
halves of characters, control characters, and numbers beyond 64 bits.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from datetime import date
from typing import Annotated, Any

from fastapi import Depends, Path, Query, Request
from pydantic import AfterValidator, BaseModel, ConfigDict, model_validator
from starlette.datastructures import FormData

from askfirst.errors import InvalidRequest

LEAST, MOST = -(2**63), 2**63 - 1

Position = Annotated[int, Path(ge=LEAST, le=MOST)]
"""A whole number in a path."""
Before = Annotated[int | None, Query(ge=LEAST, le=MOST)]
"""A whole number after `?`, or none."""

# Cs and Cc of Unicode, except for the tab and the two that end lines.
_UNUSABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


class Body(BaseModel):
    """A JSON body with no other keys than its own; raises InvalidRequest as `plain`."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _is_plain(cls, given: Any) -> Any:
        return plain(given)


def plain(given: Any) -> Any:
    """What was given, unchanged.

    Raises InvalidRequest, whose `key` is the outermost name, where a text in it has a control
    character other than tab and line ends or half a character, or a number is beyond 64 bits.
    """
    if not isinstance(given, dict):
        _ensure(given, "body")
        return given
    for key, value in given.items():
        _ensure(key, "body")
        _ensure(value, str(key))
    return given


Keys = Annotated[dict[str, Any], AfterValidator(plain)]
"""A JSON body whose keys something else knows."""


async def filled_in(request: Request) -> FormData:
    """The form of a request; raises InvalidRequest as `plain`.

    Read here, on the loop, so that the route can be carried out in a thread.
    """
    form = await request.form()
    for key, value in form.multi_items():
        _ensure(key, "form")
        _ensure(value, key)
    return form


def day(text: str, key: str) -> date | None:
    """The day in a field of a form, None where it is empty. Raises InvalidRequest for no day."""
    try:
        return date.fromisoformat(text.strip()) if text.strip() else None
    except ValueError as error:
        raise InvalidRequest("found no day; expected one such as 2026-11-24", key=key) from error


Filled = Annotated[FormData, Depends(filled_in)]


def _ensure(given: Any, key: str) -> None:
    for each in _leaves(given):
        if isinstance(each, str):
            if _UNUSABLE.search(each):
                raise InvalidRequest(
                    f"{key}: found a control character or half a character; expected plain text",
                    key=key,
                )
        elif isinstance(each, int):
            if not LEAST <= each <= MOST:
                raise InvalidRequest(f"{key}: found a number beyond 64 bits", key=key)
        elif isinstance(each, float) and not (math.isfinite(each) and LEAST <= each <= MOST):
            raise InvalidRequest(f"{key}: found a number beyond 64 bits", key=key)


def _leaves(given: Any) -> Iterator[Any]:
    """Every value and name within; no recursion, because whoever asks chooses the depth."""
    waiting = [given]
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict):
            waiting += each.keys()
            waiting += each.values()
        elif isinstance(each, list | tuple):
            waiting += each
        else:
            yield each
