"""A mounted tape archive: what programs that know nothing of tape do to it, and what they get."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.jdma import Jdma, below
from tests.mounts import Mounted, ended, error_of, eventually, mounted
from tests.sandboxes import start_sandbox
from tests.tape import MANY, NEVER, QUICK, Archive, attribute, on_tape

pytestmark = pytest.mark.mount


# ---- looking costs little, and brings nothing ------------------------------------------------------------------------


def test_find_over_all_batches_costs_two_requests(tape: Jdma, archive: Archive) -> None:
    for number in range(3):
        on_tape(tape, f"looked at {number}")
    with archive() as drive:
        tape.server.forget()
        found = drive.run("find . -type f -size +0").stdout.decode().splitlines()
        assert len([name for name in found if "/looked at" in name]) == 9
        assert len([name for name in found if name.startswith(f"./{tape.workspace}/small/")]) == MANY
        assert tape.server.requests()["kinds"] == {"GET migration": 1, "GET file": 1}
        drive.run("find . -ls")
        drive.run("ls -lR")
        drive.run("du -a")
        assert tape.server.requests()["total"] == 2


def test_looking_brings_nothing(tape: Jdma, archive: Archive) -> None:
    folder, truth = on_tape(tape, "only looked at")
    with archive() as drive:
        for command in (
            "ls -lsR",
            "find -type f -empty",
            "stat -c %b **",
            "getfattr -d -m - -R .",
            "du -a --apparent-size",
        ):
            drive.run("bash", "-O", "globstar", "-c", f'cd "$0"; {command}', folder)
        for name, content in truth.items():
            assert (drive.path / folder / name).stat().st_blocks > 0 or not content
        assert "POST request" not in tape.server.requests()["kinds"]


# ---- reading ---------------------------------------------------------------------------------------------------------


def test_grep_over_a_thousand_offline_files_costs_one_request(tape: Jdma, archive: Archive) -> None:
    with archive() as drive:
        tape.server.forget()
        found = drive.run("grep", "-rc", "file 07", f"{tape.workspace}/small").stdout.decode().splitlines()
        assert (len(found), sum(line.endswith(":1") for line in found)) == (MANY, MANY // 100)
        assert tape.server.requests()["calls"] == {"GET": 1}


COPIES = {
    "tar --sparse": 'tar --sparse -cf - -C "$0" . | tar -xf - -C "$1"',
    "rsync": 'rsync -a "$0/" "$1/"',
    "rsync --sparse": 'rsync -a --sparse "$0/" "$1/"',
    "cp --sparse=always": 'cp -r --sparse=always "$0/." "$1"',
    "cp --reflink=auto": 'cp -r --reflink=auto "$0/." "$1"',
    "dd conv=sparse": 'cd "$0"; find . -type f | while read -r f; do mkdir -p "$1/${f%/*}";'
    ' dd status=none conv=sparse if="$f" of="$1/$f"; truncate -s $(stat -c %s "$f") "$1/$f"; done',
}


def copy(drive: Mounted, way: str, folder: str, to: Path) -> subprocess.CompletedProcess[bytes]:
    """Copy a folder of the mount with a program."""
    to.mkdir()
    return drive.run("bash", "-o", "pipefail", "-c", COPIES[way], drive.path / folder, to, check=False)


def test_copies_of_offline_files_have_their_bytes(tape: Jdma, archive: Archive, tmp_path: Path) -> None:
    placed = {way: on_tape(tape, f"copied by {way.replace('/', ' ')}") for way in COPIES}
    with archive() as drive:
        for way, (folder, truth) in placed.items():
            tape.server.forget()
            done = copy(drive, way, folder, tmp_path / way)
            assert done.returncode == 0, f"{way}: {done.stderr.decode()}"
            assert below(tmp_path / way) == truth, way
            asked = tape.server.requests()["calls"]
            assert asked == {"GET": 1} or way.startswith("dd"), f"{way}: {asked}"


@pytest.mark.parametrize("recall", ["fail", "manual"])
def test_copies_of_files_that_do_not_come_have_no_bytes_at_all(
    tape: Jdma, archive: Archive, tmp_path: Path, recall: str
) -> None:
    tape.server.switch(recall_seconds=NEVER)
    folder, truth = on_tape(tape, f"not to be had by {recall}")
    with archive(recall=recall) as drive:
        for way in COPIES:
            done = copy(drive, way, folder, tmp_path / way)
            came = below(tmp_path / way)
            assert done.returncode != 0 or way.startswith("dd"), way
            assert all(content in (b"", truth[name]) for name, content in came.items() if way != "dd conv=sparse"), way
        with (tmp_path / "all.tar").open("wb") as out:
            subprocess.run(
                ["tar", "--sparse", "-c", "."], cwd=drive.path / folder, stdout=out, stderr=subprocess.DEVNULL
            )
        with tarfile.open(tmp_path / "all.tar") as packed:
            assert {member.name for member in packed if member.isfile()} <= {"./sub/empty"}


def test_opening_says_try_again_and_later_it_is_there(tape: Jdma, archive: Archive) -> None:
    folder, truth = on_tape(tape, "tried again")
    with archive(recall="fail") as drive:
        place = drive.path / folder / "small.txt"
        assert error_of(place.read_bytes) == errno.EAGAIN
        assert eventually(lambda: error_of(place.read_bytes) is None)
        assert place.read_bytes() == truth["small.txt"]


def test_a_manual_recall_is_an_attribute(tape: Jdma, archive: Archive) -> None:
    folder, truth = on_tape(tape, "asked for")
    with archive(recall="manual") as drive:
        place = drive.path / folder
        assert error_of((place / "small.txt").read_bytes) == errno.ENODATA
        assert tape.server.requests()["calls"].get("GET", 0) == 0
        os.setxattr(place, "user.jdma.recall", b"1")
        assert eventually(lambda: all(error_of((place / name).read_bytes) is None for name in truth))
        assert below(place) == truth
        assert tape.server.requests()["calls"]["GET"] == 1
        assert os.getxattr(place / "small.txt", "user.jdma.state") == b"online"


def test_a_waiting_reader_can_be_killed(tape: Jdma, archive: Archive) -> None:
    tape.server.switch(recall_seconds=NEVER)
    folder, _ = on_tape(tape, "waited for")
    with archive() as drive:
        reader = drive.start("cat", f"{folder}/small.txt")
        assert eventually(lambda: tape.server.requests()["calls"].get("GET") == 1)
        reader.send_signal(signal.SIGKILL)
        status, output, _ = ended(reader)
        assert (status, output) == (-signal.SIGKILL, b"")
        assert (drive.path / folder / "sub").is_dir()


def test_copies_are_evicted_and_come_again(tape: Jdma, archive: Archive) -> None:
    stage = tape.new_stage()
    folder, truth = on_tape(tape, "evicted")
    with archive(stage=stage) as drive:
        place = drive.path / folder
        assert below(place) == truth
        os.setxattr(place, "user.jdma.evict", b"1")
        assert eventually(lambda: os.getxattr(place / "small.txt", "user.jdma.state") == b"offline")
        assert sorted(set(below(stage / "get").values())) == []
        assert below(place) == truth
        assert eventually(lambda: tape.server.requests()["calls"]["GET"] == 2), "the kernel may still have its pages"
        assert eventually(lambda: os.getxattr(place / "small.txt", "user.jdma.state") == b"online")


# ---- what cannot be done ---------------------------------------------------------------------------------------------


def test_what_cannot_be_done_fails_at_once_with_its_own_errno(tape: Jdma, archive: Archive) -> None:
    """The table of docs/backends/jdma.md, row by row."""
    folder, truth = on_tape(tape, "never changes")
    on_tape(tape, "another")
    with archive(recall="manual") as drive:
        batch, workspace = drive.path / folder, drive.path / tape.workspace
        file = batch / "small.txt"
        tries: list[tuple[int, Callable[[], object]]] = [
            (errno.EACCES, lambda: (drive.path / "new").mkdir()),
            (errno.EACCES, workspace.rmdir),
            (errno.EOPNOTSUPP, lambda: (workspace / "new.txt").write_bytes(b"x")),
            (errno.EACCES, lambda: (batch / "new").mkdir()),
            (errno.EACCES, lambda: (batch / "new.txt").write_bytes(b"x")),
            (errno.EACCES, lambda: file.write_bytes(b"x")),
            (errno.EACCES, file.unlink),
            (errno.EACCES, lambda: file.rename(batch / "other.txt")),
            (errno.EACCES, lambda: file.rename(workspace / "small.txt")),
            (errno.ENOTEMPTY, batch.rmdir),
            (errno.EEXIST, lambda: batch.rename(workspace / "another")),
            (errno.EACCES, lambda: os.link(file, batch / "again.txt")),
            (errno.EPERM, lambda: os.link(file, workspace / "again.txt")),
            (errno.EPERM, lambda: (workspace / "link").symlink_to("small.txt")),
            (errno.EPERM, lambda: os.mkfifo(workspace / "pipe")),
            (errno.EPERM, lambda: file.chmod(0o777)),
            (errno.EPERM, lambda: os.setxattr(batch, "user.jdma.owner", b"mallory")),
            (errno.EPERM, lambda: os.removexattr(batch, "user.jdma.label")),
            (errno.EINVAL, lambda: os.setxattr(batch, "user.jdma.label", b"")),
            (errno.EINVAL, lambda: os.setxattr(batch, "user.jdma.delete", b"1")),
            (errno.EINVAL, lambda: os.setxattr(file, "user.jdma.pin", b"2")),
            (errno.EOPNOTSUPP, lambda: os.setxattr(batch, "user.jdma.colour", b"red")),
            (errno.EOPNOTSUPP, lambda: os.setxattr(file, "user.comment", b"lost")),
            (errno.ENODATA, file.read_bytes),
        ]
        tape.server.forget()
        found = [error_of(attempt) for _, attempt in tries]
        assert [errno.errorcode.get(one or 0) for one in found] == [errno.errorcode[one] for one, _ in tries]
        assert not {"POST request", "PUT migration"} & tape.server.requests()["kinds"].keys()
        assert {path.name for path in batch.rglob("*") if path.is_file()} == {name.rpartition("/")[2] for name in truth}


# ---- the demonstration -----------------------------------------------------------------------------------------------


def test_of_the_demo_one_batch_is_online(tmp_path: Path) -> None:
    with start_sandbox("jdma", seed="demo") as server:
        words = ("--stage", server.info["stage"], "--recall", "manual", *QUICK)
        with mounted(server.source, server.credential, tmp_path, *words) as drive:
            place = drive.path / server.info["workspace"]
            listed = {path: path.stat().st_size for path in place.rglob("*") if path.is_file()}
            online = {path for path in listed if "station observations" in path.parts}
            assert eventually(lambda: all(attribute(path, "user.jdma.state") == b"online" for path in online))
            assert all(len(path.read_bytes()) == listed[path] for path in online)
            offline = [path for path, size in listed.items() if path not in online and size]
            assert (len(online), len(offline)) == (6, 33)
            assert {error_of(path.read_bytes) for path in offline} == {errno.ENODATA}
            assert "POST request" not in server.requests()["kinds"]
