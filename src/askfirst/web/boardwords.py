"""What dashboards say for the keys of their tables, columns and codes."""

from __future__ import annotations

from collections.abc import Mapping

from askfirst.model import Verdict
from askfirst.web import callwords, elsewherewords, words
from askfirst.web.providerwords import STATES
from askfirst.web.queuewords import REASONS

BOARDS: Mapping[str, str] = {
    "activity": words.mark("Activity"),
    "consent": words.mark("Consent"),
    "quality": words.mark("Quality"),
    "system": words.mark("System"),
}

TABLES: Mapping[tuple[str, str], tuple[str, str]] = {
    ("activity", "sums"): (
        words.mark("Calls"),
        words.mark("Missed calls and messages are calls from outside that nobody took."),
    ),
    ("activity", "lengths"): (
        words.mark("Length of conversations"),
        words.mark("From the answer to the end. Private calls are left out."),
    ),
    ("activity", "days"): (words.mark("Calls by day"), ""),
    ("activity", "weeks"): (words.mark("Calls by week"), ""),
    ("activity", "groups"): (
        words.mark("Calls by person and team"),
        words.mark("Private calls are left out. Groups of fewer than five people are not shown."),
    ),
    ("consent", "askings"): (
        words.mark("What became of asking"),
        words.mark("Of all calls that were answered and are not private."),
    ),
    ("consent", "places"): (
        words.mark("Asking by place"),
        words.mark("A call counts at every place where somebody who was called may have been."),
    ),
    ("consent", "proofs"): (
        words.mark("Level of proof by place"),
        words.mark("Of the calls in which everybody agreed or was told. The lowest level counts."),
    ),
    ("consent", "times"): (
        words.mark("Time to consent"),
        words.mark("Until the first yes, or the end of the notice where telling is enough."),
    ),
    ("consent", "verdicts"): (
        words.mark("Check of the notice"),
        words.mark("What the transcript says about the notice."),
    ),
    ("consent", "taken-back"): (
        words.mark("Taken back and erased"),
        words.mark("Calls of the period that were withdrawn, and recordings erased during it."),
    ),
    ("quality", "figures"): (
        words.mark("How calls went"),
        words.mark("Medians over recordings that everybody allowed to be analysed."),
    ),
    ("quality", "groups"): (
        words.mark("By person and team"),
        words.mark("In the order of names. Groups of fewer than five people are not shown."),
    ),
    ("quality", "trackers"): (
        words.mark("Trackers"),
        words.mark("In how many of the recordings that it looks at a tracker was hit."),
    ),
    ("quality", "tracker-groups"): (words.mark("Trackers by team"), ""),
    ("system", "storage"): (words.mark("Storage"), ""),
    ("system", "work"): (words.mark("Work"), words.mark("What waits, and what failed.")),
    ("system", "queue"): (words.mark("Compliance queue"), words.mark("Items not decided yet.")),
    ("system", "lag"): (
        words.mark("Lag of transcripts"),
        words.mark("From the end of a call until its words were there, of the period."),
    ),
    ("system", "lines"): (words.mark("Lines"), ""),
    ("system", "elsewhere"): (
        words.mark("Recordings that a carrier keeps"),
        words.mark("Looked for at each start and daily. A check that failed says nothing of them."),
    ),
    ("system", "ages"): (words.mark("Newest of each kind"), ""),
}
"""The title of a table and a sentence about it."""

COLUMNS: Mapping[str, str] = {
    "what": words.mark("What"),
    "who": words.mark("Who"),
    "how": words.mark("How"),
    "now": words.mark("Calls"),
    "before": words.mark("Before"),
    "share": words.mark("Share of all"),
    "calls": words.mark("Calls"),
    "day": words.mark("From"),
    "outbound": words.mark("Outbound"),
    "inbound": words.mark("Inbound"),
    "answered": words.mark("Answered"),
    "missed": words.mark("Missed"),
    "messages": words.mark("Messages"),
    "median": words.mark("Median"),
    "high": words.mark("90 % at most"),
    "place": words.mark("Place"),
    "rule": words.mark("Rule"),
    "asked": words.mark("Asked"),
    "agreed": words.mark("Agreed or told"),
    "refused": words.mark("Refused"),
    "unanswered": words.mark("No answer"),
    "not-asked": words.mark("Not asked"),
    "forbidden": words.mark("Forbidden"),
    "other": words.mark("Other"),
    "proof-1": words.mark("1 Agent’s word"),
    "proof-2": words.mark("2 Notice heard"),
    "proof-3": words.mark("3 Announced"),
    "proof-4": words.mark("4 Key"),
    "proof-5": words.mark("5 Spoken"),
    "proof-6": words.mark("6 In writing"),
    "asked-median": words.mark("From asking: median"),
    "asked-high": words.mark("From asking: 90 % at most"),
    "recordings": words.mark("Recordings"),
    "talk-share": words.mark("Our share of talk"),
    "longest": words.mark("Longest"),
    "contact-longest": words.mark("Their longest turn"),
    "turns-per-minute": words.mark("Turns a minute"),
    "response": words.mark("Response"),
    "questions": words.mark("Questions"),
    "contact-questions": words.mark("Their questions"),
    "tracker": words.mark("Tracker"),
    "hits": words.mark("With a hit"),
    "files": words.mark("Files"),
    "bytes": words.mark("Size"),
    "count": words.mark("How many"),
    "oldest": words.mark("Oldest"),
    "state": words.mark("State"),
    "used": words.mark("In use"),
    "most": words.mark("At most"),
    "tried": words.mark("Last tried"),
    "done": words.mark("Last made whole"),
    "at": words.mark("When"),
    "age": words.mark("Age"),
}
OTHERWISE: Mapping[tuple[str, str], str] = {
    ("lengths", "now"): words.mark("This period"),
    ("sums", "now"): words.mark("This period"),
    ("askings", "now"): words.mark("This period"),
    ("taken-back", "now"): words.mark("This period"),
    ("times", "median"): words.mark("From the answer: median"),
    ("times", "high"): words.mark("From the answer: 90 % at most"),
    ("figures", "longest"): words.mark("Our longest turn"),
    ("groups", "longest"): words.mark("Our longest turn"),
}
"""Headings that differ in a table."""

