"""Pictures: thumbnails and reviewables (sections 4.7, 4.8).

A thumbnail answers to `.thumbnail.png` and `.thumbnail.jpg`, whichever it is, and has no size before it was read. An
entity's own change marker says when it is another one; the server's caching headers do not (11.14). Reviewables are
project files; they are uploaded in one request, and taken away by their comment first and then their file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from assetfs.backends.ayon import naming, nodes
from assetfs.backends.ayon.client import decoded, of_project
from assetfs.backends.ayon.ids import Ref, is_id
from assetfs.backends.ayon.studio import Studio
from assetfs.backends.ayon.wire import FileInfo, Reviewable, Reviewables
from assetfs.repository import (
    Conflict,
    Kind,
    Ledger,
    NameRejected,
    Node,
    NotFound,
    NotHere,
    ProtocolViolation,
    RepositoryError,
    Rights,
    Sink,
    Source,
    Unsupported,
    VersionChanged,
)

WITH_THUMBNAIL = ("project", "folder", "task", "version")
"""Workfiles have some, too, but asking for one is an error of the server's (4.8)."""
PLURAL = {"folder": "folders", "task": "tasks", "version": "versions"}
PICTURES = {b"\x89PNG\r\n\x1a\n": "image/png", b"\xff\xd8\xff": "image/jpeg"}
LARGEST_THUMBNAIL = 16 << 20
_HEADER = re.compile(r"[^\x20-\x7e\x80-\U0010ffff]")


