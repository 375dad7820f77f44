"""Drafts: folders that exist here only, with everything that a disk has, until they are handed over as one."""

from __future__ import annotations

import errno
import json
import mmap
import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.depots import SOURCE, WITH_DEPOTS, Depot, depot, empty
from tests.example.disk import NOTE, Disk
from tests.mounts import alive, assetfs, error_of, eventually, unmount, watchdog

pytestmark = pytest.mark.mount

COMMIT = "user.depot.commit"


def versions(home: Path) -> Disk:
    disk = empty(home)
    (disk.tree / "hero").mkdir(exist_ok=True)
    return disk


def state(path: Path) -> str:
    return os.getxattr(path, "user.assetfs.state").decode()


def kill(found: Depot) -> None:
    """The daemon dies at once, and its mount is taken away."""
    os.kill(found.mount.pid, signal.SIGKILL)
    assert eventually(lambda: not alive(found.mount.pid), 30)
    unmount(found.path)


def test_everything_works_in_a_draft_and_nothing_leaves_it(tmp_path: Path) -> None:
    disk = versions(tmp_path)
    with depot(tmp_path, disk=disk) as found:
        draft = found.path / "hero" / "v1.draft"
        draft.mkdir()
        assert state(draft) == "draft"
        (draft / "textures" / "deep").mkdir(parents=True)
        file = draft / "textures" / "deep" / "skin.tif"
        file.write_bytes(b"0123456789")
        with file.open("ab") as more:
            more.write(b"abc")
        with file.open("r+b") as middle:
            middle.seek(3)
            middle.write(b"XX")
        os.truncate(file, 12)
        assert file.read_bytes() == b"012XX56789ab"
        with file.open("r+b") as opened, mmap.mmap(opened.fileno(), 0) as mapped:
            mapped[0:3] = b"abc"
        assert file.read_bytes() == b"abcXX56789ab"
        file.chmod(0o600)
        os.utime(file, ns=(1_000_000_000, 1_000_000_000))
        assert (file.stat().st_mode & 0o777, file.stat().st_mtime_ns) == (0o600, 1_000_000_000)
        os.link(file, draft / "same.tif")
        assert file.stat().st_nlink == 2
        assert os.path.samefile(file, draft / "same.tif")
        (draft / "latest").symlink_to("textures/deep")
        assert (draft / "latest" / "skin.tif").read_bytes() == b"abcXX56789ab"
        os.setxattr(file, "user.anything", b"kept")
        (draft / "textures").rename(draft / "maps")
        moved = draft / "maps" / "deep" / "skin.tif"
        assert os.getxattr(moved, "user.anything") == b"kept"
        with moved.open("rb") as still:
            moved.unlink()
            assert still.read() == b"abcXX56789ab"
            assert os.fstat(still.fileno()).st_size == 12
        (draft / "same.tif").replace(draft / "maps" / "final.tif")
        assert set(os.listdir(draft)) == {"latest", "maps"}
        found.mount.run("tar", "-C", "hero", "-cf", "/dev/null", "v1.draft")
        assert error_of((draft / "forbidden").touch) == errno.EINVAL
        assert error_of(lambda: (draft / "maps" / "final.tif").rename(found.path / "hero" / "final.tif")) == errno.EXDEV
        assert error_of(draft.rmdir) == errno.ENOTEMPTY
        assert os.listdir(disk.tree / "hero") == []
        assert os.listdir(found.path / "hero") == ["v1.draft"]
        found.mount.run("rm", "-r", "hero/v1.draft")
        assert os.listdir(found.path / "hero") == []
        records = next((tmp_path / "state").glob("*/drafts/records"))
        assert os.listdir(records) == []


