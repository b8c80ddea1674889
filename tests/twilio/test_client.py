"""The REST client against the emulated resources, failing paths first."""

from __future__ import annotations

import asyncio
import hashlib
import inspect
import io
import json
import logging
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route
from tests.twilio.serving import serving

from askfirst.audio.container import encode_wav
from askfirst.errors import (
    AskfirstError,
    InvalidInput,
    Misconfigured,
    NotFound,
    PeerError,
    Refused,
    Unavailable,
)
from askfirst.telephony import twilioclient, twiliovalues, twiliowire
from askfirst.telephony.twilioclient import TwilioClient
from askfirst.telephony.twilioerrors import BY_CODE, BY_STATUS, meaning
from askfirst.telephony.twilioguard import VERBS, ensure_records_nothing
from askfirst.telephony.twiliovalues import TwilioCredentials
from askfirst.telephony.twiliowire import Fetched
from askfirst.twilioemulator.kept import (
    ACCOUNT_SID,
    SECRET,
    Account,
    Fault,
    KeptCall,
    KeptNumber,
    KeptRecording,
)
from askfirst.twilioemulator.resources import Resources

T = TypeVar("T")
NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
SOUND = encode_wav(np.zeros((2, 1600), dtype=np.int16))
MONO = encode_wav(np.zeros((1, 1600), dtype=np.int16))
CALL = "CA" + "c" * 32
TWIML = '<Response><Connect><Stream url="wss://phone.example/s"/></Connect></Response>'


def sid(kind: str, number: int) -> str:
    return f"{kind}{number:032x}"


@pytest.fixture
def account() -> Account:
    made = Account()
    for number in range(5):
        kept = KeptRecording(sid("RE", number), CALL, NOW - timedelta(days=number))
        kept.wav = {1: MONO, 2: SOUND}
        made.recordings[kept.sid] = kept
    made.calls[CALL] = KeptCall(CALL, "+15550100001", "+15550100002", NOW)
    return made


@pytest.fixture
def base(account: Account) -> Iterator[str]:
    with serving(Resources(account).routes()) as found:
        yield found


def using(base: str, use: Callable[[TwilioClient], Awaitable[T]], secret: str = SECRET) -> T:
    async def main() -> T:
        async with TwilioClient(
            TwilioCredentials(ACCOUNT_SID, secret), base, pause=_at_once
        ) as client:
            return await use(client)

    return asyncio.run(main())


async def _at_once(_: float) -> None:
    return None


def test_wrong_credentials_are_misconfigured_and_shown_nowhere(
    base: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="httpx2")
    with pytest.raises(Misconfigured) as raised:
        using(base, lambda client: client.account(), "wrong-secret")
    told = f"{raised.value!r} {raised.value.__cause__!r} {caplog.text}"
    assert "wrong-secret" not in told
    assert ACCOUNT_SID not in told
    assert "Accounts" not in told


def test_nothing_that_can_be_shown_holds_a_credential_or_number(account: Account) -> None:
    credentials = TwilioCredentials(ACCOUNT_SID, SECRET, sid("SK", 7))
    client = TwilioClient(credentials)
    number = KeptNumber(sid("PN", 1), "+15550100009", "https://phone.example/v")
    read = twiliovalues.read_number(number.to_json())
    call = twiliovalues.read_call(account.calls[CALL].to_json())
    shown = f"{credentials!r} {client!r} {client} {read!r} {call!r}"
    for each in (ACCOUNT_SID, SECRET, sid("SK", 7), "5550100", "phone.example"):
        assert each not in shown
    assert read.number == "+15550100009"


def test_the_token_that_an_account_tells_is_dropped(base: str) -> None:
    found = using(base, lambda client: client.account())
    assert found.status == "active"
    assert SECRET not in repr(found)


def test_there_is_no_way_to_make_twilio_capture_anything(base: str, account: Account) -> None:
    names = [name for name, _ in inspect.getmembers(TwilioClient, callable) if name[0] != "_"]
    assert sorted(names) == [
        "account", "aclose", "call", "calls", "cancel", "configure_number", "delete_recording",
        "end", "geographic_permissions", "is_media_open", "media", "numbers", "place",
        "recording", "recordings", "redirect",
    ]  # fmt: skip
    taken = inspect.signature(TwilioClient.place).parameters
    assert list(taken) == [
        "self", "to", "sender", "twiml", "status_callback", "ring_s", "longest_s",
    ]  # fmt: skip
    assert not VERBS & {"Record", "Recording", "Start", "Siprec", "Transcription"}
    source = inspect.getsource(twilioclient) + inspect.getsource(twiliowire)
    for word in ("Record=", '"Record"', "MachineDetection", "Siprec", "Transcriptions", "Streams"):
        assert word not in source


