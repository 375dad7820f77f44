"""What a mount costs the server: requests are counted on the server's side, and they do not depend on the machine."""

from __future__ import annotations

import errno
import hashlib
import os
from math import ceil
from pathlib import Path
from typing import Any

import pytest

from assetfs.content.catalogue import Catalogue
from tests import wire
from tests.fixtures import Mount
from tests.mounts import error_of, mounted
from tests.sandboxes import RunningSandbox
from tests.writing import Desk

pytestmark = pytest.mark.mount

WINDOW = 2000  # entries in one listing request
BATCH = 100  # calls in one request
REQUEST = 8 << 20  # bytes in one range request
BLOCK = 64 << 10  # what a random read fetches

TEN_THOUSAND, THOUSAND, LARGE = "Bench/ten-thousand", "Bench/thousand-10k", "Bench/large/large.bin"


def asked(server: RunningSandbox) -> dict[str, int]:
    """Requests since the last time this was asked, by kind."""
    found: dict[str, int] = server.requests()["kinds"]
    server.forget()
    return found


def downloads(server: RunningSandbox) -> list[tuple[int, int]]:
    """The ranges that were asked for since the log was emptied, oldest first: first and last byte."""
    found = []
    for entry in server.listing():
        if entry["kind"] == "download":
            first, last = entry["headers"]["range"].removeprefix("bytes=").split("-")
            found.append((int(first), int(last)))
    return found


def most_at_once(server: RunningSandbox) -> int:
    """How many downloads were under way together at most."""
    moments: list[tuple[float, int]] = []
    for entry in server.listing():
        if entry["kind"] == "download":
            moments += [(entry["started"], 1), (entry["started"] + (entry["seconds"] or 0), -1)]
    at_once, most = 0, 0
    for _, change in sorted(moments):
        at_once += change
        most = max(most, at_once)
    return most


@pytest.fixture
def bench(bench_sandbox: RunningSandbox, tmp_path: Path) -> Mount:
    """`with bench("--option")`: a mount of the bench of the test's own, cold unless `home` was used before."""

    def make(*options: str, home: Path = tmp_path / "home", **more: Any) -> Any:
        return mounted(bench_sandbox.source, bench_sandbox.credential, home, *options, **more)

    return make


@pytest.fixture
def warm_home(tmp_path: Path) -> Path:
    """Places of a mount that has learned all sizes of the bench before."""
    notes = [b"note %d\n" % number for number in range(10_000)]
    scans = [hashlib.shake_128(b"block %d" % number).digest(10 << 10) for number in range(1000)]
    catalogue = Catalogue(tmp_path / "home" / "cache" / "catalogue.sqlite")
    catalogue.remember({f"sha256:{hashlib.sha256(one).hexdigest()}": len(one) for one in (*notes, *scans)})
    catalogue.close()
    return tmp_path / "home"


# ---- mounting and listing ----


def test_a_walk_through_many_folders_costs_few_requests(desk: Desk) -> None:
    for number in range(60):
        wire.folder(desk.server, "inner", wire.folder(desk.server, f"outer {number:02}", desk.collection))
    desk.refresh()
    before = desk.drive.requests()
    assert desk.run("find . -type d | wc -l").stdout.split() == [b"121"]
    spent = desk.drive.requests() - before
    assert spent <= 8, (
        "whether it is there; what is in it; one, and one in it; fifty, and those in them; the rest, twice"
    )


def test_mounting_and_listing_ten_thousand(bench: Mount, bench_sandbox: RunningSandbox) -> None:
    with bench() as found:
        assert asked(bench_sandbox) == {"POST rpc": 2}, "mounting"
        assert found.requests() == 2
        assert found.run("ls", TEN_THOUSAND).stdout.count(b"\n") == 10_000
        assert asked(bench_sandbox) == {"POST rpc": 1 + ceil(10_000 / WINDOW)}, "the folder above it, and its windows"
        found.run("ls", TEN_THOUSAND)
        found.run("find", TEN_THOUSAND, "-name", "*7.txt")
        assert asked(bench_sandbox) == {}
        assert found.run("find", ".").stdout.count(b"\n") == 11_001 + 5
        assert asked(bench_sandbox) == {"POST rpc": 1}, "the two folders that were not listed yet, together"
        for number in range(10):
            found.run("test", "-e", f"Bench/large/nothing-{number % 5}", check=False)
        for name in (".hidden", "@eaDir", "Bench/.git", "autorun.inf", ".Trash-0", "Bench/large/large~1.bin"):
            found.run("test", "-e", name, check=False)
        assert asked(bench_sandbox) == {}, "names that are not there"
    assert asked(bench_sandbox) == {}, "unmounting"


def test_ls_l_asks_one_byte_of_each_file_whose_size_is_not_known(bench: Mount, bench_sandbox: RunningSandbox) -> None:
    with bench() as found:
        found.run("ls", "Bench")
        asked(bench_sandbox)
        assert found.run("ls", "-l", THOUSAND).stdout.count(b" 10240 ") == 1000
        assert most_at_once(bench_sandbox) <= 8
        ranges = downloads(bench_sandbox)
        assert sorted(set(ranges)) == [(0, 0), (0, BLOCK - 1)]
        assert ranges.count((0, BLOCK - 1)) == 1, "the first might have been somebody who opens one file"
        assert asked(bench_sandbox) == {"POST rpc": 1, "GET download": 1000}
        found.run("ls", "-l", THOUSAND)
        assert asked(bench_sandbox) == {}
        told = found.status()["requests"]
        assert (told["total"], told["by_label"]["download"]) == (1004, 1000), "the mount counts as the server does"


