"""Paths of published files are anything that anybody once wrote: a mount shows them all and leaves its roots never."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.mounts import Mounted, mounted
from tests.sandboxes import RunningSandbox, start_sandbox
from tests.studio import Studio

pytestmark = pytest.mark.mount

SECRET = b"nobody may read this through the mount\n"
GOOD = b"a published file\n"
PLACE = "demo/probe/@products/modelMain"

# representation: path, what is declared as its size
HOSTILE = {
    "above": ("{root[work]}/../secret.txt", 39),
    "around": ("{root[work]}/published/../../secret.txt", 39),
    "absolute": ("/etc/passwd", 100),
    "relative": ("../../../../../../etc/passwd", 100),
    "rootless": ("published/good.txt", 17),
    "otherroot": ("{root[nope]}/secret.txt", 39),
    "twice": ("{root[work]}/{root[work]}/../../secret.txt", 39),
    "format": ("{root[work].__class__}/secret.txt", 39),
    "windows": ("C:\\Windows\\System32\\config\\SAM", 10),
    "backslash": ("{root[work]}\\..\\secret.txt", 39),
    "linked": ("{root[work]}/link.txt", 39),
    "linkedfolder": ("{root[work]}/outside/secret.txt", 39),
    "pipe": ("{root[work]}/pipe", 10),
    "folder": ("{root[work]}/published", 10),
    "nothing": ("", 10),
    "dot": ("{root[work]}/published/.", 10),
    "dots": ("{root[work]}/published/..", 10),
    "control": ("{root[work]}/published/a\nb\u0007.txt", 10),
    "nul": ("{root[work]}/published/a\u0000b", 10),
    "long": ("{root[work]}/published/" + "x" * 300 + ".exr", 10),
    "negative": ("{root[work]}/published/negative.txt", -5),
    "huge": ("{root[work]}/published/huge.txt", (1 << 62) - 1),
    "utf": ("{root[work]}/published/höhe \U0001f3d4.txt", 10),
    "same": ("{root[work]}/published/twin.txt", 10),
    "Same2": ("{root[work]}/other/twin.txt", 10),
    "reserved": ("{root[work]}/published/.review", 10),
    "thumb": ("{root[work]}/published/.thumbnail.png", 10),
}
SEVERAL = ("../a", "{root[work]}/../b", "", "..")


@pytest.fixture(scope="module")
def server() -> Iterator[RunningSandbox]:
    with start_sandbox("ayon", seed="demo") as running:
        root = Path(running.info["local_root"])
        (root.parent / "secret.txt").write_bytes(SECRET)
        (root / "published").mkdir()
        (root / "published" / "good.txt").write_bytes(GOOD)
        (root / "link.txt").symlink_to(root.parent / "secret.txt")
        (root / "outside").symlink_to(root.parent)
        os.mkfifo(root / "pipe")
        yield running


@pytest.fixture(scope="module")
def show(server: RunningSandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mounted]:
    studio = Studio(server)
    version = studio.version(studio.product(studio.folder("probe")))
    for number, (name, (path, size)) in enumerate(HOSTILE.items()):
        studio.representation(version, name, {"id": f"{number:032x}", "path": path, "size": size, "name": "x"})
    good = {"id": "good", "path": "{root[work]}/published/good.txt", "name": "good.txt", "size": len(GOOD)}
    studio.representation(version, "good", good)
    several = [{"id": f"{number:032x}", "path": path, "size": 10} for number, path in enumerate(SEVERAL)]
    studio.representation(version, "several", *several)
    with mounted(server.source, server.credential, tmp_path_factory.mktemp("paths")) as found:
        yield found


def files(place: Path) -> list[Path]:
    return sorted(Path(folder) / name for folder, _, names in os.walk(place) for name in names)


def content(path: Path) -> bytes | int | None:
    """The beginning of a file, or the errno that opening it fails with."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError as error:
        return error.errno
    try:
        return os.read(descriptor, 100)
    finally:
        os.close(descriptor)


def test_everything_is_listed_below_its_version_and_answers_to_its_name(show: Mounted) -> None:
    found = files(show.path / PLACE / "v001")
    assert len(found) == len(HOSTILE) + 1 + len(SEVERAL)
    for path in found:
        assert path.lstat().st_size >= 0
        assert len(os.fsencode(path.name)) <= 255
    assert len(set(found)) == len(found)


def test_what_is_published_is_read_and_nothing_else_can_be_opened(show: Mounted) -> None:
    """Not opened rather than not read: who copies would fill what cannot be read with zeros."""
    found = {path: content(path) for path in files(show.path / PLACE / "v001")}
    assert list(found.values()).count(GOOD) == 1
    assert {error for error in found.values() if error != GOOD} == {errno.ENODATA}


def test_programs_that_walk_see_no_secret_and_come_to_an_end(show: Mounted) -> None:
    bounded = "tar cf - demo/probe 2>/dev/null | head -c 1000000"
    done = show.run(bounded, check=False).stdout
    assert len(done) < 1_000_000
    assert SECRET.strip() not in done
    assert b"root:x:0" not in done
    assert show.run("grep -rl nobody demo/probe", check=False).stdout == b""


def test_attributes_say_what_was_written(show: Mounted) -> None:
    paths = set()
    for path in files(show.path / PLACE / "v001"):
        try:
            paths.add(os.getxattr(path, "user.ayon.file.path").decode())
        except OSError:
            continue
    assert {"/etc/passwd", "{root[work]}/../secret.txt"} <= paths
