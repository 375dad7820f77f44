"""Content from servers that cut, lie, drip, fall silent and redirect."""

from __future__ import annotations

import socket

import pytest
import trio
from misbehaving import Asked, Clock, Landed, Open, Peer, Server, Start, always, every

from assetfs.repository import (
    Forbidden,
    NotAuthenticated,
    NotFound,
    Offline,
    ProtocolViolation,
    RepositoryError,
    Unavailable,
    VersionChanged,
)
from assetfs.transport import Body, Head, Transport, closed_range


async def get(transport: Transport, start: int, stop: int, path: str = "f", **kwargs: object) -> Landed:
    sink = kwargs.pop("sink", None) or Landed(start, stop - start)
    assert isinstance(sink, Landed)
    kwargs.setdefault("interpret", closed_range(start, stop))
    await transport.fetch(path, start, stop, sink, label="content", **kwargs)  # type: ignore[arg-type]
    return sink


async def test_a_range_lands_and_the_connection_is_kept(
    clock: Clock, serve: Start, connect: Open, content: bytes
) -> None:
    server = await serve(every(content))
    transport = connect(server)
    for start, stop in ((0, 10), (10, 200_000), (299_999, 300_000)):
        sink = await get(transport, start, stop)
        assert sink.content == content[start:stop]
        assert sink.totals == [300_000]
    assert server.connections == 1
    assert [asked.range for asked in server.requests] == [(0, 10), (10, 200_000), (299_999, 300_000)]
    assert transport.requests.counts == {("content", "206"): 3}
    assert server.requests[0].headers["accept-encoding"] == "identity"


async def test_small_lent_pieces_are_filled_one_after_the_other(
    clock: Clock, serve: Start, connect: Open, content: bytes
) -> None:
    transport = connect(await serve(every(content)))
    sink = await get(transport, 0, 100_000, sink=Landed(0, 100_000, block=777))
    assert sink.content == content[:100_000]


async def test_stop_behind_the_end_ends_at_the_end(clock: Clock, serve: Start, connect: Open, content: bytes) -> None:
    server = await serve(every(content))
    sink = await get(connect(server), 299_000, 400_000)
    assert sink.content == content[299_000:]
    assert sink.totals == [300_000]
    assert len(server.requests) == 1


async def test_start_behind_the_end_is_no_error(clock: Clock, serve: Start, connect: Open) -> None:
    server = await serve(always(416, content_range="bytes */300"))
    transport = connect(server)
    for _ in range(2):
        sink = await get(transport, 300, 400)
        assert (sink.content, sink.totals) == (b"", [300])
    assert server.connections == 1


async def test_an_old_server_refuses_a_range_with_the_whole_file(
    clock: Clock, serve: Start, connect: Open, content: bytes
) -> None:
    """416 with a body that nobody wants: not drained, and the connection not used again."""
    server = await serve(always(416, content))

    def empty(head: Head) -> Body:
        assert head.status == 416
        return Body(None, 0)

    transport = connect(server)
    for _ in range(2):
        sink = await get(transport, 0, 1, interpret=empty)
        assert sink.totals == [0]
    assert server.connections == 2


async def test_a_whole_file_instead_of_a_range(clock: Clock, serve: Start, connect: Open, content: bytes) -> None:
    server = await serve(always(200, content))
    transport = connect(server)
    sink = await get(transport, 100_000, 100_100)
    assert sink.content == content[100_000:100_100]
    assert sink.totals == [300_000]
    sink = await get(transport, 299_000, 400_000)
    assert sink.content == content[299_000:]
    assert server.connections == 2, "the rest of the first answer was too long to be read for nothing"
    await get(transport, 0, 1)
    assert server.connections == 2, "the second answer was read to its end"


async def test_a_short_rest_is_read_to_keep_the_connection(
    clock: Clock, serve: Start, connect: Open, content: bytes
) -> None:
    server = await serve(always(200, content[:50_000]))
    transport = connect(server)
    for _ in range(3):
        assert (await get(transport, 10, 20)).content == content[10:20]
    assert server.connections == 1


def in_chunks(body: bytes, size: int) -> bytes:
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


async def test_a_chunked_file_without_length(clock: Clock, serve: Start, connect: Open, content: bytes) -> None:
    async def script(peer: Peer) -> None:
        while await peer.request():
            await peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + in_chunks(content, 8_111))

    server = await serve(script)
    transport = connect(server)
    sink = await get(transport, 0, 400_000)
    assert sink.content == content
    assert sink.totals == [300_000], "known once the body has ended"
    sink = await get(transport, 0, 300_000)
    assert sink.totals == [300_000], "the end lay just behind what was wanted"
    assert server.connections == 1
    sink = await get(transport, 5_000, 6_000)
    assert sink.content == content[5_000:6_000]
    assert sink.totals == []
    await get(transport, 0, 1)
    assert server.connections == 2


