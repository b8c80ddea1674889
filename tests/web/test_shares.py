"""Shares: a recording for somebody outside, and everything that must not open one."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient
from tests.server import rig
from tests.web.conftest import add, browser, signed_in
from tests.web.test_links import counted, told, whys
from tests.web.test_recordings import NORTH, Office, office

from askfirst.errors import Refused
from askfirst.model import Purpose
from askfirst.server import account, erasure, keptwords
from askfirst.server.access import UserRole
from askfirst.server.clock import utc_now
from askfirst.server.database import calls, transaction
from askfirst.server.ids import new_id
from askfirst.server.linktables import shares
from askfirst.server.purposes import ListeningPurpose
from askfirst.server.sharing import GUESSES, LONGEST, Made, Sharing

__all__ = ["office"]

NAME = "Advokat Synnøve Åsen, Fjell & Dal"


def wish(office: Office, **wishes: object) -> None:
    with transaction(office.site.store.engine) as connection:
        account.change(connection, {"wishes": wishes}, None, utc_now())


@pytest.fixture
def sharing(office: Office) -> Sharing:
    """Shares of an account that allows them, as it did when the call was decided."""
    wish(office, external_share_links=True)
    with transaction(office.site.store.engine) as connection:
        policy = dict(connection.execute(sa.select(calls.c.policy)).scalar_one())
        connection.execute(calls.update().values(policy={**policy, "external_share_links": True}))
    return Sharing(office.site.store, office.site.listening)


def made_by(office: Office, client: TestClient) -> tuple[str, str]:
    """Path and code of a share that somebody makes on the page of the call."""
    form = {"recipient": NAME, "purpose": "dispute", "hours": "24"}
    answer = client.post(f"{office.page}/shares", data=form)
    assert answer.status_code == 200, answer.text
    path = re.search(r"/shared/[A-Za-z0-9_-]+", answer.text)
    code = re.search(r">(\d{8})<", answer.text)
    assert path is not None
    assert code is not None
    return path[0], code[1]


def share(office: Office, sharing: Sharing, lasts: timedelta = timedelta(hours=2)) -> Made:
    officer = add(office.site, UserRole.COMPLIANCE, name=new_id("usr")[-12:]).person
    recording, purpose = office.recorded.id, ListeningPurpose.DISPUTE
    return sharing.make(officer, recording, NAME, purpose, lasts, utc_now())


def opens(sharing: Sharing, made: Made, later: timedelta = timedelta(0)) -> bool:
    """Whether the share still asks for its code."""
    try:
        return sharing.asks_code(made.token, utc_now() + later)
    except Refused:
        return False


def test_somebody_outside_hears_it_with_link_and_code_in_one_browser(
    office: Office, sharing: Sharing
) -> None:
    path, code = made_by(office, office.somebody(UserRole.SUPERVISOR, NORTH))
    counsel, thief = browser(office.site), browser(office.site)

    assert counsel.get(f"{path}/audio").status_code == 403
    assert "Enter the code" in counsel.get(path).text
    assert counsel.post(path, data={"code": f" {code[:4]} {code[4:]}"}).status_code == 303
    heard = counsel.get(f"{path}/audio", headers={"range": "bytes=0-"})

    assert heard.status_code == 206
    assert heard.content.startswith(b"OggS")
    assert thief.post(path, data={"code": code}).status_code == 403
    assert thief.get(f"{path}/audio").status_code == 403
    assert "opened in another browser" in thief.get(path).text
    (played,) = office.entries("access.played")
    assert set(played["data"]) == {"share", "purpose", "from_ms", "to_ms"}
    assert [each["kind"] for each in office.entries("access.shared")] == ["access.shared"]


def test_the_page_outside_says_nothing_of_the_call(office: Office, sharing: Sharing) -> None:
    path, code = made_by(office, office.somebody(UserRole.COMPLIANCE))
    counsel = browser(office.site)
    counsel.post(path, data={"code": code})

    shown = counsel.get(path)

    assert office.recorded.call not in shown.text
    assert office.recorded.id not in shown.text
    assert office.agent.name not in shown.text
    assert shown.headers["referrer-policy"] == "no-referrer"


def test_a_code_that_is_guessed_at_is_void(office: Office, sharing: Sharing) -> None:
    made = share(office, sharing)
    wrong = "00000000" if made.code != "00000000" else "11111111"

    for _ in range(GUESSES):
        with pytest.raises(Refused, match="not the code"):
            sharing.open(made.token, wrong, utc_now())

    with pytest.raises(Refused, match="opens nothing"):
        sharing.open(made.token, made.code, utc_now())
    assert set(whys(office)) == {"wrong-code"}


def test_a_code_works_once(office: Office, sharing: Sharing) -> None:
    made = share(office, sharing)
    secret = sharing.open(made.token, made.code, utc_now())

    with pytest.raises(Refused, match="used already"):
        sharing.open(made.token, made.code, utc_now())
    assert sharing.sound(made.token, secret, utc_now()).size > 0


def test_a_share_runs_out_and_can_be_ended(office: Office, sharing: Sharing) -> None:
    first, second = share(office, sharing), share(office, sharing)
    secret = sharing.open(second.token, second.code, utc_now())
    page = office.somebody(UserRole.COMPLIANCE)

    assert opens(sharing, first)
    assert not opens(sharing, first, timedelta(hours=3))
    ended = page.post(f"{office.page}/shares/{second.id}/end")

    assert ended.status_code == 303
    with pytest.raises(Refused, match="opens nothing"):
        sharing.sound(second.token, secret, utc_now())
    assert whys(office) == ["expired", "revoked"]
    assert len(office.entries("access.unshared")) == 1


def test_the_guarantee_ends_what_was_shared_before(office: Office, sharing: Sharing) -> None:
    made = share(office, sharing)
    secret = sharing.open(made.token, made.code, utc_now())

    wish(office, external_share_links=False, no_third_party_guarantee=True)

    with pytest.raises(Refused, match="opens nothing"):
        sharing.sound(made.token, secret, utc_now())
    with pytest.raises(Refused, match="not shared"):
        share(office, sharing)
    assert whys(office) == ["sharing-off"]


def test_guarantee_and_links_for_people_outside_exclude_each_other(office: Office) -> None:
    with pytest.raises(Exception, match="guaranteed not to be shared"):
        wish(office, external_share_links=True, no_third_party_guarantee=True)


def test_a_call_that_was_decided_without_sharing_is_not_shared(office: Office) -> None:
    wish(office, external_share_links=True)
    client = office.somebody(UserRole.COMPLIANCE)
    form = {"recipient": NAME, "purpose": "dispute", "hours": "24"}

    assert client.post(f"{office.page}/shares", data=form).status_code == 403
    assert "are not shared" in client.get(office.page).text
    assert office.entries("access.shared") == []


def test_a_purpose_that_nobody_was_told_is_not_shared_for(office: Office, sharing: Sharing) -> None:
    told(office, Purpose.TRAINING)
    client = office.somebody(UserRole.COMPLIANCE)
    form = {"recipient": NAME, "purpose": "quality", "hours": "24"}

    assert client.post(f"{office.page}/shares", data=form).status_code == 403
    assert whys(office) == ["other-purpose"]


def test_what_is_held_back_or_erased_is_not_heard_outside(office: Office, sharing: Sharing) -> None:
    made = share(office, sharing)
    secret = sharing.open(made.token, made.code, utc_now())
    store, recording = office.site.store, office.recorded.id
    rig.change(store, recording, state="quarantined")
    with pytest.raises(Refused, match="opens nothing"):
        sharing.sound(made.token, secret, utc_now())
    rig.change(store, recording, state="ready")

    with transaction(store.engine) as connection:
        erasure.intend(store, connection, recording, "request", utc_now())
    erasure.erase(store, recording, utc_now())

    with pytest.raises(Refused, match="opens nothing"):
        sharing.sound(made.token, secret, utc_now())
    assert [each.recipient for each in sharing.of_recording(recording)] == [""]


def test_who_got_it_is_kept_with_the_recording_alone(office: Office, sharing: Sharing) -> None:
    made = share(office, sharing)
    store = office.site.store
    with store.engine.connect() as connection:
        rows = str(connection.execute(sa.select(shares)).all())
    written = "".join(map(str, store.ledger.entries()))

    assert keptwords.kept(store, office.recorded.id, made.id) == {"recipient": NAME}
    for secret in ("Synnøve", made.token, made.code):
        assert secret not in rows
        assert secret not in written


@pytest.mark.parametrize("lasts", [timedelta(0), LONGEST + timedelta(seconds=1)])
def test_a_share_lasts_an_hour_to_two_weeks(
    office: Office, sharing: Sharing, lasts: timedelta
) -> None:
    with pytest.raises(Exception, match="1 to 336"):
        share(office, sharing, lasts)


def test_a_reason_is_asked_where_the_account_wants_one(office: Office) -> None:
    with transaction(office.site.store.engine) as connection:
        account.change(connection, {"asks_reason": True}, None, utc_now())
    lead = office.somebody(UserRole.SUPERVISOR, NORTH)
    own = signed_in(office.site, office.agent)
    where, form = f"{office.page}/listen", {"purpose": "dispute"}

    assert "Why are you opening this recording?" in lead.get(office.page).text
    assert lead.post(where, data=form).status_code == 422
    assert office.accesses == []
    assert own.post(where, data=form).status_code == 200
    assert lead.post(where, data={**form, "reason": "Klage fra Nora"}).status_code == 200

    for seen in (own.get("/me").text, own.get(office.page).text):
        assert "Klage fra Nora" in seen
    assert "Nora" not in "".join(map(str, office.site.store.ledger.entries()))


# Whatever must not open one: the same seven as of links (tests/web/test_links.py)

NOTHING = "A" * 43


def opened(office: Office, sharing: Sharing) -> tuple[str, TestClient]:
    """The path of a share and the browser that has brought its code."""
    made, counsel = share(office, sharing), browser(office.site)
    path = f"/shared/{made.token}"
    assert counsel.post(path, data={"code": made.code}).status_code == 303
    return path, counsel


def said(text: str) -> str:
    """What a page or an answer says of a share that opens nothing."""
    found = re.search(r"this link opens nothing[^<\"]*", text)
    assert found is not None, text[:300]
    return found[0]


def test_a_share_whose_browser_is_another_session_is_refused_and_logged(
    office: Office, sharing: Sharing
) -> None:
    path, counsel = opened(office, sharing)
    other = browser(office.site)
    other.cookies.set("askfirst-share", "B" * 43)

    assert other.get(f"{path}/audio").status_code == 403
    assert whys(office) == ["other-session"]
    assert counsel.get(f"{path}/audio").status_code == 200


def test_a_share_gives_another_person_nothing_though_they_are_signed_in(
    office: Office, sharing: Sharing
) -> None:
    path, _ = opened(office, sharing)

    for role in (UserRole.ADMIN, UserRole.COMPLIANCE):
        answer = office.somebody(role).get(f"{path}/audio")
        assert (answer.status_code, b"OggS" in answer.content) == (403, False)
    assert set(whys(office)) == {"other-session"}


def test_an_altered_share_is_refused_without_saying_what_is_wrong(
    office: Office, sharing: Sharing
) -> None:
    path, counsel = opened(office, sharing)
    altered = path[:-1] + ("A" if path[-1] != "A" else "B")

    answers = [counsel.get(f"{each}/audio") for each in (altered, f"/shared/{NOTHING}")]

    assert [each.status_code for each in answers] == [403, 403]
    assert said(answers[0].text) == said(answers[1].text)


def test_an_expired_and_a_revoked_share_are_refused_alike_and_told_apart_in_the_log(
    office: Office, sharing: Sharing
) -> None:
    heard = []
    for values in ({"expires_at": utc_now()}, {"revoked_at": utc_now()}):
        path, counsel = opened(office, sharing)
        with transaction(office.site.store.engine) as connection:
            newest = sa.select(shares.c.id).order_by(shares.c.id.desc()).limit(1).scalar_subquery()
            connection.execute(shares.update().where(shares.c.id == newest).values(**values))
        answer = counsel.get(f"{path}/audio")
        heard.append((answer.status_code, said(answer.text)))

    assert heard[0] == heard[1]
    assert heard[0][0] == 403
    assert whys(office) == ["expired", "revoked"]


def test_a_share_that_is_replayed_in_another_browser_is_refused_and_logged(
    office: Office, sharing: Sharing
) -> None:
    path, code = made_by(office, office.somebody(UserRole.COMPLIANCE))
    counsel, thief = browser(office.site), browser(office.site)
    assert counsel.post(path, data={"code": code}).status_code == 303

    assert thief.post(path, data={"code": code}).status_code == 403
    assert thief.get(f"{path}/audio").status_code == 403
    assert whys(office) == ["wrong-code", "other-session"]


@pytest.mark.parametrize(
    "asked", ["bytes=999999999-", "bytes=5-2", "bytes=-0", "bytes=0-9,20-29", "bytes=" + "9" * 60]
)
def test_an_abused_range_of_a_share_gives_nothing_beyond_the_file(
    office: Office, sharing: Sharing, asked: str
) -> None:
    path, counsel = opened(office, sharing)

    answer = counsel.get(f"{path}/audio", headers={"range": asked})

    assert answer.status_code in (200, 416)
    assert len(office.entries("access.played")) == (1 if answer.status_code == 200 else 0)


def test_neither_answer_nor_work_of_an_unknown_share_depends_on_what_there_is(
    office: Office, sharing: Sharing
) -> None:
    """A token names no recording; whoever guesses one learns nothing from shares that exist."""
    answers, work = [], []
    for _ in range(2):
        with counted(office) as statements:
            answer = browser(office.site).get(f"/shared/{NOTHING}/audio")
        answers.append((answer.status_code, said(answer.text)))
        work.append([statement.split("(")[0] for statement in statements])
        opened(office, sharing)  # from here on there is a share, and a browser that hears it

    assert answers[0] == answers[1]
    assert work[0] == work[1]
