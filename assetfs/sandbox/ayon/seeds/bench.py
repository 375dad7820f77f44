"""The seed `bench`: 5,000 folders, 5,000 products and 15,000 versions with a representation each, made in bulk."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from assetfs.sandbox.ayon import attributes
from assetfs.sandbox.ayon.context import moment
from assetfs.sandbox.ayon.records import Project
from assetfs.sandbox.ayon.seeds import empty
from assetfs.sandbox.ayon.server import Server
from assetfs.sandbox.options import Options

SEQUENCES, SHOTS = 50, 99  # 50 sequences and their 4,950 shots
VERSIONS = 3
FOLDER, PRODUCT, VERSION, REPRESENTATION = (number << 120 for number in (0xF0, 0xD0, 0xE0, 0xA0))


def plant(server: Server, options: Options) -> None:
    """Fill a new server."""
    empty.people(server)
    server.add_project(empty.PROJECT, empty.CODE)
    project = server.project(empty.PROJECT)
    project.db.execute("BEGIN IMMEDIATE")
    for table, rows in (
        ("folder", _folders(project)),
        ("product", _products()),
        ("version", _versions()),
        ("representation", _representations()),
    ):
        _insert(project, table, rows)
    project.db.execute("COMMIT")
    project.db.execute("ANALYZE")


def _insert(project: Project, table: str, rows: Iterator[dict[str, Any]]) -> None:
    first, now = next(rows), moment()
    common = {"status": project.status_for(table), "created_at": now, "updated_at": now}
    common |= {"created_by": empty.ADMIN, "updated_by": empty.ADMIN}
    names = [*first, *common]
    statement = f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"
    tail = tuple(common.values())
    project.db.execute(statement, (*first.values(), *tail))
    project.db.executemany(statement, ((*row.values(), *tail) for row in rows))


def _places() -> Iterator[tuple[int, str, int | None]]:
    """Number, path and parent of every folder."""
    for sequence in range(SEQUENCES):
        yield sequence, f"sq{sequence:03d}", None
    for number in range(SEQUENCES * SHOTS):
        sequence = number // SHOTS
        yield SEQUENCES + number, f"sq{sequence:03d}/sh{number % SHOTS:04d}", sequence


def _folders(project: Project) -> Iterator[dict[str, Any]]:
    effective = attributes.packed(attributes.inherited(project.effective, {}))
    for number, path, parent in _places():
        yield {
            "id": _id(FOLDER, number),
            "name": path.rpartition("/")[2],
            "folder_type": "Sequence" if parent is None else "Shot",
            "parent_id": None if parent is None else _id(FOLDER, parent),
            "path": path,
            "effective": effective,
        }


def _products() -> Iterator[dict[str, Any]]:
    for number, _, _ in _places():
        yield {
            "id": _id(PRODUCT, number),
            "name": "renderMain",
            "product_type": "render",
            "product_base_type": "render",
            "folder_id": _id(FOLDER, number),
        }


def _versions() -> Iterator[dict[str, Any]]:
    for number, _, _ in _places():
        for version in range(1, VERSIONS + 1):
            yield {
                "id": _id(VERSION, number * VERSIONS + version),
                "version": version,
                "author": empty.ADMIN,
                "product_id": _id(PRODUCT, number),
            }


def _representations() -> Iterator[dict[str, Any]]:
    for number, path, _ in _places():
        for version in range(1, VERSIONS + 1):
            name = f"dmo_{path.rpartition('/')[2]}_renderMain_v{version:03d}.exr"
            place = f"{{root[work]}}/demo/{path}/publish/render/renderMain/v{version:03d}/{name}"
            entity = number * VERSIONS + version
            file = {"id": f"{entity:032x}", "name": name, "path": place, "size": 1000 + entity}
            yield {
                "id": _id(REPRESENTATION, entity),
                "name": "exr",
                "version_id": _id(VERSION, entity),
                "files": json.dumps([file | {"hash": None, "hashType": "md5"}]),
            }


def _id(kind: int, number: int) -> str:
    return f"{kind + number:032x}"
