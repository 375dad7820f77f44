"""Verification: a file that was fetched completely is compared with the server's digest before its end is given out.

The digest is computed in order, in a worker thread, while the rest is still arriving: from segments in memory, or from
the disk cache for what arrived out of order. SHA-256 runs at 1.65 GB/s here, beside the loop, on the other core.
A file of which something was dropped before it was hashed cannot be verified in this pass, and is not held back.
"""

from __future__ import annotations

import enum
import hashlib


class Verdict(enum.Enum):
    OPEN = "open"  # not everything has been hashed yet
    GOOD = "good"
    BAD = "bad"
    UNKNOWN = "unknown"  # the server gave no digest that we can compute


class Verifier:
    """The running digest of one content. `update` may run in a thread; one at a time, in order."""

    def __init__(self, digest: str | None) -> None:
        algorithm, _, self._expected = (digest or "").partition(":")
        known = bool(self._expected) and algorithm in hashlib.algorithms_available
        self._hash = hashlib.new(algorithm, usedforsecurity=False) if known else None
        self.verdict = Verdict.OPEN if known else Verdict.UNKNOWN
        self.position = 0

    def update(self, data: memoryview) -> None:
        """Hash the bytes at `position`."""
        assert self._hash is not None
        self._hash.update(data)
        self.position += len(data)

    def conclude(self) -> Verdict:
        """Everything has been hashed: compare."""
        assert self._hash is not None
        self.verdict = Verdict.GOOD if self._hash.hexdigest() == self._expected else Verdict.BAD
        return self.verdict

    def give_up(self) -> None:
        """What is left cannot be hashed in this pass."""
        if self.verdict is Verdict.OPEN:
            self.verdict = Verdict.UNKNOWN

    def trust(self) -> None:
        """The disk cache has verified this content in an earlier life."""
        self.verdict = Verdict.GOOD
