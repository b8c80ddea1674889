"""Every change that may wait for a second person has words on the page."""

from __future__ import annotations

from dataclasses import fields

from askfirst.policy import Policy
from askfirst.server.accountkeys import SECOND_PERSON
from askfirst.server.approvalkinds import KINDS
from askfirst.server.guardedsettings import GUARDED, WISHES
from askfirst.server.reminders import Ends
from askfirst.web import queuewords
from askfirst.web.changewords import SETTINGS
from askfirst.web.pages_policies import CHOICES, FLAGS
from askfirst.web.pages_reminders import KINDS as ENDINGS


def test_every_guarded_setting_is_named() -> None:
    assert set(GUARDED - {WISHES}) <= SETTINGS.keys()


def test_every_policy_that_the_page_changes_is_named() -> None:
    known = {each.name for each in fields(Policy)}
    changed = {*FLAGS, *CHOICES, "external_processors", "forbid_jurisdictions"} & known

    assert {f"{WISHES}.{key}" for key in changed} <= SETTINGS.keys()


def test_every_kind_that_may_wait_does_something_and_has_words() -> None:
    assert set(SECOND_PERSON) == set(KINDS) == set(queuewords.KINDS)


def test_every_kind_of_ending_has_words() -> None:
    assert set(ENDINGS) == set(Ends)
