"""What the server does that would hurt a client which does not know it: the traps that no other test springs.

The table of all of them is in docs/backends/ayon.md.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import trio

from assetfs.backends import available
from assetfs.backends.ayon.queries import LISTED, Ask
from assetfs.repository import Change, Node, NotAuthenticated, Repository, RepositoryError
from tests.ayon import Studio, unique
from tests.contract.ayon.kit import PNG, at, draft, id_of, opened
from tests.contract.backends.ayon import AyonWorld
from tests.contract.doubles import Book, Held, fetched
from tests.contract.test_reading import listed

PROJECT = Path(__file__).parents[3]
ROW = re.compile(r"^\| (\d+) \|[^|]*\| (.+) \|$", re.MULTILINE)


def test_every_trap_has_its_tests() -> None:
    """The table names each trap of the protocol once, and only tests that there are."""
    page = (PROJECT / "docs/backends/ayon.md").read_text()
    rows = dict(ROW.findall(page.partition("### Traps")[2]))
    assert [int(number) for number in rows] == list(range(1, 26))
    for tests in rows.values():
        for name in re.findall(r"`([^`]+)`", tests):
            file, _, test = name.partition("::")
            assert f"def {test}(" in (PROJECT / "tests" / file).read_text(), name


# ---- who we are -----------------------------------------------------------------------------------------------------


@pytest.fixture
def long_key(studio: Studio) -> str:
    """An API key that is as long as a session token."""
    key = secrets.token_hex(32)
    studio.call("PUT", f"api/users/{unique('robot')}", whole=True, json={"data": {"isService": True}, "apiKey": key})
    return key


@pytest.mark.parametrize("remembered", [False, True], ids=["never used", "used a moment ago"])
async def test_a_key_of_the_length_of_a_token_goes_on_working(
    world: AyonWorld, studio: Studio, product: Node, long_key: str, remembered: bool
) -> None:
    version = studio.version(1, id_of(product))
    studio.stored("bin", version, a__bin=b"0123456789")
    if remembered:
        studio.call("GET", "api/users/me", whole=True, headers={"X-Api-Key": long_key})
    repository = await opened(world, credential=long_key)
    node = await at(repository, await repository.stat(f"version.{studio.project}.{version}"), "a.bin")
    world.running.switch(key_memory=0.0)  # ten minutes later
    assert (await fetched(repository, node)).content == b"0123456789"
    studio.version(2, id_of(product))
    assert "v002" in await listed(repository, await repository.stat(product.id))
    async with aclosing(repository.changes()) as changes:  # type: ignore[type-var]
        world.running.switch(key_memory=600.0, heartbeat=0.2)
        with trio.fail_after(30):
            assert await anext(changes) == Change()
    await repository.close()


async def test_a_token_that_is_none_is_tried_twice_and_no_more(world: AyonWorld) -> None:
    repository = world.open(credential="f" * 64)
    world.reset()
    with pytest.raises(NotAuthenticated):
        await repository.connect()
    assert len(world.requests()) == 2
    await repository.close()


@asynccontextmanager
async def overheard(port: int) -> AsyncIterator[tuple[int, bytearray]]:
    """A way to a server on which somebody listens: its port, and what clients have said."""
    said = bytearray()

    async def serve(client: trio.SocketStream) -> None:
        async with client, await trio.open_tcp_stream("127.0.0.1", port) as server, trio.open_nursery() as nursery:

            async def back() -> None:
                async for data in server:
                    await client.send_all(data)
                nursery.cancel_scope.cancel()

            nursery.start_soon(back)
            async for data in client:
                said.extend(data)
                await server.send_all(data)
            nursery.cancel_scope.cancel()

    async def quietly(client: trio.SocketStream) -> None:
        try:
            await serve(client)
        except* (trio.BrokenResourceError, trio.ClosedResourceError):
            pass

    async with trio.open_nursery() as nursery:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, quietly, [listener])
        yield listener.socket.getsockname()[1], said
        nursery.cancel_scope.cancel()


async def test_no_address_holds_a_credential_and_every_request_names_its_site(
    world: AyonWorld, studio: Studio, product: Node
) -> None:
    world.running.switch(heartbeat=0.2)
    version = studio.version(1, id_of(product))
    studio.stored("bin", version, a__bin=b"0123456789")
    async with overheard(urlsplit(world.running.url).port or 0) as (port, said):
        repository = world.open(port=port)
        await repository.connect()
        async with aclosing(repository.changes()) as changes:  # type: ignore[type-var]
            with trio.fail_after(30):
                await anext(changes)
        node = await at(repository, await repository.stat(f"version.{studio.project}.{version}"), "a.bin")
        await fetched(repository, node)
        await repository.close()
    heads = re.findall(rb"(?:GET|POST) (\S+) HTTP/1\.1\r\n((?:[^\r\n]+\r\n)*)", bytes(said))
    assert len(heads) >= 6
    assert b"/ws" in [target for target, _ in heads]
    for target, fields in heads:
        assert world.running.credential.encode() not in target
        assert b"token" not in target
        assert target == b"/ws" or re.search(rb"(?im)^x-ayon-site-id: [a-z0-9-]+\r$", fields)


def test_a_site_that_the_server_would_refuse_is_refused_here() -> None:
    (option,) = (one for one in available()["ayon"].options if one.name == "site_id")
    assert option.parse is not None
    assert option.parse("ws-12") == "ws-12"
    for text in ("Ws12", "ws_12", ""):
        with pytest.raises(ValueError, match="site_id"):
            option.parse(text)


# ---- what it says, and what is so ------------------------------------------------------------------------------------


async def test_a_batch_that_was_rolled_back_is_believed_by_its_last_word_only(
    world: AyonWorld, repository: Repository, product: Node, tmp_path: Path
) -> None:
    result = {"id": "0", "type": "create", "entityType": "version", "success": True, "status": 201}
    failed = {**result, "id": "1", "success": False, "status": 403, "errorCode": "forbidden", "detail": "no"}
    body = json.dumps({"operations": [result, failed], "success": False})
    world.arm("status", match={"kind": "operations"}, status=200, body=body)
    with pytest.raises(RepositoryError, match="no"):
        await repository.commit_draft(draft(tmp_path, a__abc=b"abc"), product, "next", b"", Book())
    assert await listed(repository, product) == {}


async def test_a_file_id_is_used_for_one_content_only(
    world: AyonWorld, studio: Studio, repository: Repository, product: Node, tmp_path: Path
) -> None:
    """Under an id that was used before, the server would deliver broken answers for a while."""
    world.arm("cut_upload", match={"kind": "upload"}, after=3)
    book = Book()
    await repository.commit_draft(draft(tmp_path, a__abc=b"alembic"), product, "next", b"", book)
    deposit: dict[str, Any] = book.state["deposit"]
    assert deposit["litter"]
    assert not {file["id"] for file in deposit["files"].values()} & set(deposit["litter"])
    overwriting = await opened(world, allow_overwrite=True)
    seen = set(deposit["litter"])
    for content in (b"first", b"second, longer", b"3"):
        node = await at(overwriting, await overwriting.stat(product.id), "v001", "a.abc")
        assert node.version not in seen
        seen.add(node.version)
        now = await overwriting.replace(node, node, Held(content), Book())
        assert (await fetched(overwriting, now)).content == content
    await overwriting.close()


async def test_hashes_that_are_no_digests_are_not_checked(
    studio: Studio, repository: Repository, product: Node
) -> None:
    version = studio.version(1, id_of(product))
    files = []
    for name, hash_, kind in (
        ("op3.bin", "a" * 32, "op3"),
        ("short.bin", "0", "md5"),
        ("other.bin", hashlib.sha256(b"content").hexdigest(), "md5"),
        ("good.bin", hashlib.md5(b"content").hexdigest(), "md5"),
    ):
        file = studio.stored_file(name, version, b"content")
        files.append({**file, "hash": hash_, "hashType": kind})
    data = {"assetfs": {"store": "project-files"}}
    studio.make("representation", name="bin", versionId=version, files=files, data=data)
    folder = await at(repository, await repository.stat(f"version.{studio.project}.{version}"), "bin")
    nodes = await listed(repository, folder)
    assert {name for name, node in nodes.items() if node.digest} == {"good.bin"}
    for node in nodes.values():
        assert (await fetched(repository, node)).content == b"content"


async def test_two_pictures_are_two_even_if_the_server_marks_them_alike(
    studio: Studio, repository: Repository, folder: str
) -> None:
    """The mark of a picture is the end of its entity's id, which those of one host share."""
    tail = secrets.token_hex(3)
    places = []
    for _ in range(2):
        made = studio.folder(unique("p"), folder, id=secrets.token_hex(13) + tail)
        place = await repository.stat(f"folder.{studio.project}.{made}")
        headers = {"Content-Type": "image/png"}
        picture = studio.call("POST", "thumbnails", content=PNG, headers=headers).json()["id"]
        studio.change("folder", made, thumbnailId=picture)
        places.append(await repository.hidden(place, ".thumbnail.png"))
    assert len({(node.id, node.version) for node in places}) == 2
    assert len({node.id for node in places}) == 2


