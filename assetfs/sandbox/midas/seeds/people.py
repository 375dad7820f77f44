"""The users of every seed, with keys that never change, so that a script can be run against any sandbox."""

from __future__ import annotations

from dataclasses import dataclass

from assetfs.sandbox.midas import folders, policies
from assetfs.sandbox.midas.context import Call, new_uuid
from assetfs.sandbox.midas.folders import USER_ROOT
from assetfs.sandbox.midas.system import hashed


@dataclass(frozen=True)
class Person:
    """One user."""

    first: str
    last: str
    email: str
    password: str
    key: str
    admin: bool = False


ADA = Person("Ada", "Sandbox", "ada@example.org", "lovelace", "sandboxAdaAdaAdaAdaKey0000000001", admin=True)
GRACE = Person("Grace", "Sandbox", "grace@example.org", "hopper00", "sandboxGraceGraceKey000000000002")


def add(call: Call, person: Person) -> int:
    """Make a user with a home, its folders Private and Public, and a key. Returns the user's id."""
    user_id = call.insert(
        "user",
        firstname=person.first,
        lastname=person.last,
        email=person.email,
        creation=call.stamp(),
        admin=person.admin,
        uuid=new_uuid(),
    )
    call.insert("secret", user_id=user_id, password=hashed(person.password))
    call.insert("userapi", apikey=person.key, user_id=user_id, application="Default")
    home = folders.add(call, USER_ROOT, f"user_{user_id}")
    call.update("user", user_id, folder_id=home)
    for folder_id, word in (
        (home, "Private"),
        (folders.add(call, home, "Private"), "Private"),
        (folders.add(call, home, "Public"), "Public"),
    ):
        policies.grant(call, "folder", folder_id, "user", user_id, policies.ADMIN)
        policies.set_privacy(call, "folder", folder_id, word)
    return user_id
