"""Paths that a server gives are followed below their root only."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
import trio

from assetfs.repository import Kind, LocalContent, Node, NotHere, ProtocolViolation
from assetfs.vfs import local
from assetfs.vfs.local import Local, open_below


@pytest.fixture(params=["openat2", "steps"])
def root(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    if request.param == "steps":
        monkeypatch.setattr(local, "_descend", local.descend_by_steps)
    (tmp_path / "secret").write_text("not yours")
    inside = tmp_path / "root"
    (inside / "a" / "b").mkdir(parents=True)
    (inside / "a" / "b" / "file").write_text("content")
    (inside / "link").symlink_to("a/b/file")
    (inside / "out").symlink_to("../secret")
    (inside / "up").symlink_to("..")
    (inside / "through").symlink_to("a")
    os.mkfifo(inside / "fifo")
    (inside / "proc").symlink_to("/proc/self/root")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(inside / "socket"))
    return inside


def test_a_file_below_the_root(root: Path) -> None:
    file = open_below(LocalContent(root, "a/b/file"))
    assert os.pread(file, 100, 0) == b"content"
    os.close(file)


@pytest.mark.parametrize(
    "relative",
    [
        *("../secret", "a/../../secret", "/etc/passwd", "", ".", "a/./b/file", "a//b/file", "a/b/file/", "a/b/file\0x"),
        *("link", "out", "up/secret", "through/b/file", "proc/etc/passwd", "fifo", "socket", "a", "missing", "x" * 300),
        *("a/b/file/deeper", "\udc80"),
    ],
)
def test_nothing_else_is_opened(root: Path, relative: str) -> None:
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(NotHere):
        open_below(LocalContent(root, relative))
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_root_may_be_a_link(root: Path) -> None:
    other = root.parent / "other"
    other.symlink_to("root")
    os.close(open_below(LocalContent(other, "a/b/file")))


@pytest.fixture
def node(tmp_path: Path) -> Callable[..., Node]:
    (tmp_path / "file").write_text("content")

    def make(relative: str = "file", size: int = 7, **more: bool) -> Node:
        content = LocalContent(tmp_path, relative, **more)
        return Node(id="f", kind=Kind.FILE, name="f", size=size, version="v1", local=content)

    return make


async def test_a_file_of_its_own_size(node: Callable[..., Node]) -> None:
    contents = Local(trio.current_time)
    reader = await contents.open(node(size=3))
    assert reader is not None
    assert (reader.size, reader.node.size) == (7, 7)
    assert await reader.read(0, 100) == b"content"
    assert await reader.read(4, 2) == b"en"
    assert await reader.read(7, 2) == b""
    reader.close()
    with pytest.raises(ProtocolViolation):
        await contents.open(node(size=3, exact=True))
    assert await contents.open(node("gone", fetchable=True)) is None
    with pytest.raises(NotHere):
        await contents.open(node("gone"))


async def test_a_read_that_nobody_waits_for_closes_nothing_early(node: Callable[..., Node]) -> None:
    contents = Local(trio.current_time)
    reader = await contents.open(node())
    assert reader is not None
    before = len(os.listdir("/proc/self/fd"))
    with trio.CancelScope() as scope:
        scope.cancel()
        await reader.read(0, 3)
    assert await reader.read(0, 3) == b"con"
    reader.close()
    assert len(os.listdir("/proc/self/fd")) == before - 1
