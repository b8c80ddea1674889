"""The checks of recordings' notices: made from the kept words, each run kept beside the others.

Only what the recogniser wrote counts, and the contact's words only once they are transcribed. A
check is kept in codes and times, is an entry of the ledger, and goes with its recording.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from askfirst import hearing
from askfirst.callcheck import OWN, CallCheck, check_call
from askfirst.ledger import Kind
from askfirst.model import Element, Proof, Utterance, Verdict
from askfirst.replies import TURN_MS
from askfirst.rules import Rulebook
from askfirst.server import transcripts
from askfirst.server.database import calls, consents, reading, recordings, transaction
from askfirst.server.importtables import BROUGHT_OVER
from askfirst.server.noticetables import notice_checks
from askfirst.server.playback import Playback
from askfirst.server.queue import Finding, Reason, notice_window
from askfirst.server.queuetables import queue_items
from askfirst.server.recordingreader import is_mixed, stretches_of
from askfirst.server.restrictions import is_restricted
from askfirst.server.store import Store

ANNOUNCEMENT, MIXED = "announcement", "mixed"
"""Who gave a notice that no agent spoke, and one on a channel with everybody on it: nobody can say.
"""

DOUBTS = (Verdict.NOT_HEARD, Verdict.CANNOT_TELL)
"""Verdicts with which a recording that rests on the agent's word is not heard by anybody."""

_AROUND_MS = 8_000
_CONTACT = 1


@dataclass(frozen=True, slots=True)
class KeptCheck:
    """A check as it is kept; `replies` and `places` are mappings of codes and times."""

    at: datetime
    detector: int
    rules: str
    verdict: Verdict
    said_by: str | None
    at_ms: int | None
    until_ms: int | None
    delay_ms: int | None
    heard: Sequence[str]
    missing: Sequence[str]
    replies: Sequence[Mapping[str, Any]]
    places: Sequence[Mapping[str, Any]]

    @property
    def answer(self) -> Mapping[str, Any] | None:
        """The first reply after the notice began."""
        begins = self.at_ms
        if begins is None:
            return None
        return next((each for each in self.replies if each["from_ms"] >= begins), None)


_NOT_UNDERSTOOD = "und"  # as ISO 639-2 has it: no language that anybody knows


def owed(decision: Mapping[str, Any] | None) -> frozenset[Element] | None:
    """The elements that a stored decision owes; None where nothing is owed to anybody."""
    requirements = (decision or {}).get("requirements", [])
    if not requirements:
        return None
    return frozenset(Element(name) for each in requirements for name in each["elements"])


def checked(
    call: Any, said: Sequence[Utterance] | None, rules: Rulebook | None = None
) -> CallCheck:
    """Check words of a recording; `call` is as `call_of` gives it, `rules` as for `check_call`.

    None: nobody here understands the language of the call, so that nothing can be told.
    """
    required = owed(call.decision)
    return check_call(
        said or (),
        required=required or frozenset(),
        language=_NOT_UNDERSTOOD if said is None else call.language,
        first_contact_frame_ms=call.first_contact_ms,
        needed=required is not None,
        rules=rules,
    )


def words_of(store: Store, recording: str) -> list[Utterance] | None:
    """What the recogniser wrote of both sides, or of our own alone; None where it wrote nothing.

    Raises KeyUnreadable and Unverified as `Playback.asset`.
    """
    playback = Playback(store)
    for kind in (transcripts.MACHINE, transcripts.OWN):
        kept = playback.asset(recording, kind)
        if kept is not None:
            return transcripts.from_bytes(kept)
    return None


def examine(store: Store, rules: Rulebook, recording: str, at: datetime) -> list[Finding]:
    """Check a recording that is ready, over both sides, and give what is to be looked at.

    One that is restricted is not read.
    """
    with reading(store.engine) as connection:
        if is_restricted(connection, recording):
            return []
    said = words_of(store, recording)
    if said is None:
        return []
    with reading(store.engine) as connection:
        row = call_of(connection, recording)
        found = checked(row, said, rules)
        findings = [
            *objected(connection, row.id, recording, found),
            *not_shown(connection, row, recording, found),
        ]
    with transaction(store.engine) as connection:
        keep(store, connection, row, recording, found, int(row.proof), at)
    return findings


def not_shown(
    connection: sa.Connection, call: Any, recording: str, found: CallCheck
) -> Iterator[Finding]:
    """That a notice which was owed is not heard in what was brought over, which nothing else shows.

    `call` is as `call_of` gives it. What somebody has let go, or has cut, does not come again.
    """
    if call.provider != BROUGHT_OVER or found.verdict in (Verdict.HEARD, Verdict.NOT_NEEDED):
        return
    settled = sa.select(queue_items.c.id).where(
        queue_items.c.recording == recording,
        queue_items.c.decision.in_(["given", "keep-from"]),
    )
    if connection.execute(settled).first() is not None:
        return
    if is_mixed(connection, recording):  # nothing of it is our side alone
        yield Finding(Reason.IMPORTED, call.id, recording)
        return
    from_ms, to_ms = notice_window(stretches_of(connection, recording))
    yield Finding(Reason.IMPORTED, call.id, recording, from_ms=from_ms, to_ms=to_ms)


