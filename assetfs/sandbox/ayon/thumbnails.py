"""Thumbnails: pictures of folders, tasks, versions, workfiles and projects, as they came and in a small size."""

from __future__ import annotations

import io
import json
import struct
import zlib
from typing import Any

from PIL import Image, UnidentifiedImageError

from assetfs.sandbox.ayon import access
from assetfs.sandbox.ayon.attributes import packed
from assetfs.sandbox.ayon.context import Body, Call, Reply, answered, moment, new_id
from assetfs.sandbox.ayon.errors import crashed, refused
from assetfs.sandbox.ayon.records import Project, Row, load

TYPES = ("image/png", "image/jpeg")
SMALL = 500  # pixels of the longest side
PICTURED = ("folder", "task", "version", "workfile")
KEPT = ("cache-control", "public, max-age=31536000, immutable")
SHORT = ("cache-control", "public, max-age=3600")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


# One transparent pixel, 68 bytes: what there is where there is nothing.
NOTHING = (
    b"\x89PNG\r\n\x1a\n"
    + _chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 4, 0, 0, 0))
    + _chunk(b"IDAT", zlib.compress(b"\0\0\0"))
    + _chunk(b"IEND", b"")
)


def add(call: Call, project: Project, content: bytes, mime: str, thumbnail_id: str | None = None) -> str:
    """Keep a picture, under an id of the caller's or a new one. Returns the id. Refuses what is no picture."""
    if not mime:
        raise refused(400, "Content-Type header is missing")
    if mime.lower() not in TYPES:
        raise refused(415, "Thumbnail must be in png or jpeg format")
    if not content:
        raise refused(400, "Empty thumbnail")
    try:
        with Image.open(io.BytesIO(content)) as picture:
            small = picture.copy()
    except (UnidentifiedImageError, OSError, ValueError) as error:
        raise refused(400, "Invalid image") from error
    small.thumbnail((SMALL, SMALL))
    out = io.BytesIO()
    small.save(out, "PNG" if mime == "image/png" else "JPEG")
    blobs, thumbnail_id = call.server.store.blobs, thumbnail_id or new_id()
    values = (thumbnail_id, mime, blobs.put(content), blobs.put(out.getvalue()), moment())
    project.db.execute("INSERT INTO thumbnail VALUES (?, ?, ?, ?, ?)", values)
    return thumbnail_id


def put(call: Call) -> Reply:
    """POST projects/{p}/{type}s/{id}/thumbnail: the entity has this picture then, and nobody changed it last."""
    project = call.project(call.params[0])
    kind = call.params[1]
    row = load(project, kind, call.identity(2, f"{kind}_id"))
    access.check(call, project, "publish" if kind == "version" else "update")
    thumbnail_id = add(call, project, call.body, call.header("content-type") or "")
    assign(call, project, kind, row, thumbnail_id)
    affected = [_affected(kind, row["id"], None)]
    if kind == "version":
        query = "SELECT folder_id FROM product WHERE id = ?"
        affected.append(_affected("folder", project.db.execute(query, (row["product_id"],)).fetchone()[0], None))
    return answered({"id": thumbnail_id, "affectedEntities": affected})


def _affected(kind: str, entity_id: str, thumbnail_id: str | None) -> dict[str, Any]:
    return {
        "entityType": kind,
        "entityId": entity_id,
        "thumbnailHash": new_id()[:6],  # not the one that is stored
        "thumbnailId": thumbnail_id,
    }


def assign(call: Call, project: Project, kind: str, row: Row, thumbnail_id: str) -> None:
    """Give an entity a thumbnail."""
    data = {**row["data"], "thumbnailHash": thumbnail_id[:6]}
    project.db.execute(
        f"UPDATE {kind} SET thumbnail_id = ?, data = ?, updated_at = ?, updated_by = NULL WHERE id = ?",
        (thumbnail_id, packed(data), moment(), row["id"]),
    )
    summary = {"entityType": kind, "entityId": row["id"], "thumbnailId": thumbnail_id}
    call.emit("thumbnail.updated", f"Thumbnail of {kind} updated", summary, project.name, store=False)
    project.folder_list.clear()


