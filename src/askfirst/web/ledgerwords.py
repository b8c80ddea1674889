"""What the ledger's page says for codes: where checkpoints go, and why they do not get there."""

from __future__ import annotations

from collections.abc import Mapping

from askfirst.server.dailycheckpoints import Problem
from askfirst.web import words

CHANNELS: Mapping[str, str] = {
    "stamp": words.mark("Time stamp"),
    "file": words.mark("File"),
    "mail": words.mark("Mail"),
    "webhook": words.mark("Webhook"),
}
PROBLEMS: Mapping[str, str] = {
    Problem.UNREACHABLE: words.mark("not reached"),
    Problem.REFUSED: words.mark("refused"),
    Problem.UNVERIFIED: words.mark("the answer does not hold"),
    Problem.MISCONFIGURED: words.mark("the settings cannot be used"),
}
