"""Links, hidden nodes and what is found, through the kernel."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.depots import Depot, depot, empty
from tests.example.disk import NOTE, TAGS
from tests.mounts import error_of

pytestmark = pytest.mark.mount


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Depot]:
    home = tmp_path_factory.mktemp("links")
    disk = empty(home)
    versions = disk.tree / "hero" / "model"
    for number in (1, 2):
        (versions / f"v00{number}").mkdir(parents=True)
        (versions / f"v00{number}" / "hero.obj").write_text(f"model {number}\n")
    (disk.tree / "props").mkdir()
    (disk.tree / "props" / "sword.obj").write_text("sharp\n")
    os.setxattr(disk.tree / "props" / "sword.obj", NOTE, b"borrowed from the museum")
    os.setxattr(disk.tree / "props" / "sword.obj", TAGS, b"weapon")
    for name, target in {
        "latest": "v002",
        "sword": "../../props/sword.obj",
        "far": "../../../../etc/passwd",
        "twisted": "v001/../../../../../etc/passwd",
        "rooted": "/etc/passwd",
        "page": "https://example.org/hero.html",
        "trap": "https://a/../../../../../../etc/passwd",
    }.items():
        (versions / name).symlink_to(target)
    with depot(home, disk=disk) as found:
        yield found


def test_links_lead_to_what_the_server_says(shelf: Depot) -> None:
    model = shelf.path / "hero" / "model"
    assert os.readlink(model / "latest") == "v002"
    assert (model / "latest" / "hero.obj").read_text() == "model 2\n"
    assert (model / "sword").read_text() == "sharp\n"
    assert (model / "latest").lstat().st_size == 4
    listed = shelf.mount.run("ls", "-l", "hero/model", check=False).stdout.decode()
    assert "latest -> v002" in listed


@pytest.mark.parametrize("name", ["far", "twisted", "rooted", "trap"])
def test_a_link_never_leads_out_of_the_mount(shelf: Depot, name: str) -> None:
    link = shelf.path / "hero" / "model" / name
    assert error_of(lambda: os.readlink(link)) == errno.EPERM
    assert error_of(link.read_text) == errno.EPERM
    assert link.is_symlink()


def test_a_link_to_a_page_is_shown_and_leads_nowhere(shelf: Depot) -> None:
    page = shelf.path / "hero" / "model" / "page"
    assert os.readlink(page) == "https://example.org/hero.html"
    assert error_of(page.read_text) == errno.ENOENT


def test_links_are_made_moved_and_removed(shelf: Depot) -> None:
    hero = shelf.path / "hero"
    (hero / "blade").symlink_to("../props/sword.obj")
    assert (hero / "blade").read_text() == "sharp\n"
    assert os.readlink(shelf.disk.tree / "hero" / "blade") == "../props/sword.obj"
    (hero / "blade").rename(hero / "edge")
    assert (shelf.disk.tree / "hero" / "edge").is_symlink()
    assert error_of(lambda: (hero / "bad").symlink_to("nothing/here")) == errno.EINVAL
    (hero / "edge").unlink()
    assert not os.path.lexists(shelf.disk.tree / "hero" / "edge")
    assert (shelf.disk.tree / "props" / "sword.obj").exists()


def test_hidden_nodes_answer_and_are_not_listed(shelf: Depot) -> None:
    props = shelf.path / "props"
    assert os.listdir(props) == ["sword.obj"]
    assert os.listdir(props / ".notes") == ["sword.obj.txt"]
    note = props / ".notes" / "sword.obj.txt"
    assert note.stat().st_size == 0, "nobody has told the size"
    assert note.read_text() == "borrowed from the museum"
    assert shelf.mount.run("cat", "props/.notes/sword.obj.txt").stdout == b"borrowed from the museum"
    with note.open("rb") as opened:
        assert os.fstat(opened.fileno()).st_size == 24
    assert b".notes" not in shelf.mount.run("find", ".").stdout
    assert error_of((props / ".other").stat) == errno.ENOENT
    (props / ".sword.obj.swp").write_text("a dropping")
    (props / ".sword.obj.swp").unlink()


def test_what_is_not_there_is_not_asked_for_again(shelf: Depot) -> None:
    folder = shelf.path / "props" / ".notes"
    folder.stat()
    before = shelf.asked("hidden")
    shelf.mount.run("for i in $(seq 20); do ls props/.notes props/.git >&2; sleep 0.1; done; true", check=False)
    assert shelf.asked("hidden") == before


def test_searches_tags_and_what_is_recent_are_folders_of_links(shelf: Depot) -> None:
    found = shelf.path / ".assetfs" / "search" / "sword"
    assert set(os.listdir(found)) == {"sword", "sword.obj"}
    assert os.readlink(found / "sword.obj") == "../../../props/sword.obj"
    assert (found / "sword.obj").read_text() == "sharp\n"
    assert os.path.samefile(found / "sword.obj", shelf.path / "props" / "sword.obj")
    assert os.listdir(shelf.path / ".assetfs" / "search") == []
    assert error_of((shelf.path / ".assetfs" / "search" / ".hidden").stat) == errno.ENOENT
    crowd = shelf.path / ".assetfs" / "search" / "hero.obj"
    assert len({os.path.realpath(crowd / name) for name in os.listdir(crowd)}) == 2, "two files of one name"
    assert os.listdir(shelf.path / ".assetfs" / "tags") == []
    os.setxattr(shelf.path / "props" / "sword.obj", "user.depot.tags", b"weapon\nmetal")
    assert set(os.listdir(shelf.path / ".assetfs")) >= {"search", "tags", "recent", "by-id", "status.json"}
    assert "sword.obj" in os.listdir(shelf.path / ".assetfs" / "recent")
    assert error_of((found / "sword.obj").unlink) == errno.EPERM


def test_with_show_virtual_they_are_listed(shelf: Depot, tmp_path: Path) -> None:
    with depot(tmp_path, "--show-virtual", disk=shelf.disk) as shown:
        assert {".assetfs", ".notes", "hero", "props"} == set(os.listdir(shown.path))
        assert set(os.listdir(shown.path / "props")) == {".notes", "sword.obj"}
        assert os.path.isdir(shown.path / ".assetfs" / "tags" / "metal")
