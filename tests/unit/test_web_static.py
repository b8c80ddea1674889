"""The look of the pages: vendored files, templates under a strict policy, tokens and icons."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from hashlib import sha256
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from jinja2 import Environment, FileSystemLoader, StrictUndefined

ROOT = Path(__file__).parent.parent.parent
WEB = ROOT / "src" / "askfirst" / "web"
STATIC = WEB / "static"
TEMPLATES = sorted((WEB / "templates").rglob("*.html"))
OWN_SHEETS = sorted(STATIC.glob("*.css"))
CSS = "\n".join(sheet.read_text("utf-8") for sheet in OWN_SHEETS)
LOCK = tomllib.loads((WEB / "vendor.lock").read_text("utf-8"))["file"]
SPRITE_IDS = set(re.findall(r'<symbol id="([^"]+)"', (STATIC / "icons.svg").read_text("utf-8")))
THEMES = ("light", "dark")

TEXT_PAIRS = (
    *product(("text", "muted", "accent", "danger"), ("bg", "surface")),
    *product(("text", "accent"), ("accent-bg",)),
    ("on-accent", "accent"),
    ("recording", "surface"),
    ("on-recording", "recording"),
    *((kind, f"{kind}-bg") for kind in ("may", "tell", "ask", "no", "unknown")),
    ("ask", "surface"),
    ("danger", "danger-bg"),
    ("lane-you", "surface"),
    ("lane-them", "surface"),
    ("lane-them", "accent-bg"),
)
SHAPE_PAIRS = (
    *product(("border", "accent", "recording", "danger", "ask"), ("bg", "surface")),
    ("lane-you", "bg"),
    ("lane-them", "bg"),
)


def _tokens() -> dict[str, str]:
    return dict(re.findall(r"^\s+--([\w-]+):\s*([^;]+);", (STATIC / "base.css").read_text(), re.M))


def _colour(token: str, theme: str) -> tuple[int, ...]:
    value = _tokens()[token]
    alias = re.fullmatch(r"var\(--([\w-]+)\)", value)
    if alias:
        return _colour(alias[1], theme)
    both = re.fullmatch(r"light-dark\(#([0-9a-f]{6}), #([0-9a-f]{6})\)", value)
    assert both, f"--{token}: {value} is not light-dark(#rrggbb, #rrggbb)"
    return tuple(bytes.fromhex(both[1 + THEMES.index(theme)]))


def _luminance(colour: tuple[int, ...]) -> float:
    """Relative luminance as WCAG 2.2 defines it."""
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in (channel / 255 for channel in colour)
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one: str, other: str, theme: str) -> float:
    low, high = sorted(_luminance(_colour(token, theme)) for token in (one, other))
    return (high + 0.05) / (low + 0.05)


def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(WEB / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n"],
        trim_blocks=True,
        lstrip_blocks=True,
    )
    installed: Any = made
    installed.install_null_translations(newstyle=True)
    made.globals["static"] = lambda path: f"/static/{path}"
    return made


def _page(name: str, **more: object) -> str:
    context: dict[str, object] = {
        "language": "en",
        "languages": {"en": "English", "nb": "Norsk"},
        "theme": "system",
        "nonce": "abc",
        "path": "/calls",
        "navigation": [("/calls", "Calls", True)],
        "user": None,
    }
    return _environment().get_template(name).render(context | more)


def _macro(source: str) -> str:
    return _environment().from_string(f'{{% import "parts.html" as parts %}}{source}').render()


def _used_icons() -> Iterator[tuple[str, str]]:
    for template in TEMPLATES:
        text = template.read_text("utf-8")
        for name in re.findall(r'\bicon\(\s*"([^"]+)"', text):
            yield template.name, name
        for name in re.findall(r'\b(?:icon_name|glyph)\s*=\s*"([^"]+)"', text):
            yield template.name, name
        for name in re.findall(r'\bcall_button\([^,]+,\s*"([^"]+)"', text):
            yield template.name, name


def test_what_others_wrote_is_as_it_came() -> None:
    changed = [
        entry["file"]
        for entry in LOCK
        if sha256((STATIC / entry["file"]).read_bytes()).hexdigest() != entry["sha256"]
    ]
    assert changed == []


def test_everything_vendored_is_in_the_lock_with_its_licence() -> None:
    listed = {entry["file"] for entry in LOCK}
    there = {
        path.relative_to(STATIC).as_posix()
        for path in (STATIC / "vendor").rglob("*")
        if path.is_file()
    }
    assert there <= listed
    assert all(entry["licence"] and entry["source"] for entry in LOCK)
    folders = {path.parent for path in (STATIC / "vendor").rglob("*.js")}
    assert folders
    assert all(any(folder.glob("LICEN[SC]E*")) for folder in folders)


def test_the_tool_that_vendors_notices_a_changed_file(tmp_path: Path) -> None:
    (tmp_path / "static" / "vendor").mkdir(parents=True)
    (tmp_path / "static" / "a.js").write_text("1")
    (tmp_path / "static" / "vendor" / "stray.js").write_text("2")
    entry = dict(LOCK[0], file="a.js", sha256="0" * 64)
    lines = "\n".join(f'{key} = "{value}"' for key, value in entry.items())
    (tmp_path / "vendor.lock").write_text(f"[[file]]\n{lines}\n")
    tool = [sys.executable, str(ROOT / "tools" / "vendor_web.py"), "--check"]
    found = subprocess.run(  # noqa: S603 - our own tool
        [*tool, "--web", str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert found.returncode == 1
    assert "a.js: changed" in found.stderr
    assert "vendor/stray.js: in the tree, but not in the lock" in found.stderr
    assert subprocess.run(tool, check=False).returncode == 0  # noqa: S603 - our own tool


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_no_template_has_a_style_or_script_in_it(template: Path) -> None:
    text = re.sub(r"\{#.*?#\}", "", template.read_text("utf-8"), flags=re.S)
    assert not re.search(r"\bstyle\s*=", text)
    assert "<style" not in text
    assert not re.search(r"\son[a-z]+\s*=\s*[\"']", text)
    assert not re.search(r"\bhx-on\b|\bhx-vals=.js:|javascript:", text)
    opened = re.findall(r"<script\b[^>]*>", text)
    assert [tag for tag in opened if "src=" not in tag and "application/json" not in tag] == []


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_no_template_loads_anything_from_elsewhere(template: Path) -> None:
    loaded = re.findall(
        r"<(?:script|link|img|iframe|use)\b[^>]*?(?:src|href)=\"([^\"]*)\"",
        template.read_text("utf-8"),
    )
    assert [address for address in loaded if "//" in address] == []


def test_every_icon_that_templates_use_is_in_the_sprite() -> None:
    used = set(_used_icons())
    assert len(used) >= 8
    assert sorted(each for each in used if each[1] not in SPRITE_IDS) == []


@pytest.mark.parametrize("kind", ["may", "tell", "ask", "no", "unknown"])
def test_every_chip_has_an_icon_of_the_sprite_and_words(kind: str) -> None:
    shown = _macro(f'{{{{ parts.chip("{kind}") }}}}')
    icons = re.findall(r'icons\.svg#([\w-]+)"', shown)
    assert len(icons) == 1
    assert icons[0] in SPRITE_IDS
    assert re.search(r"<span>[^<]{5,}</span>", shown)


@pytest.mark.parametrize("kind", ["info", "good", "warning", "error"])
def test_every_message_has_an_icon_of_the_sprite(kind: str) -> None:
    shown = _macro(f'{{{{ parts.flash("Saved", "{kind}") }}}}')
    assert set(re.findall(r'icons\.svg#([\w-]+)"', shown)) <= SPRITE_IDS
    assert ('role="alert"' in shown) == (kind == "error")


@pytest.mark.parametrize(
    ("call", "kind"),
    [
        ('"auto"', "may"),
        ('"auto", tell=true', "tell"),
        ('"auto", place_known=false', "unknown"),
        ('"ask"', "ask"),
        ('"forbid"', "no"),
        ('"forbid", place_known=false', "no"),
        ('"never heard of"', "ask"),
    ],
)
def test_a_rule_chip_never_shows_more_than_the_rule_allows(call: str, kind: str) -> None:
    assert f'class="chip chip-{kind}"' in _macro(f"{{{{ parts.rule_chip({call}) }}}}")


def test_words_of_others_are_escaped() -> None:
    shown = _macro('{{ parts.field("<b>", "a", value="\\"><script>", error="<i>") }}')
    assert "<b>" not in shown
    assert "<script>" not in shown
    assert "<i>" not in shown


def test_an_error_is_tied_to_its_field() -> None:
    shown = _macro('{{ parts.field("Number", "number", help="h", error="e") }}')
    assert 'aria-describedby="number-error number-help"' in shown
    assert 'aria-invalid="true"' in shown
    assert 'id="number-error"' in shown


def test_the_phone_and_the_light_are_outside_what_navigation_replaces() -> None:
    shown = _page("base.html")
    main = re.search(r"<main id=\"main\" hx-history-elt.*?</main>", shown, re.S)
    assert main
    assert 'id="phone"' not in main[0]
    assert 'id="light"' not in main[0]
    assert shown.count('id="phone"') == shown.count('id="light"') == 1
    assert re.search(r"</main>\s*<aside id=\"phone\"", shown)


def test_the_light_is_unknown_until_the_media_path_has_reported() -> None:
    assert 'class="light light-unknown"' in _page("base.html")
    assert 'class="light light-recording"' in _page("base.html", recording_light="recording")


def test_a_message_is_shown_inside_the_page_where_a_navigation_brings_it() -> None:
    shown = _page("base.html", flashes=[("good", "Saved.")])
    main = re.search(r"<main.*?</main>", shown, re.S)
    assert main
    assert "Saved." in main[0]


@pytest.mark.parametrize("name", ["base.html", "plain.html"])
def test_a_shell_has_a_skip_link_a_language_and_one_main(name: str) -> None:
    shown = _page(name)
    assert '<html lang="en" data-theme="system">' in shown
    assert '<a class="skip" href="#main"' in shown
    assert shown.count("<main ") == 1


def test_navigation_by_htmx_is_set_up_as_a_living_phone_needs_it() -> None:
    shown = _page("base.html")
    wanted = (
        'hx-boost="true" hx-target="#main" hx-select="#main" hx-swap="outerHTML show:window:top"'
    )
    assert wanted in shown
    config = re.search(r'name="htmx-config" content="([^"]*)"', shown)
    assert config
    for part in (
        "historyCacheSize&#34;: 0",
        "allowEval&#34;: false",
        "selfRequestsOnly&#34;: true",
    ):
        assert part in config[1]


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize(("text", "ground"), TEXT_PAIRS)
def test_text_can_be_read(text: str, ground: str, theme: str) -> None:
    assert _contrast(text, ground, theme) >= 4.5


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize(("shape", "ground"), SHAPE_PAIRS)
def test_borders_and_lanes_can_be_seen(shape: str, ground: str, theme: str) -> None:
    assert _contrast(shape, ground, theme) >= 3


def test_the_contrast_formula_is_the_published_one() -> None:
    assert _luminance((255, 255, 255)) == pytest.approx(1)
    assert _luminance((0, 0, 0)) == 0
    assert (1.05) / (_luminance((0x77, 0x77, 0x77)) + 0.05) == pytest.approx(4.48, abs=0.01)


def test_every_property_used_is_defined() -> None:
    defined = set(re.findall(r"(?<![\w-])--([\w-]+)\s*:", CSS))
    used = set(re.findall(r"var\(--([\w-]+)", CSS))
    assert used
    assert used - defined == set()


def test_colours_are_named_once() -> None:
    strays = {
        sheet.name: re.findall(r"#[0-9a-f]{3,8}\b(?=\s*[;,)])", sheet.read_text("utf-8"))
        for sheet in OWN_SHEETS
        if sheet.name in ("parts.css", "forms.css", "phone.css")
    }
    assert not any(strays.values())


@pytest.mark.parametrize("sheet", OWN_SHEETS, ids=lambda path: path.name)
def test_a_style_sheet_stays_short_and_whole(sheet: Path) -> None:
    text = sheet.read_text("utf-8")
    assert len(text.splitlines()) <= 600
    assert text.count("{") == text.count("}")
    assert "@import" not in text
    assert "url(" not in text
