"""The options `conflict` and `links`."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Callable, Iterator
from typing import ClassVar
from urllib.parse import urlsplit

import pytest

from assetfs.backends.midas import weblinks
from assetfs.repository import Busy, Conflict, Kind, Node, OutOfReach, ProtocolViolation, Repository, Unsupported
from tests.contract.backends.midas import MidasWorld
from tests.contract.doubles import Book, Held, fetched
from tests.contract.test_reading import listed
from tests.contract.test_writing import seen

Fresh = Callable[..., bytes]


def contents(world: MidasWorld, node: Node) -> list[bytes]:
    """What every revision of an item holds."""
    found = world.client.call("item.get", id=node.id[1:])["revisions"]
    form = [{"items": f"{node.id[1:]},{one['revision']}", "authToken": world.client.token} for one in found]
    return [world.client.http.post("/download/", data=one).content for one in form]


async def test_conflict_beside_leaves_theirs_alone(world: MidasWorld, area: Node, fresh: Fresh) -> None:
    repository = world.open()
    await repository.connect()
    first, theirs = fresh(), fresh(70)
    node = await repository.stat(world.put(area.id, "a.bin", first))
    world.overwrite(node.id, theirs)
    with pytest.raises(Conflict) as conflict:
        await repository.replace(node, area, Held(fresh(90)), Book())
    assert conflict.value.node == await repository.stat(node.id)
    assert contents(world, node) == [first, theirs]
    await repository.close()


async def test_conflict_revision_keeps_both_in_the_history(world: MidasWorld, area: Node, fresh: Fresh) -> None:
    repository = world.open(conflict="revision")
    await repository.connect()
    assert repository.capabilities.judges_conflicts
    first, theirs, ours = fresh(), fresh(70), fresh(90)
    node = await repository.stat(world.put(area.id, "a.bin", first))
    world.overwrite(node.id, theirs)
    world.client.call("item.setmetadata", itemId=node.id[1:], element="title", value="theirs")
    new = await repository.replace(node, area, Held(ours), Book())
    assert contents(world, node) == [first, theirs, ours]
    assert (await fetched(repository, new)).content == ours
    rows = world.client.call("item.getmetadata", id=node.id[1:])
    assert [row["value"] for row in rows] == ["theirs"], "ours goes on from theirs"
    await repository.close()


async def test_conflict_refuse_is_busy_and_changes_nothing(world: MidasWorld, area: Node, fresh: Fresh) -> None:
    repository = world.open(conflict="refuse")
    await repository.connect()
    first, theirs = fresh(), fresh(70)
    node = await repository.stat(world.put(area.id, "a.bin", first))
    world.overwrite(node.id, theirs)
    with pytest.raises(Busy, match="somebody else"):
        await repository.replace(node, area, Held(fresh(90)), Book())
    assert contents(world, node) == [first, theirs]
    await repository.close()


async def test_without_history_theirs_is_not_lost_whatever_the_option(
    world: MidasWorld, area: Node, fresh: Fresh
) -> None:
    repository = world.open(conflict="revision", overwrite="replace")
    await repository.connect()
    theirs = fresh(70)
    node = await repository.stat(world.put(area.id, "a.bin", fresh()))
    world.overwrite(node.id, theirs)
    with pytest.raises(Conflict):
        await repository.replace(node, area, Held(fresh(90)), Book())
    assert seen(world, area) == {"a.bin": theirs}
    await repository.close()


# ---- links -----------------------------------------------------------------------------------------------------------


class Elsewhere(http.server.BaseHTTPRequestHandler):
    """A web server that somebody's link leads to."""

    content = bytes(range(256)) * 40
    asked: ClassVar[list[dict[str, str]]] = []

    def do_GET(self) -> None:
        self.asked.append({name.lower(): value for name, value in self.headers.items()})
        moved = {"/moved": "/file.bin", "/round": "/round", "/down": "ftp://127.0.0.1/x"}.get(self.path)
        status = 302 if moved else 200 if self.path == "/file.bin" else 403
        body = self.content if status == 200 else b""
        self.send_response(status)
        if moved:
            self.send_header("Location", moved)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def elsewhere() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    Elsewhere.asked.clear()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


