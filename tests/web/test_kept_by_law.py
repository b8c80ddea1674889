"""Whoever asks for erasure is told which rule keeps a recording, and until when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from tests.server import rig
from tests.web.test_requests import PAGE, received
from tests.web.test_rights_of_people import Office
from tests.web.test_rights_of_people import office as office

from askfirst.retention import STATUTES, Mandatory
from askfirst.rules import packaged
from askfirst.server.account import Account
from askfirst.server.clock import utc_now
from askfirst.server.keepers import Keeper, keeper_of, statute

ENDED = datetime(2026, 3, 1, 12, tzinfo=UTC)
UTILITY = "HU.service-period"


def row(**values: object) -> SimpleNamespace:
    return SimpleNamespace(
        **{"mandatory": None, "kept_until": None, "kept_by": None, "ended_at": ENDED, **values}
    )


@pytest.mark.parametrize(
    ("kept", "expected"),
    [
        ({}, None),
        ({"mandatory": "cftc"}, Keeper("cftc", ENDED.replace(year=2027))),
        ({"mandatory": "cftc", "ended_at": None}, Keeper("cftc", None)),
        ({"mandatory": "nobody-knows"}, Keeper("nobody-knows", None)),
        (
            {"kept_until": ENDED + timedelta(days=90), "kept_by": "BR.x"},
            Keeper("BR.x", ENDED + timedelta(days=90)),
        ),
        ({"kept_until": ENDED, "kept_by": "BR.x"}, None),
        (
            {"mandatory": "cftc", "kept_until": ENDED + timedelta(days=1827), "kept_by": UTILITY},
            Keeper(UTILITY, ENDED + timedelta(days=1827)),
        ),
    ],
)
def test_of_several_duties_the_one_that_ends_last_keeps(
    kept: dict[str, object], expected: Keeper | None
) -> None:
    assert keeper_of(row(**kept), Account(), ENDED) == expected


def test_a_longer_time_that_an_authority_asked_for_counts() -> None:
    wants = Account(mandatory_years={"mifid2": {"years": 7}})

    found = keeper_of(row(mandatory="mifid2"), wants, ENDED)

    assert found == Keeper("mifid2", ENDED.replace(year=2033))


def test_every_duty_and_every_rule_that_keeps_names_its_statute() -> None:
    rules, on = packaged(), ENDED.date()

    assert set(STATUTES) == set(Mandatory)
    for code in rules.jurisdictions:
        for duty in rules.duties(code, on):
            if duty.shortest_days is not None and duty.id is not None:
                assert statute(rules, duty.id, on, "nb")
    assert "§ 17/B" in statute(rules, UTILITY, on, "en")
    assert statute(rules, "XX.none", on, "en") == ""
    assert statute(rules, "", on, "en") == ""


def test_an_erasure_that_a_duty_forbids_names_it(office: Office) -> None:
    rig.change(office.site.store, office.recorded.id, mandatory="fca")
    made = received(office, "erasure")
    shown = office.officer.get(f"{PAGE}/{made}").text
    assert "SYSC 10A.1" in shown

    items: Any = office.erase(recording=office.recorded.id, dry_run=True)["items"]
    (item,) = items
    office.officer.post(f"{PAGE}/{made}", data={"wanted": "erase"})

    assert (item["outcome"], item["rule"]) == ("mandatory", "fca")
    assert "SYSC 10A.1" in item["statute"]
    assert datetime.fromisoformat(item["until"]) > utc_now() + timedelta(days=4 * 365)
    page = office.officer.get(f"{PAGE}/{made}").text
    assert "SYSC 10A.1) wants it kept until" in page, "in the outcome, which stays"


def test_an_erasure_that_a_rule_forbids_names_it(office: Office) -> None:
    until = utc_now() + timedelta(days=90)
    rig.change(office.site.store, office.recorded.id, kept_until=until, kept_by=UTILITY)

    items: Any = office.erase(number=rig.NORWAY, dry_run=True)["items"]
    (item,) = items

    assert (item["outcome"], item["rule"]) == ("mandatory", UTILITY)
    assert "§ 17/B" in item["statute"]
    made = received(office, "erasure")
    assert UTILITY in office.officer.get(f"{PAGE}/{made}").text


def test_every_recording_of_a_contact_is_held_by_the_contact(office: Office) -> None:
    found = office.officer.post(f"{PAGE}/find", data={"contact": office.contact})
    assert "Hold every recording" in found.text
    assert f'name="contact" value="{office.contact}"' in found.text

    held = office.officer.post(
        "/compliance/holds/person",
        data={"contact": office.contact, "hold_reason": "A lawsuit"},
        follow_redirects=False,
    )

    assert held.status_code == 303
    assert office.recorded.row.legal_hold
    items: Any = office.erase(contact=office.contact, dry_run=True)["items"]
    (item,) = items
    assert item == {"id": office.recorded.id, "outcome": "held"}


def test_a_hold_names_one_of_number_and_contact(office: Office) -> None:
    for data in ({}, {"number": rig.NORWAY, "contact": office.contact}, {"contact": "pers_1"}):
        answer = office.officer.post(
            "/compliance/holds/person", data={**data, "hold_reason": "A lawsuit"}
        )
        assert answer.status_code == 422
    assert not office.recorded.row.legal_hold