def test_a_rename_hands_it_over_whole(tmp_path: Path) -> None:
    disk = versions(tmp_path)
    with depot(tmp_path, disk=disk) as found:
        draft, final = found.path / "hero" / "v1.draft", found.path / "hero" / "v1"
        (draft / "maps").mkdir(parents=True)
        (draft / "maps" / "skin.tif").write_bytes(b"skin")
        (draft / "hero.obj").write_text("a model\n")
        found.mount.run("setfattr", "-n", NOTE, "-v", "first", "hero/v1.draft")
        number = draft.stat().st_ino
        with (draft / "hero.obj").open() as opened:
            draft.rename(final)
            assert opened.read() == "a model\n"
        assert (disk.tree / "hero" / "v1" / "maps" / "skin.tif").read_bytes() == b"skin"
        assert os.listdir(found.path / "hero") == ["v1"]
        assert final.stat().st_ino == number
        assert (final / "maps" / "skin.tif").read_bytes() == b"skin"
        assert os.getxattr(final, NOTE) == b"first"
        assert eventually(lambda: not draft.exists(), 30)
        assert not list((tmp_path / "state").glob("*/drafts/files/*"))
        (final / "more.txt").write_text("an ordinary folder now\n")


def test_what_is_not_fit_stays_and_says_why(tmp_path: Path) -> None:
    disk = versions(tmp_path)
    with depot(tmp_path, disk=disk) as found:
        draft = found.path / "hero" / "v1.draft"
        draft.mkdir()
        assert error_of(lambda: draft.rename(found.path / "hero" / "v1")) == errno.EINVAL
        assert os.getxattr(draft, "user.assetfs.error") == b"a draft without a file is nothing"
        assert state(draft) == "failed"
        listed = assetfs("uploads", found.path, home=tmp_path, user=WITH_DEPOTS)
        assert "a draft without a file is nothing" in listed.stdout
        with (draft / "file.txt").open("w") as writing:
            writing.write("content")
            assert error_of(lambda: draft.rename(found.path / "hero" / "v1")) == errno.EBUSY
        (disk.tree / "hero" / "v1").mkdir()
        disk.tell(folder=disk.id_of(disk.tree / "hero"))
        assert error_of(lambda: draft.rename(found.path / "hero" / "v1")) in (errno.EEXIST, errno.ENOTEMPTY)
        assert (draft / "file.txt").read_text() == "content"
        draft.rename(found.path / "hero" / "v2")
        assert (disk.tree / "hero" / "v2" / "file.txt").read_text() == "content"
        other = found.path / "hero" / "other.draft"
        other.mkdir()
        other.rename(found.path / "hero" / "another.draft")
        assert set(os.listdir(found.path / "hero")) == {"another.draft", "v1", "v2"}


