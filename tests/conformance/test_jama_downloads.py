"""Downloading from a Jama server: which bytes a range means, today and on an old server, and what else is said."""

from __future__ import annotations

import hashlib

import pytest

from tests.sandboxes import RunningSandbox, start_sandbox

CONTENT = bytes(range(65, 90))  # 25 bytes
SIZE = len(CONTENT)
WHOLE, EMPTY_416 = (200, None, CONTENT), (416, f"bytes */{SIZE}", b"")
RANGES = {
    "bytes=0-0": (206, "bytes 0-0/25", CONTENT[:1]),
    "bytes=5-9": (206, "bytes 5-9/25", CONTENT[5:10]),
    "bytes=20-": (206, "bytes 20-24/25", CONTENT[20:]),
    "bytes=-3": (206, "bytes 22-24/25", CONTENT[-3:]),
    "bytes=-99": (206, "bytes 0-24/25", CONTENT),
    "bytes=24-100": (206, "bytes 24-24/25", CONTENT[24:]),
    "BYTES = 1-2": (206, "bytes 1-2/25", CONTENT[1:3]),
    "bytes=25-30": EMPTY_416,
    "bytes=-0": EMPTY_416,
    "bytes=25-": WHOLE,
    "bytes=900-": WHOLE,
    "bytes=9-5": WHOLE,
    "bytes=0-1,3-4": WHOLE,
    "items=0-1": WHOLE,
    "bytes=a-b": WHOLE,
    "nonsense": WHOLE,
}


@pytest.mark.parametrize("asked", RANGES)
def test_ranges_today(server: RunningSandbox, asked: str) -> None:
    answer = server.get(f"download/{server.upload('ranges.txt', CONTENT)}", range=asked)
    assert (answer.status_code, answer.headers.get("content-range"), answer.content) == RANGES[asked]
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["content-length"] == str(len(answer.content))


@pytest.mark.parametrize("asked", RANGES)
def test_ranges_of_an_old_server(legacy: RunningSandbox, asked: str) -> None:
    answer = legacy.get(f"download/{legacy.upload('ranges.txt', CONTENT)}", range=asked)
    status, content_range, body = RANGES[asked]
    if status == 416:
        content_range, body = None, CONTENT
    assert (answer.status_code, answer.headers.get("content-range"), answer.content) == (status, content_range, body)
    assert ("content-length" in answer.headers) is (status == 206)
    assert ("accept-ranges" in answer.headers) is (status == 206)


def test_a_whole_file_of_an_old_server_is_chunked(legacy: RunningSandbox) -> None:
    answer = legacy.get(f"download/{legacy.upload('whole.txt', b'whole')}")
    assert (answer.headers["transfer-encoding"], answer.content) == ("chunked", b"whole")


def test_an_empty_file_of_an_old_server(legacy: RunningSandbox) -> None:
    answer = legacy.get(f"download/{legacy.upload('empty.txt', b'')}", range="bytes=0-0")
    assert (answer.status_code, answer.content, "content-range" in answer.headers) == (416, b"", False)


def test_the_old_416_can_be_switched_on(server: RunningSandbox) -> None:
    server.switch(body_416=True)
    answer = server.get(f"download/{server.upload('ranges.txt', CONTENT)}", range="bytes=25-30")
    assert (answer.status_code, answer.content) == (416, CONTENT)


def test_names_of_downloads(server: RunningSandbox) -> None:
    resource = server.upload("again.TXT", b"again")
    server.rpc("rename_resource", resource, "Été à la mer / 2")
    assert server.get(f"download/{resource}").headers["content-disposition"] == "attachment;filename=ete-a-la-mer-2.txt"
    server.rpc("rename_resource", resource, "")
    assert server.get(f"download/{resource}").headers["content-disposition"] == "attachment;filename=.txt"


@pytest.mark.parametrize("path", ["download/2/", "download/abc", "nothing/here"])
def test_paths_that_lead_nowhere(server: RunningSandbox, path: str) -> None:
    answer = server.get(path)
    assert (answer.status_code, answer.content) == (404, b"")


def test_public_addresses_when_they_are_on(server: RunningSandbox) -> None:
    server.switch(public_urls=True, site="http://elsewhere.invalid/")
    resource = server.rpc("resource", server.upload("public.txt", b"public"))
    digest = resource["hash"]
    assert resource["urls"]["serve"] == f"http://elsewhere.invalid/rpc/serve/{digest}"
    answer = server.http.get(f"{server.url}serve/{digest}", headers={"Range": "bytes=0-2"})
    assert (answer.status_code, answer.content, answer.headers["content-type"]) == (206, b"pub", "text/plain")
    assert server.http.get(f"{server.url}download_public/{digest}").content == b"public"
    assert server.http.get(f"{server.url}serve/{'0' * 64}").status_code == 404


def test_downloads_can_be_left_to_a_web_server_in_front() -> None:
    with start_sandbox("jama", options=("--accel-prefix", "/blobs/")) as server:
        resource = server.upload("accel.txt", b"accel")
        digest = hashlib.sha256(b"accel").hexdigest()
        answer = server.get(f"download/{resource}")
        assert answer.headers["x-accel-redirect"] == f"/blobs/{digest[:2]}/{digest}"
        assert answer.content == b""
        assert server.get(f"download/{resource}", credential="wrong").status_code == 403
