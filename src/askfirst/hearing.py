"""Hearing: what an utterance means for recording, by explicit rules over its words.

`classify` labels one utterance, `elements` names the notice elements in it, `understood` says
whether it looks like the language at all. The words are data in `texts/hearing.toml`; here is
only the order in which they are asked. Which utterances to listen to, and when, is decided
elsewhere; recognising speech belongs to `askfirst.speech`.

A certain consent is one of which no word is left over: every word is used up by agreement or
politeness. So no refusal, hedge, condition or counter-question can hide in it. An uncertain
consent may hold more words beside, but those too must be known to change nothing; one word of
refusal is enough for an uncertain objection.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, auto

from askfirst.lexicon import LANGUAGES, USED, VERSION, Lexicon, fingerprint, flat, lexicon
from askfirst.model import Element

__all__ = ["LANGUAGES", "VERSION", "Heard", "classify", "elements", "fingerprint", "understood"]

_CERTAIN, _LIKELY, _WEAK = 0.98, 0.7, 0.5
_SHORT = 12
"""Words up to which a negation in an answer is taken for the answer."""


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


def classify(text: str, language: str, *, before: str | None = None) -> Heard:
    """Say what an utterance means for recording; `before` is the other party's one before it.

    A bare answer counts only after a notice, and for what that notice asked: after "do you mind
    if we record" a "no" agrees. What the rules do not understand is neutral. Any text is
    accepted; raises InvalidInput for a language that cannot be understood.
    """
    words = lexicon(language)
    said = words.words(text)
    if not said:
        return _neutral()
    asked = _asked(before, words)
    heard = _explicit(words.sentences(text), asked, words) or (
        _neutral() if asked is _Asked.NOTHING else _answer(said, asked, words)
    )
    if heard.label == "consent" and "?" in text:
        return _uncertain("consent")
    return heard


def elements(text: str, language: str) -> frozenset[Element]:
    """Name the notice elements whose words are in a text; raises as `classify`.

    Hearing tells that a purpose was named, not whether it was the right or a complete one.
    """
    words = lexicon(language)
    said = words.words(text)
    found = {element for element, pattern in words.elements.items() if pattern.search(said)}
    heard = classify(text, language)
    if (heard.label == "notice" and heard.certain) or Element.MANDATORY_RECORDING in found:
        found.add(Element.INTENT_TO_RECORD)
    if Element.PURPOSE in found:
        found.add(Element.PURPOSE_DETAILED)
    return frozenset(found)


def understood(texts: Iterable[str], language: str) -> bool:
    """Say whether texts hold speech of a language: at least three different frequent words.

    What a recogniser writes for noise or for another language repeats itself or holds hardly any
    of them. Raises as `classify`.
    """
    words = lexicon(language)
    said = {word for text in texts for word in words.words(text).split()}
    return len(said & words.common) >= 3


def _explicit(sentences: str, asked: _Asked, words: Lexicon) -> Heard | None:
    """What is clear without the utterance before; None when it is not."""
    marked = words.use(sentences, "aside", "other")
    whole = flat(marked)
    if words.has("off", whole):
        return Heard("notice", "ask", _CERTAIN, True)
    if words.has("withdraw", words.use(whole, "agree")):
        return Heard("objection", "withdraw", _CERTAIN, True)
    told = flat(words.use(marked, "denied"))
    plain = words.use(told, "agree")
    if words.has("refuse", plain):
        return Heard("objection", None, _CERTAIN, True)
    if plain != told:
        return _agreement(plain, asked, words)
    if words.has("mind", plain) or words.has("ask", plain):
        return Heard("notice", "ask", _CERTAIN, True)
    if words.has("question", plain):
        return Heard("neutral", "question", _CERTAIN, True)
    if words.has("inform", plain):
        return Heard("notice", "inform", _CERTAIN, True)
    if words.has("unsure", plain):
        return Heard("notice", "inform", _LIKELY, False)
    return Heard("neutral", None, _CERTAIN, True) if told != whole else None


def _agreement(plain: str, asked: _Asked, words: Lexicon) -> Heard:
    """An utterance that agrees to recording in words; `plain` is what those words leave."""
    rest = words.use(plain, "agree_after")
    if words.has("refuse_after", rest) or words.has("against", rest):
        return _uncertain("objection")
    spare = ["agree_after", "yes", "polite"]
    if asked in (_Asked.NO_IS_YES, _Asked.YES_IS_NO):
        spare.append("no")
    if not words.left(plain, *spare):
        return Heard("consent", None, _CERTAIN, True)
    turned = words.has("negator", words.left(plain, "partly", *spare))
    return _neutral() if turned else _uncertain("consent")


def _answer(said: str, asked: _Asked, words: Lexicon) -> Heard:
    """What an utterance means as the answer to a notice."""
    clear = words.use(said, "unclear")
    if clear != said:
        return _uncertain("objection") if words.has("against", clear) else _neutral()
    if asked is _Asked.YES_IS_NO:
        if words.has("yes", said) or words.has("agree_after", said):
            return Heard("objection", None, _CERTAIN, True)
        return _neutral()
    plain = words.use(said, "agree_after")
    agrees = plain != said
    if words.has("asked", plain):
        if asked is not _Asked.NO_IS_YES and words.has("plain_no", plain):
            return _uncertain("objection")
        return Heard("neutral", "question", _CERTAIN, True)
    if asked is _Asked.NO_IS_YES:
        return _answer_to_mind(plain, agrees, words)
    if words.has("refuse_after", plain):
        plainly = not agrees and asked is not _Asked.OPEN
        return Heard("objection", None, _CERTAIN, True) if plainly else _uncertain("objection")
    if asked is not _Asked.OPEN and words.patterns["no"].match(plain):
        return _neutral() if agrees else Heard("objection", None, _CERTAIN, True)
    bare = words.has("yes", plain) and asked is _Asked.YES_IS_YES
    # A yes before words that agree by themselves adds nothing: "yes, that is fine with me".
    spare_yes = bare or (agrees and asked is _Asked.TOLD)
    if not words.left(plain, *(("yes", "polite") if spare_yes else ("polite",))):
        certain = (agrees or bare) and asked is not _Asked.OPEN
        return Heard("consent", None, _CERTAIN, True) if certain else _uncertain("consent")
    if asked is _Asked.YES_IS_YES and not words.left(plain, "echo", "yes", "polite"):
        return _uncertain("consent")
    return _hunch(plain, asked, words)


def _answer_to_mind(plain: str, agrees: bool, words: Lexicon) -> Heard:
    """The answer to "do you mind": a no agrees; `plain` has its words of agreement used up."""
    if words.has("thanks_no", plain):
        return _uncertain("objection")
    if words.has("refuse_after", words.use(plain, "no")) or words.has("mind_yes", plain):
        return _uncertain("objection") if agrees else Heard("objection", None, _CERTAIN, True)
    if not words.left(plain, "no", "polite"):
        return Heard("consent", None, _CERTAIN, True)
    return _hunch(plain, _Asked.NO_IS_YES, words)


def _hunch(plain: str, asked: _Asked, words: Lexicon) -> Heard:
    """What an answer leans to where no rule is certain; `plain` as above.

    It consents only where words agree and those beside them are known to change nothing: all of
    them, or all but one, which may be a name, where agreement leads and nothing is a condition.
    """
    rest = words.use(plain, "soft")
    if asked is _Asked.NO_IS_YES:
        rest = words.use(rest, "no")
    if words.has("against", rest):
        return _uncertain("objection")
    if asked is _Asked.NO_IS_YES and words.has("yes", rest):
        return _neutral() if USED in rest else _uncertain("objection")
    if asked in (_Asked.YES_IS_YES, _Asked.TOLD):
        rest = words.use(rest, "yes")
    left = words.left(rest, "partly", "polite", "loose")
    if words.has("negator", left):
        lean = len(plain.split()) <= _SHORT and asked is not _Asked.OPEN
        return _uncertain("objection") if lean else _neutral()
    if USED in rest and not left:
        return _uncertain("consent")
    clear = asked is not _Asked.OPEN and not words.has("proviso", plain)
    one_is_spare = rest.startswith(USED) and clear
    return _uncertain("consent") if one_is_spare and len(left.split()) == 1 else _neutral()


def _asked(before: str | None, words: Lexicon) -> _Asked:
    """What a bare answer to the utterance before would mean."""
    marked = words.sentences(before or "")
    said = flat(marked)
    plain = flat(words.use(marked, "aside", "other", "denied"))
    if words.has("off", plain):
        return _Asked.YES_IS_NO
    told = max(words.end("inform", plain), words.end("unsure", plain))
    mind = words.end("mind", plain)
    ask = words.end("ask", plain)
    last = max(told, mind, ask)
    if not last:
        return _Asked.NOTHING
    asks = words.patterns["ask"].finditer(plain)
    both = mind and (ask > mind or any(not words.has("doubt", each.group()) for each in asks))
    unlike = not mind and words.has("doubt", plain)
    if both or unlike or words.has("blur", said) or words.has("next", plain[last:]):
        return _Asked.OPEN
    if mind:
        return _Asked.NO_IS_YES
    return _Asked.YES_IS_YES if ask else _Asked.TOLD


def _neutral() -> Heard:
    return Heard("neutral", None, _WEAK, False)


def _uncertain(label: str) -> Heard:
    return Heard(label, None, _LIKELY if label == "objection" else _WEAK, False)
