"""A canary in every place where a secret travels must not sing in a log or an error."""

from __future__ import annotations

import logging
import socket
import traceback

import pytest
from misbehaving import Clock, Landed, Open, Peer, Start, always, every

from assetfs.repository import RepositoryError
from assetfs.transport import Pool, Transport, closed_range

SECRETS = {"X-Api-Key": "canary", "Authorization": "Bearer canary", "Cookie": "session=canary"}


async def test_no_log_line_and_no_error_holds_a_secret(
    serve: Start, connect: Open, clock: Clock, caplog: pytest.LogCaptureFixture, content: bytes
) -> None:
    caplog.set_level(logging.DEBUG)
    told: list[str] = []

    async def garbage(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"canary\r\n\r\n")

    async def cut(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nSet-Cookie: canary\r\nContent-Length: 100\r\n\r\ncanary")

    async def attempt(transport: Transport, **kwargs: object) -> None:
        path = "f?token=canary&page=canary#canary"
        interpret = closed_range(0, 10)
        try:
            await transport.fetch(path, 0, 10, Landed(0, 10), label="c", interpret=interpret, **kwargs)  # type: ignore
        except RepositoryError as error:
            told.append("".join(traceback.format_exception(error)))
        for pool in (Pool.API, Pool.UPLOAD):
            try:
                await transport.request(
                    "POST",
                    path,
                    label="l",
                    content=b"canary",
                    headers={"X-Token": "canary"},
                    repeatable=True,
                    pool=pool,
                    **kwargs,  # type: ignore[arg-type]
                )
            except RepositoryError as error:
                told.append("".join(traceback.format_exception(error)))

    scripts = [
        every(content),
        garbage,
        cut,
        always(403, b"canary"),
        always(503, b"canary", set_cookie="canary", retry_after="canary"),
        always(307, location="http://canary:canary@127.0.0.1/?canary"),
        always(307, location="https://127.0.0.1:1/?sig=canary"),
        always(307, location="//[canary"),
    ]
    for script in scripts:
        server = await serve(script)
        await attempt(connect(server, headers=SECRETS))
        await attempt(connect(server, headers=SECRETS), follow_redirects=True)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        await attempt(connect(f"http://127.0.0.1:{taken.getsockname()[1]}/", headers=SECRETS))
    for header in ("canary\n", "canarý"):
        with pytest.raises(RepositoryError) as caught:
            await connect(server).request("GET", "", label="l", headers={"X": header}, repeatable=True)
        told.append("".join(traceback.format_exception(caught.value)))
    with pytest.raises(RepositoryError) as caught:
        connect("https://ann:canary@museum.example.org/")
    told.append("".join(traceback.format_exception(caught.value)))

    frames = '  File "'
    said = [line for text in told for line in text.splitlines() if not line.startswith(("    ", frames))]
    assert len(told) > 20
    assert [line for line in said if "canar" in line] == []
    lines = [record.getMessage() for record in caplog.records]
    assert [line for line in lines if "canar" in line] == []
    assert any("/f?token=…&page=…: 206 in" in line for line in lines)
