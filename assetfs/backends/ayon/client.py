"""The wire: REST and GraphQL requests with one credential (sections 2, 4).

A credential is a service user's key, a personal key (32 or any number of characters), a session token (64), or, where
the URL names a user, that user's password: then a session is begun with it, once, and begun again when it has expired.
What looks like a session token may be a key that the server takes for one while it remembers it, and no longer (11.9):
from the first refusal on it is sent as a key.
Every request says which site and which mount it comes from: sessions stay good when our address changes, and our own
changes are recognised in the event stream.
"""

from __future__ import annotations

import json
import math
import socket
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import quote

import msgspec
import trio

from assetfs.backends import Address
from assetfs.backends.ayon.errors import Locked, query_refusal, refusal
from assetfs.backends.ayon.ids import new_id
from assetfs.backends.ayon.queries import Ask, document
from assetfs.backends.ayon.wire import (
    Activity,
    EntityList,
    Folder,
    Login,
    Product,
    Refused,
    Representation,
    Rows,
    Task,
    Version,
    Workfile,
)
from assetfs.repository import NotAuthenticated, NotFound, ProtocolViolation, Sink, Source
from assetfs.transport import Interpret, Pool, Response, Transport, TransportOptions, pieces

T = TypeVar("T")

CONNECTIONS = 6
"""Requests at a time: the server announces that it will refuse more than ten GraphQL requests of a session."""
WRITERS = 2
"""Operations at a time; the server's own mark."""
TOKEN = 64
"""Characters of a session token; nothing else is taken for one (11.9)."""
SESSION, KEY = "Authorization", "X-Api-Key"
"""The headers that carry a credential."""
LARGE = 256 << 10
"""Bytes of JSON from which it is decoded in a thread: a millisecond."""
LOCKED_TRIES = 4
LOCKED_PAUSE = 0.2
UPLOAD_SILENCE = 300.0


class Lists(msgspec.Struct, frozen=True, rename="camel"):
    """The lists of a project that a request may ask for."""

    folders: Rows[Folder] = Rows()
    tasks: Rows[Task] = Rows()
    products: Rows[Product] = Rows()
    versions: Rows[Version] = Rows()
    representations: Rows[Representation] = Rows()
    workfiles: Rows[Workfile] = Rows()
    activities: Rows[Activity] = Rows()
    entity_lists: Rows[EntityList] = Rows()


class _Data(msgspec.Struct, frozen=True):
    project: msgspec.Raw = msgspec.Raw(b"null")


class _Answer(msgspec.Struct, frozen=True):
    data: _Data | None = None
    errors: list[Refused] = []


