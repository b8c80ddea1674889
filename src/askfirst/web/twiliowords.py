"""What the page of Twilio says for codes: what a check found, and who answers a number."""

from __future__ import annotations

from collections.abc import Mapping

from askfirst.web import words

Said = tuple[str, str, str]
"""The kind of a chip, its icon, and its words."""

GOOD, BAD, PLAIN = ("may", "circle-check"), ("no", "triangle-alert"), ("plain", "circle-dashed")

_TROUBLE: Mapping[str, Said] = {
    "not-asked": (*PLAIN, words.mark("not asked")),
    "unreachable": (*BAD, words.mark("Twilio does not answer")),
    "refused": (*BAD, words.mark("these credentials may not ask that")),
    "wrong": (*BAD, words.mark("Twilio does not know these credentials")),
    "failed": (*BAD, words.mark("Twilio answered something unexpected")),
}
CARRIED: Mapping[str, Said] = {
    "yes": (*GOOD, words.mark("go over Twilio")),
    "no": (*PLAIN, words.mark("do not go over Twilio, see below")),
}
LOGIN: Mapping[str, Said] = {
    **_TROUBLE,
    "found": (*GOOD, words.mark("the credentials work")),
    "inactive": (*BAD, words.mark("the account is suspended or closed")),
}
NUMBERS: Mapping[str, Said] = {
    **_TROUBLE,
    "found": (*GOOD, words.mark("numbers were found")),
    "none": (*BAD, words.mark("the account has no number that can speak")),
}
WEBHOOK: Mapping[str, Said] = {
    "reached": (*GOOD, words.mark("reached from here")),
    "unset": (*BAD, words.mark("public_url is not set")),
    "not-https": (*BAD, words.mark("public_url is not https")),
    "unreachable": (*BAD, words.mark("nobody answers at public_url")),
    "another": (*BAD, words.mark("something else answers at public_url")),
}
MEDIA: Mapping[str, Said] = {
    **_TROUBLE,
    "closed": (*GOOD, words.mark("a login is wanted")),
    "open": (*BAD, words.mark("anybody with the link can listen")),
    "none": (*PLAIN, words.mark("no recording there to try it with")),
}
COUNTRIES: Mapping[str, Said] = {
    **_TROUBLE,
    "found": (*GOOD, words.mark("permissions were read")),
}
ANSWERED_BY: Mapping[str, Said] = {
    "ours": (*GOOD, words.mark("answered here")),
    "partly": (*BAD, words.mark("answered here, but not told how calls end")),
    "other": (*PLAIN, words.mark("answered elsewhere")),
    "nobody": (*PLAIN, words.mark("not answered")),
    "bound": (*BAD, words.mark("belongs to an application or trunk there")),
}
REGIONS: Mapping[str, str] = {
    "us1": words.mark("United States (us1), as Twilio has it by default"),
    "ie1": words.mark("Ireland (ie1)"),
    "au1": words.mark("Australia (au1)"),
}
TALLY: Mapping[str, str] = {
    "calls": words.mark("Calls that we were asked about"),
    "not taken": words.mark("Calls that nobody could take"),
    "taken": words.mark("Events of calls"),
    "repeated": words.mark("Repeated, and counted once"),
    "earlier": words.mark("Of calls that began with the credentials from before"),
    "void": words.mark("Too late to matter"),
    "replayed": words.mark("Old requests that came again, refused"),
    "refused": words.mark("Refused: the signature does not hold, or is missing"),
    "streams refused": words.mark("Streams of sound that were refused before any was read"),
    "fallback": words.mark("Times that Twilio got no answer and asked the other address"),
    "recordings": words.mark("Recordings that somebody else has made there"),
}
"""What is counted of requests, in the order in which it is shown."""

TROUBLE: Mapping[str, str] = {
    "wrong": words.mark("Twilio does not know these credentials. Type them in again."),
    "refused": words.mark(
        "Twilio refused this. Where the number belongs to an application or trunk there, take it "
        "off first."
    ),
    "unreachable": words.mark("Twilio does not answer. Try again in a moment."),
    "failed": words.mark("Twilio answered something unexpected, and nothing is known of it."),
}
FIELDS: Mapping[str, str] = {
    "account_sid": words.mark("Write the account SID: AC and 32 digits or letters a to f."),
    "auth_token": words.mark("Write the auth token as the console shows it."),
    "api_key": words.mark("Write the SID of the API key: SK and 32 digits or letters a to f."),
    "api_secret": words.mark("Write the secret that belongs to the API key."),
    "signing_key": words.mark("Write the name of the key, without spaces."),
    "signing_secret": words.mark("Write the secret that belongs to the key."),
    "sender": words.mark("Write the number with + and its country."),
    "region": words.mark("Choose one of the list."),
}
"""What is wrong with a field, in words."""


def said(texts: Mapping[str, Said], code: object, fallback: str = "failed") -> Said:
    """The words for a code; those of `fallback` for one that there is not."""
    return texts.get(str(code)) or texts.get(fallback) or (*PLAIN, "–")
