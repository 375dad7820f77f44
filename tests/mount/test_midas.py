"""A Midas Server as a drive: what only it has, through the kernel."""

from __future__ import annotations

import csv
import errno
import hashlib
import io
import json
import os
import signal
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from PIL import Image

from tests.conformance.clients import NotAvailable, environment, run_check
from tests.midas import MidasClient
from tests.mounts import Mounted, error_of, eventually, mounted
from tests.sandboxes import RunningSandbox, start_sandbox

pytestmark = pytest.mark.mount

SOON = ("--write-back-delay", "0.1s")
NEVER = ("--write-back-delay", "1h")
HOME = Path("users/Ada_Sandbox")
ATLAS = Path("communities/Phantom Atlas")


@pytest.fixture(scope="module")
def demo() -> Iterator[RunningSandbox]:
    with start_sandbox("midas", seed="demo") as running:
        yield running


@pytest.fixture(scope="module")
def library(demo: RunningSandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mounted]:
    with mounted(demo.source, demo.credential, tmp_path_factory.mktemp("library"), *SOON) as drive:
        yield drive


@pytest.fixture
def client(demo: RunningSandbox) -> MidasClient:
    demo.reset()
    return MidasClient.admin(demo)


def flush(drive: Mounted) -> None:
    os.setxattr(drive.path / ".assetfs", "user.assetfs.flush", b"1")
    assert eventually(lambda: drive.status()["uploads"]["pending"] == 0, 60)
    assert drive.status()["uploads"]["failed"] == 0


# ---- looking -------------------------------------------------------------------------------------------------------


def test_every_revision_is_there_and_none_can_be_changed(library: Mounted) -> None:
    report = library.path / ATLAS / "Public/Reports/report.pdf"
    history = report.parent / ".revisions/report.pdf"
    assert sorted(os.listdir(history)) == ["1", "2"]
    old, new = ((history / number / "report.pdf").read_bytes() for number in "12")
    assert new == report.read_bytes()
    assert b"Draft" in old
    assert b"Draft" not in new
    assert error_of(lambda: (history / "1/report.pdf").write_bytes(b"x")) in (errno.EACCES, errno.EPERM)
    assert error_of(lambda: os.unlink(history / "1/report.pdf")) in (errno.EACCES, errno.EPERM)
    assert not any(name.startswith(".") for name in os.listdir(report.parent))


def test_a_save_adds_a_revision_that_is_there_at_once(library: Mounted, client: MidasClient) -> None:
    item = client.item(client.folder("saves"), "notes.txt", b"one\n")
    os.setxattr(library.path / HOME / "Private", "user.assetfs.refresh", b"1")
    notes = library.path / HOME / "Private/saves/notes.txt"
    os.setxattr(notes, "user.midas.meta.subject.keyword", b"phantom")
    notes.write_text("two\n")
    flush(library)
    os.setxattr(notes.parent, "user.assetfs.refresh", b"1")
    history = notes.parent / ".revisions/notes.txt"
    assert [(history / number / "notes.txt").read_text() for number in "12"] == ["one\n", "two\n"]
    assert os.getxattr(notes, "user.midas.meta.subject.keyword") == b"phantom"
    assert os.getxattr(notes, "user.xdg.tags") == b"phantom"
    assert os.getxattr(notes, "user.midas.revisions") == b"2"
    assert [row["revision"] for row in client.call("item.get", id=item)["revisions"]] == ["1", "2"]


def test_thumbnails_are_pictures(library: Mounted) -> None:
    public = library.path / HOME / "Public"
    assert os.listdir(public / ".thumbnails")[0] == "Morning.jpg.jpg"
    with Image.open(public / ".thumbnails/Morning.jpg.jpg") as small:
        assert max(small.size) == 100
    assert "Morning.jpg.big.jpg" not in os.listdir(public / ".thumbnails")
    os.setxattr(public / "Morning.jpg", "user.midas.thumbnail", b"big 300")
    os.setxattr(public / ".thumbnails", "user.assetfs.refresh", b"1")
    with Image.open(public / ".thumbnails/Morning.jpg.big.jpg") as big:
        assert big.size[0] == 300
    assert "user.midas.thumbnail" not in os.listxattr(public / "Morning.jpg")


