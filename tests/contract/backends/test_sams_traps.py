"""What is easily done wrong with SAMS (the protocol's traps 1 to 23): each that a client can fall into, by its name.

Traps 11 and 22 are the official client's and the server's packaging; what they mean for us is in 4 and 5.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import httpx
import pytest

from assetfs.repository import (
    Busy,
    Forbidden,
    NotAuthenticated,
    NotEmpty,
    NotFound,
    ProtocolViolation,
    Repository,
    TooLarge,
    VersionChanged,
)
from assetfs.sandbox import makings
from assetfs.transport import Transport
from tests.contract.backends.sams import OTHER_DESTINATION, TAGS, SamsWorld
from tests.contract.doubles import Book, Held, fetched
from tests.contract.test_reading import listed
from tests.contract.test_writing import seen
from tests.sandboxes import start_sandbox

Fresh = Callable[..., bytes]


@pytest.fixture(scope="module")
def server() -> Iterator[SamsWorld]:
    with start_sandbox("sams", seed="empty") as running:
        yield SamsWorld(running)


@pytest.fixture
def world(server: SamsWorld) -> SamsWorld:
    server.reset()
    return server


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Method and path of every request that we make."""
    found: list[tuple[str, str]] = []
    request, fetch = Transport.request, Transport.fetch

    async def noted_request(self: Transport, method: str, path: str, **given: Any) -> Any:
        found.append((method, unquote(path)))
        return await request(self, method, path, **given)

    async def noted_fetch(self: Transport, path: str, *given: Any, **more: Any) -> None:
        found.append(("GET", unquote(path)))
        await fetch(self, path, *given, **more)

    monkeypatch.setattr(Transport, "request", noted_request)
    monkeypatch.setattr(Transport, "fetch", noted_fetch)
    return found


async def opened(world: SamsWorld, **options: object) -> Repository:
    repository = world.open(**options)
    await repository.connect()
    return repository


def portrait(size: int) -> bytes:
    return makings.encoded(makings.gradient(size, (0, 0, 0), (9, 9, secrets.randbelow(200))), "PNG")


def kinds(world: SamsWorld) -> list[str]:
    return [f"{request['method']} {request['kind']}" for request in world.requests()]


async def test_01_there_are_no_ranges_and_parts_are_not_downloads_of_the_whole(
    world: SamsWorld, repository: Repository, area: Any, fresh: Fresh
) -> None:
    content = fresh(3_000_000)
    node = await repository.stat(world.put(area.id, "a.bin", content))
    await repository.attribute(node, "user.sams.sha1")
    world.reset()
    for start in range(0, 3_000_000, 500_000):
        assert (await fetched(repository, node, start, start + 500_000)).content == content[start : start + 500_000]
    assert kinds(world) == ["GET binary"]


@pytest.mark.parametrize("name", ["選挙.txt", "../../選挙.txt", "tab\t.txt", "line\nbreak.txt"])
async def test_02_and_18_names_break_downloads_and_lead_nowhere(
    world: SamsWorld, repository: Repository, area: Any, fresh: Fresh, name: str
) -> None:
    content = fresh()
    node = await repository.stat(world.put(area.id, name, content))
    assert (await fetched(repository, node)).content == content
    assert (await listed(repository, area))[name].id == node.id


async def test_03_new_content_takes_stale_renditions_away(world: SamsWorld, repository: Repository, area: Any) -> None:
    node = await repository.upload(area, "p.png", Held(portrait(60)), Book())
    world.call("POST", f"produce/assets/images/{node.id[1:]}?width=20&name=thumbnail")
    world.reset()
    await repository.replace(node, area, Held(portrait(90)), Book())
    assert kinds(world)[-2:] == ["PATCH asset", "PATCH asset"], "the content, and the clean-up that confirms it"
    world.call("GET", f"consume/assets/images/{node.id[1:]}?width=20")
    [made] = world.asset(node.id)["renditions"]
    assert made["width"] == 20


async def test_04_and_11_a_move_to_another_destination_takes_content_tags_and_extra_along(
    world: SamsWorld, repository: Repository, area: Any, fresh: Fresh
) -> None:
    bucket = await repository.stat(world.make_set(f"bucket {secrets.token_hex(4)}", OTHER_DESTINATION))
    content, tags, extra = fresh(), [{"code": "a", "name": "A"}], {"byline": "Ann", "n": [1]}
    given = {"tags": json.dumps(tags), "extra": json.dumps(extra)}
    node = await repository.stat(world.put(area.id, "a.txt", content, **given))
    await repository.move(node, area, bucket, "a.txt")
    assert seen(world, bucket) == {"a.txt": content}
    now = world.asset(node.id)
    assert (now["tags"], now["extra"]) == (tags, extra)