@pytest.mark.parametrize(
    "twiml",
    [
        "<Response><Record/></Response>",
        '<Response><Start><Stream url="wss://x.example"/></Start></Response>',
        "<Response><Start><Siprec/></Start></Response>",
        "<Response><Start><Transcription/></Start></Response>",
        "<Response><Start><Recording/></Start></Response>",
        '<Response><Dial record="record-from-answer"><Number>+1</Number></Dial></Response>',
        "<Response><Dial record = 'true'/></Response>",
        '<Response><Conference recordingStatusCallback="https://x.example">a</Conference></Response>',
        '<Response><Dial><Number machineDetection="Enable">+1</Number></Dial></Response>',
        "<!DOCTYPE Response><Response/>",
        "<Response><!-- <Record/> --></Response>",
        "<Response><![CDATA[<Record/>]]></Response>",
        "<Response>< Record/></Response>",
        "<?xml version='1.0'?><?other?><Response/>",
    ],
)
def test_twiml_that_could_capture_is_sent_nowhere(twiml: str) -> None:
    async def main() -> None:
        async with TwilioClient(TwilioCredentials(ACCOUNT_SID, SECRET), "http://127.0.0.1:9") as c:
            with pytest.raises(Refused):
                await c.place("+15550100001", "+15550100002", twiml, "https://phone.example/s")
            with pytest.raises(Refused):
                await c.redirect(CALL, twiml)

    asyncio.run(main())


def test_twiml_that_carries_a_call_passes() -> None:
    for twiml in (
        TWIML,
        f'<?xml version="1.0" encoding="UTF-8"?>{TWIML}',
        '<Response><Dial record="do-not-record" answerOnBridge="true"/></Response>',
        "<Response><Say>Records of machines are kept.</Say><Hangup/></Response>",
    ):
        assert ensure_records_nothing(twiml) == twiml
    with pytest.raises(InvalidInput):
        ensure_records_nothing("<Response/>" + " " * 4000)


@given(st.text(max_size=60), st.sampled_from(["Record", "Start", "Siprec", "Transcription"]))
def test_no_text_around_it_hides_a_capturing_verb(around: str, verb: str) -> None:
    with pytest.raises(Refused):
        ensure_records_nothing(f"<Response>{around}<{verb}/>{around}</Response>")


def test_an_expired_page_says_to_begin_again(base: str, account: Account) -> None:
    def expire() -> None:
        account.page_generation += 1

    account.on_listed = expire
    with pytest.raises(Unavailable, match="expired"):
        using(base, _all_recordings)


def test_every_page_is_read_once_and_newest_first(base: str, account: Account) -> None:
    assert using(base, _all_recordings) == [sid("RE", number) for number in range(5)]
    assert all(each.is_known for each in account.seen)


def test_a_list_reaches_back_to_the_day_that_was_asked(base: str) -> None:
    async def since(client: TwilioClient) -> list[str]:
        day = NOW - timedelta(days=1)
        return [each.sid async for page in client.recordings(day) for each in page]

    assert using(base, since) == [sid("RE", 0), sid("RE", 1)]


@pytest.mark.parametrize(
    "after",
    [
        "https://elsewhere.example/2010-04-01/x",
        "//elsewhere.example/2010-04-01/Accounts/",
        "http://user@127.0.0.1/2010-04-01/",
        "/2010-04-01/Accounts/AC9/Recordings.json?Page=1",
        "/2010-04-01/Accounts/" + ACCOUNT_SID + "/../AC9/Recordings.json",
        17,
    ],
)
def test_a_page_elsewhere_gets_no_credentials(after: object) -> None:
    asked: list[str] = []

    async def page(request: Request) -> Response:
        asked.append(str(request.url))
        return JSONResponse({"recordings": [], "next_page_uri": after})

    with serving([Route("/{rest:path}", page)]) as base, pytest.raises(PeerError):
        using(base, _all_recordings)
    assert len(asked) == 1


