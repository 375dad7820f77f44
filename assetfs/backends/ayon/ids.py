"""Node ids: `<what>.<project>.<key>`, made of the server's own ids, so that they outlive renames. Pure.

Names of projects have no dots, and neither have ids; so an id is split at its dots. What the server has no id for
(`@tasks`, `latest`, `.links`) is named by what it belongs to. The single-file representation is a file with the
representation's id; one with several files is a folder with the same id.
"""

from __future__ import annotations

import re
import uuid
from typing import NamedTuple
from urllib.parse import quote, unquote

from assetfs.repository import NodeId, NotFound

ROOT = "root"
ENTITIES = ("folder", "task", "product", "version", "representation", "workfile")
"""What the server keeps under ids of its own, by the word that its URLs and events use."""

PARTS = {
    "project": 0,
    **dict.fromkeys(ENTITIES, 1),
    "tasks": 1,
    "products": 1,
    "pointer": 2,
    "file": 2,
    "review": 1,
    "reviewable": 2,
    "thumbnail": 3,
    "links": 2,
    "linkset": 4,
    "linkto": 5,
    "lists": 0,
    "list": 1,
    "item": 2,
}
"""How many parts the key of each sort has."""

_ID = re.compile(r"[0-9a-f]{32}")
_NAME = re.compile(r"[a-zA-Z0-9_]([a-zA-Z0-9_.\-]*[a-zA-Z0-9_])?")


class Ref(NamedTuple):
    """A node id, taken apart."""

    what: str
    project: str = ""
    key: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """The first part of the key: of an entity, its id on the server."""
        return self.key[0] if self.key else ""

    @property
    def node(self) -> NodeId:
        """The node id."""
        return ".".join((self.what, self.project, *(quote(part, safe="").replace(".", "%2E") for part in self.key)))


def parse(node: NodeId) -> Ref:
    """Take a node id apart. Raises NotFound for what is none."""
    what, *rest = node.split(".")
    if node == ROOT:
        return Ref(ROOT)
    if len(rest) != PARTS.get(what, -2) + 1 or not rest[0]:
        raise NotFound("there is no such node")
    key = tuple(unquote(part) for part in rest[1:])
    if what in ENTITIES and not is_id(key[0]):
        raise NotFound("there is no such node")
    return Ref(what, rest[0], key)


def entity(what: str, project: str, id_: str) -> NodeId:
    """The node id of an entity, or of what is named by one."""
    return f"{what}.{project}.{id_}"


def place(project: str, folder: str | None) -> NodeId:
    """The node id of a folder, or of its project where there is no folder."""
    return f"folder.{project}.{folder}" if folder else f"project.{project}"


def is_id(text: object) -> bool:
    """Whether this is an id of the server's."""
    return isinstance(text, str) and _ID.fullmatch(text) is not None


def is_name(text: str) -> bool:
    """Whether the server takes this as the name of a folder, task, product or representation (3.1)."""
    return _NAME.fullmatch(text) is not None


def new_id() -> str:
    """An id that nobody else makes."""
    return uuid.uuid4().hex
