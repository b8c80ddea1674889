"""The permission table: nobody gets more than their roles say, and running is not listening."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from askfirst.errors import Refused
from askfirst.server.access import TABLE, Permission, Person, Reach, UserRole, roles_of

HEARING = (
    Permission.RECORDINGS_LISTEN,
    Permission.RECORDINGS_EXPORT,
    Permission.CALLS_READ,
    Permission.CALLS_WATCH,
)


def person(*roles: UserRole, team: str | None = "north") -> Person:
    return Person("usr_1", frozenset(roles), team)


@pytest.mark.parametrize("permission", HEARING)
@pytest.mark.parametrize("role", [UserRole.ADMIN, UserRole.AUDITOR])
def test_who_runs_or_audits_the_system_hears_nobody(role: UserRole, permission: Permission) -> None:
    assert not person(role).may(permission)


def test_every_role_has_a_line_and_nobody_without_one_has_anything() -> None:
    assert set(TABLE) == set(UserRole)
    assert not any(person().may(permission) for permission in Permission)
    assert roles_of(["owner", "", "ADMIN"]) == frozenset()


@given(st.sets(st.sampled_from(UserRole)), st.sampled_from(UserRole), st.sampled_from(Permission))
def test_one_more_role_never_takes_anything_away(
    roles: set[UserRole], more: UserRole, permission: Permission
) -> None:
    assert person(*roles, more).reach(permission) >= person(*roles).reach(permission)


@pytest.mark.parametrize("roles", list(combinations(UserRole, 2)))
def test_two_roles_reach_as_far_as_the_wider_one(roles: tuple[UserRole, UserRole]) -> None:
    for permission in Permission:
        widest = max(TABLE[role].get(permission, Reach.NONE) for role in roles)
        assert person(*roles).reach(permission) is widest


@pytest.mark.parametrize(
    ("role", "owner", "team", "reaches"),
    [
        (UserRole.AGENT, "usr_1", "south", True),
        (UserRole.AGENT, "usr_2", "north", False),
        (UserRole.AGENT, None, None, False),
        (UserRole.SUPERVISOR, "usr_2", "north", True),
        (UserRole.SUPERVISOR, "usr_2", "south", False),
        (UserRole.SUPERVISOR, "usr_1", "south", True),
        (UserRole.SUPERVISOR, None, None, False),
        (UserRole.COMPLIANCE, None, None, True),
        (UserRole.ADMIN, "usr_1", "north", False),
    ],
)
def test_calls_are_read_within_the_reach_of_the_role(
    role: UserRole, owner: str | None, team: str | None, reaches: bool
) -> None:
    assert person(role).reaches(Permission.CALLS_READ, owner, team) is reaches


def test_two_people_without_a_team_share_none() -> None:
    alone = person(UserRole.SUPERVISOR, team=None)

    assert not alone.reaches(Permission.CALLS_READ, "usr_2", None)


def test_a_missing_permission_is_named() -> None:
    with pytest.raises(Refused, match=r"users\.manage"):
        person(UserRole.AGENT).ensure(Permission.USERS_MANAGE)
