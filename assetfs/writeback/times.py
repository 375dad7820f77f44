"""Times: the modification time that somebody gave to a content, remembered by what identifies that content.

`cp -p`, `tar x` and `rsync -t` set times that no server stores. They are kept here with the content's digest, so that a
second `rsync` finds what the first one left, also after a remount.
"""

from __future__ import annotations

from assetfs.content.catalogue import key_of
from assetfs.repository import Node
from assetfs.writeback.journal import Journal


class Times:
    """Nanoseconds since the epoch, by content."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._known: dict[str, int] = dict(journal.times())

    def of(self, node: Node) -> int | None:
        """The time that was accepted for exactly this content."""
        key = key_of(node) or _stamped(node)
        return self._known.get(key) if key is not None else None

    def give(self, node: Node, mtime_ns: int) -> None:
        """Remember it. Raises OSError, and then forgets it again."""
        for key in (key_of(node), _stamped(node)):
            if key is not None:
                self._journal.remember_time(key, mtime_ns)
                self._known[key] = mtime_ns


def _stamped(node: Node) -> str | None:
    """What a node goes by that is listed without its version."""
    return f"{node.id}@{node.stamp}" if node.stamp is not None else None
