"""Mounts of other kinds: other owners, other rights, a part of a repository, older servers, a second time."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests import wire
from tests.fixtures import Mount
from tests.mounts import User, assetfs, error_of, mount, mounted
from tests.sandboxes import RunningSandbox, start_sandbox

pytestmark = pytest.mark.mount

MUSEUM = "Museum of Nowhere"


def test_inodes_and_what_is_known_survive_a_remount(mount_demo: Mount, demo_sandbox: RunningSandbox) -> None:
    listing = "find . -printf '%i %s %T@ %p\\n' | sort -k4"
    with mount_demo("--read-only") as first:
        before = first.run(listing).stdout
    with mount_demo("--read-only") as second:
        demo_sandbox.forget()
        after = second.run(listing).stdout
        assert "GET download" not in demo_sandbox.requests()["kinds"]
    # The mount's root has no time on the server.
    assert [line for line in after.splitlines() if not line.endswith(b" .")] == [
        line for line in before.splitlines() if not line.endswith(b" .")
    ]


def test_owner_group_and_modes_are_as_they_were_asked_for(mount_demo: Mount) -> None:
    with mount_demo("--uid", "1234", "--gid", "4321", "--umask", "027") as found:
        told = set(found.run("find . -printf '%y %U %G %m\\n'").stdout.splitlines())
        assert told <= {b"d 1234 4321 750", b"d 1234 4321 550", b"f 1234 4321 640", b"f 1234 4321 440"}
    with mount_demo("--read-only", "-o", "umask=077") as found:
        me = f"{os.getuid()} {os.getgid()}".encode()
        told = set(found.run("find . -printf '%y %U %G %m\\n'").stdout.splitlines())
        assert told == {b"d " + me + b" 500", b"f " + me + b" 400"}
        assert b"Read-only file system" in found.run("touch", f"{MUSEUM}/new.txt", check=False).stderr


def test_a_key_that_may_only_read_shows_in_the_modes(mount_demo: Mount, demo_sandbox: RunningSandbox) -> None:
    with mount_demo(credential=demo_sandbox.info["readonly_credential"]) as found:
        told = found.run("find . -mindepth 1 -printf '%m\\n'").stdout.split()
        assert set(told) == {b"555", b"444"}
        assert found.status()["user"] == "reader"
        assert found.run("cat", f"{MUSEUM}/Letters and lists/letter.txt").stdout.startswith(b"Dear")


def test_a_key_with_a_few_entry_points_sees_those(mount_demo: Mount, demo_sandbox: RunningSandbox) -> None:
    with mount_demo(credential=demo_sandbox.info["limited_credential"]) as found:
        assert found.run("ls", ".").stdout.decode().splitlines() == [MUSEUM]
        assert found.run("ls", MUSEUM).stdout.decode().splitlines() == ["Photographs"]
        told = found.run("find", ".", "-type", "f").stdout.splitlines()
        assert len(told) == 12
        assert all(found.run("cat", path.decode()).stdout for path in told)
        foreign = next(r for r in wire.resources(demo_sandbox, 1) if r["title"] == "letter.txt")
        link = f".assetfs/by-id/r{foreign['id']}"
        assert found.run("readlink", link, check=False).returncode == 1


def test_one_project_alone(mount_demo: Mount) -> None:
    for which in ("Press archive", "2"):
        with mount_demo("--project", which) as found:
            assert found.run("ls", ".").stdout.split() == [b"1931", b"1932", b"Sources"]
            target = found.run("find . -name letter.txt -exec getfattr --only-values -n user.assetfs.id {} +").stdout
            assert found.run("readlink", f".assetfs/by-id/{target.decode()}").stdout == b"../../Sources/letter.txt\n"


def test_a_part_of_a_repository(mount_demo: Mount, demo_sandbox: RunningSandbox, tmp_path: Path) -> None:
    with mount_demo("--root", f"{MUSEUM}/Odd names/deep") as found:
        assert found.run("find", ".").stdout.split() == [
            b".", b"./deeper", b"./deeper/deepest", b"./deeper/deepest/found.txt",
        ]  # fmt: skip
        assert found.run("cat", "deeper/deepest/found.txt").stdout == b"four levels down\n"
        number = found.run("getfattr", "--only-values", "-n", "user.assetfs.id", "deeper/deepest/found.txt").stdout
        assert found.run("cat", f".assetfs/by-id/{number.decode()}").stdout == b"four levels down\n"
        outside = next(r for r in wire.resources(demo_sandbox, 1) if r["title"] == "letter.txt")
        assert found.run("readlink", f".assetfs/by-id/r{outside['id']}", check=False).returncode == 1
    for path, name in ((f"{MUSEUM}/nothing", "nothing"), (f"{MUSEUM}/Letters and lists/letter.txt", "letter.txt")):
        done = mount(demo_sandbox.source, demo_sandbox.credential, tmp_path / "other", "--root", path)
        assert done.returncode == 2
        assert name in done.stderr


def test_nobody_else_may_enter(users: User, demo_sandbox: RunningSandbox, open_folder: Path) -> None:
    with mounted(demo_sandbox.source, demo_sandbox.credential, open_folder / "private", user=users) as found:
        assert found.run("ls", ".").returncode == 0
        if users.uid is not None:
            assert error_of(lambda: os.listdir(found.path)) is not None, "not even root"


@pytest.fixture
def users(ordinary_user: User) -> User:
    return ordinary_user


@pytest.mark.parametrize("profile", ["legacy", "classic"])
def test_older_servers(profile: str, tmp_path: Path) -> None:
    with (
        start_sandbox(seed="demo", profile=profile) as server,
        mounted(server.source, server.credential, tmp_path / "home", "--read-only") as found,
    ):
        names = found.run("find", ".", "-type", "f").stdout.decode().splitlines()
        assert len(names) >= 28
        letter = next(name for name in names if name.endswith("Letters and lists/letter.txt"))
        assert found.run("cat", letter).stdout.startswith(b"Dear Louise")
        reel = next(name for name in names if name.endswith("unedited.bin"))
        told = found.run("getfattr", "--only-values", "-n", "user.jama.sha256", reel).stdout
        assert found.run("sha256sum", reel).stdout.split()[0] == told
        assert found.run("cat", letter.replace("letter.txt", "empty.txt")).stdout == b""
        assert found.run("getfattr", "-dR", ".").stdout.count(b"user.jama.sha256=") == len(names)
        assert found.run("ls", "-lR").stdout.count(b"\n-r--r--r-- ") == len(names)


def test_mounted_twice_says_by_whom(mount_demo: Mount, demo_sandbox: RunningSandbox, tmp_path: Path) -> None:
    with mount_demo() as found:
        there = mount(demo_sandbox.source, demo_sandbox.credential, found.home)
        assert there.returncode == 2
        assert "is a mount point already" in there.stderr
        elsewhere = mount(demo_sandbox.source, demo_sandbox.credential, found.home, name="elsewhere")
        assert elsewhere.returncode == 1
        assert f"mounted already by process {found.pid}" in elsewhere.stderr
        assert len(elsewhere.stderr.splitlines()) == 1
        assert found.status()["state"] == "ok"
        told = json.loads(assetfs("status", "--json", found.path, home=found.home).stdout)
        assert told["pid"] == found.pid


def test_a_wrong_key_and_a_missing_server(demo_sandbox: RunningSandbox, tmp_path: Path) -> None:
    refused = mount(demo_sandbox.source, "wrong-key-0123", tmp_path / "home")
    assert refused.returncode == 4
    assert "wrong-key-0123" not in refused.stdout + refused.stderr
    assert len(refused.stderr.splitlines()) == 1
    away = mount("jama+http://127.0.0.1:9/rpc/", "key", tmp_path / "home")
    assert away.returncode == 3
    assert "127.0.0.1:9 refuses connections" in away.stderr
    nowhere = mount("jama+http://127.0.0.1:9/rpc/", "", tmp_path / "home")
    assert nowhere.returncode == 4
    assert not (tmp_path / "home" / "mnt" / ".assetfs").exists()
