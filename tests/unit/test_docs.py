"""The documents keep up with the program, and their links lead somewhere."""

from __future__ import annotations

import argparse
import inspect
import re
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from askfirst import errors
from askfirst.cli import _parser
from askfirst.decide import REQUEST_KEYS
from askfirst.gate import State
from askfirst.ledger import Kind
from askfirst.model import Element, OutcomeCode, Proof, RecordingState, Verdict
from askfirst.policy import POLICY_KEYS, PROFILES, Policy

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"

_FENCE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"\]\((?:<([^>\n]+)>|([^)\s]+))\)")
_HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)


def documents() -> list[Path]:
    own = (ROOT / name for name in ("docs", "src", "tests", "tools", "examples", "bench"))
    return [*ROOT.glob("*.md"), *(path for folder in own for path in folder.rglob("*.md"))]


def prose(path: Path) -> str:
    return _FENCE.sub("", path.read_text(encoding="utf-8"))


def anchors(path: Path) -> set[str]:
    kept = (re.sub(r"[^\w\- ]", "", title.lower()) for title in _HEADING.findall(prose(path)))
    return {title.strip().replace(" ", "-") for title in kept}


def links(path: Path) -> Iterator[str]:
    """Links to somewhere in the project."""
    found = (quoted or plain for quoted, plain in _LINK.findall(prose(path)))
    return (link for link in found if not re.match(r"[a-z]+:", link))


def missing_links(path: Path) -> Iterator[str]:
    for link in links(path):
        name, _, anchor = link.partition("#")
        target = (path.parent / name).resolve() if name else path
        if not target.exists() or (anchor and anchor not in anchors(target)):
            yield link


def verbs(parser: argparse.ArgumentParser) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    inner = [each for each in parser._actions if isinstance(each, argparse._SubParsersAction)]
    if not inner:
        yield parser.prog, parser
    for action in inner:
        for child in action.choices.values():
            yield from verbs(child)


VERBS = dict(verbs(_parser()))


def sections() -> dict[str, str]:
    """The text below each heading of the reference of the command line."""
    _, *parts = re.split(r"^## `(.*)`$", (REFERENCE / "cli.md").read_text(), flags=re.MULTILINE)
    return dict(zip(parts[::2], parts[1::2], strict=True))


def unmentioned(words: Iterable[str], page: str) -> list[str]:
    text = (REFERENCE / page).read_text(encoding="utf-8")
    return [word for word in words if f"`{word}`" not in text]


def test_every_relative_link_leads_somewhere() -> None:
    missing = {str(path.relative_to(ROOT)): list(missing_links(path)) for path in documents()}

    assert {name: gone for name, gone in missing.items() if gone} == {}


def test_a_link_to_nothing_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# A title\n[a](page.md#a-title) [b](gone.md) [c](#gone) [d](https://e.org)\n")

    assert list(missing_links(page)) == ["gone.md", "#gone"]


def test_every_document_can_be_reached_from_the_index() -> None:
    index = ROOT / "docs" / "README.md"
    reached, waiting = {index}, [index]
    while waiting:
        path = waiting.pop()
        near = {(path.parent / link.partition("#")[0]).resolve() for link in links(path)}
        listed = {page for folder in near if folder.is_dir() for page in folder.glob("*.md")}
        new = {page for page in near if page.suffix == ".md" and page.is_file()} | listed
        new -= reached
        reached |= new
        waiting += new

    assert set(index.parent.rglob("*.md")) - reached == set()


