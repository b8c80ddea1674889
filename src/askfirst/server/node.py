"""A running installation in one process: store, recogniser, jobs, and the calls it carries."""

from __future__ import annotations

import resource
from dataclasses import dataclass
from pathlib import Path

from askfirst.ports import Recognizer
from askfirst.server.finishing import Finishing
from askfirst.server.jobs import Jobs
from askfirst.server.playback import Playback
from askfirst.server.plugins import SPEECH, load
from askfirst.server.recovery import recover
from askfirst.server.store import Store


@dataclass(frozen=True, slots=True)
class Node:
    """Everything one process needs; `open` it once, `close` it at the end."""

    store: Store
    recognizer: Recognizer
    jobs: Jobs
    playback: Playback

    @classmethod
    def open(cls, folder: Path, recognizer: Recognizer | None = None) -> Node:
        """Open an installation, end what a crash left behind, and start its jobs."""
        # A core dump would be audio and keys in clear on disk.
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        store = Store.open(folder)
        heard_by: Recognizer = load(SPEECH, "whisper")() if recognizer is None else recognizer
        recover(store)
        jobs = Jobs(store, Finishing(store, heard_by))
        jobs.start()
        return cls(store, heard_by, jobs, Playback(store))

    def close(self) -> None:
        """Stop jobs, recogniser and databases."""
        self.jobs.stop()
        self.recognizer.close()
        self.store.close()