def test_what_a_dicom_file_says_becomes_attributes(library: Mounted) -> None:
    slice_ = library.path / ATLAS / "Public/Scans/slice.dcm"
    assert not [name for name in os.listxattr(slice_) if "DICOM" in name]
    os.setxattr(slice_, "user.midas.extract_dicom", b"1")
    assert os.getxattr(slice_, "user.midas.meta.DICOM.PatientName") == b"Phantom^Anna"
    assert os.getxattr(slice_, "user.midas.meta.DICOM.Rows") == b"96"


def test_trackers_are_tables(library: Mounted) -> None:
    trends = library.path / ATLAS / ".trackers/Nightly segmentation"
    assert sorted(os.listdir(trends)) == ["dice.csv", "seconds%2Fvolume.csv"]
    rows = list(csv.DictReader(io.StringIO((trends / "dice.csv").read_text())))
    assert [round(float(row["value"]), 2) for row in rows] == [round(0.8 + night / 100, 2) for night in range(10)]
    assert rows[0]["submit_time"] == "2026-11-10 03:00:00"
    assert error_of(lambda: (trends / "dice.csv").write_text("")) in (errno.EACCES, errno.EPERM)
    assert error_of(lambda: os.stat(library.path / HOME / ".trackers")) == errno.ENOENT


def test_all_of_an_item_is_in_one_file(library: Mounted) -> None:
    with (library.path / ATLAS / "Public/Reports/.metadata/report.pdf.json").open() as file:
        known = json.load(file)
    assert [row["revision"] for row in known["revisions"]] == ["1", "2"]
    assert {row["value"] for row in known["metadata"]} >= {"É. Marchand", "Protocol of 21 November"}


def test_bytes_answer_to_their_sum(library: Mounted) -> None:
    content = (library.path / ATLAS / "Public/Reports/report.pdf").read_bytes()
    digest = hashlib.md5(content, usedforsecurity=False).hexdigest()
    for kind in ("md5", "MD5"):
        assert (library.path / ".midas" / kind / digest).read_bytes() == content
    assert error_of(lambda: os.stat(library.path / ".midas/md5" / ("0" * 32))) == errno.ENOENT


def test_searches_are_folders_of_links(library: Mounted) -> None:
    found = library.path / ".assetfs/search/report"
    assert sorted(os.listdir(found)) == ["Reports", "report.pdf"]
    assert (found / "report.pdf").resolve() == (library.path / ATLAS / "Public/Reports/report.pdf").resolve()
    lucene = library.path / ".assetfs/search/text-DICOM.Modality:MR AND name:head*"
    assert os.listdir(lucene) == ["head.nrrd"]


def test_who_is_not_listed_answers_to_a_name(library: Mounted) -> None:
    assert os.listdir(library.path / "users") == ["Ada_Sandbox"]
    assert sorted(os.listdir(library.path / "users/Grace_Sandbox")) == ["Private", "Public"]
    assert error_of(lambda: os.listdir(library.path / "users/No_Body")) == errno.ENOENT


def test_one_item_in_two_folders_is_one_file_with_two_names(library: Mounted, client: MidasClient) -> None:
    private, public = library.path / HOME / "Private", library.path / HOME / "Public"
    os.link(private / "notes.txt", public / "notes.txt")
    assert os.stat(private / "notes.txt").st_ino == os.stat(public / "notes.txt").st_ino
    assert os.stat(public / "notes.txt").st_nlink == 2
    assert error_of(lambda: os.link(private / "notes.txt", public / "other.txt")) == errno.EPERM
    os.unlink(public / "notes.txt")
    assert (private / "notes.txt").read_text().startswith("Things to look at")
    assert client.call("item.searchbyname", name="notes.txt")["items"]


