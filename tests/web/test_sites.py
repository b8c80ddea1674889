"""Settings → Sites: what is put on record there decides calls."""

from __future__ import annotations

import sqlalchemy as sa
from tests.web.conftest import add, signed_in

from askfirst.server import account
from askfirst.server.access import UserRole
from askfirst.server.accounttables import users
from askfirst.server.clock import utc_now
from askfirst.server.database import reading, transaction
from askfirst.server.sites import records
from askfirst.web.visit import Site

PAGE = "/settings/sites"
FIGURES = f"{PAGE}/figures"
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


def test_a_basis_for_figures_is_stated_shown_with_its_owner_and_taken_back(ready: Site) -> None:
    client = signed_in(ready, add(ready, UserRole.ADMIN, name="keeper"))
    move(ready, "NO")
    assert "Norway: shown by team" in client.get(PAGE).text

    for basis, shown in (("Decision of 3 May", "person"), ("", "team")):
        assert client.post(FIGURES, data={"person_figures_basis": basis}).status_code == 303
        page = client.get(PAGE).text
        assert f"Norway: shown by {shown}" in page
        assert ("stated by Keeper" in page) is bool(basis)


def test_a_basis_that_is_too_long_is_said_beside_its_field(ready: Site) -> None:
    client = signed_in(ready, add(ready, UserRole.ADMIN, name="keeper"))

    answer = client.post(FIGURES, data={"person_figures_basis": "x" * 301})

    assert (answer.status_code, 'aria-invalid="true"' in answer.text) == (422, True)


def test_with_a_second_person_a_basis_waits_and_taking_it_back_does_not(ready: Site) -> None:
    client = signed_in(ready, add(ready, UserRole.ADMIN, name="keeper"))
    with transaction(ready.store.engine) as connection:
        account.change(connection, {"second_person": ["settings"]}, None, utc_now())

    client.post(FIGURES, data={"person_figures_basis": "Decision of 3 May"})
    assert "waits for a second person" in client.get(PAGE).text
    with transaction(ready.store.engine) as connection:
        assert account.account(connection).person_figures_basis is None
        stated = {"person_figures_basis": "Decision of 3 May"}
        account.change(connection, stated, None, utc_now())

    client.post(FIGURES, data={"person_figures_basis": ""})
    with reading(ready.store.engine) as connection:
        assert account.account(connection).person_figures_basis is None
