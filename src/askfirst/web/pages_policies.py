"""Settings: the account's policies, which can only tighten what the law asks for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter
from starlette.datastructures import FormData
from starlette.responses import RedirectResponse, Response

from askfirst.errors import InvalidInput, InvalidRequest
from askfirst.policy import MANDATORY_RECORDING, PROFILES
from askfirst.rulefile import SECTORS
from askfirst.rules import Rulebook
from askfirst.server.accountkeys import FIRST_COUNTRY, SECOND_PERSON
from askfirst.web.api_account import changed
from askfirst.web.bodies import Filled
from askfirst.web.placewords import by_name, every_place
from askfirst.web.queuewords import KINDS
from askfirst.web.settingsframe import Reader, Writer, setting
from askfirst.web.settingwords import PROOFS, REGIMES
from askfirst.web.settingwords import SECTORS as SECTOR_WORDS
from askfirst.web.visit import Visit

router = APIRouter()

KEYS = (
    "wishes", "announces", "beeps", "hears_answers", "private_calls", "first_country",
    "unverified_days", "second_person",
)  # fmt: skip
FLAGS = (
    "always_ask", "automatic_notice", "special_category_expected", "no_third_party_guarantee",
    "external_share_links", "require_works_agreement", "works_agreement_on_file",
)  # fmt: skip
CHOICES: Mapping[str, tuple[str, ...]] = {
    "profile": PROFILES,
    "unknown_location": ("ask", "forbid"),
    "sector": ("", *SECTORS),
    "mandatory_recording": ("", *MANDATORY_RECORDING),
    "minimum_proof": ("", *map(str, PROOFS)),
    "first_country": FIRST_COUNTRY,
}
SHARED = ("external_share_links", "external_processors")
"""What would break the guarantee that nothing is shared with third parties."""

LONGEST_PROCESSORS = 2_000


@router.get("/settings/policies")
def policies_page(visit: Reader, saved: bool = False) -> Response:
    """The account's policies as they are."""
    return _policies(visit, _present(visit), saved=saved)


@router.post("/settings/policies")
def change_policies(visit: Writer, form: Filled) -> Response:
    """Change the policies, all or none; what is wrong is said beside its field."""
    values = _filled_in(form, visit)
    errors = _errors(visit, values)
    if errors:
        return _policies(visit, values, errors)
    wishes = {**(visit.account.wishes or {}), **_wishes(values)}
    try:
        changed(
            visit,
            {
                "wishes": wishes,
                "announces": values["announces"],
                "beeps": values["beeps"],
                "hears_answers": values["hears_answers"],
                "private_calls": values["private_calls"],
                "first_country": values["first_country"],
                "unverified_days": _days(values["unverified_days"]),
                "second_person": values["second_person"],
            },
        )
    except InvalidInput as error:
        key = error.key if isinstance(error, InvalidRequest) else "wishes"
        return _policies(visit, values, {key: visit.told(error)})
    return RedirectResponse("/settings/policies?saved=1", status_code=303)


def _present(visit: Visit) -> dict[str, Any]:
    """What the form shows of the policies that are in force."""
    policy, wants = visit.account.policy(), visit.account
    values: dict[str, Any] = {key: getattr(policy, key) for key in FLAGS}
    values |= {
        "profile": policy.profile,
        # What an earlier policy wished and nobody follows is shown as what happens.
        "unknown_location": "forbid" if policy.unknown_location == "forbid" else "ask",
        "sector": policy.sector or "",
        "mandatory_recording": policy.mandatory_recording or "",
        "minimum_proof": "" if policy.minimum_proof is None else str(int(policy.minimum_proof)),
        "first_country": wants.first_country,
        "unverified_days": "" if wants.unverified_days is None else str(wants.unverified_days),
        "second_person": list(wants.second_person),
        "announces": wants.announces,
        "beeps": wants.beeps,
        "hears_answers": wants.hears_answers,
        "private_calls": wants.private_calls,
        "external_processors": "\n".join(policy.external_processors),
        "forbid_jurisdictions": list(policy.forbid_jurisdictions),
        "forbid_more": "",
    }
    return values


