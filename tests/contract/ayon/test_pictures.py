"""Reviewables, entity lists, what a crash left a day ago, and storage that is elsewhere."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import trio

from assetfs.backends import Address
from assetfs.backends.ayon import deposit
from assetfs.backends.ayon.client import Client
from assetfs.backends.ayon.downloads import Downloads
from assetfs.repository import Conflict, Kind, NameRejected, Node, NotHere, Repository, Unavailable
from assetfs.transport import TransportOptions
from tests.ayon import Studio, unique
from tests.contract.ayon.kit import PNG, anchors, at, draft, files_left, id_of, opened
from tests.contract.backends.ayon import AyonWorld
from tests.contract.doubles import Book, Collected, Held, fetched
from tests.contract.test_reading import listed


async def test_what_is_hidden_can_be_listed_where_that_is_wanted(
    studio: Studio, repository: Repository, product: Node, place: Node
) -> None:
    assert [node.name for node in await repository.hidden_entries(await repository.root())] == [".lists"]
    assert [node.name for node in await repository.hidden_entries(place)] == [".links"]
    thumbnail = await repository.upload(place, ".thumbnail.png", Held(PNG), Book())
    folder = await repository.stat(place.id)
    assert await repository.hidden_entries(folder) == [await repository.hidden(folder, ".links"), thumbnail]
    version = await repository.stat(f"version.{studio.project}.{studio.version(1, id_of(product))}")
    assert [node.name for node in await repository.hidden_entries(version)] == [".review", ".links"]
    assert repository.hides(version, ".thumbnail.png")
    assert not repository.hides(version, ".hidden.png")


async def test_reviewables(world: AyonWorld, studio: Studio, repository: Repository, product: Node) -> None:
    version = await repository.stat(f"version.{studio.project}.{studio.version(1, id_of(product))}")
    review = await repository.hidden(version, ".review")
    assert await listed(repository, review) == {}
    with pytest.raises(NameRejected):
        repository.admit(review, "notes.txt", Kind.FILE)
    repository.admit(review, "beauty.png", Kind.FILE)
    node = await repository.upload(review, "beauty.png", Held(PNG), Book())
    assert {name: one.id for name, one in (await listed(repository, review)).items()} == {"beauty.png": node.id}
    assert await repository.measure([node]) == {node.id: len(PNG)}
    assert (await fetched(repository, node)).content == PNG
    with pytest.raises(Conflict):
        await repository.upload(review, "beauty.png", Held(PNG + b" "), Book())
    (way,) = await repository.locate(node.id)
    assert [step.name for step in way][-3:] == ["v001", ".review", "beauty.png"]
    await repository.remove(node, review)
    assert await listed(repository, review) == {}
    assert not studio.has(node.version or "")


async def test_reviewables_stand_in_for_what_is_not_here(
    world: AyonWorld, studio: Studio, repository: Repository, product: Node
) -> None:
    """Where `media_fallback` says so, those of the same name and size."""
    id_ = studio.version(1, id_of(product))
    version = await repository.stat(f"version.{studio.project}.{id_}")
    await repository.upload(await repository.hidden(version, ".review"), "beauty.png", Held(PNG), Book())
    for name, root, size in (("near", "work", len(PNG)), ("far", "nosuch", len(PNG)), ("other", "nosuch", 7)):
        file = {"id": unique(name), "name": "x", "path": f"{{root[{root}]}}/{name}/beauty.png", "size": size}
        studio.make("representation", name=name, versionId=id_, files=[file])
    plain, willing = await opened(world), await opened(world, media_fallback=True)
    for one, good in ((plain, 0), (willing, 2)):
        found = 0
        async for page in one.children(await one.stat(version.id)):
            for node in page.nodes:
                try:
                    found += (await fetched(one, node)).content == PNG
                except NotHere:
                    continue
        assert found == good
    await plain.close()
    await willing.close()


@pytest.mark.parametrize("fault", ["lost_answer", "drop"])
async def test_a_reviewable_is_not_made_twice(
    world: AyonWorld, studio: Studio, repository: Repository, product: Node, fault: str
) -> None:
    version = await repository.stat(f"version.{studio.project}.{studio.version(1, id_of(product))}")
    review = await repository.hidden(version, ".review")
    book = Book()
    world.arm(fault, match={"method": "POST"})
    with pytest.raises(Unavailable):
        await repository.upload(review, "a.png", Held(PNG), book)
    world.reset()
    node = await repository.upload(review, "a.png", Held(PNG), Book(book.state))
    assert {name: one.id for name, one in (await listed(repository, review)).items()} == {"a.png": node.id}


async def test_entity_lists(studio: Studio, repository: Repository, product: Node) -> None:
    versions = [studio.version(number, id_of(product)) for number in (1, 2)]
    label = unique("Dailies 2026 ")
    items = [{"entityId": versions[1]}, {"entityId": versions[0]}]
    studio.call("POST", "lists", json={"label": label, "entityType": "version", "items": items})
    lists = await repository.hidden(await repository.root(), ".lists")
    shelf = await at(repository, lists, studio.project)
    entries = await listed(repository, await at(repository, shelf, label))
    assert {name: node.leads_to for name, node in entries.items()} == {
        "01-v002": f"version.{studio.project}.{versions[1]}",
        "02-v001": f"version.{studio.project}.{versions[0]}",
    }
    for node in entries.values():
        assert await repository.stat(node.id) == node
        (way,) = await repository.locate(node.id)
        assert [step.name for step in way] == [".lists", studio.project, label, node.name]


async def test_what_a_crash_left_a_day_ago_is_tidied(
    world: AyonWorld,
    studio: Studio,
    repository: Repository,
    folder: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By the next publish of this machine in the project: what was published is held, what was not goes."""
    found = draft(tmp_path, a__abc=b"abc")
    product = await repository.stat(f"product.{studio.project}.{studio.product(unique('p'), folder)}")
    world.reset()
    world.arm("hang", match={"kind": "operations"})
    with trio.move_on_after(3):
        await repository.commit_draft(found, product, "next", b"", Book())
    world.running.disarm()
    left = files_left(world)
    assert left
    assert anchors(studio, id_of(product))
    monkeypatch.setattr(deposit, "OLD", timedelta(0))
    world.running.switch(collect_after=0.0)
    another = await opened(world)
    await another.commit_draft(
        found, await another.create_folder(await products(another, studio, folder), "last"), "v1", b"", Book()
    )
    assert anchors(studio, id_of(product)) == []
    assert not [id_ for id_ in left if studio.has(id_)]
    await another.close()


