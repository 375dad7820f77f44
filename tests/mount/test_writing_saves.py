"""Identity: however a program saves, the asset stays the asset: its id, tags, metadata, collections.

Each way is the sequence of system calls that the program makes (seen with strace), and where the program is at hand,
the program itself.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import wire
from tests.mounts import eventually
from tests.writing import Desk, fresh

pytestmark = pytest.mark.mount

NAME = "letter.txt"


class Asset:
    """An asset with a history, in two collections."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.content = f"Dear Louise, {fresh(20).hex()}\nthe second line\n".encode()
        self.number = desk.put(NAME, self.content)
        server, project = desk.server, desk.server.info["project"]
        server.rpc("set_tag", "LETTERS", project)
        server.rpc("add_tag_to_resource", "LETTERS", self.number)
        os.setxattr(desk / NAME, "user.jama.meta.Dublin_Core.creator", b"A. Lovelace")
        self.other = wire.folder(server, f"{desk.name}, other")
        server.rpc("add_resource_to_collection", self.number, self.other)
        assert desk.there()[NAME]["id"] == self.number

    def is_saved_as(self, content: bytes, *, also: tuple[str, ...] = ()) -> None:
        """The same asset with new bytes; one entry in each collection, and nothing else but `also`."""
        assert (self.desk / NAME).read_bytes() == content
        self.desk.flush()
        there = self.desk.there()
        assert sorted(there) == sorted([NAME, *also])
        asset = there[NAME]
        assert asset["id"] == self.number
        assert wire.content(self.desk.server, self.number) == content
        assert [tag["uid"] for tag in asset["tags"]] == ["LETTERS"]
        assert [(meta["meta"]["title"], meta["value"]) for meta in asset["metas"]] == [("creator", "A. Lovelace")]
        assert self.desk.there(self.other)[NAME]["id"] == self.number
        assert self.desk.id_of(NAME) == self.number
        assert self.desk.xattr(NAME, "user.xdg.tags") == "LETTERS"
        assert self.desk.uploads() == {}


@pytest.fixture
def asset(desk: Desk) -> Asset:
    with contextlib.suppress(Exception):
        project = desk.server.info["project"]
        field_set = desk.server.rpc("add_metadataset", "Dublin_Core", project)
        desk.server.rpc("add_metadata", "creator", field_set)
    return Asset(desk)


def write(path: Path, content: bytes, flags: int = os.O_WRONLY | os.O_CREAT | os.O_EXCL) -> None:
    file = os.open(path, flags, 0o644)
    os.write(file, content)
    os.fsync(file)
    os.close(file)


# ---- the sequences --------------------------------------------------------------------------------------------------


def in_place(folder: Path, content: bytes) -> None:
    with (folder / NAME).open("r+b") as file:
        file.write(content)
        file.truncate()


def truncated_and_written(folder: Path, content: bytes) -> None:
    write(folder / NAME, content, os.O_WRONLY | os.O_TRUNC)


def temporary_renamed_over(folder: Path, content: bytes) -> None:
    write(folder / f"{NAME}.tmp", content)
    (folder / f"{NAME}.tmp").rename(folder / NAME)


def vim_without_backup(folder: Path, content: bytes) -> None:
    """`backupcopy=no`: a probe, the original moved away, written anew, the backup deleted."""
    write(folder / "4913", b"")
    (folder / "4913").unlink()
    (folder / NAME).rename(folder / f"{NAME}~")
    write(folder / NAME, content, os.O_WRONLY | os.O_CREAT)
    os.chmod(folder / NAME, 0o644)
    (folder / f"{NAME}~").unlink()


