"""A directory of rules from anybody: refused with file and mend, never with a traceback."""

from __future__ import annotations

import os
import socket
import zipfile
from collections.abc import Callable
from contextlib import suppress
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from askfirst import rulecheck, rules
from askfirst.errors import InvalidRules

HERE = Path(__file__).parent
BASE = HERE / "base"
SOUND = (HERE / "sound" / "XY.toml").read_text(encoding="utf-8")


def refused(directory: Path) -> tuple[str, ...]:
    """What loading an overlay is refused with; the check must say the same and more."""
    with pytest.raises(InvalidRules) as caught:
        rules.load(BASE, directory)
    checked = rulecheck.check(BASE, directory)
    assert set(caught.value.faults) <= set(checked)
    for fault in checked:
        assert "; mend: " in fault
        assert fault.isprintable()
        assert len(fault) < 2_000
    return caught.value.faults


def overlay(directory: Path, text: str, name: str = "XY.toml") -> Path:
    (directory / name).write_bytes(text.encode("utf-8"))
    return directory


def test_the_sound_overlay_is_accepted(tmp_path: Path) -> None:
    assert "XY" in rules.load(BASE, overlay(tmp_path, SOUND)).jurisdictions


DEEP = {
    "lists within lists": "deep = " + "[" * 60 + "]" * 60,
    "lists over many lines": "deep = " + "[\n" * 50_000,
    "tables within tables": "deep = " + "{a = " * 60 + "1" + "}" * 60,
    "a key of many parts": "deep" + ".a" * 900 + " = 1",
    "a header of many parts": "[deep" + ".a" * 900 + "]",
    "many keys of many parts": "\n".join(f"deep.k{n}{'.a' * 900} = 1" for n in range(100)),
    "a key that would take the parser an hour": "deep" + ".a" * 100_000 + " = 1",
}


@pytest.mark.parametrize("text", DEEP.values(), ids=DEEP)
def test_deep_nesting_is_refused(tmp_path: Path, text: str) -> None:
    (fault,) = refused(overlay(tmp_path, f"{text}\n"))

    assert fault.startswith("XY.toml: ")


def test_deep_nesting_is_refused_where_the_form_lets_others_look(tmp_path: Path) -> None:
    nested = "[" * 30 + "]" * 30
    text = SOUND.replace("boundary = true", f"boundary = true\npolicy = {{purpose = {nested}}}")

    assert refused(overlay(tmp_path, text)) == (
        "XY.toml: case: nested more than 8 deep; mend: use the form of the template",
    )


def test_a_huge_number_is_refused_wherever_it_stands(tmp_path: Path) -> None:
    number = f"minimum_proof = 0x{'f' * 1_900}"
    text = SOUND.replace("boundary = true", f"boundary = true\npolicy = {{{number}}}")

    (fault,) = refused(overlay(tmp_path, text))

    assert fault.startswith("XY.toml: case: a huge number")


def test_a_file_may_have_256_kib_and_not_a_byte_more(tmp_path: Path) -> None:
    filling = "# comment\n" * 30_000
    largest = (SOUND.replace("ø", "o") + filling)[: rules.MAX_FILE_BYTES]

    assert "XY" in rules.load(BASE, overlay(tmp_path, largest)).jurisdictions
    assert refused(overlay(tmp_path, largest + "#")) == (
        "XY.toml: larger than 256 KiB; mend: shorten it",
    )


def test_a_file_without_an_end_is_not_read_to_it(tmp_path: Path) -> None:
    with (tmp_path / "XY.toml").open("wb") as file:
        file.truncate(1 << 40)

    (fault,) = refused(tmp_path)

    assert fault.startswith("XY.toml: larger than 256 KiB")


def test_a_directory_may_have_2000_rule_files_and_not_one_more(tmp_path: Path) -> None:
    for n in range(rules.MAX_FILES + 1):
        (tmp_path / f"X{n}.toml").touch()

    faults = refused(tmp_path)

    assert faults == (
        f"{tmp_path.name}: more than 2000 rule files; mend: name a directory of rules",
    )


def test_files_of_all_directories_count_together(tmp_path: Path) -> None:
    # Two of the base directory, so that one more than 1,998 is too many.
    for n in range(rules.MAX_FILES - 1):
        (tmp_path / f"X{n}.toml").touch()

    assert "more than 2000" in refused(tmp_path)[0]


def test_a_file_full_of_faults_tells_a_hundred_and_how_many_more(tmp_path: Path) -> None:
    text = "\n".join(f"k{n} = 1" for n in range(5_000)) + f"\n{SOUND}"

    faults = refused(overlay(tmp_path, text))

    assert len(faults) == 101
    assert faults[-1] == "XY.toml: 4900 more faults; mend: begin with these"


