"""Our client and the emulator keep to Twilio's public description, as Prism reads it."""

from __future__ import annotations

import asyncio
import inspect
import io
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qsl

import httpx2
import numpy as np
import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from tests.twilio.closedlists import OPERATIONS as OPERATIONS_OF_OURS
from tests.twilio.publicdescription import Description, needed, prism

from askfirst.audio.container import encode_wav
from askfirst.errors import AskfirstError
from askfirst.telephony.persona import Step, StepKind, packaged_persona
from askfirst.telephony.twilioclient import TwilioClient
from askfirst.telephony.twiliovalues import TwilioCredentials
from askfirst.twilioemulator.__main__ import NUMBER, TOKEN, Program
from askfirst.twilioemulator.app import served
from askfirst.twilioemulator.kept import ACCOUNT_SID, Account, KeptCall, KeptNumber, KeptRecording

pytestmark = pytest.mark.full

OSLO, AWAY = "+4722222222", "+4722222223"
NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
WITHIN, BESIDE = f"RE{1:032x}", f"RE{2:032x}"
KEPT, PN = f"CA{1:032x}", f"PN{1:032x}"
SOUND = encode_wav(np.zeros((2, 1_600), dtype=np.int16))
WAITS = "<Response><Pause length='30'/></Response>"
SOUND_OF = {"media", "is_media_open"}
"""Operations on the sound of recordings, which the description leaves out."""

ROOT = f"/2010-04-01/Accounts/{ACCOUNT_SID}"


@dataclass
class Told:
    """One request, and what Prism said of it and its answer."""

    method: str
    path: str
    names: frozenset[str]
    status: int
    violations: list[Mapping[str, object]]


