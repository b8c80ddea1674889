"""What the ledger of a call allows to exist, and what exists: an account independent of the gate.

Nothing here asks the gate or decides about law. The entries of a call are read one after the
other, each with the decision that stood with the call when it was written. What they allow are
stretches of call time; what exists is found in everything that the keys still open.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from sqlite3 import connect
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from askfirst.server.database import assets, reading, recordings, segments
from askfirst.server.playback import Playback
from askfirst.server.recorder import RECORD, SPOOL_SEGMENT_BYTES
from askfirst.server.store import Store
from askfirst.server.vault import BytesSource, associated_data, recover

FRAME_MS = 20
SAMPLES_PER_MS = 16
SILENT = 64
"""The loudest sample, of 32 768, of what counts as silence behind a lossy codec."""

EDGE_MS = 20
"""How far a lossy codec may smear a sound beyond the stretch of the file that it is in."""

OURS = ("agent", "announcement")
FORMS = ("told", "agreed", "written")
PROVES = {
    ("told", "agent"): 1,
    ("told", "announcement"): 3,
    ("agreed", "agent"): 1,
    ("agreed", "keypad"): 4,
    ("agreed", "spoken"): 5,
    ("written", "written"): 6,
}
"""The best that each way of hearing something can prove."""

ENDS = ("recording.opened", "recording.closed")

_KEPT_DECISIONS = """
CREATE TABLE IF NOT EXISTS decisions_made (position INTEGER PRIMARY KEY, decision TEXT);
CREATE TRIGGER IF NOT EXISTS keep_decision AFTER UPDATE OF decision ON calls
WHEN NEW.decision IS NOT NULL BEGIN
  INSERT OR REPLACE INTO decisions_made
  SELECT max(position), NEW.decision FROM ledger_entries;
