"""The daemon's log: lines for people or JSON objects, journald's levels, files that may be rotated, and no secret.

Where systemd reads our stderr (`JOURNAL_STREAM`), each line begins with its level, as sd-daemon(3) says, and has no
time: the journal has its own. A file is opened anew when somebody has moved it away, so that logrotate needs no
`copytruncate` and no signal.

Secrets have no business in any message. Should one get there all the same (a library's error, a server's answer), it is
blacked out on its way.
"""

from __future__ import annotations

import json
import logging
import logging.handlers
import os
import sys
import traceback
from datetime import UTC, datetime
from io import TextIOWrapper
from pathlib import Path

from assetfs.observe.troubles import TROUBLES

_PRIORITY = {"CRITICAL": 2, "ERROR": 3, "WARNING": 4, "INFO": 6, "DEBUG": 7}
_SHORTEST = 6
"""Characters of a secret that is looked for: a shorter one would black out half the log."""

_secrets: set[str] = set()


def keep_out(secret: str) -> None:
    """Never let this into the log."""
    if len(secret) >= _SHORTEST:
        _secrets.add(secret)


def _blackened(text: str) -> str:
    for secret in _secrets:
        text = text.replace(secret, "…")
    return text


class Text(logging.Formatter):
    """`2026-11-21 17:19:29 WARNING assetfs.writeback: …`; for the journal `<4>assetfs.writeback: …`."""

    def __init__(self, *, journal: bool) -> None:
        super().__init__("%(name)s: %(message)s" if journal else "%(asctime)s %(levelname)s %(name)s: %(message)s")
        self._journal = journal

    def format(self, record: logging.LogRecord) -> str:
        text = _blackened(super().format(record))
        if not self._journal:
            return text
        level = f"<{_PRIORITY.get(record.levelname, 6)}>"
        return "\n".join(level + line for line in text.splitlines())


class Json(logging.Formatter):
    """One object a line: time, level, logger, message, and what the record has besides (`request`)."""

    def __init__(self, *, journal: bool) -> None:
        super().__init__()
        self._journal = journal

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line.update(getattr(record, "fields", {}))
        if record.exc_info:
            line["exception"] = "".join(traceback.format_exception(*record.exc_info))
        text = _blackened(json.dumps(line, ensure_ascii=False))
        return f"<{_PRIORITY.get(record.levelname, 6)}>{text}" if self._journal else text


FORMATS = {"text": Text, "json": Json}


class RotatedFile(logging.handlers.WatchedFileHandler):
    """A file that is opened anew when it was moved away. Standard error goes where the log goes: a crash of the
    interpreter itself is written there, too."""

    def _open(self) -> TextIOWrapper:
        stream = super()._open()
        os.dup2(stream.fileno(), 2)
        return stream


def begin(level: str, format_: str, file: Path | None) -> None:
    """Log from now on to `file`, or to stderr."""
    handler: logging.Handler = logging.StreamHandler(sys.stderr) if file is None else RotatedFile(file)
    handler.setFormatter(FORMATS[format_](journal=file is None and "JOURNAL_STREAM" in os.environ))
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    root.addHandler(TROUBLES)
    root.setLevel(level.upper())


def change(level: str, format_: str) -> None:
    """The same place, another level or format."""
    root = logging.getLogger()
    root.setLevel(level.upper())
    for handler in root.handlers:
        if isinstance(handler, logging.StreamHandler):
            journal = not isinstance(handler, RotatedFile) and "JOURNAL_STREAM" in os.environ
            handler.setFormatter(FORMATS[format_](journal=journal))
