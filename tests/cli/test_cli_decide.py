"""``askfirst decide``: the text, the exact document, the batch, and nothing that ends it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ASK = ("decide", "--agent", "US-TX", "--contact", "+16285550142", "--on", "2026-11-23")
REQUEST = {"id": "a", "agent_location": "US-TX", "contact_numbers": ["+16285550142"]}


def batch(*lines: str) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def test_the_text_says_mode_law_reason_and_caution(command: Callable[..., Any]) -> None:
    done = command(*ASK)
    assert (done.status, done.err) == (0, "")
    assert done.out.startswith("Ask first: ")
    assert "Decided by: US-CA\n" in done.out
    assert "Cal. Penal Code § 632;" in done.out
    assert done.out.endswith("This is not legal advice.\n")


def test_the_text_is_norwegian_when_that_is_asked_for(command: Callable[..., Any]) -> None:
    assert command(*ASK, "--lang", "nb").out.startswith("Spør først")


def test_the_document_has_the_keys_of_the_contract_and_then_one_of_ours(
    command: Callable[..., Any],
) -> None:
    done = command(*ASK, "--json")
    assert (done.status, done.err) == (0, "")
    document = json.loads(done.out)
    assert list(document) == [
        "id",
        "mode",
        "governing",
        "primary",
        "parties",
        "requirements",
        "notice",
        "duties",
        "reasons",
        "would_change",
        "rulebook",
        "workplace",
    ]
    assert (document["id"], document["mode"]) == (None, "ask")
    assert (document["governing"], document["primary"]) == (["US-CA"], ["US-CA"])
    assert document["parties"] == [
        {
            "role": "agent",
            "number": None,
            "places": [{"code": "US-TX", "source": "given", "certainty": "certain"}],
            "unknown": None,
        },
        {
            "role": "contact",
            "number": "+16285550142",
            "places": [{"code": "US-CA", "source": "number", "certainty": "likely"}],
            "unknown": None,
        },
    ]
    (owed,) = document["requirements"]
    assert list(owed) == ["party", "form", "proof", "uses", "elements", "because"]
    assert (owed["party"], owed["proof"]) == (1, 1)
    assert owed["uses"] == ["record", "transcribe", "analyse"]
    assert "intent_to_record" in owed["elements"]
    assert owed["because"] == ["US-CA.632"]
    assert list(document["notice"]) == ["elements", "inside_recording", "language", "text"]
    assert document["notice"]["elements"] == owed["elements"]
    assert (document["notice"]["inside_recording"], document["notice"]["language"]) == (False, "en")
    for duty in document["duties"]:
        assert list(duty) == ["jurisdiction", "kind", "text", "cites"]
    for reason in document["reasons"]:
        assert list(reason) == [
            "rule",
            "jurisdiction",
            "party",
            "why",
            "cites",
            "since",
            "reviewed",
            "standing",
        ]
    strict = next(each for each in document["reasons"] if each["rule"] == "US-CA.632")
    assert "Cal. Penal Code § 632" in strict["cites"]
    assert (strict["party"], strict["since"], strict["standing"]) == (
        1,
        "2006-01-01",
        "primary-source",
    )
    assert list(document["rulebook"]) == ["version", "fingerprint"]
    assert document["rulebook"]["fingerprint"].startswith("sha256:")


def test_a_decision_that_forbids_exits_with_zero_too(
    command: Callable[..., Any], tmp_path: Path
) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text("recording_enabled = false\n")
    done = command(*ASK, "--policy", str(policy), "--json")
    assert (done.status, json.loads(done.out)["mode"]) == (0, "forbid")


def test_an_unknown_policy_key_is_misuse_and_named(
    command: Callable[..., Any], tmp_path: Path
) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text("record_all = true\n")
    done = command(*ASK, "--policy", str(policy), "--json")
    assert (done.status, done.out) == (2, "")
    assert "'record_all'" in done.err


@pytest.mark.parametrize("content", ["a = ", "\xff", "a = " + "[" * 3000])
def test_a_policy_file_that_is_not_toml_is_misuse(
    content: str, command: Callable[..., Any], tmp_path: Path
) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_bytes(content.encode("latin-1"))
    done = command(*ASK, "--policy", str(policy))
    assert (done.status, done.out) == (2, "")
    assert str(policy) in done.err


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--agent", "norway"),
        ("--agent", "no"),
        ("--agent", ""),
        ("--contact-place", "USA"),
        ("--recorder", "../NO"),
        ("--on", "yesterday"),
        ("--purpose", "fun"),
        ("--lang", "de"),
        ("--notice-lang", "it"),
        ("--policy", "nowhere.toml"),
        ("--policy", "."),
        ("--colour", "red"),
    ],
)
def test_a_wrong_value_is_misuse_and_said(
    option: str, value: str, command: Callable[..., Any]
) -> None:
    done = command(*ASK, option, value)
    assert (done.status, done.out) == (2, "")
    assert done.err


@pytest.mark.parametrize(
    "number",
    [
        "+1",
        "12345",
        "+999123456789",
        "",
        "+47 912 34 567 ext. 9",
        "\u0663\u0664",
        "\udcff",
        "☎",
        "A",
    ],
)
def test_a_number_that_is_none_asks_with_the_reason(
    number: str, command: Callable[..., Any]
) -> None:
    done = command("decide", "--agent", "US-TX", "--contact", number, "--json")
    assert (done.status, done.err) == (0, "")
    document = json.loads(done.out)
    assert (document["mode"], document["governing"]) == ("ask", ["UNKNOWN"])
    assert document["parties"][1]["unknown"]
    assert document["parties"][1]["number"] == number


def test_a_country_without_rules_asks(command: Callable[..., Any]) -> None:
    done = command("decide", "--agent", "US-TX", "--contact-place", "ZZ", "--json")
    document = json.loads(done.out)
    assert (done.status, document["mode"]) == (0, "ask")
    assert "ZZ" in document["governing"]


def test_a_terminal_without_the_letters_gets_escapes(process: Callable[..., Any]) -> None:
    poor = {"PYTHONIOENCODING": "ascii", "PATH": os.environ["PATH"]}
    text = process(*ASK, "--lang", "nb", **poor)
    document = process(*ASK, "--json", **poor)
    assert (text.status, document.status) == (0, 0)
    assert text.out.startswith("Sp\\xf8r")
    cites = [cite for each in json.loads(document.out)["reasons"] for cite in each["cites"]]
    assert "Cal. Penal Code § 632" in cites


def test_a_full_disk_behind_the_output_is_a_fault(process: Callable[..., Any]) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(  # noqa: S603 - our own program
            [sys.executable, "-m", "askfirst.cli", *ASK],
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert (done.returncode, b"Traceback" in done.stderr) == (3, False)
    assert b"standard output" in done.stderr


# The batch


def test_a_batch_answers_in_order_with_errors_in_their_place(process: Callable[..., Any]) -> None:
    lines = batch(
        json.dumps(REQUEST),
        "not json",
        '{"id": "c", "nope": 1}',
        "[1]",
        '{"id": "e", "agent_location": "nowhere"}',
        '{"id": "f", "policy": {"record_all": true}}',
        json.dumps({**REQUEST, "id": "g"}),
    )
    done = process("decide", "--batch", "-", stdin=lines)
    answers = [json.loads(line) for line in done.out.splitlines()]
    assert (done.status, done.err) == (2, "")
    assert [answer["id"] for answer in answers] == ["a", None, "c", None, "e", "f", "g"]
    assert ["error" in answer for answer in answers] == [False, *[True] * 5, False]
    assert all(set(answer) == {"id", "error"} for answer in answers if "error" in answer)
    assert [word in answer["error"] for word, answer in zip(
        ("not JSON", "nope", "object", "agent_location", "record_all"), answers[1:6], strict=True
    )] == [True] * 5  # fmt: skip


def test_a_good_batch_exits_with_zero_and_equals_single_decisions(
    process: Callable[..., Any], command: Callable[..., Any], tmp_path: Path
) -> None:
    path = tmp_path / "requests.jsonl"
    path.write_bytes(batch(json.dumps({**REQUEST, "id": None, "on": "2026-11-23"})) * 2)
    done = process("decide", "--batch", str(path), "--json")
    single = json.loads(command(*ASK, "--json").out)
    assert done.status == 0
    assert [json.loads(line) for line in done.out.splitlines()] == [single, single]


@pytest.mark.parametrize(
    "line",
    [
        b'{"id": NaN}',
        b'{"id": 1e999}',
        b'{"id": "\\ud800"}',
        b'{"contact_numbers": ["\\ud800"]}',
        b'{"contact_numbers": 7}',
        b'{"contact_numbers": [[]]}',
        b'{"policy": []}',
        b'{"on": "2026-13-01"}',
        b'{"id": [[[1]]], "x": 1}',
        b"\xff\xfe\x00",
        b"[" * 100_000,
        b"9" * 5_000,
        b'"' + b"a" * 100_000,
    ],
)
def test_any_line_gets_one_line_of_json_for_an_answer(
    line: bytes, process: Callable[..., Any]
) -> None:
    done = process("decide", "--batch", "-", stdin=line + b"\n" + batch(json.dumps(REQUEST)))
    first, second = done.out.splitlines()
    assert (done.err, done.status in (0, 2)) == ("", True)
    answer = json.loads(first, parse_constant=pytest.fail)
    assert ("error" in answer) == (done.status == 2)
    assert json.loads(second)["id"] == "a"


def test_each_answer_comes_before_the_next_question() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "askfirst.cli", "decide", "--batch", "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as conversation:
        assert conversation.stdin is not None
        assert conversation.stdout is not None
        for name in ("one", "two"):
            conversation.stdin.write(batch(json.dumps({**REQUEST, "id": name})))
            conversation.stdin.flush()
            assert json.loads(conversation.stdout.readline())["id"] == name
        conversation.stdin.close()
    assert conversation.returncode == 0


def test_a_reader_that_has_seen_enough_ends_the_batch_quietly(tmp_path: Path) -> None:
    path = tmp_path / "requests.jsonl"
    path.write_bytes(batch(json.dumps(REQUEST)) * 500)
    with subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-m", "askfirst.cli", "decide", "--batch", str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as batched:
        assert batched.stdout is not None
        assert batched.stderr is not None
        batched.stdout.readline()
        batched.stdout.close()
        said = batched.stderr.read()
    assert (batched.returncode, said) == (0, b"")


@pytest.mark.parametrize("option", [("--agent", "NO"), ("--contact", "+4791234567"), ("--on", "x")])
def test_what_the_lines_say_is_not_said_beside_a_batch(
    option: tuple[str, str], command: Callable[..., Any]
) -> None:
    done = command("decide", "--batch", "requests.jsonl", *option)
    assert (done.status, done.out) == (2, "")
    assert option[0] in done.err


@pytest.mark.parametrize("name", ["nowhere.jsonl", "."])
def test_a_batch_that_cannot_be_read_is_misuse(name: str, command: Callable[..., Any]) -> None:
    done = command("decide", "--batch", name)
    assert (done.status, done.out) == (2, "")
    assert name in done.err


def peak_kib(path: Path) -> tuple[int, int]:
    """Lines answered, and the most memory that answering took."""
    # VmHWM begins anew with the program; ru_maxrss would count what its parent held.
    program = (
        "import sys; from askfirst.cli import main; status = main(sys.argv[1:]);"
        "state = open('/proc/self/status').read();"
        "print(state.split('VmHWM:')[1].split()[0], file=sys.stderr); sys.exit(status)"
    )
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", program, "decide", "--batch", str(path)],
        capture_output=True,
        check=True,
    )
    return done.stdout.count(b"\n"), int(done.stderr)


@pytest.mark.slow
def test_ten_times_the_lines_take_no_more_memory(tmp_path: Path) -> None:
    peaks = []
    for count in (2_000, 20_000):
        path = tmp_path / f"{count}.jsonl"
        with path.open("w") as lines:
            for n in range(count):
                number = f"+1{628 + n % 5}555{n % 10_000:04d}"
                lines.write(json.dumps({**REQUEST, "contact_numbers": [number]}) + "\n")
        answered, peak = peak_kib(path)
        assert answered == count
        peaks.append(peak)
    # 18 000 answers are some 70 MB of text; what is left over is the allocator's.
    assert peaks[1] - peaks[0] < 2_000
