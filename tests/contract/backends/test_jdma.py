"""JDMA: reading what is in batches, and recalling it, against the sandbox."""

from __future__ import annotations

import json
import os
from pathlib import Path

import msgspec
import pytest
import trio

from assetfs.backends.jdma.journal import Retrieval
from assetfs.repository import (
    Availability,
    Conflict,
    Fixed,
    Forbidden,
    Immutable,
    Kind,
    NoSpace,
    NotAuthenticated,
    NotEmpty,
    NotFound,
    NotHere,
    OutOfReach,
    ProtocolViolation,
    RecallPolicy,
    Unsupported,
    ValueRejected,
)
from tests.contract.doubles import fetched
from tests.contract.world import walked
from tests.jdma_service import Service, adler32, content, files

DATA = {"a.txt": b"alpha\n", "sub/b.bin": os.urandom(70_000), "sub/deep/c.txt": b"gamma\n", "empty": b""}


def journal(stage: Path) -> list[Retrieval]:
    places = sorted((stage / ".assetfs" / "requests").glob("*.json"))
    return [msgspec.json.decode(place.read_bytes(), type=Retrieval) for place in places]


# ---- what there is ------------------------------------------------------------------------------------------------


async def test_workspaces_batches_folders_and_files(service: Service, stage: Path) -> None:
    number = service.upload(DATA, "first run")
    async with service.opened(stage) as repository:
        root = await repository.root()
        shown = {node.name: node async for page in repository.children(root) for node in page.nodes}
        workspace = shown[service.workspace]
        batches = {node.id: node async for page in repository.children(workspace) for node in page.nodes}
        batch = batches[f"b{number}"]
        assert batch.name == "first run"
        assert batch.always_decorated
        assert await repository.stat(batch.id) == batch
        found = await files(repository, number)
        assert {path: node.size for path, node in found.items()} == {path: len(data) for path, data in DATA.items()}
        for node in found.values():
            assert await repository.stat(node.id) == node
            assert node.mtime_ns == batch.mtime_ns
        assert found["empty"].availability is Availability.ONLINE
        assert found["a.txt"].availability is Availability.OFFLINE
        for unknown in ("", "r0", "b999999999", f"b{number}f999999999", f"b{number}/nowhere", "w:nowhere", "w:"):
            with pytest.raises(NotFound):
                await repository.stat(unknown)


async def test_a_deleted_batch_is_not_shown_and_one_without_label_shows_its_number(
    service: Service, stage: Path
) -> None:
    gone, nameless = service.upload({"x": b"1"}), service.upload({"x": b"1"}, None)
    posted = service.post("DELETE", migration_id=gone, storage="elastictape")
    service.ended(posted.json()["request_id"])
    async with service.opened(stage) as repository:
        with pytest.raises(NotFound):
            await repository.stat(f"b{gone}")
        assert (await repository.stat(f"b{nameless}")).name == f"batch-{nameless}"


async def test_a_batch_answers_to_its_number_beside_its_label(service: Service, stage: Path) -> None:
    labelled = service.upload({"x": b"1"}, "spring")
    gone = service.upload({"x": b"1"}, "gone")
    service.ended(service.post("DELETE", migration_id=gone, storage="elastictape").json()["request_id"])
    async with service.opened(stage) as repository:
        workspaces = [node async for page in repository.children(await repository.root()) for node in page.nodes]
        batches = {n.id: w for w in workspaces async for page in repository.children(w) for n in page.nodes}
        workspace = batches[f"b{labelled}"]
        service.server.forget()
        found = await repository.hidden(workspace, f"batch-{labelled}")
        assert (found.id, found.name) == (f"b{labelled}", "spring")
        for name in (f"batch-{gone}", "batch-999999", f"batch-0{labelled}", "batch-"):
            with pytest.raises(NotFound):
                await repository.hidden(workspace, name)
        assert service.total() == 0


