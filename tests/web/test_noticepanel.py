"""The check of a notice on the page of a call: who said it, what is missing, what was replied."""

from __future__ import annotations

from tests.server import rig
from tests.server.test_finishing import NOTICE
from tests.server.test_noticechecks import examine, rewrite
from tests.web.test_recordings import NORTH, Office, office  # noqa: F401 - the fixture

from askfirst.rules import packaged
from askfirst.server import noticechecks, requestacts
from askfirst.server.access import UserRole
from askfirst.server.clock import utc_now
from askfirst.server.database import reading
from askfirst.server.requestregister import RequestKind
from askfirst.server.subjectrights import who
from askfirst.server.transcripts import MACHINE

AGREED, OBJECTED = "They agreed", "They objected"


def checked(found: Office, *said: tuple[str, int, str]) -> None:
    rewrite(found.recorded.store, found.recorded.id, MACHINE, ("agent", 100, NOTICE), *said)
    noticechecks.examine(found.recorded.store, packaged(), found.recorded.id, utc_now())


def test_the_page_says_who_said_it_what_was_not_heard_and_what_they_replied(
    office: Office,  # noqa: F811
) -> None:
    checked(office, ("contact", 3_000, "okay that's fine"), ("contact", 9_000, "I'm in Paris"))

    page = office.somebody(UserRole.COMPLIANCE).get(office.page).text

    assert "What was heard of the notice" in page
    assert "before their first kept sound" in page
    assert "that the call is recorded" in page
    assert "Not heard" in page
    assert AGREED in page
    assert "They said that they are in France" in page
    assert "okay that" not in page, "no words without opening the recording"


def test_what_is_restricted_is_not_read_and_shows_no_reply(
    office: Office,  # noqa: F811
) -> None:
    checked(office, ("contact", 3_000, "okay that's fine"))
    store = office.recorded.store
    with reading(store.engine) as connection:
        person = who(connection, number=rig.NORWAY)
    asked = requestacts.take(store, RequestKind.RESTRICTION, person, office.agent.id, utc_now())
    requestacts.restrict(store, asked.id, office.agent.id, utc_now())
    checked(office, ("contact", 3_000, "no please don't record"))

    page = office.somebody(UserRole.COMPLIANCE).get(office.page).text

    assert "What was heard of the notice" in page
    assert AGREED not in page
    assert OBJECTED not in page
    with reading(store.engine) as connection:
        newest = noticechecks.history(connection, office.recorded.id)[0]
    assert newest.answer is not None
    assert newest.answer["label"] == "consent", "the newer words were not read"


def test_nothing_of_the_contact_is_shown_of_what_is_locked(
    office: Office,  # noqa: F811
) -> None:
    checked(office, ("contact", 60_000, "I do not want this call recorded"))
    examine(office.recorded.store, office.recorded.call)
    assert office.recorded.row.state == "quarantined"

    page = office.somebody(UserRole.COMPLIANCE).get(office.page).text

    assert "What was heard of the notice" in page
    assert OBJECTED not in page


def test_earlier_verdicts_and_the_certificate_name_what_was_heard(
    office: Office,  # noqa: F811
) -> None:
    checked(office, ("contact", 3_000, "okay that's fine"))
    client = office.somebody(UserRole.COMPLIANCE)

    assert "Earlier verdicts" in client.get(office.page).text
    certificate = client.get(f"{office.page}/certificate").text
    assert "Reply heard in the transcript" in certificate
    assert "Said by" in certificate
    assert rig.kinds(office.recorded.store).count("recording.checked") == 2
