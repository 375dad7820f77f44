"""What working on a SAMS drive costs, counted by the server: the table of the protocol's budget, line by line.

Nobody watches what others do: what that costs is counted in the contract suite (`test_sams_watch.py`).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sams import NEVER, Newsroom, newsroom, picture
from tests.sandboxes import RunningSandbox, start_sandbox

pytestmark = pytest.mark.mount

FILES = 250
ALONE = ("--poll", "0")


@pytest.fixture(scope="module")
def server() -> Iterator[RunningSandbox]:
    with start_sandbox("sams", seed="empty") as running:
        yield running


@pytest.fixture(scope="module")
def filled(server: RunningSandbox, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, bytes]]:
    """A set with small files in it, older than a second."""
    with newsroom(server, tmp_path_factory.mktemp("filling"), *NEVER, *ALONE) as desk:
        contents = {f"{number:03}.txt": os.urandom(300) for number in range(FILES)}
        for name, content in contents.items():
            desk.wire.put(desk.set_id, name, content)
        name = desk.folder.name
    time.sleep(1.1)  # the server's times have whole seconds
    return name, contents


@pytest.fixture
def desk(server: RunningSandbox, filled: tuple[str, dict[str, bytes]], tmp_path: Path) -> Iterator[Newsroom]:
    """A cold mount of it."""
    with newsroom(server, tmp_path / "home", *NEVER, *ALONE, name=filled[0]) as made:
        os.statvfs(made.drive.path)  # many programs ask how much room there is; once in 30 s that is a search
        made.asked()
        yield made


def test_listing(desk: Newsroom) -> None:
    os.listdir(desk.drive.path)
    desk.drive.run("ls", "-l")
    assert desk.asked() == {"GET sets": 1}
    desk.drive.run("ls", "-l", desk.folder)
    assert desk.asked() == {"GET search": 1}
    desk.drive.run("ls", "-l", desk.folder)
    desk.drive.run("getfattr", "-d", *(desk / name for name in desk.names()))
    assert desk.asked() == {}, "all that is known came with the listing"


def test_reading_one_file(desk: Newsroom, filled: tuple[str, dict[str, bytes]]) -> None:
    assert (desk / "007.txt").read_bytes() == filled[1]["007.txt"]
    assert desk.asked() == {"GET sets": 1, "GET search": 1, "GET binary": 1}
    assert (desk / "008.txt").read_bytes() == filled[1]["008.txt"]
    assert desk.asked() == {"GET binary": 1}
    assert (desk / "007.txt").read_bytes() == filled[1]["007.txt"]
    assert desk.asked() == {}


def test_reading_many_small_files(desk: Newsroom, filled: tuple[str, dict[str, bytes]], tmp_path: Path) -> None:
    desk.names()
    desk.asked()
    shutil.copytree(desk.folder, tmp_path / "copy")
    assert {path.name: path.read_bytes() for path in (tmp_path / "copy").iterdir()} == filled[1]
    spent = desk.asked()
    assert spent["GET zip"] <= -(-FILES // 100) + 1
    assert spent["GET binary"] <= 8, "those from which nobody could tell that more would come"
    assert spent["GET search"] <= spent["GET zip"]


def test_writing(server: RunningSandbox, tmp_path: Path) -> None:
    with newsroom(server, tmp_path / "home", *NEVER, *ALONE) as desk:
        (desk / "a.txt").write_bytes(b"one")
        (desk / "p.png").write_bytes(picture(1))
        desk.asked()
        desk.flush()
        new = desk.asked()
        assert (new["POST asset"], new["PATCH asset"]) == (2, 0)
        assert new["GET search"] <= 2, "whether the name is free"
        for name, content, expected in (("a.txt", b"two", 1), ("p.png", picture(2), 2)):
            (desk / name).write_bytes(content)
            desk.flush()
            spent = desk.asked()
            assert spent["PATCH asset"] == expected, "a picture's renditions go, too"
            assert spent["GET asset"] <= 2 - expected, "without renditions a look confirms it"
            assert set(spent) <= {"PATCH asset", "GET asset"}
        os.listxattr(desk / "a.txt")
        desk.asked()
        os.setxattr(desk / "a.txt", "user.sams.description", b"d")
        first = desk.asked()
        assert first["PATCH asset"] == 1
        assert sum(first.values()) <= 2, "a look confirms it"


def test_removing_a_set(server: RunningSandbox, tmp_path: Path) -> None:
    with newsroom(server, tmp_path / "home", *NEVER, *ALONE) as desk:
        for number in range(20):
            desk.wire.put(desk.set_id, f"{number}.txt", b"x%d" % number)
        assert len(desk.names()) == 20
        os.statvfs(desk.folder)
        desk.asked()
        subprocess.run(["rm", "-r", desk.folder], check=True)
        spent = desk.asked()
        assert spent["DELETE asset"] == 20
        assert spent - Counter({"DELETE asset": 20}) == {"PATCH sets": 1, "DELETE sets": 1}


def test_going_through_everything(server: RunningSandbox, tmp_path: Path) -> None:
    with newsroom(server, tmp_path / "first", *NEVER, *ALONE) as desk:
        made = [desk.wire.make_set(f"walk {number:02}") for number in range(30)]
        for set_id in made[::2]:
            desk.wire.put(set_id, "a.txt", b"x")
    with newsroom(server, tmp_path / "second", *NEVER, *ALONE, name=desk.folder.name) as desk:
        os.statvfs(desk.drive.path)
        desk.asked()
        found = desk.drive.run("find", ".").stdout.decode().splitlines()
        assert len([line for line in found if line.endswith("/a.txt")]) >= len(made) // 2
        assert desk.asked() == {"GET sets": 1, "GET search": 1}, "one search goes through all sets"