async def test_everything_at_once_costs_two_requests_and_later_none(service: Service, stage: Path) -> None:
    for _ in range(3):
        service.upload(DATA)
    async with service.opened(stage) as repository:
        service.server.forget()
        seen = await walked(repository, await repository.root())
        assert len(seen) > 6
        assert service.total() == 2
        service.server.forget()
        again = await walked(repository, await repository.root())
        assert again == seen
        nodes = [node for listing in again for node in listing.nodes]
        assert set(await repository.metadata(nodes)) == {node.id for node in nodes}
        assert service.total() == 0
    async with service.opened(stage) as repository:
        service.server.forget()
        assert await walked(repository, await repository.root()) == seen
        assert service.total() == 1, "the list of batches; files of batches on storage are known for ever"


async def test_one_more_batch_costs_one_listing(service: Service, stage: Path) -> None:
    for _ in range(3):
        service.upload(DATA)
    async with service.opened(stage, catalogue_ttl=0.0) as repository:
        await walked(repository, await repository.root())
        number = service.upload(DATA, "one more")
        service.server.forget()
        await files(repository, number)
        assert service.server.requests()["kinds"]["GET file"] == 1


async def test_everybodys_batches_of_a_workspace(service: Service, stage: Path) -> None:
    member = service.server.info["member"]
    url = f"{service.server.url}/api/v1/user"
    service.server.http.post(url, content=json.dumps({"name": member, "email": "m@example.org"}))
    theirs = service.upload(DATA, "theirs", name=member)
    async with service.opened(stage, workspaces=service.workspace, scope="workspace") as repository:
        node = await repository.stat(f"b{theirs}")
        assert (await repository.metadata([node]))[node.id]["user.jdma.owner"].value == member.encode()
        found = await files(repository, theirs)
        with pytest.raises(NotHere):
            await repository.recall([found["a.txt"]])
        with pytest.raises(Forbidden):
            await repository.set_metadata(node, {"user.jdma.label": b"mine"})
    async with service.opened(stage) as repository:
        with pytest.raises(NotFound):
            await repository.stat(f"b{theirs}")


async def test_who_is_not_known_is_told_to_introduce_themselves(service: Service, stage: Path) -> None:
    repository = service.repository(stage, name="nobody-there")
    with pytest.raises(NotAuthenticated, match="jdma init"):
        await repository.connect()
    await repository.close()


# ---- attributes ---------------------------------------------------------------------------------------------------


async def test_attributes_of_everything(service: Service, stage: Path) -> None:
    number = service.upload(DATA, "run/1 é")
    async with service.opened(stage) as repository:
        root, batch = await repository.root(), await repository.stat(f"b{number}")
        found = await files(repository, number)
        nodes = [root, batch, found["sub/b.bin"]]
        service.server.forget()
        known = await repository.metadata(nodes)
        assert service.total() == 0
        assert known[root.id]["user.jdma.name"].value == service.name.encode()
        of_batch = {name: attribute.value.decode() for name, attribute in known[batch.id].items()}
        assert of_batch["user.jdma.label"] == "run/1 é"
        assert of_batch["user.jdma.stage"] == "ON_STORAGE"
        assert of_batch["user.jdma.files"] == "4"
        assert of_batch["user.jdma.online_files"] == "1"
        of_file = {name: attribute.value.decode() for name, attribute in known[found["sub/b.bin"].id].items()}
        assert of_file["user.jdma.digest"] == f"ADLER32:{adler32(DATA['sub/b.bin'])}"
        assert of_file["user.jdma.path"].endswith("/sub/b.bin")
        assert of_file["user.jdma.state"] == "offline"
        for lazy in repository.capabilities.lazy_attributes:
            assert all(lazy not in attributes for attributes in known.values())
        assert (await repository.attribute(batch, "user.jdma.external_id") or b"").isdigit()
        assert (await repository.attribute(batch, "user.jdma.request") or b"").endswith(b" PUT PUT_COMPLETED")
        assert await repository.attribute(batch, "user.jdma.failure") is None
        assert await repository.attribute(batch, "user.jdma.recall") == b"none"
        assert b"Elastic Tape" in (await repository.attribute(root, "user.jdma.backends") or b"")


