"""What a draft must be before it is handed over, and what is handed over (section 5, 7.7). Everything here blocks.

The server gets a clone of the draft in a folder of its own: the same files under another name (hard links), so that
the draft stays readable while the server keeps the clone locked, and survives when MIGRATE removes it. What the clone
had is written down with both checksums, and compared with the server's listing before anything local goes away.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from assetfs import names
from assetfs.backends.jdma.checksums import sums
from assetfs.backends.jdma.copies import looks
from assetfs.backends.jdma.journal import Entry, Manifest
from assetfs.backends.jdma.stage import Stage
from assetfs.backends.jdma.wire import File, adler32
from assetfs.repository import NameRejected, ValueRejected

LONGEST_PATH = 1024
"""Letters in a path inside a batch, and more in a path of the server's."""
LONGEST_SOURCE = 2048
NO_LINKS = (errno.EPERM, errno.EXDEV, errno.EOPNOTSUPP, errno.EMLINK)
"""What a disk without hard links says, or a file that has too many."""


def files_of(folder: Path) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Everything below a folder, folders before what is in them: relative path and entry. Follows no link."""
    pending = [""]
    while pending:
        above = pending.pop()
        with os.scandir(folder / above if above else folder) as entries:
            for entry in sorted(entries, key=lambda one: one.name):
                path = f"{above}/{entry.name}" if above else entry.name
                yield path, entry
                if entry.is_dir(follow_symlinks=False):
                    pending.append(path)


def validate(folder: Path, stage: Stage) -> None:
    """Raise ValueRejected or NameRejected for what the server would lose, refuse, choke on, or do harm with."""
    regular = 0
    for path, entry in files_of(folder):
        check_path(path, stage.top)
        mode = entry.stat(follow_symlinks=False).st_mode
        if stat.S_ISREG(mode):
            regular += 1
        elif not stat.S_ISDIR(mode):
            raise ValueRejected(f"{path!r} is neither a file nor a folder: JDMA would lose it, or be stopped by it")
    if not regular:
        raise ValueRejected("there is no file in it: JDMA cannot store folders alone")


def check_path(path: str, top: str) -> None:
    """Raise NameRejected for a path that cannot be brought back; `top` is the first part of the stage's server path."""
    try:
        path.encode()
    except UnicodeEncodeError:
        raise NameRejected(f"{path!r} is not UTF-8: JDMA refuses the whole batch") from None
    for part in path.split("/"):
        if names.encode(part) != part.encode():
            raise NameRejected(f"{part!r} would be shown under another name")
    if len(path) > LONGEST_PATH:
        raise NameRejected(f"a path in a batch has at most {LONGEST_PATH} letters: {path[:40]!r}…")
    if path.split("/", 1)[0] == top:
        raise NameRejected(f"{top!r} cannot stand at the top of a batch: JDMA would lose it when it is brought back")


def described(folder: Path, key: str) -> Manifest:
    """Read every file, make it durable, and say what it holds."""
    entries = []
    for path, entry in files_of(folder):
        if not entry.is_file(follow_symlinks=False):
            continue
        handle = os.open(folder / path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            os.fsync(handle)
            found, (_, seen) = sums(handle), looks(handle)
        finally:
            os.close(handle)
        entries.append(Entry(path, found.size, found.adler, found.sha256, seen))
    return Manifest(key=key, entries=entries)


def clone(folder: Path, target: int, stage: Stage) -> None:
    """The same files in another folder: links to them, or copies where the disk has no links. `target` is a handle of
    that folder, which is empty."""
    owner = stage.owner
    for path, entry in files_of(folder):
        found = entry.stat(follow_symlinks=False)
        made = entry.is_dir(follow_symlinks=False)
        if made:
            os.mkdir(path, dir_fd=target)
            os.chmod(path, stat.S_IMODE(found.st_mode) | stat.S_IRWXU, dir_fd=target)
        else:
            try:
                os.link(folder / path, path, dst_dir_fd=target, follow_symlinks=False)
            except OSError as error:
                if error.errno not in NO_LINKS:
                    raise
                shutil.copy2(folder / path, f"/proc/self/fd/{target}/{path}", follow_symlinks=False)
                made = True
        if made and owner is not None:
            os.chown(path, found.st_uid, found.st_gid, dir_fd=target)
    os.sync()


def difference(manifest: Manifest, listed: dict[str, File]) -> str | None:
    """What is different between what was handed over and what the server lists, by path; None where nothing is."""
    ours = {entry.path: entry for entry in manifest.entries}
    if missing := ours.keys() - listed.keys():
        return f"it does not list {len(missing)} of the files, such as {min(missing)!r}"
    if more := listed.keys() - ours.keys():
        return f"it lists {len(more)} files that were not handed over, such as {min(more)!r}"
    for path, entry in ours.items():
        file = listed[path]
        if file.size != entry.size:
            return f"it has {file.size} bytes of {path!r} instead of {entry.size}"
        same = adler32(file.digest) == entry.adler32 if file.digest_format == "ADLER32" else file.digest == entry.sha256
        if not same:
            return f"it has another digest of {path!r}"
    return None
