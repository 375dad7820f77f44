"""A mount and a plain folder side by side, and what a second client sees of the first."""

from __future__ import annotations

import itertools
import os
import shutil
import stat
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from assetfs.fuse.session import abort, device_of
from tests import wire
from tests.crash import killer
from tests.mounts import environment, eventually, unmount
from tests.sandboxes import RunningSandbox

_numbers = itertools.count(1)


class Drive:
    """One example: a collection of its own, a mount of it, and a folder beside. `delay` is the mount's."""

    def __init__(self, sandbox: RunningSandbox, home: Path, delay: str) -> None:
        self.sandbox = sandbox
        self.delay = delay
        self.case = f"model-{next(_numbers)}"
        self.folder = wire.folder(sandbox, self.case)
        self.home = home / self.case
        self.mnt, self.plain = self.home / "mnt", self.home / "plain"
        for folder in (self.mnt, self.plain, self.home / "run"):
            folder.mkdir(parents=True)
        self._process: Any = None
        self.mount()

    # ---- life ---------------------------------------------------------------------------------------------------

    def mount(self) -> None:
        places = ["--cache-dir", str(self.home / "cache"), "--state-dir", str(self.home / "state")]
        options = ["--write-back-delay", self.delay, "--drain", "0", "--log-level", "debug", "--list-timeout", "1"]
        words = ["mount", self.sandbox.source, str(self.mnt), "--foreground", "--root", f"Sandbox/{self.case}"]
        environ = environment(self.home, self.sandbox.credential)
        self._process = killer.start([*words, *places, *options], environ, self.home / "log")
        assert eventually(lambda: device_of(self.mnt) is not None or not self._process.is_alive(), 30), self.log()
        assert device_of(self.mnt) is not None, self.log()

    def unmount(self) -> None:
        unmount(self.mnt)
        self._process.join(20)
        if self._process.is_alive():
            self._process.kill()
            raise AssertionError(f"the daemon does not end: {self.log()}")

    def close(self) -> None:
        with ExitStack() as stack:
            stack.callback(shutil.rmtree, self.home, ignore_errors=True)
            stack.callback(self._process.kill)
            if self._process.is_alive():
                self.unmount()
            elif device_of(self.mnt) is not None:
                abort(self.mnt)
                unmount(self.mnt)

    def log(self) -> str:
        return "\n".join(line for line in (self.home / "log").read_text().splitlines() if "pyfuse3" not in line)[-4000:]

    # ---- both ---------------------------------------------------------------------------------------------------

    @staticmethod
    def tree(root: Path) -> dict[str, bytes | None]:
        """Paths to contents; None for folders."""
        found: dict[str, bytes | None] = {}
        for folder, folders, files in os.walk(root):
            for name in folders:
                found[str((Path(folder) / name).relative_to(root))] = None
            for name in files:
                path = Path(folder) / name
                data = path.read_bytes()
                assert path.stat().st_size == len(data), f"{path}: size {path.stat().st_size}, {len(data)} bytes"
                found[str(path.relative_to(root))] = data
        return found

    def both(self) -> tuple[dict[str, bytes | None], dict[str, bytes | None]]:
        """The trees of the mount and of the plain folder."""
        try:
            return self.tree(self.mnt), self.tree(self.plain)
        except (OSError, AssertionError) as error:
            raise AssertionError(f"{error}\n{self.log()}") from error

    def described(self, root: Path, path: str) -> tuple[int, int]:
        found = os.lstat(root / path)
        return stat.S_IFMT(found.st_mode), found.st_size if stat.S_ISREG(found.st_mode) else 0

    # ---- the server ---------------------------------------------------------------------------------------------

    def flush(self) -> None:
        """Until nothing waits any more. What has failed may be tried again."""
        os.setxattr(self.mnt / ".assetfs", b"user.assetfs.retry", b"all")
        os.setxattr(self.mnt / ".assetfs", b"user.assetfs.flush", b"1")
        assert eventually(lambda: not self._pending(), 20), self.log()

    def _pending(self) -> int:
        import json

        uploads = json.loads((self.mnt / ".assetfs" / "status.json").read_bytes())["uploads"]
        return int(uploads["pending"]) + int(uploads.get("held", 0))

    def kept_here(self) -> set[str]:
        """Files that the server cannot have, and that say so: see `differences.ON_THE_SERVER`."""
        found = set()
        for path in self.tree(self.mnt):
            with suppress(OSError):
                state = os.getxattr(self.mnt / path, "user.assetfs.state")
                error = os.getxattr(self.mnt / path, "user.assetfs.error") if state in (b"failed", b"local") else b""
                if b"same content" in error or b"empty" in error:
                    found.add(path)
        return found

    def server(self) -> dict[str, bytes | None]:
        """The same tree by the wire."""
        found: dict[str, bytes | None] = {}

        def walk(collection: int, at: str) -> None:
            items = self.sandbox.rpc("project_items", [], 1, False, collection, 0, 1000, "title", None)
            for resource in items["resources"]:
                path = f"{at}{resource['title']}"
                assert path not in found, f"two of {path} on the server"
                found[path] = wire.content(self.sandbox, resource["id"])
            for child in items["collections"]:
                found[f"{at}{child['title']}"] = None
                walk(child["id"], f"{at}{child['title']}/")

        walk(self.folder, "")
        return found
