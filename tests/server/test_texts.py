"""What is said in the account's words, and that nothing owed can be left out of it."""

from __future__ import annotations

import pytest
from tests.server.rig import AT

from askfirst.decide import decide
from askfirst.errors import InvalidInput
from askfirst.model import Element, Party
from askfirst.notice import LANGUAGES
from askfirst.server import texts
from askfirst.server.account import Account, account, change
from askfirst.server.clock import utc_now
from askfirst.server.database import transaction
from askfirst.server.store import Store

ACCOUNT = Account(
    company="Nordlys AS", purpose="training", retention_days=90, privacy_url="nordlys.example"
)
GERMAN = decide([Party.agent("NO"), Party.contact("+493023125017")], on=AT.date())


def test_an_account_without_a_name_has_no_announcement_and_says_why() -> None:
    shown = texts.preview(Account(), GERMAN, "en")

    assert (shown.announcement, shown.sentence) == ("", "")
    assert shown.fault is not None
    assert set(shown.lacking) == set(GERMAN.elements)


@pytest.mark.parametrize("language", LANGUAGES)
def test_everything_owed_is_said_in_every_language(language: str) -> None:
    shown = texts.preview(ACCOUNT, GERMAN, language)

    assert shown.fault is None
    assert shown.lacking == ()
    assert set(shown.said) == set(GERMAN.elements)
    assert "Nordlys AS" in shown.announcement
    assert shown.refused != shown.withdrawn


def test_no_phrase_of_the_account_takes_a_required_element_away() -> None:
    own = {"purpose": "nothing that you need to know", "recipients": "nobody at all"}
    shown = texts.preview(Account(company="X", texts={"en": own}), GERMAN, "en")

    assert shown.lacking == ()
    assert Element.CONSENT_REQUEST in shown.said


def test_a_text_is_long_by_its_words_and_the_pace_of_its_language() -> None:
    assert texts.estimated_seconds("", "en") == 0
    assert texts.estimated_seconds("word " * 150, "en") == 60
    assert texts.estimated_seconds("Wort " * 130, "de") == 60
    long = texts.preview(ACCOUNT, GERMAN, "en")
    assert long.is_long is (long.seconds > texts.LONG_SECONDS)


def test_there_is_no_reply_in_a_language_that_nobody_wrote() -> None:
    with pytest.raises(InvalidInput):
        texts.reply("refused", "da")


def test_versions_of_a_language_leave_out_changes_of_others(store: Store) -> None:
    english, german = {"purpose": "training our own staff"}, {"recipients": "Sprachdienst GmbH"}
    with transaction(store.engine) as connection:
        for wanted in ({"en": english}, {"en": english, "de": german}, {"de": german}):
            change(connection, {"texts": wanted}, None, utc_now())
        assert account(connection).texts == {"de": german}

        found = [each.value for each in texts.versions(connection, "en")]
    assert found == [{}, english]
