"""Content that comes badly: cut, refused, wrong, corrupt, replaced. Right bytes or an error, and nothing else."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import wire
from tests.mounts import Mounted, error_of, eventually, mounted
from tests.sandboxes import RunningSandbox, start_sandbox

pytestmark = pytest.mark.mount

SIZE = 24 << 20
DOWNLOAD = {"kind": "download"}


def pattern(number: int, size: int = SIZE) -> bytes:
    """Bytes that differ everywhere and between numbers."""
    return hashlib.shake_128(b"%d" % number).digest(size)


@pytest.fixture(scope="module")
def server() -> Iterator[RunningSandbox]:
    """One server for the module, with nothing in it."""
    with start_sandbox() as running:
        yield running


class Drive:
    """A mount that all tests of this module share; each has a folder of its own on it."""

    def __init__(self, mount: Mounted, server: RunningSandbox, name: str) -> None:
        self.mount = mount
        self.server = server
        self.name = name
        self.place = wire.folder(server, name)
        self._numbers = 0

    @property
    def folder(self) -> Path:
        return self.mount.path / "Sandbox" / self.name

    def put(self, content: bytes, name: str = "file.bin") -> tuple[Path, int]:
        """A new file on the server: its path in the mount, and its id. Nothing of it has been read yet."""
        number = wire.put(self.server, self.place, name, content)
        assert eventually(lambda: error_of(lambda: os.listdir(self.folder)) is None and name in os.listdir(self.folder))
        self.server.forget()
        return self.folder / name, number

    def log(self) -> str:
        return self.mount.log()


@pytest.fixture(scope="module")
def shared(server: RunningSandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mounted]:
    options = ("--list-timeout", "300ms", "--attr-timeout", "100ms", "--entry-timeout", "100ms")
    quick = ("--negative-timeout", "100ms", "--timeout", "10s", "--read-timeout", "2s")
    with mounted(server.source, server.credential, tmp_path_factory.mktemp("shared"), *options, *quick) as found:
        yield found


@pytest.fixture
def drive(shared: Mounted, server: RunningSandbox, request: pytest.FixtureRequest) -> Iterator[Drive]:
    server.reset()
    yield Drive(shared, server, request.node.name)
    server.reset()
    assert shared.status()["state"] == "ok", "whatever happened, the mount lives"
    assert shared.status()["errors"].get("incident", 0) == 0, "and nothing happened that nobody expected"


def status_of(drive: Drive, fault: str, **options: Any) -> None:
    drive.server.arm(fault, DOWNLOAD, **options)


# ---- what is mended silently ----


@pytest.mark.parametrize("after", [0, 1, 70_000, 300_000])
def test_a_connection_that_is_cut_in_the_middle_is_taken_up_again(drive: Drive, after: int) -> None:
    content = pattern(after)
    path, _ = drive.put(content)
    drive.server.arm("cut", DOWNLOAD, nth=2, count=2, after=after)
    assert path.read_bytes() == content
    ranges = [entry["headers"]["range"] for entry in drive.server.listing() if entry["kind"] == "download"]
    assert len(ranges) == len(set(ranges)) or after == 0, "what has arrived is not asked for again"


@pytest.mark.parametrize("status", [500, 502, 503, 504, 429])
def test_a_server_that_is_unwell_for_a_moment(drive: Drive, status: int) -> None:
    content = pattern(status, 3 << 20)
    path, _ = drive.put(content)
    drive.server.arm("status", DOWNLOAD, status=status)
    assert path.read_bytes() == content


def test_a_server_that_says_when_to_come_back(drive: Drive) -> None:
    content = pattern(1, 1 << 20)
    path, _ = drive.put(content)
    drive.server.arm("status", DOWNLOAD, status=503, retry_after=1)
    assert path.read_bytes() == content
    first, second = [entry for entry in drive.server.listing() if entry["kind"] == "download"][:2]
    assert second["started"] - first["started"] >= 1


def test_a_slow_server_is_waited_for_as_long_as_something_comes(drive: Drive) -> None:
    content = pattern(2, 600_000)
    path, _ = drive.put(content)
    drive.server.arm("slow", DOWNLOAD, count=None, bytes_per_second=400_000)
    assert path.read_bytes() == content


def test_a_reader_gets_bytes_as_soon_as_they_have_arrived(drive: Drive) -> None:
    path, _ = drive.put(pattern(3))
    drive.server.arm("slow", DOWNLOAD, count=None, bytes_per_second=100_000)
    with path.open("rb", buffering=0) as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_RANDOM)
        assert os.pread(file.fileno(), 4096, 0) == pattern(3)[:4096]
    assert drive.server.requests()["sent"] < 1 << 20


def test_a_kept_connection_that_the_server_has_closed_is_not_noticed(drive: Drive) -> None:
    drive.server.switch(keep_alive=0.05)
    path, _ = drive.put(pattern(4, 1 << 20))
    assert path.read_bytes() == pattern(4, 1 << 20)
    other, _ = drive.put(pattern(5, 1 << 20), "other.bin")
    assert other.read_bytes() == pattern(5, 1 << 20)


# ---- what is an error, and only an error ----


@pytest.mark.parametrize(
    ("fault", "options"),
    [
        ("wrong_range", {"value": "bytes 1-1/2"}),
        ("wrong_range", {"value": "bytes 4096-8191/25165824"}),
        ("wrong_range", {"value": "bytes 0-1/*"}),
        ("wrong_range", {"value": "bytes nonsense"}),
        ("no_range", {}),
        ("status", {"status": 500}),
        ("status", {"status": 418}),
        ("status", {"status": 200, "body": "<html>log in first</html>"}),
        ("status", {"status": 302, "headers": {"location": "http://127.0.0.1:1/elsewhere"}}),
        ("other_status", {"status": 203}),
    ],
)
def test_answers_that_are_no_content_are_errors(drive: Drive, fault: str, options: dict[str, Any]) -> None:
    content = pattern(6)
    path, _ = drive.put(content)
    size = path.stat().st_size
    assert size == SIZE
    with path.open("rb", buffering=0) as file:
        drive.server.arm(fault, DOWNLOAD, count=None, **options)
        for at in (9 << 20, SIZE - 4096):
            found = []
            code = error_of(lambda at=at, found=found: found.append(os.pread(file.fileno(), 4096, at)))
            assert code in (errno.EIO, errno.ESTALE, None)
            assert code or found == [content[at : at + 4096]], "a whole file may be used, its beginning may not"
        drive.server.disarm()
        assert os.pread(file.fileno(), 4096, 17 << 20) == content[17 << 20 :][:4096]
    assert eventually(lambda: error_of(lambda: path.open("rb").close()) is None)
    assert path.read_bytes() == content


def test_a_resource_that_is_gone_is_not_its_error_text(drive: Drive) -> None:
    path, number = drive.put(pattern(7, 100))
    drive.server.arm("not_found_200", {"kind": "download", "path": f"/{number}$"}, count=None)
    assert error_of(path.read_bytes) == errno.ENOENT
    drive.server.disarm()
    assert eventually(lambda: error_of(path.read_bytes) is None)
    assert path.read_bytes() == pattern(7, 100)


def test_one_broken_file_does_not_hide_the_others(drive: Drive) -> None:
    for index in range(70):
        wire.put(drive.server, drive.place, f"good-{index:02}.txt", b"good %d %s" % (index, drive.name.encode()))
    path, number = drive.put(b"broken " + drive.name.encode(), "broken.txt")
    drive.server.arm("status", {"kind": "download", "path": f"/{number}$"}, count=None, status=500)
    told = drive.mount.run("ls", "-l", f"Sandbox/{drive.name}", check=False)
    assert told.stdout.count(b" good-") == 70
    assert all(line.split()[4] != b"0" for line in told.stdout.splitlines() if b" good-" in line)
    assert error_of(path.read_bytes) == errno.EIO


def test_corrupt_bytes_are_an_error_a_log_line_and_no_cache(drive: Drive) -> None:
    for index, size in enumerate((5_000, 3 << 20)):
        content = pattern(8 + index, size)
        path, _ = drive.put(content, f"scan-{index}.bin")
        drive.server.arm("corrupt", DOWNLOAD, count=None)
        assert error_of(path.read_bytes) == errno.EIO
        drive.server.disarm()
        assert eventually(lambda path=path: error_of(path.read_bytes) is None)
        assert path.read_bytes() == content, "neither the cache nor the kernel's pages keep what was wrong"
        assert path.read_bytes() == content
    assert "do not fit the digest" in drive.log()
    assert drive.mount.status()["content"]["digest_mismatches"] >= 2


# ---- another version ----


@pytest.mark.parametrize("change", [-5, 5, -20 << 20])
def test_content_that_is_replaced_while_it_is_open(drive: Drive, change: int) -> None:
    """Who has it open reads the old version or gets an error, never an end that is too early; who opens it anew reads
    the new one. The kernel has one size for both, which is the old one's until that is closed."""
    old, new = pattern(20), pattern(21, SIZE + change)
    path, number = drive.put(old)
    with path.open("rb", buffering=0) as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_RANDOM)
        assert os.pread(file.fileno(), 100, 0) == old[:100]
        wire.replace(drive.server, number, new, "new.bin")
        assert error_of(lambda: os.pread(file.fileno(), 100, 12 << 20)) == errno.ESTALE
        assert error_of(lambda: os.pread(file.fileno(), 100, SIZE - 100)) == errno.ESTALE
        assert os.pread(file.fileno(), 50, 20) == old[20:70], "what was read before goes on serving"
        with path.open("rb", buffering=0) as again:
            assert again.readall() == new, "a new open sees the new content"
            assert os.pread(file.fileno(), 50, 1000) == old[1000:1050]
            assert os.pread(again.fileno(), 50, 1000) == new[1000:1050]
            assert os.pread(file.fileno(), 50, 1000) == old[1000:1050]
            assert error_of(lambda: os.pread(file.fileno(), 100, 13 << 20)) == errno.ESTALE
    assert eventually(lambda: path.stat().st_size == len(new))
    assert path.read_bytes() == new, "no page of the old is left"
    assert drive.mount.run("sha256sum", path).stdout.split()[0].decode() == hashlib.sha256(new).hexdigest()


