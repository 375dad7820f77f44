"""Admission: which names go to the server, and which are kept here.

a local-only pattern, or inside a local folder    kept here, for ever
a name that programs give to what they will       kept here if the server would refuse it
rename (`f.AbC123`, `f~`)
a name that the server would refuse               refused, before a byte is staged
any other                                         goes to the server
"""

from __future__ import annotations

from assetfs import names
from assetfs.repository import Kind, Node, NodeId, Repository, Unsupported
from assetfs.writeback.journal import Entry
from assetfs.writeback.localnames import Patterns
from assetfs.writeback.staging import is_local

TEMPORARY = Patterns(
    (
        *("*.*.??????", "*.o??????", "*~", "#*#", "~$*", "zi??????", "*.tmp*", "*.new", "*.swp", "*.lock"),
        *("*_exiftool_tmp", "*.blend@"),
    )
)
"""Names that programs give to a file that they will rename."""


class Admission:
    """`local` and `backups` are the mount's patterns."""

    def __init__(self, repository: Repository, local: tuple[str, ...], backups: tuple[str, ...]) -> None:
        self._repository = repository
        self._local = Patterns(local)
        self._backups = Patterns(backups)

    def keeps_here(self, folder: NodeId, name: bytes) -> bool:
        """Whether a name in a folder never goes to the server."""
        return is_local(folder) or self._local.fits(name)

    def is_backup(self, name: bytes) -> bool:
        return self._backups.fits(name)

    @staticmethod
    def is_temporary(name: bytes) -> bool:
        return TEMPORARY.fits(name)

    def check(self, folder: Node, name: bytes) -> None:
        """Whether a file of that name may be made there; raises what `Repository.admit` raises where it may not."""
        if self.keeps_here(folder.id, name):
            return
        try:
            if not self._repository.capabilities.upload:
                raise Unsupported("this repository takes no new files")
            self._repository.admit(folder, names.decode(name), Kind.FILE)
        except Unsupported:
            if not TEMPORARY.fits(name):
                raise

    def goes_to_server(self, entry: Entry) -> bool:
        """Whether a file's name, as it is now, is one that the server would take."""
        if entry.target is not None:
            return True
        if self.keeps_here(entry.parent, entry.name) or entry.parent_node is None:
            return False
        if entry.parent_node.private is None:
            return True  # not known until the server answers
        try:
            self._repository.admit(entry.parent_node, names.decode(entry.name), Kind.FILE)
        except Unsupported:
            return False
        return True
