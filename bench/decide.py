"""A decision beside what the telephone number library takes for the same numbers."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import phonenumbers

from askfirst import Party, decide
from askfirst.decide import decide_anew
from askfirst.explain import to_json_line
from askfirst.places import locate
from askfirst.policy import Policy
from askfirst.rules import packaged
from bench.measure import REPEATS, Line, compared

ON = date(2026, 11, 23)
STEMS = ("+162855", "+121255", "+4791", "+44207946", "+4915112", "+467012", "+336120", "+642112")
LENGTHS = (12, 12, 11, 13, 14, 12, 12, 12)
NUMBERS = [
    stem + f"{n * 71:06d}"[-(length - len(stem)) :].rjust(length - len(stem), "3")
    for n in range(1, 101)
    for stem, length in zip(STEMS, LENGTHS, strict=True)
]
FEW = NUMBERS[:80]


def _regions(numbers: list[str]) -> None:
    for number in numbers:
        phonenumbers.region_code_for_number(phonenumbers.parse(number, None))


def _decisions() -> None:
    agent = Party.agent("NO")
    for number in NUMBERS:
        decide([agent, Party.contact(number)], ON)


def _documents() -> None:
    agent = Party.agent("NO")
    for number in NUMBERS:
        to_json_line(decide([agent, Party.contact(number)], ON))


def _anew() -> None:
    rules, policy, agent = packaged(), Policy(), Party.agent("NO")
    for number in FEW:
        parties = [locate(agent), locate(Party.contact(number))]
        decide_anew(parties, ON, rules, policy, None, "phone", "en")


def lines() -> Iterator[Line]:
    """Microseconds for one decision about two parties, one of them with a number."""
    reference, plain, document = (
        each * 1e6
        for each in compared([lambda: _regions(NUMBERS), _decisions, _documents], len(NUMBERS))
    )
    counts = f"median of {REPEATS} runs over {len(NUMBERS)} different numbers"
    yield Line("decide cold-numbers", plain, "us", reference, counts)
    yield Line("decide with notice and json", document, "us", reference, counts)
    reference, anew = (each * 1e6 for each in compared([lambda: _regions(FEW), _anew], len(FEW)))
    counts = f"median of {REPEATS} runs over {len(FEW)} different numbers"
    yield Line("decide without memo", anew, "us", reference, counts)
