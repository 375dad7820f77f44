"""API calls: what is repeated, what is bounded, what is raised."""

from __future__ import annotations

import gc
import gzip
import socket
import sys
from collections.abc import AsyncIterator

import pytest
import trio
from misbehaving import Clock, Open, Peer, Start, always

from assetfs.repository import Forbidden, NotAuthenticated, Offline, ProtocolViolation, Unavailable
from assetfs.transport import Pool, Transport, TransportOptions


async def test_a_call_and_its_whole_answer(serve: Start, connect: Open) -> None:
    async def script(peer: Peer) -> None:
        while asked := await peer.request():
            await peer.answer(200, asked.body[::-1], content_type="text/plain", x_a="1")

    server = await serve(script)
    transport = connect(f"{server.url}rpc", headers={"X-Api-Key": "k"})
    for _ in range(2):
        answer = await transport.request("POST", "call", label="l", content=b"abc", repeatable=False)
        assert (answer.status, answer.content, answer.headers["x-a"]) == (200, b"cba", "1")
    asked = server.requests[0]
    assert (asked.method, asked.target, asked.headers["x-api-key"]) == ("POST", "/rpc/call", "k")
    assert asked.headers["user-agent"] == TransportOptions().user_agent
    assert server.connections == 1
    counter = transport.requests
    assert (counter.counts, counter.sent_bytes, counter.received_bytes) == ({("l", "200"): 2}, 6, 6)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 500])
async def test_other_statuses_are_answers(serve: Start, connect: Open, status: int) -> None:
    server = await serve(always(status, b"why"))
    answer = await connect(server).request("GET", "", label="l", repeatable=True)
    assert (answer.status, answer.content) == (status, b"why")
    assert len(server.requests) == 1


@pytest.mark.parametrize(("repeatable", "sent"), [(True, 4), (False, 1)])
async def test_a_busy_server(serve: Start, connect: Open, clock: Clock, repeatable: bool, sent: int) -> None:
    server = await serve(always(503, b"busy", retry_after="7"))
    transport = connect(server)
    before = trio.current_time()
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1:\d+ answers 503 \(l\)") as caught:
        await transport.request("GET", "", label="l", repeatable=repeatable)
    assert caught.value.retry_after == 7
    assert not caught.value.timeout
    assert len(server.requests) == sent
    assert trio.current_time() - before >= 7 * (sent - 1)
    assert transport.requests.counts == {("l", "503"): sent}


async def test_a_server_that_is_restarted(serve: Start, connect: Open, clock: Clock) -> None:
    async def script(peer: Peer) -> None:
        while await peer.request():
            await peer.answer(502 if len(peer.server.requests) < 3 else 200, b"x")

    server = await serve(script)
    assert (await connect(server).request("GET", "", label="l", repeatable=True)).status == 200
    assert len(server.requests) == 3


async def test_retry_after_beyond_the_deadline_is_told_at_once(serve: Start, connect: Open, clock: Clock) -> None:
    server = await serve(always(429, retry_after="600"))
    before = trio.current_time()
    with pytest.raises(Unavailable) as caught:
        await connect(server).request("GET", "", label="l", repeatable=True)
    assert caught.value.retry_after == 600
    assert len(server.requests) == 1
    assert trio.current_time() - before < 1


@pytest.mark.parametrize(("repeatable", "sent"), [(True, 4), (False, 1)])
@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 20", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"])
async def test_connections_that_are_cut(
    serve: Start, connect: Open, clock: Clock, repeatable: bool, sent: int, answer: bytes
) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(answer)
        if peer.number % 2:
            await peer.reset()

    server = await serve(script)
    transport = connect(server)
    with pytest.raises(Unavailable, match="closed the connection"):
        await transport.request("POST", "", label="l", content=b"x", repeatable=repeatable)
    assert len(server.requests) == sent
    assert transport.requests.counts == {("l", "cut"): sent}


async def test_a_kept_connection_that_dies_under_a_repeatable_call(serve: Start, connect: Open, clock: Clock) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.answer(200)
        await peer.request()

    server = await serve(script)
    transport = connect(server)
    before = trio.current_time()
    for _ in range(2):
        await transport.request("GET", "", label="l", repeatable=True)
    assert server.connections == 2
    assert trio.current_time() - before < 0.15, "without a wait"
    with pytest.raises(Unavailable):
        await transport.request("POST", "", label="l", repeatable=False)
    assert len(server.requests) == 4, "the POST went over the kept connection, and was not sent again"


