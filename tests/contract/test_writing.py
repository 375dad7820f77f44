"""New files, new content, names, places: what a backend declares it is tested for."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from assetfs.repository import (
    Conflict,
    Forbidden,
    Kind,
    NameRejected,
    Node,
    NotEmpty,
    NotFound,
    Repository,
    RepositoryError,
    SameContent,
    Unsupported,
)
from tests.contract.doubles import Book, Held, fetched
from tests.contract.test_reading import listed
from tests.contract.world import World

Fresh = Callable[..., bytes]


def seen(world: World, folder: Node) -> dict[str, bytes | None]:
    """Somebody else's view of a folder."""
    entries = world.entries(folder.id)
    assert len({entry.name for entry in entries}) == len(entries), "two entries of one name"
    return {entry.name: entry.content for entry in entries}


# ---- new files ----------------------------------------------------------------------------------------------------


@pytest.mark.needs("upload")
@pytest.mark.parametrize("size", [1, 40, 3_000_000])
async def test_a_new_file(world: World, repository: Repository, area: Node, fresh: Fresh, size: int) -> None:
    content, book = fresh(size), Book()
    repository.admit(area, world.samples.name, Kind.FILE)
    node = await repository.upload(area, world.samples.name, Held(content), book)
    assert (node.name, node.kind, node.size) == (world.samples.name, Kind.FILE, size)
    assert seen(world, area) == {world.samples.name: content}
    assert book.sent == size
    known = await repository.stat(node.id)
    assert (known.id, known.name, known.version, known.digest) == (node.id, node.name, node.version, node.digest)
    assert (await fetched(repository, node, 0, size + 1)).content == content


@pytest.mark.needs("upload")
async def test_a_new_file_beside_one_of_its_name(
    world: World, repository: Repository, area: Node, fresh: Fresh
) -> None:
    theirs = fresh()
    other = world.put(area.id, world.samples.name, theirs)
    with pytest.raises(Conflict) as conflict:
        await repository.upload(area, world.samples.name, Held(fresh()), Book())
    assert conflict.value.node is not None
    assert conflict.value.node.id == other
    assert seen(world, area) == {world.samples.name: theirs}


@pytest.mark.needs("upload")
async def test_the_same_content_twice(world: World, repository: Repository, area: Node, fresh: Fresh) -> None:
    content = fresh()
    first = await repository.upload(area, world.samples.name, Held(content), Book())
    if not repository.capabilities.unique_content:
        second = await repository.upload(area, f"two-{world.samples.name}", Held(content), Book())
        assert second.id != first.id
        return
    with pytest.raises(Conflict) as conflict:
        await repository.upload(area, f"two-{world.samples.name}", Held(content), Book())
    assert isinstance(conflict.value, SameContent)
    assert conflict.value.node is not None
    assert conflict.value.node.id == first.id
    assert world.samples.name in str(conflict.value), "people look for names, not for ids"
    assert set(seen(world, area)) == {world.samples.name}
    below = await repository.stat(world.make_folder(area.id, "below"))
    linked = await repository.upload(below, world.samples.name, Held(content), Book())
    assert linked.id == first.id
    assert seen(world, below) == {world.samples.name: content}


@pytest.mark.needs("upload")
async def test_what_cannot_be_stored_is_refused_before_a_byte(
    world: World, repository: Repository, area: Node, fresh: Fresh
) -> None:
    for name in ("", *([world.samples.refused_name] if world.samples.refused_name else [])):
        with pytest.raises((NameRejected, Unsupported)):
            repository.admit(area, name, Kind.FILE)
        with pytest.raises((NameRejected, Unsupported)):
            await repository.upload(area, name, Held(fresh()), Book())
    if not repository.capabilities.symlinks:
        with pytest.raises(Unsupported):
            repository.admit(area, world.samples.name, Kind.LINK)
    if world.faults:
        assert not world.requests()
    assert seen(world, area) == {}


@pytest.mark.needs("upload")
async def test_uploading_into_a_folder_that_is_gone(
    world: World, repository: Repository, area: Node, fresh: Fresh
) -> None:
    below = await repository.stat(world.make_folder(area.id, "below"))
    world.destroy(below.id)
    with pytest.raises(NotFound):
        await repository.upload(below, world.samples.name, Held(fresh()), Book())


