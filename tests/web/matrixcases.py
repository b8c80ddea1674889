"""What each route that names a thing needs, what it is asked, and what it answers who may ask.

How far a permission goes is not written here: that is the table in `askfirst.server.access`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from tests.web.matrix import Relation

from askfirst.server.access import TABLE, Permission, Reach, UserRole
from askfirst.server.clock import utc_now

P = Permission
API = "/api/v1"
Route = tuple[str, str]


class Rule(StrEnum):
    """Whom a thing is there for, besides what permissions say."""

    REACHED = "whoever reaches it"
    OWNERS = "its owner, refused to others"
    HIDDEN = "its owner, not there for others"
    PUBLIC = "anybody, signed in or not"


@dataclass(frozen=True)
class Case:
    """One route. `good` is the status for those who may.

    `opens` is the kind of access that it writes down. `says` is in a refusal that whoever may ask
    gets all the same, because of the call and not of who asks.
    """

    needs: tuple[Permission, ...] = ()
    good: int = 200
    rule: Rule = Rule.REACHED
    json: Mapping[str, object] | None = None
    form: Mapping[str, object] | None = None
    opens: str = ""
    says: str = ""
    path: str = ""
    is_live: bool = False
    has_browser: bool = False
    is_stream: bool = False
    by_link: bool = False

    def may(self, role: UserRole, relation: Relation) -> bool:
        """Whether somebody of a role may ask, by the table alone."""
        if self.rule in (Rule.OWNERS, Rule.HIDDEN) and relation is not Relation.OWNER:
            return False
        return all(reaches(role, relation, each) for each in self.needs)

    def refusal(self, role: UserRole) -> int:
        """The status for somebody of a role who may not ask."""
        has_all = all(TABLE[role].get(each, Reach.NONE) for each in self.needs)
        return 404 if self.rule is Rule.HIDDEN and has_all else 403

    def body(self) -> dict[str, Any]:
        """What the request carries."""
        if self.json is not None:
            return {"json": dict(self.json)}
        return {"data": dict(self.form)} if self.form is not None else {}


def reaches(role: UserRole, relation: Relation, permission: Permission) -> bool:
    """Whether a permission of a role goes as far as something of the owner."""
    match TABLE[role].get(permission, Reach.NONE):
        case Reach.ALL:
            return True
        case Reach.TEAM:
            return relation in (Relation.OWNER, Relation.SAME_TEAM)
        case Reach.OWN:
            return relation is Relation.OWNER
        case _:
            return False


def _live(good: int = 200, says: str = "", **given: object) -> Case:
    """An act in a live call, which is its agent's alone."""
    return Case((P.CALLS_MAKE,), good, Rule.OWNERS, json=given or None, says=says, is_live=True)


WHY = {"reason": "a claim that is being looked at"}
LINK = {"purpose": "dispute", "seconds": 60}
PERSON = {
    "name": "Target", "email": "target@example.org", "roles": "agent", "language": "en"
}  # fmt: skip
WORDS = {"purpose": "dispute", "revision": "0"}
PAUSING = (P.CALLS_PAUSE,)
LISTEN, EXPORT, HOLD = P.RECORDINGS_LISTEN, P.RECORDINGS_EXPORT, P.RECORDINGS_HOLD
PLAYED, READ, EXPORTED = "access.played", "access.read", "access.exported"
CERTIFIED = "access.certified"
ORIGINAL = "access.original"
LIVE_CALL = f"{API}/calls/{{call}}"
RECORDING = f"{API}/recordings/{{recording}}"
CONTACT = f"{API}/contacts/{{contact}}"
SIGNED = "/contacts/{contact}/standing-consents"
PAPER = {
    "purposes": ["training"],
    "uses": ["record"],
    "elements": ["intent_to_record"],
    "language": "en",
    "given_on": utc_now().date().isoformat(),
    "filed_at": "the archive",
}
BY_TELEPHONE = "over a telephone line only"
OWN_PASSKEY = "/me/security/passkeys/{passkey}"
PROMPT = "/settings/prompts/{language}/{digest}"

