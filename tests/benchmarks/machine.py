"""What a run ran on: without it, its figures say nothing."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from importlib.metadata import version
from pathlib import Path

PACKAGES = ("assetfs", "pyfuse3", "trio", "httpx")
PROGRAMS = {"rclone": ("rclone", "version"), "nginx": ("nginx", "-v"), "curl": ("curl", "--version")}


def describe() -> dict[str, object]:
    cpus = re.findall(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    memory = re.search(r"MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text())
    return {
        "cores": os.cpu_count(),
        "processor": cpus[0] if cpus else platform.machine(),
        "memory_gb": round(int(memory[1]) / 1e6, 1) if memory else None,
        "kernel": platform.release(),
        "system": _system(),
        "python": platform.python_version(),
        "user": "root" if os.geteuid() == 0 else "ordinary",
        **{name: version(name) for name in PACKAGES},
        **{name: _program(*command) for name, command in PROGRAMS.items()},
    }


def _system() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return platform.system()


def _program(name: str, option: str) -> str | None:
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if found is None:
        return None
    done = subprocess.run([found, option], capture_output=True, text=True, check=False)
    numbers = re.search(r"\d+\.\d[\w.-]*", done.stdout + done.stderr)
    return numbers[0] if numbers else None


def load() -> float:
    """Processes that ran or waited to run, over the last minute."""
    return os.getloadavg()[0]
