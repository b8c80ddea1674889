"""Whatever is typed or piped in, the status is one of four and nobody sees a traceback."""

from __future__ import annotations

import io
import json
import sys
from contextlib import redirect_stderr, redirect_stdout
from datetime import date

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from askfirst.cli import main

WORDS = st.sampled_from(
    [
        *("decide", "rules", "ledger", "list", "show", "check", "diff", "new", "verify", "prove"),
        *("recordings", "export", "erase", "--json", "--agent", "--agent-number", "--contact"),
        *("--contact-place", "--recorder", "--policy", "--purpose", "--on", "--lang", "--key"),
        *("--notice-lang", "--format", "--recording", "--number", "--dry-run", "--", "-", ""),
        *("NO", "US-CA", "XX", "+16285550142", "+", "0", "-1", "2026-11-23", "nb", "wav", "/"),
    ]
)
TYPED = st.lists(WORDS | st.text(max_size=20), max_size=8)

JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)
REQUESTS = st.dictionaries(
    st.sampled_from(
        [
            *("id", "agent_location", "agent_number", "contact_numbers", "on", "language"),
            *("contact_known_location", "recording_location", "purpose", "channel"),
            *("default_region", "policy"),
        ]
    )
    | st.text(max_size=8),
    JUNK
    | st.lists(st.sampled_from(["+16285550142", "+4791234567", "NO", ""]), max_size=3)
    | st.sampled_from(["NO", "US-CA", "en", "nb", "phone", "2026-11-23", "+4791234567"]),
    max_size=6,
)
LINES = st.one_of(
    st.binary(max_size=60).map(lambda raw: raw.replace(b"\n", b" ").replace(b"\r", b" ")),
    JUNK.map(lambda value: json.dumps(value).encode()),
    REQUESTS.map(lambda value: json.dumps(value).encode()),
)


def given_in_here(arguments: list[str], stdin: bytes = b"") -> tuple[int, str]:
    """Status and output; streams of their own, as a program has them."""
    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out):
        patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        with redirect_stderr(io.StringIO()):
            try:
                status = main(arguments)
            except SystemExit as leaving:
                status = int(leaving.code or 0)
    raw = out.buffer
    assert isinstance(raw, io.BytesIO)
    return status, raw.getvalue().decode()


@given(TYPED)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_words_end_in_one_of_four_statuses(words: list[str]) -> None:
    # The verbs that make folders are left to their own tests.
    status, out = given_in_here([word for word in words if word not in ("call", "demo")])
    assert status in (0, 1, 2, 3)
    assert status != 2 or out == ""


@given(
    agent=st.text(max_size=8) | st.sampled_from(["NO", "US-TX", "XX"]),
    numbers=st.lists(st.text(max_size=16) | st.from_regex(r"\+[0-9]{0,15}"), max_size=3),
    day=st.dates(max_value=date(2100, 1, 1)).map(str) | st.text(max_size=10),
)
@settings(max_examples=200, deadline=None)
def test_any_place_number_and_day_is_decided_or_misuse(
    agent: str, numbers: list[str], day: str
) -> None:
    asked = ["decide", f"--agent={agent}", f"--on={day}", "--json"]
    status, out = given_in_here(asked + [f"--contact={number}" for number in numbers])
    if status == 0:
        assert json.loads(out)["mode"] in ("auto", "ask", "forbid")
    else:
        assert (status, out) == (2, "")


@given(st.lists(LINES, max_size=6))
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_lines_get_one_answer_each_in_strict_json(lines: list[bytes]) -> None:
    status, out = given_in_here(["decide", "--batch", "-"], b"".join(b"%s\n" % x for x in lines))
    answers = [json.loads(line, parse_constant=pytest.fail) for line in out.split("\n")[:-1]]
    asked = [line for line in lines if line.decode("utf-8", "replace").strip()]
    assert len(answers) == len(asked)
    assert status == (2 if any("error" in answer for answer in answers) else 0)
    for answer in answers:
        assert set(answer) == {"id", "error"} or answer["mode"] in ("auto", "ask", "forbid")
