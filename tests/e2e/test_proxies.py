"""The proxies of the documentation, as it writes them: pages, streams and sockets go through."""

from __future__ import annotations

import re
import shutil
import ssl
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic

import httpx
import pytest
from tests.e2e.furnish import PASSWORD, email
from tests.e2e.installation import Installation, free_port
from tests.sip.peer import needed
from websockets.sync.client import connect
from websockets.typing import Origin

from askfirst.web.serving import self_signed

pytestmark = pytest.mark.full

HOST = "127.0.0.1"
GUIDE = Path(__file__).parents[2] / "docs" / "how-to" / "serve.md"


def example(kind: str) -> str:
    """The block of a kind in the documentation."""
    found = re.search(rf"```{kind}\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None, kind
    return found[1]


def nginx(folder: Path, block: str) -> list[str]:
    """The command that runs nginx with a block, all of it in a folder."""
    kept = "".join(
        f"{kind}_temp_path {folder}/{kind};\n"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(
        f"daemon off;\npid {folder}/pid;\nerror_log stderr;\nevents {{}}\n"
        f"http {{\naccess_log off;\n{kept}{block}\n}}\n"
    )
    return [needed("nginx"), "-c", str(folder / "nginx.conf"), "-p", str(folder)]


def caddy(folder: Path, block: str) -> list[str]:
    """The command that runs Caddy with a block."""
    (folder / "Caddyfile").write_text(f"{{\nadmin off\nauto_https disable_redirects\n}}\n{block}")
    return [needed("caddy"), "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"]


@pytest.fixture(params=[nginx, caddy], ids=["nginx", "caddy"])
def outside(
    request: pytest.FixtureRequest, furnished: Path, tmp_path: Path
) -> Iterator[httpx.Client]:
    """A person outside, before a proxy, before a server."""
    command: Callable[[Path, str], list[str]] = request.param
    port = free_port()
    origin = f"https://{HOST}:{port}"
    folder = tmp_path / "office"
    shutil.copytree(furnished, folder)
    (folder / "askfirst.toml").write_text(f'public_url = "{origin}"\n')
    certificate, key = self_signed(tmp_path, HOST)
    server = Installation(folder, origin)
    server.start()
    block = example(command.__name__)
    for written, meant in (
        ("phone.example:443", f"{HOST}:{port}"),
        ("phone.example", HOST),
        ("443", str(port)),
        ("8470", str(server.port)),
        ("/etc/ssl/phone.pem", str(certificate)),
        ("/etc/ssl/phone.key", str(key)),
    ):
        block = block.replace(written, meant)
    trust = ssl.create_default_context(cafile=str(certificate))
    with (
        (tmp_path / "proxy.log").open("w") as log,
        subprocess.Popen(  # noqa: S603 - a program of Debian
            command(tmp_path, block), stderr=log, stdout=log, env={"HOME": str(tmp_path)}
        ) as proxy,
        httpx.Client(base_url=origin, verify=trust, headers={"origin": origin}) as client,
    ):
        try:
            _wait(client, tmp_path / "proxy.log")
            yield client
        finally:
            proxy.terminate()
    server.end()
    assert server.faults() == []


def _wait(client: httpx.Client, log: Path) -> None:
    """Return when the proxy passes on."""
    end = monotonic() + 20
    while monotonic() < end:
        try:
            if client.get("/readyz").status_code == 200:
                return
        except httpx.TransportError:
            continue
    raise AssertionError(log.read_text())


def test_a_documented_proxy_passes_on_pages_streams_and_sockets(outside: httpx.Client) -> None:
    signed = outside.post("/sign-in", data={"email": email("agent"), "password": PASSWORD})
    assert signed.status_code == 303, signed.text
    cookie = signed.headers["set-cookie"]
    assert cookie.startswith("__Host-")
    assert "Secure" in cookie
    assert outside.get("/calls").status_code == 200
    foreign = outside.post("/api/v1/calls", json={}, headers={"origin": "https://evil.example"})
    assert foreign.status_code == 403

    wanted = {"to": "+4748750101", "agent_audio": "browser"}
    call = outside.post("/api/v1/calls", json=wanted).json()["call"]
    with outside.stream("GET", f"/api/v1/calls/{call}/events") as events:
        begun = monotonic()
        lines = events.iter_lines()
        assert next(line for line in lines if line.startswith("id:"))
        assert next(line for line in lines if line == "event: alive")
        assert monotonic() - begun < 5
    url = str(outside.base_url).replace("https", "wss").rstrip("/")
    jar = "; ".join(f"{name}={value}" for name, value in outside.cookies.items())
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with connect(
        f"{url}/api/v1/calls/{call}/sound",
        ssl=context,
        origin=Origin(str(outside.base_url).rstrip("/")),
        additional_headers={"cookie": jar},
    ) as socket:
        assert len(socket.recv(timeout=5)) == 652
    assert outside.post(f"/api/v1/calls/{call}/hangup").status_code == 200
