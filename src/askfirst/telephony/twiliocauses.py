"""Why a call over Twilio ended, in the words that all providers share: one table.

What Twilio's refusals of requests mean stands with its client.
"""

from __future__ import annotations

from collections.abc import Mapping

from askfirst.ports import EndCause

RINGING, ANSWERED = "ringing", "in-progress"
FINAL = frozenset({"completed", "busy", "no-answer", "failed", "canceled"})
"""Words of `CallStatus` after which nothing comes (Twilio, Call resource)."""

_BY_STATUS: Mapping[str, EndCause] = {
    "busy": EndCause.BUSY,
    "no-answer": EndCause.NO_ANSWER,
    "canceled": EndCause.NO_ANSWER,
    "failed": EndCause.PROVIDER_ERROR,
    # Twilio took the call, and its sound never came to us.
    "completed": EndCause.PROVIDER_ERROR,
}

_BY_SIP: Mapping[str, EndCause] = {
    "403": EndCause.DECLINED,
    "404": EndCause.NOT_FOUND,
    "408": EndCause.UNREACHABLE,
    "410": EndCause.NOT_FOUND,
    "480": EndCause.NO_ANSWER,
    "484": EndCause.NOT_FOUND,
    "486": EndCause.BUSY,
    "487": EndCause.NO_ANSWER,
    "488": EndCause.UNSUPPORTED,
    "502": EndCause.UNREACHABLE,
    "503": EndCause.UNREACHABLE,
    "504": EndCause.UNREACHABLE,
    "600": EndCause.BUSY,
    "603": EndCause.DECLINED,
    "604": EndCause.NOT_FOUND,
    "607": EndCause.DECLINED,
    "608": EndCause.DECLINED,
}
"""`SipResponseCode` of a call's progress (RFC 3261, 21; RFC 8197, 8688)."""

_BY_ERROR: Mapping[str, EndCause] = {
    "13223": EndCause.NOT_FOUND,
    "13224": EndCause.NOT_FOUND,
    "13225": EndCause.DECLINED,
    "13227": EndCause.UNREACHABLE,
    "31920": EndCause.PROVIDER_ERROR,
    "31921": EndCause.MEDIA_TIMEOUT,
    "32203": EndCause.DECLINED,
}
"""`ErrorCode`: numbers that are none, are barred or lie in a country that is switched off, and a
stream that could not be opened or broke."""


def end_cause(fields: Mapping[str, str], *, answered: bool) -> EndCause | None:
    """Why a call is over, from the fields of its progress; None while it is not.

    `answered` says that we have had its sound; then its end is the other side's.
    """
    status = fields.get("CallStatus", "")
    if status not in FINAL:
        return None
    if answered:
        return EndCause.REMOTE_HANGUP
    by_error = _BY_ERROR.get(fields.get("ErrorCode", ""))
    if by_error is not None:
        return by_error
    if status == "completed":
        return _BY_STATUS[status]
    return _BY_SIP.get(fields.get("SipResponseCode", ""), _BY_STATUS[status])
