"""The tree: folders, names, links, and what is refused before a byte is staged."""

from __future__ import annotations

import ctypes
import errno
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import wire
from tests.fixtures import Mount
from tests.mounts import error_of
from tests.sandboxes import RunningSandbox
from tests.writing import SOON, Desk, DeskMaker, fresh

pytestmark = pytest.mark.mount

NOREPLACE, EXCHANGE, WHITEOUT = 1, 2, 4


def renameat2(old: Path, new: Path, flags: int) -> None:
    """The system call that Python has not."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.renameat2(-100, os.fsencode(old), -100, os.fsencode(new), flags) != 0:
        raise OSError(ctypes.get_errno(), "renameat2")


def staged_files(desk: Desk) -> list[str]:
    return sorted(path.name for path in (desk.drive.home / "state").glob("*/staging/*"))


# ---- folders --------------------------------------------------------------------------------------------------------


def test_folders_are_made_and_removed_on_the_server_at_once(desk: Desk) -> None:
    desk.run("mkdir -p a/b/c")
    assert list(desk.collections()) == ["a"]
    (desk / "a" / "b" / "c" / "x.txt").write_bytes(fresh())
    assert error_of((desk / "a" / "b").rmdir) == errno.ENOTEMPTY
    assert error_of((desk / "a" / "b" / "c").rmdir) == errno.ENOTEMPTY
    (desk / "a" / "b" / "c" / "x.txt").unlink()
    desk.run("rmdir -p a/b/c")
    assert desk.collections() == {}
    assert desk.names() == []


def test_a_folder_that_exists_is_not_made_again(desk: Desk) -> None:
    (desk / "a").mkdir()
    assert error_of((desk / "a").mkdir) == errno.EEXIST
    desk.put("a.txt", fresh())
    assert error_of((desk / "a.txt").mkdir) == errno.EEXIST
    assert error_of((desk / "none" / "b").mkdir) == errno.ENOENT


def test_a_folder_with_something_of_somebody_else_is_not_removed(desk: Desk) -> None:
    (desk / "a").mkdir()
    assert os.listdir(desk / "a") == []
    wire.put(desk.server, desk.collections()["a"], "theirs.txt", fresh())
    assert error_of((desk / "a").rmdir) == errno.ENOTEMPTY
    assert "theirs.txt" in desk.there(desk.collections()["a"])


def test_folders_are_renamed_and_moved_with_what_is_owed_in_them(desk: Desk) -> None:
    content = fresh()
    desk.run("mkdir a b")
    (desk / "a" / "x.txt").write_bytes(content)
    (desk / "a").rename(desk / "c")
    assert (desk / "c" / "x.txt").read_bytes() == content
    (desk / "c").rename(desk / "b" / "d")
    assert (desk / "b" / "d" / "x.txt").read_bytes() == content
    desk.flush()
    child = wire_children(desk, desk.collections()["b"])["d"]
    assert list(desk.there(child)) == ["x.txt"]


def wire_children(desk: Desk, collection: int) -> dict[str, int]:
    found = desk.server.rpc(
        "project_items", [], desk.server.info["project"], False, collection, 0, 1000, "title", None
    )["collections"]
    return {child["title"]: child["id"] for child in found}


def test_a_folder_is_renamed_over_an_empty_one_and_not_over_a_full_one(desk: Desk) -> None:
    desk.run("mkdir a empty full")
    (desk / "full" / "x.txt").write_bytes(fresh())
    (desk / "a" / "y.txt").write_bytes(fresh())
    assert error_of(lambda: os.rename(desk / "a", desk / "full")) == errno.ENOTEMPTY
    (desk / "a").rename(desk / "empty")
    assert desk.names() == ["empty", "full"]
    assert os.listdir(desk / "empty") == ["y.txt"]
    desk.flush()
    assert sorted(desk.collections()) == ["empty", "full"]


def test_a_file_and_a_folder_do_not_replace_each_other(desk: Desk) -> None:
    (desk / "folder").mkdir()
    (desk / "new.txt").write_bytes(fresh())
    desk.put("asset.txt", fresh())
    for name in ("new.txt", "asset.txt"):
        assert error_of(lambda name=name: os.rename(desk / name, desk / "folder")) == errno.EISDIR
        assert error_of(lambda name=name: os.rename(desk / "folder", desk / name)) == errno.ENOTDIR
        assert error_of((desk / name).rmdir) == errno.ENOTDIR
    assert error_of(lambda: os.unlink(desk / "folder")) == errno.EISDIR
    assert desk.names() == ["asset.txt", "folder", "new.txt"]


def test_a_folder_does_not_go_into_itself(desk: Desk) -> None:
    desk.run("mkdir -p a/b")
    assert error_of(lambda: os.rename(desk / "a", desk / "a" / "b" / "c")) == errno.EINVAL


# ---- names of files -------------------------------------------------------------------------------------------------


def test_an_asset_keeps_its_id_under_another_name_and_in_another_folder(desk: Desk) -> None:
    content = fresh()
    number = desk.put("a.txt", content)
    (desk / "a.txt").rename(desk / "b.txt")
    assert {title: found["id"] for title, found in desk.there().items()} == {"b.txt": number}
    (desk / "f").mkdir()
    (desk / "b.txt").rename(desk / "f" / "c.txt")
    assert desk.there() == {}
    assert {title: found["id"] for title, found in desk.there(desk.collections()["f"]).items()} == {"c.txt": number}
    assert (desk / "f" / "c.txt").read_bytes() == content
    assert desk.names() == ["f"]


def test_files_are_renamed_over_files_whatever_of_both_is_on_the_server(desk: Desk) -> None:
    for old_there in (True, False):
        for new_there in (True, False):
            old, new = fresh(), fresh()
            name = f"{old_there} {new_there}.txt"
            number = desk.put(name, old) if old_there else None
            if not old_there:
                (desk / name).write_bytes(old)
            if new_there:
                desk.put(f"new {name}", new)
            else:
                (desk / f"new {name}").write_bytes(new)
            (desk / f"new {name}").rename(desk / name)
            assert (desk / name).read_bytes() == new
            assert not (desk / f"new {name}").exists()
            desk.flush()
            assert desk.content(name) == new
            if number is not None and not new_there:
                assert desk.there()[name]["id"] == number
    assert len(desk.there()) == 4


def test_an_edited_asset_is_renamed_and_moved_before_its_upload(desk: Desk) -> None:
    number = desk.put("a.txt", fresh(50_000))
    (desk / "f").mkdir()
    with (desk / "a.txt").open("r+b") as file:
        file.write(b"edited")
    content = (desk / "a.txt").read_bytes()
    (desk / "a.txt").rename(desk / "b.txt")
    (desk / "b.txt").rename(desk / "f" / "c.txt")
    assert (desk / "f" / "c.txt").read_bytes() == content
    desk.flush()
    folder = desk.collections()["f"]
    assert desk.there(folder)["c.txt"]["id"] == number
    assert wire.content(desk.server, number) == content


def test_an_edited_asset_is_renamed_over_another_asset(desk: Desk) -> None:
    desk.put("a.txt", fresh(50_000))
    number = desk.put("b.txt", fresh(100))
    with (desk / "a.txt").open("r+b") as file:
        file.write(b"edited")
    content = (desk / "a.txt").read_bytes()
    (desk / "a.txt").rename(desk / "b.txt")
    assert (desk / "b.txt").read_bytes() == content
    desk.flush()
    assert desk.content("b.txt") == content
    assert list(desk.there()) == ["b.txt"]
    assert desk.there()["b.txt"]["id"] == number


def test_a_file_that_is_open_is_renamed_and_written_on(desk: Desk) -> None:
    for name in ("asset.txt", "new.txt"):
        content = fresh()
        if name == "asset.txt":
            desk.put(name, content)
        else:
            (desk / name).write_bytes(content)
        with (desk / name).open("r+b", buffering=0) as file:
            (desk / name).rename(desk / f"renamed {name}")
            file.seek(0, os.SEEK_END)
            file.write(b"more")
        desk.flush()
        assert desk.content(f"renamed {name}") == content + b"more"


def test_noreplace_and_exchange(desk: Desk) -> None:
    desk.put("a.txt", fresh())
    desk.put("b.txt", fresh())
    assert error_of(lambda: renameat2(desk / "a.txt", desk / "b.txt", NOREPLACE)) == errno.EEXIST
    assert error_of(lambda: renameat2(desk / "a.txt", desk / "b.txt", EXCHANGE)) == errno.EINVAL
    assert error_of(lambda: renameat2(desk / "a.txt", desk / "c.txt", WHITEOUT)) == errno.EINVAL
    renameat2(desk / "a.txt", desk / "c.txt", NOREPLACE)
    assert desk.names() == ["b.txt", "c.txt"]


def test_what_is_not_there_cannot_be_renamed_or_removed(desk: Desk) -> None:
    assert error_of(lambda: os.rename(desk / "a.txt", desk / "b.txt")) == errno.ENOENT
    assert error_of(lambda: os.unlink(desk / "a.txt")) == errno.ENOENT
    number = desk.put("c.txt", fresh())
    assert (desk / "c.txt").exists()
    desk.server.rpc("delete_resource", number)
    assert error_of(lambda: os.unlink(desk / "c.txt")) == errno.ENOENT
    desk.refresh()
    assert desk.names() == []


# ---- links ----------------------------------------------------------------------------------------------------------


def test_a_link_has_the_name_of_the_asset_and_no_other(desk: Desk) -> None:
    content = fresh()
    number = desk.put("a.txt", content)
    (desk / "f").mkdir()
    assert error_of(lambda: os.link(desk / "a.txt", desk / "f" / "b.txt")) == errno.EPERM
    assert error_of(lambda: os.link(desk / "a.txt", desk / "b.txt")) == errno.EPERM
    assert error_of(lambda: os.link(desk / "a.txt", desk / "a.txt")) == errno.EEXIST
    os.link(desk / "a.txt", desk / "f" / "a.txt")
    assert desk.there(desk.collections()["f"])["a.txt"]["id"] == number
    assert (desk / "f" / "a.txt").stat().st_ino == (desk / "a.txt").stat().st_ino
    assert (desk / "f" / "a.txt").read_bytes() == content


def test_removing_one_of_two_names_keeps_the_asset(desk: Desk) -> None:
    content = fresh()
    number = desk.put("a.txt", content)
    (desk / "f").mkdir()
    os.link(desk / "a.txt", desk / "f" / "a.txt")
    (desk / "a.txt").unlink()
    assert desk.there() == {}
    assert (desk / "f" / "a.txt").read_bytes() == content
    with (desk / "f" / "a.txt").open("ab") as file:
        file.write(b"more")
    desk.flush()
    assert wire.content(desk.server, number) == content + b"more"
    assert desk.names() == ["f"]
    (desk / "f" / "a.txt").unlink()
    assert desk.there(desk.collections()["f"]) == {}


def test_files_of_our_own_symbolic_links_and_devices_have_no_links(desk: Desk) -> None:
    (desk / "new.txt").write_bytes(fresh())
    (desk / "f").mkdir()
    assert error_of(lambda: os.link(desk / "new.txt", desk / "f" / "new.txt")) == errno.EPERM
    assert error_of(lambda: os.symlink("new.txt", desk / "link.txt")) == errno.EPERM
    assert error_of(lambda: os.mkfifo(desk / "pipe.txt")) == errno.EPERM


# ---- attributes of stat ---------------------------------------------------------------------------------------------


def test_modes_and_owners_stay_what_they_are(desk: Desk) -> None:
    desk.put("a.txt", fresh())
    there = (desk / "a.txt").stat()
    os.chmod(desk / "a.txt", there.st_mode & 0o7777)
    os.chown(desk / "a.txt", there.st_uid, there.st_gid)
    os.chown(desk / "a.txt", -1, -1)
    assert error_of(lambda: os.chmod(desk / "a.txt", 0o600)) == errno.EPERM
    assert error_of(lambda: os.chown(desk / "a.txt", 12345, -1)) == errno.EPERM
    assert error_of(lambda: os.chown(desk / "a.txt", -1, 12345)) == errno.EPERM
    assert error_of(lambda: os.chmod(desk.folder, 0o700)) == errno.EPERM
    (desk / "new.txt").write_bytes(fresh())
    os.chmod(desk / "new.txt", 0o600)
    assert (desk / "new.txt").stat().st_mode & 0o7777 == there.st_mode & 0o7777


def test_times_are_kept_after_the_upload_and_after_a_remount(own_desk: DeskMaker) -> None:
    stamps = {"before.txt": 1_500_000_000_123_456_789, "after.txt": 1_600_000_000_000_000_000, "old.txt": 10**18}
    with own_desk(*SOON) as desk:
        desk.put("old.txt", fresh())
        for name in ("before.txt", "after.txt"):
            (desk / name).write_bytes(fresh())
        os.utime(desk / "before.txt", ns=(0, stamps["before.txt"]))
        desk.flush()
        for name in ("after.txt", "old.txt"):
            os.utime(desk / name, ns=(0, stamps[name]))
        assert {name: (desk / name).stat().st_mtime_ns for name in stamps} == stamps
    with own_desk(*SOON) as desk:
        assert {name: (desk / name).stat().st_mtime_ns for name in stamps} == stamps
        assert {entry.name: entry.stat().st_mtime_ns for entry in os.scandir(desk.folder)} == stamps
        (desk / "old.txt").write_bytes(fresh())
        assert abs((desk / "old.txt").stat().st_mtime_ns - time.time_ns()) < 60 * 10**9


def test_the_time_of_a_file_does_not_change_when_it_is_uploaded(desk: Desk) -> None:
    (desk / "a.txt").write_bytes(fresh())
    before = (desk / "a.txt").stat()
    desk.flush()
    after = (desk / "a.txt").stat()
    assert (after.st_mtime_ns, after.st_size, after.st_ino) == (before.st_mtime_ns, before.st_size, before.st_ino)


# ---- what is refused ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["noextension", "a.unknowntype", ".hidden", "a.", "program.xyz123"])
def test_a_type_that_the_server_refuses_is_refused_before_a_byte_is_staged(desk: Desk, name: str) -> None:
    before = staged_files(desk)
    desk.server.forget()
    assert error_of(lambda: (desk / name).write_bytes(b"x")) == errno.EOPNOTSUPP
    assert staged_files(desk) == before
    assert desk.chunks() == 0
    (desk / "a.txt").write_bytes(fresh())
    assert error_of(lambda: os.rename(desk / "a.txt", desk / name)) == errno.EOPNOTSUPP
    assert desk.names() == ["a.txt"]


def test_names_that_are_too_long_or_no_text(desk: Desk) -> None:
    long = "x" * 252 + ".txt"
    actions: list[Callable[[], object]] = [
        lambda: (desk / long).write_bytes(b"x"),
        lambda: (desk / long).mkdir(),
        lambda: os.rename(desk / "a.txt", desk / long),
    ]
    (desk / "a.txt").write_bytes(fresh())
    for action in actions:
        assert error_of(action) == errno.ENAMETOOLONG
    bad = os.fsencode(desk.folder) + b"/\xff\xfe.txt"
    assert error_of(lambda: os.close(os.open(bad, os.O_CREAT | os.O_WRONLY))) == errno.EINVAL
    assert error_of(lambda: os.mkdir(bad)) == errno.EINVAL
    assert error_of(lambda: os.rename(desk / "a.txt", bad)) == errno.EINVAL
    for other in ("tab\t.txt", "100%41.txt"):  # they would be shown as tab%09.txt and 100A.txt
        assert error_of(lambda other=other: (desk / other).write_bytes(b"x")) == errno.EINVAL


def test_names_at_the_limit_and_with_every_letter_go_there_and_back(desk: Desk) -> None:
    contents = {
        name: fresh()
        for name in (
            "x" * 251 + ".txt",
            "é\u0301.txt",
            " a b .txt",
            "-rf *.txt",
            "q\"'`$(x).txt",
            "100%.txt",
            "a%2Fb.txt",
        )
    }
    for name, content in contents.items():
        (desk / name).write_bytes(content)
    desk.flush()
    desk.refresh()
    assert desk.names() == sorted(contents)
    assert {name: (desk / name).read_bytes() for name in contents} == contents


@pytest.mark.parametrize("name", [" a", "a ", "\ta"])
def test_folder_names_that_the_server_would_change_are_refused(desk: Desk, name: str) -> None:
    assert error_of((desk / name).mkdir) == errno.EINVAL


def test_the_top_level_takes_nothing(desk: Desk) -> None:
    top = desk.drive.path
    assert error_of(lambda: (top / "a.txt").write_bytes(b"x")) == errno.EACCES
    assert error_of(lambda: (top / "a").mkdir()) == errno.EACCES
    assert error_of(lambda: desk.project.rmdir()) == errno.EACCES
    assert error_of(lambda: os.rename(desk.project, top / "other")) == errno.EACCES
    assert error_of(lambda: (top / ".assetfs" / "a.txt").write_bytes(b"x")) == errno.EPERM


def test_a_read_only_mount_refuses_every_change(mount: Mount, sandbox: RunningSandbox) -> None:
    wire.put(sandbox, wire.root(sandbox), "a.txt", fresh())
    with mount("--read-only") as drive:
        folder = drive.path / "Sandbox"
        for action in (
            lambda: (folder / "b.txt").write_bytes(b"x"),
            lambda: (folder / "a.txt").write_bytes(b"x"),
            lambda: (folder / "a.txt").unlink(),
            lambda: (folder / "b").mkdir(),
            lambda: os.rename(folder / "a.txt", folder / "b.txt"),
            lambda: os.truncate(folder / "a.txt", 0),
            lambda: os.utime(folder / "a.txt"),
            lambda: os.setxattr(folder / "a.txt", "user.xdg.tags", b"x"),
        ):
            assert error_of(action) == errno.EROFS


def test_a_key_that_may_only_read_is_told_so_at_create(mount: Mount, sandbox: RunningSandbox) -> None:
    wire.put(sandbox, wire.root(sandbox), "a.txt", fresh())
    with mount(credential=sandbox.info["readonly_credential"]) as drive:
        folder = drive.path / "Sandbox"
        assert (folder / "a.txt").stat().st_mode & 0o222 == 0
        assert error_of(lambda: (folder / "b.txt").write_bytes(b"x")) == errno.EACCES
        assert error_of(lambda: (folder / "a.txt").write_bytes(b"x")) == errno.EACCES
        assert error_of(lambda: (folder / "a.txt").unlink()) == errno.EACCES
        assert error_of(lambda: (folder / "b").mkdir()) == errno.EACCES
        assert drive.status()["uploads"]["pending"] == 0