async def test_labels_are_edited_and_nothing_else_of_a_batch(service: Service, stage: Path) -> None:
    number = service.upload(DATA, "old")
    async with service.opened(stage) as repository:
        batch = await repository.stat(f"b{number}")
        service.server.forget()
        now = await repository.set_metadata(batch, {"user.jdma.label": "a/b é".encode()})
        assert service.total() == 1
        assert now["user.jdma.label"].value == "a/b é".encode()
        assert (await repository.stat(batch.id)).name == "a/b é"
        workspace = await repository.stat(f"w:{service.workspace}")
        service.server.forget()
        assert (await repository.rename(batch, workspace, "renamed")).name == "renamed"
        assert service.total() == 1
        service.server.forget()
        for value in (b"", b"\xff", b"x" * 1025):
            with pytest.raises(ValueRejected):
                await repository.set_metadata(batch, {"user.jdma.label": value})
        with pytest.raises(Forbidden):
            await repository.set_metadata(batch, {"user.jdma.owner": b"mallory"})
        with pytest.raises(Forbidden):
            await repository.set_metadata(batch, {"user.jdma.label": None})
        with pytest.raises(Unsupported):
            await repository.set_metadata(batch, {"user.jdma.colour": b"red"})
        assert service.total() == 0
    assert service.ask("migration/", migration_id=number)["label"] == "renamed"


async def test_a_batch_never_gives_way_and_what_is_in_it_never_changes(service: Service, stage: Path) -> None:
    one, two = service.upload(DATA, "one"), service.upload(DATA, "two")
    async with service.opened(stage) as repository:
        batch, other = await repository.stat(f"b{one}"), await repository.stat(f"b{two}")
        workspace = await repository.stat(f"w:{service.workspace}")
        file = (await files(repository, one))["a.txt"]
        service.server.forget()
        with pytest.raises(Conflict):
            await repository.rename(batch, workspace, "two", other)
        with pytest.raises(Conflict):
            await repository.rename(batch, workspace, "two")
        with pytest.raises(NotEmpty):
            await repository.remove_folder(batch, workspace)
        for refused in (workspace, await repository.root()):
            with pytest.raises(Fixed):
                await repository.remove_folder(refused, await repository.root())
        for attempt in (
            repository.remove(file, batch),
            repository.rename(file, batch, "b.txt"),
        ):
            with pytest.raises(Immutable):
                await attempt
        with pytest.raises(Immutable):
            repository.admit(batch, "new.txt", Kind.FILE)
        with pytest.raises(Unsupported):
            repository.admit(workspace, "new.txt", Kind.FILE)
        assert service.server.requests()["kinds"].get("POST request", 0) == 0


async def test_the_users_own_settings(service: Service, stage: Path) -> None:
    async with service.opened(stage) as repository:
        root = await repository.root()
        now = await repository.set_metadata(root, {"user.jdma.email": b"x@example.org", "user.jdma.notify": b"0"})
        assert now["user.jdma.email"].value == b"x@example.org"
        assert now["user.jdma.notify"].value == b"0"
        assert service.ask("user") == {"name": service.name, "email": "x@example.org", "notify": False}
        for name, value in (("email", b""), ("email", b"a\nb"), ("notify", b"yes")):
            with pytest.raises(ValueRejected):
                await repository.set_metadata(root, {f"user.jdma.{name}": value})
        with pytest.raises(Forbidden):
            await repository.set_metadata(root, {"user.jdma.name": b"mallory"})


