"""What a copy for a person holds: sound, words, consents, accesses and decisions of their calls.

Our side is silent and its lines are left out unless the voice of the agent is wanted. An
`index.html` can be read without network or script, and a manifest names every file's SHA-256.
"""

from __future__ import annotations

import hashlib
import json
import logging
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from html import escape
from typing import Any

import sqlalchemy as sa

from askfirst.audio.container import decode, encode_ogg_opus
from askfirst.errors import NotFound
from askfirst.ledger import timestamp
from askfirst.model import SAMPLE_RATE_HZ, Role
from askfirst.server import copies
from askfirst.server.clock import utc_now
from askfirst.server.copyconcerns import Concern, keeping_out, standing
from askfirst.server.database import calls, consents, parties, reading, recordings
from askfirst.server.export import Source, vcon_of
from askfirst.server.forgetting import spellings
from askfirst.server.requestregister import person_of, requests_of
from askfirst.server.store import Store
from askfirst.server.subjectrights import Who, calls_of

log = logging.getLogger(__name__)

_TEXTS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "title": "Copy of what is kept about your calls",
        "made": "Made on",
        "call": "Call of",
        "sound": "Recording",
        "words": "Transcript",
        "vcon": "Machine-readable summary (vCon)",
        "about": "Consents, accesses and decision",
        "masked": "Our side is silent in the recordings and left out of the transcripts.",
        "others": "Somebody else took part in this call as well; their voice is on the same "
        "channel as yours.",
        "none": "There is no recording of this call.",
        "not-ready": "The recording of this call is not in the copy; its state is",
        "left-out": "[line of our side left out]",
        "you": "You",
        "us": "We",
    },
    "nb": {
        "title": "Kopi av det som er lagret om samtalene dine",
        "made": "Laget",
        "call": "Samtale",
        "sound": "Opptak",
        "words": "Utskrift",
        "vcon": "Maskinlesbart sammendrag (vCon)",
        "about": "Samtykker, innsyn og avgjørelse",
        "masked": "Vår side er stum i opptakene og utelatt fra utskriftene.",
        "others": "Noen andre deltok også i denne samtalen; stemmen deres er på samme kanal som "
        "din.",
        "none": "Det finnes ikke noe opptak av denne samtalen.",
        "not-ready": "Opptaket av denne samtalen er ikke med i kopien; tilstanden er",
        "left-out": "[linje fra vår side utelatt]",
        "you": "Du",
        "us": "Vi",
    },
}


@dataclass(slots=True)
class _Package:
    node: Source
    person: Who
    is_masked: bool
    language: str
    at: datetime
    archive: zipfile.ZipFile
    manifest: dict[str, str] = field(default_factory=dict)
    page: list[str] = field(default_factory=list)
    left_out: dict[str, Concern] = field(default_factory=dict)

    def say(self, key: str) -> str:
        return _TEXTS[self.language][key]

    def put(self, name: str, data: bytes) -> None:
        self.archive.writestr(name, data)
        self.manifest[name] = hashlib.sha256(data).hexdigest()

    def put_json(self, name: str, found: object) -> None:
        text = json.dumps(found, ensure_ascii=False, indent=1, default=_plain)
        self.put(name, text.encode())

    def link(self, name: str, key: str) -> None:
        self.page.append(f'<li><a href="{escape(name)}">{escape(self.say(key))}</a></li>')

    def add_call(self, row: Any) -> None:
        started = escape(timestamp(row.answered_at or row.created_at))
        self.page.append(f"<section><h2>{escape(self.say('call'))} {started}</h2>")
        with reading(self.node.store.engine) as connection:
            people = connection.execute(sa.select(parties).where(parties.c.call == row.id)).all()
            spelled = spellings(connection, self.person.numbers)
            said = connection.execute(
                sa.select(consents).where(consents.c.call == row.id).order_by(consents.c.ledger)
            ).all()
            kept = connection.execute(
                sa.select(recordings).where(recordings.c.call == row.id)
            ).all()
        others = [
            each
            for each in people
            if each.role == Role.CONTACT.value and each.number not in spelled
        ]
        own = {each.number_in_call for each in people if each.number in spelled}
        if others:
            self.page.append(f"<p>{escape(self.say('others'))}</p>")
        if not kept:
            self.page.append(f"<p>{escape(self.say('none'))}</p>")
        self.page.append("<ul>")
        for each in kept:
            self._add_recording(row, each)
        self.put_json(f"{row.id}/about.json", self._about(row, [c for c in said if c.party in own]))
        self.link(f"{row.id}/about.json", "about")
        if row.ended_at is not None and not others:
            # Where others took part it would name them.
            self.put_json(f"{row.id}/call.vcon.json", vcon_of(self.node, row.id, has_sound=False))
            self.link(f"{row.id}/call.vcon.json", "vcon")
        self.page.append("</ul></section>")

    def _add_recording(self, row: Any, kept: Any) -> None:
        if kept.id in self.left_out:
            said = f"{self.say('not-ready')}: {self.left_out[kept.id]}"
            self.page.append(f"<li>{escape(said)}</li>")
            return
        playback = self.node.playback
        sound = playback.replay(kept.id)
        if self.is_masked:
            samples, _ = decode(sound, SAMPLE_RATE_HZ)
            samples = samples.copy()
            samples[0 if row.direction == "outbound" else 1] = 0
            sound = encode_ogg_opus(samples)
        self.put(f"{row.id}/{kept.id}.ogg", sound)
        self.link(f"{row.id}/{kept.id}.ogg", "sound")
        words = playback.asset(kept.id, "transcript")
        if words is None:
            return
        lines = [self._line(each) for each in json.loads(words)]
        self.put_json(f"{row.id}/{kept.id}.json", lines)
        text = "\n".join(
            f"{self.say('you' if each['speaker'] == 'contact' else 'us')}: {each['text']}"
            for each in lines
        )
        self.put(f"{row.id}/{kept.id}.txt", text.encode())
        self.link(f"{row.id}/{kept.id}.txt", "words")

    def _line(self, line: Mapping[str, Any]) -> dict[str, Any]:
        said = {key: line[key] for key in ("speaker", "start_ms", "end_ms", "text")}
        if self.is_masked and line["speaker"] != "contact":
            return {**said, "text": self.say("left-out"), "left_out": True}
        return said

    def _about(self, row: Any, said: Sequence[Any]) -> dict[str, Any]:
        accesses = [
            {"at": entry["at"], "kind": entry["kind"], "purpose": _data(entry).get("purpose")}
            for _, entry in self.node.store.ledger.entries(row.id)
            if str(entry["kind"]).startswith("access.")
        ]
        return {
            "call": row.id,
            "started_at": timestamp(row.answered_at or row.created_at),
            "consents": [
                {
                    "at": timestamp(each.at),
                    "kind": each.kind,
                    "how": each.how,
                    "proof": each.proof,
                    "uses": each.uses,
                    "elements": each.elements,
                    "notice_sha256": each.notice_sha256,
                }
                for each in said
            ],
            "accesses": accesses,
            "decision": row.decision,
            "outcome": row.outcome,
        }

    def finish(self) -> None:
        head = escape(self.say("title"))
        made = f"{escape(self.say('made'))} {escape(timestamp(self.at))}"
        masked = f"<p>{escape(self.say('masked'))}</p>" if self.is_masked else ""
        page = (
            f'<!doctype html><html lang="{self.language}"><head><meta charset="utf-8">'
            f"<title>{head}</title></head><body><h1>{head}</h1><p>{made}</p>{masked}"
            f"{''.join(self.page)}</body></html>"
        )
        self.put("index.html", page.encode())
        self.archive.writestr("manifest.json", json.dumps(self.manifest, indent=1, sort_keys=True))


