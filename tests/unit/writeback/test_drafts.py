"""Drafts that could not be committed: what is said of them, tried again, and given up."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import trio
import trio.testing

from assetfs.backends import Address
from assetfs.repository import Busy, Immutable, Offline, ValueRejected
from assetfs.transport import TransportOptions
from assetfs.writeback import committing
from assetfs.writeback.draft import DraftFolder, recorded
from assetfs.writeback.drafts import Drafts
from tests.depots import SOURCE, empty
from tests.example.disk import Disk
from tests.example.repository import Depot


class Shelf(Depot):
    """A depot that remembers what it was asked to clean up."""

    abandoned: list[Mapping[str, Any]]

    async def abandon(self, state: Mapping[str, Any]) -> None:
        await self._asked("abandon")
        self.abandoned.append(state)


class Workshop:
    def __init__(self, drafts: Drafts, depot: Shelf, disk: Disk) -> None:
        self.drafts = drafts
        self.depot = depot
        self.disk = disk

    async def draft(self, name: bytes = b"v1.draft", **files: bytes) -> DraftFolder:
        draft = await self.drafts.make(await self.depot.root(), name)
        for file, content in files.items():
            (draft.path / file).write_bytes(content)
        return draft

    async def refused(self, draft: DraftFolder, name: bytes = b"v1") -> None:
        with pytest.raises(ValueRejected):
            await self.drafts.committing.commit(draft, name, b"")

    async def decided(self, draft: DraftFolder) -> None:
        with trio.fail_after(30):
            await draft.decided.wait()


@asynccontextmanager
async def workshop(home: Path, **options: Any) -> AsyncIterator[Workshop]:
    disk = empty(home)
    depot = Shelf(
        Address(backend="depot", url=urlsplit(SOURCE), options={"folder": disk.folder, **options}), TransportOptions()
    )
    depot.abandoned = []
    drafts = Drafts(depot, home / "state")
    drafts.recover()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(drafts.committing.run)
        await trio.testing.wait_all_tasks_blocked()
        yield Workshop(drafts, depot, disk)
        nursery.cancel_scope.cancel()


async def test_what_failed_is_told_also_without_a_mount(tmp_path: Path) -> None:
    async with workshop(tmp_path) as here:
        draft = await here.draft()
        (draft.path / "empty").mkdir()
        assert here.drafts.failed() == []
        await here.refused(draft)
        assert here.drafts.failed() == [draft]
    (told,) = recorded(tmp_path / "state")
    assert (told.place.rpartition("/")[2], told.state, told.folder) == ("v1.draft", "failed", True)
    assert told.error == "a draft without a file is nothing"
    assert told.staging_file == str(draft.path)


async def test_it_is_tried_again_as_it_was_tried_before(tmp_path: Path) -> None:
    async with workshop(tmp_path) as here:
        draft = await here.draft()
        await here.refused(draft)
    async with workshop(tmp_path) as here:
        (draft,) = here.drafts
        (draft.path / "a.txt").write_bytes(b"a")
        here.drafts.committing.retry(draft)
        await here.decided(draft)
        assert (here.disk.tree / "v1" / "a.txt").read_bytes() == b"a"
        assert list(here.drafts) == []
    assert list(recorded(tmp_path / "state")) == []


async def test_one_that_was_renamed_meanwhile_is_tried_under_its_new_name(tmp_path: Path) -> None:
    async with workshop(tmp_path) as here:
        draft = await here.draft()
        await here.refused(draft, b"v1.draft")
        await here.drafts.rename(draft, await here.depot.root(), b"v2.draft")
        (draft.path / "a.txt").write_bytes(b"a")
        here.drafts.committing.retry(draft)
        await here.decided(draft)
        assert (here.disk.tree / "v2" / "a.txt").exists()


async def test_what_was_never_tried_or_is_written_cannot_be_tried_again(tmp_path: Path) -> None:
    async with workshop(tmp_path) as here:
        draft = await here.draft()
        with pytest.raises(ValueRejected):
            here.drafts.committing.retry(draft)
        await here.refused(draft)
        draft.writers = 1
        with pytest.raises(Busy):
            here.drafts.committing.retry(draft)
        with pytest.raises(Busy):
            await here.drafts.discard(draft)
        assert here.drafts.failed() == [draft]


async def test_a_discarded_draft_is_gone_with_all_that_is_in_it(tmp_path: Path) -> None:
    async with workshop(tmp_path) as here:
        draft = await here.draft(a=b"a")
        (draft.path / "deep" / "er").mkdir(parents=True)
        draft.record.ledger = {"id": "d1"}
        await here.drafts.discard(draft)
        assert here.depot.abandoned == [{"id": "d1"}]
        assert not draft.path.exists()
    async with workshop(tmp_path) as here:
        assert list(here.drafts) == []


async def test_a_discard_that_the_server_cannot_be_told_of_leaves_everything(tmp_path: Path) -> None:
    async with workshop(tmp_path) as here:
        draft = await here.draft(a=b"a")
        draft.record.ledger = {"id": "d1"}
        (here.disk.folder / "down").touch()
        with pytest.raises(Offline):
            await here.drafts.discard(draft)
        assert (draft.path / "a").read_bytes() == b"a"
        assert here.drafts.of(draft.id) is draft


async def test_nothing_is_discarded_while_it_is_being_committed(tmp_path: Path) -> None:
    async with workshop(tmp_path) as here:
        draft = await here.draft(a=b"a")
        await here.drafts.committing.commit(draft, b"v1", b"slow")
        with pytest.raises(Immutable):
            await here.drafts.discard(draft)
        (here.disk.accepted / "v1").write_text("no room")
        with trio.fail_after(30):
            while not draft.has_failed:
                await trio.sleep(0.01)
        assert draft.record.size == 1
        await here.drafts.discard(draft)
        assert list(here.drafts) == []


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drafts are looked at all the time."""
    monkeypatch.setattr(committing, "LOOK", 0.01)


@pytest.mark.usefixtures("quick")
async def test_it_is_not_committed_by_itself_while_it_is_being_changed_nor_again_before(tmp_path: Path) -> None:
    async with workshop(tmp_path, idle=0.01) as here:
        draft = await here.draft()
        with here.drafts.changing(draft):
            await trio.sleep(0.1)
            assert here.depot.requests["stat"] == 0
        with trio.fail_after(30):
            while not draft.has_failed:
                await trio.sleep(0.01)
        await trio.sleep(0.1)
        assert here.depot.requests["stat"] == 1
        with here.drafts.changing(draft):
            (draft.path / "a.txt").write_bytes(b"a")
        with trio.fail_after(30):
            while list(here.drafts):
                await trio.sleep(0.01)
        assert (here.disk.tree / "v1" / "a.txt").exists()