async def test_deletion_is_only_by_the_batchs_own_number(service: Service, stage: Path) -> None:
    number = service.upload(DATA)
    async with service.opened(stage) as repository:
        batch = await repository.stat(f"b{number}")
        file = (await files(repository, number))["a.txt"]
        for value in (b"", b"0", b"yes", str(number + 1).encode(), f" {number}".encode()):
            with pytest.raises(ValueRejected):
                await repository.perform(batch, "user.jdma.delete", value)
        with pytest.raises(Unsupported):
            await repository.perform(file, "user.jdma.delete", str(number).encode())
        assert service.posts("DELETE") == 0
        await repository.perform(batch, "user.jdma.delete", str(number).encode())
        assert service.posts("DELETE") == 1
        service.ended(service.made(3)[-1]["request_id"])
        with trio.fail_after(30):
            while True:
                repository._catalogue.stale()
                try:
                    await repository.stat(batch.id)
                except NotFound:
                    break
                await trio.sleep(0.05)


# ---- recall -------------------------------------------------------------------------------------------------------


async def test_files_wanted_together_come_with_one_request_and_are_checked(service: Service, stage: Path) -> None:
    number = service.upload(DATA)
    async with service.opened(stage) as repository:
        found = await files(repository, number)
        service.server.forget()
        for node in found.values():
            await repository.recall([node])
        wanted = await repository.stat(found["a.txt"].id)
        assert wanted.availability is Availability.RECALLING
        with trio.fail_after(30):
            for path in ("a.txt", "sub/b.bin", "sub/deep/c.txt"):
                node = await repository.recalled(found[path])
                assert node.availability is Availability.ONLINE
                assert node.version == found[path].version
                assert node.mtime_ns == found[path].mtime_ns
                assert content(node) == DATA[path]
                assert (await fetched(repository, node)).content == DATA[path]
        assert service.posts("GET") == 1
        heard = repository.heard  # type: ignore[attr-defined]
        assert found["a.txt"].id in {change.node for change in heard if change.kind == "availability"}
    (made,) = service.made(1)[-1:]
    named = service.ask("request", request_id=made["request_id"])["filelist"]
    assert {"a.txt", "sub/b.bin", "sub", "sub/deep"} <= set(named), "folders are named, or they stay root's"


async def test_a_recall_survives_the_repository(service: Service, stage: Path) -> None:
    number = service.upload(DATA)
    service.server.switch(passes=0)
    async with service.opened(stage) as repository:
        node = (await files(repository, number))["a.txt"]
        await repository.recall([node])
        with trio.fail_after(30):
            while not service.posts("GET"):
                await trio.sleep(0.02)
            while not [record for record in journal(stage) if record.request]:
                await trio.sleep(0.02)
    service.server.switch(passes=-1)
    async with service.opened(stage) as repository:
        with trio.fail_after(30):
            await files(repository, number)
            assert content(await repository.recalled(node)) == DATA["a.txt"]
    assert service.posts("GET") == 1
    async with service.opened(stage) as repository:
        service.server.forget()
        assert (await files(repository, number))["a.txt"].availability is Availability.ONLINE
        assert service.total() == 1


async def test_an_answer_that_is_lost_makes_no_second_request(service: Service, stage: Path) -> None:
    number = service.upload(DATA)
    async with service.opened(stage) as repository:
        node = (await files(repository, number))["a.txt"]
        service.server.arm("lost_answer", {"method": "POST", "call": "GET"})
        await repository.recall([node])
        with trio.fail_after(30):
            assert content(await repository.recalled(node)) == DATA["a.txt"]
    assert len([one for one in service.made(1) if one["migration_id"] == number]) == 1


async def test_a_request_that_never_arrived_is_made_again(service: Service, stage: Path) -> None:
    number = service.upload(DATA)
    async with service.opened(stage) as repository:
        node = (await files(repository, number))["a.txt"]
        service.server.arm("drop", {"method": "POST"})
        await repository.recall([node])
        with trio.fail_after(30):
            assert content(await repository.recalled(node)) == DATA["a.txt"]
    assert len([one for one in service.made(1) if one["migration_id"] == number]) == 1


