"""Notices: what has to be said before a recording, and whether it was said.

`compose` and `announcement` turn notice elements into spoken sentences; `check` reads what was
recognised on a call and says whether a notice is in it. The sentences stand in
`texts/notices.toml`, what single utterances mean in `askfirst.hearing`. Deciding which elements
are owed belongs to `askfirst.decide`, playing them to the edges.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cache
from importlib import resources

from askfirst import hearing
from askfirst.errors import InvalidInput
from askfirst.model import Element, Purpose, Utterance, Verdict
from askfirst.replies import replies

LANGUAGES = ("en", "nb", "de", "fr", "es", "sv")
"""Languages that notices are written in."""

LATE_MS = 1_500
"""How long after the first recorded contact audio a notice may begin and still count as before.

Recognised times are off by a word or two; a notice that is really late is later than this.
"""

LONGEST_PHRASE = 200
"""How many characters a phrase of the account may have: a notice has to be said in a minute."""

SHORTEST_PURPOSE_WORDS = 4
"""How many words a purpose has at least where it must be explained."""

EXPLAINED = frozenset({Element.PURPOSE_DETAILED, Element.CONSENT_EACH_PERSON})
"""Elements with which a purpose is owed as an explanation, so that consent is informed: Ireland
and Canada ask for it (PIPEDA, schedule 1, principle 4.3.2), and who asks each person has to."""

MESSAGE = "message"
"""The purpose of a message that a caller leaves."""

_PLAIN = (
    "opening", "keys", "spoken_keys", "message_opening", "message_keys", "message_tone",
)  # fmt: skip
_PAUSE_MS = 2_000
_CHOICE = re.compile(r"\[(!?)([a-z_/]+)\|([^\]]*)\]")
_FILL = re.compile(r"\{([a-z_]+)\}")


@dataclass(frozen=True, slots=True)
class NoticeFacts:
    """What a notice says about the account that records.

    `purpose` is a `Purpose` or a phrase that stands after "for" in the notice's language; where
    the purpose must be explained (`EXPLAINED`) a phrase needs four words or more. No phrase is
    longer than `LONGEST_PHRASE` characters.
    `retention` is a number of days or a phrase ("for two years"); `url` an address as it should
    be spoken. None is said in neutral words ("on our privacy page"). Phrases are used as given,
    so they have to be in the language of the notice.
    """

    company: str
    purpose: Purpose | str | None = None
    retention: int | str | None = None
    url: str | None = None
    unique_id: str | None = None
    recipients: str | None = None
    destination: str | None = None
    alternative: str | None = None
    basis: str | None = None


@dataclass(frozen=True, slots=True)
class NoticeCheck:
    """What was found when a call's words were searched for the notice.

    `at_ms`, `speaker` and `words` say where the notice begins, who said it and how it was
    recognised; None when none was found. `elements_heard` are those required elements whose words
    were found. `objections` are times and kinds, ``refuse`` or ``withdraw``, in order.
    """

    verdict: Verdict
    at_ms: int | None
    speaker: str | None
    words: str | None
    elements_heard: frozenset[Element]
    objections: tuple[tuple[int, str], ...]


@dataclass(frozen=True, slots=True)
class _Sentence:
    covers: frozenset[str]
    also: frozenset[str]
    when: frozenset[str]
    unless: frozenset[str]
    texts: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Texts:
    words: Mapping[str, Mapping[str, str]]
    sentences: tuple[_Sentence, ...]


def compose(
    elements: Iterable[Element],
    language: str,
    *,
    company: str = "{company}",
    purpose: Purpose | str | None = None,
    retention: int | str | None = None,
    url: str | None = None,
    unique_id: str | None = None,
    recipients: str | None = None,
    destination: str | None = None,
    alternative: str | None = None,
    basis: str | None = None,
) -> str:
    """Give one spoken text that says exactly these elements, in a fixed order.

    The company stays visible as ``{company}`` until it is given, and the purpose as ``{purpose}``
    where it must be explained, because nothing neutral can stand for them; the other values are
    described in `NoticeFacts`. No elements give an empty text. Raises InvalidInput for a language
    or an element that has no sentence, and for a purpose in a word or two where it must be
    explained, or a phrase that is too long.
    """
    _known(language)
    asked = frozenset(str(element) for element in elements)
    values = _values(
        asked,
        language,
        NoticeFacts(
            company,
            purpose,
            retention,
            url,
            unique_id,
            recipients,
            destination,
            alternative,
            basis,
        ),
    )
    return " ".join(_filled(said, values) for said, _ in _plan(asked, language))


def announcement(
    elements: Iterable[Element],
    language: str,
    facts: NoticeFacts,
    *,
    keys: bool,
    message: bool = False,
    spoken: bool = False,
) -> str:
    """Give the text of a played announcement; with `keys` it ends with how to answer by key.

    With `spoken` the answer may also be said; a message is agreed to by key alone.

    With `message` it is what a caller hears whom nobody answers and who may leave a message: it
    always says who records, and why: to pass the message on.

    The opening carries nothing that has to be heard, so a clipped start loses nothing. Raises
    InvalidInput when the company has no name, when the purpose must be explained in detail and
    none is given, or as `compose`.
    """
    if not facts.company.strip() or "{" in facts.company:
        raise InvalidInput(
            f"The announcement has no company name (found {facts.company!r}). "
            "Set the account's name before calls are made."
        )
    _known(language)
    asked = frozenset(str(element) for element in elements)
    if message:
        asked |= {str(Element.INTENT_TO_RECORD), str(Element.CONTROLLER_IDENTITY)}
        if Element.PURPOSE_DETAILED not in asked:
            asked |= {str(Element.PURPOSE)}
        facts = replace(facts, purpose=MESSAGE)
    if Element.PURPOSE_DETAILED in asked and not facts.purpose:
        raise InvalidInput(
            "The announcement must explain its purpose in detail and none is given. "
            "Set the account's purpose to a sentence, or to one of askfirst.model.Purpose."
        )
    values = _values(asked, language, facts)
    words = _texts().words
    parts = [words["message_opening" if message else "opening"][language]]
    parts += [_filled(said, values) for said, _ in _plan(asked, language)]
    if keys:
        how = "message_keys" if message else "spoken_keys" if spoken else "keys"
        parts.append(words[how][language])
    elif message:
        parts.append(words["message_tone"][language])
    return " ".join(parts)


def question(language: str) -> str:
    """Give what an announcement asks that may be answered by speaking; raises as `compose`."""
    _known(language)
    return _texts().words["spoken_keys"][language]


def purpose_words(purpose: Purpose, language: str) -> str:
    """Give the words of a purpose that stand after "for" in a language of `LANGUAGES`."""
    _known(language)
    return _texts().words[f"purpose.{purpose}"][language]


def lacking(
    text: str, elements: Iterable[Element], language: str, facts: NoticeFacts
) -> frozenset[Element]:
    """Name the elements that a text does not say; empty when it covers them all.

    An element is covered when the very sentence that `compose` gives for it is in the text; in a
    language that can be understood also when its words are heard in it, so that a text may be
    put differently. Raises as `compose`.
    """
    _known(language)
    asked = frozenset(elements)
    values = _values(asked, language, facts)
    said = {
        name
        for sentence, names in _plan(asked, language)
        if _filled(sentence, values) in text
        for name in names
    }
    left = frozenset(element for element in asked if element not in said)
    return left - hearing.elements(text, language) if language in hearing.LANGUAGES else left


def check(
    own: Sequence[Utterance],
    others: Sequence[Utterance],
    *,
    required: frozenset[Element],
    language: str,
    first_contact_frame_ms: int | None,
    needed: bool,
) -> NoticeCheck:
    """Say whether our own side gave the notice, when, in which words, and who objected.

    `heard`: words of recording are there, in time, with every required element that hearing can
    find. `partly`: they are there, but late (see `LATE_MS`), incomplete, or recognised so badly
    that nothing else supports them. `not-heard`: speech was understood and they are not there.
    `cannot-tell`: hardly anything was understood, or not this language. `not-needed`: nothing was
    owed. Without `first_contact_frame_ms` the order does not count. Never raises for a language.
    """
    if language not in hearing.LANGUAGES:
        unknown = Verdict.CANNOT_TELL if needed else Verdict.NOT_NEEDED
        return NoticeCheck(unknown, None, None, None, frozenset(), ())
    mine = sorted(own, key=lambda utterance: utterance.start_ms)
    objections = _objections(mine, others, language)
    found = _found(mine, language)
    said: frozenset[Element] = frozenset()
    if found is not None:
        texts = [utterance.text for utterance in mine] + [found[0].text]
        said = said.union(*(hearing.elements(text, language) for text in texts))
    heard = said & required
    at, certain = found if found is not None else (None, False)
    if not needed:
        verdict = Verdict.NOT_NEEDED
    elif at is None:
        clear = hearing.understood((utterance.text for utterance in mine), language)
        verdict = Verdict.NOT_HEARD if clear else Verdict.CANNOT_TELL
    else:
        late = first_contact_frame_ms is not None and at.start_ms > first_contact_frame_ms + LATE_MS
        supported = certain or bool(said - {Element.INTENT_TO_RECORD})
        complete = required - heard <= {Element.INTENT_TO_RECORD}
        verdict = Verdict.HEARD if supported and complete and not late else Verdict.PARTLY
    return NoticeCheck(
        verdict,
        at.start_ms if at else None,
        at.speaker if at else None,
        at.text if at else None,
        heard,
        objections,
    )


def _found(own: Sequence[Utterance], language: str) -> tuple[Utterance, bool] | None:
    """The first notice and whether it is certain; a certain one wins over an earlier doubtful one.

    A notice may be cut in two by a breath, so neighbours that are none alone are read together.
    """
    alone = [hearing.classify(utterance.text, language) for utterance in own]
    doubtful: Utterance | None = None
    for index, utterance in enumerate(own):
        stretch, heard = utterance, alone[index]
        following = own[index + 1 : index + 2]
        if heard.label != "notice" and following and alone[index + 1].label != "notice":
            stretch = _joined(utterance, following[0])
            heard = hearing.classify(stretch.text, language)
        if heard.label == "notice" and heard.certain:
            return stretch, True
        if heard.label == "notice" and doubtful is None:
            doubtful = stretch
    return (doubtful, False) if doubtful else None


def _joined(utterance: Utterance, following: Utterance) -> Utterance:
    near = following.start_ms - utterance.end_ms <= _PAUSE_MS
    if not near or following.speaker != utterance.speaker:
        return utterance
    text = f"{utterance.text} {following.text}"
    return Utterance(utterance.speaker, utterance.start_ms, following.end_ms, text)


def _objections(
    own: Sequence[Utterance], others: Sequence[Utterance], language: str
) -> tuple[tuple[int, str], ...]:
    """Objections of the other parties, each heard against what our side said just before."""
    return tuple(
        (each.from_ms, each.kind or "refuse")
        for each in replies(own, others, language)
        if each.label == "objection"
    )


def _known(language: str) -> None:
    if language not in LANGUAGES:
        raise InvalidInput(
            f"There is no notice in language {language!r}. Use one of {', '.join(LANGUAGES)}."
        )


@cache
def _texts() -> _Texts:
    packaged = resources.files("askfirst").joinpath("texts/notices.toml")
    read = tomllib.loads(packaged.read_text(encoding="utf-8"))
    words: dict[str, Mapping[str, str]] = {name: read[name] for name in _PLAIN}
    for group in ("purpose", "purpose_detailed", "basis", "given", "neutral"):
        words |= {f"{group}.{name}": texts for name, texts in read[group].items()}
    sentences = tuple(
        _Sentence(
            covers=frozenset(entry["covers"]),
            also=frozenset(entry.get("also", ())),
            when=frozenset(entry.get("when", ())),
            unless=frozenset(entry.get("unless", ())),
            texts={language: entry[language] for language in LANGUAGES},
        )
        for entry in read["sentence"]
    )
    return _Texts(words, sentences)


def _plan(asked: frozenset[str], language: str) -> list[tuple[str, frozenset[str]]]:
    """Sentences with their choices made, each with the elements that it says."""
    left = set(asked)
    plan = []
    for sentence in _texts().sentences:
        fits = sentence.covers <= left and sentence.when <= asked
        if not fits or sentence.unless & asked:
            continue
        text, said = _chosen(sentence.texts[language], frozenset(left))
        said |= sentence.covers | (sentence.also & left)
        plan.append((text, said))
        left -= said
    if left:
        raise InvalidInput(
            f"There is no sentence for {', '.join(sorted(left))}. Use the elements of "
            "askfirst.model.Element."
        )
    return plan


def _chosen(text: str, left: frozenset[str]) -> tuple[str, frozenset[str]]:
    """The text for these elements, and those that its choices say."""
    said: set[str] = set()

    def choose(choice: re.Match[str]) -> str:
        negated, names, words = choice.groups()
        present = left.intersection(names.split("/"))
        if negated:
            return "" if present else words
        said.update(present)
        return words if present else ""

    return _CHOICE.sub(choose, text), frozenset(said)


def _values(asked: frozenset[str], language: str, facts: NoticeFacts) -> dict[str, str]:
    words = _texts().words

    def neutral(name: str, given: str | None) -> str:
        return given if given else words[f"neutral.{name}"][language]

    group = "purpose_detailed" if Element.PURPOSE_DETAILED in asked else "purpose"
    named = words.get(f"{group}.{facts.purpose}")
    _fit(facts, asked)
    basis = facts.basis or _basis(asked)
    # A purpose that must be explained is not explained by pointing at a page.
    unnamed = Element.PURPOSE_DETAILED in asked and not facts.purpose
    purpose = "{purpose}" if unnamed else neutral("purpose", facts.purpose)
    if isinstance(facts.retention, int):
        kind = "given.day" if facts.retention == 1 else "given.days"
        retention = words[kind][language].replace("{days}", str(facts.retention))
    else:
        retention = neutral("retention", facts.retention)
    return {
        "company": facts.company.strip(),
        "purpose": named[language] if named else purpose,
        "retention": retention,
        "url": words["given.url"][language].replace("{url}", facts.url)
        if facts.url
        else neutral("url", None),
        "unique_id": neutral("unique_id", facts.unique_id),
        "recipients": neutral("recipients", facts.recipients),
        "destination": neutral("destination", facts.destination),
        "alternative": neutral("alternative", facts.alternative),
        "basis": words.get(f"basis.{basis}", {}).get(language, basis),
    }


def _fit(facts: NoticeFacts, asked: frozenset[str]) -> None:
    """Refuse a phrase that nobody could listen to, and a purpose that explains nothing."""
    for field in fields(facts):
        phrase = getattr(facts, field.name)
        if isinstance(phrase, str) and len(phrase) > LONGEST_PHRASE:
            raise InvalidInput(
                f"The {field.name} of the notice has {len(phrase)} characters, at most "
                f"{LONGEST_PHRASE} can be said. Shorten it, and put the rest on the privacy page."
            )
    purpose = facts.purpose
    if (
        purpose
        and not isinstance(purpose, Purpose)
        and purpose != MESSAGE
        and EXPLAINED & asked
        and len(purpose.split()) < SHORTEST_PURPOSE_WORDS
    ):
        raise InvalidInput(
            f"The purpose {purpose!r} is no explanation, and this notice owes one. Say in a "
            "sentence what the recording is for, or use one of askfirst.model.Purpose."
        )


def _basis(asked: frozenset[str]) -> str:
    """The lawful basis that the rest of the notice speaks of."""
    if Element.MANDATORY_RECORDING in asked:
        return "legal_obligation"
    return "consent" if Element.CONSENT_REQUEST in asked else "legitimate_interests"


def _filled(text: str, values: Mapping[str, str]) -> str:
    """Every {name} replaced in one pass, so that a value's own braces stay as they are."""

    def fill(name: re.Match[str]) -> str:
        value = values[name.group(1)]
        at_end = text[name.end() : name.end() + 1] == "."
        return value.rstrip(".") if at_end else value

    return _FILL.sub(fill, text)
