"""What the recordings of SAMS do not hold: pictures in odd sizes, names that break headers, storage, and switches."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from PIL import Image

from tests.sandboxes import RunningSandbox, start_sandbox

GRID, BUCKET = "5a0000000000000000000001", "5a0000000000000000000002"
Server = RunningSandbox


@pytest.fixture(scope="module")
def running() -> Iterator[Server]:
    with start_sandbox("sams", seed="empty") as started:
        for set_id, name, destination in ((GRID, "grid", "internal"), (BUCKET, "bucket", "archive")):
            body = {"_id": set_id, "name": name, "state": "usable", "destination_name": destination}
            assert call(started, "POST", "admin/sets", json=body).status_code == 201
        yield started


@pytest.fixture
def server(running: Server) -> Iterator[Server]:
    running.reset()
    yield running
    running.reset()


def call(server: Server, method: str, path: str, etag: str | None = None, **given: Any) -> httpx.Response:
    headers = {"Authorization": f"Basic {server.credential}", **given.pop("headers", {})}
    headers |= {"If-Match": etag} if etag else {}
    return server.http.request(method, server.url + path, headers=headers, **given)


def made(server: Server, content: bytes = b"content", set_id: str = GRID, **fields: str) -> dict[str, Any]:
    data = {"set_id": set_id, "filename": "a.txt", "name": "a", **fields}
    answer = call(server, "POST", "produce/assets", data=data, files={"binary": ("binary", content)})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def searched(server: Server, source: dict[str, Any]) -> Any:
    return call(server, "GET", f"consume/assets?source={quote(json.dumps(source))}").json()


def picture(width: int, height: int) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (width, height), (200, 30, 30)).save(out, "PNG")
    return out.getvalue()


@pytest.mark.parametrize(
    ("asked", "size"),
    [
        ("width=15", (15, 5)),
        ("height=5", (15, 5)),
        ("width=5&height=-2", (5, 1)),
        ("width=60&height=60", (60, 20)),
        ("width=7&height=7&keep_proportions=0", (7, 7)),
        ("width=0", (30, 10)),
    ],
)
def test_sizes_follow_the_arithmetic_of_the_server(server: Server, asked: str, size: tuple[int, int]) -> None:
    asset = made(server, picture(30, 10), filename="p.png")
    answer = call(server, "GET", f"consume/assets/images/{asset['_id']}?{asked}")
    assert answer.status_code == 200, answer.text
    assert Image.open(io.BytesIO(answer.content)).size == size


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        ("width=0&height=5", "division by zero"),
        ("width=-1", "height and width must be > 0"),
        ("width=1", "height and width must be > 0"),
        ("width=wide", "invalid literal for int() with base 10: 'wide'"),
        ("width=7&keep_proportions=no", None),
    ],
)
def test_sizes_that_crash_the_server(server: Server, asked: str, text: str | None) -> None:
    asset = made(server, picture(30, 10), filename="p.png")
    answer = call(server, "GET", f"consume/assets/images/{asset['_id']}?{asked}")
    assert (answer.status_code, answer.json()["error"]) == (500, "01001")
    assert text in (None, answer.json()["description"])


@pytest.mark.parametrize(
    ("name", "status"),
    [("a\tb", 400), ("a\x01b", 400), ("a\nb", 500), ("日本", 500), ("café", 200), ("blank ", 200)],
)
def test_names_that_break_their_own_download(server: Server, name: str, status: int) -> None:
    asset = made(server, filename=name)
    assert call(server, "GET", f"consume/assets/binary/{asset['_id']}").status_code == status
    zipped = call(server, "GET", f"consume/assets/compressed_binary/{asset['_id']}")
    assert (zipped.status_code, b"content" in zipped.content) == (200, True)


def test_an_empty_name_breaks_the_zip_instead(server: Server) -> None:
    asset = made(server, filename="")
    answer = call(server, "GET", f"consume/assets/binary/{asset['_id']}")
    assert (answer.status_code, answer.headers["content-disposition"]) == (200, "Inline; filename=")
    assert call(server, "GET", f"consume/assets/compressed_binary/{asset['_id']}").json()["error"] == "01001"


def test_a_falsified_length_is_announced_and_sent(server: Server) -> None:
    asset = made(server, b"12345")
    path = f"consume/assets/binary/{asset['_id']}"
    short = call(server, "PATCH", f"produce/assets/{asset['_id']}", asset["_etag"], json={"length": 3}).json()
    assert call(server, "GET", path).content == b"123"
    call(server, "PATCH", f"produce/assets/{asset['_id']}", short["_etag"], json={"length": 9})
    with pytest.raises(httpx.RemoteProtocolError):
        call(server, "GET", path)


def test_a_request_line_has_an_end(server: Server) -> None:
    answer = call(server, "GET", "consume/assets?q=" + "x" * 4094)
    assert (answer.status_code, answer.headers["content-type"]) == (400, "text/html")


def test_ids_of_a_bucket_are_made_of_names_and_choke_the_other_storage(server: Server) -> None:
    asset = made(server, set_id=BUCKET, filename="two words.txt")
    assert asset["_media_id"].startswith("twowords-")
    assert asset["_media_id"].endswith(".txt")
    path, files = f"produce/assets/{asset['_id']}", {"binary": ("binary", b"moved")}
    answer = call(server, "PATCH", path, asset["_etag"], data={"set_id": GRID}, files=files)
    assert answer.status_code == 500
    answer = call(server, "PATCH", path, asset["_etag"], data={"set_id": GRID, "_media_id": ""}, files=files)
    assert answer.status_code == 200, answer.text
    assert call(server, "GET", f"consume/assets/binary/{asset['_id']}").content == b"moved"


def test_words_of_a_name_are_found_without_case_and_accents(server: Server) -> None:
    asset = made(server, filename="Élections-2026_north.txt", name="Results, final")
    for query in (
        {"match": {"filename": "elections"}},
        {"match": {"filename": {"query": "north 2026", "operator": "and"}}},
        {"query_string": {"query": "name:final"}},
        {"prefix": {"filename.keyword": "Élec"}},
        {"bool": {"must": [{"exists": {"field": "length"}}], "must_not": [{"term": {"filename.keyword": "a.txt"}}]}},
    ):
        source = {"query": query, "sort": [{"_media_id": "desc"}], "size": 1}
        assert [item["_id"] for item in searched(server, source)["_items"]] == [asset["_id"]], query
    assert searched(server, {"query": {"fuzzy": {"name": "x"}}})["error"] == "01001"


def test_search_after_walks_through_everything_once(server: Server) -> None:
    made(server), made(server)
    seen, after = [], {}
    while items := searched(server, {"sort": [{"_media_id": "asc"}], "size": 2, **after})["_items"]:
        seen += [item["_id"] for item in items]
        after = {"search_after": [items[-1]["_media_id"]]}
    assert len(seen) == len(set(seen)) == searched(server, {})["_meta"]["total"]


def test_a_long_name_is_not_found_by_its_exact_twin(server: Server) -> None:
    asset = made(server, filename="x" * 257)
    assert searched(server, {"query": {"term": {"filename.keyword": "x" * 257}}})["_items"] == []
    found = searched(server, {"query": {"terms": {"_id": [asset["_id"]]}}})["_items"]
    assert [item["filename"] for item in found] == ["x" * 257]


def test_a_proxy_in_front_honours_ranges(server: Server) -> None:
    asset = made(server, b"0123456789")
    server.switch(proxy_ranges=True)
    path = f"consume/assets/binary/{asset['_id']}"
    answer = call(server, "GET", path, headers={"Range": "bytes=2-4"})
    assert (answer.status_code, answer.content, answer.headers["content-range"]) == (206, b"234", "bytes 2-4/10")
    assert call(server, "GET", path, headers={"Range": "bytes=10-"}).status_code == 416


def test_a_change_can_get_lost_behind_a_200(server: Server) -> None:
    asset = made(server)
    server.switch(lost_patches=True)
    answer = call(server, "PATCH", f"produce/assets/{asset['_id']}", asset["_etag"], json={"name": "new"})
    assert (answer.status_code, answer.json()["name"]) == (200, "new")
    assert call(server, "GET", f"consume/assets/{asset['_id']}").json()["name"] == "a"


def test_a_post_may_say_that_it_is_a_patch(server: Server) -> None:
    asset = made(server)
    headers = {"X-HTTP-Method-Override": "PATCH"}
    answer = call(server, "POST", f"produce/assets/{asset['_id']}", asset["_etag"], json={"name": "b"}, headers=headers)
    assert (answer.status_code, answer.json()["name"]) == (200, "b")


JSON = {"Content-Type": "application/json"}
NOT_UNDERSTOOD = "The browser (or proxy) sent a request that this server could not understand."
NO_BODY = "Unknown or no Content-Type header supplied"
ODD = (  # a request, and what the real server's code answered: the status, and one thing that its answer says
    ("POST", "admin/sets", {"content": b"{", "headers": JSON}, 400, NOT_UNDERSTOOD),
    ("POST", "admin/sets", {"content": b"5", "headers": JSON}, 500, "object of type 'int' has no len()"),
    ("POST", "admin/sets", {"content": b""}, 400, NO_BODY),
    ("PATCH", "produce/assets/{a}", {"content": b""}, 400, NO_BODY),
    ("PATCH", "produce/assets/{a}", {"json": [1]}, 400, "'[1]' is not a document, must be a dict"),
    ("PATCH", "produce/assets/{a}", {"json": {"tags": [{"code": 1}]}}, 400, {"tags": [0]}),
    ("PATCH", "produce/assets/{a}", {"json": {"set_id": None}}, 400, {}),
    ("PATCH", "produce/assets/{a}", {"json": {"binary": None}}, 400, "null value not allowed"),
    ("PATCH", "produce/assets/{a}", {"json": {"_id": "{a}"}}, 200, "{a}"),
    ("PATCH", "produce/assets/{a}", {"json": {"_etag": "x"}}, 200, "{a}"),
    ("PATCH", "produce/assets/{a}", {"data": {"name": "from a form"}}, 200, "from a form"),
    ("PATCH", "produce/assets/{a}", {"json": {"extra": {"l": [{"a.b": 1}]}}}, 200, {"l": [{"a": {"b": 1}}]}),
    ("PATCH", "produce/assets/lock/{a}", {}, 500, "'NoneType' object has no attribute 'get'"),
    ("PATCH", "produce/assets/lock/{b}", {"json": {}}, 500, "'NoneType' object has no attribute 'get'"),
    ("GET", "consume/sets?where=[]", {}, 500, "'list' object has no attribute 'items'"),
    ("GET", 'consume/sets?where={"name":{"$foo":1}}', {}, 400, NOT_UNDERSTOOD),
    ("GET", "consume/sets?sort=rubbish(", {}, 400, NOT_UNDERSTOOD),
    ("GET", "consume/sets?projection=[1]", {}, 400, NOT_UNDERSTOOD),
    ("GET", "consume/assets?source=5", {}, 500, "'int' object has no attribute 'setdefault'"),
    ("GET", 'consume/assets?source={"query":{"nope":{}}}', {}, 500, "RequestError(400, 'parsing_exception')"),
    ("GET", "consume/assets?where=rubbish", {}, 400, NOT_UNDERSTOOD),
    ("GET", "consume/assets?sort=5", {}, 500, "'int' object is not iterable"),
    ("GET", 'consume/assets/{a}?projection={"name":1}', {}, 500, "'set_id'"),
    ("GET", "consume/assets/{a}", {"headers": {"If-Modified-Since": "x"}}, 500, "time data 'x' does not match"),
)


@pytest.mark.parametrize(("method", "path", "given", "status", "said"), ODD)
def test_odd_requests_are_answered_as_the_server_does(
    server: Server, method: str, path: str, given: dict[str, Any], status: int, said: Any
) -> None:
    asset = made(server)
    path = path.replace("{a}", asset["_id"]).replace("{b}", "5b" + "0" * 22)
    given = json.loads(json.dumps(given).replace("{a}", asset["_id"])) if "json" in given else dict(given)
    answer = call(server, method, path, asset["_etag"] if method == "PATCH" else None, **given)
    said = said.replace("{a}", asset["_id"]) if isinstance(said, str) else json.dumps(said)
    assert answer.status_code == status, answer.text
    assert said in json.dumps(answer.json(), ensure_ascii=False).replace('\\"', '"'), answer.text


def test_lists_of_sets_are_filtered_as_the_database_does(server: Server) -> None:
    for where, names in (
        ({"name": {"$regex": "^G", "$options": "i"}}, ["grid"]),
        ({"$or": [{"name": "grid"}, {"name": "bucket"}]}, ["grid", "bucket"]),
        ({"name": {"$not": {"$regex": "^g"}}}, ["bucket"]),
        ({"_created": {"$gte": "2020-01-01T00:00:00+0000"}, "destination_name": "archive"}, ["bucket"]),
    ):
        path = f'consume/sets/?sort=[("_id",1)]&where={quote(json.dumps(where))}'
        assert [one["name"] for one in call(server, "GET", path).json()["_items"]] == names, where
    compared = call(server, "GET", 'consume/sets?where=name=="grid"&projection={"state":0}').json()["_items"]
    assert [(one["name"], "state" in one) for one in compared] == [("grid", False)]


def test_a_download_is_conditional_by_everything_but_ranges(server: Server) -> None:
    path = f"consume/assets/binary/{made(server)['_id'].upper()}"
    assert call(server, "GET", path, headers={"If-None-Match": "*"}).status_code == 304
    assert (answer := call(server, "GET", path, headers={"If-Match": '"x"'})).status_code == 412
    assert answer.content == b"content"
    assert call(server, "GET", f"{path}?download=0").headers["content-disposition"] == "Inline; filename=a.txt"
    assert "content-type" not in call(server, "GET", path, headers={"If-None-Match": "*"}).headers


def test_types_follow_the_bytes_then_the_name(server: Server) -> None:
    for content, filename, kind in (
        (b"<html></html>", "a.bin", "text/html"),
        (b'{"a": 1}', "a.bin", "application/json"),
        (b"\0\1", "a.mp3", "audio/mpeg"),
        (b"\0\1", "noextension", None),
    ):
        assert made(server, content, filename=filename)["mimetype"] == kind


def test_the_demo_is_the_same_every_time() -> None:
    seen = []
    for _ in range(2):
        with start_sandbox("sams", seed="demo") as server:
            items = searched(server, {"size": 200, "sort": [{"_media_id": "asc"}]})["_items"]
            [picture] = [item for item in items if item["filename"] == "First snow.jpg"]
            content = call(server, "GET", f"consume/assets/binary/{picture['_id']}").content
            seen.append((items, content))
            names = [(part["name"], part["width"]) for part in picture["renditions"]]
            assert names == [("original", 1200), ("thumbnail", 220), ("viewImage", 640)]
    for items, _ in seen:
        for item in items:
            item["_links"].pop("public", None)  # has the port in it
    assert seen[0] == seen[1]


def test_the_bench_has_much_of_everything() -> None:
    options = ("--bench-files", "50", "--bench-size", "3000000", "--bench-big", "20")
    with start_sandbox("sams", seed="bench", options=options) as server:
        counts = {"counts": {"terms": {"field": "set_id"}, "aggs": {"bytes": {"sum": {"field": "length"}}}}}
        found = searched(server, {"size": 0, "aggs": counts})["_aggregations"]["counts"]["buckets"]
        assert sorted(bucket["doc_count"] for bucket in found) == [1, 20, 50, 1000]
        [large] = [bucket for bucket in found if bucket["doc_count"] == 1]
        assert large["bytes"]["value"] == 3_000_000
        source = {"query": {"term": {"set_id": large["key"]}}}
        [asset] = searched(server, source)["_items"]
        assert call(server, "GET", f"consume/assets/{asset['_id']}").json()["_etag"] == asset["_etag"]
        assert len(call(server, "GET", f"consume/assets/binary/{asset['_id']}").content) == 3_000_000
