"""The wire: who asks, listings, and the four requests that change something (sections 2 and 4).

There is no authentication: the server believes the `name` that it is told. So there is one name per client, and
nothing that comes from a file, an attribute or an answer ever becomes it. Bodies are whole bytes, because a chunked
body is read as empty; paths have the slash that spares a redirect; credentials of the storage are always an object of
texts, because anything else leaks a batch that nobody asked for (trap 1).

A POST is never sent twice: one that may have arrived raises `Unavailable`, and the caller finds out what came of it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import urlencode

import msgspec
import trio

from assetfs.backends.jdma.errors import refusal
from assetfs.backends.jdma.wire import (
    Batch,
    Batches,
    Content,
    Contents,
    Posted,
    Request,
    Requests,
    RequestType,
    User,
)
from assetfs.repository import ProtocolViolation
from assetfs.transport import Response, Transport, TransportOptions

T = TypeVar("T")

PREFIX = "api/v1/"
FILES_SILENCE = 300.0
"""Seconds: a large batch is listed in one answer, which the server composes first."""
POST_SILENCE = 120.0
"""Seconds: the server looks for every path as root, in LDAP, and at the tape's web pages before it answers."""
LARGE = 512 << 20
"""Bytes in the listing of one batch, 140 of them per file. All batches together have the usual limit."""
OFF_LOOP = 256 << 10
"""Bytes from which an answer is decoded in a thread: a millisecond's work."""
REPEATED = frozenset({429, 500, 502, 503, 504})
"""The server answers 500 also while its database restarts."""


