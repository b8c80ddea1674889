"""What errors say: the messages that the program raises, as templates that a catalogue can keep.

The program raises plain English and knows no language. Here its syntax is read for what it raises,
and each f-string becomes a template whose placeholders are named after their expressions:
``f"found {len(notes)} characters"`` is ``found {len_notes} characters``. `askfirst.web.errorwords`
knows a message by its template again.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "src" / "askfirst"

SHOWN = (
    # What pages, forms, uploads and the phone call.
    "audio/container.py", "decide.py", "notice.py", "policy.py", "server/access.py",
    "server/account.py", "server/accountkeys.py", "server/accounts.py", "server/agreements.py",
    "server/approvals.py", "server/assurance.py", "server/boardpeople.py", "server/boards.py",
    "server/call.py", "server/callfilter.py", "server/callnotes.py", "server/callreader.py",
    "server/callsearch.py", "server/checklists.py", "server/clips.py", "server/coaching.py",
    "server/comments.py", "server/consulting.py", "server/contactcard.py",
    "server/contactimport.py", "server/contacts.py", "server/contactsearch.py",
    "server/copies.py", "server/copypackage.py", "server/corrections.py", "server/csvlines.py",
    "server/cutting.py", "server/database.py", "server/demodata.py", "server/desk.py",
    "server/employeenotice.py", "server/erasure.py", "server/excerpts.py", "server/export.py",
    "server/followuplist.py", "server/followups.py", "server/guarantees.py",
    "server/guardedsettings.py", "server/holdlist.py", "server/keptwords.py",
    "server/learntfilter.py", "server/ledger.py", "server/ledgercheck.py", "server/legalholds.py",
    "server/lines.py", "server/listening.py", "server/livecall.py", "server/mediaworkers.py",
    "server/mentions.py", "server/offer.py", "server/overridechanges.py",
    "server/overrideregister.py", "server/overrides.py", "server/ownnumbers.py",
    "server/ownpackage.py", "server/ownprompts.py", "server/passkeys.py", "server/peaks.py",
    "server/periods.py", "server/playback.py", "server/playlists.py", "server/privatecall.py",
    "server/purposes.py", "server/queue.py", "server/queuedecision.py", "server/queuetexts.py",
    "server/reception.py", "server/requestacts.py", "server/requestregister.py",
    "server/restrictions.py", "server/savedviews.py", "server/sealing.py",
    "server/searchfilter.py", "server/searchquery.py", "server/sharing.py", "server/sites.py",
    "server/standingconsents.py", "server/standingdocument.py", "server/texts.py",
    "server/trackerchanges.py", "server/trackerlist.py", "server/transcribing.py",
    "server/trunktest.py", "server/twiliotest.py", "server/wordfiles.py", "subtitleread.py",
    "telephony/conversation.py", "telephony/externalline.py", "telephony/phonecall.py",
    "telephony/progress.py",
    "telephony/siplink.py", "telephony/sipprovider.py", "telephony/siptrunk.py",
    "telephony/twilioclient.py", "telephony/twilioerrors.py", "telephony/twiliolink.py",
    "telephony/twilioprovider.py", "telephony/twiliowire.py", "telephony/webrtc.py", "trackers.py",
    "transcriptread.py", "web/aftercall.py", "web/api_calls.py", "web/api_captions.py",
    "web/api_consulting.py", "web/api_contacts.py", "web/api_live.py", "web/api_queue.py",
    "web/api_recordings.py", "web/api_requests.py", "web/api_sound.py", "web/api_standing.py",
    "web/api_transcripts.py", "web/asgiwire.py", "web/bodies.py", "web/calltimes.py",
    "web/carrying.py", "web/pages_assurance.py", "web/pages_callnotes.py", "web/pages_calls.py",
    "web/pages_contactedit.py", "web/pages_contacts.py", "web/pages_numbers.py",
    "web/pages_overrides.py", "web/pages_owndata.py", "web/pages_papers.py",
    "web/pages_passkeys.py", "web/pages_prompts.py", "web/pages_queue.py",
    "web/pages_recordings.py", "web/pages_requests.py", "web/pages_rules.py",
    "web/pages_setup.py", "web/pages_signin.py", "web/pages_signon.py", "web/pages_sites.py",
    "web/pages_standing.py", "web/pages_texts.py", "web/pages_trackers.py",
    "web/pages_transcripts.py", "web/pages_twilio.py", "web/pages_users.py", "web/visit.py",
)  # fmt: skip
"""Modules whose errors a person can meet on a page or in the phone.

