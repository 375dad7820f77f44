"""The demo newsroom of SAMS as a drive."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.mounts import Mounted, error_of, mounted
from tests.sandboxes import RunningSandbox, start_sandbox

pytestmark = pytest.mark.mount


@pytest.fixture(scope="module")
def server() -> Iterator[RunningSandbox]:
    with start_sandbox("sams", seed="demo") as running:
        yield running


@pytest.fixture
def newsroom(server: RunningSandbox, tmp_path: Path) -> Iterator[Mounted]:
    options = ("--destination", "internal", "--user-id", "mara")
    with mounted(server.source, server.credential, tmp_path / "home", *options) as found:
        yield found


def test_sets_are_folders_and_names_are_told_apart(newsroom: Mounted) -> None:
    sets = {"Archive 2019", "Election night", "Front page", "Incoming", "Sports"}
    assert sets <= set(os.listdir(newsroom.path))
    sports = os.listdir(newsroom.path / "Sports")
    assert {"home%2Faway.png", "match.jpg"} < set(sports)
    assert len([name for name in sports if name.startswith("match~")]) == 1
    assert "選挙速報.txt" in os.listdir(newsroom.path / "Election night")
    assert (newsroom.path / "Election night" / "選挙速報.txt").read_text() == "開票が始まりました。\n"


def test_what_is_written_arrives_and_a_closed_set_stays_as_it_is(newsroom: Mounted) -> None:
    desk = newsroom.path / "Night desk"
    desk.mkdir()
    content = os.urandom(300_000)
    (desk / "report — draft.bin").write_bytes(content)
    (desk / "note.txt").write_text("one\n")
    newsroom.run("sh", "-c", "echo two >> 'Night desk/note.txt'; mv 'Night desk/note.txt' Sports/")
    newsroom.run("setfattr", "-n", "user.xdg.tags", "-v", "night,draft", desk / "report — draft.bin")
    closed = newsroom.path / "Archive 2019" / "new.txt"
    assert error_of(closed.touch) == errno.EACCES
    assert error_of((desk / "sub").mkdir) == errno.EOPNOTSUPP
    assert (desk / "report — draft.bin").read_bytes() == content
    assert (newsroom.path / "Sports" / "note.txt").read_text() == "one\ntwo\n"


def test_droppings_of_editors_work_beside_hidden_folders(newsroom: Mounted) -> None:
    swap = newsroom.path / "Sports" / ".note.txt.swp"
    swap.write_text("x")
    assert swap.read_text() == "x"
    swap.unlink()
    assert not swap.exists()


def test_thumbnails_are_there_and_are_not_walked_into(newsroom: Mounted) -> None:
    thumbnail = newsroom.path / "Front page" / ".renditions" / "thumbnail" / "First snow.jpg"
    assert thumbnail.read_bytes()[:3] == b"\xff\xd8\xff"
    assert ".renditions" not in os.listdir(newsroom.path / "Front page")
    assert error_of(thumbnail.unlink) == errno.EACCES
