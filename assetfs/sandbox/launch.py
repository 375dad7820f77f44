"""Starting a sandbox: the store, the protocol's server, the HTTP server on loopback, and the line that says it is
ready.

It serves until SIGTERM or SIGINT and then ends with status 0; requests that are still running then have half a
second. A temporary store is removed at the end, however the end comes about.
"""

from __future__ import annotations

import importlib
import json
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, cast

import trio
from hypercorn.config import Config
from hypercorn.trio import serve

from assetfs.sandbox.instrument import Front
from assetfs.sandbox.options import PROTOCOLS, Options, WrongUsage
from assetfs.sandbox.store import Store

STOPPING = (signal.SIGTERM, signal.SIGINT)


def run(options: Options, announce: Callable[[str], None] = print) -> None:
    """Serve until told to stop. Raises WrongUsage before anything is started."""
    if options.protocol not in PROTOCOLS:
        raise WrongUsage(f"no such protocol: {options.protocol}; there are {', '.join(PROTOCOLS)}")
    module = importlib.import_module(f"assetfs.sandbox.{options.protocol}.build")
    listeners = [_bound(options.port)]
    with _folder(options.data) as folder:
        server, facts = module.build(Store(folder), options)
        try:
            server.apply_switches(server.switches.read(options.switches))
        except ValueError as error:
            raise WrongUsage(str(error)) from error
        root = _root(listeners[0])
        for name, distance in getattr(module, "MORE_PORTS", {}).items():
            listeners.append(_bound(options.port and options.port + distance))
            facts[name] = _root(listeners[-1])
            server.listens(name, facts[name], listeners[-1].getsockname()[1])
        url = root + module.PATH
        source = getattr(server, "source", None) or module.source
        ready = {"protocol": options.protocol, "url": url, "source": source(url), **facts}
        ready |= {"root_url": root, "profile": options.profile, "seed": options.seed, "data": str(folder)}
        descriptors = [listener.detach() for listener in listeners]
        trio.run(_serve, server, descriptors, lambda: announce(json.dumps(ready)))


async def _serve(server: Any, descriptors: list[int], announce: Callable[[], None]) -> None:
    config = Config()
    config.bind = [f"fd://{descriptor}" for descriptor in descriptors]
    config.accesslog = None
    config.errorlog = None
    config.include_server_header = False
    config.graceful_timeout = 0.5
    config.h11_max_incomplete_size = 65536
    config.keep_alive_max_requests = sys.maxsize

    def switched(switches: Any) -> None:
        config.keep_alive_timeout = switches.keep_alive

    server.on_switch = switched
    switched(server.switches)
    with trio.open_signal_receiver(*STOPPING) as signals:

        async def stopped() -> None:
            await anext(aiter(signals))

        async with trio.open_nursery() as beside:
            if work := getattr(server, "work", None):
                beside.start_soon(work)
            async with trio.open_nursery() as nursery:
                await nursery.start(partial(serve, cast(Any, Front(server)), config, shutdown_trigger=stopped))
                announce()
                sys.stdout.flush()
            beside.cancel_scope.cancel()


def _root(listener: socket.socket) -> str:
    return f"http://127.0.0.1:{listener.getsockname()[1]}"


def _bound(port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except OSError as error:
        listener.close()
        raise WrongUsage(f"cannot listen on port {port}: {error.strerror}") from error
    return listener


@contextmanager
def _folder(data: Path | None) -> Iterator[Path]:
    if data is not None:
        yield data
        return
    folder = Path(tempfile.mkdtemp(prefix="assetfs-sandbox-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
