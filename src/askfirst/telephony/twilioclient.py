"""Twilio over HTTP: calls are placed and ended, kept recordings listed, fetched and deleted.

There is no way here to make Twilio record, transcribe, fork or stream anything. Requests:
Twilio's public description api_v2010; see `twilioerrors` for what refusals become.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from datetime import datetime
from types import TracebackType
from typing import Any

import httpx2

from askfirst.errors import InvalidInput, NotFound, Refused, Unavailable
from askfirst.telephony.twilioerrors import NOT_IN_STATE
from askfirst.telephony.twilioguard import ensure_records_nothing
from askfirst.telephony.twiliovalues import (
    TwilioAccount,
    TwilioCall,
    TwilioCountry,
    TwilioCredentials,
    TwilioNumber,
    TwilioRecording,
    checked_sid,
    read_account,
    read_call,
    read_country,
    read_number,
    read_recording,
)
from askfirst.telephony.twiliowire import (
    MOST_MEDIA_BYTES,
    Fetched,
    Form,
    Sink,
    Wire,
    beside,
    checked_base,
    fresh,
    list_of,
)

BASE_URL = "https://api.twilio.com"
VOICE_URL = "https://voice.twilio.com"
"""Where Twilio keeps the geographic permissions; every other base has them beside the rest."""

EVENTS = ("initiated", "ringing", "answered", "completed")
"""Of a call's progress, all of them."""

_E164 = re.compile(r"\+[1-9][0-9]{6,14}")


