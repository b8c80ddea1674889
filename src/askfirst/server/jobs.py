"""Durable jobs: finish a call, erase, sweep, make a copy. The only user of `dbos`.

Rows change and jobs are ordered in one transaction through the outbox; `dispatch` hands orders
over under ids that make a second hand-over harmless. Every step may run twice. Arguments are ids
only and are kept as JSON.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from dbos import (
    DBOS,
    DBOSConfig,
    DBOSPortableJSONSerializer,
    SetWorkflowID,
    WorkflowHandle,
)
from dbos import error as engine_errors

from askfirst.errors import KeyUnreadable, NotFound, Unavailable, Unverified
from askfirst.ledger import Kind
from askfirst.model import OutcomeCode
from askfirst.outcome import Fault, failed
from askfirst.rules import Rulebook, packaged
from askfirst.server import (
    backupkeys,
    copies,
    copypackage,
    cutting,
    dailycheckpoints,
    erasure,
    importleft,
    queuecheck,
    recordingselsewhere,
    redacting,
    reminding,
    searchupkeep,
    study,
    sweep,
    transcribing,
    twilioaccount,
)
from askfirst.server.checkpointsettings import CheckpointSettings
from askfirst.server.clock import utc_now
from askfirst.server.database import calls, outbox, reading, scrub, transaction
from askfirst.server.finishing import Finishing
from askfirst.server.store import Store

log = logging.getLogger(__name__)

VERSION = "1"
"""Ours, and constant: pending work must be found again after an upgrade."""

LISTEN_S = 1.0
"""How often the engine looks for messages to its jobs, and whether it shall end; we send none."""

_SWEEP_DAILY = "17 3 * * *"
_CHECK_HOURLY = "47 * * * *"
_CHECKPOINT_OFTEN = "1-59/10 * * * *"
"""Signs once a day; what could not be stamped or published is tried again when it is due."""
_ELSEWHERE_DAILY = "11 4 * * *"
_EXCHANGED_OFTEN = "4-59/15 * * * *"
"""Secrets of credentials from before are wiped soon after the last call under them."""
_REMIND_HOURLY = "23 * * * *"
"""Each reminder goes out once; what could not be sent is tried again every hour."""

_WEIGHTIER = (OutcomeCode.ERASED.value, OutcomeCode.QUARANTINED.value)
"""Outcomes that a failed job does not hide."""


class Jobs:
    """The job engine of one process; there can be one at a time. Start it, stop it.

    While it is not started, orders wait for a process that starts it; only erasures are carried out
    at once, because whoever takes a yes back does not wait.
    """

    def __init__(
        self,
        store: Store,
        finishing: Finishing,
        rules: Rulebook | None = None,
        checkpoints: CheckpointSettings | None = None,
        watch: recordingselsewhere.Watch | None = None,
    ) -> None:
        self.store = store
        self.finishing = finishing
        self.rules = packaged() if rules is None else rules
        self.checkpoints = checkpoints or CheckpointSettings()
        self.watch = watch
        self._lock = threading.Lock()
        self._handles: list[WorkflowHandle[None]] = []
        self._is_started = False

    def start(self) -> None:
        """Launch the engine, take up what a crash left behind, and hand over open orders."""
        global _running
        path = self.store.folder / "jobs.db"
        _use_wal(path)
        DBOS(
            config=DBOSConfig(
                name="askfirst",
                system_database_url=f"sqlite:///{path}",
                executor_id="main",
                application_version=VERSION,
                serializer=DBOSPortableJSONSerializer(),
                notification_listener_polling_interval_sec=LISTEN_S,
                log_level="ERROR",
                console_log_level="ERROR",
            )
        )
        _running = self
        self._is_started = True
        DBOS.launch()
        DBOS.apply_schedules(
            [
                {
                    "schedule_name": name,
                    "workflow_fn": workflow,
                    "schedule": schedule,
                    "context": None,
                }
                for name, workflow, schedule in (
                    ("sweep", _sweep, _SWEEP_DAILY),
                    ("check", _check_all, _CHECK_HOURLY),
                    ("checkpoint", _daily, _CHECKPOINT_OFTEN),
                    ("remind", _remind, _REMIND_HOURLY),
                    ("elsewhere", _elsewhere, _ELSEWHERE_DAILY),
                    ("exchanged", _exchanged, _EXCHANGED_OFTEN),
                )
            ]
        )
        for known in DBOS.list_workflows(status=["PENDING", "ENQUEUED"], name=list(_WORKFLOWS)):
            self._handles.append(DBOS.retrieve_workflow(known.workflow_id))
        if self.watch is not None:
            self._handles.append(DBOS.start_workflow(_elsewhere_now))
        self.dispatch()

    def dispatch(self) -> int:
        """Hand over every order of the outbox that was not yet handed over; says how many.

        Orders that wait for a hold, a duty or a call are left until that has ended.
        """
        if not self._is_started:
            erasure.carry_out(self.store, utc_now())
            return 0
        with self._lock:
            erasure.take_up(self.store, utc_now())
            with reading(self.store.engine) as connection:
                orders = connection.execute(
                    sa.select(outbox)
                    .where(outbox.c.sent_at.is_(None), outbox.c.kind.in_(_WORKFLOWS))
                    .order_by(outbox.c.id)
                ).all()
            for order in orders:
                workflow = _WORKFLOWS[order.kind]
                with SetWorkflowID(order.id):
                    self._handles.append(DBOS.start_workflow(workflow, order.ref))
                with transaction(self.store.engine) as connection:
                    connection.execute(
                        outbox.update().where(outbox.c.id == order.id).values(sent_at=utc_now())
                    )
            return len(orders)

    def wait(self) -> None:
        """Return when everything that was open at the start or handed over since has ended."""
        self.dispatch()
        while self._handles:
            self._handles.pop().get_result(polling_interval_sec=0.05)

    def stop(self) -> None:
        """Stop taking work; what is unfinished is taken up at the next start."""
        global _running
        if self._is_started:
            self._is_started = False
            DBOS.destroy(destroy_registry=False)
            _running = None


class Orders(Jobs):
    """The jobs of a process that starts no engine: `on_orders` says that there is work to do.

    It is called from the thread that ordered.
    """

    def __init__(self, store: Store, finishing: Finishing, on_orders: Callable[[], object]) -> None:
        super().__init__(store, finishing)
        self._on_orders = on_orders

    def dispatch(self) -> int:
        """Carry out erasures at once, and leave the rest to the process with the engine."""
        done = super().dispatch()
        self._on_orders()
        return done


_running: Jobs | None = None


def _jobs() -> Jobs:
    if _running is None:
        raise Unavailable("a job ran without its engine; start the server again")
    return _running


def _use_wal(path: Path) -> None:
    """Switch the engine's file to write-ahead logging first: an order of magnitude faster."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")


