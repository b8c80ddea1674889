"""What a recorded call says about its own notice: both sides' words held against what was owed.

Beside the verdict of `notice.check` it names what was not heard, how long before or after the
first recorded sound of the contact it was said, what they replied, and where they said to be.
Nothing here changes a gate or a proof. Times are call time in milliseconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from askfirst import hearing
from askfirst.model import Element, Utterance, Verdict
from askfirst.notice import check
from askfirst.replies import Reply, replies
from askfirst.rules import Rulebook
from askfirst.spokenplaces import Named, places_named

OWN, CONTACT = "agent", "contact"


@dataclass(frozen=True, slots=True)
class CallCheck:
    """What was found in the words of a recorded call.

    `at_ms` and `until_ms` are when the notice was said, None where none was found. `delay_ms` is
    how long after the first recorded sound of the contact it began, negative: before it; None
    where either is unknown. `heard` and `missing` are the required elements. `replies` and
    `places` are the contact's, in order.
    """

    verdict: Verdict
    at_ms: int | None
    until_ms: int | None
    delay_ms: int | None
    heard: frozenset[Element]
    missing: frozenset[Element]
    replies: tuple[Reply, ...]
    places: tuple[Named, ...]

    @property
    def answer(self) -> Reply | None:
        """The first reply after the notice began; None without a notice or a reply."""
        if self.at_ms is None:
            return None
        return next((each for each in self.replies if each.from_ms >= self.at_ms), None)

    @property
    def objections(self) -> tuple[Reply, ...]:
        """The replies that object, in order."""
        return tuple(each for each in self.replies if each.label == "objection")


def check_call(
    said: Sequence[Utterance],
    *,
    required: frozenset[Element],
    language: str,
    first_contact_frame_ms: int | None,
    needed: bool,
    rules: Rulebook | None = None,
) -> CallCheck:
    """Check the words of both sides; those of the contact may be missing. Arguments as `check`.

    Without `rules` no places are looked for. Never raises for a language: one that is not
    understood has a verdict and no replies.
    """
    # On a channel with everybody on it the notice is looked for, and nobody's reply is guessed.
    own = sorted((each for each in said if each.speaker != CONTACT), key=lambda each: each.start_ms)
    theirs = [each for each in said if each.speaker == CONTACT]
    found = check(
        own,
        (),
        required=required,
        language=language,
        first_contact_frame_ms=first_contact_frame_ms,
        needed=needed,
    )
    at_ms, first = found.at_ms, first_contact_frame_ms
    is_understood = language in hearing.LANGUAGES
    return CallCheck(
        found.verdict,
        at_ms,
        max((each.end_ms for each in own if each.start_ms == at_ms), default=None),
        None if at_ms is None or first is None else at_ms - first,
        found.elements_heard,
        required - found.elements_heard if needed else frozenset(),
        replies(own, theirs, language) if is_understood else (),
        () if rules is None else tuple(places_named(theirs, CONTACT, rules)),
    )
