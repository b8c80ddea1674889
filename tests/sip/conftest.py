"""An installation and its agent, for calls with real telephones."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.server.deskrig import SETTINGS, agent
from tests.server.rig import AT

from askfirst.server.account import change
from askfirst.server.accounts import User
from askfirst.server.database import transaction
from askfirst.server.node import Node
from askfirst.speech.scripted import Scripted


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    """An installation of a company in Texas."""
    opened = Node.open(tmp_path / "data", Scripted())
    with transaction(opened.store.engine) as connection:
        change(connection, SETTINGS, None, AT)
    yield opened
    opened.close()


@pytest.fixture
def kari(node: Node) -> User:
    return agent(node, "kari")
