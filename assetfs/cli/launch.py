"""Start a mount's daemon and hear from it.

The daemon is another process (`serve.py`). Its whole configuration goes to it over its standard input, the credential
included: neither its arguments nor its environment hold it. It answers over a pipe with one JSON line, `{}` when the
mount answers, or what is wrong and the exit status; the starter waits for that and for nothing else. What the daemon
says later goes to its log.

Once it is mounted, the daemon has a session of its own, and not before: where autofs waits for the mount, it lets only
the process group that it asked look at the mount point, and holds everybody else.

`child` is the other end, and `foreground` the same without a child.
"""

from __future__ import annotations

import ctypes
import logging
import os
import resource
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from assetfs.cli import mountinfo, records
from assetfs.config import MountConfig
from assetfs.failure import Failure, Status

Serve = Callable[..., int]
"""`assetfs.daemon.serve`: (config, *, ready) -> exit status."""

_PATH, _URL = 1, 2
_GRACE = 30.0
"""Seconds that starting may take beyond the deadline of one operation: imports, a cold disk."""
_PATIENCE = 5.0
"""Seconds between asking a daemon to end and ending it."""
_LARGEST_LOG = 16 << 20
"""Bytes: a log larger than this is put aside (`.1`) when its mount starts."""


class Report(msgspec.Struct, omit_defaults=True):
    """The daemon's one line."""

    message: str = ""
    status: int = 0


def pack(config: MountConfig) -> bytes:
    """The configuration as bytes, for `unpack`. It holds the secret."""

    def encode(value: object) -> msgspec.msgpack.Ext:
        if isinstance(value, Path):
            return msgspec.msgpack.Ext(_PATH, os.fsencode(value))
        raise NotImplementedError(type(value).__name__)

    return msgspec.msgpack.encode(config, enc_hook=encode)


def unpack(data: bytes) -> MountConfig:
    def decode(code: int, value: memoryview) -> Path:
        return Path(os.fsdecode(bytes(value)))

    return msgspec.msgpack.decode(data, type=MountConfig, ext_hook=decode)


def log_place(config: MountConfig) -> Path:
    return config.log_file or config.state_dir / "log" / f"{records.mount_id(config.mountpoint)}.log"


def _open_log(place: Path) -> int:
    try:
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if place.is_file() and place.stat().st_size > _LARGEST_LOG:
            place.replace(place.with_name(place.name + ".1"))
        return os.open(place, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise Failure(f"the log {place} cannot be written: {error.strerror}", Status.USAGE) from None


PROGRAM = sys.executable, "-P", "-m", "assetfs.cli.serve"
"""The daemon's. -P: no module of the folder that somebody happens to stand in."""


def launch(config: MountConfig, *, program: Sequence[str] = PROGRAM) -> int:
    """Start the daemon, wait until the mount answers, and return the daemon's pid. Raises Failure with its reason.

    Whatever ends the waiting otherwise (Ctrl-C, a deadline) ends the daemon too.
    """
    place = log_place(config)
    log = _open_log(place)
    ours, theirs = os.pipe()
    try:
        daemon = subprocess.Popen(  # noqa: S603
            [*program, "--report", str(theirs), config.source, str(config.mountpoint)],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            pass_fds=[theirs],
            cwd="/",
            env={name: value for name, value in os.environ.items() if not name.startswith("ASSETFS_")},
        )
    finally:
        os.close(log)
        os.close(theirs)
    try:
        _hand_over(daemon, pack(config))
        report = _listen(ours, config.timeout + config.transport.connect_timeout + _GRACE)
    except BaseException:
        _end(daemon, config.mountpoint)
        raise
    finally:
        os.close(ours)
    if report is None:
        _end(daemon, config.mountpoint)
        raise Failure(f"the daemon ended before the mount answered: its log is {place}")
    if report.message:
        _end(daemon, config.mountpoint)
        raise Failure(report.message, report.status or Status.FAILED)
    daemon.returncode = 0  # it lives on: no warning about a child that was not waited for
    return daemon.pid


def _hand_over(daemon: subprocess.Popen[bytes], data: bytes) -> None:
    assert daemon.stdin is not None
    try:
        daemon.stdin.write(data)
        daemon.stdin.close()
    except BrokenPipeError:
        return  # it ended early: the report says why, or its absence does


def _listen(pipe: int, seconds: float) -> Report | None:
    """The daemon's line; None if it ended without one."""
    deadline = time.monotonic() + seconds
    data = b""
    while not data.endswith(b"\n"):
        readable, _, _ = select.select([pipe], [], [], max(0.0, deadline - time.monotonic()))
        if not readable:
            raise Failure(f"the mount did not answer within {seconds:.0f} s: gave up", Status.UNREACHABLE)
        if not (piece := os.read(pipe, 65536)):
            return None
        data += piece
    return msgspec.json.decode(data, type=Report)


def _end(daemon: subprocess.Popen[bytes], mountpoint: Path) -> None:
    """Stop a daemon that never became a mount, and take away what it may have left at the mount point."""
    if daemon.poll() is None:
        daemon.terminate()
        try:
            daemon.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()
    mounted = mountinfo.at(mountpoint)
    if mounted is not None and mounted.ours and mountinfo.is_dead(mountpoint):
        mountinfo.unmount(mountpoint, lazy=True)
    records.remove(mountpoint, pid=daemon.pid)


def child(report: int, serve: Serve) -> int:
    """The daemon's side: read the configuration, serve, and report once."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the starter's, as long as they are one group
    config = unpack(sys.stdin.buffer.read())
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    told = False

    def tell(answer: Report) -> None:
        nonlocal told
        if not told:
            told = True
            os.write(report, msgspec.json.encode(answer) + b"\n")
            os.close(report)

    def answers() -> None:
        os.setsid()
        tell(Report())

    try:
        return _serve(config, serve, log=log_place(config), answers=answers)
    except Failure as failure:
        tell(Report(str(failure), failure.status))
        return failure.status
    except Exception as error:
        logging.getLogger("assetfs").exception("the daemon failed")
        tell(Report(f"{type(error).__name__}: {error} (a fault of assetfs; its log is {log_place(config)})", 1))
        return Status.FAILED


def foreground(config: MountConfig, serve: Serve) -> int:
    """Serve in this process until it is unmounted or ended."""
    if config.log_file is not None:
        os.close(_open_log(config.log_file))
    return _serve(config, serve, log=config.log_file, answers=lambda: None)


def _serve(config: MountConfig, serve: Serve, *, log: Path | None, answers: Callable[[], None]) -> int:
    from assetfs.observe import log as logs
    from assetfs.observe import service

    os.umask(0o077)
    _keep_secrets()
    for part in (config, *config.parts):
        logs.keep_out(part.address.secret)
    logs.begin(config.log_level, config.log_format, log)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)

    def ready() -> None:
        records.write(config.mountpoint, config.source, log=str(log or ""), state_dir=config.state_dir)
        logging.getLogger("assetfs").info("%s is mounted at %s", config.source, config.mountpoint)
        service.tell(READY=1, MAINPID=os.getpid(), STATUS=f"{config.source} at {config.mountpoint}")
        answers()

    try:
        return serve(config, ready=ready)
    finally:
        records.remove(config.mountpoint, pid=os.getpid())


def _keep_secrets() -> None:
    """No core dump, and no other process of this user may read this one's memory."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    not_dumpable, no = 4, 0  # prctl(2): PR_SET_DUMPABLE
    ctypes.CDLL(None, use_errno=True).prctl(not_dumpable, no, no, no, no)