SETTINGS = [line.partition(" = ")[0] for line in SOUND.splitlines() if " = " in line]
VALUES = [
    "1",
    "-1",
    "1.5",
    "inf",
    "true",
    '""',
    '"\\u202e"',
    "[]",
    "{}",
    "[[]]",
    "[{}]",
    "{a = []}",
]
VALUES += ["2026-11-23", "07:32:00", "1979-05-27T07:32:00Z", "0x7fffffffffffffff", '["a", 1]']


@pytest.mark.parametrize("value", VALUES)
def test_any_type_may_stand_anywhere_and_is_read_or_refused(tmp_path: Path, value: str) -> None:
    lines = SOUND.splitlines()
    refusals = 0
    for n, line in enumerate(lines):
        if " = " not in line:
            continue
        changed = [*lines[:n], f"{line.partition(' = ')[0]} = {value}", *lines[n + 1 :]]
        overlay(tmp_path, "\n".join(changed))
        refusals += bool(
            [fault for fault in rulecheck.check(BASE, tmp_path) if fault.startswith("XY.toml: ")]
        )
        with suppress(InvalidRules):
            rules.load(BASE, tmp_path)

    assert refusals >= len(SETTINGS) * 2 // 3


@pytest.mark.parametrize(
    "twice",
    [
        SOUND.replace('kind = "country"', 'kind = "country"\nkind = "country"'),
        SOUND + '\n[treatment]\nmode = "auto"\n',
        SOUND.replace('{en = "Testland"', '{en = "Testland", en = "Other"'),
        SOUND.replace("[treatment]", "treatment = 1\n[treatment]"),
        SOUND.replace("[[rule]]", "[rule]\n[[rule]]"),
    ],
)
def test_a_key_that_is_there_twice_is_refused_with_its_line(tmp_path: Path, twice: str) -> None:
    (fault,) = refused(overlay(tmp_path, twice))

    assert fault.startswith("XY.toml: not TOML (")
    assert "at line " in fault


def test_a_jurisdiction_that_two_directories_write_is_refused(tmp_path: Path) -> None:
    assert refused(overlay(tmp_path, SOUND.replace("XY", "EEA"), "EEA.toml"))


def test_a_link_out_of_the_directory_is_not_followed(tmp_path: Path) -> None:
    outside, inside = tmp_path / "outside", tmp_path / "inside"
    outside.mkdir()
    inside.mkdir()
    overlay(outside, "secret = 1")
    (inside / "XY.toml").symlink_to(outside / "XY.toml")

    assert refused(inside) == (
        "XY.toml: leads out of its directory; mend: put the file itself there",
    )


def test_a_link_within_the_directory_is_how_a_volume_is_mounted(tmp_path: Path) -> None:
    (tmp_path / "..data").mkdir()
    overlay(tmp_path / "..data", SOUND)
    (tmp_path / "XY.toml").symlink_to(Path("..data") / "XY.toml")

    assert "XY" in rules.load(BASE, tmp_path).jurisdictions


def circle(directory: Path) -> None:
    (directory / "XY.toml").symlink_to("XZ.toml")
    (directory / "XZ.toml").symlink_to("XY.toml")


NOT_FILES: dict[str, Callable[[Path], object]] = {
    "a directory": lambda directory: (directory / "XY.toml").mkdir(),
    "a pipe that nobody writes": lambda directory: os.mkfifo(directory / "XY.toml"),
    "a link to nothing": lambda directory: (directory / "XY.toml").symlink_to("nothing"),
    "a link to an endless device": lambda at: (at / "XY.toml").symlink_to("/dev/zero"),
    "links in a circle": circle,
}


@pytest.mark.parametrize("make", NOT_FILES.values(), ids=NOT_FILES)
def test_what_is_no_regular_file_is_not_opened(
    tmp_path: Path, make: Callable[[Path], object]
) -> None:
    make(tmp_path)

    assert refused(tmp_path)[0].startswith("XY.toml: ")


def test_a_socket_is_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # the path of a socket is short
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("XY.toml")

        assert refused(tmp_path)[0].startswith("XY.toml: not a regular file")


@pytest.mark.parametrize(
    "name",
    [
        "...toml",
        "..XY.toml",
        ".toml",
        "xy.toml",
        "XY .toml",
        "XY\n.toml",
        "XY\x1b[31m.toml",
        "\u202eXY.toml",
        "ＸＹ.toml",
        "X" * 200 + ".toml",
    ],
)
def test_a_name_that_is_no_code_is_refused_and_shown_harmlessly(tmp_path: Path, name: str) -> None:
    (fault,) = refused(overlay(tmp_path, SOUND, name))

    assert "not the name of a rule file" in fault