@pytest.mark.parametrize("spoiled", ["missing", "short", "corrupt"])
async def test_what_comes_back_wrongly_is_never_online(service: Service, stage: Path, spoiled: str) -> None:
    number = service.upload(DATA)
    service.server.switch(spoiled=spoiled, spoiled_paths="b.bin")
    async with service.opened(stage) as repository:
        found = await files(repository, number)
        await repository.recall([found["a.txt"], found["sub/b.bin"]])
        with trio.fail_after(30):
            assert content(await repository.recalled(found["a.txt"])) == DATA["a.txt"]
            with pytest.raises(ProtocolViolation):
                await repository.recalled(found["sub/b.bin"])
        node = await repository.stat(found["sub/b.bin"].id)
        assert node.availability is Availability.FAILED
        assert node.local is None
        assert await repository.attribute(node, "user.jdma.failure")
        with pytest.raises(ProtocolViolation):
            await repository.recall([node])
        assert service.posts("GET") == 1, "a plain open does not try again at once"
        service.server.switch(spoiled="")
        await repository.recall([node], explicit=True)
        with trio.fail_after(30):
            assert content(await repository.recalled(node)) == DATA["sub/b.bin"]


async def test_a_failed_retrieval_says_why(service: Service, stage: Path) -> None:
    number = service.upload(DATA)
    service.server.switch(failed_stage=102, failure="the robot\ndropped it")
    async with service.opened(stage) as repository:
        node = (await files(repository, number))["a.txt"]
        await repository.recall([node])
        with trio.fail_after(30), pytest.raises(ProtocolViolation, match="the robot dropped it"):
            await repository.recalled(node)


async def test_plain_opens_are_limited_and_attributes_are_not(service: Service, stage: Path) -> None:
    number = service.upload({f"{n}.txt": b"x" * 10 for n in range(6)})
    async with service.opened(stage, auto_recall_files=3, auto_recall_bytes=25) as repository:
        found = await files(repository, number)
        await repository.recall([found["0.txt"]])
        await repository.recall([found["1.txt"]])
        await repository.recall([found["1.txt"]])
        with pytest.raises(NotHere):
            await repository.recall([found["2.txt"]])
        await repository.recall([found[f"{n}.txt"] for n in range(6)], explicit=True)
        with trio.fail_after(30):
            for node in found.values():
                await repository.recalled(node)


async def test_walking_readers_bring_what_comes_next(service: Service, stage: Path) -> None:
    number = service.upload({f"d{n % 3}/{n}.txt": b"%d" % n for n in range(30)})
    async with service.opened(stage) as repository:
        found = await files(repository, number)
        batch = await repository.stat(f"b{number}")
        service.server.forget()
        with trio.fail_after(30):
            for path, node in found.items():
                await repository.recall([node], along=batch)
                assert content(await repository.recalled(node)).decode() == Path(path).stem
        assert service.posts("GET") == 1


async def test_without_a_shared_disk_it_is_a_catalogue(service: Service) -> None:
    number = service.upload(DATA)
    async with service.opened(None) as repository:
        found = await files(repository, number)
        assert set(found) == set(DATA)
        with pytest.raises(OutOfReach):
            await repository.recall([found["a.txt"]])
        assert not repository.capabilities.drafts
        assert not repository.drafts_in(await repository.stat(f"w:{service.workspace}"), "new")


async def test_no_room_is_said_before_anything_is_asked(service: Service, stage: Path) -> None:
    number = service.upload(DATA)
    async with service.opened(stage) as repository:
        node = (await files(repository, number))["a.txt"]
        repository._disk.stage.free = lambda: 3  # type: ignore[union-attr, method-assign]
        await repository.recall([node])
        with trio.fail_after(30), pytest.raises(NoSpace):
            await repository.recalled(node)
        assert service.posts("GET") == 0


