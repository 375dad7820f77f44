"""Rows into nodes (section 8.1). Pure, but for workfiles: what they are now, only their file can tell.

Published files are not to be changed, workfiles are. A file whose bytes are on the server has the project file's id as
its version, because no id is ever used again; one at a root has what its publisher wrote down, and the mount reads the
file itself. What is neither here nor on the server is OFFLINE.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from assetfs.backends.ayon import naming
from assetfs.backends.ayon.ids import Ref, is_id
from assetfs.backends.ayon.projects import Project
from assetfs.backends.ayon.roots import Found, rooted
from assetfs.backends.ayon.wire import (
    Entity,
    File,
    Folder,
    Product,
    ProjectRow,
    Representation,
    Reviewable,
    Task,
    Version,
    Workfile,
    time_ns,
)
from assetfs.repository import Availability, Kind, LocalContent, Node, Rights

DIGESTS = {"md5": 32, "sha1": 40, "sha256": 64}
"""Kinds of hashes that are digests, and how many hex digits they have; `op3` is none (11.17)."""
PUBLISHED = Rights.READ | Rights.ANNOTATE
_HEX = re.compile(r"[0-9a-f]+")


class Of(msgspec.Struct, frozen=True, kw_only=True):
    """What a node is of: its id taken apart, and the rows behind it. Good for every connection to the server."""

    id: Any
    """The server's id of the entity."""
    ref: Ref
    row: Any = None
    file: File | None = None
    """Of one file of a representation."""
    stored: str = ""
    """The project file that has the bytes, where the server has them."""
    mime: str = ""


def times(row: Any) -> dict[str, Any]:
    """A row's times, as nodes have them."""
    changed = time_ns(row.updated_at)
    return {"mtime_ns": changed, "ctime_ns": changed, "birth_ns": time_ns(row.created_at)}


def label(id_: str) -> str:
    """What tells siblings of one name apart: short, and of the whole id, because some share their beginning."""
    return hashlib.blake2b(id_.encode(), digest_size=4).hexdigest()


def folder_like(ref: Ref, name: str, row: Any = None, *, rights: Rights = Rights.ALL, open_ended: bool = False) -> Node:
    """A folder: an entity's, or a synthetic one."""
    return Node(
        id=ref.node,
        kind=Kind.FOLDER,
        name=name,
        label=label(ref.id),
        rights=rights,
        open_ended=open_ended,
        private=Of(id=ref.id, ref=ref, row=row),
        **(times(row) if row is not None else {}),
    )


def project(row: ProjectRow) -> Node:
    """A project, at the top."""
    return folder_like(Ref("project", row.name), row.name, row)


def folder(project_name: str, row: Folder) -> Node:
    """A folder of the hierarchy."""
    return folder_like(Ref("folder", project_name, (row.id,)), row.name, row)


def tasks(project_name: str, folder_id: str, row: Any = None) -> Node:
    """`@tasks` of a folder."""
    return folder_like(Ref("tasks", project_name, (folder_id,)), naming.TASKS, row)


def products(project_name: str, folder_id: str, row: Any = None) -> Node:
    """`@products` of a folder."""
    return folder_like(Ref("products", project_name, (folder_id,)), naming.PRODUCTS, row)


def task(project_name: str, row: Task) -> Node:
    """A task: the folder of its workfiles."""
    return folder_like(Ref("task", project_name, (row.id,)), row.name, row)


def product(project_name: str, row: Product) -> Node:
    """A product: the folder of its versions."""
    return folder_like(Ref("product", project_name, (row.id,)), row.name, row)


def version(project_name: str, row: Version) -> Node:
    """A version: the folder of its representations."""
    return folder_like(Ref("version", project_name, (row.id,)), naming.version_name(row), row)


def pointer(project_name: str, name: str, row: Version) -> Node:
    """`hero`, `latest` or `approved` of a product."""
    ref = Ref("pointer", project_name, (row.product_id, name))
    target = naming.version_name(row)
    return Node(
        id=ref.node,
        kind=Kind.LINK,
        name=name,
        target=target,
        rights=Rights.READ,
        private=Of(id=row.product_id, ref=ref, row=row),
        **times(row),
    )


def stored_by_us(row: Entity) -> bool:
    """Whether the bytes of a representation are project files of the server (5.1 a)."""
    return our_data(row.data).get("store") == "project-files"


def our_data(data: str | None) -> Mapping[str, Any]:
    """What we wrote down in an entity's data."""
    try:
        found = msgspec.json.decode(data) if data else {}
    except msgspec.DecodeError:
        return {}
    ours = found.get("assetfs") if isinstance(found, dict) else None
    return ours if isinstance(ours, dict) else {}