def test_a_server_that_takes_its_time(tmp_path: Path) -> None:
    disk = versions(tmp_path)
    with watchdog(100), depot(tmp_path, "--drafts-here", disk=disk) as found:
        draft = found.path / "hero" / "v1.draft"
        draft.mkdir()
        (draft / "file.txt").write_text("content")
        assert len(os.listdir(disk.folder / "drafts")) == 1, "it lies where the backend says"
        os.setxattr(draft, COMMIT, b"slow")
        assert state(draft) == "uploading"
        assert os.getxattr(draft, "user.depot.stage") == b"sent"
        assert (draft / "file.txt").read_text() == "content"
        for change in (
            lambda: (draft / "file.txt").write_text("other"),
            lambda: (draft / "new.txt").touch(),
            lambda: (draft / "file.txt").unlink(),
            lambda: (draft / "sub").mkdir(),
            lambda: (draft / "file.txt").rename(draft / "else.txt"),
            draft.rmdir,
        ):
            assert error_of(change) == errno.EROFS
        (disk.accepted / "v1").write_text("the tape has no room")
        assert eventually(lambda: state(draft) == "failed", 30)
        assert os.getxattr(draft, "user.assetfs.error") == b"the tape has no room"
        (draft / "file.txt").write_text("shorter")
        os.setxattr(draft, COMMIT, b"slow")
        kill(found)
        with depot(tmp_path, "--drafts-here", disk=disk) as again:
            assert state(again.path / "hero" / "v1.draft") == "uploading"
            (disk.accepted / "v1").write_text("yes")
            assert eventually((again.path / "hero" / "v1").exists, 30)
            assert (again.path / "hero" / "v1" / "file.txt").read_text() == "shorter"
            assert eventually(lambda: os.listdir(again.path / "hero") == ["v1"], 30)
            assert os.listdir(disk.folder / "drafts") == []


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_commit_that_is_killed_is_done_once(tmp_path: Path, when: str) -> None:
    disk = versions(tmp_path)
    with watchdog(100), depot(tmp_path, disk=disk) as found:
        draft = found.path / "hero" / "v1.draft"
        draft.mkdir()
        (draft / "file.txt").write_text("content")
        (disk.folder / f"hold-{when}").touch()
        renaming = subprocess.Popen(["mv", draft, found.path / "hero" / "v1"], stderr=subprocess.DEVNULL)
        reached = (lambda: list((tmp_path / "state").glob("*/drafts/records/*"))) if when == "before" else None
        assert eventually(reached or (disk.tree / "hero" / "v1" / "file.txt").exists, 30)
        assert eventually(lambda: b"ledger\x81" in _record(tmp_path), 30)
        assert (draft / "file.txt").read_text() == "content"
        assert error_of(lambda: (draft / "file.txt").write_text("other")) == errno.EROFS
        kill(found)
        renaming.wait(30)
    (disk.folder / f"hold-{when}").unlink()
    with depot(tmp_path, disk=disk) as again:
        assert eventually(lambda: os.listdir(again.path / "hero") == ["v1"], 30)
        assert (again.path / "hero" / "v1" / "file.txt").read_text() == "content"
        assert os.listdir(disk.tree / "hero") == ["v1"]
        assert eventually(lambda: not _record(tmp_path), 30)


def _record(home: Path) -> bytes:
    return b"".join(path.read_bytes() for path in home.glob("state/*/drafts/records/*.draft"))


def test_drafts_survive_the_daemon(tmp_path: Path) -> None:
    disk = versions(tmp_path)
    with watchdog(100), depot(tmp_path, disk=disk) as found:
        draft = found.path / "hero" / "v1.draft"
        (draft / "sub").mkdir(parents=True)
        (draft / "sub" / "file.txt").write_text("content")
        os.setxattr(draft, NOTE, b"for later")
        kill(found)
    with depot(tmp_path, disk=disk) as again:
        draft = again.path / "hero" / "v1.draft"
        assert (draft / "sub" / "file.txt").read_text() == "content"
        assert os.getxattr(draft, NOTE) == b"for later"
        (draft / "sub" / "file.txt").write_text("changed")
        draft.rename(again.path / "hero" / "v1")
        assert (disk.tree / "hero" / "v1" / "sub" / "file.txt").read_text() == "changed"


def test_a_path_is_there_before_while_and_after(tmp_path: Path) -> None:
    disk = versions(tmp_path)
    with watchdog(100), depot(tmp_path, disk=disk) as found:
        draft, final = found.path / "hero" / "v1.draft", found.path / "hero" / "v1"
        (draft / "a" / "b").mkdir(parents=True)
        (draft / "a" / "b" / "file.txt").write_text("content")
        os.chdir(draft)
        try:
            draft.rename(final)
            for _ in range(200):
                assert Path("a/b/file.txt").read_text() == "content"
                assert (final / "a" / "b" / "file.txt").read_text() == "content"
        finally:
            os.chdir("/")


def test_quiet_time_commits_where_the_options_say_so(tmp_path: Path) -> None:
    disk = versions(tmp_path)
    with depot(tmp_path, "--idle", "1", disk=disk) as found:
        draft = found.path / "hero" / "v1.draft"
        draft.mkdir()
        with (draft / "file.txt").open("w") as writing:
            writing.write("content")
            writing.flush()
        assert eventually((disk.tree / "hero" / "v1" / "file.txt").exists, 30)
        assert eventually(lambda: os.listdir(found.path / "hero") == ["v1"], 30)


