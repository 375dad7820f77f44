"""The official Jama clients work with the sandbox as they do, or do not, with the real servers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.clients import NotAvailable, checks, environment, run_check
from tests.sandboxes import RunningSandbox, start_sandbox

pytestmark = [pytest.mark.conformance, pytest.mark.timeout(400)]

TODAY, CLASSIC = "jama_0_0_38.py", "jama_0_0_14.py"
RELEASES = {TODAY: "jama-client-CERTIC==0.0.38", CLASSIC: "jama-client-CERTIC==0.0.14"}


def _python(script: str) -> Path:
    try:
        return environment(RELEASES[script])
    except NotAvailable as error:
        pytest.skip(f"{RELEASES[script]} cannot be installed: {error}")


@pytest.fixture(scope="module", params=["current", "legacy"])
def server(request: pytest.FixtureRequest) -> Iterator[RunningSandbox]:
    with start_sandbox("jama", profile=request.param) as running:
        yield running


@pytest.fixture(scope="module")
def classic_server() -> Iterator[RunningSandbox]:
    with start_sandbox("jama", profile="classic") as running:
        yield running


@pytest.mark.parametrize("check", checks(TODAY))
def test_client_of_today(server: RunningSandbox, check: str, tmp_path: Path) -> None:
    run_check(_python(TODAY), TODAY, check, server.info, tmp_path)


@pytest.mark.parametrize("check", checks(CLASSIC))
def test_classic_client(classic_server: RunningSandbox, check: str, tmp_path: Path) -> None:
    run_check(_python(CLASSIC), CLASSIC, check, classic_server.info, tmp_path)


def test_an_empty_file_makes_no_request_but_the_first(classic_server: RunningSandbox, tmp_path: Path) -> None:
    classic_server.forget()
    run_check(_python(CLASSIC), CLASSIC, "an_empty_file_makes_no_request", classic_server.info, tmp_path)
    assert classic_server.requests()["kinds"] == {"POST rpc": 1}