CODES: Mapping[tuple[str, str], Mapping[str, str]] = {
    ("sums", "what"): {
        "calls": words.mark("All calls"),
        "outbound": words.mark("Outbound"),
        "inbound": words.mark("Inbound"),
        "answered": words.mark("Answered"),
        "unanswered": words.mark("Outbound, not answered"),
        "missed": words.mark("Missed"),
        "messages": words.mark("Messages"),
        "private": words.mark("Private calls"),
    },
    ("lengths", "what"): {
        "median": words.mark("Median"),
        "high": words.mark("90 % are at most this long"),
    },
    ("askings", "what"): {
        "asked": words.mark("Asked or told"),
        "agreed": words.mark("Agreed or told"),
        "refused": words.mark("Refused"),
        "unanswered": words.mark("Asked, no answer"),
        "not-asked": words.mark("Not asked"),
        "forbidden": words.mark("Forbidden"),
        "other": words.mark("Other: switched off, a machine, a fault"),
    },
    ("times", "how"): {"all": words.mark("All"), **callwords.HOWS},
    ("verdicts", "what"): {
        Verdict.HEARD: words.mark("Notice heard"),
        Verdict.PARTLY: words.mark("Notice partly heard"),
        Verdict.NOT_HEARD: words.mark("Notice not heard"),
        Verdict.CANNOT_TELL: words.mark("Cannot be told"),
        Verdict.NOT_NEEDED: words.mark("No notice to check"),
    },
    ("taken-back", "what"): {
        "withdrawn": words.mark("Calls in which somebody took it back"),
        "erased": words.mark("Recordings erased"),
    },
    ("figures", "what"): {
        "now": words.mark("This period"),
        "before": words.mark("Before"),
    },
    ("storage", "what"): {
        "audio": words.mark("Audio"),
        "other": words.mark("Transcripts and all else of recordings"),
        "free": words.mark("Free on this disk"),
    },
    ("work", "what"): {
        "orders": words.mark("Orders that no worker took yet"),
        "held-erasures": words.mark("Erasures that wait for a hold, a duty or a call"),
        "unfinished": words.mark("Recordings being finished"),
        "failed-recordings": words.mark("Recordings that failed"),
        "failed-copies": words.mark("Copies for people that failed"),
        "failed-checkpoints": words.mark("Checkpoints not delivered"),
    },
    ("queue", "what"): REASONS,
    ("lag", "what"): {"transcripts": words.mark("Transcripts")},
    ("lines", "what"): {
        "live": words.mark("Live calls"),
        "trunk": words.mark("Telephone exchange"),
    },
    ("lines", "state"): {
        "running": words.mark("Running"),
        "unknown": words.mark("Not known"),
        "none": words.mark("None set up"),
        **{key: text for key, (_, _, text) in STATES.items()},
    },
    ("elsewhere", "what"): {"twilio": words.mark("Recordings at Twilio")},
    ("elsewhere", "state"): elsewherewords.STANDINGS,
    ("ages", "what"): {
        "backup": words.mark("Backup"),
        "checkpoint": words.mark("Checkpoint of the ledger"),
        "sweep": words.mark("Sweep of what is due"),
        "transcript": words.mark("Transcript"),
    },
}
"""Words for the cells of a column of codes; the rule of a place is shown as its chip."""

BARS: Mapping[tuple[str, str], str] = {
    ("consent", "askings"): "share",
    ("consent", "verdicts"): "share",
    ("quality", "trackers"): "share",
    ("system", "storage"): "bytes",
}
"""Columns whose cells are drawn as bars as well. None of persons: nobody is ranked."""