@dataclass
class Between:
    """Stands before Prism, hands everything on, and keeps what Prism says of it.

    The sound of recordings, which the description leaves out, and which Prism takes for text, goes
    past it.
    """

    upstream: str
    behind: str = ""
    told: list[Told] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = await self._answer(Request(scope, receive))
        await answer(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        path, query = request.scope["raw_path"].decode(), request.scope["query_string"].decode()
        body = await request.body()
        headers = {k: v for k, v in request.headers.items() if k not in ("host", "accept-encoding")}
        async with httpx2.AsyncClient(trust_env=False, timeout=20) as http:
            behind = self.upstream if path.endswith(".wav") else self.behind
            url = f"{behind}{path}{'?' + query if query else ''}"
            got = await http.request(request.method, url, content=body, headers=headers)
        pairs = parse_qsl(query) + parse_qsl(body.decode())
        names = frozenset(name for name, _ in pairs)
        said = json.loads(got.headers.get("sl-violations", "[]"))
        self.told.append(Told(request.method, path, names, got.status_code, said))
        kept = {k: v for k, v in got.headers.items() if k in ("content-type", "retry-after")}
        return Response(got.content, got.status_code, kept)


@dataclass
class Planting:
    """Stands before the emulator, and adds fields to its answers."""

    app: ASGIApp
    planted: Mapping[str, object] = field(default_factory=dict)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun: list[Message] = []

        async def change(message: Message) -> None:
            if message["type"] == "http.response.start":
                begun.append(message)
                return
            if self.planted and message["body"].startswith(b"{"):
                message["body"] = json.dumps(json.loads(message["body"]) | self.planted).encode()
                size = str(len(message["body"])).encode()
                kept = [each for each in begun[0]["headers"] if each[0] != b"content-length"]
                begun[0]["headers"] = [*kept, (b"content-length", size)]
            while begun:
                await send(begun.pop())
            await send(message)

        await self.app(scope, receive, change)


@dataclass
class World:
    """Our client, an emulated account with something of everything, and who stands between."""

    client: TwilioClient
    program: Program
    between: Between
    planting: Planting
    url: str

    async def answered(self) -> str:
        """A call that somebody has taken."""
        sid = await self.client.place(OSLO, NUMBER, WAITS, "https://x.test/s")
        await self.program.emulator.exchange.calls[sid].answered.wait()
        return sid


def fill(account: Account) -> None:
    account.numbers = {PN: KeptNumber(PN, "+4721000001")}
    account.calls = {KEPT: KeptCall(KEPT, NUMBER, OSLO, NOW, duration_s=9)}
    account.countries = {"NO": (True, False)}
    for sid in (WITHIN, BESIDE):
        account.recordings[sid] = KeptRecording(
            sid, KEPT, NOW, {1: SOUND, 2: SOUND}, is_encrypted=sid == BESIDE
        )


@asynccontextmanager
async def world(description: Description, folder: Path) -> AsyncIterator[World]:
    takes = packaged_persona("presses-one")
    away = replace(takes, number=AWAY, steps=(Step(StepKind.RING, "no-answer"),))
    program = Program(NUMBER, {OSLO: takes, AWAY: away})
    program.emulator.exchange.rings_ms = 20
    fill(program.account)
    async with AsyncExitStack() as stack:
        planting = Planting(program.emulator.app)
        at = await stack.enter_async_context(served(planting))
        between = Between(f"http://127.0.0.1:{at}")
        between.behind = stack.enter_context(prism(description, between.upstream, folder))
        url = f"http://127.0.0.1:{await stack.enter_async_context(served(between))}"
        credentials = TwilioCredentials(ACCOUNT_SID, TOKEN)
        client = await stack.enter_async_context(TwilioClient(credentials, url))
        stack.push_async_callback(program.emulator.close)
        yield World(client, program, between, planting, url)


async def _place(here: World) -> None:
    await here.client.place(
        OSLO, NUMBER, WAITS, "https://x.test/s?a=1&b=2", ring_s=30, longest_s=60
    )


async def _redirect(here: World) -> None:
    await here.client.redirect(await here.answered(), "<Response><Hangup/></Response>")


async def _end(here: World) -> None:
    await here.client.end(await here.answered())


async def _cancel(here: World) -> None:
    await here.client.cancel(await here.client.place(AWAY, NUMBER, WAITS, "https://x.test/s"))


async def _call(here: World) -> None:
    assert (await here.client.call(KEPT)).to == OSLO
    going = await here.answered()
    assert (await here.client.call(going)).status == "in-progress"
    await here.client.end(going)
    assert (await here.client.call(going)).status == "completed"


async def _calls(here: World) -> None:
    going = await here.answered()
    pages = here.client.calls(NOW - timedelta(days=1), page_size=1)
    assert {KEPT, going} <= {each.sid async for page in pages for each in page}
    assert [page async for page in here.client.calls(parent=KEPT)] == [()]


async def _configure(here: World) -> None:
    at = "https://phone.example"
    await here.client.configure_number(PN, f"{at}/v", f"{at}/s", f"{at}/f")


async def _recordings(here: World) -> None:
    pages = here.client.recordings(NOW, 1, call=KEPT, include_deleted=True)
    assert [len(page) async for page in pages] == [1, 1]


async def _media(here: World) -> None:
    for channels in (1, 2):
        into = io.BytesIO()
        await here.client.media(WITHIN, into, channels)
        assert into.getvalue() == SOUND


OPERATIONS: Mapping[str, Callable[[World], Awaitable[object]]] = {
    "account": lambda here: here.client.account(),
    "numbers": lambda here: here.client.numbers(),
    "configure_number": _configure,
    "geographic_permissions": lambda here: here.client.geographic_permissions(),
    "place": _place,
    "redirect": _redirect,
    "end": _end,
    "cancel": _cancel,
    "call": _call,
    "calls": _calls,
    "recordings": _recordings,
    "recording": lambda here: here.client.recording(BESIDE),
    "media": _media,
    "is_media_open": lambda here: here.client.is_media_open(WITHIN),
    "delete_recording": lambda here: here.client.delete_recording(WITHIN),
}


@dataclass
class Runner:
    """A world on a loop of its own."""

    loop: asyncio.Runner
    world: World

    def ask(self, *names: str) -> dict[str, list[Told]]:
        """What came of operations of our client."""

        async def main() -> dict[str, list[Told]]:
            found: dict[str, list[Told]] = {}
            for name in names:
                self.world.between.told = found[name] = []
                with suppress(AskfirstError) if self.world.planting.planted else nullcontext():
                    await OPERATIONS[name](self.world)
            return found

        return self.loop.run(main())

    def sent(self, method: str, path: str, form: Mapping[str, object], known: bool = True) -> Told:
        """What came of one request of nobody's."""

        async def main() -> Told:
            told: list[Told] = []
            self.world.between.told = told
            auth = httpx2.BasicAuth(ACCOUNT_SID, TOKEN) if known else None
            async with httpx2.AsyncClient(trust_env=False) as http:
                url = f"{self.world.url}{ROOT}{path}"
                await http.request(method, url, data=dict(form) or None, auth=auth)
            (one,) = told
            return one

        return self.loop.run(main())


@pytest.fixture(scope="module")
def description() -> Description:
    return needed()


@pytest.fixture(scope="module")
def shared(description: Description, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runner]:
    with asyncio.Runner() as loop:
        made = world(description, tmp_path_factory.mktemp("prism"))
        yield Runner(loop, loop.run(made.__aenter__()))
        loop.run(made.__aexit__(None, None, None))


@pytest.fixture
def here(shared: Runner) -> Runner:
    """The world, with everything in it again."""
    fill(shared.world.program.account)
    shared.world.planting.planted = {}
    return shared


def where(told: Told) -> list[object]:
    return [each["location"] for each in told.violations]


def test_nothing_that_our_client_asks_for_is_left_out_here() -> None:
    names = {name for name, _ in inspect.getmembers(TwilioClient, callable) if name[0] != "_"}
    assert set(OPERATIONS) == names - {"aclose"}


def test_every_request_of_ours_and_every_answer_of_the_emulator_is_as_described(
    here: Runner, description: Description
) -> None:
    found = here.ask(*OPERATIONS)
    assert all(found.values())
    for name, requests in found.items():
        for told in requests:
            known = description.parameters(told.method, told.path)
            assert told.violations == [], (name, told)
            assert (known is None) == (name in SOUND_OF), (name, told)
            assert known is None or told.names <= known, (name, told)


def test_every_answer_that_the_description_knows_is_held_against_it(here: Runner) -> None:
    here.world.planting.planted = {"colour": "red"}
    for name, requests in here.ask(*set(OPERATIONS) - SOUND_OF - {"delete_recording"}).items():
        assert requests
        for told in requests:
            codes = [each.get("code") for each in told.violations]
            assert codes == ["additionalProperties"], (name, told)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"Timeout": "long"}, ["request", "body", "Timeout"]),
        ({"Timeout": "1.5"}, ["request", "body", "Timeout"]),
        ({"To": None}, ["request", "body"]),
        ({"StatusCallbackMethod": "SHOUT"}, ["request", "body", "StatusCallbackMethod"]),
    ],
)
def test_a_request_of_a_wrong_type_or_without_what_it_needs_is_found(
    here: Runner, changed: dict[str, object], expected: list[str]
) -> None:
    stated = {"To": OSLO, "From": NUMBER, "Twiml": WAITS} | changed
    form = {name: value for name, value in stated.items() if value is not None}
    assert expected in where(here.sent("POST", "/Calls.json", form))


