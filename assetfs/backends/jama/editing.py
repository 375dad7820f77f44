"""Changes of metadata (section 6.2): what is there and what is wanted, and the calls between the two.

Only the difference is sent, value by value, in one array that ends with a reading of the result. `set_metas_*` is never
used: it deletes a whole set, with the values that nobody sees, before it adds one.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import trio

from assetfs.backends.jama import attributes
from assetfs.backends.jama.client import Call, settled
from assetfs.backends.jama.dialect import Dialect, What
from assetfs.backends.jama.nodes import held
from assetfs.backends.jama.wire import Collection, Field, Resource
from assetfs.repository import (
    Forbidden,
    Kind,
    Metadata,
    Node,
    NotFound,
    RepositoryError,
    Unsupported,
    ValueRejected,
)

log = logging.getLogger(__name__)

FIELDS_TTL = 300.0
"""Seconds for which a project's fields are taken to be known."""
UNDO_SECONDS = 30.0
NUMERIC = 2
"""The classic dialect's only other type of field (13.1)."""


class Wanted:
    """Values by field id and tags, as they shall be; what is not named stays as it is."""

    def __init__(self, fields: Mapping[int, Sequence[str]], tags: Sequence[str] | None) -> None:
        self.fields = fields
        self.tags = tags


def difference(
    dialect: Dialect, what: What, target: int, record: Resource | Collection, wanted: Wanted
) -> list[Call[Any]]:
    """The calls that turn the record into what is wanted; none where it is so already."""
    calls: list[Call[Any]] = []
    present = attributes.by_field(record.metas)
    for field, values in wanted.fields.items():
        old = {value.value: value.id for value in present.get(field, (None, []))[1]}
        gone = [number for text, number in old.items() if text not in values]
        come = [text for text in values if text not in old]
        if len(gone) == 1 and len(come) == 1:
            calls.append(dialect.change_value(what, gone[0], come[0]))
            continue
        calls += [dialect.remove_value(what, target, number) for number in gone]
        calls += [dialect.add_value(what, target, field, text) for text in come]
    if wanted.tags is not None:
        old_tags = attributes.tag_uids(record.tags)
        calls += [dialect.add_tag(what, target, uid) for uid in wanted.tags if uid not in old_tags]
        calls += [dialect.remove_tag(what, target, uid) for uid in old_tags if uid not in wanted.tags]
    return calls


def as_it_is(record: Resource | Collection, wanted: Wanted) -> Wanted:
    """What the record has where `wanted` would change it: for undoing."""
    present = attributes.by_field(record.metas)
    fields = {field: [value.value for value in present.get(field, (None, []))[1]] for field in wanted.fields}
    return Wanted(fields, None if wanted.tags is None else attributes.tag_uids(record.tags))


class Fields:
    """The fields of a project by attribute name; asked when needed, and again when a name is not among them."""

    def __init__(self, dialect: Dialect, *, create: bool) -> None:
        self._dialect = dialect
        self._create = create
        self._known: dict[int, tuple[float, dict[str, Field]]] = {}

    async def find(self, project: int, names: Sequence[str]) -> dict[str, Field | None]:
        read, known = self._known.get(project, (-FIELDS_TTL, {}))
        if trio.current_time() - read > FIELDS_TTL or not all(name in known for name in names):
            known = await self._load(project)
        return {name: known.get(name) for name in names}

    async def _load(self, project: int) -> dict[str, Field]:
        sets = await self._dialect.client.call(self._dialect.field_sets(project))
        outcomes = await self._dialect.client.many([self._dialect.fields(one.id) for one in sets])
        known = {
            attributes.attribute_name(field): field
            for outcome in outcomes
            if not isinstance(outcome, RepositoryError)
            for field in outcome
        }
        self._known[project] = (trio.current_time(), known)
        return known

    async def create(self, project: int, name: str) -> int:
        """The id of a field that was not there, made with its set. Raises Unsupported unless that is allowed."""
        found = attributes.titles(name)
        if not self._create or found is None:
            raise Unsupported(f"{name}: the project has no such metadata field (the option create_fields makes them)")
        client = self._dialect.client
        field_set = await client.call(self._dialect.add_field_set(found[0], project))
        field = await client.call(self._dialect.add_field(found[1], field_set))
        self._known.pop(project, None)
        return field


