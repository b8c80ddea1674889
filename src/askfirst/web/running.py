"""Running calls as somebody who watches over them sees them, in whichever process they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from askfirst.server.desk import Desk


@dataclass(frozen=True, slots=True)
class RunningCall:
    """One call: whose it is, since when, and what its agent is shown (`LiveCall.state`)."""

    id: str
    user: str
    team: str | None
    since: datetime
    state: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """What `from_json` reads."""
        told = {"id": self.id, "user": self.user, "team": self.team, "state": self.state}
        return {**told, "since": self.since.isoformat()}

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> RunningCall:
        """The call of `to_json`."""
        since = datetime.fromisoformat(told["since"])
        return cls(told["id"], told["user"], told["team"], since, told["state"])


def running_calls(desk: Desk) -> list[RunningCall]:
    """Every call of a desk that is not settled, the oldest first; on its loop only."""
    return [
        RunningCall(each.id, each.user_id, each.team, each.started_at, each.state())
        for each in desk.all()
    ]
