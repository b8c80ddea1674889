"""Stores and nodes in temporary folders, opened and closed as a program does it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.server import rig
from tests.server.deskrig import SETTINGS, agent
from tests.server.rig import AT

from askfirst.server.account import change
from askfirst.server.accounts import User
from askfirst.server.database import transaction
from askfirst.server.node import Node
from askfirst.server.store import Store
from askfirst.speech.scripted import Scripted


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An installation without its jobs."""
    opened = Store.open(tmp_path / "data")
    yield opened
    opened.close()


@pytest.fixture
def writing(store: Store) -> Iterator[sa.Connection]:
    """A transaction of an installation, written when the test is over."""
    with transaction(store.engine) as connection:
        yield connection


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    """An installation with its jobs and a recogniser that hears nothing."""
    opened = Node.open(tmp_path / "data", Scripted())
    yield opened
    opened.close()


@pytest.fixture
def recorded(node: Node, tmp_path: Path) -> rig.Recorded:
    """A keyed call that was recorded and finished, in a node."""
    return rig.record(node, tmp_path / "callee")


@pytest.fixture
def kari(node: Node) -> User:
    """An agent in Texas who has read the notice of the account."""
    with transaction(node.store.engine) as connection:
        change(connection, SETTINGS, None, AT)
    return agent(node, "kari")


@pytest.fixture
def ola(node: Node) -> User:
    """Another agent of that account."""
    return agent(node, "ola")
