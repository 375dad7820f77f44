"""The ways a call is refused, and the exact words.

Whatever else is raised while a call runs decides the HTTP status as on the real server: a KeyError, TypeError or
ValueError is 400 "Bad Request", anything else (an AttributeError on a number that is no title, SQLite's
IntegrityError on a value that is there already) is 500.
"""

from __future__ import annotations


class Refused(Exception):
    """A service error: HTTP 200 with this text as `error`."""


NO_COLLECTION = "no such collection"
NO_RESOURCE = "no such resource"
NO_PROJECT = "no such project"
NO_METADATA = "no such metadata"
NO_SET = "no such metadatas set"
NO_TAG = "no such tag"
NO_METHOD = "no such method"
NO_ROLE = "no such role"
NO_USER = "no such user"
NO_PROPERTY = "project has no such property"
WRONG_ARGUMENT = "wrong argument"
ITSELF = "Can't move selection to itself"
OTHER_PROJECT = "Can't mix items from different collections"
TITLE_TAKEN = "collection with same name already exists in parent collection"
SUPERUSERS_ONLY = "only for superusers"