def get(call: Call) -> Reply:
    """GET projects/{p}/{type}s/{id}/thumbnail; folders and tasks without one show what was reviewed last."""
    project = call.project(call.params[0])
    kind = call.params[1]
    row = load(project, kind, call.identity(2, f"{kind}_id"))
    if kind == "workfile":
        raise crashed('column "w.thumbnail_id" does not exist')
    found = row["thumbnail_id"], kind
    if found[0] is None and kind in ("folder", "task"):
        found = _reviewed(project, kind, row["id"]), "reviewable"
    return _sent(call, project, found[0], found[1])


def _reviewed(project: Project, kind: str, entity_id: str) -> str | None:
    column = "p.folder_id" if kind == "folder" else "v.task_id"
    query = (
        "SELECT v.thumbnail_id FROM activity a JOIN version v ON v.id = a.entity_id"
        " JOIN product p ON p.id = v.product_id"
        f" WHERE a.type = 'reviewable' AND {column} = ? AND v.thumbnail_id NOTNULL ORDER BY a.seq DESC LIMIT 1"
    )
    row = project.db.execute(query, (entity_id,)).fetchone()
    return None if row is None else str(row[0])


def _sent(
    call: Call, project: Project, thumbnail_id: str | None, source: str | None, missing: str = "No thumbnail available"
) -> Reply:
    row = project.db.execute("SELECT * FROM thumbnail WHERE id = ?", (thumbnail_id,)).fetchone()
    if row is None:
        if call.argument("placeholder") == "none":
            raise refused(404, missing)
        return Reply(200, NOTHING, "image/png", [SHORT])
    path = call.server.store.blobs.path(row["digest" if call.flag("original") else "small"])
    headers = [KEPT, ("x-thumbnail-id", row["id"])]
    if source is not None:
        headers.append(("x-thumbnail-source", source))
    size = path.stat().st_size
    return Reply(200, content_type=row["mime"], headers=headers, content=Body(path, 0, size, size))


# By their own ids, and of projects


def post(call: Call) -> Reply:
    """POST projects/{p}/thumbnails: a picture of nothing yet."""
    project = call.project(call.params[0])
    return answered({"id": add(call, project, call.body, call.header("content-type") or "")})


def replace(call: Call) -> Reply:
    """PUT projects/{p}/thumbnails/{id}: managers only."""
    project = call.project(call.params[0])
    call.only(managers=True, what="Only managers can update arbitrary thumbnails")
    wanted = call.identity(1, "thumbnail_id")
    made = add(call, project, call.body, call.header("content-type") or "")
    row = project.db.execute("SELECT mime, digest, small, created_at FROM thumbnail WHERE id = ?", (made,)).fetchone()
    project.db.execute("DELETE FROM thumbnail WHERE id = ?", (made,))
    project.db.execute(
        "INSERT INTO thumbnail VALUES (?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET mime = excluded.mime,"
        " digest = excluded.digest, small = excluded.small",
        (wanted, *row),
    )
    return Reply(204, content_type=None)


def by_id(call: Call) -> Reply:
    """GET projects/{p}/thumbnails/{id}: managers only; 203 with the placeholder where there is none."""
    project = call.project(call.params[0])
    call.only(managers=True, what="Only managers can access arbitrary thumbnails")
    reply = _sent(call, project, call.identity(1, "thumbnail_id"), None, "Thumbnail not found")
    if reply.content is None:
        reply.status = 203
    return reply


def of_project(call: Call) -> Reply:
    """GET projects/{p}/thumbnail."""
    project = call.project(call.params[0])
    return _sent(call, project, project.data.get("thumbnailId"), None)


def put_project(call: Call) -> Reply:
    """POST projects/{p}/thumbnail."""
    project = call.project(call.params[0])
    call.only(managers=True)
    project.data["thumbnailId"] = add(call, project, call.body, call.header("content-type") or "")
    call.db.execute("UPDATE project SET data = ? WHERE name = ?", (json.dumps(project.data), project.name))
    return answered({"id": project.data["thumbnailId"]})
