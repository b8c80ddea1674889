"""Anyone can verify the ledger offline with one file."""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from tests.promises.conftest import Called
from tests.server import rig

from askfirst.errors import Unverified

pytestmark = pytest.mark.slow


def verified(bundle: Path, tool: Path) -> subprocess.CompletedProcess[str]:
    """Run the verifier out of the bundle, with nothing of ours importable."""
    command = [sys.executable, "-I", str(tool), str(bundle)]
    return subprocess.run(  # noqa: S603 - our own interpreter and file
        command, capture_output=True, text=True, check=False, cwd=tool.parent
    )


@pytest.mark.parametrize("name", ["agrees", "refuses", "withdraws", "not-told", "voicemail"])
def test_the_bundle_of_a_call_verifies_itself(called: Called, tmp_path: Path, name: str) -> None:
    data = called.store.ledger.bundle(called.calls[name], rig.AT)
    bundle, tool = tmp_path / "bundle.zip", tmp_path / "verify.py"
    bundle.write_bytes(data)
    with zipfile.ZipFile(io.BytesIO(data)) as packed:
        tool.write_bytes(packed.read("verify.py"))

    done = verified(bundle, tool)

    assert done.returncode == 0, done.stdout + done.stderr


def test_a_changed_entry_is_found(called: Called, tmp_path: Path) -> None:
    data = called.store.ledger.bundle(called.calls["refuses"], rig.AT)
    changed = io.BytesIO()
    touched = 0
    with (
        zipfile.ZipFile(io.BytesIO(data)) as packed,
        zipfile.ZipFile(changed, "w", zipfile.ZIP_DEFLATED) as forged,
    ):
        for item in packed.infolist():
            body = packed.read(item)
            if item.filename != "verify.py" and b"consent.refused" in body:
                body = body.replace(b"consent.refused", b"consent.granted")
                touched += 1
            forged.writestr(item.filename, body)
        (tmp_path / "verify.py").write_bytes(packed.read("verify.py"))
    assert touched
    (tmp_path / "bundle.zip").write_bytes(changed.getvalue())

    assert verified(tmp_path / "bundle.zip", tmp_path / "verify.py").returncode != 0


def test_the_whole_ledger_holds_and_one_changed_row_is_named(called: Called) -> None:
    size = called.store.ledger.verify().size
    assert size > 150
    with called.store.engine.connect() as connection:
        connection.exec_driver_sql(
            "UPDATE ledger_entries SET entry = replace(entry, 'refused', 'granted')"
        )
        connection.commit()
    try:
        with pytest.raises(Unverified, match="was changed"):
            called.store.ledger.verify()
    finally:
        with called.store.engine.connect() as connection:
            connection.exec_driver_sql(
                "UPDATE ledger_entries SET entry = replace(entry, 'granted', 'refused')"
            )
            connection.commit()
    assert called.store.ledger.verify().size == size
