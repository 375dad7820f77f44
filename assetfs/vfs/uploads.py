"""Uploads, as people see them: what is owed to the server, and what they can do about it.

Two kinds: files that were written here, and drafts that could not be committed. Each has a number, under which
`.assetfs/uploads/` shows it and the commands know it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from assetfs.repository import ValueRejected
from assetfs.writeback.accounts import Account, Accounts
from assetfs.writeback.draft import DraftFolder, account
from assetfs.writeback.staging import Staged
from assetfs.writeback.states import State
from assetfs.writeback.writeback import WriteBack

if TYPE_CHECKING:
    from assetfs.vfs.drafting import Drafting

ALL = "all"
"""Every upload that has failed."""


class Owed(Protocol):
    """One of them. `staged` is the file, where it is one."""

    @property
    def number(self) -> str: ...
    @property
    def has_failed(self) -> bool: ...
    @property
    def staged(self) -> Staged | None: ...
    def account(self) -> Account: ...
    async def retry(self) -> None: ...
    async def discard(self) -> None: ...


class OwedFile:
    """A file that was written here."""

    def __init__(self, accounts: Accounts, staged: Staged) -> None:
        self._accounts = accounts
        self.staged = staged
        self.number = str(staged.entry.number)
        self.has_failed = staged.entry.state is State.FAILED

    def account(self) -> Account:
        return self._accounts.of(self.staged)

    async def retry(self) -> None:
        self._accounts.retry(self.staged)

    async def discard(self) -> None:
        self._accounts.discard(self.staged)


class OwedDraft:
    """A draft that could not be committed."""

    staged = None
    has_failed = True

    def __init__(self, drafting: Drafting, draft: DraftFolder) -> None:
        self._drafting = drafting
        self._draft = draft
        self.number = str(account(draft.record).number)

    def account(self) -> Account:
        return account(self._draft.record)

    async def retry(self) -> None:
        self._drafting.drafts.committing.retry(self._draft)

    async def discard(self) -> None:
        await self._drafting.handover.discard(self._draft)


class Uploads:
    """Everything that a repository is owed; nothing where nothing can be written."""

    def __init__(self, writeback: WriteBack | None, drafting: Drafting | None) -> None:
        self._writeback = writeback
        self._drafting = drafting

    def owed(self) -> Sequence[Owed]:
        """All of it, oldest first, drafts last."""
        owed: list[Owed] = []
        if self._writeback is not None:
            owed += [OwedFile(self._writeback.accounts, staged) for staged in self._writeback.accounts.owed()]
        if self._drafting is not None:
            owed += [OwedDraft(self._drafting, draft) for draft in self._drafting.drafts.failed()]
        return owed

    def find(self, number: str) -> Owed | None:
        return next((owed for owed in self.owed() if owed.number == number), None)

    def _chosen(self, which: str) -> Sequence[Owed]:
        """What a command means: a number, or `all` that have failed. Raises ValueRejected."""
        if which == ALL:
            return [owed for owed in self.owed() if owed.has_failed]
        owed = self.find(which)
        if owed is None:
            raise ValueRejected(f"there is no upload {which!r}: give its number, or all")
        return [owed]

    async def retry(self, which: str) -> None:
        """Try again; returns when that has begun. Raises Busy for a draft that somebody writes in."""
        for owed in self._chosen(which):
            await owed.retry()

    async def discard(self, which: str) -> None:
        """Give up what was written here, a draft with all that is in it. Raises Busy as `retry`, and what the server
        says to the removal of what a commit has left there."""
        for owed in self._chosen(which):
            await owed.discard()
