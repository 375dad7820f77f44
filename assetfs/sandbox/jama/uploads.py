"""Uploading in chunks: what a chunk's headers mean, what is known already, and what becomes of a complete file.

The order of checks is the protocol: key, project, right to create, headers, known content (the body is not read
then), lock, chunk. A complete file whose digest is not the announced one becomes a resource all the same, and the
answer is 210.
"""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote_plus

from assetfs.sandbox.jama import filetypes
from assetfs.sandbox.jama.collections import get_or_create, live
from assetfs.sandbox.jama.context import Call, as_id, now
from assetfs.sandbox.jama.imagesize import measure
from assetfs.sandbox.jama.profiles import Profile
from assetfs.sandbox.jama.projects import LIMITS
from assetfs.sandbox.jama.recycling import unbury
from assetfs.sandbox.jama.registry import method
from assetfs.sandbox.jama.resources import link
from assetfs.sandbox.jama.serialise import Json

UNKNOWN_TYPE = "Type de fichier inconnu"
HASH = re.compile("[A-Fa-f0-9]{64}")


class TooMany(Exception):
    """More chunks than the server takes: 413."""


class UnknownType(Exception):
    """No file type belongs to this name: 400 with its text."""


@dataclass(frozen=True)
class Chunk:
    """What the headers of one chunk say."""

    number: int
    total: int
    digest: str
    name: str
    collection_id: int | None
    origin_dir: str | None


def _decoded(value: str, profile: Profile) -> str:
    raw = base64.b64decode(value, validate=profile.chunks_from_one).decode()
    return unquote_plus(raw) if profile.quoted_names else raw


def parse(headers: Mapping[str, str], profile: Profile) -> Chunk:
    """Read a chunk's headers (lower-case names). Raises KeyError or ValueError (400), UnknownType, TooMany."""
    collection_id, origin = None, headers.get("x-origin-dir")
    if profile.collection_header and "x-collection-id" in headers:
        collection_id, origin = int(headers["x-collection-id"]), None
        if collection_id < 1:
            raise ValueError("a collection id is positive")
    if origin and profile.quoted_names:
        origin = _decoded(origin, profile)
    digest = headers["x-file-hash"]
    if not HASH.fullmatch(digest):
        raise ValueError("no hash")
    name = _decoded(headers["x-file-name"], profile)
    if not os.path.splitext(name)[1]:
        raise UnknownType(UNKNOWN_TYPE)
    number, total = (int(part) for part in headers["x-file-chunk"].split("/", 1))
    if profile.chunks_from_one and not 1 <= number <= total:
        raise ValueError("chunks are numbered from 1")
    if number < 0 or total < 1 or number > total:
        raise ValueError("no such chunk")
    if total > LIMITS["JAMA_UPLOAD_MAX_TOTAL_CHUNKS"]:
        raise TooMany
    return Chunk(number, total, digest, name, collection_id, origin or None)


def _attach(call: Call, chunk: Chunk, resource_id: int, project_id: int) -> None:
    """Put the file where the headers ask for it. Refused when the place is not there or not the user's to change."""
    access = call.access(project_id)
    if chunk.collection_id is not None:
        place = live(call, chunk.collection_id)
        if place["project_id"] != project_id:
            raise LookupError("a collection of another project")
    elif chunk.origin_dir:
        place = live(call, call.project(project_id)["root_id"])
        for title in filter(None, (part.strip() for part in chunk.origin_dir.split("/"))):
            access.check_row("update", "collection", place)
            place = get_or_create(call, place, title)
    else:
        return
    access.check_row("update", "collection", place)
    link(call, resource_id, place["id"])


def _reuse(call: Call, chunk: Chunk, project_id: int, digest: str) -> int | None:
    row = call.row("SELECT * FROM resource WHERE project_id = ? AND hash = ?", project_id, digest)
    if row is None:
        return None
    access = call.access(project_id)
    access.check_row("read", "resource", row)
    if row["deleted_at"] is not None:
        access.check_row("update", "resource", row)
        call.db.execute("UPDATE resource SET title = ?1, original_name = ?1 WHERE id = ?2", (chunk.name, row["id"]))
        unbury(call, "resource", row["id"])
    return int(row["id"])


def known(call: Call, chunk: Chunk, project_id: int) -> int | None:
    """The id of the resource that has this content, revived if it was deleted and attached as asked; None if new."""
    found = _reuse(call, chunk, project_id, chunk.digest)
    if found is not None:
        _attach(call, chunk, found, project_id)
    return found


def file_type(name: str) -> filetypes.FileType:
    """The type that a name's last extension has. Raises UnknownType."""
    found = filetypes.by_extension().get(os.path.splitext(name)[1].removeprefix(".").lower())
    if found is None:
        raise UnknownType(UNKNOWN_TYPE)
    return found


def create(call: Call, chunk: Chunk, project_id: int, content: Path, mime: str, digest: str, size: int) -> int:
    """Make a resource of a complete file, or find the one that has its bytes. Returns its id."""
    resource_id = _reuse(call, chunk, project_id, digest)
    if resource_id is None:
        width, height = measure(content, mime)
        moment = now()
        resource_id = call.insert(
            "INSERT INTO resource (project_id, title, original_name, mime, hash, size, width, height, created_at,"
            " updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            *(project_id, chunk.name, chunk.name, mime, digest, size, width, height, moment, moment),
        )
    _attach(call, chunk, resource_id, project_id)
    return resource_id


@method
def upload_infos(call: Call, sha256_hash: object, project_id: object) -> Json:
    """Whether a content is here, or which parts of it. Blind to deleted resources and to upper-case hashes."""
    nothing: Json = {"status": "not available", "id": None, "available_chunks": []}
    if not isinstance(sha256_hash, str) or not HASH.fullmatch(sha256_hash):
        return nothing
    project = call.project(project_id)
    query = "SELECT id FROM resource WHERE project_id = ? AND hash = ? AND deleted_at IS NULL"
    found = call.scalar(query, project["id"], sha256_hash)
    if found is not None:
        return {**nothing, "status": "available", "id": found}
    parts = call.parts.of(call.user.id, as_id(project["id"]), sha256_hash)
    if parts.exists():
        return {**nothing, "status": "incomplete", "available_chunks": parts.names()}
    return nothing
