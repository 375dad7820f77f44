"""The tree of section 8, and where bytes are."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import pytest

from assetfs.repository import (
    Availability,
    Forbidden,
    Kind,
    Node,
    NotAuthenticated,
    NotFound,
    NotHere,
    Repository,
    RepositoryError,
)
from tests.ayon import Studio, unique
from tests.contract.ayon.kit import at, id_of, opened
from tests.contract.backends.ayon import AyonWorld
from tests.contract.doubles import fetched
from tests.contract.test_reading import listed

# ---- the tree -------------------------------------------------------------------------------------------------------


async def test_versions_links_and_sequences(studio: Studio, repository: Repository, product: Node) -> None:
    versions = {number: studio.version(number, id_of(product)) for number in (1, 2, 3, -2)}
    studio.change("version", versions[2], status="Approved")
    studio.stored("abc", versions[1], hero__abc=b"alembic")
    studio.representation("exr", versions[1], *(f"{{root[work]}}/r/hero.{n}.exr" for n in (1001, 1002)))
    nodes = await listed(repository, product)
    assert {name: node.target for name, node in nodes.items()} == {
        "v001": None,
        "v002": None,
        "v003": None,
        "@hero": None,
        "hero": "@hero",
        "latest": "v003",
        "approved": "v002",
    }
    files = await listed(repository, nodes["v001"])
    assert {name: node.kind for name, node in files.items()} == {"hero.abc": Kind.FILE, "exr": Kind.FOLDER}
    assert set(await listed(repository, files["exr"])) == {"hero.1001.exr", "hero.1002.exr"}
    for node in (*nodes.values(), *files.values(), *(await listed(repository, files["exr"])).values()):
        assert await repository.stat(node.id) == node
    (way,) = await repository.locate(files["hero.abc"].id)
    assert [step.name for step in way][-4:] == ["@products", "modelMain", "v001", "hero.abc"]
    here = await repository.root()
    for step in way:
        here = (await listed(repository, here))[step.name]
    assert here.id == files["hero.abc"].id


async def test_what_is_not_active_is_not_there_unless_it_is_shown(
    world: AyonWorld, studio: Studio, folder: str
) -> None:
    for name in ("old", "OLD"):
        below = studio.folder(name, folder)
        if name == "old":
            studio.change("folder", below, active=False)
    product = studio.product("model", folder)
    version = studio.version(1, product)
    kept = {
        f"folder.{folder}": {"OLD", "@products", "@tasks"},
        f"tasks.{folder}": set[str](),
        f"products.{folder}": {"model"},
        f"product.{product}": {"v001", "latest"},
        f"version.{version}": {"kept.abc"},
    }
    gone = {
        f"folder.{folder}": {"old"},
        f"tasks.{folder}": {"idle"},
        f"products.{folder}": {"unused"},
        f"product.{product}": {"v002"},
        f"version.{version}": {"broken.abc"},
    }
    studio.representation("kept", version, "{root[work]}/kept.abc")
    for what, id_ in (
        ("task", studio.task("idle", folder)),
        ("product", studio.product("unused", folder)),
        ("version", studio.version(2, product)),
        ("representation", studio.representation("broken", version, "{root[work]}/broken.abc")),
    ):
        studio.change(what, id_, active=False)
    plain, all_ = await opened(world), await opened(world, show_inactive=True)
    for key, names in kept.items():
        what, _, id_ = key.partition(".")
        place = f"{what}.{studio.project}.{id_}"
        shown = set(await listed(plain, await plain.stat(place)))
        assert shown - {"@tasks"} == names - {"@tasks"}, key
        assert set(await listed(all_, await all_.stat(place))) == names | gone[key], key
    await plain.close()
    await all_.close()


async def test_search(world: AyonWorld, studio: Studio, repository: Repository, folder: str) -> None:
    """In every project, for what people look for; versions would bury it."""
    word = unique("findme").replace(".", "_")
    below = studio.folder(word, folder)
    studio.task(f"{word}_task", folder)
    studio.version(1, studio.product("model", below))
    world.reset()
    found = [node async for page in repository.search(word) for node in page.nodes]
    assert {(node.id.partition(".")[0], node.name) for node in found} == {
        ("folder", word),
        ("task", f"{word}_task"),
        ("product", "model"),
    }
    assert (repository.requests["projects"], repository.requests["search"]) == (1, 1), "one for each project"
    for node in found:
        (way,) = await repository.locate(node.id)
        assert way[-1].name == node.name
    assert [page.nodes async for page in repository.search("no such thing at all")] == [[]]


async def test_tasks_and_products_answer_also_where_there_are_none(
    studio: Studio, repository: Repository, folder: str
) -> None:
    place = await repository.stat(f"folder.{studio.project}.{folder}")
    assert await listed(repository, place) == {}
    for name in ("@tasks", "@products"):
        hidden = await repository.hidden(place, name)
        assert await listed(repository, hidden) == {}
        assert (await repository.stat(hidden.id)).name == name
    for name in (".git", "@nothing", ".review"):
        with pytest.raises(NotFound):
            await repository.hidden(place, name)
    studio.task("modeling", folder)
    studio.product("modeling", folder)
    assert set(await listed(repository, place)) == {"@tasks", "@products"}


async def test_names_of_files_come_from_their_paths(studio: Studio, repository: Repository, product: Node) -> None:
    version = studio.version(1, id_of(product))
    paths = {
        "a": ("C:\\shots\\win.abc", "win.abc"),
        "b": ("{root[work]}/x/.review", "b~.review"),
        "c": ("", "c.bin"),
        "d": ("{root[work]}/..", "d.bin"),
        "e": ("x" * 300 + ".abc", "e.abc"),
    }
    for name, (path, _) in paths.items():
        studio.representation(name, version, path)
    node = await repository.stat(f"version.{studio.project}.{version}")
    assert set(await listed(repository, node)) == {shown for _, shown in paths.values()}


async def test_unknown_sizes_are_no_guesses(studio: Studio, repository: Repository, product: Node) -> None:
    version = studio.version(1, id_of(product))
    files = [{"id": secrets.token_hex(16), "path": "{root[work]}/x.abc", "size": -5}]
    studio.make("representation", name="abc", versionId=version, files=files)
    node = await at(repository, await repository.stat(f"version.{studio.project}.{version}"), "x.abc")
    assert (node.size, node.measurable) == (None, False)


# ---- bytes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    ["../../etc/passwd", "{root[work]}/../../../../etc/passwd", "/etc/passwd", "{root[nosuch]}/etc/passwd",
     "{root[work]}\\..\\..\\etc\\passwd", "{root[work]}", "~/x", "file:///etc/passwd"],
)  # fmt: skip
async def test_a_hostile_path_is_never_opened(studio: Studio, repository: Repository, product: Node, path: str) -> None:
    version = studio.version(1, id_of(product))
    studio.representation("x", version, path)
    (node,) = (await listed(repository, await repository.stat(f"version.{studio.project}.{version}"))).values()
    assert node.local is None
    assert node.availability is Availability.OFFLINE
    with pytest.raises(NotHere):
        await fetched(repository, node)
    known = (await repository.metadata([node]))[node.id]
    assert known["user.ayon.file.store"].value == b"missing"
    assert known["user.ayon.file.path"].value == path.encode()


async def test_a_link_out_of_the_root_is_never_followed(
    studio: Studio, repository: Repository, product: Node, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    studio.root.joinpath("out").mkdir(parents=True, exist_ok=True)
    place = unique("out/link")
    studio.root.joinpath(place).symlink_to(secret)
    studio.root.joinpath(f"{place}dir").symlink_to(tmp_path)
    version = studio.version(1, id_of(product))
    for name, path in (("a", place), ("b", f"{place}dir/secret")):
        studio.representation(name, version, f"{{root[work]}}/{path}")
    for node in (await listed(repository, await repository.stat(f"version.{studio.project}.{version}"))).values():
        with pytest.raises(NotHere):
            await fetched(repository, node)
        assert (await repository.metadata([node]))[node.id]["user.ayon.file.store"].value == b"missing"


async def test_a_null_name_spoils_no_list(studio: Studio, repository: Repository, product: Node) -> None:
    version = studio.version(1, id_of(product))
    files = [{"id": "n1", "name": None, "path": "{root[work]}/p/c.abc", "size": 1}]
    studio.make("representation", name="bad", versionId=version, files=files)
    studio.stored("good", version, good__bin=b"good")
    nodes = await listed(repository, await repository.stat(f"version.{studio.project}.{version}"))
    assert set(nodes) == {"c.abc", "good.bin"}
    assert len(await repository.metadata(list(nodes.values()))) == 2


@pytest.mark.parametrize("size", [300, 9 << 20, 13 << 20])
async def test_films_come_whole_whatever_the_server_makes_of_ranges(
    studio: Studio, repository: Repository, product: Node, size: int
) -> None:
    version = studio.version(1, id_of(product))
    content = os.urandom(size)
    file = studio.file("film.mov", content, version, "video/quicktime")
    files = [{"id": file, "name": "film.mov", "path": "{root[work]}/film.mov", "size": size}]
    data = {"assetfs": {"store": "project-files"}}
    studio.make("representation", name="mov", versionId=version, files=files, data=data)
    node = await at(repository, await repository.stat(f"version.{studio.project}.{version}"), "film.mov")
    assert (await fetched(repository, node, 0, size + 100)).content == content
    for start, stop in ((size - 5, size), (10, 20), (max(0, size - (5 << 20)), size)):
        assert (await fetched(repository, node, start, stop)).content == content[start:stop]


async def test_the_redirect_is_followed_once(
    world: AyonWorld, studio: Studio, repository: Repository, product: Node
) -> None:
    version = studio.version(1, id_of(product))
    studio.stored("bin", version, a__bin=b"0123456789" * 1000)
    node = await at(repository, await repository.stat(f"version.{studio.project}.{version}"), "a.bin")
    world.reset()
    for start in (0, 100, 5000):
        await fetched(repository, node, start, start + 10)
    paths = [request["path"].rpartition("/")[2] for request in world.requests()]
    assert paths[1:] == ["payload"] * 3
    assert paths[0] != "payload"


async def test_a_file_that_was_swept_away_is_gone_and_one_that_was_replaced_has_another_version(
    studio: Studio, repository: Repository, product: Node
) -> None:
    version = studio.version(1, id_of(product))
    representation = studio.stored("bin", version, a__bin=b"old bytes")
    node = await repository.stat(f"representation.{studio.project}.{representation}")
    studio.call("DELETE", f"files/{node.version}")
    with pytest.raises(NotFound):
        await fetched(repository, node)
    new = studio.stored_file("a.bin", version, b"new bytes")
    studio.change("representation", representation, files=[new])
    with pytest.raises(RepositoryError, match="replaced"):
        await fetched(repository, node)


# ---- who we are -----------------------------------------------------------------------------------------------------


async def test_a_session_is_begun_with_a_password_and_begun_again(world: AyonWorld) -> None:
    artist = world.running.info["artist"]
    repository = world.open(credential=artist["password"], user=artist["name"])
    assert (await repository.connect()).user == artist["name"]
    token = repository._client.token  # type: ignore[attr-defined]
    assert len(token) == 64
    world.running.http.post(f"{world.running.url}/api/auth/logout", headers={"Authorization": f"Bearer {token}"})
    await listed(repository, await repository.root())
    assert repository.requests["login"] == 2
    await repository.close()
    wrong = world.open(credential="wrong", user=artist["name"])
    with pytest.raises(NotAuthenticated):
        await wrong.connect()
    assert wrong.requests["login"] == 1
    await wrong.close()


async def test_who_may_not_delete_is_told_so(world: AyonWorld, studio: Studio, folder: str) -> None:
    artist = await opened(world, credential=world.running.info["artist"]["credential"])
    product = studio.product("kept", folder)
    node = await artist.stat(f"product.{studio.project}.{product}")
    with pytest.raises(Forbidden):
        await artist.remove_folder(node, node)
    assert studio.get("product", product)["active"]
    await artist.close()
