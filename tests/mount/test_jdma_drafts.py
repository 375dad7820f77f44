"""Folders that become batches of a mounted tape archive."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from tests.jdma import Jdma, below, named, tree
from tests.mounts import error_of, eventually
from tests.tape import NEVER, TREE, Archive, attribute

pytestmark = pytest.mark.mount


# ---- handing over ----------------------------------------------------------------------------------------------------


def test_a_draft_becomes_a_batch(tape: Jdma, archive: Archive) -> None:
    tape.server.switch(put_seconds=NEVER)
    before = len(list(named(tape.server)))
    stage = tape.new_stage()
    with archive(stage=stage) as drive:
        draft = drive.path / tape.workspace / "new run é"
        draft.mkdir()
        (draft / "sub").mkdir()
        (draft / "sub" / "a.txt").write_bytes(b"alpha\n")
        (draft / "b.bin").write_bytes(TREE["sub__large_bin"])
        assert "POST request" not in tape.server.requests()["kinds"]
        os.setxattr(draft, "user.jdma.commit", b"put")
        assert tape.server.requests()["calls"] == {"PUT": 1}
        assert error_of(lambda: (draft / "late.txt").write_bytes(b"")) == errno.EROFS
        assert (draft / "sub" / "a.txt").read_bytes() == b"alpha\n", "while the server holds it"
        tape.server.switch(put_seconds=0.0)
        assert eventually(lambda: attribute(draft, "user.jdma.stage") == b"ON_STORAGE")
        assert (draft / "sub" / "a.txt").read_bytes() == b"alpha\n"
    [row] = [row for row in tape.ask("migration/")["migrations"] if row["label"] == "new run é"]
    sizes = {Path(path).name: size for path, (size, _) in tape.files(row["migration_id"]).items()}
    assert sizes == {"a.txt": 6, "b.bin": len(TREE["sub__large_bin"])}
    [(_, path)] = list(named(tape.server))[before:]
    assert os.path.realpath(path) == path
    assert path.startswith(f"{stage}/")


def test_a_draft_that_the_server_fails_is_a_draft_again(tape: Jdma, archive: Archive) -> None:
    tape.server.switch(failed_stage=4, failure="no tape left")
    with archive() as drive:
        draft = drive.path / tape.workspace / "unlucky"
        draft.mkdir()
        (draft / "a.txt").write_bytes(b"alpha\n")
        os.setxattr(draft, "user.jdma.commit", b"put")
        assert eventually(lambda: error_of(lambda: (draft / "b.txt").write_bytes(b"beta\n")) is None)
        assert b"no tape left" in os.getxattr(draft, "user.assetfs.error")
        tape.server.switch(failed_stage=-1)
        os.setxattr(draft, "user.jdma.commit", b"put")
        assert eventually(lambda: attribute(draft, "user.jdma.stage") == b"ON_STORAGE")
        assert below(draft) == {"a.txt": b"alpha\n", "b.txt": b"beta\n"}


def test_the_tape_copy_of_a_draft_is_what_was_written(tape: Jdma, archive: Archive) -> None:
    with archive() as drive:
        draft = drive.path / tape.workspace / "there and back"
        draft.mkdir()
        for name, content in TREE.items():
            place = draft / name.replace("__", "/").replace("_", ".")
            place.parent.mkdir(exist_ok=True)
            place.write_bytes(content)
        truth = below(draft)
        os.setxattr(draft, "user.jdma.commit", b"migrate")
        assert eventually(lambda: attribute(draft, "user.jdma.stage") == b"ON_STORAGE")
        os.setxattr(draft, "user.jdma.evict", b"1")
        assert eventually(lambda: os.getxattr(draft / "small.txt", "user.jdma.state") == b"offline")
        assert below(draft) == truth
        assert tape.server.requests()["calls"] == {"MIGRATE": 1, "GET": 1}


def test_a_workspace_that_is_not_listed_takes_a_draft(tape: Jdma, archive: Archive) -> None:
    other = tape.server.info["buckets"]
    with archive() as drive:
        assert other not in os.listdir(drive.path)
        assert error_of(lambda: os.listdir(drive.path / "nowhere")) == errno.ENOENT
        draft = drive.path / other / "first run"
        draft.mkdir()
        (draft / "a.txt").write_bytes(b"alpha\n")
        os.setxattr(draft, "user.jdma.commit", b"put")
        assert eventually(lambda: attribute(draft, "user.jdma.stage") == b"ON_STORAGE")
        assert below(draft) == {"a.txt": b"alpha\n"}
    [row] = [row for row in tape.ask("migration/")["migrations"] if row["label"] == "first run"]
    assert row["workspace"] == other


def test_hostile_drafts_name_nothing_but_the_stage(tape: Jdma, archive: Archive) -> None:
    stage, outside = tape.new_stage(), tree(tape.stage / "bystanders", mine_txt="precious\n")
    before = len(list(named(tape.server)))
    with archive(stage=stage) as drive:
        draft = drive.path / tape.workspace / "..%2F..%2Fbystanders"
        draft.mkdir()
        (draft / "a.txt").write_bytes(b"alpha\n")
        assert error_of(lambda: (draft / "link").symlink_to(outside)) == errno.EPERM
        assert error_of(lambda: os.link(draft / "a.txt", draft / "again")) == errno.EPERM
        lost = draft / stage.parts[1]
        assert error_of(lambda: lost.write_bytes(b"a retrieval would lose it")) == errno.EINVAL
        (stage / "put").rename(stage / "moved")
        (stage / "put").symlink_to(outside)
        assert error_of(lambda: os.setxattr(draft, "user.jdma.commit", b"migrate")) is not None
        assert list(named(tape.server))[before:] == []
        assert below(outside) == {"mine.txt": b"precious\n"}, "nothing was made through the link either"
        (stage / "put").unlink()
        (stage / "moved").rename(stage / "put")
        os.setxattr(draft, "user.jdma.commit", b"migrate")
        assert eventually(lambda: attribute(draft, "user.jdma.stage") == b"ON_STORAGE")
    [(call, path)] = list(named(tape.server))[before:]
    assert call == "MIGRATE"
    assert os.path.realpath(os.path.dirname(path)) == os.path.dirname(path)
    assert path.startswith(f"{stage}/put/")
    assert (outside / "mine.txt").read_bytes() == b"precious\n"
    assert "../../bystanders" in [row["label"] for row in tape.ask("migration/")["migrations"]]
