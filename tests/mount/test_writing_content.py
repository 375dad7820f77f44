"""Bytes: made, written, cut, appended and overwritten by programs as they do it, and what the server has afterwards."""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.mounts import error_of
from tests.writing import Desk, fresh

pytestmark = pytest.mark.mount

MIB = 1 << 20


# ---- new files ----


def test_a_new_file_is_readable_at_once_and_on_the_server_after_the_upload(desk: Desk) -> None:
    content = fresh(3_000_000)
    (desk / "scan.txt").write_bytes(content)
    assert (desk / "scan.txt").read_bytes() == content
    assert desk.names() == ["scan.txt"]
    assert desk.state("scan.txt") == "queued"
    assert desk.there() == {}
    desk.flush()
    assert desk.content("scan.txt") == content
    assert desk.state("scan.txt") == "clean"
    assert (desk / "scan.txt").read_bytes() == content


def test_cp_and_shell_redirection_make_files(desk: Desk) -> None:
    unique = fresh(20).hex()
    desk.run(f"echo {unique} > a.txt; cp a.txt b.txt; echo more >> b.txt; cat a.txt b.txt > c.txt")
    desk.flush()
    assert desk.content("a.txt").decode() == f"{unique}\n"
    assert desk.content("b.txt").decode() == f"{unique}\nmore\n"
    assert desk.content("c.txt").decode() == f"{unique}\n{unique}\nmore\n"


def test_a_file_that_is_open_is_not_uploaded_before_its_last_writer_has_left(desk: Desk) -> None:
    content = fresh()
    first = os.open(desk / "open.txt", os.O_WRONLY | os.O_CREAT)
    second = os.open(desk / "open.txt", os.O_WRONLY)
    os.write(first, content)
    os.close(first)
    desk.hurry()
    assert desk.state("open.txt") == "dirty"
    os.write(second, content[::-1])
    os.close(second)
    desk.flush()
    assert desk.content("open.txt") == content[::-1]


def test_reading_back_after_an_upload_costs_no_download(desk: Desk) -> None:
    content = fresh(5 * MIB)
    (desk / "film.bin").write_bytes(content)
    desk.flush()
    desk.server.forget()
    assert (desk / "film.bin").read_bytes() == content
    assert "GET download" not in desk.server.requests()["kinds"]


# ---- sizes ----


def test_truncating_down_and_up_by_path_and_by_handle(desk: Desk) -> None:
    content = fresh(10_000)
    (desk / "a.txt").write_bytes(content)
    os.truncate(desk / "a.txt", 4_000)
    assert (desk / "a.txt").read_bytes() == content[:4_000]
    os.truncate(desk / "a.txt", 6_000)
    assert (desk / "a.txt").read_bytes() == content[:4_000] + bytes(2_000)
    with (desk / "a.txt").open("r+b") as file:
        file.truncate(5_000)
        assert os.fstat(file.fileno()).st_size == 5_000
        file.seek(0, os.SEEK_END)
        file.write(b"end")
    desk.flush()
    assert desk.content("a.txt") == content[:4_000] + bytes(1_000) + b"end"


def test_truncating_an_asset_fetches_only_what_is_kept(desk: Desk) -> None:
    content = fresh(4 * MIB)
    desk.put("asset.txt", content)
    desk.server.forget()
    os.truncate(desk / "asset.txt", 100)
    assert (desk / "asset.txt").stat().st_size == 100
    desk.flush()
    assert desk.content("asset.txt") == content[:100]
    assert desk.server.requests()["sent"] < 2 * MIB


def test_truncating_an_asset_to_nothing_and_writing_anew_fetches_nothing(desk: Desk) -> None:
    number = desk.put("asset.txt", fresh(2 * MIB))
    new = fresh()
    desk.server.forget()
    (desk / "asset.txt").write_bytes(new)
    desk.flush()
    assert desk.server.requests()["sent"] < MIB
    assert desk.there()["asset.txt"]["id"] == number
    assert desk.content("asset.txt") == new


