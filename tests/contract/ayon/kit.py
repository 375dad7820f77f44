"""Helpers of these tests."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import trio

from assetfs.repository import (
    Change,
    Node,
    Repository,
)
from tests.ayon import Studio
from tests.contract.backends.ayon import AyonWorld
from tests.contract.test_reading import listed

_FILE = re.compile(r"/files/([0-9a-f]{32})")
PNG = (
    b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x04\x00\x00\x00\xb5\x1c\x0c\x02\x00\x00\x00"
    b"\x0bIDATx\xdac\xfc_\x0f\x00\x02\x83\x01\x804\xc3Z\xc7\x00\x00\x00\x00IEND\xaeB`\x82"
)


async def opened(world: AyonWorld, **options: Any) -> Repository:
    repository = world.open(**options)
    await repository.connect()
    return repository


def id_of(node: Node) -> str:
    return node.id.split(".")[2]


async def at(repository: Repository, node: Node, *names: str) -> Node:
    for name in names:
        node = (await listed(repository, node))[name]
    return node


def files_left(world: AyonWorld) -> set[str]:
    """The project files that we asked after since the last reset, and that the server still holds: every upload is
    asked after, so these are all that are there."""
    seen = {match[1] for request in world.requests() if (match := _FILE.search(request["path"]))}
    return {id_ for id_ in seen if world.studio.has(id_)}


class Folder:
    """A draft: a real folder, with attributes."""

    def __init__(self, path: Path, name: str = "next.draft", **attributes: bytes) -> None:
        self.path = path
        self.name = name
        self.key = "d1"
        self.attributes = {f"user.ayon.{key.replace('__', '.')}": value for key, value in attributes.items()}

    def attributes_of(self, relative: str) -> Mapping[str, bytes]:
        return {}


def draft(tmp_path: Path, **contents: bytes) -> Folder:
    for name, content in contents.items():
        place = tmp_path / name.replace("__", ".").replace("___", "/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
    return Folder(tmp_path)


def anchors(studio: Studio, product: str) -> list[str]:
    """Comments that protect files of transfers under way."""
    folder = studio.get("product", product)["folderId"]
    return [
        one["activityId"]
        for one in studio.rows("activities", "entityIds", folder, "activityId tags")
        if "assetfs-upload" in one["tags"]
    ]


def held(studio: Studio, version: str) -> set[str]:
    """Files that a version's comment holds."""
    found = studio.rows("activities", "entityIds", version, "activityId tags files{id}")
    return {file["id"] for one in found if "assetfs-store" in one["tags"] for file in one["files"]}


async def until(changes: trio.MemoryReceiveChannel[Change], **wanted: object) -> Change:
    """The next change that is like this."""
    with trio.fail_after(30):
        while True:
            change = await changes.receive()
            if all(getattr(change, name) == value for name, value in wanted.items()):
                return change
