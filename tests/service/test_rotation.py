"""A credential is exchanged while the repository is mounted, and nobody who reads or writes notices."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from tests.sandboxes import RunningSandbox

from .conftest import Eventually, Home

pytestmark = pytest.mark.mount

NEW = "another-key-0123456789"


def exchange(server: RunningSandbox, old: str, new: str) -> None:
    """The server takes the new key, and the old one no more."""
    server.rpc("activate_rpc_access", "admin", new, credential=old)
    server.rpc("deactivate_rpc_access", "admin", old, credential=new)
    server.credential = new


def mounted(home: Home, server: RunningSandbox, *lines: str) -> Path:
    home.repository("museum", server, 'write_back_delay = "100ms"', *lines)
    place = home.folder("museum")
    home.run("mount", "museum", place)
    return next(folder for folder in place.iterdir() if folder.is_dir())


def health(home: Home) -> str:
    return str(json.loads((home.place / "museum/.assetfs/status.json").read_text())["health"])


def test_a_new_key_in_the_file_is_taken_when_the_old_is_refused(
    home: Home, sandbox: RunningSandbox, eventually: Eventually
) -> None:
    top = mounted(home, sandbox, 'list_timeout = "0s"')
    (top / "before.txt").write_text("before\n")
    home.run("flush", "museum")
    exchange(sandbox, sandbox.credential, NEW)
    home.key("museum", NEW)
    (top / "after.txt").write_text("after\n")
    home.run("flush", "museum")
    assert (top / "before.txt").read_text() == "before\n"
    assert sorted(os.listdir(top)) == ["after.txt", "before.txt"]
    assert os.getxattr(top / "after.txt", "user.assetfs.state") == b"clean"
    assert "museum has a new credential" in home.log()
    assert health(home) == "ok"
    home.run("umount", "museum")


def test_what_was_written_while_it_was_refused_waits_for_the_new_key(
    home: Home, sandbox: RunningSandbox, eventually: Eventually
) -> None:
    top = mounted(home, sandbox)
    assert os.listdir(top) == []
    exchange(sandbox, sandbox.credential, NEW)
    (top / "meanwhile.txt").write_text("kept\n")
    eventually(lambda: health(home) == "refused")
    told = home.run("status", home.place / "museum").stdout
    assert "refused" in told
    assert (top / "meanwhile.txt").read_text() == "kept\n"
    home.key("museum", NEW)
    told = json.loads(home.run("status", "--json", "museum").stdout)
    os.kill(told["pid"], signal.SIGHUP)
    eventually(lambda: "museum has a new credential" in home.log())
    home.run("flush", "museum")
    assert health(home) == "ok"
    assert os.getxattr(top / "meanwhile.txt", "user.assetfs.state") == b"clean"
    home.run("umount", "museum")


def test_a_file_that_others_can_read_is_refused_then_too(home: Home, sandbox: RunningSandbox) -> None:
    top = mounted(home, sandbox, 'list_timeout = "0s"')
    exchange(sandbox, sandbox.credential, NEW)
    home.key("museum", NEW).chmod(0o644)
    with pytest.raises(PermissionError):
        os.listdir(top)
    assert "can be read by others: chmod 600 it" in home.log()
    assert NEW not in home.log()
    home.run("umount", "museum")
