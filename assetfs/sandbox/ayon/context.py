"""What a handler has at hand while it runs: the server's state, the request, its user, and what is to happen after.

A request runs in one transaction over the server's database and those of the projects that it touches.
"""

from __future__ import annotations

import json
import re
import sqlite3
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from assetfs.sandbox.ayon.attributes import FALSE, TRUE
from assetfs.sandbox.ayon.errors import Complaint, NotValid, compact, refused
from assetfs.sandbox.http import JSON
from assetfs.sandbox.switches import Switchboard

if TYPE_CHECKING:
    from assetfs.sandbox.ayon.records import Project
    from assetfs.sandbox.ayon.server import Server

NAME = r"^[a-zA-Z0-9_]([a-zA-Z0-9_\.\-]*[a-zA-Z0-9_])?$"
PROJECT_NAME = r"^[a-zA-Z0-9_]*$"
ID_LENGTH = 32
VERSION = "1.16.0+DEVELOP"


@dataclass
class Switches(Switchboard):
    """Lasting behaviour that a test can change while the server runs. Times are seconds."""

    heartbeat: float = 5.0  # between two heartbeats of a WebSocket
    heartbeats: bool = True  # False: as on a server so busy that narrow subscriptions starve
    sockets: bool = True  # False: WebSockets are closed, and no new ones accepted
    events: bool = True  # False: frames are lost on their way
    auth_wait: float = 3.0  # how long a WebSocket may stay silent before it is closed
    collect_after: float = 300.0  # the age at which a file that belongs to no activity may be collected
    head_cache: float = 20.0  # how long a worker believes what it once saw of a file's headers
    key_memory: float = 600.0  # how long an API key that was used is known without being checked again
    throttle: bool = False  # more than 10 GraphQL or 2 operations requests of one credential at a time are 429
    version: str = VERSION


@dataclass
class Body:
    """Bytes of a file as the body of an answer. Where `announced` is another length than `size`, it ends early."""

    path: Path
    start: int
    size: int
    announced: int

    def cut(self, first: int, last: int) -> None:
        """Only the bytes from `first` to `last`, both included."""
        self.start, self.size = first, last - first + 1
        self.announced = self.size


@dataclass
class Reply:
    """One answer: `body`, or the bytes of `content`. `later` runs after it has been sent."""

    status: int = 200
    body: bytes = b""
    content_type: str | None = JSON
    headers: list[tuple[str, str]] = field(default_factory=list)
    content: Body | None = None
    later: Callable[[Call], None] | None = None


def answered(document: Any, status: int = 200) -> Reply:
    """An answer in JSON."""
    return Reply(status, compact(document))


DONE = 204


def done() -> Reply:
    """An answer without a body."""
    return Reply(DONE, content_type=None)


@dataclass(frozen=True)
class User:
    """Who makes a request."""

    name: str
    data: dict[str, Any]
    attrib: dict[str, Any]

    @property
    def service(self) -> bool:
        """A program's account, which may act as others."""
        return bool(self.data.get("isService"))

    @property
    def admin(self) -> bool:
        """May do anything."""
        return bool(self.data.get("isAdmin") or self.service)

    @property
    def manager(self) -> bool:
        """May do anything within projects."""
        return self.admin or bool(self.data.get("isManager"))


def new_id() -> str:
    """An id as the server makes them."""
    return uuid.uuid1().hex


