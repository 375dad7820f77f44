"""JDMA: drafts that become batches: nothing is lost, nothing sent twice, nothing local removed early."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import trio

from assetfs.backends.jdma.repository import JdmaRepository
from assetfs.repository import (
    Availability,
    Kind,
    NameRejected,
    Node,
    NotFound,
    Unavailable,
    Unsupported,
    ValueRejected,
)
from tests.contract.doubles import Book, Broken
from tests.jdma import below, books, named
from tests.jdma_service import Service, content, files

DATA = {"a.txt": b"alpha\n", "sub/b.bin": os.urandom(70_000), "sub/empty": b"", "na me é.txt": b"odd\n"}


class Folder:
    """A draft as the mount has it."""

    def __init__(self, home: Path, name: str, data: Mapping[str, bytes] = DATA) -> None:
        self.key = secrets.token_hex(6)
        self.name = name
        self.path = home / self.key
        self.attributes: Mapping[str, bytes] = {}
        self.path.mkdir(parents=True)
        for path, text in data.items():
            (self.path / path).parent.mkdir(parents=True, exist_ok=True)
            (self.path / path).write_bytes(text)

    def attributes_of(self, relative: str) -> Mapping[str, bytes]:
        return {}


async def place(repository: JdmaRepository, service: Service) -> Node:
    return Node(id=f"w:{service.workspace}", kind=Kind.FOLDER, name=service.workspace)


def drafted(repository: JdmaRepository, service: Service, name: str = "new run", **more: Any) -> Folder:
    home = repository.draft_home(Node(id=f"w:{service.workspace}", kind=Kind.FOLDER, name=""))
    assert home is not None
    return Folder(home, name, **more)


@pytest.mark.parametrize("value", [b"put", b"migrate", b""])
async def test_a_draft_becomes_a_batch_whose_files_are_here(service: Service, stage: Path, value: bytes) -> None:
    async with service.opened(stage) as repository:
        draft, folder, book = drafted(repository, service), await place(repository, service), Book()
        service.server.switch(put_seconds=0.5)
        assert await repository.commit_draft(draft, folder, draft.name, value, book) is None
        assert below(draft.path) == DATA, "it stays readable"
        number = book.state["batch"]
        with pytest.raises(NotFound):
            await repository.stat(f"b{number}")
        known = {name: one.value for name, one in repository.draft_metadata(draft, book.state).items()}
        assert known["user.jdma.stage"] == b"PUTTING"
        assert known["user.jdma.id"] == str(number).encode()
        with trio.fail_after(30):
            node = await repository.finish_draft(draft, folder, draft.name, book)
        assert (node.id, node.name) == (f"b{number}", "new run")
        service.server.forget()
        found = await files(repository, number)
        assert {path: node.availability for path, node in found.items()} == dict.fromkeys(DATA, Availability.ONLINE)
        assert {path: content(node) for path, node in found.items() if node.size} == {
            p: d for p, d in DATA.items() if d
        }
        assert "GET file" not in service.server.requests()["kinds"]
        assert below(draft.path) == DATA, "its files are the copies, where they are"
        assert os.listdir(stage / "put") == os.listdir(stage / "stuck") == []
        assert os.listdir(stage / ".assetfs" / "drafts") == []
    async with service.opened(stage) as repository:
        found = await files(repository, number)
        assert content(found["a.txt"]) == DATA["a.txt"]
        await repository.perform(await repository.stat(f"b{number}"), "user.jdma.evict", b"1")
        await repository.recall([found["sub/b.bin"]])
        with trio.fail_after(30):
            assert content(await repository.recalled(found["sub/b.bin"])) == DATA["sub/b.bin"]


async def both(repository: JdmaRepository, draft: Folder, folder: Node, book: Book) -> Node:
    await repository.commit_draft(draft, folder, draft.name, b"put", book)
    return await repository.finish_draft(draft, folder, draft.name, book)


@pytest.mark.parametrize("at", [1, 2])
@pytest.mark.parametrize("before", [True, False])
async def test_a_crash_at_any_step_neither_loses_nor_doubles(
    service: Service, stage: Path, at: int, before: bool
) -> None:
    sent = len(service.made(0))
    async with service.opened(stage) as repository:
        draft, folder = drafted(repository, service), await place(repository, service)
        book = Book(breaks_at=at, before=before)
        with trio.fail_after(30), pytest.raises(Broken):
            await both(repository, draft, folder, book)
    again = Book(book.state)
    async with service.opened(stage) as repository:
        with trio.fail_after(30):
            await repository.commit_draft(draft, folder, draft.name, b"put", again)
            node = await repository.finish_draft(draft, folder, draft.name, again)
        found = await files(repository, int(node.id[1:]))
        assert {path: content(one) for path, one in found.items() if one.size} == {p: d for p, d in DATA.items() if d}
    assert len(service.made(0)) == sent + 1


async def test_a_crash_after_the_end_changes_nothing(service: Service, stage: Path) -> None:
    async with service.opened(stage) as repository:
        draft, folder, book = drafted(repository, service), await place(repository, service), Book()
        with trio.fail_after(30):
            node = await both(repository, draft, folder, book)
    async with service.opened(stage) as repository:
        with trio.fail_after(30):
            again = await repository.finish_draft(draft, folder, draft.name, Book(book.state))
        assert again.id == node.id
        assert content((await files(repository, int(node.id[1:])))["a.txt"]) == DATA["a.txt"]


@pytest.mark.parametrize("fault", ["lost_answer", "drop"])
async def test_an_answer_that_is_lost_makes_no_second_batch(service: Service, stage: Path, fault: str) -> None:
    sent = len(service.made(0))
    async with service.opened(stage) as repository:
        draft, folder, book = drafted(repository, service), await place(repository, service), Book()
        service.server.arm(fault, {"method": "POST"})
        with trio.fail_after(30):
            await repository.commit_draft(draft, folder, draft.name, b"put", book)
            await repository.finish_draft(draft, folder, draft.name, book)
    assert len(service.made(0)) == sent + 1


async def test_what_failed_is_a_draft_again_and_becomes_another_batch(service: Service, stage: Path) -> None:
    async with service.opened(stage) as repository:
        draft, folder, book = drafted(repository, service), await place(repository, service), Book()
        service.server.switch(failed_stage=5, failure="Verification failed")
        await repository.commit_draft(draft, folder, draft.name, b"put", book)
        failed = book.state["batch"]
        with trio.fail_after(30), pytest.raises(ValueRejected, match="Verification failed"):
            await repository.finish_draft(draft, folder, draft.name, book)
        assert below(draft.path) == DATA
        repository._catalogue.stale()
        assert (await repository.stat(f"b{failed}")).name == draft.name, "it stays on the server, for who deletes it"
        service.server.switch(failed_stage=-1)
        (draft.path / "more.txt").write_bytes(b"more\n")
        again = Book(book.state)
        await repository.commit_draft(draft, folder, draft.name, b"put", again)
        with trio.fail_after(30):
            node = await repository.finish_draft(draft, folder, draft.name, again)
        assert node.id != f"b{failed}"
        assert set(await files(repository, int(node.id[1:]))) == {*DATA, "more.txt"}


async def test_nothing_local_goes_when_the_server_has_something_else(service: Service, stage: Path) -> None:
    async with service.opened(stage) as repository:
        draft, folder, book = drafted(repository, service), await place(repository, service), Book()
        service.server.switch(passes=0)
        await repository.commit_draft(draft, folder, draft.name, b"put", book)
        source = stage / str(book.state["source"])
        (source / "a.txt").unlink()
        (source / "a.txt").write_bytes(b"ALPHA\n")
        service.server.switch(passes=-1)
        with trio.fail_after(30), pytest.raises(ValueRejected, match="another digest"):
            await repository.finish_draft(draft, folder, draft.name, book)
        assert below(draft.path) == DATA


async def test_a_batch_that_was_deleted_meanwhile_leaves_the_draft(service: Service, stage: Path) -> None:
    async with service.opened(stage) as repository:
        draft, folder, book = drafted(repository, service), await place(repository, service), Book()
        service.server.switch(stuck_stage=4)
        await repository.commit_draft(draft, folder, draft.name, b"put", book)
        service.server.switch(stuck_stage=-1, passes=0)
        service.post("DELETE", migration_id=book.state["batch"], storage="elastictape")
        service.server.switch(passes=-1)
        with trio.fail_after(30), pytest.raises(ValueRejected):
            await repository.finish_draft(draft, folder, draft.name, book)
        assert below(draft.path) == DATA


def spoil(draft: Folder, how: str, stage: Path) -> None:
    if how == "empty":
        (draft.path / "a.txt").unlink()
    elif how == "link":
        (draft.path / "link").symlink_to("/etc/passwd")
    elif how == "outside":
        (draft.path / "link").symlink_to("../../../..")
    elif how == "pipe":
        os.mkfifo(draft.path / "pipe")
    elif how == "top":
        (draft.path / stage.parts[1]).mkdir()
        (draft.path / stage.parts[1] / "x").write_bytes(b"x")
    elif how == "bytes":
        Path(os.fsdecode(bytes(draft.path) + b"/\xff\xfe")).write_bytes(b"x")
    elif how == "control":
        (draft.path / "line\nbreak").write_bytes(b"x")
    elif how == "long":
        deep = draft.path / "/".join(["x" * 200] * 6)
        deep.mkdir(parents=True)
        (deep / "x").write_bytes(b"x")


@pytest.mark.parametrize("how", ["empty", "link", "outside", "pipe", "top", "bytes", "control", "long"])
async def test_what_the_server_would_lose_or_choke_on_is_refused_before_anything_is_sent(
    service: Service, stage: Path, how: str
) -> None:
    async with service.opened(stage) as repository:
        draft = drafted(repository, service, data={"a.txt": b"alpha\n"})
        spoil(draft, how, stage)
        service.server.forget()
        with pytest.raises((ValueRejected, NameRejected)):
            await repository.commit_draft(draft, await place(repository, service), "run", b"put", Book())
        assert service.total() == 0
        assert os.listdir(stage / "put") == []


@pytest.mark.parametrize("value", [b"now", b"put:", b"put:../x", b"\xff", b"PUT", b"put migrate"])
async def test_values_of_commit_are_checked(service: Service, stage: Path, value: bytes) -> None:
    async with service.opened(stage) as repository:
        draft = drafted(repository, service)
        service.server.forget()
        with pytest.raises(ValueRejected):
            await repository.commit_draft(draft, await place(repository, service), "run", value, Book())
        assert service.total() == 0


@pytest.mark.parametrize("label", ["..", "../../../etc", "/etc/passwd", "a/b", "%2e%2e", "x" * 300, "日本", "~root"])
async def test_no_label_makes_us_name_a_path_outside_our_stage(service: Service, stage: Path, label: str) -> None:
    before = len(list(named(service.server)))
    async with service.opened(stage) as repository:
        draft, folder, book = drafted(repository, service, label), await place(repository, service), Book()
        await repository.commit_draft(draft, folder, label, b"put", book)
        with trio.fail_after(30):
            node = await repository.finish_draft(draft, folder, label, book)
        assert node.name == label
        await repository.perform(node, "user.jdma.evict", b"1")
        file = (await files(repository, int(node.id[1:])))["a.txt"]
        await repository.recall([file])
        with trio.fail_after(30):
            await repository.recalled(file)
    new = list(named(service.server))[before:]
    assert len(new) >= 3
    for _, path in new:
        assert path.startswith(f"{stage}/")
        assert ".." not in path.split("/")
        assert "//" not in path


async def test_folders_of_drafts_and_what_they_take(service: Service, stage: Path) -> None:
    async with service.opened(stage, commit="idle:30") as repository:
        workspace = await place(repository, service)
        service.upload(DATA)
        batch = await repository.stat(f"b{service.upload(DATA)}")
        assert repository.drafts_in(workspace, "new")
        assert not repository.drafts_in(workspace, "x" * 1025)
        assert not repository.drafts_in(batch, "new")
        assert not repository.drafts_in(await repository.root(), "new")
        draft = drafted(repository, service)
        for kind, path in ((Kind.FILE, "a.txt"), (Kind.FOLDER, "sub/deep")):
            repository.admit_draft(draft, path, kind)
        with pytest.raises(Unsupported):
            repository.admit_draft(draft, "link", Kind.LINK)
        for path in ("a\nb", "x" * 1025, stage.parts[1], f"{stage.parts[1]}/x", "a%41.txt"):
            with pytest.raises(NameRejected):
                repository.admit_draft(draft, path, Kind.FILE)
        assert repository.draft_idle(draft) == 30.0
        for name in (".hidden", "backup~", "big.partial"):
            draft.name = name
            assert repository.draft_idle(draft) is None
        known = repository.draft_metadata(draft, {})
        assert known["user.jdma.stage"].value == b"DRAFT"


async def test_a_draft_that_is_thrown_away_leaves_nothing(service: Service, stage: Path) -> None:
    async with service.opened(stage) as repository:
        draft = drafted(repository, service)
        book = Book(breaks_at=1)
        with pytest.raises(Broken):
            await repository.commit_draft(draft, await place(repository, service), "run", b"put", book)
        assert os.listdir(stage / "put")
        await repository.abandon(book.state)
        await cleared(stage)
    assert os.listdir(stage / ".assetfs" / "drafts") == []


async def test_an_upload_that_the_server_has_forgotten_is_judged_by_its_batch(service: Service, stage: Path) -> None:
    service.server.switch(passes=0)
    async with service.opened(stage) as repository:
        draft, folder, book = drafted(repository, service), await place(repository, service), Book()
        await repository.commit_draft(draft, folder, draft.name, b"put", book)
    service.server.switch(passes=-1)
    service.ended(book.state["request"])
    service.server.switch(clock=10 * 86400.0)
    with trio.fail_after(30):
        while book.state["request"] in [one["request_id"] for one in service.made(0)]:
            await trio.sleep(0.05)
    async with service.opened(stage) as repository:
        with trio.fail_after(30):
            node = await repository.finish_draft(draft, folder, draft.name, book)
        assert node.id == f"b{book.state['batch']}"


# ---- clones that nobody waits for ---------------------------------------------------------------------------------


async def cleared(stage: Path) -> None:
    with trio.fail_after(30):
        while os.listdir(stage / "put"):
            await trio.sleep(0.02)


@pytest.mark.parametrize("taken", [True, False])
async def test_an_answer_that_is_lost_for_good_leaves_no_clone_behind(
    service: Service, stage: Path, taken: bool
) -> None:
    """The draft goes another way afterwards; what the server has taken meanwhile is not taken from it."""
    sent = len(service.made(0))
    async with service.opened(stage) as repository:
        draft, folder, book = drafted(repository, service), await place(repository, service), Book()
        service.server.switch(passes=0)
        service.server.arm("lost_answer" if taken else "drop", {"method": "POST"}, count=2)
        service.server.arm("status", {"method": "GET", "kind": "request"}, count=100, status=501)
        with trio.fail_after(60), pytest.raises(Unavailable):
            await repository.commit_draft(draft, folder, draft.name, b"put", book)
        (clone,) = os.listdir(stage / "put")
        service.server.reset()
        service.server.switch(passes=0)
        (draft.path / "more.txt").write_bytes(b"more\n")
        again = Book(book.state)
        await repository.commit_draft(draft, folder, draft.name, b"put", again)
        while "put" in os.listdir(stage) and len(os.listdir(stage / "put")) > 1 + taken:
            await trio.sleep(0.02)
        assert (clone in os.listdir(stage / "put")) is taken, "the server works on it"
        service.server.switch(passes=-1)
        with trio.fail_after(30):
            node = await repository.finish_draft(draft, folder, draft.name, again)
        assert set(await files(repository, int(node.id[1:]))) == {*DATA, "more.txt"}
    made = service.made(0)[sent:]
    assert len(made) == 1 + taken
    for one in made:
        assert service.ended(one["request_id"])["stage"] == 9
    async with service.opened(stage):
        await cleared(stage)


async def test_a_draft_that_was_changed_between_two_tries_is_handed_over_as_it_is_now(
    service: Service, stage: Path
) -> None:
    """The first try never arrives; the second one dies when its manifest is written and its folder not recorded."""
    sent = len(service.made(0))
    async with service.opened(stage) as repository:
        draft, folder, book = drafted(repository, service), await place(repository, service), Book()
        service.server.arm("drop", {"method": "POST"})
        service.server.arm("status", {"method": "GET", "kind": "request"}, count=100, status=501)
        with pytest.raises(Unavailable):
            await repository.commit_draft(draft, folder, draft.name, b"put", book)
        service.server.reset()
        (draft.path / "more.txt").write_bytes(b"more\n")
        second = Book(book.state, breaks_at=1, before=True)
        with pytest.raises(Broken):
            await repository.commit_draft(draft, folder, draft.name, b"put", second)
        assert second.state["source"] == book.state["source"]
    async with service.opened(stage) as repository:
        third = Book(second.state)
        with trio.fail_after(30):
            node = await both(repository, draft, folder, third)
        found = await files(repository, int(node.id[1:]))
        assert {path: content(one) for path, one in found.items() if one.size} == {
            **{path: data for path, data in DATA.items() if data},
            "more.txt": b"more\n",
        }
        await cleared(stage)
    assert len(service.made(0)) == sent + 1


async def test_a_clone_that_was_never_finished_is_removed_at_the_next_start(service: Service, stage: Path) -> None:
    async with service.opened(stage) as repository:
        draft = drafted(repository, service)
        (stage / "put" / "0123abcd" / "run").mkdir(parents=True)
        os.link(draft.path / "a.txt", stage / "put" / "0123abcd" / "run" / "a.txt")
    async with service.opened(stage):
        await cleared(stage)
    assert below(draft.path) == DATA


# ---- the object store, which takes and never ends -----------------------------------------------------------------


async def test_an_object_store_is_asked_with_its_keys_and_what_hangs_there_stays_a_draft(
    service: Service, stage: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    keys = {"access_key": "AK-hunter2", "secret_key": "SK-hunter2"}
    account = tmp_path / "jdma.json"
    account.write_text(json.dumps({"version": "1", "storage": {"objectstore": {"required_credentials": keys}}}))
    account.chmod(0o600)
    buckets = Node(id=f"w:{service.server.info['buckets']}", kind=Kind.FOLDER, name="")
    async with service.opened(stage) as repository:
        with pytest.raises(ValueRejected, match="credentials_file"):
            await repository.commit_draft(drafted(repository, service), buckets, "run", b"put:objectstore", Book())
    async with service.opened(stage, credentials_file=account) as repository:
        draft, book = drafted(repository, service), Book()
        with pytest.raises(ValueRejected, match="storage"):
            await repository.commit_draft(draft, await place(repository, service), "run", b"put:objectstore", Book())
        await repository.commit_draft(draft, buckets, "run", b"put:objectstore", book)
        request = book.state["request"]
        assert service.settled(request) == 5, "it waits for a comparison that never comes"
        with pytest.raises(NotFound):
            await repository.stat(f"b{book.state['batch']}")
        assert service.ask("migration/", migration_id=book.state["batch"])["storage"] == "objectstore"
        credentials = {"access_key": "a", "secret_key": "s"}
        service.post(
            "DELETE", migration_id=book.state["batch"], storage="objectstore", credentials=credentials
        ).raise_for_status()
        with trio.fail_after(30), pytest.raises(ValueRejected, match="given up or deleted"):
            await repository.finish_draft(draft, buckets, "run", book)
        assert below(draft.path) == DATA
    assert "hunter2" not in caplog.text
    ((sent,),) = books(service.server, "SELECT credentials FROM request WHERE id = ?", request)
    assert json.loads(sent) == {name: len(value) for name, value in keys.items()}
