"""A test call over Twilio step by step, in words: what was found, what was expected, what to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from babel.numbers import format_decimal

from askfirst.ports import EndCause
from askfirst.server.testcall import ANSWERED, CUT_SHORT, NO_LINE
from askfirst.server.twiliotest import STOPPED, UNHEARD, Report
from askfirst.web import words
from askfirst.web.twiliopaths import PROGRESS, STREAM
from askfirst.web.twiliowords import BAD, GOOD, PLAIN, Said
from askfirst.web.visit import Visit

EVEN_MS = 30.0
"""Jitter up to which a call is heard well: what most jitter buffers take."""

UNANSWERED: Mapping[str, str] = {
    EndCause.BUSY: words.mark(
        "It was busy there. Expected that somebody takes it: try again, or another telephone."
    ),
    EndCause.DECLINED: words.mark(
        "The call was turned down there. Expected that somebody takes it: some telephones turn "
        "away numbers that they do not know, and some networks calls whose number is not verified."
    ),
    EndCause.NO_ANSWER: words.mark(
        "Nobody took it for 25 seconds. Expected that somebody does: take it when it rings, and "
        "see that the number is right."
    ),
    EndCause.NOT_FOUND: words.mark(
        "Twilio found no telephone with this number. Expected one that is in use: look at what you "
        "typed, with + and the country."
    ),
    EndCause.UNREACHABLE: words.mark(
        "The telephone could not be reached. Expected that it is switched on and has a network: "
        "try it from another telephone."
    ),
    EndCause.UNSUPPORTED: words.mark(
        "What answered there cannot talk with Twilio. Expected an ordinary telephone: try another."
    ),
    EndCause.PROVIDER_ERROR: words.mark(
        "Twilio gave the call up. Expected that it rings: its console says why, under Monitor, "
        "Logs, Calls."
    ),
}
"""Why nobody answered, by cause."""

NOT_TOLD = words.mark(
    "Found nothing from Twilio since it took the call. Expected every step of it at %(address)s: "
    "see that public_url is the address at which the internet reaches this program, that its "
    "certificate is valid, and that a proxy in front lets everything below /api/v1/twilio/ "
    "through. Where Twilio’s page counts requests that were refused, the auth token is not the "
    "account’s, or the proxy changes addresses."
)
NO_STREAM = words.mark(
    "The call was answered, and no stream of its sound came. Expected one at %(address)s: see that "
    "a proxy in front lets WebSockets through to there. Where Twilio’s page counts streams that "
    "were refused, the auth token is not the account’s."
)
WRONG_TOKEN = words.mark(
    "A stream came without the token of this call, and was closed before any sound was read. "
    "Expected the token that Twilio got with the call: see that public_url leads to this "
    "installation and to no other, and that nothing on the way changes messages."
)
NO_ANSWER_OF_TWILIO = words.mark(
    "Twilio said nothing for 20 seconds. Expected its answer at once: see that this machine "
    "reaches api.twilio.com over https, and try again."
)
NO_FRAMES = words.mark(
    "The stream was open and brought no sound. Expected 50 frames a second: see that a proxy in "
    "front holds nothing back, and look at the call in Twilio’s console."
)
ALL_SILENT = words.mark(
    "Sound came, and all of it was silence. Say something into the telephone during the call."
)
NO_MARK = words.mark(
    "Twilio did not tell within 5 seconds that it had played our tone. Expected that at once: the "
    "way to Twilio is slow or stuck, so see whether this machine, its line or a proxy is "
    "overloaded."
)
UNEVEN = words.mark(
    "Expected 30 ms at most: voices break off beyond that. See whether this machine or its line is "
    "overloaded, and choose the region of Twilio that is nearest."
)
NOT_HUNG_UP = words.mark(
    "Twilio did not tell within 5 seconds that it had hung up. Its stream is closed, which ends "
    "the call as well; see in Twilio’s console, under Monitor, Logs, Calls, that it is over, for "
    "it costs as long as it goes on."
)


@dataclass(frozen=True, slots=True)
class Step:
    """One step: its name, a chip, and what is to be said of it beside, "" for nothing."""

    label: str
    said: Said
    text: str = ""


def verdict(visit: Visit, report: Report) -> tuple[str, str]:
    """What a test call comes to: the kind of a message, and one sentence."""
    told = {
        NO_LINE: ("error", visit.say("Twilio did not take the call.")),
        UNHEARD: ("error", visit.say("Twilio took the call, and nothing was heard of it here.")),
        STOPPED: ("info", visit.say("The call was stopped. This is how far it had come.")),
        CUT_SHORT: ("warning", visit.say("The call ended before everything was measured.")),
    }
    if report.outcome in told:
        return told[report.outcome]
    if report.outcome == ANSWERED:
        if any(each.said[0] == BAD[0] for each in steps(visit, report)):
            return "warning", visit.say("The call came about, and not every step went well.")
        return "good", visit.say("Every step went well: calls over Twilio work.")
    if report.picked_up_ms is not None:
        return "error", visit.say("The call was answered, and its sound did not come here.")
    return "warning", visit.say("The call was not answered.")


def steps(visit: Visit, report: Report) -> list[Step]:
    """Every step in the order of a call; those that it did not come to say so."""
    of = _Steps(visit, report)
    return [*of.before(), *of.ringing(), *of.sound(), *of.end()]


class _Steps:
    """The steps of one report, in the language of a visit."""

    def __init__(self, visit: Visit, report: Report) -> None:
        self._visit, self._report = visit, report
        self.say = visit.say
        self._origin = visit.site.settings.origin

    def before(self) -> list[Step]:
        """Until Twilio tells of the call."""
        report, say = self._report, self.say
        why = self._visit.told(report.refusal) if report.refusal else ""
        if report.is_known is None:
            known = self._plain(say("Credentials"), say("not known"))
        elif report.is_known:
            known = self._good(say("Credentials"), say("accepted"))
        else:
            known = self._bad(say("Credentials"), say("refused"), why)
        if report.taken_ms is not None:
            taken = self._good(say("Twilio takes the call"), self._after(report.taken_ms))
        elif report.outcome != NO_LINE:
            taken = self._missed(say("Twilio takes the call"))
        elif report.is_known is False:
            taken = self._bad(say("Twilio takes the call"), say("refused"))
        else:
            why = why or say(NO_ANSWER_OF_TWILIO)
            taken = self._bad(say("Twilio takes the call"), say("not taken"), why)
        return [known, taken, self._webhooks()]

    def _webhooks(self) -> Step:
        report, say = self._report, self.say
        label = say("Webhooks reach us")
        if report.told_ms is not None:
            return self._good(label, self._after(report.told_ms))
        if report.taken_ms is None:
            return self._missed(label)
        return self._bad(label, say("none came"), self._at(NOT_TOLD, PROGRESS))

    def ringing(self) -> list[Step]:
        """Until somebody takes it."""
        report, say = self._report, self.say
        rang, answered = say("It rings"), say("It is answered")
        picked_up_ms = _first(report.picked_up_ms, report.stream_ms)
        if picked_up_ms is not None:
            rings = self._missed(rang, say("not told"))
            if report.told_ms is not None and report.ringing_ms is not None:
                rings = self._good(rang, self._after(report.ringing_ms))
            return [rings, self._good(answered, self._after(picked_up_ms))]
        why = UNANSWERED.get(report.outcome)
        if report.ringing_ms is not None:
            last = self._missed(answered)
            if why is not None:
                last = self._bad(answered, say("unanswered"), say(why))
            return [self._good(rang, self._after(report.ringing_ms)), last]
        if why is not None:
            return [self._bad(rang, say("did not ring"), say(why)), self._missed(answered)]
        return [self._missed(rang), self._missed(answered)]

    def sound(self) -> list[Step]:
        """What the stream carried."""
        report, say = self._report, self.say
        labels = [say("Sound from there"), say("Our tone is heard"), say("Frames come evenly")]
        if report.stream_ms is None:
            return [self._no_stream(), *(self._missed(each) for each in labels)]
        stream = self._good(self._stream_label(), self._after(report.stream_ms))
        return [stream, self._heard(labels[0]), self._tone(labels[1]), self._even(labels[2])]

    def _stream_label(self) -> str:
        return self.say("Its sound comes as a stream, with the token of the call")

    def _no_stream(self) -> Step:
        report, say = self._report, self.say
        if report.refused:
            return self._bad(self._stream_label(), say("refused"), say(WRONG_TOKEN))
        if report.picked_up_ms is not None and report.outcome != STOPPED:
            return self._bad(self._stream_label(), say("none came"), self._at(NO_STREAM, STREAM))
        return self._missed(self._stream_label())

    def _heard(self, label: str) -> Step:
        heard, say = self._report.heard, self.say
        if heard is None or not self._report.frames:
            return self._bad(label, say("none came"), say(NO_FRAMES))
        said = say(
            "%(sounding)s s of %(listened)s s",
            sounding=self._decimal(heard.sounding_ms / 1000),
            listened=self._decimal(heard.listened_ms / 1000),
        )
        if heard.level_dbfs is None:
            return Step(label, (*PLAIN, said), say(ALL_SILENT))
        return self._good(label, f"{said}, {self._decimal(heard.level_dbfs)} dBFS")

    def _tone(self, label: str) -> Step:
        report, say = self._report, self.say
        if report.mark_ms is None and report.outcome == ANSWERED:
            return self._bad(label, say("not told"), say(NO_MARK))
        if report.mark_ms is None:
            return self._missed(label)
        text = ""
        if report.heard is not None and report.heard.round_trip_ms is not None:
            ms = str(report.heard.round_trip_ms)
            text = say("It also came back as an echo, after %(ms)s ms.", ms=ms)
        said = say("told back %(ms)s ms after its end", ms=str(report.mark_ms))
        return self._good(label, said, text)

    def _even(self, label: str) -> Step:
        report, say = self._report, self.say
        if report.jitter_ms is None:
            return self._missed(label)
        said = say(
            "%(frames)s frames, %(ms)s ms of jitter",
            frames=str(report.frames),
            ms=self._decimal(report.jitter_ms),
        )
        if report.jitter_ms > EVEN_MS:
            return self._bad(label, said, say(UNEVEN))
        return self._good(label, said)

    def end(self) -> list[Step]:
        """The end, and what it costs."""
        report, say = self._report, self.say
        hung_up, cost = say("Hanging up"), say("What it costs")
        if report.taken_ms is None:
            return [self._missed(hung_up), self._plain(cost, say("nothing"))]
        ends = self._bad(hung_up, say("not told"), say(NOT_HUNG_UP))
        if report.outcome not in (ANSWERED, STOPPED) and report.hang_up_ms is not None:
            ends = self._good(hung_up, say("it is over at Twilio"))
        elif report.hang_up_ms is not None:
            ends = self._good(hung_up, self._after(report.hang_up_ms))
        if report.talked_ms is None:
            return [ends, self._plain(cost, say("nothing, as a rule: it was not answered"))]
        seconds = self._decimal(report.talked_ms / 1000)
        return [
            ends,
            self._plain(
                cost,
                say("%(seconds)s s of a call and of a stream", seconds=seconds),
                say("Twilio charges both by the minute, and a minute that was begun is whole."),
            ),
        ]

    def _good(self, label: str, said: str, text: str = "") -> Step:
        return Step(label, (*GOOD, said), text)

    def _bad(self, label: str, said: str, text: str = "") -> Step:
        return Step(label, (*BAD, said), text)

    def _plain(self, label: str, said: str, text: str = "") -> Step:
        return Step(label, (*PLAIN, said), text)

    def _missed(self, label: str, said: str = "") -> Step:
        return self._plain(label, said or self.say("it did not come to that"))

    def _after(self, ms: int) -> str:
        if ms < 1000:
            return self.say("after %(ms)s ms", ms=str(ms))
        return self.say("after %(seconds)s s", seconds=self._decimal(ms / 1000))

    def _at(self, text: str, path: str) -> str:
        origin = self._origin
        if path == STREAM:
            origin = f"ws{origin.removeprefix('http')}"
        address = f"{origin}{path}"
        return self.say(text, address=address)

    def _decimal(self, value: float) -> str:
        return str(format_decimal(value, format="#,##0.0", locale=self._visit.language))


def _first(one: int | None, other: int | None) -> int | None:
    return other if one is None else one
