"""What every trio task and thread is doing, in the log: for a mount that seems to hang (SIGUSR1)."""

from __future__ import annotations

import logging
import sys
import traceback
from typing import Any

import trio

log = logging.getLogger("assetfs.stacks")


def log_tasks() -> None:
    """One log record with the stack of every task. Call it on the loop."""
    root = trio.lowlevel.current_root_task()
    lines: list[str] = []

    def walk(task: trio.lowlevel.Task, depth: int) -> None:
        lines.append("  " * depth + task.name)
        coroutine: Any = task.coro
        while coroutine is not None and getattr(coroutine, "cr_frame", None) is not None:
            frame = coroutine.cr_frame
            lines.append(f"{'  ' * (depth + 2)}{frame.f_code.co_filename}:{frame.f_lineno} {frame.f_code.co_name}")
            coroutine = coroutine.cr_await
        for nursery in task.child_nurseries:
            for child in nursery.child_tasks:
                walk(child, depth + 1)

    if root is not None:
        walk(root, 0)
    threads = [
        f"thread {number}:\n{''.join(traceback.format_stack(frame))}" for number, frame in sys._current_frames().items()
    ]
    log.warning("tasks:\n%s\n%s", "\n".join(lines), "\n".join(threads))
