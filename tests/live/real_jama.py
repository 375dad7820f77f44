"""The real Jama server on loopback, for tests that must not take our own sandbox's word for it.

`python tests/live/real_jama.py` prints one JSON line (url, credential, user, project) when it is ready and serves
until SIGTERM; `start_real_jama()` does the same inside a test session. The release from the package index goes once
into a virtual environment below `.setup/`; state (SQLite, blobs) goes into a temporary folder and is gone afterwards.

What it needs is a Python 3.13 (the server's own demand) and a package index. The server looks for seven media programs
when it starts and calls them only in background jobs that nobody runs here: stubs are enough.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".setup" / "jama"
RELEASE = "jama-CERTIC==2026.10.16.1"
MEDIA_PROGRAMS = ("vips", "convert", "exiftool", "pdftoppm", "pdftotext", "tesseract", "ffmpeg")
PYTHONS = ("python3.13", "python3.14")


class NotAvailableError(Exception):
    """The real server cannot be had on this machine; the message says why."""


@dataclass(frozen=True)
class RealJama:
    url: str
    credential: str
    user: str
    project: int
    project_label: str
    second_credential: str
    """Another user with the same rights: `somebody else`."""
    directory: str


def _python() -> str:
    pyenv = Path(os.environ.get("PYENV_ROOT", str(Path.home() / ".pyenv"))) / "versions"
    for found in (*(shutil.which(name) for name in PYTHONS), *sorted(pyenv.glob("3.13*/bin/python"))):
        if (
            found
            and subprocess.run([str(found), "-c", "import sys; sys.exit(sys.version_info < (3, 13))"]).returncode == 0
        ):
            return str(found)
    raise NotAvailableError("the Jama server needs Python 3.13, which is not installed here")


def install() -> Path:
    """The environment with the server in it; made at the first call. Raises NotAvailableError."""
    if not (VENV / "bin" / "jama").exists():
        subprocess.run([_python(), "-m", "venv", str(VENV)], check=True)
        pip = [str(VENV / "bin" / "pip"), "install", "--quiet", RELEASE, "pyvips-binary"]
        done = subprocess.run(pip, capture_output=True, text=True)
        if done.returncode:
            shutil.rmtree(VENV, ignore_errors=True)
            raise NotAvailableError(f"the Jama server cannot be installed: {done.stderr.strip().splitlines()[-1]}")
    return VENV


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def start_real_jama(
    deadline: float = 60.0,
    label: str = "Projet Test",
    prepare: Callable[[Callable[..., str]], None] = lambda jama: None,
) -> Iterator[RealJama]:
    """Migrate, load the file types, make a project with two users, serve on loopback; stop by process id at the end.
    `prepare` is given the server's own command, to make more before it serves."""
    venv = install()
    with tempfile.TemporaryDirectory(prefix="jama-") as folder:
        programs = Path(folder) / "programs"
        programs.mkdir()
        for name in MEDIA_PROGRAMS:
            stub = programs / name
            stub.write_text("#!/bin/sh\nexit 1\n")
            stub.chmod(0o755)
        port = _free_port()
        env = {
            "PATH": f"{programs}:{venv}/bin:{os.environ['PATH']}",
            "HOME": folder,
            "JAMA_VAR_DIR": f"{folder}/var",
            "JAMA_SECRET": secrets.token_hex(16),
            # Another host on purpose: the URLs that the server hands out must never see the key.
            "JAMA_SITE": "http://elsewhere.invalid/",
            "JAMA_ALLOWED_HOSTS": "127.0.0.1",
        }
        Path(env["JAMA_VAR_DIR"]).mkdir()

        def jama(*arguments: str) -> str:
            done = subprocess.run(
                [str(venv / "bin" / "jama"), *arguments], env=env, cwd=folder, capture_output=True, text=True
            )
            if done.returncode:
                raise NotAvailableError(f"jama {arguments[0]} failed: {(done.stderr or done.stdout).strip()[-300:]}")
            return done.stdout

        jama("migrate")
        jama("loadfixtures")
        key = re.findall(r"\b[A-Za-z0-9]{32}\b", jama("newjamaproject", label))[-1]
        user = "admin_" + label.lower().replace(" ", "_")
        second = secrets.token_hex(16)
        jama("apikey", "add", user, second)
        prepare(jama)
        log = open(f"{folder}/server.log", "wb")  # noqa: SIM115
        server = subprocess.Popen(
            [str(venv / "bin" / "gunicorn"), "-b", f"127.0.0.1:{port}", "--threads", "4", "jama.wsgi:application"],
            env=env,
            cwd=folder,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            _await_status(f"http://127.0.0.1:{port}/status", server, deadline, Path(folder) / "server.log")
            yield RealJama(f"http://127.0.0.1:{port}/rpc/", key, user, 1, label, second, folder)
        finally:
            server.send_signal(signal.SIGTERM)
            try:
                server.wait(10)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()
            log.close()


def _await_status(url: str, server: subprocess.Popen[bytes], deadline: float, log: Path) -> None:
    end = time.monotonic() + deadline
    while time.monotonic() < end:
        if server.poll() is not None:
            break
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(0.2)
    raise NotAvailableError(f"the Jama server did not answer: {log.read_text(errors='replace')[-300:]}")


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with start_real_jama() as running:
        print(json.dumps(asdict(running)), flush=True)
        while True:
            signal.pause()


if __name__ == "__main__":
    main()
