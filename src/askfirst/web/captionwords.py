"""What live captions say around the words of others; `js/captions.js` gets them as texts."""

from __future__ import annotations

from collections.abc import Mapping

from askfirst.web import words

CAPTIONS: Mapping[str, str] = {
    "title": words.mark("Live transcript"),
    "read_aloud": words.mark("Read aloud"),
    "follow": words.mark("Follow"),
    "agent": words.mark("You"),
    "contact": words.mark("They"),
    "empty": words.mark("What is said shows here. It is gone after the call."),
    "wiped": words.mark("The words were erased."),
    "behind": words.mark("The transcript is {n} s behind. Consent must be confirmed by you."),
    "skipped": words.mark("{n} s were left out."),
    "language": words.mark("No live transcript for {language}. Recording rules are unchanged."),
    "unavailable": words.mark("No live transcript. Recording rules are unchanged."),
    "lost": words.mark("Connection lost. The transcript goes on when it is back."),
}
"""Texts by the keys that `showCaptions` wants; {n} and {language} are filled in by it."""
