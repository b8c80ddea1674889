"""The guarantee that nothing is shared with third parties, and everything that could break it.

Where the law asks for less because of that guarantee (the United Kingdom), a link for somebody
outside, a processor, a system that calls are copied to, or an engine on another machine would make
it untrue. Whatever lets a recording, or words of one, leave this installation asks here first.

The answer counts for the past as well: what was recorded under the guarantee stays in the house
when the guarantee is taken back, and what was decided without naming somebody is not given to them
later.
"""

from __future__ import annotations

from enum import StrEnum

import sqlalchemy as sa

from askfirst.errors import Refused
from askfirst.policy import Policy
from askfirst.server.account import account
from askfirst.server.database import calls, recordings


class Outside(StrEnum):
    """A way in which a recording, or words of one, leave the installation."""

    SHARE_LINK = "share-link"
    PROCESSOR = "processor"
    ENGINE = "engine"
    CRM_SYNC = "crm-sync"


def allows(policy: Policy, way: Outside, name: str = "") -> bool:
    """Whether a policy lets recordings go a way; `name` is whom they go to, but for links.

    Links have a switch of their own. Everybody else is a processor that the policy has to name.
    """
    if policy.no_third_party_guarantee:
        return False
    if way is Outside.SHARE_LINK:
        return policy.external_share_links
    return name in policy.external_processors


def may_leave(connection: sa.Connection, recording: str, way: Outside, name: str = "") -> bool:
    """Whether a recording may go a way: its call was decided so, and the account wants it now."""
    stated = connection.execute(
        sa.select(calls.c.policy).join(recordings).where(recordings.c.id == recording)
    ).scalar_one_or_none()
    if stated is None:
        return False
    return allows(Policy.parse(stated), way, name) and allows(
        account(connection).policy(), way, name
    )


def ensure_may_leave(
    connection: sa.Connection, recording: str, way: Outside, name: str = ""
) -> None:
    """Raise Refused unless a recording may go a way."""
    if not may_leave(connection, recording, way, name):
        raise Refused(
            "recordings of this call are not shared with people outside: the account does not "
            "allow it now, or did not when the call was decided"
        )
