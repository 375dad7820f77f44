"""Another credential for a repository that is in use: read once, asked again once, and nothing of the seam left out."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from assetfs.backends import Address
from assetfs.config import MountConfig, source
from assetfs.daemon import renewing as module
from assetfs.daemon.renewing import Renewing, renewing
from assetfs.failure import Failure
from assetfs.repository import (
    Capabilities,
    Identity,
    Kind,
    Node,
    NotAuthenticated,
    Page,
    Repository,
    Unavailable,
    Unsupported,
)
from assetfs.transport import TransportOptions

ROOT = Node(id="root", kind=Kind.FOLDER, name="")
FILE = Node(id="1", kind=Kind.FILE, name="a")


class Shop(Repository):
    """Opens for the key `good` only; a shop that was opened with `late` refuses in the middle of a listing."""

    name = "shop"
    extra = "beyond the seam"

    def __init__(self, address: Address) -> None:
        self.secret = address.secret
        self.closed = False
        self.capabilities = Capabilities()

    @property
    def requests(self) -> dict[str, int]:
        return {self.secret: 1}

    def _opened(self) -> None:
        if self.secret != "good":
            raise NotAuthenticated("the key is refused")

    async def connect(self) -> Identity:
        if self.secret not in ("good", "old", "late"):
            raise NotAuthenticated("the key is refused")
        return Identity(server="Shop", user=self.secret, url="https://h/")

    async def close(self) -> None:
        self.closed = True

    async def root(self) -> Node:
        return ROOT

    async def children(self, folder: Node) -> AsyncIterator[Page]:
        if self.secret == "late":
            yield Page([FILE])
        self._opened()
        yield Page([FILE])

    async def stat(self, node: str) -> Node:
        self._opened()
        return FILE

    async def fetch(self, *_: object) -> None:
        self._opened()

    async def metadata(self, nodes: Any) -> dict[str, Any]:
        self._opened()
        return {}


class Rig:
    """A shop opened with `first`, and a place where the key can be read again."""

    def __init__(self, first: str, kept: str | Failure | None, monkeypatch: pytest.MonkeyPatch, place: Path) -> None:
        self.kept = kept
        self.looks = 0
        self.opened: list[Shop] = []
        monkeypatch.setattr(module, "reread_secret", self._look)
        monkeypatch.setattr(module, "PAUSE", 0.0)
        address = Address(backend="shop", url=source.parse("jama+https://h/").url, secret=first)
        config = MountConfig(
            mountpoint=place,
            source="shop",
            address=address,
            transport=TransportOptions(),
            cache_dir=place,
            state_dir=place,
            uid=0,
            gid=0,
            cache_size=0,
            cache_free=0,
            read_ahead=0,
        )
        self.shop: Renewing = renewing(config, self._open)

    def _look(self, _: MountConfig) -> str | None:
        self.looks += 1
        if isinstance(self.kept, Failure):
            raise self.kept
        return self.kept

    def _open(self, address: Address) -> Shop:
        self.opened.append(Shop(address))
        return self.opened[-1]


@pytest.fixture
def rig(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Rig]:
    return lambda first, kept: Rig(first, kept, monkeypatch, tmp_path)


def test_every_method_of_the_seam_is_forwarded() -> None:
    own = {name for name in vars(Repository) if not name.startswith("_")}
    assert {name for name in own if inspect.isfunction(vars(Repository)[name])} <= set(vars(Renewing))
    assert not Renewing.__abstractmethods__


async def test_what_was_refused_is_asked_again_with_the_new_key(rig: Callable[..., Rig]) -> None:
    it = rig("old", "good")
    await it.shop.connect()
    assert await it.shop.stat("1") == FILE
    assert [shop.secret for shop in it.opened] == ["old", "good"]
    assert it.looks == 1
    assert it.shop.refused == ""
    assert it.shop.requests == {"old": 1, "good": 1}
    assert not it.opened[0].closed, "somebody may be busy with it"
    await it.shop.close()
    assert all(shop.closed for shop in it.opened)


@pytest.mark.parametrize("kept", ["old", "bad", None, Failure("the file is gone")])
async def test_without_another_that_opens_it_the_refusal_stays(rig: Callable[..., Rig], kept: object) -> None:
    it = rig("old", kept)
    await it.shop.connect()
    with pytest.raises(NotAuthenticated):
        await it.shop.stat("1")
    assert it.looks == 1
    assert it.shop.refused
    assert it.shop.current is it.opened[0]
    it.kept = "good"
    assert await it.shop.stat("1") == FILE


async def test_listings_go_on_from_the_beginning_only(rig: Callable[..., Rig]) -> None:
    it = rig("old", "good")
    assert [page.nodes async for page in it.shop.children(ROOT)] == [[FILE]]
    late = rig("late", "good")
    with pytest.raises(Unavailable, match="ask again"):
        [page async for page in late.shop.children(ROOT)]
    assert [page.nodes async for page in late.shop.children(ROOT)] == [[FILE]]


async def test_what_a_backend_cannot_do_it_still_cannot(rig: Callable[..., Rig]) -> None:
    it = rig("good", "good")
    with pytest.raises(Unsupported):
        await it.shop.rename(FILE, ROOT, "b")
    with pytest.raises(Unsupported):
        it.shop.admit(ROOT, "b", Kind.FILE)
    assert it.shop.extra == "beyond the seam"
    assert it.looks == 0
