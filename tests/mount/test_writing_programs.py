"""Programs that write many files, or one file many times."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
from pathlib import Path

import pytest

from tests.writing import SOON, Desk, DeskMaker, fresh

pytestmark = pytest.mark.mount


def tree(place: Path, files: int = 60) -> dict[str, bytes]:
    """Scans in folders, as an archivist has them."""
    contents: dict[str, bytes] = {}
    dice = random.Random(1)
    for number in range(files):
        name = f"box {number % 5}/folder {number % 3}/scan {number:03}.{dice.choice(('txt', 'bin', 'jpg'))}"
        contents[name] = fresh(dice.choice((1, 10, 1_000, 70_000, 300_000)), number)
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(contents[name])
        os.utime(path, ns=(0, 10**18 + dice.randrange(10**17)))
    return contents


def test_a_second_rsync_transfers_nothing_also_after_a_remount(own_desk: DeskMaker, tmp_path: Path) -> None:
    source = tmp_path / "scans"
    contents = tree(source)
    with own_desk(*SOON) as desk:
        first = desk.run("rsync", "-ai", f"{source}/", "./").stdout
        assert first.count(b">f") == len(contents)
        assert desk.run("rsync", "-ai", f"{source}/", "./").stdout.count(b">f") == 0
        desk.flush(60)
        assert desk.run("rsync", "-ai", "--omit-dir-times", f"{source}/", "./").stdout == b""
        assert {name: (desk / name).read_bytes() for name in contents} == contents
    with own_desk(*SOON) as desk:
        desk.server.forget()
        assert desk.run("rsync", "-ai", "--omit-dir-times", f"{source}/", "./").stdout == b""
        assert desk.run("rsync", "-aic", "--omit-dir-times", f"{source}/", "./").stdout == b""
        assert desk.chunks() == 0
        assert "GET download" not in desk.server.requests()["kinds"]
        name = sorted(contents)[0]
        (source / name).write_bytes(fresh(500))
        assert desk.run("rsync", "-ai", "--omit-dir-times", f"{source}/", "./").stdout.count(b">f") == 1
        (source / name).unlink()
        assert b"deleting" in desk.run("rsync", "-ai", "--delete", "--omit-dir-times", f"{source}/", "./").stdout
        assert not (desk / name).exists()


def test_git_keeps_a_repository_in_an_asset_folder(desk: Desk) -> None:
    git = "git -c user.name=A -c user.email=a@example.org -c init.defaultBranch=main"
    for number in range(10):
        (desk / f"{number}.txt").write_bytes(fresh())
    desk.run(f"{git} init -q && {git} add . && {git} commit -qm first && git fsck --strict")
    (desk / "0.txt").write_bytes(fresh())
    desk.run(f"{git} commit -qam second && git gc -q && git fsck --strict")
    desk.run('git checkout -q HEAD~1 && git checkout -q main && test -z "$(git status --porcelain)"')
    desk.flush()
    assert sorted(desk.there()) == [f"{number}.txt" for number in range(10)]
    assert desk.collections() == {}


def test_sqlite_makes_a_thousand_transactions(desk: Desk) -> None:
    with sqlite3.connect(desk / "notes.bin", isolation_level=None) as db:
        db.execute("CREATE TABLE notes (number INTEGER PRIMARY KEY, text TEXT)")
        for number in range(1_000):
            db.execute("INSERT INTO notes VALUES (?, ?)", (number, fresh(20).hex()))
    db.close()
    assert (
        desk.run("sqlite3", "notes.bin", "PRAGMA integrity_check; SELECT count(*) FROM notes").stdout == b"ok\n1000\n"
    )
    desk.flush()
    assert desk.content("notes.bin") == (desk / "notes.bin").read_bytes()
    assert desk.names() == ["notes.bin"]


def test_tar_unpacks_a_thousand_files(desk: Desk, tmp_path: Path) -> None:
    contents = {f"f{n % 10}/{n:04}.txt": fresh(n % 300 + 1) for n in range(1_000)}
    for name, content in contents.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
        os.utime(tmp_path / name, (10**9, 10**9))
    desk.run(f"tar c -C '{tmp_path}' {' '.join(f'f{n}' for n in range(10))} | tar x")
    assert {name: (desk / name).read_bytes() for name in contents} == contents
    assert {int((desk / name).stat().st_mtime) for name in contents} == {10**9}
    desk.flush(60)
    there = {f"{f}/{title}": r["hash"] for f, c in desk.collections().items() for title, r in desk.there(c).items()}
    assert sorted(there) == sorted(contents)
    desk.run(f"diff -r '{tmp_path}' .")


def test_cp_r_and_mv_and_rm_of_trees(desk: Desk, tmp_path: Path) -> None:
    contents = tree(tmp_path / "scans", 30)
    desk.run("cp", "-a", tmp_path / "scans", "./")
    desk.run("mv", "scans", "archive")
    assert {name: (desk / "archive" / name).read_bytes() for name in contents} == contents
    desk.flush(60)
    assert {name: (desk / "archive" / name).read_bytes() for name in contents} == contents
    desk.run("mv", "archive", tmp_path / "back")
    assert {name: (tmp_path / "back" / name).read_bytes() for name in contents} == contents
    assert desk.names() == []
    assert desk.collections() == {}


def test_a_file_is_downloaded_like_browsers_do_it(desk: Desk) -> None:
    content = fresh(2_000_000)
    with (desk / "film.bin.part").open("wb") as file:
        for at in range(0, len(content), 65_536):
            file.write(content[at : at + 65_536])
    (desk / "film.bin.part").rename(desk / "film.bin")
    desk.flush()
    assert desk.content("film.bin") == content


def test_dd_writes_in_the_middle_and_shuf_and_sort_in_place(desk: Desk) -> None:
    original = fresh(1_000_000)
    number = desk.put("disk.bin", original)
    desk.run("printf hello | dd of=disk.bin bs=1 seek=500000 conv=notrunc status=none")
    desk.put("words.txt", "".join(f"{n} {fresh(4).hex()}\n" for n in range(500)).encode())
    desk.run("sort -r -o words.txt words.txt && sort -c -r words.txt && shuf words.txt -o words.txt")
    desk.flush()
    assert desk.content("disk.bin") == original[:500_000] + b"hello" + original[500_005:]
    assert desk.there()["disk.bin"]["id"] == number


@pytest.mark.skipif(shutil.which("zip") is None, reason="zip is not installed")
def test_zip_updates_an_archive(desk: Desk) -> None:
    (desk / "a.txt").write_bytes(fresh())
    desk.run("zip -q all.zip a.txt && echo b > b.txt && zip -q all.zip b.txt && unzip -tq all.zip")
    desk.flush()
    assert "all.zip" in desk.there()