def is_by_word(store: Store, call: str, recording: str) -> bool:
    """Whether any stretch of a recording was opened on the agent's word, also an early one."""
    opened = (
        entry["data"]
        for _, entry in store.ledger.entries(call)
        if entry["kind"] == Kind.RECORDING_OPENED.value and entry.get("recording") == recording
    )
    return any(
        isinstance(data, dict)
        and (data.get("by_word") is True or data.get("proof") == Proof.AGENT_WORD)
        for data in opened
    )


def call_of(connection: sa.Connection, recording: str) -> Any:
    """The row of a recording's call, with its first kept sound of the contact."""
    return connection.execute(
        sa.select(calls, recordings.c.first_contact_ms, recordings.c.state.label("recording_state"))
        .join(recordings)
        .where(recordings.c.id == recording)
    ).one()


def keep(
    store: Store,
    connection: sa.Connection,
    call: Any,
    recording: str,
    found: CallCheck,
    proof: int,
    at: datetime,
) -> bool:
    """Keep a check in the caller's transaction, and enter it; False where it is known already.

    `call` is the call's row, `proof` the call's after the check.
    """
    said_by = _said_by(store, call.id, found)
    if said_by is not None and is_mixed(connection, recording):
        said_by = MIXED
    values = {
        "detector": hearing.VERSION,
        "rules": hearing.fingerprint(),
        "verdict": found.verdict.value,
        "said_by": said_by,
        "at_ms": found.at_ms,
        "until_ms": found.until_ms,
        "delay_ms": found.delay_ms,
        "heard": sorted(found.heard),
        "missing": sorted(found.missing),
        "replies": [
            {
                "from_ms": each.from_ms,
                "until_ms": each.until_ms,
                "label": each.label,
                "kind": each.kind,
                "is_certain": each.is_certain,
            }
            for each in found.replies
        ],
        "places": [
            {"code": each.code, "from_ms": each.from_ms, "until_ms": each.to_ms}
            for each in found.places
        ],
    }
    newest = connection.execute(
        sa.select(notice_checks)
        .where(notice_checks.c.recording == recording)
        .order_by(notice_checks.c.position.desc())
        .limit(1)
    ).one_or_none()
    if newest is not None and all(getattr(newest, key) == values[key] for key in values):
        return False
    position = 0 if newest is None else newest.position + 1
    connection.execute(
        notice_checks.insert().values(recording=recording, position=position, at=at, **values)
    )
    answer = found.answer
    store.ledger.append(
        connection,
        Kind.RECORDING_CHECKED,
        at,
        call=call.id,
        recording=recording,
        data={
            "verdict": found.verdict.value,
            "proof": proof,
            "elements": sorted(found.heard),
            "missing": sorted(found.missing),
            "detector": hearing.VERSION,
            **({} if found.at_ms is None else {"at_ms": found.at_ms, "by": said_by or OWN}),
            **({} if answer is None else {"answer": answer.label, "answer_ms": answer.from_ms}),
        },
    )
    return True


def history(connection: sa.Connection, recording: str) -> list[KeptCheck]:
    """Every check of a recording, the newest first."""
    query = (
        sa.select(notice_checks)
        .where(notice_checks.c.recording == recording)
        .order_by(notice_checks.c.position.desc())
    )
    return [
        KeptCheck(
            **{name: getattr(row, name) for name in KeptCheck.__slots__ if name != "verdict"},
            verdict=Verdict(row.verdict),
        )
        for row in connection.execute(query)
    ]


def forget(connection: sa.Connection, recording: str) -> None:
    """Remove the checks of a recording that goes; the ledger keeps their verdicts."""
    connection.execute(notice_checks.delete().where(notice_checks.c.recording == recording))


def objected(
    connection: sa.Connection, call: str, recording: str, found: CallCheck
) -> Iterator[Finding]:
    """The first objection in the words that nobody noted and no later yes has answered.

    One that rules are certain of comes before one that is only possible.
    """
    noted = connection.execute(sa.select(consents).where(consents.c.call == call)).all()
    open_ = [each for each in found.objections if not _is_settled(each.from_ms, noted)]
    for reason, is_certain in ((Reason.OBJECTION_HEARD, True), (Reason.OBJECTION_POSSIBLE, False)):
        for each in open_:
            if each.is_certain == is_certain:
                from_ms = max(0, each.from_ms - _AROUND_MS)
                to_ms = each.until_ms + _AROUND_MS
                yield Finding(reason, call, recording, _CONTACT, from_ms=from_ms, to_ms=to_ms)
                break


def _is_settled(said_ms: int, noted: Iterable[Any]) -> bool:
    """Whether a no at a time is on record itself, or a yes after it is."""
    return any(
        (each.kind in ("refused", "withdrawn") and each.at_ms >= said_ms - TURN_MS)
        or (each.kind == "agreed" and each.at_ms > said_ms)
        for each in noted
        if each.party != 0
    )


def _said_by(store: Store, call: str, found: CallCheck) -> str | None:
    """Who gave the notice that was found: whoever the newest telling before its end was by."""
    if found.at_ms is None or found.until_ms is None:
        return None
    tellers = [
        str(data.get("by", OWN))
        for _, entry in store.ledger.entries(call)
        if entry["kind"] == Kind.NOTICE_STARTED.value
        and isinstance(data := entry["data"], dict)
        and int(data["at_ms"]) <= found.until_ms
    ]
    return OWN if not tellers or tellers[-1] == OWN else ANNOUNCEMENT