def make(source: Source, making: str, at: datetime) -> None:
    """Make the copy that a making is of; safe to repeat, which begins anew.

    Recordings that may not be heard are left out, and the index says so. A making that was ordered
    anew, or of which a recording was erased meanwhile, is given up. Raises NotFound where nothing
    is kept by which the person could be found, and what reading and storing raise.
    """
    store = source.store
    with reading(store.engine) as connection:
        found = copies.of_making(connection, making)
        if found is None:
            return
        person = person_of(store, connection, found.request)
        if person is None:
            raise NotFound("nothing is kept any more by which this person could be found")
        theirs = calls.c.id.in_(calls_of(connection, person))
        rows = connection.execute(sa.select(calls).where(theirs).order_by(calls.c.id)).all()
        kept = _kept(store, connection, person, [row.id for row in rows])
    within = {each: stands for each, (stands, out) in kept.items() if out is None}
    try:
        if not copies.begin(store, making, within, len(rows)):
            return

        def write(archive: zipfile.ZipFile) -> None:
            spoken = found.language if found.language in _TEXTS else "en"
            package = _Package(source, person, found.is_masked, spoken, at, archive)
            package.left_out = {each: out for each, (_, out) in kept.items() if out is not None}
            for position, row in enumerate(rows, 1):
                package.add_call(row)
                copies.go_on(store, making, position)
            package.finish()

        copies.fill(store, making, write, utc_now())
    except copies.Superseded:
        log.info("copy.given-up making=%s", making)


def _kept(
    store: Store, connection: sa.Connection, person: Who, of_calls: Sequence[str]
) -> dict[str, tuple[list[str], Concern | None]]:
    """Every recording of calls with what stands against it, and what keeps it out."""
    mine = {f"{Concern.RESTRICTED}:{each.id}" for each in requests_of(store, connection, person)}
    spelled = spellings(connection, person.numbers)
    found: dict[str, tuple[list[str], Concern | None]] = {}
    for call in of_calls:
        people = connection.execute(sa.select(parties).where(parties.c.call == call)).all()
        own = {
            f"{Concern.OBJECTED}:{each.number_in_call}" for each in people if each.number in spelled
        }
        kept = sa.select(recordings.c.id).where(recordings.c.call == call)
        for recording in connection.execute(kept.order_by(recordings.c.id)).scalars():
            stands = standing(store, connection, recording)
            found[recording] = (stands, keeping_out(stands, own | mine))
    return found


def _data(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    found = entry.get("data")
    return found if isinstance(found, dict) else {}


def _plain(value: object) -> str:
    return timestamp(value) if isinstance(value, datetime) else str(value)
