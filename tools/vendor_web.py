"""Bring upstream files of the web pages into the tree: copied unchanged, listed with their hashes.

    python tools/vendor_web.py PACKAGE_FOLDER...     take files from unpacked npm packages
    python tools/vendor_web.py --check               compare what is in the tree with the lock

A package folder is what `npm pack NAME@VERSION` holds (the one with package.json). What a package
gives is said in PACKAGES; entries of packages that are not named stay as they are in the lock.
The icon sprite is the one file that is made rather than copied: GLYPHS, cut out of lucide-static.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import sys
import tomllib
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

WEB = Path(__file__).parent.parent / "src" / "askfirst" / "web"
SVG = "http://www.w3.org/2000/svg"

# Name of the npm package -> (folder name in static/vendor, files taken from it).
PACKAGES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "htmx.org": ("htmx", ("dist/htmx.min.js", "LICENSE")),
    "lucide-static": ("lucide-static", ("LICENSE",)),
}

SPRITE = "icons.svg"
GLYPHS = (
    "arrow-left-right",
    "ban",
    "bookmark",
    "calendar",
    "captions",
    "check",
    "chevron-down",
    "chevron-left",
    "chevron-right",
    "circle",
    "circle-check",
    "circle-dashed",
    "circle-dot",
    "circle-question-mark",
    "clock",
    "download",
    "ellipsis",
    "external-link",
    "eye",
    "file-text",
    "filter",
    "flag",
    "globe",
    "grid-3x3",
    "history",
    "inbox",
    "info",
    "key-round",
    "lock",
    "map-pin",
    "map-pin-off",
    "megaphone",
    "menu",
    "message-square",
    "mic",
    "mic-off",
    "moon",
    "pause",
    "pencil",
    "phone",
    "phone-off",
    "play",
    "plus",
    "printer",
    "refresh-cw",
    "scale",
    "search",
    "settings",
    "shield-check",
    "shield-question-mark",
    "square",
    "trash-2",
    "triangle-alert",
    "upload",
    "user",
    "user-plus",
    "volume-2",
    "x",
)


@dataclass(frozen=True, slots=True)
class Vendored:
    """One file that others wrote, as the lock lists it; `file` is relative to static/."""

    name: str
    version: str
    file: str
    sha256: str
    licence: str
    source: str


def read_lock(web: Path) -> list[Vendored]:
    """Give the entries of the lock; an absent lock is an empty one."""
    path = web / "vendor.lock"
    if not path.exists():
        return []
    return [Vendored(**entry) for entry in tomllib.loads(path.read_text("utf-8"))["file"]]


def write_lock(web: Path, entries: Iterable[Vendored]) -> None:
    """Write the lock, sorted by file, so that a review shows only what changed."""
    lines = ["# Written by tools/vendor_web.py; files are relative to static/."]
    for entry in sorted(entries, key=lambda each: each.file):
        lines += ["", "[[file]]"]
        for field, value in zip(fields(entry), astuple(entry), strict=True):
            lines.append(f"{field.name} = {json.dumps(value)}")
    (web / "vendor.lock").write_text("\n".join(lines) + "\n", "utf-8")


def hash_of(path: Path) -> str:
    """Give the SHA-256 of a file, in hex."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def sprite(icons: Path, version: str, glyphs: Sequence[str] = GLYPHS) -> str:
    """Give one SVG with a symbol per glyph; strokes take the colour of the text around them."""
    lines = [
        f"<!-- Made by tools/vendor_web.py from lucide-static {version}, ISC licence: see",
        f"     vendor/lucide-static-{version}/LICENSE -->",
        f'<svg xmlns="{SVG}">',
    ]
    for glyph in glyphs:
        drawing = ET.parse(icons / f"{glyph}.svg").getroot()  # noqa: S314 - a maintainer's own file
        lines.append(
            f'<symbol id="{glyph}" viewBox="{drawing.attrib["viewBox"]}" fill="none" '
            'stroke="currentColor" stroke-width="2" stroke-linecap="round" stroke-linejoin="round">'
        )
        for shape in drawing:
            attributes = " ".join(f'{key}="{value}"' for key, value in shape.attrib.items())
            lines.append(f"<{shape.tag.removeprefix('{' + SVG + '}')} {attributes}/>")
        lines.append("</symbol>")
    return "\n".join([*lines, "</svg>"]) + "\n"


def take(web: Path, package: Path) -> list[Vendored]:
    """Copy the wanted files of one unpacked package and give their entries."""
    about = json.loads((package / "package.json").read_text("utf-8"))
    name, version = about["name"], about["version"]
    if name not in PACKAGES:
        raise SystemExit(f"{package} holds {name!r}; known are {', '.join(PACKAGES)}.")
    folder, wanted = PACKAGES[name]
    for old in (web / "static" / "vendor").glob(f"{folder}-*"):
        shutil.rmtree(old)
    home = web / "static" / "vendor" / f"{folder}-{version}"
    home.mkdir(parents=True)
    made = [Path(shutil.copyfile(package / file, home / Path(file).name)) for file in wanted]
    if name == "lucide-static":
        made.append(web / "static" / SPRITE)
        made[-1].write_text(sprite(package / "icons", version), "utf-8")
    return [
        Vendored(
            name,
            version,
            path.relative_to(web / "static").as_posix(),
            hash_of(path),
            about["license"],
            f"npm:{name}@{version}",
        )
        for path in made
    ]


def faults(web: Path) -> list[str]:
    """Say everything in which the tree and the lock differ; empty when they agree."""
    found = []
    entries = read_lock(web)
    for entry in entries:
        path = web / "static" / entry.file
        if not path.is_file():
            found.append(f"{entry.file}: in the lock, but not in the tree.")
        elif hash_of(path) != entry.sha256:
            found.append(f"{entry.file}: changed; upstream files are kept as they came.")
    listed = {entry.file for entry in entries}
    for path in sorted((web / "static" / "vendor").rglob("*")):
        file = path.relative_to(web / "static").as_posix()
        if path.is_file() and file not in listed:
            found.append(f"{file}: in the tree, but not in the lock.")
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Take packages or check the tree; 1 when the check finds a fault."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("packages", nargs="*", type=Path, metavar="PACKAGE_FOLDER")
    parser.add_argument("--check", action="store_true", help="only compare hashes")
    parser.add_argument("--web", type=Path, default=WEB, help="the folder with static/ inside")
    options = parser.parse_args(arguments)
    if options.check == bool(options.packages):
        parser.error("give package folders, or --check alone")
    if not options.check:
        taken = [entry for package in options.packages for entry in take(options.web, package)]
        names = {entry.name for entry in taken}
        kept = [entry for entry in read_lock(options.web) if entry.name not in names]
        write_lock(options.web, [*kept, *taken])
    found = faults(options.web)
    for line in found:
        sys.stderr.write(line + "\n")
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main())
