"""Checksums of files on the shared disk, as the server computes them (section 3).

Its ADLER32 starts both sums at 0, where the usual one starts the first at 1. Old batches have SHA-256.
"""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Callable

from assetfs.backends.jdma.wire import adler32

PIECE = 1 << 20


class Sums:
    """Both checksums of a file, and how long it is."""

    def __init__(self) -> None:
        self.size = 0
        self.adler = 0
        self._sha = hashlib.sha256()

    def add(self, piece: bytes) -> None:
        self.size += len(piece)
        self.adler = zlib.adler32(piece, self.adler)
        self._sha.update(piece)

    @property
    def sha256(self) -> str:
        return self._sha.hexdigest()


def sums(handle: int) -> Sums:
    """The checksums of an open file, from its first byte. Blocks; call it in a thread."""
    found = Sums()
    while piece := os.pread(handle, PIECE, found.size):
        found.add(piece)
    return found


def _has_adler32(handle: int, digest: str) -> bool:
    wanted, running, at = adler32(digest), 0, 0
    while piece := os.pread(handle, PIECE, at):
        running, at = zlib.adler32(piece, running), at + len(piece)
    return running == wanted


def _has_sha256(handle: int, digest: str) -> bool:
    return sums(handle).sha256 == digest.lower()


FORMATS: dict[str, Callable[[int, str], bool]] = {"ADLER32": _has_adler32, "SHA256": _has_sha256}


def fits(handle: int, digest_format: str, digest: str) -> bool:
    """Whether an open file has this digest; False for formats that nobody knows. Blocks; call it in a thread."""
    check = FORMATS.get(digest_format)
    return check is not None and check(handle, digest)
