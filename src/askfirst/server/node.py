"""A running installation in one process: store, recogniser, jobs, and the calls it carries."""

from __future__ import annotations

import fcntl
import os
import resource
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from askfirst.errors import Unavailable
from askfirst.override import Override
from askfirst.ports import Recognizer
from askfirst.rules import Rulebook, packaged, packaged_directory
from askfirst.rules import load as load_rules
from askfirst.server.captioning import Captioning
from askfirst.server.finishing import Finishing
from askfirst.server.jobs import Jobs
from askfirst.server.overrides import of_installation
from askfirst.server.playback import Playback
from askfirst.server.plugins import SPEECH, load
from askfirst.server.recovery import recover
from askfirst.server.store import Store

RULES = "rules"


@dataclass(frozen=True, slots=True)
class Node:
    """Everything one process needs; `open` it once, `close` it at the end.

    `rules` are the installed ones and those that the installation keeps in its folder `rules`;
    `overrides` those whose signatures hold.
    """

    store: Store
    rules: Rulebook
    overrides: tuple[Override, ...]
    recognizer: Recognizer
    jobs: Jobs
    playback: Playback
    claim: int
    captioning: Captioning = field(default_factory=Captioning)

    @classmethod
    def open(
        cls, folder: Path, recognizer: Recognizer | None = None, *, works: bool = True
    ) -> Node:
        """Open an installation, end what a crash left behind, and start its jobs if it `works`.

        Raises Unavailable while another node has the same folder: what looks cut off to us may
        be a call that the other one carries; InvalidRules, Unverified or InvalidInput where rules
        or overrides of the installation do not hold.
        """
        # A core dump would be audio and keys in clear on disk.
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        store = Store.open(folder)
        with ExitStack() as undo:
            undo.callback(store.close)
            claim = _claim(folder)
            undo.callback(os.close, claim)
            rules = rules_of(folder)
            overrides = of_installation(folder, rules)
            heard_by: Recognizer = load(SPEECH, "whisper")() if recognizer is None else recognizer
            recover(store)
            jobs = Jobs(store, Finishing(store, heard_by))
            undo.callback(jobs.stop)
            if works:
                jobs.start()
            # A node that was given what hears its jobs has nothing that hears live speech.
            captioning = Captioning.open(heard_by.name) if recognizer is None else Captioning()
            undo.pop_all()
        return cls(store, rules, overrides, heard_by, jobs, Playback(store), claim, captioning)

    def close(self) -> None:
        """Stop jobs, recognisers and databases."""
        self.jobs.stop()
        self.captioning.close()
        self.recognizer.close()
        self.store.close()
        os.close(self.claim)


def rules_of(folder: Path) -> Rulebook:
    """The rules of an installation: the installed ones, and those in its folder `rules`."""
    own = folder / RULES
    return load_rules(packaged_directory(), own) if own.is_dir() else packaged()


def _claim(folder: Path) -> int:
    """Keep other nodes away from a folder for as long as the descriptor is open."""
    claim = os.open(folder / "node.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(claim)
        raise Unavailable(
            f"another process runs the installation in {folder}. Stop it first, or name another "
            "folder"
        ) from error
    return claim
