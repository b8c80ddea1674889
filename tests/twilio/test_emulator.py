"""The emulated Twilio takes what Twilio takes and no more, and tells what it was asked for.

Nothing of ours asks here, so that no onlooker stands before it.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.twilio.people import NEW_YORK, OSLO, TALKS, pause, person

from askfirst.clock import LoopClock, run_virtual
from askfirst.errors import InvalidInput
from askfirst.telephony.persona import Persona, by_number
from askfirst.twilioemulator import twiml
from askfirst.twilioemulator.app import ACCOUNT, SECRET, TwilioEmulator
from askfirst.twilioemulator.asked import Form, Record

CALLS = f"/2010-04-01/Accounts/{ACCOUNT}/Calls"
OURS = "+17135550100"
TALK = "<Response><Pause length='30'/></Response>"
PLACED = {"To": NEW_YORK, "From": OURS, "Twiml": TALK}


class Webhooks:
    """Answers by address, and what was posted there."""

    def __init__(self, answers: dict[str, str]) -> None:
        self.answers = answers
        self.told: list[tuple[str, dict[str, str]]] = []

    async def post(self, url: str, fields: Form) -> str:
        self.told.append((url, dict(fields)))
        return self.answers.get(url, "")

    def statuses(self) -> list[str]:
        return [fields["CallStatus"] for url, fields in self.told if url == "https://x.test/s"]


@asynccontextmanager
async def emulated(
    *people: Persona, answers: dict[str, str] | None = None
) -> AsyncIterator[tuple[TwilioEmulator, httpx2.AsyncClient, Webhooks]]:
    hooks = Webhooks(answers or {})
    callees = by_number({each.number: each for each in people})
    emulator = TwilioEmulator(LoopClock(), callees, post=hooks.post, rings_ms=200)
    transport = httpx2.ASGITransport(app=emulator.app)
    async with httpx2.AsyncClient(
        transport=transport, base_url="http://twilio.test", auth=(ACCOUNT, SECRET)
    ) as http:
        try:
            yield emulator, http, hooks
        finally:
            await emulator.close()


async def posted(http: httpx2.AsyncClient, path: str, form: dict[str, Any]) -> httpx2.Response:
    return await http.post(path, data=form)


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"Colour": "red"}, 20001),
        ({"To": "hello"}, 21211),
        ({"To": None}, 21211),
        ({"From": "12"}, 21212),
        ({"Twiml": None}, 21205),
        ({"Url": "https://x.test/v"}, 21205),
        ({"Twiml": "x" * 4_001}, 20001),
        ({"StatusCallbackEvent": "hung-up"}, 20001),
        ({"StatusCallback": "ftp://x.test"}, 20001),
        ({"Timeout": "601"}, 20001),
        ({"Timeout": "0"}, 20001),
        ({"SendDigits": "hello"}, 20001),
        ({"MachineDetection": "true"}, 20001),
        ({"Record": "yes"}, 20001),
        ({"RecordingChannels": "stereo"}, 20001),
        ({"RecordingTrack": "contact"}, 20001),
    ],
)
def test_a_new_call_with_a_wrong_word_or_an_unknown_parameter_is_refused(
    changed: dict[str, str | None], code: int
) -> None:
    async def scenario() -> tuple[int, dict[str, Any], int]:
        async with emulated() as (emulator, http, _):
            form = {name: value for name, value in (PLACED | changed).items() if value is not None}
            answer = await posted(http, f"{CALLS}.json", form)
            return answer.status_code, answer.json(), len(emulator.exchange.calls)

    status, told, calls = run_virtual(scenario())
    assert (status, calls) == (400, 0)
    assert set(told) == {"code", "message", "more_info", "status"}
    assert (told["code"], told["status"]) == (code, 400)


def test_a_call_rings_is_answered_and_told_of_only_as_was_asked(tmp_path: Path) -> None:
    async def scenario() -> tuple[list[str], list[str]]:
        async with emulated(person(tmp_path, NEW_YORK)) as (emulator, http, hooks):
            whole = {"StatusCallback": "https://x.test/s"}
            events = {"StatusCallbackEvent": ["initiated", "ringing", "answered", "completed"]}
            seen = []
            for more in (whole | events, whole):
                hooks.told.clear()
                answer = await posted(http, f"{CALLS}.json", PLACED | more)
                assert answer.status_code == 201
                call = emulator.exchange.calls[answer.json()["sid"]]
                await call.answered.wait()
                shown = (await http.get(f"{CALLS}/{call.sid}.json")).json()
                assert (shown["status"], shown["to"]) == ("in-progress", NEW_YORK)
                await posted(http, f"{CALLS}/{call.sid}.json", {"Status": "completed"})
                await call.settled()
                seen.append(hooks.statuses())
            return seen[0], seen[1]

    assert run_virtual(scenario()) == (
        ["queued", "ringing", "in-progress", "completed"],
        ["completed"],
    )


@pytest.mark.parametrize(
    ("form", "status", "code"),
    [
        ({"Status": "paused"}, 400, 20001),
        ({"Status": "canceled"}, 400, 21220),
        ({"Volume": "loud"}, 400, 20001),
        ({"Record": "true"}, 400, 20001),
        ({"Status": "completed"}, 200, None),
        ({"Twiml": "<Response/>"}, 200, None),
    ],
)
def test_a_call_is_changed_by_closed_words_and_in_the_right_state_only(
    tmp_path: Path, form: dict[str, str], status: int, code: int | None
) -> None:
    async def scenario() -> list[tuple[int, int | None]]:
        async with emulated(person(tmp_path, NEW_YORK)) as (emulator, http, _):
            placed = await posted(http, f"{CALLS}.json", PLACED)
            call = emulator.exchange.calls[placed.json()["sid"]]
            await call.answered.wait()
            changed = await posted(http, f"{CALLS}/{call.sid}.json", form)
            call.hang_up()
            after = await posted(http, f"{CALLS}/{call.sid}.json", {"Status": "completed"})
            none = await posted(http, f"{CALLS}/CA{'0' * 32}.json", {"Status": "completed"})
            return [(each.status_code, each.json().get("code")) for each in (changed, after, none)]

    changed, after, none = run_virtual(scenario())
    assert changed == (status, code)
    assert (after, none) == ((400, 21220), (404, 20404))


def test_without_the_accounts_credentials_nothing_is_done() -> None:
    async def scenario() -> list[int]:
        async with emulated() as (_, http, __):
            answers = []
            for user, secret in (("", ""), (ACCOUNT, "guess"), ("AC" + "2" * 32, SECRET)):
                wrong = httpx2.BasicAuth(user, secret)
                answers.append(await http.post(f"{CALLS}.json", data=PLACED, auth=wrong))
            return [each.status_code for each in answers]

    assert run_virtual(scenario()) == [401, 401, 401]


def test_whatever_would_capture_is_in_the_record_even_where_it_is_refused() -> None:
    async def scenario() -> list[str]:
        async with emulated() as (emulator, http, _):
            sid = "CA" + "0" * 32
            for name in ("Recordings", "Streams", "Siprec", "Transcriptions"):
                await posted(http, f"{CALLS}/{sid}/{name}.json", {"Url": "wss://x.test"})
            for more in ({"Record": "true"}, {"MachineDetection": "Enable"}):
                await posted(http, f"{CALLS}.json", PLACED | more)
            for document in (
                "<Response><Record/></Response>",
                "<Response><Start><Stream url='wss://x.test'/></Start></Response>",
                "<Response><Dial record='record-from-answer'><Number>1</Number></Dial></Response>",
            ):
                await posted(http, f"{CALLS}.json", PLACED | {"Twiml": document})
            return emulator.asked.captures()

    assert run_virtual(scenario()) == [
        "POST Recordings", "POST Streams", "POST Siprec", "POST Transcriptions", "Record=true",
        "MachineDetection=Enable", "<Record>", "<Start>", "record=record-from-answer",
    ]  # fmt: skip


def test_what_captures_nothing_is_not_said_to() -> None:
    record = Record()
    document = (
        "<Response><Dial record='do-not-record'><Number>+4722222222</Number></Dial></Response>"
    )
    record.add("POST", f"{CALLS}.json", (("Twiml", document), ("To", "+4722222222")))
    assert record.captures() == []


def test_a_document_is_followed_from_verb_to_verb_and_to_where_it_leads(tmp_path: Path) -> None:
    answers = {
        "https://x.test/next": "<Response><Redirect>https://x.test/last</Redirect></Response>",
        "https://x.test/last": "<Response><Say>Good-bye.</Say><Hangup/></Response>",
    }
    document = (
        "<Response><Say>One moment.</Say><Pause length='1'/>"
        "<Redirect>https://x.test/next</Redirect><Hangup/></Response>"
    )

    async def scenario() -> tuple[list[str], str, list[str]]:
        waits = person(tmp_path, NEW_YORK, pause(60_000))
        async with emulated(waits, answers=answers) as (emulator, http, hooks):
            placed = await posted(http, f"{CALLS}.json", PLACED | {"Twiml": document})
            call = emulator.exchange.calls[placed.json()["sid"]]
            await call.settled()
            return call.said, call.status, [url for url, _ in hooks.told]

    assert run_virtual(scenario()) == (
        ["One moment.", "Good-bye."],
        "completed",
        ["https://x.test/next", "https://x.test/last"],
    )


def test_whoever_calls_a_number_that_rejects_is_busy_and_never_answered(tmp_path: Path) -> None:
    answers = {"https://x.test/v": "<Response><Reject reason='busy'/></Response>"}

    async def scenario() -> tuple[str, bool, dict[str, str]]:
        async with emulated(answers=answers) as (emulator, _, hooks):
            caller = person(tmp_path, OSLO, TALKS)
            call = emulator.exchange.call_in(
                OSLO, OURS, caller, "https://x.test/v", "https://x.test/s"
            )
            await call.settled()
            return call.status, call.answered.is_set(), hooks.told[0][1]

    status, is_answered, asked = run_virtual(scenario())
    assert (status, is_answered) == ("busy", False)
    assert (asked["From"], asked["To"], asked["Direction"]) == (OSLO, OURS, "inbound")


def test_a_dialled_number_is_a_call_of_its_own_that_ends_with_the_first(tmp_path: Path) -> None:
    document = (
        "<Response><Dial record='do-not-record' timeout='5'><Number>+4722222222</Number></Dial>"
        "</Response>"
    )

    async def scenario() -> tuple[str, str]:
        people = (person(tmp_path, NEW_YORK), person(tmp_path, OSLO))
        async with emulated(*people) as (emulator, http, _):
            placed = await posted(http, f"{CALLS}.json", PLACED | {"Twiml": document})
            call = emulator.exchange.calls[placed.json()["sid"]]
            await call.answered.wait()
            await asyncio.sleep(1)
            (other,) = [each for each in emulator.exchange.calls.values() if each.parent is call]
            assert other.status == "in-progress"
            call.hang_up()
            await call.settled()
            return other.status, other.direction

    assert run_virtual(scenario()) == ("completed", "outbound-dial")


def test_as_a_program_it_says_where_it_is_and_ends_when_it_is_told_to() -> None:
    command = [sys.executable, "-m", "askfirst.twilioemulator", "--callee", f"{OSLO}=refuses"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        assert process.stdout is not None
        address, account, secret = process.stdout.readline().split()
        told = httpx2.get(f"{address}/emulator", trust_env=False).json()
        path = f"{address}/2010-04-01/Accounts/{account}.json"
        known = httpx2.get(path, auth=(account, secret), trust_env=False)
        process.terminate()
        assert process.wait(30) == 0
    assert told == {"calls": 0, "captures": [], "streams": [], "recordings": 0}
    assert known.json()["status"] == "active"


@pytest.mark.parametrize(
    "document",
    [
        "",
        "<Response>",
        "<Answer/>",
        "<Response><Record/></Response>",
        "<Response><Start><Stream url='wss://x.test'/></Start></Response>",
        "<Response><Connect><Siprec/></Connect></Response>",
        "<Response><Dial record='record-from-answer'/></Response>",
        "<Response><Say colour='red'>x</Say></Response>",
        f"<Response><Say>{'x' * 4_097}</Say></Response>",
        "<!DOCTYPE x [<!ENTITY e 'x'>]><Response>&e;</Response>",
        "x" * 70_000,
    ],
)
def test_a_document_with_something_else_is_none(document: str) -> None:
    with pytest.raises(InvalidInput):
        twiml.parse(document)


@pytest.mark.parametrize("verb", ["Play", "Gather", "Record", "Start", "Enqueue", "Refer", "Leave"])
def test_a_verb_that_we_never_write_is_refused_by_its_name(verb: str) -> None:
    with pytest.raises(InvalidInput, match=f"element {verb} in Response"):
        twiml.parse(f"<Response><{verb}/></Response>")


@given(st.text() | st.from_regex(r"<Response>(<[A-Z][a-z]{1,8}( [a-z]+='[a-z]*')?/>)*</Response>"))
def test_whatever_the_document_is_it_is_read_or_refused(document: str) -> None:
    try:
        verbs = twiml.parse(document)
    except InvalidInput:
        return
    assert all(each.name in twiml.VERBS for each in verbs)
