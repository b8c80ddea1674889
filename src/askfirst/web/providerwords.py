"""What the page of the providers says for codes: states, transports, outcomes of test calls."""

from __future__ import annotations

from collections.abc import Mapping

from askfirst.ports import EndCause
from askfirst.server.testcall import ANSWERED, CUT_SHORT, NO_LINE
from askfirst.server.trunkcautions import Caution
from askfirst.web import callwords, words

STATES: Mapping[str, tuple[str, str, str]] = {
    "open": ("may", "circle-check", words.mark("Ready (without registration)")),
    "registered": ("may", "circle-check", words.mark("Registered")),
    "refused": ("no", "ban", words.mark("The exchange refuses the registration")),
    "down": ("no", "triangle-alert", words.mark("The process that speaks SIP is not running")),
}
"""A trunk's states: the kind of chip, its icon, and the words."""

TRANSPORTS: Mapping[str, str] = {
    "udp": words.mark("UDP, not encrypted"),
    "tcp": words.mark("TCP, not encrypted"),
    "tls": words.mark("TLS, encrypted"),
}
SECURITIES: Mapping[str, str] = {
    "none": words.mark("not encrypted"),
    "srtp": words.mark("SRTP, keys by SDES"),
    "dtls": words.mark("SRTP, keys by DTLS"),
}
CODECS: Mapping[str, str] = {
    "pcma": "PCMA (G.711)",
    "pcmu": "PCMU (G.711)",
    "g722": "G.722",
    "opus": "Opus",
}
CAUTIONS: Mapping[str, str] = {
    Caution.PLAIN_SIGNALLING: words.mark(
        "Signalling is not encrypted on its way to an address outside: who is called and when can "
        "be read there. Set transport to tls, or put a session border controller in front."
    ),
    Caution.PLAIN_SOUND: words.mark(
        "Sound is not encrypted on its way to an address outside: whoever carries it can listen, "
        "and whoever reaches our port can put in sound and keys. Set security to srtp or dtls, or "
        "put a session border controller in front."
    ),
    Caution.OLD_TLS: words.mark(
        "The SIP library carries an OpenSSL that its makers maintain no more. Let a session border "
        "controller, kamailio or rtpengine in front speak TLS and SRTP with the internet."
    ),
}
OUTCOMES: Mapping[str, str] = {
    ANSWERED: words.mark("Answered, and heard to the end"),
    CUT_SHORT: words.mark("Answered, and ended before everything was measured"),
    NO_LINE: words.mark("Nothing could be dialled: no line was there"),
    **callwords.ENDS,
    EndCause.REMOTE_HANGUP: words.mark("The other side hung up"),
}
