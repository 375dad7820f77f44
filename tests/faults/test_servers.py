"""Servers that go away, hang, answer nonsense or change their mind: what is known goes on, what is not is an error."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import wire
from tests.mounts import Mounted, ended, error_of, eventually, mounted
from tests.sandboxes import RunningSandbox, start_sandbox, stop

pytestmark = pytest.mark.mount

FRESH = ("--list-timeout", "300ms", "--attr-timeout", "100ms", "--entry-timeout", "100ms", "--negative-timeout", "0s")
QUICK = ("--timeout", "2s", "--read-timeout", "1s", "--connect-timeout", "1s")
ITEMS = {"call": "project_items"}


@pytest.fixture(scope="module")
def server() -> Iterator[RunningSandbox]:
    with start_sandbox() as running:
        for folder in ("one", "two", "three"):
            place = wire.folder(running, folder)
            wire.put(running, place, f"{folder}.txt", folder.encode())
            wire.put(running, place, f"{folder}.bin", hashlib.shake_128(folder.encode()).digest(4 << 20))
        yield running
        running.reset()


@pytest.fixture(scope="module")
def shared(server: RunningSandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mounted]:
    with mounted(
        server.source, server.credential, tmp_path_factory.mktemp("servers"), *FRESH, *QUICK, "--no-cache"
    ) as found:
        yield found


@pytest.fixture
def top(shared: Mounted, server: RunningSandbox) -> Iterator[Path]:
    """The mounted project. Whatever a test does to the server, the mount lives and is well afterwards."""
    server.reset()
    yield shared.path / "Sandbox"
    server.reset()
    assert eventually(lambda: error_of(lambda: os.listdir(shared.path / "Sandbox/one")) is None, seconds=20)
    assert eventually(lambda: error_of((shared.path / "Sandbox/one/one.txt").read_bytes) is None, seconds=20)
    assert (shared.path / "Sandbox/one/one.txt").read_bytes() == b"one"
    assert shared.status()["state"] == "ok"


def waits(*command: str | Path) -> subprocess.Popen[bytes]:
    """A program that will wait in the mount."""
    return subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd="/")


# ---- a server that accepts and never answers ----


def test_a_read_that_hangs_ends_with_an_error_and_disturbs_nobody(top: Path, server: RunningSandbox) -> None:
    assert len(os.listdir(top / "one")) == 2
    names = os.listdir(top / "two")
    os.stat(top / "two" / "two.bin")
    server.arm("hang", {"kind": "download"}, count=None)
    stuck = [waits("cat", top / "one" / "one.bin") for _ in range(3)]
    assert eventually(lambda: any(entry["fault"] == "hang" for entry in server.listing()))
    assert os.listdir(top / "two") == names
    for process in stuck:
        status, output, errors = ended(process, 20)
        assert (status, output) == (1, b"")
        assert b"Connection timed out" in errors or b"Input/output error" in errors


def test_a_listing_that_hangs_ends_with_an_error_and_others_go_on(top: Path, server: RunningSandbox) -> None:
    names = os.listdir(top / "one")
    content = (top / "one" / "one.txt").read_bytes()
    wire.folder(server, "unlisted")
    os.setxattr(top, "user.assetfs.refresh", b"1")
    assert eventually(lambda: "unlisted" in os.listdir(top))
    server.arm("hang", {"kind": "rpc"}, count=None)
    time_of_arming = time.monotonic()
    stuck = waits("ls", top / "unlisted")
    assert os.listdir(top / "one") == names or error_of(lambda: os.listdir(top / "one")) == errno.ETIMEDOUT
    assert (top / "one" / "one.txt").read_bytes() == content
    _, _, errors = ended(stuck, 20)
    assert b"timed out" in errors or b"Input/output error" in errors
    assert time.monotonic() - time_of_arming < 30
    server.disarm()
    assert eventually(lambda: error_of(lambda: os.listdir(top / "three")) is None, seconds=20), "all is well again"


def test_many_that_hang_do_not_use_up_the_mount(top: Path, server: RunningSandbox) -> None:
    os.listdir(top / "one")
    server.arm("hang", {}, count=None)
    stuck = [waits("ls", top / f"nothing-{number}") for number in range(3)]  # the kernel asks for one after the other
    stuck += [waits("cat", top / "two" / "two.bin") for _ in range(20)]
    told = json.loads((top.parent / ".assetfs/status.json").read_text())
    assert told["state"] == "ok"
    for process in stuck:
        assert ended(process, 20)[0] != 0
    server.disarm()
    assert eventually(lambda: error_of((top / "two" / "two.txt").read_bytes) is None, seconds=20)


# ---- a server that is away for a while ----


def test_a_server_that_goes_away_and_comes_back(tmp_path: Path) -> None:
    """With default times but for the listings: what is known goes on, and nothing has to be mounted again."""
    data = tmp_path / "data"
    with start_sandbox(data=data) as first:
        place = wire.folder(first, "known")
        content = hashlib.shake_128(b"known").digest(300_000)
        wire.put(first, place, "known.bin", content)
        wire.put(first, place, "other.bin", b"never read before")
        wire.folder(first, "unknown")
        port = int(first.root_url.rpartition(":")[2])
        with mounted(first.source, first.credential, tmp_path / "home", *FRESH, "--timeout", "10s") as found:
            top = found.path / "Sandbox"
            assert (top / "known/known.bin").read_bytes() == content
            assert sorted(os.listdir(top)) == ["known", "unknown"]
            stop(first.process)
            assert sorted(os.listdir(top)) == ["known", "unknown"], "a server that is away is no empty folder"
            assert (top / "known/known.bin").read_bytes() == content
            assert sorted(os.listdir(top / "known")) == ["known.bin", "other.bin"]
            assert error_of(lambda: os.listdir(top / "unknown")) == errno.EHOSTUNREACH
            assert error_of((top / "known/other.bin").read_bytes) == errno.EHOSTUNREACH
            assert found.status()["stale_listings_served"] > 0
            with start_sandbox(data=data, port=port):
                assert eventually(lambda: error_of(lambda: os.listdir(top / "unknown")) is None)
                assert (top / "known/other.bin").read_bytes() == b"never read before"
                assert found.status()["state"] == "ok"


def test_a_key_that_is_taken_back_and_given_again(tmp_path: Path) -> None:
    with (
        start_sandbox() as server,
        mounted(server.source, server.credential, tmp_path / "home", *FRESH, "--no-cache") as found,
    ):
        place = wire.folder(server, "one")
        wire.put(server, place, "one.txt", b"one")
        wire.put(server, place, "two.txt", b"two")
        top = found.path / "Sandbox"
        assert eventually(lambda: error_of((top / "one/one.txt").read_bytes) is None)
        wire.deactivate(server, server.credential)
        assert eventually(lambda: error_of((top / "one/two.txt").read_bytes) == errno.EACCES)
        assert sorted(os.listdir(top / "one")) == ["one.txt", "two.txt"], "what was listed goes on serving"
        assert found.status()["state"] == "ok"
        wire.deactivate(server, server.credential, active=True)
        assert eventually(lambda: error_of((top / "one/two.txt").read_bytes) is None)
        assert server.credential not in found.log()


# ---- answers that nobody expects ----


@pytest.fixture(scope="module")
def _odd(server: RunningSandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mounted]:
    """A mount of one folder, so that what the server is made to say of "a folder" is about this one."""
    wire.folder(server, "odd")
    home = tmp_path_factory.mktemp("odd")
    with mounted(server.source, server.credential, home, *FRESH, "--root", "Sandbox/odd") as found:
        yield found


@pytest.fixture
def odd(_odd: Mounted, server: RunningSandbox) -> Iterator[Path]:
    server.reset()
    yield _odd.path
    server.reset()
    assert eventually(lambda: error_of(lambda: os.listdir(_odd.path)) is None and os.listdir(_odd.path) == [])
    assert _odd.status()["state"] == "ok"


ABSURD = [
    "null",
    "[]",
    "17",
    '"text"',
    "{}",
    "not json at all",
    "",
    '{"result": null, "error": null, "id": 1}',
    '{"result": 5, "error": null, "id": 1}',
    '{"result": [], "error": null, "id": 1}',
    '{"result": {"collections": "x", "resources": 3}, "error": null, "id": 1}',
    '{"result": {"collections": [null], "resources": [{}]}, "error": null, "id": 1}',
    '{"result": {"collections": [{"id": "x", "title": null}], "resources": []}, "error": null, "id": 1}',
    '{"result": {"collections": [{"id": 1e400, "title": "x"}], "resources": []}, "error": null, "id": 1}',
    '{"result": null, "error": {"nested": ["error"]}, "id": 1}',
    '{"result": null, "error": "a refusal that nobody has heard of", "id": 1}',
    "[" * 100_000,
    '{"result": {"collections": [' + "{" * 5000,
    '\ufeff{"result": 1}',
]


@pytest.mark.parametrize("body", ABSURD, ids=range(len(ABSURD)))
def test_an_absurd_listing_is_an_error_and_no_more(odd: Path, server: RunningSandbox, body: str) -> None:
    server.arm("status", ITEMS, count=None, status=200, body=body, headers={"content-type": "application/json"})
    assert eventually(lambda: error_of(lambda: os.listdir(odd)) == errno.EIO, seconds=5)


def resource(number: object, title: object = "x.txt", **more: object) -> dict[str, object]:
    return {
        "id": number, "title": title, "original_name": "x.txt", "type": "text/plain", "hash": "00" * 32,
        "project_id": 1, **more,
    }  # fmt: skip


def listing(*resources: dict[str, object], collections: tuple[dict[str, object], ...] = ()) -> str:
    result = {
        "collections": collections,
        "resources": resources,
        "collections_count": len(collections),
        "resources_count": len(resources),
    }
    return json.dumps({"result": result, "error": None, "id": 1})


@pytest.mark.parametrize(
    "strange",
    [
        {"project_id": 77},
        {"project_id": None},
        {"hash": None, "urls": None},
        {"hash": "not hexadecimal"},
        {"hash": "A" * 5000},
        {"updated_at": "the day before yesterday", "created_at": "9999-99-99"},
        {"updated_at": "0001-01-01T00:00:00+00:00", "created_at": "9999-12-31T23:59:59+00:00"},
        {"id": -5},
        {"id": 0},
        {"id": 2**62},
        {"id": 10**23},
        {"urls": {"download": "http://canary.invalid/steal"}},
        {"tags": None, "width": -1, "height": 2**40},
        {"original_name": "x." + "y" * 5000},
        {"original_name": "../../../etc/passwd"},
    ],
    ids=str,
)
def test_an_absurd_resource_spoils_its_folder_at_most(
    odd: Path, server: RunningSandbox, strange: dict[str, Any]
) -> None:
    body = listing(resource(1, "good.txt"), {**resource(2, "odd.txt"), **strange}, resource(3, "fine.txt"))
    server.arm("status", ITEMS, count=None, status=200, body=body, headers={"content-type": "application/json"})

    def settled() -> bool:
        return error_of(lambda: os.listdir(odd)) == errno.EIO or "good.txt" in os.listdir(odd)

    assert eventually(settled, seconds=30)
    if error_of(lambda: os.listdir(odd)) is None:
        for name in os.listdir(odd):
            for action in (os.lstat, os.listxattr, os.listdir, os.readlink):
                error_of(lambda name=name, action=action: action(odd / name))
            error_of((odd / name).read_bytes)


def test_a_body_without_end_is_given_up(server: RunningSandbox, tmp_path: Path) -> None:
    server.reset()
    wire.folder(server, "endless", wire.folder(server, "four"))
    with mounted(server.source, server.credential, tmp_path / "home") as found:
        assert found.run("ls", "Sandbox/four").stdout == b"endless\n"
        server.arm("long_json", ITEMS, count=None, bytes=1 << 30)
        assert error_of(lambda: os.listdir(found.path / "Sandbox/four/endless")) == errno.EIO
        assert server.requests()["sent"] < 256 << 20
        server.disarm()
        assert os.listdir(found.path / "Sandbox/four/endless") == []


# ---- hostile names ----

HOSTILE = [
    "..", ".", "a/b", "/etc/passwd", "../../../../etc/passwd", "line\nbreak", "tab\there", "nul\0byte", "x" * 4000,
    "\u00e9" * 400, "", " ", "  blank  ", ".assetfs", ".hidden", "%2F", "%2e%2e", "a%2Fb",
    "\U0001f5bc\ufe0f", "\u202etxt.exe", "-rf", "*", "$(touch /tmp/pwned)", "`id`", "'", '"', "\\", "con", "~", "~1",
    "a~101", "name.txt", "name.txt", "untitled", "%2E%2E", "a%252Fb", "\x7f", "\x1b[31mred", "long." + "e" * 300,
    *["fifty times"] * 50,
]  # fmt: skip


def test_no_name_of_a_server_escapes_or_collides(odd: Path, server: RunningSandbox) -> None:
    files = [resource(1000 + number, title, original_name=None) for number, title in enumerate(HOSTILE)]
    folders = tuple(
        {"id": 5000 + number, "title": title, "project_id": 1, "metas": []} for number, title in enumerate(HOSTILE[:20])
    )
    body = listing(*files, collections=folders)
    server.arm("status", ITEMS, count=None, status=200, body=body, headers={"content-type": "application/json"})
    place = os.fsencode(odd)
    wanted = len(files) + len(folders)
    assert eventually(lambda: len(os.listdir(place)) == wanted, seconds=5)
    names = os.listdir(place)
    assert len(set(names)) == wanted
    for name in names:
        assert name not in (b"", b".", b"..")
        assert not set(b"/\0\n") & set(name)
        assert len(name) <= 255
    paths = [os.path.join(place, name) for name in names]
    ids = {os.getxattr(path, "user.assetfs.id") for path in paths}
    kinds = [("r", len(files)), ("c", len(folders))]
    assert ids == {f"{kind}{1000 + 4000 * (kind == 'c') + n}".encode() for kind, count in kinds for n in range(count)}
    assert {os.path.dirname(os.path.realpath(path)) for path in paths} == {place}
    listed = {entry.name: entry.inode() for entry in os.scandir(place)}
    assert len(set(listed.values())) == wanted
    assert not Path("/tmp/pwned").exists()


def test_a_name_that_is_half_a_character_hides_nothing(odd: Path, server: RunningSandbox) -> None:
    body = listing(resource(1, "good.txt"), resource(2, "\ud800lone.txt"), resource(3, "\udcff.txt"))
    server.arm("status", ITEMS, count=None, status=200, body=body, headers={"content-type": "application/json"})
    assert eventually(lambda: error_of(lambda: os.listdir(odd)) is None and len(os.listdir(odd)) == 3)
    names = os.listdir(os.fsencode(odd))
    assert b"good.txt" in names
    ids = [os.getxattr(os.path.join(os.fsencode(odd), name), "user.assetfs.id") for name in names]
    assert sorted(ids) == [b"r1", b"r2", b"r3"]


def test_a_collection_called_assetfs_hides_nothing(tmp_path: Path) -> None:
    with start_sandbox() as server:
        number = wire.folder(server, ".assetfs")
        wire.put(server, number, "inside.txt", b"inside")
        with mounted(server.source, server.credential, tmp_path / "home", "--project", "1") as found:
            other = f".assetfs~{number}"
            assert found.run("ls", "-a").stdout.decode().split() == [".", "..", other]
            assert found.status()["state"] == "ok"
            assert found.run("cat", f"{other}/inside.txt").stdout == b"inside"


# ---- secrets ----


def test_the_key_goes_to_the_server_and_nowhere_else(tmp_path: Path) -> None:
    """Neither to hosts that the server names, nor along a redirect, nor into anything that others can read."""
    with start_sandbox() as canary, start_sandbox() as server:
        server.switch(site=f"{canary.root_url}/", public_urls=True)
        place = wire.folder(server, "one")
        number = wire.put(server, place, "one.txt", b"one")
        wire.put(server, wire.folder(server, "two"), "two.bin", os.urandom(300_000))
        wire.put(canary, None, "bait.txt", b"bait")
        canary.forget()
        secret = server.credential
        with mounted(server.source, secret, tmp_path / "home", *FRESH, *QUICK, "--log-level", "debug") as found:
            top = found.path / "Sandbox"
            assert (top / "one/one.txt").read_bytes() == b"one"
            attributes = found.run("getfattr", "-dR", ".").stdout
            assert secret.encode() not in attributes
            assert b"download_public" not in attributes
            elsewhere = f"{canary.url}download/{number}"
            server.arm("status", {"kind": "download"}, count=None, status=302, headers={"location": elsewhere})
            assert error_of((top / "two/two.bin").read_bytes) == errno.EIO
            server.disarm()
            server.arm("status", ITEMS, count=None, status=307, headers={"location": canary.url})
            assert eventually(lambda: error_of(lambda: os.listdir(top / "one")) == errno.EIO)
            server.disarm()
            os.kill(found.pid, signal.SIGUSR1)
            assert eventually(lambda: "SIGUSR1" in found.log() or "task" in found.log())
            assert canary.requests()["total"] == 0, "not even a request without the key"
            for what in ("cmdline", "environ", "comm"):
                assert secret.encode() not in Path(f"/proc/{found.pid}/{what}").read_bytes()
            assert secret not in json.dumps(found.status())
            assert secret not in found.log()
        for path in (tmp_path / "home").rglob("*"):
            if path.is_file():
                assert secret.encode() not in path.read_bytes(), path
                assert path.stat().st_mode & 0o077 == 0, f"{path} can be read by others"