class Client:
    """Requests to one server. `sender` comes back in every event that we cause."""

    def __init__(self, address: Address, options: TransportOptions) -> None:
        self.base = address.base
        self.sender = f"assetfs-{new_id()}"
        self.options = msgspec.structs.replace(options, api_connections=CONNECTIONS)
        self.token = address.secret
        """What is sent as the credential; also the event stream needs it."""
        self.version: tuple[int, ...] = (0, 0, 0)
        """The server's release, once it is known."""
        self._user = address.user
        self._password = address.secret if address.user else None
        self.site: str = address.options.get("site_id") or default_site()
        self._site = {
            "x-ayon-site-id": self.site,
            "x-ayon-platform": "linux",
            "x-ayon-hostname": _safe(socket.gethostname()) or "unknown",
            "x-sender": self.sender,
            "x-sender-type": "assetfs",
        }
        self._spent: Counter[str] = Counter()
        self._writers = trio.CapacityLimiter(WRITERS)
        self._renewing = trio.Lock()
        self._sent_as = SESSION if self._password is not None or len(self.token or "") == TOKEN else KEY
        self.transport = self._opened({} if self._password is not None else self._credential())

    def _credential(self) -> dict[str, str]:
        if not self.token:
            return {}
        return {self._sent_as: f"Bearer {self.token}" if self._sent_as == SESSION else self.token}

    def _opened(self, credential: Mapping[str, str]) -> Transport:
        return Transport(self.base, self.options, headers={**self._site, **credential})

    async def close(self) -> None:
        await self.transport.close()

    def requests(self) -> dict[str, int]:
        """Requests by label, those of sessions that have ended included."""
        return dict(self._spent + Counter(self.transport.requests.by_label()))

    # ---- sessions -------------------------------------------------------------------------------------------------

    async def log_in(self) -> None:
        """Begin a session where the credential is a password; nothing otherwise. Raises NotAuthenticated."""
        async with self._renewing:
            if self._password is not None:
                await self._begin()

    async def _begin(self) -> None:
        answer = await self.transport.request(
            "POST",
            "api/auth/login",
            label="login",
            content=json.dumps({"name": self._user, "password": self._password}).encode(),
            headers={"Content-Type": "application/json"},
            repeatable=False,
        )
        if answer.status in (400, 401, 403):
            raise NotAuthenticated("AYON does not accept this user and password")
        if answer.status != 200:
            raise refusal(answer.status, answer.content, "login")
        token = msgspec.json.decode(answer.content, type=Login).token
        if not token:
            raise NotAuthenticated("AYON wants this user to log in in a browser: use an API key")
        self.token = token
        await self._reopen()

    async def _reopen(self) -> None:
        old, self.transport = self.transport, self._opened(self._credential())
        self._spent.update(old.requests.by_label())
        await old.close()

    async def _renew(self, refused: Transport) -> bool:
        """Another way to say who we are, after `refused` was answered with 401: what somebody else has found since, a
        new session, or the key that was taken for a session token. False where there is none. Raises
        NotAuthenticated."""
        async with self._renewing:
            if self.transport is not refused:
                return True
            if self._password is not None:
                await self._begin()
                return True
            if self._sent_as == KEY:
                return False
            self._sent_as = KEY
            await self._reopen()
            return True

    async def fetch(self, place: str, start: int, stop: int, sink: Sink, *, label: str, interpret: Interpret) -> None:
        """`Transport.fetch`, of this server or of where it has sent us."""
        transport = self.transport
        try:
            await transport.fetch(place, start, stop, sink, label=label, interpret=interpret)
        except NotAuthenticated:
            if "://" in place or not await self._renew(transport):
                raise
            await self.transport.fetch(place, start, stop, sink, label=label, interpret=interpret)

    # ---- REST -----------------------------------------------------------------------------------------------------

    async def send(
        self,
        method: str,
        path: str,
        label: str,
        *,
        body: Any = None,
        content: bytes | Callable[[], AsyncIterator[bytes]] | None = None,
        headers: Mapping[str, str] | None = None,
        repeatable: bool | None = None,
        accept: tuple[int, ...] = (200, 201, 204),
        pool: Pool = Pool.API,
        deadline: float | None = None,
        read_timeout: float | None = None,
    ) -> Response:
        """One call, with a JSON body or raw content. Raises what `errors` says for every other status than `accept`'s;
        repeats what met a lock. By default what has a method that is safe or a body with our own ids is repeatable."""
        given = dict(headers or {})
        if body is not None:
            content = msgspec.json.encode(body)
            given.setdefault("Content-Type", "application/json")
        again = method in ("GET", "HEAD") if repeatable is None else repeatable
        for number in range(LOCKED_TRIES):
            transport = self.transport
            answer = await transport.request(
                method,
                path,
                label=label,
                content=content,
                headers=given,
                repeatable=again,
                pool=pool,
                deadline=deadline,
                read_timeout=read_timeout,
            )
            if answer.status in accept:
                return answer
            error = refusal(answer.status, answer.content, label)
            if isinstance(error, NotAuthenticated) and number == 0 and await self._renew(transport):
                continue
            if isinstance(error, Locked) and number < LOCKED_TRIES - 1:
                await trio.sleep(LOCKED_PAUSE * (number + 1))
                continue
            raise error
        raise error

    async def get(self, path: str, type_: type[T], label: str) -> T:
        """A document. Raises NotFound, Forbidden and so on."""
        return await decoded(await self.send("GET", path, label), type_, label)

    async def operations(self, project: str, operations: list[dict[str, Any]], label: str) -> None:
        """A batch that takes place whole or not at all (4.4). Raises what the first refused operation says.

        Nothing of it is visible before all of it is. After an error that is `transient` it is not known whether it took
        place: look for what it made."""
        batch = {"operations": operations, "canFail": False, "raiseOnError": True, "waitForEvents": True}
        async with self._writers:
            answer = await self.send("POST", f"api/projects/{project}/operations", label, body=batch, repeatable=False)
        done = await decoded(answer, dict[str, Any], label)
        if done.get("success") is not True:
            failed: dict[str, Any] = next((one for one in done.get("operations", ()) if not one.get("success")), {})
            raise refusal(int(failed.get("status") or 500), msgspec.json.encode(failed), label)

    async def upload(
        self, path: str, source: Source, headers: Mapping[str, str], label: str, progress: Callable[[int], None]
    ) -> Response:
        """POST a file's bytes in one request. `progress` is told how many have gone out."""
        return await self.send(
            "POST",
            path,
            label,
            content=lambda: pieces(source, progress),
            headers={"Content-Length": str(source.size), **headers},
            repeatable=False,
            pool=Pool.UPLOAD,
            deadline=math.inf,
            read_timeout=UPLOAD_SILENCE,
        )

    # ---- GraphQL --------------------------------------------------------------------------------------------------

    async def query(self, project: str, asked: list[Ask], label: str, type_: type[T]) -> T:
        """One GraphQL request for lists of a project. Raises NotFound where there is no such project."""
        body = document(project, asked)
        response = await self.send("POST", "graphql", label, body=body, repeatable=True)
        answer = await decoded(response, _Answer, label)
        if answer.errors:
            raise query_refusal(answer.errors[0].message, answer.errors[0].extensions, label)
        if answer.data is None or bytes(answer.data.project) == b"null":
            raise NotFound(f"there is no project {project}")
        return await _decoded(bytes(answer.data.project), type_, label)

    async def lists(self, project: str, asked: list[Ask], label: str) -> Lists:
        """All rows of several lists: one request, and further ones for those that have more pages."""
        found: dict[str, list[Any]] = {ask.rows: [] for ask in asked}
        while asked:
            page = await self.query(project, asked, label, Lists)
            further = []
            for ask in asked:
                rows = getattr(page, NAMES.get(ask.rows, ask.rows))
                found[ask.rows] += rows.edges
                cursor = rows.page_info.end_cursor
                if rows.page_info.has_next_page and cursor is not None and cursor != ask.after:
                    further.append(ask._replace(after=cursor))
            asked = further
        return Lists(**{NAMES.get(name, name): Rows(edges) for name, edges in found.items()})


NAMES = {"entityLists": "entity_lists"}


async def decoded(answer: Response, type_: type[T], label: str) -> T:
    """The document in an answer. Raises ProtocolViolation."""
    return await _decoded(answer.content, type_, label)


async def _decoded(content: bytes, type_: type[T], label: str) -> T:
    try:
        if len(content) < LARGE:
            return msgspec.json.decode(content, type=type_)
        return await trio.to_thread.run_sync(lambda: msgspec.json.decode(content, type=type_))
    except msgspec.DecodeError as error:
        raise ProtocolViolation(f"the answer to {label} is not what AYON has: {error}") from None


def of_project(project: str, *parts: str) -> str:
    """The path of something of a project."""
    return "/".join(("api/projects", project, *(quote(part, safe="") for part in parts)))


def default_site() -> str:
    """This machine as a site: lower-case letters, digits and dashes are all that the server takes (11.11)."""
    return f"assetfs-{_safe(socket.gethostname()).replace('.', '-').replace('_', '-')}".strip("-")


def _safe(text: str) -> str:
    kept = (letter for letter in text.lower() if letter.isascii() and (letter.isalnum() or letter in "-._"))
    return "".join(kept)[:60]