def test_a_link_is_one_to_the_web(library: Mounted) -> None:
    private = library.path / HOME / "Private"
    os.symlink("https://example.org/mirror.bin", private / "mirror")
    assert os.readlink(private / "mirror") == "https://example.org/mirror.bin"
    assert error_of(lambda: os.symlink("notes.txt", private / "near")) == errno.EPERM
    os.unlink(private / "mirror")
    assert "mirror" not in os.listdir(private)


def test_a_link_that_looked_like_a_file_turns_out_to_be_a_link(library: Mounted, client: MidasClient) -> None:
    folder = client.folder("links")
    for number in range(3):
        client.item(folder, f"{number}.txt", b"text")
    client.call("link.create", folderid=folder, url="https://example.org/x", itemname="x", length=10)
    os.setxattr(library.path / HOME / "Private", "user.assetfs.refresh", b"1")
    there = library.path / HOME / "Private/links"
    assert len(os.listdir(there)) == 4
    assert error_of(lambda: (there / "x").read_bytes()) == errno.ENOENT, "it leads nowhere here"
    assert stat.S_ISLNK(os.lstat(there / "x").st_mode)


def test_an_item_of_several_files_is_worked_in(library: Mounted, client: MidasClient) -> None:
    series = library.path / ATLAS / "Public/Scans/T2 axial"
    first = (series / "0001.png").read_bytes()
    (series / "0013.png").write_bytes(first + b" more")
    flush(library)
    item = int(os.getxattr(series, "user.midas.id").removeprefix(b"item:"))
    assert len(client.files(item)) == 13
    (series / "0002.png").write_bytes(b"edited")
    flush(library)  # all files of the new revision are other ones for the server now
    os.rename(series / "0013.png", series / "last.png")
    os.unlink(series / "0003.png")
    os.setxattr(series, "user.assetfs.refresh", b"1")
    names = sorted(os.listdir(series))
    assert names == [f"{number:04}.png" for number in (1, 2, *range(4, 13))] + ["last.png"]
    assert (series / "0002.png").read_bytes() == b"edited"
    assert (series / "last.png").read_bytes() == first + b" more"
    assert os.getxattr(series, "user.midas.meta.DICOM.Modality") == b"MR"
    assert sorted(os.listdir(series / ".revisions")) == ["1", "2"]
    assert len(os.listdir(series / ".revisions/1")) == 13, "history is as it was"
    assert error_of(lambda: os.mkdir(series / "below")) in (errno.EOPNOTSUPP, errno.EPERM)
    assert error_of(lambda: os.rmdir(series)) == errno.ENOTEMPTY


def test_communities_are_made_and_described(library: Mounted, client: MidasClient) -> None:
    place = library.path / "communities/small lab"
    os.mkdir(place)
    assert sorted(os.listdir(place)) == ["Private", "Public"]
    os.setxattr(place, "user.midas.can_join", b"Invitation")
    os.setxattr(place, "user.midas.description", b"We are few")
    made = client.call("community.get", name="small lab")
    assert (made["can_join"], made["description"]) == ("0", "We are few")
    os.rename(place, library.path / "communities/lab")
    assert client.call("community.get", name="lab")["community_id"] == made["community_id"]
    assert error_of(lambda: os.rmdir(library.path / "communities/lab")) == errno.EACCES
    assert error_of(lambda: (library.path / "communities/lab/x").write_bytes(b"")) == errno.EACCES


def test_what_looking_and_reading_cost(tmp_path: Path) -> None:
    with (
        start_sandbox("midas", seed="bench", options=("--bench-files", "500", "--bench-size", "50000000")) as server,
        mounted(server.source, server.credential, tmp_path) as drive,
    ):
        small = drive.path / HOME / "Public/small"
        os.listdir(small.parent)
        server.forget()
        assert drive.run("ls", "-lR", small).stdout.count(b".txt") == 500
        assert server.requests()["calls"] == {"folder.children": 1, "bitstream.count": 1}
        server.forget()
        assert (small / "000007.txt").read_text() == "item 7\n"
        assert server.requests()["calls"] == {"item.get": 1}
        assert server.requests()["kinds"]["POST download"] == 1
        assert drive.run("cat", small / "000007.txt").stdout == b"item 7\n"
        assert server.requests()["total"] == 2, "a second time it is here"
        server.forget()
        done = drive.run(f"cat {small}/0000[1-4]?.txt")
        assert done.stdout.count(b"item") == 40
        assert server.requests()["total"] <= 2 * (40 + 64), "each once, and those that were fetched ahead"
        server.forget()
        large = small.parent / "large.bin"
        digest = hashlib.md5(large.read_bytes(), usedforsecurity=False).hexdigest()
        assert os.getxattr(large, "user.midas.md5") == digest.encode()
        streams = [row["sent"] for row in server.listing() if row["kind"] == "download" and row["sent"] > 1_000]
        assert len(streams) == 1, "one, however many windows"


