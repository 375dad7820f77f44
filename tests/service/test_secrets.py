"""A canary in the credential's place: wherever somebody may look, it is not there."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.sandboxes import RunningSandbox

from .conftest import Eventually, Home

pytestmark = pytest.mark.mount

CANARY = "canary-3f9a61c27d5b48e0"
SECOND = "canary-b1d2e3f4a5968778"


class Looker:
    """Collects what was seen, and says whether a canary was in it."""

    def __init__(self) -> None:
        self.looked = 0

    def at(self, what: str, seen: bytes | str) -> None:
        text = seen if isinstance(seen, bytes) else seen.encode("utf-8", "surrogateescape")
        self.looked += 1
        for canary in (CANARY, SECOND):
            assert canary.encode() not in text, f"{what} shows the credential"

    def command(self, home: Home, *arguments: object, **environ: str) -> str:
        done = home.run(*arguments, check=False, **environ)
        self.at(" ".join(map(str, arguments)), done.stdout + done.stderr)
        return done.stdout

    def process(self, pid: int) -> None:
        for name in ("cmdline", "environ", "comm", "maps", "stat", "status"):
            self.at(f"/proc/{pid}/{name}", Path(f"/proc/{pid}/{name}").read_bytes())
        for task in Path(f"/proc/{pid}/task").iterdir():
            self.at(f"{task}/comm", (task / "comm").read_bytes())
        limits = Path(f"/proc/{pid}/limits").read_text()
        assert "Max core file size 0 0" in " ".join(limits.split()), "a core dump would hold it"
        self.at("the core's path", Path("/proc/sys/kernel/core_pattern").read_bytes())

    def folder(self, place: Path, *but: Path) -> None:
        for found in place.rglob("*"):
            if found.is_file() and not found.is_symlink() and found not in but and not found.is_socket():
                self.at(str(found), found.read_bytes())


def test_the_credential_is_nowhere_to_be_seen(home: Home, sandbox: RunningSandbox, eventually: Eventually) -> None:
    sandbox.rpc("activate_rpc_access", "admin", CANARY)
    look = Looker()
    place = home.folder("drive")
    home.repository("museum", sandbox, 'log_level = "debug"', 'write_back_delay = "0s"', secret=CANARY)
    home.repository("other", sandbox, f'credential_command = ["echo", "{CANARY}"]', secret="unused")
    keys = (home.place / "museum.key", home.config)

    look.command(home, "mount", "museum", place)
    pid = int(json.loads(look.command(home, "status", "--json", place))["pid"])
    top = next(folder for folder in place.iterdir() if folder.is_dir())
    (top / "written.txt").write_text("some content\n")
    subprocess.run(["ls", "-lR", place], check=True, capture_output=True)
    look.at("attributes", subprocess.run(["getfattr", "-dR", "-m-", place], capture_output=True).stdout)
    for name in ("status.json", "metrics"):
        look.at(name, (place / ".assetfs" / name).read_bytes())
    look.process(pid)

    for arguments in (
        ["status"],
        ["status", place],
        ["config", "show", "museum"],
        ["config", "show", "other"],
        ["config", "show", "other", "--json"],
        ["uploads", place],
        ["cache", "museum"],
        ["doctor", "museum"],
        ["doctor", "museum", "--json"],
        ["--debug", "login", "museum"],
        ["flush", place],
        ["mount", "museum", home.folder("second")],
        ["--debug", "mount", f"jama+https://ann:{CANARY}@host/", home.folder("second")],
        ["mount", f"jama+https://host/?key={CANARY}", home.folder("second")],
    ):
        look.command(home, *arguments)
    look.command(home, "doctor", sandbox.source, ASSETFS_CREDENTIAL=CANARY)
    look.command(home, "--debug", "mount", sandbox.source, home.folder("second"), ASSETFS_CREDENTIAL=f"{CANARY}\n\x01")

    # what goes wrong is where secrets slip out: a refused key, a broken answer, every task's stack in the log
    os.kill(pid, signal.SIGUSR1)
    sandbox.arm("status", {"path": "rpc"}, status=500, count=2)
    (top / "later.txt").write_text("more\n")
    look.command(home, "flush", place, "--timeout", "20s")
    sandbox.rpc("activate_rpc_access", "admin", SECOND)
    sandbox.rpc("deactivate_rpc_access", "admin", CANARY, credential=SECOND)
    (top / "last.txt").write_text("even more\n")
    eventually(lambda: json.loads((place / ".assetfs/status.json").read_text())["health"] == "refused")
    look.command(home, "status", place)
    home.key("museum", SECOND)
    os.kill(pid, signal.SIGHUP)
    eventually(lambda: "has a new credential" in home.log())
    look.process(pid)
    look.command(home, "status", place)
    look.at("status.json", (place / ".assetfs" / "status.json").read_bytes())
    look.command(home, "umount", place)

    look.folder(home.place, *keys)
    look.at("the log", home.log())
    assert look.looked >= 50
    with pytest.raises(AssertionError, match="shows the credential"):
        look.folder(home.place)