def test_the_reference_has_a_section_for_every_verb_and_no_other() -> None:
    assert set(sections()) == set(VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_the_section_of_a_verb_names_every_option(verb: str) -> None:
    section = sections().get(verb, "")
    options = [name for each in VERBS[verb]._actions for name in each.option_strings]

    assert [name for name in options if name.startswith("--") and name not in section] == ["--help"]


def test_the_reference_names_every_public_error_with_its_parent() -> None:
    text = (REFERENCE / "errors.md").read_text(encoding="utf-8")
    known = [kind for _, kind in inspect.getmembers(errors, inspect.isclass)]
    rows = [
        f"| `{kind.__name__}` | `{parent.__name__}` |"
        for kind in known
        for parent in kind.__bases__
        if kind.__module__ == errors.__name__ and kind is not errors.AskfirstError
    ]

    assert "| `AskfirstError` |" in text
    assert [row for row in rows if row not in text] == []


def test_the_reference_names_every_policy_key_with_its_default() -> None:
    text = (REFERENCE / "policy.md").read_text(encoding="utf-8")
    shown = {True: "`true`", False: "`false`", None: "null", (): "`[]`"}
    defaults = {key: getattr(Policy(), key) for key in POLICY_KEYS}
    rows = [
        f"| `{key}` | " + shown.get(value, f'`"{value}"`') + " |" for key, value in defaults.items()
    ]

    assert [row for row in rows if row not in text] == []


def test_the_reference_names_every_profile() -> None:
    assert unmentioned((f'"{name}"' for name in PROFILES), "policy.md") == []


def test_the_reference_names_every_request_key() -> None:
    assert unmentioned(REQUEST_KEYS, "policy.md") == []


def test_the_example_of_a_policy_is_one() -> None:
    text = (REFERENCE / "policy.md").read_text(encoding="utf-8")
    example = text.partition("```toml\n")[2].partition("```")[0]

    assert Policy.parse(tomllib.loads(example)).minimum_proof is Proof.KEY


def test_the_reference_names_every_notice_element_and_verdict() -> None:
    assert unmentioned([*Element, *Verdict], "notice-elements.md") == []


def test_the_reference_names_every_kind_of_entry() -> None:
    assert unmentioned(Kind, "ledger.md") == []


def test_the_reference_names_every_outcome() -> None:
    assert unmentioned(OutcomeCode, "outcomes.md") == []


def test_the_reference_names_every_state_of_a_recording() -> None:
    assert unmentioned((state.value for state in RecordingState), "storage.md") == []


def test_the_explanation_of_the_gate_names_every_state() -> None:
    assert unmentioned(State, "../explanation/gate.md") == []


def test_the_explanation_of_proofs_has_a_line_for_each() -> None:
    text = (REFERENCE / ".." / "explanation" / "proof-levels.md").read_text(encoding="utf-8")

    assert [proof for proof in Proof if f"\n| {int(proof)} |" not in text] == []


def checked() -> list[list[str]]:
    """The lines of the security checklist: number, what is asked for, whether it is met, how."""
    text = (ROOT / "docs" / "explanation" / "security.md").read_text(encoding="utf-8")
    rows = (line.strip("| ").split(" | ") for line in text.splitlines())
    return [row for row in rows if re.match(r"\d+\.\d", row[0])]


def test_every_test_that_the_security_checklist_names_is_there() -> None:
    text = (ROOT / "docs" / "explanation" / "security.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(?:tests/[a-z0-9_/]+/)?test_[a-z0-9_]+\.py`", text))
    known = {path.relative_to(ROOT).as_posix() for path in (ROOT / "tests").rglob("test_*.py")}
    known |= {name.rpartition("/")[2] for name in known}

    assert len(named) > 20
    assert sorted(name for name in named if name.strip("`") not in known) == []


def test_every_line_of_the_security_checklist_has_a_test_or_says_its_gap() -> None:
    rows = checked()

    assert len(rows) > 80
    assert {row[2] for row in rows} <= {"yes", "partly", "no", "–"}
    tested = r"`[^`]*test_[a-z0-9_]+\.py`|no test of (its own|ours)"
    assert [row[0] for row in rows if row[2] == "yes" and not re.search(tested, row[-1])] == []
    assert [row[0] for row in rows if row[2] == "partly" and len(row[-1]) < 10] == []
