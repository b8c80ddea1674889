"""The page of a copy that a person reads: their calls in words, without network and script.

Texts stand in ``texts/copy.toml`` in every language of `LANGUAGES`; a code that it has no words for
is shown as it is. Times are in UTC.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import cache
from html import escape
from importlib import resources
from typing import Any

from babel import Locale, dates

from askfirst.server.copyconcerns import Concern

LANGUAGES = ("en", "nb", "de")


class Html(str):
    """Text in which everything that came from outside is escaped; nothing else goes in as it is."""

    __slots__ = ()


_STYLE = """
:root { color-scheme: light dark; }
html { background: Canvas; color: CanvasText; }
a { color: LinkText; }
body { font: 1rem/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 48rem; padding: 1rem;
  overflow-wrap: anywhere; }
section { border-top: 1px solid; margin-top: 2rem; }
blockquote { border-inline-start: 0.25rem solid; margin: 0.5rem 0; padding-inline-start: 1rem; }
table { border-collapse: collapse; width: 100%; }
th, td { border-bottom: 1px solid; padding: 0.25rem 0.5rem 0.25rem 0; text-align: start;
  vertical-align: top; }
@media (max-width: 40rem) {
  thead { clip-path: inset(50%); position: absolute; }
  tr, td { display: block; }
  tr { border-bottom: 1px solid; padding-block: 0.5rem; }
  td { border: 0; padding: 0; }
  td::before { content: attr(data-label) ": "; font-weight: bold; }
}
audio { width: 100%; }
"""


@dataclass(frozen=True, slots=True)
class Notice:
    """A notice that was given. `by` is agent or announcement; `text` None: not kept any more."""

    at: datetime
    by: str
    text: str | None
    digest: str | None


@dataclass(frozen=True, slots=True)
class Answer:
    """What the person was told, agreed to, refused or took back."""

    at: datetime
    kind: str
    how: str
    proof: int
    uses: Sequence[str]
    elements: Sequence[str]
    notice_sha256: str | None


@dataclass(frozen=True, slots=True)
class Opening:
    """An access. `roles` are those of whoever it was, or words that say what it was instead."""

    at: datetime
    kind: str
    roles: Sequence[str]
    purpose: str | None


@dataclass(frozen=True, slots=True)
class Sound:
    """A recording: what it is called in the copy, or why it is not in it."""

    recording: str
    kept_until: datetime | None = None
    file: str = ""
    words_file: str = ""
    lines: Sequence[Mapping[str, Any]] | None = None
    left_out: Concern | None = None


@dataclass(frozen=True, slots=True)
class Signed:
    """What the person has agreed to in writing, and the file with what they signed."""

    given_on: date
    ends_on: date
    file: str


@dataclass(frozen=True, slots=True)
class CallPart:
    """One call of the person. `has_others`: somebody else of their side took part."""

    call: str
    at: datetime
    is_inbound: bool
    has_others: bool
    notices: Sequence[Notice]
    answers: Sequence[Answer]
    openings: Sequence[Opening]
    decision: Mapping[str, Any]
    outcome: str | None
    sounds: Sequence[Sound] = ()
    vcon_file: str = ""
    about_file: str = ""


@dataclass(frozen=True, slots=True)
class CopyPage:
    """What the page says besides the calls; `company` may be empty."""

    language: str
    company: str
    made_at: datetime
    is_masked: bool
    calls: list[CallPart] = field(default_factory=list)
    signed: list[Signed] = field(default_factory=list)


def page_of(copy: CopyPage) -> str:
    """The page as HTML."""
    say = _Saying(copy.language)
    title = say("label", "title")
    intro = [say("label", "made", when=say.moment(copy.made_at))]
    if copy.company:
        intro.insert(0, say("label", "of", company=copy.company))
    if copy.is_masked:
        intro.append(say("label", "masked"))
    body = [_tag("h1", title), *(_tag("p", each) for each in intro)]
    if not copy.calls:
        body.append(_tag("p", say("label", "no-calls")))
    if len(copy.calls) > 1:
        links = [
            _tag("li", _tag("a", _heading(say, each), href=f"#{each.call}")) for each in copy.calls
        ]
        contents = [_tag("h2", say("label", "calls"), id="calls"), _tag("ul", *links)]
        body.append(_tag("nav", *contents, aria_labelledby="calls"))
    body += [_call(say, each) for each in copy.calls]
    if copy.signed:
        body.append(_written(say, copy.signed))
    foot = _tag("footer", _tag("p", say("label", "files")))
    head = _tag(
        "head",
        Html('<meta charset="utf-8">'),
        Html('<meta name="viewport" content="width=device-width, initial-scale=1">'),
        _tag("title", title),
        Html(f"<style>{_STYLE}</style>"),
    )
    whole = _tag("html", head, _tag("body", _tag("main", *body), foot), lang=copy.language)
    return f"<!doctype html>{whole}"


def said_in(language: str) -> str:
    """The language that a page is made in when one is asked for: English where there is none."""
    return language if language in LANGUAGES else "en"


def text_of(language: str, lines: Iterable[Mapping[str, Any]]) -> str:
    """A transcript as plain text, a line for each."""
    say = _Saying(language)
    return "\n".join(f"{_speaker(say, each)}: {each['text']}" for each in lines)


def left_out(language: str) -> str:
    """What stands in place of a line of our side."""
    return _Saying(language)("label", "left-out")


@dataclass(frozen=True, slots=True)
class _Saying:
    language: str

    def __call__(self, group: str, key: object, **values: str) -> str:
        found = _texts()[group].get(str(key), {}).get(self.language, str(key))
        return str(found).format(**values)

    def moment(self, at: datetime) -> str:
        local = Locale.parse(self.language)
        return f"{dates.format_datetime(at.astimezone(UTC), 'd MMM y HH:mm', locale=local)} UTC"

    def day(self, on: date) -> str:
        local = Locale.parse(self.language)
        return str(dates.format_date(on, "long", locale=local))


def _written(say: _Saying, signed: Sequence[Signed]) -> Html:
    links = [
        _tag(
            "li",
            _tag(
                "a",
                say("label", "signed-on", given=say.day(each.given_on), ends=say.day(each.ends_on)),
                href=each.file,
            ),
        )
        for each in signed
    ]
    head = _tag("h2", say("label", "signed"), id="signed")
    return _tag("section", head, _tag("ul", *links), aria_labelledby="signed")


def _call(say: _Saying, part: CallPart) -> Html:
    facts = [say("label", "inbound" if part.is_inbound else "outbound")]
    if part.outcome:
        facts.append(say("outcome", part.outcome))
    inner = [_tag("h2", _heading(say, part), id=part.call), _tag("p", " ".join(facts))]
    if part.has_others:
        inner.append(_tag("p", say("label", "others")))
    inner += _told(say, part)
    inner += _answered(say, part)
    inner += _heard(say, part)
    inner += _opened(say, part)
    inner += _decided(say, part)
    inner += _machine(say, part)
    return _tag("section", *inner, aria_labelledby=part.call)


def _heading(say: _Saying, part: CallPart) -> str:
    return say("label", "call", when=say.moment(part.at))


def _told(say: _Saying, part: CallPart) -> list[Html]:
    found = [_tag("h3", say("label", "told"))]
    for each in part.notices:
        when = say.moment(each.at)
        if each.text is not None:
            key = "told-announcement" if each.by == "announcement" else "told-agent"
            found.append(_tag("p", say("label", key, when=when)))
            found.append(_tag("blockquote", each.text))
        elif each.digest is not None:
            found.append(_tag("p", say("label", "told-lost", when=when, digest=each.digest)))
        else:
            found.append(_tag("p", say("label", "told-unknown", when=when)))
    return found if part.notices else [*found, _tag("p", say("label", "told-none"))]


def _answered(say: _Saying, part: CallPart) -> list[Html]:
    head = _tag("h3", say("label", "answered"))
    if not part.answers:
        return [head, _tag("p", say("label", "answered-none"))]
    rows = [
        (
            say.moment(each.at),
            say("consent", each.kind),
            ", ".join(say("use", use) for use in each.uses) or "–",
            say("how", each.how),
            say("proof", each.proof) if each.kind in ("informed", "agreed") else "–",
        )
        for each in part.answers
    ]
    return [head, _table(say, "answered", ("when", "what", "uses", "how", "proof"), rows)]


def _heard(say: _Saying, part: CallPart) -> list[Html]:
    found = [_tag("h3", say("label", "sound"))]
    if not part.sounds:
        found.append(_tag("p", say("label", "none")))
    for each in part.sounds:
        if each.left_out is not None:
            why = say("concern", each.left_out)
            found.append(_tag("p", say("label", "not-ready", why=why)))
            continue
        found.append(Html(f'<audio controls preload="none" src="{escape(each.file)}"></audio>'))
        links = [_tag("li", _tag("a", say("label", "file"), href=each.file))]
        if each.words_file:
            links.append(_tag("li", _tag("a", say("label", "words"), href=each.words_file)))
        found.append(_tag("ul", *links))
        if each.kept_until is not None:
            found.append(
                _tag("p", say("label", "kept", when=say.day(each.kept_until.astimezone(UTC))))
            )
        found.append(_lines(say, each.lines))
    return found


def _lines(say: _Saying, lines: Sequence[Mapping[str, Any]] | None) -> Html:
    if not lines:
        return _tag("p", say("label", "lines-none"))
    said = [
        _tag("p", _tag("strong", f"{_speaker(say, each)}:"), f" {each['text']}") for each in lines
    ]
    return _tag("details", _tag("summary", say("label", "lines")), *said)


def _opened(say: _Saying, part: CallPart) -> list[Html]:
    head = _tag("h3", say("label", "opened"))
    if not part.openings:
        return [head, _tag("p", say("label", "opened-none"))]
    rows = [
        (
            say.moment(each.at),
            ", ".join(_role(say, role) for role in each.roles),
            say("opening", each.kind),
            say("purpose", each.purpose) if each.purpose else "–",
        )
        for each in part.openings
    ]
    return [head, _table(say, "opened", ("when", "who", "what", "purpose"), rows)]


def _role(say: _Saying, role: str) -> str:
    return say("label" if role in ("outside", "former", "guest") else "role", role)


def _decided(say: _Saying, part: CallPart) -> list[Html]:
    if not part.decision:
        return []
    found = [
        _tag("h3", say("label", "decision")),
        _tag("p", say("mode", part.decision.get("mode", ""))),
    ]
    reasons = part.decision.get("reasons") or []
    if reasons:
        found.append(_tag("p", f"{say('label', 'rules')}:"))
        items = [
            _tag("li", ": ".join(filter(None, (", ".join(each["cites"]), each["why"]))))
            for each in reasons
        ]
        found.append(_tag("ul", *items))
    return found


def _machine(say: _Saying, part: CallPart) -> list[Html]:
    links = [_tag("li", _tag("a", say("label", "about"), href=part.about_file))]
    if part.vcon_file:
        links.append(_tag("li", _tag("a", say("label", "vcon"), href=part.vcon_file)))
    found = [_tag("h3", say("label", "machine")), _tag("ul", *links)]
    if part.has_others:
        found.append(_tag("p", say("label", "vcon-others")))
    elif part.vcon_file and all(each.left_out for each in part.sounds):
        found.append(_tag("p", say("label", "vcon-silent")))
    return found


def _table(
    say: _Saying, caption: str, columns: Sequence[str], rows: Iterable[Sequence[str]]
) -> Html:
    named = [say("label", each) for each in columns]
    head = _tag("tr", *(_tag("th", each, scope="col") for each in named))
    body = [
        _tag("tr", *(_tag("td", cell, data_label=of) for of, cell in zip(named, row, strict=True)))
        for row in rows
    ]
    label = say("label", caption)
    return _tag("table", _tag("thead", head), _tag("tbody", *body), aria_label=label)


def _speaker(say: _Saying, line: Mapping[str, Any]) -> str:
    return say("label", {"contact": "you", "agent": "us"}.get(line["speaker"], "either"))


def _tag(name: str, *inner: str, **attributes: str) -> Html:
    """An element; plain text in it is escaped, elements are not again."""
    said = "".join(
        f' {key.replace("_", "-")}="{escape(value)}"' for key, value in attributes.items()
    )
    whole = "".join(each if isinstance(each, Html) else escape(each) for each in inner)
    return Html(f"<{name}{said}>{whole}</{name}>")


@cache
def _texts() -> Mapping[str, Mapping[str, Mapping[str, str]]]:
    file = resources.files("askfirst") / "texts" / "copy.toml"
    return tomllib.loads(file.read_text(encoding="utf-8"))
