"""What is known of an asset is edited in its extended attributes, and travels with copies."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from tests.mounts import error_of
from tests.sandboxes import RunningSandbox
from tests.writing import Desk, fresh

pytestmark = pytest.mark.mount

CREATOR = "user.jama.meta.Dublin_Core.creator"
TITLE = "user.jama.meta.Dublin_Core.title"


@pytest.fixture(autouse=True)
def _fields(desk: Desk) -> None:
    """The fields of a museum; asked for once more is the same as there."""
    project = desk.server.info["project"]
    field_set = desk.server.rpc("add_metadataset", "Dublin_Core", project)
    for field in ("title", "creator", "subject", "description", "date"):
        desk.server.rpc("add_metadata", field, field_set)
    own = desk.server.rpc("add_metadataset", "Réserve 2.0", project)
    desk.server.rpc("add_metadata", "Boîte: n°", own)


@pytest.fixture
def asset(desk: Desk) -> Path:
    desk.put("a.txt", fresh())
    return desk / "a.txt"


def values(desk: Desk, name: str = "a.txt") -> dict[str, list[str]]:
    """Metadata of a resource as the server has it, by field title."""
    found: dict[str, list[str]] = {}
    for meta in sorted(desk.there()[name]["metas"] or [], key=lambda meta: meta["id"]):
        found.setdefault(meta["meta"]["title"], []).append(meta["value"])
    return found


def tags(desk: Desk, name: str = "a.txt") -> list[str]:
    return sorted(tag["uid"] for tag in desk.there()[name]["tags"])


# ---- one by one -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "field"),
    [
        (CREATOR, "creator"),
        ("user.dublincore.creator", "creator"),
        ("user.dublincore.title", "title"),
        ("user.xdg.comment", "description"),
        ("user.jama.meta.Réserve 2%2E0.Boîte: n°", "Boîte: n°"),
    ],
)
def test_a_field_is_set_changed_and_removed(desk: Desk, asset: Path, name: str, field: str) -> None:
    for text in ("Ada Lovelace", "É. Marchand, 1931", "two\nlines"):
        desk.run("setfattr", "-n", name, "-v", text, "a.txt")
        assert values(desk) == {field: [text]}
        assert desk.run("getfattr", "--only-values", "-n", name, "a.txt").stdout.decode() == text
        assert name in os.listxattr(asset)
    desk.run("setfattr", "-x", name, "a.txt")
    assert values(desk) == {}
    assert error_of(lambda: os.getxattr(asset, name)) == errno.ENODATA
    assert error_of(lambda: os.removexattr(asset, name)) == errno.ENODATA


def test_several_values_of_a_field(desk: Desk, asset: Path) -> None:
    os.setxattr(asset, CREATOR, b"one\n--\ntwo\n--\nthree")
    assert values(desk) == {"creator": ["one", "two", "three"]}
    os.setxattr(asset, CREATOR, b"one\n--\nfour")
    assert sorted(values(desk)["creator"]) == ["four", "one"]
    assert sorted(os.getxattr(asset, CREATOR).split(b"\n--\n")) == [b"four", b"one"]


def test_tags_are_added_and_removed_as_file_managers_do_it(desk: Desk, asset: Path) -> None:
    os.setxattr(asset, "user.xdg.tags", b"RED,blue")
    assert tags(desk) == ["RED", "blue"]
    assert os.getxattr(asset, "user.jama.tags") == b"RED\nblue"
    os.setxattr(asset, "user.xdg.tags", b"RED, blue, green")
    assert tags(desk) == ["RED", "blue", "green"]
    os.setxattr(asset, "user.jama.tags", b"green\n")
    assert os.getxattr(asset, "user.xdg.tags") == b"green"
    assert tags(desk) == ["green"]
    os.removexattr(asset, "user.xdg.tags")
    assert tags(desk) == []
    assert "user.xdg.tags" not in os.listxattr(asset)


def test_a_folder_has_attributes_too(desk: Desk) -> None:
    (desk / "f").mkdir()
    os.setxattr(desk / "f", "user.dublincore.title", b"A box")
    os.setxattr(desk / "f", "user.xdg.tags", b"BOX")
    found = desk.server.rpc("collection", desk.collections()["f"])
    assert [meta["value"] for meta in found["metas"]] == ["A box"]
    assert [tag["uid"] for tag in found["tags"]] == ["BOX"]


def test_create_and_replace(asset: Path) -> None:
    assert error_of(lambda: os.setxattr(asset, CREATOR, b"x", os.XATTR_REPLACE)) == errno.ENODATA
    os.setxattr(asset, CREATOR, b"x", os.XATTR_CREATE)
    assert error_of(lambda: os.setxattr(asset, CREATOR, b"y", os.XATTR_CREATE)) == errno.EEXIST
    os.setxattr(asset, CREATOR, b"y", os.XATTR_REPLACE)
    assert os.getxattr(asset, CREATOR) == b"y"


# ---- what is refused ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (CREATOR, b" "),
        (CREATOR, b"\xff\xfe"),
        (CREATOR, b"a\0b"),
        ("user.xdg.tags", b"\xff"),
        (CREATOR, b"a\n--\n \n--\nb"),
    ],
)
@pytest.mark.parametrize("there", [True, False])
def test_a_wrong_value_is_refused_with_its_reason(desk: Desk, name: str, value: bytes, there: bool) -> None:
    if there:
        desk.put("a.txt", fresh())
    else:
        (desk / "a.txt").write_bytes(fresh())
    assert error_of(lambda: os.setxattr(desk / "a.txt", name, value)) == errno.EINVAL
    reason = desk.xattr("a.txt", "user.assetfs.error")
    assert "user.jama." in reason
    assert reason in desk.drive.log()
    os.setxattr(desk / "a.txt", name, b"good")
    assert error_of(lambda: os.getxattr(desk / "a.txt", "user.assetfs.error")) == errno.ENODATA


def test_what_is_read_only_takes_the_value_that_it_has(desk: Desk, asset: Path) -> None:
    for name in ("user.jama.id", "user.jama.sha256", "user.mime_type", "user.assetfs.id", "user.jama.created_at"):
        value = os.getxattr(asset, name)
        os.setxattr(asset, name, value)
        assert error_of(lambda name=name: os.setxattr(asset, name, b"other")) == errno.EPERM
        assert error_of(lambda name=name: os.removexattr(asset, name)) == errno.EPERM
        assert os.getxattr(asset, name) == value
    for name in ("user.jama.width", "user.jama.meta.ExifTool.File:FileSize"):
        assert error_of(lambda name=name: os.setxattr(asset, name, b"1")) == errno.EPERM


@pytest.mark.parametrize(
    "name",
    [
        "user.jama.nothing",
        "user.jama.meta.Nowhere.title",
        "user.jama.meta.Dublin_Core.nothing",
        "user.other",
        "user.a.b",
    ],
)
def test_what_the_server_cannot_keep_is_refused(asset: Path, name: str) -> None:
    assert error_of(lambda: os.setxattr(asset, name, b"x")) == errno.EOPNOTSUPP
    assert error_of(lambda: os.getxattr(asset, name)) == errno.ENODATA


@pytest.mark.parametrize("name", ["security.capability", "system.posix_acl_access", "trusted.overlay.x"])
def test_other_namespaces_do_not_exist_here(asset: Path, name: str) -> None:
    assert error_of(lambda: os.getxattr(asset, name)) in (errno.EOPNOTSUPP, errno.ENODATA)
    assert error_of(lambda: os.setxattr(asset, name, b"x")) in (errno.EOPNOTSUPP, errno.EINVAL)


def test_verbs_are_never_listed(desk: Desk, asset: Path) -> None:
    assert [n for n in os.listxattr(asset) if n.endswith((".refresh", ".flush", ".retry", ".discard"))] == []
    assert os.listxattr(desk.drive.path / ".assetfs") == []
    os.setxattr(asset, "user.assetfs.refresh", b"1")
    assert "user.assetfs.refresh" not in os.listxattr(asset)
    assert error_of(lambda: os.setxattr(desk.drive.path / ".assetfs", "user.assetfs.nothing", b"1")) == errno.EPERM


def test_a_refused_change_leaves_what_was_there(desk: Desk, asset: Path, sandbox: RunningSandbox) -> None:
    os.setxattr(asset, CREATOR, b"before")
    desk.server.arm("status", {"call": "change_resource_meta_value"}, status=500, count=None)
    assert error_of(lambda: os.setxattr(asset, CREATOR, b"after")) == errno.EIO
    desk.server.disarm()
    os.setxattr(asset, "user.assetfs.refresh", b"1")
    assert os.getxattr(asset, CREATOR) == b"before"


# ---- before the upload ----------------------------------------------------------------------------------------------


def test_attributes_travel_with_the_upload(desk: Desk) -> None:
    (desk / "a.txt").write_bytes(fresh())
    os.setxattr(desk / "a.txt", "user.xdg.tags", b"ONE,TWO")
    os.setxattr(desk / "a.txt", "user.dublincore.creator", b"Ada\n--\nAnn")
    os.setxattr(desk / "a.txt", "user.xdg.comment", b"gone again")
    os.removexattr(desk / "a.txt", "user.xdg.comment")
    assert os.getxattr(desk / "a.txt", "user.xdg.tags") == b"ONE,TWO"
    assert os.getxattr(desk / "a.txt", CREATOR) == b"Ada\n--\nAnn"
    assert set(os.listxattr(desk / "a.txt")) >= {"user.xdg.tags", "user.jama.tags", CREATOR, "user.assetfs.state"}
    desk.flush()
    assert tags(desk) == ["ONE", "TWO"]
    assert values(desk) == {"creator": ["Ada", "Ann"]}
    assert os.getxattr(desk / "a.txt", "user.xdg.tags") == b"ONE,TWO"


def test_what_is_read_only_is_accepted_and_ignored_on_a_new_file(desk: Desk) -> None:
    (desk / "a.txt").write_bytes(fresh())
    for name in ("user.jama.id", "user.jama.sha256", "user.assetfs.id", "user.mime_type", "user.jama.created_at"):
        os.setxattr(desk / "a.txt", name, b"4711")
    assert error_of(lambda: os.setxattr(desk / "a.txt", "user.other", b"x")) == errno.EOPNOTSUPP
    desk.flush()
    assert os.getxattr(desk / "a.txt", "user.jama.id") != b"4711"
    assert values(desk) == {}


def test_refused_attributes_do_not_hold_up_the_content(desk: Desk) -> None:
    content = fresh()
    (desk / "a.txt").write_bytes(content)
    os.setxattr(desk / "a.txt", "user.jama.meta.Nowhere.nothing", b"x")
    os.setxattr(desk / "a.txt", "user.xdg.tags", b"KEPT")
    before = desk.drive.status()["uploads"]["totals"].get("attributes_refused", 0)
    desk.flush()
    assert desk.content("a.txt") == content
    assert tags(desk) == ["KEPT"]
    assert desk.uploads() == {}
    assert desk.drive.status()["uploads"]["totals"]["attributes_refused"] == before + 1
    assert "user.jama.meta.Nowhere.nothing" in desk.xattr("a.txt", "user.assetfs.error")
    assert f"{desk.name}/a.txt is on the server, but not its attribute user.jama.meta.Nowhere" in desk.drive.log()


def test_attributes_of_an_edited_asset_are_its_own(desk: Desk, asset: Path) -> None:
    with asset.open("ab") as file:
        file.write(b"edited")
    os.setxattr(asset, "user.xdg.tags", b"EDITED")
    assert tags(desk) == ["EDITED"]
    desk.flush()
    assert tags(desk) == ["EDITED"]


# ---- copies ---------------------------------------------------------------------------------------------------------


def described(desk: Desk, asset: Path) -> None:
    os.setxattr(asset, "user.xdg.tags", b"ONE,TWO")
    os.setxattr(asset, CREATOR, b"Ada\n--\nAnn")


@pytest.mark.parametrize(
    ("out", "back"),
    [
        ("cp -a a.txt $T/", "cp -a $T/a.txt copy.txt"),
        ("rsync -aX a.txt $T/", "rsync -aX $T/a.txt copy.txt"),
        (
            "tar c --xattrs --xattrs-include='user.*' a.txt > $T/a.tar",
            "mkdir f && tar x --xattrs --xattrs-include='user.*' -C f < $T/a.tar && mv f/a.txt copy.txt",
        ),
    ],
)
def test_copies_carry_the_attributes_out_and_back(desk: Desk, asset: Path, out: str, back: str, tmp_path: Path) -> None:
    described(desk, asset)
    desk.run(out, T=str(tmp_path))
    asset.unlink()
    desk.run(back, T=str(tmp_path))
    assert os.getxattr(desk / "copy.txt", "user.xdg.tags") == b"ONE,TWO"
    with (desk / "copy.txt").open("ab") as file:
        file.write(b"another content")
    desk.flush()
    assert tags(desk, "copy.txt") == ["ONE", "TWO"]
    assert values(desk, "copy.txt") == {"creator": ["Ada", "Ann"]}


def test_rsync_with_attributes_copies_in_what_has_none(desk: Desk, tmp_path: Path) -> None:
    """It takes away what its own new file shows: `user.assetfs.id`, `.state`, `.cached`."""
    (tmp_path / "plain.txt").write_bytes(fresh())
    desk.run("rsync", "-aX", tmp_path / "plain.txt", "./")
    desk.flush()
    assert error_of(lambda: os.removexattr(desk / "plain.txt", "user.assetfs.id")) == errno.EPERM


def test_rsync_with_attributes_onto_the_same_files_changes_nothing(desk: Desk, asset: Path, tmp_path: Path) -> None:
    described(desk, asset)
    desk.run("rsync", "-aX", "./", tmp_path)
    desk.server.forget()
    assert desk.run("rsync", "-aXi", f"{tmp_path}/", "./").stdout == b""
    assert desk.chunks() == 0