class Pictures:
    """Thumbnails and reviewables."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio

    # ---- nodes ----------------------------------------------------------------------------------------------------

    async def hidden(self, ref: Ref, name: str) -> Node:
        """`.review` or a thumbnail of what a folder stands for. Raises NotFound."""
        if name == naming.REVIEW:
            if ref.what != "version":
                raise NotFound("only versions have reviewables")
            return self.review(ref)
        if ref.what not in WITH_THUMBNAIL:
            raise NotFound("no thumbnails here")
        key = (ref.what, ref.id or ref.project, name.rpartition(".")[2])
        return await self._thumbnail(Ref("thumbnail", ref.project, key))

    async def stat(self, ref: Ref) -> Node:
        """One of ours as it is now. Raises NotFound."""
        if ref.what == "thumbnail":
            return await self._thumbnail(ref)
        if ref.what == "review":
            await self._studio.row(ref, "version")
            return self.review(ref)
        for node in await self.reviewables(ref):
            if node.id == ref.node:
                return node
        raise NotFound("there is no such reviewable")

    async def _thumbnail(self, ref: Ref) -> Node:
        what, id_, extension = ref.key
        if what not in WITH_THUMBNAIL or extension not in ("png", "jpg"):
            raise NotFound("there is no such node")
        row: Any = None
        if what != "project":
            row = await self._studio.row(Ref(what, ref.project, (id_,)))
        if row is None or (row.thumbnail_id is None and what != "version"):
            await self._content(ref)  # a folder's may be that of its latest reviewable; a project's is told nowhere
        elif row.thumbnail_id is None:
            raise NotFound("there is no thumbnail")
        return _picture(ref, row)

    def review(self, version: Ref) -> Node:
        """`.review` of a version."""
        return nodes.folder_like(Ref("review", version.project, (version.id,)), naming.REVIEW)

    def thumbnail(self, owner: Ref, row: Any) -> Node:
        """`.thumbnail.png` of an entity that has one."""
        return _picture(Ref("thumbnail", owner.project, (owner.what, owner.id, "png")), row)

    async def reviewables(self, ref: Ref) -> list[Node]:
        """The reviewables of a version. Raises NotFound."""
        if not is_id(ref.id):
            raise NotFound("there is no such version")
        path = of_project(ref.project, "versions", ref.id, "reviewables")
        found = await self._studio.client.get(path, Reviewables, "reviewables")
        return [nodes.reviewable(ref.project, ref.id, row) for row in found.reviewables]

    # ---- content --------------------------------------------------------------------------------------------------

    async def fetch_thumbnail(self, node: Node, start: int, stop: int, sink: Sink) -> None:
        """A thumbnail: it comes whole."""
        ref: Ref = node.private.ref
        if node.version is not None:
            now = await self._thumbnail(ref)
            if now.version != node.version:
                raise VersionChanged("the thumbnail was replaced")
        content = await self._content(ref)
        sink.total(len(content))
        while start < min(stop, len(content)):
            room = sink.lend(start)
            piece = content[start : min(stop, start + len(room))]
            if not piece:
                return
            room[: len(piece)] = piece
            sink.landed(start, len(piece))
            start += len(piece)

    async def _content(self, ref: Ref) -> bytes:
        path = f"{self._path(ref)}?placeholder=none&original=true"
        return (await self._studio.client.send("GET", path, "thumbnail")).content

    def _path(self, ref: Ref) -> str:
        what, id_, _ = ref.key
        if what == "project":
            return of_project(ref.project, "thumbnail")
        return of_project(ref.project, PLURAL[what], id_, "thumbnail")

    # ---- changes --------------------------------------------------------------------------------------------------

    async def set_thumbnail(self, owner: Ref, name: str, source: Source, ledger: Ledger) -> Node:
        """Give an entity another thumbnail. Doing it twice does no harm. Raises NameRejected where it is no picture."""
        if owner.what not in PLURAL:
            raise Unsupported("only folders, tasks and versions have thumbnails that can be set")
        if source.size > LARGEST_THUMBNAIL:
            raise NameRejected("a thumbnail of more than 16 MiB")
        ref = Ref("thumbnail", owner.project, (owner.what, owner.id, name.rpartition(".")[2]))
        content = await source.read(0, source.size)
        mime = next((mime for head, mime in PICTURES.items() if content.startswith(head)), None)
        if mime is None:
            raise NameRejected("a thumbnail is a PNG or a JPEG")
        await ledger.record(thumbnail=True)
        headers = {"Content-Type": mime}
        await self._studio.client.send(
            "POST", self._path(ref), "set thumbnail", content=content, headers=headers, repeatable=True
        )
        ledger.progress(source.size)
        self._changed(owner)
        return await self._thumbnail(ref)

    async def remove_thumbnail(self, ref: Ref) -> None:
        """Take an entity's thumbnail away. Raises NotFound."""
        what, id_, _ = ref.key
        row = await self._studio.row(Ref(what, ref.project, (id_,)))
        if row.thumbnail_id is None:
            raise NotFound("it has no thumbnail of its own")
        path = of_project(ref.project, PLURAL[what], id_)
        await self._studio.client.send("PATCH", path, "remove thumbnail", body={"thumbnailId": None}, repeatable=True)
        self._changed(Ref(what, ref.project, (id_,)))

    def _changed(self, owner: Ref) -> None:
        self._studio.catalogue(owner.project).clear() if owner.what != "folder" else self._studio.changed(
            "folder", owner.project, owner.id, ()
        )

    async def add_reviewable(self, version: Ref, name: str, source: Source, ledger: Ledger) -> Node:
        """A new reviewable of a version, in one request. After a lost answer it is looked for by its name and size."""
        mime = media_type(name)
        before = {node.private.row.activity_id for node in await self.reviewables(version)}
        known = ledger.state.get("reviewables")
        if known is not None:
            for node in await self._new(version, set(known), name):
                if (await self.size(node)) == source.size:
                    return node
        elif any(node.name == name for node in await self.reviewables(version)):
            raise Conflict(f"there is a reviewable {name} already")
        else:
            await ledger.record(reviewables=sorted(before))
        path = of_project(version.project, "versions", version.id, "reviewables")
        headers = {"Content-Type": mime, "X-File-Name": header(name)}
        answer = await self._studio.client.upload(path, source, headers, "upload reviewable", ledger.progress)
        made = await decoded(answer, Reviewable, "upload reviewable")
        if (await self._studio.downloads.info(version.project, made.file_id)).size != source.size:
            raise ProtocolViolation("the server has not all of the reviewable")
        return nodes.reviewable(version.project, version.id, made)

    async def _new(self, version: Ref, before: set[str], name: str) -> list[Node]:
        found = await self.reviewables(version)
        return [node for node in found if node.name == name and node.private.row.activity_id not in before]

    async def abandon(self, state: Mapping[str, Any]) -> None:
        """Nothing is left of a reviewable that was not sent whole."""
        return

    async def size(self, node: Node) -> int:
        """The size of a reviewable. Raises NotFound."""
        info: FileInfo = await self._studio.downloads.info(node.private.ref.project, node.private.stored)
        return info.size

    async def fetch_instead(self, node: Node, start: int, stop: int, sink: Sink) -> None:
        """Bytes of a file that is not here, from a reviewable of its version that has its name and size. Raises
        NotHere."""
        ref: Ref = node.private.ref
        for one in await self.reviewables(Ref("version", ref.project, (node.private.row.version_id,))):
            if one.name == node.name and node.size is not None and await self.size(one) == node.size:
                await self._studio.downloads.fetch(ref.project, one.private.stored, node.size, start, stop, sink)
                return
        raise NotHere("the content is not available at this site, nor as a reviewable")

    async def remove_reviewable(self, node: Node) -> None:
        """Take a reviewable away: its comment, then its file."""
        ref: Ref = node.private.ref
        client = self._studio.client
        await client.send("DELETE", of_project(ref.project, "activities", ref.key[1]), "remove reviewable")
        try:
            path = of_project(ref.project, "files", node.private.stored)
            await client.send("DELETE", path, "remove file", repeatable=True)
        except RepositoryError as error:
            if error.transient:
                raise  # else it is gone, or is left to the server's own cleaning


def media_type(name: str) -> str:
    """What a reviewable's name says that it is. Raises NameRejected for what the server takes no reviewable of."""
    mime = naming.MEDIA.get(name.rpartition(".")[2].lower())
    if mime is None:
        raise NameRejected("reviewables are films and pictures")
    return mime


def header(name: str) -> str:
    """A name as the server takes it in a header: bytes of UTF-8, which it reads as Latin-1."""
    return _HEADER.sub("_", name).encode().decode("latin-1")


def _picture(ref: Ref, row: Any) -> Node:
    """A thumbnail; `row` None: a project's, of which nobody tells when it changes."""
    what, id_, extension = ref.key
    return Node(
        id=ref.node,
        kind=Kind.FILE,
        name=f".thumbnail.{extension}",
        version=f"{row.thumbnail_id}-{row.thumbnail_hash}-{row.updated_at}" if row is not None else None,
        measurable=False,
        rights=Rights.READ | Rights.WRITE if what != "project" else Rights.READ,
        private=nodes.Of(id=id_, ref=ref, row=row),
        **(nodes.times(row) if row is not None else {}),
    )
