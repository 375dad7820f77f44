"""One JDMA service for all tests of a file, a stage for each: what one file leaves there is not what another counts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.jdma_service import Service
from tests.sandboxes import start_sandbox


@pytest.fixture(scope="module")
def _service() -> Iterator[Service]:
    with start_sandbox("jdma") as running:
        yield Service(running)


@pytest.fixture
def service(_service: Service) -> Iterator[Service]:
    _service.server.reset()
    yield _service
    _service.server.reset()


@pytest.fixture
def stage(service: Service) -> Path:
    return service.new_stage()