def test_an_unknown_parameter_and_an_unknown_operation_are_found(
    here: Runner, description: Description
) -> None:
    stated = {"To": OSLO, "From": NUMBER, "Twiml": WAITS, "Colour": "red"}
    told = here.sent("POST", "/Calls.json", stated)
    assert told.names - (description.parameters("POST", told.path) or set()) == {"Colour"}
    told = here.sent("GET", "/Recordings.json?Colour=red&CallSid=" + KEPT, {})
    assert told.names - (description.parameters("GET", told.path) or set()) == {"Colour"}
    assert description.parameters("DELETE", f"{ROOT}/Recordings.json") is None
    assert description.parameters("GET", f"{ROOT}/Recordings/{WITHIN}.wav") is None
    assert where(here.sent("GET", "/Colours.json", {})) == [["request"]]


def test_what_may_be_said_to_twilio_at_all_is_in_the_description(description: Description) -> None:
    for (method, template), names in OPERATIONS_OF_OURS.items():
        known = description.parameters(method, template.replace("{Sid}", f"XX{1:032x}"))
        assert known is not None, template
        assert names <= known, template


def test_a_request_without_credentials_is_found(here: Runner) -> None:
    told = here.sent("GET", "/Recordings.json", {}, known=False)
    assert 401 in [each.get("code") for each in told.violations]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"number": 7}, "phone_number"),
        ({"sid": "PN1"}, "sid"),
        ({"voice_url": "no address"}, "voice_url"),
    ],
)
def test_an_answer_of_a_wrong_type_is_found(
    here: Runner, change: dict[str, object], expected: str
) -> None:
    number = KeptNumber(PN, NUMBER)
    for name, value in change.items():
        setattr(number, name, value)
    here.world.program.account.numbers = {PN: number}
    told = here.sent("GET", "/IncomingPhoneNumbers.json", {})
    assert ["response", "body", "incoming_phone_numbers", "0", expected] in where(told)


def test_every_package_of_npm_is_pinned_by_its_hash_and_comes_from_no_named_server() -> None:
    folder = Path(__file__).parent / "description"
    lock = json.loads((folder / "package-lock.json").read_text())
    packages = {name: told for name, told in lock["packages"].items() if name}
    assert len(packages) > 100
    assert all(told["integrity"].startswith("sha512-") for told in packages.values())
    assert "resolved" not in json.dumps(lock)
    wanted = json.loads((folder / "package.json").read_text())["dependencies"]
    assert wanted == {each: packages[f"node_modules/{each}"]["version"] for each in wanted}
