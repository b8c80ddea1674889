"""Hearing: what an utterance means for recording, by explicit rules over its words.

`classify` labels one utterance, `elements` names the notice elements in it, `understood` says
whether it looks like the language at all. The rules are data in `texts/hearing.toml`; here is
only the order in which they are asked. Which utterances to listen to, and when, is decided
elsewhere; recognising speech belongs to `askfirst.speech`.

A certain consent is one of which no word is left over: every word is used up by agreement or
politeness. So no refusal, hedge, condition or counter-question can hide in it.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from functools import cache
from hashlib import sha256
from importlib import resources

from askfirst.errors import InvalidInput
from askfirst.model import Element

LANGUAGES = ("en", "nb", "de")
"""Languages that can be understood."""

_PUNCTUATION = re.compile(r"[\s.,;:!?…\"“”„‚‘«»‹›()\[\]/–—―\-¿¡]+")
_SENTENCE_END = re.compile(r"[.?!;](?=\s|$)")
_FRAGMENT = re.compile(r"<([A-Z]+)>")
_USED = "|"
_STOP = "¶"
_AGREEING = frozenset({"agree", "agree_after", "yes", "echo"})
_CERTAIN, _LIKELY, _WEAK = 0.98, 0.7, 0.5


@dataclass(frozen=True, slots=True)
class Heard:
    """What an utterance means for recording.

    `label` is ``notice``, ``consent``, ``objection`` or ``neutral``; `kind` is ``inform`` or
    ``ask`` for a notice, ``withdraw`` for an objection against a running or past recording,
    ``question`` for a neutral utterance that asks whether or why it is recorded, else None.
    `confidence` is 0..1. `certain` is true only where explicit rules decide; nothing else may
    open a gate or count as proof.
    """

    label: str
    kind: str | None
    confidence: float
    certain: bool


class _Asked(Enum):
    """What a bare answer to the utterance before would mean."""

    NOTHING = auto()
    TOLD = auto()
    YES_IS_YES = auto()
    NO_IS_YES = auto()
    YES_IS_NO = auto()
    OPEN = auto()


@dataclass(frozen=True, slots=True)
class _Table:
    rewrite: Sequence[tuple[str, str]]
    fragments: Mapping[str, str]
    lists: Mapping[str, Sequence[str]]
    elements: Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class _Rules:
    rewrite: tuple[tuple[re.Pattern[str], str], ...]
    patterns: Mapping[str, re.Pattern[str]]
    elements: Mapping[Element, re.Pattern[str]]
    common: frozenset[str]


def classify(text: str, language: str, *, before: str | None = None) -> Heard:
    """Say what an utterance means for recording; `before` is the other party's one before it.

    A bare answer counts only after a notice, and for what that notice asked: after "do you mind
    if we record" a "no" agrees. What the rules do not understand is neutral. Any text is
    accepted; raises InvalidInput for a language that cannot be understood.
    """
    rules = _rules(language)
    said = _words(text, rules)
    if not said:
        return _neutral()
    asked = _asked(before, rules)
    heard = _explicit(_sentences(text, rules), asked, rules) or (
        _neutral() if asked is _Asked.NOTHING else _answer(said, asked, rules)
    )
    if heard.label == "consent" and "?" in text:
        return _uncertain("consent")
    return heard


def elements(text: str, language: str) -> frozenset[Element]:
    """Name the notice elements whose words are in a text; raises as `classify`.

    Hearing tells that a purpose was named, not whether it was the right or a complete one.
    """
    rules = _rules(language)
    said = _words(text, rules)
    found = {element for element, words in rules.elements.items() if words.search(said)}
    if classify(text, language).label == "notice" or Element.MANDATORY_RECORDING in found:
        found.add(Element.INTENT_TO_RECORD)
    if Element.PURPOSE in found:
        found.add(Element.PURPOSE_DETAILED)
    return frozenset(found)


def understood(texts: Iterable[str], language: str) -> bool:
    """Say whether texts hold speech of a language: at least three different frequent words.

    What a recogniser writes for noise or for another language repeats itself or holds hardly any
    of them. Raises as `classify`.
    """
    rules = _rules(language)
    words = {word for text in texts for word in _words(text, rules).split()}
    return len(words & rules.common) >= 3


def _explicit(sentences: str, asked: _Asked, rules: _Rules) -> Heard | None:
    """What is clear without the utterance before; None when it is not."""
    has = rules.patterns
    marked = _sub(has["other"], _sub(has["aside"], sentences))
    whole = _flat(marked)
    if has["off"].search(whole):
        return Heard("notice", "ask", _CERTAIN, True)
    if has["withdraw"].search(_sub(has["agree"], whole)):
        return Heard("objection", "withdraw", _CERTAIN, True)
    told = _flat(_sub(has["denied"], marked))
    plain = _sub(has["agree"], told)
    if has["refuse"].search(plain):
        return Heard("objection", None, _CERTAIN, True)
    if plain != told:
        return _agreement(plain, asked, rules)
    if has["mind"].search(plain) or has["ask"].search(plain):
        return Heard("notice", "ask", _CERTAIN, True)
    if has["question"].search(plain):
        return Heard("neutral", "question", _CERTAIN, True)
    if has["inform"].search(plain):
        return Heard("notice", "inform", _CERTAIN, True)
    if has["unsure"].search(plain):
        return Heard("notice", "inform", _LIKELY, False)
    return Heard("neutral", None, _CERTAIN, True) if told != whole else None


def _agreement(plain: str, asked: _Asked, rules: _Rules) -> Heard:
    """An utterance that agrees to recording in words; `plain` is what those words leave."""
    has = rules.patterns
    if has["refuse_after"].search(_sub(has["agree_after"], plain)):
        return _uncertain("objection")
    spare = ["agree_after", "yes", "polite"]
    if asked in (_Asked.NO_IS_YES, _Asked.YES_IS_NO):
        spare.append("no")
    left = _left(plain, spare, rules)
    if not left:
        return Heard("consent", None, _CERTAIN, True)
    return _neutral() if has["negator"].search(left) else _uncertain("consent")


def _answer(said: str, asked: _Asked, rules: _Rules) -> Heard:
    """What an utterance means as the answer to a notice."""
    has = rules.patterns
    if has["unclear"].search(said):
        return _neutral()
    if asked is _Asked.YES_IS_NO:
        if has["yes"].search(said) or has["agree_after"].search(said):
            return Heard("objection", None, _CERTAIN, True)
        return _neutral()
    plain = _sub(has["agree_after"], said)
    agrees = plain != said
    if has["asked"].search(plain):
        return Heard("neutral", "question", _CERTAIN, True)
    if asked is _Asked.NO_IS_YES:
        return _answer_to_mind(plain, agrees, rules)
    if has["refuse_after"].search(plain):
        clear = not agrees and asked is not _Asked.OPEN
        return Heard("objection", None, _CERTAIN, True) if clear else _uncertain("objection")
    if asked is not _Asked.OPEN and has["no"].match(plain):
        return _neutral() if agrees else Heard("objection", None, _CERTAIN, True)
    bare = has["yes"].search(plain) is not None and asked is _Asked.YES_IS_YES
    if not _left(plain, ("yes", "polite") if bare else ("polite",), rules):
        certain = (agrees or bare) and asked is not _Asked.OPEN
        return Heard("consent", None, _CERTAIN, True) if certain else _uncertain("consent")
    if asked is _Asked.YES_IS_YES and not _left(plain, ("echo", "yes", "polite"), rules):
        return _uncertain("consent")
    return _leaning(plain, ("yes", "polite"), asked, agrees, rules)


def _answer_to_mind(plain: str, agrees: bool, rules: _Rules) -> Heard:
    """The answer to "do you mind": a no agrees; `plain` has its words of agreement used up."""
    has = rules.patterns
    if has["thanks_no"].search(plain):
        return _uncertain("objection")
    refuses = has["refuse_after"].search(_sub(has["no"], plain)) or has["mind_yes"].search(plain)
    if refuses:
        return _uncertain("objection") if agrees else Heard("objection", None, _CERTAIN, True)
    if not _left(plain, ("no", "polite"), rules):
        return Heard("consent", None, _CERTAIN, True)
    if has["yes"].search(plain):
        return _neutral()
    return _leaning(plain, ("no", "polite"), _Asked.NO_IS_YES, agrees, rules)


def _leaning(plain: str, spare: Sequence[str], asked: _Asked, agrees: bool, rules: _Rules) -> Heard:
    """An uncertain consent where agreement comes first and nothing after it turns it round."""
    has = rules.patterns
    if has["negator"].search(_left(plain, spare, rules)):
        return _neutral()
    rest = plain
    for name in ("hedge", *spare):
        rest = _sub(has[name], rest)
    leads = rest.lstrip().startswith("|") and "|" not in rest.lstrip("| ")
    bare = asked is not _Asked.OPEN and has[spare[-2]].search(plain) is not None
    return _uncertain("consent") if leads and (agrees or bare) else _neutral()


def _asked(before: str | None, rules: _Rules) -> _Asked:
    """What a bare answer to the utterance before would mean."""
    marked = _sentences(before or "", rules)
    said = _flat(marked)
    has = rules.patterns
    plain = _flat(_sub(has["denied"], _sub(has["other"], _sub(has["aside"], marked))))
    if has["off"].search(plain):
        return _Asked.YES_IS_NO
    told = _ends("inform", plain, rules) or _ends("unsure", plain, rules)
    mind = _ends("mind", plain, rules)
    ask = _ends("ask", plain, rules)
    last = max(told, mind, ask)
    if not last:
        return _Asked.NOTHING
    if has["blur"].search(said) or (mind and ask) or has["next"].search(plain[last:]):
        return _Asked.OPEN
    if mind:
        return _Asked.NO_IS_YES
    return _Asked.YES_IS_YES if ask else _Asked.TOLD


def _ends(name: str, text: str, rules: _Rules) -> int:
    """Where the last match ends, 0 when there is none."""
    return max((match.end() for match in rules.patterns[name].finditer(text)), default=0)


def _left(text: str, names: Iterable[str], rules: _Rules) -> str:
    """The words that the named lists do not use up."""
    for name in names:
        text = _sub(rules.patterns[name], text)
    return " ".join(text.replace("|", " ").split())


def _sub(pattern: re.Pattern[str], text: str) -> str:
    return pattern.sub(_USED, text)


def _neutral() -> Heard:
    return Heard("neutral", None, _WEAK, False)


def _uncertain(label: str) -> Heard:
    return Heard(label, None, _LIKELY if label == "objection" else _WEAK, False)


def _words(text: str, rules: _Rules) -> str:
    """The text in the form that the rules are written for; letters of any script are kept."""
    return _flat(_sentences(text, rules))


def _sentences(text: str, rules: _Rules) -> str:
    """The same with a mark at the end of each sentence."""
    plain = unicodedata.normalize("NFKC", text).lower().replace("’", "'").replace("|", " ")
    said = _PUNCTUATION.sub(" ", _SENTENCE_END.sub(f" {_STOP} ", plain.replace(_STOP, " ")))
    for pattern, replacement in rules.rewrite:
        said = pattern.sub(replacement, said)
    return " ".join(said.replace("'", " ").split())


def _flat(sentences: str) -> str:
    return " ".join(sentences.replace(_STOP, " ").split())


@cache
def fingerprint() -> str:
    """Give what tells these rules from others: ``sha256:`` and the digest of their file."""
    return f"sha256:{sha256(_packaged()).hexdigest()}"


def _packaged() -> bytes:
    return resources.files("askfirst").joinpath("texts/hearing.toml").read_bytes()


@cache
def _rules(language: str) -> _Rules:
    if language not in LANGUAGES:
        raise InvalidInput(
            f"Speech in language {language!r} cannot be understood. Use one of "
            f"{', '.join(LANGUAGES)}."
        )
    read = _tables()[language]
    fragments, lists = read.fragments, read.lists
    turned = rf"(?! (?:{'|'.join(lists['turn'])})\b)"
    patterns = {
        name: _pattern(words, fragments, turned if name in _AGREEING else "")
        for name, words in lists.items()
    }
    found = {}
    for name, words in read.elements.items():
        spread: list[str] = []
        for word in words:
            spread += lists[word[2:-2]] if word.startswith("<<") else [word]
        found[Element(name)] = re.compile(rf"(?<!\w)(?:{_either(spread, fragments)})")
    return _Rules(
        rewrite=tuple((re.compile(old), new) for old, new in read.rewrite),
        patterns=patterns,
        elements=found,
        common=frozenset(lists["common"]),
    )


@cache
def _tables() -> Mapping[str, _Table]:
    read = tomllib.loads(_packaged().decode())
    return {
        language: _Table(
            rewrite=read[language]["rewrite"],
            fragments=read[language]["fragments"],
            lists=read[language]["rules"],
            elements=read[language]["elements"],
        )
        for language in LANGUAGES
    }


def _pattern(words: Iterable[str], fragments: Mapping[str, str], after: str) -> re.Pattern[str]:
    """One pattern for a list, on whole words; longer phrases are tried first."""
    return re.compile(rf"(?<!\w)(?:{_either(words, fragments)})(?!\w){after}")


def _either(words: Iterable[str], fragments: Mapping[str, str]) -> str:
    joined = "|".join(sorted(words, key=len, reverse=True))
    while _FRAGMENT.search(joined):
        joined = _FRAGMENT.sub(lambda name: fragments[name.group(1)], joined)
    return joined