async def test_a_body_that_lasts_as_long_as_the_connection(
    clock: Clock, serve: Start, connect: Open, content: bytes
) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.0 200 OK\r\n\r\n" + content)

    server = await serve(script)
    transport = connect(server)
    for _ in range(2):
        sink = await get(transport, 0, 400_000)
        assert sink.content == content
        assert sink.totals == [300_000]
    assert server.connections == 2


async def test_a_cut_is_resumed_from_the_first_missing_byte(
    clock: Clock, serve: Start, connect: Open, content: bytes
) -> None:
    async def script(peer: Peer) -> None:
        asked = await peer.request()
        assert asked
        await peer.part(content, asked, cut=50_000 if peer.number < 4 else None)
        if peer.number % 2:
            await peer.close()
        else:
            await trio.testing.wait_all_tasks_blocked()
            await peer.reset()

    server = await serve(script)
    transport = connect(server)
    sink = await get(transport, 1_000, 300_000)
    assert sink.content == content[1_000:]
    assert sink.totals == [300_000]
    starts = [asked.range[0] for asked in server.requests if asked.range]
    assert len(starts) == 4
    assert starts == sorted(starts)
    assert starts[1] == 51_000
    assert {asked.range[1] for asked in server.requests if asked.range} == {300_000}
    assert transport.requests.counts == {("content", "cut"): 3, ("content", "206"): 1}


async def test_cuts_without_progress_end(clock: Clock, serve: Start, connect: Open, content: bytes) -> None:
    async def script(peer: Peer) -> None:
        asked = await peer.request()
        assert asked
        await peer.part(content, asked, cut=1)

    server = await serve(script)
    sink = Landed(0, 1000)
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1:\d+ closed the connection in the middle"):
        await get(connect(server), 0, 1000, sink=sink)
    assert len(server.requests) == 4
    assert sink.content == content[:4]


async def test_cuts_with_progress_do_not_end(clock: Clock, serve: Start, connect: Open) -> None:
    """A large file over a line that breaks every 2 MiB arrives."""
    large = bytes(16 << 20)

    async def script(peer: Peer) -> None:
        asked = await peer.request()
        assert asked
        await peer.part(large, asked, cut=2 << 20)

    server = await serve(script)
    sink = await get(connect(server), 0, len(large))
    assert sink.next == len(large)
    assert len(server.requests) == 8


async def test_another_version_is_not_mixed_in_after_a_cut(
    clock: Clock, serve: Start, connect: Open, content: bytes
) -> None:
    async def script(peer: Peer) -> None:
        asked = await peer.request()
        assert asked
        if peer.number == 1:
            await peer.part(content, asked, cut=5_000, etag='"one"')
        elif asked.target == "/tag":
            await peer.part(content, asked, etag='"two"')
        else:
            await peer.part(content + b"more", asked)

    for path in ("tag", "size"):
        server = await serve(script)
        sink = Landed(0, 10_000)
        with pytest.raises(VersionChanged):
            await get(connect(server), 0, 10_000, path, sink=sink)
        assert sink.content == content[:5_000]
        assert server.connections == 2


async def test_less_than_announced_is_asked_for_again(
    clock: Clock, serve: Start, connect: Open, content: bytes
) -> None:
    """A complete answer to a smaller range than was asked for."""

    async def script(peer: Peer) -> None:
        while asked := await peer.request():
            start, stop = asked.range or (0, 0)
            stop = min(stop, start + 4_000)
            await peer.answer(206, content[start:stop], content_range=f"bytes {start}-{stop - 1}/300000")

    server = await serve(script)
    assert (await get(connect(server), 0, 10_000)).content == content[:10_000]
    assert [asked.range for asked in server.requests] == [(0, 10_000), (4_000, 10_000), (8_000, 10_000)]
    assert server.connections == 1