# ---- new content --------------------------------------------------------------------------------------------------


@pytest.mark.needs("upload", "replace")
async def test_new_content_keeps_what_is_known(world: World, repository: Repository, area: Node, fresh: Fresh) -> None:
    old = await repository.upload(area, world.samples.name, Held(fresh()), Book())
    world.describe(old.id, ["Ann", "Bob"], ["KEPT"] if world.samples.tag_attribute else [])
    below = world.make_folder(area.id, "below")
    if repository.capabilities.link:
        await repository.link(old, await repository.stat(below), world.samples.name)
    content = fresh(90)
    new = await repository.replace(old, area, Held(content), Book())
    assert (new.id == old.id) is repository.capabilities.replace_keeps_id
    assert (new.name, new.size) == (old.name, 90)
    assert new.version != old.version
    assert seen(world, area) == {world.samples.name: content, "below": None}
    assert world.attributes(new.id)[world.samples.attribute] == {"Ann", "Bob"}
    if world.samples.tag_attribute:
        assert world.attributes(new.id)[world.samples.tag_attribute] == {"KEPT"}
    if repository.capabilities.link:
        assert seen(world, await repository.stat(below)) == {world.samples.name: content}
    assert (await fetched(repository, new)).content == content


@pytest.mark.needs("upload", "replace")
async def test_a_newer_version_is_never_overwritten(
    world: World, repository: Repository, area: Node, fresh: Fresh
) -> None:
    old = await repository.upload(area, world.samples.name, Held(fresh()), Book())
    theirs = fresh(70)
    newer = world.overwrite(old.id, theirs)
    with pytest.raises((Conflict, NotFound)):
        await repository.replace(old, area, Held(fresh()), Book())
    assert seen(world, area) == {world.samples.name: theirs}
    assert (await repository.stat(newer)).version != old.version


@pytest.mark.needs("upload", "replace")
async def test_the_same_bytes_again_change_nothing(
    world: World, repository: Repository, area: Node, fresh: Fresh
) -> None:
    content = fresh()
    old = await repository.upload(area, world.samples.name, Held(content), Book())
    new = await repository.replace(old, area, Held(content), Book())
    assert (new.id, new.version) == (old.id, old.version)
    assert seen(world, area) == {world.samples.name: content}


@pytest.mark.needs("upload", "replace")
async def test_the_content_of_another_file_is_not_taken_from_it(
    world: World, repository: Repository, area: Node, fresh: Fresh
) -> None:
    mine, theirs = fresh(), fresh()
    old = await repository.upload(area, world.samples.name, Held(mine), Book())
    other = world.put(area.id, f"other-{world.samples.name}", theirs)
    world.describe(other, ["Ann"])
    if repository.capabilities.unique_content:
        with pytest.raises(Conflict) as conflict:
            await repository.replace(old, area, Held(theirs), Book())
        assert conflict.value.node is not None
        assert conflict.value.node.id == other
        assert seen(world, area)[world.samples.name] == mine
    else:
        await repository.replace(old, area, Held(theirs), Book())
    assert seen(world, area)[f"other-{world.samples.name}"] == theirs
    assert world.attributes(other)[world.samples.attribute] == {"Ann"}


# ---- folders ------------------------------------------------------------------------------------------------------


@pytest.mark.needs("move")
async def test_making_and_removing_a_folder(world: World, repository: Repository, area: Node, fresh: Fresh) -> None:
    if not world.samples.nested:
        pytest.skip("there are no folders in folders")
    repository.admit(area, "new", Kind.FOLDER)
    node = await repository.create_folder(area, "new")
    assert (node.name, node.kind) == ("new", Kind.FOLDER)
    assert seen(world, area) == {"new": None}
    with pytest.raises(Conflict):
        await repository.create_folder(area, "new")
    file = world.put(node.id, world.samples.name, fresh())
    with pytest.raises(NotEmpty):
        await repository.remove_folder(node, area)
    world.destroy(file)
    below = world.make_folder(node.id, "below")
    with pytest.raises(NotEmpty):
        await repository.remove_folder(node, area)
    world.destroy(below)
    await repository.remove_folder(node, area)
    assert seen(world, area) == {}
    with pytest.raises(NotFound):
        await repository.remove_folder(node, area)


