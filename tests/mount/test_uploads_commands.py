"""The commands about what is owed: flush, uploads, and what umount says."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.mounts import assetfs, device_of
from tests.writing import NEVER, Desk, DeskMaker, fresh

pytestmark = pytest.mark.mount


def command(desk: Desk, *words: str | Path) -> subprocess.CompletedProcess[str]:
    return assetfs(*words, home=desk.drive.home)


def refuse_uploads(desk: Desk) -> None:
    """The server finds every file too large."""
    desk.server.arm("status", {"kind": "upload"}, status=413, body="Payload Too Large", count=None)


def refused(desk: Desk, name: str = "a.txt") -> bytes:
    content = fresh(3_000)
    refuse_uploads(desk)
    (desk / name).write_bytes(content)
    desk.flush()
    assert desk.state(name) == "failed"
    return content


def test_flush_sends_everything_and_says_nothing(desk: Desk) -> None:
    contents = {f"{n}.txt": fresh() for n in range(10)}
    for name, content in contents.items():
        (desk / name).write_bytes(content)
    done = command(desk, "flush", desk.drive.path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert {name: desk.content(name) for name in desk.there()} == contents


def test_flush_sends_held_renames_too(desk: Desk) -> None:
    number = desk.put("a.txt", fresh())
    (desk / "a.txt").rename(desk / "#a.txt#")
    (desk / "#a.txt#").rename(desk / "a.txt")
    assert command(desk, "flush", desk.drive.path).returncode == 0
    assert desk.there()["a.txt"]["id"] == number


def test_flush_says_what_the_server_refuses(desk: Desk) -> None:
    refused(desk)
    done = command(desk, "flush", desk.drive.path)
    assert done.returncode == 5
    assert done.stderr.startswith("assetfs: 1 file is refused by the server: ")
    assert len(done.stderr.splitlines()) == 1


def test_flush_gives_up_in_time_when_the_server_does_not_answer(desk: Desk) -> None:
    desk.server.arm("status", {"kind": "upload"}, status=503, count=None)
    (desk / "a.txt").write_bytes(fresh())
    done = command(desk, "flush", desk.drive.path, "--timeout", "1s")
    assert done.returncode == 5
    assert "1 file is still owed" in done.stderr
    desk.server.disarm()
    assert command(desk, "flush", desk.drive.path).returncode == 0


def test_flush_of_something_that_is_no_mount(desk: Desk, tmp_path: Path) -> None:
    assert command(desk, "flush", tmp_path).returncode == 2
    assert command(desk, "flush", desk.drive.path, "--timeout", "soon").returncode == 2


def test_list_shows_what_is_owed_and_why(desk: Desk) -> None:
    assert "Nothing is owed" in command(desk, "uploads", desk.drive.path).stdout
    refused(desk)
    (desk / "b.txt").write_bytes(fresh(5))
    shown = command(desk, "uploads", desk.drive.path).stdout
    assert "a.txt" in shown
    assert "smaller parts" in shown
    told = json.loads(command(desk, "uploads", desk.drive.path, "list", "--json").stdout)
    assert [(u["place"], u["state"], u["size"]) for u in told["uploads"]] == [
        (f"{desk.name}/a.txt", "failed", 3_000),
        (f"{desk.name}/b.txt", "queued", 5),
    ]


def test_a_refused_upload_is_tried_again(desk: Desk) -> None:
    content = refused(desk)
    number = desk.uploads()["a.txt"]["number"]
    desk.server.disarm()
    assert command(desk, "uploads", desk.drive.path, "retry", str(number)).returncode == 0
    desk.flush()
    assert desk.content("a.txt") == content


def test_a_mount_is_found_by_its_name(desk: Desk) -> None:
    refused(desk)
    source = desk.drive.source
    (owed,) = json.loads(command(desk, "uploads", source, "--json").stdout)["uploads"]
    assert command(desk, "uploads", source, "discard", str(owed["number"])).returncode == 0
    assert desk.uploads() == {}


def test_all_refused_uploads_are_tried_again(desk: Desk) -> None:
    contents = {name: refused(desk, name) for name in ("a.txt", "b.txt")}
    desk.server.disarm()
    assert command(desk, "uploads", desk.drive.path, "retry", "--all").returncode == 0
    desk.flush()
    assert {name: desk.content(name) for name in desk.there()} == contents


def test_a_discarded_new_file_is_gone_and_a_discarded_edit_leaves_the_asset(desk: Desk) -> None:
    original = fresh(500)
    desk.put("asset.txt", original)
    refused(desk, "new.txt")
    refused(desk, "asset.txt")
    for upload in desk.uploads().values():
        assert command(desk, "uploads", desk.drive.path, "discard", str(upload["number"])).returncode == 0
    assert desk.uploads() == {}
    assert desk.names() == ["asset.txt"]
    assert (desk / "asset.txt").read_bytes() == original
    assert desk.drive.log().count("is discarded as asked") >= 2


def test_an_upload_is_exported_with_the_bytes_that_are_still_the_servers(desk: Desk, tmp_path: Path) -> None:
    original = fresh(300_000)
    desk.put("asset.bin", original)
    with (desk / "asset.bin").open("r+b") as file:
        file.write(b"edited")
    number = str(desk.uploads()["asset.bin"]["number"])
    assert command(desk, "uploads", desk.drive.path, "export", number, tmp_path).returncode == 0
    assert (tmp_path / "asset.bin").read_bytes() == b"edited" + original[6:]
    again = command(desk, "uploads", desk.drive.path, "export", number, tmp_path)
    assert again.returncode == 2
    assert "exists already" in again.stderr


@pytest.mark.parametrize(
    "words", [("retry",), ("retry", "x"), ("retry", "99999"), ("discard",), ("export", "1"), ("send",), ("list", "1")]
)
def test_wrong_usage_changes_nothing(desk: Desk, words: tuple[str, ...]) -> None:
    refused(desk)
    done = command(desk, "uploads", desk.drive.path, *words)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert desk.state("a.txt") == "failed"


def test_what_is_owed_of_a_repository_that_is_not_mounted(own_desk: DeskMaker, tmp_path: Path) -> None:
    content, original = fresh(1_000), fresh(200_000)
    with own_desk(*NEVER, "--drain", "0s") as desk:
        (desk / "new.txt").write_bytes(content)
        desk.put("asset.bin", original)
        with (desk / "asset.bin").open("r+b") as file:
            file.write(b"edited")
        source, state = desk.drive.source, desk.drive.home / "state"
    home = desk.drive.home
    told = assetfs("uploads", source, "list", "--json", "--state-dir", state, home=home)
    owed = {u["place"]: u for u in json.loads(told.stdout)["uploads"]}
    assert sorted(owed) == ["desk/asset.bin", "desk/new.txt"]
    number = str(owed["desk/new.txt"]["number"])
    assert assetfs("uploads", source, "export", number, tmp_path, "--state-dir", state, home=home).returncode == 0
    assert (tmp_path / "new.txt").read_bytes() == content
    number = str(owed["desk/asset.bin"]["number"])
    done = assetfs("uploads", source, "export", number, tmp_path, "--state-dir", state, home=home)
    assert done.returncode == 1
    assert "199994 bytes" in done.stderr
    assert assetfs("uploads", source, "retry", number, "--state-dir", state, home=home).returncode == 2


def test_umount_says_what_is_left_and_the_next_mount_goes_on(own_desk: DeskMaker) -> None:
    content = fresh()
    with own_desk(*NEVER, "--drain", "0s") as desk:
        desk.server.arm("status", {"kind": "upload"}, status=503, count=None)
        (desk / "a.txt").write_bytes(content)
        done = assetfs("umount", desk.drive.path, "--timeout", "0s", home=desk.drive.home)
        assert done.returncode == 5
        assert "1 file is still owed" in done.stderr
        assert device_of(desk.drive.path) is None
        desk.server.disarm()
        assert desk.there() == {}
    with own_desk("--write-back-delay", "0s") as desk:
        assert (desk / "a.txt").read_bytes() == content
        desk.flush()
        assert desk.content("a.txt") == content


def test_umount_waits_for_uploads(own_desk: DeskMaker) -> None:
    content = fresh()
    with own_desk("--write-back-delay", "1s") as desk:
        (desk / "a.txt").write_bytes(content)
        assert assetfs("umount", desk.drive.path, home=desk.drive.home).returncode == 0
        assert desk.content("a.txt") == content


def test_the_virtual_files_of_uploads(desk: Desk) -> None:
    content = fresh(200_000)
    (desk / "a.bin").write_bytes(content)
    number = desk.uploads()["a.bin"]["number"]
    folder = desk.drive.path / ".assetfs" / "uploads"
    assert f"{number}.txt" in os.listdir(folder)
    assert json.loads((folder / f"{number}.txt").read_bytes())["place"] == f"{desk.name}/a.bin"
    assert (folder / str(number)).read_bytes() == content
    assert not (folder / "99999").exists()
