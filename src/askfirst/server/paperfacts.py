"""What the papers are made of: the real settings of account and installation, as plain values.

No secret is among them: of what the installation is joined to, only the host is named. The
fingerprint is of everything that was collected, so that equal settings give an equal one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from urllib.parse import urlsplit

import sqlalchemy as sa

from askfirst.canonical import canonical
from askfirst.model import Role
from askfirst.policy import MANDATORY_RECORDING
from askfirst.retention import MANDATORY_YEARS, Mandatory
from askfirst.rules import Rulebook
from askfirst.scene import lineage
from askfirst.server import accounts, employeenotice, sites
from askfirst.server.account import Account, account, last_changes
from askfirst.server.accounttables import users
from askfirst.server.custody import place_of
from askfirst.server.database import calls, parties, reading
from askfirst.server.externalcall import PROVIDER
from askfirst.server.personfigures import may_show
from askfirst.server.settings import Settings
from askfirst.server.sites import Gate, SiteRecord
from askfirst.server.store import Store

FIGURES_BASIS = "person_figures_basis"


@dataclass(frozen=True, slots=True)
class Duty:
    """What the law asks at a place beside the call.

    `stated_by` is the jurisdiction whose file says so, the place's own or one that it belongs to;
    `reviewed` is when that file was read last.
    """

    place: str
    stated_by: str
    kind: str
    text: Mapping[str, str]
    sources: Sequence[str]
    reviewed: date


@dataclass(frozen=True, slots=True)
class Joined:
    """What the installation is joined to: hosts by what they are for; None: not used."""

    exchange: str | None
    is_exchange_encrypted: bool
    keys: str | None
    mail: str | None
    webhook: str | None
    stamp: str | None
    sign_on: str | None
    has_dialer: bool


@dataclass(frozen=True, slots=True)
class Grounds:
    """Everything that a paper says of this installation.

    `sites` are the places where people of the account sit, `called` those of the people they
    spoke with, as codes. `duties` are those in force at both. `records` are in force at the sites,
    `unsettled` is what their rules want besides; figures about single persons are shown at
    `shown_places`, and `basis_by` is who stated the account's basis for them, by name.
    """

    account: Account
    joined: Joined
    sites: Sequence[str]
    called: Sequence[str]
    duties: Sequence[Duty]
    rulebook: str
    notice: employeenotice.Version
    records: Sequence[SiteRecord]
    unsettled: Sequence[Gate]
    shown_places: Sequence[str]
    basis_by: str | None
    session_hours: int
    idle_minutes: int
    changed_at: datetime | None
    made_at: datetime

    @property
    def fingerprint(self) -> str:
        """SHA-256 over everything but the moment at which it was collected."""
        told = {key: value for key, value in asdict(self).items() if key != "made_at"}
        plain = json.loads(json.dumps(told, default=str))
        return hashlib.sha256(canonical(plain)).hexdigest()


def grounds(store: Store, settings: Settings, rules: Rulebook, now: datetime) -> Grounds:
    """Collect what papers are made of. Raises Misconfigured where the keys' place is unreadable."""
    with reading(store.engine) as connection:
        wants = account(connection)
        places = _sites(connection, wants)
        called = _called(connection)
        changes = [each.at for each in last_changes(connection).values()]
        version = employeenotice.present(connection)
        kept = sites.records(connection)
        named = accounts.names(connection)
        stated = last_changes(connection).get(FIGURES_BASIS)
        dialers = sa.select(calls.c.id).where(calls.c.provider == PROVIDER).limit(1)
        has_dialer = connection.execute(dialers).first() is not None
    settled = sites.settled(kept, rules, wants.policy(), now.date())
    return Grounds(
        account=wants,
        joined=_joined(store, settings, wants, has_dialer=has_dialer),
        sites=places,
        called=called,
        duties=_duties(rules, wants, [*places, *called], now.date()),
        rulebook=f"{rules.version}, {rules.fingerprint}",
        notice=version,
        records=_records(kept, rules, places, now.date()),
        unsettled=[gate for gate in sites.wanted(rules, places) if gate not in settled],
        shown_places=[
            place for place in places if may_show(place, rules, settled, wants.person_figures_basis)
        ],
        basis_by=None
        if stated is None or not wants.person_figures_basis
        else named.get(stated.by or ""),
        session_hours=settings.session_hours,
        idle_minutes=settings.idle_minutes,
        changed_at=max(changes, default=None),
        made_at=now,
    )