class TwilioClient:
    """One account at Twilio; use it as an asynchronous context, which owns the connections.

    Reads are tried again with pauses; what changes something only where Twilio said, with a time,
    that it did nothing (429, 503). No message, `repr` or log line holds a credential or a number.
    Raises as `twilioerrors` says, Unavailable where nobody answers, PeerError for nonsense.
    """

    def __init__(
        self,
        credentials: TwilioCredentials,
        base_url: str = BASE_URL,
        voice_url: str | None = None,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._base = checked_base(base_url)
        usual = VOICE_URL if self._base == BASE_URL else self._base
        self._voice = usual if voice_url is None else checked_base(voice_url)
        self._account = f"/2010-04-01/Accounts/{credentials.account_sid}"
        self._wire = Wire(credentials, pause)

    def __repr__(self) -> str:
        return "TwilioClient(…)"

    async def __aenter__(self) -> TwilioClient:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Give the connections back."""
        await self._wire.aclose()

    async def place(
        self,
        to: str,
        sender: str,
        twiml: str,
        status_callback: str,
        *,
        ring_s: int = 60,
        longest_s: int = 4 * 3600,
    ) -> str:
        """Call a number from another (both E.164); the id of the call, which is not answered yet.

        Its progress is posted to `status_callback`. Never recorded, no machine detected.
        Raises Refused for TwiML that could capture.
        """
        form = [
            ("To", _checked_number(to)),
            ("From", _checked_number(sender)),
            ("Twiml", ensure_records_nothing(twiml)),
            ("StatusCallback", status_callback),
            ("StatusCallbackMethod", "POST"),
            *(("StatusCallbackEvent", each) for each in EVENTS),
            ("Timeout", str(ring_s)),
            ("TimeLimit", str(longest_s)),
        ]
        return read_call(await self._post("Calls", form)).sid

    async def redirect(self, sid: str, twiml: str) -> None:
        """Have a call in progress go on with other TwiML. Raises Refused as `place`."""
        await self._change(sid, [("Twiml", ensure_records_nothing(twiml))])

    async def end(self, sid: str) -> None:
        """Hang a call up, in whatever state; one that has ended already is no error."""
        await self._change(sid, [("Status", "completed")], fine=(NOT_IN_STATE,))

    async def cancel(self, sid: str) -> None:
        """Take back a call that is not answered yet. Raises Refused where it was."""
        await self._change(sid, [("Status", "canceled")])

    async def account(self) -> TwilioAccount:
        """The account itself; shows that the credentials hold."""
        return read_account(await self._get(f"{self._base}{self._account}.json"))

    async def numbers(self) -> tuple[TwilioNumber, ...]:
        """Every number that the account owns."""
        pages = self._pages("IncomingPhoneNumbers", {"PageSize": "100"}, "incoming_phone_numbers")
        return tuple([read_number(each) async for page in pages for each in page])

    async def configure_number(
        self, sid: str, voice_url: str, status_callback: str, fallback: str
    ) -> TwilioNumber:
        """Have calls to a number asked about at our addresses, by POST; the number as it is then.

        Raises Refused where an application or trunk answers it, so that our addresses count not.
        """
        path = f"IncomingPhoneNumbers/{checked_sid(sid, 'PN')}"
        form = [
            ("VoiceUrl", voice_url),
            ("VoiceMethod", "POST"),
            ("VoiceFallbackUrl", fallback),
            ("VoiceFallbackMethod", "POST"),
            ("StatusCallback", status_callback),
            ("StatusCallbackMethod", "POST"),
        ]
        number = read_number(await self._post(path, form))
        if number.bound:
            raise Refused(
                "the number belongs to an application or trunk at Twilio, so that our addresses "
                "do not count; take it off there and try again"
            )
        return number

    async def recordings(
        self,
        since: datetime | None = None,
        page_size: int = 100,
        *,
        call: str | None = None,
        include_deleted: bool = False,
    ) -> AsyncIterator[tuple[TwilioRecording, ...]]:
        """Pages of what Twilio keeps, newest first, made on or after the day (UTC) of `since`.

        Raises Unavailable where a page has expired in between: begin again.
        """
        query = {"PageSize": str(page_size)}
        if since is not None:
            query["DateCreated>"] = since.strftime("%Y-%m-%d")
        if call is not None:
            query["CallSid"] = checked_sid(call, "CA")
        if include_deleted:
            query["IncludeSoftDeleted"] = "true"
        async for page in self._pages("Recordings", query, "recordings"):
            yield tuple(read_recording(each) for each in page)

    async def recording(self, recording_sid: str) -> TwilioRecording:
        """One recording. Raises NotFound."""
        return read_recording(await self._get(self._of(f"{_recording(recording_sid)}.json")))

    async def call(self, sid: str) -> TwilioCall:
        """One call. Raises NotFound."""
        return read_call(await self._get(self._of(f"Calls/{checked_sid(sid, 'CA')}.json")))

    async def calls(
        self, since: datetime | None = None, *, parent: str | None = None, page_size: int = 100
    ) -> AsyncIterator[tuple[TwilioCall, ...]]:
        """Pages of calls begun on or after the day (UTC) of `since`, or dialled by a parent."""
        query = {"PageSize": str(page_size)}
        if since is not None:
            query["StartTime>"] = since.strftime("%Y-%m-%d")
        if parent is not None:
            query["ParentCallSid"] = checked_sid(parent, "CA")
        async for page in self._pages("Calls", query, "calls"):
            yield tuple(read_call(each) for each in page)

    async def geographic_permissions(self) -> tuple[TwilioCountry, ...]:
        """Which countries the account may call (Voice API v1, DialingPermissions)."""
        found: list[TwilioCountry] = []
        address: str | None = f"{self._voice}/v1/DialingPermissions/Countries?PageSize=200"
        seen: set[str] = set()
        while address is not None:
            told = await self._get(fresh(address, seen))
            found += [read_country(each) for each in list_of(told, "content")]
            meta = told.get("meta")
            after = meta.get("next_page_url") if isinstance(meta, Mapping) else None
            address = None if after is None else beside(self._voice, after, "/v1/")
        return tuple(found)

    async def media(
        self,
        recording_sid: str,
        into: Sink,
        channels: int = 2,
        most_bytes: int = MOST_MEDIA_BYTES,
    ) -> Fetched:
        """Write the sound of a recording, as WAV with one or two channels, into a file.

        Where it breaks off, part of it is written: throw that away. Raises NotFound before the
        recording is complete, Unavailable where the connection or the disk fails, PeerError for
        what is no sound, is longer than `most_bytes` or of no stated length.
        """
        if channels not in (1, 2):
            raise InvalidInput(f"{channels} channels were asked for; Twilio gives 1 or 2")
        address = self._of(f"{_recording(recording_sid)}.wav?RequestedChannels={channels}")
        return await self._wire.sound(address, into, most_bytes)

    async def delete_recording(self, recording_sid: str) -> None:
        """Delete a recording's sound at Twilio; what is told of it stays there for 40 days.

        One that is gone already is no error.
        """
        address = self._of(f"{_recording(recording_sid)}.json")
        try:
            await self._wire.asked("DELETE", address, wanted=(204,))
        except NotFound:
            return

    async def is_media_open(self, recording_sid: str) -> bool:
        """Whether anybody gets a recording's sound without credentials.

        Raises where that cannot be said, which is no leave to think that it is closed.
        """
        address = self._of(f"{_recording(recording_sid)}.wav")
        return await self._wire.is_open(address)

    async def _change(self, sid: str, form: Form, fine: Collection[int] = ()) -> None:
        await self._post(f"Calls/{checked_sid(sid, 'CA')}", form, fine)

    async def _pages(
        self, name: str, query: Mapping[str, str], key: str
    ) -> AsyncIterator[list[Mapping[str, Any]]]:
        address: str | None = str(httpx2.URL(self._of(f"{name}.json"), params=query))
        seen: set[str] = set()
        while address is not None:
            try:
                told = await self._get(fresh(address, seen))
            except (InvalidInput, NotFound):
                if len(seen) == 1:
                    raise
                raise Unavailable(
                    "a page of Twilio's list has expired; begin the list again"
                ) from None
            yield list_of(told, key)
            after = told.get("next_page_uri")
            address = None if after is None else beside(self._base, after, self._account)

    def _of(self, path: str) -> str:
        return f"{self._base}{self._account}/{path}"

    async def _get(self, address: str) -> Mapping[str, Any]:
        return await self._wire.asked("GET", address)

    async def _post(self, path: str, form: Form, fine: Collection[int] = ()) -> Mapping[str, Any]:
        return await self._wire.asked("POST", self._of(f"{path}.json"), form, (200, 201), fine)


def _checked_number(number: str) -> str:
    if not _E164.fullmatch(number):
        raise InvalidInput("a number was given that is not + and 7 to 15 digits (E.164)")
    return number


def _recording(sid: str) -> str:
    return f"Recordings/{checked_sid(sid, 'RE')}"
