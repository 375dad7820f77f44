"""The seed `empty`: people and workspaces, no batch."""

from __future__ import annotations

from assetfs.sandbox.jdma import people
from assetfs.sandbox.jdma.books import Books
from assetfs.sandbox.options import Options


def plant(books: Books, options: Options) -> None:
    """Make them."""
    people.plant(books.db, books.disk)
