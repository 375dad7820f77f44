"""What may be between us and the server: a proxy, and a server that wants to see a certificate. Events take that way,
too."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import h11
import pytest
import trio
import trustme

from assetfs.backends import Address
from assetfs.backends.ayon.repository import AyonRepository
from assetfs.repository import Change, Offline, RepositoryError
from assetfs.transport import TransportOptions
from tests.ayon import Studio
from tests.contract.ayon.kit import until
from tests.contract.backends.ayon import AyonWorld

HOST = "studio.invalid"


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> trustme.CA:
    """Who signs both certificates; names resolve nowhere, only the proxy knows the way."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    made = trustme.CA()
    made.cert_pem.write_to_path(tmp_path / "ca.pem")
    made.issue_cert("ann@studio.invalid").private_key_and_cert_chain_pem.write_to_path(tmp_path / "ann.pem")
    return made


async def head_of(stream: trio.SocketStream) -> h11.Request:
    parser = h11.Connection(h11.SERVER)
    while (event := parser.next_event()) is h11.NEED_DATA:
        parser.receive_data(await stream.receive_some())
    assert isinstance(event, h11.Request)
    return event


async def pump(source: trio.abc.Stream, destination: trio.abc.Stream, scope: trio.CancelScope) -> None:
    try:
        while data := await source.receive_some():
            await destination.send_all(data)
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        pass
    scope.cancel()


@asynccontextmanager
async def between(world: AyonWorld, authority: trustme.CA) -> AsyncIterator[tuple[str, list[bytes]]]:
    """A proxy, and behind it the server with TLS that asks for a certificate. Its URL, and what it was asked for."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(HOST).configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    there = urlsplit(world.running.url)
    asked: list[bytes] = []

    async def serve(stream: trio.SocketStream) -> None:
        asked.append((await head_of(stream)).target)
        await stream.send_all(b"HTTP/1.1 200 Connection established\r\n\r\n")
        secured = trio.SSLStream(stream, context, server_side=True, https_compatible=True)
        try:
            await secured.do_handshake()
        except (trio.BrokenResourceError, ssl.SSLError):
            await trio.aclose_forcefully(stream)
            return
        server = await trio.open_tcp_stream(there.hostname or "", there.port or 0)
        async with stream, server, trio.open_nursery() as both:
            both.start_soon(pump, secured, server, both.cancel_scope)
            both.start_soon(pump, server, secured, both.cancel_scope)

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(trio.serve_tcp, serve, 0)
        yield f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}", asked
        nursery.cancel_scope.cancel()


def behind(world: AyonWorld, **options: Any) -> AyonRepository:
    address = Address(backend="ayon", url=urlsplit(f"https://{HOST}"), secret=world.running.credential)
    return AyonRepository(address, TransportOptions(**options))


async def test_requests_and_events_go_through_the_proxy_and_show_our_certificate(
    world: AyonWorld, studio: Studio, authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.running.switch(heartbeat=0.2)
    async with between(world, authority) as (proxy, asked):
        monkeypatch.setenv("https_proxy", proxy)
        repository = behind(world, ca_file=tmp_path / "ca.pem", client_cert=tmp_path / "ann.pem")
        await repository.connect()
        send, receive = trio.open_memory_channel[Change](100)

        async def follow() -> None:
            async with aclosing(repository.changes()) as changes:  # type: ignore[type-var]
                async for change in changes:
                    send.send_nowait(change)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(follow)
            with trio.fail_after(30):
                assert await receive.receive() == Change()
            made = studio.folder("seen_from_afar")
            await until(receive, node=f"folder.{studio.project}.{made}")
            nursery.cancel_scope.cancel()
        await repository.close()
    assert set(asked) == {f"{HOST}:443".encode()}


async def test_without_a_certificate_there_is_no_event_stream_either(
    world: AyonWorld, authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from assetfs.backends.ayon.events import _Socket

    async with between(world, authority) as (proxy, _):
        monkeypatch.setenv("https_proxy", proxy)
        repository = behind(world, ca_file=tmp_path / "ca.pem")
        with pytest.raises(RepositoryError), trio.fail_after(30):
            await _Socket.open(repository._client)
        await repository.close()


@pytest.mark.parametrize("content", [b"", b"no certificate"])
def test_a_certificate_that_is_none_is_said_at_once(world: AyonWorld, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "own.pem").write_bytes(content)
    with pytest.raises(Offline, match="client_cert"):
        behind(world, client_cert=tmp_path / "own.pem")
