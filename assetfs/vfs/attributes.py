"""Attributes: what stat(2) says of a node. Pure."""

from __future__ import annotations

import stat
import zlib

import msgspec

from assetfs.repository import Availability, Kind, Node, Rights

_TYPES = {Kind.FOLDER: stat.S_IFDIR, Kind.FILE: stat.S_IFREG, Kind.LINK: stat.S_IFLNK}
_MODES = {Kind.FOLDER: 0o777, Kind.FILE: 0o666, Kind.LINK: 0o777}


_CHANGES = (Rights.WRITE | Rights.ANNOTATE).value
"""Either is shown as a right to write, which the kernel wants for attributes, too. A number: every entry of
every listing asks, and the flags themselves take 3 µs."""


class Ownership(msgspec.Struct, frozen=True):
    """Whose the files are, and what is masked out of their modes."""

    uid: int
    gid: int
    umask: int
    read_only: bool


class Attributes(msgspec.Struct, frozen=True, gc=False):
    """What the kernel is told. Times in nanoseconds, timeouts in seconds, sizes in bytes."""

    number: int
    mode: int
    links: int
    uid: int
    gid: int
    size: int
    blocks: int
    mtime_ns: int
    ctime_ns: int
    birth_ns: int
    timeout: float
    """How long these attributes are good; 0 where the size is not known yet."""


def describe(
    node: Node,
    number: int,
    size: int | None,
    owner: Ownership,
    started_ns: int,
    timeout: float,
    given_ns: int | None = None,
    links: int = 0,
) -> Attributes:
    """The attributes of a node. `size` None: not known yet, and the kernel asks again when somebody wants it.
    `given_ns` is the modification time that somebody gave to this content: it is shown as it is. `links` is how many
    entries are known to lead to a file."""
    mode = _MODES[node.kind] & ~owner.umask
    if owner.read_only or not node.rights.value & _CHANGES:
        mode &= ~0o222
    if not node.others:
        mode &= ~0o077
    if node.kind is Kind.LINK:
        mode = 0o777
    elif node.kind is Kind.FOLDER:
        size = 0
    mtime = node.mtime_ns if node.mtime_ns is not None else started_ns
    if given_ns is not None:
        mtime = given_ns
    elif (mark := node.stamp or node.version) is not None:
        # The nanoseconds below a microsecond tell versions apart, so that the kernel drops its pages of an old one
        # although the server's clock has coarser steps.
        mtime += zlib.crc32(mark.encode()) % 1000 - mtime % 1000
    shown = size or 0
    blocks = -(-shown // 512)
    if node.availability is not Availability.ONLINE and shown:
        blocks = max(blocks, 1)  # never zero: tools take a file without blocks for a hole
    return Attributes(
        number=number,
        mode=_TYPES[node.kind] | mode,
        links=2 if node.kind is Kind.FOLDER else max(links, 1),
        uid=owner.uid,
        gid=owner.gid,
        size=shown,
        blocks=blocks,
        mtime_ns=mtime,
        ctime_ns=node.ctime_ns if node.ctime_ns is not None else mtime,
        birth_ns=node.birth_ns or 0,
        timeout=timeout if size is not None else 0.0,
    )
