"""The results of an audit as one page: read without network and script, everything as text."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape

from askfirst.auditing import Audited, Findings, missing
from askfirst.model import Verdict
from askfirst.server.auditreport import clock, heard, say, state, summary

_STYLE = """
:root { color-scheme: light dark; --line: #8886; --look: #b45309; --error: #b91c1c; --ok: #15803d }
@media (prefers-color-scheme: dark) { :root { --look: #fbbf24; --error: #f87171; --ok: #4ade80 } }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 76rem; margin: 2rem auto; padding: 0 1rem }
.wide { overflow-x: auto }
table { border-collapse: collapse; font-size: .875rem; width: 100% }
th, td { text-align: left; vertical-align: top; padding: .4rem .75rem .4rem 0 }
th, td { border-bottom: 1px solid var(--line) }
th[scope=row] { overflow-wrap: anywhere; min-width: 8rem }
td { overflow-wrap: break-word }
section { border-top: 1px solid var(--line); margin-top: 2rem }
h2 { font-size: 1.125rem; overflow-wrap: anywhere }
dt { font-weight: 600 } dd { margin: 0 0 .5rem; overflow-wrap: anywhere }
li { overflow-wrap: anywhere }
blockquote { margin: 0; white-space: pre-line }
.look { color: var(--look); font-weight: 600 }
.error { color: var(--error); font-weight: 600 }
.order { color: var(--ok); font-weight: 600 }
"""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def page(results: Sequence[Audited], language: str, at: datetime, rules_version: str) -> str:
    """The page as HTML, in ``en`` or ``nb``; `at` is when it was made."""
    title = _said("label", "title", language)
    made = escape(
        say(
            "label",
            "made",
            language,
            at=f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC",
            version=rules_version,
        )
    )
    columns = ("file", "state", "length", "law", "notice", "answer", "objection")
    head = "".join(f'<th scope="col">{_said("label", name, language)}</th>' for name in columns)
    rows = "".join(_row(index, each, language) for index, each in enumerate(results, 1))
    details = "".join(_details(index, each, language) for index, each in enumerate(results, 1))
    return (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{_STYLE}</style></head><body><h1>{title}</h1>"
        f"<p>{escape(summary(results, language))}</p><p>{made}</p>"
        f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'
        f"</div>{details}</body></html>"
    )


def _said(group: str, name: str, language: str) -> str:
    return escape(say(group, name, language))


def _row(index: int, audited: Audited, language: str) -> str:
    found = audited.findings
    word = state(audited)
    cells = [
        f'<td class="{word}">{_said("state", word, language)}</td>',
        f"<td>{_length(audited)}</td>",
        f"<td>{_law(audited, language)}</td>",
    ]
    shown = ("–", "–", "–") if found is None else heard(audited, found, language)
    cells += [f"<td>{escape(each)}</td>" for each in shown]
    link = f'<a href="#file-{index}">{escape(audited.file)}</a>'
    return f'<tr><th scope="row">{link}</th>{"".join(cells)}</tr>'


def _length(audited: Audited) -> str:
    return "–" if audited.seconds is None else clock(int(audited.seconds * 1000))


def _law(audited: Audited, language: str) -> str:
    if audited.decision is None:
        return "–"
    mode = say("mode", audited.decision.mode.word, language)
    return escape(f"{mode} ({', '.join(audited.decision.governing)})")


def _details(index: int, audited: Audited, language: str) -> str:
    facts: list[tuple[str, str]] = []
    if audited.channels is not None:
        facts.append(("channels", str(audited.channels)))
    if audited.read:
        read = ", ".join(say("speaker", each, language) for each in audited.read)
        facts.append(("read", escape(read)))
    if audited.basis is not None:
        facts.append(("basis", escape(audited.basis)))
    facts += _facts(audited, language)
    if audited.decision is not None:
        why = "".join(f"<li>{escape(each.why)}</li>" for each in audited.decision.reasons)
        facts.append(("because", f"<ul>{why}</ul>"))
    listed = "".join(
        f"<dt>{_said('label', name, language)}</dt><dd>{value}</dd>" for name, value in facts
    )
    error = "" if audited.error is None else f'<p class="error">{escape(audited.error)}</p>'
    return (
        f'<section id="file-{index}"><h2>{escape(audited.file)}</h2>{error}<dl>{listed}</dl>'
        f"{_transcript(audited.findings, language)}</section>"
    )


def _facts(audited: Audited, language: str) -> list[tuple[str, str]]:
    found = audited.findings
    if found is None:
        return []
    facts = [("notice", escape(heard(audited, found, language)[0]))]
    if found.check.verdict is not Verdict.NOT_NEEDED and (lacking := missing(found)):
        said = say("label", "lacking", language, elements=", ".join(lacking))
        facts.append(("notice", escape(said)))
    if found.check.words is not None:
        facts.append(("words", f"<blockquote>{escape(found.check.words)}</blockquote>"))
    if found.places:
        named = ", ".join(f"{each.code} {clock(each.at_ms)}" for each in found.places)
        facts.append(("places", escape(named)))
    if found.with_places is not None:
        again = found.with_places
        mode = say("mode", again.mode.word, language)
        facts.append(("with_places", escape(f"{mode} ({', '.join(again.governing)})")))
    if found.cards:
        spans = ", ".join(f"{clock(each.from_ms)}–{clock(each.to_ms)}" for each in found.cards)
        facts.append(("cards", escape(spans)))
    return facts


def _transcript(found: Findings | None, language: str) -> str:
    if found is None or not found.transcript:
        return ""
    lines = "".join(
        f'<tr><td>{clock(each.start_ms)}</td><th scope="row">'
        f"{escape(_speaker(each.speaker, language))}</th><td>{escape(each.text)}</td></tr>"
        for each in found.transcript
    )
    return (
        f"<details><summary>{_said('label', 'transcript', language)}</summary>"
        f'<div class="wide"><table><tbody>{lines}</tbody></table></div></details>'
    )


def _speaker(name: str, language: str) -> str:
    return say("speaker", name, language)