def test_a_refused_draft_is_exported_tried_again_and_discarded(tmp_path: Path) -> None:
    disk = versions(tmp_path)
    with depot(tmp_path, disk=disk) as found:
        for name in ("v1", "v2"):
            draft = found.path / "hero" / f"{name}.draft"
            (draft / "maps").mkdir(parents=True)
            assert error_of(lambda draft=draft, name=name: draft.rename(found.path / "hero" / name)) == errno.EINVAL
            (draft / "maps" / "skin.tif").write_bytes(b"skin")
        told = json.loads(_uploads(found, "list", "--json").stdout)["uploads"]
        numbers = {upload["place"]: str(upload["number"]) for upload in told}
        assert set(numbers) == {"hero/v1.draft", "hero/v2.draft"}
        first, second = numbers["hero/v1.draft"], numbers["hero/v2.draft"]
        shown = found.path / ".assetfs" / "uploads"
        assert set(os.listdir(shown)) == {f"{first}.txt", f"{second}.txt"}
        assert json.loads((shown / f"{first}.txt").read_text())["error"] == "a draft without a file is nothing"
        assert not (shown / first).exists()
        assert found.mount.status()["uploads"]["failed"] == 2

        assert _uploads(found, "export", first, tmp_path).returncode == 0
        assert (tmp_path / "v1.draft" / "maps" / "skin.tif").read_bytes() == b"skin"
        again = _uploads(found, "export", first, tmp_path)
        assert (again.returncode, "exists already" in again.stderr) == (2, True)

        with (found.path / "hero" / "v1.draft" / "more.txt").open("w"):
            for action in ("retry", "discard"):
                refused = _uploads(found, action, first)
                assert (refused.returncode, "busy" in refused.stderr.lower()) == (1, True)
        assert _uploads(found, "retry", first).returncode == 0
        assert eventually(lambda: (found.path / "hero" / "v1" / "maps" / "skin.tif").exists(), 30)
        assert (disk.tree / "hero" / "v1" / "maps" / "skin.tif").read_bytes() == b"skin"

        assert (found.path / "hero" / "v2.draft" / "maps" / "skin.tif").exists()
        assert _uploads(found, "discard", second).returncode == 0
        assert eventually(lambda: not (found.path / "hero" / "v2.draft").exists(), 30)
        assert os.listdir(found.path / "hero") == ["v1"]
        assert not list((tmp_path / "state").glob("*/drafts/files/*"))
        assert os.listdir(shown) == []
        (found.path / "hero" / "v2.draft").mkdir()
        assert os.listdir(found.path / "hero" / "v2.draft") == []


def test_refused_drafts_are_listed_and_exported_without_a_mount(tmp_path: Path) -> None:
    disk = versions(tmp_path)
    with depot(tmp_path, disk=disk) as found:
        draft = found.path / "hero" / "v1.draft"
        draft.mkdir()
        assert error_of(lambda: draft.rename(found.path / "hero" / "v1")) == errno.EINVAL
        (draft / "file.txt").write_text("content")
    told = json.loads(_uploads(found, "list", "--json", mounted=False).stdout)["uploads"]
    assert [upload["place"] for upload in told] == ["hero/v1.draft"]
    assert _uploads(found, "export", str(told[0]["number"]), tmp_path / "rescued", mounted=False).returncode == 0
    assert (tmp_path / "rescued" / "file.txt").read_text() == "content"
    with depot(tmp_path, disk=disk) as again:
        assert _uploads(again, "discard", "--all").returncode == 0
        assert os.listdir(again.path / "hero") == []


def _uploads(found: Depot, *words: str | Path, mounted: bool = True) -> subprocess.CompletedProcess[str]:
    """The command, of a mount or of what is not mounted."""
    if mounted:
        return assetfs("uploads", found.path, *words, home=found.mount.home, user=WITH_DEPOTS)
    state = ("--state-dir", found.mount.home / "state")
    return assetfs("uploads", SOURCE, *words, *state, home=found.mount.home, user=WITH_DEPOTS)
