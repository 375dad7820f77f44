"""The first words with a server: who we are, what it is, which dialect it speaks (sections 1, 4.4, 13.1).

A current server answers all of it in one array of calls. One that refuses arrays is older; if it also has no
`projects_user_permissions`, it speaks the classic dialect.
"""

from __future__ import annotations

from typing import Any

from assetfs.backends.jama.classic import ClassicDialect
from assetfs.backends.jama.client import Call, Client, optional, settled
from assetfs.backends.jama.dialect import Dialect, Welcome
from assetfs.backends.jama.errors import NoSuchMethod
from assetfs.backends.jama.projects import ProjectDialect
from assetfs.backends.jama.types import FileTypes
from assetfs.backends.jama.wire import ClientConfiguration, FileType, ProjectAccess
from assetfs.repository import ProtocolViolation

PING: Call[str] = Call("ping", [], str)
CONFIGURATION: Call[ClientConfiguration] = Call("client_configuration", [], ClientConfiguration)
PERMISSIONS: Call[list[ProjectAccess]] = Call("projects_user_permissions", [True], list[ProjectAccess])
TYPES: Call[list[FileType]] = Call("supported_file_types", [], list[FileType])


async def greet(client: Client, dialect: str, project: str | None) -> tuple[Dialect, Welcome]:
    """Find out what is there. `dialect` is `auto`, `project` or `classic`; `project` an id or a label.

    Raises NotAuthenticated, Offline, Unavailable, ProtocolViolation, NotFound (no such project).
    """
    client.batches = dialect != "classic"
    pong, types, accesses, configuration = await _asked(client, dialect)
    speaking: Dialect
    if isinstance(accesses, NoSuchMethod):
        if dialect == "project":
            raise ProtocolViolation("the server speaks the classic dialect, without projects")
        speaking, server = ClassicDialect(client), "Jama (classic)"
    else:
        speaking = ProjectDialect(client, settled(accesses), project)
        limits = optional(configuration)
        speaking.configure(limits)
        server = "Jama" if limits is not None else "Jama (before 0.7.0)"
    user = str(settled(pong)).removeprefix("pong").strip()
    scopes = await speaking.scopes()
    return speaking, Welcome(user, server, scopes, FileTypes(optional(types, ())))


async def _asked(client: Client, dialect: str) -> list[Any]:
    """Outcomes of PING, TYPES, PERMISSIONS, CONFIGURATION. A refused array shows that the server takes none."""
    if client.batches:
        try:
            return await client.batch([PING, TYPES, PERMISSIONS, CONFIGURATION])
        except ProtocolViolation:
            client.batches = False
    pong = await client.call(PING)
    unasked = NoSuchMethod("not asked")
    accesses = unasked if dialect == "classic" else (await client.many([PERMISSIONS]))[0]
    if isinstance(accesses, NoSuchMethod):
        return [pong, *await client.many([TYPES]), accesses, unasked]
    types, configuration = await client.many([TYPES, CONFIGURATION])
    return [pong, types, accesses, configuration]
