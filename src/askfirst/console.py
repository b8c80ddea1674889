"""What every verb of the command line shares: exit status, arguments, and printing.

With ``--json`` standard output is only the document.
"""

from __future__ import annotations

import argparse
import json
import sys
import tomllib
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from askfirst.errors import InvalidInput
from askfirst.hearing import LANGUAGES
from askfirst.policy import PLACE_CODE

YES, NO, MISUSE, FAULT = 0, 1, 2, 3
"""Exit status: yes, no, the caller's mistake, ours."""


def add_verb(verbs: Any, name: str, run: Callable[[argparse.Namespace], int], told: str) -> Any:
    """Add a verb that `run` carries out; every verb takes ``--json``."""
    added = verbs.add_parser(name, help=told, description=told)
    added.set_defaults(run=run)
    added.add_argument("--json", action="store_true", help="print only the JSON document")
    return added


def today() -> date:
    """The day in UTC."""
    return datetime.now(UTC).date()


def place_named(option: str, text: str) -> str:
    """A code of a place that an option names. Raises InvalidInput."""
    if not PLACE_CODE.fullmatch(text):
        raise InvalidInput(f"--{option} is {text!r}; expected an ISO 3166 code such as NO or US-CA")
    return text


def heard_language(text: str) -> str:
    """A language in which a notice can be heard. Raises InvalidInput."""
    if text not in LANGUAGES:
        raise InvalidInput(
            f"--language is {text!r}; notices can be heard in {', '.join(sorted(LANGUAGES))}"
        )
    return text


def read_toml(path: Path, what: str) -> dict[str, object]:
    """A TOML file that the caller named; raises InvalidInput calling it `what`."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidInput(
            f"the {what} {path} cannot be read: {error.strerror}; name a file that can"
        ) from error
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"the {what} {path} is not TOML: {error}; mend it") from error


def print_json(document: object) -> None:
    """Print a document over several lines."""
    print(in_json(document, indent=1))


def in_json(document: object, indent: int | None = None) -> str:
    """JSON in letters that standard output takes, in plain escapes where it does not take them."""
    written = json.dumps(document, ensure_ascii=False, indent=indent, default=_plain)
    return written if can_print(written) else json.dumps(document, indent=indent, default=_plain)


def can_print(written: str) -> bool:
    """Whether standard output takes every letter of a text."""
    try:
        written.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _plain(value: object) -> object:
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no place in a document")
