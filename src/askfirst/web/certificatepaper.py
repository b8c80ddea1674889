"""The certificate of a call as a paper, in the words of a language."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from askfirst.ledger import Kind
from askfirst.outcome import in_language
from askfirst.server.callreader import CallRecord
from askfirst.server.certificate import Grounds, masked
from askfirst.server.paper import Fact, Paper, Section, Table
from askfirst.server.recordingreader import Erased, file_time
from askfirst.server.sealing import Stretch
from askfirst.web import (
    callwords,
    certificatewords,
    noticepanel,
    recordingview,
    standingwords,
    words,
)
from askfirst.web.recordingview import clock
from askfirst.web.visit import Visit


@dataclass(frozen=True, slots=True)
class Certified:
    """What a certificate is made of. `reasons` are worded in the visit's language."""

    record: CallRecord
    grounds: Grounds
    reasons: Sequence[Mapping[str, Any]]
    stretches: Sequence[Stretch]
    erased: Erased | None
    places: Mapping[str, str]
    has_numbers: bool
    made_at: datetime


def certificate(visit: Visit, found: Certified) -> Paper:
    """The certificate, in the visit's language and with times in the visit's zone and in UTC.

    Of an ordinary call it is one page; rules that did not decide and the entries are its annex.
    """
    sections = (
        _parties(visit, found),
        _rules(visit, found),
        _notices(visit, found),
        _answers(visit, found),
        _recording(visit, found),
        _ledger(visit, found),
    )
    return Paper(
        visit.say("Certificate of consent"),
        visit.language,
        found.made_at,
        _head(visit, found),
        sections,
        visit.say("Made by askfirst from the call’s own records. Not legal advice."),
        annex=_annex(visit, found),
        is_dense=True,
    )


def _head(visit: Visit, found: Certified) -> list[Fact]:
    line = found.record.line
    outcome = visit.say(callwords.OUTCOMES.get(line.outcome or "", words.mark("not over yet")))
    reason = in_language(line.outcome_reason or "", visit.language)
    never = visit.say("never")
    proof = visit.say(certificatewords.PROOFS[line.proof])
    return [
        Fact(visit.say("Call"), line.id, is_code=True),
        Fact(visit.say("Company"), visit.account.company or "–"),
        Fact(visit.say("Began"), _moment(visit, line.created_at)),
        Fact(
            visit.say("Answered"),
            never if line.answered_at is None else _moment(visit, line.answered_at),
        ),
        Fact(
            visit.say("Ended"),
            visit.say("not over yet") if line.ended_at is None else _moment(visit, line.ended_at),
        ),
        Fact(visit.say("Outcome"), f"{outcome}. {reason}".strip() if reason else outcome),
        Fact(visit.say("Proof level"), f"{line.proof} – {proof}"),
        Fact(
            visit.say("Made"),
            visit.say(
                "%(when)s by %(who)s",
                when=_moment(visit, found.made_at),
                who=visit.who.name,
            ),
        ),
    ]


def _parties(visit: Visit, found: Certified) -> Section:
    """Who was on the call; a place is as the newest decision knew it, with its source."""
    decided = (found.record.decision or {}).get("parties", [])
    rows = []
    for each in found.record.parties:
        index = each["number_in_call"]
        places = decided[index]["places"] if index < len(decided) else []
        shown = "; ".join(_place(visit, found, place) for place in places)
        bare = ", ".join(found.places.get(code, code) for code in each["places"])
        rows.append(
            [
                str(index),
                visit.say(certificatewords.ROLES[each["role"]]),
                _who(visit, found, each),
                shown or bare or visit.say("unknown"),
            ]
        )
    columns = [visit.say("No."), visit.say("Role"), visit.say("Who"), visit.say("Place and source")]
    hidden = () if found.has_numbers else (visit.say("Numbers are masked."),)
    return Section(
        visit.say("Parties"), paragraphs=hidden, tables=[Table(columns, rows, (1, 3, 5, 8))]
    )


def _who(visit: Visit, found: Certified, party: Mapping[str, Any]) -> str:
    if party["role"] == "agent":
        name = found.record.line.agent_name if party["number_in_call"] == 0 else None
        return name or visit.say("the program")
    number = party["number"]
    if not number:
        return visit.say("no number")
    return str(number) if found.has_numbers else masked(str(number))


def _place(visit: Visit, found: Certified, place: Mapping[str, str]) -> str:
    name = found.places.get(place["code"], place["code"])
    source = visit.say(certificatewords.SOURCES[place["source"]])
    certainty = visit.say(certificatewords.CERTAINTIES[place["certainty"]])
    return f"{name} ({source}, {certainty})"


