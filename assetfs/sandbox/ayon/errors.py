"""Refusals in all the shapes that the server has for them.

Most are `{"code", "detail"}`. Requests that do not fit the schema list their errors; a constraint of the database that
nobody expected is HTTP 500 with another code inside; code that failed is 500 with a traceback; and the framework below
answers in plain text.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from assetfs.sandbox.http import JSON

TEXT = "text/plain; charset=utf-8"


def compact(document: Any) -> bytes:
    """JSON as the server sends it: no blanks, no escapes."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


class Refused(Exception):
    """An answer that is no success. `error_code` is what a batch of operations calls it.

    `database` says that it came from a constraint: only such a failure undoes what a batch did before it.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        error_code: str = "",
        *,
        database: bool = False,
        body: dict[str, Any] | None = None,
        text: str | None = None,
        hang_up: bool = False,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.error_code = error_code
        self.database = database
        self.hang_up = hang_up
        self.headers = headers
        self.content_type = JSON if text is None else TEXT
        document = {"code": status, "detail": detail} if body is None else body
        self.body = compact(document) if text is None else text.encode()


@dataclass(frozen=True)
class Complaint:
    """What is wrong with one part of a request, in the words of the server's schema library."""

    loc: tuple[str | int, ...]
    msg: str
    type: str
    ctx: dict[str, Any] = field(default_factory=dict)

    def document(self, where: str) -> dict[str, Any]:
        """One entry of an answer's `errors`; `where` is body, path or query."""
        found: dict[str, Any] = {"loc": [where, *self.loc], "msg": self.msg, "type": self.type}
        return found | {"ctx": self.ctx} if self.ctx else found


class NotValid(Exception):
    """A document that does not fit its model, with all complaints; the caller knows how the server words it here."""

    def __init__(self, complaints: list[Complaint], model: str) -> None:
        super().__init__(model)
        self.complaints = complaints
        self.model = model

    def in_request(self, method: str, path: str, where: str = "body") -> Refused:
        """As the answer to a request."""
        body = {
            "code": 400,
            "detail": f"Request validation error in [{method}] {path}",
            "path": path,
            "traceback": "\n".join(f"{'.'.join(map(str, c.loc))}: {c.msg}" for c in self.complaints),
            "errors": [complaint.document(where) for complaint in self.complaints],
        }
        return Refused(400, str(body["detail"]), "invalid_data", body=body)

    def in_operation(self) -> Refused:
        """As the failure of one operation of a batch."""
        count = len(self.complaints)
        lines = [f"Invalid data provided: {count} validation error{'s' * (count > 1)} for {self.model}"]
        for c in self.complaints:
            more = "".join(f"; {key}={value}" for key, value in c.ctx.items())
            lines += [" -> ".join(map(str, c.loc)), f"  {c.msg} (type={c.type}{more})"]
        return Refused(400, "\n".join(lines), "invalid_data")


def refused(status: int, detail: str) -> Refused:
    """A refusal of the usual shape."""
    codes = {400: "invalid_data", 401: "unauthorized", 403: "forbidden", 404: "not-found", 409: "conflict"}
    return Refused(status, detail, codes.get(status, "error"))


def not_found(entity_id: str) -> Refused:
    """There is no entity with this id."""
    return refused(404, f"Entity {entity_id} not found")


def no_route(path: str) -> Refused:
    """Nothing answers at this path."""
    return Refused(404, "", body={"code": 404, "detail": "API endpoint not found", "path": path})


def violated(kind: str, detail: str, status: int = 409) -> Refused:
    """A constraint of the database that the server expects: `unique-violation`, `foreign-key-violation`, …"""
    return Refused(status, detail, kind, database=True)


def unexpected_violation(kind: str, detail: str, code: int, path: str) -> Refused:
    """A constraint of the database that the server does not expect: HTTP 500, whatever the code inside says."""
    place = {"path": f"[POST] {path}", "file": "ayon_server/lib/postgres.py", "function": "execute", "line": 1}
    return Refused(500, detail, kind, database=True, body={**place, "detail": detail, "error": kind, "code": code})


def crashed(detail: str, *, database: bool = False) -> Refused:
    """The server's own code failed; `database` says that it did when a constraint had been violated."""
    body = {"status": 500, "detail": detail, "traceback": f"Traceback (most recent call last):\n{detail}"}
    return Refused(500, detail, body=body, database=database)


def broke(status: int, text: str, *, hang_up: bool = False, headers: tuple[tuple[str, str], ...] = ()) -> Refused:
    """An answer of the framework below, in plain text."""
    return Refused(status, text, text=text, hang_up=hang_up, headers=headers)
