"""Project files: bytes that the server keeps, for comments, reviews, and whoever puts something there.

Ranges are served in two ways. Files that are no videos go through the framework, which knows ranges; videos go through
code of the server's own, which does not quite.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import time
from email.utils import formatdate
from typing import Any

from PIL import Image, UnidentifiedImageError

from assetfs.sandbox.ayon import activities
from assetfs.sandbox.ayon.context import ID_LENGTH, Body, Call, Reply, answered, done, new_id
from assetfs.sandbox.ayon.errors import Refused, broke, crashed, refused, unexpected_violation
from assetfs.sandbox.ayon.records import Project, Row
from assetfs.sandbox.store import PIECE

PREVIEW = 600  # pixels of the longest side
SMALL_VIDEO = 12 << 20  # up to this size a video is sent whole, whatever was asked
VIDEO_CHUNK = 4 << 20
BROWSERS = ("firefox", "safari")
TAGLESS = "text/plain; charset=utf-8"


def upload(call: Call) -> Reply:
    """POST projects/{p}/files: a raw body; the same id again replaces the bytes in place."""
    project = call.project(call.params[0])
    name, mime = call.required_headers("x-file-name", "content-type")
    given, activity = call.header("x-file-id"), call.header("x-activity-id")
    file_id = given.replace("-", "") if given else new_id()
    if len(file_id) != ID_LENGTH:
        raise refused(400, "Invalid file ID")
    store(call, project, file_id, name, mime, activity and activity.replace("-", ""))
    return answered({"id": file_id}, 201)


def store(call: Call, project: Project, file_id: str, name: str, mime: str, activity_id: str | None) -> Row:
    """Keep the spooled body as a file."""
    assert call.spool is not None
    if activity_id and not project.db.execute("SELECT 1 FROM activity WHERE id = ?", (activity_id,)).fetchone():
        detail = f'Key (activity_id)=({activity_id}) is not present in table "activities".'
        raise unexpected_violation("foreign-key-violation", detail, 409, call.path)
    if call.spooled == 0:
        raise refused(400, "Empty file")
    digest = hashlib.sha256()
    with call.spool.open("rb") as spooled:
        while piece := spooled.read(PIECE):
            digest.update(piece)
    call.server.store.blobs.adopt(call.spool, digest.hexdigest())
    now = time.time()
    values = (file_id, name, mime, call.spooled, digest.hexdigest(), call.user.name, activity_id, now, now)
    project.db.execute("INSERT OR REPLACE INTO file VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", values)
    return {"id": file_id, "name": name, "size": call.spooled, "mime": mime}


def _wanted(call: Call, project: Project, missing: str = "File not found") -> Row:
    file_id = call.identity(1, "file_id")
    row = project.db.execute("SELECT * FROM file WHERE id = ? AND digest NOTNULL", (file_id,)).fetchone()
    if row is None:
        raise refused(404, missing)
    return dict(row)


def _head(call: Call, project: Project, file: Row) -> dict[str, str]:
    """The headers of a file as this worker last saw them, for some seconds."""
    place, memory = (project.name, file["id"]), call.server.memory.heads
    seen = memory.get(place)
    if seen is not None and time.monotonic() - seen[0] < call.server.switches.head_cache:
        return seen[1]
    headers = {
        "content-type": file["mime"],
        "content-length": str(file["size"]),
        "content-disposition": f'inline; filename="{file["name"]}"',
    }
    memory[place] = (time.monotonic(), headers)
    return headers


def head(call: Call) -> Reply:
    """HEAD projects/{p}/files/{id}."""
    project = call.project(call.params[0])
    headers = dict(_head(call, project, _wanted(call, project)))
    return Reply(200, b"", headers.pop("content-type"), list(headers.items()))


def redirect(call: Call) -> Reply:
    """GET projects/{p}/files/{id}: to where the bytes are."""
    project = call.project(call.params[0])
    file = _wanted(call, project)
    location = f"/api/projects/{project.name}/files/{file['id']}/payload"
    return Reply(302, b"", None, [("location", location)])


def info(call: Call) -> Reply:
    """GET projects/{p}/files/{id}/info: the truth."""
    project = call.project(call.params[0])
    file = _wanted(call, project, f"File {call.params[1]} not found on {project.name} local storage")
    return answered({"size": file["size"], "filename": file["name"], "contentType": file["mime"]})


def delete(call: Call) -> Reply:
    """DELETE projects/{p}/files/{id}. The bytes go first, whatever comes of the rest."""
    project = call.project(call.params[0])
    file = _wanted(call, project)
    if file["author"] != call.user.name and not call.user.manager:
        raise refused(403, "User does not have permission to delete the file")
    try:
        activities.unlist(call, project, file)
    except Refused:
        project.db.execute("ROLLBACK")
        project.db.execute("BEGIN IMMEDIATE")
        project.db.execute("UPDATE file SET digest = NULL WHERE id = ?", (file["id"],))
        project.db.execute("COMMIT")
        project.db.execute("BEGIN IMMEDIATE")
        raise
    project.db.execute("DELETE FROM file WHERE id = ?", (file["id"],))
    return done()


def preview(call: Call) -> Reply:
    """GET projects/{p}/files/{id}/thumbnail: a small picture; the server stumbles over what is none."""
    project = call.project(call.params[0])
    file = _wanted(call, project)
    try:
        with Image.open(call.server.store.blobs.path(file["digest"])) as picture:
            small = picture.convert("RGB")
    except (UnidentifiedImageError, OSError, ValueError) as error:
        raise crashed(f"Unsupported file type: {file['mime']}") from error
    small.thumbnail((PREVIEW, PREVIEW))
    out = io.BytesIO()
    small.save(out, "JPEG")
    return Reply(200, out.getvalue(), "image/jpeg")


def still(call: Call) -> Reply:
    """GET projects/{p}/files/{id}/still: there is nothing here that takes films apart."""
    _wanted(call, call.project(call.params[0]))
    raise refused(404, "No still frame available")


def payload(call: Call) -> Reply:
    """GET projects/{p}/files/{id}/payload: the bytes."""
    project = call.project(call.params[0])
    file = _wanted(call, project)
    path = call.server.store.blobs.path(file["digest"])
    body = Body(path, 0, os.path.getsize(path), os.path.getsize(path))
    return (_video if file["mime"].startswith("video/") else _plain)(call, project, file, body)


def _plain(call: Call, project: Project, file: Row, body: Body) -> Reply:
    """As the framework's file answer does it."""
    cached = _head(call, project, file)
    tag = hashlib.md5(f"{file['changed']}-{body.size}".encode(), usedforsecurity=False).hexdigest()
    modified = formatdate(file["changed"], usegmt=True)
    headers = [
        ("content-disposition", cached["content-disposition"]),
        ("accept-ranges", "bytes"),
        ("last-modified", modified),
        ("etag", f'"{tag}"'),
    ]
    asked, condition = call.header("range"), call.header("if-range")
    if asked is None or (condition is not None and condition not in (f'"{tag}"', modified)):
        body.announced = int(cached["content-length"])
        return Reply(200, content_type=cached["content-type"], headers=headers, content=body)
    first, last = _ranges(asked, body.size)
    headers.append(("content-range", f"bytes {first}-{last}/{body.size}"))
    body.cut(first, last)
    return Reply(206, content_type=cached["content-type"], headers=headers, content=body)