def representation(project_: Project, row: Representation, *, overwrite: bool = False) -> Node:
    """A representation: a file, or a folder where it has several or none."""
    name = project_.facts.name
    if len(row.files) == 1:
        ref = Ref("representation", name, (row.id,))
        return _file(project_, row, row.files[0], ref, overwrite)
    ref = Ref("representation", name, (row.id,))
    return folder_like(ref, row.name, row)


def files(project_: Project, row: Representation, *, overwrite: bool = False) -> list[Node]:
    """The files of a representation with several."""
    seen: Counter[str] = Counter()
    nodes = []
    for number, one in enumerate(row.files, 1):
        seen[one.id] += 1
        key = one.id if seen[one.id] == 1 else f"{one.id}~{seen[one.id]}"
        ref = Ref("file", project_.facts.name, (row.id, key))
        nodes.append(_file(project_, row, one, ref, overwrite, number))
    return nodes


def _file(
    project_: Project, row: Representation, file: File, ref: Ref, overwrite: bool, number: int | None = None
) -> Node:
    stored = file.id if stored_by_us(row) and is_id(file.id) else ""
    media = project_.media and not stored and naming.extension(naming.file_name(file.path, row.name)) in naming.MEDIA
    local = None if stored else _local(project_, file.path, fetchable=media)
    size = file.bytes if stored else file.bytes or None  # 0 is also what the server has where nobody told a size
    digest = file.hash.lower() if file.hash and _HEX.fullmatch(file.hash.lower()) else ""
    kind = (file.hash_type or "md5").lower()
    usual = bool(stored) and len(digest) == DIGESTS.get(kind)
    online = bool(stored) or local is not None or media
    return Node(
        id=ref.node,
        kind=Kind.FILE,
        name=naming.file_name(file.path, row.name),
        label=label(row.id) if number is None else str(number),
        size=size,
        version=stored or f"{file.id}-{file.hash or ''}-{file.size}-{row.updated_at}",
        digest=f"{kind}:{digest}" if usual else None,
        rights=Rights.ALL if overwrite and stored and ref.what == "representation" else PUBLISHED,
        local=local,
        measurable=False,
        availability=Availability.ONLINE if online else Availability.OFFLINE,
        private=Of(id=row.id, ref=ref, row=row, file=file, stored=stored),
        **times(row),
    )


def _local(project_: Project, path: str, *, fetchable: bool) -> LocalContent | None:
    where = rooted(path)
    root = project_.roots.get(where.root) if where is not None else None
    return LocalContent(root, "/".join(where.parts), fetchable) if where is not None and root is not None else None


def workfile(project_: Project, row: Workfile, found: Found | None) -> Node:
    """A workfile, and what its file is now, if that is here."""
    where = rooted(row.path or "")
    ours = where is not None and where.root in project_.writable
    ref = Ref("workfile", project_.facts.name, (row.id,))
    told = times(row)
    if found is not None:
        told["mtime_ns"] = found.mtime_ns
    return Node(
        id=ref.node,
        kind=Kind.FILE,
        name=naming.file_name(row.path or "", row.name or row.id),
        label=label(row.id),
        size=found.size if found is not None else None,
        version=found.version if found is not None else f"missing {row.updated_at}",
        rights=Rights.ALL if found is not None and ours else PUBLISHED,
        local=found.content if found is not None else None,
        measurable=found is not None,
        availability=Availability.ONLINE if found is not None else Availability.OFFLINE,
        private=Of(id=row.id, ref=ref, row=row),
        **told,
    )


def reviewable(project_name: str, version_id: str, row: Reviewable) -> Node:
    """A reviewable: its size is not in the listing."""
    ref = Ref("reviewable", project_name, (version_id, row.activity_id))
    return Node(
        id=ref.node,
        kind=Kind.FILE,
        name=mended(row.filename) or row.file_id,
        label=label(row.activity_id),
        version=row.file_id,
        mime=row.mimetype,
        birth_ns=time_ns(row.created_at),
        rights=Rights.ALL,
        private=Of(id=row.activity_id, ref=ref, row=row, stored=row.file_id, mime=row.mimetype or ""),
    )


def mended(name: str) -> str:
    """A name that went through a header: bytes of UTF-8 that were read as Latin-1 (5.2)."""
    try:
        return name.encode("latin-1").decode()
    except (UnicodeEncodeError, UnicodeDecodeError):
        return name


def way(project_name: str, folders: Sequence[Folder]) -> list[Node]:
    """The nodes from the top to a folder, its project first."""
    first = folder_like(Ref("project", project_name), project_name)
    return [first, *(folder(project_name, row) for row in folders)]
