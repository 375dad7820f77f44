"""Attributes read in bulk and changed one entity at a time (sections 3.5, 4.3, 6).

The server drops what it does not know, and bends what does not fit; so everything is checked here first, against its
own schema and the project's own words. A change is one PATCH, and what the entity has then is read back.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import trio

from assetfs.backends.ayon import attributes, schema
from assetfs.backends.ayon.attributes import ATTRIB, DATA, FIELDS, KEPT_KEYS, PREFIX
from assetfs.backends.ayon.client import of_project
from assetfs.backends.ayon.ids import ENTITIES, Ref, is_id, is_name, parse
from assetfs.backends.ayon.linking import Linking
from assetfs.backends.ayon.projects import Project
from assetfs.backends.ayon.studio import Studio
from assetfs.repository import (
    Forbidden,
    Metadata,
    Node,
    NodeId,
    NotFound,
    Unsupported,
    ValueRejected,
)

_KEY = re.compile(r"[A-Za-z0-9_.\-]+")
_LABEL = re.compile(r"[^';]*")
REMOVABLE = frozenset({"label", "task", "tags", "assignees", "traits"})
EMPTY: dict[str, Any] = {"label": None, "task": None, "tags": [], "assignees": [], "traits": None}


class Editing:
    """Reads and changes attributes."""

    def __init__(self, studio: Studio, linking: Linking) -> None:
        self._studio = studio
        self._linking = linking

    # ---- reading --------------------------------------------------------------------------------------------------

    async def metadata(self, nodes: Sequence[Node]) -> dict[NodeId, Metadata]:
        """Attributes of many nodes: one request per project. Nodes that are gone are left out."""
        found: dict[NodeId, Metadata] = {}
        by_project: dict[str, list[tuple[Node, Ref]]] = {}
        for node in nodes:
            ref = parse(node.id)
            if ref.what in (*ENTITIES, "file"):
                by_project.setdefault(ref.project, []).append((node, ref))
            elif ref.what == "project":
                try:
                    project = await self._studio.projects.get(ref.project)
                except NotFound:
                    continue
                found[node.id] = attributes.of_project(project, self._studio.schema)
            else:
                found[node.id] = attributes.of_nothing(ref)
        for name, wanted in by_project.items():
            found |= await self._described(name, wanted)
        return found

    async def _described(self, name: str, wanted: list[tuple[Node, Ref]]) -> dict[NodeId, Metadata]:
        ids: dict[str, list[str]] = {}
        for _, ref in wanted:
            ids.setdefault(_entity(ref), []).append(ref.id)
        rows = await self._studio.descriptions(name).rows(ids)
        here = [(node, ref, rows[_entity(ref)].get(ref.id)) for node, ref in wanted]
        files = [node for node, _, row in here if row is not None and node.private.file is not None]
        stores: dict[NodeId, str] = {}
        if files:
            project = await self._studio.projects.get(name)
            stores = await trio.to_thread.run_sync(
                lambda: {node.id: attributes.store_of(project, node.private) for node in files}
            )
        found: dict[NodeId, Metadata] = {}
        for node, ref, row in here:
            if row is None:
                continue
            of_entity = attributes.of_row(_entity(ref), name, row, self._studio.schema) if ref.what != "file" else {}
            of_file = attributes.of_file(node.private, stores[node.id]) if node.id in stores else {}
            found[node.id] = (
                {**of_entity, **of_file} if ref.what != "file" else {**attributes.of_nothing(ref), **of_file}
            )
        return found

    async def attribute(self, node: Node, name: str) -> bytes | None:
        """The links of an entity, as JSON."""
        ref = parse(node.id)
        if ref.what not in ENTITIES:
            return None
        edges = await self._linking.edges(ref.project, ref.what, ref.id)
        return msgspec.json.encode(edges) if edges else None

    # ---- changing -------------------------------------------------------------------------------------------------

    async def set(self, node: Node, changes: Mapping[str, bytes | None]) -> Metadata:
        """Change attributes of an entity. See `Repository.set_metadata`."""
        ref = parse(node.id)
        if ref.what == "project":
            return await self._set_project(node, ref, changes)
        if ref.what not in ENTITIES:
            raise Forbidden("these attributes cannot be changed")
        project = await self._studio.projects.get(ref.project)
        body: dict[str, Any] = {}
        for name, value in changes.items():
            self._place(body, *self._parsed(project, ref.what, name, value))
        if any(value is None for value in changes.values()):
            await self._check_there(node, changes)
        task = body.get("taskId")
        if task is not None and not is_id(task):
            body["taskId"] = await self._task_named(ref, task)
        await self._studio.client.send(
            "PATCH", of_project(ref.project, f"{ref.what}s", ref.id), "set attributes", body=body, repeatable=True
        )
        self._studio.changed(ref.what, ref.project, ref.id, _parents(node))
        now = await self.metadata([node])
        if node.id not in now:
            raise NotFound(f"the {ref.what} is gone")
        return now[node.id]

    async def _set_project(self, node: Node, ref: Ref, changes: Mapping[str, bytes | None]) -> Metadata:
        """Managers may; only what changes is sent, because empty lists would replace the project's own."""
        project = await self._studio.projects.get(ref.project)
        body: dict[str, Any] = {}
        for name, value in changes.items():
            if not name.startswith((ATTRIB, DATA)) and name != PREFIX + "label":
                raise (
                    Forbidden(f"{name} is read-only")
                    if name in attributes.of_project(project, self._studio.schema)
                    else Unsupported(f"a project has no attribute {name}")
                )
            self._place(body, *self._parsed(project, "project", name, value))
        await self._studio.client.send("PATCH", of_project(ref.project), "set attributes", body=body, repeatable=True)
        self._studio.projects.forget(ref.project)
        return (await self.metadata([node]))[node.id]

    @staticmethod
    def _place(body: dict[str, Any], wire: tuple[str, ...], value: Any) -> None:
        *into, last = wire
        for step in into:
            body = body.setdefault(step, {})
        body[last] = value

    def fields(self, project: Project, what: str, values: Mapping[str, bytes]) -> dict[str, Any]:
        """Attributes that were set before there was an entity, as its fields. Those of others are left out. Raises
        ValueRejected."""
        body: dict[str, Any] = {}
        for name, value in values.items():
            if name.startswith(PREFIX):
                self._place(body, *self._parsed(project, what, name, value))
        return body

    def admit(self, changes: Mapping[str, bytes]) -> None:
        """Check values for a new file as far as no project is needed. Raises ValueRejected, Unsupported."""
        for name, value in changes.items():
            if name.startswith(ATTRIB):
                schema.parse(self._rule(name).data, name, _text(name, value))

    def _parsed(self, project: Project, what: str, name: str, value: bytes | None) -> tuple[tuple[str, ...], Any]:
        """Where a change goes in the request's body, and the value. Raises as `set_metadata` says."""
        text = _text(name, value) if value is not None else None
        if name.startswith(ATTRIB):
            rule = self._rule(name)
            if what not in rule.scope:
                raise ValueRejected(f"a {what} has no attribute {rule.name}: {', '.join(rule.scope)} have it")
            return ("attrib", rule.name), None if text is None else schema.parse(rule.data, name, text)
        if name.startswith(DATA):
            key = name.removeprefix(DATA)
            if key in KEPT_KEYS:
                raise Forbidden(f"{name} is not to be changed here")
            if not _KEY.fullmatch(key):
                raise ValueRejected("keys of data are letters, digits, dots, dashes and underscores")
            return ("data", key), None if text is None else schema.free(text)
        return self._field(project, what, name, text)

    def _field(self, project: Project, what: str, name: str, text: str | None) -> tuple[tuple[str, ...], Any]:
        short = name.removeprefix(PREFIX)
        field = FIELDS.get(what, {}).get(short)
        lists = {"tags": True, "assignees": what == "task", "traits": what == "representation"}
        if not name.startswith(PREFIX) or not (field or lists.get(short) or short in FIXED):
            if what == "project" and short == "label":
                field = attributes.Field("label", True)
            else:
                raise Unsupported(f"AYON has no attribute {name} here")
        if short in FIXED or (field is not None and not field.writable):
            raise Forbidden(f"{name} is read-only")
        if text is None:
            if short not in REMOVABLE:
                raise Forbidden(f"{name} cannot be removed")
            return (field.wire if field else short,), EMPTY[short]
        if lists.get(short):
            return (short,), schema.mapping(name, text) if short == "traits" else schema.strings(name, text)
        assert field is not None
        return (field.wire,), CHECKS[short](project, what, text)

    def _rule(self, name: str) -> Any:
        rule = self._studio.schema.get(name.removeprefix(ATTRIB))
        if rule is None:
            raise ValueRejected(f"this server has no attribute {name.removeprefix(ATTRIB)}")
        return rule

    async def _check_there(self, node: Node, changes: Mapping[str, bytes | None]) -> None:
        """Raise NotFound for the removal of what is not there, or is inherited."""
        now = (await self.metadata([node])).get(node.id)
        if now is None:
            raise NotFound("it is gone")
        own = now.get(PREFIX + "own_attrib")
        mine = {ATTRIB + name for name in msgspec.json.decode(own.value)} if own is not None else None
        for name, value in changes.items():
            inherited = mine is not None and name.startswith(ATTRIB) and name not in mine
            if value is None and (name not in now or inherited):
                raise NotFound(f"there is no {name}" + (" of its own" if inherited else ""))

    async def _task_named(self, ref: Ref, name: str) -> str:
        """The id of a task of the folder that a version belongs to."""
        version = await self._studio.row(ref)
        product = await self._studio.row(Ref("product", ref.project, (version.product_id,)))
        for task in await self._studio.catalogue(ref.project).tasks_in(product.folder_id):
            if task.name == name:
                return str(task.id)
        raise ValueRejected(f"the folder has no task {name}")


