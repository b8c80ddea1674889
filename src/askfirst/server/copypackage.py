"""What a copy for a person holds: sound, words, notices, consents, accesses and decisions.

Our side is silent and its lines are left out unless the voice of the agent is wanted. An
`index.html` says all of it in words (`copypage`), and a manifest names every file's SHA-256.
"""

from __future__ import annotations

import logging
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from askfirst.audio.container import decode, encode_ogg_opus
from askfirst.errors import NotFound
from askfirst.ledger import timestamp
from askfirst.model import SAMPLE_RATE_HZ, Role
from askfirst.server import certificate, copies, standingconsents
from askfirst.server.account import Account, account, account_at
from askfirst.server.accounttables import users
from askfirst.server.clock import utc_now
from askfirst.server.copyconcerns import Concern, keeping_out, standing
from askfirst.server.copypage import (
    Answer,
    CallPart,
    CopyPage,
    Notice,
    Opening,
    Signed,
    Sound,
    left_out,
    page_of,
    said_in,
    text_of,
)
from askfirst.server.database import calls, consents, parties, reading, recordings
from askfirst.server.export import Copied, Source, vcon_of_copy
from askfirst.server.forgetting import spellings
from askfirst.server.manifestzip import ManifestZip
from askfirst.server.recordingreader import is_mixed
from askfirst.server.request import INBOUND
from askfirst.server.requestregister import person_of, requests_of
from askfirst.server.standingconsents import StandingConsent
from askfirst.server.store import Store
from askfirst.server.subjectrights import Who, calls_of
from askfirst.server.transcripts import lines_of

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Package:
    source: Source
    wants: Account
    spelled: frozenset[str]
    left_out: Mapping[str, Concern]
    page: CopyPage
    archive: ManifestZip

    def add_call(self, row: Any) -> None:
        """Put everything of a call in."""
        store = self.source.store
        with reading(store.engine) as connection:
            people = connection.execute(sa.select(parties).where(parties.c.call == row.id)).all()
            said = connection.execute(
                sa.select(consents).where(consents.c.call == row.id).order_by(consents.c.ledger)
            ).all()
            kept = connection.execute(
                sa.select(recordings).where(recordings.c.call == row.id).order_by(recordings.c.id)
            ).all()
            roles = {
                each.id: each.roles
                for each in connection.execute(sa.select(users.c.id, users.c.roles))
            }
        entries = [entry for _, entry in store.ledger.entries(row.id)]
        own = {each.number_in_call for each in people if each.number in self.spelled}
        has_others = any(
            each.role == Role.CONTACT.value and each.number_in_call not in own for each in people
        )
        sounds, copied = self._sounds(row, kept)
        part = CallPart(
            call=row.id,
            at=row.answered_at or row.created_at,
            is_inbound=row.direction == INBOUND,
            has_others=has_others,
            notices=self._notices(row, entries),
            answers=[_answer(each) for each in said if each.party in own],
            openings=[_opening(each, roles) for each in entries if _is_access(each)],
            decision=row.decision or {},
            outcome=row.outcome,
            sounds=sounds,
            vcon_file=self._vcon(row, copied, has_others=has_others),
            about_file=f"{row.id}/about.json",
        )
        self.archive.put_json(part.about_file, _about(part))
        self.page.calls.append(part)

    def add_signed(self, consents: Sequence[StandingConsent]) -> None:
        """Put in what the person has agreed to in writing, with what they signed."""
        if not consents:
            return
        self.archive.put_json("standing-consents.json", [_signed(each) for each in consents])
        for each in consents:
            document = standingconsents.read_document(self.source.store, each.id)
            name = self.archive.put(f"standing-consents/{each.id}.{each.form.ending}", document)
            self.page.signed.append(Signed(each.scope.given_on, each.scope.ends_on, name))

    def _notices(self, row: Any, entries: Sequence[Mapping[str, Any]]) -> list[Notice]:
        """The notices with their words: an announcement's by its digest, an agent's as shown.

        An announcement is made again from the settings of its day, or from those of today.
        """
        shown = (row.decision or {}).get("notice") or {}
        language, began = shown.get("language", row.language), row.answered_at or row.created_at
        with reading(self.source.store.engine) as connection:
            settings = (account_at(connection, row.created_at), self.wants)
        tellings = [
            certificate.told(entries, row.decision, each.notice_facts(language))
            for each in settings
        ]
        return [
            Notice(
                began + timedelta(milliseconds=each.at_ms),
                each.by,
                shown.get("text") if each.by == "agent" else each.text or today.text,
                each.digest,
            )
            for each, today in zip(*tellings, strict=True)
        ]

    def _sounds(self, row: Any, kept: Sequence[Any]) -> tuple[list[Sound], Copied | None]:
        """The recordings of a call, and what of the first goes into its vCon."""
        sounds, first = [], None
        for each in kept:
            if each.id in self.left_out:
                sounds.append(Sound(each.id, left_out=self.left_out[each.id]))
                continue
            body, lines = self._heard(row, each.id), self._lines(each.id)
            file = self.archive.put(f"{row.id}/{each.id}.ogg", body)
            words = ""
            if lines is not None:
                self.archive.put_json(f"{row.id}/{each.id}.json", lines)
                text = text_of(self.page.language, lines)
                words = self.archive.put(f"{row.id}/{each.id}.txt", text.encode())
            sounds.append(Sound(each.id, each.expires_at, file, words, lines))
            first = first or Copied(each.id, body, lines)
        return sounds, first

    def _heard(self, row: Any, recording: str) -> bytes:
        sound = self.source.playback.replay(recording)
        if not self.page.is_masked:
            return sound
        samples, _ = decode(sound, SAMPLE_RATE_HZ)
        samples = samples.copy()
        with reading(self.source.store.engine) as connection:
            mixed = is_mixed(connection, recording)
        if mixed:  # our side is on every channel, so nothing of it can be left
            samples[:] = 0
        samples[1 if row.direction == INBOUND else 0] = 0
        return encode_ogg_opus(samples)

    def _lines(self, recording: str) -> list[dict[str, Any]] | None:
        words = lines_of(self.source.store, recording)
        return None if words is None else [self._line(each) for each in words]

    def _line(self, line: Mapping[str, Any]) -> dict[str, Any]:
        if self.page.is_masked and line["speaker"] != "contact":
            said = {key: line[key] for key in ("speaker", "start_ms", "end_ms")}
            return {**said, "text": left_out(self.page.language), "left_out": True}
        return dict(line)

    def _vcon(self, row: Any, copied: Copied | None, *, has_others: bool) -> str:
        """The name of the vCon; empty where it would name others, or the call goes on."""
        if row.ended_at is None or has_others:
            return ""
        found = vcon_of_copy(self.source, row.id, copied)
        return self.archive.put_json(f"{row.id}/call.vcon.json", found)


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
        signed = (
            []
            if person.contact is None
            else standingconsents.of_contact(store.erasures, connection, person.contact)
        )
        wants, spelled = account(connection), spellings(connection, person.numbers)
    out = {each: why for each, (_, why) in kept.items() if why is not None}
    within = {each: stands for each, (stands, why) in kept.items() if why is None}
    # What they signed goes with them, and so does a copy that holds it.
    within |= {each.id: [] for each in signed}
    try:
        if not copies.begin(store, making, within, len(rows)):
            return

        def write(archive: zipfile.ZipFile) -> None:
            page = CopyPage(said_in(found.language), wants.company, at, found.is_masked)
            package = _Package(source, wants, spelled, out, page, ManifestZip(archive))
            for position, row in enumerate(rows, 1):
                package.add_call(row)
                copies.go_on(store, making, position)
            package.add_signed(signed)
            package.archive.finish(page_of(page))

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