@pytest.mark.parametrize("code", ["..", "../XY", "/etc/passwd", "XY/../NO", "C:XY", "XY\\u0000"])
def test_a_code_that_is_a_path_is_refused(tmp_path: Path, code: str) -> None:
    text = SOUND.replace('jurisdiction = "XY"', f'jurisdiction = "{code}"')

    assert refused(overlay(tmp_path, text))[-1].startswith("XY.toml: jurisdiction: ")


@pytest.mark.parametrize("parent", ["../../etc/passwd", "\\u001b[2J", "a\\n", "P" * 1_900])
def test_a_parent_that_is_a_path_or_a_trick_has_no_file(tmp_path: Path, parent: str) -> None:
    text = SOUND.replace("parents = []", f'parents = ["{parent}"]')

    assert refused(overlay(tmp_path, text))[0].startswith("XY.toml: parents: ")


def test_a_key_is_shown_harmlessly(tmp_path: Path) -> None:
    text = f'"\\u001b[31m{"k" * 1_900}" = 1\n{SOUND}'

    (fault,) = refused(overlay(tmp_path, text))

    assert fault.startswith("XY.toml: \\x1b[31mk")


def test_a_chain_of_parents_over_all_files_is_followed_without_the_stack(tmp_path: Path) -> None:
    codes = [f"X{a}{b}" for a in "ABCDEFGHIJKLMNOPQRSTUVWXYZ" for b in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"]
    for code, parent in zip(codes, [*codes[1:], None], strict=True):
        parents = f'parents = ["{parent}"]' if parent else "parents = []"
        text = SOUND.replace("XY", code).replace("parents = []", parents)
        overlay(tmp_path, text.replace('"country"', '"layer"'), f"{code}.toml")

    book = rules.load(BASE, tmp_path)

    assert len(book.applicable(codes[0], date(2026, 11, 23))) == len(codes) + 1


@pytest.mark.parametrize(
    "content", [b"\xff\xfe", b"\x00", SOUND.encode("utf-16"), b"a = '\xc3\x28'"]
)
def test_what_is_not_utf8_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "XY.toml").write_bytes(content)

    assert refused(tmp_path)[0].startswith("XY.toml: ")


def test_a_byte_order_mark_is_refused_with_what_to_do(tmp_path: Path) -> None:
    assert refused(overlay(tmp_path, f"\ufeff{SOUND}")) == (
        "XY.toml: begins with a byte order mark; mend: save it as UTF-8 without one",
    )


def test_line_ends_of_another_system_change_nothing(tmp_path: Path) -> None:
    one = rules.load(BASE, overlay(tmp_path, SOUND))
    other = rules.load(BASE, overlay(tmp_path, SOUND.replace("\n", "\r\n")))

    assert one.fingerprint == other.fingerprint
    assert refused(overlay(tmp_path, SOUND.replace("\n", "\r")))[0].startswith("XY.toml: not TOML")


UNSOUND = {
    "a lift that nobody allowed": SOUND.replace(
        "source = [",
        'eased = {conditions = ["lawful_basis"], mode = "auto", form = "told", '
        'elements = ["intent_to_record"], lifts = ["EEA.gdpr"], '
        'summary = {en = "a", nb = "b"}}\nsource = [',
    ).replace("parents = []", 'parents = ["EEA"]'),
    "no source": SOUND.replace('source = [{kind = "statute", title = "Act 1"}]\n', ""),
    "versions that overlap": SOUND.replace(
        "[[case]]", SOUND[SOUND.index("[[rule]]") : SOUND.index("[[case]]")] + "[[case]]", 1
    ),
    "a code of another kind": SOUND.replace('"country"', '"state"'),
    "asks and owes nothing": SOUND.replace(
        'form = "told"\nelements = ["intent_to_record"]\n', "elements = []\n"
    ),
}


@pytest.mark.parametrize("text", UNSOUND.values(), ids=UNSOUND)
def test_what_does_not_hold_together_is_not_even_loaded(tmp_path: Path, text: str) -> None:
    assert refused(overlay(tmp_path, text))[0].startswith("XY.toml: ")


def test_rules_in_an_archive_are_read_and_refused_alike(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "rules.zip", "w") as archive:
        archive.writestr("good/XY.toml", SOUND)
        archive.writestr("large/XY.toml", "#" * 10_000_000, zipfile.ZIP_DEFLATED)
        archive.writestr("odd/../../XY.toml", SOUND)
    root = zipfile.Path(tmp_path / "rules.zip")

    assert "XY" in rules.load(BASE, root / "good").jurisdictions
    with pytest.raises(InvalidRules, match="larger than 256 KiB"):
        rules.load(BASE, root / "large")


@settings(deadline=None, max_examples=60)  # a busy machine is no fault of the rules
@given(st.binary(max_size=2_000))
def test_any_bytes_are_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    directory = tmp_path_factory.mktemp("any")
    (directory / "XY.toml").write_bytes(content)

    assert all(fault.startswith("XY.toml: ") for fault in refused(directory))
