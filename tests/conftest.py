"""What all tests share: servers, a home without the user's own configuration, and the kernel's door for mounts."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sandboxes import RunningSandbox, start_sandbox

pytest_plugins = ["tests.fixtures", "tests.writing", "tests.tape"]


def pytest_configure() -> None:
    """Ctrl-C means something to the programs that are tested, also where a script runs all this in the background."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("mount") is None or os.access("/dev/fuse", os.R_OK | os.W_OK):
        return
    reason = "/dev/fuse is missing or closed to this user: tests that mount cannot run here"
    if os.environ.get("CI"):
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


@pytest.fixture(autouse=True)
def no_settings_of_the_user(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of its own for every test; nothing of ASSETFS_… but what tests of real servers need."""
    for name in list(os.environ):
        if name.startswith("ASSETFS_") and not name.startswith("ASSETFS_LIVE_"):
            monkeypatch.delenv(name)
    home = tmp_path_factory.mktemp("home")
    for variable, folder in (
        ("XDG_CONFIG_HOME", "config"),
        ("XDG_CACHE_HOME", "cache"),
        ("XDG_STATE_HOME", "state"),
        ("XDG_RUNTIME_DIR", "run"),
    ):
        place = home / folder
        place.mkdir(mode=0o700, exist_ok=True)
        monkeypatch.setenv(variable, str(place))
    return home


@pytest.fixture(autouse=True)
def no_faults_of_ours(request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """A fault in a background task ends nothing, and so has to be looked for."""
    yield
    if request.node.get_closest_marker("faults") is None:
        found = [record.getMessage() for record in caplog.get_records("call")]
        assert not [message for message in found if message.startswith("a fault of assetfs")]


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
