"""The classic API: what client 0.0.14 documents, from before there were projects.

It is a view of the first project: its root is what `null` means as a parent, and no project id appears anywhere.
Methods translate to today's and trim what comes back: no times, no ancestors, `urls` as a list. Deletion is
permanent. A method named with a trailing underscore is one whose plain name is taken here by an import.
"""

from __future__ import annotations

from typing import Any

from assetfs.sandbox.jama import collections, metas, projects, resources, search, tags, uploads
from assetfs.sandbox.jama.collections import members_count, subtree
from assetfs.sandbox.jama.context import Call, as_id
from assetfs.sandbox.jama.errors import ITSELF, NO_COLLECTION, NO_METADATA, WRONG_ARGUMENT, Refused
from assetfs.sandbox.jama.recycling import live_places, members
from assetfs.sandbox.jama.registry import CLASSIC, classic
from assetfs.sandbox.jama.serialise import Json

EVERYTHING = 1 << 31  # this API has no windows
TYPES = {1: "text", 2: "numeric"}
COLLECTION = ("id", "title", "resources_count", "children_count")
RESOURCE = ("id", "title", "original_name", "type", "hash")


def _project(call: Call) -> int:
    return int(call.scalar("SELECT min(id) FROM project"))


def _root(call: Call) -> int:
    return int(call.scalar("SELECT root_id FROM project ORDER BY id LIMIT 1"))


def _tag(item: Json) -> Json:
    return {key: item[key] for key in ("id", "uid", "label", "ark")}


def _field(call: Call, item: Json) -> Json:
    return {**{key: item[key] for key in ("id", "title", "set_id", "set_title", "rank")}, "owner": call.user.username}


def _values(call: Call, items: list[Json] | None) -> list[Json]:
    return [{**item, "meta": _field(call, item["meta"])} for item in items or []]


def _collection(call: Call, item: Json) -> Json:
    below = [row["id"] for row in subtree(call, item["id"])]
    return {
        **{key: item[key] for key in COLLECTION},
        "descendants_count": len(below),
        "descendants_resources_count": members_count(call, [item["id"], *below]),
        "parent": None if item["parent"] == _root(call) else item["parent"],
        "children": None if item["children"] is None else [_collection(call, child) for child in item["children"]],
        "metas": _values(call, item["metas"]),
        "public_access": item["public_access"],
        "tags": [_tag(tag) for tag in item["tags"]],
    }


def _resource(call: Call, item: Json, include_metas: object = True) -> Json:
    return {
        **{key: item[key] for key in RESOURCE},
        "metas": _values(call, item["metas"]) if include_metas else None,
        "urls": list(item["urls"].values()),
        "tags": [_tag(tag) for tag in item["tags"]],
    }


@classic
def ping(call: Call) -> str:
    """Say who calls."""
    return f"pong {call.user.username}"


@classic
def supported_file_types(call: Call) -> list[Json]:
    """All file types."""
    found: list[Json] = projects.supported_file_types(call)
    return found


@classic
def advanced_search_terms(call: Call) -> list[str]:
    """The comparisons that a term may ask for."""
    return list(search.TESTS)


@classic
def metadatatypes(call: Call) -> list[Json]:
    """What a field's values may be."""
    return [{"id": key, "title": title} for key, title in TYPES.items()]


@classic
def collection(call: Call, collection_id: object) -> Json:
    """One collection."""
    return _collection(call, collections.collection(call, collection_id))


@classic
def collections_(call: Call, parent_id: object, recursive: object) -> list[Json]:
    """The collections below one, or at the root; `recursive` nests the whole tree in one answer."""
    parent = _root(call) if parent_id is None else parent_id
    return [_collection(call, item) for item in collections.collections(call, parent, recursive, 0, EVERYTHING)]


@classic
def add_collection(call: Call, title: object, parent_id: object) -> Json:
    """Get or create a collection, at the root when no parent is given."""
    parent = _root(call) if parent_id is None else parent_id
    return _collection(call, collections.add_collection(call, title, parent))


@classic
def add_collection_from_path(call: Call, path: object) -> list[Json]:
    """Get or create each collection of a path."""
    return [_collection(call, item) for item in collections.add_collection_from_path(call, path, _project(call))]


@classic
def rename_collection(call: Call, collection_id: object, title: object) -> bool:
    """Set a collection's title; false when a sibling has it."""
    return bool(collections.rename_collection(call, collection_id, title))


