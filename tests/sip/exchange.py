"""A telephone exchange for tests: kamailio, which lets nobody in without the right password."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

from tests.sip.peer import LOOPBACK, free_port, needed, port_bound

USER, PASSWORD = "team", "open sesame"

_MODULES = """\
debug=0
log_stderror=yes
memdbg=5
memlog=5
children=1
disable_tcp=yes
auto_aliases=no
listen=udp:{address}:{port}
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "pv.so"
loadmodule "rr.so"
loadmodule "maxfwd.so"
loadmodule "siputils.so"
loadmodule "textops.so"
"""
_GUARDED = """\
loadmodule "usrloc.so"
loadmodule "registrar.so"
loadmodule "auth.so"
modparam("usrloc", "db_mode", 0)
request_route {{
    if (is_method("REGISTER")) {{
        if (!pv_www_authenticate("{address}", "{password}", "0")) {{
            www_challenge("{address}", "0");
            exit;
        }}
        save("location");
        exit;
    }}
    if (has_totag()) {{
        loose_route();
        t_relay();
        exit;
    }}
    if (is_method("INVITE")) {{
        if (!pv_proxy_authenticate("{address}", "{password}", "0")) {{
            proxy_challenge("{address}", "0");
            exit;
        }}
        consume_credentials();
        record_route();
        $du = "sip:{address}:{next}";
    }}
    t_relay();
}}
"""
_OPEN = """\
request_route {{
    if (has_totag()) {{
        loose_route();
        t_relay();
        exit;
    }}
    if (is_method("INVITE")) {{
        record_route();
    }}
    switch ($rU) {{
{routes}
    default:
        sl_send_reply("404", "Not Found");
        exit;
    }}
    t_relay();
}}
"""
_ROUTE = """\
    case "{number}":
        $du = "sip:{address}:{port}";
        break;"""


@contextlib.asynccontextmanager
async def exchange(folder: Path, behind: int) -> AsyncIterator[int]:
    """The port of an exchange that passes calls on to a port of this machine."""
    guarded = _GUARDED.format(address=LOOPBACK, next=behind, password=PASSWORD)
    async with _running(folder, guarded) as port:
        yield port


@contextlib.asynccontextmanager
async def switchboard(folder: Path, ports: Mapping[str, int]) -> AsyncIterator[int]:
    """The port of an exchange without passwords that knows each number's port of this machine."""
    routes = [
        _ROUTE.format(number=number, address=LOOPBACK, port=port) for number, port in ports.items()
    ]
    async with _running(folder, _OPEN.format(routes="\n".join(routes))) as port:
        yield port


@contextlib.asynccontextmanager
async def _running(folder: Path, routing: str) -> AsyncIterator[int]:
    program = needed("kamailio")
    port = free_port()
    file = _written(folder, _MODULES.format(address=LOOPBACK, port=port) + routing)
    process = await asyncio.create_subprocess_exec(
        program, "-f", str(file), "-DD", "-E", "-m", "64", "-M", "16", "-Y", str(folder),
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        await port_bound(port)
        yield port
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # its children outlive it otherwise
        await process.wait()


def _written(folder: Path, config: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "kamailio.cfg"
    file.write_text(config)
    return file
