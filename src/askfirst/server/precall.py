"""What a call to a number would start from: the account's wishes, the contact, the law.

The page that is shown before a call and the call itself ask here, so that they never differ.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

import sqlalchemy as sa

from askfirst.decide import decide
from askfirst.model import Decision, Party, Place, Role
from askfirst.notice import LANGUAGES
from askfirst.override import Override
from askfirst.places import locate
from askfirst.policy import OWN_PROFILE, Policy
from askfirst.rules import Rulebook
from askfirst.server import agreements, contacts, objections, restrictions, sites, standingconsents
from askfirst.server.account import Account, account
from askfirst.server.accountkeys import REVIEW
from askfirst.server.accounts import User
from askfirst.server.contactcard import Contact, standard
from askfirst.server.database import reading
from askfirst.server.employeenotice import is_current
from askfirst.server.ourside import Colleague, Standing
from askfirst.server.request import CallRequest, Known
from askfirst.server.reviews import FirstCall, first_call
from askfirst.server.sites import Gate, SiteRecord, settled
from askfirst.server.standingscope import Scope, covering
from askfirst.server.store import Store

CONTACT = 1
"""The party that is called, or calls."""


@dataclass(frozen=True, slots=True)
class PreCall:
    """What is known before a call; `contact` None where nobody has the number.

    `policy` holds the contact's objection, if it has one. `first_calls` are the countries that the
    account would call for the first time, `site_records` what is on record about its sites,
    `standing` what the contact has signed for this number, `has_agreed` whether the user's
    agreement to be recorded is in force. `is_private` is whether the user says that the call is
    private, `is_restricted` whether what is recorded of this person is stored and nothing else
    (GDPR art. 18).
    """

    account: Account
    policy: Policy
    number: str
    contact: Contact | None
    agent_places: tuple[str, ...]
    contact_places: tuple[str, ...]
    first_calls: tuple[FirstCall, ...] = ()
    site_records: tuple[SiteRecord, ...] = ()
    standing: tuple[Scope, ...] = ()
    has_agreed: bool = False
    is_private: bool = False
    is_restricted: bool = False

    @property
    def awaits_review(self) -> tuple[str, ...]:
        """Countries whose rules somebody has to read before the account calls there."""
        if self.account.first_country != REVIEW:
            return ()
        return tuple(each.country for each in self.first_calls if not each.is_reviewed)

    @property
    def name(self) -> str:
        """What the contact is called, "" where nobody knows."""
        return "" if self.contact is None else self.contact.name or self.contact.company

    @property
    def language(self) -> str:
        """The language of announcements: the contact's, else the account's."""
        known = "" if self.contact is None else self.contact.draft.language
        return known if known in LANGUAGES else self.account.language

    @property
    def announces(self) -> bool:
        """Whether announcements start by themselves; the other product's agents tell in person."""
        return self.account.announces and self.policy.profile == OWN_PROFILE

    def standard(self, number: str) -> str | None:
        """A number as somebody at home writes it, in E.164; None for what is none."""
        return standard(number, self.account.region)

    def settled(self, rules: Rulebook, on: date) -> frozenset[Gate]:
        """What is settled at sites on a day (`askfirst.server.sites`)."""
        return settled(self.site_records, rules, self.policy, on)

    def on_file(self, decision: Decision, on: date) -> tuple[Scope | None, bool]:
        """What the contact has signed that holds on a day, and whether it is enough for the call.

        Of several the one that is enough, else the one that holds longest; None without one.
        """
        held = [each for each in self.standing if each.holds(on)]
        if (found := covering(held, CONTACT, decision, on)) is not None:
            return found[0], True
        return max(held, key=lambda each: each.ends_on, default=None), False

    def request(
        self,
        user: User,
        rules: Rulebook,
        overrides: tuple[Override, ...],
        look_up: Callable[[str], Known],
        on: date,
        **own: Any,
    ) -> CallRequest:
        """What a user's call starts from on a day; `own` is what a provider adds or changes."""
        wishes = self.account
        return CallRequest(
            number=self.number,
            agent_places=self.agent_places,
            policy=self.policy,
            contact_places=self.contact_places,
            standing=self.standing,
            agent=user.id,
            # Nobody is recorded on a notice that there is not, or on an older one.
            is_acknowledged=is_current(user, wishes, rules, on),
            has_agreed=self.has_agreed,
            settled=self.settled(rules, on),
            is_private=self.is_private,
            may_be_private=wishes.private_calls,
            rules=rules,
            overrides=overrides,
            look_up=look_up,
            **{
                "recording_switch": wishes.recording_enabled,
                "beeps": wishes.beeps,
                "hears_answers": wishes.hears_answers,
                **own,
            },
        )

    def decide(
        self,
        on: date,
        rules: Rulebook | None = None,
        overrides: tuple[Override, ...] = (),
        language: str = "en",
    ) -> Decision:
        """How the call would be decided on a day."""
        people = (
            Party(Role.AGENT, None, tuple(Place(code) for code in self.agent_places)),
            Party(
                Role.CONTACT,
                self.number or None,
                tuple(Place(code) for code in self.contact_places),
            ),
        )
        return decide(people, on, rules, self.policy, language=language, overrides=overrides)


