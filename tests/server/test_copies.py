"""A copy for a person whose making is cut off: nothing half-made is given, and it is made anew."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.server import rig
from tests.server.rig import BYE, KEYED
from tests.server.test_recovery import killed

from askfirst.errors import NotFound
from askfirst.server import copies
from askfirst.server.clock import utc_now
from askfirst.server.database import reading
from askfirst.server.node import Node
from askfirst.server.requesttables import copies as table
from askfirst.server.store import Store
from askfirst.speech.scripted import Scripted


def clear_zips(store: Store) -> list[str]:
    """Files of an installation with a name of what a copy holds in clear."""
    marks = (b"index.html", b"about.json", b"OggS")
    files = (path for path in store.folder.rglob("*") if path.is_file())
    return [path.name for path in files if any(mark in path.read_bytes() for mark in marks)]


@pytest.mark.parametrize("where", ["copy-part-kept", "copy-whole"])
def test_a_copy_that_was_cut_off_is_never_given_and_made_anew(tmp_path: Path, where: str) -> None:
    rig.callee(tmp_path / "callee", *KEYED, BYE)
    data = tmp_path / "data"

    killed(data, tmp_path / "callee", where)

    store = Store.open(data)
    try:
        (row,) = rig.rows(store, sa.select(table))
        assert row.state == "making"
        with pytest.raises(NotFound):
            copies.download(store, row.request, "usr_1", utc_now())
        left = [name for name in store.blobs.names() if name.startswith(row.making)]
        assert left, "a part was stored before it was killed"
        assert clear_zips(store) == []
    finally:
        store.close()

    node = Node.open(data, Scripted())
    try:
        node.jobs.wait()
        with reading(node.store.engine) as connection:
            made = copies.copy_of(node.store, connection, row.request, utc_now())
        assert made is not None
        assert made.state is copies.CopyState.READY
        whole = b"".join(copies.download(node.store, row.request, "usr_1", utc_now()))
        assert zipfile.ZipFile(io.BytesIO(whole)).testzip() is None
        parts = [name for name in node.store.blobs.names() if name.startswith(row.making)]
        assert not set(parts) & set(left), "what was half made is gone"
        assert clear_zips(node.store) == []
    finally:
        node.close()