@pytest.mark.parametrize(
    ("status", "error", "requests"),
    [
        (401, NotAuthenticated, 1),
        (403, Forbidden, 1),
        (404, NotFound, 1),
        (410, NotFound, 1),
        (302, ProtocolViolation, 1),
        (400, ProtocolViolation, 1),
        (204, ProtocolViolation, 1),
        (500, Unavailable, 4),
        (429, Unavailable, 4),
        (503, Unavailable, 4),
    ],
)
async def test_statuses(
    clock: Clock, serve: Start, connect: Open, status: int, error: type[RepositoryError], requests: int
) -> None:
    server = await serve(always(status, b"" if status == 204 else b"No.", location="/elsewhere"))
    transport = connect(server)
    with pytest.raises(error):
        await get(transport, 0, 10)
    assert len(server.requests) == requests
    assert server.connections == 1, "a short refusal leaves the connection usable"
    assert transport.requests.counts == {("content", str(status)): requests}


@pytest.mark.parametrize(
    "headers",
    [
        {"content_range": "bytes 5-14/100"},
        {"content_range": "bytes 0-5/100"},
        {"content_range": "bytes 0-9/5"},
        {"content_range": "lines 0-9/100"},
        {"content_range": "bytes 20-29/100"},
        {"content_encoding": "gzip", "content_range": "bytes 0-9/100"},
        {},
    ],
)
async def test_ranges_that_do_not_fit(clock: Clock, serve: Start, connect: Open, headers: dict[str, str]) -> None:
    server = await serve(always(206, b"0123456789", **headers))
    sink = Landed(0, 10)
    with pytest.raises(ProtocolViolation):
        await get(connect(server), 0, 10, sink=sink)
    assert sink.content == b""
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "bytes_sent",
    [
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 206 OK\r\nContent-Length: ten\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: " + b"a" * 99_999,
    ],
)
async def test_not_http(clock: Clock, serve: Start, connect: Open, bytes_sent: bytes) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(bytes_sent)

    with pytest.raises(ProtocolViolation, match="does not speak HTTP"):
        await get(connect(await serve(script)), 0, 10)


async def test_a_server_that_accepts_and_never_answers(clock: Clock, serve: Start, connect: Open) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await trio.sleep_forever()

    server = await serve(script)
    transport = connect(server, read_timeout=30, deadline=60)
    before = trio.current_time()
    with pytest.raises(Unavailable) as caught:
        await get(transport, 0, 10)
    assert caught.value.timeout
    assert trio.current_time() - before == pytest.approx(60)
    assert len(server.requests) == 2
    assert transport.requests.counts == {("content", "timeout"): 2}


async def test_a_head_that_drips_is_bounded_by_the_deadline(clock: Clock, serve: Start, connect: Open) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 206 OK\r\nX: ")
        while True:
            await trio.sleep(10)
            await peer.send(b"x")

    before = trio.current_time()
    with pytest.raises(Unavailable) as caught:
        await get(connect(await serve(script)), 0, 10, deadline=45)
    assert caught.value.timeout
    assert trio.current_time() - before == pytest.approx(45)


async def test_a_slow_body_is_no_failure_while_it_moves(
    clock: Clock, serve: Start, connect: Open, content: bytes
) -> None:
    """30 bytes with 20 s between them: 10 minutes, far beyond the deadline, and never silent for 30 s."""

    async def script(peer: Peer) -> None:
        asked = await peer.request()
        assert asked
        await peer.part(content, asked, cut=0)
        for at in range(30):
            await trio.sleep(20)
            await peer.send(content[at : at + 1])

    server = await serve(script)
    assert (await get(connect(server), 0, 30, deadline=25)).content == content[:30]
    assert len(server.requests) == 1


async def test_silence_in_the_middle_is_resumed(clock: Clock, serve: Start, connect: Open, content: bytes) -> None:
    async def script(peer: Peer) -> None:
        asked = await peer.request()
        assert asked
        await peer.part(content, asked, cut=500 if peer.number == 1 else None)
        await trio.sleep_forever()

    server = await serve(script)
    transport = connect(server)
    assert (await get(transport, 0, 1000)).content == content[:1000]
    assert [asked.range for asked in server.requests] == [(0, 1000), (500, 1000)]
    assert transport.requests.counts == {("content", "timeout"): 1, ("content", "206"): 1}


async def test_nobody_listens(clock: Clock, connect: Open) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        transport = connect(f"http://127.0.0.1:{port}/")
        with pytest.raises(Offline, match=f"127.0.0.1:{port} refuses connections") as caught:
            await get(transport, 0, 10)
    assert "\n" not in str(caught.value)
    assert transport.requests.counts == {("content", "offline"): 3}


async def test_a_server_that_comes_back_is_asked_again(
    clock: Clock, serve: Start, connect: Open, content: bytes
) -> None:
    async def script(peer: Peer) -> None:
        while asked := await peer.request():
            if len(peer.server.requests) == 1:
                await peer.answer(503, b"busy", retry_after="20")
            else:
                await peer.part(content, asked)

    server = await serve(script)
    before = trio.current_time()
    assert (await get(connect(server), 0, 10)).content == content[:10]
    assert 20 <= trio.current_time() - before < 21