_PUBLIC = {
    ("GET", f"{API}/jurisdictions/{{code}}"): Case(rule=Rule.PUBLIC),
    ("GET", "/rules/{code}"): Case(rule=Rule.PUBLIC),
    ("GET", "/demo/{token}"): Case(rule=Rule.PUBLIC, good=404),
    ("POST", "/demo/{token}"): Case(rule=Rule.PUBLIC, good=404),
    ("GET", "/welcome/{token}"): Case(rule=Rule.PUBLIC, good=403),
    ("POST", "/welcome/{token}"): Case(
        rule=Rule.PUBLIC, good=403, form={"password": "longer than twelve", "again": "x"}
    ),
    ("GET", "/setup/{token}"): Case(rule=Rule.PUBLIC, good=403),
    ("GET", "/shared/{token}"): Case(rule=Rule.PUBLIC, good=403),
    ("POST", "/shared/{token}"): Case(rule=Rule.PUBLIC, good=403, form={"code": "12345678"}),
    ("GET", "/shared/{token}/audio"): Case(rule=Rule.PUBLIC, good=403),
    ("POST", "/setup/{token}"): Case(rule=Rule.PUBLIC, good=403, form={"name": "Somebody"}),
    ("POST", f"{API}/twilio/voice/{{worker}}"): Case(rule=Rule.PUBLIC, good=403),
}
_RECORDED = {
    ("GET", "/calls/{call}"): Case((P.CALLS_READ,)),
    ("GET", "/calls/{call}/certificate"): Case((P.CERTIFICATES_READ,), opens=CERTIFIED),
    ("GET", "/calls/{call}/certificate.pdf"): Case((P.CERTIFICATES_READ,), opens=CERTIFIED),
    ("GET", LIVE_CALL): Case((P.CALLS_READ,)),
    ("GET", RECORDING): Case((P.CALLS_READ,)),
    ("POST", "/calls/{call}/original"): Case(
        (P.ORIGINALS_OPEN, LISTEN, P.CALLS_READ),
        form={"purpose": "dispute", **WHY},
        opens=ORIGINAL,
    ),
    ("POST", f"{RECORDING}/originals"): Case(
        (P.ORIGINALS_OPEN, LISTEN), good=201, json={"purpose": "dispute", **WHY}, opens=ORIGINAL
    ),
    ("POST", "/calls/{call}/listen"): Case(
        (LISTEN, P.CALLS_READ), form={"purpose": "dispute"}, opens=READ
    ),
    ("POST", "/calls/{call}/export"): Case(
        (EXPORT, P.CALLS_READ), form={"purpose": "dispute", "wanted": "audio"}, opens=EXPORTED
    ),
    ("POST", "/calls/{call}/shares"): Case(
        (EXPORT, P.CALLS_READ), 422, form={"recipient": "x", "purpose": "dispute", "hours": "24"}
    ),
    ("POST", "/calls/{call}/shares/{share}/end"): Case(
        (EXPORT, P.CALLS_READ), 404, path="/calls/{call}/shares/shr_none/end"
    ),
    ("POST", "/calls/{call}/hold"): Case((HOLD, P.CALLS_READ), 303, form=WHY),
    ("POST", "/calls/{call}/release"): Case((HOLD, P.CALLS_READ), 303, form=WHY),
    ("GET", "/calls/{call}/erase"): Case((P.ERASURE_MANAGE, P.CALLS_READ)),
    ("POST", "/calls/{call}/erase"): Case(
        (P.ERASURE_MANAGE, P.CALLS_READ), 303, path="/calls/{spare}/erase"
    ),
    ("POST", f"{RECORDING}/links"): Case((LISTEN,), 201, json=LINK),
    ("DELETE", f"{RECORDING}/links/{{link}}"): Case(
        (LISTEN,), 404, path=f"{RECORDING}/links/lnk_none"
    ),
    ("GET", f"{RECORDING}/audio"): Case((LISTEN,), opens=PLAYED, by_link=True),
    ("GET", f"{RECORDING}/transcript"): Case((LISTEN,), opens=READ),
    ("POST", "/calls/{call}/transcript/again"): Case(
        (P.TRANSCRIPTS_WRITE, P.CALLS_READ), 403, says="cannot be transcribed again"
    ),
    ("PUT", f"{RECORDING}/transcript"): Case((P.TRANSCRIPTS_WRITE, LISTEN), json={"revision": 0}),
    ("POST", f"{RECORDING}/transcript"): Case((P.TRANSCRIPTS_WRITE, LISTEN), 422),
    ("POST", "/calls/{call}/transcript"): Case(
        (P.TRANSCRIPTS_WRITE, LISTEN, P.CALLS_READ), form=WORDS, opens=READ
    ),
    ("POST", "/calls/{call}/transcript/machine"): Case(
        (P.TRANSCRIPTS_WRITE, LISTEN, P.CALLS_READ), form=WORDS, opens=READ
    ),
    ("POST", "/calls/{call}/transcript/file"): Case(
        (P.TRANSCRIPTS_WRITE, LISTEN, P.CALLS_READ),
        422,
        form={**WORDS, "times": "call"},
        opens=READ,
    ),
    ("GET", f"{RECORDING}/peaks"): Case((LISTEN,), opens=READ),
    ("GET", f"{RECORDING}/vcon"): Case((EXPORT, LISTEN), opens=EXPORTED, by_link=True),
    ("GET", f"{RECORDING}/bundle"): Case((EXPORT, LISTEN), opens=EXPORTED, by_link=True),
    ("PUT", f"{RECORDING}/hold"): Case((HOLD,), json=WHY),
    ("DELETE", f"{RECORDING}/hold"): Case((HOLD,), json=WHY),
}
_NOTES = {
    ("GET", "/calls/{call}/notes"): Case((P.CALLS_READ,)),
    ("GET", f"{LIVE_CALL}/notes"): Case((P.CALLS_READ,)),
    ("POST", "/calls/{call}/notes"): Case(
        (P.CALLS_MAKE, P.CALLS_READ), 409, Rule.OWNERS, form={"version": "0", "notes": "x"}
    ),
    ("POST", "/calls/{call}/notes/draft"): Case(
        (P.CALLS_MAKE, P.CALLS_READ), 422, Rule.OWNERS, form={"version": "0", "notes": "x"}
    ),
    ("PUT", f"{LIVE_CALL}/notes"): Case(
        (P.CALLS_MAKE, P.CALLS_READ), 409, Rule.OWNERS, json={"version": 0, "notes": "x"}
    ),
    ("POST", "/follow-ups/{follow_up}/done"): Case((P.CONTACTS_WRITE, P.CALLS_READ), 303),
    ("POST", "/calls/views/{view}/delete"): Case((P.CALLS_READ,), 303, Rule.HIDDEN),
    ("POST", "/search/views/{view}/delete"): Case((P.CALLS_READ,), 303, Rule.HIDDEN),
    ("DELETE", f"{API}/tokens/{{token}}"): Case((), 204, Rule.HIDDEN),
}
TRACKER = "/settings/trackers/{tracker}"
BIRDS = {"version": "7", "team": "north", "name": "Birds", "phrases.en": "wren"}
_TRACKERS = {
    ("GET", f"{LIVE_CALL}/figures"): Case((P.CALLS_READ,)),
    ("POST", TRACKER): Case((P.TRACKERS_MANAGE,), 409, form=BIRDS),
    ("POST", f"{TRACKER}/end"): Case((P.TRACKERS_MANAGE,), 409, form={"version": "7"}),
    ("PATCH", f"{API}/trackers/{{tracker}}"): Case((P.TRACKERS_MANAGE,), json={"version": 1}),
    ("DELETE", f"{API}/trackers/{{tracker}}"): Case((P.TRACKERS_MANAGE,), 409, json={"version": 7}),
}
REQUEST = "/compliance/requests/{request_id}"
_REQUESTS = {
    ("GET", REQUEST): Case((P.ERASURE_MANAGE,)),
    ("POST", REQUEST): Case((P.ERASURE_MANAGE,), 303, form={"wanted": "lift"}),
    ("PATCH", f"{API}/subject-requests/{{request_id}}"): Case(
        (P.ERASURE_MANAGE,), json={"step": "lift"}
    ),
    # Nothing is made where nobody is found; `test_copies` downloads what is made.
    ("POST", f"{API}/subject-requests/{{request_id}}/copy"): Case(
        (P.ERASURE_MANAGE,), 404, json={}, path=f"{API}/subject-requests/req_none/copy"
    ),
    ("GET", f"{API}/subject-requests/{{request_id}}/copy"): Case((P.ERASURE_MANAGE,), 404),
    ("GET", f"{API}/subject-requests/{{request_id}}/copy/state"): Case((P.ERASURE_MANAGE,), 404),
    ("POST", f"{REQUEST}/copy"): Case(
        (P.ERASURE_MANAGE,), 404, form={}, path="/compliance/requests/req_none/copy"
    ),
    ("GET", f"{REQUEST}/copy.zip"): Case((P.ERASURE_MANAGE,), 404),
    # The request is a contact's; `test_owndata` downloads what is made.
    ("GET", "/me/data/{request_id}/package.zip"): Case((), 404),
}
ASKED = {"decision": "ask-agent", "comment": "Did you tell them?"}
RUDE = {"text": "They were rude"}
_QUEUE = {
    ("GET", "/compliance/items/{item}"): Case((P.QUEUE_READ,)),
    ("POST", "/compliance/items/{item}"): Case((P.QUEUE_DECIDE,), 303, form=ASKED),
    ("GET", "/compliance/items/{item}/sound"): Case((P.QUEUE_DECIDE,), opens=PLAYED),
    ("POST", f"{API}/queue/{{item}}/decision"): Case((P.QUEUE_DECIDE,), json=ASKED),
    ("POST", "/compliance/approvals/{proposal}"): Case((P.SETTINGS_WRITE,), 422, form={}),
    ("POST", f"{API}/approvals/{{proposal}}/approve"): Case((P.SETTINGS_WRITE,), says="proposal"),
    ("POST", f"{API}/approvals/{{proposal}}/decline"): Case((P.SETTINGS_WRITE,), says="proposal"),
    ("POST", "/me/questions/{item}"): Case((), 303, Rule.OWNERS, form={"text": "I did"}),
    ("POST", "/calls/{call}/complaint"): Case((P.CALLS_READ,), 303, form=RUDE),
    ("POST", f"{LIVE_CALL}/complaint"): Case((P.CALLS_READ,), 201, json=RUDE),
}
_COACH = (P.COACHING_WRITE, LISTEN)
_LIST = "/playlists/{playlist}"
_WORDS = {"text": "well said"}
_SPAN = {"from_ms": 3_000, "to_ms": 5_000}
_NAMED = {"name": "Objections", "version": 1}
_COACHING = {
    ("GET", "/calls/{call}/coaching"): Case((LISTEN,)),
    # Switched off: refused to whoever may ask as well, and so is one's own call.
    ("POST", "/calls/{call}/checklists"): Case(
        (P.CHECKLISTS_WRITE, LISTEN), 403, form={"template": "quest_none"}
    ),
    ("POST", "/calls/{call}/checklists/{checklist}/delete"): Case(
        (P.CHECKLISTS_WRITE, LISTEN), 404, form={}, path="/calls/{call}/checklists/no/delete"
    ),
    ("POST", "/checklists/{template}/end"): Case((P.CHECKLISTS_WRITE,), 303, form={}),
    ("POST", "/me/checklists/{checklist}"): Case(
        (), 404, form={"text": "I did"}, path="/me/checklists/check_none"
    ),
    ("POST", "/calls/{call}/comments"): Case(_COACH, 303, form={**_WORDS, "at": "0:03"}),
    ("POST", "/calls/{call}/comments/{comment}"): Case(
        _COACH, 303, Rule.OWNERS, form={**_WORDS, "version": "1"}
    ),
    ("POST", "/calls/{call}/comments/{comment}/delete"): Case(_COACH, 303, Rule.OWNERS, form={}),
    ("POST", "/calls/{call}/comments/{comment}/resolve"): Case(_COACH, 303, form={"done": "yes"}),
    ("POST", "/calls/{call}/clips"): Case(_COACH, 303, form={"from": "0:03", "to": "0:05"}),
    ("POST", "/calls/{call}/clips/{clip}/add"): Case(_COACH, 404, form={"playlist": "list_none"}),
    ("POST", "/calls/{call}/clips/{clip}/delete"): Case(_COACH, 303, Rule.OWNERS, form={}),
    ("GET", "/clips/{clip}/sound"): Case((LISTEN,), opens=PLAYED),
    ("GET", _LIST): Case((LISTEN,), rule=Rule.HIDDEN),
    ("POST", _LIST): Case(_COACH, 303, Rule.HIDDEN, form=_NAMED),
    ("POST", f"{_LIST}/delete"): Case(_COACH, 303, Rule.HIDDEN, form={}),
    ("POST", f"{_LIST}/clips/{{clip}}"): Case(_COACH, 303, Rule.HIDDEN, form={"do": "up"}),
    ("GET", f"{LIVE_CALL}/comments"): Case((LISTEN,)),
    ("POST", f"{LIVE_CALL}/comments"): Case(_COACH, 201, json={**_WORDS, "from_ms": 3_000}),
    ("PATCH", f"{LIVE_CALL}/comments/{{comment}}"): Case(
        _COACH, 200, Rule.OWNERS, json={**_WORDS, "version": 1}
    ),
    ("DELETE", f"{LIVE_CALL}/comments/{{comment}}"): Case(_COACH, 204, Rule.OWNERS),
    ("GET", f"{LIVE_CALL}/clips"): Case((LISTEN,)),
    ("POST", f"{LIVE_CALL}/clips"): Case(_COACH, 201, json=_SPAN),
    ("DELETE", f"{LIVE_CALL}/clips/{{clip}}"): Case(_COACH, 204, Rule.OWNERS),
    ("GET", f"{API}/clips/{{clip}}/sound"): Case((LISTEN,), opens=PLAYED),
    ("GET", f"{API}{_LIST}"): Case((LISTEN,), rule=Rule.HIDDEN),
    ("PATCH", f"{API}{_LIST}"): Case(_COACH, 200, Rule.HIDDEN, json=_NAMED),
    ("DELETE", f"{API}{_LIST}"): Case(_COACH, 204, Rule.HIDDEN),
    ("POST", f"{API}{_LIST}/clips"): Case(_COACH, 404, Rule.HIDDEN, json={"clip": "clip_none"}),
    ("PATCH", f"{API}{_LIST}/clips/{{clip}}"): Case(_COACH, 200, Rule.HIDDEN, json={"move": "up"}),
    ("DELETE", f"{API}{_LIST}/clips/{{clip}}"): Case(_COACH, 204, Rule.HIDDEN),
}
_CONTACTS = {
    ("GET", "/contacts/{contact}"): Case((P.CONTACTS_READ,)),
    ("GET", CONTACT): Case((P.CONTACTS_READ,)),
    ("GET", "/contacts/{contact}/edit"): Case((P.CONTACTS_WRITE,)),
    ("POST", "/contacts/{contact}/edit"): Case((P.CONTACTS_WRITE,), 422, form={"name": "Nora"}),
    ("POST", "/contacts/{contact}/never-record"): Case((P.CONTACTS_WRITE,), 303, form={}),
    ("POST", "/contacts/{contact}/places"): Case(
        (P.CONTACTS_WRITE,), 303, form={"code": "NO", "source": "stated"}
    ),
    ("POST", "/contacts/{contact}/archive"): Case((P.CONTACTS_WRITE,), 303),
    ("POST", "/contacts/{contact}/restore"): Case((P.CONTACTS_WRITE,), 303),
    ("PATCH", CONTACT): Case((P.CONTACTS_WRITE,), json={"company": "Harbor"}),
    ("DELETE", CONTACT): Case((P.CONTACTS_WRITE,)),
    ("POST", f"{CONTACT}/never-record"): Case((P.CONTACTS_WRITE,), json={}),
    ("DELETE", f"{CONTACT}/never-record"): Case((P.CONTACTS_WRITE,)),
    ("GET", f"{SIGNED}/new"): Case((P.CONSENTS_FILE,)),
    ("POST", SIGNED): Case((P.CONSENTS_FILE,), 422, form={"language": "en"}),
    ("POST", f"{SIGNED}/{{standing}}/withdraw"): Case((P.CONSENTS_WITHDRAW,), 303, form={}),
    ("GET", f"{SIGNED}/{{standing}}/document"): Case((P.CONSENTS_FILE,)),
    ("GET", f"{API}{SIGNED}"): Case((P.CONTACTS_READ,)),
    ("POST", f"{API}{SIGNED}"): Case((P.CONSENTS_FILE,), 201, json=PAPER),
    ("POST", f"{API}{SIGNED}/{{standing}}/withdraw"): Case((P.CONSENTS_WITHDRAW,), json={}),
    ("GET", f"{API}{SIGNED}/{{standing}}/document"): Case((P.CONSENTS_FILE,)),
}
_ACCOUNT = {
    ("GET", "/users/{identity}"): Case((P.USERS_MANAGE,)),
    ("POST", "/users/{identity}"): Case((P.USERS_MANAGE,), 303, form=PERSON),
    ("PATCH", f"{API}/users/{{identity}}"): Case((P.USERS_MANAGE,), json={"name": "Target"}),
    ("POST", "/users/{identity}/disable"): Case((P.USERS_MANAGE,), 303),
    # Nobody is there who has left; `test_owndata` has somebody.
    ("POST", "/users/{identity}/data-request"): Case(
        (P.USERS_MANAGE,), 404, path="/users/usr_none/data-request"
    ),
    ("POST", "/settings/overrides/{mark}/propose"): Case(
        (P.RECORDING_MANAGE,), 404, path="/settings/overrides/sha256:0/propose"
    ),
    ("POST", "/settings/overrides/{mark}/end"): Case(
        (P.RECORDING_MANAGE,), 404, path="/settings/overrides/sha256:0/end"
    ),
    ("POST", "/settings/sites/{record}/end"): Case(
        (P.SETTINGS_WRITE,), 404, path="/settings/sites/site_none/end"
    ),
    ("GET", "/settings/papers/{paper_kind}"): Case(
        (P.SETTINGS_READ,), path="/settings/papers/record"
    ),
    ("GET", "/settings/papers/{paper_kind}.pdf"): Case(
        (P.SETTINGS_READ,), path="/settings/papers/record.pdf"
    ),
    ("POST", "/settings/workers/{worker}/drain"): Case((P.SETTINGS_WRITE,), 303),
    ("POST", f"{API}/workers/{{worker}}/drain"): Case((P.SETTINGS_WRITE,), 404),
    ("POST", "/settings/providers/twilio/numbers/{number}"): Case(
        (P.SETTINGS_WRITE,), 404, path="/settings/providers/twilio/numbers/PN1"
    ),
    ("POST", "/users/{identity}/enable"): Case((P.USERS_MANAGE,), 303),
    ("POST", "/users/{identity}/link"): Case((P.USERS_MANAGE,)),
    ("POST", "/users/{identity}/sessions/end"): Case((P.USERS_MANAGE,), 303),
    ("POST", "/users/{identity}/factor/reset"): Case((P.USERS_MANAGE,), 303),
    ("POST", "/users/{identity}/identity/forget"): Case((P.USERS_MANAGE,), 303),
    ("POST", f"{OWN_PASSKEY}/rename"): Case((), 303, Rule.HIDDEN, form={"name": "My phone"}),
    ("POST", f"{OWN_PASSKEY}/remove"): Case((), 303, Rule.HIDDEN, form={"proof": "wrong"}),
    ("POST", "/rules/{code}/review"): Case((P.RULES_REVIEW,), 303),
    ("POST", PROMPT): Case((P.SETTINGS_WRITE,), 404, form={}),
    ("POST", f"{PROMPT}/remove"): Case(
        (P.SETTINGS_WRITE,), 404, path="/settings/prompts/{language}/none/remove"
    ),
    ("GET", f"{PROMPT}/sound"): Case((P.SETTINGS_READ,)),
    ("GET", f"{API}/ledger/entries/{{position}}"): Case((P.LEDGER_READ,)),
    ("GET", f"{API}/ledger/proofs/{{position}}"): Case((P.LEDGER_READ,)),
}
_LIVE = {
    ("GET", f"{LIVE_CALL}/live"): Case((P.CALLS_READ,), is_live=True),
    ("GET", f"{LIVE_CALL}/events"): Case((P.CALLS_READ,), is_live=True, is_stream=True),
    ("GET", f"{LIVE_CALL}/captions"): _live(),
    ("GET", f"{LIVE_CALL}/captions/stream"): Case(
        (P.CALLS_MAKE,), 200, Rule.OWNERS, is_live=True, is_stream=True
    ),
    ("POST", f"{LIVE_CALL}/record"): _live(),
    ("DELETE", f"{LIVE_CALL}/record"): _live(),
    ("POST", f"{LIVE_CALL}/private"): _live(past="erase"),
    ("POST", f"{LIVE_CALL}/telling"): _live(),
    ("POST", f"{LIVE_CALL}/announcement"): _live(says="plays its own announcement"),
    ("POST", f"{LIVE_CALL}/consents"): _live(201, kind="refused", party=1),
    ("POST", f"{LIVE_CALL}/parties"): _live(201, number="+16285550142"),
    ("DELETE", f"{LIVE_CALL}/parties/{{party}}"): _live(),
    ("POST", f"{LIVE_CALL}/places"): _live(201, party=1, code="FR"),
    ("POST", f"{LIVE_CALL}/holds"): replace(_live(201, reason="private"), needs=PAUSING),
    ("DELETE", f"{LIVE_CALL}/holds/{{made}}"): replace(_live(), needs=PAUSING),
    ("POST", f"{LIVE_CALL}/mute"): _live(),
    ("DELETE", f"{LIVE_CALL}/mute"): _live(),
    ("POST", f"{LIVE_CALL}/on-hold"): _live(),
    ("DELETE", f"{LIVE_CALL}/on-hold"): _live(),
    ("POST", f"{LIVE_CALL}/dtmf"): _live(says="the dialer that carries", digits="1"),
    ("POST", f"{LIVE_CALL}/consultation"): _live(says=BY_TELEPHONE, number="+4722222222"),
    ("DELETE", f"{LIVE_CALL}/consultation"): _live(says=BY_TELEPHONE),
    ("POST", f"{LIVE_CALL}/consultation/join"): _live(says=BY_TELEPHONE),
    ("POST", f"{LIVE_CALL}/transfer"): _live(says=BY_TELEPHONE, number="+4722222222"),
    ("DELETE", f"{LIVE_CALL}/transfer"): _live(),
    ("POST", f"{LIVE_CALL}/sentences"): _live(says="through the dialer", sentence="1"),
    ("POST", f"{LIVE_CALL}/external-events"): _live(event="dtmf", party=1, digit="1"),
    ("POST", f"{LIVE_CALL}/agent-audio"): _live(says="was not placed with agent_audio"),
    ("POST", f"{LIVE_CALL}/hangup"): _live(),
    ("POST", f"{API}/phone/ringing/{{ringing}}/answer"): Case(
        (P.CALLS_MAKE,), 404, Rule.HIDDEN, json={}
    ),
    ("POST", f"{API}/phone/ringing/{{ringing}}/decline"): Case((P.CALLS_MAKE,), 404, Rule.HIDDEN),
    ("POST", f"{LIVE_CALL}/leg"): Case(
        (P.CALLS_MAKE,),
        422,
        Rule.OWNERS,
        json={"offer": "v=0"},
        is_live=True,
        has_browser=True,
    ),
}
CASES: Mapping[Route, Case] = {
    **_PUBLIC, **_RECORDED, **_NOTES, **_QUEUE, **_TRACKERS, **_REQUESTS, **_CONTACTS,
    **_ACCOUNT, **_COACHING,
    **_LIVE,
}  # fmt: skip
"""Every route whose path names a thing; one that is not here fails the first test."""

SOCKETS: Mapping[str, Case] = {
    f"{LIVE_CALL}/sound": Case((P.CALLS_MAKE,), 0, Rule.OWNERS, is_live=True, has_browser=True),
    f"{LIVE_CALL}/frames": Case((P.CALLS_MAKE,), 0, Rule.OWNERS, is_live=True),
}
"""The same of every socket."""

SIGNED_SOCKETS = frozenset({f"{API}/twilio/stream", f"{API}/twilio/stream/{{worker}}"})
"""Sockets to which nobody signs in; whoever opens them proves otherwise who they are."""
