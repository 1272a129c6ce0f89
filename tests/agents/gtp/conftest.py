"""Tests of the protocol talk to a session with a player that searches by random playouts."""

import pytest

from gtp_talk import Talk, searching


@pytest.fixture
def talk() -> Talk:
    return Talk(searching())
