"""The verbs about speech models: which there are, fetching one, and whether they are whole."""

from __future__ import annotations

import argparse
import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from askfirst.console import NO, YES, add_verb, print_json
from askfirst.errors import InvalidInput, NotFound, NotInstalled, Unverified


def add(verbs: Any) -> None:
    """Add ``models`` to the command line."""
    models = verbs.add_parser("models", help="Speech models: list, fetch and verify them.")
    inner = models.add_subparsers(title="commands", metavar="COMMAND", required=True)
    listed = add_verb(inner, "list", _list, "List the models that are here, and that can be had.")
    listed.add_argument("--settings", type=Path, metavar="FILE.toml", help="askfirst.toml if there")
    _add_places(listed)
    get = add_verb(inner, "get", _get, "Fetch a model, and check every file of it.")
    get.add_argument("name", metavar="NAME")
    get.add_argument("--from", dest="source", metavar="URL", help="a mirror of huggingface.co")
    _add_places(get)
    verify = add_verb(inner, "verify", _verify, "Compare the files of models with their sums.")
    verify.add_argument("name", metavar="NAME", nargs="*", help="all that are here by default")
    _data(verify)


def _add_places(verb: Any) -> None:
    verb.add_argument(
        "--catalogue", type=Path, metavar="FILE.toml", help="further models, pinned by you"
    )
    _data(verb)


def _data(verb: Any) -> None:
    verb.add_argument(
        "--data", type=Path, default=Path("askfirst-data"), help="the installation's folder"
    )


def _part(name: str) -> Any:
    try:
        return import_module(f"askfirst.server.{name}")
    except ImportError as error:
        raise NotInstalled(f"what handles models ({error.name})", "all") from error


def _list(chosen: argparse.Namespace) -> int:
    models = _part("models")
    wanted = _configured(chosen)
    here = [each for each in (models.packaged(), *models.fetched(chosen.data)) if each is not None]
    try:
        used = models.chosen(wanted, chosen.data)
    except (InvalidInput, NotInstalled) as error:
        used = None
        print(f"askfirst: {error}", file=sys.stderr)
    if used is not None and used.origin == "folder":
        here.append(used)
    rows = [
        {
            "name": each.name,
            "state": each.origin,
            "is_used": used is not None and each.folder == used.folder,
            "languages": _languages(each.languages),
            "bytes": each.bytes,
            "licence": each.licence,
            "repository": each.repository,
            "revision": each.revision,
            "where": str(each.folder),
        }
        for each in here
    ]
    there = {each.name for each in here if each.origin == "fetched"}
    rows += [
        {
            "name": each.name,
            "state": "can be fetched",
            "is_used": False,
            "languages": "English" if each.is_english_only else "many",
            "bytes": each.bytes,
            "licence": each.licence,
            "repository": each.repository,
            "revision": each.revision,
            "where": None,
        }
        for each in _part("modelcatalogue").catalogue(chosen.catalogue).values()
        if each.name not in there
    ]
    if chosen.json:
        print_json({"models": rows})
        return YES
    for row in rows:
        mark = "*" if row["is_used"] else " "
        size = f"{row['bytes'] / 1024**2:,.0f} MiB"
        where = row["where"] or row["repository"]
        print(
            f"{mark} {row['name']:<12}{row['state']:<16}{row['languages']:<9}{size:>10}  "
            f"{row['licence']:<12}{where}"
        )
    print('* is used for recordings; another one: model = "NAME" in askfirst.toml')
    return YES


def _languages(codes: frozenset[str]) -> str:
    return "English" if codes == {"en"} else "many"


def _configured(chosen: argparse.Namespace) -> str | None:
    """What the settings name; `--data` counts for the folder."""
    settings = _part("settings")
    if chosen.settings is not None and not chosen.settings.is_file():
        raise InvalidInput(f"there are no settings {chosen.settings}; name a file that is there")
    file = chosen.settings or Path(settings.FILE)
    name: str | None = settings.read_settings(file, os.environ, {}).model
    return name


def _get(chosen: argparse.Namespace) -> int:
    model = _part("modelcatalogue").pinned(chosen.name, chosen.catalogue)
    fetch = _part("modelfetch")

    def tell(line: str) -> None:
        print(f"  {line} …", file=sys.stderr, flush=True)

    folder = fetch.get(
        model,
        _part("models").fetched_in(chosen.data),
        fetch.HUB if chosen.source is None else chosen.source,
        (lambda _: None) if chosen.json else tell,
    )
    if chosen.json:
        print_json({"name": model.name, "where": str(folder), "verified": True})
    else:
        print(f"{model.name} is in {folder}; every file holds")
        print(f'to use it: model = "{model.name}" in askfirst.toml')
    return YES


def _verify(chosen: argparse.Namespace) -> int:
    models = _part("models")
    here = {
        each.name: each
        for each in (models.packaged(), *models.fetched(chosen.data))
        if each is not None
    }
    wanted = chosen.name or list(here)
    if unknown := [name for name in wanted if name not in here]:
        raise NotFound(f"no model {unknown[0]} is here; see: askfirst models list")
    found: list[dict[str, object]] = []
    for name in wanted:
        try:
            here[name].verify()
            found.append({"name": name, "verified": True, "error": None})
        except Unverified as error:
            found.append({"name": name, "verified": False, "error": str(error)})
    if chosen.json:
        print_json({"models": found})
    else:
        for each in found:
            print(f"{each['name']}: {each['error'] or 'every file holds'}")
    return YES if all(each["verified"] for each in found) else NO
