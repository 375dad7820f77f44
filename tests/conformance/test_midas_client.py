"""The official Midas client works with the sandbox as it does with the real server."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conformance.clients import NotAvailable, checks, environment, run_check
from tests.sandboxes import RunningSandbox

pytestmark = [pytest.mark.conformance, pytest.mark.timeout(400)]

RELEASE, SCRIPT = "pydas==0.3.6", "pydas_0_3_6.py"


@pytest.fixture(scope="module")
def python() -> Path:
    try:
        return environment(RELEASE)
    except NotAvailable as error:
        pytest.skip(f"{RELEASE} cannot be installed: {error}")


@pytest.mark.parametrize("check", checks(SCRIPT))
def test_pydas(midas: RunningSandbox, python: Path, check: str, tmp_path: Path) -> None:
    run_check(python, SCRIPT, check, midas.info, tmp_path)


def test_pydas_sends_the_bytes_of_a_tree_once(midas: RunningSandbox, python: Path, tmp_path: Path) -> None:
    run_check(python, SCRIPT, "uploading_again_sends_no_bytes", midas.info, tmp_path)
    midas.forget()
    run_check(python, SCRIPT, "uploading_again_sends_no_bytes", midas.info, tmp_path)
    assert midas.requests()["calls"]["upload.generatetoken"] > 0
    assert midas.requests()["calls"].get("upload.perform", 0) == 0
