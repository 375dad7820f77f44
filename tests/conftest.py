"""Fixtures that all kinds of tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.sandboxes import RunningSandbox, start_sandbox

pytest_plugins = ["tests.fixtures"]


@pytest.fixture(scope="session")
def _demo() -> Iterator[RunningSandbox]:
    with start_sandbox(seed="demo") as running:
        yield running


@pytest.fixture
def demo_sandbox(_demo: RunningSandbox) -> Iterator[RunningSandbox]:
    """The demo museum, one server for the whole session: for tests that change nothing in it. Faults are undone."""
    _demo.reset()
    yield _demo
    _demo.reset()


@pytest.fixture
def sandbox() -> Iterator[RunningSandbox]:
    """A server of the test's own with one fresh, empty project."""
    with start_sandbox() as running:
        yield running
