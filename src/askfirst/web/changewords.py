"""What a change of settings is called that waits for a second person, and its values in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from askfirst.server.accountkeys import SECOND_PERSON
from askfirst.server.overrideregister import OVERRIDE
from askfirst.web import words
from askfirst.web.queuewords import KINDS
from askfirst.web.visit import Visit

SETTINGS: Mapping[str, str] = {
    "recording_enabled": words.mark("Call recording"),
    "announces": words.mark("Play announcements when a call is answered"),
    "hears_answers": words.mark("Announcements may be answered by speaking"),
    "first_country": words.mark("First call to a country"),
    "home_place": words.mark("Home"),
    "lawful_basis": words.mark("Lawful basis"),
    "purpose": words.mark("Purpose"),
    "backup_days": words.mark("Days that backups of the keys are kept"),
    "retention_days": words.mark("Days that recordings are kept"),
    "retention": words.mark("Days by purpose and place"),
    "mandatory_years": words.mark("Years that an authority wants"),
    "unverified_days": words.mark("Days until what nobody has verified is erased"),
    "second_person": words.mark("What waits for a second person"),
    "second_factor": words.mark("Who needs a second factor"),
    "vocabulary": words.mark("Names and terms"),
    "twilio": words.mark("Credentials at Twilio"),
    "asks_reason": words.mark("Whoever opens a recording says why"),
    "checklists": words.mark("Checklists of calls"),
    "redacts_cards": words.mark("Card and account numbers are hidden"),
    "redacts_ids": words.mark("National identity numbers are hidden"),
    "redacts_emails": words.mark("E-mail addresses are hidden"),
    "person_figures_basis": words.mark("Ground for figures about single persons"),
    "notice_version": words.mark("Version of the employee notice"),
    "legal_hold": words.mark("Legal hold"),
    "wishes.always_ask": words.mark("Always ask"),
    "wishes.unknown_location": words.mark("When a place is not known"),
    "wishes.automatic_notice": words.mark("An automatic notice is given"),
    "wishes.sector": words.mark("Sector"),
    "wishes.special_category_expected": words.mark(
        "Calls may be about health, beliefs or other special data"
    ),
    "wishes.no_third_party_guarantee": words.mark(
        "We guarantee that recordings of calls with the UK are not shared with third parties."
    ),
    "wishes.external_processors": words.mark("Outside processors"),
    "wishes.external_share_links": words.mark("Links for people outside"),
    "wishes.forbid_jurisdictions": words.mark("Places where nothing is recorded"),
    "wishes.require_works_agreement": words.mark(
        "Record nothing before a works agreement is on file"
    ),
    "wishes.works_agreement_on_file": words.mark("A works agreement is on file"),
    "wishes.mandatory_recording": words.mark("Duty by law to record"),
    "wishes.minimum_proof": words.mark("Least proof"),
    "wishes.profile": words.mark("Profile"),
    OVERRIDE: words.mark("Override"),
}
"""Settings by key; one that is not here is shown as its key."""


def named(visit: Visit, key: str) -> str:
    """What a setting is called on its page."""
    return visit.say(SETTINGS[key]) if key in SETTINGS else key


def shown(visit: Visit, value: Any) -> str:
    """A value of a setting as people read it."""
    if value is None or value in ("", [], {}):
        return "–"
    if isinstance(value, bool):
        return visit.say("yes") if value else visit.say("no")
    if isinstance(value, list):
        return ", ".join(shown(visit, each) for each in value)
    if isinstance(value, dict):
        return ", ".join(f"{key}: {shown(visit, each)}" for key, each in sorted(value.items()))
    if value in SECOND_PERSON:
        return visit.say(KINDS[value])
    return str(value)
