"""The documentation says what is so: links lead somewhere, options, attributes and errnos exist, the example runs."""

from __future__ import annotations

import errno
import hashlib
import importlib.util
import json
import re
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec
import pytest
import trio

from assetfs.backends import Address, available
from assetfs.backends.jama import attributes as jama
from assetfs.cli.main import COMMANDS, application
from assetfs.config import OPTIONS
from assetfs.content.catalogue import Catalogue
from assetfs.content.disk import DiskCache
from assetfs.content.reader import Reader
from assetfs.content.store import ContentStore
from assetfs.fuse.errno import ERRNO
from assetfs.repository import Kind, Node, NotFound, Repository, Unsupported, VersionChanged
from assetfs.transport import TransportOptions
from assetfs.vfs.filesystem import REFRESH
from assetfs.vfs.xattrs import facts_of

PROJECT = Path(__file__).parents[2]
PAGES = [PROJECT / "README.md", PROJECT / "CHANGELOG.md", *sorted((PROJECT / "docs").rglob("*.md"))]
pages = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))

LINK = re.compile(r"\[[^]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
OPTION = re.compile(r"(?<![\w-])--([a-z][a-z-]+)")
ATTRIBUTE = re.compile(r"user\.(?:assetfs|xdg|dublincore|mime_type)(?:\.\w+)?(?!\w|\()")
ERROR_ROW = re.compile(r"^\| `(\w+)` \| (E\w+) \|", re.MULTILINE)

OTHERS = {"preserve", "only-values", "xattrs", "quick", "only", "list", "name", "now", "device", "cap-add"}
"""Options of cp, getfattr, tar and make bench that the pages name, and `--name` for any."""
FAMILIES = {"user.assetfs", "user.xdg", "user.dublincore"}
VERBS = {REFRESH, "user.assetfs.flush", "user.assetfs.retry", "user.assetfs.discard"}
ABSENT = {"user.dublincore.nofield"}


def prose(page: Path) -> str:
    """A page without its code blocks: programs of others are shown there."""
    return re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)