async def products(repository: Repository, studio: Studio, folder: str) -> Node:
    """`@products` of a folder."""
    return await repository.hidden(await repository.stat(f"folder.{studio.project}.{folder}"), "@products")


# ---- storage elsewhere --------------------------------------------------------------------------------------------


@contextmanager
def serving(answer: object) -> Iterator[tuple[str, list[dict[str, str]]]]:
    """A web server that answers every GET by `answer(handler)`; its address, and the headers that it got."""
    seen: list[dict[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            seen.append({name.lower(): value for name, value in self.headers.items()})
            answer(self)  # type: ignore[operator]

        def log_message(self, *ignored: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", seen
    finally:
        server.shutdown()
        server.server_close()


async def test_an_object_store_gets_no_credential_and_is_asked_again_when_its_address_has_ended() -> None:
    content = b"0123456789" * 100
    refused = iter((False, True, False))

    def store(handler: BaseHTTPRequestHandler) -> None:
        if next(refused, False):
            handler.send_response(403)
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return
        first, last = map(int, handler.headers["Range"].removeprefix("bytes=").split("-"))
        handler.send_response(206)
        handler.send_header("Content-Range", f"bytes {first}-{last}/{len(content)}")
        handler.send_header("Content-Length", str(last - first + 1))
        handler.end_headers()
        handler.wfile.write(content[first : last + 1])

    with serving(store) as (storage, at_storage):

        def ayon(handler: BaseHTTPRequestHandler) -> None:
            handler.send_response(302)
            handler.send_header("Location", f"{storage}/bucket/key?X-Signature=abc")
            handler.send_header("Content-Length", "0")
            handler.end_headers()

        with serving(ayon) as (base, at_ayon):
            address = Address(backend="ayon", url=urlsplit(base), secret="k" * 32)
            client = Client(address, TransportOptions())
            downloads = Downloads(client)
            for start in (0, 500):
                sink = Collected(start, 100)
                await downloads.fetch("demo", "f" * 32, len(content), start, start + 100, sink)
                assert sink.content == content[start : start + 100]
            await client.close()
    assert [("x-api-key" in headers) for headers in at_ayon] == [True, True]
    assert len(at_storage) == 3
    for headers in at_storage:
        assert not [name for name in headers if name.startswith("x-") or name in ("authorization", "cookie")]
