"""Bring the catalogues of the pages up to date with templates and code.

    python tools/catalogue.py [--check]

New messages come in without a translation, lost ones go out; a translator fills in what is empty in
`src/askfirst/web/locale/*.po`. ``--check`` says what is missing and changes nothing.
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Iterator
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

from askfirst.web.words import ERROR

# Called by its path as well, and then only its own folder is looked through.
sys.path.insert(0, str(Path(__file__).parent.parent))
from tools.raised import raised

WEB = Path(__file__).parent.parent / "src" / "askfirst" / "web"
METHODS = [("**.py", "python"), ("**.html", "jinja2.ext:babel_extract")]
KEYWORDS: dict[str, tuple[int, ...] | None] = {
    "_": None,
    "gettext": None,
    "ngettext": (1, 2),
    "say": None,
    "mark": None,
}
HEADER = "# What the pages say in this language; the key is the English of templates and code.\n#"


def messages() -> Iterator[tuple[str, str, int]]:
    """Every message of pages and errors, with the file and line it stands in."""
    found = extract_from_dir(
        str(WEB), method_map=METHODS, keywords=KEYWORDS,
        options_map={"**.html": {"trimmed": "true", "newstyle_gettext": "true"}},
    )  # fmt: skip
    for name, line, message, _, _ in found:
        if isinstance(message, str) and message:
            yield message, name, line
    yield from raised()


def updated(language: str) -> str:
    """The catalogue of a language as it should be, translations kept."""
    path = WEB / "locale" / f"{language}.po"
    with path.open("rb") as file:
        old = read_po(file, locale=language)
    kept = {message.id: message.string for message in old if message.id}
    new = Catalog(locale=language, fuzzy=False, header_comment=HEADER, charset="utf-8")
    of_errors = {message for message, _, _ in raised()}
    for message in sorted({message for message, _, _ in messages()}):
        remark = [ERROR] if message in of_errors else []
        new.add(message, kept.get(message, ""), auto_comments=remark)
    written = io.BytesIO()
    write_po(written, new, width=100, no_location=True, sort_output=True, omit_header=True)
    start = f'{HEADER}\nmsgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=utf-8\\n"\n'
    return start + f'"Language: {language}\\n"\n\n' + written.getvalue().decode("utf-8").lstrip()


def languages() -> list[str]:
    """Languages that have a catalogue."""
    return sorted(path.stem for path in (WEB / "locale").glob("*.po"))


def main(arguments: list[str] | None = None) -> int:
    """Update every catalogue, or say which are out of step; 1 then."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true")
    chosen = parser.parse_args(arguments)
    stale = []
    for language in languages():
        path, wanted = WEB / "locale" / f"{language}.po", updated(language)
        if path.read_text(encoding="utf-8") != wanted:
            stale.append(path.name)
            if not chosen.check:
                path.write_text(wanted, encoding="utf-8")
    if chosen.check and stale:
        sys.stdout.write(f"{', '.join(stale)}: out of step; run: python tools/catalogue.py\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
