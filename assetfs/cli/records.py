"""Runtime records: one small JSON file per mount of this user, for `status` and `umount`.

A daemon writes its record when the mount answers and removes it when it ends. A record says which process it was, with
the time that process started, so that a number that the kernel has given to somebody else since is not taken for it.
They are kept where the system keeps such things; a login and a service may disagree where that is, so that all
places are read.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
import time
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import platformdirs

from assetfs import __version__


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One mount, as its daemon described it."""

    pid: int
    born: int
    """When the process started, in clock ticks after boot."""
    boot: str
    """Which boot that was."""
    mountpoint: Path
    source: str
    started: datetime
    log: str = ""
    state_dir: str = ""
    version: str = __version__

    @property
    def alive(self) -> bool:
        return self.boot == _boot() and born(self.pid) == self.born


def born(pid: int) -> int | None:
    """When a process started; None if there is none, or a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def see_end(pid: int, birth: int | None, patience: float, *signals: signal.Signals) -> bool:
    """Wait for a process to end: so many seconds, and so many again after each of the signals."""
    for how in (None, *signals):
        if how is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, how)
        deadline = time.monotonic() + patience
        while birth is not None and born(pid) == birth:
            if time.monotonic() >= deadline:
                break
            time.sleep(0.05)
        else:
            return True
    return False


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def folders() -> list[Path]:
    """Where records may be; new ones go to the first."""
    runtime = [os.environ.get("XDG_RUNTIME_DIR"), f"/run/user/{os.getuid()}"]
    present = [Path(place, "assetfs") for place in runtime if place and os.access(place, os.W_OK)]
    return list(dict.fromkeys([*present, Path(platformdirs.user_state_dir("assetfs"), "mounts")]))


def mount_id(mountpoint: Path) -> str:
    """A short name for a mount point: for its record and its log."""
    return hashlib.sha256(os.fsencode(mountpoint)).hexdigest()[:16]


def _encode(value: object) -> str:
    if isinstance(value, Path):
        return str(value)
    raise NotImplementedError


def _decode(kind: type, value: object) -> object:
    if kind is Path:
        return Path(str(value))
    raise NotImplementedError


def write(mountpoint: Path, source: str, *, log: str, state_dir: Path) -> Path:
    """Record this process as the daemon of the mount there; returns the record's file."""
    record = Record(
        pid=os.getpid(),
        born=born(os.getpid()) or 0,
        boot=_boot(),
        mountpoint=mountpoint,
        source=source,
        started=datetime.now(UTC),
        log=log,
        state_dir=str(state_dir),
    )
    folder = folders()[0]
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    place = folder / f"{mount_id(mountpoint)}.json"
    new = place.with_suffix(f".{os.getpid()}")
    new.write_bytes(msgspec.json.encode(record, enc_hook=_encode))
    new.replace(place)
    return place


def remove(mountpoint: Path, *, pid: int | None = None) -> None:
    """Forget the mount there, if it is still the one of process `pid`."""
    for folder in folders():
        place = folder / f"{mount_id(mountpoint)}.json"
        record = _read(place)
        if record is not None and pid in (None, record.pid):
            with contextlib.suppress(OSError):
                place.unlink()


def _read(place: Path) -> Record | None:
    try:
        return msgspec.json.decode(place.read_bytes(), type=Record, dec_hook=_decode)
    except (OSError, msgspec.MsgspecError):
        return None


def read(mountpoint: Path) -> Record | None:
    """The record of the mount there; of a living daemon, if there are several."""
    found = [record for folder in folders() if (record := _read(folder / f"{mount_id(mountpoint)}.json"))]
    return next((record for record in found if record.alive), found[0] if found else None)


def named(word: Path) -> Path:
    """The mount point that is meant: a path, or the name or URL of a repository that is mounted."""
    if word.name and not os.path.lexists(word):
        for record in every():
            if record.alive and word == Path(record.source):
                return record.mountpoint
    return word


def every() -> list[Record]:
    """All records of this user, by mount point, stale ones too."""
    found: dict[Path, Record] = {}
    for folder in folders():
        for place in sorted(folder.glob("*.json")):
            record = _read(place)
            if record is not None and (record.mountpoint not in found or record.alive):
                found[record.mountpoint] = record
    return [found[place] for place in sorted(found)]
