"""The stage's guards: what is named to the server is below our own folder, and what lies there is opened with care."""

from __future__ import annotations

import os
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assetfs.backends.jdma.checksums import fits, sums
from assetfs.backends.jdma.copies import is_open
from assetfs.backends.jdma.drafts import clone
from assetfs.backends.jdma.stage import BadStage, Stage, beneath, source_name
from assetfs.repository import NotFound, ProtocolViolation

HOSTILE = [
    "..",
    ".",
    "../../etc",
    "/etc/passwd",
    "",
    "a/b",
    "x" * 400,
    "nul\0",
    "%2e%2e",
    "line\nbreak",
    "é" * 200,
    "~",
]


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    place = Path(os.path.realpath(tmp_path)) / "stage"
    place.mkdir(mode=0o700)
    made = Stage(place, "/gws/demo/fred/stage")
    made.prepare()
    return made


def test_paths_are_told_as_the_server_sees_them(stage: Stage) -> None:
    assert stage.server_path(stage.local / "get" / "7-0a1b2c3d") == "/gws/demo/fred/stage/get/7-0a1b2c3d"
    assert stage.top == "gws"


@pytest.mark.parametrize("label", HOSTILE)
def test_no_label_leads_out_of_the_stage(stage: Stage, label: str) -> None:
    with stage.new_source(label) as (source, handle):
        assert os.path.samestat(os.fstat(handle), os.lstat(source))
    assert source.parent.parent == stage.local / "put"
    told = stage.server_path(source)
    assert told.startswith("/gws/demo/fred/stage/put/")
    assert ".." not in told.split("/")
    assert not told.endswith("/")
    assert stage.remove(source.parent)
    assert os.listdir(stage.local / "put") == []


@given(st.text(max_size=300))
def test_no_text_at_all_leads_out(text: str) -> None:
    name = source_name(text)
    assert name not in ("", ".", "..")
    assert not {"/", "\0"} & set(name)
    assert len(name.encode("utf-8", "surrogateescape")) <= 255


def test_paths_outside_and_over_links_are_refused(stage: Stage, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    os.symlink(tmp_path / "outside", stage.local / "put" / "link")
    os.symlink(tmp_path / "outside", stage.local / "get" / "inner")
    for place in (
        tmp_path / "outside",
        stage.local,
        stage.local / "put" / ".." / ".." / "outside",
        stage.local / "put" / "link",
        stage.local / "put" / "link" / "x",
        stage.local / "get" / "inner" / "7-00000000",
        Path("/gws/demo/fred/stage/get/1"),
    ):
        with pytest.raises(ProtocolViolation):
            stage.server_path(place)


def test_nothing_is_made_through_a_link(stage: Stage, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (stage.local / "put").rmdir()
    os.symlink(tmp_path / "outside", stage.local / "put")
    with pytest.raises(BadStage), stage.new_source("run"):
        pass
    assert os.listdir(tmp_path / "outside") == []


def test_what_is_made_stays_in_the_stage_when_its_name_leads_elsewhere_meanwhile(stage: Stage, tmp_path: Path) -> None:
    outside, draft = tmp_path / "outside", stage.local / "drafts" / "run"
    outside.mkdir()
    (draft / "sub").mkdir(parents=True)
    (draft / "sub" / "a.txt").write_text("alpha")
    with stage.new_source("run") as (source, handle):
        (stage.local / "put").rename(stage.local / "moved")
        os.symlink(outside, stage.local / "put")
        clone(draft, handle, stage)
    assert os.listdir(outside) == []
    made = stage.local / "moved" / source.parent.name / "run" / "sub" / "a.txt"
    assert made.read_text() == "alpha"
    with pytest.raises(ProtocolViolation):
        stage.server_path(source)


@pytest.mark.parametrize("server", ["relative", "/gws/../etc", "/", "", "//x"])
def test_a_server_path_that_is_none_is_refused(tmp_path: Path, server: str) -> None:
    if server == "":
        assert Stage(tmp_path, server).server == str(tmp_path)
        return
    with pytest.raises(BadStage):
        Stage(tmp_path, server)


def test_a_stage_that_others_could_change_is_refused(tmp_path: Path) -> None:
    place = Path(os.path.realpath(tmp_path)) / "s"
    with pytest.raises(BadStage):
        Stage(place).prepare()
    place.mkdir()
    for mode in (0o777, 0o770, 0o702, 0o500):
        place.chmod(mode)
        with pytest.raises(BadStage):
            Stage(place).prepare()
    place.chmod(0o755)
    Stage(place).prepare()
    assert {entry.name for entry in place.iterdir()} == {"get", "put", "drafts", "stuck", ".assetfs"}
    assert all(entry.stat().st_mode & 0o777 == 0o700 for entry in place.iterdir())
    os.symlink(place, tmp_path / "link")
    with pytest.raises(BadStage):
        Stage(tmp_path / "link").prepare()


def test_a_target_never_exists_already(stage: Stage) -> None:
    names = {stage.new_target(7).name for _ in range(50)}
    assert len(names) == 50
    assert not any((stage.local / "get" / name).exists() for name in names)
    assert stage.targets() == {}
    (stage.local / "get" / "12-0a1b2c3d").mkdir()
    (stage.local / "get" / "notes").mkdir()
    assert stage.targets() == {"12-0a1b2c3d": 12}


def test_files_are_opened_below_their_folder_and_over_no_link(stage: Stage, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    target = stage.local / "get" / "1-00000000"
    (target / "sub").mkdir(parents=True)
    (target / "sub" / "a").write_text("good")
    os.symlink(tmp_path / "secret", target / "link")
    os.symlink(tmp_path, target / "folder")
    os.mkfifo(target / "pipe")
    with beneath(target, ["sub", "a"]) as handle:
        assert os.read(handle, 10) == b"good"
    for parts in (["link"], ["folder", "secret"], ["pipe"], ["sub"], ["nothing"], ["sub", "a", "b"]):
        with pytest.raises(NotFound), beneath(target, parts):
            pass


def test_room_is_what_is_wanted_and_a_twentieth(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage, "free", lambda: 105)
    assert stage.has_room(100)
    assert not stage.has_room(101)


def test_the_servers_own_checksum(tmp_path: Path) -> None:
    place = tmp_path / "f"
    for data, digest in (
        (b"hello\n", "0x845021e"),
        (b"", "0x0"),
        (b"x" * 3_000_000, hex(zlib.adler32(b"x" * 3_000_000, 0))),
    ):
        place.write_bytes(data)
        handle = os.open(place, os.O_RDONLY)
        assert fits(handle, "ADLER32", digest)
        assert fits(handle, "SHA256", sums(handle).sha256.upper())
        assert not fits(handle, "ADLER32", "0x1234")
        assert not fits(handle, "ADLER32", "nonsense")
        assert not fits(handle, "MD5", digest)
        os.close(handle)


def test_an_open_file_is_told_from_one_that_nobody_has(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("x")
    handle = os.open(tmp_path / "f", os.O_RDONLY)
    assert not is_open(handle)
    other = os.open(tmp_path / "f", os.O_RDONLY)
    assert is_open(handle)
    os.close(other)
    assert not is_open(handle)
    os.close(handle)
