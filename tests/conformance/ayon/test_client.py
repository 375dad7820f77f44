"""The official AYON client works with the sandbox as it does with the real server."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conformance.clients import NotAvailable, checks, environment, run_check
from tests.sandboxes import RunningSandbox

pytestmark = [pytest.mark.conformance, pytest.mark.timeout(400)]

SCRIPTS, RELEASE = ("ayon_1_2_25.py", "ayon_1_2_25_reads.py"), "ayon-python-api==1.2.25"
CHECKS = [(script, check) for script in SCRIPTS for check in checks(script)]


@pytest.fixture(scope="module")
def python() -> Path:
    try:
        return environment(RELEASE)
    except NotAvailable as error:
        pytest.skip(f"{RELEASE} cannot be installed: {error}")


@pytest.mark.parametrize(("script", "check"), CHECKS, ids=[check for _, check in CHECKS])
def test_client(server: RunningSandbox, python: Path, script: str, check: str, tmp_path: Path) -> None:
    run_check(python, script, check, server.info, tmp_path)
