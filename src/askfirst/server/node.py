"""A running installation in one process: store, recogniser, jobs, and the calls it carries."""

from __future__ import annotations

import fcntl
import os
import resource
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

from askfirst.errors import Unavailable
from askfirst.override import Override
from askfirst.ports import Recognizer
from askfirst.rules import Rulebook, packaged, packaged_directory
from askfirst.rules import load as load_rules
from askfirst.server import models
from askfirst.server.captioning import Captioning
from askfirst.server.checkpointsettings import CheckpointSettings
from askfirst.server.clock import utc_now
from askfirst.server.erasurereplay import replay
from askfirst.server.finishing import Finishing
from askfirst.server.jobs import Jobs, Orders
from askfirst.server.openbao import Transit
from askfirst.server.overrideregister import counting
from askfirst.server.overrides import of_installation
from askfirst.server.playback import Playback
from askfirst.server.recovery import recover
from askfirst.server.searchupkeep import keep_up
from askfirst.server.store import Store

RULES = "rules"

WORKERS_LOCK = "media.lock"
ENDS_S = 20.0
"""How long media workers of a process that was killed may take to hang up."""


@dataclass(frozen=True, slots=True)
class Node:
    """Everything one process needs; `open` it once, `close` it at the end.

    `rules` are the installed ones and those that the installation keeps in its folder `rules`;
    `overrides` are read anew for each call.
    """

    store: Store
    rules: Rulebook
    recognizer: Recognizer
    jobs: Jobs
    playback: Playback
    claim: int
    captioning: Captioning = field(default_factory=Captioning)

    @classmethod
    def open(
        cls,
        folder: Path,
        recognizer: Recognizer | None = None,
        *,
        works: bool = True,
        model: str | None = None,
        transit: Transit | None = None,
        checkpoints: CheckpointSettings | None = None,
        search: str | None = None,
    ) -> Node:
        """Open an installation, end what a crash left behind, and start its jobs if it `works`.

        `model` names what hears recordings (`models.chosen`), `transit` is where a new
        installation has its keys wrapped, `checkpoints` where each day's checkpoint goes, `search`
        the database with the search index. Raises Unavailable while another node has the same
        folder: what looks cut off to us may be a call that the other one carries, and where
        something erased cannot be erased again after a restore; InvalidRules, Unverified or
        InvalidInput where rules or overrides of the installation do not hold.
        """
        _forbid_core_dumps()
        store = Store.open(folder, transit, search)
        with ExitStack() as undo:
            undo.callback(store.close)
            claim = _claim(folder)
            undo.callback(os.close, claim)
            _ensure_alone(folder)
            rules = rules_of(folder)
            of_installation(folder, rules)  # raises where one does not hold
            heard_by = models.recognizer(model, folder) if recognizer is None else recognizer
            recover(store)
            # Before anything is served: what a restored backup brought back goes again.
            replay(store, utc_now())
            keep_up(store, utc_now())
            jobs = Jobs(store, Finishing(store, heard_by), rules, checkpoints)
            undo.callback(jobs.stop)
            if works:
                jobs.start()
            # A node that was given what hears its jobs has nothing that hears live speech.
            captioning = Captioning.open(heard_by.name) if recognizer is None else Captioning()
            undo.pop_all()
        return cls(store, rules, heard_by, jobs, Playback(store), claim, captioning)

    @classmethod
    def join(
        cls,
        folder: Path,
        worker: str,
        on_orders: Callable[[], object],
        *,
        model: str | None = None,
    ) -> Node:
        """Carry calls as a media worker of the node that has the folder, and do no jobs.

        `on_orders` is called, from any thread, when there is something for the other node to do.
        Raises as `open` does.
        """
        _forbid_core_dumps()
        store = replace(Store.open(folder), worker=worker)
        with ExitStack() as undo:
            undo.callback(store.close)
            claim = _lock(folder / WORKERS_LOCK, fcntl.LOCK_SH)
            undo.callback(os.close, claim)
            rules = rules_of(folder)
            of_installation(folder, rules)  # raises where one does not hold
            heard_by = models.recognizer(model, folder)
            jobs = Orders(store, Finishing(store, heard_by), on_orders)
            captioning = Captioning.open(heard_by.name)
            undo.pop_all()
        return cls(store, rules, heard_by, jobs, Playback(store), claim, captioning)

    @property
    def overrides(self) -> tuple[Override, ...]:
        """What the installation has loosened now, for the calls that begin (`overrideregister`)."""
        return counting(self.store, self.rules)

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


def _forbid_core_dumps() -> None:
    """One would be audio and keys in clear on disk."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _claim(folder: Path) -> int:
    """Keep other nodes away from a folder for as long as the descriptor is open."""
    try:
        return _lock(folder / "node.lock", fcntl.LOCK_EX)
    except BlockingIOError as error:
        raise Unavailable(
            f"another process runs the installation in {folder}. Stop it first, or name another "
            "folder"
        ) from error


def _ensure_alone(folder: Path) -> None:
    """Return when no media worker of a node that has ended carries calls any more.

    They hang up as soon as they notice. Raises Unavailable where they do not.
    """
    until = time.monotonic() + ENDS_S
    while True:
        try:
            os.close(_lock(folder / WORKERS_LOCK, fcntl.LOCK_EX))
            return
        except BlockingIOError as error:
            if time.monotonic() > until:
                raise Unavailable(
                    f"media workers of another process still carry calls of {folder}. End them "
                    "first"
                ) from error
            time.sleep(0.1)


def _lock(path: Path, kind: int) -> int:
    """A descriptor that holds a lock while it is open. Raises BlockingIOError where others do."""
    held = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(held, kind | fcntl.LOCK_NB)
    except OSError:
        os.close(held)
        raise
    return held
