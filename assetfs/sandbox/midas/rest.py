"""The REST face: the same methods with other names for their fields, real types, and status codes.

`/rest/<resource>[/<operation>][/<id>]`; without an operation the verb is one.
"""

from __future__ import annotations

from typing import Any

from assetfs.sandbox.midas.context import Call, Fields
from assetfs.sandbox.midas.errors import INTERNAL, NOT_FOUND, TOKEN, UPLOAD_TOKEN, Fatal, Refused
from assetfs.sandbox.midas.registry import METHODS, key

VERBS = {"GET": "get", "POST": "create", "PUT": "create", "DELETE": "delete"}
ALLOW = "OPTIONS, HEAD, GET, POST, PUT, DELETE"
STATUS = {TOKEN: 401, UPLOAD_TOKEN: 401, NOT_FOUND: 404}
ID_NAMES = ("id", "itemid", "itemId", "item_id", "folder_id", "user_id")
COMMON = "name description uuid views=view"
DATES = "date_created=date_creation date_updated=date_update"
RENAMED = {  # new=old, or one word for both
    "item": f"id=item_id {COMMON} size=sizebytes {DATES} downloads=download",
    "folder": f"id=folder_id parent_folder_id=parent_id {COMMON} {DATES}",
    "bitstream": "id item_id itemrevision_id name mimetype size md5=checksum date_created=date date_updated=date",
    "community": f"id=community_id {COMMON} date_created=creation date_updated=creation root_folder_id=folder_id"
    " admin_group_id=admingroup_id moderator_group_id=moderatorgroup_id member_group_id=membergroup_id",
    "user": "id=user_id firstname lastname email root_folder_id=folder_id date_created=creation views=view uuid",
}


def handle(call: Call, path: str) -> tuple[int, Fields]:
    """Answer a request below `/rest/`. Raises Fatal."""
    resource, *rest = path.strip("/").split("/")
    number = rest.pop() if rest and rest[-1].isdigit() else None
    operation = "/".join(rest)
    if call.verb not in VERBS or (call.verb == "GET" and not operation and number is None):
        raise Fatal("no such operation")
    for name in ID_NAMES if number is not None else ():
        call.params.setdefault(name, number or "")
    name = operation.replace("/", "") or VERBS[call.verb]
    function = METHODS.get(key(f"{resource}{name}"))
    try:
        if function is None:
            raise Refused(INTERNAL, f"Operation {call.verb} {resource} is not supported")
        result = function(call)
    except Refused as refusal:
        return STATUS.get(refusal.code, 400), {"error": {"code": refusal.code, "msg": refusal.message}}
    if result is None:
        return 200, {"msg": "succeed!"}
    created = call.verb == "POST" or (call.verb == "PUT" and number is None)
    if name == "get" and resource in RENAMED:
        result = _renamed(resource, result)
        if resource == "user":
            result |= _secrets(call, int(result["id"]))
    return 201 if created else 200, {"data": result}


def _secrets(call: Call, user_id: int) -> Fields:
    """What this face tells of a user by mistake, to whoever asks."""
    salt = call.scalar("SELECT substr(password, 1, 32) FROM secret WHERE user_id = ?", user_id)
    return {"hash_alg": "sha256", "salt": salt}


def _renamed(resource: str, fields: dict[str, Any]) -> Fields:
    pairs = (word.partition("=") for word in RENAMED[resource].split())
    found: Fields = {new: fields[old or new] for new, _, old in pairs}
    if resource in ("item", "folder"):
        found["public"] = fields["privacy_status"] == "0"
    if resource == "community":
        found |= {"public": fields["privacy"] == "0", "open_membership": fields["can_join"] == "1"}
    if resource == "item":
        revisions = fields["revisions"]
        found["revisions"] = [row["itemrevision_id"] for row in revisions]
        files = revisions[-1]["bitstreams"] if revisions else []
        found["bitstreams"] = [row["bitstream_id"] for row in files]
    return found
