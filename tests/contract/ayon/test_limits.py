"""Answers that are longer than one may be: what is asked ahead becomes less, and nothing fails."""

from __future__ import annotations

from contextlib import aclosing
from urllib.parse import urlsplit

import trio

from assetfs.backends import Address
from assetfs.backends.ayon.repository import AyonRepository
from assetfs.repository import Change, Node
from assetfs.transport import TransportOptions
from tests.ayon import Studio
from tests.contract.ayon.kit import id_of
from tests.contract.backends.ayon import AyonWorld
from tests.contract.test_reading import listed


async def test_long_sequences_make_smaller_requests(world: AyonWorld, studio: Studio, product: Node) -> None:
    world.running.switch(heartbeat=0.2)
    versions = [studio.version(number, id_of(product)) for number in range(1, 7)]
    for version in versions:
        studio.representation("exr", version, *(f"{{root[work]}}/long/sequence/hero.{n}.exr" for n in range(200)))
    address = Address(backend="ayon", url=urlsplit(world.running.url), secret=world.running.credential)
    repository = AyonRepository(address, TransportOptions(max_body=100_000))
    await repository.connect()
    async with aclosing(repository.changes()) as changes:  # type: ignore[type-var]
        with trio.fail_after(30):
            assert await anext(changes) == Change()
        await listed(repository, product)
        world.reset()
        for version in versions:
            node = await repository.stat(f"version.{studio.project}.{version}")
            assert set(await listed(repository, node)) == {"exr"}
        assert len([one for one in world.requests() if one["kind"] == "graphql"]) <= 2 * len(versions) + 2
    await repository.close()
