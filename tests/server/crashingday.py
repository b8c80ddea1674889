"""A process that is killed while it publishes a day's checkpoint: it says where it is, and waits.

Run as `python -m tests.server.crashingday DATA SETTINGS WHERE`. SETTINGS is the table
`checkpoints` as JSON. It prints `HERE` when it has come to the place named by WHERE.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tests.server import rig
from tests.server.crashing import behind, stop_here

from askfirst.server import dailycheckpoints, publishing
from askfirst.server.checkpointsettings import CheckpointSettings
from askfirst.server.store import Store


def main(data: Path, stated: str, where: str) -> None:
    wanted = CheckpointSettings.parse(json.loads(stated))
    store = Store.open(data)
    match where:
        case "signed":
            dailycheckpoints._deliver = stop_here
        case "claimed":
            dailycheckpoints._try = stop_here  # type: ignore[assignment]
        case "to_file" | "to_mail" | "to_webhook":
            behind(publishing, where)
    dailycheckpoints.run(store, wanted, rig.AT)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