@pytest.mark.needs("create_folder")
async def test_a_folder_can_come_back(world: World, repository: Repository, area: Node) -> None:
    if not world.samples.nested:
        pytest.skip("there are no folders in folders")
    await repository.remove_folder(await repository.create_folder(area, "phoenix"), area)
    node = await repository.create_folder(area, "phoenix")
    assert (await listed(repository, area))["phoenix"].id == node.id


@pytest.mark.needs("create_folder")
async def test_folder_names_that_the_server_would_change(world: World, repository: Repository, area: Node) -> None:
    if not world.samples.nested:
        pytest.skip("there are no folders in folders")
    for name in world.samples.changed_names:
        with pytest.raises(NameRejected):
            repository.admit(area, name, Kind.FOLDER)
        with pytest.raises(NameRejected):
            await repository.create_folder(area, name)
    assert seen(world, area) == {}


# ---- names and places ---------------------------------------------------------------------------------------------


@pytest.mark.needs("change")
async def test_renaming(world: World, repository: Repository, area: Node, fresh: Fresh) -> None:
    content = fresh()
    file = await repository.stat(world.put(area.id, world.samples.name, content))
    folder = await repository.stat(world.make_folder(area.id, "below"))
    renamed = await repository.rename(file, area, f"new-{world.samples.name}")
    moved = await repository.rename(folder, area, "above")
    assert (renamed.id, renamed.name) == (file.id, f"new-{world.samples.name}")
    assert (moved.id, moved.name) == (folder.id, "above")
    assert seen(world, area) == {f"new-{world.samples.name}": content, "above": None}
    assert (await repository.rename(renamed, area, renamed.name)).id == file.id


@pytest.mark.needs("change")
async def test_renaming_onto_another(world: World, repository: Repository, area: Node, fresh: Fresh) -> None:
    contents = {f"{n}-{world.samples.name}": fresh() for n in range(2)}
    (one, two) = [await repository.stat(world.put(area.id, name, data)) for name, data in contents.items()]
    with pytest.raises(Conflict):
        await repository.rename(one, area, two.name)
    folders = [await repository.stat(world.make_folder(area.id, name)) for name in ("here", "there")]
    with pytest.raises(Conflict):
        await repository.rename(folders[0], area, "there")
    assert seen(world, area) == {**contents, "here": None, "there": None}


@pytest.mark.needs("move")
async def test_moving(world: World, repository: Repository, area: Node, fresh: Fresh) -> None:
    content = fresh()
    here, there = [await repository.stat(world.make_folder(area.id, name)) for name in ("here", "there")]
    file = await repository.stat(world.put(here.id, world.samples.name, content))
    folder = await repository.stat(world.make_folder(here.id, "below"))
    await repository.move(file, here, there, world.samples.name)
    await repository.move(folder, here, there, "below")
    assert seen(world, here) == {}
    assert seen(world, there) == {world.samples.name: content, "below": None}
    file, folder = await repository.stat(file.id), await repository.stat(folder.id)
    new = await repository.move(file, there, here, f"new-{world.samples.name}")
    assert new.name == f"new-{world.samples.name}"
    assert (await repository.move(folder, there, here, "above")).name == "above"
    assert seen(world, here) == {f"new-{world.samples.name}": content, "above": None}
    assert seen(world, there) == {}


@pytest.mark.needs("move")
async def test_moving_onto_another_leaves_both(world: World, repository: Repository, area: Node, fresh: Fresh) -> None:
    mine, theirs = fresh(), fresh()
    here, there = [await repository.stat(world.make_folder(area.id, name)) for name in ("here", "there")]
    file = await repository.stat(world.put(here.id, world.samples.name, mine))
    world.put(there.id, f"taken-{world.samples.name}", theirs)
    folder = await repository.stat(world.make_folder(here.id, "below"))
    world.make_folder(there.id, "taken")
    with pytest.raises(Conflict):
        await repository.move(file, here, there, f"taken-{world.samples.name}")
    with pytest.raises(Conflict):
        await repository.move(folder, here, there, "taken")
    assert seen(world, here) == {world.samples.name: mine, "below": None}
    assert seen(world, there) == {f"taken-{world.samples.name}": theirs, "taken": None}


