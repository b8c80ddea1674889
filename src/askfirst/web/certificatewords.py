"""What certificates say for codes: proof levels, roles, sources, standings, verdicts."""

from __future__ import annotations

from collections.abc import Mapping

from askfirst.web import words

PROOFS = (
    words.mark("No proof"),
    words.mark("Agent’s word"),
    words.mark("Notice heard in the transcript"),
    words.mark("Announcement played to its end"),
    words.mark("Key pressed"),
    words.mark("Spoken yes"),
    words.mark("In writing, on file"),
)
"""The words of each proof level, from 0."""

ROLES: Mapping[str, str] = {"agent": words.mark("Our side"), "contact": words.mark("Contact")}
SOURCES: Mapping[str, str] = {
    "number": words.mark("by the number"),
    "given": words.mark("as given"),
    "address": words.mark("by the address"),
    "stated": words.mark("as they said"),
    "recorder": words.mark("where it is recorded"),
}
CERTAINTIES: Mapping[str, str] = {
    "certain": words.mark("certain"),
    "likely": words.mark("likely"),
    "possible": words.mark("possible"),
}
MODES: Mapping[str, str] = {
    "auto": words.mark("May record"),
    "ask": words.mark("Ask first"),
    "forbid": words.mark("Do not record"),
}
STANDINGS: Mapping[str, str] = {
    "primary-source": words.mark("read"),
    "secondary-source": words.mark("read in part"),
    "unreviewed": words.mark("unreviewed"),
}
TELLERS: Mapping[str, str] = {
    "agent": words.mark("told by the agent"),
    "announcement": words.mark("an announcement"),
}
VERDICTS: Mapping[str, str] = {
    "heard": words.mark("The notice was heard"),
    "partly": words.mark("The notice was heard in part"),
    "not-heard": words.mark("The notice was not heard"),
    "cannot-tell": words.mark("It cannot be told whether the notice was heard"),
    "not-needed": words.mark("Not needed"),
}