def _ranges(asked: str, size: int) -> tuple[int, int]:
    """First and last byte of a Range header, in the framework's reading of it."""
    unit, _, text = asked.partition("=")
    if unit.strip().lower() != "bytes":
        raise broke(400, "Only support bytes range")
    found = []
    for part in text.split(","):
        first, dash, last = (piece.strip() for piece in part.strip().partition("-"))
        if dash and (first or last) and all(piece.isdigit() or not piece for piece in (first, last)):
            start = int(first) if first else size - int(last)
            found.append((start, min(int(last), size - 1) + 1 if first and last else size))
    if not found:
        raise broke(400, "Range header: range must be requested")
    if any(not 0 <= start < size for start, _ in found):
        raise broke(416, "", headers=(("content-range", f"*/{size}"),))
    if any(start > end for start, end in found):
        raise broke(400, "Range header: start must be less than end")
    if len(found) > 1:
        raise broke(206, "--3d6b6a416f9b5\n", headers=(("content-length", "1000"),))
    return found[0][0], found[0][1] - 1


def _video(call: Call, project: Project, file: Row, body: Body) -> Reply:
    """As the server's own code for videos does it: no tag, whole when small, at most 4 MiB when large."""
    size, mime = body.size, str(file["mime"])
    agent = (call.header("user-agent") or "").lower()
    browser, asked = any(name in agent for name in BROWSERS), call.header("range")
    headers = [("accept-ranges", "bytes")]
    if (size <= SMALL_VIDEO and not browser) or asked is None:
        if not browser or asked is not None:
            headers.append(("content-range", f"bytes 0-{size - 1}/{size}"))
        return Reply(200, content_type=mime, headers=headers, content=body)
    first, last = _video_range(asked, size)
    if not browser:
        last = min(last, first + VIDEO_CHUNK - 1)
    body.cut(first, last)
    headers.append(("content-range", f"bytes {first}-{last}/{size}"))
    whole = browser and (first, last) == (0, size - 1)
    return Reply(200 if whole else 206, content_type=mime, headers=headers, content=body)


def _video_range(asked: str, size: int) -> tuple[int, int]:
    """Nothing before the dash is taken for 0, so that a suffix reads from the start."""
    match = re.fullmatch(r"\s*bytes=(\d*)-(\d*)", asked.split(",")[0])
    if match is None:
        raise refused(416, f"Invalid range: {asked}")
    first, last = int(match[1] or 0), int(match[2]) if match[2] else size - 1
    if first > last or first < 0 or last > size - 1:
        raise refused(416, f"Invalid range: {first}-{last}")
    return first, last


def entry(project: Project, file_id: str) -> dict[str, Any] | None:
    """A file's row, by its id."""
    row = project.db.execute("SELECT * FROM file WHERE id = ?", (file_id,)).fetchone()
    return None if row is None else dict(row)
