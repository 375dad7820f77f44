"""JDMA's traps (docs/backends/jdma.md has them all, with their tests): the ones that no other file is about."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
import trio

from assetfs.repository import Availability, ProtocolViolation
from tests.jdma import FAILED_COMPLETED, books, tree
from tests.jdma_service import Service, content, files

PROJECT = Path(__file__).parents[3]
ROW = re.compile(r"^\| (\d+) \|[^|]*\| (.+) \|$", re.MULTILINE)


def test_every_trap_has_its_tests() -> None:
    """The table names each trap of the protocol once, and only tests that there are."""
    page = (PROJECT / "docs/backends/jdma.md").read_text()
    rows = dict(ROW.findall(page.partition("### Traps")[2]))
    assert [int(number) for number in rows] == list(range(1, 26))
    for tests in rows.values():
        for name in re.findall(r"`([^`]+)`", tests):
            file, _, test = name.partition("::")
            assert f"def {test}(" in (PROJECT / "tests" / file).read_text(), name


def test_several_folders_fail_with_what_their_names_share(service: Service) -> None:
    place = tree(service.stage / "several")
    folders = [tree(place / name, a_txt="a") for name in ("two1", "two2")]
    answer = service.put(*folders).json()
    found = service.wait(answer["request_id"], FAILED_COMPLETED)
    assert found["failure_reason"] == f"[Errno 2] No such file or directory: '{place}/two'"
    assert service.stage_of(answer["batch_id"]) == 3


def test_a_slash_at_the_end_spoils_every_part_and_not_the_whole(service: Service) -> None:
    folder = tree(service.stage / "slashed", a_txt="alpha\n")
    answer = service.put(f"{folder}/").json()
    assert service.ended(answer["request_id"])["stage"] == 9
    part = service.retrieve(answer["batch_id"], service.stage / "slashed-part", "a.txt", folder=folder)
    assert (part.status_code, "contains zero files" in part.json()["error"]) == (404, True)
    whole = service.retrieve(answer["batch_id"], service.stage / "slashed-whole").json()
    assert service.ended(whole["request_id"])["stage"] == 106
    assert (service.stage / "slashed-whole" / "a.txt").read_text() == "alpha\n"


def test_a_pipe_holds_up_every_later_upload(service: Service) -> None:
    folder = tree(service.stage / "piped", a_txt="a")
    os.mkfifo(folder / "pipe")
    first = service.put(folder).json()
    second = service.put(tree(service.stage / "behind", a_txt="a")).json()
    assert (service.settled(first["request_id"]), service.settled(second["request_id"])) == (1, 0)
    service.delete(first["batch_id"])
    assert service.ended(second["request_id"])["stage"] == 9


async def test_an_entry_that_the_server_loses_is_an_error_and_the_rest_comes(service: Service, stage: Path) -> None:
    lost = f"{service.stage.parts[1]}/x.txt"
    number = service.upload({lost: b"lost\n", "y.txt": b"here\n"})
    async with service.opened(stage) as repository:
        found = await files(repository, number)
        await repository.recall(list(found.values()), explicit=True)
        with trio.fail_after(30):
            assert content(await repository.recalled(found["y.txt"])) == b"here\n"
            with pytest.raises(ProtocolViolation, match="not brought"):
                await repository.recalled(found[lost])
        assert (await repository.stat(found[lost].id)).availability is Availability.FAILED
    assert service.ended(service.made(1)[-1]["request_id"])["stage"] == 106, "which the server calls completed"


async def test_whole_batches_and_links_are_never_asked_for(service: Service, stage: Path) -> None:
    folder = tree(service.stage / "linked away", a_txt="alpha\n", sub__b_txt="beta\n")
    outside = tree(service.stage / "bystander", mine_txt="precious\n") / "mine.txt"
    outside.chmod(0o600)
    (folder / "link").symlink_to(outside)
    number = service.batch(folder)
    async with service.opened(stage) as repository:
        found = await files(repository, number)
        assert set(found) == {"a.txt", "sub/b.txt"}
        await repository.recall(list(found.values()), explicit=True)
        with trio.fail_after(30):
            for node in found.values():
                await repository.recalled(node)
    assert outside.stat().st_mode & 0o777 == 0o600
    lists = books(service.server, "SELECT filelist FROM request WHERE kind = 1 AND target LIKE ?", f"{stage}/%")
    assert [{"a.txt", "sub/b.txt", "sub"} <= set(json.loads(row[0])) for row in lists] == [True]
    assert "link" not in json.loads(lists[0][0])