Not here, and so English everywhere: the command line, what only programs call (tokens, other
dialers, sockets of sound), rule files and overrides, evidence that does not verify, and what only
whoever runs the machine can mend (keys, disks, object stores, settings files, certificates).
"""

FOREIGN = (
    "Not Found",
    "Method Not Allowed",
    "{where}: Extra inputs are not permitted",
    "{where}: Field required",
    "{where}: Input should be a valid boolean, unable to interpret input",
    "{where}: Input should be a valid integer, unable to parse string as an integer",
    "{where}: Input should be a valid string",
    "{where}: Input should be {expected}",
    "{where}: Input should be greater than or equal to {ge}",
    "{where}: Input should be less than or equal to {le}",
    "{where}: String should have at most {max_length} characters",
    "{where}: String should have at least {min_length} characters",
    "{where}: String should have at least {min_length} character",
)
"""What Starlette and Pydantic say themselves, as `askfirst.web.problems` passes it on."""

TABLED: Mapping[str, str] = {"telephony/twilioerrors.py": "{words} ({told})"}
"""Modules with tables of errors, pairs of a kind and its words, and how those are told."""

_MESSAGE_AT: Mapping[str, int] = {"SignedOut": 1}
"""Where the message stands among the values of an error, if not first."""

_OWN_WORDS = frozenset({"InvalidRules", "NotInstalled"})
"""Errors that make their message themselves, and of which no page knows."""

_NAMED = re.compile(r"\W+")


class Unreadable(ValueError):
    """A message that no template can be made of; write it as one plain text or f-string."""


@dataclass(frozen=True, slots=True)
class Helper:
    """A function that only makes an error: its parameters, and the message made of them."""

    parameters: Sequence[str]
    message: ast.expr


@dataclass(slots=True)
class _Template:
    """A template in the making; `values` are the placeholders by their expressions."""

    text: str = ""
    values: dict[str, str] = field(default_factory=dict)

    def add(self, node: ast.expr, bound: Mapping[str, ast.expr], conversion: int = -1) -> None:
        """Append what an expression says."""
        if isinstance(node, ast.Name) and _says(bound.get(node.id)):
            self.add(bound[node.id], {}, conversion)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = repr(node.value) if conversion == ord("r") else node.value
            if "{" in text or "}" in text:
                raise Unreadable("braces outside of a value")
            self.text += text
        elif isinstance(node, ast.JoinedStr):
            for part in node.values:
                if isinstance(part, ast.FormattedValue):
                    self.add(part.value, bound, part.conversion)
                else:
                    self.add(part, bound)
        elif self.text.endswith("}"):
            raise Unreadable("two values with nothing between them")
        else:
            self.text += f"{{{self._name(ast.unparse(node))}}}"

    def _name(self, expression: str) -> str:
        name = _NAMED.sub("_", expression).strip("_") or "value"
        name = f"n{name}" if name[0].isdigit() else name
        while self.values.setdefault(name, expression) != expression:
            name += "_"
        return name


def raised() -> Iterator[tuple[str, str, int]]:
    """Every message of `SHOWN` with the file and line it stands in.

    Raises Unreadable for an error whose message is put together in another way.
    """
    trees = {path: ast.parse(path.read_text("utf-8")) for path in PACKAGE.rglob("*.py")}
    errors = _errors(trees.values())
    shown = {name: trees[PACKAGE / name] for name in SHOWN}
    everywhere = {
        name: helper
        for tree in shown.values()
        for name, helper in helpers_of(tree, errors).items()
        if not name.startswith("_")
    }
    for name, tree in shown.items():
        for text, line in _defaults(tree, errors):
            yield text, name, line
        if name in TABLED:
            for text, line in tabled(tree, errors):
                yield TABLED[name].replace("{words}", text), name, line
        helpers = {**everywhere, **helpers_of(tree, errors)}
        for call in calls_in(tree, errors):
            try:
                for template in templates_of(call, errors, helpers):
                    yield template, name, call.lineno
            except Unreadable as error:
                raise Unreadable(f"{name}:{call.lineno}: {error}") from None
    for text in FOREIGN:
        yield text, "raised.py", 0


def templates_of(
    call: ast.Call, errors: frozenset[str], helpers: Mapping[str, Helper]
) -> Iterator[str]:
    kind = _called(call)
    if kind in helpers:
        helper = helpers[kind]
        bound = dict(zip(helper.parameters, call.args, strict=False))
        bound |= {each.arg: each.value for each in call.keywords if each.arg}
        message = helper.message
    elif kind in errors - _OWN_WORDS and len(call.args) > _MESSAGE_AT.get(kind, 0):
        bound, message = {}, call.args[_MESSAGE_AT.get(kind, 0)]
    else:
        return
    if ast.unparse(message) == "str(error)":
        # Another error's words, which are read where that one is raised.
        return
    if not _says(message):
        raise Unreadable(f"{ast.unparse(message)} is neither a text nor an f-string")
    made = _Template()
    made.add(message, bound)
    yield made.text


def calls_in(tree: ast.AST, errors: frozenset[str]) -> Iterator[ast.Call]:
    """Every call in a tree but those within functions that only make an error."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef) and _is_helper(node, errors):
            continue
        if isinstance(node, ast.Call):
            yield node
        yield from calls_in(node, errors)