def test_a_file_made_longer_and_then_shorter_has_zeros_and_not_old_bytes(desk: Desk) -> None:
    content = fresh(8_192)
    desk.put("asset.txt", content)
    with (desk / "asset.txt").open("r+b") as file:
        file.truncate(1_000)
        file.truncate(8_192)
        assert file.read() == content[:1_000] + bytes(7_192)
    desk.flush()
    assert desk.content("asset.txt") == content[:1_000] + bytes(7_192)


# ---- appending ----


def test_appending_to_an_asset(desk: Desk) -> None:
    content = fresh(200_000)
    desk.put("log.txt", content)
    desk.run("echo one >> log.txt; echo two >> log.txt")
    assert (desk / "log.txt").read_bytes() == content + b"one\ntwo\n"
    desk.flush()
    assert desk.content("log.txt") == content + b"one\ntwo\n"


def test_appending_to_an_asset_whose_size_nobody_has_asked_for(desk: Desk) -> None:
    content = fresh(200_000)
    desk.put("log.txt", content)
    with open(desk / "log.txt", "ab", buffering=0) as file:
        file.write(b"one")
        file.write(b"two")
    assert (desk / "log.txt").read_bytes() == content + b"onetwo"


def test_appending_after_somebody_else_has_made_the_file_longer(desk: Desk) -> None:
    number = desk.put("log.txt", fresh(50))
    assert (desk / "log.txt").stat().st_size == 50
    longer = fresh(5_000)
    from tests import wire

    wire.replace(desk.server, number, longer)
    desk.refresh()
    os.listdir(desk.folder)
    with open(desk / "log.txt", "ab", buffering=0) as file:
        file.write(b"end")
    assert (desk / "log.txt").read_bytes() == longer + b"end"


def test_several_programs_append_to_one_file_and_no_line_is_lost(desk: Desk) -> None:
    (desk / "log.txt").write_bytes(b"")
    words = [f"writer-{n}" for n in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda w: desk.run(f"for i in $(seq 50); do echo {w}-$i >> log.txt; done"), words))
    lines = (desk / "log.txt").read_text().splitlines()
    assert sorted(lines) == sorted(f"{w}-{i}" for w in words for i in range(1, 51))


# ---- parts of an asset ----


def test_overwriting_a_part_fetches_nothing_until_it_is_uploaded(desk: Desk) -> None:
    content = fresh(8 * MIB)
    number = desk.put("picture.bin", content)
    desk.server.forget()
    with (desk / "picture.bin").open("r+b", buffering=0) as file:
        file.seek(3 * MIB)
        file.write(b"x" * MIB)
    assert desk.server.requests()["sent"] < MIB
    expected = content[: 3 * MIB] + b"x" * MIB + content[4 * MIB :]
    desk.flush()
    assert desk.content("picture.bin") == expected
    assert desk.there()["picture.bin"]["id"] == number


def test_reading_a_part_of_a_dirty_asset_fetches_only_that_part(desk: Desk) -> None:
    content = fresh(16 * MIB)
    desk.put("picture.bin", content)
    with (desk / "picture.bin").open("r+b", buffering=0) as file:
        file.write(b"begin")
        desk.server.forget()
        assert os.pread(file.fileno(), 10, 0) == b"begin" + content[5:10]
        assert os.pread(file.fileno(), 10, 9 * MIB) == content[9 * MIB : 9 * MIB + 10]
    assert desk.server.requests()["sent"] < 12 * MIB


def test_a_reader_that_was_there_first_sees_what_is_written(desk: Desk) -> None:
    content = fresh(100_000)
    desk.put("asset.txt", content)
    with (desk / "asset.txt").open("rb", buffering=0) as reader:
        assert reader.read(10) == content[:10]
        with (desk / "asset.txt").open("r+b", buffering=0) as writer:
            os.pwrite(writer.fileno(), b"NEW", 50_000)
            assert os.pread(reader.fileno(), 3, 50_000) == b"NEW"
            assert os.pread(reader.fileno(), 10, 99_990) == content[99_990:]