def test_content_that_is_replaced_by_as_many_bytes(drive: Drive) -> None:
    """A download does not tell one version from the other; a listing does, or a question between two downloads."""
    old, new = pattern(22), pattern(23)
    path, number = drive.put(old)
    with path.open("rb", buffering=0) as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_RANDOM)
        assert os.pread(file.fileno(), 100, 0) == old[:100]
        before = path.stat()
        wire.replace(drive.server, number, new, "new.bin")
        assert eventually(lambda: os.getxattr(path, "user.assetfs.version") == hashlib.sha256(new).hexdigest().encode())
        assert error_of(lambda: os.pread(file.fileno(), 100, 12 << 20)) == errno.ESTALE
        assert path.read_bytes() == new
        assert os.pread(file.fileno(), 100, 0) == old[:100]
    assert eventually(lambda: path.stat().st_mtime_ns != before.st_mtime_ns)
    assert path.read_bytes() == new
    assert path.stat().st_ino == before.st_ino
    wire.replace(drive.server, number, old, "old.bin")
    assert eventually(lambda: path.read_bytes() == old), "and back again"


def test_content_that_was_replaced_by_as_many_bytes_before_it_was_opened(drive: Drive) -> None:
    """Its bytes do not fit the digest that was listed: that is another version, not damage."""
    for size in (5_000, 3 << 20):
        new = pattern(25, size)
        path, number = drive.put(pattern(24, size), f"page-{size}.bin")
        wire.replace(drive.server, number, new, "new.bin")
        assert error_of(path.read_bytes) in (errno.ESTALE, None)
        assert path.read_bytes() == new, "the folder was listed anew"


