"""The composition root: builds one mount from a `MountConfig` and serves it. (Interface; the rest follows.)"""

from __future__ import annotations

from collections.abc import Callable

from assetfs.config import MountConfig
from assetfs.failure import Failure


class MountFailed(Failure):
    """What prevented the mount; `status` is the exit status."""


def serve(config: MountConfig, *, ready: Callable[[], None]) -> int:
    """Mount, call `ready` once the mount answers, and return an exit status when it has been unmounted.

    Blocks. Raises MountFailed for anything that prevents the mount.
    """
    raise MountFailed("mounting is not built yet", 1)