def test_random_writes_and_reads_agree_with_a_file_in_memory(desk: Desk) -> None:
    import random

    dice = random.Random(7)
    model = bytearray(fresh(700_000))
    desk.put("asset.bin", bytes(model))
    with (desk / "asset.bin").open("r+b", buffering=0) as file:
        for _ in range(300):
            at, count = dice.randrange(900_000), dice.choice((1, 100, 4096, 70_000, 200_000))
            action = dice.choice("wwrrt")
            if action == "w":
                data = dice.randbytes(count)
                os.pwrite(file.fileno(), data, at)
                model.extend(bytes(max(0, at - len(model))))
                model[at : at + count] = data
            elif action == "r":
                assert os.pread(file.fileno(), count, at) == bytes(model[at : at + count])
            else:
                os.ftruncate(file.fileno(), at)
                model[:] = model[:at] + bytes(max(0, at - len(model)))
    desk.flush()
    assert desk.content("asset.bin") == bytes(model)


def test_writing_while_the_upload_of_the_last_version_is_under_way(desk: Desk) -> None:
    desk.server.arm("slow", {"kind": "upload"}, bytes_per_second=1, count=1)
    desk.server.arm("delay", {"kind": "upload"}, seconds=5, count=1)
    first, second = fresh(100_000), fresh(100_000)
    (desk / "a.txt").write_bytes(first)
    desk.hurry()
    from tests.mounts import eventually

    assert eventually(lambda: desk.state("a.txt") == "uploading")
    (desk / "a.txt").write_bytes(second)
    desk.server.disarm()
    desk.flush()
    assert desk.content("a.txt") == second
    assert len(desk.there()) == 1


# ---- what programs do besides ----


def test_shared_memory_maps_are_written_back(desk: Desk) -> None:
    content = fresh(300_000)
    desk.put("map.bin", content)
    with (desk / "map.bin").open("r+b") as file, mmap.mmap(file.fileno(), 0) as mapped:
        assert mapped[:] == content
        mapped[100_000:100_005] = b"HELLO"
        mapped.flush()
        mapped[299_990:300_000] = b"0123456789"
    expected = content[:100_000] + b"HELLO" + content[100_005:299_990] + b"0123456789"
    assert (desk / "map.bin").read_bytes() == expected
    desk.flush()
    assert desk.content("map.bin") == expected


def test_fsync_and_fdatasync_succeed_on_files_and_folders(desk: Desk) -> None:
    with (desk / "a.txt").open("wb") as file:
        file.write(fresh())
        file.flush()
        os.fsync(file.fileno())
        file.write(fresh())
        file.flush()
        os.fdatasync(file.fileno())
    folder = os.open(desk.folder, os.O_RDONLY | os.O_DIRECTORY)
    os.fsync(folder)
    os.close(folder)
    desk.run("sync")


def test_an_unlinked_file_lives_as_long_as_it_is_open(desk: Desk) -> None:
    content = fresh(70_000)
    desk.put("asset.txt", content)
    (desk / "own.txt").write_bytes(content[::-1])
    for name, expected in (("asset.txt", content), ("own.txt", content[::-1])):
        with (desk / name).open("r+b", buffering=0) as file:
            (desk / name).unlink()
            assert not (desk / name).exists()
            assert os.pread(file.fileno(), 100_000, 0) == expected
            os.pwrite(file.fileno(), b"late", 80_000)
            assert os.fstat(file.fileno()).st_size == 80_004
            assert os.pread(file.fileno(), 10, 79_998) == b"\0\0late"
    desk.flush()
    assert desk.there() == {}
    assert desk.names() == []
    assert desk.uploads() == {}


