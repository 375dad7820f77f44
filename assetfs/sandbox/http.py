"""Answers and bodies for ASGI, as plain functions: no framework stands between a quirk and the wire.

An answer's header list is exactly what is given here plus `Date`; nothing is guessed. Bodies of known length are sent
from a file in 1 MiB pieces that are read in a thread, and stop as soon as the client has gone.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from pathlib import Path
from typing import Any

import trio

from assetfs.sandbox.store import PIECE

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = Iterable[tuple[str, str]]

HTML = "text/html; charset=utf-8"
JSON = "application/json"
INLINE = 65536  # a read this small from the page cache takes less than a hop to a thread and back


class Disconnected(Exception):
    """The client went away before the whole request body had arrived."""


def header(scope: Scope, name: str) -> str | None:
    """One request header (`name` in any case), several of one name joined with a comma; None when absent."""
    wanted = name.lower().encode("latin-1")
    found = [value.decode("latin-1") for key, value in scope["headers"] if key == wanted]
    return ", ".join(found) if found else None


def content_length(scope: Scope) -> int | None:
    """The declared length of the request body in bytes; None when absent or no number."""
    text = header(scope, "content-length")
    return int(text) if text is not None and text.isdigit() else None


async def start(send: Send, status: int, headers: Headers) -> None:
    """Send the head of an answer."""
    pairs = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
    await send({"type": "http.response.start", "status": status, "headers": pairs})


async def answer(
    send: Send, status: int, body: bytes = b"", content_type: str = HTML, headers: Headers = (), *, length: bool = True
) -> None:
    """Send a whole answer. Without `length` it goes out chunked."""
    measured = [("content-length", str(len(body)))] if length else []
    await start(send, status, [("content-type", content_type), *measured, *headers])
    await send({"type": "http.response.body", "body": body})


async def read_body(receive: Receive, limit: int | None = None) -> bytes:
    """The request body. Stops reading once it is longer than `limit` bytes: the caller then sees too much of it.

    Raises Disconnected when the client went away first.
    """
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        body += message.get("body", b"")
        if not message.get("more_body") or (limit is not None and len(body) > limit):
            return bytes(body)


async def save_body(receive: Receive, path: Path, *, append: bool = False) -> int:
    """Write the request body to a new file, or behind what a file has. Returns the body's size in bytes.

    Raises Disconnected; what had arrived by then is in the file.
    """
    size, pending = 0, bytearray()
    with path.open("ab" if append else "wb", buffering=0) as out:
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                out.write(pending)
                raise Disconnected
            piece = message.get("body", b"")
            size += len(piece)
            pending += piece
            more = message.get("more_body", False)
            if len(pending) >= PIECE or (pending and not more):
                await trio.to_thread.run_sync(out.write, bytes(pending))
                pending.clear()
            if not more:
                return size


async def wait_disconnect(receive: Receive, message: str = "http.disconnect") -> None:
    """Return when the client has closed the connection (or the server is shutting it down)."""
    while (await receive())["type"] != message:
        pass


async def send_file(receive: Receive, send: Send, path: Path, start_at: int, size: int) -> None:
    """Send `size` bytes of a file from `start_at` as the body of an answer whose head has gone out.

    Raises OSError before anything is sent if the file is not there.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        if size <= INLINE:
            await send({"type": "http.response.body", "body": os.pread(descriptor, size, start_at)})
            return
        async with trio.open_nursery() as nursery:

            async def watch() -> None:
                await wait_disconnect(receive)
                nursery.cancel_scope.cancel()

            nursery.start_soon(watch)
            position, end = start_at, start_at + size
            while position < end:
                piece = await trio.to_thread.run_sync(os.pread, descriptor, min(PIECE, end - position), position)
                if not piece:
                    break
                position += len(piece)
                await send({"type": "http.response.body", "body": piece, "more_body": position < end})
            nursery.cancel_scope.cancel()
    finally:
        os.close(descriptor)
