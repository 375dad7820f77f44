"""A mount's own account of itself: `.assetfs/status.json`, read with a deadline.

Only the parts that commands act on have names here; whatever else the document holds is passed on as it is. A mount
whose daemon hangs costs the asker the deadline and no more.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from assetfs.cli.mountinfo import ask

PLACE = Path(".assetfs", "status.json")


class Document:
    """What the mount said. Missing parts count as nothing."""

    def __init__(self, content: Mapping[str, Any]) -> None:
        self.content = content

    def _number(self, section: str, name: str) -> int:
        part = self.content.get(section)
        value = part.get(name) if isinstance(part, dict) else None
        return int(value) if isinstance(value, int | float) else 0

    @property
    def pending(self) -> int:
        """Files that wait for their upload, or are being uploaded."""
        return self._number("uploads", "pending")

    @property
    def owed(self) -> int:
        """Files and held renames that will go to the server by themselves."""
        return self.pending + self._number("uploads", "held")

    @property
    def uploads(self) -> list[dict[str, Any]]:
        """One by one, the oldest first: as far as the mount tells them."""
        return self._list("list")

    @property
    def conflicts(self) -> list[dict[str, Any]]:
        """Files that were kept beside somebody else's since the mount."""
        return self._list("happened")

    def _list(self, name: str) -> list[dict[str, Any]]:
        part = self.content.get("uploads")
        found = part.get(name) if isinstance(part, dict) else None
        return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []

    @property
    def failed(self) -> int:
        """Files whose upload cannot succeed without somebody's help."""
        return self._number("uploads", "failed")

    @property
    def transfers(self) -> list[dict[str, Any]]:
        """Uploads and downloads that are on their way."""
        found = self.content.get("transfers")
        return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []

    @property
    def errors(self) -> int:
        """Errors in the log of the last hour."""
        part = self.content.get("last_hour")
        counts = part.get("counts") if isinstance(part, dict) else None
        return int(counts.get("error", 0)) if isinstance(counts, dict) else 0

    @property
    def parts(self) -> list[str]:
        """The folders of a mount of several repositories."""
        found = self.content.get("parts")
        return list(found) if isinstance(found, dict) else []

    @property
    def requests(self) -> int:
        """Requests that were sent to the server since the mount."""
        return self._number("requests", "total")

    @property
    def state(self) -> str:
        """`ok`, or what ails it."""
        return str(self.content.get("state", "ok"))


def read(mountpoint: Path, seconds: float = 3.0) -> Document:
    """Ask the mount. Raises TimeoutError when it does not answer, OSError when it cannot."""

    try:
        content = json.loads(ask(seconds, "cat", "--", str(mountpoint / PLACE)))
    except ValueError:
        content = {}
    return Document(content if isinstance(content, dict) else {})
