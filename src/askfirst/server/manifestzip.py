"""A zip for people, with a readable page and a manifest of what is in it."""

from __future__ import annotations

import hashlib
import json
import zipfile
from datetime import date, datetime

from askfirst.ledger import timestamp

INDEX, MANIFEST = "index.html", "manifest.json"


class ManifestZip:
    """Puts files into an open archive, which stays its caller's; `finish` closes the list."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._digests: dict[str, str] = {}

    def put(self, name: str, data: bytes) -> str:
        """Put a file in; gives its name."""
        self._archive.writestr(name, data)
        self._digests[name] = hashlib.sha256(data).hexdigest()
        return name

    def put_json(self, name: str, found: object) -> str:
        """Put in as JSON what has times and days in it, too; gives its name."""
        text = json.dumps(found, ensure_ascii=False, indent=1, default=_plain)
        return self.put(name, text.encode())

    def finish(self, page: str) -> None:
        """Put the page in, and the SHA-256 of every file by its name."""
        self.put(INDEX, page.encode())
        listed = json.dumps(self._digests, indent=1, sort_keys=True)
        self._archive.writestr(MANIFEST, listed)


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return timestamp(value)
    return value.isoformat() if isinstance(value, date) else str(value)