class Client:
    """Requests to one server, all in the name of one user. `credentials` are those of each storage, by its id."""

    def __init__(
        self, base: str, options: TransportOptions, name: str, credentials: Mapping[str, Mapping[str, str]]
    ) -> None:
        self.name = name
        self._credentials = credentials
        self._transport = Transport(base, options, headers={})
        self._large = Transport(base, msgspec.structs.replace(options, max_body=LARGE), headers={})

    @property
    def requests(self) -> dict[str, int]:
        """Requests sent so far, by label."""
        found = self._transport.requests.by_label()
        for label, count in self._large.requests.by_label().items():
            found[label] = found.get(label, 0) + count
        return found

    async def close(self) -> None:
        await self._transport.close()
        await self._large.close()

    # ---- reading --------------------------------------------------------------------------------------------------

    async def user(self) -> User:
        """Who we are. Raises NotInitialised."""
        return await self._get("user", User, "user", {})

    async def storages(self) -> dict[str, str]:
        """The storages behind the server: names by id."""
        answer = await self._transport.request("GET", f"{PREFIX}list_backends/", label="storages", repeatable=True)
        return await _decoded(answer, dict[str, str], "storages")

    async def batches(self, workspace: str | None = None, *, everybodys: bool = True) -> list[Batch]:
        """Our own batches; with a workspace, everybody's in it, or only our own. Raises NotFound, Forbidden."""
        parameters = _everybodys(workspace)
        if not everybodys:
            parameters.pop("filter", None)
        return (await self._get("migration/", Batches, "batches", parameters)).migrations

    async def batch(self, number: int) -> Batch:
        """One batch, with what lists leave out."""
        return await self._get("migration/", Batch, "batch", {"migration_id": number})

    async def files(self, number: int) -> Content:
        """What is in one batch."""
        found = await self._get("file/", Contents, "files", {"migration_id": number, "digest": 1}, self._large)
        if [one.id for one in found.migrations] != [number]:
            raise ProtocolViolation("JDMA listed another batch than the one asked for")
        return found.migrations[0]

    async def all_files(self, workspace: str | None = None) -> list[Content]:
        """What is in all of our batches, or in everybody's in a workspace. Raises ProtocolViolation where that is more
        than one answer may hold."""
        return (await self._get("file/", Contents, "all files", {**_everybodys(workspace), "digest": 1})).migrations

    async def requests_made(self) -> list[Request]:
        """Our own requests, as far as the server remembers them."""
        return (await self._get("request", Requests, "requests", {})).requests

    async def request(self, number: int) -> Request:
        """One request, with its files and why it failed. Raises NotFound: it is forgotten after some days."""
        return await self._get("request", Request, "request", {"request_id": number})

    async def _get(
        self,
        path: str,
        type_: type[T],
        label: str,
        parameters: Mapping[str, object],
        transport: Transport | None = None,
    ) -> T:
        query = urlencode({"name": self.name, **parameters})
        answer = await (transport or self._transport).request(
            "GET",
            f"{PREFIX}{path}?{query}",
            label=label,
            repeatable=True,
            retry_statuses=REPEATED,
            read_timeout=FILES_SILENCE if path == "file/" else None,
            deadline=FILES_SILENCE if path == "file/" else None,
        )
        return await _decoded(answer, type_, label)

    # ---- writing --------------------------------------------------------------------------------------------------

    async def edit_user(self, **changes: Any) -> None:
        """Change our own address (`email`) or whether mail is sent (`notify`)."""
        await self._send("PUT", f"user?{urlencode({'name': self.name})}", {"name": self.name, **changes}, "edit user")

    async def relabel(self, number: int, label: str) -> None:
        """Give a batch another label. Raises Forbidden where it is somebody else's, NotFound."""
        query = urlencode({"name": self.name, "migration_id": number})
        await self._send("PUT", f"migration/?{query}", {"label": label}, "label")

    async def get(self, number: int, storage: str, target: str, paths: Sequence[str]) -> Posted:
        """Have files of a batch brought to a folder that does not exist yet. `paths` as the batch lists them."""
        assert paths
        body = {"migration_id": number, "target_path": target, "filelist": list(paths)}
        return await self._post(RequestType.GET, body, storage)

    async def put(self, kind: RequestType, workspace: str, folder: str, label: str, storage: str) -> Posted:
        """Have one folder of the shared disk uploaded: PUT, or MIGRATE, which removes it there. Raises AlreadyTaken."""
        assert not folder.endswith("/")
        body = {"workspace": workspace, "filelist": [folder], "label": label, "storage": storage}
        return await self._post(kind, body, storage)

    async def delete(self, number: int, storage: str) -> Posted:
        """Have a batch removed from its storage, for ever."""
        return await self._post(RequestType.DELETE, {"migration_id": number, "storage": storage}, storage)

    def credentials(self, storage: str) -> dict[str, str]:
        """What a request carries for its storage: an object of texts, whatever is configured."""
        found = self._credentials.get(storage) or {"username": self.name}
        return {key: value for key, value in found.items() if isinstance(value, str)}

    async def _post(self, kind: RequestType, body: Mapping[str, Any], storage: str) -> Posted:
        whole = {"name": self.name, "request_type": kind.name, **body, "credentials": self.credentials(storage)}
        answer = await self._send("POST", "request", whole, kind.name)
        return await _decoded(answer, Posted, kind.name)

    async def _send(self, method: str, path: str, body: Mapping[str, Any], label: str) -> Response:
        answer = await self._transport.request(
            method,
            PREFIX + path,
            label=label,
            content=json.dumps(body).encode(),
            repeatable=False,
            read_timeout=POST_SILENCE,
            deadline=POST_SILENCE,
        )
        if answer.status != 200:
            raise refusal(answer.status, answer.content, label)
        return answer


def _everybodys(workspace: str | None) -> dict[str, str]:
    return {} if workspace is None else {"workspace": workspace, "filter": "workspace"}


async def _decoded(answer: Response, type_: type[T], label: str) -> T:
    if answer.status != 200:
        raise refusal(answer.status, answer.content, label)

    def decode() -> T:
        return msgspec.json.decode(answer.content, type=type_)

    try:
        return await trio.to_thread.run_sync(decode) if len(answer.content) > OFF_LOOP else decode()
    except msgspec.DecodeError as error:
        raise ProtocolViolation(f"the answer to {label} is not what JDMA has: {error}") from None