async def linked(repository: Repository, world: MidasWorld, area: Node, url: str) -> Node:
    """A link item, with a length that is a lie."""
    made = world.client.call("link.create", folderid=area.id[1:], url=url, itemname="mirror.bin", length=7)
    (node,) = (await listed(repository, area)).values()
    assert node.kind is Kind.FILE
    return await repository.stat(f"i{made['item_id']}")


async def test_links_refuse_shows_a_file_that_nobody_reads(world: MidasWorld, area: Node, elsewhere: str) -> None:
    repository = world.open(links="refuse")
    await repository.connect()
    node = await linked(repository, world, area, f"{elsewhere}/file.bin")
    assert (node.kind, node.target) == (Kind.FILE, None)
    with pytest.raises(OutOfReach, match="links"):
        await fetched(repository, node, 0, 100)
    assert not Elsewhere.asked
    with pytest.raises(Unsupported):
        await repository.symlink(area, "mine", elsewhere, None)
    with pytest.raises(Unsupported):
        await repository.replace(node, area, Held(b"new"), Book())
    await repository.close()


@pytest.mark.parametrize("path", ["/file.bin", "/moved"])
async def test_links_fetch_brings_what_is_there_and_says_nothing_of_us(
    world: MidasWorld, area: Node, elsewhere: str, path: str
) -> None:
    repository = world.open(links="fetch")
    await repository.connect()
    node = await linked(repository, world, area, elsewhere + path)
    assert (node.kind, node.size, node.digest) == (Kind.FILE, None, None)
    got = await fetched(repository, node, 0, 1 << 20)
    assert (got.content, got.size) == (Elsewhere.content, len(Elsewhere.content))
    assert (await fetched(repository, node, 300, 400)).content == Elsewhere.content[300:400]
    for headers in Elsewhere.asked:
        assert not {"cookie", "authorization", "referer"} & set(headers)
        assert not [value for value in headers.values() if "MSIE" in value or "ada" in value]
    await repository.close()


async def test_links_fetch_goes_in_no_circle_and_takes_no_refusal_for_its_own(
    world: MidasWorld, area: Node, elsewhere: str
) -> None:
    repository = world.open(links="fetch")
    await repository.connect()
    node = await linked(repository, world, area, f"{elsewhere}/forbidden")
    with pytest.raises(OutOfReach, match="403"):
        await fetched(repository, node, 0, 100)
    for path in ("/round", "/down"):
        await repository.remove(node, area)
        node = await linked(repository, world, area, elsewhere + path)
        with pytest.raises(ProtocolViolation):
            await fetched(repository, node, 0, 100)
    assert len(Elsewhere.asked) <= 1 + 5 + 1
    await repository.close()


@pytest.mark.parametrize(
    ("server", "link", "allowed"),
    [
        ("http://127.0.0.1", "http://127.0.0.1:9", True),
        ("https://10.1.2.3", "http://127.0.0.1", False),
        ("https://10.1.2.3", "http://169.254.169.254/latest/meta-data", False),
        ("https://10.1.2.3", "https://192.168.1.1", True),
        ("https://9.9.9.9", "https://192.168.1.1", False),
        ("https://9.9.9.9", "http://[::1]/", False),
        ("https://9.9.9.9", "http://[fe80::1]/", False),
        ("https://9.9.9.9", "https://8.8.8.8", True),
    ],
)
async def test_a_link_leads_no_further_inside_than_its_server_is(
    repository: Repository, server: str, link: str, allowed: bool
) -> None:
    assert (await weblinks._inside(link) <= await weblinks._inside(server)) is allowed
    assert urlsplit(link).hostname