def prepare(
    store: Store,
    connection: sa.Connection,
    user: User | None,
    number: str,
    known_place: str | None = None,
    *,
    is_simulated: bool = False,
) -> PreCall:
    """What a user's call with a number starts from; `known_place` is one the provider knows.

    `user` None is nobody in particular. A number that is withheld is "".
    """
    wishes = account(connection)
    number = standard(number, wishes.region) or number
    holder = contacts.holder(connection, number)
    contact = None if holder is None else contacts.get(connection, holder)
    said = {place.code for place in contact.places} if contact is not None else set()
    theirs = tuple(sorted(said | ({known_place} if known_place else set())))
    place = (user.place if user is not None else None) or wishes.home_place
    return PreCall(
        account=wishes,
        policy=objections.policy_for(store.erasures, connection, number, wishes.policy()),
        number=number,
        contact=contact,
        agent_places=(place,) if place else (),
        contact_places=theirs,
        first_calls=_first_calls(connection, number, theirs, is_simulated=is_simulated),
        site_records=tuple(sites.records(connection)),
        standing=standingconsents.scopes_for(store.erasures, connection, number),
        has_agreed=user is not None
        and agreements.in_force(connection, user.id, wishes) is not None,
        is_restricted=bool(restrictions.in_force(store, connection, number)),
    )


def colleague(connection: sa.Connection, user: User, rules: Rulebook, on: date) -> Colleague:
    """Somebody who works here, as a call takes them in on a day."""
    wishes = account(connection)
    place = user.place or wishes.home_place
    has_agreed = agreements.in_force(connection, user.id, wishes) is not None
    standing = Standing(is_current(user, wishes, rules, on), has_agreed)
    return Colleague(user, (place,) if place else (), standing)


def look_up(store: Store, number: str) -> Known:
    """What the account knows of whoever joins a call by number; for a thread of its own."""
    with reading(store.engine) as connection:
        never = objections.objected(store.erasures, connection, number)
        holder = contacts.holder(connection, number)
        stored_only = bool(restrictions.in_force(store, connection, number))
        if holder is None:
            return Known(has_objected=never, is_restricted=stored_only)
        contact = contacts.get(connection, holder)
        signed = standingconsents.scopes_for(store.erasures, connection, number)
    places = tuple(sorted({place.code for place in contact.places}))
    return Known(places, never, signed, stored_only)


def _first_calls(
    connection: sa.Connection, number: str, places: tuple[str, ...], *, is_simulated: bool
) -> tuple[FirstCall, ...]:
    """Countries that the number's owner may be in and that nobody of the account has called."""
    person = Party(Role.CONTACT, number, tuple(Place(code) for code in places))
    by_country = {place.code.partition("-")[0]: place.code for place in locate(person).places}
    asked = (
        first_call(connection, code, is_simulated=is_simulated) for code in by_country.values()
    )
    return tuple(each for each in asked if each is not None)