async def test_retry_after_beyond_the_deadline_is_told_at_once(clock: Clock, serve: Start, connect: Open) -> None:
    server = await serve(always(503, retry_after="3600"))
    before = trio.current_time()
    with pytest.raises(Unavailable) as caught:
        await get(connect(server), 0, 10)
    assert caught.value.retry_after == 3600
    assert trio.current_time() - before < 1
    assert len(server.requests) == 1


async def test_an_idle_connection_that_the_server_closed_is_replaced(
    clock: Clock, serve: Start, connect: Open, content: bytes
) -> None:
    async def script(peer: Peer) -> None:
        asked = await peer.request()
        assert asked
        await peer.part(content, asked)

    server = await serve(script)
    transport = connect(server)
    for _ in range(3):
        await get(transport, 0, 10)
        await trio.testing.wait_all_tasks_blocked()
    assert server.connections == 3
    assert transport.requests.counts == {("content", "206"): 3}, "noticed before anything was sent"


async def test_a_kept_connection_that_dies_under_the_request_costs_one_repetition(
    clock: Clock, serve: Start, connect: Open, content: bytes
) -> None:
    async def script(peer: Peer) -> None:
        asked = await peer.request()
        assert asked
        await peer.part(content, asked)
        if await peer.request():
            await peer.reset()

    server = await serve(script)
    transport = connect(server)
    before = trio.current_time()
    for _ in range(2):
        await get(transport, 0, 10)
    assert server.connections == 2
    assert trio.current_time() - before < 0.15, "without a wait"
    assert transport.requests.counts == {("content", "206"): 2, ("content", "cut"): 1}


async def test_connections_that_were_idle_too_long_are_closed(
    clock: Clock, serve: Start, connect: Open, content: bytes
) -> None:
    server = await serve(every(content))
    transport = connect(server)
    await get(transport, 0, 10)
    await trio.sleep(9)
    await get(transport, 0, 10)
    await trio.testing.wait_all_tasks_blocked()
    assert (server.connections, server.closed) == (2, 1)


async def test_the_sink_has_enough(clock: Clock, serve: Start, connect: Open, content: bytes) -> None:
    server = await serve(every(content))
    transport = connect(server)
    sink = await get(transport, 0, 300_000, sink=Landed(0, 300_000, block=1000, wants=2000))
    assert sink.content == content[:2000]
    await get(transport, 0, 10)
    assert server.connections == 2, "what was left of the first answer was not read"


async def test_cancelling_in_the_middle_leaves_a_pool_that_serves(
    clock: Clock, serve: Start, connect: Open, content: bytes
) -> None:
    async def script(peer: Peer) -> None:
        while asked := await peer.request():
            stuck = len(peer.server.requests) <= 4
            await peer.part(content, asked, cut=1000 if stuck else None)
            if stuck:
                await trio.sleep_forever()

    server = await serve(script)
    transport = connect(server, content_connections=2)
    for _ in range(2):
        async with trio.open_nursery() as nursery:
            sinks = [Landed(0, 2000), Landed(0, 2000)]
            for sink in sinks:
                nursery.start_soon(lambda sink=sink: get(transport, 0, 2000, sink=sink))
            for sink in sinks:
                await sink.arrived.wait()
            nursery.cancel_scope.cancel()
    assert transport.requests.counts == {("content", "cancelled"): 4}
    for _ in range(3):
        assert (await get(transport, 5, 2000)).content == content[5:2000]
    assert server.connections == 5


async def test_cancelling_while_waiting_for_a_connection(
    clock: Clock, serve: Start, connect: Open, content: bytes
) -> None:
    async def script(peer: Peer) -> None:
        while asked := await peer.request():
            await trio.sleep(1)
            await peer.part(content, asked)

    server = await serve(script)
    transport = connect(server, content_connections=1)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(get, transport, 0, 10)
        await trio.testing.wait_all_tasks_blocked()
        with trio.move_on_after(0.5):
            await get(transport, 10, 20)
    await get(transport, 20, 30)
    assert [asked.range for asked in server.requests] == [(0, 10), (20, 30)]
    assert transport.requests.counts == {("content", "206"): 2}