@classic
def move_collection(call: Call, child_collection_id: object, parent_collection_id: object) -> bool:
    """Move a collection, to the root when no parent is given; false where that makes no sense."""
    parent = _root(call) if parent_collection_id is None else parent_collection_id
    try:
        return bool(collections.move_collection(call, child_collection_id, parent))
    except Refused as refusal:
        if str(refusal) in (ITSELF, NO_COLLECTION):
            return False
        raise


@classic
def publish_collection(call: Call, collection_id: object) -> bool:
    """Make a subtree public."""
    return bool(collections.publish_collection(call, collection_id))


@classic
def unpublish_collection(call: Call, collection_id: object) -> bool:
    """Make a subtree private."""
    return bool(collections.unpublish_collection(call, collection_id))


@classic
def delete_collection(call: Call, collection_id: object, recursive: object) -> Json:
    """Delete a collection for good; with `recursive` also what is in it and nowhere else."""
    row = call.row("SELECT * FROM collection WHERE id = ?", as_id(collection_id))
    if row is None:
        return {"success": True, "status": "does not exist"}
    if row["parent_id"] is None:
        raise Refused("cant delete root collection")
    call.access(row["project_id"]).check_row("delete", "collection", row)
    below = subtree(call, row["id"])
    if below and not recursive:
        return {"success": False, "status": "collection has descendants"}
    if members(call, row["id"]) and not recursive:
        return {"success": False, "status": "collection has resources"}
    for place in [*below, row]:
        for item in members(call, place["id"]):
            if live_places(call, item["id"]) < 2:
                resources.erase(call, item["id"])
        for table in (
            "membership WHERE collection_id",
            "collection_value WHERE owner_id",
            "collection_tag WHERE owner_id",
        ):
            call.db.execute(f"DELETE FROM {table} = ?", (place["id"],))
        call.db.execute("DELETE FROM collection WHERE id = ?", (place["id"],))
    return {"success": True, "status": "all good"}


@classic
def ancestors_from_collection(call: Call, collection_id: object, include_self: object) -> list[Json]:
    """The ancestors of a collection, without the hidden root."""
    chain = collections.ancestors_from_collection(call, collection_id, include_self)
    return [_collection(call, item) for item in chain if item["parent"] is not None]


@classic
def ancestors_from_resource(call: Call, resource_id: object) -> list[list[Json]]:
    """The chains of ancestors of a resource, without the hidden root."""
    chains = resources.ancestors_from_resource(call, resource_id)
    return [[_collection(call, item) for item in chain if item["parent"] is not None] for chain in chains]


@classic
def resource(call: Call, resource_id: object) -> Json:
    """One resource."""
    return _resource(call, resources.resource(call, resource_id))


@classic
def resources_(call: Call, collection_id: object, include_metas: object) -> list[Json]:
    """The resources of a collection."""
    items = resources.resources(call, collection_id, include_metas, 0, EVERYTHING)
    return [_resource(call, item, include_metas) for item in items]


@classic
def rename_resource(call: Call, resource_id: object, title: object) -> bool:
    """Set a resource's title."""
    return bool(resources.rename_resource(call, resource_id, title))


@classic
def delete_resource(call: Call, resource_id: object) -> bool:
    """Delete a resource for good; true also when there is none."""
    row = call.row("SELECT * FROM resource WHERE id = ?", as_id(resource_id))
    if row is not None:
        call.access(row["project_id"]).check_row("delete", "resource", row)
        resources.erase(call, row["id"])
    return True


@classic
def add_resource_to_collection(call: Call, resource_id: object, collection_id: object) -> bool:
    """Put a resource into a collection."""
    return bool(resources.add_resource_to_collection(call, resource_id, collection_id))


@classic
def remove_resource_from_collection(call: Call, resource_id: object, collection_id: object) -> bool:
    """Take a resource out of a collection."""
    return bool(resources.remove_resource_from_collection(call, resource_id, collection_id))


@classic
def metadatasets(call: Call) -> list[Json]:
    """The sets of fields."""
    rows = metas.metadatasets(call, _project(call))
    owner = call.user.username
    return [{"id": row["id"], "title": row["title"], "owner": owner, "metas_count": row["metas_count"]} for row in rows]


@classic
def metadatas(call: Call, metadata_set_id: object) -> list[Json]:
    """The fields of a set."""
    return [_field(call, item) for item in metas.metadatas(call, metadata_set_id)]


@classic
def metadata(call: Call, metadata_id: object) -> Json:
    """One field."""
    return _field(call, metas.metadata(call, metadata_id))


@classic
def add_metadataset(call: Call, title: object) -> int:
    """Get or create a set."""
    return int(metas.add_metadataset(call, title, _project(call)))