def test_what_writing_costs(tmp_path: Path) -> None:
    with (
        start_sandbox("midas", seed="empty") as server,
        mounted(server.source, server.credential, tmp_path, *SOON) as drive,
    ):
        private = drive.path / HOME / "Private"
        os.mkdir(private / "desk")
        assert os.listdir(private / "desk") == []

        def spent(action: Callable[[], object]) -> tuple[int, dict[str, int]]:
            server.forget()
            action()
            flush(drive)
            told = server.requests()
            return told["total"], told["calls"]

        total, calls = spent(lambda: (private / "desk/a.txt").write_bytes(b"first"))
        assert total == 5, calls
        total, calls = spent(lambda: (private / "desk/b.txt").write_bytes(b"first"))
        assert total == 4, calls
        total, calls = spent(lambda: os.setxattr(private / "desk/b.txt", "user.midas.meta.title", b"kept"))
        total, calls = spent(lambda: os.rename(private / "desk/b.txt", private / "desk/c.txt"))
        assert total <= 3, calls
        total, calls = spent(lambda: os.unlink(private / "desk/c.txt"))
        assert total == 1, calls


def test_nobody_in_particular_looks_at_what_is_public(demo: RunningSandbox, tmp_path: Path) -> None:
    source = demo.source.replace("ada%40example.org@", "")
    with mounted(source, "nothing to use", tmp_path) as drive:
        assert "Phantom Atlas" in os.listdir(drive.path / "communities")
        assert "Study 12" not in os.listdir(drive.path / "communities")
        assert os.listdir(drive.path / "users") == []
        report = drive.path / ATLAS / "Public/Reports/report.pdf"
        assert report.read_bytes().startswith(b"%PDF")
        assert error_of(lambda: report.write_bytes(b"x")) == errno.EROFS


def test_who_may_only_read_is_told_before_a_byte_is_staged(demo: RunningSandbox, tmp_path: Path) -> None:
    source = demo.source.replace("ada%40", demo.info["reader_email"].replace("@", "%40").partition("example")[0])
    with mounted(source, demo.info["reader_credential"], tmp_path, *NEVER) as drive:
        reports = drive.path / ATLAS / "Public/Reports"
        assert (reports / "report.pdf").read_bytes()
        demo.reset()
        for number in range(3):
            assert error_of(lambda name=f"{number}.txt": (reports / name).write_bytes(b"x")) == errno.EACCES  # type: ignore[misc]
        assert error_of(lambda: (reports / "report.pdf").open("r+b")) == errno.EACCES
        asked = [row["path"] for row in demo.listing() if "getmaxpolicy" in row["path"]]
        assert len(asked) == 2, "the folder once, and the file"
        assert "upload.generatetoken" not in demo.requests()["calls"]
        assert drive.status()["uploads"]["pending"] == 0
        (drive.path / "users/Grace_Sandbox/Private/mine.txt").write_bytes(b"x")
        assert drive.status()["uploads"]["pending"] == 1


