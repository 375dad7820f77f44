"""What the differential run says to both servers: words, odd values, parameters, and the table of methods.

Everything comes from one seeded generator; ids are those that the real server has given so far.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from typing import Any

BLOBS = [b"", b"x", b"hello world", b"%PDF-1.4 fake", bytes(range(256)) * 10, b"A" * 3000]
TITLES = [
    "a",
    "b",
    "c d",
    "É",
    "É",
    " x ",
    "",
    "a/b",
    "..",
    "x" * 300,
    "new\nline",
    "emoji 🎞",
    "A",
    "<b>",
    "0",
    "root",
    "\t",
    "\u00a0n",
    "a.txt",
    "10%25",
]
NAMES = [
    "a.txt",
    "b.jpg",
    "c.PDF",
    "été.txt",
    "x y+z.txt",
    "noext",
    ".txt",
    "a.",
    "a.txt ",
    "a.unknownext",
    "p/q.png",
    "../z.gif",
    "a.tar.gz",
    "v.mp4",
    "",
    "w.WAV",
    "a\nb.txt",
]
WORDS = ["A", "B", " padded ", "", "value é", "1", "x" * 500, "two\nlines", "a", "12.5"]
TAGS = ["T1", "T2", "tag é", "t1", "", "with space"]
ORDERS = [
    "title",
    "-title",
    "updated_at",
    "-updated_at",
    "created_at",
    "-created_at",
    "nonsense",
    "collections__collectionmembership__rank",
    "-collections__collectionmembership__rank",
    "id",
    None,
    "",
]
KEYS = ["k", " K ", "Ünï", "", "a b", "k2"]
WEIRD: list[Any] = [
    None,
    "x",
    "12",
    "1",
    12.0,
    1.0,
    1.5,
    -1,
    0,
    999999,
    True,
    False,
    [],
    {},
    [1],
    "",
    2**31,
    2**63,
    2**70,
    "é",
    {"a": 1},
    [[]],
    " 1 ",
    "1.0",
    "٣",
]


class Story:
    """Draws parameters. The pools hold ids that exist, most of them."""

    def __init__(self, seed: int) -> None:
        self.r = random.Random(seed)
        self.c, self.f, self.m, self.s, self.v, self.w = [1], [1], list(range(1, 19)), [1], [1], [1]
        self.roles, self.users, self.perms, self.ann = [1, 2, 3], [1, 2, 3], [1, 5, 9], [1]
        self.projects = [1]

    def pick(self, pool: list[int], miss: float = 0.04) -> int:
        """One of the newest six mostly; seldom one that is nothing."""
        return (
            self.r.choice([0, 999, -3])
            if self.r.random() < miss
            else self.r.choice(pool[-6:] if self.r.random() < 0.6 else pool)
        )

    def param(self, kind: str) -> Any:
        """A value for a parameter of that kind; seldom one of a wrong type."""
        r = self.r
        if r.random() < 0.025:
            return r.choice(WEIRD)
        match kind:
            case "c":
                return self.pick(self.c)
            case "c?":
                return r.choice([None, 0, self.pick(self.c), self.pick(self.c)])
            case "f":
                return self.pick(self.f)
            case "f?":
                return r.choice([None, self.pick(self.f)])
            case "m":
                return self.pick(self.m)
            case "s":
                return self.pick(self.s)
            case "v":
                return self.pick(self.v)
            case "w":
                return self.pick(self.w)
            case "P":
                return self.pick(self.projects, 0.03)
            case "P?":
                return r.choice([None, 1])
            case "role":
                return self.pick(self.roles)
            case "user":
                return self.pick(self.users)
            case "perm":
                return self.pick(self.perms)
            case "ann":
                return self.pick(self.ann)
            case "title":
                return r.choice(TITLES)
            case "word":
                return r.choice(WORDS)
            case "tag":
                return r.choice(TAGS)
            case "tags?":
                return r.choice([None, None, [], ["T1"], ["T1", "T2"], ["nope"], "T1"])
            case "bool":
                return r.choice([True, False, False])
            case "bool?":
                return r.choice([None, None, True, False])
            case "from":
                return r.choice([0, 0, 0, 1, 2, 5, -1, 100])
            case "to":
                return r.choice([2000, 2000, 3, 1, 0, 10, 2, -1])
            case "order":
                return r.choice(ORDERS[:6] if r.random() < 0.8 else ORDERS)
            case "path":
                return r.choice(
                    ["a", "a/b", "/a//b/", " a / b ", "", "/", "É/c d", "zzz", "a/b/c", "../a", " ", "//", "\u00a0n/a"]
                )
            case "key":
                return r.choice(KEYS)
            case "pvalue":
                return r.choice(["v", 1, None, [1, "a"], {"x": 1}, True, "", 1.5])
            case "hash":
                return r.choice(
                    [
                        hashlib.sha256(r.choice(BLOBS)).hexdigest(),
                        "0" * 64,
                        "x",
                        "",
                        hashlib.sha256(b"x").hexdigest().upper(),
                    ]
                )
            case "terms":
                return [self.term() for _ in range(r.choice([0, 0, 1, 1, 2, 3, 11 if r.random() < 0.2 else 1]))]
            case "query":
                return r.choice(["a", "A", "é", "", "hello", "tag", "padded", "a b", "x", "%", "_", "1"])
            case "cs":
                return [self.pick(self.c) for _ in range(r.choice([0, 1, 1, 2, 3]))]
            case "fs":
                return [self.pick(self.f) for _ in range(r.choice([0, 1, 1, 2, 3]))]
            case "sel":
                return r.choice(
                    [
                        {},
                        {"include": {}},
                        {"include": {"resources_ids": [self.pick(self.f)]}},
                        {"include": {"resources": [self.pick(self.f)], "collections": [self.pick(self.c)]}},
                        {"exclude": {"resources": [self.pick(self.f)]}},
                        {"include": {"resources_ids": [self.pick(self.f)], "collections_ids": [self.pick(self.c)]}},
                        {"exclude": {"collections_ids": [self.pick(self.c)], "resources_ids": []}},
                    ]
                )
            case "metas":
                return [
                    r.choice(
                        [
                            {"id": self.pick(self.m), "value": r.choice(WORDS)},
                            {"id": self.pick(self.m), "value": r.choice(["A", "B"])},
                            {"meta_id": 1, "value": "A"},
                            {"id": 1},
                        ]
                    )
                    if r.random() < 0.3
                    else {"id": self.pick(self.m, 0), "value": r.choice(["A", "B", "C"])}
                    for _ in range(r.choice([0, 1, 2, 3]))
                ]
            case "uname":
                return r.choice(["reader", "limited", "nobody", ""])
            case "akey":
                return r.choice(["k1", "k2", "reader-key"])
            case "label":
                return r.choice(["role A", "role B", "project read only", "", "R"])
            case "label?":
                return r.choice(["L", None, "", "T1", "é"])
            case "ark?":
                return r.choice([None, None, "ark:/1/2", ""])
            case "perms":
                return r.choice(
                    [
                        [],
                        [
                            {
                                "object_class": "resource",
                                "object_create": True,
                                "object_read": True,
                                "object_update": False,
                                "object_delete": False,
                            }
                        ],
                        "x",
                        [{"object_class": "collection", "object_pk": 2, "object_read": True}],
                        {"resource": "r"},
                    ]
                )
            case "perm1":
                return r.choice(
                    [
                        {
                            "object_class": "resource",
                            "object_create": True,
                            "object_read": True,
                            "object_update": False,
                            "object_delete": False,
                        },
                        {
                            "object_class": "collection",
                            "object_pk": self.pick(self.c),
                            "object_read": True,
                            "object_update": True,
                            "object_create": False,
                            "object_delete": False,
                        },
                        {},
                    ]
                )
            case "data":
                return r.choice([{"a": 1}, "text", [], None, {"x": {"y": "é"}}])
            case "int":
                return r.choice([0, 90, 10, -5])
            case "ids":
                return r.choice([None, [], [1], [1, 2]])
            case "row":
                return r.choice(
                    [
                        {},
                        {"resource_pk": 1, "title": "from row"},
                        {"resource_pk": self.pick(self.f), "Dublin_Core: title": "A\n--\nB"},
                        {"collection_pk": self.pick(self.c), "title": "row"},
                    ]
                )
        raise KeyError(kind)

    def term(self) -> Any:
        """A search term, known to the server or not."""
        r = self.r
        terms: list[Callable[[], dict[str, Any]]] = [
            lambda: {
                "property": "title",
                "term": r.choice(["is", "contains", "does_not_contain", "nope", None]),
                "value": r.choice(["a", "A", "é", "É", "", "b", "hello", 1, None, "."]),
            },
            lambda: {
                "meta": self.pick(self.m),
                "term": r.choice(["is", "contains", "does_not_contain", "nope"]),
                "value": r.choice(["A", "a", "B", "", "x"]),
            },
            lambda: {"exclude_meta": self.pick(self.m)},
            lambda: {"tags": r.choice([["T1"], ["T1", "T2"], [], "T1", ["nope"]])},
            lambda: {"exclude_tags": r.choice([["T1"], ["T1", "T2"], []])},
            lambda: {"property": "hash", "term": "is", "value": "x"},
            lambda: {"property": "title", "value": "a"},
            dict,
            lambda: {"tags": ["T1"], "property": "title", "term": "contains", "value": "a"},
        ]
        return r.choice(terms)()


TABLE = """
ping
current_user
client_configuration
supported_file_types
advanced_search_terms
projects_user_permissions|bool
project_stats|P
project_entry_points|P
collection|c *4
collection_stats|c *2
collections|c bool from to bool bool order bool *6
find_collection_from_path|path P *2
resource|f bool *5
resources|c bool from to order bool tags? *6
ancestors_from_collection|c bool *2
ancestors_from_resource|f *2
advanced_search|terms P bool c? from to order bool bool bool? *8
project_items|terms P bool c? from to order bool? *8
simple_search|query P from to order *3
collections_resources_pair|P c? bool *2
metadatasets|P
metadatas|s *2
metadata|m
meta_count|m c *2
tags|P
upload_infos|hash P *2
recycle_bin|P
user_tasks_status|P?
project_property|P key
project_properties|P
list_annotations|f
list_collection_annotations|c
collection_access_for_role|c role
resource_access_for_role|f role
add_collection|title c *14
add_collection_from_path|path P *4
rename_collection|c title *4
move_collection|c c *5
delete_collection|c bool *6
restore_collection|c c *4
publish_collection|c *2
unpublish_collection|c
set_representative_resource|c f? *2
rename_resource|f title *3
delete_resource|f *4
restore_resource|f c *3
add_resource_to_collection|f c *8
remove_resource_from_collection|f c *3
replace_file|f f *3
move_items|c c cs fs *6
move_selection|c sel c *2
remove_selection|c sel
add_meta_to_resource|f m word *10
add_meta_to_collection|c m word bool *5
change_resource_meta_value|v word *3
change_collection_meta_value|w word *2
remove_meta_value_from_resource|f v *3
remove_meta_value_from_collection|c w bool *2
set_metas_to_resource|f metas *4
set_metas_to_collection|c metas bool bool *2
add_meta_to_selection|c sel m word
remove_meta_value_from_selection|c sel v
add_metadataset|title P *2
add_metadata|title s *3
rename_meta|m title
delete_metadata|m
delete_metadataset|s bool
set_tag|tag P label? ark? *6
delete_tag|tag P
add_tag_to_resource|tag f *5
remove_tag_from_resource|tag f *2
add_tag_to_collection|tag c *4
remove_tag_from_collection|tag c
set_project_property|P key pvalue *2
delete_project_property|P key
create_annotation|f data bool
update_annotation|ann data bool
delete_annotation|ann
publish_annotation|ann
unpublish_annotation|ann
activate_rpc_access|uname akey
deactivate_rpc_access|uname akey
create_project|title label?
set_role|P label perms
add_permission_to_role|role perm1
delete_permission|perm
delete_role|P label
rename_role|role label
list_roles|P
add_project_access|user P role
remove_project_access|user P role
list_projects
list_users
nonsense|c
_private
__class__
"""
SUPER = {
    "activate_rpc_access",
    "deactivate_rpc_access",
    "create_project",
    "set_role",
    "add_permission_to_role",
    "delete_permission",
    "delete_role",
    "rename_role",
    "add_project_access",
    "remove_project_access",
}
METHODS: list[tuple[str, list[str], int]] = []
for line in TABLE.strip().splitlines():
    body, _, weight = line.partition("*")
    name, _, params = body.strip().partition("|")
    METHODS.append((name, params.split(), int(weight or 1)))
