"""Who may do what: access groups, and the permission that each kind of change asks for.

The stock group `artist` sees everything, changes and publishes, but makes no folders or tasks and deletes nothing.
"""

from __future__ import annotations

from assetfs.sandbox.ayon.context import Call
from assetfs.sandbox.ayon.errors import refused
from assetfs.sandbox.ayon.records import Project

GROUPS: dict[str, frozenset[str]] = {
    "artist": frozenset({"read", "update", "publish"}),
    "viewer": frozenset({"read"}),
    "supervisor": frozenset({"read", "create", "update", "publish", "delete"}),
}
# What making an entity takes: what is published needs the right to publish.
CREATING = {"folder": "create", "task": "create"}


def check(call: Call, project: Project, permission: str) -> None:
    """Refuse a user whose access groups in the project do not have a permission."""
    if call.user.manager:
        return
    if not any(permission in GROUPS.get(group, ()) for group in call.groups(project)):
        raise refused(403, f"{permission.capitalize()} access denied for {call.user.name} in project {project.name}")


def check_creating(call: Call, project: Project, kind: str) -> None:
    """Refuse a user who may not make entities of a kind."""
    check(call, project, CREATING.get(kind, "publish"))
