"""A mount that is written to is a plain folder, but for what `differences` lists.

Random sequences of operations go to both. Outcomes (values and errnos) must be the same at every step, trees and bytes
whenever somebody looks; after a flush the server has the same, and after a remount the mount still has.
ASSETFS_MODEL_EXAMPLES=500 in the environment hunts longer, with other sequences every time.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from tests.model.differences import explained
from tests.model.drive import Drive
from tests.sandboxes import RunningSandbox, start_sandbox

HUNT = int(os.environ.get("ASSETFS_MODEL_EXAMPLES", "0"))
TAGS = "user.jama.tags"

folders = st.sampled_from(["", "x/", "y/", "x/z/"])
names = st.sampled_from(["a.txt", "b.txt", "c.txt", "d.bin", "e.tmp"])
paths = st.builds(str.__add__, folders, names)
directories = st.sampled_from(["x", "y", "x/z", "y/w", "v"])
offsets = st.sampled_from([0, 7, 100, 5000, 140_000])
sizes = st.sampled_from([0, 40, 90, 4100, 150_000])

_tokens = itertools.count(1)


def token(repeat: int = 3) -> bytes:
    """Bytes that were never written before: the server keeps identical ones once."""
    return f"token {next(_tokens):010d}; ".encode() * repeat


class Writing(RuleBasedStateMachine):
    server: ClassVar[RunningSandbox]
    home: ClassVar[Path]

    @initialize(delay=st.sampled_from(["0.02", "60"]))
    def begin(self, delay: str) -> None:
        self.drive = Drive(self.server, self.home, delay)

    def teardown(self) -> None:
        if hasattr(self, "drive"):
            try:
                self.the_server_has_the_same()
                self.remount()
            finally:
                self.drive.close()

    def both(self, operation: str, action: Callable[[Path], Any], *arguments: str) -> Any:
        """Do it on the mount and on the folder; the same must come of it."""
        on_mount = self.outcome(lambda: action(self.drive.mnt))
        if isinstance(on_mount, OSError) and explained(operation, on_mount.errno or 0, *arguments):
            return None
        on_plain = self.outcome(lambda: action(self.drive.plain))
        if isinstance(on_mount, OSError) or isinstance(on_plain, OSError):
            error = (on_mount.errno if isinstance(on_mount, OSError) else None,
                     on_plain.errno if isinstance(on_plain, OSError) else None)  # fmt: skip
            assert error[0] == error[1], (
                f"{operation} {arguments}: {on_mount!r}, plain {on_plain!r}\n{self.drive.log()}"
            )
            return None
        assert on_mount == on_plain, f"{operation} {arguments}: {on_mount!r}, plain {on_plain!r}\n{self.drive.log()}"
        return on_mount

    @staticmethod
    def outcome(action: Callable[[], Any]) -> Any:
        try:
            return action()
        except OSError as error:
            return error

    # ---- content ------------------------------------------------------------------------------------------------

    @rule(path=paths, repeat=st.sampled_from([1, 3, 400]))
    def create(self, path: str, repeat: int) -> None:
        data = token(repeat)
        self.both("create", lambda root: (root / path).write_bytes(data), path)

    @rule(path=paths)
    def create_exclusively(self, path: str) -> None:
        self.both("create", lambda root: (root / path).touch(exist_ok=False), path)

    @rule(path=paths, offset=offsets)
    def write_at(self, path: str, offset: int) -> None:
        data = token()

        def act(root: Path) -> int:
            with open(root / path, "r+b", buffering=0) as file:
                file.seek(offset)
                return file.write(data)

        self.both("write at", act, path)

    @rule(path=paths)
    def append(self, path: str) -> None:
        data = token()

        def act(root: Path) -> int:
            handle = os.open(root / path, os.O_WRONLY | os.O_APPEND)
            try:
                return os.write(handle, data)
            finally:
                os.close(handle)

        self.both("append", act, path)

    @rule(path=paths, size=sizes)
    def truncate(self, path: str, size: int) -> None:
        self.both("truncate", lambda root: os.truncate(root / path, size), path)

    @rule(path=paths, size=sizes)
    def write_then_cut(self, path: str, size: int) -> None:
        data = token(30)

        def act(root: Path) -> bytes:
            with open(root / path, "r+b", buffering=0) as file:
                file.write(data)
                os.ftruncate(file.fileno(), size)
                os.fsync(file.fileno())
                return os.pread(file.fileno(), 1 << 20, 0)

        self.both("write then cut", act, path)

    @rule(path=paths, offset=offsets)
    def read(self, path: str, offset: int) -> None:
        def act(root: Path) -> bytes:
            with open(root / path, "rb", buffering=0) as file:
                return os.pread(file.fileno(), 8192, offset)

        self.both("read", act, path)

    @rule(path=paths)
    def write_and_sync(self, path: str) -> None:
        first, second = token(), token()

        def act(root: Path) -> None:
            with open(root / path, "wb", buffering=0) as file:
                file.write(first)
                os.fsync(file.fileno())
                file.write(second)

        self.both("create", act, path)

    @rule(path=paths, other=paths)
    def copy_with_a_new_head(self, path: str, other: str) -> None:
        head = token()
        self.both("create", lambda root: (root / other).write_bytes(head + (root / path).read_bytes()), other)

    @rule(path=paths)
    def unlink_while_open(self, path: str) -> None:
        data = token()

        def act(root: Path) -> tuple[bytes, int, bytes]:
            with open(root / path, "r+b", buffering=0) as file:
                os.unlink(root / path)
                before = os.pread(file.fileno(), 1 << 20, 0)
                size = os.fstat(file.fileno()).st_size
                os.pwrite(file.fileno(), data, 0)
                return before, size, os.pread(file.fileno(), len(data), 0)

        self.both("unlink while open", act, path)

    @rule(path=paths, other=paths)
    def rename_while_open(self, path: str, other: str) -> None:
        data = token()

        def act(root: Path) -> bytes:
            with open(root / path, "r+b", buffering=0) as file:
                os.rename(root / path, root / other)
                file.write(data)
                return os.pread(file.fileno(), 1 << 20, 0)

        self._rename("rename over", act, path, other)

    # ---- names --------------------------------------------------------------------------------------------------

    def _rename(self, operation: str, act: Callable[[Path], Any], path: str, other: str) -> None:
        over = (self.drive.plain / other).is_file()
        self.both(operation, act, path, other)
        if over and (self.drive.plain / other).is_file():
            self._same_tags(other)

    def _same_tags(self, path: str) -> None:
        """An atomic save keeps the asset's tags: the plain folder follows."""
        tags = self.outcome(lambda: os.getxattr(self.drive.mnt / path, TAGS))
        if isinstance(tags, bytes):
            os.setxattr(self.drive.plain / path, TAGS, tags)
        else:
            self.outcome(lambda: os.removexattr(self.drive.plain / path, TAGS))

    @rule(path=paths, other=paths)
    def rename(self, path: str, other: str) -> None:
        self._rename("rename", lambda root: os.rename(root / path, root / other), path, other)

    @rule(path=directories, other=directories)
    def rename_folder(self, path: str, other: str) -> None:
        self.both("rename folder", lambda root: os.rename(root / path, root / other))

    @rule(path=directories)
    def mkdir(self, path: str) -> None:
        self.both("mkdir", lambda root: os.mkdir(root / path), path)

    @rule(path=directories)
    def mkdir_with_a_blank(self, path: str) -> None:
        self.both("mkdir", lambda root: os.mkdir(root / f"{path} ") or os.rmdir(root / f"{path} "), f"{path} ")

    @rule(path=directories)
    def rmdir(self, path: str) -> None:
        self.both("rmdir", lambda root: os.rmdir(root / path))

    @rule(path=paths)
    def unlink(self, path: str) -> None:
        self.both("unlink", lambda root: os.unlink(root / path))

    @rule(path=paths, folder=folders)
    def link(self, path: str, folder: str) -> None:
        other = folder + path.rsplit("/", 1)[-1]

        def act(root: Path) -> None:
            os.link(root / path, root / other)
            os.unlink(root / other)  # writing through a link is for the mount tests: here every file is one

        self.both("link", act)

    # ---- what is known of files ---------------------------------------------------------------------------------

    @rule(path=paths)
    def tag(self, path: str) -> None:
        value = f"tag-{next(_tokens)}".encode()

        def act(root: Path) -> bytes:
            os.setxattr(root / path, TAGS, value)
            return os.getxattr(root / path, TAGS)

        self.both("setxattr", act)

    @rule(path=paths)
    def untag(self, path: str) -> None:
        self.both("removexattr", lambda root: os.removexattr(root / path, TAGS))

    @rule(path=paths)
    def tags(self, path: str) -> None:
        self.both("getxattr", lambda root: os.getxattr(root / path, TAGS))

    @rule(path=paths, when=st.integers(1, 2_000_000_000))
    def set_time(self, path: str, when: int) -> None:
        def act(root: Path) -> int:
            os.utime(root / path, ns=(when * 10**9, when * 10**9))
            return os.stat(root / path).st_mtime_ns

        self.both("utimens", act)

    @rule(path=paths)
    def chmod_to_the_same(self, path: str) -> None:
        self.both("chmod same", lambda root: os.chmod(root / path, os.stat(root / path).st_mode & 0o7777))

    @rule(path=paths)
    def chmod(self, path: str) -> None:
        self.both("chmod", lambda root: os.chmod(root / path, 0o600))

    @rule(path=st.one_of(paths, directories))
    def stat(self, path: str) -> None:
        self.both("stat", lambda root: self.drive.described(root, path))

    @rule(path=directories)
    def list_folder(self, path: str) -> None:
        self.both("list", lambda root: sorted(os.listdir(root / path)))

    # ---- the whole ----------------------------------------------------------------------------------------------

    @rule()
    def compare(self) -> None:
        mine, plain = self.drive.both()
        assert mine == plain, f"{differing(mine, plain)}\n{self.drive.log()}"

    @rule()
    def remount(self) -> None:
        self.drive.unmount()
        self.drive.mount()
        self.compare()

    @rule()
    def the_server_has_the_same(self) -> None:
        self.drive.flush()
        self.compare()
        server, plain = self.drive.server(), self.drive.tree(self.drive.plain)
        here = self.drive.kept_here() | {path for path in plain if path.endswith(".tmp")}
        wanted = {path: data for path, data in plain.items() if path not in here}
        assert server == wanted, f"server: {differing(server, wanted)}\n{self.drive.log()}"


def differing(mine: dict[str, Any], plain: dict[str, Any]) -> dict[str, Any]:
    def short(data: Any) -> Any:
        return (len(data), data[:24], data[-24:]) if isinstance(data, bytes) else data

    return {
        path: (short(mine.get(path, "missing")), short(plain.get(path, "missing")))
        for path in mine.keys() | plain.keys()
        if mine.get(path, "missing") != plain.get(path, "missing")
    }


@pytest.fixture(scope="module")
def server() -> Iterator[RunningSandbox]:
    with start_sandbox() as running:
        yield running


@pytest.mark.mount
@pytest.mark.timeout(7200 if HUNT else 300)
def test_a_mount_is_a_plain_folder(server: RunningSandbox, tmp_path: Path) -> None:
    Writing.server, Writing.home = server, tmp_path
    run_state_machine_as_test(
        Writing,
        settings=settings(
            max_examples=HUNT or 20,
            stateful_step_count=60 if HUNT else 40,
            derandomize=not HUNT,
            database=None,
            deadline=None,
            print_blob=True,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
        ),
    )
