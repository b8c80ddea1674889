"""Render every component of the pages into a folder, to be looked at in a browser.

    python tools/gallery.py FOLDER [--theme system|light|dark] [--language en|nb]
                                   [--light off|waiting|recording|unknown] [--catalogue FILE.po]
    python -m http.server -d FOLDER

Writes index.html (shell with phone), plain.html (signed out) and a copy of the static files;
browsers take the icon sprite and the modules only from a server, not from a file.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from babel.messages.pofile import read_po
from jinja2 import Environment, FileSystemLoader, StrictUndefined

WEB = Path(__file__).parent.parent / "src" / "askfirst" / "web"

PEOPLE = (
    ("Ola Nordmann", "+47 912 34 567", "Norge", "ask"),
    ("Jane Roe", "+1 415 555 0132", "California", "ask"),
    ("Anna Svensson-Lindqvist", "+46 70 123 45 67", "Sverige", "may"),
    ("Aroha Ngata", "+64 21 555 018", "New Zealand", "tell"),
    ("Per Lie", "+1 800 555 0199", "–", "unknown"),
    ("Lia Weber", "+49 30 901820", "Deutschland", "no"),
)

NAVIGATION = (
    ("/contacts", "Contacts", "Kontakter"),
    ("/calls", "Calls", "Samtaler"),
    ("/live", "Live", "Direkte"),
    ("/rules", "Rules", "Regler"),
    ("/playlists", "Playlists", "Spillelister"),
    ("/dashboards", "Dashboards", "Oversikter"),
    ("/compliance", "Compliance (3)", "Etterlevelse (3)"),
    ("/settings", "Settings", "Innstillinger"),
)


def environment(
    language: str, messages: Mapping[str, str], say: Callable[[str, str], str]
) -> Environment:
    """Give an environment as strict as the server's, with the gallery's own pages beside it."""
    made = Environment(
        loader=FileSystemLoader([WEB / "templates", Path(__file__).parent]),
        autoescape=True,
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n"],
        trim_blocks=True,
        lstrip_blocks=True,
    )
    installed: Any = made
    installed.install_gettext_callables(
        lambda text: messages.get(text, text),
        lambda one, many, number: one if number == 1 else many,
        newstyle=True,
    )
    made.globals["static"] = lambda path: f"static/{path}"
    made.globals["say"] = say
    return made


def catalogue(path: Path) -> Mapping[str, str]:
    """Read the messages of a catalogue; an absent one is empty."""
    if not path.exists():
        return {}
    with path.open("rb") as file:
        return {str(each.id): str(each.string) for each in read_po(file) if each.string}


def render(folder: Path, options: argparse.Namespace) -> None:
    """Write both pages and the static files into a folder; what was there is replaced."""
    is_nb = options.language == "nb"
    file = options.catalogue or WEB / "locale" / f"{options.language}.po"
    made = environment(
        options.language,
        catalogue(file),
        lambda english, norwegian: norwegian if is_nb else english,
    )
    context: dict[str, object] = {
        "language": options.language,
        "languages": {"en": "English", "nb": "Norsk bokmål"},
        "theme": options.theme,
        "nonce": "gallery",
        "path": "/calls",
        "recording_light": options.light,
        "people": PEOPLE,
        "search_href": "/search",
        "demo": True,
    }
    items = [(href, nb if is_nb else en, href == "/calls") for href, en, nb in NAVIGATION]
    person = SimpleNamespace(name="Kari Berg")
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copytree(WEB / "static", folder / "static", dirs_exist_ok=True)
    for name, template, user, navigation in (
        ("index.html", "gallery.html", person, items),
        ("plain.html", "gallery_plain.html", None, items[3:4]),
    ):
        text = made.get_template(template).render(**context, user=user, navigation=navigation)
        (folder / name).write_text(text, "utf-8")


def main() -> None:
    """Render into the folder that was named."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--theme", choices=("system", "light", "dark"), default="system")
    parser.add_argument("--language", choices=("en", "nb"), default="en")
    states = ("off", "waiting", "recording", "unknown")
    parser.add_argument("--light", choices=states, default="waiting")
    parser.add_argument("--catalogue", type=Path, help="a .po file instead of the shipped one")
    options = parser.parse_args()
    render(options.folder, options)


if __name__ == "__main__":
    main()
