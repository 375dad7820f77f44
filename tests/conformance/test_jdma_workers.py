"""What the workers of a JDMA server do on the shared disk: as root, and as an ordinary user, who has other locks."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.jdma import DONE, FAILED, FAILED_COMPLETED, Jdma, below, tree
from tests.mounts import User
from tests.sandboxes import RunningSandbox, SandboxError, start_sandbox

PUTTING, VERIFYING, GETTING = 4, 5, 102


@pytest.fixture(scope="module", params=["root", "user"])
def running(request: pytest.FixtureRequest, ordinary_user: User) -> Iterator[RunningSandbox]:
    if request.param == "root":
        if os.geteuid() != 0:
            pytest.skip("needs root")
        server = start_sandbox("jdma", options=("--login", "nobody"))
    else:
        server = start_sandbox("jdma", user=ordinary_user)
    with server as found:
        yield found


@pytest.fixture
def user(running: RunningSandbox) -> Iterator[Jdma]:
    running.reset()
    yield Jdma(running)
    running.reset()


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def is_locked(path: Path) -> bool:
    return mode(path) in (0, 0o1274)


def put(user: Jdma, name: str, **more: str) -> tuple[Path, int, int]:
    """Put a folder of this name. Returns it, the batch and the request."""
    folder = tree(user.stage / name, a_txt="alpha\n", sub__b_txt="beta\n")
    answer = user.put(folder, label=name, **more).json()
    return folder, answer["batch_id"], answer["request_id"]


def test_the_folder_is_locked_while_it_is_written_to_tape(user: Jdma) -> None:
    user.server.switch(put_seconds=3600.0, passes=0)
    folder, batch, request = put(user, "locked")
    owner, folder_mode = folder.stat().st_uid, mode(folder)
    user.server.switch(passes=-1)
    user.wait(request, PUTTING)
    assert (folder.stat().st_uid, mode(folder)) in ((0, 0o1274), (owner, 0))
    assert user.stage_of(batch) == 1
    user.server.switch(put_seconds=0.0)
    user.wait(request, DONE["PUT"])
    assert (folder.stat().st_uid, mode(folder)) == (owner, folder_mode)
    assert below(folder) == {"a.txt": b"alpha\n", "sub/b.txt": b"beta\n"}


def test_migrate_removes_the_folder(user: Jdma) -> None:
    folder, _, request = put(user, "moved", kind="MIGRATE")
    user.wait(request, DONE["MIGRATE"])
    assert not folder.exists()


def test_a_target_is_locked_until_everything_is_in_it(user: Jdma) -> None:
    folder, batch, request = put(user, "fetched")
    user.wait(request, DONE["PUT"])
    folder.chmod(0o750)
    user.server.switch(recall_seconds=3600.0)
    target = user.stage / "target"
    request = user.retrieve(batch, target, "sub/b.txt", folder=folder).json()["request_id"]
    user.wait(request, GETTING)
    assert is_locked(target)
    user.server.switch(recall_seconds=0.0)
    user.wait(request, DONE["GET"])
    assert mode(target) == 0o755, "of the folder when it was put"
    assert below(target) == {"sub/b.txt": b"beta\n"}
    assert target.stat().st_uid == folder.stat().st_uid


def test_folders_that_are_not_listed_stay_the_workers(user: Jdma) -> None:
    folder = tree(user.stage / "private", sub__b_txt="beta\n")
    (folder / "sub").chmod(0o700)
    batch, owner = user.batch(folder), folder.stat().st_uid
    modes = {}
    for name, listed in (("without", ["sub/b.txt"]), ("with", ["sub/b.txt", "sub"])):
        target = user.stage / name
        accepted = user.retrieve(batch, target, *listed, folder=folder).json()
        user.wait(accepted["request_id"], DONE["GET"])
        modes[name] = mode(target / "sub")
        assert (target / "sub").stat().st_uid == (owner if name == "with" else os.stat(user.stage.parent).st_uid)
    assert modes == {"without": 0o755, "with": 0o700}


def test_folders_alone_hold_up_everybody() -> None:
    with start_sandbox("jdma") as own:
        user = Jdma(own)
        folder = tree(user.stage / "f", sub__b_txt="b")
        batch = user.batch(folder)
        first = user.retrieve(batch, user.stage / "one", "sub", folder=folder).json()["request_id"]
        second = user.retrieve(batch, user.stage / "two", "sub/b.txt", folder=folder).json()["request_id"]
        user.wait(first, GETTING)
        assert user.settled(second) == 101
        assert is_locked(user.stage / "one")
        assert user.delete(batch).status_code == 200, "only this helps"


def test_an_entry_named_as_the_first_folder_is_lost(user: Jdma) -> None:
    first = user.stage.parts[1]
    folder = tree(user.stage / "unlucky", **{f"{first}__x_txt": "x", "y_txt": "y"})
    batch, target = user.batch(folder), user.stage / "lucky"
    request = user.retrieve(batch, target).json()["request_id"]
    user.wait(request, DONE["GET"])
    assert below(target) == {"y.txt": b"y"}


def test_a_target_that_has_files_keeps_them(user: Jdma) -> None:
    _, batch, request = put(user, "again")
    user.wait(request, DONE["PUT"])
    target = tree(user.stage / "used", sub__old_txt="old", a_txt="old")
    request = user.retrieve(batch, target).json()["request_id"]
    user.wait(request, DONE["GET"])
    assert below(target) == {"a.txt": b"alpha\n", "sub/old.txt": b"old"}, "the new folder met one that was not empty"


def test_links_come_back_with_everything_only(user: Jdma) -> None:
    folder = tree(user.stage / "linked", a_txt="a")
    (folder / "link").symlink_to("a.txt")
    os.chown(folder / "link", folder.stat().st_uid, folder.stat().st_gid, follow_symlinks=False)
    batch = user.batch(folder)
    assert list(user.files(batch)) == [f"{folder}/a.txt"]
    part = user.retrieve(batch, user.stage / "part", "a.txt", "link", folder=folder).json()["request_id"]
    user.wait(part, DONE["GET"])
    assert sorted(os.listdir(user.stage / "part")) == ["a.txt"]
    whole = user.retrieve(batch, user.stage / "whole").json()["request_id"]
    user.wait(whole, DONE["GET"])
    assert os.readlink(user.stage / "whole" / "link") == "a.txt"
    assert mode(user.stage / "whole" / "a.txt") == 0o777, "of the link, which leads there"


def test_plain_files_lock_the_folder_around_them(user: Jdma) -> None:
    folder = tree(user.stage / "plain", f1_txt="1", f2_txt="2")
    before = mode(folder)
    answer = user.put(folder / "f1.txt", folder / "f2.txt").json()
    user.wait(answer["request_id"], PUTTING)
    assert user.settled(answer["request_id"]) == PUTTING
    assert (is_locked(folder), user.files(answer["batch_id"])) == (True, {})
    user.wait(user.delete(answer["batch_id"]).json()["request_id"], DONE["DELETE"])
    assert mode(folder) == before
    assert user.request(answer["request_id"])["stage"] == PUTTING


def test_a_folder_without_files_stays_locked(user: Jdma) -> None:
    folder = tree(user.stage / "hollow")
    answer = user.put(folder).json()
    assert user.settled(answer["request_id"]) == PUTTING
    assert "external_id" not in user.ask("migration/", migration_id=answer["batch_id"])


def test_a_name_that_is_no_text_fails(user: Jdma) -> None:
    folder = tree(user.stage / "bytes")
    (Path(os.fsdecode(os.fsencode(folder) + b"/\xff"))).write_bytes(b"")
    answer = user.put(folder).json()
    found = user.wait(answer["request_id"], FAILED_COMPLETED)
    assert found["failure_reason"].startswith("'utf-8' codec can't encode character")
    assert not is_locked(folder)


def test_nothing_outside_of_the_shared_disk_is_there(user: Jdma, tmp_path: Path) -> None:
    outside = tree(tmp_path / "outside", precious_txt="precious")
    link = user.stage / "way out"
    link.symlink_to(outside)
    for path in (outside, link, f"{user.stage}/../../../../{outside}"):
        assert user.put(path, kind="MIGRATE").status_code == 404
    folder, batch, request = put(user, "inside")
    user.wait(request, DONE["PUT"])
    for place in (outside, link):
        assert user.retrieve(batch, place / "t", "a.txt", folder=folder).status_code in (403, 404)
    assert below(outside) == {"precious.txt": b"precious"}


def test_a_server_that_is_started_again_goes_on(tmp_path: Path) -> None:
    with start_sandbox("jdma", data=tmp_path, options=("--switch", "passes=0")) as first:
        user = Jdma(first)
        _, batch, request = put(user, "interrupted")
        assert user.settled(request) == 0
    with start_sandbox("jdma", data=tmp_path) as second:
        user = Jdma(second)
        user.wait(request, DONE["PUT"])
        assert user.stage_of(batch) == 2


def test_a_switch_that_there_is_not_is_wrong_usage() -> None:
    for text in ("recall_minutes=1", "recall_seconds", "recall_seconds=long", "spoiled=rotten"):
        with pytest.raises(SandboxError), start_sandbox("jdma", options=("--switch", text)):
            pass


# ---- failures on demand ----------------------------------------------------------------------------------------------


def test_a_retrieval_can_be_stuck(user: Jdma) -> None:
    folder, batch, request = put(user, "stuck")
    user.wait(request, DONE["PUT"])
    user.server.switch(stuck_stage=GETTING)
    request = user.retrieve(batch, user.stage / "stuck target", "a.txt", folder=folder).json()["request_id"]
    user.wait(request, GETTING)
    assert user.settled(request) == GETTING
    user.server.switch(stuck_stage=-1)
    user.wait(request, DONE["GET"])


def test_a_failed_retrieval_leaves_its_target_locked(user: Jdma) -> None:
    folder, batch, request = put(user, "failing")
    user.wait(request, DONE["PUT"])
    user.server.switch(failed_stage=GETTING, failure="no tape drive")
    target = user.stage / "failing target"
    answer = user.retrieve(batch, target, "a.txt", folder=folder).json()
    assert user.wait(answer["request_id"], FAILED)["failure_reason"] == "no tape drive"
    user.server.switch(failed_stage=-1)
    assert (user.settled(answer["request_id"]), is_locked(target), user.stage_of(batch)) == (FAILED, True, 2)


@pytest.mark.parametrize(
    ("way", "left"),
    [
        ("missing", {"sub/b.txt": b"beta\n"}),
        ("short", {"a.txt": b"alp", "sub/b.txt": b"beta\n"}),
        ("corrupt", {"a.txt": b"alp" + bytes([ord("h") ^ 0xFF]) + b"a\n", "sub/b.txt": b"beta\n"}),
    ],
)
def test_a_tape_can_spoil_files(user: Jdma, way: str, left: dict[str, bytes]) -> None:
    _, batch, request = put(user, way)
    user.wait(request, DONE["PUT"])
    user.server.switch(spoiled=way, spoiled_paths=r"^a\.")
    target = user.stage / f"{way} target"
    user.wait(user.retrieve(batch, target).json()["request_id"], DONE["GET"])
    assert below(target) == left


def test_an_upload_that_does_not_verify_stays_locked_for_ever(user: Jdma) -> None:
    user.server.switch(failed_stage=VERIFYING, failure="Verification failed")
    folder, batch, request = put(user, "unverified")
    user.wait(request, FAILED)
    user.server.switch(failed_stage=-1)
    assert (user.settled(request), user.stage_of(batch), is_locked(folder)) == (FAILED, 1, True)
    user.wait(user.delete(batch).json()["request_id"], DONE["DELETE"])
    assert is_locked(folder)


def test_an_upload_that_fails_on_its_way_is_given_back(user: Jdma) -> None:
    user.server.switch(failed_stage=PUTTING)
    folder, batch, request = put(user, "given back")
    user.wait(request, FAILED_COMPLETED)
    assert (user.stage_of(batch), is_locked(folder)) == (3, False)


def test_a_failed_deletion_can_never_be_repeated(user: Jdma) -> None:
    _, batch, request = put(user, "kept")
    user.wait(request, DONE["PUT"])
    user.server.switch(failed_stage=202)
    user.wait(user.delete(batch).json()["request_id"], FAILED)
    user.server.switch(failed_stage=-1)
    assert (user.delete(batch).status_code, user.stage_of(batch)) == (403, 4)


def test_the_object_store_gets_nowhere(user: Jdma) -> None:
    folder = tree(user.stage / "bucket", a_txt="a")
    keys = {"access_key": "a", "secret_key": "s"}
    answer = user.put(folder, workspace=user.server.info["buckets"], storage="objectstore", credentials=keys).json()
    assert user.settled(answer["request_id"]) == VERIFYING
    removed = user.post("DELETE", migration_id=answer["batch_id"], storage="objectstore", credentials=keys).json()
    user.wait(removed["request_id"], FAILED)


def test_workers_can_be_stopped_and_stepped(user: Jdma) -> None:
    user.server.switch(passes=0)
    _, _, request = put(user, "stepped")
    assert user.settled(request) == 0
    user.server.switch(passes=1)
    assert user.settled(request) > 0
    user.server.switch(passes=-1)
    user.wait(request, DONE["PUT"])
