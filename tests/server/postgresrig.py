"""A PostgreSQL of a test's own: one server on a socket in a folder of its own, no port."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

PROGRAMS = Path("/usr/lib/postgresql")
MISSING = "PostgreSQL is missing; ./run test --all installs it"


@contextmanager
def postgres() -> Iterator[str]:
    """The address of an empty database; the server ends with the context."""
    programs = sorted(PROGRAMS.glob("*/bin/pg_ctl"))
    if not programs:
        if os.environ.get("CI") == "true":
            pytest.fail(MISSING)
        pytest.skip(MISSING)
    binaries, user = programs[-1].parent, _user()
    folder = Path(tempfile.mkdtemp(prefix="askfirst-postgres-"))
    try:
        shutil.chown(folder, user)
        data, address = folder / "data", f"postgresql://{user}@/postgres?host={folder}"
        _run(binaries / "initdb", "--auth=trust", "--no-sync", "--encoding=UTF8", "-D", data)
        options = f"-c listen_addresses= -c unix_socket_directories={folder} -c fsync=off"
        control = (binaries / "pg_ctl", "-D", data, "-w", "-l", folder / "log")
        _run(*control, "-o", options, "start")
        try:
            yield address
        finally:
            _run(*control, "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder)


def _user() -> str:
    """Whose the server is: it refuses to be root's."""
    return "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name


def _run(*command: str | Path) -> None:
    root = os.geteuid() == 0
    # Output goes nowhere: a server that inherits a pipe keeps whoever reads it waiting.
    subprocess.run(  # noqa: S603 - programs of Debian
        [str(part) for part in command],
        check=True,
        user=_user() if root else None,
        group=_user() if root else None,
        extra_groups=[] if root else None,
        cwd="/",
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