class Editing:
    """`set_metadata`."""

    def __init__(self, dialect: Dialect, *, create_fields: bool, bearer_urls: bool) -> None:
        self._dialect = dialect
        self._client = dialect.client
        self._fields = Fields(dialect, create=create_fields)
        self._bearer_urls = bearer_urls

    def read(self, node: Node) -> Call[Any]:
        """The call that reads all attributes of a node."""
        number = held(node).id
        if node.kind is Kind.FILE:
            return self._dialect.resource(number, metas=True)
        return self._dialect.collection(number)

    def attributes(self, record: Resource | Collection) -> Metadata:
        if isinstance(record, Collection):
            return attributes.of_collection(record)
        return attributes.of_resource(record, bearer_urls=self._bearer_urls)

    async def set_metadata(self, node: Node, changes: Mapping[str, bytes | None]) -> Metadata:
        what: What = "resource" if node.kind is Kind.FILE else "collection"
        mine = held(node)
        if not mine.id:
            raise Unsupported("the top level has no metadata")
        texts, tags = parsed(changes)
        fields = await self._field_ids(mine.project, texts)
        record, *known_tags = await self._client.many(
            [self.read(node), *([self._dialect.tags(mine.project)] if tags else [])]
        )
        record = settled(record)
        _expect_present(record, changes, fields)
        wanted = Wanted({fields[name]: values for name, values in texts.items()}, tags)
        calls = difference(self._dialect, what, mine.id, record, wanted)
        if not calls:
            return self.attributes(record)
        if tags:
            known = {tag.uid for tag in settled(known_tags[0])}
            # Making a tag that exists would reset its label: hence only those that do not.
            calls = [self._dialect.set_tag(uid, mine.project) for uid in tags if uid not in known] + calls
        *done, now = await self._client.many([*calls, self.read(node)])
        failed = next((outcome for outcome in done if isinstance(outcome, RepositoryError)), None)
        if failed is not None:
            await self._restore(node, what, now, as_it_is(record, wanted))
            raise failed
        return self.attributes(settled(now))

    async def _field_ids(self, project: int, texts: Mapping[str, Sequence[str]]) -> dict[str, int]:
        """Field ids by attribute name. Everything is checked before a field is made."""
        if not texts:
            return {}
        found = await self._fields.find(project, list(texts))
        for name, field in found.items():
            if field is None and not texts[name]:
                raise NotFound(f"{name}: not there")
            if field is not None and field.type_id == NUMERIC:
                _check_numbers(name, texts[name])
        return {
            name: field.id if field is not None else await self._fields.create(project, name)
            for name, field in found.items()
        }

    async def _restore(self, node: Node, what: What, now: Any, before: Wanted) -> None:
        """Undo what went through before a refusal, as far as the server lets us."""
        if isinstance(now, RepositoryError):
            return
        with trio.move_on_after(UNDO_SECONDS, shield=True):
            calls = difference(self._dialect, what, held(node).id, now, before)
            try:
                outcomes = await self._client.many(calls) if calls else []
            except RepositoryError as error:
                outcomes = [error]
            for outcome in outcomes:
                if isinstance(outcome, RepositoryError):
                    log.error("a half-done change of metadata of %s could not be undone: %s", node.id, outcome)


def parsed(changes: Mapping[str, bytes | None]) -> tuple[dict[str, list[str]], list[str] | None]:
    """Values by attribute name (none: remove), and tags if they are among the changes. Raises ValueRejected,
    Forbidden (read-only), Unsupported (no such attribute)."""
    texts: dict[str, list[str]] = {}
    tags: list[str] | None = None
    for name, raw in changes.items():
        parts = attributes.titles(name)
        if name == attributes.TAGS:
            tags = [] if raw is None else attributes.tags_of(name, raw)
        elif parts is not None:
            if parts[0] in attributes.AUTOMATIC_SETS:
                raise Forbidden(f"{name}: the server fills this set itself")
            texts[name] = [] if raw is None else attributes.values_of(name, raw)
        elif name in attributes.READ_ONLY or name.startswith(f"{attributes.PREFIX}url."):
            raise Forbidden(f"{name} cannot be changed")
        else:
            raise Unsupported(f"{name}: Jama keeps no such attribute")
    return texts, tags


def _expect_present(
    record: Resource | Collection, changes: Mapping[str, bytes | None], fields: Mapping[str, int]
) -> None:
    present = attributes.by_field(record.metas)
    for name, raw in changes.items():
        there = bool(record.tags) if name == attributes.TAGS else fields[name] in present
        if raw is None and not there:
            raise NotFound(f"{name}: not there")


def _check_numbers(name: str, values: Sequence[str]) -> None:
    for value in values:
        try:
            float(value)
        except ValueError:
            raise ValueRejected(f"{name}: the field takes numbers, and this is none: {value[:60]}") from None
