"""Planting: putting folders, items, revisions and values into a new database without going through the protocol."""

from __future__ import annotations

from collections.abc import Mapping

from assetfs.sandbox.midas import folders, items, policies, uploads
from assetfs.sandbox.midas.context import Call
from assetfs.sandbox.midas.revisions import head, revision_of, set_value
from assetfs.sandbox.store import Blobs


class Planter:
    """Makes things for one owner."""

    def __init__(self, call: Call, blobs: Blobs, owner_id: int) -> None:
        self.call = call
        self.blobs = blobs
        self.owner_id = owner_id

    def place(self, root_id: int, name: str) -> int:
        """A child folder that is there already."""
        return int(self.call.scalar("SELECT folder_id FROM folder WHERE parent_id = ? AND name = ?", root_id, name))

    def folder(self, parent_id: int, name: str, description: str = "") -> int:
        """Make a folder with its parent's policies. Returns its id."""
        folder_id = folders.add(self.call, parent_id, name, description)
        policies.inherit(self.call, "folder", folder_id, parent_id)
        policies.grant(self.call, "folder", folder_id, "user", self.owner_id, policies.ADMIN)
        return folder_id

    def item(self, folder_id: int, name: str, files: Mapping[str, bytes] | bytes | None, description: str = "") -> int:
        """Make an item, with a first revision unless `files` is None; bytes are one file of the item's name."""
        item_id = items.add(self.call, folder_id, name, description)
        policies.grant(self.call, "item", item_id, "user", self.owner_id, policies.ADMIN)
        if files is not None:
            self.revise(item_id, {name: files} if isinstance(files, bytes) else files, "Initial revision")
        return item_id

    def revise(self, item_id: int, files: Mapping[str, bytes], changes: str) -> None:
        """Add a revision with these files."""
        revision = revision_of(self.call, item_id, self.owner_id, changes)
        for name, content in files.items():
            path = self.blobs.scratch / "planting"
            path.write_bytes(content)
            kept, digest = uploads.keep(self.blobs, path)
            uploads.remember(self.call, kept, digest)
            uploads.place(self.call, self.blobs, revision, name, kept)

    def describe(self, item_id: int, values: Mapping[str, str], kind: int = 0) -> None:
        """Set metadata of the newest revision; a dot in a key parts element and qualifier."""
        newest = head(self.call, item_id)
        assert newest is not None
        for name, value in values.items():
            element, _, qualifier = name.partition(".")
            set_value(self.call, newest["itemrevision_id"], kind, element, qualifier, value)