def moment() -> str:
    """Now, as entities have it."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def dashed(entity_id: str | None) -> str:
    """An id as the database prints it."""
    return str(uuid.UUID(entity_id)) if entity_id else ""


def camel(key: str) -> str:
    """`camelCase`; what is so already stays."""
    first, *rest = key.split("_")
    return first + "".join(part[:1].upper() + part[1:] for part in rest)


@dataclass
class Call:
    """One request."""

    server: Server
    method: str
    path: str
    params: tuple[str, ...] = ()
    query: dict[str, list[str]] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    spool: Path | None = None
    spooled: int = 0
    client: str = ""
    user_: User | None = None
    events: list[dict[str, Any]] = field(default_factory=list)
    projects: dict[str, Project] = field(default_factory=dict)
    memo: dict[Any, Any] = field(default_factory=dict)

    @property
    def db(self) -> sqlite3.Connection:
        """The server's own database."""
        return self.server.db

    @property
    def user(self) -> User:
        """The request's user. Refuses a request that has none."""
        if self.user_ is None:
            raise refused(401, "Access token is missing")
        return self.user_

    def only(self, managers: bool, what: str = "You are not allowed to do this") -> None:
        """Refuse whoever is no manager (or no administrator)."""
        if not (self.user.manager if managers else self.user.admin):
            raise refused(403, what)

    def json(self) -> Any:
        """The JSON body. Refuses what is none."""
        try:
            return json.loads(self.body)
        except ValueError as error:
            message, position = getattr(error, "msg", str(error)), getattr(error, "pos", 0)
            context = {"msg": message, "doc": self.body.decode(errors="replace"), "pos": position}
            text = f"{message}: line 1 column {position + 1} (char {position})"
            raise self.invalid(Complaint((position,), text, "value_error.jsondecode", context)) from error

    def fields(self, *required: str) -> dict[str, Any]:
        """The body as an object, its keys in camel case. Refuses another body, and one that lacks what is required."""
        given = self.json()
        if not isinstance(given, dict):
            raise self.invalid(Complaint((), "value is not a valid dict", "type_error.dict"))
        found = {camel(key): value for key, value in given.items()}
        missing = [
            Complaint((name,), "field required", "value_error.missing") for name in required if name not in found
        ]
        if missing:
            raise self.invalid(*missing)
        return found

    def identity(self, number: int, name: str) -> str:
        """An id in the path. Refuses one of another length."""
        given = self.params[number]
        if len(given) == ID_LENGTH:
            return given
        least = len(given) < ID_LENGTH
        message = f"ensure this value has at {'least' if least else 'most'} {ID_LENGTH} characters"
        kind = f"value_error.any_str.{'min' if least else 'max'}_length"
        raise self.invalid(Complaint((name,), message, kind, {"limit_value": ID_LENGTH}), where="path")

    def required_headers(self, *names: str) -> list[str]:
        """The values of headers. Refuses a request that lacks one."""
        missing = [
            Complaint((name,), "field required", "value_error.missing") for name in names if not self.header(name)
        ]
        if missing:
            raise self.invalid(*missing, where="header")
        return [self.headers[name] for name in names]

    def invalid(self, *complaints: Complaint, where: str = "body") -> Exception:
        """The refusal of a request that does not fit its schema."""
        return NotValid(list(complaints), "").in_request(self.method, self.path, where)

    def argument(self, name: str) -> str | None:
        """A query argument."""
        values = self.query.get(name)
        return values[-1] if values else None

    def flag(self, name: str, default: bool | None = False) -> bool | None:
        """A query argument that is true or false. Refuses what is neither."""
        value = self.argument(name)
        if value is None:
            return default
        if value.lower() not in TRUE + FALSE:
            complaint = Complaint((name,), "value could not be parsed to a boolean", "type_error.bool")
            raise self.invalid(complaint, where="query")
        return value.lower() in TRUE

    def number(self, name: str) -> int | None:
        """A query argument that is a whole number. Refuses what is none."""
        value = self.argument(name)
        try:
            return None if value is None else int(value)
        except ValueError as error:
            complaint = Complaint((name,), "value is not a valid integer", "type_error.integer")
            raise self.invalid(complaint, where="query") from error

    def header(self, name: str) -> str | None:
        """A request header."""
        return self.headers.get(name)

    def check_sender(self) -> None:
        """Refuse a sender that is no name: it would go out with every event."""
        for name in ("x-sender", "x-sender-type"):
            if (value := self.header(name)) is not None and not re.fullmatch(NAME.strip("^$"), value):
                context = {"pattern": NAME}
                message = f'string does not match regex "{NAME}"'
                complaint = Complaint((name,), message, "value_error.str.regex", context)
                raise self.invalid(complaint, where="header")

    def project(self, name: str) -> Project:
        """A project, in this request's transaction. Refuses one that the user may not see, or that there is not."""
        name = unquote(name)
        if not re.fullmatch(PROJECT_NAME, name):
            message = f'string does not match regex "{PROJECT_NAME}"'
            complaint = Complaint(("project_name",), message, "value_error.str.regex", {"pattern": PROJECT_NAME})
            raise self.invalid(complaint, where="path")
        if self.user_ is not None and not self.user_.manager and not self.server.has_project(name):
            raise refused(403, "No access group assigned on this project")
        project = self.server.project(name)
        if project.name not in self.projects:
            project.db.execute("BEGIN IMMEDIATE")
            self.projects[project.name] = project
        if not self.user.manager and not self.groups(project):
            raise refused(403, "No access group assigned on this project")
        return project

    def groups(self, project: Project) -> list[str]:
        """The user's access groups in a project."""
        found = self.user.data.get("accessGroups") or {}
        return list(found.get(project.name) or []) if isinstance(found, dict) else []

    def emit(
        self,
        topic: str,
        description: str = "",
        summary: dict[str, Any] | None = None,
        project: str | None = None,
        *,
        store: bool = True,
        **more: Any,
    ) -> dict[str, Any]:
        """Note an event that this request causes: it is dispatched when the request has succeeded."""
        now = datetime.now().isoformat(timespec="microseconds")  # frames have the server's local time without a zone
        event = {
            "id": new_id(),
            "topic": topic,
            "project": project,
            "user": self.user_.name if self.user_ else None,
            "sender": self.header("x-sender"),
            "senderType": self.header("x-sender-type") or "api",
            "description": description,
            "dependsOn": None,
            "summary": summary or {},
            "status": "finished",
            "progress": 100,
            "store": store,
            "createdAt": now,
            "updatedAt": now,
            **more,
        }
        self.events.append(event)
        return event