def test_a_file_edited_and_then_unlinked_while_open(desk: Desk) -> None:
    content = fresh(70_000)
    desk.put("asset.txt", content)
    with (desk / "asset.txt").open("r+b", buffering=0) as file:
        os.pwrite(file.fileno(), b"edited", 0)
        (desk / "asset.txt").unlink()
        assert os.fstat(file.fileno()).st_size == 70_000
        assert os.pread(file.fileno(), 10, 0) == b"edited" + content[6:10]
    desk.flush()
    assert desk.there() == {}
    assert desk.uploads() == {}


def test_locks_of_two_programs_exclude_each_other(desk: Desk) -> None:
    (desk / "a.txt").write_bytes(fresh())
    with (desk / "a.txt").open("r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        assert desk.run("flock", "-n", "a.txt", "true", check=False).returncode == 1
        fcntl.flock(file, fcntl.LOCK_UN)
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        script = "import fcntl; fcntl.lockf(open('a.txt', 'r+b'), fcntl.LOCK_EX | fcntl.LOCK_NB)"
        assert b"BlockingIOError" in desk.run("python3", "-c", script, check=False).stderr
    desk.run("flock", "-n", "a.txt", "true")


def test_space_can_be_asked_for_in_advance(desk: Desk) -> None:
    with (desk / "a.bin").open("w+b") as file:
        os.posix_fallocate(file.fileno(), 0, 100_000)
        assert os.fstat(file.fileno()).st_size == 100_000
        file.write(b"head")
    assert (desk / "a.bin").read_bytes() == b"head" + bytes(99_996)


@pytest.mark.parametrize(
    ("flags", "there", "content"),
    [
        (os.O_CREAT, False, b""),
        (os.O_CREAT | os.O_EXCL, False, b""),
        (os.O_CREAT | os.O_TRUNC, False, b""),
        (0, False, errno.ENOENT),
        (os.O_TRUNC, False, errno.ENOENT),
        (0, True, None),
        (os.O_CREAT, True, None),
        (os.O_TRUNC, True, b""),
        (os.O_CREAT | os.O_TRUNC, True, b""),
        (os.O_CREAT | os.O_EXCL, True, errno.EEXIST),
        (os.O_CREAT | os.O_EXCL | os.O_TRUNC, True, errno.EEXIST),
    ],
)
def test_what_the_flags_of_open_promise(desk: Desk, flags: int, there: bool, content: object) -> None:
    old = fresh()
    if there:
        desk.put("a.txt", old)

    def opened() -> None:
        os.close(os.open(desk / "a.txt", os.O_RDWR | flags, 0o644))

    if isinstance(content, int):
        assert error_of(opened) == content
    else:
        opened()
        assert (desk / "a.txt").read_bytes() == (old if content is None else content)


def test_creating_what_somebody_else_has_just_made_opens_it(desk: Desk) -> None:
    content = fresh()
    assert not (desk / "a.txt").exists()
    desk.put("a.txt", content)
    with open(desk / "a.txt", "ab", buffering=0) as file:
        file.write(b"more")
    assert (desk / "a.txt").read_bytes() == content + b"more"


def test_opening_for_writing_without_writing_changes_nothing(desk: Desk) -> None:
    number = desk.put("a.txt", fresh())
    os.close(os.open(desk / "a.txt", os.O_RDWR))
    assert desk.uploads() == {}
    desk.server.forget()
    desk.flush()
    assert desk.chunks() == 0
    assert desk.there()["a.txt"]["id"] == number


def test_writing_the_same_bytes_again_uploads_nothing(desk: Desk) -> None:
    content = fresh(5_000)
    desk.put("a.txt", content)
    desk.server.forget()
    (desk / "a.txt").write_bytes(content)
    desk.flush()
    assert desk.chunks() == 0
    assert desk.content("a.txt") == content
