"""What a credential may do, from the roles of `projects_user_permissions` (section 3.7). Pure.

A role has flags for a class of things and for single things. The flags of a resource or collection, or of one of its
ancestors, take the place of the class's. Several roles add up. It is a hint for mode bits: the server decides.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable

from assetfs.backends.jama.wire import Permission, Role
from assetfs.repository import Rights


class May(enum.Flag):
    NOTHING = 0
    CREATE = enum.auto()
    READ = enum.auto()
    UPDATE = enum.auto()
    DELETE = enum.auto()
    ALL = CREATE | READ | UPDATE | DELETE


_WORDS = {"create": May.CREATE, "read": May.READ, "update": May.UPDATE, "delete": May.DELETE}


def _granted(permission: Permission) -> tuple[str, str | None, May]:
    """(class, object id or None, flags) of a permission in either of its two forms."""
    if permission.object_class is None:
        # The short form: `resource.update`.
        kind, _, word = permission.label.partition(".")
        return kind, None, _WORDS.get(word, May.NOTHING)
    flags = (
        (May.CREATE if permission.object_create else May.NOTHING)
        | (May.READ if permission.object_read else May.NOTHING)
        | (May.UPDATE if permission.object_update else May.NOTHING)
        | (May.DELETE if permission.object_delete else May.NOTHING)
    )
    pk = permission.object_pk
    return permission.object_class.lower(), None if pk is None else str(pk), flags


class Grants:
    """All that one user's roles in one project grant. Without any role everything is taken to be allowed."""

    def __init__(self, roles: Iterable[Role] = ()) -> None:
        self._classes: dict[str, May] = {}
        self._objects: dict[tuple[str, str], May] = {}
        self._known = False
        for role in roles:
            for permission in role.permissions:
                self._known = True
                kind, pk, flags = _granted(permission)
                if pk is None:
                    self._classes[kind] = self._classes.get(kind, May.NOTHING) | flags
                else:
                    self._objects[kind, pk] = self._objects.get((kind, pk), May.NOTHING) | flags

    @property
    def uniform(self) -> bool:
        """Everything of a class is alike: a listing leaves out all of it or nothing."""
        return not self._objects

    def on_class(self, kind: str) -> May:
        return self._classes.get(kind, May.NOTHING) if self._known else May.ALL

    def special(self, kind: str, object_id: int, inherited: May | None = None) -> May | None:
        """The flags that take the place of the class's here: the thing's own, else those inherited, else None."""
        return self._objects.get((kind, str(object_id)), inherited)

    def folder(self, collection_id: int, inherited: May | None = None) -> Rights:
        """Adding, renaming and removing entries needs `update` on the collection."""
        special = self.special("collection", collection_id, inherited)
        return _rights(self.on_class("collection") if special is None else special)

    def file(self, resource_id: int, inherited: May | None = None) -> Rights:
        """New content also needs the class's `create`: it arrives as a new resource first."""
        special = self.special("resource", resource_id, inherited)
        rights = _rights(self.on_class("resource") if special is None else special)
        return rights if May.CREATE in self.on_class("resource") else rights & ~Rights.WRITE


def _rights(may: May) -> Rights:
    rights = Rights.READ if May.READ in may else Rights.NONE
    return rights | Rights.WRITE | Rights.ANNOTATE if May.UPDATE in may else rights