def anchor(heading: str) -> str:
    """What a heading is linked by, as the code hosts make it."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


@pages
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in LINK.findall(prose(page)):
        parts = urlsplit(target)
        if parts.scheme:
            continue
        place = (page.parent / unquote(parts.path)).resolve() if parts.path else page
        assert place.exists(), f"{target} leads nowhere"
        assert place.is_relative_to(PROJECT)
        if parts.fragment:
            assert parts.fragment in map(anchor, HEADING.findall(prose(place))), f"{target}: no such heading"


@pytest.fixture(scope="module")
def known_options() -> set[str]:
    """Every option of every command, and of every backend."""
    import typer.main

    group: Any = typer.main.get_command(application(None, everything=True))
    named = {text for command in [group, *group.commands.values()] for p in command.params for text in p.opts}
    named |= {text for c in group.commands.values() for p in c.params for text in p.secondary_opts}
    table = {f"--{name.replace('_', '-')}" for name in OPTIONS}
    table |= {f"--{o.name.replace('_', '-')}" for b in available().values() for o in b.options}
    assert table <= named
    return {text.removeprefix("--") for text in named} | {"help"}


@pages
def test_every_option_exists(page: Path, known_options: set[str]) -> None:
    unknown = set(OPTION.findall(prose(page))) - known_options - OTHERS
    assert not unknown


def test_every_command_that_is_named_exists() -> None:
    for page in PAGES:
        named = set(re.findall(r"`(?:\$ )?assetfs ([a-z]+)\b", prose(page)))
        assert named <= set(COMMANDS), page


@pages
def test_every_attribute_exists(page: Path) -> None:
    node = Node(id="1", kind=Kind.FILE, name="a", version="1", digest="sha256:0", url="https://host/")
    known = {*facts_of(node, cached=0, state="clean", error="no"), *jama.ALIASES, *VERBS, *FAMILIES, *ABSENT}
    assert set(ATTRIBUTE.findall(prose(page))) <= known


def test_every_dublin_core_field_is_told() -> None:
    told = set(re.findall(r"`(\w+)`", (PROJECT / "docs/xattrs.md").read_text()))
    assert set(jama.DUBLIN_CORE) <= told


def test_the_errnos_are_those_of_the_table() -> None:
    told = dict(ERROR_ROW.findall((PROJECT / "docs/semantics.md").read_text()))
    assert told == {cls.__name__: errno_name(code) for cls, code in ERRNO.items()}


def errno_name(code: int) -> str:
    """EOPNOTSUPP and ENOTSUP are one number on Linux; the pages say the first."""
    return "EOPNOTSUPP" if code == errno.EOPNOTSUPP else errno.errorcode[code]


# ---- the example of docs/writing-a-backend.md ------------------------------------------------------------------------

FILES = {"maps/harbour.txt": b"depths in fathoms\n" * 9000, "maps/old/1931.txt": b"", "read me.txt": b"one shelf\n"}


class Handler(BaseHTTPRequestHandler):
    """A shelf: an index, and files with ranges and entity tags."""

    protocol_version = "HTTP/1.1"
    files = FILES

    def do_GET(self) -> None:
        path = unquote(self.path).removeprefix("/files/")
        if path == "index.json":
            entries = [{"path": p, "size": len(c), "sha256": hashed(c)} for p, c in self.files.items()]
            self.answer(200, json.dumps(entries).encode())
        elif path not in self.files:
            self.answer(404, b"")
        else:
            self.deliver(self.files[path])

    def deliver(self, content: bytes) -> None:
        if self.headers["If-Match"] != f'"{hashed(content)}"':
            self.answer(412, b"")
            return
        first, last = (int(number) for number in self.headers["Range"].removeprefix("bytes=").split("-"))
        if first >= len(content):
            self.answer(416, b"", f"bytes */{len(content)}")
            return
        part = content[first : last + 1]
        self.answer(206, part, f"bytes {first}-{first + len(part) - 1}/{len(content)}")

    def answer(self, status: int, body: bytes, content_range: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        if content_range:
            self.send_header("Content-Range", content_range)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def hashed(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def shelf_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(Handler, "files", dict(FILES))
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/files/"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def example(tmp_path: Path) -> Iterator[ModuleType]:
    """The page's code block as a module."""
    page = (PROJECT / "docs/writing-a-backend.md").read_text()
    (block,) = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    place = tmp_path / "assetfs_shelf.py"
    place.write_text(block)
    spec = importlib.util.spec_from_file_location("assetfs_shelf", place)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules["assetfs_shelf"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    del sys.modules["assetfs_shelf"]


@pytest.fixture
async def shelf(example: ModuleType, shelf_server: str) -> AsyncIterator[Repository]:
    address = Address(backend="shelf", url=urlsplit(shelf_server))
    repository: Repository = example.BACKEND.open(address, TransportOptions())
    assert (await repository.connect()).url == shelf_server
    yield repository
    await repository.close()


async def listed(repository: Repository, folder: Node) -> dict[str, Node]:
    return {node.name: node async for page in repository.children(folder) for node in page.nodes}


async def test_the_example_lists_its_tree(shelf: Repository) -> None:
    top = await listed(shelf, await shelf.root())
    assert {name: node.kind for name, node in top.items()} == {"maps": Kind.FOLDER, "read me.txt": Kind.FILE}
    below = await listed(shelf, top["maps"])
    assert set(below) == {"harbour.txt", "old"}
    for node in [*top.values(), *below.values()]:
        assert await shelf.stat(node.id) == node
    metadata = await shelf.metadata([below["harbour.txt"]])
    assert metadata["f:maps/harbour.txt"]["user.shelf.path"].value == b"maps/harbour.txt"
    with pytest.raises(NotFound):
        await shelf.stat("f:nothing")
    asked = shelf.requests["index"]
    with pytest.raises(Unsupported):
        await shelf.create_folder(top["maps"], "new")
    assert shelf.requests["index"] == asked


async def test_the_example_is_read_through_the_content_store(
    shelf: Repository, nursery: trio.Nursery, tmp_path: Path
) -> None:
    catalogue = Catalogue(tmp_path / "catalogue.sqlite")
    disk = DiskCache(tmp_path / "content", "shelf", limit=1 << 30, free=0)
    store = ContentStore(shelf, catalogue, disk, nursery, memory=32 << 20, downloads=4, window=8 << 20)
    for path, content in FILES.items():
        reader = await Reader.open(store, await shelf.stat(f"f:{path}"))
        assert bytes(await reader.read(0, 1 << 20)) == content
        assert bytes(await reader.read(5, 10)) == content[5:15]
        reader.close()
    catalogue.close()


async def test_the_example_tells_versions_apart(shelf: Repository) -> None:
    node = await shelf.stat("f:read me.txt")
    Handler.files["read me.txt"] = b"two shelves\n"
    with pytest.raises(VersionChanged):
        await shelf.fetch(node, 0, 10, Nowhere())
    assert (await shelf.stat(node.id)).version != node.version
    with pytest.raises(NotFound):
        await shelf.fetch(msgspec.structs.replace(node, id="f:gone"), 0, 10, Nowhere())


class Nowhere:
    """A sink that must not get anything."""

    def lend(self, offset: int) -> memoryview:
        return memoryview(bytearray(100))

    def landed(self, offset: int, count: int) -> None:
        raise AssertionError("bytes of another version")

    def total(self, size: int) -> None:
        pass