@pytest.mark.needs("move")
async def test_moving_where_only_the_new_name_is_free(world: World, repository: Repository, area: Node) -> None:
    here, there = [await repository.stat(world.make_folder(area.id, name)) for name in ("here", "there")]
    folder = await repository.stat(world.make_folder(here.id, "same"))
    world.make_folder(there.id, "same")
    await repository.move(folder, here, there, "other")
    assert seen(world, here) == {}
    assert seen(world, there) == {"same": None, "other": None}


@pytest.mark.needs("move")
async def test_a_folder_does_not_move_into_itself(world: World, repository: Repository, area: Node) -> None:
    folder = await repository.stat(world.make_folder(area.id, "outer"))
    inner = await repository.stat(world.make_folder(folder.id, "inner"))
    with pytest.raises(RepositoryError):
        await repository.move(folder, area, inner, "outer")
    assert seen(world, area) == {"outer": None}


@pytest.mark.needs("change")
async def test_renaming_over_a_file(world: World, repository: Repository, area: Node, fresh: Fresh) -> None:
    """As programs save: a new file takes the place of the old one, which stays what it is otherwise."""
    content = fresh()
    below = await repository.stat(world.make_folder(area.id, "below"))
    for source in (area, below):
        over = await repository.stat(world.put(area.id, world.samples.name, fresh()))
        world.describe(over.id, ["Ann"])
        content = fresh()
        node = await repository.stat(world.put(source.id, f"new-{world.samples.name}", content))
        if source is area:
            now = await repository.rename(node, area, world.samples.name, over)
        else:
            now = await repository.move(node, below, area, world.samples.name, over)
        assert now.name == world.samples.name
        assert seen(world, area) == {world.samples.name: content, "below": None}
        assert seen(world, below) == {}
        if repository.capabilities.replace_keeps_id:
            assert now.id == over.id
            assert world.attributes(now.id)[world.samples.attribute] == {"Ann"}
        assert (await fetched(repository, now)).content == content
        await repository.remove(now, area)


@pytest.mark.needs("change")
async def test_renaming_over_a_file_that_has_changed(
    world: World, repository: Repository, area: Node, fresh: Fresh
) -> None:
    mine, theirs = fresh(), fresh(70)
    over = await repository.stat(world.put(area.id, world.samples.name, fresh()))
    node = await repository.stat(world.put(area.id, f"new-{world.samples.name}", mine))
    world.overwrite(over.id, theirs)
    with pytest.raises((Conflict, NotFound)):
        await repository.rename(node, area, world.samples.name, over)
    assert seen(world, area) == {world.samples.name: theirs, f"new-{world.samples.name}": mine}


@pytest.mark.needs("change")
async def test_renaming_a_file_that_is_elsewhere_too(
    world: World, repository: Repository, area: Node, fresh: Fresh
) -> None:
    if not repository.capabilities.link:
        pytest.skip("no links")
    content = fresh()
    below = await repository.stat(world.make_folder(area.id, "below"))
    over = await repository.stat(world.put(area.id, world.samples.name, fresh()))
    node = await repository.stat(world.put(area.id, f"new-{world.samples.name}", content))
    await repository.link(node, below, node.name)
    now = await repository.rename(node, area, world.samples.name, over)
    assert now.id == node.id
    assert seen(world, area) == {world.samples.name: content, "below": None}
    assert list(seen(world, below).values()) == [content]


@pytest.mark.needs("change")
async def test_renaming_over_a_folder(world: World, repository: Repository, area: Node, fresh: Fresh) -> None:
    node = await repository.stat(world.make_folder(area.id, "new"))
    inside = world.put(node.id, world.samples.name, fresh())
    over = await repository.stat(world.make_folder(area.id, "old"))
    file = world.put(over.id, f"kept-{world.samples.name}", fresh())
    with pytest.raises(NotEmpty):
        await repository.rename(node, area, "old", over)
    assert set(seen(world, area)) == {"new", "old"}
    world.destroy(file)
    now = await repository.rename(node, area, "old", over)
    assert (now.id, now.name) == (node.id, "old")
    assert seen(world, area) == {"old": None}
    assert [entry.id for entry in world.entries(node.id)] == [inside]


