"""Forms with a file in them (multipart/form-data), read from a file on disk so that an upload costs no memory."""

from __future__ import annotations

import mmap
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.message import Message
from pathlib import Path

from assetfs.sandbox.store import PIECE

BINARY = "binary"  # the one part that may be a file


@dataclass
class Form:
    """The fields of a form, and where its file is: a stretch of bytes of `path`."""

    path: Path
    fields: dict[str, str] = field(default_factory=dict)
    file: tuple[int, int] | None = None  # start and stop
    file_named: bool = False  # the part has a file name that is not empty
    strange: bool = False  # another part is a file, too

    @property
    def size(self) -> int:
        """Bytes of the file; 0 when there is none."""
        return self.file[1] - self.file[0] if self.file else 0

    def pieces(self) -> Iterator[bytes]:
        """The file's bytes."""
        start, stop = self.file or (0, 0)
        with self.path.open("rb") as source:
            source.seek(start)
            while start < stop and (piece := source.read(min(PIECE, stop - start))):
                start += len(piece)
                yield piece


def boundary_of(content_type: str | None) -> bytes | None:
    """The boundary that a request's content type gives, or None when it is no form with files."""
    message = Message()
    message["content-type"] = content_type or ""
    if message.get_content_type() != "multipart/form-data":
        return None
    boundary = message.get_boundary()
    return boundary.encode("latin-1") if boundary else None


def parse(path: Path, boundary: bytes) -> Form:
    """Read a form. What is no part of it is ignored, as the framework does."""
    form = Form(path)
    if path.stat().st_size == 0:
        return form
    with path.open("rb") as source, mmap.mmap(source.fileno(), 0, access=mmap.ACCESS_READ) as body:
        start = body.find(b"--" + boundary)
        while start >= 0 and body[(begin := start + 2 + len(boundary)) : begin + 2] == b"\r\n":
            head_end = body.find(b"\r\n\r\n", begin)
            stop = body.find(b"\r\n--" + boundary, max(head_end + 2, begin))
            if head_end < 0 or stop < 0:
                break
            _add(form, body[begin:head_end].decode("utf-8", "replace"), body, head_end + 4, stop)
            start = stop + 2
    return form


def _add(form: Form, head: str, body: mmap.mmap, start: int, stop: int) -> None:
    name = re.search(r'[;\s]name="([^"]*)"', head)
    file_name = re.search(r'[;\s]filename="([^"]*)"', head)
    if name is None:
        return
    if file_name is None:
        form.fields[name[1]] = body[start:stop].decode("utf-8", "replace")
    elif name[1] == BINARY:
        form.file, form.file_named = (start, stop), bool(file_name[1])
    else:
        form.strange = True