def years(wants: Account, regime: str) -> int:
    """For how many years what a duty recorded is kept: as the authority asked, or the least."""
    stated = wants.mandatory_years.get(regime, {}).get("years")
    return stated if isinstance(stated, int) else MANDATORY_YEARS[Mandatory(regime)]


def _joined(store: Store, settings: Settings, wants: Account, *, has_dialer: bool) -> Joined:
    over_twilio = settings.sip is None and wants.twilio is not None  # a trunk goes before it
    trunk, points, sign_on = settings.sip, settings.checkpoints, settings.oidc
    wrapped = place_of(store.folder / "keys")
    return Joined(
        exchange="Twilio" if over_twilio else None if trunk is None else trunk.server,
        is_exchange_encrypted=settings.is_secure
        if over_twilio
        else trunk is not None and trunk.transport == "tls" and trunk.security != "none",
        keys=None if wrapped is None else _host(wrapped.address),
        mail=points.smtp_host if points.mail_to else None,
        webhook=_host(points.webhook_url),
        stamp=_host(points.stamp_url),
        sign_on=None if sign_on is None else _host(sign_on.issuer),
        has_dialer=has_dialer,
    )


def _host(address: str | None) -> str | None:
    return None if address is None else urlsplit(address).hostname


def _sites(connection: sa.Connection, wants: Account) -> list[str]:
    active = sa.select(users.c.place).where(
        users.c.place.is_not(None), users.c.disabled_at.is_(None)
    )
    stated = set(connection.execute(active.distinct()).scalars())
    home = {wants.home_place} if wants.home_place else set[str]()
    return sorted(stated | home)


def _records(
    kept: Sequence[SiteRecord], rules: Rulebook, places: Sequence[str], on: date
) -> tuple[SiteRecord, ...]:
    """What is on record and in force at places and at what they belong to, the oldest first."""
    codes = {file.code for place in places for file in lineage(place, rules)}
    held = [each for each in kept if each.jurisdiction in codes and each.holds(on)]
    return tuple(sorted(held, key=lambda each: (each.jurisdiction, each.gate, each.since, each.id)))


def _called(connection: sa.Connection) -> list[str]:
    """Places of contacts; the lists are compared as text, as JSON has no equality everywhere."""
    places = sa.cast(parties.c.places, sa.String)
    query = sa.select(places).where(parties.c.role == Role.CONTACT.value).distinct()
    return sorted({code for row in connection.execute(query).scalars() for code in _codes(row)})


def _codes(places: object) -> list[str]:
    return [str(code) for code in json.loads(str(places))]


def _duties(rules: Rulebook, wants: Account, places: Sequence[str], on: date) -> tuple[Duty, ...]:
    """Each duty once, under the place whose file states it first."""
    sectors, found = wants.policy().sectors, dict[str, Duty]()
    for code in places:
        for file, each in rules.stated_duties(code, on):
            if not each.when.sectors or each.when.sectors & sectors:
                titles = [source.title for source in each.sources]
                duty = Duty(code, file.code, each.kind, dict(each.text), titles, file.reviewed)
                found.setdefault(each.text["en"], duty)
    return tuple(found.values())


def regime(wants: Account) -> str | None:
    """The duty to record that the account has stated, one of `MANDATORY_RECORDING`."""
    stated = wants.policy().mandatory_recording
    return stated if stated in MANDATORY_RECORDING else None
