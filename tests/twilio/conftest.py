"""An installation and its agent, for calls over the emulated Twilio."""

from __future__ import annotations

from tests.sip.conftest import kari as kari
from tests.sip.conftest import node as node
from tests.twilio.onlooker import onlooker as onlooker
