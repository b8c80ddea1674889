"""What a browser says of itself, in words that its person knows it by."""

from __future__ import annotations

from askfirst.web import words

# The first that fits counts: most browsers also claim to be those that came before them.
_BROWSERS = (
    ("Edg/", "Edge"),
    ("EdgA/", "Edge"),
    ("OPR/", "Opera"),
    ("Vivaldi/", "Vivaldi"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("HeadlessChrome/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
_SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("CrOS", "ChromeOS"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
)


def browser(language: str, agent: str) -> str:
    """Such as “Firefox on Linux”; a program that is no browser we know is called another one."""
    name = next((said for mark, said in _BROWSERS if mark in agent), None)
    system = next((said for mark, said in _SYSTEMS if mark in agent), None)
    if name and system:
        said = words.gettext(language, words.mark("%(browser)s on %(system)s"))
        return said % {"browser": name, "system": system}
    return name or system or words.gettext(language, words.mark("Another browser"))