async def test_connections_are_bounded_and_given_in_order(
    clock: Clock, serve: Start, connect: Open, content: bytes
) -> None:
    async def script(peer: Peer) -> None:
        while asked := await peer.request():
            await trio.sleep(0.1)
            await peer.part(content, asked)

    server = await serve(script)
    transport = connect(server, content_connections=3)
    async with trio.open_nursery() as nursery:
        for start in range(0, 150, 10):
            nursery.start_soon(get, transport, start, start + 10)
            await trio.testing.wait_all_tasks_blocked()
    assert server.connections == 3
    starts = [asked.range[0] for asked in server.requests if asked.range]
    rounds = [set(starts[at : at + 3]) for at in range(0, 15, 3)]
    assert rounds == [{at, at + 10, at + 20} for at in range(0, 150, 30)], (
        "three at the same time, whose order among themselves does not matter"
    )


async def test_a_failing_sink_closes_its_connection(clock: Clock, serve: Start, connect: Open, content: bytes) -> None:
    class Full(Landed):
        def landed(self, offset: int, count: int) -> None:
            raise OSError(28, "no space left")

    server = await serve(every(content))
    transport = connect(server)
    with pytest.raises(OSError, match="no space left"):
        await get(transport, 0, 200_000, sink=Full(0, 200_000))
    assert len(server.requests) == 1
    await get(transport, 0, 10)
    assert server.connections == 2


def to(url: str, status: int = 302) -> object:
    return always(status, b"gone there", location=url)


async def test_presigned_storage_gets_the_range_and_no_credential(
    clock: Clock, serve: Start, connect: Open, content: bytes
) -> None:
    storage = await serve(every(content))
    server = await serve(to(f"{storage.url}bucket/f?X-Amz-Signature=abc"))
    transport = connect(server, headers={"X-Api-Key": "canary", "Authorization": "canary"})
    sink = await get(transport, 5, 50, headers={"X-Token": "canary"}, follow_redirects=True)
    assert sink.content == content[5:50]
    assert server.requests[0].headers["x-api-key"] == "canary"
    asked: Asked = storage.requests[0]
    assert asked.target == "/bucket/f?X-Amz-Signature=abc"
    assert asked.range == (5, 50)
    assert "canary" not in str(asked.headers)


async def test_a_redirect_within_the_server_keeps_the_credential(
    clock: Clock, serve: Start, connect: Open, content: bytes
) -> None:
    async def script(peer: Peer) -> None:
        while asked := await peer.request():
            if asked.target == "/f":
                await peer.answer(307, location="real/f")
            else:
                await peer.part(content, asked)

    server = await serve(script)
    await get(connect(server, headers={"X-Api-Key": "k"}), 0, 10, follow_redirects=True)
    assert [(asked.target, asked.headers["x-api-key"]) for asked in server.requests] == [("/f", "k"), ("/real/f", "k")]
    assert server.connections == 1


async def test_the_credential_does_not_come_back_by_way_of_another_server(
    clock: Clock, serve: Start, connect: Open
) -> None:
    servers: list[Server] = []

    async def home(peer: Peer) -> None:
        while asked := await peer.request():
            if asked.target == "/f":
                await peer.answer(302, location=f"{servers[1].url}x")
            else:
                await peer.answer(404)

    async def other(peer: Peer) -> None:
        await peer.request()
        await peer.answer(302, location=f"{servers[0].url}delete-all")

    servers += [await serve(home), await serve(other)]
    with pytest.raises(NotFound):
        await get(connect(servers[0], headers={"X-Api-Key": "canary"}), 0, 10, follow_redirects=True)
    assert servers[0].requests[1].target == "/delete-all"
    assert "canary" not in str(servers[0].requests[1].headers)


async def test_redirects_end(clock: Clock, serve: Start, connect: Open) -> None:
    server = await serve(to("/f"))
    with pytest.raises(ProtocolViolation, match="more than 5 times"):
        await get(connect(server), 0, 10, follow_redirects=True)
    assert len(server.requests) == 6


async def test_bytes_behind_an_answer_are_no_answer(clock: Clock, serve: Start, connect: Open, content: bytes) -> None:
    """A server that sends more than it announced: its connection is not used for another request."""

    async def script(peer: Peer) -> None:
        while asked := await peer.request():
            if asked.target == "/chunks":
                await peer.send(
                    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + in_chunks(content[:10], 3) + b"junk"
                )
            else:
                await peer.answer(206, content[:10] + b"junk", content_length="10", content_range="bytes 0-9/300000")

    server = await serve(script)
    transport = connect(server)
    for path in ("f", "chunks", "f"):
        assert (await get(transport, 0, 10, path)).content == content[:10]
    assert server.connections == 3
