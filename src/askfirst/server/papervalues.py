"""What the papers are filled with: the collected settings in the words of a language.

A setting that nobody has made gives no value, and so leaves a gap in the paper.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime

from babel import Locale, dates

from askfirst.model import Purpose
from askfirst.notice import purpose_words
from askfirst.server import employeenotice
from askfirst.server.access import TABLE, Permission, Reach
from askfirst.server.account import Account
from askfirst.server.accountkeys import SECOND_FACTOR
from askfirst.server.paperfacts import Duty, Grounds, Joined, regime, years
from askfirst.server.papers import Values, word
from askfirst.server.retentionlist import SWEPT_AT

Row = Mapping[str, str | None]

_SOME = tuple(each for each in Reach if each is not Reach.NONE)


def values(found: Grounds, language: str, places: Mapping[str, str]) -> Values:
    """What every paper needs, in a language of `papers.LANGUAGES`; `places` are names by code."""
    wants = found.account
    return Values(
        found.made_at,
        {
            **_head(found, language),
            **_purpose(wants, language),
            **_periods(wants, language, places),
            **_people(found, language, places),
            **_joined(found.joined),
        },
        _conditions(found),
        {
            "externals": [{"item": each} for each in wants.policy().external_processors],
            "purposes": [
                {"item": purpose_words(Purpose(code), language), "days": str(days)}
                for code, days in sorted(wants.retention.get("purposes", {}).items())
            ],
            "places": [
                {"item": places.get(code, code), "days": str(days)}
                for code, days in sorted(wants.retention.get("places", {}).items())
            ],
            "second": [
                {"item": word("second_person", kind, language) or kind}
                for kind in wants.second_person
            ],
            "records": [
                {
                    "item": places.get(each.jurisdiction, each.jurisdiction),
                    "gate": word("gate", each.gate, language) or each.gate,
                    "since": _day(each.since, language),
                    "until": word("plain", "no_end", language)
                    if each.until is None
                    else _day(each.until, language),
                    "note": each.note,
                }
                for each in found.records
            ],
            "unsettled": [
                {
                    "item": places.get(code, code),
                    "gate": word("gate", gate, language) or gate,
                }
                for code, gate in found.unsettled
            ],
            "workplace": _duties(found, language, places, of_work=True),
            "protection": _duties(found, language, places, of_work=False),
        },
    )


def _head(found: Grounds, language: str) -> Row:
    wants, version = found.account, found.notice
    return {
        "company": wants.company or None,
        "made_at": _moment(found.made_at, language),
        "changed_at": word("plain", "never", language)
        if found.changed_at is None
        else _moment(found.changed_at, language),
        "fingerprint": found.fingerprint,
        "rulebook": found.rulebook,
        "session_hours": str(found.session_hours),
        "idle_minutes": str(found.idle_minutes),
        "notice_version": str(version.number) if version.number else None,
        "notice_at": None if version.at is None else _moment(version.at, language),
        "notice_text": employeenotice.in_language(wants, version, language),
        "privacy_url": wants.privacy_url,
        "other_recipients": wants.texts.get(language, {}).get("recipients"),
    }


def _purpose(wants: Account, language: str) -> Row:
    """The purpose and basis; a sentence counts only in the language that it was written in."""
    own = wants.texts.get(language, {}).get("purpose")
    sentence = own or (wants.purpose_sentence if language == wants.language else None)
    basis, proof, duty = wants.lawful_basis, wants.policy().minimum_proof, regime(wants)
    return {
        "purpose": purpose_words(Purpose(wants.purpose), language) if wants.purpose else None,
        "purpose_sentence": sentence,
        "purpose_owner": wants.purpose_owner,
        "basis": None if basis is None else word("basis", basis, language) or basis,
        "basis_owner": wants.lawful_basis_owner,
        "minimum_proof": None if proof is None else word("proof", str(int(proof)), language),
        "regime": None if duty is None else word("regime", duty, language),
        "regime_years": None if duty is None else str(years(wants, duty)),
    }


def _periods(wants: Account, language: str, places: Mapping[str, str]) -> Row:
    region = wants.policy().storage_region
    return {
        "retention_days": _number(wants.retention_days),
        "stated_days": _number(wants.stated_days),
        "backup_days": str(wants.backup_days),
        "unverified_days": _number(wants.unverified_days),
        "swept_at": f"{SWEPT_AT[0]:02}:{SWEPT_AT[1]:02} UTC",
        "storage_region": None if region is None else places.get(region, region),
        "second_factor": word("second_factor", wants.second_factor, language),
    }


def _people(found: Grounds, language: str, places: Mapping[str, str]) -> Row:
    def able(permission: Permission, reach: Reach) -> str:
        roles = (
            role.value
            for role, permissions in TABLE.items()
            if permissions.get(permission, Reach.NONE) is reach
        )
        return ", ".join(word("role", role, language) or role for role in roles)

    def everybody(permission: Permission) -> str:
        return ", ".join(filter(None, (able(permission, each) for each in _SOME)))

    listen = Permission.RECORDINGS_LISTEN
    return {
        "hears_own": everybody(listen),
        "hears_team": able(listen, Reach.TEAM),
        "hears_all": able(listen, Reach.ALL),
        "exports": everybody(Permission.RECORDINGS_EXPORT),
        "erases": able(Permission.ERASURE_MANAGE, Reach.ALL),
        "changes": able(Permission.SETTINGS_WRITE, Reach.ALL),
        "sites": _named(found.sites, places) or None,
        "figures_places": _named(found.shown_places, places) or None,
        "figures_basis": found.account.person_figures_basis,
        "figures_owner": found.basis_by or word("plain", "first_run", language),
        "called": _named(found.called, places) or word("plain", "no_calls", language),
    }


def _named(codes: Iterable[str], places: Mapping[str, str]) -> str:
    return ", ".join(sorted(places.get(code, code) for code in codes))


def _joined(joined: Joined) -> Row:
    return {
        "exchange": joined.exchange,
        "keys_host": joined.keys,
        "mail_host": joined.mail,
        "webhook_host": joined.webhook,
        "stamp_host": joined.stamp,
        "sign_on_host": joined.sign_on,
    }


def _conditions(found: Grounds) -> dict[str, bool]:
    """The words that texts may ask for by ``when``, each with whether it is so."""
    wants, joined, policy = found.account, found.joined, found.account.policy()
    held = {
        "recording": wants.recording_enabled,
        "announces": wants.announces,
        "beeps": wants.beeps,
        "hears_answers": wants.hears_answers,
        "asks_reason": wants.asks_reason,
        "unverified": wants.unverified_days is not None,
        "second_person": bool(wants.second_person),
        **{f"factor_{who}": wants.second_factor == who for who in SECOND_FACTOR},
        "guarantee": policy.no_third_party_guarantee,
        "shares": policy.external_share_links,
        "special": policy.special_category_expected,
        "minimum_proof": policy.minimum_proof is not None,
        "mandatory": regime(wants) is not None,
        "works_required": policy.require_works_agreement,
        "works_on_file": policy.works_agreement_on_file,
        "records": bool(found.records),
        "unsettled": bool(found.unsettled),
        "figures": bool(found.shown_places) or bool(wants.person_figures_basis),
        "figures_basis": bool(wants.person_figures_basis),
        "exchange": joined.exchange is not None,
        "encrypted_exchange": joined.is_exchange_encrypted,
        "dialer": joined.has_dialer,
        "keys_away": joined.keys is not None,
        "mail": joined.mail is not None,
        "webhook": joined.webhook is not None,
        "stamp": joined.stamp is not None,
        "sign_on": joined.sign_on is not None,
        "notice": found.notice.number > 0,
        "germany": any(code.startswith("DE") for code in found.sites),
        "norway": "NO" in found.sites,
    }
    outside = ("exchange", "dialer", "keys_away", "mail", "webhook", "stamp", "sign_on")
    held["outside"] = any(held[each] for each in outside) or bool(policy.external_processors)
    held["protection"] = any(each.kind not in _WORK for each in found.duties)
    held["workplace"] = any(
        each.kind in _WORK and each.place in found.sites for each in found.duties
    )
    return held


_WORK = frozenset({"employee_notice", "works_agreement"})


def _duties(
    found: Grounds, language: str, places: Mapping[str, str], *, of_work: bool
) -> list[Row]:
    """Duties of the workplace at the sites, or the other duties of every place."""
    return [
        {
            "item": places.get(each.stated_by)
            or word("area", each.stated_by, language)
            or each.stated_by,
            # Rule files are written in English and Norwegian; the paper says so elsewhere.
            "duty": each.text.get(language, each.text["en"]),
            "source": _source(each),
        }
        for each in found.duties
        if (each.kind in _WORK) is of_work and (not of_work or each.place in found.sites)
    ]


def _source(duty: Duty) -> str:
    named = "; ".join(duty.sources)
    read = f"{duty.stated_by}, {duty.reviewed}"
    return f"{named} ({read})" if named else read


def _number(value: int | None) -> str | None:
    return None if value is None else str(value)


def _day(day: date, language: str) -> str:
    return dates.format_date(day, "long", locale=Locale.parse(language))


def _moment(at: datetime, language: str) -> str:
    return f"{_day(at.astimezone(UTC).date(), language)}, {at.astimezone(UTC):%H:%M} UTC"