def test_a_page_that_leads_to_itself_is_read_once() -> None:
    async def page(request: Request) -> Response:
        after = f"{request.url.path}?{request.url.query}"
        return JSONResponse({"recordings": [], "next_page_uri": after})

    with serving([Route("/{rest:path}", page)]) as base, pytest.raises(PeerError, match="back"):
        using(base, _all_recordings)


async def _all_recordings(client: TwilioClient) -> list[str]:
    return [each.sid async for page in client.recordings(page_size=2) for each in page]


@pytest.mark.parametrize("fault", [Fault.BUSY, Fault.BROKEN])
def test_reads_are_tried_again(base: str, account: Account, fault: Fault) -> None:
    account.faults = [(".json", fault)] * 3
    assert using(base, lambda client: client.account()).status == "active"
    account.faults = [(".json", fault)] * 4
    with pytest.raises(Unavailable):
        using(base, lambda client: client.account())


def test_a_pause_that_is_too_long_is_told_to_the_caller(base: str, account: Account) -> None:
    account.retry_after, account.faults = "3600", [(".json", Fault.BUSY)]
    with pytest.raises(Unavailable, match="later"):
        using(base, lambda client: client.account())
    assert len(account.seen) == 1


def test_the_pause_that_is_asked_for_is_kept(base: str, account: Account) -> None:
    account.retry_after, account.faults = "7", [(".json", Fault.BUSY)] * 2
    waited: list[float] = []

    async def pause(seconds: float) -> None:
        waited.append(seconds)

    async def main() -> None:
        made = TwilioClient(TwilioCredentials(ACCOUNT_SID, SECRET), base, pause=pause)
        async with made as client:
            await client.account()

    asyncio.run(main())
    assert waited == [7.0, 7.0]


def test_what_changes_something_is_not_repeated_after_a_fault() -> None:
    asked: list[str] = []

    async def broken(request: Request) -> Response:
        asked.append(request.method)
        return Response(status_code=500)

    with serving([Route("/{rest:path}", broken, methods=["GET", "POST", "DELETE"])]) as base:
        with pytest.raises(Unavailable):
            using(base, lambda client: client.end(CALL))
        with pytest.raises(Unavailable):
            using(base, lambda client: client.delete_recording(sid("RE", 0)))
    assert asked == ["POST", "DELETE"]