async def test_an_idle_connection_that_the_server_closed_is_not_used(serve: Start, connect: Open) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.answer(200)

    server = await serve(script)
    transport = connect(server)
    for _ in range(3):
        await transport.request("POST", "", label="l", repeatable=False)
        await trio.testing.wait_all_tasks_blocked()
    assert transport.requests.counts == {("l", "200"): 3}


async def test_nobody_listens(connect: Open, clock: Clock) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        transport = connect(f"http://127.0.0.1:{port}/")
        with pytest.raises(Offline, match=f"^127.0.0.1:{port} refuses connections; is the server running"):
            await transport.request("POST", "", label="l", repeatable=False)
    assert transport.requests.counts == {("l", "offline"): 3}, "nothing was sent, so it may be tried again"


async def test_a_name_that_nobody_knows(connect: Open, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    class Unknown(trio.abc.HostnameResolver):
        async def getaddrinfo(self, *args: object, **kwargs: object) -> list[object]:
            raise socket.gaierror(-2, "Name or service not known")

        async def getnameinfo(self, *args: object) -> tuple[str, str]:
            raise AssertionError

    trio.socket.set_custom_hostname_resolver(Unknown())
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "*")
    transport = connect("https://museum.invalid/")
    with pytest.raises(Offline, match=r"^museum.invalid:443: the host name is not known"):
        await transport.request("GET", "", label="l", repeatable=True)


async def test_silence(serve: Start, connect: Open, clock: Clock) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await trio.sleep_forever()

    server = await serve(script)
    transport = connect(server)
    before = trio.current_time()
    with pytest.raises(Unavailable, match="silent for 5 s") as caught:
        await transport.request("POST", "", label="l", repeatable=False, read_timeout=5)
    assert caught.value.timeout
    assert trio.current_time() - before == pytest.approx(5)
    with pytest.raises(Unavailable, match="did not answer within 12 s") as caught:
        await transport.request("POST", "", label="l", repeatable=True, read_timeout=5, deadline=12)
    assert caught.value.timeout
    assert trio.current_time() - before == pytest.approx(17)
    assert transport.requests.counts == {("l", "timeout"): 4}


async def test_an_answer_that_drips_is_bounded_by_the_deadline(serve: Start, connect: Open, clock: Clock) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.answer(200, b"", content_length="1000")
        while True:
            await trio.sleep(9)
            await peer.send(b"x")

    before = trio.current_time()
    with pytest.raises(Unavailable) as caught:
        await connect(await serve(script)).request("GET", "", label="l", repeatable=True)
    assert caught.value.timeout
    assert trio.current_time() - before == pytest.approx(60)


async def test_a_body_without_end_is_not_collected(serve: Start, connect: Open) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.0 200 OK\r\n\r\n")
        while True:
            await peer.send(bytes(65536))

    with pytest.raises(ProtocolViolation, match="more than 1000000 bytes"):
        await connect(await serve(script), max_body=1_000_000).request("GET", "", label="l", repeatable=True)


async def test_a_small_body_that_unpacks_to_a_large_one(serve: Start, connect: Open) -> None:
    server = await serve(always(200, gzip.compress(bytes(2_000_000)), content_encoding="gzip"))
    with pytest.raises(ProtocolViolation, match="more than 1000000 bytes"):
        await connect(server, max_body=1_000_000).request("GET", "", label="l", repeatable=True)
    answer = await connect(server).request("GET", "", label="l", repeatable=True)
    assert len(answer.content) == 2_000_000


@pytest.mark.parametrize("said", [b"SSH-2.0-x\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\nno"])
async def test_not_http(serve: Start, connect: Open, said: bytes) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(said)

    server = await serve(script)
    with pytest.raises(ProtocolViolation):
        await connect(server).request("GET", "", label="l", repeatable=True)
    assert len(server.requests) == 1


async def test_uploads_have_connections_of_their_own(serve: Start, connect: Open) -> None:
    """Some servers answer before they have read the body: the answer counts, the connection does not."""

    async def script(peer: Peer) -> None:
        while asked := await peer.request(read_body=False):
            await peer.answer(413 if asked.method == "POST" else 200, b"too large")

    server = await serve(script)
    for keep in (False, True):
        server.connections = 0
        transport = connect(server, upload_keep_alive=keep)
        await transport.request("GET", "", label="l", repeatable=True)
        for _ in range(2):
            answer = await transport.request("POST", "", label="u", content=b"x", repeatable=False, pool=Pool.UPLOAD)
            assert (answer.status, answer.content) == (413, b"too large")
        await transport.request("GET", "", label="l", repeatable=True)
        assert server.connections == 3
    assert server.requests[1].headers["connection"] == "close"