def test_chmod_is_privacy_where_it_is_asked_for(demo: RunningSandbox, client: MidasClient, tmp_path: Path) -> None:
    place = client.folder("modes")
    item = client.item(place, "a.txt", b"one\n")
    with mounted(demo.source, demo.credential, tmp_path, *SOON, "--chmod", "privacy", "--umask", "022") as drive:
        folder = drive.path / HOME / "Private/modes"
        for path, shut, ajar in ((folder / "a.txt", 0o600, 0o644), (folder, 0o700, 0o755)):
            assert stat.S_IMODE(path.stat().st_mode) == shut
            drive.run("chmod", "o+r", path)
            assert stat.S_IMODE(path.stat().st_mode) == ajar
            os.setxattr(path, "user.assetfs.refresh", b"1")
            assert stat.S_IMODE(path.stat().st_mode) == ajar
        assert client.call("item.get", id=item)["privacy_status"] == "0"
        assert client.call("folder.get", id=place)["privacy_status"] == "0"
        os.chmod(folder / "a.txt", 0o600)
        assert client.call("item.get", id=item)["privacy_status"] == "2"
        assert error_of(lambda: os.chmod(folder / "a.txt", 0o700)) == errno.EPERM, "there is no such right"
        assert os.getxattr(folder / "a.txt", "user.midas.privacy") == b"Private"


# ---- outages and conflicts -----------------------------------------------------------------------------------------