def _may_pass(error: BaseException) -> bool:
    return isinstance(error, Unavailable) and not isinstance(error, KeyUnreadable)


_RETRYING: Any = {
    "retries_allowed": True,
    "max_attempts": 4,
    "interval_seconds": 0.5,
    "should_retry": _may_pass,
}


@DBOS.workflow(name="finish")
def _finish(call: str) -> None:
    for step, fault in _FINISHING:
        try:
            step(call)
        except Exception as error:
            log.exception("job.finish-failed call=%s", call)
            _fail(call, _fault_of(error, fault).value)
            break
    else:
        _examine_safely(call)
        _study_safely(call)
    _checkpoint()


@DBOS.workflow(name="hear")
def _hear(call: str) -> None:
    """Transcribe what a decision has let go, and look at it as after a call."""
    try:
        _transcribe(call)
    except Exception as error:
        # What was let go stays so, without words: whoever sees that may order it again.
        log.exception("job.hear-failed call=%s", call)
        _hear_failed(call, _fault_of(error, Fault.RECOGNISER).value)
        return
    _examine_safely(call)
    _study_safely(call)


def _examine_safely(call: str) -> None:
    try:
        _examine_step(call)
    except Exception:
        # The recording is finished; the hourly check looks at it again.
        log.exception("job.examine-failed call=%s", call)


@DBOS.workflow(name="study")
def _study(call: str) -> None:
    _study_safely(call)


