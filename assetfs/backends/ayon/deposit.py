"""Bytes on their way to the server's project files, protected as long as nothing refers to them (section 5.2).

A file that no activity has is swept away after five minutes, whenever anybody comments. So an anchor, a comment of our
own, comes first, and files are uploaded to it; when what they are for is there, a comment at that takes them over, and
the anchor goes. All ids are ours and in the ledger before they are used. No file id is used for two contents: an upload
of unknown outcome is asked after, and if it is not whole, it is litter, and the next try has another id.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from assetfs.backends.ayon.client import of_project
from assetfs.backends.ayon.errors import Taken
from assetfs.backends.ayon.ids import is_id, new_id
from assetfs.backends.ayon.nodes import our_data, stored_by_us
from assetfs.backends.ayon.pictures import header
from assetfs.backends.ayon.queries import ACTIVITIES, LISTED, Ask
from assetfs.backends.ayon.studio import Studio
from assetfs.repository import (
    Forbidden,
    Ledger,
    NotFound,
    ProtocolViolation,
    RepositoryError,
    Source,
    Unavailable,
    ValueRejected,
)

ANCHOR, STORE = "assetfs-upload", "assetfs-store"
DIGEST = "sha256"
TRIES = 4
OLD = timedelta(days=1)


class Deposit:
    """One transfer to project files. Its state is in the ledger under `deposit`: project, anchor, files, litter."""

    def __init__(self, studio: Studio, ledger: Ledger) -> None:
        self._studio = studio
        self._ledger = ledger
        self.state: dict[str, Any] = msgspec.convert(ledger.state.get("deposit") or {}, dict[str, Any])

    async def _record(self) -> None:
        await self._ledger.record(deposit=msgspec.to_builtins(self.state))

    async def begin(self, project: str, what: str, id_: str, version: str) -> None:
        """Set the anchor at an entity. `version` is what the files are for; it is found again by that."""
        if not self.state:
            await Janitor(self._studio).sweep(project)
            self.state = {
                "project": project,
                "at": [what, id_],
                "anchor": new_id(),
                "final": new_id(),
                "version": version,
                "files": {},
                "litter": [],
            }
            await self._record()
        await self._comment(
            self.state["anchor"], self.state["at"], "Upload in progress", [ANCHOR], [], {"version": version}
        )

    async def _comment(
        self, id_: str, at: list[str], body: str, tags: list[str], files: list[str], ours: Mapping[str, Any]
    ) -> None:
        """An activity with an id of our own: made once, however often it is asked for."""
        data = {"assetfs": {"site": self._studio.client.site, **ours}}
        activity = {"id": id_, "activityType": "comment", "body": body, "tags": tags, "files": files, "data": data}
        path = of_project(self.state["project"], *at, "activities")
        for last in (False, True):
            try:
                await self._studio.client.send("POST", path, "comment", body=activity, repeatable=False)
            except Taken:
                return
            except Unavailable:
                if last:
                    raise
                continue
            return

    async def put(self, key: str, name: str, source: Source) -> dict[str, Any]:
        """One file on the server: its id, size and hash. `key` names it in this transfer."""
        if source.size == 0:
            raise ValueRejected(f"{name} is empty: the server stores no empty files")
        digest = await source.digest(DIGEST)
        project = self.state["project"]
        known = self.state["files"].get(key)
        if known is not None:
            if (known["size"], known["hash"]) == (source.size, digest) and await self._whole(project, known):
                return dict(known)
            await self._discard(key)
        for number in range(TRIES):
            file = {"id": new_id(), "size": source.size, "hash": digest}
            self.state["files"][key] = file
            await self._record()
            headers = {
                "Content-Type": "application/octet-stream",
                "X-File-Name": header(name),
                "X-File-ID": file["id"],
                "X-Activity-ID": self.state["anchor"],
            }
            path = of_project(project, "files")
            try:
                await self._studio.client.upload(path, source, headers, "upload", self._ledger.progress)
            except Unavailable:
                if not await self._whole(project, file):
                    await self._discard(key)
                    if number == TRIES - 1:
                        raise
                    continue
            if await self._whole(project, file):
                return dict(file)
            await self._discard(key)
        raise ProtocolViolation(f"the server keeps other bytes of {name} than were sent")

    async def _discard(self, key: str) -> None:
        self.state["litter"].append(self.state["files"].pop(key)["id"])
        await self._record()

    async def _whole(self, project: str, file: Mapping[str, Any]) -> bool:
        try:
            info = await self._studio.downloads.info(project, file["id"])
        except NotFound:
            return False
        return info.size == int(file["size"])

    async def finish(self, version: str) -> None:
        """The files are referred to: hand them over to a comment at the version, and take the anchor away."""
        files = [file["id"] for file in self.state["files"].values()]
        await self._comment(self.state["final"], ["version", version], "Published files", [STORE], files, {})
        await self._remove(self.state["anchor"])
        for id_ in self.state["litter"]:
            await delete_file(self._studio, self.state["project"], id_)

    async def _remove(self, activity: str) -> None:
        try:
            path = of_project(self.state["project"], "activities", activity)
            await self._studio.client.send("DELETE", path, "remove comment", repeatable=True)
        except NotFound:
            return

    async def undo(self) -> None:
        """Nothing refers to the files, and nothing will: the anchor goes first, then they."""
        if not self.state:
            return
        await self._remove(self.state["anchor"])
        for id_ in (*(file["id"] for file in self.state["files"].values()), *self.state["litter"]):
            await delete_file(self._studio, self.state["project"], id_)


async def delete_file(studio: Studio, project: str, id_: str) -> None:
    """Remove a project file of ours; one that is gone is no error, nor the server's complaint about a comment's last
    one, which it removes nevertheless (5.2)."""
    if not is_id(id_):
        return
    try:
        path = of_project(project, "files", id_)
        await studio.client.send("DELETE", path, "remove file", repeatable=True)
    except NotFound:
        return
    except RepositoryError as error:
        if error.transient or isinstance(error, Forbidden):
            raise
        try:
            await studio.downloads.info(project, id_)
        except NotFound:
            return
        raise


class Janitor:
    """Finishes or takes back what transfers of this machine left a day ago and longer."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio

    async def sweep(self, project: str) -> None:
        """Look through a project, once in the life of a connection."""
        if project in self._studio.swept:
            return
        self._studio.swept.add(project)
        filters = {"tags": [ANCHOR], "referenceTypes": ["origin"], "authors": [self._studio.user]}
        asked = [Ask("activities", filters, ACTIVITIES, 100)]
        found = await self._studio.client.lists(project, asked, "janitor")
        limit = datetime.now(UTC) - OLD
        for edge in found.activities.edges:
            activity = edge.node
            ours = our_data(activity.activity_data)
            when = datetime.fromisoformat(activity.created_at) if activity.created_at else None
            if ours.get("site") != self._studio.client.site or when is None:
                continue
            if (when if when.tzinfo else when.replace(tzinfo=UTC)) > limit:
                continue
            await self._clean(project, activity.activity_id, str(ours.get("version")))

    async def _clean(self, project: str, anchor: str, version: str) -> None:
        """Hand over what a version refers to; what nothing refers to goes with the anchor, by the server's sweep."""
        deposit = Deposit(self._studio, Kept())
        deposit.state = {"project": project, "anchor": anchor, "final": new_id(), "files": {}, "litter": []}
        asked = [Ask("representations", {"versionIds": [version]}, LISTED["representations"], 5000)]
        found = await self._studio.client.lists(project, asked, "janitor") if is_id(version) else None
        rows = [edge.node for edge in found.representations.edges] if found is not None else []
        stored = [file.id for row in rows if stored_by_us(row) for file in row.files if is_id(file.id)]
        deposit.state["files"] = {id_: {"id": id_} for id_ in stored}
        if stored:
            await deposit.finish(version)
        else:
            await deposit.undo()


class Kept:
    """A ledger that is read and not written."""

    def __init__(self, state: Mapping[str, Any] | None = None) -> None:
        self.state = state or {}

    async def record(self, **state: Any) -> None:
        return

    def progress(self, sent: int) -> None:
        return