def test_ls_l_asks_nothing_of_files_whose_size_is_known(
    bench: Mount, bench_sandbox: RunningSandbox, warm_home: Path
) -> None:
    """`ls -l` looks for a security label and an access list of each file, until it is told that there are none here."""
    bench_sandbox.forget()
    with bench(home=warm_home) as found:
        assert found.run("ls", "-l", TEN_THOUSAND).stdout.count(b"\n") == 10_001
        assert asked(bench_sandbox) == {"POST rpc": 2 + 1 + ceil(10_000 / WINDOW)}
        before = found.status()["operations"]
        found.run("ls", "-l", TEN_THOUSAND)
        after = found.status()["operations"]
        assert after.get("getxattr", 0) - before.get("getxattr", 0) <= 6
        assert after["readdir"] - before["readdir"] <= 10_000 // 20
        found.run("ls", "-lR")
        asked(bench_sandbox)
        found.run("ls", "-lR")
        assert asked(bench_sandbox) == {}
        told = found.run("getfattr", "-dR", THOUSAND).stdout
        assert told.count(b"user.jama.sha256=") == 1000
        assert asked(bench_sandbox) == {"POST rpc": ceil(1001 / BATCH) + 1}, "a folder and a thousand files"
        found.run("getfattr", "-dR", THOUSAND)
        assert asked(bench_sandbox) == {}


# ---- content ----


def test_small_files(bench: Mount, bench_sandbox: RunningSandbox) -> None:
    with bench() as found:
        found.run("ls", THOUSAND)
        asked(bench_sandbox)
        found.run("cat", f"{THOUSAND}/scan-0001.bin")
        assert asked(bench_sandbox) == {"GET download": 1}
        found.run("cat", f"{THOUSAND}/scan-0001.bin")
        assert asked(bench_sandbox) == {}
        found.run(f"grep -c nothing {THOUSAND}/scan-00*", check=False)
        found.run(f"tar c {THOUSAND}/scan-0[01]* | sha256sum")
        paths = [entry["path"] for entry in bench_sandbox.listing()]
        assert len(paths) == len(set(paths)), "one request for a file, whoever opens it first"
        assert 199 <= len(paths) <= 199 + 64, "some of the files behind them are fetched ahead"


def test_a_large_file_from_end_to_end(bench: Mount, bench_sandbox: RunningSandbox) -> None:
    """Four readers fetch no byte twice, and after a remount nothing is fetched again."""
    with bench() as found:
        found.run("ls", "-l", "Bench/large")
        asked(bench_sandbox)
        running = [found.start("sha256sum", LARGE) for _ in range(4)]
        digests = {process.communicate(timeout=30)[0].split()[0] for process in running}
        ranges = downloads(bench_sandbox)
        assert len(ranges) <= ceil((64 << 20) / REQUEST) + 1 + 3, "each may come in from the side once"
        assert sum(last - first + 1 for first, last in ranges) == (64 << 20) - BLOCK, "no byte is fetched twice"
        asked(bench_sandbox)
        told = found.run("getfattr", "--only-values", "-n", "user.jama.sha256", LARGE).stdout
        assert digests == {told}
    with bench() as found:
        found.run("ls", "-l", "Bench/large")
        asked(bench_sandbox)
        assert found.run("sha256sum", LARGE).stdout.split()[0] == told
        assert asked(bench_sandbox) == {}
        assert int(found.run("getfattr", "--only-values", "-n", "user.assetfs.cached", LARGE).stdout) == 64 << 20


def test_the_head_and_random_places_of_a_large_file(bench: Mount, bench_sandbox: RunningSandbox) -> None:
    with bench() as found:
        found.run("ls", "-l", "Bench/large")
        asked(bench_sandbox)
        found.run("head", "-c", "100", LARGE)
        assert len(downloads(bench_sandbox)) == 1
        asked(bench_sandbox)
        script = """
import os, sys
file = os.open(sys.argv[1], os.O_RDONLY)
os.posix_fadvise(file, 0, 0, os.POSIX_FADV_RANDOM)
for at in (40_000_000, 20_000_000, 60_000_000, 30_000_000):
    assert len(os.pread(file, 4096, at)) == 4096
"""
        found.python(script, LARGE)
        ranges = downloads(bench_sandbox)
        assert [last - first + 1 for first, last in ranges] == [BLOCK] * 4


def test_one_reader_without_a_cache_on_disk(bench: Mount, bench_sandbox: RunningSandbox) -> None:
    """One request for 8 MiB, and one more: the first is small, so that who reads only the first kilobytes does not pay
    for 8 MiB."""
    with bench("--no-cache") as found:
        found.run("ls", "-l", "Bench/large")
        asked(bench_sandbox)
        content = found.run("cat", LARGE).stdout
        assert len(downloads(bench_sandbox)) <= ceil((64 << 20) / REQUEST) + 1
        path = found.path / LARGE
        assert hashlib.sha256(content).hexdigest() == os.getxattr(path, "user.jama.sha256").decode()
        asked(bench_sandbox)
        for name in ("security.selinux", "system.posix_acl_access", "trusted.x", "user.xdg.nothing", "user.other"):
            assert error_of(lambda name=name: os.getxattr(path, name)) in (errno.EOPNOTSUPP, errno.ENODATA)
        assert os.getxattr(path, "user.assetfs.id").startswith(b"r")
        assert asked(bench_sandbox) == {}, "attributes that cannot be there, or that we know ourselves"