def _study_safely(call: str) -> None:
    try:
        _study_step(call)
    except Exception:
        # The call is finished without it; the next order for the call learns it.
        log.exception("job.study-failed call=%s", call)


@DBOS.workflow(name="redact")
def _redact(_ref: str) -> None:
    try:
        _redact_step()
    except Exception:
        # What was not looked through is given to nobody, and the hourly check takes it up.
        log.exception("job.redact-failed")


def _fault_of(error: Exception, fault: Fault) -> Fault:
    name = _name_of(error)
    if name == KeyUnreadable.__name__:
        return Fault.KEY
    return fault if name in _EXPECTED else Fault.PROGRAM


def _name_of(error: Exception) -> str:
    """The name of an error, which is all that is known of one from before a crash."""
    return getattr(error, "name", None) or type(error).__name__


_EXPECTED = frozenset(
    kind.__name__ for kind in (Unavailable, Unverified, engine_errors.DBOSMaxStepRetriesExceeded)
)
"""What a step may fail with where nothing is wrong with the program."""


@DBOS.workflow(name="erase")
def _erase(recording: str) -> None:
    try:
        _erase_step(recording)
    except Exception:
        # The intention stands: the next sweep or start carries it out.
        log.exception("job.erase-failed recording=%s", recording)
    _checkpoint()


@DBOS.workflow(name="copy")
def _copy(making: str) -> None:
    """Make a copy for a person; what cannot be made says so, and can be ordered again."""
    try:
        _copy_step(making)
    except Exception as error:
        # Nothing of it is kept or given; whoever ordered it sees why, and orders it again.
        log.exception("job.copy-failed making=%s", making)
        _copy_failed(making, _copy_fault_of(error).value)


def _copy_fault_of(error: Exception) -> copies.CopyFault:
    name = _name_of(error)
    if name == KeyUnreadable.__name__:
        return copies.CopyFault.KEY
    if name == NotFound.__name__:
        return copies.CopyFault.NOBODY
    return copies.CopyFault.STORE if name in _EXPECTED else copies.CopyFault.PROGRAM


@DBOS.workflow(name="sweep")
def _sweep(_scheduled: datetime, _context: object) -> None:
    _sweep_step()
    _search_step()


@DBOS.workflow(name="check-all")
def _check_all(_scheduled: datetime, _context: object) -> None:
    _check_step()


@DBOS.workflow(name="daily-checkpoint")
def _daily(_scheduled: datetime, _context: object) -> None:
    _daily_step()


@DBOS.workflow(name="remind")
def _remind(_scheduled: datetime, _context: object) -> None:
    _remind_step()


@DBOS.workflow(name="elsewhere")
def _elsewhere(_scheduled: datetime, _context: object) -> None:
    _elsewhere_step()


@DBOS.workflow(name="exchanged")
def _exchanged(_scheduled: datetime, _context: object) -> None:
    _exchanged_step()


@DBOS.workflow(name="elsewhere-now")
def _elsewhere_now() -> None:
    _elsewhere_step()


_WORKFLOWS: dict[str, Callable[[str], None]] = {
    "finish": _finish,
    "erase": _erase,
    "hear": _hear,
    copies.ORDER: _copy,
    study.ORDER: _study,
    redacting.ORDER: _redact,
}


@DBOS.step(name="seal", **_RETRYING)
def _seal(call: str) -> None:
    jobs = _jobs()
    # What was to go when the call is over goes before anything is made of it.
    erasure.carry_out(jobs.store, utc_now(), call)
    jobs.finishing.seal(call)


@DBOS.step(name="check", **_RETRYING)
def _check(call: str) -> None:
    jobs = _jobs()
    transcribing.begin(jobs.store, call, utc_now())
    jobs.finishing.check(call)


@DBOS.step(name="transcribe", **_RETRYING)
def _transcribe(call: str) -> None:
    jobs = _jobs()
    transcribing.begin(jobs.store, call, utc_now())
    understands = jobs.finishing.transcribe(call)
    transcribing.end(jobs.store, call, utc_now())
    if not understands:
        transcribing.give_up(jobs.store, call, utc_now())