@pytest.mark.needs("link")
async def test_links(world: World, repository: Repository, area: Node, fresh: Fresh) -> None:
    if not repository.capabilities.link:
        pytest.skip("no links")
    content = fresh()
    node = await repository.stat(world.put(area.id, world.samples.name, content))
    below = await repository.stat(world.make_folder(area.id, "below"))
    with pytest.raises(Unsupported):
        await repository.link(node, below, f"other-{world.samples.name}")
    assert (await repository.link(node, below, world.samples.name)).id == node.id
    with pytest.raises(Conflict):
        await repository.link(node, below, world.samples.name)
    assert len(await repository.locate(node.id)) == 2
    await repository.remove(node, area)
    assert seen(world, area) == {"below": None}
    assert seen(world, below) == {world.samples.name: content}
    with pytest.raises(NotFound):
        await repository.remove(node, area)
    await repository.remove(node, below)
    assert seen(world, below) == {}
    with pytest.raises(NotFound):
        await repository.stat(node.id)


@pytest.mark.needs("remove")
async def test_removing(world: World, repository: Repository, area: Node, fresh: Fresh) -> None:
    node = await repository.stat(world.put(area.id, world.samples.name, fresh()))
    await repository.remove(node, area)
    assert seen(world, area) == {}
    with pytest.raises(NotFound):
        await repository.remove(node, area)


@pytest.mark.needs("upload")
async def test_a_removed_file_can_be_uploaded_again(
    world: World, repository: Repository, area: Node, fresh: Fresh
) -> None:
    content = fresh()
    first = await repository.upload(area, world.samples.name, Held(content), Book())
    await repository.remove(first, area)
    await repository.upload(area, world.samples.name, Held(content), Book())
    assert seen(world, area) == {world.samples.name: content}


# ---- what is not declared -----------------------------------------------------------------------------------------

OPTIONAL: dict[str, Callable[[Repository, Node], object]] = {
    "hidden": lambda repository, node: repository.hidden(node, ".x"),
    "usage": lambda repository, node: repository.usage(),
    "recall": lambda repository, node: repository.recall([node]),
    "set_times": lambda repository, node: repository.set_times(node, 0),
    "measure": lambda repository, node: repository.measure([node]),
    "create_folder": lambda repository, node: repository.create_folder(node, "x"),
    "remove_folder": lambda repository, node: repository.remove_folder(node, node),
    "upload": lambda repository, node: repository.upload(node, "x.txt", Held(b""), Book()),
    "replace": lambda repository, node: repository.replace(node, node, Held(b""), Book()),
    "rename": lambda repository, node: repository.rename(node, node, "x"),
    "move": lambda repository, node: repository.move(node, node, node, "x"),
    "link": lambda repository, node: repository.link(node, node, "x"),
    "remove": lambda repository, node: repository.remove(node, node),
    "set_metadata": lambda repository, node: repository.set_metadata(node, {}),
    "locate": lambda repository, node: repository.locate(node.id),
    "tags": lambda repository, node: repository.tags(),
    "drafts": lambda repository, node: repository.commit_draft(None, node, "x", b"", Book()),  # type: ignore[arg-type]
}


async def test_what_is_not_declared_asks_the_server_nothing(world: World, repository: Repository, area: Node) -> None:
    missing = [name for name in OPTIONAL if not getattr(repository.capabilities, name)]
    for name in missing:
        with pytest.raises(Unsupported):
            await OPTIONAL[name](repository, area)  # type: ignore[misc]
    for name in ("listings", "search", "tagged", "changes"):
        declared = "tags" if name == "tagged" else name
        if not getattr(repository.capabilities, declared):
            with pytest.raises(Unsupported):
                getattr(repository, name)(*([] if name == "changes" else [area]))
    with pytest.raises(Unsupported):
        await repository.perform(area, "user.nonsense", b"")
    with pytest.raises(Unsupported):
        await repository.attribute(area, "user.nonsense")
    if world.faults:
        assert not world.requests()


@pytest.mark.needs("upload")
async def test_a_file_without_rights_is_not_written(
    world: World, repository: Repository, area: Node, fresh: Fresh
) -> None:
    powerless = msgspec.structs.replace(area, rights=area.rights.__class__.READ)
    with pytest.raises(Forbidden):
        repository.admit(powerless, world.samples.name, Kind.FILE)