def test_what_is_written_while_the_server_is_away_arrives_once(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    with start_sandbox("midas", seed="empty", data=data) as server:
        old = MidasClient.admin(server)
        place = old.folder("desk")
        item = old.item(place, "asset.bin", bytes(100_000))
        port = urlsplit(server.url).port or 0
        with mounted(server.source, server.credential, tmp_path / "home", *SOON) as drive:
            desk = drive.path / HOME / "Private/desk"
            assert len((desk / "asset.bin").read_bytes()) == 100_000
            server.process.send_signal(signal.SIGKILL)
            server.process.wait()
            contents = {f"{number:03}.txt": os.urandom(200) for number in range(100)}
            for name, content in contents.items():
                (desk / name).write_bytes(content)
            with (desk / "asset.bin").open("r+b") as file:
                file.seek(50_000)
                file.write(b"edited")
            contents["asset.bin"] = bytes(50_000) + b"edited" + bytes(49_994)
            assert {name: (desk / name).read_bytes() for name in contents} == contents
            with start_sandbox("midas", seed="empty", data=data, port=port) as back:
                flush(drive)
                client = MidasClient.admin(back)
                items = client.call("folder.children", id=place)["items"]
                assert sorted(one["name"] for one in items) == sorted(contents)
                for one in items:
                    form = {"items": one["item_id"], "authToken": client.token}
                    assert client.http.post("/download/", data=form).content == contents[one["name"]]
                revisions = client.call("item.get", id=item)["revisions"]
                assert [len(one["bitstreams"]) for one in revisions] == [1, 1]


@pytest.fixture
def desk(demo: RunningSandbox, client: MidasClient, tmp_path: Path) -> Iterator[tuple[Mounted, Path, int]]:
    """A folder of a drive whose uploads wait until they are asked for, and its number."""
    number = client.folder(f"desk {os.urandom(4).hex()}")
    name = client.call("folder.get", id=number)["name"]
    with mounted(demo.source, demo.credential, tmp_path, *NEVER) as drive:
        yield drive, drive.path / HOME / "Private" / name, number


def content(client: MidasClient, item: str) -> bytes:
    return client.http.post("/download/", data={"items": item, "authToken": client.token}).content


def test_a_version_that_somebody_else_wrote_meanwhile_stays(
    desk: tuple[Mounted, Path, int], client: MidasClient
) -> None:
    drive, place, folder = desk
    item = client.item(folder, "a.txt", b"old")
    with (place / "a.txt").open("r+b") as file:
        file.write(b"mine")
    client.put(item, "a.txt", b"theirs")
    flush(drive)
    items = {one["name"]: content(client, one["item_id"]) for one in client.call("folder.children", id=folder)["items"]}
    ours = next(name for name in items if "conflict" in name)
    assert items == {"a.txt": b"theirs", ours: b"mine"}
    assert (place / ours).read_bytes() == b"mine"
    assert len(client.call("item.get", id=item)["revisions"]) == 2


@pytest.mark.parametrize(("choice", "revisions"), [("revision", 3), ("refuse", 2)])
def test_what_becomes_of_a_conflict_is_an_option(
    demo: RunningSandbox, client: MidasClient, tmp_path: Path, choice: str, revisions: int
) -> None:
    folder = client.folder(f"conflict {choice}")
    item = client.item(folder, "a.txt", b"old")
    with mounted(demo.source, demo.credential, tmp_path, *NEVER, "--conflict", choice) as drive:
        place = drive.path / HOME / f"Private/conflict {choice}"
        with (place / "a.txt").open("r+b") as file:
            file.write(b"mine")
        client.put(item, "a.txt", b"theirs")
        os.setxattr(drive.path / ".assetfs", "user.assetfs.flush", b"1")
        assert eventually(lambda: drive.status()["uploads"]["pending"] == 0, 60)
        assert drive.status()["uploads"]["failed"] == (choice == "refuse")
        assert (place / "a.txt").read_bytes() == b"mine"
        assert [one["name"] for one in client.call("folder.children", id=folder)["items"]] == ["a.txt"]
        assert len(client.call("item.get", id=item)["revisions"]) == revisions
        if choice == "refuse":
            assert b"somebody else" in os.getxattr(place / "a.txt", "user.assetfs.error")


def test_a_name_that_somebody_else_took_meanwhile_stays_theirs(
    desk: tuple[Mounted, Path, int], client: MidasClient
) -> None:
    drive, place, folder = desk
    (place / "new.txt").write_bytes(b"mine")
    client.item(folder, "new.txt", b"theirs")
    flush(drive)
    items = {one["name"]: content(client, one["item_id"]) for one in client.call("folder.children", id=folder)["items"]}
    ours = next(name for name in items if "conflict" in name)
    assert items == {"new.txt": b"theirs", ours: b"mine"}


def test_what_somebody_else_deleted_meanwhile_comes_back_beside(
    desk: tuple[Mounted, Path, int], client: MidasClient
) -> None:
    drive, place, folder = desk
    item = client.item(folder, "a.txt", b"old")
    with (place / "a.txt").open("r+b") as file:
        file.write(b"mine")
    client.call("item.delete", id=item)
    flush(drive)
    items = client.call("folder.children", id=folder)["items"]
    assert [content(client, one["item_id"]) for one in items] == [b"mine"]


# ---- a tree in, a tree out -----------------------------------------------------------------------------------------


@pytest.mark.timeout(700)
def test_a_tree_of_200_files_goes_in_by_one_way_and_out_by_the_other(
    demo: RunningSandbox, tmp_path: Path, client: MidasClient
) -> None:
    try:
        python = environment("pydas==0.3.6")
    except NotAvailable as reason:
        pytest.skip(f"pydas cannot be installed: {reason}")
    tree = tmp_path / "tree"
    for folder in range(20):
        (tree / f"{folder:02} é").mkdir(parents=True)
        for number in range(10):
            path = tree / f"{folder:02} é" / f"{number} & more.bin"
            path.write_bytes(os.urandom(number * 700) if number else b"")
    sums = {
        str(path.relative_to(tree)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in tree.rglob("*")
        if path.is_file()
    }
    assert len(sums) == 200
    (tmp_path / "sums.json").write_text(json.dumps(sums))
    with mounted(demo.source, demo.credential, tmp_path / "home", *SOON) as drive:
        private = drive.path / HOME / "Private"
        drive.run("cp", "-r", tree, private / "by the drive")
        flush(drive)
        run_check(python, "pydas_tree.py", "a_tree_that_a_drive_has_written", demo.info, tmp_path, 300)
        run_check(python, "pydas_tree.py", "a_tree_for_a_drive_to_read", demo.info, tmp_path, 300)
        os.setxattr(private, "user.assetfs.refresh", b"1")
        drive.run("cp", "-r", private / "by pydas", tmp_path / "out")
    back = {
        str(path.relative_to(tmp_path / "out")): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in (tmp_path / "out").rglob("*")
        if path.is_file()
    }
    assert back == sums