async def test_05_looking_makes_no_renditions(
    world: SamsWorld, repository: Repository, area: Any, asked: list[tuple[str, str]]
) -> None:
    file = world.put(area.id, "p.png", portrait(60))
    before = world.asset(file)
    creating = await opened(world, create_renditions=True)
    top = await creating.hidden(area, ".renditions")
    shelf = await creating.hidden(top, "640x640")
    node = await creating.hidden(shelf, "p.png")
    await creating.stat(node.id), await creating.metadata([node]), await listed(creating, shelf)
    assert not [path for _, path in asked if "/images/" in path]
    assert world.asset(file) == before
    await creating.close()


async def test_06_what_any_client_may_falsify_is_checked_and_never_sent_back(
    world: SamsWorld, repository: Repository, area: Any, fresh: Fresh
) -> None:
    file = world.put(area.id, "a.txt", fresh(50))
    world.change(file, json={"length": 3})
    with pytest.raises(ProtocolViolation, match="SHA-1"):
        await fetched(repository, await repository.stat(file))
    await repository.set_metadata(await repository.stat(file), {TAGS: b"Ann"})
    world.change(file, json={"length": 50})
    await repository.set_metadata(await repository.stat(file), {TAGS: b"Ann\nBob"})
    assert world.asset(file)["length"] == 50
    assert len((await fetched(repository, await repository.stat(file))).content) == 50


async def test_07_lists_end_early_and_nothing_is_missed(
    world: SamsWorld, repository: Repository, area: Any, fresh: Fresh
) -> None:
    files = {world.put(area.id, f"{number}.txt", fresh()) for number in range(30)}
    sets = {world.make_set(f"set {secrets.token_hex(6)}") for _ in range(12)}
    for set_id in sets:
        world.put(set_id, "a.txt", fresh())
    nodes = [node async for page in repository.children(area) for node in page.nodes]
    assert {node.id for node in nodes} == files == set(await repository.metadata(nodes))
    assert (await repository.usage()).files == sum(
        bucket["doc_count"]
        for bucket in world.call("GET", "consume/assets?source=" + json.dumps(COUNTS)).json()["_aggregations"]["c"][
            "buckets"
        ]
    )
    taking = await opened(world, locks="take")
    for node in nodes[:12]:
        await taking.claim(node)
    assert world.asset(nodes[11].id)["lock_action"] == "edit"
    await taking.close()
    assert all(world.asset(node.id)["lock_action"] is None for node in nodes[:12])


COUNTS = {"size": 0, "aggs": {"c": {"terms": {"field": "set_id", "size": 1000}}}}


async def test_08_every_search_is_sorted(
    world: SamsWorld, repository: Repository, area: Any, fresh: Fresh, asked: list[tuple[str, str]]
) -> None:
    world.put(area.id, "a.txt", fresh())
    await listed(repository, area), await listed(repository, await repository.root())
    [_ async for _ in repository.search("a")], [_ async for _ in repository.tagged("a")]
    await repository.upload(area, "b.txt", Held(fresh()), Book())
    for _, path in asked:
        if path.startswith("consume/assets?source="):
            source = json.loads(path.partition("source=")[2])
            assert source.get("size") == 0 or source["sort"], path
        elif path.startswith("consume/sets?"):
            assert parse_qs(urlsplit(path).query)["sort"] == ['[("_id",1)]']


async def test_09_keys_that_the_index_remembers_do_not_come_back(
    world: SamsWorld, repository: Repository, area: Any, fresh: Fresh
) -> None:
    file = world.put(area.id, "a.txt", fresh(), extra='{"gone": "x", "kept": "y"}')
    world.change(file, json={"extra": {"kept": "y"}})
    [node] = (await listed(repository, area)).values()
    assert "user.sams.extra.gone" not in (await repository.metadata([node]))[file]
    [node] = (await listed(repository, area)).values()  # the index tells of it again
    await repository.set_metadata(node, {"user.sams.extra.kept": b"z"})
    assert world.asset(file)["extra"] == {"kept": "z"}
    now = await repository.set_metadata(node, {"user.sams.extra.kept": None})
    assert "user.sams.extra.kept" not in now
    [node] = (await listed(repository, area)).values()
    assert "user.sams.extra.kept" not in (repository.described(node) or {})


async def test_10_an_etag_may_be_checked_in_vain_and_a_lock_is_not_enforced(
    world: SamsWorld, repository: Repository, area: Any, fresh: Fresh
) -> None:
    node = await repository.upload(area, "a.txt", Held(fresh()), Book())
    world.switch(lost_patches=True)
    for change in (
        lambda: repository.set_metadata(node, {TAGS: b"Ann"}),
        lambda: repository.replace(node, area, Held(fresh(70)), Book()),
    ):
        with pytest.raises(Exception, match="somebody else keeps changing"):
            await change()
    world.switch(lost_patches=False)
    path = f"produce/assets/lock/{node.id[1:]}?external_user_id=ines&external_session_id=s"
    world.call("PATCH", path, json={"lock_action": "edit"})
    with pytest.raises(Busy):
        await repository.remove(node, area)