async def test_nobody_who_changed_it_is_no_attribute(studio: Studio, repository: Repository, folder: str) -> None:
    """A task that was made over REST, and a folder whose picture was uploaded."""
    task = await repository.stat(f"task.{studio.project}.{studio.task('art', folder)}")
    known = (await repository.metadata([task]))[task.id]
    assert "user.ayon.created_by" not in known
    studio.call("POST", f"folders/{folder}/thumbnail", content=PNG, headers={"Content-Type": "image/png"})
    place = await repository.stat(f"folder.{studio.project}.{folder}")
    known = (await repository.metadata([place]))[place.id]
    assert "user.ayon.updated_by" not in known
    assert known["user.ayon.created_by"].value == b"robot"


async def test_a_page_with_fewer_rows_than_asked_for_is_not_the_last(
    world: AyonWorld, studio: Studio, product: Node
) -> None:
    """Rows that one may not see are missing from it; only what it says of itself counts."""
    versions = [studio.version(number, id_of(product)) for number in range(1, 4)]
    row = studio.rows(
        "versions", "productIds", id_of(product), "id name version productId active status tags createdAt updatedAt"
    )[0]
    info = {"hasNextPage": True, "endCursor": "WzFd"}
    page = {"data": {"project": {"versions": {"edges": [{"node": row}], "pageInfo": info}}}}
    repository = await opened(world)
    world.arm("status", match={"kind": "graphql"}, status=200, body=json.dumps(page))
    client = repository._studio.client  # type: ignore[attr-defined]
    asked = Ask("versions", {"productIds": [id_of(product)]}, LISTED["versions"], 5000)
    found = await client.lists(studio.project, [asked], "numbers")
    assert {edge.node.id for edge in found.versions.edges} == set(versions)
    await repository.close()


async def test_an_upload_that_a_proxy_refuses_is_not_sent_again(
    world: AyonWorld, repository: Repository, product: Node, tmp_path: Path
) -> None:
    world.arm("status", match={"kind": "upload"}, status=413, count=None)
    world.running.forget()
    with pytest.raises(RepositoryError):
        await repository.commit_draft(draft(tmp_path, a__abc=b"abc"), product, "next", b"", Book())
    uploads = [one for one in world.requests() if one["kind"] == "upload"]
    assert len(uploads) == 1
    assert await listed(repository, product) == {}