async def test_an_early_answer_followed_by_a_reset(serve: Start, connect: Open) -> None:
    async def script(peer: Peer) -> None:
        await peer.request(read_body=False)
        await peer.answer(403, b"Forbidden")
        await peer.reset()

    server = await serve(script)
    transport = connect(server)
    try:
        answer = await transport.request(
            "POST", "", label="u", content=bytes(8 << 20), repeatable=False, pool=Pool.UPLOAD
        )
        assert answer.status == 403
    except Unavailable:
        pass  # the reset may overtake the answer; then nobody can know it
    assert len(server.requests) == 1


async def test_kept_uploads_share_a_connection(serve: Start, connect: Open) -> None:
    server = await serve(always(200))
    transport = connect(server, upload_keep_alive=True)
    for _ in range(3):
        await transport.request("PUT", "", label="u", content=b"x", repeatable=True, pool=Pool.UPLOAD)
    assert server.connections == 1


async def test_a_body_that_is_made_anew_for_every_repetition(serve: Start, connect: Open, clock: Clock) -> None:
    async def script(peer: Peer) -> None:
        while await peer.request():
            await peer.answer(503 if len(peer.server.requests) == 1 else 200)

    async def parts() -> AsyncIterator[bytes]:
        for part in (b"abc", b"def"):
            yield part

    server = await serve(script)
    transport = connect(server)
    await transport.request(
        "PUT", "", label="u", content=parts, headers={"Content-Length": "6"}, repeatable=True, pool=Pool.UPLOAD
    )
    assert [asked.body for asked in server.requests] == [b"abcdef", b"abcdef"]
    assert transport.requests.sent_bytes == 12


async def test_connections_are_bounded(serve: Start, connect: Open, clock: Clock) -> None:
    async def script(peer: Peer) -> None:
        while await peer.request():
            await trio.sleep(1)
            await peer.answer(200)

    server = await serve(script)
    transport = connect(server, api_connections=2)
    async with trio.open_nursery() as nursery:
        for _ in range(6):
            nursery.start_soon(lambda: transport.request("GET", "", label="l", repeatable=True))
    assert (server.connections, len(server.requests)) == (2, 6)


async def test_cancelled_calls_leave_a_pool_that_serves(serve: Start, connect: Open, clock: Clock) -> None:
    async def script(peer: Peer) -> None:
        while await peer.request():
            if len(peer.server.requests) <= 2:
                await trio.sleep_forever()
            await peer.answer(200)

    server = await serve(script)
    transport = connect(server, api_connections=2)
    async with trio.open_nursery() as nursery:
        for _ in range(2):
            nursery.start_soon(lambda: transport.request("GET", "", label="l", repeatable=True))
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    for _ in range(3):
        assert (await transport.request("GET", "", label="l", repeatable=True)).status == 200
    assert transport.requests.counts == {("l", "cancelled"): 2, ("l", "200"): 3}


async def test_who_gives_up_while_waiting_for_a_connection_has_sent_nothing(
    serve: Start, connect: Open, clock: Clock
) -> None:
    async def script(peer: Peer) -> None:
        while await peer.request():
            await trio.sleep(5)
            await peer.answer(200)

    server = await serve(script)
    transport = connect(server, api_connections=1)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lambda: transport.request("GET", "", label="l", repeatable=True))
        await trio.testing.wait_all_tasks_blocked()
        with trio.move_on_after(1):
            await transport.request("GET", "", label="l", repeatable=True)
    assert transport.requests.counts == {("l", "200"): 1}
    assert len(server.requests) == 1


async def test_headers_of_a_call_win_whatever_their_case(serve: Start, connect: Open) -> None:
    server = await serve(always(200))
    transport = connect(server, headers={"Accept": "a", "X-Api-Key": "k"})
    await transport.request("GET", "", label="l", headers={"accept": "b"}, repeatable=True)
    assert server.requests[0].headers["accept"] == "b"
    assert server.requests[0].headers["x-api-key"] == "k"


