"""Every route and every role: who gets in is what the permission table says, and nobody else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest
from starlette.testclient import TestClient
from tests.web.conftest import PASSWORD, add, browser, opened, problem, set_up, signed_in

from askfirst.server import accounts
from askfirst.server.access import Permission, Person, UserRole
from askfirst.server.clock import utc_now
from askfirst.web.app import routes
from askfirst.web.visit import Site

ANYBODY, SIGNED_IN = "anybody", "signed in"
P = Permission
NEEDED: dict[tuple[str, str], str | Permission] = {
    ("GET", "/"): SIGNED_IN,
    ("POST", "/notice"): SIGNED_IN,
    ("GET", "/settings"): P.SETTINGS_READ,
    ("POST", "/settings"): P.SETTINGS_WRITE,
    ("GET", "/settings/recording"): P.SETTINGS_READ,
    ("POST", "/settings/recording"): P.RECORDING_MANAGE,
    ("GET", "/settings/policies"): P.SETTINGS_READ,
    ("POST", "/settings/policies"): P.SETTINGS_WRITE,
    ("GET", "/settings/providers"): P.SETTINGS_READ,
    ("POST", "/settings/providers/test"): P.SETTINGS_WRITE,
    ("GET", "/settings/providers/twilio"): P.SETTINGS_READ,
    ("POST", "/settings/providers/twilio"): P.SETTINGS_WRITE,
    ("GET", "/settings/providers/twilio/test"): P.SETTINGS_READ,
    ("POST", "/settings/providers/twilio/test"): P.SETTINGS_WRITE,
    ("POST", "/settings/providers/twilio/remove"): P.SETTINGS_WRITE,
    ("POST", "/settings/providers/twilio/check"): P.SETTINGS_WRITE,
    ("POST", "/settings/providers/twilio/numbers/{number}"): P.SETTINGS_WRITE,
    ("GET", "/settings/workers"): P.SETTINGS_READ,
    ("POST", "/settings/workers/{worker}/drain"): P.SETTINGS_WRITE,
    ("GET", "/api/v1/workers"): P.SETTINGS_READ,
    ("POST", "/api/v1/workers/{worker}/drain"): P.SETTINGS_WRITE,
    ("GET", "/settings/texts"): P.SETTINGS_READ,
    ("POST", "/settings/texts"): P.SETTINGS_WRITE,
    ("GET", "/settings/prompts"): P.SETTINGS_READ,
    ("POST", "/settings/prompts/{language}/{digest}"): P.SETTINGS_WRITE,
    ("POST", "/settings/prompts/{language}/{digest}/remove"): P.SETTINGS_WRITE,
    ("GET", "/settings/prompts/{language}/{digest}/sound"): P.SETTINGS_READ,
    ("GET", "/settings/overrides"): P.SETTINGS_READ,
    ("POST", "/settings/overrides"): P.RECORDING_MANAGE,
    ("POST", "/settings/overrides/{mark}/propose"): P.RECORDING_MANAGE,
    ("POST", "/settings/overrides/{mark}/end"): P.RECORDING_MANAGE,
    ("GET", "/settings/sites"): P.SETTINGS_READ,
    ("POST", "/settings/sites"): P.SETTINGS_WRITE,
    ("POST", "/settings/sites/{record}/end"): P.SETTINGS_WRITE,
    ("POST", "/settings/sites/figures"): P.SETTINGS_WRITE,
    ("POST", "/settings/listening"): P.SETTINGS_WRITE,
    ("POST", "/settings/vocabulary"): P.SETTINGS_WRITE,
    ("POST", "/settings/redaction"): P.SETTINGS_WRITE,
    ("GET", "/shared/{token}"): ANYBODY,
    ("POST", "/shared/{token}"): ANYBODY,
    ("GET", "/shared/{token}/audio"): ANYBODY,
    ("POST", "/calls/{call}/shares"): P.RECORDINGS_EXPORT,
    ("POST", "/calls/{call}/shares/{share}/end"): P.RECORDINGS_EXPORT,
    ("GET", "/settings/papers"): P.SETTINGS_READ,
    ("GET", "/settings/papers/{paper_kind}"): P.SETTINGS_READ,
    ("GET", "/settings/papers/{paper_kind}.pdf"): P.SETTINGS_READ,
    ("GET", "/settings/keys"): P.SETTINGS_READ,
    ("POST", "/settings/keys"): P.SETTINGS_WRITE,
    ("GET", "/settings/retention"): P.SETTINGS_READ,
    ("POST", "/settings/retention"): P.SETTINGS_WRITE,
    ("POST", "/settings/retention/periods"): P.SETTINGS_WRITE,
    ("POST", "/settings/retention/mandatory"): P.SETTINGS_WRITE,
    ("GET", "/settings/notice"): P.SETTINGS_READ,
    ("POST", "/settings/notice"): P.SETTINGS_WRITE,
    ("GET", "/users"): P.USERS_MANAGE,
    ("POST", "/users"): P.USERS_MANAGE,
    ("GET", "/users/{identity}"): P.USERS_MANAGE,
    ("POST", "/users/{identity}"): P.USERS_MANAGE,
    ("PATCH", "/api/v1/users/{identity}"): P.USERS_MANAGE,
    ("POST", "/users/{identity}/disable"): P.USERS_MANAGE,
    ("POST", "/users/{identity}/enable"): P.USERS_MANAGE,
    ("POST", "/users/{identity}/link"): P.USERS_MANAGE,
    ("POST", "/users/{identity}/sessions/end"): P.USERS_MANAGE,
    ("POST", "/users/{identity}/factor/reset"): P.USERS_MANAGE,
    ("POST", "/users/{identity}/identity/forget"): P.USERS_MANAGE,
    ("GET", "/settings/sign-in"): P.SETTINGS_READ,
    ("POST", "/settings/sign-in"): P.SETTINGS_WRITE,
    ("GET", "/me/security"): SIGNED_IN,
    ("POST", "/me/security/password"): SIGNED_IN,
    ("GET", "/me/security/app"): SIGNED_IN,
    ("POST", "/me/security/app"): SIGNED_IN,
    ("POST", "/me/security/app/begin"): SIGNED_IN,
    ("POST", "/me/security/app/remove"): SIGNED_IN,
    ("POST", "/me/security/codes"): SIGNED_IN,
    ("POST", "/me/security/sessions/end"): SIGNED_IN,
    ("POST", "/me/security/sessions/end-others"): SIGNED_IN,
    ("POST", "/me/security/passkeys"): SIGNED_IN,
    ("POST", "/me/security/passkeys/ask"): SIGNED_IN,
    ("POST", "/me/security/passkeys/{passkey}/rename"): SIGNED_IN,
    ("POST", "/me/security/passkeys/{passkey}/remove"): SIGNED_IN,
    ("GET", "/me/data"): SIGNED_IN,
    ("POST", "/me/data"): SIGNED_IN,
    ("GET", "/me/data/{request_id}/package.zip"): SIGNED_IN,
    ("GET", "/audit"): P.AUDIT_READ,
    ("GET", "/compliance/ledger"): P.LEDGER_READ,
    ("POST", "/compliance/ledger/check"): P.LEDGER_READ,
    ("GET", "/compliance/ledger/entries.jsonl"): P.LEDGER_READ,
    ("POST", "/compliance/ledger/bundle"): P.LEDGER_READ,
    ("GET", "/contacts"): P.CONTACTS_READ,
    ("GET", "/contacts/new"): P.CONTACTS_WRITE,
    ("POST", "/contacts/new"): P.CONTACTS_WRITE,
    ("GET", "/contacts/import"): P.CONTACTS_WRITE,
    ("POST", "/contacts/import"): P.CONTACTS_WRITE,
    ("GET", "/contacts/{contact}"): P.CONTACTS_READ,
    ("POST", "/contacts/{contact}/never-record"): P.CONTACTS_WRITE,
    ("GET", "/contacts/{contact}/standing-consents/new"): P.CONSENTS_FILE,
    ("POST", "/contacts/{contact}/standing-consents"): P.CONSENTS_FILE,
    ("POST", "/contacts/{contact}/standing-consents/{standing}/withdraw"): P.CONSENTS_WITHDRAW,
    ("GET", "/contacts/{contact}/standing-consents/{standing}/document"): P.CONSENTS_FILE,
    ("POST", "/contacts/{contact}/places"): P.CONTACTS_WRITE,
    ("GET", "/contacts/{contact}/edit"): P.CONTACTS_WRITE,
    ("POST", "/contacts/{contact}/edit"): P.CONTACTS_WRITE,
    ("POST", "/contacts/{contact}/archive"): P.CONTACTS_WRITE,
    ("POST", "/contacts/{contact}/restore"): P.CONTACTS_WRITE,
    ("GET", "/forecast"): P.CONTACTS_READ,
    ("GET", "/api/v1/contacts"): P.CONTACTS_READ,
    ("POST", "/api/v1/contacts"): P.CONTACTS_WRITE,
    ("POST", "/api/v1/contacts/import"): P.CONTACTS_WRITE,
    ("GET", "/api/v1/contacts/{contact}"): P.CONTACTS_READ,
    ("PATCH", "/api/v1/contacts/{contact}"): P.CONTACTS_WRITE,
    ("DELETE", "/api/v1/contacts/{contact}"): P.CONTACTS_WRITE,
    ("POST", "/api/v1/contacts/{contact}/never-record"): P.CONTACTS_WRITE,
    ("GET", "/api/v1/contacts/{contact}/standing-consents"): P.CONTACTS_READ,
    ("POST", "/api/v1/contacts/{contact}/standing-consents"): P.CONSENTS_FILE,
    (
        "POST",
        "/api/v1/contacts/{contact}/standing-consents/{standing}/withdraw",
    ): P.CONSENTS_WITHDRAW,
    ("GET", "/api/v1/contacts/{contact}/standing-consents/{standing}/document"): P.CONSENTS_FILE,
    ("DELETE", "/api/v1/contacts/{contact}/never-record"): P.CONTACTS_WRITE,
    ("GET", "/api/v1/forecast"): P.CONTACTS_READ,
    ("GET", "/calls"): P.CALLS_READ,
    ("POST", "/calls"): P.CALLS_READ,
    ("POST", "/calls/views"): P.CALLS_READ,
    ("POST", "/calls/views/{view}/delete"): P.CALLS_READ,
    ("GET", "/search"): P.CALLS_READ,
    ("POST", "/search"): P.CALLS_READ,
    ("POST", "/search/views"): P.CALLS_READ,
    ("POST", "/search/views/{view}/delete"): P.CALLS_READ,
    ("GET", "/calls/{call}/notes"): P.CALLS_READ,
    ("POST", "/calls/{call}/notes"): P.CALLS_MAKE,
    ("POST", "/calls/{call}/notes/draft"): P.CALLS_MAKE,
    ("GET", "/follow-ups"): P.CALLS_READ,
    ("POST", "/follow-ups/{follow_up}/done"): P.CONTACTS_WRITE,
    ("GET", "/calls/{call}/coaching"): P.RECORDINGS_LISTEN,
    ("POST", "/calls/{call}/comments"): P.COACHING_WRITE,
    ("POST", "/calls/{call}/comments/{comment}"): P.COACHING_WRITE,
    ("POST", "/calls/{call}/comments/{comment}/delete"): P.COACHING_WRITE,
    ("POST", "/calls/{call}/comments/{comment}/resolve"): P.COACHING_WRITE,
    ("POST", "/calls/{call}/clips"): P.COACHING_WRITE,
    ("POST", "/calls/{call}/clips/{clip}/add"): P.COACHING_WRITE,
    ("POST", "/calls/{call}/clips/{clip}/delete"): P.COACHING_WRITE,
    ("GET", "/clips/{clip}/sound"): P.RECORDINGS_LISTEN,
    ("GET", "/playlists"): P.RECORDINGS_LISTEN,
    ("POST", "/playlists"): P.COACHING_WRITE,
    ("GET", "/playlists/{playlist}"): P.RECORDINGS_LISTEN,
    ("POST", "/playlists/{playlist}"): P.COACHING_WRITE,
    ("POST", "/playlists/{playlist}/delete"): P.COACHING_WRITE,
    ("POST", "/playlists/{playlist}/clips/{clip}"): P.COACHING_WRITE,
    ("GET", "/me/coaching"): SIGNED_IN,
    ("POST", "/me/checklists/{checklist}"): SIGNED_IN,
    ("POST", "/settings/checklists"): P.RECORDING_MANAGE,
    ("GET", "/checklists"): P.CHECKLISTS_WRITE,
    ("POST", "/checklists"): P.CHECKLISTS_WRITE,
    ("POST", "/checklists/{template}/end"): P.CHECKLISTS_WRITE,
    ("POST", "/calls/{call}/checklists"): P.CHECKLISTS_WRITE,
    ("POST", "/calls/{call}/checklists/{checklist}/delete"): P.CHECKLISTS_WRITE,
    ("GET", "/api/v1/calls/{call}/comments"): P.RECORDINGS_LISTEN,
    ("POST", "/api/v1/calls/{call}/comments"): P.COACHING_WRITE,
    ("PATCH", "/api/v1/calls/{call}/comments/{comment}"): P.COACHING_WRITE,
    ("DELETE", "/api/v1/calls/{call}/comments/{comment}"): P.COACHING_WRITE,
    ("GET", "/api/v1/calls/{call}/clips"): P.RECORDINGS_LISTEN,
    ("POST", "/api/v1/calls/{call}/clips"): P.COACHING_WRITE,
    ("DELETE", "/api/v1/calls/{call}/clips/{clip}"): P.COACHING_WRITE,
    ("GET", "/api/v1/clips/{clip}/sound"): P.RECORDINGS_LISTEN,
    ("GET", "/api/v1/playlists"): P.RECORDINGS_LISTEN,
    ("POST", "/api/v1/playlists"): P.COACHING_WRITE,
    ("GET", "/api/v1/playlists/{playlist}"): P.RECORDINGS_LISTEN,
    ("PATCH", "/api/v1/playlists/{playlist}"): P.COACHING_WRITE,
    ("DELETE", "/api/v1/playlists/{playlist}"): P.COACHING_WRITE,
    ("POST", "/api/v1/playlists/{playlist}/clips"): P.COACHING_WRITE,
    ("PATCH", "/api/v1/playlists/{playlist}/clips/{clip}"): P.COACHING_WRITE,
    ("DELETE", "/api/v1/playlists/{playlist}/clips/{clip}"): P.COACHING_WRITE,
    ("GET", "/settings/numbers"): P.SETTINGS_READ,
    ("POST", "/settings/numbers"): P.SETTINGS_WRITE,
    ("POST", "/settings/numbers/remove"): P.SETTINGS_WRITE,
    ("GET", "/me"): SIGNED_IN,
    ("POST", "/me"): SIGNED_IN,
    ("GET", "/me/agreement"): SIGNED_IN,
    ("POST", "/me/agreement"): SIGNED_IN,
    ("POST", "/me/agreement/revoke"): SIGNED_IN,
    ("POST", "/me/questions/{item}"): SIGNED_IN,
    ("GET", "/compliance"): P.QUEUE_READ,
    ("GET", "/compliance/items/{item}"): P.QUEUE_READ,
    ("POST", "/compliance/items/{item}"): P.QUEUE_DECIDE,
    ("GET", "/compliance/items/{item}/sound"): P.QUEUE_DECIDE,
    ("GET", "/compliance/approvals"): SIGNED_IN,
    ("POST", "/compliance/approvals/{proposal}"): SIGNED_IN,
    ("GET", "/api/v1/approvals"): SIGNED_IN,
    ("POST", "/api/v1/approvals/{proposal}/approve"): SIGNED_IN,
    ("POST", "/api/v1/approvals/{proposal}/decline"): SIGNED_IN,
    ("GET", "/compliance/assurance"): P.QUEUE_READ,
    ("GET", "/compliance/retention"): P.QUEUE_READ,
    ("GET", "/compliance/reminders"): P.QUEUE_READ,
    ("POST", "/compliance/retention/sweep"): P.ERASURE_MANAGE,
    ("GET", "/compliance/holds"): P.QUEUE_READ,
    ("GET", "/compliance/holds.csv"): P.QUEUE_READ,
    ("POST", "/compliance/holds"): P.RECORDINGS_HOLD,
    ("POST", "/compliance/holds/person"): P.RECORDINGS_HOLD,
    ("POST", "/compliance/holds/release"): P.RECORDINGS_HOLD,
    ("GET", "/api/v1/retention"): P.QUEUE_READ,
    ("GET", "/compliance/assurance.csv"): P.QUEUE_READ,
    ("POST", "/calls/{call}/transcript"): P.TRANSCRIPTS_WRITE,
    ("POST", "/calls/{call}/transcript/machine"): P.TRANSCRIPTS_WRITE,
    ("POST", "/calls/{call}/transcript/file"): P.TRANSCRIPTS_WRITE,
    ("POST", "/calls/{call}/transcript/again"): P.TRANSCRIPTS_WRITE,
    ("PUT", "/api/v1/recordings/{recording}/transcript"): P.TRANSCRIPTS_WRITE,
    ("POST", "/api/v1/recordings/{recording}/transcript"): P.TRANSCRIPTS_WRITE,
    ("POST", "/calls/{call}/complaint"): P.CALLS_READ,
    ("GET", "/api/v1/queue"): P.QUEUE_READ,
    ("POST", "/api/v1/queue/{item}/decision"): P.QUEUE_DECIDE,
    ("POST", "/api/v1/calls/{call}/complaint"): P.CALLS_READ,
    ("GET", "/api/v1/assurance"): P.QUEUE_READ,
    ("GET", "/live"): P.CALLS_WATCH,
    ("GET", "/dashboards"): SIGNED_IN,
    ("GET", "/dashboards/activity"): P.DASHBOARDS_READ,
    ("GET", "/dashboards/consent"): P.DASHBOARDS_READ,
    ("GET", "/dashboards/quality"): P.DASHBOARDS_READ,
    ("GET", "/dashboards/system"): P.SYSTEM_READ,
    ("GET", "/dashboards/activity.csv"): P.DASHBOARDS_READ,
    ("GET", "/dashboards/consent.csv"): P.DASHBOARDS_READ,
    ("GET", "/dashboards/quality.csv"): P.DASHBOARDS_READ,
    ("GET", "/dashboards/system.csv"): P.SYSTEM_READ,
    ("GET", "/api/v1/dashboards/activity"): P.DASHBOARDS_READ,
    ("GET", "/api/v1/dashboards/consent"): P.DASHBOARDS_READ,
    ("GET", "/api/v1/dashboards/quality"): P.DASHBOARDS_READ,
    ("GET", "/api/v1/dashboards/system"): P.SYSTEM_READ,
    ("GET", "/me/figures"): SIGNED_IN,
    ("GET", "/api/v1/calls/{call}/notes"): P.CALLS_READ,
    ("PUT", "/api/v1/calls/{call}/notes"): P.CALLS_MAKE,
    ("POST", "/api/v1/erasures"): P.ERASURE_MANAGE,
    ("POST", "/api/v1/subject-requests"): P.ERASURE_MANAGE,
    ("GET", "/api/v1/subject-requests"): P.ERASURE_MANAGE,
    ("PATCH", "/api/v1/subject-requests/{request_id}"): P.ERASURE_MANAGE,
    ("POST", "/api/v1/subject-requests/{request_id}/copy"): P.ERASURE_MANAGE,
    ("GET", "/api/v1/subject-requests/{request_id}/copy"): P.ERASURE_MANAGE,
    ("GET", "/api/v1/subject-requests/{request_id}/copy/state"): P.ERASURE_MANAGE,
    ("POST", "/compliance/requests/{request_id}/copy"): P.ERASURE_MANAGE,
    ("GET", "/compliance/requests/{request_id}/copy.zip"): P.ERASURE_MANAGE,
    ("GET", "/compliance/requests"): P.ERASURE_MANAGE,
    ("POST", "/compliance/requests"): P.ERASURE_MANAGE,
    ("POST", "/compliance/requests/find"): P.ERASURE_MANAGE,
    ("POST", "/compliance/requests/employees"): P.ERASURE_MANAGE,
    ("POST", "/users/{identity}/data-request"): P.USERS_MANAGE,
    ("GET", "/compliance/requests/{request_id}"): P.ERASURE_MANAGE,
    ("POST", "/compliance/requests/{request_id}"): P.ERASURE_MANAGE,
    ("GET", "/settings/trackers"): P.TRACKERS_MANAGE,
    ("POST", "/settings/trackers"): P.TRACKERS_MANAGE,
    ("POST", "/settings/trackers/{tracker}"): P.TRACKERS_MANAGE,
    ("POST", "/settings/trackers/{tracker}/end"): P.TRACKERS_MANAGE,
    ("GET", "/api/v1/trackers"): P.TRACKERS_MANAGE,
    ("POST", "/api/v1/trackers"): P.TRACKERS_MANAGE,
    ("PATCH", "/api/v1/trackers/{tracker}"): P.TRACKERS_MANAGE,
    ("DELETE", "/api/v1/trackers/{tracker}"): P.TRACKERS_MANAGE,
    ("GET", "/api/v1/calls/{call}/figures"): P.CALLS_READ,
    ("GET", "/api/v1/search"): P.CALLS_READ,
    ("GET", "/api/v1/ledger/checkpoint"): P.LEDGER_READ,
    ("GET", "/api/v1/ledger/consistency"): P.LEDGER_READ,
    ("GET", "/api/v1/ledger/entries/{position}"): P.LEDGER_READ,
    ("GET", "/api/v1/ledger/proofs/{position}"): P.LEDGER_READ,
    ("GET", "/calls/{call}"): P.CALLS_READ,
    ("GET", "/calls/{call}/certificate"): P.CERTIFICATES_READ,
    ("GET", "/calls/{call}/certificate.pdf"): P.CERTIFICATES_READ,
    ("POST", "/calls/{call}/original"): P.ORIGINALS_OPEN,
    ("POST", "/calls/{call}/listen"): P.RECORDINGS_LISTEN,
    ("POST", "/calls/{call}/export"): P.RECORDINGS_EXPORT,
    ("POST", "/calls/{call}/hold"): P.RECORDINGS_HOLD,
    ("POST", "/calls/{call}/release"): P.RECORDINGS_HOLD,
    ("GET", "/calls/{call}/erase"): P.ERASURE_MANAGE,
    ("POST", "/calls/{call}/erase"): P.ERASURE_MANAGE,
    ("GET", "/api/v1/phone"): P.CALLS_MAKE,
    ("GET", "/api/v1/phone/events"): P.CALLS_MAKE,
    ("GET", "/api/v1/phone/colleagues"): P.CALLS_MAKE,
    ("POST", "/api/v1/phone/away"): P.CALLS_MAKE,
    ("DELETE", "/api/v1/phone/away"): P.CALLS_MAKE,
    ("POST", "/api/v1/phone/ringing/{ringing}/answer"): P.CALLS_MAKE,
    ("POST", "/api/v1/calls/{call}/consultation"): P.CALLS_MAKE,
    ("DELETE", "/api/v1/calls/{call}/consultation"): P.CALLS_MAKE,
    ("POST", "/api/v1/calls/{call}/consultation/join"): P.CALLS_MAKE,
    ("POST", "/api/v1/calls/{call}/transfer"): P.CALLS_MAKE,
    ("DELETE", "/api/v1/calls/{call}/transfer"): P.CALLS_MAKE,
    ("POST", "/api/v1/phone/ringing/{ringing}/decline"): P.CALLS_MAKE,
    ("GET", "/phone"): P.CALLS_MAKE,
    ("GET", "/dial"): P.CALLS_MAKE,
    ("POST", "/phone/card"): P.CALLS_MAKE,
    ("GET", "/phone/places"): P.CALLS_MAKE,
    ("GET", "/api/v1/calls"): P.CALLS_READ,
    ("GET", "/api/v1/calls/{call}/events"): P.CALLS_READ,
    ("GET", "/api/v1/calls/{call}/live"): P.CALLS_READ,
    ("GET", "/api/v1/calls/{call}/captions"): P.CALLS_MAKE,
    ("GET", "/api/v1/calls/{call}/captions/stream"): P.CALLS_MAKE,
    ("POST", "/api/v1/calls"): P.CALLS_MAKE,
    ("POST", "/api/v1/calls/{call}/record"): P.CALLS_MAKE,
    ("DELETE", "/api/v1/calls/{call}/record"): P.CALLS_MAKE,
    ("POST", "/api/v1/calls/{call}/private"): P.CALLS_MAKE,
    ("POST", "/api/v1/calls/{call}/telling"): P.CALLS_MAKE,
    ("POST", "/api/v1/calls/{call}/leg"): P.CALLS_MAKE,
    ("POST", "/api/v1/calls/{call}/agent-audio"): P.CALLS_MAKE,
    ("POST", "/api/v1/calls/{call}/announcement"): P.CALLS_MAKE,
    ("POST", "/api/v1/calls/{call}/parties"): P.CALLS_MAKE,
    ("DELETE", "/api/v1/calls/{call}/parties/{party}"): P.CALLS_MAKE,
    ("POST", "/api/v1/calls/{call}/mute"): P.CALLS_MAKE,
    ("DELETE", "/api/v1/calls/{call}/mute"): P.CALLS_MAKE,
    ("POST", "/api/v1/calls/{call}/on-hold"): P.CALLS_MAKE,
    ("DELETE", "/api/v1/calls/{call}/on-hold"): P.CALLS_MAKE,
    ("POST", "/api/v1/calls/{call}/consents"): P.CALLS_MAKE,
    ("POST", "/api/v1/calls/{call}/places"): P.CALLS_MAKE,
    ("POST", "/api/v1/calls/{call}/holds"): P.CALLS_PAUSE,
    ("DELETE", "/api/v1/calls/{call}/holds/{made}"): P.CALLS_PAUSE,
    ("POST", "/api/v1/calls/{call}/dtmf"): P.CALLS_MAKE,
    ("POST", "/api/v1/calls/{call}/sentences"): P.CALLS_MAKE,
    ("POST", "/api/v1/calls/{call}/hangup"): P.CALLS_MAKE,
    ("GET", "/api/v1/calls/{call}"): P.CALLS_READ,
    ("GET", "/api/v1/recordings/{recording}"): P.CALLS_READ,
    ("POST", "/api/v1/recordings/{recording}/originals"): P.ORIGINALS_OPEN,
    ("POST", "/api/v1/recordings/{recording}/links"): P.RECORDINGS_LISTEN,
    ("DELETE", "/api/v1/recordings/{recording}/links/{link}"): P.RECORDINGS_LISTEN,
    ("GET", "/api/v1/recordings/{recording}/audio"): P.RECORDINGS_LISTEN,
    ("GET", "/api/v1/recordings/{recording}/transcript"): P.RECORDINGS_LISTEN,
    ("GET", "/api/v1/recordings/{recording}/peaks"): P.RECORDINGS_LISTEN,
    ("GET", "/api/v1/recordings/{recording}/vcon"): P.RECORDINGS_EXPORT,
    ("GET", "/api/v1/recordings/{recording}/bundle"): P.RECORDINGS_EXPORT,
    ("PUT", "/api/v1/recordings/{recording}/hold"): P.RECORDINGS_HOLD,
    ("DELETE", "/api/v1/recordings/{recording}/hold"): P.RECORDINGS_HOLD,
    ("GET", "/api/v1/recordings"): P.CALLS_READ,
    ("GET", "/api/v1/access-events"): SIGNED_IN,
    ("GET", "/api/v1/settings"): P.SETTINGS_READ,
    ("PATCH", "/api/v1/settings"): P.SETTINGS_WRITE,
    ("GET", "/api/v1/users"): P.USERS_MANAGE,
    ("POST", "/api/v1/users"): P.USERS_MANAGE,
    ("POST", "/api/v1/decisions"): ANYBODY,
    ("GET", "/api/v1/jurisdictions"): ANYBODY,
    ("GET", "/api/v1/jurisdictions/{code}"): ANYBODY,
    ("POST", "/api/v1/calls/{call}/external-events"): P.CALLS_MAKE,
    ("GET", "/api/v1/tokens"): SIGNED_IN,
    ("POST", "/api/v1/tokens"): SIGNED_IN,
    ("DELETE", "/api/v1/tokens/{token}"): SIGNED_IN,
    ("GET", "/demo/{token}"): ANYBODY,
    ("POST", "/demo/{token}"): ANYBODY,
    ("POST", "/settings/demo/remove"): P.SETTINGS_WRITE,
    ("GET", "/metrics"): ANYBODY,
    ("GET", "/healthz"): ANYBODY,
    ("GET", "/readyz"): ANYBODY,
    ("GET", "/sign-in"): ANYBODY,
    ("POST", "/sign-in"): ANYBODY,
    ("POST", "/sign-in/passkey"): ANYBODY,
    ("GET", "/sign-in/code"): ANYBODY,
    ("POST", "/sign-in/code"): ANYBODY,
    ("GET", "/sign-in/provider"): ANYBODY,
    ("GET", "/sign-in/provider/back"): ANYBODY,
    ("POST", "/sign-out"): ANYBODY,
    ("GET", "/welcome/{token}"): ANYBODY,
    ("POST", "/welcome/{token}"): ANYBODY,
    ("GET", "/setup/{token}"): ANYBODY,
    ("POST", "/setup/{token}"): ANYBODY,
    ("POST", "/look"): ANYBODY,
    # Whoever asks these signs each request, and is no user.
    ("POST", "/api/v1/twilio/voice"): ANYBODY,
    ("POST", "/api/v1/twilio/voice/{worker}"): ANYBODY,
    ("POST", "/api/v1/twilio/progress"): ANYBODY,
    ("GET", "/api/v1/twilio/fallback"): ANYBODY,
    ("POST", "/api/v1/twilio/fallback"): ANYBODY,
    ("GET", "/rules"): ANYBODY,
    ("GET", "/rules.csv"): ANYBODY,
    ("GET", "/rules.json"): ANYBODY,
    ("GET", "/rules/check"): ANYBODY,
    ("POST", "/rules/check"): ANYBODY,
    ("GET", "/rules/{code}"): ANYBODY,
    ("POST", "/rules/{code}/review"): P.RULES_REVIEW,
}
"""What every route needs; a route that is not here fails the first test."""

GUARDED = [each for each, needed in NEEDED.items() if needed != ANYBODY]


@pytest.fixture(scope="module")
def browsers(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Mapping[UserRole | None, TestClient]]:
    """A browser of somebody of each role, and one of nobody, at an installation for all cases."""
    for site in opened(tmp_path_factory.mktemp("rights")):
        ready = set_up(site)
        people = {role: add(ready, role, name=f"{role.value}-too") for role in UserRole}
        yield {
            None: browser(ready),
            **{role: signed_in(ready, user) for role, user in people.items()},
        }


def ask(client: TestClient, method: str, path: str) -> int:
    """The status of a request that would do as little as it can."""
    filled = (
        path.replace("{identity}", "usr_nobody").replace("{code}", "NO").replace("{token}", "x")
    )
    if path.startswith("/api/"):
        return client.request(method, filled, json={}).status_code
    return client.request(method, filled, data={"version": "7"}).status_code


def test_every_route_says_what_it_needs() -> None:
    assert set(routes()) == set(NEEDED)


@pytest.mark.parametrize(("method", "path"), GUARDED)
def test_nobody_gets_in_without_signing_in(
    browsers: Mapping[UserRole | None, TestClient], method: str, path: str
) -> None:
    status = ask(browsers[None], method, path)

    assert status == (401 if path.startswith("/api/") else 303)


@pytest.mark.parametrize("role", UserRole)
@pytest.mark.parametrize(("method", "path"), GUARDED)
def test_a_role_gets_in_where_the_table_lets_it(
    browsers: Mapping[UserRole | None, TestClient], role: UserRole, method: str, path: str
) -> None:
    needed = NEEDED[method, path]
    may = needed == SIGNED_IN or Person("", frozenset({role}), None).may(Permission(needed))

    status = ask(browsers[role], method, path)

    if path.endswith("/audio") and may:
        assert status == 403, "a link is wanted before anything is said of the recording"
        return
    assert (status != 403) is may, status
    assert status not in (401, 500)


def test_the_switch_needs_its_own_permission_and_nothing_else(ready: Site) -> None:
    off = {"recording_enabled": False}
    agent = signed_in(ready, add(ready, UserRole.AGENT))
    officer = signed_in(ready, add(ready, UserRole.COMPLIANCE))

    refused = agent.patch("/api/v1/settings", json=off)
    assert (refused.status_code, problem(refused)) == (403, "urn:askfirst:problem:refused")
    assert officer.patch("/api/v1/settings", json={**off, "company": "X"}).status_code == 403
    assert officer.patch("/api/v1/settings", json=off).json()["recording_enabled"] is False


def test_a_session_that_ended_is_out_at_once(ready: Site) -> None:
    user = add(ready, UserRole.AUDITOR)
    client = signed_in(ready, user)
    assert client.get("/audit").status_code == 200

    with ready.store.engine.begin() as connection:
        accounts.disable(connection, user.id, utc_now())

    assert client.get("/audit").status_code == 303
    part = client.get("/audit", headers={"hx-request": "true"})
    assert (part.status_code, part.headers["hx-trigger"]) == (401, "askfirst:signed-out")


def test_the_cookie_is_kept_from_scripts_and_other_sites(ready: Site) -> None:
    user = add(ready, UserRole.AGENT)
    answer = browser(ready).post("/sign-in", data={"email": user.email, "password": PASSWORD})

    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert "path=/" in cookie
