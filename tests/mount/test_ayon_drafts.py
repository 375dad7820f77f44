"""Drafts of versions: gathered here with full freedom, published by a rename, whole or not at all."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ayon import Studio, unique
from tests.mounts import Mounted, error_of, mounted
from tests.sandboxes import RunningSandbox, start_sandbox

pytestmark = pytest.mark.mount


@pytest.fixture(scope="module")
def server() -> Iterator[RunningSandbox]:
    with start_sandbox("ayon", seed="empty") as running:
        running.switch(heartbeat=0.2)
        yield running


@pytest.fixture
def studio(server: RunningSandbox) -> Studio:
    server.reset()
    server.switch(heartbeat=0.2)
    return Studio(server)


@pytest.fixture
def drive(studio: Studio, tmp_path: Path) -> Iterator[Mounted]:
    with mounted(studio.running.source, studio.running.credential, tmp_path / "home") as found:
        yield found


@pytest.fixture
def product(studio: Studio) -> str:
    return studio.product("modelMain", studio.folder(unique("shot")))


@pytest.fixture
def place(studio: Studio, drive: Mounted, product: str) -> Path:
    folder = studio.get("folder", studio.get("product", product)["folderId"])["name"]
    return drive.path / studio.project / folder / "@products" / "modelMain"


def published(studio: Studio, product: str) -> dict[str, list[str]]:
    """What others see: the files of every version."""
    found = {}
    for version in studio.rows("versions", "productIds", product, "id name"):
        rows = studio.rows("representations", "versionIds", version["id"], "files{path}")
        found[version["name"]] = sorted(file["path"].rpartition("/")[2] for row in rows for file in row["files"])
    return found


def test_a_draft_is_published_by_its_rename(drive: Mounted, studio: Studio, place: Path, product: str) -> None:
    draft = place / "next.draft"
    draft.mkdir()
    (draft / "notes").write_text("x")
    os.rename(draft / "notes", draft / "notes.txt")
    os.truncate(draft / "notes.txt", 0)
    with (draft / "notes.txt").open("a") as file:
        file.write("read me\n")
    drive.run("sh", "-c", f"head -c 3000000 /dev/urandom > '{draft}/hero.abc'")
    for number in (1001, 1002):
        (draft / f"beauty.{number}.exr").write_bytes(b"%d" % number)
    content = (draft / "hero.abc").read_bytes()
    os.setxattr(draft, "user.ayon.attrib.comment", b"for review")
    assert published(studio, product) == {}
    os.rename(draft, place / "publish")
    files = ["beauty.1001.exr", "beauty.1002.exr", "hero.abc", "notes.txt"]
    assert published(studio, product) == {"v001": files}
    assert set(os.listdir(place)) >= {"v001"}
    assert "next.draft" not in os.listdir(place)
    assert (place / "v001" / "hero.abc").read_bytes() == content
    assert (place / "v001" / "exr" / "beauty.1002.exr").read_bytes() == b"1002"
    (row,) = studio.rows("versions", "productIds", product, "id")
    assert studio.get("version", row["id"])["attrib"]["comment"] == "for review"


def test_a_number_that_is_taken_and_one_that_is_free(studio: Studio, place: Path, product: str) -> None:
    studio.version(3, product)
    draft = place / "v003.draft"
    draft.mkdir()
    (draft / "a.abc").write_bytes(b"abc")
    assert error_of(lambda: os.rename(draft, place / "v003")) in (errno.EEXIST, errno.ENOTEMPTY)
    assert (draft / "a.abc").read_bytes() == b"abc"
    os.rename(draft, place / "v004")
    assert published(studio, product) == {"v003": [], "v004": ["a.abc"]}


def test_what_cannot_be_published_stays_a_draft_and_says_why(studio: Studio, place: Path, product: str) -> None:
    draft = place / "next.draft"
    draft.mkdir()
    (draft / "empty.abc").touch()
    assert error_of(lambda: os.rename(draft, place / "v001")) == errno.EINVAL
    assert b"empty" in os.getxattr(draft, "user.assetfs.error")
    assert error_of((draft / "deep" / "deeper").mkdir) == errno.ENOENT
    (draft / "deep").mkdir()
    assert error_of((draft / "deep" / "deeper").mkdir) == errno.EINVAL
    (draft / "deep").rmdir()
    (draft / "empty.abc").write_bytes(b"no more")
    os.rename(draft, place / "v001")
    assert published(studio, product) == {"v001": ["empty.abc"]}


def test_a_draft_is_seen_by_nobody_else(
    drive: Mounted, studio: Studio, place: Path, product: str, tmp_path: Path
) -> None:
    draft = place / "next.draft"
    draft.mkdir()
    (draft / "a.abc").write_bytes(b"abc")
    relative = draft.relative_to(drive.path)

    with mounted(studio.running.source, studio.running.credential, tmp_path / "other", name="other") as other:
        assert not (other.path / relative).exists(), "a draft is its mount's own"
    assert (draft / "a.abc").read_bytes() == b"abc"
    assert published(studio, product) == {}
