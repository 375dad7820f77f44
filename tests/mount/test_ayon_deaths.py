"""A draft becomes a version whole or not at all, whenever the daemon dies, and whoever may not do more."""

from __future__ import annotations

import errno
import itertools
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import Popen
from typing import Any

import pytest

from assetfs.fuse.session import abort
from tests.mounts import Mounted, alive, ended, error_of, eventually, mounted, unmount
from tests.sandboxes import RunningSandbox, start_sandbox
from tests.studio import Studio

pytestmark = [pytest.mark.mount, pytest.mark.timeout(300)]

CONTENTS = {"hero.abc": b"alembic", "exr/hero.1001.exr": b"one", "exr/hero.1002.exr": b"two"}
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def served() -> Iterator[RunningSandbox]:
    with start_sandbox("ayon", seed="empty") as running:
        yield running


@pytest.fixture
def server(served: RunningSandbox) -> Iterator[RunningSandbox]:
    served.reset()
    yield served
    served.reset()


@pytest.fixture
def studio(server: RunningSandbox) -> Studio:
    return Studio(server)


@pytest.fixture
def product(studio: Studio) -> str:
    """A product with one version. Returns its path in a mount."""
    folder = f"asset{next(_numbers)}"
    studio.version(studio.product(studio.folder(folder)))
    return f"demo/{folder}/@products/modelMain"


def drafted(show: Mounted, product: str, name: str = "next.draft") -> Path:
    """A draft with some files in it."""
    draft = show.path / product / name
    draft.mkdir()
    (draft / "exr").mkdir()
    for file, content in CONTENTS.items():
        (draft / file).write_bytes(content)
    return draft


def published(studio: Studio, product: str) -> dict[str, dict[str, bytes]]:
    """What the server has of a product: the bytes of every file, by version and name."""
    folder = product.split("/")[1]
    [asset] = studio.nodes("folders", "id", "(names:$n)", n=[folder])
    [found] = studio.nodes("products", "id", "(folderIds:$f)", f=[asset["id"]])
    versions: dict[str, dict[str, bytes]] = {}
    for version in studio.nodes("versions", "id name", "(productIds:$i)", i=[found["id"]]):
        assert version["name"] not in versions
        fields = "name files{id name}"
        rows = studio.nodes("representations", fields, "(versionIds:$v)", v=[version["id"]])
        versions[version["name"]] = {
            file["name"]: studio.payload(file["id"]).content for row in rows for file in row["files"]
        }
    return versions


WHOLE = {"v001": {}, "v002": {Path(name).name: content for name, content in CONTENTS.items()}}
NOTHING_NEW: dict[str, Any] = {"v001": {}}


def state(path: Path) -> str:
    return os.getxattr(path, "user.assetfs.state").decode()


def test_a_number_that_is_taken_and_a_server_that_is_out_of_order(
    server: RunningSandbox, studio: Studio, product: str, tmp_path: Path
) -> None:
    with mounted(server.source, server.credential, tmp_path) as show:
        draft = drafted(show, product, "v001.draft")
        assert error_of(lambda: draft.rename(draft.parent / "v001")) == errno.EEXIST
        assert (draft / "hero.abc").read_bytes() == b"alembic"
        server.arm("status", {"kind": "operations"}, count=None, status=400, body='{"code":400,"detail":"no"}')
        assert error_of(lambda: draft.rename(draft.parent / "v002")) == errno.EINVAL
        assert state(draft) == "failed"
        assert os.getxattr(draft, "user.assetfs.error")
        assert published(studio, product) == NOTHING_NEW
        server.disarm()
        draft.rename(draft.parent / "v002")
        assert published(studio, product) == WHOLE


def test_an_artist_publishes_and_makes_no_folders(
    server: RunningSandbox, studio: Studio, product: str, tmp_path: Path
) -> None:
    with mounted(server.source, server.info["artist"]["credential"], tmp_path) as show:
        assert error_of((show.path / "demo" / "mine").mkdir) == errno.EACCES
        draft = drafted(show, product)
        draft.rename(draft.parent / "v002")
        assert published(studio, product) == WHOLE
        assert error_of((show.path / product / "v002" / "hero.abc").unlink) == errno.EACCES


