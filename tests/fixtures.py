"""Fixtures of tests that mount: who mounts, where, and what.

Mounts that a test cannot spoil are shared by a whole session; what a test changes or breaks is its own.
"""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import pytest

from tests import wire
from tests.mounts import PROGRAM, WHOEVER, Mounted, User, mounted, watchdog
from tests.sandboxes import RunningSandbox, start_sandbox

NAME = "assetfs-tests"
PROJECT = Path(__file__).resolve().parents[1]
TOO_LONG = 240.0
"""Seconds that one test may hang in a mount: less than the limit of pytest, which cannot interrupt such a wait."""

Mount = Callable[..., AbstractContextManager[Mounted]]


@pytest.fixture(autouse=True)
def _watchdog(request: pytest.FixtureRequest) -> Iterator[None]:
    if request.node.get_closest_marker("mount") is None:
        yield
        return
    with watchdog(TOO_LONG):
        yield


@pytest.fixture(scope="session")
def open_folder() -> Iterator[Path]:
    """A folder that every user of this machine may enter: pytest's own are private."""
    with tempfile.TemporaryDirectory(prefix="assetfs-tests-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


@pytest.fixture(scope="session")
def ordinary_user(open_folder: Path) -> Iterator[User]:
    """A user without any rights, who can run this program: made by root, or whoever runs the tests."""
    if os.geteuid() != 0:
        yield WHOEVER
        return
    subprocess.run(["useradd", "--system", "--no-create-home", NAME], check=False, capture_output=True)
    record = pwd.getpwnam(NAME)
    os.chmod("/dev/fuse", 0o666)  # as udev sets it up; a bare container lacks that
    with ExitStack() as stack:
        yield User(record.pw_uid, record.pw_gid, *_program(record.pw_uid, stack))


def _program(uid: int, stack: ExitStack) -> tuple[list[str], dict[str, str]]:
    """How the user starts assetfs: as we do, or where our Python is in a private folder, through bind mounts of it."""
    if (
        subprocess.run(["test", "-x", sys.executable], user=uid, group=uid, extra_groups=[], check=False).returncode
        == 0
    ):
        return PROGRAM, {}
    bound: list[Path] = []
    # Read-only, and in a folder that is only ever removed with rmdir: whatever goes wrong, the originals are safe.
    binds = Path(tempfile.mkdtemp(prefix="assetfs-tests-binds-"))
    binds.chmod(0o755)
    stack.callback(binds.rmdir)
    for name, place in (
        ("python", Path(sys.base_prefix)),
        ("packages", Path(sysconfig.get_path("purelib"))),
        ("project", PROJECT),
    ):
        target = binds / name
        target.mkdir()
        stack.callback(target.rmdir)
        subprocess.run(["mount", "--bind", place, target], check=True)
        stack.callback(subprocess.run, ["umount", "-l", target], check=True)
        subprocess.run(["mount", "-o", "remount,bind,ro", target], check=True)
        bound.append(target)
    python = bound[0] / "bin" / f"python3.{sys.version_info.minor}"
    environ = {
        "PYTHONPATH": f"{bound[1]}:{bound[2]}",
        "LD_LIBRARY_PATH": str(bound[0] / "lib"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    return [str(python), "-m", "assetfs"], environ


# ---- the demo museum ----


@pytest.fixture(scope="session")
def drive(_demo: RunningSandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mounted]:
    """The demo museum, mounted by whoever runs the tests; for reading only."""
    with mounted(_demo.source, _demo.credential, tmp_path_factory.mktemp("drive")) as found:
        yield found


@pytest.fixture(scope="session")
def users_drive(_demo: RunningSandbox, open_folder: Path, ordinary_user: User) -> Iterator[Mounted]:
    """The same, mounted for reading only and used by an ordinary user."""
    home = open_folder / "drive"
    with mounted(_demo.source, _demo.credential, home, "--read-only", user=ordinary_user) as found:
        yield found


@pytest.fixture(scope="session")
def truth(_demo: RunningSandbox) -> dict[str, bytes]:
    """What the server has: content by resource id, straight from the wire."""
    placed = [found for project in wire.projects(_demo) for found in wire.resources(_demo, project)]
    return {str(number): wire.content(_demo, number) for number in {found["id"] for found in placed}}


@pytest.fixture(params=["root", "user"])
def museum(request: pytest.FixtureRequest, demo_sandbox: RunningSandbox) -> Mounted:
    """The demo museum twice: as root, and as an ordinary user."""
    found: Mounted = request.getfixturevalue("drive" if request.param == "root" else "users_drive")
    return found


# ---- mounts of a test's own ----


@pytest.fixture
def mount_demo(demo_sandbox: RunningSandbox, tmp_path: Path) -> Mount:
    """`with mount_demo("--option")`: a mount of the museum of the test's own, cold unless `home` was used before."""

    def make(*options: str, home: Path = tmp_path / "home", **more: object) -> AbstractContextManager[Mounted]:
        credential = str(more.pop("credential", demo_sandbox.credential))
        return mounted(demo_sandbox.source, credential, home, *options, **more)  # type: ignore[arg-type]

    return make


@pytest.fixture
def mount(sandbox: RunningSandbox, tmp_path: Path) -> Mount:
    """The same for the test's own server."""

    def make(*options: str, home: Path = tmp_path / "home", **more: object) -> AbstractContextManager[Mounted]:
        credential = str(more.pop("credential", sandbox.credential))
        return mounted(sandbox.source, credential, home, *options, **more)  # type: ignore[arg-type]

    return make


# ---- much of everything ----


@pytest.fixture(scope="session")
def _bench() -> Iterator[RunningSandbox]:
    with start_sandbox(seed="bench", options=("--bench-size", str(64 << 20))) as running:
        yield running


@pytest.fixture
def bench_sandbox(_bench: RunningSandbox) -> Iterator[RunningSandbox]:
    """10,000 small texts, 1,000 files of 10 KiB and one of 64 MiB; one server for the whole session."""
    _bench.reset()
    yield _bench
    _bench.reset()