def _rules(visit: Visit, found: Certified) -> Section:
    decision = found.record.decision
    title = visit.say("Rules")
    if not decision:
        is_private = found.record.line.is_private
        none = visit.say("No rule was applied: nobody answered.")
        return Section(title, paragraphs=[visit.say("Private call") if is_private else none])
    won = [each for each in found.reasons if each["jurisdiction"] in decision["primary"]]
    book = decision["rulebook"]
    facts = [
        Fact(visit.say("Mode"), visit.say(certificatewords.MODES[decision["mode"]])),
        Fact(
            visit.say("Strictest place"),
            ", ".join(_named(visit, found, code) for code in decision["primary"]),
        ),
        Fact(visit.say("Rulebook"), str(book["version"])),
        Fact(visit.say("Fingerprint"), str(book["fingerprint"]), is_code=True),
    ]
    return Section(title, facts, tables=[_reasons(visit, visit.say("Rules that won"), won)])


def _annex(visit: Visit, found: Certified) -> list[Section]:
    """What the first page rests on, and does not need to be understood."""
    primary = (found.record.decision or {}).get("primary", [])
    weaker = [each for each in found.reasons if each["jurisdiction"] not in primary]
    sections = [_entries(visit, found)] if found.grounds.standings else []
    if weaker:
        title = visit.say("Annex: rules that were weaker here")
        table = _reasons(visit, visit.say("Rules"), weaker)
        sections.append(Section(title, tables=[table]))
    return sections


def _named(visit: Visit, found: Certified, code: str) -> str:
    special = {"UNKNOWN": words.mark("Place unknown"), "POLICY": words.mark("Your own settings")}
    return visit.say(special[code]) if code in special else found.places.get(code, code)


def _reasons(visit: Visit, title: str, reasons: Iterable[Mapping[str, Any]]) -> Table:
    rows = [
        [
            str(each["rule"]),
            str(each["why"]),
            "; ".join(each["cites"]) or "–",
            _standing(visit, each),
        ]
        for each in reasons
    ]
    return Table(
        [title, visit.say("Why"), visit.say("Cites"), visit.say("Sources")], rows, (3, 6, 4, 3)
    )


def _standing(visit: Visit, reason: Mapping[str, Any]) -> str:
    said = visit.say(certificatewords.STANDINGS[reason["standing"]])
    return f"{said}, {reason['reviewed']}" if reason.get("reviewed") else said


def _notices(visit: Visit, found: Certified) -> Section:
    """What people were told; the exact words where they have the digest that was entered."""
    decision = found.record.decision or {}
    facts, quotations, paragraphs = [], list[str](), list[str]()
    for each in found.grounds.told:
        facts.append(
            Fact(
                _at(visit, found, each.at_ms),
                visit.say(certificatewords.TELLERS.get(each.by, words.mark("an announcement"))),
            )
        )
        if each.digest is not None:
            facts.append(Fact(visit.say("SHA-256 of its words"), each.digest, is_code=True))
        if each.text is not None and each.text not in quotations:
            quotations.append(each.text)
    if not found.grounds.told:
        paragraphs.append(visit.say("Nobody was told or asked."))
    text = str((decision.get("notice") or {}).get("text") or "")
    if any(each.digest and each.text is None for each in found.grounds.told):
        paragraphs.append(
            visit.say(
                "The account’s texts have changed since; these words are known by their digest."
            )
        )
    if text and not quotations:
        paragraphs.append(
            visit.say(
                "The notice that was owed, in the language of the call (%(language)s):",
                language=decision["notice"]["language"],
            )
        )
        # A decision is kept with the company left open; its name is the only thing filled in here.
        quotations.append(text.replace("{company}", visit.account.company or "–"))
    return Section(visit.say("Notice"), facts, paragraphs, quotations)


def _answers(visit: Visit, found: Certified) -> Section:
    title = visit.say("Answers")
    if not found.record.consents:
        return Section(title, paragraphs=[visit.say("No answer was noted.")])
    rows = [
        [
            str(each["party"]),
            visit.say(callwords.KINDS[each["kind"]]),
            visit.say(callwords.HOWS.get(each["how"], words.mark("noted"))),
            visit.say(certificatewords.PROOFS[each["proof"]]) if each["proof"] else "–",
            _at(visit, found, each["at_ms"]),
        ]
        for each in found.record.consents
    ]
    papers = standingwords.on_file(each.entry for each in found.grounds.standings)
    facts = [
        Fact(
            visit.say("In writing, on file"),
            visit.say("%(id)s, from %(first)s to %(last)s", id=consent, first=first, last=last),
        )
        for consent, first, last in papers
    ]
    columns = [
        visit.say("No."),
        visit.say("What"),
        visit.say("How"),
        visit.say("Proof"),
        visit.say("When"),
    ]
    return Section(title, facts, tables=[Table(columns, rows, (1, 2, 4, 4, 5))])


