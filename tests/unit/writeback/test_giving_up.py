"""A file is deleted while its upload is under way, and the server is away."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, cast

import pytest

from assetfs.content.store import ContentStore
from assetfs.repository import Kind, Node, Offline, Repository
from assetfs.writeback.journal import Journal
from assetfs.writeback.writeback import Settings, WriteBack


class Away:
    """A server that does not answer any more."""

    def __init__(self) -> None:
        self.asked: list[Mapping[str, Any]] = []

    async def abandon(self, state: Mapping[str, Any]) -> None:
        self.asked.append(state)
        raise Offline("nobody answers")


class Tasks:
    """Collects what would run in the mount's nursery, where an error would end the mount."""

    def __init__(self) -> None:
        self.started: list[tuple[Callable[..., Awaitable[None]], tuple[object, ...]]] = []

    def start(self, work: Callable[..., Awaitable[None]], *args: object) -> None:
        self.started.append((work, args))


async def test_deleting_a_half_sent_file_offline_does_not_end_the_mount(tmp_path: Path) -> None:
    server, tasks = Away(), Tasks()
    staging = tmp_path / "staging"
    staging.mkdir()
    journal = Journal(tmp_path / "journal.sqlite")
    writeback = WriteBack(cast(Repository, server), cast(ContentStore, tasks), journal, staging, Settings())
    staged = writeback._new(Node(id="c1", kind=Kind.FOLDER, name="letters"), b"letter.txt")
    staged.entry.ledger = {"digest": "0"}
    writeback.forget(staged)
    for work, args in tasks.started:
        await work(*args)
    assert not list(staging.iterdir())
    with pytest.raises(Offline):
        await writeback.leftovers.clear("c1", b"letter.txt")
    assert server.asked == [{"digest": "0"}]
    assert [left.ledger for _, left in journal.leftovers()] == [{"digest": "0"}], "it is asked again later"
    journal.close()
