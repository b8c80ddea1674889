"""What happens to a recording after its call: seal, check, transcribe. Each step may be repeated.

Where the gate opened on the agent's word, only our own side is heard until the check has found
the notice in it; without it the recording is quarantined and the contact is never transcribed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from askfirst.auditing import MIXED, sentences
from askfirst.callcheck import CallCheck
from askfirst.errors import Unavailable
from askfirst.ledger import Kind
from askfirst.model import Outcome, Proof, RecordingState, Utterance, Verdict
from askfirst.outcome import quarantined
from askfirst.ports import Recognizer, TaughtRecognizer
from askfirst.server import erasure, noticechecks, peaks, redacting, transcripts
from askfirst.server.account import account
from askfirst.server.clock import utc_now
from askfirst.server.database import calls, reading, recordings, transaction
from askfirst.server.guarantees import Outside, may_leave
from askfirst.server.playback import Playback
from askfirst.server.queue import Finding, Reason, notice_window, raise_item
from askfirst.server.recorder import remove_folder
from askfirst.server.recordingreader import is_mixed, stretches_of
from askfirst.server.restrictions import RESTRICTED
from askfirst.server.sealing import seal_recording, write_asset
from askfirst.server.store import Store
from askfirst.speech.transcribe import utterances

# Also what is sealed already: a crash may have come before its spool was cleared away.
_TO_SEAL = tuple(state for state in RecordingState if state is not RecordingState.ERASED)


@dataclass(frozen=True, slots=True)
class Finishing:
    """The steps of finishing, over one store and one recogniser."""

    store: Store
    recognizer: Recognizer

    @property
    def playback(self) -> Playback:
        """Reads recordings of the store."""
        return Playback(self.store)

    def seal(self, call: str) -> None:
        """Make the final file of each recording of a call; one without audio goes."""
        for recording in self._recordings(call, *_TO_SEAL, is_stored_only=True):
            if not seal_recording(self.store, recording, utc_now()):
                self.store.keys.destroy_recording(recording)
                remove_folder(self.store.spool / recording)
                with transaction(self.store.engine) as connection:
                    erasure.drop(connection, recording)

    def check(self, call: str) -> None:
        """Hear whether the notice was given, set the proof, and release or quarantine."""
        for recording in self._recordings(call, RecordingState.SEALED, RecordingState.CHECKING):
            self._set_state(recording, RecordingState.CHECKING)
            own = None
            if self._understands(call):
                own = self._heard(recording, transcripts.OWN, "agent", own_side=True)
            self._judge(call, recording, own)

    def transcribe(self, call: str) -> bool:
        """Transcribe the contact's side of what is ready, where it may be, and make its peaks.

        False where the recogniser does not know the language of the call, and nothing has words.
        """
        understands = self._understands(call)
        for recording in self._recordings(call, RecordingState.READY):
            with reading(self.store.engine) as connection:
                may = connection.execute(
                    sa.select(recordings.c.may_transcribe).where(recordings.c.id == recording)
                ).scalar_one()
                mixed = is_mixed(connection, recording)
            if may and understands and mixed:
                self._transcribe_mix(recording)
            elif may and understands:
                known = self._vocabulary()
                # What the notice was checked against is heard without names and terms: nothing that
                # an account writes may make a notice more likely to be heard. It stays as it is.
                kind = "own-words" if known else transcripts.OWN
                own = self._heard(recording, kind, "agent", own_side=True, known=known)
                other = self._heard(
                    recording, "contact-transcript", "contact", own_side=False, known=known
                )
                both = sorted([*own, *other], key=lambda item: (item.start_ms, item.end_ms))
                write_asset(
                    self.store,
                    recording,
                    transcripts.MACHINE,
                    transcripts.to_bytes(both),
                    utc_now(),
                )
            redacting.redact(self.store, recording, utc_now())
            peaks.prepare(self.store, recording)
        return understands

    def _transcribe_mix(self, recording: str) -> None:
        """Transcribe a recording with everybody on one channel; who said what is not guessed."""
        known = self._vocabulary()
        said = self._heard(recording, "mixed-words", MIXED, own_side=True, known=known)
        kept = transcripts.to_bytes(sentences(said))
        write_asset(self.store, recording, transcripts.MACHINE, kept, utc_now())

    def _understands(self, call: str) -> bool:
        with reading(self.store.engine) as connection:
            query = sa.select(calls.c.language).where(calls.c.id == call)
            language = connection.execute(query).scalar_one()
        return language in self.recognizer.capabilities.languages

    def _judge(self, call: str, recording: str, own: Sequence[Utterance] | None) -> None:
        with reading(self.store.engine) as connection:
            row = noticechecks.call_of(connection, recording)
        found = noticechecks.checked(row, own)
        doubts = found.verdict in noticechecks.DOUBTS and noticechecks.is_by_word(
            self.store, call, recording
        )
        quarantine = quarantined(found.verdict, row.language) if doubts else None
        proof = int(row.proof)
        if row.proof == Proof.AGENT_WORD and found.verdict is Verdict.HEARD:
            proof = int(Proof.NOTICE_HEARD)
        self._release(row, recording, found, proof, quarantine)

    def _release(
        self, row: Any, recording: str, found: CallCheck, proof: int, quarantine: Outcome | None
    ) -> None:
        at, call = utc_now(), row.id
        state = RecordingState.READY if quarantine is None else RecordingState.QUARANTINED
        with transaction(self.store.engine) as connection:
            values: dict[str, object] = {
                "verdict": found.verdict.value,
                "verdict_at_ms": found.at_ms,
                "proof": proof,
            }
            if quarantine is not None:
                values["outcome"] = quarantine.code.value
                values["outcome_reason"] = quarantine.reason
            connection.execute(calls.update().where(calls.c.id == call).values(**values))
            connection.execute(
                recordings.update().where(recordings.c.id == recording).values(state=state.value)
            )
            noticechecks.keep(self.store, connection, row, recording, found, proof, at)
            if quarantine is not None:
                from_ms, to_ms = notice_window(stretches_of(connection, recording))
                finding = Finding(Reason.NOT_HEARD, call, recording, from_ms=from_ms, to_ms=to_ms)
                raise_item(self.store, connection, finding, at)
            self.store.ledger.append(
                connection,
                Kind.RECORDING_READY if quarantine is None else Kind.RECORDING_QUARANTINED,
                at,
                call=call,
                recording=recording,
                data={} if quarantine is None else {"reason": f"notice-{found.verdict.value}"},
            )

    def _vocabulary(self) -> Sequence[str]:
        """Names and terms of the account, none where the recogniser cannot use them."""
        if not isinstance(self.recognizer, TaughtRecognizer):
            return ()
        if not self.recognizer.capabilities.vocabulary:
            return ()
        with reading(self.store.engine) as connection:
            return account(connection).vocabulary

    def _heard(
        self,
        recording: str,
        kind: str,
        speaker: str,
        *,
        own_side: bool,
        known: Sequence[str] = (),
    ) -> list[Utterance]:
        """Utterances of one side in call time; recognised once, then read.

        `known` are names and terms that the recogniser is told.
        """
        playback = Playback(self.store)
        kept = playback.asset(recording, kind)
        if kept is not None:
            return transcripts.from_bytes(kept)
        self._ensure_may_hear(recording)
        pcm = playback.own_side(recording) if own_side else playback.contact_side(recording)
        with reading(self.store.engine) as connection:
            language = connection.execute(
                sa.select(calls.c.language).join(recordings).where(recordings.c.id == recording)
            ).scalar_one()
        if known and isinstance(self.recognizer, TaughtRecognizer):
            words = self.recognizer.transcribe_knowing(pcm, language, known)
        else:
            words = self.recognizer.transcribe(pcm, language)
        segments = playback.call_time(recording)
        found = utterances(words, speaker, at=lambda file_ms: to_call_time(segments, file_ms))
        write_asset(self.store, recording, kind, transcripts.to_bytes(found), utc_now())
        return found

    def _ensure_may_hear(self, recording: str) -> None:
        """Raise Unavailable where the recogniser is outside and the recording may not go there."""
        if not self.recognizer.capabilities.external:
            return
        name = self.recognizer.name
        with reading(self.store.engine) as connection:
            if not may_leave(connection, recording, Outside.ENGINE, name):
                raise Unavailable(
                    f"the recogniser {name} is outside, and this call was not decided with it as a "
                    "processor; name it under Policies, or use one on this machine"
                )

    def _recordings(
        self, call: str, *states: RecordingState, is_stored_only: bool = False
    ) -> list[str]:
        """Those of a call to work on; what is restricted only where all that is done is storing."""
        open_to = sa.true() if is_stored_only else recordings.c.id.not_in(RESTRICTED)
        with reading(self.store.engine) as connection:
            return list(
                connection.execute(
                    sa.select(recordings.c.id)
                    .where(recordings.c.call == call, recordings.c.failure.is_(None))
                    .where(
                        recordings.c.state.in_([state.value for state in states]),
                        open_to,
                    )
                    .order_by(recordings.c.id)
                ).scalars()
            )

    def _set_state(self, recording: str, state: RecordingState) -> None:
        with transaction(self.store.engine) as connection:
            connection.execute(
                recordings.update().where(recordings.c.id == recording).values(state=state.value)
            )


def to_call_time(segments: Sequence[tuple[int, int, int]], file_ms: int) -> int:
    """The call time of a file time, by segments (file_ms, from_ms, to_ms) in file order."""
    call_ms = file_ms
    for start_ms, from_ms, _to_ms in segments:
        if file_ms >= start_ms:
            call_ms = from_ms + file_ms - start_ms
    return call_ms