@DBOS.step(name="hear-failed")
def _hear_failed(call: str, fault: str) -> None:
    with transaction(_jobs().store.engine) as connection:
        transcribing.fail(connection, call, Fault(fault), utc_now())


_FINISHING = (
    (_seal, Fault.SPOOL),
    (_check, Fault.RECOGNISER),
    (_transcribe, Fault.RECOGNISER),
)


@DBOS.step(name="examine", **_RETRYING)
def _examine_step(call: str) -> None:
    jobs = _jobs()
    queuecheck.examine(jobs.store, jobs.rules, call, utc_now())


@DBOS.step(name="study", **_RETRYING)
def _study_step(call: str) -> None:
    jobs = _jobs()
    redacting.redact_call(jobs.store, call, utc_now())
    study.study(jobs.store, call, utc_now())


@DBOS.step(name="redact", **_RETRYING)
def _redact_step() -> None:
    redacting.redact_every(_jobs().store, utc_now())


@DBOS.step(name="check-all")
def _check_step() -> None:
    jobs = _jobs()
    cutting.carry_out(jobs.store)
    redacting.redact_every(jobs.store, utc_now())
    queuecheck.check_all(jobs.store, jobs.rules, utc_now())
    jobs.dispatch()


@DBOS.step(name="checkpoint")
def _checkpoint() -> None:
    _jobs().store.ledger.checkpoint(utc_now())


@DBOS.step(name="erase", **_RETRYING)
def _erase_step(recording: str) -> None:
    erasure.erase(_jobs().store, recording, utc_now())


@DBOS.step(name="copy", **_RETRYING)
def _copy_step(making: str) -> None:
    copypackage.make(_jobs().finishing, making, utc_now())


@DBOS.step(name="copy-failed")
def _copy_failed(making: str, fault: str) -> None:
    copies.fail(_jobs().store, making, copies.CopyFault(fault))


@DBOS.step(name="sweep")
def _sweep_step() -> None:
    jobs = _jobs()
    erasure.carry_out(jobs.store, utc_now())
    sweep.sweep(jobs.store, utc_now())
    importleft.sweep(jobs.store, utc_now())
    backupkeys.sweep(jobs.store, utc_now())
    scrub(jobs.store.engine)
    jobs.dispatch()


@DBOS.step(name="search")
def _search_step() -> None:
    jobs = _jobs()
    searchupkeep.sweep(jobs.store, utc_now())
    jobs.dispatch()


@DBOS.step(name="daily-checkpoint")
def _daily_step() -> None:
    jobs = _jobs()
    dailycheckpoints.run(jobs.store, jobs.checkpoints, utc_now())


@DBOS.step(name="remind")
def _remind_step() -> None:
    jobs = _jobs()
    reminding.run(jobs.store, jobs.rules, jobs.checkpoints, utc_now())


@DBOS.step(name="elsewhere")
def _elsewhere_step() -> None:
    jobs = _jobs()
    if jobs.watch is not None:
        recordingselsewhere.run(jobs.store, jobs.watch, utc_now())


@DBOS.step(name="exchanged")
def _exchanged_step() -> None:
    with transaction(_jobs().store.engine) as connection:
        twilioaccount.wipe_exchanged(connection, utc_now())


@DBOS.step(name="fail")
def _fail(call: str, fault: str) -> None:
    """The recording stays as it is, unplayable and not lost; the call says what failed."""
    store = _jobs().store
    with transaction(store.engine) as connection:
        transcribing.fail(connection, call, Fault(fault), utc_now())
        query = sa.select(calls.c.language, calls.c.outcome).where(calls.c.id == call)
        row = connection.execute(query).one()
        if row.outcome in _WEIGHTIER:
            return
        outcome = failed(Fault(fault), row.language)
        connection.execute(
            calls.update()
            .where(calls.c.id == call)
            .values(outcome=outcome.code.value, outcome_reason=outcome.reason)
        )
        store.ledger.append(
            connection,
            Kind.OUTCOME_SETTLED,
            utc_now(),
            call=call,
            data={"outcome": outcome.code.value, "fault": fault},
        )