def test_a_silent_twilio_is_given_up(
    base: str, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(twiliowire, "WHOLE_MEDIA_S", 0.2)
    account.faults = [("wav", Fault.STALL)]
    with pytest.raises(Unavailable):
        using(base, lambda client: client.media(sid("RE", 0), io.BytesIO()))


@pytest.mark.parametrize(
    ("fault", "error"), [(Fault.CUT, Unavailable), (Fault.NONSENSE, PeerError)]
)
def test_sound_that_is_cut_or_is_none_is_an_error(
    base: str, account: Account, fault: Fault, error: type[AskfirstError]
) -> None:
    account.faults = [("wav", fault)]
    with pytest.raises(error):
        using(base, lambda client: client.media(sid("RE", 0), io.BytesIO()))


def test_a_page_of_a_proxy_is_no_account(base: str, account: Account) -> None:
    account.faults = [(".json", Fault.NONSENSE)]
    with pytest.raises(PeerError):
        using(base, lambda client: client.account())


def test_sound_without_a_stated_length_or_kind_is_refused() -> None:
    for body, kind in ((SOUND, "text/plain"), (b"no sound at all", "audio/wav")):

        async def odd(_: Request, body: bytes = body, kind: str = kind) -> Response:
            return Response(body, media_type=kind)

        with serving([Route("/{rest:path}", odd)]) as base, pytest.raises(PeerError):
            using(base, lambda client: client.media(sid("RE", 0), io.BytesIO()))


def test_sound_that_is_too_long_is_not_taken(base: str) -> None:
    into = io.BytesIO()
    with pytest.raises(PeerError, match="1000 bytes"):
        using(base, lambda client: client.media(sid("RE", 0), into, 2, 1000))


def test_a_full_disk_says_so(base: str) -> None:
    class Full:
        def write(self, _: bytes) -> None:
            raise OSError(28, "No space left on device")

    with pytest.raises(Unavailable, match="No space left"):
        using(base, lambda client: client.media(sid("RE", 0), Full()))


def test_an_answer_that_is_too_long_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(twiliowire, "MOST_BYTES", 100)

    async def long(_: Request) -> Response:
        return JSONResponse({"sid": "x" * 200})

    with serving([Route("/{rest:path}", long)]) as base, pytest.raises(PeerError, match="100"):
        using(base, lambda client: client.account())


def test_a_redirect_elsewhere_gets_no_credentials() -> None:
    asked: list[str | None] = []

    async def there(request: Request) -> Response:
        asked.append(request.headers.get("authorization"))
        return Response(SOUND, media_type="audio/wav")

    with serving([Route("/{rest:path}", there)]) as target:

        async def away(_: Request) -> Response:
            return RedirectResponse(f"{target}/x.wav")

        with serving([Route("/{rest:path}", away)]) as base:
            with pytest.raises(PeerError, match="another address"):
                using(base, lambda client: client.media(sid("RE", 0), io.BytesIO()))
            with pytest.raises(PeerError):
                using(base, lambda client: client.account())
    assert asked == []


def test_sound_arrives_whole_with_credentials_and_its_hash(base: str, account: Account) -> None:
    for channels, sound in ((1, MONO), (2, SOUND)):
        into = io.BytesIO()

        async def fetch(
            client: TwilioClient, into: io.BytesIO = into, n: int = channels
        ) -> Fetched:
            return await client.media(sid("RE", 0), into, n)

        fetched = using(base, fetch)
        assert into.getvalue() == sound
        assert fetched.sha256 == hashlib.sha256(sound).hexdigest()
        assert fetched.size_bytes == len(sound)
    assert all(each.is_known for each in account.seen)


def test_sound_of_a_recording_that_is_not_complete_is_not_there(
    base: str, account: Account
) -> None:
    account.recordings[sid("RE", 0)].status = "processing"
    with pytest.raises(NotFound):
        using(base, lambda client: client.media(sid("RE", 0), io.BytesIO()))


def test_whether_sound_is_open_to_everybody_is_told(base: str, account: Account) -> None:
    assert not using(base, lambda client: client.is_media_open(sid("RE", 0)))
    account.enforces_media_login = False
    assert using(base, lambda client: client.is_media_open(sid("RE", 0)))
    assert [each.is_known for each in account.seen] == [False, False]
    account.faults = [("wav", Fault.BROKEN)]
    with pytest.raises(Unavailable):
        using(base, lambda client: client.is_media_open(sid("RE", 0)))


def test_a_deleted_recording_is_gone_and_may_be_deleted_again(base: str, account: Account) -> None:
    async def delete(client: TwilioClient) -> list[str]:
        await client.delete_recording(sid("RE", 0))
        await client.delete_recording(sid("RE", 0))
        with pytest.raises(NotFound):
            await client.recording(sid("RE", 0))
        with pytest.raises(NotFound):
            await client.media(sid("RE", 0), io.BytesIO())
        pages = client.recordings(include_deleted=True)
        return [each.status async for page in pages for each in page]

    assert using(base, delete).count("deleted") == 1


def test_a_call_and_those_it_dialled_are_read(base: str, account: Account) -> None:
    below = sid("CA", 9)
    account.calls[below] = KeptCall(below, "+15550100001", "+15550100003", NOW, parent=CALL)

    async def read(client: TwilioClient) -> tuple[str, list[str]]:
        call = await client.call(CALL)
        assert call.started_at == NOW
        children = [each.sid async for page in client.calls(parent=CALL) for each in page]
        return call.to, children

    assert using(base, read) == ("+15550100002", [below])


def test_a_number_of_a_trunk_is_not_said_to_be_ours(base: str, account: Account) -> None:
    number = account.numbers[sid("PN", 1)] = KeptNumber(sid("PN", 1), "+15550100009")

    async def configure(client: TwilioClient) -> str:
        at = "https://phone.example"
        made = await client.configure_number(sid("PN", 1), f"{at}/v", f"{at}/s", f"{at}/f")
        return f"{made.voice_url} {made.status_callback} {made.fallback}"

    assert using(base, configure) == (
        "https://phone.example/v https://phone.example/s https://phone.example/f"
    )
    assert using(base, lambda client: client.numbers())[0].voice
    number.trunk_sid = sid("TK", 1)
    with pytest.raises(Refused, match="trunk"):
        using(base, configure)


def test_countries_are_told_as_open_or_risky(base: str, account: Account) -> None:
    account.countries = {"NO": (True, False), "LV": (True, True), "DE": (False, False)}
    found = using(base, lambda client: client.geographic_permissions())
    assert [(each.code, each.open, each.risky) for each in found] == [
        ("NO", True, False),
        ("LV", True, True),
        ("DE", False, False),
    ]


def test_calls_are_placed_changed_and_ended_without_a_recorder() -> None:
    asked: list[tuple[str, list[tuple[str, str]]]] = []
    refusing: list[int] = []

    async def post(request: Request) -> Response:
        form = [(key, str(value)) for key, value in (await request.form()).multi_items()]
        asked.append((request.url.path.rpartition("/")[2], form))
        if refusing:
            return JSONResponse({"code": refusing[0], "message": "+15550100001 no"}, 400)
        return JSONResponse({"sid": CALL, "status": "queued"}, 201)

    async def use(client: TwilioClient) -> None:
        at = "https://phone.example/s"
        assert await client.place("+15550100001", "+15550100002", TWIML, at) == CALL
        await client.redirect(CALL, TWIML)
        await client.cancel(CALL)
        refusing.append(21220)
        await client.end(CALL)
        with pytest.raises(Refused):
            await client.cancel(CALL)
        refusing[0] = 21215
        with pytest.raises(Refused, match="country") as raised:
            await client.place("+15550100001", "+15550100002", TWIML, at)
        assert "555" not in str(raised.value)

    with serving([Route("/{rest:path}", post, methods=["POST"])]) as base:
        using(base, use)
    keys = {key for _, form in asked for key, _ in form}
    assert keys == {
        "To", "From", "Twiml", "StatusCallback", "StatusCallbackMethod", "StatusCallbackEvent",
        "Timeout", "TimeLimit", "Status",
    }  # fmt: skip
    assert ("Status", "canceled") in asked[2][1]
    assert [value for key, value in asked[0][1] if key == "StatusCallbackEvent"] == [
        "initiated", "ringing", "answered", "completed",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "bad", ["RE12", "CA" + "0" * 32, "RE" + "0" * 31 + "/", "../" + "R" * 31, "RE" + "g" * 32]
)
def test_what_is_no_id_of_a_recording_is_never_asked_for(bad: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        using("http://127.0.0.1:9", lambda client: client.recording(bad))
    assert bad not in str(raised.value)


@pytest.mark.parametrize(
    "base",
    [
        "http://api.twilio.example",
        "ftp://127.0.0.1",
        "https://user:word@api.twilio.example",
        "https://api.twilio.example/other",
        "https://",
    ],
)
def test_only_https_or_this_machine_is_an_address_of_twilio(base: str) -> None:
    with pytest.raises(InvalidInput):
        TwilioClient(TwilioCredentials(ACCOUNT_SID, SECRET), base)


@pytest.mark.parametrize("number", ["4712345678", "+0123456789", "client:a", "+47 12 34 56 78", ""])
def test_a_number_that_is_none_is_not_called(number: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        using("http://127.0.0.1:9", lambda client: client.place(number, "+4712345678", TWIML, ""))
    assert not number or number not in str(raised.value)


@given(st.integers(100, 599), st.none() | st.integers(0, 99_999))
def test_every_refusal_is_an_error_of_ours_in_plain_words(status: int, code: int | None) -> None:
    error = meaning(status, code)
    assert isinstance(error, AskfirstError)
    assert "Twilio" in str(error) or "call" in str(error) or "number" in str(error)


def test_the_tables_say_what_to_do_and_never_quote() -> None:
    for kind, words in [*BY_CODE.values(), *BY_STATUS.values()]:
        assert issubclass(kind, AskfirstError)
        assert "{" not in words
        assert not any(letter.isdigit() for letter in words)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=10),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["sid", "date_created", "status", "channels", "duration", "from"]),
                inner,
                max_size=6,
            )
        ),
        max_leaves=12,
    )
)
def test_no_json_of_twilio_makes_a_reader_fail_otherwise(told: object) -> None:
    if not isinstance(told, dict):
        return
    json.dumps(told)
    for read in (
        twiliovalues.read_account,
        twiliovalues.read_call,
        twiliovalues.read_country,
        twiliovalues.read_number,
        twiliovalues.read_recording,
    ):
        try:
            read(told)
        except PeerError:
            continue
