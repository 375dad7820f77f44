"""Metrics over HTTP, for Prometheus: `GET /metrics`, and nothing else.

It is served by the mount's own loop, a connection a request. Whoever can reach the port can read the metrics: they hold
numbers and names of servers, no secret and no file name; 127.0.0.1 is the place for it all the same.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import h11
import trio

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = 10.0
_LARGEST = 16 << 10


async def open_listeners(address: str) -> list[trio.SocketListener]:
    """Listen on `host:port`. Raises OSError."""
    host, _, port = address.rpartition(":")
    return await trio.open_tcp_listeners(int(port), host=host.strip("[]"))


async def serve(listeners: list[trio.SocketListener], render: Callable[[], bytes]) -> None:
    """Answer for ever with what `render` makes."""
    await trio.serve_listeners(functools.partial(_answer, render), listeners)


async def _answer(render: Callable[[], bytes], stream: trio.SocketStream) -> None:
    try:
        with trio.move_on_after(_SECONDS):
            await _exchange(render, stream)
    except (trio.BrokenResourceError, h11.RemoteProtocolError):
        return
    finally:
        with trio.CancelScope(shield=True), trio.move_on_after(1):
            await stream.aclose()


async def _exchange(render: Callable[[], bytes], stream: trio.SocketStream) -> None:
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=_LARGEST)
    while (event := connection.next_event()) is h11.NEED_DATA:
        connection.receive_data(await stream.receive_some())
    if not isinstance(event, h11.Request):
        return
    found = event.method in (b"GET", b"HEAD") and event.target.partition(b"?")[0] == b"/metrics"
    body = render() if found else b"GET /metrics\n"
    headers = [("Content-Type", CONTENT_TYPE), ("Content-Length", str(len(body))), ("Connection", "close")]
    answer = connection.send(h11.Response(status_code=200 if found else 404, headers=headers)) or b""
    if event.method != b"HEAD":
        answer += connection.send(h11.Data(data=body)) or b""
    await stream.send_all(answer)
