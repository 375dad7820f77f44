"""The real SAMS server on loopback, for tests that must not take our own sandbox's word for it.

The release from the package index goes once into a virtual environment below `.setup/`, under the Python that it wants
(3.8 or 3.9). It keeps everything in MongoDB and Elasticsearch 7: those that `ASSETFS_MONGO_URI` and
`ASSETFS_ELASTICSEARCH_URL` name, of which it uses a database and an index of its own, or else programs of this machine
(`mongod`, `elasticsearch`), started on loopback with their data in a temporary folder. Where there is neither, it gets
stand-ins (`sams_app.py`, `sams_search.py`): databases in memory, and searches by the sandbox's code. All answers are
the real server's own then, but what a search finds.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.live.real_jama import NotAvailableError, _free_port

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".setup" / "sams"
RELEASE = (
    "sams-server==0.3.2",
    "superdesk-core==2.3.7",
    "markupsafe<2.1",
    "eve-elastic>=7,<7.3",
    "mongomock>=4.3",
    "gunicorn",
)
"""With what today's resolver would else choose wrongly."""
PYTHONS = ("3.8", "3.9")
KEY = "7f2ababa423061c5"  # one that begins with B, a, s, i or c could never be used
PATIENCE = 120.0


class RealSams:
    """A running server, as far as `SamsWorld` wants one: it keeps no log of requests and cannot be made to fail."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.credential = KEY
        self.http = httpx.Client(timeout=60, trust_env=False)

    def reset(self) -> None:
        return

    def listing(self) -> list[dict[str, Any]]:
        return []


def _python() -> str:
    pyenv = Path(os.environ.get("PYENV_ROOT", str(Path.home() / ".pyenv"))) / "versions"
    for version in PYTHONS:
        for found in (*sorted(pyenv.glob(f"{version}.*/bin/python")), shutil.which(f"python{version}")):
            if found and subprocess.run([str(found), "-c", ""], capture_output=True).returncode == 0:
                return str(found)
    raise NotAvailableError(f"the SAMS server needs Python {' or '.join(PYTHONS)}, which is not installed here")


def install() -> Path:
    """The environment with the server in it; made at the first call. Raises NotAvailableError."""
    if not (VENV / "bin" / "gunicorn").exists():
        subprocess.run([_python(), "-m", "venv", str(VENV)], check=True)
        pip = [str(VENV / "bin" / "pip"), "install", "--quiet", *RELEASE]
        done = subprocess.run(pip, capture_output=True, text=True)
        if done.returncode:
            shutil.rmtree(VENV, ignore_errors=True)
            raise NotAvailableError(f"the SAMS server cannot be installed: {done.stderr.strip().splitlines()[-1]}")
    return VENV


@contextmanager
def _process(words: list[str], folder: str, environ: dict[str, str], ready: str) -> Iterator[None]:
    """A program as long as the block runs, which is ready when something answers at the URL."""
    with open(f"{folder}/{Path(words[0]).name}.log", "wb") as log:
        process = subprocess.Popen(words, cwd=folder, env=environ, stdout=log, stderr=subprocess.STDOUT)
    try:
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end and process.poll() is None:
            try:
                httpx.get(ready, timeout=2, trust_env=False)
                break
            except httpx.TransportError:
                time.sleep(0.3)
        else:
            said = Path(log.name).read_text(errors="replace")[-300:]
            raise NotAvailableError(f"{Path(words[0]).name} did not answer: {said}")
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _mongo(stack: ExitStack, folder: str, environ: dict[str, str]) -> str:
    """The databases: named ones, those of a program that is started, or ones in the server's memory."""
    if named := os.environ.get("ASSETFS_MONGO_URI"):
        return named.rstrip("/")
    if not shutil.which("mongod"):
        environ["ASSETFS_IN_MEMORY"] = "yes"
        return "mongodb://localhost"
    port = _free_port()
    words = ["mongod", "--dbpath", folder, "--port", str(port), "--bind_ip", "127.0.0.1"]
    stack.enter_context(_process(words, folder, environ, f"http://127.0.0.1:{port}/"))
    return f"mongodb://127.0.0.1:{port}"


def _elastic(stack: ExitStack, folder: str, environ: dict[str, str]) -> str:
    """The index: a named one, that of a program that is started, or the stand-in."""
    if named := os.environ.get("ASSETFS_ELASTICSEARCH_URL"):
        return named
    port = _free_port()
    url = f"http://127.0.0.1:{port}"
    told = {"path.data": f"{folder}/index", "path.logs": folder, "http.port": port, "discovery.type": "single-node"}
    words = ["elasticsearch", *(f"-E{key}={value}" for key, value in told.items())]
    if not shutil.which("elasticsearch"):
        words = [sys.executable, "-m", "tests.live.sams_search", str(port)]
        environ = {**environ, "PYTHONPATH": str(ROOT)}
    stack.enter_context(_process(words, folder, environ, url))
    return url


@contextmanager
def start_real_sams() -> Iterator[RealSams]:
    """Stores, the API behind gunicorn; stopped by process id at the end."""
    venv = install()
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="sams-"))
        name, environ = f"assetfs_{secrets.token_hex(4)}", {**os.environ, "HOME": folder}
        mongo, elastic = _mongo(stack, folder, environ), _elastic(stack, folder, environ)
        port = _free_port()
        url = f"http://127.0.0.1:{port}/"
        environ |= {
            "SAMS_URL": url,
            "SAMS_PUBLIC_URL": "http://elsewhere.invalid",  # where the key must never go
            "SAMS_MONGO_DBNAME": name,
            "SAMS_MONGO_URI": f"{mongo}/{name}",
            "SAMS_ELASTICSEARCH_URL": elastic,
            "SAMS_ELASTICSEARCH_INDEX": name,
            "SAMS_AUTH_TYPE": "sams.auth.basic",
            "SAMS_CLIENT_API_KEYS": KEY,
            "STORAGE_DESTINATION_1": f"MongoGridFS,internal,{mongo}/{name}_one",
            "STORAGE_DESTINATION_2": f"MongoGridFS,archive,{mongo}/{name}_two",
        }
        words = [str(venv / "bin" / "gunicorn"), "-b", f"127.0.0.1:{port}", "--timeout", "120"]
        words += ["--pythonpath", str(Path(__file__).parent), "sams_app:application"]
        stack.enter_context(_process(words, folder, environ, url))
        yield RealSams(url)
