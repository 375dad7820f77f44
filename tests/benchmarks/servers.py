"""What is read from: one set of bytes, served by all the servers that the contenders need, near and far.

    sandbox (protocol) <- nginx (bytes, by X-Accel-Redirect) <- far proxy
    the same blobs under their names <- nginx (a plain folder with an index) ^
    the same folder <- rclone serve webdav <- far proxy

The blobs are linked under their names, so both trees are the same pages of the page cache; everything was read once
before anybody is timed.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from assetfs.sandbox.store import Store
from tests.benchmarks.processes import free_port, listens, running
from tests.benchmarks.scale import Scale

NEAR, FAR = "loopback", "20 ms"
DELAY = 0.010
"""Seconds each way on the far way."""
RATE = 12e6
"""Bytes a second for each connection on the far way."""

PROJECT = "Bench"
LARGE, MANY, SMALL, VERY_MANY = "large/large.bin", "ten-thousand", "thousand-10k", "big"

NGINX = """\
{user}
daemon off;
worker_processes 1;
worker_rlimit_nofile 4096;
pid {folder}/nginx.pid;
error_log {folder}/nginx-error.log;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  sendfile on;
  tcp_nopush on;
  tcp_nodelay on;
  sendfile_max_chunk 8m;
  keepalive_timeout 600;
  keepalive_requests 1000000;
  client_max_body_size 0;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  types {{ }}
  default_type application/octet-stream;
  upstream sandbox {{ server 127.0.0.1:{sandbox}; keepalive 64; }}
  server {{
    listen 127.0.0.1:{port} backlog=1024;
    location / {{
      proxy_pass http://sandbox;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $http_host;
      proxy_request_buffering off;
    }}
    location /blobs/ {{ internal; alias {blobs}/; }}
    location /files/ {{ alias {files}/; autoindex on; }}
  }}
}}
"""


@dataclass
class Way:
    """The addresses of all servers over one way."""

    name: str
    source: str
    """What assetfs mounts."""
    files: str
    """URL of the plain folder on nginx; ends in a slash."""
    webdav: str
    """URL of the same folder over WebDAV; empty without rclone."""
    writable: str = ""
    """URL of an empty folder over WebDAV that takes files; near only."""


@dataclass
class Servers:
    """Everything that runs while a benchmark does."""

    scale: Scale
    folder: Path
    credential: str
    project: int
    ways: dict[str, Way] = field(default_factory=dict)
    sandbox_pid: int = 0


@contextmanager
def serving(scale: Scale, folder: Path) -> Iterator[Servers]:
    """Start all servers below `folder`, which is the caller's to remove. Raises DidNotStart."""
    with ExitStack() as stack:
        sandbox, ready = stack.enter_context(_sandbox(scale, folder))
        tree = folder / "files"
        data = Path(ready["data"])
        link_names(data, tree)
        nginx = stack.enter_context(_nginx(folder, int(ready["root_url"].rpartition(":")[2]), data / "blobs", tree))
        webdav, writable = 0, 0
        if shutil.which("rclone"):
            webdav = stack.enter_context(_webdav(folder / "webdav.log", tree, "--read-only"))
            (folder / "writable").mkdir()
            writable = stack.enter_context(_webdav(folder / "writable.log", folder / "writable"))
        servers = Servers(scale, folder, ready["credential"], ready["project"], sandbox_pid=sandbox)
        servers.ways[NEAR] = _way(NEAR, nginx, webdav)
        servers.ways[NEAR].writable = f"http://127.0.0.1:{writable}/" if writable else ""
        far = [
            stack.enter_context(proxy(folder / f"proxy-{port}.log", port, DELAY, RATE)) if port else 0
            for port in (nginx, webdav)
        ]
        servers.ways[FAR] = _way(FAR, *far)
        read_once(tree)
        yield servers


def _way(name: str, nginx: int, webdav: int) -> Way:
    here = f"http://127.0.0.1:{nginx}"
    return Way(name, f"jama+{here}/rpc/", f"{here}/files/", f"http://127.0.0.1:{webdav}/" if webdav else "")


@contextmanager
def _sandbox(scale: Scale, folder: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    log = folder / "sandbox.log"
    options = {
        "--seed": "bench",
        "--data": folder / "data",
        "--accel-prefix": "/blobs",
        "--bench-files": scale.many,
        "--bench-big": scale.very_many,
        "--bench-size": scale.large,
    }
    arguments = [str(part) for option in options.items() for part in option]
    command = [sys.executable, "-m", "assetfs.sandbox", "jama", *arguments]
    with running(command, log, ready=lambda: log.read_bytes().endswith(b"}\n"), seconds=300) as process:
        yield process.pid, json.loads(log.read_text().splitlines()[-1])


def link_names(data: Path, tree: Path) -> None:
    """The project's files under their names, as hard links to the sandbox's blobs."""
    wanted = (
        "SELECT collection.title, resource.title, resource.hash FROM resource"
        " JOIN membership ON membership.resource_id = resource.id"
        " JOIN collection ON collection.id = membership.collection_id WHERE collection.title != ?"
    )
    blobs = Store(data).blobs
    with closing(sqlite3.connect(f"file:{data}/jama.sqlite?mode=ro", uri=True)) as db:
        for place, title, digest in db.execute(wanted, (VERY_MANY,)):
            target = tree / place / title
            if not target.parent.is_dir():
                target.parent.mkdir(parents=True)
            os.link(blobs.path(digest), target)


def read_once(tree: Path) -> None:
    """Bring every file into the page cache."""
    for path in tree.rglob("*"):
        if path.is_file():
            with path.open("rb", buffering=0) as file:
                while file.read(8 << 20):
                    pass


@contextmanager
def _nginx(folder: Path, sandbox: int, blobs: Path, files: Path) -> Iterator[int]:
    port = free_port()
    user = "user root;" if os.geteuid() == 0 else ""
    conf = folder / "nginx.conf"
    conf.write_text(NGINX.format(user=user, folder=folder, sandbox=sandbox, port=port, blobs=blobs, files=files))
    program = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") or "nginx"
    command: list[str | Path] = [program, "-p", folder, "-c", conf, "-e", folder / "nginx-error.log"]
    with running(command, folder / "nginx.log", ready=lambda: listens(port)):
        yield port


@contextmanager
def _webdav(log: Path, tree: Path, *more: str) -> Iterator[int]:
    port = free_port()
    options = ["--addr", f"127.0.0.1:{port}", "--dir-cache-time", "1h", *more]
    command: list[str | Path] = ["rclone", "--config", log.with_suffix(".conf"), "serve", "webdav", tree, *options]
    with running(command, log, ready=lambda: listens(port)):
        yield port


@contextmanager
def proxy(log: Path, port: int, delay: float = 0.0, rate: float = 0.0) -> Iterator[int]:
    """A proxy before a port on loopback. Yields its own port."""
    command = [sys.executable, "-m", "tests.benchmarks.proxy", "--to", f"127.0.0.1:{port}"]
    command += ["--delay", str(delay), "--rate", str(rate)]
    with running(command, log, ready=lambda: log.read_bytes().endswith(b"\n")):
        yield int(log.read_text())
