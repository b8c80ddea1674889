"""What a process shows by its roles, whom it tells its counts, and how a demonstration lets in."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient
from tests.server import rig
from tests.web.conftest import ORIGIN, OWN, add, browser, problem, signed_in

from askfirst.cli import main
from askfirst.errors import Misconfigured
from askfirst.server import accounts, demodata, erasure
from askfirst.server.access import UserRole
from askfirst.server.clock import utc_now
from askfirst.server.database import outbox, transaction
from askfirst.server.node import Node
from askfirst.server.settings import read_settings
from askfirst.speech.scripted import Scripted
from askfirst.web.app import create_app
from askfirst.web.visit import Site


def asked(
    site: Site, host: str = "127.0.0.1:8470", client: str = "127.0.0.1", **more: str
) -> TestClient:
    """A program on a machine that asks for a host."""
    headers = {"host": host, **{key.replace("_", "-"): value for key, value in more.items()}}
    return TestClient(
        create_app(site), base_url=ORIGIN, headers=headers, client=(client, 50_000),
        follow_redirects=False,
    )  # fmt: skip


# Roles


def test_media_without_web_is_refused_with_what_to_give() -> None:
    for roles in ("media", "worker,media"):
        with pytest.raises(Misconfigured, match="give web,media"):
            read_settings(None, {}, {"roles": roles})


@pytest.mark.parametrize("roles", ["web", "worker", "web,worker", "web,media", "web,worker,media"])
def test_other_roles_go_together(roles: str) -> None:
    assert read_settings(None, {}, {"roles": roles}).roles == tuple(roles.split(","))


def test_a_process_without_web_shows_its_health_and_nothing_else(ready: Site) -> None:
    works = replace(ready, settings=replace(ready.settings, roles=("worker",)))
    client = asked(works, sec_fetch_site="same-origin")

    shown = [client.get(path).status_code for path in ("/healthz", "/readyz", "/metrics")]
    assert shown == [200, 200, 200]
    for method, path in (("GET", "/sign-in"), ("POST", "/sign-in"), ("GET", "/api/v1/calls")):
        assert client.request(method, path).status_code == 404


def test_a_process_that_does_not_work_leaves_orders_and_carries_out_erasures(
    tmp_path: Path,
) -> None:
    worker = Node.open(tmp_path / "data", Scripted())
    recorded = rig.record(worker, tmp_path / "callee")
    worker.close()
    idle = Node.open(tmp_path / "data", Scripted(), works=False)
    try:
        with transaction(idle.store.engine) as connection:
            values = {"kind": "finish", "ref": recorded.call, "created_at": rig.AT}
            connection.execute(outbox.insert().values(id="finish:again", **values))
            erasure.intend(idle.store, connection, recorded.id, "withdrawn", rig.AT)
        assert idle.jobs.dispatch() == 0
        waiting = rig.rows(idle.store, sa.select(outbox.c.id).where(outbox.c.sent_at.is_(None)))
        assert "finish:again" in {row.id for row in waiting}
        (row,) = rig.recording_rows(idle.store)
        assert row.state == "erased"
        assert rig.key_ids(idle.store) == []
    finally:
        idle.close()


def test_a_demonstration_wants_every_role(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data"

    assert main(["serve", "--demo", "--roles", "web", "--data", str(data)]) == 2
    assert "all of them" in capsys.readouterr().err
    assert not data.exists()


# Counts


def test_counts_are_of_things_and_of_nobody(ready: Site) -> None:
    with ready.store.engine.begin() as connection:
        values = {"kind": "finish", "ref": "call_1", "created_at": rig.AT}
        connection.execute(outbox.insert().values(id="finish:1", **values))

    answer = asked(ready).get("/metrics")

    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert "\naskfirst_jobs_waiting 1\n" in answer.text
    assert "askfirst_calls_live" not in answer.text, "this process carries none"
    names = [line.split("{")[0].split()[0] for line in answer.text.splitlines() if line[0] != "#"]
    assert all(name.startswith("askfirst_") for name in names)


@pytest.mark.parametrize(
    ("host", "client", "header"),
    [
        ("127.0.0.1:8470", "192.0.2.7", {}),
        ("phone.example", "127.0.0.1", {}),
        ("[", "127.0.0.1", {}),
        ("127.0.0.1", "127.0.0.1", {"x_forwarded_for": "192.0.2.7"}),
        ("127.0.0.1", "127.0.0.1", {"forwarded": "for=192.0.2.7"}),
        ("127.0.0.1", "testclient", {}),
    ],
)
def test_counts_are_not_for_other_machines(
    ready: Site, host: str, client: str, header: dict[str, str]
) -> None:
    answer = asked(ready, host, client, **header).get("/metrics")

    assert (answer.status_code, problem(answer)) == (403, "urn:askfirst:problem:refused")
    wide = replace(ready, settings=replace(ready.settings, open_metrics=True))
    assert asked(wide, host, client, **header).get("/metrics").status_code == 200


@pytest.mark.parametrize("host", ["localhost:9", "127.0.0.1", "[::1]:8470"])
def test_counts_are_for_this_machine_by_each_of_its_names(ready: Site, host: str) -> None:
    assert asked(ready, host).get("/metrics").status_code == 200


# Demonstration


@pytest.fixture
def demo(site: Site) -> tuple[Site, str, str]:
    """A site with a demonstration, the administrator's link and the agent's."""
    made = demodata.prepare(site.store, utc_now())
    return site, made[0][1], made[1][1]


def test_a_link_of_a_demonstration_signs_in_once(demo: tuple[Site, str, str]) -> None:
    site, link, _ = demo
    client = browser(site)

    looked = client.get(f"/demo/{link}")
    assert (looked.status_code, "set-cookie" in looked.headers) == (200, False)
    assert f'action="/demo/{link}"' in looked.text, "a mail scanner that looks signs nobody in"
    assert "Ingrid Dahl" in looked.text
    entered = client.post(f"/demo/{link}")

    assert (entered.status_code, entered.headers["location"]) == (303, "/")
    assert client.get("/settings").status_code == 200
    for again in (browser(site).get(f"/demo/{link}"), browser(site).post(f"/demo/{link}")):
        assert again.status_code == 403


def test_a_link_signs_nobody_in_where_there_is_no_demonstration(ready: Site) -> None:
    user = add(ready, UserRole.AGENT)
    with ready.store.engine.begin() as connection:
        link = accounts.make_link(connection, user.id, utc_now())

    for answer in (browser(ready).get(f"/demo/{link}"), browser(ready).post(f"/demo/{link}")):
        assert answer.status_code == 404
        assert "set-cookie" not in answer.headers
    with ready.store.engine.begin() as connection:
        assert accounts.is_link(connection, link, utc_now()), "it was not used up"


@pytest.mark.parametrize("who", ["invited", "nobody"])
def test_a_demonstration_takes_no_link_but_its_own(demo: tuple[Site, str, str], who: str) -> None:
    site, _, _ = demo
    with site.store.engine.begin() as connection:
        invited = accounts.add_user(
            connection, "nora@example.org", "Nora Lie", [UserRole.ADMIN], utc_now()
        )
        identity = invited.id if who == "invited" else None
        link = accounts.make_link(connection, identity, utc_now())

    for answer in (browser(site).get(f"/demo/{link}"), browser(site).post(f"/demo/{link}")):
        assert answer.status_code == 403
        assert "set-cookie" not in answer.headers
        assert "Nora" not in answer.text
    with site.store.engine.begin() as connection:
        assert accounts.is_link(connection, link, utc_now()), "it was not used up"


def test_a_printed_link_opens_nothing_after_the_removal(demo: tuple[Site, str, str]) -> None:
    site, first, _ = demo
    administrator = browser(site)
    administrator.post(f"/demo/{first}")
    links = [link for _, link in demodata.prepare(site.store, utc_now())]

    assert administrator.post("/settings/demo/remove").status_code == 303

    for link in links:
        welcome = browser(site).post(f"/welcome/{link}", data={"password": "x" * 20})
        assert (welcome.status_code, browser(site).post(f"/demo/{link}").status_code) == (403, 404)
    assert administrator.get("/settings").status_code == 200


def test_every_page_of_a_demonstration_says_that_it_is_one(demo: tuple[Site, str, str]) -> None:
    site, link, _ = demo
    client = browser(site)
    client.post(f"/demo/{link}")

    for page in ("/", "/contacts", "/calls", "/settings", "/rules", "/users", "/audit"):
        assert "Demo – no real calls" in client.get(page).text, page


def test_a_real_account_says_no_such_thing(ready: Site) -> None:
    assert "demo-bar" not in signed_in(ready, add(ready, UserRole.AGENT)).get("/").text


def test_only_who_may_change_settings_removes_a_demonstration(
    demo: tuple[Site, str, str],
) -> None:
    site, boss, agents = demo
    agent, administrator = browser(site), browser(site)
    agent.post(f"/demo/{agents}")
    administrator.post(f"/demo/{boss}")

    assert agent.post("/settings/demo/remove").status_code == 403
    assert administrator.get("/contacts").text.count("Nilsen") > 0
    assert administrator.post("/settings/demo/remove").status_code == 303
    assert "demo-bar" not in administrator.get("/").text
    assert "Nilsen" not in administrator.get("/contacts").text
    assert agent.get("/").status_code == 303, "made-up people are locked out"
    again = administrator.post("/settings/demo/remove", headers=OWN)
    assert again.status_code == 404
