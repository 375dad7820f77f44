"""Making a show the way people make one: through the server's own code, at a steady pace, the same every time."""

from __future__ import annotations

import hashlib
import os
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from assetfs.sandbox.ayon import activities, entities, files, thumbnails
from assetfs.sandbox.ayon.context import Call
from assetfs.sandbox.ayon.records import Project, load, version_name
from assetfs.sandbox.ayon.server import Server

OPENED = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
BETWEEN = timedelta(minutes=7)  # from one thing that is made to the next
MADE = ("folder", "task", "product", "version", "representation", "workfile", "activity", "list", "list_item")
SPACE = uuid.UUID("5eed5eed-0000-4000-8000-000000000000")


class Planter:
    """Makes the entities of one project as one user. All ids follow from names."""

    def __init__(self, server: Server, project: str, user: str) -> None:
        self.server = server
        self.call = Call(server, "POST", "/", headers={}, user_=server.user(user))
        self.project: Project = self.call.project(project)

    def act(self, user: str) -> None:
        """Go on as another user."""
        self.call.user_ = self.server.user(user)

    def id(self, *parts: object) -> str:
        """The id of what has this name."""
        return uuid.uuid5(SPACE, "/".join(map(str, parts))).hex

    def make(self, kind: str, name: str, above: str | None, **fields: Any) -> str:
        """Make an entity. Returns its id."""
        entity_id = self.id(kind, name, above)
        return entities.create(self.call, self.project, kind, {"id": entity_id, "name": name, **fields}, in_batch=True)

    def folder(self, name: str, folder_type: str, parent: str | None = None, **fields: Any) -> str:
        """Make a folder."""
        return self.make("folder", name, parent, folderType=folder_type, parentId=parent, **fields)

    def task(self, folder: str, task_type: str, **fields: Any) -> str:
        """Make a task that is called as its type."""
        return self.make("task", task_type.lower(), folder, taskType=task_type, folderId=folder, **fields)

    def product(self, folder: str, name: str, product_type: str, **fields: Any) -> str:
        """Make a product."""
        return self.make("product", name, folder, productType=product_type, folderId=folder, **fields)

    def version(self, product: str, number: int, **fields: Any) -> str:
        """Make a version; a negative number makes the hero."""
        return self.make("version", str(number), product, version=number, productId=product, **fields)

    def directory(self, version: str) -> str:
        """Where a version's files are below the studio's storage, as the publish template has it."""
        row = load(self.project, "version", version)
        product = load(self.project, "product", row["product_id"])
        folder = load(self.project, "folder", product["folder_id"])
        place = f"{self.project.name}/{folder['path']}/publish/{product['product_type']}/{product['name']}"
        return f"{place}/{'hero' if row['version'] < 0 else version_name(row['version'])}"

    def published(self, version: str, name: str, contents: dict[str, bytes], **fields: Any) -> str:
        """Make a representation whose files lie on the studio's storage."""
        directory, entries = self.directory(version), []
        for file, content in contents.items():
            self.write(f"{directory}/{file}", content)
            entries.append(self.entry(f"{directory}/{file}", content))
        return self.representation(version, name, entries, **fields)

    def entry(self, path: str, content: bytes, **fields: Any) -> dict[str, Any]:
        """One file of a representation, below the root."""
        digest = hashlib.md5(content, usedforsecurity=False).hexdigest()
        name = path.rpartition("/")[2]
        entry = {"id": self.id("file", path), "name": name, "path": f"{{root[work]}}/{path}", "size": len(content)}
        return entry | {"hash": digest, "hashType": "md5"} | fields

    def representation(self, version: str, name: str, entries: list[dict[str, Any]], **fields: Any) -> str:
        """Make a representation of file entries."""
        row = load(self.project, "version", version)
        product = load(self.project, "product", row["product_id"])
        folder = load(self.project, "folder", product["folder_id"])
        context = {
            "project": {"name": self.project.name, "code": self.project.code},
            "hierarchy": folder["path"].rpartition("/")[0],
            "folder": {"name": folder["name"]},
            "product": {"name": product["name"], "type": product["product_type"]},
            "version": max(row["version"], 0),
            "representation": name,
            "ext": name,
        }
        data = {"context": context, **fields.pop("data", {})}
        return self.make("representation", name, version, versionId=version, files=entries, data=data, **fields)

    def stored(self, version: str, name: str, contents: dict[str, bytes]) -> str:
        """Make a representation whose bytes are on the server, as this project's own mounts publish them."""
        directory, entries = self.directory(version), []
        for file, content in contents.items():
            entry = self.entry(f"{directory}/{file}", content)
            entry["id"] = self.upload(file, "application/octet-stream", content)
            entries.append(entry)
        made = self.representation(version, name, entries, data={"assetfs": {"store": "project-files", "v": 1}})
        self.comment("version", version, "Published files", [entry["id"] for entry in entries], tags=["assetfs-store"])
        return made

    def upload(self, name: str, mime: str, content: bytes) -> str:
        """Put a file on the server. Returns its id."""
        self.spool(content)
        file_id = self.id("upload", name, len(content))
        files.store(self.call, self.project, file_id, name, mime, None)
        return file_id

    def spool(self, content: bytes) -> None:
        """Have a content lie where the body of an upload would."""
        spool = self.server.store.blobs.scratch / "seed"
        spool.write_bytes(content)
        self.call.spool, self.call.spooled = spool, len(content)

    def comment(self, kind: str, entity: str, body: str, attached: list[str] | None = None, **fields: Any) -> str:
        """Say something about an entity."""
        activity_id = self.id("comment", entity, body)
        return activities.add(
            self.call,
            self.project,
            "comment",
            kind,
            entity,
            body=body,
            files=attached,
            activity_id=activity_id,
            **fields,
        )

    def picture(self, kind: str, entity: str, content: bytes, mime: str = "image/jpeg") -> None:
        """Give an entity a thumbnail."""
        made = thumbnails.add(self.call, self.project, content, mime, self.id("thumbnail", entity))
        thumbnails.assign(self.call, self.project, kind, load(self.project, kind, entity), made)

    def write(self, path: str, content: bytes) -> Path:
        """Write a file on the studio's storage."""
        place = self.server.local_root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
        os.utime(place, (OPENED.timestamp(), OPENED.timestamp()))
        return place

    def finish(self) -> None:
        """Give everything its time, and forget the events."""
        db = self.project.db
        rows = [(row["created_at"], kind, row["id"]) for kind in MADE for row in db.execute(f"SELECT * FROM {kind}")]
        for number, (_, kind, entity_id) in enumerate(sorted(rows)):
            at = (OPENED + BETWEEN * number).isoformat(timespec="microseconds")
            db.execute(f"UPDATE {kind} SET created_at = ?, updated_at = ? WHERE id = ?", (at, at, entity_id))
        noted = "type IN ('watch', 'version.publish')"
        for row in db.execute(f"SELECT seq, type, entity_id FROM activity WHERE {noted}").fetchall():
            made = self.id(row["type"], row["entity_id"])
            db.execute("UPDATE activity SET id = ? WHERE seq = ?", (made, row["seq"]))
        first = OPENED.timestamp()
        db.execute("UPDATE file SET started = ?, changed = ?", (first, first))
        db.execute("COMMIT")
        self.call.events.clear()
