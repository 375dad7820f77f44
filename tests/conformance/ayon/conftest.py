"""One AYON server for each file of these tests, and two who use it: a service account and an artist."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.sandboxes import RunningSandbox, start_sandbox
from tests.studio import Studio


@pytest.fixture(scope="module")
def served() -> Iterator[RunningSandbox]:
    with start_sandbox("ayon", seed="empty") as running:
        yield running


@pytest.fixture
def server(served: RunningSandbox) -> Iterator[RunningSandbox]:
    """The server, without faults and with all switches as at the start."""
    served.reset()
    yield served
    served.reset()


@pytest.fixture
def studio(server: RunningSandbox) -> Studio:
    return Studio(server)


@pytest.fixture
def artist(server: RunningSandbox) -> Studio:
    return Studio(server, server.info["artist"]["credential"])
