"""Who may do what: a table of permissions for each role, and how far they reach.

A permission reaches to what is a person's own, to their team, or to everything. Every query and
every route asks here; nothing else in the program compares roles. An administrator alone reads no
calls and hears nothing: running the system and listening to people are kept apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum

from askfirst.errors import Refused


class UserRole(StrEnum):
    """What somebody does in the account; a person may have several."""

    AGENT = "agent"
    SUPERVISOR = "supervisor"
    COMPLIANCE = "compliance"
    ADMIN = "admin"
    AUDITOR = "auditor"


class Permission(StrEnum):
    """Something that may be done, named by its noun and verb."""

    CALLS_MAKE = "calls.make"
    CALLS_PAUSE = "calls.pause"
    CALLS_READ = "calls.read"
    CERTIFICATES_READ = "certificates.read"
    CALLS_WATCH = "calls.watch"
    CONTACTS_READ = "contacts.read"
    CONTACTS_WRITE = "contacts.write"
    CONSENTS_FILE = "consents.file"
    CONSENTS_WITHDRAW = "consents.withdraw"
    RECORDINGS_LISTEN = "recordings.listen"
    RECORDINGS_EXPORT = "recordings.export"
    RECORDINGS_HOLD = "recordings.hold"
    COACHING_WRITE = "coaching.write"
    CHECKLISTS_WRITE = "checklists.write"
    TRANSCRIPTS_WRITE = "transcripts.write"
    ORIGINALS_OPEN = "originals.open"
    RECORDING_MANAGE = "recording.manage"
    SETTINGS_READ = "settings.read"
    SETTINGS_WRITE = "settings.write"
    USERS_MANAGE = "users.manage"
    AUDIT_READ = "audit.read"
    LEDGER_READ = "ledger.read"
    RULES_REVIEW = "rules.review"
    ERASURE_MANAGE = "erasure.manage"
    QUEUE_READ = "queue.read"
    QUEUE_DECIDE = "queue.decide"
    TRACKERS_MANAGE = "trackers.manage"
    DASHBOARDS_READ = "dashboards.read"
    SYSTEM_READ = "system.read"


class Reach(IntEnum):
    """How far a permission goes; a larger one includes the smaller ones."""

    NONE = 0
    OWN = 1
    TEAM = 2
    ALL = 3


_OWN, _TEAM, _ALL = Reach.OWN, Reach.TEAM, Reach.ALL
_P = Permission

TABLE: Mapping[UserRole, Mapping[Permission, Reach]] = {
    UserRole.AGENT: {
        _P.CALLS_MAKE: _OWN,
        _P.CALLS_PAUSE: _OWN,
        _P.CALLS_READ: _OWN,
        _P.CERTIFICATES_READ: _OWN,
        _P.CONTACTS_READ: _ALL,
        _P.CONTACTS_WRITE: _ALL,
        _P.CONSENTS_WITHDRAW: _ALL,
        _P.RECORDINGS_LISTEN: _OWN,
        _P.COACHING_WRITE: _OWN,
        _P.TRANSCRIPTS_WRITE: _OWN,
    },
    UserRole.SUPERVISOR: {
        _P.CALLS_MAKE: _OWN,
        _P.CALLS_PAUSE: _OWN,
        _P.CALLS_READ: _TEAM,
        _P.CERTIFICATES_READ: _TEAM,
        _P.CALLS_WATCH: _TEAM,
        _P.CONTACTS_READ: _ALL,
        _P.CONTACTS_WRITE: _ALL,
        _P.CONSENTS_FILE: _ALL,
        _P.CONSENTS_WITHDRAW: _ALL,
        _P.RECORDINGS_LISTEN: _TEAM,
        _P.RECORDINGS_EXPORT: _TEAM,
        _P.TRACKERS_MANAGE: _TEAM,
        _P.COACHING_WRITE: _TEAM,
        _P.DASHBOARDS_READ: _TEAM,
        _P.CHECKLISTS_WRITE: _TEAM,
        _P.TRANSCRIPTS_WRITE: _TEAM,
    },
    UserRole.COMPLIANCE: {
        _P.CALLS_READ: _ALL,
        _P.CERTIFICATES_READ: _ALL,
        _P.CONTACTS_READ: _ALL,
        _P.CONSENTS_FILE: _ALL,
        _P.CONSENTS_WITHDRAW: _ALL,
        _P.RECORDINGS_LISTEN: _ALL,
        _P.RECORDINGS_EXPORT: _ALL,
        _P.RECORDINGS_HOLD: _ALL,
        _P.COACHING_WRITE: _ALL,
        _P.CHECKLISTS_WRITE: _ALL,
        _P.TRANSCRIPTS_WRITE: _ALL,
        _P.ORIGINALS_OPEN: _ALL,
        _P.RECORDING_MANAGE: _ALL,
        _P.SETTINGS_READ: _ALL,
        _P.AUDIT_READ: _ALL,
        _P.LEDGER_READ: _ALL,
        _P.RULES_REVIEW: _ALL,
        _P.ERASURE_MANAGE: _ALL,
        _P.QUEUE_READ: _ALL,
        _P.QUEUE_DECIDE: _ALL,
        _P.TRACKERS_MANAGE: _ALL,
        _P.DASHBOARDS_READ: _ALL,
        _P.SYSTEM_READ: _ALL,
    },
    UserRole.ADMIN: {
        _P.RECORDING_MANAGE: _ALL,
        _P.SETTINGS_READ: _ALL,
        _P.SETTINGS_WRITE: _ALL,
        _P.USERS_MANAGE: _ALL,
        _P.AUDIT_READ: _ALL,
        _P.TRACKERS_MANAGE: _ALL,
        _P.SYSTEM_READ: _ALL,
    },
    UserRole.AUDITOR: {
        _P.QUEUE_READ: _ALL,
        _P.CERTIFICATES_READ: _ALL,
        _P.AUDIT_READ: _ALL,
        _P.LEDGER_READ: _ALL,
        _P.SETTINGS_READ: _ALL,
        _P.SYSTEM_READ: _ALL,
    },
}


INCLUDED: Mapping[Permission, Permission] = {_P.CALLS_PAUSE: _P.CALLS_MAKE}
"""A scope that lies within a wider one: what may make a call may pause its recording."""


@dataclass(frozen=True, slots=True)
class Person:
    """Who is signed in, as far as access is concerned.

    `scopes` are all that a program may do that acts for the person; None: no program does.
    """

    id: str
    roles: frozenset[UserRole]
    team: str | None
    scopes: frozenset[Permission] | None = None

    def reach(self, permission: Permission) -> Reach:
        """How far a permission goes for this person; the widest of all roles."""
        if not self._has_scope(permission):
            return Reach.NONE
        return max(
            (TABLE[role].get(permission, Reach.NONE) for role in self.roles), default=Reach.NONE
        )

    def _has_scope(self, permission: Permission) -> bool:
        return self.scopes is None or bool(
            {permission, INCLUDED.get(permission, permission)} & self.scopes
        )

    def may(self, permission: Permission) -> bool:
        """Whether the person has a permission at all."""
        return self.reach(permission) is not Reach.NONE

    def reaches(self, permission: Permission, owner: str | None, team: str | None) -> bool:
        """Whether a permission covers something of an owner in a team.

        What has no owner is covered by everything only. Somebody without a team shares none.
        """
        match self.reach(permission):
            case Reach.ALL:
                return True
            case Reach.TEAM:
                shared = self.team is not None and team == self.team
                return shared or (owner is not None and owner == self.id)
            case Reach.OWN:
                return owner is not None and owner == self.id
            case _:
                return False

    def ensure(self, permission: Permission) -> None:
        """Raise Refused when the person lacks a permission."""
        if self.may(permission):
            return
        if not self._has_scope(permission):
            raise Refused(
                f"found no scope {permission.value} with this token; make one that has it"
            )
        raise Refused(
            f"found no permission {permission.value} with your roles; expected one that has it. "
            "Ask an administrator"
        )


def roles_of(words: Iterable[str]) -> frozenset[UserRole]:
    """Roles by their words; a word that is none is left out, and so gives nothing."""
    known = {role.value: role for role in UserRole}
    return frozenset(known[word] for word in words if word in known)
