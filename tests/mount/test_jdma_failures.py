"""A mounted tape archive when something is wrong: the tape, the daemon, the server, a batch, or somebody's rights."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.jdma import Jdma, below, books, named, tree
from tests.mounts import User, ended, error_of, eventually, mounted
from tests.sandboxes import start_sandbox
from tests.tape import NEVER, QUICK, Archive, on_tape

pytestmark = pytest.mark.mount


def test_what_comes_back_wrongly_is_an_error_and_never_other_bytes(tape: Jdma, archive: Archive) -> None:
    ways = {way: on_tape(tape, f"comes back {way}") for way in ("missing", "short", "corrupt")}
    fails, _ = on_tape(tape, "fails")
    with archive() as drive:
        for way, (folder, truth) in ways.items():
            tape.server.switch(spoiled=way, spoiled_paths="large")
            place = drive.path / folder
            os.setxattr(place, "user.jdma.recall", b"1")
            assert (place / "small.txt").read_bytes() == truth["small.txt"], way
            assert error_of((place / "sub/large.bin").read_bytes) == errno.EIO, way
            assert os.getxattr(place / "sub/large.bin", "user.assetfs.state") == b"failed", way
        tape.server.switch(spoiled="", failed_stage=102, failure="the robot has dropped it")
        place = drive.path / fails / "small.txt"
        assert error_of(place.read_bytes) == errno.EIO
        assert b"the robot has dropped it" in os.getxattr(place, "user.jdma.failure")


# ---- a remount, a death, an outage -----------------------------------------------------------------------------------


def test_what_was_brought_is_there_after_a_remount(tape: Jdma, archive: Archive) -> None:
    stage = tape.new_stage()
    folder, truth = on_tape(tape, "kept")
    with archive(stage=stage) as drive:
        assert below(drive.path / folder) == truth
    tape.server.forget()
    with archive(recall="manual", stage=stage) as drive:
        assert below(drive.path / folder) == truth
        assert "POST request" not in tape.server.requests()["kinds"]


def test_a_daemon_that_dies_while_somebody_waits_asks_only_once(tape: Jdma, archive: Archive) -> None:
    stage = tape.new_stage()
    folder, truth = on_tape(tape, "dies")
    tape.server.switch(passes=0)
    with archive(stage=stage) as drive:
        reader = drive.start("cat", f"{folder}/small.txt")
        assert eventually(lambda: tape.server.requests()["calls"].get("GET") == 1)
        os.kill(drive.pid, signal.SIGKILL)
        status, output, _ = ended(reader)
        assert (status != 0, output) == (True, b"")
    tape.server.switch(passes=-1)
    with archive(stage=stage) as drive:
        assert (drive.path / folder / "small.txt").read_bytes() == truth["small.txt"]
        assert tape.server.requests()["calls"]["GET"] == 1


def test_a_wait_outlasts_an_outage_of_the_server(tape: Jdma, archive: Archive) -> None:
    folder, truth = on_tape(tape, "outage")
    with archive() as drive:
        drive.run("ls", folder)
        tape.server.arm("status", {"method": "GET", "kind": "request"}, count=2, status=503)
        assert (drive.path / folder / "small.txt").read_bytes() == truth["small.txt"]


# ---- what is named to the server -------------------------------------------------------------------------------------


HOSTILE = "UPDATE file SET path = ? WHERE path = ? AND archive_id IN (SELECT id FROM archive WHERE batch_id = ?)"


def paths_named(tape: Jdma, since: int) -> list[tuple[str, str]]:
    return list(named(tape.server))[since:]


def test_only_our_own_stage_is_ever_named(tape: Jdma, archive: Archive, tmp_path: Path) -> None:
    stage, outside = tape.new_stage(), tree(tape.stage / "precious", mine_txt="precious\n")
    label = "../../precious"
    on_tape(tape, "harmless")
    source = tree(tape.stage / "sources" / "hostile", a_txt="a\n", b_txt="b\n", c_txt="c\n")
    number = tape.batch(source, label=label)
    rows = {"a.txt": "../../../precious/mine.txt", "b.txt": "/etc/shadow", "c.txt": "ok.txt"}
    for name, hostile in rows.items():
        books(tape.server, HOSTILE, hostile, name, number)
    before = len(list(named(tape.server)))
    with archive(stage=stage) as drive:
        batch = drive.path / tape.workspace / "..%2F..%2Fprecious"
        assert batch.is_dir()
        for path in (*batch.rglob("*"), batch):
            error_of(lambda path=path: os.setxattr(path, "user.jdma.recall", b"1"))
            error_of(lambda path=path: path.read_bytes())
        (stage / "get").rename(stage / "moved")
        (stage / "get").symlink_to(outside)
        harmless = drive.path / tape.workspace / "harmless" / "small.txt"
        assert error_of(harmless.read_bytes) is not None
        (stage / "get").unlink()
    ours = {path for call, path in paths_named(tape, before) if call != "GET"}
    asked_for = {path for call, path in paths_named(tape, before) if call == "GET"}
    assert ours, "something was asked for"
    for path in ours:
        assert os.path.realpath(path) == path, path
        assert path.startswith(f"{stage}/get/"), path
    assert not [path for path in asked_for if ".." in path.split("/")]
    listed = {*tape.files(number)}
    listed |= {str(parent) for path in listed for parent in Path(path).parents}
    names = {path for path in asked_for if "/.assetfs-" not in path}
    assert names <= listed, "the server compares them with its own, and does nothing with them"
    assert below(outside) == {"mine.txt": b"precious\n"}


# ---- an ordinary user, and workers that are root ---------------------------------------------------------------------


def test_an_ordinary_user_reads_what_root_has_put_there(ordinary_user: User, open_folder: Path) -> None:
    if os.geteuid() != 0 or ordinary_user.uid is None:
        pytest.skip("needs root for the server's workers")
    login = subprocess.check_output(["id", "-nu", str(ordinary_user.uid)], text=True).strip()
    with start_sandbox("jdma", options=("--login", login)) as server:
        tape = Jdma(server)
        folder, truth = on_tape(tape, "theirs")
        stage = tape.new_stage()
        words = ("--stage", str(stage), "--recall", "wait", *QUICK)
        home = open_folder / "tape"
        with mounted(server.source, server.credential, home, *words, user=ordinary_user) as drive:
            drive.run("setfattr", "-n", "user.jdma.recall", "-v", "1", folder)
            for name, content in truth.items():
                assert drive.run("cat", f"{folder}/{name}").stdout == content
            assert server.requests()["calls"]["GET"] == 1
            drive.run("setfattr", "-n", "user.jdma.evict", "-v", "1", folder)
            assert eventually(lambda: not list((stage / "get").iterdir())), "nothing of it stays root's"
            server.switch(put_seconds=NEVER)
            draft = f"{tape.workspace}/by hand"
            drive.run(f"mkdir '{draft}' && echo alpha > '{draft}/a.txt'")
            drive.run("setfattr", "-n", "user.jdma.commit", "-v", "put", draft)
            [request] = [row["request_id"] for row in tape.ask("request")["requests"] if row["label"] == "by hand"]
            tape.wait(request, 4)
            assert drive.run("cat", f"{draft}/a.txt").stdout == b"alpha\n", "while the folder is root's"
            server.switch(put_seconds=0.0)
            state = ("getfattr", "--only-values", "-n", "user.jdma.stage", draft)
            assert eventually(lambda: drive.run(*state, check=False).stdout == b"ON_STORAGE")
            assert drive.run("cat", f"{draft}/a.txt").stdout == b"alpha\n"
