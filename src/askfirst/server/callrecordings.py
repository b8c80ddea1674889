"""The recordings of one call, one after another, and what they come to together."""

from __future__ import annotations

from functools import partial

from askfirst.policy import Policy
from askfirst.server.callbook import CallBook
from askfirst.server.clock import utc_now
from askfirst.server.ids import new_id
from askfirst.server.journal import Journal
from askfirst.server.recorder import Recorder
from askfirst.server.store import Store


class CallRecordings:
    """Begins and closes the recorders of a call, whose loop is the only one that asks.

    `ids` are those of recordings that keep something, or may yet. `kept` and `lost` count the
    contacts' frames of closed ones, `has_audio` is whether one keeps anything, `was_erased` whether
    one that kept something was closed in order to be erased.
    """

    def __init__(self, store: Store, call: str, book: CallBook, journal: Journal) -> None:
        self.ids: list[str] = []
        self.kept = 0
        self.lost = 0
        self.has_audio = False
        self.was_erased = False
        self._store = store
        self._call = call
        self._book = book
        self._journal = journal

    def begin(self, policy: Policy) -> Recorder:
        """A recorder of a new recording, with its row; its files are not prepared yet."""
        recording = new_id("rec")
        self.ids.append(recording)
        self._journal.write(partial(self._book.recording_begun, recording, policy, utc_now()))
        return Recorder(self._store, self._call, recording, self._journal.chore)

    def end(self, recorder: Recorder, *, is_erased: bool = False) -> None:
        """Close a recorder; one that kept nothing leaves neither file nor row."""
        self.kept += recorder.counts.kept_contact
        self.lost += recorder.counts.lost
        if recorder.has_audio:
            lost = recorder.counts.lost
            self.was_erased = self.was_erased or is_erased
            self.has_audio = self.has_audio or not is_erased
            recorder.close()
            self._journal.write(partial(self._book.recording_ended, recorder.recording, lost))
        else:
            recorder.discard()
            self._journal.write(partial(self._book.recording_dropped, recorder.recording))
            self.ids.remove(recorder.recording)
