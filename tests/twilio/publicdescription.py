"""Twilio's public description of its API, and Prism, which holds requests and answers against it.

Both come from npm at set-up (`description/`); a test that needs them is skipped where they are not
there, and fails in CI.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.sip.peer import free_port

PACKAGES = Path(sys.prefix) / "npm" / "node_modules"
FILES = PACKAGES / "@twilio" / "cli-core" / "src" / "services" / "twilio-api"
PRISM = PACKAGES / "@stoplight" / "prism-cli" / "dist" / "index.js"
MISSING = "Twilio's public description or Prism is missing; ./run test --all installs them"

ACCOUNT = "/2010-04-01/Accounts/{AccountSid}"
PATHS: Mapping[str, tuple[str, ...]] = {
    "twilio_api_v2010.json": (
        "/2010-04-01/Accounts/{Sid}.json",
        f"{ACCOUNT}/Calls.json",
        f"{ACCOUNT}/Calls/{{Sid}}.json",
        f"{ACCOUNT}/Recordings.json",
        f"{ACCOUNT}/Recordings/{{Sid}}.json",
        f"{ACCOUNT}/IncomingPhoneNumbers.json",
        f"{ACCOUNT}/IncomingPhoneNumbers/{{Sid}}.json",
    ),
    "twilio_voice_v1.json": ("/v1/DialingPermissions/Countries",),
}
"""What we ask for, by the file that describes it; the whole would take Prism long to read."""

METHODS = ("get", "post", "delete")


@dataclass(frozen=True, slots=True)
class Description:
    """The part of the description that is about what we ask for, as one document."""

    document: Mapping[str, Any]

    def parameters(self, method: str, path: str) -> frozenset[str] | None:
        """The names that an operation knows in query and form; None where there is none."""
        for template, methods in self.document["paths"].items():
            pattern = re.sub(r"\{\w+\}", "[A-Za-z0-9]+", template.replace(".", r"\."))
            if re.fullmatch(pattern, path) and method.lower() in methods:
                operation = methods[method.lower()]
                stated = [each["name"] for each in operation.get("parameters", ())]
                return frozenset([*stated, *_form(operation).get("properties", ())])
        return None


def needed() -> Description:
    """The description, made strict; skips or fails the test where it is not installed."""
    if not PRISM.is_file() or not FILES.is_dir() or shutil.which("node") is None:
        if os.environ.get("CI") == "true":
            pytest.fail(MISSING)
        pytest.skip(MISSING)
    made: dict[str, Any] = {
        "openapi": "3.0.1",
        "info": {"title": "Twilio", "version": "1"},
        "paths": {},
        "components": {"securitySchemes": {}},
    }
    for name, paths in PATHS.items():
        found = json.loads((FILES / name).read_text())
        made["security"] = found["security"]
        made["components"]["securitySchemes"].update(found["components"]["securitySchemes"])
        for path in paths:
            methods = {each: found["paths"][path].get(each) for each in METHODS}
            whole = {
                each: _whole(said, found) for each, said in methods.items() if said is not None
            }
            for operation in whole.values():
                _sharpen(operation)
            made["paths"][path] = whole
    return Description(made)


def _whole(said: Any, document: Mapping[str, Any]) -> Any:
    """A part of the description with what it refers to in its place: Prism checks no answer whose
    whole form is told by reference."""
    if isinstance(said, list):
        return [_whole(each, document) for each in said]
    if not isinstance(said, dict):
        return said
    if "$ref" in said:
        found: Any = document
        for step in said["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        return _whole(found, document)
    return {name: _whole(each, document) for name, each in said.items() if name != "examples"}


def _sharpen(operation: dict[str, Any]) -> None:
    """Say of an operation what the description leaves out, so that a fault is found and nothing
    else is."""
    for each in operation.get("parameters", ()):
        # The description's own words and examples are days, which its format does not allow.
        if each["in"] == "query" and each["schema"].get("format") == "date-time":
            del each["schema"]["format"]
    for content in operation.get("requestBody", {}).get("content", {}).values():
        # Repeated names of a form are a list; without this Prism sees a text.
        lists = [k for k, v in content["schema"]["properties"].items() if v.get("type") == "array"]
        content["encoding"] = {each: {"style": "form", "explode": True} for each in lists}
    for answer in operation["responses"].values():
        for content in answer.get("content", {}).values():
            _close(content["schema"])


def _close(schema: dict[str, Any]) -> None:
    """Let nothing into an object, or the objects of a list in it, that is not named."""
    if "type" not in schema:
        schema.pop("nullable", None)  # Prism reads no schema that has the one without the other
    if "properties" in schema:
        schema["additionalProperties"] = False
        for name, each in schema["properties"].items():
            if name.endswith("page_uri"):
                each.pop("format", None)  # in the examples they are relative
            _close(each)
    if "items" in schema:
        _close(schema["items"])


def _form(operation: Mapping[str, Any]) -> Mapping[str, Any]:
    contents = operation.get("requestBody", {}).get("content", {})
    found: Mapping[str, Any] = contents.get("application/x-www-form-urlencoded", {}).get(
        "schema", {}
    )
    return found


@contextmanager
def prism(description: Description, upstream: str, folder: Path) -> Iterator[str]:
    """The address of a proxy that answers with what is upstream, and tells what is wrong with
    request or answer in the header `sl-violations`."""
    document = folder / "description.json"
    document.write_text(json.dumps(description.document))
    port = free_port()
    command = ["node", PRISM, "proxy", document, upstream, "-h", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(  # noqa: S603 - pinned by its hash
        [str(part) for part in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=os.environ | {"NO_COLOR": "1"},
    )
    assert process.stdout is not None
    told = b""
    try:
        while b"is listening" not in told:
            line = process.stdout.readline()
            assert line, f"Prism did not start: {told.decode()}"
            told += line
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.stdout.close()
        process.wait(30)
