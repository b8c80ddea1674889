"""Settings: who carries calls, how the trunk stands, and a test call of one's own telephone."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Annotated

from babel.numbers import format_decimal
from fastapi import APIRouter, Depends
from starlette.responses import RedirectResponse, Response

from askfirst.errors import InvalidInput, Refused, Unavailable
from askfirst.server import accounts, twilioaccount
from askfirst.server.database import reading
from askfirst.server.testcall import ANSWERED, CUT_SHORT
from askfirst.server.trunkcautions import cautions
from askfirst.server.trunktest import Report, Standing, standing
from askfirst.telephony.siptrunk import Trunk
from askfirst.web import twiliowords
from askfirst.web.bodies import Filled
from askfirst.web.providerwords import CAUTIONS, CODECS, OUTCOMES, SECURITIES, STATES, TRANSPORTS
from askfirst.web.settingsframe import Reader, Writer, setting
from askfirst.web.visit import SignedIn, Visit

router = APIRouter()

Rows = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Now:
    """What belongs to the server's loop, read there once for a page.

    `stands` None: no trunk, or this process carries no calls.
    """

    carries: bool = False
    people: tuple[str, ...] = ()
    stands: Standing | None = None
    is_testing: bool = False
    last: Report | None = None


async def now(visit: SignedIn) -> Now:
    """How everything stands; asked on the loop, shown in a thread."""
    carrier = visit.site.carrier
    try:
        desk, tester = carrier.desk, carrier.tester
    except Unavailable:
        return Now()
    people = tuple(sorted(desk.personas))
    return Now(True, people, standing(desk.providers), tester.is_running, tester.last)


Standings = Annotated[Now, Depends(now)]


@router.get("/settings/providers")
def providers_page(visit: Reader, now: Standings) -> Response:
    """Every provider, how the trunk stands, and the report of the newest test call."""
    return _providers(visit, now)


@router.post("/settings/providers/test")
async def begin_test(visit: Writer, form: Filled, stands: Standings) -> Response:
    """Begin a test call; its report is on the page a few seconds later."""
    number = str(form.get("number", "")).strip()
    try:
        visit.site.carrier.tester.start(visit.who.id, number, visit.account.region)
    except InvalidInput:
        said = visit.say(
            "This number is not called from here. Write it with + and its country. Emergency, "
            "short and premium numbers and numbers of demo contacts are refused."
        )
        return await asyncio.to_thread(_providers, visit, stands, number, wrong=said)
    except (Refused, Unavailable):
        said = visit.say("No test call was made: no line is free, or one is under way.")
        return await asyncio.to_thread(_providers, visit, stands, number, refused=said)
    return RedirectResponse("/settings/providers#test-call", status_code=303)


def _providers(
    visit: Visit, now: Now, number: str = "", *, wrong: str = "", refused: str = ""
) -> Response:
    trunk = visit.site.settings.sip if now.stands is None else now.stands.trunk
    last, by = now.last, ""
    if last is not None:
        with reading(visit.site.store.engine) as connection:
            by = accounts.names(connection).get(last.by, "–")
    return setting(
        visit,
        "settings_providers.html",
        (),
        status=422 if wrong else 409 if refused else 200,
        now=now,
        trunk=None if trunk is None else _trunk(visit, trunk),
        cautions=[] if trunk is None else [visit.say(CAUTIONS[each]) for each in cautions(trunk)],
        state=None if now.stands is None else _state(visit, now.stands),
        lines=None if now.stands is None else _lines(visit, now.stands),
        number=number,
        wrong=wrong,
        refused=refused,
        report=None if last is None or trunk is None else _report(visit, last, trunk),
        verdict=None if last is None else _verdict(visit, last),
        by=by,
        twilio=_twilio(visit),
    )


def _twilio(visit: Visit) -> tuple[str, str, str] | None:
    """How the account at Twilio stands by its newest check; None where there is none."""
    with reading(visit.site.store.engine) as connection:
        known = twilioaccount.shown(connection)
    if known is None:
        return None
    kind, icon, said = twiliowords.said(twiliowords.LOGIN, known.checks.get("login", "not-asked"))
    return kind, icon, visit.say(said)


def _trunk(visit: Visit, trunk: Trunk) -> Rows:
    """What is set about a trunk, without its password."""
    return [
        (visit.say("Exchange"), f"{trunk.server}:{trunk.port}"),
        (visit.say("We are there"), trunk.user),
        (visit.say("Signalling"), visit.say(TRANSPORTS[trunk.transport])),
        (visit.say("Sound"), visit.say(SECURITIES[trunk.security])),
        (visit.say("Codecs"), ", ".join(CODECS[each] for each in trunk.codecs)),
        (visit.say("Number shown"), trunk.caller_id or visit.say("as the exchange decides")),
        (
            visit.say("Registration"),
            visit.say("yes") if trunk.registers else visit.say("no, the exchange knows us"),
        ),
    ]


def _state(visit: Visit, stands: Standing) -> tuple[str, str, str]:
    kind, glyph, said = STATES.get(stands.state, STATES["down"])
    return kind, glyph, visit.say(said)


def _lines(visit: Visit, stands: Standing) -> Rows:
    rows = [
        (
            visit.say("Lines in use"),
            visit.say(
                "%(used)s of %(all)s", used=str(stands.calls), all=str(stands.trunk.most_calls)
            ),
        ),
        (visit.say("Restarts of its process"), str(stands.restarts)),
    ]
    if stands.text:
        rows.append((visit.say("The exchange says"), stands.text))
    return rows


def _verdict(visit: Visit, last: Report) -> tuple[str, str]:
    """What a test call comes to, in one sentence with its kind."""
    heard, counted = last.heard, last.counted
    if last.outcome not in (ANSWERED, CUT_SHORT) or heard is None:
        return "warning", visit.say(OUTCOMES.get(last.outcome, OUTCOMES[CUT_SHORT]))
    if heard.round_trip_ms is not None:
        return "good", visit.say("Sound goes both ways: our own tone came back.")
    if heard.sounding_ms:
        return "good", visit.say("The call was answered, and sound came from the other side.")
    if counted is not None and counted.received:
        return "warning", visit.say("The call was answered, and the other side was silent.")
    return "error", visit.say(
        "The call was answered, and no sound came: a firewall or a wrong address may stop it."
    )


def _report(visit: Visit, last: Report, trunk: Trunk) -> Rows:
    """Every figure of a test call, in words."""
    none = "–"

    def seconds(ms: int | None) -> str:
        return none if ms is None else f"{_decimal(visit, ms / 1000)} s"

    rows = [
        (visit.say("Registration"), _said_state(visit, last.state)),
        (visit.say("Outcome"), visit.say(OUTCOMES.get(last.outcome, last.outcome))),
        (visit.say("Until it rang"), seconds(last.ringing_ms)),
        (visit.say("Until it was answered"), seconds(last.answer_ms)),
    ]
    heard, counted = last.heard, last.counted
    if counted is not None and counted.exchange_ms is not None:
        rows.insert(1, (visit.say("The exchange answers in"), f"{counted.exchange_ms} ms"))
    if heard is not None:
        level = "" if heard.level_dbfs is None else f", {_decimal(visit, heard.level_dbfs)} dBFS"
        rows += [
            (
                visit.say("Sound from the other side"),
                visit.say(
                    "%(sounding)s s of %(listened)s s",
                    sounding=_decimal(visit, heard.sounding_ms / 1000),
                    listened=_decimal(visit, heard.listened_ms / 1000),
                )
                + level,
            ),
            (
                visit.say("Our own tone"),
                visit.say("did not come back, as from an ordinary telephone")
                if heard.round_trip_ms is None or heard.echo_dbfs is None
                else visit.say(
                    "came back after %(ms)s ms, at %(level)s dBFS",
                    ms=str(heard.round_trip_ms),
                    level=_decimal(visit, heard.echo_dbfs),
                ),
            ),
        ]
    if counted is not None and heard is not None:
        lost = none if counted.lost is None else str(counted.lost)
        rows += [
            (
                visit.say("Packets"),
                visit.say(
                    "%(sent)s sent, %(received)s received, %(lost)s lost",
                    sent=str(counted.sent),
                    received=str(counted.received),
                    lost=lost,
                ),
            ),
            (visit.say("Jitter"), _ms(visit, counted.jitter_ms)),
            (visit.say("Round trip by RTCP"), _ms(visit, counted.round_trip_ms)),
            (visit.say("Codec"), CODECS.get(counted.codec or "", counted.codec or none)),
        ]
    return [
        *rows,
        (visit.say("Signalling"), visit.say(TRANSPORTS[trunk.transport])),
        (visit.say("Sound"), visit.say(SECURITIES[trunk.security])),
    ]


def _said_state(visit: Visit, state: str) -> str:
    return visit.say(STATES.get(state, STATES["down"])[2])


def _ms(visit: Visit, value: float | None) -> str:
    return (
        visit.say("not reported in that time") if value is None else f"{_decimal(visit, value)} ms"
    )


def _decimal(visit: Visit, value: float) -> str:
    return str(format_decimal(value, format="#,##0.0", locale=visit.language))
