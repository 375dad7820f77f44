"""Through the environment's proxy, for API calls and content alike; names resolve nowhere, the proxy knows the way."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
import trio
import trustme
from misbehaving import Clock, Landed, Open, Peer, Server, Start, context, every

from assetfs.repository import Offline
from assetfs.transport import closed_range

AUTHORIZATION = "Basic " + base64.b64encode(b"ann:canary").decode()


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def use(monkeypatch: pytest.MonkeyPatch, proxy: Server) -> None:
    for scheme in ("http", "https"):
        monkeypatch.setenv(f"{scheme}_proxy", proxy.url.replace("//", "//ann:canary@"))


async def test_plain_http_names_the_whole_url(
    serve: Start, connect: Open, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = await serve(every(content))
    use(monkeypatch, proxy)
    transport = connect("http://museum.invalid/", allow_plaintext=True)
    sink = Landed(0, 100)
    await transport.fetch("f?x=1", 0, 100, sink, label="content", interpret=closed_range(0, 100))
    assert sink.content == content[:100]
    await transport.request("GET", "rpc", label="l", repeatable=True)
    assert [asked.target for asked in proxy.requests] == ["http://museum.invalid/f?x=1", "http://museum.invalid/rpc"]
    for asked in proxy.requests:
        assert asked.headers["host"] == "museum.invalid"
        assert asked.headers["proxy-authorization"] == AUTHORIZATION


async def test_https_goes_through_a_tunnel(
    serve: Start, connect: Open, content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    museum = await serve(every(content), tls=context(authority, "museum.invalid"))

    async def script(peer: Peer) -> None:
        await peer.request()
        there = await trio.open_tcp_stream("127.0.0.1", museum.port)
        await peer.send(b"HTTP/1.1 200 Connection established\r\n\r\n")

        async def pump(source: trio.SocketStream, destination: trio.SocketStream) -> None:
            async for data in source:
                await destination.send_all(data)
            nursery.cancel_scope.cancel()

        assert isinstance(peer.stream, trio.SocketStream)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(pump, peer.stream, there)
            nursery.start_soon(pump, there, peer.stream)

    proxy = await serve(script)
    use(monkeypatch, proxy)
    transport = connect("https://museum.invalid/", ca_file=tmp_path / "ca.pem", headers={"X-Api-Key": "k"})
    sink = Landed(0, 100)
    await transport.fetch("f", 0, 100, sink, label="content", interpret=closed_range(0, 100))
    assert sink.content == content[:100]
    await transport.request("GET", "rpc", label="l", repeatable=True)
    assert [(asked.method, asked.target) for asked in proxy.requests] == [("CONNECT", "museum.invalid:443")] * 2
    for asked in proxy.requests:
        assert asked.headers["proxy-authorization"] == AUTHORIZATION
        assert "x-api-key" not in asked.headers
    assert [asked.headers["x-api-key"] for asked in museum.requests] == ["k", "k"]
    assert all("proxy-authorization" not in asked.headers for asked in museum.requests)


async def test_a_proxy_that_refuses(serve: Start, connect: Open, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.answer(407, b"who are you?")

    proxy = await serve(script)
    use(monkeypatch, proxy)
    transport = connect("https://museum.invalid/")
    with pytest.raises(Offline) as caught:
        await transport.fetch("f", 0, 100, Landed(0, 100), label="content", interpret=closed_range(0, 100))
    assert str(caught.value).endswith("does not let us through to museum.invalid:443 (407)")
    with pytest.raises(Offline):
        await transport.request("GET", "rpc", label="l", repeatable=True)


async def test_a_sort_of_proxy_that_we_do_not_speak(
    connect: Open, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", "quic://127.0.0.1:1")
    transport = connect("https://museum.invalid/")
    with pytest.raises(Offline, match="no http proxy"):
        await transport.fetch("f", 0, 100, Landed(0, 100), label="content", interpret=closed_range(0, 100))
    with pytest.raises(Offline, match="no http proxy"):
        await transport.request("GET", "rpc", label="l", repeatable=True)