@classic
def add_metadata(call: Call, title: object, metas_set_id: object, metadata_type_id: object) -> int:
    """Get or create a field, of the given type if it is new."""
    kind = 1 if metadata_type_id is None else as_id(metadata_type_id)
    if kind not in TYPES:
        raise Refused(WRONG_ARGUMENT)
    field_id = int(metas.add_metadata(call, title, metas_set_id))
    call.db.execute("UPDATE metadata SET type_id = ? WHERE id = ?", (kind, field_id))
    return field_id


@classic
def rename_meta(call: Call, meta_id: object, title: object) -> bool:
    """Set a field's title."""
    return bool(metas.rename_meta(call, meta_id, title))


def _numeric(call: Call, meta_id: object, value: object) -> None:
    """Refuse a value that is no number for a field of numbers."""
    kind = call.scalar("SELECT type_id FROM metadata WHERE id = ?", as_id(meta_id))
    if kind is None:
        raise Refused(NO_METADATA)
    if TYPES.get(kind) == "numeric":
        try:
            float(str(value))
        except ValueError:
            raise Refused(WRONG_ARGUMENT) from None


@classic
def add_meta_to_resource(call: Call, resource_id: object, meta_id: object, meta_value: object) -> int:
    """Add a value to a resource."""
    _numeric(call, meta_id, meta_value)
    return int(metas.add_meta_to_resource(call, resource_id, meta_id, meta_value))


@classic
def add_meta_to_collection(call: Call, collection_id: object, meta_id: object, meta_value: object) -> int:
    """Add a value to a collection."""
    _numeric(call, meta_id, meta_value)
    return int(metas.add_meta_to_collection(call, collection_id, meta_id, meta_value))


@classic
def change_resource_meta_value(call: Call, meta_value_id: object, meta_value: object) -> bool:
    """Change a value in place."""
    return bool(metas.change_resource_meta_value(call, meta_value_id, meta_value))


@classic
def change_collection_meta_value(call: Call, meta_value_id: object, meta_value: object) -> bool:
    """Change a value in place."""
    return bool(metas.change_collection_meta_value(call, meta_value_id, meta_value))


@classic
def remove_meta_from_resource(call: Call, resource_id: object, meta_value_id: object) -> bool:
    """Remove a value."""
    return bool(metas.remove_meta_value_from_resource(call, resource_id, meta_value_id))


@classic
def remove_meta_from_collection(call: Call, collection_id: object, meta_value_id: object) -> bool:
    """Remove a value."""
    return bool(metas.remove_meta_value_from_collection(call, collection_id, meta_value_id))


@classic
def tags_(call: Call) -> list[Json]:
    """All tags."""
    return [_tag(item) for item in tags.tags(call, _project(call))]


@classic
def set_tag(call: Call, uid: object, label: object, ark: object) -> Json:
    """Get or create a tag, overwriting label and ark."""
    return _tag(tags.set_tag(call, uid, _project(call), label, ark))


@classic
def remove_tag(call: Call, uid: object) -> bool:
    """Delete a tag everywhere."""
    return bool(tags.delete_tag(call, uid, _project(call)))


@classic
def simple_search(call: Call, query: object) -> Json:
    """What has a text in its title."""
    found = search.simple_search(call, query, _project(call), 0, EVERYTHING)
    return _found(call, found)


@classic
def advanced_search(call: Call, search_terms: Any) -> Json:
    """What fits all terms."""
    found = search.advanced_search(call, search_terms, _project(call), False, None, 0, EVERYTHING)
    return _found(call, found)


def _found(call: Call, found: Json) -> Json:
    root = _root(call)
    return {
        "collections": [_collection(call, item) for item in found["collections"] if item["id"] != root],
        "resources": [_resource(call, item, False) for item in found["resources"]],
    }


@classic
def upload_infos(call: Call, sha256_hash: object) -> Json:
    """Whether a content is here, or which parts of it."""
    found: Json = uploads.upload_infos(call, sha256_hash, _project(call))
    return found


for name in ("add_tag_to_resource", "add_tag_to_collection", "remove_tag_from_resource", "remove_tag_from_collection"):
    classic(getattr(tags, name))

ALIASES = {
    "file": "resource",
    "files": "resources",
    "add_file_to_collection": "add_resource_to_collection",
    "add_meta_to_file": "add_meta_to_resource",
    "delete_file": "delete_resource",
    "remove_file_from_collection": "remove_resource_from_collection",
    "remove_meta_from_file": "remove_meta_from_resource",
    "rename_file": "rename_resource",
}
CLASSIC.update({alias: CLASSIC[name] for alias, name in ALIASES.items()})
