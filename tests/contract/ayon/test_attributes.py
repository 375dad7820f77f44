"""Attributes: own and inherited, checked against the server's schema."""

from __future__ import annotations

import pytest

from assetfs.repository import (
    Forbidden,
    Node,
    NotFound,
    Repository,
    ValueRejected,
)
from tests.ayon import Studio, unique
from tests.contract.ayon.kit import id_of
from tests.contract.backends.ayon import AyonWorld
from tests.contract.test_reading import listed


async def test_own_and_inherited_attributes(studio: Studio, repository: Repository, place: Node, folder: str) -> None:
    studio.change("folder", folder, attrib={"fps": 30})
    below = await repository.stat(f"folder.{studio.project}.{studio.folder('below', folder)}")
    known = (await repository.metadata([below]))[below.id]
    assert known["user.ayon.attrib.fps"].value == b"30.0"
    assert known["user.ayon.own_attrib"].value == b"[]"
    with pytest.raises(NotFound):
        await repository.set_metadata(below, {"user.ayon.attrib.fps": None})
    now = await repository.set_metadata(below, {"user.ayon.attrib.fps": b"24", "user.ayon.label": b"Below"})
    assert (now["user.ayon.attrib.fps"].value, now["user.ayon.own_attrib"].value) == (b"24.0", b'["fps"]')
    now = await repository.set_metadata(below, {"user.ayon.attrib.fps": None, "user.ayon.label": None})
    assert now["user.ayon.attrib.fps"].value == b"30.0"
    assert "user.ayon.label" not in now


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("attrib.fps", b"0"),
        ("attrib.fps", b"fast"),
        ("attrib.frameEnd", b"1.5"),
        ("attrib.priority", b"whenever"),
        ("attrib.startDate", b"2026-01-02"),
        ("attrib.families", b"model"),
        ("attrib.nosuch", b"1"),
        ("status", b"Nope"),
        ("label", b"it's"),
        ("folder_type", b"Nope"),
        ("active", b"maybe"),
        ("data.a b", b"1"),
        ("data.x", b"\xff"),
    ],
)
async def test_values_that_the_server_would_bend_are_refused_here(
    world: AyonWorld, repository: Repository, place: Node, name: str, value: bytes
) -> None:
    await repository.children(place).__anext__()
    await repository.metadata([place])
    await repository.locate(place.id)
    with pytest.raises(ValueRejected) as refusal:
        await repository.set_metadata(place, {f"user.ayon.{name}": value})
    assert str(refusal.value)
    assert not [one for one in world.requests() if one["method"] == "PATCH"]


async def test_statuses_are_checked_against_their_scope(studio: Studio, repository: Repository, product: Node) -> None:
    version = await repository.stat(f"version.{studio.project}.{studio.version(1, id_of(product))}")
    with pytest.raises(ValueRejected):
        await repository.set_metadata(version, {"user.ayon.status": b"In progress"})
    now = await repository.set_metadata(version, {"user.ayon.status": b"Approved"})
    assert now["user.ayon.status"].value == b"Approved"


async def test_data_tags_assignees_and_types(studio: Studio, repository: Repository, folder: str) -> None:
    task = await repository.stat(f"task.{studio.project}.{studio.task('anim', folder)}")
    changes = {
        "user.ayon.data.note": b"plain words",
        "user.ayon.data.tree": b'{"a": [1, 2]}',
        "user.ayon.tags": b'["x y", "z"]',
        "user.ayon.assignees": b"artist",
        "user.ayon.task_type": b"Animation",
    }
    now = await repository.set_metadata(task, changes)
    there = studio.get("task", id_of(task))
    assert there["data"] == {"note": "plain words", "tree": {"a": [1, 2]}}
    assert (there["tags"], there["assignees"], there["taskType"]) == (["x y", "z"], ["artist"], "Animation")
    assert now["user.ayon.tags"].value == b"x y\nz"
    assert now["user.ayon.data.tree"].value == b'{"a":[1,2]}'
    with pytest.raises(Forbidden):
        await repository.set_metadata(task, {"user.ayon.data.assetfs": b"1"})


async def test_attributes_of_a_file_say_where_its_bytes_are(
    studio: Studio, repository: Repository, product: Node
) -> None:
    version = studio.version(1, id_of(product))
    studio.stored("bin", version, here__bin=b"x")
    studio.representation("abc", version, studio.at_root(unique("pub/a") + ".abc", b"root"))
    node = await repository.stat(f"version.{studio.project}.{version}")
    known = await repository.metadata(list((await listed(repository, node)).values()))
    assert {one["user.ayon.file.store"].value for one in known.values()} == {b"project-files", b"root"}
    (uri,) = {one["user.ayon.uri"].value for one in known.values() if one["user.ayon.path"].value.endswith(b"bin")}
    assert uri.endswith(b"?product=modelMain&version=v001&representation=bin")


async def test_a_project_has_attributes(studio: Studio, repository: Repository) -> None:
    node = await repository.stat(f"project.{studio.project}")
    known = (await repository.metadata([node]))[node.id]
    assert b"Not ready" in known["user.ayon.statuses"].value
    before = studio.call("GET", "").json()
    await repository.set_metadata(node, {"user.ayon.data.note": b"hello"})
    after = studio.call("GET", "").json()
    assert after["data"] == {**before["data"], "note": "hello"}
    assert (after["statuses"], after["folderTypes"]) == (before["statuses"], before["folderTypes"])