# ---- copies -------------------------------------------------------------------------------------------------------


async def test_copies_are_evicted_and_pinned_ones_are_not(service: Service, stage: Path) -> None:
    number = service.upload(DATA)
    async with service.opened(stage) as repository:
        found = await files(repository, number)
        await repository.recall(list(found.values()), explicit=True)
        with trio.fail_after(30):
            nodes = {path: await repository.recalled(node) for path, node in found.items()}
        assert (await repository.set_metadata(nodes["a.txt"], {"user.jdma.pin": b"1"}))["user.jdma.pin"].value == b"1"
        handle = (nodes["sub/b.bin"].local.root / "sub/b.bin").open("rb")  # type: ignore[union-attr]
        await repository.perform(await repository.stat(f"b{number}"), "user.jdma.evict", b"1")
        states = {path: (await repository.stat(node.id)).availability.value for path, node in nodes.items()}
        assert states == {"a.txt": "online", "sub/b.bin": "online", "sub/deep/c.txt": "offline", "empty": "online"}
        handle.close()
    async with service.opened(stage) as repository:
        batch = await repository.stat(f"b{number}")
        await files(repository, number)
        await repository.perform(batch, "user.jdma.evict", b"1")
        assert (await repository.stat(nodes["a.txt"].id)).availability is Availability.ONLINE
        await repository.set_metadata(nodes["a.txt"], {"user.jdma.pin": None})
        await repository.perform(batch, "user.jdma.evict", b"1")
        assert (await repository.stat(nodes["a.txt"].id)).availability is Availability.OFFLINE
        assert os.listdir(stage / "get") == []
        assert journal(stage) == []
    assert service.ask("migration/", migration_id=number)["stage"] == 2, "what is on tape is never touched"


async def test_the_oldest_copies_give_way(service: Service, stage: Path) -> None:
    number = service.upload({f"{n}.bin": b"%d" % n * 1000 for n in range(3)})
    async with service.opened(stage, stage_max_bytes=2000) as repository:
        found = await files(repository, number)
        with trio.fail_after(30):
            for node in found.values():
                await repository.recall([node])
                await repository.recalled(node)
                await repository.stat(node.id)
        states = [(await repository.stat(found[f"{n}.bin"].id)).availability for n in range(3)]
        assert states.count(Availability.ONLINE) == 2
        assert states[2] is Availability.ONLINE


async def test_a_copy_that_somebody_changed_is_offline_again(service: Service, stage: Path) -> None:
    number = service.upload(DATA)
    async with service.opened(stage) as repository:
        node = (await files(repository, number))["a.txt"]
        await repository.recall([node])
        with trio.fail_after(30):
            local = (await repository.recalled(node)).local
        assert local is not None
        (local.root / local.relative).write_bytes(b"ALPHA\n")
        assert (await repository.stat(node.id)).availability is Availability.OFFLINE
        await repository.recall([node])
        with trio.fail_after(30):
            assert content(await repository.recalled(node)) == DATA["a.txt"]


async def test_folders_that_a_lost_journal_left_are_checked_and_used(service: Service, stage: Path) -> None:
    number = service.upload(DATA)
    place = stage / "get" / f"{number}-0123abcd"
    (place / "sub").mkdir(parents=True)
    (place / "a.txt").write_bytes(DATA["a.txt"])
    (place / "sub" / "b.bin").write_bytes(b"?" * len(DATA["sub/b.bin"]))
    async with service.opened(stage) as repository:
        found = await files(repository, number)
        with trio.fail_after(30):
            while (await repository.stat(found["a.txt"].id)).availability is not Availability.ONLINE:
                await trio.sleep(0.02)
            while (await repository.stat(found["sub/b.bin"].id)).availability is not Availability.OFFLINE:
                await trio.sleep(0.02)
        assert content(await repository.stat(found["a.txt"].id)) == DATA["a.txt"]
    assert (place / "sub" / "b.bin").exists(), "what was not asked for is not removed"


