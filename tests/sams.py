"""A picture desk for tests: one set of a SAMS sandbox as a folder of a mount, and a second client beside it."""

from __future__ import annotations

import os
import secrets
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from assetfs.sandbox import makings
from tests.contract.backends.sams import SamsWorld
from tests.mounts import Mounted, eventually, mounted
from tests.sandboxes import RunningSandbox

NEVER = ("--write-back-delay", "1h")
SOON = ("--write-back-delay", "0.1s")
QUIET = ("--poll", "3600")
"""Nobody looks at what others do, so that requests can be counted."""


def picture(number: int, width: int = 60, height: int = 40) -> bytes:
    """A small picture that is not like the others."""
    return makings.encoded(
        makings.gradient(8, (number % 256, 0, 0), (9, number // 256, 200)).resize((width, height)), "PNG"
    )


class Newsroom:
    """One set of a server (`set_id`) as a folder of a mount."""

    def __init__(self, drive: Mounted, server: RunningSandbox, set_id: str, name: str) -> None:
        self.drive = drive
        self.server = server
        self.wire = SamsWorld(server)
        self.set_id = set_id
        self.folder = drive.path / name

    def __truediv__(self, name: str) -> Path:
        return self.folder / name

    def refresh(self) -> None:
        """Ask the server anew what is in the folder, and what is known of it."""
        os.setxattr(self.folder, "user.assetfs.refresh", b"1")
        for name in os.listdir(self.folder):
            os.setxattr(self.folder / name, "user.assetfs.refresh", b"1")

    def names(self) -> list[str]:
        return sorted(os.listdir(self.folder))

    def hurry(self) -> None:
        os.setxattr(self.drive.path / ".assetfs", "user.assetfs.flush", b"1")

    def owed(self) -> list[dict[str, Any]]:
        return [one for one in self.drive.status()["uploads"]["list"] if one["state"] != "failed"]

    def flush(self, seconds: float = 60) -> None:
        def done() -> bool:
            self.hurry()
            return not self.owed() and not self.drive.status()["uploads"]["held"]

        assert eventually(done, seconds), f"still owed: {self.drive.status()['uploads']['list']}"

    def there(self) -> dict[str, bytes | None]:
        """What the server has: contents by name, each name once."""
        entries = self.wire.entries(self.set_id)
        assert len({entry.name for entry in entries}) == len(entries), "two of one name"
        return {entry.name: entry.content for entry in entries}

    def record(self, name: str) -> dict[str, Any]:
        """The server's record of a file."""
        [found] = [one for one in self.wire.search(self.set_id[1:]) if one["filename"] == name]
        return self.wire.asset(f"a{found['_id']}")

    def asked(self) -> Counter[str]:
        """What the server was asked since the last time, by method and kind."""
        found = Counter(f"{one['method']} {one['kind']}" for one in self.wire.requests())
        self.server.forget()
        return found


@contextmanager
def newsroom(server: RunningSandbox, home: Path, *options: str, name: str = "", **more: Any) -> Iterator[Newsroom]:
    """A mount with a set of its own; the same set again where its `name` is given a second time."""
    world = SamsWorld(server)
    name = name or f"desk {secrets.token_hex(6)}"
    found = [entry.id for entry in world.entries("root") if entry.name == name]
    set_id = found[0] if found else world.make_set(name)
    told = ("--destination", "internal", "--user-id", "mara", *options)
    with mounted(server.source, server.credential, home, *told, **more) as drive:
        yield Newsroom(drive, server, set_id, name)
