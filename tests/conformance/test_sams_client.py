"""The official SAMS client works with the sandbox as it does, or does not, with the real server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.clients import NotAvailable, checks, environment, run_check
from tests.sandboxes import RunningSandbox, start_sandbox

pytestmark = [pytest.mark.conformance, pytest.mark.timeout(400)]

SCRIPT, RELEASE = "sams_0_3_2.py", "sams-client==0.3.2"
UNDECLARED = ("pymongo", "typing_extensions")


@pytest.fixture(scope="module")
def python() -> Path:
    try:
        return environment(RELEASE, *UNDECLARED)
    except NotAvailable as error:
        pytest.skip(f"{RELEASE} cannot be installed: {error}")


@pytest.fixture(scope="module")
def server() -> Iterator[RunningSandbox]:
    with start_sandbox("sams", seed="empty") as running:
        yield running


@pytest.mark.parametrize("check", checks(SCRIPT))
def test_client(server: RunningSandbox, python: Path, check: str, tmp_path: Path) -> None:
    run_check(python, SCRIPT, check, server.info, tmp_path)