def test_every_version_is_read_whole_while_the_file_is_replaced_again_and_again(drive: Drive) -> None:
    versions = [pattern(40 + index, (1 << 20) + 1000 * index) for index in range(4)]
    path, number = drive.put(versions[0])
    wanted = {hashlib.sha256(version).hexdigest() for version in versions}
    script = """
import errno, hashlib, sys, time
deadline = time.monotonic() + 3
while time.monotonic() < deadline:
    try:
        with open(sys.argv[1], "rb") as file:
            print(hashlib.sha256(file.read()).hexdigest())
    except OSError as error:
        print(errno.errorcode[error.errno])
"""
    reading = [drive.mount.start(drive.mount.user.program[0], "-c", script, path) for _ in range(3)]
    for version in versions[1:]:
        wire.replace(drive.server, number, version, "new.bin")
        assert eventually(
            lambda version=version: (
                drive.mount.run("sha256sum", path, check=False).stdout.split()[:1]
                == [hashlib.sha256(version).hexdigest().encode()]
            )
        )
    seen = {line for process in reading for line in process.communicate(timeout=30)[0].decode().split()}
    assert hashlib.sha256(versions[-1]).hexdigest() in seen
    assert seen <= wanted | {"ESTALE", "EIO"}


def test_a_file_that_is_deleted_while_it_is_open(drive: Drive) -> None:
    path, number = drive.put(pattern(24, 1 << 20))
    with path.open("rb") as file:
        head = file.read(4096)
        drive.server.rpc("delete_resource", number)
        assert eventually(lambda: not path.exists())
        assert head + file.read() == pattern(24, 1 << 20), "the server still serves what was deleted"
    assert error_of(path.read_bytes) == errno.ENOENT
    assert path.name not in os.listdir(path.parent)