async def test_redirects_are_answers_unless_they_are_asked_for(serve: Start, connect: Open) -> None:
    async def script(peer: Peer) -> None:
        while asked := await peer.request():
            if asked.target == "/there":
                await peer.answer(200, asked.method.encode())
            else:
                await peer.answer(int(asked.target[1:]), location="/there")

    server = await serve(script)
    transport = connect(server)
    for status in (301, 302, 303, 307, 308):
        answer = await transport.request("GET", str(status), label="l", repeatable=True)
        assert answer.status == status
        answer = await transport.request("GET", str(status), label="l", repeatable=True, follow_redirects=True)
        assert (answer.status, answer.content) == (200, b"GET")

    async def post(status: int) -> object:
        answer = await transport.request("POST", str(status), label="l", repeatable=False, follow_redirects=True)
        return answer.content or answer.status

    assert [await post(status) for status in (301, 302, 303, 307, 308)] == [301, 302, b"GET", b"POST", b"POST"]


async def test_a_redirect_to_another_server_carries_no_credential(serve: Start, connect: Open) -> None:
    other = await serve(always(200, b"there", set_cookie="a=b"))
    server = await serve(always(302, location=f"{other.url}x?sig=1", set_cookie="session=canary"))
    transport = connect(server, headers={"X-Api-Key": "canary"})
    headers = {"Authorization": "canary", "Accept": "image/*"}
    for _ in range(2):
        answer = await transport.request("GET", "", label="l", repeatable=True, headers=headers, follow_redirects=True)
        assert answer.content == b"there"
    assert server.requests[0].headers["x-api-key"] == "canary"
    for asked in other.requests:
        assert "canary" not in str(asked.headers)
        assert asked.headers["accept"] == "image/*"
    with pytest.raises(ProtocolViolation, match="redirects a POST to another server"):
        await connect(await serve(always(307, location=other.url))).request(
            "POST", "", label="l", content=b"secret", repeatable=False, follow_redirects=True
        )


async def test_a_whole_url_of_another_server_carries_no_credential(serve: Start, connect: Open) -> None:
    other = await serve(always(200))
    server = await serve(always(200))
    transport = connect(server, headers={"X-Api-Key": "canary"})
    await transport.request("GET", f"{other.url}x", label="l", repeatable=True)
    assert "canary" not in str(other.requests[0].headers)


async def test_cookies_are_not_kept(serve: Start, connect: Open) -> None:
    server = await serve(always(200, set_cookie="session=1; Path=/"))
    transport = connect(server)
    for _ in range(2):
        await transport.request("GET", "", label="l", repeatable=True)
    assert all("cookie" not in asked.headers for asked in server.requests)


async def test_proxies_are_not_asked_for_this_machine(
    serve: Start, connect: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1/")
    server = await serve(always(200))
    assert (await connect(server).request("GET", "", label="l", repeatable=True)).status == 200


def test_plaintext_to_other_machines_is_refused() -> None:
    with pytest.raises(Forbidden, match="allow_plaintext"):
        Transport("http://museum.example.org/", TransportOptions(), headers={})
    Transport("http://museum.example.org/", TransportOptions(allow_plaintext=True), headers={})
    Transport("http://localhost:80/", TransportOptions(), headers={})


def test_a_credential_that_http_cannot_carry() -> None:
    for value in ("canary\n", "canary\r\nX-Evil: 1", "canäry", " canary"):
        with pytest.raises(NotAuthenticated, match="X-Api-Key") as caught:
            Transport("https://museum.example.org/", TransportOptions(), headers={"X-Api-Key": value})
        assert "can" not in str(caught.value).replace("cannot", "").replace("canned", "")


@pytest.mark.parametrize("status", [200, 413, None])
@pytest.mark.parametrize("pool", [Pool.API, Pool.UPLOAD])
async def test_what_was_sent_is_not_kept(serve: Start, connect: Open, pool: Pool, status: int | None) -> None:
    """The collector of cycles runs seldom: a body of 8 MiB must go when its answer is there."""

    async def script(peer: Peer) -> None:
        while await peer.request():
            if status is None:
                return
            await peer.answer(status, b"x")

    server = await serve(script)
    transport = connect(server)
    body = bytes(1 << 20)
    gc.collect()
    gc.disable()
    try:
        before = sys.getrefcount(body)
        for _ in range(3):
            try:
                await transport.request("POST", "", label="l", content=body, repeatable=False, pool=pool)
            except Unavailable:
                assert status is None
        assert sys.getrefcount(body) == before
    finally:
        gc.enable()
