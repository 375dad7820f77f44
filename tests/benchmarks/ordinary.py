"""An ordinary user to mount as.

An ordinary user may mount, but may not raise the kernel's read-ahead: that is a row of its own. Root becomes that user
for it, with a Python that such a user may run: the one in use, or the system's own of the same version, given the
packages of the one in use.
"""

from __future__ import annotations

import os
import pwd
import shutil
import site
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.mounts import User

NAME = "assetfs-bench"
REPOSITORY = Path(__file__).parents[2]


class NobodyElse(Exception):
    """No ordinary user can take part here; the message says why."""


@contextmanager
def ordinary() -> Iterator[User]:
    """An ordinary user, made if there is none yet, and then removed again. Raises NobodyElse."""
    if os.geteuid() != 0:
        raise NobodyElse("only root can become another user: the other rows are an ordinary user's already")
    made = False
    try:
        pwd.getpwnam(NAME)
    except KeyError:
        _run("useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", NAME)
        made = True
    try:
        yield _with_python(pwd.getpwnam(NAME))
    finally:
        if made:
            _run("userdel", NAME)


def _run(*command: str) -> None:
    program = shutil.which(command[0], path="/usr/sbin:/sbin:/usr/bin:/bin")
    if program is None:
        raise NobodyElse(f"{command[0]} is missing")
    done = subprocess.run([program, *command[1:]], capture_output=True, text=True, check=False)
    if done.returncode:
        raise NobodyElse(f"{command[0]}: {done.stderr.strip()}")


def _with_python(record: pwd.struct_passwd) -> User:
    packages = os.pathsep.join([*site.getsitepackages(), str(REPOSITORY)])
    env = {"PYTHONPATH": packages, "PYTHONDONTWRITEBYTECODE": "1"}
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    system = shutil.which(version, path="/usr/bin:/usr/local/bin")
    for python in filter(None, (sys.executable, system)):
        user = User(record.pw_uid, record.pw_gid, [python, "-P", "-m", "assetfs"], env)
        try:
            done = subprocess.run(
                [python, "-c", "import assetfs.daemon, tests.benchmarks"],
                env={**os.environ, **env},
                capture_output=True,
                cwd="/",
                check=False,
                **user.popen(),
            )
        except PermissionError:
            continue
        if done.returncode == 0:
            return user
    raise NobodyElse(f"{NAME} can run no Python that has what assetfs needs")
