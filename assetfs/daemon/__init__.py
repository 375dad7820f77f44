"""The composition root: builds one mount from a `MountConfig`, owns its tasks, and takes it down again.

    open the parts (connect, lock, cache, journal) -> mount -> serve ... -> stop serving -> drain -> close everything

`part.py` is one repository; a mount has one or several. `life.py` is what happens to a mount while it lives: signals, a
new configuration, the service manager. `status.py` and `metrics.py` are what it says of itself.

Whatever can fail does so before the mount exists, as one `MountFailed` line with an exit status. From then on the
mount lives until somebody unmounts it or the process is told to end. One nursery owns every task; one that dies takes
the mount down loudly.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from contextlib import AsyncExitStack

import trio

from assetfs.config import MountConfig
from assetfs.daemon import life, top
from assetfs.daemon.part import MountFailed, Part, disk_cache, opened, owed, state_folder
from assetfs.failure import Status
from assetfs.fuse.session import Session, Tuning
from assetfs.observe import listen, service
from assetfs.repository import Forbidden, NotAuthenticated, Offline, RepositoryError, Unavailable

__all__ = ["MountFailed", "disk_cache", "owed", "serve", "state_folder"]

GENERATIONS = 20_000, 5, 50
"""For the collector of cycles, which has little to find here: what is there at the start is never looked at again, and
the rest seldom. It took 6 % of a cold sequential read."""

_STATUS: dict[type[RepositoryError], int] = {
    Offline: Status.UNREACHABLE,
    Unavailable: Status.UNREACHABLE,
    NotAuthenticated: Status.REFUSED,
    Forbidden: Status.REFUSED,
}


def serve(config: MountConfig, *, ready: Callable[[], None]) -> int:
    """Mount, call `ready` once the mount answers, and return an exit status when it has been unmounted.

    Blocks. Raises MountFailed for anything that prevents the mount.
    """
    try:
        return trio.run(_serve, config, ready)
    except BaseException as raised:
        error = _single(raised)
        if isinstance(error, RepositoryError):
            raise MountFailed(str(error), _STATUS.get(type(error), Status.FAILED)) from None
        raise error from None


def _single(error: BaseException) -> BaseException:
    """The one error in the groups that nurseries make."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


async def _serve(config: MountConfig, ready: Callable[[], None]) -> int:
    hello = trio.Event()
    mount = top.Mount(config)
    async with AsyncExitStack() as stack:
        for each in config.parts or (config,):
            part = await stack.enter_async_context(opened(each, hello=hello.set, metrics=mount.metrics))
            mount.parts.append(part)
        nursery = await stack.enter_async_context(trio.open_nursery())
        operations = await mount.operations(nursery, hello.set)
        try:
            listeners = await listen.open_listeners(config.metrics_listen) if config.metrics_listen else []
        except OSError as error:
            raise MountFailed(f"metrics_listen {config.metrics_listen}: {error.strerror or error}") from None
        try:
            session = Session.open(
                operations,
                config.mountpoint,
                name=config.source,
                allow_other=config.allow_other,
                read_only=all(part.writeback is None for part in mount.parts),
                more=config.kernel_options,
            )
        except RuntimeError as error:
            raise MountFailed(f"{config.mountpoint} cannot be mounted: {error}") from None
        try:
            nursery.start_soon(_announce, hello, session, config, mount.parts, ready)
            nursery.start_soon(life.signals, session, mount)
            nursery.start_soon(service.feed_the_watchdog)
            if listeners:
                nursery.start_soon(listen.serve, listeners, mount.metrics)
            await session.serve(mount.gone)
        finally:
            with trio.CancelScope(shield=True):
                service.ending(config.drain)
                for part in mount.parts:
                    await part.operations.notifier.stop()
                await trio.to_thread.run_sync(session.close)
                async with trio.open_nursery() as draining:
                    for part in mount.parts:
                        draining.start_soon(part.drain)
        nursery.cancel_scope.cancel()
    return Status.DONE


async def _announce(
    hello: trio.Event, session: Session, config: MountConfig, parts: list[Part], ready: Callable[[], None]
) -> None:
    """Once the kernel has said hello: tune, then tell. In threads, because both may look at the mount itself."""
    await hello.wait()
    tuning = Tuning(read_ahead_kb=config.read_ahead >> 10, max_background=config.max_background)
    untuned = await trio.to_thread.run_sync(session.tune, tuning)
    for part in parts:
        part.status.untuned = untuned
    gc.freeze()
    gc.set_threshold(*GENERATIONS)
    gc.enable()
    await trio.to_thread.run_sync(ready)