FIXED = frozenset({"entity_type", "project", "uri", "own_attrib", "hero_of", "links"}) | {
    f"file.{name}" for name in ("id", "hash", "hash_type", "path", "size", "store")
}
"""Attributes beside the rows' fields that are never changed."""


def _status(project: Project, what: str, text: str) -> str:
    names = [one.name for one in project.facts.statuses if one.scope is None or what in one.scope]
    if text not in names:
        raise ValueRejected(f"the status of a {what} is one of {', '.join(names)}"[:300])
    return text


def _type(of: str) -> Callable[[Project, str, str], str]:
    def check(project: Project, what: str, text: str) -> str:
        names = [one.name for one in getattr(project.facts, of)]
        if text not in names:
            raise ValueRejected(f"the type of a {what} is one of {', '.join(names)}"[:300])
        return text

    return check


def _active(project: Project, what: str, text: str) -> bool:
    if text.strip().lower() not in schema.TRUTH:
        raise ValueRejected("active is true or false")
    return schema.TRUTH[text.strip().lower()]


def _label(project: Project, what: str, text: str) -> str:
    if not _LABEL.fullmatch(text):
        raise ValueRejected("a label has no ' and no ;")
    return text


def _name(project: Project, what: str, text: str) -> str:
    if not is_name(text):
        raise ValueRejected("letters, digits and underscores, dots and dashes inside")
    return text


def _plain(project: Project, what: str, text: str) -> str:
    return text


CHECKS: dict[str, Callable[[Project, str, str], Any]] = {
    "status": _status,
    "active": _active,
    "label": _label,
    "folder_type": _type("folder_types"),
    "task_type": _type("task_types"),
    "product_type": _name,
    "product_base_type": _name,
    "task": _plain,
}
"""How values of writable fields are checked."""


def _entity(ref: Ref) -> str:
    return "representation" if ref.what == "file" else ref.what


def _text(name: str, value: bytes) -> str:
    try:
        text = value.decode()
    except UnicodeDecodeError:
        raise ValueRejected(f"{name} must be UTF-8 text") from None
    if "\0" in text:
        raise ValueRejected(f"{name} cannot hold a NUL")
    return text


def _parents(node: Node) -> list[str | None]:
    row = node.private.row
    return [getattr(row, by, None) for by in ("folder_id", "product_id", "version_id", "task_id")]
