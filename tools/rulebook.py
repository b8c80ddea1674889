"""What the rule files are as a release: their manifest, and a package of them alone.

    python tools/rulebook.py manifest [--check]     write jurisdictions/rulebook.json
    python tools/rulebook.py wheel DIR              build askfirst_rulebook-VERSION.whl there

The manifest says which version the files are and lets a program read only those that it needs.
The wheel holds the files and nothing that runs; installed beside askfirst it is used when it is
later than the rules that came with the code.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import asdict
from importlib import resources
from pathlib import Path

from askfirst import rules

DIRECTORY = Path(str(resources.files("askfirst"))) / "jurisdictions"
NOT_RELEASED = frozenset({"template.toml", "README.md"})
# The oldest day that a zip file can name: the same rules give the same bytes.
_DAY = (1980, 1, 1, 0, 0, 0)


def manifest(directory: Path) -> str:
    """The manifest of sound rule files; raises InvalidRules with every fault of others."""
    book = rules.load(directory)
    texts = dict(rules.read_files([directory], []))
    found = rules.Manifest(rules.FORM, book.version, book.fingerprint, rules.content_hash(texts))
    return json.dumps(asdict(found), indent=1) + "\n"


def wheel(directory: Path, to: Path) -> Path:
    """Build the package of rules (binary distribution format 1.0) and give its path."""
    version = json.loads(manifest(directory))["version"]
    info = f"{rules.SEPARATE}-{version}.dist-info"
    metadata = (
        f"Metadata-Version: 2.1\nName: {rules.SEPARATE.replace('_', '-')}\nVersion: {version}\n"
        "Summary: Sourced, dated, tested rules for recording calls. Not legal advice.\n"
        "License: Apache-2.0\n"
    )
    files = {f"{rules.SEPARATE}/{name}": content for name, content in _released(directory)}
    files[f"{rules.SEPARATE}/{rules.MANIFEST}"] = manifest(directory).encode()
    files[f"{info}/METADATA"] = metadata.encode()
    files[f"{info}/WHEEL"] = (
        b"Wheel-Version: 1.0\nGenerator: askfirst\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    )
    record = f"{info}/RECORD"
    lines = [f"{name},sha256={_sum(content)},{len(content)}" for name, content in files.items()]
    files[record] = "\n".join([*lines, f"{record},,", ""]).encode()
    path = to / f"{rules.SEPARATE}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name, _DAY), content, zipfile.ZIP_DEFLATED)
    return path


def _released(directory: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(directory.rglob("*.toml")):
        if path.name not in NOT_RELEASED:
            yield path.relative_to(directory).as_posix(), path.read_bytes()


def _sum(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode("ascii")


def main(arguments: list[str] | None = None) -> int:
    """Do what is asked; 1 when ``manifest --check`` finds the manifest out of step."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("manifest").add_argument("--check", action="store_true")
    verbs.add_parser("wheel").add_argument("directory", type=Path)
    chosen = parser.parse_args(arguments)
    if chosen.verb == "wheel":
        sys.stdout.write(f"{wheel(DIRECTORY, chosen.directory)}\n")
        return 0
    path, wanted = DIRECTORY / rules.MANIFEST, manifest(DIRECTORY)
    in_step = path.is_file() and path.read_text(encoding="utf-8") == wanted
    if chosen.check:
        if not in_step:
            sys.stdout.write(f"{rules.MANIFEST}: out of step; run: ./run rules\n")
        return 0 if in_step else 1
    path.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
