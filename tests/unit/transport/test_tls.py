"""TLS with a private CA, on both sides of the transport."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
import trustme
from misbehaving import Clock, Landed, Open, Peer, Start, always, context, every

from assetfs.repository import Offline, Unavailable
from assetfs.transport import Transport, TransportOptions, closed_range


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> Path:
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return path


async def fetch(transport: Transport, start: int, stop: int) -> bytes:
    sink = Landed(start, stop - start, block=10_000)
    await transport.fetch("f", start, stop, sink, label="content", interpret=closed_range(start, stop))
    return sink.content


async def test_a_private_authority(
    serve: Start, connect: Open, authority: trustme.CA, ca_file: Path, content: bytes
) -> None:
    server = await serve(every(content), tls=context(authority, "127.0.0.1"))
    transport = connect(server, ca_file=ca_file)
    assert await fetch(transport, 0, 300_000) == content
    assert await fetch(transport, 5, 100) == content[5:100]
    assert server.connections == 1
    assert (await transport.request("GET", "", label="l", repeatable=True)).content == content
    assert server.connections == 2


async def test_an_unknown_authority_is_not_trusted_and_not_asked_again(
    serve: Start, connect: Open, authority: trustme.CA
) -> None:
    server = await serve(always(200), tls=context(authority, "127.0.0.1"))
    transport = connect(server)
    with pytest.raises(Offline, match=r"^127\.0\.0\.1:\d+: the certificate is not trusted .*ca_file"):
        await transport.request("GET", "", label="l", repeatable=True)
    with pytest.raises(Offline, match=r"^127\.0\.0\.1:\d+: the certificate is not trusted .*ca_file"):
        await fetch(transport, 0, 10)
    assert server.connections == 2
    assert server.requests == []


async def test_another_name(serve: Start, connect: Open, authority: trustme.CA, ca_file: Path) -> None:
    server = await serve(always(200), tls=context(authority, "museum.example.org"))
    transport = connect(server, ca_file=ca_file)
    with pytest.raises(Offline, match="not trusted"):
        await transport.request("GET", "", label="l", repeatable=True)
    with pytest.raises(Offline, match="not trusted"):
        await fetch(transport, 0, 10)


async def test_no_tls_at_all(serve: Start, connect: Open, clock: Clock) -> None:
    async def script(peer: Peer) -> None:
        await peer.stream.receive_some(100)
        await peer.send(b"HTTP/1.1 400 This is not HTTPS\r\n\r\n")

    server = await serve(script)
    transport = connect(server.url.replace("http:", "https:"))
    with pytest.raises(Offline, match="does not speak TLS"):
        await transport.request("GET", "", label="l", repeatable=True)
    with pytest.raises(Offline, match="does not speak TLS"):
        await fetch(transport, 0, 10)


async def test_a_handshake_that_never_ends(serve: Start, connect: Open, clock: Clock) -> None:
    async def script(peer: Peer) -> None:
        await trio.sleep_forever()

    server = await serve(script)
    transport = connect(server.url.replace("http:", "https:"))
    with pytest.raises(Offline, match="within 10 s"):
        await transport.request("GET", "", label="l", repeatable=True)
    with pytest.raises(Offline, match="within 10 s"):
        await fetch(transport, 0, 10)


async def test_a_cut_without_goodbye_is_a_cut(
    serve: Start, connect: Open, clock: Clock, authority: trustme.CA, ca_file: Path, content: bytes
) -> None:
    """An attacker who cuts a body without length must not pass for its end."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.0 200 OK\r\n\r\n" + content[:1000])
        assert isinstance(peer.stream, trio.SSLStream)
        await trio.aclose_forcefully(peer.stream.transport_stream)

    server = await serve(script, tls=context(authority, "127.0.0.1"))
    with pytest.raises(Unavailable, match="in the middle"):
        await fetch(connect(server, ca_file=ca_file), 0, 5000)


async def test_cuts_are_resumed(
    serve: Start, connect: Open, clock: Clock, authority: trustme.CA, ca_file: Path, content: bytes
) -> None:
    async def script(peer: Peer) -> None:
        asked = await peer.request()
        assert asked
        await peer.part(content, asked, cut=70_000 if peer.number < 3 else None)
        if peer.number == 1:
            await peer.reset()

    server = await serve(script, tls=context(authority, "127.0.0.1"))
    assert await fetch(connect(server, ca_file=ca_file), 0, 300_000) == content
    assert server.connections == 3


def test_a_ca_file_that_is_none(tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    with pytest.raises(Offline, match="No such file"):
        Transport("https://museum.example.org/", TransportOptions(ca_file=path), headers={})
    path.write_text("nothing")
    with pytest.raises(Offline, match=r"ca_file .* cannot be used"):
        Transport("https://museum.example.org/", TransportOptions(ca_file=path), headers={})