def test_the_policy_is_the_options(service: Service) -> None:
    assert service.repository(None).capabilities.recall_policy is RecallPolicy.FAIL
    waiting = service.repository(None, recall="wait", recall_wait=7.0).capabilities
    assert (waiting.recall_policy, waiting.recall_wait) == (RecallPolicy.WAIT, 7.0)


async def test_every_way_to_a_node(service: Service, stage: Path) -> None:
    number = service.upload(DATA, "located")
    async with service.opened(stage) as repository:
        found = await files(repository, number)
        (way,) = await repository.locate(found["sub/deep/c.txt"].id)
        assert [node.name for node in way] == [service.workspace, "located", "sub", "deep", "c.txt"]
        (way,) = await repository.locate(f"b{number}/sub/deep")
        assert [node.name for node in way] == [service.workspace, "located", "sub", "deep"]
        assert list(await repository.locate("root")) == [[]]


async def test_what_an_action_costs(service: Service, stage: Path) -> None:
    number = service.upload({f"{n}.txt": b"%d" % n for n in range(50)}, "counted")
    repository = service.repository(stage)
    service.server.forget()
    await repository.connect()
    assert service.server.requests()["kinds"] == {"GET user": 1}
    await repository.close()
    async with service.opened(stage) as repository:
        service.server.forget()
        batch = await repository.stat(f"b{number}")
        assert service.server.requests()["kinds"] == {"GET migration": 1}
        found = await files(repository, number)
        assert service.server.requests()["kinds"] == {"GET migration": 1, "GET file": 1}
        await repository.metadata([batch, *found.values()])
        assert service.total() == 2
        await repository.attribute(batch, "user.jdma.external_id")
        await repository.attribute(batch, "user.jdma.external_id")
        assert service.total() == 3
        service.server.forget()
        await repository.recall(list(found.values()))
        with trio.fail_after(30):
            for node in found.values():
                await repository.recalled(node)
        kinds = service.server.requests()["kinds"]
        assert kinds.pop("GET request") <= 20, "one list per interval, whatever is on its way"
        assert kinds == {"POST request": 1}
        service.server.forget()
        for node in found.values():
            assert content(await repository.stat(node.id))
        assert service.total() == 0


async def test_a_request_that_the_server_has_forgotten_is_judged_by_the_disk(service: Service, stage: Path) -> None:
    number = service.upload(DATA)
    service.server.switch(passes=0)
    async with service.opened(stage) as repository:
        node = (await files(repository, number))["a.txt"]
        await repository.recall([node])
        with trio.fail_after(30):
            while not [record for record in journal(stage) if record.request]:
                await trio.sleep(0.02)
    request = service.made(1)[-1]["request_id"]
    service.server.switch(passes=-1)
    service.ended(request)
    service.server.switch(clock=10 * 86400.0)
    with trio.fail_after(30):
        while request in [one["request_id"] for one in service.made(1)]:
            await trio.sleep(0.05)
    async with service.opened(stage) as repository:
        with trio.fail_after(30):
            await files(repository, number)
            assert content(await repository.recalled(node)) == DATA["a.txt"]


# ---- originals ----------------------------------------------------------------------------------------------------


def sources(service: Service, number: int) -> dict[str, Path]:
    """Where the files of a batch were put from."""
    paths = [Path(path) for path in service.files(number)]
    base = os.path.commonpath([path.parent for path in paths])
    return {str(path.relative_to(base)): path for path in paths}