def _recording(visit: Visit, found: Certified) -> Section:
    line = found.record.line
    title = visit.say("The recording")
    if line.recording is None:
        return Section(title, paragraphs=[visit.say("Nothing was recorded.")])
    none = visit.say("none")
    first = line.first_contact_ms
    state = visit.say(callwords.RECORDING_STATES[line.recording_state or "spool"])
    facts = [
        Fact(visit.say("The recording"), line.recording, is_code=True),
        Fact(visit.say("State"), state),
        Fact(
            visit.say("First kept sound of theirs"),
            none if first is None else _at(visit, found, first),
        ),
        Fact(visit.say("Pauses"), _pauses(visit, found) or none),
        Fact(visit.say("Legal hold"), visit.say("yes") if line.legal_hold else visit.say("no")),
        Fact(visit.say("Transcript check"), _checked(visit, found)),
        *_heard(visit, found),
    ]
    sealed = [each for each in found.grounds.standings if "sha256" in each.data]
    if sealed:
        digest = str(sealed[-1].data["sha256"]).partition(":")[2]
        facts.append(Fact(visit.say("SHA-256 of the sealed file"), digest, is_code=True))
    if found.erased is not None:
        why = visit.say(recordingview.ERASURES.get(found.erased.reason, words.mark("by rule")))
        when = (
            visit.say("ordered, not yet done")
            if found.erased.at is None
            else _moment(visit, found.erased.at)
        )
        facts.append(Fact(visit.say("Erasure"), f"{when}: {why}"))
    return Section(title, facts)


def _pauses(visit: Visit, found: Certified) -> str:
    said, since, why = list[str](), None, ""
    for each in found.grounds.standings:
        if each.kind == Kind.PAUSE_STARTED.value:
            since, why = int(each.data["at_ms"]), str(each.data.get("reason", ""))
        elif each.kind == Kind.PAUSE_ENDED.value and since is not None:
            said.append(_pause(visit, since, clock(int(each.data["at_ms"])), why))
            since = None
    if since is not None:
        said.append(_pause(visit, since, visit.say("the end"), why))
    return "; ".join(said)


def _pause(visit: Visit, since: int, until: str, why: str) -> str:
    reason = visit.say(recordingview.PAUSES.get(why, words.mark("paused")))
    return f"{clock(since)}–{until} ({reason})"


def _checked(visit: Visit, found: Certified) -> str:
    line = found.record.line
    said = visit.say(certificatewords.VERDICTS.get(line.verdict or "not-needed", "–"))
    return (
        said if line.verdict_at_ms is None else f"{said}, {_at(visit, found, line.verdict_at_ms)}"
    )


def _heard(visit: Visit, found: Certified) -> Iterator[Fact]:
    """Who gave the notice, what of it was heard, and what they answered: codes of the ledger."""
    checks = [each.data for each in found.grounds.standings if each.kind == Kind.RECORDING_CHECKED]
    data: Mapping[str, Any] = checks[-1] if checks else {}
    if "by" in data:
        who = visit.say(noticepanel.SPEAKERS[str(data["by"])])
        yield Fact(visit.say("Said by"), f"{who}, {_at(visit, found, int(data['at_ms']))}")
    for key, label in (("elements", visit.say("Heard in it")), ("missing", visit.say("Not heard"))):
        if named := noticepanel.elements_words(visit, data.get(key, ())):
            yield Fact(label, "; ".join(named))
    if "answer" in data:
        what = visit.say(noticepanel.REPLIES[str(data["answer"]), None])
        when = _at(visit, found, int(data["answer_ms"]))
        yield Fact(visit.say("Reply heard in the transcript"), f"{what}, {when}")


def _ledger(visit: Visit, found: Certified) -> Section:
    grounds, line = found.grounds, found.record.line
    commands = ["askfirst ledger verify"]
    if grounds.standings:
        commands.insert(0, f"askfirst ledger prove {grounds.standings[-1].position}")
    if line.recording is not None:
        commands += [
            f"askfirst recordings export {line.recording} --format bundle --out evidence.zip",
            f"python verify.py evidence.zip --key '{grounds.key}'",
        ]
    return Section(
        visit.say("Ledger"),
        [
            Fact(visit.say("Entries in all"), str(grounds.size)),
            Fact(visit.say("Root"), grounds.root, is_code=True),
            Fact(visit.say("Public key"), grounds.key, is_code=True),
        ],
        [
            visit.say(
                "Every line of the annex is an entry of the append-only ledger (RFC 6962). Compare"
                " the key with one that you were given by another way; these commands check the"
                " rest:"
            )
        ],
        commands=commands,
    )


def _entries(visit: Visit, found: Certified) -> Section:
    rows = [
        [str(each.position), str(each.entry["at"])[:19].replace("T", " "), each.kind, each.leaf]
        for each in found.grounds.standings
    ]
    columns = [visit.say("No."), visit.say("At (UTC)"), visit.say("Kind"), visit.say("Leaf hash")]
    table = Table(columns, rows, (12, 27, 33, 92), frozenset({1, 2, 3}))
    return Section(visit.say("Annex: entries of the ledger"), tables=[table])


def _at(visit: Visit, found: Certified, at_ms: int) -> str:
    """Call time, and where that is in the kept audio."""
    kept = file_time(found.stretches, at_ms)
    place = (
        visit.say("not in the audio")
        if kept is None
        else visit.say("%(at)s in the audio", at=clock(kept))
    )
    return f"{clock(at_ms)} ({place})"


def _moment(visit: Visit, at: datetime) -> str:
    """A moment in the reader's zone and, where that is another, in UTC to the second."""
    exact = f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    local = words.moment(visit.language, at, visit.zone)
    return exact if local.endswith(" UTC") else f"{local} ({exact})"
