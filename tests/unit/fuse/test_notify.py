"""What is told to the kernel, and when not."""

from __future__ import annotations

import inspect

import pytest
import trio
import trio.testing

from assetfs.fuse import notify
from assetfs.fuse.notify import FOLDERS, Notifier
from assetfs.fuse.operations import Operations


def test_the_table_names_operations_and_their_folders() -> None:
    for name, places in FOLDERS.items():
        names = list(inspect.signature(getattr(Operations, name)).parameters)[1:]
        assert all("parent" in names[place] for place in places), name


async def test_nothing_is_sent_for_a_folder_while_a_question_about_it_is_open(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[tuple[int, bytes, int]] = []
    monkeypatch.setattr(notify, "_send", sent.extend)
    notifier = Notifier(lambda inode: False, lambda number: number)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(notifier.run)
        with notifier.question([1, 2]), notifier.question([2]):
            for folder in (1, 2, 3):
                notifier.entry(folder, b"name", 0, deleted=False)
            while not sent:
                await trio.sleep(0.01)
            await trio.sleep(0.05)
            assert sent == [(3, b"name", 0)]
        while len(sent) < 3:
            await trio.sleep(0.01)
        assert sorted(sent) == [(1, b"name", 0), (2, b"name", 0), (3, b"name", 0)]
        await notifier.stop()
        nursery.cancel_scope.cancel()
