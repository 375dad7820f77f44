"""What happens to a mount while it lives: signals, and a configuration that is read again.

    SIGTERM, SIGINT   unmount, drain within `drain`, end; what is left stays in the journal
    SIGHUP            read the configuration and the credentials again
    SIGUSR1           write what every task is doing into the log

Of the configuration, what `LIVE` lists takes effect at once; whatever else has changed waits for the next mount, and
the log says so.
"""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable
from typing import Any

import msgspec
import trio

from assetfs.config import MountConfig, reread
from assetfs.daemon.part import Part, timeouts
from assetfs.daemon.top import Mount
from assetfs.failure import Failure
from assetfs.fuse.session import Session
from assetfs.observe import log as logs
from assetfs.observe import service
from assetfs.observe.stacks import log_tasks

log = logging.getLogger("assetfs")


async def signals(session: Session, mount: Mount) -> None:
    """A task of the mount."""
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1) as received:
        async for number in received:
            if number == signal.SIGUSR1:
                log_tasks()
            elif number == signal.SIGHUP:
                await reload(mount)
            else:
                log.info("%s: unmounting", signal.Signals(number).name)
                session.stop()


async def reload(mount: Mount) -> None:
    """Read configuration and credentials again. What cannot be read leaves everything as it is."""
    service.reloading()
    try:
        config = await trio.to_thread.run_sync(reread, mount.config)
    except Failure as failure:
        log.error("the configuration stays as it was: %s", failure)
    else:
        _take(mount, config)
        mount.config = config
    for part in mount.parts:
        await part.repository.refresh()
    service.tell(READY=1)


def _take(mount: Mount, config: MountConfig) -> None:
    logs.change(config.log_level, config.log_format)
    before = mount.config.parts or (mount.config,)
    for part, old, new in zip(mount.parts, before, config.parts or (config,), strict=True):
        changed = _changed(old, new)
        for name in changed & LIVE.keys():
            LIVE[name](part, new)
            log.info("%s: %s is %s now", new.source, name, getattr(new, name))
        if waits := sorted(changed - LIVE.keys() - _ELSEWHERE):
            log.warning("%s: new values of %s are for the next mount", new.source, ", ".join(waits))


def _changed(old: MountConfig, new: MountConfig) -> set[str]:
    names = {field.name for field in msgspec.structs.fields(MountConfig)}
    return {name for name in names if getattr(old, name) != getattr(new, name)}


def _timeouts(part: Part, new: MountConfig) -> None:
    part.fs.timeouts = msgspec.structs.replace(timeouts(new), listings=part.fs.timeouts.listings)


def _deadline(part: Part, new: MountConfig) -> None:
    part.operations.deadline = new.timeout
    _timeouts(part, new)


def _writing(**fields: str) -> Callable[[Part, MountConfig], None]:
    """Settings of write-back, by the option's name."""

    def take(part: Part, new: MountConfig) -> None:
        if part.writeback is not None:
            values: dict[str, Any] = {field: getattr(new, name) for field, name in fields.items()}
            part.writeback.settings = msgspec.structs.replace(part.writeback.settings, **values)

    return take


def _uploads(part: Part, new: MountConfig) -> None:
    if part.writeback is not None:
        part.writeback.uploader.parallel = new.uploads


def _cache(part: Part, new: MountConfig) -> None:
    if part.disk is not None:
        part.disk.limits(new.cache_size, new.cache_free)


def _drain(part: Part, new: MountConfig) -> None:
    part.patience = new.drain


LIVE: dict[str, Callable[[Part, MountConfig], None]] = {
    **dict.fromkeys(("attr_timeout", "entry_timeout", "negative_timeout"), _timeouts),
    "timeout": _deadline,
    "write_back_delay": _writing(delay="write_back_delay"),
    "uploads": _uploads,
    **dict.fromkeys(("cache_size", "cache_free"), _cache),
    "drain": _drain,
}
"""Options that take effect while it is mounted."""

_ELSEWHERE = {"log_level", "log_format", "parts"}
