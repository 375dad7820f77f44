"""A studio's projects as a drive: through the kernel, with somebody else at the same server."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ayon import Studio, unique
from tests.contract.ayon.kit import PNG
from tests.mounts import Mounted, error_of, eventually, mounted
from tests.sandboxes import RunningSandbox, start_sandbox

pytestmark = pytest.mark.mount


@pytest.fixture(scope="module")
def server() -> Iterator[RunningSandbox]:
    with start_sandbox("ayon", seed="empty") as running:
        running.switch(heartbeat=0.2)
        yield running


@pytest.fixture
def studio(server: RunningSandbox) -> Studio:
    server.forget()
    return Studio(server)


@pytest.fixture
def drive(studio: Studio, tmp_path: Path) -> Iterator[Mounted]:
    root_map = f"work={studio.root}"
    with mounted(
        studio.running.source,
        studio.running.credential,
        tmp_path / "home",
        "--root-map",
        root_map,
        "--write-back-delay",
        "0",
    ) as found:
        yield found


class Shot:
    """A folder with a product of three versions: on the server, at the root, nowhere."""

    def __init__(self, studio: Studio, drive: Mounted) -> None:
        self.name = unique("shot")
        self.folder = studio.folder(self.name)
        self.path = drive.path / studio.project / self.name
        self.product = studio.product("modelMain", self.folder)
        self.versions = [studio.version(number, self.product) for number in (1, 2, 3)]
        self.on_server = os.urandom(300_000)
        studio.stored("abc", self.versions[0], hero__abc=self.on_server)
        paths = [studio.at_root(f"pub/{self.name}/hero.{n}.exr", b"frame %d" % n) for n in (1001, 1002)]
        studio.representation("exr", self.versions[1], *paths)
        studio.representation("x", self.versions[2], "../../../../../../etc/passwd")
        self.model = self.path / "@products" / "modelMain"


@pytest.fixture
def shot(studio: Studio, drive: Mounted) -> Shot:
    return Shot(studio, drive)


def test_published_files_are_read_wherever_they_are(drive: Mounted, studio: Studio, shot: Shot) -> None:
    assert set(os.listdir(shot.path)) == {"@products"}
    assert set(os.listdir(shot.model)) == {"v001", "v002", "v003", "latest"}
    assert os.readlink(shot.model / "latest") == "v003"
    assert (shot.model / "v001" / "hero.abc").read_bytes() == shot.on_server
    assert (shot.model / "v002" / "exr" / "hero.1002.exr").read_bytes() == b"frame 1002"
    assert os.listdir(shot.model / "latest") == ["passwd"]
    done = drive.run("cat", shot.model / "v003" / "passwd", check=False)
    assert (done.returncode, done.stdout) == (1, b"")
    assert error_of(lambda: os.close(os.open(shot.model / "v003" / "passwd", os.O_RDONLY))) == errno.ENODATA
    drive.run("sh", "-c", f"cp -r '{shot.model}/v002' {drive.home}/copy")
    assert (drive.home / "copy" / "exr" / "hero.1001.exr").read_bytes() == b"frame 1001"


def test_attributes_are_read_and_written(drive: Mounted, studio: Studio, shot: Shot) -> None:
    def get(name: str) -> str:
        return drive.run("getfattr", "--only-values", "-n", name, shot.path).stdout.decode()

    assert get("user.ayon.status") == "Not ready"
    drive.run("setfattr", "-n", "user.ayon.status", "-v", "In progress", shot.path)
    drive.run("setfattr", "-n", "user.xdg.tags", "-v", "night,wet", shot.path)
    drive.run("setfattr", "-n", "user.xdg.comment", "-v", "A dark shot", shot.path)
    drive.run("setfattr", "-n", "user.ayon.attrib.frameEnd", "-v", "1200", shot.path)
    there = studio.get("folder", shot.folder)
    assert (there["status"], there["tags"]) == ("In progress", ["night", "wet"])
    assert (there["attrib"]["description"], there["attrib"]["frameEnd"]) == ("A dark shot", 1200)
    assert get("user.ayon.attrib.frameEnd") == "1200"
    for name, value in (("user.ayon.status", "Nope"), ("user.ayon.attrib.frameEnd", "many")):
        assert error_of(lambda n=name, v=value: os.setxattr(shot.path, n, v.encode())) == errno.EINVAL  # type: ignore[misc]
        assert get("user.assetfs.error")
    assert error_of(lambda: os.setxattr(shot.path, "user.ayon.id", b"x")) == errno.EPERM


def test_folders_tasks_and_products_are_made(drive: Mounted, studio: Studio, shot: Shot) -> None:
    (shot.path / "below").mkdir()
    (shot.path / "@tasks" / "animation").mkdir(parents=False)
    (shot.path / "@products" / "renderMain").mkdir()
    assert set(os.listdir(shot.path)) == {"below", "@tasks", "@products"}
    assert [row["taskType"] for row in studio.rows("tasks", "folderIds", shot.folder, "taskType")] == ["Animation"]
    assert error_of((shot.path / "BELOW").mkdir) == errno.EEXIST
    assert error_of((shot.path / "-x").mkdir) == errno.EINVAL
    os.rename(shot.path / "below", shot.path / "beneath")
    (shot.path / "beneath" / "inner").mkdir()
    assert error_of(lambda: os.rmdir(shot.path / "beneath")) == errno.ENOTEMPTY
    assert subprocess.run(["rm", "-r", str(shot.path / "beneath")], check=False).returncode == 0
    assert error_of(lambda: os.rmdir(shot.path / "@products")) == errno.EACCES
    assert error_of(lambda: os.rmdir(shot.model)) == errno.ENOTEMPTY


def test_a_file_that_is_copied_into_a_product_is_published(drive: Mounted, studio: Studio, shot: Shot) -> None:
    content = os.urandom(2_000_000)
    (drive.home / "new.abc").write_bytes(content)
    drive.run("cp", drive.home / "new.abc", shot.model)
    drive.run("sync", "-f", ".", check=False)
    assert eventually(lambda: "v004" in os.listdir(shot.model), seconds=60)
    assert (shot.model / "latest" / "new.abc").read_bytes() == content
    assert error_of(lambda: (shot.model / "v004" / "more.abc").touch()) == errno.EROFS
    assert error_of(lambda: (shot.model / "v004" / "new.abc").write_bytes(b"x")) in (errno.EACCES, errno.EROFS)


def test_workfiles_are_written_to_the_root(drive: Mounted, studio: Studio, shot: Shot) -> None:
    task = studio.task("layout", shot.folder)
    here = shot.path / "@tasks" / "layout"
    (here / "shot_v001.ma").write_text("one\n")
    assert eventually(lambda: studio.rows("workfiles", "taskIds", task, "path"), seconds=60)
    (row,) = studio.rows("workfiles", "taskIds", task, "path")
    place = studio.here(row["path"])
    assert place is not None
    assert place.read_text() == "one\n"
    drive.run("sh", "-c", f"echo two >> '{here}/shot_v001.ma'")
    assert eventually(lambda: place.read_text() == "one\ntwo\n", seconds=60)
    os.rename(here / "shot_v001.ma", here / "shot_v002.ma")
    assert sorted(one.name for one in place.parent.iterdir()) == ["shot_v002.ma"]
    os.unlink(here / "shot_v002.ma")
    assert studio.rows("workfiles", "taskIds", task, "path") == []


def test_pictures_and_links(drive: Mounted, studio: Studio, shot: Shot) -> None:
    thumbnail = shot.path / ".thumbnail.png"
    assert not thumbnail.exists()
    thumbnail.write_bytes(PNG)
    assert thumbnail.read_bytes() == PNG
    assert os.listdir(shot.path) == ["@products"], "hidden, on its way as well"
    assert eventually(lambda: studio.get("folder", shot.folder).get("thumbnailId"), seconds=60)
    assert os.listdir(shot.path) == ["@products"]
    links = shot.model / "v001" / ".links" / "reference.out"
    os.symlink("../../../v002", links / "lead")
    assert os.listdir(links) == ["lead"]
    assert os.path.realpath(links / "lead") == str(shot.model / "v002")
    assert os.listdir(shot.model / "v002" / ".links" / "reference.in")
    os.unlink(links / "lead")
    assert os.listdir(links) == []
    assert error_of(lambda: os.symlink("v001", shot.model / "mine")) in (errno.EPERM, errno.EOPNOTSUPP)


def test_what_somebody_else_changes_shows(drive: Mounted, studio: Studio, shot: Shot) -> None:
    """In `ls`, `cat` and `getfattr` of what was just listed and is still good for a minute."""
    file = shot.model / "v001" / "hero.abc"
    assert file.read_bytes() == shot.on_server
    assert os.listdir(shot.path) == ["@products"]
    assert os.getxattr(shot.path, "user.ayon.status") == b"Not ready"
    assert eventually(lambda: studio.running.requests()["kinds"].get("GET socket"), seconds=30)
    studio.folder("theirs", shot.folder)
    assert eventually(lambda: "theirs" in os.listdir(shot.path), seconds=30)
    studio.change("folder", shot.folder, status="On hold")
    assert eventually(lambda: os.getxattr(shot.path, "user.ayon.status") == b"On hold", seconds=30)
    studio.version(7, shot.product)
    assert eventually(lambda: os.readlink(shot.model / "latest") == "v007", seconds=30)
    (row,) = studio.rows("representations", "versionIds", shot.versions[0], "id")
    new = os.urandom(1000)
    stored = studio.stored_file("hero.abc", shot.versions[0], new)
    studio.change("representation", row["id"], files=[stored], data={"assetfs": {"store": "project-files", "rev": 2}})
    assert eventually(lambda: file.read_bytes() == new, seconds=30)
    studio.delete("folder", shot.folder)
    assert eventually(lambda: not shot.path.exists(), seconds=30)