def _defaults(tree: ast.Module, errors: frozenset[str]) -> Iterator[tuple[str, int]]:
    """What errors say where whoever raises them says nothing."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and node.name in errors:
            for made in node.body:
                if isinstance(made, ast.FunctionDef) and made.name == "__init__":
                    for default in made.args.defaults:
                        if isinstance(default, ast.Constant) and isinstance(default.value, str):
                            yield default.value, default.lineno


def tabled(tree: ast.Module, errors: frozenset[str]) -> Iterator[tuple[str, int]]:
    """The words of pairs of an error and its words, each with its line; as text or by its name."""
    texts = {
        target.id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.Tuple) or len(node.elts) != 2:
            continue
        kind, said = node.elts
        if isinstance(said, ast.Name):
            said = texts.get(said.id, said)
        is_error = isinstance(kind, ast.Name) and kind.id in errors
        if is_error and isinstance(said, ast.Constant) and isinstance(said.value, str):
            yield said.value, node.lineno


def helpers_of(tree: ast.Module, errors: frozenset[str]) -> dict[str, Helper]:
    found = {}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and _is_helper(node, errors):
            for call in ast.walk(node):
                if isinstance(call, ast.Call) and _called(call) in errors and call.args:
                    parameters = [each.arg for each in node.args.args]
                    found[node.name] = Helper(parameters, call.args[0])
    return found


def _is_helper(node: ast.FunctionDef, errors: frozenset[str]) -> bool:
    return isinstance(node.returns, ast.Name) and node.returns.id in errors


def _errors(trees: Iterable[ast.Module]) -> frozenset[str]:
    """Names of every class of error, down from AskfirstError."""
    pairs = [
        (node.name, base.id)
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
        for base in node.bases
        if isinstance(base, ast.Name)
    ]
    found = {"AskfirstError"}
    while more := {name for name, base in pairs if base in found} - found:
        found |= more
    return frozenset(found)


def _called(call: ast.Call) -> str:
    return call.func.id if isinstance(call.func, ast.Name) else ast.unparse(call.func)


def _says(node: ast.expr | None) -> bool:
    return isinstance(node, ast.JoinedStr) or (
        isinstance(node, ast.Constant) and isinstance(node.value, str)
    )