# ---- what is kept on disk ----


def test_a_damaged_cache_is_fetched_again(server: RunningSandbox, tmp_path: Path) -> None:
    server.reset()
    content = pattern(30, 5 << 20)
    wire.put(server, wire.folder(server, "damaged cache"), "file.bin", content)
    where = "Sandbox/damaged cache/file.bin"
    home = tmp_path / "home"
    with mounted(server.source, server.credential, home) as found:
        assert found.run("cat", where).stdout == content
    damage = {
        "a flipped bit in the bytes": ("*.data", lambda raw: raw[:100_000] + bytes([raw[100_000] ^ 1]) + raw[100_001:]),
        "half of the bytes": ("*.data", lambda raw: raw[: len(raw) // 2]),
        "no bytes at all": ("*.data", lambda raw: b""),
        "nonsense for a map": ("*.map", lambda raw: b"nonsense" * 20),
        "a map that is too short": ("*.map", lambda raw: raw[:-8]),
        "an empty map": ("*.map", lambda raw: b""),
        "a map of another size": ("*.map", lambda raw: raw + b"\1" * 8),
        "a catalogue that is none": ("catalogue.sqlite", lambda raw: b"this is no database" * 100),
        "an empty catalogue": ("catalogue.sqlite", lambda raw: b""),
    }
    for what, (name, harm) in damage.items():
        (victim,) = (home / "cache").rglob(name)
        victim.write_bytes(harm(victim.read_bytes()))
        for beside in (home / "cache").glob("catalogue.sqlite-*"):
            beside.unlink()
        with mounted(server.source, server.credential, home) as found:
            assert found.run("cat", where).stdout == content, what
            assert found.run("stat", "-c", "%s", where).stdout == b"%d\n" % len(content)