def _filled_in(form: FormData, visit: Visit) -> dict[str, Any]:
    """What was filled in; a field that is locked and so not sent keeps its value."""
    present = _present(visit)
    values: dict[str, Any] = {
        key: key in form for key in (*FLAGS, "announces", "beeps", "hears_answers", "private_calls")
    }
    values |= {key: str(form.get(key, present[key])).strip() for key in CHOICES}
    values |= {
        "external_processors": str(form.get("external_processors", "")).strip()[
            : LONGEST_PROCESSORS + 1
        ],
        "forbid_jurisdictions": [str(each) for each in form.getlist("forbid_jurisdictions")],
        "forbid_more": str(form.get("forbid_more", "")).strip(),
        "unverified_days": str(form.get("unverified_days", present["unverified_days"])).strip(),
        # No kind is ticked, or the question was not asked.
        "second_person": [str(each) for each in form.getlist("second_person")]
        if "second_person_asked" in form
        else present["second_person"],
    }
    return values


def _errors(visit: Visit, values: Mapping[str, Any]) -> dict[str, str]:
    """What is wrong, by field, in the visit's language."""
    choose = visit.say("Choose one of the list.")
    errors = {key: choose for key, known in CHOICES.items() if values[key] not in known}
    # What the account had before stays possible, also a sector of its own that no rule names.
    if errors and values["sector"] == (visit.account.policy().sector or ""):
        errors.pop("sector", None)
    places = _areas(visit.site.rules, visit.language)
    stored = visit.account.policy().forbid_jurisdictions
    if any(code not in places and code not in stored for code in _forbidden(values)):
        errors["forbid_jurisdictions"] = choose
    if len(values["external_processors"]) > LONGEST_PROCESSORS:
        errors["external_processors"] = visit.say("Write less, one name on each line.")
    if values["no_third_party_guarantee"]:
        said = visit.say("The guarantee promises that nothing is shared. Take one of the two back.")
        errors |= {key: said for key in SHARED if values[key]}
        if any(values[key] for key in SHARED):
            errors["no_third_party_guarantee"] = said
    return errors


def _wishes(values: Mapping[str, Any]) -> dict[str, object]:
    """The form as policy keys."""
    lines = (line.strip() for line in values["external_processors"].splitlines())
    proof = values["minimum_proof"]
    return {
        **{key: values[key] for key in FLAGS},
        "profile": values["profile"],
        "unknown_location": values["unknown_location"],
        "sector": values["sector"] or None,
        "mandatory_recording": values["mandatory_recording"] or None,
        "minimum_proof": int(proof) if proof else None,
        "external_processors": [line for line in lines if line],
        "forbid_jurisdictions": _forbidden(values),
    }


def _days(text: str) -> object:
    """Days as a number; what is no number is left to the setting to refuse."""
    return int(text) if text.isascii() and text.isdigit() else text


def _forbidden(values: Mapping[str, Any]) -> list[str]:
    more = [values["forbid_more"]] if values["forbid_more"] else []
    return sorted({*values["forbid_jurisdictions"], *more})


def _policies(
    visit: Visit,
    values: Mapping[str, Any],
    errors: Mapping[str, str] | None = None,
    *,
    saved: bool = False,
) -> Response:
    places = _areas(visit.site.rules, visit.language)
    own = visit.account.policy()
    return setting(
        visit,
        "settings_policies.html",
        KEYS,
        status=422 if errors else 200,
        saved=saved,
        values=values,
        errors=errors or {},
        # By what is in force and not by what was just filled in: nothing of that is lost.
        locked=own.no_third_party_guarantee,
        loose=own.profile != PROFILES[0],
        sectors=[(code, visit.say(text)) for code, text in SECTOR_WORDS.items()]
        + ([(own.sector, own.sector)] if own.sector and own.sector not in SECTORS else []),
        regimes=[(code, visit.say(text)) for code, text in REGIMES.items()],
        proofs=[(str(level), visit.say(text)) for level, text in PROOFS.items()],
        second_persons=[(kind, visit.say(KINDS[kind])) for kind in SECOND_PERSON],
        places=by_name(places),
        place_name=lambda code: places.get(code, code),
    )


def _areas(rules: Rulebook, language: str) -> dict[str, str]:
    """Places and legal areas such as the EEA that recording may be forbidden in."""
    layers = {
        file.code: file.name.get(language, file.name["en"])
        for file in rules.jurisdictions.values()
        if file.kind == "layer"
    }
    return {**layers, **every_place(rules, language)}
