"""Several repositories in one mount: a folder each, with a journal and a cache of its own."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.mounts import error_of
from tests.sandboxes import RunningSandbox, start_sandbox

from .conftest import Eventually, Home

pytestmark = pytest.mark.mount


@pytest.fixture
def both(home: Home, sandbox: RunningSandbox, demo_sandbox: RunningSandbox) -> Iterator[Path]:
    """The demo museum and an empty one, `museum:` and `studio:`."""
    home.repository("museum", demo_sandbox)
    home.repository("studio", sandbox, 'write_back_delay = "100ms"')
    place = home.folder("assets")
    home.run("mount", "museum:", "studio:", place)
    yield place
    home.run("umount", place)
    assert not list(place.iterdir())


def test_each_is_a_folder_and_none_can_be_taken_away(both: Path, home: Home) -> None:
    assert sorted(os.listdir(both)) == ["museum", "studio"]
    assert [entry.name for entry in os.scandir(both)] == ["museum", "studio"]
    assert (both / "museum").stat().st_ino != (both / "studio").stat().st_ino
    for entry in os.scandir(both):
        assert entry.inode() == entry.stat().st_ino
    assert error_of(lambda: os.rename(both / "museum", both / "other")) == errno.EBUSY
    assert error_of(lambda: os.rmdir(both / "museum")) == errno.EBUSY
    assert error_of(lambda: os.mkdir(both / "third")) == errno.EPERM
    assert error_of(lambda: os.listdir(both / "nothing")) == errno.ENOENT
    place = next((both / "museum").glob("**/letter.txt"))
    assert place.read_bytes().startswith(b"Dear Louise")
    assert os.getxattr(place, "user.assetfs.state") == b"clean"


def test_a_rename_between_them_is_exdev_and_mv_copies(both: Path, home: Home, eventually: Eventually) -> None:
    letter = next((both / "museum").glob("**/letter.txt"))
    (inbox,) = (place for place in (both / "studio").iterdir() if place.is_dir())
    note = inbox / "note.txt"
    note.write_text("from the studio\n")
    assert error_of(lambda: os.rename(note, letter.with_name("note.txt"))) == errno.EXDEV
    assert error_of(lambda: os.link(note, letter.with_name("note.txt"))) == errno.EXDEV
    os.rename(note, inbox / "renamed.txt")
    done = os.system(f"cp '{letter}' '{inbox}/letter.txt'")
    assert done == 0
    assert (inbox / "letter.txt").read_bytes() == letter.read_bytes()
    home.run("flush", both)
    assert json.loads((both / ".assetfs/status.json").read_text())["uploads"]["pending"] == 0
    assert (inbox / "renamed.txt").read_text() == "from the studio\n"
    assert os.getxattr(inbox / "renamed.txt", "user.assetfs.state") == b"clean"


def test_status_tells_of_both_and_uploads_of_one(both: Path, home: Home) -> None:
    told = json.loads(home.run("status", both, "--json").stdout)
    assert told["source"] == "museum: studio:"
    assert set(told["status"]["parts"]) == {"museum", "studio"}
    assert told["status"]["health"] == "ok"
    one = json.loads((both / "studio/.assetfs/status.json").read_text())
    assert one["source"] == "studio"
    assert "museum: latency" in home.run("status", both).stdout
    refused = home.run("uploads", both, check=False)
    assert refused.returncode == 2
    assert f"{both}/museum" in refused.stderr
    assert "Nothing is owed" in home.run("uploads", both / "studio").stdout
    metrics = (both / ".assetfs/metrics").read_text()
    assert 'assetfs_health{health="ok",repository="museum"} 1.0' in metrics
    assert 'assetfs_health{health="ok",repository="studio"} 1.0' in metrics


def test_each_has_a_journal_and_a_lock(both: Path, home: Home) -> None:
    journals = list((home.place / ".local/state/assetfs").glob("*/journal.sqlite"))
    assert len(journals) == 2
    other = home.run("mount", "studio", home.folder("other"), check=False)
    assert other.returncode == 1
    assert "mounted already by process" in other.stderr


@pytest.mark.parametrize(
    ("places", "words"),
    [
        (["museum:", "museum:", "x"], "named twice"),
        (["museum:", "x", "y"], "a colon each"),
        (["museum", "x", "y"], "end in a colon"),
        (["museum:", "nobody:", "x"], "no repository 'nobody'"),
        (["museum:"], "where?"),
    ],
)
def test_what_cannot_be_put_together(home: Home, places: list[str], words: str) -> None:
    home.config.write_text('[repositories.museum]\nsource = "jama+https://h/"\ncredential_command = ["echo", "x"]\n')
    typed = [place if place.endswith(":") else str(home.folder(place)) for place in places]
    done = home.run("mount", *typed, check=False)
    assert done.returncode == 2, done.stderr
    assert words in done.stderr


def test_other_protocols_side_by_side(home: Home, demo_sandbox: RunningSandbox) -> None:
    with start_sandbox("sams", seed="demo") as news:
        home.repository("museum", demo_sandbox)
        home.repository("news", news)
        place = home.folder("assets")
        home.run("mount", "-o", "ro", "museum:", "news:", place)
        try:
            assert "Election night" in os.listdir(place / "news")
            assert error_of(lambda: (place / "news/x").write_text("")) == errno.EROFS
        finally:
            home.run("umount", place)
