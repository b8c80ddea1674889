"""Reminders by mail and webhook, through the channels that checkpoints are published by.

Each ending is told of once at each stage, by each channel; what could not be sent is tried again
in the next round. Kinds, ids and days go out, and nothing else.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime

import sqlalchemy as sa

from askfirst.errors import Refused, Unavailable
from askfirst.ledger import timestamp
from askfirst.rules import Rulebook
from askfirst.server import publishing
from askfirst.server.checkpointsettings import CheckpointSettings
from askfirst.server.database import reading, transaction
from askfirst.server.overridetables import reminders_sent
from askfirst.server.reminders import Ending, around, ending_soon
from askfirst.server.store import Store

log = logging.getLogger(__name__)

EVENT = "reminders.due"
"""The type of the event that a webhook gets."""

Due = tuple[Ending, int]
"""An ending and the stage that is told of."""


def run(store: Store, rules: Rulebook, wanted: CheckpointSettings, at: datetime) -> int:
    """Send what is due and was not sent, one message for each channel; says how many were."""
    today = at.date()
    with reading(store.engine) as connection:
        found = ending_soon(around(store, rules, wanted), connection, today)
        sent = {tuple(row) for row in connection.execute(sa.select(*_KEY))}
    count = 0
    for channel, send in _CHANNELS.items():
        due = [
            (each, stage)
            for each in found
            for stage in (each.stage(today),)
            if (each.kind, each.ref, each.on, stage, channel) not in sent
        ]
        if not due or channel not in wanted.channels:
            continue
        try:
            send(due, wanted, at)
        except (Unavailable, Refused) as error:
            log.warning("reminders.wait channel=%s why=%s", channel, type(error).__name__)
            continue
        _note(store, channel, due, at)
        count += 1
    return count


_KEY = tuple(reminders_sent.c[name] for name in ("kind", "ref", "ends_on", "stage", "channel"))


def _note(store: Store, channel: str, due: Sequence[Due], at: datetime) -> None:
    rows = [
        {
            "kind": each.kind,
            "ref": each.ref,
            "ends_on": each.on,
            "stage": stage,
            "channel": channel,
            "sent_at": at,
        }
        for each, stage in due
    ]
    with transaction(store.engine) as connection:
        connection.execute(reminders_sent.insert(), rows)


def _mail(due: Sequence[Due], wanted: CheckpointSettings, at: datetime) -> None:
    lines = [f"{each.on}  {each.kind}  {each.ref}{_left(each, at.date())}" for each, _ in due]
    head = "What ends or is due soon, by day, kind and id. Look at Compliance, What ends soon."
    subject = f"askfirst: {len(due)} end or are due soon"
    text = "\n".join([head, "", *lines, ""])
    publishing.send_mail(subject, text, _identity(due, at), at, wanted)


def _webhook(due: Sequence[Due], wanted: CheckpointSettings, at: datetime) -> None:
    endings = [
        {"kind": str(each.kind), "id": each.ref, "on": each.on.isoformat(), "stage_days": stage}
        for each, stage in due
    ]
    event = {"type": EVENT, "timestamp": timestamp(at), "data": {"endings": endings}}
    publishing.post_event(event, _identity(due, at), wanted, at)


def _identity(due: Sequence[Due], at: datetime) -> str:
    """What a message goes out as: its day and what is told first."""
    first, stage = due[0]
    return f"reminders-{at.date().isoformat()}-{first.ref[-32:]}-{stage}"


def _left(each: Ending, today: date) -> str:
    left = (each.on - today).days
    return "  OVERDUE" if left < 0 else f"  in {left} days" if left else "  today"


_Channel = Callable[[Sequence[Due], CheckpointSettings, datetime], None]
_CHANNELS: Mapping[str, _Channel] = {"mail": _mail, "webhook": _webhook}
