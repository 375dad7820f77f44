"""Servers that the tests of one module share: today's and an old one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.sandboxes import RunningSandbox, start_sandbox


@pytest.fixture(scope="module")
def current() -> Iterator[RunningSandbox]:
    with start_sandbox("jama") as running:
        yield running


@pytest.fixture
def server(current: RunningSandbox) -> Iterator[RunningSandbox]:
    current.reset()
    yield current
    current.reset()


@pytest.fixture(scope="module")
def legacy() -> Iterator[RunningSandbox]:
    with start_sandbox("jama", profile="legacy") as running:
        yield running


@pytest.fixture(scope="module")
def midas_server() -> Iterator[RunningSandbox]:
    with start_sandbox("midas") as running:
        yield running


@pytest.fixture
def midas(midas_server: RunningSandbox) -> Iterator[RunningSandbox]:
    midas_server.reset()
    yield midas_server
    midas_server.reset()
