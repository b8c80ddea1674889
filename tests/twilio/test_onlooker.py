"""Whoever looks on at calls over Twilio finds each thing that must not be said, when it is said."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from starlette.responses import Response
from starlette.testclient import TestClient
from tests.twilio.closedlists import ONE_BYTE
from tests.twilio.onlooker import Onlooker, looked_on
from tests.twilio.people import NEW_YORK, OSLO, person

from askfirst.clock import run_virtual
from askfirst.twilioemulator.__main__ import TOKEN, Program
from askfirst.twilioemulator.asked import Form
from askfirst.twilioemulator.kept import ACCOUNT_SID
from askfirst.twilioemulator.stream import Socket

OURS = "+17135550100"
ROOT = f"/2010-04-01/Accounts/{ACCOUNT_SID}"
CALLS, CALL = f"{ROOT}/Calls.json", f"{ROOT}/Calls/CA{1:032x}"
RECORDING = f"{ROOT}/Recordings/RE{1:032x}"
HERE = "https://phone.example"
TALK = "<Response><Connect><Stream url='wss://phone.example/s'/></Connect></Response>"
PLACED = {"To": NEW_YORK, "From": OURS, "Twiml": TALK, "StatusCallback": f"{HERE}/s"}


def within(inner: str) -> dict[str, str]:
    return PLACED | {"Twiml": f"<Response>{inner}</Response>"}


def asked(onlooker: Onlooker, method: str, path: str, *, known: bool = True, **how: Any) -> None:
    """Ask the emulator for something, past our own client."""

    async def scenario() -> None:
        program = Program(OURS, {})
        app = looked_on(program.emulator.app, program.emulator.exchange, "phone.example")
        transport = httpx2.ASGITransport(app=app)
        auth = httpx2.BasicAuth(ACCOUNT_SID, TOKEN) if known else None
        async with httpx2.AsyncClient(transport=transport, base_url="http://twilio.test") as http:
            await http.request(method, path, auth=auth, **how)
        await program.emulator.close()

    onlooker.forgives = True
    run_virtual(scenario())


def why(onlooker: Onlooker) -> list[str]:
    return [each.partition(": ")[2] for each in onlooker.faults()]


@pytest.mark.parametrize(
    ("method", "path", "data"),
    [
        ("POST", CALLS, PLACED | {"StatusCallbackEvent": ["ringing", "answered"]}),
        ("POST", f"{CALL}.json", {"Status": "completed"}),
        ("GET", f"{RECORDING}.json", None),
        ("GET", f"{RECORDING}.wav?RequestedChannels=2", None),
        ("DELETE", f"{RECORDING}.json", None),
        ("GET", f"{ROOT}/Recordings.json?PageSize=10&DateCreated%3E=2026-01-01", None),
    ],
)
def test_what_we_ask_for_is_no_fault(
    onlooker: Onlooker, method: str, path: str, data: dict[str, Any] | None
) -> None:
    asked(onlooker, method, path, data=data)
    assert onlooker.faults() == []


@pytest.mark.parametrize("name", ["Recordings", "Streams", "Siprec", "Transcriptions", "Payments"])
def test_a_request_that_makes_a_recording_fork_or_transcript_is_found(
    onlooker: Onlooker, name: str
) -> None:
    asked(onlooker, "POST", f"{CALL}/{name}.json", data={"Url": "wss://phone.example"})
    assert why(onlooker) == ["no operation of ours", "captures"]


@pytest.mark.parametrize(
    "name",
    [
        "Record", "RecordingChannels", "RecordingTrack", "RecordingStatusCallback",
        "MachineDetection", "MachineDetectionTimeout", "AsyncAmd", "AsyncAmdStatusCallback",
        "Transcribe", "TranscribeCallback",
    ],
)  # fmt: skip
def test_a_parameter_that_captures_is_found(onlooker: Onlooker, name: str) -> None:
    asked(onlooker, "POST", CALLS, data=PLACED | {name: "false"})
    assert why(onlooker) == [f"{name} captures", f"unknown parameter {name}"]


@pytest.mark.parametrize(
    ("method", "path", "data", "expected"),
    [
        ("POST", CALLS, PLACED | {"Colour": "red"}, "unknown parameter Colour"),
        ("GET", f"{ROOT}/Recordings.json?Colour=red", None, "unknown parameter Colour"),
        ("GET", f"{RECORDING}.wav?Colour=red", None, "unknown parameter Colour"),
        ("POST", f"{CALL}.json", {"Status": "paused"}, "Status=paused"),
        ("POST", CALLS, PLACED | {"StatusCallbackEvent": "spoken"}, "StatusCallbackEvent=spoken"),
        ("POST", CALLS, PLACED | {"StatusCallback": "https://x.no"}, "StatusCallback is not ours"),
        ("POST", f"{ROOT}/Recordings.json", None, "no operation of ours"),
        ("GET", f"{RECORDING}.flac", None, "no operation of ours"),
    ],
)  # fmt: skip
def test_what_the_public_description_does_not_know_is_found(
    onlooker: Onlooker, method: str, path: str, data: dict[str, Any] | None, expected: str
) -> None:
    asked(onlooker, method, path, data=data)
    assert expected in why(onlooker)


@pytest.mark.parametrize(
    ("inner", "expected"),
    [
        ("<Record/>", ["<Record> in <Response>"]),
        ("<Play>https://phone.example/x.wav</Play>", ["<Play> in <Response>"]),
        (
            "<Start><Stream url='wss://phone.example/s'/></Start>",
            ["<Start> in <Response>", "<Stream> in <Start>"],
        ),
        ("<Start><Siprec/></Start>", ["<Start> in <Response>", "<Siprec> in <Start>"]),
        ("<Connect><ConversationRelay/></Connect>", ["<ConversationRelay> in <Connect>"]),
        (
            "<Connect><Stream url='wss://elsewhere.example/s'/></Connect>",
            ["url of <Stream> is not ours"],
        ),
        (
            "<Connect><Stream url='wss://phone.example/s' track='both_tracks'/></Connect>",
            ["track of <Stream>"],
        ),
        ("<Dial record='record-from-answer'/>", ["record=record-from-answer of <Dial>"]),
        ("<Dial recordingTrack='both'/>", ["recordingTrack of <Dial>"]),
        ("<Dial><Conference beep='true'>x</Conference></Dial>", ["beep=true of <Conference>"]),
        ("<Dial action='https://elsewhere.example/'/>", ["action of <Dial> is not ours"]),
        ("<Say", ["no TwiML"]),
    ],
)  # fmt: skip
def test_a_verb_or_attribute_outside_the_closed_list_is_found(
    onlooker: Onlooker, inner: str, expected: list[str]
) -> None:
    asked(onlooker, "POST", CALLS, data=within(inner))
    assert why(onlooker) == expected


@pytest.mark.parametrize(
    ("path", "known", "headers", "is_found"),
    [
        (f"{RECORDING}.wav", True, {}, False),
        (f"{RECORDING}.wav", False, {}, True),
        (f"{RECORDING}.mp3", False, {}, True),
        (f"{RECORDING}.wav", False, {"range": ONE_BYTE}, False),
        (f"{RECORDING}.wav", False, {"range": "bytes=0-1"}, True),
        (f"{RECORDING}.json", False, {"range": ONE_BYTE}, True),
    ],
)
def test_a_fetch_without_credentials_is_found(
    onlooker: Onlooker, path: str, known: bool, headers: dict[str, str], is_found: bool
) -> None:
    asked(onlooker, "GET", path, known=known, headers=headers)
    assert why(onlooker) == ["without credentials"] * is_found


@asynccontextmanager
async def answered(folder: Path, answer: str) -> AsyncIterator[Program]:
    """Somebody calls a number whose webhook is answered so."""

    async def post(_url: str, _fields: Form) -> str:
        return answer

    async def nobody(_url: str, _headers: object) -> Socket:
        raise OSError("nobody is there")

    caller = person(folder, OSLO, 'hangup="contact"')
    program = Program(OURS, {})
    exchange = program.emulator.exchange
    exchange.post, exchange.connect = post, nobody
    looked_on(program.emulator.app, exchange, "phone.example")
    call = exchange.call_in(OSLO, OURS, caller, f"{HERE}/v", f"{HERE}/s")
    await call.settled()
    yield program
    await program.emulator.close()


def webhook(onlooker: Onlooker, folder: Path, answer: str) -> None:
    async def scenario() -> None:
        async with answered(folder, answer):
            pass

    onlooker.forgives = True
    run_virtual(scenario())


def test_an_answer_to_a_webhook_that_captures_is_found(onlooker: Onlooker, tmp_path: Path) -> None:
    webhook(onlooker, tmp_path, "<Response><Record/></Response>")
    assert [f"answer to {HERE}/v: <Record> in <Response>"] == onlooker.faults()[:1]


def test_a_stream_to_elsewhere_is_found(onlooker: Onlooker, tmp_path: Path) -> None:
    url = "wss://elsewhere.example/s"
    webhook(onlooker, tmp_path, TALK.replace("wss://phone.example/s", url))
    assert f"stream to {url}" in onlooker.faults()


def app_that_answers(content: str, kind: str) -> TestClient:
    app = FastAPI()

    @app.get("/page")
    async def page() -> Response:
        return Response(content, media_type=kind)

    return TestClient(app)


@pytest.mark.parametrize(
    ("shown", "found"),
    [
        (f"<a href='https://api.twilio.com{RECORDING}.mp3'>", ["the address of a recording"]),
        (f"The token is {TOKEN}.", ["a secret"]),
        ("Nothing.", []),
    ],
)
def test_what_a_browser_or_the_log_must_not_have_is_found(
    onlooker: Onlooker, shown: str, found: list[str]
) -> None:
    asked(onlooker, "GET", f"{RECORDING}.json")
    app_that_answers(shown, "text/html").get("/page")
    logging.getLogger("askfirst.test").info("%s", shown)
    assert onlooker.faults() == [
        f"{at}: {why}" for at in ("answer of /page", "log") for why in found
    ]


def test_twiml_of_our_server_is_read_as_well(onlooker: Onlooker) -> None:
    onlooker.forgives = True
    app_that_answers("<Response><Record/></Response>", "application/xml").get("/page")
    assert onlooker.faults() == ["answer of /page: <Record> in <Response>"]