def vim_with_backup_copy(folder: Path, content: bytes) -> None:
    """`backupcopy=yes`: the backup is a copy, the original is written in place."""
    write(folder / f"{NAME}~", (folder / NAME).read_bytes())
    write(folder / NAME, content, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    (folder / f"{NAME}~").unlink()


def emacs(folder: Path, content: bytes) -> None:
    """A lock (a link, refused here), an auto-save file, the original moved to its backup, written anew."""
    with contextlib.suppress(OSError):
        os.symlink("ann@host.1:1", folder / f".#{NAME}")
    write(folder / f"#{NAME}#", content)
    (folder / NAME).rename(folder / f"{NAME}~")
    write(folder / NAME, content, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    (folder / f"#{NAME}#").unlink()
    (folder / f"{NAME}~").unlink()


def libreoffice(folder: Path, content: bytes) -> None:
    """A lock file, a temporary `lu*.tmp` renamed over the original, the lock taken away."""
    write(folder / f".~lock.{NAME}#", b",ann,host,21.11.2026 10:00,file:///home/ann;")
    write(folder / "lu12345abcde.tmp", content)
    (folder / "lu12345abcde.tmp").rename(folder / NAME)
    (folder / f".~lock.{NAME}#").unlink()


def gnome(folder: Path, content: bytes) -> None:
    """GFile: `.goutputstream-XXXXXX`, renamed over."""
    write(folder / ".goutputstream-A1B2C3", content)
    (folder / ".goutputstream-A1B2C3").rename(folder / NAME)


def kde(folder: Path, content: bytes) -> None:
    """QSaveFile: `name.XXXXXX`, renamed over."""
    write(folder / f"{NAME}.AbCdEf", content)
    os.chmod(folder / f"{NAME}.AbCdEf", 0o644)
    (folder / f"{NAME}.AbCdEf").rename(folder / NAME)


def gimp(folder: Path, content: bytes) -> None:
    """GIMP and older GTK programs: written over with O_TRUNC after a read of the old one."""
    (folder / NAME).read_bytes()
    with (folder / NAME).open("wb") as file:
        for at in range(0, len(content), 7):
            file.write(content[at : at + 7])
            file.flush()


def photoshop(folder: Path, content: bytes) -> None:
    """Windows programs (ReplaceFile): the new one beside it, the old one moved away, the new one in its place."""
    write(folder / "~PS1234.tmp", content)
    (folder / NAME).rename(folder / f"{NAME}.bak")
    (folder / "~PS1234.tmp").rename(folder / NAME)
    (folder / f"{NAME}.bak").unlink()


def exiftool(folder: Path, content: bytes) -> None:
    """The new one beside it, the original moved to a backup that stays, the new one in its place."""
    write(folder / f"{NAME}_exiftool_tmp", content)
    (folder / NAME).rename(folder / f"{NAME}_original")
    (folder / f"{NAME}_exiftool_tmp").rename(folder / NAME)
    (folder / f"{NAME}_original").unlink()


def rsync_like(folder: Path, content: bytes) -> None:
    write(folder / f".{NAME}.Xy12Zq", content)
    os.utime(folder / f".{NAME}.Xy12Zq", (1_700_000_000, 1_700_000_000))
    (folder / f".{NAME}.Xy12Zq").rename(folder / NAME)


WAYS: tuple[Callable[[Path, bytes], None], ...] = (
    in_place,
    truncated_and_written,
    temporary_renamed_over,
    vim_without_backup,
    vim_with_backup_copy,
    emacs,
    libreoffice,
    gnome,
    kde,
    gimp,
    photoshop,
    exiftool,
    rsync_like,
)


@pytest.mark.parametrize("way", WAYS)
def test_saving_keeps_the_asset(desk: Desk, asset: Asset, way: Callable[[Path, bytes], None]) -> None:
    new = b"Dear Louise, " + fresh(50)
    way(desk.folder, new)
    asset.is_saved_as(new)


@pytest.mark.parametrize("way", WAYS)
def test_saving_twice_before_the_upload_keeps_the_asset(
    desk: Desk, asset: Asset, way: Callable[[Path, bytes], None]
) -> None:
    first, second = fresh(500), fresh(60)
    way(desk.folder, first)
    assert (desk / NAME).read_bytes() == first
    way(desk.folder, second)
    asset.is_saved_as(second)


@pytest.mark.parametrize("way", WAYS)
def test_whoever_has_the_asset_open_sees_one_content_or_the_other(
    desk: Desk, asset: Asset, way: Callable[[Path, bytes], None]
) -> None:
    new = fresh(len(asset.content))
    with (desk / NAME).open("rb", buffering=0) as reader:
        way(desk.folder, new)
        assert os.pread(reader.fileno(), 10_000, 0) in (asset.content, new)
    asset.is_saved_as(new)


# ---- a backup that stays --------------------------------------------------------------------------------------------


def test_a_backup_that_stays_has_the_old_bytes_and_never_reaches_the_server(desk: Desk, asset: Asset) -> None:
    for content, before in ((b"first " + fresh(), asset.content), (b"second " + fresh(), None)):
        previous = (desk / NAME).read_bytes()
        assert before in (None, previous)
        (desk / NAME).rename(desk / f"{NAME}~")
        write(desk / NAME, content, os.O_WRONLY | os.O_CREAT)
        assert (desk / f"{NAME}~").read_bytes() == previous
        asset.is_saved_as(content)
        assert (desk / f"{NAME}~").read_bytes() == previous
        assert desk.state(f"{NAME}~") == "local"
        (desk / f"{NAME}~").unlink()


def test_a_second_backup_replaces_the_first(desk: Desk, asset: Asset) -> None:
    previous = asset.content
    for content in (fresh(), fresh(), fresh()):
        (desk / NAME).rename(desk / f"{NAME}~")
        write(desk / NAME, content, os.O_WRONLY | os.O_CREAT)
        assert (desk / f"{NAME}~").read_bytes() == previous
        previous = content
    asset.is_saved_as(previous)
    assert desk.names() == [NAME, f"{NAME}~"]


def test_a_rename_to_a_backup_name_that_nothing_follows_goes_to_the_server(desk: Desk, asset: Asset) -> None:
    (desk / NAME).rename(desk / f"{NAME}.orig.txt")
    assert desk.names() == [f"{NAME}.orig.txt"]
    (desk / f"{NAME}.orig.txt").rename(desk / NAME)
    (desk / NAME).rename(desk / "#letter.txt#")
    assert desk.names() == ["#letter.txt#"]
    assert list(desk.there()) == [NAME]
    assert desk.drive.status()["uploads"]["held"] == 1
    (desk / "#letter.txt#").rename(desk / NAME)
    assert desk.drive.status()["uploads"]["held"] == 0
    asset.is_saved_as(asset.content)


def test_a_backup_renamed_back_undoes_the_save(desk: Desk, asset: Asset) -> None:
    (desk / NAME).rename(desk / f"{NAME}~")
    (desk / f"{NAME}~").rename(desk / NAME)
    asset.is_saved_as(asset.content)
    (desk / NAME).rename(desk / f"{NAME}~")
    write(desk / NAME, b"half a", os.O_WRONLY | os.O_CREAT)
    (desk / f"{NAME}~").rename(desk / NAME)
    asset.is_saved_as(asset.content)


def test_a_backup_deleted_while_it_is_held_deletes_the_asset(desk: Desk, asset: Asset) -> None:
    desk.server.rpc("remove_resource_from_collection", asset.number, asset.other)
    (desk / NAME).rename(desk / f"{NAME}~")
    (desk / f"{NAME}~").unlink()
    desk.flush()
    assert desk.there() == {}
    assert desk.names() == []


def test_a_backup_name_that_the_server_refuses_is_undone_and_said(desk: Desk, asset: Asset) -> None:
    desk.run("mv letter.txt letter.txt.bak")
    desk.flush()
    asset.is_saved_as(asset.content)
    assert "could not be renamed to letter.txt.bak" in desk.xattr(NAME, "user.assetfs.error")
    told = [entry for entry in desk.drive.status()["uploads"]["happened"] if entry["place"].startswith(desk.name)]
    assert [(entry["place"], entry["kept_as"]) for entry in told] == [(f"{desk.name}/letter.txt.bak", NAME)]
    assert "the rename was refused" in told[0]["reason"]


# ---- the programs themselves ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "command",
    [
        "sed -i s/Louise/Ada/ letter.txt",
        "vim -u NONE -Nes '+set bsk=' '+%s/Louise/Ada/' +wq letter.txt",
        "vim -u NONE -Nes '+set bsk= backupcopy=no' '+%s/Louise/Ada/' +wq letter.txt",
        "vim -u NONE -Nes '+set bsk= backupcopy=yes' '+%s/Louise/Ada/' +wq letter.txt",
        "vim -u NONE -Nes '+set bsk= backupcopy=no writebackup' '+%s/Louise/Ada/' +w '+%s/Ada/Ann/' +w '+%s/Ann/Ada/'"
        " +wq letter.txt",
        "sed s/Louise/Ada/ letter.txt >$T/new; cp $T/new letter.txt",
        "sed s/Louise/Ada/ letter.txt >$T/letter.txt; rsync -a $T/letter.txt ./",
        "sed s/Louise/Ada/ letter.txt >$T/letter.txt; rsync --inplace -a $T/letter.txt ./",
        "sed s/Louise/Ada/ letter.txt >$T/letter.txt; (cd $T; tar c letter.txt) | tar x --overwrite",
        'python3 -c \'from pathlib import Path as P; p = P("letter.txt"); t = p.read_text().replace("Louise", "Ada");'
        " p.write_text(t)'",
        "sed s/Louise/Ada/ letter.txt >$T/new; diff -u letter.txt $T/new >$T/diff || patch -s letter.txt $T/diff",
    ],
)
def test_programs_keep_the_asset(desk: Desk, asset: Asset, command: str, tmp_path: Path) -> None:
    desk.run(command, T=str(tmp_path))
    asset.is_saved_as(asset.content.replace(b"Louise", b"Ada"))


def test_vim_with_a_backup_keeps_the_asset_and_leaves_the_backup(desk: Desk, asset: Asset) -> None:
    vim = "vim -u NONE -Nes '+set bsk= backup backupcopy=no' '+%s/{}/{}/' +wq letter.txt"
    desk.run(vim.format("Louise", "Ada"))
    desk.run(vim.format("Ada", "Ann"))
    asset.is_saved_as(asset.content.replace(b"Louise", b"Ann"))
    assert (desk / f"{NAME}~").read_bytes() == asset.content.replace(b"Louise", b"Ada")


def test_an_asset_is_edited_through_either_of_its_names(desk: Desk, asset: Asset) -> None:
    other = desk.project / f"{desk.name}, other"
    desk.refresh(desk.project)
    desk.refresh(other)
    assert (desk / NAME).stat().st_ino == (other / NAME).stat().st_ino
    first, second = fresh(300), fresh(5_000)
    temporary_renamed_over(desk.folder, first)
    assert eventually(lambda: (other / NAME).read_bytes() == first)  # a second name follows within --entry-timeout
    asset.is_saved_as(first)
    assert (other / NAME).stat().st_size == 300
    temporary_renamed_over(other, second)
    assert eventually(lambda: (desk / NAME).read_bytes() == second)
    asset.is_saved_as(second)
    assert (desk / NAME).stat().st_size == 5_000
    with (other / NAME).open("ab") as file:
        file.write(b"end")
    asset.is_saved_as(second + b"end")


def test_after_an_edit_the_other_name_shows_the_new_content_even_when_the_kernel_has_forgotten(
    desk: Desk, asset: Asset
) -> None:
    other = desk.project / f"{desk.name}, other"
    desk.refresh(desk.project)
    assert os.listdir(other) == [NAME]
    new = fresh(4_000)
    write(desk / NAME, new, os.O_WRONLY | os.O_TRUNC)
    desk.flush()
    desk.run("sync; echo 2 > /proc/sys/vm/drop_caches || true")
    assert [entry.stat().st_size for entry in os.scandir(other)] == [4_000]
    assert (other / NAME).read_bytes() == new