END;
"""


def keep_decisions(store: Store) -> None:
    """Have the database keep every decision beside the ledger entry that was written with it."""
    with closing(connect(str(store.engine.url.database))) as connection:
        connection.executescript(_KEPT_DECISIONS)


@dataclass
class Interval:
    """Call time in which a recording may hold a contact's sound, by the ledger's entries alone."""

    recording: str
    permit: int
    from_ms: int
    to_ms: int | None = None
    may_transcribe: bool = False

    def holds(self, from_ms: int, to_ms: int, edge_ms: int = 0) -> bool:
        """Whether it holds a range of call time; one that nothing has ended holds nothing."""
        return (
            self.to_ms is not None
            and self.from_ms - edge_ms <= from_ms
            and to_ms <= self.to_ms + edge_ms
        )


@dataclass
class Standing:
    """How a call stands after some of its entries."""

    roles: dict[int, str] = field(default_factory=dict)
    places: dict[int, set[str]] = field(default_factory=dict)
    machines: set[int] = field(default_factory=set)
    decision: dict[str, Any] | None = None
    given: list[dict[str, Any]] = field(default_factory=list)
    said_no: set[int] = field(default_factory=set)
    acknowledged: set[int] = field(default_factory=set)
    has_ended_notice: bool = False
    is_on: bool = False
    is_private: bool = False
    is_wanted: bool = False
    pauses: int = 0
    is_broken: bool = False
    has_ended: bool = False

    def take(self, entry: dict[str, Any], decision: dict[str, Any] | None) -> list[str]:
        """Take one entry; what is wrong with it by itself."""
        kind, data = entry["kind"], entry["data"]
        party = int(entry.get("party", -1))
        wrong: list[str] = []
        match kind:
            case "party.joined":
                self.roles[party] = data["role"]
                self.places.setdefault(party, set()).update(data["places"])
                self.machines |= {party} if data["machine"] else set()
                self.decision, self.has_ended_notice = None, False
            case "place.learned":
                self.places[party].add(data["code"])
                self.has_ended_notice = False
            case "decision.made":
                self.decision, self.is_broken = decision, False
                self.has_ended_notice = False
                # With whom a private call is stands nowhere, so no decision about them does.
                wrong = [] if self.is_private else self._is_told_otherwise(data)
            case "notice.started" | "notice.cut":
                self.has_ended_notice = False
            case "notice.ended":
                self.has_ended_notice = True
            case "consent.given":
                wrong = self._agree(party, data)
            case "consent.refused" | "consent.withdrawn":
                self.said_no.add(party)
                self.given = [each for each in self.given if each["party"] != party]
                self.has_ended_notice = False
            case "switch.changed":
                self.is_on = data["on"]
            case "acknowledgement.changed":
                self.acknowledged -= {party}
                self.acknowledged |= {party} if data["given"] else set()
            case "call.private":
                self.is_private = True
            case "recording.wanted" | "recording.unwanted":
                self.is_wanted = kind == "recording.wanted"
            case "pause.started" | "pause.ended":
                self.pauses += 1 if kind == "pause.started" else -1
            case "gate.failed":
                self.is_broken = True
            case "call.ended":
                self.has_ended = True
        return wrong

    def _is_told_otherwise(self, data: dict[str, Any]) -> list[str]:
        """Whether the entry of a decision says something else than the decision itself."""
        made = self.decision
        if made is None:
            return ["a decision was entered that does not stand with the call"]
        owed = [f"{each['form']}.{each['proof']}" for each in made["requirements"]]
        is_same = (data["mode"], sorted(data["owed"])) == (made["mode"], sorted(owed))
        return [] if is_same else ["the entry of a decision says something else than it"]

    def _agree(self, party: int, data: dict[str, Any]) -> list[str]:
        form, how = data["form"], data["how"]
        if data["proof"] > PROVES.get((form, how), 0):
            return [f"{form} by {how} was entered as proof {data['proof']}"]
        if how == "written" and "standing" not in data:
            return ["a consent in writing was entered that names none on file"]
        if how not in ("agent", "written") and not self.has_ended_notice:
            return [f"{form} by {how} was entered, and no notice had ended before it"]
        is_unheard = how == "announcement" and self.pauses
        if self.roles.get(party) != "contact" or is_unheard:
            return []
        if form != "told":
            self.said_no.discard(party)
        if party not in self.said_no:
            self.given.append({"party": party, **data})
        return []

    def lacks(self) -> list[str]:
        """Everything for want of which nobody may be recorded now."""
        made, agents = self.decision, {p for p, role in self.roles.items() if role == "agent"}
        if made is None:
            return ["no decision about who is on the call"]
        reasons = {
            "a decision about exactly these people and places": self._located(made) != self.places,
            "a law that allows it": made["mode"] == "forbid",
            "the switch": not self.is_on,
            "a yes after a no": bool(self.said_no),
            "an agent who has read the notice": not agents <= self.acknowledged,
            "a call that is not private": self.is_private,
            "a person and no machine": bool(self.machines),
            "somebody who wants it": not self.is_wanted,
            "the end of a pause": self.pauses != 0,
            "a decision after a failure": self.is_broken,
            "a call that goes on": self.has_ended,
        }
        found = [each for each, is_missing in reasons.items() if is_missing]
        for owed in made["requirements"]:
            if not any(_meets(each, owed) for each in self.given):
                found.append(f"{owed['form']}.{owed['proof']} of party {owed['party']}")
        return found

    def _located(self, made: dict[str, Any]) -> dict[int, set[str]]:
        return {
            index: {place["code"] for place in each["places"]}
            | ({"UNKNOWN"} if each["unknown"] is not None else set())
            for index, each in enumerate(made["parties"])
        }

    def may_transcribe(self) -> bool:
        """Whether nobody who was asked for a yes gave one that leaves transcripts out."""
        owed = {each["party"] for each in (self.decision or {}).get("requirements", ())}
        return owed <= {each["party"] for each in self.given if "transcribe" in each["uses"]}


def _meets(given: dict[str, Any], owed: dict[str, Any]) -> bool:
    return (
        given["party"] == owed["party"]
        and FORMS.index(given["form"]) >= FORMS.index(owed["form"])
        and given["proof"] >= owed["proof"]
        and set(given["uses"]) >= set(owed["uses"])
        and set(given["elements"]) >= set(owed["elements"])
    )


@dataclass
class Account:
    """What the entries of a call allow, and what is wrong with them."""

    intervals: list[Interval] = field(default_factory=list)
    erased: set[str] = field(default_factory=set)
    wrong: list[str] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)


def account_of(store: Store, call: str) -> Account:
    """Read the entries of a call from the first to the last."""
    made, standing, found = _decisions(store), Standing(), Account()
    is_open: Interval | None = None
    now_ms = 0
    entries: list[tuple[int, Any]] = [*store.ledger.entries(call)]
    for position, entry in entries:
        kind, data = entry["kind"], entry["data"]
        now_ms = max(now_ms, data.get("at_ms", 0))
        found.kinds.append(kind)
        wrong = standing.take(entry, made.get(position))
        found.wrong += [f"entry {position}: {each}" for each in wrong]
        lacking = standing.lacks()
        if is_open is not None and (lacking or kind in ENDS):
            is_open.to_ms, is_open = now_ms, None
        if kind == "recording.opened":
            if lacking:
                found.wrong.append(f"entry {position}: opened without {', '.join(lacking)}")
                continue
            is_open = Interval(entry["recording"], data["permit_serial"], data["at_ms"])
            is_open.may_transcribe = standing.may_transcribe()
            found.intervals.append(is_open)
        elif kind == "recording.erased":
            found.erased.add(entry["recording"])
    return found


def _decisions(store: Store) -> dict[int, dict[str, Any]]:
    with store.engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT position, decision FROM decisions_made").all()
    return {position: json.loads(decision) for position, decision in rows}


# What exists


def faults_of_spool(store: Store, call: str, account: Account) -> list[str]:
    """Frames of a contact that lie in the spool and that no entries account for."""
    found = []
    for recording, header, times in _spooled(store):
        if header["call"] != call or header["leg"] in OURS:
            continue
        mine = [each for each in account.intervals if each.recording == recording]
        stray = [at for at in times if not _in_any(mine, at, at + FRAME_MS, FRAME_MS - 1)]
        if header["kind"] != "open" or header["permit"] not in {each.permit for each in mine}:
            stray = times
        if stray:
            leg, first = header["leg"], min(stray)
            found.append(f"{recording}: {len(stray)} frames of {leg} from {first} ms in the spool")
    return found


def _in_any(allowed: list[Interval], from_ms: int, to_ms: int, edge_ms: int) -> bool:
    # What is captured before the end of a permit began within it.
    return any(each.from_ms <= from_ms and each.holds(from_ms, to_ms, edge_ms) for each in allowed)


def _spooled(store: Store) -> Iterator[tuple[str, dict[str, Any], list[int]]]:
    """Recording, header and capture times of every spool file that a key opens."""
    for folder in sorted(store.spool.iterdir()):
        for path in sorted(folder.iterdir()):
            key = store.keys.get(f"{folder.name}/spool/{path.name.split('-')[1]}")
            bound = associated_data(1, folder.name, "spool")
            sealed = BytesSource(path.read_bytes())
            plain = recover(sealed, key, bound, SPOOL_SEGMENT_BYTES).plaintext
            if len(plain) < RECORD.size:
                continue
            (length,) = RECORD.unpack_from(plain)
            at, step = RECORD.size + length, RECORD.size + FRAME_MS * SAMPLES_PER_MS * 2
            header = json.loads(plain[RECORD.size : at])
            ends = range(at + step, len(plain) + 1, step)
            times = [RECORD.unpack_from(plain, end - step)[0] for end in ends]
            yield folder.name, header, times


def faults_of_files(store: Store, call: str, account: Account) -> list[str]:
    """Sounds and words of a contact in what was made of a call that no entries account for."""
    found = []
    with reading(store.engine) as connection:
        rows = connection.execute(
            sa.select(assets.c.kind, recordings.c.id, recordings.c.state)
            .join(recordings, recordings.c.id == assets.c.recording)
            .where(recordings.c.call == call)
        ).all()
    for kind, recording, _ in rows:
        mine = [each for each in account.intervals if each.recording == recording]
        if kind == "audio":
            found += _sounds(store, recording, mine)
        elif kind.endswith("transcript"):
            found += _words(store, recording, kind, mine)
    return found


def _sounds(store: Store, recording: str, mine: list[Interval]) -> list[str]:
    contact = Playback(store).for_cutting(recording)[1]  # the called side
    laid = _laid(store, recording)
    mapped = sum(each.to_ms - each.from_ms for each in laid)
    found = []
    if _loud(contact[mapped * SAMPLES_PER_MS :]):
        found.append(f"{recording}: sound behind everything that the segments name")
    for each in laid:
        first = each.file_ms * SAMPLES_PER_MS
        length = (each.to_ms - each.from_ms) * SAMPLES_PER_MS
        for heard in _loud(contact[first : first + length]):
            at_ms = each.from_ms + heard
            is_edge = heard < EDGE_MS or heard + EDGE_MS >= each.to_ms - each.from_ms
            if not is_edge and not _in_any(mine, at_ms, at_ms + FRAME_MS, EDGE_MS):
                found.append(f"{recording}: the contact is heard at {at_ms} ms")
    return found


def _laid(store: Store, recording: str) -> Sequence[Any]:
    """Which call time each part of the file is, in its order."""
    query = sa.select(segments).where(segments.c.recording == recording)
    with reading(store.engine) as connection:
        return connection.execute(query.order_by(segments.c.file_ms)).all()


def _loud(samples: NDArray[np.int16]) -> list[int]:
    """Where, in ms, each stretch of 20 ms begins that is not silent."""
    step = FRAME_MS * SAMPLES_PER_MS
    starts = range(0, len(samples), step)
    return [
        at // SAMPLES_PER_MS
        for at in starts
        if np.abs(samples[at : at + step].astype(np.int32)).max() > SILENT
    ]


def _words(store: Store, recording: str, kind: str, mine: list[Interval]) -> list[str]:
    may = [each for each in mine if each.may_transcribe]
    laid = _laid(store, recording)
    kept = json.loads(Playback(store).asset(recording, kind) or b"[]")
    return [
        f"{recording}: a word of the contact at {word[1]} ms in the {kind}"
        for said in kept
        if said["speaker"] != "agent"
        for word in said["words"]
        if not _is_heard(laid, may, word[1], word[2])
    ]


def _is_heard(laid: Sequence[Any], may: list[Interval], from_ms: int, to_ms: int) -> bool:
    """Whether a word begins and ends in what was kept, and each kept part of it was allowed.

    One that was spoken while the gate shut and opened again lies in two parts of the file.
    """
    parts = [
        (max(from_ms, each.from_ms), min(to_ms, each.to_ms))
        for each in laid
        if each.from_ms < to_ms and from_ms < each.to_ms
    ]
    if not parts or (parts[0][0], parts[-1][1]) != (from_ms, to_ms):
        return False
    return all(_in_any(may, *part, FRAME_MS) for part in parts)


def faults_of_erasure(store: Store, account: Account) -> list[str]:
    """What is left of recordings that the ledger says were erased."""
    left: dict[str, Callable[[str], bool]] = {
        "keys": lambda each: bool(store.keys.of_recording(each)),
        "objects": lambda each: any(n.startswith(f"{each}/") for n in store.blobs.names()),
        "a spool": lambda each: (store.spool / each).exists(),
    }
    return [
        f"{recording}: {what} left after its erasure"
        for recording in sorted(account.erased)
        for what, is_left in left.items()
        if is_left(recording)
    ]