async def test_12_the_key_is_sent_raw_and_some_keys_never_work(world: SamsWorld) -> None:
    for key in ("cafe1234", "secretkey", "wrong"):
        repository = world.open(credential=key)
        with pytest.raises(NotAuthenticated, match="begins with" if key[0] in "cs" else "credential"):
            await repository.connect()
        await repository.close()


async def test_13_nothing_is_public_by_itself_and_the_file_server_gets_no_key(
    world: SamsWorld, repository: Repository, area: Any, fresh: Fresh, asked: list[tuple[str, str]]
) -> None:
    content = fresh()
    node = await repository.upload(area, "a.txt", Held(content), Book())
    assert world.asset(node.id)["state"] == "draft"
    now = await repository.set_metadata(node, {"user.sams.state": b"public"})
    await fetched(repository, await repository.stat(node.id))
    assert not [path for _, path in asked if "://" in path or path.startswith("assets/")]
    assert httpx.get(now["user.sams.public_url"].value.decode()).content == content


async def test_14_what_may_be_cached_for_a_month_is_asked_for_by_its_media_id(
    world: SamsWorld, repository: Repository, area: Any, fresh: Fresh, asked: list[tuple[str, str]]
) -> None:
    node = await repository.stat(world.put(area.id, "a.txt", fresh()))
    await fetched(repository, node)
    downloads = [path for _, path in asked if "/binary/" in path]
    assert downloads
    assert all(path.endswith(f"?v={node.version}") for path in downloads)


async def test_15_a_500_of_the_servers_own_is_not_repeated(
    world: SamsWorld, repository: Repository, area: Any, fresh: Fresh
) -> None:
    gone = await repository.stat(world.beside("root", "gone"))
    world.destroy(gone.id)
    world.reset()
    with pytest.raises(NotFound):
        await repository.upload(gone, "a.txt", Held(fresh()), Book())
    assert kinds(world).count("POST asset") == 1


async def test_16_what_would_be_refused_is_not_sent(world: SamsWorld, repository: Repository, fresh: Fresh) -> None:
    small = await repository.stat(world.make_set(f"small {secrets.token_hex(4)}", maximum_asset_size=10))
    draft = await repository.stat(world.make_set(f"draft {secrets.token_hex(4)}", state="draft"))
    world.reset()
    with pytest.raises(TooLarge):
        await repository.upload(small, "a.txt", Held(fresh(11)), Book())
    with pytest.raises(Forbidden):
        await repository.upload(draft, "a.txt", Held(fresh(11)), Book())
    assert kinds(world) == []


async def test_17_a_draft_set_is_not_removed_with_its_assets(
    world: SamsWorld, repository: Repository, area: Any, fresh: Fresh
) -> None:
    draft = await repository.stat(world.make_set(f"draft {secrets.token_hex(4)}", state="draft"))
    file, content = world.put(area.id, "a.txt", data := fresh()), data
    world.change(file, json={"set_id": draft.id[1:]})
    with pytest.raises(NotEmpty):
        await repository.remove_folder(draft, await repository.root())
    assert seen(world, draft) == {"a.txt": content}


async def test_19_what_people_type_is_no_query(world: SamsWorld, repository: Repository, area: Any) -> None:
    for text in ('{"$where": "sleep(1)"}', '"}]}', "name:* OR *", ".*", "$where"):
        assert [node async for page in repository.search(text) for node in page.nodes] == []


async def test_20_two_sets_of_one_name_are_both_there(world: SamsWorld, repository: Repository) -> None:
    name = f"twice {secrets.token_hex(4)}"
    both = [{"name": name, "state": "usable", "destination_name": "internal"}] * 2
    made = world.call("POST", "admin/sets", json=both).json()["_items"]
    found = [node async for page in repository.children(await repository.root()) for node in page.nodes]
    assert {node.id for node in found if node.name == name} == {f"s{one['_id']}" for one in made}


async def test_21_links_are_not_followed(
    world: SamsWorld, repository: Repository, area: Any, fresh: Fresh, asked: list[tuple[str, str]]
) -> None:
    node = await repository.upload(area, "a.txt", Held(fresh()), Book())
    await repository.set_metadata(node, {TAGS: b"Ann"})
    await listed(repository, await repository.root())
    assert not [path for method, path in asked if method == "GET" and path.startswith(("produce", "admin/sets", "/"))]


async def test_23_two_saves_in_one_second_are_two_versions(
    world: SamsWorld, repository: Repository, area: Any, fresh: Fresh
) -> None:
    node = await repository.stat(world.put(area.id, "a.txt", fresh(50)))
    world.overwrite(node.id, fresh(50))
    with pytest.raises(VersionChanged):
        await fetched(repository, node)
    now = await repository.stat(node.id)
    assert now.version != node.version
