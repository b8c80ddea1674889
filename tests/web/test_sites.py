"""Settings → Sites: what is put on record there decides calls."""

from __future__ import annotations

import sqlalchemy as sa
from tests.web.conftest import add, signed_in

from askfirst.server.access import UserRole
from askfirst.server.accounttables import users
from askfirst.server.database import reading, transaction
from askfirst.server.sites import records
from askfirst.web.visit import Site

PAGE = "/settings/sites"
AGREED = {"gate": "DE works_agreement", "note": "Agreement of 3 May, folder 12"}


def move(site: Site, place: str) -> None:
    """Let everybody work somewhere."""
    with transaction(site.store.engine) as connection:
        connection.execute(users.update().values(place=place))


def kept(site: Site) -> list[str]:
    with reading(site.store.engine) as connection:
        return [each.note for each in records(connection)]


def test_what_is_wanted_is_shown_until_it_is_on_record(ready: Site) -> None:
    client = signed_in(ready, add(ready, UserRole.ADMIN, name="keeper"))
    assert "want nothing of a site" in client.get(PAGE).text
    move(ready, "DE")

    assert "no: nothing is recorded there" in client.get(PAGE).text
    assert client.post(PAGE, data=AGREED, follow_redirects=False).status_code == 303

    shown = client.get(PAGE).text
    assert "no: nothing is recorded there" not in shown
    assert AGREED["note"] in shown
    assert kept(ready) == [AGREED["note"]]


def test_what_is_wrong_is_said_beside_its_field_and_nothing_is_kept(ready: Site) -> None:
    client = signed_in(ready, add(ready, UserRole.ADMIN, name="keeper"))
    move(ready, "DE")

    for wrong in (
        {"gate": "NO works_agreement"}, {"gate": "nonsense"}, {"gate": ""}, {"note": "x"},
        {"since": "yesterday"}, {"since": "2026-11-02", "until": "2026-11-01"},
    ):  # fmt: skip
        answer = client.post(PAGE, data={**AGREED, **wrong})
        assert (answer.status_code, 'aria-invalid="true"' in answer.text) == (422, True), wrong
    assert kept(ready) == []


def test_a_record_is_ended_by_who_may_change_settings(ready: Site) -> None:
    client = signed_in(ready, add(ready, UserRole.ADMIN, name="keeper"))
    officer = signed_in(ready, add(ready, UserRole.COMPLIANCE))
    move(ready, "DE")
    client.post(PAGE, data=AGREED)
    with reading(ready.store.engine) as connection:
        (found,) = records(connection)
    where = f"{PAGE}/{found.id}/end"

    assert officer.post(where).status_code == 403
    assert client.post(where, follow_redirects=False).status_code == 303

    with reading(ready.store.engine) as connection:
        (after,) = records(connection)
        noted = connection.execute(sa.text("SELECT action FROM audit ORDER BY position")).scalars()
        assert list(noted)[-2:] == ["site.recorded", "site.ended"]
    assert after.ended_at is not None
