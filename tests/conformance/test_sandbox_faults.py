"""A sandbox fails as it is told to, counts what it was asked, and starts and stops as its command says."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.sandboxes import RunningSandbox, SandboxError, start_sandbox, stop

BODY = bytes(range(256)) * 1024  # 256 KiB


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[RunningSandbox, int]]:
    """A server, and the id of a resource with BODY as its content."""
    with start_sandbox("jama") as running:
        yield running, running.upload("body.bin", BODY)


@pytest.fixture
def server(served: tuple[RunningSandbox, int]) -> Iterator[RunningSandbox]:
    served[0].reset()
    yield served[0]
    served[0].reset()


@pytest.fixture
def path(served: tuple[RunningSandbox, int]) -> str:
    return f"download/{served[1]}"


# Counting


def test_requests_are_counted_by_kind_and_call(server: RunningSandbox, path: str) -> None:
    server.rpc("ping")
    server.post([{"method": "ping", "id": 1}, {"method": "current_user", "id": 2}])
    server.get(path, range="bytes=0-99")
    counts = server.requests()
    assert counts["kinds"] == {"POST rpc": 2, "GET download": 1}
    assert counts["calls"] == {"ping": 2, "current_user": 1}
    assert counts["connections"] == 3
    last = server.listing()[-1]
    assert (last["status"], last["sent"], last["headers"]["range"]) == (206, 100, "bytes=0-99")


def test_the_log_holds_no_credential(server: RunningSandbox) -> None:
    server.rpc("ping")
    assert server.credential not in json.dumps(server.listing())


# Faults


def test_status_with_retry_after_for_the_second_call_only(server: RunningSandbox) -> None:
    server.arm("status", {"call": "ping"}, nth=2, status=429, retry_after=3)
    answers = [server.post({"method": "ping", "id": 1}) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 429, 200]
    assert answers[1].headers["retry-after"] == "3"
    assert [(fault["seen"], fault["struck"]) for fault in server.armed()] == [(3, 1)]


def test_a_fault_without_count_stays_until_it_is_disarmed(server: RunningSandbox) -> None:
    server.arm("status", {"kind": "rpc"}, count=None, status=503)
    assert {server.post({"method": "ping", "id": 1}).status_code for _ in range(3)} == {503}
    server.disarm()
    assert server.rpc("ping") == "pong admin"


def test_a_delay(server: RunningSandbox) -> None:
    server.arm("delay", seconds=0.3)
    before = time.monotonic()
    server.rpc("ping")
    assert time.monotonic() - before >= 0.3


def test_a_slow_body(server: RunningSandbox, path: str) -> None:
    server.arm("slow", {"kind": "download"}, bytes_per_second=len(BODY) * 2)
    before = time.monotonic()
    assert server.get(path).content == BODY
    assert time.monotonic() - before >= 0.4


@pytest.mark.parametrize("reset", [False, True])
def test_a_body_that_is_cut(server: RunningSandbox, path: str, reset: bool) -> None:
    server.arm("cut", {"kind": "download"}, after=100_000, reset=reset)
    got = b""
    with server.http.stream("GET", server.url + path, headers={"X-Api-Key": server.credential}) as answer:
        assert answer.headers["content-length"] == str(len(BODY))
        try:
            for piece in answer.iter_raw():
                got += piece
        except (httpx.RemoteProtocolError, httpx.ReadError):
            pass
    assert len(got) <= 100_000 if reset else got == BODY[:100_000]
    assert server.get(path).content == BODY


@pytest.mark.parametrize("fault", ["drop", "lost_answer"])
def test_a_request_without_an_answer(server: RunningSandbox, fault: str) -> None:
    root = server.info["root"]
    server.arm(fault, {"call": "add_collection"})
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        server.rpc("add_collection", fault, root)
    made = fault in [item["title"] for item in server.rpc("collections", root)]
    assert made is (fault == "lost_answer")


def test_a_request_that_hangs_leaves_the_others_alone(server: RunningSandbox) -> None:
    server.arm("hang", {"call": "ping"})
    with pytest.raises(httpx.ReadTimeout):
        server.http.post(server.url, json={"method": "ping", "id": 1}, headers={"X-Api-Key": "x"}, timeout=0.3)
    assert server.rpc("ping") == "pong admin"


def test_a_wrong_content_range(server: RunningSandbox, path: str) -> None:
    server.arm("wrong_range", value="bytes 7-9/11")
    answer = server.get(path, range="bytes=0-9")
    assert (answer.status_code, answer.headers["content-range"]) == (206, "bytes 7-9/11")


def test_a_range_that_is_ignored(server: RunningSandbox, path: str) -> None:
    server.arm("no_range")
    answer = server.get(path, range="bytes=0-9")
    assert (answer.status_code, len(answer.content)) == (200, len(BODY))


def test_not_found_that_looks_like_success(server: RunningSandbox, path: str) -> None:
    server.arm("not_found_200", {"kind": "download"})
    answer = server.get(path)
    assert (answer.status_code, answer.headers["content-type"], answer.content) == (200, "404", b"Not Found")


def test_bytes_that_are_wrong(server: RunningSandbox, path: str) -> None:
    server.arm("corrupt", {"kind": "download"})
    content = server.get(path).content
    assert len(content) == len(BODY)
    assert sum(one != other for one, other in zip(content, BODY, strict=True)) == 1


def test_no_compression(server: RunningSandbox) -> None:
    request = {"method": "supported_file_types", "id": 1}
    server.arm("no_gzip")
    plain = server.post(request)
    packed = server.post(request)
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert plain.json() == packed.json()


def test_an_answer_that_is_too_long(server: RunningSandbox) -> None:
    server.arm("long_json", {"call": "ping"}, bytes=3 << 20)
    answer = server.post({"method": "ping", "id": 1})
    assert len(answer.content) > 3 << 20
    assert answer.json()["error"] is None


def test_a_success_that_says_otherwise(server: RunningSandbox) -> None:
    server.arm("other_status", {"kind": "upload"}, status=210)
    server.upload("fine.txt", b"fine")
    assert server.listing()[-1]["status"] == 210


@pytest.mark.parametrize(
    "request_", [{"fault": "fire"}, {"fault": "delay", "match": {"colour": "red"}}, {"fault": "delay", "nth": 0}]
)
def test_a_fault_that_makes_no_sense_is_refused(server: RunningSandbox, request_: dict[str, object]) -> None:
    answer = server.http.post(f"{server.root_url}/_sandbox/faults", json=request_)
    assert answer.status_code == 400
    assert answer.json()["error"]


def test_an_unknown_switch_is_refused(server: RunningSandbox) -> None:
    with pytest.raises(SandboxError, match="no such switch"):
        server.switch(gravity=False)


# Connections


def test_an_idle_connection_is_closed_after_the_keep_alive_time(server: RunningSandbox) -> None:
    server.switch(keep_alive=0.3)
    host, port = server.root_url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        connection.sendall(b"GET /status HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = b""
        while not answer.endswith(b"ok"):
            answer += connection.recv(4096)
        before = time.monotonic()
        assert connection.recv(4096) == b""
        assert 0.2 <= time.monotonic() - before < 3


def test_two_requests_share_a_connection(server: RunningSandbox) -> None:
    with httpx.Client(trust_env=False) as client:
        for _ in range(2):
            client.get(f"{server.root_url}/status")
    assert server.requests()["connections"] == 1


def test_an_early_answer_ends_the_connection_of_a_long_upload(server: RunningSandbox) -> None:
    host, port = server.root_url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        head = f"POST /rpc/upload/partial/ HTTP/1.1\r\nHost: x\r\nContent-Length: {64 << 20}\r\n\r\n"
        connection.sendall(head.encode() + bytes(300_000))
        answer = b""
        try:
            while piece := connection.recv(65536):
                answer += piece
        except ConnectionResetError:
            pass
    assert answer == b"" or answer.startswith(b"HTTP/1.1 403")
    assert server.rpc("ping") == "pong admin"


def test_many_early_answers_leave_the_server_well(server: RunningSandbox) -> None:
    for _ in range(30):
        try:
            answer = server.http.post(server.url + "upload/partial/", content=bytes(4 << 20))
            assert answer.status_code == 403
        except httpx.TransportError:
            pass
    assert server.rpc("ping") == "pong admin"


# The command


def test_it_ends_with_status_0_and_takes_its_temporary_folder_away() -> None:
    with start_sandbox("jama") as running:
        folder = Path(running.info["data"])
        assert folder.is_dir()
        assert stop(running.process) == 0
    assert not folder.exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_while_a_request_hangs(number: signal.Signals) -> None:
    with start_sandbox("jama") as running:
        running.arm("hang")
        host, port = running.root_url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(b"GET /status HTTP/1.1\r\nHost: x\r\n\r\n")
            deadline = time.monotonic() + 5
            while running.requests()["total"] == 0 and time.monotonic() < deadline:
                pass
            os.kill(running.process.pid, number)
            assert running.process.wait(5) == 0


def test_kept_data_is_there_again(tmp_path: Path) -> None:
    with start_sandbox("jama", data=tmp_path / "kept") as first:
        resource = first.upload("kept.txt", b"kept")
    with start_sandbox("jama", data=tmp_path / "kept", seed="demo") as second:
        assert second.get(f"download/{resource}").content == b"kept"


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["jama", "--seed", "nonsense"], ["jama", "--profile", "x"], ["jama", "--port", "x"], []]
)
def test_wrong_usage_is_status_2(arguments: list[str]) -> None:
    done = subprocess.run([sys.executable, "-m", "assetfs.sandbox", *arguments], capture_output=True, check=False)
    assert done.returncode == 2
    assert done.stderr
    assert b"Traceback" not in done.stderr


def test_a_taken_port_is_said_in_one_line(server: RunningSandbox) -> None:
    port = server.root_url.rpartition(":")[2]
    done = subprocess.run(
        [sys.executable, "-m", "assetfs.sandbox", "jama", "--port", port], capture_output=True, check=False
    )
    assert (done.returncode, done.stderr.count(b"\n")) == (2, 1)
