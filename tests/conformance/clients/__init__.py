"""The official clients, each in a virtual environment of its own, driven by scripts that run there.

Several releases share one import name, so none of them is installed beside our own code. An environment is made once,
below `.setup/`, and found again by the next run. Each script is a list of functions `check_...`; a test runs one.
"""

from __future__ import annotations

import fcntl
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ENVIRONMENTS = HERE.parents[2] / ".setup" / "clients"
INSTALL_SECONDS = 300
CHECK_SECONDS = 60


class NotAvailable(Exception):
    """The client cannot be installed here; the message says why."""


def environment(requirement: str, *undeclared: str) -> Path:
    """The Python of an environment with this release (`name==version`), made if need be. Raises NotAvailable.

    `undeclared` is what the client imports besides and does not say that it needs.
    """
    folder = ENVIRONMENTS / f"{requirement.replace('==', '-')}-py{sys.version_info.major}.{sys.version_info.minor}"
    python, done = folder / "bin" / "python", folder / "installed"
    ENVIRONMENTS.mkdir(parents=True, exist_ok=True)
    with (ENVIRONMENTS / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            _run(sys.executable, "-m", "venv", "--clear", str(folder))
            # Releases without a wheel need setuptools, which new Pythons no longer bring along.
            _run(str(python), "-m", "pip", "install", "--quiet", "setuptools", "wheel")
            _run(str(python), "-m", "pip", "install", "--quiet", "--no-build-isolation", requirement, *undeclared)
            done.touch()
    return python


def _run(*command: str) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=INSTALL_SECONDS)
    except subprocess.CalledProcessError as error:
        raise NotAvailable(f"{' '.join(command[-2:])}: {error.stderr.strip()[-500:]}") from error


def checks(script: str) -> list[str]:
    """The names of a script's checks, in the order in which they stand."""
    return re.findall(r"^def check_(\w+)\(", (HERE / script).read_text(), re.MULTILINE)


def run_check(
    python: Path, script: str, check: str, facts: dict[str, Any], folder: Path, seconds: float = CHECK_SECONDS
) -> None:
    """Run one check of a script; AssertionError with what it printed when it fails. `folder` is its to write in."""
    done = subprocess.run(
        [str(python), str(HERE / script), check, json.dumps(facts)],
        capture_output=True,
        text=True,
        cwd=folder,
        timeout=seconds,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