def _signed(consent: StandingConsent) -> dict[str, Any]:
    """A standing consent of the page for machines."""
    return {
        "id": consent.id,
        "purposes": sorted(consent.scope.purposes),
        "uses": sorted(consent.scope.uses),
        "elements": sorted(consent.scope.elements),
        "language": consent.language,
        "given_on": consent.scope.given_on.isoformat(),
        "ends_on": consent.scope.ends_on.isoformat(),
        "filed_at": consent.filed_at,
        "is_withdrawn": consent.is_withdrawn,
        "withdrawn_at": consent.withdrawn_at,
        "withdrawn_why": consent.withdrawn_why,
    }


def _answer(row: Any) -> Answer:
    return Answer(row.at, row.kind, row.how, row.proof, row.uses, row.elements, row.notice_sha256)


def _is_access(entry: Mapping[str, Any]) -> bool:
    return str(entry["kind"]).startswith("access.")


def _opening(entry: Mapping[str, Any], roles: Mapping[str, Sequence[str]]) -> Opening:
    """An access by role and purpose: people here are not named to people there."""
    data = entry.get("data") or {}
    person = data.get("person")
    if data.get("share") is not None and person is None:
        who: Sequence[str] = ("guest",)
    else:
        gone = "former" if str(person).startswith("usr_") else "outside"
        who = roles.get(str(person)) or (gone,)
    at = datetime.fromisoformat(str(entry["at"])).astimezone(UTC)
    return Opening(at, str(entry["kind"]), who, data.get("purpose"))


def _about(part: CallPart) -> dict[str, Any]:
    """A call of the page for machines."""
    return {
        "call": part.call,
        "started_at": timestamp(part.at),
        "direction": "inbound" if part.is_inbound else "outbound",
        "notices": [asdict(each) for each in part.notices],
        "consents": [asdict(each) for each in part.answers],
        "accesses": [asdict(each) for each in part.openings],
        "decision": part.decision,
        "outcome": part.outcome,
    }