def dies(
    show: Mounted,
    server: RunningSandbox,
    product: str,
    fault: str,
    match: dict[str, str],
    nth: int,
    done: Callable[[], bool] | None = None,
) -> None:
    """Publish the draft, and kill the daemon when a fault has struck and `done` says so."""
    server.arm(fault, match, nth=nth, bytes_per_second=1)
    moving = show.start("mv", f"{product}/next.draft", f"{product}/v002")
    killed(show, server, moving, done)


def killed(
    show: Mounted, server: RunningSandbox, moving: Popen[bytes] | None, done: Callable[[], bool] | None = None
) -> None:
    """Kill the daemon when the armed fault has struck."""
    assert eventually(lambda: server.armed()[0]["struck"])
    assert done is None or eventually(done)
    os.kill(show.pid, signal.SIGKILL)
    assert eventually(lambda: not alive(show.pid))
    abort(show.path)  # as `umount --force` does: a thread may be left that waits for the kernel's rename
    unmount(show.path)
    if moving is not None:
        ended(moving)
    server.disarm()


def finished(server: RunningSandbox, studio: Studio, product: str, tmp_path: Path) -> None:
    """After a remount the version is there once and whole, at the latest when the draft is moved again."""
    with mounted(server.source, server.credential, tmp_path) as show:
        draft = show.path / product / "next.draft"
        assert eventually(lambda: not draft.exists() or state(draft) == "draft")
        if draft.exists():
            assert (draft / "exr" / "hero.1001.exr").read_bytes() == b"one"
            draft.rename(draft.parent / "v002")
        assert set(os.listdir(show.path / product)) == {"latest", "v001", "v002"}
        assert (show.path / product / "v002" / "exr" / "hero.1002.exr").read_bytes() == b"two"
    assert published(studio, product) == WHOLE
    assert studio.nodes("activities", "activityId", '(tags:["assetfs-upload"])') == []


@pytest.mark.parametrize(
    ("fault", "match", "nth"),
    [
        ("hang", {"kind": "activity", "method": "POST"}, 1),
        ("hang", {"kind": "upload"}, 2),
        ("hang", {"kind": "operations"}, 1),
        ("slow", {"kind": "operations"}, 1),
        ("hang", {"kind": "activity", "method": "POST"}, 2),
        ("hang", {"kind": "activity", "method": "DELETE"}, 1),
    ],
    ids=["no anchor", "among its files", "batch not begun", "batch done", "files not attached", "anchor not removed"],
)
def test_the_daemon_dies_while_it_publishes(
    server: RunningSandbox,
    studio: Studio,
    product: str,
    tmp_path: Path,
    fault: str,
    match: dict[str, str],
    nth: int,
) -> None:
    with mounted(server.source, server.credential, tmp_path) as show:
        drafted(show, product)
        done = (lambda: published(studio, product) == WHOLE) if fault == "slow" else None
        dies(show, server, product, fault, match, nth, done)
    assert published(studio, product) in (NOTHING_NEW, WHOLE)
    finished(server, studio, product, tmp_path)


def test_the_daemon_dies_again_while_it_finishes(
    server: RunningSandbox, studio: Studio, product: str, tmp_path: Path
) -> None:
    """First when the version is there and nobody was told, then when the files are to be handed over to it."""
    with mounted(server.source, server.credential, tmp_path) as show:
        drafted(show, product)
        dies(show, server, product, "lost_answer", {"kind": "operations"}, 1)
    for kind in ({"kind": "activity", "method": "POST"}, {"kind": "activity", "method": "DELETE"}):
        server.arm("hang", kind)
        with mounted(server.source, server.credential, tmp_path) as show:
            draft = show.path / product / "next.draft"
            moving = show.start("mv", f"{product}/next.draft", f"{product}/v002") if draft.exists() else None
            killed(show, server, moving)
        assert published(studio, product) == WHOLE
    finished(server, studio, product, tmp_path)
