"""A day at the picture desk."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image

from tests.mounts import eventually
from tests.sams import QUIET, SOON, Newsroom, newsroom, picture
from tests.sandboxes import RunningSandbox, start_sandbox

pytestmark = pytest.mark.mount

PICTURES = 300


@pytest.fixture(scope="module")
def server() -> Iterator[RunningSandbox]:
    with start_sandbox("sams", seed="empty") as running:
        yield running


def dropped_in(desk: Newsroom, tmp_path: Path) -> dict[str, bytes]:
    """A folder of pictures is dragged onto the drive."""
    card = tmp_path / "card"
    card.mkdir()
    contents = {f"DSC_{number:04}.png": picture(number) for number in range(PICTURES)}
    for name, content in contents.items():
        (card / name).write_bytes(content)
    desk.drive.run("cp", "-r", f"{card}/.", desk.folder)
    desk.flush(120)
    assert desk.there() == contents
    return contents


@pytest.mark.timeout(240)
def test_a_day_at_the_picture_desk(server: RunningSandbox, tmp_path: Path) -> None:
    options = ("--create-renditions", *SOON, *QUIET)
    with (
        newsroom(server, tmp_path / "home", *options) as desk,
        newsroom(server, tmp_path / "second", *SOON, *QUIET, name=desk.folder.name) as other,
    ):
        server.reset()
        contents = dropped_in(desk, tmp_path)
        asked = desk.asked()
        assert asked["POST asset"] == PICTURES

        # tagged in the file manager's way
        for name in contents:
            os.setxattr(desk / name, "user.xdg.tags", b"Weather,Ferry strike")
        assert desk.asked()["PATCH asset"] == PICTURES
        tags = [{"code": name, "name": name} for name in ("Weather", "Ferry strike")]
        assert all(one["tags"] == tags for one in desk.wire.search(desk.set_id[1:]))

        # renditions read at 640x640
        shelf = desk.folder / ".renditions" / "640x640"
        for name in list(contents)[:20]:
            with Image.open(shelf / name) as image:
                assert image.size == (640, 426)
        made = [one for one in desk.wire.search(desk.set_id[1:]) if len(one["renditions"]) > 1]
        assert len(made) == 20

        # one replaced in an editor
        edited, first = picture(9999), "DSC_0000.png"
        asset = desk.record(first)
        (desk / f".{first}.tmp").write_bytes(edited)
        os.rename(desk / f".{first}.tmp", desk / first)
        desk.flush()
        now = desk.record(first)
        assert (now["_id"], now["tags"], desk.wire.content(now["_id"])) == (asset["_id"], tags, edited)
        assert not now["renditions"], "those of the old picture are gone"
        contents[first] = edited

        # ten moved to another set
        archive = desk.drive.path / f"{desk.folder.name} archive"
        archive.mkdir()
        moved = list(contents)[-10:]
        subprocess.run(["mv", *(desk / name for name in moved), archive], check=True)
        assert sorted(os.listdir(archive)) == moved
        assert sorted(desk.there()) == sorted(contents.keys() - moved)
        assert all((archive / name).read_bytes() == contents[name] for name in moved)
        [set_id] = [entry.id for entry in desk.wire.entries("root") if entry.name == archive.name]
        assert all(one["tags"] == tags for one in desk.wire.search(set_id[1:]))

        two_people_at_one_asset(desk, other, "DSC_0042.png")


def two_people_at_one_asset(desk: Newsroom, other: Newsroom, name: str) -> None:
    """Both have looked at it, and then both write at the same time."""
    for room in (desk, other):
        assert os.getxattr(room / name, "user.xdg.tags") == b"Ferry strike,Weather"

    def work(room: Newsroom, who: str) -> None:
        os.setxattr(room / name, "user.xdg.tags", f"Ferry strike,Weather,{who}".encode())
        for number in range(10):
            os.setxattr(room / name, f"user.sams.tag.{who}-{number}", f"{who} {number}".encode())
        field = "description" if who == "mara" else "name"
        os.setxattr(room / name, f"user.sams.{field}", f"by {who}".encode())

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(work, desk, "mara"), pool.submit(work, other, "ines")]:
            done.result()
    both = {f"{who}-{number}" for who in ("mara", "ines") for number in range(10)}

    def nothing_lost() -> bool:
        record = desk.record(name)
        codes = {tag["code"] for tag in record["tags"]}
        told = (record["description"], record["name"]) == ("by mara", "by ines")
        return told and codes == both | {"Ferry strike", "Weather", "mara", "ines"}

    assert eventually(nothing_lost, 30), desk.record(name)
    desk.refresh()
    assert os.getxattr(desk / name, "user.sams.name") == b"by ines"
