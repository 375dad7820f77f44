"""`assetfs fetch`: from tape, from a server, and what cannot be brought."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.jdma_service import Service
from tests.mounts import Mounted, assetfs, mounted
from tests.sandboxes import RunningSandbox, start_sandbox

pytestmark = pytest.mark.mount
QUICK = ("--poll-min", "0.1", "--poll-max", "0.5", "--recall-window", "0.2")


@pytest.fixture(scope="module")
def _service() -> Iterator[Service]:
    with start_sandbox("jdma") as running:
        yield Service(running)


@pytest.fixture
def service(_service: Service) -> Iterator[Service]:
    _service.server.reset()
    yield _service
    _service.server.reset()


Tape = Callable[..., AbstractContextManager[Mounted]]


@pytest.fixture
def tape(service: Service, tmp_path: Path) -> Tape:
    """`with tape("--recall", "wait")`: a mount of the service with a stage of its own."""
    stage = service.new_stage()

    def make(*options: str) -> AbstractContextManager[Mounted]:
        source = service.server.source
        return mounted(source, service.server.credential, tmp_path / "home", "--stage", str(stage), *QUICK, *options)

    return make


def test_a_tree_comes_back_from_tape_with_one_request(service: Service, tape: Tape) -> None:
    data = {f"d{n % 7}/{n}.bin": os.urandom(100 + n) for n in range(150)}
    service.upload(data, "fetched")
    with tape() as found:
        batch = found.path / service.workspace / "fetched"
        service.server.forget()
        done = assetfs("fetch", batch, home=found.home)
        assert (done.returncode, done.stdout) == (0, f"150 files, {sum(map(len, data.values()))} bytes here\n"), done
        assert service.posts("GET") == 1
        assert os.getxattr(batch / "d3" / "3.bin", "user.assetfs.state") == b"clean"
        assert os.getxattr(batch, "user.jdma.recall") == b"none"
        assert (batch / "d3" / "3.bin").read_bytes() == data["d3/3.bin"]
        again = assetfs("fetch", batch, batch / "d3" / "3.bin", home=found.home)
        assert again.returncode == 0
        assert service.posts("GET") == 1


def test_what_does_not_come_is_named_and_the_rest_comes(service: Service, tape: Tape) -> None:
    service.upload({"good.txt": b"good\n", "bad.txt": b"bad\n"}, "half")
    service.server.switch(spoiled="corrupt", spoiled_paths="bad")
    with tape() as found:
        batch = found.path / service.workspace / "half"
        done = assetfs("fetch", batch, home=found.home)
        assert done.returncode == 1
        assert f"{batch}/bad.txt: " in done.stderr
        assert "1 of 2 files could not be brought" in done.stderr
        assert (batch / "good.txt").read_bytes() == b"good\n"


def test_it_can_be_given_up_and_goes_on_later(service: Service, tape: Tape) -> None:
    service.upload({"a.txt": b"a\n"}, "slow")
    service.server.switch(passes=0)
    with tape() as found:
        batch = found.path / service.workspace / "slow"
        done = assetfs("fetch", "--timeout", "1s", batch, home=found.home)
        assert done.returncode == 1
        assert "still on their way" in done.stderr
        service.server.switch(passes=-1)
        assert assetfs("fetch", batch, home=found.home).returncode == 0
    assert service.posts("GET") == 1


def test_what_is_no_mount_is_refused(tmp_path: Path) -> None:
    done = assetfs("fetch", tmp_path, home=tmp_path / "home")
    assert done.returncode == 2
    assert "in no mount of assetfs" in done.stderr


def test_files_of_a_server_are_in_the_cache_afterwards(demo_sandbox: RunningSandbox, tmp_path: Path) -> None:
    with mounted(demo_sandbox.source, demo_sandbox.credential, tmp_path / "home") as found:
        folder = next(path.parent for path in sorted(found.path.rglob("*.jpg")))
        done = assetfs("fetch", folder, home=found.home)
        assert done.returncode == 0, done.stderr
        files = [path for path in folder.rglob("*") if path.is_file()]
        deadline = time.monotonic() + 30
        while any(os.getxattr(path, "user.assetfs.cached") != str(path.stat().st_size).encode() for path in files):
            assert time.monotonic() < deadline
            time.sleep(0.1)
