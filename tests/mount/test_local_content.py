"""Files whose content lies on a disk of this machine, as a server that is not trusted names it."""

from __future__ import annotations

import errno
import mmap
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.depots import Depot, depot, empty
from tests.example.disk import FETCHABLE, LOCAL
from tests.mounts import error_of

pytestmark = pytest.mark.mount


def point(depot: Depot, name: str, relative: str, *, fetchable: bool = False, content: str = "") -> Path:
    """Make the server name a path of the shared disk; returns the file in the mount."""
    placeholder = depot.disk.tree / name
    placeholder.write_text(content)
    os.setxattr(placeholder, LOCAL, relative.encode())
    if fetchable:
        os.setxattr(placeholder, FETCHABLE, b"1")
    depot.disk.tell(folder=depot.disk.id_of(depot.disk.tree), kind="created")
    return depot.path / name


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Depot]:
    home = tmp_path_factory.mktemp("house")
    disk = empty(home)
    (disk.shared / "shots").mkdir()
    (disk.shared / "shots" / "sh010.exr").write_bytes(os.urandom(3_000_000))
    (disk.folder / "secret").write_text("not yours")
    with depot(home, "--list-timeout", "0s", "--negative-timeout", "0s", disk=disk) as found:
        yield found


def test_it_is_read_where_it_lies(house: Depot) -> None:
    file = point(house, "shot.exr", "shots/sh010.exr")
    original = house.disk.shared / "shots" / "sh010.exr"
    assert file.stat().st_size == 3_000_000, "the file's own size, not the record's"
    assert abs(file.stat().st_mtime_ns - original.stat().st_mtime_ns) < 1000
    assert file.read_bytes() == original.read_bytes()
    with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, prot=mmap.PROT_READ) as mapped:
        assert mapped[2_999_990:] == original.read_bytes()[2_999_990:]
    assert house.asked("fetch") == 0
    assert house.mount.status()["content"].get("fetches", 0) == 0


def test_a_new_file_there_is_read_anew(house: Depot) -> None:
    file = point(house, "plate.txt", "shots/plate.txt")
    original = house.disk.shared / "shots" / "plate.txt"
    original.write_text("take one")
    assert file.read_text() == "take one"
    fresh = original.with_name("fresh")
    fresh.write_text("take two, longer")
    with file.open() as opened:
        fresh.replace(original)
        assert opened.read() == "take one"
    assert file.read_text() == "take two, longer"


@pytest.mark.parametrize(
    "relative", ["../secret", "/etc/passwd", "link", "fifo", "shots", "missing", "shots/../x", "up/secret"]
)
def test_nothing_outside_and_nothing_special_is_opened(house: Depot, relative: str) -> None:
    shared = house.disk.shared
    if not (shared / "fifo").exists():
        os.mkfifo(shared / "fifo")
        (shared / "link").symlink_to("../secret")
        (shared / "up").symlink_to("..")
    file = point(house, f"bad {relative.replace('/', '_')}", relative)
    assert file.exists()
    assert error_of(file.read_bytes) == errno.ENODATA


def test_what_is_not_there_is_fetched_where_the_server_can(house: Depot) -> None:
    file = point(house, "both.txt", "shots/nowhere.txt", fetchable=True, content="from the server")
    assert file.read_text() == "from the server"
    assert house.asked("fetch") > 0
