"""Reviewables: pictures and videos of a version, as project files with an activity each."""

from __future__ import annotations

import json
from typing import Any

from PIL import Image, UnidentifiedImageError

from assetfs.sandbox.ayon import access, activities, files, thumbnails
from assetfs.sandbox.ayon.attributes import packed
from assetfs.sandbox.ayon.context import Call, Reply, answered, done, new_id
from assetfs.sandbox.ayon.errors import refused
from assetfs.sandbox.ayon.models import identity
from assetfs.sandbox.ayon.records import Project, Row, load, version_name

# What a file of a type begins with, at which byte; the real server asks ffprobe.
CONTAINERS = ((4, b"ftyp"), (4, b"moov"), (0, b"\x1aE\xdf\xa3"), (0, b"RIFF"), (0, b"\x06\x0e\x2b\x34"))
READY = ("video/mp4", "image/png", "image/jpeg", "image/webp")
REQUIRED = ("application/mxf", "video/x-matroska", "video/x-msvideo")


def upload(call: Call) -> Reply:
    """POST projects/{p}/versions/{id}/reviewables: the first picture becomes the version's thumbnail, too."""
    project = call.project(call.params[0])
    version = load(project, "version", call.identity(1, "version_id"))
    access.check(call, project, "publish")
    mime, name = call.required_headers("content-type", "x-file-name")
    if not mime.startswith(("video/", "image/")) and mime != "application/mxf":
        raise refused(400, "Only videos and images are supported for reviewables now")
    media = _probed(call, mime)
    picture = call.spool.read_bytes() if call.spool and mime in thumbnails.TYPES else None
    given = call.header("x-file-id")
    file = files.store(call, project, identity(given) if given else new_id(), name, mime, None)
    label = call.argument("label") or name
    data = {"reviewableLabel": label, "reviewableOrder": _next(project, version["id"]), "mediaInfo": media}
    activity_id = activities.add(
        call, project, "reviewable", "version", version["id"], body=f"Reviewable {label}", data=data, files=[file["id"]]
    )
    if version["thumbnail_id"] is None and picture is not None:
        thumbnail_id = thumbnails.add(call, project, picture, mime)
        thumbnails.assign(call, project, "version", version, thumbnail_id)
    summary = {"fileId": file["id"], "activityId": activity_id, "versionId": version["id"], "label": label}
    call.emit("reviewable.created", f"Reviewable '{label}' created", summary, project.name)
    row = project.db.execute("SELECT * FROM activity WHERE id = ?", (activity_id,)).fetchone()
    shown = _shown(call, dict(row))
    for moment in ("createdAt", "updatedAt"):
        shown[moment] = shown[moment].partition("+")[0]
    project.folder_list.clear()
    return answered(shown)


def _next(project: Project, version_id: str) -> int:
    query = "SELECT count(*) FROM activity WHERE type = 'reviewable' AND entity_id = ?"
    return int(project.db.execute(query, (version_id,)).fetchone()[0])


def _probed(call: Call, mime: str) -> dict[str, Any]:
    """What can be told of the media. Refuses what is none, but for an empty body, which is refused later."""
    assert call.spool is not None
    if call.spooled == 0:
        return {}
    if mime.startswith("image/"):
        try:
            with Image.open(call.spool) as picture:
                return {"width": picture.width, "height": picture.height, "codec": (picture.format or "").lower()}
        except (UnidentifiedImageError, OSError) as error:
            raise refused(400, "Failed to extract media info") from error
    with call.spool.open("rb") as spooled:
        beginning = spooled.read(16)
    if not any(beginning[at : at + len(mark)] == mark for at, mark in CONTAINERS):
        raise refused(400, "Failed to extract media info")
    return {"codec": "h264" if mime == "video/mp4" else None}


def _shown(call: Call, activity: Row) -> dict[str, Any]:
    data = json.loads(activity["data"])
    file = (data.get("files") or [{}])[0]
    mime = str(file.get("mime"))
    author = call.server.user(activity["author"])
    return {
        "fileId": file.get("id"),
        "activityId": activity["id"],
        "filename": file.get("filename"),
        "label": data.get("reviewableLabel"),
        "mimetype": mime,
        "availability": "ready"
        if mime in READY
        else "conversionRequired"
        if mime in REQUIRED
        else "conversionRecommended",
        "mediaInfo": data.get("mediaInfo"),
        "createdFrom": None,
        "processing": None,
        "createdAt": activity["created_at"],
        "updatedAt": activity["updated_at"],
        "author": {"name": activity["author"], "fullName": author.attrib.get("fullName") if author else None},
    }


def _of_version(call: Call, project: Project, version: Row) -> dict[str, Any]:
    product = project.db.execute("SELECT * FROM product WHERE id = ?", (version["product_id"],)).fetchone()
    rows = project.db.execute(
        "SELECT * FROM activity WHERE type = 'reviewable' AND entity_id = ? ORDER BY seq", (version["id"],)
    )
    found = sorted(map(dict, rows), key=lambda row: json.loads(row["data"]).get("reviewableOrder", 0))
    return {
        "id": version["id"],
        "name": version_name(version["version"]),
        "version": str(version["version"]),
        "status": version["status"],
        "productId": product["id"],
        "productName": product["name"],
        "productType": product["product_type"],
        "attrib": json.loads(version["attrib"]) if isinstance(version["attrib"], str) else version["attrib"],
        "reviewables": [_shown(call, row) for row in found if json.loads(row["data"]).get("files")],
    }


def of_version(call: Call) -> Reply:
    """GET projects/{p}/versions/{id}/reviewables."""
    project = call.project(call.params[0])
    access.check(call, project, "read")
    return answered(_of_version(call, project, load(project, "version", call.identity(1, "version_id"))))


OF = {
    "product": "e.product_id = ?",
    "task": "e.task_id = ?",
    "folder": "e.product_id IN (SELECT id FROM product WHERE folder_id = ?)",
}


def of_many(call: Call) -> Reply:
    """GET projects/{p}/{products,tasks,folders}/{id}/reviewables: of all their versions, also those without any."""
    project = call.project(call.params[0])
    access.check(call, project, "read")
    above = load(project, call.params[1], call.identity(2, f"{call.params[1]}_id"))
    query = f"SELECT * FROM version e WHERE {OF[call.params[1]]} ORDER BY e.version, e.seq"
    rows = project.db.execute(query, (above["id"],)).fetchall()
    return answered([_of_version(call, project, dict(row)) for row in rows])


def sort(call: Call) -> Reply:
    """PATCH projects/{p}/versions/{id}/reviewables: their order, by activity."""
    project = call.project(call.params[0])
    access.check(call, project, "update")
    for number, activity_id in enumerate(call.fields().get("sort") or []):
        _change(project, activity_id, {"reviewableOrder": number})
    return done()


def relabel(call: Call) -> Reply:
    """PATCH projects/{p}/versions/{id}/reviewables/{activity}."""
    project = call.project(call.params[0])
    access.check(call, project, "update")
    _change(project, call.params[2], {"reviewableLabel": call.fields().get("label")})
    return done()


def _change(project: Project, activity_id: str, changes: dict[str, Any]) -> None:
    row = project.db.execute(
        "SELECT data FROM activity WHERE id = ? AND type = 'reviewable'", (activity_id,)
    ).fetchone()
    if row is None:
        raise refused(404, "Reviewable not found")
    data = {**json.loads(row["data"]), **changes}
    project.db.execute("UPDATE activity SET data = ? WHERE id = ?", (packed(data), activity_id))
