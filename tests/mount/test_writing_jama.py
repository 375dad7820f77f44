"""What is particular to Jama: equal bytes are kept once, types are fixed, and what was deleted may come back."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from tests.mounts import error_of, eventually, mounted
from tests.sandboxes import start_sandbox
from tests.writing import SOON, Desk, fresh

pytestmark = pytest.mark.mount


def test_a_copy_of_the_same_name_becomes_a_second_place_of_the_asset(desk: Desk) -> None:
    content = fresh()
    number = desk.put("a.txt", content)
    desk.run("mkdir f; cp a.txt f/")
    desk.flush()
    assert desk.there(desk.collections()["f"])["a.txt"]["id"] == number
    assert desk.id_of("f/a.txt") == number
    assert eventually(lambda: (desk / "f" / "a.txt").stat().st_ino == (desk / "a.txt").stat().st_ino)
    with (desk / "f" / "a.txt").open("ab") as file:
        file.write(b"more")
    assert eventually(lambda: (desk / "a.txt").read_bytes() == content + b"more")
    desk.flush()
    assert desk.content("a.txt") == content + b"more"


def test_a_copy_of_another_name_stays_here_and_says_why(desk: Desk) -> None:
    content = fresh()
    number = desk.put("a.txt", content)
    desk.run("cp a.txt b.txt")
    reason = desk.failed("b.txt")
    assert f"r{number}" in reason
    assert desk.xattr("b.txt", "user.assetfs.error") == reason
    assert (desk / "b.txt").read_bytes() == content
    assert list(desk.there()) == ["a.txt"]
    assert f"{desk.name}/b.txt stays here" in desk.drive.log()
    with (desk / "b.txt").open("ab") as file:
        file.write(b"different now")
    desk.flush()
    assert desk.content("b.txt") == content + b"different now"


def test_an_edit_that_makes_an_asset_equal_to_another_stays_here(desk: Desk) -> None:
    content, other = fresh(), fresh()
    desk.put("a.txt", content)
    desk.put("b.txt", other)
    (desk / "b.txt").write_bytes(content)
    assert "same content" in desk.failed("b.txt")
    assert desk.content("b.txt") == other
    assert (desk / "b.txt").read_bytes() == content


def test_there_is_one_empty_file_and_the_others_stay_here(desk: Desk) -> None:
    desk.run("touch a.txt b.txt c.txt")
    desk.flush()
    there = [name for name in desk.there() if name in ("a.txt", "b.txt", "c.txt")]
    assert len(there) <= 1
    assert desk.names() == ["a.txt", "b.txt", "c.txt"]
    assert desk.uploads() == {}
    content = fresh()
    for name in desk.names():
        (desk / name).write_bytes(content + name.encode())
    desk.flush()
    assert {name: desk.content(name) for name in desk.names()} == {n: content + n.encode() for n in desk.names()}


def test_deleted_bytes_come_back_as_the_asset_that_they_were(desk: Desk) -> None:
    content = fresh()
    number = desk.put("a.txt", content)
    (desk / "a.txt").unlink()
    assert desk.names() == []
    (desk / "b.txt").write_bytes(content)
    desk.flush()
    assert desk.there()["b.txt"]["id"] == number
    desk.refresh()
    assert desk.names() == ["b.txt"]
    assert (desk / "b.txt").read_bytes() == content


def test_a_deleted_folder_comes_back_with_what_it_was_known_by(desk: Desk) -> None:
    (desk / "f").mkdir()
    number = desk.collections()["f"]
    (desk / "f").rmdir()
    (desk / "f").mkdir()
    assert desk.collections()["f"] == number
    (desk / "f" / "a.txt").write_bytes(fresh())
    desk.flush()
    assert list(desk.there(number)) == ["a.txt"]


def test_the_title_of_a_deleted_folder_is_not_free_for_a_rename(desk: Desk) -> None:
    desk.run("mkdir f g; rmdir f")
    assert error_of(lambda: os.rename(desk / "g", desk / "f")) == errno.EEXIST
    assert desk.names() == ["g"]


def test_removing_a_folder_is_never_recursive(desk: Desk) -> None:
    desk.run("mkdir -p f/g")
    (desk / "f" / "a.txt").write_bytes(fresh())
    assert error_of((desk / "f").rmdir) == errno.ENOTEMPTY
    desk.flush()
    assert error_of((desk / "f").rmdir) == errno.ENOTEMPTY
    desk.run("rm -r f")
    assert desk.names() == []
    assert desk.collections() == {}


def test_mv_between_projects_copies(tmp_path: Path) -> None:
    content = fresh(50_000)
    with start_sandbox(seed="demo") as server, mounted(server.source, server.credential, tmp_path, *SOON) as drive:
        first, second = (drive.path / name for name in sorted(os.listdir(drive.path))[:2])
        (first / "a.txt").write_bytes(content)
        assert eventually(lambda: os.getxattr(first / "a.txt", "user.assetfs.state") == b"clean")
        assert error_of(lambda: os.rename(first / "a.txt", second / "a.txt")) == errno.EXDEV
        assert error_of(lambda: os.link(first / "a.txt", second / "a.txt")) == errno.EXDEV
        drive.run("mv", first / "a.txt", second / "a.txt")
        assert not (first / "a.txt").exists()
        assert (second / "a.txt").read_bytes() == content
        assert eventually(lambda: os.getxattr(second / "a.txt", "user.assetfs.state") == b"clean")


def test_an_extension_does_not_change_with_a_rename(desk: Desk) -> None:
    desk.put("a.txt", fresh())
    assert error_of(lambda: os.rename(desk / "a.txt", desk / "a.jpg")) == errno.EINVAL
    assert desk.names() == ["a.txt"]


def test_a_large_file_goes_up_in_chunks_and_only_the_missing_ones_again(desk: Desk) -> None:
    content = fresh(20 << 20)
    desk.server.arm("status", {"kind": "upload"}, status=503, nth=3, count=4)
    desk.server.forget()
    (desk / "film.bin").write_bytes(content)
    desk.flush(60)
    assert desk.content("film.bin") == content
    done = [entry for entry in desk.server.listing() if entry["kind"] == "upload" and entry["status"] in (200, 202)]
    assert len(done) == 3


def test_a_copy_between_two_folders_of_the_drive_keeps_the_bytes(desk: Desk, tmp_path: Path) -> None:
    content = fresh(3_000_000)
    (desk / "a.bin").write_bytes(content)
    desk.run("mkdir f; cp -a a.bin f/a.bin; cmp a.bin f/a.bin")
    desk.flush()
    assert desk.there()["a.bin"]["id"] == desk.there(desk.collections()["f"])["a.bin"]["id"]


def test_the_link_count_follows_what_is_linked_and_unlinked_here(desk: Desk) -> None:
    desk.put("a.txt", fresh())
    places = [desk / name for name in ("first", "second")]
    for place in places:
        place.mkdir()
        os.link(desk / "a.txt", place / "a.txt")
    assert [path.stat().st_nlink for path in (desk / "a.txt", *(place / "a.txt" for place in places))] == [3, 3, 3]
    (desk / "a.txt").unlink()
    assert [(place / "a.txt").stat().st_nlink for place in places] == [2, 2]
    (places[0] / "a.txt").unlink()
    assert (places[1] / "a.txt").stat().st_nlink == 1
    with (places[1] / "a.txt").open("rb") as opened:
        (places[1] / "a.txt").unlink()
        assert os.fstat(opened.fileno()).st_nlink == 0
    assert desk.there() == {}
