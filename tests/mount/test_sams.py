"""The demo newsroom of SAMS as a drive."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.mounts import Mounted, error_of, eventually, mounted
from tests.sams import SOON
from tests.sams import newsroom as newsroom_of
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
    assert error_of((desk / "sub").mkdir) == errno.EPERM
    assert error_of(lambda: (desk / "link").symlink_to("note.txt")) == errno.EPERM
    assert error_of(lambda: (desk / "twice").hardlink_to(desk / "report — draft.bin")) == errno.EPERM
    assert error_of((newsroom.path / "beside.txt").touch) == errno.EOPNOTSUPP
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


def test_links_by_tag_and_state_lead_to_the_files(newsroom: Mounted) -> None:
    front = newsroom.path / "Front page"
    tagged = front / ".tags" / "weather"
    assert sorted(os.listdir(front / ".tags")) == ["front", "transport", "weather"]
    assert "First snow.jpg" in os.listdir(tagged)
    assert (tagged / "First snow.jpg").is_symlink()
    assert (tagged / "First snow.jpg").read_bytes() == (front / "First snow.jpg").read_bytes()
    assert "First snow.jpg" in os.listdir(newsroom.path / ".tags" / "weather")
    assert "First snow.jpg" in os.listdir(front / ".state" / "internal")
    assert not {".tags", ".state", ".renditions"} & set(os.listdir(front))
    assert error_of((tagged / "First snow.jpg").unlink) == errno.EACCES
    found = newsroom.path / ".assetfs" / "search" / "First snow"
    assert [(found / name).read_bytes()[:3] for name in os.listdir(found)] == [b"\xff\xd8\xff"]
    assert "weather" in os.listdir(newsroom.path / ".assetfs" / "tags")


def test_tags_are_edited_by_their_names(newsroom: Mounted) -> None:
    file = newsroom.path / "Front page" / "ferry strike.txt"
    assert os.getxattr(file, "user.xdg.tags") == b"Transport"
    os.setxattr(file, "user.xdg.tags", b"Transport,Weather")
    told = json.loads(os.getxattr(file, "user.sams.tags"))
    assert {"code": "weather", "name": "Weather"} in told, "the tag that other files have, and not a second one"
    assert error_of(lambda: os.setxattr(file, "user.sams.tags", b"Weather")) == errno.EINVAL
    assert error_of(lambda: os.setxattr(file, "user.sams.media_id", b"x")) == errno.EPERM
    assert error_of(lambda: os.removexattr(file, "user.sams.state")) == errno.EPERM
    assert os.getxattr(newsroom.path / "Front page", "user.sams.destination_provider") == b"MongoGridFS"


def test_what_is_locked_by_somebody_else_is_not_changed(newsroom: Mounted) -> None:
    locked = newsroom.path / "Sports" / "Captain's armband.jpg"
    assert os.getxattr(locked, "user.sams.lock_user") == b"ines"
    assert error_of(lambda: os.setxattr(locked, "user.sams.description", b"x")) == errno.EBUSY
    assert error_of(locked.unlink) == errno.EBUSY
    assert error_of(lambda: locked.open("r+")) == errno.EBUSY
    assert error_of(lambda: os.truncate(locked, 3)) == errno.EBUSY
    assert error_of(lambda: locked.rename(locked.with_name("x.jpg"))) == errno.EBUSY


def test_a_picture_is_made_when_it_is_opened_and_only_where_that_is_wished(
    server: RunningSandbox, tmp_path: Path
) -> None:
    with mounted(server.source, server.credential, tmp_path / "one") as plain:
        wished = plain.path / "Front page" / ".renditions" / "77x77" / "First snow.jpg"
        assert not wished.exists()
    server.reset()
    with mounted(server.source, server.credential, tmp_path / "two", "--create-renditions") as drive:
        wished = drive.path / "Front page" / ".renditions" / "77x77" / "First snow.jpg"
        assert wished.exists()
        assert "77x77" not in os.listdir(wished.parent.parent)
        assert not [one for one in server.listing() if one["kind"] == "image"], "looking makes none"
        content = wished.read_bytes()
        assert content[:3] == b"\xff\xd8\xff"
        assert len([one for one in server.listing() if one["kind"] == "image"]) == 1


def test_an_asset_is_locked_while_it_is_open_for_writing(server: RunningSandbox, tmp_path: Path) -> None:
    with newsroom_of(server, tmp_path / "one", "--locks", "take", *SOON) as desk:
        (desk / "a.txt").write_text("one")
        desk.flush()
        assert desk.record("a.txt").get("lock_action") is None
        with (desk / "a.txt").open("r+") as file:
            held = desk.record("a.txt")
            assert (held["lock_action"], held["lock_user"]) == ("edit", "mara")
            with newsroom_of(server, tmp_path / "two", "--user-id", "ines", name=desk.folder.name) as other:
                assert error_of(lambda: (other / "a.txt").write_text("theirs")) == errno.EBUSY
                assert error_of((other / "a.txt").unlink) == errno.EBUSY
                assert os.getxattr(other / "a.txt", "user.sams.lock_user") == b"mara"
            file.write("two")
        desk.flush()
        assert eventually(lambda: desk.record("a.txt").get("lock_action") is None)
        assert desk.there() == {"a.txt": b"two"}
        with (desk / "a.txt").open("r+"):
            assert desk.record("a.txt")["lock_action"] == "edit"
        assert eventually(lambda: desk.record("a.txt").get("lock_action") is None), "nothing was written"
        world = desk.wire
        path = f"produce/assets/lock/{desk.record('a.txt')['_id']}?external_user_id=ines&external_session_id=s"
        world.call("PATCH", path, json={"lock_action": "edit"})
        assert error_of(lambda: (desk / "a.txt").open("r+")) == errno.EBUSY


def test_what_others_do_shows_by_itself(server: RunningSandbox, tmp_path: Path) -> None:
    options = ("--poll", "0.2", "--list-timeout", "1h", *SOON)
    with newsroom_of(server, tmp_path / "home", *options) as desk:
        (desk / "ours.txt").write_text("ours")
        desk.flush()
        assert desk.names() == ["ours.txt"]
        theirs = desk.wire.put(desk.set_id, "theirs.txt", b"one")
        assert eventually(lambda: desk.names() == ["ours.txt", "theirs.txt"], 30)
        assert (desk / "theirs.txt").read_bytes() == b"one"
        desk.wire.describe(theirs, ["Ferry"])
        assert eventually(lambda: "user.xdg.tags" in os.listxattr(desk / "theirs.txt"), 30)
        desk.wire.overwrite(theirs, b"two two")
        assert eventually(lambda: (desk / "theirs.txt").read_bytes() == b"two two", 30)
        desk.wire.rename(theirs, "renamed.txt")
        assert eventually(lambda: desk.names() == ["ours.txt", "renamed.txt"], 30)
        desk.wire.destroy(theirs)
        assert eventually(lambda: desk.names() == ["ours.txt"], 30)