async def test_originals_that_are_still_there_are_read_in_place_and_others_are_brought(
    service: Service, stage: Path
) -> None:
    number = service.upload(DATA, "originals")
    places = sources(service, number)
    places["sub/b.bin"].write_bytes(os.urandom(len(DATA["sub/b.bin"])))
    async with service.opened(stage, use_originals=True) as repository:
        found = await files(repository, number)
        await repository.recall(list(found.values()), explicit=True)
        with trio.fail_after(30):
            for path in ("a.txt", "sub/deep/c.txt", "sub/b.bin"):
                assert content(await repository.recalled(found[path])) == DATA[path]
        node = await repository.stat(found["a.txt"].id)
        assert node.local is not None
        assert (node.local.root / node.local.relative) == places["a.txt"]
        assert (await fetched(repository, node)).content == DATA["a.txt"]
        assert service.posts("GET") == 1
        (record,) = [one for one in journal(stage) if one.request]
        assert [item.path for item in record.items] == [str(places["sub/b.bin"])], "only what is not there is brought"
    async with service.opened(stage, use_originals=True) as repository:
        assert (await files(repository, number))["a.txt"].availability is Availability.ONLINE
        places["a.txt"].write_bytes(b"omega\n")
        assert (await repository.stat(found["a.txt"].id)).availability is Availability.OFFLINE, "it was changed"
        await repository.recall([found["a.txt"]])
        with trio.fail_after(30):
            assert content(await repository.recalled(found["a.txt"])) == DATA["a.txt"]
        assert service.posts("GET") == 2
        await repository.perform(await repository.stat(f"b{number}"), "user.jdma.evict", b"1")
        assert (await repository.stat(found["sub/deep/c.txt"].id)).availability is Availability.OFFLINE
    assert places["sub/deep/c.txt"].read_bytes() == DATA["sub/deep/c.txt"], "not ours to remove"
    assert places["a.txt"].read_bytes() == b"omega\n"
    assert os.listdir(stage / "get") == []


async def test_originals_are_not_used_unless_it_is_said(service: Service, stage: Path) -> None:
    number = service.upload(DATA)
    async with service.opened(stage, use_originals=True) as repository:
        node = (await files(repository, number))["a.txt"]
        await repository.recall([node])
        with trio.fail_after(30):
            await repository.recalled(node)
    async with service.opened(stage) as repository:
        assert (await files(repository, number))["a.txt"].availability is Availability.OFFLINE
        await repository.recall([node])
        with trio.fail_after(30):
            here = await repository.recalled(node)
        assert here.local is not None
        assert here.local.root.parent == stage / "get"
    assert service.posts("GET") == 1


# ---- workspaces that nothing is known of --------------------------------------------------------------------------


async def test_a_workspace_without_batches_of_ours_answers_to_its_name(service: Service, stage: Path) -> None:
    other = service.server.info["other"]
    async with service.opened(stage) as repository:
        root = await repository.root()
        assert root.open_ended
        shown = [node.name async for page in repository.children(root) for node in page.nodes]
        assert other not in shown
        service.server.forget()
        found = await repository.hidden(root, other)
        assert (found.id, found.name) == (f"w:{other}", other)
        assert [page.nodes async for page in repository.children(found)] == [[]]
        assert await repository.stat(found.id) == found
        assert repository.drafts_in(found, "new")
        for _ in range(2):
            with pytest.raises(NotFound):
                await repository.hidden(root, "nowhere")
        assert service.server.requests()["kinds"] == {"GET migration": 2}, "once for each name, for a while"
        service.server.forget()
        for name in (".git", "@eaDir", "x" * 2000, "line\nbreak"):
            with pytest.raises(NotFound):
                await repository.hidden(root, name)
        with pytest.raises(NotFound):
            await repository.hidden(found, "batch-1")
        assert service.total() == 0


async def test_everybodys_batches_of_a_workspace_by_its_name(service: Service, stage: Path) -> None:
    number = service.upload(DATA)
    async with service.opened(stage, scope="workspace") as repository:
        root = await repository.root()
        assert [page.nodes async for page in repository.children(root)] == [[]]
        found = await repository.hidden(root, service.workspace)
        assert f"b{number}" in {node.id async for page in repository.children(found) for node in page.nodes}
        with pytest.raises(Forbidden):
            await repository.hidden(root, service.server.info["other"])
